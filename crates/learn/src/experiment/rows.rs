//! Columns of the feature table as plain numbers, and the table cut into its parts.

use std::collections::HashMap;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{BooleanChunked, Column, DataFrame, DataType, Expr, LazyFrame, NewChunkedArray, TimeUnit, col};
use spec::{Error, Result, ResultExt, did_you_mean};

use super::TrainSpec;
use crate::{Feature, LabelTransform, Matrix, Part, Split, SplitBy, Task};

/// A part as learners take it.
pub(super) struct PartRows {
    pub features: Matrix,
    pub label: Vec<f64>,
}

/// The three parts, and the test part with all its columns.
pub(super) struct Parts {
    pub train: PartRows,
    pub valid: PartRows,
    pub test: PartRows,
    pub test_rows: DataFrame,
}

/// The table of features on disk.
pub(super) struct Table<'a> {
    frame: LazyFrame,
    names: Vec<String>,
    spec: &'a TrainSpec,
}

impl<'a> Table<'a> {
    pub(super) fn new(mut frame: LazyFrame, spec: &'a TrainSpec) -> Result<Table<'a>> {
        let schema = frame.collect_schema().during(format!("table '{}'", spec.table))?;
        let names = schema.iter_names().map(|name| name.to_string()).collect();
        Ok(Table { frame, names, spec })
    }

    /// The columns that say which row is what: label, entity, time and what the split goes by.
    pub(super) fn keys(&self) -> Result<DataFrame> {
        let spec = self.spec;
        let by = spec.split.column.as_ref().filter(|_| spec.split.by != SplitBy::Random);
        let mut keys: Vec<String> = Vec::new();
        for name in [Some(&spec.label), Some(&spec.entity), spec.time.as_ref(), by].into_iter().flatten() {
            self.must_have(name)?;
            if !keys.contains(name) {
                keys.push(name.clone());
            }
        }
        self.read(&keys)
    }

    fn read(&self, names: &[String]) -> Result<DataFrame> {
        let columns: Vec<Expr> = names.iter().map(|name| col(name.as_str())).collect();
        artifact::collect(self.frame.clone().select(columns), &format!("table '{}'", self.spec.table))
    }

    fn must_have(&self, name: &str) -> Result<()> {
        match self.names.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(no_column(name, self.names.iter().map(String::as_str), self.spec)),
        }
    }
}

fn no_column<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, spec: &TrainSpec) -> Error {
    Error::cannot_run(format!("table '{}': no column '{name}'", spec.table)).hint(did_you_mean(name, known))
}

fn column<'a>(rows: &'a DataFrame, name: &str, spec: &TrainSpec) -> Result<&'a Column> {
    let known = rows.get_column_names();
    rows.column(name).map_err(|_| no_column(name, known.iter().map(|name| name.as_str()), spec))
}

fn no_nulls(column: &Column, spec: &TrainSpec, hint: &str) -> Result<()> {
    match column.null_count() {
        0 => Ok(()),
        nulls => Err(Error::refused(format!(
            "table '{}': column '{}' is missing in {nulls} of {} rows",
            spec.table,
            column.name(),
            column.len()
        ))
        .hint(hint)),
    }
}

/// The label as numbers: 0 and 1 for classification, both of which must occur.
pub(super) fn label(rows: &DataFrame, spec: &TrainSpec) -> Result<Vec<f64>> {
    let column = column(rows, &spec.label, spec)?;
    let place = format!("table '{}': label '{}'", spec.table, spec.label);
    no_nulls(column, spec, "drop these rows in features.yaml, or choose a label that is always known")?;
    if !(column.dtype().is_primitive_numeric() || column.dtype().is_bool()) {
        let wanted = if spec.task == Task::Classification { "true/false or 1/0" } else { "numbers" };
        return Err(Error::refused(format!("{place} is {}, not {wanted}", type_name(column.dtype())))
            .hint("derive such a label in features.yaml"));
    }
    let values = numbers(column, &place)?;
    if spec.task == Task::Regression {
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::refused(format!("{place} is {} in row {}", values[row], row + 1))
                .hint("labels must be finite numbers"));
        }
        return match (spec.label_transform, values.iter().filter(|value| **value <= 0.0).count()) {
            (Some(LabelTransform::Log), without @ 1..) => Err(Error::refused(format!(
                "{place} is 0 or less in {without} of {} rows, which have no logarithm",
                values.len()
            ))
            .hint("drop these rows in clean.yaml or features.yaml, or remove 'label_transform'")),
            _ => Ok(values),
        };
    }
    if let Some(row) = values.iter().position(|value| *value != 0.0 && *value != 1.0) {
        return Err(Error::refused(format!(
            "{place} is {} in row {}, but classification takes 0 and 1",
            values[row],
            row + 1
        ))
        .hint("derive a label of two classes in features.yaml, or write 'task: regression'"));
    }
    let ones = values.iter().filter(|value| **value == 1.0).count();
    if ones == 0 || ones == values.len() {
        return Err(Error::refused(format!("{place} is {} in all {} rows", u8::from(ones > 0), values.len()))
            .hint("there is nothing to learn; look at the label's definition in features.yaml"));
    }
    Ok(values)
}

