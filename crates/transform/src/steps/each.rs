//! Changes texts one by one, and only those that need it.

use polars::prelude::*;
use spec::Result;

use super::is_text;
use crate::plan::Plan;

/// Changes the text columns `named` (all if none are) wherever a text is not `fine`. `change` appends the new text
/// to an empty buffer. What is `fine` is told cheaply: most texts are.
pub(super) fn change_texts<F, C>(plan: &mut Plan, named: &[String], fine: F, change: C) -> Result<()>
where
    F: Fn(&str) -> bool + Clone + Send + Sync + 'static,
    C: Fn(&str, &mut String) + Clone + Send + Sync + 'static,
{
    let columns = plan.pick(named, "string", is_text)?;
    plan.set(columns.iter().map(|name| each(col(name.as_str()), fine.clone(), change.clone())).collect())
}

/// Changes each text that is not `fine` already. Batches in which all are fine pass untouched.
pub(super) fn each<F, C>(text: Expr, fine: F, change: C) -> Expr
where
    F: Fn(&str) -> bool + Send + Sync + 'static,
    C: Fn(&str, &mut String) + Send + Sync + 'static,
{
    text.map(
        move |column| {
            let texts = column.str()?;
            let Some(first) = texts.iter().position(|text| text.is_some_and(|text| !fine(text))) else {
                return Ok(column);
            };
            let mut changed = StringChunkedBuilder::new(texts.name().clone(), texts.len());
            let mut buffer = String::new();
            for (at, text) in texts.iter().enumerate() {
                match text {
                    Some(text) if at >= first && !fine(text) => {
                        buffer.clear();
                        change(text, &mut buffer);
                        changed.append_value(&buffer);
                    }
                    other => changed.append_option(other),
                }
            }
            Ok(changed.finish().into_column())
        },
        |_, field| Ok(field.clone()),
    )
}
