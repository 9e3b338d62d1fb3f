//! `cluster` finds different spellings of one value in a column.
//!
//! ```yaml
//! - cluster: {columns: [city], method: fingerprint}
//! - cluster: {columns: [street], method: {ngram: {size: 1}}, file: resources/shop/mappings/streets.csv}
//! - cluster: {columns: [product], method: {edit_distance: {most: 1, min_count: 20}}, apply: true}
//! ```
//!
//! Each distinct text of the column, over the rows that are alive, may be another spelling of a more frequent one.
//! `fingerprint`: both have the same words, whatever their order, case, accents and punctuation. `ngram`: both have the
//! same runs of characters. Of such texts the most frequent is meant, of several the smallest in the order of code
//! points. `edit_distance`: a few characters are inserted, deleted, replaced or swapped with their neighbour. Of
//! several frequent texts that are equally near, one is meant only if it is `times` as frequent as each other.
//!
//! What is found is written to a file to review. Only with `apply: true` are the cells changed as well. What people
//! decided is in `file`, which is always applied, and wins: a text that it lists is no longer proposed.
//!
//! Memory: the distinct texts of the column.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, range};

use super::{Apply, is_text};
use crate::clusters::Typing;
use crate::plan::{Plan, Question, Spellings, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The text columns to look at, one by one.
    columns: Vec<String>,
    /// How spellings of one value are found: `fingerprint`, `ngram` or `edit_distance`.
    method: Method,
    /// Whether the cells are changed as proposed. Default: false, which only writes the proposals.
    #[serde(default, skip_serializing_if = "is_false")]
    apply: bool,
    /// A mapping file with what people decided, relative to the project's root: as the step `map_values` reads it. A text that
    /// stays is mapped to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// How spellings of one value are found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ClusterMethod")]
pub(crate) enum Method {
    /// The same words, whatever their order, case, accents and punctuation.
    Fingerprint,
    /// The same runs of characters, whatever their order, case, accents, punctuation and spaces: `ngram`, or `{ngram:
    /// {size: 1}}`.
    Ngram(Ngram),
    /// A few characters differ from a frequent text: `edit_distance`, or `{edit_distance: {most: 1}}`.
    EditDistance(EditDistance),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ngram {
    /// Characters of a run, from 1 to 10. Default: 2.
    #[serde(deserialize_with = "range::whole::<1, 10, _>")]
    pub size: u32,
}

impl Default for Ngram {
    fn default() -> Ngram {
        Ngram { size: 2 }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EditDistance {
    /// The greatest number of characters to insert, delete, replace or swap with their neighbour, from 1 to 4. Default: 2.
    #[serde(deserialize_with = "range::whole::<1, 4, _>")]
    most: u32,
    /// The greatest distance as a share of the characters of the shorter text, from 0 to 1. Default: 0.2, so that texts
    /// of up to four characters never meet.
    #[serde(deserialize_with = "range::ratio")]
    max_share: f64,
    /// In how many rows a frequent text must be. Default: 10.
    min_count: u64,
    /// How many times as often as the rare text it must be there. Default: 10.
    times: u64,
    /// Whether words with a digit may differ. Default: false, for `room 101` is not a typing error of `room 102`, nor
    /// `al-1` of `ak-1`.
    digits: bool,
}

impl Default for EditDistance {
    fn default() -> EditDistance {
        EditDistance { most: 2, max_share: 0.2, min_count: 10, times: 10, digits: false }
    }
}

impl EditDistance {
    pub fn typing(self) -> Typing {
        let EditDistance { most, max_share, min_count, times, digits } = self;
        Typing { most: most as usize, share: max_share, min_count, times, digits }
    }
}

impl Method {
    /// The name as written in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Fingerprint => "fingerprint",
            Method::Ngram(_) => "ngram",
            Method::EditDistance(_) => "edit_distance",
        }
    }
}

impl Cluster {
    /// The mapping file, as written, if there is one.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

impl Apply for Cluster {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the text columns to look at"));
        }
        let columns = plan.pick(&self.columns, "string", is_text)?;
        let decided = match &self.file {
            None => Vec::new(),
            Some(file) => plan.mapping(file)?.entries.clone(),
        };
        if let Some(other) = decided.iter().find(|entry| !columns.contains(&entry.column)) {
            let file = self.file.as_deref().unwrap_or_default();
            return Err(plan
                .error(format!("{file} maps values of column '{}', which the step does not look at", other.column))
                .hint("add the column to 'columns', or take its lines out of the file"));
        }
        for column in columns {
            let of_column = decided.iter().filter(|entry| entry.column == column);
            let decided = of_column.map(|entry| (entry.before.clone(), entry.after.clone())).collect();
            let ask = plan.ask(Question::Spellings(Spellings {
                column: column.clone(),
                method: self.method.clone(),
                apply: self.apply,
                decided,
            }));
            plan.set(vec![(column.clone(), Value::Spelled { column, ask })])?;
        }
        Ok(())
    }

    fn needs_table(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use polars::prelude::*;

    use crate::steps::tests::{failure, parse, rows, run_given};
    use crate::{Given, Mapping, Review, clean};

    fn table() -> DataFrame {
        let mut cities = vec![Some("São Paulo"); 12];
        cities.extend([
            Some("sao  paulo"),
            Some("Sao Paulo"),
            Some("Sao Paulo"),
            Some("Sãoo Paulo"),
            Some("Campinas"),
            None,
            Some("?"),
        ]);
        df!("city" => cities).unwrap()
    }

    fn with_file(text: &str) -> Given {
        let mapping = Mapping::read(text, Path::new("m.csv")).unwrap();
        Given { mappings: [("m.csv".to_owned(), mapping)].into(), ..Given::default() }
    }

    fn reviews(table: &DataFrame, steps: &str, given: &Given) -> Vec<Review> {
        clean(table.clone().lazy(), &parse(steps).unwrap(), given).unwrap().reviews
    }

    fn tail(table: &DataFrame) -> Vec<Option<&str>> {
        table.column("city").unwrap().str().unwrap().iter().skip(12).collect()
    }

    #[test]
    fn what_is_found_is_proposed_and_changes_nothing_by_itself() {
        let steps = "- cluster: {columns: [city], method: fingerprint}";
        assert_eq!(rows(&table(), steps), table());
        let found = reviews(&table(), steps, &Given::default());
        assert_eq!(
            found[0].to_csv(),
            "column,before,after,accepted_by,count,method,distance\n\
             city,Sao Paulo,São Paulo,,2,fingerprint,1\n\
             city,sao  paulo,São Paulo,,1,fingerprint,4\n"
        );
        assert_eq!((found[0].found.as_str(), found[0].is_open), ("city: 2 spellings proposed, none changed", true));
    }

    #[test]
    fn what_is_applied_is_reported_too() {
        let steps = "- cluster: {columns: [city], method: fingerprint, apply: true}";
        let done = rows(&table(), steps);
        let sao = Some("São Paulo");
        assert_eq!(tail(&done), [sao, sao, sao, Some("Sãoo Paulo"), Some("Campinas"), None, Some("?")]);
        let found = reviews(&table(), steps, &Given::default());
        assert_eq!((found[0].found.as_str(), found[0].is_open), ("city: 2 spellings changed", false));
    }

    #[test]
    fn each_method_has_its_own_idea_of_a_spelling() {
        let sao = Some("São Paulo");
        let done = rows(&table(), "- cluster: {columns: [city], method: {ngram: {size: 1}}, apply: true}");
        assert_eq!(tail(&done), [sao, sao, sao, sao, Some("Campinas"), None, Some("?")]);
        let done = rows(&table(), "- cluster: {columns: [city], method: {edit_distance: {most: 1}}, apply: true}");
        assert_eq!(
            tail(&done),
            [Some("sao  paulo"), Some("Sao Paulo"), Some("Sao Paulo"), sao, Some("Campinas"), None, Some("?")]
        );
    }

    #[test]
    fn what_people_decided_is_applied_and_proposed_no_more() {
        // The line of the review itself, accepted; and one that says that a text stays.
        let given = with_file(
            "column,before,after,accepted_by,count,method,distance\n\
             city,Sao Paulo,São Paulo,ann,2,fingerprint,1\n\
             city,sao  paulo,sao  paulo,ann,1,fingerprint,4\n",
        );
        for apply in [false, true] {
            let steps = format!("- cluster: {{columns: [city], method: fingerprint, file: m.csv, apply: {apply}}}");
            let done = run_given(&table(), &steps, &given).rows;
            let sao = Some("São Paulo");
            let expected = [Some("sao  paulo"), sao, sao, Some("Sãoo Paulo"), Some("Campinas"), None, Some("?")];
            assert_eq!(tail(&done), expected, "{apply}");
            assert_eq!(reviews(&table(), &steps, &given), []);
        }
    }

    #[test]
    fn a_text_between_two_stays_and_says_so() {
        let mut texts = vec!["measure a"; 12];
        texts.extend(["measure b"; 11]);
        texts.push("measure x");
        let table = df!("m" => texts).unwrap();
        let steps = "- cluster: {columns: [m], method: edit_distance, apply: true}";
        assert_eq!(rows(&table, steps), table);
        let found = reviews(&table, steps, &Given::default());
        assert_eq!(
            found[0].to_csv().lines().nth(1),
            Some("m,measure x,measure x,,1,\"edit_distance, equally near: measure a; measure b\",1")
        );
        assert_eq!(found[0].found, "m: 0 spellings changed, 1 lies between several");
        assert!(found[0].is_open);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            failure(&table(), "- cluster: {columns: [], method: fingerprint}"),
            "step 1 'cluster': no columns given; name the text columns to look at"
        );
        assert!(
            failure(&table(), "- cluster: {columns: [city], method: {edit_distance: {most: 9}}}")
                .ends_with("most: 9 is not from 1 to 4")
        );
        assert!(
            failure(&table(), "- cluster: {columns: [city], method: {ngram: {size: 0}}}")
                .ends_with("size: 0 is not from 1 to 10")
        );
        assert_eq!(
            failure(&df!("n" => [1]).unwrap(), "- cluster: {columns: [n], method: fingerprint}"),
            "step 1 'cluster': column 'n' is int32, not string; cast it first"
        );
    }
}
