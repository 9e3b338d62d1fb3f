//! Drift: whether the columns of a table are still distributed as in a reference, from their summaries alone.
//!
//! A column *moved* if an effect is large enough to matter (population stability index, share of nulls, share of unseen
//! categories) and a test says that chance does not explain it, controlled over all tests of the run (Benjamini and
//! Hochberg). It *drifted* if it moved in several looks in a row and the model depends on it. How often all that would happen
//! by chance alone is measured by drawing both sides from the reference ([`chance`]).

mod chance;
mod profile;
mod report;
mod requests;

use std::collections::BTreeSet;

use alert::Priority;
use artifact::ColumnSummary;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::{number, percent};
use spec::{Name, Severity};

use crate::statistics::{benjamini_hochberg, homogeneity, jensen_shannon, stability_index};
pub use profile::Profile;
pub use report::DriftReport;
pub use requests::requested;

/// How the columns of a table of features are watched.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriftSpec {
    /// The table of the features stage that is watched. Default: `scoring`.
    pub table: String,
    /// What it is compared with. Default: `training`.
    pub against: Against,
    /// Columns that are not watched, such as keys. Default: none; of a model's training only its features are watched.
    pub except: Vec<String>,
    /// The smallest population stability index that matters, over tenths of the reference's values or over its
    /// categories: up to 0.1 is little, from 0.25 on is much. Default: 0.2.
    pub max_psi: f64,
    /// How far the share of nulls may move, from 0 to 1. Default: 0.1.
    pub max_null_change: f64,
    /// The largest share of values in categories that the reference does not have, from 0 to 1. Default: 0.01.
    pub max_unseen: f64,
    /// The largest share of false discoveries among the columns that moved, above 0 and up to 1. Default: 0.01.
    pub alpha: f64,
    /// In how many looks in a row a column must have moved before it counts as drifted; each look is at another
    /// snapshot. Default: 2.
    pub looks: u32,
    /// Columns with a smaller share of the model's importance are reported, but never count as drifted. From 0 to 1.
    /// Default: 0.01.
    pub min_importance: f64,
    /// How often the comparison is repeated on samples of the reference to measure how often chance alone raises an alarm.
    /// Default: 500.
    pub resamples: u32,
    /// The features in the server's request log are compared, too, of the predictions of the last so many days, from 1.
    /// They make the table `drift_requests`. Default: not at all.
    pub request_days: Option<u32>,
    /// The pipeline under whose name the server seals these requests. Default: the pipeline's name with `_served`.
    pub served: Option<Name>,
    /// `soft` (default) warns of drift, `hard` refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
}

impl Default for DriftSpec {
    fn default() -> DriftSpec {
        DriftSpec {
            table: "scoring".to_owned(),
            against: Against::default(),
            except: Vec::new(),
            max_psi: 0.2,
            max_null_change: 0.1,
            max_unseen: 0.01,
            alpha: 0.01,
            looks: 2,
            min_importance: 0.01,
            resamples: 500,
            request_days: None,
            served: None,
            severity: Severity::Soft,
            priority: None,
        }
    }
}

/// What a table is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The rows that the production model learned from.
    #[default]
    Training,
    /// The oldest snapshot of the table that is on disk.
    First,
    /// The snapshot before this one.
    Previous,
}

