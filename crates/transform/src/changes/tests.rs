//! The log has every change, ids are stable, and what is undone keeps its value.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use proptest::prelude::*;

use super::{ChangeId, Changes, Undone};
use crate::Given;
use crate::steps::join::tests::given_with;
use crate::steps::tests::{Done, STEPS, failure_given, lists, run, run_given, table};

/// One row of a log: id, row, column, before, after, by.
type Entry = (Option<String>, u64, String, Option<String>, Option<String>, String);

fn given(undone: Undone) -> Given {
    Given { changes: Some(Changes { table: "t".to_owned(), log: true, undone, repeated: false }), ..Given::default() }
}

fn logged(table: &DataFrame, steps: &str) -> Done {
    run_given(table, steps, &given(Undone::default()))
}

fn texts(frame: &DataFrame, name: &str) -> Vec<Option<String>> {
    let column = frame.column(name).unwrap().cast(&DataType::String).unwrap();
    column.str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
}

fn entries(done: &Done) -> Vec<Entry> {
    let log = done.changes.as_ref().expect("there is a log");
    assert_eq!(log.get_column_names(), ["id", "_file", "_row", "column", "before", "after", "by"]);
    let [id, row, column, before, after, by] =
        ["id", "_row", "column", "before", "after", "by"].map(|name| texts(log, name));
    (0..log.height())
        .map(|at| {
            let row = row[at].as_ref().map_or(0, |row| row.parse().unwrap());
            let (column, by) = (column[at].clone().unwrap(), by[at].clone().unwrap());
            (id[at].clone(), row, column, before[at].clone(), after[at].clone(), by)
        })
        .collect()
}

/// `row column: before -> after by whom`, one line per change.
fn lines(done: &Done) -> Vec<String> {
    let cell = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| format!("'{text}'"));
    let line = |(_, row, column, before, after, by): &Entry| {
        format!("{row} {column}: {} -> {} by {by}", cell(before), cell(after))
    };
    entries(done).iter().map(line).collect()
}

fn ids(done: &Done) -> Vec<Option<String>> {
    entries(done).into_iter().map(|entry| entry.0).collect()
}

fn undone(done: &Done, which: &[usize]) -> Undone {
    let entries = entries(done);
    Undone::new(which.iter().map(|at| {
        let (id, row, ..) = &entries[*at];
        (id.as_ref().expect("it can be undone").parse::<ChangeId>().unwrap(), *row)
    }))
}

fn people() -> DataFrame {
    df!(
        "name" => [Some(" ann"), Some("bob"), None, Some("cy ")],
        "age" => [Some("31"), Some("1,5"), Some("7"), None],
        "mail" => ["A@x", "b@x", "C@x", "d@x"],
        "_file" => ["p.csv"; 4],
        "_row" => [2u32, 3, 4, 5]
    )
    .unwrap()
}

#[test]
fn each_changed_cell_is_reported_with_the_step_that_changed_it() {
    let steps = "- trim: {columns: [name]}\n- fill_null: {columns: [name], with: {value: ann}}\n\
                 - derive: {name: UPPER(name), length: LENGTH(name)}";
    assert_eq!(
        lines(&logged(&people(), steps)),
        [
            "2 name: ' ann' -> 'ann' by step 1 'trim'",
            "2 name: 'ann' -> 'ANN' by step 3 'derive'",
            "3 name: 'bob' -> 'BOB' by step 3 'derive'",
            "4 name: - -> 'ann' by step 2 'fill_null'",
            "4 name: 'ann' -> 'ANN' by step 3 'derive'",
            "5 name: 'cy ' -> 'cy' by step 1 'trim'",
            "5 name: 'cy' -> 'CY' by step 3 'derive'",
        ]
    );
}

