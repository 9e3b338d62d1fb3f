//! The table `parts` says exactly which rows taught, chose and judged: random trials of a learner that notes each row it is
//! given, compared with what the table says.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use polars::prelude::*;
use spec::Result;

use super::run::run_contenders;
use super::tests::known;
use super::*;
use crate::random::Random;
use crate::{Data, Feature, Learner, Matrix};

/// What a learner and its models were given: the numbers of rows, which are their only feature.
#[derive(Default)]
struct Notes {
    /// Rows that taught and rows beside them, fit by fit.
    fits: Vec<(BTreeSet<u32>, BTreeSet<u32>)>,
    /// Rows that taught a refit.
    refits: Vec<BTreeSet<u32>>,
    /// Rows that a model of the fit or refit scored, call by call.
    scored: Vec<BTreeSet<u32>>,
    /// Whether each row came with its own label and weight.
    wrong: Vec<String>,
}

#[derive(Clone)]
struct Witness {
    notes: Arc<Mutex<Notes>>,
    label: Arc<Vec<f64>>,
    weight: Option<Arc<Vec<f64>>>,
}

fn numbers(rows: &Matrix) -> Vec<u32> {
    rows.column(0).iter().map(|value| *value as u32).collect()
}

impl Witness {
    fn look(&self, rows: Data<'_>) -> BTreeSet<u32> {
        let numbers = numbers(rows.features);
        let mut notes = self.notes.lock().unwrap();
        for (at, row) in numbers.iter().enumerate() {
            if self.label[*row as usize] != rows.label[at] {
                notes.wrong.push(format!("row {row} came with the label {}", rows.label[at]));
            }
        }
        // Only ratios of weights count.
        let of = |row: u32| self.weight.as_ref().map_or(1.0, |weights| weights[row as usize]);
        let given = |at: usize| rows.features.weights().map_or(1.0, |weights| weights[at]);
        let all = |weight: &dyn Fn(usize) -> f64| (0..numbers.len()).map(weight).sum::<f64>();
        let (ours, theirs) = (all(&given), all(&|at| of(numbers[at])));
        for (at, row) in numbers.iter().enumerate() {
            if (given(at) / ours - of(*row) / theirs).abs() > 1e-12 {
                notes.wrong.push(format!("row {row} came with another weight"));
            }
        }
        assert_eq!(numbers.len(), numbers.iter().collect::<BTreeSet<_>>().len(), "no row twice");
        numbers.into_iter().collect()
    }

    fn model(&self, rows: &Matrix) -> Box<dyn Model> {
        Box::new(WitnessModel { witness: self.clone(), features: rows.features().to_vec() })
    }
}

impl Learner for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }
    fn fit(&self, _: Task, train: Data<'_>, valid: Data<'_>, _: u64) -> Result<Box<dyn Model>> {
        let (train_rows, valid_rows) = (self.look(train), self.look(valid));
        self.notes.lock().unwrap().fits.push((train_rows, valid_rows));
        Ok(self.model(train.features))
    }
    fn refit(&self, _: Task, rows: Data<'_>, _: &Tuned, _: u64) -> Result<Box<dyn Model>> {
        let learned = self.look(rows);
        self.notes.lock().unwrap().refits.push(learned);
        Ok(self.model(rows.features))
    }
}

use crate::Tuned;

struct WitnessModel {
    witness: Witness,
    features: Vec<Feature>,
}

impl Model for WitnessModel {
    fn learner(&self) -> &'static str {
        "witness"
    }
    fn features(&self) -> &[Feature] {
        &self.features
    }
    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        let rows = numbers(rows);
        self.witness.notes.lock().unwrap().scored.push(rows.iter().copied().collect());
        // Somewhat right, so that every metric is defined.
        Ok(rows.iter().map(|row| 0.2 + 0.5 * self.witness.label[*row as usize] + f64::from(row % 7) / 100.0).collect())
    }
    fn save(&self, _: &Path) -> Result<String> {
        Ok("none".to_owned())
    }
}

/// A random table: rows of several per entity, at random days, with a rare class and weights.
fn random_table(random: &mut Random) -> (DataFrame, Vec<f64>, Vec<f64>) {
    let rows = 150 + random.below(250);
    let entities = 20 + random.below(60);
    let days = 12 + random.below(30);
    let rare = 2 + random.below(8);
    let label: Vec<f64> = (0..rows).map(|_| f64::from(u8::from(random.below(rare) == 0))).collect();
    let weight: Vec<f64> =
        (0..rows).map(|_| random.below(4) as f64 + f64::from(u8::from(random.below(9) > 0))).collect();
    let who: Vec<String> = (0..rows).map(|_| format!("e{}", random.below(entities))).collect();
    let day: Vec<i32> = (0..rows).map(|_| 19_000 + random.below(days) as i32).collect();
    let told: Vec<i32> = day.iter().map(|day| day + random.below(6) as i32).collect();
    let number: Vec<f64> = (0..rows).map(|row| row as f64).collect();
    let mut table = df!("number" => number, "who" => who, "day" => day, "told" => told, "weight" => weight.clone(),
        "label" => label.iter().map(|label| *label == 1.0).collect::<Vec<bool>>())
    .unwrap();
    for name in ["day", "told"] {
        table.apply(name, |column| column.cast(&DataType::Date).unwrap()).unwrap();
    }
    (table, label, weight)
}

