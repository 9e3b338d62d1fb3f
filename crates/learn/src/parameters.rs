//! Parameters of a library: pairs of names and values.

use std::fmt::{self, Display, Write};

/// Names and values in the order in which they were set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Sets a parameter, in place of its earlier value if it had one.
    pub fn set(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Those of these names.
    pub fn only(&self, names: &[&str]) -> Parameters {
        Parameters(self.0.iter().filter(|(known, _)| names.contains(&known.as_str())).cloned().collect())
    }

    /// All but one.
    #[cfg(test)]
    pub fn without(&self, name: &str) -> Parameters {
        Parameters(self.0.iter().filter(|(known, _)| known != name).cloned().collect())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a parameter that was set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Display for Parameters {
    /// As LightGBM's C interface reads them: `name=value name=value`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            write!(f, "{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_wins() {
        let mut parameters = Parameters::default();
        parameters.set("a", 1);
        parameters.set("b", "x");
        parameters.set("a", 0.5);
        assert_eq!(parameters.to_string(), "a=0.5 b=x");
        assert_eq!(parameters.iter().collect::<Vec<_>>(), [("a", "0.5"), ("b", "x")]);
    }
}
