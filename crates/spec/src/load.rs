//! Reads a YAML spec: expanded, checked key by key, every error with file, line and column.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::beside::{Beside, Divided};
use crate::env::Variables;
use crate::expand::Expand;
use crate::{Environment, Error, Result, Root, words};

/// A spec with the hash of its content: its text and the variables it read.
#[derive(Debug)]
pub struct Loaded<T> {
    pub spec: T,
    /// BLAKE3 of the file's text and the values of the variables it read, as hex. Of secrets only the names.
    pub hash: String,
}

/// The text of the spec at `path`, which is relative to `root`.
pub fn text_of(root: &Root, path: &Path) -> Result<String> {
    let file = root.join(path);
    let bytes = std::fs::read(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::cannot_run(format!("{}: no such file", path.display()))
            .hint("correct the path; it counts from the project root"),
        _ => Error::io("read", path, &error),
    })?;
    utf8(bytes, path).map_err(|error| error.hint("save the file as UTF-8"))
}

/// The content of the file at `path` as text. The caller knows the way out.
///
/// # Errors
/// Cannot run: bytes that are not UTF-8, with their place.
pub fn utf8(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let (line, column) = place_of(&valid, valid.len());
        Error::cannot_run(format!("{}:{line}:{column}: not UTF-8", path.display()))
    })
}

/// Reads a spec from its text; `path` is for error messages.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path, env: &Environment) -> Result<Loaded<T>> {
    parse_with::<T, ()>(text, path, env).map(|(loaded, ())| loaded)
}

/// As [`parse`], where some of the outermost keys are not the body's: both are read in one pass.
pub fn parse_with<T: DeserializeOwned, B: Beside>(
    text: &str,
    path: &Path,
    env: &Environment,
) -> Result<(Loaded<T>, B)> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let says_nothing = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    };
    if body.lines().all(says_nothing) {
        return Err(Error::cannot_run(format!("{}:1:1: the file is empty", path.display())));
    }
    let variables = Variables::of(env);
    let mut beside = B::default();
    let inner = Expand { inner: serde_yaml::Deserializer::from_str(body), env: &variables, others: B::KEYS };
    let spec = T::deserialize(Divided { inner, beside: &mut beside }).map_err(|error| located(body, path, &error))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    for (name, value) in variables.used() {
        hasher.update(format!("\0{name}={}", value.unwrap_or_default()).as_bytes());
    }
    Ok((Loaded { spec, hash: hasher.finalize().to_hex().to_string() }, beside))
}

/// Longest message, in characters: a spec may hold texts of any length, and errors repeat them.
const LONGEST: usize = 1000;

fn located(text: &str, path: &Path, error: &serde_yaml::Error) -> Error {
    let message = error.to_string();
    let (message, (line, column)) = match error.location() {
        Some(at) => {
            let suffix = format!(" at line {} column {}", at.line(), at.column());
            // The library counts bytes instead of lines where it meets a character that YAML does not allow.
            let place = offset_in(&message).map_or((at.line(), at.column()), |offset| place_of(text, offset));
            (message.replace(&suffix, ""), place)
        }
        None => {
            let place = place_of(text, unplaced(text, &message));
            (message, place)
        }
    };
    let message = match words::syntax(&message) {
        Some(ours) => words::not_a_beginning(ours, character_at(text, line, column)).into_owned(),
        None => words::value(&message),
    };
    let message = words::without_middle(&message, LONGEST);
    let (message, way_out) = if is_cut(text, line, column) {
        // The bracket is closed in what YAML cut off.
        let message = message.strip_suffix("; close the bracket").unwrap_or(&message);
        (message, "; in braces and brackets YAML cuts a text at each ',': put the whole text in quotes".to_owned())
    } else {
        let is_meant = |key: &str| words::is_missing_key(&message) || message.contains(&format!("'{key} "));
        let lacks_colon = without_colon(text, line).filter(|(key, _)| is_meant(key));
        let lacks_colon = lacks_colon.map(|(key, line)| format!("; line {line} may lack a ':' after '{key}'"));
        (&*message, lacks_colon.unwrap_or_default())
    };
    Error::cannot_run(format!("{}:{line}:{column}: {message}{way_out}", path.display()))
}

