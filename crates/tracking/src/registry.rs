//! Registered models: a version for each of ours that passed its gate, with its stage as tag and alias.

use std::collections::HashMap;

use serde_json::{Value, json};
use spec::Result;

use crate::TAG;
use crate::api::Api;
use crate::runs::{Key, Known, key};
use crate::tracked::{Sent, Tracked};

/// The stages that have an alias: `models:/<pipeline>@production`.
const ALIASES: [&str; 2] = ["production", "staging"];

/// A model version as the server has it.
struct Registered {
    number: String,
    stage: Option<String>,
}

/// Registers what is missing, and sets the tags and aliases of each version's stage.
pub(crate) async fn update(
    api: &Api,
    model: &str,
    versions: &[Tracked],
    runs: &HashMap<Key, Known>,
    sent: &mut Sent,
) -> Result<()> {
    let ours: Vec<&Tracked> = versions.iter().filter(|version| version.registered).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let aliases = aliases(api, model).await?;
    let mut known = registered(api, model).await?;
    let run_of = |version: &Tracked| {
        let chosen = version.runs.iter().find(|run| run.chosen)?;
        runs.get(&key(version, chosen)).filter(|run| !run.deleted)
    };
    for version in &ours {
        if let Some(run) = run_of(version).filter(|run| !known.contains_key(&run.id)) {
            known.insert(run.id.clone(), create(api, model, version, run).await?);
            sent.registered.push(version.version.clone());
        }
    }
    for version in &ours {
        if let (Some(there), Some(stage)) = (run_of(version).and_then(|run| known.get(&run.id)), &version.stage)
            && there.stage.as_ref() != Some(stage)
        {
            let key = format!("{TAG}.stage");
            let tag = json!({ "name": model, "version": there.number, "key": key, "value": stage });
            api.post("model-versions/set-tag", &tag).await?;
        }
    }
    for alias in ALIASES {
        let wanted = ours.iter().find(|version| version.stage.as_deref() == Some(alias));
        let wanted = wanted.and_then(|version| Some((&version.version, &known.get(&run_of(version)?.id)?.number)));
        match (aliases.get(alias), wanted) {
            (Some(there), Some((_, number))) if there == number => {}
            (_, Some((version, number))) => {
                let body = json!({ "name": model, "alias": alias, "version": number });
                api.post("registered-models/alias", &body).await?;
                sent.aliases.push(format!("{alias} = {version}"));
            }
            (Some(_), None) => {
                api.delete("registered-models/alias", &json!({ "name": model, "alias": alias })).await?;
                sent.aliases.push(format!("{alias} = none"));
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// The aliases of the registered model with the numbers of their versions; the model is made if it is missing.
async fn aliases(api: &Api, model: &str) -> Result<HashMap<String, String>> {
    let Some(found) = api.get("registered-models/get", &[("name", model)]).await? else {
        api.post("registered-models/create", &json!({ "name": model })).await?;
        return Ok(HashMap::new());
    };
    let aliases = found["registered_model"]["aliases"].as_array().into_iter().flatten();
    Ok(aliases.filter_map(|alias| Some((text(&alias["alias"])?, text(&alias["version"])?))).collect())
}

/// The model versions, by the run that they come from.
async fn registered(api: &Api, model: &str) -> Result<HashMap<String, Registered>> {
    const SEARCH: &str = "model-versions/search";
    let mut known = HashMap::new();
    let mut page = String::new();
    loop {
        let filter = format!("name = '{model}'");
        let mut query = vec![("filter", filter.as_str()), ("max_results", "200")];
        if !page.is_empty() {
            query.push(("page_token", &page));
        }
        let found = api.get(SEARCH, &query).await?.unwrap_or(Value::Null);
        for version in found["model_versions"].as_array().into_iter().flatten() {
            let key = format!("{TAG}.stage");
            let mut tags = version["tags"].as_array().into_iter().flatten();
            let stage = tags.find(|tag| tag["key"] == key.as_str()).and_then(|tag| text(&tag["value"]));
            if let (Some(run), Some(number)) = (text(&version["run_id"]), text(&version["version"])) {
                known.insert(run, Registered { number, stage });
            }
        }
        match api.next_page(SEARCH, &found, page)? {
            Some(next) => page = next,
            None => return Ok(known),
        }
    }
}

async fn create(api: &Api, model: &str, version: &Tracked, run: &Known) -> Result<Registered> {
    const CREATE: &str = "model-versions/create";
    let made = api
        .post(
            CREATE,
            &json!({
                "name": model,
                "source": format!("{}/model", run.artifacts),
                "run_id": run.id,
                "tags": [{ "key": format!("{TAG}.version"), "value": version.version }],
            }),
        )
        .await?;
    let number = text(&made["model_version"]["version"]).ok_or_else(|| api.odd(CREATE, "version"))?;
    Ok(Registered { number, stage: None })
}

/// A text, or a number as text: servers differ.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
