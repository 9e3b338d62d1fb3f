//! `resources/llm.yaml`: which servers there are, what their models cost, and how fast and how far we may go.
//!
//! The file is optional. Without it there is one provider, `openai`, at `OPENAI_BASE_URL` with `OPENAI_API_KEY`.
//!
//! ```yaml
//! provider: openai                  # serves the models that are not named below
//! providers:
//!   openai:    {base_url: "${OPENAI_BASE_URL:-https://api.openai.com/v1}", key: "${OPENAI_API_KEY:-}"}
//!   anthropic: {base_url: "https://api.anthropic.com/v1", key: "${ANTHROPIC_API_KEY:-}"}
//!   ollama:    {base_url: "http://localhost:11434/v1"}
//!   vllm:      {base_url: "http://localhost:8000/v1"}
//!   llamacpp:  {base_url: "http://localhost:8080/v1"}
//!   litellm:   {base_url: "http://localhost:4000/v1", key: "${LITELLM_KEY:-}"}
//! models:
//!   small: {provider: openai, name: gpt-4o-mini, price: {input: 0.15, output: 0.60}}
//!   local: {provider: ollama, name: "qwen2.5:7b", price: {input: 0, output: 0}, structured: json_object}
//! limits: {requests_per_second: 10, concurrency: 8}
//! daily:  {money: 5}
//! ```

use std::path::Path;
use std::time::Duration;

use spec::{Environment, Error, Redactor, Result, ResultExt, Root, did_you_mean};

use crate::canonical;

mod written;

pub use written::{BreakerSpec, Daily, LimitsSpec, ModelSpec, Price, ProviderSpec, Secret, SettingsSpec, Structured};

/// Where OpenAI itself answers: there a key is needed.
const OPENAI: &str = "https://api.openai.com/v1";

const BUILT_IN: &str = "providers:\n  openai:\n    base_url: ${OPENAI_BASE_URL:-https://api.openai.com/v1}\n    \
                        key: ${OPENAI_API_KEY:-}\n";

/// A server, checked.
#[derive(Clone, Debug)]
pub struct Provider {
    pub name: String,
    /// Without a slash at its end.
    pub base_url: String,
    pub key: Secret,
    /// The variable that holds the key, to be named in errors.
    pub variable: Option<String>,
}

impl Provider {
    /// Whether it can be asked: it has a key, or it is not OpenAI and may need none.
    pub fn is_configured(&self) -> bool {
        !self.key.is_empty() || !self.is_openai()
    }

    /// Whether this is OpenAI's own address.
    pub fn is_openai(&self) -> bool {
        self.base_url == OPENAI
    }
}

/// A model with its provider, checked.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name that task files use.
    pub name: String,
    /// The name sent to the provider.
    pub wire_name: String,
    pub provider: Provider,
    pub price: Option<Price>,
    pub structured: Structured,
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Limits, checked.
#[derive(Clone, Debug)]
pub struct Limits {
    pub requests_per_second: f64,
    pub requests_per_minute: Option<u32>,
    pub tokens_per_minute: Option<u32>,
    pub concurrency: usize,
    pub timeout: Duration,
    pub retries: u32,
    pub backoff: Duration,
    pub retry_after_cap: Duration,
    pub breaker: Breaker,
}

impl Limits {
    /// The pauses between tries.
    pub fn backoff(&self) -> net::Backoff {
        net::Backoff { first: self.backoff, longest: self.retry_after_cap }
    }
}

/// The circuit breaker's settings, checked.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    pub failures: u32,
    pub pause: Duration,
    pub give_up_after: u32,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    providers: Vec<Provider>,
    default_provider: usize,
    models: Vec<Model>,
    pub limits: Limits,
    pub daily: Daily,
    pub log_bodies: bool,
    redactor: Hidden,
}

/// Knows all secrets, and so must not show.
#[derive(Clone)]
struct Hidden(Redactor);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Settings {
    /// Reads the file at `path`, relative to `root`; the built-in settings if there is none.
    ///
    /// # Errors
    /// Cannot run: with file and place, or the key.
    pub fn load(root: &Root, path: &Path, env: &Environment) -> Result<Settings> {
        if !root.join(path).exists() {
            return Settings::built_in(env);
        }
        Settings::parse_at(&spec::text_of(root, path)?, path, env)
    }

    /// One provider, `openai`, from `OPENAI_BASE_URL` and `OPENAI_API_KEY`.
    pub fn built_in(env: &Environment) -> Result<Settings> {
        Settings::parse(BUILT_IN, env)
    }

    /// Reads settings from their text.
    pub fn parse(text: &str, env: &Environment) -> Result<Settings> {
        Settings::parse_at(text, Path::new("llm.yaml"), env)
    }

    fn parse_at(text: &str, path: &Path, env: &Environment) -> Result<Settings> {
        let spec: SettingsSpec = spec::parse(text, path, env)?.spec;
        Settings::check(spec, text, env).map_err(|error| error.placed(text, path))
    }

