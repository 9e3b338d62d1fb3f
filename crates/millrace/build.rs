//! Builds two things into the program: the pipelines of this repository, for `millrace init`, and the runtime
//! libraries of LightGBM (OpenMP and C++), so that it runs where no compiler was ever installed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder"));
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package"));
    let repository = here.ancestors().nth(2).expect("crates/millrace lies in a repository");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", repository.join("resources").display());
    fs::write(out.join("pipelines.rs"), pipelines(&repository.join("resources"))).expect("a file can be written");
    link_statically(&out);
}

/// `(pipeline, [(file, content)])`, sorted.
fn pipelines(resources: &Path) -> String {
    let mut text =
        "pub type Files = [(&'static str, &'static [u8])];\npub const PIPELINES: &[(&str, &Files)] = &[\n".to_owned();
    for folder in entries(resources).into_iter().filter(|path| path.is_dir()) {
        let _ = writeln!(text, "    ({:?}, &[", name_of(&folder, resources));
        for file in files_below(&folder) {
            let _ = writeln!(text, "        ({:?}, include_bytes!({:?})),", name_of(&file, &folder), file.display());
        }
        text.push_str("    ]),\n");
    }
    text + "];\n"
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries(folder).into_iter().flat_map(below).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).expect("it lies there").display().to_string()
}

/// The linker takes a library from the first folder that has it, in whatever form. So a folder with the archives alone,
/// named before those of the system, has them linked in. Without archives the program needs the shared libraries.
fn link_statically(out: &Path) {
    let folder = out.join("archives");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder can be made");
    for library in ["libgomp.a", "libstdc++.a"] {
        let answer = Command::new(env::var_os("CXX").unwrap_or_else(|| "c++".into()))
            .arg(format!("-print-file-name={library}"))
            .output();
        let Ok(answer) = answer else { continue };
        let path = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
        // What it does not have, it names without a folder.
        if path.is_absolute() && path.is_file() {
            std::os::unix::fs::symlink(&path, folder.join(library)).expect("a link can be made");
        }
    }
    println!("cargo:rustc-link-arg-bins=-L{}", folder.display());
}
