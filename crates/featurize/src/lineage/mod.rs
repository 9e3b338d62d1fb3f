//! From which columns of the clean tables features, label and rows come: read off the plan.

use std::collections::{BTreeMap, BTreeSet};

use ::spec::Result;
use artifact::{ColumnOf, FILE, Lineage, ROW, RowLink};

use super::as_of::ByKey;
use super::known::{Knowledge, Known};
use super::planned::{Plan, plan};
use super::rows::{self, Open, Score};
use super::series;
use super::shape::FeaturesSpec;
use crate::cutoffs::plan::{How, Op};
use crate::cutoffs::spec::CUTOFF;

#[cfg(test)]
mod tests;

type Columns = BTreeSet<ColumnOf>;

/// The lineage of both tables of `spec`. Of the tables that `open` opens only the columns are looked at.
///
/// Errors: those of a plan.
pub fn lineage(spec: &FeaturesSpec, open: Open) -> Result<Lineage> {
    let of_file = |table: &str| -> Result<bool> {
        let schema = open(table)?.collect_schema().map_err(|error| ::spec::Error::cannot_run(error.to_string()))?;
        Ok(schema.contains(FILE) && schema.contains(ROW))
    };
    Ok(match plan(spec, open)? {
        Plan::Cutoffs(plan) => of_cutoffs(&plan),
        Plan::Rows(plan) => of_rows(&plan, of_file(&plan.table)?),
        Plan::Series(plan) => of_series(&plan),
    })
}

/// The columns `names` of a table.
fn of<'a>(table: &str, names: impl IntoIterator<Item = &'a String>) -> Columns {
    names.into_iter().map(|name| ColumnOf::new(table, name)).collect()
}

/// What decides when rows of a table, and those of its columns that are read, became known.
fn known(table: &str, known: &Knowledge, reads: &[String]) -> Columns {
    let known = known.of(reads);
    let mut columns: Columns = known.moments().map(|moment| ColumnOf::new(table, moment)).collect();
    columns.extend(known.rows_at.iter().map(|moment| ColumnOf::new(table, moment)));
    for (column, changes) in &known.changes {
        let pairs = changes.pairs();
        columns.extend(of(table, pairs.iter().map(|(own, _)| own)));
        columns.extend(of(changes.of.as_str(), &changes.reads(column)));
    }
    columns
}

/// What a lookup reads of the other table.
fn looked_up(lookup: &ByKey) -> Columns {
    of(&lookup.table, &lookup.theirs())
}

fn of_cutoffs(plan: &crate::cutoffs::CutoffsPlan) -> Lineage {
    let table = plan.table.as_str();
    let condition = |at: usize| plan.conditions[at].sql.sql().columns();
    let reads = |op: Op, filter: Option<usize>| -> Vec<String> {
        let mut names: Vec<String> = match op {
            Op::Count | Op::None | Op::Any | Op::Recency | Op::Tenure | Op::MeanGap => Vec::new(),
            Op::Distinct(word) | Op::FirstWord(word) | Op::LastWord(word) | Op::MostFrequent(word) => {
                vec![plan.words[word].column.clone()]
            }
            Op::Sum(number)
            | Op::Mean(number)
            | Op::Min(number)
            | Op::Max(number)
            | Op::Std(number)
            | Op::Quantile(number, _)
            | Op::FirstNumber(number)
            | Op::LastNumber(number) => vec![plan.numbers[number].clone()],
            Op::Share(share) => condition(share),
        };
        names.extend(filter.into_iter().flat_map(condition));
        names.iter().flat_map(|name| plan.columns_behind(name)).collect()
    };
    let mut base = of(table, [&plan.entity, &plan.time]);
    base.extend(known(table, &plan.known, &[]));
    let aggregate = |op: Op, filter: Option<usize>| {
        let reads = reads(op, filter);
        let mut columns = of(table, &reads);
        columns.extend(known(table, &plan.known, &reads));
        columns.extend(base.iter().cloned());
        columns
    };
    let mut lineage = Lineage::default();
    lineage.add(&plan.entity, [ColumnOf::new(table, &plan.entity)]);
    lineage.add(CUTOFF, base.iter().cloned());
    for (name, how) in &plan.features {
        let columns = match how {
            How::Aggregate(of) => aggregate(of.op, of.condition),
            How::Lookup(at) => &base | &looked_up(&plan.lookups[*at]),
            How::Sql(sql) => lineage.of(sql.sql().columns().iter().map(String::as_str)),
        };
        lineage.add(name, columns);
    }
    let (label, op, filter) = &plan.label;
    let of_label = aggregate(*op, *filter);
    if let Some(at) = &plan.label_known {
        lineage.add(&at.column, of_label.iter().cloned());
    }
    lineage.add(label, of_label);
    lineage.rows = base;
    let on = |their: &str| vec![(plan.entity.clone(), their.to_owned())];
    let before = |time: &Option<String>| time.as_ref().map(|time| (CUTOFF.to_owned(), time.clone()));
    // All rows before the cutoff are behind the row only if a feature counts all of them.
    let counts_all = |how: &How| match how {
        How::Aggregate(of) => of.condition.is_none() && plan.windows[of.window].is_none(),
        How::Lookup(_) | How::Sql(_) => false,
    };
    let is_whole = plan.known.rows.is_none() && plan.features.iter().any(|(_, how)| counts_all(how));
    lineage.links.push(RowLink {
        table: table.to_owned(),
        on: on(&plan.entity),
        before: before(&Some(plan.time.clone())),
        partial: !is_whole,
        ..RowLink::default()
    });
    for lookup in &plan.lookups {
        // Of the rows before its time, a lookup takes one.
        let link = RowLink {
            table: lookup.table.clone(),
            on: on(&lookup.on[0].1),
            before: before(&lookup.time),
            partial: lookup.time.is_some(),
            ..RowLink::default()
        };
        if !lineage.links.contains(&link) {
            lineage.links.push(link);
        }
    }
    lineage
}

