//! Tables of a PostgreSQL server of its own; without PostgreSQL these tests say so and pass.

use std::collections::BTreeMap;

use serde_json::json;
use spec::Class;
use testkit::PostgresServer;

use super::*;

/// A project whose specs know the server as `${DATABASE_URL}`.
pub(super) struct Shop {
    pub project: Project,
    pub server: PostgresServer,
}

impl Shop {
    pub fn with(sql: &str) -> Option<Shop> {
        let server = PostgresServer::start()?;
        server.psql(sql);
        Some(Shop { project: Project::new(), server })
    }

    pub fn table(&self, yaml: &str) -> TableSpec {
        table_at(&self.server.url(), yaml).unwrap()
    }

    pub fn read_part(&self, yaml: &str, reach: &Reach) -> spec::Result<Read> {
        let opened =
            self.table(yaml).open("t", &self.project.root(), &Cloud::default(), self.project.0.path(), reach)?;
        read_all(opened)
    }

    pub fn read(&self, yaml: &str) -> Read {
        self.read_part(yaml, &Reach::All).unwrap()
    }

    /// The error with the port, which differs from run to run, as `PORT`.
    pub fn failure(&self, yaml: &str) -> (Class, String) {
        let error = self.read_part(yaml, &Reach::All).err().expect("it fails");
        (error.class(), self.masked(&error.to_string()))
    }

    fn masked(&self, text: &str) -> String {
        assert!(!text.contains(self.server.password()), "{text}");
        text.replace(&self.server.port().to_string(), "PORT")
    }
}

fn table_at(url: &str, yaml: &str) -> spec::Result<TableSpec> {
    let variables = BTreeMap::from([("DATABASE_URL".to_owned(), url.to_owned())]);
    spec::parse(yaml, Path::new("ingest.yaml"), &Environment::new(variables)).map(|loaded| loaded.spec)
}

pub(super) fn of_table(keys: &str) -> String {
    format!("source: {{postgres: {{url: '${{DATABASE_URL}}', {keys}}}}}")
}

pub(super) const AT: &str = "table 't': postgres://millrace@127.0.0.1:PORT/postgres: ";

