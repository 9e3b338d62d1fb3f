//! `features --prove` for rows: recomputes a sample of published rows from what was known at their time.
//!
//! For each sampled row
//! 1. the features are computed again by the tool's own kernel: another value says that the tables changed since;
//! 2. its own label is falsified, of the rows before its time those that were known are cut out, every feature is
//!    computed from them by [`reference`](super::reference) and compared; so is the label, from the row itself;
//! 3. for some of the times, everything at or after it is falsified and doubled, rows are invented at that very time,
//!    and what was not yet known of earlier rows is changed; the features are computed again by the tool's own kernel
//!    and must not move.
//!
//! SQL features are evaluated again from the published features that they read, each of which is proved itself.

use std::collections::{BTreeMap, BTreeSet};

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{BooleanChunked, DataFrame, IdxCa, IntoLazy, LazyFrame, NewChunkedArray, col};
use spec::{Error, Result};

use super::compute::{Tables, compute};
use super::plan::{How, Open, RowsPlan};
use super::reference::{from_earlier_rows, from_key, from_places, label_known_at};
use super::spec::RowSpec;
use super::table::{Part, chosen, parted, stretch};
use crate::almanac::{Almanac, date};
use crate::as_of::ByKey;
use crate::changes::Changes;
use crate::cutoffs::proof::{Answers, Fault, Proof, held, mixed, same_columns, with_slack};
use crate::eval::evaluated;
use crate::falsify::{KnownTimes, at_time, changed_later, falsified, falsified_where, times};
use crate::known::{Knowledge, Known};
use crate::reference::{Answer, Value, cells, equal};
use values::form::plain;

/// At how many times the future is falsified: each costs a run over all rows.
const TIMES: usize = 8;
/// How many earlier rows are invented again at the time of a sampled row.
const INVENTED: usize = 1_000;

/// Recomputes up to `sample` rows of each published table, chosen by `seed`: half of them at the ends of months and
/// where several rows are of one time, as far as there are such.
pub fn prove(
    spec: &RowSpec,
    open: Open,
    published_training: LazyFrame,
    published_scoring: LazyFrame,
    (sample, seed): (usize, u64),
    today: NaiveDate,
) -> Result<Proof> {
    let plan = RowsPlan::new(spec, open)?;
    let (tables, _) = Tables::read(&plan, open)?;
    let parted = parted(&plan, &tables.own, stretch(&plan, &tables.own.clone().lazy(), today)?.last)?;
    let frame = compute(&plan, &tables)?;
    let almanac = Almanac::of(plan.clock);
    let all = times(&tables.own, &plan.time, almanac)?;
    let mut proof = Proof::default();
    for (part, published, seed) in
        [(Part::Training, published_training, seed), (Part::Scoring, published_scoring, seed ^ 0x5c0_21e5)]
    {
        let again = chosen(&plan, &frame, &parted, part)?;
        let names: Vec<&str> = again.get_column_names().iter().map(|name| name.as_str()).collect();
        same_columns(&published, &names)?;
        let published = published.select(names.into_iter().map(col).collect::<Vec<_>>());
        let published = artifact::collect(published, "reading published features")?;
        let rows: Vec<u32> =
            (0u32..).zip(&parted.parts).filter(|(_, other)| **other == part).map(|(row, _)| row).collect();
        if rows.len() != published.height() {
            return Err(Error::refused(format!(
                "{} rows were published, but table '{}' gives {}",
                published.height(),
                plan.table,
                rows.len()
            ))
            .hint("the clean table changed since; run features again"));
        }
        let places = drawn(&rows, &all, (sample, seed), almanac);
        let asked: Vec<u32> = places.iter().map(|place| rows[*place as usize]).collect();
        let (published, again) = (taken(&published, &places)?, taken(&again, &places)?);
        proof.pairs += asked.len();
        let mut known = on_the_past(&plan, &tables, &frame, &asked, &published)?;
        if part == Part::Training {
            let place = format!("label '{}'", plan.label);
            let own = evaluated(&taken(&tables.own, &asked)?, &plan.label_sql, &plan.label, &place)?;
            let own = DataFrame::new(own.len(), vec![plain(own, &place)?.into()]).during(&place)?;
            known.insert(plan.label.clone(), cells(&own, &plan.label)?.into_iter().map(Answer::from).collect());
            if let Some(name) = &plan.label_known_at {
                known.insert(name.clone(), label_known_at(&plan, &taken(&tables.own, &asked)?)?);
            }
        }
        compare(&plan, &published, &with_slack(&again, &known)?, Fault::Changed)?;
        proof.values += compare(&plan, &published, &known, Fault::Wrong)?;
        known.remove(&plan.label);
        plan.label_known_at.as_ref().map(|name| known.remove(name));
        // What SQL makes of aggregates cannot look ahead if these do not; but where it takes nearly equal ones from each
        // other, the last digits of their sums, which may be added up in another order, become the first of its own.
        for (name, how) in &plan.features {
            if matches!(how, How::Sql { late: true, .. }) {
                known.remove(name);
            }
        }
        proof.perturbed += with_false_future(&plan, &tables, &all, &asked, (&published, &known))?;
    }
    if proof.pairs == 0 {
        return Err(Error::refused("there are no published rows to prove").hint("run features first"));
    }
    Ok(proof)
}

