//! Tables of a MariaDB or MySQL server of its own (`testkit::MariadbServer`); without one these tests say so and pass.

use std::collections::BTreeMap;

use serde_json::json;
use spec::Class;
use testkit::MariadbServer;

use super::*;

/// A project whose specs know the server as `${DATABASE_URL}`.
struct Shop {
    project: Project,
    server: MariadbServer,
}

impl Shop {
    fn with(sql: &str) -> Option<Shop> {
        let server = MariadbServer::start()?;
        server.sql(sql);
        Some(Shop { project: Project::new(), server })
    }

    fn open(&self, yaml: &str, reach: &Reach) -> spec::Result<crate::source::Opened> {
        let variables = BTreeMap::from([("DATABASE_URL".to_owned(), self.server.url())]);
        let table: TableSpec =
            spec::parse(yaml, Path::new("ingest.yaml"), &Environment::new(variables)).map(|loaded| loaded.spec)?;
        table.open("t", &self.project.root(), &Cloud::default(), self.project.0.path(), reach)
    }

    fn read(&self, yaml: &str) -> Read {
        self.open(yaml, &Reach::All).and_then(read_all).unwrap()
    }

    /// The error with the port, which differs from run to run, as `PORT`.
    fn failure(&self, yaml: &str) -> (Class, String) {
        let error = self.open(yaml, &Reach::All).and_then(read_all).err().expect("it fails");
        let text = error.to_string();
        assert!(!text.contains(self.server.password()), "{text}");
        (error.class(), text.replace(&self.server.port().to_string(), "PORT"))
    }

