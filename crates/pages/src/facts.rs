//! Lists of names and values.

use crate::{Element, Html, el};

/// What is known about one thing, name by name.
#[derive(Clone, Debug, Default)]
pub struct Facts(Vec<(Html, Html)>);

impl Facts {
    pub fn new() -> Facts {
        Facts::default()
    }

    pub fn fact(mut self, name: impl Into<Html>, value: impl Into<Html>) -> Facts {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Adds a fact that may be unknown; then it is left out.
    pub fn fact_if(self, name: impl Into<Html>, value: Option<impl Into<Html>>) -> Facts {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Facts> for Element {
    fn from(facts: Facts) -> Element {
        let pair = |(name, value)| el("div").add(el("dt").add(name)).add(el("dd").add(value));
        el("dl").class("facts").all(facts.0.into_iter().map(pair))
    }
}

impl From<Facts> for Html {
    fn from(facts: Facts) -> Html {
        Element::from(facts).into()
    }
}
