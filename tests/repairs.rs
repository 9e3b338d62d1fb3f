//! Repairs by the real program: what is changed and logged, what is left for people to review, and how much of a known error is
//! repaired without harm.

use testkit::{Project, Table, skipped};
use tests::{assert_balanced, repository, shared_data};

/// Cells by what happened to them, compared as texts.
struct Measured {
    wrong: usize,
    changed: usize,
    right: usize,
    harm: usize,
}

impl Measured {
    fn f1(&self) -> f64 {
        let (precision, recall) = (self.right as f64 / self.changed as f64, self.right as f64 / self.wrong as f64);
        2.0 * precision * recall / (precision + recall)
    }
}

/// Runs the pipeline of `tests/cleaning/<name>` over the benchmark, and compares with the clean version cell by cell.
fn measured(name: &str, table: &str) -> Option<Measured> {
    let file = format!("cleaning-bench/{name}/dirty.csv");
    let Some(dirty) = shared_data(&file) else {
        skipped("data", &format!("no {file}; set MILLRACE_SHARED_DATA to the folder that holds it"));
        return None;
    };
    let folder = dirty.parent().expect("a file lies in a folder");
    let bench = folder.parent().expect("a folder of folders").display().to_string();
    let project = Project::new().with_variable("CLEANING_BENCH", bench);
    for tool in ["ingest", "clean"] {
        let spec = repository().join(format!("tests/cleaning/{name}/{tool}.yaml"));
        project.write(&format!("resources/{name}/{tool}.yaml"), std::fs::read(spec).expect("the pipeline is there"));
        project.run(tool, [name]).exits(0);
    }
    let made = project.latest(&format!("data/processed/{name}/clean"));
    assert_balanced(&project, &made[0]);
    assert_eq!(project.evidence(&made[0])["table"], *table);
    let found = project.table(&made[0]);
    let read = |kind: &str| Table::from_csv(&std::fs::read_to_string(folder.join(kind)).expect("a file of text"));
    let (dirty, clean) = (read("dirty.csv"), read("clean.csv"));
    let mut measured = Measured { wrong: 0, changed: 0, right: 0, harm: 0 };
    // Columns of the clean version have other names in the same order.
    for (at, name) in dirty.columns.iter().enumerate() {
        let truth = clean.rows.iter().map(|row| row[at].as_str());
        for ((before, truth), after) in dirty.column(name).into_iter().zip(truth).zip(found.column(name)) {
            measured.wrong += usize::from(before != truth);
            measured.changed += usize::from(before != after);
            measured.right += usize::from(before != truth && after == truth);
            measured.harm += usize::from(before == truth && after != truth);
        }
    }
    Some(measured)
}

#[test]
fn hospital_is_repaired_without_harm() {
    let Some(measured) = measured("hospital", "measures") else { return };
    assert_eq!(measured.wrong, 509, "as many as the benchmark's own documentation counts");
    assert_eq!(measured.harm, 0);
    assert!(measured.f1() >= 0.97, "{}", measured.f1());
}

#[test]
fn beers_are_repaired_without_harm() {
    let Some(measured) = measured("beers", "beers") else { return };
    assert_eq!(measured.wrong, 4362, "as many as the benchmark's own documentation counts");
    assert_eq!(measured.harm, 0);
    assert!(measured.f1() >= 0.99, "{}", measured.f1());
}

/// Flights as several sources have them.
fn flights() -> Project {
    let project = Project::new();
    project
        .write(
            "flights.csv",
            "flight,departed,source\nA1,9:00,web\nA1,9:10,airline\nA1,9:00,web\nB2,7:00,web\nB2,,web\nB2,7:30,web\nC3,1:00,web\n",
        )
        .write("resources/flights/ingest.yaml", "tables: {flights: {source: {file: {path: flights.csv}}, columns: {flight: string, departed: string, source: string}}}\n")
        .write(
            "resources/flights/clean.yaml",
            "tables:\n  flights:\n    changes: true\n    steps:\n      - repair: {key: flight, columns: [departed], by: majority}\n",
        );
    project.run("ingest", ["flights"]).exits(0);
    project
}

#[test]
fn each_repaired_cell_is_logged_and_can_be_taken_back() {
    let project = flights();
    let outcome = project.run("clean", ["flights"]);
    outcome.exits(0);
    let review = "data/processed/flights/clean/review/flights_step1_repair.csv";
    assert!(
        outcome.stderr.contains(&format!(
            "warning: clean flights: table 'flights': step 1 'repair': 1 key is undecided and stays as it is; see {review}"
        )),
        "{outcome}"
    );
    assert_eq!(project.read(review), "column,flight,value,rows\ndeparted,B2,7:00,1\ndeparted,B2,7:30,1\n");
    let made = outcome.stdout();
    assert_eq!(project.table(&made[0]).column("departed"), ["9:00", "9:00", "9:00", "7:00", "", "7:30", "1:00"]);
    let evidence = project.evidence(&made[0]);
    let log = project.table(evidence["changes"].as_str().expect("a change log"));
    let ids: Vec<String> = log.column("id").iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(log.column("_row"), ["3"], "{log:?}");
    assert_eq!((log.column("before"), log.column("after")), (vec!["9:10"], vec!["9:00"]));
    assert_eq!(log.column("by"), ["step 1 'repair'"]);
    let undone = project.run("clean", ["flights", "--undo", &ids[0]]);
    undone.exits(0);
    assert_eq!(project.table(&undone.stdout()[0]).column("departed")[1], "9:10");
}

