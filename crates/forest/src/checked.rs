//! What readers of all formats share: results of checks, and how a part of a file is shown.

/// What a check found wrong, as a lower-case fragment without the place.
pub(crate) type Checked<T> = Result<T, String>;

/// A part of the text, short and on one line.
pub(crate) fn shown(text: &str) -> String {
    format!("'{}'", spec::text::cut(text, 41).escape_debug())
}
