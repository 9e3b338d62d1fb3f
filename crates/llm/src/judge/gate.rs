//! What a task must reach on its golden sample before its answers are used.

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::judge::{Row, score};

/// Rows that a refusal names.
const WORST: usize = 5;

/// Characters of a text that a refusal repeats.
const LONGEST: usize = 60;

/// The least that a task must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// The least share of golden rows that are right in all their columns, from 0 to 1: `0.90` by default.
    pub accuracy: f64,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate { accuracy: 0.90 }
    }
}

impl Gate {
    /// The sentence that says what `task` reached, or the refusal that names its worst rows: those farthest from the
    /// right answer, then in their order. A sample without rows shows nothing, so it is refused.
    ///
    /// # Errors
    /// Refused when the task is below the gate.
    pub fn check(&self, task: &str, columns: &[String], rows: &[Row]) -> Result<String> {
        if rows.is_empty() {
            return Err(Error::refused(format!("task '{task}': the golden file has no rows"))
                .hint("add rows with the right answers to the golden file"));
        }
        let score = score(columns, rows);
        let reached = format!("task '{task}': accuracy {:.4} on {}", score.accuracy(), golden_rows(score.rows));
        if score.accuracy() >= self.accuracy {
            return Ok(format!("{reached} (gate {:.4}), mean edit distance {:.4}", self.accuracy, score.distance));
        }
        let wrong = score.rows - score.right;
        let worst = worst(columns, rows).join("\n  ");
        Err(Error::refused(format!("{reached} is below {:.4} ({wrong} wrong); the worst:\n  {worst}", self.accuracy))
            .hint("change the prompt, the examples or the model, or correct the golden file where it is wrong"))
    }
}

fn golden_rows(count: usize) -> String {
    match count {
        1 => "1 golden row".to_owned(),
        count => format!("{count} golden rows"),
    }
}

/// The wrong rows farthest from the right answer, each with its wrong cells.
fn worst(columns: &[String], rows: &[Row]) -> Vec<String> {
    let mut wrong: Vec<&Row> = rows.iter().filter(|row| !row.is_right()).collect();
    wrong.sort_by(|one, other| other.distance().total_cmp(&one.distance()));
    let describe = |row: &&Row| {
        let cells = std::iter::zip(columns, &row.cells).filter(|(_, cell)| !cell.is_right()).map(|(column, cell)| {
            let (expected, answered) = (shown(&cell.expected), shown(&cell.answered));
            format!("{column}: expected {expected}, answered {answered} (edit distance {:.2})", cell.distance())
        });
        format!("{}: {}", short(&row.row), cells.collect::<Vec<_>>().join(", "))
    };
    wrong.iter().take(WORST).map(describe).collect()
}

fn shown(value: &Option<String>) -> String {
    value.as_deref().map_or("null".to_owned(), |text| format!("'{}'", short(text)))
}

/// The beginning of a text, on one line. Other spaces are kept: they may be what is wrong.
fn short(text: &str) -> String {
    spec::text::cut(&text.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r"), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Cell;

    fn rows(answers: &[&str]) -> Vec<Row> {
        let row = |(number, answer): (usize, &&str)| Row {
            row: format!("row {}", number + 1),
            cells: vec![Cell::text("before", "right", answer)],
        };
        answers.iter().enumerate().map(row).collect()
    }

    fn check(gate: f64, answers: &[&str]) -> Result<String, String> {
        let gate = Gate { accuracy: gate };
        gate.check("t", &["out".to_owned()], &rows(answers)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_gate_itself_is_enough() {
        let answers = ["right", "right", "right", "right", "right", "right", "right", "right", "right", "write"];
        assert_eq!(
            check(0.9, &answers).unwrap(),
            "task 't': accuracy 0.9000 on 10 golden rows (gate 0.9000), mean edit distance 0.0800"
        );
        assert!(check(0.91, &answers).is_err());
    }

    #[test]
    fn a_refusal_names_the_worst_rows_first() {
        let refusal = check(0.9, &["right", "rigt", "something else\naltogether", "righ t", "a", "b", "c", "d"]);
        assert_eq!(
            refusal.unwrap_err(),
            "task 't': accuracy 0.1250 on 8 golden rows is below 0.9000 (7 wrong); the worst:\n  \
             row 5: out: expected 'right', answered 'a' (edit distance 1.00)\n  \
             row 6: out: expected 'right', answered 'b' (edit distance 1.00)\n  \
             row 7: out: expected 'right', answered 'c' (edit distance 1.00)\n  \
             row 8: out: expected 'right', answered 'd' (edit distance 1.00)\n  \
             row 3: out: expected 'right', answered 'something else\\naltogether' (edit distance 0.88); \
             change the prompt, the examples or the model, or correct the golden file where it is wrong"
        );
    }

    #[test]
    fn nothing_to_judge_by_is_not_a_pass() {
        assert_eq!(
            check(0.0, &[]).unwrap_err(),
            "task 't': the golden file has no rows; add rows with the right answers to the golden file"
        );
    }

    #[test]
    fn a_missing_answer_is_shown_as_null() {
        let cell = Cell { before: None, expected: Some("x".repeat(99)), answered: None };
        let rows = [Row { row: "key".to_owned(), cells: vec![cell] }];
        let text = Gate::default().check("t", &["out".to_owned()], &rows).unwrap_err().message().to_owned();
        assert!(
            text.ends_with(&format!("expected '{}…', answered null (edit distance 1.00)", "x".repeat(59))),
            "{text}"
        );
    }
}
