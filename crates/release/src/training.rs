//! What of `train.yaml` answers need: by which metric versions are chosen, and how intervals are drawn. The rest is for `train`,
//! whose libraries no other tool carries.

use score::Draws;
use score::metrics::Metric;
use serde::de::DeserializeOwned;
use serde_json::Value;
use spec::{Map, Result, Tool};

use crate::context::Context;

pub struct Training {
    /// The table that is learned from.
    pub table: String,
    /// The metric that chooses, if the file names one.
    pub choose_by: Option<Metric>,
    /// The metric that promotes, if the file names one.
    pub promote_by: Option<Metric>,
    pub draws: Draws,
}

impl Training {
    /// Reads the file of the pipeline.
    ///
    /// # Errors
    /// Cannot run: no file, or none that is YAML.
    pub fn of(context: &Context) -> Result<Training> {
        let file = context.root.spec(&context.pipeline, Tool::Train)?;
        let text = spec::text_of(&context.root, &file)?;
        let spec = spec::parse::<Map<Value>>(&text, &file, &context.env)?.spec;
        let promote_by = spec.get("promote").and_then(|promote| value(promote.get("metric")?));
        let times = get(&spec, "resamples").unwrap_or(500);
        Ok(Training {
            table: get(&spec, "table").unwrap_or_else(|| "training".to_owned()),
            choose_by: get(&spec, "choose_by"),
            promote_by,
            draws: Draws { times, seed: get(&spec, "seed").unwrap_or(42) },
        })
    }
}

fn get<T: DeserializeOwned>(spec: &Map<Value>, key: &str) -> Option<T> {
    value(spec.get(key)?)
}

fn value<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}
