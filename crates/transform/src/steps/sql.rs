//! `sql` is one SELECT over the table so far, which it calls `this`, and other clean tables.
//!
//! ```yaml
//! - sql: |
//!     SELECT c.city, CAST(this.ordered_at AS DATE) AS day, COUNT(*) AS orders, SUM(this.price) AS revenue
//!     FROM this LEFT JOIN customers AS c ON this.customer_id = c.customer_id
//!     WHERE this.price > 0
//!     GROUP BY c.city, day
//!     HAVING COUNT(*) > 1
//!     ORDER BY day, revenue DESC
//! - sql: SELECT DISTINCT customer_id, city FROM this ORDER BY customer_id LIMIT 100
//! ```
//!
//! It is translated into the other steps, and has their rules: a join must find at most one row for each row, an empty
//! key matches nothing, columns of different kinds are an error, and the books say what became of every row. What it
//! may contain is in docs/tables.md; the rest is refused by its name and its place in the text.

use std::fmt;
use std::sync::Arc;

use artifact::{FILE, Fate, KeyColumn, REASON, ROW};
use expr::SqlExpr;
use expr::select::{ColumnName, Item, JoinKind, Names as Flat, Part, Select};
use polars::prelude::{DataType, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Error, Result};
use values::form::{Form, kind_name};

use super::Apply;
use super::join::{How, look_up};
use crate::beside::OtherTable;
use crate::joining::{Closeness, Joining};
use crate::plan::{Plan, Value};
use crate::reshape::{Aggregation, EmptyKeys, Sorting};
use crate::witness::is_behind;

/// One SELECT.
#[derive(Clone, Debug)]
pub struct Sql {
    select: Select,
    /// The tables that are joined, in order.
    others: Vec<OtherTable>,
}

/// The name of the table so far.
const THIS: &str = "this";

impl Sql {
    fn new(text: &str) -> Result<Sql> {
        let select = Select::new(text)?;
        if select.from.name != THIS {
            return Err(Error::cannot_run(format!("FROM begins with '{}'", select.from.name))
                .hint("begin with FROM this, the table so far, and JOIN the others"));
        }
        let mut aliases = vec![select.from.alias.as_str()];
        for join in &select.joins {
            if aliases.contains(&join.table.alias.as_str()) || join.table.name == THIS {
                return Err(Error::cannot_run(format!("table '{}' is in FROM twice", join.table.alias)).hint(
                    "give it another name: JOIN t AS other; to join a table with itself make a table of its own",
                ));
            }
            aliases.push(&join.table.alias);
        }
        let others = select.joins.iter().map(|join| OtherTable::Clean(join.table.name.clone())).collect();
        Ok(Sql { select, others })
    }
}

impl Apply for Sql {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        plan.refuse_watched()?;
        let mut names = Flat::default();
        plan.columns().iter().for_each(|column| names.add(&self.select.from.alias, column, column));
        for (at, other) in self.others.iter().enumerate() {
            self.join(plan, at, other, &mut names)?;
        }
        let compiled = |part: &Part| part.over(&names).map_err(|error| error.context(plan.place()));
        let condition = self.select.condition.as_ref().map(compiled).transpose()?;
        if let Some(condition) = condition {
            self.refuse_others(plan, &condition, true)?;
            truth(plan, &condition, "WHERE")?;
            plan.chooses_rows(&condition.columns());
            let rule = format!("{} WHERE", plan.place());
            plan.remove(rule, Fate::Dropped, None, Value::NotTrue(condition))?;
        }
        let items = self.items(plan, &names)?;
        let is_grouped = !self.select.groups.is_empty()
            || self.select.having.is_some()
            || items.iter().any(|(_, sql)| sql.aggregates());
        let mut work = Working { sql: self, names, items, order: Vec::new(), outputs: Vec::new() };
        match is_grouped {
            true => work.groups(plan)?,
            false => work.rows(plan)?,
        }
        work.end(plan)
    }

    fn other_tables(&self) -> Vec<&OtherTable> {
        self.others.iter().collect()
    }
}

