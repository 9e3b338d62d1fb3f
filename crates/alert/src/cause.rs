//! When two alerts are about the same thing.

use crate::Event;

/// The cause of an event: pipeline, stage, class, and the message without what differs from run to run.
pub fn cause(event: &Event) -> String {
    format!("{} {} {}: {}", event.pipeline, event.stage, event.class.name(), normalised(&event.message))
}

/// `message` with numbers, times and ids as `#` and paths as `<path>`.
fn normalised(message: &str) -> String {
    message.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    if word.contains('/') {
        return word.replace(bare, "<path>");
    }
    if is_id(bare) {
        return word.replace(bare, "#");
    }
    without_numbers(word)
}

/// A run id, a hash, a commit: hexadecimal digits and hyphens, at least eight, some of them numbers.
fn is_id(word: &str) -> bool {
    word.len() >= 8
        && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Each run of digits, with the signs inside a number or a time (`12,345.6`, `02:00:13`, `2026-11-21`), as one `#`.
fn without_numbers(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        let inside = ".,:-_".contains(c) && out.ends_with('#') && chars.peek().is_some_and(char::is_ascii_digit);
        match c {
            _ if inside => {}
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_does_not_count() {
        let pairs = [
            ("orders: 3 of 1,000 rows have no 'id'", "orders: 12 of 998 rows have no 'id'"),
            ("mean 12.5 is below 20", "mean 9 is below 20.25"),
            ("data/raw/churn/orders_20261121_014200.csv: no such file", "/srv/x/orders.csv: no such file"),
            ("orders_20261121_014200.csv: empty", "orders_20261122_014159.csv: empty"),
            ("cut off at 2026-11-21T01:42:00Z", "cut off at 2026-11-22T13:00:59Z"),
            (
                "run 0193a2b4-77e1-7c3d-9f00-1a2b3c4d5e6f is at work",
                "run 0193a2b4-88aa-7fff-8e11-aaaaaaaaaaaa is at work",
            ),
            ("(https://host/v1/chat): answered 503", "(https://other/v1): answered 500"),
        ];
        for (one, other) in pairs {
            assert_eq!(normalised(one), normalised(other));
        }
    }

    #[test]
    fn what_distinguishes_causes_stays() {
        let pairs = [
            ("orders: no column 'id'", "orders: no column 'name'"),
            ("orders: 3 rows are twins", "customers: 3 rows are twins"),
            ("deadbeef", "facade"),
            ("data/x.csv: no such file", "data/x.csv: permission denied"),
        ];
        for (one, other) in pairs {
            assert_ne!(normalised(one), normalised(other));
        }
    }

    #[test]
    fn text_looks_as_documented() {
        assert_eq!(
            normalised("resources/churn/clean.yaml:12:7: 3 of 1,000 rows at 02:00:13, run 0193a2b477e1."),
            "<path>: # of # rows at #, run #."
        );
    }
}