/// The places of the drawn rows, ascending. Windows are hardest to get right at the ends of months, on days after the clocks
/// changed, and where rows have one time: half of the sample is drawn from there.
fn drawn(rows: &[u32], times: &[Option<i128>], (sample, seed): (usize, u64), almanac: Almanac) -> Vec<u32> {
    let mut order: Vec<(u64, u32)> = (0..rows.len() as u32).map(|row| (mixed(seed, u64::from(row)), row)).collect();
    order.sort_unstable();
    let time = |place: u32| times[rows[place as usize] as usize];
    let mut all: Vec<Option<i128>> = times.to_vec();
    all.sort_unstable();
    let is_shared = |time: Option<i128>| {
        let first = all.partition_point(|other| *other < time);
        all.get(first + 1) == Some(&time)
    };
    let is_hard = |place: u32| {
        let is_odd = |time: i128| date(almanac.day(time)).2 >= 28 || almanac.changed_lately(time);
        time(place).is_some_and(is_odd) || is_shared(time(place))
    };
    let hard = order.iter().map(|(_, place)| *place).filter(|place| is_hard(*place)).take(sample / 2);
    let mut places: BTreeSet<u32> = hard.collect();
    for (_, place) in &order {
        if places.len() >= sample {
            break;
        }
        places.insert(*place);
    }
    places.into_iter().collect()
}

fn taken(frame: &DataFrame, rows: &[u32]) -> Result<DataFrame> {
    frame.take(&IdxCa::from_slice("".into(), rows)).during("proof")
}

/// What a row itself must not show: its label, and what becomes known late.
fn is_hidden(plan: &RowsPlan, name: &str) -> bool {
    plan.hidden.iter().any(|hidden| hidden == name) || plan.known.is_late(name)
}

/// The features of the requested rows, each from its own past. `frame` holds the features of all rows, of which only
/// those made of a row itself are looked at.
fn on_the_past(
    plan: &RowsPlan,
    tables: &Tables,
    frame: &DataFrame,
    asked: &[u32],
    published: &DataFrame,
) -> Result<Answers> {
    let mut rows = falsified(&taken(&tables.own, asked)?, |name| is_hidden(plan, name))?;
    let mut answers = Answers::new();
    for (name, how) in &plan.features {
        let place = format!("feature '{name}'");
        let values = match how {
            How::Sql { sql, .. } => {
                let again = plain(evaluated(&rows, sql, name, &place)?, &place)?;
                let again = DataFrame::new(again.len(), vec![again.into()]).during(&place)?;
                cells(&again, name)?.into_iter().map(Answer::from).collect()
            }
            How::Earlier(of) => from_earlier_rows(plan, tables, frame, &rows, of, &place)?,
            How::Near(of) => from_places(tables, &rows, of, &place)?,
            How::ByKey(of) => from_key(plan, tables, &rows, of)?,
        };
        answers.insert(name.clone(), values);
        rows.with_column(published.column(name).during(&place)?.clone()).during(&place)?;
    }
    Ok(answers)
}

/// Computes the features of the requested rows again with other rows from their time on. Returns the number of values.
fn with_false_future(
    plan: &RowsPlan,
    tables: &Tables,
    all: &[Option<i128>],
    asked: &[u32],
    (published, known): (&DataFrame, &Answers),
) -> Result<usize> {
    let distinct: BTreeSet<i128> = asked.iter().filter_map(|row| all[*row as usize]).collect();
    let step = distinct.len().div_ceil(TIMES).max(1);
    let mut values = 0;
    for time in distinct.into_iter().step_by(step) {
        let here: Vec<u32> =
            (0u32..).zip(asked).filter(|(_, row)| all[**row as usize] == Some(time)).map(|(i, _)| i).collect();
        let rows: Vec<u32> = here.iter().map(|i| asked[*i as usize]).collect();
        let (world, place) = other_world(plan, tables, all, time, &rows)?;
        let moved = compute(plan, &world)?.slice(place as i64, rows.len());
        let pick = |answers: &Vec<Answer>| here.iter().map(|i| answers[*i as usize].clone()).collect();
        let known: Answers = known.iter().map(|(name, answers)| (name.clone(), pick(answers))).collect();
        values += compare(plan, &taken(published, &here)?, &with_slack(&moved, &known)?, Fault::LooksAhead)?;
    }
    Ok(values)
}

