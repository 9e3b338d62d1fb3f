//! The whole `texts` pipeline, as shipped, at 8,000 messages: two sources, no model, no key.

use std::collections::HashSet;

use testkit::{Project, Table};
use tests::{assert_balanced, run_all, shipped, shop};

fn small_texts() -> Project {
    shipped("texts").with_variable("TEXTS_REVIEWS", "6000").with_variable("TEXTS_TICKETS", "2000")
}

#[test]
fn two_sources_become_one_table_and_a_csv_for_excel() {
    let project = small_texts();
    let printed = run_all(&project, "texts");
    let [raw, clean, delivered] = printed.as_slice() else { panic!("ingest, clean and export ran: {printed:?}") };
    assert_eq!((raw.len(), clean.len(), delivered.len()), (2, 1, 1));
    raw.iter().chain(clean).for_each(|path| assert_balanced(&project, path));

    let rows_of = |path: &String, key: &str| project.evidence(path)["books"][key].as_u64().unwrap_or_default();
    let into_clean = rows_of(&clean[0], "rows_in");
    assert_eq!(into_clean, raw.iter().map(|path| rows_of(path, "rows_out")).sum::<u64>());
    let table = project.table(&clean[0]);
    let files: HashSet<&str> = table.column("_file").into_iter().collect();
    assert_eq!(files, HashSet::from(["generate:messages/reviews", "generate:messages/tickets"]), "provenance is kept");
    let places: HashSet<(&str, &str)> = table.column("_file").into_iter().zip(table.column("_row")).collect();
    assert_eq!(places.len(), table.rows.len(), "file and row name a message");

    let csv = std::fs::read(project.at(&delivered[0])).expect("the export can be read");
    assert!(csv.starts_with(b"\xEF\xBB\xBF"), "no byte order mark: Excel would not know it as UTF-8");
    let csv = Table::from_csv(&String::from_utf8(csv).expect("the export is UTF-8"));
    let expected = ["id", "source", "raw_text", "created_at", "metadata", "cleaned_text"];
    assert_eq!(csv.columns, [&expected[..], &["llm_model", "cleaning_task", "processed_at"]].concat());
    assert!(csv.column("llm_model").iter().all(|name| name.is_empty()), "nobody was asked, and the rows say so");
    assert_eq!(csv.rows.len() as u64, rows_of(&clean[0], "rows_out"));
}

#[test]
fn rules_settle_what_rules_can() {
    let project = small_texts();
    let clean = run_all(&project, "texts").swap_remove(1);
    let table = project.table(&clean[0]);
    let (raw, texts) = (table.column("raw_text"), table.column("cleaned_text"));
    let holding = |texts: &[&str], sign: &str| texts.iter().filter(|text| text.contains(sign)).count();
    // What is there before and gone after.
    for sign in [
        "<br>",
        "</p>",
        "&amp;",
        "&#39;",
        "&nbsp;",
        "  ",
        "\u{a0}",
        "\t",
        "\u{200b}",
        "\u{7}",
        "Ã©",
        "!!!!",
        "ㅋㅋㅋ",
        "ㅠㅠㅠ",
        "aaaa",
    ] {
        assert!(holding(&raw, sign) > 0, "{sign:?} does not come in");
        let left: Vec<&str> = texts.iter().filter(|text| text.contains(sign)).take(3).copied().collect();
        assert!(left.is_empty(), "{sign:?} is left: {left:?}");
    }
    // Personal data is in neither.
    for column in [&raw, &texts] {
        assert_eq!((holding(column, "@example.com"), holding(column, "@mail.example.org")), (0, 0));
        assert!(holding(column, "[email]") > 100 && holding(column, "[phone]") > 50);
    }
    assert!(texts.iter().all(|text| !text.trim().is_empty()));
    let distinct = |texts: &[&str]| texts.iter().collect::<HashSet<_>>().len();
    assert!(distinct(&texts) < distinct(&raw), "texts that differed in dirt alone are one");
    assert!(distinct(&texts) * 3 < texts.len() * 2, "most rows ask nothing new of a model");
}

#[test]
fn a_second_run_does_nothing_and_another_seed_runs() {
    let project = small_texts();
    run_all(&project, "texts");
    for tool in ["ingest", "clean", "export"] {
        project.run(tool, ["texts"]).exits(0).says("up to date");
    }
    let project = project.with_variable("TEXTS_SEED", "2");
    project.run("ingest", ["texts"]).exits(0).says("runs because");
}

#[test]
fn tables_of_different_types_are_not_made_one() {
    let project = shop();
    project
        .write(
            "resources/shop/ingest.yaml",
            "tables:\n  a:\n    source: {file: {path: a.csv}}\n  b:\n    source: {file: {path: b.csv}}\n",
        )
        .write("resources/shop/clean.yaml", "tables:\n  all: {from: [a, b]}\n")
        .write("a.csv", "id,name\n1,x\n")
        .write("b.csv", "id,stars\nA,5\n");
    project.run("ingest", ["shop"]).exits(0);
    project.run("clean", ["shop"]).exits(2).says(
        "table 'all': column 'id' is int64 in table 'a', but string in table 'b'; give it the same type in ingest.yaml",
    );
    project.write("b.csv", "id,stars\n2,5\n");
    project.run("ingest", ["shop"]).exits(0);
    let clean = project.run("clean", ["shop"]);
    clean.exits(0);
    let table = project.table(&clean.path()).select(&["id", "name", "stars", "_file", "_row"]);
    assert_eq!(table.to_string(), "id | name | stars | _file | _row\n1 | x |  | a.csv | 2\n2 |  | 5 | b.csv | 2");
    project.write("resources/shop/clean.yaml", "tables:\n  all: {from: [a, c]}\n");
    project.run("clean", ["shop"]).exits(2).says("no table 'c' among the inputs");
}
