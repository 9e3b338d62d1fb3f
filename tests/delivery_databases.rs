//! Tables delivered into databases, by the real program and a real server: once, as a whole, and right or not at all.

use testkit::{Killer, Moment, PostgresServer, Project};
use tests::delivered::{ALL, ORDERS, export, receipt, remake, shop};

fn delivery(project: &Project, options: &str) {
    project.write(
        "resources/shop/export.yaml",
        format!(
            "table: orders\nformat: postgres\npostgres: {{url: \"${{DATABASE_URL}}\", table: orders, {options}}}\n"
        ),
    );
}

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
    // Triggers that run after a row is stored, at once or at the end
    let says = "triggers changed or removed 1 row of those delivered; look for triggers of the table that run after a row is stored";
    let kinds = [
        "TRIGGER t AFTER INSERT OR UPDATE ON orders",
        "CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED",
    ];
    for kind in kinds {
        let after = |body: &str| trigger(body).replace("TRIGGER t BEFORE INSERT ON orders", kind);
        for mode in ["mode: replace", "mode: append", "mode: upsert, keys: [id]"] {
            let columns = with("id int", "id int8 UNIQUE");
            let change = "IF NEW.id = 2 AND NEW.small < 100 THEN UPDATE orders SET small = 100 WHERE id = 2; END IF;";
            fails(&columns, &after(change), mode, 1, says);
            fails(&columns, &after("DELETE FROM orders WHERE id = 2;"), mode, 1, says);
        }
    }
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
fn triggers_may_do_what_changes_no_delivered_cell() {
    let Some(server) = PostgresServer::start() else { return };
    let project = shop(&server.url());
    server.psql(&format!(
        "CREATE TABLE orders ({COLUMNS}, seen int DEFAULT 0, UNIQUE (id)); INSERT INTO orders (id) VALUES (77), (3); \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seen = 0 THEN BEGIN UPDATE orders SET \
         seen = id WHERE id IN (NEW.id, 77); EXCEPTION WHEN division_by_zero THEN NULL; END; END IF; RETURN NULL; END $$; \
         CREATE TRIGGER t AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()"
    ));
    let ids = || server.psql("SELECT id, seen FROM orders ORDER BY id").replace('\n', " ");
    delivery(&project, "mode: upsert, keys: [id]");
    export(&project).exits(0);
    assert_eq!(ids(), "1|1 2|2 3|3 77|77");
    server.psql("DELETE FROM orders WHERE id < 77; UPDATE orders SET seen = 0");
    delivery(&project, "mode: append");
    export(&project).exits(0);
    assert_eq!(ids(), "1|1 2|2 3|3 77|77");
    delivery(&project, "mode: replace");
    export(&project).exits(0);
    assert_eq!(ids(), "1|1 2|2 3|3");
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
