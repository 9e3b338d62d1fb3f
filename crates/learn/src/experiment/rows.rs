//! Columns of the feature table as plain numbers, and the table cut into its parts.

use std::collections::{HashMap, HashSet};

use artifact::{Definitions, PolarsResultExt, type_name};
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Expr, IntoColumn, LazyFrame, NamedFrom, NewChunkedArray, Series,
    TimeUnit, col,
};
use spec::{Error, Result, ResultExt, did_you_mean};

use super::{TrainSpec, columns};
use crate::split::folds;
use crate::{Data, Feature, LabelTransform, Matrix, Part, Split, SplitBy, Task};

/// A part as learners take it.
pub(super) struct PartRows {
    pub features: Matrix,
    pub label: Vec<f64>,
}

impl PartRows {
    pub fn data(&self) -> Data<'_> {
        Data { features: &self.features, label: &self.label }
    }

    /// Some of its rows. A copy.
    pub fn take(&self, rows: &[usize]) -> PartRows {
        PartRows { features: self.features.take(rows), label: rows.iter().map(|row| self.label[*row]).collect() }
    }
}

/// What the table says of every row beside its features.
pub(super) struct Told {
    pub label: Vec<f64>,
    /// The names of the classes, where there are several: the label is the number of one of them.
    pub classes: Option<Vec<String>>,
    /// How much each row counts; `None`: all the same.
    pub weights: Option<Vec<f64>>,
}

impl Told {
    /// `features` of the rows that are `wanted` with their labels and weights.
    fn rows(&self, features: Matrix, wanted: impl Iterator<Item = bool> + Clone) -> Result<PartRows> {
        let of = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(wanted.clone()).filter(|(_, wanted)| *wanted).map(|(value, _)| *value).collect()
        };
        let features = match &self.weights {
            Some(weights) => features.with_weights(&of(weights))?,
            None => features,
        };
        Ok(PartRows { features, label: of(&self.label) })
    }

    /// The same of rows from which nobody learns: they count once each.
    fn judging_rows(&self, features: Matrix, wanted: impl Iterator<Item = bool>) -> PartRows {
        let label = self.label.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(label, _)| *label);
        PartRows { features, label: label.collect() }
    }
}

/// The three parts, and the test part with all its columns.
pub(super) struct Parts {
    /// With folds all rows before the test part.
    pub train: PartRows,
    /// With folds no rows.
    pub valid: PartRows,
    pub test: PartRows,
    pub test_rows: DataFrame,
}

