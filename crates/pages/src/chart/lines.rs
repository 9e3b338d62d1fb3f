//! Lines over time, each with a band of what is usual or likely.

use super::scale::Scale;
use super::{WIDTH, at, figure, label, line, nothing};
use crate::words::number;
use crate::{Column, Element, Html, Table, el};

/// A chart of one or a few lines.
#[derive(Clone, Debug)]
pub struct Lines {
    title: String,
    series: Vec<(String, Vec<(f64, f64)>)>,
    band: Vec<(f64, f64, f64)>,
    band_name: String,
    mark: Option<(f64, String)>,
    from_zero: bool,
    x_shown: fn(f64) -> String,
    y_shown: fn(f64) -> String,
}

const HEIGHT: f64 = 250.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 12.0;

impl Lines {
    /// `x_shown`: how a place along the axis is written, such as a day.
    pub fn new(title: impl Into<String>, x_shown: fn(f64) -> String) -> Lines {
        Lines {
            title: title.into(),
            series: Vec::new(),
            band: Vec::new(),
            band_name: String::new(),
            mark: None,
            from_zero: false,
            x_shown,
            y_shown: number,
        }
    }

    /// Adds a line through these points, which rise in x. A value that is not a finite number leaves a gap.
    pub fn line(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Lines {
        self.series.push((name.into(), points));
        self
    }

    /// A band behind the lines: x, low, high.
    pub fn band(mut self, name: impl Into<String>, band: Vec<(f64, f64, f64)>) -> Lines {
        self.band_name = name.into();
        self.band = band;
        self
    }

    /// A level, such as a limit.
    pub fn mark(mut self, value: f64, name: impl Into<String>) -> Lines {
        self.mark = Some((value, name.into()));
        self
    }

    /// The axis begins at 0.
    pub fn from_zero(mut self) -> Lines {
        self.from_zero = true;
        self
    }

    /// How values are written.
    pub fn shown_by(mut self, shown: fn(f64) -> String) -> Lines {
        self.y_shown = shown;
        self
    }

    pub fn figure(self) -> Element {
        let is_point = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
        let points = || self.series.iter().flat_map(|(_, points)| points.iter().filter(is_point));
        let band: Vec<_> =
            self.band.iter().filter(|(x, low, high)| [x, low, high].iter().all(|value| value.is_finite())).collect();
        let across = Scale::of(points().map(|(x, _)| *x).chain(band.iter().map(|(x, ..)| *x)));
        let up = Scale::of(
            points()
                .map(|(_, y)| *y)
                .chain(band.iter().flat_map(|(_, low, high)| [*low, *high]))
                .chain(self.mark.iter().map(|(value, _)| *value)),
        );
        let (Some(across), Some(up)) = (across, up.filter(|_| points().next().is_some())) else {
            return nothing(&self.title);
        };
        let up = if self.from_zero { up.with_zero() } else { up };
        let x = |value: f64| LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - BOTTOM - TOP);
        let mut drawing = Html::new();
        if band.len() > 1 {
            let upper = band.iter().map(|(at_x, _, high)| (*at_x, *high));
            let lower = band.iter().rev().map(|(at_x, low, _)| (*at_x, *low));
            let corners: Vec<String> = upper.chain(lower).map(|(a, b)| format!("{},{}", at(x(a)), at(y(b)))).collect();
            drawing.push(el("polygon").class("band").attr("points", corners.join(" ")));
        }
        for tick in up.ticks(4) {
            drawing.push(line("grid", LEFT, y(tick), WIDTH - RIGHT, y(tick)));
            drawing.push(label("soft end", LEFT - 6.0, y(tick) + 4.0, (self.y_shown)(tick)));
        }
        drawing.push(line("axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM));
        let (first, last) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (x, _)| (a.min(*x), b.max(*x)));
        drawing.push(label("soft", LEFT, HEIGHT - BOTTOM + 20.0, (self.x_shown)(first)));
        if first < last {
            drawing.push(label("soft end", WIDTH - RIGHT, HEIGHT - BOTTOM + 20.0, (self.x_shown)(last)));
        }
        if let Some((value, _)) = &self.mark {
            drawing.push(line("mark", LEFT, y(*value), WIDTH - RIGHT, y(*value)));
        }
        for (number, (_, points)) in self.series.iter().enumerate() {
            const LINE: [&str; 3] = ["line", "line series-1", "line series-2"];
            const DOT: [&str; 3] = ["dot", "dot fill-1", "dot fill-2"];
            for run in points.split(|(x, y)| !x.is_finite() || !y.is_finite()).filter(|run| !run.is_empty()) {
                if run.len() > 1 {
                    let through: Vec<String> =
                        run.iter().map(|(a, b)| format!("{},{}", at(x(*a)), at(y(*b)))).collect();
                    drawing.push(el("polyline").class(LINE[number.min(2)]).attr("points", through.join(" ")));
                }
                // Points are shown as long as they can be distinguished.
                for (a, b) in run.iter().filter(|_| points.len() <= 60) {
                    let dot = el("circle").class(DOT[number.min(2)]).attr("cx", at(x(*a))).attr("cy", at(y(*b)));
                    drawing.push(dot.attr("r", "3"));
                }
            }
        }
        let about = self.about();
        figure(&self.title, &about, HEIGHT, drawing, self.values())
    }

    fn about(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (number, (name, points)) in self.series.iter().enumerate() {
            let finite: Vec<&(f64, f64)> = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
            let style = ["", " (dashed)", " (dotted)"][number.min(2)];
            parts.push(match (finite.first(), finite.last()) {
                (Some(first), Some(last)) => format!(
                    "{name}{style}: {} on {}, {} on {}.",
                    (self.y_shown)(first.1),
                    (self.x_shown)(first.0),
                    (self.y_shown)(last.1),
                    (self.x_shown)(last.0)
                ),
                _ => format!("{name}: no values."),
            });
        }
        if !self.band.is_empty() {
            parts.push(format!("The band is {}.", self.band_name));
        }
        if let Some((value, name)) = &self.mark {
            parts.push(format!("The dashed line is {name}, {}.", (self.y_shown)(*value)));
        }
        parts.join(" ")
    }

    fn values(&self) -> Table {
        let mut table =
            Table::new(self.title.as_str(), [Column::text("Line"), Column::text("At"), Column::number("Value")]);
        for (name, points) in &self.series {
            for (x, y) in points {
                table.row([name.clone(), (self.x_shown)(*x), (self.y_shown)(*y)]);
            }
        }
        table
    }
}
