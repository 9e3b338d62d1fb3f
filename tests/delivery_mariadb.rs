//! Tables delivered into MariaDB, by the real program and a real server: once, as a whole, and right or not at all.

use serde_json::Value;
use testkit::{Killer, MariadbServer, Moment, Project};
use tests::delivered::{ALL, export, receipt, shop};

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
    let width = |width| if server.is_mysql() { "" } else { width };
    assert_eq!(
        server.sql("SELECT column_name, column_type, column_key FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position"),
        // MySQL shows no widths of numbers.
        format!("id\tbigint{}\tPRI\ntown\tvarchar(255)\tMUL\namount\tdouble\t\npaid\ttinyint(1)\t\nday\tdate\tMUL\nat\tdatetime(6)\t\nsmall\tsmallint{}\t", width("(20)"), width("(6)"))
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
    let is_mysql = server.is_mysql();
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
    fails(
        COLUMNS,
        "ALTER TABLE orders ADD CHECK (small > -100)",
        "mode: replace",
        1,
        if is_mysql { "Check constraint" } else { "CONSTRAINT" },
    );
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

#[test]
fn names_that_mariadb_cannot_have_are_named() {
    let Some(server) = MariadbServer::start() else { return };
    let project = shop(&server.url());
    mysql(&project, "mode: append");
    let spec = project.read("resources/shop/export.yaml");
    project.write("resources/shop/export.yaml", format!("{spec}columns: [id, {{town: town 😀}}]\n"));
    export(&project).exits(2).says(
        "orders: column 'town 😀': MySQL has no names with characters beyond U+FFFF, such as emoji; rename it under 'columns'",
    );
}
