//! How a column is read: the settings of `ingest.yaml` that decide what it holds.
//!
//! They belong to the meaning of the column, so that a model is not applied to rows that were read in another way. Settings
//! that only say where the rows lie, which of them are fetched, or how (paths, hosts, ranges of days, retries) do not. Neither
//! does the type, where it changes no value: the schema has it. Each source takes its spec apart key by key, so that a new
//! key does not compile until its meaning is decided.

use std::collections::BTreeMap;

use serde_json::Value;
use spec::{ColumnType, Redactor, text};
use values::LocalTime;

use crate::column_spec::ColumnSpec;
use crate::table_spec::TableSpec;

/// Settings by key, without those that have their default.
pub(crate) type Settings = BTreeMap<String, Value>;

/// The column whose settings are requested.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Its name in the table.
    pub name: &'a str,
    /// As `columns` declares it.
    pub declared: Option<&'a ColumnSpec>,
    /// Its place among the declared columns, from 1.
    pub place: Option<usize>,
    /// What must not be shown.
    pub secrets: &'a Redactor,
}

impl Target<'_> {
    /// Whether the column is, or may turn out to be, of such a type.
    pub fn may_be(&self, is: impl Fn(ColumnType) -> bool) -> bool {
        self.declared.is_none_or(|declared| is(declared.column_type))
    }

    /// A long text in short; another text is shown differently.
    pub fn shown(&self, words: &str) -> Value {
        const LONGEST: usize = 120;
        let words = self.secrets.redact(words);
        let short = text::cut(&words, LONGEST);
        match short == words {
            true => words.into(),
            false => format!("{short} #{}", digest(&words)).into(),
        }
    }

    /// A value that must not be shown, but whose changes must be noticed.
    pub fn hidden(&self, value: &str) -> Value {
        digest(&self.secrets.redact(value)).into()
    }
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].to_owned()
}

impl TableSpec {
    /// The settings that decide the values of a column, as one line of JSON; empty if all have their defaults. `secrets` are
    /// not part of it.
    ///
    /// A fallback gives the same rows in another way, so its settings count at all times, not only where it was read.
    pub fn reading(&self, column: &str, secrets: &Redactor) -> String {
        let declared = self.columns.as_ref().and_then(|columns| columns.get(column));
        let place = self.columns.as_ref().and_then(|columns| columns.names().position(|name| name == column));
        let target = Target { name: column, declared, place: place.map(|place| place + 1), secrets };
        let mut settings = self.source.source().settings(&target);
        if let Some(fallback) = &self.fallback {
            let other = fallback.source().settings(&target);
            if other != settings {
                settings.insert("fallback".to_owned(), Value::Object(other.into_iter().collect()));
            }
        }
        settings.extend(declared.map(|declared| of_column(column, declared)).unwrap_or_default());
        match settings.is_empty() {
            true => String::new(),
            false => Value::Object(settings.into_iter().collect()).to_string(),
        }
    }
}

