//! What answers under `/api/v1/results`.

use std::sync::Arc;

use artifact::PolarsResultExt;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::json;
use crate::pipeline::Pipeline;
use crate::refusal::{Refusal, panicked};
use crate::results::{self, Answer, Format, Results};
use crate::tokens::Role;

type Shared = State<Arc<App>>;
type Parameters = Vec<(String, String)>;
type QueryParameters = Result<Query<Parameters>, QueryRejection>;

/// Most rows of a page in a format for programs, which read whole tables.
const MOST_ROWS_OF_A_FILE: usize = 10_000_000;

/// The pipeline that the parameters name, or the only one.
fn pipeline_of<'a>(app: &'a App, parameters: &Parameters) -> Result<&'a Arc<Pipeline>, Refusal> {
    let named = parameters.iter().find(|(name, _)| name == "pipeline").map(|(_, value)| value.as_str());
    match (named, app.pipelines.values().next()) {
        (Some(name), _) => app.pipeline(name),
        (None, Some(only)) if app.pipelines.len() == 1 => Ok(only),
        (None, _) => {
            let names: Vec<&str> = app.pipelines.keys().map(String::as_str).collect();
            Err(Refusal::malformed("the parameter 'pipeline' is missing")
                .way_out(format!("write one of: {}", names.join(", "))))
        }
    }
}

fn parameters(asked: QueryParameters) -> Result<Parameters, Refusal> {
    asked
        .map(|Query(parameters)| parameters)
        .map_err(|_| Refusal::malformed("the parameters of the address cannot be read"))
}

/// The tag of an answer: of the content of the results, and of all that was requested.
fn tag(content: &str, asked: &str) -> String {
    format!("\"{content}-{}\"", &blake3::hash(asked.as_bytes()).to_hex()[..16])
}

/// The hash of an answer's own bytes, where the content is not known beforehand.
fn content_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

/// Whether the client has an answer with one of these tags already.
fn has_one_of(headers: &HeaderMap, tags: &[&str]) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|known| known.split(',')).any(|one| tags.contains(&one.trim().trim_start_matches("W/")))
}

/// Whether the client has this very answer already, which is known to exist.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    has_one_of(headers, &[tag, "*"])
}

/// The tag by which the client has the answer already, before it is made. A client without it, which asks for any answer
/// but one that exists, waits until it is known whether there is one.
fn known_beforehand(headers: &HeaderMap, content: Option<&str>, asked: &str) -> Option<String> {
    content.map(|content| tag(content, asked)).filter(|tag| has_one_of(headers, &[tag]))
}

fn tagged(tag: &str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept, authorization"));
    response
}

/// Does what takes longer than a thread of the network should wait.
pub async fn computed<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let permit = app.computing.clone().acquire_owned().await;
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    work.await.unwrap_or_else(|failed| match failed.try_into_panic() {
        Ok(payload) => Err(panicked(payload.as_ref())),
        Err(_) => Err(Refusal::unavailable("stopping", "the server stops")),
    })
}

/// `GET /api/v1/results`: a page of the newest results.
pub async fn list(State(app): Shared, asked: QueryParameters, headers: HeaderMap) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    let parameters = parameters(asked)?;
    let pipeline = pipeline_of(&app, &parameters)?.clone();
    let source = pipeline.source()?;
    let format = Format::accepted_by(&headers)?;
    let asked = format!("{parameters:?} {format:?}");
    if let Some(tag) = known_beforehand(&headers, source.content(), &asked) {
        return Ok(tagged(&tag, StatusCode::NOT_MODIFIED.into_response()));
    }
    let most = if format == Format::Json { results::MOST_ROWS } else { MOST_ROWS_OF_A_FILE };
    let Answer { page, query, .. } = source.page(&app, &parameters, most).await?;
    let (total, returned) = (page.total, page.rows.height());
    let (body, content) = computed(&app, move || {
        if format != Format::Json {
            let body = format.write(page.rows)?;
            let content = source.content().map_or_else(|| content_of(&body), str::to_owned);
            return Ok((body, content));
        }
        let mut rows = Vec::new();
        results::write_rows(&mut rows, &page.rows);
        let content = source.content().map_or_else(|| content_of(&rows), str::to_owned);
        let mut out = b"{".to_vec();
        json::field(&mut out, "pipeline", pipeline.name.as_str());
        json::field(&mut out, "content", &content);
        json::field(&mut out, "snapshot", &source.places());
        json::field(&mut out, "total", &page.total);
        json::field(&mut out, "page", &query.page);
        json::field(&mut out, "per_page", &query.per_page);
        json::key(&mut out, "rows");
        out.extend(rows);
        out.push(b'}');
        // The number of rows on other pages is part of the answer, too.
        let content = if source.content().is_some() { content } else { content_of(&out) };
        Ok((out, content))
    })
    .await?;
    let tag = tag(&content, &asked);
    if is_known(&headers, &tag) {
        return Ok(tagged(&tag, StatusCode::NOT_MODIFIED.into_response()));
    }
    let mut response = ([(header::CONTENT_TYPE, format.media_type())], body).into_response();
    for (name, count) in [("x-total-rows", total), ("x-rows", returned)] {
        response.headers_mut().insert(name, count.into());
    }
    Ok(tagged(&tag, response))
}

