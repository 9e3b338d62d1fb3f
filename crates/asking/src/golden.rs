//! Judges a task on rows whose right answer is known, before its answers are used.
//!
//! A golden file is a CSV with the task's input columns, and a column `expected_<output>` for each output that is
//! judged. An empty cell is an empty cell. Texts must be equal to the letter; numbers and truth values count, not how they are written.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use artifact::PolarsResultExt;
use llm::judge::{Cell, Gate, Row};
use llm::{Kind, Outcome, Stop, TaskFile};
use polars::prelude::*;
use spec::{Error, Result, ResultExt, Root};

use super::watch::Shown;
use super::{Asking, Models, frames};

const EXPECTED: &str = "expected_";

/// Golden rows for the tasks of a table.
pub struct Golden {
    rows: DataFrame,
    /// The outputs that are judged.
    pub columns: Vec<String>,
    path: String,
}

/// What a task made of the golden rows.
pub struct Judged {
    pub rows: Vec<Row>,
    /// What its answers cost when they were paid for.
    pub cost: f64,
}

impl Golden {
    /// Reads the file at `path`, relative to `root`. Errors name the file and what it lacks.
    pub fn read(root: &Root, path: &str) -> Result<Golden> {
        let file = root.join(Path::new(path));
        if !file.is_file() {
            return Err(Error::cannot_run(format!("no golden file '{path}'"))
                .hint("write a CSV with the task's input columns and expected_<output>"));
        }
        let rows = options().try_into_reader_with_file_path(Some(file)).and_then(SerReader::finish).during(path)?;
        let columns = rows.get_column_names().into_iter();
        let columns: Vec<String> = columns.filter_map(|name| Some(name.strip_prefix(EXPECTED)?.to_owned())).collect();
        if columns.is_empty() {
            return Err(Error::cannot_run(format!("{path}: no column begins with '{EXPECTED}'"))
                .hint("add expected_<output> for each output column to be judged"));
        }
        Ok(Golden { rows, columns, path: path.to_owned() })
    }

    /// What is asked.
    fn inputs(&self, task: &TaskFile) -> Result<Vec<llm::Input>> {
        let lacks = |what: &str, name: &str| {
            Error::cannot_run(format!("{}: task '{}' {what} '{name}'", self.path, task.name()))
        };
        if let Some(lost) = task.inputs().iter().find(|name| self.rows.column(name.as_str()).is_err()) {
            return Err(lacks("reads a column that the file does not have:", lost));
        }
        if let Some(other) = self.columns.iter().find(|name| !task.outputs().contains(name)) {
            return Err(lacks("does not write the expected column", other)
                .hint(spec::did_you_mean(other, task.outputs().iter().map(String::as_str))));
        }
        let inputs = self.rows.select(task.inputs().iter().map(String::as_str)).during(&self.path)?;
        frames::to_json(&inputs).during(&self.path)
    }

    /// Puts the answers beside the right ones.
    fn judged(&self, task: &TaskFile, outcomes: &[Outcome]) -> Result<Judged> {
        let texts = |name: &str| -> Result<Vec<Option<String>>> {
            let column = self.rows.column(name).and_then(|column| column.cast(&DataType::String)).during(&self.path)?;
            Ok(column.str().during(&self.path)?.iter().map(|cell| cell.map(str::to_owned)).collect())
        };
        let names = texts(&task.inputs()[0])?;
        let name = |at: usize| names[at].clone().unwrap_or_default();
        let mut rows: Vec<Row> = (0..outcomes.len()).map(|at| Row { row: name(at), cells: Vec::new() }).collect();
        for column in &self.columns {
            let expected = texts(&format!("{EXPECTED}{column}"))?;
            // What stood there before: the cell that the answer replaces, or the one text that it was made of.
            let before = match (task.inputs().contains(column), task.inputs()) {
                (true, _) => texts(column)?,
                (false, [only]) => texts(only)?,
                _ => vec![None; rows.len()],
            };
            let kind = task.schema().kind(column);
            for (at, (row, outcome)) in rows.iter_mut().zip(outcomes).enumerate() {
                let answered = outcome.answer().and_then(|answer| frames::text(answer.values.get(column)?));
                let expected = expected[at].clone();
                let is_right =
                    expected.as_ref().zip(answered.as_ref()).is_some_and(|(one, other)| means(kind, one, other));
                let answered = if is_right { expected.clone() } else { answered };
                row.cells.push(Cell { before: before[at].clone(), expected, answered });
            }
        }
        let cost = outcomes.iter().filter_map(|outcome| outcome.answer()?.cost).sum();
        Ok(Judged { rows, cost })
    }
}

