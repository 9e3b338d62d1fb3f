//! A version in memory, ready to answer.

use std::sync::Arc;

use artifact::{Artifact, PolarsResultExt};
use score::{LoadedVersion, Registry, Scorer, Task, Version};
use spec::{Error, Result};

use crate::health::{self, Health};
use crate::signature::{OtherColumn, Signature};
use crate::spec::ServeSpec;
use crate::speed::Speed;
use crate::stored::Stored;

/// A version with its columns and its stored rows. Nothing in it changes.
pub struct Arm {
    pub version: Version,
    /// The version's name, as answers have it.
    pub version_text: String,
    pub scorer: Scorer,
    pub signature: Signature,
    /// The newest features; `None` if the pipeline has no such table.
    pub stored: Option<Stored>,
    /// Names of the classes, if there are several.
    pub classes: Option<Vec<String>>,
    pub task: Task,
    /// Whether it can say what its scores are made of.
    pub gives_reasons: bool,
    pub health: Health,
    /// How it answers.
    pub speed: Speed,
}

impl Arm {
    /// Loads `version` and makes it prove that it scores as it did in its test.
    ///
    /// Errors: files of the version that changed; a table that does not fit it or whose columns mean something else;
    /// predictions that differ from those of its test.
    pub fn load(
        registry: &Registry,
        version: Version,
        spec: &ServeSpec,
        features: &[Artifact],
        root: &spec::Root,
    ) -> Result<Arm> {
        let loaded = registry.load(version)?;
        let table = &spec.table;
        let has_table = features.iter().any(|artifact| artifact.is_table() && artifact.table == *table);
        let manifest = loaded.manifest.clone();
        let schema = match has_table {
            true => {
                let means = artifact::definitions_of(features, table)?;
                let of_training = artifact::definitions_of(features, &manifest.table)?;
                if let Some(unknown) = loaded.check_meaning(table, means.as_ref(), of_training.as_ref())? {
                    tracing::warn!("serve {}: {unknown}", manifest.origin.pipeline);
                }
                let schema = artifact::scan(features, table)?.collect_schema().during(format!("table '{table}'"))?;
                schema.as_ref().clone()
            }
            false => health::schema_of(&loaded)?,
        };
        let scorer = Scorer::new(loaded, &schema, &[], 0)?;
        let health = health::check(&scorer, registry, spec.health_check, root)?;
        let stored = match has_table {
            true => {
                Some(Stored::read(features, table, &manifest.features, &manifest.entity, manifest.time.as_deref())?)
            }
            false => None,
        };
        let beside = [Some(&manifest.entity), manifest.time.as_ref()].into_iter().flatten().map(|name| {
            let of_table = if has_table { schema.get(name) } else { None };
            OtherColumn::new(name, of_table.map(artifact::type_name).as_deref())
        });
        let beside = beside.collect();
        Ok(Arm {
            version,
            version_text: version.to_string(),
            signature: Signature::new(&manifest.features, beside, spec.unknown_categories),
            gives_reasons: scorer.gives_reasons()?,
            classes: manifest.classes.map(|classes| classes.names),
            task: manifest.task,
            stored,
            scorer,
            health,
            speed: Speed::default(),
        })
    }

    /// The manifest of the version.
    pub fn manifest(&self) -> &score::Manifest {
        &self.loaded().manifest
    }

    fn loaded(&self) -> &LoadedVersion {
        self.scorer.loaded()
    }
}

/// An arm of a deployment: its name, and the version that is it now.
#[derive(Clone)]
pub struct NamedArm {
    pub name: Arc<str>,
    pub arm: Arc<Arm>,
    /// The share of visitors; `None` for a shadow.
    pub share: Option<f64>,
}

/// No version can answer for this reason.
pub fn no_model(pipeline: &str) -> Error {
    Error::cannot_run(format!("pipeline '{pipeline}': no model is in production"))
        .hint(format!("run `bin/train {pipeline}`"))
}
