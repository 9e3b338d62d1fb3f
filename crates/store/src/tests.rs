//! The calls against a folder, against a real S3 protocol, and against a server that says no.

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;

use object_store::ObjectMeta;
use spec::{Class, Environment, Error, Url};
use tempfile::TempDir;
use testkit::S3;
use testkit::http_server::{HttpAnswer, HttpServer};

use crate::{Cloud, Depth, Object, PART, Put};

fn environment<N: Into<String>>(variables: impl IntoIterator<Item = (N, String)>) -> Environment {
    Environment::new(variables.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// A store with a local folder for files to put.
struct Store {
    folder: TempDir,
    cloud: Cloud,
    base: Url,
    _server: Option<S3>,
}

impl Store {
    fn in_folder() -> Store {
        let folder = tempfile::tempdir().unwrap();
        let base = format!("file://{}/store", folder.path().display()).parse().unwrap();
        Store { folder, cloud: Cloud::default(), base, _server: None }
    }

    fn s3() -> Option<Store> {
        let server = S3::start("bucket")?;
        let cloud = Cloud::new(&environment(server.variables()));
        let base = "s3://bucket/some/prefix".parse().unwrap();
        Some(Store { folder: tempfile::tempdir().unwrap(), cloud, base, _server: Some(server) })
    }

    /// A folder always; S3 where its server is installed.
    fn all() -> Vec<Store> {
        std::iter::once(Store::in_folder()).chain(Store::s3()).collect()
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        path
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<Put, Error> {
        self.cloud.put(&self.base.join(name), &self.file(content))
    }

    fn fetched(&self, name: &str) -> Vec<u8> {
        let path = self.folder.path().join("fetched");
        let mut file = std::fs::File::create(&path).unwrap();
        self.cloud.find(&self.base.join(name)).unwrap().fetch(&mut file, &path).unwrap();
        std::fs::read(path).unwrap()
    }
}

/// Bytes that differ from part to part.
fn long(length: u64) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn what_was_put_comes_back_whole_or_as_a_stream() {
    for store in Store::all() {
        for content in [Vec::new(), b"small".to_vec(), long(PART), long(2 * PART + 12_345)] {
            let name = format!("a/{}", content.len());
            assert_eq!(store.put(&name, &content).unwrap(), Put::Sent);
            assert!(store.fetched(&name) == content, "{}", store.base.join(&name));
            let mut read = Vec::new();
            store.cloud.find(&store.base.join(&name)).unwrap().open().read_to_end(&mut read).unwrap();
            assert!(read == content, "{}", store.base.join(&name));
        }
    }
}

#[test]
fn an_object_is_never_overwritten() {
    for store in Store::all() {
        for size in [1000, PART + 1] {
            let (content, name) = (long(size), format!("b/{size}"));
            assert_eq!(store.put(&name, &content).unwrap(), Put::Sent);
            assert_eq!(store.put(&name, &content).unwrap(), Put::There);
            let mut other = content.clone();
            *other.last_mut().unwrap() ^= 1;
            let error = store.put(&name, &other).unwrap_err();
            assert_eq!(error.class(), Class::TryAgain);
            assert_eq!(
                error.to_string(),
                format!(
                    "{}: another object of this name exists already; another machine wrote it in the same second, or \
                     millrace did not write it; run again with --force for a new name",
                    store.base.join(&name)
                )
            );
            assert!(store.fetched(&name) == content);
        }
    }
}

#[test]
fn lists_are_in_order_and_as_deep_as_asked() {
    for store in Store::all() {
        for name in ["d/b.csv", "d/a.csv", "d/old/c.csv", "dd/x.csv"] {
            store.put(name, b"x").unwrap();
        }
        let names = |depth| -> Vec<String> {
            let found = store.cloud.list(&store.base.join("d"), depth).unwrap();
            found.iter().map(|object| object.url().key().rsplit_once("/d/").unwrap().1.to_owned()).collect()
        };
        assert_eq!(names(Depth::Folder), ["a.csv", "b.csv"]);
        assert_eq!(names(Depth::All), ["a.csv", "b.csv", "old/c.csv"]);
        assert!(store.cloud.list(&store.base.join("none"), Depth::All).unwrap().is_empty());
    }
}

#[test]
fn a_pointer_is_replaced_and_read_back() {
    for store in Store::all() {
        let url = store.base.join("latest");
        assert!(store.cloud.read(&url).unwrap().is_none());
        store.cloud.replace(&url, b"one".to_vec(), None).unwrap();
        let (content, version) = store.cloud.read(&url).unwrap().unwrap();
        assert_eq!(content, b"one");
        let version = store.cloud.replace(&url, b"two".to_vec(), Some(&version)).unwrap();
        store.cloud.replace(&url, b"three".to_vec(), Some(&version)).unwrap();
        assert_eq!(store.cloud.read(&url).unwrap().unwrap().0, b"three");
    }
}

#[test]
fn of_two_writers_the_second_is_refused() {
    let Some(store) = Store::s3() else { return };
    let url = store.base.join("latest");
    store.cloud.replace(&url, b"one".to_vec(), None).unwrap();
    let seen = store.cloud.read(&url).unwrap().unwrap().1;
    store.cloud.replace(&url, b"two".to_vec(), Some(&seen)).unwrap();
    for late in [Some(&seen), None] {
        let error = store.cloud.replace(&url, b"three".to_vec(), late).unwrap_err();
        assert_eq!(error.class(), Class::TryAgain);
        assert_eq!(
            error.to_string(),
            "s3://bucket/some/prefix/latest: another machine replaced it meanwhile; run again: the next run sees its \
             present content"
        );
    }
    assert_eq!(store.cloud.read(&url).unwrap().unwrap().0, b"two");
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_an_error() {
    let Some(store) = Store::s3() else { return };
    let url = store.base.join("x");
    let version = store.cloud.replace(&url, b"one".to_vec(), None).unwrap();
    let object = store.cloud.find(&url).unwrap();
    store.cloud.replace(&url, b"two".to_vec(), Some(&version)).unwrap();
    let cause = object.open().read_to_end(&mut Vec::new()).unwrap_err();
    let error = Error::io("read", std::path::Path::new("x"), &cause);
    assert_eq!(error.to_string(), "s3://bucket/some/prefix/x: it was replaced meanwhile; run again");
}

/// A connection with a bucket that `server` pretends to have.
fn pretended(server: &HttpServer) -> Cloud {
    Cloud::new(&environment([
        ("AWS_ENDPOINT_URL", server.url("")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_SKIP_SIGNATURE", "true".to_owned()),
    ]))
}

/// A page for logging in, or a server that wants to be sent what is not its own.
#[test]
fn redirects_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"rows").unwrap();
    for status in [301, 302, 303, 307, 308] {
        let other = HttpServer::start(|_, _| HttpAnswer::ok("welcome").with_header("etag", "\"1\""));
        let there = other.url("/login");
        let server =
            HttpServer::start(move |_, _| HttpAnswer::status(status, "").with_header("location", there.clone()));
        let cloud = Cloud::new(&environment([
            ("AWS_ENDPOINT_URL", server.url("")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned()),
            ("AWS_SESSION_TOKEN", "token".to_owned()),
        ]));
        let url: Url = "s3://bucket/k".parse().unwrap();
        let errors = [
            cloud.put(&url, &file).unwrap_err(),
            cloud.replace(&url, b"rows".to_vec(), None).unwrap_err(),
            cloud.read(&url).unwrap_err(),
            cloud.head(&url).unwrap_err(),
            cloud.list(&url, Depth::All).unwrap_err(),
            cloud.remove(&url).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.class(), Class::CannotRun);
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("s3://bucket/k: the store redirects to another address ({status} "))
                    && text.ends_with("; redirects are not followed; check the address and AWS_ENDPOINT_URL"),
                "{text}"
            );
        }
        assert_eq!(other.requests().len(), 0, "{status}");
    }
}