/// The columns that a name means: those of a feature further up, else a column of the own table.
struct Resolve<'a> {
    table: &'a str,
    features: BTreeMap<String, Columns>,
}

impl Resolve<'_> {
    fn names<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Columns {
        let one = |name: &String| match self.features.get(name) {
            Some(columns) => columns.clone(),
            None => Columns::from([ColumnOf::new(self.table, name)]),
        };
        names.into_iter().flat_map(one).collect()
    }
}

fn of_rows(plan: &rows::RowsPlan, is_of_file: bool) -> Lineage {
    use rows::{How, NearWhat};
    let table = plan.table.as_str();
    let time = ColumnOf::new(table, &plan.time);
    let mut resolve = Resolve { table, features: BTreeMap::new() };
    let mut lineage = Lineage::default();
    let mut links: Vec<RowLink> = Vec::new();
    let kept: Vec<&String> = plan.key.iter().chain([&plan.time]).collect();
    lineage.columns.extend(kept.iter().map(|name| ((*name).clone(), Columns::from([ColumnOf::new(table, *name)]))));
    // Rows behind a row can be found as long as the columns to find them by are columns of the table that is written.
    let mut link = |other: &str, on: &[(String, String)], their_time: Option<&String>, partial: bool| {
        if on.iter().all(|(own, _)| kept.contains(&own)) && !on.is_empty() {
            let before = their_time.map(|their| (plan.time.clone(), their.clone()));
            let new = RowLink { table: other.to_owned(), on: on.to_vec(), before, partial, ..RowLink::default() };
            let is_same = |link: &RowLink| RowLink { partial, ..link.clone() } == new;
            // What one feature reads as a whole, the row is made of as a whole.
            match links.iter_mut().find(|link| is_same(link)) {
                Some(known) => known.partial &= partial,
                None => links.push(new),
            }
        }
    };
    for (name, how) in &plan.features {
        let columns = match how {
            How::Sql { sql, .. } => resolve.names(&sql.sql().columns()),
            How::Earlier(earlier) => {
                let (other, their_time) =
                    earlier.from.as_ref().map_or((table, &plan.time), |(other, time)| (other, time));
                let of_sql = earlier.of.iter().chain(&earlier.filter).flat_map(|sql| sql.sql().columns());
                let reads: Vec<String> = of_sql.collect();
                let mut columns = match earlier.from {
                    // Rows of the own table have features, too.
                    None => resolve.names(&reads),
                    Some(_) => of(other, &reads),
                };
                columns.extend(resolve.names(earlier.by.iter().map(|(own, _)| own)));
                columns.extend(of(other, earlier.by.iter().map(|(_, their)| their)));
                columns.extend(of(other, [their_time]));
                columns.insert(time.clone());
                let all: Vec<String> = earlier.known.columns.iter().map(|(column, _)| column.clone()).collect();
                let changed = earlier.known.changes.iter().map(|(column, _)| column.clone());
                columns.extend(known(other, &earlier.known, &all.into_iter().chain(changed).collect::<Vec<_>>()));
                let is_some = earlier.window.is_some()
                    || earlier.lag.is_some()
                    || earlier.filter.is_some()
                    || earlier.known.rows.is_some()
                    || matches!(earlier.op, rows::Op::First | rows::Op::Last);
                link(other, &earlier.by, Some(their_time), is_some);
                columns
            }
            How::Near(near) => {
                let mut columns = resolve.names(&near.at);
                columns.extend(of(&near.table, &near.theirs));
                match &near.what {
                    NearWhat::Column(column) => columns.extend(of(&near.table, [column])),
                    NearWhat::Within(_, Some(filter)) => columns.extend(of(&near.table, &filter.sql().columns())),
                    NearWhat::Distance | NearWhat::Within(_, None) => {}
                }
                columns
            }
            How::ByKey(lookup) => {
                link(&lookup.table, &lookup.on, lookup.time.as_ref(), lookup.time.is_some());
                let mut columns = &resolve.names(lookup.on.iter().map(|(own, _)| own)) | &looked_up(lookup);
                columns.insert(time.clone());
                columns
            }
        };
        resolve.features.insert(name.clone(), columns.clone());
        lineage.add(name, columns);
    }
    let label = of(table, &plan.label_sql.sql().columns());
    let mut known_at = Columns::from([time.clone()]);
    let moments = |known: &Option<Known>| match known {
        Some(Known::At(column)) => Some(ColumnOf::new(table, column)),
        _ => None,
    };
    known_at.extend(moments(&plan.label_known));
    known_at.extend(moments(&plan.known.rows));
    lineage.rows = &label | &known_at;
    lineage.rows.extend(plan.rows.iter().flat_map(|sql| of(table, &sql.sql().columns())));
    match &plan.score {
        Some(Score::Where(sql)) => lineage.rows.extend(of(table, &sql.sql().columns())),
        Some(Score::From(_)) | None => {}
    }
    if let Some(name) = &plan.label_known_at {
        lineage.add(name, known_at);
    }
    lineage.add(&plan.label, label);
    lineage.links = match is_of_file {
        true => vec![RowLink::by_provenance(table)],
        false => {
            let on = kept.iter().map(|name| ((*name).clone(), (*name).clone())).collect();
            vec![RowLink { table: table.to_owned(), on, nulls_equal: true, ..RowLink::default() }]
        }
    };
    for link in links {
        if !lineage.links.contains(&link) {
            lineage.links.push(link);
        }
    }
    lineage
}

