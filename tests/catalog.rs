//! `catalog`: what there is, where it came from, whether it still holds.

use serde_json::Value;
use testkit::{Outcome, Project};
use tests::{people_pipeline, run_all, shop};

fn json(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.exits(0).bytes).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

/// One object per line.
fn lines(outcome: &Outcome) -> Vec<Value> {
    outcome.exits(0);
    outcome.stdout().iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

/// The shop with descriptions and a customer per order.
fn described() -> Project {
    let project = shop();
    project.write(
        "resources/shop/clean.yaml",
        "tables:\n  orders:\n    steps:\n      - trim: {columns: [customer]}\n      - filter: amount > 0\n      - derive: \
         {gross: amount * 1.2}\ndescribe:\n  orders:\n    description: one row per paid order\n    owner: \
         shop@example.com\n    tags: [finance]\n    columns:\n      amount: in euros\n      customer: {description: who \
         paid, tags: [personal]}\nchecks:\n  orders:\n    - row_count: {min: 1}\n",
    );
    project
}

#[test]
fn an_empty_project_has_an_empty_catalog() {
    let project = Project::new();
    let outcome = project.run::<&str>("catalog", []);
    outcome.exits(0).says("no stage has published anything yet");
    assert!(outcome.stdout().is_empty());
    project
        .run("catalog", ["show", "orders"])
        .exits(2)
        .says("no table 'orders'; no stage has published anything here yet");
    project.run("catalog", ["verify"]).exits(0);
    project.run("catalog", ["docs"]).exits(0);
}

#[test]
fn tables_are_listed_shown_and_found_by_what_is_said_of_them() {
    let project = described();
    let ingest = format!("{}describe:\n  orders:\n    columns: {{day: of the order}}\n", tests::SHOP_INGEST);
    project.write("resources/shop/ingest.yaml", ingest);
    run_all(&project, "shop");
    let all = lines(&project.run("catalog", ["--json"]));
    let names: Vec<&str> = all.iter().filter_map(|table| table["table"].as_str()).collect();
    assert_eq!(names, ["shop.raw.orders", "shop.clean.orders"]);
    assert_eq!((all[0]["rows"].as_u64(), all[1]["rows"].as_u64()), (Some(4), Some(3)));
    assert_eq!(all[1]["owner"], "shop@example.com");
    assert_eq!(all[1]["verdict"], "passed");
    for filter in [["--tag", "personal"], ["--owner", "shop@example.com"], ["--layer", "clean"], ["--find", "PAID"]] {
        let found = lines(&project.run("catalog", [&filter[..], &["--json"]].concat()));
        assert_eq!(found.len(), 1, "{filter:?}");
        assert_eq!(found[0]["table"], "shop.clean.orders", "{filter:?}");
    }
    project.run("catalog", ["--pipeline", "shopp"]).exits(2).says("no table of pipeline 'shopp'; did you mean 'shop'?");
    let text = project.run::<&str>("catalog", []);
    assert!(text.stdout()[0].starts_with("pipeline  layer  table   rows"), "{text}");

    let shown = json(&project.run("catalog", ["show", "orders", "--json"]));
    assert_eq!(shown["table"], "shop.clean.orders");
    assert_eq!(shown["described"]["columns"]["amount"]["description"], "in euros");
    let amount = shown["columns"].as_array().unwrap().iter().find(|column| column["name"] == "amount").unwrap();
    assert_eq!(
        (amount["count"].as_u64(), amount["min"].as_f64(), amount["max"].as_f64()),
        (Some(3), Some(7.25), Some(20.0))
    );
    let day = shown["columns"].as_array().unwrap().iter().find(|column| column["name"] == "day").unwrap();
    assert_eq!(day["description"], "of the order", "it is the column of raw.orders");
    assert_eq!(shown["schema"]["version"], 1);
    // It is tagged as personal: no value of it is shown.
    assert!(!shown.to_string().contains("bob"), "{shown}");
    let text = project.run("catalog", ["show", "shop.clean.orders"]);
    let text = text.exits(0).stdout().join("\n");
    for part in
        ["one row per paid order", "2026-01-01", "2026-01-04", "in euros", "row_count", "1 dropped by step 2 'filter'"]
    {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    project.run("catalog", ["show", "ordes"]).exits(2).says("no table 'ordes'; did you mean 'orders'?");
}

#[test]
fn personal_values_are_shown_in_no_later_layer_and_by_no_check() {
    let project = shop();
    let tagged = "describe:\n  orders:\n    columns: {customer: {tags: [personal]}, day: {tags: [personal]}}\n";
    project.write("resources/shop/ingest.yaml", format!("{}{tagged}", tests::SHOP_INGEST));
    let spec = |tags: &str| {
        format!(
            "tables: {{orders: {{steps: []}}}}\ndescribe: {{orders: {{columns: {{customer: {{description: who paid{tags}}}}}}}}}\n\
             checks:\n  orders:\n    - accepted_values: {{column: customer, values: [ann], severity: soft}}\n    \
             - table: {{sql: \"MAX(day) > DATE '2020-01-01'\"}}\n"
        )
    };
    project.write("resources/shop/clean.yaml", spec(""));
    run_all(&project, "shop");
    for hides in [true, false] {
        if !hides {
            project.write("resources/shop/clean.yaml", spec(", tags: [masked]"));
            project.run("clean", ["shop"]).exits(0);
        }
        let shown = json(&project.run("catalog", ["show", "orders", "--json"]));
        let customer = shown["columns"].as_array().unwrap().iter().find(|column| column["name"] == "customer").unwrap();
        assert_eq!(customer["min"].is_null(), hides, "{shown}");
        let found: Vec<&str> = shown["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["results"][0][1]["found"].as_str().unwrap())
            .collect();
        assert_eq!(found[0].contains("; first: customer = "), !hides, "{found:?}");
        assert!(found[0].contains(" of 4 rows"), "{found:?}");
        assert_eq!(found[1], "not shown: 'day' is tagged as personal");
        project.run("catalog", ["docs"]).exits(0);
    }
}

#[test]
fn a_description_of_nothing_is_refused_with_its_place() {
    let project = described();
    project.run("ingest", ["shop"]).exits(0);
    let spec = project.read("resources/shop/clean.yaml");
    project.write("resources/shop/clean.yaml", spec.replace("amount: in euros", "amonut: in euros"));
    project.run("clean", ["shop"]).exits(2).says(
        "resources/shop/clean.yaml:13:7: describe: table 'orders' has no column 'amonut'; did you mean 'amount'?",
    );
    project.write("resources/shop/clean.yaml", spec.replace("describe:\n  orders:", "describe:\n  order:"));
    project.run("clean", ["shop"]).exits(2).says("describe: clean publishes no table 'order'; did you mean 'orders'?");
}

#[test]
fn lineage_is_by_table_and_by_column() {
    let project = described();
    run_all(&project, "shop");
    let lineage = json(&project.run("catalog", ["lineage", "clean.orders", "--json"]));
    assert_eq!(texts(&lineage["columns"]["gross"]), ["shop.raw.orders.amount"]);
    assert_eq!(texts(&lineage["columns"]["customer"]), ["shop.raw.orders.customer"]);
    assert_eq!(texts(&lineage["rows"]), ["shop.raw.orders.amount"]);
    let edges: Vec<(&str, &str)> = lineage["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["from"].as_str().unwrap(), e["to"].as_str().unwrap()))
        .collect();
    assert_eq!(edges, [("orders.csv", "shop.raw.orders"), ("shop.raw.orders", "shop.clean.orders")]);
    let text = project.run("catalog", ["lineage", "raw.orders.amount"]);
    assert!(text.exits(0).stdout().contains(&"  shop.clean.orders.gross".to_owned()), "{text}");

    let impact = json(&project.run("catalog", ["impact", "raw.orders.amount", "--json"]));
    assert_eq!(texts(&impact["affected"][0]["columns"]), ["amount", "gross"]);
    assert_eq!(impact["affected"][0]["rows"], true);
    let impact = json(&project.run("catalog", ["impact", "raw.orders.day", "--json"]));
    assert_eq!(
        (texts(&impact["affected"][0]["columns"]), &impact["affected"][0]["rows"]),
        (vec!["day"], &Value::Bool(false))
    );
    project.run("catalog", ["impact", "raw.orders.prise"]).exits(2).says("table shop.raw.orders has no column 'prise'");
    project.run("catalog", ["impact", "orders"]).exits(2).says("'orders' names no column; write TABLE.COLUMN");
}

#[test]
fn a_prediction_is_traced_to_the_line_that_somebody_typed() {
    let project = people_pipeline();
    project
        .write("resources/p/clean.yaml", "tables:\n  people:\n    steps:\n      - clip: {columns: [age], max: 40}\n");
    run_all(&project, "p");
    let typed = project.read("people.csv").lines().find(|line| line.starts_with("420,")).unwrap().to_owned();
    let traced = json(&project.run("catalog", ["trace", "p", "scores", "id=420", "--json"]));
    assert_eq!((traced["table"].as_str(), traced["total"].as_u64()), (Some("p.predict.scores"), Some(1)));
    let features = &traced["rows"][0]["behind"][0];
    assert_eq!(features["table"], "p.features.scoring");
    let clean = &features["rows"][0]["behind"][0];
    assert_eq!(clean["table"], "p.clean.people");
    let age: u64 = typed.split(',').nth(2).unwrap().parse().unwrap();
    let changes = &clean["rows"][0]["changes"];
    if age > 40 {
        assert_eq!(changes[0]["before"], age.to_string());
        assert_eq!((changes[0]["after"].as_str(), changes[0]["column"].as_str()), (Some("40"), Some("age")));
        assert!(changes[0]["by"].as_str().unwrap().starts_with("clip"), "{changes}");
    }
    let raw = &clean["rows"][0]["behind"][0];
    assert_eq!(raw["table"], "p.raw.people");
    assert_eq!(raw["rows"][0]["original"]["text"], typed);
    assert_eq!(raw["rows"][0]["original"]["file"], "people.csv");
    // The header is the first line.
    assert_eq!(raw["rows"][0]["original"]["row"], 422);
    let notes = traced["notes"].to_string();
    assert!(notes.contains("by model data/models/p/v1, which learned from"), "{notes}");

    // What was read is not what is there now: then nothing is shown as if it were.
    project.write("people.csv", "id\n");
    let traced = json(&project.run("catalog", ["trace", "p", "clean.people", "id=420", "--json"]));
    let original = &traced["rows"][0]["behind"][0]["rows"][0]["original"];
    assert_eq!(original["missing"], "the file has changed since it was read");
    std::fs::remove_file(project.at("people.csv")).unwrap();
    let traced = json(&project.run("catalog", ["trace", "p", "clean.people", "id=420", "--json"]));
    let original = &traced["rows"][0]["behind"][0]["rows"][0]["original"];
    assert_eq!(original["missing"], "the file no longer exists");

    for (wanted, why) in [
        ("id=x", "id=x: column 'id' is int64, and 'x' is not a whole number"),
        ("id=9999", "p.predict.scores: no row with id=9999"),
        ("idd=1", "p.predict.scores: no column 'idd'; did you mean 'id'?"),
        ("id", "'id' is not COLUMN=VALUE"),
    ] {
        project.run("catalog", ["trace", "p", "scores", wanted]).exits(2).says(why);
    }
}

#[test]
fn many_rows_behind_an_entity_are_counted_and_some_are_shown() {
    let project = shop();
    let mut orders = "id,customer,day,amount\n".to_owned();
    for id in 0..60 {
        let customer = ["ann", "bob", " cy "][id % 3];
        orders += &format!("{id},{customer},2026-0{}-{:02},{}\n", 1 + id / 20, 1 + id % 28, 1 + id);
    }
    project.write("orders.csv", &orders).write(
        "resources/shop/features.yaml",
        "table: orders\nentity: customer\ntime: day\ncutoffs: [2026-03-01]\nlabel: {name: gone, horizon: 10d, is: \
         no_rows}\nfeatures:\n  spent: {sum: {of: amount}}\n  orders: count\n",
    );
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["shop"]).exits(0);
    }
    let traced = json(&project.run("catalog", ["trace", "shop", "training", "customer=cy", "--rows", "2", "--json"]));
    let behind = &traced["rows"][0]["behind"][0];
    assert_eq!(behind["table"], "shop.clean.orders");
    // What came later than the cutoff is not behind the row.
    let of_cy = |line: &&str| line.contains(" cy ") && line.split(',').nth(2).unwrap() < "2026-03-01";
    let typed: Vec<&str> = orders.lines().skip(1).filter(of_cy).collect();
    assert_eq!(behind["total"].as_u64(), Some(typed.len() as u64), "{behind}");
    assert_eq!(behind["rows"].as_array().unwrap().len(), 2);
    let first = &behind["rows"][0];
    assert_eq!(first["behind"][0]["rows"][0]["original"]["text"], typed[0]);
    let change = &first["changes"][0];
    assert_eq!((change["before"].as_str(), change["after"].as_str()), (Some(" cy "), Some("cy")));
}

#[test]
fn tables_sheets_and_databases_are_originals_as_far_as_they_can_be() {
    let project = shop();
    project.run("ingest", ["shop"]).exits(0);
    let raw = project.latest("data/raw/shop").remove(0);
    std::fs::copy(project.at(&raw), project.at("orders.parquet")).unwrap();
    for (format, file) in [("excel", "orders.xlsx"), ("sqlite", "orders.db")] {
        let more = if format == "sqlite" { "\nsqlite: {path: orders.db, table: orders}" } else { "" };
        project.write("resources/shop/export.yaml", format!("table: orders\nfrom: ingest\nformat: {format}{more}\n"));
        let written = project.run("export", ["shop"]).path();
        if format == "excel" {
            std::fs::copy(project.at(&written), project.at(file)).unwrap();
        }
    }
    project.write(
        "resources/other/ingest.yaml",
        "tables:\n  table: {source: {file: {path: orders.parquet}}}\n  sheet: {source: {file: {path: orders.xlsx, sheet: \
         1}}}\n  base: {source: {sqlite: {path: orders.db, query: SELECT * FROM orders}}}\n",
    );
    project.run("ingest", ["other"]).exits(0);
    let original = |table: &str| {
        let traced = json(&project.run("catalog", ["trace", "other", table, "id=2", "--json"]));
        traced["rows"][0]["original"].clone()
    };
    let row =
        |table: &str| original(table)["text"].as_str().unwrap_or_else(|| panic!("{}", original(table))).to_owned();
    assert!(
        row("table").starts_with("id=2, customer= bob , day=2026-01-02, amount=20, _file=orders.csv"),
        "{}",
        row("table")
    );
    assert_eq!(row("sheet"), "2 |  bob  | 2026-01-02 | 20");
    assert_eq!(
        original("base")["missing"],
        "a database, whose rows have no numbers: look there for the key of the raw row"
    );
}

#[test]
fn a_row_is_traced_through_joins_and_aggregates() {
    let project = shop();
    project
        .write("customers.csv", "name,city\nann,Rome\nbob,Oslo\n")
        .write(
            "resources/shop/ingest.yaml",
            format!("{}  customers: {{source: {{file: {{path: customers.csv}}}}}}\n", tests::SHOP_INGEST),
        )
        .write(
            "resources/shop/clean.yaml",
            "tables:\n  orders:\n    steps: [{trim: {columns: [customer]}}]\n  customers: {}\n  cities:\n    layer: gold\n    \
             from: {clean: orders}\n    steps:\n      - join: {with: customers, on: {customer: name}}\n      - aggregate: \
             {by: [customer, city], measures: {spent: SUM(amount)}}\n",
        );
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0);
    }
    let gold = lines(&project.run("catalog", ["--layer", "gold", "--json"]));
    assert_eq!((gold.len(), gold[0]["table"].as_str()), (1, Some("shop.clean.cities")));
    let lineage = json(&project.run("catalog", ["lineage", "cities", "--json"]));
    assert_eq!(texts(&lineage["columns"]["spent"]), ["shop.clean.orders.amount"]);
    assert!(texts(&lineage["columns"]["city"]).contains(&"shop.clean.customers.city"), "{lineage}");
    let impact = json(&project.run("catalog", ["impact", "raw.customers.city", "--json"]));
    let affected: Vec<&str> =
        impact["affected"].as_array().unwrap().iter().filter_map(|a| a["table"].as_str()).collect();
    assert_eq!(affected, ["shop.clean.cities", "shop.clean.customers"]);

    let traced = json(&project.run("catalog", ["trace", "shop", "cities", "customer=ann", "--json"]));
    let behind = traced["rows"][0]["behind"].as_array().unwrap();
    let of = |table: &str| behind.iter().find(|traced| traced["table"] == table).unwrap_or_else(|| panic!("{traced}"));
    // Orders 1 and 3, each with its line; and the one line of the customer.
    let orders = of("shop.clean.orders");
    assert_eq!(orders["total"].as_u64(), Some(2), "{traced}");
    let typed = |row: &Value| row["behind"][0]["rows"][0]["original"]["text"].as_str().unwrap().to_owned();
    let typed: Vec<String> = orders["rows"].as_array().unwrap().iter().map(typed).collect();
    assert_eq!(typed, ["1,ann,2026-01-01,10.5", "3,ann,2026-01-03,0"]);
    let customers = of("shop.clean.customers");
    assert_eq!(customers["total"].as_u64(), Some(1));
    assert_eq!(customers["rows"][0]["behind"][0]["rows"][0]["original"]["text"], "ann,Rome");
}

