//! Model files.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use spec::{Error, Result};

/// Writes `content` as `file` into `folder` and returns the name.
pub(super) fn write(folder: &Path, file: &str, content: impl AsRef<[u8]>) -> Result<String> {
    let path = folder.join(file);
    std::fs::write(&path, content).map_err(|error| Error::io("write", &path, &error))?;
    Ok(file.to_owned())
}

/// Writes a model as JSON.
pub(super) fn write_json(folder: &Path, file: &str, model: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(model)
        .map_err(|error| Error::cannot_run(format!("{}: {error}", folder.join(file).display())))?;
    write(folder, file, text)
}

pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::io("read", path, &error))
}

pub(super) fn read(path: &Path) -> Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| {
        Error::cannot_run(format!("{}: not a text, as model files are", path.display()))
            .hint("restore the file or train again")
    })
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&read(path)?).map_err(|error| {
        Error::cannot_run(format!("{}: not a model of this learner: {error}", path.display()))
            .hint("restore the file or train again")
    })
}

/// Numbers in model files: texts, because serde_json reads a number up to one digit off in its last place, and a
/// model that was read back must predict the same.
pub mod exact {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:?}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom(format!("'{text}' is not a number")))
    }
}

/// An [`exact`] number that may be left out.
pub(super) mod exact_optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize, Serialize)]
    struct Exact(#[serde(with = "super::exact")] f64);

    pub fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Exact).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Exact>::deserialize(from)?.map(|exact| exact.0))
    }
}

/// A list of [`exact`] numbers.
pub(super) mod exact_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize, Serialize)]
    struct Exact(#[serde(with = "super::exact")] f64);

    pub fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| Exact(*value)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Exact>::deserialize(from)?.into_iter().map(|exact| exact.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        #[derive(serde::Deserialize, Serialize)]
        struct Numbers(#[serde(with = "exact_list")] Vec<f64>);
        // serde_json alone reads the first as …843.
        let numbers = vec![0.11872549019607845, -1e300, 5e-324, 0.1 + 0.2, f64::MIN];
        let json = serde_json::to_string(&Numbers(numbers.clone())).unwrap();
        assert!(json.starts_with(r#"["0.11872549019607845","-1e300""#), "{json}");
        let back: Numbers = serde_json::from_str(&json).unwrap();
        assert_eq!(
            back.0.iter().map(|n| n.to_bits()).collect::<Vec<_>>(),
            numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>()
        );
        assert!(serde_json::from_str::<Numbers>(r#"["x"]"#).is_err());
    }
}
