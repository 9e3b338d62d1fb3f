//! SQLite databases that grow between runs: every row is read once, and none is lost.

use rusqlite::Connection;
use serde_json::json;
use spec::Class;

use super::sqlite::{change, shop};
use super::*;

/// Reads what is new, run by run, as `ingest` does.
fn run(project: &Project, yaml: &str, bookmark: &mut Option<serde_json::Value>) -> spec::Result<Read> {
    let reach = bookmark.clone().map_or(Reach::All, Reach::After);
    let read = project.read_part(yaml, &reach)?;
    bookmark.clone_from(&read.bookmark);
    Ok(read)
}

fn ids(read: &Read) -> Vec<i64> {
    read.rows.column("id").unwrap().i64().unwrap().iter().flatten().collect()
}

#[test]
fn a_refused_row_does_not_move_the_bookmark() {
    for (sql_type, first, bad, later) in [
        ("DATETIME", "'2024-01-01 10:00:00'", "'unknown'", "'2024-01-02'"),
        ("INTEGER", "17", "'n/a'", "18"),
        ("REAL", "0.5", "'far'", "0.75"),
        // A text of the right shape that is not a timestamp; it is refused, though no column asks for it.
        ("TEXT", "'2024-01-01'", "'2024-99-99'", "'2024-01-02T00:00:00'"),
    ] {
        let project =
            shop(&format!("CREATE TABLE t (id INTEGER, at {sql_type}); INSERT INTO t VALUES (1, {first}), (2, {bad})"));
        let mut bookmark = None;
        for yaml in [
            "source: {sqlite: {path: shop.db, table: t, incremental: at}}\ncolumns: {id: int64}",
            "source: {sqlite: {path: shop.db, table: t, incremental: at}}",
        ] {
            bookmark = None;
            let read = run(&project, yaml, &mut bookmark).unwrap();
            assert_eq!((ids(&read), read.refused.height()), (vec![1], 1), "{sql_type} {bad}");
            assert!(read.refusals()[0].contains("at: "), "{:?}", read.refusals());
        }
        change(&project, &format!("INSERT INTO t VALUES (3, {later})"));
        let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
        let read = run(&project, yaml, &mut bookmark).unwrap();
        assert_eq!((ids(&read), read.refused.height()), (vec![3], 0), "{sql_type} {bad}: it was refused before");
        assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0);
        change(&project, &format!("INSERT INTO t VALUES (4, {bad})"));
        assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 1, "a second one is new");
        assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0);
    }
    // The row is refused for another column: its value does not count either, and it is read again once it is corrected.
    let project = shop("CREATE TABLE t (id INTEGER, x REAL); INSERT INTO t VALUES (1, 1), (2, 'far')");
    let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: id}}";
    let mut bookmark = None;
    assert_eq!(ids(&run(&project, yaml, &mut bookmark).unwrap()), [1]);
    assert_eq!(bookmark.as_ref().and_then(|bookmark| crate::memory::Past::of(bookmark).value), Some(json!(1)));
    assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0, "it is not refused, and counted, again");
    change(&project, "UPDATE t SET x = 2 WHERE id = 2");
    assert_eq!(ids(&run(&project, yaml, &mut bookmark).unwrap()), [2]);
}

