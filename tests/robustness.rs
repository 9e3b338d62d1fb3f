//! What the tools must withstand: bad files, bad specs, bad places, bad moments. Each test shows the error, its
//! exit code and that nothing was half-published.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use testkit::{Project, binary, pinned};
use tests::{ORDERS, SHOP_CLEAN, SHOP_INGEST, TOOLS, ingested, nothing_in, shop, small_churn};

/// The same, though a part of the rows will be refused.
#[track_caller]
fn ingested_in_part(content: impl AsRef<[u8]>) -> (Project, String) {
    let project = shop();
    project
        .write("orders.csv", content)
        .write("resources/shop/ingest.yaml", format!("max_refused: 0.5\n{SHOP_INGEST}"));
    let outcome = project.run("ingest", ["shop"]);
    outcome.exits(0);
    let path = outcome.path();
    (project, path)
}

/// Ingests `orders.csv` with this content, which must fail; returns nothing published.
#[track_caller]
fn not_ingested(content: impl AsRef<[u8]>, code: i32, says: &[&str]) {
    let project = shop();
    project.write("orders.csv", content);
    let outcome = project.run("ingest", ["shop"]);
    outcome.exits(code);
    for text in says {
        outcome.says(text);
    }
    nothing_in(&project, "data/raw/shop");
}

mod folders {
    use super::*;

    /// The engine would take `amount=9` for a column, and put 9 into every row of one that is there.
    #[test]
    fn a_project_in_folders_that_look_like_columns_keeps_its_data() {
        let project = Project::new();
        let inside = "amount=9/env=prod/id=02134";
        let root = project.at(inside);
        let project = project.with_variable("MILLRACE_ROOT", root.display().to_string());
        let at = |path: &str| format!("{inside}/{path}");
        project
            .write(&at("resources/shop/ingest.yaml"), SHOP_INGEST)
            .write(&at("resources/shop/clean.yaml"), SHOP_CLEAN)
            .write(&at("resources/shop/export.yaml"), "table: orders\nformat: csv\n")
            .write(&at("orders.csv"), ORDERS);
        project.run("ingest", ["shop"]).exits(0);
        project.run("clean", ["shop"]).exits(0);
        let exported = project.run("export", ["shop", "-o", "-"]);
        exported.exits(0);
        let lines = exported.stdout();
        let header = lines[0].trim_start_matches('\u{feff}');
        assert!(header.starts_with("id,customer,day,amount") && !header.contains("env"), "{header}");
        assert!(lines[1].starts_with("1,ann,2026-01-01,10.5"), "{}", lines[1]);
        assert_eq!(lines.len(), 4, "a header and the rows that clean keeps: {lines:?}");
    }
}

