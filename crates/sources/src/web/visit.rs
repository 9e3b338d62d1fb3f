//! One page: whether it may be read, the pause before the request, retries, redirects, and its encoding.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use spec::{Error, Result, text};
use tokio::runtime::Runtime;

use crate::decode::are_utf_8;
use crate::http::exchange::{BACKOFF, LONGEST, body, label, stays_down};
use crate::http::packing::Packing;

use super::document::Document;
use super::robots::{self, Robots, product};
use super::written::{LONGEST_DELAY, WebSpec};

/// The largest page that is read, in bytes: its tree takes about twenty times as much memory.
const LARGEST: usize = 32 << 20;
/// Redirects that are followed, one after the other.
const REDIRECTS: usize = 5;
/// Bytes at the beginning of a page in which it says its encoding.
const HEAD: usize = 1024;

/// A page that was read.
pub(super) struct Page {
    /// Where it lies, after redirects.
    pub url: Url,
    /// The address from which those on the page count.
    pub base: Url,
    pub document: Document,
    /// The encoding, if some of its bytes are not valid in it.
    pub garbled: Option<&'static str>,
}

/// Reads pages, one after the other.
pub(super) struct Visitor {
    http: reqwest::Client,
    runtime: Runtime,
    spec: WebSpec,
    /// Hosts that links may lead to, as [`host_of`] writes them.
    hosts: Vec<String>,
    robots: HashMap<String, Robots>,
    /// When the last answer had been read.
    last: Option<Instant>,
    requests: u32,
}

/// What a server answered.
struct Answer {
    status: u16,
    content_type: String,
    location: Option<String>,
    body: Vec<u8>,
}

/// Why no answer was received.
enum Fault {
    /// It may pass; how long the server asks to wait.
    Passing(String, Option<Duration>),
    /// It will not pass.
    Lasting(String),
}

