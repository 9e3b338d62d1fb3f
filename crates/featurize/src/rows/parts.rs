//! Features of rows, computed in parts: one round for each grouping of earlier rows, in which each part has all rows of its groups.
//! Rows go from round to round with the features that they have by then; the last round computes the rest. Other tables are read
//! whole by every part. The driver settles from when to when the rows are, and puts the parts together in the order of the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use artifact::{Batches, Books, PolarsResultExt};
use chrono::NaiveDate;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, Expr, IntoLazy, LazyFrame, NewChunkedArray, Schema, SchemaRef, col,
};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::compute::{Ready, RowQuery, Tables, times_of};
use super::dictionary;
use super::grouping::Groupings;
use super::plan::{How, Open, RowsPlan};
use super::spec::RowSpec;
use super::table::{Counted, Part, Parted, chosen, parted, set, stretch};
use crate::cutoffs::table::FeatureSet;
use crate::days::Stretch;
use crate::interner::buckets;

/// The column by which rows go to the parts of the next round.
pub const BUCKET: &str = "_feature_bucket";

/// Begins the names of features between rounds: one may be called like a column of the table.
const FEATURE: &str = "_feature_of_";

/// What is computed in which round.
pub struct Schedule {
    plan: RowsPlan,
    rounds: Vec<Round>,
}

/// One round.
#[derive(Debug, PartialEq)]
struct Round {
    /// By which columns its rows come; empty: any parts will do.
    key: Vec<String>,
    /// The features that it computes, in the order of the plan.
    features: Vec<usize>,
    /// By which columns its rows leave.
    next: Vec<String>,
}

/// What the driver has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The last day of the table.
    pub last: NaiveDate,
}

/// What a round makes of a part.
pub enum Made {
    /// The rows for the next round, and how many were left out since they have no time.
    State(DataFrame, u64),
    /// The rows of the tables, with the column that says where they stand, and what was counted.
    Rows { training: DataFrame, scoring: DataFrame, counted: Counted },
}

impl Schedule {
    /// The rounds for a spec. No row is read.
    ///
    /// Errors (cannot run): as [`RowsPlan::new`]. The inner error says why the features cannot be computed in parts.
    pub fn new(spec: &RowSpec, open: Open) -> Result<std::result::Result<Schedule, String>> {
        let plan = RowsPlan::new(spec, open)?;
        let rounds = rounds(&plan);
        Ok(rounds.map(|rounds| Schedule { plan, rounds }))
    }

    pub fn count(&self) -> usize {
        self.rounds.len()
    }

    /// By which columns rows go to the parts of a round, from 0.
    pub fn key(&self, round: usize) -> Vec<String> {
        match round {
            0 => self.rounds[0].key.clone(),
            _ => vec![BUCKET.to_owned()],
        }
    }

    /// The columns of the table that are read.
    pub fn needs(&self) -> Vec<Expr> {
        self.plan.needs[&self.plan.table].iter().map(|name| col(name.as_str())).collect()
    }

    /// The other tables that parts read.
    pub fn others(&self) -> Vec<String> {
        self.plan.needs.keys().filter(|name| **name != self.plan.table).cloned().collect()
    }

    /// The columns of the rows that go into a round after the first. `own`: those of the table's rows, with their place.
    pub fn columns(&self, round: usize, own: &Schema, open: Open, place: Option<&str>) -> Result<Schema> {
        let before = match round.checked_sub(1) {
            None => return Ok(own.clone()),
            Some(0) => own.clone(),
            Some(before) => self.columns(before, own, open, place)?,
        };
        match self.carry(
            round - 1,
            DataFrame::empty_with_schema(&before),
            open,
            place,
            Settled { last: NaiveDate::MIN },
        )? {
            Made::State(state, _) => Ok(state.schema().as_ref().clone()),
            Made::Rows { .. } => Err(Error::cannot_run(format!("there is no round {}", round + 1))),
        }
    }

