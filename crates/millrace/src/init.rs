//! `millrace init`: a project in a folder, from the pipelines of the repository that this program was built from.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use schedule::shell;
use spec::{Error, Exit, Result};

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
/// and links to the tools in bin/. Nothing that is there is overwritten. In a project, adds the pipelines of --from.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder; `.` for this one
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// A pipeline to start from; several times for several. Those with generated data run at once; the others say in their
    /// ingest.yaml what they read
    #[arg(long, value_name = "PIPELINE", value_parser = pipelines())]
    from: Vec<Pipeline>,
}

pub fn init(arguments: &Arguments) -> Result<Exit> {
    let folder = &arguments.folder;
    let mut files = files(folder, &arguments.from)?;
    let is_there = |path: &str| std::fs::symlink_metadata(folder.join(path)).is_ok();
    let is_project = !arguments.from.is_empty() && folder.join("resources").is_dir();
    if is_project {
        let of_pipeline = |path: &str| path.starts_with("resources/");
        files.retain(|path, _| of_pipeline(path) || !is_there(path));
    }
    // Everything is checked before anything is written.
    if let Some((path, _)) = files.iter().find(|(path, _)| is_there(path)) {
        return Err(Error::cannot_run(format!("{}: exists already", folder.join(path).display()))
            .hint("name a new folder, or move the file away"));
    }
    link::check(&folder.join("bin"))?;
    for (path, content) in &files {
        write(&folder.join(path), content)?;
    }
    std::fs::create_dir_all(folder.join("resources")).map_err(|error| Error::io("create", folder, &error))?;
    link::link_all(&folder.join("bin"))?;
    match is_project {
        true => say_what_was_added(&arguments.from),
        false => tool::say(format!("{} is a project now", shown(folder))),
    }
    say_what_is_next(folder, &arguments.from);
    Ok(Exit::Done)
}

/// Name, and files by their path below resources/PIPELINE/.
type Pipeline = (&'static str, &'static Files);

/// The pipelines by name, each described by the first sentence of its first file.
fn pipelines() -> impl TypedValueParser<Value = Pipeline> {
    let described = |(name, files): &Pipeline| {
        let text = files.iter().find(|(file, _)| *file == "ingest.yaml").or(files.first());
        let text = text.map_or("".into(), |(_, bytes)| String::from_utf8_lossy(bytes));
        PossibleValue::new(*name).help(first_sentence(&text))
    };
    PossibleValuesParser::new(PIPELINES.iter().map(described))
        .map(|name| *PIPELINES.iter().find(|(known, _)| *known == name).expect("it is one of the possible values"))
}

/// The first sentence of the comment at the beginning of a YAML file, without what stands in parentheses.
fn first_sentence(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let mut sentence = String::new();
    for line in comment.skip_while(|line| line.is_empty() || line.starts_with("yaml-language-server")) {
        sentence = format!("{sentence} {line}");
        // What follows is an example.
        if line.is_empty() || line.ends_with(':') {
            break;
        }
    }
    while let Some((before, rest)) = sentence.split_once(" (") {
        let Some((_, behind)) = rest.split_once(')') else { break };
        sentence = format!("{before}{behind}");
    }
    sentence.split(". ").next().unwrap_or_default().trim().trim_end_matches(['.', ':']).to_owned()
}

/// All files of the project, by their path in it.
fn files(folder: &Path, pipelines: &[Pipeline]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (pipeline, content) in pipelines {
        for (file, bytes) in content.iter() {
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

/// The folder, as people read it.
fn shown(folder: &Path) -> String {
    if folder == Path::new(".") { "this folder".to_owned() } else { folder.display().to_string() }
}

fn say_what_was_added(from: &[Pipeline]) {
    let names: Vec<String> = from.iter().map(|(name, _)| format!("resources/{name}")).collect();
    tool::say(format!("added {}", names.join(", ")));
    let own = from.iter().flat_map(|(_, files)| files.iter().map(|(file, bytes)| ((*file).to_owned(), bytes.to_vec())));
    let variables: Vec<String> = variables(&own.collect()).into_keys().collect();
    if !variables.is_empty() {
        tool::say(format!("variables that may be set in .env: {}", variables.join(", ")));
    }
}

fn say_what_is_next(folder: &Path, from: &[Pipeline]) {
    let path = folder.display().to_string();
    let change = match folder == Path::new(".") {
        true => String::new(),
        // `cd` would take it for an option.
        false if path.starts_with('-') => format!("cd {} && ", shell(&format!("./{path}"))),
        false => format!("cd {} && ", shell(&path)),
    };
    match from.first() {
        Some((pipeline, _)) => tool::say(format!("next: {change}millrace run {pipeline}")),
        None => {
            let names: Vec<&str> = PIPELINES.iter().map(|(name, _)| *name).collect();
            tool::say(format!(
                "it has no pipeline yet: write resources/PIPELINE/ingest.yaml, or add one: \
                 {change}millrace init . --from NAME, with one of {}",
                names.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(folder: &Path, from: &[&str]) -> Arguments {
        Arguments { folder: folder.to_owned(), from: from.iter().map(|name| pipeline(name)).collect() }
    }

    fn pipeline(name: &str) -> Pipeline {
        *PIPELINES.iter().find(|(known, _)| *known == name).unwrap()
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
        for (file, text) in pipeline("churn").1 {
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
    fn a_pipeline_is_added_to_a_project() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("myshop");
        init(&arguments(&project, &[])).unwrap();
        std::fs::write(project.join("README.md"), "mine").unwrap();
        std::fs::remove_file(project.join("Makefile")).unwrap();
        init(&arguments(&project, &["churn"])).unwrap();
        init(&arguments(&project, &["sales", "texts"])).unwrap();
        assert_eq!(std::fs::read_to_string(project.join("README.md")).unwrap(), "mine");
        for file in
            ["Makefile", "resources/churn/train.yaml", "resources/sales/train.yaml", "resources/texts/clean.yaml"]
        {
            assert!(project.join(file).is_file(), "{file}");
        }
        let error = init(&arguments(&project, &["olist", "sales"])).unwrap_err().to_string();
        assert!(
            error.ends_with("resources/sales/clean.yaml: exists already; name a new folder, or move the file away"),
            "{error}"
        );
        assert!(!project.join("resources/olist").exists());
        let error = init(&arguments(&project, &[])).unwrap_err().to_string();
        assert!(error.contains(": exists already"), "{error}");
    }

    #[test]
    fn help_describes_the_pipelines_and_a_typing_error_names_the_nearest() {
        let parse = |line: &[&str]| crate::command_line::command().try_get_matches_from(line).unwrap_err().to_string();
        let help = parse(&["millrace", "init", "--help"]);
        for (name, _) in PIPELINES {
            assert!(help.contains(&format!("- {name}:")), "{name}: {help}");
        }
        assert!(help.contains("The purchase log of an online shop, generated"), "{help}");
        let error = parse(&["millrace", "init", "x", "--from", "chrn"]);
        assert!(error.contains("a similar value exists: 'churn'"), "{error}");
        let text = "# yaml-language-server: $schema=x\n#\n# Real sales (see https://a.b/c, 2010 to\n# 2012) of shops. More.\na: 1\n# not this\n";
        assert_eq!(first_sentence(text), "Real sales of shops");
        assert_eq!(first_sentence("# For:\n#\n#    a command. More\n"), "For");
        assert_eq!(first_sentence("a: 1\n"), "");
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