/// The host with its port, unless that is the usual one.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Visitor {
    pub(super) fn new(spec: &WebSpec) -> Result<Visitor> {
        let http = net::client(spec.timeout, |builder| builder.user_agent(&spec.user_agent))?;
        let hosts = spec.start.0.iter().map(host_of).chain(spec.hosts.iter().cloned()).collect();
        Ok(Visitor {
            http,
            runtime: net::runtime()?,
            spec: spec.clone(),
            hosts,
            robots: HashMap::new(),
            last: None,
            requests: 0,
        })
    }

    /// The page at `url`, or why there is none that can be read. Fails if nothing can be read, at least for now.
    pub(super) fn page(&mut self, url: &Url) -> Result<Result<Page, String>> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            if let Some(why) = self.forbidden(&url)? {
                return Ok(Err(why));
            }
            let answer = match self.answer(&url, LARGEST)? {
                Ok(answer) => answer,
                Err(why) => return Ok(Err(why)),
            };
            match (answer.status, &answer.location) {
                (200..=299, _) => return Ok(self.read(url, answer)),
                (301 | 302 | 303 | 307 | 308, Some(location)) => match url.join(location) {
                    Ok(mut target) => {
                        target.set_fragment(None);
                        url = target;
                    }
                    Err(_) => return Ok(Err(format!("the server redirects to '{}'", text::cut(location, 100)))),
                },
                (status, _) => return Ok(Err(format!("the server answers {status}"))),
            }
        }
        Ok(Err(format!("the server redirects more than {REDIRECTS} times")))
    }

    /// Why a page must not be read, if so.
    fn forbidden(&mut self, url: &Url) -> Result<Option<String>> {
        if !matches!(url.scheme(), "http" | "https") {
            return Ok(Some(format!("'{}:' is not an address of a page", url.scheme())));
        }
        let host = host_of(url);
        if !self.hosts.contains(&host) {
            return Ok(Some(format!("it is on another host, {host}; if it is meant, name it under 'hosts'")));
        }
        let site = format!("{}://{host}", url.scheme());
        if !self.robots.contains_key(&site) {
            let robots = self.robots_of(&site)?;
            self.robots.insert(site.clone(), robots);
        }
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let rule = self.robots.get(&site).and_then(|robots| robots.forbids(&path));
        Ok(rule.map(|rule| {
            let name = product(&self.spec.user_agent);
            format!("{site}/robots.txt does not allow '{name}' to read it ('{}')", text::cut(rule, 100))
        }))
    }

    /// The robots.txt of a site. One that is not there allows all, and one that cannot be read forbids all (RFC 9309, 2.3.1).
    fn robots_of(&mut self, site: &str) -> Result<Robots> {
        let mut url = Url::parse(&format!("{site}/robots.txt"))
            .map_err(|error| Error::cannot_run(format!("'{site}' is not a valid address: {error}")))?;
        let nothing_read = |error: Error| error.context("nothing may be read without robots.txt");
        let name = product(&self.spec.user_agent).to_owned();
        for _ in 0..=REDIRECTS {
            let answer = match self.answer(&url, usize::MAX).map_err(nothing_read)? {
                Ok(answer) => answer,
                Err(why) => return Err(nothing_read(Error::try_again(format!("{url}: {why}")))),
            };
            match (answer.status, answer.location) {
                (200..=299, _) => {
                    let robots = Robots::parse(&answer.body, &name);
                    if let Some(delay) = robots.delay.filter(|delay| delay.as_secs() > LONGEST_DELAY.into()) {
                        return Err(Error::cannot_run(format!(
                            "{url}: it requests {} s between two requests; {LONGEST_DELAY} s is the most that is waited",
                            delay.as_secs()
                        ))
                        .hint("ask the site's owner for another way to get the data"));
                    }
                    return Ok(robots);
                }
                (301 | 302 | 303 | 307 | 308, Some(location)) => match url.join(&location) {
                    Ok(target) if matches!(target.scheme(), "http" | "https") => url = target,
                    Ok(_) | Err(_) => return Ok(Robots::default()),
                },
                _ => return Ok(Robots::default()),
            }
        }
        Ok(Robots::default())
    }

    /// The server's answer, retried where that helps; or why it cannot be a page. At most `largest` bytes of the answer
    /// are read, and of a robots.txt as many as the standard requires.
    fn answer(&mut self, url: &Url, largest: usize) -> Result<Result<Answer, String>> {
        let mut tries = 0;
        loop {
            self.requests += 1;
            if self.requests > self.spec.most_requests {
                return Err(Error::cannot_run(format!(
                    "{url}: this would be more than the {} requests that 'most_requests' allows",
                    self.spec.most_requests
                ))
                .hint("nothing was published; raise 'most_requests', or read fewer pages with 'pages'"));
            }
            self.wait(url);
            tries += 1;
            let exchanged = self.runtime.block_on(exchange(&self.http, url, largest, self.spec.timeout));
            self.last = Some(Instant::now());
            let (why, asked) = match exchanged {
                Ok(answer) => return Ok(Ok(answer)),
                Err(Fault::Lasting(why)) => return Ok(Err(why)),
                Err(Fault::Passing(why, asked)) => (why, asked),
            };
            let too_long = asked.filter(|asked| *asked > LONGEST);
            if tries > self.spec.retries || too_long.is_some() {
                return Err(stays_down(url.as_str(), &why, tries, too_long));
            }
            let pause = BACKOFF.pause(tries);
            std::thread::sleep(asked.map_or(pause, |asked| asked.max(pause)));
        }
    }

    /// Waits until the site may be asked again.
    fn wait(&self, url: &Url) {
        let site = format!("{}://{}", url.scheme(), host_of(url));
        let delay = self.robots.get(&site).and_then(|robots| robots.delay).unwrap_or_default().max(self.spec.delay);
        if let Some(last) = self.last {
            std::thread::sleep(delay.saturating_sub(last.elapsed()));
        }
    }

    fn read(&self, url: Url, answer: Answer) -> Result<Page, String> {
        let kind = answer.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !matches!(kind.as_str(), "" | "text/html" | "application/xhtml+xml") {
            return Err(format!("it is '{}' instead of HTML", text::cut(&kind, 60)));
        }
        let (html, garbled) = decoded(&answer.body, &answer.content_type, self.spec.encoding.map(|of| of.0))?;
        match Document::parse(&html, self.spec.timeout) {
            Some(document) => Ok(Page { base: base(&url, &document), url, document, garbled }),
            None => Err(format!("it cannot be read within {} s", self.spec.timeout.as_secs())),
        }
    }
}

