//! A number for each different key, in the order of their first rows.

use artifact::PolarsResultExt;
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;
use values::form::Form;

use super::groups::Groups;
use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::plan::Moves;

#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    pub place: String,
    pub column: String,
    pub of: Vec<String>,
    pub forms: Vec<Form>,
    pub keys: Schema,
    pub schema: Schema,
}

impl Reshaping for Numbering {
    fn name(&self) -> &'static str {
        "surrogate_key"
    }

    fn parameters(&self) -> Json {
        json!({"column": self.column, "of": self.of, "method": "number"})
    }

    fn moves(&self) -> Moves {
        Moves { gathers: true, ..Moves::default() }.makes(&self.column, self.of.iter().cloned())
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, _: &Given) -> Result<Box<dyn Work>> {
        let groups = Groups::new(&self.of, self.forms.clone(), &self.keys, &self.place);
        Ok(Box::new(Counting { plan: self.clone(), groups, rows: Gathered::new(&self.schema, &self.place) }))
    }
}

struct Counting {
    plan: Numbering,
    groups: Groups,
    rows: Gathered,
}

impl Work for Counting {
    fn take(&mut self, mut rows: DataFrame) -> Result<()> {
        let filled = self.groups.filled(&rows)?;
        // Keys with an empty cell are not groups, and take no number.
        let whole = rows.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &filled)).during(&self.plan.place)?;
        let mut numbers = self.groups.number(&whole)?.into_iter();
        let number = |filled: &bool| if *filled { numbers.next().map(|number| i64::from(number) + 1) } else { None };
        let numbers: Vec<Option<i64>> = filled.iter().map(number).collect();
        rows.with_column(Column::new(self.plan.column.as_str().into(), numbers)).during(&self.plan.place)?;
        self.rows.add(rows)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        Ok(Reshaped { rows: self.rows.finish(), ..Reshaped::default() })
    }
}
