//! Random chains of steps against rows of plain maps, each of which carries the rows that it is made of.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use spec::random::Random;

use super::behind;
use crate::beside::{Beside, OtherTable};
use crate::given::Given;
use crate::steps::tests::parse;

type Cell = Option<i64>;

#[derive(Clone, Debug)]
struct Row {
    cells: BTreeMap<String, Cell>,
    /// Tables by name, and numbers of their rows.
    of: BTreeSet<(String, u32)>,
}

impl Row {
    fn get(&self, column: &str) -> Cell {
        self.cells[column]
    }

    fn with(mut self, column: &str, cell: Cell) -> Row {
        self.cells.insert(column.to_owned(), cell);
        self
    }
}

/// Rows of small numbers, some of them empty, each of which is made of itself.
fn table(random: &mut Random, name: &str, columns: &[&str], height: usize) -> Vec<Row> {
    let cell = |random: &mut Random| (random.below(6) > 0).then(|| random.below(4) as i64);
    let row = |at: usize, random: &mut Random| Row {
        cells: columns.iter().map(|column| ((*column).to_owned(), cell(random))).collect(),
        of: BTreeSet::from([(name.to_owned(), at as u32)]),
    };
    (0..height).map(|at| row(at, random)).collect()
}

fn frame(rows: &[Row], columns: &[String]) -> DataFrame {
    let column =
        |name: &String| Column::new(name.as_str().into(), rows.iter().map(|row| row.get(name)).collect::<Vec<Cell>>());
    DataFrame::new(rows.len(), columns.iter().map(column).collect()).unwrap()
}

/// Rows that have become one.
fn made_of(rows: &[&Row]) -> BTreeSet<(String, u32)> {
    rows.iter().flat_map(|row| row.of.iter().cloned()).collect()
}

fn groups<'r>(rows: &'r [Row], key: &str) -> Vec<(Cell, Vec<&'r Row>)> {
    let mut groups: Vec<(Cell, Vec<&Row>)> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|(known, _)| *known == row.get(key)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((row.get(key), vec![row])),
        }
    }
    groups
}

fn sum(rows: &[&Row], column: &str) -> Cell {
    rows.iter().filter_map(|row| row.get(column)).reduce(|a, b| a + b)
}

/// The tables that steps may name, as rows: `many` has several rows of a key, `one` has one.
struct Others {
    many: Vec<Row>,
    one: Vec<Row>,
    more: Vec<Row>,
}

