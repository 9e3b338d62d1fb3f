//! Results as a table: searched, sorted, filtered, downloaded, and drawn.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pages::{Address, Column, Field, Form, Html, Order, Table, chart, el, link, note, section, words};
use polars::prelude::{AnyValue, DataFrame, Schema};
use spec::Name;

use super::frame::{self, Part};
use super::happened::{self, OfRows};
use super::shown;
use super::visit::{Parameters, Visit, Wrong, parameter};
use crate::app::App;
use crate::refusal::Refusal;
use crate::results::{self, Answer, Format, Source};
use crate::results_routes::computed;

/// Rows of a page for people.
const ROWS: usize = 25;
/// Rows whose reasons are counted.
const REASONS: usize = 100_000;
/// Rows of a database that are drawn.
const DRAWN: usize = 200_000;
/// Most rows of a file.
const MOST: usize = 10_000_000;

/// The ways to compare, with their words.
const TESTS: [(&str, &str); 8] = [
    ("eq", "is"),
    ("ne", "is not"),
    ("ge", "at least"),
    ("gt", "more than"),
    ("le", "at most"),
    ("lt", "less than"),
    ("contains", "contains"),
    ("null", "is missing (true or false)"),
];

fn address(name: &Name, parameters: &[(String, String)]) -> Address {
    let of = Part::Results.address(name);
    parameters.iter().fold(of, |address, (name, value)| address.with(name, value))
}

/// The parameters without those of this name.
fn without(parameters: &Parameters, name: &str) -> Parameters {
    parameters.iter().filter(|(known, _)| known != name).cloned().collect()
}

fn with(parameters: &Parameters, name: &str, value: impl ToString) -> Parameters {
    let mut parameters = without(parameters, name);
    parameters.push((name.to_owned(), value.to_string()));
    parameters
}

/// The results of a pipeline that is served.
fn found(app: &App, name: &Name) -> Result<Source, Refusal> {
    let pipeline = app.pipelines.get(name.as_str()).ok_or_else(|| {
        Refusal::not_found(format!("pipeline '{name}' is not served, so its results are not available"))
            .way_out(format!("write resources/{name}/serve.yaml, and start the server again"))
    })?;
    pipeline.source()
}

