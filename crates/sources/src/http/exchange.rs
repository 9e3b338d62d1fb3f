//! One request and its answer, repeated while what is wrong may pass.

use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use net::Backoff;
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use spec::text::{cut, one_line};
use spec::{Error, Redactor, Result};

use crate::decode::{are_utf_8, is_utf_16};

use super::budget::Gate;
use super::packing::Packing;
use super::tree::{Found, Node};
use super::written::{PageFormat, Rate};
use super::{HttpSpec, json_page, xml_page};

/// The largest answer that is read, in bytes: it is held in memory as a whole, several times.
pub(crate) const LARGEST: usize = 256 << 20;
/// The longest time that a server may ask to wait; one that asks for more stays down.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);
/// The first pause lasts half a second at most. Unit tests do not wait for it.
pub(crate) const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(if cfg!(test) { 5 } else { 500 }), longest: LONGEST };
/// Most characters of a server's words that go into an error.
const QUOTED: usize = 300;

/// Sends requests.
pub(crate) struct Client {
    http: reqwest::Client,
    spec: HttpSpec,
    headers: HeaderMap,
    limiter: Option<DefaultDirectRateLimiter>,
    clock: DefaultClock,
    /// Until when the service's budget lets requests wait.
    gate: Gate,
}

/// An answer of status 200 that could be read.
pub(crate) struct Page {
    pub root: Node,
    /// The answer says what is text and what is a number.
    pub typed: bool,
    /// The address in `Link: <...>; rel="next"`.
    pub next: Option<String>,
    /// There is a `Link` header, whatever its content.
    pub has_link: bool,
}

/// Why a page could not be fetched.
enum Fault {
    /// It may pass; what the server asked to wait.
    Passing(String, Option<Duration>),
    /// It will not.
    Lasting(Error),
}

