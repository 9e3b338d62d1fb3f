//! Changes of texts, one text at a time: several in a row are one pass over the column.

use std::sync::Arc;

use polars::prelude::*;

type Change = dyn Fn(&str, &mut String) -> bool + Send + Sync;

/// A change of one text.
#[derive(Clone)]
pub(crate) struct TextChange(Arc<Change>);

impl TextChange {
    /// Changes texts that are not `fine`: `change` appends the new text to an empty buffer. What is `fine` is told
    /// cheaply: most texts are.
    pub fn new(
        fine: impl Fn(&str) -> bool + Send + Sync + 'static,
        change: impl Fn(&str, &mut String) + Send + Sync + 'static,
    ) -> TextChange {
        TextChange(Arc::new(move |text, into| {
            let changes = !fine(text);
            if changes {
                change(text, into);
            }
            changes
        }))
    }
}

/// A text column after all `changes`, in order. Batches in which nothing changes pass untouched.
pub(crate) fn changed(text: Expr, changes: Vec<TextChange>) -> Expr {
    text.map(
        move |column| {
            let texts = column.str()?;
            let mut desk = Desk::default();
            let Some(first) = texts.iter().position(|text| text.is_some_and(|text| desk.change(text, &changes))) else {
                return Ok(column);
            };
            let mut changed = StringChunkedBuilder::new(texts.name().clone(), texts.len());
            for (at, text) in texts.iter().enumerate() {
                match text {
                    Some(text) if at >= first && desk.change(text, &changes) => changed.append_value(&desk.text),
                    other => changed.append_option(other),
                }
            }
            Ok(changed.finish().into_column())
        },
        |_, field| Ok(field.clone()),
    )
}

/// Where one text after the other is worked on.
#[derive(Default)]
struct Desk {
    text: String,
    next: String,
}

impl Desk {
    /// Leaves the changed text in `self.text`; false if nothing changes it.
    fn change(&mut self, text: &str, changes: &[TextChange]) -> bool {
        let mut is_changed = false;
        for TextChange(change) in changes {
            self.next.clear();
            if change(if is_changed { &self.text } else { text }, &mut self.next) {
                std::mem::swap(&mut self.text, &mut self.next);
                is_changed = true;
            }
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_sees_what_the_one_before_left() {
        let double = TextChange::new(|text| text.len() > 2, |text, into| into.push_str(&text.repeat(2)));
        let exclaim = TextChange::new(|text| text.len() < 4, |text, into| into.extend([text, "!"]));
        let all = vec![double.clone(), double, exclaim];
        let table = df!("a" => [Some("long"), Some("abc"), None, Some("x"), Some("ab"), Some("")]).unwrap();
        let done = table.lazy().select([changed(col("a"), all)]).collect().unwrap();
        assert_eq!(
            done,
            df!("a" => [Some("long!"), Some("abc"), None, Some("xxxx!"), Some("abab!"), Some("")]).unwrap()
        );
    }
}
