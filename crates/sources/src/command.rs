//! The `command` source: any program that prints CSV, JSON lines, an Arrow stream or Singer messages.
//!
//! ```yaml
//! source: {command: {run: [python3, scripts/orders.py], format: json_lines}}
//! ```
//!
//! What it prints counts only if it ends with exit code 0: a program that fails, is killed or takes too long has
//! delivered nothing.

mod arrow;
mod group;
mod process;
mod singer;
mod types;

use std::sync::Arc;
use std::time::Duration;

use artifact::{Fingerprint, Input};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Error, Map, Redactor, Result, Root};
use store::Cloud;

use crate::file_spec::{Character, Encoding, FileSpec, Format};
use crate::hidden::Hidden;
use crate::incremental::Reach;
use crate::places::{PROGRAM, Place, once};
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};

pub use group::end_programs;
pub(crate) use process::Program;

/// A program that prints a table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct CommandSpec {
    run: Vec<Hidden>,
    format: CommandFormat,
    environment: Map<Hidden>,
    timeout: Duration,
    separator: Option<Character>,
    header: Option<bool>,
    encoding: Option<Encoding>,
    null_values: Option<Vec<String>>,
    stream: Option<String>,
    config: Option<Config>,
    incremental: bool,
}

/// A program that prints a table.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Command")]
struct Written {
    /// The program and its arguments. No shell reads them: `*`, `|` and `$` stand for themselves. It runs in the project
    /// root, and a program with a `/` in its name is looked for there.
    #[schemars(with = "Vec<String>")]
    run: Vec<Hidden>,
    /// What it prints.
    format: CommandFormat,
    /// Its variables. Of Millrace's own it gets only PATH, HOME, USER, LANG, LC_ALL, TZ, TMPDIR and those that say how
    /// to reach the network (`*_proxy`, `SSL_CERT_*`). Their values are in no file, log or error.
    #[serde(default)]
    environment: Map<Hidden>,
    /// How long it may run: 3600 seconds by default, 1 to 86400. Then it is ended with all that it started, and nothing is
    /// published.
    #[serde(default = "an_hour")]
    timeout_seconds: u32,
    /// The character between the fields of a `csv`. Default `,`.
    #[serde(default)]
    separator: Option<Character>,
    /// Whether the first line of a `csv` or `tsv` names the columns. Default `true`.
    #[serde(default)]
    header: Option<bool>,
    /// The encoding of `csv`, `tsv` and `json_lines`. Default `utf-8`.
    #[serde(default)]
    encoding: Option<Encoding>,
    /// Texts of a `csv` or `tsv` that stand for a missing value. Default `[""]`.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("default" = [""]))]
    null_values: Option<Vec<String>>,
    /// The stream of a `singer` tap that makes the table. Needed if it sends several.
    #[serde(default)]
    stream: Option<String>,
    /// The settings of a `singer` tap. They are written into a file that only this user may read and that is removed
    /// afterwards, and passed as `--config FILE`. Their values are in no other file, log or error.
    #[serde(default)]
    config: Option<Config>,
    /// Whether a `singer` tap continues where it ended the last time: its state is kept with the table, and passed as
    /// `--state FILE`. `false` by default: every run reads all.
    #[serde(default)]
    incremental: bool,
}

fn an_hour() -> u32 {
    3600
}

/// The format of what a program prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommandFormat {
    /// Fields between separators.
    Csv,
    /// Fields between tabs.
    Tsv,
    /// One object per line.
    JsonLines,
    /// An Arrow IPC stream.
    Arrow,
    /// Messages of a Singer tap: SCHEMA, RECORD and STATE.
    Singer,
}

impl CommandFormat {
    fn name(self) -> &'static str {
        match self {
            CommandFormat::Csv => "csv",
            CommandFormat::Tsv => "tsv",
            CommandFormat::JsonLines => "json_lines",
            CommandFormat::Arrow => "arrow",
            CommandFormat::Singer => "singer",
        }
    }
}

