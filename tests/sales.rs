//! Forecasts of series: the chain that is generated, one week after the other, and real weekly sales.

use std::collections::{BTreeMap, BTreeSet};

use testkit::{Project, skipped};
use tests::browser::{by_script, with_named_script};
use tests::{run_all, shared_data, shipped};

/// The chain at a size that is done in seconds.
fn small() -> Project {
    let variables = [("SALES_STORES", "4"), ("SALES_PRODUCTS", "6")];
    variables.into_iter().fold(shipped("sales"), |project, (name, value)| project.with_variable(name, value))
}

/// The path of a table among what a tool printed.
fn path<'a>(paths: &'a [String], table: &str) -> &'a str {
    paths.iter().find(|path| path.contains(&format!("/{table}_"))).expect("the table was published")
}

#[test]
fn the_generated_chain_is_forecast_four_weeks_ahead() {
    let project = small();
    let printed = run_all(&project, "sales");
    let scoring = project.table(path(&printed[2], "scoring"));
    assert_eq!(BTreeSet::from_iter(scoring.column("cutoff")), BTreeSet::from(["2024-12-30"]));
    assert_eq!(
        BTreeSet::from_iter(scoring.column("week")),
        BTreeSet::from(["2024-12-30", "2025-01-06", "2025-01-13", "2025-01-20"])
    );
    project.run("features", ["sales", "--prove"]).exits(0).says("proved:");
    let scores = project.table(path(&printed[4], "scores"));
    assert_eq!(scores.rows.len(), scoring.rows.len());
    let keys: BTreeSet<(&str, &str)> = scores.column("series").into_iter().zip(scores.column("week")).collect();
    assert_eq!(keys.len(), scores.rows.len(), "a score is one of a series and a week");
    let card = project.read("data/models/sales/v1/card.md");
    for part in
        ["wape better than 'seasonal_naive'", "## The test part by `horizon`", "| mase ", "| coverage | pinball "]
    {
        assert!(card.contains(part), "the card does not say: {part}\n{card}");
    }
}

