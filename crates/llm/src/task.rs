//! A task for a language model: as written in a file, and as checked.
//!
//! ```yaml
//! task_name: clean_review
//! description: Correct spelling and say how the writer feels
//! inputs: [text]
//! outputs: {cleaned_text: string, sentiment: [positive, neutral, negative]}
//! system_message: You correct reviews without changing their meaning.
//! prompt: "Correct this review: {{ text }}"
//! model: gpt-4o-mini
//! temperature: 0
//! max_tokens: 300
//! ```

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use spec::{Environment, Error, Result, Root};

use crate::Input;
use crate::canonical;
use crate::prompt::{Message, Prompts, Rendered, Role};
use crate::schema::Schema;

/// What a language model is asked, and which columns it reads and fills. The version of a task is the hash of its file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Name of the task, as it appears in the ledger, in logs and in the change log.
    pub task_name: String,
    /// What the task is for.
    #[serde(default)]
    pub description: String,
    /// Message to the model that comes first; a template like `prompt`.
    #[serde(default)]
    pub system_message: String,
    /// Template (Jinja) of the message for one row: `{{ column }}` is replaced by the row's value.
    pub prompt: String,
    /// Model: a name in `resources/llm.yaml`, or one that the default provider knows.
    pub model: String,
    /// Models that are asked in this order when the first cannot answer.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// Sampling temperature, 0 to 2. Not sent if not given (reasoning models refuse it).
    #[serde(default)]
    pub temperature: Option<f64>,
    /// Upper bound of the tokens of one answer (of one row). Not sent if not given.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Columns that the templates may use.
    pub inputs: Vec<String>,
    /// Columns that the answer fills: column to type (string, integer, number, boolean), list of allowed texts
    /// or JSON Schema; or one whole JSON Schema of an object.
    pub outputs: Map<String, Value>,
    /// Rows that travel in one request.
    #[serde(default = "one")]
    pub batch_rows: usize,
    /// Worked examples, shown to the model before the row.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// A worked example.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Value of each input column.
    pub input: Map<String, Value>,
    /// Value of each output column.
    pub output: Map<String, Value>,
}

fn one() -> usize {
    1
}

/// Most rows that one request may carry: beyond it models lose count.
const MOST_ROWS: usize = 200;

/// A task file that was checked: what a model is sent, and what it must answer.
#[derive(Debug)]
pub struct TaskFile {
    name: String,
    description: String,
    inputs: Vec<String>,
    models: Vec<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    batch_rows: usize,
    schema: Schema,
    schema_text: String,
    prompts: Prompts,
    examples: Vec<(String, String)>,
    hash: String,
}

impl TaskFile {
    /// Reads and checks the task file at `path`, YAML or JSON, relative to `root`.
    ///
    /// # Errors
    /// Cannot run: with file, line and column, or with file, line of the variable, and key.
    pub fn load(root: &Root, path: &Path, env: &Environment) -> Result<TaskFile> {
        TaskFile::parse(&spec::text_of(root, path)?, path, env)
    }

    /// Reads and checks the text of a task file; `path` is for error messages.
    ///
    /// # Errors
    /// As those of [`TaskFile::load`].
    pub fn parse(text: &str, path: &Path, env: &Environment) -> Result<TaskFile> {
        let spec: TaskSpec = spec::parse(text, path, env)?.spec;
        TaskFile::check(spec).map_err(|error| match place_of_word(text, error_word(&error)) {
            Some((line, column)) => error.context(format!("{}:{line}:{column}", path.display())),
            None => error.placed(text, path),
        })
    }

