//! Curves over all thresholds, and calibration.

use plotters::prelude::*;
use spec::Result;
use spec::text::cut;

use super::Plot;
use super::canvas::{ACCENT, Area, Drawn, FAINT, GRID, INK, axes, dashed, legend, other, page, text};
use crate::metrics::{self, Curve, Metric, Scored};
use plotters::style::text_anchor::HPos;
use score::number_text;

const SIZE: (u32, u32) = (760, 520);
const LEGEND: u32 = 210;

/// ROC curves of all experiments on the same rows; the one named `chosen` stands out.
pub fn roc(experiments: &[(&str, &Scored)], chosen: &str) -> Result<Plot> {
    let title = "ROC: catching class 1 against false alarms".to_owned();
    let svg = page(
        SIZE,
        &title,
        &rows_of(experiments, "Area under the curve in the legend; the diagonal is chance."),
        |area| {
            let x = (0.0..1.0, "false positive rate (share of class 0 that is flagged)");
            let mut chart = axes(area, x, (0.0..1.0, "true positive rate (share of class 1 that is flagged)"), LEGEND)?;
            dashed(&mut chart, (0.0, 0.0), (1.0, 1.0), FAINT)?;
            curves(area, &mut chart, experiments, chosen, Metric::Auc, metrics::roc)
        },
    )?;
    Ok(Plot { name: "roc", title, svg })
}

/// Precision against recall of all experiments on the same rows.
pub fn precision_recall(experiments: &[(&str, &Scored)], chosen: &str) -> Result<Plot> {
    let title = "Precision and recall".to_owned();
    let words = "Average precision in the legend; the dashed line is the share of class 1: flagging by chance.";
    let svg = page(SIZE, &title, &rows_of(experiments, words), |area| {
        let x = (0.0..1.0, "recall (share of class 1 that is flagged)");
        let mut chart = axes(area, x, (0.0..1.0, "precision (share of class 1 among the flagged)"), LEGEND)?;
        if let Some((_, scored)) = experiments.first() {
            let share = scored.share_of_ones();
            dashed(&mut chart, (0.0, share), (1.0, share), FAINT)?;
        }
        curves(area, &mut chart, experiments, chosen, Metric::AveragePrecision, metrics::precision_recall)
    })?;
    Ok(Plot { name: "precision_recall", title, svg })
}

fn rows_of(experiments: &[(&str, &Scored)], words: &str) -> String {
    let Some((_, scored)) = experiments.first() else { return words.to_owned() };
    format!("Test part: {} rows, {} of class 1. {words}", scored.rows(), scored.positives())
}

/// Draws each experiment's curve, the chosen one last and widest, and the legend, best first.
fn curves(
    area: &Area<'_>,
    chart: &mut super::canvas::Chart<'_, '_>,
    experiments: &[(&str, &Scored)],
    chosen: &str,
    metric: Metric,
    curve: impl Fn(&Scored) -> Curve,
) -> Result<()> {
    let others: Vec<&str> = experiments.iter().map(|(name, _)| *name).filter(|name| *name != chosen).collect();
    let style_of = |name: &str| match others.iter().position(|other| *other == name) {
        None => (ACCENT, 3),
        Some(_) if name == crate::experiment::BASELINE => (FAINT, 1),
        Some(at) => (other(at), 2),
    };
    let mut lines = Vec::new();
    for (name, scored) in experiments {
        let (color, width) = style_of(name);
        let value = scored.value(metric, None);
        let number = value.map_or("undefined".to_owned(), |value| match value {
            share if share.abs() < 10.0 => format!("{share:.3}"),
            value => number_text(value),
        });
        lines.push((value, (width, color, format!("{} {number}", cut(name, 16)))));
    }
    let in_order = experiments.iter().filter(|(name, _)| *name != chosen);
    for (name, scored) in in_order.chain(experiments.iter().filter(|(name, _)| *name == chosen)) {
        let (color, width) = style_of(name);
        chart.draw_series(LineSeries::new(curve(scored), color.stroke_width(width))).drawn()?;
    }
    // Best first, what is undefined last.
    let rank = |value: Option<f64>| value.map_or(f64::NEG_INFINITY, |value| metric.gain(value, 0.0));
    lines.sort_by(|a, b| rank(b.0).total_cmp(&rank(a.0)));
    let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    legend(area, (SIZE.0 as i32 - LEGEND as i32 + 4, 84), &lines)
}