impl Sql {
    /// Joins a table: its columns that the text mentions come in under their names, or with the table's name in front
    /// where there is one already.
    fn join(&self, plan: &mut Plan, at: usize, other: &OtherTable, names: &mut Flat) -> Result<()> {
        let join = &self.select.joins[at];
        let alias = &join.table.alias;
        let schema = plan.beside(other)?.schema.clone();
        let brings = matches!(join.kind, JoinKind::Inner | JoinKind::Left);
        let takes_all = self.select.items.iter().any(|item| match item {
            Item::All(None) => true,
            Item::All(Some(table)) => table == alias,
            Item::Value { .. } => false,
        });
        let mut theirs = Flat::default();
        let mut columns: Vec<(String, String, DataType)> = Vec::new();
        for (name, dtype) in
            schema.iter().filter(|(name, _)| ![FILE, ROW, REASON].contains(&name.as_str()) && !is_behind(name))
        {
            theirs.add(alias, name, name);
            if brings && (takes_all || self.select.mentions(name)) {
                let is_taken = plan.schema().contains(name) || columns.iter().any(|(_, here, _)| here == name.as_str());
                let flat = if is_taken { format!("{alias}.{name}") } else { name.to_string() };
                columns.push((name.to_string(), flat, dtype.clone()));
            }
        }
        let (mut here, mut there, mut forms) = (Vec::new(), Vec::new(), Vec::new());
        for [one, two] in &join.on {
            let is_theirs = |name: &ColumnName| match &name.table {
                Some(table) => table == alias,
                None => schema.contains(&name.column) && names.flat(name).is_err(),
            };
            let (ours, their) = if is_theirs(one) { (two, one) } else { (one, two) };
            // `this.a = this.b` compares no column of the table, though it may have one of that name.
            if their.table.as_ref().is_some_and(|table| table != alias) {
                return Err(plan
                    .error(format!(
                        "ON compares '{}' with '{}', and neither is a column of '{alias}'",
                        written(one),
                        written(two)
                    ))
                    .hint("compare a column of each table; write the rest after WHERE"));
            }
            let ours = names.flat(ours).map_err(|error| error.context(plan.place()))?;
            let their = theirs.flat(&ColumnName { table: Some(alias.clone()), column: their.column.clone() });
            let their = their.map_err(|error| error.context(plan.place()))?;
            let (of, to) = (plan.dtype(&ours)?, schema.get(&their).cloned().unwrap_or(DataType::Null));
            forms.push(Form::of_both(&of, &to).ok_or_else(|| {
                plan.error(format!("'{ours}' holds {}, but '{alias}.{their}' {}", kind_name(&of), kind_name(&to)))
                    .hint("cast one of them first, in a step 'cast' before")
            })?);
            here.push(ours);
            there.push(their);
        }
        for (theirs, flat, _) in &columns {
            names.add(alias, theirs, flat);
        }
        join.using.iter().for_each(|column| names.merge(alias, column));
        if brings {
            columns.extend(plan.witnessed(plan.beside(other)?));
        }
        let (place, with) = (plan.place().to_owned(), other.clone());
        let joining = Joining { place, with, here, there, forms, closeness: Closeness::Any, columns, in_select: true };
        let how = match join.kind {
            JoinKind::Inner => How::Inner,
            JoinKind::Left => How::Left,
            JoinKind::Semi => How::Semi,
            JoinKind::Anti => How::Anti,
        };
        plan.joins(&joining)?;
        look_up(plan, joining, how, true)
    }

