//! A comparison as people read it: a Markdown table that is also plain text, and one sentence.

use std::fmt;

use spec::text::percent;

use crate::judge::{Comparison, Interval, Method, Side, Verdict};

impl Comparison {
    /// Which task is better, in one sentence, with the p-value and the interval; when undecided, what would decide it.
    pub fn sentence(&self) -> String {
        let (first, second) = (&self.first.task, &self.second.task);
        let evidence = format!("accuracy {}, McNemar p {}", self.interval(self.accuracy), probability(self.test.p));
        match (self.verdict, self.rows_needed) {
            (Verdict::SecondBetter, _) => format!("'{second}' is better than '{first}': {evidence}."),
            (Verdict::FirstBetter, _) => format!("'{second}' is worse than '{first}': {evidence}."),
            (Verdict::Undecided, Some(rows)) => format!(
                "No difference shown between '{first}' and '{second}': {evidence}; a difference of that size would \
                 need about {rows} golden rows in all (there are {}).",
                self.first.score.rows
            ),
            (Verdict::Undecided, None) => format!(
                "No difference shown between '{first}' and '{second}': {evidence}; both are right on equally many of \
                 the {} golden rows, and more rows of this kind are not likely to change that.",
                self.first.score.rows
            ),
        }
    }

    fn interval(&self, difference: Interval) -> String {
        let Interval { mean, low, high } = difference;
        format!("{} ({} interval {} to {})", signed(mean), percent(self.confidence), signed(low), signed(high))
    }

    fn lines(&self) -> Vec<[String; 4]> {
        let line = |what: &str, of: &dyn Fn(&Side) -> String, difference: String| {
            [what.to_owned(), of(&self.first), of(&self.second), difference]
        };
        let none = String::new;
        let mut lines = vec![
            line("golden rows right", &|side| format!("{} of {}", side.score.right, side.score.rows), none()),
            line("accuracy", &|side| number(side.score.accuracy()), self.interval(self.accuracy)),
            line("edit distance", &|side| number(side.score.distance), self.interval(self.distance)),
        ];
        if self.first.score.columns.len() > 1 {
            for (index, column) in self.first.score.columns.iter().enumerate() {
                let of = |side: &Side| {
                    let column = &side.score.columns[index];
                    format!("{}, {}", number(column.accuracy()), number(column.distance))
                };
                lines.push(line(&format!("accuracy, edit distance of '{}'", column.name), &of, none()));
            }
        }
        let method = match self.test.method {
            Method::Exact => "exact",
            Method::Corrected => "corrected for continuity",
        };
        lines.extend([
            [
                "right where the other is wrong".to_owned(),
                self.discordant.only_first.to_string(),
                self.discordant.only_second.to_string(),
                format!("McNemar ({method}) p {}", probability(self.test.p)),
            ],
            line("corrected rows", &|side| side.score.corrected.to_string(), none()),
            line("spoiled rows", &|side| side.score.spoiled.to_string(), none()),
            line("cost", &|side| money(side.cost), none()),
            line(
                "cost per corrected row",
                &|side| side.cost_per_corrected_row().map_or("none".to_owned(), money),
                none(),
            ),
        ]);
        lines
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A task's name is free text; a bar in it would end its cell.
        let name = |side: &Side| side.task.replace('|', "\\|");
        let head = [String::new(), name(&self.first), name(&self.second), "difference".to_owned()];
        let lines = self.lines();
        let width = |column: usize| {
            std::iter::once(&head).chain(&lines).map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3].map(width);
        let row = |f: &mut fmt::Formatter<'_>, line: &[String; 4]| {
            let cells = std::iter::zip(line, widths).map(|(cell, width)| format!(" {cell:<width$} |"));
            writeln!(f, "|{}", cells.collect::<String>())
        };
        row(f, &head)?;
        writeln!(f, "|{}", widths.map(|width| format!("{}|", "-".repeat(width + 2))).concat())?;
        lines.iter().try_for_each(|line| row(f, line))?;
        write!(f, "\n{}", self.sentence())
    }
}

fn number(value: f64) -> String {
    format!("{value:.4}")
}

/// With its sign; what rounds to nothing has none.
fn signed(value: f64) -> String {
    match format!("{value:+.4}").as_str() {
        "+0.0000" | "-0.0000" => "0.0000".to_owned(),
        text => text.to_owned(),
    }
}

/// Four digits after the point, or six where a row costs next to nothing.
fn money(value: f64) -> String {
    match value != 0.0 && value < 0.01 {
        true => format!("{value:.6}"),
        false => format!("{value:.4}"),
    }
}

/// With its sign of equality.
fn probability(p: f64) -> String {
    match p < 0.0001 {
        true => "< 0.0001".to_owned(),
        false => format!("= {p:.4}"),
    }
}
