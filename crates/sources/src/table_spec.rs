//! A table of `ingest.yaml`: its source and its columns.

use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Error, Map, Redactor, Result};

use crate::SourceSpec;
use crate::column_spec::ColumnSpec;
use crate::file_spec::Paths;
use crate::incremental::Reach;

/// A table: where its rows come from, and what its columns are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct TableSpec {
    pub source: SourceSpec,
    pub fallback: Option<SourceSpec>,
    pub columns: Option<Map<ColumnSpec>>,
    pub schema: SchemaContract,
    /// Whether earlier runs read records of it, to which this one adds.
    pub(crate) adds: bool,
}

/// What happens to a run whose source has other columns than in the last run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaContract {
    /// The table takes them as they are; each change is a warning, and recorded.
    #[default]
    Evolve,
    /// A column that is new, gone or of another type refuses the run.
    Refuse,
    /// A column that is new or gone refuses the run; types may change.
    RefuseColumns,
}

impl SchemaContract {
    /// As written in YAML.
    pub fn name(self) -> &'static str {
        match self {
            SchemaContract::Evolve => "evolve",
            SchemaContract::Refuse => "refuse",
            SchemaContract::RefuseColumns => "refuse_columns",
        }
    }
}

impl TableSpec {
    /// The same table from the source that takes the place of one that stays down.
    pub fn fallback(&self) -> Option<TableSpec> {
        let source = self.fallback.clone()?;
        let (columns, schema, adds) = (self.columns.clone(), self.schema, self.adds);
        Some(TableSpec { source, fallback: None, columns, schema, adds })
    }

    /// The same table for a run that adds to earlier ones: its records may be too few to have every declared column.
    pub fn adding(&self) -> TableSpec {
        TableSpec { adds: true, ..self.clone() }
    }

    /// Whether its rows come from files.
    pub fn reads_files(&self) -> bool {
        matches!(self.source, SourceSpec::File(_))
    }

    /// Whether a run may read only what came after the last one.
    pub fn is_incremental(&self) -> bool {
        self.source.source().is_incremental()
    }

    /// Fails if only a part is to be read of a source that can only be read as a whole.
    pub(crate) fn check_reach(&self, reach: &Reach) -> Result<()> {
        match *reach == Reach::All || self.is_incremental() {
            true => Ok(()),
            false => Err(Error::cannot_run("the source is not incremental, so it can only be read as a whole")
                .hint("add 'incremental:' to a source that offers it, or read all of it")),
        }
    }

    /// The same table, whose inputs, rows and errors name its sources without these secrets.
    pub fn without_secrets(&self, secrets: &Redactor) -> TableSpec {
        let mut table = self.clone();
        for source in [Some(&mut table.source), table.fallback.as_mut()].into_iter().flatten() {
            if let SourceSpec::Http(http) = source {
                http.hide(secrets);
            }
        }
        table
    }

    /// The same table read from other files; a generated one stays as it is.
    pub fn with_paths(&self, paths: Vec<String>) -> TableSpec {
        let mut table = self.clone();
        if let SourceSpec::File(file) = &mut table.source {
            file.path = Paths(paths);
        }
        table
    }
}

/// A table: where its rows come from, and what its columns are.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Table")]
struct Written {
    /// Where the rows come from.
    source: SourceSpec,
    /// Where they come from if the source stays down after all its retries. It is read once, with a warning, instead
    /// of the source; a run does not mix the two. One that is not incremental is read whole.
    #[serde(default)]
    fallback: Option<SourceSpec>,
    /// The columns to read, in this order, each with its type; others in the source are left out. With a
    /// header (and in JSON and Parquet) they are found by name, without one they stand for the fields from left
    /// to right. By default all columns are read, and their types (int64, float64, bool, date, datetime, string)
    /// are inferred from the first 10,000 rows.
    ///
    /// A cell that cannot be read as its type refuses its row, which is kept aside with its original text. Numbers
    /// may have spaces around them; `nan` and `inf` are not numbers. Text keeps its white space.
    #[serde(default)]
    columns: Option<Map<ColumnSpec>>,
    /// What happens to a run whose source has other columns than in the last run: `evolve` (default), `refuse` or
    /// `refuse_columns`. The flag --accept-schema accepts them once.
    #[serde(default)]
    schema: SchemaContract,
}

impl TryFrom<Written> for TableSpec {
    type Error = String;
    fn try_from(Written { source, fallback, columns, schema }: Written) -> Result<TableSpec, String> {
        if let Some(columns) = &columns {
            if columns.is_empty() {
                return Err("'columns' names no column; leave the key out to read all".to_owned());
            }
            if let Some(taken) = columns.names().find(|name| RESERVED.contains(name)) {
                return Err(format!(
                    "the column name '{taken}' is reserved for the row's origin; write 'other_name: {{from: {taken}}}'"
                ));
            }
        }
        let optional = columns.iter().flat_map(Map::iter).find(|(_, spec)| spec.optional);
        if let (Some((name, _)), false) = (optional, source.source().may_lack_columns()) {
            return Err(format!("'optional' of the column '{name}' is for files, services and programs"));
        }
        Ok(TableSpec { source, fallback, columns, schema, adds: false })
    }
}

/// The original text of a row that could not be cut into columns.
pub const RAW: &str = "_raw";

/// Columns that say where a row comes from: our own, so a source's columns of that name are left out, with a warning.
pub(crate) const RESERVED: [&str; 4] = [artifact::FILE, artifact::ROW, artifact::REASON, RAW];

/// Those of a source's columns that are left out.
pub(crate) fn reserved<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.filter(|name| RESERVED.contains(name)).map(str::to_owned).collect()
}