/// Whether two cells of a column mean the same: `3.0` is 3, and `TRUE`, as a spreadsheet writes it, is true.
fn means(kind: Kind, one: &str, other: &str) -> bool {
    match kind {
        Kind::Text => one == other,
        Kind::Boolean => one.trim().eq_ignore_ascii_case(other.trim()),
        Kind::Integer | Kind::Number => match (one.trim().parse::<i128>(), other.trim().parse::<i128>()) {
            (Ok(one), Ok(other)) => one == other,
            _ => one.trim().parse::<f64>().is_ok_and(|one| other.trim().parse::<f64>() == Ok(one)),
        },
    }
}

/// How golden files are read. Each option is set here and on purpose, so that one which the engine adds must be looked at
/// before this compiles again: every cell is the text as it is, an empty one is null, and a line with more
/// cells than the header is an error.
fn options() -> CsvReadOptions {
    CsvReadOptions {
        path: None,
        has_header: true,
        // Nothing is inferred: all cells are texts.
        infer_schema_length: Some(0),
        infer_schema_files: NonZeroUsize::MAX,
        schema: None,
        schema_overwrite: None,
        dtype_overwrite: None,
        column_names_overwrite: None,
        fields_to_cast: Vec::new(),
        // Every row and every column.
        n_rows: None,
        row_index: None,
        columns: None,
        projection: None,
        skip_rows: 0,
        skip_lines: 0,
        skip_rows_after_header: 0,
        raise_if_empty: true,
        ignore_errors: false,
        parse_options: Arc::new(CsvParseOptions {
            separator: b',',
            quote_char: Some(b'"'),
            eol_char: b'\n',
            encoding: CsvEncoding::Utf8,
            null_values: None,
            missing_is_null: true,
            truncate_ragged_lines: false,
            comment_prefix: None,
            try_parse_dates: false,
            decimal_comma: false,
        }),
        // What follows changes speed and memory only.
        rechunk: true,
        n_threads: None,
        low_memory: false,
        chunk_size: 1 << 18,
    }
}

impl Models<'_> {
    /// Lets the task answer the golden rows of its `eval`. Without a configured provider there is nothing to judge.
    pub(super) fn judge(&self, asking: &Asking) -> Result<()> {
        let Some(eval) = asking.step.eval() else { return Ok(()) };
        let golden = Golden::read(self.root, &eval.golden).context(&asking.place)?;
        let Some(judged) = self.answer_golden(&asking.task, &golden).context(&asking.place)? else { return Ok(()) };
        let gate = Gate { accuracy: eval.accuracy };
        let passed = gate.check(asking.task.name(), &golden.columns, &judged.rows).context(&asking.place)?;
        tracing::info!("{}: {passed}", asking.spoken);
        Ok(())
    }

    /// None if no provider can be asked.
    pub(super) fn answer_golden(&self, task: &TaskFile, golden: &Golden) -> Result<Option<Judged>> {
        let inputs = golden.inputs(task)?;
        let place = format!("task '{}' on {}", task.name(), golden.path);
        let shown = Shown::new(self.progress, &place, llm::Totals::default());
        let asked = llm::ask(task, &inputs, &self.settings, &self.ledger, &shown)?;
        match (&asked.stopped, asked.try_again()) {
            (Some(Stop::NotConfigured(_)), Some(_)) => Ok(None),
            (_, Some(error)) => Err(error.context(place)),
            (_, None) => golden.judged(task, &asked.outcomes).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_truths_are_compared_by_what_they_mean() {
        for (kind, one, other, same) in [
            (Kind::Integer, "3", "3.0", true),
            (Kind::Integer, "9007199254740993", "9007199254740992", false),
            (Kind::Number, "1.50", "1.5", true),
            (Kind::Number, "1.5", "1.51", false),
            (Kind::Number, "many", "many", false),
            (Kind::Boolean, "TRUE", "true", true),
            (Kind::Boolean, "FALSE", "true", false),
            (Kind::Text, "TRUE", "true", false),
            (Kind::Text, "3", "3.0", false),
        ] {
            assert_eq!(means(kind, one, other), same, "{kind:?}: {one}, {other}");
        }
    }
}
