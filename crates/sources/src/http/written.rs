//! What the `http` source of `ingest.yaml` says, checked.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use demo::apartments::City;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use spec::{Map, Span, did_you_mean};

use crate::hidden::Hidden;
use crate::reading::{Settings, Target};

use super::budget::Budget;
use super::ranges::{Overlap, Values};
use super::since::Since;
use super::tree::{Explode, Path};

/// A REST service that answers in pages of JSON or XML.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct HttpSpec {
    pub(crate) url: String,
    /// The same as inputs, rows and errors name it.
    pub(crate) shown: String,
    pub(crate) format: Option<PageFormat>,
    pub(crate) query: Map<Hidden>,
    pub(crate) headers: Map<Hidden>,
    pub(crate) each: Map<Values>,
    pub(crate) pages: Pages,
    pub(crate) items: Path,
    pub(crate) total: Option<Path>,
    pub(crate) error: Option<ErrorSpec>,
    pub(crate) rate: Option<Rate>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) parallel: usize,
    pub(crate) incremental: Option<Moving>,
    pub(crate) since: Option<Since>,
    pub(crate) explode: Explode,
    pub(crate) budget: Option<Budget>,
}

/// The parameter of `for` that new runs move on, and how much is read again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moving {
    pub parameter: String,
    pub overlap: Option<Overlap>,
}

/// A REST service that answers in pages of JSON or XML.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Http")]
struct Written {
    /// Where to ask, without a query: `https://api.example.org/v1/orders`. `demo:apartments/trades` (and `leases`,
    /// `complexes`, `stations`, `schools`) is a demo service that runs inside the tool; in
    /// `demo:apartments(price*1.4@2024-07)/trades` prices are 1.4 times as high from July 2024 on.
    url: String,
    /// How answers are written; by default recognised by the Content-Type.
    #[serde(default)]
    format: Option<PageFormat>,
    /// Parameters of every request. Their values are in no file, log or error.
    #[serde(default)]
    query: Map<Hidden>,
    /// Headers of every request. Their values are in no file, log or error.
    #[serde(default)]
    headers: Map<Hidden>,
    /// Parameters with many values each: a list, or a range of `days` or `months`. Every combination is requested, the
    /// last parameter changing fastest.
    #[serde(default, rename = "for")]
    each: Map<Values>,
    /// How to get from one page to the next. Default `none`: one request holds everything.
    #[serde(default)]
    pages: Pages,
    /// Where the items stand in an answer: a dotted path such as `response.body.items.item`. By default the answer
    /// itself is the list. `*` means every member of an object, as in `data.*`; its name becomes the item's member
    /// `@key`.
    #[serde(default)]
    items: Path,
    /// Where an answer says how many items there are in all its pages. They are compared with those that came.
    #[serde(default)]
    total: Option<Path>,
    /// For services that report errors with status 200.
    #[serde(default)]
    error: Option<ErrorSpec>,
    /// The most requests in a time: `10/s`, `100/min`, `1000/h`. No limit by default.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    rate: Option<Rate>,
    /// How long one request may take from first byte to last: 30 seconds by default, 1 to 600.
    #[serde(default = "thirty")]
    timeout_seconds: u32,
    /// How often a request is repeated that failed for a passing reason: 3 by default, 0 to 3.
    #[serde(default = "three")]
    retries: u32,
    /// How many combinations of `for` are read at a time: 4 by default, 1 to 64.
    #[serde(default = "four")]
    parallel: u32,
    /// The parameter of `for`, a range of days or months, that moves on from run to run: each run begins at the
    /// period where the one before ended.
    #[serde(default)]
    incremental: Option<String>,
    /// How far before its bookmark an incremental source begins, such as `2mo` or `14d`: for reports that come late.
    #[serde(default)]
    overlap: Option<Span>,
    /// A parameter that asks for what changed since the last run, such as Shopify's `updated_at_min`: another way to be
    /// incremental than `incremental`.
    #[serde(default)]
    since: Option<Since>,
    /// Lists within an item, each element of which makes a row of its own, such as `line_items` of an order; a list of paths
    /// for lists within lists. The element takes the place of its list: `line_items.title`. An item whose list is empty
    /// or absent makes one row.
    #[serde(default)]
    explode: Explode,
    /// Headers in which the service says how many more requests it allows: before they are used up, requests wait.
    #[serde(default)]
    budget: Option<Budget>,
}

