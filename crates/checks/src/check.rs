//! What a check is: a predicate on rows, or a judgement of the whole table.

use artifact::type_name;
use polars::prelude::{AnyValue, DataType, Expr, LazyFrame, Schema};
use spec::{Error, Result, Severity, did_you_mean};

use crate::{Published, Share};

/// Opens another table by name.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<LazyFrame>;

/// What every check can say about itself.
pub(crate) trait Described {
    /// What is checked, after the check's name: `amount [0, 10000]`.
    fn subject(&self) -> String;
    fn severity(&self) -> Severity;
}

/// A check of single rows.
pub(crate) trait RowCheck: Described {
    fn max_share(&self) -> Share;
    /// The check as expressions on the columns of a table.
    fn compile(&self, table: &Columns, lookup: Lookup) -> Result<RowTest>;
}

/// A row check, ready to run.
pub(crate) struct RowTest {
    /// True where a row fails; null and false where it passes.
    pub fails: Expr,
    /// Why a failing row fails, as text with its value: `amount = -3 is not in [0, 10000]`.
    pub reason: Expr,
}

/// A check of the table as a whole.
pub(crate) trait TableCheck: Described {
    /// Aggregates that must be computed from the data, one value each. All checks share one query.
    fn queries(&self, _: &Columns, _: &Published) -> Result<Vec<Expr>> {
        Ok(Vec::new())
    }
    /// `values` are the answers to `queries`, in their order.
    fn judge(&self, table: &Columns, published: &Published, values: &[AnyValue<'_>]) -> Result<Finding>;
}

/// What a check found, in words.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    Passed(String),
    Failed(String),
    /// There is nothing to compare with yet.
    Skipped(String),
}

impl Finding {
    pub(crate) fn of(passed: bool, found: String) -> Finding {
        if passed { Finding::Passed(found) } else { Finding::Failed(found) }
    }
}

/// The columns of the checked table, and the place that errors name.
pub(crate) struct Columns<'a> {
    pub schema: &'a Schema,
    /// `table 'purchases': check 4 'in_range'`
    pub place: String,
}

impl<'a> Columns<'a> {
    pub fn new(schema: &'a Schema, table: &str, number: usize, name: &str) -> Columns<'a> {
        Columns { schema, place: format!("table '{table}': check {number} '{name}'") }
    }

    /// The type of a column. An unknown column is an error that names the nearest one.
    pub fn dtype(&self, column: &str) -> Result<&'a DataType> {
        self.schema.get(column).ok_or_else(|| self.error(format!("no column '{column}'")).hint(self.nearest(column)))
    }

    /// The way out for an unknown column.
    pub fn nearest(&self, column: &str) -> String {
        let known = self.schema.iter_names().map(|name| name.as_str()).filter(|name| !name.starts_with('_'));
        did_you_mean(column, known)
    }

    /// An error of this check.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::cannot_run(format!("{}: {message}", self.place))
    }

    /// The error of a column whose type does not suit.
    pub fn unsuited(&self, column: &str, wanted: &str) -> Error {
        let holds = self.schema.get(column).map(type_name).unwrap_or_default();
        self.error(format!("column '{column}' holds {holds}, not {wanted}"))
    }
}
