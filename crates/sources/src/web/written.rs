//! What the `web` source of `ingest.yaml` says, checked.

use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;
use spec::Map;

use crate::file_spec::{Encoding, Paths};
use crate::reading::{Settings, Target};
use crate::table_spec::RESERVED;

use super::robots::product;
use super::selector::Selector;
use super::short::{self, short_or_long};

/// The longest pause between two requests that is waited for, in seconds.
pub(super) const LONGEST_DELAY: u32 = 300;

/// Pages of a web site, read by CSS selectors.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct WebSpec {
    pub(super) start: Starts,
    pub(super) rows: Selector,
    pub(super) fields: Map<Field>,
    pub(super) next: Option<Lead>,
    pub(super) details: Option<Selector>,
    pub(super) pages: Option<u32>,
    pub(super) most_requests: u32,
    pub(super) hosts: Vec<String>,
    pub(super) delay: Duration,
    pub(super) user_agent: String,
    pub(super) encoding: Option<Encoding>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
}

/// Pages of a web site, read by CSS selectors.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Web")]
struct Written {
    /// The address of the first page, or a list of them, each read to its end before the next.
    start: Starts,
    /// The elements that are rows, such as `.listing` or `table#prices tbody tr`.
    rows: Selector,
    /// What each row holds, by name: a selector within the row, or `{select, attribute, which, of, optional}`.
    fields: Map<Field>,
    /// The link from each page to the next, such as `a[rel=next]`. By default only the pages under `start` are read.
    #[serde(default)]
    next: Option<Lead>,
    /// The link within each row to a page of its own, for fields with `of: details`.
    #[serde(default)]
    details: Option<Selector>,
    /// How many pages of rows to read from each start, at most, even if more follow. By default all.
    #[serde(default)]
    pages: Option<u32>,
    /// The most requests of a run, 1 to 100000. More are an error, and nothing is published. Default 10000.
    #[serde(default = "ten_thousand")]
    most_requests: u32,
    /// Other hosts that links may lead to, such as `www.homes.example`. By default only those of `start`.
    #[serde(default)]
    hosts: Vec<String>,
    /// Seconds between two requests, 0 to 300. Default 1. A longer `Crawl-delay` of the site's robots.txt takes its place.
    #[serde(default = "one_second")]
    delay_seconds: f64,
    /// Who reads, for the site's owner. Its first word is the name that robots.txt is searched for. Default
    /// `millrace/VERSION`. Name a way to reach you: `my-shop (+https://my-shop.example/robot)`.
    #[serde(default)]
    user_agent: Option<String>,
    /// The encoding of the pages, instead of the one that they declare.
    #[serde(default)]
    encoding: Option<Encoding>,
    /// How long one request may take from first byte to last: 30 seconds by default, 1 to 600.
    #[serde(default = "thirty")]
    timeout_seconds: u32,
    /// How often a request is repeated that failed for a passing reason: 3 by default, 0 to 3.
    #[serde(default = "three")]
    retries: u32,
}

fn ten_thousand() -> u32 {
    10_000
}
fn one_second() -> f64 {
    1.0
}
fn thirty() -> u32 {
    30
}
fn three() -> u32 {
    3
}

/// The addresses of first pages.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(with = "Paths")]
pub(super) struct Starts(pub Vec<Url>);

impl<'de> Deserialize<'de> for Starts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Starts, D::Error> {
        let Paths(texts) = Paths::deserialize(deserializer)?;
        let urls = texts.iter().map(|text| start(text)).collect::<Result<Vec<_>, _>>().map_err(de::Error::custom)?;
        match urls.iter().enumerate().find(|(at, url)| urls[..*at].contains(url)) {
            Some((_, twice)) => {
                Err(de::Error::custom(format!("'start' names {twice} twice, whose rows would be read twice")))
            }
            None => Ok(Starts(urls)),
        }
    }
}

/// An address that may be shown: rows and logs name it.
fn start(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("an address under 'start' is not valid: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("an address under 'start' does not begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address under 'start' holds a login, which files would show".to_owned());
    }
    if let Some((name, _)) = url.query_pairs().find(|(name, _)| spec::sounds_secret(name)) {
        return Err(format!(
            "an address under 'start' has the parameter '{name}', which files would show; a service with a key is for the \
             source http"
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

/// What a row holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub select: Selector,
    pub attribute: Option<String>,
    pub which: Which,
    pub of: Of,
    pub optional: bool,
}

/// A selector, or `{select, attribute, which, of, optional}`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WebField")]
struct WrittenField {
    /// The element within the row (or within the page of details).
    select: Selector,
    /// The attribute to take, such as `href`; addresses become absolute. By default the text that people read, with single
    /// spaces.
    #[serde(default)]
    attribute: Option<String>,
    /// Which of several elements: `only` (default: different values of several refuse the row), `first`, `last`, or `all`
    /// as a list in JSON.
    #[serde(default)]
    which: Which,
    /// Where it stands: in the `row` (default), in the page of `details`, or anywhere on the `page` of the row.
    #[serde(default)]
    of: Of,
    /// No row need have it. By default a field that no row has is an error.
    #[serde(default)]
    optional: bool,
}

/// Which of several elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WebWhich")]
pub(super) enum Which {
    /// There is one; several with different values refuse the row.
    #[default]
    Only,
    First,
    Last,
    /// All, as a list in JSON.
    All,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WebOf")]
pub(super) enum Of {
    #[default]
    Row,
    /// In the page that the link under `details` leads to.
    Details,
    /// Anywhere on the page, such as a heading above all rows.
    Page,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        const KEYS: [&str; 5] = ["select", "attribute", "which", "of", "optional"];
        let what = "a CSS selector, or {select: \"h2 a\", attribute: href}";
        Ok(match short_or_long(deserializer, what, &KEYS)? {
            short::ShortOrLong::Short(select) => {
                Field { select, attribute: None, which: Which::Only, of: Of::Row, optional: false }
            }
            short::ShortOrLong::Long(WrittenField { select, attribute, which, of, optional }) => {
                let attribute = attribute.map(|name| name.to_ascii_lowercase());
                Field { select, attribute, which, of, optional }
            }
        })
    }
}

impl JsonSchema for Field {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WebFieldOrSelector".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let long = generator.subschema_for::<WrittenField>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, long] })
    }
}

/// The link to the next page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lead {
    pub select: Selector,
    pub optional: bool,
}

/// A selector, or `{select, optional}`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WebNext")]
struct WrittenLead {
    /// The link to the next page.
    select: Selector,
    /// All rows may be on one page. By default a link that no page has is an error, so that a misspelt selector is found.
    #[serde(default)]
    optional: bool,
}

impl<'de> Deserialize<'de> for Lead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lead, D::Error> {
        let what = "a CSS selector, or {select: a.next, optional: true}";
        Ok(match short_or_long(deserializer, what, &["select", "optional"])? {
            short::ShortOrLong::Short(select) => Lead { select, optional: false },
            short::ShortOrLong::Long(WrittenLead { select, optional }) => Lead { select, optional },
        })
    }
}

