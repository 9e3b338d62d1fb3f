//! What answers for a pipeline: versions in memory and who gets which. A deployment never changes; a new one takes its place.

use std::sync::Arc;

use artifact::{Artifact, Snapshot};
use score::{Action, Entry, ModelStage, Registry, Version};
use spec::{Error, Name, Result, Root, Tool};

use crate::arm::{Arm, NamedArm, no_model};
use crate::spec::{ArmShare, ArmVersion, ServeSpec};

/// The arms of a pipeline, as they are until the next change.
pub struct Deployment {
    /// Arms that answer, then shadows.
    pub arms: Vec<NamedArm>,
    /// How many of `arms` answer.
    pub answering: usize,
    /// The place of the arm that follows production.
    production: Option<usize>,
    /// The version before the one in production, while the new one is only tried.
    pub rollout: Option<Takeover>,
    salt: String,
    pub sources: Sources,
}

/// A new version in production that only some visitors get.
pub struct Takeover {
    /// The place of the arm `production` among the arms.
    pub arm: usize,
    /// The version that answers the others.
    pub before: Arc<Arm>,
    /// The share of visitors of that arm who get the new version.
    pub share: f64,
}

/// What a deployment was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Version of each arm, in their order; `None` where there is none.
    pub versions: Vec<Option<Version>>,
    /// The version before the one in production, if it still answers some.
    pub before: Option<Version>,
    /// The snapshot of the features stage.
    pub features: Snapshot,
}

/// A place from 0 to 1 that depends on the text alone, evenly spread.
pub fn place(salt: &str, unit: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    // A length keeps two texts from running into each other.
    hasher.update(&(salt.len() as u64).to_le_bytes());
    hasher.update(salt.as_bytes());
    hasher.update(unit.as_bytes());
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}

impl Deployment {
    /// The arm and the version that answer everybody, if nothing has to be chosen.
    pub fn only(&self) -> Option<(&NamedArm, &Arc<Arm>)> {
        match (&self.arms[..self.answering], &self.rollout) {
            ([arm], None) => Some((arm, &arm.arm)),
            _ => None,
        }
    }

    /// Who answers `unit`: the same arm each time, as long as the shares stay.
    pub fn choose(&self, unit: &str) -> (&NamedArm, &Arc<Arm>) {
        let answering = &self.arms[..self.answering];
        let mut chosen = 0;
        if answering.len() > 1 {
            let mut rest = place(&self.salt, unit);
            for (at, arm) in answering.iter().enumerate() {
                let share = arm.share.unwrap_or_default();
                chosen = at;
                if rest < share {
                    break;
                }
                rest -= share;
            }
        }
        let arm = &answering[chosen];
        match &self.rollout {
            // Another salt: a key that is early in one division is not early in the other.
            Some(takeover) if takeover.arm == chosen => {
                let is_new = place(&format!("{} {}", self.salt, arm.arm.version_text), unit) < takeover.share;
                (arm, if is_new { &arm.arm } else { &takeover.before })
            }
            _ => (arm, &arm.arm),
        }
    }

    /// The version that answers as the one in production, if an arm is that.
    pub fn production(&self) -> Option<&Arc<Arm>> {
        Some(&self.arms[self.production?].arm)
    }

    /// The version that takes over from another one.
    pub fn taking_over(&self) -> Option<&Arc<Arm>> {
        Some(&self.arms[self.rollout.as_ref()?.arm].arm)
    }

    /// The arms that only score for the log.
    pub fn shadows(&self) -> &[NamedArm] {
        &self.arms[self.answering..]
    }

    /// Every version in memory.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Arm>> {
        self.arms.iter().map(|arm| &arm.arm).chain(self.rollout.iter().map(|takeover| &takeover.before))
    }
}

/// Where the rows that are found by key come from: what the stage before `predict` published.
pub fn features_of(root: &Root, pipeline: &Name) -> Result<Snapshot> {
    let before = root.upstream(pipeline, Tool::Predict).unwrap_or(Tool::Features);
    let folder = root.join(before.folder(pipeline));
    Ok(Snapshot::read(&folder)?.unwrap_or_default())
}

/// What a deployment would be made from now. `before`: the fallback while another takes over.
///
/// Errors: a log of decisions that cannot be read; no version in production.
pub fn sources(
    root: &Root,
    pipeline: &Name,
    registry: &Registry,
    spec: &ServeSpec,
    before: Option<Version>,
) -> Result<Sources> {
    let entries = registry.decisions()?;
    let existing = registry.versions()?;
    let staging =
        existing.iter().copied().find(|version| ModelStage::of(*version, &entries) == Some(ModelStage::Staging));
    let production = registry.production()?;
    let versions: Vec<Option<Version>> = spec
        .arms()
        .iter()
        .map(|(_, which, _)| match which {
            ArmVersion::Production => production,
            ArmVersion::Staging => staging,
            ArmVersion::Version(version) => existing.contains(version).then_some(*version),
        })
        .collect();
    if production.is_none() {
        return Err(no_model(pipeline.as_str()));
    }
    Ok(Sources { versions, before, features: features_of(root, pipeline)? })
}

