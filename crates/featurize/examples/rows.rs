//! Features of single rows beside those of a whole table, over a made-up history of trades.
//!
//! `cargo run --release -p featurize --example rows [TRADES]`: a million by default. The features are those
//! of resources/housing, and a few over all trades. Prints seconds of the whole table and of opening, and milliseconds per row.

use std::path::Path;
use std::time::Instant;

use featurize::{FeaturesSpec, Prepared, build};
use polars::prelude::{Column, DataFrame, DataType, IntoLazy, LazyFrame, NamedFrom, Series};
use spec::random::Random;

const SPEC: &str = r#"
table: trades
key: trade_id
time: contracted_on
rows: {}
label: {name: price, is: {sql: price}}
features:
  area_sqm: {sql: area}
  floor: {sql: floor}
  floor_penalty: {sql: CASE WHEN floor <= 1 THEN 2 WHEN floor <= 3 THEN 1 ELSE 0 END}
  contract_month: {sql: EXTRACT(MONTH FROM contracted_on)}
  households: {lookup: {of: complexes, on: complex, take: households}}
  lat: {lookup: {of: complexes, on: complex, take: lat}}
  lon: {lookup: {of: complexes, on: complex, take: lon}}
  subway_distance_m: {nearest: {of: stations, at: [lat, lon]}}
  stations_1km: {count_within: {of: stations, at: [lat, lon], radius: 1km}}
  avg_price_3m: {mean: {of: price, by: district, window: 3mo}}
  price_before_3m: {mean: {of: price, by: district, window: 3mo, lag: 3mo}}
  price_change_pct: {sql: (avg_price_3m / price_before_3m - 1) * 100}
  price_per_pyeong: {mean: {of: price / area * 3.3058, where: area > 0, by: complex, window: 365d}}
  district_price_per_pyeong: {mean: {of: price / area * 3.3058, where: area > 0, by: district, window: 90d}}
  last_price: {last: {of: price, by: complex}}
  last_area: {last: {of: area, by: complex}}
  trades_365d: {count: {by: complex, window: 365d}}
  spread: {std: {of: price, by: district, window: 1y}}
  usual: {median: {of: price, by: complex, window: 1y}}
  all_prices: {mean: {of: price}}
  lease_per_pyeong:
    mean: {of: deposit / area * 3.3058, from: leases, time: signed_on, by: complex, window: 365d}
  district_lease_per_pyeong:
    mean: {of: deposit / area * 3.3058, from: leases, time: signed_on, by: district, window: 90d}
  jeonse_ratio: {sql: lease_per_pyeong / price_per_pyeong}
  district_jeonse_ratio: {sql: district_lease_per_pyeong / district_price_per_pyeong}
"#;

fn main() {
    let trades = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().expect("a number of trades"));
    let spec: FeaturesSpec =
        spec::parse(SPEC, Path::new("features.yaml"), &spec::Environment::default()).expect("the spec is right").spec;
    let tables = tables(trades);
    let open = |name: &str| -> spec::Result<LazyFrame> {
        let table = tables.iter().find(|(known, _)| *known == name);
        Ok(table.expect("the spec reads tables that are there").1.clone().lazy())
    };
    let today = "2026-01-01".parse().expect("a day");
    let begin = Instant::now();
    let set = build(&spec, &open, today).expect("features");
    println!("{trades} trades: whole table in {:.2} s, {} rows", begin.elapsed().as_secs_f64(), set.training_rows);
    drop(set);
    let begin = Instant::now();
    let prepared = Prepared::open(&spec, &open, today).expect("features");
    println!("opened in {:.2} s", begin.elapsed().as_secs_f64());
    for rows in [1, 10, 100, 1_000] {
        let mut random = Random::new(7, rows as u64);
        let mut times: Vec<f64> = (0..200)
            .map(|_| {
                let asked = tables[0].1.slice(random.below(trades - rows) as i64, rows);
                let begin = Instant::now();
                prepared.for_rows(&asked, chrono::DateTime::UNIX_EPOCH).expect("features");
                begin.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{rows} rows at once: median {:.2} ms, P95 {:.2} ms", times[100], times[190]);
    }
}

fn tables(trades: usize) -> Vec<(&'static str, DataFrame)> {
    const COMPLEXES: usize = 5_000;
    let mut random = Random::new(1, 0);
    let mut numbers = |name: &str, rows: usize, least: f64, below: usize, step: f64| {
        let number = |_| least + random.below(below) as f64 * step;
        Column::new(name.into(), (0..rows).map(number).collect::<Vec<f64>>())
    };
    let typed = |column: Column, to: &[DataType]| {
        to.iter().fold(column, |column, to| column.strict_cast(to).expect("numbers that fit"))
    };
    let mut deals = |time: &str, value: &str| {
        vec![
            // Ten years, in no order.
            typed(numbers(time, trades, 16_000.0, 3_650, 1.0), &[DataType::Int32, DataType::Date]),
            typed(numbers("complex", trades, 0.0, COMPLEXES, 1.0), &[DataType::Int64]),
            typed(numbers("district", trades, 0.0, 25, 1.0), &[DataType::Int64]),
            typed(numbers("floor", trades, 0.0, 40, 1.0), &[DataType::Int64]),
            numbers("area", trades, 20.0, 1_000, 0.14),
            numbers(value, trades, 1e4, 1_000_000, 0.3),
        ]
    };
    let (mut own, leases) = (deals("contracted_on", "price"), deals("signed_on", "deposit"));
    own.push(Series::new("trade_id".into(), (0..trades as i64).collect::<Vec<_>>()).into());
    let mut places =
        |rows: usize| vec![numbers("lat", rows, 37.3, 100_000, 5e-6), numbers("lon", rows, 126.8, 100_000, 5e-6)];
    let (mut homes, stations) = (places(COMPLEXES), places(400));
    homes.push(Column::new("complex".into(), (0..COMPLEXES as i64).collect::<Vec<_>>()));
    homes.push(typed(numbers("households", COMPLEXES, 10.0, 3_000, 1.0), &[DataType::Int64]));
    let table = |columns: Vec<Column>| DataFrame::new(columns[0].len(), columns).expect("a table");
    vec![("trades", table(own)), ("leases", table(leases)), ("complexes", table(homes)), ("stations", table(stations))]
}