#[test]
fn rows_of_one_origin_are_told_apart() {
    let project = shop();
    project
        .write("orders.csv", "id,customer,day,amount\n1,ann,2026-01-01,10\n2,ann,2026-01-02,20\n3,bob,2026-01-03,5\n");
    // Each order stands once for each order of its customer; `one` keeps some of these rows, and `days` has rows of no line.
    let clean = "tables:\n  orders: {}\n  pairs:\n    from: {clean: orders}\n    steps:\n      - join: {with: {raw: orders}, on: customer, \
                 expect: many, columns: {id: other}}\n  one:\n    from: {clean: pairs}\n    steps:\n      - filter: id = other\n  \
                 customers:\n    from: {clean: orders}\n    steps:\n      - aggregate: {by: [customer], measures: {n: COUNT(*)}}\n  \
                 few:\n    from: {clean: customers}\n    steps:\n      - filter: n < 2\n";
    project.write("resources/shop/clean.yaml", clean);
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0);
    }
    let traced = json(&project.run("catalog", ["trace", "shop", "one", "id=2", "--json"]));
    let pairs = &traced["rows"][0]["behind"][0];
    assert_eq!((&pairs["table"], &pairs["total"]), (&Value::from("shop.clean.pairs"), &Value::from(1)), "{traced}");
    assert_eq!(pairs["by"], "by running the steps again");
    let traced = json(&project.run("catalog", ["trace", "shop", "few", "customer=bob", "--json"]));
    let customers = &traced["rows"][0]["behind"][0];
    assert_eq!(
        customers["rows"][0]["behind"][0]["rows"][0]["behind"][0]["rows"][0]["original"]["text"], "3,bob,2026-01-03,5",
        "{traced}"
    );
}

