//! Predictions that a server answered, read from its request log into the shape of those that `predict` wrote.

use artifact::{Artifact, PolarsResultExt};
use polars::prelude::{
    BooleanChunked, ChunkFull, Column, DataFrame, DataType, IntoColumn, NamedFrom, Schema, Series, TimeUnit, col,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use spec::{Error, Result};

use crate::outcomes::Keys;

/// Whose predictions are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The scores that `predict` wrote.
    Predict,
    /// The answers in the request log that `serve` sealed.
    Requests,
}

impl Origin {
    /// The first mistake in a list of them, and in the name of the sealed log beside it.
    pub fn fault(from: &[Origin], is_named: bool) -> Option<Error> {
        let wrong = |found: &str, way_out: &str| Some(Error::cannot_run(found.to_owned()).hint(way_out).at("from"));
        if from.is_empty() {
            return wrong("names nothing", "write `from: [predict]`, `from: [requests]` or both");
        }
        if from.len() > 1 && from.iter().skip(1).any(|origin| *origin == from[0]) {
            return wrong("names one of them twice", "write each once");
        }
        (is_named && !from.contains(&Origin::Requests)).then(|| {
            Error::cannot_run("names requests that are not read")
                .hint("write `from: [requests]`, too: the answers of the server are judged")
                .at("served")
        })
    }
}

/// The column that says whether it is known which row of the table a prediction is about.
pub(crate) const ROW_IS_KNOWN: &str = "row_is_known";

/// The answers since `since` (microseconds since 1970) in the sealed tables `table`: the keys, `scores`, `model_version`,
/// `scored_at`, and whether the row is known. Entities are texts.
///
/// The log has the time of a row only if the request gave the row itself. Without it, the time is that of the request: right for
/// the week, but such a prediction belongs to no label.
///
/// # Errors
/// Cannot run: a column that is missing or of another type. Refused: no such table; rows that are not JSON.
pub fn answered(artifacts: &[Artifact], table: &str, keys: &Keys, scores: &[String], since: i64) -> Result<DataFrame> {
    let mut all: Option<DataFrame> = None;
    // One after the other: what clients gave takes more memory than what is kept of it.
    for artifact in artifacts.iter().filter(|artifact| artifact.is_table() && artifact.table == table) {
        let of_one = answered_in(artifact, table, keys, scores, since)?;
        match &mut all {
            None => all = Some(of_one),
            Some(all) => drop(all.vstack_mut(&of_one).during(table)?),
        }
    }
    all.ok_or_else(|| {
        Error::refused("no request has been sealed yet")
            .hint("`serve` seals its log every hour and when it stops (`journal.seal_every` in serve.yaml)")
    })
}

fn answered_in(artifact: &Artifact, table: &str, keys: &Keys, scores: &[String], since: i64) -> Result<DataFrame> {
    const COLUMNS: [&str; 7] = ["time", "status", "entity", "version", "score", "probabilities", "inputs"];
    let doing = format!("table '{table}'");
    let plan = artifact::scan(std::slice::from_ref(artifact), table)?.select(COLUMNS.map(col));
    of_rows(&artifact::collect(plan, &doing)?, &doing, keys, scores, since)
}

