//! A checked SQL expression.

use std::fmt;

use polars::prelude::{Expr, Schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Error, Result};

use crate::node::Node;
use crate::{Compiled, compile, parse, resolve};

/// An SQL expression such as `quantity * price` or `CASE WHEN amount < 0 THEN 1 ELSE 0 END`.
#[derive(Clone)]
pub struct SqlExpr {
    text: String,
    node: Node,
}

impl SqlExpr {
    /// Parses `text`. Refused are: what is not an SQL expression, unknown functions, `*`, subqueries, and windows with
    /// `ORDER BY` around an aggregate that does not accumulate: `AVG(x) OVER (PARTITION BY g ORDER BY t)` would
    /// take the value of the whole partition, later rows included.
    pub fn new(text: impl Into<String>) -> Result<SqlExpr> {
        let text = text.into();
        let tree = parse::parse(&text)?;
        let node = resolve::resolve(&tree).map_err(|error| error.context(format!("'{text}'")))?;
        Ok(SqlExpr { text, node })
    }

    /// The expression as polars runs it on a table of these columns, and the type of what it gives. Its errors, at once
    /// or while it runs, begin with `place`. Refused are unknown columns and types that have no meaning together.
    pub fn compile(&self, schema: &Schema, place: &str) -> Result<Compiled> {
        self.compile_where(schema, place, None)
    }

    /// As [`SqlExpr::compile`], where rows for which `alive` is not true read as null: they must not end a run.
    pub fn compile_where(&self, schema: &Schema, place: &str, alive: Option<Expr>) -> Result<Compiled> {
        compile::compiled(&self.node, schema, self.label(place).into(), alive)
    }

    /// How errors name the expression.
    pub(crate) fn label(&self, place: &str) -> String {
        match place.is_empty() {
            true => format!("'{}'", self.text),
            false => format!("{place}: '{}'", self.text),
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The left side of the comparison that the expression is, and its sign.
    pub fn compared(&self) -> Option<(SqlExpr, &'static str)> {
        let Node::Compare(op, left, _) = &self.node else { return None };
        let left = SqlExpr { text: self.text.clone(), node: left.as_ref().clone() };
        Some((left, op.sign()))
    }

    /// Whether it has one value for the whole table.
    pub fn is_one_value(&self) -> bool {
        self.node.is_one_value()
    }

    /// The columns that it reads, each once, in order of appearance.
    pub fn columns(&self) -> Vec<String> {
        self.node.columns()
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What makes the expression depend on other rows than its own, if anything does.
    pub fn beyond_its_row(&self) -> Option<&'static str> {
        self.node.beyond_its_row()
    }
}

impl PartialEq for SqlExpr {
    fn eq(&self, other: &SqlExpr) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for SqlExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlExpr({})", self.text)
    }
}

impl fmt::Display for SqlExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for SqlExpr {
    type Err = Error;
    fn from_str(text: &str) -> Result<SqlExpr> {
        SqlExpr::new(text)
    }
}

impl<'de> Deserialize<'de> for SqlExpr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SqlExpr, D::Error> {
        spec::read_text(deserializer, "an SQL expression", |text| SqlExpr::new(text))
    }
}

impl Serialize for SqlExpr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl schemars::JsonSchema for SqlExpr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SqlExpr".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "An SQL expression over the columns of the table, as docs/sql.md describes." })
    }
}
