//! `features --prove`: recomputes a sample of published rows from what was known at their cutoff.
//!
//! For each sampled entity and cutoff
//! 1. the features are computed again by the tool's own kernel: another value says that the tables changed since;
//! 2. of the rows strictly before the cutoff those that were known are cut out, every feature is computed from them by
//!    [`reference`](crate::reference) and compared; so is the label, from the rows within its horizon alone;
//! 3. the future is falsified (every row at or after the cutoff is doubled and changed, more are invented, and what was
//!    not yet known of earlier rows is changed), the features are computed again by the kernel and must not move.
//!
//! SQL features are evaluated again from the published features that they read, each of which is proved itself.

use std::collections::{BTreeMap, HashMap};

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{
    BooleanChunked, DataFrame, IdxCa, IntoLazy, JoinArgs, JoinType, LazyFrame, MaintainOrderJoin, NewChunkedArray, col,
};
use spec::{Error, Result};

use super::attributes::{Others, others};
use super::chunk::with_made;
use super::plan::{CutoffsPlan, How, LabelKnown, Op};
use super::spec::{CUTOFF, CutoffSpec};
use super::table::{EntityData, Keyed, Task};
use crate::almanac::Almanac;
use crate::as_of::ByKey;
use crate::eval::{evaluated, holds};
use crate::falsify::{KnownTimes, at_time, changed_later, falsified, falsified_where, known_times, times};
use crate::known::Known;
use crate::reference::{Answer, Ask, Seen, Value, answer, cells, equal};
use crate::rows::Open;
use values::form::plain;

/// How many earlier rows are invented again.
const INVENTED: usize = 1_000;

/// What a proof looked at. That it exists says that nothing differed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Published rows that were recomputed.
    pub pairs: usize,
    /// Values that were compared with what was known at the cutoff.
    pub values: usize,
    /// Values that were compared after the future was falsified.
    pub perturbed: usize,
}

/// What a difference says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The kernel gives another value now.
    Changed,
    /// The kernel gives the published value, the definition another.
    Wrong,
    /// The kernel gives another value where only the future is another.
    LooksAhead,
}

impl Fault {
    /// The refusal of a published value.
    pub fn error(self, place: &str, published: &Value, other: &Value) -> Error {
        let (says, way_out) = match self {
            Fault::Changed => {
                ("computed again it is", "the clean tables or features.yaml changed since: run features again")
            }
            Fault::Wrong => (
                "by its definition, what was known before gives",
                "the clean tables did not change since, so features computed it wrongly: please report this with \
                 features.yaml",
            ),
            Fault::LooksAhead => (
                "with another future it becomes",
                "the feature looks at what was not known yet: please report this with features.yaml",
            ),
        };
        Error::refused(format!("{place}: published is {published}, but {says} {other}")).hint(way_out)
    }
}

