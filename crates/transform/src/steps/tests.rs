//! What all steps have in common: the list is complete, docs are right, books balance, engines agree.

use std::path::Path;

use artifact::Batch;
use polars::prelude::*;
use proptest::prelude::*;
use spec::{Environment, Result};

use super::Step;
use crate::{Given, clean};

/// A cleaned table as a whole.
#[derive(Debug)]
pub struct Done {
    pub rows: DataFrame,
    pub refused: Option<DataFrame>,
    pub removed: Vec<(String, u64)>,
    /// Of those in `removed` that steps added instead.
    pub added: u64,
    pub changes: Option<DataFrame>,
}

pub fn parse(steps: &str) -> Result<Vec<Step>> {
    Ok(spec::parse(steps, Path::new("clean.yaml"), &Environment::default())?.spec)
}

/// Runs steps over a table with what they need beside it.
pub fn try_run(table: &DataFrame, steps: &str, given: &Given) -> Result<Done> {
    let cleaned = clean(table.clone().lazy(), &parse(steps)?, given)?;
    let mut rows = DataFrame::empty_with_schema(&cleaned.schema);
    let mut all_changes = cleaned.changes.as_ref().map(DataFrame::empty_with_schema);
    let mut done = Done { rows: DataFrame::empty(), refused: None, removed: Vec::new(), added: 0, changes: None };
    for batch in cleaned.batches {
        let Batch { rows: more, refused, removed, changes } = batch?;
        assert_eq!(more.schema().as_ref(), &cleaned.schema);
        assert_eq!(changes.as_ref().map(|changes| changes.schema().as_ref().clone()), cleaned.changes);
        rows.vstack_mut(&more).unwrap();
        if let (Some(all), Some(changes)) = (&mut all_changes, &changes) {
            all.vstack_mut(changes).unwrap();
        }
        if let Some(refused) = refused {
            let refused = match &cleaned.refused {
                None => refused,
                // As `stage` writes them.
                Some(schema) => fit(&refused, schema),
            };
            match &mut done.refused {
                Some(all) => drop(all.vstack_mut(&refused).unwrap()),
                none => *none = Some(refused),
            }
        }
        for removed in removed {
            done.added += if removed.fate == artifact::Fate::Added { removed.rows } else { 0 };
            match done.removed.iter_mut().find(|(rule, _)| *rule == removed.rule) {
                Some((_, count)) => *count += removed.rows,
                None => done.removed.push((removed.rule, removed.rows)),
            }
        }
    }
    done.rows = rows;
    done.changes = all_changes;
    Ok(done)
}

/// Rows refused by any pass, with the columns of all.
pub fn fit(rows: &DataFrame, schema: &Schema) -> DataFrame {
    let columns = schema.iter().map(|(name, dtype)| match rows.column(name) {
        Ok(column) => column.cast(dtype).unwrap(),
        Err(_) => Column::full_null(name.clone(), rows.height(), dtype),
    });
    DataFrame::new(rows.height(), columns.collect()).unwrap()
}

/// Runs steps over a table; panics with the error.
pub fn run(table: &DataFrame, steps: &str) -> Done {
    run_given(table, steps, &Given::default())
}

/// Runs steps with what they need beside the table; panics with the error.
pub fn run_given(table: &DataFrame, steps: &str, given: &Given) -> Done {
    try_run(table, steps, given).unwrap_or_else(|error| panic!("{error}"))
}

/// The rows that are passed on.
pub fn rows(table: &DataFrame, steps: &str) -> DataFrame {
    run(table, steps).rows
}

/// The text of the error.
pub fn failure(table: &DataFrame, steps: &str) -> String {
    failure_given(table, steps, &Given::default())
}

/// The text of the error of steps with what they need beside the table.
pub fn failure_given(table: &DataFrame, steps: &str, given: &Given) -> String {
    try_run(table, steps, given).expect_err("should fail").to_string()
}

/// Why rows were refused.
pub fn reasons(done: &Done) -> Vec<String> {
    let refused = done.refused.as_ref().expect("rows are refused");
    refused.column("_reason").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
}

