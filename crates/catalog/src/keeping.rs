//! What keeps a project whole: checking, removing what is old, copying elsewhere and back, and the site.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifact::Stamp;
use chrono::{DateTime, Utc};
use inventory::{Backup, Inventory, Pruning, words};
use serde_json::json;
use spec::text::count;
use spec::{Environment, Error, Exit, Name, Result, ResultExt, Root, Span, Tool, Unit, Url};
use store::Cloud;
use tool::signals::{Interrupted, watch};
use tool::{Dataset, Lock, Progress, Project, RunLog};

/// What an interruption leaves behind.
const INTERRUPTED: Interrupted = Interrupted {
    clean_up: artifact::discard_all,
    unfinished: "run it again: what was done need not be done again",
    while_sending: "run it again: what was done need not be done again",
};

/// Reads all artifacts again. Exit code 1 if one is not what was written.
pub fn verify(inventory: &Inventory, json: bool) -> Result<Exit> {
    watch("catalog verify", INTERRUPTED)?;
    let verified = inventory::verify(inventory);
    let lines = match json {
        true => verified.problems.iter().map(|problem| format!("{}\n", json!(problem))).collect::<String>(),
        false => verified.problems.iter().map(|p| format!("{}: {}\n", p.path.display(), p.what)).collect(),
    };
    tool::print(&lines)?;
    let all = format!("{} ({})", count(verified.artifacts as u64, "artifact"), words::bytes(verified.bytes));
    if verified.problems.is_empty() {
        tool::say(format!("catalog verify: {all} are what was written"));
        return Ok(Exit::Done);
    }
    Err(Error::refused(format!("{} in {all}", count(verified.problems.len() as u64, "problem")))
        .hint("run the stages that wrote these files again with --force, or restore them: `catalog restore`"))
}

/// Says what could go, and with `yes` removes it.
pub fn prune(project: &Project, keep: &str, yes: bool, no_wait: bool, json: bool) -> Result<Exit> {
    let span: Span = keep.parse().context("--keep")?;
    let before = Utc::now() - length(span);
    if project.env.get("MILLRACE_STORE").is_some() {
        return Err(Error::cannot_run("MILLRACE_STORE is set, and what the store still needs is not known here")
            .hint("let rules of the bucket remove old objects, or prune a project without MILLRACE_STORE"));
    }
    watch("catalog prune", INTERRUPTED)?;
    if !yes {
        let inventory = Inventory::read(&project.root)?;
        let pruning = inventory::prunable(&inventory, before)?;
        print_old(&pruning, json)?;
        summary(&pruning, "would free", keep);
        if !pruning.old.is_empty() {
            tool::say("catalog prune: nothing was removed; add --yes to remove it");
        }
        return Ok(Exit::Done);
    }
    // A stage that runs may be about to read what looks old: so no stage runs from here on, and what is old is asked again.
    let _locks = locks(&project.root, no_wait)?;
    let inventory = Inventory::read(&project.root)?;
    let pruning = inventory::prunable(&inventory, before)?;
    let mut pipelines: Vec<&str> = pruning.places().iter().map(|place| place.pipeline.as_str()).collect();
    pipelines.dedup();
    for pipeline in pipelines.into_iter().collect::<BTreeSet<_>>() {
        let of_pipeline: Vec<_> = pruning.old.iter().filter(|old| old.table.place.pipeline == pipeline).collect();
        let removed =
            of_pipeline.iter().flat_map(|old| &old.files).map(|path| Dataset::named(path.display().to_string()));
        let removed: Vec<Dataset> = removed.collect();
        let name = Name::new(pipeline)?;
        let run = uuid::Uuid::now_v7().to_string();
        let begin = || RunLog::begin(&project.root, &project.env, &run, Tool::Catalog, &name, &removed);
        let work = || of_pipeline.iter().try_for_each(|old| inventory::remove(&inventory, old));
        let ((), log) = tool::recorded(begin, work, |()| Vec::new())?;
        log.post();
    }
    print_old(&pruning, json)?;
    summary(&pruning, "freed", keep);
    Ok(Exit::Done)
}

fn print_old(pruning: &Pruning, json: bool) -> Result<()> {
    let line = |old: &inventory::Old| match json {
        true => format!("{}\n", json!(old)),
        false => old.files.iter().map(|path| format!("{}\n", path.display())).collect(),
    };
    tool::print(&pruning.old.iter().map(line).collect::<String>())
}

fn summary(pruning: &Pruning, what: &str, keep: &str) {
    let (old, bytes) = (count(pruning.old.len() as u64, "artifact"), words::bytes(pruning.bytes()));
    tool::say(format!("catalog prune: {what} {bytes} in {old} older than {keep}"));
    for (reason, number) in &pruning.kept {
        tool::say(format!("catalog prune: kept {} as old: {reason}", count(*number as u64, "artifact")));
    }
}

