//! The part of every stage's file that the shell reads: gates by table. Every name in them must exist.

use std::path::Path;

use checks::{Check, Checks};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use spec::{Beside, Environment, Error, Loaded, Name, Result, Root, did_you_mean};

use crate::describe::{DESCRIBE, Descriptions};
use crate::output::Output;
use crate::refusals::{MAX_REFUSED, MaxRefused};
use crate::{Job, Stage};

/// The key of the gates.
const CHECKS: &str = "checks";

/// The keys that every stage's file may have beside its own.
#[derive(Default)]
struct Gates {
    /// What must hold before a table is published, by table.
    checks: Checks,
    /// The largest share of rows that the stage may refuse because it cannot read them.
    max_refused: MaxRefused,
    /// Descriptions of the tables.
    described: Descriptions,
}

impl Beside for Gates {
    const KEYS: &'static [&'static str] = &[CHECKS, MAX_REFUSED, DESCRIBE];

    fn read<'de, D: Deserializer<'de>>(&mut self, key: &str, value: D) -> Result<(), D::Error> {
        match key {
            CHECKS => self.checks = Checks::deserialize(value)?,
            DESCRIBE => self.described = Descriptions::deserialize(value)?,
            _ => self.max_refused = MaxRefused::deserialize(value)?,
        }
        Ok(())
    }
}

/// A stage's file, as checked as it can be before anything is read.
pub struct StageSpec<S: Stage> {
    /// The body of the file.
    pub body: S::Spec,
    /// The gates by table; each is a table that the stage publishes.
    pub checks: Checks,
    /// The largest share of rows that the stage may refuse as unreadable.
    pub max_refused: MaxRefused,
    /// What people say of the tables; each is a table that the stage publishes.
    pub described: Descriptions,
    /// Hash of the file and of the variables it read.
    pub hash: String,
}

/// Reads a stage's file from its text; `file` is for error messages. A table under `checks` that the stage does not
/// publish is an error that names the nearest one, for its checks would never be judged.
pub fn read_spec<S: Stage>(text: &str, file: &Path, env: &Environment) -> Result<StageSpec<S>> {
    let (Loaded { spec: body, hash }, gates) = spec::parse_with::<S::Spec, Gates>(text, file, env)?;
    S::fault(&body).map_or(Ok(()), |error| Err(error.placed(text, file)))?;
    let tables = S::tables(&body);
    for table in &tables {
        // Files are called after tables: a name must not lead out of the stage's folder, nor break a list of paths.
        Name::new(table.as_str()).map_err(|error| error.at("tables").placed(text, file))?;
    }
    let Gates { checks, max_refused, described } = gates;
    let named = checks.names().map(|name| (CHECKS, name)).chain(max_refused.names().map(|name| (MAX_REFUSED, name)));
    let named = named.chain(described.names().map(|name| (DESCRIBE, name)));
    for (key, unknown) in named {
        if !tables.iter().any(|table| table == unknown) {
            let place = spec::place_in(text, file, &[key, unknown]);
            return Err(Error::cannot_run(format!("{place}: {key}: {} publishes no table '{unknown}'", S::TOOL))
                .hint(did_you_mean(unknown, tables.iter().map(String::as_str))));
        }
    }
    Ok(StageSpec { body, checks, max_refused, described, hash })
}

/// The body of the file of another stage than the one that runs, with the hash that the evidence of its outputs holds.
/// `file`
/// is relative to `root`.
pub fn body_of<T: DeserializeOwned>(root: &Root, file: &Path, env: &Environment) -> Result<Loaded<T>> {
    spec::parse_with::<T, Gates>(&spec::text_of(root, file)?, file, env).map(|(loaded, _)| loaded)
}

/// The JSON Schema of a stage's file.
pub(crate) fn schema<S: Stage>() -> serde_json::Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let checks = generator.subschema_for::<Checks>();
    let max_refused = generator.subschema_for::<MaxRefused>();
    let described = generator.subschema_for::<Descriptions>();
    let mut schema = generator.into_root_schema_for::<S::Spec>().to_value();
    schema["properties"][CHECKS] = checks.to_value();
    schema["properties"][MAX_REFUSED] = max_refused.to_value();
    schema["properties"][DESCRIBE] = described.to_value();
    schema
}

