//! The URL of a database: where it is, how its connection is guarded, and how it may be shown.

use std::time::Duration;

use net::Guard;
use spec::{Error, Result, Root};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A server that cannot be reached within this time is down.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that has been silent for this long is checked.
const SILENCE: Duration = Duration::from_secs(30);

/// Where a database is, and how to connect.
#[derive(Clone, Debug)]
pub struct Address {
    pub config: Config,
    pub guard: Guard,
    /// `host:port/database`, without user and password.
    place: String,
}

impl Address {
    /// From a URL, whose text no error repeats: it may hold a password.
    pub fn new(url: &str, root: &Root) -> Result<Address> {
        let wrong = |what: String| {
            Error::cannot_run(format!("'url' {what}"))
                .hint("write postgres://user:password@host:5432/database; characters such as @ : / in a password as %40 %3A %2F")
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(wrong("does not begin with postgres://".to_owned()));
        }
        let (url, guard) = net::without_guard(url);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            wrong(format!("cannot be read: {why}"))
        })?;
        let guard = guard.checked(root)?;
        config.ssl_mode(match guard {
            Guard::Disable => SslMode::Disable,
            Guard::Prefer => SslMode::Prefer,
            Guard::Require | Guard::VerifyFull { .. } => SslMode::Require,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.keepalives_idle(SILENCE).keepalives_interval(SILENCE / 3).keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("millrace");
        }
        let [Host::Tcp(host)] = config.get_hosts() else {
            return Err(wrong("must name one host, reached over TCP".to_owned()));
        };
        // Part of a password with an @ of its own.
        if host.contains('@') {
            return Err(wrong("has more than one @".to_owned()));
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let place = match config.get_dbname() {
            Some(database) => format!("{host}:{port}/{database}"),
            None => return Err(wrong("names no database".to_owned())),
        };
        Ok(Address { config, guard, place })
    }

    /// For files that others may read.
    pub fn shown(&self) -> String {
        format!("postgres://{}", self.place)
    }

    /// For errors: who wanted to connect is half of the answer.
    pub fn with_user(&self) -> String {
        match self.config.get_user() {
            Some(user) => format!("postgres://{user}@{}", self.place),
            None => self.shown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn address(url: &str) -> Result<Address> {
        Address::new(url, &Root::at("/project"))
    }

    #[test]
    fn is_shown_without_its_secrets() {
        let of = address("postgresql://ann:s%40fe@db.example.org/shop?connect_timeout=3").unwrap();
        assert_eq!(of.shown(), "postgres://db.example.org:5432/shop");
        assert_eq!(of.with_user(), "postgres://ann@db.example.org:5432/shop");
        assert_eq!((of.config.get_password(), of.guard), (Some(&b"s@fe"[..]), Guard::Prefer));
        assert_eq!(of.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    }

    #[test]
    fn takes_the_guard_from_the_parameters() {
        let guard = |parameters: &str| address(&format!("postgres://h/d?{parameters}")).map(|address| address.guard);
        assert_eq!(guard("sslmode=disable").unwrap(), Guard::Disable);
        assert_eq!(guard("sslmode=require&application_name=x").unwrap(), Guard::Require);
        let roots = PathBuf::from("/project/ca/root.pem");
        assert_eq!(guard("sslrootcert=ca%2Froot.pem&sslmode=verify-full").unwrap(), Guard::VerifyFull { roots });
        for (parameters, error) in [
            (
                "sslmode=verify-full",
                "'url': sslmode=verify-full needs the certificates to trust; add '&sslrootcert=FILE.pem'",
            ),
            (
                "sslrootcert=a.pem&sslmode=require",
                "'url': sslrootcert without sslmode=verify-full would check nothing; write 'sslmode=verify-full', or \
                 leave 'sslrootcert' out",
            ),
            ("sslmode=on", "'url': unknown sslmode; write disable, prefer, require or verify-full"),
        ] {
            assert_eq!(guard(parameters).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        for (url, error) in [
            ("mysql://u:hush@h/d", "'url' does not begin with postgres://"),
            ("postgres://u:hu@sh@h/d", "'url' has more than one @"),
            ("postgres://u:hush@/d", "'url' must name one host, reached over TCP"),
            ("postgres://u:hush@h", "'url' names no database"),
            ("postgres://u:hush@h:port/d", "'url' cannot be read: invalid value for option `port`"),
            ("postgres://u:hush@h/d?what=1", "'url' cannot be read: unknown option `what`"),
        ] {
            let text = address(url).unwrap_err().to_string();
            assert!(text.starts_with(error) && !text.contains("hush") && !text.contains("sh@h"), "{text}");
        }
    }
}
