//! Inputs that are not what was written, and names and texts that must not do harm outside of their place.

use testkit::Project;
use tests::{ORDERS, SHOP_CLEAN, SHOP_INGEST, ingested, nothing_in, shop};

mod parquet {
    use super::*;

    fn cleaned_from(content: impl AsRef<[u8]>) -> (Project, testkit::Outcome) {
        let project = shop();
        project.write("some.parquet", content);
        let outcome = project.run("clean", ["shop", "some.parquet"]);
        (project, outcome)
    }

    #[test]
    fn a_foreign_file_is_distinguished() {
        for (content, says) in [
            (&b""[..], "it is empty"),
            (&b"PAR1"[..], "it is too short"),
            (&b"id,amount\n1,2.5\n3,4.5\n"[..], "it does not begin with PAR1"),
            (&b"PAR1 and then nothing of the kind"[..], "it does not end with PAR1"),
        ] {
            let (project, outcome) = cleaned_from(content);
            outcome.exits(2).says("some.parquet: not a complete Parquet file").says(says);
            nothing_in(&project, "data/processed/shop/clean");
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_is_distinguished() {
        let (project, path) = ingested(ORDERS);
        let whole = std::fs::read(project.at(&path)).expect("the artifact can be read");
        for share in [1, 3, 5, 7, 9] {
            project.write("cut.parquet", &whole[..whole.len() * share / 10]);
            project.run("clean", ["shop", "cut.parquet"]).exits(2).says("cut.parquet: not a complete Parquet file");
        }
        nothing_in(&project, "data/processed/shop/clean");
    }

    #[test]
    fn a_changed_byte_is_found_by_verify() {
        let (project, path) = ingested(ORDERS);
        project.run("clean", ["shop", "--verify", "--dry-run"]).exits(0);
        let whole = std::fs::read(project.at(&path)).expect("the artifact can be read");
        for place in [10, whole.len() / 4] {
            let mut bytes = whole.clone();
            bytes[place] ^= 0xFF;
            std::fs::write(project.at(&path), bytes).expect("the artifact can be written");
            project.run("clean", ["shop", "--verify"]).exits(2).says(&testkit::mask(&path));
        }
        nothing_in(&project, "data/processed/shop/clean");
    }

    /// The engine silently decodes a page whose bytes were changed. So inputs are compared while the stage works.
    #[test]
    fn nothing_is_published_from_a_damaged_input() {
        let (project, path) = ingested(ORDERS);
        let whole = std::fs::read(project.at(&path)).expect("the artifact can be read");
        let at = whole.windows(3).position(|bytes| bytes == b"bob").expect("a name stands in the file as it is");
        let mut bytes = whole.clone();
        bytes[at] = b'r';
        std::fs::write(project.at(&path), &bytes).expect("the artifact can be written");
        let shown = testkit::mask(&path);
        let says =
            format!("error: clean shop: {shown}: its content does not match its hash; it was damaged or changed");
        project.run("clean", ["shop"]).exits(2).says(&says);
        nothing_in(&project, "data/processed/shop/clean");
        // What goes elsewhere at once is compared before.
        project.write("resources/shop/export.yaml", "table: orders\nformat: csv\n");
        for arguments in [&["-o", "-"][..], &["-o", "out.csv"], &[]] {
            let outcome = project.run("export", ["shop", &path].iter().chain(arguments));
            outcome.exits(2).says("its content does not match its hash");
            assert!(outcome.bytes.is_empty() && !project.exists("out.csv"), "{outcome}");
        }
        // The same file as a source of another pipeline.
        let spec = format!("tables:\n  again: {{source: {{file: {{path: {path}}}}}}}\n");
        project.write("resources/other/ingest.yaml", &spec);
        project.run("ingest", ["other"]).exits(2).says("its content does not match its hash");
        std::fs::write(project.at(&path), &whole).expect("the artifact can be written");
        project.run("clean", ["shop"]).exits(0);
        project.run("ingest", ["other"]).exits(0);
    }

    #[test]
    fn an_artifact_gone_missing_is_named_and_its_stage_makes_it_anew() {
        let (project, path) = ingested(ORDERS);
        std::fs::remove_file(project.at(&path)).expect("it was there");
        project.run("clean", ["shop"]).exits(2).says("no such file; run the stage that writes it");
        project.run("ingest", ["shop"]).exits(0).says("is missing or damaged");
        project.run("clean", ["shop"]).exits(0);
    }
}

mod names {
    use super::*;

    /// Files are called after tables.
    #[test]
    fn a_table_is_not_called_as_a_path() {
        for name in ["/tmp/outside", "../../outside", "a/b", "..", ".lock", "orders.refused", "-", "a*b", "a b"] {
            let project = shop();
            let spec = SHOP_INGEST.replace("  orders:", &format!("  \"{name}\":"));
            project.write("resources/shop/ingest.yaml", spec);
            project.run("ingest", ["shop"]).exits(2).says(&format!(
                "resources/shop/ingest.yaml:1:1: tables: '{name}' is not a name; use up to 64 letters, digits, '_' and '-', \
                 beginning with a letter or digit"
            ));
            nothing_in(&project, "data");
            let spec = SHOP_CLEAN.replace("  orders:", &format!("  \"{name}\":"));
            project.write("resources/shop/ingest.yaml", SHOP_INGEST).write("resources/shop/clean.yaml", spec);
            project.run("ingest", ["shop"]).exits(0);
            project.run("clean", ["shop"]).exits(2).says("is not a name; use up to 64 letters");
            nothing_in(&project, "data/processed");
        }
        // A name with a line end would break the list of paths that tools print.
        let project = shop();
        project.write("resources/shop/ingest.yaml", SHOP_INGEST.replace("  orders:", "  \"a\\nb\":"));
        project.run("ingest", ["shop"]).exits(2).says("tables: 'a\\nb' is not a name");
    }

    /// The content of a file must not move the cursor of the terminal that shows a message.
    #[test]
    fn control_characters_in_messages_are_shown() {
        let project = shop();
        project.write("resources/shop/ingest.yaml", SHOP_INGEST.replace("orders.csv", "\"a\\0\\e[2Jb.csv\""));
        let outcome = project.run("ingest", ["shop"]);
        outcome.exits(2).says("a\\0\\u{1b}[2Jb.csv");
        assert!(!outcome.stderr.contains(['\0', '\u{1b}']), "{:?}", outcome.stderr);
    }
}
