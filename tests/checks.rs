//! Gates of every tool and every form of output: what they refuse does not go out, whatever the format, and a name that
//! does not exist is not a gate that passes.

use testkit::{Outcome, Project};
use tests::{ORDERS, PEOPLE, SHOP_CLEAN, SHOP_INGEST, TOOLS, folder, people, people_pipeline, shop};

/// One way for a table to leave a tool.
struct Exit {
    tool: &'static str,
    /// What `export.yaml` says beside the table; nothing for the other tools.
    format: &'static str,
    /// Arguments behind the pipeline.
    arguments: &'static [&'static str],
    table: &'static str,
    /// A column of numbers with some below 0.5 and some above; nothing if the table has none.
    column: &'static str,
}

const fn exit(tool: &'static str, table: &'static str, column: &'static str) -> Exit {
    Exit { tool, format: "", arguments: &[], table, column }
}

const fn export(format: &'static str, arguments: &'static [&'static str]) -> Exit {
    Exit { tool: "export", format, arguments, table: "scores", column: "score" }
}

/// Every tool, and the forms of `export` with options. [`exits`] adds every other format.
const EXITS: [Exit; 19] = [
    exit("ingest", "people", "income"),
    exit("clean", "people", "income"),
    exit("features", "training", "income"),
    exit("features", "scoring", "income"),
    exit("train", "predictions", "score"),
    exit("train", "parts", ""),
    exit("predict", "scores", "score"),
    export("format: csv", &[]),
    export("format: json_lines", &[]),
    export("format: parquet", &[]),
    export("format: parquet\nstrip_evidence: true", &[]),
    export("format: excel", &[]),
    export("format: sqlite\nsqlite: {path: out.db}", &[]),
    export("format: csv", &["--format", "json_lines"]),
    export("format: csv", &["-o", "out.csv"]),
    export("format: csv", &["-o", "-"]),
    exit("monitor", "drift", ""),
    exit("monitor", "runs", ""),
    exit("monitor", "disk", ""),
];

/// Formats that need a server and go the way of `sqlite`, and pages, whose checks are refused.
const ELSEWHERE: [&str; 3] = ["format: postgres", "format: mysql", "format: html"];

/// The formats of `export`, by its schema.
fn formats() -> Vec<String> {
    let schema = Project::new().run("export", ["--schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.exits(0).bytes).expect("a schema is JSON");
    let formats = schema["$defs"]["Format"]["oneOf"].as_array().expect("the formats");
    formats.iter().map(|format| format!("format: {}", format["const"].as_str().expect("a name"))).collect()
}

/// [`EXITS`], and each format that is neither in it nor in [`ELSEWHERE`].
fn exits() -> Vec<Exit> {
    let listed = |format: &String| EXITS.iter().any(|exit| exit.format.lines().next() == Some(format));
    let new = formats().into_iter().filter(|format| !listed(format) && !ELSEWHERE.contains(&format.as_str()));
    EXITS.into_iter().chain(new.map(|format| export(format.leak(), &[]))).collect()
}

/// The stages of a pipeline, and the one that watches it.
fn stages() -> impl Iterator<Item = &'static str> {
    TOOLS.into_iter().chain(["monitor"])
}

/// A pipeline of all six tools, run once.
fn all_six() -> Project {
    let project = people_pipeline();
    for tool in stages() {
        project.run(tool, ["p"]).exits(0);
    }
    project
}

impl Exit {
    /// Runs the tool with these checks of this table, written as `- …` items.
    fn run(&self, project: &Project, table: &str, checks: &str) -> Outcome {
        let spec = match self.format {
            "" => PEOPLE.iter().find(|(tool, _)| *tool == self.tool).map(|(_, spec)| (*spec).to_owned()),
            format => Some(format!("table: scores\n{format}\n")),
        };
        let spec = spec.expect("every tool has a spec");
        let checks: String = checks.lines().map(|line| format!("    {line}\n")).collect();
        project.write(&format!("resources/p/{}.yaml", self.tool), format!("{spec}checks:\n  {table}:\n{checks}"));
        let outcome = project.run(self.tool, ["p", "--force"].iter().chain(self.arguments));
        for (tool, spec) in PEOPLE {
            project.write(&format!("resources/p/{tool}.yaml"), spec);
        }
        outcome
    }

    fn goes_elsewhere(&self) -> bool {
        self.arguments.contains(&"-o")
    }

    fn shown(&self) -> String {
        format!("{} {} {:?} '{}'", self.tool, self.format, self.arguments, self.table)
    }

    /// The artifacts that stand as the tool's output.
    fn latest(&self, project: &Project) -> Vec<String> {
        project.latest(&folder(self.tool, "p"))
    }

    fn refused_files(&self, project: &Project) -> usize {
        let of_folder =
            |folder: &str| project.list(folder).iter().filter(|name| name.contains(".refused.parquet")).count();
        let owned = folder(self.tool, "p");
        let versions = project.list(&owned).into_iter().filter(|name| name.starts_with('v'));
        of_folder(&owned) + versions.map(|version| of_folder(&format!("{owned}/{version}"))).sum::<usize>()
    }
}

/// The list above is whole: it has every tool, every table that a tool lets have checks, and every format.
#[test]
fn nothing_leaves_a_tool_that_is_not_walked_here() {
    let project = all_six();
    for tool in stages() {
        let listed = |table: &str| EXITS.iter().any(|exit| exit.tool == tool && exit.table == table);
        let some = EXITS.iter().find(|exit| exit.tool == tool).unwrap_or_else(|| panic!("{tool} is not in the list"));
        let outcome = some.run(&project, "xyzzyxyzzy", "- row_count: {max: 1}");
        outcome.exits(2);
        let (_, tables) = outcome.stderr.trim().split_once("choose one of: ").expect("the tables that there are");
        assert!(tables.split(", ").all(listed), "{tool}: a table is not in the list: {tables}");
    }
    let formats = formats();
    assert!(formats.len() >= 8, "{formats:?}");
    for format in ELSEWHERE {
        assert!(formats.iter().any(|known| known == format), "'{format}' is not a format");
    }
}

#[test]
fn a_page_has_no_checks_of_its_own() {
    let page = export("format: html", &[]);
    let outcome = page.run(&all_six(), "scores", "- row_count: {max: 1}");
    outcome.exits(2).says(
        "checks: 'scores' has 1 check, but a delivery of several tables is not checked; check the tables in the stage that makes them",
    );
}

#[test]
fn a_hard_check_that_fails_keeps_every_output_back() {
    let project = all_six();
    for exit in &exits() {
        let before = exit.latest(&project);
        let outcome = exit.run(&project, exit.table, "- row_count: {max: 1}");
        assert_eq!(outcome.code, Some(1), "{}: {outcome}", exit.shown());
        outcome.says(&format!("table '{}': check 'row_count exactly 1' failed", exit.table));
        assert!(outcome.bytes.is_empty(), "{}: something was written: {outcome}", exit.shown());
        assert_eq!(exit.latest(&project), before, "{}", exit.shown());
        assert!(!project.exists("out.csv"), "{}", exit.shown());
    }
}

#[test]
fn a_soft_check_that_fails_warns_about_every_output() {
    let project = all_six();
    for exit in &exits() {
        let outcome = exit.run(&project, exit.table, "- row_count: {max: 1, severity: soft}");
        assert_eq!(outcome.code, Some(0), "{}: {outcome}", exit.shown());
        outcome.says(&format!("warning: {} p: {}: check 'row_count exactly 1': ", exit.tool, exit.table));
        outcome.says(" rows, exactly 1 allowed");
    }
}

#[test]
fn a_table_that_no_tool_publishes_is_refused_with_its_neighbour() {
    let project = all_six();
    for exit in &exits() {
        let (first, rest) = exit.table.split_at(2);
        for wrong in [format!("{}{rest}", &first[..1]), format!("{}s", exit.table), format!("{rest}{first}x")] {
            let outcome = exit.run(&project, &wrong, "- row_count: {max: 1}");
            assert_eq!(outcome.code, Some(2), "{}: {outcome}", exit.shown());
            outcome.says(&format!("resources/p/{}.yaml:", exit.tool));
            outcome.says(&format!(":3: checks: {} publishes no table '{wrong}'; ", exit.tool));
            let tables: Vec<&str> =
                EXITS.iter().filter(|other| other.tool == exit.tool).map(|other| other.table).collect();
            assert!(tables.iter().any(|table| outcome.stderr.contains(*table)), "{outcome}");
        }
    }
}

#[test]
fn rows_that_a_check_takes_out_are_in_no_output_and_kept_aside() {
    let project = all_six();
    for exit in exits().iter().filter(|exit| !exit.column.is_empty()) {
        let before = exit.refused_files(&project);
        let check = format!("- in_range: {{column: {}, min: 0.5, max_share: 1}}", exit.column);
        let outcome = exit.run(&project, exit.table, &check);
        assert_eq!(outcome.code, Some(0), "{}: {outcome}", exit.shown());
        assert_eq!(exit.refused_files(&project), before + 1, "{}: {outcome}", exit.shown());
        let values = if exit.tool == "export" && !exit.format.contains("parquet") {
            exported(exit, &project, &outcome)
        } else {
            let latest = exit.latest(&project);
            let path = latest.iter().find(|path| path.contains(exit.table) || exit.tool == "train").expect("its table");
            let path = if exit.tool == "train" { format!("{path}/predictions.parquet") } else { path.clone() };
            match exit.format.contains("strip_evidence") {
                true => continue,
                false => project.table(&path).column(exit.column).into_iter().map(str::to_owned).collect(),
            }
        };
        assert!(values.len() > 5, "{}: {values:?}", exit.shown());
        for value in values {
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.5), "{}: {value}", exit.shown());
        }
        if exit.tool != "export" {
            // What follows reads the whole table again.
            project.run(exit.tool, ["p", "--force"]).exits(0);
        }
    }
}