fn thirty() -> u32 {
    30
}
fn three() -> u32 {
    3
}
fn four() -> u32 {
    4
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PageFormat {
    Json,
    Xml,
}

/// How to get from one page to the next.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pages {
    /// There is one page.
    #[default]
    None,
    /// The `Link` header names the next page (`rel="next"`).
    Link,
    /// Pages are numbered.
    Number(PageNumber),
    /// A page is requested by how many items came before it.
    Offset(PageOffset),
    /// Each answer holds the key to the next.
    Cursor(PageCursor),
    /// Each answer holds the address of the next.
    Next(PageNext),
    /// A page is requested by the last item of the one before.
    Last(PageLast),
}

/// Pages are numbered.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct PageNumber {
    /// The parameter that takes the number.
    pub query: String,
    /// The number of the first page: 1 by default.
    #[serde(default = "one")]
    pub first: u64,
    /// Where an answer says whether more pages follow, such as `has_more`. By default `total` says it, or an empty page.
    #[serde(default)]
    pub more: Option<Path>,
}

fn one() -> u64 {
    1
}

/// A page is requested by how many items came before it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct PageOffset {
    /// The parameter that takes the offset.
    pub query: String,
    /// The offset of the first item: 0 by default.
    #[serde(default)]
    pub first: u64,
    /// Where an answer says whether more pages follow, such as `has_more`. By default `total` says it, or an empty page.
    #[serde(default)]
    pub more: Option<Path>,
}

/// Each answer holds the key to the next.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct PageCursor {
    /// The parameter that takes the cursor.
    pub query: String,
    /// Where an answer holds the cursor of the next page; null or empty on the last, or absent there.
    pub at: Path,
    /// Where an answer says whether more pages follow, for services that send a cursor with the last page, too.
    #[serde(default)]
    pub more: Option<Path>,
    /// Even the first answer may lack the cursor: all items may stand on one page. `false` by default, so that a misspelt
    /// `at` is found out.
    #[serde(default)]
    pub optional: bool,
}

/// Each answer holds the address of the next.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct PageNext {
    /// Where an answer holds the address, such as `links.next`; null or empty on the last, or absent there.
    pub at: Path,
    /// Even the first answer may lack the address: all items may stand on one page. `false` by default, so that a
    /// misspelt `at` is found out.
    #[serde(default)]
    pub optional: bool,
}

/// A page is requested by the last item of the one before.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct PageLast {
    /// The parameter that takes the last item's id, such as `starting_after`.
    pub query: String,
    /// Where an item holds its id.
    pub id: Path,
    /// Where an answer says whether more pages follow, such as `has_more`. By default an empty page ends it.
    #[serde(default)]
    pub more: Option<Path>,
}

impl Pages {
    /// The parameter that asks for a page.
    pub(crate) fn parameter(&self) -> Option<&str> {
        match self {
            Pages::None | Pages::Link | Pages::Next(_) => None,
            Pages::Number(number) => Some(&number.query),
            Pages::Offset(offset) => Some(&offset.query),
            Pages::Cursor(cursor) => Some(&cursor.query),
            Pages::Last(last) => Some(&last.query),
        }
    }

    /// Where an answer says whether more pages follow.
    pub(crate) fn more(&self) -> Option<&Path> {
        match self {
            Pages::None | Pages::Link | Pages::Next(_) => None,
            Pages::Number(number) => number.more.as_ref(),
            Pages::Offset(offset) => offset.more.as_ref(),
            Pages::Cursor(cursor) => cursor.more.as_ref(),
            Pages::Last(last) => last.more.as_ref(),
        }
    }

    /// Where an answer holds what leads to the next page, and whether it may lack that.
    pub(crate) fn pointer(&self) -> Option<(&Path, bool)> {
        match self {
            Pages::Cursor(cursor) => Some((&cursor.at, cursor.optional)),
            Pages::Next(next) => Some((&next.at, next.optional)),
            _ => None,
        }
    }
}

