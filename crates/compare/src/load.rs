//! `release.yaml` of a pipeline, with what it leaves to other files.

use serde_json::{Value, json};
use spec::{Environment, Error, Loaded, Map, Name, Result, Root, Tool};

use crate::CompareSpec;

/// `resources/<pipeline>/release.yaml`, with the arms of `serve.yaml` where it names none; and the hash of both.
///
/// # Errors
/// Cannot run: no such file, or one that is not valid; no arms in either.
pub fn load(root: &Root, pipeline: &Name, env: &Environment) -> Result<(CompareSpec, String)> {
    let file = root.spec(pipeline, Tool::Release)?;
    let text = spec::text_of(root, &file)?;
    let Loaded { spec, hash } = spec::parse::<CompareSpec>(&text, &file, env)?;
    if !spec.arms.is_empty() {
        return Ok((spec, hash));
    }
    let missing = || {
        Error::cannot_run(format!("{}: it names no arms, and {} has none either", file.display(), Tool::Serve))
            .hint("write them, such as `arms: {production: 0.9, staging: 0.1}`")
    };
    let other = root.spec(pipeline, Tool::Serve).map_err(|_| missing())?;
    let text = spec::text_of(root, &other)?;
    let served = spec::parse::<Map<Value>>(&text, &other, env)?;
    let arms = shares(served.spec.get("arms").ok_or_else(missing)?);
    Ok((spec.with_arms(arms).map_err(|error| error.placed(&text, &other))?, format!("{hash}{}", served.hash)))
}

/// The arms of `serve.yaml` that answer, with their shares: one of them may leave it out and gets what the others leave.
fn shares(arms: &Value) -> Map<f64> {
    let answering = arms.as_object().into_iter().flatten().filter(|(_, arm)| arm["shadow"] != json!(true));
    let arms: Vec<(String, Option<f64>)> = answering.map(|(name, arm)| (name.clone(), arm["share"].as_f64())).collect();
    let given: f64 = arms.iter().filter_map(|(_, share)| *share).sum();
    arms.into_iter()
        .map(|(name, share)| (name, share.unwrap_or(1.0 - given)))
        .filter(|(_, share)| *share > 0.0)
        .collect()
}

/// The pipeline under whose name requests and outcomes are sealed: the one that the spec names, or `<pipeline>_served`.
///
/// # Errors
/// Cannot run: the name would be too long.
pub fn served(named: Option<&Name>, pipeline: &Name) -> Result<Name> {
    named.map_or_else(|| Name::new(format!("{pipeline}_served")), |served| Ok(served.clone()))
}