mod files {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let project = shop();
        std::fs::remove_file(project.at("orders.csv")).expect("it was there");
        project.run("ingest", ["shop"]).exits(2).says("orders.csv");
        nothing_in(&project, "data/raw/shop");
    }

    #[test]
    fn an_empty_file_is_named() {
        not_ingested("", 2, &["orders.csv", "empty"]);
    }

    #[test]
    fn a_header_without_rows_publishes_nothing() {
        not_ingested("id,customer,day,amount\n", 2, &["orders.csv: there is a header, but no rows"]);
    }

    #[test]
    fn ragged_lines_are_refused_with_their_line_and_text() {
        let (project, _) = ingested_in_part(format!("{ORDERS}5,dee\n6,eve,2026-01-06,1,extra\n"));
        let refused = project.list("data/raw/shop").into_iter().find(|name| name.contains(".refused."));
        let refused = project.table(&format!("data/raw/shop/{}", refused.expect("there are refused rows")));
        assert_eq!(refused.column("_row"), ["6", "7"]);
    }

    #[test]
    fn cells_of_another_type_are_refused_and_the_books_balance() {
        let (project, path) = ingested_in_part(format!("{ORDERS}x5,dee,2026-01-05,3\n6,eve,someday,3\n"));
        assert_eq!(project.table(&path).column("id"), ["1", "2", "3", "4"]);
        let evidence = project.evidence(&path);
        assert_eq!(evidence["books"]["rows_in"], 6);
        assert_eq!(evidence["books"]["rows_out"], 4);
        let refused = project.table(evidence["refused"].as_str().expect("the evidence names the refused rows"));
        assert_eq!(refused.column("id"), ["x5", "6"]);
        assert_eq!(refused.column("day"), ["2026-01-05", "someday"]);
        assert!(refused.column("_reason").iter().all(|reason| !reason.is_empty()));
    }

    #[test]
    fn more_refused_rows_than_allowed_end_the_run() {
        let project = shop();
        let bad = format!("{ORDERS}x5,dee,2026-01-05,3\n6,eve,someday,3\n");
        project.write("orders.csv", &bad);
        let outcome = project.run("ingest", ["shop"]);
        outcome.exits(1).says(
            "ingest shop: table 'orders': 2 of 6 rows (33.33 %) refused, but 'max_refused' allows 1 %: id: 'x5' is not an \
             int64; day: 'someday' is not a date; if that is expected, raise 'max_refused'; nothing was \
             published; the previous output is unchanged; refused rows: data/raw/shop/orders_<time>.refused.parquet",
        );
        assert!(!project.exists("data/raw/shop/latest"));
        let limits = |limit: &str| {
            project.write("resources/shop/ingest.yaml", format!("max_refused: {limit}\n{SHOP_INGEST}"));
            project.run("ingest", ["shop"])
        };
        limits("0.33").exits(1);
        limits("0.34")
            .exits(0)
            .says("warning: ingest shop: orders: 2 of 6 rows (33.33 %) refused: id: 'x5' is not an int64; ");
        limits("{orders: 0.5}").exits(0);
        limits("{order: 0.5}").exits(2).says("no table 'order'; did you mean 'orders'?");
        limits("50").exits(2).says("50 is not a share of rows; write a number from 0 to 1, such as 0.05 for 5 %");
        // One in a hundred is allowed by default.
        let rows: String = (1..=100).map(|id| format!("{id},ann,2026-01-01,1\n")).collect();
        let of_hundred = rows.replacen("17,ann", "x17,ann", 1);
        project
            .write("orders.csv", format!("id,customer,day,amount\n{of_hundred}"))
            .write("resources/shop/ingest.yaml", SHOP_INGEST);
        project.run("ingest", ["shop"]).exits(0).says("1 of 100 rows (1 %) refused: id: 'x17' is not an int64");
    }

    #[test]
    fn an_empty_file_among_others_is_in_the_books() {
        let project = shop();
        let spec = SHOP_INGEST.replace("{path: orders.csv}", "{path: 'orders*.csv'}");
        project.write("orders_2.csv", "id,customer,day,amount\n").write("resources/shop/ingest.yaml", &spec);
        let outcome = project.run("ingest", ["shop"]);
        outcome.exits(0).says("4 rows in, 4 out; 1 file without rows skipped").says(
            "warning: ingest shop: orders: 1 file without rows skipped: orders_2.csv: there is a header, but no rows",
        );
        let notes = &project.evidence(&outcome.path())["notes"];
        assert_eq!(notes["empty_files"][0], "orders_2.csv: there is a header, but no rows");
        let refusing = spec.replace("*.csv'}", "*.csv', empty_files: error}");
        project.write("resources/shop/ingest.yaml", refusing);
        project.run("ingest", ["shop"]).exits(2).says("orders_2.csv: there is a header, but no rows");
        project.write("resources/shop/ingest.yaml", spec).write("orders.csv", "");
        project
            .run("ingest", ["shop"])
            .exits(2)
            .says("none of the 2 files has rows: orders.csv: the file is empty; orders_2.csv: ");
    }

    #[test]
    fn a_wrong_encoding_is_named_with_its_line() {
        let cp949 = b"id,customer,day,amount\n1,\xB1\xE8,2026-01-01,1\n";
        not_ingested(cp949, 2, &["orders.csv", "encoding"]);
        let project = shop();
        let spec = SHOP_INGEST.replace("{path: orders.csv}", "{path: orders.csv, encoding: cp949}");
        project.write("orders.csv", cp949).write("resources/shop/ingest.yaml", spec);
        let path = project.run("ingest", ["shop"]).path();
        assert_eq!(project.table(&path).column("customer"), ["김"]);
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_first_name() {
        let (project, path) = ingested(format!("\u{feff}{ORDERS}"));
        assert_eq!(project.table(&path).column("id").len(), 4);
    }

    #[test]
    fn line_ends_of_windows_are_not_part_of_the_last_cell() {
        let (project, path) = ingested(ORDERS.replace('\n', "\r\n"));
        assert_eq!(project.table(&path).column("amount"), project_amounts());
    }

    fn project_amounts() -> Vec<String> {
        let (project, path) = ingested(ORDERS);
        project.table(&path).column("amount").into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_end_in_quotes_is_part_of_the_cell_and_counted_in_line_numbers() {
        let (project, path) = ingested("id,customer,day,amount\n1,\"a\nb\",2026-01-01,1\n2,c,2026-01-02,2\n");
        let table = project.table(&path);
        assert_eq!(table.column("customer"), ["a\nb", "c"]);
        assert_eq!(table.column("_row"), ["2", "4"]);
    }

    #[test]
    fn a_quote_that_never_ends_is_a_refused_row_and_never_lost() {
        let project = shop();
        project.write("orders.csv", format!("{ORDERS}5,\"dee,2026-01-05,3\n6,eve,2026-01-06,4\n"));
        // The line with the quote is refused, one of six where one in a hundred may be; the one after it is read.
        let outcome = project.run("ingest", ["shop"]);
        outcome.exits(1).says("1 of 6 rows (16.67 %) refused").says("line 6: a quote is opened and never closed");
        assert!(!project.exists("data/raw/shop/latest"));
        let spec = format!("max_refused: 0.5\n{SHOP_INGEST}");
        project.write("resources/shop/ingest.yaml", spec);
        let outcome = project.run("ingest", ["shop"]);
        outcome.exits(0);
        let evidence = project.evidence(&outcome.path());
        assert_eq!((&evidence["books"]["rows_in"], &evidence["books"]["rows_out"]), (&6.into(), &5.into()));
        let refused = project.table(evidence["refused"].as_str().expect("the evidence names the refused rows"));
        assert_eq!(refused.column("_row"), ["6"]);
        assert_eq!(project.table(&outcome.path()).column("id"), ["1", "2", "3", "4", "6"]);
    }

    #[test]
    fn duplicate_column_names_are_named() {
        not_ingested("id,customer,day,amount,amount\n1,a,2026-01-01,1,2\n", 2, &["orders.csv", "amount"]);
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_its_neighbour() {
        not_ingested("id,customer,day,amout\n1,a,2026-01-01,1\n", 2, &["amount", "did you mean 'amout'?"]);
    }

    #[test]
    fn columns_of_nothing_but_nulls_go_through() {
        let (project, path) = ingested("id,customer,day,amount\n1,,,\n2,,,\n");
        assert_eq!(
            project.table(&path).select(&["id", "customer", "amount"]).to_string(),
            "id | customer | amount\n1 |  | \n2 |  | "
        );
    }

    #[test]
    fn a_glob_that_matches_nothing_is_an_error() {
        let project = shop();
        project.write("resources/shop/ingest.yaml", SHOP_INGEST.replace("orders.csv", "'*.tsv'"));
        project.run("ingest", ["shop"]).exits(2).says("*.tsv");
    }

    #[test]
    fn no_rows_after_a_filter_publish_nothing() {
        let project = shop();
        project.run("ingest", ["shop"]).exits(0);
        project.write("resources/shop/clean.yaml", SHOP_CLEAN.replace("amount > 0", "amount > 1000"));
        project.run("clean", ["shop"]).exits(1).says("orders").says("filter");
        nothing_in(&project, "data/processed/shop/clean");
    }
}

mod specs {
    use super::*;

    #[test]
    fn unknown_keys_are_placed_and_their_neighbour_named() {
        let project = shop();
        project.write("resources/shop/clean.yaml", SHOP_CLEAN.replace("- trim", "- trimm"));
        project.run("ingest", ["shop"]).exits(0);
        pinned!(
            project.run("clean", ["shop"]),
            "
            exit 2
            stderr
              error: clean shop: resources/shop/clean.yaml:4:9: tables.orders.steps[0]: unknown step 'trimm'; did you mean 'trim'?
            "
        );
    }

    #[test]
    fn a_missing_variable_is_named_with_its_place() {
        let project = shop();
        project.write("resources/shop/ingest.yaml", SHOP_INGEST.replace("orders.csv", "\"${ORDERS_CSV}\""));
        project.run("ingest", ["shop"]).exits(2).says("resources/shop/ingest.yaml:3:").says("ORDERS_CSV is not set");
        let project = project.with_variable("ORDERS_CSV", "orders.csv");
        project.run("ingest", ["shop"]).exits(0);
    }

    #[test]
    fn a_missing_spec_is_named() {
        let project = shop();
        project.run("features", ["shop"]).exits(2).says("resources/shop/features.yaml: no such file");
    }

    #[test]
    fn an_empty_spec_is_an_error() {
        let project = shop();
        project.write("resources/shop/ingest.yaml", "# nothing yet\n");
        project.run("ingest", ["shop"]).exits(2).says("the file is empty");
    }

    #[test]
    fn a_secret_never_reaches_the_log() {
        let project = shop().with_variable("SHOP_PASSWORD", "hunter2hunter2");
        project.write("resources/shop/ingest.yaml", SHOP_INGEST.replace("orders.csv", "\"no/${SHOP_PASSWORD}.csv\""));
        let outcome = project.run("ingest", ["shop"]);
        outcome.exits(2).never_says("hunter2hunter2");
        assert!(
            !project.list("data/runs").iter().any(|name| project.read(format!("data/runs/{name}")).contains("hunter2"))
        );
    }
}

mod learning {
    use super::*;

    #[test]
    fn a_target_of_one_class_is_refused() {
        let project = small_churn();
        for tool in ["ingest", "clean"] {
            project.run(tool, ["churn"]).exits(0);
        }
        let spec = project.read("resources/churn/features.yaml");
        // Nobody buys within an hour of a cutoff, so everybody churns.
        let one_class = spec.replace("horizon: 90d", "horizon: 1h");
        assert_ne!(spec, one_class, "the shipped spec has another horizon now: correct this test");
        project.write("resources/churn/features.yaml", one_class);
        project.run("features", ["churn"]).exits(0);
        project.run("train", ["churn"]).exits(1).says("label 'churned' is 1 in all");
        assert!(!project.exists("data/models/churn/latest"));
    }
}

mod places {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let project = shop();
        // Rights would not stop root; a file in the way stops everybody.
        project.write("data/raw", "in the way");
        project.run("ingest", ["shop"]).exits(2).says("data/raw/shop");
    }

    #[test]
    fn a_file_too_large_to_write_publishes_nothing() {
        let project = small_churn();
        // The shell limits the file size; with the signal ignored, the write itself fails as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f 64; exec {} churn", binary("ingest").display());
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(project.root())
            .env_remove("MILLRACE_ROOT")
            .env("CHURN_PURCHASES", "20000")
            .stdin(Stdio::null())
            .output()
            .expect("bash can be called");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("too large"), "{stderr}");
        nothing_in(&project, "data/raw/churn");
        project.run("ingest", ["churn"]).exits(0);
    }

    #[test]
    fn a_full_disk_publishes_nothing() {
        let project = small_churn();
        project.make_folder("data");
        let script = format!(
            "mount -t tmpfs -o size=256k tmpfs data || exit 99; {} churn; code=$?; find data -name '*.parquet' -o -name latest \
             -o -name '.tmp-*' >&2; exit $code",
            binary("ingest").display()
        );
        // Root may mount as it is; in a clean room it may do nothing else.
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let output = Command::new("unshare")
            .arg("--mount")
            .args((!is_root).then_some("--map-root-user"))
            .args(["bash", "-c", &script])
            .current_dir(project.root())
            .env_remove("MILLRACE_ROOT")
            .env("CHURN_PURCHASES", "20000")
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output.filter_mountable() else {
            testkit::skipped("mount", "a small disk cannot be mounted here");
            return;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("no space left on device; free some space and run again"), "{stderr}");
        assert!(!stderr.contains("data/raw/churn/purchases") && !stderr.contains(".tmp-"), "{stderr}");
    }

    trait Mountable {
        fn filter_mountable(self) -> Result<std::process::Output, ()>;
    }

    impl Mountable for std::io::Result<std::process::Output> {
        /// `Err` where there is no `unshare`, or it may not mount.
        fn filter_mountable(self) -> Result<std::process::Output, ()> {
            match self {
                Ok(output) if output.status.code() != Some(99) && !refused(&output) => Ok(output),
                _ => Err(()),
            }
        }
    }

    fn refused(output: &std::process::Output) -> bool {
        String::from_utf8_lossy(&output.stderr).starts_with("unshare:")
    }
}