#[test]
fn a_step_of_several_moves_is_one_change() {
    let table = df!("a" => [" ", " x"], "_file" => ["f", "f"], "_row" => [2u32, 3]).unwrap();
    let done = logged(&table, "- trim: {blank: null}");
    assert_eq!(lines(&done), ["2 a: ' ' -> - by step 1 'trim'", "3 a: ' x' -> 'x' by step 1 'trim'"]);
    let kept = run_given(&table, "- trim: {blank: null}", &given(undone(&done, &[0])));
    assert_eq!(texts(&kept.rows, "a"), [Some(" ".to_owned()), Some("x".to_owned())]);
}

#[test]
fn renamed_and_dropped_columns_are_followed() {
    let steps = "- trim: {columns: [name]}\n- rename: {name: mail, mail: name}\n\
                 - normalize_text: {columns: [name], case: upper}\n- drop: {columns: [mail]}\n- derive: {mail: \"'m'\"}\n\
                 - select: {columns: [age, mail]}";
    assert_eq!(
        lines(&logged(&people(), steps)),
        [
            "2 mail: ' ann' -> 'ann' by step 1 'trim'",
            "2 name: 'A@x' -> 'A@X' by step 3 'normalize_text'",
            "3 name: 'b@x' -> 'B@X' by step 3 'normalize_text'",
            "4 name: 'C@x' -> 'C@X' by step 3 'normalize_text'",
            "5 mail: 'cy ' -> 'cy' by step 1 'trim'",
            "5 name: 'd@x' -> 'D@X' by step 3 'normalize_text'",
        ]
    );
}

#[test]
fn rows_that_are_removed_are_not_logged() {
    let steps = "- trim: {columns: [name]}\n- filter: name IS NULL OR name <> 'ann'\n\
                 - cast: {columns: {age: int64}}\n- dedupe: {keys: [mail]}";
    let done = logged(&people(), steps);
    assert_eq!(done.rows.height(), 2);
    assert_eq!(lines(&done), ["5 name: 'cy ' -> 'cy' by step 1 'trim'"]);
}

#[test]
fn a_new_type_is_a_change_only_where_it_reads_differently_and_stays() {
    let table = df!("x" => ["1.50", "2.5", "3"], "_file" => ["f"; 3], "_row" => [1u32, 2, 3]).unwrap();
    let done = logged(&table, "- cast: {columns: {x: float64}}\n- clip: {columns: [x], max: 2}");
    assert_eq!(
        lines(&done),
        [
            "1 x: '1.50' -> '1.5' by step 1 'cast'",
            "2 x: '2.5' -> '2.0' by step 2 'clip'",
            "3 x: '3' -> '3.0' by step 1 'cast'",
            "3 x: '3.0' -> '2.0' by step 2 'clip'",
        ]
    );
    let can_be_undone: Vec<bool> = ids(&done).iter().map(Option::is_some).collect();
    assert_eq!(can_be_undone, [false, true, false, true]);
}

#[test]
fn masked_columns_show_no_values_and_their_masks_cannot_be_taken_back() {
    let steps = "- trim: {columns: [name]}\n- mask: {columns: [name], method: redact}\n\
                 - normalize_text: {columns: [name], case: upper}\n- drop: {columns: [name]}";
    let done = logged(&people(), steps);
    assert_eq!(
        lines(&done),
        [
            "2 name: - -> - by step 1 'trim'",
            "2 name: - -> - by step 2 'mask'",
            "3 name: - -> - by step 2 'mask'",
            "5 name: - -> - by step 1 'trim'",
            "5 name: - -> - by step 2 'mask'",
        ]
    );
    let ids = ids(&done);
    let can_be_undone: Vec<bool> = ids.iter().map(Option::is_some).collect();
    assert_eq!(can_be_undone, [true, false, false, true, false]);
    // The id of a hidden change does not depend on the value, so that a guess cannot be tested with it.
    let mut other = people();
    other.replace("name", Column::new("name".into(), [Some(" eve"), None, None, Some("dan ")])).unwrap();
    let others = entries(&logged(&other, steps));
    assert_eq!((&others[0].0, &others[2].0), (&ids[0], &ids[3]));
    // Taken back it is masked all the same.
    let kept = run_given(&people(), &steps.replace("\n- drop: {columns: [name]}", ""), &given(undone(&done, &[0])));
    assert_eq!(texts(&kept.rows, "name")[0].as_deref(), Some("***"));
    assert_eq!(lines(&kept).iter().filter(|line| line.starts_with("2 ")).count(), 1);
}

