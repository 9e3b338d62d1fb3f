//! Random tables of every type go into three databases and come back as they were.

use std::path::Path;

use polars::prelude::*;
use spec::{Environment, Root};
use testkit::{MariadbServer, PostgresServer, Random};

use super::load::{How, load, missing};
use crate::{ExportFile, ExportSpec};

fn spec_of(format: &str, options: &str) -> ExportSpec {
    let text = format!("table: t\nformat: {format}\n{format}: {{{options}}}\n");
    let file: ExportFile =
        ::spec::parse(&text, Path::new("export.yaml"), &Environment::default()).map(|loaded| loaded.spec).unwrap();
    file.checked().unwrap().remove(0)
}

fn loaded(spec: &ExportSpec, root: &Root, key: &str, table: &DataFrame) -> ::spec::Result<artifact::Receipt> {
    let how = How { spec, schema: table.schema(), who: "p/t", key, parts: &[], root, force: false };
    let middle = table.height() / 2;
    load(&how, [Ok(table.slice(0, middle)), Ok(table.slice(middle as i64, table.height()))].into_iter())
}

/// A column of values that are drawn one by one, a tenth of them null.
fn column<T>(random: &mut Random, rows: usize, mut value: impl FnMut(&mut Random) -> T) -> Vec<Option<T>> {
    (0..rows).map(|_| (random.below(10) > 0).then(|| value(random))).collect()
}

/// A table of every type that databases take, with values at the ends of their ranges among them.
fn table(random: &mut Random, rows: usize) -> DataFrame {
    let edge = |random: &mut Random, edges: &[i64], low: i64, high: i64| match random.below(4) {
        0 => edges[random.below(edges.len() as u64) as usize],
        _ => low + (random.next_u64() % (high - low) as u64) as i64,
    };
    // 0001-01-01 and 9999-12-31, the days around 1970 and 2000.
    let days = [-719_162, 2_932_896, -1, 0, 10_956, 10_957];
    let micros = [-62_135_596_800_000_000, 253_402_300_799_999_999, -1, 0, 946_684_800_000_000, 946_684_799_999_999];
    let day = column(random, rows, |random| edge(random, &days, -100_000, 100_000) as i32);
    let at = column(random, rows, |random| edge(random, &micros, -5_000_000_000_000_000, 5_000_000_000_000_000));
    let zoned = column(random, rows, |random| edge(random, &micros, -5_000_000_000_000_000, 5_000_000_000_000_000));
    let millis = column(random, rows, |random| edge(random, &[0, -1], -5_000_000_000_000, 5_000_000_000_000));
    let time = column(random, rows, |random| edge(random, &[0, 86_399_999_999], 0, 86_400_000_000) * 1000);
    let cents = column(random, rows, |random| {
        edge(random, &[0, -5, 10_000, -999_999_999_999, 50], -1_000_000, 1_000_000_000) as i128
    });
    let texts = ["", "a", "Ü", "a\tb\n\\N\\", "'; DROP TABLE t; --", "\u{1F600}", "null", "\"q\""];
    let floats = [0.0, -0.0, 0.1, 1e300, -1e-300, 5e-324, f64::MAX, 123_456_789.123_456_79];
    let mut table = df!(
        "bool" => column(random, rows, |random| random.below(2) == 0),
        "small" => column(random, rows, |random| edge(random, &[i16::MIN.into(), i16::MAX.into(), 0], -9, 9) as i16),
        "int" => column(random, rows, |random| edge(random, &[i32::MIN.into(), i32::MAX.into(), 0], -9, 9) as i32),
        "big" => column(random, rows, |random| edge(random, &[i64::MIN, i64::MAX, 0], -9, 9)),
        "huge" => column(random, rows, |random| if random.below(3) == 0 { u64::MAX } else { random.below(1000) }),
        "single" => column(random, rows, |random| [0.1f32, -0.0, f32::MAX, 1e-40, 16_777_216.0][random.below(5) as usize]),
        "double" => column(random, rows, |random| floats[random.below(floats.len() as u64) as usize]),
        "text" => column(random, rows, |random| texts[random.below(texts.len() as u64) as usize]),
    )
    .unwrap();
    let with = |table: &mut DataFrame, series: Series, dtype: DataType| {
        table.with_column(series.cast(&dtype).unwrap().into()).unwrap();
    };
    with(&mut table, Series::new("day".into(), day), DataType::Date);
    with(&mut table, Series::new("at".into(), at), DataType::Datetime(TimeUnit::Microseconds, None));
    let zone = TimeZone::opt_try_new(Some("Asia/Seoul")).unwrap();
    with(&mut table, Series::new("zoned".into(), zoned), DataType::Datetime(TimeUnit::Microseconds, zone));
    with(&mut table, Series::new("millis".into(), millis), DataType::Datetime(TimeUnit::Milliseconds, None));
    with(&mut table, Series::new("time".into(), time), DataType::Time);
    let cents: Int128Chunked = cents.into_iter().collect();
    let cents = cents.with_name("cents".into()).into_decimal_unchecked(18, 2).into_series();
    table.with_column(cents.into()).unwrap();
    table
}