/// The table of features on disk.
pub(super) struct Table<'a> {
    frame: LazyFrame,
    names: Vec<String>,
    /// The columns that are learned from.
    features: Vec<String>,
    /// Columns that are not learned from though nobody excluded them, in words.
    notes: Vec<String>,
    spec: &'a TrainSpec,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        mut frame: LazyFrame,
        definitions: Option<&Definitions>,
        spec: &'a TrainSpec,
    ) -> Result<Table<'a>> {
        let schema = frame.collect_schema().during(format!("table '{}'", spec.table))?;
        let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
        let mut features = columns::features(spec, &names, definitions)?;
        let mut table = Table { frame, names, features: Vec::new(), notes: Vec::new(), spec };
        let mut row_numbers = Vec::new();
        // The features stage makes features only; among the columns of clean, one may count the rows.
        if definitions.is_none_or(|made| !made.of_features) {
            for name in features.iter().filter(|name| schema.get(name).is_some_and(DataType::is_integer)) {
                let column = table.read(std::slice::from_ref(name))?;
                if columns::counts_rows(&column.columns()[0]) {
                    row_numbers.push(name.clone());
                }
            }
        }
        columns::check_included(spec, &row_numbers, definitions)?;
        features.retain(|name| !row_numbers.contains(name) || spec.include.contains(name));
        let left_out = row_numbers.iter().filter(|name| !features.contains(name));
        table.notes = left_out.map(|name| columns::row_number_note(name)).collect();
        if features.is_empty() {
            return Err(Error::cannot_run(format!(
                "table '{}': no column but row numbers is left to learn from",
                spec.table
            ))
            .hint("shorten 'exclude', or name them under 'include'"));
        }
        table.features = features;
        Ok(table)
    }

    /// Columns that are not learned from though nobody excluded them, in words.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The columns that say which row is what: label, entity, time, what the split goes by, and weight.
    pub(super) fn keys(&self) -> Result<DataFrame> {
        self.read(&self.key_names()?)
    }

    fn key_names(&self) -> Result<Vec<String>> {
        let spec = self.spec;
        let by = spec.split.column.as_ref().filter(|_| spec.split.by != SplitBy::Random);
        let mut keys: Vec<String> = Vec::new();
        let all = [Some(&spec.label), Some(&spec.entity), spec.time.as_ref(), by, spec.weight.as_ref()];
        for name in all.into_iter().flatten() {
            self.must_have(name)?;
            if !keys.contains(name) {
                keys.push(name.clone());
            }
        }
        Ok(keys)
    }

    /// The rows of each mask, of the columns that `wanted` (of its name and the mask's number) keeps.
    fn cut<const N: usize>(
        &self,
        masks: &[BooleanChunked; N],
        wanted: impl Fn(&String, usize) -> bool,
    ) -> Result<[DataFrame; N]> {
        let place = format!("table '{}'", self.spec.table);
        let mut columns: [Vec<Column>; N] = std::array::from_fn(|_| Vec::new());
        for name in &self.names {
            if (0..N).all(|number| !wanted(name, number)) {
                continue;
            }
            // In one piece, which the matrices can share; pieces would have to be copied together.
            let column = self.read(std::slice::from_ref(name))?.drop_in_place(name).during(&place)?.rechunk();
            for (number, (part, mask)) in columns.iter_mut().zip(masks).enumerate() {
                if wanted(name, number) {
                    part.push(column.filter(mask).during(&place)?);
                }
            }
        }
        let mut cut: [DataFrame; N] = std::array::from_fn(|_| DataFrame::empty());
        for (frame, (columns, mask)) in cut.iter_mut().zip(columns.into_iter().zip(masks)) {
            *frame = DataFrame::new(mask.sum().unwrap_or(0) as usize, columns).during(&place)?;
        }
        Ok(cut)
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
        let (wanted, hint) = match spec.task {
            Task::Classification => (
                "true/false or 1/0",
                "derive such a label in features.yaml, or write 'task: multiclass' if it has more than two classes",
            ),
            _ => ("numbers", "derive such a label in features.yaml"),
        };
        return Err(Error::refused(format!("{place} is {}, not {wanted}", type_name(column.dtype()))).hint(hint));
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
        .hint(
            "derive a label of two classes in features.yaml, or write 'task: multiclass' for more of them, or 'task: \
             regression' for numbers",
        ));
    }
    let ones = values.iter().filter(|value| **value == 1.0).count();
    if ones == 0 || ones == values.len() {
        return Err(Error::refused(format!("{place} is {} in all {} rows", u8::from(ones > 0), values.len()))
            .hint("there is nothing to learn; look at the label's definition in features.yaml"));
    }
    Ok(values)
}

/// Most classes: more are names of things.
const MAX_CLASSES: usize = 100;

/// The number of each row's class, and the names of all classes in order of their numbers: texts in theirs, numbers in
/// that of their values.
pub(super) fn several_classes(rows: &DataFrame, spec: &TrainSpec) -> Result<(Vec<f64>, Vec<String>)> {
    let column = column(rows, &spec.label, spec)?;
    let place = format!("table '{}': label '{}'", spec.table, spec.label);
    no_nulls(column, spec, "drop these rows in features.yaml, or choose a label that is always known")?;
    let texts = matches!(column.dtype(), DataType::String | DataType::Categorical(..) | DataType::Enum(..));
    if !(texts || column.dtype().is_integer() || column.dtype().is_bool()) {
        return Err(Error::refused(format!("{place} is {}, not texts or whole numbers", type_name(column.dtype())))
            .hint("derive such a label in features.yaml, or write 'task: regression'"));
    }
    let cast = column.cast(&DataType::String).during(&place)?;
    let values: Vec<&str> = cast.str().during(&place)?.iter().map(Option::unwrap_or_default).collect();
    let mut names: Vec<&str> = values.iter().copied().collect::<HashSet<&str>>().into_iter().collect();
    match texts {
        true => names.sort_unstable(),
        false => names.sort_unstable_by_key(|name| name.parse::<i128>().unwrap_or_default()),
    }
    match names.len() {
        1 => Err(Error::refused(format!("{place} is {} in all {} rows", names[0], values.len()))
            .hint("there is nothing to learn; look at the label's definition in features.yaml")),
        2 => Err(Error::refused(format!("{place} has two classes only, '{}' and '{}'", names[0], names[1]))
            .hint("derive a label of true and false in features.yaml and write 'task: classification'")),
        many if many > MAX_CLASSES => Err(Error::refused(format!(
            "{place} has {many} distinct values, more than the {MAX_CLASSES} that can be classes"
        ))
        .hint("group its values, or write 'task: regression' for numbers")),
        _ => {
            let numbers: HashMap<&str, f64> = names.iter().enumerate().map(|(at, name)| (*name, at as f64)).collect();
            let label = values.iter().map(|value| numbers[value]).collect();
            Ok((label, names.into_iter().map(str::to_owned).collect()))
        }
    }
}

