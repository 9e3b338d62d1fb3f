//! Tables of a PostgreSQL server that grow between runs: every row is read once, and none is lost.

use serde_json::json;

use super::postgres::{Shop, of_table};
use super::*;

/// Reads what is new and refuses every row in whose column `bad` something stands, as a check does.
fn run_checked(shop: &Shop, yaml: &str, bookmark: &mut Option<serde_json::Value>) -> (Vec<i64>, u64) {
    let reach = bookmark.clone().map_or(Reach::All, Reach::After);
    let opened =
        shop.table(yaml).open("t", &shop.project.root(), &Cloud::default(), shop.project.0.path(), &reach).unwrap();
    let mut accepted = Vec::new();
    for batch in opened.batches {
        let rows = batch.unwrap().rows.lazy().filter(col("bad").is_null()).collect().unwrap();
        opened.ending.accept(&rows).unwrap();
        accepted.extend(rows.column("id").unwrap().i64().unwrap().iter().flatten());
    }
    let finished = opened.ending.finish();
    bookmark.clone_from(&finished.bookmark);
    accepted.sort_unstable();
    (accepted, finished.rows_in)
}

/// As the test of the same name for SQLite: values that come several times, refused rows, and refused rows that are
/// corrected.
#[test]
fn nothing_is_lost_and_nothing_counted_twice() {
    let Some(shop) = Shop::with("CREATE TABLE none (id int)") else { return };
    let mut random = testkit::Random::seeded(72);
    for (round, sql_type) in
        ["int4", "date", "timestamptz", "numeric", "float8", "timestamp", "text"].into_iter().enumerate()
    {
        let table = format!("t{round}");
        shop.server.psql(&format!("CREATE TABLE {table} (id int8 PRIMARY KEY, at {sql_type} NOT NULL, bad int4)"));
        let yaml =
            format!("{}\ncolumns: {{id: int64, bad: int32}}", of_table(&format!("table: {table}, incremental: at")));
        let (mut bookmark, mut clock, mut id, mut reached) = (None, 10u64, 0i64, 0u64);
        let mut refused: Vec<(i64, u64)> = Vec::new();
        for step in 0..8 {
            let (mut expected, mut read) = (Vec::new(), 0);
            let mut sql = String::new();
            if !refused.is_empty() && random.below(3) == 0 {
                let (corrected, value) = refused.swap_remove(random.below(refused.len() as u64) as usize);
                sql.push_str(&format!("UPDATE {table} SET bad = NULL WHERE id = {corrected};"));
                if value >= reached {
                    expected.push((corrected, value));
                    read += 1;
                }
            }
            for _ in 0..random.below(6) + u64::from(step == 0) {
                id += 1;
                clock += random.below(3);
                let bad = id > 1 && random.below(3) == 0;
                let value = match sql_type {
                    "date" | "timestamp" | "timestamptz" | "text" => {
                        format!("'2024-{:02}-{:02}'", 1 + clock / 28, 1 + clock % 28)
                    }
                    // One value, written in several ways.
                    "numeric" => format!("{clock}.{}", "0".repeat(random.below(3) as usize)),
                    _ => clock.to_string(),
                };
                sql.push_str(&format!(
                    "INSERT INTO {table} VALUES ({id}, {value}, {});",
                    if bad { "1" } else { "NULL" }
                ));
                read += 1;
                match bad {
                    true => refused.push((id, clock)),
                    false => expected.push((id, clock)),
                }
            }
            if !sql.is_empty() {
                shop.server.psql(&sql);
            }
            let (found, rows_in) = run_checked(&shop, &yaml, &mut bookmark);
            reached = expected.iter().map(|(_, value)| *value).max().unwrap_or(0).max(reached);
            let mut expected: Vec<i64> = expected.into_iter().map(|(id, _)| id).collect();
            expected.sort_unstable();
            assert_eq!((found, rows_in), (expected, read), "{sql_type}, step {step}: {bookmark:?}");
        }
    }
}

