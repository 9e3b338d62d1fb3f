//! Dots with whiskers: estimates beside each other, each with its interval (a forest plot).

use super::scale::Scale;
use super::{WIDTH, at, figure, label, line, nothing};
use crate::words::number;
use crate::{Column, Element, Html, Table, el};

/// Estimates, one below the other.
#[derive(Clone, Debug)]
pub struct Dots {
    title: String,
    value: String,
    dots: Vec<(String, f64, f64, f64)>,
    mark: Option<(f64, String)>,
    shown: fn(f64) -> String,
}

const ROW: f64 = 28.0;
const NAMES: f64 = 200.0;

impl Dots {
    /// `value`: what is estimated.
    pub fn new(title: impl Into<String>, value: impl Into<String>) -> Dots {
        Dots { title: title.into(), value: value.into(), dots: Vec::new(), mark: None, shown: number }
    }

    /// An estimate with the bounds of its interval.
    pub fn dot(mut self, name: impl Into<String>, value: f64, low: f64, high: f64) -> Dots {
        self.dots.push((name.into(), value, low, high));
        self
    }

    /// A line across all, such as no difference.
    pub fn mark(mut self, value: f64, name: impl Into<String>) -> Dots {
        self.mark = Some((value, name.into()));
        self
    }

    pub fn shown_by(mut self, shown: fn(f64) -> String) -> Dots {
        self.shown = shown;
        self
    }

    pub fn figure(self) -> Element {
        let Dots { title, value, dots, mark, shown } = self;
        let all = dots.iter().flat_map(|(_, value, low, high)| [*value, *low, *high]);
        let has_values = dots.iter().any(|(_, value, ..)| value.is_finite());
        let Some(scale) = Scale::of(all.chain(mark.iter().map(|(value, _)| *value))).filter(|_| has_values) else {
            return nothing(&title);
        };
        let height = ROW * dots.len() as f64 + 34.0;
        let x = |value: f64| NAMES + 10.0 + scale.place(value) * (WIDTH - NAMES - 40.0);
        let mut drawing = Html::new();
        for tick in scale.ticks(5) {
            drawing.push(line("grid", x(tick), 0.0, x(tick), height - 28.0));
            drawing.push(label("soft middle", x(tick), height - 8.0, shown(tick)));
        }
        if let Some((value, _)) = &mark {
            drawing.push(line("mark", x(*value), 0.0, x(*value), height - 28.0));
        }
        for (row, (name, value, low, high)) in dots.iter().enumerate() {
            let y = ROW * row as f64 + ROW / 2.0;
            drawing.push(label("end", NAMES - 8.0, y + 5.0, spec::text::cut(name, 26)));
            if low.is_finite() && high.is_finite() {
                drawing.push(line("whisker", x(*low), y, x(*high), y));
            }
            if value.is_finite() {
                let dot = el("circle").class("dot").attr("cx", at(x(*value))).attr("cy", at(y)).attr("r", "5");
                drawing.push(dot);
            }
        }
        let mut about = format!("{value}: {} with intervals.", spec::text::count(dots.len() as u64, "estimate"));
        if let Some((value, name)) = mark {
            about += &format!(" The dashed line is {name}, {}.", shown(value));
        }
        let columns =
            [Column::text("Name"), Column::number(value.as_str()), Column::number("Low"), Column::number("High")];
        let mut values = Table::new(title.as_str(), columns);
        for (name, value, low, high) in &dots {
            values.row([name.clone(), shown(*value), shown(*low), shown(*high)]);
        }
        figure(&title, &about, height, drawing, values)
    }
}