#[test]
fn values_are_ordered_by_what_they_mean() {
    for (name, sql_type, columns, values) in [
        ("T and blank", "DATETIME", "", ["'2024-01-01T09:00:00'", "'2024-01-01 10:00:00'", "'2024-01-01T11:00:00Z'"]),
        ("T and blank as text", "TEXT", "", ["'2024-01-01T09:00'", "'2024-01-01 10:00'", "'2024-01-02'"]),
        ("numbers as text", "TEXT", "", ["'9'", "'10'", "'100'"]),
        ("numbers as text, declared", "TEXT", "columns: {id: int64, at: int64}", ["'9'", "'10'", "'100'"]),
        (
            "days as people write them",
            "TEXT",
            "columns: {id: int64, at: {type: date, format: '%d.%m.%Y'}}",
            ["'31.01.2024'", "'01.02.2024'", "'02.01.2025'"],
        ),
        ("codes", "TEXT", "", ["'A1'", "'B0'", "'C'"]),
        ("whole and broken numbers", "NUMERIC", "", ["9", "9.5", "10"]),
    ] {
        let project = shop(&format!("CREATE TABLE t (id INTEGER, at {sql_type})"));
        let yaml = format!("source: {{sqlite: {{path: shop.db, table: t, incremental: at}}}}\n{columns}");
        let mut bookmark = None;
        for (id, value) in (1..).zip(values) {
            change(&project, &format!("INSERT INTO t VALUES ({id}, {value})"));
            assert_eq!(ids(&run(&project, &yaml, &mut bookmark).unwrap()), [id], "{name}: {value}");
        }
        assert_eq!(run(&project, &yaml, &mut bookmark).unwrap().rows_in, 0, "{name}");
    }
}

#[test]
fn a_value_after_which_nothing_comes_is_an_error() {
    let way_out = "take another column, or a 'query' that leaves these rows out";
    for (sql_type, value, shown) in [
        ("DATE", "'9999-12-31'", "9999-12-31"),
        ("TEXT", "'2999-12-31T23:59:59'", "2999-12-31T23:59:59"),
        ("INTEGER", "9223372036854775807", "9223372036854775807"),
    ] {
        let first = if sql_type == "INTEGER" { "1" } else { "'2024-01-01'" };
        let project = shop(&format!(
            "CREATE TABLE t (id INTEGER, at {sql_type}); INSERT INTO t VALUES (1, {first}), (2, {value})"
        ));
        let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
        let error = project.read(yaml).map(|read| read.rows_in).unwrap_err();
        assert_eq!(error.class(), Class::CannotRun);
        assert_eq!(
            error.to_string(),
            format!("incremental: the greatest value is {shown}, after which nothing comes; {way_out}")
        );
        // A bookmark that an earlier version set.
        let after = project.read_part(yaml, &Reach::After(shown.parse::<i64>().map_or(json!(shown), |n| json!(n))));
        assert_eq!(
            after.map(|read| read.rows_in).unwrap_err().to_string(),
            format!(
                "table 't': shop.db: incremental: the greatest value is {shown}, after which nothing comes; read all \
                 again with 'ingest --full' when such rows are gone, which resets the bookmark"
            )
        );
    }
    let project = shop("CREATE TABLE t (id INTEGER, at TEXT); INSERT INTO t VALUES (1, '2024-01-01'), (2, 'unknown')");
    let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
    assert_eq!(
        project.failure(yaml),
        "table 't': shop.db: incremental: 'at' holds dates and other texts, such as 'unknown', which have no order in \
         common; declare it as a datetime under 'columns', which refuses such rows, or leave them out by a 'query'"
    );
    let after = project.read_part(&format!("{yaml}\ncolumns: {{at: date}}"), &Reach::After(json!("unknown")));
    assert_eq!(
        after.map(|read| read.rows_in).unwrap_err().to_string(),
        "table 't': shop.db: incremental: the bookmark of the last run is 'unknown', which is not a value of 'at'; read \
         all again with 'ingest --full', which resets it"
    );
}