/// The character at a place that is counted from 1.
fn character_at(text: &str, line: usize, column: usize) -> Option<char> {
    text.lines().nth(line.checked_sub(1)?)?.chars().nth(column.checked_sub(1)?)
}

/// The key in `line` or right before it that seems to lack its colon, and where it is: `- trim {columns: [city]}`.
fn without_colon(text: &str, line: usize) -> Option<(&str, usize)> {
    let upwards = text.lines().zip(1..).take(line).collect::<Vec<(&str, usize)>>().into_iter().rev();
    upwards.filter(|(text, _)| !text.trim().is_empty()).take(2).find_map(|(text, line)| {
        let (key, rest) = text.trim().trim_start_matches("- ").split_once(' ')?;
        let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        (is_name && rest.trim_start().starts_with(['{', '['])).then_some((key, line))
    })
}

/// Whether there is a plain text in braces or brackets at this place, with a parenthesis that only what is behind the next
/// comma closes, or that was opened before the last one: `{is: GREATEST(a, b)}`.
fn is_cut(text: &str, line: usize, column: usize) -> bool {
    let Some(line) = text.lines().nth(line - 1) else { return false };
    let from = line.char_indices().nth(column - 1).map_or(line.len(), |(at, _)| at);
    let (before, scalar) = line.split_at(from);
    let scalar = scalar.split([',', '}', ']']).next().unwrap_or_default();
    // A key says nothing of the text behind it.
    let is_key = |key: &str| !key.is_empty() && !key.contains(['(', ')', ' ']);
    if scalar.split_once(": ").is_some_and(|(key, _)| is_key(key)) {
        return false;
    }
    before.contains(['{', '['])
        && !scalar.starts_with(['"', '\'', '{', '['])
        && scalar.matches('(').count() != scalar.matches(')').count()
}

/// `invalid Unicode character at position 7`
fn offset_in(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once(" at position ")?;
    rest.split(',').next()?.parse().ok().filter(|_| words::syntax(message).is_some())
}

/// Where an error belongs that the library does not place, as an offset in bytes.
fn unplaced(text: &str, message: &str) -> usize {
    let line_of = |is_meant: &dyn Fn(&str) -> bool| {
        let mut start = 0;
        text.split_inclusive('\n').find_map(|line| {
            let at = start;
            start += line.len();
            is_meant(line).then_some(at + line.len() - line.trim_start().len())
        })
    };
    let found = if message.contains("more than one document") {
        let ends_one = |line: &str| line.starts_with("...") || line.starts_with("---");
        let content = line_of(&|line| !line.starts_with("---") && !line.starts_with('#') && !line.trim().is_empty());
        let content = content.unwrap_or(0);
        text.get(content..).and_then(|rest| {
            let mut start = content;
            rest.split_inclusive('\n').find_map(|line| {
                let at = start;
                start += line.len();
                ends_one(line).then_some(at)
            })
        })
    } else if message.contains("merg") {
        line_of(&|line| line.contains("<<"))
    } else if message.contains("repetition limit") {
        line_of(&|line| line.contains('*'))
    } else {
        // What is checked once all is read names its key.
        let key = message.split_once(": ").map(|(key, _)| key);
        key.and_then(|key| line_of(&|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))))
    };
    found.unwrap_or_else(|| text.trim_end().len())
}