/// The tables with another future from `time` on, and where the requested rows stand in it.
fn other_world(
    plan: &RowsPlan,
    tables: &Tables,
    all: &[Option<i128>],
    time: i128,
    asked: &[u32],
) -> Result<(Tables, usize)> {
    let rows: BTreeSet<u32> = asked.iter().copied().collect();
    let keep = kept_columns(plan, &plan.table);
    let (past, later) = cut(&tables.own, all, time)?;
    let from_then_on = (0u32..).zip(all).filter(|(_, at)| at.is_none_or(|at| at >= time));
    let others: Vec<bool> = from_then_on.map(|(row, _)| !rows.contains(&row)).collect();
    let later = later.filter(&BooleanChunked::from_slice("".into(), &others)).during("proof")?;
    let own = falsified(&taken(&tables.own, asked)?, |name| is_hidden(plan, name))?;
    let place = past.height();
    let as_of = AsOf { plan, time, column: &plan.time, known: &plan.known, others: &tables.others };
    let mut world = Tables { own: as_of.joined(&past, Some(&own), &later, &keep)?, others: tables.others.clone() };
    for (name, frame) in &tables.others {
        let keep = kept_columns(plan, name);
        match seen_as(plan, name) {
            SeenAs::Changes(column, of) => {
                let almanac = Almanac::of(plan.clock);
                world.others.insert(name.clone(), changed_later(frame, of, column, time, almanac)?);
            }
            // A table of places or keys has no time: it stays as it is.
            SeenAs::ItIs => {}
            SeenAs::Earlier(column, known) => {
                let (past, later) = cut(frame, &times(frame, column, Almanac::of(plan.clock))?, time)?;
                let as_of = AsOf { plan, time, column, known, others: &tables.others };
                world.others.insert(name.clone(), as_of.joined(&past, None, &later, &keep)?);
            }
            SeenAs::AsOf(of) => {
                let (mut theirs, own) = (Almanac::of(plan.clock), Almanac::of(plan.clock));
                for column in of.times() {
                    if cells(frame, column)?.iter().any(|cell| matches!(cell, Value::Moment(_))) {
                        theirs = theirs.of_moments();
                    }
                }
                let time = if theirs.has_days == own.has_days { time } else { theirs.start(own.day(time)) };
                let (since, known) = held(of, frame, theirs)?;
                let later = |at: Option<i128>| at.is_none_or(|at| at >= time);
                let here: Vec<bool> =
                    since.into_iter().zip(known).map(|(one, other)| later(one) || later(other)).collect();
                let other = falsified_where(frame, &here, |name| !keep.contains(name))?;
                world.others.insert(name.clone(), other);
            }
        }
    }
    Ok((world, place))
}

/// A table as of a time.
struct AsOf<'a> {
    plan: &'a RowsPlan,
    time: i128,
    /// Its column of time.
    column: &'a str,
    known: &'a Knowledge,
    others: &'a BTreeMap<String, DataFrame>,
}

impl AsOf<'_> {
    /// The past, with what was not known of it changed; the requested rows; and a future that never was: twice, once at the
    /// very instant; and rows of the past that arrive at that very time.
    fn joined(
        &self,
        past: &DataFrame,
        asked: Option<&DataFrame>,
        later: &DataFrame,
        keep: &BTreeSet<String>,
    ) -> Result<DataFrame> {
        let change =
            |name: &str| name != self.column && !keep.contains(name) && !self.known.moments().any(|at| at == name);
        let almanac = Almanac::of(self.plan.clock);
        let known = KnownTimes::of(self.known, past, &times(past, self.column, almanac)?, almanac, self.others)?;
        let mut all = known.falsified(past, self.time, change)?;
        let invented = past.tail(Some(INVENTED)).vstack(later).during("proof")?;
        let invented = falsified(&invented, change)?;
        let mut parts: Vec<DataFrame> = asked.into_iter().cloned().collect();
        parts.push(falsified(later, change)?);
        parts.push(at_time(&invented, self.column, self.time, almanac)?);
        if let Some(Known::At(column)) = &self.known.rows {
            let arriving = falsified(&past.tail(Some(INVENTED)), change)?;
            parts.push(at_time(&arriving, column, self.time, almanac)?);
        }
        for part in parts {
            all.vstack_mut(&part).during("proof")?;
        }
        all.rechunk_mut();
        Ok(all)
    }
}

