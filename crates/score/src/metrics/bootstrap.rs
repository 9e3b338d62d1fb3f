//! Intervals by the percentile bootstrap (Efron 1979): the metric over many resamples of the same rows.
//!
//! A resample is a vector of counts, not a copy of rows: scores are sorted once and every metric reads the
//! counts as weights in one sequential pass. Counts are bytes, so that those of a million rows stay in the
//! cache. Whole entities are drawn, not rows, where an entity has several rows: its rows are
//! alike, and intervals that took them for independent would be too narrow. Where neighbouring times depend on each other, as
//! those of series do, blocks of successive times are drawn (circular block bootstrap; Politis and Romano 1992).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Measure, Metric, Scored};
use spec::random::Random;

/// Fewer blocks than this say nothing about how much results vary.
const LEAST_BLOCKS: usize = 4;

/// A value with the interval that holds it in 95 % of resamples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub value: f64,
    /// The 2.5 % quantile over the resamples.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// How rows are drawn: how often, from which seed, and which rows belong together.
#[derive(Clone, Debug)]
pub struct Resamples {
    times: usize,
    seed: u64,
    rows: usize,
    /// The number of its entity for each row; `None` if every row is one of its own.
    entity: Option<Vec<u32>>,
    entities: usize,
    /// How many successive units are drawn together; 1 of entities and rows.
    block: usize,
}

impl Resamples {
    /// Draws `rows` rows with replacement, `times` times (200 to 1000 is usual).
    pub fn of_rows(rows: usize, times: usize, seed: u64) -> Resamples {
        Resamples { times, seed, rows, entity: None, entities: rows, block: 1 }
    }

    /// Draws whole entities: `entity` numbers them from 0 without gaps, one number per row.
    pub fn of_entities(entity: Vec<u32>, times: usize, seed: u64) -> Resamples {
        let entities = entity.iter().max().map_or(0, |last| *last as usize + 1);
        let rows = entity.len();
        let entity = (entities < rows).then_some(entity);
        Resamples { times, seed, rows, entity, entities, block: 1 }
    }

    /// Draws blocks of `block` successive times, each with all its rows: `time` numbers the times from 0 without gaps in their
    /// order, one number per row. The last time is followed by the first. Blocks are shorter where there would be fewer
    /// than four, and fewer than four times show nothing: then there are no intervals.
    pub fn of_blocks(time: Vec<u32>, block: usize, times: usize, seed: u64) -> Resamples {
        let rows = time.len();
        let entities = time.iter().max().map_or(0, |last| *last as usize + 1);
        let block = block.min(entities / LEAST_BLOCKS).max(1);
        let times = if entities < LEAST_BLOCKS { 0 } else { times };
        Resamples { times, seed, rows, entity: Some(time), entities, block }
    }

    pub fn times(&self) -> usize {
        self.times
    }

    /// How many units are drawn from: entities, or rows.
    pub fn units(&self) -> usize {
        self.entities
    }

    /// How many successive times are drawn together, if times are.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Whether successive times are drawn, of which there are too few for any interval.
    pub fn has_few_times(&self) -> bool {
        self.times == 0
    }

    /// Whether entities have several rows.
    pub fn by_entity(&self) -> bool {
        self.entity.is_some()
    }

    /// The metrics with their intervals, all from the same resamples; `None` where undefined.
    pub fn intervals(&self, scored: &Scored, metrics: &[Metric], threshold: Option<f64>) -> Vec<Option<Interval>> {
        let measures: Vec<Measure<'_>> = metrics.iter().map(|metric| scored.prepare(*metric, threshold)).collect();
        let units = self.units_from(scored, 0);
        let resampled = self.resample(|counts, weights| {
            spread(counts, &units, weights);
            measures.iter().map(|measure| measure.value(weights)).collect()
        });
        let all = metrics.iter().enumerate();
        all.map(|(at, metric)| self.interval(scored.value(*metric, threshold)?, &resampled, at)).collect()
    }

    /// How much better `a` is than `b` on the same resamples (positive: better); `None` where undefined.
    pub fn gain(&self, metric: Metric, a: (&Scored, Option<f64>), b: (&Scored, Option<f64>)) -> Option<Interval> {
        let folds = |side: &(_, Option<f64>)| (std::slice::from_ref::<Scored>(side.0), side.1);
        self.gains(metric, folds(&a), &[folds(&b)]).pop().flatten()
    }

