//! A table as text: what `export` prints, taken apart.

use std::fmt;

/// Column names and cells, all as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads CSV (RFC 4180), with or without a byte order mark.
    pub fn from_csv(text: &str) -> Table {
        let mut records = records(text.strip_prefix('\u{feff}').unwrap_or(text)).into_iter();
        Table { columns: records.next().unwrap_or_default(), rows: records.collect() }
    }

    /// The cells of a column. Panics if there is none of that name.
    #[track_caller]
    pub fn column(&self, name: &str) -> Vec<&str> {
        let at = self.columns.iter().position(|column| column == name);
        let at = at.unwrap_or_else(|| panic!("no column '{name}' among {:?}", self.columns));
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    /// The named columns alone, in that order.
    #[track_caller]
    pub fn select(&self, names: &[&str]) -> Table {
        let columns: Vec<Vec<&str>> = names.iter().map(|name| self.column(name)).collect();
        let rows = (0..self.rows.len()).map(|row| columns.iter().map(|cells| cells[row].to_owned()).collect());
        Table { columns: names.iter().map(|name| (*name).to_owned()).collect(), rows: rows.collect() }
    }
}

/// `a | b` and below it one line per row: to be compared with a table written in a test.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.columns.join(" | "))?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{}", row.join(" | ")))
    }
}

fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn reads_quotes_commas_and_line_ends() {
        let table = Table::from_csv("\u{feff}id,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,\r\n");
        assert_eq!(table.columns, ["id", "text"]);
        assert_eq!(table.column("text"), ["a, \"b\"\nc", ""]);
        assert_eq!(table.select(&["id"]).to_string(), "id\n1\n2");
    }
}
