//! A change of a column changes nothing beyond its lineage.

use polars::prelude::*;
use spec::random::Random;

use crate::{Given, Step, clean};

/// Lists of steps in which each kind occurs, over the columns `a`, `b` (numbers), `t`, `u` (texts) and `g` (few values).
const STEPS: [&str; 20] = [
    "- derive: {r: a + b, s: r * 2}\n- drop: {columns: [b]}",
    "- rename: {a: b2, t: x}\n- trim: {columns: [x]}\n- derive: {y: x || u}",
    "- filter: a > 10\n- derive: {r: b}",
    "- fill_null: {columns: [a], with: mean}\n- select: {columns: [a, g]}",
    "- filter: b < 15\n- fill_null: {columns: [a], with: median}",
    "- dedupe: {keys: [g]}",
    "- dedupe: {keys: [g], keep: last}\n- derive: {r: a * 2}",
    "- dedupe: {keys: [g], keep: last, by: a}",
    "- clip: {columns: [a], min: 5, max: 15}\n- drop_null: {columns: [t]}",
    "- outliers: {columns: [a], method: {iqr: {factor: 0.2}}, action: clip}",
    "- outliers: {columns: [a], method: {zscore: {factor: 0.5}}, group_by: [g], action: drop}",
    "- map_values: {columns: [g], values: {'x': z}}\n- filter: g = 'z'",
    "- cast: {columns: {t: int64}}\n- derive: {n: t + a}",
    "- fill_down: {columns: [t], group_by: [g]}\n- fill_down: {columns: [a]}",
    "- dedupe: {any: [t, [u, g]], by: a, keep: last, cluster: who}",
    "- outliers: {columns: [a], method: {zscore: {factor: 0.5}}, action: 'null'}",
    "- repair: {key: g, columns: [t], by: majority}",
    "- repair: {key: g, columns: [t, u], by: {newest: a}}\n- drop: {columns: [a]}",
    "- filter: b > 3\n- cluster: {columns: [u], method: {edit_distance: {most: 1, min_count: 2}}, apply: true}",
    "- replace: {columns: [t], literal: '1', with: '2'}\n- normalize_text: {columns: [u], case: upper}\n- rename: {t: u, u: t}",
];

fn table(random: &mut Random, rows: usize) -> Vec<Column> {
    let number = |random: &mut Random| {
        (0..rows).map(|_| (random.below(8) > 0).then(|| random.below(20) as f64)).collect::<Vec<_>>()
    };
    let word = |random: &mut Random| {
        (0..rows).map(|_| (random.below(8) > 0).then(|| format!(" {}", random.below(30)))).collect::<Vec<_>>()
    };
    let group = |random: &mut Random| (0..rows).map(|_| ["x", "y", "z"][random.below(3)]).collect::<Vec<_>>();
    vec![
        Column::new("a".into(), number(random)),
        Column::new("b".into(), number(random)),
        Column::new("t".into(), word(random)),
        Column::new("u".into(), word(random)),
        Column::new("g".into(), group(random)),
        Column::new(artifact::ROW.into(), (0..rows as u32).collect::<Vec<_>>()),
    ]
}

fn input(name: &str) -> super::Source {
    super::Source::Input(name.to_owned())
}

/// The rows that are passed on, and those columns' origins.
fn cleaned(columns: Vec<Column>, steps: &str) -> (DataFrame, super::ColumnSources) {
    let steps: Vec<Step> = spec::parse(steps, std::path::Path::new("steps.yaml"), &Default::default())
        .unwrap_or_else(|error| panic!("{steps}: {error}"))
        .spec;
    let frame = DataFrame::new(columns[0].len(), columns).unwrap().lazy();
    let cleaned = clean(frame, &steps, &Given::default()).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
    let mut all = DataFrame::empty_with_schema(&cleaned.schema);
    cleaned.batches.for_each(|batch| all.vstack_mut_owned(batch.unwrap().rows).map(drop).unwrap());
    (all, cleaned.sources)
}

#[test]
fn whoever_changes_a_column_changes_nothing_beyond_its_lineage() {
    let mut random = Random::from_state(7);
    let mut seen = 0;
    for round in 0..12 {
        for steps in STEPS {
            let before = table(&mut random, 40);
            let (was, sources) = cleaned(before.clone(), steps);
            for (at, changed) in ["a", "b", "t", "u", "g"].into_iter().enumerate() {
                let mut columns = before.clone();
                columns[at] = table(&mut random, 40).swap_remove(at);
                let (is, _) = cleaned(columns, steps);
                let rows_differ = was.column(artifact::ROW).unwrap() != is.column(artifact::ROW).unwrap();
                if rows_differ {
                    assert!(
                        sources.rows.contains(&input(changed)),
                        "{steps}: {changed} decides on rows, known are {sources:?}"
                    );
                    continue;
                }
                for name in
                    was.get_column_names().into_iter().map(|name| name.as_str()).filter(|name| *name != artifact::ROW)
                {
                    let differs = !was.column(name).unwrap().equals_missing(is.column(name).unwrap());
                    let known =
                        sources.rows.contains(&input(changed)) || sources.columns[name].contains(&input(changed));
                    assert!(!differs || known, "round {round}, {steps}: {name} reads {changed}, known are {sources:?}");
                    seen += usize::from(differs);
                }
            }
        }
    }
    assert!(seen > 200, "only {seen} columns changed");
}