/// The scores in an exported text. Of other formats, and of deliveries into a database, the books say how many rows went out.
fn exported(exit: &Exit, project: &Project, outcome: &Outcome) -> Vec<String> {
    let text = match (exit.goes_elsewhere(), outcome.stdout().first()) {
        (true, _) if exit.arguments.contains(&"-") => String::from_utf8_lossy(&outcome.bytes).into_owned(),
        (_, Some(path)) if path.ends_with("csv") || path.ends_with("jsonl") => project.read(path),
        (_, Some(path)) => {
            let books = &project.evidence(path)["books"];
            let out = books["rows_out"].as_u64().expect("a number");
            assert!(out > 5 && out < 50, "{books}");
            return vec!["0.5".to_owned(); out as usize];
        }
        (_, None) => panic!("no path in {outcome}"),
    };
    let text = text.trim_start_matches('\u{feff}');
    if text.starts_with('{') {
        let score = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["score"].to_string();
        return text.lines().map(score).collect();
    }
    let table = testkit::Table::from_csv(text);
    table.column("score").into_iter().map(str::to_owned).collect()
}

#[test]
fn options_of_another_format_have_no_effect_and_are_refused() {
    let project = all_six();
    for (options, error) in [
        (
            "format: excel\ncsv: {separator: ;}",
            "resources/p/export.yaml:3:1: csv: has no effect: it is for the format csv, and the format is excel; take it out, \
             or write `format: csv`",
        ),
        (
            "format: json_lines\nstrip_evidence: true",
            "resources/p/export.yaml:3:1: strip_evidence: has no effect: it is for the format parquet, and the format is \
             json_lines; take it out, or write `format: parquet`",
        ),
    ] {
        project.write("resources/p/export.yaml", format!("table: scores\n{options}\n"));
        project.run("export", ["p"]).exits(2).says(error);
    }
}

