//! Labels that become known at a time of their own, columns that change, and days of a zone: from the YAML to the model.

use testkit::Project;

/// Sales, each settled some days later, with a status that changes; all times in UTC.
fn sales() -> Project {
    let project = Project::new();
    let day = |row: usize| format!("2024-{:02}-{:02}", 1 + row / 40, 1 + row % 28);
    let settled = |row: usize| match row % 3 {
        // At the end of the next month, after ten days, never.
        0 => format!("2024-{:02}-28 12:00:00", 2 + row / 40),
        1 => format!("{} 23:30:00", day(row)),
        _ if row % 30 == 2 => String::new(),
        _ => format!("{} 12:00:00", day(row)),
    };
    let rows: String = (0..400)
        .map(|row| {
            let area = 30 + (row * 37) % 101;
            let price = 3 * area + (row * 53) % 17;
            format!("s{row},{} 22:30:00,{},{area},{price},paid\n", day(row), settled(row))
        })
        .collect();
    let changes: String = (0..400)
        .map(|row| format!("s{row},open,{0} 22:31:00\ns{row},paid,2024-12-{1:02} 10:00:00\n", day(row), 1 + row % 28))
        .collect();
    project
        .write("sales.csv", format!("id,at,settled,area,price,status\n{rows}"))
        .write("changes.csv", format!("sale,became,changed_at\n{changes}"))
        .write(
            "resources/sales/ingest.yaml",
            "tables:\n  sales:\n    source: {file: {path: sales.csv}}\n    columns: {id: string, at: datetime, settled: \
             datetime, area: float64, price: float64, status: string}\n  changes:\n    source: {file: {path: changes.csv}}\n    \
             columns: {sale: string, became: string, changed_at: datetime}\n",
        )
        .write("resources/sales/clean.yaml", "tables:\n  sales: {}\n  changes: {}\n")
        .write(
            "resources/sales/features.yaml",
            "table: sales\nkey: id\ntime: at\nzone: Europe/Berlin\nknown_late: {status: {of: changes, on: id, theirs: sale, \
             take: became, time: changed_at}}\nrows: {}\nlabel: {name: price, is: {sql: price}, known_at: settled}\nfeatures:\n  \
             area: {sql: area}\n  mean_before: {mean: {of: price}}\n  open: {count: {where: status = 'open'}}\n  paid: {count: \
             {where: status = 'paid'}}\n  day: {count: {window: 1d}}\n",
        )
        .write(
            "resources/sales/train.yaml",
            "table: training\nlabel: price\ntask: regression\nentity: id\ntime: at\nsplit: {by: time}\nresamples: 100\n\
             experiments: {t: {tree: {depth: 3}}}\npromote: {when: by_hand}\n",
        );
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["sales"]).exits(0);
    }
    project
}

#[test]
fn no_row_teaches_before_its_label_is_known() {
    let project = sales();
    project.run("features", ["sales", "--prove"]).exits(0).says("proved: ");
    // Those that were never settled are scored.
    let shown = project.run("features", ["sales", "--force"]);
    shown.exits(0);
    let dictionary = project.latest("data/processed/sales/features");
    let dictionary = dictionary.iter().find(|path| path.ends_with(".md")).expect("there is a dictionary");
    let dictionary = project.read(dictionary);
    for text in
        ["| days | of Europe/Berlin", "`price_known_at` is the time from which on", "`status` from each `changed_at`"]
    {
        assert!(dictionary.contains(text), "no '{text}' in {dictionary}");
    }
    project.run("train", ["sales"]).exits(0).says("their labels, known at 'price_known_at', reach into the next part");
    let manifest: serde_json::Value =
        serde_json::from_str(&project.read("data/models/sales/v1/model.json")).expect("the manifest is JSON");
    let names: Vec<&str> =
        manifest["features"].as_array().unwrap().iter().map(|feature| feature["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["area", "mean_before", "open", "paid", "day"]);
}

#[test]
fn another_zone_is_another_feature() {
    let project = sales();
    project.run("train", ["sales"]).exits(0);
    project.write("resources/sales/predict.yaml", "table: scoring\n");
    let features = project.read("resources/sales/features.yaml");
    project.write("resources/sales/features.yaml", features.replace("zone: Europe/Berlin", "zone: Asia/Seoul"));
    project.run("features", ["sales"]).exits(0);
    project.run("predict", ["sales", "--model", "v1"]).exits(1).says(
        "'day' is {count: {window: 1d}} # days of Asia/Seoul now, was {count: {window: 1d}} # days of Europe/Berlin",
    );
    project.write("resources/sales/features.yaml", features.replace("Europe/Berlin", "Europe/Berln"));
    project.run("features", ["sales"]).exits(2).says(
        "resources/sales/features.yaml:4:7: zone: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
    );
}

/// What is dated after the day of the run counts later, though nothing else changes: the output says from when on.
#[test]
fn rows_of_days_to_come_are_noted_with_the_day_from_which_they_count() {
    let project = sales();
    let changes_on = || {
        let published = project.latest("data/processed/sales/features");
        let scoring =
            published.iter().find(|path| path.contains("scoring_")).expect("a table of rows to score").clone();
        project.evidence(&scoring)["notes"]["changes_on"].clone()
    };
    assert_eq!(changes_on(), serde_json::Value::Null);
    // Half past midnight of the third in Berlin, one hour east of UTC (no summer time is known for that year).
    let later = format!(
        "{}x1,2999-06-02 23:30:00,,50,150,paid\nx2,2999-08-01 10:00:00,,50,150,paid\n",
        project.read("sales.csv")
    );
    project.write("sales.csv", later);
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["sales"]).exits(0);
    }
    assert_eq!(changes_on(), "2999-06-03");
    project.run("features", ["sales"]).exits(0).says("up to date");
}