    /// Carries out a round over a part. `rows` are in the order of the table; `place` is the column that says where they stand, if that
    /// is not `_file` and `_row`.
    pub fn carry(
        &self,
        round: usize,
        rows: DataFrame,
        open: Open,
        place: Option<&str>,
        settled: Settled,
    ) -> Result<Made> {
        let (plan, doing) = (&self.plan, "features");
        let now = &self.rounds[round];
        let timed = rows.column(&plan.time).during(doing)?.is_not_null();
        let untimed = rows.height() as u64;
        let rows = rows.filter(&timed).during(doing)?;
        let untimed = untimed - rows.height() as u64;
        let needed = plan.needs[&plan.table].iter().map(String::as_str);
        let own = rows.select(needed.chain(place)).during(doing)?;
        let mut frame = own.clone();
        for column in rows.columns() {
            if let Some(name) = column.name().strip_prefix(FEATURE) {
                frame.with_column(column.clone().with_name(name.into())).during(doing)?;
            }
        }
        let wanted: BTreeSet<&str> =
            now.features.iter().flat_map(|feature| tables_of(&plan.features[*feature].1)).collect();
        let others = Tables::others(plan, open, |table| wanted.contains(table))?;
        let tables = Tables { own, others };
        let times: Arc<[i64]> = times_of(&frame, &plan.time, plan.clock)?.into();
        let mut groupings = Groupings::default();
        let mut computed: Vec<Column> = Vec::new();
        for (name, how) in now.features.iter().map(|feature| &plan.features[*feature]) {
            let place = format!("feature '{name}'");
            let ready = Ready::new(plan, &tables, (&frame, &times), how, &mut groupings, true, &place)?;
            let column = ready.ask(&RowQuery { rows: &frame, times: &times, are_all: true }, name, &place)?;
            computed.push(column.clone().with_name(format!("{FEATURE}{name}").into()).into());
            frame.with_column(column.into()).during(&place)?;
        }
        if round + 1 < self.rounds.len() {
            let mut state = rows;
            drop(state.drop_in_place(BUCKET));
            for column in computed {
                state.with_column(column).during(doing)?;
            }
            let by = now.next.iter().map(|name| frame.column(name).cloned()).collect::<Result<Vec<_>, _>>();
            let by = by.during(doing)?;
            state.with_column(Column::new(BUCKET.into(), buckets(&by)?)).during(doing)?;
            return Ok(Made::State(state, untimed));
        }
        let parted = parted(plan, &tables.own, settled.last)?;
        let mut counted = Counted::of(&parted, untimed);
        let training = self.placed(&frame, &parted, Part::Training, place)?;
        let scoring = self.placed(&frame, &parted, Part::Scoring, place)?;
        counted.spans = [dictionary::span(plan, &training)?, dictionary::span(plan, &scoring)?];
        Ok(Made::Rows { training, scoring, counted })
    }

    fn placed(&self, frame: &DataFrame, parted: &Parted, part: Part, place: Option<&str>) -> Result<DataFrame> {
        let mut rows = chosen(&self.plan, frame, parted, part)?;
        if let Some(place) = place {
            let mask: Vec<bool> = parted.parts.iter().map(|other| *other == part).collect();
            let mask = BooleanChunked::from_slice("".into(), &mask);
            let places = frame.column(place).and_then(|places| places.filter(&mask)).during("features")?;
            rows.with_column(places).during("features")?;
        }
        Ok(rows)
    }
}

/// The driver's part.
pub struct Whole<'a> {
    spec: &'a RowSpec,
    pub schedule: Schedule,
    stretch: Stretch,
    training_schema: SchemaRef,
    scoring_schema: SchemaRef,
}

