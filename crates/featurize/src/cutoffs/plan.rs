//! From the spec and the table's schema to a checked plan: which columns are read and what is computed of them.

use std::collections::BTreeSet;

use artifact::PolarsResultExt;
use polars::prelude::{DataType, Expr, LazyFrame, Schema, col, lit};
use serde::{Serialize, Serializer};
use spec::{Error, Result, ResultExt, Span, did_you_mean};

use super::spec::{Attribute, CUTOFF, CutoffSpec, EntityFeature, LabelKind};
use crate::as_of::ByKey;
use crate::clock::Clock;
use crate::known::{Knowledge, known_at_name};
use crate::rows::Open;
use expr::RowExpr;
use values::form::{Form, Kind};

/// At most so many late columns may be read by one condition: it is computed for each way in which they are known.
const MOST_LATE: usize = 4;

/// What is computed of a range of an entity's rows. Numbers point into [`CutoffsPlan::numbers`] or [`CutoffsPlan::words`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Op {
    Count,
    /// 1 where there is no row, else 0.
    None,
    /// 1 where there is a row, else 0.
    Any,
    Distinct(usize),
    Sum(usize),
    Mean(usize),
    Min(usize),
    Max(usize),
    Std(usize),
    /// At a share of the way from the smallest to the largest.
    Quantile(usize, f64),
    /// The share of rows for which a condition holds.
    Share(usize),
    FirstNumber(usize),
    LastNumber(usize),
    FirstWord(usize),
    LastWord(usize),
    MostFrequent(usize),
    Recency,
    Tenure,
    MeanGap,
}

/// An aggregate over the rows in a window for which a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Aggregate {
    pub op: Op,
    /// Into [`CutoffsPlan::windows`].
    pub window: usize,
    /// Into [`CutoffsPlan::conditions`].
    pub condition: Option<usize>,
}

/// How a feature is computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum How {
    Aggregate(Aggregate),
    Sql(RowExpr),
    /// Into [`CutoffsPlan::lookups`].
    Lookup(usize),
}

/// A column that is held as codes of its distinct values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Word {
    pub column: String,
    #[serde(serialize_with = "type_of")]
    pub dtype: DataType,
}

/// A condition that rows may meet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    pub sql: RowExpr,
    /// Whether it reads the columns as they are today, though they changed: the label's does.
    pub is_of_today: bool,
    /// Whether it depends on nothing late, so that it is computed while the table is read.
    pub is_read: bool,
    /// The late columns that it reads, into those of [`CutoffsPlan::known`].
    pub late: Vec<usize>,
}

/// The column that says when a row's label is known, and the late columns that the label reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelKnown {
    pub column: String,
    pub late: Vec<usize>,
    /// Whether it reads a column that changed more than once.
    pub reads_changes: bool,
}

/// A spec that fits its table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CutoffsPlan {
    pub table: String,
    pub entity: String,
    #[serde(serialize_with = "type_of")]
    pub entity_type: DataType,
    pub time: String,
    pub clock: Clock,
    /// What becomes known after a row's time.
    pub known: Knowledge,
    pub active_within: Option<Span>,
    /// Columns held as 64-bit floats.
    pub numbers: Vec<String>,
    pub words: Vec<Word>,
    pub conditions: Vec<Condition>,
    pub lookups: Vec<ByKey>,
    /// `None` is all rows before the cutoff.
    pub windows: Vec<Option<Span>>,
    /// Columns that changed, as they are today: what they are called here, and in the table.
    pub today: Vec<(String, String)>,
    /// Columns that the table does not have: what they are called here, which is the text of their expression.
    pub made: Vec<(String, RowExpr)>,
    pub features: Vec<(String, How)>,
    pub label: (String, Op, Option<usize>),
    pub horizon: Span,
    pub delay: Option<Span>,
    /// How it is known when a row's label is known, if that is not the same for all.
    pub label_known: Option<LabelKnown>,
    #[serde(skip)]
    schema: Schema,
}

