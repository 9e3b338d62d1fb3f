//! The text that takes the place of what a regular expression finds: `$1`, `$name`, `${1}`, `${name}`, `$$`.

use expr::PatternGroups;
use spec::{Error, Result};

/// A replacement as the engine understands it. `$1` ends with its last digit and `$name` with its last letter, digit or
/// `_`, so that `$1_$2` is two groups with `_` between them; braces do the same on purpose. `$$` is a `$`, and so is one
/// that begins no reference. A group that `pattern` does not have is an error.
pub fn replacement(with: &str, pattern: &str) -> Result<String> {
    let groups = PatternGroups::of(pattern);
    let mut out = String::with_capacity(with.len() + 8);
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push_str("$$");
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or_else(|| {
                Error::cannot_run(format!("'${{' without '}}' in '{with}'"))
                    .hint("close it, or write '$$' for a plain '$'")
            })?,
            None => rest.split_at(bare(rest)),
        };
        if name.is_empty() && !rest.starts_with('{') {
            out.push_str("$$");
            continue;
        }
        check(&groups, name, with)?;
        out.push_str(&format!("${{{name}}}"));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// How many bytes of `text` name a group: digits, or a word that begins with none.
fn bare(text: &str) -> usize {
    let while_is = |is_part: fn(&char) -> bool| text.chars().take_while(is_part).count();
    match while_is(char::is_ascii_digit) {
        0 => while_is(|c| c.is_ascii_alphanumeric() || *c == '_'),
        digits => digits,
    }
}

fn check(groups: &PatternGroups, name: &str, with: &str) -> Result<()> {
    let is_known = match name.parse::<usize>() {
        Ok(number) => number <= groups.count,
        Err(_) => groups.names.iter().any(|known| known == name),
    };
    if is_known {
        return Ok(());
    }
    let mut known: Vec<String> = (0..=groups.count).map(|number| format!("${{{number}}}")).collect();
    known.extend(groups.names.iter().map(|name| format!("${name}")));
    // `${name}` in YAML would be an environment variable.
    let braces = match groups.names.first() {
        Some(name) => format!("; before letters write '$${{{name}}}' in YAML"),
        None => String::new(),
    };
    Err(Error::cannot_run(format!("'{with}' refers to a group '{name}' that the regular expression does not have"))
        .hint(format!("there are: {} (0 is the whole match){braces}; '$$' stands for a plain '$'", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_end_where_a_reader_sees_their_end() {
        for (with, engine) in [
            ("$1_$2", "${1}_${2}"),
            ("$1kg", "${1}kg"),
            ("${1}kg", "${1}kg"),
            ("$year-$1", "${year}-${1}"),
            ("${year}s", "${year}s"),
            ("US$ 5, $$1, $", "US$$ 5, $$1, $$"),
            ("$0!", "${0}!"),
            ("plain", "plain"),
        ] {
            assert_eq!(replacement(with, r"(?P<year>\d+)-(\d+)").unwrap(), engine, "{with}");
        }
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let failure = |with: &str| replacement(with, r"(?P<year>\d+)-(\d+)").unwrap_err().to_string();
        assert_eq!(
            failure("$3"),
            "'$3' refers to a group '3' that the regular expression does not have; there are: ${0}, ${1}, ${2}, $year (0 \
             is the whole match); before letters write '$${year}' in YAML; '$$' stands for a plain '$'"
        );
        for with in ["$10", "$yearly", "${}", "${ 1}", "$month", "$_"] {
            assert!(failure(with).contains("refers to a group"), "{with}");
        }
        assert_eq!(failure("${1"), "'${' without '}' in '${1'; close it, or write '$$' for a plain '$'");
    }
}
