//! The hash that ties a line to the one before it.

/// Bytes of the hash that a line shows: enough to see a change, short enough to keep lines short.
const BYTES: usize = 16;
const KEY: &str = ",\"chain\":\"";

/// What a chain has come to: the hash of the last line, as hex; empty before the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain(String);

impl Chain {
    /// The chain as a header of a segment names it.
    pub fn from_text(text: &str) -> Chain {
        Chain(text.to_owned())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Appends `object`, a JSON object with at least one key, to `lines` with the chain as its last key.
    pub fn add(&mut self, object: &[u8], lines: &mut Vec<u8>) {
        debug_assert!(object.starts_with(b"{\"") && object.ends_with(b"}"), "a journal holds objects with keys");
        self.0 = self.after(object);
        lines.extend_from_slice(&object[..object.len() - 1]);
        lines.extend_from_slice(KEY.as_bytes());
        lines.extend_from_slice(self.0.as_bytes());
        lines.extend_from_slice(b"\"}\n");
    }

    /// The object of a line, without its newline, if the line follows from what came before; the chain then continues from it.
    pub fn follow(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let tail = KEY.len() + 2 * BYTES + 2;
        let at = line.len().checked_sub(tail)?;
        let (object, end) = line.split_at(at);
        let hash = end.strip_prefix(KEY.as_bytes())?.strip_suffix(b"\"}")?;
        let object = [object, b"}"].concat();
        let expected = self.after(&object);
        if expected.as_bytes() != hash {
            return None;
        }
        self.0 = expected;
        Some(object)
    }

    fn after(&self, object: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(object);
        hasher.finalize().to_hex()[..2 * BYTES].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;

    #[test]
    fn a_line_follows_from_the_one_before_or_not_at_all() {
        let (mut chain, mut lines) = (Chain::default(), Vec::new());
        for object in ["{\"a\":1}", "{\"a\":2}", "{\"b\":\"x,\\\"chain\\\":\\\"y\"}"] {
            chain.add(object.as_bytes(), &mut lines);
        }
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let mut again = Chain::default();
        assert_eq!(again.follow(lines[0]).unwrap(), b"{\"a\":1}");
        assert_eq!(again.follow(lines[2]), None, "a line is missing");
        assert_eq!(again.follow(lines[1]).unwrap(), b"{\"a\":2}");
        let changed = String::from_utf8(lines[2].to_vec()).unwrap().replacen('x', "z", 1);
        assert_eq!(again.follow(changed.as_bytes()), None);
        assert_eq!(again.follow(lines[2]).unwrap(), b"{\"b\":\"x,\\\"chain\\\":\\\"y\"}");
        assert_eq!(again, chain);
    }
}
