//! Syntax tree to checked expression: what has no arm here is refused.

use spec::text::count;
use spec::{Error, Result};
use sqlparser::ast::{self, Expr as Sql};

use crate::functions::{self, Id};
use crate::literal;
use crate::node::{Arithmetic, Comparison, Literal, Node, PARTS, Part, Target};
use crate::window;

/// Deeper trees would exhaust the stack; chains of AND and OR of any length stay shallow.
const DEEPEST: usize = 120;

/// The way out where a subquery is not supported.
pub(crate) const JOIN_FIRST: &str =
    "join that table first, by a step 'join' (SEMI JOIN or ANTI JOIN in a SELECT), and use its columns";

pub(crate) fn resolve(tree: &Sql) -> Result<Node> {
    node(tree, 0)
}

pub(crate) fn node(tree: &Sql, depth: usize) -> Result<Node> {
    if depth > DEEPEST {
        return Err(Error::cannot_run(format!("it is nested more than {DEEPEST} deep"))
            .hint("derive a part of it as a column first"));
    }
    let below = |tree: &Sql| node(tree, depth + 1);
    let boxed = |tree: &Sql| below(tree).map(Box::new);
    let unless = |negated: bool, node: Node| if negated { Node::Not(Box::new(node)) } else { node };
    Ok(match tree {
        Sql::Nested(inner) => below(inner)?,
        Sql::Identifier(name) => Node::Column(name.value.clone()),
        Sql::CompoundIdentifier(names) => {
            let shown: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
            let shown = shown.join(".");
            return Err(Error::cannot_run(format!("'{shown}' names a table and a column"))
                .hint(format!("name the column alone, or write \"{shown}\" if the dot is part of its name")));
        }
        Sql::Value(value) => Node::Literal(value_of(&value.value)?),
        Sql::TypedString(typed) => typed_string(typed)?,
        Sql::Interval(interval) => Node::Literal(Literal::Interval(interval_of(interval)?)),
        Sql::UnaryOp { op, expr } => match op {
            ast::UnaryOperator::Plus => below(expr)?,
            ast::UnaryOperator::Minus => match below(expr)? {
                // -9223372036854775808 is a number, though 9223372036854775808 alone is beyond int64.
                Node::Literal(Literal::Number(number)) if !number.starts_with('-') => {
                    Node::Literal(Literal::Number(format!("-{number}")))
                }
                other => Node::Negate(Box::new(other)),
            },
            ast::UnaryOperator::Not => Node::Not(boxed(expr)?),
            other => return Err(no_operator(&other.to_string())),
        },
        Sql::BinaryOp { left, op, right } => binary(tree, left, op, right, depth)?,
        Sql::IsNull(of) | Sql::IsUnknown(of) => Node::IsNull(boxed(of)?),
        Sql::IsNotNull(of) | Sql::IsNotUnknown(of) => unless(true, Node::IsNull(boxed(of)?)),
        Sql::IsTrue(of) => Node::IsTruth(boxed(of)?, true),
        Sql::IsNotTrue(of) => unless(true, Node::IsTruth(boxed(of)?, true)),
        Sql::IsFalse(of) => Node::IsTruth(boxed(of)?, false),
        Sql::IsNotFalse(of) => unless(true, Node::IsTruth(boxed(of)?, false)),
        Sql::IsDistinctFrom(left, right) => Node::Compare(Comparison::Distinct, boxed(left)?, boxed(right)?),
        Sql::IsNotDistinctFrom(left, right) => Node::Compare(Comparison::NotDistinct, boxed(left)?, boxed(right)?),
        Sql::InList { expr, list, negated } => {
            let list = list.iter().map(below).collect::<Result<Vec<Node>>>()?;
            if list.is_empty() {
                return Err(Error::cannot_run("the list of IN is empty").hint("name at least one value"));
            }
            unless(*negated, Node::In(boxed(expr)?, list))
        }
        Sql::Between { expr, negated, low, high } => {
            let of = boxed(expr)?;
            let from = Node::Compare(Comparison::GreaterOrEqual, of.clone(), boxed(low)?);
            let to = Node::Compare(Comparison::LessOrEqual, of, boxed(high)?);
            unless(*negated, Node::And(Box::new(from), Box::new(to)))
        }
        Sql::Like { negated, any: false, expr, pattern, escape_char } => {
            let escape = escape_of(escape_char.as_ref())?;
            unless(*negated, Node::Like { of: boxed(expr)?, pattern: boxed(pattern)?, escape, any_case: false })
        }
        Sql::ILike { negated, any: false, expr, pattern, escape_char } => {
            let escape = escape_of(escape_char.as_ref())?;
            unless(*negated, Node::Like { of: boxed(expr)?, pattern: boxed(pattern)?, escape, any_case: true })
        }
        Sql::SimilarTo { .. } | Sql::RLike { .. } => {
            return Err(no_operator("SIMILAR TO").hint("write regexp_matches(text, pattern)"));
        }
        Sql::Case { operand, conditions, else_result, .. } => {
            let operand = operand.as_deref().map(below).transpose()?;
            let mut branches = Vec::with_capacity(conditions.len());
            for branch in conditions {
                let when = below(&branch.condition)?;
                let when = match &operand {
                    None => when,
                    Some(of) => Node::Compare(Comparison::Equal, Box::new(of.clone()), Box::new(when)),
                };
                branches.push((when, below(&branch.result)?));
            }
            Node::Case { branches, otherwise: else_result.as_deref().map(boxed).transpose()? }
        }
        Sql::Cast { kind, expr, data_type, array: false, format: None } => {
            let or_null = matches!(kind, ast::CastKind::TryCast | ast::CastKind::SafeCast);
            Node::Cast { of: boxed(expr)?, to: target(data_type)?, or_null }
        }
        Sql::Extract { field, expr, .. } => Node::Part(part(&field.to_string())?, boxed(expr)?),
        Sql::Ceil { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
            call(Id::Ceil, vec![below(expr)?])
        }
        Sql::Floor { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
            call(Id::Floor, vec![below(expr)?])
        }
        Sql::Position { expr, r#in } => call(Id::Position, vec![below(r#in)?, below(expr)?]),
        Sql::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            let mut arguments = vec![below(expr)?, below(from)?];
            arguments.extend(substring_for.as_deref().map(below).transpose()?);
            call(Id::Substring, arguments)
        }
        Sql::Trim { trim_where, trim_what, expr, trim_characters } => {
            let function = match trim_where {
                None | Some(ast::TrimWhereField::Both) => Id::Trim,
                Some(ast::TrimWhereField::Leading) => Id::TrimStart,
                Some(ast::TrimWhereField::Trailing) => Id::TrimEnd,
            };
            let mut arguments = vec![below(expr)?];
            arguments.extend(trim_what.as_deref().map(below).transpose()?);
            for characters in trim_characters.iter().flatten() {
                arguments.push(below(characters)?);
            }
            let function = call(function, arguments);
            checked_call(function)?
        }
        Sql::Function(function) => window::function(function, depth)?,
        Sql::AtTimeZone { .. } => {
            return Err(Error::cannot_run("AT TIME ZONE is not supported")
                .hint("write to_local(x, 'Europe/Berlin') for the local time there, or to_utc(x, …) for the inverse"));
        }
        Sql::Wildcard(_) | Sql::QualifiedWildcard(..) => {
            return Err(Error::cannot_run("'*' stands for many columns").hint("name the columns one by one"));
        }
        Sql::Subquery(_) | Sql::InSubquery { .. } | Sql::Exists { .. } | Sql::AnyOp { .. } | Sql::AllOp { .. } => {
            return Err(Error::cannot_run("a subquery reads another table").hint(JOIN_FIRST));
        }
        Sql::Collate { .. } => {
            return Err(Error::cannot_run("COLLATE is not supported")
                .hint("texts are compared letter by letter; write lower(x) to compare without case"));
        }
        other => {
            return Err(Error::cannot_run(format!("'{other}' is not supported")).hint("docs/sql.md lists what is"));
        }
    })
}

