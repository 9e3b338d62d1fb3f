//! A model of XGBoost and rows, scored and explained here: the half of `scripts/bench/xgboost_scores.py` that is ours.
//!
//! `cargo run --release -p forest --example xgboost FOLDER` reads `model.ubj` and `rows.f64` (row after row) and writes the
//! scores to `scores.f64` and the contributions of the first rows to `contributions.f64`. Times are the least of some rounds
//! with one thread, on the processor where the system counts it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use forest::{Column, Forest, Score, Values};

const EXPLAINED: usize = 2_000;
const SINGLE: usize = 20_000;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: xgboost FOLDER"));
    let model = std::fs::read(folder.join("model.ubj")).unwrap();
    let begun = Instant::now();
    let forest = Forest::read_xgboost(&model).unwrap();
    println!("forest: {} trees, {} leaves, read in {:.1?}", forest.trees(), forest.leaves(), begun.elapsed());
    let bytes = std::fs::read(folder.join("rows.f64")).unwrap();
    let flat: Vec<f64> = bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let width = forest.features();
    let rows = flat.len() / width;
    let table: Vec<Vec<f64>> = (0..width).map(|at| flat.iter().skip(at).step_by(width).copied().collect()).collect();
    let columns = |count: usize| -> Vec<Column<'_>> {
        table.iter().map(|column| Column::new(Values::F64(&column[..count]))).collect()
    };
    let mut scores = Vec::new();
    report("many rows", rows, || scores = forest.scores(&columns(rows), Score::Predicted, 1).unwrap());
    write(&folder, "scores.f64", &scores);

    let mut scorer = forest.row_scorer();
    let mut score = vec![0.0; forest.outputs()];
    let single = rows.min(SINGLE);
    report("single rows", single, || {
        for row in flat[..single * width].chunks_exact(width) {
            scorer.score(row, Score::Predicted, &mut score).unwrap();
        }
    });
    let (explainer, explained) = (forest.explainer().unwrap(), rows.min(EXPLAINED));
    let mut contributions = Vec::new();
    report("contributions", explained, || {
        contributions = explainer.contributions(&columns(explained), 1).unwrap();
    });
    write(&folder, "contributions.f64", &contributions);
}

fn report(what: &str, rows: usize, mut run: impl FnMut()) {
    // Time that this thread had on the processor, in nanoseconds: other programs may be running.
    let on_processor = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|time| time.parse::<f64>().ok())
    };
    let time = |run: &mut dyn FnMut()| {
        let (begun, before) = (Instant::now(), on_processor());
        run();
        match (before, on_processor()) {
            (Some(before), Some(after)) => (after - before) / 1e9,
            _ => begun.elapsed().as_secs_f64(),
        }
    };
    let least = (0..5).fold(f64::MAX, |least: f64, _| least.min(time(&mut run)));
    println!("forest: {what}: {:.2} µs per row", least / rows as f64 * 1e6);
}

fn write(folder: &Path, name: &str, values: &[f64]) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.join(name), bytes).unwrap();
}