/// The time of the newest decision that put `version` into production.
pub fn promoted_at(entries: &[Entry], version: Version) -> Option<&str> {
    let is_meant =
        |entry: &&Entry| entry.version == version && matches!(entry.action, Action::Promote | Action::Rollback);
    entries.iter().rev().find(is_meant).map(|entry| entry.time.as_str())
}

/// The artifacts of a snapshot. Only those of `table` must be there: nothing is answered from the others.
fn open(root: &Root, snapshot: &Snapshot, table: &str) -> Result<Vec<Artifact>> {
    let is_needed = |path: &std::path::Path| {
        path.file_name().is_some_and(|name| artifact::history::ending(&name.to_string_lossy(), table).is_some())
    };
    let opened = snapshot.paths.iter().filter_map(|path| match artifact::open(root, path) {
        Err(_) if !is_needed(path) => None,
        opened => Some(opened),
    });
    let opened: Vec<Artifact> = opened.collect::<Result<_>>()?;
    // The engine silently decodes a page whose bytes were changed, and such rows must not answer anybody.
    opened.iter().filter(|artifact| artifact.table == table).try_for_each(Artifact::verify)?;
    Ok(opened)
}

/// Loads what `sources` names; versions that `known` holds with the same features are taken over from there. `share`: how
/// many get the new version while the one before still answers.
pub fn load(
    root: &Root,
    pipeline: &Name,
    registry: &Registry,
    spec: &ServeSpec,
    sources: Sources,
    known: Option<&Deployment>,
    share: f64,
) -> Result<Deployment> {
    let artifacts = open(root, &sources.features, &spec.table)?;
    let mut loaded: Vec<Arc<Arm>> = Vec::new();
    let mut arm = |version: Version| -> Result<Arc<Arm>> {
        let same = known.filter(|known| known.sources.features == sources.features);
        let ready = same.into_iter().flat_map(|known| known.versions()).chain(&loaded);
        let ready = ready.filter(|arm| arm.version == version).last().cloned();
        if let Some(arm) = ready {
            return Ok(arm);
        }
        let arm = Arc::new(Arm::load(registry, version, spec, &artifacts, root)?);
        loaded.push(arm.clone());
        Ok(arm)
    };
    let (mut answering, mut shadows, mut orphaned) = (Vec::new(), Vec::new(), 0.0);
    for ((name, which, share), version) in spec.arms().into_iter().zip(&sources.versions) {
        match (version, share) {
            (None, ArmShare::Answers(share)) => orphaned += share,
            (None, ArmShare::Shadow) => {}
            (Some(version), share) => {
                let mut named = |share| -> Result<NamedArm> {
                    let arm = arm(*version).map_err(|error| error.context(format!("arm '{name}'")))?;
                    Ok(NamedArm { name: name.as_str().into(), arm, share })
                };
                match share {
                    ArmShare::Answers(share) => answering.push((which, named(Some(share))?)),
                    ArmShare::Shadow => match named(None) {
                        Ok(named) => shadows.push(named),
                        // It answers no client, so none waits for it.
                        Err(error) => tracing::warn!("serve {pipeline}: {error}"),
                    },
                }
            }
        }
    }
    if let Some((_, first)) = answering.first_mut() {
        first.share = Some(first.share.unwrap_or_default() + orphaned);
    }
    let production = answering.iter().position(|(which, _)| *which == ArmVersion::Production);
    let before = sources.before.filter(|before| production.is_some_and(|at| answering[at].1.arm.version != *before));
    let rollout = match (production, before) {
        (Some(at), Some(before)) => match arm(before) {
            Ok(before) => Some(Takeover { arm: at, before, share }),
            Err(error) => {
                tracing::warn!("serve {pipeline}: the version before cannot be used: {error}");
                None
            }
        },
        _ => None,
    };
    let mut arms: Vec<NamedArm> = answering.into_iter().map(|(_, arm)| arm).collect();
    let answering = arms.len();
    if answering == 0 {
        return Err(Error::cannot_run(format!("pipeline '{pipeline}': none of its arms has a version"))
            .hint("add `production: {}` to the arms in serve.yaml"));
    }
    arms.extend(shadows);
    let salt = spec.salt.clone().unwrap_or_else(|| pipeline.to_string());
    Ok(Deployment { arms, answering, production, rollout, salt, sources })
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn places_are_even_and_always_the_same() {
        // blake3 of the length, the salt and the unit, its first 53 bits.
        assert_eq!(place("churn", "C1"), place("churn", "C1"));
        assert_ne!(place("churn", "C1"), place("chur", "nC1"));
        let count = 20_000;
        let below = (0..count).filter(|number| place("s", &number.to_string()) < 0.1).count();
        // Within four standard deviations of a tenth.
        assert!((below as f64 - 2000.0).abs() < 4.0 * (0.1f64 * 0.9 * 20_000.0).sqrt(), "{below}");
    }
}
