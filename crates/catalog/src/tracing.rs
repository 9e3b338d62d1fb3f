//! Rows back to what people typed.

use inventory::{Inventory, TraceOptions};
use spec::{Error, Exit, Result};
use tool::Project;

use crate::again::StepsAgain;

/// Prints where rows come from.
pub fn trace(
    project: &Project,
    inventory: &Inventory,
    pipeline: &str,
    table: &str,
    wanted: &[String],
    rows: usize,
    json: bool,
) -> Result<Exit> {
    if rows == 0 {
        return Err(Error::cannot_run("--rows: at least 1 row is shown"));
    }
    let tables = inventory.tables();
    let table = inventory::table(&tables, table, Some(pipeline))?;
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Error::cannot_run(format!("'{text}' is not COLUMN=VALUE"))
                .hint("write what the row holds, such as customer_id=123")
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let wanted: Vec<(String, String)> = wanted.iter().map(pair).collect::<Result<_>>()?;
    let again = StepsAgain { root: &project.root, env: &project.env };
    let traced = inventory::trace(inventory, table, &wanted, &TraceOptions { rows, again: &again })?;
    let text = match json {
        true => {
            let json = serde_json::to_string_pretty(&traced).map_err(|error| Error::cannot_run(error.to_string()))?;
            format!("{json}\n")
        }
        false => traced.to_string(),
    };
    tool::print(&text)?;
    Ok(Exit::Done)
}