    /// What the SELECT gives: names, and expressions over the joined rows.
    fn items(&self, plan: &Plan, names: &Flat) -> Result<Vec<(String, SqlExpr)>> {
        let mut items: Vec<(String, SqlExpr)> = Vec::new();
        let column = |flat: &str| SqlExpr::new(quoted(flat));
        for item in &self.select.items {
            match item {
                Item::All(table) => {
                    let mut tables = vec![self.select.from.alias.as_str()];
                    let joins = self.select.joins.iter();
                    tables.extend(
                        joins
                            .filter(|join| matches!(join.kind, JoinKind::Inner | JoinKind::Left))
                            .map(|join| join.table.alias.as_str()),
                    );
                    if let Some(table) = table {
                        if names.of(table).is_none() {
                            return Err(plan
                                .error(format!("no table '{table}' in FROM"))
                                .hint(spec::did_you_mean(table, names.tables())));
                        }
                        tables.retain(|known| known == table);
                    }
                    // In the order of the table, not of the alphabet.
                    for flat in plan.columns() {
                        let in_table = |of: &&str| {
                            let (name, _) = names.of(of)?.iter().find(|(_, known)| **known == flat)?;
                            // `*` contains a column of USING once.
                            (table.is_some() || !names.is_merged(of, name)).then(|| name.clone())
                        };
                        if let Some(name) = tables.iter().find_map(in_table) {
                            items.push((name, column(&flat)?));
                        }
                    }
                }
                Item::Value { part, name } => {
                    let sql = part.over(names).map_err(|error| error.context(plan.place()))?;
                    self.refuse_others(plan, &sql, false)?;
                    items.push((name.clone(), sql));
                }
            }
        }
        for (at, (name, _)) in items.iter().enumerate() {
            plan.check_new(name)?;
            if items[..at].iter().any(|(known, _)| known == name) {
                return Err(plan
                    .error(format!("the result has two columns '{name}'"))
                    .hint("rename one of them: … AS other"));
            }
        }
        Ok(items)
    }

    /// An expression to sort by. A constant sorts nothing, and a position is not meant as one.
    fn order(&self, plan: &Plan, names: &Flat, part: &Part) -> Result<SqlExpr> {
        let sql = part.over(names).map_err(|error| error.context(plan.place()))?;
        match sql.columns().is_empty() && !sql.aggregates() {
            false => Ok(sql),
            true => Err(plan
                .error(format!("ORDER BY {} names no column", part.text()))
                .hint("write the name of a column; its position does not stand for it")),
        }
    }

    fn refuse_others(&self, plan: &Plan, sql: &SqlExpr, row_only: bool) -> Result<()> {
        if sql.has_window() {
            return Err(plan
                .error(format!("'{sql}' holds a window, which is not supported here"))
                .hint("use the step 'window' before"));
        }
        match row_only && sql.aggregates() {
            true => Err(plan
                .error(format!("'{sql}' holds an aggregate, but WHERE looks at single rows"))
                .hint("write it after HAVING")),
            false => Ok(()),
        }
    }
}

/// A SELECT that is being translated, after FROM and WHERE.
struct Working<'a> {
    sql: &'a Sql,
    names: Flat,
    items: Vec<(String, SqlExpr)>,
    /// The columns to sort by.
    order: Vec<(String, bool, bool)>,
    /// The columns of the result as they are called until the end, in order.
    outputs: Vec<String>,
}

