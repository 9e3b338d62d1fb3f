//! Expressions as polars runs them, before the types of columns are known.

use polars::prelude::*;

use crate::functions::Id;
use crate::node::{Arithmetic, Comparison, Literal, Node, Part, Target};

pub(crate) fn compiled(node: &Node) -> Expr {
    let of = |node: &Node| compiled(node);
    match node {
        Node::Column(name) => col(name.as_str()),
        Node::Literal(literal) => value(literal),
        Node::Negate(inner) => lit(0) - of(inner),
        Node::Not(inner) => of(inner).not(),
        Node::Arithmetic(op, left, right) => {
            let (left, right) = (of(left), of(right));
            match op {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide => left.true_div(right),
                Arithmetic::DivideWhole => left.floor_div(right).cast(DataType::Int64),
                Arithmetic::Remainder => left % right,
            }
        }
        Node::Join(left, right) => of(left).cast(DataType::String) + of(right).cast(DataType::String),
        Node::Compare(op, left, right) => {
            let (left, right) = (of(left), of(right));
            match op {
                Comparison::Equal => left.eq(right),
                Comparison::NotEqual => left.neq(right),
                Comparison::Less => left.lt(right),
                Comparison::LessOrEqual => left.lt_eq(right),
                Comparison::Greater => left.gt(right),
                Comparison::GreaterOrEqual => left.gt_eq(right),
                Comparison::Distinct => left.neq_missing(right),
                Comparison::NotDistinct => left.eq_missing(right),
            }
        }
        Node::And(left, right) => of(left).and(of(right)),
        Node::Or(left, right) => of(left).or(of(right)),
        Node::IsNull(inner) => of(inner).is_null(),
        Node::IsTruth(inner, truth) => of(inner).eq_missing(lit(*truth)),
        Node::In(inner, list) => {
            let any = list.iter().map(|item| of(inner).eq(of(item))).reduce(Expr::or);
            any.unwrap_or_else(|| lit(false))
        }
        Node::Like { of: inner, pattern, any_case, .. } => {
            let Node::Literal(Literal::Text(pattern)) = pattern.as_ref() else { return lit(NULL) };
            let mut regex = String::from(if *any_case { "(?is)^" } else { "(?s)^" });
            for letter in pattern.chars() {
                match letter {
                    '%' => regex.push_str(".*"),
                    '_' => regex.push('.'),
                    letter if letter.is_alphanumeric() => regex.push(letter),
                    letter if letter.is_ascii() => {
                        regex.push('\\');
                        regex.push(letter);
                    }
                    letter => regex.push(letter),
                }
            }
            regex.push('$');
            of(inner).str().contains(lit(regex), true)
        }
        Node::Case { branches, otherwise } => {
            let last = otherwise.as_deref().map_or_else(|| lit(NULL), compiled);
            branches.iter().rev().fold(last, |rest, (when_, then)| when(of(when_)).then(of(then)).otherwise(rest))
        }
        Node::Cast { of: inner, to, or_null } => {
            let to = match to {
                Target::Bool => DataType::Boolean,
                Target::Integer(_, _) => DataType::Int64,
                Target::Float32 | Target::Float64 => DataType::Float64,
                Target::Decimal(digits, behind) => DataType::Decimal(*digits, *behind),
                Target::Text => DataType::String,
                Target::Date => DataType::Date,
                Target::Moment => DataType::Datetime(TimeUnit::Microseconds, None),
                Target::Time => DataType::Time,
            };
            if *or_null { of(inner).cast(to) } else { of(inner).strict_cast(to) }
        }
        Node::Part(part, inner) => {
            let dt = of(inner).dt();
            match part {
                Part::Year => dt.year(),
                Part::Month => dt.month(),
                Part::Day => dt.day(),
                Part::IsoDayOfWeek => dt.weekday(),
                Part::DayOfYear => dt.ordinal_day(),
                Part::Hour => dt.hour(),
                Part::Quarter => dt.quarter(),
                Part::Week => dt.week(),
                Part::Minute => dt.minute(),
                _ => dt.second(),
            }
        }
        Node::Call(function, arguments) => {
            let at = |at: usize| of(&arguments[at]);
            match function.id {
                Id::Abs => at(0).abs(),
                Id::Coalesce => coalesce(&arguments.iter().map(compiled).collect::<Vec<_>>()),
                Id::Upper => at(0).str().to_uppercase(),
                Id::Lower => at(0).str().to_lowercase(),
                Id::Length => at(0).str().len_chars().cast(DataType::Int64),
                Id::Sqrt => at(0).sqrt(),
                Id::Round => at(0).round(0, RoundMode::HalfAwayFromZero),
                _ => lit(NULL),
            }
        }
        Node::Aggregate { function, of: arguments, distinct, .. } => {
            if arguments.is_empty() {
                return len();
            }
            let inner = of(&arguments[0]);
            match function.id {
                Id::Sum => inner.sum(),
                Id::Mean => inner.mean(),
                Id::Min => inner.min(),
                Id::Max => inner.max(),
                Id::Count if *distinct => inner.drop_nulls().n_unique(),
                Id::Count => inner.count(),
                Id::Median => inner.median(),
                Id::StdDev => inner.std(1),
                _ => lit(NULL),
            }
        }
        Node::Over { .. } => lit(NULL),
    }
}

fn value(literal: &Literal) -> Expr {
    match literal {
        Literal::Null => lit(NULL),
        Literal::Bool(truth) => lit(*truth),
        Literal::Number(digits) => match digits.parse::<i64>() {
            Ok(number) => Expr::Literal(LiteralValue::Dyn(DynLiteralValue::Int(i128::from(number)))),
            Err(_) => lit(digits.parse::<f64>().unwrap_or(f64::NAN)),
        },
        Literal::Text(text) => lit(text.as_str()),
        Literal::Date(days) => lit(*days).cast(DataType::Date),
        Literal::Moment(micros) => lit(*micros).cast(DataType::Datetime(TimeUnit::Microseconds, None)),
        Literal::Time(nanos) => lit(*nanos).cast(DataType::Time),
        Literal::Interval(interval) => {
            lit(interval.micros + interval.days * crate::literal::DAY_MICROS).cast(DataType::Duration(TimeUnit::Microseconds))
        }
    }
}
