//! The groups of a regular expression, as its own parser counts them.

/// The groups of a pattern.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatternGroups {
    /// Groups with a number, named ones among them; the whole match, which is 0, does not count.
    pub count: usize,
    /// The names, in the order of the groups.
    pub names: Vec<String>,
}

impl PatternGroups {
    /// The groups of `pattern`; none if it is not a regular expression.
    pub fn of(pattern: &str) -> PatternGroups {
        let Ok(regex) = regex::Regex::new(pattern) else { return PatternGroups::default() };
        let names = regex.capture_names().flatten().map(str::to_owned).collect();
        PatternGroups { count: regex.captures_len() - 1, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_that_are_characters_or_comments_are_no_groups() {
        for (pattern, count, names) in [
            ("(a)(b)", 2, &[][..]),
            (r"\((a)\)", 1, &[]),
            ("[(](a)[^)(]", 1, &[]),
            ("[](](a)", 1, &[]),
            ("[[:alpha:](](a)", 1, &[]),
            ("[a[(]](b)", 1, &[]),
            ("(?:a)(?i)(b)", 1, &[]),
            ("(?P<year>[0-9]+)-(?<month>[0-9]+)-(.)", 3, &["year", "month"]),
            ("(?x) a # (not this)\n (b)", 1, &[]),
            ("(?x: a # (not this)\n (b)) # (c)", 2, &[]),
            (r"[[:alpha:](]+(?<a>x)((?P<b>y))[^](]", 3, &["a", "b"]),
            ("(", 0, &[]),
        ] {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(PatternGroups::of(pattern), PatternGroups { count, names }, "{pattern}");
        }
    }
}
