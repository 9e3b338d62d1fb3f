//! Publishes drafts: gives them their names, replaces the snapshot, and sends what goes elsewhere.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use artifact::{Books, Evidence, Input, Kind, Publishing, Snapshot, Verdict, WrittenTable, publishing, write_sidecar};
use checks::RowChecks;
use spec::{Error, Result, Url};

use crate::drafts::{Draft, Drafting, changes_of, failed};
use crate::gates::order;
use crate::output::{Output, Standing};
use crate::publication::{ChangeLog, Item, Publication};
use crate::recheck::recheck;
use crate::verification::Verification;
use crate::{Job, Stage};

/// Writes, checks and publishes `outputs`, then replaces the snapshot.
pub fn publish<S: Stage>(
    job: &Job<S>,
    who: &str,
    outputs: Vec<Output>,
    inputs: &[Input],
    verification: &mut Verification,
) -> Result<(Publication, Publishing)> {
    let drafting = Drafting { job, who, inputs, findings: RefCell::default() };
    let order = order(job, &outputs)?;
    let mut outputs: Vec<Option<Output>> = outputs.into_iter().map(Some).collect();
    let mut drafts = Vec::new();
    let mut places = Vec::new();
    let mut failures = Vec::new();
    let mut standing = Standing::Current;
    for at in order {
        let Some(output) = outputs[at].take() else { continue };
        let output = match output {
            Output::Derived(derived) => S::derive(job, &derived.table, &|name| drafting.finished(name, &drafts))?,
            other => other,
        };
        let draft = match output {
            Output::Derived(other) => {
                return Err(Error::cannot_run(format!("table '{}' is made from itself", other.table)));
            }
            Output::Table(table) => drafting.table(table, &drafts, &mut failures)?,
            Output::Rendered(table) => drafting.rendered(table, &drafts, &mut failures)?,
            Output::Kept(kept) => Some(Draft::Kept(kept)),
            Output::File(file) => Some(drafting.file(file)?),
            Output::Folder(folder) => {
                standing = folder.standing.clone();
                Some(drafting.folder(folder, &drafts, &mut failures)?)
            }
        };
        places.extend(draft.is_some().then_some(at));
        drafts.extend(draft);
    }
    failures.extend(drafting.recheck_kept(&drafts)?);
    if !failures.is_empty() {
        return Err(drafting.refuse(drafts, &failures));
    }
    let findings = drafting.findings.take();
    if !findings.is_empty() {
        standing = Standing::Refused(findings.join("; "));
    }
    verification.end()?;
    // Whatever had to be written first: the output is listed in the order of the spec.
    let mut drafts: Vec<(usize, Draft)> = places.into_iter().zip(drafts).collect();
    drafts.sort_by_key(|(at, _)| *at);
    // From here to the snapshot an interruption has to wait, but for the time of sending: whatever may take long, as all that
    // goes over the network, is done without the guard.
    let guard = publishing();
    let mut publication = Publication { items: Vec::new(), paths: Vec::new() };
    for (_, draft) in drafts {
        let (path, item) = drafting.name(draft)?;
        publication.paths.push(path);
        publication.items.extend(item);
    }
    if let Standing::Refused(why) = standing {
        drop(guard);
        job.mirror.send(&publication.paths)?;
        send_journals(job)?;
        let kept: Vec<String> = publication.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::refused(why).hint(format!("the previous output is unchanged; see {}", kept.join(", "))));
    }
    let guard = release(job, who, &Snapshot { paths: publication.paths.clone() }, guard)?;
    Ok((publication, guard))
}

/// Makes `snapshot` the stage's output: sends it to where it has to be, then replaces `latest`, in the store first.
/// `guard` keeps an interruption away while names change; it comes back so that the log's line is protected, too.
///
/// If sending fails, both `latest` stay as they are, and the next run continues with what is pending.
pub fn release<S: Stage>(job: &Job<S>, who: &str, snapshot: &Snapshot, mut guard: Publishing) -> Result<Publishing> {
    let deliveries = S::deliveries(job, snapshot)?;
    if job.mirror.is_on() || !deliveries.is_empty() {
        snapshot.write_pending(&job.folder())?;
        drop(guard);
        let sent = send(job, snapshot, &deliveries);
        if sent.is_err() {
            tracing::warn!("{who}: not published: what was written is kept here; the next run sends it");
        }
        sent?;
        // The next run sees in the store whether an interruption came too late to prevent the replacement.
        tool::signals::while_sending(|| job.mirror.replace_latest(&S::TOOL.folder(&job.pipeline), snapshot))?;
        guard = publishing();
    }
    snapshot.write(&job.folder())?;
    Ok(guard)
}

