//! From what a stage hands over to what the world may see: written, checked, balanced, sealed, named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact::{
    Batch, Books, CheckResult, Evidence, Fate, Input, Kind, Publishing, Quality, Snapshot, TableWriter, TakenOut,
    Temporary, Verdict, Written, hash_file, publishing, scan_files, stream, write_sidecar,
};
use checks::{Check, Published, RowChecks};
use polars::prelude::{LazyFrame, Schema};
use spec::{Class, Error, Result, Root, Url};

use crate::aside::Aside;
use crate::gates::order;
use crate::output::{BooksOf, EMPTY_FILES, Empty, FALLBACK, FileOutput, Kept, Output, Standing, TableOutput, counted};
use crate::refusals::Refusals;
use crate::refused_rows::RefusedRows;
use crate::{Job, Stage, history};

/// All that a run made visible.
pub struct Publication {
    /// What is new.
    pub items: Vec<Item>,
    /// The whole output: what is new and what stays. Relative to the root.
    pub paths: Vec<PathBuf>,
}

/// One published artifact.
pub struct Item {
    pub table: String,
    /// Relative to the root.
    pub path: PathBuf,
    pub books: Books,
    pub bytes: u64,
    pub refused: Option<PathBuf>,
    pub changes: Option<ChangeLog>,
    pub quality: Option<Quality>,
    /// How many checks had something to judge, and how many of them passed.
    pub judged: (usize, usize),
    /// The soft checks that failed, with what was found.
    pub warnings: Vec<String>,
    /// How many files without rows were passed over.
    pub empty_files: usize,
    /// The processor time that its summaries, hash and seal took; zero for what is no table.
    pub evidence: Duration,
}

/// The published change log of a table.
pub struct ChangeLog {
    /// Relative to the root.
    pub path: PathBuf,
    pub rows: u64,
}

impl Publication {
    /// The soft checks that failed.
    pub fn warnings(&self) -> Vec<String> {
        self.items.iter().flat_map(|item| item.warnings.iter().cloned()).collect()
    }

    /// What an earlier run wrote, from its evidence.
    pub fn of(root: &Root, snapshot: &Snapshot) -> Result<Publication> {
        let mut items = Vec::new();
        for path in &snapshot.paths {
            let file = root.join(path);
            let bytes = file.metadata().map(|meta| meta.len()).unwrap_or_default();
            if let Some(evidence) = artifact::evidence_of(&file)? {
                let refused = evidence.refused.clone().map(PathBuf::from);
                items.push(Item { refused, ..Item::new(path.clone(), evidence, bytes) });
            }
        }
        Ok(Publication { items, paths: snapshot.paths.clone() })
    }
}

impl Item {
    fn new(path: PathBuf, evidence: Evidence, bytes: u64) -> Item {
        let Evidence { table, books, quality, checks, notes, .. } = evidence;
        let judged = checks.iter().filter(|result| result.verdict != Verdict::Skipped).count();
        let passed = checks.iter().filter(|result| result.verdict == Verdict::Passed).count();
        let judged = (judged, passed);
        let warned = checks.into_iter().filter(|result| result.verdict == Verdict::Warned);
        let warned = warned.map(|result| format!("{table}: {}: {}", result.check, result.found));
        let fallback = notes.get(FALLBACK).and_then(serde_json::Value::as_str);
        let empty_files = notes.get(EMPTY_FILES).and_then(serde_json::Value::as_array).map_or(0, Vec::len);
        let passed = (empty_files > 0).then(|| format!("{table}: {}", files_passed(empty_files)));
        let warnings = warned.chain(fallback.map(|why| format!("{table}: {why}"))).chain(passed).collect();
        let evidence = Duration::ZERO;
        Item {
            table,
            path,
            books,
            bytes,
            refused: None,
            changes: None,
            quality,
            judged,
            warnings,
            empty_files,
            evidence,
        }
    }

    /// `purchases: 100 rows in, 97 out; 2 duplicate by step 3 'dedupe'; 1 refused by check 'not_null'`
    pub fn in_words(&self) -> String {
        let books = &self.books;
        if books == &Books::default() {
            return format!("{} written", self.path.display());
        }
        let mut words = format!("{}: {} rows in, {} out", self.table, books.rows_in, books.rows_out);
        for entry in &books.entries {
            words += &format!("; {} {} by {}", entry.rows, entry.fate.word(), entry.rule);
        }
        if self.empty_files > 0 {
            words += &format!("; {}", files_passed(self.empty_files));
        }
        if let Some(quality) = &self.quality {
            words += &format!("; quality {:.1}", quality.score);
        }
        match self.judged {
            (0, _) => {}
            (1, 1) => words += "; its check passed",
            (all, passed) if all == passed => words += &format!("; all {all} checks passed"),
            (all, passed) => words += &format!("; {passed} of {all} checks passed"),
        }
        words
    }
}

