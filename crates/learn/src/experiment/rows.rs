//! Columns of the feature table as plain numbers, and the table cut into its parts.

use std::collections::HashMap;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Expr, IdxCa, IdxSize, IntoColumn, LazyFrame, NamedFrom, Series,
    TimeUnit, col,
};
use spec::{Error, Result, ResultExt, did_you_mean};

use super::own_texts;
use super::row_numbers::{self, Places};
use super::targets::Targets;
use super::{Known, TrainSpec, columns, sample};
use crate::random::renumbered;
use crate::split::folds;
use crate::{Data, Feature, LabelKnown, Matrix, Part, Split, SplitBy, Task};
use score::calendar::DAY;

/// How many first rows tell of most columns what they are not.
const GLANCE: u32 = 1000;

/// A part as learners take it.
#[derive(Clone)]
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

/// The three parts.
pub(super) struct Parts {
    /// With folds all rows before the test part.
    pub train: PartRows,
    /// With folds no rows.
    pub valid: PartRows,
    /// Rows of the validation part that steer searches; without a search, and with folds, none.
    pub steering: PartRows,
    pub test: PartRows,
}

impl Parts {
    /// The rows that may stop a fit early: where there is a search, those that steer it.
    pub fn stopping(&self) -> &PartRows {
        match self.steering.label.is_empty() {
            true => &self.valid,
            false => &self.steering,
        }
    }
}

/// The table of features on disk.
pub(super) struct Table<'a> {
    frame: LazyFrame,
    names: Vec<String>,
    /// The columns that are learned from.
    features: Vec<String>,
    /// Columns that are not learned from although they are not excluded, in words.
    notes: Vec<String>,
    /// The column with the time at which a row's label is known.
    label_known_at: Option<String>,
    /// The rows that were drawn; `None`: all.
    drawn: Option<BooleanChunked>,
    spec: &'a TrainSpec,
}

