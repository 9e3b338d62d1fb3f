//! The books of a run: rows in must equal rows out plus all that was refused or removed, rule by rule.

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

/// What happened to rows that were not passed on unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Kept aside in the refused artifact, with the reason.
    Refused,
    /// Removed as a duplicate of a row that stays.
    Duplicate,
    /// Dropped by a named rule of the pipeline.
    Dropped,
    /// Became one row with others: what a step took beyond the rows that it gave.
    Merged,
    /// Came in on the way: what a step gave beyond the rows that it took, such as the second match of a join. The only
    /// rows that count as if they had come in.
    Added,
    /// Went into aggregates or a model: the rows that come out of those are new ones and count for nothing here.
    Used,
}

impl Fate {
    pub fn word(self) -> &'static str {
        match self {
            Fate::Refused => "refused",
            Fate::Duplicate => "duplicate",
            Fate::Dropped => "dropped",
            Fate::Merged => "merged",
            Fate::Added => "added",
            Fate::Used => "used",
        }
    }
}

/// One line of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub rule: String,
    pub fate: Fate,
    pub rows: u64,
}

impl Entry {
    /// `2 duplicate by step 3 'dedupe'`. The rule of rows that were used says what for.
    pub fn in_words(&self) -> String {
        match self.fate {
            Fate::Used => format!("{} {}", self.rows, self.rule),
            fate => format!("{} {} by {}", self.rows, fate.word(), self.rule),
        }
    }
}

/// Rows in, rows out, and every row between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    pub rows_in: u64,
    pub rows_out: u64,
    pub entries: Vec<Entry>,
}

impl Books {
    /// Adds `rows` to the entry of `rule`, which is made on first use.
    pub fn add(&mut self, rule: &str, fate: Fate, rows: u64) {
        if rows == 0 {
            return;
        }
        match self.entries.iter_mut().find(|entry| entry.rule == rule && entry.fate == fate) {
            Some(entry) => entry.rows += rows,
            None => self.entries.push(Entry { rule: rule.to_owned(), fate, rows }),
        }
    }

    /// All rows of one fate.
    pub fn total(&self, fate: Fate) -> u64 {
        self.entries.iter().filter(|entry| entry.fate == fate).map(|entry| entry.rows).sum()
    }

    /// The conservation law: rows in and added are rows out, merged and removed.
    pub fn balance(&self, table: &str) -> Result<()> {
        let out = if self.total(Fate::Used) > 0 { 0 } else { self.rows_out };
        let added = self.total(Fate::Added);
        let accounted = out + self.entries.iter().map(|entry| entry.rows).sum::<u64>() - added;
        if accounted == self.rows_in + added {
            return Ok(());
        }
        let in_words = |is_added: bool| -> Vec<String> {
            let entries = self.entries.iter().filter(|entry| (entry.fate == Fate::Added) == is_added);
            entries.map(Entry::in_words).collect()
        };
        let removed = if in_words(false).is_empty() { "none removed".to_owned() } else { in_words(false).join(", ") };
        let came = [format!("{} rows in", self.rows_in)].into_iter().chain(in_words(true)).collect::<Vec<_>>();
        Err(Error::refused(format!(
            "table '{table}': the books do not balance: {}, but {} out and {removed}, which makes {accounted}",
            came.join(" and "),
            self.rows_out,
        ))
        .hint("nothing was published; this is a defect of the tool or of a file that changed while it was read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_balance_or_say_why_not() {
        let mut books = Books { rows_in: 10, rows_out: 6, entries: vec![] };
        books.add("step 1 'dedupe'", Fate::Duplicate, 2);
        books.add("step 1 'dedupe'", Fate::Duplicate, 1);
        books.add("check 'not_null'", Fate::Refused, 1);
        books.balance("orders").unwrap();
        assert_eq!((books.total(Fate::Duplicate), books.total(Fate::Refused)), (3, 1));
        books.rows_out = 5;
        assert_eq!(
            books.balance("orders").unwrap_err().to_string(),
            "table 'orders': the books do not balance: 10 rows in, but 5 out and 3 duplicate by step 1 'dedupe', \
             1 refused by check 'not_null', which makes 9; nothing was published; this is a defect of the tool or of \
             a file that changed while it was read"
        );
    }

    #[test]
    fn rows_that_a_step_adds_or_merges_are_in_the_books() {
        let mut books = Books { rows_in: 10, rows_out: 4, entries: vec![] };
        books.add("step 1 'join' with items", Fate::Added, 5);
        books.add("step 2 'filter'", Fate::Dropped, 2);
        books.add("step 3 'aggregate' by day", Fate::Merged, 9);
        books.balance("days").unwrap();
        books.rows_in = 11;
        assert!(books.balance("days").unwrap_err().to_string().starts_with(
            "table 'days': the books do not balance: 11 rows in and 5 added by step 1 'join' with items, but 4 out and 2 \
             dropped by step 2 'filter', 9 merged by step 3 'aggregate' by day, which makes 15;"
        ));
    }
}
