//! Plots of regression: predictions against what came, and what is left over.

use plotters::prelude::*;
use spec::Result;

use super::Plot;
use super::canvas::{ACCENT, Chart, Drawn, FAINT, axes, dashed, page};
use crate::metrics::{Metric, Scored};
use crate::random::sample;
use score::number_text;

/// Rows drawn; more would only make the page heavy.
const DOTS: usize = 2000;
const SIZE: (u32, u32) = (620, 560);

/// A dot per test row (a sample of 2000): predicted against actual.
pub fn predicted_against_actual(scored: &Scored, seed: u64) -> Result<Plot> {
    let title = "Predicted against actual".to_owned();
    let r2 = scored.value(Metric::R2, None).map_or("undefined".to_owned(), number_text);
    let words = format!("Test part: {} rows, R² {r2}; on the diagonal the prediction is right.", scored.rows());
    let shown = sample(scored.rows(), DOTS, seed);
    let range = range(shown.iter().flat_map(|row| [scored.label()[*row], scored.score()[*row]]));
    let svg = page(SIZE, &title, &words, |area| {
        let mut chart = axes(area, (range.clone(), "actual"), (range.clone(), "predicted"), 0)?;
        dashed(&mut chart, (range.start, range.start), (range.end, range.end), FAINT)?;
        dots(&mut chart, shown.iter().map(|row| (scored.label()[*row], scored.score()[*row])))
    })?;
    Ok(Plot { name: "predicted_against_actual", title, svg })
}

/// A dot per test row (a sample of 2000): actual minus predicted, over predicted.
pub fn residuals(scored: &Scored, seed: u64) -> Result<Plot> {
    let title = "Residuals: actual minus predicted".to_owned();
    let words = "Test part; a pattern here is something the model has not learned.".to_owned();
    let shown = sample(scored.rows(), DOTS, seed);
    let residual = |row: usize| scored.label()[row] - scored.score()[row];
    let xs = range(shown.iter().map(|row| scored.score()[*row]));
    let ys = range(shown.iter().map(|row| residual(*row)).chain([0.0]));
    let svg = page(SIZE, &title, &words, |area| {
        let mut chart = axes(area, (xs.clone(), "predicted"), (ys.clone(), "actual minus predicted"), 0)?;
        dashed(&mut chart, (xs.start, 0.0), (xs.end, 0.0), FAINT)?;
        dots(&mut chart, shown.iter().map(|row| (scored.score()[*row], residual(*row))))
    })?;
    Ok(Plot { name: "residuals", title, svg })
}

fn dots(chart: &mut Chart<'_, '_>, points: impl Iterator<Item = (f64, f64)>) -> Result<()> {
    chart.draw_series(points.map(|point| Circle::new(point, 2, ACCENT.mix(0.45).filled()))).drawn()?;
    Ok(())
}

/// All values with a margin of a twentieth; never empty.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return 0.0..1.0;
    }
    let margin = if high > low { (high - low) / 20.0 } else { low.abs().max(1.0) / 20.0 };
    low - margin..high + margin
}
