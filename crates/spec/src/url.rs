//! The address of an object in a store, or of a folder of objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, did_you_mean};

/// `s3://bucket/key`, `gs://bucket/key`, `az://container/key` or `file:///folder/file`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    scheme: Scheme,
    bucket: String,
    key: String,
}

/// The kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Amazon S3, and all that speak its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A folder that several machines share.
    File,
}

impl Scheme {
    pub const ALL: [Scheme; 4] = [Scheme::S3, Scheme::Gs, Scheme::Az, Scheme::File];

    pub fn name(self) -> &'static str {
        match self {
            Scheme::S3 => "s3",
            Scheme::Gs => "gs",
            Scheme::Az => "az",
            Scheme::File => "file",
        }
    }
}

impl Url {
    /// Whether `text` is meant as an address rather than as a path.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme).unwrap_or_default();
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bucket (Azure: the container); empty for `file`.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The part after the bucket, without a leading slash.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The last part of the key.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it ends with a slash, or names nothing but a bucket.
    pub fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// `name` below this folder.
    pub fn join(&self, name: &str) -> Url {
        let folder = self.key.trim_end_matches('/');
        let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        self.with_key(key)
    }

    /// Another key in the same bucket.
    pub fn with_key(&self, key: impl Into<String>) -> Url {
        Url { scheme: self.scheme, bucket: self.bucket.clone(), key: key.into() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme.name(), self.bucket, self.key)
    }
}

impl FromStr for Url {
    type Err = Error;

    /// An address that may hold a secret is refused without being repeated.
    fn from_str(text: &str) -> Result<Url> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::cannot_run(format!("'{text}' is not an address"))
                .hint("write it as s3://bucket/key, gs://bucket/key, az://container/key or file:///folder"));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_query = |query: &str| {
            let mut names = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0));
            // In a pattern, folders may follow; but a key in Base64 has slashes of its own.
            let is_plain = query.contains('=') && !query.contains('/');
            is_plain || names.any(|name| !name.contains('/') && crate::carries_secret(name))
        };
        if bucket.contains('@') || key.split_once('?').is_some_and(|(_, query)| is_query(query)) {
            return Err(Error::cannot_run(format!("an address of {scheme}:// holds a login or a query"))
                .hint("put credentials into the environment or .env; see docs/object-stores.md"));
        }
        let Some(scheme) = Scheme::ALL.into_iter().find(|known| known.name() == scheme) else {
            return Err(Error::cannot_run(format!("'{text}': unknown kind of store '{scheme}'"))
                .hint(did_you_mean(scheme, Scheme::ALL.map(Scheme::name))));
        };
        let wrong = |why: &str, hint: &str| Err(Error::cannot_run(format!("'{text}': {why}")).hint(hint.to_owned()));
        match (scheme, bucket) {
            (Scheme::File, "") if key.is_empty() => return wrong("names no folder", "write file:///folder"),
            (Scheme::File, "") => {}
            (Scheme::File, _) => return wrong("names a host", "a file's address has three slashes: file:///folder"),
            (_, "") => return wrong("names no bucket", "write the bucket's name after the two slashes"),
            _ => {}
        }
        let folder = key.strip_suffix('/').unwrap_or(key);
        if !folder.is_empty() && folder.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return wrong("has an empty part, '.' or '..'", "write the key as the store lists it");
        }
        if key.chars().any(char::is_control) {
            return Err(Error::cannot_run("an address holds a control character").hint("write it without"));
        }
        Ok(Url { scheme, bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        crate::read_text(deserializer, "an address such as s3://bucket/folder/", str::parse)
    }
}

impl schemars::JsonSchema for Url {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Url".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(s3|gs|az|file)://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn failure(text: &str) -> String {
        text.parse::<Url>().unwrap_err().to_string()
    }

    #[test]
    fn an_address_has_a_bucket_and_a_key() {
        let object = url("s3://shop/raw/orders.csv.gz");
        assert_eq!((object.bucket(), object.key(), object.name()), ("shop", "raw/orders.csv.gz", "orders.csv.gz"));
        assert_eq!(object.to_string(), "s3://shop/raw/orders.csv.gz");
        assert_eq!(url("file:///srv/data").key(), "srv/data");
        assert_eq!(url("file:///srv/data").to_string(), "file:///srv/data");
    }

    #[test]
    fn names_are_joined_with_one_slash() {
        for folder in ["gs://b", "gs://b/"] {
            assert_eq!(url(folder).join("x/y").to_string(), "gs://b/x/y");
        }
        for folder in ["az://c/p", "az://c/p/"] {
            assert_eq!(url(folder).join("y").to_string(), "az://c/p/y");
        }
    }

    #[test]
    fn paths_are_not_meant_as_addresses() {
        for (text, meant) in
            [("s3://b/k", true), ("http://h/k", true), ("data/x", false), ("a b://c", false), ("-", false)]
        {
            assert_eq!(Url::is_meant(text), meant, "{text}");
        }
    }

    #[test]
    fn wrong_addresses_are_refused_with_the_way_out() {
        for (text, error) in [
            ("s4://b/k", "'s4://b/k': unknown kind of store 's4'; choose one of: s3, gs, az, file"),
            ("s3:///k", "'s3:///k': names no bucket; write the bucket's name after the two slashes"),
            ("file://srv/x", "'file://srv/x': names a host; a file's address has three slashes: file:///folder"),
            ("s3://b/../x", "'s3://b/../x': has an empty part, '.' or '..'; write the key as the store lists it"),
        ] {
            assert_eq!(failure(text), error);
        }
    }

    #[test]
    fn a_pattern_is_no_query() {
        assert_eq!(url("s3://b/a?/year=2024/token=5/*.csv").key(), "a?/year=2024/token=5/*.csv");
    }

    #[test]
    fn a_secret_in_an_address_is_not_repeated() {
        for text in [
            "s3://AKIA123:hunter2@bucket/k",
            "az://c/k?sv=1&sig=hunter2",
            "az://c/k?sv=1&sig=a/hunter2=",
            "s3://b/k?X-Amz-Signature=hunter2&x=a/b?c",
        ] {
            let error = failure(text);
            assert!(!error.contains("hunter2") && error.contains("environment or .env"), "{error}");
        }
    }
}
