//! Addresses within the site. They begin with one `/`, or with `./` or `../` where the site is files on a disk: so they never lead
//! to another host or become a script.

use std::fmt;

/// A path with its query, percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    has_query: bool,
}

impl Address {
    /// `/`
    pub fn home() -> Address {
        Address { text: "/".to_owned(), has_query: false }
    }

    /// The path of these segments: `/pipelines/churn`. Texts from data, which might be `..`, belong into the query.
    pub fn to(segments: &[&str]) -> Address {
        let mut text = String::new();
        // An empty segment would make `//host`, an address of another host.
        for segment in segments.iter().filter(|segment| !segment.is_empty()) {
            text.push('/');
            encode(&mut text, segment);
        }
        match text.is_empty() {
            true => Address::home(),
            false => Address { text, has_query: false },
        }
    }

    /// A file of a site that is opened from the disk: these segments from the folder `up` levels above the page that has the
    /// link, such as `../tables/orders.html`. A segment such as `..` would leave it, so it is written as text.
    pub fn file(up: usize, segments: &[&str]) -> Address {
        let mut text = if up == 0 { "./".to_owned() } else { "../".repeat(up) };
        for (at, segment) in segments.iter().enumerate() {
            if at > 0 {
                text.push('/');
            }
            match segment.chars().all(|c| c == '.') {
                true => text.push_str(&"%2E".repeat(segment.len())),
                false => encode(&mut text, segment),
            }
        }
        Address { text, has_query: false }
    }

    /// The address with another parameter of its query.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Address {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        encode(&mut self.text, name);
        self.text.push('=');
        encode(&mut self.text, &value.to_string());
        self
    }

    /// A place on the page that has the link, by its id.
    pub fn below(id: &'static str) -> Address {
        Address { text: format!("#{id}"), has_query: false }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 3986, section 2.1: all but unreserved characters.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_holds_stays_one_segment_or_one_value() {
        let address = Address::to(&["pipelines", "a/b?c#d"]).with("key", "x&y=z ü").with("page", 2);
        assert_eq!(address.as_str(), "/pipelines/a%2Fb%3Fc%23d?key=x%26y%3Dz%20%C3%BC&page=2");
        assert_eq!(Address::to(&["", "evil.example"]).as_str(), "/evil.example");
        assert_eq!(Address::file(1, &["tables", "a b.html"]).as_str(), "../tables/a%20b.html");
        assert_eq!(Address::file(0, &["javascript:x", "..", "y"]).as_str(), "./javascript%3Ax/%2E%2E/y");
        assert_eq!(Address::to(&["javascript:alert(1)"]).as_str(), "/javascript%3Aalert%281%29");
    }
}