#[test]
fn nothing_to_score_is_reported_with_the_way_out() {
    let project = all_six();
    project.write("people.csv", people().lines().take(401).map(|line| format!("{line}\n")).collect::<String>());
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
    let outcome = project.run("predict", ["p"]);
    outcome.exits(1).says("table 'scoring' has no rows: there is nothing to predict; each row has its label already");
}

/// `orders` and `shops`, in the order that the clean stage is to write them.
fn two_tables(tables: &str, checks: &str) -> Project {
    let project = shop();
    let ingest = format!(
        "{SHOP_INGEST}  shops:\n    source: {{file: {{path: shops.csv}}}}\n    columns: {{name: string, boss: string}}\n"
    );
    project
        .write("resources/shop/ingest.yaml", ingest)
        .write("orders.csv", ORDERS.replace(" bob ", "bob"))
        // With spaces, which only the clean table is without.
        .write("shops.csv", "name,boss\n ann,\n bob,ann\n cy,bob\n")
        .write("resources/shop/clean.yaml", format!("tables:\n{tables}checks:\n{checks}"));
    project.run("ingest", ["shop"]).exits(0);
    project
}

const REFERS: &str = "  orders:\n    - references: {columns: [customer], table: shops, key: [name]}\n";

#[test]
fn a_table_may_refer_to_one_that_stands_behind_it() {
    for tables in ["  orders: {}\n  shops: {steps: [trim]}\n", "  shops: {steps: [trim]}\n  orders: {}\n"] {
        let project = two_tables(tables, REFERS);
        let outcome = project.run("clean", ["shop"]);
        outcome.exits(0);
        // Listed as in the file, whatever had to be written first.
        let first = if tables.starts_with("  orders") { "orders_" } else { "shops_" };
        assert!(outcome.stdout()[0].contains(first), "{outcome}");
    }
    let project = two_tables("  orders: {}\n  shops: {}\n", REFERS);
    project.run("clean", ["shop"]).exits(1).says("customer = 'ann' is not in shops");
}