impl CutoffsPlan {
    /// Checks `spec` against the table. Unknown columns are named with their nearest neighbour.
    pub fn new(spec: &CutoffSpec, schema: &Schema, open: Open) -> Result<CutoffsPlan> {
        let entity_type = dtype_of(schema, &spec.entity, &format!("table '{}': 'entity'", spec.table))?;
        if !matches!(Kind::of(&entity_type), Some(Kind::Integer | Kind::Text)) {
            return Err(Error::cannot_run(format!(
                "'entity': column '{}' is {}, but an entity is a string, category or integer",
                spec.entity,
                artifact::type_name(&entity_type)
            ))
            .hint("cast it in clean.yaml, or name another column"));
        }
        let time_type = dtype_of(schema, &spec.time, &format!("table '{}': 'time'", spec.table))?;
        let place = format!("table '{}'", spec.table);
        let clock = Clock::of(&time_type, &spec.time, spec.zone)?;
        let known = Knowledge::new(spec.known_at.as_ref(), &spec.known_late, schema, (&spec.time, clock), &place)?;
        if let Some(late) = [&spec.entity, &spec.time].into_iter().find(|column| known.is_late(column)) {
            return Err(Error::cannot_run(format!(
                "'known_late': '{late}' says whose row it is and when, so it must be known at once"
            ))
            .hint("name columns that were filled or changed later, or write known_at for the whole row"));
        }
        if let Some((changed, _)) =
            known.changes.iter().find(|(column, _)| [&spec.entity, &spec.time].contains(&column))
        {
            return Err(Error::cannot_run(format!(
                "'known_late': '{changed}' says whose row it is and when, so it cannot change"
            ))
            .hint("name columns that were filled or changed later"));
        }
        for (column, changes) in &known.changes {
            let table = changes.of.as_str();
            let place = format!("{place}: 'known_late'");
            let theirs = open(table).context(&place)?.collect_schema().during(format!("{place}: table '{table}'"))?;
            changes.fits(column, schema, &theirs, clock, &place)?;
        }
        let mut plan = CutoffsPlan {
            table: spec.table.to_string(),
            entity: spec.entity.clone(),
            entity_type,
            time: spec.time.clone(),
            clock,
            known,
            active_within: spec.entities.active_within,
            numbers: Vec::new(),
            words: Vec::new(),
            conditions: Vec::new(),
            lookups: Vec::new(),
            windows: vec![None],
            today: Vec::new(),
            made: Vec::new(),
            features: Vec::new(),
            label: (spec.label.name.clone(), Op::Count, None),
            horizon: spec.label.horizon,
            delay: spec.label.delay,
            label_known: None,
            schema: schema.clone(),
        };
        if let Some(span) = plan.active_within {
            plan.clock.measures(span, "'entities.active_within'")?;
        }
        for (name, kind) in spec.features.iter() {
            if name == spec.entity || name == spec.label.name {
                return Err(Error::cannot_run(format!("feature '{name}' has the name of the entity or of the label"))
                    .hint("name it otherwise"));
            }
            let how = plan.how(kind, &format!("feature '{name}'"), open)?;
            plan.features.push((name.to_owned(), how));
        }
        let place = format!("label '{}'", spec.label.name);
        if spec.label.name == spec.entity || spec.label.name == CUTOFF {
            return Err(Error::cannot_run(format!("{place} has the name of another column")).hint("name it otherwise"));
        }
        plan.clock.measures(spec.label.horizon, &place)?;
        if let Some(delay) = spec.label.delay {
            plan.clock.measures(delay, &format!("{place}: 'delay'"))?;
        }
        let read = match &spec.label.is {
            LabelKind::Distinct(of)
            | LabelKind::Sum(of)
            | LabelKind::Mean(of)
            | LabelKind::Min(of)
            | LabelKind::Max(of) => {
                plan.make(&of.of, &place)?;
                plan.as_it_is_today(&of.of)
            }
            LabelKind::NoRows | LabelKind::AnyRows | LabelKind::Count => String::new(),
        };
        let op = match &spec.label.is {
            LabelKind::NoRows => Op::None,
            LabelKind::AnyRows => Op::Any,
            LabelKind::Count => Op::Count,
            LabelKind::Distinct(_) => Op::Distinct(plan.word(&read, &place)?),
            LabelKind::Sum(_) => Op::Sum(plan.number(&read, &place)?),
            LabelKind::Mean(_) => Op::Mean(plan.number(&read, &place)?),
            LabelKind::Min(_) => Op::Min(plan.number(&read, &place)?),
            LabelKind::Max(_) => Op::Max(plan.number(&read, &place)?),
        };
        let condition = plan.condition(spec.label.filter.as_ref(), true, &place)?;
        plan.label = (spec.label.name.clone(), op, condition);
        let (late, reads_changes) = (plan.late_of_label(), plan.label_reads_changes());
        if plan.known.rows.is_some() || !late.is_empty() || reads_changes {
            let column = known_at_name(&spec.label.name);
            if column == spec.entity || column == CUTOFF || spec.features.iter().any(|(name, _)| name == column) {
                return Err(Error::cannot_run(format!(
                    "{place}: '{column}' is the name of the column that says when it is known"
                ))
                .hint("give the feature or the label another name"));
            }
            plan.label_known = Some(LabelKnown { column, late, reads_changes });
        }
        Ok(plan)
    }

