//! All functions of expressions, in one table. What is not in it does not exist.

use Kind::{Aggregate, Row, Window};

/// What a function looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The values of its own row.
    Row,
    /// All rows, or those of a partition.
    Aggregate,
    /// Its neighbours in an ordered window.
    Window,
}

/// A function of expressions.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// In lower case; written in any.
    pub name: &'static str,
    /// Other names for the same.
    pub aliases: &'static [&'static str],
    /// As the documentation shows them, such as `(x, digits)`.
    pub arguments: &'static str,
    pub least: usize,
    pub most: usize,
    pub kind: Kind,
    /// What it gives.
    pub meaning: &'static str,
    pub(crate) id: Id,
}

/// Which function it is, for the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Abs,
    Sign,
    Ceil,
    Floor,
    Round,
    Trunc,
    Sqrt,
    Cbrt,
    Exp,
    Ln,
    Log10,
    Log2,
    Power,
    Mod,
    Pi,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Degrees,
    Radians,
    Greatest,
    Least,
    Coalesce,
    NullIf,
    Length,
    ByteLength,
    Lower,
    Upper,
    Trim,
    TrimStart,
    TrimEnd,
    Substring,
    Left,
    Right,
    Replace,
    Reverse,
    Repeat,
    PadLeft,
    PadRight,
    Concat,
    ConcatWith,
    StartsWith,
    EndsWith,
    Contains,
    Position,
    SplitPart,
    RegexpMatches,
    RegexpExtract,
    RegexpReplace,
    DatePart,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Epoch,
    DateTrunc,
    DateDiff,
    LastDay,
    MakeDate,
    ToDays,
    ToHours,
    ToMinutes,
    ToSeconds,
    Strftime,
    Strptime,
    TryStrptime,
    ToLocal,
    ToUtc,
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Median,
    Quantile,
    StdDev,
    StdDevPop,
    Variance,
    VariancePop,
    AllTrue,
    AnyTrue,
    Mode,
    ArgMin,
    ArgMax,
    Joined,
    RowNumber,
    Rank,
    DenseRank,
    Lag,
    Lead,
    FirstValue,
    LastValue,
}

macro_rules! functions {
    ($($kind:ident $id:ident $name:literal [$($alias:literal),*] $arguments:literal $least:literal..=$most:tt $meaning:literal;)*) => {
        &[$(Function {
            name: $name,
            aliases: &[$($alias),*],
            arguments: $arguments,
            least: $least,
            most: functions!(@most $most),
            kind: $kind,
            meaning: $meaning,
            id: Id::$id,
        }),*]
    };
    (@most many) => { usize::MAX };
    (@most $most:literal) => { $most };
}

