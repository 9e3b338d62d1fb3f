//! Expressions beside the engine's own operators, which wrap, divide by zero and compare NaN.
//!
//! `cargo run --release -p expr --example speed [ROWS]`: four million rows by default. Prints nanoseconds
//! per row, the best of nine, in batches as the tools have them.

use std::time::{Duration, Instant};

use expr::SqlExpr;
use polars::prelude::*;
use spec::random::Random;

const BATCH: usize = 1 << 15;

fn main() {
    let rows: usize = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(4_000_000);
    let mut random = Random::new(1, 1);
    let mut floats = |zero: usize| -> Vec<f64> {
        let float = |random: &mut Random| random.below(100_000) as f64 / 8.0 - 3.0;
        (0..rows).map(|_| if zero > 0 && random.below(zero) == 0 { 0.0 } else { float(&mut random) }).collect()
    };
    let (x, y, z) = (floats(0), floats(0), floats(20));
    let mut ints = |below: usize| -> Vec<i64> { (0..rows).map(|_| random.below(below) as i64 + 1).collect() };
    let (i, k) = (ints(1 << 40), ints(1000));
    let holes = |values: &[i64]| -> Vec<Option<i64>> {
        values.iter().enumerate().map(|(at, value)| (at % 10 > 0).then_some(*value)).collect()
    };
    let table = df!("x" => x, "y" => y, "z" => z, "h" => holes(&i), "i" => i, "k" => k).expect("columns of one length");
    let batches: Vec<DataFrame> = (0..rows).step_by(BATCH).map(|from| table.slice(from as i64, BATCH)).collect();
    println!("| expression | ns per row | the engine's own | ratio |\n|---|---:|---:|---:|");
    let cases: [(&str, Expr); 12] = [
        ("x + y", col("x") + col("y")),
        ("x * 2.5", col("x") * lit(2.5)),
        ("x / y", col("x") / col("y")),
        ("x / 7.0", col("x") / lit(7.0)),
        // One divisor of 20 is zero.
        ("x / z", col("x") / col("z")),
        ("i + k", col("i") + col("k")),
        ("k * k", col("k") * col("k")),
        ("i / k", col("i") / col("k")),
        ("i // k", col("i").floor_div(col("k"))),
        ("i % k", col("i") % col("k")),
        ("SUM(i)", col("i").sum()),
        // One value of 10 is null.
        ("SUM(h)", col("h").sum()),
    ];
    for (sql, theirs) in cases {
        let ours = SqlExpr::new(sql).and_then(|sql| sql.compile(table.schema(), "")).expect("an expression").expr;
        let (ours, theirs) = beside(&batches, ours, theirs);
        let per_row = |time: Duration| time.as_secs_f64() * 1e9 / rows as f64;
        let (ours, theirs) = (per_row(ours), per_row(theirs));
        println!("| `{sql}` | {ours:.2} | {theirs:.2} | {:.2} |", ours / theirs);
    }
}

/// The best of nine runs of each, in turn.
fn beside(batches: &[DataFrame], ours: Expr, theirs: Expr) -> (Duration, Duration) {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..9 {
        best = (best.0.min(run(batches, &ours)), best.1.min(run(batches, &theirs)));
    }
    best
}

fn run(batches: &[DataFrame], expr: &Expr) -> Duration {
    let began = Instant::now();
    for batch in batches {
        let found =
            batch.clone().lazy().select([expr.clone().alias("found")]).collect().expect("a value for every row");
        std::hint::black_box(found);
    }
    began.elapsed()
}