#[test]
fn rows_that_a_step_removed_are_not_behind_a_row() {
    let project = shop();
    project.write("orders.csv", "id,customer,day,amount\n1,ann,2026-01-01,10\n2,ann,2026-01-02,20\n2,ann,2026-01-02,20\n3,bob,2026-01-03,5\n4,ann,2026-01-04,-1\n");
    let clean = "tables:\n  orders: {}\n  spent:\n    from: {clean: orders}\n    steps:\n      - dedupe: {keys: [id]}\n      - filter: \
                 amount > 0\n      - aggregate: {by: [customer], measures: {n: COUNT(*), sum: SUM(amount)}}\n  buyers:\n    from: \
                 {clean: spent}\n    steps:\n      - aggregate: {measures: {n: SUM(n)}}\n";
    project.write("resources/shop/clean.yaml", clean);
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0);
    }
    let typed = |traced: &Value| -> Vec<String> {
        let of = |row: &Value| row["behind"][0]["rows"][0]["original"]["text"].as_str().unwrap().to_owned();
        traced["rows"].as_array().unwrap().iter().map(of).collect()
    };
    let traced = json(&project.run("catalog", ["trace", "shop", "spent", "customer=ann", "--json"]));
    let behind = &traced["rows"][0]["behind"];
    // Neither the duplicate nor what the filter dropped.
    assert_eq!((behind.as_array().unwrap().len(), behind[0]["total"].as_u64()), (1, Some(2)), "{traced}");
    assert_eq!(typed(&behind[0]), ["1,ann,2026-01-01,10", "2,ann,2026-01-02,20"]);
    assert_eq!(behind[0]["by"], "by running the steps again");
    assert!(traced["notes"].is_null(), "{traced}");
    // A total has no key, and is still traced.
    let traced = json(&project.run("catalog", ["trace", "shop", "buyers", "n=3", "--json"]));
    let spent = &traced["rows"][0]["behind"][0];
    assert_eq!((spent["table"].as_str(), spent["total"].as_u64()), (Some("shop.clean.spent"), Some(2)), "{traced}");
    assert_eq!(typed(&spent["rows"][1]["behind"][0]), ["3,bob,2026-01-03,5"]);
    // If the steps have changed, rows are found by their keys, and some of them may not be behind the row.
    project.write("resources/shop/clean.yaml", clean.replace("amount > 0", "amount > 10"));
    let traced = json(&project.run("catalog", ["trace", "shop", "spent", "customer=ann", "--json"]));
    assert_eq!(traced["rows"][0]["behind"][0]["total"].as_u64(), Some(4), "{traced}");
    assert_eq!(
        traced["notes"][0],
        "shop.clean.orders: rows by customer are shown, of which some may not be behind the row: clean.yaml has changed since it \
         was made"
    );
}

