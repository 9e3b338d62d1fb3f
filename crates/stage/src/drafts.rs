//! Outputs on disk that still have their temporary names: written, split by row checks, judged, their books balanced.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use artifact::{
    Batch, Books, CheckResult, Definitions, Evidence, Fate, Fingerprint, Input, Kind, Lineage, Notes, Quality,
    SchemaHistory, TableWriter, TakenOut, Temporary, Verdict, WrittenTable, hash_file, history, open, scan_files,
    stream,
};
use checks::{Check, Published, RowChecks};
use polars::prelude::{LazyFrame, Schema};
use spec::text::count;
use spec::{Class, Error, Result};

use crate::aside::SideOutputs;
use crate::describe::described;
use crate::output::{BooksOf, Empty, FileOutput, FinishedTable, Kept, TableOutput, counted};
use crate::publication::files_passed;
use crate::refusals::Refusals;
use crate::refused_rows::RefusedRows;
use crate::{Job, Stage};

/// A written output that still has its temporary name.
pub(crate) enum Draft {
    Kept(Kept),
    Table { written: WrittenTable, refused: Option<WrittenTable>, changes: Option<WrittenTable>, evidence: Evidence },
    File { temporary: Temporary, target: PathBuf, refused: Option<WrittenTable>, evidence: Evidence },
    Folder { temporary: Temporary, target: PathBuf, evidence: Evidence, then: Box<dyn FnOnce() -> Result<()>> },
}

/// Writes the outputs of one run.
pub(crate) struct Drafting<'a, S: Stage> {
    pub job: &'a Job<S>,
    pub who: &'a str,
    pub inputs: &'a [Input],
    /// Why the run is refused although its tables are kept.
    pub findings: RefCell<Vec<String>>,
}

