//! Contributions of rows, a swarm of dots per feature (the SHAP summary plot of Lundberg and
//! Lee 2017).

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use spec::Result;
use spec::text::cut;

use super::Plot;
use super::canvas::{Drawn, FAINT, GRID, INK, page, text};
use crate::{Contributions, Matrix};
use score::number_text;

/// Features shown.
const FEATURES: usize = 15;
const LEFT: i32 = 230;
const WIDTH: i32 = 480;
const STEP: i32 = 30;
const TOP: i32 = 72;
/// Distance of neighbouring dots.
const DOT: i32 = 4;
/// Dots above one another on each side of a feature's line.
const STACK: i32 = 3;

/// A dot per row and feature: to the right the feature raised the row's score, to the left it lowered it;
/// blue is a low value of the feature, red a high one, grey a missing one. `rows` are those of `contributions`.
pub fn contributions(contributions: &Contributions, rows: &Matrix) -> Result<Plot> {
    let title = "What moved the scores (SHAP)".to_owned();
    let count = contributions.rows();
    let mut sizes: Vec<(usize, f64)> = (0..contributions.features)
        .map(|feature| (feature, (0..count).map(|row| contributions.row(row)[feature].abs()).sum()))
        .collect();
    sizes.sort_by(|a, b| b.1.total_cmp(&a.1));
    sizes.truncate(FEATURES);
    let shown: Vec<usize> = sizes.into_iter().map(|(feature, _)| feature).collect();
    let reach = reach(contributions, &shown);
    let words = format!(
        "{count} test rows; right raises the raw score, left lowers it. Colour: value of the feature, low to high, grey missing."
    );
    let height = TOP + STEP * shown.len() as i32;
    let svg = page((760, height as u32 + 64), &title, &words, |area| {
        for step in -2..=2 {
            let x = LEFT + WIDTH / 2 + WIDTH / 4 * step;
            let color = if step == 0 { FAINT } else { GRID };
            area.draw(&PathElement::new([(x, TOP), (x, height)], color)).drawn()?;
            let tick = number_text(reach * f64::from(step) / 2.0);
            text(area, &tick, (x, height + 6), 12, &INK, HPos::Center)?;
        }
        text(area, "contribution to the raw score", (LEFT + WIDTH / 2, height + 26), 13, &INK, HPos::Center)?;
        for (line, feature) in shown.iter().enumerate() {
            let y = TOP + STEP * line as i32 + STEP / 2;
            text(area, &cut(&rows.features()[*feature].name, 30), (LEFT - 10, y - 7), 12, &INK, HPos::Right)?;
            let values = (0..count).map(|row| contributions.row(row)[*feature]);
            let colors = colors(&rows.column(*feature));
            for (row, x, offset) in swarm(values, reach) {
                area.draw(&Circle::new((x, y + offset), 2, colors[row].filled())).drawn()?;
            }
        }
        Ok(())
    })?;
    Ok(Plot { name: "contributions", title, svg })
}

/// Half the width of the axis: nearly all contributions lie within; those beyond sit at the edge.
fn reach(contributions: &Contributions, shown: &[usize]) -> f64 {
    let mut sizes: Vec<f64> = (0..contributions.rows())
        .flat_map(|row| shown.iter().map(move |feature| contributions.row(row)[*feature].abs()))
        .collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let at = (sizes.len() as f64 * 0.999) as usize;
    let reach = sizes.get(at.min(sizes.len().saturating_sub(1))).copied().unwrap_or(1.0);
    // Two digits, rounded up, so that ticks read well.
    let unit = 10f64.powf((reach.max(1e-9)).log10().floor() - 1.0);
    (reach.max(1e-9) / unit).ceil() * unit
}

/// Row, pixel and offset from the line of every dot that is drawn. Where many rows lie, more dots are above
/// one another, up to the full stack where most rows lie: its outline is the distribution.
fn swarm(values: impl Iterator<Item = f64>, reach: f64) -> Vec<(usize, i32, i32)> {
    let mut slots: Vec<Vec<usize>> = vec![Vec::new(); (WIDTH / DOT + 1) as usize];
    for (row, value) in values.enumerate() {
        let share = (value / reach).clamp(-1.0, 1.0);
        slots[((share + 1.0) / 2.0 * f64::from(WIDTH / DOT)).round() as usize].push(row);
    }
    let most = slots.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let full = (2 * STACK + 1) as usize;
    let mut dots = Vec::new();
    for (slot, rows) in slots.iter().enumerate() {
        let count = if most <= full { rows.len() } else { (rows.len() * full).div_ceil(most) };
        for number in 0..count {
            // 0, then 1 below, 1 above, 2 below, …
            let step = (number as i32 + 1) / 2;
            let offset = if number % 2 == 1 { step } else { -step };
            dots.push((rows[number * rows.len() / count], LEFT + slot as i32 * DOT, offset * DOT));
        }
    }
    dots
}

/// From blue to red by the value's rank within its column.
fn colors(values: &[f64]) -> Vec<RGBColor> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1).max(1) as f64;
    let color = |value: &f64| {
        if value.is_nan() {
            return RGBColor(170, 175, 182);
        }
        let below = sorted.partition_point(|other| other < value);
        let up_to = sorted.partition_point(|other| other <= value);
        let rank = ((below + up_to.saturating_sub(1)) as f64 / 2.0 / last).clamp(0.0, 1.0);
        let mix = |low: f64, high: f64| (low + (high - low) * rank).round() as u8;
        RGBColor(mix(0.0, 213.0), mix(114.0, 52.0), mix(200.0, 70.0))
    };
    values.iter().map(color).collect()
}
