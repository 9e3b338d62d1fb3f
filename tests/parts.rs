//! Stages done in parts by processes (`--engine processes`, ADR 0023) beside the same stages done by one: rows, refused
//! rows, books, checks, summaries and content must be equal, and whatever goes wrong with a part, nothing is published.

use testkit::fuzz::{Round, Rounds};
use testkit::{Project, Random};
use tests::outcome::Published;
use tests::{folder, ingested_shop, shipped, small_churn};

/// Runs a stage here and in parts, and compares. `arguments`: what both get. Whether it was done in parts.
#[track_caller]
fn same(project: &Project, tool: &str, pipeline: &str, partitions: u64) -> bool {
    let here = project.run(tool, [pipeline, "--force"]);
    let count = partitions.to_string();
    let arguments = [pipeline, "--force", "--engine", "processes", "--partitions", &count];
    if here.code != Some(0) {
        // What is wrong with the data is wrong in parts, too.
        let apart = project.run(tool, arguments);
        assert_eq!(apart.code, here.code, "{here}\n{apart}");
        let error = |outcome: &testkit::Outcome| testkit::mask(outcome.stderr.lines().last().unwrap_or_default());
        assert_eq!(error(&apart), error(&here));
        return false;
    }
    let expected = Published::of(project, tool, pipeline);
    let apart = project.run(tool, arguments);
    apart.exits(0);
    Published::of(project, tool, pipeline).assert_same(&expected, &format!("{tool} {pipeline}, {partitions} parts"));
    let left = project.list(&folder(tool, pipeline));
    assert!(left.iter().all(|name| !name.starts_with(".tmp")), "parts are left: {left:?}");
    !apart.stderr.contains("on this machine: all")
}

