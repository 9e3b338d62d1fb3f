//! Predictions of earlier runs, each with what happened, as far as that is known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use artifact::PolarsResultExt;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use polars::prelude::{AnyValue, Column, DataFrame, DataType, Expr, NULL, TimeUnit, col, lit};
use score::metrics::{Metric, Scored};
use score::{Manifest, Task};
use spec::text::number;
use spec::{Error, Result, did_you_mean};

use crate::answers::ROW_IS_KNOWN;
use crate::performance::CardFigures;

/// The first of the keys that `performance` and `estimate` share whose value is out of its range, with the way out.
pub(crate) fn fault(max_worse: f64, weeks: u32, min_rows: u32) -> Option<Error> {
    let wrong = |key: &str, found: String, wanted: &str| {
        Some(Error::cannot_run(format!("found {found}, expected {wanted}")).at(key))
    };
    if !(max_worse >= 0.0 && max_worse.is_finite()) {
        return wrong("max_worse", number(max_worse), "a number from 0");
    }
    if weeks == 0 || weeks > 5000 {
        return wrong("weeks", weeks.to_string(), "a whole number from 1 to 5000");
    }
    (min_rows == 0).then(|| wrong("min_rows", "0".to_owned(), "a whole number from 1"))?
}

/// The names of the columns by which predictions and outcomes belong together.
#[derive(Clone, Debug)]
pub struct Keys {
    pub entity: String,
    /// None if a row is one of its entity alone.
    pub time: Option<String>,
    pub label: String,
    /// The column of outcomes that says how much a row counts in metrics; none if all count the same.
    pub weight: Option<String>,
    /// Columns of predictions that say which of several about one row each is, such as the cutoff of a forecast.
    pub carried: Vec<String>,
}

impl Keys {
    /// Those of a version, with the columns that predictions carry besides.
    pub fn of(manifest: &Manifest, mut carried: Vec<String>) -> Keys {
        let keys = Keys {
            entity: manifest.entity.clone(),
            time: manifest.time.clone(),
            label: manifest.label.clone(),
            weight: manifest.weight.clone().filter(|_| manifest.weighted_metrics),
            carried: Vec::new(),
        };
        carried.retain(|name| !keys.shared().contains(&name.as_str()));
        Keys { carried, ..keys }
    }

    /// The columns that predictions and outcomes share.
    pub fn shared(&self) -> Vec<&str> {
        [Some(self.entity.as_str()), self.time.as_deref()].into_iter().flatten().collect()
    }
}

/// The columns that hold what a model says of a row: its score or, of several classes, the probability of each class that any
/// of the versions knows.
pub fn score_columns(task: Task, card_figures: &BTreeMap<String, CardFigures>) -> Vec<String> {
    if task != Task::Multiclass {
        return vec!["score".to_owned()];
    }
    let classes: BTreeSet<&String> = card_figures.values().flat_map(|card_figures| &card_figures.classes).collect();
    classes.into_iter().map(|class| probability_column(class)).collect()
}

fn probability_column(class: &str) -> String {
    format!("probability_{class}")
}

/// The metric by which `task` is judged unless the file names one.
pub(crate) fn usual_metric(task: Task) -> Metric {
    match task {
        Task::Regression => Metric::Mae,
        Task::Classification => Metric::Auc,
        Task::Multiclass => Metric::LogLoss,
    }
}

/// A prediction and what happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub version: String,
    pub entity: u32,
    /// The time that the row describes, in microseconds; without one that of the prediction.
    pub time: i64,
    /// The Monday of its week.
    pub week: NaiveDate,
    /// Empty where the outcome is not known.
    pub segments: Vec<Option<String>>,
    /// Of several classes the number of the class in the version's order; classes that the version does not know have the
    /// numbers after its own.
    pub label: Option<f64>,
    /// How much the row counts.
    pub weight: f64,
    /// One score; of several classes the probability of each that the version knows.
    pub scores: Vec<f64>,
}

impl Outcome {
    /// Whether it turned out to be of a class that the version does not know.
    pub fn is_of_unknown_class(&self, task: Task) -> bool {
        task == Task::Multiclass && self.label.is_some_and(|label| label >= self.scores.len() as f64)
    }
}

/// Whether a line of a report can fail, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    Yes,
    /// There is nothing to compare the value with.
    NoFigure,
    /// The metric has no value, such as the AUC of rows of one class.
    Undefined,
    TooFewRows,
    /// The version no longer answers.
    Replaced,
}