    /// Reads what is new and refuses every row in whose column `bad` something stands, as a check does.
    fn run_checked(&self, yaml: &str, bookmark: &mut Option<serde_json::Value>) -> (Vec<i64>, u64) {
        let opened = self.open(yaml, &bookmark.clone().map_or(Reach::All, Reach::After)).unwrap();
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
}

fn of_table(keys: &str) -> String {
    format!("source: {{mysql: {{url: '${{DATABASE_URL}}', {keys}}}}}")
}

const AT: &str = "table 't': mysql://millrace@127.0.0.1:PORT/shop: ";

#[test]
fn every_type_there_and_back() {
    // The server's own zone is +02:00.
    let Some(shop) = Shop::with(
        "CREATE TABLE t (a BOOL, b SMALLINT, c INT UNSIGNED, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(9,2), h DECIMAL(18,0), i \
         DECIMAL(38,9), j TEXT, k VARCHAR(5), l CHAR(3), m ENUM('fair', 'foul'), n SET('x', 'y'), o JSON, q DATE, r DATETIME(6), s \
         TIMESTAMP NULL, t TIME(6), u BIGINT UNSIGNED, v YEAR, w MEDIUMINT, x TINYINT UNSIGNED) CHARACTER SET utf8mb4; SET \
         sql_mode = 'NO_BACKSLASH_ESCAPES'; INSERT INTO t VALUES (true, -32768, 4294967295, -9223372036854775808, 0.1, 0.1, \
         -1234567.89, 123456789012345678, 12345678901234567890123456789.123456789, 'é''\"\\', 'abcde', 'x', 'foul', 'x,y', \
         '{\"a\" : 1}', '1969-12-31', '2024-02-29 10:00:00.123456', '2024-02-29 10:00:00', '23:59:59.5', 18446744073709551615, \
         2024, -8388608, 255); INSERT INTO t (a) VALUES (NULL); INSERT INTO t (f, j, q, e) VALUES (1e300, '', '0001-01-01', \
         16777216);",
    ) else {
        return;
    };
    let read = shop.read(&of_table("table: t"));
    assert_eq!(
        read.types()[..23].join(", "),
        "a int16, b int16, c int64, d int64, e float32, f float64, g float64, h int64, i string, j string, k string, l string, m \
         string, n string, o string, q date, r datetime, s datetime, t time, u uint64, v int16, w int32, x int16"
    );
    let nulls = ["-"; 23].join("|");
    // MariaDB keeps the text of JSON, MySQL its values.
    let json = if shop.server.is_mysql() { "{\"a\": 1}" } else { "{\"a\" : 1}" };
    assert_eq!(
        read.table(),
        [
            "1|-32768|4294967295|-9223372036854775808|0.1|0.1|-1.2346e6|123456789012345678|\
             12345678901234567890123456789.123456789|é'\"\\|abcde|x|foul|x,y|JSON|1969-12-31|2024-02-29 \
             10:00:00.123456|2024-02-29 08:00:00|23:59:59.500|18446744073709551615|2024|-8388608|255|1"
                .replace("JSON", json),
            format!("{nulls}|2"),
            "-|-|-|-|1.6777216e7|1.0000e300|-|-|-||-|-|-|-|-|0001-01-01|-|-|-|-|-|-|-|3".to_owned(),
        ]
    );
    assert_eq!(read.rows.column("e").unwrap().f32().unwrap().get(0), Some(0.1f32));
    assert_eq!(read.rows.column("g").unwrap().f64().unwrap().get(0), Some(-1_234_567.89));
    assert_eq!((read.rows_in, read.bookmark), (3, None));
    // By a query, in its order; a FLOAT would come with six digits.
    let read = shop.read(&of_table("query: 'SELECT a, b FROM t WHERE a IS NOT NULL ORDER BY b DESC;'"));
    assert_eq!(read.table(), ["1|-32768|1"]);
    let (class, failure) = shop.failure(&of_table("query: 'SELECT e FROM t'"));
    assert_eq!(
        (class, failure),
        (
            Class::CannotRun,
            format!(
                "{AT}the column 'e' is a FLOAT, of which a query shows six digits only; write e + 0e0 AS e in the query"
            )
        )
    );
}

#[test]
fn days_that_are_none_and_declared_types() {
    let Some(shop) = Shop::with(
        "SET sql_mode = ''; CREATE TABLE t (n BIGINT, day DATE, at DATETIME, took TIME, flag TINYINT(1), code VARCHAR(9)); INSERT \
         INTO t VALUES (1, '2024-01-01', '2024-01-01 00:00:00', '10:00:00', 1, '7'), (2, '0000-00-00', '2024-01-01', '1:0:0', 0, \
         '8'), (3, '2024-02-00', '2024-01-01', '1:0:0', 0, '8'), (4, '2024-01-01', '0000-00-00', '1:0:0', 0, '8'), (5, \
         '2024-01-01', '2024-01-01', '-10:00:00', 0, '8'), (6, '2024-01-01', '2024-01-01', '100:00:00', 2, '8'), (7, NULL, NULL, \
         NULL, NULL, NULL)",
    ) else {
        return;
    };
    let read = shop.read(&format!(
        "{}\ncolumns: {{n: int16, day: date, at: datetime, took: time, flag: bool, code: int64}}",
        of_table("table: t")
    ));
    assert_eq!(read.types()[..6].join(", "), "n int16, day date, at datetime, took time, flag bool, code int64");
    assert_eq!(read.table(), ["1|2024-01-01|2024-01-01 00:00:00|10:00:00|true|7|1", "7|-|-|-|-|-|7"]);
    let refused = read.refused;
    assert_eq!(refused.height(), 5);
    let text = |column: &str, row: usize| refused.column(column).unwrap().str().unwrap().get(row).unwrap().to_owned();
    assert_eq!([text("day", 0), text("day", 1), text("at", 2)], ["0000-00-00", "2024-02-00", "0000-00-00 00:00:00"]);
    assert_eq!([text("took", 3), text("took", 4)], ["-10:00:00", "100:00:00"]);
}

#[test]
fn what_is_not_read_is_named_with_a_way_out() {
    let Some(shop) =
        Shop::with("CREATE TABLE t (id INT, photo BLOB, flags BIT(8), name VARCHAR(9)); CREATE TABLE none (id INT)")
    else {
        return;
    };
    for (keys, class, error) in [
        (
            "table: t",
            Class::CannotRun,
            "the column 'photo' holds bytes that are not text; name the other columns under 'columns', or read it by a query: \
             HEX(photo) AS photo",
        ),
        (
            "query: SELECT flags FROM t",
            Class::CannotRun,
            "the column 'flags' holds bits; name the other columns under 'columns', or read it by a query: flags + 0 AS flags",
        ),
        ("table: tt", Class::CannotRun, "Table 'shop.tt' doesn't exist; check 'table'"),
        ("table: none", Class::CannotRun, "table 'none' has no rows; fill it first, or take the table out of the spec"),
        (
            "table: none, incremental: name",
            Class::CannotRun,
            "incremental: table 'none' has no column 'name'; choose one of: id",
        ),
        (
            "query: 'SELECT id, name FROM t', incremental: name",
            Class::CannotRun,
            "incremental: 'name' is neither a whole number nor a date or timestamp; take a column such as an id or the time of the \
             last change, or cast it in a query",
        ),
        (
            "query: 'SELECT id FROM t UNION SELECT NULL', incremental: id",
            Class::CannotRun,
            "incremental: the query has rows without a value in 'id'; take a column that every row fills, or a 'query' that leaves \
             these rows out",
        ),
        (
            "query: 'SELECT COUNT(*) AS id FROM information_schema.columns a, information_schema.columns b, \
             information_schema.columns c, information_schema.columns d', timeout_seconds: 1",
            Class::TryAgain,
            if shop.server.is_mysql() {
                "Query execution was interrupted, maximum statement execution time exceeded; run again when the server is less busy, or \
                 raise 'timeout_seconds'"
            } else {
                "Query execution was interrupted (max_statement_time exceeded); run again when the server is less busy, or raise \
                 'timeout_seconds'"
            },
        ),
    ] {
        let (found_class, found) = shop.failure(&of_table(keys));
        assert_eq!((found_class, found.as_str()), (class, format!("{AT}{error}").as_str()), "{keys}");
    }
}

/// As the test of the same name for PostgreSQL: values that come several times, refused rows, and refused rows that are
/// corrected.
#[test]
fn nothing_is_lost_and_nothing_counted_twice() {
    let Some(shop) = Shop::with("CREATE TABLE none (id INT)") else { return };
    let mut random = testkit::Random::seeded(73);
    for (round, sql_type) in ["INT UNSIGNED", "DATE", "TIMESTAMP", "DATETIME(6)", "BIGINT"].into_iter().enumerate() {
        let table = format!("t{round}");
        shop.server.sql(&format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY, at {sql_type} NOT NULL, bad INT)"));
        let yaml =
            format!("{}\ncolumns: {{id: int64, bad: int32}}", of_table(&format!("table: {table}, incremental: at")));
        let (mut bookmark, mut clock, mut id, mut reached) = (None, 10u64, 0i64, 0u64);
        let mut refused: Vec<(i64, u64)> = Vec::new();
        for step in 0..8 {
            let (mut expected, mut read) = (Vec::new(), 0);
            let mut sql = String::new();
            if !refused.is_empty() && random.below(3) == 0 {
                let (corrected, value) = refused.swap_remove(random.below(refused.len() as u64) as usize);
                sql.push_str(&format!("UPDATE {table} SET bad = NULL, at = at WHERE id = {corrected};"));
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
                    "INT UNSIGNED" | "BIGINT" => clock.to_string(),
                    _ => format!("'2024-{:02}-{:02}'", 1 + clock / 28, 1 + clock % 28),
                };
                let bad_text = if bad { "1" } else { "NULL" };
                sql.push_str(&format!("INSERT INTO {table} VALUES ({id}, {value}, {bad_text});"));
                read += 1;
                match bad {
                    true => refused.push((id, clock)),
                    false => expected.push((id, clock)),
                }
            }
            shop.server.sql(&sql);
            let (found, rows_in) = shop.run_checked(&yaml, &mut bookmark);
            reached = expected.iter().map(|(_, value)| *value).max().unwrap_or(0).max(reached);
            let mut expected: Vec<i64> = expected.into_iter().map(|(id, _)| id).collect();
            expected.sort_unstable();
            assert_eq!((found, rows_in), (expected, read), "{sql_type}, step {step}: {bookmark:?}");
        }
    }
    // A unique column needs no memory of the rows of the last value.
    let yaml = format!("{}\ncolumns: {{id: int64, bad: int32}}", of_table("table: t0, incremental: id"));
    let mut bookmark = None;
    let (_, rows) = shop.run_checked(&yaml, &mut bookmark);
    assert_eq!(bookmark, Some(json!({"of": "id", "after": rows, "known": []})));
    assert_eq!(shop.run_checked(&yaml, &mut bookmark).1, 0);
}