    /// Checks a task file that was read.
    ///
    /// # Errors
    /// Cannot run: names the key and the way out.
    pub fn check(spec: TaskSpec) -> Result<TaskFile> {
        if spec.task_name.trim().is_empty() {
            return Err(Error::cannot_run("nothing given").at("task_name"));
        }
        if spec.model.trim().is_empty() {
            return Err(Error::cannot_run("nothing given").at("model"));
        }
        if spec.inputs.is_empty() {
            return Err(Error::cannot_run("no column is named")
                .hint("name the columns that the prompt uses")
                .at("inputs"));
        }
        if spec.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
            return Err(Error::cannot_run("found a value outside 0 to 2").at("temperature"));
        }
        if spec.max_tokens == Some(0) {
            return Err(Error::cannot_run("found 0").hint("leave it out for no bound").at("max_tokens"));
        }
        if !(1..=MOST_ROWS).contains(&spec.batch_rows) {
            return Err(
                Error::cannot_run(format!("found {}, expected 1 to {MOST_ROWS}", spec.batch_rows)).at("batch_rows")
            );
        }
        let mut models = vec![spec.model];
        for name in spec.fallback {
            if models.contains(&name) {
                return Err(Error::cannot_run(format!("'{name}' is named twice")).at("fallback"));
            }
            models.push(name);
        }
        let schema = Schema::of_outputs(&spec.outputs)?;
        if spec.batch_rows > 1 && schema.columns().iter().any(|column| column == "row") {
            return Err(Error::cannot_run("'row' numbers the rows of a request")
                .hint("use another name")
                .at("row")
                .at("outputs"));
        }
        let prompts = Prompts::compile(&spec.system_message, &spec.prompt, &spec.inputs)?;
        let examples = examples(&spec.examples, &spec.inputs, &schema, &prompts)?;
        let hash = canonical::text(&json!({
            "system_message": spec.system_message, "prompt": spec.prompt, "examples": examples,
            "schema": schema.json(), "temperature": spec.temperature, "max_tokens": spec.max_tokens,
        }));
        Ok(TaskFile {
            name: spec.task_name,
            description: spec.description,
            inputs: spec.inputs,
            models,
            temperature: spec.temperature,
            max_tokens: spec.max_tokens,
            batch_rows: spec.batch_rows,
            schema_text: canonical::text(schema.json()),
            schema,
            prompts,
            examples,
            hash: blake3::hash(hash.as_bytes()).to_hex().to_string(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    /// Columns that the templates use.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Columns that an answer fills.
    pub fn outputs(&self) -> &[String] {
        self.schema.columns()
    }

    /// Models in order of preference; the first is `model`, then come those of `fallback`.
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// Hash of all that the model gets apart from the row: templates, examples, schema, parameters. 64 hex digits.
    pub fn prompt_hash(&self) -> &str {
        &self.hash
    }

    /// What the answer for one row must look like.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn temperature(&self) -> Option<f64> {
        self.temperature
    }

    pub fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// Rows that travel in one request.
    pub fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    pub(crate) fn render(&self, input: &Input) -> Result<Rendered, String> {
        self.prompts.render(input)
    }

    /// The conversation that asks for one row.
    pub(crate) fn conversation(&self, rendered: &Rendered) -> Vec<Message> {
        let examples = self.examples.iter().map(|(user, answer)| (user.clone(), answer.clone()));
        conversation(&rendered.system, examples, rendered.user.clone())
    }

    /// The conversation that asks for several rows, numbered from 1. All share one system message.
    pub(crate) fn conversation_of_rows(&self, rows: &[&Rendered]) -> Vec<Message> {
        let system = rows.first().map_or("", |row| row.system.as_str());
        let rule = "Each request is a JSON array of independent tasks, numbered by \"row\". Answer with one JSON object \
                    {\"answers\": [...]} that holds exactly one answer for each task, with the task's number in \"row\".";
        let system = if system.is_empty() { rule.to_owned() } else { format!("{system}\n\n{rule}") };
        let numbered = |(at, text): (usize, &str)| json!({"row": at + 1, "task": text});
        let examples = self.examples.iter().map(|(user, answer)| {
            let mut answer: Value = serde_json::from_str(answer).unwrap_or_default();
            answer["row"] = json!(1);
            (json!([numbered((0, user))]).to_string(), json!({"answers": [answer]}).to_string())
        });
        let tasks: Vec<Value> = rows.iter().map(|row| row.user.as_str()).enumerate().map(numbered).collect();
        conversation(&system, examples, Value::Array(tasks).to_string())
    }

    /// Starts the keys of one model: BLAKE3 of the canonical JSON of messages, model, parameters and schema.
    pub(crate) fn keys(&self, model: &str, extra: &Map<String, Value>) -> Keyring {
        let mut between = String::new();
        for (user, answer) in &self.examples {
            for (role, content) in [(Role::User, user), (Role::Assistant, answer)] {
                between.push(',');
                message(role, content, &mut between);
            }
        }
        let mut end = String::from("],\"model\":");
        canonical::write_text(model, &mut end);
        end.push_str(",\"parameters\":");
        let parameters = json!({"extra": extra, "max_tokens": self.max_tokens, "temperature": self.temperature});
        canonical::write(&parameters, &mut end);
        end.push_str(",\"schema\":");
        end.push_str(&self.schema_text);
        end.push('}');
        Keyring { between, end }
    }
}

/// Makes the ledger keys of one task and model.
pub(crate) struct Keyring {
    between: String,
    end: String,
}

impl Keyring {
    /// The key of one input.
    pub fn key(&self, rendered: &Rendered) -> crate::ledger::Key {
        let mut text = String::from("{\"messages\":[");
        message(Role::System, &rendered.system, &mut text);
        text.push_str(&self.between);
        text.push(',');
        message(Role::User, &rendered.user, &mut text);
        text.push_str(&self.end);
        *blake3::hash(text.as_bytes()).as_bytes()
    }
}

fn message(role: Role, content: &str, out: &mut String) {
    out.push_str("{\"content\":");
    canonical::write_text(content, out);
    out.push_str(",\"role\":\"");
    out.push_str(role.name());
    out.push_str("\"}");
}

fn conversation(system: &str, examples: impl Iterator<Item = (String, String)>, user: String) -> Vec<Message> {
    let mut messages = Vec::new();
    if !system.is_empty() {
        messages.push(Message::new(Role::System, system));
    }
    for (question, answer) in examples {
        messages.push(Message::new(Role::User, question));
        messages.push(Message::new(Role::Assistant, answer));
    }
    messages.push(Message::new(Role::User, user));
    messages
}

/// Examples as question and answer, both checked like real ones.
fn examples(
    written: &[Example],
    inputs: &[String],
    schema: &Schema,
    prompts: &Prompts,
) -> Result<Vec<(String, String)>> {
    let mut checked = Vec::new();
    for (at, example) in written.iter().enumerate() {
        let wrong = |key: &str, what: String| Error::cannot_run(what).at(key).at(at).at("examples");
        if let Some(other) = example.input.keys().find(|key| !inputs.contains(key)) {
            return Err(wrong("input", format!("'{other}' is not an input column"))
                .hint(spec::did_you_mean(other, inputs.iter().map(String::as_str))));
        }
        if let Some(lost) = inputs.iter().find(|column| !example.input.contains_key(*column)) {
            return Err(wrong("input", format!("column '{lost}' is missing")));
        }
        let answer = Value::Object(example.output.clone());
        schema.check(&answer).map_err(|fault| wrong("output", fault.to_string()))?;
        let rendered = prompts.render(&example.input).map_err(|why| wrong("input", why))?;
        checked.push((rendered.user, canonical::text(&answer)));
    }
    Ok(checked)
}

/// The word in quotes that a complaint about a template is about.
fn error_word(error: &Error) -> Option<&str> {
    let (_, rest) = error.message().split_once("'")?;
    rest.split_once("' is not an input column").map(|(word, _)| word)
}

/// Line and column, from 1, of the first `{{ word }}` or `{% … word … %}` in a text.
fn place_of_word(text: &str, word: Option<&str>) -> Option<(usize, usize)> {
    let word = word?;
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().enumerate().find_map(|(number, line)| {
        let opened = [line.find("{{"), line.find("{%")].into_iter().flatten().min()?;
        let found = line[opened..]
            .match_indices(word)
            .map(|(at, _)| opened + at)
            .find(|at| !line[..*at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))?;
        Some((number + 1, line[..found].chars().count() + 1))
    })
}

#[cfg(test)]
mod tests;