impl Working<'_> {
    /// A name that no column has.
    fn free(plan: &Plan, what: &str) -> String {
        let mut number = 1;
        loop {
            let name = format!("{what} {number}");
            if !plan.schema().contains(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// Rows are passed on with other columns.
    fn rows(&mut self, plan: &mut Plan) -> Result<()> {
        let mut set = Vec::new();
        for (at, (_, sql)) in self.items.iter().enumerate() {
            let name = Self::free(plan, &format!("select {at}"));
            set.push((name.clone(), Value::Sql(sql.clone())));
            self.outputs.push(name);
        }
        for (at, order) in self.sql.select.order.iter().enumerate() {
            let column = match self.output_of(&order.by) {
                Some(column) => column,
                None => {
                    let sql = self.sql.order(plan, &self.names, &order.by)?;
                    self.sql.refuse_others(plan, &sql, true)?;
                    let name = Self::free(plan, &format!("order {at}"));
                    set.push((name.clone(), Value::Sql(sql)));
                    name
                }
            };
            self.order.push((column, order.descending, order.nulls_first));
        }
        plan.set(set)
    }

    /// The column of the result that a part names.
    fn output_of(&self, part: &Part) -> Option<String> {
        let ColumnName { table: None, column } = part.column()? else { return None };
        let at = self.items.iter().position(|(name, _)| *name == column)?;
        self.outputs.get(at).cloned()
    }

    /// What to write where HAVING holds no aggregate: the aggregate whose name it has, or WHERE.
    fn instead_of_having(&self, condition: &SqlExpr) -> String {
        let read = condition.columns();
        match self.items.iter().find(|(name, sql)| sql.aggregates() && read.contains(name)) {
            Some((name, sql)) => format!("'{name}' is only a name for the result: write {sql} in its place"),
            None => "write it after WHERE".to_owned(),
        }
    }

    /// Rows become groups.
    fn groups(&mut self, plan: &mut Plan) -> Result<()> {
        // Each key is a column of its own before rows are grouped.
        let mut keys: Vec<(String, SqlExpr)> = Vec::new();
        let mut shown: Vec<String> = Vec::new();
        for (at, part) in self.sql.select.groups.iter().enumerate() {
            let of_result = part.column().filter(|name| name.table.is_none() && self.names.flat(name).is_err());
            let item = of_result.and_then(|name| self.items.iter().find(|(known, _)| *known == name.column));
            let sql = match item {
                Some((_, sql)) => sql.clone(),
                None => part.over(&self.names).map_err(|error| error.context(plan.place()))?,
            };
            self.sql.refuse_others(plan, &sql, false)?;
            if sql.aggregates() || sql.columns().is_empty() {
                return Err(plan
                    .error(format!("GROUP BY {} is not a value of a row", part.text()))
                    .hint("name a column or an expression of columns"));
            }
            let name = match sql.as_column() {
                Some(column) => column.to_owned(),
                None => {
                    let name = Self::free(plan, &format!("group {at}"));
                    plan.set(vec![(name.clone(), Value::Sql(sql.clone()))])?;
                    name
                }
            };
            if keys.iter().all(|(known, _)| *known != name) {
                keys.push((name, sql));
                shown.push(part.text().to_owned());
            }
        }
        let (mut schema, mut forms) = (Schema::default(), Vec::new());
        for ((key, _), said) in keys.iter().zip(&shown) {
            let dtype = plan.dtype(key)?;
            forms.push(Form::of(&dtype).ok_or_else(|| {
                plan.error(format!("'{said}' is {}, by which rows cannot be grouped", artifact::type_name(&dtype)))
                    .hint("derive a plain value of it first")
            })?);
            schema.insert(key.as_str().into(), dtype);
        }
        let key_columns = schema.clone();
        let mut measures: Vec<(String, SqlExpr)> = Vec::new();
        let mut after: Vec<(usize, SqlExpr)> = Vec::new();
        for (at, (_, sql)) in self.items.iter().enumerate() {
            let key = keys.iter().find(|(_, key)| is_same(key, sql));
            match key {
                Some((name, _)) if !self.outputs.contains(name) => self.outputs.push(name.clone()),
                _ => {
                    let name = Self::free(plan, &format!("select {at}"));
                    match (key, sql.aggregates()) {
                        // Selected once more, under another name.
                        (Some((key, _)), _) => after.push((at, SqlExpr::new(quoted(key))?)),
                        (None, true) => measures.push((name.clone(), sql.clone())),
                        (None, false) => after.push((at, sql.clone())),
                    }
                    self.outputs.push(name);
                }
            }
        }
        let having = match &self.sql.select.having {
            None => None,
            Some(part) => {
                let sql = part.over(&self.names).map_err(|error| error.context(plan.place()))?;
                self.sql.refuse_others(plan, &sql, false)?;
                if !sql.aggregates() {
                    return Err(plan
                        .error(format!("'{sql}' holds no aggregate, but HAVING looks at groups"))
                        .hint(self.instead_of_having(&sql)));
                }
                let name = Self::free(plan, "having");
                measures.push((name.clone(), sql.clone()));
                Some((name, sql))
            }
        };
        let mut late_order = Vec::new();
        for (at, order) in self.sql.select.order.iter().enumerate() {
            let mut column = self.output_of(&order.by);
            if column.is_none() {
                let sql = self.sql.order(plan, &self.names, &order.by)?;
                self.sql.refuse_others(plan, &sql, false)?;
                let key = keys.iter().find(|(_, key)| is_same(key, &sql));
                let name = key.map_or_else(|| Self::free(plan, &format!("order {at}")), |(key, _)| key.clone());
                match (key.is_some(), sql.aggregates()) {
                    (true, _) => {}
                    (false, true) => measures.push((name.clone(), sql)),
                    (false, false) => late_order.push((name.clone(), sql)),
                }
                column = Some(name);
            }
            self.order.extend(column.map(|column| (column, order.descending, order.nulls_first)));
        }
        self.aggregate(plan, shown, key_columns, forms, schema, measures)?;
        if let Some((name, sql)) = having {
            if plan.dtype(&name)? != DataType::Boolean {
                return Err(plan
                    .error(format!("'{sql}' is neither true nor false"))
                    .hint("write a comparison after HAVING"));
            }
            let rule = format!("{} HAVING", plan.place());
            plan.remove(rule, Fate::Dropped, None, Value::NotTrue(SqlExpr::new(quoted(&name))?))?;
        }
        let late = after.into_iter().map(|(at, sql)| (self.outputs[at].clone(), sql)).chain(late_order);
        let mut set = Vec::new();
        for (name, sql) in late {
            if let Some(column) = sql.columns().into_iter().find(|column| !plan.schema().contains(column)) {
                return Err(plan
                    .error(format!("column '{column}' is neither in GROUP BY nor within an aggregate"))
                    .hint(format!("add it to GROUP BY, or write MIN({column})")));
            }
            set.push((name, Value::Sql(sql)));
        }
        plan.set(set)
    }

    fn aggregate(
        &self,
        plan: &mut Plan,
        shown: Vec<String>,
        keys: Schema,
        forms: Vec<Form>,
        mut schema: Schema,
        measures: Vec<(String, SqlExpr)>,
    ) -> Result<()> {
        let by: Vec<String> = keys.iter_names().map(ToString::to_string).collect();
        let mut made = Vec::new();
        for (name, sql) in &measures {
            let dtype = sql.grouped(plan.schema(), &keys, plan.place())?.dtype().clone();
            let reads = by.iter().cloned().chain(sql.columns()).collect();
            made.push((name.clone(), expr::normal(sql.text()), dtype.clone(), reads));
            schema.insert(name.as_str().into(), dtype);
        }
        plan.makes(&made);
        plan.chooses_rows(&by);
        let witness = plan.witnesses_groups(&mut schema);
        let (place, taken) = (plan.place().to_owned(), plan.schema().clone());
        let (nulls, firsts) = (EmptyKeys::Group, Schema::default());
        // A key that is computed has no name of its own: people know what the SELECT says.
        let noted = by.iter().zip(&shown).map(|(key, said)| {
            let column = if self.is_column(key) { key } else { said };
            KeyColumn { column: column.clone(), there: None, now: Some(key.clone()) }
        });
        let noted = noted.collect();
        let aggregation =
            Aggregation { place, by, shown, forms, measures, nulls, taken, keys, schema, witness, firsts };
        plan.reshape_by(Arc::new(aggregation), None, noted)
    }

    /// Whether the rows have the column before the SELECT.
    fn is_column(&self, flat: &str) -> bool {
        let mut columns = self.names.tables().filter_map(|table| self.names.of(table)).flat_map(|of| of.values());
        columns.any(|known| known == flat)
    }

    /// DISTINCT, ORDER BY and LIMIT, then the columns under their names.
    fn end(self, plan: &mut Plan) -> Result<()> {
        if self.sql.select.distinct {
            let parts = self.order.iter().zip(&self.sql.select.order);
            if let Some((_, order)) = parts.into_iter().find(|((column, ..), _)| !self.outputs.contains(column)) {
                return Err(plan
                    .error(format!("ORDER BY '{}' is not a column of SELECT DISTINCT", order.by.text()))
                    .hint("add it to the SELECT, or order by one of its columns"));
            }
            let (mut keys, mut forms) = (Schema::default(), Vec::new());
            let shown: Vec<String> = self.items.iter().map(|(name, _)| name.clone()).collect();
            for (name, said) in self.outputs.iter().zip(&shown) {
                let dtype = plan.dtype(name)?;
                forms.push(Form::of(&dtype).ok_or_else(|| {
                    plan.error(format!(
                        "column '{said}' of SELECT DISTINCT is {}, which is not compared",
                        artifact::type_name(&dtype)
                    ))
                    .hint("derive a plain value of it first")
                })?);
                keys.insert(name.as_str().into(), dtype);
            }
            self.aggregate(plan, shown, keys.clone(), forms, keys, Vec::new())?;
        }
        if !self.order.is_empty() || self.sql.select.limit.is_some() {
            if self.sql.select.limit.is_some() {
                let by: Vec<String> = self.order.iter().map(|(column, ..)| column.clone()).collect();
                plan.chooses_rows(&by);
            }
            let (place, schema) = (plan.place().to_owned(), plan.schema().clone());
            let sorting = Sorting { place, by: self.order.clone(), limit: self.sql.select.limit, schema };
            plan.reshape_rows(Arc::new(sorting))?;
        }
        plan.select(self.outputs.clone());
        let names: Vec<String> = self.items.into_iter().map(|(name, _)| name).collect();
        let (from, to): (Vec<String>, Vec<String>) =
            self.outputs.into_iter().zip(names).filter(|(from, to)| from != to).unzip();
        if !from.is_empty() {
            plan.rename(from, to);
        }
        Ok(())
    }
}

/// Refuses conditions that are neither true nor false.
fn truth(plan: &Plan, sql: &SqlExpr, clause: &str) -> Result<()> {
    match sql.compile(plan.schema(), plan.place())?.dtype {
        DataType::Boolean => Ok(()),
        _ => Err(plan
            .error(format!("'{sql}' is neither true nor false"))
            .hint(format!("write a comparison after {clause}"))),
    }
}

/// Whether two expressions are the same, however they are written.
fn is_same(one: &SqlExpr, other: &SqlExpr) -> bool {
    let columns = one.as_column().zip(other.as_column());
    columns.map_or_else(|| expr::normal(one.text()) == expr::normal(other.text()), |(one, other)| one == other)
}

/// A column as people write it.
fn written(name: &ColumnName) -> String {
    name.table.as_ref().map_or_else(|| name.column.clone(), |table| format!("{table}.{}", name.column))
}

/// A column as an expression.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.select.text())
    }
}

impl Serialize for Sql {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.select.text().trim())
    }
}

impl<'de> Deserialize<'de> for Sql {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sql, D::Error> {
        spec::read_text(deserializer, "a SELECT", Sql::new)
    }
}

impl JsonSchema for Sql {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sql".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "One SELECT over the table so far, which it calls `this`, and other clean tables; docs/tables.md says what it may contain."
        })
    }
}

#[cfg(test)]
mod tests;