impl<'a> Table<'a> {
    pub(super) fn new(mut frame: LazyFrame, known: &Known, spec: &'a TrainSpec) -> Result<Table<'a>> {
        let schema = frame.collect_schema().during(format!("table '{}'", spec.table))?;
        let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
        let mut features = columns::features(spec, &names, known)?;
        let label_known_at = known.label_known_at(spec).map(str::to_owned);
        let (none, notes) = (Vec::new(), Vec::new());
        let mut table = Table { frame, names, features: none, notes, label_known_at, drawn: None, spec };
        let (mut counting, mut own_texts) = (Vec::new(), Vec::new());
        // The features stage makes features only; among the columns of clean, one may count the rows, or name them.
        if known.definitions.as_ref().is_none_or(|made| !made.of_features) {
            let of_type = |is: fn(&DataType) -> bool| {
                let candidates = features.iter().filter(|name| schema.get(name).is_some_and(is));
                candidates.cloned().collect::<Vec<String>>()
            };
            counting = table.row_numbers(of_type(row_numbers::may_count))?;
            own_texts = table.own_texts(of_type(own_texts::holds_texts))?;
        }
        let naming = [counting.as_slice(), &own_texts].concat();
        columns::check_included(spec, &naming, known)?;
        features.retain(|name| !naming.contains(name) || spec.include.contains(name));
        let left_out = |names: Vec<String>| names.into_iter().filter(|name| !features.contains(name));
        table.notes = left_out(counting).map(|name| columns::row_number_note(&name)).collect();
        table.notes.extend(left_out(own_texts).map(|name| columns::own_text_note(&name)));
        if features.is_empty() {
            return Err(Error::cannot_run(format!(
                "table '{}': no column but row numbers and texts of single rows is left to learn from",
                spec.table
            ))
            .hint("shorten 'exclude', or name them under 'include'"));
        }
        table.features = features;
        table.draw()?;
        Ok(table)
    }

    /// Chooses the rows, where there are more than wanted.
    fn draw(&mut self) -> Result<()> {
        let spec = self.spec;
        let Some(most) = spec.max_rows else { return Ok(()) };
        self.must_have(&spec.entity)?;
        let entities = self.read(std::slice::from_ref(&spec.entity))?;
        self.drawn = sample::drawn(column(&entities, &spec.entity, spec)?, most, spec.seed)?;
        if let Some(drawn) = &self.drawn {
            let (kept, all) = (drawn.sum().unwrap_or(0), drawn.len());
            self.notes.push(format!(
                "learned from and judged by {kept} of {all} rows: of whole '{}', drawn by chance (max_rows: {most})",
                spec.entity
            ));
        }
        Ok(())
    }

    /// All rows of the table, of which `read` were read, and how many of them were not drawn.
    pub(super) fn rows(&self, read: usize) -> (u64, u64) {
        let all = self.drawn.as_ref().map_or(read, |drawn| drawn.len());
        (all as u64, (all - read) as u64)
    }

    /// The numbers that rows have in the whole table. `rows`: whether each row that was drawn is wanted.
    pub(super) fn numbers(&self, rows: impl Iterator<Item = bool>) -> Vec<u32> {
        let wanted = |(number, is_wanted): (u32, bool)| is_wanted.then_some(number);
        match &self.drawn {
            None => (0..).zip(rows).filter_map(wanted).collect(),
            Some(drawn) => {
                let numbers =
                    (0..).zip(drawn.iter()).filter(|(_, drawn)| *drawn == Some(true)).map(|(number, _)| number);
                numbers.zip(rows).filter_map(wanted).collect()
            }
        }
    }

    /// Columns that are not learned from although they are not excluded, in words.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The columns that identify and divide the rows: label, entity, time, what the split goes by, and weight.
    pub(super) fn keys(&self) -> Result<DataFrame> {
        self.read(&self.key_names()?)
    }

    fn key_names(&self) -> Result<Vec<String>> {
        let spec = self.spec;
        let by = spec.split.column.as_ref().filter(|_| spec.split.by != SplitBy::Random);
        let mut keys: Vec<String> = Vec::new();
        let known_at = self.label_known_at.as_ref().filter(|_| spec.split.by == SplitBy::Time);
        let all = [Some(&spec.label), Some(&spec.entity), spec.time.as_ref(), by, known_at, spec.weight.as_ref()];
        for name in all.into_iter().flatten() {
            self.must_have(name)?;
            if !keys.contains(name) {
                keys.push(name.clone());
            }
        }
        Ok(keys)
    }

    /// The rows of each part, column by column: each is freed before the next is read.
    fn cut<const N: usize>(
        &self,
        names: &[String],
        parts: &[IdxCa; N],
        mut take: impl FnMut([Column; N]) -> Result<()>,
    ) -> Result<()> {
        let place = format!("table '{}'", self.spec.table);
        for name in names {
            // In one piece, which the matrices can share; pieces would have to be copied together.
            let column = self.read(std::slice::from_ref(name))?.drop_in_place(name).during(&place)?.rechunk();
            let mut pieces = Vec::with_capacity(N);
            for rows in parts {
                // A copy. To filter successive rows would give a view, which keeps the memory of all.
                pieces.push(column.take(rows).during(&place)?);
            }
            drop(column);
            take(pieces.try_into().expect("one for each part")).context(&place)?;
        }
        Ok(())
    }

    /// Columns of the rows that were drawn.
    fn read(&self, names: &[String]) -> Result<DataFrame> {
        let Some(drawn) = &self.drawn else { return self.read_of(self.frame.clone(), names) };
        let place = format!("table '{}'", self.spec.table);
        let mut columns = Vec::new();
        // One by one: the whole table may not fit into memory.
        for name in names {
            let column = self.read_of(self.frame.clone(), std::slice::from_ref(name))?;
            columns.extend(column.filter(drawn).during(&place)?.into_columns());
        }
        DataFrame::new(drawn.sum().unwrap_or(0) as usize, columns).during(&place)
    }

    fn read_of(&self, frame: LazyFrame, names: &[String]) -> Result<DataFrame> {
        let columns: Vec<Expr> = names.iter().map(|name| col(name.as_str())).collect();
        artifact::collect(frame.select(columns), &format!("table '{}'", self.spec.table))
    }

    /// Those of the columns `names` that count the rows. A look at the first rows avoids reading most other columns completely.
    fn row_numbers(&self, mut names: Vec<String>) -> Result<Vec<String>> {
        let traced = Places::columns(&self.names);
        for frame in [self.frame.clone().limit(GLANCE), self.frame.clone()] {
            if names.is_empty() {
                break;
            }
            let mut count = None;
            let places = match traced.is_empty() {
                true => None,
                false => Some(self.read_of(frame.clone(), &traced)?),
            };
            let mut counting = Vec::new();
            for name in names {
                let column = self.read_of(frame.clone(), std::slice::from_ref(&name))?.columns()[0].clone();
                if count.is_none() {
                    let rows = column.len();
                    count = Some(Places::of(places.as_ref().unwrap_or(&DataFrame::empty()), rows)?);
                }
                if count.as_ref().is_some_and(|places| row_numbers::counts_rows(&column, places)) {
                    counting.push(name);
                }
            }
            names = counting;
        }
        Ok(names)
    }

    /// Those of the columns `names` that have a text of their own in most rows. Here too a look at the first rows is enough for most.
    fn own_texts(&self, mut names: Vec<String>) -> Result<Vec<String>> {
        for frame in [self.frame.clone().limit(GLANCE), self.frame.clone()] {
            let mut own = Vec::new();
            for name in names {
                let column = self.read_of(frame.clone(), std::slice::from_ref(&name))?;
                if own_texts::are_mostly_single(&column.columns()[0])? {
                    own.push(name);
                }
            }
            names = own;
        }
        Ok(names)
    }

    pub(super) fn must_have(&self, name: &str) -> Result<()> {
        match self.names.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(no_column(name, self.names.iter().map(String::as_str), self.spec)),
        }
    }
}

