//! What `export.yaml` says.

use std::fmt;

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use spec::{Error, Name, Result, Url};

use crate::{CsvOptions, Format};

/// One table, written as one file. Example:
///
/// ```yaml
/// table: scores
/// format: csv
/// columns: [customer_id, {score: churn_score}]
/// sort: [{score: desc}]
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportSpec {
    /// The table to write.
    pub table: Name,
    /// The kind of file.
    pub format: Format,
    /// What the file's name begins with; the table's name by default. The time follows: `scores_20261121_014200.csv`.
    #[serde(default)]
    pub name: Option<Name>,
    /// The columns to write, in their order; all by default, without those whose name begins with `_`. Write
    /// `{score: churn_score}` to give `score` the name `churn_score`.
    #[serde(default)]
    pub columns: Option<Vec<OutColumn>>,
    /// The order of the rows: `score`, or `{score: desc}` from the largest down; names as before renaming,
    /// nulls last. The order of the table by default. Sorting holds the whole table in memory.
    #[serde(default)]
    pub sort: Vec<SortKey>,
    /// How CSV is written.
    #[serde(default)]
    pub csv: CsvOptions,
    /// Parquet only: leave out the footer's record of where the table comes from. `false` by default.
    #[serde(default)]
    pub strip_evidence: bool,
    /// A folder in an object store that the finished file is copied to as well: `s3://bucket/folder/`, `gs://…`, `az://…`
    /// or `file:///…`. Credentials come from the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Url>,
}

impl ExportSpec {
    /// The whole table in this format, with nothing else said.
    pub fn new(table: Name, format: Format) -> ExportSpec {
        ExportSpec {
            table,
            format,
            name: None,
            columns: None,
            sort: Vec::new(),
            csv: CsvOptions::default(),
            strip_evidence: false,
            to: None,
        }
    }

    /// What the file's name begins with.
    pub fn stem(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.table).as_str()
    }

    /// Fails if a file of this name would not be what its ending promises. Endings that say nothing of the content, such as
    /// `.txt`, are fine.
    pub fn check_file_name(&self, file: &str) -> Result<()> {
        let ending = Path::new(file).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let of_kind = || Format::names().filter_map(Format::named).find(|kind| kind.extension() == ending);
        let promised = match ending.as_str() {
            "tsv" | "tab" => Format::named("csv"),
            "json" | "ndjson" => Format::named("json_lines"),
            "pq" => Format::named("parquet"),
            "xls" | "xlsb" | "xlsm" | "ods" => {
                return Err(Error::cannot_run(format!("{file}: .{ending} files are not written"))
                    .hint("write .xlsx with --format excel, or choose another name"));
            }
            "gz" | "zst" | "bz2" | "xz" | "zip" => {
                return Err(Error::cannot_run(format!("{file}: -o does not compress, as .{ending} promises"))
                    .hint("write to stdout with -o - and compress that, or choose another name"));
            }
            _ => of_kind(),
        };
        if let Some(promised) = promised.filter(|promised| *promised != self.format) {
            return Err(Error::cannot_run(format!(
                "{file}: the format is {}, but .{ending} promises {promised}",
                self.format
            ))
            .hint(format!("add --format {promised}, or choose another name")));
        }
        if matches!(ending.as_str(), "tsv" | "tab") && !self.csv.separator.is_tab() {
            return Err(Error::cannot_run(format!("{file}: .{ending} promises tabs between cells"))
                .hint("write `csv: {separator: \"\\t\"}` in export.yaml, or choose another name"));
        }
        Ok(())
    }
}

/// A column to write, and what to call it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutColumn {
    pub name: String,
    /// The name in the file.
    pub called: String,
}

/// A column to sort by.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    pub column: String,
    pub order: Order,
}

/// Which way rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// From the smallest up.
    #[default]
    Asc,
    /// From the largest down.
    Desc,
}

/// Reads `name`, or a map with the single key `name`.
struct NameOr<V>(std::marker::PhantomData<V>);

impl<'de, V: Deserialize<'de>> de::Visitor<'de> for NameOr<V> {
    type Value = (String, Option<V>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column, or a map with one column")
    }
    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok((name.to_owned(), None))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let none = || de::Error::custom("the map is empty; name a column");
        let (name, value) = map.next_entry::<String, V>()?.ok_or_else(none)?;
        match map.next_key::<String>()? {
            None => Ok((name, Some(value))),
            Some(second) => {
                Err(de::Error::custom(format!("'{second}' follows '{name}' in the same item; begin a new one")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for OutColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OutColumn, D::Error> {
        let (name, called) = deserializer.deserialize_any(NameOr::<String>(std::marker::PhantomData))?;
        let called = called.unwrap_or_else(|| name.clone());
        Ok(OutColumn { name, called })
    }
}

impl<'de> Deserialize<'de> for SortKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SortKey, D::Error> {
        let (column, order) = deserializer.deserialize_any(NameOr::<Order>(std::marker::PhantomData))?;
        Ok(SortKey { column, order: order.unwrap_or_default() })
    }
}

impl Serialize for OutColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name == self.called {
            true => serializer.serialize_str(&self.name),
            false => serializer.collect_map([(&self.name, &self.called)]),
        }
    }
}

