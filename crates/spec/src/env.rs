//! The environment that specs may refer to: the process's variables, then those of `.env`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, Redactor, Result, secret};

/// Variables by name.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// Without the values, of which some are secret.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// The variables of this process; those in `.env` at `root` fill the gaps.
    pub fn of_process(root: &Path) -> Result<Environment> {
        let mut variables = BTreeMap::new();
        let file = root.join(".env");
        match std::fs::read(&file) {
            Ok(bytes) => {
                let text = crate::utf8(bytes, &file).map_err(|error| error.hint("save the file as UTF-8"))?;
                read_dotenv(&text, &file, &mut variables)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &file, &error)),
        }
        // A variable that is not text is of no use in a spec, and is ignored.
        let of_process = std::env::vars_os();
        variables
            .extend(of_process.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))));
        Ok(Environment::new(variables))
    }

    pub fn new(variables: BTreeMap<String, String>) -> Environment {
        Environment { variables }
    }

    /// The variable's value, if set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Names and values of the variables whose name begins with `prefix` and whose value is not empty.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let variables =
            self.variables.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
        variables.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Removes the secrets among all variables: see [`crate::secret`] for what counts as one.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        self.variables.iter().for_each(|(name, value)| secret::add(&mut redactor, name, value));
        redactor
    }
}

/// The variables while one file is read. Remembers which of them the file reads, so that its hash covers them.
#[derive(Debug)]
pub(crate) struct Variables<'e> {
    env: &'e Environment,
    used: RefCell<BTreeMap<String, String>>,
}

impl<'e> Variables<'e> {
    pub(crate) fn of(env: &'e Environment) -> Variables<'e> {
        Variables { env, used: RefCell::default() }
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; `$${` stands for a literal `${`. `${1}` stays as it is: no variable has
    /// a name of digits alone, and a replacement means its first group by it.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let body = &rest[at + 2..];
            let end = body.find('}').ok_or_else(|| format!("'{text}': '${{' without '}}'"))?;
            let (name, default) = match body[..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&body[..end], None),
            };
            if !name.is_empty() && default.is_none() && name.bytes().all(|b| b.is_ascii_digit()) {
                out.push_str(&rest[at..at + 2 + end + 1]);
                rest = &body[end + 1..];
                continue;
            }
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(format!("'{name}' is not the name of a variable; write ${{NAME}} or ${{NAME:-default}}"));
            }
            let value = self.env.get(name).or(default).ok_or_else(|| {
                format!(
                    "the environment variable {name} is not set; set it, put it in .env, or write ${{{name}:-default}}"
                )
            })?;
            self.used.borrow_mut().insert(name.to_owned(), value.to_owned());
            out.push_str(value);
            rest = &body[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// What was read so far, secrets by name only: part of a spec's hash.
    pub(crate) fn used(&self) -> Vec<(String, Option<String>)> {
        let used = self.used.borrow();
        used.iter()
            .map(|(name, value)| (name.clone(), (!secret::is_secret(name, value)).then(|| value.clone())))
            .collect()
    }
}

fn read_dotenv(text: &str, file: &Path, into: &mut BTreeMap<String, String>) -> Result<()> {
    // Editors of Windows write a mark before the first name.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself may hold a secret, so errors must not repeat it.
        let wrong = |what: &str| Error::cannot_run(format!("{}:{}: {what}", file.display(), number + 1));
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("not a line of NAME=value"))?;
        let value = dotenv_value(value.trim()).ok_or_else(|| wrong("a quote is not closed, or text follows it"))?;
        into.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(())
}

/// The text between quotes, or else up to a comment. Nothing is replaced: a password may hold `$` and `\\`, which other
/// readers of such files take for something else.
fn dotenv_value(text: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (value, behind) = rest.split_once(quote)?;
            let behind = behind.trim_start();
            return (behind.is_empty() || behind.starts_with('#')).then_some(value);
        }
    }
    let comment = text.match_indices('#').find(|(at, _)| text[..*at].ends_with(char::is_whitespace));
    Some(comment.map_or(text, |(at, _)| text[..at].trim_end()))
}