    fn check(spec: SettingsSpec, text: &str, env: &Environment) -> Result<Settings> {
        let written: serde_yaml::Value = serde_yaml::from_str(text).unwrap_or_default();
        let mut providers = Vec::new();
        for (name, provider) in spec.providers.iter() {
            providers.push(check_provider(name, provider, &written).at(name).at("providers")?);
        }
        let known = || spec.providers.names();
        let find = |name: &str| {
            providers.iter().position(|provider: &Provider| provider.name == name).ok_or_else(|| {
                Error::cannot_run(format!("unknown provider '{name}'")).hint(did_you_mean(name, known())).at("provider")
            })
        };
        let default_provider = match &spec.provider {
            Some(name) => find(name)?,
            None if providers.is_empty() => {
                return Err(Error::cannot_run("none is named")
                    .hint("leave the file out for the built-in one")
                    .at("providers"));
            }
            None => 0,
        };
        let mut models = Vec::new();
        for (name, model) in spec.models.iter() {
            let at = match &model.provider {
                Some(provider) => find(provider).at(name).at("models")?,
                None => default_provider,
            };
            if let Some(price) = model.price {
                let fits = |value: f64| value >= 0.0 && value.is_finite();
                if !(fits(price.input) && fits(price.output) && fits(price.batch)) {
                    return Err(Error::cannot_run("found a price below 0").at("price").at(name).at("models"));
                }
            }
            models.push(Model {
                name: name.to_owned(),
                wire_name: model.name.clone().unwrap_or_else(|| name.to_owned()),
                provider: providers[at].clone(),
                price: model.price,
                structured: model.structured,
                extra: model.extra.clone(),
            });
        }
        let mut redactor = env.redactor();
        let keys = providers.iter().map(|provider: &Provider| provider.key.expose());
        keys.filter(|key| key.len() >= 4).for_each(|key| redactor.add(key));
        Ok(Settings {
            default_provider,
            models,
            limits: check_limits(&spec.limits).at("limits")?,
            daily: spec.daily,
            log_bodies: spec.log_bodies,
            redactor: Hidden(redactor),
            providers,
        })
    }

    /// The model that task files call `name`; one that the file does not name is the default provider's.
    pub fn model(&self, name: &str) -> Model {
        let named = self.models.iter().find(|model| model.name == name).cloned();
        named.unwrap_or_else(|| Model {
            name: name.to_owned(),
            wire_name: name.to_owned(),
            provider: self.providers[self.default_provider].clone(),
            price: None,
            structured: Structured::default(),
            extra: serde_json::Map::new(),
        })
    }

    /// The provider of this name, if the file names one.
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Whom a task asks that names this model, in words that differ where another model or other parameters are sent. Parameters are
    /// hashed.
    pub fn asked(&self, name: &str) -> String {
        let model = self.model(name);
        if model.wire_name == name && model.extra.is_empty() {
            return name.to_owned();
        }
        let extra = canonical::text(&serde_json::Value::Object(model.extra));
        format!("{name} (sent as {}, {})", model.wire_name, &blake3::hash(extra.as_bytes()).to_hex()[..16])
    }

    /// Whether at least one of a task's models can be asked.
    pub fn is_configured(&self, task: &crate::TaskFile) -> bool {
        task.models().iter().any(|name| self.model(name).provider.is_configured())
    }

    /// Removes every secret of the environment and every key of a provider.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.0.redact(text)
    }
}

fn check_provider(name: &str, provider: &ProviderSpec, written: &serde_yaml::Value) -> Result<Provider> {
    let base_url = provider.base_url.trim_end_matches('/').to_owned();
    if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
        return Err(Error::cannot_run("not an address")
            .hint("write it with http:// or https://, up to and including the version: https://api.openai.com/v1")
            .at("base_url"));
    }
    let raw = written["providers"][name]["key"].as_str().unwrap_or_default();
    let variable = raw.split_once("${").and_then(|(_, rest)| rest.split([':', '}']).next()).map(str::to_owned);
    if variable.is_none() && !provider.key.is_empty() {
        return Err(Error::cannot_run("a key does not belong into a file")
            .hint("put it into .env and write ${OPENAI_API_KEY:-}")
            .at("key"));
    }
    if !provider.key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::cannot_run(format!(
            "the value of {} holds characters that no key has",
            variable.as_deref().unwrap_or("the variable")
        ))
        .hint("look for spaces and line ends around it")
        .at("key"));
    }
    Ok(Provider { name: name.to_owned(), base_url, key: provider.key.clone(), variable })
}

/// A fault at `key`, whose parts are separated by dots.
fn under(key: &str, what: String) -> Error {
    key.rsplit('.').fold(Error::cannot_run(what), Error::at)
}

fn check_limits(spec: &LimitsSpec) -> Result<Limits> {
    let seconds = |key: &str, value: f64| match value > 0.0 && value <= 86_400.0 {
        true => Ok(Duration::from_secs_f64(value)),
        false => Err(under(key, format!("found {value}, expected a number above 0, up to 86400"))),
    };
    if !(spec.requests_per_second > 0.0 && spec.requests_per_second <= 100_000.0) {
        let found = format!("found {}, expected a number above 0, up to 100000", spec.requests_per_second);
        return Err(under("requests_per_second", found));
    }
    let positive = [
        ("requests_per_minute", spec.requests_per_minute == Some(0)),
        ("tokens_per_minute", spec.tokens_per_minute == Some(0)),
        ("concurrency", spec.concurrency == 0),
        ("breaker.failures", spec.breaker.failures == 0),
        ("breaker.give_up_after", spec.breaker.give_up_after == 0),
    ];
    if let Some((key, _)) = positive.iter().find(|(_, zero)| *zero) {
        return Err(under(key, "found 0, expected 1 or more".to_owned()));
    }
    Ok(Limits {
        requests_per_second: spec.requests_per_second,
        requests_per_minute: spec.requests_per_minute,
        tokens_per_minute: spec.tokens_per_minute,
        concurrency: spec.concurrency,
        timeout: seconds("timeout_seconds", spec.timeout_seconds)?,
        retries: spec.retries,
        backoff: seconds("backoff_seconds", spec.backoff_seconds)?,
        retry_after_cap: seconds("retry_after_cap_seconds", spec.retry_after_cap_seconds)?,
        breaker: Breaker {
            failures: spec.breaker.failures,
            pause: seconds("breaker.pause_seconds", spec.breaker.pause_seconds)?,
            give_up_after: spec.breaker.give_up_after,
        },
    })
}

#[cfg(test)]
mod tests;
