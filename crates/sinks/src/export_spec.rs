//! What `export.yaml` says: as it is written, and as it is checked.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Map, Name, Result, Tool, Url};

use crate::report::{Part, ReportSpec, RowsPart};
use crate::{CsvOptions, DatabaseSpec, Destination, ExcelOptions, Format, OutColumn, SortKey};

/// One delivery, or several under `deliveries`. Example:
///
/// ```yaml
/// table: scores
/// format: csv
/// columns: [customer_id, {score: churn_score}]
/// sort: [{score: desc}]
/// ```
///
/// ```yaml
/// deliveries:
///   scores: {format: csv, to: s3://shop/scores/}
///   warehouse:
///     table: orders
///     from: clean
///     format: postgres
///     postgres: {url: "${DATABASE_URL}", table: sales.orders, mode: upsert, keys: [order_id]}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExportFile {
    /// Several deliveries, by name. Each has the keys below, and is delivered separately: one that fails does not hold up the
    /// others. A file's name begins with the delivery's.
    pub deliveries: Option<Map<ExportFile>>,
    /// The table to deliver. Default for one of several: its name.
    pub table: Option<Name>,
    /// The stage whose output the table is in. Default: the nearest earlier stage that the pipeline has a file for.
    pub from: Option<Upstream>,
    /// The kind of file, or the kind of database.
    pub format: Option<Format>,
    /// What the file's name begins with; the table's name by default. The time follows: `scores_20261121_014200.csv`.
    pub name: Option<Name>,
    /// The columns to write, in their order; all by default, without those whose name begins with `_`. Write
    /// `{score: churn_score}` to give `score` the name `churn_score`.
    pub columns: Option<Vec<OutColumn>>,
    /// The order of the rows: `score`, or `{score: desc}` from the largest down; names as before renaming,
    /// nulls last. The order of the table by default. Sorting holds the whole table in memory.
    pub sort: Vec<SortKey>,
    /// How CSV is written.
    pub csv: CsvOptions,
    /// What a workbook holds beyond one sheet with the table.
    pub excel: ExcelOptions,
    /// What a page shows.
    pub html: ReportSpec,
    /// Where in PostgreSQL the table goes.
    pub postgres: Option<DatabaseSpec>,
    /// Where in MySQL or MariaDB the table goes.
    pub mysql: Option<DatabaseSpec>,
    /// Where in a SQLite file the table goes.
    pub sqlite: Option<DatabaseSpec>,
    /// Parquet only: columns whose values become folders, `year=2024/city=Ulm/part-0.parquet`, as Hive, Spark and
    /// DuckDB read them. The delivery is a folder then, and the columns are in its names only.
    pub partition_by: Vec<String>,
    /// Parquet only: leave out the footer's record of where the table comes from. `false` by default.
    pub strip_evidence: bool,
    /// A folder in an object store that the finished file is copied to as well: `s3://bucket/folder/`, `gs://…`, `az://…`
    /// or `file:///…`. Credentials come from the environment.
    pub to: Option<Url>,
}

/// A stage whose output can be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Upstream {
    Ingest,
    Clean,
    Features,
    Predict,
    Monitor,
}

impl Upstream {
    pub fn tool(self) -> Tool {
        match self {
            Upstream::Ingest => Tool::Ingest,
            Upstream::Clean => Tool::Clean,
            Upstream::Features => Tool::Features,
            Upstream::Predict => Tool::Predict,
            Upstream::Monitor => Tool::Monitor,
        }
    }
}

/// One delivery, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportSpec {
    pub table: Name,
    pub from: Option<Upstream>,
    pub format: Format,
    pub name: Option<Name>,
    pub columns: Option<Vec<OutColumn>>,
    pub sort: Vec<SortKey>,
    pub csv: CsvOptions,
    pub excel: ExcelOptions,
    pub html: ReportSpec,
    /// Of a delivery to a database.
    pub database: Option<DatabaseSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    pub strip_evidence: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Url>,
}

