//! `repair` makes the rows of one key agree on columns that the key determines.
//!
//! ```yaml
//! - repair: {key: zip, columns: [city, state], by: majority}
//! - repair: {key: customer_id, columns: [address], by: {newest: updated_at}, empty: keep}
//! - repair:
//!     key: [flight, day]
//!     columns: [departed, arrived]
//!     by: [majority, {source_order: {column: source, order: [airline, airport]}}]
//!     min_share: 0.5
//! ```
//!
//! Of each key, the rows with a value in the column take part. Each rule of `by` leaves some of them: `majority` those
//! with the value that most of them hold, `newest` those with the largest value of a column, `source_order` those of
//! the best source, `first` the first of the table. Where the rows that are left hold one value, all rows of the key
//! get it. Where they hold several, it is a tie: the cells stay as they are, and the key is reported. A row with an
//! empty cell in the key (or NaN) belongs to no key and stays as it is. Empty cells do not count; NaN is one of them.
//!
//! Memory: the columns of the step, for all rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, range};

use super::one_or_many::OneOrMany;
use super::{Apply, is_text};
use crate::plan::{Agreement, Plan, Question, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// The column whose value determines the others, or a list of columns that do so together.
    key: OneOrMany<String>,
    /// The columns that have one value per key.
    columns: Vec<String>,
    /// The rule by which the value is chosen, or a list: each next rule decides among the rows that the one before left.
    by: OneOrMany<By>,
    /// What becomes of empty cells. Default: fill.
    #[serde(default, skip_serializing_if = "Empty::is_default")]
    empty: Empty,
    /// The share of the key's rows with a value that must hold the chosen one; otherwise the key stays as it is and is
    /// reported. From 0 to 1. Default: 0.
    #[serde(default, deserialize_with = "range::ratio", skip_serializing_if = "is_zero")]
    min_share: f64,
    /// How many rows of the key must hold the chosen value; otherwise the key stays as it is and is reported. Default: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    min_rows: u32,
}

fn one() -> u32 {
    1
}

fn is_one(rows: &u32) -> bool {
    *rows == 1
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// How a value is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RepairRule")]
pub(crate) enum By {
    /// The value that most rows hold.
    Majority,
    /// The value of the first row of the table.
    First,
    /// The value of the row with the largest number, date or time in this column.
    Newest(String),
    /// The value of the best source.
    SourceOrder(SourceOrder),
}

/// Sources from the best to the worst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceOrder {
    /// The text column that names the source of the row.
    pub column: String,
    /// The sources, the best first. Those that are not listed, and empty cells, come last and are equal.
    pub order: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EmptyCells")]
enum Empty {
    /// They get the value of the key.
    #[default]
    Fill,
    /// They stay empty.
    Keep,
}

impl Empty {
    fn is_default(&self) -> bool {
        *self == Empty::default()
    }
}

impl Apply for Repair {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns that the key determines"));
        }
        let plain = "a plain value";
        let keys = plan.pick(self.key.as_slice(), plain, |dtype| !dtype.is_nested())?;
        let columns = plan.pick(&self.columns, plain, |dtype| !dtype.is_nested())?;
        if let Some(both) = columns.iter().find(|column| keys.contains(column)) {
            return Err(plan
                .error(format!("column '{both}' is in 'key' and in 'columns'"))
                .hint("a key cannot determine itself; name it in one of the two"));
        }
        let mut reads = keys.clone();
        for by in self.by.as_slice() {
            reads.extend(by.check(plan, &columns)?);
        }
        let helpers: Vec<String> = columns.iter().map(|_| plan.helper_name("agreed")).collect();
        let ask = plan.ask(Question::Agree(Agreement {
            keys,
            columns: columns.clone(),
            by: self.by.as_slice().to_vec(),
            fill: self.empty == Empty::Fill,
            min_share: self.min_share,
            min_rows: self.min_rows,
            helpers: helpers.clone(),
        }));
        let agreed = columns.into_iter().zip(helpers).map(|(column, helper)| {
            let fill = self.empty == Empty::Fill;
            (column.clone(), Value::Agreed { column, ask, helper, fill, reads: reads.clone() })
        });
        plan.set(agreed.collect())
    }

    fn needs_table(&self) -> bool {
        true
    }
}