impl<S: Stage> Drafting<'_, S> {
    /// Path of a new artifact, as opened.
    pub(crate) fn target(&self, stem: &str, extension: &str) -> PathBuf {
        self.job.folder().join(format!("{stem}_{}.{extension}", self.job.stamp))
    }

    pub(crate) fn evidence(&self, table: &str, kind: Kind, books: Books) -> Evidence {
        Evidence {
            kind,
            run: self.job.run.clone(),
            spec: self.job.spec_hash.clone(),
            inputs: self.inputs.to_vec(),
            books,
            ..Evidence::of(S::TOOL, self.job.pipeline.as_str(), table, self.job.stamp.time())
        }
    }

    /// Writes a table, or its fallback if its source stays down. Nothing if there is nothing new.
    pub(crate) fn table(
        &self,
        mut output: TableOutput,
        before: &[Draft],
        failures: &mut Vec<String>,
    ) -> Result<Option<Draft>> {
        let fallback = output.fallback.take();
        match (self.written(output, before, failures), fallback) {
            (Err(error), Some(fallback)) if error.class() == Class::TryAgain => {
                self.table(fallback(&error)?, before, failures)
            }
            (result, _) => result,
        }
    }

    /// Writes a table, splits off the refused rows, balances the books and judges the checks.
    pub(crate) fn written(
        &self,
        mut output: TableOutput,
        before: &[Draft],
        failures: &mut Vec<String>,
    ) -> Result<Option<Draft>> {
        let table = output.table.clone();
        let described = described(self.job, &table, Some(&output.schema))?;
        let checks = self.job.checks.get(&table).map_or(&[][..], Vec::as_slice);
        let target = self.target(&table, "parquet");
        let log = self.target(&changes_of(&table), "parquet");
        let create = |schema: &Schema| TableWriter::create(&log, schema).map(TableWriter::without_summary);
        let mut aside = SideOutputs {
            refused: RefusedRows { target: self.target(&table, "refused.parquet"), writer: None },
            changes: output.changes.as_ref().map(create).transpose()?,
            books: Books::default(),
            refused_rows: 0,
            refusals: Refusals::default(),
        };
        aside.refused.declare(output.refused_schema.as_ref())?;
        self.job.progress.begin(format!("{}: {table}", self.who));
        let mut batches = output.batches;
        // A table that refers to itself must be there as a whole before its first row can be judged.
        let refers_to_itself = checks.iter().any(|check| check.refers_to() == Some(table.as_str()));
        let spool = match refers_to_itself {
            true => Some(aside.spool(&mut batches, &target, &output.schema, &mut output.accepted)?),
            false => None,
        };
        if let Some(spool) = &spool {
            let rows = stream(scan_files(&[spool.path()])?, format!("table '{table}'"))?;
            batches = Box::new(rows.map(|rows| rows.map(Batch::from)));
        }
        let lookup = |name: &str| match &spool {
            Some(spool) if name == table => scan_files(&[spool.path()]),
            _ => self.lookup(name, before),
        };
        let mut row_checks = RowChecks::new(checks, &output.schema, &table, &lookup)?;
        let mut writer = TableWriter::create(&target, &output.schema)?;
        let mut taken = TakenOut::default();
        for batch in batches {
            let rows = aside.take(batch?)?;
            let rows = match row_checks.is_empty() {
                true => rows,
                false => {
                    let (good, bad) = row_checks.split(rows)?;
                    if let Some(bad) = bad {
                        taken.add(&bad);
                        aside.refused.write(bad)?;
                    }
                    good
                }
            };
            self.job.progress.rows(rows.height());
            if spool.is_none() {
                (output.accepted)(&rows)?;
            }
            writer.write(rows)?;
        }
        let SideOutputs { refused, changes, mut books, refused_rows, refusals } = aside;
        books.add(S::TOOL.name(), Fate::Refused, refused_rows);
        for (check, rows) in row_checks.refused() {
            books.add(&format!("check '{check}'"), Fate::Refused, rows);
        }
        books.rows_out = writer.rows();
        let facts = (output.finish)();
        let books = match output.books {
            BooksOf::Rows(rows_in) => Books { rows_in: counted(&rows_in), ..books },
            BooksOf::Given(given) => Books { rows_out: books.rows_out, ..given },
        };
        facts.doubts.iter().for_each(|doubt| tracing::warn!("{}: {table}: {doubt}", self.who));
        if output.empty == Empty::Nothing && books.rows_in == 0 {
            return Ok(None);
        }
        let written = writer.finish()?;
        let refused = refused.finish()?;
        let changes = changes.map(TableWriter::finish).transpose()?;
        books.balance(&table)?;
        let columns = written.summary.as_ref().map(artifact::Summary::finish).unwrap_or_default();
        let mut results = self.judge(&table, checks, &row_checks, &written, &output.schema, &columns)?;
        let judged = (output.judged)();
        // The record of a failed check stays: it is still valid for what it found.
        let own = failed(&table, &judged.checks, &RowChecks::default());
        match judged.is_record {
            true => self.findings.borrow_mut().extend(own),
            false => failures.extend(own),
        }
        let checked = failed(&table, &results, &row_checks);
        results.extend(judged.checks);
        taken.add_cells(judged.cells, judged.nulls);
        self.tell(&table, &results);
        failures.extend(checked);
        match refusals.judge(&table, books.rows_in, &self.job.max_refused) {
            Some(Ok(told)) => tracing::warn!("{}: {table}: {told}", self.who),
            Some(Err(why)) => failures.push(why),
            None => {}
        }
        if written.rows == 0 && output.empty == Empty::Refused {
            failures.push(empty(&table, &books));
        }
        let earlier = history::of_table(&self.job.folder(), &table, 1);
        let schema = SchemaHistory::after(earlier.first(), &columns, self.job.stamp.time());
        let evidence = Evidence {
            quality: Some(Quality::of(&books, &taken, &results, &columns)),
            checks: results,
            columns,
            definitions: output.definitions.map(|definitions| chosen(definitions, &row_checks)),
            lineage: output.lineage.map(|lineage| with_checks(lineage, &row_checks)),
            schema: Some(schema),
            described,
            bookmark: facts.bookmark,
            notes: self.with_passed(&table, output.notes, facts.passed),
            content: written.content.clone(),
            refused: refused.as_ref().map(|_| self.shown(&self.target(&table, "refused.parquet"))),
            changes: changes.as_ref().map(|_| self.shown(&log)),
            ..self.evidence(&table, Kind::Table, books)
        };
        Ok(Some(Draft::Table { written, refused, changes, evidence }))
    }

    /// Notes and warns of files without rows.
    fn with_passed(&self, table: &str, notes: Notes, passed: Vec<String>) -> Notes {
        if !passed.is_empty() {
            tracing::warn!("{}: {table}: {}: {}", self.who, files_passed(passed.len()), passed.join("; "));
        }
        Notes { empty_files: passed, ..notes }
    }

    fn judge(
        &self,
        table: &str,
        checks: &[Check],
        row_checks: &RowChecks,
        written: &WrittenTable,
        schema: &Schema,
        columns: &[artifact::ColumnSummary],
    ) -> Result<Vec<CheckResult>> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let history = history::of_table(&self.job.folder(), table, HISTORY);
        let frame = scan_files(&[written.path()])?;
        let published = Published {
            table,
            frame,
            rows: written.rows,
            schema,
            columns,
            history: &history,
            now: self.job.stamp.time(),
            row_checks,
        };
        checks::judge(checks, &published)
    }

    pub(crate) fn tell(&self, table: &str, results: &[CheckResult]) {
        for result in results {
            match result.verdict {
                Verdict::Warned => {
                    let (check, found) = (&result.check, &result.found);
                    // What `monitor` looks at is called as its table: 'drift of requests' in 'drift_requests'.
                    let word = |name: &str| name.split([' ', '_']).next().map(str::to_owned);
                    let is_named = word(check) == word(table);
                    let name = if is_named { String::new() } else { format!("check '{check}': ") };
                    tracing::warn!(check, "{}: {table}: {name}{found}", self.who);
                }
                Verdict::Skipped => {
                    let (check, why) = (&result.check, &result.found);
                    tracing::info!(check, "{}: {table}: check '{check}' skipped: {why}", self.who);
                }
                Verdict::Passed | Verdict::Failed => {}
            }
        }
    }

    /// A table that a check refers to: part of this run's output so far, or an input.
    fn lookup(&self, name: &str, before: &[Draft]) -> Result<LazyFrame> {
        let drafted: Vec<PathBuf> = before
            .iter()
            .filter_map(|draft| match draft {
                Draft::Table { written, evidence, .. } if evidence.table == name => Some(written.path().to_owned()),
                Draft::Kept(kept) if kept.table == name => Some(self.job.root.join(&kept.path)),
                _ => None,
            })
            .collect();
        match drafted.is_empty() {
            false => scan_files(&drafted.iter().map(PathBuf::as_path).collect::<Vec<_>>()),
            true => self.job.scan(name),
        }
    }

    /// A table of this run, for those that are made from it.
    pub(crate) fn finished(&self, name: &str, before: &[Draft]) -> Result<FinishedTable> {
        let (mut inputs, mut files, mut definitions, mut rows) = (Vec::new(), Vec::new(), None, 0);
        for draft in before {
            match draft {
                Draft::Table { written, evidence, .. } if evidence.table == name => {
                    let path = self.shown(&self.target(name, "parquet"));
                    let fingerprint = Fingerprint::Content(written.content.clone());
                    inputs.push(Input { path, fingerprint, rows: Some(written.rows) });
                    files.push(written.path().to_owned());
                    definitions = definitions.or_else(|| evidence.definitions.clone());
                    rows += written.rows;
                }
                Draft::Kept(kept) if kept.table == name => {
                    let artifact = open(&self.job.root, &kept.path)?;
                    // It is an input like the others now, and is compared with its hash.
                    artifact.verify()?;
                    inputs.push(artifact.as_input()?);
                    rows += artifact.rows()?;
                    definitions = definitions.or(artifact.evidence.and_then(|evidence| evidence.definitions));
                    files.push(artifact.file);
                }
                _ => {}
            }
        }
        if files.is_empty() {
            return Err(Error::cannot_run(format!("table '{name}' is not written yet")).hint("please report it"));
        }
        let frame = scan_files(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        Ok(FinishedTable { frame, rows, inputs, definitions })
    }

    pub(crate) fn file(&self, output: FileOutput) -> Result<Draft> {
        let FileOutput { stem, extension, write, books, notes } = output;
        let target = self.target(&stem, &extension);
        let mut temporary = Temporary::beside(&target)?;
        let path = temporary.path().to_owned();
        write(temporary.file(), Path::new(&self.shown(&target)))?;
        let content = hash_file(&path)?;
        let evidence = Evidence { content, notes, ..self.evidence(&stem, Kind::File, books) };
        Ok(Draft::File { temporary, target, refused: None, evidence })
    }

    pub(crate) fn shown(&self, path: &Path) -> String {
        self.job.root.relative(path).display().to_string()
    }
}

