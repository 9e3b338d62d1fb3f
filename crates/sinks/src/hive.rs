//! Parquet in folders named after values, `city=Ulm/year=2024/part-0.parquet`, as Hive, Spark, DuckDB and Athena read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use artifact::{PolarsResultExt, RowGroups, type_name};
use polars::prelude::{AnyValue, DataFrame, DataType, IdxCa, Schema};
use spec::{Error, Result, did_you_mean};

use crate::plain::check_schema;

/// Each part is an open file while rows come.
const MOST_PARTS: usize = 500;
/// Longest name of a folder, in bytes.
const LONGEST: usize = 240;
/// Represents a null in the name of a folder.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// The empty file that says that all others are there: written last.
pub const SUCCESS: &str = "_SUCCESS";

/// Fails if a table of this schema cannot be divided by these columns.
pub fn check_parts(schema: &Schema, by: &[String]) -> Result<()> {
    for name in by {
        let dtype = schema.get(name).ok_or_else(|| {
            Error::cannot_run(format!("partition_by: no column '{name}' is delivered"))
                .hint(did_you_mean(name, schema.iter_names().map(|name| name.as_str())))
        })?;
        let is_fine = dtype.is_integer()
            || matches!(dtype, DataType::String | DataType::Boolean | DataType::Date)
            || matches!(dtype, DataType::Categorical(..) | DataType::Enum(..));
        if !is_fine {
            return Err(Error::cannot_run(format!("partition_by: column '{name}' holds {}", type_name(dtype)))
                .hint("name columns of text, whole numbers, days or truth values"));
        }
    }
    match schema.len() > by.len() {
        true => Ok(()),
        false => Err(Error::cannot_run("partition_by: no column is left for the files").hint("name fewer columns")),
    }
}

/// Writes the rows into `folder`, which exists, and returns how many there were. The columns under `by` are in the names of folders
/// only, in this order; the others in the files. `place` names the target in errors.
///
/// # Errors
/// Refused: more than 500 parts, since each is an open file.
pub fn write_parts(
    schema: &Schema,
    by: &[String],
    batches: impl Iterator<Item = Result<DataFrame>>,
    folder: &Path,
    place: &str,
) -> Result<u64> {
    check_parts(schema, by)?;
    let inner: Schema = schema
        .iter()
        .filter(|(name, _)| !by.iter().any(|by| by == name.as_str()))
        .map(|(name, of)| (name.clone(), of.clone()))
        .collect();
    let mut parts: BTreeMap<String, RowGroups<File>> = BTreeMap::new();
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        check_schema(&batch, schema, place)?;
        rows += batch.height() as u64;
        let mut places: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for row in 0..batch.height() {
            places.entry(path_of(&batch, by, row, place)?).or_default().push(row as u32);
        }
        for (path, rows) in places {
            if !parts.contains_key(&path) {
                if parts.len() == MOST_PARTS {
                    return Err(Error::refused(format!("{place}: more than {MOST_PARTS} parts"))
                        .hint("divide by columns of fewer values, such as a year instead of a day"));
                }
                parts.insert(path.clone(), begun(&folder.join(&path), &inner)?);
            }
            let taken = batch.take(&IdxCa::from_vec("rows".into(), rows)).during(place)?;
            let taken = taken.select(inner.iter_names().cloned()).during(place)?;
            if let Some(part) = parts.get_mut(&path) {
                part.write(taken).during(place)?;
            }
        }
    }
    for (_, mut part) in parts {
        part.finish().during(place)?;
    }
    let success = folder.join(SUCCESS);
    File::create(&success).map_err(|error| Error::io("write", &success, &error))?;
    Ok(rows)
}

fn begun(folder: &Path, schema: &Schema) -> Result<RowGroups<File>> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    let path = folder.join("part-0.parquet");
    let file = File::create_new(&path).map_err(|error| Error::io("write", &path, &error))?;
    RowGroups::new(file, schema).during(path.display())
}

