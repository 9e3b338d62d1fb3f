//! The dictionary: every column of every current table.

use pages::{Column, Html, Page, Table as Rows, link, section};

use super::{World, address_of, frame};
use crate::words::grouped;

/// All columns, by table.
pub fn page(world: &World<'_>) -> Page {
    let mut page = frame("Columns", "Columns", 0, world.now);
    for table in world.tables.iter().filter(|table| !table.current.is_empty()) {
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
            let said = described.and_then(|described| described.columns.get(&column.name));
            let said = said.map(|said| {
                let tags = if said.tags.is_empty() { String::new() } else { format!(" [{}]", said.tags.join(", ")) };
                format!("{}{tags}", said.description.as_deref().unwrap_or("")).trim().to_owned()
            });
            let made = table.definition(&column.name).map(|definition| definition.is.clone());
            rows.row([
                column.name.clone(),
                column.column_type.clone(),
                spec::text::percent(share),
                grouped(column.distinct),
                said.unwrap_or_default(),
                made.unwrap_or_default(),
            ]);
        }
        let heading: Html = link(&address_of(&table.id, 0), table.id.to_string()).into();
        page.push(section(heading).add(rows));
    }
    page
}
