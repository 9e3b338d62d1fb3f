//! The rows of another table behind those of this one.

use artifact::{Fate, PolarsResultExt};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Gathered, Reshaped, Reshaping, Work};
use crate::beside::OtherTable;
use crate::given::Given;
use crate::plan::{Moves, Source};

#[derive(Clone, Debug)]
pub(crate) struct Appending {
    pub place: String,
    pub with: OtherTable,
    pub schema: Schema,
}

impl Reshaping for Appending {
    fn name(&self) -> &'static str {
        "union"
    }

    fn parameters(&self) -> Json {
        json!({"with": self.with.to_string()})
    }

    fn moves(&self) -> Moves {
        let column = |name: &PlSmallStr| {
            let of = [Source::Input(name.to_string()), Source::Beside(self.with.clone(), name.to_string())];
            (name.to_string(), of.to_vec())
        };
        Moves { columns: self.schema.iter_names().map(column).collect(), ..Moves::default() }
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, given: &Given) -> Result<Box<dyn Work>> {
        let frame = given.beside(&self.with, &self.place)?.frame.clone();
        let other = artifact::collect(frame, &format!("{}: table '{}'", self.place, self.with))?;
        Ok(Box::new(Together { rows: Gathered::new(&self.schema, &self.place), plan: self.clone(), other }))
    }
}

struct Together {
    plan: Appending,
    other: DataFrame,
    rows: Gathered,
}

impl Together {
    /// Rows with the columns of both tables.
    fn aligned(&self, rows: &DataFrame) -> Result<DataFrame> {
        let columns = self.plan.schema.iter().map(|(name, dtype)| match rows.column(name) {
            Ok(column) => column.clone(),
            Err(_) => Column::full_null(name.clone(), rows.height(), dtype),
        });
        DataFrame::new(rows.height(), columns.collect()).during(&self.plan.place)
    }
}

impl Work for Together {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        let rows = self.aligned(&rows)?;
        self.rows.add(rows)
    }

    fn finish(mut self: Box<Self>) -> Result<Reshaped> {
        let more = self.aligned(&self.other)?;
        let mut reshaped = Reshaped::default();
        reshaped.count(format!("{} with {}", self.plan.place, self.plan.with), Fate::Added, more.height() as u64);
        self.rows.add(more)?;
        reshaped.rows = self.rows.finish();
        Ok(reshaped)
    }
}