#[test]
fn changed_columns_are_recorded_or_refused_as_the_contract_says() {
    let columns = |more: &str| format!("tables:\n  orders:\n    source: {{file: {{path: orders.csv}}}}\n{more}");
    let project = shop();
    project
        .write("resources/shop/ingest.yaml", columns(""))
        .write("resources/shop/clean.yaml", "tables: {orders: {}}\n");
    project.run("ingest", ["shop"]).exits(0).never_says("its columns");
    let retyped = tests::ORDERS.replace("10.5", "x").replace("id,", "number,");
    project.write("orders.csv", &retyped);
    let words = "table 'orders': its columns are not those of the last run: 'number' is new (int64); 'amount' is string, was \
                 float64; 'id' is gone (was int64)";
    let path = project.run("ingest", ["shop"]).says(&format!("warning: ingest shop: {words}")).path();
    let schema = &project.evidence(&path)["schema"];
    assert_eq!((schema["version"].as_u64(), schema["changes"][0]["what"].as_array().unwrap().len()), (Some(2), 3));
    // The history outlives the artifacts in which it happened.
    project.write("orders.csv", retyped.replace("\n1,", "\n100,"));
    let path = project.run("ingest", ["shop"]).path();
    assert_eq!(project.evidence(&path)["schema"]["version"], 2);

    project.write("resources/shop/ingest.yaml", columns("    schema: refuse\n"));
    let stands = project.run("ingest", ["shop"]).path();
    project.write("orders.csv", tests::ORDERS);
    let refused = project.run("ingest", ["shop"]);
    refused
        .exits(1)
        .says("its columns are not those of the last run")
        .says("--accept-schema (ingest.yaml says `schema: refuse`)");
    assert_eq!(project.latest("data/raw/shop"), [stands]);
    project.run("ingest", ["shop", "--accept-schema"]).exits(0);
    project.run("ingest", ["shop"]).exits(0).says("up to date");

    project.write("resources/shop/ingest.yaml", columns("    schema: refuse_columns\n"));
    project.write("orders.csv", tests::ORDERS.replace("10.5", "x"));
    project.run("ingest", ["shop"]).exits(0).says("warning: ingest shop: table 'orders': its columns");
    project.write("orders.csv", tests::ORDERS.replace("id,", "number,"));
    project.run("ingest", ["shop"]).exits(1).says("'number' is new (int64)");
}