/// A written output that still has its temporary name.
pub(crate) enum Draft {
    Kept(Kept),
    Table { written: Written, refused: Option<Written>, changes: Option<Written>, evidence: Evidence },
    File { temporary: Temporary, target: PathBuf, refused: Option<Written>, evidence: Evidence },
    Folder { temporary: Temporary, target: PathBuf, evidence: Evidence, then: Box<dyn FnOnce() -> Result<()>> },
}

/// Writes, checks and publishes `outputs`, then replaces the snapshot.
pub fn publish<S: Stage>(
    job: &Job<S>,
    who: &str,
    outputs: Vec<Output>,
    inputs: &[Input],
    spec_hash: &str,
) -> Result<(Publication, Publishing)> {
    let desk = Desk { job, who, inputs, spec_hash };
    let order = order(job, &outputs)?;
    let mut outputs: Vec<Option<Output>> = outputs.into_iter().map(Some).collect();
    let mut drafts = Vec::new();
    let mut places = Vec::new();
    let mut failures = Vec::new();
    let mut standing = Standing::Current;
    for at in order {
        let Some(output) = outputs[at].take() else { continue };
        let draft = match output {
            Output::Table(table) => desk.table(table, &drafts, &mut failures)?,
            Output::Rendered(table) => desk.rendered(table, &drafts, &mut failures)?,
            Output::Kept(kept) => Some(Draft::Kept(kept)),
            Output::File(file) => Some(desk.file(file)?),
            Output::Folder(folder) => {
                standing = folder.standing.clone();
                Some(desk.folder(folder, &drafts, &mut failures)?)
            }
        };
        places.extend(draft.is_some().then_some(at));
        drafts.extend(draft);
    }
    if !failures.is_empty() {
        return Err(desk.refuse(drafts, &failures));
    }
    // Whatever had to be written first: the output is listed in the order of the spec.
    let mut drafts: Vec<(usize, Draft)> = places.into_iter().zip(drafts).collect();
    drafts.sort_by_key(|(at, _)| *at);
    // From here to the snapshot an interruption has to wait, but for the time of sending.
    let guard = publishing();
    let mut publication = Publication { items: Vec::new(), paths: Vec::new() };
    for (_, draft) in drafts {
        let (path, item) = desk.name(draft)?;
        publication.paths.push(path);
        publication.items.extend(item);
    }
    if let Standing::Refused(why) = standing {
        drop(guard);
        job.mirror.send(&publication.paths)?;
        send_journals(job)?;
        let kept: Vec<String> = publication.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::refused(why).hint(format!("the previous output stands; see {}", kept.join(", "))));
    }
    let guard = release(job, who, &Snapshot { paths: publication.paths.clone() }, guard)?;
    Ok((publication, guard))
}

/// Makes `snapshot` the stage's output: sends it to where it has to be, then replaces `latest`, in the store first.
/// `guard` keeps an interruption away while names change; it comes back so that the log's line is in its care, too.
///
/// If sending fails, both `latest` stay as they are, and the next run goes on with what is pending.
pub fn release<S: Stage>(job: &Job<S>, who: &str, snapshot: &Snapshot, mut guard: Publishing) -> Result<Publishing> {
    let delivery = S::delivery(job);
    if job.mirror.is_on() || delivery.is_some() {
        snapshot.write_pending(&job.folder())?;
        drop(guard);
        let sent = send(job, snapshot, delivery);
        if sent.is_err() {
            tracing::warn!("{who}: not published: what was written is kept here; the next run sends it");
        }
        sent?;
        guard = publishing();
        job.mirror.replace_latest(&S::TOOL.folder(&job.pipeline), snapshot)?;
    }
    snapshot.write(&job.folder())?;
    Ok(guard)
}

fn send<S: Stage>(job: &Job<S>, snapshot: &Snapshot, delivery: Option<Url>) -> Result<()> {
    job.mirror.send(&snapshot.paths)?;
    if let Some(to) = delivery {
        job.mirror.deliver(&to, &snapshot.paths)?;
    }
    send_journals(job)
}

/// Sends the files to which the stage only ever appends.
pub fn send_journals<S: Stage>(job: &Job<S>) -> Result<()> {
    S::JOURNALS.iter().try_for_each(|name| job.mirror.send_journal(&S::TOOL.folder(&job.pipeline), name))
}