/// Recomputes up to `sample` rows of each published table, chosen by `seed`.
///
/// Errors: a difference is refused and named by entity, cutoff, column and both values; tables that do not
/// have the columns of the spec cannot be proved.
pub fn prove(
    spec: &CutoffSpec,
    open: Open,
    published_training: LazyFrame,
    published_scoring: LazyFrame,
    (sample, seed): (usize, u64),
    today: NaiveDate,
) -> Result<Proof> {
    let mut input = open(spec.table.as_str())?;
    let schema = input.collect_schema().during(format!("table '{}'", spec.table))?;
    let plan = CutoffsPlan::new(spec, &schema, open)?;
    let mut proof = Proof::default();
    let columns = |with_label: bool| {
        let features = plan.features.iter().map(|(name, _)| name.as_str());
        let label = with_label.then_some(plan.label.0.as_str());
        let known = plan.label_known.iter().filter(|_| with_label).map(|known| known.column.as_str());
        [&*plan.entity, CUTOFF].into_iter().chain(features).chain(label).chain(known).collect::<Vec<&str>>()
    };
    same_columns(&published_training, &columns(true))?;
    same_columns(&published_scoring, &columns(false))?;
    let prepared = Keyed::read(spec, open, today)?;
    for published in [&published_training, &published_scoring] {
        same_entities(&plan, published, &prepared)?;
    }
    let training = chosen(&plan, published_training, sample, seed)?;
    let scoring = chosen(&plan, published_scoring, sample, seed ^ 0x5c0_21e5)?;
    if training.height() + scoring.height() == 0 {
        return Err(Error::refused("there are no published rows to prove").hint("run features first"));
    }
    let facts =
        Facts { plan: &plan, history: history(&plan, input, &[&training, &scoring])?, others: others(&plan, open)? };
    for (table, with_label) in [(training, true), (scoring, false)] {
        for (day, published) in by_cutoff(&table)? {
            let published = published.select(columns(with_label)).during("reading published features")?;
            proof.pairs += published.height();
            let known = facts.on_the_past(&published, day, with_label)?;
            let again = facts.kernel(&published, &facts.history, &facts.others, (day, with_label))?;
            facts.compare(&published, &with_slack(&again, &known)?, day, Fault::Changed)?;
            proof.values += facts.compare(&published, &known, day, Fault::Wrong)?;
            let (rows, others) = facts.with_false_future(day)?;
            let moved = facts.kernel(&published, &rows, &others, (day, false))?;
            proof.perturbed += facts.compare(&published, &with_slack(&moved, &known)?, day, Fault::LooksAhead)?;
        }
    }
    Ok(proof)
}

/// Refuses a published table that lacks a column of the spec, or has one that the spec does not make: it would not be known
/// what it shows.
pub(crate) fn same_columns(published: &LazyFrame, expected: &[&str]) -> Result<()> {
    let schema = published.clone().collect_schema().during("reading published features")?;
    let differs = |what: String| {
        Err(Error::cannot_run(format!("the published table does not have the columns of the spec: {what}"))
            .hint("features.yaml has changed since, or another program wrote the table; run features again"))
    };
    if let Some(missing) = expected.iter().find(|name| !schema.contains(name)) {
        return differs(format!("'{missing}' is missing"));
    }
    match schema.iter_names().find(|name| !expected.contains(&name.as_str())) {
        Some(other) => differs(format!("no feature is called '{other}'")),
        None => Ok(()),
    }
}

/// Columns of answers by name.
pub(crate) type Answers = BTreeMap<String, Vec<Answer>>;

/// The cells of a computed table as answers, with the slack of others.
pub(crate) fn with_slack(table: &DataFrame, known: &Answers) -> Result<Answers> {
    let mut answers = Answers::new();
    for name in table.get_column_names() {
        let Some(known) = known.get(name.as_str()) else { continue };
        let values = cells(table, name)?.into_iter().zip(known);
        let values = values.map(|(value, known)| Answer { value, slack: known.slack }).collect();
        answers.insert(name.to_string(), values);
    }
    Ok(answers)
}

/// Refuses a table in which an entity is missing at a cutoff, or occurs twice: who has a row must not depend on what came
/// after, either.
fn same_entities(plan: &CutoffsPlan, published: &LazyFrame, prepared: &Keyed) -> Result<()> {
    let keys = published.clone().select([col(plan.entity.as_str()), col(CUTOFF)]);
    for (day, published) in by_cutoff(&artifact::collect(keys, "reading published features")?)? {
        let mut counts: BTreeMap<String, (i64, String)> = BTreeMap::new();
        let expected = prepared.present(day)?;
        let expected = DataFrame::new(expected.len(), vec![expected.into()]).during("proof")?;
        for (table, by) in [(&expected, 1), (&published, -1)] {
            for entity in cells(table, &plan.entity)? {
                let count = counts.entry(entity.key().unwrap_or_default()).or_insert_with(|| (0, entity.to_string()));
                count.0 += by;
            }
        }
        if let Some((count, entity)) = counts.into_values().find(|(count, _)| *count != 0) {
            let what = if count > 0 { "is missing from the published table" } else { "was published more than once" };
            return Err(Error::refused(format!("{} {entity}, cutoff {day}: it {what}", plan.entity)).hint(
                "the clean tables or features.yaml changed since, or another program wrote the table: run features again",
            ));
        }
    }
    Ok(())
}

