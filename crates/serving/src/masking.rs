//! Personal data: how values are kept in the journal.

use std::collections::HashMap;

use serde_json::Value;

use crate::spec::{Mask, ServeSpec};

/// The masks of a pipeline, by column.
pub struct Masking {
    masks: HashMap<String, Mask>,
    key: [u8; 32],
}

impl Masking {
    pub fn new(spec: &ServeSpec) -> Masking {
        let masks = spec.mask.iter().map(|(name, mask)| (name.to_owned(), *mask)).collect();
        let key = *blake3::hash(spec.mask_key.as_deref().unwrap_or_default().as_bytes()).as_bytes();
        Masking { masks, key }
    }

    /// Whether the journal keeps this column as it is.
    pub fn of(&self, column: &str) -> Option<Mask> {
        if self.masks.is_empty() { None } else { self.masks.get(column).copied() }
    }

    /// The value as the journal keeps it.
    pub fn value(&self, column: &str, value: Value) -> Value {
        match self.of(column) {
            None => value,
            Some(mask) => self.masked(mask, value),
        }
    }

    /// Whether keys of this column are masked.
    pub fn masks_key(&self, entity: &str) -> bool {
        self.of("key").or(self.of(entity)).is_some()
    }

    /// A key as the journal keeps it: masked as `key`, or as the column that it is of.
    pub fn key(&self, entity: &str, value: Value) -> Value {
        match self.of("key").or(self.of(entity)) {
            None => value,
            Some(mask) => self.masked(mask, value),
        }
    }

    /// The value of a column of a row whose key is in the column `entity`, as the journal keeps it.
    pub fn input(&self, entity: &str, column: &str, value: Value) -> Value {
        if column == entity { self.key(entity, value) } else { self.value(column, value) }
    }

    /// Whether keys are kept as they are, or not, depends on the column that they are of.
    pub fn depends_on_entity(&self) -> bool {
        !self.masks.is_empty() && self.of("key").is_none()
    }

    fn masked(&self, mask: Mask, value: Value) -> Value {
        match mask {
            _ if value.is_null() => value,
            Mask::Remove => Value::Null,
            Mask::Hash => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                blake3::keyed_hash(&self.key, text.as_bytes()).to_hex()[..32].to_owned().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn masked_values_are_gone_or_hashed_with_the_key() {
        let text = "mask: {email: hash, phone: remove}\nmask_key: 0123456789abcdef\n";
        let spec = ServeSpec::parse(text, Path::new("serve.yaml"), &Default::default()).unwrap();
        let masking = Masking::new(&spec);
        assert_eq!(masking.value("city", "Ulm".into()), "Ulm");
        assert_eq!(masking.value("phone", "0171".into()), Value::Null);
        let hash = masking.value("email", "a@b.de".into());
        let key = *blake3::hash(b"0123456789abcdef").as_bytes();
        assert_eq!(hash, blake3::keyed_hash(&key, b"a@b.de").to_hex()[..32]);
        assert_eq!(masking.key("email", "a@b.de".into()), hash);
        assert_eq!(masking.key("id", 7.into()), 7);
        // What is masked as a key is masked in its own column, too.
        let spec =
            ServeSpec::parse("mask: {key: remove, phone: remove}\n", Path::new("s"), &Default::default()).unwrap();
        let masking = Masking::new(&spec);
        let inputs = ["id", "phone", "city"].map(|column| masking.input("id", column, "x".into()));
        assert_eq!(inputs, [Value::Null, Value::Null, "x".into()]);
    }
}