impl JsonSchema for Lead {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WebLead".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let long = generator.subschema_for::<WrittenLead>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, long] })
    }
}

impl TryFrom<Written> for WebSpec {
    type Error = String;
    fn try_from(written: Written) -> Result<WebSpec, String> {
        let within = |name: &str, value: u32, least: u32, most: u32| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("'{name}' is {value}; it goes from {least} to {most}")),
        };
        within("timeout_seconds", written.timeout_seconds, 1, 600)?;
        within("retries", written.retries, 0, 3)?;
        within("most_requests", written.most_requests, 1, 100_000)?;
        if written.pages == Some(0) {
            return Err("'pages' is 0; leave it out to read all".to_owned());
        }
        let delay = written.delay_seconds;
        if !(0.0..=f64::from(LONGEST_DELAY)).contains(&delay) {
            return Err(format!("'delay_seconds' is {delay}; it goes from 0 to {LONGEST_DELAY}"));
        }
        if written.fields.is_empty() {
            return Err("'fields' names nothing that a row holds".to_owned());
        }
        if let Some(taken) = written.fields.names().find(|name| RESERVED.contains(name)) {
            return Err(format!("the name '{taken}' under 'fields' is taken by the row's origin"));
        }
        let of_details = written.fields.iter().find(|(_, field)| field.of == Of::Details);
        match (&written.details, of_details) {
            (None, Some((name, _))) => {
                return Err(format!("the field '{name}' is of the details, but 'details' names no link to them"));
            }
            (Some(_), None) => {
                return Err(
                    "'details' leads to pages of which no field is read; add 'of: details' to a field".to_owned()
                );
            }
            _ => {}
        }
        if let Some(host) = written.hosts.iter().find(|host| host.is_empty() || host.contains(['/', '*', ' '])) {
            return Err(format!("'{host}' under 'hosts' is not a host such as www.homes.example"));
        }
        let user_agent = written.user_agent.unwrap_or_else(|| net::USER_AGENT.to_owned());
        if reqwest::header::HeaderValue::from_str(&user_agent).is_err() {
            return Err("'user_agent' has characters that no header may have".to_owned());
        }
        if matches!(product(&user_agent), "" | "*") {
            return Err(
                "'user_agent' does not begin with a name, such as my-shop (+https://my-shop.example/robot)".to_owned()
            );
        }
        Ok(WebSpec {
            start: written.start,
            rows: written.rows,
            fields: written.fields,
            next: written.next,
            details: written.details,
            pages: written.pages,
            most_requests: written.most_requests,
            hosts: written.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            delay: Duration::from_secs_f64(delay),
            user_agent,
            encoding: written.encoding,
            timeout: Duration::from_secs(written.timeout_seconds.into()),
            retries: written.retries,
        })
    }
}

/// Which elements are rows, and what of them a column holds. Where the pages are, and which of them are read, does not count.
pub(super) fn settings(spec: &WebSpec, of: &Target<'_>) -> Settings {
    let WebSpec {
        start: _,
        rows,
        fields,
        next: _,
        details,
        pages: _,
        most_requests: _,
        hosts: _,
        delay: _,
        user_agent: _,
        encoding,
        timeout: _,
        retries: _,
    } = spec;
    let mut settings = Settings::from([("rows".to_owned(), of.shown(&rows.to_string()))]);
    let mut set = |key: &str, value: Value| settings.insert(key.to_owned(), value);
    let name = of.declared.and_then(|declared| declared.from.as_deref()).unwrap_or(of.name);
    if let Some(Field { select, attribute, which, of: place, optional: _ }) = fields.get(name) {
        set("select", of.shown(&select.to_string()));
        if let Some(attribute) = attribute {
            set("attribute", attribute.as_str().into());
        }
        match which {
            Which::Only => None,
            Which::First => set("which", "first".into()),
            Which::Last => set("which", "last".into()),
            Which::All => set("which", "all".into()),
        };
        match (place, details) {
            (Of::Row, _) => None,
            (Of::Page, _) => set("of", "page".into()),
            (Of::Details, details) => {
                set("of", of.shown(&details.as_ref().map(Selector::to_string).unwrap_or_default()))
            }
        };
    }
    if let Some(encoding) = encoding {
        set("encoding", encoding.0.name().to_lowercase().into());
    }
    settings
}
