//! Columns differ from the last run: `schema` in ingest.yaml decides whether the run continues.

use std::path::PathBuf;

use artifact::{Evidence, FILE, Kind, ROW, Snapshot, evidence_of, schema_changes, type_in_full, type_name, typed};
use polars::prelude::{DataType, Schema, TimeZone};
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
    /// Their types, as far as the artifact is here: names of types leave out time zones.
    types: Schema,
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
        let evidence: Vec<(PathBuf, Evidence)> = paths
            .filter(|path| path.is_file())
            .filter_map(|path| evidence_of(&path).ok().flatten().map(|evidence| (path, evidence)))
            .collect();
        let of_table = evidence.iter().filter(|(_, evidence)| evidence.kind == Kind::Table && evidence.table == name);
        let newest = of_table.max_by_key(|(_, evidence)| evidence.time);
        let types = newest.and_then(|(path, _)| artifact::scan_files(&[path]).ok()?.collect_schema().ok());
        let owned = |(name, dtype): (&str, &str)| (name.to_owned(), dtype.to_owned());
        Ok(Contract {
            table: name.to_owned(),
            who: format!("ingest {}", job.pipeline),
            says: table.schema,
            types: types.map(|types| types.as_ref().clone()).unwrap_or_default(),
            was: newest.map(|(_, evidence)| typed(&evidence.columns).into_iter().map(owned).collect()),
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
        let mut changes = schema_changes(&borrowed(&was), &borrowed(&is));
        changes.extend(found.iter().filter_map(|(name, dtype)| moved(name, dtype, self.types.get(name)?)));
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

/// How the columns of a source differ from those of earlier runs, in words: nothing if only their order does.
pub fn changes(was: &Schema, is: &Schema) -> Vec<String> {
    let own = |schema: &Schema| -> Vec<(String, String)> {
        let columns = schema.iter().filter(|(name, _)| ![FILE, ROW].contains(&name.as_str()));
        columns.map(|(name, dtype)| (name.to_string(), type_in_full(dtype))).collect()
    };
    schema_changes(&borrowed(&own(was)), &borrowed(&own(is)))
}

/// What is said of times that are of another zone than they were: the same digits mean another time.
fn moved(name: &str, is: &DataType, was: &DataType) -> Option<String> {
    let (DataType::Datetime(_, new), DataType::Datetime(_, old)) = (is, was) else { return None };
    let shown = |zone: &Option<TimeZone>| match zone {
        None => "without time zone".to_owned(),
        Some(zone) => format!("in {}", zone.as_str()),
    };
    (new != old).then(|| format!("'{name}' is datetime {}, was {}", shown(new), shown(old)))
}

fn borrowed(columns: &[(String, String)]) -> Vec<(&str, &str)> {
    columns.iter().map(|(name, dtype)| (name.as_str(), dtype.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{Field, TimeUnit};

    use super::*;

    #[test]
    fn changed_columns_are_named() {
        let of = |columns: &[(&str, DataType)]| -> Schema {
            columns.iter().map(|(name, dtype)| Field::new((*name).into(), dtype.clone())).collect()
        };
        let at = |unit| DataType::Datetime(unit, None);
        let was = of(&[("a", DataType::Int64), ("b", DataType::String), ("at", at(TimeUnit::Milliseconds))]);
        let is = of(&[("a", DataType::Float64), ("at", at(TimeUnit::Microseconds)), ("_file", DataType::String)]);
        let told = changes(&was, &is).join("; ");
        for words in ["'a' is float64", "'b'", "'at' is datetime (microseconds"] {
            assert!(told.contains(words), "{told}");
        }
        let turned = of(&[("b", DataType::String), ("a", DataType::Int64), ("at", at(TimeUnit::Milliseconds))]);
        assert_eq!(changes(&was, &turned), [""; 0]);
    }

    #[test]
    fn another_time_zone_is_another_type() {
        let schema =
            |unit, zone: Option<TimeZone>| Schema::from_iter([Field::new("at".into(), DataType::Datetime(unit, zone))]);
        let plain = schema(TimeUnit::Milliseconds, None);
        let contract = Contract {
            table: "orders".to_owned(),
            who: "ingest shop".to_owned(),
            says: SchemaContract::Refuse,
            was: Some(vec![("at".to_owned(), "datetime".to_owned())]),
            types: plain.clone(),
            is_accepted: false,
        };
        assert!(contract.check(&plain).is_ok());
        // The unit is a matter of storage.
        assert!(contract.check(&schema(TimeUnit::Microseconds, None)).is_ok());
        let zoned = schema(TimeUnit::Milliseconds, Some(TimeZone::UTC));
        let error = contract.check(&zoned).unwrap_err().to_string();
        let words = "table 'orders': its columns are not those of the last run: 'at' is datetime in UTC, was without time zone; ";
        assert!(error.starts_with(words), "{error}");
        assert!(Contract { is_accepted: true, ..contract.clone() }.check(&zoned).is_ok());
        assert!(
            Contract { types: Schema::default(), ..contract }.check(&zoned).is_ok(),
            "what is not here is not compared"
        );
    }
}