/// Rows of a published table, chosen by the hash of their number: equal seeds choose equal rows.
fn chosen(plan: &CutoffsPlan, published: LazyFrame, sample: usize, seed: u64) -> Result<DataFrame> {
    let doing = "reading published features";
    let keys = [col(plan.entity.as_str()), col(CUTOFF)];
    let keys = artifact::collect(published.clone().select(keys), doing)?;
    let mut order: Vec<(u64, u32)> = (0..keys.height() as u32).map(|row| (mixed(seed, u64::from(row)), row)).collect();
    order.sort_unstable();
    let mut chosen = vec![false; keys.height()];
    order.iter().take(sample).for_each(|(_, row)| chosen[*row as usize] = true);
    let keys = keys.filter(&BooleanChunked::from_slice("chosen".into(), &chosen)).during(doing)?;
    let on = [col(plan.entity.as_str()), col(CUTOFF)];
    let rows = published.join(keys.lazy(), on.clone(), on, JoinArgs::new(JoinType::Semi));
    let order = [plan.entity.as_str(), CUTOFF];
    artifact::collect(rows.sort(order, Default::default()), doing)
}

/// SplitMix64 (Steele, Lea and Flood 2014) of seed and number.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    spec::random::mix(seed.wrapping_add(number.wrapping_add(1).wrapping_mul(spec::random::STEP)))
}

/// All rows of the sampled entities, in the order of the table, with every column of the table that is read.
fn history(plan: &CutoffsPlan, input: LazyFrame, tables: &[&DataFrame]) -> Result<DataFrame> {
    let doing = "reading rows to prove";
    let mut keys = tables[0].select([plan.entity.as_str()]).during(doing)?;
    for table in &tables[1..] {
        keys.vstack_mut(&table.select([plan.entity.as_str()]).during(doing)?).during(doing)?;
    }
    let on = [col(plan.entity.as_str())];
    let mut needed = plan.needed();
    needed.extend(
        plan.today
            .iter()
            .map(|(_, column)| column.clone())
            .filter(|column| !needed.contains(column))
            .collect::<Vec<_>>(),
    );
    for column in plan.conditions.iter().flat_map(|condition| condition.sql.sql().columns()) {
        if !needed.contains(&column) {
            needed.push(column);
        }
    }
    let needed: Vec<_> = needed.iter().map(|name| col(name.as_str())).collect();
    let args = JoinArgs { maintain_order: MaintainOrderJoin::Left, ..JoinArgs::new(JoinType::Semi) };
    let rows = input.select(needed).filter(col(plan.time.as_str()).is_not_null());
    artifact::collect(rows.join(keys.lazy(), on.clone(), on, args), doing)
}

fn by_cutoff(table: &DataFrame) -> Result<BTreeMap<NaiveDate, DataFrame>> {
    let doing = "reading published features";
    let mut rows: BTreeMap<i128, Vec<u32>> = BTreeMap::new();
    for (row, day) in (0u32..).zip(cells(table, CUTOFF)?) {
        if let Value::Day(day) = day {
            rows.entry(day).or_default().push(row);
        }
    }
    let part = |(day, rows): (i128, Vec<u32>)| {
        let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).unwrap_or_default();
        Ok((date, table.take(&IdxCa::from_slice("".into(), &rows)).during(doing)?))
    };
    rows.into_iter().map(part).collect()
}

/// The rows of the sampled entities, and the tables of attributes.
struct Facts<'a> {
    plan: &'a CutoffsPlan,
    history: DataFrame,
    others: Others,
}

