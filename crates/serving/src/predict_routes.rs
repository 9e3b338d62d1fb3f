//! The routes that receive requests for predictions, and outcomes: bodies within their limits, the journal, and what is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use journal::{Journal, Kept};
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::pipeline::{Current, Pipeline};
use crate::predictions::{self, Answer, Context, PredictionRequest};
use crate::problems::ROWS;
use crate::refusal::{Refusal, panicked};
use crate::results::Format;
use crate::tokens::Role;
use crate::{outcomes, record};

type Shared = State<Arc<App>>;
pub type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// Formats of requests for predictions.
const FORMATS: [Format; 3] = [Format::Json, Format::Arrow, Format::Parquet];

/// A header whose value must be text, if it is there.
fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The body of a request, if it is of an allowed kind and length.
pub async fn body_of(app: &App, headers: &HeaderMap, body: Body, among: &[Format]) -> Result<(Format, Bytes), Refusal> {
    let format = Format::sent(text_of(headers, header::CONTENT_TYPE), among)?;
    let too_long = || {
        let most = app.options.body;
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", format!("the body is longer than {most} bytes"))
            .way_out("divide it into several requests")
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > app.options.body as u64) {
        return Err(too_long());
    }
    match tokio::time::timeout(app.options.idle, to_bytes(body, app.options.body)).await {
        Ok(Ok(bytes)) => Ok((format, bytes)),
        // Either it was longer than allowed, or the connection broke; only in the first case does the sender see this answer.
        Ok(Err(error)) if spec::text::root_cause(&error).contains("length limit") => Err(too_long()),
        Ok(Err(_)) => Err(Refusal::malformed("the body was cut off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long to arrive")),
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `POST /api/v1/pipelines/NAME/predictions`.
pub async fn predict(
    State(app): Shared,
    Path(name): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Operator)?;
    let pipeline = app.pipeline(&name)?.clone();
    Ok(predicted(&app, &pipeline, (parameters, &headers, body)).await)
}

/// Answers a client that may request predictions, and logs the request.
pub async fn predicted(app: &Arc<App>, pipeline: &Arc<Pipeline>, asked: (Parameters, &HeaderMap, Body)) -> Response {
    let received = Instant::now();
    let id = uuid::Uuid::now_v7().to_string();
    // The limit is kept here, so that a request that took too long is logged and counted like any other.
    let answer = answer(app, pipeline, asked, &id, received);
    let answered = tokio::time::timeout(app.options.request, answer).await;
    let answered = answered.unwrap_or_else(|_| Err(Refusal::too_slow()));
    let mut response = match answered {
        Ok(Logged { lines, remaining, current, format }) => {
            let kept = append(&pipeline.requests, &pipeline.written[0], lines);
            let answer = remaining.answer(&current, received).await;
            // The answer leaves whether the line is on disk or cannot be kept; `/readyz` says that the log does not keep up.
            let _ = kept.await;
            match answer {
                Ok(answer) => {
                    count(pipeline, &current, &answer, received.elapsed());
                    ([(header::CONTENT_TYPE, format.media_type())], answer.body).into_response()
                }
                Err(refusal) => {
                    app.metrics.request(pipeline.name.as_str(), "predictions", refusal.status.as_u16());
                    refusal.into_response()
                }
            }
        }
        Err(refusal) => {
            let current = pipeline.current();
            let version = current.as_ref().map_or("none", |current| &current.deployment.arms[0].arm.version_text);
            keep(&pipeline.requests, &pipeline.written[0], record::refused(&id, version, &refusal, &received)).await;
            app.metrics.request(pipeline.name.as_str(), "predictions", refusal.status.as_u16());
            refusal.into_response()
        }
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Counts an answered request for its pipeline and for the versions that answered.
fn count(pipeline: &Pipeline, current: &Current, answer: &Answer, latency: Duration) {
    pipeline.answered.inc();
    for worked in &answer.by_arm {
        if let Some(metrics) = current.metrics(&worked.name, &worked.arm) {
            metrics.predictions.inc_by(worked.rows as u64);
            if !worked.shadow {
                metrics.latency.observe(latency.as_secs_f64());
            }
        }
    }
}

/// Waits until the line is on disk, or cannot be kept.
async fn keep(journal: &Journal, written: &Histogram, line: Vec<u8>) -> Kept {
    append(journal, written, line).await.unwrap_or(Kept::No)
}

/// Hands the line to the journal, which says when it is on disk, or that it cannot be kept.
fn append(journal: &Journal, written: &Histogram, line: Vec<u8>) -> oneshot::Receiver<Kept> {
    let (sender, receiver) = oneshot::channel();
    let (written, began) = (written.clone(), Instant::now());
    journal.append(line, move |kept| {
        written.observe(began.elapsed().as_secs_f64());
        // The client may have gone.
        let _ = sender.send(kept);
    });
    receiver
}

/// A request that is answered as far as the log is concerned.
struct Logged {
    lines: Vec<u8>,
    remaining: RemainingWork,
    current: Arc<Current>,
    format: Format,
}

/// The answer, or the thread that is about to write it.
enum RemainingWork {
    Done(Answer),
    Running(JoinHandle<Result<Option<Answer>, Refusal>>),
}

impl RemainingWork {
    async fn answer(self, current: &Current, received: Instant) -> Result<Answer, Refusal> {
        let work = match self {
            RemainingWork::Done(answer) => return Ok(answer),
            RemainingWork::Running(work) => work,
        };
        match work.await {
            Ok(answered) => answered.and_then(|answered| answered.ok_or_else(|| panicked(&"it is large twice"))),
            Err(failed) => {
                // A version that fails must not take over.
                if let Some(new) = current.deployment.taking_over() {
                    new.speed.answered(received.elapsed(), true);
                }
                match failed.try_into_panic() {
                    Ok(payload) => Err(panicked(payload.as_ref())),
                    Err(_) => Err(Refusal::unavailable("stopping", "the server stops")),
                }
            }
        }
    }
}

async fn answer(
    app: &Arc<App>,
    pipeline: &Arc<Pipeline>,
    (parameters, headers, body): (Parameters, &HeaderMap, Body),
    id: &str,
    received: Instant,
) -> Result<Logged, Refusal> {
    let accepted = Format::accepted_by(headers)?;
    let (sent, body) = body_of(app, headers, body, &FORMATS).await?;
    let Query(parameters) =
        parameters.map_err(|_| Refusal::malformed("the parameters of the address cannot be read"))?;
    let current = pipeline.current().ok_or_else(|| {
        let why = pipeline.problem().unwrap_or_else(|| "no model is loaded yet".to_owned());
        Refusal::unavailable("no_model", why)
    })?;
    let work = {
        let (pipeline, current, id) = (pipeline.clone(), current.clone(), id.to_owned());
        let raw = pipeline.raw();
        let most_bytes = app.options.body;
        move |large: bool, log: &mut dyn FnMut(Vec<u8>)| {
            let context = Context {
                pipeline: pipeline.name.as_str(),
                spec: &pipeline.spec,
                deployment: &current.deployment,
                masking: &pipeline.masking,
                raw: raw.as_deref(),
                has_rows: pipeline.has_rows(),
                no_rows: if raw.is_none() { pipeline.problems.of(ROWS) } else { None },
            };
            let asked = PredictionRequest {
                sent,
                accepted,
                body: &body,
                most_bytes,
                parameters: &parameters,
                id: &id,
                received,
            };
            match large || asked.is_small() {
                true => predictions::answer(&context, &asked, large, log),
                false => Ok(None),
            }
        }
    };
    let mut lines = Vec::new();
    let small = work(false, &mut |of_all| lines = of_all)?;
    if let Some(answer) = small {
        return Ok(Logged { lines, remaining: RemainingWork::Done(answer), current, format: accepted });
    }
    let permit = app.computing.clone().acquire_owned().await;
    let (sender, receiver) = oneshot::channel();
    let remaining = RemainingWork::Running(tokio::task::spawn_blocking(move || {
        let mut sender = Some(sender);
        let answered = work(true, &mut |lines| {
            if let Some(sender) = sender.take() {
                // The request may have timed out, so that nothing waits for the lines.
                let _ = sender.send(lines);
            }
        });
        drop(permit);
        answered
    }));
    match receiver.await {
        Ok(lines) => Ok(Logged { lines, remaining, current, format: accepted }),
        // It was refused, and there is nothing to log but that.
        Err(_) => match remaining.answer(&current, received).await {
            Err(refusal) => Err(refusal),
            Ok(_) => Err(panicked(&"an answer without a line")),
        },
    }
}

/// `POST /api/v1/pipelines/NAME/outcomes`.
pub async fn report(
    State(app): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Operator)?;
    let pipeline = app.pipeline(&name)?;
    let answered = match body_of(&app, &headers, body, &[Format::Json]).await {
        Ok((_, body)) => {
            let current = pipeline.current();
            let entity = current.as_ref().map(|current| current.deployment.arms[0].arm.manifest().entity.as_str());
            outcomes::read(&body, &pipeline.masking, entity, pipeline.spec.max_rows)
        }
        Err(refusal) => Err(refusal),
    };
    let status = answered.as_ref().map_or_else(|refusal| refusal.status, |_| StatusCode::CREATED);
    app.metrics.request(pipeline.name.as_str(), "outcomes", status.as_u16());
    let (count, lines) = answered?;
    match keep(&pipeline.outcomes, &pipeline.written[1], lines).await {
        Kept::Yes => {
            let body = serde_json::json!({"kept": count});
            Ok((StatusCode::CREATED, axum::Json(body)).into_response())
        }
        // Unlike a prediction, an outcome that is not kept is useless.
        Kept::No => Err(Refusal::unavailable("not_kept", "the outcomes could not be written to disk")
            .way_out("send them again later")),
    }
}
