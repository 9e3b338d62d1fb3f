//! The search of the first page: a list of what there is, and a few lines of script that look through it. No page needs it.

use serde_json::json;

use super::{SiteData, file_of};

/// Searches the list as the user types. Everything is put on the page as text, never as markup.
const FIND: &str = include_str!("search.js");

/// The script with its list: tables and columns with their descriptions.
pub fn script(data: &SiteData<'_>) -> String {
    let mut entries = Vec::new();
    for table in &data.tables {
        let described = table.described();
        let of_table = described.map(|described| {
            let tags = described.tags.join(" ");
            format!(
                "{} {} {tags}",
                described.description.as_deref().unwrap_or(""),
                described.owner.as_deref().unwrap_or("")
            )
        });
        let page = format!("./tables/{}", file_of(&table.id));
        entries.push(json!([table.id, page, of_table.unwrap_or_default().trim()]));
        for column in table.column_names().iter().filter(|name| !artifact::is_origin(name)) {
            let documented = described.and_then(|described| described.columns.get(column));
            let documented = documented.map(|documented| {
                format!("{} {}", documented.description.as_deref().unwrap_or(""), documented.tags.join(" "))
            });
            entries.push(json!([format!("{}.{column}", table.id), page, documented.unwrap_or_default().trim()]));
        }
    }
    format!("\"use strict\";\nconst entries = {};\n{FIND}", serde_json::Value::Array(entries))
}
