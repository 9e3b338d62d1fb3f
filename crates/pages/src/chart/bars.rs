//! Bars: one per name, or one per range of values.

use super::scale::Scale;
use super::{WIDTH, figure, label, line, nothing, rect, two_columns};
use crate::words::number;
use crate::{Element, Html};

/// Bars to the right, one below the other, each with its name and its value.
#[derive(Clone, Debug)]
pub struct Bars {
    title: String,
    value: String,
    bars: Vec<(String, f64)>,
    mark: Option<(f64, String)>,
    shown: fn(f64) -> String,
}

/// Bars beyond these are only in the table: a chart is for the first look.
const MOST: usize = 25;
const ROW: f64 = 26.0;
/// Room for names on the left, and for values on the right.
const NAMES: f64 = 200.0;
const VALUES: f64 = 84.0;

impl Bars {
    /// `value`: what the bars measure.
    pub fn new(title: impl Into<String>, value: impl Into<String>) -> Bars {
        Bars { title: title.into(), value: value.into(), bars: Vec::new(), mark: None, shown: number }
    }

    pub fn bar(mut self, name: impl Into<String>, value: f64) -> Bars {
        self.bars.push((name.into(), value));
        self
    }

    /// A line across all bars, such as a limit.
    pub fn mark(mut self, value: f64, name: impl Into<String>) -> Bars {
        self.mark = Some((value, name.into()));
        self
    }

    /// How values are written.
    pub fn shown_by(mut self, shown: fn(f64) -> String) -> Bars {
        self.shown = shown;
        self
    }

    pub fn figure(self) -> Element {
        let Bars { title, value, bars, mark, shown } = self;
        let marks = mark.iter().map(|(value, _)| *value);
        let Some(scale) = Scale::of(bars.iter().map(|(_, value)| *value)) else { return nothing(&title) };
        let scale = Scale::of(marks.chain([scale.low, scale.high])).unwrap_or(scale).with_zero();
        let drawn = &bars[..bars.len().min(MOST)];
        let height = ROW * drawn.len() as f64 + 10.0;
        let x = |value: f64| NAMES + scale.place(value) * (WIDTH - NAMES - VALUES);
        let mut drawing = Html::new();
        for (row, (name, value)) in drawn.iter().enumerate() {
            let y = ROW * row as f64 + 4.0;
            let text = label("end", NAMES - 8.0, y + 14.0, spec::text::cut(name, 21));
            drawing.push(text);
            if value.is_finite() {
                let (from, to) = (x(value.min(0.0)), x(value.max(0.0)));
                // A bar of nothing is still a bar.
                drawing.push(rect("bar", from, y, (to - from).max(1.0), ROW - 8.0));
                drawing.push(label("soft", to + 6.0, y + 14.0, shown(*value)));
            } else {
                drawing.push(label("soft", x(0.0) + 6.0, y + 14.0, shown(*value)));
            }
        }
        drawing.push(line("axis", x(0.0), 0.0, x(0.0), height - 6.0));
        if let Some((value, _)) = &mark {
            drawing.push(line("mark", x(*value), 0.0, x(*value), height - 6.0));
        }
        let mut about = match bars.iter().filter(|(_, value)| value.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((name, most)) => format!(
                "{}: {} of {}, the largest is {} with {}.",
                value,
                spec::text::count(drawn.len() as u64, "bar"),
                bars.len(),
                spec::text::cut(name, 60),
                shown(*most)
            ),
            None => String::new(),
        };
        if let Some((value, name)) = mark {
            about += &format!(" The dashed line is {name}, {}.", shown(value));
        }
        let mut values = two_columns(&title, "Name", &value);
        for (name, value) in &bars {
            values.row([name.clone(), shown(*value)]);
        }
        figure(&title, &about, height, drawing, values)
    }
}

/// Bars upwards: how many values lie in each range.
#[derive(Clone, Debug)]
pub struct Histogram {
    title: String,
    of: String,
    /// One more than there are counts, rising.
    edges: Vec<f64>,
    counts: Vec<u64>,
    mark: Option<(f64, String)>,
}

