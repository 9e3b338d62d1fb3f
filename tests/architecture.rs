//! Cargo.toml is the architecture: the allowed edges between crates, held by machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const TOOLS: [&str; 9] = ["ingest", "clean", "features", "train", "predict", "export", "monitor", "release", "catalog"];
/// What is left: the shell, the base, the server, and what calls the tools.
const OTHERS: [&str; 20] = [
    "tool",
    "stage",
    "score",
    "forest",
    "expr",
    "artifact",
    "store",
    "values",
    "spec",
    "net",
    "pages",
    "demo",
    "testkit",
    "schedule",
    "millrace",
    "serve",
    "serving",
    "journal",
    "postgresql",
    "mysql",
];
const DOMAIN: [&str; 13] = [
    "sources",
    "transform",
    "featurize",
    "checks",
    "learn",
    "llm",
    "asking",
    "sinks",
    "alert",
    "tracking",
    "watch",
    "compare",
    "inventory",
];

/// A file longer than this hardly has one responsibility.
const MOST_LINES: usize = 600;

/// What each crate may import of ours. A tool may import all but another tool.
fn allowed(package: &str) -> Vec<&'static str> {
    match package {
        "spec" => vec![],
        // For its random numbers: a small crate.
        "testkit" => vec!["spec"],
        "artifact" | "forest" | "journal" => vec!["spec"],
        "store" => vec!["spec", "net"],
        "values" => vec!["spec", "artifact"],
        "expr" => vec!["spec", "artifact", "values"],
        "checks" => vec!["spec", "artifact", "expr", "values", "transform"],
        "score" => vec!["spec", "artifact", "values", "forest"],
        // The model card is a page. Tests compare with the forest.
        "learn" => vec!["spec", "artifact", "expr", "score", "pages", "forest"],
        "transform" | "featurize" => vec!["spec", "artifact", "expr", "values"],
        "demo" | "net" | "pages" => vec!["spec"],
        "postgresql" | "mysql" => vec!["spec", "net"],
        "sources" => vec!["spec", "artifact", "store", "net", "values", "demo", "postgresql", "mysql"],
        // Reports the versions of a registry, and judges what they do on live traffic.
        "tracking" => vec!["spec", "net", "score"],
        "compare" => vec!["spec", "artifact", "values"],
        // What a model learned from is what its rows are compared with; what is found has a priority.
        "watch" => vec!["spec", "artifact", "values", "score", "alert"],
        // Reads all that the others wrote: tables, decisions and runs; shows it on pages, and copies it to stores.
        "inventory" => vec!["spec", "artifact", "values", "pages", "score", "store", "watch"],
        // Pages show what the registry says; databases are reached as sources reach them.
        "sinks" => vec!["spec", "artifact", "expr", "net", "values", "pages", "postgresql", "mysql", "score"],
        // What joins models and tables.
        "asking" => vec!["spec", "artifact", "llm", "transform"],
        domain if DOMAIN.contains(&domain) => vec!["spec", "artifact", "net", "values"],
        // For anything that runs: it can be called, heard and recorded without knowing a table.
        "tool" => vec!["spec", "net", "alert"],
        "stage" => [&["spec", "artifact", "store", "tool"], &DOMAIN[..]].concat(),
        tool if TOOLS.contains(&tool) => {
            [&["spec", "artifact", "expr", "values", "score", "store", "tool", "stage"], &DOMAIN[..]].concat()
        }
        // What answers over HTTP: it reads what the stages wrote and the alerts sent, and records its requests.
        "serving" => {
            vec!["spec", "artifact", "values", "journal", "pages", "postgresql", "score", "featurize", "watch", "alert"]
        }
        // Follows the project's store, as stages do, and announces decisions.
        "serve" => vec!["spec", "artifact", "score", "tool", "alert", "stage", "serving", "tracking"],
        // When pipelines run: read once, for cron, systemd and Airflow.
        "schedule" => vec!["spec", "alert"],
        // The one command: it passes on what it is called with, and runs pipelines as processes.
        "millrace" => [&["spec", "alert", "schedule", "tool", "serve"], &TOOLS[..]].concat(),
        // Visitors ask about homes of the invented city.
        "tests" => vec!["testkit", "demo"],
        other => panic!("crate '{other}' has no place in the architecture yet: give it one in this table"),
    }
}

