//! Prediction intervals of a fitted model: bounds that hold the label of a new row with a chosen probability.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::label_transform::logarithms;
use crate::models::boosted::Library;
use crate::models::{exact, load_model};
use crate::{Clip, Feature, LabelTransform, Matrix, Model};

/// How the bounds of prediction intervals are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// As far on both sides of the prediction as the errors of the validation rows reach (split-conformal: Lei et al. 2018,
    /// "Distribution-free predictive inference for regression"). Equally wide for all rows; with `label_transform:
    /// log` as a share of the prediction.
    #[default]
    Conformal,
    /// Two models of the quantiles at both ends, widened or narrowed on the validation rows until they cover
    /// (conformalized quantile regression: Romano, Patterson and Candès 2019). As wide as each row needs. Learner and
    /// settings are those of the chosen experiment if it is a `lightgbm` or an `xgboost` (without `increasing` and
    /// `decreasing`, which do not go with quantiles), else the defaults of `lightgbm`.
    Quantiles,
}

impl IntervalMethod {
    /// As written in YAML.
    pub fn name(self) -> &'static str {
        match self {
            IntervalMethod::Conformal => "conformal",
            IntervalMethod::Quantiles => "quantiles",
        }
    }
}

/// What `model.json` says of a model's intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalRecord {
    pub coverage: f64,
    pub by: IntervalMethod,
    /// On the scale that is learned on: how far the bounds are from the prediction (`conformal`), or how much farther out
    /// than the two quantile models say (`quantiles`; negative: farther in).
    #[serde(with = "exact")]
    pub margin: f64,
    /// The scale of the margin; none if it is the label's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_transform: Option<LabelTransform>,
    /// The range that the bounds are kept in, in the label's unit; none if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// Model files of the lower and the upper quantile, in folders of their own (`quantiles`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<[String; 2]>,
}

/// One lower and one upper bound per row, in the label's unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

/// Folders of the two quantile models in a version's folder.
const FOLDERS: [&str; 2] = ["interval_low", "interval_high"];

/// Fitted intervals of one model.
pub struct Intervals {
    record: IntervalRecord,
    /// Models of the lower and the upper quantile, on the scale of the margin.
    quantiles: Option<[Box<dyn Model>; 2]>,
}

/// Lower and upper scores, in order where the models cross.
pub fn quantile_scores(models: &[Box<dyn Model>; 2], rows: &Matrix) -> Result<[Vec<f64>; 2]> {
    let (mut low, mut high) = (models[0].predict(rows)?, models[1].predict(rows)?);
    for (low, high) in low.iter_mut().zip(&mut high) {
        if low > high {
            std::mem::swap(low, high);
        }
    }
    Ok([low, high])
}

impl Intervals {
    /// What was fitted; models of the quantiles only by [`IntervalMethod::Quantiles`].
    pub fn new(record: IntervalRecord, quantiles: Option<[Box<dyn Model>; 2]>) -> Intervals {
        Intervals { record, quantiles }
    }

    /// The same with bounds that are kept in a range, if there is one.
    pub fn within(mut self, clip: Option<Clip>) -> Intervals {
        self.record.clip = clip;
        self
    }

    /// The bounds of `rows`, for which the model predicted `predicted` in the label's unit.
    pub fn bounds(&self, rows: &Matrix, predicted: &[f64]) -> Result<Bounds> {
        match &self.quantiles {
            None => Ok(self.around(predicted)),
            Some(models) => Ok(self.widened(quantile_scores(models, rows)?)),
        }
    }

    /// The same where they depend on the predictions alone; `None` where rows have quantiles of their own.
    pub fn bounds_of(&self, predicted: &[f64]) -> Option<Bounds> {
        self.quantiles.is_none().then(|| self.around(predicted))
    }

    fn is_log(&self) -> bool {
        self.record.label_transform == Some(LabelTransform::Log)
    }

    fn around(&self, predicted: &[f64]) -> Bounds {
        let centre = if self.is_log() { logarithms(predicted) } else { predicted.to_vec() };
        self.widened([centre.clone(), centre])
    }

    /// Both by the margin, and in the label's unit.
    fn widened(&self, [mut low, mut high]: [Vec<f64>; 2]) -> Bounds {
        let (margin, log) = (self.record.margin, self.is_log());
        for (low, high) in low.iter_mut().zip(&mut high) {
            (*low, *high) = (*low - margin, *high + margin);
            // A negative margin may turn narrow bounds round: then they meet in their middle.
            if low > high {
                *low = (*low + *high) / 2.0;
                *high = *low;
            }
            if log {
                (*low, *high) = (low.exp(), high.exp());
            }
            if let Some(clip) = self.record.clip {
                (*low, *high) = (clip.cut(*low), clip.cut(*high));
            }
        }
        Bounds { low, high }
    }

    pub fn record(&self) -> &IntervalRecord {
        &self.record
    }

    /// Writes the quantile models, if there are any, into `folder`; returns what `model.json` says.
    pub fn save(&self, folder: &Path) -> Result<IntervalRecord> {
        let mut record = self.record.clone();
        if let Some([low, high]) = &self.quantiles {
            let save = |model: &dyn Model, name: &str| {
                let own = folder.join(name);
                std::fs::create_dir(&own).map_err(|error| Error::io("create", &own, &error))?;
                Ok::<String, Error>(format!("{name}/{}", model.save(&own)?))
            };
            record.files = Some([save(low.as_ref(), FOLDERS[0])?, save(high.as_ref(), FOLDERS[1])?]);
        }
        Ok(record)
    }

    /// Reads the intervals of the version in `folder`, whose model has these features.
    pub fn load(record: &IntervalRecord, folder: &Path, features: &[Feature]) -> Result<Intervals> {
        let load = |file: &str| {
            // The name of a file says which library wrote it.
            let library = Library::of_file(file).ok_or_else(|| {
                Error::cannot_run(format!(
                    "{}: no library is known that writes such models",
                    folder.join(file).display()
                ))
                .hint("read it with the version of millrace that wrote it")
            })?;
            load_model(library.learner(), folder, file, features.to_vec())
        };
        let quantiles = match &record.files {
            Some([low, high]) => Some([load(low)?, load(high)?]),
            None if record.by == IntervalMethod::Quantiles => {
                return Err(Error::cannot_run(format!("{}: the quantile models are not named", folder.display()))
                    .hint("restore the version or train again"));
            }
            None => None,
        };
        Ok(Intervals { record: record.clone(), quantiles })
    }
}