/// The numbers of the rows of `parts` for which `wanted` holds.
fn rows_where(parts: &DataFrame, column: &str, wanted: impl Fn(&str) -> bool) -> BTreeSet<u32> {
    let texts = parts.column(column).unwrap().cast(&DataType::String).unwrap();
    let texts = texts.str().unwrap();
    (0..).zip(texts.iter()).filter(|(_, text)| wanted(text.unwrap_or("-"))).map(|(row, _)| row).collect()
}

#[test]
fn rows_are_used_for_exactly_what_the_table_of_parts_says() {
    let mut random = Random::new(2026, 11);
    let mut done = [0; 3];
    for round in 0..240 {
        let (table, label, weight) = random_table(&mut random);
        let by = random.below(3);
        let folds = (random.below(2) == 0).then(|| 2 + random.below(4));
        let (weighs, late, refits) = (random.below(2) == 0, random.below(2) == 0, random.below(2) == 0);
        let mut text = format!(
            "table: t\nlabel: label\ntask: classification\nentity: who\ntime: day\nresamples: 100\n\
             include: [number]\nexclude: [told, weight]\nseed: {round}\nchoose_by: brier\n\
             experiments: {{a: logistic}}\nsplit: {{by: {}}}\n",
            ["time", "group", "random"][by]
        );
        if let Some(folds) = folds {
            text += &format!("folds: {folds}\n");
        } else {
            text += &format!("refit: {refits}\n");
        }
        if weighs {
            text = text.replace("[told, weight]", "[told]") + "weight: weight\n";
        }
        if late && by == 0 {
            text = text.replace("[told", "[").replace("[, ", "[") + "label_known_at: told\n";
        }
        let spec: TrainSpec = spec::parse(&text, Path::new("train.yaml"), &Default::default())
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
            .spec;
        let witness = Witness {
            notes: Arc::default(),
            label: Arc::new(label.clone()),
            weight: weighs.then(|| Arc::new(weight.clone())),
        };
        let base = Witness { notes: Arc::default(), ..witness.clone() };
        let contenders =
            [("a", &witness), (BASELINE, &base)].map(|(name, learner)| Contender::by_hand(name, learner.clone()));
        let known = Known { horizon_days: Some(random.below(3) as i64), ..known(None) };
        let trial = match run_contenders(&spec, contenders.into(), table.lazy(), &known, &|_| {}) {
            Ok(trial) => trial,
            // Some tables have no room for their folds, or a part without a row that counts.
            Err(error) => {
                assert_eq!(error.class(), spec::Class::Refused, "{error}\n{text}");
                continue;
            }
        };
        done[by] += 1;
        let notes = witness.notes.lock().unwrap();
        assert!(notes.wrong.is_empty(), "round {round}: {:?}\n{text}", notes.wrong);
        let part = |name: &str| rows_where(&trial.parts, "part", |text| text == name);
        let (train, valid, test, purged) = (part("train"), part("valid"), part("test"), part("purged"));
        let all: usize = [&train, &valid, &test, &purged].iter().map(|rows| rows.len()).sum();
        assert_eq!(all, label.len(), "round {round}: every row is in one part");
        let learned = rows_where(&trial.parts, "learned", |text| text == "true");
        match folds {
            None => {
                assert_eq!(notes.fits, [(train.clone(), valid.clone())], "round {round}\n{text}");
                match refits {
                    true => assert_eq!(notes.refits, std::slice::from_ref(&learned), "round {round}\n{text}"),
                    false => assert!(notes.refits.is_empty() && learned == train, "round {round}\n{text}"),
                }
            }
            Some(count) => {
                assert_eq!(notes.fits.len(), count, "round {round}");
                assert!(valid.is_empty());
                for (number, (taught, judged)) in (1..).zip(&notes.fits) {
                    let fold = rows_where(&trial.parts, "fold", |text| text == number.to_string());
                    assert_eq!(*judged, fold, "round {round}, fold {number}\n{text}");
                    assert!(taught.is_subset(&train) && taught.is_disjoint(judged), "round {round}, fold {number}");
                    if by != 0 {
                        let rest: BTreeSet<u32> = train.difference(judged).copied().collect();
                        assert_eq!(*taught, rest, "round {round}, fold {number}");
                    }
                }
                assert_eq!(notes.refits, std::slice::from_ref(&learned), "round {round}\n{text}");
                assert_eq!(learned, train, "round {round}");
            }
        }
        assert!(learned.is_disjoint(&test), "round {round}: no row of the test part teaches");
        // The test part is scored as a whole, and nothing else with it.
        let allowed: Vec<BTreeSet<u32>> =
            notes.fits.iter().map(|(_, judged)| judged.clone()).chain([test.clone()]).collect();
        assert!(notes.scored.iter().all(|scored| allowed.contains(scored)), "round {round}\n{text}");
        assert!(notes.scored.contains(&test), "round {round}");
        let published: BTreeSet<u32> = trial.test_at.iter().copied().collect();
        assert_eq!(published, test, "round {round}");
        if by == 1 {
            // Whole groups.
            let who = trial.parts.column("who").unwrap().str().unwrap().clone();
            let of = |rows: &BTreeSet<u32>| {
                rows.iter().map(|row| who.get(*row as usize).unwrap().to_owned()).collect::<BTreeSet<_>>()
            };
            assert!(of(&learned).is_disjoint(&of(&test)), "round {round}");
            for (taught, judged) in &notes.fits {
                assert!(of(taught).is_disjoint(&of(judged)), "round {round}");
            }
        }
    }
    assert!(done.iter().all(|count| *count >= 30), "{done:?}");
}
