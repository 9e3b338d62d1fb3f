//! LightGBM's parameters: pairs of names and values, and which names it knows.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::sync::OnceLock;

use lightgbm3_sys as sys;
use spec::{Error, Result, did_you_mean};

use super::api::call;

/// Names and values in the order in which they were set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Sets a parameter, in place of its earlier value if it had one.
    pub fn set(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Those of these names.
    pub fn only(&self, names: &[&str]) -> Parameters {
        Parameters(self.0.iter().filter(|(known, _)| names.contains(&known.as_str())).cloned().collect())
    }

    /// All but one.
    #[cfg(test)]
    pub fn without(&self, name: &str) -> Parameters {
        Parameters(self.0.iter().filter(|(known, _)| known != name).cloned().collect())
    }

    /// The value of a parameter that was set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Display for Parameters {
    /// As the C interface reads them: `name=value name=value`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            write!(f, "{name}={value}")?;
        }
        Ok(())
    }
}

/// The name that LightGBM itself uses for a parameter, which may be given by any of its aliases; unknown names
/// are errors.
pub(crate) fn canonical(name: &str) -> Result<String> {
    let names = names()?;
    match names.get(name) {
        Some(canonical) => Ok(canonical.clone()),
        None => Err(Error::cannot_run(format!("unknown LightGBM parameter '{name}'"))
            .hint(did_you_mean(name, names.keys().map(String::as_str)))),
    }
}

/// Every name and alias with its canonical name.
fn names() -> Result<&'static BTreeMap<String, String>> {
    static NAMES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    if let Some(names) = NAMES.get() {
        return Ok(names);
    }
    let aliases: BTreeMap<String, Vec<String>> = serde_json::from_str(&dump()?)
        .map_err(|error| Error::cannot_run(format!("lightgbm: its parameter names cannot be read: {error}")))?;
    let mut names = BTreeMap::new();
    for (name, others) in aliases {
        for other in others {
            names.insert(other, name.clone());
        }
        names.insert(name.clone(), name);
    }
    Ok(NAMES.get_or_init(|| names))
}

fn dump() -> Result<String> {
    text("list the parameters", |capacity, length, buffer| {
        // SAFETY: `buffer` has `capacity` bytes, more than which LightGBM does not write.
        unsafe { sys::LGBM_DumpParamAliases(capacity, length, buffer) }
    })
}

/// A text of unknown length: asks for it with a buffer that may be too small, then with one that is not.
pub(super) fn text(
    doing: &str,
    get: impl Fn(i64, *mut i64, *mut std::ffi::c_char) -> std::ffi::c_int,
) -> Result<String> {
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let mut length = 0;
        let capacity = i64::try_from(buffer.len()).unwrap_or(i64::MAX);
        call(doing, || get(capacity, &raw mut length, buffer.as_mut_ptr().cast()))?;
        let length = usize::try_from(length).unwrap_or(0);
        if length > buffer.len() {
            buffer = vec![0u8; length];
            continue;
        }
        // The length counts the closing zero byte.
        buffer.truncate(length.saturating_sub(1));
        return String::from_utf8(buffer)
            .map_err(|_| Error::cannot_run(format!("lightgbm: cannot {doing}: not UTF-8")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_has_one_true_name_and_an_unknown_name_a_neighbour() {
        assert_eq!(canonical("num_leaves").unwrap(), "num_leaves");
        assert_eq!(canonical("eta").unwrap(), "learning_rate");
        assert_eq!(
            canonical("num_leafs").unwrap_err().to_string(),
            "unknown LightGBM parameter 'num_leafs'; did you mean 'num_leaf'?"
        );
    }

    #[test]
    fn the_last_value_wins() {
        let mut parameters = Parameters::default();
        parameters.set("a", 1);
        parameters.set("b", "x");
        parameters.set("a", 0.5);
        assert_eq!(parameters.to_string(), "a=0.5 b=x");
    }
}
