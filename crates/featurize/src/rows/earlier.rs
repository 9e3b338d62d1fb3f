//! Aggregates over earlier rows.

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, Series};
use spec::{Error, Result};

use super::bag::{Distinct, Ranked};
use super::compute::Tables;
use super::fold::{Ends, Extremes, Moments, Total};
use super::grouping::Groupings;
use super::late::Late;
use super::plan::{Earlier, Op, Plan};
use super::window::{Reach, Sides};
use crate::clock::Clock;
use crate::eval::{evaluated, holds};
use crate::interner::{Interner, NULL};
use crate::known::{Knowledge, known};
use crate::store::{integers, take};
use values::form::{Form, Kind, floats, numbers, plain, refuse_infinite};

/// The rows that are looked at, once for each mask of late columns that are known (see [`Late`]).
struct Looked {
    /// Where the condition holds; nothing if all rows count.
    kept: Option<Vec<Vec<bool>>>,
    /// What `of` gives, the masks one after the other.
    values: Option<Series>,
    rows: usize,
}

impl Looked {
    fn at(source: &DataFrame, of: &Earlier, place: &str) -> Result<Looked> {
        let late = &of.known.columns;
        let rows = source.height();
        if rows << late.len() >= NULL as usize {
            return Err(Error::refused(format!("{place}: over 4 billion rows, each with {} late columns", late.len()))
                .hint("compute features of one part of the rows at a time"));
        }
        // What SQL computes of infinite cells is null; a column that is taken as it is must not have any.
        if let Some(column) = of.of.as_ref().and_then(|sql| source.column(sql.sql().text().trim()).ok()) {
            refuse_infinite(column.as_materialized_series(), place)?;
        }
        let mut kept = of.filter.as_ref().map(|_| Vec::new());
        let mut values: Option<Series> = None;
        for mask in 0..1u8 << late.len() {
            let masked = masked(source, &of.known, mask, place)?;
            if let (Some(kept), Some(filter)) = (&mut kept, &of.filter) {
                kept.push(holds(&masked, filter, place)?);
            }
            if let Some(sql) = &of.of {
                let given = evaluated(&masked, sql, "of", place)?;
                // Of divisions by zero there is no value.
                let given = if given.dtype().is_float() { plain(given, place)? } else { given };
                match &mut values {
                    None => values = Some(given),
                    Some(values) => drop(values.append(&given).during(place)?),
                }
            }
        }
        Ok(Looked { kept, values: values.map(|values| values.rechunk()), rows })
    }

    fn keeps(&self, row: u32, mask: u8) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept[mask as usize][row as usize])
    }

    /// Where the value of a row stands.
    fn place(&self, row: u32, mask: u8) -> u32 {
        (self.rows * mask as usize) as u32 + row
    }

    fn values(&self, place: &str) -> Result<&Series> {
        self.values.as_ref().ok_or_else(|| Error::cannot_run(format!("{place}: 'of' is missing")))
    }
}

/// The table as it is while some of its late columns are not known: they are null.
fn masked(source: &DataFrame, known: &Knowledge, mask: u8, place: &str) -> Result<DataFrame> {
    let mut masked = source.clone();
    for (bit, (column, _)) in known.columns.iter().enumerate() {
        if mask & 1 << bit == 0 {
            let dtype = source.column(column).during(place)?.dtype().clone();
            let nulls = Series::full_null(column.as_str().into(), source.height(), &dtype);
            masked.with_column(nulls.into()).during(place)?;
        }
    }
    Ok(masked)
}

/// When the rows of a table became known, if that may be later than their time.
fn late(source: &DataFrame, of: &Knowledge, times: &[i64], clock: Clock) -> Result<Option<Late>> {
    if of.is_empty() {
        return Ok(None);
    }
    let rows = of.rows.as_ref().map(|how| known(how, source, times, clock)).transpose()?;
    let columns = of.columns.iter().map(|(_, how)| known(how, source, times, clock)).collect::<Result<_>>()?;
    Ok(Some(Late { rows, columns }))
}

