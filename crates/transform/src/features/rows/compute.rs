//! The features of all rows of a table, in its order.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{
    DataFrame, DataType, Expr, Float64Chunked, IntoLazy, IntoSeries, NewChunkedArray, PlSmallStr, Series, col,
};
use spec::{Error, Result};

use super::near::{Places, nearest_of_all, within_of_all};
use super::plan::{ByKey, Earlier, How, Near, NearWhat, Op, Open, Plan};
use super::window::{Combined, Ends, Extremes, Moments, Reach, Sides, Sorted, Total};
use crate::RowExpr;
use crate::features::interner::{Interner, NULL};
use crate::features::plan::{held_as, is_text};
use crate::features::store::{integers, take};
use crate::features::table::defined;

/// The columns that a plan reads, of rows that have a time.
#[derive(Clone)]
pub struct Tables {
    pub own: DataFrame,
    pub others: BTreeMap<String, DataFrame>,
}

impl Tables {
    /// Reads the tables. The number is that of the own rows without a time, which are left out.
    pub fn read(plan: &Plan, open: Open) -> Result<(Tables, u64)> {
        let mut others = BTreeMap::new();
        for (table, columns) in &plan.needs {
            let doing = format!("reading table '{table}'");
            let columns: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
            let rows = artifact::collect(open(table)?.select(columns), &doing)?;
            if rows.height() >= NULL as usize {
                return Err(Error::refused(format!("table '{table}' has over 4 billion rows"))
                    .hint("compute features of one part of the rows at a time"));
            }
            others.insert(table.clone(), rows);
        }
        let all = others.remove(&plan.table).unwrap_or_default();
        let doing = format!("reading table '{}'", plan.table);
        let timed = all.column(&plan.time).during(&doing)?.is_not_null();
        let own = all.filter(&timed).during(&doing)?;
        let untimed = (all.height() - own.height()) as u64;
        Ok((Tables { own, others }, untimed))
    }

    /// Another table than the own one; the plan has named all that are read.
    pub fn other(&self, name: &str) -> Result<&DataFrame> {
        self.others.get(name).ok_or_else(|| Error::cannot_run(format!("table '{name}' was not read")))
    }
}

/// The own table with all features as further columns. The same bytes for any number of threads.
pub fn compute(plan: &Plan, tables: &Tables) -> Result<DataFrame> {
    let mut frame = tables.own.clone();
    let mut grouped = Groupings { known: Vec::new(), times: times_of(&frame, &plan.time)?.into() };
    for (name, how) in &plan.features {
        let place = format!("feature '{name}'");
        let column = match how {
            How::Sql { sql, .. } => evaluated(&frame, sql, name, &place)?,
            How::Earlier(of) => earlier(plan, tables, &frame, of, &mut grouped, &place)?,
            How::Near(of) => near(plan, tables, &frame, of, &place)?,
            How::ByKey(of) => by_key(tables, &frame, of, &place)?,
        };
        frame.with_column(column.with_name(name.as_str().into()).into()).during(&place)?;
    }
    Ok(frame)
}

/// An expression over the columns of a frame, of a type that features have.
pub fn evaluated(frame: &DataFrame, sql: &RowExpr, name: &str, place: &str) -> Result<Series> {
    let value = sql.sql().compile(frame.schema(), place)?;
    let with = frame.clone().lazy().with_columns([value.expr.alias(name)]);
    let rows = with.select([defined(name, &value.dtype)]).collect().during(place)?;
    let column = rows.column(name).during(place)?.as_materialized_series().clone();
    Ok(plain(column, place)?.rechunk().with_name(name.into()))
}

/// Categories as text, integers as Int64, other numbers as Float64; all else as it is.
fn plain(column: Series, place: &str) -> Result<Series> {
    match column.dtype() {
        dtype if is_text(dtype) => column.cast(&DataType::String).during(place),
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) | DataType::Null => {
            Ok(floats(numbers(&column, place)?))
        }
        dtype if dtype.is_integer() => column.cast(&DataType::Int64).during(place),
        _ => Ok(column),
    }
}

