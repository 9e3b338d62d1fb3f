//! Errors of serde and of the YAML library in the words of someone who writes YAML.

use std::borrow::Cow;

use crate::did_you_mean;

/// Longest value that an error repeats, in characters.
const SHOWN: usize = 60;

/// What the YAML library says about text that is not YAML, and what we say: the problem, then the way out.
const SYNTAX: &[(&str, &str)] = &[
    (
        "mapping values are not allowed in this context",
        "unexpected ':'; put a text that contains ': ' in quotes, or correct the indentation",
    ),
    (
        "did not find expected key",
        "a key was expected here; line up the keys of a map, write ':' after each, close what was opened, and put a \
         text that \
         begins with a quote or bracket in quotes as a whole",
    ),
    (
        "did not find expected ',' or '}'",
        "a map in braces is malformed here; close it with '}', put ',' between its keys, and texts with brackets, quotes \
         or ': ' in quotes",
    ),
    (
        "did not find expected ',' or ']'",
        "a list in brackets is malformed here; close it with ']', put ',' between its items, and texts with brackets, \
         quotes or ': ' in quotes",
    ),
    ("did not find expected '-' indicator", "a list item was expected here; begin each with '- ', in one column"),
    (
        "could not find expected ':'",
        "a key without ':' after it, or a key of more than 1024 characters; write `key: value`",
    ),
    ("found character that cannot start any token", "a value cannot begin with this character; put the text in quotes"),
    ("found unexpected end of stream", "a quote is not closed before the end of the file; close it"),
    (
        "found unexpected document indicator",
        "a quote is not closed before the '---' or '...' that ends the document; close it",
    ),
    (
        "found unknown escape character",
        "'\\' before a character that it cannot escape; write the text in single quotes, where '\\' is a plain character",
    ),
    (
        "found invalid Unicode character escape code",
        "'\\' begins an escape of no character; write the text in single quotes, where '\\' is a plain character",
    ),
    (
        "did not find expected hexadecimal number",
        "'\\x' and '\\u' need hexadecimal digits; write the text in single quotes, where '\\' is a plain character",
    ),
    ("found a tab character", "found a tab in the indentation; indent with spaces"),
    ("block sequence entries are not allowed", "a list cannot begin here; begin its first '- ' on a line of its own"),
    ("mapping keys are not allowed", "unexpected '? '; put the text in quotes"),
    ("did not find expected node content", "a value is missing here; write one, or take out the ',' or ':' before it"),
    (
        "did not find expected comment or line break",
        "text follows '|' or '>' on its line; begin the text on the next line, or put it in quotes",
    ),
    ("found an indentation indicator equal to 0", "'0' follows '|' or '>'; leave it out"),
    ("found unexpected ':'", "unexpected ':'; put the text in quotes"),
    ("found undefined alias", NO_ANCHOR),
    ("unknown anchor", NO_ANCHOR),
    (
        "did not find expected alphabetic or numeric character",
        "'*' and '&' begin a reference, which needs a name; put the text in quotes if it is none",
    ),
    ("found undefined tag handle", TAG),
    ("did not find expected tag URI", TAG),
    ("did not find URI escaped octet", TAG),
    ("found an incorrect leading UTF-8 octet", TAG),
    ("found an incorrect trailing UTF-8 octet", TAG),
    ("did not find the expected '>'", TAG),
    ("did not find expected '!'", TAG),
    ("did not find expected whitespace or line break", TAG),
    ("empty YAML tag is not allowed", TAG),
    ("unexpected tagged value in merge", TAG),
    (
        "did not find expected <document start>",
        "unexpected content after the end of the document; correct the \
     indentation of this line",
    ),
    ("found incompatible YAML document", DIRECTIVE),
    ("found unknown directive name", DIRECTIVE),
    ("found extremely long version number", DIRECTIVE),
    ("found duplicate %", DIRECTIVE),
    ("could not find expected directive name", DIRECTIVE),
    ("found unexpected non-alphabetical character", DIRECTIVE),
    ("did not find expected version number", DIRECTIVE),
    ("did not find expected digit or '.' character", DIRECTIVE),
    ("did not find expected whitespace", DIRECTIVE),
    ("control characters are not allowed", "found a control character; remove it"),
    ("invalid Unicode character", "found an invalid character; remove it"),
    ("input is too long", "the file is too long for a spec"),
    ("EOF while parsing a value", "the file ends where a value was expected"),
    (
        "deserializing from YAML containing more than one document",
        "a second document begins here; a spec is one: take out the '---' or '...'",
    ),
    ("recursion limit exceeded", "maps and lists are nested too deep here"),
    ("repetition limit exceeded", "references ('*name') repeat too much; write some of it out"),
    ("expected a mapping or list of mappings for merging", MERGE),
    ("expected a mapping for merging", MERGE),
    ("failed to parse YAML number", "this is not a number; put it in quotes if it is text"),
];