/// What `<base>` says, if the page has it.
fn base(url: &Url, document: &Document) -> Url {
    let given = document.within(0).find_map(|id| {
        let element = document.element(id).filter(|element| element.name() == "base")?;
        url.join(element.attribute("href")?.trim_ascii()).ok()
    });
    given.unwrap_or_else(|| url.clone())
}

async fn exchange(http: &reqwest::Client, url: &Url, largest: usize, timeout: Duration) -> Result<Answer, Fault> {
    let broken = |error: reqwest::Error| {
        let what = if error.is_timeout() {
            format!("no answer within {} s", timeout.as_secs())
        } else if error.is_connect() {
            format!("no connection: {}", text::root_cause(&error.without_url()))
        } else {
            "the answer was cut short".to_owned()
        };
        Fault::Passing(what, None)
    };
    let response = http.get(url.clone()).send().await.map_err(broken)?;
    let status = response.status();
    let header =
        |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = header(RETRY_AFTER).and_then(|text| net::retry_after(&text, chrono::Utc::now()));
    if matches!(status.as_u16(), 408 | 425 | 429 | 500..) {
        return Err(Fault::Passing(format!("the server answers {status}"), asked));
    }
    let compressed = header(CONTENT_ENCODING).unwrap_or_default().trim().to_ascii_lowercase();
    let (content_type, location) = (header(CONTENT_TYPE).unwrap_or_default(), header(LOCATION));
    let is_page = largest != usize::MAX;
    let mut content = Vec::new();
    if status.is_success() {
        content = match body(response, if is_page { largest } else { 2 * robots::LARGEST }).await.map_err(broken)? {
            Some(content) => content,
            // The rest of a larger robots.txt would not count.
            None if !is_page => return Err(Fault::Lasting("it is larger than any robots.txt".to_owned())),
            None => return Err(Fault::Lasting(format!("it is larger than {} MiB", largest >> 20))),
        };
        let packing = Packing::named(&compressed)
            .ok_or_else(|| Fault::Lasting(format!("it is compressed by '{compressed}', which is not read")))?;
        content = packing.unpacked(content).map_err(|why| Fault::Passing(why, None))?;
        if is_page && content.len() > largest {
            return Err(Fault::Lasting(format!("it is larger than {} MiB", largest >> 20)));
        }
        if is_page && content.trim_ascii().is_empty() {
            return Err(Fault::Passing("the page is empty".to_owned(), None));
        }
    }
    Ok(Answer { status: status.as_u16(), content_type, location, body: content })
}

/// A page as text, in the encoding that is `given`, or that its first bytes, its Content-Type or itself names, in this order;
/// UTF-8 if nothing does, and where it is that, whatever server and page say. Also the encoding, if some of its bytes are not valid in it.
/// Source: HTML Standard, 13.2.3.2 "Determining the character encoding", without its guesses.
fn decoded(
    body: &[u8],
    content_type: &str,
    given: Option<&'static Encoding>,
) -> Result<(String, Option<&'static str>), String> {
    let of_mark = Encoding::for_bom(body).map(|(encoding, _)| encoding);
    let of_header = label(&content_type.to_ascii_lowercase(), "charset=");
    let of_header = of_header.and_then(|name| Encoding::for_label(name.as_bytes()));
    let of_page = || declared(&body[..body.len().min(HEAD)]);
    let named = given.or(of_mark).or(of_header).or_else(of_page);
    let encoding = named.unwrap_or(UTF_8);
    // A server may name another one for all its pages.
    let is_utf_8 = given.is_none() && of_mark.is_none() && are_utf_8(body, encoding);
    let encoding = if is_utf_8 { UTF_8 } else { encoding };
    let (text, garbled) = encoding.decode_with_bom_removal(body);
    match (garbled, named) {
        (true, None) => Err("it names no encoding, and is not valid UTF-8; name one under 'encoding'".to_owned()),
        (garbled, _) => Ok((text.into_owned(), garbled.then_some(encoding.name()))),
    }
}