#[test]
fn ids_stay_when_other_steps_come_and_go() {
    let trim = "- trim: {columns: [name]}";
    let one = ids(&logged(&people(), trim));
    let with_others = format!("- clip: {{columns: [n], max: 9}}\n{trim}\n- rename: {{name: full}}");
    let mut table = people();
    table.with_column(Column::new("n".into(), [1, 2, 3, 4])).unwrap();
    assert_eq!(ids(&logged(&table, &with_others)), one);
    // Other settings are another step; the same step twice is two.
    assert_ne!(ids(&logged(&people(), "- trim: {columns: [name], blank: null}"))[0], one[0]);
    let twice = "- replace: {columns: [name], literal: b, with: bb}\n- replace: {columns: [name], literal: bb, with: b}\n\
                 - replace: {columns: [name], literal: b, with: bb}";
    let all: Vec<String> = ids(&logged(&people(), twice)).into_iter().flatten().collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 3, "{all:?}");
}

#[test]
fn a_change_that_is_taken_back_is_seen_by_later_steps() {
    let steps = "- trim: {columns: [name]}\n- derive: {length: LENGTH(name)}";
    let done = logged(&people(), steps);
    let kept = run_given(&people(), steps, &given(undone(&done, &[1])));
    assert_eq!(
        texts(&kept.rows, "name"),
        [Some("ann"), Some("bob"), None, Some("cy ")].map(|text| text.map(str::to_owned))
    );
    assert_eq!(texts(&kept.rows, "length")[3].as_deref(), Some("3"));
    assert_eq!(lines(&kept), ["2 name: ' ann' -> 'ann' by step 1 'trim'"]);
}

#[test]
fn what_meets_no_cell_any_more_is_named() {
    let undone = undone(&logged(&people(), "- trim: {columns: [name]}"), &[0, 1]);
    run_given(&people(), "- trim: {columns: [name]}", &given(undone.clone()));
    assert!(undone.without_effect().is_empty());
    let undone = Undone { met: Default::default(), ..undone };
    let mut other = people();
    other.replace("name", Column::new("name".into(), [" eve", "", "", "cy "])).unwrap();
    run_given(&other, "- trim: {columns: [name]}", &given(undone.clone()));
    assert_eq!(undone.without_effect().len(), 1);
}

#[test]
fn another_file_with_the_same_row_is_another_cell() {
    let table = df!("a" => [" x", " x"], "_file" => ["f", "g"], "_row" => [2u32, 2]).unwrap();
    let done = logged(&table, "- trim");
    let kept = run_given(&table, "- trim", &given(undone(&done, &[1])));
    assert_eq!(texts(&kept.rows, "a"), [Some("x".to_owned()), Some(" x".to_owned())]);
}

/// Every change can be undone by itself: its id is that of one cell.
fn each_is_undone_alone(table: &DataFrame, steps: &str, given: impl Fn(Undone) -> Given, changes: usize) {
    let done = run_given(table, steps, &given(Undone::default()));
    let all = ids(&done);
    assert_eq!((all.len(), all.iter().flatten().collect::<BTreeSet<_>>().len()), (changes, changes), "{all:?}");
    for (at, id) in all.iter().enumerate() {
        let undone = undone(&done, &[at]);
        let kept = run_given(table, steps, &given(undone.clone()));
        let (was, is) = (texts(&done.rows, "v"), texts(&kept.rows, "v"));
        assert_eq!(was.iter().zip(&is).filter(|(was, is)| was != is).count(), 1, "change {at}: {was:?}, {is:?}");
        assert!(!ids(&kept).contains(id) && undone.without_effect().is_empty(), "change {at}");
    }
}