fn source(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps").join(format!("{name}.rs"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The YAML block of a module's doc.
fn example(name: &str) -> String {
    let source = source(name);
    let lines =
        source.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.strip_prefix(' ').unwrap_or(line));
    let block: Vec<&str> =
        lines.skip_while(|line| *line != "```yaml").skip(1).take_while(|line| *line != "```").collect();
    assert!(!block.is_empty(), "{name}: no example");
    block.join("\n")
}

#[test]
fn every_step_has_a_file_with_an_example_of_itself() {
    for name in Step::NAMES {
        assert!(source(name).starts_with(&format!("//! `{name}` ")), "{name}: the doc begins with the name");
        let steps = parse(&example(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(steps.iter().all(|step| step.name() == *name), "{name}: an example of another step");
    }
}

#[test]
fn the_list_and_the_schema_agree() {
    let schema = serde_yaml::to_value(schemars::schema_for!(Step)).unwrap();
    let of = |step: &serde_yaml::Value| step["required"][0].as_str().unwrap().to_owned();
    let names: Vec<String> = schema["oneOf"].as_sequence().unwrap().iter().map(of).collect();
    assert_eq!(names, Step::NAMES);
    let error = parse("- dedup: {}").unwrap_err().to_string();
    assert_eq!(error, "clean.yaml:1:3: .[0]: unknown step 'dedup'; did you mean 'dedupe'?");
}

#[test]
fn no_steps_change_nothing() {
    let table = df!("a" => [1, 2], "_file" => ["f", "f"], "_row" => [1u32, 2]).unwrap();
    assert_eq!(rows(&table, "[]"), table);
    let done = run(&table, "- rename: {a: b}\n- filter: b > 9");
    assert_eq!((done.rows.height(), done.removed[0].1), (0, 2));
}

#[test]
fn a_replayed_row_loses_its_old_reason_and_helper_names_are_taken() {
    let table = df!("a" => [1], "_reason" => ["old"]).unwrap();
    assert_eq!(rows(&table, "[]"), df!("a" => [1]).unwrap());
    let table = df!("a" => [1], "_rule" => [1]).unwrap();
    assert_eq!(
        failure(&table, "[]"),
        "the table has a column '_rule', a name that clean itself uses; rename it where the table is ingested"
    );
}

#[test]
fn unknown_columns_name_the_step() {
    let table = df!("amount" => [1]).unwrap();
    assert_eq!(
        failure(&table, "- dedupe\n- trim\n- drop_null: {columns: [amuont]}"),
        "step 3 'drop_null': no column 'amuont'; did you mean 'amount'?"
    );
}

/// Small steps over the columns of [`table`], valid in any order and number.
pub const STEPS: [&str; 40] = [
    "- trim: {columns: [s]}",
    "- trim: {columns: [s], blank: null}",
    "- normalize_text: {columns: [s], case: upper}",
    "- replace: {columns: [s], regex: '[0-9]', with: x}",
    "- map_values: {columns: [s], values: {A: b, a: b}, default: refuse}",
    "- map_values: {columns: [s], values: {a: null}}",
    "- fill_null: {columns: [s], with: mode}",
    "- fill_null: {columns: [n], with: mean}",
    "- fill_null: {columns: [n, k], with: median}",
    "- drop_null: {columns: [n]}",
    "- drop_null: {when: all}",
    "- dedupe: {keys: [k]}",
    "- dedupe: {keys: [k, s], keep: last}",
    "- dedupe: {keys: [s], by: n}",
    "- dedupe: {keys: [s], count: c}",
    "- collapse_repeats: {columns: [s], letters: 1}",
    "- strip_html: {columns: [s]}",
    "- dedupe: {keys: [s], keep: last, by: n}",
    "- dedupe",
    "- filter: n > 1 OR k = 2",
    "- derive: {n: n * 2 - k}",
    "- clip: {columns: [n], min: -1, max: 6}",
    "- outliers: {columns: [n], method: iqr, action: drop}",
    "- outliers: {columns: [n], method: {zscore: {factor: 1}}, action: refuse}",
    "- outliers: {columns: [k], method: iqr, group_by: [s], action: clip}",
    "- outliers: {columns: [k], method: {range: {max: 4}}, action: flag}",
    "- outliers: {columns: [n, k], method: iqr, action: drop}",
    "- mask: {columns: [s], method: {hash: {key: 0123456789abcdef}}}",
    "- repair: {key: k, columns: [s, n], by: majority}",
    "- cluster: {columns: [s], method: fingerprint, apply: true}",
    "- cluster: {columns: [s], method: {edit_distance: {most: 1, max_share: 1, min_count: 2, times: 2, digits: true}}, apply: true}",
    "- dedupe: {any: [s, [n, k]], keep: last, by: n}",
    "- dedupe: {similar: {block: [k], fields: [{column: s}, {column: n, by: {within: 4}}], threshold: 0.8}}",
    "- fill_down: {columns: [n, s]}",
    "- fill_down: {columns: [n], group_by: [s], limit: 1}",
    "- outliers: {columns: [n], method: mad, action: null}",
    "- outliers: {columns: [k], method: {mad: {factor: 1}}, group_by: [s], action: drop}",
    "- repair: {key: s, columns: [n], by: [{newest: k}, first], empty: keep}",
    "- explode: {column: s, separator: '1'}",
    "- sql: SELECT s, n, k FROM this WHERE k <> 4 ORDER BY n DESC, k LIMIT 25",
];

pub fn table() -> impl Strategy<Value = DataFrame> {
    let cell = (
        proptest::option::of(proptest::sample::select(vec!["a", " a", "A", "", "b1", "b  2"])),
        proptest::option::of(-4i64..9),
        0i64..6,
    );
    proptest::collection::vec(cell, 0..40).prop_map(|cells| {
        let s: Vec<Option<&str>> = cells.iter().map(|(s, _, _)| *s).collect();
        let n: Vec<Option<f64>> = cells.iter().map(|(_, n, _)| n.map(|n| n as f64)).collect();
        let k: Vec<i64> = cells.iter().map(|(_, _, k)| *k).collect();
        let row: Vec<u32> = (1..=cells.len() as u32).collect();
        df!("s" => s, "n" => n, "k" => k, "_row" => row).unwrap()
    })
}

/// Lists of up to `most` steps among `steps`. A step that makes a column is there once: its name is taken then.
pub fn lists(steps: Vec<&'static str>, most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    let makes_column = |step: &str| step.contains("count: ") || step.contains("action: flag");
    proptest::collection::vec(proptest::sample::select(steps), 0..=most).prop_map(move |mut steps| {
        for at in (1..steps.len()).rev() {
            if makes_column(steps[at]) && steps[..at].contains(&steps[at]) {
                steps.remove(at);
            }
        }
        steps
    })
}

/// Runs steps one by one, each over the rows that the one before left: what a list of steps means.
fn one_by_one(table: &DataFrame, steps: &[&str]) -> Done {
    let mut done = Done { rows: table.clone(), refused: None, removed: Vec::new(), added: 0, changes: None };
    for (at, step) in steps.iter().enumerate() {
        let next = run(&done.rows, step);
        let renamed = |rule: &str| rule.replacen("step 1 ", &format!("step {} ", at + 1), 1);
        done.removed.extend(next.removed.iter().map(|(rule, count)| (renamed(rule), *count)));
        let mut refused: Vec<u32> = done.refused.as_ref().map(row_numbers).unwrap_or_default();
        refused.extend(next.refused.as_ref().map(row_numbers).unwrap_or_default());
        refused.sort_unstable();
        done.refused = Some(df!("_row" => refused).unwrap());
        done.rows = next.rows;
    }
    done
}

fn row_numbers(table: &DataFrame) -> Vec<u32> {
    table.column("_row").unwrap().u32().unwrap().iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_and_one_pass_equals_step_by_step(
        table in table(),
        steps in lists(STEPS.to_vec(), 6),
    ) {
        let text = if steps.is_empty() { "[]".to_owned() } else { steps.join("\n") };
        let done = run(&table, &text);
        let refused = done.refused.as_ref().map_or(0, DataFrame::height);
        let removed: u64 = done.removed.iter().map(|(_, rows)| rows).sum();
        let accounted = done.rows.height() + refused + removed as usize - done.added as usize;
        prop_assert_eq!(accounted, table.height() + done.added as usize, "{}", text);

        let expected = one_by_one(&table, &steps);
        prop_assert!(done.rows.equals_missing(&expected.rows), "{}\n{}\n{}", text, done.rows, expected.rows);
        // Those of an earlier pass come first.
        let mut refused = done.refused.as_ref().map(row_numbers).unwrap_or_default();
        refused.sort_unstable();
        prop_assert_eq!(refused, expected.refused.as_ref().map(row_numbers).unwrap_or_default(), "{}", text);
        let (mut found, mut wanted) = (done.removed.clone(), expected.removed);
        found.sort();
        wanted.sort();
        prop_assert_eq!(found, wanted, "{}", text);
    }
}

/// The engine merged what two steps compute and judged the new value instead of the old (see `artifact::stream`).
#[test]
fn a_step_judges_the_values_that_it_was_given() {
    let table = df!("s" => ["A"], "n" => [0.0], "k" => [2i64], "_row" => [1u32]).unwrap();
    let steps = [
        "- fill_null: {columns: [n], with: mean}",
        "- derive: {n: n * 2 - k}",
        "- map_values: {columns: [s], values: {A: b, a: b}, default: refuse}",
    ];
    let done = run(&table, &steps.join("\n"));
    assert_eq!(done.rows, df!("s" => ["b"], "n" => [-2.0], "k" => [2i64], "_row" => [1u32]).unwrap());
    assert!(done.refused.is_none(), "{:?}", done.refused);
}

/// What is done per row, per key and over the table is known before any row is read: the table here is only its columns.
#[test]
fn a_plan_shows_itself() {
    let columns = Schema::from_iter(
        [("k", DataType::String), ("x", DataType::Float64)].map(|(name, dtype)| (name.into(), dtype)),
    );
    let steps = "
- trim: {columns: [k]}
- fill_null: {columns: [x], with: mean}
- outliers: {columns: [x], method: iqr, action: clip, group_by: [k]}
- derive: {y: x * 2}
- filter: y > 1
- dedupe: {keys: [k], keep: last, by: y}
- repair: {key: k, columns: [x], by: [majority, {newest: y}]}
- cluster: {columns: [k], method: ngram}
- fill_down: {columns: [x, y], group_by: [k]}
- dedupe: {any: [y, [k, x]], similar: {block: [k], fields: [{column: x}], threshold: 0.5}, cluster: c, action: mark}
- outliers: {columns: [x], method: mad, action: null}";
    let plan = crate::plan(&columns, &parse(steps).unwrap(), &Given::default()).unwrap();
    let expected = r#"step 1 'trim'
per row: k = trim {"blank":"keep"} of k
step 2 'fill_null'
over the table: answer 1 = mean of x
per row: x = x, answer 1 where empty
step 3 'outliers'
per key k: answer 2 = limits of x by Quartiles(1.5); nulls Differ
per row: x = x within _step_3_1_low to _step_3_2_high
step 4 'derive'
per row: y = x * 2
step 5 'filter'
per row: out by rule 1 where y > 1 is not true
step 6 'dedupe'
per key k: answer 3 = Largest y; nulls Differ
per row: out by rule 2 where loses in answer 3
step 7 'repair'
per key k: answer 4 = x by majority, then newest
per row: x = x, or answer 4 of its key
step 8 'cluster'
over the table: answer 5 = spellings of k by ngram; proposed only
per row: k = k, spelled as answer 5 says
step 9 'fill_down'
per key k: answer 6 = x, y of the row above
per row: x = x, filled down by answer 6; y = y, filled down by answer 6
step 10 'dedupe'
over the table: answer 7 = rows that are one by y or k and x or likeness of x from 0.5; First
per row: c = number in answer 7
step 11 'outliers'
over the table: answer 8 = limits of x by Medians(3.5)
per row: x = x, empty beyond answer 8
"#;
    assert_eq!(plan.to_string(), expected);
}