#[test]
fn every_type_there_and_back() {
    let Some(shop) = Shop::with(
        "CREATE TYPE mood AS ENUM ('fair', 'foul'); CREATE DOMAIN cents AS int4 CHECK (VALUE >= 0);
         CREATE TABLE t (a bool, b int2, c int4, d int8, e float4, f float8, g numeric(9,2), h numeric(18,0), i numeric,
            j text, k varchar(5), l char(3), m name, n uuid, o json, p jsonb, q date, r timestamp, s timestamptz, t time,
            u mood, v cents, w oid, x \"char\");
         INSERT INTO t VALUES (true, -32768, -2147483648, -9223372036854775808, 1.5, 0.1, -1234567.89, 123456789012345678,
            0.12345678901234567890123456789, 'é''\"\\', 'abcde', 'x', 'n', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
            '{\"a\" : 1}', '{\"a\" : 1}', '1969-12-31', '2024-02-29 10:00:00.123456', '2024-02-29 10:00:00+09', '23:59:59.5',
            'foul', 7, 4294967295, 'z');
         INSERT INTO t (a) VALUES (NULL);
         INSERT INTO t (b, f, j, q, r) VALUES (32767, '-0', '', '0001-01-01', '9999-12-31');",
    ) else {
        return;
    };
    let read = shop.read(&of_table("table: public.t"));
    assert_eq!(
        read.types()[..24].join(", "),
        "a bool, b int16, c int32, d int64, e float32, f float64, g float64, h int64, i string, j string, k string, \
         l string, m string, n string, o string, p string, q date, r datetime, s datetime, t time, u string, v int32, \
         w uint32, x string"
    );
    let nulls = ["-"; 24].join("|");
    assert_eq!(
        read.table(),
        [
            "true|-32768|-2147483648|-9223372036854775808|1.5|0.1|-1.2346e6|123456789012345678|\
             0.12345678901234567890123456789|é'\"\\|abcde|x  |n|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|{\"a\" : 1}|\
             {\"a\": 1}|1969-12-31|2024-02-29 10:00:00.123456|2024-02-29 01:00:00|23:59:59.500|foul|7|4294967295|z|1"
                .to_owned(),
            format!("{nulls}|2"),
            "-|32767|-|-|-|-0.0|-|-|-||-|-|-|-|-|-|0001-01-01|9999-12-31 00:00:00|-|-|-|-|-|-|3".to_owned(),
        ]
    );
    assert_eq!(read.rows.column("g").unwrap().f64().unwrap().get(0), Some(-1_234_567.89));
    let file = read.rows.column("_file").unwrap().str().unwrap().get(0).unwrap().to_owned();
    assert_eq!(shop.masked(&file), "postgres://127.0.0.1:PORT/postgres/public.t");
    assert_eq!((read.rows_in, read.bookmark), (3, None));
}

#[test]
fn declared_types_and_values_that_no_column_holds() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (n int8, x float8, day date, at timestamptz, price numeric, code text);
         INSERT INTO t VALUES (1, 1, '2024-01-01', '2024-01-01', 1.25, '7'), (300, 'NaN', '2024-01-01', '2024-01-01', 'NaN', '8'),
            (3, '-Infinity', 'infinity', '-infinity', 2, 'nine'), (4, 4, NULL, NULL, 1e-30, NULL);",
    ) else {
        return;
    };
    let whole = shop.read(&of_table("table: t"));
    assert_eq!(
        whole.table(),
        ["1|1.0|2024-01-01|2024-01-01 00:00:00|1.25|7|1", "4|4.0|-|-|0.000000000000000000000000000001|-|4"]
    );
    assert_eq!(
        whole.refusals(),
        [
            "300|NaN|2024-01-01|2024-01-01 00:00:00.000000|NaN|8|2|-|x: 'NaN' is not a float64",
            "3|-inf|infinity|-infinity|2|nine|3|-|x: '-inf' is not a float64; day: 'infinity' is not a date; at: \
             '-infinity' is not a datetime"
        ]
    );
    let columns =
        "columns: {code: int64, small: {type: int8, from: n}, price: float64, again: {type: string, from: n}}";
    let read = shop.read(&format!("{}\n{columns}", of_table("table: t")));
    assert_eq!(read.table(), ["7|1|1.25|1|1", "-|4|1.0000e-30|4|4"]);
    assert_eq!(
        read.refusals(),
        [
            "8|300|NaN|300|2|-|small: '300' is not an int8: its values are -128 to 127; price: 'NaN' is not a float64",
            "nine|3|2|3|3|-|code: 'nine' is not an int64"
        ]
    );
    let query =
        of_table("query: \"SELECT code, n * 2 AS twice, '\\\\x00'::bytea AS b FROM t ORDER BY n DESC -- last\"");
    let read = shop.read(&format!("{query}\ncolumns: {{twice: int32, also: {{type: int64, from: twice}}}}"));
    assert_eq!(read.table(), ["600|600|1", "8|8|2", "6|6|3", "2|2|4"]);
}

#[test]
fn types_without_a_column_type_name_the_way_out() {
    let Some(shop) =
        Shop::with("CREATE TABLE t (id int, tags text[], photo bytea); INSERT INTO t VALUES (1, '{a}', 'x')")
    else {
        return;
    };
    assert_eq!(
        shop.failure(&of_table("table: t")),
        (
            Class::CannotRun,
            format!(
                "{AT}the column 'tags' is of the type _text, which is not supported; name the other columns \
                 under 'columns', or read it by a query: tags::text AS tags"
            )
        )
    );
    let (_, text) = shop.failure(&of_table("query: 'SELECT photo FROM t'"));
    assert!(text.ends_with("or read it by a query: encode(photo, 'hex') AS photo"), "{text}");
    assert_eq!(shop.read(&format!("{}\ncolumns: {{id: int64}}", of_table("table: t"))).table(), ["1|1"]);
    assert_eq!(shop.read(&of_table("query: 'SELECT tags::text AS tags FROM t'")).table(), ["{a}|1"]);
}

