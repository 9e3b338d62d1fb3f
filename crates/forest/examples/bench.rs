//! The forest beside LightGBM, in one run: scores of many rows, of single rows, and contributions.
//!
//! `cargo run --release -p forest --example bench [THREADS] [LEAVES] [TREES] [ROWS] [FOLDER]` on made-up data of 26 features;
//! 1 thread, 31 leaves, 200 trees and a million rows by default. The model and the rows that are explained
//! are written into the folder, if there is one, for other libraries to explain (`scripts/bench/forest.py`); then the categories
//! are numbers, because fasttreeshap supports no others. Times are the least of some rounds, taken in turn, for
//! other programs may be running. With one thread on Linux it is the thread's own time on the processor that counts.

#[path = "../tests/lightgbm/library.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod library;
#[path = "../tests/lightgbm/random.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod random;

use std::path::PathBuf;
use std::time::Instant;

use forest::{Column, Forest, Score, Values};
use library::{Booster, Kind};
use random::Random;

const FEATURES: usize = 26;
const EXPLAINED: usize = 2_000;

/// Features of a shop's customers, roughly: counts, amounts, ages with gaps, two categories.
fn table(random: &mut Random, rows: usize) -> Vec<Vec<f64>> {
    (0..FEATURES)
        .map(|feature| {
            (0..rows)
                .map(|_| match feature {
                    0..=5 => (random.share() * 5.0).exp().floor(),
                    6..=9 if random.below(6) == 0 => f64::NAN,
                    24 => random.below(20) as f64,
                    25 => random.below(200) as f64,
                    _ => random.share() * 100.0,
                })
                .collect()
        })
        .collect()
}

fn label(table: &[Vec<f64>], random: &mut Random) -> Vec<f32> {
    (0..table[0].len())
        .map(|row| {
            let value = |feature: usize| if table[feature][row].is_nan() { 30.0 } else { table[feature][row] };
            let score = (value(0) + 1.0).ln() - value(6) / 40.0
                + (value(10) / 15.0).sin() * (value(11) / 50.0)
                + (12..24).map(|feature| (value(feature) / (10.0 + feature as f64)).cos() * 0.3).sum::<f64>()
                + (value(24) * 7.0 % 5.0) / 4.0
                + (value(25) * 3.0 % 11.0) / 8.0
                - 2.0;
            f32::from(u8::from(random.share() < 1.0 / (1.0 + (-score).exp())))
        })
        .collect()
}

#[derive(Clone, Copy)]
enum Clock {
    Wall,
    /// Time that this thread had on the processor.
    Thread,
}

impl Clock {
    fn time(self, run: &mut impl FnMut()) -> f64 {
        let on_processor = || {
            let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        };
        let (start, before) = (Instant::now(), on_processor());
        run();
        match (self, before, on_processor()) {
            (Clock::Thread, Some(before), Some(after)) => (after - before) / 1e9,
            _ => start.elapsed().as_secs_f64(),
        }
    }

    /// The least of `rounds` times of each of two, taken in turn, in seconds.
    fn least(self, rounds: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> (f64, f64) {
        (0..rounds).fold((f64::MAX, f64::MAX), |(least, their_least), _| {
            (least.min(self.time(&mut ours)), their_least.min(self.time(&mut theirs)))
        })
    }
}

fn main() {
    let argument =
        |at: usize, usual: usize| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (threads, leaves, trees) = (argument(1, 1), argument(2, 31), argument(3, 200));
    let count = argument(4, 1_000_000);
    let clock = if threads == 1 { Clock::Thread } else { Clock::Wall };
    let mut random = Random::new(7);
    let train = table(&mut random, 60_000);
    let label = label(&train, &mut random);
    let folder = std::env::args().nth(5).map(PathBuf::from);
    let categories = if folder.is_some() { "" } else { "categorical_feature=24,25" };
    let parameters = format!("objective=binary num_leaves={leaves} {categories} verbosity=-1 seed=1 num_threads=2");
    let text = library::train(&train, &label, None, &parameters, trees);
    let start = Instant::now();
    let forest = Forest::read(&text).unwrap();
    let reading = start.elapsed();
    let start = Instant::now();
    let explainer = forest.explainer().unwrap();
    println!(
        "{trees} trees of {leaves} leaves, {threads} threads; read in {reading:.1?}, explainer made in {:.1?}",
        start.elapsed()
    );
    let booster = Booster::read(&text).unwrap();

    let table = table(&mut random, count);
    let columns: Vec<Column<'_>> = table.iter().map(|column| Column::new(Values::F64(column))).collect();
    let rows =
        |count: usize| -> Vec<f64> { (0..count).flat_map(|row| table.iter().map(move |column| column[row])).collect() };
    let flat = rows(count);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let times = clock.least(
        3,
        || ours = forest.scores(&columns, Score::Predicted, threads).unwrap(),
        || theirs = booster.predict(&flat, Kind::Normal, threads),
    );
    assert!(ours == theirs, "scores differ");
    report("many rows", "M rows/s", |time| count as f64 / time / 1e6, times);

    let count = count.min(20_000);
    let flat = &flat[..count * FEATURES];
    let (mut scorer, mut single) = (forest.row_scorer(), booster.single_rows(Kind::Normal));
    let (mut ours, mut theirs) = (0.0, 0.0);
    let times = clock.least(
        10,
        || {
            for row in flat.chunks_exact(FEATURES) {
                let mut score = [0.0];
                scorer.score(row, Score::Predicted, &mut score).unwrap();
                ours += score[0];
            }
        },
        || {
            for row in flat.chunks_exact(FEATURES) {
                let mut score = [0.0];
                single.predict(row, &mut score);
                theirs += score[0];
            }
        },
    );
    assert!(ours == theirs, "scores of single rows differ");
    report("single rows", "µs per row", |time| time / count as f64 * 1e6, times);

    let flat = &flat[..EXPLAINED * FEATURES];
    let first: Vec<&[f64]> = table.iter().map(|column| &column[..EXPLAINED]).collect();
    if let Some(folder) = folder {
        std::fs::write(folder.join("model.txt"), &text).unwrap();
        let bytes: Vec<u8> = flat.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(folder.join("rows.f64"), bytes).unwrap();
    }
    let columns: Vec<Column<'_>> = first.iter().map(|column| Column::new(Values::F64(column))).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let times = clock.least(
        3,
        || ours = explainer.contributions(&columns, threads).unwrap(),
        || theirs = booster.predict(flat, Kind::Contributions, threads),
    );
    let farthest = ours.iter().zip(&theirs).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
    assert!(farthest < 1e-9, "contributions differ by {farthest}");
    report("contributions", "µs per row", |time| time / EXPLAINED as f64 * 1e6, times);
    println!("contributions differ by at most {farthest:.1e}");
    let times = clock.least(3, || drop(explainer.strongest(&columns, 3, threads).unwrap()), || ());
    println!("three strongest reasons: {:.1} µs per row", times.0 / EXPLAINED as f64 * 1e6);
}

/// Prints both and their ratio.
fn report(what: &str, unit: &str, of: impl Fn(f64) -> f64, (ours, theirs): (f64, f64)) {
    println!("{what}: {:.2} {unit}, LightGBM {:.2}; {:.1} times as fast", of(ours), of(theirs), theirs / ours);
}
