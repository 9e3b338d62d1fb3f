//! What a step found that people should look at: keys without a decision, proposals, pairs of rows that are alike.

use crate::mapping::quoted;

/// The findings of one step, as a table of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// The step, counted from 1.
    pub step: usize,
    /// Its name, such as `repair`.
    pub name: String,
    /// What was found: `2 keys are undecided and stay as they are`.
    pub found: String,
    /// Whether something is left for people to decide.
    pub is_open: bool,
    pub header: Vec<String>,
    /// As wide as the header; None is an empty cell.
    pub rows: Vec<Vec<Option<String>>>,
    /// The columns whose values are shown, under their names at the place of the plan that was reached.
    pub(crate) shows: Vec<String>,
}

impl Review {
    /// The findings as CSV. A text of length 0 is written `""`, an empty cell as nothing.
    pub fn to_csv(&self) -> String {
        let header: Vec<String> = self.header.iter().map(|name| quoted(name)).collect();
        let mut text = format!("{}\n", header.join(","));
        for row in &self.rows {
            let cells = row.iter().map(|cell| match cell.as_deref() {
                None => String::new(),
                Some("") => "\"\"".to_owned(),
                Some(cell) => quoted(cell),
            });
            text += &format!("{}\n", cells.collect::<Vec<String>>().join(","));
        }
        text
    }

    /// The values of `column` must not be shown: the findings lose their rows where they hold them.
    pub(crate) fn hide(&mut self, column: &str) {
        if self.shows.iter().any(|shown| shown == column) {
            self.rows.clear();
        }
    }

    /// Columns have other names from here on.
    pub(crate) fn rename(&mut self, from: &[String], to: &[String]) {
        for shown in &mut self.shows {
            if let Some(at) = from.iter().position(|old| old == shown) {
                shown.clone_from(&to[at]);
            }
        }
    }
}
