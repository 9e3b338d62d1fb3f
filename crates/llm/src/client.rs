//! One request to a server that speaks OpenAI's chat protocol, and what can become of it.
//!
//! Requests are async-openai's types, so that their spelling is OpenAI's. They go out through our own HTTP client:
//! async-openai's errors keep neither `Retry-After` nor the status of an answer that is not JSON, it repeats requests
//! by itself and has no time-out. Answers are read key by key, so that servers may leave out or add what they like.

use std::time::{Duration, Instant};

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestUserMessage, CreateChatCompletionRequest, ResponseFormat, ResponseFormatJsonSchema,
};
use reqwest_openai as reqwest;
use serde_json::Value;
use spec::text::{cut, one_line};
use spec::{Error, Result};

use crate::prompt::{Message, Role};
use crate::settings::{Model, Provider, Structured};
use crate::task::TaskFile;

/// Most characters of a server's words that go into an error.
const QUOTED: usize = 300;

/// What was answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub content: String,
    /// Why the model stopped: `stop`, `length`, `content_filter`, …
    pub finish_reason: Option<String>,
    /// The model's words when it refuses.
    pub refusal: Option<String>,
    /// As the server counts them; None if it does not say.
    pub tokens: Option<(u64, u64)>,
    pub request_id: Option<String>,
}

/// Why no answer was received.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// No answer, or only a part of it, in time.
    Timeout,
    /// No connection, or it was cut.
    Connection(String),
    /// 429: slower, please.
    Busy(Option<Duration>),
    /// 5xx.
    Server(u16),
    /// 2xx with something that is not an answer.
    Garbled(String),
    /// 400 and the like: this request is not accepted.
    Rejected(u16, String),
    /// 401, 403: the key is not accepted.
    Denied(u16),
    /// 404: no such model or address.
    NotFound(String),
    /// 429 with `insufficient_quota`: the account is empty.
    NoQuota,
}

impl Fault {
    /// One word for the log of calls.
    pub fn class(&self) -> &'static str {
        match self {
            Fault::Timeout => "timeout",
            Fault::Connection(_) => "connection",
            Fault::Busy(_) => "busy",
            Fault::Server(_) => "server",
            Fault::Garbled(_) => "garbled",
            Fault::Rejected(..) => "rejected",
            Fault::Denied(_) => "denied",
            Fault::NotFound(_) => "not_found",
            Fault::NoQuota => "no_quota",
        }
    }

    /// The HTTP status, if one came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Fault::Timeout | Fault::Connection(_) => None,
            Fault::Busy(_) | Fault::NoQuota => Some(429),
            Fault::Server(status) | Fault::Rejected(status, _) | Fault::Denied(status) => Some(*status),
            Fault::Garbled(_) => Some(200),
            Fault::NotFound(_) => Some(404),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Timeout => f.write_str("no answer in time"),
            Fault::Connection(what) => write!(f, "no connection: {what}"),
            Fault::Busy(_) => f.write_str("the server asks for slower requests (429)"),
            Fault::Server(status) => write!(f, "the server failed ({status})"),
            Fault::Garbled(what) => write!(f, "the server answered something else: {what}"),
            Fault::Rejected(status, what) => write!(f, "the server rejects the request ({status}): {what}"),
            Fault::Denied(status) => write!(f, "the server rejects the key ({status})"),
            Fault::NotFound(what) => write!(f, "no such model or address on the server (404): {what}"),
            Fault::NoQuota => f.write_str("the account's quota is used up"),
        }
    }
}

/// Where requests go out.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    timeout: Duration,
}

impl Client {
    /// `timeout` is for one request from first byte to last.
    pub fn new(timeout: Duration) -> Result<Client> {
        Ok(Client { http: http()?, timeout })
    }

    /// Sends `body` to the model's provider.
    pub async fn send(&self, model: &Model, body: &Value) -> (Result<Reply, Fault>, Duration) {
        let begun = Instant::now();
        let sent = tokio::time::timeout(self.timeout, self.exchange(&model.provider, body)).await;
        (sent.unwrap_or(Err(Fault::Timeout)), begun.elapsed())
    }

