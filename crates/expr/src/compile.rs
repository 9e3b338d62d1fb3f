//! Checked expression and types of columns to an expression of polars.

use polars::prelude::*;
use spec::{Error, Result, did_you_mean};

use crate::arithmetic;
use crate::cast::{self, Sort, sort_of};
use crate::compare;
use crate::dates;
use crate::functions::Id;
use crate::grouped::Groups;
use crate::kernel::{Label, defined, row_fn, rows};
use crate::node::{Arithmetic, Comparison, Interval, Literal, Node, Part};
use crate::numbers;
use crate::texts::{self, Pattern};
use crate::typed::{self, Typed};
use crate::value::Value;

/// An expression as polars runs it, and the type of what it gives.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub expr: Expr,
    pub dtype: DataType,
}

pub(crate) struct Compiler<'a> {
    pub schema: &'a Schema,
    pub label: Label,
    /// Rows for which this is not true read as null: they are out, or another branch is theirs.
    pub guard: Option<Expr>,
    /// Where the rows are groups: what is gathered of each.
    pub groups: Option<&'a Groups<'a>>,
}

/// The whole expression. `alive` says which rows still count: the others must not end a run.
pub(crate) fn compiled(node: &Node, schema: &Schema, label: Label, alive: Option<Expr>) -> Result<Compiled> {
    let guard = alive.filter(|_| may_fail(node));
    let context = label.clone();
    let compiler = Compiler { schema, label, guard, groups: None };
    let typed = compiler.node(node).and_then(|typed| typed.check_length().map(|()| typed));
    let typed = typed.map_err(|error| error.context(context))?;
    let expr = if typed.open { defined(typed.expr, &typed.dtype, true) } else { typed.expr };
    Ok(Compiled { expr, dtype: typed.dtype })
}

/// Whether a value could end the run.
fn may_fail(node: &Node) -> bool {
    node.any(&mut |node| match node {
        // The branches of CASE and the arguments of functions may be brought to one type.
        Node::Arithmetic(..) | Node::Negate(_) | Node::Case { .. } => true,
        Node::Cast { or_null, .. } => !or_null,
        // A pattern of the data may end with the escape character.
        Node::Like { pattern, escape, .. } => escape.is_some() && !matches!(**pattern, Node::Literal(_)),
        Node::Call(function, _) => !matches!(function.id, Id::NullIf | Id::Lower | Id::Upper | Id::Length),
        _ => false,
    })
}

