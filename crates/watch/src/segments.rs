//! How test predictions did by the values of the columns that they carry.

use std::collections::BTreeMap;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType};
use score::metrics::{Metric, Scored};
use score::{Manifest, Registry, Task};
use spec::Result;

/// A metric of predicted numbers by each value of the columns `segments`, of which those that the rows do not have are left
/// out. `rows`: the label, `score` and such columns.
///
/// # Errors
/// Cannot run: a label or score that is not a number.
pub fn by_segment(
    rows: &DataFrame,
    label: &str,
    metric: Metric,
    segments: &[String],
) -> Result<BTreeMap<(String, Option<String>), f64>> {
    let doing = "test predictions by segment";
    let numbers = |name: &str| -> Result<Vec<f64>> {
        let column = rows.column(name).during(doing)?.cast(&DataType::Float64).during(doing)?;
        Ok(column.f64().during(doing)?.iter().map(|number| number.unwrap_or(f64::NAN)).collect())
    };
    let scored = Scored::new(Task::Regression, numbers(label)?, numbers("score")?, doing)?;
    let mut found = BTreeMap::new();
    for name in segments {
        let Ok(column) = rows.column(name) else { continue };
        let texts = column.cast(&DataType::String).during(doing)?;
        let mut rows: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        texts.str().during(doing)?.iter().enumerate().for_each(|(row, value)| rows.entry(value).or_default().push(row));
        for (value, rows) in rows {
            let key = (name.clone(), value.map(str::to_owned));
            found.extend(scored.of_rows(&rows).value(metric, None).map(|figure| (key, figure)));
        }
    }
    Ok(found)
}

/// The metric on the test part of a version by the values of segments that its test predictions say, such as each horizon or
/// store. Of numbers only.
///
/// # Errors
/// Test predictions that cannot be read.
pub fn figures_of_segments(
    registry: &Registry,
    manifest: &Manifest,
    metric: Metric,
    segments: &[String],
) -> Result<BTreeMap<(String, Option<String>), f64>> {
    let file = registry.folder(manifest.origin.version).join("predictions.parquet");
    if manifest.task != Task::Regression || segments.is_empty() || !file.is_file() {
        return Ok(BTreeMap::new());
    }
    let doing = format!("the test predictions of {}", manifest.origin.version);
    let rows = artifact::collect(artifact::scan_files(&[&file])?, &doing)?;
    by_segment(&rows, &manifest.label, metric, segments)
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn each_value_has_a_figure_of_its_own() {
        let rows =
            df!("price" => [10.0, 20.0, 30.0], "score" => [11.0, 18.5, 33.0], "horizon" => [1i64, 2, 1]).unwrap();
        let found = by_segment(&rows, "price", Metric::Mae, &["horizon".to_owned(), "town".to_owned()]).unwrap();
        let key = |value: &str| ("horizon".to_owned(), Some(value.to_owned()));
        assert_eq!(found, BTreeMap::from([(key("1"), 2.0), (key("2"), 1.5)]));
    }
}
