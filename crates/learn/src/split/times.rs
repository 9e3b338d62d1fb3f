//! The distinct times of a table, and where to cut between them.

use chrono::{DateTime, Months, TimeDelta};
use spec::{Error, Span, Unit};

use score::calendar::{DAY, moment};

/// No more boundaries than these are tried; rows of times as fine as seconds are cut between hundredths.
const BOUNDARIES: usize = 256;

/// When the labels of rows are known.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelKnown {
    /// So many days after the row's time.
    After(i64),
    /// These spans of the calendar after the row's time, one after the other.
    Later(Vec<Span>),
    /// At a time of each row's own (microseconds since 1970), which is in this column; never before the row's time.
    At { column: String, moments: Vec<i64> },
}

impl LabelKnown {
    /// As soon as the row is there.
    pub(super) const AT_ONCE: LabelKnown = LabelKnown::After(0);

    /// The time from which each label is known.
    pub(super) fn moments(&self, times: &[i64]) -> Vec<i64> {
        match self {
            LabelKnown::After(days) => {
                let later = (*days).max(0).saturating_mul(DAY);
                times.iter().map(|time| time.saturating_add(later)).collect()
            }
            LabelKnown::Later(spans) => times.iter().map(|time| later(*time, spans).unwrap_or(i64::MAX)).collect(),
            LabelKnown::At { moments, .. } => {
                moments.iter().zip(times).map(|(moment, time)| *moment.max(time)).collect()
            }
        }
    }

    /// `known 90 days after 'cutoff'`; `column` holds the times.
    pub(super) fn in_words(&self, column: &str) -> String {
        match self {
            LabelKnown::After(days) => format!("known {days} days after '{column}'"),
            LabelKnown::Later(spans) => format!("known {} after '{column}'", listed(spans)),
            LabelKnown::At { column, .. } => format!("known at '{column}'"),
        }
    }
}

/// `1mo and 14d`.
fn listed(spans: &[Span]) -> String {
    spans.iter().map(Span::to_string).collect::<Vec<String>>().join(" and ")
}

/// A time moved forwards by spans of the calendar: a day that a month does not have becomes its last. `None` beyond the
/// calendar.
fn later(time: i64, spans: &[Span]) -> Option<i64> {
    let end = spans.iter().try_fold(DateTime::from_timestamp_micros(time)?, |at, span| match span.unit {
        Unit::Month => at.checked_add_months(Months::new(span.count)),
        Unit::Year => at.checked_add_months(Months::new(span.count.checked_mul(12)?)),
        _ => at.checked_add_signed(TimeDelta::try_minutes(span.minutes()?)?),
    })?;
    Some(end.timestamp_micros())
}

/// The distinct times in order, with the number of rows before each.
pub(super) struct Distinct {
    pub times: Vec<i64>,
    pub before: Vec<u64>,
    /// Per row the position of its time, and the first position later than it at which its label is known: the number of
    /// times if there is none.
    rows: Vec<(u32, u32)>,
    /// Rows of an earlier time of which the label is known at each position.
    known: Vec<u64>,
}

impl Distinct {
    /// `known`: when each row's label is known, not before its time.
    pub fn new(times: &[i64], known: &[i64]) -> Distinct {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let (mut distinct, mut before) = (Vec::new(), Vec::new());
        for (row, time) in sorted.iter().enumerate() {
            if distinct.last() != Some(time) {
                distinct.push(*time);
                before.push(row as u64);
            }
        }
        before.push(sorted.len() as u64);
        let position = |moment: i64| distinct.partition_point(|time| *time < moment);
        let row = |(time, known): (&i64, &i64)| {
            let at = position(*time);
            (at as u32, position(*known).max(at + 1) as u32)
        };
        let rows: Vec<(u32, u32)> = times.iter().zip(known).map(row).collect();
        let mut newly = vec![0u64; distinct.len() + 1];
        rows.iter().for_each(|(_, known)| newly[*known as usize] += 1);
        let known = newly.iter().take(distinct.len()).scan(0, |sum, rows| {
            *sum += rows;
            Some(*sum)
        });
        Distinct { known: known.collect(), times: distinct, before, rows }
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.before[self.times.len()]
    }

    /// Rows of an earlier time than the one numbered `at`, of which the label is known then.
    pub fn known(&self, at: usize) -> u64 {
        self.known[at]
    }

    /// Positions worth trying as the first time of a part.
    fn candidates(&self) -> Vec<usize> {
        let count = self.times.len();
        let mut candidates: Vec<usize> = match count <= BOUNDARIES + 1 {
            true => (1..count).collect(),
            false => (1..=BOUNDARIES as u64)
                .map(|step| {
                    self.before.partition_point(|before| *before < self.rows() * step / (BOUNDARIES as u64 + 1))
                })
                .filter(|at| (1..count).contains(at))
                .collect(),
        };
        candidates.dedup();
        candidates
    }

