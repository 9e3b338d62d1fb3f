//! Requests to the server and what its answers mean.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use spec::text::{cut, one_line};
use spec::{Error, Result, ResultExt};

use crate::client::{Credentials, Settings};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Bytes of a file that pass in a second on a slow line.
const SLOW: u64 = 256 << 10;
/// Characters of a server's message that are repeated.
const MESSAGE: usize = 300;

/// The server's REST interface.
pub(crate) struct Api {
    client: Client,
    settings: Settings,
}

/// The server's error in place of an answer.
struct Refusal {
    status: StatusCode,
    /// Such as `RESOURCE_DOES_NOT_EXIST`.
    code: String,
    message: String,
}

impl Api {
    pub fn new(settings: &Settings) -> Result<Api> {
        let client = net::client(ANSWER, |builder| builder.connect_timeout(CONNECT)).context("MLflow")?;
        Ok(Api { client, settings: settings.clone() })
    }

    /// `path` below the server's address, each part escaped.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.settings.address.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path.split('/'));
        }
        url
    }

    pub async fn post(&self, call: &str, body: &Value) -> Result<Value> {
        let request = self.client.request(Method::POST, self.call(call)).json(body);
        let answer = self.answer(request, call).await?.map_err(|refusal| self.refused(call, &refusal))?;
        self.told(call, answer)
    }

    pub async fn delete(&self, call: &str, body: &Value) -> Result<Value> {
        let request = self.client.request(Method::DELETE, self.call(call)).json(body);
        self.answer(request, call).await?.map_err(|refusal| self.refused(call, &refusal))
    }

    /// What is there; `None` if there is nothing of that name.
    pub async fn get(&self, call: &str, query: &[(&str, &str)]) -> Result<Option<Value>> {
        let mut url = self.call(call);
        url.query_pairs_mut().extend_pairs(query);
        match self.answer(self.client.request(Method::GET, url), call).await? {
            Ok(answer) => self.told(call, answer).map(Some),
            Err(refusal) if refusal.code == "RESOURCE_DOES_NOT_EXIST" => Ok(None),
            Err(refusal) => Err(self.refused(call, &refusal)),
        }
    }

    /// Puts a file's content at `path` of the artifacts that the server keeps.
    pub async fn put(&self, path: &str, content: Vec<u8>) -> Result<()> {
        let call = format!("api/2.0/mlflow-artifacts/artifacts/{path}");
        let patience = patience(content.len() as u64);
        let request = self.client.request(Method::PUT, self.url(&call)).body(content).timeout(patience);
        self.answer(request, &call).await?.map(|_| ()).map_err(|refusal| self.refused(&call, &refusal))
    }

    fn call(&self, call: &str) -> Url {
        self.url(&format!("api/2.0/mlflow/{call}"))
    }

    async fn answer(&self, request: RequestBuilder, call: &str) -> Result<std::result::Result<Value, Refusal>> {
        let request = match &self.settings.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Token(token) => request.bearer_auth(token),
        };
        let lost = |error: reqwest::Error| {
            if error.is_builder() {
                let what = format!("MLflow at {}: {call}: the request cannot be made", self.settings.server());
                return Error::cannot_run(format!("{what}: {}", cause(error)))
                    .hint("look for spaces and line ends in MLFLOW_TRACKING_TOKEN");
            }
            let what = match error {
                error if error.is_timeout() => "no answer in time".to_owned(),
                error if error.is_connect() => format!("no connection: {}", cause(error)),
                error => format!("the connection broke: {}", cause(error)),
            };
            Error::try_again(format!("MLflow at {}: {call}: {what}", self.settings.server()))
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let text = response.text().await.map_err(lost)?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            // A login page is not a success, nor the answer that nothing exists.
            let is_answer = body.is_object() || text.trim().is_empty();
            return if is_answer { Ok(Ok(body)) } else { Err(self.odd(call, "JSON object")) };
        }
        let said = |key: &str| body[key].as_str().map(str::to_owned);
        let message = said("message").unwrap_or(text);
        let message = cut(&one_line(&message), MESSAGE);
        Ok(Err(Refusal { status, code: said("error_code").unwrap_or_default(), message }))
    }

    fn refused(&self, call: &str, refusal: &Refusal) -> Error {
        let Refusal { status, code, message } = refusal;
        let said = [code.as_str(), message.as_str()].into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(": ")) };
        let text = format!("MLflow at {}: {call}: {status}{said}", self.settings.server());
        match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::cannot_run(text)
                .hint("set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
            status if status.is_redirection() => Error::cannot_run(text).hint(
                "write the address that the server redirects to as MLFLOW_TRACKING_URI; if it leads to a page for logging in, set \
                 MLFLOW_TRACKING_TOKEN",
            ),
            StatusCode::TOO_MANY_REQUESTS => Error::try_again(text),
            status if status.is_server_error() => Error::try_again(text),
            _ => Error::cannot_run(text),
        }
    }

    /// An answer that is read has to hold something.
    fn told(&self, call: &str, answer: Value) -> Result<Value> {
        if answer.is_null() { Err(self.odd(call, "JSON object")) } else { Ok(answer) }
    }

    /// The token of the page after `page`, if there is one. One that comes twice would go on for ever.
    pub fn next_page(&self, call: &str, found: &Value, page: String) -> Result<Option<String>> {
        match found["next_page_token"].as_str().filter(|next| !next.is_empty()) {
            Some(next) if next == page => Err(self.odd(call, "token for another page")),
            next => Ok(next.map(str::to_owned)),
        }
    }

    /// An answer without what it must hold.
    pub fn odd(&self, call: &str, what: &str) -> Error {
        Error::cannot_run(format!("MLflow at {}: {call}: the answer has no {what}", self.settings.server()))
            .hint("MLFLOW_TRACKING_URI must be the address of an MLflow server")
    }
}

/// How long the answer to a file of so many bytes may take.
fn patience(bytes: u64) -> Duration {
    ANSWER + Duration::from_secs(bytes / SLOW)
}

/// The innermost cause, without the address, which may hold a secret.
fn cause(error: reqwest::Error) -> String {
    spec::text::root_cause(&error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_its_time() {
        assert_eq!((patience(0), patience(100 << 20)), (Duration::from_secs(20), Duration::from_secs(420)));
    }
}
