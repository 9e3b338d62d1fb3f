//! The URL of a database: where it is, how its connection is guarded, and how it may be shown.

use net::Guard;
use spec::text::decoded;
use spec::{Error, Result, Root};

/// Where a database is, and how to connect.
#[derive(Clone)]
pub struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) guard: Guard,
}

/// Without the password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.with_user())
    }
}

impl Address {
    /// From a URL, whose text no error repeats: it may hold a password.
    pub fn new(url: &str, root: &Root) -> Result<Address> {
        let wrong = |what: &str| {
            Error::cannot_run(format!("'url' {what}")).hint(
                "write mysql://user:password@host:3306/database; characters such as @ : / in a password as %40 %3A %2F",
            )
        };
        let (url, guard) = net::without_guard(url);
        let rest = ["mysql://", "mariadb://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| wrong("does not begin with mysql://"))?;
        if rest.contains('?') {
            return Err(wrong("has a parameter that is not known: 'sslmode' and 'sslrootcert' are"));
        }
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains('@') => return Err(wrong("has more than one @")),
            Some(parts) => parts,
            None => return Err(wrong("names no user")),
        };
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let (host, database) = place.split_once('/').unwrap_or((place, ""));
        if database.is_empty() || database.contains('/') {
            return Err(wrong("names no database"));
        }
        // An address of IPv6 has colons of its own, and brackets around them.
        let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(3306), |port| port.parse().map_err(|_| wrong("has no number as its port")))?;
        if host.is_empty() || user.is_empty() {
            return Err(wrong(if user.is_empty() { "names no user" } else { "must name one host" }));
        }
        Ok(Address {
            host: decoded(host),
            port,
            user: decoded(user),
            password: decoded(password),
            database: decoded(database),
            guard: guard.checked(root)?,
        })
    }

    /// For files that others may read.
    pub fn shown(&self) -> String {
        format!("mysql://{}:{}/{}", self.host, self.port, self.database)
    }

    /// For errors: who wanted to connect is half of the answer.
    pub fn with_user(&self) -> String {
        format!("mysql://{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }

    /// The database that tables are in.
    pub fn database(&self) -> &str {
        &self.database
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address> {
        Address::new(url, &Root::at("/project"))
    }

    #[test]
    fn is_shown_without_its_secrets() {
        let of = address("mysql://ann:s%40fe@db.example.org/shop?sslmode=require").unwrap();
        assert_eq!(of.shown(), "mysql://db.example.org:3306/shop");
        assert_eq!(of.with_user(), "mysql://ann@db.example.org:3306/shop");
        assert_eq!((of.password.as_str(), &of.guard), ("s@fe", &Guard::Require));
        assert!(!format!("{of:?}").contains("s@fe"));
        let of = address("mariadb://ann@[::1]:3307/shop").unwrap();
        assert_eq!((of.host.as_str(), of.port), ("::1", 3307));
    }

    #[test]
    fn no_error_repeats_a_password() {
        for (url, error) in [
            ("postgres://u:hush@h/d", "'url' does not begin with mysql://"),
            ("mysql://u:hu@sh@h/d", "'url' has more than one @"),
            ("mysql://u:hush@/d", "'url' must name one host"),
            ("mysql://u:hush@h", "'url' names no database"),
            ("mysql://u:hush@h:port/d", "'url' has no number as its port"),
            ("mysql://u:hush@h/d?what=1", "'url' has a parameter that is not known"),
            ("mysql://h/d", "'url' names no user"),
        ] {
            let text = address(url).unwrap_err().to_string();
            assert!(text.starts_with(error) && !text.contains("hush") && !text.contains("sh@h"), "{text}");
        }
    }
}
