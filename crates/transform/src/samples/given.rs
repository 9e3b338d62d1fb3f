//! The tables of a sample, with the types that they have in the pipeline.

use artifact::{FILE, PolarsResultExt, ROW};
use polars::prelude::*;
use serde_json::Value as Json;
use spec::{ColumnType, Error, Map, Result, Scalar, did_you_mean};

use super::cells;
use super::file::{Row, Sample, columns_of};

/// The types that the stage before declares, by table.
#[derive(Debug, Default)]
pub struct Types(Map<Map<ColumnType>>);

impl Types {
    /// Those of an `ingest.yaml`. A table without `columns` declares nothing.
    pub fn of(ingest: &Json) -> Types {
        let tables = ingest.get("tables").and_then(Json::as_object).into_iter().flatten();
        Types(tables.map(|(table, spec)| (table.clone(), declared(&spec["columns"]))).collect())
    }
}

/// `{id: int64, day: {type: date, format: "%d.%m.%Y"}}`
fn declared(columns: &Json) -> Map<ColumnType> {
    let columns = columns.as_object().into_iter().flatten();
    let one = |(name, spec): (&String, &Json)| {
        let spec = if spec.is_object() { &spec["type"] } else { spec };
        Some((name.clone(), serde_json::from_value(spec.clone()).ok()?))
    };
    columns.filter_map(one).collect()
}

impl Sample {
    /// The tables that go in, by name.
    ///
    /// # Errors
    /// Cannot run: a column whose type is not known, a cell that is not of its type.
    pub fn tables(&self, types: &Types) -> Result<Vec<(String, DataFrame)>> {
        let tables = self.given.iter();
        tables.map(|(name, rows)| Ok((name.to_owned(), table(name, rows, self, types)?))).collect()
    }
}

fn table(name: &str, rows: &[Row], test: &Sample, types: &Types) -> Result<DataFrame> {
    let place = format!("given table '{name}'");
    let of_test = || test.columns.get(name).into_iter().flat_map(Map::iter);
    let of_ingest = || types.0.get(name).into_iter().flat_map(Map::iter);
    let mut known: Vec<(&str, ColumnType)> = Vec::new();
    for (column, of) in of_test().chain(of_ingest()).map(|(column, of)| (column, *of)) {
        if !known.iter().any(|(name, _)| *name == column) {
            known.push((column, of));
        }
    }
    let own = |column: &&str| ![FILE, ROW].contains(column);
    // In the order of the pipeline, whichever cells the rows name first.
    let mut names: Vec<&str> = of_ingest().chain(of_test()).map(|(column, _)| column).collect();
    names.extend(columns_of(rows));
    let mut seen: Vec<&str> = Vec::new();
    names.retain(|column| {
        let is_new = own(column) && !seen.contains(column);
        seen.push(column);
        is_new
    });
    let declares = types.0.get(name).is_some_and(|columns| !columns.is_empty());
    if let Some(unknown) = names.iter().find(|column| declares && !known.iter().any(|(name, _)| name == *column)) {
        return Err(Error::cannot_run(format!("{place}: ingest.yaml declares no column '{unknown}'"))
            .hint(did_you_mean(unknown, known.iter().map(|(name, _)| *name))));
    }
    if names.is_empty() {
        return Err(Error::cannot_run(format!("{place}: no column is known"))
            .hint(format!("write the types of its columns: `columns: {{{name}: {{id: int64}}}}`")));
    }
    let mut columns = Vec::with_capacity(names.len() + 2);
    for column in names {
        let cells: Vec<Option<&Scalar>> = cells_of(rows, column);
        let declared = known.iter().find(|(name, _)| *name == column).map(|(_, of)| *of);
        let of = declared.or_else(|| cells::type_of(&cells)).ok_or_else(|| {
            Error::cannot_run(format!("{place}: column '{column}' holds values of several types"))
                .hint(format!("write its type: `columns: {{{name}: {{{column}: string}}}}`, and texts in quotes"))
        })?;
        let (series, bad) = cells::column(column, &cells, of).during(&place)?;
        if let Some(at) = bad.first() {
            let row = *at as usize;
            let cell = cells[row].map(cells::text).unwrap_or_default();
            let hint = match of {
                ColumnType::String | ColumnType::Category => format!("write it in quotes: '{cell}'"),
                _ => "correct it; cells that cannot be read are refused by 'ingest'".to_owned(),
            };
            let of = of.name();
            return Err(
                Error::cannot_run(format!("{place}: row {}: {column}: {cell} is not of type {of}", row + 1)).hint(hint)
            );
        }
        columns.push(series.into_column());
    }
    for (column, of) in [(FILE, ColumnType::String), (ROW, ColumnType::Uint32)] {
        let written = cells_of(rows, column);
        let (series, bad) = cells::column(column, &written, of).during(&place)?;
        if let Some(at) = bad.first() {
            let row = at + 1;
            return Err(Error::cannot_run(format!("{place}: row {row}: {column} is not of type {}", of.name())));
        }
        let series = match (column, written.iter().any(Option::is_some)) {
            (_, true) => series,
            (FILE, false) => StringChunked::full(FILE.into(), name, rows.len()).into_series(),
            (_, false) => UInt32Chunked::from_vec(ROW.into(), (1..=rows.len() as u32).collect()).into_series(),
        };
        columns.push(series.into_column());
    }
    DataFrame::new(rows.len(), columns).during(&place)
}

/// The cells of a column; a row that does not name it has an empty one.
pub fn cells_of<'a>(rows: &'a [Row], column: &str) -> Vec<Option<&'a Scalar>> {
    rows.iter().map(|row| row.get(column).and_then(Option::as_ref)).collect()
}
