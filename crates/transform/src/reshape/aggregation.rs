//! One row for all rows that have the same keys.

use std::sync::Arc;

use artifact::{FILE, Fate, PolarsResultExt, REASON, ROW};
use expr::{Grouped, SqlExpr};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;
use values::form::Form;

use super::groups::Groups;
use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::plan::Moves;
use crate::witness::{Witness, numbered};

/// What happens to rows whose key is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyKeys {
    /// They are a group, as in SQL.
    #[default]
    Group,
    /// They are dropped, and counted.
    Drop,
    /// They are refused, and kept aside with the reason.
    Refuse,
}

impl EmptyKeys {
    pub fn is_default(&self) -> bool {
        *self == EmptyKeys::Group
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregation {
    pub place: String,
    pub by: Vec<String>,
    /// What these columns are called in books and reasons.
    pub shown: Vec<String>,
    pub forms: Vec<Form>,
    pub measures: Vec<(String, SqlExpr)>,
    pub nulls: EmptyKeys,
    /// The columns of the rows that are taken.
    pub taken: Schema,
    /// Those of `by`.
    pub keys: Schema,
    pub schema: Schema,
    /// The column with the numbers of the groups, if the rows behind them are recorded.
    pub witness: Option<String>,
    /// Columns of the first row of each group that come out besides.
    pub firsts: Schema,
}

impl Aggregation {
    /// The columns of the first row of each group that come out.
    fn kept(&self) -> Schema {
        self.keys.iter().chain(self.firsts.iter()).map(|(name, dtype)| (name.clone(), dtype.clone())).collect()
    }
}

impl Reshaping for Aggregation {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn parameters(&self) -> Json {
        let measures = self.measures.iter().map(|(name, sql)| (name.clone(), json!(sql.text())));
        json!({"by": self.by, "measures": measures.collect::<serde_json::Map<_, _>>(), "nulls": self.nulls})
    }

    fn moves(&self) -> Moves {
        let moves = Moves { gathers: true, ..Moves::default() }.by(self.by.iter().cloned());
        self.measures.iter().fold(moves, |moves, (name, sql)| moves.makes(name, sql.columns()))
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn of_groups(&self) -> Option<(&[String], Arc<dyn Reshaping>)> {
        // Refused rows of a part would have to come behind those of all parts that the pass refused.
        let is_plain = !self.by.is_empty() && self.witness.is_none() && self.nulls != EmptyKeys::Refuse;
        let place = [FILE, ROW].map(|name| Some((PlSmallStr::from_static(name), self.taken.get(name)?.clone())));
        let firsts: Schema = place.into_iter().collect::<Option<_>>().filter(|_| is_plain)?;
        let mut part = Aggregation { firsts, ..self.clone() };
        part.schema = part.kept();
        let measures = self.schema.iter().filter(|(name, _)| !self.keys.contains(name));
        measures.for_each(|(name, dtype)| drop(part.schema.insert(name.clone(), dtype.clone())));
        let part: Arc<dyn Reshaping> = Arc::new(part);
        Some((self.by.as_slice(), part))
    }

    fn begin(&self, given: &Given) -> Result<Box<dyn Work>> {
        let grouped = |(_, sql): &(String, SqlExpr)| sql.grouped(&self.taken, &self.keys, &self.place);
        Ok(Box::new(Aggregating {
            measures: self.measures.iter().map(grouped).collect::<Result<_>>()?,
            groups: Groups::new(&self.by, self.forms.clone(), &self.kept(), &self.place),
            refused: Gathered::new(&self.taken, &self.place),
            taken: 0,
            dropped: 0,
            witness: given.witness.clone().zip(self.witness.clone()),
            plan: self.clone(),
        }))
    }
}

struct Aggregating {
    witness: Option<(Witness, String)>,
    plan: Aggregation,
    groups: Groups,
    measures: Vec<Grouped>,
    refused: Gathered,
    taken: u64,
    dropped: u64,
}

impl Work for Aggregating {
    fn take(&mut self, mut rows: DataFrame) -> Result<()> {
        if self.plan.nulls != EmptyKeys::Group {
            let full = self.groups.filled(&rows)?;
            if full.iter().any(|full| !full) {
                let full = BooleanChunked::from_slice(PlSmallStr::EMPTY, &full);
                if self.plan.nulls == EmptyKeys::Refuse {
                    self.refused.add(rows.filter(&!&full).during(&self.plan.place)?)?;
                }
                let before = rows.height();
                rows = rows.filter(&full).during(&self.plan.place)?;
                self.dropped += (before - rows.height()) as u64;
            }
        }
        self.taken += rows.height() as u64;
        let numbers = self.groups.number(&rows)?;
        if let Some((witness, column)) = &self.witness {
            witness.note(column, &rows, &numbers).during(&self.plan.place)?;
        }
        let count = self.groups.count();
        Grouped::gather_all(&mut self.measures, &rows, &numbers, count)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        let Aggregating { witness, plan, groups, measures, refused, taken, dropped } = *self;
        let mut reshaped = Reshaped::default();
        let by = if plan.by.is_empty() { String::new() } else { format!(" by {}", plan.shown.join(", ")) };
        let rule = format!("{}{by}", plan.place);
        // Without keys there is one group, even of no rows.
        let count = if plan.by.is_empty() { 1 } else { groups.count() };
        let mut rows = groups.keys(count)?;
        let keys = rows.clone();
        for ((name, _), measure) in plan.measures.iter().zip(measures) {
            let column = measure.finish(&keys, count)?.with_name(name.as_str().into()).into_column();
            rows.with_column(column).during(&plan.place)?;
        }
        if let Some((_, column)) = witness {
            rows.with_column(numbered(&column, count)).during(&plan.place)?;
        }
        reshaped.balance(&rule, taken, count as u64);
        match plan.nulls {
            EmptyKeys::Refuse if refused.height() > 0 => {
                let mut refused = refused.finish();
                let reason = format!("{}: a key is empty: one of {}", plan.place, plan.shown.join(", "));
                refused.with_column(Column::new(REASON.into(), vec![reason; refused.height()])).during(&plan.place)?;
                reshaped.refused = Some(refused);
            }
            _ => reshaped.count(format!("{rule}, with an empty key"), Fate::Dropped, dropped),
        }
        reshaped.rows = rows;
        Ok(reshaped)
    }
}
