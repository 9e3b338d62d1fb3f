//! Gold tables as others read them: PostgreSQL, DuckDB and pandas.

use std::process::Command;

use testkit::{PostgresServer, Project, python_with};

use super::{path, small};

const GOLD: [&str; 10] = [
    "dim_customers",
    "dim_products",
    "dim_sellers",
    "dim_dates",
    "dim_geography",
    "fact_orders",
    "fact_items",
    "fact_payments",
    "fact_reviews",
    "kpi_daily",
];

/// The pipeline up to its clean tables, and their paths.
fn cleaned() -> (Project, Vec<String>) {
    let project = small();
    project.run("ingest", ["olist"]).exits(0);
    let clean = project.run("clean", ["olist"]);
    clean.exits(0);
    (project, clean.stdout())
}

/// Each figure of a day once more, in SQL that PostgreSQL and DuckDB understand; how many days differ.
const DIFFERENT_DAYS: &str = "\
WITH of_order AS (
  SELECT order_id, COUNT(*) AS reviews, SUM(score) AS score FROM fact_reviews GROUP BY order_id
), sold AS (
  SELECT order_id, SUM(price) AS price FROM fact_items GROUP BY order_id
), figures AS (
  SELECT d.day, COUNT(o.order_id) AS orders,
    COALESCE(SUM(CASE WHEN o.status NOT IN ('canceled', 'unavailable') THEN s.price END), 0) AS revenue,
    COUNT(o.delivered_at) AS delivered,
    AVG(CASE WHEN o.delivered_at IS NULL THEN NULL WHEN CAST(o.delivered_at AS DATE) > o.promised_on THEN 1.0 ELSE 0.0 END) AS late,
    SUM(r.score) * 1.0 / SUM(r.reviews) AS review_score,
    AVG(EXTRACT(EPOCH FROM (o.delivered_at - o.purchased_at))) / 86400 AS days,
    AVG(CASE WHEN o.order_id IS NULL THEN NULL WHEN EXISTS (SELECT 1 FROM fact_orders e WHERE e.person_id = o.person_id
      AND (e.purchased_at, e.order_id) < (o.purchased_at, o.order_id)) THEN 1.0 ELSE 0.0 END) AS repeated
  FROM dim_dates d LEFT JOIN fact_orders o ON o.purchased_on = d.day LEFT JOIN of_order r ON r.order_id = o.order_id
    LEFT JOIN sold s ON s.order_id = o.order_id
  GROUP BY d.day
)
SELECT COUNT(*) FROM kpi_daily k LEFT JOIN figures f ON f.day = k.day
WHERE f.day IS NULL OR k.orders <> f.orders OR k.revenue <> f.revenue OR k.delivered <> f.delivered
  OR ABS(COALESCE(k.late_share, -1) - COALESCE(f.late, -1)) > 1e-9
  OR ABS(COALESCE(k.review_score, -1) - COALESCE(f.review_score, -1)) > 1e-9
  OR ABS(COALESCE(k.delivery_days, -1) - COALESCE(f.days, -1)) > 1e-6
  OR ABS(COALESCE(k.repeat_rate, -1) - COALESCE(f.repeated, -1)) > 1e-9";

#[test]
fn postgresql_answers_from_the_star_schema() {
    let Some(server) = PostgresServer::start() else { return };
    let (project, clean) = cleaned();
    tests::copy_pipeline(&project, "olist_warehouse");
    let project = project.with_variable("OLIST_DATABASE", server.url());
    let paths = clean.join("\n");
    let export = || project.run_with_stdin("export", ["olist_warehouse", "-"], paths.as_bytes());
    export().exits(0).never_says(server.password());
    for table in GOLD {
        let rows = project.evidence(path(&clean, table))["books"]["rows_out"].as_u64().expect("rows are counted");
        assert_eq!(server.psql(&format!("SELECT COUNT(*) FROM {table}")), rows.to_string(), "{table}");
    }
    assert_eq!(server.psql(DIFFERENT_DAYS), "0", "days whose figures differ");
    // Every fact leads to its dimensions.
    for (fact, key, dimension) in [
        ("fact_orders", "person_id", "dim_customers"),
        ("fact_orders", "seller_id", "dim_sellers"),
        ("fact_items", "order_id", "fact_orders"),
        ("fact_items", "seller_id", "dim_sellers"),
        ("fact_payments", "order_id", "fact_orders"),
        ("fact_reviews", "order_id", "fact_orders"),
    ] {
        let astray = format!(
            "SELECT COUNT(*) FROM {fact} f WHERE {key} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {dimension} d WHERE d.{key} = f.{key})"
        );
        assert_eq!(server.psql(&astray), "0", "{fact}.{key}");
    }
    assert_eq!(
        server.psql(
            "SELECT data_type FROM information_schema.columns WHERE table_name = 'fact_items' AND column_name = 'price'"
        ),
        "numeric"
    );
    // The question of docs/olist.md.
    let states = server.psql(
        "SELECT s.state, ROUND(AVG(CASE WHEN o.is_late THEN 100.0 ELSE 0 END), 1) AS late_percent FROM fact_orders o \
         JOIN dim_sellers s USING (seller_id) WHERE o.is_late IS NOT NULL GROUP BY s.state ORDER BY 2 DESC",
    );
    assert!(states.lines().count() > 3, "{states}");
    export().exits(0).says("up to date");
}

#[test]
fn duckdb_and_pandas_read_every_gold_table() {
    let (Some(python), Some(_)) = (python_with("duckdb"), python_with("pandas")) else { return };
    let (project, clean) = cleaned();
    let files: Vec<String> =
        GOLD.iter().map(|table| format!("{table}={}", project.at(path(&clean, table)).display())).collect();
    let script = format!(
        "\
import sys, duckdb, pandas
for given in sys.argv[1:]:
    name, path = given.split('=', 1)
    duckdb.sql(f\"CREATE VIEW {{name}} AS SELECT * FROM '{{path}}'\")
    rows = duckdb.sql(f'SELECT COUNT(*) FROM {{name}}').fetchall()[0][0]
    table = pandas.read_parquet(path)
    assert len(table) == rows > 0, (name, len(table), rows)
    assert list(table.columns) == duckdb.sql(f'SELECT * FROM {{name}}').columns, name
print(duckdb.sql('''{DIFFERENT_DAYS}''').fetchall()[0][0])
"
    );
    let output = Command::new(python).args(["-c", &script]).args(&files).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "days whose figures differ");
}