/// Times as the column counts them; the smallest integer stands for null.
pub fn times_of(frame: &DataFrame, time: &str) -> Result<Vec<i64>> {
    let doing = format!("column '{time}'");
    let times = frame.column(time).during(&doing)?.as_materialized_series().to_physical_repr().into_owned();
    let times = times.cast(&DataType::Int64).during(&doing)?;
    Ok(times.i64().during(&doing)?.iter().map(|time| time.unwrap_or(i64::MIN)).collect())
}

/// Numbers of which NaN stands for null.
fn numbers(column: &Series, place: &str) -> Result<Vec<f64>> {
    let numbers = column.cast(&DataType::Float64).during(place)?;
    let numbers = numbers.f64().during(place)?;
    Ok(match numbers.cont_slice() {
        Ok(slice) => slice.to_vec(),
        Err(_) => numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect(),
    })
}

/// A column of numbers; null where they are infinite or not numbers.
fn floats(values: Vec<f64>) -> Series {
    match values.iter().all(|value| value.is_finite()) {
        true => Float64Chunked::from_vec(PlSmallStr::EMPTY, values).into_series(),
        false => {
            let values = values.into_iter().map(|value| value.is_finite().then_some(value));
            Float64Chunked::from_iter_options(PlSmallStr::EMPTY, values).into_series()
        }
    }
}

/// Rows that were grouped and sorted, to be used by all features that ask for the same.
struct Groupings {
    known: Vec<Known>,
    times: Arc<[i64]>,
}

/// What was asked for, and what came of it.
struct Known {
    by: Vec<(String, String)>,
    from: Option<(String, String)>,
    grouping: Arc<Grouping>,
}

struct Grouping {
    asking: Sorted,
    /// Of another table.
    seen: Option<(Sorted, Vec<i64>)>,
}

impl Groupings {
    fn of(&mut self, tables: &Tables, frame: &DataFrame, of: &Earlier) -> Result<Arc<Grouping>> {
        let known = self.known.iter().find(|known| known.by == of.by && known.from == of.from);
        if let Some(known) = known {
            return Ok(known.grouping.clone());
        }
        let other = match &of.from {
            Some((table, time)) => Some((tables.other(table)?, time)),
            None => None,
        };
        let (own, theirs, count) = codes(frame, other.map(|(other, _)| other), &of.by)?;
        let asking = Sorted::new(&own, count, &self.times);
        let seen = match other {
            None => None,
            Some((other, time)) => {
                let times = times_of(other, time)?;
                // What has no time is never earlier.
                let theirs: Vec<u32> = theirs
                    .into_iter()
                    .zip(&times)
                    .map(|(code, time)| if *time == i64::MIN { NULL } else { code })
                    .collect();
                Some((Sorted::new(&theirs, count, &times), times))
            }
        };
        let grouping = Arc::new(Grouping { asking, seen });
        self.known.push(Known { by: of.by.clone(), from: of.from.clone(), grouping: grouping.clone() });
        Ok(grouping)
    }
}

