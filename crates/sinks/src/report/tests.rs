use std::path::Path;

use ::spec::Environment;
use polars::prelude::*;

use super::*;

/// A shop whose two stores sold, and are forecast to sell.
struct Shop;

impl ReportData for Shop {
    fn has_run(&self, stage: Upstream) -> bool {
        stage != Upstream::Monitor
    }

    fn table(&self, from: Option<Upstream>, name: &Name) -> Result<LazyFrame> {
        let weeks = |days: Vec<i32>| Series::new("week".into(), days).cast(&DataType::Date).unwrap();
        // 20,088 is 2024-12-31; the store <b> sold nothing that is known in its second week.
        let table = match (from, name.as_str()) {
            (Some(Upstream::Clean), "sales") => {
                let mut table = df!(
                    "store" => ["a", "a", "a", "<b>", "<b>"],
                    "product" => ["x", "y", "x", "x", "x"],
                    "units" => [Some(1i64), Some(2), Some(4), Some(50), None],
                    "_row" => [1u32, 2, 3, 4, 5],
                )
                .unwrap();
                table.with_column(weeks(vec![20_081, 20_081, 20_088, 20_081, 20_088]).into()).unwrap();
                table
            }
            (None, "scores") => {
                let mut table = df!(
                    "store" => ["a", "<b>"], "score" => [5.5, 71.0], "low" => [4.0, 50.0], "high" => [7.0, 70.5],
                )
                .unwrap();
                table.with_column(weeks(vec![20_095, 20_095]).into()).unwrap();
                table
            }
            _ => return Err(Error::cannot_run(format!("no table '{name}'"))),
        };
        Ok(table.lazy())
    }

    fn registry(&self) -> Registry {
        Registry::at("no such folder")
    }

    fn runs(&self, most: usize) -> Result<Vec<RunLine>> {
        let run = |stage: &str, end| RunLine { began: "2026-11-26 20:15:00".into(), stage: stage.into(), end };
        let all = [
            run("predict", RunEnd::Success { seconds: 1.5, rows: 12_345 }),
            run("train", RunEnd::Failure("no <label>".into())),
        ];
        Ok(all.into_iter().take(most).collect())
    }
}

fn page(parts: &str) -> Result<String> {
    let text = format!("{{title: Forecast, parts: {parts}}}");
    let spec = ::spec::parse::<ReportSpec>(&text, Path::new("export.yaml"), &Environment::default())?.spec;
    if let Some(error) = spec.fault() {
        return Err(error);
    }
    render(&spec, "report", "sales", "2026-11-26", &Shop)
}

fn failure(parts: &str) -> String {
    page(parts).unwrap_err().to_string()
}

const FORECAST: &str = "
  - lines:
      title: Units
      x: week
      by: [store]
      lines:
        - {table: sales, from: clean, y: units, name: sold, aggregate: sum}
        - {table: scores, y: score, name: forecast, low: low, high: high}
";

fn forecast(change: impl Fn(&str) -> String) -> Result<String> {
    let text = format!("title: Forecast\nparts:{}", change(FORECAST));
    let spec = ::spec::parse::<ReportSpec>(&text, Path::new("export.yaml"), &Environment::default())?.spec;
    spec.fault().map_or(Ok(()), Err)?;
    render(&spec, "report", "sales", "2026-11-26", &Shop)
}