    /// How much better `a` is than each of `others` on the same resamples, on average over folds. All have scored the same
    /// rows, fold after fold those that are drawn here. `None` where undefined in one of the folds.
    pub fn gains(&self, metric: Metric, a: Side<'_>, others: &[Side<'_>]) -> Vec<Option<Interval>> {
        let of =
            |side: &Side<'_>| -> Vec<Option<f64>> { side.0.iter().map(|fold| fold.value(metric, side.1)).collect() };
        let ours = of(&a);
        let values: Vec<Option<f64>> = others.iter().map(|other| mean_gain(metric, &ours, &of(other))).collect();
        let [a, others] = [&[a], others]
            .map(|sides| -> Vec<Vec<Fold<'_>>> { sides.iter().map(|side| self.prepared(metric, side)).collect() });
        let resampled = self.resample(|counts, weights| {
            let mut measured = |folds: &Vec<Fold<'_>>| -> Vec<Option<f64>> {
                folds.iter().map(|fold| fold.value(counts, weights)).collect()
            };
            let ours = measured(&a[0]);
            others.iter().map(|other| mean_gain(metric, &ours, &measured(other))).collect()
        });
        values.into_iter().enumerate().map(|(at, value)| self.interval(value?, &resampled, at)).collect()
    }

    /// [`Resamples::intervals`] of `scored` and, in the same pass, how much better it is than `other` by a metric.
    pub fn judge(
        &self,
        (scored, threshold): (&Scored, Option<f64>),
        metrics: &[Metric],
        metric: Metric,
        other: (&Scored, Option<f64>),
    ) -> (Vec<Option<Interval>>, Option<Interval>) {
        let measures: Vec<Measure<'_>> = metrics.iter().map(|metric| scored.prepare(*metric, threshold)).collect();
        let (ours, theirs) = (scored.prepare(metric, threshold), other.0.prepare(metric, other.1));
        let [units, their_units] = [scored, other.0].map(|scored| self.units_from(scored, 0));
        let resampled = self.resample(|counts, weights| {
            spread(counts, &units, weights);
            let mut values: Vec<Option<f64>> = measures.iter().map(|measure| measure.value(weights)).collect();
            let ours = ours.value(weights);
            spread(counts, &their_units, weights);
            values.push(mean_gain(metric, &[ours], &[theirs.value(weights)]));
            values
        });
        let of = |(at, metric): (usize, &Metric)| self.interval(scored.value(*metric, threshold)?, &resampled, at);
        let gain = mean_gain(metric, &[scored.value(metric, threshold)], &[other.0.value(metric, other.1)]);
        let gain = gain.and_then(|gain| self.interval(gain, &resampled, metrics.len()));
        (metrics.iter().enumerate().map(of).collect(), gain)
    }

    fn prepared<'a>(&self, metric: Metric, side: &Side<'a>) -> Vec<Fold<'a>> {
        let mut start = 0;
        let mut fold = |scored: &'a Scored| {
            let units = self.units_from(scored, start);
            start += scored.rows();
            Fold { units, measure: scored.prepare(metric, side.1) }
        };
        side.0.iter().map(&mut fold).collect()
    }

    /// The unit that the row at each position belongs to, where the first row of `scored` is the one numbered `start` here.
    fn units_from(&self, scored: &Scored, start: usize) -> Vec<u32> {
        let numbers = scored.order().iter().map(|row| *row + start as u32);
        match &self.entity {
            None => numbers.collect(),
            Some(entity) => numbers.map(|row| entity[row as usize]).collect(),
        }
    }

    /// `measure(counts of units, buffer for weights of positions)` of every resample, in order.
    fn resample<T: Send>(&self, measure: impl Fn(&[u8], &mut [u8]) -> T + Sync) -> Vec<T> {
        let numbers = (0..self.times as u64).into_par_iter();
        let buffers = || (vec![0u8; self.entities], vec![0u8; self.rows]);
        numbers
            .map_init(buffers, |(counts, weights), number| {
                self.draw(counts, number);
                measure(counts, weights)
            })
            .collect()
    }

    fn interval(&self, value: f64, resampled: &[Vec<Option<f64>>], at: usize) -> Option<Interval> {
        let mut found: Vec<f64> = resampled.iter().filter_map(|values| values[at]).collect();
        // With few rows a resample may miss a class; an interval from a minority of resamples means nothing.
        if found.is_empty() || found.len() * 2 < self.times {
            return None;
        }
        found.sort_unstable_by(f64::total_cmp);
        Some(Interval { value, low: quantile(&found, 0.025), high: quantile(&found, 0.975) })
    }

    fn draw(&self, counts: &mut [u8], number: u64) {
        let mut random = Random::new(self.seed, number);
        counts.fill(0);
        let mut left = counts.len();
        while left > 0 {
            let first = random.below(self.entities);
            for unit in first..first + self.block.min(left) {
                // A count beyond a byte takes more units than a byte counts, and then never occurs (p < 1e-500).
                let count = &mut counts[unit % self.entities];
                *count = count.saturating_add(1);
            }
            left -= self.block.min(left);
        }
    }
}

