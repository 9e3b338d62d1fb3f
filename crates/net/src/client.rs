//! The HTTP client.

use std::sync::Once;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};
use spec::text::root_cause;
use spec::{Error, Result};

/// Who asks, for the logs of servers.
pub const USER_AGENT: &str = concat!("millrace/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take.
pub const CONNECT: Duration = Duration::from_secs(10);

/// A client whose requests take at most `timeout`, from first byte to last. It follows no redirect, which would carry keys to
/// another server and turn a POST into a GET. `change` sets what a user needs beyond that.
pub fn client(timeout: Duration, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client> {
    secure();
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT.min(timeout))
        .timeout(timeout)
        .user_agent(USER_AGENT);
    let client = change(builder).build();
    client
        .map_err(|error| Error::cannot_run(format!("cannot make an HTTP client: {}", root_cause(&error.without_url()))))
}

/// Installs the ciphers of TLS for clients that ask the process for them.
pub fn secure() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Fails only if the program has installed one already, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use testkit::http_server::{HttpAnswer, HttpServer};

    use super::*;

    #[test]
    fn redirects_are_not_followed() {
        let server = HttpServer::start(|_, _| HttpAnswer::status(302, "").with_header("location", "/elsewhere"));
        let client = client(Duration::from_secs(5), |builder| builder.no_proxy()).unwrap();
        let status = crate::block_on(async {
            let response = client.get(server.url("/here")).header("authorization", "secret").send().await;
            Ok(response.unwrap().status().as_u16())
        });
        assert_eq!((status.unwrap(), server.requests().len()), (302, 1));
        assert!(server.requests()[0].header("user-agent").unwrap().starts_with("millrace/"));
    }
}
