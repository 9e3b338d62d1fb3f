//! A join that may give more rows than it takes.

use std::sync::Arc;

use artifact::{Fate, PolarsResultExt};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::{Error, Result};

use super::{Gathered, Reshaped, Reshaping, Work};
use crate::given::Given;
use crate::joining::{Joining, Matcher};
use crate::plan::{Moves, Source};

/// A join that gives a row for each match.
#[derive(Clone, Debug)]
pub(crate) struct FanOut {
    pub joining: Joining,
    /// Rows without a match are dropped.
    pub inner: bool,
    /// Rows of the other table that nothing matched are added.
    pub full: bool,
    /// At most one match for each row.
    pub single: bool,
    /// The columns of this table.
    pub taken: Schema,
    pub schema: Schema,
}

impl Reshaping for FanOut {
    fn name(&self) -> &'static str {
        "join"
    }

    fn parameters(&self) -> Json {
        let brought = self.joining.columns.iter().map(|(there, here, _)| (here.clone(), json!(there)));
        let brought: serde_json::Map<String, Json> = brought.collect();
        let how = if self.full {
            "full"
        } else if self.inner {
            "inner"
        } else {
            "left"
        };
        json!({"with": self.joining.to_string(), "how": how, "single": self.single, "columns": brought})
    }

    fn moves(&self) -> Moves {
        let mut moves = Moves::default().joins(&self.joining);
        if self.full {
            // A row that only the other table has brings its key.
            for (here, there) in self.joining.here.iter().zip(&self.joining.there) {
                let of = [Source::Input(here.clone()), Source::Beside(self.joining.with.clone(), there.clone())];
                moves.columns.push((here.clone(), of.to_vec()));
            }
        }
        moves
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, given: &Given) -> Result<Box<dyn Work>> {
        let other = given.beside(&self.joining.with, &self.joining.place)?;
        let matcher = Matcher::new(self.joining.clone(), other)?;
        let used = if self.full { vec![false; matcher.height()] } else { Vec::new() };
        let rows = Gathered::new(&self.schema, &self.joining.place);
        Ok(Box::new(Joined { plan: self.clone(), matcher: Arc::new(matcher), used, rows, added: 0, dropped: 0 }))
    }
}

struct Joined {
    plan: FanOut,
    matcher: Arc<Matcher>,
    /// By row of the other table: whether anything matched it.
    used: Vec<bool>,
    rows: Gathered,
    added: u64,
    dropped: u64,
}

impl Work for Joined {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        let place = self.plan.joining.place.clone();
        let reads = self.plan.joining.reads();
        let keys: Vec<Column> =
            reads.iter().map(|name| rows.column(name).cloned()).collect::<PolarsResult<_>>().during(&place)?;
        let matches = self.matcher.find(&keys, rows.height())?;
        let (mut left, mut right): (Vec<IdxSize>, Vec<Option<IdxSize>>) = Default::default();
        for row in 0..rows.height() {
            let found = matches.of(row);
            if found.len() > 1 && self.plan.single {
                self.matcher.note_several(&keys, row)?;
            }
            if found.is_empty() {
                match self.plan.inner {
                    true => self.dropped += 1,
                    false => {
                        left.push(row as IdxSize);
                        right.push(None);
                    }
                }
                continue;
            }
            self.added += found.len() as u64 - 1;
            for other in found {
                left.push(row as IdxSize);
                right.push(Some(*other));
                if let Some(used) = self.used.get_mut(*other as usize) {
                    *used = true;
                }
            }
        }
        let height = left.len();
        let left = IdxCa::from_vec(PlSmallStr::EMPTY, left);
        let right = IdxCa::from_iter_options(PlSmallStr::EMPTY, right.into_iter());
        let mut columns = rows.take(&left).during(&place)?.into_columns();
        for column in self.matcher.table.columns() {
            columns.push(column.take(&right).during(&place)?);
        }
        self.rows.add(DataFrame::new(height, columns).during(&place)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Reshaped> {
        self.matcher.check_single()?;
        let rule = format!("{} with {}", self.plan.joining.place, self.plan.joining.with);
        let alone: Vec<IdxSize> = self.used.iter().zip(0..).filter(|(used, _)| !**used).map(|(_, row)| row).collect();
        let mut reshaped = Reshaped::default();
        reshaped.count(&rule, Fate::Dropped, self.dropped);
        reshaped.count(&rule, Fate::Added, self.added);
        reshaped.count(format!("{rule}, which had no match"), Fate::Added, alone.len() as u64);
        if !alone.is_empty() {
            let rows = self.alone(alone)?;
            self.rows.add(rows)?;
        }
        reshaped.rows = self.rows.finish();
        Ok(reshaped)
    }
}

impl Joined {
    /// The rows of the other table that nothing matched: with its keys, and empty cells in the other columns of this one.
    fn alone(&self, rows: Vec<IdxSize>) -> Result<DataFrame> {
        let Joining { place, here, there, .. } = &self.plan.joining;
        let height = rows.len();
        let rows = IdxCa::from_vec(PlSmallStr::EMPTY, rows);
        let mut columns = Vec::with_capacity(self.plan.schema.len());
        for (name, dtype) in self.plan.taken.iter() {
            columns.push(match here.iter().position(|key| key == name.as_str()) {
                None => Column::full_null(name.clone(), height, dtype),
                Some(at) => {
                    let key = self.matcher.keys.column(&there[at]).and_then(|key| key.take(&rows)).during(place)?;
                    let fits = key.cast(dtype).during(place)?;
                    // Equal keys may differ in type: a decimal of four digits has values that one of two digits cannot hold.
                    let back = fits.cast(key.dtype()).during(place)?;
                    let (fits_as, key_as) = (back.as_materialized_series(), key.as_materialized_series());
                    let lost = fits_as.not_equal_missing(key_as).during(place)?;
                    if let Some(row) = lost.iter().position(|lost| lost == Some(true)) {
                        let cell = key.get(row).during(place)?.str_value().into_owned();
                        let (with, found) = (&self.plan.joining.with, artifact::type_name(dtype));
                        return Err(Error::refused(format!(
                            "{place}: key {cell} of '{with}' does not fit into column '{name}', which is {found}"
                        ))
                        .hint("cast the column to the type of the other one first"));
                    }
                    fits.with_name(name.clone())
                }
            });
        }
        for column in self.matcher.table.columns() {
            columns.push(column.take(&rows).during(place)?);
        }
        DataFrame::new(height, columns).during(place)
    }
}
