//! Specs that people write by mistake: the project's own, and the examples of its docs, mangled at random.
//!
//! Whatever comes out must be read, or refused with file, line and column and in the words of someone who writes YAML.
//! [`crate::fuzz`] says how many texts are tried.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::Random;
use crate::fuzz::Rounds;

/// How many texts are tried if no time is given.
const TEXTS: u64 = 3000;
/// That of a program's first thread, on which a tool reads its spec.
const STACK: usize = 8 << 20;

/// Words of our libraries and of Rust that no user knows.
const FOREIGN: &[&str] = &[
    "usize",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "f32",
    "f64",
    "struct",
    "enum",
    "tuple",
    "newtype",
    "variant",
    "Option",
    "Vec",
    "HashMap",
    "BTreeMap",
    "String",
    "Some",
    "None",
    "serde",
    "serde_yaml",
    "libyaml",
    "polars",
    "panicked",
    "deserializing",
    "unwrap",
    "EOF",
];

/// Values that are hard to read, or that mean something else in YAML than they look like.
const VALUES: &[&str] = &[
    "",
    "~",
    "null",
    "true",
    "no",
    "0",
    "-1",
    "1.5",
    "1e309",
    "-0",
    "007",
    "0x1F",
    "0o17",
    ".nan",
    "-.inf",
    "1_000",
    "256",
    "65536",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
    "2024-02-30",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{a: b}",
    "[a, b, c]",
    "{null: 1}",
    "{[a]: b}",
    "''",
    "\"\"",
    "\" \"",
    "'it''s'",
    "\"\\x\"",
    "\"\\u0000\"",
    "|",
    ">-",
    "!x y",
    "!!binary aGk=",
    "!!int x",
    "&a b",
    "*a",
    "<<",
    "@x",
    "`x`",
    "%x",
    "a: b",
    "- a",
    "# c",
    "${",
    "${}",
    "${1}",
    "${HOME",
    "${NOPE}",
    "${NOPE:-5}",
    "$${x}",
    "GREATEST(a, b)",
    "한글 '\"",
];

/// Characters that change what a text is.
const CHARACTERS: &[char] = &[
    ':', ' ', '-', ',', '{', '}', '[', ']', '\'', '"', '#', '&', '*', '!', '|', '>', '%', '@', '`', '\t', '\n', '\\',
    '$', '\u{0}', '\u{feff}', 'é',
];

/// Reads mangled specs of `tool` by `read`, which gives the error's text. Panics with the text that was read if that
/// panics, or if an error has no place or names internals.
pub fn mangle(tool: &str, read: impl Fn(&str) -> Result<(), String> + Send + 'static) {
    let file = format!("{tool}.yaml");
    let specs = folders(&repository().join("resources"));
    let specs: Vec<String> =
        specs.iter().filter_map(|folder| std::fs::read_to_string(folder.join(&file)).ok()).collect();
    assert!(!specs.is_empty(), "no pipeline has a file {file}");
    mangle_texts(&file, specs, read);
}

/// As [`mangle`], for a file of another kind: `specs` are whole texts of it, and errors must begin with `file`.
pub fn mangle_texts(file: &str, specs: Vec<String>, read: impl Fn(&str) -> Result<(), String> + Send + 'static) {
    let fuzzer = Fuzzer::new(file, specs);
    let fuzzer = std::thread::Builder::new().stack_size(STACK).spawn(move || fuzzer.run(&read));
    if let Err(panic) = fuzzer.expect("a thread can be started").join() {
        std::panic::resume_unwind(panic);
    }
}

/// How many faults are reported before the search ends.
const FAULTS: usize = 10;

/// What was found wrong, each kind once.
#[derive(Default)]
struct Faults {
    kinds: Vec<String>,
    told: Vec<String>,
}

impl Faults {
    fn add(&mut self, fault: &str, error: &str, text: &str) {
        // Two errors are of one kind if they say the same without what they repeat of the text.
        let plain: String = error.split(['\'', '"']).step_by(2).collect();
        let plain: String = plain.chars().filter(|c| !c.is_ascii_digit()).collect();
        let kind = format!("{fault} {}", plain.split(": ").last().unwrap_or_default());
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            self.told.push(format!("--- {fault} in the error\n  {error}\n--- of\n{text}"));
        }
    }
}

struct Fuzzer {
    file: String,
    /// Whole texts of the kind that is read, then the examples of the docs, most of which are of other kinds.
    specs: Vec<String>,
    /// How many are of the kind.
    own: usize,
    /// Lines of all examples, for splicing.
    lines: Vec<String>,
    random: Random,
}

impl Fuzzer {
    fn new(file: &str, mut specs: Vec<String>) -> Fuzzer {
        let pages = [repository().join("docs"), repository().join("docs/tools")];
        let examples: Vec<String> =
            pages.iter().flat_map(|folder| files(folder, "md")).flat_map(|page| yaml_in(&page)).collect();
        let lines = specs.iter().chain(&examples).flat_map(|text| text.lines()).map(str::to_owned).collect();
        let own = specs.len();
        specs.extend(examples);
        Fuzzer { file: file.to_owned(), specs, own, lines, random: Random::seeded(0) }
    }