#[test]
fn a_proxy_of_one_store_is_refused_rather_than_ignored() {
    let cloud = Cloud::new(&environment([
        ("AWS_SKIP_SIGNATURE", "true".to_owned()),
        ("AWS_PROXY_URL", "http://ann:hunter2@127.0.0.1:1".to_owned()),
    ]));
    assert_eq!(
        cloud.read(&"s3://bucket/k".parse().unwrap()).unwrap_err().to_string(),
        "s3://bucket/k: AWS_PROXY_URL is not supported; set HTTPS_PROXY instead"
    );
}

/// A store that does not look at `If-Match`: parts of two states of an object would be put together.
#[test]
fn an_answer_about_another_state_of_an_object_is_not_taken() {
    let read = |tag: &'static str, size: u64| {
        let server = HttpServer::start(move |_, _| {
            let part = HttpAnswer::status(206, "two").with_header("content-range", format!("bytes 0-2/{size}"));
            part.with_header("etag", tag).with_header("last-modified", "Fri, 27 Nov 2026 08:00:00 GMT")
        });
        let url: Url = "s3://bucket/x".parse().unwrap();
        let variables = [("AWS_ENDPOINT_URL", server.url("")), ("AWS_ALLOW_HTTP", "true".to_owned())];
        let open = ("AWS_SKIP_SIGNATURE", "true".to_owned());
        let variables = variables.into_iter().chain([open]).map(|(name, value)| (name.to_owned(), value)).collect();
        let meta = ObjectMeta {
            location: "x".into(),
            last_modified: std::time::UNIX_EPOCH.into(),
            size: 3,
            e_tag: Some("\"one\"".to_owned()),
            version: None,
        };
        let object = Object { store: crate::connect::connect(&url, &variables).unwrap(), url, meta };
        let mut content = Vec::new();
        object.open().read_to_end(&mut content).map(|_| content).map_err(|error| error.to_string())
    };
    for same in ["\"one\"", "W/\"one\"", "one"] {
        assert_eq!(read(same, 3).as_deref(), Ok(&b"two"[..]), "{same}");
    }
    let replaced = "s3://bucket/x: it was replaced meanwhile; run again";
    assert_eq!(read("\"two\"", 3).unwrap_err(), replaced);
    assert_eq!(read("\"one\"", 4).unwrap_err(), replaced);
}

