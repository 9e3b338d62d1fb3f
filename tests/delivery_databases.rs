//! Tables delivered into databases, by the real program and a real server: once, as a whole, and right or not at all.

use serde_json::Value;
use testkit::{Killer, MariadbServer, Moment, Outcome, PostgresServer, Project};

/// A pipeline with one clean table of every kind of column.
fn shop(url: &str) -> Project {
    let project = Project::new().with_variable("DATABASE_URL", url);
    project.write("in/orders.csv", ORDERS);
    project.write(
        "resources/shop/ingest.yaml",
        "tables:\n  orders:\n    source: {file: {path: in/orders.csv}}\n    columns: {id: int64, town: string, amount: float64, \
         paid: bool, day: date, at: datetime, small: int16}\n",
    );
    project.write("resources/shop/clean.yaml", "tables:\n  orders: {}\n");
    remake(&project);
    project
}

const ORDERS: &str = "id,town,amount,paid,day,at,small\n\
    1,Köln,0.1,true,2024-02-29,2024-02-29T23:59:59.123456,1\n\
    2,\"a\tb\\\",1e300,false,1969-12-31,1969-12-31T00:00:00,-32768\n\
    3,,,,,,\n";

fn remake(project: &Project) {
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0);
    }
}

fn delivery(project: &Project, options: &str) {
    project.write(
        "resources/shop/export.yaml",
        format!(
            "table: orders\nformat: postgres\npostgres: {{url: \"${{DATABASE_URL}}\", table: orders, {options}}}\n"
        ),
    );
}

fn export(project: &Project) -> Outcome {
    project.run("export", ["shop"])
}

fn receipt(project: &Project) -> Value {
    let path = project.latest("data/output/shop/export").remove(0);
    let receipt: Value = serde_json::from_str(&project.read(&path)).unwrap();
    // The evidence says the same.
    assert_eq!(project.evidence(&path)["notes"]["receipt"], receipt);
    receipt
}

const ALL: &str = "SELECT id, town, amount, paid, day, at, small FROM orders ORDER BY id";

