use polars::prelude::*;
use proptest::prelude::*;

use crate::steps::join::tests::given_with;
use crate::steps::tests::{Done, failure_given, run_given};

fn orders() -> DataFrame {
    df!(
        "id" => [1i64, 2, 3, 4, 5],
        "customer" => [Some("a"), Some("b"), Some("a"), None, Some("x")],
        "price" => [1.5, 2.0, 4.0, 8.0, -1.0],
        "_file" => ["f"; 5],
        "_row" => [2u32, 3, 4, 5, 6],
    )
    .unwrap()
}

fn customers() -> DataFrame {
    df!("id" => ["a", "b", "c"], "city" => [Some("Bonn"), None, Some("Kiel")], "price" => [10i64, 20, 30]).unwrap()
}

fn step(sql: &str) -> String {
    format!("- sql: |\n    {}", sql.replace('\n', "\n    "))
}

fn run(sql: &str) -> Done {
    run_given(&orders(), &step(sql), &given_with("customers", &customers()))
}

fn fails(sql: &str) -> String {
    failure_given(&orders(), &step(sql), &given_with("customers", &customers()))
}

fn is(sql: &str, expected: PolarsResult<DataFrame>) {
    let found = run(sql).rows;
    assert!(found.equals_missing(&expected.unwrap()), "{sql}\n{found}");
}

#[test]
fn columns_of_rows() {
    is(
        "SELECT id, price * 2 AS twice, upper(customer) AS price FROM this WHERE price > 1.5 AND customer IS NOT NULL ORDER BY id DESC",
        df!(
            "id" => [3i64, 2], "twice" => [8.0, 4.0], "price" => ["A", "B"], "_file" => ["f"; 2], "_row" => [4u32, 3]
        ),
    );
    assert_eq!(
        run("SELECT id FROM this WHERE price > 1.5 LIMIT 1").removed,
        [("step 1 'sql' WHERE".to_owned(), 2), ("step 1 'sql' LIMIT 1".to_owned(), 2)]
    );
    let all = run("SELECT *, 1 + 1 AS two FROM this").rows;
    let names: Vec<&str> = all.get_column_names().into_iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["id", "customer", "price", "two", "_file", "_row"]);
}

#[test]
fn quotes_within_texts_and_names_stay() {
    let table = df!("a\"b" => ["it's", "a' || 'b", "x"], "id" => [1i64, 2, 3]).unwrap();
    let sql = "SELECT id, 'a'' || ''b' AS t, \"a\"\"b\" AS u FROM this WHERE \"a\"\"b\" IN ('it''s', 'a'' || ''b') ORDER BY id DESC";
    let found = run_given(&table, &step(sql), &crate::Given::default()).rows;
    assert_eq!(found, df!("id" => [2i64, 1], "t" => ["a' || 'b"; 2], "u" => ["a' || 'b", "it's"]).unwrap());
}

#[test]
fn a_key_may_be_selected_twice() {
    is(
        "SELECT customer AS a, upper(customer) AS b, upper(customer) AS c, customer, COUNT(*) AS n FROM this WHERE customer <> 'x' GROUP BY \
         customer, upper(customer) ORDER BY customer DESC, c",
        df!("a" => ["b", "a"], "b" => ["B", "A"], "c" => ["B", "A"], "customer" => ["b", "a"], "n" => [1i64, 2]),
    );
    is(
        "SELECT price AS id, id AS price FROM this WHERE id < 2 GROUP BY id, price",
        df!("id" => [1.5], "price" => [1i64]),
    );
}

#[test]
fn a_column_may_be_called_as_a_part_of_a_date() {
    let table = df!("day" => [7i64], "t" => [1_706_659_200_000_000i64]).unwrap().lazy();
    let moment = DataType::Datetime(TimeUnit::Microseconds, None);
    let table = table.with_column(col("t").cast(moment)).collect().unwrap();
    let sql = "SELECT EXTRACT(day FROM t) AS d, day, t + INTERVAL 1 day > TIMESTAMP '2024-01-31' AS later FROM this";
    let found = run_given(&table, &step(sql), &crate::Given::default()).rows;
    assert_eq!(found, df!("d" => [31i64], "day" => [7i64], "later" => [true]).unwrap());
}

