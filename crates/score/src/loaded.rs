//! A version of a model, read and ready to score; and whether rows mean what it learned.

use artifact::Definitions;
use spec::{Error, Result};

use crate::{Intervals, Manifest, Model, Version};

/// A version with its model, read by [`crate::Registry::load`]: the one in production or any other.
pub struct LoadedVersion {
    pub version: Version,
    pub manifest: Manifest,
    pub model: Box<dyn Model>,
    /// The bounds beside each prediction; `None` if the version has none.
    pub intervals: Option<Intervals>,
}

impl LoadedVersion {
    /// Whether the columns of `table`, which mean `now`, mean what the model learned. `Some` says why it is unknown: the
    /// version, or the table, does not say how its columns are made. `of_training`: what the columns of the table mean today
    /// that the model learned from, if it is available; rows to score need not have the label themselves.
    ///
    /// Errors: columns that the model learned from, or its label, that mean something else.
    pub fn check_meaning(
        &self,
        table: &str,
        now: Option<&Definitions>,
        of_training: Option<&Definitions>,
    ) -> Result<Option<String>> {
        let (version, manifest) = (self.version, &self.manifest);
        let (was, now) = match (&manifest.definitions, now) {
            (Some(was), Some(now)) => (was, now),
            (None, Some(_)) => {
                return Ok(Some(format!(
                    "{version} does not say how its features are made, so it is unknown whether those of table '{table}' \
                     still mean the same; train again to be sure"
                )));
            }
            (Some(_), None) => {
                return Ok(Some(format!(
                    "table '{table}' does not say how its columns are made, so it is unknown whether they mean what \
                     {version} learned"
                )));
            }
            (None, None) => return Ok(None),
        };
        let mut changed = was.changed(now, manifest.features.iter().map(|feature| feature.name.as_str()));
        let asked = if now.of_features { Some(now) } else { of_training };
        let label = asked.and_then(|asked| was.changed_label(asked, &manifest.label));
        changed.extend(label.map(|changed| format!("the label {changed}")));
        match changed.is_empty() {
            true => Ok(None),
            false => Err(Error::refused(format!(
                "model {version}, table '{table}': its columns are defined differently from those that the model learned: {}",
                changed.join("; ")
            ))
            .hint(format!(
                "run `bin/train {0}` and, if need be, `bin/release {0} --promote VERSION --why TEXT`, or go back to the spec \
                 that {version} was trained with",
                manifest.origin.pipeline
            ))),
        }
    }
}
