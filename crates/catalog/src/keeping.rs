//! Maintenance of a project: verification, pruning, backup and restore, and the site.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifact::Stamp;
use chrono::{DateTime, Utc};
use inventory::{Backup, Inventory, Pruning, words};
use serde_json::json;
use spec::text::count;
use spec::{Environment, Error, Exit, Name, Result, ResultExt, Root, Span, Tool, Unit, Url};
use stage::Mirror;
use store::Cloud;
use tool::signals::{Interrupted, watch};
use tool::{Dataset, Lock, Progress, Project, RunLog};

/// What an interruption leaves behind.
const INTERRUPTED: Interrupted = Interrupted {
    clean_up: artifact::discard_all,
    unfinished: "run it again: completed work is not repeated",
    while_sending: "run it again: completed work is not repeated",
};

/// Reads all artifacts again. Exit code 1 if one is not what was written.
pub fn verify(project: &Project, inventory: &Inventory, json: bool) -> Result<Exit> {
    watch("catalog verify", INTERRUPTED)?;
    // With a store, what other machines made need not be here.
    let has_all = !Mirror::new(&project.root, &project.env)?.is_on();
    let verified = inventory::verify(inventory, has_all);
    let lines = match json {
        true => verified.problems.iter().map(|problem| format!("{}\n", json!(problem))).collect::<String>(),
        false => verified.problems.iter().map(|p| format!("{}: {}\n", p.path.display(), p.what)).collect(),
    };
    tool::print(&lines)?;
    let all = format!("{} ({})", count(verified.artifacts as u64, "artifact"), words::bytes(verified.bytes));
    if verified.problems.is_empty() {
        tool::say(format!("catalog verify: {all} are unchanged"));
        return Ok(Exit::Done);
    }
    Err(Error::refused(format!("{} in {all}", count(verified.problems.len() as u64, "problem")))
        .hint("run the stages that wrote these files again with --force, or restore them: `catalog restore`"))
}

/// How to prune.
pub struct Prune<'a> {
    /// A length of time, such as `30d`.
    pub keep: &'a str,
    /// Whether to remove what is found.
    pub yes: bool,
    pub no_wait: bool,
    /// Whether it is removed from the store, too.
    pub in_store: bool,
}

/// Lists what could be removed, and with `yes` removes it.
pub fn prune(project: &Project, how: &Prune<'_>, json: bool) -> Result<Exit> {
    let span: Span = how.keep.parse().context("--keep")?;
    // Further back than the calendar goes nothing is old.
    let before = length(span).and_then(|keep| Utc::now().checked_sub_signed(keep)).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let mirror = Mirror::new(&project.root, &project.env)?;
    if how.in_store && !mirror.is_on() {
        return Err(Error::cannot_run("--store: the project has no store").hint("set MILLRACE_STORE, or leave it out"));
    }
    watch("catalog prune", INTERRUPTED)?;
    if !how.yes {
        let (inventory, named) = needed_with_store(project, &mirror, how, before)?;
        let pruning = inventory::prunable(&inventory, before, &named)?;
        print_old(&pruning, json)?;
        summary(&pruning, "would free", how.keep);
        if !pruning.old.is_empty() {
            tool::say("catalog prune: nothing was removed; add --yes to remove it");
        }
        return Ok(Exit::Done);
    }
    // A running stage may be about to read what looks old. So no stage runs from here on, and what is old is determined again.
    let _locks = locks(&project.root, how.no_wait)?;
    let (inventory, named) = needed_with_store(project, &mirror, how, before)?;
    let pruning = inventory::prunable(&inventory, before, &named)?;
    // Other machines are not locked: nothing that they have published meanwhile may be removed.
    if mirror.is_on() && named_in(&mirror)? != named {
        return Err(Error::try_again("another machine published meanwhile; nothing was removed").hint("run it again"));
    }
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
        let work = || {
            of_pipeline.iter().try_for_each(|old| {
                // The store first: what is still here can be removed there by the next run.
                let in_store = old.files.iter().filter(|_| how.in_store);
                in_store.into_iter().try_for_each(|path| mirror.remove(path))?;
                inventory::remove(&inventory, old)
            })
        };
        let ((), log) = tool::recorded(begin, work, |()| Vec::new())?;
        log.post();
    }
    print_old(&pruning, json)?;
    summary(&pruning, "freed", how.keep);
    if mirror.is_on() && !how.in_store && !pruning.old.is_empty() {
        tool::say("catalog prune: the store still has what it had; --store removes it there, too");
    }
    Ok(Exit::Done)
}

/// What is here, and the paths that snapshots in the store name. Before the store is pruned, what it needs is brought
/// here: only artifacts say what they were made of.
fn needed_with_store(
    project: &Project,
    mirror: &Mirror,
    how: &Prune<'_>,
    before: DateTime<Utc>,
) -> Result<(Inventory, Vec<PathBuf>)> {
    let named = named_in(mirror)?;
    if mirror.is_on() {
        for folder in inventory::folders(&project.root).iter().filter(|folder| folder.starts_with("data/models")) {
            mirror.read_journal(folder, score::Log::FILE)?;
        }
    }
    let mut nowhere: BTreeSet<PathBuf> = BTreeSet::new();
    loop {
        let inventory = Inventory::read_brief(&project.root)?;
        if !how.in_store {
            return Ok((inventory, named));
        }
        let mut came = false;
        for path in inventory::wanting(&inventory, before, &named)? {
            if nowhere.insert(path.clone()) {
                came |= mirror.bring(&path)?;
            }
        }
        if !came {
            return Ok((inventory, named));
        }
    }
}

fn named_in(mirror: &Mirror) -> Result<Vec<PathBuf>> {
    let mut named: Vec<PathBuf> = mirror.snapshots()?.into_iter().flat_map(|(_, snapshot)| snapshot.paths).collect();
    named.sort();
    Ok(named)
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

/// Months and years are as long as the longest of them: what is kept is kept long enough. None: longer than can be told.
fn length(span: Span) -> Option<chrono::TimeDelta> {
    let days = |each: i64| i64::from(span.count) * each * 24 * 60;
    chrono::TimeDelta::try_minutes(match (span.minutes(), span.unit) {
        (Some(minutes), _) => minutes,
        (None, Unit::Year) => days(366),
        (None, _) => days(31),
    })
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

/// Where a project is to be restored that does not exist yet.
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