#[test]
fn bookmarks_of_unique_columns_and_of_rows_ahead() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id int8 PRIMARY KEY, at timestamptz, bad int4);
         INSERT INTO t VALUES (1, '2024-01-01', NULL), (2, now() + interval '200 days', NULL);",
    ) else {
        return;
    };
    let yaml =
        |by: &str| format!("{}\ncolumns: {{id: int64, bad: int32}}", of_table(&format!("table: t, incremental: {by}")));
    let mut bookmark = None;
    assert_eq!(run_checked(&shop, &yaml("id"), &mut bookmark), (vec![1, 2], 2));
    assert_eq!(bookmark, Some(json!({"of": "id", "after": 2, "known": []})));
    let error =
        shop.read_part(&yaml("at"), &Reach::After(bookmark.unwrap())).map(|read| read.rows_in).unwrap_err().to_string();
    assert!(
        error.contains("the bookmark of the last run is one of 'id', not of 'at'; go back to 'id', or read all"),
        "{error}"
    );
    let mut bookmark = None;
    assert_eq!(run_checked(&shop, &yaml("at"), &mut bookmark), (vec![1, 2], 2));
    assert_eq!(bookmark.as_ref().unwrap()["from"], json!("2024-01-01 00:00:00+00"));
    shop.server.psql("INSERT INTO t VALUES (3, now() - interval '1 day', NULL)");
    assert_eq!(run_checked(&shop, &yaml("at"), &mut bookmark), (vec![3], 1));
    assert_eq!(run_checked(&shop, &yaml("at"), &mut bookmark), (vec![], 0));
}

#[test]
fn texts_in_an_order_of_their_own_are_not_bookmarks() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (turned text, code text, signed text, written text, good text, fine text, dated text, counted text,
            random uuid, shown text, grown uuid, far text);
         INSERT INTO t VALUES ('31.01.2024', 'A-9', '-9', '2024-01-01 10:00:00Z', 'A1', '2024-01-01T10:00:00.5', '2024-01-31', '17',
               '9b2f5c1e-8a4d-4c3b-9e2f-1a2b3c4d5e6f', '9B2F5C1E-8A4D-4C3B-9E2F-1A2B3C4D5E6F', '018f3a7e-0000-7abc-8def-000000000001',
               '2024-01-31'),
            ('01.02.2024', 'A-10', '3', '2024-01-01 10:00:00+09', 'B', '2024-01-01T10:00:00.25', 'unknown', 'n/a',
               '0b2f5c1e-8a4d-4c3b-9e2f-1a2b3c4d5e6f', '0b2f5c1e-8a4d-4c3b-9e2f-1a2b3c4d5e6f', '018f3a7f-0000-7abc-8def-000000000001',
               '9999-12-31');",
    ) else {
        return;
    };
    for (column, what) in [
        ("turned", "dates that do not begin with the year"),
        ("code", "dates that do not begin with the year, or texts with numbers of different lengths"),
        ("signed", "numbers as text, whose order is not that of numbers"),
        ("written", "timestamps with several offsets from UTC"),
        ("dated", "dates and other texts, which have no order in common"),
        ("counted", "numbers and other texts, which have no order in common"),
        ("random", "UUIDs of a version that does not grow, such as random ones (version 4)"),
        ("shown", "UUIDs of a version that does not grow, such as random ones (version 4)"),
    ] {
        let (_, failure) = shop.failure(&of_table(&format!("table: t, incremental: {column}")));
        assert!(failure.contains(&format!("incremental: '{column}' holds {what}")), "{failure}");
    }
    for column in ["good", "fine", "grown"] {
        assert_eq!(shop.read(&of_table(&format!("table: t, incremental: {column}"))).rows_in, 2);
    }
    let (_, failure) = shop.failure(&of_table("table: t, incremental: far"));
    assert!(failure.contains("incremental: the greatest value is 9999-12-31, after which nothing comes"), "{failure}");
}

#[test]
fn a_table_that_lost_the_rows_of_the_bookmark_is_doubted() {
    let Some(shop) = Shop::with("CREATE TABLE t (id int8 PRIMARY KEY, at date)") else { return };
    for by in ["id", "at"] {
        shop.server.psql("TRUNCATE t; INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02')");
        let yaml = format!("{}\ncolumns: {{id: int64}}", of_table(&format!("table: t, incremental: {by}")));
        let after = Reach::After(shop.read(&yaml).bookmark.unwrap());
        let read = || shop.read_part(&yaml, &after).unwrap();
        assert_eq!((read().rows_in, read().doubts), (0, vec![]), "{by}");
        shop.server.psql("TRUNCATE t; INSERT INTO t VALUES (1, '2023-01-01')");
        let read = read();
        assert_eq!((read.rows_in, read.doubts.len()), (0, 1), "{by}");
        assert!(read.doubts[0].contains("no row has the value of the bookmark, 2"), "{:?}", read.doubts);
    }
}
