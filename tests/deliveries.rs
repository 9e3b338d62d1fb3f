//! Several deliveries of one pipeline: each separately, each once.

use testkit::{Project, Table};

/// Two tables, without a model.
fn shop() -> Project {
    let project = Project::new();
    project.write("in/orders.csv", "order_id,city,amount\n1,Ulm,2.50\n2,Bonn,4.00\n3,Ulm,0.25\n");
    project.write("in/cities.csv", "city,people\nUlm,126000\nBonn,330000\n");
    project.write(
        "resources/shop/ingest.yaml",
        "tables:\n  orders: {source: {file: {path: in/orders.csv}}}\n  cities: {source: {file: {path: in/cities.csv}}}\n",
    );
    project.write("resources/shop/clean.yaml", "tables:\n  orders: {}\n  cities: {}\n");
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0);
    }
    project
}

const THREE: &str = "
deliveries:
  orders: {format: csv, sort: [{amount: desc}]}
  towns: {table: cities, format: json_lines, columns: [{city: town}, peopel]}
  book:
    format: excel
    excel: {sheets: [{table: orders}, {table: cities, name: Cities}]}
";

#[test]
fn a_delivery_that_fails_does_not_keep_the_others_back() {
    let project = shop();
    project.write("resources/shop/export.yaml", THREE);
    let outcome = project.run("export", ["shop"]);
    outcome.exits(2).says("'towns' failed: table 'cities': no column 'peopel'; did you mean 'people'?");
    outcome.says("1 of 3 deliveries failed: 'towns'; see the errors above; the next run makes only what is missing");
    let folder = "data/output/shop/export";
    let first = project.latest(folder);
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first[0].contains("/orders_") && first[1].contains("/book_"), "{first:?}");
    assert_eq!(project.read(&first[0]), "\u{feff}order_id,city,amount\n2,Bonn,4.0\n1,Ulm,2.5\n3,Ulm,0.25\n");

    // What was delivered stays; only what is missing is made.
    project.write("resources/shop/export.yaml", THREE.replace("peopel", "people"));
    project.run("export", ["shop"]).exits(0).says("'towns' has not been delivered as it is now");
    let second = project.latest(folder);
    assert_eq!((second.len(), &second[0], &second[2]), (3, &first[0], &first[1]));
    assert_eq!(
        project.read(&second[1]),
        "{\"town\":\"Ulm\",\"people\":126000}\n{\"town\":\"Bonn\",\"people\":330000}\n"
    );
    project.run("export", ["shop"]).exits(0).says("up to date");
    assert_eq!(project.latest(folder), second);

    // A comment is not a reason to deliver anything again.
    project.write("resources/shop/export.yaml", format!("# A comment\n{}", THREE.replace("peopel", "people")));
    project.run("export", ["shop"]).exits(0);
    assert_eq!(project.latest(folder), second);

    // One of them, again.
    project.run("export", ["shop", "--only", "towns", "--force"]).exits(0);
    let third = project.latest(folder);
    assert_eq!((&third[0], &third[2]), (&second[0], &second[2]));
    assert_ne!(third[1], second[1]);
    project
        .run("export", ["shop", "--only", "town"])
        .exits(2)
        .says("--only: no delivery 'town'; did you mean 'towns'?");

    // New rows of one table make its deliveries, and no other.
    project.write("in/cities.csv", "city,people\nUlm,127000\n");
    for tool in ["ingest", "clean", "export"] {
        project.run(tool, ["shop"]).exits(0);
    }
    let fourth = project.latest(folder);
    assert_eq!(fourth[0], third[0]);
    assert!(fourth[1] != third[1] && fourth[2] != third[2], "{fourth:?}");
}

#[test]
fn a_workbook_has_a_sheet_per_table() {
    let project = shop();
    project.write(
        "resources/shop/export.yaml",
        "format: excel\nname: all\nexcel: {sheets: [{table: orders, sort: [amount]}, {table: cities, name: Cities}]}\n",
    );
    let path = project.run("export", ["shop"]).exits(0).path();
    assert!(path.contains("/all_") && path.ends_with(".xlsx"), "{path}");
    // What is read back by `ingest` is what was written.
    project.write(
        "resources/back/ingest.yaml",
        format!(
            "tables:\n  first: {{source: {{file: {{path: {path}, sheet: orders}}}}}}\n  \
             second: {{source: {{file: {{path: {path}, sheet: Cities}}}}}}\n"
        ),
    );
    let back = project.run("ingest", ["back"]).exits(0).stdout();
    let cells = |path: &str| -> Vec<String> { rows(&project.table(path)) };
    assert_eq!(cells(&back[0]), ["3 Ulm 0.25", "1 Ulm 2.5", "2 Bonn 4.0"]);
    assert_eq!(cells(&back[1]), ["Ulm 126000", "Bonn 330000"]);
}

/// The rows of a table as texts, without the columns that say where they come from.
fn rows(table: &Table) -> Vec<String> {
    let shown: Vec<usize> = (0..table.columns.len()).filter(|at| !table.columns[*at].starts_with('_')).collect();
    let text = |row: &Vec<String>| shown.iter().map(|at| row[*at].clone()).collect::<Vec<_>>().join(" ");
    table.rows.iter().map(text).collect()
}

