//! A whole SELECT as data: what it reads, keeps, groups and gives. The code that runs it knows the columns of the tables.
//!
//! Names with a table in front (`c.city`) are replaced by the names that the columns have once the tables are joined;
//! then each part is an expression like any other. What has no place in [`Select`] is refused with its place in the
//! text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use spec::{Error, Result};
use sqlparser::ast::{self, Expr as Sql, Spanned};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use crate::parse::{Grammar, cause, in_quotes, written};
use crate::{SqlExpr, node::Node};

/// A SELECT statement.
#[derive(Clone)]
pub struct Select {
    text: String,
    /// What the table that it begins with is called in it.
    pub from: Table,
    pub joins: Vec<Join>,
    pub items: Vec<Item>,
    pub distinct: bool,
    pub condition: Option<Part>,
    pub groups: Vec<Part>,
    pub having: Option<Part>,
    pub order: Vec<Order>,
    pub limit: Option<u64>,
}

/// A table and the name that its columns have in front of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub alias: String,
}

/// A table that is joined to those before it.
#[derive(Clone, Debug)]
pub struct Join {
    pub table: Table,
    pub kind: JoinKind,
    /// Pairs of columns that must be equal.
    pub on: Vec<[ColumnName; 2]>,
    /// The columns of USING: each is one column of the result, that of the table before.
    pub using: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Semi,
    Anti,
}

/// A column, with its table if that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnName {
    pub table: Option<String>,
    pub column: String,
}

/// What a SELECT gives.
#[derive(Clone, Debug)]
pub enum Item {
    /// `*`, or `t.*`.
    All(Option<String>),
    Value {
        part: Part,
        name: String,
    },
}

#[derive(Clone, Debug)]
pub struct Order {
    pub by: Part,
    pub descending: bool,
    pub nulls_first: bool,
}

/// An expression within the statement.
#[derive(Clone, Debug)]
pub struct Part {
    text: String,
    place: String,
}

/// What the columns of joined tables are called.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By table as the statement calls it.
    tables: BTreeMap<String, BTreeMap<String, String>>,
    /// Columns of a table that are one with that of a table before: only their full names mean them.
    merged: BTreeSet<(String, String)>,
}

impl Names {
    /// `column` of `table` is called `flat` in the joined rows.
    pub fn add(&mut self, table: &str, column: &str, flat: &str) {
        self.tables.entry(table.to_owned()).or_default().insert(column.to_owned(), flat.to_owned());
    }

    /// `column` of `table` is one with the column of this name of a table before.
    pub fn merge(&mut self, table: &str, column: &str) {
        self.merged.insert((table.to_owned(), column.to_owned()));
    }

    pub fn is_merged(&self, table: &str, column: &str) -> bool {
        self.merged.contains(&(table.to_owned(), column.to_owned()))
    }

    /// The columns of a table, as called there and in the joined rows; `None` if the table does not exist.
    pub fn of(&self, table: &str) -> Option<&BTreeMap<String, String>> {
        self.tables.get(table)
    }

    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// The name in the joined rows. Errors: an unknown table or column, a column of several tables.
    pub fn flat(&self, name: &ColumnName) -> Result<String> {
        let unknown = |shown: &str, known: Vec<&str>| {
            Error::cannot_run(format!("no column '{shown}'")).hint(spec::did_you_mean(&name.column, known))
        };
        match &name.table {
            Some(table) => {
                let columns = self.tables.get(table).ok_or_else(|| {
                    Error::cannot_run(format!("no table '{table}' in FROM"))
                        .hint(spec::did_you_mean(table, self.tables()))
                })?;
                columns.get(&name.column).cloned().ok_or_else(|| {
                    let known = columns.keys().map(String::as_str).collect();
                    unknown(&format!("{table}.{}", name.column), known)
                })
            }
            None => {
                let having =
                    self.tables.iter().filter_map(|(table, columns)| Some((table, columns.get(&name.column)?)));
                let having: Vec<(&String, &String)> =
                    having.filter(|(table, _)| !self.is_merged(table, &name.column)).collect();
                match having[..] {
                    [(_, flat)] => Ok(flat.clone()),
                    [] => {
                        let known =
                            self.tables.values().flat_map(|columns| columns.keys()).map(String::as_str).collect();
                        Err(unknown(&name.column, known))
                    }
                    [..] => {
                        let tables: Vec<&str> = having.iter().map(|(table, _)| table.as_str()).collect();
                        Err(Error::cannot_run(format!(
                            "column '{}' is in several tables: {}",
                            name.column,
                            tables.join(", ")
                        ))
                        .hint(format!(
                            "write {}",
                            tables
                                .iter()
                                .map(|table| format!("{table}.{}", name.column))
                                .collect::<Vec<_>>()
                                .join(" or ")
                        )))
                    }
                }
            }
        }
    }