/// How features look at another table.
enum SeenAs<'a> {
    /// Without a time.
    ItIs,
    /// Its earlier rows.
    Earlier(&'a str, &'a Knowledge),
    /// As the changes of a column.
    Changes(&'a str, &'a Changes),
    /// Its newest row of a key: since when it holds, and when it became known.
    AsOf(&'a ByKey),
}

/// A table that several features look at in different ways stays as it is.
fn seen_as<'a>(plan: &'a RowsPlan, table: &str) -> SeenAs<'a> {
    let mut seen: Option<SeenAs<'a>> = None;
    let all = plan.features.iter().map(|(_, how)| how);
    // Those of the own table, and of others that are looked at.
    let known = [&plan.known].into_iter().chain(all.clone().filter_map(|how| match how {
        How::Earlier(of) => Some(&of.known),
        _ => None,
    }));
    for (column, changes) in known.flat_map(|known| &known.changes).filter(|(_, changes)| changes.of.as_str() == table)
    {
        match &seen {
            Some(SeenAs::Changes(one, other)) if *one != column || *other != changes => return SeenAs::ItIs,
            _ => seen = Some(SeenAs::Changes(column, changes)),
        }
    }
    for how in all {
        let other = match how {
            How::Near(of) if of.table == table => return SeenAs::ItIs,
            How::ByKey(of) if of.table == table => match (&of.time, &of.known) {
                (None, None) => return SeenAs::ItIs,
                _ => SeenAs::AsOf(of),
            },
            How::Earlier(of) => match &of.from {
                Some((from, column)) if from == table => SeenAs::Earlier(column, &of.known),
                _ => continue,
            },
            _ => continue,
        };
        let alike = match (&seen, &other) {
            (None, _) => true,
            (Some(SeenAs::Earlier(one, known)), SeenAs::Earlier(two, other)) => one == two && known == other,
            (Some(SeenAs::AsOf(one)), SeenAs::AsOf(two)) => one.time == two.time && one.known == two.known,
            _ => false,
        };
        if !alike {
            return SeenAs::ItIs;
        }
        seen = Some(other);
    }
    seen.unwrap_or(SeenAs::ItIs)
}

/// The columns that say to which group, place or key a row belongs, and when: they stay, so that false rows are met.
fn kept_columns(plan: &RowsPlan, table: &str) -> BTreeSet<String> {
    let own = table == plan.table;
    let mut keep = BTreeSet::new();
    for (_, how) in &plan.features {
        match how {
            How::Earlier(of) => {
                let seen = of.from.as_ref().map_or(own, |(from, _)| from == table);
                keep.extend(of.by.iter().filter(|_| seen).map(|(_, their)| their.clone()));
                keep.extend(of.by.iter().filter(|_| own).map(|(mine, _)| mine.clone()));
            }
            How::Near(of) if own => keep.extend(of.at.iter().cloned()),
            How::ByKey(of) if own => keep.extend(of.on.iter().map(|(mine, _)| mine.clone())),
            How::ByKey(of) if of.table == table => {
                keep.extend(of.theirs().into_iter().filter(|column| *column != of.take));
            }
            _ => {}
        }
    }
    keep
}

fn cut(frame: &DataFrame, times: &[Option<i128>], time: i128) -> Result<(DataFrame, DataFrame)> {
    let past: Vec<bool> = times.iter().map(|other| other.is_some_and(|other| other < time)).collect();
    let past = BooleanChunked::from_slice("".into(), &past);
    Ok((frame.filter(&past).during("proof")?, frame.filter(&!&past).during("proof")?))
}

/// Compares features (and the label, where there are answers) with what was published. Returns the number of values.
fn compare(plan: &RowsPlan, published: &DataFrame, answers: &Answers, fault: Fault) -> Result<usize> {
    let of_label = [plan.label.as_str()].into_iter().chain(plan.label_known_at.as_deref());
    let names = plan.features.iter().map(|(name, _)| name.as_str()).chain(of_label);
    let mut values = 0;
    for name in names {
        let Some(answers) = answers.get(name) else { continue };
        for (row, (was, is)) in cells(published, name)?.iter().zip(answers).enumerate() {
            if !equal(was, is) {
                let shown = |column: &str| -> Result<String> {
                    let value = published.column(column).during("proof")?.get(row).during("proof")?;
                    Ok(format!("{column} {value}"))
                };
                let carried = plan.key.iter().chain([&plan.time]).map(|column| shown(column));
                let place = carried.collect::<Result<Vec<_>>>()?.join(", ");
                return Err(fault.error(&format!("{place}, '{name}'"), was, &is.value));
            }
            values += 1;
        }
    }
    Ok(values)
}
