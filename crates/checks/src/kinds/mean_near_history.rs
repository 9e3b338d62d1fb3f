//! `mean_near_history`: a mean that may not jump from run to run.

use artifact::Kind;
use polars::prelude::AnyValue;
use serde::{Deserialize, Serialize};
use spec::{Result, Severity, range};

use super::described;
use crate::Published;
use crate::check::{Columns, Finding, TableCheck};
use spec::text::{number, percent};

/// The mean of a column differs from that of earlier runs by no more than a share of it. Compared with the
/// mean of the means of the newest `runs` earlier artifacts of the same table, read from their footers;
/// without one, the check is skipped. A column without values fails. Example:
/// `- mean_near_history: {column: amount, within_share: 0.2, runs: 10, severity: soft}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanNearHistory {
    /// A column of numbers, booleans, dates or timestamps.
    pub column: String,
    /// The difference allowed, as a share of the earlier mean: 0.2 is 20 % either way.
    #[serde(deserialize_with = "range::not_negative")]
    pub within_share: f64,
    /// How many earlier runs to compare with, from 1 to 10,000; 10 by default.
    #[serde(default = "ten", deserialize_with = "range::whole::<1, 10_000, _>")]
    pub runs: u32,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

fn ten() -> u32 {
    10
}

described!(MeanNearHistory, |check| format!("{} within {}", check.column, percent(check.within_share)));

impl TableCheck for MeanNearHistory {
    fn judge(&self, table: &Columns, published: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        let of = table.dtype(&self.column)?;
        if !(of.is_numeric() || of.is_bool() || of.is_temporal()) {
            return Err(table.unsuited(&self.column, "numbers").hint("only numbers have a mean"));
        }
        let mean_in = |columns: &[artifact::ColumnSummary]| {
            columns.iter().find(|summary| summary.name == self.column).and_then(|summary| summary.mean)
        };
        let earlier: Vec<f64> = published
            .history
            .iter()
            .filter(|evidence| evidence.kind == Kind::Table)
            .filter_map(|evidence| mean_in(&evidence.columns))
            .take(self.runs as usize)
            .collect();
        if earlier.is_empty() {
            return Ok(Finding::Skipped("there is no earlier run to compare with".to_owned()));
        }
        let reference = earlier.iter().sum::<f64>() / earlier.len() as f64;
        let runs =
            if earlier.len() == 1 { "the last run".to_owned() } else { format!("the last {} runs", earlier.len()) };
        let Some(mean) = mean_in(published.columns) else {
            let reference = number(reference);
            return Ok(Finding::Failed(format!("'{}' holds no value, {runs} had a mean of {reference}", self.column)));
        };
        // Written as a product, so that a reference of 0 allows exactly 0.
        let passed = (mean - reference).abs() <= self.within_share * reference.abs();
        let change = match reference {
            0.0 => String::new(),
            _ => format!(
                " ({} {})",
                percent(((mean - reference) / reference).abs()),
                if mean < reference { "below" } else { "above" }
            ),
        };
        Ok(Finding::of(
            passed,
            format!(
                "mean {}, {runs} {}{change}, at most {} either way allowed",
                number(mean),
                number(reference),
                percent(self.within_share)
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged, judged_after, load_failure};

    fn amounts(values: &[f64]) -> DataFrame {
        df!("amount" => values).unwrap()
    }

    #[test]
    fn what_would_never_fail_or_always_is_refused() {
        for (settings, error) in [
            ("within_share: 0.2, runs: 0", "runs: 0 is not from 1 to 10000"),
            ("within_share: -0.1", "within_share: -0.1 is not 0 or more"),
        ] {
            let found = load_failure(&format!("mean_near_history: {{column: amount, {settings}}}"));
            assert!(found.ends_with(&format!("checks.orders[0].mean_near_history.{error}")), "{found}");
        }
    }

    #[test]
    fn nothing_to_compare_with_is_skipped() {
        assert_eq!(
            judged("mean_near_history: {column: amount, within_share: 0.2}", &amounts(&[1.0])),
            Skipped("there is no earlier run to compare with".into())
        );
    }

    #[test]
    fn the_share_itself_is_allowed_and_more_fails() {
        // Newest first: means 4 and 6, then one that two runs do not reach. The mean of means is 5.
        let history = [amounts(&[3.0, 5.0]), amounts(&[6.0]), amounts(&[1000.0])];
        let check = "mean_near_history: {column: amount, within_share: 0.2, runs: 2}";
        assert_eq!(
            judged_after(check, &amounts(&[6.0]), &history),
            Passed("mean 6, the last 2 runs 5 (20 % above), at most 20 % either way allowed".into())
        );
        assert_eq!(
            judged_after(check, &amounts(&[3.5, 4.0]), &history),
            Failed("mean 3.75, the last 2 runs 5 (25 % below), at most 20 % either way allowed".into())
        );
    }

    #[test]
    fn an_empty_column_fails_and_a_mean_of_zero_allows_zero_only() {
        let check = "mean_near_history: {column: amount, within_share: 0.2}";
        assert_eq!(
            judged_after(check, &amounts(&[]), &[amounts(&[2.0])]),
            Failed("'amount' holds no value, the last run had a mean of 2".into())
        );
        assert!(matches!(judged_after(check, &amounts(&[0.0]), &[amounts(&[0.0])]), Passed(_)));
        assert!(matches!(judged_after(check, &amounts(&[0.1]), &[amounts(&[0.0])]), Failed(_)));
        let table = df!("s" => ["a"]).unwrap();
        assert_eq!(
            failure("mean_near_history: {column: s, within_share: 0.2}", &table).to_string(),
            "table 'orders': check 1 'mean_near_history': column 's' holds string, not numbers; only numbers have a mean"
        );
    }
}
