//! Alerts over the real protocols, against servers on loopback.

use super::*;
use crate::EventClass;
use testkit::Project;
use testkit::http_server::{HttpAnswer, HttpServer};
use testkit::smtp_server::{SmtpFault, SmtpServer};

mod flood;
mod load;
mod secrets;
mod sending;

/// A project with the pipelines `churn` and `texts`, and the given `alerts.yaml`.
fn project(yaml: &str) -> Project {
    let project = Project::new();
    project.make_folder("resources/churn").make_folder("resources/texts").write(FILE, yaml);
    project
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

/// The alerts of a project, impatient as tests are.
fn alerts(project: &Project, variables: &[(&str, &str)]) -> Alerts {
    let mut alerts = load(project, variables).expect("alerts.yaml is right").expect("there is an alerts.yaml");
    alerts.patience.first_wait = Duration::from_millis(1);
    alerts
}

fn load(project: &Project, variables: &[(&str, &str)]) -> Result<Option<Alerts>> {
    Alerts::load(&Root::at(project.root()), &environment(variables))
}

fn event() -> Event {
    crate::text::example().event
}

fn at(minutes: i64) -> DateTime<Utc> {
    "2026-11-21T01:42:13Z".parse::<DateTime<Utc>>().expect("a time") + TimeDelta::minutes(minutes)
}

/// What became of `event`, as people read it.
fn told(alerts: &Alerts, project: &Project, event: &Event, minutes: i64) -> Vec<String> {
    alerts.send_at(event, &project.at("data/runs/alerts"), at(minutes)).iter().map(Delivery::to_string).collect()
}