impl Judged {
    pub(crate) fn of(has_enough_rows: bool, is_compared: bool, has_value: bool) -> Judged {
        match (has_enough_rows, is_compared, has_value) {
            (false, ..) => Judged::TooFewRows,
            (true, true, _) => Judged::Yes,
            (true, false, true) => Judged::NoFigure,
            (true, false, false) => Judged::Undefined,
        }
    }

    /// Why none of these lines can fail; `None` if one of them can. `rows`: what they count, such as `outcomes`.
    pub(crate) fn why_none(lines: impl Iterator<Item = Judged>, metric: Metric, rows: &str) -> Option<String> {
        Some(match lines.min().unwrap_or(Judged::Replaced) {
            Judged::Yes => return None,
            Judged::NoFigure => {
                format!("the version in production has no {metric} on its test part to be compared with")
            }
            Judged::Undefined => format!("{metric} is undefined for the {rows} of the version in production"),
            Judged::TooFewRows => format!("too few {rows} of the version in production to judge by"),
            Judged::Replaced => format!("there are no {rows} of the version in production yet"),
        })
    }
}

/// The rows, whose labels are known, as metrics take them. A class that happened but that the version does not know counts as
/// one to which it gave the probability 0.
pub(crate) fn scored(task: Task, rows: &[&Outcome], is_weighted: bool, place: &str) -> Result<Scored> {
    let mut labels: Vec<f64> = rows.iter().filter_map(|row| row.label).collect();
    let scores: Vec<f64> = match task {
        Task::Multiclass => {
            let known = rows.first().map_or(0, |row| row.scores.len());
            let is_unknown = |label: &&f64| **label >= known as f64;
            let mut unknown: Vec<f64> = labels.iter().filter(is_unknown).copied().collect();
            unknown.sort_by(f64::total_cmp);
            unknown.dedup();
            for label in &mut labels {
                if let Some(at) = unknown.iter().position(|other| other == label) {
                    *label = (known + at) as f64;
                }
            }
            let none = vec![0.0; unknown.len()];
            rows.iter().flat_map(|row| row.scores.iter().chain(&none).copied()).collect()
        }
        _ => rows.iter().flat_map(|row| row.scores.iter().copied()).collect(),
    };
    let weights: Option<Vec<f64>> = is_weighted.then(|| rows.iter().map(|row| row.weight).collect());
    Ok(Scored::new(task, labels, scores, place)?.with_weights(weights.as_deref()))
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Label {
    Number(f64),
    /// The number of its name in [`Labels::names`].
    Class(usize),
}

/// The labels of a table, row by row.
struct Labels {
    of_rows: Vec<Option<Label>>,
    /// The names of classes that occur.
    names: Vec<String>,
}

/// What is known of a row whose outcome is known.
struct Known {
    label: Label,
    weight: f64,
    segments: Vec<Option<String>>,
}

/// All that is known of rows by their keys, and the names of the classes that occurred.
#[derive(Default)]
struct AllKnown {
    rows: HashMap<Vec<String>, Known>,
    names: Vec<String>,
}

/// For whom predictions and outcomes are joined.
#[derive(Clone, Copy)]
pub(crate) struct JoinSettings<'a> {
    /// The key in monitor.yaml, which errors name.
    pub key: &'static str,
    pub task: Task,
    /// The table that holds the labels.
    pub labels: &'a str,
    pub segments: &'a [String],
    /// By version.
    pub card_figures: &'a BTreeMap<String, CardFigures>,
}