/// Refuses a split that leaves the train part, or what teaches a fold, without a class.
pub(super) fn every_class_teaches(split: &Split, label: &[f64], names: &[String], spec: &TrainSpec) -> Result<()> {
    let lacks = |rows: &mut dyn Iterator<Item = usize>| {
        let mut there = vec![false; names.len()];
        rows.for_each(|row| there[label[row] as usize] = true);
        there.iter().position(|there| !there)
    };
    let train = split.rows_of(Part::Train);
    let missing = |class: usize, place: &str| {
        Error::refused(format!(
            "table '{}': label '{}': no row of class '{}' is in {place}",
            spec.table, spec.label, names[class]
        ))
        .hint("bring more rows of this class, join it with another one, or change 'split'")
    };
    if let Some(class) = lacks(&mut train.iter().copied()) {
        return Err(missing(class, "the train part"));
    }
    for (number, fold) in split.folds.iter().enumerate() {
        if let Some(class) = lacks(&mut fold.train.iter().map(|at| train[*at])) {
            return Err(missing(class, &format!("what teaches fold {}", number + 1)));
        }
    }
    Ok(())
}

/// How much each row counts; `None`: all the same.
pub(super) fn weights(rows: &DataFrame, spec: &TrainSpec) -> Result<Option<Vec<f64>>> {
    let Some(name) = &spec.weight else { return Ok(None) };
    let column = column(rows, name, spec)?;
    let place = format!("table '{}': weight '{name}'", spec.table);
    no_nulls(column, spec, "say how much these rows count in features.yaml, 0 for not at all")?;
    if !(column.dtype().is_primitive_numeric() || matches!(column.dtype(), DataType::Decimal(..))) {
        return Err(Error::refused(format!("{place} is {}, not numbers", type_name(column.dtype())))
            .hint("name a column of numbers"));
    }
    let values = numbers(column, &place)?;
    if let Some(row) = values.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
        return Err(Error::refused(format!("{place} is {} in row {}", values[row], row + 1))
            .hint("weights are finite numbers from 0"));
    }
    Ok(Some(values))
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

/// The part of every row, with times and label means in the summary; with folds where the spec asks for them.
pub(super) fn split(rows: &DataFrame, label: &[f64], horizon: Option<i64>, spec: &TrainSpec) -> Result<Split> {
    let time = spec.split.column.as_deref().filter(|_| spec.split.by == SplitBy::Time).or(spec.time.as_deref());
    let classes = spec.task.has_classes().then_some(label);
    let of = |values: &[f64], rows: &[usize]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    let mut split = match spec.split.by {
        SplitBy::Time => {
            let name = time.unwrap_or_default();
            spec.split.by_time(&times(rows, name, spec)?, horizon, name, spec.folds)?
        }
        SplitBy::Group => {
            let name = spec.split.column.as_deref().unwrap_or(&spec.entity);
            let groups = column(rows, name, spec)?;
            no_nulls(groups, spec, "rows without a group belong to no part; drop them in features.yaml")?;
            let texts = groups.cast(&DataType::String).during(name)?;
            let texts = texts.str().during(name)?;
            let split = spec.split.by_group(texts.iter().map(Option::unwrap_or_default), spec.seed, name)?;
            match spec.folds {
                None => split,
                Some(count) => {
                    let groups = numbered(texts.iter());
                    let how = match classes {
                        Some(_) => "of whole groups, each class spread as evenly as they can",
                        None => "of whole groups",
                    };
                    split.fold_by(how, |train| {
                        let groups = renumbered(&groups, train);
                        let classes = classes.map(|classes| of(classes, train));
                        folds::by_group(&groups, classes.as_deref(), count, spec.seed)
                    })?
                }
            }
        }
        SplitBy::Random => {
            let classes = classes.filter(|_| spec.stratifies());
            let split = spec.split.at_random(rows.height(), classes, spec.seed)?;
            match spec.folds {
                None => split,
                Some(count) => {
                    let how = if classes.is_some() { "at random, each class divided equally" } else { "at random" };
                    split.fold_by(how, |train| {
                        let classes = classes.map(|classes| of(classes, train));
                        folds::by_chance(train.len(), classes.as_deref(), count, spec.seed)
                    })?
                }
            }
        }
    };
    if let (Some(time), true) = (time, spec.split.by != SplitBy::Time) {
        split.summary.describe_times(&split.parts, &times(rows, time, spec)?);
    }
    if spec.task != Task::Multiclass {
        split.summary.describe_labels(&split.parts, label);
    }
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
    Ok(numbered(texts.iter()))
}

