//! Lines with a band, such as a forecast beside what happened: one chart per group.

use std::collections::BTreeMap;

use artifact::{PolarsResultExt, collect, type_name};
use pages::{Html, chart, el, note, words};
use polars::prelude::{AnyValue, DataType, Expr, SortMultipleOptions, col};
use spec::{Error, Result};

use super::groups::{ROWS, filtered, grouped, known, numeric, schema_of, value_of};
use super::{Aggregate, LineSpec, LinesPart, ReportData, cells, titled};

/// What the places along the axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Number,
    Days,
    Moments,
}

impl Axis {
    fn shown(self) -> fn(f64) -> String {
        match self {
            Axis::Number => words::number,
            Axis::Days => values::calendar::day_at,
            Axis::Moments => cells::moment,
        }
    }
}

/// A point: place, value, and the bounds of the band, NaN where there are none.
type Point = (f64, f64, f64, f64);

/// The name of a group: its values, and what stands between them and for one that is missing.
const BETWEEN: &str = " / ";
const NOTHING: &str = "–";

/// A value in the name of a group; in quotes where it could be taken for two, or for none.
fn word(text: String) -> String {
    let is_plain = !text.contains(BETWEEN) && text != NOTHING && !text.starts_with('"');
    if is_plain { text } else { format!("{text:?}") }
}

/// The points of one line, by group.
type Groups = BTreeMap<String, Vec<Point>>;

pub fn draw(part: &LinesPart, given: &dyn ReportData) -> Result<Html> {
    let mut along: Option<Axis> = None;
    let mut lines: Vec<Groups> = Vec::new();
    for line in &part.lines {
        let (groups, of_line) = points_of(part, line, given)?;
        along = match (along, of_line) {
            (None, of_line) => Some(of_line),
            (Some(before), of_line) if before == of_line => Some(before),
            (Some(before), of_line) if before != Axis::Number && of_line != Axis::Number => Some(Axis::Moments),
            _ => {
                return Err(Error::cannot_run(format!(
                    "'{}' is a date in one of the tables, and a number in another",
                    part.x
                )));
            }
        };
        lines.push(groups);
    }
    let along = along.unwrap_or(Axis::Number);
    if let Some(from) = part.last.and_then(|last| first_of_last(&lines, last)) {
        for points in lines.iter_mut().flat_map(BTreeMap::values_mut) {
            points.retain(|(x, ..)| *x >= from);
        }
    }
    let names = largest(&lines);
    let shown = &names[..names.len().min(part.groups)];
    let mut html = Html::of(shown.iter().map(|group| one(part, group, &lines, along)));
    if shown.is_empty() {
        html = el("p").class("empty").text("There are no values to draw.").into();
    }
    if shown.len() > 1 {
        html = el("div").class("pair").add(html).into();
    }
    if names.len() > shown.len() {
        html.push(note(format!("The {} largest of {} groups.", shown.len(), words::grouped(names.len() as u64))));
    }
    // With groups, the title is the heading of all their charts; else it is the name of the only one.
    Ok(titled(part.title.as_deref().filter(|_| !part.by.is_empty()), html))
}

/// The chart of one group.
fn one(part: &LinesPart, group: &str, lines: &[Groups], along: Axis) -> Html {
    let title = match part.by.is_empty() {
        true => part.title.clone().unwrap_or_else(|| part.lines[0].y.clone()),
        false => group.to_owned(),
    };
    let mut chart = chart::Lines::new(title, along.shown());
    for (line, groups) in part.lines.iter().zip(lines) {
        let points = groups.get(group).map_or(&[][..], Vec::as_slice);
        let name = line.name.as_deref().unwrap_or(&line.y);
        chart = chart.line(name, points.iter().map(|(x, y, ..)| (*x, *y)).collect());
        if let (Some(low), Some(high)) = (&line.low, &line.high) {
            let band = points.iter().map(|(x, _, low, high)| (*x, *low, *high)).collect();
            chart = chart.band(format!("from {low} to {high} of {name}{}", outside(points)), band);
        }
    }
    if part.from_zero {
        chart = chart.from_zero();
    }
    chart.figure().into()
}

/// How many values lie outside of their band: the mean of a skewed quantity may be above its 90 % quantile.
fn outside(points: &[Point]) -> String {
    let of_band = points.iter().filter(|(_, _, low, high)| !low.is_nan() && !high.is_nan());
    match of_band.filter(|(_, y, low, high)| y < low || y > high).count() {
        0 => String::new(),
        1 => "; 1 value lies outside of it, as a mean can".to_owned(),
        count => format!("; {count} values lie outside of it, as a mean can"),
    }
}

/// The groups, those with the largest sum of the first line first.
fn largest(lines: &[Groups]) -> Vec<String> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (at, groups) in lines.iter().enumerate() {
        for (group, points) in groups {
            let sum = sums.entry(group).or_default();
            if at == 0 {
                *sum += points.iter().map(|(_, y, ..)| *y).filter(|y| y.is_finite()).sum::<f64>();
            }
        }
    }
    let mut names: Vec<(&str, f64)> = sums.into_iter().collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Where the last so many places of all lines begin.
