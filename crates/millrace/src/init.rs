//! `millrace init`: a project in a folder, from the pipelines of the repository that this program was built from.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use spec::{Error, Exit, Result, did_you_mean};

use crate::command_line::schemas;
use crate::link;

include!(concat!(env!("OUT_DIR"), "/pipelines.rs"));

/// The files of every project, besides its pipelines. The script is the repository's own.
const FILES: [(&str, &str); 4] = [
    ("Makefile", include_str!("../template/Makefile")),
    ("README.md", include_str!("../template/README.md")),
    (".gitignore", include_str!("../template/gitignore")),
    ("scripts/run-pipeline", include_str!("../../../scripts/run-pipeline")),
];

/// Make a project: a folder with pipelines to start from
///
/// Writes resources/, a Makefile, .env.example, .gitignore, a README and the JSON Schemas of the YAML files for editors,
/// and links to the tools in bin/. Nothing that is there is overwritten.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder; `.` for this one
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// A pipeline to start from; several times for several
    #[arg(long, value_name = "PIPELINE")]
    from: Vec<String>,
}

pub fn init(arguments: &Arguments) -> Result<Exit> {
    let pipelines: Result<Vec<&Pipeline>> = arguments.from.iter().map(|name| pipeline(name)).collect();
    let files = files(&arguments.folder, &pipelines?)?;
    let folder = &arguments.folder;
    // Everything is checked before anything is written.
    if let Some((path, _)) = files.iter().find(|(path, _)| std::fs::symlink_metadata(folder.join(path)).is_ok()) {
        return Err(Error::cannot_run(format!("{}: exists already", folder.join(path).display()))
            .hint("name a new folder, or move the file away"));
    }
    link::check(&folder.join("bin"))?;
    for (path, content) in &files {
        write(&folder.join(path), content)?;
    }
    std::fs::create_dir_all(folder.join("resources")).map_err(|error| Error::io("create", folder, &error))?;
    link::link_all(&folder.join("bin"))?;
    say_what_is_next(folder, &arguments.from);
    Ok(Exit::Done)
}

type Pipeline = (&'static str, &'static [(&'static str, &'static [u8])]);

fn pipeline(name: &str) -> Result<&'static Pipeline> {
    PIPELINES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let names = PIPELINES.iter().map(|(name, _)| *name);
        Error::cannot_run(format!("--from: no pipeline '{name}'")).hint(did_you_mean(name, names))
    })
}

/// All files of the project, by their path in it.
fn files(folder: &Path, pipelines: &[&Pipeline]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (pipeline, content) in pipelines {
        for (file, bytes) in *content {
            files.insert(format!("resources/{pipeline}/{file}"), bytes.to_vec());
        }
    }
    let variables = variables(&files);
    let named = std::path::absolute(folder).map_err(|error| Error::io("find", folder, &error))?;
    let project = named.file_name().map_or("project".to_owned(), |name| name.to_string_lossy().into_owned());
    let first = pipelines.first().map_or("PIPELINE", |(name, _)| name);
    for (path, text) in FILES {
        let text = text.replace("@PROJECT@", &project).replace("@PIPELINE@", first);
        files.insert(path.to_owned(), text.into_bytes());
    }
    files.insert(".env.example".to_owned(), env_example(&variables).into_bytes());
    // Where the first line of each YAML file names them, for editors.
    for (name, schema) in schemas() {
        let text = serde_json::to_string_pretty(&schema).map_err(|error| Error::cannot_run(error.to_string()))?;
        files.insert(format!("docs/schemas/{name}.json"), (text + "\n").into_bytes());
    }
    Ok(files)
}

/// The variables that the YAML files read, with their defaults; `None`: it must be set.
fn variables(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for text in files.values().filter_map(|bytes| std::str::from_utf8(bytes).ok()) {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        for line in lines {
            for (at, _) in line.match_indices("${").filter(|(at, _)| !line[..*at].ends_with('$')) {
                let Some((body, _)) = line[at + 2..].split_once('}') else { continue };
                let (name, default) = body.split_once(":-").map_or((body, None), |(name, value)| (name, Some(value)));
                let is_name = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                if is_name(name) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    found.entry(name.to_owned()).or_insert(default.map(str::to_owned));
                }
            }
        }
    }
    found
}