mod streams {
    use super::*;

    #[test]
    fn an_empty_dash_is_an_error_and_never_old_data() {
        let project = shop();
        project.run("ingest", ["shop"]).exits(0);
        project.run_with_stdin("clean", ["shop", "-"], b"").exits(2).says("stdin names no input");
        nothing_in(&project, "data/processed/shop/clean");
    }

    #[test]
    fn a_dash_reads_paths() {
        let project = shop();
        let raw = project.run("ingest", ["shop"]);
        let clean = project.run_with_stdin("clean", ["shop", "-"], &raw.bytes);
        clean.exits(0);
        assert_eq!(project.table(&clean.path()).column("customer"), ["ann", "bob", "cy"]);
    }

    #[test]
    fn data_can_come_in_through_stdin() {
        let project = shop();
        let raw = project.run_with_stdin("ingest", ["shop", "-"], ORDERS.as_bytes());
        raw.exits(0);
        assert_eq!(project.table(&raw.path()).rows.len(), 4);
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let (project, path) = ingested(format!("{ORDERS}{}", "5,dee,2026-01-05,3\n".repeat(200_000)));
        project.table(&path); // writes the spec that reads a table back
        let mut child = project.command("export", ["testkit_reader", &path, "-o", "-"]).spawn().expect("export starts");
        let mut first = [0u8; 10];
        child.stdout.take().expect("stdout is piped").read_exact(&mut first).expect("some data comes");
        // Here the pipe is closed, while most of the data is still to come.
        let output = child.wait_with_output().expect("export ends");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn help_into_a_closed_pipe_is_success() {
        let project = shop();
        for tool in TOOLS {
            let mut child = project.command(tool, ["--schema"]).spawn().expect("the tool starts");
            drop(child.stdout.take());
            let output = child.wait_with_output().expect("the tool ends");
            assert_eq!(output.status.code(), Some(0), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

mod moments {
    use super::*;

    #[test]
    fn a_second_run_waits_for_the_first() {
        let project = shop();
        project.write("data/raw/shop/.lock", "");
        let lock = std::fs::File::options().write(true).open(project.at("data/raw/shop/.lock")).expect("it is there");
        lock.lock().expect("nobody else holds it");
        let mut child = project.command("ingest", ["shop"]).spawn().expect("ingest starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("it says that it waits");
        assert!(line.contains("waiting for another run to end"), "{line}");
        nothing_in(&project, "data/raw/shop");
        drop(lock);
        let output = child.wait_with_output().expect("ingest ends");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(project.latest("data/raw/shop").len(), 1);
    }

    #[test]
    fn ten_runs_at_once_publish_one_whole_table() {
        let project = shop();
        let children: Vec<_> =
            (0..10).map(|_| project.command("ingest", ["shop"]).spawn().expect("ingest starts")).collect();
        for child in children {
            let output = child.wait_with_output().expect("ingest ends");
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let tables: Vec<String> =
            project.list("data/raw/shop").into_iter().filter(|name| name.ends_with(".parquet")).collect();
        assert_eq!(tables.len(), 1, "the nine that waited were up to date: {tables:?}");
    }

    #[test]
    fn a_polite_end_leaves_a_log_line_and_nothing_else() {
        let project = small_churn().with_variable("CHURN_PURCHASES", "3000000");
        for signal in ["INT", "TERM"] {
            let mut child = project.command("ingest", ["churn"]).spawn().expect("ingest starts");
            let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
            let mut line = String::new();
            stderr.read_line(&mut line).expect("it says why it runs");
            assert!(line.contains("runs because"), "{line}");
            let kill = testkit::signal::send(signal, &child.id().to_string());
            assert!(kill.expect("there is a shell").success());
            line.clear();
            stderr.read_to_string(&mut line).expect("it says that it was interrupted");
            assert_eq!(child.wait().expect("it ends").code(), Some(75), "{line}");
            assert!(line.contains(&format!("interrupted by SIG{signal}")), "{line}");
            nothing_in(&project, "data/raw/churn");
        }
        let log = project.read("data/runs/churn.jsonl");
        assert_eq!(log.lines().filter(|line| line.contains("\"ABORT\"")).count(), 2, "{log}");
    }
}
