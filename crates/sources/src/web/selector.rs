//! CSS selectors: which elements of a page are meant.
//!
//! Selectors Level 4 without what needs a browser (`:hover`) or namespaces, and with `:contains("text")`, which libraries
//! for reading pages share. A selector that is not known is refused when the file is read, and never matches nothing
//! silently.

mod parse;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::document::{Document, Element, Id};

/// A list of selectors, any of which may match.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Selector {
    text: String,
    any: Vec<Complex>,
}

/// Compound selectors with what combines each with the one before it, from left to right.
#[derive(Clone, Debug, PartialEq)]
struct Complex(Vec<(Combinator, Vec<Simple>)>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Combinator {
    /// A space.
    Within,
    /// `>`
    Child,
    /// `+`
    Next,
    /// `~`
    After,
}

/// One condition on one element.
#[derive(Clone, Debug, PartialEq)]
enum Simple {
    Any,
    Type(String),
    Id(String),
    Class(String),
    Attribute {
        name: String,
        test: Test,
        ignore_case: bool,
    },
    /// The element's place among its siblings, counted from the start or the end, of all or of those of its type:
    /// `step * n + first` for some n from 0 on.
    Nth {
        step: i64,
        first: i64,
        from_end: bool,
        of_type: bool,
    },
    Not(Vec<Complex>),
    Is(Vec<Complex>),
    Has(Vec<Complex>),
    Contains(String),
    Empty,
    Root,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    There,
    Is(String),
    /// `~=`
    Word(String),
    /// `|=`
    Dash(String),
    Starts(String),
    Ends(String),
    Holds(String),
}

/// Attributes whose values HTML compares without regard to upper and lower case.
/// Source: HTML Standard, 4.16.2 "Case-sensitivity of selectors".
const CASELESS: [&str; 46] = [
    "accept",
    "accept-charset",
    "align",
    "alink",
    "axis",
    "bgcolor",
    "charset",
    "checked",
    "clear",
    "codetype",
    "color",
    "compact",
    "declare",
    "defer",
    "dir",
    "direction",
    "disabled",
    "enctype",
    "face",
    "frame",
    "hreflang",
    "http-equiv",
    "lang",
    "language",
    "link",
    "media",
    "method",
    "multiple",
    "nohref",
    "noresize",
    "noshade",
    "nowrap",
    "readonly",
    "rel",
    "rev",
    "rules",
    "scope",
    "scrolling",
    "selected",
    "shape",
    "target",
    "text",
    "type",
    "valign",
    "valuetype",
    "vlink",
];

impl Selector {
    /// The elements within `top`, and `top` itself, that match; in the order of the page.
    pub(crate) fn select(&self, page: &Document, top: Id) -> Vec<Id> {
        page.within(top).filter(|id| page.element(*id).is_some() && matches_any(&self.any, page, *id, None)).collect()
    }
}

/// Whether an element matches; `scope`: only elements within it count as ancestors and siblings.
fn matches_any(any: &[Complex], page: &Document, id: Id, scope: Option<Id>) -> bool {
    any.iter().any(|complex| matches(&complex.0, page, id, scope))
}

/// Matches from the right, with every way that a combinator leaves open.
fn matches(parts: &[(Combinator, Vec<Simple>)], page: &Document, id: Id, scope: Option<Id>) -> bool {
    let Some(((combinator, simple), before)) = parts.split_last() else { return true };
    let Some(element) = page.element(id) else { return false };
    if !simple.iter().all(|simple| simple.matches(page, id, element)) {
        return false;
    }
    if before.is_empty() {
        // The first compound within `:has()` is related to the element that has it.
        return match (combinator, scope) {
            (_, None) | (Combinator::Within, _) => true,
            (Combinator::Child, Some(scope)) => page.parent(id) == Some(scope),
            (Combinator::Next, Some(scope)) => page.elements_before(id).next() == Some(scope),
            (Combinator::After, Some(scope)) => page.elements_before(id).any(|other| other == scope),
        };
    }
    let outer = |id: Id| page.parent_element(id).filter(|parent| Some(*parent) != scope);
    match combinator {
        Combinator::Child => outer(id).is_some_and(|parent| matches(before, page, parent, scope)),
        Combinator::Within => {
            std::iter::successors(outer(id), |node| outer(*node)).any(|node| matches(before, page, node, scope))
        }
        Combinator::Next => page.elements_before(id).next().is_some_and(|node| matches(before, page, node, scope)),
        Combinator::After => page.elements_before(id).any(|node| matches(before, page, node, scope)),
    }
}

impl Simple {
    fn matches(&self, page: &Document, id: Id, element: &Element) -> bool {
        match self {
            Simple::Any => true,
            Simple::Type(name) => element.name().eq_ignore_ascii_case(name),
            Simple::Id(name) => element.attribute("id") == Some(name),
            Simple::Class(name) => words(element.attribute("class")).any(|class| class == name),
            Simple::Attribute { name, test, ignore_case } => {
                element.attribute(name).is_some_and(|value| test.holds(value, *ignore_case))
            }
            Simple::Nth { step, first, from_end, of_type } => {
                let counts =
                    |other: &Id| !*of_type || page.element(*other).is_some_and(|other| other.name() == element.name());
                let others = match from_end {
                    false => page.elements_before(id).filter(counts).count(),
                    true => page.elements_after(id).filter(counts).count(),
                };
                let past = others as i64 + 1 - first;
                match step {
                    0 => past == 0,
                    step => past % step == 0 && past / step >= 0,
                }
            }
            Simple::Not(any) => !matches_any(any, page, id, None),
            Simple::Is(any) => matches_any(any, page, id, None),
            Simple::Has(any) => any.iter().any(|complex| has(complex, page, id)),
            Simple::Contains(text) => page.text(id).contains(text),
            Simple::Empty => page
                .children(id)
                .all(|child| page.element(child).is_none() && page.text_of(child).is_none_or(str::is_empty)),
            Simple::Root => page.parent_element(id).is_none(),
        }
    }
}

/// Whether an element in this relation to `anchor` matches.
fn has(complex: &Complex, page: &Document, anchor: Id) -> bool {
    let is_beside = matches!(complex.0.first(), Some((Combinator::Next | Combinator::After, _)));
    let fits = |id: Id| matches(&complex.0, page, id, Some(anchor));
    match is_beside {
        false => page.within(anchor).skip(1).any(fits),
        true => page.elements_after(anchor).any(|sibling| page.within(sibling).any(fits)),
    }
}

impl Test {
    fn holds(&self, value: &str, ignore_case: bool) -> bool {
        let with = |wanted: &str, test: fn(&str, &str) -> bool| match ignore_case {
            true => test(&value.to_ascii_lowercase(), &wanted.to_ascii_lowercase()),
            false => test(value, wanted),
        };
        match self {
            Test::There => true,
            Test::Is(wanted) => with(wanted, |value, wanted| value == wanted),
            Test::Word(wanted) => with(wanted, |value, wanted| words(Some(value)).any(|word| word == wanted)),
            Test::Dash(wanted) => with(wanted, |value, wanted| {
                value.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            }),
            // Empty values match nothing.
            Test::Starts(wanted) => with(wanted, |value, wanted| !wanted.is_empty() && value.starts_with(wanted)),
            Test::Ends(wanted) => with(wanted, |value, wanted| !wanted.is_empty() && value.ends_with(wanted)),
            Test::Holds(wanted) => with(wanted, |value, wanted| !wanted.is_empty() && value.contains(wanted)),
        }
    }
}

fn words(value: Option<&str>) -> impl Iterator<Item = &str> {
    value.unwrap_or_default().split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Selector) -> bool {
        self.any == other.any
    }
}

impl std::str::FromStr for Selector {
    type Err = String;
    fn from_str(text: &str) -> Result<Selector, String> {
        Ok(Selector { text: text.trim().to_owned(), any: parse::list(text)? })
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
        spec::read_text(deserializer, "a CSS selector", str::parse)
    }
}

#[cfg(test)]
mod tests;
