//! A row for each of several columns.

use artifact::{Fate, PolarsResultExt};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::plan::Moves;

#[derive(Clone, Debug)]
pub(crate) struct Unpivoting {
    pub place: String,
    /// The columns, and the texts that stand for them.
    pub columns: Vec<(String, String)>,
    pub name: String,
    pub value: String,
    pub keep_null: bool,
    /// The columns that are repeated.
    pub kept: Schema,
    pub schema: Schema,
}

impl Reshaping for Unpivoting {
    fn name(&self) -> &'static str {
        "unpivot"
    }

    fn parameters(&self) -> Json {
        let columns: serde_json::Map<String, Json> =
            self.columns.iter().map(|(column, text)| (column.clone(), json!(text))).collect();
        json!({"columns": columns, "name": self.name, "value": self.value, "keep_null": self.keep_null})
    }

    fn moves(&self) -> Moves {
        let of = || self.columns.iter().map(|(column, _)| column.clone());
        let moves = Moves::default().makes(&self.name, []).makes(&self.value, of());
        if self.keep_null { moves } else { moves.by(of()) }
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, _: &Given) -> Result<Box<dyn Work>> {
        let rows = Gathered::new(&self.schema, &self.place);
        Ok(Box::new(Lengthening { plan: self.clone(), rows, books: Reshaped::default() }))
    }
}

struct Lengthening {
    plan: Unpivoting,
    rows: Gathered,
    books: Reshaped,
}

impl Work for Lengthening {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        let Unpivoting { place, columns, keep_null, kept, name, value, .. } = &self.plan;
        let values: Vec<Column> = columns
            .iter()
            .map(|(column, _)| rows.column(column).cloned())
            .collect::<PolarsResult<_>>()
            .during(place)?;
        // NaN is no value either.
        let has_value = |column: &Column| match column.dtype().is_float() {
            true => Ok(column.is_not_null() & column.is_not_nan()?),
            false => Ok(column.is_not_null()),
        };
        let filled = values.iter().map(has_value).collect::<PolarsResult<Vec<BooleanChunked>>>().during(place)?;
        let (height, mut from, mut at, mut names) = (rows.height(), Vec::new(), Vec::new(), Vec::new());
        let (mut added, mut dropped) = (0, 0);
        for row in 0..height {
            let before = from.len();
            for (which, filled) in filled.iter().enumerate() {
                if *keep_null || filled.get(row) == Some(true) {
                    from.push(row as IdxSize);
                    at.push((which * height + row) as IdxSize);
                    names.push(columns[which].1.as_str());
                }
            }
            match (from.len() - before) as u64 {
                0 => dropped += 1,
                made => added += made - 1,
            }
        }
        let repeated = rows.select(kept.iter_names().cloned()).during(place)?;
        let made = from.len();
        let mut out = repeated.take(&IdxCa::from_vec(PlSmallStr::EMPTY, from)).during(place)?.into_columns();
        out.push(Column::new(name.as_str().into(), names).cast(&DataType::String).during(place)?);
        // One column under the other, so that a place in it is column and row.
        let mut all = values[0].clone();
        for more in &values[1..] {
            all.append(more).during(place)?;
        }
        let all = all.take(&IdxCa::from_vec(PlSmallStr::EMPTY, at)).during(place)?;
        out.push(all.with_name(value.as_str().into()));
        self.books.count(place.clone(), Fate::Added, added);
        self.books.count(format!("{place}, without a value"), Fate::Dropped, dropped);
        self.rows.add(DataFrame::new(made, out).during(place)?)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        Ok(Reshaped { rows: self.rows.finish(), ..self.books })
    }
}
