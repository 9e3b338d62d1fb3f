//! Finds the table or column that people mean by what they type.

use spec::{Error, Result, did_you_mean};

use crate::place::{Layer, TableId};
use crate::table::Table;

/// The table that `text` means: `orders`, `raw.orders`, `shop.orders` or `shop.clean.orders`. Of several in one
/// pipeline it is that of the latest stage that writes Parquet: what was delivered in another format is named by its
/// layer. `pipeline`: the only one that is looked at, if it is named beside.
///
/// Errors (cannot run): there is none, or several pipelines have one.
pub fn table<'t, 'a>(tables: &'t [Table<'a>], text: &str, pipeline: Option<&str>) -> Result<&'t Table<'a>> {
    if let Some(pipeline) = pipeline
        && !tables.iter().any(|table| table.id.place.pipeline == pipeline)
    {
        let mut known: Vec<&str> = tables.iter().map(|table| &*table.id.place.pipeline).collect();
        known.dedup();
        return Err(
            Error::cannot_run(format!("no table of a pipeline '{pipeline}'")).hint(did_you_mean(pipeline, known))
        );
    }
    let of_pipeline = |table: &&Table<'_>| pipeline.is_none_or(|name| table.id.place.pipeline == name);
    let meant: Vec<&Table<'_>> = tables.iter().filter(of_pipeline).filter(|table| means(text, &table.id)).collect();
    let Some(last) = meant.iter().max_by_key(|table| (table.is_readable(), table.id.place.layer)) else {
        return Err(unknown(text, &tables.iter().filter(of_pipeline).map(|table| &table.id).collect::<Vec<_>>()));
    };
    match meant.iter().any(|table| table.id.place.pipeline != last.id.place.pipeline) {
        false => Ok(last),
        true => {
            let all: Vec<String> = meant.iter().map(|table| table.id.to_string()).collect();
            Err(Error::cannot_run(format!("'{text}' is a table of several pipelines"))
                .hint(format!("name one of them: {}", all.join(", "))))
        }
    }
}

/// The table and the column that `text` means: a table as [`table`] reads it, a dot, and one of its columns, whose name may
/// hold dots itself.
pub fn column<'t, 'a>(tables: &'t [Table<'a>], text: &str) -> Result<(&'t Table<'a>, String)> {
    let mut nearest: Option<Error> = None;
    for (at, _) in text.match_indices('.') {
        let (name, column) = (&text[..at], &text[at + 1..]);
        let Ok(found) = table(tables, name, None) else { continue };
        let known = found.column_names();
        if known.iter().any(|known| known == column) {
            return Ok((found, column.to_owned()));
        }
        // Another table of that name may have it.
        let other = tables.iter().find(|table| {
            means(name, &table.id)
                && table.id.place.pipeline == found.id.place.pipeline
                && table.column_names().iter().any(|known| known == column)
        });
        if let Some(other) = other {
            return Ok((other, column.to_owned()));
        }
        let known = known.iter().map(String::as_str).filter(|name| !artifact::is_origin(name));
        nearest.get_or_insert(
            Error::cannot_run(format!("table {} has no column '{column}'", found.id)).hint(did_you_mean(column, known)),
        );
    }
    Err(nearest.unwrap_or_else(|| {
        let name = text.rsplit_once('.').map_or(text, |(name, _)| name);
        match table(tables, name, None) {
            Err(error) if text.contains('.') => error,
            _ => Error::cannot_run(format!("'{text}' names no column"))
                .hint("write TABLE.COLUMN, such as raw.orders.price"),
        }
    }))
}

/// Whether the last word is the table's name and those before are its pipeline or its layer.
fn means(text: &str, id: &TableId) -> bool {
    let mut words: Vec<&str> = text.split('.').collect();
    let is_table = words.pop() == Some(&id.table);
    let is_place = |word: &&str| *word == id.place.pipeline || Layer::named(word) == Some(id.place.layer);
    is_table && words.len() <= 2 && words.iter().all(is_place)
}

fn unknown(text: &str, known: &[&TableId]) -> Error {
    let error = Error::cannot_run(format!("no table '{text}'"));
    if known.is_empty() {
        return error.hint("no stage has published anything here yet");
    }
    // As much of each name as was typed.
    let short = |id: &TableId| match text.matches('.').count() {
        0 => id.table.clone(),
        1 => format!("{}.{}", id.place.layer.name(), id.table),
        _ => id.to_string(),
    };
    let mut names: Vec<String> = known.iter().map(|id| short(id)).collect();
    names.sort();
    names.dedup();
    error.hint(did_you_mean(text, names.iter().map(String::as_str)))
}
