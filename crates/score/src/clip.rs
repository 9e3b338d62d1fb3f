//! Predictions that are kept within a range, such as counts that are never below 0.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;
use spec::text::number;

use crate::{Contributions, Feature, Matrix, Model, Numbers, Reason, Transformed, Tuned};

/// The range of predictions and of the bounds beside them: what lies outside becomes its nearest end. In the label's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The least prediction. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The greatest prediction. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Clip {
    /// Why it is no range, if it is none.
    pub fn fault(&self) -> Option<String> {
        let ends = [self.at_least, self.at_most];
        match (self.at_least, self.at_most) {
            (None, None) => Some("it says nothing; write at_least, at_most or both".to_owned()),
            _ if ends.into_iter().flatten().any(|end| !end.is_finite()) => Some("its ends must be numbers".to_owned()),
            (Some(least), Some(most)) if least >= most => {
                Some(format!("at_least {} is not below at_most {}", number(least), number(most)))
            }
            _ => None,
        }
    }

    /// The number in the range that is nearest to `value`. What is infinite or NaN stays so: it is the sign of a damaged model.
    pub fn cut(&self, value: f64) -> f64 {
        match (self.at_least, self.at_most) {
            _ if !value.is_finite() => value,
            (Some(least), _) if value < least => least,
            (_, Some(most)) if value > most => most,
            _ => value,
        }
    }

    /// All of them, see [`Clip::cut`].
    pub fn cut_all(&self, values: &mut [f64]) {
        values.iter_mut().for_each(|value| *value = self.cut(*value));
    }

    /// `model`, with its predictions cut.
    pub fn around(self, model: Box<dyn Model>) -> Box<dyn Model> {
        Box::new(ClippedModel { model, clip: self })
    }
}

impl fmt::Display for Clip {
    /// `0 or more`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least.map(number), self.at_most.map(number)) {
            (Some(least), Some(most)) => write!(f, "from {least} to {most}"),
            (Some(least), None) => write!(f, "{least} or more"),
            (None, Some(most)) => write!(f, "{most} or less"),
            (None, None) => Ok(()),
        }
    }
}

struct ClippedModel {
    model: Box<dyn Model>,
    clip: Clip,
}

impl Model for ClippedModel {
    fn learner(&self) -> &'static str {
        self.model.learner()
    }

    fn features(&self) -> &[Feature] {
        self.model.features()
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        let mut scores = self.model.predict(rows)?;
        self.clip.cut_all(&mut scores);
        Ok(scores)
    }

    fn predict_values(&self, values: &Numbers) -> Option<Result<Vec<f64>>> {
        let scores = self.model.predict_values(values)?;
        Some(scores.map(|mut scores| {
            self.clip.cut_all(&mut scores);
            scores
        }))
    }

    fn save(&self, folder: &Path) -> Result<String> {
        self.model.save(folder)
    }

    fn label_transform(&self) -> Option<Transformed> {
        self.model.label_transform()
    }

    fn tuned(&self) -> Tuned {
        self.model.tuned()
    }

    /// Of the prediction before it is cut.
    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        self.model.contributions(rows)
    }

    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        self.model.strongest(rows, count)
    }

    fn effort(&self) -> usize {
        self.model.effort()
    }

    fn importance(&self) -> Vec<f64> {
        self.model.importance()
    }

    fn notes(&self) -> serde_json::Value {
        self.model.notes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_become_the_nearest_end() {
        let clip = |at_least, at_most| Clip { at_least, at_most };
        let mut values = [-1.5, 0.0, 0.25, 7.0, 1e300];
        clip(Some(0.0), Some(7.0)).cut_all(&mut values);
        assert_eq!(values, [0.0, 0.0, 0.25, 7.0, 7.0]);
        assert!(clip(Some(0.0), Some(1.0)).cut(f64::NAN).is_nan(), "a damaged score stays one");
        assert_eq!(clip(Some(0.0), Some(1.0)).cut(f64::INFINITY), f64::INFINITY);
        assert_eq!((clip(None, Some(1.0)).cut(-9.0), clip(Some(0.0), None).cut(9.0)), (-9.0, 9.0));
        let shown = [clip(Some(0.0), None), clip(None, Some(1.5)), clip(Some(-1.0), Some(1.0))];
        assert_eq!(shown.map(|clip| clip.to_string()), ["0 or more", "1.5 or less", "from -1 to 1"]);
        let faults = [clip(None, None), clip(Some(1.0), Some(1.0)), clip(Some(f64::INFINITY), None)];
        assert_eq!(
            faults.map(|clip| clip.fault().unwrap()),
            [
                "it says nothing; write at_least, at_most or both",
                "at_least 1 is not below at_most 1",
                "its ends must be numbers"
            ]
        );
        assert_eq!(clip(Some(0.0), Some(1.0)).fault(), None);
    }
}