/// Rows of some entities, as a time sees them.
struct Rows {
    /// The places of each entity's rows, by the key of the entity, in the order of time.
    places: HashMap<String, Vec<usize>>,
    times: Vec<Option<i128>>,
    almanac: Almanac,
    numbers: Vec<Vec<Value>>,
    words: Vec<Vec<Value>>,
    conditions: Vec<Vec<bool>>,
}

impl Facts<'_> {
    fn almanac(&self) -> Almanac {
        Almanac::of(self.plan.clock)
    }

    /// Since when the rows of a lookup hold and when they became known, and what a cutoff is beside those. Where there are
    /// timestamps, rows of one day are distinguished by them.
    fn held(&self, of: &ByKey, table: &DataFrame, day: NaiveDate) -> Result<Held> {
        let mut almanac = self.almanac();
        for column in of.times() {
            if cells(table, column)?.iter().any(|cell| matches!(cell, Value::Moment(_))) {
                almanac = almanac.of_moments();
            }
        }
        let (since, known) = held(of, table, almanac)?;
        Ok(Held { since, known, cutoff: almanac.start(number(day)) })
    }

    /// Rows with their late columns as they are in `table`, of those that `counts` names.
    fn rows(&self, table: &DataFrame, counts: impl Fn(usize) -> bool) -> Result<Rows> {
        let plan = self.plan;
        let times = times(table, &plan.time, self.almanac())?;
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, entity) in cells(table, &plan.entity)?.iter().enumerate().filter(|(place, _)| counts(*place)) {
            places.entry(entity.key().unwrap_or_default()).or_default().push(place);
        }
        places.values_mut().for_each(|places| places.sort_by_key(|place| times[*place]));
        let mut conditions = Vec::new();
        for condition in &plan.conditions {
            conditions.push(holds(table, &condition.sql, "proof")?);
        }
        let with_made = with_made(plan, table)?;
        let table = with_made.as_ref().unwrap_or(table);
        Ok(Rows {
            almanac: self.almanac(),
            places,
            times,
            numbers: plan.numbers.iter().map(|name| cells(table, plan.column(name))).collect::<Result<_>>()?,
            words: plan.words.iter().map(|word| cells(table, plan.column(&word.column))).collect::<Result<_>>()?,
            conditions,
        })
    }

    /// The features (and label) of the published entities, each from its own truncated table.
    fn on_the_past(&self, published: &DataFrame, day: NaiveDate, with_label: bool) -> Result<Answers> {
        let (plan, almanac) = (self.plan, self.almanac());
        let cutoff = almanac.start(number(day));
        let all = times(&self.history, &plan.time, almanac)?;
        let known = KnownTimes::of(&plan.known, &self.history, &all, almanac, &self.others)?;
        let past = self.rows(&known.masked(&self.history, cutoff)?, |row| {
            all[row].is_some_and(|time| time < cutoff) && known.is_known(row, cutoff)
        })?;
        let entities: Vec<String> =
            cells(published, &plan.entity)?.iter().map(|entity| entity.key().unwrap_or_default()).collect();
        let mut answers = Answers::new();
        for (name, how) in &plan.features {
            let values = match how {
                How::Aggregate(of) => {
                    let from = plan.windows[of.window].map(|span| almanac.moved_day(number(day), span, false));
                    let span = (from.unwrap_or(i128::MIN), cutoff);
                    entities.iter().map(|entity| past.answer(entity, (of.op, of.condition), span, cutoff)).collect()
                }
                How::Sql(sql) => {
                    let place = format!("feature '{name}'");
                    let again = evaluated(published, sql, "again", &place)?;
                    let again = DataFrame::new(again.len(), vec![plain(again, &place)?.into()]).during(&place)?;
                    cells(&again, "again")?.into_iter().map(Answer::from).collect()
                }
                How::Lookup(i) => self.attribute(&plan.lookups[*i], &entities, day)?,
            };
            answers.insert(name.clone(), values);
        }
        if with_label {
            let to = almanac.moved_day(number(day), plan.horizon, true);
            let (name, op, condition) = &plan.label;
            let ahead = self.rows(&self.history, |_| true)?;
            let label = |entity: &String| ahead.answer(entity, (*op, *condition), (cutoff, to), cutoff);
            answers.insert(name.clone(), entities.iter().map(label).collect());
            if let Some(of) = &plan.label_known {
                let over = plan.delay.map_or(to, |delay| almanac.moved(to, delay, true));
                let known = |entity: &String| {
                    let places = ahead.places.get(entity).into_iter().flatten().copied();
                    let places = places.filter(|place| all[*place].is_some_and(|at| cutoff <= at && at < to));
                    Answer::from(label_known(of, places, &known, over, plan, almanac))
                };
                answers.insert(of.column.clone(), entities.iter().map(known).collect());
            }
        }
        Ok(answers)
    }

    /// A column of another table: of each entity's rows that held and were known before the cutoff, the newest, and of
    /// equally new ones the one that became known last.
    fn attribute(&self, of: &ByKey, entities: &[String], day: NaiveDate) -> Result<Vec<Answer>> {
        let table = &self.others[&of.table];
        let Held { since, known, cutoff } = self.held(of, table, day)?;
        let mut newest: HashMap<String, ((i128, i128), usize)> = HashMap::new();
        for (row, key) in cells(table, &of.on[0].1)?.iter().enumerate() {
            let (Some(key), Some(since), Some(known)) = (key.key(), since[row], known[row]) else { continue };
            let is_newer = newest.get(&key).is_none_or(|(other, _)| *other < (since, known));
            if since < cutoff && known < cutoff && is_newer {
                newest.insert(key, ((since, known), row));
            }
        }
        let values = cells(table, &of.take)?;
        let value = |entity: &String| newest.get(entity).map_or(Value::Null, |(_, row)| values[*row].clone());
        Ok(entities.iter().map(|entity| Answer::from(finite(value(entity)))).collect())
    }

    /// What the tool's own kernel makes of some rows, for the published entities.
    fn kernel(
        &self,
        published: &DataFrame,
        rows: &DataFrame,
        others: &Others,
        (day, with_label): (NaiveDate, bool),
    ) -> Result<DataFrame> {
        let (plan, doing) = (self.plan, "computing features again");
        let data = EntityData::read(plan, rows.clone().lazy(), others)?;
        let entities: Vec<u32> = (0..data.entities() as u32).collect();
        let (_, all) = Task::new(plan, day, with_label)?.rows(plan, &data, &entities)?;
        let places: HashMap<Option<String>, u32> =
            (0u32..).zip(cells(&all, &plan.entity)?).map(|(row, entity)| (entity.key(), row)).collect();
        let rows: Vec<Option<u32>> =
            cells(published, &plan.entity)?.iter().map(|entity| places.get(&entity.key()).copied()).collect();
        if let Some(missing) = rows.iter().position(Option::is_none) {
            let entity = published.column(&plan.entity).during(doing)?.get(missing).during(doing)?;
            return Err(Error::refused(format!(
                "{} {entity}, cutoff {day}: it was published, but no row of it was known before",
                plan.entity
            ))
            .hint("the clean tables or features.yaml changed since: run features again"));
        }
        let rows: Vec<u32> = rows.into_iter().flatten().collect();
        all.take(&IdxCa::from_slice("".into(), &rows)).during(doing)
    }

    /// The rows when everything from the cutoff on is other than it was, and all that was not known before.
    fn with_false_future(&self, day: NaiveDate) -> Result<(DataFrame, Others)> {
        let (plan, doing, cutoff) = (self.plan, "falsifying the future", self.almanac().start(number(day)));
        let almanac = self.almanac();
        let keeps = [plan.entity.as_str(), plan.time.as_str()];
        let change = |name: &str| !keeps.contains(&name) && !plan.known.moments().any(|moment| moment == name);
        let all = times(&self.history, &plan.time, almanac)?;
        let is_past: Vec<bool> = all.iter().map(|time| time.is_some_and(|time| time < cutoff)).collect();
        let is_past = BooleanChunked::from_slice("".into(), &is_past);
        let (past, future) =
            (self.history.filter(&is_past).during(doing)?, self.history.filter(&!&is_past).during(doing)?);
        let past_times = times(&past, &plan.time, almanac)?;
        let known = KnownTimes::of(&plan.known, &past, &past_times, almanac, &self.others)?;
        let changed = falsified(&future, change)?;
        let invented = falsified(&past.tail(Some(INVENTED)), change)?;
        let mut table = known.falsified(&past, cutoff, change)?;
        table.vstack_mut(&changed).during(doing)?;
        table.vstack_mut(&changed).during(doing)?;
        table.vstack_mut(&at_time(&invented, &plan.time, cutoff, almanac)?).during(doing)?;
        if let Some(Known::At(column)) = &plan.known.rows {
            // Rows of the past that arrive at the very cutoff.
            table.vstack_mut(&at_time(&invented, column, cutoff, almanac)?).during(doing)?;
        }
        let mut others = self.others.clone();
        for (column, changes) in &plan.known.changes {
            // A table that attributes look at as well is falsified with them.
            if plan.lookups.iter().any(|of| of.table == changes.of.as_str()) {
                continue;
            }
            if let Some(table) = others.get_mut(changes.of.as_str()) {
                *table = changed_later(table, changes, column, cutoff, almanac)?;
            }
        }
        for of in plan.lookups.iter().filter(|of| of.time.is_some() || of.known.is_some()) {
            // A table that another feature looks at otherwise stays as it is.
            let same_table = || plan.lookups.iter().filter(|other| other.table == of.table);
            if same_table().any(|other| other.time != of.time || other.known != of.known) {
                continue;
            }
            let Some(other) = others.get(&of.table) else { continue };
            let Held { since, known, cutoff } = self.held(of, other, day)?;
            let later = |time: Option<i128>| time.is_none_or(|time| time >= cutoff);
            let here: Vec<bool> =
                since.into_iter().zip(known).map(|(since, known)| later(since) || later(known)).collect();
            let is_value = |name: &str| {
                let keys = same_table().flat_map(|of| of.theirs().into_iter().filter(|column| *column != of.take));
                name == of.take && !keys.into_iter().any(|key| key == name)
            };
            let other = falsified_where(other, &here, is_value)?;
            others.insert(of.table.clone(), other);
        }
        Ok((table, others))
    }

    /// Compares the features (and the label, where there are answers) with what was published. Returns the number of
    /// values.
    fn compare(&self, published: &DataFrame, answers: &Answers, day: NaiveDate, fault: Fault) -> Result<usize> {
        let plan = self.plan;
        let of_label =
            [plan.label.0.as_str()].into_iter().chain(plan.label_known.iter().map(|known| known.column.as_str()));
        let names = plan.features.iter().map(|(name, _)| name.as_str()).chain(of_label);
        let mut values = 0;
        for name in names {
            let Some(answers) = answers.get(name) else { continue };
            for (row, (was, is)) in cells(published, name)?.iter().zip(answers).enumerate() {
                if !equal(was, is) {
                    let entity = published.column(&plan.entity).during("proof")?.get(row).during("proof")?;
                    let place = format!("{} {entity}, cutoff {day}, '{name}'", plan.entity);
                    return Err(fault.error(&place, was, &is.value));
                }
                values += 1;
            }
        }
        Ok(values)
    }
}

