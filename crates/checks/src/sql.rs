//! Checked SQL expressions: a stand-in for `transform::SqlExpr` until that crate is merged.

use std::fmt;

use polars::prelude::{AggExpr, Expr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Error, Result};

/// An SQL scalar expression such as `quantity * price` or `CASE WHEN amount < 0 THEN 1 ELSE 0 END`.
#[derive(Clone)]
pub struct SqlExpr {
    text: String,
    expr: Expr,
}

impl SqlExpr {
    /// Parses `text`. Refused are: what is no SQL expression, `*`, subqueries, and windows with `ORDER BY`
    /// around an aggregate that does not accumulate: `AVG(x) OVER (PARTITION BY g ORDER BY t)` would take
    /// the value of the whole partition, later rows included.
    pub fn new(text: impl Into<String>) -> Result<SqlExpr> {
        let text = text.into();
        let expr = polars::sql::sql_expr(&text).map_err(|error| {
            let cause = error.to_string();
            let cause = cause.strip_prefix("sql parser error: ").unwrap_or(&cause);
            Error::cannot_run(format!("'{text}' is not an SQL expression: {cause}"))
        })?;
        for part in &expr {
            if let Some((what, way_out)) = forbidden(part) {
                return Err(Error::cannot_run(format!("'{text}': {what}")).hint(way_out));
            }
        }
        Ok(SqlExpr { text, expr })
    }

    /// The expression as polars runs it.
    pub fn expr(&self) -> Expr {
        self.expr.clone()
    }

    /// The columns that it reads, each once, in order of appearance.
    pub fn columns(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.expr.clone().meta().root_names() {
            if !names.iter().any(|known| known == name.as_str()) {
                names.push(name.to_string());
            }
        }
        names
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What makes the expression depend on other rows than its own, if anything does.
    pub fn beyond_its_row(&self) -> Option<&'static str> {
        (&self.expr).into_iter().find_map(beyond_row)
    }
}

/// What no expression may hold, with the way out.
fn forbidden(part: &Expr) -> Option<(&'static str, &'static str)> {
    match part {
        Expr::Selector(_) => Some(("'*' stands for many columns", "name the columns one by one")),
        Expr::SubPlan(..) => Some(("a subquery reads another table", "derive a column first and use that")),
        Expr::Over { function, order_by: Some(_), .. } if function.as_ref().into_iter().any(takes_all) => Some((
            "with ORDER BY in its window this aggregate takes the whole partition, later rows included; \
             only SUM, MIN, MAX and COUNT accumulate",
            "leave out ORDER BY if the whole partition is meant, or divide SUM by COUNT",
        )),
        _ => None,
    }
}

/// Whether an ordered window shows this part the rows after its own.
fn takes_all(part: &Expr) -> bool {
    match part {
        Expr::Agg(AggExpr::First(_)) => false,
        Expr::Agg(_) => !is_constant(part),
        Expr::Function { function, .. } => WHOLE_TABLE.contains(&base_name(&function.to_string())),
        _ => false,
    }
}

/// Functions that sum up all rows that they see.
const WHOLE_TABLE: [&str; 9] =
    ["quantile", "mode", "corr", "pearson_corr", "spearman_rank_corr", "cov", "skew", "kurtosis", "approx_n_unique"];

/// Functions that look at neighbouring or all rows.
const OTHER_ROWS: [&str; 37] = [
    "cum_sum",
    "cum_min",
    "cum_max",
    "cum_count",
    "cum_prod",
    "shift",
    "shift_and_fill",
    "rank",
    "diff",
    "pct_change",
    "int_range",
    "reverse",
    "unique",
    "arg_unique",
    "arg_min",
    "arg_max",
    "arg_sort",
    "null_count",
    "product",
    "drop_nulls",
    "drop_nans",
    "forward_fill",
    "backward_fill",
    "fill_null_with_strategy",
    "is_first_distinct",
    "is_last_distinct",
    "is_unique",
    "is_duplicated",
    "any",
    "all",
    "value_counts",
    "top_k",
    "top_k_by",
    "min_by",
    "max_by",
    "gather_every",
    "interpolate",
];

fn base_name(shown: &str) -> &str {
    shown.split(['(', '[', ' ']).next().unwrap_or(shown).rsplit('.').next().unwrap_or(shown)
}

fn is_constant(part: &Expr) -> bool {
    !part.into_iter().any(|inner| matches!(inner, Expr::Column(_) | Expr::Len))
}

fn beyond_row(part: &Expr) -> Option<&'static str> {
    match part {
        Expr::Over { .. } => Some("a window"),
        Expr::Len => Some("a count of rows"),
        // Lists of constants, as in `x IN (1, 2)`, are wrapped in an aggregate too.
        Expr::Agg(_) if !is_constant(part) => Some("an aggregate"),
        Expr::Sort { .. } | Expr::SortBy { .. } | Expr::Gather { .. } | Expr::Slice { .. } | Expr::Explode { .. } => {
            Some("a change of the order or number of rows")
        }
        Expr::Filter { .. } => Some("a filter"),
        Expr::Function { function, .. } => {
            let shown = function.to_string();
            let name = base_name(&shown);
            let other = WHOLE_TABLE.contains(&name) || OTHER_ROWS.contains(&name) || name.starts_with("rolling");
            // `is_in` and its like work on lists of constants with the names above.
            (other && !is_constant(part)).then_some("a function of other rows")
        }
        _ => None,
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
        crate::read::text(deserializer, "an SQL expression", |text| SqlExpr::new(text))
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
        schemars::json_schema!({ "type": "string", "description": "An SQL expression over the columns of the table." })
    }
}