#[test]
fn events_say_which_columns_come_from_which() {
    let project = described();
    run_all(&project, "shop");
    let events = lines(&project.run("catalog", ["events", "shop"]));
    assert_eq!(events.len(), 2);
    let event = &events[1];
    assert_eq!((event["eventType"].as_str(), event["job"]["name"].as_str()), (Some("COMPLETE"), Some("shop.clean")));
    let output = &event["outputs"][0];
    assert_eq!(output["facets"]["documentation"]["description"], "one row per paid order");
    let gross = &output["facets"]["columnLineage"]["fields"]["gross"]["inputFields"][0];
    assert_eq!(
        (gross["name"].as_str(), gross["field"].as_str()),
        (event["inputs"][0]["name"].as_str(), Some("amount"))
    );
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 3);
    for facet in output["facets"].as_object().unwrap().values() {
        assert!(facet["_producer"].is_string() && facet["_schemaURL"].is_string(), "{facet}");
    }
}

#[test]
fn the_site_is_plain_files_that_ask_nobody() {
    let project = people_pipeline();
    let spec = project.read("resources/p/clean.yaml");
    project.write(
        "resources/p/clean.yaml",
        spec + "describe:\n  people:\n    description: \"</title><script>alert(1)</script>\"\n    columns: {age: \"<b>\"}\n",
    );
    run_all(&project, "p");
    let index = project.run("catalog", ["docs"]).path();
    assert_eq!(index, "data/catalog/index.html");
    let mut pages = vec![];
    for (folder, name) in project
        .list("data/catalog")
        .iter()
        .map(|name| ("data/catalog", name.clone()))
        .chain(project.list("data/catalog/tables").into_iter().map(|name| ("data/catalog/tables", name)))
    {
        if name.ends_with(".html") {
            pages.push((name.clone(), project.read(format!("{folder}/{name}"))));
        }
    }
    assert!(pages.len() >= 10, "{:?}", pages.iter().map(|(name, _)| name).collect::<Vec<_>>());
    for (name, page) in &pages {
        for never in ["<script>alert", "http://", "https://", "style=\"", "<style", "onclick"] {
            assert!(!page.contains(never), "{never} in {name}");
        }
        // Every link leads to a file of the site.
        let folder = if name.contains(".clean.") || name.matches('.').count() > 1 {
            "data/catalog/tables"
        } else {
            "data/catalog"
        };
        for target in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() {
                assert!(project.exists(format!("{folder}/{target}")), "{name}: {target}");
            }
        }
    }
    let scores = &pages.iter().find(|(name, _)| name == "p.predict.scores.html").expect("a page of the scores").1;
    for part in ["Distributions", "Lineage of p.predict.scores", "<svg class=\"graph\"", "Checks over time"] {
        assert!(scores.contains(part), "{part}");
    }
    assert!(project.read("data/catalog/decisions.html").contains("promote"));
    assert!(project.read("data/catalog/search.js").contains("p.clean.people"));
    // A table that is gone loses its page.
    std::fs::remove_dir_all(project.at("data/output/p/export")).unwrap();
    project.run("catalog", ["docs"]).exits(0);
    assert!(!project.exists("data/catalog/tables/p.export.scores.html"));
}

