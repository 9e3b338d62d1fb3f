//! Mapping files: decisions about single values, one per line, for people to review.
//!
//! ```csv
//! column,before,after,accepted_by
//! city,NYC,New York,ann
//! city,"?",,"model gpt-x, task clean_city, prompt 1a2b3c4d"
//! ```
//!
//! CSV, because a reviewer reads it in a spreadsheet or in a diff: a line is a decision, and to reject it is to delete
//! the line. An empty `after` makes an empty cell. An empty `before` is an error, for the step does not change empty
//! cells; the text of length 0 is written `""`. `accepted_by` is for people; the column may be missing. The same as
//! YAML, for a table that is written by hand: `city: {NYC: New York, "?": null}`.

use std::collections::HashMap;
use std::path::Path;

use spec::{Environment, Error, Map, Result};

/// The replacements of values, by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// In the order of the file.
    pub entries: Vec<Mapped>,
}

/// One decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    pub column: String,
    /// A text of length 0 is not an empty cell; empty cells are never mapped.
    pub before: String,
    /// None makes an empty cell.
    pub after: Option<String>,
    /// Who or what decided so; empty if unknown.
    pub accepted_by: String,
}

const HEADER: [&str; 4] = ["column", "before", "after", "accepted_by"];
/// A file of proposals by the step `cluster` has more columns; only the first ones count.
pub(crate) const PROPOSED: [&str; 7] = ["column", "before", "after", "accepted_by", "count", "method", "distance"];

impl Mapping {
    /// Reads a mapping from the `text` of the file at `path`, whose name says what it is: `.csv`, `.yaml` or `.yml`.
    /// Errors name the line.
    pub fn read(text: &str, path: &Path) -> Result<Mapping> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Mapping::from_csv(text, path),
            "yaml" | "yml" => Mapping::from_yaml(text, path),
            _ => Err(Error::cannot_run(format!("{}: neither .csv nor .yaml", path.display()))
                .hint("a mapping is a CSV with the header column,before,after,accepted_by, or a YAML file")),
        }
    }

    fn from_yaml(text: &str, path: &Path) -> Result<Mapping> {
        let columns = spec::parse::<Map<Map<Option<String>>>>(text, path, &Environment::default())?.spec;
        let mut mapping = Mapping::default();
        for (column, values) in columns.iter() {
            mapping.entries.extend(values.iter().map(|(before, after)| Mapped {
                column: column.to_owned(),
                before: before.to_owned(),
                after: after.clone(),
                accepted_by: String::new(),
            }));
        }
        Ok(mapping)
    }

    fn from_csv(text: &str, path: &Path) -> Result<Mapping> {
        let at = |line: usize, what: String| Error::cannot_run(format!("{}:{line}: {what}", path.display()));
        let mut records = records(text).map_err(|line| {
            at(line, "a quoted cell is never closed".to_owned()).hint("close it with '\"'; within it, double each '\"'")
        })?;
        if records.is_empty() {
            return Err(at(1, "the file is empty".to_owned()).hint(format!("begin it with {}", HEADER.join(","))));
        }
        let (_, header) = records.remove(0);
        let header: Vec<String> = header.into_iter().map(Option::unwrap_or_default).collect();
        if header != HEADER && header != HEADER[..3] && header != PROPOSED {
            return Err(at(1, format!("the header is '{}'", header.join(",")))
                .hint(format!("write {}, separated by commas", HEADER.join(","))));
        }
        let mut mapping = Mapping::default();
        let mut lines: HashMap<(String, String), usize> = HashMap::new();
        for (line, cells) in records {
            if cells.len() != header.len() {
                return Err(at(line, format!("{} cells, but the header has {}", cells.len(), header.len()))
                    .hint("put a cell that holds a comma into double quotes"));
            }
            let mut cells = cells.into_iter();
            let mut next = || cells.next().unwrap_or_default();
            let (column, before, after, accepted_by) = (next(), next(), next(), next());
            let Some(column) = column.filter(|column| !column.is_empty()) else {
                return Err(at(line, "no column is named".to_owned()).hint("say in which column the value is mapped"));
            };
            let Some(before) = before else {
                return Err(at(line, "'before' is empty, but empty cells are not mapped".to_owned())
                    .hint("fill them with the step 'fill_null'; write \"\" for a text of length 0"));
            };
            if let Some(first) = lines.insert((column.clone(), before.clone()), line) {
                return Err(at(line, format!("'{before}' of column '{column}' is mapped in line {first} already"))
                    .hint("keep one of the two"));
            }
            let after = after.filter(|after| !after.is_empty());
            mapping.entries.push(Mapped { column, before, after, accepted_by: accepted_by.unwrap_or_default() });
        }
        Ok(mapping)
    }

    /// The mapping as CSV.
    pub fn to_csv(&self) -> String {
        let line = |cells: [String; 4]| format!("{}\n", cells.join(","));
        let mut text = line(HEADER.map(quoted));
        for Mapped { column, before, after, accepted_by } in &self.entries {
            let before = if before.is_empty() { "\"\"".to_owned() } else { quoted(before) };
            text += &line([quoted(column), before, quoted(after.as_deref().unwrap_or_default()), quoted(accepted_by)]);
        }
        text
    }

    /// The columns that have mapped values, in the order of the file.
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for entry in &self.entries {
            if !columns.contains(&entry.column) {
                columns.push(entry.column.clone());
            }
        }
        columns
    }
}

