//! Tables that leave in another form than a Parquet file of their own: in a format for others, in a model's folder, or
//! on stdout. Their checks are those of every other table, and are judged before anything is written.

use std::cell::RefCell;

use artifact::{
    Batch, Books, Kind, Temporary, WrittenTable, hash_file, hash_files, hash_of, scan_files, stream, write_sidecar,
};
use polars::prelude::DataFrame;
use spec::{Error, Result};

use crate::describe::described;
use crate::drafts::{Draft, Drafting};
use crate::output::{BooksOf, Empty, FolderOutput, RenderedOutput, TableOutput, counted, rows_of};
use crate::verification::verify;
use crate::{Job, Stage};

/// The rows of a table that passed its checks, in their order.
pub struct Rows {
    batches: Box<dyn Iterator<Item = Result<DataFrame>>>,
    /// Where they lie while they are read; nowhere if nothing had to be checked.
    _kept: Option<WrittenTable>,
}

impl Iterator for Rows {
    type Item = Result<DataFrame>;
    fn next(&mut self) -> Option<Result<DataFrame>> {
        self.batches.next()
    }
}

impl Rows {
    /// Those of a table without checks: straight from its batches.
    fn unchecked(table: TableOutput) -> Rows {
        Rows { batches: Box::new(table.batches.map(|batch| Ok(batch?.rows))), _kept: None }
    }

    fn of(written: WrittenTable, table: &str) -> Result<Rows> {
        let batches = stream(scan_files(&[written.path()])?, format!("table '{table}'"))?;
        Ok(Rows { batches: Box::new(batches), _kept: Some(written) })
    }
}

/// The rows of a table that goes elsewhere than into the stage's folder, once its checks are judged: a hard one that
/// fails is an error, a soft one warns, and refused rows are kept in the stage's folder.
pub fn checked<S: Stage>(job: &Job<S>, table: TableOutput) -> Result<Rows> {
    if !job.common.verify {
        // What is sent elsewhere cannot be called back.
        verify(&job.artifacts)?;
    }
    if !has_checks(job, &table.table) {
        return Ok(Rows::unchecked(table));
    }
    let inputs = S::inputs(job)?;
    let who = format!("{} {}", S::TOOL, job.pipeline);
    let drafting = Drafting { job, who: &who, inputs: &inputs, findings: RefCell::default() };
    let mut failures = Vec::new();
    let Some(Draft::Table { written, refused, changes, evidence }) = drafting.written(table, &[], &mut failures)?
    else {
        return Err(Error::refused("there is nothing to write"));
    };
    if !failures.is_empty() {
        return Err(drafting.refuse(vec![Draft::Table { written, refused, changes, evidence }], &failures));
    }
    if let Some(rows) = refused {
        let path = drafting.name_refused(rows, &evidence)?;
        tracing::info!("{who}: refused rows are in {}", path.display());
    }
    Rows::of(written, &evidence.table)
}

fn has_checks<S: Stage>(job: &Job<S>, table: &str) -> bool {
    job.checks.get(table).is_some_and(|checks| !checks.is_empty())
}

impl<S: Stage> Drafting<'_, S> {
    /// Writes a table in its own format, if its checks let it go.
    pub(crate) fn rendered(
        &self,
        output: RenderedOutput,
        before: &[Draft],
        failures: &mut Vec<String>,
    ) -> Result<Option<Draft>> {
        let RenderedOutput { table, extension, write } = output;
        let name = table.table.clone();
        let target = self.target(&name, &extension);
        let (rows, refused, evidence) = match has_checks(self.job, &name) {
            false => {
                let rows_in = match &table.books {
                    BooksOf::Rows(rows) => rows.clone(),
                    BooksOf::Given(books) => rows_of(books.rows_in),
                };
                let notes = table.notes.clone();
                let lineage = table.lineage.clone();
                let described = described(self.job, &name, Some(&table.schema))?;
                let books = Books { rows_in: counted(&rows_in), ..Books::default() };
                let evidence =
                    artifact::Evidence { notes, lineage, described, ..self.evidence(&name, Kind::File, books) };
                (Rows::unchecked(table), None, evidence)
            }
            true => {
                let draft = self.written(table, before, failures)?;
                let Some(Draft::Table { written, refused, changes, evidence }) = draft else { return Ok(None) };
                if !failures.is_empty() {
                    return Ok(Some(Draft::Table { written, refused, changes, evidence }));
                }
                (Rows::of(written, &name)?, refused, artifact::Evidence { kind: Kind::File, ..evidence })
            }
        };
        let mut temporary = Temporary::beside(&target)?;
        let path = temporary.path().to_owned();
        let wrote = write(rows, temporary.file(), &self.shown(&target))?;
        let books = Books { rows_out: wrote.rows, ..evidence.books.clone() };
        books.balance(&name)?;
        let content = hash_file(&path)?;
        let notes = artifact::Notes { receipt: wrote.receipt, ..evidence.notes.clone() };
        let evidence = artifact::Evidence { books, content, notes, ..evidence };
        Ok(Some(Draft::File { temporary, target, refused, evidence }))
    }

    /// Writes a folder with its tables. If a check of one of them fails, only that table is returned.
    pub(crate) fn folder(&self, output: FolderOutput, before: &[Draft], failures: &mut Vec<String>) -> Result<Draft> {
        let FolderOutput { name, write, tables, books, mut notes, lineage, then, standing: _ } = output;
        let target = self.job.folder().join(&name);
        let temporary = Temporary::folder_beside(&target)?;
        write(temporary.path())?;
        let mut results = Vec::new();
        for (table, rows) in tables {
            let (schema, count) = (rows.schema().as_ref().clone(), rows.height() as u64);
            let batches = Box::new(std::iter::once(Ok(Batch::from(rows))));
            let output = TableOutput { empty: Empty::Published, ..TableOutput::new(&table, schema, batches, count) };
            let draft = self.written(output, before, failures)?;
            let Some(Draft::Table { written, refused, changes, mut evidence }) = draft else { continue };
            if !failures.is_empty() {
                return Ok(Draft::Table { written, refused, changes, evidence });
            }
            if let Some(refused) = refused {
                let file = format!("{table}.refused.parquet");
                let path = target.join(&file);
                evidence.refused = Some(self.shown(&path));
                let of_refused = artifact::Evidence {
                    kind: Kind::Refused,
                    content: refused.content.clone(),
                    ..self.evidence(&table, Kind::Refused, evidence.books.clone())
                };
                refused.publish(&temporary.path().join(file), &of_refused)?;
            }
            results.extend(evidence.checks.iter().cloned());
            written.publish(&temporary.path().join(format!("{table}.parquet")), &evidence)?;
        }
        let files = hash_files(temporary.path())?;
        let content = hash_of(&files);
        notes.files = files;
        let evidence =
            artifact::Evidence { content, notes, lineage, checks: results, ..self.evidence(&name, Kind::File, books) };
        write_sidecar(temporary.path(), &evidence)?;
        Ok(Draft::Folder { temporary, target, evidence, then })
    }
}