/// An aggregate over the earlier rows of every row.
pub fn earlier(
    plan: &Plan,
    tables: &Tables,
    frame: &DataFrame,
    of: &Earlier,
    groupings: &mut Groupings,
    place: &str,
) -> Result<Series> {
    let grouping = groupings.of(tables, frame, of, place)?;
    let source = match &of.from {
        Some((table, _)) => tables.other(table)?,
        None => frame,
    };
    let times: &[i64] = &groupings.times;
    let (low, high) = (times.iter().min().copied().unwrap_or(0), times.iter().max().copied().unwrap_or(0));
    let reach = Reach::new(of.window, of.lag, plan.clock, low, high);
    let (seen, seen_times) = match &grouping.seen {
        Some((seen, times)) => (seen, times.as_slice()),
        None => (&grouping.asking, times),
    };
    let late = late(source, &of.known, seen_times, plan.clock)?;
    let sides = Sides { asking: &grouping.asking, seen, reach: &reach, late: late.as_ref() };
    let looked = Looked::at(source, of, place)?;
    let floats_of = || numbers(looked.values(place)?, place);
    let value = |values: &[f64], row: u32, mask: u8| match looked.keeps(row, mask) {
        true => values[looked.place(row, mask) as usize],
        false => f64::NAN,
    };
    let total = |value: f64| match value.is_nan() {
        true => Total { count: 0, sum: 0.0 },
        false => Total { count: 1, sum: value },
    };
    let ends = |place: u32, counts: bool| match counts {
        true => Ends { count: 1, first: place, last: place },
        false => Ends { count: 0, first: NULL, last: NULL },
    };
    let rows = |row: u32, mask: u8| ends(row, looked.keeps(row, mask));
    let since = |row: u32, seen: u32| match seen {
        NULL => i64::MIN,
        seen => plan.clock.whole_days(seen_times[seen as usize], times[row as usize]),
    };
    Ok(match of.op {
        Op::Count => integers("", sides.slide(i64::MIN, rows, |all, _| all.count as i64)),
        Op::Recency => integers("", sides.slide(i64::MIN, rows, |all, row| since(row, all.last))),
        Op::Tenure => integers("", sides.slide(i64::MIN, rows, |all, row| since(row, all.first))),
        Op::MeanGap => floats(sides.slide(f64::NAN, rows, |all, _| match all.count {
            0 | 1 => f64::NAN,
            count => {
                let (first, last) = (seen_times[all.first as usize], seen_times[all.last as usize]);
                plan.clock.days_apart(first, last) / (count - 1) as f64
            }
        })),
        Op::Share => floats(sides.slide(
            f64::NAN,
            |row, mask| Total { count: 1, sum: f64::from(u8::from(looked.keeps(row, mask))) },
            |all, _| all.sum / all.count as f64,
        )),
        Op::Sum | Op::Mean => {
            let values = floats_of()?;
            let mean = of.op == Op::Mean;
            let result = |all: Total, _| if mean { all.sum / all.count as f64 } else { all.sum };
            floats(sides.slide(f64::NAN, |row, mask| total(value(&values, row, mask)), result))
        }
        Op::Min | Op::Max => {
            let values = floats_of()?;
            let leaf = |row, mask| {
                let value = value(&values, row, mask);
                Extremes { min: value, max: value }
            };
            let min = of.op == Op::Min;
            floats(sides.slide(f64::NAN, leaf, |all, _| if min { all.min } else { all.max }))
        }
        Op::Std => {
            let values = floats_of()?;
            let leaf = |row, mask| match value(&values, row, mask) {
                value if value.is_nan() => Moments { count: 0.0, mean: 0.0, squares: 0.0 },
                value => Moments { count: 1.0, mean: value, squares: 0.0 },
            };
            let result = |all: Moments, _| match all.count < 2.0 {
                true => f64::NAN,
                false => (all.squares / (all.count - 1.0)).sqrt(),
            };
            floats(sides.slide(f64::NAN, leaf, result))
        }
        Op::Quantile(q) => {
            let values = floats_of()?;
            let (codes, sorted) = ranks(&values);
            let item = |row, mask| match looked.keeps(row, mask) {
                true => codes[looked.place(row, mask) as usize],
                false => NULL,
            };
            floats(sides.gather(f64::NAN, item, |bag: &Ranked| bag.quantile(q, &sorted)))
        }
        Op::Distinct => {
            let codes = told_apart(looked.values(place)?, place)?;
            let item = |row, mask| match looked.keeps(row, mask) {
                true => codes[looked.place(row, mask) as usize],
                false => NULL,
            };
            integers("", sides.gather(i64::MIN, item, |bag: &Distinct| bag.count()))
        }
        Op::First | Op::Last => {
            let column = looked.values(place)?;
            // Numbers are given as numbers are computed: as 64-bit floats.
            let is_number = matches!(Kind::of(column.dtype()), Some(Kind::Integer | Kind::Float | Kind::Decimal));
            let column = if is_number { floats(numbers(column, place)?) } else { column.clone() };
            let known: Vec<bool> = column.is_not_null().iter().map(|known| known == Some(true)).collect();
            let last = of.op == Op::Last;
            let leaf = |row, mask| {
                let at = looked.place(row, mask);
                ends(at, looked.keeps(row, mask) && known[at as usize])
            };
            let places = sides.slide(NULL, leaf, |all, _| if last { all.last } else { all.first });
            take(&column, &places)?
        }
    })
}

/// The rank of each number among the distinct ones, which follow; NaN has none.
fn ranks(values: &[f64]) -> (Vec<u32>, Vec<f64>) {
    // The two zeros are one value.
    let mut sorted: Vec<f64> = values.iter().filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    let rank = |value: &f64| sorted.binary_search_by(|other| other.total_cmp(&(value + 0.0)));
    let code = |value: &f64| if value.is_nan() { NULL } else { rank(value).map_or(NULL, |rank| rank as u32) };
    (values.iter().map(code).collect(), sorted)
}

fn told_apart(column: &Series, place: &str) -> Result<Vec<u32>> {
    let form = Form::of(column.dtype()).ok_or_else(|| {
        Error::cannot_run(format!("{place}: 'of' gives {}, whose values cannot be compared", column.dtype()))
            .hint("name plain values")
    })?;
    Interner::new(form).encode(column)
}
