//! Writes `docs/tools/<tool>.md` and `docs/schemas/<tool>.json` from what the built tools say of themselves.
//! Called by `make docs` as `document BIN_FOLDER DOCS_FOLDER`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use tests::ALL_TOOLS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tools, docs] = arguments.as_slice() else {
        eprintln!("usage: document BIN_FOLDER DOCS_FOLDER");
        return ExitCode::from(2);
    };
    let (tools, docs) = (Path::new(tools), Path::new(docs));
    let of_tools = || ALL_TOOLS.iter().try_for_each(|tool| document(tools, docs, tool));
    match of_tools().and_then(|()| OTHER_FILES.iter().try_for_each(|file| document_file(tools, docs, file))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("document: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn document(tools: &Path, docs: &Path, tool: &str) -> Result<()> {
    let schema = said(&tools.join(tool), "--schema")?;
    let help = said(&tools.join(tool), "--help")?;
    let parsed: Value = serde_json::from_str(&schema).with_context(|| format!("{tool} --schema"))?;
    write(&docs.join(format!("schemas/{tool}.json")), &schema)?;
    let mut page = page(tool, help.trim_end(), &parsed);
    if tool == "catalog" {
        // It reads no file of its own, but a key of all others.
        page = page.replace("## resources/PIPELINE/catalog.yaml", "## `describe` in resources/PIPELINE/STAGE.yaml");
    }
    write(&docs.join(format!("tools/{tool}.md")), &page)
}

/// A file that is not a tool's own.
struct OtherFile {
    tool: &'static str,
    name: &'static str,
    path: &'static str,
}

const OTHER_FILES: [OtherFile; 4] = [
    OtherFile { tool: "millrace", name: "schedule", path: "resources/PIPELINE/schedule.yaml" },
    OtherFile { tool: "ingest", name: "alerts", path: "resources/alerts.yaml" },
    OtherFile { tool: "clean", name: "llm", path: "resources/llm.yaml" },
    OtherFile { tool: "clean", name: "task", path: "resources/PIPELINE/tasks/TASK.yaml" },
];

fn document_file(tools: &Path, docs: &Path, OtherFile { tool, name, path }: &OtherFile) -> Result<()> {
    let schema = said(&tools.join(tool), &format!("--schema={name}"))?;
    let parsed: Value = serde_json::from_str(&schema).with_context(|| format!("{tool} --schema={name}"))?;
    write(&docs.join(format!("schemas/{name}.json")), &schema)?;
    let up = "../".repeat(path.matches('/').count());
    let mut page = format!(
        "# {path}\n\n<!-- Written by `make docs` from `{tool} --schema={name}`: change the text there. -->\n\n"
    );
    keys(&mut page, &parsed, name, &up);
    write(&docs.join(format!("tools/{name}.md")), &page)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).with_context(failed)?;
    std::fs::write(file, text).with_context(failed)
}