fn no_column<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, spec: &TrainSpec) -> Error {
    Error::cannot_run(format!("table '{}': no column '{name}'", spec.table)).hint(did_you_mean(name, known))
}

pub(super) fn column<'a>(rows: &'a DataFrame, name: &str, spec: &TrainSpec) -> Result<&'a Column> {
    let known = rows.get_column_names();
    rows.column(name).map_err(|_| no_column(name, known.iter().map(|name| name.as_str()), spec))
}

pub(super) fn no_nulls(column: &Column, spec: &TrainSpec, hint: &str) -> Result<()> {
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

/// When the labels are known: by the column of these times, else as long after the rows as the table's evidence has it.
pub(super) fn label_known(rows: &DataFrame, table: &Table<'_>, known: &Known) -> Result<LabelKnown> {
    let by_time = table.spec.split.by == SplitBy::Time;
    Ok(match table.label_known_at.as_ref().filter(|_| by_time) {
        None if !known.label_known_after.is_empty() => LabelKnown::Later(known.label_known_after.clone()),
        None => LabelKnown::After(known.horizon_days.unwrap_or(0)),
        Some(column) => {
            let way_out = "rows whose label is not known yet teach nothing; drop them in clean.yaml or features.yaml";
            let mut moments = times(rows, column, table.spec, way_out)?;
            if is_day(rows, column)? && !time_name(table.spec).map_or(Ok(true), |time| is_day(rows, time))? {
                // As in features.yaml: among timestamps a day says that it was known when the day was over.
                moments.iter_mut().for_each(|moment| *moment = moment.saturating_add(DAY));
            }
            LabelKnown::At { column: column.clone(), moments }
        }
    })
}

fn is_day(rows: &DataFrame, name: &str) -> Result<bool> {
    Ok(rows.column(name).during(name)?.dtype() == &DataType::Date)
}

/// The column of times that a split goes by, or that rows have.
fn time_name(spec: &TrainSpec) -> Option<&str> {
    spec.split.column.as_deref().filter(|_| spec.split.by == SplitBy::Time).or(spec.time.as_deref())
}

/// What to do about rows without a time.
pub(super) const NO_TIME: &str = "rows without a time belong to no part; drop them in clean.yaml or features.yaml";

/// A column of times in microseconds since 1970.
pub(super) fn times(rows: &DataFrame, name: &str, spec: &TrainSpec, without: &str) -> Result<Vec<i64>> {
    let column = column(rows, name, spec)?;
    no_nulls(column, spec, without)?;
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

/// The part of every row, with times and label means in the summary; with folds where the spec has them.
pub(super) fn split(rows: &DataFrame, label: &[f64], known: &LabelKnown, spec: &TrainSpec) -> Result<Split> {
    let time = time_name(spec);
    let classes = spec.task.has_classes().then_some(label);
    let of = |values: &[f64], rows: &[usize]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    let mut split = match spec.split.by {
        SplitBy::Time => {
            let name = time.unwrap_or_default();
            spec.split.by_time(&times(rows, name, spec, NO_TIME)?, known, name, spec.folds)?
        }
        SplitBy::Group => {
            let name = spec.split.column.as_deref().unwrap_or(&spec.entity);
            let groups = column(rows, name, spec)?;
            no_nulls(groups, spec, "rows without a group belong to no part; drop them in clean.yaml or features.yaml")?;
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
        split.summary.describe_times(&split.parts, &times(rows, time, spec, NO_TIME)?);
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

/// Columns of one part on their way into its matrix.
struct Encoded {
    columns: Vec<Matrix>,
    rows: usize,
}

impl Encoded {
    fn of(rows: &IdxCa) -> Encoded {
        Encoded { columns: Vec::new(), rows: rows.len() }
    }

    /// Adds a column: as narrow as its numbers allow, so that the column itself can go.
    fn narrow(&mut self, column: Column, feature: &Feature) -> Result<()> {
        self.columns.push(Matrix::from_frame(&alone(column), std::slice::from_ref(feature))?.narrowed());
        Ok(())
    }

    fn matrix(self) -> Result<Matrix> {
        Matrix::beside(self.columns, self.rows)
    }
}

fn alone(column: Column) -> DataFrame {
    DataFrame::new(column.len(), vec![column]).expect("one column")
}

/// What a column of the rows to learn from is: categories come from these alone, for the others must not teach the model
/// anything.
fn feature_of(column: &Column) -> Result<Feature> {
    let name = column.name().to_string();
    let mut features = Feature::infer(&alone(column.clone()), &[name])?;
    Ok(features.remove(0))
}

/// Cuts the table into its parts. Column by column, each freed as soon as it is cut, so that the table is never in memory
/// twice. Only the matrices stay, in narrow columns: see [`test_rows`].
pub(super) fn cut(table: &Table<'_>, split: &Split, targets: &Targets) -> Result<Parts> {
    let place = format!("table '{}'", table.spec.table);
    let is = |row: usize, part: Part, steers: bool| {
        split.parts[row] == part && (part != Part::Valid || split.steers(row) == steers)
    };
    let rows = 0..split.parts.len();
    const PARTS: [(Part, bool); 4] =
        [(Part::Train, false), (Part::Valid, false), (Part::Test, false), (Part::Valid, true)];
    let numbers = PARTS.map(|(part, steers)| numbers(rows.clone().map(|row| is(row, part, steers))));
    let mut encoded = numbers.each_ref().map(Encoded::of);
    table.cut(&table.features, &numbers, |pieces| {
        let feature = feature_of(&pieces[0])?;
        encoded.iter_mut().zip(pieces).try_for_each(|(encoded, piece)| encoded.narrow(piece, &feature))
    })?;
    let mut encoded = encoded.into_iter().zip(PARTS);
    let mut next = || -> Result<PartRows> {
        let (encoded, (part, steers)) = encoded.next().expect("one for each part");
        let features = encoded.matrix().context(&place)?;
        let rows = match part {
            Part::Test => targets.test_rows(features, split, table.spec),
            _ => targets.rows(features, rows.clone().map(|row| is(row, part, steers))),
        };
        rows.context(format!("{place}: {} part", part.name()))
    };
    Ok(Parts { train: next()?, valid: next()?, test: next()?, steering: next()? })
}

/// The test part with all columns of the table, since a champion may need columns that the challenger does not. Read once
/// the models have learned: they are not needed before, and take the most memory.
pub(super) fn test_rows(table: &Table<'_>, split: &Split) -> Result<DataFrame> {
    let numbers = [numbers(split.parts.iter().map(|part| *part == Part::Test))];
    let mut columns = Vec::with_capacity(table.names.len());
    table.cut(&table.names, &numbers, |[column]| {
        columns.push(column);
        Ok(())
    })?;
    DataFrame::new(numbers[0].len(), columns).during(format!("table '{}'", table.spec.table))
}

/// The rows before the test part, and the test part as a model that learns from these rows knows it.
pub(super) fn cut_before_test(table: &Table<'_>, split: &Split, targets: &Targets) -> Result<(PartRows, PartRows)> {
    let place = format!("table '{}'", table.spec.table);
    let is_test = split.parts.iter().map(|part| *part == Part::Test);
    let numbers = [numbers(split.before_test.iter().copied()), numbers(is_test)];
    let [mut rows, mut test] = numbers.each_ref().map(Encoded::of);
    table.cut(&table.features, &numbers, |[before, after]| {
        let feature = feature_of(&before)?;
        rows.narrow(before, &feature)?;
        test.narrow(after, &feature)
    })?;
    let test = test.matrix().context(&place)?;
    let rows = rows.matrix().context(&place)?;
    let rows = targets.rows(rows, split.before_test.iter().copied()).context(&place)?;
    Ok((rows, targets.test_rows(test, split, table.spec).context(&place)?))
}

/// The numbers of the rows that are wanted.
fn numbers(wanted: impl Iterator<Item = bool>) -> IdxCa {
    let numbers = (0..).zip(wanted).filter_map(|(number, is_wanted): (IdxSize, bool)| is_wanted.then_some(number));
    IdxCa::from_vec("".into(), numbers.collect())
}

/// Which row was used for what: its file and number where the table has them, label, entity, time and what the split goes
/// by; `part`; `fold`, the number of the fold that it validated (with folds); `steering`, whether it judged the trials of
/// searches only (with a search); and `learned`, whether the model of the
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
    if !split.steering.is_empty() {
        add("steering", Series::new("".into(), split.steering.clone()));
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