/// A cell of a CSV.
pub(crate) fn quoted(cell: &str) -> String {
    let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell;
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

/// The cells of a record; nothing for one that is empty and has no quotes.
type Record = Vec<Option<String>>;

/// The records of a CSV (RFC 4180), each with the line that it begins on. Empty lines do not count. The error is the
/// line of a quote that is never closed.
fn records(text: &str) -> Result<Vec<(usize, Record)>, usize> {
    let mut records = Vec::new();
    let (mut record, mut cell, mut quote) = (Vec::new(), String::new(), None);
    let (mut line, mut begins, mut was_quoted) = (1, 1, false);
    let mut characters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    loop {
        let next = characters.next();
        match (next, quote) {
            (None, Some(opened)) => return Err(opened),
            (Some('"'), Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            (Some('"'), Some(_)) => quote = None,
            (Some('"'), None) if cell.is_empty() => (quote, was_quoted) = (Some(line), true),
            (Some(','), None) => record.push(taken(&mut cell, &mut was_quoted)),
            (Some('\r'), None) if characters.peek() == Some(&'\n') => {}
            (Some('\n') | None, None) => {
                if !cell.is_empty() || !record.is_empty() || was_quoted {
                    record.push(taken(&mut cell, &mut was_quoted));
                    records.push((begins, std::mem::take(&mut record)));
                }
                begins = line + 1;
            }
            (Some(character), _) => cell.push(character),
        }
        match next {
            None => return Ok(records),
            Some('\n') => line += 1,
            Some(_) => {}
        }
    }
}

/// A finished cell.
fn taken(cell: &mut String, was_quoted: &mut bool) -> Option<String> {
    let is_there = std::mem::take(was_quoted) || !cell.is_empty();
    let text = std::mem::take(cell);
    is_there.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Mapping> {
        Mapping::read(text, Path::new("m.csv"))
    }

    fn mapped(column: &str, before: &str, after: Option<&str>, by: &str) -> Mapped {
        let after = after.map(str::to_owned);
        Mapped { column: column.to_owned(), before: before.to_owned(), after, accepted_by: by.to_owned() }
    }

    #[test]
    fn csv_goes_there_and_back() {
        let mapping = Mapping {
            entries: vec![
                mapped("city", "NYC", Some("New York"), "ann"),
                mapped("city", " a, \"b\"\nc", None, "model x, prompt 1"),
                mapped("city", "", Some("none"), ""),
            ],
        };
        let text = mapping.to_csv();
        assert_eq!(
            text,
            "column,before,after,accepted_by\ncity,NYC,New York,ann\n\
             city,\" a, \"\"b\"\"\nc\",,\"model x, prompt 1\"\ncity,\"\",none,\n"
        );
        assert_eq!(read(&text).unwrap(), mapping);
        assert_eq!(read(&text.replace("ann\n", "ann\r\n\r\n")).unwrap(), mapping);
        assert_eq!(mapping.columns(), ["city"]);
    }

    #[test]
    fn what_a_spreadsheet_saves_can_be_read() {
        let mapping = read("\u{feff}column,before,after\r\na,x,y\r\n").unwrap();
        assert_eq!(mapping.entries, [mapped("a", "x", Some("y"), "")]);
    }

    #[test]
    fn yaml_says_the_same() {
        let mapping = Mapping::read("sex: {m: male, '?': null}\n", Path::new("m.yaml")).unwrap();
        assert_eq!(mapping.entries, [mapped("sex", "m", Some("male"), ""), mapped("sex", "?", None, "")]);
    }

    #[test]
    fn mistakes_have_their_line() {
        let failure = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(failure(""), "m.csv:1: the file is empty; begin it with column,before,after,accepted_by");
        assert_eq!(
            failure("column;before;after\n"),
            "m.csv:1: the header is 'column;before;after'; write column,before,after,accepted_by, separated by commas"
        );
        assert_eq!(
            failure("column,before,after\na,\"x\ny\",z\na,b\n"),
            "m.csv:4: 2 cells, but the header has 3; put a cell that holds a comma into double quotes"
        );
        assert_eq!(
            failure("column,before,after\na,x,y\na,,none\n"),
            "m.csv:3: 'before' is empty, but empty cells are not mapped; fill them with the step 'fill_null'; write \"\" for a \
             text of length 0"
        );
        assert_eq!(
            failure("column,before,after\n,x,y\n"),
            "m.csv:2: no column is named; say in which column the value is mapped"
        );
        assert_eq!(
            failure("column,before,after\na,x,y\n\na,x,z\n"),
            "m.csv:4: 'x' of column 'a' is mapped in line 2 already; keep one of the two"
        );
        assert_eq!(
            failure("column,before,after\na,\"x,y\n"),
            "m.csv:2: a quoted cell is never closed; close it with '\"'; within it, double each '\"'"
        );
        assert_eq!(
            Mapping::read("", Path::new("m.txt")).unwrap_err().to_string(),
            "m.txt: neither .csv nor .yaml; a mapping is a CSV with the header column,before,after,accepted_by, or a \
             YAML file"
        );
        assert_eq!(
            Mapping::read("a: {x: y, x: z}\n", Path::new("m.yaml")).unwrap_err().to_string(),
            "m.yaml:1:11: a: 'x' is given twice"
        );
    }
}
