//! Columns that look at other rows. The rows do not change, but all of them are needed.

use artifact::PolarsResultExt;
use expr::SqlExpr;
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::plan::Moves;

#[derive(Clone, Debug)]
pub(crate) struct Windows {
    pub place: String,
    pub columns: Vec<(String, SqlExpr)>,
    pub taken: Schema,
    pub schema: Schema,
}

impl Reshaping for Windows {
    fn name(&self) -> &'static str {
        "window"
    }

    fn parameters(&self) -> Json {
        let columns = self.columns.iter().map(|(name, sql)| (name.clone(), json!(sql.text())));
        Json::Object(columns.collect())
    }

    fn moves(&self) -> Moves {
        let in_order = Moves { in_order: true, gathers: true, ..Moves::default() };
        self.columns.iter().fold(in_order, |moves, (name, sql)| moves.makes(name, sql.columns()))
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, _: &Given) -> Result<Box<dyn Work>> {
        Ok(Box::new(Looking { rows: Gathered::new(&self.taken, &self.place), plan: self.clone() }))
    }
}

struct Looking {
    plan: Windows,
    rows: Gathered,
}

impl Work for Looking {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        self.rows.add(rows)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        let Looking { plan, rows } = *self;
        let mut rows = rows.finish();
        for (name, sql) in &plan.columns {
            let compiled = sql.compile(rows.schema(), &plan.place)?;
            // Over a single row the engine would make a constant of the window.
            let column =
                rows.clone().lazy().with_column(compiled.expr.alias(name.as_str())).collect().during(&plan.place)?;
            rows.with_column(column.column(name).during(&plan.place)?.clone()).during(&plan.place)?;
        }
        Ok(Reshaped { rows, ..Reshaped::default() })
    }
}