/// Line and column, from 1, of an offset in bytes.
fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
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
        assert_eq!(
            failure("tables: {}\nrows: many\n"),
            "clean.yaml:2:7: rows: found \"many\", expected a whole number from 0 to 4294967295"
        );
        assert_eq!(failure("rows: 1\n"), "clean.yaml:1:1: missing key 'tables'");
        assert_eq!(
            failure("tables:\n  a: {steps: []}\n  a: {steps: []}\n"),
            "clean.yaml:3:3: tables: 'a' is given twice"
        );
        assert_eq!(failure("rows: 1\nrows: 2\n"), "clean.yaml:2:1: 'rows' is given twice");
        assert_eq!(failure("# nothing\n---\n"), "clean.yaml:1:1: the file is empty");
    }

    #[test]
    fn what_is_checked_at_the_end_is_placed_at_its_key() {
        #[derive(Debug, Deserialize)]
        struct Written {
            rows: u32,
        }
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "Written")]
        struct Checked;
        impl TryFrom<Written> for Checked {
            type Error = String;
            fn try_from(written: Written) -> Result<Checked, String> {
                Err(match written.rows {
                    0 => "rows: 0 is too few".to_owned(),
                    _ => "others: there are none".to_owned(),
                })
            }
        }
        let failure = |text: &str| {
            let loaded = parse::<Checked>(text, Path::new("a.yaml"), &Environment::default());
            loaded.map(|loaded| loaded.spec).unwrap_err().to_string()
        };
        assert_eq!(failure("# rows\nrows: 0\n# more\n"), "a.yaml:2:1: rows: 0 is too few");
        assert_eq!(failure("rows: 1\n"), "a.yaml:1:8: others: there are none");
    }

    #[test]
    fn a_list_is_not_a_map_of_keys() {
        assert_eq!(
            failure("tables:\n  orders:\n    steps:\n      - dedupe: [[a]]\n"),
            "clean.yaml:4:17: tables.orders.steps[0].dedupe: found a list, expected a map with the key 'by'"
        );
    }

    #[test]
    fn a_text_that_yaml_cuts_at_a_comma_is_explained() {
        assert_eq!(
            failure("tables: {}\nrows: {a: f(x, y), b: 1}\n"),
            "clean.yaml:2:7: rows: found a map, expected a whole number from 0 to 4294967295"
        );
        assert_eq!(
            failure("tables:\n  orders: {steps: [{trim: {columns: f(x, y)}}]}\n"),
            "clean.yaml:2:37: tables.orders.steps[0].trim.columns: found \"f(x\", expected a list; in braces and brackets YAML \
             cuts a text at each ',': put the whole text in quotes"
        );
        assert_eq!(
            failure("tables:\n  orders: {steps: [{trim: {columns: [], y)}}]}\n"),
            "clean.yaml:2:41: tables.orders.steps[0].trim: unknown key 'y)'; choose one of: columns; in braces and brackets \
             YAML cuts a text at each ',': put the whole text in quotes"
        );
    }

    #[test]
    fn a_lost_colon_is_found() {
        for (step, rest) in [
            ("trim {columns: [city]}", "      - dedupe: {by: [a]}\n"),
            ("trim {columns: [city]}", ""),
            ("trim {columns: [city]}", "\nrows: 1\n"),
            ("trim {columns: city}", "      - dedupe: {by: [a]}\n"),
        ] {
            let found = failure(&format!("tables:\n  a:\n    steps:\n      - {step}\n{rest}"));
            assert!(found.ends_with("; line 4 may lack a ':' after 'trim'"), "{found}");
        }
        let found = failure("tables:\n  a:\n    steps:\n      - trim: {columns: [city]\n      - x\n");
        assert!(!found.contains("lack"), "{found}");
    }

    #[test]
    fn faults_of_yaml_are_placed_and_come_with_the_way_out() {
        for (text, error) in [
            ("tables: {a: {steps: []}\n", "2:1: a map in braces is malformed here"),
            (
                "tables: {a: {steps: [{trim: {columns: [x], patern: '(a', by: b}}]}}\n",
                "1:44: tables.a.steps[0].trim: unknown key 'patern'; ",
            ),
            ("tables: 'x\n", "2:1: a quote is not closed before the end of the file"),
            ("tables: {}\n\trows: 1\n", "2:1: found a tab; indent with spaces"),
            ("tables:\n  a:\n\t  steps: []\n", "3:1: found a tab; indent with spaces"),
            ("tables: {}\nrows: @x\n", "2:7: a value cannot begin with '@'; put the text in quotes"),
            ("tables: {}\nrows: `x`\n", "2:7: a value cannot begin with '`'; put the text in quotes"),
            ("tables: {}\nrows: 1: 2\n", "2:8: unexpected ':'"),
            ("tables: {}\nrows: \u{1}\n", "2:7: found a control character"),
            ("tables: {}\n---\nrows: 1\n", "2:1: a second document begins here"),
            ("tables: *gone\n", "1:9: '*name' refers to an undefined anchor '&name'"),
            ("tables: !x {}\n", "1:9: tables: found a YAML tag ('!'), expected a map of names"),
        ] {
            let found = failure(text);
            assert!(found.starts_with(&format!("clean.yaml:{error}")), "{text:?}: {found}");
            assert!(!found.contains("cuts a text"), "{found}");
        }
    }

    #[test]
    fn groups_of_a_replacement_are_not_variables() {
        let spec = read("tables: {t: {steps: [{trim: {columns: [\"${1}_${2}\", \"$${COL}\"]}}]}}\n").unwrap();
        let columns = ["${1}_${2}".to_owned(), "${COL}".to_owned()];
        assert_eq!(spec.tables.get("t").unwrap().steps, [Step::Trim(Trim { columns: columns.into() })]);
    }

    #[test]
    fn a_lost_dash_and_a_missing_variable_are_explained() {
        assert_eq!(
            failure("tables:\n  a:\n    steps:\n      - trim: {}\n        dedupe: {by: [x]}\n"),
            "clean.yaml:4:9: tables.a.steps[0]: found 'dedupe' beside 'trim', but a step has one key; in a list begin \
             each with '- '"
        );
        assert_eq!(
            failure("tables: {}\nrows: ${NOPE}\n"),
            "clean.yaml:2:7: rows: the environment variable NOPE is not set; set it, put it in .env, or write ${NOPE:-default}"
        );
    }

    /// The keys of another owner.
    #[derive(Default)]
    struct Gates {
        checks: Vec<String>,
        limit: u32,
    }

    impl Beside for Gates {
        const KEYS: &'static [&'static str] = &["checks", "limit"];
        fn read<'de, D: serde::Deserializer<'de>>(&mut self, key: &str, value: D) -> Result<(), D::Error> {
            match key {
                "checks" => self.checks = Vec::deserialize(value)?,
                _ => self.limit = u32::deserialize(value)?,
            }
            Ok(())
        }
    }

    #[test]
    fn two_owners_read_their_own_keys_in_one_pass() {
        let env = Environment::new([("N".to_owned(), "7".to_owned())].into());
        let read = |text: &str| parse_with::<Clean, Gates>(text, Path::new("clean.yaml"), &env);
        let (loaded, gates) = read("checks: [a, \"${N}\"]\ntables: {}\nlimit: ${N}\nrows: 3\n").unwrap();
        assert_eq!((loaded.spec.rows, gates.limit, gates.checks), (Some(3), 7, vec!["a".to_owned(), "7".to_owned()]));
        for (text, error) in [
            ("tables: {}\nchecks: [a, [b]]\n", "2:13: checks[1]: found a list, expected text"),
            ("tables: {}\nlimit: many\n", "2:8: limit: found \"many\", expected a whole number from 0 to 4294967295"),
            ("tables: {}\nlimit: 1\nlimit: 2\n", "3:1: 'limit' is given twice"),
            ("tables: {}\nlimits: 1\n", "2:1: unknown key 'limits'; did you mean 'limit'?"),
            ("checks: []\n", "1:1: missing key 'tables'"),
            ("5\n", "1:1: found 5, expected a map with keys among: tables, rows, checks, limit"),
        ] {
            assert_eq!(read(text).map(drop).unwrap_err().to_string(), format!("clean.yaml:{error}"), "{text:?}");
        }
    }

    #[test]
    fn a_hash_covers_the_variables_of_its_own_file_only() {
        let env = Environment::new([("N".to_owned(), "7".to_owned())].into());
        let hash = || parse::<Clean>("tables: {}\nrows: 3\n", Path::new("c.yaml"), &env).unwrap().hash;
        let before = hash();
        parse::<Clean>("tables: {}\nrows: ${N}\n", Path::new("d.yaml"), &env).unwrap();
        assert_eq!(hash(), before);
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