#[test]
fn every_value_comes_back_as_it_was_sent() {
    let (postgres, mariadb) = (PostgresServer::start(), MariadbServer::start());
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let mut random = Random::seeded(2026);
    for round in 0..6 {
        let rows = [0, 1, 7, 500, 1500, 40][round];
        let table = table(&mut random, rows);
        let mut targets = vec![spec_of("sqlite", "path: a.db")];
        targets.extend(postgres.iter().map(|server| spec_of("postgres", &format!("url: '{}'", server.url()))));
        targets.extend(mariadb.iter().map(|server| spec_of("mysql", &format!("url: '{}'", server.url()))));
        let receipts: Vec<artifact::Receipt> = targets
            .iter()
            .map(|spec| {
                let key = format!("round {round}");
                let receipt =
                    loaded(spec, &root, &key, &table).unwrap_or_else(|error| panic!("{}: {error}", spec.format));
                // The same again is not loaded again.
                let again = loaded(spec, &root, &key, &table).unwrap();
                assert!(!receipt.was_there && again.was_there && again.checksum == receipt.checksum, "{}", spec.format);
                receipt
            })
            .collect();
        let cents: i128 = table.column("cents").unwrap().to_physical_repr().i128().unwrap().iter().flatten().sum();
        for receipt in &receipts {
            assert_eq!((receipt.rows, receipt.rows_in_target), (rows as u64, rows as u64), "{receipt:?}");
            assert_eq!(receipt.checksum, receipts[0].checksum, "{receipt:?}");
            assert_eq!(receipt.sums["cents"], super::cells::decimal_text(cents, 2));
        }
    }
}

#[test]
fn what_a_database_cannot_hold_is_refused_before_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let failed = |spec: &ExportSpec, table: DataFrame| loaded(spec, &root, "k", &table).unwrap_err().to_string();
    let sqlite = spec_of("sqlite", "path: a.db");
    assert_eq!(
        failed(&sqlite, df!("x" => [1.0, f64::NAN]).unwrap()),
        "a.db t: row 2, column 'x': NaN, which SQLite stores as null; change it by a step of clean, or leave the column out by \
         'columns'"
    );
    let nanos = Series::new("at".into(), [1i64]).cast(&DataType::Datetime(TimeUnit::Nanoseconds, None)).unwrap();
    let nanos = DataFrame::new_infer_height(vec![nanos.into()]).unwrap();
    assert!(failed(&sqlite, nanos).starts_with("a.db t: row 1, column 'at': a time with fractions of a microsecond"));
    if let Some(server) = PostgresServer::start() {
        let spec = spec_of("postgres", &format!("url: '{}'", server.url()));
        let error = failed(&spec, df!("s" => ["a", "b\0"]).unwrap());
        assert!(error.contains("row 2, column 's': a text with the character NUL"), "{error}");
        assert_eq!(server.psql("SELECT to_regclass('t') IS NULL"), "t");
    }
    if let Some(server) = MariadbServer::start() {
        let spec = spec_of("mysql", &format!("url: '{}'", server.url()));
        let error = failed(&spec, df!("x" => [f64::INFINITY]).unwrap());
        assert!(error.contains("row 1, column 'x': a number that is not finite"), "{error}");
    }
}

