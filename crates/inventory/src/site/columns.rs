//! The dictionary: every column of every current table.

use pages::{Address, Column, Html, Page, Table as Rows, el, link, section};

use super::{SiteData, address_of, frame};
use crate::table::Table;
use crate::words::grouped;

/// The most columns on a page, unless one table has more: tens of thousands would take a browser or a screen
/// reader minutes.
const PER_PAGE: usize = 400;

/// All columns, by table: files with their pages.
pub fn pages(data: &SiteData<'_>) -> Vec<(String, Page)> {
    let mut parts: Vec<Vec<&Table<'_>>> = Vec::new();
    let mut columns = 0;
    for table in data.tables.iter().filter(|table| !table.current.is_empty()) {
        let more = table.column_names().len();
        match parts.last_mut() {
            Some(part) if columns + more <= PER_PAGE => part.push(table),
            _ => {
                parts.push(vec![table]);
                columns = 0;
            }
        }
        columns += more;
    }
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    (0..parts.len()).map(|at| (file_of(at), page(data, &parts, at))).collect()
}

/// The file of a page.
fn file_of(at: usize) -> String {
    if at == 0 { "columns.html".to_owned() } else { format!("columns-{}.html", at + 1) }
}

/// Whether a file is one of such a page, whatever tables there were when it was written.
pub fn is_page(name: &str) -> bool {
    let number = name.strip_prefix("columns-").and_then(|name| name.strip_suffix(".html"));
    number.is_some_and(|number| number.parse::<usize>().is_ok())
}

fn page(data: &SiteData<'_>, parts: &[Vec<&Table<'_>>], at: usize) -> Page {
    let title = if at == 0 { "Columns".to_owned() } else { format!("Columns, page {}", at + 1) };
    let mut page = frame(&title, "Columns", 0, data.now);
    if parts.len() > 1 {
        let mut list = el("ul");
        for (other, part) in parts.iter().enumerate() {
            let [Some(first), Some(last)] = [part.first(), part.last()] else { continue };
            let tables = if part.len() == 1 { first.id.to_string() } else { format!("{} to {}", first.id, last.id) };
            let item: Html = match other == at {
                true => tables.into(),
                false => link(&Address::file(0, &[&file_of(other)]), tables).into(),
            };
            list = list.add(el("li").add(item));
        }
        page.push(section("Pages").add(list));
    }
    for table in &parts[at] {
        let columns = table.columns();
        if columns.is_empty() {
            continue;
        }
        let described = table.described();
        let mut rows = Rows::new(
            table.id.to_string(),
            [
                Column::text("Column"),
                Column::text("Type"),
                Column::number("Empty"),
                Column::number("Distinct"),
                Column::text("Description"),
                Column::text("Made by"),
            ],
        );
        for column in columns.iter().filter(|column| !artifact::is_origin(&column.name)) {
            let share = if column.count == 0 { 0.0 } else { column.nulls as f64 / column.count as f64 };
            let documented = described.and_then(|described| described.columns.get(&column.name));
            let documented = documented.map(|documented| {
                let tags = if documented.tags.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", documented.tags.join(", "))
                };
                format!("{}{tags}", documented.description.as_deref().unwrap_or("")).trim().to_owned()
            });
            let made = table.definition(&column.name).map(|definition| definition.is.clone());
            rows.row([
                column.name.clone(),
                column.column_type.clone(),
                spec::text::percent(share),
                grouped(column.distinct),
                documented.unwrap_or_default(),
                made.unwrap_or_default(),
            ]);
        }
        let heading: Html = link(&address_of(&table.id, 0), table.id.to_string()).into();
        page.push(section(heading).add(rows));
    }
    page
}