impl By {
    /// The name as written in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            By::Majority => "majority",
            By::First => "first",
            By::Newest(_) => "newest",
            By::SourceOrder(_) => "source_order",
        }
    }

    /// The column that the rule looks at, which must fit.
    fn check(&self, plan: &Plan, columns: &[String]) -> Result<Option<String>> {
        let column = match self {
            By::Majority | By::First => return Ok(None),
            By::Newest(column) => {
                let dtype = plan.dtype(column)?;
                if !(dtype.is_numeric() || dtype.is_temporal() || dtype.is_bool()) {
                    let found = artifact::type_name(&dtype);
                    return Err(plan
                        .error(format!("column '{column}' is {found}, which has no order to go by"))
                        .hint("cast it to a number, or read it with 'parse_dates' first"));
                }
                column
            }
            By::SourceOrder(SourceOrder { column, order }) => {
                plan.dtype(column)?;
                plan.pick(std::slice::from_ref(column), "string", is_text)?;
                if order.is_empty() {
                    return Err(plan.error("the order of sources is empty").hint("name the best source first"));
                }
                if let Some(twice) = (1..order.len()).find(|at| order[..*at].contains(&order[*at])) {
                    return Err(plan.error(format!("source '{}' is named twice", order[twice])).hint("name it once"));
                }
                column
            }
        };
        match columns.contains(column) {
            true => Err(plan
                .error(format!("column '{column}' is repaired and cannot decide by which value"))
                .hint("leave it out of 'columns', or repair it in a step of its own")),
            false => Ok(Some(column.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, parse, rows};
    use crate::{Given, Review, clean};

    fn flights() -> DataFrame {
        df!(
            "flight" => [Some("A1"), Some("A1"), Some("A1"), Some("B2"), Some("B2"), Some("C3"), Some("C3"), None, None],
            "departed" => [Some("9:00"), Some("9:10"), Some("9:00"), Some("7:00"), Some("7:30"), None, Some("5:05"), Some("1:00"), Some("2:00")],
            "source" => [Some("web"), Some("airline"), Some("web"), None, Some("web"), Some("web"), Some("web"), Some("web"), Some("web")],
            "seen" => [1, 5, 2, 3, 3, 1, 1, 1, 2]
        )
        .unwrap()
    }

    fn departed(step: &str) -> Vec<Option<String>> {
        let done = rows(&flights(), &format!("- repair: {{key: flight, columns: [departed], {step}}}"));
        done.column("departed").unwrap().str().unwrap().iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    fn cells(cells: [&str; 9]) -> Vec<Option<String>> {
        cells.iter().map(|cell| (*cell != "-").then(|| (*cell).to_owned())).collect()
    }

    fn reviews(table: &DataFrame, steps: &str) -> Vec<Review> {
        clean(table.clone().lazy(), &parse(steps).unwrap(), &Given::default()).unwrap().reviews
    }

    #[test]
    fn the_value_of_most_rows_wins_and_a_tie_changes_nothing() {
        let expected = cells(["9:00", "9:00", "9:00", "7:00", "7:30", "5:05", "5:05", "1:00", "2:00"]);
        assert_eq!(departed("by: majority"), expected);
        let kept = cells(["9:00", "9:00", "9:00", "7:00", "7:30", "-", "5:05", "1:00", "2:00"]);
        assert_eq!(departed("by: majority, empty: keep"), kept);
    }

    #[test]
    fn each_next_rule_decides_among_what_the_one_before_left() {
        let by_source = "{source_order: {column: source, order: [airline, web]}}";
        let expected = cells(["9:10", "9:10", "9:10", "7:30", "7:30", "5:05", "5:05", "1:00", "2:00"]);
        assert_eq!(departed(&format!("by: {by_source}")), expected);
        let expected = cells(["9:00", "9:00", "9:00", "7:30", "7:30", "5:05", "5:05", "1:00", "2:00"]);
        assert_eq!(departed(&format!("by: [majority, {by_source}]")), expected);
        // Both of B2 were seen at the same time: a tie, which the first row of the table decides.
        let expected = cells(["9:10", "9:10", "9:10", "7:00", "7:30", "5:05", "5:05", "1:00", "2:00"]);
        assert_eq!(departed("by: {newest: seen}"), expected);
        let expected = cells(["9:10", "9:10", "9:10", "7:00", "7:00", "5:05", "5:05", "1:00", "2:00"]);
        assert_eq!(departed("by: [{newest: seen}, first]"), expected);
    }

    #[test]
    fn a_value_that_too_few_rows_hold_is_not_taken() {
        let expected = cells(["9:00", "9:10", "9:00", "7:00", "7:30", "-", "5:05", "1:00", "2:00"]);
        assert_eq!(departed("by: majority, min_share: 0.67, min_rows: 2"), expected);
        let expected = cells(["9:00", "9:00", "9:00", "7:00", "7:30", "-", "5:05", "1:00", "2:00"]);
        assert_eq!(departed("by: majority, min_share: 0.66, min_rows: 2"), expected);
    }

    #[test]
    fn ties_are_reported_with_all_that_they_hold() {
        let found = reviews(&flights(), "- repair: {key: flight, columns: [departed, seen], by: majority}");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].step, found[0].name.as_str(), found[0].is_open), (1, "repair", true));
        assert_eq!(found[0].found, "2 keys are undecided and stay as they are");
        assert_eq!(
            found[0].to_csv(),
            "column,flight,value,rows\nseen,A1,1,1\nseen,A1,5,1\nseen,A1,2,1\ndeparted,B2,7:00,1\ndeparted,B2,7:30,1\n"
        );
        assert!(reviews(&flights(), "- repair: {key: flight, columns: [departed], by: first}").is_empty());
    }

    #[test]
    fn what_a_later_step_masks_is_not_reported() {
        let steps = "- repair: {key: flight, columns: [departed], by: majority}\n- rename: {departed: left}\n";
        let masked = format!("{steps}- mask: {{columns: [left], method: redact}}");
        assert_eq!(reviews(&flights(), &masked)[0].to_csv(), "column,flight,value,rows\n");
        assert_eq!(reviews(&flights(), steps)[0].rows.len(), 2);
    }

    #[test]
    fn nan_is_empty_and_zeros_are_equal() {
        let table = df!("k" => [1, 1, 1, 2, 2], "x" => [f64::NAN, 2.5, 2.5, 0.0, -0.0]).unwrap();
        let found = rows(&table, "- repair: {key: k, columns: [x], by: majority}");
        let found: Vec<f64> = found.column("x").unwrap().f64().unwrap().iter().flatten().collect();
        assert_eq!(found[..3], [2.5; 3]);
        assert!(found[4].is_sign_negative(), "equal values stay as they are");
        let kept = rows(&table, "- repair: {key: k, columns: [x], by: majority, empty: keep}");
        assert!(kept.column("x").unwrap().f64().unwrap().get(0).unwrap().is_nan());
    }

    #[test]
    fn a_key_of_several_columns_and_of_any_type() {
        let table = df!("a" => [1.5, 1.5, 1.5, f64::NAN, f64::NAN], "b" => [true, true, false, true, true], "x" => [1i64, 2, 3, 4, 5])
            .unwrap();
        let found = rows(&table, "- repair: {key: [a, b], columns: [x], by: first}");
        assert_eq!(found.column("x").unwrap(), &Column::new("x".into(), [1i64, 1, 3, 4, 5]));
    }

    #[test]
    fn rows_that_are_out_have_no_say() {
        let steps = "- filter: seen <> 1\n- repair: {key: flight, columns: [departed], by: majority}";
        let found = rows(&flights(), steps);
        let found: Vec<&str> = found.column("departed").unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!(found, ["9:10", "9:00", "7:00", "7:30", "2:00"]);
    }

    #[test]
    fn mistakes_are_named() {
        let failed = |step: &str| failure(&flights(), &format!("- repair: {{{step}}}"));
        assert_eq!(
            failed("key: flight, columns: [flight], by: majority"),
            "step 1 'repair': column 'flight' is in 'key' and in 'columns'; a key cannot determine itself; name it in one of the two"
        );
        assert_eq!(
            failed("key: flight, columns: [], by: majority"),
            "step 1 'repair': no columns given; name the columns that the key determines"
        );
        assert_eq!(
            failed("key: flight, columns: [departed], by: {newest: source}"),
            "step 1 'repair': column 'source' is string, which has no order to go by; cast it to a number, or read it with \
             'parse_dates' first"
        );
        assert_eq!(
            failed("key: flight, columns: [departed, seen], by: {newest: seen}"),
            "step 1 'repair': column 'seen' is repaired and cannot decide by which value; leave it out of 'columns', or repair it in \
             a step of its own"
        );
        assert_eq!(
            failed("key: flight, columns: [departed], by: {source_order: {column: source, order: [web, web]}}"),
            "step 1 'repair': source 'web' is named twice; name it once"
        );
        assert_eq!(
            failed("key: flight, columns: [departed], by: {source_order: {column: seen, order: [web]}}"),
            "step 1 'repair': column 'seen' is int32, not string; cast it first"
        );
        assert_eq!(
            failed("key: flight, columns: [departed], by: most"),
            "clean.yaml:1:50: .[0].repair.by: unknown value 'most'; choose one of: majority, first, newest, source_order"
        );
        assert!(failed("key: [], columns: [departed], by: first").contains("the list is empty; name at least one"));
        assert!(
            failed("key: flight, columns: [departed], by: first, min_share: 2")
                .ends_with("min_share: 2 is not from 0 to 1")
        );
    }

    /// Key, value, time and source of a row.
    type Cells<'a> = (Option<i64>, Option<i64>, i64, Option<&'a str>);

    /// What the documentation says, word by word, for one column.
    fn plain(cells: &[Cells<'_>], rules: &[&str], fill: bool, share: f64) -> Vec<Option<i64>> {
        let mut after: Vec<Option<i64>> = cells.iter().map(|cell| cell.1).collect();
        let mut keys: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (at, cell) in cells.iter().enumerate() {
            if let Some(key) = cell.0 {
                keys.entry(key).or_default().push(at);
            }
        }
        for of_key in keys.values() {
            let holders: Vec<usize> = of_key.iter().copied().filter(|at| cells[*at].1.is_some()).collect();
            let mut left = holders.clone();
            for rule in rules {
                let score = |at: &usize| -> i64 {
                    match *rule {
                        "majority" => left.iter().filter(|other| cells[**other].1 == cells[*at].1).count() as i64,
                        "first" => -(*at as i64),
                        "newest" => cells[*at].2,
                        _ => match cells[*at].3 {
                            Some("p") => 2,
                            Some("q") => 1,
                            _ => 0,
                        },
                    }
                };
                let best = left.iter().map(score).max();
                left = left.iter().copied().filter(|at| Some(score(at)) == best).collect();
            }
            let mut values: Vec<i64> = left.iter().filter_map(|at| cells[*at].1).collect();
            values.sort_unstable();
            values.dedup();
            let [value] = values[..] else { continue };
            let support = holders.iter().filter(|at| cells[**at].1 == Some(value)).count();
            if (support as f64) < share * holders.len() as f64 {
                continue;
            }
            for at in of_key {
                if fill || cells[*at].1.is_some() {
                    after[*at] = Some(value);
                }
            }
        }
        after
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn it_does_what_the_documentation_says(
            cells in proptest::collection::vec(
                (
                    proptest::option::of(0i64..5),
                    proptest::option::of(0i64..4),
                    0i64..3,
                    proptest::option::of(proptest::sample::select(vec!["p", "q", "r"])),
                ),
                0..30,
            ),
            rules in proptest::collection::vec(proptest::sample::select(vec!["majority", "first", "newest", "source"]), 1..4),
            fill in proptest::bool::ANY,
            share in proptest::sample::select(vec![0.0, 0.5, 0.75]),
        ) {
            let table = df!(
                "k" => cells.iter().map(|cell| cell.0).collect::<Vec<_>>(),
                "x" => cells.iter().map(|cell| cell.1).collect::<Vec<_>>(),
                "t" => cells.iter().map(|cell| cell.2).collect::<Vec<_>>(),
                "s" => cells.iter().map(|cell| cell.3).collect::<Vec<_>>()
            ).unwrap();
            let written: Vec<&str> = rules.iter().map(|rule| match *rule {
                "newest" => "{newest: t}",
                "source" => "{source_order: {column: s, order: [p, q]}}",
                rule => rule,
            }).collect();
            let empty = if fill { "fill" } else { "keep" };
            let step = format!(
                "- repair: {{key: k, columns: [x], by: [{}], empty: {empty}, min_share: {share}}}", written.join(", ")
            );
            let found: Vec<Option<i64>> = rows(&table, &step).column("x").unwrap().i64().unwrap().iter().collect();
            prop_assert_eq!(found, plain(&cells, &rules, fill, share), "{}", step);
        }
    }
}