fn binary(tree: &Sql, left: &Sql, op: &ast::BinaryOperator, right: &Sql, depth: usize) -> Result<Node> {
    use ast::BinaryOperator as Op;
    let (left, right) = match op {
        Op::And | Op::Or | Op::StringConcat => return chain(tree, op, depth),
        _ => (Box::new(node(left, depth + 1)?), Box::new(node(right, depth + 1)?)),
    };
    Ok(match op {
        Op::Plus => Node::Arithmetic(Arithmetic::Add, left, right),
        Op::Minus => Node::Arithmetic(Arithmetic::Subtract, left, right),
        Op::Multiply => Node::Arithmetic(Arithmetic::Multiply, left, right),
        Op::Divide => Node::Arithmetic(Arithmetic::Divide, left, right),
        Op::DuckIntegerDivide => Node::Arithmetic(Arithmetic::DivideWhole, left, right),
        Op::Modulo => Node::Arithmetic(Arithmetic::Remainder, left, right),
        Op::Eq => Node::Compare(Comparison::Equal, left, right),
        Op::NotEq => Node::Compare(Comparison::NotEqual, left, right),
        Op::Lt => Node::Compare(Comparison::Less, left, right),
        Op::LtEq => Node::Compare(Comparison::LessOrEqual, left, right),
        Op::Gt => Node::Compare(Comparison::Greater, left, right),
        Op::GtEq => Node::Compare(Comparison::GreaterOrEqual, left, right),
        Op::BitwiseXor | Op::PGExp => return Err(no_operator("^").hint("write power(x, y)")),
        other => return Err(no_operator(&other.to_string())),
    })
}