/// Hours that are not over count once they are, and until then nothing runs again.
#[test]
fn hours_to_come_are_noted_with_the_time_from_which_they_count() {
    let project = Project::new();
    let now = chrono::Utc::now();
    let rows: String = (-200..4)
        .flat_map(|hour| ["a", "b"].map(|meter| (meter, now + chrono::TimeDelta::hours(hour))))
        .map(|(meter, at)| format!("{meter},{},{}\n", at.format("%Y-%m-%d %H:00:00"), at.timestamp() / 3_600 % 24))
        .collect();
    project
        .write("load.csv", format!("meter,hour,load\n{rows}"))
        .write(
            "resources/load/ingest.yaml",
            "tables:\n  load:\n    source: {file: {path: load.csv}}\n    columns: {meter: string, hour: datetime, load: float64}\n",
        )
        .write(
            "resources/load/features.yaml",
            "table: load\ntime: hour\nseries: {by: meter, every: 1h, horizon: 2, unfinished: drop}\nlabel: {name: load, is: {sql: \
             load}}\nfeatures:\n  before: {lag: {of: load, periods: 2, counted_from: target}}\n",
        );
    for tool in ["ingest", "features"] {
        project.run(tool, ["load"]).exits(0);
    }
    let published = project.latest("data/processed/load/features");
    let scoring = published.iter().find(|path| path.contains("scoring_")).expect("a table of rows to score");
    let notes = project.evidence(scoring)["notes"].clone();
    let from = notes["changes_at"].as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(from > now && from <= now + chrono::TimeDelta::hours(2), "{notes}");
    let again = project.run("features", ["load"]);
    if chrono::Utc::now() < from {
        again.exits(0).says("up to date");
    }
}

/// A horizon of a month ends where the next month begins, also after a month of 30 days.
#[test]
fn no_cutoff_is_left_out_after_a_short_month() {
    let project = Project::new();
    let rows: String = (0..2400)
        .map(|row| {
            let (customer, month) = (row * 7 % 41, row % 14);
            let day = 1 + (row * 11 + customer) % 28;
            format!("{customer},{}-{:02}-{day:02},{}\n", 2023 + month / 12, 1 + month % 12, row % 90)
        })
        .collect();
    project
        .write("orders.csv", format!("customer,day,amount\n0,2024-02-29,1\n{rows}"))
        .write(
            "resources/monthly/ingest.yaml",
            "tables:\n  orders:\n    source: {file: {path: orders.csv}}\n    columns: {customer: int64, day: date, amount: float64}\n",
        )
        .write(
            "resources/monthly/features.yaml",
            "table: orders\nentity: customer\ntime: day\ncutoffs: [2023-04-01, 2023-05-01, 2023-06-01]\nlabel: {name: spent, horizon: 1mo, is: \
             {sum: {of: amount}}}\nfeatures:\n  orders: count\n  recent: {sum: {of: amount, window: 1mo}}\n",
        )
        .write(
            "resources/monthly/train.yaml",
            "table: training\nlabel: spent\ntask: regression\nentity: customer\ntime: cutoff\nsplit: {by: time}\nresamples: \
             100\nexperiments: {t: {tree: {depth: 3}}}\n",
        );
    for tool in ["ingest", "features"] {
        project.run(tool, ["monthly"]).exits(0);
    }
    project.run("train", ["monthly"]);
    let parts = project.table("data/models/monthly/v1/parts.parquet");
    let (part, cutoff) = (parts.column("part"), parts.column("cutoff"));
    let is_of = |row: usize| match cutoff[row] {
        "2023-04-01" => "train",
        "2023-05-01" => "valid",
        _ => "test",
    };
    assert_eq!(part.len(), 3 * 41);
    assert!((0..part.len()).all(|row| part[row] == is_of(row)), "{part:?}");
}
