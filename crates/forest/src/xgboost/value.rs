//! Values of a model file, JSON or UBJSON, and how they are read: every error names the place.

use std::borrow::Cow;
use std::fmt;

use crate::checked::{Checked, shown};

/// Deeper than any model; the reader is recursive.
pub(super) const DEEPEST: usize = 32;
/// More than any object of a model has: names are compared with each other.
pub(super) const MOST_NAMES: usize = 4_096;

#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number<'a>),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// A number as its format has it. Texts are kept: a `f32` that is read by way of a `f64` may be rounded twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number<'a> {
    Text(&'a str),
    Whole(i64),
    Single(f32),
    Double(f64),
}

/// What a number may become.
pub(super) trait Wanted: Copy {
    const NAME: &'static str;
    fn of(number: Number<'_>) -> Option<Self>;
}

impl Wanted for f32 {
    const NAME: &'static str = "a number";
    fn of(number: Number<'_>) -> Option<f32> {
        match number {
            // XGBoost's own spelling is Rust's, too: NaN, Infinity.
            Number::Text(text) => text.parse().ok(),
            Number::Whole(number) => Some(number as f32),
            Number::Single(number) => Some(number),
            Number::Double(number) => Some(number as f32),
        }
    }
}

impl Wanted for i64 {
    const NAME: &'static str = "a whole number";
    fn of(number: Number<'_>) -> Option<i64> {
        match number {
            Number::Text(text) => text.parse().ok(),
            Number::Whole(number) => Some(number),
            Number::Single(_) | Number::Double(_) => None,
        }
    }
}

/// A value and where it is.
#[derive(Clone, Copy)]
pub(super) struct At<'v, 'a> {
    value: &'v Value<'a>,
    place: Place<'v>,
}

#[derive(Clone, Copy)]
enum Place<'v> {
    Root,
    Key(&'v Place<'v>, &'v str),
    Item(&'v Place<'v>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => Ok(()),
            Place::Key(Place::Root, name) => f.write_str(name),
            Place::Key(above, name) => write!(f, "{above}.{name}"),
            Place::Item(above, at) => write!(f, "{above}[{at}]"),
        }
    }
}

impl<'v, 'a> At<'v, 'a> {
    pub fn root(value: &'v Value<'a>) -> At<'v, 'a> {
        At { value, place: Place::Root }
    }

    /// What is wrong here, with the place.
    pub fn wrong(&self, cause: impl fmt::Display) -> String {
        match self.place {
            Place::Root => cause.to_string(),
            place => format!("{place}: {cause}"),
        }
    }

    /// The entry of an object.
    pub fn get(&'v self, name: &'v str) -> Checked<At<'v, 'a>> {
        self.get_if_there(name)?.ok_or_else(|| self.wrong(format!("'{name}' is missing")))
    }

    pub fn get_if_there(&'v self, name: &'v str) -> Checked<Option<At<'v, 'a>>> {
        let Value::Object(entries) = self.value else { return Err(self.wrong("not an object")) };
        let found = entries.iter().find(|(known, _)| known == name);
        Ok(found.map(|(_, value)| At { value, place: Place::Key(&self.place, name) }))
    }

    /// The entries of an object by name.
    pub fn entries(&'v self) -> Checked<impl Iterator<Item = (&'v str, At<'v, 'a>)>> {
        let Value::Object(entries) = self.value else { return Err(self.wrong("not an object")) };
        Ok(entries.iter().map(|(name, value)| (&**name, At { value, place: Place::Key(&self.place, name) })))
    }

    /// Refuses entries of other names.
    pub fn only(&self, names: &[&str]) -> Checked<()> {
        let Value::Object(entries) = self.value else { return Err(self.wrong("not an object")) };
        match entries.iter().find(|(name, _)| !names.contains(&&**name)) {
            Some((name, _)) => Err(self.wrong(format!("{} is not known", shown(name)))),
            None => Ok(()),
        }
    }

    /// The items of a list.
    pub fn items(&'v self) -> Checked<impl Iterator<Item = At<'v, 'a>>> {
        let Value::List(items) = self.value else { return Err(self.wrong("not a list")) };
        Ok(items.iter().enumerate().map(|(at, value)| At { value, place: Place::Item(&self.place, at) }))
    }

    pub fn text(&self) -> Checked<&'v str> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("not a text")),
        }
    }

    pub fn texts(&self) -> Checked<Vec<String>> {
        self.items()?.map(|item| item.text().map(str::to_owned)).collect()
    }

    pub fn number<T: Wanted>(&self) -> Checked<T> {
        let number = match self.value {
            Value::Number(number) => T::of(*number),
            Value::Bool(value) => T::of(Number::Whole(i64::from(*value))),
            _ => None,
        };
        number.ok_or_else(|| self.wrong(format!("not {}", T::NAME)))
    }

    pub fn numbers<T: Wanted>(&self) -> Checked<Vec<T>> {
        self.items()?.map(|item| item.number()).collect()
    }

    /// A list of as many numbers as are wanted.
    pub fn as_many<T: Wanted>(&self, wanted: usize) -> Checked<Vec<T>> {
        let numbers = self.numbers()?;
        match numbers.len() == wanted {
            true => Ok(numbers),
            false => Err(self.wrong(format!("has {} entries, not {wanted}", numbers.len()))),
        }
    }

    /// A number that is written as a text, as XGBoost writes parameters.
    pub fn parameter<T: Wanted>(&self) -> Checked<T> {
        let text = self.text()?;
        T::of(Number::Text(text)).ok_or_else(|| self.wrong(format!("{} is not {}", shown(text), T::NAME)))
    }
}
