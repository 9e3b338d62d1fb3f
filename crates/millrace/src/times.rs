//! `millrace schedule`: what schedulers need to know.

use std::path::PathBuf;

use chrono::{SecondsFormat, Utc};
use clap::ValueEnum;
use schedule::{Called, Schedule};
use spec::{Error, Exit, Name, Result};
use tool::Project;

use crate::link::own_path;

/// Print when pipelines run: for people, or as lines and units for cron, systemd and other schedulers
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The pipelines; none means all that have a resources/PIPELINE/schedule.yaml
    #[arg(value_name = "PIPELINE")]
    pipelines: Vec<String>,
    /// For whom
    #[arg(long = "as", value_enum, default_value_t, value_name = "FORM")]
    form: Form,
    /// Write the units of systemd into this folder instead of printing them
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// The user that systemd runs pipelines as
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Write CRON_TZ, which cronie reads and Debian's cron does not
    #[arg(long)]
    cron_tz: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table of the next runs.
    #[default]
    Text,
    /// Lines for `crontab`.
    Crontab,
    /// Services, timers and path units.
    Systemd,
    /// All pipelines with their tasks, for orchestrators.
    Json,
}

pub fn print(arguments: &Arguments) -> Result<Exit> {
    let project = Project::open()?;
    for (flag, is_given) in [("--into", arguments.into.is_some()), ("--user", arguments.user.is_some())] {
        if is_given && arguments.form != Form::Systemd {
            return Err(
                Error::cannot_run(format!("{flag} is for --as systemd")).hint("add --as systemd, or leave it out")
            );
        }
    }
    if arguments.cron_tz && arguments.form != Form::Crontab {
        return Err(Error::cannot_run("--cron-tz is for --as crontab").hint("add --as crontab, or leave it out"));
    }
    if arguments.form == Form::Json {
        return json(&project, arguments);
    }
    let schedules = schedules(&project, arguments)?;
    let root =
        std::path::absolute(project.root.path()).map_err(|error| Error::io("find", project.root.path(), &error))?;
    let called = Called { root, program: own_path()? };
    let text = match arguments.form {
        Form::Crontab => schedule::crontab(&schedules, &called, schedule::of_this_machine(), arguments.cron_tz)?,
        Form::Systemd => return systemd(&schedules, &called, arguments),
        Form::Text | Form::Json => table(&schedules),
    };
    tool::print(&text)?;
    Ok(Exit::Done)
}

/// The schedules that are wanted. A pipeline that is named must have one.
fn schedules(project: &Project, arguments: &Arguments) -> Result<Vec<(Name, Schedule)>> {
    let mut found = Vec::new();
    for name in names(project, arguments)? {
        match Schedule::load(&project.root, &project.env, &name)? {
            Some(schedule) => found.push((name, schedule)),
            None if arguments.pipelines.is_empty() => {}
            None => {
                return Err(Error::cannot_run(format!("resources/{name}/{}: no such file", schedule::FILE))
                    .hint("write it: `cron: 0 2 * * *`; docs/orchestrators.md has all keys"));
            }
        }
    }
    if found.is_empty() {
        return Err(Error::cannot_run("no pipeline has a schedule.yaml").hint("write one: `cron: 0 2 * * *`"));
    }
    Ok(found)
}

fn names(project: &Project, arguments: &Arguments) -> Result<Vec<Name>> {
    match arguments.pipelines.is_empty() {
        true => Ok(project.root.pipelines().into_iter().filter_map(|name| Name::new(name).ok()).collect()),
        false => arguments.pipelines.iter().map(Name::new).collect(),
    }
}

fn table(schedules: &[(Name, Schedule)]) -> String {
    let now = Utc::now();
    let mut lines = vec!["PIPELINE             NEXT RUN (UTC)        SCHEDULE".to_owned()];
    for (pipeline, schedule) in schedules {
        let next = schedule.cron.as_ref().and_then(|cron| cron.next(now, schedule.time_zone.0));
        let next = next.map_or("-".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
        let times = schedule.cron.iter().map(|cron| format!("{cron} {}", schedule.time_zone));
        let after = schedule.after.iter().map(|upstream| format!("after {upstream}"));
        let words: Vec<String> = times.chain(after).collect();
        lines.push(format!("{:<20} {next:<21} {}", pipeline.as_str(), words.join(", ")));
    }
    lines.join("\n") + "\n"
}

fn systemd(schedules: &[(Name, Schedule)], called: &Called, arguments: &Arguments) -> Result<Exit> {
    let user = arguments.user.as_deref();
    let today = Utc::now().date_naive();
    let units: Result<Vec<Vec<schedule::Unit>>> =
        schedules.iter().map(|(name, schedule)| schedule::units(name, schedule, called, user, today)).collect();
    let units = units?.into_iter().flatten();
    match &arguments.into {
        None => tool::print(&units.map(|unit| format!("# {}\n{}\n", unit.name, unit.text)).collect::<String>())?,
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
            for unit in units {
                let file = folder.join(&unit.name);
                std::fs::write(&file, unit.text).map_err(|error| Error::io("write", &file, &error))?;
                tool::print(&format!("{}\n", file.display()))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn json(project: &Project, arguments: &Arguments) -> Result<Exit> {
    let workflows: Result<Vec<schedule::Workflow>> = match arguments.pipelines.is_empty() {
        true => schedule::workflows(&project.root, &project.env),
        false => {
            let names = names(project, arguments)?;
            names.iter().map(|name| schedule::workflow(&project.root, &project.env, name)).collect()
        }
    };
    let text = serde_json::to_string_pretty(&workflows?).map_err(|error| Error::cannot_run(error.to_string()))?;
    tool::print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