impl Serialize for SortKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.column, &self.order)])
    }
}

impl schemars::JsonSchema for OutColumn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OutColumn".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": { "type": "string" } },
        ]})
    }
}

impl schemars::JsonSchema for SortKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SortKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1,
              "additionalProperties": { "enum": ["asc", "desc"] } },
        ]})
    }
}

#[cfg(test)]
mod tests {
    use artifact::Stamp;

    use super::*;
    use crate::file_name;
    use crate::testing::{load_failure, spec};

    #[test]
    fn reads_columns_and_order_in_both_forms() {
        let spec = spec("table: scores\nformat: csv\ncolumns: [id, {score: churn score}]\nsort: [{score: desc}, id]\n");
        let column = |name: &str, called: &str| OutColumn { name: name.into(), called: called.into() };
        assert_eq!(spec.columns, Some(vec![column("id", "id"), column("score", "churn score")]));
        let key = |column: &str, order| SortKey { column: column.into(), order };
        assert_eq!(spec.sort, [key("score", Order::Desc), key("id", Order::Asc)]);
        assert!(spec.csv.bom && !spec.strip_evidence);
    }

    #[test]
    fn files_are_named_after_what_they_hold_and_when() {
        let stamp = Stamp::now();
        for (format, extension) in [("csv", "csv"), ("json_lines", "jsonl"), ("parquet", "parquet"), ("excel", "xlsx")]
        {
            let spec = spec(&format!("table: scores\nformat: {format}\n"));
            assert_eq!(file_name(&spec, stamp), format!("scores_{stamp}.{extension}"));
        }
        let named = spec("table: scores\nformat: csv\nname: churn_scores\n");
        assert!(file_name(&named, stamp).starts_with("churn_scores_2"));
    }

    #[test]
    fn the_name_of_a_file_promises_what_it_is() {
        let tabs = r#"csv, csv: {separator: "\t"}"#;
        let check = |format: &str, file: &str| {
            let spec = spec(&format!("{{table: t, format: {format}}}"));
            spec.check_file_name(file).map_err(|error| error.to_string())
        };
        for (format, fine) in [
            ("csv", &["a.csv", "a.CSV", "a", "a.txt", "b.xlsx/a.csv", "-", "a.2024"][..]),
            (tabs, &["a.tsv", "a.tab", "a.csv"]),
            ("json_lines", &["a.jsonl", "a.ndjson", "a.json"]),
            ("parquet", &["a.parquet", "a.pq"]),
            ("excel", &["a.xlsx", "a.XLSX"]),
        ] {
            for file in fine {
                assert_eq!(check(format, file), Ok(()), "{format} {file}");
            }
        }
        for (format, file, error) in [
            (
                "csv",
                "a/scores.xlsx",
                "a/scores.xlsx: the format is csv, but .xlsx promises excel; add --format excel, or choose another name",
            ),
            (
                "excel",
                "a.CSV",
                "a.CSV: the format is excel, but .csv promises csv; add --format csv, or choose another name",
            ),
            (
                tabs,
                "a.json",
                "a.json: the format is csv, but .json promises json_lines; add --format json_lines, or choose another name",
            ),
            (
                "json_lines",
                "a.parquet",
                "a.parquet: the format is json_lines, but .parquet promises parquet; add --format parquet, or choose \
                 another name",
            ),
            (
                "csv",
                "a.tsv",
                "a.tsv: .tsv promises tabs between cells; write `csv: {separator: \"\\t\"}` in export.yaml, or choose another \
                 name",
            ),
            (
                "excel",
                "a.xls",
                "a.xls: .xls files are not written; write .xlsx with --format excel, or choose another name",
            ),
            (
                "csv",
                "a.csv.gz",
                "a.csv.gz: -o does not compress, as .gz promises; write to stdout with -o - and compress that, or choose \
                 another name",
            ),
        ] {
            assert_eq!(check(format, file), Err(error.to_owned()));
        }
    }

    #[test]
    fn wrong_specs_are_refused_with_place_and_way_out() {
        for (text, error) in [
            ("table: t\nformat: exel\n", "export.yaml:2:9: format: unknown format 'exel'; did you mean 'excel'?"),
            (
                "table: t\nformat: csv\ncsv: {seperator: ;}\n",
                "export.yaml:3:7: csv: unknown key 'seperator'; did you mean 'separator'?",
            ),
            (
                "table: t\nformat: csv\ncsv: {separator: '::'}\n",
                "export.yaml:3:18: csv.separator: '::' is not a separator; write one character that is not a letter, \
                 digit, \
                 quote or line break, such as ',', ';', '|' or \"\\t\"",
            ),
            (
                "table: t\nformat: csv\nto: s4://bucket/out/\n",
                "export.yaml:3:5: to: 's4://bucket/out/': unknown kind of store 's4'; choose one of: s3, gs, az, file",
            ),
            (
                "table: t\nformat: csv\nsort: [{a: down}]\n",
                "export.yaml:3:12: sort[0].a: unknown order 'down'; choose one of: asc, desc",
            ),
        ] {
            assert_eq!(load_failure(text), error);
        }
    }
}
