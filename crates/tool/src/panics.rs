//! A panic is a defect of ours, never the user's: it ends the run with an error like any other, in our words, recorded
//! and
//! reported, with nothing left half-done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use spec::{Error, Result};

/// The message and place of the first panic of this process. Later ones are its consequences.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From now on panics print nothing. With `RUST_BACKTRACE` set they print as Rust does, for anyone who
/// looks for the defect.
pub fn keep_quiet() {
    let usual = std::panic::take_hook();
    let wanted = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |info| {
        if wanted {
            usual(info);
        }
        let place = info.location().map(|place| format!(" ({}:{})", file_name(place.file()), place.line()));
        let said = format!("{}{}", info.payload_as_str().unwrap_or("no message"), place.unwrap_or_default());
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(said);
    }));
}

/// Does `work`. A panic within becomes an error of class "could not run".
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let said = first.unwrap_or_else(|| "no message".to_owned());
        Err(Error::cannot_run(format!("an internal error: {}", spec::text::one_line(&said)))
            .hint("this is a defect of the tool, not of your data; please report it with this text and the command"))
    })
}

/// The last two parts of a path of the sources: paths of the machine that built the tool say nothing to its user.
fn file_name(path: &str) -> String {
    let parts: Vec<&str> = path.rsplit('/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_place_and_the_way_out() {
        keep_quiet();
        let error = caught(|| -> Result<()> { panic!("a list\nwithout end") }).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("an internal error: a list without end (src/panics.rs:"), "{text}");
        assert!(text.ends_with("please report it with this text and the command"), "{text}");
        assert_eq!(caught(|| Ok(1)).unwrap(), 1);
    }
}