#[test]
fn a_file_of_deliveries_is_read_with_care() {
    let project = shop();
    for (text, error) in [
        (
            "deliveries: {orders: {format: csv}}\ntable: orders\n",
            "export.yaml:1:1: deliveries: has no effect beside other keys: a file has one delivery, or 'deliveries'; move the \
             other keys below 'deliveries'",
        ),
        ("deliveries: {}\n", "export.yaml:1:1: deliveries: no delivery is named; name one below it"),
        (
            "deliveries: {orders: {format: csv, name: o}}\n",
            "deliveries.orders.name: has no effect: a delivery is called by its key; take it out, or rename the delivery",
        ),
        ("deliveries: {orders: {formt: csv}}\n", "unknown key 'formt'; did you mean 'format'?"),
        ("deliveries: {orders: {table: orders}}\n", "deliveries.orders: missing key 'format'"),
        ("format: csv\n", "export.yaml:1:1: missing key 'table'"),
        ("table: orders\nformat: postgres\n", "missing key 'postgres'"),
        ("table: orders\nformat: postgres\npostgres: {table: x}\n", "postgres: missing key 'url'"),
        (
            "table: orders\nformat: sqlite\nsqlite: {path: a.db, mode: upsert}\n",
            "sqlite.mode: 'upsert' needs the columns that identify a row; name them, such as `keys: [order_id]`",
        ),
        ("table: orders\nformat: excel\nexcel: {sheets: [{table: a, name: 'x/y'}]}\n", "has no effect"),
        (
            "format: excel\nexcel: {sheets: [{table: a, name: 'x/y'}]}\n",
            "excel.sheets[0]: 'x/y' cannot be the name of a sheet; write 1 to 31 characters under 'name'",
        ),
        ("table: orders\nfrom: train\nformat: csv\n", "unknown stage"),
    ] {
        project.write("resources/shop/export.yaml", text);
        let outcome = project.run("export", ["shop"]);
        outcome.exits(2);
        if error == "unknown stage" {
            outcome.says("from: unknown").says("'train'");
        } else {
            outcome.says(error);
        }
    }
    project.write("resources/shop/export.yaml", THREE);
    project.run("export", ["shop", "-o", "-"]).exits(2).says("choose one by --only");
    project.run("export", ["shop", "-o", "-", "--only", "orders"]).exits(0);
}

#[test]
fn tables_of_several_stages_are_delivered() {
    let project = shop();
    project.write(
        "resources/shop/export.yaml",
        "deliveries:\n  raw: {table: orders, from: ingest, format: csv, csv: {bom: false}}\n  cities: {format: csv}\n",
    );
    project.run("export", ["shop"]).exits(0);
    let latest = project.latest("data/output/shop/export");
    assert_eq!(project.read(&latest[0]), "order_id,city,amount\n1,Ulm,2.5\n2,Bonn,4.0\n3,Ulm,0.25\n");
    assert_eq!(project.evidence(&latest[0])["inputs"].as_array().unwrap().len(), 4);
}

#[test]
fn a_page_is_made_of_tables_and_of_the_run_log() {
    let project = shop();
    project.write(
        "resources/shop/export.yaml",
        "format: html\nname: overview\nhtml:\n  title: Orders & cities\n  parts:\n    - bars: {table: orders, name: city, value: \
         amount, aggregate: sum}\n    - rows: {table: cities, sort: [{people: desc}], top: 1}\n    - runs: {}\n    - champions: \
         {}\n",
    );
    let path = project.run("export", ["shop"]).exits(0).path();
    assert!(path.contains("/overview_") && path.ends_with(".html"), "{path}");
    let page = project.read(&path);
    for part in [
        "<title>Orders &amp; cities · shop</title>",
        "<th scope=\"row\">Ulm</th><td class=\"number\">2.75</td>",
        "<th scope=\"row\">Bonn</th><td class=\"number\">330000</td>",
        "The first 1 rows.",
        "succeeded",
        "No version is in production.",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // It loads nothing from anywhere.
    assert!(!page.contains("src=") && !page.contains("href=\"http") && !page.contains("url("), "{page}");
    project.run("export", ["shop"]).exits(0).says("up to date");
    let outcome = project.run("export", ["shop", "--format", "csv", "-o", "x.csv"]);
    outcome.exits(2);
}

#[test]
fn folders_are_named_after_values_and_sent_with_their_mark_last() {
    let project = shop();
    let store = project.at("store");
    project.make_folder("store");
    project.write(
        "resources/shop/export.yaml",
        format!("table: orders\nformat: parquet\npartition_by: [city]\nto: file://{}/out/\n", store.display()),
    );
    let path = project.run("export", ["shop"]).exits(0).path();
    let name = path.rsplit('/').next().unwrap().to_owned();
    for file in ["city=Ulm/part-0.parquet", "city=Bonn/part-0.parquet", "_SUCCESS"] {
        assert!(
            project.exists(format!("{path}/{file}")) && project.exists(format!("store/out/{name}/{file}")),
            "{file}"
        );
    }
    assert_eq!(testkit::whole_parquet(&project.at(format!("store/out/{name}/city=Ulm/part-0.parquet"))), Ok(2));
    project.run("export", ["shop"]).exits(0).says("up to date");
    project.run("export", ["shop", "-o", "x.parquet"]).exits(2).says("with 'partition_by' the delivery is a folder");
    project.run("export", ["shop", "-o", "-", "--format", "csv"]).exits(0);
}