#[test]
fn a_second_run_reads_what_is_new() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id int4, at timestamptz NOT NULL, price numeric(30, 20));
         INSERT INTO t VALUES (1, '2024-01-01 00:00:00.000001Z', 0.5), (3, '2024-01-05', 1.00000000000000000001), (2, '2024-01-02', 2);",
    ) else {
        return;
    };
    let by =
        |column: &str| format!("{}\ncolumns: {{id: int64}}", of_table(&format!("table: t, incremental: {column}")));
    let first = shop.read(&by("at"));
    assert_eq!(
        (first.table(), first.reached()),
        (vec!["1|1".into(), "2|2".into(), "3|3".into()], Some(json!("2024-01-05 00:00:00+00")))
    );
    assert_eq!(shop.read(&by("id")).reached(), Some(json!(3)));
    assert_eq!(shop.read(&by("price")).reached(), Some(json!("2.00000000000000000000")));

    shop.server.psql("INSERT INTO t VALUES (5, '2024-01-07', 3), (4, '2024-01-06', 1.00000000000000000002)");
    let after = |column: &str, value| shop.read_part(&by(column), &Reach::After(value)).unwrap();
    let second = after("at", json!("2024-01-05 00:00:00+00"));
    assert_eq!(
        (second.table(), second.reached()),
        (vec!["4|1".into(), "5|2".into()], Some(json!("2024-01-07 00:00:00+00")))
    );
    assert_eq!(after("id", json!(4)).table(), ["5|1"]);
    assert_eq!(after("price", json!("1.00000000000000000001")).table(), ["4|1", "2|2", "5|3"]);
    let nothing = after("id", json!(5));
    assert_eq!((nothing.rows_in, nothing.reached()), (0, Some(json!(5))));
    assert!(shop.table(&by("id")).is_incremental());

    let day = |text: &str| text.parse().unwrap();
    let days = Reach::Days(day("2024-01-02"), day("2024-01-05"));
    let read = shop.read_part(&by("at"), &days).unwrap();
    assert_eq!((read.table(), read.bookmark), (vec!["2|1".into(), "3|2".into()], None));
    let error = shop.read_part(&by("id"), &days).err().unwrap();
    assert!(
        error.to_string().contains(
            "incremental: 'id' is of the type int4, which is not a date or timestamp, so days cannot be read again; "
        ),
        "{error}"
    );
    shop.server.psql("INSERT INTO t VALUES (NULL, 'infinity', 1)");
    assert!(shop.failure(&by("id")).1.contains("incremental: table 't' has rows without a value in 'id'; "));
    assert!(
        shop.failure(&by("at")).1.contains("incremental: the greatest value is infinity, after which nothing comes; ")
    );
}

#[test]
fn many_rows_come_in_order_and_count_up() {
    let Some(shop) = Shop::with("CREATE TABLE t AS SELECT i, 'name ' || i AS name FROM generate_series(1, 300000) i")
    else {
        return;
    };
    let read = shop.read(&of_table("query: SELECT * FROM t ORDER BY i"));
    assert_eq!(read.rows_in, 300_000);
    let (ids, rows) = (read.rows.column("i").unwrap().i32().unwrap(), read.rows.column("_row").unwrap().u32().unwrap());
    assert!(ids.iter().zip(rows.iter()).all(|(id, row)| id.map(|id| id as u32) == row));
    assert_eq!(read.rows.column("name").unwrap().str().unwrap().get(299_999), Some("name 300000"));
}

