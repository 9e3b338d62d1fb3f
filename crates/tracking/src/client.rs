//! Where the server is and who we are, from MLflow's own variables.

use std::fmt;

use reqwest::Url;
use spec::{Environment, Error, Result};

/// The variables that are read, and what they say.
pub const VARIABLES: [(&str, &str); 5] = [
    ("MLFLOW_TRACKING_URI", "address of the server; without it nothing is tracked"),
    ("MLFLOW_EXPERIMENT_NAME", "the experiment that runs go to; default: the pipeline"),
    ("MLFLOW_TRACKING_USERNAME", "user, for servers that require one"),
    ("MLFLOW_TRACKING_PASSWORD", "the user's password"),
    ("MLFLOW_TRACKING_TOKEN", "a bearer token, for servers that require one"),
];

/// A server and the way in.
#[derive(Clone)]
pub struct Settings {
    pub(crate) address: Url,
    pub(crate) credentials: Credentials,
    /// Name of the experiment.
    pub(crate) experiment: String,
}

/// How we say who we are.
#[derive(Clone)]
pub(crate) enum Credentials {
    None,
    Basic { user: String, password: String },
    Token(String),
}

impl fmt::Debug for Settings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("server", &self.server()).field("experiment", &self.experiment).finish()
    }
}

impl Settings {
    /// The server that the environment names; `None` if it names none. `experiment` is where runs go if the
    /// environment does not say.
    ///
    /// Errors: an address that is not `http://` or `https://`.
    pub fn of(env: &Environment, experiment: &str) -> Result<Option<Settings>> {
        let Some(address) = env.get("MLFLOW_TRACKING_URI") else { return Ok(None) };
        // The address is not repeated: it may hold a password.
        let mut address =
            Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
                Error::cannot_run("MLFLOW_TRACKING_URI is not the address of a server").hint(
                    "write http://host:port or https://host/path; files and databases are served by `mlflow server`",
                )
            })?;
        let credentials = match (env.get("MLFLOW_TRACKING_TOKEN"), env.get("MLFLOW_TRACKING_USERNAME")) {
            // As MLflow's own client: user and password go before a token.
            (_, Some(user)) => Credentials::Basic {
                user: user.to_owned(),
                password: env.get("MLFLOW_TRACKING_PASSWORD").unwrap_or_default().to_owned(),
            },
            (Some(token), None) => Credentials::Token(token.to_owned()),
            (None, None) => Credentials::None,
        };
        if !matches!(credentials, Credentials::None) {
            // One way in is enough; a URL without a host has no user to take away.
            let _ = address.set_username("");
            let _ = address.set_password(None);
        }
        let experiment = env.get("MLFLOW_EXPERIMENT_NAME").unwrap_or(experiment).to_owned();
        Ok(Some(Settings { address, credentials, experiment }))
    }

    /// Host and port, for messages.
    pub fn server(&self) -> String {
        let host = self.address.host_str().unwrap_or_default();
        self.address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}
