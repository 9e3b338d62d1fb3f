//! Finds the rows behind a row of a clean table whose steps joined or grouped rows: the steps run once more over
//! the same inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifact::{Evidence, Fingerprint, PolarsResultExt, Purpose, Read, scan_files};
use inventory::{Again, Behind};
use polars::prelude::{DataFrame, LazyFrame};
use spec::{Environment, Name, Result, Root, Tool};
use transform::{Beside, Given, Mapping, OtherTable, TableSpec, Tables};

/// More rows than this are not run through the steps for one trace: it would take long, and a join or group may need
/// much memory.
const MOST_ROWS: u64 = 5_000_000;

/// Runs the steps of clean tables once more.
pub struct StepsAgain<'a> {
    pub root: &'a Root,
    pub env: &'a Environment,
}

impl Again for StepsAgain<'_> {
    fn behind(&self, pipeline: &str, evidence: &Evidence, row: &DataFrame) -> Behind {
        // A table that cannot be recomputed is still shown.
        self.run(pipeline, evidence, row)
            .unwrap_or_else(|error| Behind::Unclear(format!("its steps cannot run again: {}", error.message())))
    }
}

impl StepsAgain<'_> {
    fn run(&self, pipeline: &str, evidence: &Evidence, row: &DataFrame) -> Result<Behind> {
        let unclear = |why: &str| Ok(Behind::Unclear(why.to_owned()));
        let file = self.root.spec(&Name::new(pipeline)?, Tool::Clean)?;
        let loaded = stage::body_of::<Tables>(self.root, &file, self.env)?;
        let spec = loaded.spec.tables.get(&evidence.table).filter(|_| loaded.hash == evidence.spec);
        let Some(spec) = spec else { return unclear("clean.yaml has changed since it was made") };
        if spec.asks_model() {
            return unclear("a language model decided on cells of it");
        }
        let of = |purpose: Purpose| evidence.notes.reads.iter().filter(move |read| read.purpose == purpose);
        if of(Purpose::Rows).chain(of(Purpose::Join)).filter_map(|read| read.rows).sum::<u64>() > MOST_ROWS {
            return unclear("it was made from more than 5,000,000 rows");
        }
        let Some(mappings) = self.mappings(spec, of(Purpose::File))? else {
            return unclear("people undid changes of it, or a file that it was made with has changed");
        };
        let (from, beside) = (tables(of(Purpose::Rows)), tables(of(Purpose::Join)));
        let mut given = Given { mappings, ..Given::default() };
        for (table, files) in &beside {
            let mut frame = self.scan(files)?;
            let schema = frame.collect_schema().during(table)?.as_ref().clone();
            given.tables.insert(table.clone(), Beside { frame, schema, definitions: None });
        }
        let rows = from.iter().map(|(table, files)| Ok((table.clone(), self.scan(files)?))).collect::<Result<_>>()?;
        let Some(behind) = transform::behind(rows, &spec.steps, &given, row)? else {
            return unclear("its steps do not give this row again");
        };
        let files = |wanted: &OtherTable| {
            let of_table = from.iter().chain(&beside).find(|(table, _)| table == wanted);
            of_table.map(|(_, files)| files.iter().map(PathBuf::from).collect::<Vec<PathBuf>>()).unwrap_or_default()
        };
        let tables = behind.rows.into_iter().map(|(table, rows)| (files(&table), rows.into_iter().collect())).collect();
        Ok(Behind::Rows { tables, alike: behind.alike })
    }

    fn scan(&self, files: &[&str]) -> Result<LazyFrame> {
        let files: Vec<PathBuf> = files.iter().map(|file| self.root.join(file)).collect();
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        scan_files(&files)
    }

    /// The files that steps name; none if they have changed since, or if the steps need more than such files.
    fn mappings<'r>(
        &self,
        spec: &TableSpec,
        reads: impl Iterator<Item = &'r Read>,
    ) -> Result<Option<BTreeMap<String, Mapping>>> {
        let mut mappings = BTreeMap::new();
        for read in reads {
            let is_mapping = spec.steps.iter().any(|step| step.mapping_file() == Some(&read.path));
            let file = Path::new(&read.path);
            let text = if is_mapping { spec::text_of(self.root, file)? } else { String::new() };
            if !is_mapping || Fingerprint::of_text(&text) != read.fingerprint {
                return Ok(None);
            }
            mappings.insert(read.path.clone(), Mapping::read(&text, file)?);
        }
        Ok(Some(mappings))
    }
}

/// Tables with their files, each once, in the order in which they were read.
fn tables<'r>(reads: impl Iterator<Item = &'r Read>) -> Vec<(OtherTable, Vec<&'r str>)> {
    let mut tables: Vec<(OtherTable, Vec<&str>)> = Vec::new();
    for read in reads {
        let Some(name) = read.table.clone() else { continue };
        let table = match read.stage {
            Some(Tool::Clean) => OtherTable::Clean(name),
            _ => OtherTable::Raw(name),
        };
        let at = tables.iter().position(|(known, _)| *known == table).unwrap_or_else(|| {
            tables.push((table, Vec::new()));
            tables.len() - 1
        });
        if !tables[at].1.contains(&read.path.as_str()) {
            tables[at].1.push(&read.path);
        }
    }
    tables
}
