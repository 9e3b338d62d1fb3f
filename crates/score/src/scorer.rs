//! Scores rows with one version of a model: batches of a table or a single row, by the same code.
//!
//! A scorer holds all that is prepared once, and nothing that changes: any number of threads may share it.

use artifact::PolarsResultExt;
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, IntoColumn, NamedFrom, PlSmallStr, Schema, Series, TimeUnit,
};
use spec::{Error, Result};

use crate::matrix::Encoder;
use crate::metrics::largest;
use crate::reasons::reasons as in_words;
use crate::{Feature, LoadedVersion, Matrix, Reason, Task};

mod values;

pub use values::Predicted;

const DOING: &str = "scores";

/// Scores rows with one version of a model.
pub struct Scorer {
    loaded: LoadedVersion,
    encoder: Encoder,
    /// Columns that say what a score is about: those that the table carries, with entity and time.
    keys: Vec<String>,
    schema: Schema,
    reasons: usize,
}

/// Rows that were scored.
pub struct ScoredRows {
    /// A line per row, in their order, with the columns of [`Scorer::schema`].
    pub table: DataFrame,
    /// The rows as the model saw them.
    pub matrix: Matrix,
}

impl Scorer {
    /// Scores rows of a table with the columns `rows`, each with its `reasons` strongest reasons. `carried` are the columns that
    /// say what a row is about besides entity and time.
    ///
    /// Errors: a table that lacks a feature or has it with another type, one without the model's keys, a key with the name
    /// of a column of the scores.
    pub fn new(loaded: LoadedVersion, rows: &Schema, carried: &[String], reasons: usize) -> Result<Scorer> {
        let manifest = &loaded.manifest;
        Feature::check_signature(&manifest.features, rows)
            .map_err(|error| error.context(format!("model {}", loaded.version)))?;
        let mut keys: Vec<String> = carried.iter().filter(|name| rows.contains(name)).cloned().collect();
        for (place, key) in [Some(&manifest.entity), manifest.time.as_ref()].into_iter().flatten().enumerate() {
            if !keys.contains(key) {
                keys.insert(place.min(keys.len()), key.clone());
            }
        }
        let mut ours: Vec<(PlSmallStr, DataType)> = match &manifest.classes {
            None => vec![("score".into(), DataType::Float64)],
            Some(classes) => of_classes(&classes.names, &[], |name| name.into())
                .into_iter()
                .map(|column| (column.name().clone(), column.dtype().clone()))
                .collect(),
        };
        if loaded.intervals.is_some() {
            ours.extend([("low".into(), DataType::Float64), ("high".into(), DataType::Float64)]);
        }
        if manifest.task == Task::Classification {
            ours.push(("decision".into(), DataType::Boolean));
        }
        ours.push(("model_version".into(), DataType::String));
        if reasons > 0 {
            ours.push(("reasons".into(), DataType::String));
        }
        ours.push(("scored_at".into(), DataType::Datetime(TimeUnit::Microseconds, None)));
        if let Some(key) = keys.iter().find(|key| ours.iter().any(|(name, _)| name == key.as_str())) {
            return Err(Error::cannot_run(format!("column '{key}': predictions have a column of this name"))
                .hint("give the entity or time another name in features.yaml or clean.yaml, and train again"));
        }
        let mut schema = Schema::default();
        for key in &keys {
            let dtype = rows.get(key).ok_or_else(|| Error::cannot_run(format!("no column '{key}' to score by")))?;
            schema.with_column(key.as_str().into(), dtype.clone());
        }
        schema.extend(ours);
        let encoder = Encoder::new(&manifest.features);
        Ok(Scorer { encoder, loaded, keys, schema, reasons })
    }

    /// The columns of the scores: the keys, then what the model says of each row.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns that say whom a score is about: entity, then time.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The version that scores.
    pub fn loaded(&self) -> &LoadedVersion {
        &self.loaded
    }

    /// Whether the model can say what its scores are made of.
    pub fn gives_reasons(&self) -> Result<bool> {
        let features = &self.loaded.manifest.features;
        let one = Matrix::from_columns(features.clone(), vec![vec![f64::NAN]; features.len()])?;
        Ok(self.loaded.model.contributions(&one)?.is_some())
    }