#[test]
fn a_datetime_at_midnight_is_a_day() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id INT, at DATETIME, ts TIMESTAMP NULL); INSERT INTO t VALUES (1, '2024-01-31', NULL), (2, '2024-01-31 10:00', \
         NULL), (3, NULL, NULL)",
    ) else {
        return;
    };
    let read = shop.read(&format!("{}\ncolumns: {{id: int64, at: date, ts: date}}", of_table("table: t")));
    assert_eq!(read.table(), ["1|2024-01-31|-|1", "3|-|-|3"]);
    assert_eq!(read.refusals(), ["2|2024-01-31 10:00:00|-|2|-|at: '2024-01-31 10:00:00' is not a date"]);
    let read = shop.read(&format!(
        "{}\ncolumns: {{at: {{type: date, format: '%Y-%m-%d %H:%M:%S'}}}}",
        of_table("query: SELECT at FROM t WHERE id = 2")
    ));
    assert_eq!(read.table(), ["2024-01-31|1"]);
}

#[test]
fn a_table_that_lost_the_rows_of_the_bookmark_is_doubted() {
    let Some(shop) = Shop::with("CREATE TABLE t (id BIGINT PRIMARY KEY, at DATETIME)") else { return };
    for by in ["id", "at"] {
        shop.server.sql("DELETE FROM t; INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02'); COMMIT");
        let yaml = format!("{}\ncolumns: {{id: int64}}", of_table(&format!("table: t, incremental: {by}")));
        let after = Reach::After(shop.read(&yaml).bookmark.unwrap());
        let read = || shop.open(&yaml, &after).and_then(read_all).unwrap();
        assert_eq!((read().rows_in, read().doubts), (0, vec![]), "{by}");
        shop.server.sql("DELETE FROM t; INSERT INTO t VALUES (1, '2023-01-01'); COMMIT");
        let read = read();
        assert_eq!((read.rows_in, read.doubts.len()), (0, 1), "{by}");
        assert!(read.doubts[0].contains("no row has the value of the bookmark, 2"), "{:?}", read.doubts);
    }
    // Another column has other values.
    let by = |column: &str| of_table(&format!("table: t, incremental: {column}"));
    let after = Reach::After(shop.read(&by("id")).bookmark.unwrap());
    let error = shop.open(&by("at"), &after).map(drop).unwrap_err().to_string();
    assert!(error.contains("the bookmark of the last run is one of 'id', not of 'at'; go back to 'id'"), "{error}");
}

