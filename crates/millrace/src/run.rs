//! `millrace run`: a pipeline once, one stage after the other. One run at a time, into a log file, with one line that says
//! how it went. cron, systemd and the pages of `serve` call it.

mod log;
mod memory;
mod outcome;
mod slots;
mod stage;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use schedule::{Retries, Schedule, TimeOuts};
use spec::{Error, Exit, Name, Result, Tool};
use tool::Project;

use log::Log;
use memory::Memory;
use outcome::Outcome;
use slots::Slots;
use stage::Stages;

/// The stages of a pipeline, in order.
const STAGES: [Tool; 6] = [Tool::Ingest, Tool::Clean, Tool::Features, Tool::Train, Tool::Predict, Tool::Export];

/// The tools that look after a pipeline: part of scheduled runs.
const AFTERWARDS: [Tool; 2] = [Tool::Monitor, Tool::Release];

/// All that a run may consist of.
pub fn stages() -> impl Iterator<Item = Tool> {
    STAGES.into_iter().chain(AFTERWARDS)
}

/// Run a pipeline: all its stages, one after the other
///
/// Prints one line that says how the run went, and ends with the exit code of the stage that stopped it. Messages of the
/// stages go to data/logs/PIPELINE.log, and to the terminal if there is one. While the same pipeline runs already, ends
/// with 75.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The pipeline: the name of a folder in resources/
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Run up to this stage
    #[arg(value_name = "STAGE", conflicts_with = "only")]
    last: Option<String>,
    /// Run only this stage; also monitor and release
    #[arg(long, value_name = "STAGE")]
    only: Option<String>,
    /// Keep to the pipeline's schedule.yaml: retry what ended with 75, within its limits of time; monitor and release come last
    #[arg(long, conflicts_with_all = ["last", "only"])]
    scheduled: bool,
    /// Run nothing: send the alert of schedule.yaml that another scheduler gave up at this stage
    #[arg(long, value_name = "STAGE", requires = "because", conflicts_with_all = ["last", "only", "scheduled"])]
    gave_up: Option<String>,
    /// With --gave-up: why
    #[arg(long, value_name = "TEXT", requires = "gave_up")]
    because: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let started = Instant::now();
    let project = Project::open()?;
    if let (Some(stage), Some(because)) = (&arguments.gave_up, &arguments.because) {
        return gave_up(&project, &Name::new(arguments.pipeline.as_str())?, stage, because);
    }
    let outcome = Name::new(arguments.pipeline.as_str()).and_then(|name| attempt(arguments, &project, name, started));
    let outcome = outcome.unwrap_or_else(|error| Outcome::of_error(&error));
    let line = outcome.line(&arguments.pipeline, started.elapsed());
    tool::print(&format!("{line}\n"))?;
    if outcome.exit == Exit::Done && std::io::stderr().is_terminal() {
        report(&project, arguments)?;
    }
    Ok(outcome.exit)
}

/// How a run is limited and repeated. A run by hand is neither.
struct RunPolicy {
    retries: Retries,
    time_out: TimeOuts,
    schedule: Option<Schedule>,
}

fn attempt(arguments: &Arguments, project: &Project, pipeline: Name, started: Instant) -> Result<Outcome> {
    let todo = todo(arguments, project, &pipeline)?;
    let policy = match arguments.scheduled {
        true => scheduled(project, &pipeline)?,
        false => RunPolicy {
            retries: Retries { times: 0, ..Retries::default() },
            time_out: TimeOuts::default(),
            schedule: None,
        },
    };
    let logs = project.env.get("MILLRACE_LOGS").unwrap_or("data/logs");
    let log = Log::open(&project.root.join(logs), &pipeline, &project.env)?;
    let Some(_lock) = log.lock()? else {
        return Ok(Outcome::new(Exit::TryAgain, "another run is at work"));
    };
    log.rotate()?;
    let slots = Slots::new(project)?;
    let memory = Memory::new(project)?;
    let mut stages = Stages::new(&pipeline, &log, project)?;
    stages.until = policy.time_out.run.map(|limit| started + limit.duration());
    let outcome = stages_of(&todo, &mut stages, (&slots, &memory), &policy, &log);
    let outcome = outcome.unwrap_or_else(|error| Outcome::of_error(&error));
    log.note(&outcome.line(pipeline.as_str(), started.elapsed()))?;
    if let (Some(schedule), Some(message)) = (&policy.schedule, &outcome.gave_up) {
        alert(project, &pipeline, schedule, outcome.stage.unwrap_or(Tool::Ingest), message);
    }
    Ok(outcome)
}

