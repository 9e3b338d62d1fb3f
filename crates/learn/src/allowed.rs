//! Parameters of a library that may be set by their own names. Libraries accept parameters that have no effect, so each of
//! them has a list of what may be set, and everything else is refused.

use spec::{Error, Result, did_you_mean};

use crate::takes::ParameterType;

/// A parameter that may be set. `N` says what it needs to have an effect.
pub(crate) struct Allowed<N> {
    /// The library's own name for it.
    pub name: &'static str,
    /// Another name that the library accepts, and so does a spec.
    pub alias: Option<&'static str>,
    pub takes: ParameterType,
    pub needs: N,
}

/// The fit for which parameters are set.
pub(crate) struct Setting<'a> {
    /// As the library calls it.
    pub objective: &'a str,
    pub early_stopping: bool,
    /// Whether rows are drawn for each tree, and whether features are.
    pub draws_rows: bool,
    pub draws_features: bool,
    /// Whether there is a column of text; `None` while that is not known.
    pub categories: Option<bool>,
}

/// Parameters under the library's own names, with values that they take.
pub(crate) struct Settled<N: 'static>(Vec<(&'static Allowed<N>, String)>);

impl<N: Copy> Settled<N> {
    /// Reads names and values as they were written; `find` returns the parameter of a name.
    ///
    /// Errors name the parameter as it was written: it is set twice, or does not take its value.
    pub fn read<'a>(
        written: impl IntoIterator<Item = (&'a str, &'a str)>,
        find: impl Fn(&str) -> Result<&'static Allowed<N>>,
    ) -> Result<Settled<N>> {
        let mut settled: Vec<(&'static Allowed<N>, String)> = Vec::new();
        for (written, value) in written {
            let parameter = find(written)?;
            if settled.iter().any(|(known, _)| known.name == parameter.name) {
                return Err(Error::cannot_run(format!("'{}' is set twice, once as '{written}'", parameter.name))
                    .hint("set it once: they are names of one parameter"));
            }
            let value = parameter
                .takes
                .read(value)
                .map_err(|cause| Error::cannot_run(format!("'{written}' is '{}', {cause}", value.escape_debug())))?;
            settled.push((parameter, value));
        }
        Ok(Settled(settled))
    }

    /// The value of a parameter, if it is set.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.name == name).map(|(_, value)| value.as_str())
    }

    /// Refuses a parameter that would have no effect. `missing` says what a need lacks, such as "without `booster: dart`".
    pub fn check_effects(&self, missing: impl Fn(N) -> Option<String>) -> Result<()> {
        for (parameter, _) in &self.0 {
            if let Some(missing) = missing(parameter.needs) {
                return Err(
                    Error::cannot_run(format!("'{}' has no effect {missing}", parameter.name)).hint("leave it out")
                );
            }
        }
        Ok(())
    }

    /// Refuses a value of `metric` that is not among `known`, the metrics of the objective.
    pub fn check_metric(&self, metric: &str, known: &[&str]) -> Result<()> {
        match self.value(metric) {
            Some(value) if !known.contains(&value) => {
                Err(Error::cannot_run(format!("'{metric}' is '{value}', which does not judge this objective"))
                    .hint(did_you_mean(value, known.iter().copied())))
            }
            _ => Ok(()),
        }
    }

    pub fn into_pairs(self) -> Vec<(&'static str, String)> {
        self.0.into_iter().map(|(parameter, value)| (parameter.name, value)).collect()
    }
}

/// The error for a parameter that has a key of its own in the spec, or that must keep its value.
pub(crate) fn cannot_be_set(name: &str, instead: &str) -> Error {
    Error::cannot_run(format!("'{name}' cannot be set here")).hint(instead)
}

/// The error for a parameter that is not on the list.
pub(crate) fn untested<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    Error::cannot_run(format!("'{name}' cannot be set here: it has no effect, or none that was tested"))
        .hint(did_you_mean(name, known))
}