fn of_column(name: &str, declared: &ColumnSpec) -> Settings {
    let ColumnSpec { column_type, format, zone, from, optional: _, numerals: _, origin: _ } = declared;
    let mut settings = Settings::new();
    let mut set = |key: &str, value: Value| settings.insert(key.to_owned(), value);
    // Every other type takes the values unchanged, or refuses them.
    if *column_type == ColumnType::Float32 {
        set("type", column_type.name().into());
    }
    if let Some(format) = format {
        set("format", format.text().into());
    }
    if let Some(LocalTime { zone, dst }) = zone {
        set("zone", zone.name().into());
        if *dst != Default::default() {
            set("dst", serde_json::to_value(dst).unwrap_or_default());
        }
    }
    if let Some(from) = from.as_deref().filter(|from| *from != name) {
        set("from", from.into());
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::*;

    #[track_caller]
    fn table(text: &str, env: &Environment) -> TableSpec {
        spec::parse(text, Path::new("ingest.yaml"), env).unwrap_or_else(|error| panic!("{text}: {error}")).spec
    }

    /// The reading of a column where the environment holds this key.
    #[track_caller]
    fn reading_with(key: &str, text: &str, column: &str) -> String {
        let env = Environment::new([("API_KEY".to_owned(), key.to_owned())].into());
        table(text, &env).reading(column, &env.redactor())
    }

    #[track_caller]
    fn reading(text: &str, column: &str) -> String {
        reading_with("s3cret!!", text, column)
    }

    fn csv(more: &str, columns: &str) -> String {
        format!("source: {{file: {{path: x.csv{more}}}}}\ncolumns: {{{columns}}}\n")
    }

    #[test]
    fn settings_enter_the_columns_whose_values_they_decide() {
        let columns = "n: float64, t: string, d: date";
        for (more, of_number, of_text, of_date) in [
            ("", "", "", ""),
            (", decimal: ','", r#"{"decimal":","}"#, "", ""),
            (", encoding: latin-1", "", r#"{"encoding":"windows-1252"}"#, ""),
            (", fill_down: [t]", "", r#"{"fill_down":true}"#, ""),
            (
                ", null_values: [NA, '']",
                r#"{"null_values":["","NA"]}"#,
                r#"{"null_values":["","NA"]}"#,
                r#"{"null_values":["","NA"]}"#,
            ),
            (", header: false", r#"{"field":1}"#, r#"{"field":2}"#, r#"{"field":3}"#),
            // Written out, defaults are still defaults.
            (", format: csv, separator: ',', quote: '\"', header: true, skip_lines: 0, null_values: ['']", "", "", ""),
            (", encoding: utf-8, decimal: '.', empty_files: error, compression: none", "", "", ""),
        ] {
            let text = csv(more, columns);
            let readings = ["n", "t", "d"].map(|name| reading(&text, name));
            assert_eq!(readings, [of_number, of_text, of_date], "{more}");
        }
    }

    #[test]
    fn records_and_taps_are_part_of_the_meaning() {
        let xml = |keys: &str| reading(&format!("source: {{file: {{path: x.xml, {keys}}}}}\n"), "a");
        assert_eq!(xml("records: r.i"), r#"{"records":"r.i"}"#);
        assert_eq!(xml("records: r.i, explode: [tags, tags.x]"), r#"{"explode":"tags, tags.x","records":"r.i"}"#);
        assert_eq!(xml("records: r.i, member: a.xml"), xml("records: r.i"));
        let tap = |keys: &str| reading(&format!("source: {{command: {{run: [tap], format: singer, {keys}}}}}\n"), "a");
        assert_ne!(tap("stream: a"), tap("stream: b"));
        assert_ne!(tap("config: {account: a}"), tap("config: {account: b}"));
        assert_eq!(
            tap("config: {api_key: a}"),
            tap("config: {api_key: b}"),
            "who asks does not decide what is answered"
        );
        assert_eq!(tap("incremental: true"), tap("environment: {A: b}"));
    }

    #[test]
    fn elements_of_pages_are_part_of_the_meaning() {
        let web = |keys: &str, column: &str| {
            let fields = "a: .x, b: {select: i, attribute: title, which: all}, c: {select: i, of: details}";
            let text = format!(
                "source: {{web: {{start: 'http://h/', rows: tr, details: a, fields: {{{fields}}}{keys}}}}}\ncolumns: {{a: int64, d: {{type: string, from: b}}, c: string}}\n"
            );
            reading(&text, column)
        };
        assert_eq!(web("", "a"), r#"{"rows":"tr","select":".x"}"#);
        assert_eq!(web("", "d"), r#"{"attribute":"title","from":"b","rows":"tr","select":"i","which":"all"}"#);
        assert_eq!(web("", "c"), r#"{"of":"a","rows":"tr","select":"i"}"#);
        assert_eq!(web(", next: a.next, pages: 7", "a"), web("", "a"));
        assert_ne!(web(", encoding: cp949", "a"), web("", "a"));
    }

    #[test]
    fn declarations_of_a_column_are_its_own() {
        let of = |column: &str| reading(&csv("", &format!("x: {column}, y: int64")), "x");
        assert_eq!(of(r#"{type: date, format: "%d/%m/%Y", from: x}"#), r#"{"format":"%d/%m/%Y"}"#);
        assert_eq!(of("{type: datetime, zone: Europe/Berlin}"), r#"{"zone":"Europe/Berlin"}"#);
        assert_eq!(
            of("{type: datetime, zone: Europe/Berlin, dst: later}"),
            r#"{"dst":"later","zone":"Europe/Berlin"}"#
        );
        assert_eq!(of("{type: int64, from: z}"), r#"{"from":"z"}"#);
        assert_eq!(of("float32"), r#"{"type":"float32"}"#);
        assert_eq!(of("{type: int64, optional: true}"), "");
        assert_eq!(reading(&csv("", "x: {type: int64, from: z}, y: int64"), "y"), "");
    }

    #[test]
    fn a_folder_gives_its_columns() {
        let text = csv(", folders: [region], decimal: ',', encoding: latin-1", "n: int64");
        assert_eq!(reading(&text, "region"), r#"{"folders":true}"#);
        assert_eq!(reading(&text, "n"), r#"{"decimal":","}"#);
    }

    #[test]
    fn a_query_is_distinguished_from_another_however_long_it_is() {
        let of = |end: &str| {
            reading(
                &format!("source: {{sqlite: {{path: s.db, query: \"SELECT {} {end}\"}}}}\n", "a + ".repeat(50)),
                "a",
            )
        };
        assert_ne!(of("1"), of("2"));
        assert!(of("1").chars().count() < 160, "{}", of("1"));
        assert_eq!(
            reading("source: {sqlite: {path: s.db, query: 'SELECT 1 AS a;'}}\n", "a"),
            r#"{"query":"SELECT 1 AS a"}"#
        );
    }

    #[test]
    fn parameters_of_a_service_count_without_being_shown_and_secrets_do_not() {
        let http = |query: &str, headers: &str| {
            format!("source: {{http: {{url: 'https://a.example/v1/x', query: {{{query}}}, headers: {{{headers}}}}}}}\n")
        };
        let plain = reading(&http("", ""), "a");
        assert_eq!(plain, r#"{"url":"/v1/x"}"#);
        let eur = reading(&http("currency: EUR", ""), "a");
        assert!(!eur.contains("EUR") && eur.contains("currency"), "{eur}");
        assert_ne!(eur, reading(&http("currency: USD", ""), "a"));
        assert_ne!(plain, reading(&http("", "Accept-Language: de"), "a"));
        for (query, headers) in [
            ("serviceKey: abc", ""),
            ("", "Authorization: Bearer x"),
            ("", "X-Api-Token: x"),
            ("", "Cookie: a=b"),
            ("", "User-Agent: we"),
        ] {
            assert_eq!(reading(&http(query, headers), "a"), plain);
        }
        let secret = http("code: '${API_KEY}'", "");
        assert!(reading(&secret, "a").contains("code"));
        assert_eq!(reading_with("s3cret!!", &secret, "a"), reading_with("rotated!", &secret, "a"));
    }

    #[test]
    fn a_fallback_counts_at_all_times() {
        let with = |fallback: &str| {
            let text = format!(
                "source: {{file: {{path: x.csv, decimal: ','}}}}\nfallback: {{file: {{path: y.csv{fallback}}}}}\ncolumns: {{x: float64}}\n"
            );
            let table = table(&text, &Environment::default());
            let secrets = Redactor::default();
            (table.reading("x", &secrets), table.fallback().unwrap().reading("x", &secrets))
        };
        assert_eq!(with(", decimal: ','").0, r#"{"decimal":","}"#);
        assert_eq!(with("").0, r#"{"decimal":",","fallback":{}}"#);
        // So the table must be asked as a whole, whichever of the two is read.
        assert_ne!(with("").0, with("").1);
    }
}
