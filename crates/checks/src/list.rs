//! The list of checks.

use serde::{Deserialize, Serialize};
use spec::Severity;

use crate::check::{Described, RowCheck, TableCheck};
use crate::kinds::*;
use crate::share::Share;

/// A check of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    Required(Required),
    Types(Types),
    NotNull(NotNull),
    InRange(InRange),
    AcceptedValues(AcceptedValues),
    Matches(Matches),
    References(References),
    Row(Row),
    Unique(Unique),
    PrimaryKey(PrimaryKey),
    RowCount(RowCount),
    Freshness(Freshness),
    MeanNearHistory(MeanNearHistory),
    NoDrift(NoDrift),
    Table(Table),
}

/// A check by what it looks at.
pub(crate) enum Kind<'a> {
    Row(&'a dyn RowCheck),
    Table(&'a dyn TableCheck),
}

impl Check {
    /// Every check by its name in YAML, in the order of the docs.
    pub const NAMES: [&'static str; 15] = [
        "required",
        "types",
        "not_null",
        "in_range",
        "accepted_values",
        "matches",
        "references",
        "row",
        "unique",
        "primary_key",
        "row_count",
        "freshness",
        "mean_near_history",
        "no_drift",
        "table",
    ];

    fn parts(&self) -> (&'static str, Kind<'_>) {
        match self {
            Check::Required(check) => ("required", Kind::Table(check)),
            Check::Types(check) => ("types", Kind::Table(check)),
            Check::NotNull(check) => ("not_null", Kind::Row(check)),
            Check::InRange(check) => ("in_range", Kind::Row(check)),
            Check::AcceptedValues(check) => ("accepted_values", Kind::Row(check)),
            Check::Matches(check) => ("matches", Kind::Row(check)),
            Check::References(check) => ("references", Kind::Row(check)),
            Check::Row(check) => ("row", Kind::Row(check)),
            Check::Unique(check) => ("unique", Kind::Table(check)),
            Check::PrimaryKey(check) => ("primary_key", Kind::Table(check)),
            Check::RowCount(check) => ("row_count", Kind::Table(check)),
            Check::Freshness(check) => ("freshness", Kind::Table(check)),
            Check::MeanNearHistory(check) => ("mean_near_history", Kind::Table(check)),
            Check::NoDrift(check) => ("no_drift", Kind::Table(check)),
            Check::Table(check) => ("table", Kind::Table(check)),
        }
    }

    fn described(&self) -> &dyn Described {
        match self.kind() {
            Kind::Row(check) => check,
            Kind::Table(check) => check,
        }
    }

    /// The name as written in YAML.
    pub fn name(&self) -> &'static str {
        self.parts().0
    }

    pub(crate) fn kind(&self) -> Kind<'_> {
        self.parts().1
    }

    /// What happens when it fails.
    pub fn severity(&self) -> Severity {
        self.described().severity()
    }

    /// The table that must be there before this check can be judged.
    pub fn refers_to(&self) -> Option<&str> {
        match self {
            Check::References(check) => Some(&check.table),
            _ => None,
        }
    }

    /// Whether its verdict changes with time alone, while the table stays as it is.
    pub fn depends_on_time(&self) -> bool {
        matches!(self, Check::Freshness(check) if check.as_of.is_none())
    }

    /// The check as it can be judged on a few rows: a row check that takes out however many fail; None for one of the whole table.
    pub fn on_sample(&self) -> Option<Check> {
        let mut check = self.clone();
        let max_share = match &mut check {
            Check::NotNull(check) => &mut check.max_share,
            Check::InRange(check) => &mut check.max_share,
            Check::AcceptedValues(check) => &mut check.max_share,
            Check::Matches(check) => &mut check.max_share,
            Check::References(check) => &mut check.max_share,
            Check::Row(check) => &mut check.max_share,
            _ => return None,
        };
        *max_share = Share::new(1.0)?;
        Some(check)
    }

    /// Which rows the check keeps in a table that is published, in one line: a hard row check that may take some out. How many
    /// it may take out does not matter.
    pub fn chooses_rows(&self) -> Option<String> {
        let Kind::Row(row) = self.kind() else { return None };
        if self.severity() != Severity::Hard || row.max_share() == Share::default() {
            return None;
        }
        let settings = serde_json::to_value(self).ok()?;
        let mut settings = artifact::stripped(settings.get(self.name())?.clone());
        if let serde_json::Value::Object(entries) = &mut settings {
            entries.retain(|key, _| !["max_share", "severity", "name"].contains(&key.as_str()));
        }
        Some(format!("check {} {}", self.name(), artifact::flow(&settings)))
    }

    /// The check as people read it: `in_range amount [0, 10000]`.
    pub fn title(&self) -> String {
        format!("{} {}", self.name(), self.described().subject())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::*;
    use crate::{Checks, EXAMPLE};

    #[derive(serde::Deserialize)]
    struct File {
        checks: Checks,
    }

    #[test]
    fn only_hard_row_checks_that_may_take_rows_out_choose_rows() {
        let chooses = |check: &str| {
            let checks = read(&format!("checks:\n  t:\n    - {check}\n")).unwrap();
            checks.get("t").unwrap()[0].chooses_rows()
        };
        let range = Some("check in_range {column: a, max: 60, min: 0}".to_owned());
        assert_eq!(chooses("in_range: {column: a, min: 0, max: 60, max_share: 1}"), range);
        assert_eq!(chooses("in_range: {column: a, min: 0, max: 60, max_share: 0.001, severity: hard}"), range);
        assert_ne!(chooses("in_range: {column: a, min: 0, max: 61, max_share: 1}"), range);
        assert_ne!(
            chooses("row: {name: r, sql: a > 1, max_share: 1}"),
            chooses("row: {name: r, sql: a > 2, max_share: 1}")
        );
        assert_eq!(
            chooses("row: {name: r, sql: a > 1, max_share: 1}"),
            chooses("row: {name: s, sql: a > 1, max_share: 1}")
        );
        for none in [
            "in_range: {column: a, min: 0, max: 60}",
            "in_range: {column: a, min: 0, max: 60, max_share: 1, severity: soft}",
            "unique: {columns: [a], max_share: 0.5}",
            "row_count: {min: 1}",
        ] {
            assert_eq!(chooses(none), None, "{none}");
        }
    }

    fn read(text: &str) -> spec::Result<Checks> {
        spec::parse::<File>(text, Path::new("clean.yaml"), &Environment::default()).map(|loaded| loaded.spec.checks)
    }

    fn failure(check: &str) -> String {
        read(&format!("checks:\n  orders:\n    {check}\n")).unwrap_err().to_string()
    }

    #[test]
    fn the_example_shows_every_check_once() {
        let checks = read(EXAMPLE).unwrap();
        let shown: Vec<&str> = checks.get("purchases").unwrap().iter().map(Check::name).collect();
        assert_eq!(shown, Check::NAMES);
    }

    #[test]
    fn every_check_has_a_description_with_an_example_that_parses() {
        let schema = schemars::schema_for!(Check).to_value();
        let variants = schema["oneOf"].as_array().unwrap();
        assert_eq!(variants.len(), Check::NAMES.len());
        for (variant, name) in variants.iter().zip(Check::NAMES) {
            let body = &variant["properties"][name];
            let body = match body["$ref"].as_str() {
                Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
                None => body,
            };
            let text = body["description"].as_str().unwrap_or_else(|| panic!("'{name}' has no description"));
            let example =
                text.split('`').find(|part| part.starts_with("- ")).unwrap_or_else(|| panic!("{name}: {text}"));
            let checks = read(&format!("checks:\n  t:\n    {}\n", example.replace('\n', " "))).unwrap();
            assert_eq!(checks.get("t").unwrap()[0].name(), name);
            for (key, option) in body["properties"].as_object().unwrap() {
                let known = option.get("description").is_some() || option.get("$ref").is_some();
                assert!(known, "'{name}': '{key}' has no description");
            }
        }
    }

    #[test]
    fn wrong_specs_are_refused_with_place_and_way_out() {
        for (check, error) in [
            (
                "- row_count: {min: 5, max: 4}",
                "clean.yaml:3:7: checks.orders[0]: row_count: 'min' 5 is above 'max' 4; swap them",
            ),
            (
                "- row_count: {max: 0}",
                "clean.yaml:3:7: checks.orders[0]: row_count: 'max' is 0, and 'min' is 1 by default; add 'min: 0' for an empty table",
            ),
            (
                "- accepted_values: {column: a, values: []}",
                "clean.yaml:3:24: checks.orders[0].accepted_values: no value is given, so that every row would fail; name at least one",
            ),
            (
                "- not_nul: {columns: [a]}",
                "clean.yaml:3:7: checks.orders[0]: unknown check 'not_nul'; did you mean 'not_null'?",
            ),
            (
                "- not_null: {columns: [a], max_shar: 1}",
                "clean.yaml:3:32: checks.orders[0].not_null: unknown key 'max_shar'; did you mean 'max_share'?",
            ),
            (
                "- not_null: {columns: [a], max_share: 2}",
                "clean.yaml:3:43: checks.orders[0].not_null.max_share: 2 is not a share of rows; write a number from 0 to 1, \
                 such as 0.01 for 1 %",
            ),
        ] {
            assert_eq!(failure(check), error);
        }
    }
}