#[test]
fn servers_that_cannot_be_used_are_named_without_the_password() {
    const ROWS: &str = "CREATE TABLE t (id INT); INSERT INTO t VALUES (1)";
    let Some(mut shop) = Shop::with(ROWS) else { return };
    let wrong = of_table("table: t")
        .replace("${DATABASE_URL}", &shop.server.url().replace(shop.server.password(), "wrong-but-secret"));
    let (class, text) = shop.failure(&wrong);
    assert_eq!(class, Class::CannotRun);
    assert!(text.starts_with(&format!("{AT}Access denied")) && !text.contains("wrong-but-secret"), "{text}");
    // A server without TLS: MySQL makes certificates for itself, and takes no password without.
    if shop.server.is_mysql() {
        shop.server = MariadbServer::start_with(&["tls-version="]).unwrap();
        shop.server.sql(ROWS);
        let said = "the server takes this user's password over an encrypted connection only; add '?sslmode=require' to 'url', and let \
                    an administrator set up TLS";
        assert_eq!(shop.failure(&of_table("table: t")), (Class::CannotRun, format!("{AT}{said}")));
    }
    let (class, text) = shop.failure(&of_table("table: t").replace("}',", "}?sslmode=require',"));
    assert_eq!(class, Class::CannotRun);
    assert!(text.contains("no encrypted connection: the server does not offer one"), "{text}");
    shop.server.stop();
    let (class, text) = shop.failure(&of_table("table: t"));
    assert_eq!(class, Class::TryAgain);
    assert!(text.starts_with(&format!("{AT}cannot be reached: ")), "{text}");
}

#[test]
fn connections_are_encrypted_as_the_url_says() {
    let Some(certificates) = postgres::certificates() else { return };
    let project = Project::new()
        .and("root.pem", certificates.root)
        .and("stranger.pem", certificates.stranger)
        .and("server.crt", certificates.server)
        .and("server.key", certificates.key);
    let path = |name: &str| project.0.path().join(name).display().to_string();
    let settings = [format!("ssl-cert={}", path("server.crt")), format!("ssl-key={}", path("server.key"))];
    let Some(server) = MariadbServer::start_with(&settings.each_ref().map(String::as_str)) else { return };
    let shop = Shop { project, server };
    let cipher = |parameters: &str| {
        let of_server = if shop.server.is_mysql() { "performance_schema" } else { "information_schema" };
        let query = format!(
            "SELECT variable_value <> '''' AS encrypted FROM {of_server}.session_status WHERE variable_name = ''Ssl_cipher''"
        );
        let yaml = of_table(&format!("query: '{query}'")).replace("}',", &format!("}}{parameters}',"));
        shop.open(&yaml, &Reach::All).and_then(read_all).map(|read| read.table())
    };
    assert_eq!(cipher("").unwrap(), ["1|1"]);
    assert_eq!(cipher("?sslmode=require").unwrap(), ["1|1"]);
    assert_eq!(cipher("?sslmode=disable").unwrap(), ["0|1"]);
    assert_eq!(cipher("?sslmode=verify-full&sslrootcert=root.pem").unwrap(), ["1|1"]);
    let stranger = cipher("?sslmode=verify-full&sslrootcert=stranger.pem").err().unwrap();
    assert!(stranger.to_string().contains("no encrypted connection: invalid peer certificate: "), "{stranger}");
}