#[test]
fn one_more_week_moves_the_forecast_by_one_week_and_nothing_before() {
    let tables = |weeks: &str| {
        let project = small().with_variable("SALES_WEEKS", weeks);
        for tool in ["ingest", "clean"] {
            project.run(tool, ["sales"]).exits(0);
        }
        let printed = project.run("features", ["sales"]).exits(0).stdout();
        let rows = |table: &str| {
            let table = project.table(path(&printed, table));
            let features = ["last_week", "mean_13w", "last_year", "product_last_week", "price", "age"];
            let columns: Vec<Vec<&str>> = features.iter().map(|name| table.column(name)).collect();
            let keys = table.column("series").into_iter().zip(table.column("cutoff")).zip(table.column("week"));
            let row = |(number, ((series, cutoff), week)): (usize, ((&str, &str), &str))| {
                let values: Vec<String> = columns.iter().map(|column| column[number].to_owned()).collect();
                ((series.to_owned(), cutoff.to_owned(), week.to_owned()), values)
            };
            keys.enumerate().map(row).collect::<BTreeMap<_, _>>()
        };
        (rows("training"), rows("scoring"))
    };
    let (before, planned) = tables("120");
    let (after, next) = tables("121");
    let shared: Vec<_> = before.keys().filter(|key| after.contains_key(*key)).collect();
    assert!(shared.len() * 10 > before.len() * 9, "{} of {}", shared.len(), before.len());
    for key in shared {
        assert_eq!(before[key], after[key], "{key:?}");
    }
    let cutoff = |rows: &BTreeMap<(String, String, String), Vec<String>>| {
        rows.keys().map(|(_, cutoff, _)| cutoff.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(cutoff(&planned), BTreeSet::from(["2024-04-22".to_owned()]));
    assert_eq!(cutoff(&next), BTreeSet::from(["2024-04-29".to_owned()]));
}

/// What `make sales.next-week` does.
#[test]
fn one_more_week_is_told_in_ten_lines() {
    let project = with_named_script(small(), "next-week");
    by_script(&project, "next-week", &["sales"]).exits(2).says("there is no forecast yet: run `make sales` first");
    run_all(&project, "sales");
    let week = |number: u32| {
        let outcome = by_script(&project, "next-week", &["sales"]);
        let told = outcome.exits(0).stdout();
        assert_eq!(told.len(), 10, "{outcome}");
        for (line, (at, word)) in told.iter().zip((1..).zip([
            "data",
            "cleaned",
            "features",
            "happened",
            "watch",
            "cause",
            "challenger",
            "verdict",
            "production",
            "forecast",
        ])) {
            assert!(line.starts_with(&format!("{at:2}. {word} ")), "{line}");
            assert!(!line.ends_with("nothing to do") || word == "challenger" || word == "verdict", "{line}");
        }
        assert!(told[0].contains(&format!("is over, the {number}th: ")), "{}", told[0]);
        told
    };
    let told = week(157);
    assert!(told[0].contains("the week of 2024-12-30 is over"), "{}", told[0]);
    // What was forecast a week ago beside what happened, though 24 forecasts are too few for a verdict.
    assert!(
        told[3].contains(
            " skipped: too few outcomes of the version in production to judge by, fewer than the 30 of 'min_rows'"
        ),
        "{}",
        told[3]
    );
    assert!(told[3].contains(": v1: wape ") && told[3].contains(" on test"), "{}", told[3]);
    assert!(told[5].contains("new rows of the 0.9 % needed"), "{}", told[5]);
    assert!(told[7].contains(" of the champion v1 on the same ") && told[7].contains("in blocks of 4"), "{}", told[7]);
    // The next one continues from there.
    assert!(week(158)[0].contains("the week of 2025-01-06 is over"));
    let scores = project.table(path(&project.latest("data/output/sales/predict"), "scores"));
    assert_eq!(BTreeSet::from_iter(scores.column("cutoff")), BTreeSet::from(["2025-01-13"]));
    assert_eq!(BTreeSet::from_iter(scores.column("horizon")), BTreeSet::from(["1", "2", "3", "4"]));
    // Totals agree with what they are made of.
    let totals = project.table(path(&project.latest("data/output/sales/predict"), "totals"));
    let number = |text: &&str| text.parse::<f64>().expect("a number");
    let all: f64 = scores.column("score").iter().map(number).sum();
    for level in ["store", "region", "all"] {
        let rows = totals.column("level").into_iter().zip(totals.column("score"));
        let sum: f64 = rows.filter(|(known, _)| *known == level).map(|(_, score)| number(&score)).sum();
        assert!((sum - all).abs() < 1e-6 * all, "{level}: {sum} instead of {all}");
    }
}

#[test]
fn periods_of_another_length_end_the_run() {
    let project = small();
    project.run("ingest", ["sales"]).exits(0);
    project.run("clean", ["sales"]).exits(0);
    let features = project.read("resources/sales/features.yaml");
    project.write("resources/sales/features.yaml", features.replace("  every: 1w", "  every: 2w"));
    project.run("features", ["sales"]).exits(2).says("series.active_within: 3w is not a whole number of periods of 2w");
    let features = features.replace("  every: 1w", "  every: 2w").replace("cutoffs: {every: 1w, count: 104}\n", "");
    let windows =
        ["4w", "13w", "26w"].iter().fold(features, |text, span| text.replace(&format!("window: {span}"), "window: 2w"));
    let windows = windows.replace("active_within: 3w", "active_within: 4w").replace("history: 13w", "history: 2w");
    project.write("resources/sales/features.yaml", windows.replace("lag: 52w", "lag: 2w"));
    let outcome = project.run("features", ["sales"]);
    outcome.exits(1).says("lies between two periods of 2w, counted from 2022-01-03");
}

/// Two shops by hand: `a` for forty weeks, `b` for the last ten of them, which end on a Friday.
fn by_hand(dates: impl Fn(i64, chrono::NaiveDate) -> Option<String>) -> Project {
    let project = Project::new();
    let first = chrono::NaiveDate::from_ymd_opt(2024, 1, 5).expect("a date");
    let mut csv = "shop,week,units\n".to_owned();
    for (shop, from) in [("a", 0), ("b", 30)] {
        for week in from..40 {
            if let Some(date) = dates(week, first + chrono::TimeDelta::weeks(week)) {
                csv.push_str(&format!("{shop},{date},{}\n", 20 + week % 5));
            }
        }
    }
    project.write("data/in/weeks.csv", csv);
    project.write(
        "resources/shops/ingest.yaml",
        "tables:\n  weeks:\n    source: {file: {path: data/in/weeks.csv}}\n    columns: {shop: string, week: {type: date, format: \
         \"%d/%m/%Y\"}, units: int64}\n",
    );
    project.write("resources/shops/clean.yaml", "tables: {weeks: {steps: []}}\n");
    project.write(
        "resources/shops/features.yaml",
        "table: weeks\ntime: week\nseries: {by: shop, every: 1w, dated: end, horizon: 2}\nlabel: {name: units, is: {sql: \
         units}}\nfeatures:\n  horizon: {sql: horizon}\n  last: {lag: {of: units, periods: 1}}\n  before: {lag: {of: units, periods: 13}}\n",
    );
    project
}

#[test]
fn what_weekly_files_get_wrong_is_refused_or_told() {
    let plain = |_: i64, day: chrono::NaiveDate| Some(day.format("%d/%m/%Y").to_string());
    let features = |project: &Project| {
        project.run("ingest", ["shops"]).exits(0);
        project.run("clean", ["shops"]).exits(0);
        project.run("features", ["shops"])
    };
    // Shorter than its lags: it is forecast, and the run says that values are missing.
    let project = by_hand(plain);
    features(&project).exits(0).says(
        "warning: features shops: table 'weeks': 1 series is shorter than the 13 periods that its features look back, which are \
         null for earlier ones: b; to leave such series out, write `history` under 'series'",
    );
    // An ambiguous date is not read until the spec says which day it is.
    let ingest = project.read("resources/shops/ingest.yaml");
    project.write("resources/shops/ingest.yaml", ingest.replace("{type: date, format: \"%d/%m/%Y\"}", "date"));
    project
        .run("ingest", ["shops"])
        .exits(1)
        .says("week: '05/01/2024' is not a date; format: \"%d/%m/%Y\" or format: \"%m/%d/%Y\" reads it");
    // The other of the two: the fifth month is not the first, and its week no Friday.
    project.write("resources/shops/ingest.yaml", ingest.replace("%d/%m/%Y", "%m/%d/%Y"));
    project.run("ingest", ["shops"]).exits(1).says("week: '19/01/2024' is not a date written \"%m/%d/%Y\"");
    // Twice, missing, between two weeks, in the future.
    let twice = by_hand(|week, day| plain(week, if week == 7 { day - chrono::TimeDelta::weeks(1) } else { day }));
    features(&twice).exits(1).says("table 'weeks': series a has two rows for 2024-02-16: ");
    let missing = by_hand(|week, day| if week == 7 { None } else { plain(week, day) });
    features(&missing).exits(1).says("1 period is missing between the rows of 1 series: a on 2024-02-23");
    let between = by_hand(|week, day| plain(week, if week == 9 { day + chrono::TimeDelta::days(2) } else { day }));
    features(&between).exits(1).says("(series a, 2024-03-10) lies between two periods of 1w");
    let future =
        by_hand(|week, day| plain(week, if week == 39 { day + chrono::TimeDelta::weeks(52_000) } else { day }));
    features(&future).exits(1).says("has a label, but its period is not over on ");
}

#[test]
fn real_weekly_sales_beat_the_year_before() {
    let Some(file) = shared_data("walmart-6435/Walmart.csv") else {
        skipped("data", "no walmart-6435/; set MILLRACE_SHARED_DATA to the folder that holds it");
        return;
    };
    let project = shipped("walmart").with_variable("WALMART_CSV", file.display().to_string());
    let printed = run_all(&project, "walmart");
    let scoring = project.table(path(&printed[2], "scoring"));
    // 45 stores, four weeks after the last of the file.
    assert_eq!(scoring.rows.len(), 180);
    assert_eq!(
        BTreeSet::from_iter(scoring.column("week")),
        BTreeSet::from(["2012-11-02", "2012-11-09", "2012-11-16", "2012-11-23"])
    );
    project.run("features", ["walmart", "--prove"]).exits(0).says("proved:");
    // Without a word on the five weeks that are missing nothing is computed.
    let features = project.read("resources/walmart/features.yaml").replace("  gaps: keep\n", "");
    project.write("resources/walmart/features.yaml", features);
    project.run("features", ["walmart"]).exits(1).says("5 periods are missing between the rows of 5 series");
}

#[test]
fn receipts_are_added_up_to_weeks_of_which_the_last_is_over() {
    let project = Project::new();
    // From Monday, 2 January 2023, to a Thursday in the seventh week.
    let day = |number: usize| match number {
        0..30 => format!("2023-01-{:02}", number + 2),
        _ => format!("2023-02-{:02}", number - 29),
    };
    let mut random = testkit::Random::seeded(3);
    let (mut text, mut weeks) = ("sold_at,store,quantity,price\n".to_owned(), BTreeMap::new());
    for number in 0..46 {
        for _ in 0..random.below(9) {
            let (store, quantity, price) = (random.below(2), 1 + random.below(5), 1 + random.below(4));
            text += &format!("{} {:02}:59:59,S{store},{quantity},{price}\n", day(number), random.below(24));
            let (units, paid) = weeks.entry((format!("S{store}"), day(number / 7 * 7))).or_insert((0, 0));
            *units += quantity;
            *paid += quantity * price;
        }
    }
    weeks.retain(|(_, week), _| *week < day(42));
    project.write("receipts.csv", text);
    project.write(
        "resources/till/ingest.yaml",
        "tables:\n  receipts:\n    source: {file: {path: receipts.csv}}\n    columns: {sold_at: datetime, store: string, \
         quantity: int64, price: float64}\n",
    );
    // As docs/series.md has it, without products.
    let docs = include_str!("../docs/series.md");
    let (_, after) = docs.split_once("## Receipts").expect("the part on receipts");
    let (_, block) = after.split_once("```yaml\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    project.write("resources/till/clean.yaml", block.replace("[store, product, week]", "[store, week]"));
    project.write(
        "resources/till/features.yaml",
        "table: sales\ntime: week\nseries: {by: store, every: 1w, horizon: 1, gaps: {fill: {units: 0, price: last}}}\nlabel: \
         {name: units, is: {sql: units}}\nfeatures: {last: {lag: {of: units, periods: 1}}}\n",
    );
    project.run("ingest", ["till"]).exits(0);
    let printed = project.run("clean", ["till"]).exits(0).stdout();
    let sales = project.table(path(&printed, "sales"));
    let row = |at: usize| {
        let cell = |name: &str| sales.column(name)[at].to_owned();
        let number = |name: &str| cell(name).parse::<f64>().expect("a number");
        ((cell("store"), cell("week")), (number("units"), number("price")))
    };
    let found: BTreeMap<_, _> = (0..sales.rows.len()).map(row).collect();
    let expected: BTreeMap<_, _> =
        weeks.into_iter().map(|(key, (units, paid))| (key, (units as f64, paid as f64 / units as f64))).collect();
    assert_eq!(found, expected);
    let printed = project.run("features", ["till"]).exits(0).stdout();
    let scoring = project.table(path(&printed, "scoring"));
    assert_eq!(scoring.column("cutoff"), vec![day(42); 2]);
}
