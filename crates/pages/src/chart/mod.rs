//! Charts as inline SVG. Each has a name, a text that says what it shows, and its values as a table, so that it can be read
//! without being seen. Colours come from the style sheet; no chart depends on them.

mod bars;
mod dots;
mod graph;
mod layers;
mod lines;
mod scale;
mod spark;

pub use bars::{Bars, Histogram};
pub use dots::Dots;
pub use graph::Graph;
pub use lines::Lines;
pub use spark::spark;

use crate::{Column, Element, Html, Table, el};

/// Width of a chart in its own units; on the page it is as wide as there is room.
const WIDTH: f64 = 640.0;

/// A coordinate: a tenth of a unit is finer than a screen.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn line(class: &'static str, x1: f64, y1: f64, x2: f64, y2: f64) -> Element {
    el("line").class(class).attr("x1", at(x1)).attr("y1", at(y1)).attr("x2", at(x2)).attr("y2", at(y2))
}

fn label(class: &'static str, x: f64, y: f64, text: impl Into<Html>) -> Element {
    el("text").class(class).attr("x", at(x)).attr("y", at(y)).add(text)
}

fn rect(class: &'static str, x: f64, y: f64, width: f64, height: f64) -> Element {
    let rect = el("rect").class(class).attr("x", at(x)).attr("y", at(y));
    rect.attr("width", at(width.max(0.0))).attr("height", at(height.max(0.0)))
}

/// The drawing with its name around it, its text and its values below.
fn figure(title: &str, about: &str, height: f64, drawing: Html, values: Table) -> Element {
    let svg = el("svg")
        .class("chart")
        .attr("viewBox", format_args!("0 0 {} {}", at(WIDTH), at(height)))
        .attr("role", "img")
        .attr("aria-label", format_args!("{title}. {about}"))
        .add(drawing);
    let values = el("details").add(el("summary").text("Values")).add(values);
    el("figure").add(el("figcaption").text(title)).add(svg).add(el("p").class("note").text(about)).add(values)
}

/// The text in place of a chart without values.
fn nothing(title: &str) -> Element {
    el("figure").add(el("figcaption").text(title)).add(el("p").class("empty").text("There are no values to draw."))
}

fn two_columns(title: &str, first: &str, second: &str) -> Table {
    Table::new(title, [Column::text(first), Column::number(second)])
}

#[cfg(test)]
mod tests;