    /// Scores `rows`: one, or as many as there are. `scored_at`: microseconds since 1970.
    ///
    /// Errors: a score that is not a finite number.
    pub fn score(&self, rows: &DataFrame, scored_at: i64) -> Result<ScoredRows> {
        let manifest = &self.loaded.manifest;
        let matrix = self.encoder.encode(rows)?;
        let scores = self.loaded.model.predict(&matrix)?;
        if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::refused(format!("model {}: a score is {score}", self.loaded.version))
                .hint("the model is damaged, or a value of the rows is far beyond those of training; see the card"));
        }
        let mut columns: Vec<Column> = Vec::with_capacity(self.schema.len());
        for key in &self.keys {
            columns.push(rows.column(key).during(DOING)?.clone());
        }
        match &manifest.classes {
            Some(classes) => columns.extend(of_classes(&classes.names, &scores, |name| name.into())),
            None => {
                let bounds = self.loaded.intervals.as_ref();
                let bounds = bounds.map(|intervals| intervals.bounds(&matrix, &scores)).transpose()?;
                let threshold = manifest.threshold.as_ref().map(|threshold| threshold.value);
                let decisions: Option<Vec<bool>> =
                    threshold.map(|threshold| scores.iter().map(|score| *score >= threshold).collect());
                columns.push(Column::new("score".into(), scores));
                if let Some(bounds) = bounds {
                    columns.push(Column::new("low".into(), bounds.low));
                    columns.push(Column::new("high".into(), bounds.high));
                }
                if manifest.task == Task::Classification {
                    columns.push(Column::new("decision".into(), decisions.unwrap_or_default()));
                }
            }
        }
        let version = PlSmallStr::from(self.loaded.version.to_string());
        columns.push(Column::new_scalar("model_version".into(), version.into(), rows.height()));
        if self.reasons > 0 {
            columns.push(Column::new("reasons".into(), self.reasons(rows, &matrix)?));
        }
        let at = Series::new("scored_at".into(), vec![scored_at; rows.height()]);
        columns.push(at.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during(DOING)?.into_column());
        let table = DataFrame::new(rows.height(), columns).during(DOING)?;
        Ok(ScoredRows { table, matrix })
    }

    /// The strongest reasons of every row, one text each; null if the model cannot say.
    fn reasons(&self, rows: &DataFrame, matrix: &Matrix) -> Result<Vec<Option<String>>> {
        let Some(strongest) = self.loaded.model.strongest(matrix, self.reasons)? else {
            return Ok(vec![None; matrix.rows()]);
        };
        let features = &self.loaded.manifest.features;
        let columns: Vec<&Column> =
            features.iter().map(|feature| rows.column(&feature.name).during("reasons")).collect::<Result<_>>()?;
        // A category that the model does not know, and an infinite number, are missing values to it, but not to
        // the reader of the reason.
        let in_the_row = |feature: usize, row: usize| match columns[feature].get(row).ok()? {
            AnyValue::Null => None,
            value if value.is_primitive_numeric() => value.try_extract::<f64>().ok().map(|number| number.to_string()),
            value => Some(value.str_value().into_owned()),
        };
        let text = |(row, reasons): (usize, &Vec<Reason>)| {
            Some(in_words(reasons, features, &|at| matrix.value(at, row), &|at| in_the_row(at, row)).join("; "))
        };
        Ok(strongest.iter().enumerate().map(text).collect())
    }
}

/// Whether predictions of a task have a column of this name beside the keys of the rows, whatever `predict.yaml` says.
pub fn is_of_predictions(name: &str, task: Task, has_intervals: bool) -> bool {
    match name {
        "score" => task != Task::Multiclass,
        "class" => task == Task::Multiclass,
        "decision" => task == Task::Classification,
        "low" | "high" => has_intervals,
        "model_version" | "scored_at" => true,
        other => task == Task::Multiclass && other.starts_with("probability_"),
    }
}

/// A column `probability_<class>` per class and `class`, the most probable one, from one probability per row and class.
/// `name` makes the name of a column one that is free.
pub fn of_classes(classes: &[String], probabilities: &[f64], name: impl Fn(&str) -> PlSmallStr) -> Vec<Column> {
    let count = classes.len();
    let of_class = |class: usize| -> Vec<f64> { probabilities.iter().skip(class).step_by(count).copied().collect() };
    let mut columns: Vec<Column> = classes
        .iter()
        .enumerate()
        .map(|(class, text)| Column::new(name(&format!("probability_{text}")), of_class(class)))
        .collect();
    let predicted: Vec<&str> = probabilities.chunks(count).map(|row| classes[largest(row)].as_str()).collect();
    columns.push(Column::new(name("class"), predicted));
    columns
}