fn numbers(column: &Column, place: &str) -> Result<Vec<f64>> {
    let cast = column.strict_cast(&DataType::Float64).during(place)?;
    Ok(cast.f64().during(place)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// A column of times in microseconds since 1970.
fn times(rows: &DataFrame, name: &str, spec: &TrainSpec) -> Result<Vec<i64>> {
    let column = column(rows, name, spec)?;
    no_nulls(column, spec, "rows without a time belong to no part; drop them in features.yaml")?;
    let place = format!("table '{}': column '{name}'", spec.table);
    let to = match column.dtype() {
        DataType::Date => DataType::Datetime(TimeUnit::Microseconds, None),
        DataType::Datetime(_, zone) => DataType::Datetime(TimeUnit::Microseconds, zone.clone()),
        other => {
            return Err(Error::cannot_run(format!("{place} is {}, not date or datetime", type_name(other)))
                .hint("name another column as 'time', or split by group"));
        }
    };
    let micros = column.strict_cast(&to).during(&place)?.to_physical_repr();
    Ok(micros.i64().during(&place)?.iter().map(Option::unwrap_or_default).collect())
}

/// The part of every row, with times and label means in the summary.
pub(super) fn split(rows: &DataFrame, label: &[f64], horizon: Option<i64>, spec: &TrainSpec) -> Result<Split> {
    let time = spec.split.column.as_deref().filter(|_| spec.split.by == SplitBy::Time).or(spec.time.as_deref());
    let mut split = match spec.split.by {
        SplitBy::Time => {
            let name = time.unwrap_or_default();
            spec.split.by_time(&times(rows, name, spec)?, horizon, name)?
        }
        SplitBy::Group => {
            let name = spec.split.column.as_deref().unwrap_or(&spec.entity);
            let groups = column(rows, name, spec)?;
            no_nulls(groups, spec, "rows without a group belong to no part; drop them in features.yaml")?;
            let groups = groups.cast(&DataType::String).during(name)?;
            let groups = groups.str().during(name)?;
            spec.split.by_group(groups.iter().map(Option::unwrap_or_default), spec.seed, name)?
        }
        SplitBy::Random => spec.split.at_random(rows.height(), spec.seed)?,
    };
    if let (Some(time), true) = (time, spec.split.by != SplitBy::Time) {
        split.summary.describe_times(&split.parts, &times(rows, time, spec)?);
    }
    split.summary.describe_labels(&split.parts, label);
    if spec.split.by == SplitBy::Random {
        let entities = entities(rows, spec)?.iter().max().map_or(0, |last| *last as usize + 1);
        if entities < rows.height() {
            split.summary.notes.push(format!(
                "{} rows are about {entities} different '{}': chance puts rows of one into several parts, so the \
                 metrics flatter the model; split by time or group",
                rows.height(),
                spec.entity
            ));
        }
    }
    Ok(split)
}

/// Numbers each row's entity from 0, in order of appearance.
pub(super) fn entities(rows: &DataFrame, spec: &TrainSpec) -> Result<Vec<u32>> {
    let texts = column(rows, &spec.entity, spec)?.cast(&DataType::String).during(&spec.entity)?;
    let texts = texts.str().during(&spec.entity)?;
    let mut numbers: HashMap<Option<&str>, u32> = HashMap::new();
    Ok(texts
        .iter()
        .map(|text| {
            let next = numbers.len() as u32;
            *numbers.entry(text).or_insert(next)
        })
        .collect())
}

/// Cuts the table into its parts. Column by column, each freed as soon as it is cut, so that the table never
/// stands in memory twice; the matrices share the memory of the parts.
pub(super) fn cut(table: &Table<'_>, split: &Split, label: &[f64]) -> Result<Parts> {
    const PARTS: [Part; 3] = [Part::Train, Part::Valid, Part::Test];
    let spec = table.spec;
    let place = format!("table '{}'", spec.table);
    for excluded in spec.exclude.iter().flatten() {
        table.must_have(excluded)?;
    }
    let features: Vec<String> = table.names.iter().filter(|name| spec.is_feature(name)).cloned().collect();
    if features.is_empty() {
        return Err(Error::cannot_run(format!("{place}: no column is left to learn from"))
            .hint("shorten 'exclude', or add features in features.yaml"));
    }
    let masks = PARTS.map(|part| BooleanChunked::from_iter_values("".into(), split.parts.iter().map(|of| *of == part)));
    let mut columns: [Vec<Column>; 3] = Default::default();
    for name in &table.names {
        // In one piece, which the matrices can share; pieces would have to be copied together.
        let column = table.read(std::slice::from_ref(name))?.drop_in_place(name).during(&place)?.rechunk();
        for (number, (part, mask)) in columns.iter_mut().zip(&masks).enumerate() {
            // Of the test part everything is kept: a champion may need columns that the challenger does not.
            if PARTS[number] == Part::Test || spec.is_feature(name) {
                part.push(column.filter(mask).during(&place)?);
            }
        }
    }
    let heights = PARTS.map(|part| split.summary.rows(part) as usize);
    let [train, valid, test] = columns;
    let train = DataFrame::new(heights[0], train).during(&place)?;
    let valid = DataFrame::new(heights[1], valid).during(&place)?;
    let test = DataFrame::new(heights[2], test).during(&place)?;
    // Categories come from the train part alone: the others must not teach the model anything.
    let features = Feature::infer(&train, &features).context(&place)?;
    let of =
        |part: Part| split.parts.iter().zip(label).filter(|(of, _)| **of == part).map(|(_, label)| *label).collect();
    let part = |table: &DataFrame, part: Part| -> Result<PartRows> {
        Ok(PartRows { features: Matrix::from_frame(table, &features).context(&place)?, label: of(part) })
    };
    Ok(Parts {
        train: part(&train, Part::Train)?,
        valid: part(&valid, Part::Valid)?,
        test: part(&test, Part::Test)?,
        test_rows: test,
    })
}