pub(crate) struct Desk<'a, S: Stage> {
    pub job: &'a Job<S>,
    pub who: &'a str,
    pub inputs: &'a [Input],
    pub spec_hash: &'a str,
}

impl<S: Stage> Desk<'_, S> {
    /// Path of a new artifact, as opened.
    pub(crate) fn target(&self, stem: &str, extension: &str) -> PathBuf {
        self.job.folder().join(format!("{stem}_{}.{extension}", self.job.stamp))
    }

    pub(crate) fn evidence(&self, table: &str, kind: Kind, books: Books) -> Evidence {
        Evidence {
            format: Evidence::FORMAT,
            tool: S::TOOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pipeline: self.job.pipeline.to_string(),
            table: table.to_owned(),
            kind,
            run: self.job.run.clone(),
            time: self.job.stamp.rfc3339(),
            spec: self.spec_hash.to_owned(),
            inputs: self.inputs.to_vec(),
            books,
            checks: Vec::new(),
            columns: Vec::new(),
            definitions: None,
            quality: None,
            refused: None,
            changes: None,
            bookmark: None,
            notes: serde_json::Value::Null,
            content: String::new(),
        }
    }

    /// Writes a table, or its fallback if its source stays down. Nothing if there is nothing new.
    fn table(&self, mut output: TableOutput, before: &[Draft], failures: &mut Vec<String>) -> Result<Option<Draft>> {
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
        let checks = self.job.checks.get(&table).map_or(&[][..], Vec::as_slice);
        let target = self.target(&table, "parquet");
        let log = self.target(&changes_of(&table), "parquet");
        let create = |schema: &Schema| TableWriter::create(&log, schema).map(TableWriter::without_summary);
        let mut aside = Aside {
            stage: S::TOOL.name(),
            refused: RefusedRows { target: self.target(&table, "refused.parquet"), writer: None },
            changes: output.changes.as_ref().map(create).transpose()?,
            books: Books::default(),
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
        let Aside { refused, changes, mut books, refusals, .. } = aside;
        for (check, rows) in row_checks.refused() {
            books.add(&format!("check '{check}'"), Fate::Refused, rows);
        }
        books.rows_out = writer.rows();
        let facts = (output.finish)();
        let books = match output.books {
            BooksOf::Rows(rows_in) => Books { rows_in: counted(&rows_in), ..books },
            BooksOf::Given(given) => Books { rows_out: books.rows_out, ..given },
        };
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
        results.extend(judged.checks);
        taken.add_cells(judged.cells, judged.nulls);
        self.tell(&table, &results);
        failures.extend(failed(&table, &results));
        match refusals.judge(&table, books.rows_in, &self.job.max_refused) {
            Some(Ok(told)) => tracing::warn!("{}: {table}: {told}", self.who),
            Some(Err(why)) => failures.push(why),
            None => {}
        }
        if written.rows == 0 && output.empty == Empty::Refused {
            failures.push(empty(&table, &books));
        }
        facts.doubts.iter().for_each(|doubt| tracing::warn!("{}: {table}: {doubt}", self.who));
        let evidence = Evidence {
            quality: Some(Quality::of(&books, &taken, &results, &columns)),
            checks: results,
            columns,
            definitions: output.definitions,
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
    fn with_passed(&self, table: &str, notes: serde_json::Value, passed: Vec<String>) -> serde_json::Value {
        if passed.is_empty() {
            return notes;
        }
        tracing::warn!("{}: {table}: {}: {}", self.who, files_passed(passed.len()), passed.join("; "));
        let mut notes = match notes {
            serde_json::Value::Object(notes) => notes,
            _ => serde_json::Map::new(),
        };
        notes.insert(EMPTY_FILES.to_owned(), passed.into());
        notes.into()
    }

    fn judge(
        &self,
        table: &str,
        checks: &[Check],
        row_checks: &RowChecks,
        written: &Written,
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

    fn tell(&self, table: &str, results: &[CheckResult]) {
        for result in results {
            match result.verdict {
                Verdict::Warned => tracing::warn!(check = result.check, "{}: {table}: {}", self.who, result.found),
                Verdict::Skipped => tracing::info!(check = result.check, "{}: {table}: {}", self.who, result.found),
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

    pub(crate) fn file(&self, output: FileOutput) -> Result<Draft> {
        let FileOutput { stem, extension, write, books, notes } = output;
        let target = self.target(&stem, &extension);
        let mut temporary = Temporary::beside(&target)?;
        let path = temporary.path().to_owned();
        write(temporary.file(), &path)?;
        let content = hash_file(&path)?;
        let evidence = Evidence { content, notes, ..self.evidence(&stem, Kind::File, books) };
        Ok(Draft::File { temporary, target, refused: None, evidence })
    }

    /// Gives a draft its real name, and says what is new.
    fn name(&self, draft: Draft) -> Result<(PathBuf, Option<Item>)> {
        let item = match draft {
            Draft::Kept(kept) => return Ok((kept.path, None)),
            Draft::Table { written, refused, changes, evidence } => {
                let refused = refused.map(|rows| self.name_refused(rows, &evidence)).transpose()?;
                let changes = changes.map(|rows| self.name_changes(rows, &evidence)).transpose()?;
                let target = self.target(&evidence.table, "parquet");
                let bytes = written.bytes;
                let spent = written.publish(&target, &evidence)?;
                Item { refused, changes, evidence: spent, ..self.item(&target, evidence, bytes) }
            }
            Draft::File { temporary, target, refused, evidence } => {
                let refused = refused.map(|rows| self.name_refused(rows, &evidence)).transpose()?;
                let bytes = temporary.path().metadata().map(|meta| meta.len()).unwrap_or_default();
                // The evidence comes first: a file without it would look foreign.
                write_sidecar(&target, &evidence)?;
                temporary.publish(&target)?;
                Item { refused, ..self.item(&target, evidence, bytes) }
            }
            Draft::Folder { temporary, target, evidence, then } => {
                temporary.publish(&target)?;
                then()?;
                self.item(&target, evidence, 0)
            }
        };
        Ok((item.path.clone(), Some(item)))
    }

    fn item(&self, target: &Path, evidence: Evidence, bytes: u64) -> Item {
        Item::new(self.job.root.relative(target).to_owned(), evidence, bytes)
    }

    pub(crate) fn name_refused(&self, rows: Written, of: &Evidence) -> Result<PathBuf> {
        let target = self.target(&of.table, "refused.parquet");
        let evidence = Evidence {
            kind: Kind::Refused,
            content: rows.content.clone(),
            checks: Vec::new(),
            columns: Vec::new(),
            quality: None,
            refused: None,
            changes: None,
            bookmark: None,
            ..of.clone()
        };
        rows.publish(&target, &evidence)?;
        Ok(self.job.root.relative(&target).to_owned())
    }

    /// The log is a table of its own, under a name of its own, and has no books: its rows are no rows of the table.
    fn name_changes(&self, log: Written, of: &Evidence) -> Result<ChangeLog> {
        let table = changes_of(&of.table);
        let target = self.target(&table, "parquet");
        let rows = log.rows;
        let content = log.content.clone();
        log.publish(&target, &Evidence { content, ..self.evidence(&table, Kind::Changes, Books::default()) })?;
        Ok(ChangeLog { path: self.job.root.relative(&target).to_owned(), rows })
    }

    /// A gate said no: the refused rows are kept for whoever looks into it, all else is dropped.
    pub(crate) fn refuse(&self, drafts: Vec<Draft>, failures: &[String]) -> Error {
        let mut kept = Vec::new();
        for draft in drafts {
            if let Draft::Table { refused: Some(rows), evidence, .. }
            | Draft::File { refused: Some(rows), evidence, .. } = draft
                && let Ok(path) = self.name_refused(rows, &evidence)
            {
                kept.push(path.display().to_string());
            }
        }
        let error = Error::refused(failures.join("; "));
        match kept.is_empty() {
            true => error.hint("nothing was published; the previous output stands"),
            false => error
                .hint(format!("nothing was published; the previous output stands; refused rows: {}", kept.join(", "))),
        }
    }

    pub(crate) fn shown(&self, path: &Path) -> String {
        self.job.root.relative(path).display().to_string()
    }
}

fn files_passed(count: usize) -> String {
    let files = if count == 1 { "file" } else { "files" };
    format!("{count} {files} without rows passed over")
}

/// The name of a table's change log.
fn changes_of(table: &str) -> String {
    format!("{table}_changes")
}

/// How many earlier runs a check may look back on.
const HISTORY: usize = 50;

fn failed(table: &str, results: &[CheckResult]) -> Vec<String> {
    let failed = results.iter().filter(|result| result.verdict == Verdict::Failed);
    failed.map(|result| format!("table '{table}': check '{}' failed: {}", result.check, result.found)).collect()
}

fn empty(table: &str, books: &Books) -> String {
    let mut text = format!("table '{table}' has no rows left: {} rows in", books.rows_in);
    for entry in &books.entries {
        text += &format!(", {} {} by {}", entry.rows, entry.fate.word(), entry.rule);
    }
    text
}