/// The answers among the rows of a log.
fn of_rows(rows: &DataFrame, doing: &str, keys: &Keys, scores: &[String], since: i64) -> Result<DataFrame> {
    let text = |name: &str| -> Result<_> { Ok(rows.column(name).during(doing)?.str().during(doing)?.clone()) };
    let times = rows.column("time").during(doing)?.cast(&DataType::Int64).during(doing)?;
    let times = times.i64().during(doing)?;
    let status = rows.column("status").during(doing)?.cast(&DataType::Int64).during(doing)?;
    let status = status.i64().during(doing)?;
    let score = rows.column("score").during(doing)?.f64().during(doing)?;
    let (versions, probabilities, inputs) = (text("version")?, text("probabilities")?, text("inputs")?);
    let counts = |row: usize| status.get(row) == Some(200) && times.get(row).is_some_and(|time| time >= since);
    let chosen: Vec<usize> = (0..rows.height()).filter(|row| counts(*row)).collect();
    let object = |text: Option<&str>| -> Result<Option<Map<String, Value>>> {
        text.map(serde_json::from_str).transpose().map_err(|error| {
            Error::refused(format!("{doing}: a request cannot be read: {error}"))
                .hint("a later version wrote it: update the tools")
        })
    };
    let (mut row_times, mut is_known) = (Vec::with_capacity(chosen.len()), Vec::with_capacity(chosen.len()));
    for row in &chosen {
        let given = object(inputs.get(*row))?;
        // As the server reads it: a date, or a timestamp with its distance from UTC or without.
        let micros = |text: &str| values::iso_datetime(text.as_bytes()).map(values::Moment::micros);
        let given = keys.time.as_ref().and_then(|time| given?.get(time)?.as_str().and_then(micros));
        is_known.push(keys.time.is_none() || given.is_some());
        row_times.push(given.or(times.get(*row)));
    }
    let mut numbers: Vec<Vec<Option<f64>>> = vec![Vec::with_capacity(chosen.len()); scores.len()];
    for row in &chosen {
        let of_classes = object(probabilities.get(*row))?;
        for (name, column) in scores.iter().zip(&mut numbers) {
            column.push(match (name.as_str(), &of_classes) {
                ("score", _) => score.get(*row),
                (class, Some(all)) => all.get(class).and_then(Value::as_f64),
                (_, None) => None,
            });
        }
    }
    let moments = |name: &str, micros: Vec<Option<i64>>| -> Result<Column> {
        let series = Series::new(name.into(), micros);
        Ok(series.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during(name)?.into_column())
    };
    let entities = text("entity")?;
    let entities: Vec<Option<&str>> = chosen.iter().map(|row| entities.get(*row)).collect();
    let mut columns = vec![Column::new(keys.entity.as_str().into(), entities)];
    if let Some(time) = &keys.time {
        columns.push(moments(time, row_times)?);
    }
    let versions: Vec<Option<&str>> = chosen.iter().map(|row| versions.get(*row)).collect();
    columns.push(Column::new("model_version".into(), versions));
    columns.push(moments("scored_at", chosen.iter().map(|row| times.get(*row)).collect())?);
    columns.extend(scores.iter().zip(numbers).map(|(name, numbers)| Column::new(name.as_str().into(), numbers)));
    columns.push(Column::new(ROW_IS_KNOWN.into(), is_known));
    DataFrame::new(chosen.len(), columns).during(doing)
}

/// How many of these predictions are about a row that is not known.
pub fn unknown_rows(answers: &DataFrame) -> usize {
    let known = answers.column(ROW_IS_KNOWN).ok().and_then(|known| known.bool().ok());
    known.map_or(0, |known| known.iter().filter(|known| *known != Some(true)).count())
}

/// The answers below the predictions that `predict` wrote, if there are any, with the types of these or else of `labels`. An
/// answer whose key is no value of that type, such as one that the server masks, is left out: it belongs to no row.
///
/// # Errors
/// Cannot run: columns that cannot be joined.
pub fn below(
    predicted: Option<DataFrame>,
    answers: DataFrame,
    labels: Option<&DataFrame>,
    keys: &Keys,
) -> Result<DataFrame> {
    let doing = "answers of the server";
    let like: Option<&Schema> = predicted.as_ref().or(labels).map(|table| table.schema().as_ref());
    let mut answers = answers;
    for name in keys.shared() {
        if let Some(dtype) = like.and_then(|like| like.get(name)) {
            let cast = answers.column(name).during(doing)?.cast(dtype).during(doing)?;
            answers.with_column(cast).during(doing)?;
        }
    }
    let is_there = answers.column(&keys.entity).during(doing)?.is_not_null();
    let mut answers = answers.filter(&is_there).during(doing)?;
    let Some(mut predicted) = predicted else { return Ok(answers) };
    let known = BooleanChunked::full(ROW_IS_KNOWN.into(), true, predicted.height());
    predicted.with_column(known.into_column()).during(doing)?;
    for column in predicted.columns() {
        let of_answers = answers.column(column.name()).during(doing)?.cast(column.dtype()).during(doing)?;
        answers.with_column(of_answers).during(doing)?;
    }
    let names = predicted.get_column_names_owned();
    predicted.vstack(&answers.select(names).during(doing)?).during(doing)
}

#[cfg(test)]
mod tests;