#[test]
fn rows_that_come_from_one_row_have_changes_of_their_own() {
    let wide =
        df!("a" => [" x", " x"], "b" => [" x", "y"], "c" => [" x", " x"], "_file" => ["f"; 2], "_row" => [2u32, 3]);
    let long = "- unpivot: {columns: [a, b, c], name: which, value: v}\n- trim: {columns: [v]}";
    each_is_undone_alone(&wide.unwrap(), long, given, 5);

    let orders =
        df!("k" => [1i64, 2, 1], "v" => [" x", "y", " x"], "_file" => ["f"; 3], "_row" => [2u32, 3, 4]).unwrap();
    let items = df!("k" => [1i64, 1, 3], "item" => ["a", "a", "c"]).unwrap();
    let beside = |undone| Given { changes: given(undone).changes, ..given_with("items", &items) };
    let joined =
        "- join: {with: items, on: k, expect: many}\n- filter: item IS NULL OR item <> 'b'\n- trim: {columns: [v]}";
    each_is_undone_alone(&orders, joined, beside, 4);

    // A table that is made from one in which that has happened.
    let repeated = |undone| {
        let changes = given(undone).changes.map(|changes| Changes { repeated: true, ..changes });
        Given { changes, ..Given::default() }
    };
    let table = df!("v" => [" x", " x", "y", " x"], "_file" => ["f"; 4], "_row" => [2u32, 2, 2, 3]).unwrap();
    each_is_undone_alone(&table, "- trim: {columns: [v]}", repeated, 3);
}

#[test]
fn a_row_that_is_alone_has_the_ids_of_before() {
    let table = df!("a" => [" x"], "_file" => ["f"], "_row" => [2u32]).unwrap();
    let items = df!("a" => [" x"], "item" => ["a"]).unwrap();
    let beside = Given { changes: given(Undone::default()).changes, ..given_with("items", &items) };
    let joined = run_given(&table, "- join: {with: items, on: a, expect: many}\n- trim: {columns: [a]}", &beside);
    assert_eq!(ids(&joined), ids(&logged(&table, "- trim: {columns: [a]}")));
}

#[test]
fn changes_of_rows_that_come_from_no_row_cannot_be_undone() {
    let orders = df!("k" => [" 1"], "_file" => ["f"], "_row" => [2u32]).unwrap();
    let items = df!("k" => [" 2", " 3"]).unwrap();
    let beside = Given { changes: given(Undone::default()).changes, ..given_with("items", &items) };
    let done = run_given(&orders, "- join: {with: items, on: k, how: full}\n- trim: {columns: [k]}", &beside);
    let can_be_undone: Vec<bool> = ids(&done).iter().map(Option::is_some).collect();
    assert_eq!(can_be_undone, [true, false, false]);
}

#[test]
fn a_table_without_provenance_cannot_be_watched() {
    let table = df!("a" => ["x"], "_file" => ["f"]).unwrap();
    assert_eq!(
        failure_given(&table, "- trim", &given(Undone::default())),
        "the table has no column '_row', so that changes of its cells can be neither logged nor undone; read it \
         with 'ingest', which adds the column, or write `changes: false`"
    );
    let given = Given { changes: Some(Changes::default()), ..Given::default() };
    assert!(run_given(&table, "- trim", &given).changes.is_none());
}

#[test]
fn ids_are_written_as_they_are_read() {
    let id: ChangeId = "00ff00ff00ff00aa".parse().unwrap();
    assert_eq!(id.to_string(), "00ff00ff00ff00aa");
    for wrong in ["", "12", "+0ff00ff00ff00aa", "00ff00ff00ff00ag"] {
        assert_eq!(
            wrong.parse::<ChangeId>().unwrap_err().to_string(),
            format!(
                "'{wrong}' is not the id of a change; an id is 16 hexadecimal digits, from the column 'id' of a change log"
            )
        );
    }
}