/// A table that grows at random, in several ways of keeping its timestamps, read run by run: every row that can be read and
/// comes later than those before is read exactly once.
#[test]
fn whatever_is_written_later_is_read_once() {
    let mut random = testkit::Random::seeded(17);
    for round in 0..40 {
        let (sql_type, columns) = [
            ("DATETIME", ""),
            ("TEXT", "columns: {id: int64, at: datetime}"),
            ("INTEGER", ""),
            ("TEXT", "columns: {id: int64, at: int64}"),
            ("NUMERIC", "columns: {id: int64, at: float64}"),
        ][round % 5];
        let is_moment = round % 5 < 2;
        let project = shop(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, at {sql_type})"));
        let yaml = format!("source: {{sqlite: {{path: shop.db, table: t, incremental: at}}}}\n{columns}");
        let (mut bookmark, mut clock, mut id, mut bad, mut refused) = (None, 1u64, 0i64, 0, 0);
        for _ in 0..6 {
            let mut expected = Vec::new();
            let mut rows = Vec::new();
            for _ in 0..random.below(6) + u64::from(bookmark.is_none()) {
                id += 1;
                if bookmark.is_some() && random.below(5) == 0 {
                    rows.push(format!("({id}, '{}')", ["unknown", "", "2024-13-01", "x1"][random.below(4) as usize]));
                    bad += 1;
                    continue;
                }
                clock += 1 + random.below(50);
                let value = match is_moment {
                    false => format!("{clock}"),
                    true => {
                        let (day, hour, minute) = (1 + clock / 1440, clock / 60 % 24, clock % 60);
                        let separator = ['T', ' '][random.below(2) as usize];
                        let end = ["", ":00", ":00Z", ":00.000"][random.below(4) as usize];
                        format!("'2024-01-{day:02}{separator}{hour:02}:{minute:02}{end}'")
                    }
                };
                rows.push(format!("({id}, {value})"));
                expected.push(id);
            }
            if !rows.is_empty() {
                change(&project, &format!("INSERT INTO t VALUES {}", rows.join(", ")));
            }
            let read = run(&project, &yaml, &mut bookmark).unwrap();
            let mut found = ids(&read);
            found.sort_unstable();
            assert_eq!(found, expected, "round {round}: {:?}", read.refusals());
            refused += read.refused.height();
            assert_eq!(refused, bad, "round {round}: each is refused once");
        }
    }
}

#[test]
fn rows_that_whoever_reads_refuses_do_not_move_the_bookmark() {
    let project = shop("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1), (2), (99999)");
    let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: id}}";
    let opened =
        table(yaml).unwrap().open("t", &project.root(), &Cloud::default(), project.0.path(), &Reach::All).unwrap();
    for batch in opened.batches {
        // As a row check takes out what it does not believe.
        let rows = batch.unwrap().rows.lazy().filter(col("id").lt(lit(1000))).collect().unwrap();
        opened.ending.accept(&rows).unwrap();
    }
    let bookmark = opened.ending.finish().bookmark.unwrap();
    assert_eq!(crate::memory::Past::of(&bookmark).value, Some(json!(2)));
    assert_eq!(project.read_part(yaml, &Reach::After(bookmark)).unwrap().rows_in, 0, "99999 is known");
}

/// Reads what is new and refuses every row in whose column `bad` something stands, as a check does.
fn run_checked(project: &Project, yaml: &str, bookmark: &mut Option<serde_json::Value>) -> (Vec<i64>, u64) {
    let reach = bookmark.clone().map_or(Reach::All, Reach::After);
    let opened = table(yaml).unwrap().open("t", &project.root(), &Cloud::default(), project.0.path(), &reach).unwrap();
    let mut accepted = Vec::new();
    for batch in opened.batches {
        let rows = batch.unwrap().rows.lazy().filter(col("bad").is_null()).collect().unwrap();
        opened.ending.accept(&rows).unwrap();
        accepted.extend(rows.column("id").unwrap().i64().unwrap().iter().flatten());
    }
    let finished = opened.ending.finish();
    bookmark.clone_from(&finished.bookmark);
    (accepted, finished.rows_in)
}

