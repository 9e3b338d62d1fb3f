//! Writes JSON piece by piece into a buffer: answers and log lines are made thousands of times per second.

use serde::Serialize;

/// Appends a value: texts with their quotes and escapes, floats as the shortest text that is read as the same float.
pub fn value(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing into memory cannot fail, and none of the types that are written has a key other than a text.
    let _ = serde_json::to_writer(buffer, value);
}

/// Appends a number; NaN, which JSON does not have, as null.
pub fn number(buffer: &mut Vec<u8>, number: f64) {
    value(buffer, &number);
}

/// Appends `"name":` with a comma before it unless it is the first.
pub fn key(buffer: &mut Vec<u8>, name: &str) {
    if !buffer.ends_with(b"{") {
        buffer.push(b',');
    }
    value(buffer, name);
    buffer.push(b':');
}

/// Appends `"name":value`.
pub fn field(buffer: &mut Vec<u8>, name: &str, of: &(impl Serialize + ?Sized)) {
    key(buffer, name);
    value(buffer, of);
}

/// Appends a list, each item by `write`.
pub fn list<T>(buffer: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    buffer.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            buffer.push(b',');
        }
        write(buffer, item);
    }
    buffer.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let mut buffer = b"{".to_vec();
        field(&mut buffer, "a\"b", "x\n");
        key(&mut buffer, "list");
        list(&mut buffer, [0.1 + 0.2, 5e-324, f64::NAN], number);
        buffer.push(b'}');
        assert_eq!(String::from_utf8(buffer).unwrap(), r#"{"a\"b":"x\n","list":[0.30000000000000004,5e-324,null]}"#);
    }
}