#[test]
fn joined_tables_are_named() {
    is(
        "SELECT o.id, c.city, o.price AS price, c.price AS limit_, c.id AS key FROM this AS o LEFT JOIN customers AS c ON o.customer = c.id",
        df!(
            "id" => [1i64, 2, 3, 4, 5],
            "city" => [Some("Bonn"), None, Some("Bonn"), None, None],
            "price" => [1.5, 2.0, 4.0, 8.0, -1.0],
            "limit_" => [Some(10i64), Some(20), Some(10), None, None],
            "key" => [Some("a"), Some("b"), Some("a"), None, None],
            "_file" => ["f"; 5],
            "_row" => [2u32, 3, 4, 5, 6],
        ),
    );
    let ids = |sql: &str| -> Vec<i64> { run(sql).rows.column("id").unwrap().i64().unwrap().iter().flatten().collect() };
    assert_eq!(ids("SELECT this.id FROM this JOIN customers ON customer = customers.id"), [1, 2, 3]);
    assert_eq!(ids("SELECT this.id FROM this ANTI JOIN customers c ON c.id = this.customer"), [4, 5]);
    assert_eq!(ids("SELECT this.id FROM this SEMI JOIN customers c ON c.id = this.customer WHERE this.id > 1"), [2, 3]);
}

#[test]
fn rows_become_groups() {
    is(
        "SELECT c.city, COUNT(*) AS n, SUM(this.price) / COUNT(*) AS mean, this.price > 3 AS high\nFROM this LEFT JOIN customers c ON \
         this.customer = c.id\nWHERE this.price > 0\nGROUP BY c.city, high\nHAVING COUNT(*) > 0\nORDER BY n DESC, mean",
        df!(
            "city" => [Some("Bonn"), None, Some("Bonn"), None],
            "n" => [1i64, 1, 1, 1],
            "mean" => [1.5, 2.0, 4.0, 8.0],
            "high" => [false, false, true, true],
        ),
    );
    is(
        "SELECT COUNT(*) AS n, MAX(price) AS high FROM this WHERE id > 100",
        df!("n" => [0i64], "high" => [None::<f64>]),
    );
    is(
        "SELECT upper(customer) AS who, length(upper(customer)) AS n FROM this WHERE customer IS NOT NULL GROUP BY upper(customer), length(upper(customer)) HAVING COUNT(*) = 1 ORDER BY SUM(price)",
        df!("who" => ["X", "B"], "n" => [1i64, 1]),
    );
    is("SELECT DISTINCT customer FROM this ORDER BY customer LIMIT 2", df!("customer" => ["a", "b"]));
    let grouped = run("SELECT customer, COUNT(*) AS n FROM this GROUP BY customer HAVING COUNT(*) > 1");
    assert_eq!(grouped.removed, [("step 1 'sql' by customer".to_owned(), 1), ("step 1 'sql' HAVING".to_owned(), 3)]);
}

