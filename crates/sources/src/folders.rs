//! Columns from the names of folders, as `region` of `sales/region=north/2024.parquet`: the layout of Hive and Spark.
//! They are read only where the spec asks for them, and as text: `zip=02134` stays `02134`.

use std::borrow::Cow;

use artifact::{Batch, FILE};
use polars::prelude::*;
use spec::{Error, Result};

use crate::source::Opened;

/// What Hive writes for a missing value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Adds a column of text for each of `names`, after the table's own. A file that lies in no such folder ends the run.
pub(crate) fn add(names: &[String], mut opened: Opened) -> Result<Opened> {
    for name in names {
        if opened.schema.contains(name) {
            return Err(Error::cannot_run(format!("'folders' names '{name}', which is a column of the files already"))
                .hint("take it out of 'folders', or give the column another name with 'columns'"));
        }
    }
    opened.schema = with(names, &opened.schema);
    opened.refused_schema = with(names, &opened.refused_schema);
    let names = names.to_vec();
    opened.batches = Box::new(opened.batches.map(move |batch| {
        let Batch { rows, refused, removed, changes } = batch?;
        let refused = refused.map(|rows| filled(&names, rows)).transpose()?;
        Ok(Batch { rows: filled(&names, rows)?, refused, removed, changes })
    }));
    Ok(opened)
}

fn with(names: &[String], schema: &Schema) -> Schema {
    let at = schema.index_of(FILE).unwrap_or(schema.len());
    let mut fields: Vec<(PlSmallStr, DataType)> =
        schema.iter().map(|(name, dtype)| (name.clone(), dtype.clone())).collect();
    fields.splice(at..at, names.iter().map(|name| (name.as_str().into(), DataType::String)));
    fields.into_iter().map(|(name, dtype)| Field::new(name, dtype)).collect()
}

fn filled(names: &[String], rows: DataFrame) -> Result<DataFrame> {
    let engine = |error: PolarsError| Error::cannot_run(format!("columns of folders: {error}"));
    let at = rows.schema().index_of(FILE).unwrap_or(rows.width());
    let files = rows.column(FILE).and_then(|column| column.str().cloned()).map_err(engine)?;
    let mut columns = rows.columns().to_vec();
    for (offset, name) in names.iter().enumerate() {
        let mut last: Option<(&str, Option<String>)> = None;
        let mut values = StringChunkedBuilder::new(name.as_str().into(), rows.height());
        for file in files.iter() {
            let file = file.unwrap_or_default();
            if last.as_ref().is_none_or(|(known, _)| *known != file) {
                last = Some((file, value(name, file)?));
            }
            values.append_option(last.as_ref().and_then(|(_, value)| value.as_deref()));
        }
        columns.insert(at + offset, values.finish().into_column());
    }
    DataFrame::new(rows.height(), columns).map_err(engine)
}

/// What the folder `name=…` on the way to `file` says; the innermost, if there are several. `None` is a missing value.
fn value(name: &str, file: &str) -> Result<Option<String>> {
    let folders = file.rsplit('/').skip(1);
    let mut said = folders.filter_map(|folder| folder.split_once('=')).filter(|(key, _)| decoded(key) == name);
    match said.next() {
        Some((_, NULL)) => Ok(None),
        Some((_, value)) => Ok(Some(decoded(value).into_owned())),
        None => Err(Error::cannot_run(format!("{file}: no folder '{name}=…' on the way to the file"))
            .hint("correct 'folders' or 'path'")),
    }
}

/// Without the escapes `%2F` for characters that no folder can have.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                digit(*high).zip(digit(*low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).map_or_else(|_| text.into(), Cow::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts_as_written() {
        let value = |name, file| value(name, file).map_err(|error| error.to_string());
        assert_eq!(value("zip", "in/zip=02134/a.csv"), Ok(Some("02134".to_owned())));
        assert_eq!(value("d", "s3://b/d=1/d=2%2F3/a.parquet"), Ok(Some("2/3".to_owned())));
        assert_eq!(value("d", "d=__HIVE_DEFAULT_PARTITION__/a.csv"), Ok(None));
        assert_eq!(value("d", "d=50%/d=/a.csv"), Ok(Some(String::new())));
        assert_eq!(value("d", "d=50%/a.csv"), Ok(Some("50%".to_owned())));
        assert_eq!(
            value("d", "in/e=1/d=2.csv"),
            Err("in/e=1/d=2.csv: no folder 'd=…' on the way to the file; correct 'folders' or 'path'".to_owned())
        );
    }
}