/// The first day that begins when the label is known: not before `over`, and after the rows at some places, and their late
/// columns, became known.
fn label_known(
    of: &LabelKnown,
    places: impl Iterator<Item = usize>,
    known: &KnownTimes,
    over: i128,
    plan: &CutoffsPlan,
    almanac: Almanac,
) -> Value {
    let (mut after, mut is_never) = (i128::MIN, false);
    for place in places {
        match known.rows.as_ref().map(|rows| rows[place]) {
            Some(None) => is_never = true,
            Some(Some(at)) => after = after.max(at),
            None => {}
        }
        for changes in known.changes.iter().filter(|_| of.reads_changes) {
            after = after.max(changes.rows[place].last().map_or(i128::MIN, |(at, _)| *at));
        }
        for late in &of.late {
            let name = &plan.known.columns[*late].0;
            let column = known.columns.iter().find(|(column, _)| column == name);
            after = after.max(column.and_then(|(_, at)| at[place]).unwrap_or(i128::MIN));
        }
    }
    let mut day = almanac.day(over);
    while almanac.start(day) < over || almanac.start(day) <= after {
        day += 1;
    }
    Value::Day(if is_never { 2_932_896 } else { day })
}

/// There is no infinity in features.
fn finite(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_finite() => Value::Null,
        other => other,
    }
}

