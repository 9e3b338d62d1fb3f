//! How much of a golden sample is right, and how far off the rest is.

/// A cell of a golden row. `None` is null, which equals only null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What stood there before the task.
    pub before: Option<String>,
    /// The right answer.
    pub expected: Option<String>,
    /// The task's answer.
    pub answered: Option<String>,
}

impl Cell {
    /// A cell without nulls.
    pub fn text(before: &str, expected: &str, answered: &str) -> Cell {
        Cell {
            before: Some(before.to_owned()),
            expected: Some(expected.to_owned()),
            answered: Some(answered.to_owned()),
        }
    }

    /// Equal byte for byte: neither trimmed nor normalised, since spaces and forms of Unicode may be what a task
    /// corrects.
    pub fn is_right(&self) -> bool {
        self.answered == self.expected
    }

    /// The edit distance between the answer and the right one, see [`edit_distance`].
    pub fn distance(&self) -> f64 {
        edit_distance(self.expected.as_deref(), self.answered.as_deref())
    }
}

/// A golden row as a task left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What people know the row by: its key, its number or its input.
    pub row: String,
    /// One per output column, in the order of the columns.
    pub cells: Vec<Cell>,
}

impl Row {
    /// All of its cells are right.
    pub fn is_right(&self) -> bool {
        self.cells.iter().all(Cell::is_right)
    }

    /// All of its cells were right before the task.
    pub fn was_right(&self) -> bool {
        self.cells.iter().all(|cell| cell.before == cell.expected)
    }

    /// The mean edit distance of its cells; 0 if it has none.
    pub fn distance(&self) -> f64 {
        mean(self.cells.iter().map(Cell::distance))
    }
}

/// Counts over golden rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub rows: usize,
    /// Rows of which every cell is right.
    pub right: usize,
    /// Rows that were wrong before and are right now.
    pub corrected: usize,
    /// Rows that were right before and are wrong now.
    pub spoiled: usize,
    /// The mean over rows of [`Row::distance`], from 0 (all equal) to 1.
    pub distance: f64,
    /// The same by output column, in their order.
    pub columns: Vec<ColumnScore>,
}

/// Counts over the cells of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnScore {
    pub name: String,
    pub rows: usize,
    pub right: usize,
    /// The mean edit distance, from 0 to 1.
    pub distance: f64,
}

impl Score {
    /// The share of rows that are right, from 0 to 1; 0 without rows.
    pub fn accuracy(&self) -> f64 {
        share(self.right, self.rows)
    }
}

impl ColumnScore {
    /// The share of cells that are right, from 0 to 1; 0 without rows.
    pub fn accuracy(&self) -> f64 {
        share(self.right, self.rows)
    }
}

/// Scores `rows`, whose cells are those of `columns`.
///
/// # Panics
/// If a row has fewer cells than there are columns.
pub fn score(columns: &[String], rows: &[Row]) -> Score {
    let count = |fits: fn(&Row) -> bool| rows.iter().filter(|row| fits(row)).count();
    let column = |(index, name): (usize, &String)| ColumnScore {
        name: name.clone(),
        rows: rows.len(),
        right: rows.iter().filter(|row| row.cells[index].is_right()).count(),
        distance: mean(rows.iter().map(|row| row.cells[index].distance())),
    };
    Score {
        rows: rows.len(),
        right: count(Row::is_right),
        corrected: count(|row| !row.was_right() && row.is_right()),
        spoiled: count(|row| row.was_right() && !row.is_right()),
        distance: mean(rows.iter().map(Row::distance)),
        columns: columns.iter().enumerate().map(column).collect(),
    }
}

/// The normalized edit distance: Levenshtein's (1966) in characters, divided by the length of the longer text. From 0
/// (equal) to 1 (nothing in common). Two nulls are 0 apart, null and any text 1.
pub fn edit_distance(one: Option<&str>, other: Option<&str>) -> f64 {
    match (one, other) {
        (None, None) => 0.0,
        (Some(one), Some(other)) if one == other => 0.0,
        (Some(one), Some(other)) => {
            let longer = one.chars().count().max(other.chars().count());
            strsim::levenshtein(one, other) as f64 / longer as f64
        }
        _ => 1.0,
    }
}

fn share(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    match values.len() {
        0 => 0.0,
        count => values.sum::<f64>() / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_characters() {
        // kitten and sitting are 3 edits apart (the usual example); the longer has 7 characters.
        assert_eq!(edit_distance(Some("kitten"), Some("sitting")), 3.0 / 7.0);
        assert_eq!(edit_distance(Some("재밋다"), Some("재밌다")), 1.0 / 3.0);
        assert_eq!(edit_distance(Some(""), Some("abc")), 1.0);
        assert_eq!(edit_distance(Some(""), Some("")), 0.0);
        assert_eq!(edit_distance(None, None), 0.0);
        assert_eq!(edit_distance(None, Some("")), 1.0);
    }

    #[test]
    fn right_means_the_same_bytes() {
        assert!(!Cell::text("", "a", "a ").is_right());
        // é as one character, and as e with an accent: equal only after normalisation, which is not done.
        assert!(!Cell::text("", "\u{e9}", "e\u{301}").is_right());
        assert!(!Cell { expected: None, answered: Some(String::new()), before: None }.is_right());
        assert!(Cell::default().is_right());
    }

    #[test]
    fn rows_are_right_when_all_their_cells_are() {
        let row = |cells: [(&str, &str, &str); 2]| Row {
            row: "r".to_owned(),
            cells: cells.map(|(before, expected, answered)| Cell::text(before, expected, answered)).to_vec(),
        };
        let rows = [
            row([("a", "a", "a"), ("b", "c", "c")]),  // corrected
            row([("a", "a", "a"), ("b", "b", "x")]),  // spoiled
            row([("a", "b", "bx"), ("b", "b", "b")]), // wrong before and after
            row([("a", "a", "a"), ("b", "b", "b")]),  // right before and after
        ];
        let score = score(&["one".to_owned(), "two".to_owned()], &rows);
        assert_eq!((score.rows, score.right, score.corrected, score.spoiled), (4, 2, 1, 1));
        assert_eq!(score.accuracy(), 0.5);
        assert_eq!(score.distance, (0.0 + 0.5 + 0.25 + 0.0) / 4.0);
        let columns: Vec<_> = score.columns.iter().map(|c| (c.name.as_str(), c.accuracy(), c.distance)).collect();
        assert_eq!(columns, [("one", 0.75, 0.5 / 4.0), ("two", 0.75, 1.0 / 4.0)]);
    }
}