#[test]
fn events_are_as_the_published_schema_says() {
    let Some(python) = testkit::python_with("openlineage.client") else { return };
    let project = described();
    let spec = project.read("resources/shop/clean.yaml").replace(
        "describe:",
        "  spent:\n    from: {clean: orders}\n    steps: [{aggregate: {by: [customer], measures: {sum: SUM(amount)}}}]\ndescribe:",
    );
    project.write("resources/shop/clean.yaml", &spec);
    run_all(&project, "shop");
    let spent = |event: &Value| {
        event["outputs"].as_array().unwrap().iter().find(|of| of["name"].as_str().unwrap().contains("spent")).cloned()
    };
    let events = project.run("catalog", ["events"]).exits(0).stdout();
    let parsed: Vec<Value> = events.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    // A table of the same run is an input, too.
    let of = spent(&parsed[1]).unwrap()["facets"]["columnLineage"]["fields"]["sum"]["inputFields"].clone();
    assert_eq!(of[0]["field"], "amount");
    assert!(of[0]["name"].as_str().unwrap().starts_with("data/processed/shop/clean/orders_"), "{of}");
    // A run that fails, and one that publishes a model.
    project.write("resources/shop/clean.yaml", spec.replace("row_count: {min: 1}", "row_count: {min: 100}"));
    project.run("clean", ["shop"]).exits(1);
    let people = people_pipeline();
    run_all(&people, "p");
    let logs = [project.read("data/runs/shop.jsonl"), people.read("data/runs/p.jsonl")].concat();
    let more = people.run("catalog", ["events"]).exits(0).stdout();
    let all = [events.join("\n"), more.join("\n"), logs].join("\n");
    assert!(all.contains("\"FAIL\"") && all.contains("errorMessage"));
    let script = tests::repository().join("tests/openlineage/validate.py");
    project.write("events.jsonl", &all);
    let outcome = std::process::Command::new(python).arg(script).arg(project.at("events.jsonl")).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    let (count, facets) = said.trim().split_once(' ').expect("two numbers");
    assert_eq!(count.parse::<usize>().unwrap(), all.trim().lines().count());
    assert!(facets.parse::<usize>().unwrap() > 40, "{said}");
}