/// Codes of the combinations of columns in a frame and, by the same codes, in another; and how many there are.
fn codes(frame: &DataFrame, other: Option<&DataFrame>, by: &[(String, String)]) -> Result<(Vec<u32>, Vec<u32>, usize)> {
    let height = other.map_or(0, DataFrame::height);
    let mut all: Option<(Vec<u32>, Vec<u32>, usize)> = None;
    for (own, their) in by {
        let column = |frame: &DataFrame, name: &str| -> Result<(Series, DataType)> {
            let doing = format!("column '{name}'");
            let dtype = frame.column(name).during(&doing)?.dtype().clone();
            let held = frame.clone().lazy().select([held_as(&dtype, col(name))]).collect().during(&doing)?;
            Ok((held.column(name).during(&doing)?.as_materialized_series().rechunk(), dtype))
        };
        let (mine, dtype) = column(frame, own)?;
        let text = is_text(&dtype) || dtype == DataType::Null;
        let mut interner = if text { Interner::texts() } else { Interner::integers() };
        // The other table first: its codes are dense, which a lookup by key relies on.
        let theirs = match other {
            Some(other) => interner.encode(&column(other, their)?.0)?,
            None => Vec::new(),
        };
        let mine = interner.encode(&mine)?;
        all = Some(match all {
            None => (mine, theirs, interner.len()),
            Some((left, their_left, _)) => {
                let mut combined = Combined::new();
                let theirs = combined.of(&their_left, &theirs);
                let mine = combined.of(&left, &mine);
                (mine, theirs, combined.len())
            }
        });
    }
    Ok(all.unwrap_or_else(|| (vec![0; frame.height()], vec![0; height], 1)))
}

fn earlier(
    plan: &Plan,
    tables: &Tables,
    frame: &DataFrame,
    of: &Earlier,
    groupings: &mut Groupings,
    place: &str,
) -> Result<Series> {
    let grouping = groupings.of(tables, frame, of)?;
    let source = match &of.from {
        Some((table, _)) => tables.other(table)?,
        None => frame,
    };
    let kept = match &of.filter {
        Some(filter) => Some(holds(source, filter, place)?),
        None => None,
    };
    let times: &[i64] = &groupings.times;
    let (low, high) = (times.iter().min().copied().unwrap_or(0), times.iter().max().copied().unwrap_or(0));
    let reach = Reach::new(of.window, of.lag, plan.clock, low, high);
    let (seen, seen_times) = match &grouping.seen {
        Some((seen, times)) => (seen, times.as_slice()),
        None => (&grouping.asking, times),
    };
    let sides = Sides { asking: &grouping.asking, seen, reach: &reach };
    let keeps = |row: u32| kept.as_ref().is_none_or(|kept| kept[row as usize]);
    let value = |values: &[f64], row: u32| if keeps(row) { values[row as usize] } else { f64::NAN };
    let column = || match &of.of {
        Some(sql) => evaluated(source, sql, "of", place),
        None => Err(Error::cannot_run(format!("{place}: 'of' is missing"))),
    };
    let total = |value: f64| match value.is_nan() {
        true => Total { count: 0, sum: 0.0 },
        false => Total { count: 1, sum: value },
    };
    let extremes = |value: f64| Extremes { min: value, max: value };
    let ends = |row: u32, counts: bool| match counts {
        true => Ends { count: 1, first: row, last: row },
        false => Ends { count: 0, first: NULL, last: NULL },
    };
    let per_day = plan.clock.per_day();
    let since = |row: u32, seen: u32| match seen {
        NULL => i64::MIN,
        seen => (times[row as usize] - seen_times[seen as usize]).div_euclid(per_day),
    };
    Ok(match of.op {
        Op::Count => integers("", sides.slide(i64::MIN, |row| ends(row, keeps(row)), |all, _| all.count as i64)),
        Op::Recency => {
            integers("", sides.slide(i64::MIN, |row| ends(row, keeps(row)), |all, row| since(row, all.last)))
        }
        Op::Tenure => {
            integers("", sides.slide(i64::MIN, |row| ends(row, keeps(row)), |all, row| since(row, all.first)))
        }
        Op::MeanGap => floats(sides.slide(
            f64::NAN,
            |row| ends(row, keeps(row)),
            |all, _| match all.count {
                0 | 1 => f64::NAN,
                count => {
                    let span = seen_times[all.last as usize] - seen_times[all.first as usize];
                    span as f64 / per_day as f64 / (count - 1) as f64
                }
            },
        )),
        Op::Share => floats(sides.slide(
            f64::NAN,
            |row| Total { count: 1, sum: f64::from(u8::from(keeps(row))) },
            |all, _| all.sum / all.count as f64,
        )),
        Op::Sum | Op::Mean => {
            let values = numbers(&column()?, place)?;
            let mean = of.op == Op::Mean;
            let result = |all: Total, _| if mean { all.sum / all.count as f64 } else { all.sum };
            floats(sides.slide(f64::NAN, |row| total(value(&values, row)), result))
        }
        Op::Min | Op::Max => {
            let values = numbers(&column()?, place)?;
            let min = of.op == Op::Min;
            let result = |all: Extremes, _| if min { all.min } else { all.max };
            floats(sides.slide(f64::NAN, |row| extremes(value(&values, row)), result))
        }
        Op::Std => {
            let values = numbers(&column()?, place)?;
            let leaf = |row| match value(&values, row) {
                value if value.is_nan() => Moments { count: 0.0, mean: 0.0, squares: 0.0 },
                value => Moments { count: 1.0, mean: value, squares: 0.0 },
            };
            let result = |all: Moments, _| match all.count < 2.0 {
                true => f64::NAN,
                false => (all.squares / (all.count - 1.0)).sqrt(),
            };
            floats(sides.slide(f64::NAN, leaf, result))
        }
        Op::Distinct => {
            let column = column()?;
            let held = source_codes(&column, place)?;
            let codes: Vec<u32> = (0u32..).zip(held).map(|(row, code)| if keeps(row) { code } else { NULL }).collect();
            integers("", sides.distinct(&codes))
        }
        Op::First | Op::Last => {
            let column = column()?;
            let column = if column.dtype().is_primitive_numeric() { floats(numbers(&column, place)?) } else { column };
            let known: Vec<bool> = column.is_not_null().iter().map(|known| known == Some(true)).collect();
            let last = of.op == Op::Last;
            let rows = sides.slide(
                NULL,
                |row| ends(row, keeps(row) && known[row as usize]),
                |all, _| if last { all.last } else { all.first },
            );
            take(&column, &rows)?
        }
    })
}