fn numbered<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Vec<u32> {
    let mut numbers: HashMap<Option<&str>, u32> = HashMap::new();
    texts
        .map(|text| {
            let next = numbers.len() as u32;
            *numbers.entry(text).or_insert(next)
        })
        .collect()
}

/// The numbers of some rows, from 0 without gaps in order of appearance.
pub(super) fn renumbered(numbers: &[u32], rows: &[usize]) -> Vec<u32> {
    let mut known: HashMap<u32, u32> = HashMap::new();
    rows.iter()
        .map(|row| {
            let next = known.len() as u32;
            *known.entry(numbers[*row]).or_insert(next)
        })
        .collect()
}

/// Cuts the table into its parts. Column by column, each freed as soon as it is cut, so that the table never
/// stands in memory twice; the matrices share the memory of the parts.
pub(super) fn cut(table: &Table<'_>, split: &Split, told: &Told) -> Result<Parts> {
    const PARTS: [Part; 3] = [Part::Train, Part::Valid, Part::Test];
    let place = format!("table '{}'", table.spec.table);
    let names = &table.features;
    let masks = PARTS.map(|part| mask(split.parts.iter().map(|of| *of == part)));
    // Of the test part everything is kept: a champion may need columns that the challenger does not.
    let [train, valid, test] = table.cut(&masks, |name, number| number == 2 || names.contains(name))?;
    // Categories come from the train part alone: the others must not teach the model anything.
    let features = Feature::infer(&train, names).context(&place)?;
    let part = |rows: &DataFrame, part: Part| -> Result<PartRows> {
        let features = Matrix::from_frame(rows, &features).context(&place)?;
        let wanted = split.parts.iter().map(|of| *of == part);
        match part {
            Part::Test => Ok(told.judging_rows(features, wanted)),
            _ => told.rows(features, wanted).context(format!("{place}: {} part", part.name())),
        }
    };
    Ok(Parts {
        train: part(&train, Part::Train)?,
        valid: part(&valid, Part::Valid)?,
        test: part(&test, Part::Test)?,
        test_rows: test,
    })
}

/// The rows before the test part, and the features of `test_rows` as a model that learns from these rows knows them.
pub(super) fn cut_before_test(
    table: &Table<'_>,
    split: &Split,
    told: &Told,
    test_rows: &DataFrame,
) -> Result<(PartRows, Matrix)> {
    let place = format!("table '{}'", table.spec.table);
    let names = &table.features;
    let [rows] = table.cut(&[mask(split.before_test.iter().copied())], |name, _| names.contains(name))?;
    let features = Feature::infer(&rows, names).context(&place)?;
    let test = Matrix::from_frame(test_rows, &features).context(&place)?;
    let rows = Matrix::from_frame(&rows, &features).context(&place)?;
    Ok((told.rows(rows, split.before_test.iter().copied()).context(&place)?, test))
}

fn mask(rows: impl Iterator<Item = bool>) -> BooleanChunked {
    BooleanChunked::from_iter_values("".into(), rows)
}

/// Which row was used for what: its file and number where the table has them, label, entity, time and what the split goes
/// by; `part`; `fold`, the number of the fold that it validated (with folds); and `learned`, whether the model of the
/// version has learned from it. One line per row of the table, in its order.
pub(super) fn assignment(table: &Table<'_>, split: &Split, refit: bool) -> Result<DataFrame> {
    let traced =
        [artifact::FILE, artifact::ROW].into_iter().filter(|name| table.names.iter().any(|known| known == name));
    let mut names: Vec<String> = traced.map(str::to_owned).collect();
    names.extend(table.key_names()?);
    let keys = table.read(&names)?;
    let mut columns = keys.columns().to_vec();
    let mut add = |name: &str, series: Series| {
        let name = free_name(name, columns.iter().map(|column| column.name().as_str()));
        columns.push(series.with_name(name.as_str().into()).into_column());
    };
    let parts: Vec<&str> = split.parts.iter().map(|part| part.name()).collect();
    add("part", Series::new("".into(), parts));
    if !split.folds.is_empty() {
        add("fold", Series::new("".into(), split.fold_numbers()));
    }
    let learned: Vec<bool> = match refit {
        true => split.before_test.clone(),
        false => split.parts.iter().map(|part| *part == Part::Train).collect(),
    };
    add("learned", Series::new("".into(), learned));
    DataFrame::new(keys.height(), columns).during("parts")
}

/// `name`, with `_` at its end as often as a column of the table has that name.
pub(crate) fn free_name<'a>(name: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut free = name.to_owned();
    while taken.clone().any(|taken| taken == free) {
        free.push('_');
    }
    free
}
