//! Tells all channels of the project's `resources/alerts.yaml` a trial alert, as a refused run would, and prints what
//! became of it: `cargo run --release -p alert --example trial` in the project, or with `MILLRACE_ROOT` set.
//! The same trial is held back for as long as `every` says, like any other cause.

use std::process::ExitCode;

use alert::{Alerts, Event, EventClass, FILE, Outcome};
use chrono::Utc;
use spec::{Environment, Name, Result, Root, Tool};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every channel took the alert or held it back.
fn run() -> Result<bool> {
    let root = Root::find()?;
    let env = Environment::of_process(root.path())?;
    let Some(alerts) = Alerts::load(&root, &env)? else {
        println!("{FILE}: there is no such file, so nobody is told");
        return Ok(true);
    };
    let pipeline = root.pipelines().into_iter().next().unwrap_or_else(|| "trial".to_owned());
    let event = Event {
        pipeline: Name::new(pipeline)?,
        stage: Tool::Clean,
        run_id: "trial".to_owned(),
        class: EventClass::Refused,
        priority: None,
        message: "a trial alert: nothing has happened (한글도 됩니다)".to_owned(),
        hint: None,
        snapshot: None,
        started: Utc::now(),
        host: spec::host_name().unwrap_or_default(),
        log: "data/runs/trial.jsonl".into(),
    };
    let deliveries = alerts.send(&event, &root.join("data/runs/alerts"));
    deliveries.iter().for_each(|delivery| println!("{delivery}"));
    Ok(deliveries.iter().all(|delivery| !matches!(delivery.outcome, Outcome::Failed { .. })))
}
