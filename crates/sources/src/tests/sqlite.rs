//! Tables of SQLite databases made for the purpose.

use rusqlite::Connection;
use serde_json::json;
use spec::Class;

use super::*;

/// A project with the database `shop.db`, made by `sql`.
pub(super) fn shop(sql: &str) -> Project {
    let project = Project::new();
    change(&project, sql);
    project
}

pub(super) fn change(project: &Project, sql: &str) {
    Connection::open(project.0.path().join("shop.db")).unwrap().execute_batch(sql).unwrap();
}

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, at TEXT NOT NULL, amount REAL);
    INSERT INTO orders VALUES (1, '2024-01-01', 5), (2, '2024-01-02', 0.1), (3, '2024-01-05', NULL);";
const NEW_ORDERS: &str = "source: {sqlite: {path: shop.db, table: orders, incremental: at}}";

#[test]
fn columns_have_the_types_of_the_table() {
    let project = shop(
        "CREATE TABLE t (id INTEGER, big BIGINT, ok BOOLEAN, x REAL, name VARCHAR(9), day DATE, at DATETIME,
            price DECIMAL(9, 2), free);
         INSERT INTO t VALUES (-9223372036854775808, 2, 1, 1e300, 'é\n\t', '2024-02-29', '2024-02-29 10:00:00.5', 1.50, 7),
            (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (3, 4, 0, 0.1, '', '1970-01-01', '2024-01-31T00:00:00', 2, 8);",
    );
    let read = project.read("source: {sqlite: {path: shop.db, table: t}}").unwrap();
    assert_eq!(
        read.types(),
        [
            "id int64",
            "big int64",
            "ok bool",
            "x float64",
            "name string",
            "day date",
            "at datetime",
            "price float64",
            "free int64",
            "_file string",
            "_row uint32"
        ]
    );
    assert_eq!(
        read.table(),
        [
            "-9223372036854775808|2|true|1.0000e300|é\n\t|2024-02-29|2024-02-29 10:00:00.500|1.5|7|1",
            "-|-|-|-|-|-|-|-|-|2",
            "3|4|false|0.1||1970-01-01|2024-01-31 00:00:00|2.0|8|3"
        ]
    );
    assert_eq!(read.rows.column("_file").unwrap().str().unwrap().get(0), Some("shop.db"));
    assert_eq!((read.rows_in, read.bookmark), (3, None));
}

#[test]
fn a_cell_of_another_type_refuses_its_row() {
    let project = shop(
        "CREATE TABLE t (n INTEGER, s TEXT, x REAL);
         INSERT INTO t VALUES (1, 'a', 1), ('many', 'b', 2), (3.5, 'c', 'far'), (4, x'00ff', 3), (5, 'e', 9e999);",
    );
    let read = project.read("source: {sqlite: {path: shop.db, table: t}}").unwrap();
    assert_eq!(read.table(), ["1|a|1.0|1"]);
    assert_eq!(
        read.refusals(),
        [
            "many|b|2.0|2|-|n: 'many' is not an int64",
            "3.5|c|far|3|-|n: '3.5' is not an int64; x: 'far' is not a float64",
            "-|-|-|4|4\t(2 bytes)\t3.0|row 4: s holds bytes (a BLOB); read it by a query, as hex(s)",
            "5|e|inf|5|-|x: 'inf' is not a float64"
        ]
    );
}

#[test]
fn declared_columns_and_queries() {
    let project = shop(ORDERS);
    let read = project
        .read("source: {sqlite: {path: shop.db, table: orders}}\ncolumns: {amount: string, order: {type: int8, from: id}}")
        .unwrap();
    assert_eq!(read.table(), ["5.0|1|1", "0.1|2|2", "-|3|3"]);
    let query = "SELECT id * 2 AS twice, at, 'x' || id AS code FROM orders ORDER BY id DESC -- newest first";
    let read = project.read(&format!("source: {{sqlite: {{path: shop.db, query: \"{query}\"}}}}")).unwrap();
    assert_eq!(read.types()[..3], ["twice int64", "at string", "code string"]);
    assert_eq!(read.table(), ["6|2024-01-05|x3|1", "4|2024-01-02|x2|2", "2|2024-01-01|x1|3"]);
    let read =
        project.read(&format!("source: {{sqlite: {{path: shop.db, query: \"{query}\"}}}}\ncolumns: {{at: date}}"));
    assert_eq!(read.unwrap().table(), ["2024-01-05|1", "2024-01-02|2", "2024-01-01|3"]);
}

