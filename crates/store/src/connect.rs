//! From the variables of the environment to a connection with a bucket.
//!
//! Credentials come from there (or from `.env`) alone: files in a home folder and the metadata service of a cloud are
//! only asked if a variable says so, since on other machines they cost minutes of waiting.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{ClientConfigKey, HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use spec::{Environment, Error, Result, Scheme, Url};

use crate::errors::failed;

/// Variables of the clouds, by name.
pub(crate) type Variables = Vec<(String, String)>;

/// All that a connection could need of `env`.
pub(crate) fn variables(env: &Environment) -> Variables {
    let of_clouds = ["AWS_", "AZURE_", "GOOGLE_"].into_iter().flat_map(|prefix| env.with_prefix(prefix));
    of_clouds.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Variables, at least one of which identifies us.
fn credentials(scheme: Scheme) -> &'static [&'static str] {
    match scheme {
        Scheme::S3 => &[
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_METADATA_ENDPOINT",
            "AWS_SKIP_SIGNATURE",
        ],
        Scheme::Gs => &[
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            "GOOGLE_SKIP_SIGNATURE",
        ],
        Scheme::Az => &[
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_STORAGE_TOKEN",
            "AZURE_STORAGE_CLIENT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_MSI_ENDPOINT",
            "AZURE_IDENTITY_ENDPOINT",
            "AZURE_STORAGE_USE_EMULATOR",
            "AZURE_SKIP_SIGNATURE",
        ],
        Scheme::File => &[],
    }
}

/// Connects to the bucket of `url`. Nothing is sent yet.
pub(crate) fn connect(url: &Url, variables: &Variables) -> Result<Arc<dyn ObjectStore>> {
    check(url, variables)?;
    let bucket = url.bucket();
    let retry = || RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 5,
        retry_timeout: Duration::from_secs(60),
    };
    let store: object_store::Result<Arc<dyn ObjectStore>> = match url.scheme() {
        Scheme::S3 => {
            let mut builder = AmazonS3Builder::new().with_http_connector(Direct).with_retry(retry());
            for (key, value) in known(variables, "AWS_") {
                builder = builder.with_config(key, value);
            }
            builder.with_bucket_name(bucket).build().map(|store| Arc::new(store) as _)
        }
        Scheme::Gs => {
            let client = ClientOptions::new().with_allow_http(true);
            let builder = GoogleCloudStorageBuilder::new().with_client_options(client).with_retry(retry());
            let mut builder = builder.with_http_connector(Direct);
            for (key, value) in known(variables, "GOOGLE_") {
                builder = builder.with_config(key, value);
            }
            builder.with_bucket_name(bucket).build().map(|store| Arc::new(store) as _)
        }
        Scheme::Az => {
            let mut builder = MicrosoftAzureBuilder::new().with_http_connector(Direct).with_retry(retry());
            for (key, value) in known(variables, "AZURE_") {
                builder = builder.with_config(key, value);
            }
            builder.with_container_name(bucket).build().map(|store| Arc::new(store) as _)
        }
        Scheme::File => Ok(Arc::new(LocalFileSystem::new())),
    };
    store.map_err(|error| failed(url, &error))
}

const CONNECT: Duration = Duration::from_secs(5);
/// A part of 8 MiB has to pass within this time on a slow line.
const REQUEST: Duration = Duration::from_secs(120);

/// Requests go to the store and nowhere else: redirects are answers. Followed, they would carry session tokens, signed addresses
/// (as Referer) and data to another server, and turn a PUT into a GET, whose answer passes for success.
#[derive(Debug)]
struct Direct;

impl HttpConnector for Direct {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |error: Error| object_store::Error::Generic { store: "HTTP", source: Box::new(error) };
        let is_set = |key| options.get_config_value(&key).is_some_and(|value| is_yes(&value));
        let client = net::client(REQUEST, |builder| {
            builder
                .connect_timeout(CONNECT)
                .https_only(!is_set(ClientConfigKey::AllowHttp))
                .danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates))
                // Sizes and ranges are those of objects as they are stored.
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
        });
        client.map(HttpClient::new).map_err(failed)
    }
}

/// The variables that begin with `prefix` and that a builder knows; others, such as `AWS_PROFILE`, are ignored.
fn known<'a, K: FromStr>(variables: &'a Variables, prefix: &'a str) -> impl Iterator<Item = (K, &'a str)> {
    let ours = variables.iter().filter(move |(name, _)| name.starts_with(prefix));
    ours.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
}

/// As the builders read it.
fn is_yes(value: &str) -> bool {
    ["1", "true", "on", "yes", "y"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// What would otherwise end in a time-out or an unclear error.
fn check(url: &Url, variables: &Variables) -> Result<()> {
    let get = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let accepted = credentials(url.scheme());
    if !accepted.is_empty() && !accepted.iter().any(|name| get(name).is_some()) {
        let (set, open) = match url.scheme() {
            Scheme::S3 => ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "AWS_SKIP_SIGNATURE=true"),
            Scheme::Gs => ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SKIP_SIGNATURE=true"),
            _ => ("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY", "AZURE_SKIP_SIGNATURE=true"),
        };
        return Err(Error::cannot_run(format!("{url}: no credentials"))
            .hint(format!("set {set} in the environment or .env; {open} for public objects")));
    }
    if url.scheme() == Scheme::S3 && get("AWS_ACCESS_KEY_ID").is_some() && get("AWS_SECRET_ACCESS_KEY").is_none() {
        return Err(Error::cannot_run(format!("{url}: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"))
            .hint("set both in the environment or .env"));
    }
    let proxy = match url.scheme() {
        Scheme::S3 => "AWS_PROXY_URL",
        Scheme::Gs => "GOOGLE_PROXY_URL",
        Scheme::Az => "AZURE_PROXY_URL",
        Scheme::File => "",
    };
    if get(proxy).is_some() {
        return Err(Error::cannot_run(format!("{url}: {proxy} is not supported")).hint("set HTTPS_PROXY instead"));
    }
    let endpoint = get("AWS_ENDPOINT_URL_S3").or(get("AWS_ENDPOINT_URL")).or(get("AWS_ENDPOINT")).unwrap_or_default();
    let allowed = get("AWS_ALLOW_HTTP").is_some_and(is_yes);
    if url.scheme() == Scheme::S3 && endpoint.starts_with("http://") && !allowed {
        // An address may hold a login, and keys in its query.
        let place = endpoint.trim_start_matches("http://").split(['/', '?']).next().unwrap_or_default();
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        return Err(Error::cannot_run(format!("{url}: the endpoint http://{host} is not encrypted"))
            .hint("use https, or set AWS_ALLOW_HTTP=true for a store on this machine or a trusted network"));
    }
    Ok(())
}