fn send<S: Stage>(job: &Job<S>, snapshot: &Snapshot, deliveries: &[(Url, PathBuf)]) -> Result<()> {
    job.mirror.send(&snapshot.paths)?;
    for (to, path) in deliveries {
        job.mirror.deliver(to, std::slice::from_ref(path))?;
    }
    send_journals(job)
}

/// Sends the files to which the stage only ever appends.
pub fn send_journals<S: Stage>(job: &Job<S>) -> Result<()> {
    S::JOURNALS.iter().try_for_each(|name| job.mirror.send_journal(&S::TOOL.folder(&job.pipeline), name))
}

impl<S: Stage> Drafting<'_, S> {
    /// Judges again the earlier artifacts of tables for which this run has nothing new. Returns the hard checks that fail.
    fn recheck_kept(&self, drafts: &[Draft]) -> Result<Vec<String>> {
        let is_new = |table: &str| {
            drafts.iter().any(|draft| matches!(draft, Draft::Table { evidence, .. } if evidence.table == table))
        };
        let kept = drafts.iter().filter_map(|draft| match draft {
            Draft::Kept(kept) if !is_new(&kept.table) => Some(kept.path.clone()),
            _ => None,
        });
        self.recheck(&kept.collect::<Vec<_>>())
    }

    /// Judges the checks that depend on the time, on `paths`, and warns. Returns the hard ones that fail, in words.
    pub(crate) fn recheck(&self, paths: &[PathBuf]) -> Result<Vec<String>> {
        let mut failures = Vec::new();
        let Job { root, checks, stamp, .. } = self.job;
        for (table, results) in recheck(root, checks, stamp.time(), paths)? {
            self.tell(&table, &results);
            let warned = results.iter().filter(|result| result.verdict == Verdict::Warned);
            let warned = warned.map(|result| format!("{table}: {}: {}", result.check, result.found));
            self.job.warnings.borrow_mut().extend(warned);
            failures.extend(failed(&table, &results, &RowChecks::default()));
        }
        Ok(failures)
    }

    /// Gives a draft its real name. Returns its path relative to the root and, unless an earlier run made it, what is new.
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

    pub(crate) fn name_refused(&self, rows: WrittenTable, of: &Evidence) -> Result<PathBuf> {
        let target = self.target(&of.table, "refused.parquet");
        let evidence = Evidence {
            kind: Kind::Refused,
            content: rows.content.clone(),
            checks: Vec::new(),
            columns: Vec::new(),
            lineage: None,
            schema: None,
            described: None,
            quality: None,
            refused: None,
            changes: None,
            bookmark: None,
            ..of.clone()
        };
        rows.publish(&target, &evidence)?;
        Ok(self.job.root.relative(&target).to_owned())
    }

    /// The log is a table of its own, under a name of its own, and has no books: its rows are not rows of the table.
    fn name_changes(&self, log: WrittenTable, of: &Evidence) -> Result<ChangeLog> {
        let table = changes_of(&of.table);
        let target = self.target(&table, "parquet");
        let rows = log.rows;
        let content = log.content.clone();
        log.publish(&target, &Evidence { content, ..self.evidence(&table, Kind::Changes, Books::default()) })?;
        Ok(ChangeLog { path: self.job.root.relative(&target).to_owned(), rows })
    }

    /// A gate refused: the refused rows are kept for examination, everything else is removed.
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
            true => error.hint("nothing was published; the previous output is unchanged"),
            false => error.hint(format!(
                "nothing was published; the previous output is unchanged; refused rows: {}",
                kept.join(", ")
            )),
        }
    }
}