/// How a service reports errors within an answer of status 200.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct ErrorSpec {
    /// The path of the code. An answer without it is an error.
    pub at: Path,
    /// Codes that mean that all is well.
    pub ok: Vec<String>,
    /// Where the service's words stand.
    #[serde(default)]
    pub message: Option<Path>,
    /// Codes of passing errors: the request is repeated.
    #[serde(default)]
    pub try_again: Vec<String>,
}

/// The most requests in a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub requests: NonZeroU32,
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = spec::Error;
    fn from_str(text: &str) -> spec::Result<Rate> {
        let rate = text.split_once('/').and_then(|(requests, unit)| {
            let seconds = match unit {
                "s" => 1,
                "min" => 60,
                "h" => 3600,
                _ => return None,
            };
            Some(Rate { requests: requests.parse().ok()?, per: Duration::from_secs(seconds) })
        });
        rate.ok_or_else(|| {
            spec::Error::cannot_run(format!("'{text}' is not a rate")).hint("write 10/s, 100/min or 1000/h")
        })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        spec::read_text(deserializer, "a rate such as 10/s", str::parse)
    }
}

/// What the name of an invented service begins with.
pub(crate) const DEMO: &str = "demo:apartments";

/// The shifts and the path of an invented service: `("(price*1.4@2024-07)", "/trades")`. `None`: it is a real one.
pub(crate) fn demo_of(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix(DEMO)?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

impl TryFrom<Written> for HttpSpec {
    type Error = String;
    fn try_from(written: Written) -> Result<HttpSpec, String> {
        check_url(&written.url)?;
        let within = |name: &str, value: u32, least: u32, most: u32| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("'{name}' is {value}; it ranges from {least} to {most}")),
        };
        within("timeout_seconds", written.timeout_seconds, 1, 600)?;
        within("retries", written.retries, 0, 3)?;
        within("parallel", written.parallel, 1, 64)?;
        for (name, value) in written.headers.iter() {
            if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(format!("'{name}' is not a valid header name"));
            }
            if reqwest::header::HeaderValue::from_str(value.expose()).is_err() {
                return Err(format!("the value of the header '{name}' has characters that no header may have"));
            }
        }
        check_parameters(&written)?;
        let incremental = moving(&written)?;
        if incremental.is_some() && written.since.is_some() {
            return Err("'incremental' and 'since' exclude each other; keep one".to_owned());
        }
        Ok(HttpSpec {
            shown: written.url.clone(),
            url: written.url,
            format: written.format,
            query: written.query,
            headers: written.headers,
            each: written.each,
            pages: written.pages,
            items: written.items,
            total: written.total,
            error: written.error,
            rate: written.rate,
            timeout: Duration::from_secs(written.timeout_seconds.into()),
            retries: written.retries,
            parallel: written.parallel as usize,
            incremental,
            since: written.since,
            explode: written.explode,
            budget: written.budget,
        })
    }
}

/// The settings that decide what an item's members hold: the address without its host, the parameters that every request
/// has, and where the items stand. `for` and `pages` say which items are fetched.
pub(super) fn settings(spec: &HttpSpec, of: &Target<'_>) -> Settings {
    let HttpSpec {
        url,
        shown: _,
        query,
        headers,
        items,
        explode,
        since: _,
        budget: _,
        format: _,
        each: _,
        pages: _,
        total: _,
        error: _,
        rate: _,
        timeout: _,
        retries: _,
        parallel: _,
        incremental: _,
    } = spec;
    // What happens in an invented city is not how its columns are read.
    let path = match demo_of(url) {
        Some((_, path)) => Some(format!("{DEMO}{path}")),
        None => reqwest::Url::parse(url).ok().map(|url| url.path().to_owned()),
    };
    let path = of.secrets.redact(&path.unwrap_or_else(|| url.clone()));
    let mut settings = Settings::from([("url".to_owned(), path.into())]);
    if !items.is_empty() {
        settings.insert("items".to_owned(), items.to_string().into());
    }
    if !explode.0.is_empty() {
        settings.insert("explode".to_owned(), explode.to_string().into());
    }
    // Who asks does not decide what is answered.
    let is_login = |name: &str| {
        let name = name.to_ascii_lowercase();
        spec::sounds_secret(&name) || ["authorization", "cookie", "user-agent"].contains(&&*name)
    };
    for (key, parameters) in [("query", query), ("headers", headers)] {
        let parameters = parameters.iter().filter(|(name, _)| !is_login(name));
        let hidden = |(name, value): (&str, &Hidden)| (name.to_owned(), of.hidden(value.expose()));
        let parameters: serde_json::Map<String, serde_json::Value> = parameters.map(hidden).collect();
        if !parameters.is_empty() {
            settings.insert(key.to_owned(), parameters.into());
        }
    }
    settings
}