#[test]
fn a_review_that_is_no_longer_written_is_removed() {
    let project = flights();
    project.run("clean", ["flights"]).exits(0);
    let spec = project.read("resources/flights/clean.yaml");
    project.write("resources/flights/clean.yaml", spec.replace("by: majority", "by: [majority, first]"));
    project.run("clean", ["flights"]).exits(0);
    assert_eq!(project.list("data/processed/flights/clean/review"), Vec::<String>::new());
}

#[test]
fn spellings_are_proposed_reviewed_and_then_applied() {
    let project = Project::new();
    let clean = "tables: {t: {steps: [{cluster: {columns: [city], method: fingerprint}}]}}\n";
    project
        .write("t.csv", "city\nSão Paulo\nSão Paulo\nsao paulo\nPaulo São\nBonn\n")
        .write("resources/p/ingest.yaml", "tables: {t: {source: {file: {path: t.csv}}}}\n")
        .write("resources/p/clean.yaml", clean);
    project.run("ingest", ["p"]).exits(0);
    let outcome = project.run("clean", ["p"]);
    outcome.exits(0);
    assert_eq!(
        project.table(&outcome.stdout()[0]).column("city"),
        ["São Paulo", "São Paulo", "sao paulo", "Paulo São", "Bonn"]
    );
    let review = project.read("data/processed/p/clean/review/t_step1_cluster.csv");
    assert_eq!(
        review,
        "column,before,after,accepted_by,count,method,distance\ncity,Paulo São,São Paulo,,1,fingerprint,8\ncity,sao \
         paulo,São Paulo,,1,fingerprint,3\n"
    );
    // A person copies the review, and changes one line: that text stays.
    let reviewed = review.replace("city,Paulo São,São Paulo,", "city,Paulo São,Paulo São,ann");
    project
        .write("resources/p/cities.csv", reviewed)
        .write("resources/p/clean.yaml", clean.replace("fingerprint}", "fingerprint, file: resources/p/cities.csv}"));
    let outcome = project.run("clean", ["p"]);
    outcome.exits(0);
    assert_eq!(
        project.table(&outcome.stdout()[0]).column("city"),
        ["São Paulo", "São Paulo", "São Paulo", "Paulo São", "Bonn"]
    );
    assert_eq!(project.list("data/processed/p/clean/review"), Vec::<String>::new());
    // The file is an input of the run.
    project.write("resources/p/cities.csv", "column,before,after\n");
    let outcome = project.run("clean", ["p"]);
    assert!(outcome.stderr.contains("resources/p/cities.csv"), "{outcome}");
}

#[test]
fn rows_that_are_alike_are_counted_as_duplicates_and_listed_with_their_scores() {
    let project = Project::new();
    project
        .write("people.csv", "name,zip,email\nAnn Miller,1,a@x\nAnne Miller,1,\nBob,1,b@x\nAnn Miller,2,a@x\n")
        .write(
            "resources/people/ingest.yaml",
            "tables: {people: {source: {file: {path: people.csv}}, columns: {name: string, zip: string, email: string}}}\n",
        )
        .write(
            "resources/people/clean.yaml",
            "tables: {people: {steps: [{dedupe: {any: [email], similar: {block: [zip], fields: [{column: name}], threshold: 0.9, \
             report: 0.1}, cluster: person, count: rows}}]}}\n",
        );
    project.run("ingest", ["people"]).exits(0);
    let outcome = project.run("clean", ["people"]);
    outcome.exits(0);
    let made = &outcome.stdout()[0];
    assert_balanced(&project, made);
    let books = &project.evidence(made)["books"];
    assert_eq!(books["entries"][0]["fate"], "duplicate");
    assert_eq!(books["entries"][0]["rule"], "step 1 'dedupe' of alike rows");
    assert_eq!(books["entries"][0]["rows"], 2);
    let table = project.table(made);
    assert_eq!(
        table.select(&["name", "person", "rows"]).to_string(),
        "name | person | rows\nAnn Miller | 1 | 3\nBob | 2 | 1"
    );
    let review = Table::from_csv(&project.read("data/processed/people/clean/review/people_step1_dedupe.csv"));
    let shown = review.select(&["cluster", "score", "is_one", "_row_1", "_row_2", "name_2"]).to_string();
    // All letters match but one: Jaro's likeness is (10/10 + 10/11 + 10/10) / 3 = 0.9697, Winkler's with three letters
    // in front 0.9788.
    assert_eq!(
        shown,
        "cluster | score | is_one | _row_1 | _row_2 | name_2\n1 |  | true | 2 | 5 | Ann Miller\n1 | 0.9788 | true | 2 | 3 | Anne Miller"
    );
    // Without `drop` the same rows stay.
    let spec = project.read("resources/people/clean.yaml");
    project.write("resources/people/clean.yaml", spec.replace("count: rows", "action: mark"));
    let outcome = project.run("clean", ["people"]);
    outcome.exits(0);
    assert_eq!(project.table(&outcome.stdout()[0]).column("person"), ["1", "1", "2", "1"]);
}