/// The steps whose changes can be logged.
fn watched_steps() -> Vec<&'static str> {
    STEPS.into_iter().filter(|step| !step.starts_with("- explode") && !step.starts_with("- sql")).collect()
}

#[test]
fn steps_whose_changes_cannot_be_logged_are_refused_where_they_are() {
    let table = df!("s" => ["a1b"], "_file" => ["f"], "_row" => [1u32]).unwrap();
    for (step, name, why) in [
        (
            "- explode: {column: s, separator: '1'}",
            "explode",
            "it replaces the cells of the rows, so that their changes",
        ),
        ("- sql: SELECT UPPER(s) AS s FROM this", "sql", "it replaces the cells of the rows, so that their changes"),
        ("- aggregate: {by: s}", "aggregate", "its rows have no '_file', so that changes of their cells"),
    ] {
        let found = failure_given(&table, step, &given(Undone::default()));
        assert!(
            found.starts_with(&format!(
                "step 1 '{name}': {why} can be neither logged nor undone; write `changes: false`"
            )),
            "{found}"
        );
    }
}

/// The table with a file to come from.
fn sourced(mut table: DataFrame) -> DataFrame {
    let file = Column::new("_file".into(), vec!["f"; table.height()]);
    table.with_column(file).unwrap();
    table
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_log_leads_from_the_input_to_the_output(
        table in table(),
        steps in lists(watched_steps(), 6).prop_filter("no step", |steps| !steps.is_empty()),
    ) {
        let (table, steps) = (sourced(table), steps.join("\n"));
        let done = logged(&table, &steps);
        prop_assert!(done.rows.equals_missing(&run(&table, &steps).rows), "the log changed the table: {}", steps);

        let masked = steps.contains("mask");
        let entries = entries(&done);
        let known: BTreeSet<&String> = entries.iter().filter_map(|entry| entry.0.as_ref()).collect();
        prop_assert_eq!(known.len(), entries.iter().filter(|entry| entry.0.is_some()).count(), "ids differ: {}", steps);
        for name in ["s", "n", "k"].into_iter().filter(|name| !(masked && *name == "s")) {
            let cells = |frame: &DataFrame| -> BTreeMap<u64, Option<String>> {
                let rows = texts(frame, "_row").into_iter().map(|row| row.unwrap().parse().unwrap());
                rows.zip(texts(frame, name)).collect()
            };
            let (mut now, out) = (cells(&table), cells(&done.rows));
            for (_, row, _, before, after, _) in entries.iter().filter(|entry| entry.2 == name) {
                prop_assert!(out.contains_key(row), "row {} is gone: {}", row, steps);
                prop_assert_ne!(before, after, "nothing changed: {}", &steps);
                let cell = now.get_mut(row).unwrap();
                prop_assert_eq!(&*cell, before, "row {} of {}: {}", row, name, &steps);
                *cell = after.clone();
            }
            for (row, after) in out {
                prop_assert_eq!(&now[&row], &after, "row {} of {}: {}", row, name, &steps);
            }
        }
    }

    #[test]
    fn what_is_taken_back_does_not_happen(
        table in table(),
        steps in lists(watched_steps(), 4).prop_filter("no step", |steps| !steps.is_empty()),
        which in 0usize..1000,
    ) {
        let (table, steps) = (sourced(table), steps.join("\n"));
        let done = logged(&table, &steps);
        let entries = entries(&done);
        let can: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].0.is_some()).collect();
        if !can.is_empty() {
            let at = can[which % can.len()];
            let undone = undone(&done, &[at]);
            let kept = run_given(&table, &steps, &given(undone.clone()));
            prop_assert!(!ids(&kept).contains(&entries[at].0), "{:?} happened again: {}", entries[at], steps);
            prop_assert!(undone.without_effect().is_empty(), "{}", steps);
        }
    }
}
