//! From the spec and the table's schema to a checked plan: which columns are read and what is computed of them.

use polars::prelude::{DataType, Expr, LazyFrame, Schema, col, lit};
use spec::{Error, Result, Span, did_you_mean};

use super::calendar::Clock;
use super::spec::{CUTOFF, CutoffSpec, FeatureKind, LabelKind};
use crate::RowExpr;

/// What is computed of a range of an entity's rows. Numbers point into [`Plan::numbers`] or [`Plan::words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug)]
pub struct Aggregate {
    pub op: Op,
    /// Into [`Plan::windows`].
    pub window: usize,
    /// Into [`Plan::conditions`].
    pub condition: Option<usize>,
}

/// How a feature is computed.
#[derive(Clone, Debug)]
pub enum How {
    Aggregate(Aggregate),
    Sql(RowExpr),
}

/// A column that is held as codes of its distinct values.
#[derive(Clone, Debug)]
pub struct Word {
    pub column: String,
    pub dtype: DataType,
}

/// A spec that fits its table.
#[derive(Clone, Debug)]
pub struct Plan {
    pub table: String,
    pub entity: String,
    pub entity_type: DataType,
    pub time: String,
    pub clock: Clock,
    pub active_within: Option<Span>,
    /// Columns held as 64-bit floats.
    pub numbers: Vec<String>,
    pub words: Vec<Word>,
    pub conditions: Vec<RowExpr>,
    /// `None` is all rows before the cutoff.
    pub windows: Vec<Option<Span>>,
    pub features: Vec<(String, How)>,
    pub label: (String, Op, Option<usize>),
    pub horizon: Span,
    schema: Schema,
}

impl Plan {
    /// Checks `spec` against the table. Unknown columns are named with their nearest neighbour.
    pub fn new(spec: &CutoffSpec, schema: &Schema) -> Result<Plan> {
        let entity_type = dtype_of(schema, &spec.entity, &format!("table '{}': 'entity'", spec.table))?;
        if !(entity_type.is_integer() || is_text(&entity_type)) {
            return Err(Error::cannot_run(format!(
                "'entity': column '{}' is {}, but an entity is a string, category or integer",
                spec.entity,
                artifact::type_name(&entity_type)
            ))
            .hint("cast it in clean.yaml, or name another column"));
        }
        let time_type = dtype_of(schema, &spec.time, &format!("table '{}': 'time'", spec.table))?;
        let mut plan = Plan {
            table: spec.table.to_string(),
            entity: spec.entity.clone(),
            entity_type,
            time: spec.time.clone(),
            clock: Clock::of(&time_type, &spec.time)?,
            active_within: spec.entities.active_within,
            numbers: Vec::new(),
            words: Vec::new(),
            conditions: Vec::new(),
            windows: vec![None],
            features: Vec::new(),
            label: (spec.label.name.clone(), Op::Count, None),
            horizon: spec.label.horizon,
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
            let how = plan.how(kind, &format!("feature '{name}'"))?;
            plan.features.push((name.to_owned(), how));
        }
        let place = format!("label '{}'", spec.label.name);
        if spec.label.name == spec.entity || spec.label.name == CUTOFF {
            return Err(Error::cannot_run(format!("{place} has the name of another column")).hint("name it otherwise"));
        }
        plan.clock.measures(spec.label.horizon, &place)?;
        let op = match &spec.label.is {
            LabelKind::NoRows => Op::None,
            LabelKind::AnyRows => Op::Any,
            LabelKind::Count => Op::Count,
            LabelKind::Distinct(of) => Op::Distinct(plan.word(&of.of, &place)?),
            LabelKind::Sum(of) => Op::Sum(plan.number(&of.of, &place)?),
            LabelKind::Mean(of) => Op::Mean(plan.number(&of.of, &place)?),
            LabelKind::Min(of) => Op::Min(plan.number(&of.of, &place)?),
            LabelKind::Max(of) => Op::Max(plan.number(&of.of, &place)?),
        };
        let condition = plan.condition(spec.label.filter.as_ref(), &place)?;
        plan.label = (spec.label.name.clone(), op, condition);
        Ok(plan)
    }