/// A random step in YAML, and the rows and columns after it.
fn step(
    random: &mut Random,
    rows: Vec<Row>,
    columns: &mut Vec<String>,
    others: &Others,
    at: usize,
) -> (String, Vec<Row>) {
    let x = columns[random.below(columns.len())].clone();
    let y = columns[random.below(columns.len())].clone();
    let (n, s) = (format!("n{at}"), format!("s{at}"));
    let matches = |row: &Row, table: &[Row], key: &str| -> Vec<Row> {
        let is_match = |other: &&Row| row.get(&x).is_some() && other.get(key) == row.get(&x);
        table.iter().filter(is_match).cloned().collect()
    };
    let joined = |row: &Row, other: &Row, value: &str| Row {
        of: made_of(&[row, other]),
        cells: row.clone().with(&n, other.get(value)).cells,
    };
    let grouped = |columns: &mut Vec<String>, groups: Vec<(Cell, Vec<&Row>)>| -> Vec<Row> {
        *columns = vec![x.clone(), n.clone(), s.clone()];
        let one = |(key, of): (Cell, Vec<&Row>)| Row {
            cells: [(x.clone(), key), (n.clone(), Some(of.len() as i64)), (s.clone(), sum(&of, &y))].into(),
            of: made_of(&of),
        };
        groups.into_iter().map(one).collect()
    };
    match random.below(16) {
        0 => {
            let kept = rows.into_iter().filter(|row| row.get(&x).is_some_and(|x| x > 0)).collect();
            (format!("- filter: {x} > 0"), kept)
        }
        1 => {
            let mut seen = BTreeSet::new();
            let kept = rows.into_iter().filter(|row| row.get(&x).is_none_or(|x| seen.insert(x))).collect();
            (format!("- dedupe: {{keys: [{x}]}}"), kept)
        }
        2 => {
            columns.push(n.clone());
            let cell = |row: Row| {
                let new = row.get(&x).map(|x| x % 2);
                row.with(&n, new)
            };
            (format!("- derive: {{{n}: {x} % 2}}"), rows.into_iter().map(cell).collect())
        }
        3 => {
            columns.push(n.clone());
            let brought = |row: Row| match matches(&row, &others.one, "k").first() {
                Some(other) => joined(&row, other, "v"),
                None => row.with(&n, None),
            };
            let yaml = format!("- join: {{with: one, on: {{{x}: k}}, columns: {{v: {n}}}}}");
            (yaml, rows.into_iter().map(brought).collect())
        }
        4 => {
            columns.push(n.clone());
            let brought = |row: &Row| {
                matches(row, &others.many, "k").iter().map(|other| joined(row, other, "v")).collect::<Vec<Row>>()
            };
            let yaml = format!("- join: {{with: many, on: {{{x}: k}}, columns: {{v: {n}}}, expect: many, how: inner}}");
            (yaml, rows.iter().flat_map(brought).collect())
        }
        5 => {
            let empty: BTreeMap<String, Cell> = columns.iter().map(|column| (column.clone(), None)).collect();
            columns.push(n.clone());
            let mut all: Vec<Row> = Vec::new();
            let mut used = BTreeSet::new();
            for row in rows {
                match matches(&row, &others.one, "k").first() {
                    Some(other) => {
                        used.extend(other.of.clone());
                        all.push(joined(&row, other, "v"));
                    }
                    None => all.push(row.with(&n, None)),
                }
            }
            let alone = others.one.iter().filter(|other| !used.contains(other.of.first().unwrap()));
            all.extend(alone.map(|other| {
                let row = Row { cells: empty.clone(), of: other.of.clone() };
                row.with(&x, other.get("k")).with(&n, other.get("v"))
            }));
            (format!("- join: {{with: one, on: {{{x}: k}}, columns: {{v: {n}}}, how: full}}"), all)
        }
        6 => {
            let is_wanted = random.below(2) == 0;
            let how = if is_wanted { "semi" } else { "anti" };
            let kept = rows.into_iter().filter(|row| matches(row, &others.many, "k").is_empty() != is_wanted).collect();
            (format!("- join: {{with: many, on: {{{x}: k}}, how: {how}}}"), kept)
        }
        7 | 8 => {
            let yaml = format!("- aggregate: {{by: [{x}], measures: {{{n}: COUNT(*), {s}: SUM({y})}}}}");
            let made = grouped(columns, groups(&rows, &x));
            (yaml, made)
        }
        9 => {
            let all: Vec<&Row> = rows.iter().collect();
            *columns = vec![n.clone(), s.clone()];
            let cells = [(n.clone(), Some(all.len() as i64)), (s.clone(), sum(&all, &y))].into();
            (
                format!("- aggregate: {{measures: {{{n}: COUNT(*), {s}: SUM({y})}}}}"),
                vec![Row { cells, of: made_of(&all) }],
            )
        }
        10 if x != y => {
            *columns = vec![x.clone(), n.clone(), s.clone()];
            let one = |(key, of): (Cell, Vec<&Row>)| {
                let hits =
                    |value: i64| of.iter().filter(|row| row.get(&y) == Some(value)).copied().collect::<Vec<&Row>>();
                let (zero, two) = (hits(0), hits(2));
                let cell = |hits: &[&Row]| Some(hits.len() as i64);
                Row {
                    cells: [(x.clone(), key), (n.clone(), cell(&zero)), (s.clone(), cell(&two))].into(),
                    of: &made_of(&zero) | &made_of(&two),
                }
            };
            let yaml = format!(
                "- pivot: {{by: [{x}], column: {y}, values: {{\"0\": {n}, \"2\": {s}}}, measure: COUNT(*), others: drop}}"
            );
            (yaml, groups(&rows, &x).into_iter().map(one).collect())
        }
        11 => {
            let own = ["a", "b"].map(str::to_owned);
            columns.extend(own.iter().filter(|column| !columns.contains(column)).cloned().collect::<Vec<_>>());
            let mut all = rows;
            all.extend(others.more.clone());
            for row in &mut all {
                columns.iter().for_each(|column| {
                    row.cells.entry(column.clone()).or_insert(None);
                });
            }
            ("- union: {with: {raw: more}}".to_owned(), all)
        }
        12 if x != y => {
            columns.retain(|column| *column != x && *column != y);
            columns.push(n.clone());
            let both = |row: &Row| {
                let one = |column: &str| row.get(column).map(|cell| row.clone().with(&n, Some(cell)));
                [one(&x), one(&y)].into_iter().flatten().collect::<Vec<Row>>()
            };
            let yaml = format!("- unpivot: {{columns: [{x}, {y}], name: {s}, value: {n}}}\n- drop: {{columns: [{s}]}}");
            (yaml, rows.iter().flat_map(both).collect())
        }
        13 => {
            let yaml =
                format!("- sql: SELECT {x}, COUNT(*) AS {n}, SUM({y}) AS {s} FROM this WHERE {y} < 3 GROUP BY {x}");
            let kept: Vec<Row> = rows.into_iter().filter(|row| row.get(&y).is_some_and(|y| y < 3)).collect();
            let made = grouped(columns, groups(&kept, &x));
            (yaml, made)
        }
        14 => {
            *columns = vec![x.clone(), n.clone()];
            let brought = |row: &Row| Some(joined(row, matches(row, &others.one, "k").first()?, "v"));
            let yaml = format!("- sql: SELECT this.{x}, one.v AS {n} FROM this JOIN one ON this.{x} = one.k");
            (yaml, rows.iter().filter_map(brought).collect())
        }
        _ => {
            columns.push(n.clone());
            let counts: BTreeMap<Cell, usize> =
                groups(&rows, &x).into_iter().map(|(key, rows)| (key, rows.len())).collect();
            let cell = |row: Row| {
                let new = counts[&row.get(&x)] as i64;
                row.with(&n, Some(new))
            };
            (format!("- window: {{{n}: COUNT(*) OVER (PARTITION BY {x})}}"), rows.into_iter().map(cell).collect())
        }
    }
}

