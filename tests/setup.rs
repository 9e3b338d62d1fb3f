//! scripts/setup where all that it needs is installed. What it installs is tested in .ci/rooms.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::Project;
use tests::repository;

/// The CMake of this machine: the one that the build uses, or the first on PATH.
fn cmake(path: &std::ffi::OsStr) -> PathBuf {
    let of_build = std::env::var_os("CMAKE").map(PathBuf::from);
    let on_path = std::env::split_paths(path).map(|folder| folder.join("cmake"));
    let of_setup = repository().join(".cache/cmake/bin/cmake");
    of_build.into_iter().chain([of_setup]).chain(on_path).find(|file| file.is_file()).expect("the build needs CMake")
}

fn setup(project: &Project, flags: &[&str], path: &std::ffi::OsStr, cmake: &Path) -> (Option<i32>, String) {
    let mut command = Command::new("bash");
    command.arg("scripts/setup").args(flags).current_dir(project.root());
    command.env("PATH", path).env("REAL_CMAKE", cmake).env_remove("CMAKE");
    let Output { status, stdout, stderr } = command.output().expect("bash");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_path_with_quotes_and_backslashes_is_written_as_toml_has_them() {
    let project = Project::new();
    for file in ["Cargo.toml", "scripts/setup", "scripts/lib/probes"] {
        project.write(file, std::fs::read(repository().join(file)).expect(file));
    }
    // The first CMake on PATH lies in a folder whose name TOML has to escape.
    let path = std::env::var_os("PATH").expect("PATH");
    let cmake = cmake(&path);
    project.write("\"odd\" \\ tools/cmake", "#!/bin/sh\nexec \"$REAL_CMAKE\" \"$@\"\n");
    let odd = project.at("\"odd\" \\ tools");
    std::fs::set_permissions(odd.join("cmake"), std::fs::Permissions::from_mode(0o755)).expect("rights");
    let path = std::env::join_paths([odd.clone()].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");

    // Nothing else is missing, so nothing is installed.
    let missing = (Some(1), "setup: missing: .cargo/config.toml\n".to_owned());
    assert_eq!(setup(&project, &["--check"], &path, &cmake), missing);
    assert_eq!(setup(&project, &[], &path, &cmake), (Some(0), String::new()));
    let config = project.read(".cargo/config.toml");
    let folder = odd.parent().expect("the project").display();
    let wanted = format!("CMAKE = \"{folder}/\\\"odd\\\" \\\\ tools/cmake\"");
    assert!(config.lines().any(|line| line == wanted), "{config}\n{wanted}");
    assert_eq!(setup(&project, &["--check"], &path, &cmake), (Some(0), String::new()));
}
