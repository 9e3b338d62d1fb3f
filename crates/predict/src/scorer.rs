//! Scores batches of feature rows, with their reasons.

use artifact::PolarsResultExt;
use learn::{Champion, Intervals, Likeness, Matrix, Task, of_classes, reasons};
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, PlSmallStr, Schema, Series, TimeUnit};
use spec::{Error, Result};

/// Scores batches of feature rows.
pub struct Scorer {
    champion: Champion,
    /// Bounds beside each score, if the model has them.
    intervals: Option<Intervals>,
    /// Columns that say whom a score is about: entity, then time.
    keys: Vec<String>,
    schema: Schema,
    reasons: usize,
    /// Microseconds since 1970.
    scored_at: i64,
}

impl Scorer {
    pub fn new(
        (champion, intervals): (Champion, Option<Intervals>),
        features: &Schema,
        reasons: usize,
        scored_at: i64,
    ) -> Result<Scorer> {
        let manifest = &champion.manifest;
        let keys: Vec<String> =
            [Some(&manifest.entity), manifest.time.as_ref()].into_iter().flatten().cloned().collect();
        let mut ours: Vec<(PlSmallStr, DataType)> = match &manifest.classes {
            None => vec![("score".into(), DataType::Float64)],
            Some(classes) => of_classes(&classes.names, &[], |name| name.into())
                .into_iter()
                .map(|column| (column.name().clone(), column.dtype().clone()))
                .collect(),
        };
        if intervals.is_some() {
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
            let dtype = features.get(key).ok_or_else(|| Error::cannot_run(format!("no column '{key}' to score by")))?;
            schema.with_column(key.as_str().into(), dtype.clone());
        }
        schema.extend(ours);
        Ok(Scorer { champion, intervals, keys, schema, reasons, scored_at })
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Scores rows and counts them in `likeness`.
    pub fn score(&self, rows: &DataFrame, likeness: &mut Likeness) -> Result<DataFrame> {
        let doing = "scores";
        let manifest = &self.champion.manifest;
        let matrix = Matrix::from_frame(rows, &manifest.features)?;
        likeness.observe(rows, &matrix)?;
        let scores = self.champion.model.predict(&matrix)?;
        if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::refused(format!("model {}: a score is {score}", self.champion.version))
                .hint("the model is damaged, or a value of the rows is far beyond those of training; see the card"));
        }
        let mut columns: Vec<Column> = Vec::new();
        for key in &self.keys {
            columns.push(rows.column(key).during(doing)?.clone());
        }
        let threshold = manifest.threshold.as_ref().map(|threshold| threshold.value);
        let decisions: Option<Vec<bool>> =
            threshold.map(|threshold| scores.iter().map(|score| *score >= threshold).collect());
        if let Some(classes) = &manifest.classes {
            columns.extend(of_classes(&classes.names, &scores, |name| name.into()));
            return self.finish(columns, rows, &matrix);
        }
        let bounds = self.intervals.as_ref().map(|intervals| intervals.bounds(&matrix, &scores)).transpose()?;
        columns.push(Series::new("score".into(), scores).into_column());
        if let Some(bounds) = bounds {
            columns.push(Series::new("low".into(), bounds.low).into_column());
            columns.push(Series::new("high".into(), bounds.high).into_column());
        }
        if manifest.task == Task::Classification {
            columns.push(Series::new("decision".into(), decisions.unwrap_or_default()).into_column());
        }
        self.finish(columns, rows, &matrix)
    }

    /// Adds what every score has: the model's version, reasons where they are asked for, and the time.
    fn finish(&self, mut columns: Vec<Column>, rows: &DataFrame, matrix: &Matrix) -> Result<DataFrame> {
        let doing = "scores";
        let version = PlSmallStr::from(self.champion.version.to_string());
        columns.push(Column::new_scalar("model_version".into(), version.into(), rows.height()));
        if self.reasons > 0 {
            columns.push(Series::new("reasons".into(), self.reasons(rows, matrix)?).into_column());
        }
        let scored_at = Series::new("scored_at".into(), vec![self.scored_at; rows.height()]);
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        columns.push(scored_at.cast(&moment).during(doing)?.into_column());
        DataFrame::new(rows.height(), columns).during(doing)
    }

    /// The strongest reasons of every row, one text each; null if the model cannot say.
    fn reasons(&self, rows: &DataFrame, matrix: &Matrix) -> Result<Vec<Option<String>>> {
        let Some(contributions) = self.champion.model.contributions(matrix)? else {
            return Ok(vec![None; matrix.rows()]);
        };
        let features = &self.champion.manifest.features;
        let width = features.len();
        let values = matrix.row_major(0..matrix.rows());
        let mut texts: Vec<Option<Column>> = Vec::with_capacity(width);
        for feature in features {
            let text = || rows.column(&feature.name)?.cast(&DataType::String);
            texts.push(feature.categories().map(|_| text()).transpose().during("reasons")?);
        }
        Ok((0..matrix.rows())
            .map(|row| {
                let values = &values[row * width..(row + 1) * width];
                // A category that the model does not know is a missing value to it, but not to whoever reads the reason.
                let unseen = |at: usize| Some(texts[at].as_ref()?.str().ok()?.get(row)?.to_owned());
                Some(reasons(contributions.row(row), features, values, &unseen, self.reasons).join("; "))
            })
            .collect())
    }
}
