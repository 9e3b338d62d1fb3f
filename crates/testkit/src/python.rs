//! A Python for tests that compare with its libraries.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The first Python that can import `module`: the variable `PYTHON`, then every `python3` on `PATH`. `None`, with a message on
/// stderr, where there is none.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let found = named.into_iter().chain(std::env::split_paths(&path).map(|folder| folder.join("python3")));
    let imports = |python: &PathBuf| {
        let mut command = Command::new(python);
        command
            .args(["-c", &format!("import {module}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = found.into_iter().find(imports);
    if found.is_none() {
        crate::skipped(module, &format!("no Python with {module}; `pip install {module}` runs this test"));
    }
    found
}
