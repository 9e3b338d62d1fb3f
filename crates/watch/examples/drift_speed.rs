//! How long a look at the drift of a wide table takes, with its rate of false alarms:
//! `cargo run --release -p watch --example drift_speed 1000 3000000`.
//!
//! Two snapshots of so many columns and rows are written first, in the temporary folder; that takes most of the time and is not
//! measured. What is measured reads their footers alone.

use std::path::Path;
use std::time::Instant;

use artifact::{Evidence, Stamp, TableWriter, evidence_of};
use polars::prelude::{Column, DataFrame};
use spec::random::Random;
use watch::{DriftSpec, Profile, Watched, judge};

const BATCH: usize = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [columns, rows] = arguments[..] else { return Err("usage: drift_speed COLUMNS ROWS".into()) };
    let folder = std::env::temp_dir().join(format!("millrace-drift-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (before, after) = (folder.join("before.parquet"), folder.join("after.parquet"));
    let began = Instant::now();
    write(&before, columns, rows, 0.0)?;
    write(&after, columns, rows, 0.3)?;
    println!("written in {:.1} s, {} and {} bytes", began.elapsed().as_secs_f64(), size(&before)?, size(&after)?);

    let began = Instant::now();
    let (reference, now) = (read(&before)?, read(&after)?);
    let opened = began.elapsed();
    let profiles: Vec<Profile> = reference.columns.iter().map(Profile::of_snapshot).collect();
    let watched: Vec<Watched<'_>> = now
        .columns
        .iter()
        .zip(&profiles)
        .map(|(now, reference)| Watched { name: &now.name, importance: None, reference, now })
        .collect();
    let report = judge(&DriftSpec { looks: 1, ..DriftSpec::default() }, &watched, &[], 42);
    println!(
        "{columns} columns of {rows} rows: drift in {:.2} s, of which {:.2} s for the footers; {} columns drifted, false alarms {}",
        began.elapsed().as_secs_f64(),
        opened.as_secs_f64(),
        report.drifted().len(),
        report.false_alarms
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn size(path: &Path) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

fn read(path: &Path) -> Result<Evidence, Box<dyn std::error::Error>> {
    Ok(evidence_of(path)?.ok_or("the file has no evidence")?)
}

/// A table of numbers around 0; every tenth column is `shift` higher.
fn write(path: &Path, columns: usize, rows: usize, shift: f64) -> Result<(), Box<dyn std::error::Error>> {
    let batch = |from: usize| -> polars::prelude::PolarsResult<DataFrame> {
        let height = BATCH.min(rows - from);
        let column = |at: usize| {
            let mut random = Random::new(at as u64, from as u64);
            let shift = if at.is_multiple_of(10) { shift } else { 0.0 };
            // Few values, so that a large table takes little disk.
            let number = || (random.next_u64() >> 56) as f64 / 256.0 + shift;
            Column::new(
                format!("c{at}").as_str().into(),
                std::iter::repeat_with(number).take(height).collect::<Vec<f64>>(),
            )
        };
        DataFrame::new(height, (0..columns).map(column).collect())
    };
    let first = batch(0)?;
    let mut writer = TableWriter::create(path, first.schema())?;
    writer.write(first)?;
    for from in (BATCH..rows).step_by(BATCH) {
        writer.write(batch(from)?)?;
    }
    let written = writer.finish()?;
    let evidence = Evidence {
        columns: written.summary.as_ref().map(|summary| summary.finish()).unwrap_or_default(),
        content: written.content.clone(),
        ..Evidence::of(spec::Tool::Features, "wide", "wide", Stamp::now().time())
    };
    written.publish(path, &evidence)?;
    Ok(())
}