pub async fn page(Visit { app, visitor, name, query: parameters, .. }: Visit) -> Result<Response, Wrong> {
    let mut page = frame::of_pipeline(&app, &visitor.0, &name, Part::Results);
    let results = match found(&app, &name) {
        Ok(results) => results,
        // Nothing is wrong with a pipeline that has not come so far yet.
        Err(refusal) if app.pipelines.contains_key(name.as_str()) => {
            page.push(el("p").class("empty").text(&refusal.message));
            page.push(refusal.way_out.map(note));
            return Ok(frame::answer(page));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let mut asked = parameters.clone();
    if !asked.iter().any(|(name, _)| name == "per_page") {
        asked.push(("per_page".to_owned(), ROWS.to_string()));
    }
    let Answer { page: found, query, schema, entity, all } = results.page(&app, &asked, 1000).await?;
    page.push(filters(&name, &parameters, &schema, &entity));
    let counts = format!("{} of {} rows. ", words::grouped(found.total as u64), words::grouped(all as u64));
    page.push(el("p").class("note").text(counts).add(link(&Address::below("charts"), "Charts")));
    let happened = happened::of_rows(&app, &name, &entity, &found.rows).await?;
    page.push(table(&name, &parameters, &query, &found.rows, &entity, happened.as_ref()));
    page.push(pager(&name, &parameters, query.page, query.per_page, found.total));
    page.push(downloads(&name, &parameters));
    let drawn = drawn(&app, &results, &schema, &parameters, threshold(&app, &name)).await?;
    page.push(section("Charts").attr("id", "charts").add(el("div").class("pair").add(drawn)));
    page.push(note(format!("From {}.", results.places().join(", "))));
    Ok(frame::answer(page))
}

/// The limit from which the version in production flags.
fn threshold(app: &App, name: &Name) -> Option<f64> {
    let current = app.pipelines.get(name.as_str())?.current()?;
    let manifest = current.deployment.arms[0].arm.manifest();
    manifest.threshold.as_ref().map(|threshold| threshold.value)
}

fn filters(name: &Name, parameters: &Parameters, schema: &Schema, entity: &str) -> Html {
    let own = ["page", "per_page", "sort", "fields", "pipeline"];
    let mut html = Html::new();
    let to = Address::to(&["pipelines", name.as_str(), "results", "filter"]);
    let kept = |form: Form| {
        let others = parameters.iter().filter(|(name, _)| name != "page");
        others.fold(form, |form, (name, value)| form.hidden("keep", kept_as(name, value)))
    };
    let search = kept(Form::get(&to)).hidden("column", entity).hidden("test", "search");
    html.push(search.field(Field::input("search", "value", format!("Search {entity}"), "")).button("Search"));
    let columns = schema.iter_names().map(|name| (name.as_str(), name.as_str()));
    let form = kept(Form::get(&to))
        .field(Field::choice("column", "Column", "", columns))
        .field(Field::choice("test", "Comparison", "", TESTS))
        .field(Field::line("value", "Value", ""))
        .button("Add filter");
    html.push(el("details").add(el("summary").text("Filter by a column")).add(form));
    let chosen: Vec<&(String, String)> = parameters.iter().filter(|(name, _)| !own.contains(&name.as_str())).collect();
    if !chosen.is_empty() {
        let items = chosen.iter().map(|chosen| {
            let rest: Parameters =
                parameters.iter().filter(|other| *other != *chosen && other.0 != "page").cloned().collect();
            let (column, test) = match schema.contains(&chosen.0) {
                true => (chosen.0.as_str(), "eq"),
                false => chosen.0.rsplit_once('.').unwrap_or((&chosen.0, "eq")),
            };
            let word = TESTS.iter().find(|(known, _)| *known == test).map_or(test, |(_, word)| word);
            let shown = format!("{column} {word} {}", chosen.1);
            let remove = link(&address(name, &rest), format!("Remove the filter {shown}"));
            el("li").text(&shown).text(" (").add(remove).text(")")
        });
        html.push(el("ul").all(items));
    }
    html
}

/// A parameter as a field of a form keeps it: in its name, which may be that of any column, there is no `=`.
fn kept_as(name: &str, value: &str) -> String {
    format!("{}={value}", name.replace('%', "%25").replace('=', "%3D"))
}

fn kept_of(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    Some((name.replace("%3D", "=").replace("%25", "%"), value.to_owned()))
}

/// Turns the fields of a form into the parameters of the table, and goes there.
pub async fn filter(Visit { app, name, query: fields, .. }: Visit) -> Result<Response, Wrong> {
    let field = |wanted: &str| parameter(&fields, wanted).unwrap_or_default().trim();
    let kept = fields.iter().filter(|(name, _)| name == "keep");
    let mut parameters: Parameters = kept.filter_map(|(_, pair)| kept_of(pair)).collect();
    let (column, value) = (field("column"), field("value"));
    let (schema, _) = found(&app, &name)?.columns(&app).await?;
    let is_text = schema.get(column).is_some_and(|dtype| dtype.is_string() || dtype.is_categorical());
    let test = match field("test") {
        "search" if is_text => "contains",
        "search" => "eq",
        test => test,
    };
    if !value.is_empty() || test == "eq" && is_text && field("test") != "search" {
        parameters.push((format!("{column}.{test}"), value.to_owned()));
    }
    Ok(Redirect::to(address(&name, &parameters).as_str()).into_response())
}

fn table(
    name: &Name,
    parameters: &Parameters,
    query: &results::Query,
    rows: &DataFrame,
    entity: &str,
    happened: Option<&OfRows>,
) -> Html {
    let heads = rows.columns().iter().map(|values| {
        let column = values.name().as_str();
        let order = query.sort.as_ref().filter(|(sorted, _)| sorted == column);
        let order = order.map(|(_, falls)| if *falls { Order::Falling } else { Order::Rising });
        // Numbers are looked at from the largest.
        let next = match order {
            Some(Order::Falling) => column.to_owned(),
            None if !values.dtype().is_primitive_numeric() => column.to_owned(),
            Some(Order::Rising) | None => format!("-{column}"),
        };
        let to = address(name, &with(&without(parameters, "page"), "sort", next));
        shown::column(column, values.dtype()).sorted_by(to).in_order(order)
    });
    let heads = heads.chain(happened.map(|happened| Column::text(happened.title.as_str())));
    let mut table = Table::new("Results", heads).or_else("No row passes the filters.");
    for row in 0..rows.height() {
        let last = happened.map(|happened| happened.cells[row].clone());
        let cells = rows.columns().iter().map(|values| {
            let value = values.get(row).unwrap_or(AnyValue::Null);
            match values.name() == entity && !value.is_null() {
                true => {
                    let key = shown::text_of(values.dtype(), &value);
                    let to = Address::to(&["pipelines", name.as_str(), "results", "one"]).with("key", &key);
                    link(&to, if key.is_empty() { "(empty)" } else { &key }).into()
                }
                false => shown::cell(values.dtype(), &value),
            }
        });
        table.row(cells.chain(last));
    }
    let mut html: Html = table.into();
    html.push(happened.map(|happened| {
        note(format!("What happened is known of {} of these {} rows.", happened.known, rows.height()))
    }));
    html
}

fn pager(name: &Name, parameters: &Parameters, page: usize, per_page: usize, total: usize) -> Option<Html> {
    let last = total.div_ceil(per_page.max(1));
    if last <= 1 {
        return None;
    }
    let to = |page: usize| address(name, &with(parameters, "page", page));
    let mut parts = Html::new();
    parts.push((page > 1).then(|| link(&to(page - 1), "Previous page")));
    parts.push(el("span").text(format_args!(
        "Page {} of {}",
        words::grouped(page as u64),
        words::grouped(last as u64)
    )));
    parts.push((page < last).then(|| link(&to(page + 1), "Next page")));
    Some(el("nav").class("actions").attr("aria-label", "Pages of the table").add(parts).into())
}

const FILES: [(&str, Format, &str); 4] = [
    ("csv", Format::Csv, "CSV"),
    ("json", Format::Json, "JSON"),
    ("parquet", Format::Parquet, "Parquet"),
    ("arrow", Format::Arrow, "Arrow"),
];

fn downloads(name: &Name, parameters: &Parameters) -> Html {
    let links = FILES.map(|(ending, _, shown)| {
        let to = Address::to(&["pipelines", name.as_str(), "results", "file"]);
        let kept = parameters.iter().filter(|(name, _)| name != "page" && name != "per_page");
        let to = kept.fold(to.with("as", ending), |to, (name, value)| to.with(name, value));
        Html::of([Html::from(" "), link(&to, shown).into()])
    });
    el("p").text("Download all rows that pass:").all(links).into()
}

pub async fn file(Visit { app, name, query: parameters, .. }: Visit) -> Result<Response, Wrong> {
    let results = found(&app, &name)?;
    let wanted = parameter(&parameters, "as").unwrap_or_default();
    let (ending, format, _) = FILES.into_iter().find(|(ending, ..)| *ending == wanted).ok_or_else(|| {
        Refusal::malformed("there is no such kind of file").way_out("write as=csv, json, parquet or arrow")
    })?;
    let asked = with(&with(&without(&parameters, "as"), "page", 1), "per_page", MOST);
    let rows = results.page(&app, &asked, MOST).await?.page.rows;
    let body = computed(&app, move || Ok(format.write(rows)?)).await?;
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, format.media_type())], body).into_response();
    // A name of a pipeline holds letters, digits, - and _ alone.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}_results.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// What all rows that pass look like.