/// The name of this machine, if it has one.
pub fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Who runs this process, as `user@host`: for records of decisions.
pub fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let unknown = || "unknown".to_owned();
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(unknown);
    format!("{user}@{}", host_name().unwrap_or_else(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let pairs = [("SHOP", "acme"), ("API_KEY", "s3cr3t"), ("DB", "postgres://u:pw12@h/db"), ("EMPTY", "")];
        Environment::new(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    }

    #[test]
    fn expands_names_and_defaults() {
        let env = environment();
        let env = Variables::of(&env);
        assert_eq!(env.expand("a/${SHOP}/${NONE:-x}/$${SHOP}").unwrap(), "a/acme/x/${SHOP}");
        assert_eq!(env.expand("${EMPTY:-y}").unwrap(), "y");
        assert_eq!(env.expand(r"^\d{3}$").unwrap(), r"^\d{3}$");
        assert_eq!(env.expand("${1}-$${1}-$${SHOP}-${SHOP}").unwrap(), "${1}-${1}-${SHOP}-acme");
        assert!(env.expand("${1x}").is_err());
    }

    #[test]
    fn a_missing_variable_names_the_way_out() {
        assert_eq!(
            Variables::of(&environment()).expand("${NONE}").unwrap_err(),
            "the environment variable NONE is not set; set it, put it in .env, or write ${NONE:-default}"
        );
    }

    #[test]
    fn secrets_are_replaced_and_not_hashed() {
        let env = environment();
        let redactor = env.redactor();
        assert_eq!(redactor.redact("key s3cr3t at postgres://u:pw12@h/db for acme"), "key *** at *** for acme");
        let variables = Variables::of(&env);
        variables.expand("${API_KEY} ${SHOP}").unwrap();
        assert_eq!(variables.used(), [("API_KEY".to_owned(), None), ("SHOP".to_owned(), Some("acme".to_owned()))]);
        assert_eq!(format!("{env:?}"), r#"{"API_KEY", "DB", "EMPTY", "SHOP"}"#);
    }

    /// A column or a limit is no secret, whatever it is a key or a token of: another value is a reason to run.
    #[test]
    fn what_decides_the_result_is_hashed() {
        for (name, value) in [("KEY_COLUMN", "id"), ("MAX_TOKENS", "500"), ("TOKEN_LIMIT", "9")] {
            let env = Environment::new([(name.to_owned(), value.to_owned())].into());
            let variables = Variables::of(&env);
            variables.expand(&format!("${{{name}}}")).unwrap();
            assert_eq!(variables.used(), [(name.to_owned(), Some(value.to_owned()))]);
        }
    }

    #[test]
    fn values_of_dotenv_are_taken_as_they_stand() {
        let mut into = BTreeMap::new();
        let text = "# keys\n\nexport A = x # note\nB=\"a # b\" # note\nC='it\"s'\nD=pa$word\\n#1\nE=\nF=#1\n";
        read_dotenv(text, Path::new(".env"), &mut into).unwrap();
        let values: Vec<(&str, &str)> = into.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("A", "x"), ("B", "a # b"), ("C", "it\"s"), ("D", "pa$word\\n#1"), ("E", ""), ("F", "#1")]);
        read_dotenv("\u{feff}G=1\r\nH=2\r\n", Path::new(".env"), &mut into).unwrap();
        assert_eq!((into["G"].as_str(), into["H"].as_str()), ("1", "2"));
        for wrong in ["A=\"x\n", "A='x' y\n"] {
            let error = read_dotenv(wrong, Path::new(".env"), &mut into).unwrap_err().to_string();
            assert_eq!(error, ".env:1: a quote is not closed, or text follows it");
        }
    }

    #[test]
    fn a_bad_dotenv_line_is_named_by_number_only() {
        let mut into = BTreeMap::new();
        let error = read_dotenv("A=1\nhunter2\n", Path::new(".env"), &mut into).unwrap_err();
        assert_eq!(error.to_string(), ".env:2: not a line of NAME=value");
    }
}
