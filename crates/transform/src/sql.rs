//! Checked SQL scalar expressions: parsed while the YAML is read, so that a mistake has file, line and column.
//!
//! [`SqlExpr`] may aggregate and look over windows, within what polars computes as SQL means it. [`RowExpr`]
//! is the narrower kind that depends on nothing but its own row.

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
        schemars::json_schema!({ "type": "string", "description": "An SQL expression over the columns of the table." })
    }
}

/// An SQL expression that depends on its own row only: no aggregate, no window.
#[derive(Clone, Debug, PartialEq)]
pub struct RowExpr(SqlExpr);

impl RowExpr {
    /// Parses `text`; refuses what [`SqlExpr::new`] refuses, and whatever reads other rows.
    pub fn new(text: impl Into<String>) -> Result<RowExpr> {
        let sql = SqlExpr::new(text)?;
        match sql.beyond_its_row() {
            None => Ok(RowExpr(sql)),
            Some(what) => Err(Error::cannot_run(format!("'{sql}' holds {what}, but here each row stands alone"))
                .hint("compute it in the features stage")),
        }
    }

    pub fn sql(&self) -> &SqlExpr {
        &self.0
    }
}

impl fmt::Display for RowExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for RowExpr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RowExpr, D::Error> {
        spec::read_text(deserializer, "an SQL expression", |text| RowExpr::new(text))
    }
}

impl schemars::JsonSchema for RowExpr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RowExpr".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An SQL expression over the columns of one row: no aggregates, no windows."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;

    #[test]
    fn reads_its_columns_once_each() {
        let sql = SqlExpr::new("CASE WHEN a > b THEN a ELSE \"the c\" END").unwrap();
        let mut columns = sql.columns();
        columns.sort();
        assert_eq!(columns, ["a", "b", "the c"]);
        assert!(SqlExpr::new("1 + 1").unwrap().columns().is_empty());
    }

    #[test]
    fn a_syntax_error_names_the_expression() {
        let error = SqlExpr::new("amount >").unwrap_err().to_string();
        assert!(error.starts_with("'amount >' is not an SQL expression: "), "{error}");
    }

    #[test]
    fn an_ordered_window_must_accumulate() {
        for leak in [
            "AVG(x) OVER (PARTITION BY g ORDER BY t)",
            "STDDEV(x) OVER (PARTITION BY g ORDER BY t)",
            "MEDIAN(x) OVER (PARTITION BY g ORDER BY t)",
            "x - AVG(x) OVER (ORDER BY t)",
            "COUNT(DISTINCT x) OVER (PARTITION BY g ORDER BY t)",
        ] {
            assert_eq!(
                SqlExpr::new(leak).unwrap_err().to_string(),
                format!(
                    "'{leak}': with ORDER BY in its window this aggregate takes the whole partition, later rows \
                     included; only SUM, MIN, MAX and COUNT accumulate; leave out ORDER BY if the whole partition is \
                     meant, or divide SUM by COUNT"
                )
            );
        }
    }

    #[test]
    fn accumulating_and_unordered_windows_pass() {
        for fine in [
            "SUM(x) OVER (PARTITION BY g ORDER BY t)",
            "COUNT(*) OVER (PARTITION BY g ORDER BY t)",
            "MAX(x) OVER (ORDER BY t)",
            "ROW_NUMBER() OVER (PARTITION BY g ORDER BY t)",
            "LAG(x) OVER (PARTITION BY g ORDER BY t)",
            "FIRST_VALUE(x) OVER (PARTITION BY g ORDER BY t)",
            "LAST_VALUE(x) OVER (PARTITION BY g ORDER BY t)",
            "AVG(x) OVER (PARTITION BY g)",
        ] {
            SqlExpr::new(fine).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn stars_and_subqueries_are_refused() {
        assert!(SqlExpr::new("*").is_err());
        assert!(SqlExpr::new("a IN (SELECT b FROM t)").is_err());
    }

    #[test]
    fn row_expressions_stand_alone() {
        for fine in [
            "a + b * 2",
            "a IN (1, 2, 3)",
            "COALESCE(a, b, 0) > 1 AND c LIKE 'x%'",
            "CASE WHEN a IS NULL THEN 'none' ELSE UPPER(c) END",
            "EXTRACT(year FROM d)",
            "CAST(c AS BIGINT)",
            "ROUND(a, 2)",
            "GREATEST(a, b)",
            "STRPTIME(c, '%Y')",
            "SUBSTR(c, 1, 2) || '-' || c",
            "a BETWEEN 1 AND 2",
            "ABS(a) + SQRT(b)",
        ] {
            RowExpr::new(fine).unwrap_or_else(|error| panic!("{error}"));
        }
        for (other, what) in [
            ("a - AVG(a)", "an aggregate"),
            ("SUM(a) OVER (PARTITION BY b)", "a window"),
            ("COUNT(*)", "a count of rows"),
            ("a > MEDIAN(a)", "an aggregate"),
        ] {
            assert_eq!(
                RowExpr::new(other).unwrap_err().to_string(),
                format!("'{other}' holds {what}, but here each row stands alone; compute it in the features stage")
            );
        }
    }

    #[test]
    fn computes_what_it_says() {
        let table = df!("a" => [1i64, 2], "b" => [Some(3.5), None]).unwrap().lazy();
        let out = table.select([SqlExpr::new("COALESCE(a * b, -1)").unwrap().expr().alias("x")]).collect().unwrap();
        assert_eq!(out, df!("x" => [3.5, -1.0]).unwrap());
    }
}