/// The order in which outputs are written, as indexes: a table comes after those that it is made from and those that its checks
/// refer to. Otherwise that of the spec. A reference to a table that is neither published nor read is an error, as is a circle.
pub fn order<S: Stage>(job: &Job<S>, outputs: &[Output]) -> Result<Vec<usize>> {
    let names: Vec<Option<&str>> = outputs.iter().map(Output::table).collect();
    for (table, checks) in job.checks.iter() {
        for (at, check) in checks.iter().enumerate() {
            let Some(other) = check.refers_to() else { continue };
            let is_read = || job.artifacts.iter().any(|artifact| artifact.is_table() && artifact.table == other);
            if !names.contains(&Some(other)) && !is_read() {
                return Err(unknown_reference(job, table, (at, check), other, &names));
            }
        }
    }
    let refers = |from: usize| -> Vec<usize> {
        let checks = names[from].and_then(|name| job.checks.get(name)).into_iter().flatten();
        let needs: &[String] = match &outputs[from] {
            Output::Derived(derived) => &derived.needs,
            _ => &[],
        };
        let others = checks.filter_map(Check::refers_to).chain(needs.iter().map(String::as_str));
        let others: Vec<&str> = others.filter(|other| names[from] != Some(*other)).collect();
        (0..names.len()).filter(|at| names[*at].is_some_and(|name| others.contains(&name))).collect()
    };
    let mut order = Vec::new();
    for start in 0..outputs.len() {
        visit(start, &refers, &mut Vec::new(), &mut order).map_err(|circle| {
            let circle: Vec<String> = circle.iter().filter_map(|at| Some(format!("'{}'", names[*at]?))).collect();
            Error::cannot_run(format!("{CHECKS}: the tables {} refer to each other in a cycle", circle.join(" → ")))
                .hint("none of them can be checked first: take out one of these checks 'references'")
        })?;
    }
    Ok(order)
}

/// Puts what `at` refers to before it; an error is the way round a circle.
fn visit(
    at: usize,
    refers: &dyn Fn(usize) -> Vec<usize>,
    way: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Result<(), Vec<usize>> {
    if order.contains(&at) {
        return Ok(());
    }
    if let Some(start) = way.iter().position(|before| *before == at) {
        return Err(way[start..].iter().copied().chain([at]).collect());
    }
    way.push(at);
    for other in refers(at) {
        visit(other, refers, way, order)?;
    }
    way.pop();
    order.push(at);
    Ok(())
}

fn unknown_reference<S: Stage>(
    job: &Job<S>,
    table: &str,
    (at, check): (usize, &Check),
    other: &str,
    published: &[Option<&str>],
) -> Error {
    let read = job.artifacts.iter().filter(|artifact| artifact.is_table()).map(|artifact| artifact.table.as_str());
    let mut known: Vec<&str> = published.iter().flatten().copied().chain(read).collect();
    known.sort_unstable();
    known.dedup();
    let file = job.root.spec(&job.pipeline, S::TOOL).unwrap_or_default();
    let index = at.to_string();
    let place = spec::place(&job.root, &file, &[CHECKS, table, &index, check.name(), "table"])
        .unwrap_or_else(|_| file.display().to_string());
    let what = format!("table '{table}': check {} '{}'", at + 1, check.name());
    Error::cannot_run(format!("{place}: {what}: no table '{other}' is published or read here"))
        .hint(did_you_mean(other, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order_of(refers: &[&[usize]]) -> Result<Vec<usize>, Vec<usize>> {
        let mut order = Vec::new();
        for start in 0..refers.len() {
            visit(start, &|at| refers[at].to_vec(), &mut Vec::new(), &mut order)?;
        }
        Ok(order)
    }

    #[test]
    fn what_is_referred_to_comes_first_and_the_rest_stays_in_order() {
        assert_eq!(order_of(&[&[], &[], &[]]), Ok(vec![0, 1, 2]));
        assert_eq!(order_of(&[&[2], &[], &[3], &[]]), Ok(vec![3, 2, 0, 1]));
        assert_eq!(order_of(&[&[1, 2], &[2], &[]]), Ok(vec![2, 1, 0]));
        assert_eq!(order_of(&[&[], &[2], &[3], &[1]]), Err(vec![1, 2, 3, 1]));
    }
}
