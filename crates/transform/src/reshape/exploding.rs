//! A row for each part of a text or list.

use artifact::{Fate, PolarsResultExt};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::plan::Moves;

#[derive(Clone, Debug)]
pub(crate) struct Exploding {
    pub place: String,
    pub column: String,
    pub separator: Option<String>,
    pub trim: bool,
    pub position: Option<String>,
    pub schema: Schema,
}

impl Reshaping for Exploding {
    fn name(&self) -> &'static str {
        "explode"
    }

    fn parameters(&self) -> Json {
        json!({"column": self.column, "separator": self.separator, "trim": self.trim, "position": self.position})
    }

    fn moves(&self) -> Moves {
        let of = || [self.column.clone()];
        let moves = Moves::default().by(of());
        self.position.iter().fold(moves, |moves, name| moves.makes(name, of()))
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, _: &Given) -> Result<Box<dyn Work>> {
        let rows = Gathered::new(&self.schema, &self.place);
        Ok(Box::new(TakingApart { plan: self.clone(), rows, added: 0 }))
    }
}

struct TakingApart {
    plan: Exploding,
    rows: Gathered,
    added: u64,
}

impl Work for TakingApart {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        let Exploding { place, column, position, .. } = &self.plan;
        let whole = rows.column(column).during(place)?;
        let (parts, counts) = match &self.plan.separator {
            Some(separator) => self.texts(whole.str().during(place)?, separator),
            None => self.lists(whole.list().during(place)?).during(place)?,
        };
        let from =
            counts.iter().enumerate().flat_map(|(row, count)| std::iter::repeat_n(row as IdxSize, (*count).max(1)));
        let from = IdxCa::from_vec(PlSmallStr::EMPTY, from.collect());
        let mut out = rows.take(&from).during(place)?;
        self.added += (out.height() - rows.height()) as u64;
        out.with_column(parts.with_name(column.as_str().into()).into_column()).during(place)?;
        if let Some(position) = position {
            let places = counts.iter().flat_map(|count| match count {
                0 => vec![None],
                count => (1..=*count as i64).map(Some).collect(),
            });
            out.with_column(Column::new(position.as_str().into(), places.collect::<Vec<_>>())).during(place)?;
        }
        self.rows.add(out)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        let mut reshaped = Reshaped::default();
        reshaped.count(self.plan.place.clone(), Fate::Added, self.added);
        reshaped.rows = self.rows.finish();
        Ok(reshaped)
    }
}

impl TakingApart {
    /// The parts of all texts, and how many there are of each; of none one empty cell.
    fn texts(&self, texts: &StringChunked, separator: &str) -> (Series, Vec<usize>) {
        let (mut parts, mut counts): (Vec<Option<&str>>, Vec<usize>) = Default::default();
        for text in texts.iter() {
            let before = parts.len();
            match text {
                None => parts.push(None),
                Some(text) => {
                    let of = text.split(separator);
                    parts.extend(of.map(|part| Some(if self.plan.trim { part.trim() } else { part })));
                }
            }
            counts.push(if text.is_some() { parts.len() - before } else { 0 });
        }
        (StringChunked::from_iter_options(PlSmallStr::EMPTY, parts.into_iter()).into_series(), counts)
    }

    /// The same of lists.
    fn lists(&self, lists: &ListChunked) -> PolarsResult<(Series, Vec<usize>)> {
        let inner = lists.inner_dtype().clone();
        let mut parts = Series::new_empty(PlSmallStr::EMPTY, &inner);
        let mut counts = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            let list = lists.get_as_series(row).filter(|list| !list.is_empty());
            counts.push(list.as_ref().map_or(0, |list| list.len()));
            match list {
                Some(list) => parts.append(&list)?,
                None => parts.append(&Series::full_null(PlSmallStr::EMPTY, 1, &inner))?,
            };
        }
        Ok((parts, counts))
    }
}
