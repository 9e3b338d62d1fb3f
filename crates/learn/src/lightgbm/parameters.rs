//! The names of LightGBM's parameters.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use lightgbm3_sys as sys;
use spec::{Error, Result, did_you_mean};

use super::api::call;

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

/// A text of unknown length: requests it with a buffer that may be too small, then with one that is not.
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
}