/// Scores of one model, fold after fold, and the threshold of its decisions.
pub type Side<'a> = (&'a [Scored], Option<f64>);

/// Scores that are measured on each resample.
struct Fold<'a> {
    /// The unit of the row at each position.
    units: Vec<u32>,
    measure: Measure<'a>,
}

impl Fold<'_> {
    fn value(&self, counts: &[u8], weights: &mut [u8]) -> Option<f64> {
        let weights = &mut weights[..self.units.len()];
        spread(counts, &self.units, weights);
        self.measure.value(weights)
    }
}

/// The mean over folds of how much better `ours` is; `None` without folds, or if it is undefined in one of them.
fn mean_gain(metric: Metric, ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<f64> {
    let gains = ours.iter().zip(theirs).map(|(ours, theirs)| Some(metric.gain((*ours)?, (*theirs)?)));
    let gains = gains.collect::<Option<Vec<f64>>>().filter(|gains| !gains.is_empty())?;
    Some(gains.iter().sum::<f64>() / gains.len() as f64)
}

/// From the counts of units to the weight of each position.
fn spread(counts: &[u8], units: &[u32], weights: &mut [u8]) {
    for (weight, unit) in weights.iter_mut().zip(units) {
        *weight = counts[*unit as usize];
    }
}

/// The quantile of sorted values by linear interpolation (numpy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn interval(resamples: &Resamples, scored: &Scored, metric: Metric) -> Option<Interval> {
        resamples.intervals(scored, &[metric], Some(0.5)).pop().flatten()
    }

    /// 400 rows whose score says something about their class.
    fn scored(shift: f64) -> Scored {
        let mut random = Random::new(11, 0);
        let mut uniform = || random.below(1 << 20) as f64 / f64::from(1 << 20);
        let rows: Vec<(f64, f64)> = (0..400)
            .map(|_| {
                let label = f64::from(uniform() < 0.4);
                (label, 0.5 * uniform() + 0.5 * (uniform() + shift * label) / (1.0 + shift))
            })
            .collect();
        let (label, score) = rows.into_iter().unzip();
        Scored::new(Task::Classification, label, score, "test").unwrap()
    }

    #[test]
    fn a_resample_counts_as_many_rows_as_there_are() {
        let resamples = Resamples::of_rows(50, 10, 3);
        let mut counts = vec![0; 50];
        resamples.draw(&mut counts, 4);
        assert_eq!(counts.iter().map(|count| u32::from(*count)).sum::<u32>(), 50);
        assert!(counts.iter().any(|count| *count > 1));
    }

    #[test]
    fn a_weighted_metric_is_that_of_repeated_rows() {
        let scored = scored(1.0);
        let counts: Vec<u8> = (0..400).map(|row| (row * 7 % 4) as u8).collect();
        let repeat = |of: &[f64]| -> Vec<f64> {
            of.iter().zip(&counts).flat_map(|(value, count)| std::iter::repeat_n(*value, *count as usize)).collect()
        };
        let repeated =
            Scored::new(Task::Classification, repeat(scored.label()), repeat(scored.score()), "test").unwrap();
        for metric in Metric::of(Task::Classification) {
            let mut weights = vec![0; 400];
            spread(&counts, scored.order(), &mut weights);
            let weighted = scored.prepare(metric, Some(0.5)).value(&weights).unwrap();
            let plain = repeated.value(metric, Some(0.5)).unwrap();
            assert!((weighted - plain).abs() < 1e-12, "{metric}: {weighted} instead of {plain}");
        }
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_theory() {
        let scored = scored(1.0);
        let found = interval(&Resamples::of_rows(400, 2000, 5), &scored, Metric::Accuracy).unwrap();
        let half = 1.96 * (found.value * (1.0 - found.value) / 400.0).sqrt();
        assert!((found.low - (found.value - half)).abs() < 0.006, "{found:?}, half {half}");
        assert!((found.high - (found.value + half)).abs() < 0.006, "{found:?}, half {half}");
    }

    #[test]
    fn rows_of_one_entity_widen_the_interval() {
        let scored = scored(1.0);
        let width = |resamples: Resamples| {
            let found = interval(&resamples, &scored, Metric::Brier).unwrap();
            found.high - found.low
        };
        let twins = |scored: &Scored| {
            let twice = |of: &[f64]| [of, of].concat();
            Scored::new(Task::Classification, twice(scored.label()), twice(scored.score()), "test").unwrap()
        };
        let entity: Vec<u32> = (0..400).chain(0..400).collect();
        let doubled = twins(&scored);
        let by_entity = interval(&Resamples::of_entities(entity, 500, 5), &doubled, Metric::Brier).unwrap();
        let single = width(Resamples::of_rows(400, 500, 5));
        assert!(((by_entity.high - by_entity.low) / single - 1.0).abs() < 0.01);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_a_model_gains_nothing_over_itself() {
        let (good, poor) = (scored(1.0), scored(0.2));
        let resamples = Resamples::of_rows(400, 200, 9);
        let auc = interval(&resamples, &good, Metric::Auc).unwrap();
        assert_eq!(Some(auc), interval(&resamples, &good, Metric::Auc));
        assert!(auc.low < auc.value && auc.value < auc.high);
        let none = resamples.gain(Metric::Auc, (&good, None), (&good, None)).unwrap();
        assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 0.0));
        let better = resamples.gain(Metric::LogLoss, (&good, None), (&poor, None)).unwrap();
        assert!(better.value > 0.0, "{better:?}");
    }

    /// Rows `rows` of `scored`, each as often as `times` says.
    fn part(scored: &Scored, rows: std::ops::Range<usize>, times: &[u8]) -> Scored {
        let repeat = |of: &[f64]| -> Vec<f64> {
            rows.clone().flat_map(|row| std::iter::repeat_n(of[row], times[row] as usize)).collect()
        };
        Scored::new(Task::Classification, repeat(scored.label()), repeat(scored.score()), "test").unwrap()
    }

    #[test]
    fn the_gain_over_folds_is_the_mean_of_the_gains_on_the_rows_drawn() {
        let (good, poor) = (scored(1.0), scored(0.2));
        let folds = [0..130, 130..270, 270..400];
        let cut = |of: &Scored| folds.clone().map(|rows| part(of, rows, &[1; 400]));
        // Entities of two rows each, which lie in different folds.
        let entity: Vec<u32> = (0..400).map(|row| row % 200).collect();
        let resamples = Resamples::of_entities(entity.clone(), 100, 4);
        for metric in [Metric::Auc, Metric::LogLoss] {
            let found = resamples.gains(metric, (&cut(&good), None), &[(&cut(&poor), None)])[0].unwrap();
            let gain = |times: &[u8]| -> f64 {
                let of = |scored: &Scored, rows| part(scored, rows, times).value(metric, None).unwrap();
                let gains = folds.clone().map(|rows| metric.gain(of(&good, rows.clone()), of(&poor, rows)));
                gains.iter().sum::<f64>() / 3.0
            };
            let mut drawn: Vec<f64> = (0..100)
                .map(|number| {
                    let mut counts = vec![0; 200];
                    resamples.draw(&mut counts, number);
                    gain(&entity.iter().map(|entity| counts[*entity as usize]).collect::<Vec<u8>>())
                })
                .collect();
            drawn.sort_unstable_by(f64::total_cmp);
            let expected = [gain(&[1; 400]), quantile(&drawn, 0.025), quantile(&drawn, 0.975)];
            for (ours, theirs) in [found.value, found.low, found.high].into_iter().zip(expected) {
                assert!((ours - theirs).abs() < 1e-12, "{metric}: {found:?}, by hand {expected:?}");
            }
        }
    }

    #[test]
    fn differences_are_paired() {
        // The same scores with a little noise: both vary far more than their difference.
        let one = scored(1.0);
        let near = one.score().iter().enumerate().map(|(row, score)| score + 0.01 * f64::from(row as u32 % 7));
        let other = Scored::new(Task::Classification, one.label().to_vec(), near.collect(), "test").unwrap();
        let resamples = Resamples::of_rows(400, 500, 2);
        let width = |found: Interval| found.high - found.low;
        let difference = width(resamples.gain(Metric::Auc, (&one, None), (&other, None)).unwrap());
        let alone = width(interval(&resamples, &one, Metric::Auc).unwrap());
        assert!(difference > 0.0 && difference < alone / 3.0, "{difference} {alone}");
    }

    #[test]
    fn blocks_of_times_are_drawn_whole_and_in_a_circle() {
        let time: Vec<u32> = (0..60).map(|row| row / 3).collect();
        let resamples = Resamples::of_blocks(time, 4, 200, 11);
        let mut counts = vec![0; 20];
        let mut firsts = [0u32; 20];
        for number in 0..200 {
            resamples.draw(&mut counts, number);
            assert_eq!(counts.iter().map(|count| u32::from(*count)).sum::<u32>(), 20);
            // The number of blocks that begin at a time follows from the counts of it and of the one before: a time is drawn
            // by the blocks that begin at it or at one of the three before.
            let mut random = Random::new(11, number);
            let mut expected = vec![0u8; 20];
            for _ in 0..5 {
                let first = random.below(20);
                firsts[first] += 1;
                (first..first + 4).for_each(|unit| expected[unit % 20] += 1);
            }
            assert_eq!(counts, expected);
        }
        assert!(firsts.iter().all(|times| *times > 20), "{firsts:?}");
    }

    #[test]
    fn times_that_depend_on_each_other_widen_the_interval() {
        // The error of a week lasts for eight weeks; each week has twenty series.
        let mut random = Random::new(3, 3);
        let mut level = 0.0;
        let (mut label, mut score, mut time) = (Vec::new(), Vec::new(), Vec::new());
        for week in 0..160u32 {
            if week % 8 == 0 {
                level = random.below(1000) as f64 / 100.0;
            }
            for _ in 0..20 {
                label.push(50.0);
                score.push(50.0 + level + random.below(100) as f64 / 100.0);
                time.push(week);
            }
        }
        let scored = Scored::new(Task::Regression, label, score, "test").unwrap();
        let width = |resamples: Resamples| {
            let found = interval(&resamples, &scored, Metric::Mae).unwrap();
            found.high - found.low
        };
        let single = width(Resamples::of_blocks(time.clone(), 1, 800, 5));
        let blocks = width(Resamples::of_blocks(time.clone(), 8, 800, 5));
        // Variances of means of blocks: of 8 weeks that are the same the width is up to √8 times that of weeks by themselves.
        assert!(blocks > 2.0 * single && blocks < 3.0 * single, "{blocks} {single}");
        let rows = width(Resamples::of_rows(3200, 800, 5));
        assert!(single > 3.0 * rows, "{single} {rows}");
        // Three times say nothing.
        let few = Resamples::of_blocks((0..3200).map(|row| row % 3).collect(), 2, 200, 5);
        assert_eq!((interval(&few, &scored, Metric::Mae), few.units()), (None, 3));
        assert_eq!(Resamples::of_blocks(vec![0, 1, 2, 3, 4, 5], 4, 10, 1).block(), 1);
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy: np.quantile([1, 2, 3, 10], [0.025, 0.975])
        let sorted = [1.0, 2.0, 3.0, 10.0];
        assert!((quantile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert!((quantile(&sorted, 0.975) - 9.475).abs() < 1e-12);
    }

    #[test]
    fn one_class_has_no_interval() {
        let one = Scored::new(Task::Classification, vec![1.0; 5], vec![0.5; 5], "test").unwrap();
        assert_eq!(interval(&Resamples::of_rows(5, 100, 1), &one, Metric::Auc), None);
    }

    #[test]
    fn one_pass_measures_what_each_alone_would() {
        let mut random = Random::new(4, 2);
        let label: Vec<f64> = (0..300).map(|_| random.below(2) as f64).collect();
        let mut scored = |noise: usize| {
            let score = label.iter().map(|label| (label * 4.0 + random.below(noise) as f64) / (4.0 + noise as f64));
            Scored::new(Task::Classification, label.clone(), score.collect(), "test").unwrap()
        };
        let (good, fair, poor) = (scored(4), scored(9), scored(40));
        let resamples = Resamples::of_entities((0..300).map(|row| row / 2).collect(), 200, 3);
        let metrics = [Metric::Auc, Metric::LogLoss, Metric::Recall];
        let (intervals, gain) = resamples.judge((&good, Some(0.5)), &metrics, Metric::Auc, (&poor, Some(0.4)));
        assert_eq!(intervals, resamples.intervals(&good, &metrics, Some(0.5)));
        assert_eq!(gain, resamples.gain(Metric::Auc, (&good, Some(0.5)), (&poor, Some(0.4))));
        let side = |scored: &'static [Scored]| (scored, None);
        let [good, fair, poor] = [good, fair, poor].map(|scored| side(Box::leak(Box::new([scored]))));
        let gains = resamples.gains(Metric::Brier, good, &[fair, poor]);
        assert!(gains[1].unwrap().low > 0.0, "{gains:?}");
        for (gain, other) in gains.iter().zip([fair, poor]) {
            assert_eq!(*gain, resamples.gain(Metric::Brier, (&good.0[0], None), (&other.0[0], None)));
        }
    }
}