/// Two rows, appended as those of the files with these hashes.
fn appended(spec: &ExportSpec, root: &Root, key: &str, parts: &[&str]) -> ::spec::Result<artifact::Receipt> {
    let rows = df!("id" => [1i64, 2]).unwrap();
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let how = How { spec, schema: rows.schema(), who: "p/t", key, parts: &parts, root, force: false };
    load(&how, std::iter::once(Ok(rows.clone())))
}

/// A target that is appended to, and how SQL is run there.
type Appended = (ExportSpec, Box<dyn Fn(&str)>);

/// One in each database that is installed; `b.db` is a copy of a SQLite file at another place.
fn targets(folder: &Path) -> Vec<Appended> {
    let file = folder.join("b.db");
    let run = move |sql: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let mut targets: Vec<Appended> = vec![(spec_of("sqlite", "path: b.db, mode: append"), Box::new(run))];
    if let Some(server) = PostgresServer::start() {
        let spec = spec_of("postgres", &format!("url: '{}', table: public.t, mode: append", server.url()));
        targets.push((spec, Box::new(move |sql: &str| drop(server.psql(sql)))));
    }
    if let Some(server) = MariadbServer::start() {
        let spec = spec_of("mysql", &format!("url: '{}', mode: append", server.url()));
        targets.push((spec, Box::new(move |sql: &str| drop(server.sql(sql)))));
    }
    targets
}

#[test]
fn a_database_that_has_moved_is_not_appended_to_twice() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let contents = ["one".to_owned(), "two".to_owned()];
    for (spec, run) in targets(folder.path()) {
        let new = |who: &str| missing(&spec, &root, who, &contents).unwrap();
        assert!(!appended(&spec, &root, "k", &["one"]).unwrap().was_there, "{}", spec.format);
        assert_eq!(new("p/t"), [false, true], "{}", spec.format);
        // Earlier versions kept the address as well.
        run("UPDATE millrace_deliveries SET target = 'scheme://old:1/db t' WHERE target = 't'");
        assert_eq!((new("p/t"), new("p/u")), (vec![false, true], vec![true, true]), "{}", spec.format);
        let again = appended(&spec, &root, "k", &["one"]).unwrap();
        assert!(again.was_there && again.rows == 2, "{}", spec.format);
        assert_eq!(again.target, super::load::target(&spec, &root).unwrap());
    }
    let moved = spec_of("sqlite", "path: c.db, mode: append");
    std::fs::rename(folder.path().join("b.db"), folder.path().join("c.db")).unwrap();
    assert_eq!(missing(&moved, &root, "p/t", &contents).unwrap(), [false, true]);
}

/// The same delivery in another mode.
fn with_mode(spec: &ExportSpec, mode: crate::Mode) -> ExportSpec {
    let database = spec.database.clone().map(|database| crate::DatabaseSpec { mode, ..database });
    ExportSpec { database, ..spec.clone() }
}

