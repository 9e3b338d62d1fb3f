//! Functions of a row: which types they take and what they give.

use polars::prelude::*;
use spec::{Error, Result};
use values::{Dst, LocalTime, Zone};

use crate::cast::Sort;
use crate::compare;
use crate::compile::{Compiler, equal, refused};
use crate::dates;
use crate::functions::{Function, Id};
use crate::groups::PatternGroups;
use crate::kernel::{OpenFn, Refusal, RowFn, columns, open_fn, open_rows, raised, row_fn, rows};
use crate::node::{Arithmetic, Literal, Part};
use crate::numbers::{self, Rounding};
use crate::resolve;
use crate::texts;
use crate::typed::{self, Typed};
use crate::value::{Value, single_or_all};

impl Compiler<'_> {
    pub fn call(&self, function: &'static Function, arguments: Vec<Typed>) -> Result<Typed> {
        use Id::*;
        let name = function.name;
        if let Some(interval) = arguments.iter().find(|argument| argument.interval().is_some_and(|by| by.months != 0)) {
            return Err(Error::cannot_run(format!("{name} does not take {}", interval.name()))
                .hint("intervals are added to dates and timestamps"));
        }
        match function.id {
            Abs => self.numeric(name, &arguments[0], row_fn(numbers::abs)),
            Sign => {
                let of = self.number(name, &arguments[0])?;
                Ok(Typed::new(self.run(vec![of.expr], DataType::Int64, row_fn(numbers::sign)), DataType::Int64))
            }
            Ceil => self.rounded(name, &arguments, Rounding::Up),
            Floor => self.rounded(name, &arguments, Rounding::Down),
            Trunc => self.rounded(name, &arguments, Rounding::Zero),
            Round => self.rounded(name, &arguments, Rounding::Nearest),
            Sqrt => self.float(name, &arguments[0], f64::sqrt, false),
            Cbrt => self.float(name, &arguments[0], f64::cbrt, false),
            Exp => self.float(name, &arguments[0], f64::exp, false),
            Ln => self.float(name, &arguments[0], f64::ln, true),
            Log10 => self.float(name, &arguments[0], f64::log10, true),
            Log2 => self.float(name, &arguments[0], f64::log2, true),
            Sin => self.float(name, &arguments[0], f64::sin, false),
            Cos => self.float(name, &arguments[0], f64::cos, false),
            Tan => self.float(name, &arguments[0], f64::tan, false),
            Asin => self.float(name, &arguments[0], f64::asin, false),
            Acos => self.float(name, &arguments[0], f64::acos, false),
            Atan => self.float(name, &arguments[0], f64::atan, false),
            Degrees => self.float(name, &arguments[0], f64::to_degrees, false),
            Radians => self.float(name, &arguments[0], f64::to_radians, false),
            Pi => {
                let pi = typed::scalar(DataType::Float64, AnyValue::Float64(std::f64::consts::PI));
                Ok(Typed::new(pi, DataType::Float64))
            }
            Power => self.two_floats(name, &arguments, row_fn(numbers::power)),
            Atan2 => self.two_floats(name, &arguments, row_fn(numbers::atan2)),
            Mod => {
                let [left, right] = [arguments[0].clone(), arguments[1].clone()];
                self.arithmetic(Arithmetic::Remainder, left, right)
            }
            Greatest => self.extreme(name, arguments, true),
            Least => self.extreme(name, arguments, false),
            NullIf => {
                let [of, other] = [arguments[0].clone(), arguments[1].clone()];
                let same = equal(&self.label, of.clone(), other)?;
                let null = lit(NULL).cast(of.dtype.clone());
                let expr = when(same.expr).then(null).otherwise(of.expr);
                Ok(Typed { literal: None, expr, dtype: of.dtype, open: of.open })
            }
            Coalesce => Err(Error::cannot_run("coalesce is compiled on its own")),
            Length => self.of_texts(name, &arguments, DataType::Int64, row_fn(texts::length)),
            ByteLength => self.of_texts(name, &arguments, DataType::Int64, row_fn(texts::byte_length)),
            Lower => self.of_texts(name, &arguments, DataType::String, row_fn(texts::lower)),
            Upper => self.of_texts(name, &arguments, DataType::String, row_fn(texts::upper)),
            Trim => self.of_texts(name, &arguments, DataType::String, row_fn(texts::trim)),
            TrimStart => self.of_texts(name, &arguments, DataType::String, row_fn(texts::trim_start)),
            TrimEnd => self.of_texts(name, &arguments, DataType::String, row_fn(texts::trim_end)),
            Replace => self.of_texts(name, &arguments, DataType::String, row_fn(texts::replace)),
            Reverse => self.of_texts(name, &arguments, DataType::String, row_fn(texts::reverse)),
            StartsWith => self.of_texts(name, &arguments, DataType::Boolean, row_fn(texts::starts_with)),
            EndsWith => self.of_texts(name, &arguments, DataType::Boolean, row_fn(texts::ends_with)),
            Contains => self.of_texts(name, &arguments, DataType::Boolean, row_fn(texts::contains)),
            Position => self.of_texts(name, &arguments, DataType::Int64, row_fn(texts::position)),
            Substring => self.mixed(name, &arguments, "tii", DataType::String, row_fn(texts::substring)),
            Left => self.mixed(name, &arguments, "ti", DataType::String, row_fn(texts::left)),
            Right => self.mixed(name, &arguments, "ti", DataType::String, row_fn(texts::right)),
            Repeat => self.mixed(name, &arguments, "ti", DataType::String, row_fn(texts::repeat)),
            PadLeft => self.mixed(name, &arguments, "tit", DataType::String, row_fn(texts::pad_left)),
            PadRight => self.mixed(name, &arguments, "tit", DataType::String, row_fn(texts::pad_right)),
            SplitPart => self.mixed(name, &arguments, "tti", DataType::String, row_fn(texts::split_part)),
            Concat => self.joined(arguments, open_fn(texts::concat)),
            ConcatWith => self.joined(arguments, open_fn(texts::concat_with)),
            RegexpMatches | RegexpExtract | RegexpReplace => self.regexp(function, &arguments),
            DatePart => Err(Error::cannot_run("date_part is compiled as EXTRACT")),
            Year => self.part(Part::Year, arguments[0].clone()),
            Quarter => self.part(Part::Quarter, arguments[0].clone()),
            Month => self.part(Part::Month, arguments[0].clone()),
            Week => self.part(Part::Week, arguments[0].clone()),
            Day => self.part(Part::Day, arguments[0].clone()),
            DayOfWeek => self.part(Part::DayOfWeek, arguments[0].clone()),
            IsoDayOfWeek => self.part(Part::IsoDayOfWeek, arguments[0].clone()),
            DayOfYear => self.part(Part::DayOfYear, arguments[0].clone()),
            Hour => self.part(Part::Hour, arguments[0].clone()),
            Minute => self.part(Part::Minute, arguments[0].clone()),
            Second => self.part(Part::Second, arguments[0].clone()),
            Epoch => self.part(Part::Epoch, arguments[0].clone()),
            DateTrunc => {
                let part = unit(name, &arguments[0])?;
                let of = self.moment(name, &arguments[1])?;
                let dtype = of.dtype.clone();
                let function = row_fn(move |row| dates::truncated(part, &row[0]));
                Ok(Typed::new(self.run(vec![of.expr], dtype.clone(), function), dtype))
            }
            DateDiff => {
                let part = unit(name, &arguments[0])?;
                let sides = vec![self.moment(name, &arguments[1])?.expr, self.moment(name, &arguments[2])?.expr];
                let function = row_fn(move |row| dates::difference(part, &row[0], &row[1]));
                Ok(Typed::new(self.run(sides, DataType::Int64, function), DataType::Int64))
            }
            LastDay => {
                let of = self.moment(name, &arguments[0])?;
                Ok(Typed::new(self.run(vec![of.expr], DataType::Date, row_fn(dates::last_day)), DataType::Date))
            }
            MakeDate => self.mixed(name, &arguments, "iii", DataType::Date, row_fn(dates::make_date)),
            ToDays => self.length(name, &arguments[0], 86_400),
            ToHours => self.length(name, &arguments[0], 3600),
            ToMinutes => self.length(name, &arguments[0], 60),
            ToSeconds => self.length(name, &arguments[0], 1),
            Strftime => {
                let format = fixed_text(name, "format", &arguments[1])?;
                dates::check_format(&format, false).map_err(refused)?;
                let of = self.moment(name, &arguments[0])?;
                let function = row_fn(move |row| dates::strftime(&row[0], &format));
                Ok(Typed::new(self.run(vec![of.expr], DataType::String, function), DataType::String))
            }
            Strptime | TryStrptime => {
                let format = fixed_text(name, "format", &arguments[1])?;
                dates::check_format(&format, true).map_err(refused)?;
                let of = self.text(&arguments[0], name)?;
                let or_null = function.id == TryStrptime;
                let dtype = DataType::Datetime(TimeUnit::Microseconds, None);
                let function = row_fn(move |row| dates::read(&row[0], &format, or_null));
                Ok(Typed::new(self.run(vec![of], dtype.clone(), function), dtype))
            }
            ToLocal => {
                let zone = zone(name, &arguments[1])?;
                let of = self.clock_time(name, &arguments[0], true)?;
                let dtype = of.dtype.clone();
                let function = row_fn(move |row| dates::to_local(&row[0], zone));
                Ok(Typed::new(self.run(vec![of.expr], dtype.clone(), function), dtype))
            }
            ToUtc => {
                let dst = match arguments.get(2).map(|dst| fixed_text(name, "third argument", dst)).transpose()? {
                    None => Dst::Refuse,
                    Some(dst) => match dst.as_str() {
                        "earlier" => Dst::Earlier,
                        "later" => Dst::Later,
                        other => {
                            return Err(Error::cannot_run(format!("{name} has no '{other}'"))
                                .hint("write 'earlier' or 'later', or leave it out"));
                        }
                    },
                };
                let local = LocalTime { zone: zone(name, &arguments[1])?, dst };
                let of = self.clock_time(name, &arguments[0], false)?;
                let dtype = of.dtype.clone();
                let function = row_fn(move |row| dates::to_utc(&row[0], local));
                Ok(Typed::new(self.run(vec![of.expr], dtype.clone(), function), dtype))
            }
            _ => Err(Error::cannot_run(format!("{name} is not a function of one row"))),
        }
    }

    fn run(&self, mut inputs: Vec<Expr>, dtype: DataType, function: RowFn) -> Expr {
        if self.guard.is_some() && !inputs.is_empty() {
            let first = inputs.remove(0);
            inputs.insert(0, self.masked(first));
        }
        rows(&self.label, inputs, dtype, function)
    }

    fn number(&self, name: &str, typed: &Typed) -> Result<Typed> {
        match typed.is_number() {
            true => Ok(typed.clone()),
            false if typed.is_null() => {
                Ok(Typed::new(typed::scalar(DataType::Float64, AnyValue::Null), DataType::Float64))
            }
            false => Err(Error::cannot_run(format!("{name} takes a number, but this is {}", typed.name()))
                .hint("make it one: CAST(… AS DOUBLE)")),
        }
    }

    /// A date or timestamp; a text literal is read as one.
    fn moment(&self, name: &str, typed: &Typed) -> Result<Typed> {
        let dtype = DataType::Datetime(TimeUnit::Microseconds, None);
        match typed.sort() {
            _ if typed.is_null() => Ok(Typed::new(typed::scalar(dtype.clone(), AnyValue::Null), dtype)),
            Some(Sort::Date | Sort::Moment) => Ok(typed.clone()),
            Some(Sort::Text) if typed.literal.is_some() => {
                Ok(typed::literal_as(typed, &dtype)?.unwrap_or_else(|| typed.clone()))
            }
            _ => Err(Error::cannot_run(format!("{name} takes a date or timestamp, but this is {}", typed.name()))
                .hint("make it one: CAST(… AS DATE)")),
        }
    }

    /// A timestamp with a time of day, as a column without a time zone. `instants`: one in a time zone will do, too.
    fn clock_time(&self, name: &str, typed: &Typed, instants: bool) -> Result<Typed> {
        if let DataType::Datetime(unit, Some(_)) = &typed.dtype
            && instants
        {
            // Its ticks count from 1970 in UTC, whatever the zone.
            let dtype = DataType::Datetime(*unit, None);
            return Ok(Typed { dtype, ..typed.clone() });
        }
        let of = self.moment(name, typed)?;
        match of.sort() {
            Some(Sort::Moment) => Ok(of),
            _ => Err(Error::cannot_run(format!("{name} takes a timestamp, but this is {}", of.name()))
                .hint("a date has no time of the day; if it begins at midnight, write CAST(… AS TIMESTAMP)")),
        }
    }

    /// A function that gives a number of the kind it takes.
    fn numeric(&self, name: &str, of: &Typed, function: RowFn) -> Result<Typed> {
        let of = self.number(name, of)?;
        let dtype = match of.sort() {
            Some(Sort::Int) => DataType::Int64,
            Some(Sort::Float) => DataType::Float64,
            _ => of.dtype.clone(),
        };
        Ok(Typed { open: of.open, ..Typed::new(self.run(vec![of.expr], dtype.clone(), function), dtype) })
    }

    fn rounded(&self, name: &str, arguments: &[Typed], rounding: Rounding) -> Result<Typed> {
        let of = self.number(name, &arguments[0])?;
        let digits = match arguments.get(1).map(|digits| (&digits.literal, digits)) {
            None => 0,
            Some((Some(Literal::Number(digits)), _))
                if digits.parse::<i32>().is_ok_and(|digits| digits.abs() <= 300) =>
            {
                digits.parse().unwrap_or_default()
            }
            Some((_, other)) => {
                return Err(Error::cannot_run(format!(
                    "the digits of {name} must be a whole number, not {}",
                    other.name()
                ))
                .hint("write them out, as in round(x, 2)"));
            }
        };
        let dtype = match &of.dtype {
            DataType::Decimal(_, behind) => {
                DataType::Decimal(crate::arithmetic::DIGITS, (*behind).min(digits.max(0) as usize))
            }
            dtype if dtype.is_integer() => DataType::Int64,
            _ => DataType::Float64,
        };
        let function = row_fn(move |row| numbers::rounded(&row[0], digits, rounding));
        Ok(Typed { open: of.open, ..Typed::new(self.run(vec![of.expr], dtype.clone(), function), dtype) })
    }

    fn float(&self, name: &'static str, of: &Typed, function: fn(f64) -> f64, pole: bool) -> Result<Typed> {
        let of = typed::as_float(&self.label, self.number(name, of)?);
        Ok(Typed::new(numbers::float(&self.label, name, self.masked(of.expr), function, pole), DataType::Float64))
    }

    fn two_floats(&self, name: &str, arguments: &[Typed], function: RowFn) -> Result<Typed> {
        let mut sides = Vec::with_capacity(2);
        for argument in arguments {
            sides.push(typed::as_float(&self.label, self.number(name, argument)?).expr);
        }
        Ok(Typed::new(self.run(sides, DataType::Float64, function), DataType::Float64))
    }

    fn length(&self, name: &str, of: &Typed, seconds: i128) -> Result<Typed> {
        let of = self.number(name, of)?;
        if of.sort() != Some(Sort::Int) {
            return Err(Error::cannot_run(format!("{name} takes a whole number, but this is {}", of.name()))
                .hint("round it first"));
        }
        let dtype = DataType::Duration(TimeUnit::Microseconds);
        let function =
            row_fn(move |row| Ok(Some(Value::Duration(texts::whole(&row[0]) * seconds * crate::value::SECOND))));
        Ok(Typed::new(self.run(vec![of.expr], dtype.clone(), function), dtype))
    }

    fn of_texts(&self, name: &str, arguments: &[Typed], dtype: DataType, function: RowFn) -> Result<Typed> {
        let inputs = arguments.iter().map(|argument| self.text(argument, name)).collect::<Result<Vec<Expr>>>()?;
        Ok(Typed::new(self.run(inputs, dtype.clone(), function), dtype))
    }

    /// Arguments of the kinds that `kinds` spells: `t` a text, `i` a whole number.
    fn mixed(&self, name: &str, arguments: &[Typed], kinds: &str, dtype: DataType, function: RowFn) -> Result<Typed> {
        let mut inputs = Vec::with_capacity(arguments.len());
        for (argument, kind) in arguments.iter().zip(kinds.chars()) {
            inputs.push(match kind {
                't' => self.text(argument, name)?,
                _ if argument.is_null() => typed::scalar(DataType::Int64, AnyValue::Null),
                _ if argument.sort() == Some(Sort::Int) => argument.expr.clone(),
                _ => {
                    return Err(Error::cannot_run(format!(
                        "{name} takes a whole number, but this is {}",
                        argument.name()
                    ))
                    .hint("make it one: CAST(… AS BIGINT)"));
                }
            });
        }
        Ok(Typed::new(self.run(inputs, dtype.clone(), function), dtype))
    }

    fn joined(&self, arguments: Vec<Typed>, function: OpenFn) -> Result<Typed> {
        let inputs = arguments.into_iter().map(|argument| self.shown(argument)).collect::<Result<Vec<Expr>>>()?;
        Ok(Typed::new(open_rows(&self.label, inputs, DataType::String, function), DataType::String))
    }

    fn extreme(&self, name: &str, arguments: Vec<Typed>, greatest: bool) -> Result<Typed> {
        let open = arguments.iter().any(|argument| argument.open);
        for argument in &arguments {
            argument.check_plain(&format!("an argument of {name}"))?;
        }
        let arguments: Vec<Typed> = arguments.into_iter().map(compare::plain).collect();
        let only = vec![None; arguments.len()];
        let (arguments, dtype) = self.common(arguments, only, &format!("the arguments of {name}"))?;
        let inputs = arguments.into_iter().map(|argument| argument.expr).collect();
        let function = open_fn(move |row| {
            let mut found: Option<&Value<'_>> = None;
            for value in row.iter().flatten() {
                let better = found.is_none_or(|found| {
                    value.order(found).is_some_and(|order| if greatest { order.is_gt() } else { order.is_lt() })
                });
                if better {
                    found = Some(value);
                }
            }
            Ok(found.cloned())
        });
        Ok(Typed { open, ..Typed::new(open_rows(&self.label, inputs, dtype.clone(), function), dtype) })
    }

    /// Patterns of the Rust crate `regex`, which are those of RE2 but for a few names.
    fn regexp(&self, function: &Function, arguments: &[Typed]) -> Result<Typed> {
        let name = function.name;
        let of = self.text(&arguments[0], name)?;
        let pattern = fixed_text(name, "pattern", &arguments[1])?;
        let probe = StringChunked::from_slice(PlSmallStr::EMPTY, &[""]);
        if probe.contains(&pattern, true).is_err() {
            return Err(Error::cannot_run(format!("'{pattern}' is not a pattern"))
                .hint("docs/sql.md describes the patterns; \\ escapes a character"));
        }
        let label = self.label.clone();
        let failed = move |error: PolarsError| {
            raised(Error::cannot_run(format!("{label}: the pattern cannot be applied: {error}")))
        };
        let run = move |columns: &[Column], dtype: &DataType, of: &dyn Fn(&StringChunked) -> PolarsResult<Series>| {
            let series = single_or_all(&columns[0]).cast(&DataType::String)?;
            let out = of(series.str()?).map_err(&failed)?;
            out.cast(dtype)
        };
        match function.id {
            Id::RegexpMatches => Ok(Typed::boolean(columns(vec![of], DataType::Boolean, move |columns| {
                run(columns, &DataType::Boolean, &|text| Ok(text.contains(&pattern, true)?.into_series()))
            }))),
            Id::RegexpExtract => {
                let group = match arguments.get(2).map(|group| &group.literal) {
                    None => 0,
                    Some(Some(Literal::Number(number))) => number.parse::<usize>().unwrap_or(usize::MAX),
                    Some(_) => usize::MAX,
                };
                let groups = PatternGroups::of(&pattern).count;
                if group > groups {
                    return Err(Error::cannot_run(format!("the pattern '{pattern}' has no such group"))
                        .hint(format!("groups are counted from 1, and it has {groups}; 0 is the whole")));
                }
                let expr = columns(vec![of], DataType::String, move |columns| {
                    run(columns, &DataType::String, &|text| {
                        let empty = text.is_not_null();
                        let wanted = StringChunked::from_slice(PlSmallStr::EMPTY, &[pattern.as_str()]);
                        let found = text.extract(&wanted, group)?.into_series();
                        let none = StringChunked::full(PlSmallStr::EMPTY, "", text.len()).into_series();
                        // No match is an empty text, as in DuckDB; null stays null.
                        none.zip_with(&(found.is_null() & empty), &found)
                    })
                });
                Ok(Typed::new(expr, DataType::String))
            }
            _ => {
                let new = fixed_text(name, "replacement", &arguments[2])?;
                let flags = match arguments.get(3) {
                    Some(flags) => fixed_text(name, "flags", flags)?,
                    None => String::new(),
                };
                if flags.chars().any(|flag| !"gi".contains(flag)) {
                    return Err(Error::cannot_run(format!("{name} has no flags '{flags}'"))
                        .hint("'g' replaces every match, 'i' ignores case"));
                }
                let new = texts::replacement(&new, PatternGroups::of(&pattern).count).map_err(refused)?;
                let pattern = if flags.contains('i') { format!("(?i){pattern}") } else { pattern };
                let all = flags.contains('g');
                let expr = columns(vec![of], DataType::String, move |columns| {
                    run(columns, &DataType::String, &|text| {
                        let out = if all { text.replace_all(&pattern, &new)? } else { text.replace(&pattern, &new)? };
                        Ok(out.into_series())
                    })
                });
                Ok(Typed::new(expr, DataType::String))
            }
        }
    }
}

/// A text literal.
fn fixed_text(name: &str, what: &str, typed: &Typed) -> Result<String> {
    typed.text().map(str::to_owned).ok_or_else(|| {
        Error::cannot_run(format!("the {what} of {name} must be a text literal")).hint("write it in single quotes")
    })
}

fn zone(name: &str, typed: &Typed) -> Result<Zone> {
    let zone = fixed_text(name, "time zone", typed)?;
    Zone::named(&zone).map_err(Error::cannot_run)
}

fn unit(name: &str, typed: &Typed) -> Result<Part> {
    let part = resolve::part(&fixed_text(name, "part", typed)?)?;
    match dates::is_unit(part) {
        true => Ok(part),
        false => Err(refused(Refusal::new(
            format!("{name} has no such part"),
            "the parts are year, quarter, month, week, day, hour, minute, second, millisecond and microsecond",
        ))),
    }
}