impl Client {
    pub(crate) fn new(spec: &HttpSpec) -> Result<Client> {
        let http = net::client(spec.timeout, |builder| if spec.is_demo() { builder.no_proxy() } else { builder })?;
        let mut headers = HeaderMap::new();
        for (name, value) in spec.headers.iter() {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value.expose()).ok());
            let (name, mut value) =
                pair.ok_or_else(|| Error::cannot_run(format!("the header '{name}' cannot be sent")))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let even = |Rate { requests, per }: Rate| Quota::with_period(per / requests.get()).map(RateLimiter::direct);
        Ok(Client {
            http,
            headers,
            limiter: spec.rate.and_then(even),
            clock: DefaultClock::default(),
            gate: Gate::default(),
            spec: spec.clone(),
        })
    }

    /// Asks for `url`, which errors call `shown`, until there is an answer or the tries are used up.
    pub(crate) async fn page(&self, url: &Url, shown: &str) -> Result<Page> {
        let mut tries = 0;
        loop {
            self.leave().await;
            tries += 1;
            let (why, asked) = match self.exchange(url).await {
                Ok(page) => return Ok(page),
                Err(Fault::Lasting(error)) => return Err(error.context(shown)),
                Err(Fault::Passing(why, asked)) => (why, asked),
            };
            let too_long = asked.filter(|asked| *asked > LONGEST);
            if tries > self.spec.retries || too_long.is_some() {
                return Err(stays_down(shown, &why, tries, too_long));
            }
            let pause = BACKOFF.pause(tries);
            tokio::time::sleep(asked.map_or(pause, |asked| asked.max(pause))).await;
        }
    }

    /// Waits until one more request may go out.
    async fn leave(&self) {
        if let Some(limiter) = &self.limiter {
            while let Err(busy) = limiter.check() {
                tokio::time::sleep(busy.wait_time_from(self.clock.now())).await;
            }
        }
        if self.spec.budget.is_some() {
            let mut wait = self.gate.wait();
            while !wait.is_zero() {
                tokio::time::sleep(wait).await;
                wait = self.gate.wait();
            }
        }
    }

    /// The doubt about headers of a budget that no answer had.
    pub(crate) fn without_budget(&self) -> Option<String> {
        let budget = self.spec.budget.as_ref().filter(|_| !self.gate.is_found())?;
        Some(format!("{}: no answer has the headers {} that 'budget' names", self.spec.shown, budget.headers()))
    }

    async fn exchange(&self, url: &Url) -> Result<Page, Fault> {
        let sent = self.http.get(url.clone()).headers(self.headers.clone()).send().await;
        let response = sent.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if let Some(budget) = &self.spec.budget {
            self.gate.answered(budget, response.headers(), self.spec.parallel);
        }
        let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
        let asked = header(RETRY_AFTER).and_then(|text| net::retry_after(text, chrono::Utc::now()));
        let content_type = header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let compressed = header(CONTENT_ENCODING).map(|by| by.trim().to_ascii_lowercase());
        let has_link = response.headers().contains_key(LINK);
        let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let next = links.filter_map(next_link).next();
        let body = self.body(response).await?;
        match status.as_u16() {
            // No content: no items, and nothing that leads on.
            204 => return Ok(Page { root: Node::Null, typed: true, next: None, has_link }),
            200..300 => {}
            408 | 425 | 429 | 500.. => return Err(Fault::Passing(format!("the server answers {status}"), asked)),
            _ => return Err(Fault::Lasting(self.refusal(status, &body))),
        }
        let compressed = compressed.unwrap_or_default();
        let Some(packing) = Packing::named(&compressed) else {
            let what = format!("the answer is compressed by '{}', which is not read", self.quoted(&compressed));
            return Err(Fault::Lasting(Error::cannot_run(what).hint("add 'Accept-Encoding: identity' to 'headers'")));
        };
        let body = packing.unpacked(body).map_err(|why| Fault::Passing(why, None))?;
        let text = decoded(&body, &content_type).map_err(|why| Fault::Passing(why, None))?;
        if self.spec.format.is_none() && is_page(&content_type, &text) {
            let said = self.quoted(&text);
            return Err(Fault::Passing(format!("the answer is a page for people (HTML): {said}"), None));
        }
        let format = self.spec.format.unwrap_or_else(|| told(&content_type, &text));
        let root = match format {
            PageFormat::Json => json_page::read(&text),
            PageFormat::Xml => xml_page::read(&text),
        };
        let root = root.map_err(|why| {
            let said = self.quoted(&text);
            let said = if said.is_empty() { "nothing".to_owned() } else { said };
            match why.ends_with("is truncated") {
                true => Fault::Passing(format!("the answer was cut short: {why}"), None),
                false => Fault::Passing(format!("the answer cannot be read: {why}; it says: {said}"), None),
            }
        })?;
        self.check(&root, &text)?;
        Ok(Page { root, typed: format == PageFormat::Json, next, has_link })
    }

    async fn body(&self, response: reqwest::Response) -> Result<Vec<u8>, Fault> {
        let read = body(response, LARGEST).await.map_err(|error| self.broken(&error))?;
        read.ok_or_else(|| {
            Fault::Lasting(
                Error::cannot_run(format!("the answer is larger than {} MiB", LARGEST >> 20))
                    .hint("ask for smaller pages, or for shorter periods under 'for'"),
            )
        })
    }

    /// Looks for errors that the service reports in an answer of status 200.
    fn check(&self, root: &Node, text: &str) -> Result<(), Fault> {
        let Some(error) = &self.spec.error else { return Ok(()) };
        error.at.check_once(root).map_err(Fault::Lasting)?;
        let code = match error.at.find(root) {
            Found::Node(node) => node.plain().unwrap_or_default(),
            Found::Nothing | Found::Missing(_) => {
                let what = format!("the service answers without '{}'; it says: {}", error.at, self.quoted(text));
                return Err(Fault::Lasting(
                    Error::cannot_run(what).hint("check the key under 'query' or 'headers', and 'error'"),
                ));
            }
        };
        if error.ok.iter().any(|ok| ok == code) {
            return Ok(());
        }
        let words = error.message.as_ref().and_then(|at| at.text(root)).unwrap_or("no reason given");
        let what = format!("the service reports error {} ({})", self.quoted(code), self.quoted(words));
        match error.try_again.iter().any(|passing| passing == code) {
            true => Err(Fault::Passing(what, None)),
            false => Err(Fault::Lasting(
                Error::cannot_run(what)
                    .hint("look the code up in the service's documentation; check the key and 'for'"),
            )),
        }
    }

    fn refusal(&self, status: reqwest::StatusCode, body: &[u8]) -> Error {
        match status.as_u16() {
            401 | 403 => Error::cannot_run(format!("the server refuses the key ({status})"))
                .hint("check the key under 'query' or 'headers', and whether it has expired"),
            404 => Error::cannot_run(format!("the server answers {status}")).hint("check 'url'"),
            300..=399 => Error::cannot_run(format!("the server redirects to another address ({status})"))
                .hint("write the address that it moved to under 'url'"),
            _ => {
                let said = self.quoted(&String::from_utf8_lossy(body));
                let said = if said.is_empty() { "nothing more".to_owned() } else { said };
                Error::cannot_run(format!("the server answers {status}; it says: {said}"))
                    .hint("check 'query', 'headers' and 'for'")
            }
        }
    }

    /// What broke an exchange, in words: the address may hold a key and is left out.
    fn broken(&self, error: &reqwest::Error) -> Fault {
        let what = if error.is_timeout() {
            format!("no answer within {} s", self.spec.timeout.as_secs())
        } else if error.is_connect() {
            format!("no connection: {}", self.quoted(&spec::text::root_cause(error)))
        } else {
            "the answer was cut short".to_owned()
        };
        Fault::Passing(what, None)
    }

    /// A server's words on one line, not too many, with everything redacted that may be a key.
    fn quoted(&self, words: &str) -> String {
        let mut hidden = Redactor::default();
        for value in self.spec.query.iter().chain(self.spec.headers.iter()).map(|(_, value)| value.expose()) {
            let parts = value.split_whitespace().chain([value]);
            parts.filter(|part| part.len() >= 4).for_each(|part| hidden.add(part));
        }
        cut(&hidden.redact(&one_line(words)), QUOTED)
    }
}

