//! A graph of things that are made of each other, from left to right; each node may lead to a page.

use super::at;
use super::layers::layout;
use crate::{Address, Column, Element, Html, Table, el};

/// A graph under construction.
#[derive(Clone, Debug)]
pub struct Graph {
    title: String,
    nodes: Vec<Node>,
    edges: Vec<(usize, usize)>,
    here: Option<usize>,
}

#[derive(Clone, Debug)]
struct Node {
    name: String,
    note: String,
    address: Option<Address>,
}

/// Width and height of a node, and the room between layers and between nodes.
const NODE: (f64, f64) = (152.0, 40.0);
const ROOM: (f64, f64) = (42.0, 16.0);
const EDGE: f64 = 8.0;

impl Graph {
    pub fn new(title: impl Into<String>) -> Graph {
        Graph { title: title.into(), nodes: Vec::new(), edges: Vec::new(), here: None }
    }

    /// Adds a node; its number is for [`Graph::edge`]. `note` is shown below its name.
    pub fn node(&mut self, name: impl Into<String>, note: impl Into<String>, address: Option<Address>) -> usize {
        self.nodes.push(Node { name: name.into(), note: note.into(), address });
        self.nodes.len() - 1
    }

    /// `to` is made of `from`.
    pub fn edge(&mut self, from: usize, to: usize) {
        self.edges.push((from, to));
    }

    /// The node that the page is about.
    pub fn here(&mut self, node: usize) {
        self.here = Some(node);
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn figure(self) -> Element {
        let Graph { title, nodes, edges, here } = self;
        let layout = layout(nodes.len(), &edges);
        let (step_x, step_y) = (NODE.0 + ROOM.0, NODE.1 + ROOM.1);
        let left = |layer: usize| EDGE + layer as f64 * step_x;
        let top = |height: f64| EDGE + height * step_y;
        let width = left(layout.layers.max(1)) - ROOM.0 + EDGE;
        let height = top(layout.height.max(1.0)) - ROOM.1 + EDGE;
        let mut drawing = Html::new();
        for (way, (from, to)) in layout.ways.iter().zip(&edges).filter(|(way, _)| !way.is_empty()) {
            // An edge that closes a circle was laid out backwards.
            let is_turned = layout.places[*from].0 > layout.places[*to].0;
            let last = way.len() - 1;
            let ends = |at: usize, (layer, height): (usize, f64)| {
                let y = top(height) + NODE.1 / 2.0;
                match at {
                    0 => [(left(layer) + NODE.0, y); 2],
                    at if at == last => [(left(layer), y); 2],
                    _ => [(left(layer), y), (left(layer) + NODE.0, y)],
                }
            };
            let mut path = String::new();
            let mut from: Option<(f64, f64)> = None;
            for (place, point) in way.iter().enumerate() {
                let [enter, leave] = ends(place, *point);
                match from {
                    None => path += &format!("M{} {}", at(leave.0), at(leave.1)),
                    Some(from) => {
                        let middle = (from.0 + enter.0) / 2.0;
                        path += &format!(
                            "C{} {} {} {} {} {}",
                            at(middle),
                            at(from.1),
                            at(middle),
                            at(enter.1),
                            at(enter.0),
                            at(enter.1)
                        );
                        if leave != enter {
                            path += &format!("L{} {}", at(leave.0), at(leave.1));
                        }
                    }
                }
                from = Some(leave);
            }
            drawing.push(el("path").class("edge").attr("d", path));
            let tip = if is_turned { way[0] } else { way[last] };
            let (x, y) = (left(tip.0) + if is_turned { NODE.0 } else { 0.0 }, top(tip.1) + NODE.1 / 2.0);
            let back = if is_turned { 7.0 } else { -7.0 };
            let corners =
                format!("{},{} {},{} {},{}", at(x), at(y), at(x + back), at(y - 4.0), at(x + back), at(y + 4.0));
            drawing.push(el("polygon").class("arrow").attr("points", corners));
        }
        for (number, (node, (layer, height))) in nodes.iter().zip(&layout.places).enumerate() {
            let (x, y) = (left(*layer), top(*height));
            let rect = el("rect").attr("x", at(x)).attr("y", at(y)).attr("rx", "5");
            let rect = rect.attr("width", at(NODE.0)).attr("height", at(NODE.1));
            let text = |class: &'static str, down: f64, text: &str, most: usize| {
                let place = el("text").class(class).attr("x", at(x + 9.0)).attr("y", at(y + down));
                place.text(spec::text::cut(text, most))
            };
            let group = el("g").class(if here == Some(number) { "node here" } else { "node" });
            let group = group.add(el("title").text(format_args!("{} {}", node.name, node.note))).add(rect);
            let group = group.add(text("name", 17.0, &node.name, 20)).add(text("soft", 32.0, &node.note, 24));
            match &node.address {
                Some(address) => drawing.push(el("a").href(address).add(group)),
                None => drawing.push(group),
            }
        }
        let mut table = Table::new(title.as_str(), [Column::text("From"), Column::text("To")]).or_else("No edges.");
        for (from, to) in &edges {
            let named = |at: usize| format!("{} ({})", nodes[at].name, nodes[at].note);
            table.row([named(*from), named(*to)]);
        }
        let about = format!(
            "{} and {}, from left to right.",
            spec::text::count(nodes.len() as u64, "table"),
            spec::text::count(edges.len() as u64, "edge")
        );
        let svg = el("svg")
            .class("graph")
            .attr("viewBox", format_args!("0 0 {} {}", at(width), at(height)))
            .attr("width", at(width))
            .attr("height", at(height))
            .attr("role", "group")
            .attr("aria-label", format_args!("{title}. {about}"))
            .add(drawing);
        // As wide as it must be to be read: it has its own scroll bar, so the keyboard must reach it.
        let scroll = el("div").class("scroll").attr("tabindex", "0").attr("role", "group").attr("aria-label", "Graph");
        let values = el("details").add(el("summary").text("As a table")).add(table);
        el("figure")
            .add(el("figcaption").text(&title))
            .add(scroll.add(svg))
            .add(el("p").class("note").text(about))
            .add(values)
    }
}