#[test]
fn what_the_server_refuses() {
    let Some(shop) = Shop::with("CREATE TABLE trades (id int, price float8); CREATE TABLE empty (a int)") else {
        return;
    };
    shop.server.psql("INSERT INTO trades VALUES (1, 2)");
    let failure = |keys: &str| shop.failure(&of_table(keys));
    let cannot = |text: &str| (Class::CannotRun, format!("{AT}{text}"));
    assert_eq!(failure("table: public.trade"), cannot("relation \"public.trade\" does not exist; check 'table'"));
    assert_eq!(
        failure("query: SELECT pric FROM trades"),
        cannot("column \"pric\" does not exist; Perhaps you meant to reference the column \"trades.price\".")
    );
    assert_eq!(
        failure("query: DELETE FROM trades RETURNING id"),
        cannot("cannot execute DELETE in a read-only transaction; check 'query'")
    );
    assert_eq!(failure("query: 'SELECT 1 / (id - 1) AS x FROM trades'"), cannot("division by zero; check 'query'"));
    assert_eq!(
        failure("table: empty"),
        cannot("table 'empty' has no rows; fill it first, or take the table out of the spec")
    );
    assert_eq!(
        failure("table: trades, incremental: pric"),
        cannot("incremental: table 'trades' has no column 'pric'; did you mean 'price'?")
    );
    assert_eq!(
        shop.failure(&format!("{}\ncolumns: {{prize: float64}}", of_table("table: trades"))),
        cannot("table 'trades' has no column 'prize'; did you mean 'price'?")
    );
    assert_eq!(
        failure("query: 'SELECT pg_sleep(60)::text AS x', timeout_seconds: 1"),
        (
            Class::TryAgain,
            format!(
                "{AT}canceling statement due to statement timeout; run again when the server is less busy, or raise \
                 'timeout_seconds'"
            )
        )
    );

    let open = |url: &str| {
        let table = table_at(url, &of_table("table: trades")).unwrap();
        let error =
            table.open("t", &shop.project.root(), &Cloud::default(), shop.project.0.path(), &Reach::All).err().unwrap();
        (error.class(), shop.masked(&error.to_string()))
    };
    let wrong = shop.server.url().replace(shop.server.password(), "a-wrong-word");
    assert_eq!(
        open(&wrong),
        cannot("password authentication failed for user \"millrace\"; check user and password in 'url'")
    );
    let other = shop.server.url().replace("/postgres", "/shop");
    assert_eq!(
        open(&other),
        (
            Class::CannotRun,
            "table 't': postgres://millrace@127.0.0.1:PORT/shop: database \"shop\" does not exist; check the database in \
             'url'"
                .to_owned()
        )
    );
    let (class, text) = open(&format!("{}?sslmode=require", shop.server.url()));
    assert_eq!(
        (class, text),
        cannot(
            "no encrypted connection: server does not support TLS; check 'sslmode' and 'sslrootcert' in 'url', and the server's certificate"
        )
    );
}

#[test]
fn a_server_that_is_down_or_stops_is_worth_another_try() {
    let Some(mut shop) =
        Shop::with("CREATE TABLE t AS SELECT i, repeat('x', 200) AS x FROM generate_series(1, 1000000) i")
    else {
        return;
    };
    let opened = shop.table(&of_table("table: t"));
    let opened = opened.open("t", &shop.project.root(), &Cloud::default(), shop.project.0.path(), &Reach::All).unwrap();
    shop.server.stop();
    let error = read_all(opened).err().expect("the rows are cut off");
    assert_eq!(
        (error.class(), shop.masked(&error.to_string())),
        (
            Class::TryAgain,
            "postgres://millrace@127.0.0.1:PORT/postgres: the connection was lost; run again; nothing was published"
                .to_owned()
        )
    );
    let (class, text) = shop.failure(&of_table("table: t"));
    assert_eq!(class, Class::TryAgain);
    assert!(text.starts_with(&format!("{AT}cannot be reached: ")), "{text}");
    assert!(text.ends_with("; run again when the server is up; if it is, check host and port in 'url'"), "{text}");
}