impl ExportFile {
    /// The deliveries, in the order of the file.
    ///
    /// # Errors
    /// Keys that are missing, have no effect, or do not go together, with the way to the key.
    pub fn checked(&self) -> Result<Vec<ExportSpec>> {
        let Some(deliveries) = &self.deliveries else { return Ok(vec![self.one(None)?]) };
        if *self != (ExportFile { deliveries: self.deliveries.clone(), ..ExportFile::default() }) {
            return Err(Error::cannot_run("has no effect beside other keys: a file has one delivery, or 'deliveries'")
                .hint("move the other keys below 'deliveries'")
                .at("deliveries"));
        }
        if deliveries.is_empty() {
            return Err(Error::cannot_run("no delivery is named").hint("name one below it").at("deliveries"));
        }
        let checked = deliveries.iter().map(|(name, written)| {
            let checked = Name::new(name).and_then(|name| written.one(Some(name)));
            checked.map_err(|error| error.at(name).at("deliveries"))
        });
        checked.collect()
    }

    /// One delivery; `key` is what it is called among several.
    fn one(&self, key: Option<Name>) -> Result<ExportSpec> {
        if self.deliveries.is_some() {
            return Err(Error::cannot_run("a delivery has no deliveries of its own").at("deliveries"));
        }
        let missing = |name: &str| Error::cannot_run(format!("missing key '{name}'"));
        let format = self.format.ok_or_else(|| missing("format"))?;
        if key.is_some() && self.name.is_some() {
            return Err(Error::cannot_run("has no effect: a delivery is called by its key")
                .hint("take it out, or rename the delivery")
                .at("name"));
        }
        // A page and a workbook name their tables themselves.
        let names_tables = !self.html.parts.is_empty() || !self.excel.sheets.is_empty();
        if names_tables && self.table.is_some() {
            return Err(Error::cannot_run("has no effect: the tables are named below the format")
                .hint("take it out")
                .at("table"));
        }
        let own = || self.name.clone().or_else(|| names_tables.then(|| Name::new("report").ok()).flatten());
        let table = self.table.clone().or_else(|| key.clone()).or_else(own).ok_or_else(|| missing("table"))?;
        self.unused(format)?;
        if self.strip_evidence && !self.partition_by.is_empty() {
            return Err(Error::cannot_run("has no effect: files in folders never have the evidence")
                .hint("take it out")
                .at("strip_evidence"));
        }
        let database = match format.name() {
            "postgres" => self.postgres.clone(),
            "mysql" => self.mysql.clone(),
            "sqlite" => self.sqlite.clone(),
            _ => None,
        };
        if format.destination() == Destination::Database {
            let database = database.as_ref().ok_or_else(|| missing(format.name()))?;
            database.fault(format).map_or(Ok(()), |error| Err(error.at(format.name())))?;
        }
        self.csv.fault().map_or(Ok(()), |error| Err(error.at("csv")))?;
        self.html.fault().map_or(Ok(()), |error| Err(error.at("html")))?;
        self.excel.fault().map_or(Ok(()), |error| Err(error.at("excel")))?;
        Ok(ExportSpec {
            table,
            from: self.from,
            format,
            name: key.or_else(|| self.name.clone()),
            columns: self.columns.clone(),
            sort: self.sort.clone(),
            csv: self.csv.clone(),
            excel: self.excel.clone(),
            html: self.html.clone(),
            database,
            partition_by: self.partition_by.clone(),
            strip_evidence: self.strip_evidence,
            to: self.to.clone(),
        })
    }

    /// Fails if an option is there that is for another format.
    fn unused(&self, format: Format) -> Result<()> {
        let given = [
            ("csv", "csv", self.csv != CsvOptions::default()),
            ("strip_evidence", "parquet", self.strip_evidence),
            ("partition_by", "parquet", !self.partition_by.is_empty()),
            ("excel", "excel", self.excel != ExcelOptions::default()),
            ("html", "html", self.html != ReportSpec::default()),
            ("postgres", "postgres", self.postgres.is_some()),
            ("mysql", "mysql", self.mysql.is_some()),
            ("sqlite", "sqlite", self.sqlite.is_some()),
        ];
        if let Some((key, of, _)) = given.into_iter().find(|(_, of, is_given)| *is_given && *of != format.name()) {
            return Err(Error::cannot_run(format!(
                "has no effect: it is for the format {of}, and the format is {format}"
            ))
            .hint(format!("take it out, or write `format: {of}`"))
            .at(key));
        }
        let is_database = format.destination() == Destination::Database;
        if is_database && self.to.is_some() {
            return Err(Error::cannot_run(format!("has no effect: the format {format} writes no file"))
                .hint("take it out, or deliver a file by another delivery")
                .at("to"));
        }
        let names_tables = !self.html.parts.is_empty() || !self.excel.sheets.is_empty();
        for (key, is_given) in
            [("columns", self.columns.is_some()), ("sort", !self.sort.is_empty()), ("from", self.from.is_some())]
        {
            if names_tables && is_given {
                return Err(Error::cannot_run("has no effect: the tables are named below the format")
                    .hint("write it there")
                    .at(key));
            }
        }
        Ok(())
    }
}

