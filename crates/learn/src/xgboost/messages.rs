//! What XGBoost has to say: return codes become errors, and warnings are kept.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int};

use spec::{Error, Result};

use super::Library;

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static HEARD: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Library {
    /// Runs a function that returns 0 or -1. `doing` completes "cannot …".
    pub(super) fn call(&self, doing: &str, function: impl FnOnce() -> c_int) -> Result<()> {
        // XGBoost holds its callback per thread; without one it prints to stderr.
        if !LISTENING.replace(true) {
            // SAFETY: `hear` is a function of the type that XGBoost calls, lives as long as the program, and does not
            // unwind.
            unsafe { (self.listen)(hear) };
        }
        if function() == 0 {
            return Ok(());
        }
        // SAFETY: XGBoost returns a NUL-terminated text of this thread, which only its next call can change; it is copied
        // before that.
        let cause = unsafe { CStr::from_ptr((self.last_error)()) }.to_string_lossy().into_owned();
        Err(Error::cannot_run(format!("xgboost: cannot {doing}: {}", plain(&cause))))
    }
}

/// What XGBoost warned of on this thread since the last time, each warning once.
pub(crate) fn take_warnings() -> Vec<String> {
    let heard = HEARD.take();
    let mut warnings: Vec<String> = Vec::new();
    for message in heard.split('\0').filter(|message| !message.is_empty()) {
        let warning = plain(message);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

/// A message without time, place in XGBoost's source and stack: `[12:00:00] WARNING: /src/learner.cc:782: cause`.
fn plain(message: &str) -> String {
    let message = message.split("Stack trace:").next().unwrap_or_default();
    let mut words: Vec<&str> = message.split_whitespace().collect();
    let is_time = |word: &str| word.starts_with('[') && word.ends_with(']') && word.matches(':').count() == 2;
    let is_place = |word: &str| {
        let place = word.trim_end_matches(':').rsplit_once(':');
        place.is_some_and(|(file, line)| {
            [".cc", ".h", ".cpp"].iter().any(|end| file.ends_with(end))
                && line.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    words.retain(|word| !is_time(word) && !is_place(word) && *word != "WARNING:");
    let text = words.join(" ");
    match text.strip_prefix("Check failed: ") {
        // A condition of theirs, then perhaps what it means.
        Some(condition) => match condition.split_once(" : ") {
            Some((_, meaning)) if !meaning.is_empty() => meaning.trim_end_matches('.').to_owned(),
            _ => format!("this must hold: {}", condition.trim_end_matches([':', ' '])),
        },
        None => text.trim_end_matches('.').to_owned(),
    }
}

unsafe extern "C" fn hear(message: *const c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: XGBoost passes a NUL-terminated text that lives until this function returns.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    // A thread that is ending, or one that reads its messages, records nothing: never a panic within C++.
    let _ = HEARD.try_with(|heard| {
        if let Ok(mut heard) = heard.try_borrow_mut() {
            heard.push_str(&text);
            heard.push('\0');
        }
    });
}

/// A text as C wants it.
pub(super) fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::cannot_run(format!("xgboost: '{}' holds a zero byte", text.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn causes_name_no_file_of_the_library() {
        for (theirs, ours) in [
            (
                "[00:18:12] /workspace/src/tree/updater_colmaker.cc:111: Updater `exact` doesn't support categories.\nStack \
                 trace:\n  [bt] (0) /lib/libxgboost.so(+0x11031e)",
                "Updater `exact` doesn't support categories",
            ),
            (
                "[00:18:12] WARNING: /workspace/src/learner.cc:782: \nParameters: { \"huber_slope\" } are not used.\n",
                "Parameters: { \"huber_slope\" } are not used",
            ),
            (
                "[00:18:12] /workspace/src/learner.cc:267: Check failed: base_score_.Size() >= 1 (0 vs. 1) : Model is not \
                 fitted.\nStack trace:",
                "Model is not fitted",
            ),
            ("[1:2:3] /a/b.h:7: Check failed: x > 1 (0 vs. 1) : ", "this must hold: x > 1 (0 vs. 1)"),
            ("Invalid Parameter format for eta", "Invalid Parameter format for eta"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }
}