/// Months and years are as long as the longest of them: what is kept is kept long enough.
fn length(span: Span) -> chrono::TimeDelta {
    let hours = match span.unit {
        Unit::Hour => 1,
        Unit::Day => 24,
        Unit::Week => 7 * 24,
        Unit::Month => 31 * 24,
        Unit::Year => 366 * 24,
    };
    chrono::TimeDelta::hours(i64::from(span.count) * hours)
}

/// The locks of all stages, in one order, so that two who take them do not wait for each other.
fn locks(root: &Root, no_wait: bool) -> Result<Vec<Lock>> {
    let folders = inventory::folders(root);
    folders.iter().map(|folder| tool::lock(&root.join(folder), folder, "catalog", no_wait)).collect()
}

/// Sends what is new.
pub fn backup(project: &Project, to: &str, json: bool, shows: bool) -> Result<Exit> {
    let to: Url = to.parse().context("URL")?;
    watch("catalog backup", INTERRUPTED)?;
    let cloud = Cloud::new(&project.env);
    let progress = Progress::new(shows);
    progress.begin("catalog backup");
    let at = |path: &str| progress.begin(format!("catalog backup: {path}"));
    let mut backup = Backup::begin(&project.root, &cloud, &to)?;
    backup.artifacts(&at)?;
    // Snapshots, journals and the ledger change while stages run: they are copied while none does.
    let locks = locks(&project.root, false)?;
    let done = backup.finish(&at)?;
    drop(locks);
    progress.end();
    if json {
        tool::print(&format!("{}\n", json!(done)))?;
    } else {
        tool::print(&format!("{}\n", done.time))?;
    }
    tool::say(format!(
        "catalog backup: {} ({}) in {to}; sent {} ({})",
        count(done.files as u64, "file"),
        words::bytes(done.bytes),
        count(done.sent as u64, "object"),
        words::bytes(done.sent_bytes)
    ));
    Ok(Exit::Done)
}

/// Brings back what is missing. A folder that is not a project yet becomes one.
pub fn restore(from: &str, at: Option<&str>, list: bool, overwrite: bool, json: bool) -> Result<Exit> {
    let from: Url = from.parse().context("URL")?;
    let Project { root, env } = match Project::open() {
        Ok(project) => project,
        Err(_) => here()?,
    };
    watch("catalog restore", INTERRUPTED)?;
    let cloud = Cloud::new(&env);
    if list {
        let times = inventory::backups(&cloud, &from)?;
        tool::print(&times.iter().map(|time| format!("{time}\n")).collect::<String>())?;
        return Ok(Exit::Done);
    }
    let list = inventory::backup_list(&cloud, &from, at)?;
    let _locks = locks(&root, false)?;
    let differing = inventory::differing(&root, &list)?;
    if !differing.is_empty() && !overwrite {
        tool::print(&differing.iter().map(|path| format!("{}\n", path.display())).collect::<String>())?;
        return Err(Error::refused(format!(
            "{} here differ from the backup of {}: nothing was restored",
            count(differing.len() as u64, "file"),
            list.time
        ))
        .hint("with --overwrite they are replaced"));
    }
    let progress = Progress::new(true);
    let done =
        inventory::restore(&root, &cloud, &from, &list, &|path| progress.begin(format!("catalog restore: {path}")))?;
    progress.end();
    if json {
        tool::print(&format!("{}\n", json!(done)))?;
    }
    tool::say(format!(
        "catalog restore: backup of {}: {}, {} restored ({})",
        done.time,
        count(done.files as u64, "file"),
        done.written,
        words::bytes(done.written_bytes)
    ));
    Ok(Exit::Done)
}

/// Where a project is to be restored that is not there.
fn here() -> Result<Project> {
    let named = std::env::var_os("MILLRACE_ROOT").filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = match named {
        Some(folder) => folder,
        None => std::env::current_dir().map_err(|error| Error::io("read", Path::new("."), &error))?,
    };
    let env = Environment::of_process(&folder)?;
    Ok(Project { root: Root::at(folder), env })
}

/// Writes the site.
pub fn docs(project: &Project, inventory: &Inventory, output: &Path) -> Result<Exit> {
    watch("catalog docs", INTERRUPTED)?;
    let folder = project.root.join(output);
    let now: DateTime<Utc> = Stamp::now().time();
    let written = inventory::site(inventory, &folder, now)?;
    let index = output.join("index.html");
    tool::print(&format!("{}\n", index.display()))?;
    tool::say(format!(
        "catalog docs: {} about {}",
        count(written.pages as u64, "page"),
        count(written.tables as u64, "table")
    ));
    Ok(Exit::Done)
}