fn said(tool: &Path, flag: &str) -> Result<String> {
    let asked = || format!("{} {flag}", tool.display());
    let output =
        Command::new(tool).arg(flag).env("COLUMNS", "100").env_remove("MILLRACE_ROOT").output().with_context(asked)?;
    if !output.status.success() {
        bail!("{}: {}", asked(), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(asked)
}

fn page(tool: &str, help: &str, schema: &Value) -> String {
    let mut page = format!(
        "# {tool}\n\n<!-- Written by `make docs` from the tool itself: change the text there. -->\n\n```text\n{help}\n```\n\n\
         ## resources/PIPELINE/{tool}.yaml\n\n"
    );
    keys(&mut page, schema, tool, "../../");
    page
}

/// The keys of a YAML file that lies so far below the project's root.
fn keys(page: &mut String, schema: &Value, name: &str, up: &str) {
    section(page, schema);
    let definitions: Map<String, Value> = schema["$defs"].as_object().cloned().unwrap_or_default();
    for (name, definition) in &definitions {
        let _ = write!(page, "\n### {name}\n\n");
        section(page, definition);
    }
    let _ = write!(
        page,
        "\n---\n\nFor editors the same as a JSON Schema: [{name}.json](../schemas/{name}.json). With the YAML language server, \
         begin the file with\n`# yaml-language-server: $schema={up}docs/schemas/{name}.json`.\n"
    );
}

/// What a schema says: its description, then its keys or its choices.
fn section(page: &mut String, schema: &Value) {
    if let Some(text) = schema["description"].as_str() {
        let _ = writeln!(page, "{text}\n");
    }
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    let keys = schema["properties"].as_object();
    match (keys, choices) {
        (Some(keys), _) => keys.iter().for_each(|(key, value)| item(page, &code(key), value, required(schema, key))),
        (None, Some(choices)) => choices.iter().for_each(|choice| choice_item(page, choice)),
        (None, None) => {
            let _ = writeln!(page, "{}.", kind(schema));
        }
    }
}

/// One choice of several: a word, a step with its own keys, or a type.
fn choice_item(page: &mut String, choice: &Value) {
    let keys = choice["properties"].as_object();
    // The one key, or of several the one that is required.
    let is_it = |key: &&String| keys.is_some_and(|keys| keys.len() == 1) || required(choice, key);
    let mut named = keys.into_iter().flatten().filter(|(key, _)| is_it(key));
    if let (Some((name, body)), None) = (named.next(), named.next()) {
        let text = choice["description"].as_str().or_else(|| body["description"].as_str());
        entry(page, &code(name), &kind(body), text);
        if let Some(keys) = body["properties"].as_object() {
            let mut inner = String::new();
            keys.iter().for_each(|(key, value)| item(&mut inner, &code(key), value, required(body, key)));
            page.push_str(&indented(&inner));
        }
        let mut beside = String::new();
        let others = keys.into_iter().flatten().filter(|(key, _)| *key != name);
        others.for_each(|(key, value)| item(&mut beside, &code(key), value, false));
        page.push_str(&indented(&beside));
    } else if let Some(word) = choice["const"].as_str() {
        entry(page, &code(word), "", choice["description"].as_str());
    } else {
        entry(page, &kind(choice), "", choice["description"].as_str());
    }
}

fn item(page: &mut String, name: &str, schema: &Value, required: bool) {
    let mut about = kind(schema);
    match schema.get("default").filter(|default| !default.is_null()) {
        Some(default) => {
            let _ = write!(about, "; default `{default}`");
        }
        None if required => about.push_str("; required"),
        None => {}
    }
    entry(page, name, &about, schema["description"].as_str());
}

fn entry(page: &mut String, name: &str, about: &str, text: Option<&str>) {
    let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
    let text = text.map(|text| format!(": {text}")).unwrap_or_default();
    let block = format!("**{name}**{about}{text}");
    let mut lines = block.lines();
    let _ = writeln!(page, "- {}", lines.next().unwrap_or_default());
    let rest: String = lines.map(|line| format!("{line}\n")).collect();
    page.push_str(&indented(&rest));
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}

fn required(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|keys| keys.iter().any(|known| known == key))
}

/// The type in words: `string`, `list of Step`, `one of first, last`.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        if reference == "#" {
            return "the keys below".to_owned();
        }
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().filter(|word| !word.is_null()).map(plain).collect();
        return format!("one of {}", words.join(", "));
    }
    if let Some(word) = schema.get("const") {
        return plain(word);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array() {
            let kinds: Vec<String> = choices.iter().filter(|choice| choice["type"] != "null").map(kind).collect();
            return kinds.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(name) => named(name, schema),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(|name| named(name, schema)).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn named(name: &str, schema: &Value) -> String {
    match name {
        "array" if schema["items"].is_object() => format!("list of {}", kind(&schema["items"])),
        "array" => "list".to_owned(),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of names to {}", kind(&schema["additionalProperties"]))
        }
        "object" => "map".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "whole number".to_owned(),
        other => other.to_owned(),
    }
}

fn plain(word: &Value) -> String {
    code(word.as_str().unwrap_or(&word.to_string()))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