#[test]
fn rows_with_the_bookmarks_own_value_may_come_later() {
    for sql_type in ["DATE", "TEXT", "DATETIME", ""] {
        let project = shop(&format!(
            "CREATE TABLE t (id INTEGER, at {sql_type}); INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02')"
        ));
        let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
        let mut bookmark = None;
        assert_eq!(ids(&run(&project, yaml, &mut bookmark).unwrap()), [1, 2]);
        change(&project, "INSERT INTO t VALUES (3, '2024-01-02'), (4, '2024-01-01')");
        assert_eq!(ids(&run(&project, yaml, &mut bookmark).unwrap()), [3], "{sql_type}: the fourth comes too late");
        assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0);
        change(&project, "INSERT INTO t VALUES (3, '2024-01-02'), (5, '2024-01-03')");
        assert_eq!(
            ids(&run(&project, yaml, &mut bookmark).unwrap()),
            [3, 5],
            "{sql_type}: a second row of equal content"
        );
        assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0);
    }
    // Where the database keeps values apart there is nothing to remember.
    for unique in ["id INTEGER PRIMARY KEY", "id INTEGER UNIQUE", "id INTEGER, UNIQUE (id)"] {
        let project = shop(&format!("CREATE TABLE t ({unique}); INSERT INTO t VALUES (7), (9)"));
        let read = project.read("source: {sqlite: {path: shop.db, table: t, incremental: id}}").unwrap();
        assert_eq!(read.bookmark, Some(json!({"of": "id", "after": 9, "known": []})), "{unique}");
    }
}

#[test]
fn a_table_that_lost_the_rows_of_the_bookmark_is_doubted() {
    for (sql, by) in [("id INTEGER PRIMARY KEY", "id"), ("id INTEGER", "id"), ("id INTEGER", "at")] {
        let project = shop(&format!(
            "CREATE TABLE t ({sql}, at TEXT); INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02')"
        ));
        let yaml =
            format!("source: {{sqlite: {{path: shop.db, table: t, incremental: {by}}}}}\ncolumns: {{id: int64}}");
        let mut bookmark = None;
        for expected in [2, 0] {
            let read = run(&project, &yaml, &mut bookmark).unwrap();
            assert_eq!((read.rows_in, read.doubts), (expected, vec![]), "{sql} {by}");
        }
        change(&project, "DELETE FROM t; INSERT INTO t VALUES (1, '2023-01-01')");
        let read = run(&project, &yaml, &mut bookmark).unwrap();
        assert_eq!((read.rows_in, read.doubts.len()), (0, 1), "{sql} {by}");
        let shown = if by == "at" { "2024-01-02" } else { "2" };
        let told = format!(
            "shop.db: no row has the value of the bookmark, {shown}, or a greater one any more; if the table was emptied, restored \
             or replaced, read all again with 'ingest --full': rows below the bookmark are never read"
        );
        assert_eq!(read.doubts[0], told);
        change(&project, "INSERT INTO t VALUES (9, '2024-06-01')");
        let read = run(&project, &yaml, &mut bookmark).unwrap();
        assert_eq!((ids(&read), read.doubts), (vec![9], vec![]), "{sql} {by}");
    }
}

#[test]
fn the_bookmark_of_another_column_is_refused() {
    let project = shop("CREATE TABLE t (id INTEGER PRIMARY KEY, version INTEGER); INSERT INTO t VALUES (1000, 1)");
    let by = |column: &str| format!("source: {{sqlite: {{path: shop.db, table: t, incremental: {column}}}}}");
    let bookmark = project.read(&by("id")).unwrap().bookmark.unwrap();
    change(&project, "INSERT INTO t VALUES (1001, 2)");
    let read =
        |column: &str, bookmark: &serde_json::Value| project.read_part(&by(column), &Reach::After(bookmark.clone()));
    assert_eq!(ids(&read("id", &bookmark).unwrap()), [1001]);
    assert_eq!(
        read("version", &bookmark).map(|read| read.rows_in).unwrap_err().to_string(),
        "table 't': shop.db: incremental: the bookmark of the last run is one of 'id', not of 'version'; go back to 'id', or \
         read all again with 'ingest --full', which resets it"
    );
    // One of an earlier version does not say of which column it is.
    assert_eq!(ids(&read("id", &json!(1000)).unwrap()), [1001]);
}

