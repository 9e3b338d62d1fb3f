//! What a pipeline is now, in words and numbers, for people and programs.

use std::time::Duration;

use chrono::DateTime;
use serde_json::{Value, json};
use spec::{Root, Tool};

use crate::health::Health;
use crate::pipeline::Pipeline;
use crate::rollout::Phase;

impl Pipeline {
    /// How old the model, the newest raw data, the features and the results are.
    pub fn ages(&self, root: &Root) -> Vec<(&'static str, Duration)> {
        let mut ages = Vec::new();
        let now = artifact::now();
        if let Some(current) = self.current() {
            let created = &current.deployment.arms[0].arm.manifest().origin.created;
            let created = DateTime::parse_from_rfc3339(created).ok();
            ages.extend(created.map(|created| ("model", (now - created.to_utc()).to_std().unwrap_or_default())));
        }
        for (kind, tool) in [("data", Tool::Ingest), ("features", Tool::Features), ("results", Tool::Predict)] {
            let latest = root.join(tool.folder(&self.name)).join(artifact::LATEST);
            let age = latest.metadata().and_then(|meta| meta.modified()).ok();
            // A clock that was set back makes nothing younger than new.
            let age = age.map(|time| time.elapsed().unwrap_or_default());
            ages.extend(age.map(|age| (kind, age)));
        }
        ages
    }

    /// State, versions and columns, as `/api/v1/pipelines/NAME` has them.
    pub fn described(&self, root: &Root) -> Value {
        let ages: serde_json::Map<String, Value> =
            self.ages(root).into_iter().map(|(kind, age)| (kind.to_owned(), json!(age.as_secs()))).collect();
        let journals: serde_json::Map<String, Value> = self
            .journals()
            .into_iter()
            .map(|(name, journal)| {
                let counts = journal.counts();
                (name.to_owned(), json!({"kept": counts.kept, "lost": counts.lost, "failing": counts.failing}))
            })
            .collect();
        let mut described = json!({
            "name": self.name.as_str(),
            "ready": self.current().is_some(),
            "problem": self.problem(),
            "problems": self.problems.all(),
            "age_seconds": ages,
            "journals": journals,
        });
        let Some(current) = self.current() else { return described };
        let deployment = &current.deployment;
        let arms: Vec<Value> = deployment
            .arms
            .iter()
            .map(|named| {
                let (arm, counted) = (&named.arm, named.arm.speed.counted());
                json!({
                    "name": named.name.as_ref(),
                    "version": arm.version_text,
                    "share": named.share,
                    "shadow": named.share.is_none(),
                    "experiment": arm.manifest().experiment,
                    "task": arm.task.name(),
                    "stored_rows": arm.stored.as_ref().map(|stored| stored.len()),
                    "health": match &arm.health {
                        Health::Reproduced(rows) => format!("{rows} rows of its test came out the same, bit for bit"),
                        Health::NotChecked(why) => format!("not checked: {why}"),
                    },
                    "answers": counted.answers,
                    "errors": counted.errors,
                    "p95_ms": counted.p95_ms,
                })
            })
            .collect();
        let takeover = deployment.rollout.as_ref().map(|takeover| {
            json!({
                "phase": match current.phase { Phase::Smoke(_) => "smoke", _ => "watched" },
                "share": takeover.share,
                "before": takeover.before.version_text,
            })
        });
        let first = &deployment.arms[0].arm;
        let columns: Vec<Value> = first
            .manifest()
            .features
            .iter()
            .map(|feature| json!({"name": feature.name, "type": feature.column_type, "categories": feature.categories()}))
            .collect();
        if let Some(raw) = self.raw() {
            let inputs = raw.inputs().iter().map(|(name, dtype)| {
                json!({"name": name.as_str(), "type": artifact::type_name(dtype), "optional": raw.is_optional(name)})
            });
            described["row"] = inputs.collect::<Vec<Value>>().into();
        }
        described["arms"] = arms.into();
        described["takeover"] = takeover.into();
        described["entity"] = first.manifest().entity.clone().into();
        described["features"] = columns.into();
        described
    }
}