    /// A column under the name under which it is read as it is today, though it changed.
    fn as_it_is_today(&mut self, column: &str) -> String {
        let is_late = self.known.changed(column).is_some() || self.known.made_of(column).is_some();
        let Some(dtype) = self.schema.get(column).filter(|_| is_late).cloned() else { return column.to_owned() };
        let alias = format!("{column} as it is today");
        self.schema.insert(alias.as_str().into(), dtype);
        index(&mut self.today, (alias.clone(), column.to_owned()));
        alias
    }

    /// The column of the table that is read under a name.
    pub fn column<'a>(&'a self, name: &'a str) -> &'a str {
        self.today.iter().find(|(alias, _)| alias == name).map_or(name, |(_, column)| column)
    }

    fn label_reads_changes(&self) -> bool {
        let mut conditions = self.label.2.iter().flat_map(|i| self.conditions[*i].sql.sql().columns());
        !self.today.is_empty() || conditions.any(|column| self.known.changed(&column).is_some())
    }

    /// The late columns that the label reads.
    fn late_of_label(&self) -> Vec<usize> {
        let (_, op, condition) = &self.label;
        let column = match op {
            Op::Distinct(i) => Some(&self.words[*i].column),
            Op::Sum(i) | Op::Mean(i) | Op::Min(i) | Op::Max(i) => Some(&self.numbers[*i]),
            _ => None,
        };
        let mut late: Vec<usize> = column.and_then(|column| self.late(column)).into_iter().collect();
        late.extend(condition.iter().flat_map(|i| &self.conditions[*i].late));
        late.sort_unstable();
        late.dedup();
        late
    }