    fn is_column(&self, column: &str) -> bool {
        self.tables.values().any(|columns| columns.contains_key(column))
    }
}

impl Part {
    /// The expression over the joined rows.
    pub fn over(&self, names: &Names) -> Result<SqlExpr> {
        self.flattened(names).and_then(SqlExpr::new).map_err(|error| error.context(&self.place))
    }

    /// The column, if the expression is nothing but a column.
    pub fn column(&self) -> Option<ColumnName> {
        let tokens = tokens(&self.text).ok()?;
        match &tokens[..] {
            [Token::Word(column)] => Some(ColumnName { table: None, column: column.value.clone() }),
            [Token::Word(table), Token::Period, Token::Word(column)] => {
                Some(ColumnName { table: Some(table.value.clone()), column: column.value.clone() })
            }
            _ => None,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// ` at character 8`
    pub fn place(&self) -> &str {
        &self.place
    }

    fn flattened(&self, names: &Names) -> Result<String> {
        let all = Tokenizer::new(&Grammar, &self.text).tokenize();
        // The grammar writes `- - x` without the space, and so as a comment.
        if all.is_ok_and(|all| {
            all.iter().any(|token| matches!(token, Token::Whitespace(Whitespace::SingleLineComment { .. })))
        }) {
            return Err(
                Error::cannot_run("one minus sign follows another").hint("put the inner one into brackets: -(-x)")
            );
        }
        let tokens = tokens(&self.text)?;
        let (mut text, mut at) = (String::new(), 0);
        while at < tokens.len() {
            let before = at.checked_sub(1).map(|before| &tokens[before]);
            let is_tight = matches!(
                (before, &tokens[at]),
                (None | Some(Token::LParen), _)
                    | (_, Token::RParen | Token::Comma)
                    | (Some(Token::Word(_)), Token::LParen)
            );
            if !is_tight {
                text.push(' ');
            }
            match &tokens[at..] {
                [Token::Word(table), Token::Period, Token::Word(column), ..] => {
                    let name = ColumnName { table: Some(table.value.clone()), column: column.value.clone() };
                    text += &in_quotes(&names.flat(&name)?);
                    at += 3;
                }
                [Token::Word(word), rest @ ..]
                    if rest.first() != Some(&Token::LParen) && names.is_column(&word.value) =>
                {
                    let flat = names.flat(&ColumnName { table: None, column: word.value.clone() })?;
                    // Unchanged where nothing changes: `day` may be a column, and the part of EXTRACT(day FROM …).
                    text += &if flat == word.value { written(&tokens[at]) } else { in_quotes(&flat) };
                    at += 1;
                }
                [token, ..] => {
                    text += &written(token);
                    at += 1;
                }
                [] => {}
            }
        }
        Ok(text)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let tokens = Tokenizer::new(&Grammar, text).tokenize();
    let tokens = tokens.map_err(|error| Error::cannot_run(format!("'{text}' cannot be read: {error}")))?;
    Ok(tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect())
}

impl Select {
    /// Parses a SELECT. Refused are subqueries, WITH, UNION and whatever else has no place in [`Select`].
    pub fn new(text: impl Into<String>) -> Result<Select> {
        let text = text.into();
        let failed = |cause: String| Error::cannot_run(format!("not a SELECT that can be read: {cause}"));
        let mut parser = Parser::new(&Grammar).try_with_sql(&text).map_err(|error| failed(cause(&error)))?;
        let query = parser.parse_query().map_err(|error| {
            failed(cause(&error)).hint("write SELECT … FROM this …; docs/tables.md says what it may contain")
        })?;
        let _ = parser.consume_token(&Token::SemiColon);
        if parser.peek_token_ref().token != Token::EOF {
            let token = parser.peek_token_ref();
            return Err(failed(format!("unexpected '{}'{}", token.token, at(token.span.start)))
                .hint("write one SELECT, and further ones as steps or tables of their own"));
        }
        read(*query, text)
    }

    /// Whether a name occurs anywhere in it.
    pub fn mentions(&self, name: &str) -> bool {
        tokens(&self.text)
            .is_ok_and(|tokens| tokens.iter().any(|token| matches!(token, Token::Word(word) if word.value == name)))
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

impl SqlExpr {
    /// Whether an aggregate over all rows, or over those of a group, occurs in it.
    pub fn aggregates(&self) -> bool {
        fn within(node: &Node) -> bool {
            match node {
                Node::Aggregate { .. } => true,
                Node::Over { .. } => false,
                _ => node.children().into_iter().any(within),
            }
        }
        within(self.node())
    }

    /// The column, if the expression is nothing but a column.
    pub fn as_column(&self) -> Option<&str> {
        match self.node() {
            Node::Column(name) => Some(name),
            _ => None,
        }
    }

    /// Whether a window occurs in it.
    pub fn has_window(&self) -> bool {
        self.node().any(&mut |node| matches!(node, Node::Over { .. }))
    }
}

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Select({})", self.text)
    }
}

impl std::str::FromStr for Select {
    type Err = Error;
    fn from_str(text: &str) -> Result<Select> {
        Select::new(text)
    }
}

/// ` in line 2 at character 8`
fn at(place: Location) -> String {
    match (place.line, place.column) {
        (0, _) => String::new(),
        (1, column) => format!(" at character {column}"),
        (line, column) => format!(" in line {line} at character {column}"),
    }
}

fn refused(what: &str, node: &impl Spanned, hint: &str) -> Error {
    Error::cannot_run(format!("{what} is not supported{}", at(node.span().start))).hint(hint)
}

const OWN_STEP: &str = "use a step or a table of its own for it; docs/tables.md says what a SELECT may contain";

fn read(query: ast::Query, text: String) -> Result<Select> {
    if let Some(with) = &query.with {
        return Err(refused("WITH", with, "make the table in clean.yaml, and join it by its name"));
    }
    let select = match *query.body {
        ast::SetExpr::Select(select) => *select,
        ast::SetExpr::SetOperation { op, set_quantifier, left, right } => {
            let (all, way_out) = match (op, set_quantifier) {
                (ast::SetOperator::Union, ast::SetQuantifier::All) => (" ALL", "use the step 'union'"),
                (ast::SetOperator::Union, _) => {
                    ("", "use the step 'union', and 'dedupe' behind it to keep one of equal rows")
                }
                (ast::SetOperator::Intersect, _) => ("", "write SELECT DISTINCT … FROM this SEMI JOIN t ON …"),
                _ => ("", "write SELECT DISTINCT … FROM this ANTI JOIN t ON …"),
            };
            let behind = ast::SetExpr::SetOperation { op, set_quantifier, left, right };
            return Err(refused(&format!("{op}{all}"), &behind, way_out));
        }
        other => return Err(refused("a query that is not a plain SELECT, such as VALUES,", &other, OWN_STEP)),
    };
    let without_place = |is_there: bool, what: &str| match is_there {
        true => Err(Error::cannot_run(format!("{what} is not supported")).hint(OWN_STEP)),
        false => Ok(()),
    };
    without_place(query.fetch.is_some(), "FETCH")?;
    without_place(!query.locks.is_empty() || query.for_clause.is_some(), "FOR")?;
    without_place(!query.pipe_operators.is_empty(), "|>")?;
    without_place(select.top.is_some(), "TOP")?;
    without_place(select.into.is_some(), "INTO")?;
    without_place(select.exclude.is_some(), "EXCLUDE")?;
    without_place(!select.lateral_views.is_empty(), "LATERAL VIEW")?;
    without_place(select.prewhere.is_some(), "PREWHERE")?;
    without_place(!select.connect_by.is_empty(), "CONNECT BY")?;
    without_place(!select.named_window.is_empty(), "WINDOW")?;
    without_place(select.value_table_mode.is_some(), "SELECT AS VALUE")?;
    if let Some(qualify) = &select.qualify {
        return Err(refused("QUALIFY", qualify, "use the step 'window', and 'filter' behind it"));
    }
    let distinct = match &select.distinct {
        None => false,
        Some(ast::Distinct::Distinct) => true,
        Some(_) => return Err(Error::cannot_run("DISTINCT ON is not supported").hint("use the step 'dedupe'")),
    };
    let [from] = &select.from[..] else {
        return Err(Error::cannot_run("FROM must name one table, 'this', and JOIN the others")
            .hint("write FROM this JOIN t ON …"));
    };
    let joins = from.joins.iter().map(join).collect::<Result<Vec<Join>>>()?;
    let groups = match &select.group_by {
        ast::GroupByExpr::Expressions(groups, with) if with.is_empty() && !groups.iter().any(is_of_several) => {
            groups.iter().map(part).collect()
        }
        _ => {
            return Err(Error::cannot_run("GROUP BY ALL, ROLLUP and CUBE are not supported")
                .hint("name the columns; totals of other groups are a table of their own"));
        }
    };
    Ok(Select {
        from: table(&from.relation)?,
        joins,
        items: select.projection.iter().map(item).collect::<Result<_>>()?,
        distinct,
        condition: select.selection.as_ref().map(part),
        groups,
        having: select.having.as_ref().map(part),
        order: order(query.order_by.as_ref())?,
        limit: limit(query.limit_clause.as_ref())?,
        text,
    })
}

/// Whether it stands for several sets of groups.
fn is_of_several(group: &Sql) -> bool {
    matches!(group, Sql::Function(call) if ["ROLLUP", "CUBE"].contains(&call.name.to_string().to_uppercase().as_str()))
}

fn part(expr: &Sql) -> Part {
    Part { text: expr.to_string(), place: format!("'{expr}'{}", at(expr.span().start)) }
}

fn item(item: &ast::SelectItem) -> Result<Item> {
    let plain = |options: &ast::WildcardAdditionalOptions| {
        let ast::WildcardAdditionalOptions { opt_ilike, opt_exclude, opt_except, opt_replace, opt_rename, .. } =
            options;
        opt_ilike.is_none()
            && opt_exclude.is_none()
            && opt_except.is_none()
            && opt_replace.is_none()
            && opt_rename.is_none()
    };
    Ok(match item {
        ast::SelectItem::Wildcard(options) if plain(options) => Item::All(None),
        ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), options)
            if plain(options) =>
        {
            Item::All(Some(name.to_string()))
        }
        ast::SelectItem::ExprWithAlias { expr, alias } => Item::Value { part: part(expr), name: alias.value.clone() },
        ast::SelectItem::UnnamedExpr(expr) => {
            let part = part(expr);
            let Some(ColumnName { column: name, .. }) = part.column() else {
                return Err(Error::cannot_run(format!("{} has no name", part.place)).hint("write … AS name"));
            };
            Item::Value { part, name }
        }
        other => return Err(refused(&format!("'{other}'"), other, "name the columns one by one")),
    })
}

fn table(factor: &ast::TableFactor) -> Result<Table> {
    match factor {
        ast::TableFactor::Table { name, alias, args: None, sample: None, version: None, .. } => {
            let [ast::ObjectNamePart::Identifier(name)] = &name.0[..] else {
                return Err(refused(&format!("a table such as '{name}'"), factor, "name a table of this file"));
            };
            if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
                return Err(refused("an alias with columns", factor, "rename the columns after SELECT"));
            }
            let alias = alias.as_ref().map_or(&name.value, |alias| &alias.name.value);
            Ok(Table { name: name.value.clone(), alias: alias.clone() })
        }
        ast::TableFactor::Derived { .. } => {
            Err(refused("a subquery", factor, "make it a table of clean.yaml, and join it by its name"))
        }
        other => Err(refused(&format!("'{other}'"), other, "name a table of this file")),
    }
}