/// Joins predictions with outcomes. `predictions`: the keys, the [`score_columns`], `model_version` and `scored_at`, of all
/// runs; the last one about a row counts, for each version and all that is carried. `outcomes`: the keys, the label, the weight and the segments; of
/// several lines about a row the first counts. A prediction whose row is not known ([`ROW_IS_KNOWN`]) has no outcome. Predictions of several classes of a version whose classes are not known are
/// left out.
pub(crate) fn join(
    settings: JoinSettings<'_>,
    keys: &Keys,
    predictions: &DataFrame,
    outcomes: Option<&DataFrame>,
) -> Result<Vec<Outcome>> {
    let doing = settings.key;
    let names: Vec<&String> = [Some(&keys.entity), keys.time.as_ref()].into_iter().flatten().collect();
    let known = match outcomes {
        Some(outcomes) => known_of(settings, keys, &names, predictions, outcomes)?,
        None => AllKnown::default(),
    };
    let scores = Scores::of(settings, predictions)?;
    let versions = predictions.column("model_version").during(doing)?.str().during(doing)?.clone();
    let scored_at = micros_of(doing, predictions.column("scored_at").during(doing)?)?;
    let times = match &keys.time {
        Some(time) => micros_of(doing, predictions.column(time).during(doing)?)?,
        None => scored_at.clone(),
    };
    let texts = |name: &String| -> Result<Option<Vec<Option<String>>>> {
        match keys.carried.contains(name) {
            true => texts_of(doing, predictions.column(name).during(doing)?).map(Some),
            false => Ok(None),
        }
    };
    let is_known = predictions.column(ROW_IS_KNOWN).ok().and_then(|known| known.bool().ok());
    let carried = keys.carried.iter().filter_map(|name| texts(name).transpose()).collect::<Result<Vec<_>>>()?;
    // What a prediction says of itself, such as how far ahead it looks, is no matter of the row that it is about.
    let own_segments = settings.segments.iter().map(texts).collect::<Result<Vec<_>>>()?;
    let mut entities: HashMap<String, u32> = HashMap::new();
    let mut newest: BTreeMap<(String, Vec<String>), (i64, Outcome)> = BTreeMap::new();
    for row in 0..predictions.height() {
        let Some(key) = key_of(doing, predictions, &names, row)? else { continue };
        let Some(version) = versions.get(row) else { continue };
        let Some(scores) = scores.at(version, row) else { continue };
        let (Some(at), Some(time)) = (scored_at[row], times[row]) else { continue };
        let next = entities.len() as u32;
        let entity = *entities.entry(key[0].clone()).or_insert(next);
        let Some(week) = monday_of(time) else { continue };
        let is_known = is_known.is_none_or(|known| known.get(row) == Some(true));
        let found = known.rows.get(&key).filter(|_| is_known);
        let mut of_row = found.map(|found| found.segments.clone()).unwrap_or_default().into_iter();
        let segments = own_segments.iter().map(|own| match own {
            Some(own) => own[row].clone(),
            None => of_row.next().flatten(),
        });
        let segments = if found.is_some() { segments.collect() } else { Vec::new() };
        let label = found.map(|found| number_of(found.label, &known.names, settings.card_figures.get(version)));
        let weight = found.map_or(1.0, |found| found.weight);
        let outcome = Outcome { version: version.to_owned(), entity, time, week, segments, label, weight, scores };
        let key = key.into_iter().chain(carried.iter().map(|column| column[row].clone().unwrap_or_default())).collect();
        let of_row = newest.entry((version.to_owned(), key)).or_insert_with(|| (at, outcome.clone()));
        if at > of_row.0 {
            *of_row = (at, outcome);
        }
    }
    Ok(newest.into_values().map(|(_, outcome)| outcome).collect())
}

/// The label as [`Outcome::label`] has it.
fn number_of(label: Label, names: &[String], card_figures: Option<&CardFigures>) -> f64 {
    match label {
        Label::Number(number) => number,
        Label::Class(name) => {
            let classes = card_figures.map(|card_figures| card_figures.classes.as_slice()).unwrap_or_default();
            let known = classes.iter().position(|class| *class == names[name]);
            known.unwrap_or(classes.len() + name) as f64
        }
    }
}

/// What the versions say of the rows of a table of predictions.
struct Scores<'a> {
    columns: Vec<Vec<Option<f64>>>,
    /// Of several classes the columns of each version, in the order of its classes.
    of_version: Option<HashMap<&'a str, Vec<usize>>>,
}