/// The parameters of an address that takes no others than these.
///
/// Errors (422): another one.
fn only(parameters: &Parameters, known: &[&str]) -> Result<(), Refusal> {
    match parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the address of one key has no parameter '{}'", spec::text::cut(name, 100));
            Err(Refusal::wrong("bad_parameter", name, message).among(name, known.iter().copied()))
        }
    }
}

/// `GET /api/v1/results/KEY`: the rows of one key.
pub async fn one(
    State(app): Shared,
    Path(key): Path<String>,
    asked: QueryParameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    let parameters = parameters(asked)?;
    let pipeline = pipeline_of(&app, &parameters)?;
    only(&parameters, &["pipeline", "fields"])?;
    let source = pipeline.source()?;
    let format = Format::accepted_by(&headers)?;
    let asked = format!("{key} {parameters:?} {format:?}");
    if let Some(tag) = known_beforehand(&headers, source.content(), &asked) {
        return Ok(tagged(&tag, StatusCode::NOT_MODIFIED.into_response()));
    }
    let rows = source.of_known_key(&key).await?;
    let fields = results::Query::read(&parameters, rows.schema(), results::MOST_ROWS)?.fields;
    let rows = rows.select(&fields).during("results")?;
    let count = rows.height();
    let body = match format {
        Format::Json => {
            let mut out = Vec::new();
            results::write_rows(&mut out, &rows);
            out
        }
        format => format.write(rows)?,
    };
    let content = source.content().map_or_else(|| content_of(&body), str::to_owned);
    let body = match format {
        Format::Json => {
            let mut out = b"{".to_vec();
            json::field(&mut out, "pipeline", pipeline.name.as_str());
            json::field(&mut out, "content", &content);
            json::key(&mut out, "rows");
            out.extend(body);
            out.push(b'}');
            out
        }
        _ => body,
    };
    let tag = tag(&content, &asked);
    if is_known(&headers, &tag) {
        return Ok(tagged(&tag, StatusCode::NOT_MODIFIED.into_response()));
    }
    let mut response = ([(header::CONTENT_TYPE, format.media_type())], body).into_response();
    response.headers_mut().insert("x-rows", count.into());
    Ok(tagged(&tag, response))
}

/// `GET /api/v1/results/KEY/history`: the rows of one key in each snapshot, newest first.
pub async fn history(
    State(app): Shared,
    Path(key): Path<String>,
    asked: QueryParameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    let parameters = parameters(asked)?;
    let pipeline = pipeline_of(&app, &parameters)?.clone();
    only(&parameters, &["pipeline"])?;
    let (_, entity) = pipeline.source()?.columns(&app).await?;
    let (root, name, wanted) = (app.root.clone(), pipeline.name.clone(), key.clone());
    let table = pipeline.spec.results.table.clone();
    let found = computed(&app, move || Ok(Results::history(&root, &name, &table, &entity, &wanted)?)).await?;
    if found.found.is_empty() && found.unreadable.is_empty() {
        let message = format!("'{}' is not in {}", spec::text::cut(&key, 100), found.searched());
        return Err(Refusal::not_found(message));
    }
    let mut out = b"{".to_vec();
    json::field(&mut out, "pipeline", pipeline.name.as_str());
    json::field(&mut out, "key", &key);
    json::key(&mut out, "history");
    json::list(&mut out, &found.found, |out, (path, time, rows)| {
        out.push(b'{');
        json::field(out, "artifact", path);
        json::field(out, "time", time);
        json::key(out, "rows");
        results::write_rows(out, rows);
        out.push(b'}');
    });
    if found.older > 0 {
        json::field(&mut out, "not_searched", &found.older);
    }
    if !found.unreadable.is_empty() {
        json::key(&mut out, "unreadable");
        json::list(&mut out, &found.unreadable, |out, (path, why)| {
            out.push(b'{');
            json::field(out, "artifact", path);
            json::field(out, "message", why);
            out.push(b'}');
        });
    }
    out.push(b'}');
    Ok(([(header::CONTENT_TYPE, "application/json")], out).into_response())
}
