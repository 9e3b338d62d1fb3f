//! The workflow of a pipeline: its tasks, their order, and when they run. As JSON for orchestrators.

use std::path::PathBuf;

use serde::Serialize;
use spec::{Environment, Name, Result, Root, Tool};

use crate::{Alerts, Expression, Schedule, TimeZone, written::Upstream};

/// The stages, and the tools that look after a pipeline, in the order of a run.
const ORDER: [Tool; 8] =
    [Tool::Ingest, Tool::Clean, Tool::Features, Tool::Train, Tool::Predict, Tool::Export, Tool::Monitor, Tool::Release];

/// The tasks of one pipeline, and its schedule.
#[derive(Clone, Debug, Serialize)]
pub struct Workflow {
    pub pipeline: Name,
    /// In the order of a run.
    pub tasks: Vec<Task>,
    /// `None`: it is only started by hand.
    #[serde(flatten)]
    pub schedule: Option<Times>,
}

/// A schedule with all times in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Times {
    pub cron: Option<Expression>,
    pub time_zone: TimeZone,
    pub after: Vec<Source>,
    pub catch_up: bool,
    pub retries: u32,
    pub wait_seconds: f64,
    pub longest_wait_seconds: f64,
    pub stage_seconds: Option<f64>,
    pub run_seconds: Option<f64>,
    pub alerts: Alerts,
}

/// A stage of another pipeline, whose new output starts this one.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    pub stage: Upstream,
    /// Its snapshot, relative to the root.
    pub snapshot: PathBuf,
}

/// One run of a tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Task {
    pub tool: Tool,
    /// The tasks whose output it reads, or that have to end before it.
    pub after: Vec<Tool>,
    /// The file that changes with its output, relative to the root; `None`: it publishes nothing.
    pub snapshot: Option<PathBuf>,
}

/// The workflows of all pipelines that have a stage, by name.
pub fn workflows(root: &Root, env: &Environment) -> Result<Vec<Workflow>> {
    let names = root.pipelines().into_iter().filter_map(|name| Name::new(name).ok());
    let all: Result<Vec<Workflow>> = names.map(|name| workflow(root, env, &name)).collect();
    Ok(all?.into_iter().filter(|workflow| !workflow.tasks.is_empty()).collect())
}

/// The workflow of one pipeline.
pub fn workflow(root: &Root, env: &Environment, pipeline: &Name) -> Result<Workflow> {
    let schedule = Schedule::load(root, env, pipeline)?.map(Times::from);
    let folder = root.join("resources").join(pipeline.as_str());
    let present: Vec<Tool> = ORDER.into_iter().filter(|tool| folder.join(format!("{tool}.yaml")).is_file()).collect();
    let has = |tool: Tool| present.contains(&tool);
    let reads = |tool: Tool| root.upstream(pipeline, tool).filter(|before| has(*before));
    let after = |tool: Tool| -> Vec<Tool> {
        let last_of = |among: &[Tool]| among.iter().rev().copied().find(|tool| has(*tool)).into_iter().collect();
        match tool {
            Tool::Predict => reads(tool).into_iter().chain(has(Tool::Train).then_some(Tool::Train)).collect(),
            // It looks at predictions; without a model, at cleaned tables.
            Tool::Monitor => last_of(&ORDER[..5]),
            Tool::Release => last_of(&[Tool::Train]),
            _ => reads(tool).into_iter().collect(),
        }
    };
    let snapshot = |tool: Tool| (tool != Tool::Release).then(|| tool.folder(pipeline).join("latest"));
    let tasks = present.iter().map(|tool| Task { tool: *tool, after: after(*tool), snapshot: snapshot(*tool) });
    Ok(Workflow { pipeline: pipeline.clone(), tasks: tasks.collect(), schedule })
}

impl From<Schedule> for Times {
    fn from(schedule: Schedule) -> Times {
        let Schedule { cron, after, time_zone, catch_up, retries, time_out, alerts } = schedule;
        let seconds = |length: spec::Length| length.duration().as_secs_f64();
        let source = |stage: Upstream| Source { snapshot: stage.stage.folder(&stage.pipeline).join("latest"), stage };
        Times {
            cron,
            time_zone,
            after: after.into_iter().map(source).collect(),
            catch_up,
            retries: retries.times,
            wait_seconds: seconds(retries.wait),
            longest_wait_seconds: seconds(retries.longest_wait),
            stage_seconds: time_out.stage.map(seconds),
            run_seconds: time_out.run.map(seconds),
            alerts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(files: &[&str]) -> Vec<(Tool, Vec<Tool>)> {
        let folder = tempfile::tempdir().unwrap();
        let resources = folder.path().join("resources/p");
        std::fs::create_dir_all(&resources).unwrap();
        for file in files {
            std::fs::write(resources.join(format!("{file}.yaml")), "").unwrap();
        }
        let workflow = workflow(&Root::at(folder.path()), &Environment::default(), &Name::new("p").unwrap()).unwrap();
        assert!(workflow.schedule.is_none());
        workflow.tasks.into_iter().map(|task| (task.tool, task.after)).collect()
    }

    #[test]
    fn a_task_follows_whatever_it_reads() {
        use Tool::{Clean, Export, Features, Ingest, Monitor, Predict, Release, Train};
        assert_eq!(
            planned(&["ingest", "clean", "features", "train", "predict", "export", "monitor", "release", "serve"]),
            [
                (Ingest, vec![]),
                (Clean, vec![Ingest]),
                (Features, vec![Clean]),
                (Train, vec![Features]),
                (Predict, vec![Features, Train]),
                (Export, vec![Predict]),
                (Monitor, vec![Predict]),
                (Release, vec![Train]),
            ]
        );
        assert_eq!(
            planned(&["export", "ingest", "train", "predict"]),
            [(Ingest, vec![]), (Train, vec![Ingest]), (Predict, vec![Ingest, Train]), (Export, vec![Predict])]
        );
        assert_eq!(planned(&["clean", "monitor"]), [(Clean, vec![]), (Monitor, vec![Clean])]);
        assert_eq!(planned(&[]), []);
    }
}