#[test]
fn what_it_may_not_contain_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for (sql, error) in [
        ("SELECT id FROM other", "FROM begins with 'other'; begin with FROM this"),
        ("SELECT id FROM (SELECT * FROM this)", "a subquery is not supported"),
        ("WITH t AS (SELECT 1) SELECT id FROM this", "WITH is not supported"),
        (
            "SELECT id FROM this UNION SELECT id FROM this",
            "UNION is not supported at character 1; use the step 'union', and 'dedupe' behind it to keep one of equal rows",
        ),
        (
            "SELECT id FROM this UNION ALL SELECT id FROM this",
            "UNION ALL is not supported at character 1; use the step 'union'",
        ),
        (
            "SELECT id FROM this EXCEPT SELECT id FROM customers",
            "EXCEPT is not supported at character 1; write SELECT DISTINCT … FROM this ANTI JOIN t ON …",
        ),
        ("VALUES (1)", "a query that is not a plain SELECT, such as VALUES, is not supported"),
        ("SELECT id FROM this RIGHT JOIN customers ON id = id", "this kind of join is not supported"),
        (
            "SELECT id FROM this JOIN customers c ON this.id < c.id",
            "'this.id < c.id' at character 41 is not an equality of two columns",
        ),
        ("SELECT id, price * 2 FROM this", "'price * 2' at character 12 has no name; write … AS name"),
        ("SELECT id FROM this; DELETE FROM this", "not a SELECT that can be read: unexpected 'DELETE' at character 22"),
        ("SELECT id FROM this LIMIT 5 OFFSET 2", "OFFSET is not supported"),
        ("SELECT DISTINCT ON (id) id FROM this", "DISTINCT ON is not supported; use the step 'dedupe'"),
        ("UPDATE this SET id = 1", "a query that is not a plain SELECT"),
        ("SELEC id FROM this", "not a SELECT that can be read: expected SELECT, found 'SELEC' at character 1"),
        (
            "SELECT id, COUNT(*) AS n FROM this GROUP BY ROLLUP (id)",
            "GROUP BY ALL, ROLLUP and CUBE are not supported; name the columns",
        ),
    ] {
        let found = fails(sql);
        if !found.contains(error) || !found.starts_with("clean.yaml:1:") {
            wrong.push(format!("{sql}: {found}"));
        }
    }
    for (sql, error) in [
        (
            "SELECT id, - - price AS p FROM this",
            "step 1 'sql': '--price' at character 16: one minus sign follows another; put the inner one into brackets: -(-x)",
        ),
        ("SELECT ids FROM this", "step 1 'sql': 'ids': no column 'ids'; did you mean 'id'?"),
        (
            "SELECT this.ids FROM this",
            "step 1 'sql': 'this.ids' at character 8: no column 'this.ids'; did you mean 'id'?",
        ),
        ("SELECT c.id FROM this", "step 1 'sql': 'c.id' at character 8: no table 'c' in FROM; choose one of: this"),
        (
            "SELECT price FROM this JOIN customers c ON this.customer = c.id",
            "step 1 'sql': 'price' at character 8: column 'price' is in several tables: c, this; write c.price or this.price",
        ),
        (
            "SELECT this.id FROM this JOIN customers c ON this.id = c.id",
            "step 1 'sql': 'id' holds int64, but 'c.id' string; cast one",
        ),
        (
            "SELECT this.id FROM this JOIN customers c ON this.customer = this.id",
            "step 1 'sql': ON compares 'this.customer' with 'this.id', and neither is a column of 'c'; compare a column of each table",
        ),
        (
            "SELECT id, COUNT(*) AS n FROM this GROUP BY customer",
            "step 1 'sql': column 'id' is neither in GROUP BY nor within an aggregate",
        ),
        (
            "SELECT id FROM this WHERE SUM(price) > 1",
            "step 1 'sql': 'SUM(price) > 1' holds an aggregate, but WHERE looks at single rows",
        ),
        (
            "SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM this",
            "holds a window, which is not supported here; use the step 'window' before",
        ),
        (
            "SELECT id, price AS id FROM this",
            "step 1 'sql': the result has two columns 'id'; rename one of them: … AS other",
        ),
        ("SELECT id FROM this ORDER BY 1", "step 1 'sql': ORDER BY 1 names no column; write the name of a column"),
        (
            "SELECT COUNT(*) AS n FROM this GROUP BY 1",
            "step 1 'sql': GROUP BY 1 is not a value of a row; name a column",
        ),
        ("SELECT id FROM this WHERE price", "is neither true nor false; write a comparison after WHERE"),
    ] {
        let found = fails(sql);
        if !found.contains(error) {
            wrong.push(format!("{sql}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let twice = customers().vstack(&customers()).unwrap();
    let found = failure_given(
        &orders(),
        &step("SELECT this.id FROM this JOIN customers c ON this.customer = c.id"),
        &given_with("customers", &twice),
    );
    assert!(found.contains("2 keys of the rows match several rows of 'customers'"), "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn groups_and_order_are_those_of_loops(
        cells in proptest::collection::vec((proptest::option::of(0i64..4), -4i64..8), 0..30), least in -4i64..4, limit in 1usize..5,
    ) {
        let (k, v): (Vec<Option<i64>>, Vec<i64>) = cells.iter().copied().unzip();
        let table = df!("k" => &k, "v" => &v).unwrap();
        let sql = format!("SELECT k + 1 AS next, SUM(v) AS total FROM this WHERE v >= {least} GROUP BY k + 1 HAVING COUNT(*) > 1 ORDER BY total DESC, next LIMIT {limit}");
        let done = run_given(&table, &step(&sql), &crate::Given::default());
        let mut groups: Vec<(Option<i64>, i64, usize)> = Vec::new();
        for (k, v) in cells.iter().filter(|(_, v)| *v >= least) {
            let next = k.map(|k| k + 1);
            match groups.iter_mut().find(|group| group.0 == next) {
                Some(group) => { group.1 += v; group.2 += 1 }
                None => groups.push((next, *v, 1)),
            }
        }
        groups.retain(|group| group.2 > 1);
        groups.sort_by_key(|group| (-group.1, group.0.is_none(), group.0));
        groups.truncate(limit);
        let (next, total) = (done.rows.column("next").unwrap().i64().unwrap(), done.rows.column("total").unwrap().i64().unwrap());
        let found: Vec<_> = next.iter().zip(total.iter()).collect();
        prop_assert_eq!(found, groups.iter().map(|group| (group.0, Some(group.1))).collect::<Vec<_>>());
    }
}

#[test]
fn a_column_of_using_is_one_column() {
    let orders = df!("id" => [1i64, 2], "c" => ["a", "z"], "v" => [10i64, 20]).unwrap();
    let places = given_with("places", &df!("c" => ["a"], "v" => [1i64], "r" => ["N"]).unwrap());
    let run = |sql: &str| run_given(&orders, &step(sql), &places).rows;
    let expected = df!("c" => ["a", "z"], "r" => [Some("N"), None]).unwrap();
    assert!(run("SELECT c, r FROM this LEFT JOIN places USING (c)").equals_missing(&expected));
    let theirs = df!("c" => [Some("a"), None], "r" => [Some("N"), None]).unwrap();
    assert!(run("SELECT places.c, r FROM this LEFT JOIN places USING (c)").equals_missing(&theirs));
    let narrow = given_with("places", &df!("c" => ["a"], "r" => ["N"]).unwrap());
    let all = run_given(&orders, &step("SELECT * FROM this LEFT JOIN places USING (c)"), &narrow).rows;
    let expected = df!("id" => [1i64, 2], "c" => ["a", "z"], "v" => [10i64, 20], "r" => [Some("N"), None]).unwrap();
    assert!(all.equals_missing(&expected), "{all}");
    let fails = |sql: &str| failure_given(&orders, &step(sql), &places);
    assert!(fails("SELECT * FROM this LEFT JOIN places USING (c)").contains("the result has two columns 'v'"));
    let error = fails("SELECT v FROM this LEFT JOIN places USING (c)");
    assert!(error.contains("column 'v' is in several tables: places, this; write places.v or this.v"), "{error}");
}

#[test]
fn books_and_errors_show_what_people_wrote() {
    let books = |sql: &str| -> Vec<String> { run(sql).removed.into_iter().map(|(rule, _)| rule).collect() };
    assert_eq!(
        books("SELECT price > 3 AS high, COUNT(*) AS n FROM this GROUP BY high, length(customer) > 0"),
        ["step 1 'sql' by high, length(customer) > 0"]
    );
    assert_eq!(books("SELECT DISTINCT price > 3 AS high FROM this"), ["step 1 'sql' by high"]);
    for (sql, error) in [
        (
            "SELECT DISTINCT customer FROM this ORDER BY price * 2",
            "step 1 'sql': ORDER BY 'price * 2' is not a column of SELECT DISTINCT; add it to the SELECT, or order by one of its columns",
        ),
        (
            "SELECT customer, SUM(price) AS total FROM this GROUP BY customer HAVING total > 60",
            "step 1 'sql': 'total > 60' holds no aggregate, but HAVING looks at groups; 'total' is only a name for the result: write \
             SUM(price) in its place",
        ),
        (
            "SELECT customer, SUM(price) AS total FROM this GROUP BY customer HAVING customer = 'a'",
            "step 1 'sql': 'customer = 'a'' holds no aggregate, but HAVING looks at groups; write it after WHERE",
        ),
    ] {
        assert_eq!(fails(sql), error);
    }
    let twice = customers().vstack(&customers()).unwrap();
    let sql = "SELECT this.id FROM this JOIN customers c ON this.customer = c.id";
    let error = failure_given(&orders(), &step(sql), &given_with("customers", &twice));
    let way = "; use the step 'join' with `expect: many` before the SELECT if that is meant; otherwise make the keys of 'customers' \
               unique, by a step 'dedupe' or 'aggregate'";
    assert!(error.ends_with(way), "{error}");
}

/// The keys as a trace sees them: without names that a SELECT introduced on the way.
#[test]
fn keys_are_noted_as_people_know_them() {
    let noted = |sql: &str| -> Vec<(String, Option<String>)> {
        let given = given_with("customers", &customers());
        let steps = crate::steps::tests::parse(&step(sql)).unwrap();
        let plan = crate::plan(orders().schema(), &steps, &given).unwrap();
        plan.reshapes().into_iter().flat_map(|step| step.keys).map(|key| (key.column, key.now)).collect()
    };
    let key = |column: &str, now: &str| (column.to_owned(), Some(now.to_owned()));
    assert_eq!(
        noted("SELECT this.customer AS who, price > 2 AS dear, COUNT(*) AS n FROM this GROUP BY this.customer, dear"),
        [key("customer", "who"), key("dear", "dear")]
    );
    assert_eq!(noted("SELECT COUNT(*) AS n FROM this GROUP BY price > 2"), [("price > 2".to_owned(), None)]);
    assert_eq!(
        noted("SELECT DISTINCT customer AS who, id % 2 AS odd FROM this"),
        [key("who", "who"), key("odd", "odd")]
    );
}
