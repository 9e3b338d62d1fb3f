//! The features in a server's request log, summarised as footers summarise a table: so both are compared by the same code.

use artifact::{Artifact, ColumnSummary, PolarsResultExt, Summary};
use polars::prelude::{Column, DataFrame, DataType, col};
use score::Feature;
use serde_json::Value;
use spec::{Error, Result};

/// Predictions that are looked at, the newest ones: as many as tell a distribution.
const MOST: usize = 100_000;

/// The features of the newest predictions in the sealed tables `table`, of those since `since` (microseconds since 1970), as a
/// footer would summarise them. `artifacts`: the oldest first. Features that no request has are left out.
///
/// # Errors
/// Cannot run: a column that is missing or of another type. Refused: features that are not JSON.
pub fn requested(artifacts: &[Artifact], table: &str, features: &[&Feature], since: i64) -> Result<Vec<ColumnSummary>> {
    const COLUMNS: [&str; 3] = ["time", "shadow", "features"];
    let doing = format!("table '{table}'");
    let mut values: Vec<Vec<Value>> = vec![Vec::new(); features.len()];
    let mut rows = 0;
    // The newest tables first.
    for artifact in artifacts.iter().rev() {
        if rows >= MOST {
            break;
        }
        let plan = artifact::scan(std::slice::from_ref(artifact), table)?;
        let read = artifact::collect(plan.select(COLUMNS.map(col)), &doing)?;
        let times = read.column("time").during(&doing)?.cast(&DataType::Int64).during(&doing)?;
        let (times, shadow) =
            (times.i64().during(&doing)?, read.column("shadow").during(&doing)?.bool().during(&doing)?);
        let texts = read.column("features").during(&doing)?.str().during(&doing)?;
        for row in (0..read.height()).rev() {
            let Some(text) = texts.get(row).filter(|_| shadow.get(row) != Some(true)) else { continue };
            if times.get(row).is_none_or(|time| time < since) || rows >= MOST {
                continue;
            }
            let mut logged: serde_json::Map<String, Value> = serde_json::from_str(text).map_err(|error| {
                Error::refused(format!("{doing}: the features of a request cannot be read: {error}"))
                    .hint("a later version wrote them: update the tools")
            })?;
            rows += 1;
            for (values, feature) in values.iter_mut().zip(features) {
                // Another version may not have had the column.
                if let Some(value) = logged.remove(&feature.name) {
                    values.push(value);
                }
            }
        }
    }
    let mut all = Vec::with_capacity(features.len());
    for (feature, values) in features.iter().zip(values).filter(|(_, values)| !values.is_empty()) {
        let column = match feature.categories() {
            Some(_) => {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                Column::new(feature.name.as_str().into(), values.iter().map(text).collect::<Vec<_>>())
            }
            None => Column::new(feature.name.as_str().into(), values.iter().map(Value::as_f64).collect::<Vec<_>>()),
        };
        let frame = DataFrame::new(column.len(), vec![column]).during(&doing)?;
        let mut summary = Summary::new(frame.schema());
        summary.observe(&frame);
        all.extend(summary.finish());
    }
    Ok(all)
}
