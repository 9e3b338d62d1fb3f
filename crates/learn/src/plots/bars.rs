//! Bars of feature weights.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use spec::Result;
use spec::text::cut;

use super::Plot;
use super::canvas::{ACCENT, Drawn, FAINT, INK, page, text};

/// No more bars than these are drawn.
const BARS: usize = 20;

/// The heaviest features, at most 20. `weights`: heaviest first, not negative; `of`: what a weight is.
pub fn importance(weights: &[(String, f64)], of: &str) -> Result<Plot> {
    const LEFT: i32 = 230;
    const STEP: i32 = 23;
    const WIDTH: f64 = 400.0;
    let title = "Features by weight".to_owned();
    let shown = &weights[..weights.len().min(BARS)];
    let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let words = format!("{of}, as a share of all {} features' weight; the {} heaviest.", weights.len(), shown.len());
    let most = shown.first().map_or(0.0, |(_, weight)| *weight);
    let size = (740, 84 + STEP as u32 * shown.len() as u32);
    let svg = page(size, &title, &words, |area| {
        for (at, (name, weight)) in shown.iter().enumerate() {
            let y = 70 + STEP * at as i32;
            let length = if most > 0.0 { (weight / most * WIDTH).round() as i32 } else { 0 };
            text(area, &cut(name, 30), (LEFT - 10, y + 2), 12, &INK, HPos::Right)?;
            area.draw(&Rectangle::new([(LEFT, y), (LEFT + length.max(1), y + 16)], ACCENT.filled())).drawn()?;
            let share = if all > 0.0 { weight / all * 100.0 } else { 0.0 };
            text(area, &format!("{share:.1} %"), (LEFT + length + 8, y + 2), 12, &FAINT, HPos::Left)?;
        }
        Ok(())
    })?;
    Ok(Plot { name: "importance", title, svg })
}
