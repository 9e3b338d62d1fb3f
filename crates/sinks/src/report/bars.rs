//! Bars: one per name.

use artifact::{PolarsResultExt, collect};
use pages::{Html, chart, note};
use polars::prelude::{SortMultipleOptions, col};
use spec::{Error, Result};

use super::groups::{ROWS, filtered, grouped, known, numeric, schema_of, value_of};
use super::{Aggregate, BarsPart, ReportData, cells};

pub fn draw(part: &BarsPart, given: &dyn ReportData) -> Result<Html> {
    let BarsPart { table, from, condition, title, name, value, aggregate, top } = part;
    let place = format!("table '{table}'");
    let mut plan = filtered(given.table(*from, table)?, table, condition.as_ref())?;
    let schema = schema_of(&mut plan, table)?;
    known(table, &schema, name)?;
    match aggregate {
        Some(Aggregate::Count) => known(table, &schema, value).map(drop)?,
        _ => numeric(table, &schema, value)?,
    }
    if name == value {
        return Err(Error::cannot_run(format!("{place}: 'name' and 'value' are the same column")));
    }
    let groups = grouped(plan, vec![col(name.as_str())], vec![value_of(value, *aggregate)]);
    // Equal bars lie in the order of their names.
    let order = SortMultipleOptions::new().with_order_descending_multi([true, false]).with_nulls_last(true);
    let groups = collect(groups.sort([value.as_str(), name.as_str()], order), &place)?;
    let names = groups.column(name).during(&place)?;
    let values = groups.column(value).during(&place)?.f64().during(&place)?.clone();
    let rows = groups.column(ROWS).during(&place)?.i64().during(&place)?.clone();
    let label = |row: usize| names.get(row).map(|value| cells::text_of(names.dtype(), &value)).unwrap_or_default();
    if let Some(row) = (0..groups.height()).find(|row| aggregate.is_none() && rows.get(*row) > Some(1)) {
        return Err(Error::cannot_run(format!(
            "{place}: {} rows have the {name} '{}'",
            rows.get(row).unwrap_or_default(),
            label(row)
        ))
        .hint("say how to combine them by `aggregate`: sum, mean, min, max or count"));
    }
    let shown = match aggregate {
        Some(aggregate) => format!("{} of {value}", aggregate.word()),
        None => value.clone(),
    };
    let heading = title.clone().unwrap_or_else(|| format!("{shown} by {name}"));
    let mut bars = chart::Bars::new(heading, shown);
    for row in 0..groups.height().min(*top) {
        bars = bars.bar(label(row), values.get(row).unwrap_or(f64::NAN));
    }
    let mut html = Html::from(bars.figure());
    if groups.height() > *top {
        html.push(note(format!("The {top} largest of {}.", groups.height())));
    }
    Ok(html)
}

impl Aggregate {
    pub(super) fn word(self) -> &'static str {
        match self {
            Aggregate::Sum => "sum",
            Aggregate::Mean => "mean",
            Aggregate::Min => "smallest",
            Aggregate::Max => "largest",
            Aggregate::Count => "number",
        }
    }
}