/// A chain of one operator that groups as one likes, as a tree of little depth.
fn chain(tree: &Sql, op: &ast::BinaryOperator, depth: usize) -> Result<Node> {
    let mut links = Vec::new();
    let mut rest = tree;
    while let Sql::BinaryOp { left, op: link, right } = rest
        && link == op
    {
        links.push(right.as_ref());
        rest = left.as_ref();
    }
    links.push(rest);
    let mut level = links.into_iter().rev().map(|link| node(link, depth + 1)).collect::<Result<Vec<Node>>>()?;
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        let mut pairs = level.into_iter();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next().map(Box::new) {
                None => left,
                Some(right) => match op {
                    ast::BinaryOperator::And => Node::And(Box::new(left), right),
                    ast::BinaryOperator::Or => Node::Or(Box::new(left), right),
                    _ => Node::Join(Box::new(left), right),
                },
            });
        }
        level = next;
    }
    level.pop().ok_or_else(|| Error::cannot_run("an operator without sides"))
}

pub(crate) fn call(id: Id, arguments: Vec<Node>) -> Node {
    let found = functions::FUNCTIONS.iter().find(|function| function.id == id);
    Node::Call(found.expect("the table holds every function"), arguments)
}

/// The node, if its function takes as many arguments.
pub(crate) fn checked_call(node: Node) -> Result<Node> {
    if let Node::Call(function, arguments) = &node
        && !(function.least..=function.most).contains(&arguments.len())
    {
        let hint = format!("write {}{}", function.name, function.arguments);
        return Err(Error::cannot_run(format!(
            "{} does not take {}",
            function.name,
            count(arguments.len() as u64, "argument")
        ))
        .hint(hint));
    }
    Ok(node)
}

/// Functions of SQL that depend on more than the data.
const NEVER_THE_SAME: [&str; 12] = [
    "now",
    "today",
    "random",
    "rand",
    "uuid",
    "gen_random_uuid",
    "current_date",
    "current_time",
    "current_timestamp",
    "getdate",
    "get_current_time",
    "get_current_timestamp",
];

/// Functions of other dialects, and what to write instead.
const OF_OTHER_DIALECTS: [(&str, &str); 19] = [
    ("if", "CASE WHEN condition THEN x ELSE y END"),
    ("iif", "CASE WHEN condition THEN x ELSE y END"),
    ("decode", "CASE x WHEN 1 THEN 'a' ELSE 'b' END"),
    ("nvl", "coalesce(x, y)"),
    ("isnull", "x IS NULL or coalesce(x, y)"),
    ("date", "CAST(x AS DATE)"),
    ("to_date", "CAST(x AS DATE) or strptime(x, format)"),
    ("to_timestamp", "CAST(x AS TIMESTAMP) or strptime(x, format)"),
    ("to_char", "strftime(x, format)"),
    ("date_format", "strftime(x, format)"),
    ("dateadd", "x + INTERVAL 1 DAY"),
    ("date_add", "x + INTERVAL 1 DAY"),
    ("date_sub", "x - INTERVAL 1 DAY"),
    ("charindex", "strpos(text, part)"),
    ("truncate", "trunc(x)"),
    ("to_number", "CAST(x AS DOUBLE)"),
    ("int", "CAST(x AS INTEGER)"),
    ("float", "CAST(x AS DOUBLE)"),
    ("str", "CAST(x AS VARCHAR)"),
];