#[test]
fn a_value_that_only_looks_like_a_date_is_not_skipped() {
    for sql_type in ["DATETIME", "TEXT"] {
        let project = shop(&format!(
            "CREATE TABLE t (id INTEGER, at {sql_type}); INSERT INTO t VALUES (1, '2024-05-01'), (2, '2024-05-02')"
        ));
        let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
        let mut bookmark = None;
        run(&project, yaml, &mut bookmark).unwrap();
        // All of them come before the bookmark as text.
        let bad = ["2023-13-45", "2024-02-30", "2024-01-01 25:00", "2024-01-01Tnoon"];
        for (id, value) in (3..).zip(bad) {
            change(&project, &format!("INSERT INTO t VALUES ({id}, '{value}')"));
        }
        let read = run(&project, yaml, &mut bookmark).unwrap();
        assert_eq!((read.rows.height(), read.refused.height()), (0, 4), "{sql_type}: {:?}", read.refusals());
        assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0);
        // A space in front changes the place of a text, but not what it says.
        change(&project, "INSERT INTO t VALUES (9, ' 2024-06-01')");
        match sql_type {
            "DATETIME" => assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 1),
            // Nothing says that the column is one of dates, so that it must not hold anything else.
            _ => assert!(run(&project, yaml, &mut bookmark).is_err()),
        }
    }
}

#[test]
fn a_lone_row_ahead_of_now_does_not_hide_those_between() {
    let day = |days: i64| (chrono::Utc::now() + chrono::TimeDelta::days(days)).format("%Y-%m-%d %H:%M:%S").to_string();
    let project = shop(&format!(
        "CREATE TABLE t (id INTEGER, at DATETIME); INSERT INTO t VALUES (1, '2024-01-01'), (2, '{}')",
        day(200)
    ));
    let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
    let mut bookmark = None;
    let read = run(&project, yaml, &mut bookmark).unwrap();
    assert_eq!((ids(&read), read.reached()), (vec![1, 2], Some(json!("2024-01-01"))));
    change(&project, &format!("INSERT INTO t VALUES (3, '{}')", day(-1)));
    assert_eq!(ids(&run(&project, yaml, &mut bookmark).unwrap()), [3]);
    assert_eq!(run(&project, yaml, &mut bookmark).unwrap().rows_in, 0);
}

#[test]
fn texts_in_an_order_of_their_own_are_not_bookmarks() {
    for (values, what) in [
        (["31.01.2024", "01.02.2024"], "dates that do not begin with the year"),
        (["1/31/2024", "2/1/2024"], "dates that do not begin with the year"),
        (["order-9", "order-10"], "texts with numbers of different lengths"),
        (["2024-1-31", "2024-2-9"], "texts with numbers of different lengths"),
    ] {
        let project = shop(&format!(
            "CREATE TABLE t (id INTEGER, at TEXT); INSERT INTO t VALUES (1, '{}'), (2, '{}')",
            values[0], values[1]
        ));
        let failure = project.failure("source: {sqlite: {path: shop.db, table: t, incremental: at}}");
        assert!(failure.contains(&format!("incremental: 'at' holds {what}")), "{failure}");
        assert!(failure.contains("declare its type and 'format' under 'columns'"), "{failure}");
    }
    for values in [["-9", "-10", "3"], ["9.5", "10.25", "100"]] {
        let project = shop("CREATE TABLE t (id INTEGER, at TEXT)");
        let mut sorted = values;
        sorted.sort_by(|a, b| a.parse::<f64>().unwrap().total_cmp(&b.parse().unwrap()));
        let mut bookmark = None;
        for (id, value) in (1..).zip(sorted) {
            change(&project, &format!("INSERT INTO t VALUES ({id}, '{value}')"));
            let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}";
            assert_eq!(ids(&run(&project, yaml, &mut bookmark).unwrap()), [id], "{value}");
        }
    }
}