    fn how(&mut self, kind: &FeatureKind, place: &str) -> Result<How> {
        let (op, window, filter) = match kind {
            FeatureKind::Count(rows) => (Op::Count, rows.window, rows.filter.as_ref()),
            FeatureKind::Recency(rows) => (Op::Recency, rows.window, rows.filter.as_ref()),
            FeatureKind::Tenure(rows) => (Op::Tenure, rows.window, rows.filter.as_ref()),
            FeatureKind::MeanGap(rows) => (Op::MeanGap, rows.window, rows.filter.as_ref()),
            FeatureKind::Distinct(of) => (Op::Distinct(self.word(&of.of, place)?), of.window, of.filter.as_ref()),
            FeatureKind::Sum(of) => (Op::Sum(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            FeatureKind::Mean(of) => (Op::Mean(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            FeatureKind::Min(of) => (Op::Min(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            FeatureKind::Max(of) => (Op::Max(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            FeatureKind::Std(of) => (Op::Std(self.number(&of.of, place)?), of.window, of.filter.as_ref()),
            FeatureKind::MostFrequent(of) => {
                (Op::MostFrequent(self.word(&of.of, place)?), of.window, of.filter.as_ref())
            }
            FeatureKind::First(of) | FeatureKind::Last(of) => {
                let first = matches!(kind, FeatureKind::First(_));
                let numeric = dtype_of(&self.schema, &of.of, place)?.is_primitive_numeric();
                let op = match (numeric, first) {
                    (true, true) => Op::FirstNumber(self.number(&of.of, place)?),
                    (true, false) => Op::LastNumber(self.number(&of.of, place)?),
                    (false, true) => Op::FirstWord(self.word(&of.of, place)?),
                    (false, false) => Op::LastWord(self.word(&of.of, place)?),
                };
                (op, of.window, of.filter.as_ref())
            }
            FeatureKind::Share(share) => {
                let index = self.condition(Some(&share.filter), place)?;
                (Op::Share(index.unwrap_or_default()), share.window, None)
            }
            FeatureKind::Sql(sql) => return Ok(How::Sql(sql.is.clone())),
        };
        if let Some(span) = window {
            self.clock.measures(span, place)?;
        }
        let condition = self.condition(filter, place)?;
        Ok(How::Aggregate(Aggregate { op, window: index(&mut self.windows, window), condition }))
    }

    fn number(&mut self, column: &str, place: &str) -> Result<usize> {
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
        let dtype = dtype_of(&self.schema, column, place)?;
        if dtype.is_nested() {
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

    fn condition(&mut self, filter: Option<&RowExpr>, place: &str) -> Result<Option<usize>> {
        let Some(filter) = filter else { return Ok(None) };
        for column in filter.sql().columns() {
            dtype_of(&self.schema, &column, &format!("{place}: where"))?;
        }
        Ok(Some(index(&mut self.conditions, filter.clone())))
    }

    /// The columns that are read, in the order entity, time, numbers, words, conditions, each under a name
    /// that no table has.
    pub fn read(&self, input: LazyFrame) -> Result<LazyFrame> {
        let entity = if is_text(&self.entity_type) { DataType::String } else { DataType::Int64 };
        let mut columns: Vec<Expr> =
            vec![col(self.entity.as_str()).strict_cast(entity).alias("e"), col(self.time.as_str()).alias("t")];
        for (i, name) in self.numbers.iter().enumerate() {
            columns.push(col(name.as_str()).cast(DataType::Float64).alias(format!("n{i}")));
        }
        for (i, word) in self.words.iter().enumerate() {
            columns.push(held_as(&word.dtype, col(word.column.as_str())).alias(format!("w{i}")));
        }
        for (i, condition) in self.conditions.iter().enumerate() {
            let value = condition.sql().compile(&self.schema, &format!("table '{}': where", self.table))?;
            columns.push(value.expr.fill_null(lit(false)).alias(format!("c{i}")));
        }
        Ok(input.select(columns))
    }

    /// Rows read per feature, for the data dictionary: the source columns of each.
    pub fn sources(&self, how: &How) -> Vec<String> {
        let mut columns = match how {
            How::Sql(sql) => return sql.sql().columns(),
            How::Aggregate(aggregate) => self.columns_of(aggregate.op),
        };
        let How::Aggregate(aggregate) = how else { return columns };
        for column in aggregate.condition.iter().flat_map(|i| self.conditions[*i].sql().columns()) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    fn columns_of(&self, op: Op) -> Vec<String> {
        match op {
            Op::Count | Op::None | Op::Any | Op::Recency | Op::Tenure | Op::MeanGap => vec![self.time.clone()],
            Op::Share(i) => self.conditions[i].sql().columns(),
            Op::Sum(i) | Op::Mean(i) | Op::Min(i) | Op::Max(i) | Op::Std(i) => vec![self.numbers[i].clone()],
            Op::FirstNumber(i) | Op::LastNumber(i) => vec![self.numbers[i].clone()],
            Op::Distinct(i) | Op::FirstWord(i) | Op::LastWord(i) | Op::MostFrequent(i) => {
                vec![self.words[i].column.clone()]
            }
        }
    }
}

pub fn is_text(dtype: &DataType) -> bool {
    dtype.is_string() || dtype.is_categorical() || dtype.is_enum()
}

/// Texts stay texts, floats floats, everything else becomes the integer that stands for it.
pub fn held_as(dtype: &DataType, column: Expr) -> Expr {
    match dtype {
        dtype if is_text(dtype) || *dtype == DataType::Null => column.cast(DataType::String),
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) => column.cast(DataType::Float64),
        _ => column.to_physical().cast(DataType::Int64),
    }
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

fn dtype_of(schema: &Schema, column: &str, place: &str) -> Result<DataType> {
    schema.get(column).cloned().ok_or_else(|| {
        let names = schema.iter_names().map(|name| name.as_str());
        Error::cannot_run(format!("{place}: unknown column '{column}'")).hint(did_you_mean(column, names))
    })
}
