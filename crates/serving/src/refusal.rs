//! What a client is answered when it gets no answer: a status, and an error in our words with its place and the way out.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use spec::{Class, Error, nearest};

/// An error as its body holds it, under `error`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refusal {
    #[serde(skip)]
    pub status: StatusCode,
    /// A word for programs, such as `unknown_category`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// The row at fault, counted from 0, where a request has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The value at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// What may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
    /// The version that failed, for the log alone.
    #[serde(skip)]
    pub failed: Option<Box<Failed>>,
}

/// Which version failed at a request, and whose request it was, as the log keeps that.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    pub arm: String,
    pub version: String,
    pub unit: Option<serde_json::Value>,
    pub key: Option<serde_json::Value>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code,
            message: message.into(),
            row: None,
            column: None,
            value: None,
            nearest: None,
            way_out: None,
            failed: None,
        }
    }

    /// The request cannot be read (400).
    pub fn malformed(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    /// The requested thing does not exist (404).
    pub fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The request can be read, but a value in it is wrong (422).
    pub fn wrong(code: &'static str, column: impl Into<String>, message: impl Into<String>) -> Refusal {
        let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
        Refusal { column: Some(column.into()), ..refusal }
    }

    /// The server cannot answer now (503).
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// The request's time was over before its answer was ready (503).
    pub fn too_slow() -> Refusal {
        Refusal::unavailable("too_slow", "the answer took too long").way_out("ask for less at once")
    }

    /// The features of a row cannot be computed from what it gave (422).
    pub fn bad_row(error: &Error) -> Refusal {
        let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_row", error.message());
        Refusal { way_out: error.way_out().map(str::to_owned), ..refusal }
    }

    /// A model refuses the features of a row (422); any other error is a failure of ours.
    pub fn of_row(error: Error) -> Refusal {
        match error.class() {
            Class::Refused => Refusal::bad_row(&error),
            Class::CannotRun | Class::TryAgain => error.into(),
        }
    }

    /// A defect of ours (500); the log has it.
    pub fn failed() -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the server failed at this request")
            .way_out("this is a defect; please report it with the request id and the log")
    }

    pub fn way_out(mut self, way_out: impl Into<String>) -> Refusal {
        self.way_out = Some(way_out.into());
        self
    }

    pub fn value(mut self, value: impl Into<serde_json::Value>) -> Refusal {
        self.value = Some(shortened(value.into()));
        self
    }

    pub fn at_row(mut self, row: usize) -> Refusal {
        self.row.get_or_insert(row);
        self
    }

    /// Names the candidate that `word` may have meant, or where none is near what there is to choose from.
    pub fn among<'a>(mut self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Refusal {
        /// More candidates than this do not help.
        const MOST: usize = 20;
        let candidates: Vec<&str> = candidates.into_iter().collect();
        self.nearest = nearest(word, candidates.iter().copied()).map(str::to_owned);
        self.way_out = Some(match &self.nearest {
            Some(near) => format!("did you mean '{near}'?"),
            None if candidates.is_empty() => "there is none to choose from".to_owned(),
            None if candidates.len() > MOST => {
                format!("choose one of {}, such as: {}", candidates.len(), candidates[..MOST].join(", "))
            }
            None => format!("choose one of: {}", candidates.join(", ")),
        });
        self
    }
}

/// A value that an error repeats, without the middle of a long text.
fn shortened(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => spec::text::cut(&text, 100).into(),
        other => other,
    }
}

/// A defect of ours (500): what the panic says goes to the log, not to the client.
pub fn panicked(payload: &(dyn std::any::Any + Send)) -> Refusal {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!("serve: an internal error: {}", text.unwrap_or("no message"));
    Refusal::failed()
}

impl From<Error> for Refusal {
    /// A failure of ours: the data or the model is at fault, not the request.
    fn from(error: Error) -> Refusal {
        let (status, code) = match error.class() {
            Class::Refused | Class::CannotRun => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
            Class::TryAgain => (StatusCode::SERVICE_UNAVAILABLE, "try_again"),
        };
        Refusal { way_out: error.way_out().map(str::to_owned), ..Refusal::new(status, code, error.message()) }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a Refusal,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Body { error: &self })).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Code(self.code));
        response
    }
}

/// The code of the error that a response holds, for logs and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Code(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_place_and_the_way_out() {
        let refusal = Refusal::wrong("unknown_category", "channel", "column 'channel': no category 'appp'")
            .value("appp")
            .among("appp", ["app", "shop", "web"])
            .at_row(3);
        let json = serde_json::to_value(Body { error: &refusal }).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "code": "unknown_category", "message": "column 'channel': no category 'appp'", "row": 3,
                "column": "channel", "value": "appp", "nearest": "app", "way_out": "did you mean 'app'?"
            }})
        );
        let response = Refusal::unavailable("busy", "x").into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
