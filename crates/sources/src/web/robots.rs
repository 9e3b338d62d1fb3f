//! robots.txt: what a site allows (RFC 9309), and the pause that it requests.

use std::time::Duration;

/// Bytes of a robots.txt that are read, at least 500 KiB as the standard wants.
pub(crate) const LARGEST: usize = 512 * 1024;

/// The rules of a site for one robot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Robots {
    rules: Vec<Rule>,
    /// `Crawl-delay`, which is not part of the standard, but widely used.
    pub delay: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    allows: bool,
    /// In the form of [`octets`], with `*` and `$`.
    pattern: Vec<u8>,
    /// As written, for errors.
    text: String,
}

/// What the lines of one group say.
#[derive(Debug, Default)]
struct Group {
    agents: Vec<String>,
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

impl Robots {
    /// The rules for the robot called `name`: those of all groups for it, or else of all groups for `*`.
    pub(crate) fn parse(text: &[u8], name: &str) -> Robots {
        let text = String::from_utf8_lossy(&text[..text.len().min(LARGEST)]);
        let mut groups: Vec<Group> = Vec::new();
        let mut has_rules = true;
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "user-agent" => {
                    if std::mem::take(&mut has_rules) {
                        groups.push(Group::default());
                    }
                    if let Some(group) = groups.last_mut() {
                        group.agents.push(product(value).to_ascii_lowercase());
                    }
                }
                key @ ("allow" | "disallow") => {
                    has_rules = true;
                    // Rules before the first robot belong to no group, and an empty rule has no effect.
                    if let Some(group) = groups.last_mut()
                        && !value.is_empty()
                    {
                        let text = format!("{}: {value}", if key == "allow" { "Allow" } else { "Disallow" });
                        group.rules.push(Rule { allows: key == "allow", pattern: octets(value, true), text });
                    }
                }
                // It does not end the list of robots, so the rules after it are for all of them.
                "crawl-delay" => {
                    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    if let (Some(group), Some(seconds)) = (groups.last_mut(), seconds) {
                        group.delay = group.delay.max(Some(seconds));
                    }
                }
                _ => {}
            }
        }
        let name = name.to_ascii_lowercase();
        let of = |wanted: &str| groups.iter().any(|group| group.agents.iter().any(|agent| agent == wanted));
        let wanted = if of(&name) { name.as_str() } else { "*" };
        let mut robots = Robots::default();
        for group in groups.into_iter().filter(|group| group.agents.iter().any(|agent| agent == wanted)) {
            robots.rules.extend(group.rules);
            robots.delay = robots.delay.max(group.delay);
        }
        robots
    }

    /// The rule that forbids a path with its query. The longest rule counts, and of two of the same length the one that allows.
    pub(crate) fn forbids(&self, path: &str) -> Option<&str> {
        let path = octets(path, false);
        let fitting = self.rules.iter().filter(|rule| fits(&rule.pattern, &path));
        let rule = fitting.max_by_key(|rule| (rule.pattern.len(), rule.allows))?;
        (!rule.allows && path != b"/robots.txt").then_some(rule.text.as_str())
    }
}

/// The name of a robot: the first word of a user agent, of letters, `-` and `_`. `*` stays.
pub(crate) fn product(agent: &str) -> &str {
    let end = agent.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_'))).unwrap_or(agent.len());
    match agent.starts_with('*') {
        true => "*",
        false => &agent[..end],
    }
}

/// A path in one form: what need not be escaped is not, all else is, with capital digits (RFC 9309, 2.2.2; RFC 3986, 6.2.2).
/// What only separates the parts of a path (`:`, `/`) need not be in a query. In a pattern `*` and a last `$` stay.
fn octets(path: &str, is_pattern: bool) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut octets = Vec::with_capacity(bytes.len());
    let (mut at, mut in_query) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let (byte, length, is_plain) = match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                let is_free = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                (byte, 3, is_free || (in_query && b":/?@".contains(&byte)))
            }
            None => {
                let is_special = *byte == b'*' || (*byte == b'$' && at + 1 == bytes.len());
                let is_plain = byte.is_ascii_graphic() && !b"*$".contains(byte);
                (*byte, 1, is_plain || (is_pattern && is_special))
            }
        };
        match is_plain {
            true => octets.push(byte),
            false => octets.extend(format!("%{byte:02X}").bytes()),
        }
        in_query |= byte == b'?' && length == 1;
        at += length;
    }
    octets
}