/// Sums and counts change with the rows behind them, not only with the columns that they are computed from.
#[test]
fn an_impact_reaches_what_sums_up_rows() {
    let project = Project::new();
    project
        .write("o.csv", "id,c,v\n1,a,10\n2,b,20\n2,b,20\n")
        .write("resources/p/ingest.yaml", "tables:\n  o: {source: {file: {path: o.csv}}}\n")
        .write(
            "resources/p/clean.yaml",
            "tables:\n  o: {steps: [{dedupe: {keys: [id]}}]}\n  s: {from: {clean: o}, steps: [{aggregate: {by: [c], measures: {s: \
             SUM(v), n: COUNT(*)}}}]}\n",
        )
        .write("resources/p/export.yaml", "table: s\nfrom: clean\nformat: csv\n");
    for tool in ["ingest", "clean", "export"] {
        project.run(tool, ["p"]).exits(0);
    }
    let columns = |column: &str, table: &str| {
        let impact = json(&project.run("catalog", ["impact", column, "--json"]));
        let affected = impact["affected"].as_array().unwrap().clone();
        let of_table =
            affected.iter().find(|affected| affected["table"] == table).unwrap_or_else(|| panic!("{impact}"));
        let mut columns = texts(&of_table["columns"]);
        columns.sort_unstable();
        columns.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>()
    };
    // Other ids, and other rows are left; another group, and other rows are in it; another value changes the sum alone.
    for (column, expected) in [("raw.o.id", &["c", "n", "s"][..]), ("raw.o.c", &["c", "n", "s"]), ("raw.o.v", &["s"])] {
        for table in ["p.clean.s", "p.export.s"] {
            assert_eq!(columns(column, table), expected, "{column} in {table}");
        }
    }
}

