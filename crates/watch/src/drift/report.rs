//! What a look at all columns found, as a table, as lines for people, and as a verdict.

use artifact::{PolarsResultExt, Verdict};
use polars::prelude::{Column, DataFrame};
use spec::text::percent;
use spec::{Result, Severity};

use super::{ColumnDrift, Look};

/// What was found in all columns, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftReport {
    pub columns: Vec<ColumnDrift>,
    /// The share of comparisons of the reference with itself in which a column counted as drifted.
    pub false_alarms: f64,
    /// How many such comparisons there were.
    pub resamples: u32,
}

/// Columns that a message names.
const NAMED: usize = 5;

impl DriftReport {
    /// The columns that moved in this look: what a later one asks for.
    pub fn look(&self) -> Look {
        self.columns.iter().filter(|column| !column.moved.is_empty()).map(|column| column.name.clone()).collect()
    }

    /// The columns that drifted, the most important first.
    pub fn drifted(&self) -> Vec<String> {
        let mut drifted: Vec<&ColumnDrift> = self.columns.iter().filter(|column| column.drifted).collect();
        let importance = |column: &ColumnDrift| column.importance.unwrap_or(0.0);
        drifted.sort_by(|one, other| importance(other).total_cmp(&importance(one)));
        drifted.into_iter().map(|column| column.name.clone()).collect()
    }

    /// The verdict, and what was found in words.
    pub fn verdict(&self, severity: Severity) -> (Verdict, String) {
        if self.columns.is_empty() {
            return (Verdict::Skipped, "there is no column to compare".to_owned());
        }
        let chance = self.chance();
        let all = spec::text::count(self.columns.len() as u64, "column");
        let drifted = self.named(|column| column.drifted);
        if let Some(named) = drifted {
            let verdict = if severity == Severity::Hard { Verdict::Failed } else { Verdict::Warned };
            return (verdict, format!("of {all} drifted {named}; {chance}"));
        }
        let found = match self.named(|column| !column.moved.is_empty()) {
            Some(named) => format!("none of {all} drifted yet; moved {named}; {chance}"),
            None => format!("none of {all} moved; {chance}"),
        };
        (Verdict::Passed, found)
    }

    fn chance(&self) -> String {
        match (self.resamples, self.false_alarms) {
            (0, _) => "false alarms not measured".to_owned(),
            (rounds, 0.0) => {
                format!("false alarms by chance: none in {rounds} comparisons of the reference with itself")
            }
            (rounds, share) => {
                format!(
                    "false alarms by chance: {} of {rounds} comparisons of the reference with itself",
                    percent(share)
                )
            }
        }
    }

    /// Those that are meant, the most important first.
    fn named(&self, is_meant: impl Fn(&ColumnDrift) -> bool) -> Option<String> {
        let mut meant: Vec<&ColumnDrift> = self.columns.iter().filter(|column| is_meant(column)).collect();
        meant.sort_by(|one, other| other.importance.unwrap_or(0.0).total_cmp(&one.importance.unwrap_or(0.0)));
        let more = meant.len().saturating_sub(NAMED);
        let names: Vec<String> = meant.iter().take(NAMED).map(|column| column.in_words()).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{}{more}", names.join(", ")))
    }

    /// One row per column, with the false-alarm rate of the whole look beside each.
    pub fn table(&self) -> Result<DataFrame> {
        let of = &self.columns;
        let floats = |name: &str, value: fn(&ColumnDrift) -> Option<f64>| {
            Column::new(name.into(), of.iter().map(value).collect::<Vec<_>>())
        };
        let whole = |name: &str, value: fn(&ColumnDrift) -> u64| {
            Column::new(name.into(), of.iter().map(|column| value(column) as i64).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new("column".into(), of.iter().map(|column| column.name.as_str()).collect::<Vec<_>>()),
            floats("importance", |column| column.importance),
            whole("rows", |column| column.rows),
            whole("reference_rows", |column| column.reference_rows),
            floats("psi", |column| column.psi),
            floats("jensen_shannon", |column| column.jensen_shannon),
            floats("wasserstein", |column| column.wasserstein),
            floats("q_values", |column| column.q_values),
            floats("nulls", |column| Some(column.nulls)),
            floats("reference_nulls", |column| Some(column.reference_nulls)),
            floats("q_nulls", |column| Some(column.q_nulls)),
            floats("unseen", |column| column.unseen),
            Column::new("moved".into(), of.iter().map(|column| !column.moved.is_empty()).collect::<Vec<_>>()),
            whole("looks", |column| u64::from(column.looks)),
            Column::new("drifted".into(), of.iter().map(|column| column.drifted).collect::<Vec<_>>()),
            Column::new("found".into(), of.iter().map(|column| column.moved.join("; ")).collect::<Vec<_>>()),
            Column::new("false_alarms".into(), vec![(self.resamples > 0).then_some(self.false_alarms); of.len()]),
        ];
        DataFrame::new(of.len(), columns).during("drift")
    }
}

impl ColumnDrift {
    /// `'overdue' (34 % of importance, PSI 0.41 (at most 0.2), 2 looks in a row)`
    fn in_words(&self) -> String {
        let importance = self.importance.map(|share| format!("{} of importance, ", percent(share))).unwrap_or_default();
        let looks = if self.looks == 1 { "1 look".to_owned() } else { format!("{} looks in a row", self.looks) };
        format!("'{}' ({importance}{}, {looks})", self.name, self.moved.join(", "))
    }
}
