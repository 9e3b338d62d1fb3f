//! What all plots share: size, palette, title, axes, legend.

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use spec::{Error, Result};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

pub(super) const INK: RGBColor = RGBColor(38, 45, 56);
pub(super) const FAINT: RGBColor = RGBColor(112, 121, 135);
pub(super) const GRID: RGBColor = RGBColor(229, 232, 236);
/// The chosen model, and whatever there is only one of.
pub(super) const ACCENT: RGBColor = RGBColor(0, 114, 178);
/// Other experiments (Okabe and Ito 2008: distinct for colour-blind readers).
const OTHERS: [RGBColor; 5] = [
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
];

/// The colour of the experiment numbered `at` among those that were not chosen.
pub(super) fn other(at: usize) -> RGBColor {
    OTHERS[at % OTHERS.len()]
}

/// Turns the backend's errors, which cannot occur for a string, into ours.
pub(super) trait Drawn<T> {
    fn drawn(self) -> Result<T>;
}

impl<T, E: Display> Drawn<T> for std::result::Result<T, E> {
    fn drawn(self) -> Result<T> {
        self.map_err(|error| Error::cannot_run(format!("plot: {error}")))
    }
}

/// Draws on a white page with a title and, below it in grey, what is to be seen.
pub(super) fn page(
    size: (u32, u32),
    title: &str,
    subtitle: &str,
    draw: impl FnOnce(&Area<'_>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).drawn()?;
        text(&area, title, (20, 16), 17, &INK, HPos::Left)?;
        text(&area, subtitle, (20, 40), 12, &FAINT, HPos::Left)?;
        draw(&area)?;
        area.present().drawn()?;
    }
    Ok(svg)
}

/// Text with its top at the given pixel.
pub(super) fn text(
    area: &Area<'_>,
    what: &str,
    at: (i32, i32),
    size: u32,
    color: &RGBColor,
    anchor: HPos,
) -> Result<()> {
    let style = ("sans-serif", size).into_font().color(color).pos(Pos::new(anchor, VPos::Top));
    area.draw_text(what, &style, at).drawn()
}

/// Axes in the page below the title, with room for a legend of `legend` pixels at the right.
pub(super) fn axes<'a, 'b>(
    area: &'a Area<'b>,
    x: (std::ops::Range<f64>, &str),
    y: (std::ops::Range<f64>, &str),
    legend: u32,
) -> Result<Chart<'a, 'b>> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(68)
        .margin_left(10)
        .margin_bottom(10)
        .margin_right(20 + legend)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(x.0.clone(), y.0.clone())
        .drawn()?;
    let label = ("sans-serif", 12).into_font().color(&INK);
    let (x_digits, y_digits) = (digits(&x.0), digits(&y.0));
    chart
        .configure_mesh()
        .x_desc(x.1)
        .y_desc(y.1)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|value| tick(*value, x_digits))
        .y_label_formatter(&|value| tick(*value, y_digits))
        .label_style(label.clone())
        .axis_desc_style(("sans-serif", 13).into_font().color(&INK))
        .axis_style(FAINT)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()
        .drawn()?;
    Ok(chart)
}

/// Decimals that distinguish the ticks of a range.
fn digits(range: &std::ops::Range<f64>) -> usize {
    let step = (range.end - range.start).abs() / 5.0;
    if step > 0.0 { (-(step.log10().floor())).clamp(0.0, 6.0) as usize } else { 1 }
}

fn tick(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    // Ticks are sums of steps: a zero may come out as -0.0.
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_owned() } else { text }
}

/// Lines of a stroke, its width and colour, with their words, from the given pixel down.
pub(super) fn legend(area: &Area<'_>, at: (i32, i32), lines: &[(u32, RGBColor, String)]) -> Result<()> {
    for (number, (width, color, words)) in lines.iter().enumerate() {
        let y = at.1 + 21 * number as i32;
        let style = ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: *width };
        area.draw(&PathElement::new([(at.0, y), (at.0 + 22, y)], style)).drawn()?;
        text(area, words, (at.0 + 30, y - 8), 12, &INK, HPos::Left)?;
    }
    Ok(())
}

/// A dashed line between two points of a chart.
pub(super) fn dashed(chart: &mut Chart<'_, '_>, from: (f64, f64), to: (f64, f64), color: RGBColor) -> Result<()> {
    let line =
        DashedLineSeries::new([from, to], 5, 4, ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: 1 });
    chart.draw_series(line).drawn()?;
    Ok(())
}
