//! The running comparison, as `release` would judge it now. Nothing is decided here.

use alert::Priority;
use artifact::{CheckResult, Verdict as Checked};
use compare::{Counts, Judgement, Verdict, table};
use schemars::JsonSchema;
use score::{Action, Log, ModelStage, Registry, Version};
use serde::Deserialize;
use spec::{Class, Result, Severity, Tool};
use stage::Job;

use crate::found::judged;
use crate::service::sealed;
use crate::wiring::{COMPARISON, Found, Monitor};

/// How the running comparison is watched. Arms, outcomes and limits are those of `release.yaml`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComparisonSpec {
    /// `soft` (default) warns of arms that did not get their shares of keys and of a guardrail that is surely broken, `hard`
    /// refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: `P1`.
    pub priority: Option<Priority>,
}

impl Default for ComparisonSpec {
    fn default() -> ComparisonSpec {
        ComparisonSpec { severity: Severity::Soft, priority: None }
    }
}

/// Looks at the comparison, if there is one.
pub fn look(job: &Job<Monitor>, spec: &ComparisonSpec) -> Result<Found> {
    let (release, _) = compare::load(&job.root, &job.pipeline, &job.env)?;
    let skipped = |why: String| {
        let check = judged(COMPARISON, spec.severity, None, why);
        Found::new(COMPARISON, table(None), CheckResult { verdict: Checked::Skipped, ..check }, None)
    };
    let artifacts = sealed(job, release.served.as_ref())?;
    if !artifacts.iter().any(artifact::Artifact::is_table) {
        return skipped("no requests were sealed yet".to_owned());
    }
    let counts = match Counts::of_tables(&release, &artifacts) {
        Ok(counts) => counts,
        Err(error) if error.class() == Class::TryAgain => return skipped(error.message().to_owned()),
        Err(error) => return Err(error),
    };
    let found = compare::judge(&release, &counts);
    if let Some(over) = is_over(job, &found)? {
        return skipped(over);
    }
    let broken: Vec<String> = found
        .arms
        .iter()
        .flat_map(|arm| arm.guardrails.iter().filter(|guarded| guarded.broken).map(move |guarded| (arm, guarded)))
        .map(|(arm, guarded)| format!("{} breaks a limit: {}", arm.version, guarded.in_words()))
        .collect();
    let words =
        format!("{} against {}: {}: {}", found.challenger_version, found.control_version, found.verdict, found.why);
    let fault = if found.verdict == Verdict::SampleRatio { Some(words.clone()) } else { None };
    let fault = fault.or_else(|| (!broken.is_empty()).then(|| broken.join("; ")));
    let priority = spec.priority.or_else(|| fault.as_ref().map(|_| Priority::P1));
    let check = judged(COMPARISON, spec.severity, fault, words);
    Found::new(COMPARISON, table(Some((&release, &found))), check, priority)
}

/// Why there is nothing to compare any more, if so.
fn is_over(job: &Job<Monitor>, found: &Judgement) -> Result<Option<String>> {
    let folder = Tool::Train.folder(&job.pipeline);
    job.mirror.read_journal(&folder, Log::FILE)?;
    let registry = Registry::at(job.root.join(&folder));
    if let Some(version) = registry.production()?.filter(|version| found.control_version != version.to_string()) {
        return Ok(Some(format!("the last comparison is over: {version} is in production")));
    }
    let challenger: Version = found.challenger_version.parse()?;
    let entries = registry.decisions()?;
    let is_archived = ModelStage::decided(challenger, &entries).is_some_and(|entry| entry.action == Action::Archive);
    Ok(is_archived.then(|| format!("the last comparison is over: {challenger} is archived")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_only_warns_unless_the_project_asks_for_more() {
        let spec = |text: &str| serde_json::from_str::<ComparisonSpec>(text).unwrap();
        assert_eq!(spec("{}").severity, Severity::Soft);
        assert_eq!(spec(r#"{"severity": "hard"}"#).severity, Severity::Hard);
    }
}