pub(crate) fn stays_down(shown: &str, why: &str, tries: u32, too_long: Option<Duration>) -> Error {
    let tried = if tries == 1 { "tried once".to_owned() } else { format!("tried {tries} times") };
    let asked = too_long.map(|asked| format!(" and asks to wait {} s", asked.as_secs())).unwrap_or_default();
    Error::try_again(format!("{shown}: {why}{asked} ({tried})"))
        .hint("run again later, or name another source under 'fallback'")
}

/// What a response holds. `None`: it is larger than `largest` bytes.
pub(crate) async fn body(mut response: reqwest::Response, largest: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    if announced > largest {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > largest {
            return Ok(None);
        }
        body.extend_from_slice(&part);
    }
    Ok(Some(body))
}

/// Whether an answer is HTML, as pages for logging in and for maintenance are.
fn is_page(content_type: &str, text: &str) -> bool {
    let begin: String = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    content_type.contains("html") || begin.starts_with("<!doctype html") || begin.starts_with("<html")
}

fn told(content_type: &str, text: &str) -> PageFormat {
    match () {
        () if content_type.contains("json") => PageFormat::Json,
        () if content_type.contains("xml") => PageFormat::Xml,
        () if text.trim_start().starts_with('<') => PageFormat::Xml,
        () => PageFormat::Json,
    }
}

/// What follows `key`, without quotes.
pub(crate) fn label(text: &str, key: &str) -> Option<String> {
    let rest = text.split_once(key)?.1.trim_start_matches(['"', '\'']);
    Some(rest.split(['"', '\'', ';', ' ', '?']).next().unwrap_or_default().to_owned())
}

/// The body as text, in the encoding that its type or its XML declaration names; UTF-8 by default, and where it is that, whatever
/// they name: JSON is always UTF-8 (RFC 8259, 8.1), and servers add a `charset` of their own.
fn decoded(body: &[u8], content_type: &str) -> Result<String, String> {
    let head = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
    let declared = head.trim_start().starts_with("<?xml").then(|| label(&head, "encoding=")).flatten();
    let label = label(content_type, "charset=").or(declared);
    let encoding = match &label {
        Some(label) => {
            Encoding::for_label(label.as_bytes()).ok_or_else(|| format!("its encoding '{label}' is not known"))?
        }
        None => UTF_8,
    };
    // What has been read so far is not UTF-16, although that is declared.
    let is_other = is_utf_16(encoding) && body.starts_with(b"<?xml") || are_utf_8(body, encoding);
    let encoding = if is_other { UTF_8 } else { encoding };
    let (text, encoding, garbled) = encoding.decode(body);
    match garbled {
        true => Err(format!("the answer has bytes that are not valid {}", encoding.name())),
        false => Ok(text.into_owned()),
    }
}

/// The address of `rel="next"` in a `Link` header (RFC 8288).
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, from)) = rest.split_once('<') {
        let (address, after) = from.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split(';').filter_map(|part| part.trim().split_once('=')).any(|(name, value)| {
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && value.split(' ').any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(address.to_owned());
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let header = r#"<https://h/a?p=1>; rel="prev", <https://h/a?p=3,4>; title="x"; rel="next last""#;
        assert_eq!(next_link(header).as_deref(), Some("https://h/a?p=3,4"));
        assert_eq!(next_link("</a?p=2>;rel=next, </a?p=9>;rel=last").as_deref(), Some("/a?p=2"));
        assert_eq!(next_link(r#"<https://h/next>; rel="prev""#), None);
        assert_eq!(next_link("nonsense"), None);
    }

    #[test]
    fn encodings_are_followed() {
        assert_eq!(decoded("é".as_bytes(), "application/json").unwrap(), "é");
        assert_eq!(decoded(b"\xb0\xa1", "text/xml; charset=euc-kr").unwrap(), "가");
        assert_eq!(
            decoded(b"<?xml version=\"1.0\" encoding=\"euc-kr\"?><a>\xb0\xa1</a>", "").unwrap(),
            "<?xml version=\"1.0\" encoding=\"euc-kr\"?><a>가</a>"
        );
        assert_eq!(decoded("Köln".as_bytes(), "application/json; charset=iso-8859-1").unwrap(), "Köln");
        assert_eq!(decoded(b"K\xf6ln", "application/json; charset=iso-8859-1").unwrap(), "Köln");
        let utf_16 = "<?xml version=\"1.0\" encoding=\"utf-16\"?><a>é</a>";
        assert_eq!(decoded(utf_16.as_bytes(), "text/xml").unwrap(), utf_16);
        assert_eq!(decoded(b"\xb0\xa1", "").unwrap_err(), "the answer has bytes that are not valid UTF-8");
        assert_eq!(decoded(b"a", "charset=klingon").unwrap_err(), "its encoding 'klingon' is not known");
    }
}