#[test]
fn a_table_that_was_dropped_is_delivered_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let contents = ["one".to_owned(), "two".to_owned()];
    for (spec, run) in targets(folder.path()) {
        for mode in [crate::Mode::Append, crate::Mode::Replace] {
            let spec = with_mode(&spec, mode);
            assert!(!appended(&spec, &root, "k", &["one"]).unwrap().was_there, "{}", spec.format);
            assert_eq!(missing(&spec, &root, "p/t", &contents).unwrap(), [false, true], "{}", spec.format);
            run("DROP TABLE t");
            assert_eq!(missing(&spec, &root, "p/t", &contents).unwrap(), [true, true], "{}", spec.format);
            let again = appended(&spec, &root, "k", &["one"]).unwrap();
            assert_eq!((again.was_there, again.rows_in_target), (false, 2), "{}", spec.format);
            run("DROP TABLE t");
            // What else was there is forgotten.
            appended(&spec, &root, "of another", &["two"]).unwrap();
            assert_eq!(missing(&spec, &root, "p/t", &contents).unwrap(), [true, false], "{}", spec.format);
            run("DROP TABLE t");
        }
    }
}

#[test]
fn rows_of_other_tables_do_not_go_with_those_that_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let rows = df!("id" => [1i64, 2]).unwrap();
    for (spec, run) in targets(folder.path()) {
        let replace = with_mode(&spec, crate::Mode::Replace);
        run("CREATE TABLE t (id BIGINT PRIMARY KEY, above BIGINT REFERENCES t (id) ON DELETE CASCADE)");
        loaded(&replace, &root, "first", &rows).unwrap();
        for action in ["CASCADE", "SET NULL"] {
            run(&format!(
                "CREATE TABLE notes (id BIGINT, FOREIGN KEY (id) REFERENCES t (id) ON DELETE {action}); INSERT INTO notes VALUES (1)"
            ));
            let error = loaded(&replace, &root, action, &rows).unwrap_err();
            assert_eq!(error.class(), ::spec::Class::CannotRun);
            let said = "t: 'replace' deletes the old rows, and with them a foreign key of 'notes' would delete or change rows there; \
                        use `mode: upsert`, or take ON DELETE CASCADE or SET out of that foreign key";
            assert!(error.to_string().ends_with(said), "{}: {error}", spec.format);
            run("DROP TABLE notes");
        }
        loaded(&replace, &root, "second", &rows).unwrap();
    }
}

#[test]
fn tables_of_the_loads_themselves_are_no_targets() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec_of("sqlite", "path: a.db, table: Millrace_Staging, mode: append");
    let error = loaded(&spec, &Root::at(folder.path()), "k", &df!("id" => [1i64]).unwrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        "a.db Millrace_Staging: deliveries keep their own records in a table called 'millrace_staging'; choose another 'table'"
    );
}