/// The settings of a tap. They are never shown.
#[derive(Clone)]
pub(crate) struct Config(serde_json::Map<String, serde_json::Value>);

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Config, D::Error> {
        serde_json::Map::deserialize(deserializer).map(Config)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TapConfig".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

impl Config {
    /// What errors must not repeat: all texts in it, and numbers under names that sound secret. Others, such as a port, help.
    fn texts(&self) -> Vec<String> {
        fn gather(value: &serde_json::Value, is_secret: bool, texts: &mut Vec<String>) {
            match value {
                serde_json::Value::String(text) => texts.push(text.clone()),
                serde_json::Value::Number(number) if is_secret => texts.push(number.to_string()),
                serde_json::Value::Array(values) => values.iter().for_each(|value| gather(value, is_secret, texts)),
                serde_json::Value::Object(values) => all(values, is_secret, texts),
                _ => {}
            }
        }
        fn all(values: &serde_json::Map<String, serde_json::Value>, is_secret: bool, texts: &mut Vec<String>) {
            values.iter().for_each(|(name, value)| gather(value, is_secret || spec::carries_secret(name), texts));
        }
        let mut texts = Vec::new();
        all(&self.0, false, &mut texts);
        texts
    }
}

impl TryFrom<Written> for CommandSpec {
    type Error = String;
    fn try_from(written: Written) -> Result<CommandSpec, String> {
        let Written {
            run,
            format,
            environment,
            timeout_seconds,
            separator,
            header,
            encoding,
            null_values,
            stream,
            config,
            incremental,
        } = written;
        if run.first().is_none_or(|program| program.expose().trim().is_empty()) {
            return Err("'run' names no program; write a list such as [python3, scripts/orders.py]".to_owned());
        }
        if !(1..=86_400).contains(&timeout_seconds) {
            return Err("'timeout_seconds' ranges from 1 to 86400".to_owned());
        }
        for name in environment.names() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("'{name}' is not the name of a variable"));
            }
        }
        let values = run.iter().chain(environment.iter().map(|(_, value)| value));
        if values.map(Hidden::expose).any(|value| value.contains('\0')) {
            return Err("an argument or a variable has a NUL character, which no program can be given".to_owned());
        }
        let is_text = matches!(format, CommandFormat::Csv | CommandFormat::Tsv);
        let keys = [
            ("separator", separator.is_some(), format == CommandFormat::Csv, "csv"),
            ("header", header.is_some(), is_text, "csv and tsv"),
            ("null_values", null_values.is_some(), is_text, "csv and tsv"),
            ("encoding", encoding.is_some(), is_text || format == CommandFormat::JsonLines, "csv, tsv and json_lines"),
            ("stream", stream.is_some(), format == CommandFormat::Singer, "singer"),
            ("config", config.is_some(), format == CommandFormat::Singer, "singer"),
            ("incremental", incremental, format == CommandFormat::Singer, "singer"),
        ];
        if let Some((key, _, _, formats)) = keys.into_iter().find(|(_, is_given, fits, _)| *is_given && !fits) {
            return Err(format!("'{key}' is for the format {formats}, not for {}", format.name()));
        }
        let timeout = Duration::from_secs(timeout_seconds.into());
        Ok(CommandSpec {
            run,
            format,
            environment,
            timeout,
            separator,
            header,
            encoding,
            null_values,
            stream,
            config,
            incremental,
        })
    }
}

impl Source for CommandSpec {
    /// A program may print something else each time, so it never equals an earlier one. Does not start it.
    fn locate(&self, _: &Root, _: &Cloud) -> Result<Located> {
        Ok(Input { path: self.shown(), fingerprint: Fingerprint::Given(once("a program")), rows: None }.into())
    }