#[test]
fn a_forecast_stands_beside_what_happened() {
    let page = forecast(str::to_owned).unwrap();
    // The rows of a week are added up; a week without a value stays without one; the larger store comes first.
    let b = page.find("<figcaption>&lt;b&gt;</figcaption>").unwrap();
    let a = page.find("<figcaption>a</figcaption>").unwrap();
    assert!(b < a, "{page}");
    for part in [
        "sold: 3 on 2024-12-24, 4 on 2024-12-31.",
        "forecast (dashed): 5.5 on 2025-01-07, 5.5 on 2025-01-07.",
        "sold: 50 on 2024-12-24, 50 on 2024-12-24.",
        "The band is from low to high of forecast.",
        "The band is from low to high of forecast; 1 value lies outside of it, as a mean can.",
        "<title>Forecast · sales</title>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("<b>") && !page.contains("http"), "{page}");
}

#[test]
fn the_last_places_and_the_largest_groups_are_shown() {
    let page = forecast(|text| text.replace("x: week", "x: week\n      last: 2\n      groups: 1")).unwrap();
    // Of what is shown, `a` has the larger sum: the only value of the other one is not known.
    assert!(!page.contains("<figcaption>&lt;b&gt;</figcaption>") && page.contains("<figcaption>a</figcaption>"));
    assert!(page.contains("The 1 largest of 2 groups.") && !page.contains("2024-12-24"), "{page}");
}

#[test]
fn rows_are_never_made_one_by_a_guess() {
    let failed = |change: &dyn Fn(&str) -> String| forecast(change).unwrap_err().to_string();
    assert_eq!(
        failed(&|text| text.replace(", aggregate: sum", "")),
        "html: part 1: table 'sales': 2 rows of a have the week 2024-12-24; say how to combine them by `aggregate` (sum, \
         mean, min, max or count), or name the columns that tell them apart under 'by'"
    );
    assert_eq!(
        failed(&|text| text.replace("by: [store]", "by: []").replace("high: high}", "high: high, aggregate: sum}")),
        "html: part 1: table 'scores': 2 rows have the week 2025-01-07, and the bounds of several rows cannot be added up; \
         name the columns that tell them apart under 'by', or leave 'low' and 'high' out"
    );
    assert_eq!(
        failed(&|text| text.replace("y: score", "y: store")),
        "html: part 1: table 'scores': column 'store' holds string; name a column of numbers"
    );
    assert_eq!(
        failed(&|text| text.replace("x: week", "x: wek")),
        "html: part 1: table 'sales': no column 'wek'; did you mean 'week'?"
    );
    assert_eq!(
        failure("[{bars: {table: sales, from: clean, name: product, value: units}}]"),
        "html: part 1: table 'sales': 4 rows have the product 'x'; say how to combine them by `aggregate`: sum, mean, min, \
         max or count"
    );
}

#[test]
fn what_nobody_has_looked_at_yet_is_said() {
    let page = page(
        "[{rows: {table: performance, from: monitor, title: Weeks}}, {lines: {x: week, lines: [{table: performance, from: \
         monitor, y: value}]}}]",
    )
    .unwrap();
    assert_eq!(page.matches("Nothing yet: monitor has not run.").count(), 2);
    assert!(page.contains("Weeks"), "{page}");
}

#[test]
fn bars_and_rows_show_the_largest() {
    let page = page(
        "[{bars: {table: sales, from: clean, name: product, value: units, aggregate: sum, title: Products}}, \
         {rows: {table: sales, from: clean, sort: [{units: desc}], top: 2, columns: [store, {units: sold}]}}, \
         {rows: {table: sales, from: clean, where: product = 'y', title: Of y}}]",
    )
    .unwrap();
    for part in [
        "<th scope=\"row\">x</th><td class=\"number\">55</td>",
        "<th scope=\"row\">y</th><td class=\"number\">2</td>",
        "<th scope=\"row\">&lt;b&gt;</th><td class=\"number\">50</td>",
        "The first 2 rows.",
        "<th scope=\"row\">a</th><td>y</td><td class=\"number\">2</td>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("_row"));
    assert_eq!(
        failure("[{rows: {table: sales, from: clean, where: units + 1}}]"),
        "html: part 1: table 'sales': where: 'units + 1' is not true or false, but int64; write a comparison, such as \
         `horizon = 1`"
    );
}

#[test]
fn a_page_says_what_there_is_not() {
    let page = page("[{metrics: {}}, {champions: {}}, {features: {}}, {text: \"One.\\n\\nTwo <3.\"}, heading: More]");
    let text = page.map_err(|error| error.to_string());
    let text = text.unwrap_or_else(|error| error);
    // `heading: More` within a list in flow style is a map of its own.
    for part in
        ["There is no version of a model yet.", "No version is in production.", "<p>Two &lt;3.</p>", "<h2>More</h2>"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn runs_are_shown_with_how_they_ended() {
    let page = page("[{runs: {last: 5}}]").unwrap();
    for part in ["12,345", "1.5 s", "succeeded", "no &lt;label&gt;"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn wrong_parts_are_refused_with_their_place() {
    for (parts, error) in [
        ("[{rows: {table: t, top: 0}}]", "parts[0].rows.top: found 0, expected a whole number from 1 to 1000"),
        ("[{lines: {x: a, lines: []}}]", "parts[0].lines.lines: found 0 lines; a chart has one to three"),
        (
            "[{lines: {x: a, lines: [{table: t, y: b, low: c}]}}]",
            "parts[0].lines.lines[0]: a band needs both 'low' and 'high'; name the other one as well",
        ),
        ("[{tabel: {}}]", "export.yaml:1:27: parts[0]: unknown part 'tabel'; choose one of: heading, text, rows, "),
    ] {
        let found = failure(parts);
        assert!(found.starts_with(error), "{found}\n{error}");
    }
}

#[test]
fn a_page_that_is_too_large_for_mail_is_refused() {
    let error = failure(&format!("[{{text: {}}}]", "x".repeat(1_000_001)));
    assert!(error.starts_with("the page has 1.0") && error.contains("at most 1 MB"), "{error}");
}
