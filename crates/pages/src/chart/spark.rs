//! A small line within a table.

use super::at;
use super::scale::Scale;
use crate::{Element, Html, el};

/// The values as a line without axes; `name` says what they are. Nothing is drawn of fewer than two.
pub fn spark(name: &str, values: &[f64], shown: fn(f64) -> String) -> Html {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let (Some(scale), Some(last)) = (Scale::of(finite.iter().copied()), finite.last()) else { return Html::new() };
    if finite.len() < 2 {
        return Html::text(shown(*last));
    }
    let (width, height) = (104.0, 26.0);
    let x = |place: usize| 3.0 + place as f64 / (finite.len() - 1) as f64 * (width - 6.0);
    let y = |value: f64| height - 4.0 - scale.place(value) * (height - 8.0);
    let through: Vec<String> =
        finite.iter().enumerate().map(|(place, value)| format!("{},{}", at(x(place)), at(y(*value)))).collect();
    let dot = el("circle").class("dot").attr("cx", at(x(finite.len() - 1))).attr("cy", at(y(*last))).attr("r", "2.5");
    let (low, high) =
        finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let about =
        format!("{name}, the last {}: from {} to {}, now {}", finite.len(), shown(low), shown(high), shown(*last));
    let svg: Element = el("svg")
        .class("spark")
        .attr("viewBox", format_args!("0 0 {} {}", at(width), at(height)))
        .attr("role", "img")
        .attr("aria-label", about)
        .add(el("polyline").class("line").attr("points", through.join(" ")))
        .add(dot);
    svg.into()
}