/// Crates of others that a crate of ours must not know, and why.
fn forbidden(package: &str) -> (&'static [&'static str], &'static str) {
    const TABLES: &[&str] = &["polars", "polars-arrow", "arrow", "parquet", "tokio", "clap", "indicatif", "anyhow"];
    const TERMINAL: &[&str] = &["clap", "indicatif", "anyhow", "tracing-subscriber", "parquet", "object_store"];
    match package {
        "spec" => (TABLES, "specs know no tables, terminals or networks"),
        "score" => (
            &["lightgbm3-sys", "libloading", "linfa", "plotters", "clap", "indicatif", "anyhow", "tokio", "parquet"],
            "scoring needs no library that trains, no network and no terminal",
        ),
        "artifact" | "expr" | "values" => {
            (&["clap", "indicatif", "anyhow", "tokio"], "the base knows no terminal and no network")
        }
        "store" => {
            (&["polars", "arrow", "parquet", "clap", "indicatif", "anyhow"], "a store knows no tables and no terminal")
        }
        "postgresql" | "mysql" => (
            &["polars", "arrow", "parquet", "clap", "indicatif", "anyhow"],
            "a connection knows no tables and no terminal",
        ),
        "net" => (
            &["polars", "arrow", "parquet", "clap", "indicatif", "anyhow", "tokio-postgres"],
            "connections know no tables and no terminal",
        ),
        "demo" => (TABLES, "invented data is text and numbers, for any reader"),
        "forest" => (
            &[
                "polars",
                "polars-arrow",
                "arrow",
                "parquet",
                "lightgbm3-sys",
                "libloading",
                "clap",
                "indicatif",
                "anyhow",
                "tokio",
            ],
            "a forest scores without tables and without the library that trained it",
        ),
        "tool" => (
            &["polars", "polars-arrow", "arrow", "parquet", "object_store", "anyhow"],
            "a program can run without tables: only stages publish them",
        ),
        "journal" => (TABLES, "a journal is lines of text"),
        "serving" => (
            &["clap", "indicatif", "anyhow", "tracing-subscriber", "parquet", "object_store"],
            "a server prints nothing; only artifact opens or writes Parquet",
        ),
        "schedule" | "millrace" => {
            (&["polars", "arrow", "parquet", "tokio", "anyhow"], "times and processes: tables are for the tools")
        }
        "pages" => (TABLES, "a page is text: its caller reads the data first"),
        "testkit" => (&["polars", "arrow", "clap"], "tests of tools must build in seconds"),
        domain if DOMAIN.contains(&domain) => (
            TERMINAL,
            "domain crates print nothing; only artifact opens or writes Parquet, only store speaks with stores",
        ),
        _ => (&["parquet", "object_store"], "only artifact opens or writes Parquet, only store speaks with stores"),
    }
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let packages = packages();
    let names: Vec<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = text(&package["name"]);
        for (dependency, kind) in dependencies(package) {
            let ours = names.contains(&dependency);
            if ours && dependency == "testkit" && kind == "dev" {
                continue;
            }
            if ours && !allowed(name).contains(&dependency) {
                wrong.push(format!("{name} imports {dependency} ({kind})"));
            }
            let (never, reason) = forbidden(name);
            if kind == "normal" && never.contains(&dependency) {
                wrong.push(format!("{name} imports {dependency}: {reason}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that docs/architecture.md does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn every_crate_of_the_architecture_is_there() {
    let packages = packages();
    let members: BTreeSet<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    let listed: BTreeSet<&str> = TOOLS.iter().chain(&DOMAIN).chain(&OTHERS).chain(&["tests"]).copied().collect();
    assert_eq!(members, listed);
}

/// A crate that is missing there would be optimized in every quick build.
#[test]
fn the_quick_build_names_every_crate() {
    let quick = read(&root().join("scripts/quick.toml"));
    let named = quick.lines().filter_map(|line| Some(line.strip_prefix("package.")?.split_once(' ')?.0));
    let named: BTreeSet<&str> = named.collect();
    let packages = packages();
    let members: BTreeSet<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    assert_eq!(named, members);
}

/// A dependency that no source names costs time to build and is misleading. As cargo-machete and cargo-shear
/// do, without a tool to install.
#[test]
fn every_dependency_is_used() {
    let packages = packages();
    let mut unused = Vec::new();
    for package in &packages {
        let manifest = Path::new(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a manifest lies in a folder");
        let sources: String = all_rust_files(folder).iter().map(|file| read(file)).collect();
        for entry in package["dependencies"].as_array().into_iter().flatten() {
            // A renamed crate is known by its new name.
            let name = entry["rename"].as_str().unwrap_or(text(&entry["name"])).replace('-', "_");
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let is_named = sources
                .match_indices(&name)
                .any(|(at, _)| !sources[..at].ends_with(is_part) && !sources[at + name.len()..].starts_with(is_part));
            if !is_named {
                unused.push(format!("{}: {name}", text(&package["name"])));
            }
        }
    }
    assert!(unused.is_empty(), "dependencies that no source names: {unused:#?}");
    let listed: Vec<String> = read(&root().join("Cargo.toml"))
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()))
        .collect();
    let wanted: Vec<String> = packages
        .iter()
        .map(|package| read(Path::new(text(&package["manifest_path"]))))
        .flat_map(|manifest| manifest.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let idle: Vec<&String> =
        listed.iter().filter(|name| !wanted.contains(&format!("{name}.workspace = true"))).collect();
    assert!(listed.len() > 50 && idle.is_empty(), "the workspace lists what no crate asks for: {idle:?}");
}

/// The compiler cannot see that no other crate calls what a crate makes public.
#[test]
fn every_public_name_is_used() {
    let code: Vec<(PathBuf, String)> =
        rust_files(&root()).into_iter().map(|file| (file.clone(), read(&file))).collect();
    let is_separator = |c: char| !c.is_alphanumeric() && c != '_';
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, source) in &code {
        for word in source.split(is_separator) {
            *times.entry(word).or_default() += 1;
        }
    }
    let mut unused = Vec::new();
    for (file, source) in &code {
        for line in source.lines() {
            let Some(declared) = line.trim_start().strip_prefix("pub ") else { continue };
            let mut words = declared.split(is_separator).filter(|word| !matches!(*word, "async" | "unsafe" | "mut"));
            let kind = words.next().unwrap_or_default();
            // `pub const fn name` or `pub const NAME`.
            let name = words.find(|word| *word != "fn").unwrap_or_default();
            if matches!(kind, "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static") && times[name] == 1 {
                unused.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(unused.is_empty(), "public names that nothing uses: {unused:#?}");
}

/// Lines of code of a tool's crate, tests and documentation aside. What grows beyond this belongs into a domain crate.
const MOST_WIRING: usize = 800;

/// Reserved to domain crates: what a tool computes itself cannot be used by another tool or by the server.
const COMPUTING: [&str; 5] = ["rayon::", "ndarray::", "object_store::", "reqwest::", "rusqlite::"];

#[test]
fn tools_are_wiring_only() {
    for tool in TOOLS.into_iter().chain(["serve"]) {
        let folder = root().join("crates").join(tool);
        let main = lines_of(&folder.join("src/main.rs"));
        assert!(main <= 30, "{tool}: a main is a doorbell, not {main} lines");
        let code: usize = rust_files(&folder).iter().map(|file| lines_of_code(file)).sum();
        assert!(
            code <= MOST_WIRING,
            "{tool}: {code} lines are more than wiring; move what they compute into a domain crate"
        );
        let computing = files_with(&folder, &COMPUTING);
        assert!(computing.is_empty(), "{tool} computes something itself: {computing:?}");
    }
}

/// Lines that are neither empty nor comments, up to the tests of the file.
fn lines_of_code(file: &Path) -> usize {
    let source = std::fs::read_to_string(file).expect("sources can be read");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    source.lines().take_while(|line| *line != "#[cfg(test)]").filter(is_code).count()
}

#[test]
fn no_file_is_longer_than_one_responsibility() {
    let long: BTreeMap<PathBuf, usize> = rust_files(&root())
        .into_iter()
        .map(|file| (lines_of(&file), file))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, file)| (file, lines))
        .collect();
    assert!(long.is_empty(), "files of more than {MOST_LINES} lines: {long:#?}");
}

#[test]
fn libraries_do_not_print() {
    // What prints is called by people, or is for tests.
    let prints = ["tool", "stage", "millrace", "serve", "testkit"];
    let libraries = DOMAIN.iter().chain(OTHERS.iter().filter(|name| !prints.contains(name)));
    let printing = ["println!(", "print!(", "eprintln!(", "eprint!("];
    let prints_something = |file: &PathBuf| {
        let source = read(file);
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.into_iter().any(|line| printing.iter().any(|word| line.contains(word)))
    };
    let files = libraries.flat_map(|name| all_rust_files(&root().join("crates").join(name).join("src")));
    let wrong: Vec<PathBuf> = files.filter(prints_something).collect();
    assert!(wrong.is_empty(), "libraries that print: {wrong:#?}");
}

#[test]
fn plans_stream_in_one_place() {
    // It keeps the order of rows, which the streaming engine by itself does not always.
    let running = ["collect_with_engine(", ".sink_batches(", ".sink(", "collect_batches("];
    let crates = root().join("crates");
    let files: Vec<_> = files_with(&root(), &running).into_iter().filter(|file| file.starts_with(&crates)).collect();
    assert_eq!(files, [crates.join("artifact/src/engine.rs")]);
}

/// A test that is skipped where a service is missing proves nothing in CI, unless CI requires the service.
#[test]
fn ci_requires_every_service_without_which_a_test_is_skipped() {
    let checks = read(&root().join(".ci/checks"));
    let lists = checks.split("MILLRACE_REQUIRE").filter_map(|rest| rest.trim_start_matches('+').strip_prefix('='));
    let required: BTreeSet<&str> = lists
        .filter_map(|list| list.split_whitespace().next())
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .collect();
    let sources: Vec<String> = rust_files(&root()).iter().map(|file| read(file)).collect();
    let named = |call: &'static str| {
        let arguments = sources.iter().flat_map(move |source| source.split(call).skip(1));
        arguments.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
    };
    let needed: BTreeSet<&str> = ["skipped(", "python_with("]
        .into_iter()
        .flat_map(named)
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        .collect();
    assert_eq!(needed, required);
}

/// LightGBM makes a program larger, slower to build and slower to start, and needs a C++ compiler.
#[test]
fn only_training_links_lightgbm() {
    let with_it = |package: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
            .current_dir(root())
            // Where features are those of the whole workspace, the tree is, too.
            .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
            .output()
            .expect("cargo can be called");
        assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).expect("cargo tree writes text");
        assert!(tree.lines().any(|line| line.starts_with("spec ")), "{package} depends on something of ours:\n{tree}");
        tree.lines().any(|line| line.starts_with("lightgbm3-sys "))
    };
    assert!(with_it("train"), "train learns with it");
    let without: Vec<&str> = TOOLS.into_iter().filter(|tool| *tool != "train").chain(["score", "forest"]).collect();
    let wrong: Vec<&str> = without.into_iter().filter(|package| with_it(package)).collect();
    assert!(wrong.is_empty(), "these link LightGBM: {wrong:?}");
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package lies in the workspace").to_owned()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo can be called");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("there are packages").clone()
}

/// Names and kinds (`normal`, `dev`, `build`) of a package's direct dependencies.
fn dependencies(package: &Value) -> Vec<(&str, &str)> {
    let dependencies = package["dependencies"].as_array().expect("there is a list of dependencies");
    dependencies.iter().map(|entry| (text(&entry["name"]), entry["kind"].as_str().unwrap_or("normal"))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn lines_of(file: &Path) -> usize {
    read(file).lines().count()
}

/// The sources below `folder` in which one of `words` occurs.
fn files_with(folder: &Path, words: &[&str]) -> Vec<PathBuf> {
    let has = |file: &PathBuf| {
        let source = std::fs::read_to_string(file).expect("sources can be read");
        words.iter().any(|word| source.contains(word))
    };
    rust_files(folder).into_iter().filter(has).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    below(vec![folder.join("crates"), folder.join("tests"), folder.join("src")])
}

/// All below `folder`.
fn all_rust_files(folder: &Path) -> Vec<PathBuf> {
    below(vec![folder.to_owned()])
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn below(mut open: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