#[test]
fn many_columns_stand_on_several_pages() {
    let project = Project::new();
    let names: Vec<String> = (0..60).map(|number| format!("column_{number}")).collect();
    project.write("wide.csv", format!("{}\n{}\n", names.join(","), vec!["1"; 60].join(",")));
    let ingest = |tables: std::ops::Range<usize>| {
        let tables = tables.map(|number| format!("  t{number:02}: {{source: {{file: {{path: wide.csv}}}}}}\n"));
        project.write("resources/wide/ingest.yaml", format!("tables:\n{}", tables.collect::<String>()));
        project.run("ingest", ["wide"]).exits(0);
        project.run("catalog", ["docs"]).exits(0);
    };
    ingest(0..12);
    let columns = |page: &str| project.read(format!("data/catalog/{page}.html")).matches(">column_7<").count();
    assert_eq!((columns("columns"), columns("columns-2")), (6, 6));
    let first = project.read("data/catalog/columns.html");
    assert!(first.contains("href=\"./columns-2.html\">wide.raw.t06 to wide.raw.t11</a>"), "{first}");
    assert!(!project.exists("data/catalog/columns-3.html"));
    // What an earlier site had and this one has not is removed; other files stay.
    project.write("data/catalog/columns-notes.html", "mine");
    ingest(0..2);
    assert_eq!(columns("columns"), 2);
    assert!(!project.exists("data/catalog/columns-2.html") && project.exists("data/catalog/columns-notes.html"));
}
