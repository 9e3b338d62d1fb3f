//! Rows per second from a PostgreSQL server on this machine into typed batches: `cargo run --release -p sources
//! --example postgres_rate [ROWS]`. Needs PostgreSQL's programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use sources::{Reach, TableSpec};
use spec::{Environment, Root};
use store::Cloud;
use testkit::PostgresServer;

const SPEC: &str = "source: {postgres: {url: '${DATABASE_URL}', table: trades}}";

fn main() -> spec::Result<()> {
    let rows: u64 = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(2_000_000);
    let Some(server) = PostgresServer::start() else { return Ok(()) };
    server.psql(&format!(
        "CREATE TABLE trades AS SELECT i::int8 AS id, 'customer ' || i % 10000 AS name, i / 7.0::float8 AS price,
             timestamp '2024-01-01' + i * interval '1 second' AS at, date '2024-01-01' + (i % 365)::int AS day
         FROM generate_series(1, {rows}) AS i; VACUUM ANALYZE trades;"
    ));
    let variables = BTreeMap::from([("DATABASE_URL".to_owned(), server.url())]);
    let spec = spec::parse::<TableSpec>(SPEC, Path::new("ingest.yaml"), &Environment::new(variables))?.spec;
    for _ in 0..5 {
        let start = Instant::now();
        let folder = std::env::temp_dir();
        let opened = spec.open("trades", &Root::at(&folder), &Cloud::default(), &folder, &Reach::All)?;
        let mut read = 0;
        for batch in opened.batches {
            read += batch?.rows.height() as u64;
        }
        assert_eq!(read, rows, "every row arrives");
        let seconds = start.elapsed().as_secs_f64();
        println!("{read} rows in {seconds:.2} s: {:.0} rows/s", read as f64 / seconds);
    }
    Ok(())
}