fn source_codes(column: &Series, place: &str) -> Result<Vec<u32>> {
    let dtype = column.dtype().clone();
    let frame = DataFrame::new(column.len(), vec![column.clone().with_name("of".into()).into()]).during(place)?;
    let held = frame.lazy().select([held_as(&dtype, col("of"))]).collect().during(place)?;
    let text = is_text(&dtype) || dtype == DataType::Null;
    let mut interner = if text { Interner::texts() } else { Interner::integers() };
    interner.encode(&held.column("of").during(place)?.as_materialized_series().rechunk())
}

/// Where a condition holds.
pub fn holds(frame: &DataFrame, condition: &RowExpr, place: &str) -> Result<Vec<bool>> {
    let value = condition.sql().compile(frame.schema(), place)?;
    let with = frame.clone().lazy().with_columns([value.expr.alias("a condition")]);
    let rows = with.select([col("a condition")]).collect().during(place)?;
    let holds = rows.column("a condition").during(place)?.as_materialized_series().clone();
    if holds.dtype() == &DataType::Null {
        return Ok(vec![false; frame.height()]);
    }
    if !holds.dtype().is_bool() {
        return Err(Error::cannot_run(format!("{place}: where '{condition}' gives {}", type_name(holds.dtype())))
            .hint("write a condition, such as price > 0"));
    }
    Ok(holds.bool().during(place)?.iter().map(|holds| holds == Some(true)).collect())
}