const NO_ANCHOR: &str =
    "'*name' refers to an undefined anchor '&name'; put the text in quotes if it is not a reference";
const TAG: &str = "'!' begins a YAML tag, which specs do not use; put the text in quotes";
const DIRECTIVE: &str = "'%' begins a YAML directive, which specs do not use; put the text in quotes";
const MERGE: &str = "'<<' takes in a map or a list of maps; write a reference to one, such as `<<: *name`";

/// What is wrong where no value can begin with the character that is there.
pub fn not_a_beginning(ours: &'static str, character: Option<char>) -> Cow<'static, str> {
    const ANY: &str = "a value cannot begin with this character";
    match (ours.strip_prefix(ANY), character) {
        (Some(_), Some('\t')) => "found a tab; indent with spaces".into(),
        (Some(way_out), Some(found)) => format!("a value cannot begin with '{found}'{way_out}").into(),
        _ => ours.into(),
    }
}

/// Whether this is what we say where a key was expected.
pub fn is_missing_key(ours: &str) -> bool {
    ours.starts_with("a key was expected here")
}

/// What is wrong with the YAML itself, if that is what `message` is about.
pub fn syntax(message: &str) -> Option<&'static str> {
    SYNTAX.iter().find(|(theirs, _)| message.starts_with(theirs)).map(|(_, ours)| *ours)
}

/// An error of a value, which may have its path in front: `rows: found "many", expected a whole number`.
pub fn value(message: &str) -> String {
    for (theirs, ours) in [("missing field `", "missing key '"), ("duplicate field `", "key given twice: '")] {
        if let Some((before, after)) = message.split_once(theirs)
            && let Some((name, after)) = after.split_once('`')
        {
            return format!("{before}{ours}{name}'{after}");
        }
    }
    // Of an enum that is read from another visitor, such as one value instead of a list.
    if let Some((before, after)) = message.split_once("unknown variant `")
        && let Some((name, known)) = after.split_once('`')
    {
        return format!("{before}unknown value '{name}'; {}", did_you_mean(name, known.split('`').skip(1).step_by(2)));
    }
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((before, after)) = message.split_once(kind)
            && let Some((found, wanted)) = after.rsplit_once(", expected ")
        {
            let found = match kind {
                "invalid length " => format!("found {}", count(found)),
                _ if found == "unit value" => "nothing given".to_owned(),
                _ => format!("found {}", what_was_found(found)),
            };
            return format!("{before}{found}, expected {}", what_was_wanted(wanted));
        }
    }
    message.to_owned()
}

fn count(number: &str) -> String {
    match number {
        "1" => "1 item".to_owned(),
        number => format!("{number} items"),
    }
}

/// `integer `5`` is `5`, `string "x"` is `"x"`.
fn what_was_found(theirs: &str) -> Cow<'_, str> {
    if let Some(quoted) = theirs.strip_prefix("string ") {
        return shortened(quoted);
    }
    let number = theirs.strip_suffix(" as u128").or_else(|| theirs.strip_suffix(" as i128")).unwrap_or(theirs);
    for kind in ["integer ", "floating point ", "boolean ", "character "] {
        if let Some(value) = number.strip_prefix(kind) {
            return shortened(value.trim_matches('`'));
        }
    }
    match theirs {
        "sequence" => "a list".into(),
        "map" => "a map".into(),
        "unit value" => "nothing".into(),
        kind if kind == "enum" || kind.ends_with(" variant") => "a YAML tag ('!')".into(),
        _ => "another kind of value".into(),
    }
}