#[test]
fn an_input_shows_where_but_not_who() {
    let url = "postgres://ann:hush@db.example.org/shop?sslmode=require";
    let inputs = |keys: &str| {
        let table = table_at(url, &of_table(keys)).unwrap();
        table.inputs(&Root::at("/project"), &Cloud::default()).unwrap()
    };
    let (first, second) = (inputs("table: public.trades"), inputs("table: public.trades"));
    assert_eq!(first[0].path, "postgres://db.example.org:5432/shop/public.trades");
    assert_eq!(inputs("query: SELECT 1")[0].path, "postgres://db.example.org:5432/shop/query");
    assert_ne!(first, second, "a server is never known to be unchanged");
    let printed = format!("{:?}", table_at(url, &of_table("table: t")).unwrap());
    assert!(!printed.contains("hush"), "{printed}");
}

#[test]
fn connections_are_encrypted_as_the_url_says() {
    let Some(certificates) = certificates() else { return };
    let files = [("server.crt", certificates.server.as_slice()), ("server.key", certificates.key.as_slice())];
    let Some(server) = PostgresServer::start_with(&[("ssl", "on")], &files) else { return };
    let shop = Shop { project: Project::new().and("root.pem", certificates.root), server };
    let mode = |url: &str| {
        let yaml = of_table("query: 'SELECT ssl::text AS ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'");
        let table = table_at(url, &yaml).unwrap();
        let opened = table.open("t", &shop.project.root(), &Cloud::default(), shop.project.0.path(), &Reach::All)?;
        read_all(opened).map(|read| read.table()[0].clone())
    };
    let url = shop.server.url();
    assert_eq!(mode(&url).unwrap(), "true|1");
    assert_eq!(mode(&format!("{url}?sslmode=disable")).unwrap(), "false|1");
    assert_eq!(mode(&format!("{url}?sslmode=require")).unwrap(), "true|1");
    let full = format!("{url}?sslmode=verify-full&sslrootcert=root.pem");
    assert_eq!(mode(&full).unwrap(), "true|1");
    // The certificate is for 127.0.0.1, not for this name of the same machine.
    let other = mode(&full.replace("127.0.0.1", "localhost")).unwrap_err();
    assert_eq!(other.class(), Class::CannotRun);
    assert!(
        shop.masked(&other.to_string()).contains(": no encrypted connection: invalid peer certificate: "),
        "{other}"
    );
    let project = Project::new().and("root.pem", certificates.stranger);
    let table = table_at(&full, &of_table("query: SELECT 1 AS x")).unwrap();
    let error = table.open("t", &project.root(), &Cloud::default(), project.0.path(), &Reach::All).err().unwrap();
    assert!(error.to_string().contains("invalid peer certificate: "), "{error}");
}

pub(super) struct Certificates {
    pub root: Vec<u8>,
    pub server: Vec<u8>,
    pub key: Vec<u8>,
    /// A root that has signed no certificate.
    pub stranger: Vec<u8>,
}

/// Made by `openssl`; nothing, with a word on stderr, where it is not installed.
pub(super) fn certificates() -> Option<Certificates> {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let arguments = command.split_whitespace();
        let made = std::process::Command::new("openssl").args(arguments).current_dir(folder.path()).output();
        let Ok(made) = made else { return false };
        assert!(made.status.success(), "openssl {command}: {}", String::from_utf8_lossy(&made.stderr));
        true
    };
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
    for name in ["root", "stranger"] {
        if !run(&format!("req -x509 {new_key} -subj /CN={name} -keyout {name}.key -out {name}.pem")) {
            testkit::skipped("openssl", "no openssl, which makes the certificates of this test");
            return None;
        }
    }
    std::fs::write(folder.path().join("names"), "subjectAltName = IP:127.0.0.1\n").unwrap();
    run(&format!("req {new_key} -subj /CN=server -keyout server.key -out server.csr"));
    run(
        "x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile names -out server.crt",
    );
    let file = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    Some(Certificates {
        root: file("root.pem"),
        server: file("server.crt"),
        key: file("server.key"),
        stranger: file("stranger.pem"),
    })
}