fn stages_of(
    todo: &[Tool],
    stages: &mut Stages,
    (slots, memory): (&Slots, &Memory),
    policy: &RunPolicy,
    log: &Log,
) -> Result<Outcome> {
    for tool in todo {
        let mut retry = 0;
        let ended = loop {
            let share = memory.share(memory.known(stages.pipeline, *tool));
            let slot = match slots.take(stages, memory, share, log)? {
                Ok(slot) => slot,
                Err(ended) => break ended,
            };
            let (ended, needed) = stages.run(*tool, policy.time_out.stage)?;
            drop(slot);
            memory.keep(stages.pipeline, *tool, needed)?;
            if !ended.is_worth_another_try() || retry == policy.retries.times {
                break ended;
            }
            retry += 1;
            let pause = policy.retries.pause(retry);
            log.note(&format!("{tool}: retry {retry} of {} in {} s", policy.retries.times, pause.as_secs()))?;
            if let Some(ended) = stages.pause(pause) {
                break ended;
            }
        };
        if let Some(outcome) = Outcome::of_stage(*tool, ended, retry, &log.last_line()) {
            return Ok(outcome);
        }
    }
    Ok(Outcome::new(Exit::Done, ""))
}

/// The stages that the pipeline has a file for, as far as they are wanted.
fn todo(arguments: &Arguments, project: &Project, pipeline: &Name) -> Result<Vec<Tool>> {
    let folder = PathBuf::from("resources").join(pipeline.as_str());
    if !project.root.join(&folder).is_dir() {
        return Err(Error::cannot_run(format!("no folder {}", folder.display())));
    }
    let every: Vec<Tool> = stages().collect();
    if let Some(only) = &arguments.only {
        let tool = named(only, &every)?;
        let file = folder.join(format!("{tool}.yaml"));
        return match project.root.join(&file).is_file() {
            true => Ok(vec![tool]),
            false => Err(Error::cannot_run(format!("no file {}", file.display()))),
        };
    }
    let last = arguments.last.as_deref().map(|last| named(last, &STAGES)).transpose()?;
    let wanted = match (last, arguments.scheduled) {
        (Some(last), _) => STAGES.into_iter().take_while(|tool| *tool != last).chain([last]).collect(),
        (None, true) => every,
        (None, false) => STAGES.to_vec(),
    };
    let has_file = |tool: &Tool| project.root.join(folder.join(format!("{tool}.yaml"))).is_file();
    let found: Vec<Tool> = wanted.into_iter().filter(has_file).collect();
    match found.is_empty() {
        true => Err(Error::cannot_run(format!("no stage to run in {}", folder.display()))),
        false => Ok(found),
    }
}

/// The stage of this name.
fn named(name: &str, among: &[Tool]) -> Result<Tool> {
    among.iter().copied().find(|tool| tool.name() == name).ok_or_else(|| {
        let names: Vec<&str> = among.iter().map(|tool| tool.name()).collect();
        Error::cannot_run(format!("no stage '{name}'")).hint(format!("choose one of: {}", names.join(" ")))
    })
}

fn scheduled(project: &Project, pipeline: &Name) -> Result<RunPolicy> {
    let schedule = Schedule::load(&project.root, &project.env, pipeline)?.ok_or_else(|| {
        Error::cannot_run(format!("no file resources/{pipeline}/{}, which --scheduled needs", schedule::FILE))
    })?;
    Ok(RunPolicy { retries: schedule.retries, time_out: schedule.time_out, schedule: Some(schedule) })
}

/// For schedulers that call the stages themselves, and have no other way to report it: time ran out, or retries did not help.
fn gave_up(project: &Project, pipeline: &Name, stage: &str, because: &str) -> Result<Exit> {
    let every: Vec<Tool> = stages().collect();
    let tool = named(stage, &every)?;
    let schedule = Schedule::load(&project.root, &project.env, pipeline)?.ok_or_else(|| {
        Error::cannot_run(format!("no file resources/{pipeline}/{}, which --gave-up needs", schedule::FILE))
    })?;
    alert(project, pipeline, &schedule, tool, &format!("in {tool}: {}", spec::text::cut(because, outcome::LONGEST)));
    Ok(Exit::Done)
}

fn alert(project: &Project, pipeline: &Name, schedule: &Schedule, tool: Tool, message: &str) {
    let source = tool::Source {
        tool,
        pipeline,
        run: &uuid::Uuid::now_v7().to_string(),
        started: chrono::Utc::now(),
        priority: Some(schedule.alerts.gave_up),
        snapshot: None,
    };
    tool::alert(&project.root, &project.env, source, alert::EventClass::TryAgain, message, None);
}

/// The results of the run, and their quality.
fn report(project: &Project, arguments: &Arguments) -> Result<()> {
    let Ok(pipeline) = Name::new(arguments.pipeline.as_str()) else { return Ok(()) };
    let latest = project.root.join(Tool::Export.folder(&pipeline)).join("latest");
    let delivered = std::fs::read_to_string(latest).unwrap_or_default();
    tool::print(&delivered.lines().map(|line| format!("delivered  {line}\n")).collect::<String>())?;
    if project.root.spec(&pipeline, Tool::Train).is_ok() {
        stage::own(project, &["release", pipeline.as_str(), "--production"])?;
    }
    Ok(())
}