/// In MySQL rows come back from a staging table: what the target's own table would make of them is not seen there.
#[test]
fn mysql_puts_nothing_in_the_place_of_what_was_sent() {
    let Some(server) = MariadbServer::start_with(&["explicit_defaults_for_timestamp=0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    const MODES: [&str; 3] = ["append", "replace", "upsert, keys: [id]"];
    let outcome = |table: &str, mode: &str, rows: &DataFrame| {
        server.sql(&format!("DROP TABLE IF EXISTS t, millrace_deliveries; {table}"));
        let spec = spec_of("mysql", &format!("url: '{}', mode: {mode}", server.url()));
        let outcome = loaded(&spec, &root, "k", rows);
        let there: u64 = server.sql("SELECT COUNT(*) FROM t WHERE id <> 77").parse().unwrap();
        assert_eq!(there, outcome.as_ref().map_or(0, |receipt| receipt.rows), "{table}");
        outcome.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    };
    // Numbers that the server gives
    let numbered = "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)";
    for mode in MODES {
        assert_eq!(outcome(numbered, mode, &df!("id" => [0i32, 5], "v" => [1i32, 2]).unwrap()), "", "{mode}");
        assert_eq!(server.sql("SELECT id, v FROM t ORDER BY id"), "0\t1\n5\t2", "{mode}");
    }
    let said = "t: column 'id' is NOT NULL in the target, and 1 of its cells are empty; fill them by a step of clean, or change the column \
                of the target; nothing was delivered";
    for mode in ["append", "replace"] {
        let found = outcome(numbered, mode, &df!("id" => [None, Some(5i32)]).unwrap());
        assert!(found.ends_with(said), "{mode}: {found}");
    }
    // Times that the server gives
    let found = outcome(
        "CREATE TABLE t (id INT, at TIMESTAMP NOT NULL)",
        "append",
        &df!("id" => [1i32], "at" => [None::<i64>])
            .unwrap()
            .lazy()
            .with_column(col("at").cast(DataType::Datetime(TimeUnit::Microseconds, None)))
            .collect()
            .unwrap(),
    );
    assert!(found.contains("t: column 'at' is NOT NULL in the target, and 1 of its cells are empty"), "{found}");
    // Triggers
    let rows = df!("id" => [1i32, 2], "v" => [1i32, 2]).unwrap();
    let plain = "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (77, 0);";
    for mode in MODES {
        let changing = outcome(
            &format!("{plain} CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = NEW.v + 1"),
            mode,
            &rows,
        );
        assert!(
            changing.contains("the rows that the target returned are not those that were sent; look for triggers"),
            "{mode}: {changing}"
        );
        let harmless =
            outcome(&format!("{plain} CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @x = 1"), mode, &rows);
        assert_eq!(harmless, "", "{mode}");
    }
    // Values of an ENUM are as they are.
    let of = |kind: &str| df!("id" => [1i32], "kind" => [kind]).unwrap();
    let kinds = "CREATE TABLE t (id INT, kind ENUM('Fair', 'foul')) CHARACTER SET utf8mb4";
    assert_eq!(outcome(kinds, "append", &of("Fair")), "");
    assert!(!outcome(kinds, "append", &of("fair")).is_empty());
    // Keys that are the same to the server, and to nobody else
    let texts = "CREATE TABLE t (id VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v INT)";
    server.sql(&format!("DROP TABLE IF EXISTS t; {texts}; INSERT INTO t VALUES ('a', 1)"));
    let spec = spec_of("mysql", &format!("url: '{}', mode: upsert, keys: [id]", server.url()));
    let error = loaded(&spec, &root, "k", &df!("id" => ["a "], "v" => [2i32]).unwrap()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "t: the key 'a ' differs from one of the target by spaces at its end alone, which MySQL takes for the same; remove such \
             spaces by a step of clean; nothing was delivered"
        ),
        "{error}"
    );
    assert_eq!(server.sql("SELECT id, v FROM t"), "a\t1");
}

#[test]
fn a_replaced_state_is_forgotten_by_every_name_of_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    for (spec, run) in targets(folder.path()) {
        let spec = with_mode(&spec, crate::Mode::Replace);
        assert!(!appended(&spec, &root, "first", &[]).unwrap().was_there);
        run("UPDATE millrace_deliveries SET target = 'scheme://old:1/db t' WHERE delivery = 'p/t'");
        assert!(!appended(&spec, &root, "second", &[]).unwrap().was_there);
        // It comes again.
        assert!(!appended(&spec, &root, "first", &[]).unwrap().was_there, "{}", spec.format);
        assert!(appended(&spec, &root, "first", &[]).unwrap().was_there, "{}", spec.format);
    }
}

/// Two machines have found the same file to be new.
#[test]
fn what_another_run_has_appended_meanwhile_is_not_appended_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    for (spec, _run) in targets(folder.path()) {
        appended(&spec, &root, "of one", &["one"]).unwrap();
        let error = appended(&spec, &root, "of both", &["one", "two"]).unwrap_err();
        assert_eq!(error.class(), ::spec::Class::TryAgain);
        let said =
            "another run has delivered some of these rows meanwhile; run again: the next run adds only what is missing";
        assert!(error.to_string().ends_with(said), "{error}");
        assert_eq!(appended(&spec, &root, "of the rest", &["two"]).unwrap().rows_in_target, 4, "{}", spec.format);
    }
}