/// The table, in the order of the documentation.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = functions! {
    Row Abs "abs" [] "(x)" 1..=1 "the value without its sign";
    Row Sign "sign" [] "(x)" 1..=1 "-1, 0 or 1";
    Row Ceil "ceil" ["ceiling"] "(x)" 1..=1 "the next whole number up";
    Row Floor "floor" [] "(x)" 1..=1 "the next whole number down";
    Row Round "round" [] "(x, digits)" 1..=2 "rounded to `digits` (default 0) after the point, halves away from zero";
    Row Trunc "trunc" [] "(x)" 1..=1 "the whole number towards zero";
    Row Sqrt "sqrt" [] "(x)" 1..=1 "the square root; null below 0";
    Row Cbrt "cbrt" [] "(x)" 1..=1 "the cube root";
    Row Exp "exp" [] "(x)" 1..=1 "e to the power of x";
    Row Ln "ln" [] "(x)" 1..=1 "the natural logarithm; null at 0 and below";
    Row Log10 "log10" ["log"] "(x)" 1..=1 "the logarithm to base 10; null at 0 and below";
    Row Log2 "log2" [] "(x)" 1..=1 "the logarithm to base 2; null at 0 and below";
    Row Power "power" ["pow"] "(x, y)" 2..=2 "x to the power of y, as float64";
    Row Mod "mod" [] "(x, y)" 2..=2 "x % y";
    Row Pi "pi" [] "()" 0..=0 "3.14159…";
    Row Sin "sin" [] "(x)" 1..=1 "the sine of an angle in radians";
    Row Cos "cos" [] "(x)" 1..=1 "the cosine of an angle in radians";
    Row Tan "tan" [] "(x)" 1..=1 "the tangent of an angle in radians";
    Row Asin "asin" [] "(x)" 1..=1 "the angle in radians; null beyond -1 to 1";
    Row Acos "acos" [] "(x)" 1..=1 "the angle in radians; null beyond -1 to 1";
    Row Atan "atan" [] "(x)" 1..=1 "the angle in radians";
    Row Atan2 "atan2" [] "(y, x)" 2..=2 "the angle of the point (x, y) in radians";
    Row Degrees "degrees" [] "(x)" 1..=1 "radians as degrees";
    Row Radians "radians" [] "(x)" 1..=1 "degrees as radians";
    Row Greatest "greatest" [] "(x, …)" 1..=many "the greatest; nulls are ignored";
    Row Least "least" [] "(x, …)" 1..=many "the least; nulls are ignored";
    Row Coalesce "coalesce" ["ifnull"] "(x, …)" 1..=many "the first that is not null";
    Row NullIf "nullif" [] "(x, y)" 2..=2 "null where x = y, else x";
    Row Length "length" ["len", "char_length", "character_length"] "(text)" 1..=1 "the number of characters (code points)";
    Row ByteLength "strlen" ["octet_length"] "(text)" 1..=1 "the number of bytes in UTF-8";
    Row Lower "lower" ["lcase"] "(text)" 1..=1 "in lower case";
    Row Upper "upper" ["ucase"] "(text)" 1..=1 "in upper case";
    Row Trim "trim" [] "(text, characters)" 1..=2 "without `characters` (default: spaces) at both ends";
    Row TrimStart "ltrim" [] "(text, characters)" 1..=2 "without `characters` (default: spaces) at the start";
    Row TrimEnd "rtrim" [] "(text, characters)" 1..=2 "without `characters` (default: spaces) at the end";
    Row Substring "substr" ["substring"] "(text, from, count)" 2..=3 "`count` characters (default: all) from `from`, counted from 1; a negative `from` counts from the end";
    Row Left "left" [] "(text, count)" 2..=2 "the first characters; a negative count leaves out as many at the end";
    Row Right "right" [] "(text, count)" 2..=2 "the last characters; a negative count leaves out as many at the start";
    Row Replace "replace" [] "(text, old, new)" 3..=3 "with `new` in place of every `old`";
    Row Reverse "reverse" [] "(text)" 1..=1 "backwards";
    Row Repeat "repeat" [] "(text, count)" 2..=2 "`count` times";
    Row PadLeft "lpad" [] "(text, count, filler)" 3..=3 "filled at the start to `count` characters; longer texts are cut";
    Row PadRight "rpad" [] "(text, count, filler)" 3..=3 "filled at the end to `count` characters; longer texts are cut";
    Row Concat "concat" [] "(x, …)" 1..=many "all as one text; nulls are ignored";
    Row ConcatWith "concat_ws" [] "(separator, x, …)" 2..=many "all as one text with `separator` between; nulls are ignored";
    Row StartsWith "starts_with" ["prefix"] "(text, start)" 2..=2 "whether it starts with `part`";
    Row EndsWith "ends_with" ["suffix"] "(text, end)" 2..=2 "whether it ends with `part`";
    Row Contains "contains" [] "(text, part)" 2..=2 "whether `part` occurs in it, letter by letter";
    Row Position "strpos" ["position", "instr"] "(text, part)" 2..=2 "where `part` first occurs, counted from 1; 0 if it does not";
    Row SplitPart "split_part" [] "(text, separator, number)" 3..=3 "the part of that number, counted from 1; a negative number counts from the end, an empty text if there is none";
    Row RegexpMatches "regexp_matches" ["regexp_like"] "(text, pattern)" 2..=2 "whether the pattern occurs in it";
    Row RegexpExtract "regexp_extract" [] "(text, pattern, group)" 2..=3 "what the pattern or its `group` (default 0, the whole) first matches; an empty text if it does not";
    Row RegexpReplace "regexp_replace" [] "(text, pattern, new, flags)" 3..=4 "with `new` in place of the first match, of every match with the flag 'g'; `\\1` stands for a group";
    Row DatePart "date_part" ["datepart"] "(part, x)" 2..=2 "EXTRACT(part FROM x), with the part as a text";
    Row Year "year" [] "(x)" 1..=1 "the year";
    Row Quarter "quarter" [] "(x)" 1..=1 "the quarter, 1 to 4";
    Row Month "month" [] "(x)" 1..=1 "the month, 1 to 12";
    Row Week "week" ["weekofyear"] "(x)" 1..=1 "the week of ISO 8601, 1 to 53";
    Row Day "day" ["dayofmonth"] "(x)" 1..=1 "the day of the month, 1 to 31";
    Row DayOfWeek "dayofweek" ["weekday"] "(x)" 1..=1 "the day of the week, 0 (Sunday) to 6";
    Row IsoDayOfWeek "isodow" [] "(x)" 1..=1 "the day of the week, 1 (Monday) to 7";
    Row DayOfYear "dayofyear" [] "(x)" 1..=1 "the day of the year, 1 to 366";
    Row Hour "hour" [] "(x)" 1..=1 "the hour, 0 to 23";
    Row Minute "minute" [] "(x)" 1..=1 "the minute, 0 to 59";
    Row Second "second" [] "(x)" 1..=1 "the second, 0 to 59";
    Row Epoch "epoch" [] "(x)" 1..=1 "seconds since 1970-01-01 in UTC, as float64; of a duration, its seconds";
    Row DateTrunc "date_trunc" ["datetrunc"] "(part, x)" 2..=2 "the start of the year, quarter, month, week (Monday), day, hour, minute or second";
    Row DateDiff "date_diff" ["datediff"] "(part, from, to)" 3..=3 "how many starts of a year, month, day, … lie between";
    Row LastDay "last_day" [] "(x)" 1..=1 "the last day of the month, as a date";
    Row MakeDate "make_date" [] "(year, month, day)" 3..=3 "the date; an invalid date is refused";
    Row ToDays "to_days" [] "(count)" 1..=1 "a duration of that many days of 24 hours";
    Row ToHours "to_hours" [] "(count)" 1..=1 "a duration of that many hours";
    Row ToMinutes "to_minutes" [] "(count)" 1..=1 "a duration of that many minutes";
    Row ToSeconds "to_seconds" [] "(count)" 1..=1 "a duration of that many seconds";
    Row Strftime "strftime" [] "(x, format)" 2..=2 "as text, by the format";
    Row Strptime "strptime" [] "(text, format)" 2..=2 "the timestamp parsed with the format; a text that does not match is refused";
    Row TryStrptime "try_strptime" [] "(text, format)" 2..=2 "the timestamp parsed with the format; null if the text does not match";
    Row ToLocal "to_local" [] "(x, zone)" 2..=2 "the local time in a time zone at the UTC timestamp `x`";
    Row ToUtc "to_utc" [] "(x, zone, dst)" 2..=3 "the UTC timestamp at which the local time of a time zone is `x`; a local time that is skipped or occurs twice is refused, unless `dst` is 'earlier' or 'later'";
    Aggregate Count "count" [] "(x), (DISTINCT x) or (*)" 1..=1 "how many are not null, how many different ones, how many rows";
    Aggregate Sum "sum" [] "(x)" 1..=1 "the sum; null without values; of booleans, the number of true ones";
    Aggregate Mean "avg" ["mean"] "(x)" 1..=1 "the mean, as float64";
    Aggregate Min "min" [] "(x)" 1..=1 "the least";
    Aggregate Max "max" [] "(x)" 1..=1 "the greatest";
    Aggregate Median "median" [] "(x)" 1..=1 "the median, as float64: the mean of the middle two";
    Aggregate Quantile "quantile_cont" [] "(x, share)" 2..=2 "the quantile, interpolated, as float64";
    Aggregate StdDev "stddev" ["stddev_samp"] "(x)" 1..=1 "the standard deviation of a sample; null below two values";
    Aggregate StdDevPop "stddev_pop" [] "(x)" 1..=1 "the standard deviation of all";
    Aggregate Variance "variance" ["var_samp"] "(x)" 1..=1 "the variance of a sample; null below two values";
    Aggregate VariancePop "var_pop" [] "(x)" 1..=1 "the variance of all";
    Aggregate AllTrue "bool_and" [] "(x)" 1..=1 "whether all are true; nulls are ignored";
    Aggregate AnyTrue "bool_or" [] "(x)" 1..=1 "whether any is true; nulls are ignored";
    Aggregate Mode "mode" [] "(x)" 1..=1 "the most frequent; of several the least";
    Aggregate ArgMin "arg_min" ["min_by"] "(x, y)" 2..=2 "x where y is least, of several the first; rows with a null among them are ignored";
    Aggregate ArgMax "arg_max" ["max_by"] "(x, y)" 2..=2 "x where y is greatest, of several the first; rows with a null among them are ignored";
    Aggregate Joined "string_agg" ["group_concat", "listagg"] "(text, separator)" 2..=2 "all texts as one with `separator` between, in the order of the rows; nulls are ignored";
    Window RowNumber "row_number" [] "()" 0..=0 "the place in the window, from 1";
    Window Rank "rank" [] "()" 0..=0 "the place in the window; equals share one, and the next places are left out";
    Window DenseRank "dense_rank" [] "()" 0..=0 "the place in the window; equals share one";
    Window Lag "lag" [] "(x, count)" 1..=2 "x of the row `count` (default 1) before";
    Window Lead "lead" [] "(x, count)" 1..=2 "x of the row `count` (default 1) after";
    Window FirstValue "first_value" [] "(x)" 1..=1 "x of the first row of the window";
    Window LastValue "last_value" [] "(x)" 1..=1 "x of the last row of the window so far: its own, or an equal one after it";
};

/// The function of this name or alias.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    let name = name.to_lowercase();
    FUNCTIONS.iter().find(|function| function.name == name || function.aliases.contains(&name.as_str()))
}

/// Every name and alias.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|function| [function.name].into_iter().chain(function.aliases.iter().copied()))
}