impl Rows {
    /// An aggregate over the rows of an entity within a span.
    fn answer(&self, entity: &str, (op, condition): (Op, Option<usize>), span: (i128, i128), at: i128) -> Answer {
        let (ask, source) = match op {
            Op::Count => (Ask::Count, None),
            Op::None => (Ask::None, None),
            Op::Any => (Ask::Any, None),
            Op::Recency => (Ask::Recency, None),
            Op::Tenure => (Ask::Tenure, None),
            Op::MeanGap => (Ask::MeanGap, None),
            Op::Share(_) => (Ask::Share, None),
            Op::Sum(i) => (Ask::Sum, Some(&self.numbers[i])),
            Op::Mean(i) => (Ask::Mean, Some(&self.numbers[i])),
            Op::Min(i) => (Ask::Min, Some(&self.numbers[i])),
            Op::Max(i) => (Ask::Max, Some(&self.numbers[i])),
            Op::Std(i) => (Ask::Std, Some(&self.numbers[i])),
            Op::Quantile(i, q) => (Ask::Quantile(q), Some(&self.numbers[i])),
            Op::FirstNumber(i) => (Ask::First, Some(&self.numbers[i])),
            Op::LastNumber(i) => (Ask::Last, Some(&self.numbers[i])),
            Op::Distinct(i) => (Ask::Distinct, Some(&self.words[i])),
            Op::FirstWord(i) => (Ask::First, Some(&self.words[i])),
            Op::LastWord(i) => (Ask::Last, Some(&self.words[i])),
            Op::MostFrequent(i) => (Ask::MostFrequent, Some(&self.words[i])),
        };
        let meets = |i: Option<usize>, place: usize| i.is_none_or(|i| self.conditions[i][place]);
        let mut seen = Vec::new();
        for place in self.places.get(entity).into_iter().flatten().copied() {
            let Some(time) = self.times[place].filter(|time| span.0 <= *time && *time < span.1) else { continue };
            if !meets(condition, place) {
                continue;
            }
            // A share looks at all rows.
            let holds = if let Op::Share(i) = op { self.conditions[i][place] } else { true };
            let value = source.map_or(Value::Null, |values| values[place].clone());
            seen.push(Seen { time, value, holds });
        }
        answer(ask, &seen, at, self.almanac)
    }
}

/// The rows of a lookup: since when each holds, when it became known, and the cutoff to compare both with.
struct Held {
    since: Times,
    known: Times,
    cutoff: i128,
}

/// A time per row of a table.
type Times = Vec<Option<i128>>;

/// Since when the rows of a lookup hold, and when they became known.
pub(crate) fn held(of: &ByKey, table: &DataFrame, almanac: Almanac) -> Result<(Times, Times)> {
    let always = || vec![Some(i128::MIN); table.height()];
    let since = match &of.time {
        Some(time) => known_times(&Known::At(time.clone()), table, &[], almanac)?,
        None => always(),
    };
    let known = match &of.known {
        Some(known) => known_times(known, table, &since, almanac)?,
        None => always(),
    };
    Ok((since, known))
}

fn number(day: NaiveDate) -> i128 {
    i128::from(day.to_epoch_days())
}
