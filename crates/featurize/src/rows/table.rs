//! From the computed rows to the training and the scoring table.

use std::sync::Arc;

use artifact::{Batch, Batches, Books, Fate, PolarsResultExt};
use chrono::NaiveDate;
use polars::prelude::{BooleanChunked, DataFrame, IntoLazy, LazyFrame, NewChunkedArray, SchemaRef, Series};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Span};

use super::compute::{Tables, compute, counted, times_of};
use super::dictionary;
use super::plan::{Open, RowsPlan};
use super::spec::{RowSpec, Score};
use crate::cutoffs::table::FeatureSet;
use crate::days::{Stretch, Timed};
use crate::eval::{evaluated, holds};
use crate::known::{Known, LAST_DAY, NEVER, known};
use values::form::plain;

/// Rows per batch.
const BATCH: usize = 1 << 17;

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Training,
    Scoring,
    /// It meets neither `score` nor `rows`; later rows see it.
    NoExample,
    /// It would be learned from, but its label is null.
    NoLabel,
    /// It would be learned from, but its label may still change.
    TooYoung,
}

/// From when to when the own rows are, but for those that lie alone in time.
pub fn stretch(plan: &RowsPlan, own: &LazyFrame, today: NaiveDate) -> Result<Stretch> {
    let timed = Timed {
        table: &plan.table,
        time: &plan.time,
        clock: plan.clock,
        key: plan.key.as_deref(),
        so: match plan.label_known {
            Some(_) => "which labels are known is derived without it",
            None => "it is an example like any other",
        },
    };
    timed.stretch(own, today)
}

/// The label of each row, and what becomes of it.
pub struct Parted {
    pub label: Series,
    /// From when on each label is known, where that is a column of the training table.
    label_known: Option<Series>,
    pub parts: Vec<Part>,
}

/// Parts the rows. `last` is the last day of the table.
pub fn parted(plan: &RowsPlan, own: &DataFrame, last: NaiveDate) -> Result<Parted> {
    let place = format!("label '{}'", plan.label);
    let label = plain(evaluated(own, &plan.label_sql, &plan.label, &place)?, &place)?;
    let every = || vec![true; own.height()];
    let times = times_of(own, &plan.time, plan.clock)?;
    let label_known = plan.label_known.as_ref().map(|how| known(how, own, &times, plan.clock)).transpose()?;
    let now = plan.clock.moved_day(last, Span::days(1), true)?;
    let final_by_now: Vec<bool> = match (&plan.label_known, &label_known) {
        (Some(Known::At(_)), Some(known)) => known.iter().map(|known| *known < now).collect(),
        (_, Some(known)) => known.iter().map(|known| *known <= now).collect(),
        (_, None) => every(),
    };
    let known: Vec<bool> = label.is_not_null().iter().map(|known| known == Some(true)).collect();
    let score = match &plan.score {
        None => known.iter().zip(&final_by_now).map(|(known, is_final)| !known || !is_final).collect(),
        Some(Score::Where(condition)) => holds(own, condition, "'score'")?,
        Some(Score::From(day)) => {
            let from = plan.clock.start(*day);
            times.iter().map(|time| *time >= from).collect()
        }
    };
    let rows = plan.rows.as_ref().map_or_else(|| Ok(every()), |condition| holds(own, condition, "'rows'"))?;
    let part = |row: usize| match (score[row], rows[row], known[row]) {
        (true, ..) => Part::Scoring,
        (false, false, _) => Part::NoExample,
        (false, true, false) => Part::NoLabel,
        (false, true, true) if !final_by_now[row] => Part::TooYoung,
        (false, true, true) => Part::Training,
    };
    let parts = (0..own.height()).map(part).collect();
    let label_known = label_known_at(plan, own, &times, label_known)?;
    Ok(Parted { label, label_known, parts })
}

/// The first time as of which each label is known: nothing that a column names is known before the time after.
fn label_known_at(plan: &RowsPlan, own: &DataFrame, times: &[i64], label: Option<Vec<i64>>) -> Result<Option<Series>> {
    let Some(name) = &plan.label_known_at else { return Ok(None) };
    let rows = plan.known.rows.as_ref().map(|how| known(how, own, times, plan.clock)).transpose()?;
    // Nanoseconds do not reach that far.
    let day = i64::from(LAST_DAY.to_epoch_days());
    let at_last = day.checked_mul(plan.clock.per_day()).map_or(i64::MAX, |midnight| plan.clock.first(midnight));
    let after = |known: i64| if known == NEVER { at_last } else { known.saturating_add(1) };
    let is_column = matches!(plan.label_known, Some(Known::At(_)));
    let first = |row: usize| {
        let label = label.as_ref().map_or(times[row], |known| if is_column { after(known[row]) } else { known[row] });
        rows.as_ref().map_or(label, |known| label.max(after(known[row]))).min(at_last)
    };
    counted((0..times.len()).map(first).collect(), &plan.time_type, name).map(Some)
}