/// A check that sets rows aside is part of the definition of the table's rows, as a filter is. The meaning of a row's
/// columns does not change if another row is missing.
fn chosen(mut definitions: Definitions, row_checks: &RowChecks) -> Definitions {
    if !definitions.of_features {
        row_checks.choices().for_each(|(is, by)| definitions.choose_rows(is, &by));
    }
    definitions
}

/// Row checks decide which rows there are, and so do the columns from which theirs are made.
fn with_checks(mut lineage: Lineage, row_checks: &RowChecks) -> Lineage {
    let checked = row_checks.columns();
    let more = lineage.of(checked.iter().map(String::as_str));
    lineage.rows.extend(more);
    lineage
}

/// The name of a table's change log.
pub(crate) fn changes_of(table: &str) -> String {
    format!("{table}_changes")
}

/// How many earlier runs a check may look back on.
const HISTORY: usize = 50;

pub(crate) fn failed(table: &str, results: &[CheckResult], row_checks: &RowChecks) -> Vec<String> {
    let failed = results.iter().filter(|result| result.verdict == Verdict::Failed);
    let in_words = |result: &CheckResult| {
        let way_out = match row_checks.contains(&result.check) {
            true => "; to set such rows aside and go on, raise the check's 'max_share'",
            false => "",
        };
        format!("table '{table}': check '{}' failed: {}{way_out}", result.check, result.found)
    };
    failed.map(in_words).collect()
}

fn empty(table: &str, books: &Books) -> String {
    let mut text = format!("table '{table}' has no rows left: {} in", count(books.rows_in, "row"));
    for entry in &books.entries {
        text += &format!(", {}", entry.in_words());
    }
    text
}