/// Whether a path begins as a pattern says, where `*` stands for anything and `$` at its end for the end.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, whole) = match pattern.split_last() {
        Some((b'$', pattern)) => (pattern, true),
        _ => (pattern, false),
    };
    // Places of the path up to which the pattern so far fits.
    let mut places = vec![false; path.len() + 1];
    places[0] = true;
    for byte in pattern {
        if *byte == b'*' {
            let first = places.iter().position(|fits| *fits).unwrap_or(places.len());
            places[first..].fill(true);
            continue;
        }
        for at in (0..path.len()).rev() {
            places[at + 1] = places[at] && path[at] == *byte;
        }
        places[0] = false;
    }
    if whole { places[path.len()] } else { places.contains(&true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbids(robots: &str, path: &str) -> bool {
        Robots::parse(robots.as_bytes(), "ExampleBot").forbids(path).is_some()
    }

    /// The examples of RFC 9309: 2.2.1 (groups), 2.2.2 (paths), 2.2.3 (wildcards), 5.1 and 5.2.
    #[test]
    fn examples_of_the_standard() {
        let groups =
            "User-agent: ExampleBot\nDisallow: /foo\nDisallow: /bar\n\nUser-agent: ExampleBot\nDisallow: /baz\n";
        assert!(["/foo", "/bar", "/baz"].iter().all(|path| forbids(groups, path)) && !forbids(groups, "/"));
        for (rule, path) in [
            ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
            ("/foo/bar/\u{30c4}", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ] {
            assert!(forbids(&format!("User-agent: *\nDisallow: {rule}"), path), "{rule}");
        }
        let wild = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\
                    User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\
                    User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\
                    User-Agent: quxbot\n";
        let of = |robot: &str, path: &str| Robots::parse(wild.as_bytes(), robot).forbids(path).is_some();
        for (robot, path, forbidden) in [
            ("other", "/a.gif", true),
            ("other", "/a.gif?x", false),
            ("other", "/example/x", true),
            ("other", "/publications/x", false),
            ("foobot", "/x", true),
            ("foobot", "/example/page.html", false),
            ("FooBot", "/example/allowed.gif", false),
            ("barbot", "/example/page.html", true),
            ("bazbot", "/example/page.html", true),
            ("bazbot", "/example/x", false),
            ("quxbot", "/example/page.html", false),
        ] {
            assert_eq!(of(robot, path), forbidden, "{robot} {path}");
        }
        let longest = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
        let of = |path: &str| Robots::parse(longest.as_bytes(), "foobot").forbids(path).is_some();
        assert!(!of("/example/page/x") && of("/example/page/disallowed.gif"));
    }

    #[test]
    fn the_longest_rule_counts_and_allow_wins() {
        for (rules, path, forbidden) in [
            ("Disallow: /a\nAllow: /a", "/a", false),
            ("Allow: /a\nDisallow: /a", "/a", false),
            ("Disallow: /a/b\nAllow: /a", "/a/b/c", true),
            ("Allow: /\nDisallow: /x", "/x", true),
            ("Disallow: /*?", "/x?y", true),
            ("Disallow: /*?", "/x", false),
            ("Disallow: /$", "/", true),
            ("Disallow: /$", "/x", false),
            ("Disallow: /a*b*c$", "/aXbYcZc", true),
            ("Disallow: /a*b*c$", "/aXbYcZ", false),
            ("Disallow: /a%2A", "/a*b", true),
            ("Disallow: /a%2A", "/ab", false),
            ("Disallow: /path/file-with-a-%2A.html", "/path/file-with-a-*.html", true),
            ("Disallow: /path/foo-%24", "/path/foo-$", true),
            ("Disallow: /a$b", "/a$b", true),
            ("Disallow: /a%2fb", "/a%2Fb", true),
            ("Disallow: /a%2Fb", "/a/b", false),
            ("Disallow: a", "/a", false),
            ("Disallow:", "/a", false),
            ("Disallow: /", "/robots.txt", false),
            ("disallow : /a # why\r\nX: y", "/ab", true),
        ] {
            assert_eq!(forbids(&format!("user-agent: *\n{rules}"), path), forbidden, "{rules} {path}");
        }
    }

    #[test]
    fn odd_files_are_read_with_care() {
        assert!(forbids("\u{feff}User-agent: ExampleBot/1.0\rDisallow: /\r", "/a"), "lines of a Macintosh, a version");
        assert!(!forbids("Disallow: /\nUser-agent: other\nDisallow: /", "/a"), "rules of nobody");
        assert!(forbids("User-agent: other\nUser-agent: *\nSitemap: /x\nDisallow: /", "/a"));
        assert!(forbids("User-agent: a\nCrawl-delay: 5\nUser-agent: examplebot\nDisallow: /", "/a"));
        assert!(!forbids("User-agent: *\nDisallow: /\nUser-agent: EXAMPLEBOT\nAllow: /b", "/a"), "its own group alone");
        assert!(!forbids("<html>not found</html>", "/a") && !forbids("", "/a"));
        let text = b"User-agent: *\nCrawl-delay: 2.5\nDisallow: /\xff\n";
        assert_eq!(Robots::parse(text, "x").delay, Some(Duration::from_millis(2500)));
        assert_eq!(Robots::parse(b"User-agent: *\nCrawl-delay: soon", "x").delay, None);
        let many = format!("User-agent: *\nDisallow: /{}b", "*a".repeat(5_000));
        assert!(!forbids(&many, &format!("/{}", "a".repeat(2_000))), "in a moment");
    }

    #[test]
    fn a_robot_has_a_name() {
        for (agent, right) in
            [("millrace/0.1.0", "millrace"), ("My-Shop_bot (x)", "My-Shop_bot"), ("*", "*"), ("9", "")]
        {
            assert_eq!(product(agent), right);
        }
    }
}
