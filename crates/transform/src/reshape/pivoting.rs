//! Columns made of the values of one column.

use artifact::{Fate, PolarsResultExt, REASON};
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

/// What happens to rows whose value does not become a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are refused, and kept aside with the reason.
    #[default]
    Refuse,
    /// They are dropped, and counted; their keys have a row nevertheless.
    Drop,
}

#[derive(Clone, Debug)]
pub(crate) struct Pivoting {
    pub place: String,
    pub by: Vec<String>,
    pub forms: Vec<Form>,
    pub column: String,
    /// Each as written, as a cell of the column, and the name of its new column.
    pub values: Vec<(String, Scalar, String)>,
    pub measure: SqlExpr,
    pub others: Others,
    pub taken: Schema,
    pub keys: Schema,
    pub schema: Schema,
    /// The column with the numbers of the groups, if the rows behind them are recorded.
    pub witness: Option<String>,
}

impl Reshaping for Pivoting {
    fn name(&self) -> &'static str {
        "pivot"
    }

    fn parameters(&self) -> Json {
        let values: serde_json::Map<String, Json> =
            self.values.iter().map(|(value, _, name)| (value.clone(), json!(name))).collect();
        json!({"by": self.by, "column": self.column, "values": values, "measure": self.measure.text(), "others": self.others})
    }

    fn moves(&self) -> Moves {
        let of = || self.measure.columns().into_iter().chain([self.column.clone()]);
        let moves =
            Moves { gathers: true, ..Moves::default() }.by(self.by.iter().cloned().chain([self.column.clone()]));
        self.values.iter().fold(moves, |moves, (_, _, name)| moves.makes(name, of()))
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, given: &Given) -> Result<Box<dyn Work>> {
        let measure = |_: &_| self.measure.grouped(&self.taken, &self.keys, &self.place);
        Ok(Box::new(Widening {
            measures: self.values.iter().map(measure).collect::<Result<_>>()?,
            groups: Groups::new(&self.by, self.forms.clone(), &self.keys, &self.place),
            refused: Gathered::new(&self.taken, &self.place),
            used: 0,
            dropped: 0,
            witness: given.witness.clone().zip(self.witness.clone()),
            plan: self.clone(),
        }))
    }
}

struct Widening {
    witness: Option<(Witness, String)>,
    plan: Pivoting,
    groups: Groups,
    measures: Vec<Grouped>,
    refused: Gathered,
    used: u64,
    dropped: u64,
}

impl Work for Widening {
    fn take(&mut self, mut rows: DataFrame) -> Result<()> {
        let place = self.plan.place.clone();
        let mut hits = self.hits(&rows)?;
        let is_known: Vec<bool> = (0..rows.height()).map(|row| hits.iter().any(|hits| hits[row])).collect();
        let others = is_known.iter().filter(|known| !**known).count() as u64;
        if others > 0 && self.plan.others == Others::Refuse {
            let known = BooleanChunked::from_slice(PlSmallStr::EMPTY, &is_known);
            self.refused.add(rows.filter(&!&known).during(&place)?)?;
            rows = rows.filter(&known).during(&place)?;
            hits = self.hits(&rows)?;
        }
        self.dropped += others;
        self.used += rows.height() as u64 - if self.plan.others == Others::Drop { others } else { 0 };
        let numbers = self.groups.number(&rows)?;
        if let Some((witness, column)) = &self.witness {
            let is_hit: Vec<bool> = (0..rows.height()).map(|row| hits.iter().any(|hits| hits[row])).collect();
            let of_hits = numbers.iter().zip(&is_hit).filter(|(_, hit)| **hit).map(|(number, _)| *number);
            let hit = rows.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &is_hit)).during(&place)?;
            witness.note(column, &hit, &of_hits.collect::<Vec<u32>>()).during(&place)?;
        }
        let count = self.groups.count();
        for (measure, hits) in self.measures.iter_mut().zip(hits) {
            let of_value = rows.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &hits)).during(&place)?;
            let numbers: Vec<u32> =
                numbers.iter().zip(&hits).filter(|(_, hit)| **hit).map(|(number, _)| *number).collect();
            measure.gather(&of_value, &numbers, count)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        let Widening { witness, plan, groups, measures, refused, used, dropped } = *self;
        let count = groups.count();
        let keys = groups.keys(count)?;
        let mut rows = keys.clone();
        for ((.., name), measure) in plan.values.iter().zip(measures) {
            let column = measure.finish(&keys, count)?.with_name(name.as_str().into()).into_column();
            rows.with_column(column).during(&plan.place)?;
        }
        if let Some((_, column)) = witness {
            rows.with_column(numbered(&column, count)).during(&plan.place)?;
        }
        let mut reshaped = Reshaped::default();
        let rule = format!("{} by {}", plan.place, plan.by.join(", "));
        reshaped.balance(&rule, used, count as u64);
        match plan.others {
            Others::Drop => {
                reshaped.count(format!("{rule}, another value of '{}'", plan.column), Fate::Dropped, dropped)
            }
            Others::Refuse if refused.height() > 0 => {
                let mut refused = refused.finish();
                let mut reasons = Vec::with_capacity(refused.height());
                let values = refused.column(&plan.column).during(&plan.place)?.clone();
                for row in 0..refused.height() {
                    let value = match values.get(row).during(&plan.place)? {
                        AnyValue::Null => "an empty cell".to_owned(),
                        value => format!("'{}'", value.str_value()),
                    };
                    reasons.push(format!(
                        "{}: {}: {value} is none of the values that become columns",
                        plan.place, plan.column
                    ));
                }
                refused.with_column(Column::new(REASON.into(), reasons)).during(&plan.place)?;
                reshaped.refused = Some(refused);
            }
            Others::Refuse => {}
        }
        reshaped.rows = rows;
        Ok(reshaped)
    }
}

impl Widening {
    /// For each value: which rows have it.
    fn hits(&self, rows: &DataFrame) -> Result<Vec<Vec<bool>>> {
        let wanted: Vec<Expr> = self
            .plan
            .values
            .iter()
            .enumerate()
            .map(|(at, (_, cell, _))| {
                col(self.plan.column.as_str()).eq_missing(lit(cell.clone())).alias(format!("{at}"))
            })
            .collect();
        let hits = rows.clone().lazy().select(wanted).collect().during(&self.plan.place)?;
        let of = |column: &Column| Ok(column.bool()?.iter().map(|hit| hit == Some(true)).collect());
        hits.columns().iter().map(of).collect::<PolarsResult<_>>().during(&self.plan.place)
    }
}
