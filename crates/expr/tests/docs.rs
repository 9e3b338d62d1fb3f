//! docs/sql.md lists the functions and casts as the code has them, and each difference to DuckDB.

use std::path::Path;

use expr::{FUNCTIONS, Function, Kind};
use values::{By, CONVERSIONS, Conversion};

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

/// One line of the page for neighbours of the table that say the same.
fn casts() -> Vec<String> {
    let of_sql: Vec<&Conversion> =
        CONVERSIONS.iter().filter(|line| matches!(line.by, By::All | By::Sql) && line.gives != "the same").collect();
    let same = |one: &&Conversion, other: &&Conversion| (one.to, one.gives) == (other.to, other.gives);
    let mut lines = vec!["| any | itself | the same |".to_owned()];
    for chunk in of_sql.chunk_by(same) {
        let from: Vec<&str> = chunk.iter().map(|line| line.from.name()).collect();
        lines.push(format!("| {} | {} | {} |", from.join(", "), chunk[0].to.name(), chunk[0].gives));
    }
    lines
}

#[test]
fn the_page_lists_the_casts_of_the_table() {
    let page = page();
    let section = page.split("## Casts").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let listed: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(listed, casts(), "docs/sql.md should have:\n{}", casts().join("\n"));
}
