//! Reads a YAML spec: expanded, checked key by key, every error with file, line and column.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::expand::{Expand, Keys};
use crate::{Environment, Error, Result, Root};

/// A spec with the hash of all that it says: its text and the variables it read.
#[derive(Debug)]
pub struct Loaded<T> {
    pub spec: T,
    /// BLAKE3 of the file's text and the values of the variables it read, as hex. Of secrets only the names.
    pub hash: String,
}

/// Reads the spec at `path`, which is relative to `root`; of its outermost keys those that `keys` says.
pub fn load<T: DeserializeOwned>(root: &Root, path: &Path, env: &Environment, keys: Keys) -> Result<Loaded<T>> {
    let file = root.join(path);
    let bytes = std::fs::read(&file).map_err(|error| Error::io("read", path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Error::cannot_run(format!("{}:{line}: not UTF-8", path.display())).hint("save the file as UTF-8")
    })?;
    parse_keys(&text, path, env, keys)
}

/// Reads a spec from its text; `path` is for error messages.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path, env: &Environment) -> Result<Loaded<T>> {
    parse_keys(text, path, env, Keys::All)
}

fn parse_keys<T: DeserializeOwned>(text: &str, path: &Path, env: &Environment, keys: Keys) -> Result<Loaded<T>> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(Error::cannot_run(format!("{}: the file is empty", path.display())));
    }
    let inner = serde_yaml::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let spec = T::deserialize(Expand { inner, env, keys }).map_err(|error| located(path, &error))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    for (name, value) in env.used() {
        hasher.update(format!("\0{name}={}", value.unwrap_or_default()).as_bytes());
    }
    Ok(Loaded { spec, hash: hasher.finalize().to_hex().to_string() })
}

fn located(path: &Path, error: &serde_yaml::Error) -> Error {
    let text = error.to_string();
    let (message, place) = match error.location() {
        Some(at) => {
            let suffix = format!(" at line {} column {}", at.line(), at.column());
            (text.replace(&suffix, ""), format!("{}:{}:{}", path.display(), at.line(), at.column()))
        }
        None => (text, path.display().to_string()),
    };
    Error::cannot_run(format!("{place}: {}", in_our_words(&message)))
}

/// serde's phrases in the words of someone who writes YAML.
fn in_our_words(message: &str) -> String {
    let mut message = message.to_owned();
    for (theirs, ours) in [("missing field `", "missing key '"), ("duplicate field `", "key given twice: '")] {
        if let Some(at) = message.find(theirs) {
            let end = at + theirs.len();
            if let Some(close) = message[end..].find('`') {
                message.replace_range(end + close..end + close + 1, "'");
                message.replace_range(at..end, ours);
            }
        }
    }
    message.replace("invalid type: unit value", "nothing given").replace("invalid type: ", "found ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Map, Span};
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Clean {
        tables: Map<Table>,
        #[serde(default)]
        rows: Option<u32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Table {
        steps: Vec<Step>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Step {
        Trim(Trim),
        Dedupe(Dedupe),
        Window(Span),
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Trim {
        columns: Vec<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Dedupe {
        by: Vec<String>,
    }

    fn read(text: &str) -> Result<Clean> {
        let env = Environment::new([("N".to_owned(), "7".to_owned()), ("COL".to_owned(), "id".to_owned())].into());
        parse(text, Path::new("clean.yaml"), &env).map(|loaded| loaded.spec)
    }

    fn failure(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn reads_steps_as_single_keys_and_expands_variables() {
        let spec = read(
            "rows: ${N}\ntables:\n  orders:\n    steps:\n      - trim\n      - trim: {columns: [\"${COL}\"]}\n      - dedupe:\n          by: [a]\n      - window: 90d\n",
        )
        .unwrap();
        assert_eq!(spec.rows, Some(7));
        assert_eq!(
            spec.tables.get("orders").unwrap().steps,
            [
                Step::Trim(Trim::default()),
                Step::Trim(Trim { columns: vec!["id".to_owned()] }),
                Step::Dedupe(Dedupe { by: vec!["a".to_owned()] }),
                Step::Window(Span::days(90)),
            ]
        );
    }

    #[test]
    fn an_unknown_step_is_placed_and_its_neighbour_named() {
        assert_eq!(
            failure("tables:\n  orders:\n    steps:\n      - dedup: {by: [a]}\n"),
            "clean.yaml:4:9: tables.orders.steps[0]: unknown step 'dedup'; did you mean 'dedupe'?"
        );
    }

    #[test]
    fn an_unknown_key_is_placed_and_its_neighbour_named() {
        assert_eq!(
            failure("tables:\n  orders:\n    steps:\n      - trim: {colums: [a]}\n"),
            "clean.yaml:4:16: tables.orders.steps[0].trim: unknown key 'colums'; did you mean 'columns'?"
        );
    }

    #[test]
    fn wrong_types_missing_keys_and_twins_are_placed() {
        assert_eq!(failure("tables: {}\nrows: many\n"), "clean.yaml:2:7: rows: found string \"many\", expected u32");
        assert_eq!(failure("rows: 1\n"), "clean.yaml:1:1: missing key 'tables'");
        assert_eq!(
            failure("tables:\n  a: {steps: []}\n  a: {steps: []}\n"),
            "clean.yaml:2:3: tables: 'a' is given twice"
        );
        assert_eq!(failure("# nothing\n"), "clean.yaml: the file is empty");
    }

    #[test]
    fn a_lost_dash_and_a_missing_variable_are_explained() {
        assert_eq!(
            failure("tables:\n  a:\n    steps:\n      - trim: {}\n        dedupe: {by: [x]}\n"),
            "clean.yaml:4:9: tables.a.steps[0]: 'dedupe' follows 'trim' in the same list item; begin each step with '- '"
        );
        assert_eq!(
            failure("tables: {}\nrows: ${NOPE}\n"),
            "clean.yaml:2:7: rows: the environment variable NOPE is not set; set it, put it in .env, or write ${NOPE:-default}"
        );
    }

    #[test]
    fn two_owners_read_their_own_keys() {
        #[derive(Deserialize)]
        struct Gates {
            checks: Vec<String>,
        }
        let text = "tables: {}\nchecks: [a, b]\nrows: 3\n";
        let env = Environment::default();
        let path = Path::new("clean.yaml");
        let body = parse_keys::<Clean>(text, path, &env, Keys::Without(&["checks"])).unwrap().spec;
        let gates = parse_keys::<Gates>(text, path, &env, Keys::Only(&["checks"])).unwrap().spec;
        assert_eq!((body.rows, gates.checks), (Some(3), vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn the_hash_covers_the_variables() {
        let hash = |n: &str| {
            let env = Environment::new([("N".to_owned(), n.to_owned())].into());
            parse::<Clean>("tables: {}\nrows: ${N}\n", Path::new("c.yaml"), &env).unwrap().hash
        };
        assert_ne!(hash("1"), hash("2"));
    }
}