fn first_of_last(lines: &[Groups], last: usize) -> Option<f64> {
    let mut places: Vec<f64> = lines.iter().flat_map(BTreeMap::values).flatten().map(|(x, ..)| *x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    places.get(places.len().saturating_sub(last)).copied()
}

/// The points of a line, sorted along the axis.
fn points_of(part: &LinesPart, line: &LineSpec, given: &dyn ReportData) -> Result<(Groups, Axis)> {
    let table = &line.table;
    let place = format!("table '{table}'");
    let mut plan = filtered(given.table(line.from, table)?, table, line.condition.as_ref())?;
    let schema = schema_of(&mut plan, table)?;
    let along = match known(table, &schema, &part.x)? {
        DataType::Date => Axis::Days,
        DataType::Datetime(..) => Axis::Moments,
        dtype if dtype.is_primitive_numeric() => Axis::Number,
        other => {
            return Err(Error::cannot_run(format!("{place}: column '{}' holds {}", part.x, type_name(other)))
                .hint("name a column of dates, timestamps or numbers under 'x'"));
        }
    };
    match line.aggregate {
        Some(Aggregate::Count) => known(table, &schema, &line.y).map(drop)?,
        _ => numeric(table, &schema, &line.y)?,
    }
    for column in [&line.low, &line.high].into_iter().flatten() {
        numeric(table, &schema, column)?;
    }
    for column in &part.by {
        known(table, &schema, column)?;
    }
    let used: Vec<&String> = part.by.iter().chain([&part.x, &line.y]).chain(&line.low).chain(&line.high).collect();
    if let Some(twice) = (1..used.len()).find(|at| used[..*at].contains(&used[*at])) {
        return Err(Error::cannot_run(format!("{place}: column '{}' is named twice", used[twice]))
            .hint("'x', 'by', 'y', 'low' and 'high' must be different columns"));
    }
    let keys: Vec<Expr> = part.by.iter().chain([&part.x]).map(|name| col(name.as_str())).collect();
    let bounds = [&line.low, &line.high].into_iter().flatten().map(|column| value_of(column, None));
    let values: Vec<Expr> = std::iter::once(value_of(&line.y, line.aggregate)).chain(bounds).collect();
    let groups = grouped(plan.filter(col(part.x.as_str()).is_not_null()), keys, values);
    let groups = collect(groups.sort([part.x.as_str()], SortMultipleOptions::new()), &place)?;
    let column = |name: &str| groups.column(name).during(&place);
    let floats = |name: &str| column(name)?.f64().during(&place).cloned();
    let (places, ys) = (column(&part.x)?, floats(&line.y)?);
    let rows = column(ROWS)?.i64().during(&place)?.clone();
    let low = line.low.as_deref().map(floats).transpose()?;
    let high = line.high.as_deref().map(floats).transpose()?;
    let by = part.by.iter().map(|name| column(name)).collect::<Result<Vec<_>>>()?;
    let mut points = Groups::new();
    for row in 0..groups.height() {
        let words: Vec<String> = by
            .iter()
            .map(|values| match values.get(row).unwrap_or(AnyValue::Null) {
                AnyValue::Null => NOTHING.to_owned(),
                value => word(cells::text_of(values.dtype(), &value)),
            })
            .collect();
        let group = words.join(BETWEEN);
        let at = places.get(row).unwrap_or(AnyValue::Null);
        let count = rows.get(row).unwrap_or_default();
        let has_band = line.low.is_some();
        if count > 1 && (line.aggregate.is_none() || has_band) {
            let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
            let where_ =
                format!("{place}: {count} rows{of} have the {} {}", part.x, cells::text_of(places.dtype(), &at));
            return Err(match has_band {
                true => Error::cannot_run(format!("{where_}, and the bounds of several rows cannot be added up"))
                    .hint("name the columns that tell them apart under 'by', or leave 'low' and 'high' out"),
                false => Error::cannot_run(where_).hint(
                    "say how to combine them by `aggregate` (sum, mean, min, max or count), or name the columns that tell \
                     them apart under 'by'",
                ),
            });
        }
        // A table of one row gives values that it owns.
        let x = match at.as_borrowed() {
            AnyValue::Date(day) => f64::from(day) * 86_400.0,
            AnyValue::Datetime(ticks, unit, _) => cells::seconds(ticks, unit),
            value => value.extract::<f64>().unwrap_or(f64::NAN),
        };
        let bound = |values: &Option<polars::prelude::Float64Chunked>| {
            values.as_ref().and_then(|values| values.get(row)).unwrap_or(f64::NAN)
        };
        let point = (x, ys.get(row).unwrap_or(f64::NAN), bound(&low), bound(&high));
        points.entry(group).or_default().push(point);
    }
    Ok((points, along))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_have_two_names() {
        let name = |values: [&str; 2]| values.map(|value| word(value.to_owned())).join(BETWEEN);
        assert_eq!(name(["Ulm", "2024"]), "Ulm / 2024");
        assert_ne!(name(["a / b", "c"]), name(["a", "b / c"]));
        assert_eq!(word("–".to_owned()), "\"–\"");
        assert_ne!(word("\"–\"".to_owned()), word("–".to_owned()));
    }
}
