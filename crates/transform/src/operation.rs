//! What steps do to cells: operations on the cells of a column, and rules for texts. Each has a name and parameters, by
//! which plans are shown and compared, and a method that carries it out.

use std::fmt;
use std::sync::Arc;

use polars::prelude::*;
use serde_json::Value;

/// A computation of each cell of one column from that cell alone.
pub(crate) trait Operation: fmt::Debug + Send + Sync {
    /// `cast`, `trim`
    fn name(&self) -> &'static str;

    /// All that distinguishes it from others of its name. Secrets are not shown.
    fn parameters(&self) -> Value {
        Value::Null
    }

    /// The type that it gives for one that it takes. Default: the same.
    fn gives(&self, of: &DataType) -> DataType {
        of.clone()
    }

    /// How polars does it.
    fn expr(self: Arc<Self>, of: Expr) -> Expr;
}

/// A change of one text.
pub(crate) trait TextRule: fmt::Debug + Send + Sync {
    /// `strip_html`
    fn name(&self) -> &'static str;

    /// All that distinguishes it from others of its name.
    fn parameters(&self) -> Value {
        Value::Null
    }

    /// Whether the text stays as it is. Most texts do, so this must be cheap to decide.
    fn is_fine(&self, text: &str) -> bool;

    /// Appends the new text to an empty buffer.
    fn change(&self, text: &str, into: &mut String);
}

/// `cast {"to":"float64"}`
pub(crate) fn shown(name: &str, parameters: &Value) -> String {
    match parameters {
        Value::Null => name.to_owned(),
        parameters => format!("{name} {parameters}"),
    }
}