/// Computes both tables.
pub fn build(spec: &RowSpec, open: Open, today: NaiveDate) -> Result<FeatureSet> {
    let plan = RowsPlan::new(spec, open)?;
    let (tables, untimed) = Tables::read(&plan, open)?;
    let stretch = stretch(&plan, &tables.own.clone().lazy(), today)?;
    let parted = parted(&plan, &tables.own, stretch.last)?;
    let mut counted = Counted::of(&parted, untimed);
    // Before anything is computed in vain.
    let books = counted.books(&plan)?;
    let frame = compute(&plan, &tables)?;
    let training = chosen(&plan, &frame, &parted, Part::Training)?;
    let scoring = chosen(&plan, &frame, &parted, Part::Scoring)?;
    counted.spans = [dictionary::span(&plan, &training)?, dictionary::span(&plan, &scoring)?];
    let with_schema = |table: DataFrame| {
        let schema = table.schema().clone();
        (batches(table), schema)
    };
    Ok(set(spec, plan, stretch, counted, books, (with_schema(training), with_schema(scoring))))
}

/// The tables with all that is said of them.
pub fn set(
    spec: &RowSpec,
    plan: RowsPlan,
    stretch: Stretch,
    counted: Counted,
    books: Books,
    ((training, training_schema), (scoring, scoring_schema)): ((Batches, SchemaRef), (Batches, SchemaRef)),
) -> FeatureSet {
    let rows = (counted.training, counted.scoring);
    let [of_training, of_scoring] = counted.spans.map(|span| dictionary::days(&plan, span));
    let dictionary = dictionary::write(spec, &plan, &training_schema, rows, (of_training, of_scoring));
    FeatureSet {
        training_schema,
        scoring_schema,
        training,
        scoring,
        training_rows: counted.training,
        scoring_rows: counted.scoring,
        books,
        dictionary,
        label_known_at: plan.label_known_at,
        changes_on: stretch.changes_on,
        changes_at: None,
        warnings: stretch.warnings,
    }
}

/// What became of how many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub training: u64,
    pub scoring: u64,
    pub no_label: u64,
    pub too_young: u64,
    pub no_example: u64,
    pub untimed: u64,
    /// The first and the last time of the training and of the scoring rows, as the plan's clock counts them.
    pub spans: [Option<(i64, i64)>; 2],
}

impl Counted {
    /// What became of the rows, without the spans of their times.
    pub fn of(parted: &Parted, untimed: u64) -> Counted {
        let count = |part: Part| parted.parts.iter().filter(|other| **other == part).count() as u64;
        Counted {
            training: count(Part::Training),
            scoring: count(Part::Scoring),
            no_label: count(Part::NoLabel),
            too_young: count(Part::TooYoung),
            no_example: count(Part::NoExample),
            untimed,
            spans: [None; 2],
        }
    }

    /// The sum of two parts.
    pub fn and(self, other: &Counted) -> Counted {
        let both = |one: Option<(i64, i64)>, other: Option<(i64, i64)>| match (one, other) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (one, other) => one.or(other),
        };
        Counted {
            training: self.training + other.training,
            scoring: self.scoring + other.scoring,
            no_label: self.no_label + other.no_label,
            too_young: self.too_young + other.too_young,
            no_example: self.no_example + other.no_example,
            untimed: self.untimed + other.untimed,
            spans: [both(self.spans[0], other.spans[0]), both(self.spans[1], other.spans[1])],
        }
    }

    /// Errors (refused): no row to learn from.
    pub fn books(&self, plan: &RowsPlan) -> Result<Books> {
        let Counted { training, scoring, no_label, too_young, no_example, untimed, .. } = *self;
        if training == 0 {
            return Err(Error::refused(format!(
                "table '{}': no row to learn from; {scoring} are scored, {no_label} have no label, {too_young} are too young \
                 for it, {no_example} do not meet 'rows', {untimed} have no time",
                plan.table
            ))
            .hint("see 'rows', 'score' and 'label'"));
        }
        let rows_in = training + scoring + no_label + too_young + no_example + untimed;
        let mut books = Books { rows_in, ..Books::default() };
        let rule = format!("became {training} training and {scoring} scoring rows");
        books.add(&rule, Fate::Used, training + scoring);
        books.add("no time", Fate::Dropped, untimed);
        books.add("no label", Fate::Dropped, no_label);
        books.add("too young for its label", Fate::Dropped, too_young);
        books.add("no example: seen by later rows only", Fate::Dropped, no_example);
        books.balance(&plan.table)?;
        Ok(books)
    }
}

/// Key, time, features, label (of training rows) and where the row came from, of the rows of one part in the order of the
/// table.
pub fn chosen(plan: &RowsPlan, frame: &DataFrame, parted: &Parted, part: Part) -> Result<DataFrame> {
    let doing = "features";
    let mut names: Vec<&str> = plan.key.iter().map(String::as_str).chain([plan.time.as_str()]).collect();
    names.extend(plan.features.iter().map(|(name, _)| name.as_str()));
    let mut table = frame.select(names.iter().copied()).during(doing)?;
    if part == Part::Training {
        table.with_column(parted.label.clone().with_name(plan.label.as_str().into()).into()).during(doing)?;
        if let Some(known) = &parted.label_known {
            table.with_column(known.clone().into()).during(doing)?;
        }
    }
    for name in [artifact::FILE, artifact::ROW] {
        if let Ok(column) = frame.column(name) {
            table.with_column(column.clone()).during(doing)?;
        }
    }
    let mask: Vec<bool> = parted.parts.iter().map(|other| *other == part).collect();
    table.filter(&BooleanChunked::from_slice("".into(), &mask)).during(doing)
}

fn batches(table: DataFrame) -> Batches {
    let table = Arc::new(table);
    let starts: Vec<usize> = (0..table.height()).step_by(BATCH).collect();
    Box::new(starts.into_iter().map(move |from| Ok(Batch::from(table.slice(from as i64, BATCH)))))
}
