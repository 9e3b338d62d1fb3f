//! Rows in another order, or only the first of them.

use artifact::{Fate, PolarsResultExt};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::plan::Moves;

#[derive(Clone, Debug)]
pub(crate) struct Sorting {
    pub place: String,
    /// Columns, whether they fall, and whether empty cells come first.
    pub by: Vec<(String, bool, bool)>,
    pub limit: Option<u64>,
    pub schema: Schema,
}

impl Reshaping for Sorting {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn parameters(&self) -> Json {
        let by = self
            .by
            .iter()
            .map(|(column, falls, nulls_first)| json!({"column": column, "falls": falls, "nulls_first": nulls_first}));
        json!({"by": by.collect::<Vec<_>>(), "limit": self.limit})
    }

    fn moves(&self) -> Moves {
        Moves::default().by(self.by.iter().map(|(column, ..)| column.clone()))
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, _: &Given) -> Result<Box<dyn Work>> {
        Ok(Box::new(Ordering { plan: self.clone(), rows: Gathered::new(&self.schema, &self.place) }))
    }
}

struct Ordering {
    plan: Sorting,
    rows: Gathered,
}

impl Work for Ordering {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        self.rows.add(rows)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        let Ordering { plan, rows } = *self;
        let mut rows = rows.finish();
        if !plan.by.is_empty() {
            let options = SortMultipleOptions::default()
                .with_order_descending_multi(plan.by.iter().map(|(_, falls, _)| *falls))
                .with_nulls_last_multi(plan.by.iter().map(|(.., nulls_first)| !nulls_first))
                .with_maintain_order(true);
            let by: Vec<PlSmallStr> = plan.by.iter().map(|(column, ..)| column.as_str().into()).collect();
            rows = rows.sort(by, options).during(&plan.place)?;
        }
        let mut reshaped = Reshaped::default();
        if let Some(limit) = plan.limit {
            let kept = rows.height().min(usize::try_from(limit).unwrap_or(usize::MAX));
            reshaped.count(format!("{} LIMIT {limit}", plan.place), Fate::Dropped, (rows.height() - kept) as u64);
            rows = rows.head(Some(kept));
        }
        reshaped.rows = rows;
        Ok(reshaped)
    }
}