impl Compiler<'_> {
    /// A compiler of a part that counts only where `condition` is true.
    fn within(&self, condition: Expr) -> Compiler<'_> {
        let guard = match &self.guard {
            Some(guard) => guard.clone().and(condition),
            None => condition,
        };
        Compiler { schema: self.schema, label: self.label.clone(), guard: Some(guard), groups: self.groups }
    }

    /// The first input of an operation that may fail: null where it must not.
    pub fn masked(&self, input: Expr) -> Expr {
        match &self.guard {
            Some(guard) => when(guard.clone()).then(input).otherwise(lit(NULL)),
            None => input,
        }
    }

    pub fn node(&self, node: &Node) -> Result<Typed> {
        match node {
            Node::Column(name) => self.column(name),
            Node::Literal(literal) => typed::of_literal(literal),
            Node::Negate(of) => self.negated(of),
            Node::Not(of) => Ok(Typed::boolean(self.truth(of, "NOT")?.not())),
            Node::Arithmetic(op, left, right) => self.arithmetic(*op, self.operand(left)?, self.operand(right)?),
            Node::Join(left, right) => {
                let sides = vec![self.shown(self.node(left)?)?, self.shown(self.node(right)?)?];
                Ok(Typed::new(rows(&self.label, sides, DataType::String, row_fn(texts::join)), DataType::String))
            }
            Node::Compare(op, left, right) => compare::compared(&self.label, *op, self.node(left)?, self.node(right)?),
            Node::And(left, right) => Ok(Typed::boolean(self.truth(left, "AND")?.and(self.truth(right, "AND")?))),
            Node::Or(left, right) => Ok(Typed::boolean(self.truth(left, "OR")?.or(self.truth(right, "OR")?))),
            Node::IsNull(of) => {
                let of = self.node(of)?;
                of.check_length()?;
                Ok(Typed::boolean(of.expr.is_null()))
            }
            Node::IsTruth(of, truth) => Ok(Typed::boolean(self.truth(of, "IS TRUE")?.eq_missing(lit(*truth)))),
            Node::In(of, list) => {
                let list = list.iter().map(|item| self.node(item)).collect::<Result<Vec<Typed>>>()?;
                compare::within(&self.label, self.node(of)?, list)
            }
            Node::Like { of, pattern, escape, any_case } => self.like(of, pattern, *escape, *any_case),
            Node::Case { branches, otherwise } => self.case(branches, otherwise.as_deref()),
            Node::Cast { of, to, or_null } => self.cast(self.node(of)?, &cast::dtype(to), *or_null),
            Node::Part(part, of) => self.part(*part, self.node(of)?),
            Node::Call(function, arguments) if function.id == Id::Coalesce => self.coalesce(arguments),
            Node::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| self.node(argument)).collect::<Result<Vec<Typed>>>()?;
                self.call(function, arguments)
            }
            Node::Aggregate { function, of, distinct, only } => match self.groups {
                Some(groups) => groups.take(&self.label, function, of, *distinct, only.as_deref()),
                None => self.aggregate(function, of, *distinct, only.as_deref()),
            },
            Node::Over { of, partition, order, rows } => self.over(of, partition, order, *rows),
        }
    }

    /// A side of an arithmetic operation. Of a column of floats NaN need not be made null before: the result is NaN then,
    /// and [`arithmetic::floats`], which every such operation is, makes null of that in the pass that it takes anyway.
    fn operand(&self, node: &Node) -> Result<Typed> {
        match node {
            Node::Column(name) if self.schema.get(name).is_some_and(DataType::is_float) => {
                Ok(Typed { expr: col(name.as_str()), ..self.column(name)? })
            }
            _ => self.node(node),
        }
    }

    fn column(&self, name: &str) -> Result<Typed> {
        let Some(dtype) = self.schema.get(name) else {
            if let Some(error) = self.groups.and_then(|groups| groups.outside(name)) {
                return Err(error);
            }
            let known: Vec<&str> = self.schema.iter_names().map(|name| name.as_str()).collect();
            let near = did_you_mean(name, known);
            let way_out = match meant_as_text(name, &self.label) {
                Some(hint) => format!("{hint}; {near}"),
                None => near,
            };
            return Err(Error::cannot_run(format!("no column '{name}'")).hint(way_out));
        };
        Ok(match dtype.is_float() {
            true => Typed { open: true, ..Typed::new(defined(col(name), dtype, false), dtype.clone()) },
            false => Typed::new(col(name), dtype.clone()),
        })
    }

    /// A condition.
    pub fn truth(&self, node: &Node, what: &str) -> Result<Expr> {
        let typed = self.node(node)?;
        match typed.dtype {
            DataType::Boolean => Ok(typed.expr),
            DataType::Null if typed.interval().is_none() => Ok(typed::scalar(DataType::Boolean, AnyValue::Null)),
            _ => Err(Error::cannot_run(format!("{what} needs a boolean, but this is {}", typed.name()))
                .hint("compare it with something, such as x <> 0")),
        }
    }

    fn negated(&self, of: &Node) -> Result<Typed> {
        if let Node::Literal(Literal::Interval(by)) = of {
            let by = Interval { months: -by.months, days: -by.days, micros: -by.micros };
            return typed::of_literal(&Literal::Interval(by));
        }
        let typed = self.node(of)?;
        let dtype = match typed.sort() {
            _ if typed.is_null() => return Ok(typed),
            Some(Sort::Int) => DataType::Int64,
            Some(Sort::Float) => {
                return Ok(Typed {
                    literal: None,
                    ..Typed {
                        expr: lit(0.0) - typed.expr.clone().cast(DataType::Float64),
                        dtype: DataType::Float64,
                        ..typed
                    }
                });
            }
            Some(Sort::Decimal | Sort::Duration) => typed.dtype.clone(),
            _ => return Err(no_number("-", &typed)),
        };
        Ok(Typed::new(rows(&self.label, vec![self.masked(typed.expr)], dtype.clone(), row_fn(numbers::negated)), dtype))
    }

    pub fn arithmetic(&self, op: Arithmetic, left: Typed, right: Typed) -> Result<Typed> {
        if let Some(moved) = self.calendar(op, &left, &right)? {
            return Ok(moved);
        }
        for side in [&left, &right] {
            if !side.is_null() && !side.is_number() {
                return Err(no_number(op.sign(), side));
            }
        }
        if left.is_null() || right.is_null() {
            return Ok(Typed::null());
        }
        let is = |side: &Typed, sort: Sort| side.sort() == Some(sort);
        let any = |sort: Sort| is(&left, sort) || is(&right, sort);
        if any(Sort::Decimal) && op != Arithmetic::Divide {
            let exact = |side: &Typed| match is(side, Sort::Float) {
                true => typed::decimal_literal(side),
                false => Some(side.clone()),
            };
            if let (Some(left), Some(right)) = (exact(&left), exact(&right)) {
                if op == Arithmetic::DivideWhole {
                    let expr = arithmetic::whole_quotient(&self.label, self.masked(left.expr), right.expr);
                    return Ok(Typed::new(expr, DataType::Float64));
                }
                let scale = |side: &Typed| match side.dtype {
                    DataType::Decimal(_, behind) => behind,
                    _ => 0,
                };
                let scales = (scale(&left), scale(&right));
                if op == Arithmetic::Multiply && scales.0 + scales.1 > arithmetic::DIGITS {
                    return Err(Error::cannot_run(format!(
                        "the product has {} digits behind the point, but a decimal holds {}",
                        scales.0 + scales.1,
                        arithmetic::DIGITS
                    ))
                    .hint("compute with DOUBLE instead: CAST(… AS DOUBLE)"));
                }
                let (expr, dtype) = arithmetic::decimals(&self.label, op, self.masked(left.expr), right.expr, scales);
                return Ok(Typed::new(expr, dtype));
            }
        }
        let fits = |side: &Typed| is(side, Sort::Int) && side.dtype != DataType::UInt64;
        if op == Arithmetic::Divide && fits(&left) && fits(&right) {
            let expr = arithmetic::quotient(&self.label, self.masked(left.expr), right.expr);
            return Ok(Typed::new(expr, DataType::Float64));
        }
        if op == Arithmetic::Divide || any(Sort::Float) || any(Sort::Decimal) {
            let (left, right) = (typed::as_float(&self.label, left), typed::as_float(&self.label, right));
            return Ok(Typed::new(
                arithmetic::floats(&self.label, op, self.masked(left.expr), right.expr),
                DataType::Float64,
            ));
        }
        Ok(Typed::new(arithmetic::integers(&self.label, op, self.masked(left.expr), right.expr), DataType::Int64))
    }

    /// Dates, timestamps and lengths of time; nothing if neither side is one.
    fn calendar(&self, op: Arithmetic, left: &Typed, right: &Typed) -> Result<Option<Typed>> {
        let moves = |side: &Typed| matches!(side.sort(), Some(Sort::Date | Sort::Moment | Sort::Time));
        let length = |side: &Typed| side.interval().is_some() || side.sort() == Some(Sort::Duration);
        if !(moves(left) || moves(right) || length(left) || length(right)) {
            return Ok(None);
        }
        let unknown = || {
            let error = Error::cannot_run(format!("{} {} {} has no meaning", left.name(), op.sign(), right.name()));
            error.hint("docs/sql.md lists what can be computed with dates")
        };
        let (sign, left, right) = match op {
            Arithmetic::Add if moves(right) && !moves(left) => (1, right, left),
            Arithmetic::Add => (1, left, right),
            Arithmetic::Subtract => (-1, left, right),
            _ => return Err(unknown()),
        };
        let made = |expr: Expr, dtype: DataType| Ok(Some(Typed::new(expr, dtype)));
        let micros = DataType::Datetime(TimeUnit::Microseconds, None);
        let fine = |dtype: &DataType| match dtype {
            DataType::Datetime(TimeUnit::Nanoseconds, _) | DataType::Duration(TimeUnit::Nanoseconds) => {
                TimeUnit::Nanoseconds
            }
            _ => TimeUnit::Microseconds,
        };
        let sides = vec![self.masked(left.expr.clone()), right.expr.clone()];
        match (left.sort(), right.sort()) {
            (Some(sort @ (Sort::Date | Sort::Moment | Sort::Time)), _) if right.interval().is_some() => {
                let Some(by) = right.interval() else { return Err(unknown()) };
                if sort == Sort::Time && (by.months != 0 || by.days != 0) {
                    return Err(unknown());
                }
                let dtype = match (&left.dtype, by.micros) {
                    (DataType::Date, 0) => DataType::Date,
                    (DataType::Date, _) => micros,
                    (DataType::Datetime(TimeUnit::Milliseconds, _), _) => micros,
                    (other, _) => other.clone(),
                };
                let function = row_fn(move |row| dates::moved(&row[0], by, sign));
                made(rows(&self.label, vec![self.masked(left.expr.clone())], dtype.clone(), function), dtype)
            }
            (Some(Sort::Date), Some(Sort::Int)) => {
                let function = row_fn(move |row| dates::days_later(&row[0], i128::from(sign) * texts::whole(&row[1])));
                made(rows(&self.label, sides, DataType::Date, function), DataType::Date)
            }
            (Some(Sort::Date), Some(Sort::Date)) if sign < 0 => {
                let function = row_fn(|row| dates::difference(Part::Day, &row[1], &row[0]));
                made(rows(&self.label, sides, DataType::Int64, function), DataType::Int64)
            }
            (Some(Sort::Date | Sort::Moment), Some(Sort::Date | Sort::Moment)) if sign < 0 => {
                let unit =
                    if fine(&left.dtype) == fine(&right.dtype) { fine(&left.dtype) } else { TimeUnit::Nanoseconds };
                let function =
                    row_fn(|row| Ok(nanos(&row[0]).zip(nanos(&row[1])).map(|(a, b)| Value::Duration(a - b))));
                made(rows(&self.label, sides, DataType::Duration(unit), function), DataType::Duration(unit))
            }
            (Some(Sort::Date | Sort::Moment), Some(Sort::Duration)) => {
                let unit =
                    if fine(&left.dtype) == fine(&right.dtype) { fine(&left.dtype) } else { TimeUnit::Nanoseconds };
                let function = row_fn(move |row| {
                    Ok(nanos(&row[0]).zip(nanos(&row[1])).map(|(a, b)| Value::Moment(a + i128::from(sign) * b)))
                });
                let dtype = DataType::Datetime(unit, None);
                made(rows(&self.label, sides, dtype.clone(), function), dtype)
            }
            (Some(Sort::Duration), Some(Sort::Duration)) => {
                let unit =
                    if fine(&left.dtype) == fine(&right.dtype) { fine(&left.dtype) } else { TimeUnit::Nanoseconds };
                let function = row_fn(move |row| {
                    Ok(nanos(&row[0]).zip(nanos(&row[1])).map(|(a, b)| Value::Duration(a + i128::from(sign) * b)))
                });
                made(rows(&self.label, sides, DataType::Duration(unit), function), DataType::Duration(unit))
            }
            _ if left.is_null() || right.is_null() => Ok(Some(Typed::null())),
            _ => Err(unknown()),
        }
    }

    /// As text, for `||` and `concat`.
    pub fn shown(&self, typed: Typed) -> Result<Expr> {
        match typed.sort() {
            _ if typed.is_null() => Ok(typed::scalar(DataType::String, AnyValue::Null)),
            Some(Sort::Text) if typed.dtype == DataType::String => Ok(typed.expr),
            Some(Sort::Text) => Ok(typed.expr.cast(DataType::String)),
            _ if typed.dtype == DataType::Float32 => Ok(narrow_text(&self.label, typed.expr)),
            Some(sort) if sort != Sort::Duration => Ok(typed::changed(&self.label, typed.expr, DataType::String)),
            _ => Err(Error::cannot_run(format!("{} has no text", typed.name())).hint("name a column of plain values")),
        }
    }

    /// A text.
    pub fn text(&self, typed: &Typed, what: &str) -> Result<Expr> {
        match typed.sort() {
            _ if typed.is_null() => Ok(typed::scalar(DataType::String, AnyValue::Null)),
            Some(Sort::Text) if typed.dtype == DataType::String => Ok(typed.expr.clone()),
            Some(Sort::Text) => Ok(typed.expr.clone().cast(DataType::String)),
            _ => Err(Error::cannot_run(format!("{what} takes a text, but this is {}", typed.name()))
                .hint("make it one: CAST(… AS VARCHAR)")),
        }
    }

    fn like(&self, of: &Node, pattern: &Node, escape: Option<char>, any_case: bool) -> Result<Typed> {
        let of = self.text(&self.node(of)?, "LIKE")?;
        let pattern = self.node(pattern)?;
        if let Some(fixed) = pattern.text() {
            let fixed = Pattern::new(fixed, escape, any_case).map_err(refused)?;
            let function = row_fn(move |row| Ok(Some(Value::Bool(fixed.fits(texts::text(&row[0]))))));
            return Ok(Typed::boolean(rows(&self.label, vec![of], DataType::Boolean, function)));
        }
        let pattern = self.text(&pattern, "LIKE")?;
        let function = row_fn(move |row| {
            let pattern = Pattern::new(texts::text(&row[1]), escape, any_case)?;
            Ok(Some(Value::Bool(pattern.fits(texts::text(&row[0])))))
        });
        Ok(Typed::boolean(rows(&self.label, vec![self.masked(of), pattern], DataType::Boolean, function)))
    }

    /// A part that counts only where `only` is true: elsewhere it must not end the run.
    fn part_of(&self, node: &Node, only: Option<&Expr>) -> Result<Typed> {
        match only {
            Some(only) if may_fail(node) => self.within(only.clone()).node(node),
            _ => self.node(node),
        }
    }

    fn case(&self, branches: &[(Node, Node)], otherwise: Option<&Node>) -> Result<Typed> {
        let mut conditions: Vec<Expr> = Vec::with_capacity(branches.len());
        let mut values = Vec::with_capacity(branches.len() + 1);
        let mut only = Vec::with_capacity(branches.len() + 1);
        // Where no branch so far holds.
        let mut open: Option<Expr> = None;
        for (condition, value) in branches {
            let condition = match &open {
                Some(open) if may_fail(condition) => self.within(open.clone()).truth(condition, "WHEN")?,
                _ => self.truth(condition, "WHEN")?,
            };
            let and = |other: Expr| match &open {
                Some(open) => open.clone().and(other),
                None => other,
            };
            let here = and(condition.clone());
            values.push(self.part_of(value, Some(&here))?);
            open = Some(and(condition.clone().eq_missing(lit(true)).not()));
            only.push(Some(here));
            conditions.push(condition);
        }
        values.push(match otherwise {
            None => Typed::null(),
            Some(last) => self.part_of(last, open.as_ref())?,
        });
        only.push(open);
        let open = values.iter().any(|value| value.open);
        let (mut values, dtype) = self.common(values, only, "the branches of CASE")?;
        let last = values.pop().map_or_else(|| lit(NULL), |last| last.expr);
        let pairs = conditions.into_iter().zip(values);
        let expr = pairs.rev().fold(last, |rest, (condition, value)| when(condition).then(value.expr).otherwise(rest));
        Ok(Typed { open, ..Typed::new(expr, dtype) })
    }

    /// [`typed::common`], within the guard.
    pub fn common(&self, values: Vec<Typed>, only: Vec<Option<Expr>>, what: &str) -> Result<(Vec<Typed>, DataType)> {
        let and_guard = |only: Option<Expr>| match (only, &self.guard) {
            (Some(only), Some(guard)) => Some(guard.clone().and(only)),
            (only, guard) => only.or(guard.clone()),
        };
        let only: Vec<Option<Expr>> = only.into_iter().map(and_guard).collect();
        typed::common(&self.label, values, &only, what)
    }

    fn coalesce(&self, arguments: &[Node]) -> Result<Typed> {
        let mut values: Vec<Typed> = Vec::with_capacity(arguments.len());
        let mut only: Vec<Option<Expr>> = Vec::with_capacity(arguments.len());
        let mut missing: Option<Expr> = None;
        for argument in arguments {
            let value = self.part_of(argument, missing.as_ref())?;
            only.push(missing.clone());
            let is_null = value.expr.clone().is_null();
            missing = Some(match missing {
                Some(missing) => missing.and(is_null),
                None => is_null,
            });
            values.push(value);
        }
        let open = values.iter().any(|value| value.open);
        let (values, dtype) = self.common(values, only, "the arguments of coalesce")?;
        let values: Vec<Expr> = values.into_iter().map(|value| value.expr).collect();
        Ok(Typed { open, ..Typed::new(coalesce(&values), dtype) })
    }

    fn cast(&self, of: Typed, to: &DataType, or_null: bool) -> Result<Typed> {
        if of.is_null() {
            return Ok(Typed::new(lit(NULL).cast(to.clone()), to.clone()));
        }
        if of.dtype == *to {
            return Ok(Typed { literal: None, ..of });
        }
        let (from, target) = (of.sort(), sort_of(to));
        let known = from.zip(target).is_some_and(|(from, to)| values::sql_casts(from, to));
        if !known {
            let error = Error::cannot_run(format!("{} cannot be cast to {}", of.name(), cast::name(to)));
            return Err(error
                .hint(from.zip(target).map_or("docs/sql.md lists the casts", |(from, to)| cast::instead(from, to))));
        }
        if of.dtype == DataType::Float32 && target == Some(Sort::Text) {
            return Ok(Typed::new(narrow_text(&self.label, of.expr), DataType::String));
        }
        if from == Some(Sort::Text) && target == Some(Sort::Text) {
            return Ok(Typed::new(of.expr.cast(DataType::String), DataType::String));
        }
        let of = match (target, typed::decimal_literal(&of)) {
            (Some(Sort::Decimal), Some(exact)) => exact,
            (Some(Sort::Decimal), None) if of.dtype == DataType::Float32 => {
                Typed::new(narrow_digits(&self.label, of.expr), DataType::Float64)
            }
            _ => of,
        };
        let target = to.clone();
        let out = to.clone();
        let function = row_fn(move |row| match cast::converted(&row[0], &target) {
            Ok(value) => Ok(Some(value)),
            Err(_) if or_null => Ok(None),
            Err(refusal) => Err(refusal),
        });
        let open = of.open && to.is_float();
        Ok(Typed {
            open,
            ..Typed::new(
                rows(&self.label, vec![if or_null { of.expr } else { self.masked(of.expr) }], out.clone(), function),
                out,
            )
        })
    }

    pub fn part(&self, part: Part, of: Typed) -> Result<Typed> {
        let fits = match of.sort() {
            _ if of.is_null() => return Ok(Typed::null()),
            Some(Sort::Date | Sort::Moment) => true,
            Some(Sort::Time) => matches!(
                part,
                Part::Hour | Part::Minute | Part::Second | Part::Millisecond | Part::Microsecond | Part::Epoch
            ),
            Some(Sort::Duration) => !matches!(
                part,
                Part::Year
                    | Part::IsoYear
                    | Part::Quarter
                    | Part::Month
                    | Part::Week
                    | Part::DayOfWeek
                    | Part::IsoDayOfWeek
                    | Part::DayOfYear
            ),
            _ => false,
        };
        if !fits {
            let what = format!("{part:?}").to_lowercase();
            return Err(Error::cannot_run(format!("{} has no {what}", of.name()))
                .hint("name a date or timestamp; a text becomes one with CAST(… AS DATE)"));
        }
        let dtype = if part == Part::Epoch { DataType::Float64 } else { DataType::Int64 };
        let function = row_fn(move |row| dates::part(part, &row[0]));
        Ok(Typed::new(rows(&self.label, vec![of.expr], dtype.clone(), function), dtype))
    }
}