/// The encoding that a `meta` element names: `charset="…"`, or `content="text/html; charset=…"` with
/// `http-equiv="content-type"`. What stands in comments and in other attributes does not count.
fn declared(head: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut rest = head.as_str();
    let encoding = loop {
        rest = &rest[rest.find('<')?..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->")?.1;
            continue;
        }
        let tag = rest.split_once('>').map_or(rest, |(tag, _)| tag);
        if let Some(meta) =
            tag.strip_prefix("<meta").filter(|meta| meta.starts_with(|c: char| c.is_ascii_whitespace() || c == '/'))
            && let Some(encoding) = of_meta(meta)
        {
            break encoding;
        }
        rest = &rest[1..];
    };
    // A page that can be read so far is not UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// The encoding that the attributes of a `meta` element name.
fn of_meta(attributes: &str) -> Option<&'static Encoding> {
    let mut rest = attributes;
    let mut found: Vec<(&str, &str)> = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/')).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        let (name, after) = rest.split_at(end);
        let value = after.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start);
        let (value, after) = match value {
            None => ("", after),
            Some(value) => match value.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
                Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                None => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
            },
        };
        found.push((name, value));
        rest = after;
    }
    let of = |wanted: &str| found.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.trim_ascii());
    let of_content = || of("content").filter(|_| of("http-equiv") == Some("content-type"));
    let charset = of("charset").map(str::to_owned).or_else(|| label(of_content()?, "charset="))?;
    Encoding::for_label(charset.trim_end_matches('/').as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_found_where_pages_name_them() {
        let of = |body: &[u8], content_type: &str| decoded(body, content_type, None);
        let plain = |text: &str| Ok((text.to_owned(), None));
        assert_eq!(of("é".as_bytes(), ""), plain("é"));
        assert_eq!(of(b"\xb0\xa1", "text/html; charset=EUC-KR"), plain("가"));
        assert_eq!(of(b"\xb0\xa1", "text/html; charset=\"ks_c_5601-1987\""), plain("가"));
        let meta = b"<meta name=a><META CHARSET='euc-kr'>\xb0\xa1";
        assert_eq!(of(meta, "text/html"), plain("<meta name=a><META CHARSET='euc-kr'>가"));
        let meta = b"<meta http-equiv=content-type content=\"text/html; charset=euc-kr\">\xb0\xa1";
        assert!(of(meta, "").unwrap().0.ends_with('가'));
        assert_eq!(of(b"\xef\xbb\xbf\xc3\xa9", "text/html; charset=euc-kr"), plain("é"), "a mark goes before all");
        assert_eq!(of(b"\xff\xfea\x00", ""), plain("a"));
        assert_eq!(of(b"<meta charset=utf-16>\xc3\xa9", "").unwrap().0, "<meta charset=utf-16>é");
        for page in [
            "<!-- <meta charset=latin1> --><meta charset=euc-kr>",
            "<meta name=keywords content='what charset=latin1 means'><meta charset=euc-kr>",
            "<meta data-charset=latin1 / charset = 'euc-kr'/>",
            "<metadata charset=latin1><meta-x charset=latin1><meta charset=euc-kr>",
            "<meta content='text/html; charset=euc-kr' http-equiv=Content-Type>",
        ] {
            let (text, garbled) = of(&[page.as_bytes(), b"\xb0\xa1"].concat(), "").unwrap();
            assert!(text.ends_with('가') && garbled.is_none(), "{page}: {text}");
        }
        assert!(of(b"<meta content='charset=euc-kr'>\xb0\xa1", "").is_err(), "of no header");
        // Servers name an encoding for all their pages.
        for kind in ["text/html; charset=ISO-8859-1", "text/html; charset=euc-kr"] {
            assert_eq!(of("<p>Ärger für 5 €".as_bytes(), kind), plain("<p>Ärger für 5 €"));
        }
        assert_eq!(of(b"\xc4rger", "text/html; charset=ISO-8859-1"), plain("Ärger"));
        assert!(of(b"\xb0\xa1", "").unwrap_err().starts_with("it names no encoding"));
        assert_eq!(of(b"\xb0", "charset=euc-kr"), Ok(("\u{fffd}".to_owned(), Some("EUC-KR"))));
        assert_eq!(decoded(b"\xe9", "charset=utf-8", Some(encoding_rs::WINDOWS_1252)), plain("é"));
    }
}