#[test]
fn no_more_is_named_than_is_read() {
    let names = |names: &[&str]| names.iter().map(|name| input(name)).collect::<super::Origins>();
    let (_, sources) = cleaned(table(&mut Random::from_state(1), 40), STEPS[0]);
    assert_eq!(sources.columns["s"], names(&["a", "b"]));
    assert_eq!(sources.columns["t"], names(&["t"]));
    assert!(sources.rows.is_empty() && !sources.columns.contains_key("b"));
    let (_, sources) = cleaned(table(&mut Random::from_state(1), 40), STEPS[19]);
    assert_eq!((&sources.columns["u"], &sources.columns["t"]), (&names(&["t"]), &names(&["u"])));
    let (_, sources) = cleaned(table(&mut Random::from_state(1), 40), STEPS[4]);
    assert_eq!((&sources.columns["a"], &sources.rows), (&names(&["a", "b"]), &names(&["b"])));
}

/// Lists of steps after which rows are others, or have cells of the table `other` with the columns `g` and `w`.
const TABLE_STEPS: [&str; 12] = [
    "- aggregate: {by: [g], measures: {n: COUNT(*), sum: SUM(a), most: MAX(b)}}",
    "- filter: b > 4\n- aggregate: {by: [], measures: {sum: SUM(a)}}",
    "- window: {all: SUM(a) OVER (PARTITION BY g), more: all + SUM(b) OVER (PARTITION BY g)}",
    "- window: {nth: ROW_NUMBER() OVER (PARTITION BY g ORDER BY a), share: b / SUM(b) OVER (PARTITION BY g)}",
    "- sql: SELECT upper(g) AS e, COUNT(*) AS n, SUM(a) AS s FROM this GROUP BY e HAVING COUNT(*) > 1 ORDER BY n",
    "- pivot: {by: [u], column: g, values: [x, y], measure: SUM(a), others: drop}",
    "- unpivot: {columns: [a, b], name: which, value: number}",
    "- explode: {column: t, separator: '1', position: nth}",
    "- surrogate_key: {column: key, of: [g, t]}",
    "- surrogate_key: {column: key, of: [g], method: number}",
    "- join: {with: other, on: g, expect: many}\n- derive: {r: w * a}",
    "- join: {with: {clean: single}, on: g, how: inner}\n- aggregate: {by: [g], measures: {w: SUM(w), n: COUNT(*)}}",
];

fn beside(random: &mut Random, rows: &[&str]) -> crate::Beside {
    let number: Vec<f64> = rows.iter().map(|_| random.below(9) as f64).collect();
    let mut frame = df!("g" => rows, "w" => number, "unread" => vec![1i64; rows.len()]).unwrap().lazy();
    let schema = frame.collect_schema().unwrap().as_ref().clone();
    crate::Beside { frame, schema, definitions: None }
}

fn reshaped(columns: Vec<Column>, others: &Given, steps: &str) -> (DataFrame, super::ColumnSources) {
    let read = spec::parse::<Vec<Step>>(steps, std::path::Path::new("steps.yaml"), &Default::default());
    let steps = read.unwrap_or_else(|error| panic!("{steps}: {error}")).spec;
    let frame = DataFrame::new(columns[0].len(), columns).unwrap().lazy();
    let cleaned = clean(frame, &steps, others).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
    let mut all = DataFrame::empty_with_schema(&cleaned.schema);
    cleaned.batches.for_each(|batch| all.vstack_mut_owned(batch.unwrap().rows).map(drop).unwrap());
    (all, cleaned.sources)
}

/// The columns that differ; `None` if there are other rows.
fn differing<'a>(was: &'a DataFrame, is: &DataFrame) -> Option<Vec<&'a str>> {
    let names = was.get_column_names().into_iter().map(|name| name.as_str());
    let differs = |name: &&str| !was.column(name).unwrap().equals_missing(is.column(name).unwrap());
    (was.height() == is.height()).then(|| names.filter(differs).collect())
}

#[test]
fn table_steps_and_joins_change_nothing_beyond_their_lineage() {
    let mut random = Random::from_state(9);
    let mut seen = 0;
    let given = |random: &mut Random| Given {
        tables: [
            (crate::OtherTable::Clean("other".to_owned()), beside(random, &["x", "x", "y", "z", "z"])),
            (crate::OtherTable::Clean("single".to_owned()), beside(random, &["x", "y"])),
        ]
        .into(),
        ..Given::default()
    };
    for _ in 0..6 {
        for steps in TABLE_STEPS {
            let (before, others) = (table(&mut random, 30), given(&mut random));
            let (was, sources) = reshaped(before.clone(), &others, steps);
            let mut check = |is: &DataFrame, changed: super::Source| match differing(&was, is) {
                None => assert!(sources.rows.contains(&changed), "{steps}: {changed:?} decides on rows: {sources:?}"),
                Some(columns) => {
                    for name in columns.iter().filter(|name| **name != artifact::ROW) {
                        // What looks at several rows changes with them; other columns only where other rows are there.
                        let others = ["join", "unpivot", "explode"].iter().any(|step| steps.contains(step));
                        let gathers = others || sources.columns[*name].contains(&super::Source::Rows);
                        let by_rows = gathers && sources.rows.contains(&changed);
                        let known = by_rows || sources.columns[*name].contains(&changed);
                        assert!(known, "{steps}: {name} reads {changed:?}: {sources:?}");
                    }
                    seen += columns.len();
                }
            };
            for (at, changed) in ["a", "b", "t", "u", "g"].into_iter().enumerate() {
                let mut columns = before.clone();
                columns[at] = table(&mut random, 30).swap_remove(at);
                check(&reshaped(columns, &others, steps).0, input(changed));
            }
            // The same keys with other values.
            let others = given(&mut random);
            let with = if steps.contains("single") { "single" } else { "other" };
            let changed = super::Source::Beside(crate::OtherTable::Clean(with.to_owned()), "w".to_owned());
            check(&reshaped(before, &others, steps).0, changed);
        }
    }
    assert!(seen > 60, "only {seen} columns changed");
}
