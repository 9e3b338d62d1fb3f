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

/// A text column after all `changes`, in order. Texts that repeat within a batch are changed once; batches in which
/// nothing changes pass untouched.
pub(crate) fn changed(text: Expr, changes: Vec<TextChange>) -> Expr {
    text.map(
        move |column| {
            let texts = column.str()?;
            let Distinct { firsts, numbers } = Distinct::of(texts);
            let text = |number: usize| texts.get(firsts[number] as usize);
            let mut desk = Desk::default();
            let mut all = 0..firsts.len();
            let Some(first) = all.find(|number| text(*number).is_some_and(|text| desk.change(text, &changes))) else {
                return Ok(column);
            };
            let mut changed = StringChunkedBuilder::new(texts.name().clone(), firsts.len());
            (0..first).for_each(|number| changed.append_option(text(number)));
            changed.append_value(&desk.text);
            for number in all {
                match text(number) {
                    Some(text) if desk.change(text, &changes) => changed.append_value(&desk.text),
                    other => changed.append_option(other),
                }
            }
            Ok(changed.finish().take(&IdxCa::from_vec(texts.name().clone(), numbers))?.into_column())
        },
        |_, field| Ok(field.clone()),
    )
}

/// The distinct texts of a batch, as far as their views tell: equal views of a chunk are equal texts, and what comes
/// out of a Parquet dictionary has equal views. Nothing is read to find them.
struct Distinct {
    /// Where each of them comes first.
    firsts: Vec<IdxSize>,
    /// For each row, which of them it is.
    numbers: Vec<IdxSize>,
}

impl Distinct {
    fn of(texts: &StringChunked) -> Distinct {
        let mut firsts = Vec::new();
        let mut numbers = Vec::with_capacity(texts.len());
        let mut known = PlHashMap::new();
        for chunk in texts.downcast_iter() {
            known.clear();
            for (view, text) in chunk.views().iter().zip(chunk.iter()) {
                // A row that is null has any view.
                let number = known.entry(text.map(|_| view.as_u128())).or_insert_with(|| {
                    firsts.push(numbers.len() as IdxSize);
                    firsts.len() as IdxSize - 1
                });
                numbers.push(*number);
            }
        }
        Distinct { firsts, numbers }
    }
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

    #[test]
    fn texts_that_repeat_are_changed_once_and_stand_where_they_stood() {
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = asked.clone();
        let shout = TextChange::new(
            |text| text.is_empty(),
            move |text, into| {
                seen.lock().unwrap().push(text.to_owned());
                into.push_str(&text.to_uppercase());
            },
        );
        let long = "a text that does not fit into its view";
        let texts = StringChunked::new("a".into(), [Some(long), None, Some("b"), Some("")]);
        // As a dictionary gives them: the same views again; and a second chunk, whose views are its own.
        let rows = IdxCa::from_vec("".into(), vec![0, 1, 0, 2, 3, 2, 0]);
        let mut all = texts.take(&rows).unwrap();
        all.append(&StringChunked::new("a".into(), [Some("b"), None, Some("another text of more than twelve bytes")]))
            .unwrap();
        let table = all.into_series().into_frame();
        let done = table.lazy().select([changed(col("a"), vec![shout])]).collect().unwrap();
        let upper = long.to_uppercase();
        let upper = Some(upper.as_str());
        let other = Some("ANOTHER TEXT OF MORE THAN TWELVE BYTES");
        let expected = [upper, None, upper, Some("B"), Some(""), Some("B"), upper, Some("B"), None, other];
        assert_eq!(done, df!("a" => expected).unwrap());
        let asked = asked.lock().unwrap();
        let times = |text: &str| asked.iter().filter(|asked| *asked == text).count();
        assert_eq!((times(long), times("b"), asked.len()), (1, 2, 4), "{asked:?}");
    }
}