fn near(plan: &Plan, tables: &Tables, frame: &DataFrame, of: &Near, place: &str) -> Result<Series> {
    let table = tables.other(&of.table)?;
    let mut places = coordinates(table, &of.theirs, &of.table, place)?;
    let points = coordinates(frame, &of.at, &plan.table, place)?;
    if let NearWhat::Within(_, Some(filter)) = &of.what {
        for (at, keeps) in places.iter_mut().zip(holds(table, filter, place)?) {
            *at = at.filter(|_| keeps);
        }
    }
    let known = Places::new(&places);
    Ok(match &of.what {
        NearWhat::Within(radius, _) => {
            let counts = within_of_all(&known, &points, radius.0);
            integers("", counts.into_iter().map(|count| count.unwrap_or(i64::MIN)).collect())
        }
        NearWhat::Distance => {
            let nearest = nearest_of_all(&known, &points);
            floats(nearest.into_iter().map(|found| found.map_or(f64::NAN, |(_, metres)| metres)).collect())
        }
        NearWhat::Column(name) => {
            let nearest = nearest_of_all(&known, &points);
            let rows: Vec<u32> = nearest.into_iter().map(|found| found.map_or(NULL, |(row, _)| row)).collect();
            plain(take(table.column(name).during(place)?.as_materialized_series(), &rows)?, place)?
        }
    })
}

/// Latitudes and longitudes in degrees. What lies off the globe is refused, since nothing near it can be right.
pub fn coordinates(frame: &DataFrame, at: &[String; 2], table: &str, place: &str) -> Result<Vec<Option<[f64; 2]>>> {
    let column = |name: &str| numbers(frame.column(name).during(place)?.as_materialized_series(), place);
    let (lats, lons) = (column(&at[0])?, column(&at[1])?);
    let off = |(lat, lon): (&f64, &f64)| !lat.is_nan() && !lon.is_nan() && (lat.abs() > 90.0 || lon.abs() > 180.0);
    let count = lats.iter().zip(&lons).filter(|point| off(*point)).count();
    if let Some(row) = lats.iter().zip(&lons).position(off) {
        let (lat, lon) = (lats[row], lons[row]);
        let swapped = lat.abs() > 90.0 && lat.abs() <= 180.0 && lon.abs() <= 90.0;
        let what = if swapped { ": latitude and longitude are evidently swapped" } else { "" };
        let hint = match swapped {
            true => format!("write [{}, {}], or swap such rows back in clean.yaml", at[1], at[0]),
            false => format!(
                "let clean.yaml take such rows out, with `in_range: {{column: {}, min: -90, max: 90}}` and -180 to 180 \
                 for {}",
                at[0], at[1]
            ),
        };
        return Err(Error::refused(format!(
            "{place}: {count} of {} rows of table '{table}' lie off the globe, first {} {lat}, {} {lon}{what}",
            frame.height(),
            at[0],
            at[1]
        ))
        .hint(hint));
    }
    let known = |(lat, lon): (f64, f64)| (!lat.is_nan() && !lon.is_nan()).then_some([lat, lon]);
    Ok(lats.into_iter().zip(lons).map(known).collect())
}

fn by_key(tables: &Tables, frame: &DataFrame, of: &ByKey, place: &str) -> Result<Series> {
    let table = tables.other(&of.table)?;
    let (own, theirs, count) = codes(frame, Some(table), &of.on)?;
    let mut rows = vec![NULL; count];
    for (row, code) in (0u32..).zip(&theirs).filter(|(_, code)| **code != NULL) {
        let known = &mut rows[*code as usize];
        if *known != NULL {
            let mut key = Vec::new();
            for (_, column) in &of.on {
                key.push(format!("{column} {}", table.column(column).during(place)?.get(row as usize).during(place)?));
            }
            return Err(Error::refused(format!(
                "{place}: table '{}' holds {} twice (rows {} and {}), so there is no one '{}' to take",
                of.table,
                key.join(", "),
                *known + 1,
                row + 1,
                of.take
            ))
            .hint(format!("dedupe '{}' in clean.yaml, or name the columns that make it one row", of.table)));
        }
        *known = row;
    }
    let found: Vec<u32> =
        own.iter().map(|code| rows.get(*code as usize).copied().filter(|_| *code != NULL).unwrap_or(NULL)).collect();
    plain(take(table.column(&of.take).during(place)?.as_materialized_series(), &found)?, place)
}
