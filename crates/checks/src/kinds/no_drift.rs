//! `no_drift`: columns that must be distributed as in the last run.

use artifact::{ColumnSummary, Kind};
use polars::prelude::AnyValue;
use serde::{Deserialize, Serialize};
use spec::{Result, Severity, did_you_mean, range};

use super::described;
use crate::check::{Columns, Finding, TableCheck};
use crate::{ColumnNames, Published};
use spec::text::{number, percent};

/// The least share of a bin, so that an empty one does not count without bound.
const FLOOR: f64 = 1e-4;
/// Bins with equal shares of the last run's values.
const BINS: u32 = 10;

/// Columns are distributed as in the last run of the same table, read from its footer. Measured by the population
/// stability index over ten bins of the last run's values (or its most frequent values) and the nulls: below 0.1
/// little moved, above 0.25 much. The first run has nothing to compare with and is skipped; so is a new column. Example:
/// `- no_drift: {columns: [avg_price_3m, floor], max_psi: 0.2, severity: soft}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoDrift {
    /// The columns. Without them, all columns of numbers and booleans whose name does not begin with `_`.
    #[serde(default)]
    pub columns: Option<ColumnNames>,
    /// The largest population stability index allowed; 0.2 by default.
    #[serde(default = "default_max_psi", deserialize_with = "range::not_negative")]
    pub max_psi: f64,
    /// How far the mean may move, in standard deviations of the last run. Without it, any way.
    #[serde(default, deserialize_with = "range::optional_not_negative")]
    pub max_mean_shift: Option<f64>,
    /// How far the share of nulls may move: 0.05 is five percent of the rows. Without it, any way.
    #[serde(default, deserialize_with = "range::optional_ratio")]
    pub max_null_change: Option<f64>,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

fn default_max_psi() -> f64 {
    0.2
}

described!(NoDrift, |check| match &check.columns {
    Some(columns) => format!("{columns} with PSI up to {}", number(check.max_psi)),
    None => format!("all numbers with PSI up to {}", number(check.max_psi)),
});

impl TableCheck for NoDrift {
    fn judge(&self, table: &Columns, published: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        if let Some(columns) = &self.columns {
            columns.iter().try_for_each(|column| table.dtype(column).map(|_| ()))?;
        }
        let Some(last) = published.history.iter().find(|evidence| evidence.kind == Kind::Table) else {
            return Ok(Finding::Skipped("there is no earlier run to compare with".to_owned()));
        };
        let asked = |summary: &&ColumnSummary| match &self.columns {
            Some(columns) => columns.contains(&summary.name),
            None => {
                let numeric = |of: &polars::prelude::DataType| of.is_numeric() || of.is_bool();
                !summary.name.starts_with('_') && table.schema.get(&summary.name).is_some_and(numeric)
            }
        };
        let (mut compared, mut worst, mut drifted) = (0, None::<(f64, &str)>, Vec::new());
        for now in published.columns.iter().filter(asked) {
            let Some(before) = last.columns.iter().find(|before| before.name == now.name) else { continue };
            let Some(psi) = stability(before, now) else { continue };
            compared += 1;
            if worst.is_none_or(|(most, _)| psi > most) {
                worst = Some((psi, &now.name));
            }
            let moved = self.moved(before, now, psi);
            if !moved.is_empty() {
                drifted.push(format!("'{}' {}", now.name, moved.join(", ")));
            }
        }
        let Some((psi, column)) = worst else {
            let of = self.columns.as_ref().map_or_else(String::new, |names| {
                let known = last.columns.iter().map(|column| column.name.as_str());
                format!("; {}", did_you_mean(&names[0], known))
            });
            return Ok(Finding::Skipped(format!("the last run has no values of these columns to compare with{of}")));
        };
        Ok(match drifted.is_empty() {
            true => {
                let columns = spec::text::count(compared as u64, "column");
                Finding::Passed(format!("{columns} as in the last run, most moved '{column}' with PSI {}", number(psi)))
            }
            false => Finding::Failed(format!("drifted since the last run: {}", drifted.join("; "))),
        })
    }
}