#[test]
fn names_that_postgres_would_cut_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let failed = |table: &str, column: &str| {
        let spec = spec_of("postgres", &format!("url: 'postgres://u@127.0.0.1:1/d', table: {table}"));
        loaded(&spec, &root, "k", &df!(column => [1i64]).unwrap()).unwrap_err().to_string()
    };
    // 32 letters of two bytes.
    let long = "é".repeat(32);
    assert_eq!(
        failed("t", &long),
        format!(
            "postgres://127.0.0.1:1/d t: column '{long}': PostgreSQL keeps 63 bytes of a name, and this one has 64; rename it under \
             'columns'"
        )
    );
    let error = failed(&format!("sales.{long}"), "a");
    assert!(error.ends_with("and this one has 64; choose another 'table'"), "{error}");
    assert!(!failed(&format!("sales.{}", &long[..62]), "a").contains("bytes of a name"));
}

#[test]
fn a_table_that_changes_values_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let rows = df!("id" => [1i64, 10], "v" => [1i64, 2]).unwrap();
    let error = |table: &str, mode: &str| {
        let file = folder.path().join("a.db");
        drop(std::fs::remove_file(&file));
        rusqlite::Connection::open(&file).unwrap().execute_batch(table).unwrap();
        let spec = spec_of("sqlite", &format!("path: a.db, mode: {mode}"));
        let outcome = loaded(&spec, &root, "k", &rows);
        let left: i64 = rusqlite::Connection::open(&file)
            .unwrap()
            .query_row("SELECT count(*) FROM t", (), |row| row.get(0))
            .unwrap();
        assert_eq!(left, outcome.as_ref().map_or(0, |receipt| receipt.rows as i64), "{table}");
        outcome.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    };
    // Numbers would be stored as texts, and sorted as such.
    let text = error("CREATE TABLE t (id TEXT, v INTEGER)", "append");
    assert!(text.contains("column 'id': its type in the target would change 2 values"), "{text}");
    // A trigger that runs after the row is stored is not seen by the statement that stores it.
    let plain = "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); CREATE TABLE other (id INTEGER);";
    let after = |body: &str| format!("{plain} CREATE TRIGGER tr AFTER INSERT ON t BEGIN {body}; END");
    for mode in ["append", "replace", "upsert, keys: [id]"] {
        let changed = error(&after("UPDATE t SET v = v + 100 WHERE id = new.id"), mode);
        assert!(
            changed.contains("the rows that the target returned are not those that were sent"),
            "{mode}: {changed}"
        );
        let removed = error(&after("DELETE FROM t WHERE id = new.id"), mode);
        assert!(removed.contains("2 rows were sent, and the table has 0"), "{mode}: {removed}");
        assert_eq!(error(&after("INSERT INTO other VALUES (new.id)"), mode), "", "{mode}");
    }
}

#[test]
fn foreign_keys_that_cannot_be_are_refused_with_the_way_out() {
    let failure = |format: &str, key: &str| {
        crate::testing::load_failure(&format!(
            "table: t\nformat: {format}\n{format}: {{url: x, foreign_keys: [{key}]}}\n"
        ))
    };
    for (format, key, why) in [
        ("postgres", "{columns: [], table: u}", "a foreign key has at least one column"),
        ("postgres", "{columns: [a], table: u, references: [b, c]}", "1 columns cannot refer to 2; name as many"),
        ("mysql", "{columns: [a], table: u}", "MySQL checks foreign keys row by row"),
    ] {
        let found = failure(format, key);
        assert!(found.contains(why), "{found}");
    }
    let keys = super::spec::ForeignKey { columns: vec!["a".into()], table: "s.u".into(), references: vec!["b".into()] };
    assert_eq!(
        keys.sql(|name| format!("<{name}>")),
        "FOREIGN KEY (<a>) REFERENCES <s>.<u> (<b>) DEFERRABLE INITIALLY DEFERRED"
    );
}
