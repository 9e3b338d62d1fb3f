//! What a server does whatever it serves: addresses, limits, time-outs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use spec::{Error, Result};

use crate::access::AccessLog;
use crate::origin::PublicUrl;

/// How a server listens and what it takes.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    /// Requests in progress at once; more are answered with 503.
    pub in_flight: usize,
    /// Connections that are open at once; more wait.
    pub connections: usize,
    /// Of these most of one address; more are closed. `None`: a quarter, but all of this machine, or behind a proxy.
    pub per_address: Option<usize>,
    /// Longest body of a request, in bytes.
    pub body: usize,
    /// For how long a connection may neither give nor take a byte.
    pub idle: Duration,
    /// For how long a request may be worked on.
    pub request: Duration,
    /// For how long requests may continue once the server is to stop.
    pub drain: Duration,
    /// Certificate chain and private key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The address at which people reach it through a proxy.
    pub public: Option<PublicUrl>,
    /// Which requests are logged.
    pub access_log: AccessLog,
}

impl Options {
    /// Defaults, on this address.
    pub fn on(listen: SocketAddr) -> Options {
        Options {
            listen,
            in_flight: 256,
            connections: 1024,
            per_address: None,
            body: 16 << 20,
            idle: Duration::from_secs(30),
            request: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            tls: None,
            public: None,
            access_log: AccessLog::Off,
        }
    }

    /// Whether browsers reach it over TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.public.as_ref().is_some_and(|public| public.is_https)
    }

    /// Without tokens clients cannot be distinguished, so only this machine is answered, by its own names.
    pub fn check(&self, has_tokens: bool) -> Result<()> {
        const WAY_OUT: &str = "set SERVE_TOKEN_VIEWER, SERVE_TOKEN_OPERATOR or SERVE_TOKEN_ADMIN, or";
        if has_tokens {
            return Ok(());
        }
        if !self.listen.ip().is_loopback() {
            let listen = self.listen;
            return Err(Error::cannot_run(format!("{listen}: without tokens the server answers this machine only"))
                .hint(format!("{WAY_OUT} listen on 127.0.0.1")));
        }
        match self.public.as_ref().filter(|public| !public.is_loopback()) {
            None => Ok(()),
            Some(public) => {
                let found = format!("--public-url: without tokens everybody who finds {} may do all", public.authority);
                Err(Error::cannot_run(found).hint(format!("{WAY_OUT} leave out --public-url")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tokens_the_server_is_that_of_this_machine() {
        let of = |listen: &str, public: Option<&str>, has_tokens: bool| {
            let options = Options::on(listen.parse().unwrap());
            let options = Options { public: public.map(|public| public.parse().unwrap()), ..options };
            options.check(has_tokens).map_err(|error| error.to_string())
        };
        let public = Some("https://m.example");
        assert_eq!(of("127.0.0.1:8080", None, false), Ok(()));
        assert_eq!(of("[::1]:8080", Some("http://localhost:3000"), false), Ok(()));
        assert_eq!((of("0.0.0.0:8080", None, true), of("127.0.0.1:8080", public, true)), (Ok(()), Ok(())));
        assert_eq!(
            of("0.0.0.0:8080", None, false).unwrap_err(),
            "0.0.0.0:8080: without tokens the server answers this machine only; set SERVE_TOKEN_VIEWER, SERVE_TOKEN_OPERATOR or \
             SERVE_TOKEN_ADMIN, or listen on 127.0.0.1"
        );
        assert_eq!(
            of("127.0.0.1:8080", public, false).unwrap_err(),
            "--public-url: without tokens everybody who finds m.example may do all; set SERVE_TOKEN_VIEWER, \
             SERVE_TOKEN_OPERATOR or SERVE_TOKEN_ADMIN, or leave out --public-url"
        );
    }
}