/// The function of this name; an unknown one is an error that names the nearest.
pub(crate) fn known_function(name: &str) -> Result<&'static functions::Function> {
    functions::named(name).ok_or_else(|| {
        let lower = name.to_lowercase();
        if NEVER_THE_SAME.contains(&lower.as_str()) {
            return Error::cannot_run(format!("{lower}() has another value in every run"))
                .hint("take such a value from the data: runs of the same input must give the same");
        }
        let error = Error::cannot_run(format!("unknown function '{name}'"));
        if let Some((_, ours)) = OF_OTHER_DIALECTS.iter().find(|(theirs, _)| *theirs == lower) {
            return error.hint(format!("write {ours}"));
        }
        match spec::nearest(name, functions::names()) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint("docs/sql.md lists the functions"),
        }
    })
}

fn no_operator(sign: &str) -> Error {
    Error::cannot_run(format!("'{sign}' is not a supported operator")).hint("docs/sql.md lists the operators")
}

fn value_of(value: &ast::Value) -> Result<Literal> {
    Ok(match value {
        ast::Value::Null => Literal::Null,
        ast::Value::Boolean(truth) => Literal::Bool(*truth),
        ast::Value::Number(digits, false) => Literal::Number(digits.replace('_', "")),
        ast::Value::SingleQuotedString(text) => Literal::Text(text.clone()),
        other => {
            return Err(Error::cannot_run(format!("{other} is not a supported literal"))
                .hint("write numbers as 12.5, texts as 'text', dates as DATE '2024-01-31'"));
        }
    })
}

fn typed_string(typed: &ast::TypedString) -> Result<Node> {
    let text = match &typed.value.value {
        ast::Value::SingleQuotedString(text) => text,
        other => return Err(Error::cannot_run(format!("{other} is not a text")).hint("write it in single quotes")),
    };
    let read = match target(&typed.data_type)? {
        Target::Date => literal::date(text).map(Literal::Date).ok_or(("a date", "DATE '2024-01-31'")),
        Target::Moment => {
            literal::moment(text).map(Literal::Moment).ok_or(("a timestamp", "TIMESTAMP '2024-01-31 12:30:00'"))
        }
        Target::Time => literal::time(text).map(Literal::Time).ok_or(("a time", "TIME '12:30:00'")),
        to => return Ok(Node::Cast { of: Box::new(Node::Literal(Literal::Text(text.clone()))), to, or_null: false }),
    };
    match read {
        Ok(literal) => Ok(Node::Literal(literal)),
        Err((what, example)) => {
            Err(Error::cannot_run(format!("'{text}' is not {what}")).hint(format!("write {example}")))
        }
    }
}

fn interval_of(interval: &ast::Interval) -> Result<crate::node::Interval> {
    let no_interval = || {
        Error::cannot_run(format!("'{interval}' is not a valid interval"))
            .hint("write INTERVAL '3 days' or INTERVAL 3 DAY")
    };
    if interval.last_field.is_some() || interval.leading_precision.is_some() {
        return Err(no_interval());
    }
    let (sign, value) = match interval.value.as_ref() {
        Sql::UnaryOp { op: ast::UnaryOperator::Minus, expr } => ("-", expr.as_ref()),
        value => ("", value),
    };
    let Sql::Value(value) = value else { return Err(no_interval()) };
    let number = match &value.value {
        ast::Value::SingleQuotedString(text) => text.clone(),
        ast::Value::Number(digits, false) => format!("{sign}{digits}"),
        _ => return Err(no_interval()),
    };
    let read = match &interval.leading_field {
        None => literal::interval(&number),
        Some(unit) => literal::of_unit(&number, &unit.to_string()),
    };
    read.ok_or_else(no_interval)
}