    /// The program and its arguments, and how its output is cut into cells.
    fn settings(&self, of: &Target<'_>) -> Settings {
        let CommandSpec {
            run,
            format,
            environment: _,
            timeout: _,
            separator: _,
            header: _,
            encoding: _,
            null_values: _,
            stream,
            config,
            incremental: _,
        } = self;
        let mut settings = Settings::new();
        let words: Vec<&str> = run.iter().map(Hidden::expose).collect();
        settings.insert("command".to_owned(), of.hidden(&words.join("\0")));
        if let Some(stream) = stream {
            settings.insert("stream".to_owned(), of.shown(stream));
        }
        if let Some(Config(config)) = config {
            let values = config.iter().filter(|(name, _)| !spec::sounds_secret(&name.to_ascii_lowercase()));
            let values: Vec<String> = values.map(|(name, value)| format!("{name}\0{value}")).collect();
            settings.insert("config".to_owned(), of.hidden(&values.join("\0")));
        }
        if !matches!(format, CommandFormat::Arrow | CommandFormat::Singer) {
            settings.extend(self.as_file().settings(of));
        }
        settings
    }

    fn is_incremental(&self) -> bool {
        self.incremental
    }

    fn may_lack_columns(&self) -> bool {
        matches!(
            self.format,
            CommandFormat::JsonLines | CommandFormat::Singer | CommandFormat::Csv | CommandFormat::Tsv
        )
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        if let Reach::Days(..) = request.reach {
            return Err(Error::cannot_run("a tap cannot read days again: its own state says where it continues")
                .hint("read all of it again with 'ingest --full'"));
        }
        let program = Arc::new(self.program(request.root));
        // What a program prints may repeat what it was given, and errors quote it.
        let hidden = program.hidden.clone();
        let opened = match self.format {
            CommandFormat::Arrow => arrow::open(&program, located, request),
            CommandFormat::Singer => singer::open(&program, self.stream.as_deref(), self.incremental, located, request),
            _ => {
                let located = Located { places: vec![Place::Program(program)], ..located };
                self.as_file().open_text(self.file_format(), located, request)
            }
        };
        let opened = opened.map_err(|error| error.redacted(&hidden))?;
        let batches = opened.batches.map(move |batch| batch.map_err(|error| error.redacted(&hidden)));
        Ok(Opened { batches: Box::new(batches), ..opened })
    }
}

impl CommandSpec {
    /// As inputs, rows and errors name it: without folders and arguments, which may hold secrets.
    fn shown(&self) -> String {
        let program = self.run.first().map_or("", Hidden::expose);
        format!("{PROGRAM}{}", program.rsplit('/').next().unwrap_or(program))
    }

    fn file_format(&self) -> Format {
        match self.format {
            CommandFormat::Tsv => Format::Tsv,
            CommandFormat::JsonLines => Format::JsonLines,
            CommandFormat::Csv | CommandFormat::Arrow | CommandFormat::Singer => Format::Csv,
        }
    }

    /// The source of a file that holds what the program prints.
    fn as_file(&self) -> FileSpec {
        FileSpec {
            format: Some(self.file_format()),
            separator: self.separator,
            header: self.header,
            encoding: self.encoding,
            null_values: self.null_values.clone(),
            ..FileSpec::at(self.shown())
        }
    }

    fn program(&self, root: &Root) -> Program {
        let environment = self.environment.iter().map(|(_, value)| value.expose().to_owned());
        let texts = environment.chain(self.config.iter().flat_map(Config::texts));
        let mut hidden = Redactor::default();
        texts.filter(|text| text.chars().count() >= 4).for_each(|text| hidden.add(&text));
        Program {
            run: self.run.iter().map(|word| word.expose().to_owned()).collect(),
            environment: self.environment.iter().map(|(name, of)| (name.to_owned(), of.expose().to_owned())).collect(),
            folder: root.path().to_owned(),
            timeout: self.timeout,
            config: self.config.as_ref().map(|config| serde_json::Value::Object(config.0.clone())),
            hidden,
            shown: self.shown(),
        }
    }
}