/// The hint for a name that the expression `sql` has in double quotes, which SQL puts around names and not around texts.
pub fn meant_as_text(name: &str, sql: &str) -> Option<String> {
    sql.contains(&format!("\"{name}\"")).then(|| format!("a text belongs in single quotes: '{name}'"))
}

/// A float32 with the digits that distinguish it from others: as a float64 it has more, which mean nothing.
fn narrow_text(label: &Label, of: Expr) -> Expr {
    let function = row_fn(|row| match &row[0] {
        Value::Float(value) => Ok(Some(Value::Text(format!("{:?}", *value as f32).into()))),
        _ => Ok(None),
    });
    rows(label, vec![of], DataType::String, function)
}

/// A float32 as the float64 with the same digits: 0.1, and not the 0.10000000149011612 that it is.
fn narrow_digits(label: &Label, of: Expr) -> Expr {
    let function = row_fn(|row| match &row[0] {
        Value::Float(value) => Ok((*value as f32).to_string().parse().ok().map(Value::Float)),
        _ => Ok(None),
    });
    rows(label, vec![of], DataType::Float64, function)
}

/// Nanoseconds of a timestamp, of a date's midnight or of a length of time.
fn nanos(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Date(days) => Some(i128::from(*days) * crate::value::DAY),
        Value::Moment(nanos) | Value::Duration(nanos) => Some(*nanos),
        _ => None,
    }
}

pub(crate) fn refused(refusal: crate::kernel::Refusal) -> Error {
    Error::cannot_run(refusal.cause).hint(refusal.hint)
}

fn no_number(sign: &str, side: &Typed) -> Error {
    let hint = match side.sort() {
        Some(Sort::Text) => "make it a number: CAST(… AS DOUBLE); texts are joined with ||",
        Some(Sort::Bool) => "make it a number: CAST(… AS INTEGER)",
        _ => "name numbers",
    };
    Error::cannot_run(format!("'{sign}' takes numbers, but one side is {}", side.name())).hint(hint)
}

/// `x = y` of values that are already typed.
pub(crate) fn equal(label: &Label, left: Typed, right: Typed) -> Result<Typed> {
    compare::compared(label, Comparison::Equal, left, right)
}