impl DriftSpec {
    /// The first key whose value is out of its range, with the way out.
    pub fn fault(&self) -> Option<spec::Error> {
        let shares = [
            ("max_null_change", self.max_null_change),
            ("max_unseen", self.max_unseen),
            ("alpha", self.alpha),
            ("min_importance", self.min_importance),
        ];
        let wrong = |key: &str, found: String, wanted: &str| {
            spec::Error::cannot_run(format!("found {found}, expected {wanted}")).at(key)
        };
        if let Some((key, found)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Some(wrong(key, number(found), "a number from 0 to 1"));
        }
        if self.alpha == 0.0 {
            let error = wrong("alpha", "0".to_owned(), "a number above 0");
            return Some(error.hint("with 0 no column could ever drift; leave out `drift` if it is not to be watched"));
        }
        if !(self.max_psi >= 0.0 && self.max_psi.is_finite()) {
            return Some(wrong("max_psi", number(self.max_psi), "a number from 0"));
        }
        if !(1..=50).contains(&self.looks) {
            return Some(wrong("looks", self.looks.to_string(), "a whole number from 1 to 50"));
        }
        if let Some(days) = self.request_days.filter(|days| !(1..=3650).contains(days)) {
            return Some(wrong("request_days", days.to_string(), "a whole number from 1 to 3650"));
        }
        if self.served.is_some() && self.request_days.is_none() {
            let error = spec::Error::cannot_run("names requests that are not read").at("served");
            return Some(
                error.hint("write `request_days`, too: the features of so many days of requests are compared"),
            );
        }
        (self.resamples > 100_000)
            .then(|| wrong("resamples", self.resamples.to_string(), "a whole number up to 100000"))
    }
}

/// A column and what it is compared with.
pub struct Watched<'a> {
    pub name: &'a str,
    /// Its share of the model's importance; `None` if it is not known; then the column counts whatever `min_importance` is.
    pub importance: Option<f64>,
    pub reference: &'a Profile,
    pub now: &'a ColumnSummary,
}

/// The columns that moved in an earlier look.
pub type Look = BTreeSet<String>;

/// What was found in one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDrift {
    pub name: String,
    pub importance: Option<f64>,
    /// Rows now, and rows of the reference.
    pub rows: u64,
    pub reference_rows: u64,
    /// Of the values that are not null; `None` if one side has none, or is not summarised by bins.
    pub psi: Option<f64>,
    pub jensen_shannon: Option<f64>,
    /// In standard deviations of the reference; of numbers compared with a snapshot only.
    pub wasserstein: Option<f64>,
    /// The p-value of the values' test, adjusted over all tests of the look.
    pub q_values: Option<f64>,
    pub nulls: f64,
    pub reference_nulls: f64,
    pub q_nulls: f64,
    /// The share of values in categories that the reference does not have; `None` where it is not known.
    pub unseen: Option<f64>,
    /// What moved, in words; empty if nothing did.
    pub moved: Vec<String>,
    /// In how many looks in a row, this one included.
    pub looks: u32,
    /// Whether it is drift: it moved in as many looks as required, and the model relies on it.
    pub drifted: bool,
}

/// What a test sees of a column: counts. From summaries, or drawn by chance.
#[derive(Clone, Debug)]
struct Counts {
    was: Vec<f64>,
    is: Vec<f64>,
    /// Nulls and rows of the reference, and now.
    nulls_were: (f64, f64),
    nulls_are: (f64, f64),
    /// Values in unseen categories, and how many values that rests on.
    unseen: Option<(f64, f64)>,
}

impl Counts {
    fn of(watched: &Watched<'_>) -> Counts {
        let Watched { reference, now, .. } = watched;
        Counts {
            was: reference.counts().to_vec(),
            is: reference.counts_of(now),
            nulls_were: (reference.nulls(), reference.rows()),
            nulls_are: (now.nulls as f64, now.count as f64),
            unseen: reference.unseen(now),
        }
    }

    fn has_values(&self) -> bool {
        self.was.iter().sum::<f64>() > 0.0 && self.is.iter().sum::<f64>() > 0.0
    }

    fn null_change(&self) -> f64 {
        (share(self.nulls_are) - share(self.nulls_were)).abs()
    }

    /// Which effects are large enough to matter: of values, nulls and unseen categories.
    fn effects(&self, spec: &DriftSpec) -> [bool; 3] {
        [
            self.has_values() && stability_index(&self.was, &self.is) > spec.max_psi,
            self.null_change() > spec.max_null_change,
            self.unseen.is_some_and(|unseen| share(unseen) > spec.max_unseen),
        ]
    }