    async fn exchange(&self, provider: &Provider, body: &Value) -> Result<Reply, Fault> {
        let mut request = self.http.post(format!("{}/chat/completions", provider.base_url)).json(body);
        if !provider.key.is_empty() {
            request = request.bearer_auth(provider.key.expose());
        }
        let response = request.send().await.map_err(|error| connection(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after = header("retry-after").and_then(|text| net::retry_after(&text, chrono::Utc::now()));
        let request_id = header("x-request-id");
        let bytes = response.bytes().await.map_err(|error| connection(&error))?;
        match status {
            200..300 => {
                let mut reply = read(&bytes).map_err(Fault::Garbled)?;
                reply.request_id = request_id.or(reply.request_id);
                Ok(reply)
            }
            _ => Err(refusal(status, &bytes, retry_after)),
        }
    }
}

/// The HTTP client under everything, as [`net::client`] makes it; async-openai brings another version of it.
pub(crate) fn http() -> Result<reqwest::Client> {
    net::secure();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(net::CONNECT)
        .user_agent(net::USER_AGENT)
        .build();
    client.map_err(|error| Error::cannot_run(format!("cannot make an HTTP client: {}", error.without_url())))
}

fn connection(error: &reqwest::Error) -> Fault {
    // The cause is what people understand; the address may hold a password and is left out.
    match error.is_timeout() {
        true => Fault::Timeout,
        false if std::error::Error::source(error).is_none() => Fault::Connection("the connection broke".to_owned()),
        false => Fault::Connection(spec::text::root_cause(error)),
    }
}

/// The body of a request. `rows` is how many answers it asks for.
pub(crate) fn body(task: &TaskFile, model: &Model, messages: &[Message], rows: usize) -> Value {
    let schema = if rows > 1 { task.schema().of_rows() } else { task.schema().json().clone() };
    let mut messages = messages.to_vec();
    let response_format = match model.structured {
        Structured::JsonSchema => Some(ResponseFormat::JsonSchema {
            json_schema: ResponseFormatJsonSchema {
                description: None,
                name: "answer".to_owned(),
                schema,
                strict: Some(task.schema().is_strict()),
            },
        }),
        Structured::JsonObject | Structured::None => {
            let rule = format!("Answer with nothing but one JSON object that fits this JSON Schema:\n{schema}");
            match messages.first_mut() {
                Some(first) if first.role == Role::System => first.content = format!("{}\n\n{rule}", first.content),
                _ => messages.insert(0, Message::new(Role::System, rule)),
            }
            (model.structured == Structured::JsonObject).then_some(ResponseFormat::JsonObject)
        }
    };
    let most = task.max_tokens().map(|most| most.saturating_mul(rows as u32));
    let mut request = CreateChatCompletionRequest {
        messages: messages.into_iter().map(in_their_words).collect(),
        model: model.wire_name.clone(),
        response_format,
        temperature: task.temperature().map(|value| value as f32),
        ..CreateChatCompletionRequest::default()
    };
    if model.provider.is_openai() {
        request.max_completion_tokens = most;
    }
    let mut body = serde_json::to_value(&request).unwrap_or_default();
    if let (false, Some(most)) = (model.provider.is_openai(), most) {
        // The older key, which every compatible server knows.
        body["max_tokens"] = most.into();
    }
    for (key, value) in &model.extra {
        body[key] = value.clone();
    }
    body
}

fn in_their_words(message: Message) -> ChatCompletionRequestMessage {
    match message.role {
        Role::System => ChatCompletionRequestSystemMessage::from(message.content).into(),
        Role::User => ChatCompletionRequestUserMessage::from(message.content.as_str()).into(),
        Role::Assistant => ChatCompletionRequestAssistantMessage::from(message.content.as_str()).into(),
    }
}

/// Reads a chat completion.
pub(crate) fn read(bytes: &[u8]) -> Result<Reply, String> {
    let body: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    let choice = &body["choices"][0];
    let message = &choice["message"];
    let content = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ if message.is_object() => String::new(),
        _ => return Err("no choices in it".to_owned()),
    };
    let usage = &body["usage"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Reply {
        content,
        finish_reason: text(&choice["finish_reason"]),
        refusal: text(&message["refusal"]),
        tokens: usage["prompt_tokens"].as_u64().zip(usage["completion_tokens"].as_u64().or(Some(0))),
        request_id: text(&body["id"]),
    })
}

fn refusal(status: u16, bytes: &[u8], retry_after: Option<Duration>) -> Fault {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let error = &body["error"];
    let words = [&error["message"], error, &body["message"], &body["detail"]].into_iter().find_map(Value::as_str);
    let words = words.map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), str::to_owned);
    let words = cut(&one_line(&words), QUOTED);
    let is_quota = [&error["code"], &error["type"]].iter().any(|code| code.as_str() == Some("insufficient_quota"));
    match status {
        429 if is_quota => Fault::NoQuota,
        429 => Fault::Busy(retry_after),
        // 408 and 409 are passing states; so says OpenAI's own client.
        408 | 409 | 500.. => Fault::Server(status),
        401 | 403 => Fault::Denied(status),
        404 => Fault::NotFound(words),
        _ => Fault::Rejected(status, words),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_other_servers_are_read_too() {
        let lean = json!({"choices": [{"message": {"content": "{}"}}], "new": {"key": 1}});
        let reply = read(lean.to_string().as_bytes()).unwrap();
        assert_eq!((reply.content.as_str(), reply.tokens), ("{}", None));
        let parts = json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}],
                           "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
        let reply = read(parts.to_string().as_bytes()).unwrap();
        assert_eq!((reply.content.as_str(), reply.tokens), ("ab", Some((3, 4))));
        assert_eq!(read(b"{\"choices\": []}").unwrap_err(), "no choices in it");
    }

    #[test]
    fn refusals_are_distinguished() {
        let fault = |status, body: &str| refusal(status, body.as_bytes(), None);
        assert_eq!(fault(429, "<html>slow down</html>"), Fault::Busy(None));
        assert_eq!(fault(429, r#"{"error": {"code": "insufficient_quota"}}"#), Fault::NoQuota);
        assert_eq!(fault(503, ""), Fault::Server(503));
        assert_eq!(fault(403, ""), Fault::Denied(403));
        assert_eq!(fault(400, r#"{"error": {"message": "too\nlong"}}"#), Fault::Rejected(400, "too long".to_owned()));
        assert_eq!(fault(400, r#"{"error": "bad"}"#), Fault::Rejected(400, "bad".to_owned()));
    }
}