/// The first try was taken, its answer lost: the second finds what the first has written.
#[test]
fn what_we_wrote_ourselves_is_no_other_machine() {
    let server = HttpServer::start(|_, request| match request.method.as_str() {
        "PUT" => HttpAnswer::status(412, "<Error><Code>PreconditionFailed</Code></Error>"),
        _ => HttpAnswer::ok("mine").with_header("etag", "\"7\""),
    });
    let url: Url = "s3://bucket/latest".parse().unwrap();
    assert!(pretended(&server).replace(&url, b"mine".to_vec(), None).is_ok());
    let error = pretended(&server).replace(&url, b"other".to_vec(), None).unwrap_err().to_string();
    assert!(error.starts_with("s3://bucket/latest: another machine replaced it meanwhile; "), "{error}");
}

#[test]
fn a_missing_bucket_is_not_a_missing_object() {
    let Some(store) = Store::s3() else { return };
    let failure = |url: &str| store.cloud.find(&url.parse().unwrap()).unwrap_err().to_string();
    assert_eq!(failure("s3://bucket/none"), "s3://bucket/none: no such object; check the address");
    let no_bucket = "no such bucket 'nobody'; make it, or check the address and AWS_ENDPOINT_URL";
    assert_eq!(failure("s3://nobody/k"), format!("s3://nobody/k: {no_bucket}"));
    let url: Url = "s3://nobody/k".parse().unwrap();
    assert_eq!(store.cloud.read(&url).unwrap_err().to_string(), format!("s3://nobody/k: {no_bucket}"));
    let put = store.cloud.put(&url, &store.file(b"x")).unwrap_err();
    assert_eq!((put.class(), put.to_string()), (Class::CannotRun, format!("s3://nobody/k: {no_bucket}")));
}