/// The share of rows whose absolute error is at most as large, of all experiments (regression error characteristic: Bi and
/// Bennett 2003): the further to the upper left, the better. Ends where the worst has nine rows in ten.
pub fn errors(experiments: &[(&str, &Scored)], chosen: &str) -> Result<Plot> {
    let title = "How large the errors are".to_owned();
    let rows = experiments.first().map_or(0, |(_, scored)| scored.rows());
    let words =
        format!("Test part: {rows} rows. Mean absolute error in the legend; the further up and left, the better.");
    let reach = experiments.iter().map(|(_, scored)| metrics::error_quantile(scored, 0.9)).fold(0.0, f64::max);
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let svg = page(SIZE, &title, &words, |area| {
        let x = (0.0..reach, "absolute error");
        let mut chart = axes(area, x, (0.0..1.0, "share of rows with an error of at most as much"), LEGEND)?;
        curves(area, &mut chart, experiments, chosen, Metric::Mae, |scored| metrics::error_curve(scored, reach))
    })?;
    Ok(Plot { name: "errors", title, svg })
}

/// How often the event occurs where the model says so: ten bins of the probability, with rows below.
pub fn calibration(scored: &Scored) -> Result<Plot> {
    let title = "Calibration: predicted against observed".to_owned();
    let bins = metrics::calibration(scored);
    let words = format!(
        "Test part: {} rows in ten bins of the predicted probability; on the diagonal, predicted and observed shares agree.",
        scored.rows()
    );
    let svg = page((620, 600), &title, &words, |area| {
        let (upper, lower) = area.split_vertically(470);
        let mut chart = axes(&upper, (0.0..1.0, "mean predicted probability"), (0.0..1.0, "share of class 1"), 0)?;
        dashed(&mut chart, (0.0, 0.0), (1.0, 1.0), FAINT)?;
        let points: Vec<(f64, f64)> =
            bins.iter().filter(|bin| bin.rows > 0).map(|bin| (bin.predicted, bin.observed)).collect();
        chart.draw_series(LineSeries::new(points.iter().copied(), ACCENT.stroke_width(2))).drawn()?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 5, ACCENT.filled()))).drawn()?;
        rows_per_bin(&lower, &bins.map(|bin| bin.rows))
    })?;
    Ok(Plot { name: "calibration", title, svg })
}

/// A bar and a number of rows for each bin, under the bins of the chart above.
fn rows_per_bin(area: &Area<'_>, rows: &[u64; 10]) -> Result<()> {
    const LEFT: i32 = 68;
    const WIDTH: i32 = 532;
    const FLOOR: i32 = 92;
    let most = rows.iter().copied().max().unwrap_or(0).max(1) as f64;
    text(area, "rows", (20, FLOOR - 14), 12, &INK, HPos::Left)?;
    for (bin, rows) in rows.iter().enumerate() {
        let (left, right) = (LEFT + WIDTH * bin as i32 / 10 + 2, LEFT + WIDTH * (bin as i32 + 1) / 10 - 2);
        let height = (*rows as f64 / most * 60.0).round() as i32;
        if height > 0 {
            area.draw(&Rectangle::new([(left, FLOOR - height), (right, FLOOR)], ACCENT.mix(0.45).filled())).drawn()?;
        }
        text(area, &rows.to_string(), ((left + right) / 2, FLOOR - height - 14), 11, &FAINT, HPos::Center)?;
    }
    area.draw(&PathElement::new([(LEFT, FLOOR), (LEFT + WIDTH, FLOOR)], GRID)).drawn()?;
    text(
        area,
        "bins of the predicted probability, from 0 to 1",
        (LEFT + WIDTH / 2, FLOOR + 8),
        12,
        &FAINT,
        HPos::Center,
    )
}