const INGEST: &str = "\
tables:
  orders: {source: {file: {path: in/*.csv}}, columns: {id: string, customer: string, city: string, amount: string, day: string}}
  customers: {source: {file: {path: customers.csv}}}
";

/// A table with duplicates, empty cells, texts that are not numbers, and a frequent key among others.
fn orders(random: &mut Random, rows: u64) -> String {
    let mut text = "id,customer,city,amount,day\n".to_owned();
    for _ in 0..rows {
        let id = random.below(1 + rows / 2);
        let customer = match random.below(10) {
            0..5 => "busy".to_owned(),
            5 => String::new(),
            other => format!("c{}", other * random.below(5)),
        };
        let city = random.of(&["Ulm", " ulm", "Bonn ", "", "Köln", "KÖLN"]);
        let amount = match random.below(12) {
            0 => "x".to_owned(),
            1 => String::new(),
            2 => "-0.0".to_owned(),
            other => format!("{}.{}", random.below(50) * other, random.below(100)),
        };
        let day = random.of(&["2026-01-01", "2026-02-30", "", "2026-03-05"]);
        text += &format!("{id},{customer},{city},{amount},{day}\n");
    }
    text
}

/// Steps in random order, of those that can be done in parts and those that cannot.
fn steps(random: &mut Random) -> String {
    let first =
        ["- normalize_text: {columns: [city], case: lower, whitespace: collapse}", "- trim: {columns: [customer]}", ""];
    let all = [
        "- fill_null: {columns: [city], with: {value: nowhere}}",
        "- drop_null: {columns: [customer]}",
        "- filter: amount IS NULL OR amount < 400",
        "- derive: {twice: amount * 2, label: \"CONCAT_WS('/', city, customer)\"}",
        "- dedupe: {keys: [id]}",
        "- dedupe: {keys: [id], keep: last}",
        "- dedupe: {keys: [id], keep: last, by: amount}",
        "- dedupe: {keys: [city, customer], nulls: equal}",
        "- dedupe: {keys: [amount], count: copies}",
        "- dedupe",
        "- outliers: {columns: [amount], method: {iqr: {factor: 1}}, group_by: [city], action: drop}",
        "- outliers: {columns: [amount], method: {zscore: {factor: 1}}, group_by: [customer], action: clip}",
        "- clip: {columns: [amount], min: 1}",
        "- mask: {columns: [customer], method: {hash: {key: \"${SALT_KEY}\"}}}",
        "- join: {with: {raw: customers}, on: [customer], columns: [name]}",
        "- rename: {city: town}",
        // Each process numbers categories in its own way.
        "- cast: {columns: {customer: category, city: category}}\n      - dedupe: {keys: [customer, city], keep: last}",
        "- cast: {columns: {customer: category}}\n      - dedupe: {keys: [customer]}",
        "- fill_null: {columns: [amount], with: mean}",
        // Questions to the whole table.
        "- fill_null: {columns: [amount], with: median}",
        "- fill_null: {columns: [amount], with: mode}",
        "- fill_null: {columns: [city, customer], with: mode}",
        "- derive: {whole: \"NULLIF(CAST(id AS BIGINT), 2)\"}\n      - fill_null: {columns: [whole], with: median}",
        "- derive: {whole: \"NULLIF(CAST(id AS BIGINT) % 3 * 2, 2)\"}\n      - fill_null: {columns: [whole], with: mean}",
        "- derive: {truth: amount > 5, on: TRY_CAST(day AS DATE)}\n      - fill_null: {columns: [truth, on], with: mode}",
        "- outliers: {columns: [amount], method: {iqr: {factor: 1}}, action: refuse}",
        "- outliers: {columns: [amount], method: {mad: {factor: 2}}, action: clip}",
        "- outliers: {columns: [amount], method: {zscore: {factor: 1.5}}, action: drop}",
        // Rows compared across the table.
        "- fill_down: {columns: [amount], limit: 2}",
        "- repair: {key: [customer], columns: [city], by: [majority, first]}",
        "- cluster: {columns: [city], method: fingerprint, apply: true}",
        // Other rows.
        "- aggregate: {by: [customer, city], measures: {total: SUM(amount), n: COUNT(*)}}",
        "- aggregate: {by: [amount], nulls: drop, measures: {n: COUNT(*), last: MAX(customer)}}",
        "- aggregate: {by: [customer, id], measures: {city: MIN(city), amount: SUM(amount)}}\n      - cast: {columns: {id: int64}}\n      - filter: id <> 4\n      - cast: {columns: {customer: int64}}",
        "- aggregate: {by: [id], measures: {customer: MIN(customer), amount: SUM(amount)}}\n      - join: {with: {raw: customers}, on: [customer], columns: [name]}\n      - dedupe: {keys: [amount]}",
        "- aggregate: {by: [city], nulls: refuse, measures: {mean: AVG(amount)}}\n      - derive: {more: mean + 1}",
        "- sql: SELECT customer, SUM(amount) AS amount, MIN(city) AS city, MAX(id) AS id FROM this GROUP BY customer",
        "- window: {before: LAG(amount) OVER (PARTITION BY customer ORDER BY id)}",
        "- sql: SELECT * FROM this WHERE amount IS NOT NULL",
    ];
    let mut text = String::new();
    let mut add = |step: &str| {
        if !step.is_empty() {
            text += &format!("      {step}\n")
        }
    };
    add(random.of(&first));
    add(random
        .of(&["- cast: {columns: {amount: float64}}", "- cast: {columns: {amount: float64}, on_failure: \"null\"}"]));
    add(random.of(&["- parse_dates: {columns: [day], formats: [\"%Y-%m-%d\"], to: date}", "", ""]));
    for _ in 0..1 + random.below(4) {
        // The mean of a column, and much else, comes up less often than what can be done.
        let step = random.below(all.len() as u64 + 2) as usize;
        add(all.get(step).unwrap_or(&all[4]));
    }
    text
}

#[test]
fn random_tables_and_steps_give_the_same_in_parts() {
    let (mut done, mut tried) = (0, 0);
    for Round { seed, mut random } in Rounds::of(40) {
        let project = Project::new().with_variable("SALT_KEY", "not-to-be-written-down");
        project.write("resources/shop/ingest.yaml", INGEST);
        project.write("customers.csv", "customer,name\nbusy,Anna\nc5,Bo\nc7,Cy\n");
        for file in 0..1 + random.below(3) {
            let rows = random.of(&[1, 7, 60, 200]);
            project.write(&format!("in/{}.csv", ["m", "a", "z"][file as usize]), orders(&mut random, rows));
        }
        let log = random.of(&["    changes: true\n", "", ""]);
        let check = random.of(&[
            "checks:\n  orders:\n    - not_null: {columns: [city], max_share: 0.9}\n    - row_count: {min: 1, severity: soft}\n",
            "checks:\n  orders:\n    - unique: {columns: [id], severity: soft}\n",
            "",
        ]);
        // A table that is made of the other, whose rows may have lost their places.
        let second = random.of(&[
            "  cities:\n    allow_empty: true\n    from: {clean: orders}\n    steps:\n      - dedupe: {keys: [amount]}\n      - fill_null: {columns: [amount], with: median}\n",
            "  cities:\n    allow_empty: true\n    from: {clean: orders}\n    steps:\n      - aggregate: {by: [amount], measures: {n: COUNT(*)}}\n      - fill_null: {columns: [n], with: mode}\n",
            "",
        ]);
        let clean = format!(
            "max_refused: 1\ntables:\n  orders:\n    allow_empty: true\n{log}    steps:\n{}{second}{check}",
            steps(&mut random)
        );
        project.write("resources/shop/clean.yaml", &clean);
        project.run("ingest", ["shop"]).exits(0);
        let partitions = 1 + random.below(7);
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| same(&project, "clean", "shop", partitions)));
        let was_done = outcome.unwrap_or_else(|_| panic!("seed {seed}, {partitions} parts, with\n{clean}"));
        tried += 1;
        done += u32::from(was_done);
    }
    eprintln!("{done} of {tried} were done in parts");
    assert!(done * 2 > tried, "{done} of {tried} were done in parts");
}

#[test]
fn churn_gives_the_same_in_parts() {
    let project = small_churn();
    project.run("ingest", ["churn"]).exits(0);
    // A check that compares with earlier runs names how many there are.
    let clean = project.read("resources/churn/clean.yaml");
    let clean: Vec<&str> = clean.lines().filter(|line| !line.contains("near_history")).collect();
    project.write("resources/churn/clean.yaml", clean.join("\n"));
    assert!(same(&project, "clean", "churn", 3));
    project.run("features", ["churn"]).exits(0);
    for partitions in [1, 4] {
        assert!(same(&project, "features", "churn", partitions));
    }
    project.run("train", ["churn"]).exits(0);
    project.run("predict", ["churn"]).exits(0);
    let path = |project: &Project| project.latest(&folder("predict", "churn"))[0].clone();
    let scores = |project: &Project| {
        let table = project.table(&path(project));
        let columns = ["customer_id", "cutoff", "score", "decision", "model_version", "reasons"];
        (format!("{:?}", table.select(&columns)), project.evidence(&path(project))["checks"].clone())
    };
    let expected = scores(&project);
    project.run("predict", ["churn", "--force", "--engine", "processes", "--partitions", "3"]).exits(0);
    assert_eq!(scores(&project), expected);
}

#[test]
fn housing_gives_the_same_in_parts() {
    let project = shipped("housing")
        .with_variables([("HOUSING_FROM", "2024-01".to_owned()), ("HOUSING_TO", "2024-12".to_owned())]);
    project.run("ingest", ["housing"]).exits(0);
    let clean = project.read("resources/housing/clean.yaml");
    let clean: Vec<&str> = clean.lines().filter(|line| !line.contains("near_history")).collect();
    project.write("resources/housing/clean.yaml", clean.join("\n"));
    assert!(same(&project, "clean", "housing", 3));
    let features = project.read("resources/housing/features.yaml");
    let (features, _) = features.split_once("checks:").expect("checks compare with earlier runs");
    project.write("resources/housing/features.yaml", features);
    for partitions in [1, 5] {
        assert!(same(&project, "features", "housing", partitions));
    }
}

const ROWS_INGEST: &str = "\
tables:
  sales:
    source: {file: {path: in/*.csv}}
    columns: {id: string, shop: string, product: string, qty: string, price: string, paid: string, lat: string, lon: string, on: string}
  offers: {source: {file: {path: offers.csv}}, columns: {shop: string, product: string, price: string, on: string}}
  shops: {source: {file: {path: shops.csv}}, columns: {shop: string, size: string, region: string, lat: string, lon: string}}
  prices: {source: {file: {path: prices.csv}}, columns: {id: string, price: string, changed: string}}
";

const ROWS_CLEAN: &str = "\
max_refused: 1
tables:
  sales:
    steps:
      - cast: {columns: {id: int64, qty: int32, price: float64, paid: float64, lat: float64, lon: float64}, on_failure: \"null\"}
      - parse_dates: {columns: [on], formats: [\"%Y-%m-%d\"], to: date}
  offers:
    steps:
      - cast: {columns: {price: float64}}
      - parse_dates: {columns: [on], formats: [\"%Y-%m-%d\"], to: date}
  shops:
    steps:
      - cast: {columns: {size: int64, lat: float64, lon: float64}}
  prices:
    steps:
      - cast: {columns: {id: int64, price: float64}}
      - parse_dates: {columns: [changed], formats: [\"%Y-%m-%d\"], to: date}
";

/// Sales with empty cells, days in no order, and one shop that is frequent; and the other tables.
fn sales(project: &Project, random: &mut Random) {
    let day = |random: &mut Random| format!("2024-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28));
    let mut id = 0;
    for file in 0..1 + random.below(3) {
        let mut text = "id,shop,product,qty,price,paid,lat,lon,on\n".to_owned();
        for _ in 0..random.of(&[1, 30, 150]) {
            id += 1;
            let shop = random.of(&["busy", "busy", "busy", "a", "b", ""]);
            let product = format!("p{}", random.below(4));
            let price = match random.below(8) {
                0 => String::new(),
                _ => format!("{}.{}", random.below(90), random.below(100)),
            };
            let paid = random.below(5);
            let on = if random.below(20) == 0 { String::new() } else { day(random) };
            let (lat, lon) = (random.below(10), random.below(10));
            text += &format!("{id},{shop},{product},{},{price},{paid}.5,{lat},{lon},{on}\n", random.below(5));
        }
        project.write(&format!("in/{}.csv", ["m", "a", "z"][file as usize]), text);
    }
    let mut offers = "shop,product,price,on\n".to_owned();
    let mut prices = "id,price,changed\n".to_owned();
    for _ in 0..40 {
        let (shop, product) = (random.of(&["busy", "a", "c"]), random.below(5));
        offers += &format!("{shop},p{product},{}.25,{}\n", random.below(50), day(random));
        prices += &format!("{},{}.75,{}\n", 1 + random.below(id), random.below(50), day(random));
    }
    project.write("offers.csv", offers);
    project.write("prices.csv", prices);
    project.write("shops.csv", "shop,size,region,lat,lon\nbusy,5,north,1,1\na,7,south,2,8\nb,5,north,9,3\n");
}

/// Features of rows in random order: aggregates by several groupings, by columns and by features, of the table and of others.
fn row_features(random: &mut Random) -> String {
    let header = random.of(&["", "key: id\n", "key: id\nknown_late: {qty: 20d}\n"]);
    let header = match random.below(4) {
        0 => "known_late: {price: {of: prices, on: [id], time: changed}}\n",
        _ => header,
    };
    let late_price = header.contains("prices");
    let label = match random.below(3) {
        0 => "{name: y, is: {sql: paid}, delay: 10d}",
        _ => "{name: y, is: {sql: paid}}",
    };
    let score = random.of(&["", "score: {from: 2024-10-01}\n", "score: {where: id > 20}\n"]);
    let examples = random.of(&["{}", "{where: id <> 3}"]);
    let all = [
        "region: {lookup: {of: shops, on: shop, take: region}}",
        "size: {lookup: {of: shops, on: shop, take: size}}",
        "near: {nearest: {of: shops, at: [lat, lon]}}",
        "around: {count_within: {of: shops, at: [lat, lon], radius: 300km}}",
        "month: {sql: EXTRACT(MONTH FROM on)}",
        "shop: {sql: shop}",
        "lat: {sql: lat}",
        "label_mean: {mean: {of: paid, by: shop}}",
        "spent: {sum: {of: price * qty, by: shop, window: 90d}}",
        "median: {median: {of: price, by: product, window: 200d, lag: 5d}}",
        "spread: {std: {of: price, by: [shop, product]}}",
        "kinds: {distinct: {of: product, by: shop}}",
        "count: {count: {by: product, where: price > 20}}",
        "share: {share: {by: shop, where: price > 20}}",
        "since: {recency: {by: [product, shop]}}",
        "gap: {mean_gap: {by: product}}",
        "last: {last: {of: price, by: shop}}",
        "by_month: {max: {of: price, by: month}}",
        "by_region: {min: {of: price, by: region, window: 180d}}",
        "by_price: {count: {by: [lat]}}",
        "month_sizes: {sum: {of: size, by: [product, month]}}",
        "offered: {mean: {of: price, from: offers, by: [shop, product]}}",
        "offers: {count: {from: offers, time: on, by: product, window: 60d}}",
        "rate: {sql: spent / offered}",
    ];
    let mut chosen: Vec<&str> = Vec::new();
    for feature in all {
        // What others read comes first, and more often.
        let often = feature.starts_with("region") || feature.starts_with("size") || feature.starts_with("month:");
        if random.below(3) == 0 || often && random.below(3) > 0 {
            let name = feature.split(':').next().unwrap_or_default();
            let needs = |other: &str| chosen.iter().any(|feature| feature.starts_with(&format!("{other}: ")));
            let is_ready = match name {
                "by_month" => needs("month"),
                "by_region" => needs("region"),
                "month_sizes" => needs("month") && needs("size"),
                "rate" => needs("spent") && needs("offered"),
                "lat" | "shop" => random.below(3) == 0,
                _ => true,
            };
            if is_ready {
                chosen.push(feature);
            }
        }
    }
    if chosen.is_empty() {
        chosen.push(all[8]);
    }
    // A feature that is its column stands anywhere.
    if let Some(at) = chosen.iter().position(|feature| feature.starts_with("lat: ")) {
        let lat = chosen.remove(at);
        chosen.insert(random.below(chosen.len() as u64 + 1) as usize, lat);
    }
    let features: String = chosen
        .iter()
        .filter(|feature| !(late_price && feature.contains("rows")))
        .map(|feature| format!("  {feature}\n"))
        .collect();
    format!("table: sales\ntime: on\n{header}rows: {examples}\nlabel: {label}\n{score}features:\n{features}")
}

#[test]
fn random_features_of_rows_give_the_same_in_parts() {
    let (mut done, mut tried) = (0, 0);
    for Round { seed, mut random } in Rounds::of(30) {
        let project = Project::new();
        project.write("resources/shop/ingest.yaml", ROWS_INGEST);
        // Rows without a place of their own are numbered.
        let clean = match random.below(3) {
            0 => ROWS_CLEAN.replace("  offers:\n", "      - sql: SELECT id, shop, product, qty, price, paid, lat, lon, \\\"on\\\" FROM this\n  offers:\n").replace("\\\"", "\""),
            _ => ROWS_CLEAN.to_owned(),
        };
        project.write("resources/shop/clean.yaml", &clean);
        sales(&project, &mut random);
        let features = row_features(&mut random);
        project.write("resources/shop/features.yaml", &features);
        project.run("ingest", ["shop"]).exits(0);
        project.run("clean", ["shop"]).exits(0);
        let partitions = 1 + random.below(6);
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| same(&project, "features", "shop", partitions)));
        let was_done = outcome.unwrap_or_else(|_| panic!("seed {seed}, {partitions} parts, with\n{features}"));
        tried += 1;
        done += u32::from(was_done);
    }
    eprintln!("{done} of {tried} were done in parts");
    assert!(done * 3 > tried * 2, "{done} of {tried} were done in parts");
}

#[test]
fn what_is_not_done_in_parts_is_done_on_the_driver_which_says_so() {
    for (steps, what) in [
        (
            "- trim\n      - fill_down: {columns: [customer]}",
            "the steps from there on, for step 2 'fill_down' compares rows across the whole table",
        ),
        (
            "- dedupe: {keys: [id]}\n      - trim\n      - dedupe: {keys: [customer]}",
            "the steps from there on, for step 3 'dedupe' compares rows by other columns than step 1 'dedupe'",
        ),
        (
            "- aggregate: {measures: {n: COUNT(*)}}",
            "all steps, for step 1 'aggregate' makes other rows from the whole table",
        ),
        (
            "- aggregate: {by: [customer], measures: {n: COUNT(*)}}\n      - filter: n > 0\n      - dedupe: {keys: [n]}",
            "the steps from there on, for step 3 'dedupe' comes behind step 1 'aggregate', which leaves rows without '_file' and '_row'",
        ),
    ] {
        let project = ingested_shop(&format!("tables:\n  orders:\n    steps:\n      {steps}\n"));
        let engine = ["shop", "--force", "--engine", "processes"];
        project.run("clean", engine).exits(0).says(&format!("clean shop: orders: on this machine: {what}"));
        assert_eq!(same(&project, "clean", "shop", 2), !what.starts_with("all"));
    }
    // What is made of whole columns, and of groups, is nothing to speak of.
    for step in ["fill_null: {columns: [customer], with: mode}", "aggregate: {by: [customer], measures: {n: COUNT(*)}}"]
    {
        let project = ingested_shop(&format!("tables:\n  orders:\n    steps:\n      - {step}\n"));
        let outcome = project.run("clean", ["shop", "--engine", "processes"]);
        outcome.exits(0);
        assert!(!outcome.stderr.contains("on this machine"), "{outcome}");
    }
}

#[test]
fn other_tools_say_why_they_stay_here() {
    let project = ingested_shop(tests::SHOP_CLEAN);
    project.run("ingest", ["shop", "--engine", "spark"]).exits(2).says(
        "'ingest' does not take --engine: it reads a source in one piece; run it on this machine: without --engine",
    );
    // The variable is for those that can.
    let project = project.with_variable("MILLRACE_ENGINE", "processes");
    project.run("ingest", ["shop", "--force"]).exits(0);
    project.run("clean", ["shop"]).exits(0);
    let train =
        "table: orders\nlabel: amount\ntask: regression\nentity: id\nsplit: {by: random}\nexperiments: {one: tree}\n";
    project.write("resources/shop/train.yaml", train);
    project.run("train", ["shop", "--engine", "spark"]).exits(2).says(
        "'train' does not take --engine: a model is learned from all rows at once; run it on this machine: without --engine",
    );
    let project = project.with_variable("MILLRACE_ENGINE", "flink");
    project
        .run("clean", ["shop"])
        .exits(2)
        .says("MILLRACE_ENGINE: 'flink' is not an engine; choose one of: local, processes, spark");
}

#[test]
fn refused_data_ends_the_run_as_on_one_machine() {
    let clean = "tables:\n  orders:\n    steps:\n      - derive: {left: 10 / amount}\n";
    let project = ingested_shop(
        "tables:\n  orders:\n    steps:\n      - derive: {big: CAST(id * 9223372036854775807 AS int64)}\n",
    );
    let here = project.run("clean", ["shop"]);
    let apart = project.run("clean", ["shop", "--engine", "processes", "--partitions", "2"]);
    assert_ne!(here.code, Some(0));
    assert_eq!(apart.code, here.code, "{here}\n{apart}");
    let project = ingested_shop(&format!("{clean}checks:\n  orders:\n    - not_null: {{columns: [left]}}\n"));
    let here = project.run("clean", ["shop"]);
    let apart = project.run("clean", ["shop", "--engine", "processes", "--partitions", "2"]);
    let told = |outcome: &testkit::Outcome| testkit::mask(&outcome.stderr);
    assert_eq!((apart.code, told(&apart)), (here.code, told(&here)));
    assert!(!project.exists("data/processed/shop/clean/latest"));
}
