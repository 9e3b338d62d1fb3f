//! Markdown tables.

use std::fmt;

/// A table with its columns aligned in the source too.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[&str]) -> Table {
        Table { rows: vec![columns.iter().map(|column| (*column).to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let columns = self.rows[0].len();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate().take(columns) {
                write!(f, "| {cell:0$} ", width(column))?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                (0..columns).try_for_each(|column| write!(f, "|-{:-<1$}-", "", width(column)))?;
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// A name of the data as Markdown code, whatever it holds.
pub(super) fn code(name: &str) -> String {
    format!("`{}`", name.replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_read_well_as_text_too() {
        let mut table = Table::new(&["part", "rows"]);
        table.row(["train".to_owned(), "10".to_owned()]);
        table.row(["a|b".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "| part  | rows |\n|-------|------|\n| train | 10   |\n| a\\|b  |      |\n");
    }
}
