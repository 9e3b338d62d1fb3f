//! Which sites may call the server from a browser: its own pages alone.
//!
//! A browser sends requests for any page that it shows. So a request that changes something must come from a page of ours: its
//! `Origin` is the host that it is sent to. And where everybody on this machine has all rights, that host must be this
//! machine by name: a name of an attacker's that was made to lead here (DNS rebinding) would make the attacker's page one of ours.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use spec::{Error, Result};

use crate::refusal::Refusal;

/// Where people find the server, if that is not where it listens: `https://millrace.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    pub is_https: bool,
    /// Host and port, in lower case.
    pub authority: String,
}

impl std::str::FromStr for PublicUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<PublicUrl> {
        let wrong = || {
            Error::cannot_run(format!("--public-url: '{text}' is not the address of a site"))
                .hint("write a scheme and a host, such as https://millrace.example.com")
        };
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        match (scheme.to_ascii_lowercase().as_str(), !authority.is_empty() && authority.chars().all(is_plain)) {
            ("https", true) => Ok(PublicUrl { is_https: true, authority }),
            ("http", true) => Ok(PublicUrl { is_https: false, authority }),
            _ => Err(wrong()),
        }
    }
}

impl PublicUrl {
    /// Whether it is a name of this machine alone.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.authority)
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Host and port that the request was sent to, in lower case.
fn authority(request: &Request) -> Option<String> {
    let of_uri = request.uri().authority().map(ToString::to_string);
    let of_header = || Some(request.headers().get(header::HOST)?.to_str().ok()?.to_owned());
    of_uri.or_else(of_header).map(|authority| authority.to_ascii_lowercase())
}

/// The host without its port.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Whether a name leads to this machine whatever a name server says.
fn is_loopback(authority: &str) -> bool {
    let host = host(authority);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the request may come in at all. `speaks_tls`: by itself, without a proxy.
///
/// Errors: 421 for a host that is not ours, 403 for a change that a page of another site requests.
pub fn check(
    request: &Request,
    has_tokens: bool,
    speaks_tls: bool,
    public: Option<&PublicUrl>,
) -> std::result::Result<(), Refusal> {
    let authority = authority(request);
    // With tokens, another host name is harmless: a browser sends no session to it, and monitoring systems
    // (Prometheus, Kubernetes) calls it by its number.
    if let Some(authority) = authority.as_deref().filter(|_| !has_tokens)
        && !is_loopback(authority)
    {
        let shown = spec::text::cut(authority, 100);
        let refusal =
            Refusal::new(StatusCode::MISDIRECTED_REQUEST, "host", format!("this server does not answer for '{shown}'"));
        return Err(refusal.way_out("ask for localhost, or give the server tokens"));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    match is_of_ours(request.headers(), authority.as_deref(), speaks_tls, public) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::FORBIDDEN, "origin", "a page of another site requested this")
            .way_out("use the pages of this server; behind a proxy, start it with --public-url")),
    }
}

/// Whether what the browser says of the page that asks speaks for one of ours. A program says nothing.
fn is_of_ours(headers: &HeaderMap, authority: Option<&str>, speaks_tls: bool, public: Option<&PublicUrl>) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        match origin.split_once("://") {
            Some((scheme, from)) => {
                let is_public = |public: &PublicUrl| from == public.authority && (scheme == "https") == public.is_https;
                // A page that came without TLS may be anybody's.
                let is_own = authority == Some(from) && (scheme == "https" || !speaks_tls);
                is_own || public.is_some_and(is_public)
            }
            // `null`: a page that hides where it is from.
            None => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn status(method: &str, headers: &[(&str, &str)], has_tokens: bool, public: Option<&str>) -> Option<u16> {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let public = public.map(|url| url.parse().unwrap());
        let request = request.body(Body::empty()).unwrap();
        check(&request, has_tokens, false, public.as_ref()).err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn over_tls_a_page_that_came_without_it_is_one_of_another_site() {
        let of = |origin: &str, speaks_tls: bool| {
            let headers = [(header::HOST, "m.example:8443"), (header::ORIGIN, origin)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap())).into_iter().collect();
            is_of_ours(&headers, Some("m.example:8443"), speaks_tls, None)
        };
        assert!(of("https://m.example:8443", true) && !of("http://m.example:8443", true));
        assert!(of("http://m.example:8443", false) && !of("https://m.example", true));
    }

    #[test]
    fn without_tokens_only_names_of_this_machine_are_answered() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "127.9.9.9", "a.localhost:1"] {
            assert_eq!(status("GET", &[("host", host)], false, None), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil", "10.0.0.1", "[::2]", "", "0.0.0.0"]
        {
            assert_eq!(status("GET", &[("host", host)], false, None), Some(421), "{host}");
        }
        assert_eq!(status("GET", &[("host", "evil.example")], true, None), None);
        let public = Some("https://m.example");
        assert_eq!(status("GET", &[("host", "evil.example")], false, public), Some(421));
        assert_eq!(status("GET", &[("host", "m.example")], false, public), Some(421));
        assert_eq!(status("GET", &[("host", "m.example:8080")], false, public), Some(421));
        assert_eq!(status("GET", &[("host", "10.0.0.7:8080")], true, public), None);
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let host = ("host", "localhost:8080");
        let post = |headers: &[(&str, &str)]| status("POST", &[&[host], headers].concat(), false, None);
        assert_eq!(post(&[]), None, "a program");
        assert_eq!(post(&[("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]), None);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:8081",
            "http://localhost",
            "http://127.0.0.1:8080",
            "",
            "http://localhost:8080@evil.example",
        ] {
            assert_eq!(post(&[("origin", origin)]), Some(403), "{origin}");
        }
        for site in ["cross-site", "same-site", "x"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), Some(403), "{site}");
        }
        let two = [("origin", "http://localhost:8080"), ("origin", "http://evil.example")];
        assert_eq!(post(&two), Some(403));
        assert_eq!(status("DELETE", &[host, ("origin", "http://evil.example")], true, None), Some(403));
        assert_eq!(status("GET", &[host, ("origin", "http://evil.example")], false, None), None);
        // Behind a proxy that speaks TLS and asks us by another name.
        let behind = [host, ("origin", "https://m.example")];
        assert_eq!(status("POST", &behind, true, Some("https://m.example")), None);
        assert_eq!(status("POST", &behind, true, None), Some(403));
        assert_eq!(status("POST", &[host, ("origin", "http://m.example")], true, Some("https://m.example")), Some(403));
    }

    #[test]
    fn a_public_url_is_a_scheme_and_a_host() {
        let read = |text: &str| {
            text.parse::<PublicUrl>().map(|url| (url.is_https, url.authority)).map_err(|error| error.to_string())
        };
        assert_eq!(read("https://M.example/"), Ok((true, "m.example".to_owned())));
        assert_eq!(read("http://m.example:8080"), Ok((false, "m.example:8080".to_owned())));
        for text in ["m.example", "ftp://m.example", "https://", "https://m.example/x", "https://u:p@m.example"] {
            assert_eq!(
                read(text).unwrap_err(),
                format!(
                    "--public-url: '{text}' is not the address of a site; write a scheme and a host, such as \
                     https://millrace.example.com"
                )
            );
        }
    }
}