impl<'a> Whole<'a> {
    /// Settles from when to when the rows are.
    ///
    /// Errors: as [`super::build`]. The inner error says why the features cannot be computed in parts.
    pub fn plan(spec: &'a RowSpec, open: Open, today: NaiveDate) -> Result<std::result::Result<Whole<'a>, String>> {
        let schedule = match Schedule::new(spec, open)? {
            Ok(schedule) => schedule,
            Err(why) => return Ok(Err(why)),
        };
        let plan = &schedule.plan;
        let own = open(&plan.table)?.select(schedule.needs()).filter(col(plan.time.as_str()).is_not_null());
        let stretch = stretch(plan, &own, today)?;
        let none = |table: &str| -> Result<LazyFrame> {
            let columns = open(table)?.collect_schema().during(table)?;
            Ok(DataFrame::empty_with_schema(&columns).lazy())
        };
        let (tables, _) = Tables::read(plan, &none)?;
        let frame = super::compute::compute(plan, &tables)?;
        let parted = parted(plan, &tables.own, stretch.last)?;
        let schema = |part| Ok(chosen(plan, &frame, &parted, part)?.schema().clone());
        let (training_schema, scoring_schema) = (schema(Part::Training)?, schema(Part::Scoring)?);
        Ok(Ok(Whole { spec, schedule, stretch, training_schema, scoring_schema }))
    }

    pub fn settled(&self) -> Settled {
        Settled { last: self.stretch.last }
    }

    /// The tables, from those of the parts in the order of the table and from what these counted. `untimed`: rows that earlier rounds
    /// left out since they have no time.
    ///
    /// Errors (refused): no row to learn from; books that do not balance.
    pub fn finish(self, parts: &[Counted], untimed: u64, training: Batches, scoring: Batches) -> Result<FeatureSet> {
        let Whole { spec, schedule, stretch, training_schema, scoring_schema } = self;
        let counted = parts.iter().fold(Counted { untimed, ..Counted::default() }, |all, part| all.and(part));
        let books: Books = counted.books(&schedule.plan)?;
        let tables = ((training, training_schema), (scoring, scoring_schema));
        Ok(set(spec, schedule.plan, stretch, counted, books, tables))
    }
}

/// The columns and features of its own row that a feature reads, and of earlier rows of the same table.
fn reads(how: &How) -> Vec<String> {
    let mut reads = Vec::new();
    match how {
        How::Sql { sql, .. } => reads.extend(sql.sql().columns()),
        How::Near(near) => reads.extend(near.at.iter().cloned()),
        How::ByKey(of) => reads.extend(of.on.iter().map(|(own, _)| own.clone())),
        How::Earlier(of) => {
            reads.extend(of.by.iter().map(|(own, _)| own.clone()));
            if of.from.is_none() {
                reads.extend([&of.of, &of.filter].into_iter().flatten().flat_map(|sql| sql.sql().columns()));
                reads.extend(of.known.moments().map(str::to_owned));
                reads.extend(of.known.columns.iter().map(|(column, _)| column.clone()));
                for (column, changes) in &of.known.changes {
                    reads.push(column.clone());
                    reads.extend(changes.pairs().into_iter().map(|(own, _)| own));
                }
            }
        }
    }
    reads
}

/// The other tables that a feature reads.
fn tables_of(how: &How) -> Vec<&str> {
    match how {
        How::Sql { .. } => Vec::new(),
        How::Near(near) => vec![&near.table],
        How::ByKey(of) => vec![&of.table],
        How::Earlier(of) => {
            let changes = of.known.changes.iter().map(|(_, changes)| changes.of.as_str());
            of.from.iter().map(|(table, _)| table.as_str()).chain(changes).collect()
        }
    }
}

/// The columns by which a feature groups earlier rows of its own table; none of features that look at no such rows.
fn groups(how: &How) -> Option<BTreeSet<&str>> {
    match how {
        How::Earlier(of) if of.from.is_none() => Some(of.by.iter().map(|(own, _)| own.as_str()).collect()),
        _ => None,
    }
}

/// Which features are computed in which round, or why that cannot be.
fn rounds(plan: &RowsPlan) -> std::result::Result<Vec<Round>, String> {
    let mut left: BTreeSet<usize> =
        (0..plan.features.len()).filter(|feature| groups(&plan.features[*feature].1).is_some()).collect();
    if let Some(feature) =
        left.iter().find(|feature| groups(&plan.features[**feature].1).is_some_and(|by| by.is_empty()))
    {
        return Err(format!("feature '{}' looks at all earlier rows", plan.features[*feature].0));
    }
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut rounds: Vec<Round> = Vec::new();
    while !left.is_empty() {
        let by = next_grouping(plan, &left, rounds.is_empty());
        let members: Vec<usize> = left
            .iter()
            .copied()
            .filter(|feature| groups(&plan.features[*feature].1).is_some_and(|groups| by.is_subset(&groups)))
            .collect();
        // The key has to be there before the round begins.
        let of_key: Vec<usize> = by.iter().filter_map(|name| feature_of(plan, name, usize::MAX)).collect();
        let of_key = with_needed(plan, of_key, &done, None)?;
        let key: Vec<String> = by.iter().map(|name| (*name).to_owned()).collect();
        match rounds.last_mut() {
            None if is_raw(plan, &by) => {}
            None => rounds.push(Round { key: Vec::new(), features: Vec::new(), next: Vec::new() }),
            Some(_) => {}
        }
        if let Some(before) = rounds.last_mut() {
            before.features.extend(of_key.iter().copied());
            before.features.sort_unstable();
            before.next.clone_from(&key);
            done.extend(of_key);
        }
        let features = with_needed(plan, members, &done, Some(&by))?;
        done.extend(features.iter().copied());
        left.retain(|feature| !done.contains(feature));
        rounds.push(Round { key, features, next: Vec::new() });
    }
    let rest: Vec<usize> = (0..plan.features.len()).filter(|feature| !done.contains(feature)).collect();
    match rounds.last_mut() {
        None => rounds.push(Round { key: Vec::new(), features: rest, next: Vec::new() }),
        Some(last) => {
            last.features.extend(rest);
            last.features.sort_unstable();
        }
    }
    Ok(rounds)
}

/// Of the groupings that are left one that is part of no other, by columns of the table if the first round can have one.
fn next_grouping<'a>(plan: &'a RowsPlan, left: &BTreeSet<usize>, is_first: bool) -> BTreeSet<&'a str> {
    let all: Vec<BTreeSet<&str>> = left.iter().filter_map(|feature| groups(&plan.features[*feature].1)).collect();
    let mut least = all.iter().filter(|by| !all.iter().any(|other| other.len() < by.len() && other.is_subset(by)));
    let first = least.clone().next();
    let raw = least.find(|by| is_first && is_raw(plan, by));
    raw.or(first).cloned().unwrap_or_default()
}

