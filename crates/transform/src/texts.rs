//! Changes of texts, one text at a time: several in a row are one pass over the column.

use std::sync::Arc;

use polars::prelude::*;

use crate::operation::TextRule;

/// A text column after all `rules`, in order. Texts that repeat within a batch are changed once; batches in which
/// nothing changes pass untouched.
pub(crate) fn changed(text: Expr, rules: Vec<Arc<dyn TextRule>>) -> Expr {
    text.map(
        move |column| {
            let texts = column.str()?;
            let Distinct { firsts, numbers } = Distinct::of(texts);
            let text = |number: usize| texts.get(firsts[number] as usize);
            let mut scratch = Scratch::default();
            let mut all = 0..firsts.len();
            let Some(first) = all.find(|number| text(*number).is_some_and(|text| scratch.change(text, &rules))) else {
                return Ok(column);
            };
            let mut changed = StringChunkedBuilder::new(texts.name().clone(), firsts.len());
            (0..first).for_each(|number| changed.append_option(text(number)));
            changed.append_value(&scratch.text);
            for number in all {
                match text(number) {
                    Some(text) if scratch.change(text, &rules) => changed.append_value(&scratch.text),
                    other => changed.append_option(other),
                }
            }
            Ok(changed.finish().take(&IdxCa::from_vec(texts.name().clone(), numbers))?.into_column())
        },
        |_, field| Ok(field.clone()),
    )
}

/// The distinct texts of a batch, as far as their views show: equal views of a chunk are equal texts, and what comes
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

/// The buffers in which one text after the other is changed.
#[derive(Default)]
struct Scratch {
    text: String,
    next: String,
}

impl Scratch {
    /// Leaves the changed text in `self.text`; false if nothing changes it.
    fn change(&mut self, text: &str, rules: &[Arc<dyn TextRule>]) -> bool {
        let mut is_changed = false;
        for rule in rules {
            let before = if is_changed { &self.text } else { text };
            let is_fine = rule.is_fine(before);
            // `unshout`, and rules that tests make up, judge the text in `is_fine`; for all others that is a short cut.
            #[cfg(test)]
            if is_fine && !["Unshout", "a rule of a test"].contains(&format!("{rule:?}").as_str()) {
                let mut same = String::new();
                rule.change(before, &mut same);
                assert_eq!(same, before, "{rule:?} calls it fine");
            }
            if !is_fine {
                self.next.clear();
                rule.change(before, &mut self.next);
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

    /// A rule of two functions.
    struct Of<F, C>(F, C);

    impl<F, C> std::fmt::Debug for Of<F, C> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a rule of a test")
        }
    }

    impl<F: Fn(&str) -> bool + Send + Sync, C: Fn(&str, &mut String) + Send + Sync> TextRule for Of<F, C> {
        fn name(&self) -> &'static str {
            "test"
        }
        fn is_fine(&self, text: &str) -> bool {
            self.0(text)
        }
        fn change(&self, text: &str, into: &mut String) {
            self.1(text, into);
        }
    }

    #[test]
    fn each_change_sees_what_the_one_before_left() {
        let double: Arc<dyn TextRule> =
            Arc::new(Of(|text: &str| text.len() > 2, |text: &str, into: &mut String| into.push_str(&text.repeat(2))));
        let exclaim =
            Arc::new(Of(|text: &str| text.len() < 4, |text: &str, into: &mut String| into.extend([text, "!"])));
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
        let shout: Arc<dyn TextRule> = Arc::new(Of(
            |text: &str| text.is_empty(),
            move |text: &str, into: &mut String| {
                seen.lock().unwrap().push(text.to_owned());
                into.push_str(&text.to_uppercase());
            },
        ));
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
