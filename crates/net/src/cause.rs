//! The cause of an error, in words for people.

use std::error::Error;

/// The innermost cause of `error`, which is what people understand. Wrappers around it often repeat an address, which may
/// hold a secret; the number that the operating system gives an error is left out.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn wrappers_and_numbers_are_left_out() {
        let refused = io::Error::from_raw_os_error(111);
        let wrapped = io::Error::other(io::Error::other(refused));
        assert_eq!(innermost(&wrapped), "connection refused");
        assert_eq!(innermost(&io::Error::other("Just words")), "Just words");
    }
}