/// Whether all engines tell the values of these columns apart as we do: texts and whole numbers of the table.
fn is_raw(plan: &RowsPlan, by: &BTreeSet<&str>) -> bool {
    let is_plain = |name: &str| {
        let dtype = plan.schemas[&plan.table].get(name);
        dtype.is_some_and(|dtype| dtype.is_integer() || dtype.is_string())
    };
    by.iter().all(|name| is_plain(name) && feature_of(plan, name, usize::MAX).is_none())
}

/// The feature of a name among those before `before`.
fn feature_of(plan: &RowsPlan, name: &str, before: usize) -> Option<usize> {
    plan.features.iter().take(before).position(|(known, _)| known == name)
}

/// Features with all that they need, in order, without those that are done. `by`: the grouping that is at hand.
///
/// A feature may have the name of a column and be that column in another form: features further up read the column, those
/// further down the feature. So the ones further up must be done with it.
fn with_needed(
    plan: &RowsPlan,
    features: Vec<usize>,
    done: &BTreeSet<usize>,
    by: Option<&BTreeSet<&str>>,
) -> std::result::Result<Vec<usize>, String> {
    let mut all: BTreeSet<usize> = BTreeSet::new();
    let mut next = features;
    while let Some(feature) = next.pop() {
        if done.contains(&feature) || !all.insert(feature) {
            continue;
        }
        let (name, how) = &plan.features[feature];
        let is_at_hand = groups(how).is_none_or(|groups| by.is_some_and(|by| by.is_subset(&groups)));
        if !is_at_hand {
            return Err(format!("feature '{name}' is needed before the rows of its groups are together"));
        }
        next.extend(reads(how).iter().filter_map(|read| feature_of(plan, read, feature)));
        if plan.schemas[&plan.table].contains(name) {
            next.extend((0..feature).filter(|other| reads(&plan.features[*other].1).contains(name)));
        }
    }
    Ok(all.into_iter().collect())
}
