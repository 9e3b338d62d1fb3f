//! docs/sql.md lists the functions and casts as the code has them, and each difference to DuckDB.

use std::path::Path;

use expr::{CASTS, FUNCTIONS, Function, Kind};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn line(function: &Function) -> String {
    let aliases = function.aliases.iter().map(|alias| format!("`{alias}`")).collect::<Vec<_>>().join(", ");
    let arguments = function.arguments.replace(" or (", "`, `(");
    let also = if aliases.is_empty() { String::new() } else { format!("; also {aliases}") };
    let call = match function.name {
        "count" => "`count(x)`, `count(DISTINCT x)`, `count(*)`".to_owned(),
        name => format!("`{name}{arguments}`"),
    };
    format!("| {call}{also} | {} |", function.meaning)
}

#[test]
fn the_page_lists_the_functions_of_the_table() {
    let page = page();
    let mut expected = String::new();
    for (kind, title) in [
        (Kind::Row, "## Functions of a row"),
        (Kind::Aggregate, "## Aggregates"),
        (Kind::Window, "## Functions of windows"),
    ] {
        let lines: Vec<String> = FUNCTIONS.iter().filter(|function| function.kind == kind).map(line).collect();
        let section = page.split(title).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
        let listed: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        if listed != lines {
            expected += &format!("{title}\n\n| | |\n|---|---|\n{}\n\n", lines.join("\n"));
        }
    }
    assert!(expected.is_empty(), "docs/sql.md should have:\n{expected}");
}

#[test]
fn the_page_lists_the_casts_of_the_table() {
    let page = page();
    let lines: Vec<String> = CASTS.iter().map(|(from, to, gives)| format!("| {from} | {to} | {gives} |")).collect();
    let section = page.split("## Casts").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let listed: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(listed, lines, "docs/sql.md should have:\n{}", lines.join("\n"));
}
