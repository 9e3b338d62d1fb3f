//! Errors of stores in our words, each with the address, the cause and the way out.

use std::error::Error as StdError;

use object_store::client::HttpError;
use spec::text::root_cause;
use spec::{Error, Scheme, Url};

/// What went wrong with `url`. Passing causes (network, overload) are worth another try.
pub(crate) fn failed(url: &Url, error: &object_store::Error) -> Error {
    use object_store::Error as E;
    let text = error.to_string();
    if names_no_bucket(&text) {
        return no_bucket(url);
    }
    if let Some(known) = of_code(url, &text) {
        return known;
    }
    match error {
        E::NotFound { .. } => no_object(url),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => denied(url, &text),
        E::Precondition { .. } | E::NotModified { .. } => replaced(url),
        _ => match (reached(error), status(&text)) {
            (Some(cause), _) => Error::try_again(format!("{url}: cannot be reached: {cause}"))
                .hint(format!("check the network and {}, and run again", endpoint(url.scheme()))),
            (None, Some(300..=399)) => {
                Error::cannot_run(format!("{url}: the store redirects to another address ({})", answer(&text)))
                    .hint(format!("redirects are not followed; check the address and {}", endpoint(url.scheme())))
            }
            (None, Some(429 | 500..)) => {
                Error::try_again(format!("{url}: the store answers {}", answer(&text))).hint("run again later")
            }
            (None, Some(_)) => Error::cannot_run(format!("{url}: the store answers {}", answer(&text)))
                .hint(format!("check the address and {}", endpoint(url.scheme()))),
            (None, None) if text.contains("redirect without LOCATION") => {
                Error::cannot_run(format!("{url}: the bucket is in another region"))
                    .hint("set AWS_REGION to the region of the bucket")
            }
            (None, None) => Error::cannot_run(format!("{url}: {}", innermost(error))),
        },
    }
}

/// What S3 refuses for a reason that neither the keys nor the address have.
fn of_code(url: &Url, text: &str) -> Option<Error> {
    let code = code(text).filter(|_| url.scheme() == Scheme::S3)?;
    let (what, hint) = match code {
        "RequestTimeTooSkewed" => ("the clock of this machine differs from that of the store", "set the clock"),
        "ExpiredToken" | "TokenRefreshRequired" => {
            ("the credentials have expired", "renew AWS_SESSION_TOKEN and the keys that belong to it")
        }
        "AuthorizationHeaderMalformed" if text.contains("region") => {
            ("the bucket is in another region", "set AWS_REGION to the region of the bucket")
        }
        "PermanentRedirect" => ("the bucket is in another region", "set AWS_REGION to the region of the bucket"),
        _ => return None,
    };
    Some(Error::cannot_run(format!("{url}: {what} ({code})")).hint(hint))
}

/// An object that is not what it was when it was looked at.
pub(crate) fn replaced(url: &Url) -> Error {
    Error::try_again(format!("{url}: it was replaced meanwhile")).hint("run again")
}

pub(crate) fn no_object(url: &Url) -> Error {
    let what = if url.scheme() == Scheme::File { "file" } else { "object" };
    Error::cannot_run(format!("{url}: no such {what}")).hint("check the address")
}

pub(crate) fn no_bucket(url: &Url) -> Error {
    let what = if url.scheme() == Scheme::Az { "container" } else { "bucket" };
    Error::cannot_run(format!("{url}: no such {what} '{}'", url.bucket()))
        .hint(format!("make it, or check the address and {}", endpoint(url.scheme())))
}

/// Codes and sentences of the four kinds of store for a bucket that is missing.
pub(crate) fn names_no_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"].iter().any(|word| text.contains(word))
}

fn denied(url: &Url, text: &str) -> Error {
    let why = code(text).map(|code| format!(" ({code})")).unwrap_or_default();
    let check = match url.scheme() {
        Scheme::S3 => "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they are allowed in this bucket",
        Scheme::Gs => "check GOOGLE_APPLICATION_CREDENTIALS, and what the account is allowed in this bucket",
        Scheme::Az => "check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, and what they allow",
        Scheme::File => "check the owner and the rights of the folder",
    };
    Error::cannot_run(format!("{url}: access denied{why}")).hint(check)
}

/// The variable that says where a store is.
fn endpoint(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::S3 => "AWS_ENDPOINT_URL",
        Scheme::Gs => "GOOGLE_BASE_URL",
        Scheme::Az => "AZURE_STORAGE_ENDPOINT",
        Scheme::File => "the folder",
    }
}

/// Why the store could not be spoken to, if that is what failed.
fn reached(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source());
    causes.find(|cause| cause.is::<HttpError>()).map(innermost)
}

/// The cause of all causes, as one lower-case phrase.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    root_cause(error).lines().next().unwrap_or_default().to_lowercase()
}

/// The number of the HTTP answer. It is written in the text alone: its type is not public.
fn status(text: &str) -> Option<u16> {
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// `503 Service Unavailable (SlowDown)`
fn answer(text: &str) -> String {
    let status = text.split_once("status code: ").map(|(_, rest)| rest.split(':').next().unwrap_or_default());
    let status = status.unwrap_or_default().trim();
    match code(text) {
        Some(code) => format!("{status} ({code})"),
        None => status.to_owned(),
    }
}

/// The code in the XML body of an answer, such as `InvalidAccessKeyId`.
fn code(text: &str) -> Option<&str> {
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    (!code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
}