    fn run(mut self, read: &dyn Fn(&str) -> Result<(), String>) {
        let (mut tried, mut refused) = (0usize, 0usize);
        let mut faults = Faults::default();
        for round in Rounds::of(TEXTS) {
            self.random = round.random;
            let text = self.text();
            let result = catch_unwind(AssertUnwindSafe(|| read(&text)));
            tried += 1;
            match result {
                Err(_) => faults.add("a panic", "", &text),
                Ok(Err(error)) => {
                    refused += 1;
                    if let Some(fault) = fault(&self.file, &error) {
                        faults.add(&fault, &error, &text);
                    }
                }
                Ok(Ok(())) => {}
            }
            if faults.told.len() >= FAULTS {
                break;
            }
        }
        assert!(faults.told.is_empty(), "{}", faults.told.join("\n"));
        // Texts that are all read, or never, would test nothing.
        assert!(refused > 0 && refused < tried, "{refused} of {tried} texts were refused");
        eprintln!("{}: {tried} texts read, {refused} of them refused", self.file);
    }

    /// A number below `end`.
    fn pick(&mut self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    fn text(&mut self) -> String {
        let spec = match self.pick(4) {
            0 => self.pick(self.specs.len()),
            _ => self.pick(self.own),
        };
        let mut text = self.specs[spec].clone();
        for _ in 0..self.pick(4) {
            text = self.mangled(&text);
        }
        text
    }

    fn mangled(&mut self, text: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return VALUES[self.pick(VALUES.len())].to_owned();
        }
        let at = self.pick(lines.len());
        match self.pick(12) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = self.pick(lines.len());
                lines.swap(at, other);
            }
            3 => lines[at].insert_str(0, &" ".repeat(1 + self.pick(4))),
            4 => lines[at] = lines[at].strip_prefix("  ").unwrap_or(&lines[at]).to_owned(),
            5 => {
                let line = self.pick(self.lines.len());
                lines.insert(at, self.lines[line].clone());
            }
            6 | 7 => lines[at] = self.with_other_value(&lines[at]),
            8 => lines[at] = self.with_other_word(&lines[at]),
            _ => return self.with_other_character(text),
        }
        lines.join("\n") + "\n"
    }

    /// What follows the first colon of a line, or its dash, is replaced.
    fn with_other_value(&mut self, line: &str) -> String {
        let value = self.value();
        match line.find(": ").or_else(|| line.find(":")).or_else(|| line.find("- ")) {
            Some(at) => format!("{}: {value}", &line[..at]),
            None => value,
        }
    }

    /// A word of a line is replaced, as in `{columns: [a, b]}`.
    fn with_other_word(&mut self, line: &str) -> String {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let words: Vec<(usize, &str)> = line
            .split(|c: char| !is_part(c))
            .filter(|word| !word.is_empty())
            .map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word))
            .collect();
        if words.is_empty() {
            return self.value();
        }
        let (at, word) = words[self.pick(words.len())];
        let other = match self.pick(3) {
            // A slip of the pen.
            0 => word.chars().skip(1).chain(word.chars().take(1)).collect(),
            _ => self.value(),
        };
        format!("{}{other}{}", &line[..at], &line[at + word.len()..])
    }

    fn with_other_character(&mut self, text: &str) -> String {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if places.is_empty() {
            return String::new();
        }
        let at = places[self.pick(places.len())];
        let (before, after) = text.split_at(at);
        let rest = || after.chars().skip(1).collect::<String>();
        match self.pick(4) {
            0 => format!("{before}{}", rest()),
            1 => before.to_owned(),
            2 => format!("{before}{}{}", CHARACTERS[self.pick(CHARACTERS.len())], rest()),
            _ => format!("{before}{}{after}", CHARACTERS[self.pick(CHARACTERS.len())]),
        }
    }

    fn value(&mut self) -> String {
        match self.pick(12) {
            0 => "a, b ".repeat(1 + self.pick(1000)),
            1 => format!("\"{}\"", "long ".repeat(1 + self.pick(1000))),
            2 => format!("{}x", "[".repeat(1 + self.pick(300))),
            3 => format!("{}x", "{a: ".repeat(1 + self.pick(300))),
            4 => self.random.next_u64().to_string(),
            _ => VALUES[self.pick(VALUES.len())].to_owned(),
        }
    }
}

/// What is wrong with an error's text, if anything is.
fn fault(file: &str, error: &str) -> Option<String> {
    let number =
        |text: Option<&str>| text.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    let mut parts = error.split(':');
    let has_place = parts.next() == Some(file) && number(parts.next()) && number(parts.next());
    if !has_place {
        return Some(format!("no place ({file}:LINE:COLUMN)"));
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    // Quoted parts are copied from the text that was read.
    let ours: Vec<&str> = error.split(['\'', '"']).step_by(2).collect();
    let mut words = ours.iter().flat_map(|part| part.split(|c: char| !is_part(c)));
    let foreign = words.find(|word| FOREIGN.contains(word));
    let raw = [" at line ", " at position ", ".rs:", " core::", " alloc::", "while parsing a", "while scanning a"];
    let foreign = foreign.or_else(|| raw.into_iter().find(|text| error.contains(text)));
    foreign.map(|word| format!("a foreign word ('{word}')"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates lie in the repository").to_owned()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

/// The YAML examples of a page.
fn yaml_in(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let blocks = text.split("```yaml\n").skip(1);
    blocks.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_errors_are_seen() {
        assert_eq!(fault("a.yaml", "a.yaml:1:2: x: found 3, expected text"), None);
        assert_eq!(fault("a.yaml", "a.yaml:1:2: unknown key 'struct'; did you mean 'structured'?"), None);
        for wrong in
            ["a.yaml: no place", "a.yaml:1: x", "a.yaml:1:2: expected usize", "a.yaml:1:2: x at line 3 column 4"]
        {
            assert!(fault("a.yaml", wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn a_reader_that_reads_some_and_refuses_some_passes() {
        mangle("export", |text| match text.contains("table: scores") {
            true => Ok(()),
            false => Err("export.yaml:1:1: no".to_owned()),
        });
    }
}
