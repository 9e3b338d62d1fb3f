//! The data docs: a site of plain files about all tables, opened from the disk or from any server. Everything on it is read
//! from the artifacts when it is written.

mod columns;
mod decisions;
mod draw;
mod overview;
mod runs;
mod search;
mod table_page;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use artifact::Temporary;
use chrono::{DateTime, Utc};
use pages::{Address, ICON, Page, STYLE, Style};
use rayon::prelude::*;
use spec::{Error, Result, Tool};
use watch::Run;

use crate::found::Inventory;
use crate::graph::{Graph, Node};
use crate::place::TableId;
use crate::table::Table;

/// What a site consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub pages: usize,
    pub tables: usize,
}

/// All that pages are made of.
pub(crate) struct SiteData<'a> {
    pub inventory: &'a Inventory,
    pub tables: Vec<Table<'a>>,
    pub graph: Graph,
    /// Runs of each stage by pipeline, oldest first.
    pub runs: BTreeMap<String, BTreeMap<Tool, Vec<Run>>>,
    pub now: DateTime<Utc>,
}

/// The name of the site, in the head of each page.
const SITE: &str = "Data docs";

/// Writes the site into `folder`: pages, style sheet and search. Pages that an earlier site had and this one has not are removed.
pub fn site(inventory: &Inventory, folder: &Path, now: DateTime<Utc>) -> Result<Site> {
    let tables = inventory.tables();
    let graph = Graph::of(inventory, &tables);
    let mut runs = BTreeMap::new();
    let mut pipelines: Vec<&str> = tables.iter().map(|table| table.id.place.pipeline.as_str()).collect();
    pipelines.dedup();
    for pipeline in pipelines {
        let log = std::fs::read(inventory.root.join(format!("data/runs/{pipeline}.jsonl"))).unwrap_or_default();
        runs.insert(pipeline.to_owned(), watch::runs_of(&String::from_utf8_lossy(&log), pipeline));
    }
    let data = SiteData { inventory, tables, graph, runs, now };
    let of_tables = folder.join("tables");
    std::fs::create_dir_all(&of_tables).map_err(|error| Error::io("create", &of_tables, &error))?;
    let mut files: Vec<(String, String)> = vec![
        ("style.css".to_owned(), STYLE.to_owned()),
        ("icon.svg".to_owned(), ICON.to_owned()),
        ("search.js".to_owned(), search::script(&data)),
        ("index.html".to_owned(), overview::index(&data).render()),
        ("lineage.html".to_owned(), overview::lineage(&data).render()),
        ("runs.html".to_owned(), runs::page(&data).render()),
        ("decisions.html".to_owned(), decisions::page(&data).render()),
    ];
    files.extend(columns::pages(&data).into_iter().map(|(name, page)| (name, page.render())));
    let pages: Vec<(String, String)> = data
        .tables
        .par_iter()
        .map(|table| (format!("tables/{}", file_of(&table.id)), table_page::page(&data, table).render()))
        .collect();
    files.extend(pages);
    for (name, content) in &files {
        let target = folder.join(name);
        let mut temporary = Temporary::beside(&target)?;
        temporary.file().write_all(content.as_bytes()).map_err(|error| Error::io("write", &target, &error))?;
        temporary.replace(&target)?;
    }
    let written: HashSet<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
    let of_table = |name: &str| name.ends_with(".html");
    for (folder, is_ours) in [(&of_tables, &of_table as &dyn Fn(&str) -> bool), (&folder.to_owned(), &columns::is_page)]
    {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_ours(&entry.file_name().to_string_lossy()) && !written.contains(&path) {
                std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error))?;
            }
        }
    }
    let pages = files.iter().filter(|(name, _)| name.ends_with(".html")).count();
    Ok(Site { pages, tables: data.tables.len() })
}

/// The file of a table's page. Names of pipelines and tables hold no dots and no slashes.
fn file_of(id: &TableId) -> String {
    format!("{id}.html")
}

/// The page of a table, seen from a page `up` levels below the first.
fn address_of(id: &TableId, up: usize) -> Address {
    Address::file(up, &["tables", &file_of(id)])
}

/// The page of a node, if it has one.
fn address_of_node(node: &Node, up: usize) -> Option<Address> {
    match node {
        Node::Source(_) => None,
        Node::Table(id) => Some(address_of(id, up)),
    }
}

/// A page of the site, `up` levels below the first; `here` is the part that it belongs to.
fn frame(title: &str, here: &str, up: usize, now: DateTime<Utc>) -> Page {
    const PARTS: [(&str, &str); 5] = [
        ("Tables", "index.html"),
        ("Columns", "columns.html"),
        ("Lineage", "lineage.html"),
        ("Runs", "runs.html"),
        ("Decisions", "decisions.html"),
    ];
    let page = Page::new(SITE, title, Style::Linked(Address::file(up, &["style.css"])));
    let page = page.home(Address::file(up, &["index.html"])).icon(Address::file(up, &["icon.svg"]));
    let page = page.user(format!("as of {}", now.format("%Y-%m-%d %H:%M UTC")));
    PARTS.iter().fold(page, |page, (name, file)| page.beside(*name, Address::file(up, &[file]), *name == here))
}