impl<'a> Scores<'a> {
    fn of(settings: JoinSettings<'a>, predictions: &DataFrame) -> Result<Scores<'a>> {
        let doing = settings.key;
        let names = score_columns(settings.task, settings.card_figures);
        let numbers = |name: &String| numbers_of(doing, predictions.column(name).during(doing)?);
        let columns = names.iter().map(numbers).collect::<Result<_>>()?;
        let place = |class: &String| names.iter().position(|name| *name == probability_column(class));
        let of_version = |(version, card_figures): (&'a String, &'a CardFigures)| {
            let places: Option<Vec<usize>> = card_figures.classes.iter().map(place).collect();
            Some((version.as_str(), places.filter(|places| !places.is_empty())?))
        };
        let of_version =
            (settings.task == Task::Multiclass).then(|| settings.card_figures.iter().filter_map(of_version).collect());
        Ok(Scores { columns, of_version })
    }

    /// What `version` says of a row; `None` if a part of it is missing.
    fn at(&self, version: &str, row: usize) -> Option<Vec<f64>> {
        match &self.of_version {
            None => self.columns.iter().map(|column| column[row]).collect(),
            Some(of_version) => of_version.get(version)?.iter().map(|column| self.columns[*column][row]).collect(),
        }
    }
}

/// What happened, by the key of the row.
fn known_of(
    settings: JoinSettings<'_>,
    keys: &Keys,
    names: &[&String],
    predictions: &DataFrame,
    outcomes: &DataFrame,
) -> Result<AllKnown> {
    let doing = settings.key;
    for name in names {
        let (ours, theirs) = (predictions.column(name).during(doing)?, outcomes.column(name).during(doing)?);
        if ours.dtype() != theirs.dtype() {
            let (ours, theirs) = artifact::type_names(ours.dtype(), theirs.dtype());
            return Err(Error::cannot_run(format!(
                "{doing}: column '{name}' is {ours} in the predictions, but {theirs} in the labels"
            ))
            .hint("predictions from before the change cannot be judged: move them out of the folder of predict"));
        }
    }
    let labels = labels_of(settings, outcomes.column(&keys.label).during(doing)?)?;
    let weights = weights_of(doing, keys, outcomes)?;
    let segment = |name: &String| -> Result<Vec<Option<String>>> {
        let column = outcomes.column(name).map_err(|_| {
            let known: Vec<&str> = outcomes.get_column_names().into_iter().map(|name| name.as_str()).collect();
            Error::cannot_run(format!("{doing}.segments: no column '{name}' in table '{}'", settings.labels))
                .hint(did_you_mean(name, known))
        })?;
        texts_of(doing, column)
    };
    let segments: Vec<Vec<Option<String>>> =
        settings.segments.iter().filter(|name| !keys.carried.contains(name)).map(segment).collect::<Result<_>>()?;
    let mut rows = HashMap::new();
    for row in 0..outcomes.height() {
        let (Some(key), Some(label)) = (key_of(doing, outcomes, names, row)?, labels.of_rows[row]) else { continue };
        let Some(weight) = weights.as_ref().map_or(Some(1.0), |weights| weights[row]) else { continue };
        let of_row = || Known { label, weight, segments: segments.iter().map(|values| values[row].clone()).collect() };
        rows.entry(key).or_insert_with(of_row);
    }
    Ok(AllKnown { rows, names: labels.names })
}

/// The labels as `train` reads them: numbers, or of several classes names.
fn labels_of(settings: JoinSettings<'_>, column: &Column) -> Result<Labels> {
    let doing = settings.key;
    if settings.task != Task::Multiclass {
        let of_rows = numbers_of(doing, column)?.into_iter().map(|number| number.map(Label::Number)).collect();
        return Ok(Labels { of_rows, names: Vec::new() });
    }
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut label = |text: Option<String>| {
        let text = text?;
        let place = places.entry(text.clone()).or_insert_with(|| {
            names.push(text);
            names.len() - 1
        });
        Some(Label::Class(*place))
    };
    let of_rows = class_names(doing, column)?.into_iter().map(&mut label).collect();
    Ok(Labels { of_rows, names })
}

/// The names of the classes in a column, as `train` names them.
///
/// # Errors
/// Cannot run: a column that holds neither texts, whole numbers nor booleans.
pub fn class_names(doing: &str, column: &Column) -> Result<Vec<Option<String>>> {
    let dtype = column.dtype();
    let is_text = matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..));
    if !(is_text || dtype.is_integer() || dtype.is_bool()) {
        return Err(Error::cannot_run(format!(
            "{doing}: column '{}' is {}, expected texts, whole numbers or booleans",
            column.name(),
            artifact::type_name(dtype)
        )));
    }
    let texts = column.cast(&DataType::String).during(doing)?;
    Ok(texts.str().during(doing)?.iter().map(|text| text.map(str::to_owned)).collect())
}

/// How much each row counts; `None`: all the same.
fn weights_of(doing: &str, keys: &Keys, outcomes: &DataFrame) -> Result<Option<Vec<Option<f64>>>> {
    let Some(name) = &keys.weight else { return Ok(None) };
    let weights = numbers_of(doing, outcomes.column(name).during(doing)?)?;
    let is_wrong = |weight: &f64| !(weight.is_finite() && *weight >= 0.0);
    match weights.iter().flatten().find(|weight| is_wrong(weight)) {
        None => Ok(Some(weights)),
        Some(wrong) => Err(Error::cannot_run(format!("{doing}: a weight in column '{name}' is {}", number(*wrong)))
            .hint("weights are finite and not negative: look at the column in clean.yaml or features.yaml")),
    }
}

/// The values of a column as text.
fn texts_of(doing: &str, column: &Column) -> Result<Vec<Option<String>>> {
    let texts = column.cast(&DataType::String).during(doing)?;
    Ok(texts.str().during(doing)?.iter().map(|text| text.map(str::to_owned)).collect())
}

