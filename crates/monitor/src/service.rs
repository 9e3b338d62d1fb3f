//! The requests that the server has sealed, read for the tables `service` and `levels`.

use artifact::Artifact;
use chrono::{DateTime, TimeDelta, Utc};
use compare::REQUESTS;
use score::{Action, Log, Registry};
use spec::{Name, Result, Tool};
use stage::Job;
use watch::{InProduction, LoggedRequest, ServiceLog, ServiceReport, ServiceSpec};

use crate::wiring::Monitor;

/// The tables that the server has sealed, as the newest snapshot lists them; none if it has not sealed any.
pub fn sealed(job: &Job<Monitor>, served: Option<&Name>) -> Result<Vec<Artifact>> {
    let served = compare::served(served, &job.pipeline)?;
    let snapshot = job.mirror.latest(&Tool::Ingest.folder(&served))?.unwrap_or_default();
    let open = |path: &std::path::PathBuf| {
        job.mirror.bring(path)?;
        artifact::open(&job.root, path)
    };
    snapshot.paths.iter().map(open).collect()
}

/// Those of `artifacts` that hold requests and were sealed at `since` or later, in microseconds since 1970: no older request is
/// in any other.
pub fn requests_since(artifacts: Vec<Artifact>, since: i64) -> Vec<Artifact> {
    let is_recent =
        |artifact: &Artifact| artifact.evidence.as_ref().is_none_or(|of| of.time.timestamp_micros() >= since);
    artifacts.into_iter().filter(|of| of.is_table() && of.table == REQUESTS && is_recent(of)).collect()
}

/// Counts the requests of the window.
pub fn look(job: &Job<Monitor>, spec: &ServiceSpec) -> Result<ServiceReport> {
    let production = production(job)?;
    let now = job.stamp.time();
    let log = ServiceLog::new(spec, &production, now.timestamp_micros());
    let artifacts = requests_since(sealed(job, spec.served.as_ref())?, log.since());
    let mut log = log.known_until(known_until(&artifacts, now));
    if !artifacts.is_empty() {
        compare::each_request(&artifacts, &mut |row| {
            log.see(&LoggedRequest {
                time: row.time,
                request_id: row.request_id,
                arm: row.arm,
                version: row.version,
                status: row.status,
                latency_us: row.latency_us,
            });
        })?;
    }
    Ok(log.finish())
}

/// Up to when requests are known, in microseconds since 1970: the server seals them from time to time. Without any of the last day
/// there were none since.
fn known_until(artifacts: &[Artifact], now: DateTime<Utc>) -> i64 {
    let sealed = artifacts.iter().filter_map(|artifact| Some(artifact.evidence.as_ref()?.time)).max();
    sealed.filter(|sealed| now - sealed < TimeDelta::days(1)).unwrap_or(now).timestamp_micros()
}

/// Which version was in production from when on, by the log of decisions. After a rollback there is no fallback.
fn production(job: &Job<Monitor>) -> Result<Vec<InProduction>> {
    let folder = Tool::Train.folder(&job.pipeline);
    job.mirror.read_journal(&folder, Log::FILE)?;
    let entries = Registry::at(job.root.join(&folder)).decisions()?;
    let in_production = |entry: &score::Entry| {
        let from = DateTime::parse_from_rfc3339(&entry.time).ok()?.timestamp_micros();
        let before = match entry.action {
            Action::Promote => entry.champion.map(|version| version.to_string()),
            Action::Rollback => None,
            _ => return None,
        };
        Some(InProduction { from, version: entry.version.to_string(), before })
    };
    let mut all: Vec<InProduction> = entries.iter().filter_map(in_production).collect();
    all.sort_by_key(|one| one.from);
    Ok(all)
}
