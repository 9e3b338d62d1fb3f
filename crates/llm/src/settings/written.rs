//! The settings as written in `resources/llm.yaml`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use spec::Map;

/// Servers of language models, what they cost, and how much may be sent to them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsSpec {
    /// Provider of the models that `models` does not name. Default: the first of `providers`.
    #[serde(default)]
    pub provider: Option<String>,
    /// Servers that speak OpenAI's protocol, by name.
    pub providers: Map<ProviderSpec>,
    /// Models by the name that task files use.
    #[serde(default)]
    pub models: Map<ModelSpec>,
    /// How fast requests are sent.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// Limits per day (UTC), over all runs that share a ledger.
    #[serde(default)]
    pub daily: Daily,
    /// Whether the ledger's log of calls keeps requests and responses. Default: no.
    #[serde(default)]
    pub log_bodies: bool,
}

/// A server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// Address up to and including the version, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Key, from a variable only: `${OPENAI_API_KEY:-}`. None for servers that ask for none.
    #[serde(default)]
    pub key: Secret,
}

/// A model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Who serves it. Default: the default provider.
    #[serde(default)]
    pub provider: Option<String>,
    /// Its name at the provider. Default: the name it has here.
    #[serde(default)]
    pub name: Option<String>,
    /// What it costs.
    #[serde(default)]
    pub price: Option<Price>,
    /// How answers are held to their schema.
    #[serde(default)]
    pub structured: Structured,
    /// More keys for the body of each request, such as `{reasoning_effort: low}`. They are part of the ledger's key.
    #[serde(default)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Price per million tokens, in the money that `daily.money` counts.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per million tokens sent.
    pub input: f64,
    /// Per million tokens answered.
    pub output: f64,
    /// Share of the price that the Batch API takes. Default: 0.5.
    #[serde(default = "half")]
    pub batch: f64,
}

fn half() -> f64 {
    0.5
}

impl Price {
    /// What so many tokens cost.
    pub fn of(self, tokens_in: u64, tokens_out: u64) -> f64 {
        (tokens_in as f64 * self.input + tokens_out as f64 * self.output) / 1e6
    }
}

/// How a server is asked for structured answers. Whatever it does, answers are validated here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Structured {
    /// The server gets the schema and holds the model to it.
    #[default]
    JsonSchema,
    /// The server enforces JSON; the prompt describes the schema.
    JsonObject,
    /// The server enforces nothing; the prompt describes the schema.
    None,
}

/// How fast requests go out, and what happens when they fail. Each process keeps these limits for itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSpec {
    /// Requests per second, evenly spaced. Default: 10.
    pub requests_per_second: f64,
    /// Requests per minute. Default: no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, counted before sending. Default: no limit.
    pub tokens_per_minute: Option<u32>,
    /// Requests in flight at once. Halved when the server says 429, then grown back. Default: 8.
    pub concurrency: usize,
    /// Time for one request from first byte to last. Default: 60.
    pub timeout_seconds: f64,
    /// Times that a request is repeated after a time-out, a cut connection or a server's error. Default: 5.
    pub retries: u32,
    /// First pause before a request is repeated; doubles from then on, with full jitter. Default: 0.5.
    pub backoff_seconds: f64,
    /// Longest pause, also where Retry-After asks for more. Default: 60.
    pub retry_after_cap_seconds: f64,
    /// When a model is left alone for a while.
    pub breaker: BreakerSpec,
}

impl Default for LimitsSpec {
    fn default() -> LimitsSpec {
        LimitsSpec {
            requests_per_second: 10.0,
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrency: 8,
            timeout_seconds: 60.0,
            retries: 5,
            backoff_seconds: 0.5,
            retry_after_cap_seconds: 60.0,
            breaker: BreakerSpec::default(),
        }
    }
}

/// The circuit breaker of each model.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSpec {
    /// Failures in a row that open it. Default: 5.
    pub failures: u32,
    /// Seconds until one request may try again. Default: 30.
    pub pause_seconds: f64,
    /// Times in a row that it may open before the run gives the model up. Default: 3.
    pub give_up_after: u32,
}

impl Default for BreakerSpec {
    fn default() -> BreakerSpec {
        BreakerSpec { failures: 5, pause_seconds: 30.0, give_up_after: 3 }
    }
}

/// Caps of one day (UTC), over all runs that share a ledger. Default: none. Requests in flight and open batches count with
/// what they are expected to take: tokens as counted, answers with `max_tokens` or, without it, their mean so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Daily {
    /// Requests sent.
    pub requests: Option<u64>,
    /// Tokens, sent and answered.
    pub tokens: Option<u64>,
    /// Money; every model that is used must have a price then.
    #[serde(deserialize_with = "spec::range::optional_not_negative")]
    pub money: Option<f64>,
}

/// A value that never shows: not in debug output, not in errors, not in files.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the header that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "description": "A variable that holds the key: ${OPENAI_API_KEY:-}"})
    }
}