async fn drawn(
    app: &App,
    results: &Source,
    schema: &Schema,
    parameters: &Parameters,
    threshold: Option<f64>,
) -> Result<Html, Refusal> {
    let wanted = ["score", "decision", "class", "reasons"].into_iter().filter(|name| schema.contains(name));
    let wanted: Vec<&str> = wanted.collect();
    if wanted.is_empty() {
        return Ok(note("The table has no scores, so there is nothing to draw.").into());
    }
    let asked = with(&without(parameters, "sort"), "fields", wanted.join(","));
    // A whole large table is not read from a database for each view of the page.
    let most = if results.content().is_some() { MOST } else { DRAWN };
    let Answer { page, .. } = results.page(app, &with(&with(&asked, "page", 1), "per_page", most), most).await?;
    computed(app, move || Ok(pictures(&page.rows, page.total, threshold))).await
}

fn pictures(all: &DataFrame, total: usize, threshold: Option<f64>) -> Html {
    let mut html = Html::new();
    if all.height() < total {
        html.push(note(format!(
            "The charts show {} of {} rows.",
            words::grouped(all.height() as u64),
            words::grouped(total as u64)
        )));
    }
    if let Ok(scores) = all.column("score") {
        let scores: Vec<f64> = scores
            .cast(&polars::prelude::DataType::Float64)
            .ok()
            .and_then(|scores| Some(scores.f64().ok()?.iter().flatten().collect()))
            .unwrap_or_default();
        let mut histogram = chart::Histogram::of("Distribution of scores", "score", &scores, 20);
        if let Some(limit) = threshold {
            histogram = histogram.mark(limit, "the threshold");
            let over = scores.iter().filter(|score| **score >= limit).count();
            if !scores.is_empty() {
                let share = spec::text::percent(over as f64 / scores.len() as f64);
                html.push(note(format!(
                    "{share} of the rows that pass ({} of {}) reach the threshold of {}.",
                    words::grouped(over as u64),
                    words::grouped(scores.len() as u64),
                    words::number(limit)
                )));
            }
        }
        html.push(histogram.figure());
    }
    for (column, title) in [("class", "Predicted classes"), ("decision", "Decisions")] {
        if let Ok(values) = all.column(column) {
            let counted = counted((0..values.len()).filter_map(|row| {
                let value = values.get(row).ok().filter(|value| !value.is_null())?;
                Some(shown::text_of(values.dtype(), &value))
            }));
            html.push(bars(title, "rows", counted));
        }
    }
    if let Ok(reasons) = all.column("reasons").and_then(|reasons| reasons.str().cloned()) {
        let texts = reasons.iter().flatten().take(REASONS).flat_map(|text| text.split("; "));
        let counted = counted(texts.filter_map(|reason| Some(reason.split_once('=')?.0.to_owned())));
        html.push(bars("Strongest reasons", "rows that name it", counted));
    }
    html
}

/// How often each text occurs, the most frequent first.
fn counted(texts: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

fn bars(title: &str, value: &str, counts: Vec<(String, usize)>) -> pages::Element {
    let counts = counts.into_iter().take(25);
    counts.fold(chart::Bars::new(title, value), |bars, (name, count)| bars.bar(name, count as f64)).figure()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_parameters_of_any_name() {
        for (name, value) in [("sort", "-score"), ("a=b.ge", "1=2"), ("100%3D", "%"), ("=", ""), ("%25=", "=")] {
            assert_eq!(kept_of(&kept_as(name, value)), Some((name.to_owned(), value.to_owned())));
        }
        assert_eq!(kept_as("sort", "-score"), "sort=-score");
    }
}