impl ExportSpec {
    /// The whole table in this format, with default settings.
    pub fn new(table: Name, format: Format) -> ExportSpec {
        ExportSpec {
            table,
            from: None,
            format,
            name: None,
            columns: None,
            sort: Vec::new(),
            csv: CsvOptions::default(),
            excel: ExcelOptions::default(),
            html: ReportSpec::default(),
            database: None,
            partition_by: Vec::new(),
            strip_evidence: false,
            to: None,
        }
    }

    /// What the delivery is called, and its file's name begins with.
    pub fn stem(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.table).as_str()
    }

    /// The page, with the rows of the table in place of parts that the spec does not name.
    pub fn page(&self) -> ReportSpec {
        let mut page = self.html.clone();
        if page.parts.is_empty() {
            page.parts.push(Part::Rows(RowsPart {
                table: self.table.clone(),
                from: self.from,
                condition: None,
                title: None,
                columns: self.columns.clone(),
                sort: self.sort.clone(),
                top: ROWS_OF_A_PAGE,
            }));
        }
        page
    }

    /// The tables that are read, with the stages that they come from.
    pub fn tables(&self) -> Vec<(Option<Upstream>, Name)> {
        let mut tables: Vec<(Option<Upstream>, Name)> = Vec::new();
        if self.format.destination() == Destination::Page {
            tables.extend(self.page().tables().into_iter().map(|(from, name)| (from, name.clone())));
        } else if self.excel.sheets.is_empty() {
            tables.push((self.from, self.table.clone()));
        } else {
            tables.extend(self.excel.sheets.iter().map(|sheet| (sheet.from, sheet.table.clone())));
        }
        tables
    }

    /// Fails if a file of this name would not be what its ending promises. Endings that say nothing of the content, such as
    /// `.txt`, are fine.
    pub fn check_file_name(&self, file: &str) -> Result<()> {
        let ending = Path::new(file).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let of_kind = Format::names().filter_map(Format::named).find(|kind| kind.extension() == ending);
        let promised = match (of_kind, ending.as_str()) {
            (Some(kind), _) => Some(kind),
            (None, "tsv" | "tab") => Format::named("csv"),
            (None, "json" | "ndjson") => Format::named("json_lines"),
            (None, "pq") => Format::named("parquet"),
            (None, "xls" | "xlsb" | "xlsm" | "ods") => {
                return Err(Error::cannot_run(format!("{file}: .{ending} files are not written"))
                    .hint("write .xlsx with --format excel, or choose another name"));
            }
            (None, "gz" | "zst" | "bz2" | "xz" | "zip") => {
                return Err(Error::cannot_run(format!("{file}: -o does not compress, as .{ending} promises"))
                    .hint("write to stdout with -o - and compress that, or choose another name"));
            }
            (None, _) => None,
        };
        let is_tabs = of_kind.is_none() && matches!(ending.as_str(), "tsv" | "tab");
        if let Some(promised) = promised.filter(|promised| *promised != self.format) {
            return Err(Error::cannot_run(format!(
                "{file}: the format is {}, but .{ending} promises {promised}",
                self.format
            ))
            .hint(format!("add --format {promised}, or choose another name")));
        }
        if is_tabs && !self.csv.separator.is_tab() {
            return Err(Error::cannot_run(format!("{file}: .{ending} promises tabs between cells"))
                .hint("write `csv: {separator: \"\\t\"}` in export.yaml, or choose another name"));
        }
        Ok(())
    }
}

/// How many rows a page of one table shows.
const ROWS_OF_A_PAGE: usize = 200;

#[cfg(test)]
mod tests {
    use artifact::Stamp;

    use super::*;
    use crate::Order;
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