#[test]
fn a_table_is_created_with_types_keys_and_indexes_and_holds_what_was_sent() {
    let Some(server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    delivery(&project, "keys: [id], indexes: [[town], [day, at]]");
    export(&project).exits(0).never_says(server.password());
    assert_eq!(
        server.psql(ALL),
        "1|Köln|0.1|t|2024-02-29|2024-02-29 23:59:59.123456|1\n2|a\tb\\|1e+300|f|1969-12-31|1969-12-31 00:00:00|-32768\n3||||||"
    );
    assert_eq!(
        server.psql(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = \
             'orders'::regclass AND attnum > 0 ORDER BY attnum"
        ),
        "id|bigint|t\ntown|text|f\namount|double precision|f\npaid|boolean|f\nday|date|f\nat|timestamp without time \
         zone|f\nsmall|smallint|f"
    );
    assert_eq!(
        server.psql("SELECT indexdef FROM pg_indexes WHERE tablename = 'orders' ORDER BY indexname").lines().count(),
        3
    );
    let receipt = receipt(&project);
    assert_eq!(receipt["target"], format!("postgres://127.0.0.1:{}/postgres orders", server.port()));
    assert_eq!((&receipt["rows"], &receipt["rows_in_target"]), (&3.into(), &3.into()));
    assert_eq!((&receipt["sums"]["id"], &receipt["sums"]["small"]), (&"6".into(), &"-32767".into()));
    // Once is enough.
    export(&project).exits(0).says("up to date");
    assert_eq!(server.psql("SELECT count(*) FROM millrace_deliveries"), "1");
    // No file of the project holds the password.
    let found = std::process::Command::new("grep")
        .args(["-rl", server.password(), "data", "resources"])
        .current_dir(project.root())
        .output();
    assert_eq!(String::from_utf8_lossy(&found.unwrap().stdout), "");
}

#[test]
fn rows_are_replaced_appended_once_or_updated() {
    let Some(server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    let ids = || server.psql("SELECT id, town FROM orders ORDER BY id, town").replace('\n', " ");
    delivery(&project, "mode: replace");
    export(&project).exits(0);
    server.psql("INSERT INTO orders (id, town) VALUES (9, 'gone')");
    project.write("in/orders.csv", ORDERS.replace("1,Köln", "7,Ulm"));
    remake(&project);
    export(&project).exits(0);
    assert_eq!(ids(), "2|a\tb\\ 3| 7|Ulm");

    // What is new is added; what was added is not added again, whatever else changes.
    delivery(&project, "mode: append");
    export(&project).exits(0);
    assert_eq!(ids(), "2|a\tb\\ 2|a\tb\\ 3| 3| 7|Ulm 7|Ulm");
    project
        .write("resources/shop/export.yaml", project.read("resources/shop/export.yaml").replace("append,", "append, "));
    project.write("resources/shop/export.yaml", format!("{}# a comment\n", project.read("resources/shop/export.yaml")));
    export(&project).exits(0);
    assert_eq!(server.psql("SELECT count(*) FROM orders"), "6");
    project.run("export", ["shop", "--force"]).exits(0);
    assert_eq!(server.psql("SELECT count(*) FROM orders"), "9");

    // Keys are updated, others stay, new ones are added.
    server.psql("TRUNCATE orders; ALTER TABLE orders ADD UNIQUE (id); INSERT INTO orders (id, town) VALUES (7, 'old'), (8, 'stays')");
    delivery(&project, "mode: upsert, keys: [id]");
    export(&project).exits(0);
    assert_eq!(ids(), "2|a\tb\\ 3| 7|Ulm 8|stays");
    let receipt = receipt(&project);
    assert_eq!((&receipt["rows"], &receipt["rows_in_target"]), (&3.into(), &4.into()));
}

#[test]
fn foreign_keys_hold_and_both_tables_can_be_replaced() {
    let Some(server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    project.write("in/towns.csv", "town,country\nKöln,de\n\"a\tb\\\",xx\n");
    let ingest = project.read("resources/shop/ingest.yaml");
    project.write("resources/shop/ingest.yaml", ingest + "  towns: {source: {file: {path: in/towns.csv}}}\n");
    project.write("resources/shop/clean.yaml", "tables: {orders: {}, towns: {}}\n");
    remake(&project);
    let deliveries = |orders: &str, towns: &str| {
        let one = |more: &str| format!("{{format: postgres, postgres: {{url: \"${{DATABASE_URL}}\", {more}}}}}");
        let text = format!("deliveries:\n  towns: {}\n  orders: {}\n", one(towns), one(orders));
        project.write("resources/shop/export.yaml", text);
    };
    deliveries("foreign_keys: [{columns: [town], table: nowhere}]", "keys: [town]");
    export(&project).exits(2).says("'nowhere' does not exist".replace('\'', "\"").as_str());
    deliveries("foreign_keys: [{columns: [town], table: towns}]", "keys: [town]");
    export(&project).exits(0);
    assert_eq!(
        server.psql("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'orders'::regclass"),
        "1"
    );
    // The table that they lead to is replaced, under them.
    project.write("in/towns.csv", "town,country\nKöln,DE\n\"a\tb\\\",xx\nUlm,de\n");
    remake(&project);
    export(&project).exits(0);
    assert_eq!(server.psql("SELECT country FROM towns ORDER BY country"), "DE\nde\nxx");
    // A key that leads nowhere keeps the old rows of both.
    project.write("in/orders.csv", ORDERS.replace("1,Köln", "1,Bonn"));
    remake(&project);
    export(&project).exits(1).says("violates foreign key constraint").says("nothing was delivered");
    assert_eq!(server.psql("SELECT town FROM orders WHERE id = 1"), "Köln");
    project.write("in/towns.csv", "town,country\nBonn,de\n");
    remake(&project);
    export(&project).exits(1).says("violates foreign key constraint");
    assert_eq!(server.psql("SELECT count(*) FROM towns"), "3");
}

const COLUMNS: &str = "id int, town text, amount float8, paid bool, day date, at timestamp, small int";

#[test]
fn a_load_that_fails_leaves_the_table_as_it_was() {
    let Some(server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    let fails = |columns: &str, more: &str, options: &str, code: i32, says: &str| {
        server.psql(&format!(
            "DROP TABLE IF EXISTS orders; CREATE TABLE orders ({columns}); INSERT INTO orders (id) VALUES (77); {more}"
        ));
        delivery(&project, options);
        let outcome = export(&project);
        outcome.exits(code).says(says).never_says(server.password()).never_says("panicked");
        assert_eq!(server.psql("SELECT id FROM orders"), "77", "{columns} {more}");
        assert!(!project.exists("data/output/shop/export/latest"), "{says}");
    };
    let with = |from: &str, to: &str| COLUMNS.replace(from, to);
    let trigger = |body: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$; CREATE \
             TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();"
        )
    };
    // What the types of the target do not hold
    fails(
        &with("town text", "town varchar(3)"),
        "",
        "mode: replace",
        1,
        "column 'town': the type character varying(3) of the target would change 2 values; change the type of the column in \
         the target, or round the values before; nothing was delivered",
    );
    fails(
        &with("at timestamp", "at date"),
        "",
        "mode: append",
        1,
        "column 'at': the type date of the target would change 1 value",
    );
    fails(
        &with("amount float8", "amount numeric(3,1)"),
        "",
        "mode: append",
        1,
        "the table does not take the rows: numeric field overflow",
    );
    fails(
        &with("day date", "day bool"),
        "",
        "mode: append",
        2,
        "the types do not match: cannot cast type date to boolean",
    );
    fails(
        &with(", small int", ""),
        "",
        "mode: append",
        2,
        "orders: the table has no column 'small'; choose one of: id, town, amount, paid, day, at",
    );
    // What its rules do not take
    fails(COLUMNS, "ALTER TABLE orders ADD CHECK (small > -100)", "mode: replace", 1, "violates check constraint");
    fails(
        COLUMNS,
        &trigger("NEW.town := 'x';"),
        "mode: replace",
        1,
        "the rows that the target returned are not those that were sent",
    );
    fails(
        COLUMNS,
        &trigger("IF NEW.id = 2 THEN RETURN NULL; END IF;"),
        "mode: replace",
        1,
        "3 rows were sent, and the table has 2",
    );
    // Keys
    fails(COLUMNS, "", "mode: upsert, keys: [id]", 2, "the table has no unique index on (id); create one");
    fails(
        COLUMNS,
        "ALTER TABLE orders ADD UNIQUE (town)",
        "mode: upsert, keys: [town]",
        1,
        "a row has an empty cell in its key: (town) = (null); remove such rows",
    );
    fails(
        COLUMNS,
        "",
        "mode: upsert, keys: [idd]",
        2,
        "'keys' names the column 'idd', which is not delivered; did you mean 'id'?",
    );
    // Faults on the way
    fails(
        COLUMNS,
        &trigger("RAISE EXCEPTION 'No space left' USING ERRCODE = '53100';"),
        "mode: replace",
        75,
        "No space left; run again later",
    );
    fails(
        COLUMNS,
        &trigger("PERFORM pg_terminate_backend(pg_backend_pid());"),
        "mode: replace",
        75,
        "terminating connection due to administrator command",
    );
    // Once all is well, the same rows go in.
    server.psql(&format!("DROP TABLE orders; CREATE TABLE orders ({COLUMNS})"));
    delivery(&project, "mode: append");
    export(&project).exits(0);
    assert_eq!(server.psql("SELECT count(*) FROM orders"), "3");
}

#[test]
fn a_key_that_comes_twice_is_named() {
    let Some(server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    project.write("in/orders.csv", format!("{ORDERS}2,b,1,true,,,5\n"));
    remake(&project);
    delivery(&project, "mode: upsert, keys: [id]");
    export(&project)
        .exits(1)
        .says("2 rows have the key (id) = (2); a key identifies one row: remove duplicates by a step of clean");
    assert_eq!(server.psql("SELECT to_regclass('orders') IS NULL"), "t");
}

#[test]
fn servers_that_cannot_be_used_are_named_without_the_password() {
    let Some(mut server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    server.psql(&format!("CREATE TABLE orders ({COLUMNS})"));
    delivery(&project, "mode: replace, timeout_seconds: 1");
    let blocker = {
        let url = server.url();
        std::thread::spawn(move || {
            let mut psql = std::process::Command::new("psql");
            psql.args(["-X", "-q", &url, "-c", "BEGIN; LOCK TABLE orders; SELECT pg_sleep(3600)"]).output()
        })
    };
    let is_locked =
        "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'AccessExclusiveLock'";
    while server.psql(is_locked) != "1" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    export(&project).exits(75).says("canceling statement due to lock timeout").never_says(server.password());
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");
    drop(blocker.join());
    export(&project).exits(0);

    delivery(&project, "mode: append");
    let wrong = server.url().replace(server.password(), "wrong-but-secret");
    let text = project.read("resources/shop/export.yaml");
    project.write("resources/shop/export.yaml", text.replace("${DATABASE_URL}", &wrong));
    let outcome = export(&project);
    outcome
        .exits(2)
        .says("password authentication failed")
        .says("check user and password")
        .never_says("wrong-but-secret");
    project.write("resources/shop/export.yaml", text);
    server.stop();
    export(&project).exits(75).says("cannot be reached").never_says(server.password());
}

#[test]
fn a_run_that_is_killed_between_load_and_receipt_does_not_deliver_twice() {
    let Some(server) = PostgresServer::start() else { return };
    let Some(killer) = Killer::new() else { return };
    for mode in ["append", "replace", "upsert, keys: [id]"] {
        server.psql("DROP TABLE IF EXISTS orders, millrace_deliveries");
        let project = shop(&server.url());
        delivery(&project, &format!("mode: {mode}"));
        killer.kill(project.command("export", ["shop"]), Moment::Sealed);
        assert_eq!(server.psql("SELECT count(*) FROM orders"), "3", "{mode}");
        assert!(!project.exists("data/output/shop/export/latest"));
        // A mark shows whether the rows are loaded again.
        server.psql("UPDATE orders SET town = 'mark' WHERE id = 1");
        export(&project).exits(0).says("was delivered before; its receipt is stored there");
        assert_eq!(server.psql("SELECT count(*), count(*) FILTER (WHERE town = 'mark') FROM orders"), "3|1", "{mode}");
        let receipt = receipt(&project);
        assert_eq!((&receipt["rows"], &receipt["was_there"]), (&3.into(), &true.into()), "{mode}");
        export(&project).exits(0).says("up to date");
        // It is delivered again if someone says so.
        project.run("export", ["shop", "--force"]).exits(0);
        let rows = if mode == "append" { "6|1" } else { "3|0" };
        assert_eq!(server.psql("SELECT count(*), count(*) FILTER (WHERE town = 'mark') FROM orders"), rows, "{mode}");
    }
}

#[test]
fn an_incremental_source_is_appended_file_by_file() {
    let Some(server) = PostgresServer::start() else { return };
    let project = Project::new().with_variable("DATABASE_URL", server.url());
    server.psql(
        "CREATE TABLE source (id int8, town text); INSERT INTO source SELECT n, 't' FROM generate_series(1, 5) AS n",
    );
    project.write(
        "resources/shop/ingest.yaml",
        "tables:\n  orders: {source: {postgres: {url: \"${DATABASE_URL}\", table: source, incremental: id}}}\n",
    );
    delivery(&project, "mode: append");
    for (step, rows) in ["", "INSERT INTO source VALUES (6, 'u'), (7, 'v')", "", "INSERT INTO source VALUES (8, 'w')"]
        .iter()
        .zip([5, 7, 7, 8])
    {
        server.psql(step);
        project.run("ingest", ["shop"]).exits(0);
        export(&project).exits(0);
        assert_eq!(server.psql("SELECT count(*), count(DISTINCT id) FROM orders"), format!("{rows}|{rows}"), "{step}");
    }
}

#[test]
fn sqlite_files_are_delivered_to_as_well() {
    let project = shop("");
    let file = project.at("shop.db");
    if std::process::Command::new("sqlite3").arg("--version").output().is_err() {
        return testkit::skipped("sqlite3", "no sqlite3");
    }
    let sql = |text: &str| {
        let done = std::process::Command::new("sqlite3").arg(&file).arg(text).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    };
    let delivery = |options: &str| {
        project.write(
            "resources/shop/export.yaml",
            format!("table: orders\nformat: sqlite\nsqlite: {{path: shop.db, {options}}}\n"),
        );
    };
    delivery("keys: [id], indexes: [[town]]");
    export(&project).exits(0);
    let all = "SELECT id, town, amount, paid, day, at, small FROM orders ORDER BY id";
    assert_eq!(
        sql(all),
        "1|Köln|0.1|1|2024-02-29|2024-02-29 23:59:59.123456|1\n2|a\tb\\|1.0e+300|0|1969-12-31|1969-12-31 \
         00:00:00|-32768\n3||||||"
    );
    export(&project).exits(0).says("up to date");
    // The same rows by another way have the same checksum.
    let sum = receipt(&project)["checksum"].clone();
    delivery("mode: append, table: copy");
    export(&project).exits(0);
    assert_eq!(receipt(&project)["checksum"], sum);
    // A type that would change values
    sql("CREATE TABLE other (id, town INTEGER, amount TEXT, paid, day, at, small); INSERT INTO other (id) VALUES (77)");
    project.write("in/orders.csv", ORDERS.replace("Köln", "007"));
    remake(&project);
    delivery("mode: replace, table: other");
    export(&project).exits(1).says("column 'town': its type in the target would change 1 value");
    assert_eq!(sql("SELECT id FROM other"), "77");
    project.write("in/orders.csv", ORDERS);
    remake(&project);
    delivery("mode: upsert, keys: [id], table: other");
    export(&project).exits(2).says("the table has no unique index on (id)");
    // What an upsert changes
    sql(
        "DELETE FROM orders WHERE id = 3; UPDATE orders SET town = 'old' WHERE id = 1; INSERT INTO orders (id, town) VALUES (9, 'stays')",
    );
    delivery("mode: upsert, keys: [id]");
    export(&project).exits(0);
    assert_eq!(sql("SELECT id, town FROM orders ORDER BY id"), "1|Köln\n2|a\tb\\\n3|\n9|stays");
    // Killed between load and receipt
    let Some(killer) = Killer::new() else { return };
    delivery("mode: append, table: third");
    killer.kill(project.command("export", ["shop"]), Moment::Sealed);
    assert_eq!(sql("SELECT count(*) FROM third"), "3");
    export(&project).exits(0).says("was delivered before");
    assert_eq!(sql("SELECT count(*) FROM third"), "3");
    delivery("mode: append, table: third, path: no/such/shop.db");
    export(&project).exits(2);
}

fn mysql(project: &Project, options: &str) {
    project.write(
        "resources/shop/export.yaml",
        format!("table: orders\nformat: mysql\nmysql: {{url: \"${{DATABASE_URL}}\", table: orders, {options}}}\n"),
    );
}

#[test]
fn mariadb_holds_what_was_sent() {
    let Some(server) = MariadbServer::start() else { return };
    let project = shop(&server.url());
    mysql(&project, "keys: [id], indexes: [[town], [day, at]]");
    export(&project).exits(0).never_says(server.password());
    assert_eq!(
        server.sql(ALL),
        "1\tKöln\t0.1\t1\t2024-02-29\t2024-02-29 23:59:59.123456\t1\n2\ta\tb\\\t1e300\t0\t1969-12-31\t1969-12-31 \
         00:00:00.000000\t-32768\n3\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL"
    );
    assert_eq!(
        server.sql("SELECT column_name, column_type, column_key FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position"),
        "id\tbigint(20)\tPRI\ntown\tvarchar(255)\tMUL\namount\tdouble\t\npaid\ttinyint(1)\t\nday\tdate\tMUL\nat\tdatetime(6)\t\nsmall\tsmallint(6)\t"
    );
    let first = receipt(&project);
    assert_eq!((&first["rows"], &first["rows_in_target"]), (&3.into(), &3.into()));
    assert_eq!((&first["sums"]["id"], &first["sums"]["small"]), (&"6".into(), &"-32767".into()));
    export(&project).exits(0).says("up to date");
    // The same rows have the same checksum wherever they are.
    project.write("resources/shop/export.yaml", "table: orders\nformat: sqlite\nsqlite: {path: a.db}\n");
    export(&project).exits(0);
    assert_eq!(receipt(&project)["checksum"], first["checksum"]);

    let ids = || server.sql("SELECT id, town FROM orders ORDER BY id, town").replace('\n', " ").replace('\t', "|");
    server.sql("INSERT INTO orders (id, town) VALUES (9, 'gone')");
    mysql(&project, "mode: replace");
    export(&project).exits(0);
    assert_eq!(ids(), "1|Köln 2|a|b\\ 3|NULL");
    server.sql("UPDATE orders SET town = 'old' WHERE id = 1; DELETE FROM orders WHERE id = 3; INSERT INTO orders (id, town) VALUES (8, 'stays')");
    mysql(&project, "mode: upsert, keys: [id]");
    export(&project).exits(0);
    assert_eq!(ids(), "1|Köln 2|a|b\\ 3|NULL 8|stays");
    server.sql("DROP TABLE orders");
    mysql(&project, "mode: append");
    export(&project).exits(0);
    export(&project).exits(0).says("up to date");
    project.run("export", ["shop", "--force"]).exits(0);
    assert_eq!(server.sql("SELECT COUNT(*) FROM orders"), "6");
}

#[test]
fn mariadb_keeps_its_rows_if_a_load_fails() {
    let Some(mut server) = MariadbServer::start() else { return };
    let project = shop(&server.url());
    const COLUMNS: &str = "id INT, town TEXT, amount DOUBLE, paid BOOL, day DATE, at DATETIME(6), small INT";
    let fails = |columns: &str, more: &str, options: &str, code: i32, says: &str| {
        server.sql(&format!("DROP TABLE IF EXISTS orders; CREATE TABLE orders ({columns}) ENGINE = InnoDB CHARACTER SET utf8mb4; INSERT INTO orders (id) VALUES (77); {more}"));
        mysql(&project, options);
        let outcome = export(&project);
        outcome.exits(code).says(says).never_says(server.password()).never_says("panicked");
        assert_eq!(server.sql("SELECT id FROM orders"), "77", "{columns} {more}");
        assert!(!project.exists("data/output/shop/export/latest"), "{says}");
    };
    let with = |from: &str, to: &str| COLUMNS.replace(from, to);
    fails(
        &with("town TEXT", "town VARCHAR(3)"),
        "",
        "mode: replace",
        1,
        "the table does not take the rows: Data too long for column 'town'",
    );
    fails(
        &with("at DATETIME(6)", "at DATETIME(3)"),
        "",
        "mode: append",
        1,
        "orders: the rows that the target returned are not those that were sent",
    );
    fails(&with("at DATETIME(6)", "at DATE"), "", "mode: append", 1, "the rows that the target returned are not those");
    fails(
        &with("small INT", "small TINYINT"),
        "",
        "mode: append",
        1,
        "the table does not take the rows: Out of range value for column 'small'",
    );
    fails(&with(", small INT", ""), "", "mode: append", 2, "the table has no column 'small'");
    fails(COLUMNS, "ALTER TABLE orders ADD CHECK (small > -100)", "mode: replace", 1, "CONSTRAINT");
    fails(
        COLUMNS,
        "ALTER TABLE orders ENGINE = MyISAM",
        "mode: replace",
        2,
        "kept by MyISAM, which has no transactions",
    );
    fails(COLUMNS, "", "mode: upsert, keys: [id]", 2, "the table has no unique index on (id)");
    fails(
        COLUMNS,
        "ALTER TABLE orders ADD UNIQUE (small)",
        "mode: upsert, keys: [small]",
        1,
        "a row has an empty cell in its key: (small) = (null)",
    );
    fails(
        COLUMNS,
        "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'",
        "mode: replace",
        75,
        "The table is full; run again later",
    );

    // A table that somebody else holds
    server.sql(&format!("DROP TABLE orders; CREATE TABLE orders ({COLUMNS}) ENGINE = InnoDB"));
    mysql(&project, "mode: replace, timeout_seconds: 1");
    let mut blocker = server.client().spawn().unwrap();
    let mut stdin = blocker.stdin.take().unwrap();
    std::io::Write::write_all(
        &mut stdin,
        b"USE shop; LOCK TABLES orders WRITE; SELECT 'locked'; SELECT SLEEP(3600);\n",
    )
    .unwrap();
    drop(stdin);
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'";
    while server.sql(waiting) != "1" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    export(&project).exits(75).never_says(server.password());
    blocker.kill().unwrap();
    blocker.wait().unwrap();
    server
        .sql("SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")
        .lines()
        .for_each(|kill| {
            server.sql(kill);
        });
    export(&project).exits(0);

    mysql(&project, "mode: append");
    let text = project.read("resources/shop/export.yaml");
    let wrong = server.url().replace(server.password(), "wrong-but-secret");
    project.write("resources/shop/export.yaml", text.replace("${DATABASE_URL}", &wrong));
    export(&project).exits(2).says("Access denied").says("check user and password").never_says("wrong-but-secret");
    project.write("resources/shop/export.yaml", text);
    server.stop();
    export(&project).exits(75).says("cannot be reached").never_says(server.password());
}

#[test]
fn mariadb_is_not_delivered_to_twice() {
    let Some(server) = MariadbServer::start() else { return };
    let Some(killer) = Killer::new() else { return };
    for mode in ["append", "replace", "upsert, keys: [id]"] {
        server.sql("DROP TABLE IF EXISTS orders, millrace_deliveries");
        let project = shop(&server.url());
        mysql(&project, &format!("mode: {mode}"));
        killer.kill(project.command("export", ["shop"]), Moment::Sealed);
        assert_eq!(server.sql("SELECT COUNT(*) FROM orders"), "3", "{mode}");
        server.sql("UPDATE orders SET town = 'mark' WHERE id = 1");
        export(&project).exits(0).says("was delivered before; its receipt is stored there");
        assert_eq!(server.sql("SELECT COUNT(*), SUM(town = 'mark') FROM orders"), "3\t1", "{mode}");
        assert_eq!(receipt(&project)["was_there"], Value::from(true), "{mode}");
    }
}
