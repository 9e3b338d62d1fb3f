//! What a server does whatever it serves: addresses, limits, time-outs.

use std::net::{IpAddr, SocketAddr};
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

    /// Without tokens clients cannot be distinguished, so only this machine is answered.
    pub fn check(&self, has_tokens: bool) -> Result<()> {
        let address: IpAddr = self.listen.ip();
        match has_tokens || address.is_loopback() {
            true => Ok(()),
            false => {
                Err(Error::cannot_run(format!("{}: without tokens the server answers this machine only", self.listen))
                    .hint("set SERVE_TOKEN_VIEWER, SERVE_TOKEN_OPERATOR or SERVE_TOKEN_ADMIN, or listen on 127.0.0.1"))
            }
        }
    }
}
