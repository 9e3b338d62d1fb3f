//! `similar` of the step `dedupe`: which rows are compared, by which columns, and how alike they must be.

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, range};

use super::one_or_many::OneOrMany;
use crate::alike::Measure;
use crate::plan::{Compared, Plan};

/// Rows that are similar enough count as the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Similar {
    /// Keys, each a column or a list of columns: only rows that agree on one of them are compared.
    block: Vec<OneOrMany<String>>,
    /// A column in which rows must differ to be compared, such as the list that they come from. An empty cell differs from all.
    /// Default: all rows of a block are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    across: Option<String>,
    /// The columns to compare.
    fields: Vec<Field>,
    /// From which similarity on rows count as the same, from 0 to 1.
    #[serde(deserialize_with = "range::share")]
    threshold: f64,
    /// From which score on pairs are reported although they are not alike enough. Default: the threshold, so that none are.
    #[serde(default, deserialize_with = "range::optional_share", skip_serializing_if = "Option::is_none")]
    report: Option<f64>,
    /// What an empty cell means for the field. Default: differ.
    #[serde(default, skip_serializing_if = "Empty::is_default")]
    empty: Empty,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EmptyFields")]
enum Empty {
    /// It has nothing in common with any cell.
    #[default]
    Differ,
    /// The field is left out, for these two rows.
    Ignore,
}

impl Empty {
    fn is_default(&self) -> bool {
        *self == Empty::default()
    }
}

/// A column that is compared.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    /// The column.
    column: String,
    /// How its cells are compared. Default: `jaro_winkler` for texts, `exact` for all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<By>,
    /// How much it counts, above 0. Default: 1.
    #[serde(default = "one", deserialize_with = "range::positive", skip_serializing_if = "is_one")]
    weight: f64,
}

fn one() -> f64 {
    1.0
}

fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// How two cells are compared, from 0 (nothing in common) to 1 (equal).
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Comparison")]
enum By {
    /// 1 if they are equal, else 0.
    Exact,
    /// Jaro-Winkler: for names.
    JaroWinkler,
    /// 1 less the edit distance as a share of the longer text.
    EditDistance,
    /// Words in common, whatever their order, case, accents and punctuation.
    Words,
    /// Runs of three characters in common: for long texts.
    Trigrams,
    /// 1 less the difference as a share of this number: for numbers, and for dates in days.
    Within(#[serde(deserialize_with = "range::positive")] f64),
}

impl Similar {
    /// What is compared, with columns that exist and have the right types.
    pub fn check(&self, plan: &Plan) -> Result<Compared> {
        if self.block.is_empty() {
            return Err(plan.error("'similar' needs a key in 'block'").hint(
                "name columns on which rows agree that are compared, such as `block: [zip]`: all pairs of rows would be too many",
            ));
        }
        if self.fields.is_empty() {
            return Err(plan.error("'similar' needs a column in 'fields'").hint("such as `fields: [{column: name}]`"));
        }
        let blocks = keys(plan, &self.block)?;
        let across: Vec<String> = self.across.iter().cloned().collect();
        if !across.is_empty() {
            plan.pick(&across, "a plain value", |dtype| !dtype.is_nested())?;
        }
        let mut fields: Vec<(String, Measure, f64)> = Vec::with_capacity(self.fields.len());
        for Field { column, by, weight } in &self.fields {
            let dtype = plan.dtype(column)?;
            let is_text = dtype == DataType::String;
            let by = by.unwrap_or(if is_text { By::JaroWinkler } else { By::Exact });
            let wanted = match by {
                By::Exact => None,
                By::Within(_) => (!(dtype.is_numeric() || dtype == DataType::Date)).then_some("a number or a date"),
                _ => (!is_text).then_some("string"),
            };
            if let Some(wanted) = wanted {
                let found = artifact::type_name(&dtype);
                return Err(plan.error(format!("column '{column}' is {found}, not {wanted}")).hint("cast it first"));
            }
            if fields.iter().any(|(known, ..)| known == column) {
                return Err(plan.error(format!("column '{column}' is compared twice")).hint("name it once"));
            }
            fields.push((column.clone(), by.measure(), *weight));
        }
        Ok(Compared {
            blocks,
            across,
            fields,
            threshold: self.threshold,
            report: self.report.unwrap_or(self.threshold),
            ignore_empty: self.empty == Empty::Ignore,
        })
    }
}

/// Keys of columns that exist and can be compared.
pub(super) fn keys(plan: &Plan, keys: &[OneOrMany<String>]) -> Result<Vec<Vec<String>>> {
    keys.iter().map(|key| plan.pick(key.as_slice(), "a plain value", |dtype| !dtype.is_nested())).collect()
}

impl By {
    fn measure(self) -> Measure {
        match self {
            By::Exact => Measure::Exact,
            By::JaroWinkler => Measure::JaroWinkler,
            By::EditDistance => Measure::EditDistance,
            By::Words => Measure::Words,
            By::Trigrams => Measure::Trigrams,
            By::Within(range) => Measure::Within(range),
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, parse, rows, run};
    use crate::{Given, Review, clean};

    fn people() -> DataFrame {
        df!(
            "id" => [1, 2, 3, 4, 5, 6],
            "email" => [Some("a@x"), Some("b@x"), Some("a@x"), None, None, Some("c@x")],
            "phone" => [Some("1"), Some("2"), Some("2"), Some("3"), None, Some("9")],
            "name" => ["Ann Lee", "Anne Lee", "Ann Lee", "Bob", "Bob", "Cy"],
            "seen" => [1, 2, 3, 4, 5, 6]
        )
        .unwrap()
    }

    fn ids(table: &DataFrame, column: &str) -> Vec<u32> {
        table.column(column).unwrap().cast(&DataType::UInt32).unwrap().u32().unwrap().iter().flatten().collect()
    }

    fn reviews(table: &DataFrame, steps: &str) -> Vec<Review> {
        clean(table.clone().lazy(), &parse(steps).unwrap(), &Given::default()).unwrap().reviews
    }

    #[test]
    fn one_key_or_another_and_what_follows_from_both() {
        let done = run(&people(), "- dedupe: {any: [email, phone], cluster: person, count: rows}");
        // 1 and 3 share an address, 2 and 3 a number: all three are one.
        assert_eq!(ids(&done.rows, "id"), [1, 4, 5, 6]);
        assert_eq!(ids(&done.rows, "person"), [1, 2, 3, 4]);
        assert_eq!(ids(&done.rows, "rows"), [3, 1, 1, 1]);
        assert_eq!(done.removed, [("step 1 'dedupe' of alike rows".to_owned(), 2)]);
        let newest = rows(&people(), "- dedupe: {any: [email, phone], by: seen, keep: last}");
        assert_eq!(ids(&newest, "id"), [3, 4, 5, 6]);
        let together = rows(&people(), "- dedupe: {any: [[email, name]]}");
        assert_eq!(ids(&together, "id"), [1, 2, 4, 5, 6]);
    }

    #[test]
    fn rows_may_stay_and_say_what_is_one() {
        let done = run(&people(), "- dedupe: {any: [name], cluster: person, action: mark}");
        assert_eq!(ids(&done.rows, "person"), [1, 2, 1, 3, 3, 4]);
        assert!(done.removed.is_empty());
    }

    #[test]
    fn rows_that_are_alike_enough_are_one() {
        let similar = |rest: &str| {
            format!(
                "- dedupe: {{similar: {{block: [phone], fields: [{{column: name}}, {{column: seen, by: {{within: 10}}}}], {rest}}}}}"
            )
        };
        // Only 2 and 3 share a number. Seven letters of their names match, two of them in another place: Jaro's likeness is
        // (7/8 + 7/7 + 6/7) / 3 = 0.9107…, Winkler's with three letters in front 0.9375; seen gives 0.9.
        assert_eq!(ids(&rows(&people(), &similar("threshold: 0.91")), "id"), [1, 2, 4, 5, 6]);
        assert_eq!(ids(&rows(&people(), &similar("threshold: 0.92")), "id"), [1, 2, 3, 4, 5, 6]);
        let found = reviews(&people(), &similar("threshold: 0.92, report: 0.5"));
        assert_eq!(
            found[0].to_csv(),
            "cluster,score,is_one,phone_1,phone_2,name_1,name_2,seen_1,seen_2\n,0.9187,false,2,2,Anne Lee,Ann Lee,2,3\n"
        );
        assert_eq!(found[0].found, "0 pairs of rows found to be one, 1 nearly so");
    }

    #[test]
    fn rows_that_are_out_are_not_compared() {
        let done =
            run(&people(), "- filter: id <> 3\n- dedupe: {any: [email, phone], cluster: person}\n- filter: id > 1");
        assert_eq!(ids(&done.rows, "id"), [2, 4, 5, 6]);
        assert_eq!(ids(&done.rows, "person"), [2, 3, 4, 5]);
        let none = rows(&people(), "- filter: id > 99\n- dedupe: {any: [email], cluster: person}");
        assert_eq!((none.height(), none.width()), (0, 6));
    }

    #[test]
    fn mistakes_are_named() {
        let failed = |step: &str| failure(&people(), &format!("- dedupe: {{{step}}}"));
        assert_eq!(
            failed("keys: [id], any: [email]"),
            "step 1 'dedupe': 'keys' and 'nulls' do not go with 'any' and 'similar'; write the key into 'any', where an empty cell \
             agrees with none"
        );
        assert_eq!(
            failed("keys: [id], cluster: c"),
            "step 1 'dedupe': 'cluster' and 'action' belong to 'any' and 'similar'; write `any: [KEY]` instead of `keys: [KEY]`"
        );
        assert_eq!(
            failed("any: [email], action: mark"),
            "step 1 'dedupe': with `action: mark` nothing is marked; name a new column in 'cluster'"
        );
        assert_eq!(
            failed("similar: {block: [], fields: [{column: name}], threshold: 0.9}"),
            "step 1 'dedupe': 'similar' needs a key in 'block'; name columns on which rows agree that are compared, such as \
             `block: [zip]`: all pairs of rows would be too many"
        );
        assert_eq!(
            failed("similar: {block: [id], fields: [{column: seen, by: words}], threshold: 0.9}"),
            "step 1 'dedupe': column 'seen' is int32, not string; cast it first"
        );
        assert_eq!(
            failed("similar: {block: [id], fields: [{column: name, by: {within: 3}}], threshold: 0.9}"),
            "step 1 'dedupe': column 'name' is string, not a number or a date; cast it first"
        );
        assert!(
            failed("similar: {block: [id], fields: [{column: name}], threshold: 0}")
                .ends_with("threshold: 0 is not above 0 and at most 1")
        );
    }

    /// A row: address, number, name.
    type Person = (Option<i64>, Option<i64>, &'static str);

    /// Which rows are one: every pair is looked at, and every chain followed.
    fn plain(people: &[Person], any: bool, threshold: f64) -> Vec<u32> {
        let is_one = |one: &Person, other: &Person| {
            let agree = |one: Option<i64>, other: Option<i64>| one.is_some() && one == other;
            let (address, number) = (agree(one.0, other.0), agree(one.1, other.1));
            let likeness = (2.0 * strsim::jaro_winkler(one.2, other.2) + f64::from(u8::from(number))) / 3.0;
            (any && address) || (number && likeness >= threshold)
        };
        let mut numbers = vec![0; people.len()];
        let mut next = 0;
        for start in 0..people.len() {
            if numbers[start] > 0 {
                continue;
            }
            next += 1;
            let mut open = vec![start];
            while let Some(row) = open.pop() {
                numbers[row] = next;
                open.extend(
                    (0..people.len()).filter(|other| numbers[*other] == 0 && is_one(&people[row], &people[*other])),
                );
            }
        }
        numbers
    }

    #[test]
    fn rows_of_one_list_are_not_compared() {
        let table = df!(
            "id" => [1i64, 2, 3, 4, 5],
            "list" => [Some("a"), Some("a"), Some("b"), None, None],
            "name" => ["Arnie Morton", "Arnie Mortons", "Arnie Morton", "Arnie Morton", "Zoe"],
            "zip" => ["1"; 5],
        )
        .unwrap();
        let clusters = |table: &DataFrame, across: &str| {
            let step = format!("block: [zip]{across}, fields: [{{column: name, by: exact}}], threshold: 1");
            ids(&rows(table, &format!("- dedupe: {{similar: {{{step}}}, cluster: c, action: mark}}")), "c")
        };
        assert_eq!(clusters(&table, ""), [1, 2, 1, 1, 3]);
        assert_eq!(clusters(&table, ", across: list"), [1, 2, 1, 1, 3], "an empty cell differs from all");
        let twins = df!("list" => ["a", "a", "b"], "name" => ["x", "x", "y"], "zip" => ["1"; 3]).unwrap();
        assert_eq!(clusters(&twins, ""), [1, 1, 2]);
        assert_eq!(clusters(&twins, ", across: list"), [1, 2, 3], "rows of one list");
        assert_eq!(
            failure(&table, "- dedupe: {similar: {block: [zip], across: lst, fields: [{column: name}], threshold: 1}}"),
            "step 1 'dedupe': no column 'lst'; did you mean 'list'?"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn clusters_are_those_of_a_plain_search(
            people in proptest::collection::vec(
                (
                    proptest::option::of(0i64..9),
                    proptest::option::of(0i64..5),
                    proptest::sample::select(vec!["ann lee", "anne lee", "an lee", "bob", "bop", ""]),
                ),
                0..25,
            ),
            any in proptest::bool::ANY,
            threshold in proptest::sample::select(vec![0.5, 0.9, 0.95, 1.0]),
        ) {
            let table = df!(
                "email" => people.iter().map(|of| of.0).collect::<Vec<_>>(),
                "phone" => people.iter().map(|of| of.1).collect::<Vec<_>>(),
                "name" => people.iter().map(|of| of.2).collect::<Vec<_>>()
            ).unwrap();
            let any_key = if any { "any: [email], " } else { "" };
            let step = format!(
                "- dedupe: {{{any_key}similar: {{block: [phone], fields: [{{column: name, weight: 2}}, {{column: phone}}], threshold: \
                 {threshold}}}, cluster: c, action: mark}}"
            );
            let expected = plain(&people, any, threshold);
            prop_assert_eq!(ids(&rows(&table, &step), "c"), expected.clone(), "{}", step);
            let dropped = step.replace(", action: mark", "");
            let mut firsts = expected;
            let mut seen = Vec::new();
            firsts.retain(|number| { let is_new = !seen.contains(number); seen.push(*number); is_new });
            prop_assert_eq!(ids(&rows(&table, &dropped), "c"), firsts, "{}", dropped);
        }
    }
}
