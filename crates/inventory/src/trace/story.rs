//! A trace as people read it: an indented list of tables, rows, changes and lines of files.

use std::fmt::{self, Write};

use spec::text::cut;

use super::{Traced, TracedRow};

/// Cells of a row that are shown on a line.
const CELLS: usize = 12;

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        story(f, self, 0)
    }
}

fn story(out: &mut impl Write, traced: &Traced, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let shown = match traced.total as usize > traced.rows.len() {
        true => format!(", {} shown", traced.rows.len()),
        false => String::new(),
    };
    let by = if traced.by.is_empty() { String::new() } else { format!(" {}", traced.by) };
    writeln!(out, "{indent}{}{by}: {}{shown}", traced.table, spec::text::count(traced.total, "row"))?;
    for path in &traced.artifacts {
        writeln!(out, "{indent}  in {}", path.display())?;
    }
    for note in &traced.notes {
        writeln!(out, "{indent}  note: {note}")?;
    }
    for row in &traced.rows {
        writeln!(out, "{indent}  - {}", cells(row))?;
        if let Some(original) = &row.original {
            let what = match (&original.text, &original.missing) {
                (Some(text), _) => text.replace('\n', "\\n"),
                (None, Some(why)) => format!("({why})"),
                (None, None) => String::new(),
            };
            writeln!(out, "{indent}      {}:{}: {what}", original.file, original.row)?;
        }
        for change in &row.changes {
            let shown = |cell: &Option<String>| cell.as_ref().map_or("empty".to_owned(), |text| format!("'{text}'"));
            let (before, after) = (shown(&change.before), shown(&change.after));
            writeln!(out, "{indent}      {}: {before} became {after} by {}", change.column, change.by)?;
        }
        for behind in &row.behind {
            story(out, behind, depth + 3)?;
        }
    }
    Ok(())
}

fn cells(row: &TracedRow) -> String {
    let shown: Vec<String> = row
        .cells
        .iter()
        .take(CELLS)
        .map(|(name, cell)| format!("{name}={}", cell.as_deref().map_or("empty".to_owned(), |text| cut(text, 60))))
        .collect();
    let more = row.cells.len().saturating_sub(CELLS);
    let more = if more > 0 { format!(" and {}", spec::text::count(more as u64, "more column")) } else { String::new() };
    shown.join(", ") + &more
}