    /// The first times of validation and test; `None` if a part would be empty.
    pub fn boundaries(&self, shares: [f64; 3]) -> Option<(i64, i64)> {
        let candidates = self.candidates();
        let between = self.between(&candidates);
        let mut best: Option<(f64, usize, usize)> = None;
        for (number, valid) in candidates.iter().enumerate() {
            for (other, test) in candidates.iter().enumerate().skip(number + 1) {
                let kept = [self.known(*valid), between[number][other], self.rows() - self.before[*test]];
                let Some(miss) = self.miss(&kept, &shares) else { continue };
                if best.is_none_or(|(least, ..)| miss < least - 1e-12) {
                    best = Some((miss, *valid, *test));
                }
            }
        }
        best.map(|(_, valid, test)| (self.times[valid], self.times[test]))
    }

    /// Per pair of candidates the rows that are not before the first and of which the label is known at the second.
    fn between(&self, candidates: &[usize]) -> Vec<Vec<u64>> {
        let count = candidates.len();
        let mut rows = vec![vec![0u64; count + 1]; count + 1];
        for (time, known) in &self.rows {
            let reached = candidates.partition_point(|at| *at <= *time as usize);
            let from = candidates.partition_point(|at| *at < *known as usize);
            rows[reached][from] += 1;
        }
        // Summed up over all that reach farther, and over all that are known earlier.
        for reached in (0..count).rev() {
            let (these, farther) = rows.split_at_mut(reached + 1);
            these[reached].iter_mut().zip(&farther[0]).for_each(|(sum, more)| *sum += more);
        }
        for row in &mut rows {
            (1..=count).for_each(|at| row[at] += row[at - 1]);
        }
        // A row that reached `n` candidates is not before the one numbered `n - 1`.
        rows.remove(0);
        rows
    }

    /// The first time of the test part, where all before it is one part; `None` if a part would be empty.
    pub fn boundary(&self, [train, valid, test]: [f64; 3]) -> Option<i64> {
        let mut best: Option<(f64, usize)> = None;
        for at in self.candidates() {
            let kept = [self.known(at), self.rows() - self.before[at]];
            let Some(miss) = self.miss(&kept, &[train + valid, test]) else { continue };
            if best.is_none_or(|(least, _)| miss < least - 1e-12) {
                best = Some((miss, at));
            }
        }
        best.map(|(_, at)| self.times[at])
    }

    /// How far the parts are from their shares of the rows that are left; `None` if one is empty.
    fn miss(&self, kept: &[u64], shares: &[f64]) -> Option<f64> {
        let left = kept.iter().sum::<u64>() as f64;
        let miss = || kept.iter().zip(shares).map(|(kept, share)| (*kept as f64 / left - share).powi(2)).sum();
        (!kept.contains(&0)).then(miss)
    }

    /// Why there are no boundaries.
    pub fn no_room(&self, label: &LabelKnown, column: &str, folds: Option<u32>) -> Error {
        let count = self.times.len();
        let (parts, least, gaps) = match folds {
            None => ("train, validation and test need", 3, 2),
            Some(_) => ("train and test need", 2, 1),
        };
        if count < least {
            return Error::refused(format!(
                "split by time: column '{column}' has {}, but {parts} at least {least}",
                spec::text::count(count as u64, "distinct value")
            ))
            .hint("add cutoffs in features.yaml, or split by group");
        }
        let (first, last) = (self.times[0], self.times[count - 1]);
        let (known, way_out) = match label {
            LabelKnown::After(days) => (
                format!("known {days} days later"),
                format!(
                    "they must span at least {} days and lie close enough together: add earlier cutoffs in \
                     features.yaml, shorten the horizon, or split by group",
                    gaps * days
                ),
            ),
            LabelKnown::Later(spans) => (
                format!("known {} later", listed(spans)),
                "add earlier cutoffs in features.yaml, shorten the horizon, or split by group".to_owned(),
            ),
            LabelKnown::At { column, .. } => {
                (format!("known at '{column}'"), "bring earlier rows, or split by group".to_owned())
            }
        };
        Error::refused(format!(
            "split by time: the {count} values of '{column}' from {} to {} leave no room for {} parts whose \
             labels ({known}) do not reach into the next part",
            moment(first),
            moment(last),
            if least == 3 { "three" } else { "two" },
        ))
        .hint(way_out)
    }
}