#[test]
fn exactly_the_rows_that_became_a_row_are_behind_it() {
    let (mut looked, mut several) = (0, 0);
    for seed in 0..120 {
        let random = &mut Random::new(11, seed);
        let mut one = table(random, "one", &["k", "v"], 5);
        one.iter_mut().zip(0..).for_each(|(row, key)| *row = row.clone().with("k", Some(key)));
        let others = Others {
            many: table(random, "many", &["k", "v"], 6),
            one,
            more: table(random, "raw more", &["a", "b"], 4),
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let mut columns = names(&["a", "b", "c"]);
        let height = 6 + random.below(20);
        let mut rows = table(random, "t", &["a", "b", "c"], height);
        let from = frame(&rows, &columns).lazy();
        let mut yaml = String::new();
        for at in 0..1 + random.below(5) {
            let (step, after) = step(random, rows, &mut columns, &others, at);
            yaml += &format!("{step}\n");
            rows = after;
            // What a step dropped does not come back under the same name.
            rows.iter_mut().for_each(|row| row.cells.retain(|column, _| columns.contains(column)));
        }
        let beside = |rows: &[Row], columns: &[&str]| {
            let mut frame = frame(rows, &names(columns)).lazy();
            Beside { schema: frame.collect_schema().unwrap().as_ref().clone(), frame, definitions: None }
        };
        let tables = BTreeMap::from([
            (OtherTable::Clean("many".to_owned()), beside(&others.many, &["k", "v"])),
            (OtherTable::Clean("one".to_owned()), beside(&others.one, &["k", "v"])),
            (OtherTable::Raw("more".to_owned()), beside(&others.more, &["a", "b"])),
        ]);
        let given = Given { tables, ..Given::default() };
        let steps = parse(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        for row in rows.iter().take(4) {
            let alike: Vec<&Row> = rows.iter().filter(|other| other.cells == row.cells).collect();
            let expected = made_of(&alike);
            let shown = frame(std::slice::from_ref(row), &columns);
            let from = vec![(OtherTable::Clean("t".to_owned()), from.clone())];
            let found =
                behind(from.clone(), &steps, &given, &shown).unwrap_or_else(|error| panic!("{seed}: {error}\n{yaml}"));
            let found = found.unwrap_or_else(|| panic!("{seed}: the row is not made again\n{shown}\n{yaml}"));
            let numbers = found.rows.iter().flat_map(|(table, rows)| rows.iter().map(|row| (table.to_string(), *row)));
            let numbers = numbers.collect::<BTreeSet<_>>();
            assert_eq!(numbers, expected, "{seed}: {shown}\n{yaml}");
            assert_eq!(found.alike, alike.len(), "{seed}: {shown}\n{yaml}");
            looked += 1;
            several += usize::from(expected.len() > alike.len());
        }
    }
    assert!(looked > 220 && several > 100, "{several} of {looked}");
}

#[test]
fn a_row_that_the_steps_do_not_make_has_nothing_behind_it() {
    let rows = df!("a" => [1i64, 2, 2]).unwrap();
    let steps = parse("- aggregate: {by: [a], measures: {n: COUNT(*)}}").unwrap();
    let look = |row: DataFrame| {
        let from = vec![(OtherTable::Raw("t".to_owned()), rows.clone().lazy())];
        behind(from, &steps, &Given::default(), &row).unwrap()
    };
    assert_eq!(look(df!("a" => [2i64], "n" => [1i64]).unwrap()), None);
    assert_eq!(look(df!("a" => [2i64], "other" => [2i64]).unwrap()), None);
    let found = look(df!("a" => [2i64], "n" => [2i64]).unwrap()).unwrap();
    assert_eq!(found.rows, BTreeMap::from([(OtherTable::Raw("t".to_owned()), BTreeSet::from([1, 2]))]));
}

#[test]
fn the_columns_of_the_witness_are_nobody_elses() {
    let table = df!("a" => [1i64], "_millrace_behind_0" => [1u32]).unwrap();
    let failure = |table: &DataFrame, steps: &str| crate::steps::tests::failure(table, steps);
    assert!(failure(&table, "- filter: a > 0").starts_with("the table has a column '_millrace_behind_0'"));
    let table = df!("a" => [1i64]).unwrap();
    assert!(failure(&table, "- derive: {_millrace_behind_1: a}").contains("is a name that clean itself uses"));
}
