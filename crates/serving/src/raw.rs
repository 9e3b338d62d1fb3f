//! Rows that no table holds yet: their features are computed on request, by the code of the features stage,
//! against the clean tables as they are now.

use std::path::Path;

use artifact::{Artifact, PolarsResultExt, Snapshot, definitions_of};
use featurize::{FeaturesSpec, Prepared};
use polars::prelude::{DataFrame, Schema};
use serde::de::{Deserializer, IgnoredAny};
use spec::{Beside, Environment, Error, Name, Result, Root, Tool};

use crate::cell::Row;
use crate::frame::{frame, once};
use crate::refusal::Refusal;

/// What is computed with.
pub struct Raw {
    prepared: Prepared,
    /// Columns of the clean table, of which a row may have more than the features read.
    known: Vec<String>,
    /// Columns that a new row need not have: its key and its time.
    optional: Vec<String>,
    /// The clean tables, and the spec, that it was made of.
    pub made_of: MadeOf,
}

/// What decides what a row's features are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    pub snapshot: Snapshot,
    pub spec: String,
}

/// The keys of features.yaml that are the shell's.
#[derive(Default)]
struct Gates;

impl Beside for Gates {
    const KEYS: &'static [&'static str] = &["checks", "max_refused"];
    fn read<'de, D: Deserializer<'de>>(&mut self, _: &str, value: D) -> Result<(), D::Error> {
        serde::Deserialize::deserialize(value).map(|IgnoredAny| ())
    }
}

/// Whether the features of the pipeline are those of rows; `None` if it makes none itself.
fn spec_of(root: &Root, pipeline: &Name, env: &Environment) -> Result<Option<(FeaturesSpec, String)>> {
    let file = Path::new("resources").join(pipeline.as_str()).join("features.yaml");
    if !root.join(&file).is_file() {
        return Ok(None);
    }
    let text = spec::text_of(root, &file)?;
    let (loaded, Gates) = spec::parse_with::<FeaturesSpec, Gates>(&text, &file, env)?;
    Ok(Some((loaded.spec, loaded.hash)))
}

impl Raw {
    /// What the pipeline's rows would be computed with now; `None` if its features are those of entities, or made elsewhere.
    pub fn wanted(root: &Root, pipeline: &Name, env: &Environment) -> Result<Option<(FeaturesSpec, MadeOf)>> {
        let Some((spec, hash)) = spec_of(root, pipeline, env)? else { return Ok(None) };
        let before = root.upstream(pipeline, Tool::Features).unwrap_or(Tool::Clean);
        let snapshot = Snapshot::read(&root.join(before.folder(pipeline)))?;
        let snapshot = snapshot.filter(|_| spec.is_of_rows());
        Ok(snapshot.map(|snapshot| (spec, MadeOf { snapshot, spec: hash })))
    }

    /// Reads and indexes the clean tables.
    pub fn open(root: &Root, spec: &FeaturesSpec, made_of: MadeOf) -> Result<Raw> {
        let paths = made_of.snapshot.paths.iter();
        let artifacts: Vec<Artifact> = paths.map(|path| artifact::open(root, path)).collect::<Result<_>>()?;
        artifacts.iter().try_for_each(Artifact::verify)?;
        let made = definitions_of(&artifacts, spec.table())?;
        let spec = spec.inheriting(&made.unwrap_or_default());
        let FeaturesSpec::Rows(of_rows) = &spec else {
            return Err(Error::cannot_run("features belong to entities here"));
        };
        let optional = [of_rows.key.as_ref(), Some(&of_rows.time)].into_iter().flatten().cloned().collect();
        let schema = artifact::scan(&artifacts, spec.table())?.collect_schema().during(spec.table().to_string())?;
        let known = schema.iter_names().map(|name| name.to_string()).collect();
        let prepared = Prepared::open(&spec, &|table| artifact::scan(&artifacts, table), spec.today(artifact::now()))?;
        Ok(Raw { prepared, known, optional, made_of })
    }

    /// The columns of a row, with their types.
    pub fn inputs(&self) -> &Schema {
        self.prepared.inputs()
    }

    /// The columns that a row may have.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(String::as_str)
    }

    /// Whether a row may lack this column.
    pub fn is_optional(&self, column: &str) -> bool {
        self.optional.iter().any(|name| name == column)
    }

    /// The features of rows. Columns of the clean table that no feature reads are ignored.
    ///
    /// Errors (422): see [`frame`]; a row that the features stage would refuse.
    pub fn features(&self, rows: &[Row<'_>]) -> std::result::Result<DataFrame, Refusal> {
        let inputs = self.inputs();
        let is_idle = |name: &str| !inputs.contains(name) && self.known.iter().any(|known| known == name);
        let idle = rows.iter().any(|Row(row)| row.iter().any(|(name, _)| is_idle(name)));
        let table = match idle {
            false => frame(rows, inputs, &self.optional)?,
            true => {
                // Also of a column that nothing reads: the log keeps what was given.
                rows.iter().enumerate().try_for_each(|(at, row)| once(row, (rows.len() > 1).then_some(at)))?;
                let without = rows.iter().map(|row| without(row, &is_idle));
                frame(&without.collect::<Vec<_>>(), inputs, &self.optional)?
            }
        };
        self.prepared.for_rows(&table, artifact::now()).map_err(|error| Refusal::bad_row(&error))
    }
}

/// The row without some of its columns.
fn without<'a>(Row(row): &Row<'a>, columns: &dyn Fn(&str) -> bool) -> Row<'a> {
    Row(row.iter().filter(|(name, _)| !columns(name)).cloned().collect())
}