/// Without its middle part if it is long.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.chars().count() <= SHOWN {
        return text.into();
    }
    let start: String = text.chars().take(SHOWN - 10).collect();
    let end: Vec<char> = text.chars().rev().take(8).collect();
    format!("{start}…{}", end.into_iter().rev().collect::<String>()).into()
}

/// The text, or if it is longer than `most` characters its beginning and end.
pub fn without_middle(text: &str, most: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= most {
        return text.into();
    }
    let half = most / 2;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start} … {end}").into()
}

/// serde names a type of Rust where we say what to write.
fn what_was_wanted(theirs: &str) -> Cow<'_, str> {
    let whole = |low: &str, high: &str| Cow::from(format!("a whole number from {low} to {high}"));
    match theirs {
        "u8" => whole("0", "255"),
        "u16" => whole("0", "65535"),
        "u32" => whole("0", "4294967295"),
        "u64" | "u128" | "usize" => "a whole number, 0 or more".into(),
        "i8" => whole("-128", "127"),
        "i16" => whole("-32768", "32767"),
        "i32" => whole("-2147483648", "2147483647"),
        "i64" | "i128" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "string" | "a borrowed string" | "identifier" => "text".into(),
        "a character" => "one character".into(),
        "a sequence" => "a list".into(),
        "unit" => "nothing".into(),
        "option" => "a value".into(),
        "field identifier" | "variant identifier" => "a key".into(),
        _ => described(theirs),
    }
}

fn described(theirs: &str) -> Cow<'_, str> {
    let number = || theirs.split(' ').find(|word| word.parse::<usize>().is_ok());
    if theirs.starts_with("a nonzero ") {
        return "a whole number other than 0".into();
    }
    let is_list = ["a tuple of size ", "an array of length ", "sequence of ", "tuple struct ", "tuple variant "];
    if is_list.iter().any(|start| theirs.starts_with(start)) {
        return match number() {
            Some(number) => format!("a list of {}", count(number)).into(),
            None => "a list".into(),
        };
    }
    if theirs.starts_with("map containing ") {
        return match number() {
            Some("1") => "a map of 1 key".into(),
            Some(number) => format!("a map of {number} keys").into(),
            None => "a map".into(),
        };
    }
    match theirs.split(' ').next() {
        Some("struct" | "newtype" | "unit") => "a map of keys".into(),
        Some("enum") => "a word".into(),
        _ => theirs.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_reported_without_a_type_of_rust() {
        for (theirs, ours) in [
            (
                "rows: invalid type: string \"many\", expected usize",
                "rows: found \"many\", expected a whole number, 0 or more",
            ),
            ("invalid value: integer `300`, expected u8", "found 300, expected a whole number from 0 to 255"),
            (
                "invalid type: integer `18446744073709551616` as u128, expected i64",
                "found 18446744073709551616, expected a whole number",
            ),
            ("invalid type: floating point `1.5`, expected a string", "found 1.5, expected text"),
            ("a: invalid type: unit value, expected a sequence", "a: nothing given, expected a list"),
            ("invalid length 1, expected struct Trim with 2 elements", "found 1 item, expected a map of keys"),
            ("invalid length 3, expected sequence of 2 elements", "found 3 items, expected a list of 2 items"),
            ("invalid type: enum, expected a map", "found a YAML tag ('!'), expected a map"),
            ("t: missing field `source`", "t: missing key 'source'"),
            ("'x' is given twice", "'x' is given twice"),
        ] {
            assert_eq!(value(theirs), ours);
        }
        let long = value(&format!("invalid type: string {:?}, expected f64", "a, b ".repeat(500)));
        assert_eq!(long, format!("found \"{}a, b…b a, b \", expected a number", "a, b ".repeat(9)));
    }

    #[test]
    fn long_messages_keep_both_ends() {
        assert_eq!(without_middle("한글abc", 5), "한글abc");
        assert_eq!(without_middle("한글abcdef", 4), "한글 … ef");
    }

    #[test]
    fn faults_of_yaml_come_with_the_way_out() {
        assert_eq!(
            syntax("mapping values are not allowed in this context at line 2 column 5"),
            Some("unexpected ':'; put a text that contains ': ' in quotes, or correct the indentation")
        );
        assert_eq!(syntax("unknown step 'x'"), None);
    }
}