impl Histogram {
    /// Of `edges` there is one more than of `counts`; they rise.
    pub fn new(title: impl Into<String>, of: impl Into<String>, edges: Vec<f64>, counts: Vec<u64>) -> Histogram {
        Histogram { title: title.into(), of: of.into(), edges, counts, mark: None }
    }

    /// Counts `values` in `bins` equal ranges; those that are not finite numbers are left out.
    pub fn of(title: impl Into<String>, of: impl Into<String>, values: &[f64], bins: usize) -> Histogram {
        let bins = bins.max(1);
        let Some(scale) = Scale::of(values.iter().copied()) else {
            return Histogram::new(title, of, Vec::new(), Vec::new());
        };
        let share = |bin: usize| bin as f64 / bins as f64;
        let edges = (0..=bins).map(|bin| scale.low * (1.0 - share(bin)) + scale.high * share(bin)).collect();
        let mut counts = vec![0; bins];
        for value in values.iter().filter(|value| value.is_finite()) {
            counts[((scale.place(*value) * bins as f64) as usize).min(bins - 1)] += 1;
        }
        Histogram::new(title, of, edges, counts)
    }

    /// A line at a value, such as a threshold.
    pub fn mark(mut self, value: f64, name: impl Into<String>) -> Histogram {
        self.mark = Some((value, name.into()));
        self
    }

    pub fn figure(self) -> Element {
        const HEIGHT: f64 = 240.0;
        const LEFT: f64 = 60.0;
        const BOTTOM: f64 = 36.0;
        let Histogram { title, of, edges, counts, mark } = self;
        let is_whole = edges.len() == counts.len() + 1 && edges.iter().all(|edge| edge.is_finite());
        let Some(across) =
            Scale::of(edges.iter().copied()).filter(|_| is_whole && counts.iter().any(|count| *count > 0))
        else {
            return nothing(&title);
        };
        let most = counts.iter().copied().max().unwrap_or_default();
        let up = Scale { low: 0.0, high: most as f64 };
        let x = |value: f64| LEFT + across.place(value) * (WIDTH - LEFT - 10.0);
        let y = |value: f64| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - BOTTOM - 12.0);
        let mut drawing = Html::new();
        for tick in up.ticks(4).into_iter().filter(|tick| tick.fract() == 0.0) {
            drawing.push(line("grid", LEFT, y(tick), WIDTH - 10.0, y(tick)));
            drawing.push(label("soft end", LEFT - 6.0, y(tick) + 4.0, number(tick)));
        }
        for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (from, to) = (x(edges[bin]), x(edges[bin + 1]));
            let top = y(*count as f64).min(HEIGHT - BOTTOM - 1.0);
            drawing.push(rect("bar", from + 0.5, top, to - from - 1.0, HEIGHT - BOTTOM - top));
        }
        drawing.push(line("axis", LEFT, HEIGHT - BOTTOM, WIDTH - 10.0, HEIGHT - BOTTOM));
        for tick in across.ticks(6) {
            drawing.push(label("soft middle", x(tick), HEIGHT - BOTTOM + 18.0, number(tick)));
        }
        if let Some((value, _)) = mark.as_ref().filter(|(value, _)| value.is_finite()) {
            drawing.push(line("mark", x(*value), 4.0, x(*value), HEIGHT - BOTTOM));
        }
        let total: u64 = counts.iter().sum();
        let fullest = counts.iter().position(|count| *count == most).unwrap_or_default();
        let mut about = format!(
            "{of}: {} from {} to {}; most, {}, lie from {} to {}.",
            spec::text::count(total, "value"),
            number(edges[0]),
            number(edges[counts.len()]),
            crate::words::grouped(most),
            number(edges[fullest]),
            number(edges[fullest + 1])
        );
        if let Some((value, name)) = mark {
            about += &format!(" The dashed line is {name}, {}.", number(value));
        }
        let mut values = two_columns(&title, "Range", "Count");
        for (bin, count) in counts.iter().enumerate() {
            values.row([format!("{} to {}", number(edges[bin]), number(edges[bin + 1])), count.to_string()]);
        }
        figure(&title, &about, HEIGHT, drawing, values)
    }
}