#[test]
fn a_table_may_refer_to_itself() {
    let itself = "  shops:\n    - references: {columns: [boss], table: shops, key: [name], max_share: 0.5}\n";
    let project = two_tables("  orders: {}\n  shops: {steps: [trim]}\n", itself);
    project.run("clean", ["shop"]).exits(0).says("shops: 3 rows in, 3 out");
    project.write("shops.csv", "name,boss\nann,\nbob,ann\ncy,eve\n");
    project.run("ingest", ["shop"]).exits(0);
    project
        .run("clean", ["shop"])
        .exits(0)
        .says("shops: 3 rows in, 2 out; 1 refused by check 'references boss in shops'");
}

#[test]
fn a_reference_that_leads_nowhere_or_round_is_reported_with_its_place() {
    let project = two_tables("  orders: {}\n  shops: {}\n", &REFERS.replace("table: shops", "table: shop"));
    project.run("clean", ["shop"]).exits(2).says(
        "resources/shop/clean.yaml:6:41: table 'orders': check 1 'references': no table 'shop' is published or read here; did \
         you mean 'shops'?",
    );
    let back = format!("{REFERS}  shops:\n    - references: {{columns: [name], table: orders, key: [customer]}}\n");
    let project = two_tables("  orders: {}\n  shops: {}\n", &back);
    project.run("clean", ["shop"]).exits(2).says(
        "checks: the tables 'orders' → 'shops' → 'orders' refer to each other in a cycle; none of them can be checked first: \
         take out one of these checks 'references'",
    );
}

#[test]
fn an_order_without_a_number_is_not_a_copy_of_another_one() {
    let project = shop();
    project
        .write("orders.csv", "id,customer,day,amount\n1,ann,2026-01-01,1\n,bob,2026-01-02,2\n,cy,2026-01-03,3\n1,ann,2026-01-04,4\n")
        .write("resources/shop/clean.yaml", "tables:\n  orders:\n    steps:\n      - dedupe: {keys: [id]}\nchecks:\n  orders:\n    - unique: {columns: [id]}\n");
    project.run("ingest", ["shop"]).exits(0);
    let path = project.run("clean", ["shop"]).path();
    assert_eq!(project.table(&path).column("customer"), ["ann", "bob", "cy"]);
}

#[test]
fn a_check_neither_lowers_nor_lifts_the_quality() {
    let project = shop();
    let clean = "tables:\n  orders:\n    steps:\n      - drop_null: {columns: [customer]}\n";
    project.write(
        "orders.csv",
        "id,customer,day,amount\n1,ann,2026-01-01,1\n2,bob,,2\n3,cy,2026-01-03,900\n4,dee,2026-01-04,\n",
    );
    project.run("ingest", ["shop"]).exits(0);
    let mut scores = Vec::new();
    for checks in [
        "",
        "checks:\n  orders:\n    - in_range: {column: amount, max: 10, severity: soft}\n    - row_count: {max: 1, severity: soft}\n",
        "checks:\n  orders:\n    - in_range: {column: amount, max: 10, max_share: 0.5}\n",
        "checks:\n  orders:\n    - not_null: {columns: [day], max_share: 0.5}\n",
    ] {
        project.write("resources/shop/clean.yaml", format!("{clean}{checks}"));
        let path = project.run("clean", ["shop"]).path();
        scores.push(project.evidence(&path)["quality"]["score"].as_f64().expect("a score"));
    }
    // Two of sixteen cells are empty.
    assert!(scores.iter().all(|score| (score - 87.5).abs() < 1e-9), "{scores:?}");
}

/// Time passes and nothing is delivered: checks that depend on the time are judged again, whatever the reason why
/// nothing is new.
#[test]
fn a_check_that_depends_on_the_time_is_judged_where_nothing_is_new() {
    let project = shop();
    let checked = |spec: &str, table: &str| {
        format!("{spec}checks:\n  {table}:\n    - freshness: {{column: day, max_age: 1h, severity: soft}}\n")
    };
    project.write("resources/shop/ingest.yaml", checked(SHOP_INGEST, "orders"));
    let two =
        "  others:\n    from: {raw: orders}\n    steps:\n      - map_values: {columns: [customer], file: names.csv}\n";
    let names = "column,before,after,accepted_by\ncustomer,ann,Ann,me\n";
    project.write("names.csv", names);
    project.write("resources/shop/clean.yaml", checked(&format!("{SHOP_CLEAN}{two}"), "orders"));
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0).says("newest is 2026-01-04");
        let again = project.run(tool, ["shop"]);
        again.exits(0).says("up to date").says("newest is 2026-01-04");
    }
    // One table is made again, the other is kept.
    project.write("names.csv", names.replace("Ann,", "Anna,"));
    let kept = project.run("clean", ["shop"]);
    kept.exits(0).says("orders: unchanged since the last run").says("newest is 2026-01-04");
    // The runs that found nothing new have judged no other table.
    assert_eq!(kept.stderr.matches("newest is").count(), 1, "{}", kept.stderr);
}
