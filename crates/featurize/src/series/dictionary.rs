//! The data dictionary: what every column means, as Markdown.

use artifact::type_name;
use polars::prelude::Schema;

use super::models::Forecaster;
use super::plan::{How, Level, SeriesPlan};
use super::spec::{CountedFrom, Dated, Gaps, SeriesFeature, SeriesSpec};

/// Writes the dictionary. `rows` are those of the training and of the scoring table; `cutoffs` how many training cutoffs,
/// the first and the last of them, and the newest.
pub fn write(
    spec: &SeriesSpec,
    plan: &SeriesPlan,
    schema: &Schema,
    rows: (u64, u64),
    (count, (first, last), newest): (usize, (String, String), String),
) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let rules = plan.rules();
    let by = plan.by.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    line(format!("# Features of the series of {}\n", spec.table));
    line(format!(
        "One row per series, cutoff and period up to {} ahead. A cutoff is the date of the first period that is predicted. \
         Features of earlier periods see only those before the cutoff; a window of 8w holds the 8 weeks before it.\n",
        plan.horizon
    ));
    line("| | |\n|---|---|".to_owned());
    line(format!("| series | one for each {by}; `series` names it |"));
    let dated = if rules.dated == Dated::Start { "first" } else { "last" };
    line(format!("| periods | of {}, dated by their {dated} day in `{}` |", plan.every, plan.time));
    if let Some(closed) = &rules.closed {
        line(format!("| closed days | {closed} |"));
    }
    line(format!("| training rows | {}, at {count} cutoffs ({first} to {last}) |", rows.0));
    line(format!("| scoring rows | {}, at the cutoff {newest} |", rows.1));
    if !rules.known_ahead.0.is_empty() {
        let names = rules.known_ahead.0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        line(format!("| known in advance | {names} |"));
    }
    line(match &rules.gaps {
        Gaps::Refuse => "| missing periods | none |".to_owned(),
        Gaps::Keep => "| missing periods | have no values |".to_owned(),
        Gaps::Fill(filling) => {
            let value = |(name, value): (&str, &super::spec::Filling)| match value {
                super::spec::Filling::Last => format!("`{name}` is that of the row before"),
                super::spec::Filling::Number(number) => format!("`{name}` is {number}"),
            };
            format!("| missing periods | {} |", filling.iter().map(value).collect::<Vec<_>>().join(", "))
        }
    });
    for renamed in &rules.renamed {
        line(format!(
            "| renamed | `{}` {} is {} from {} on |",
            renamed.column,
            cell(&renamed.from),
            cell(&renamed.to),
            renamed.on
        ));
    }
    line("\n## Label\n".to_owned());
    line(format!(
        "`{}` is the first cutoff at which the label is known; it is not learned from.\n",
        plan.label_known_at
    ));
    line("| name | type | meaning |\n|---|---|---|".to_owned());
    let dtype = |name: &str| schema.get(name).map(type_name).unwrap_or_default();
    let meaning = format!("`{}` of the period", spec.label.is.sql());
    line(format!(
        "| `{}` | {} | {} |",
        plan.label,
        dtype(&plan.label),
        cell(&joined(&meaning, spec.label.description.as_deref()))
    ));
    line("\n## Features\n".to_owned());
    line("| name | type | meaning | columns | where |\n|---|---|---|---|---|".to_owned());
    for ((name, feature), (_, how)) in spec.features.iter().zip(&plan.features) {
        let mut columns: Vec<String> = Vec::new();
        for column in plan.columns(how) {
            let column = format!("`{column}`");
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        let filter = feature.back().and_then(|(_, back)| back.filter.as_ref());
        line(format!(
            "| `{name}` | {} | {} | {} | {} |",
            dtype(name),
            cell(&joined(&meaning_of(plan, feature, how), feature.description())),
            columns.join(", "),
            filter.map(|sql| format!("`{}`", cell(&sql.to_string()))).unwrap_or_default()
        ));
    }
    out
}

/// A bar would end the table's cell, a line break its row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn joined(meaning: &str, description: Option<&str>) -> String {
    match description {
        Some(text) => format!("{}: {meaning}", text.trim().trim_end_matches('.')),
        None => meaning.to_owned(),
    }
}

fn meaning_of(plan: &SeriesPlan, feature: &SeriesFeature, how: &How) -> String {
    let level = how.source().map_or("", |source| match &plan.sources[source].level {
        Level::Series => "",
        Level::By(by) if by.is_empty() => ", all series together",
        Level::By(_) => ", all series of the level together",
    });
    let before = |from: CountedFrom| match from {
        CountedFrom::Cutoff => "the cutoff",
        CountedFrom::Target => "the period that is predicted",
    };
    match (feature, how) {
        (_, How::Window { window, lag, from, .. }) => {
            let word = feature.back().map_or("", |(word, _)| word);
            let of = feature.back().and_then(|(_, back)| back.of.as_ref());
            let of = of.map(|of| format!(" of `{of}`")).unwrap_or_default();
            let window = window.map_or("all periods".to_owned(), |window| format!("{window} periods"));
            let lag = if *lag > 0 { format!("{lag} periods before ") } else { String::new() };
            format!("{word}{of} over {window} up to {lag}{}{level}", before(*from))
        }
        (SeriesFeature::Lag(of), How::Lag { periods, from, .. }) => {
            format!("`{}` {periods} periods before {}{level}", of.of, before(*from))
        }
        (SeriesFeature::Difference(of), How::Difference { periods, .. }) => {
            format!("newest `{}` less that of {periods} periods before{level}", of.of)
        }
        (SeriesFeature::EwmMean(of), How::Ewm { halflife, .. }) => {
            format!("exponentially weighted mean of `{}`, half the weight after {halflife} periods{level}", of.of)
        }
        (SeriesFeature::Ets(of) | SeriesFeature::Theta(of), How::Forecast { by, .. }) => {
            let name = if matches!(by, Forecaster::Ets { .. }) { "exponential smoothing" } else { "a theta model" };
            let season = if of.season > 1 { format!(" with a season of {} periods", of.season) } else { String::new() };
            format!("forecast of `{}` by {name}{season}", of.of)
        }
        (SeriesFeature::Croston(of), _) => format!("forecast of the intermittent `{}` by Croston's method", of.of),
        (_, How::Holidays { on, country, zone }) => {
            let country = country.map(|country| format!("the public holidays of {country}"));
            let days = country.into_iter().chain(on.iter().map(ToString::to_string)).collect::<Vec<_>>().join(", ");
            let zone = zone.map(|zone| format!(", by the days of {}", zone.name())).unwrap_or_default();
            format!("number of days of the period among {days}{zone}")
        }
        (_, How::Lookup(of)) => format!("`{}` of the row of `{}` with the same key", of.take, of.table),
        (_, How::Sql(sql)) => format!("`{sql}`"),
        _ => String::new(),
    }
}