fn join(join: &ast::Join) -> Result<Join> {
    use ast::JoinOperator::*;
    let (kind, constraint) = match &join.join_operator {
        Join(constraint) | Inner(constraint) => (JoinKind::Inner, constraint),
        Left(constraint) | LeftOuter(constraint) => (JoinKind::Left, constraint),
        Semi(constraint) | LeftSemi(constraint) => (JoinKind::Semi, constraint),
        Anti(constraint) | LeftAnti(constraint) => (JoinKind::Anti, constraint),
        _ => {
            return Err(refused(
                "this kind of join",
                &join.relation,
                "write JOIN, LEFT JOIN, SEMI JOIN or ANTI JOIN, or use the step 'join'",
            ));
        }
    };
    let table = table(&join.relation)?;
    let mut using = Vec::new();
    let on = match constraint {
        ast::JoinConstraint::On(condition) => {
            let mut pairs = Vec::new();
            equalities(condition, &mut pairs)?;
            pairs
        }
        ast::JoinConstraint::Using(columns) => {
            let pair = |name: &ast::ObjectName| {
                let column = match &name.0[..] {
                    [ast::ObjectNamePart::Identifier(name)] => name.value.clone(),
                    _ => name.to_string(),
                };
                let theirs = ColumnName { table: Some(table.alias.clone()), column: column.clone() };
                [ColumnName { table: None, column }, theirs]
            };
            let pairs: Vec<[ColumnName; 2]> = columns.iter().map(pair).collect();
            using = pairs.iter().map(|[column, _]| column.column.clone()).collect();
            pairs
        }
        _ => return Err(refused("a join without ON or USING", &join.relation, "write ON a.x = b.y")),
    };
    Ok(self::Join { table, kind, on, using })
}