    fn how(&mut self, kind: &EntityFeature, place: &str, open: Open) -> Result<How> {
        let (op, window, filter) = match kind {
            EntityFeature::Count(rows) => (Op::Count, rows.window, rows.filter.as_ref()),
            EntityFeature::Recency(rows) => (Op::Recency, rows.window, rows.filter.as_ref()),
            EntityFeature::Tenure(rows) => (Op::Tenure, rows.window, rows.filter.as_ref()),
            EntityFeature::MeanGap(rows) => (Op::MeanGap, rows.window, rows.filter.as_ref()),
            EntityFeature::Distinct(of) => (Op::Distinct(self.word(&of.of, place)?), of.window, of.filter.as_ref()),
            EntityFeature::Sum(of) => (Op::Sum(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            EntityFeature::Mean(of) => (Op::Mean(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            EntityFeature::Min(of) => (Op::Min(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            EntityFeature::Max(of) => (Op::Max(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            EntityFeature::Std(of) => (Op::Std(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            EntityFeature::Median(of) => {
                (Op::Quantile(self.number(&of.of, place)?, 0.5), of.window, of.filter.as_ref())
            }
            EntityFeature::Quantile(of) => {
                (Op::Quantile(self.number(&of.of, place)?, of.q.0), of.window, of.filter.as_ref())
            }
            EntityFeature::MostFrequent(of) => {
                (Op::MostFrequent(self.word(&of.of, place)?), of.window, of.filter.as_ref())
            }
            EntityFeature::First(of) | EntityFeature::Last(of) => {
                let first = matches!(kind, EntityFeature::First(_));
                self.make(&of.of, place)?;
                let numeric = dtype_of(&self.schema, &of.of, place)?.is_primitive_numeric();
                let op = match (numeric, first) {
                    (true, true) => Op::FirstNumber(self.number(&of.of, place)?),
                    (true, false) => Op::LastNumber(self.number(&of.of, place)?),
                    (false, true) => Op::FirstWord(self.word(&of.of, place)?),
                    (false, false) => Op::LastWord(self.word(&of.of, place)?),
                };
                (op, of.window, of.filter.as_ref())
            }
            EntityFeature::Share(share) => {
                let index = self.condition(Some(&share.filter), false, place)?;
                (Op::Share(index.unwrap_or_default()), share.window, None)
            }
            EntityFeature::Sql(sql) => return Ok(How::Sql(sql.is.clone())),
            EntityFeature::Lookup(attribute) => return self.lookup(attribute, place, open),
        };
        if let Some(span) = window {
            self.clock.measures(span, place)?;
        }
        let condition = self.condition(filter, false, place)?;
        Ok(How::Aggregate(Aggregate { op, window: index(&mut self.windows, window), condition }))
    }

    fn lookup(&mut self, attribute: &Attribute, place: &str, open: Open) -> Result<How> {
        let table = attribute.of.to_string();
        let (feature, place) = (place, format!("{place}: table '{table}'"));
        let schema = open(&table).context(&place)?.collect_schema().during(&place)?;
        let their = attribute.theirs.clone().unwrap_or_else(|| self.entity.clone());
        let dtype = dtype_of(&schema, &their, &place)?;
        if Form::of_both(&self.entity_type, &dtype).is_none() {
            return Err(Error::cannot_run(format!(
                "{place}: '{their}' is {}, but the entity '{}' is {}",
                values::form::kind_name(&dtype),
                self.entity,
                values::form::kind_name(&self.entity_type)
            ))
            .hint("cast one of them in clean.yaml"));
        }
        let dtype = dtype_of(&schema, &attribute.take, &place)?;
        if Kind::of(&dtype).is_none() {
            let is = artifact::type_name(&dtype);
            return Err(Error::cannot_run(format!("{place}: '{}' is {is}", attribute.take))
                .hint("take a column of plain values"));
        }
        let mut known = attribute.known_at.clone();
        if table == self.table {
            // What holds for the events holds for them here, too.
            known = known.or_else(|| self.known.rows.clone());
            let read = [Some(&attribute.take), attribute.time.as_ref()].into_iter().flatten();
            if let Some(late) = read.into_iter().find(|column| self.known.is_late(column)) {
                return Err(Error::cannot_run(format!("{place}: '{late}' is known late"))
                    .hint(format!("use an aggregate, such as {{last: {{of: {late}}}}}")));
            }
        }
        let by_key = ByKey {
            table,
            on: vec![(self.entity.clone(), their)],
            take: attribute.take.clone(),
            time: attribute.time.clone(),
            known,
        };
        by_key.fits(&schema, self.clock, feature)?;
        self.lookups.push(by_key);
        Ok(How::Lookup(self.lookups.len() - 1))
    }

    /// Where `of` is an expression over the columns of the table, it becomes a column here.
    ///
    /// Errors (cannot run): an expression that cannot be read, or one over columns that become known late or change: it would be
    /// another one at each cutoff.
    fn make(&mut self, of: &str, place: &str) -> Result<()> {
        if self.schema.contains(of) {
            return Ok(());
        }
        let unknown = || dtype_of(&self.schema, of, place).map(drop);
        let sql = match RowExpr::new(of) {
            Ok(sql) => sql,
            Err(error) if of.contains(['(', ')', '+', '*', '/', '<', '>', '=']) => return Err(error.context(place)),
            Err(_) => return unknown(),
        };
        let columns = sql.sql().columns();
        if columns.first().is_some_and(|column| column == of) {
            return unknown();
        }
        self.known.can_be_read(&columns, place)?;
        for column in &columns {
            dtype_of(&self.schema, column, place)?;
            if self.known.is_late(column) || self.known.changed(column).is_some() {
                return Err(Error::cannot_run(format!("{place}: '{of}' reads '{column}', which is known late"))
                    .hint("compute with it in clean.yaml, and name the new column in 'known_late', too"));
            }
        }
        let dtype = sql.sql().compile(&self.schema, place)?.dtype;
        self.schema.insert(of.into(), dtype);
        self.made.push((of.to_owned(), sql));
        Ok(())
    }

    /// The columns of the table behind a name: those of the expression, if it is one.
    pub fn columns_behind(&self, name: &str) -> Vec<String> {
        match self.made.iter().find(|(made, _)| made == name) {
            Some((_, sql)) => sql.sql().columns(),
            None => vec![self.column(name).to_owned()],
        }
    }

    fn number(&mut self, column: &str, place: &str) -> Result<usize> {
        self.make(column, place)?;
        self.known.can_be_read([&column.to_owned()], place)?;
        let dtype = dtype_of(&self.schema, column, place)?;
        if !(dtype.is_numeric() || dtype.is_bool() || dtype == DataType::Null) {
            return Err(Error::cannot_run(format!(
                "{place}: column '{column}' is {}, which cannot be computed with",
                artifact::type_name(&dtype)
            ))
            .hint("name a column of numbers, or use distinct, first, last or most_frequent"));
        }
        Ok(index(&mut self.numbers, column.to_owned()))
    }

    fn word(&mut self, column: &str, place: &str) -> Result<usize> {
        self.make(column, place)?;
        self.known.can_be_read([&column.to_owned()], place)?;
        let dtype = dtype_of(&self.schema, column, place)?;
        if Kind::of(&dtype).is_none() {
            return Err(Error::cannot_run(format!("{place}: column '{column}' is {}", artifact::type_name(&dtype)))
                .hint("name a column of plain values"));
        }
        match self.words.iter().position(|word| word.column == column) {
            Some(known) => Ok(known),
            None => {
                self.words.push(Word { column: column.to_owned(), dtype });
                Ok(self.words.len() - 1)
            }
        }
    }

    fn condition(&mut self, filter: Option<&RowExpr>, is_of_today: bool, place: &str) -> Result<Option<usize>> {
        let Some(filter) = filter else { return Ok(None) };
        if !is_of_today {
            self.known.can_be_read(&filter.sql().columns(), place)?;
        }
        for column in filter.sql().columns() {
            dtype_of(&self.schema, &column, &format!("{place}: where"))?;
        }
        let late: Vec<usize> = filter.sql().columns().iter().filter_map(|column| self.late(column)).collect();
        if late.len() > MOST_LATE {
            return Err(Error::cannot_run(format!(
                "{place}: where: reads {} columns that are known late, more than {MOST_LATE}",
                late.len()
            ))
            .hint("derive one column of them in clean.yaml"));
        }
        let changed = filter.sql().columns().iter().any(|column| self.known.changed(column).is_some());
        let is_of_today = is_of_today && changed;
        let is_read = late.is_empty() && (is_of_today || !changed);
        Ok(Some(index(&mut self.conditions, Condition { sql: filter.clone(), is_of_today, is_read, late })))
    }

    /// The number of a late column among those of [`CutoffsPlan::known`].
    pub fn late(&self, column: &str) -> Option<usize> {
        self.known.columns.iter().position(|(late, _)| late == column)
    }

    /// The columns of the table.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns of the table that are read, each once.
    pub fn needed(&self) -> Vec<String> {
        let mut needed = vec![self.entity.clone(), self.time.clone()];
        needed.extend(self.numbers.iter().cloned().chain(self.words.iter().map(|word| word.column.clone())));
        needed.retain(|name| self.made.iter().all(|(made, _)| made != name));
        needed.extend(self.made.iter().flat_map(|(_, sql)| sql.sql().columns()));
        // Of a condition that reads late columns, the columns: it is computed in several ways.
        let late = self.conditions.iter().filter(|condition| !condition.is_read);
        needed.extend(late.flat_map(|condition| condition.sql.sql().columns()));
        needed.extend(self.known.moments().map(str::to_owned));
        needed.extend(self.known.changes.iter().flat_map(|(_, changes)| changes.pairs()).map(|(own, _)| own));
        needed.retain(|name| self.column(name) == name);
        let mut seen = BTreeSet::new();
        needed.retain(|name| seen.insert(name.clone()));
        needed
    }

    /// The columns of the table without which its rows cannot be read, each once: what [`Plan::read`] looks at.
    pub fn reads(&self) -> BTreeSet<String> {
        let conditions = self.conditions.iter().filter(|condition| condition.is_read);
        let today = self.today.iter().map(|(_, column)| column.clone());
        self.needed()
            .into_iter()
            .chain(today)
            .chain(conditions.flat_map(|condition| condition.sql.sql().columns()))
            .collect()
    }

    /// The columns that are read, and the conditions that depend on nothing late.
    pub fn read(&self, input: LazyFrame) -> Result<LazyFrame> {
        let mut columns: Vec<Expr> = self.needed().iter().map(|name| col(name.as_str())).collect();
        columns.extend(self.today.iter().map(|(alias, column)| col(column.as_str()).alias(alias.as_str())));
        for (i, condition) in self.conditions.iter().enumerate().filter(|(_, condition)| condition.is_read) {
            let value = condition.sql.sql().compile(&self.schema, &format!("table '{}': where", self.table))?;
            columns.push(value.expr.fill_null(lit(false)).alias(condition_name(i)));
        }
        Ok(input.select(columns))
    }

    /// Rows read per feature, for the data dictionary: the source columns of each.
    pub fn sources(&self, how: &How) -> Vec<String> {
        let mut columns = match how {
            How::Sql(sql) => return sql.sql().columns(),
            How::Lookup(i) => {
                let (table, theirs) = (&self.lookups[*i].table, self.lookups[*i].theirs());
                return theirs.iter().map(|column| format!("{table}.{column}")).collect();
            }
            How::Aggregate(aggregate) => self.columns_of(aggregate.op),
        };
        let How::Aggregate(aggregate) = how else { return columns };
        for column in aggregate.condition.iter().flat_map(|i| self.conditions[*i].sql.sql().columns()) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// Whether something counts the distinct values of a column of words.
    pub fn counts_values(&self, column: &str) -> bool {
        let of_features = self.features.iter().filter_map(|(_, how)| match how {
            How::Aggregate(of) => Some(of.op),
            How::Sql(_) | How::Lookup(_) => None,
        });
        of_features.chain([self.label.1]).any(|op| match op {
            Op::Distinct(i) | Op::MostFrequent(i) => self.words[i].column == column,
            _ => false,
        })
    }

    fn columns_of(&self, op: Op) -> Vec<String> {
        match op {
            Op::Count | Op::None | Op::Any | Op::Recency | Op::Tenure | Op::MeanGap => vec![self.time.clone()],
            Op::Share(i) => self.conditions[i].sql.sql().columns(),
            Op::Sum(i) | Op::Mean(i) | Op::Min(i) | Op::Max(i) | Op::Std(i) => self.columns_behind(&self.numbers[i]),
            Op::Quantile(i, _) | Op::FirstNumber(i) | Op::LastNumber(i) => self.columns_behind(&self.numbers[i]),
            Op::Distinct(i) | Op::FirstWord(i) | Op::LastWord(i) | Op::MostFrequent(i) => {
                self.columns_behind(&self.words[i].column)
            }
        }
    }
}

/// What a computed condition is called; no table has such a column.
pub fn condition_name(i: usize) -> String {
    format!("condition {i} of the plan")
}

fn index<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    match list.iter().position(|known| *known == item) {
        Some(known) => known,
        None => {
            list.push(item);
            list.len() - 1
        }
    }
}

pub fn dtype_of(schema: &Schema, column: &str, place: &str) -> Result<DataType> {
    schema.get(column).cloned().ok_or_else(|| {
        let names = schema.iter_names().map(|name| name.as_str());
        Error::cannot_run(format!("{place}: unknown column '{column}'")).hint(did_you_mean(column, names))
    })
}

/// A type as people know it.
pub fn type_of<S: Serializer>(dtype: &DataType, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&artifact::type_name(dtype))
}