#[test]
fn more_rows_than_a_batch_come_in_order() {
    let project = shop(
        "CREATE TABLE t (id INTEGER, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
         INSERT INTO t SELECT i, 'name ' || i FROM n;",
    );
    let read = project.read("source: {sqlite: {path: shop.db, table: t, incremental: id}}").unwrap();
    assert_eq!((read.rows_in, read.reached()), (300_000, Some(json!(300_000))));
    let ids = read.rows.column("id").unwrap().i64().unwrap().clone();
    assert!(ids.iter().enumerate().all(|(i, id)| id == Some(i as i64 + 1)));
}

#[test]
fn a_second_run_reads_what_is_new() {
    let project = shop(ORDERS);
    let yaml = format!("{NEW_ORDERS}\ncolumns: {{id: int64}}");
    let read = project.read(&yaml).unwrap();
    assert_eq!((read.rows.height(), read.reached()), (3, Some(json!("2024-01-05"))));
    assert!(table(NEW_ORDERS).unwrap().is_incremental());

    let after = Reach::After(read.bookmark.unwrap());
    let read = project.read_part(&yaml, &after).unwrap();
    assert_eq!((read.rows.height(), read.rows_in, read.reached()), (0, 0, Some(json!("2024-01-05"))));
    change(&project, "INSERT INTO orders VALUES (4, '2024-01-07', 1), (5, '2024-01-06', 2)");
    let read = project.read_part(&yaml, &after).unwrap();
    assert_eq!((read.table(), read.reached()), (vec!["5|1".to_owned(), "4|2".to_owned()], Some(json!("2024-01-07"))));

    let day = |text: &str| text.parse().unwrap();
    let read = project.read_part(&yaml, &Reach::Days(day("2024-01-02"), day("2024-01-06"))).unwrap();
    assert_eq!((read.table(), read.bookmark), (vec!["2|1".into(), "3|2".into(), "5|3".into()], None));
}

#[test]
fn bookmarks_keep_their_type() {
    let project = shop(ORDERS);
    let yaml = "source: {sqlite: {path: shop.db, query: 'SELECT id, amount FROM orders', incremental: id}}";
    let read = project.read(yaml).unwrap();
    assert_eq!(read.reached(), Some(json!(3)));
    let read = project.read_part(yaml, &Reach::After(json!(2))).unwrap();
    assert_eq!(read.rows.height(), 1);
    let yaml = "source: {sqlite: {path: shop.db, query: 'SELECT id + 0.25 AS x FROM orders', incremental: x}}";
    assert_eq!(project.read(yaml).unwrap().reached(), Some(json!(3.25)));
    assert_eq!(project.read_part(yaml, &Reach::After(json!(2.25))).unwrap().table(), ["3.25|1"]);
}

#[test]
fn incremental_columns_that_cannot_be() {
    let project = shop(ORDERS);
    let failure = |incremental: &str, reach: &Reach| {
        let yaml = format!("source: {{sqlite: {{path: shop.db, table: orders, incremental: {incremental}}}}}");
        project.read_part(&yaml, reach).err().unwrap().to_string()
    };
    assert_eq!(
        failure("amount", &Reach::All),
        "table 't': shop.db: incremental: table 'orders' has rows without a value in 'amount'; take a column that \
         every row fills, or a 'query' that leaves these rows out"
    );
    assert_eq!(
        failure("ids", &Reach::All),
        "table 't': shop.db: incremental: table 'orders' has no column 'ids'; did you mean 'id'?"
    );
    let day = "2024-01-01".parse().unwrap();
    assert_eq!(
        failure("id", &Reach::Days(day, day)),
        "table 't': shop.db: incremental: 'id' does not hold dates as text, so days cannot be read again; read all rows again, or \
         take a column with dates written YYYY-MM-DD"
    );
    let whole = "source: {sqlite: {path: shop.db, table: orders}}";
    assert_eq!(
        project.read_part(whole, &Reach::After(json!(1))).err().unwrap().to_string(),
        "table 't': the source is not incremental, so it can only be read as a whole; add 'incremental:' to a source \
         that offers it, or read all of it"
    );
}