#[test]
fn types_are_inferred_by_the_whole_not_by_what_is_new() {
    let project = shop("CREATE TABLE t (id INTEGER, x); INSERT INTO t VALUES (1, 0.5), (2, 7)");
    let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: id}}";
    let mut bookmark = None;
    let first = run(&project, yaml, &mut bookmark).unwrap();
    let nothing = run(&project, yaml, &mut bookmark).unwrap();
    change(&project, "INSERT INTO t VALUES (3, 8), (4, NULL)");
    let second = run(&project, yaml, &mut bookmark).unwrap();
    assert_eq!((second.types(), nothing.types()), (first.types(), first.types()));
    assert_eq!(second.table(), ["3|8.0|1", "4|-|2"]);
}

/// A table that grows at random, with values that come several times, rows that a check refuses and rows that are
/// corrected: after each run every row that may have come since was read exactly once, and no refused row twice.
#[test]
fn nothing_is_lost_and_nothing_counted_twice() {
    let mut random = testkit::Random::seeded(71);
    for round in 0..40 {
        let (sql_type, is_moment) = [("INTEGER", false), ("DATE", true), ("REAL", false), ("TEXT", true)][round % 4];
        let project = shop(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, at {sql_type}, bad INTEGER)"));
        let yaml = "source: {sqlite: {path: shop.db, table: t, incremental: at}}\ncolumns: {id: int64, bad: int64}";
        let (mut bookmark, mut clock, mut id) = (None, 1u64, 0i64);
        let mut refused: Vec<i64> = Vec::new();
        for step in 0..8 {
            let (mut expected, mut read) = (Vec::new(), 0);
            if !refused.is_empty() && random.below(3) == 0 {
                // A refused row is corrected; whether it is read again depends on where the bookmark stands by now.
                let corrected = refused.swap_remove(random.below(refused.len() as u64) as usize);
                change(&project, &format!("UPDATE t SET bad = NULL WHERE id = {corrected}"));
                let reached: u64 = project_clock(&bookmark);
                if value_of(&project, corrected) >= reached {
                    expected.push(corrected);
                    read += 1;
                }
            }
            for _ in 0..random.below(6) + u64::from(step == 0) {
                id += 1;
                clock += random.below(3);
                let bad = id > 1 && random.below(3) == 0;
                let value = if is_moment { format!("'2024-01-{:02}'", 1 + clock.min(27)) } else { format!("{clock}") };
                let flag = if bad { "1" } else { "NULL" };
                change(&project, &format!("INSERT INTO t VALUES ({id}, {value}, {flag})"));
                read += 1;
                match bad {
                    true => refused.push(id),
                    false => expected.push(id),
                }
            }
            let (mut found, rows_in) = run_checked(&project, yaml, &mut bookmark);
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!((found, rows_in), (expected, read), "round {round}, step {step}");
        }
    }
}

/// The number that a bookmark stands for in [`nothing_is_lost_and_nothing_counted_twice`].
fn project_clock(bookmark: &Option<serde_json::Value>) -> u64 {
    let value = bookmark.as_ref().and_then(|bookmark| crate::memory::Past::of(bookmark).value);
    value.map_or(0, |value| number(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn value_of(project: &Project, id: i64) -> u64 {
    let connection = Connection::open(project.0.path().join("shop.db")).unwrap();
    let value: String =
        connection.query_row("SELECT CAST(at AS TEXT) FROM t WHERE id = ?1", [id], |row| row.get(0)).unwrap();
    number(&value)
}

/// A day of January 2024, or a whole number.
fn number(text: &str) -> u64 {
    text.strip_prefix("2024-01-").map_or_else(|| text.parse::<f64>().unwrap() as u64, |day| day.parse().unwrap())
}
