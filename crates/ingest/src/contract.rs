//! Columns differ from the last run: `schema` in ingest.yaml decides whether the run continues.

use artifact::{Evidence, FILE, Kind, ROW, Snapshot, evidence_of, schema_changes, type_name, typed};
use polars::prelude::Schema;
use sources::{SchemaContract, TableSpec};
use spec::{Error, Result};
use stage::Job;

use crate::wiring::Ingest;

/// What the columns of a table may be.
#[derive(Clone)]
pub struct Contract {
    table: String,
    who: String,
    says: SchemaContract,
    /// Names and types of the last run's columns; none if there was none.
    was: Option<Vec<(String, String)>>,
    is_accepted: bool,
}

impl Contract {
    /// That of a table of this run.
    pub fn of(job: &Job<Ingest>, name: &str, table: &TableSpec) -> Result<Contract> {
        let snapshot = match table.schema {
            // Nothing depends on it but a message: what is not on this disk is not fetched for it.
            SchemaContract::Evolve => Snapshot::read(&job.folder())?,
            SchemaContract::Refuse | SchemaContract::RefuseColumns => job.published()?,
        };
        let paths = snapshot.into_iter().flat_map(|snapshot| snapshot.paths).map(|path| job.root.join(path));
        let evidence: Vec<Evidence> =
            paths.filter(|path| path.is_file()).filter_map(|path| evidence_of(&path).ok().flatten()).collect();
        let of_table = evidence.iter().filter(|evidence| evidence.kind == Kind::Table && evidence.table == name);
        let newest = of_table.max_by_key(|evidence| evidence.time);
        let owned = |(name, dtype): (&str, &str)| (name.to_owned(), dtype.to_owned());
        Ok(Contract {
            table: name.to_owned(),
            who: format!("ingest {}", job.pipeline),
            says: table.schema,
            was: newest.map(|evidence| typed(&evidence.columns).into_iter().map(owned).collect()),
            is_accepted: job.flags.accept_schema,
        })
    }

    /// Compares the columns that were found.
    ///
    /// Errors (refused): they changed in a way that is not allowed.
    pub fn check(&self, found: &Schema) -> Result<()> {
        let Some(was) = &self.was else { return Ok(()) };
        let is_own = |name: &str| ![FILE, ROW].contains(&name);
        let types: Vec<(String, String)> =
            found.iter().map(|(name, dtype)| (name.to_string(), type_name(dtype))).collect();
        let pairs = |columns: &[(String, String)]| -> Vec<(String, String)> {
            columns.iter().filter(|(name, _)| is_own(name)).cloned().collect()
        };
        let (was, is) = (pairs(was), pairs(&types));
        let changes = schema_changes(&borrowed(&was), &borrowed(&is));
        if changes.is_empty() {
            return Ok(());
        }
        let words =
            format!("table '{}': its columns are not those of the last run: {}", self.table, changes.join("; "));
        let names = |columns: &[(String, String)]| columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let has_all = |columns: &[String], of: &[String]| columns.iter().all(|name| of.contains(name));
        let (old, new) = (names(&was), names(&is));
        let is_refused = match self.says {
            SchemaContract::Evolve => false,
            SchemaContract::Refuse => true,
            SchemaContract::RefuseColumns => !has_all(&old, &new) || !has_all(&new, &old),
        };
        if is_refused && !self.is_accepted {
            return Err(Error::refused(words).hint(format!(
                "the previous output is unchanged; correct the source, or accept the columns as they are now with --accept-schema \
                 (ingest.yaml says `schema: {}`)",
                self.says.name()
            )));
        }
        tool::warn(format!("{}: {words}", self.who));
        Ok(())
    }
}

fn borrowed(columns: &[(String, String)]) -> Vec<(&str, &str)> {
    columns.iter().map(|(name, dtype)| (name.as_str(), dtype.as_str())).collect()
}