/// Pairs of equal columns, joined by AND.
fn equalities(condition: &Sql, pairs: &mut Vec<[ColumnName; 2]>) -> Result<()> {
    match condition {
        Sql::Nested(inner) => equalities(inner, pairs),
        Sql::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            equalities(left, pairs)?;
            equalities(right, pairs)
        }
        Sql::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => match (part(left).column(), part(right).column())
        {
            (Some(left), Some(right)) => {
                pairs.push([left, right]);
                Ok(())
            }
            _ => Err(not_equal(condition)),
        },
        _ => Err(not_equal(condition)),
    }
}

fn not_equal(condition: &Sql) -> Error {
    Error::cannot_run(format!("{} is not an equality of two columns", part(condition).place))
        .hint("derive the columns first; for times and intervals use the step 'join' with 'as_of' or 'between'")
}

fn order(order: Option<&ast::OrderBy>) -> Result<Vec<Order>> {
    let Some(order) = order else { return Ok(Vec::new()) };
    let ast::OrderByKind::Expressions(all) = &order.kind else {
        return Err(Error::cannot_run("ORDER BY ALL is not supported").hint("name the columns"));
    };
    Ok(all
        .iter()
        .map(|by| Order {
            by: part(&by.expr),
            descending: by.options.asc == Some(false),
            nulls_first: by.options.nulls_first.unwrap_or(false),
        })
        .collect())
}

fn limit(limit: Option<&ast::LimitClause>) -> Result<Option<u64>> {
    match limit {
        None => Ok(None),
        Some(ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) if limit_by.is_empty() => {
            let number = limit.to_string();
            number.parse().map(Some).map_err(|_| {
                Error::cannot_run(format!("LIMIT {number} is not a whole number{}", at(limit.span().start)))
                    .hint("write one, such as LIMIT 100")
            })
        }
        Some(_) => Err(Error::cannot_run("OFFSET is not supported")
            .hint("number the rows by the step 'window', and filter by the number")),
    }
}