/// What `read` says of a server that answers everything with this status and body; with none, of one that is missing.
fn failure(answer: Option<(u16, &str)>) -> Error {
    let (endpoint, _server) = match answer {
        Some((status, body)) => {
            let server = HttpServer::answering([HttpAnswer::status(status, body)]);
            (server.url(""), Some(server))
        }
        None => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            (format!("http://{}", listener.local_addr().unwrap()), None)
        }
    };
    let cloud = Cloud::new(&environment([
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned()),
    ]));
    cloud.read(&"s3://bucket/k".parse().unwrap()).unwrap_err()
}

#[test]
fn denied_is_for_people_to_correct() {
    let error = failure(Some((403, "<Error><Code>SignatureDoesNotMatch</Code></Error>\n")));
    assert_eq!(error.class(), Class::CannotRun);
    assert_eq!(
        error.to_string(),
        "s3://bucket/k: access denied (SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what \
         they are allowed in this bucket"
    );
}

#[test]
fn what_neither_keys_nor_address_are_to_blame_for_has_a_way_out_of_its_own() {
    for (status, body, said) in [
        (
            403,
            "<Error><Code>RequestTimeTooSkewed</Code></Error>",
            "the clock of this machine differs from that of the store (RequestTimeTooSkewed); set the clock",
        ),
        (
            400,
            "<Error><Code>ExpiredToken</Code></Error>",
            "the credentials have expired (ExpiredToken); renew AWS_SESSION_TOKEN and the keys that belong to it",
        ),
        (
            400,
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong</Message></Error>",
            "the bucket is in another region (AuthorizationHeaderMalformed); set AWS_REGION to the region of the bucket",
        ),
    ] {
        let error = failure(Some((status, body)));
        assert_eq!((error.class(), error.to_string()), (Class::CannotRun, format!("s3://bucket/k: {said}")));
    }
}

#[test]
fn overload_and_silence_are_worth_another_try() {
    let overload = failure(Some((503, "<Error><Code>SlowDown</Code></Error>\n")));
    assert_eq!(overload.class(), Class::TryAgain);
    assert_eq!(
        overload.to_string(),
        "s3://bucket/k: the store answers 503 Service Unavailable (SlowDown); run again later"
    );
    let silence = failure(None);
    assert_eq!(silence.class(), Class::TryAgain);
    assert_eq!(
        silence.to_string(),
        "s3://bucket/k: cannot be reached: connection refused; check the network and AWS_ENDPOINT_URL, and run again"
    );
}

#[test]
fn what_would_end_in_a_time_out_is_reported_at_once() {
    let failure = |url: &str, variables: &[(&str, &str)]| {
        let cloud = Cloud::new(&environment(variables.iter().map(|(name, value)| (*name, (*value).to_owned()))));
        cloud.read(&url.parse().unwrap()).unwrap_err().to_string()
    };
    assert_eq!(
        failure("gs://b/k", &[]),
        "gs://b/k: no credentials; set GOOGLE_APPLICATION_CREDENTIALS in the environment or .env; GOOGLE_SKIP_SIGNATURE=true for public objects"
    );
    assert_eq!(
        failure("s3://b/k", &[("AWS_ACCESS_KEY_ID", "AKIA")]),
        "s3://b/k: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not; set both in the environment or .env"
    );
    let plain = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL", "http://ann:hunter2@minio:9000/?key=hunter2"),
    ];
    assert_eq!(
        failure("s3://b/k", &plain),
        "s3://b/k: the endpoint http://minio:9000 is not encrypted; use https, or set AWS_ALLOW_HTTP=true for a store on \
         this machine or a trusted network"
    );
}

#[test]
fn credentials_are_not_shown() {
    let cloud = Cloud::new(&environment([("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned())]));
    assert_eq!(format!("{cloud:?}"), "Cloud { .. }");
}