impl NoDrift {
    /// What moved further than allowed, in words.
    fn moved(&self, before: &ColumnSummary, now: &ColumnSummary, psi: f64) -> Vec<String> {
        let mut moved = Vec::new();
        if psi > self.max_psi {
            moved.push(format!("PSI {}, at most {} allowed", number(psi), number(self.max_psi)));
        }
        if let (Some(most), Some(was), Some(is), Some(std)) = (self.max_mean_shift, before.mean, now.mean, before.std)
            && (is - was).abs() > most * std
        {
            moved.push(format!(
                "mean {}, was {}, at most {} standard deviations of {} allowed",
                number(is),
                number(was),
                number(most),
                number(std)
            ));
        }
        let nulls = |of: &ColumnSummary| of.nulls as f64 / of.count.max(1) as f64;
        if let Some(most) = self.max_null_change
            && (nulls(now) - nulls(before)).abs() > most
        {
            let (is, was) = (percent(nulls(now)), percent(nulls(before)));
            moved.push(format!("{is} nulls, was {was}, a change of at most {} allowed", percent(most)));
        }
        moved
    }
}

/// The population stability index: the sum of (a - b) ln(a / b) over the shares of each bin now and before. Nothing
/// where one of the runs has no rows, or the last run kept neither frequent values nor quantiles.
fn stability(before: &ColumnSummary, now: &ColumnSummary) -> Option<f64> {
    if before.count == 0 || now.count == 0 {
        return None;
    }
    let values = |of: &ColumnSummary| 1.0 - of.nulls as f64 / of.count as f64;
    let (was, is) = (values(before), values(now));
    // What is not a value is a bin of its own.
    let mut bins = vec![(1.0 - was, 1.0 - is)];
    let all_null = was == 0.0 || is == 0.0;
    if all_null {
        bins.push((was, is));
    } else if !before.top.is_empty() && !now.top.is_empty() {
        let share = |of: &ColumnSummary, value: &str| {
            of.top.iter().find(|(known, _)| known == value).map_or(0.0, |(_, share)| *share)
        };
        let mut rest = (1.0, 1.0);
        for (value, _) in &before.top {
            let (before, now) = (share(before, value), share(now, value));
            rest = (rest.0 - before, rest.1 - now);
            bins.push((before * was, now * is));
        }
        bins.push((rest.0.max(0.0) * was, rest.1.max(0.0) * is));
    } else if !before.quantiles.is_empty() && !now.quantiles.is_empty() {
        let border = |bin: u32| before.quantiles.at(f64::from(bin) / f64::from(BINS));
        let mut borders: Vec<f64> = (1..BINS).filter_map(border).collect();
        borders.dedup();
        let mut below = (0.0, 0.0);
        for border in borders.into_iter().chain([f64::INFINITY]) {
            let up_to = (before.quantiles.share_up_to(border), now.quantiles.share_up_to(border));
            bins.push(((up_to.0 - below.0) * was, (up_to.1 - below.1) * is));
            below = up_to;
        }
    } else {
        return None;
    }
    let term = |(before, now): (f64, f64)| {
        let (before, now) = (before.max(FLOOR), now.max(FLOOR));
        (now - before) * (now / before).ln()
    };
    Some(bins.into_iter().map(term).sum())
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged, judged_after, load_failure};

    /// `count` values that are evenly spread from `from` on over `width`.
    fn spread(from: f64, width: f64, count: usize) -> DataFrame {
        let values: Vec<f64> = (0..count).map(|i| from + width * i as f64 / count as f64).collect();
        df!("price" => values).unwrap()
    }

    #[test]
    fn the_first_run_passes_with_a_note() {
        assert_eq!(
            judged("no_drift: {columns: [price]}", &spread(0.0, 1.0, 100)),
            Skipped("there is no earlier run to compare with".into())
        );
    }

    #[test]
    fn the_same_distribution_passes_and_a_moved_one_fails() {
        let before = [spread(0.0, 100.0, 1_000), spread(900.0, 1.0, 1_000)];
        let Passed(found) = judged_after("no_drift: {}", &spread(0.0, 100.0, 700), &before) else {
            panic!("the same distribution drifted")
        };
        assert!(found.starts_with("1 column as in the last run, most moved 'price' with PSI 0.00"), "{found}");
        // Moved by half its width: five of ten bins are empty now, and the last one holds six tenths.
        let Failed(found) = judged_after("no_drift: {}", &spread(50.0, 100.0, 1_000), &before) else {
            panic!("another distribution passed")
        };
        assert!(found.starts_with("drifted since the last run: 'price' PSI 4.3"), "{found}");
        assert!(found.ends_with(", at most 0.2 allowed"), "{found}");
        assert!(matches!(judged_after("no_drift: {max_psi: 5}", &spread(50.0, 100.0, 1_000), &before), Passed(_)));
    }

    #[test]
    fn means_and_nulls_have_bounds_of_their_own() {
        let before = [df!("price" => (0..1_000).map(|i| Some(f64::from(i))).collect::<Vec<_>>()).unwrap()];
        let some = (0..1_000).map(|i| (i % 10 != 0).then_some(f64::from(i) + 30.0)).collect::<Vec<_>>();
        let now = df!("price" => some).unwrap();
        assert_eq!(
            judged_after("no_drift: {max_psi: 9, max_null_change: 0.05}", &now, &before),
            Failed("drifted since the last run: 'price' 10 % nulls, was 0 %, a change of at most 5 % allowed".into())
        );
        let Failed(found) = judged_after("no_drift: {max_psi: 9, max_mean_shift: 0.1}", &now, &before) else {
            panic!("the mean moved by more than a tenth of the standard deviation")
        };
        assert_eq!(
            found,
            "drifted since the last run: 'price' mean 530, was 499.5, at most 0.1 standard deviations of 288.675 allowed"
        );
    }

    #[test]
    fn frequent_values_are_compared_one_by_one() {
        let table = |app: usize| {
            let channels: Vec<&str> = (0..100).map(|i| if i < app { "app" } else { "web" }).collect();
            df!("channel" => channels).unwrap()
        };
        // (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5) = 0.415888
        assert_eq!(
            judged_after("no_drift: {columns: [channel]}", &table(80), &[table(50)]),
            Failed("drifted since the last run: 'channel' PSI 0.415888, at most 0.2 allowed".into())
        );
        assert!(matches!(judged_after("no_drift: {columns: [channel]}", &table(55), &[table(50)]), Passed(_)));
    }

    #[test]
    fn bounds_that_nothing_can_keep_or_break_are_refused() {
        for (settings, error) in [
            ("max_psi: -1", "max_psi: -1 is not 0 or more"),
            ("max_mean_shift: -1", "max_mean_shift: -1 is not 0 or more"),
            ("max_null_change: 5", "max_null_change: 5 is not from 0 to 1"),
        ] {
            let found = load_failure(&format!("no_drift: {{{settings}}}"));
            assert!(found.ends_with(&format!("checks.orders[0].no_drift.{error}")), "{found}");
        }
    }

    #[test]
    fn unknown_columns_and_new_ones() {
        let other = df!("area" => [1.0, 2.0]).unwrap();
        assert_eq!(
            judged_after("no_drift: {columns: [price]}", &spread(0.0, 1.0, 9), &[other]),
            Skipped("the last run has no values of these columns to compare with; choose one of: area".into())
        );
        assert_eq!(
            failure("no_drift: {columns: [prize]}", &spread(0.0, 1.0, 9)).to_string(),
            "table 'orders': check 1 'no_drift': no column 'prize'; did you mean 'price'?"
        );
    }
}