/// Only the newest weeks: those up to `weeks` before the newest of them.
pub(crate) fn newest_weeks(rows: &mut Vec<Outcome>, weeks: u32) {
    if let Some(newest) = rows.iter().map(|outcome| outcome.week).max() {
        let oldest = newest - TimeDelta::weeks(i64::from(weeks) - 1);
        rows.retain(|outcome| outcome.week >= oldest);
    }
}

pub(crate) fn grouped<'a, K: Ord>(
    rows: impl Iterator<Item = &'a Outcome>,
    key: impl Fn(&'a Outcome) -> K,
) -> BTreeMap<K, Vec<&'a Outcome>> {
    let mut groups: BTreeMap<K, Vec<&Outcome>> = BTreeMap::new();
    rows.for_each(|row| groups.entry(key(row)).or_default().push(row));
    groups
}

/// The number of each row's entity, from 0 without gaps.
pub(crate) fn entities_of(rows: &[&Outcome]) -> Vec<u32> {
    let mut numbers: HashMap<u32, u32> = HashMap::new();
    rows.iter()
        .map(|row| {
            let next = numbers.len() as u32;
            *numbers.entry(row.entity).or_insert(next)
        })
        .collect()
}

/// The columns of all files that have all `required` ones, one file after the other; `None` if no file does. Of the numbers
/// `optional`, those that a file does not have are null.
///
/// # Errors
/// A file that cannot be read.
pub fn together(files: &[PathBuf], required: &[&str], optional: &[String]) -> Result<Option<DataFrame>> {
    let mut all: Option<DataFrame> = None;
    for file in files {
        let doing = file.display().to_string();
        let mut plan = artifact::scan_files(&[file])?;
        let schema = plan.collect_schema().during(&doing)?;
        // From an earlier spec with other keys, so it cannot be joined.
        if !required.iter().all(|name| schema.contains(name)) {
            continue;
        }
        let number = |name: &String| match schema.contains(name) {
            true => col(name.as_str()).cast(DataType::Float64),
            false => lit(NULL).cast(DataType::Float64).alias(name.as_str()),
        };
        let columns: Vec<Expr> = required.iter().map(|name| col(*name)).chain(optional.iter().map(number)).collect();
        let rows = artifact::collect(plan.select(columns), &doing)?;
        match &mut all {
            None => all = Some(rows),
            Some(all) if all.schema() == rows.schema() => {
                all.vstack_mut(&rows).during(&doing)?;
            }
            // Likewise of other types.
            Some(_) => {}
        }
    }
    Ok(all)
}

/// The key of a row; none if a part of it is null.
fn key_of(doing: &str, table: &DataFrame, names: &[&String], row: usize) -> Result<Option<Vec<String>>> {
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let value = table.column(name).during(doing)?.get(row).during(doing)?;
        // A table of one row gives values that it owns.
        match value.as_borrowed() {
            AnyValue::Null => return Ok(None),
            AnyValue::String(text) => key.push(text.to_owned()),
            other => key.push(other.to_string()),
        }
    }
    Ok(Some(key))
}

/// Numbers, or 0 and 1 for booleans.
fn numbers_of(doing: &str, column: &Column) -> Result<Vec<Option<f64>>> {
    let name = column.name();
    let dtype = column.dtype();
    if !(dtype.is_primitive_numeric() || dtype.is_decimal() || dtype.is_bool()) {
        return Err(Error::cannot_run(format!(
            "{doing}: column '{name}' is {}, expected numbers or booleans",
            artifact::type_name(column.dtype())
        )));
    }
    let numbers = column.cast(&DataType::Float64).during(format!("column '{name}'"))?;
    Ok(numbers.f64().during(doing)?.iter().collect())
}

/// Microseconds since 1970 of dates and timestamps.
fn micros_of(doing: &str, column: &Column) -> Result<Vec<Option<i64>>> {
    let name = column.name();
    if !matches!(column.dtype(), DataType::Date | DataType::Datetime(..)) {
        return Err(Error::cannot_run(format!(
            "{doing}: column '{name}' is {}, expected dates or timestamps",
            artifact::type_name(column.dtype())
        )));
    }
    let micros = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during(format!("column '{name}'"))?;
    let micros = micros.to_physical_repr();
    Ok(micros.i64().during(doing)?.iter().collect())
}

fn monday_of(micros: i64) -> Option<NaiveDate> {
    let day = DateTime::from_timestamp_micros(micros)?.date_naive();
    day.checked_sub_signed(TimeDelta::days(i64::from(day.weekday().num_days_from_monday())))
}