#[test]
fn what_cannot_be_read() {
    let project = shop(ORDERS).and("text.db", "this is no database, but long enough to be taken for one".repeat(20));
    let failure = |keys: &str| project.failure(&format!("source: {{sqlite: {{{keys}}}}}"));
    assert_eq!(
        failure("path: nope.db, table: t"),
        "table 't': nope.db: no such file; check 'path'; relative paths count from the project root"
    );
    assert_eq!(failure("path: text.db, table: t"), "table 't': text.db: not an SQLite database; check 'path'");
    assert_eq!(
        failure("path: shop.db, table: order"),
        "table 't': shop.db: no table or view 'order'; did you mean 'orders'?"
    );
    assert_eq!(
        failure("path: shop.db, query: SELECT idd FROM orders"),
        "table 't': shop.db: no such column: idd; check 'query'"
    );
    assert_eq!(
        failure("path: shop.db, query: DELETE FROM orders"),
        "table 't': shop.db: near \"DELETE\": syntax error; check 'query'"
    );
    assert_eq!(
        failure("path: shop.db, query: 'SELECT id, id + 1 AS id FROM orders'"),
        "table 't': shop.db: the query: columns 1 and 2 are both named 'id'; give each its own name in the query: \
         'a.id AS a_id'"
    );
    change(&project, "CREATE TABLE empty (a)");
    assert_eq!(
        failure("path: shop.db, table: empty"),
        "table 't': shop.db: table 'empty' has no rows; fill it first, or take the table out of the spec"
    );
    assert_eq!(
        project.failure("source: {sqlite: {path: shop.db, table: orders}}\ncolumns: {amout: float64}"),
        "table 't': shop.db: table 'orders' has no column 'amout'; did you mean 'amount'?"
    );
}

#[test]
fn a_damaged_database_is_not_half_a_table() {
    let project = shop(ORDERS);
    change(&project, "CREATE TABLE t (x); INSERT INTO t SELECT randomblob(400) FROM orders, orders, orders, orders;");
    let file = project.0.path().join("shop.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let from = bytes.len() / 2;
    bytes[from..].fill(0x5A);
    std::fs::write(&file, bytes).unwrap();
    let failure = project.failure("source: {sqlite: {path: shop.db, query: SELECT hex(x) AS x FROM t}}");
    assert!(
        failure.starts_with("shop.db: the database is damaged: ")
            || failure.starts_with("table 't': shop.db: the database is damaged: "),
        "{failure}"
    );
    assert!(failure.ends_with("; restore it from a backup, or save what can be saved with sqlite3's '.recover'"));
}

#[test]
fn a_locked_database_is_worth_another_try() {
    let project = shop(ORDERS);
    let writer = Connection::open(project.0.path().join("shop.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let yaml = "source: {sqlite: {path: shop.db, table: orders, timeout_seconds: 0}}";
    let error = project.read(yaml).err().unwrap();
    assert_eq!(
        (error.class(), error.to_string().as_str()),
        (
            Class::TryAgain,
            "table 't': shop.db: locked by another program for more than 0 s; run again when it is done, or raise \
             'timeout_seconds'"
        )
    );
    writer.execute_batch("ROLLBACK").unwrap();
    assert_eq!(project.read(yaml).unwrap().rows_in, 3);
}

#[test]
fn an_unchanged_database_is_distinguished_from_a_changed_one() {
    let project = shop(ORDERS);
    let inputs = || table(NEW_ORDERS).unwrap().inputs(&project.root(), &Cloud::default()).unwrap();
    let before = inputs();
    assert_eq!(before.iter().map(|input| input.path.as_str()).collect::<Vec<_>>(), ["shop.db"]);
    project.read(NEW_ORDERS).unwrap();
    assert_eq!(inputs(), before);
    // What a program has written stands beside the file for as long as it has it open.
    let writer = Connection::open(project.0.path().join("shop.db")).unwrap();
    writer.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO orders VALUES (9, '2024-02-01', 9)").unwrap();
    let with_log = inputs();
    assert_eq!(with_log.iter().map(|input| input.path.as_str()).collect::<Vec<_>>(), ["shop.db", "shop.db-wal"]);
    assert_eq!(project.read(NEW_ORDERS).unwrap().rows_in, 4);
    assert_eq!(inputs(), with_log);
}

#[test]
fn keys_that_contradict_each_other() {
    for (keys, error) in [
        ("path: a", "say what to read: 'table: NAME' or 'query: SELECT ...'"),
        ("path: a, table: b, query: c", "'table' and 'query' exclude each other; keep one"),
        ("path: '', table: b", "'path' is empty"),
        ("path: a, tabel: b", "unknown key 'tabel'; did you mean 'table'?"),
    ] {
        let text = table(&format!("source: {{sqlite: {{{keys}}}}}")).unwrap_err().to_string();
        assert!(text.starts_with("ingest.yaml:1:") && text.ends_with(error), "{text}");
    }
}