#[test]
fn a_bookmark_is_that_of_rows_that_were_accepted() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (id int4, at date, x text, code text, day text);
         INSERT INTO t VALUES (1, '2024-01-01', '1', '9', '2024-01-01T10:00'), (2, '2024-01-02', 'far', '10', '2024-01-01 11:00');",
    ) else {
        return;
    };
    let by = |column: &str| {
        format!("{}\ncolumns: {{id: int64, x: int64}}", of_table(&format!("table: t, incremental: {column}")))
    };
    let first = shop.read(&by("at"));
    assert_eq!((first.table(), first.reached()), (vec!["1|1|1".into()], Some(json!("2024-01-01"))));
    shop.server.psql("UPDATE t SET x = '2' WHERE id = 2");
    let second = shop.read_part(&by("at"), &Reach::After(first.bookmark.unwrap())).unwrap();
    assert_eq!((second.table(), second.reached()), (vec!["2|2|1".into()], Some(json!("2024-01-02"))));

    shop.server.psql("INSERT INTO t VALUES (3, '9999-12-31', '3', '100', '2024-01-02')");
    let failure = |yaml: &str| shop.failure(yaml);
    let ends = |text: &str| {
        let way_out = "take another column, or a 'query' that leaves these rows out";
        format!("incremental: the greatest value is {text}, after which nothing comes; {way_out}")
    };
    assert_eq!(failure(&by("at")), (Class::CannotRun, ends("9999-12-31")));
    let cast = |column: &str| {
        format!("cast it by a query, such as {column}::timestamp AS {column} or {column}::bigint AS {column}")
    };
    assert_eq!(
        failure(&by("code")).1,
        format!("{AT}incremental: 'code' holds numbers as text, whose order is not that of numbers; {}", cast("code"))
    );
    assert_eq!(
        failure(&by("day")).1,
        format!(
            "{AT}incremental: 'day' holds timestamps with 'T' and with a space, whose text order is not chronological; {}",
            cast("day")
        )
    );
    assert_eq!(
        failure(&by("x")).1,
        format!("{AT}incremental: 'x' is text on the server, whose order is not that of the type int64; {}", cast("x"))
    );
}

#[test]
fn casts_that_lose_refuse_the_row() {
    let Some(shop) = Shop::with(
        "CREATE TABLE t (n int8, p numeric(20,2), day date, local timestamp, at timestamptz);
         INSERT INTO t VALUES (2, 12.99, '2024-03-05', '2024-07-01 12:00', '2024-07-01 12:00+02'),
            (9007199254740993, 13, '2024-03-06', '2024-03-31 02:30', '2024-07-02 00:00+00');",
    ) else {
        return;
    };
    let read = |columns: &str| {
        let read = shop.read(&format!("{}\ncolumns: {{{columns}}}", of_table("table: t")));
        (
            read.table(),
            read.refused
                .column("_reason")
                .unwrap()
                .str()
                .unwrap()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<String>>();
    assert_eq!(read("n: bool"), (vec![], lines(&["n: '2' is not a bool", "n: '9007199254740993' is not a bool"])));
    assert_eq!(
        read("n: float64"),
        (
            lines(&["2.0|1"]),
            lines(&[
                "n: '9007199254740993' is not a float64: it would be rounded; declare the column as int64 or string"
            ])
        )
    );
    assert_eq!(read("p: int64"), (lines(&["13|2"]), lines(&["p: '12.99' is not an int64"])));
    assert_eq!(
        read("at: date"),
        (lines(&["2024-07-02|2"]), lines(&["at: '2024-07-01 10:00:00.000000' is not a date"]))
    );
    let zone = "{type: datetime, zone: Europe/Berlin";
    let (rows, reasons) = read(&format!("local: {zone}}}, at: {zone}}}"));
    assert_eq!((rows, reasons.len()), (lines(&["2024-07-01 10:00:00|2024-07-01 10:00:00|1"]), 1));
    for (columns, why) in [
        ("n: datetime", "'n' is int64, which has no datetime form"),
        ("day: int64", "'day' is date, which has no int64 form"),
        ("local: time", "'local' is datetime, which has no time form"),
    ] {
        let (_, error) = shop.failure(&format!("{}\ncolumns: {{{columns}}}", of_table("table: t")));
        assert!(error.contains(&format!("table 't': column {why}")), "{error}");
    }
}