/// An address that may be shown: without a login and without a query. Errors do not repeat it.
fn check_url(url: &str) -> Result<(), String> {
    if let Some((shifts, path)) = demo_of(url) {
        let known = ["/trades", "/leases", "/complexes", "/stations", "/schools"];
        City::with_shifts(shifts).map_err(|wrong| format!("'url': {wrong}"))?;
        return match known.contains(&path) {
            true => Ok(()),
            false => Err(format!("there is no '{DEMO}{path}'; {}", did_you_mean(path, known))),
        };
    }
    if url.contains('?') || url.contains('#') {
        return Err("'url' has a query; write its parameters under 'query'".to_owned());
    }
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("'url' is not a valid address: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("'url' begins with http:// or https://".to_owned());
    }
    if matches!(parsed.host_str(), Some("http" | "https")) && parsed.path().starts_with("//") {
        return Err(
            "'url' has '://' twice; a variable in it may be a name alone, such as my-shop.example.com".to_owned()
        );
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("'url' holds a login, which files would show; write a header 'Authorization' instead".to_owned());
    }
    Ok(())
}

/// Every parameter has one place where it is set.
fn check_parameters(written: &Written) -> Result<(), String> {
    let paging = written.pages.parameter();
    if let Some(since) = &written.since {
        let name = since.query.as_str();
        if written.query.get(name).is_some() || written.each.get(name).is_some() || paging == Some(name) {
            return Err(format!("the parameter '{name}' is set by 'since'; take it out of 'query', 'for' and 'pages'"));
        }
        if since.at.is_empty() {
            return Err("'at' under 'since' names no value of an item".to_owned());
        }
    }
    for (name, values) in written.each.iter() {
        if let Some(twice) = values.twice() {
            return Err(format!("'{name}' under 'for' names {twice} twice, whose items would be read twice"));
        }
    }
    let each: Vec<&str> =
        written.each.iter().flat_map(|(name, values)| std::iter::once(name).chain(values.second())).collect();
    for (at, name) in each.iter().enumerate() {
        if written.query.get(name).is_some() {
            return Err(format!("the parameter '{name}' is set under both 'query' and 'for'"));
        }
        if each[..at].contains(name) {
            return Err(format!("the parameter '{name}' is set twice under 'for'"));
        }
    }
    match paging.filter(|name| written.query.get(name).is_some() || each.contains(name)) {
        Some(name) => Err(format!("the parameter '{name}' is set by 'pages'; take it out of 'query' and 'for'")),
        None => Ok(()),
    }
}

fn moving(written: &Written) -> Result<Option<Moving>, String> {
    let Some(parameter) = written.incremental.clone() else {
        return match written.overlap {
            Some(_) => Err("'overlap' is for a source with 'incremental'".to_owned()),
            None => Ok(None),
        };
    };
    match written.each.get(&parameter) {
        Some(Values::Range(range)) => {
            let overlap = written.overlap.map(|span| range.overlap(span)).transpose()?;
            Ok(Some(Moving { parameter, overlap }))
        }
        Some(Values::List(_)) => {
            Err(format!("'incremental' names '{parameter}', which is a list; it must be a range of days or months"))
        }
        None => Err(format!(
            "'incremental' names '{parameter}', which is not under 'for'; {}",
            did_you_mean(&parameter, written.each.names())
        )),
    }
}