fn env_example(variables: &BTreeMap<String, Option<String>>) -> String {
    let mut lines = vec![
        "# Variables that the YAML files read. Copy this file to .env, which git ignores, and set what you need: secrets, too.".to_owned(),
    ];
    lines.extend(variables.iter().map(|(name, default)| match default {
        Some(default) => format!("#{name}={default}"),
        None => format!("{name}="),
    }));
    lines.join("\n") + "\n"
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    }
    std::fs::write(path, content).map_err(|error| Error::io("write", path, &error))?;
    if content.starts_with(b"#!") {
        let rights = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, rights).map_err(|error| Error::io("write", path, &error))?;
    }
    Ok(())
}

fn say_what_is_next(folder: &Path, from: &[String]) {
    let is_here = folder == Path::new(".");
    let shown = if is_here { "this folder".to_owned() } else { folder.display().to_string() };
    tool::say(format!("{shown} is a project now"));
    let change = if is_here { String::new() } else { format!("cd {shown} && ") };
    match from.first() {
        Some(pipeline) => tool::say(format!("next: {change}millrace run {pipeline}")),
        None => {
            let names: Vec<&str> = PIPELINES.iter().map(|(name, _)| *name).collect();
            tool::say(format!(
                "it has no pipeline yet: write resources/PIPELINE/ingest.yaml, or begin with --from {}",
                names.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(folder: &Path, from: &[&str]) -> Arguments {
        Arguments { folder: folder.to_owned(), from: from.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_project_has_all_that_a_pipeline_needs() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("myshop");
        assert_eq!(init(&arguments(&project, &["churn"])).unwrap(), Exit::Done);
        let read = |path: &str| std::fs::read_to_string(project.join(path)).unwrap();
        let own = |path: &str| std::fs::read_to_string(Path::new("../..").join(path)).unwrap();
        for file in ["resources/churn/ingest.yaml", "resources/churn/train.yaml", "scripts/run-pipeline"] {
            assert_eq!(read(file), own(file), "{file}");
        }
        let name = spec::Name::new("churn").unwrap();
        let root = spec::Root::at(&project);
        assert!(spec::Tool::ALL.into_iter().filter(|tool| root.spec(&name, *tool).is_ok()).count() >= 8);
        assert!(read(".env.example").contains("#CHURN_PURCHASES=200000\n"));
        assert!(read("README.md").starts_with("# myshop\n") && read("README.md").contains("millrace run churn"));
        assert!(!read("README.md").contains('@'), "{}", read("README.md"));
        // Each YAML file names its schema, which exists at that path.
        for (file, text) in pipeline("churn").unwrap().1 {
            let text = String::from_utf8_lossy(text);
            let schema = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
            let schema = schema.unwrap_or_else(|| panic!("{file} names no schema"));
            assert!(project.join("resources/churn").join(schema).is_file(), "{file}: {schema}");
        }
        assert!(project.join("bin/ingest").is_symlink());
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_half_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("README.md"), "mine").unwrap();
        let error = init(&arguments(folder.path(), &["churn"])).unwrap_err().to_string();
        assert!(error.ends_with("README.md: exists already; name a new folder, or move the file away"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::remove_file(folder.path().join("README.md")).unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(folder.path().join("bin/clean"), "mine").unwrap();
        let error = init(&arguments(folder.path(), &["churn"])).unwrap_err().to_string();
        assert!(error.ends_with("bin/clean: exists and is not a link; remove it, or name another folder"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unknown_pipeline_names_the_nearest() {
        let error = init(&arguments(Path::new("/nowhere"), &["chrn"])).unwrap_err().to_string();
        assert_eq!(error, "--from: no pipeline 'chrn'; did you mean 'churn'?");
    }

    #[test]
    fn variables_are_those_that_the_files_read() {
        let file = "a: ${ONE:-1}\nb: \"$${TWO} ${1} ${THREE}\"\n# ${FOUR}\n".as_bytes().to_vec();
        let found = variables(&[("x".to_owned(), file)].into());
        let expected = [("ONE".to_owned(), Some("1".to_owned())), ("THREE".to_owned(), None)];
        assert_eq!(found, expected.into());
        assert!(env_example(&found).ends_with("#ONE=1\nTHREE=\n"));
    }
}
