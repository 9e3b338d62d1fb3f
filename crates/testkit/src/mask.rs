//! Masks what differs from run to run, so that the rest can be pinned.

/// What is masked: in a pattern `0` stands for a digit, `x` for a lower-case hex digit, anything else for itself.
const PATTERNS: [(&str, &str); 5] = [
    ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "<hash>"),
    ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "<id>"),
    ("0000-00-00T00:00:00Z", "<time>"),
    ("00000000_000000_000", "<time>"),
    ("00000000_000000", "<time>"),
];

/// `text` with times, hashes and ids replaced by `<time>`, `<hash>` and `<id>`.
///
/// ```
/// assert_eq!(testkit::mask("orders_20260102_030405.parquet"), "orders_<time>.parquet");
/// ```
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match PATTERNS.iter().find(|(pattern, _)| begins_with(rest, pattern)) {
            Some((pattern, word)) => {
                out.push_str(word);
                rest = &rest[pattern.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn begins_with(text: &str, pattern: &str) -> bool {
    text.len() >= pattern.len()
        && pattern.bytes().zip(text.bytes()).all(|(wanted, found)| match wanted {
            b'0' => found.is_ascii_digit(),
            b'x' => found.is_ascii_digit() || (b'a'..=b'f').contains(&found),
            other => other == found,
        })
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn masks_times_hashes_and_ids_and_nothing_else() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(
            mask(&format!("a_20260102_030405.parquet {hash} at 2026-01-02T03:04:05Z, 12 rows, café")),
            "a_<time>.parquet <hash> at <time>, 12 rows, café"
        );
        assert_eq!(mask("run 01890f3c-7b1a-7c3e-8a2b-0123456789ab"), "run <id>");
        assert_eq!(mask("20260102"), "20260102");
    }
}
