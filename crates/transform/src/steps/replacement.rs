//! The text that takes the place of what a regular expression finds: `$1`, `$name`, `${1}`, `${name}`, `$$`.

use spec::{Error, Result};

/// The groups of a regular expression, as a replacement may refer to them.
#[derive(Debug, Default, PartialEq)]
struct Groups {
    /// Groups with a number, named ones among them; the whole match, which is 0, does not count.
    count: usize,
    names: Vec<String>,
}

/// A replacement as the engine understands it. `$1` ends with its last digit and `$name` with its last letter, digit or
/// `_`, so that `$1_$2` is two groups with `_` between them; braces do the same on purpose. `$$` is a `$`, and so is one
/// that begins no reference. A group that `pattern` does not have is an error.
pub fn replacement(with: &str, pattern: &str) -> Result<String> {
    let groups = Groups::of(pattern);
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
        groups.check(name, with)?;
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

impl Groups {
    /// Those of a pattern that compiles. Left out are escapes, classes (which nest), flags, and comments in `(?x)`.
    fn of(pattern: &str) -> Groups {
        let mut groups = Groups::default();
        let mut has_comments = false;
        let mut depth = 0;
        let mut chars = pattern.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => drop(chars.next()),
                '[' => {
                    depth += 1;
                    // A ']' in the first place is one of the characters.
                    if chars.peek().is_some_and(|(_, c)| *c == '^') {
                        chars.next();
                    }
                    if chars.peek().is_some_and(|(_, c)| *c == ']') {
                        chars.next();
                    }
                }
                ']' if depth > 0 => depth -= 1,
                '#' if has_comments && depth == 0 => drop(chars.find(|(_, c)| *c == '\n')),
                '(' if depth == 0 => {
                    let rest = &pattern[at + 1..];
                    let name = rest.strip_prefix("?P<").or_else(|| rest.strip_prefix("?<"));
                    match name.and_then(|rest| rest.split_once('>')) {
                        Some((name, _)) => {
                            groups.count += 1;
                            groups.names.push(name.to_owned());
                        }
                        None if rest.starts_with('?') => {
                            let flags = rest[1..].split([':', ')']).next().unwrap_or_default();
                            has_comments |= flags.split('-').next().is_some_and(|on| on.contains('x'));
                        }
                        None => groups.count += 1,
                    }
                }
                _ => {}
            }
        }
        groups
    }

    fn check(&self, name: &str, with: &str) -> Result<()> {
        let is_known = match name.parse::<usize>() {
            Ok(number) => number <= self.count,
            Err(_) => self.names.iter().any(|known| known == name),
        };
        if is_known {
            return Ok(());
        }
        let mut known: Vec<String> = (0..=self.count).map(|number| format!("${{{number}}}")).collect();
        known.extend(self.names.iter().map(|name| format!("${name}")));
        // `${name}` in YAML would be an environment variable.
        let braces = match self.names.first() {
            Some(name) => format!("; before letters write '$${{{name}}}' in YAML"),
            None => String::new(),
        };
        Err(Error::cannot_run(format!("'{with}' refers to a group '{name}' that the regular expression does not have"))
            .hint(format!(
                "there are: {} (0 is the whole match){braces}; '$$' stands for a plain '$'",
                known.join(", ")
            )))
    }
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

    #[test]
    fn only_what_opens_a_group_counts() {
        let groups = |pattern: &str| {
            let Groups { count, names } = Groups::of(pattern);
            (count, names.join(" "))
        };
        assert_eq!(groups(r"\((\d)\)[(](?:x)(?i)(?i:y)[]()](z)"), (2, String::new()));
        assert_eq!(groups(r"[[:alpha:](]+(?<a>x)((?P<b>y))[^](]"), (3, "a b".to_owned()));
        assert_eq!(groups("(?x) (a) # not (this)\n (b)"), (2, String::new()));
        assert_eq!(groups(r"\\(a)\["), (1, String::new()));
    }
}