fn of_series(plan: &series::SeriesPlan) -> Lineage {
    use series::{How, Level};
    let table = plan.table.as_str();
    let mut base = of(table, &plan.by);
    base.insert(ColumnOf::new(table, &plan.time));
    let mut resolve = Resolve { table, features: BTreeMap::new() };
    let mut lineage = Lineage::default();
    for name in plan.carried() {
        let columns = if plan.by.contains(&name) { of(table, [&name]) } else { base.clone() };
        resolve.features.insert(name.clone(), columns.clone());
        lineage.add(name, columns);
    }
    for name in &plan.rules().known_ahead.0 {
        let columns = &of(table, [name]) | &base;
        resolve.features.insert(name.clone(), columns.clone());
        lineage.add(name, columns);
    }
    let source = |at: usize| {
        let source = &plan.sources[at];
        let reads: Vec<String> = source.of.iter().chain(&source.filter).flat_map(|sql| sql.sql().columns()).collect();
        let mut columns = of(table, &reads);
        if let Level::By(names) = &source.level {
            columns.extend(of(table, names));
        }
        &columns | &base
    };
    let mut links = Vec::new();
    for (name, how) in &plan.features {
        let columns = match how {
            How::Sql(sql) => resolve.names(&sql.sql().columns()),
            How::Holidays { .. } => base.clone(),
            How::Lookup(lookup) => {
                links.push(RowLink { table: lookup.table.clone(), on: lookup.on.clone(), ..RowLink::default() });
                let own = resolve.names(lookup.on.iter().map(|(own, _)| own));
                let theirs = of(&lookup.table, lookup.on.iter().map(|(_, their)| their).chain([&lookup.take]));
                &own | &theirs
            }
            _ => how.source().map_or_else(|| base.clone(), source),
        };
        resolve.features.insert(name.clone(), columns.clone());
        lineage.add(name, columns);
    }
    let label = &of(table, &plan.label_sql.sql().columns()) | &base;
    lineage.add(&plan.label_known_at, base.iter().cloned());
    // Examples for training need a label, and the newest one says up to when there are rows.
    lineage.rows = label.clone();
    lineage.add(&plan.label, label);
    let on = plan.by.iter().map(|name| (name.clone(), name.clone())).collect();
    let before = Some((CUTOFF.to_owned(), plan.time.clone()));
    // Lags and windows take some of the rows before the cutoff.
    lineage.links.push(RowLink { table: table.to_owned(), on, before, partial: true, ..RowLink::default() });
    links.dedup();
    lineage.links.extend(links);
    lineage
}
