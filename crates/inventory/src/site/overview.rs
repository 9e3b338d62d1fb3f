//! The first page, and the graph of everything.

use std::collections::{BTreeMap, BTreeSet};

use pages::chart::spark;
use pages::{Address, Column, Facts, Html, Page, State, Table as Rows, badge, el, link, note, section};

use super::{SiteData, address_of, draw, frame};
use crate::graph::Node;
use crate::table::Table;
use crate::words::{age, bytes, grouped};

/// Runs of a table that a small line shows.
const POINTS: usize = 30;

/// All tables, by pipeline.
pub fn index(data: &SiteData<'_>) -> Page {
    let mut page = frame("Tables", "Tables", 0, data.now).script(Address::file(0, &["search.js"]));
    let mut pipelines: Vec<&str> = data.tables.iter().map(|table| table.id.place.pipeline.as_str()).collect();
    pipelines.dedup();
    let bytes_of_all: u64 = data.inventory.found.iter().map(|found| found.bytes).sum();
    page.push(
        Facts::new()
            .fact("Pipelines", pipelines.len().to_string())
            .fact("Tables", data.tables.len().to_string())
            .fact("Artifacts", format!("{}, {}", grouped(data.inventory.artifacts() as u64), bytes(bytes_of_all))),
    );
    page.push(search());
    if !data.inventory.damaged.is_empty() {
        let mut rows = Rows::new("Damaged", [Column::text("File"), Column::text("What is wrong")]);
        for problem in &data.inventory.damaged {
            rows.row([problem.path.display().to_string(), problem.what.clone()]);
        }
        page.push(section("Damaged files").add(rows));
    }
    if pipelines.is_empty() {
        page.push(note("No stage has published anything yet."));
    }
    for pipeline in pipelines {
        let tables = data.tables.iter().filter(|table| table.id.place.pipeline == pipeline);
        let mut rows = Rows::new(
            format!("Tables of {pipeline}"),
            [
                Column::text("Table"),
                Column::text("Layer"),
                Column::number("Rows"),
                Column::text("Rows by run"),
                Column::number("Size"),
                Column::number("Quality"),
                Column::text("Checks"),
                Column::text("Age"),
                Column::text("Owner"),
                Column::text("Description"),
            ],
        );
        tables.for_each(|table| rows.row(row(data, table)));
        page.push(section(pipeline).add(rows));
    }
    page
}

/// Hidden until the script shows it: without it nothing would happen.
fn search() -> Html {
    let box_ = el("input").attr("id", "search").attr("type", "search").attr("autocomplete", "off");
    let words = el("span").class("label").text("Search tables and columns");
    let form = el("form").attr("role", "search").flag("hidden", true).add(el("label").add(words).add(box_));
    let status = el("p").class("note").attr("id", "found-status").attr("role", "status");
    let list = el("ul").class("found").attr("id", "found");
    Html::of([form, status, list])
}

fn row(data: &SiteData<'_>, table: &Table<'_>) -> Vec<Html> {
    let described = table.described();
    let checks: Html = match table.verdict() {
        Some(verdict) => draw::verdict(verdict).into(),
        None => Html::new(),
    };
    let is_current = !table.current.is_empty();
    let when: Html = match table.time() {
        Some(time) if is_current => age(data.now - time).into(),
        _ => badge(State::Neutral, "not current").into(),
    };
    let text = described.and_then(|described| described.description.clone()).unwrap_or_default();
    let tags = described.map(|described| described.tags.join(", ")).filter(|tags| !tags.is_empty());
    let text = match tags {
        Some(tags) => format!("{text} [{tags}]").trim().to_owned(),
        None => text,
    };
    vec![
        link(&address_of(&table.id, 0), table.id.table.as_str()).into(),
        table.layer().into(),
        grouped(table.rows()).into(),
        spark(&format!("Rows of {}", table.id), &rows_by_run(table), |rows| grouped(rows as u64)),
        bytes(table.bytes()).into(),
        table.quality().map(|quality| format!("{quality:.1}")).unwrap_or_default().into(),
        checks,
        when,
        described.and_then(|described| described.owner.clone()).unwrap_or_default().into(),
        text.into(),
    ]
}

/// Rows that each of the last runs wrote, oldest first.
fn rows_by_run(table: &Table<'_>) -> Vec<f64> {
    let newest = table.all.iter().take(POINTS).rev();
    newest.map(|found| found.rows() as f64).collect()
}

/// The graph of all tables, a pipeline at a time.
pub fn lineage(data: &SiteData<'_>) -> Page {
    let mut page = frame("Lineage", "Lineage", 0, data.now);
    page.push(note("Every table is made of those to its left. Each links to its page."));
    let mut drawn: BTreeSet<&Node> = BTreeSet::new();
    let mut graphs: BTreeMap<String, Vec<BTreeSet<Node>>> = BTreeMap::new();
    for node in data.graph.nodes() {
        if drawn.contains(node) {
            continue;
        }
        // Connected tables form one graph.
        let mut together = BTreeSet::from([node.clone()]);
        let mut open = vec![node];
        while let Some(one) = open.pop() {
            for other in data.graph.sources(one).into_iter().chain(data.graph.made_of(one)) {
                if together.insert(other.clone()) {
                    open.push(other);
                }
            }
        }
        let mut pipelines: Vec<&str> = together
            .iter()
            .filter_map(|node| match node {
                Node::Table(id) => Some(id.place.pipeline.as_str()),
                Node::Source(_) => None,
            })
            .collect();
        pipelines.dedup();
        drawn.extend(data.graph.nodes().filter(|node| together.contains(*node)));
        graphs.entry(pipelines.join(", ")).or_default().push(together);
    }
    for (title, mut parts) in graphs {
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let mut all = section(title.as_str());
        for (at, part) in parts.iter().enumerate() {
            let name = match parts.len() {
                1 => title.clone(),
                many => format!("{title}, part {} of {many}", at + 1),
            };
            all = all.add(draw::graph(data, &name, part, None, 0));
        }
        page.push(all);
    }
    page
}
