//! Features of single entities or rows as of now, for servers that answer requests.

use chrono::{DateTime, NaiveDate, Utc};
use polars::prelude::{DataFrame, SchemaRef};
use spec::{Error, Result, did_you_mean};

use super::rows;
use super::rows::Open;
use super::shape::FeaturesSpec;
use crate::cutoffs::table::{Keyed, OfKeys};

/// All that features look at, read, sorted and indexed once. Nothing in it changes while it is asked: many threads may
/// share it. It answers by the code that computes whole tables, with the same values to the last digit.
pub struct Prepared(Shape);

enum Shape {
    Keys(Box<Keyed>),
    Rows(Box<rows::Prepared>),
}

impl Prepared {
    /// Reads the tables that `open` opens by name, as they are now. `today` is the day of the run: rows dated after it do not
    /// move the newest cutoff.
    ///
    /// Errors: as [`build`](super::build).
    pub fn open(spec: &FeaturesSpec, open: Open, today: NaiveDate) -> Result<Prepared> {
        Ok(Prepared(match spec {
            FeaturesSpec::Cutoffs(spec) => Shape::Keys(Box::new(Keyed::read(spec, open, today)?)),
            FeaturesSpec::Rows(spec) => Shape::Rows(Box::new(rows::Prepared::open(spec, open)?)),
            FeaturesSpec::Series(_) => {
                return Err(Error::cannot_run("features of series are computed for whole tables only")
                    .hint("run `bin/features` and `bin/predict`, and ask for their results"));
            }
        }))
    }

    /// Whether it is asked with rows ([`Prepared::for_rows`]) or with keys ([`Prepared::for_keys`]).
    pub fn is_of_rows(&self) -> bool {
        matches!(self.0, Shape::Rows(_))
    }

    /// The columns to ask with, and their types: the entity; or all columns that features read of the row itself, the time
    /// and the key.
    pub fn inputs(&self) -> &SchemaRef {
        match &self.0 {
            Shape::Keys(keyed) => keyed.inputs(),
            Shape::Rows(rows) => rows.inputs(),
        }
    }

    /// The columns of an answer, and their types.
    pub fn outputs(&self) -> &SchemaRef {
        match &self.0 {
            Shape::Keys(keyed) => keyed.outputs(),
            Shape::Rows(rows) => rows.outputs(),
        }
    }

    /// The cutoff as of which keys are answered unless another is named; none where rows are requested.
    pub fn newest(&self) -> Option<NaiveDate> {
        match &self.0 {
            Shape::Keys(keyed) => Some(keyed.newest()),
            Shape::Rows(_) => None,
        }
    }

    /// Entity, cutoff and features of the entities in `keys`, as of `cutoff` (default: the newest one).
    ///
    /// Errors (cannot run): the column of the entity is missing or of another kind; a cutoff after the newest.
    pub fn for_keys(&self, keys: &DataFrame, cutoff: Option<NaiveDate>) -> Result<OfKeys> {
        let Shape::Keys(keyed) = &self.0 else {
            return Err(Error::cannot_run("each row is an example here, so a key alone has no features")
                .hint("ask with the columns of a row"));
        };
        let (entity, _) = keyed.inputs().get_at_index(0).ok_or_else(|| Error::cannot_run("no entity"))?;
        let Ok(column) = keys.column(entity) else {
            let given = keys.get_column_names();
            return Err(Error::cannot_run(format!("column '{entity}' is missing"))
                .hint(did_you_mean(entity, given.iter().map(|name| name.as_str()))));
        };
        keyed.rows(column.as_materialized_series(), cutoff.unwrap_or(keyed.newest()))
    }

    /// Key, time and features of rows that need not be in the table, in their order: for each what the whole table has for
    /// such a row at its time. It sees only what happened strictly before. Columns beyond [`Prepared::inputs`] are skipped;
    /// `now` is the time of rows without one.
    ///
    /// Errors (cannot run): columns that are missing or of another type; (refused) places off the globe.
    pub fn for_rows(&self, rows: &DataFrame, now: DateTime<Utc>) -> Result<DataFrame> {
        match &self.0 {
            Shape::Rows(prepared) => prepared.rows(rows, now),
            Shape::Keys(_) => Err(Error::cannot_run("features belong to entities here, so a row alone has none")
                .hint("ask with the keys of entities")),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_may_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<super::Prepared>();
    }
}