    /// The p-value of each test that can be made.
    fn p_values(&self) -> [Option<f64>; 3] {
        let two =
            |one: (f64, f64), other: (f64, f64)| homogeneity(&[one.0, one.1 - one.0], &[other.0, other.1 - other.0]);
        let seen: f64 = self.was.iter().sum();
        [
            self.has_values().then(|| homogeneity(&self.was, &self.is)),
            Some(two(self.nulls_were, self.nulls_are)),
            self.unseen.map(|unseen| two((0.0, seen), unseen)),
        ]
    }
}

fn share((part, whole): (f64, f64)) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// One look at all columns: of each test its adjusted p-value, and whether what it tests moved.
fn look(spec: &DriftSpec, columns: &[Counts]) -> Vec<[(Option<f64>, bool); 3]> {
    let tests: Vec<[Option<f64>; 3]> = columns.iter().map(Counts::p_values).collect();
    let made: Vec<f64> = tests.iter().flatten().flatten().copied().collect();
    let mut adjusted = benjamini_hochberg(&made).into_iter();
    let judged = columns.iter().zip(tests).map(|(column, tests)| {
        let effects = column.effects(spec);
        let mut at = 0;
        tests.map(|test| {
            let q = test.and_then(|_| adjusted.next());
            at += 1;
            (q, effects[at - 1] && q.is_some_and(|q| q < spec.alpha))
        })
    });
    judged.collect()
}

/// Compares all columns. `earlier`: which of them moved in the looks before this one, the newest first.
pub fn judge(spec: &DriftSpec, watched: &[Watched<'_>], earlier: &[Look], seed: u64) -> DriftReport {
    let counts: Vec<Counts> = watched.iter().map(Counts::of).collect();
    let looked = look(spec, &counts);
    let columns = watched.iter().zip(&counts).zip(looked).map(|((column, counts), judged)| {
        let [(q_values, _), (q_nulls, _), (q_unseen, _)] = judged;
        let moved = in_words(spec, counts, judged);
        let before = earlier.iter().take_while(|look| look.contains(column.name)).count() as u32;
        let looks = if moved.is_empty() { 0 } else { 1 + before };
        let counts_for_model = column.importance.is_none_or(|share| share >= spec.min_importance);
        ColumnDrift {
            name: column.name.to_owned(),
            importance: column.importance,
            rows: column.now.count,
            reference_rows: column.reference.rows() as u64,
            psi: counts.has_values().then(|| stability_index(&counts.was, &counts.is)),
            jensen_shannon: counts.has_values().then(|| jensen_shannon(&counts.was, &counts.is)),
            wasserstein: column.reference.wasserstein(column.now),
            q_values: q_values.into_iter().chain(q_unseen).reduce(f64::min),
            nulls: share(counts.nulls_are),
            reference_nulls: share(counts.nulls_were),
            q_nulls: q_nulls.unwrap_or(1.0),
            unseen: counts.unseen.map(share),
            drifted: looks >= spec.looks && counts_for_model,
            moved,
            looks,
        }
    });
    let columns: Vec<ColumnDrift> = columns.collect();
    let importance: Vec<Option<f64>> = watched.iter().map(|column| column.importance).collect();
    let false_alarms = chance::false_alarms(spec, &counts, &importance, seed);
    DriftReport { columns, false_alarms, resamples: spec.resamples }
}

fn in_words(spec: &DriftSpec, counts: &Counts, judged: [(Option<f64>, bool); 3]) -> Vec<String> {
    let [(_, values), (_, nulls), (_, unseen)] = judged;
    let mut moved = Vec::new();
    if values {
        let psi = stability_index(&counts.was, &counts.is);
        moved.push(format!("PSI {} (at most {})", rounded(psi), number(spec.max_psi)));
    }
    if nulls {
        let (are, were) = (percent(share(counts.nulls_are)), percent(share(counts.nulls_were)));
        moved.push(format!("{are} nulls, were {were}"));
    }
    if let Some(found) = counts.unseen.filter(|_| unseen) {
        moved.push(format!("{} in categories never seen", percent(share(found))));
    }
    moved
}

/// Three decimals say all there is to say of an index.
fn rounded(value: f64) -> String {
    number((value * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests;
