//! Files of a run, passed on by the server (`mlflow server --serve-artifacts`, which is its default).

use std::path::PathBuf;

use spec::{Error, Result};

use crate::api::Api;

/// The folder of a run's files, as the server's artifact service names it: `1/abc/artifacts`.
pub(crate) struct Artifacts(String);

impl Artifacts {
    /// From a run's address, `mlflow-artifacts:/1/abc/artifacts` with or without a host. `None` if the files are
    /// not kept by the server.
    pub fn of(address: &str) -> Option<Artifacts> {
        let rest = address.strip_prefix("mlflow-artifacts:")?;
        let path = match rest.strip_prefix("//") {
            Some(hosted) => hosted.split_once('/')?.1,
            None => rest,
        };
        Some(Artifacts(path.trim_matches('/').to_owned()))
    }

    pub async fn send(&self, api: &Api, files: &[(String, PathBuf)]) -> Result<()> {
        for (name, path) in files {
            let content = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
            api.put(&format!("{}/{name}", self.0), content).await?;
        }
        Ok(())
    }
}

/// The warning for files that have nowhere to go.
pub(crate) fn not_served(run: &str, address: &str) -> String {
    let scheme = address.split_once(':').map_or("unknown", |(scheme, _)| scheme);
    format!("the files of {run} were not sent: the server keeps files by '{scheme}:'; start it with --serve-artifacts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_files_have_a_path() {
        let path = |address: &str| Artifacts::of(address).map(|artifacts| artifacts.0);
        assert_eq!(path("mlflow-artifacts:/1/abc/artifacts").as_deref(), Some("1/abc/artifacts"));
        assert_eq!(path("mlflow-artifacts://host:5000/1/abc/artifacts").as_deref(), Some("1/abc/artifacts"));
        assert_eq!(path("s3://bucket/1/abc/artifacts"), None);
        assert_eq!(
            not_served("v1/a", "s3://bucket/1"),
            "the files of v1/a were not sent: the server keeps files by 's3:'; start it with --serve-artifacts"
        );
    }
}