fn escape_of(escape: Option<&ast::ValueWithSpan>) -> Result<Option<char>> {
    let Some(escape) = escape else { return Ok(None) };
    let ast::Value::SingleQuotedString(text) = &escape.value else {
        return Err(Error::cannot_run("ESCAPE names no character").hint("write ESCAPE '\\'"));
    };
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(Some(letter)),
        _ => Err(Error::cannot_run("ESCAPE names no single character").hint("write ESCAPE '\\'")),
    }
}

/// The part of a timestamp of this name.
pub(crate) fn part(name: &str) -> Result<Part> {
    let lower = name.trim_matches('\'').to_lowercase();
    let found = PARTS.iter().find(|(known, _)| *known == lower);
    found.map(|(_, part)| *part).ok_or_else(|| {
        let hint = match spec::nearest(&lower, PARTS.iter().map(|(known, _)| *known)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => "docs/sql.md lists the parts".to_owned(),
        };
        Error::cannot_run(format!("'{lower}' is not a part of a date or time")).hint(hint)
    })
}

fn target(of: &ast::DataType) -> Result<Target> {
    use ast::DataType as Sql;
    Ok(match of {
        Sql::Bool | Sql::Boolean => Target::Bool,
        Sql::TinyInt(None) => Target::Integer(8, true),
        Sql::SmallInt(None) | Sql::Int2(None) | Sql::Int16 => Target::Integer(16, true),
        Sql::Int(None) | Sql::Integer(None) | Sql::Int4(None) | Sql::Int32 => Target::Integer(32, true),
        Sql::BigInt(None) | Sql::Int8(None) | Sql::Int64 => Target::Integer(64, true),
        Sql::UTinyInt | Sql::UInt8 => Target::Integer(8, false),
        Sql::USmallInt | Sql::UInt16 => Target::Integer(16, false),
        Sql::UInt32 => Target::Integer(32, false),
        Sql::UBigInt | Sql::UInt64 => Target::Integer(64, false),
        Sql::Real | Sql::Float4 | Sql::Float32 | Sql::Float(ast::ExactNumberInfo::None) => Target::Float32,
        Sql::Double(_) | Sql::DoublePrecision | Sql::Float8 | Sql::Float64 => Target::Float64,
        Sql::Decimal(size) | Sql::Numeric(size) | Sql::Dec(size) => match size {
            ast::ExactNumberInfo::None => Target::Decimal(18, 3),
            ast::ExactNumberInfo::Precision(digits) => decimal(*digits, 0)?,
            ast::ExactNumberInfo::PrecisionAndScale(digits, behind) => decimal(*digits, *behind)?,
        },
        Sql::Varchar(None) | Sql::Text | Sql::String(None) | Sql::Char(None) | Sql::CharacterVarying(None) => {
            Target::Text
        }
        Sql::Date => Target::Date,
        Sql::Timestamp(None, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) | Sql::Datetime(None) => {
            Target::Moment
        }
        Sql::Time(None, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => Target::Time,
        Sql::Custom(name, sizes) if sizes.is_empty() && name.to_string().eq_ignore_ascii_case("uinteger") => {
            Target::Integer(32, false)
        }
        other => {
            return Err(Error::cannot_run(format!("{other} is not a supported type")).hint(
                "the types are BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, their unsigned kinds, REAL, DOUBLE, DECIMAL(p, s), \
                 VARCHAR, DATE, TIMESTAMP and TIME",
            ));
        }
    })
}

fn decimal(digits: u64, behind: i64) -> Result<Target> {
    match (usize::try_from(digits), usize::try_from(behind)) {
        (Ok(digits), Ok(behind)) if (1..=38).contains(&digits) && behind <= digits => {
            Ok(Target::Decimal(digits, behind))
        }
        _ => Err(Error::cannot_run(format!("DECIMAL({digits}, {behind}) is not a valid decimal type"))
            .hint("a decimal has 1 to 38 digits, no more of them behind the point than all")),
    }
}
