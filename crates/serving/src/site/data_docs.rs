//! The data docs that `catalog docs` writes, a static site: read here by people who are logged in, below `/docs/`.

use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use spec::Root;

use super::visit::{Visitor, Wrong};
use crate::app::App;
use crate::refusal::Refusal;
use crate::results_routes::computed;

/// Where `catalog docs` writes the site, relative to the root.
const FOLDER: &str = "data/catalog";
const INDEX: &str = "index.html";

/// The kinds of files that are sent; others are not part of the site.
const KINDS: [(&str, &str); 7] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
];

/// Whether the site was written.
pub fn is_there(root: &Root) -> bool {
    root.join(FOLDER).join(INDEX).is_file()
}

fn not_found() -> Refusal {
    Refusal::not_found("the data docs have no such page").way_out("run bin/catalog docs, which writes them")
}

/// Links within the site are relative, so the first page has an address below `/docs/`.
pub async fn first(_: Visitor) -> Redirect {
    Redirect::to("/docs/index.html")
}

pub async fn file(State(app): State<Arc<App>>, Path(path): Path<String>, _: Visitor) -> Result<Response, Wrong> {
    let (file, kind) = found(&path).ok_or_else(not_found)?;
    let folder = app.root.join(FOLDER);
    let bytes = computed(&app, move || read(&folder, &file)).await?;
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}

/// The file that an address below `/docs/` names, and its kind; `None` for one that cannot be of the site.
fn found(path: &str) -> Option<(PathBuf, &'static str)> {
    let file = PathBuf::from(path);
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    if path.contains('\0') || !file.components().all(is_plain) {
        return None;
    }
    let ending = file.extension()?.to_str()?;
    let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == ending)?;
    Some((file, kind))
}

fn read(folder: &FilePath, file: &FilePath) -> Result<Vec<u8>, Refusal> {
    // A link must not lead out of the site.
    let real = |path: &FilePath| std::fs::canonicalize(path).map_err(|_| not_found());
    let (folder, file) = (real(folder)?, real(&folder.join(file))?);
    if !file.starts_with(&folder) || !file.is_file() {
        return Err(not_found());
    }
    std::fs::read(&file).map_err(|error| Refusal::from(spec::Error::io("read", &file, &error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_site_are_found() {
        let kind = |path: &str| found(path).map(|(_, kind)| kind);
        assert_eq!(kind("index.html"), Some("text/html; charset=utf-8"));
        assert_eq!(kind("tables/a b.html"), Some("text/html; charset=utf-8"));
        assert_eq!(kind("style.css"), Some("text/css; charset=utf-8"));
        for path in [
            "",
            "..",
            "../.env",
            "a/../../x.html",
            "/etc/passwd.html",
            ".hidden.html",
            "a/.git/x.html",
            "a",
            "x.parquet",
            "a\0.html",
        ] {
            assert_eq!(kind(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_link_does_not_lead_out_of_the_site() {
        let project = tempfile::tempdir().unwrap();
        let folder = project.path().join("site");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("index.html"), "first").unwrap();
        std::fs::write(project.path().join("secret.html"), "secret").unwrap();
        std::os::unix::fs::symlink(project.path().join("secret.html"), folder.join("link.html")).unwrap();
        assert_eq!(read(&folder, FilePath::new("index.html")).unwrap(), b"first");
        for path in ["link.html", "none.html"] {
            assert_eq!(read(&folder, FilePath::new(path)).unwrap_err().status.as_u16(), 404, "{path}");
        }
    }
}