/// The folder of a row.
fn path_of(batch: &DataFrame, by: &[String], row: usize, place: &str) -> Result<String> {
    let mut path = String::new();
    for name in by {
        let value = batch.column(name).and_then(|column| column.get(row).map(AnyValue::into_static)).during(place)?;
        let text = match &value {
            AnyValue::Null => NULL.to_owned(),
            AnyValue::Date(day) => values::calendar::day_text((*day).into()),
            // Both would be read as a null.
            value => match escaped(&value.str_value()) {
                text if text.is_empty() || text == NULL => {
                    let what = if text.is_empty() { "an empty text".to_owned() } else { format!("the text '{text}'") };
                    return Err(Error::refused(format!("{place}: {what} in '{name}' cannot be the name of a folder"))
                        .hint("make it null by a step of clean"));
                }
                text => text,
            },
        };
        let part = format!("{}={text}", escaped(name));
        if part.len() > LONGEST {
            return Err(Error::refused(format!("{place}: a value of '{name}' is too long for the name of a folder"))
                .hint("divide by another column"));
        }
        if !path.is_empty() {
            path.push('/');
        }
        path += &part;
    }
    Ok(path)
}

/// As Hive escapes names: what has a meaning in paths and addresses becomes `%` and two digits.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '}' | '[' | ']' | '^' | '<' | '>'
            | '|' => {
                out += &format!("%{:02X}", u32::from(c));
            }
            c if c.is_ascii_control() => out += &format!("%{:02X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn every_row_is_in_the_folder_of_its_values() {
        let table = df!(
            "id" => [1i64, 2, 3, 4],
            "city" => [Some("Ulm"), Some("a/b=%"), None, Some("Ulm")],
            "year" => [2024i32, 2024, 2025, 2025],
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let by = ["year".to_owned(), "city".to_owned()];
        let halves = [Ok(table.slice(0, 2)), Ok(table.slice(2, 2))].into_iter();
        assert_eq!(write_parts(table.schema(), &by, halves, folder.path(), "out").unwrap(), 4);
        let ids = |path: &str| {
            let file = File::open(folder.path().join(path).join("part-0.parquet")).unwrap();
            let rows = ParquetReader::new(file).finish().unwrap();
            assert_eq!(rows.get_column_names(), ["id"]);
            rows.column("id").unwrap().i64().unwrap().iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(ids("year=2024/city=Ulm"), [1]);
        assert_eq!(ids("year=2024/city=a%2Fb%3D%25"), [2]);
        assert_eq!(ids("year=2025/city=__HIVE_DEFAULT_PARTITION__"), [3]);
        assert_eq!(ids("year=2025/city=Ulm"), [4]);
        assert!(folder.path().join(SUCCESS).exists());
    }

    #[test]
    fn what_cannot_be_a_folder_is_refused() {
        let failed = |table: DataFrame, by: &str| {
            let folder = tempfile::tempdir().unwrap();
            let rows = std::iter::once(Ok(table.clone()));
            write_parts(table.schema(), &[by.to_owned()], rows, folder.path(), "out").unwrap_err().to_string()
        };
        let table = df!("a" => ["", "x"], "x" => [0.5, 1.5]).unwrap();
        assert!(failed(table.clone(), "a").starts_with("out: an empty text in 'a' cannot be the name of a folder"));
        let null = failed(df!("a" => [super::NULL], "b" => [1]).unwrap(), "a");
        assert!(
            null.starts_with("out: the text '__HIVE_DEFAULT_PARTITION__' in 'a' cannot be the name of a folder"),
            "{null}"
        );
        assert!(failed(table.clone(), "x").starts_with("partition_by: column 'x' holds float64"));
        assert!(failed(table.clone(), "b").starts_with("partition_by: no column 'b' is delivered"));
        assert!(failed(df!("a" => ["x"]).unwrap(), "a").starts_with("partition_by: no column is left"));
        let many: Vec<i64> = (0..501).collect();
        assert!(failed(df!("a" => &many, "b" => &many).unwrap(), "a").starts_with("out: more than 500 parts"));
        let long = "x".repeat(300);
        assert!(
            failed(df!("a" => [long.as_str()], "b" => [1]).unwrap(), "a").contains("too long for the name of a folder")
        );
    }
}
