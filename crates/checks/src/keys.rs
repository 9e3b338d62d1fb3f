//! What a key with an empty cell means, held by a comparison: for any small tables all who compare rows by keys agree with
//! a plain reading of the rule. A key is a text, or nothing if one of its cells is empty or NaN; nothing equals nothing.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use polars::prelude::*;
use proptest::prelude::*;
use spec::{Environment, Error};
use transform::{Given, Step};

use crate::Finding;
use crate::testing::{judged, split_with};

/// A column of keys: the cells as they go into the table, and as the rule reads them.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Int,
    Float,
    Text,
    Category,
    Wide,
    Decimal,
    Moment,
    Bool,
}

const KINDS: [Kind; 8] =
    [Kind::Int, Kind::Float, Kind::Text, Kind::Category, Kind::Wide, Kind::Decimal, Kind::Moment, Kind::Bool];

fn column(name: &str, kind: Kind, cells: &[u8]) -> (Column, Vec<Option<String>>) {
    let name = PlSmallStr::from(name);
    let read = |cells: Vec<Option<String>>| cells;
    let all = |of: &dyn Fn(u8) -> Option<String>| read(cells.iter().map(|cell| of(*cell)).collect());
    let numbers = |of: &dyn Fn(u8) -> i64| -> Vec<Option<i64>> {
        cells.iter().map(|cell| (*cell > 0).then(|| of(*cell))).collect()
    };
    let plain = all(&|cell| (cell > 0).then(|| cell.to_string()));
    match kind {
        Kind::Int => (Column::new(name, numbers(&|cell| i64::from(cell) - 2)), plain),
        Kind::Float => {
            let float = |cell: u8| [None, Some(f64::NAN), Some(0.0), Some(-0.0)][usize::from(cell)];
            let values: Vec<Option<f64>> = cells.iter().map(|cell| float(*cell)).collect();
            (Column::new(name, values), all(&|cell| (cell > 1).then(|| "0".to_owned())))
        }
        Kind::Text | Kind::Category => {
            let text = |cell: u8| [None, Some(""), Some("a"), Some("b")][usize::from(cell)];
            let column = Column::new(name, cells.iter().map(|cell| text(*cell)).collect::<Vec<_>>());
            let category = artifact::dtype(spec::ColumnType::Category);
            let column = if matches!(kind, Kind::Category) { column.cast(&category).unwrap() } else { column };
            (column, plain)
        }
        Kind::Wide => {
            let wide: Vec<Option<u64>> =
                cells.iter().map(|cell| (*cell > 0).then(|| u64::MAX - u64::from(*cell))).collect();
            (Column::new(name, wide), plain)
        }
        Kind::Decimal => {
            let wide = cells.iter().map(|cell| (*cell > 0).then(|| 10i128.pow(30) + i128::from(*cell)));
            let decimals = Int128Chunked::from_iter_options(name, wide).into_decimal(38, 4).unwrap();
            (decimals.into_column(), plain)
        }
        Kind::Moment => {
            let moments = Column::new(name, numbers(&|cell| i64::from(cell)));
            (moments.cast(&DataType::Datetime(TimeUnit::Nanoseconds, None)).unwrap(), plain)
        }
        Kind::Bool => {
            let truths: Vec<Option<bool>> = cells.iter().map(|cell| (*cell > 0).then_some(*cell > 1)).collect();
            (Column::new(name, truths), all(&|cell| (cell > 0).then(|| (cell > 1).to_string())))
        }
    }
}

/// The key of each row.
fn keys(one: &[Option<String>], other: &[Option<String>]) -> Vec<Option<(String, String)>> {
    one.iter().zip(other).map(|(one, other)| one.clone().zip(other.clone())).collect()
}

fn cleaned(table: &DataFrame, step: &str) -> DataFrame {
    let steps: Vec<Step> = spec::parse(step, Path::new("clean.yaml"), &Environment::default()).unwrap().spec;
    let cleaned = transform::clean(table.clone().lazy(), &steps, &Given::default()).unwrap();
    let mut rows = DataFrame::empty_with_schema(&cleaned.schema);
    for batch in cleaned.batches {
        rows.vstack_mut(&batch.unwrap().rows).unwrap();
    }
    rows
}

fn numbers(table: &DataFrame, name: &str) -> Vec<i64> {
    table.column(name).unwrap().i64().unwrap().iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn empty_keys_equal_nothing(
        cells in prop::collection::vec((0u8..4, 0u8..4), 0..24),
        others in prop::collection::vec((0u8..4, 0u8..4), 0..8),
        kinds in (prop::sample::select(KINDS.to_vec()), prop::sample::select(KINDS.to_vec())),
    ) {
        let (a, b): (Vec<u8>, Vec<u8>) = cells.iter().copied().unzip();
        let ((a, a_read), (b, b_read)) = (column("a", kinds.0, &a), column("b", kinds.1, &b));
        let read = keys(&a_read, &b_read);
        let n = Column::new("n".into(), (0..cells.len() as i64).collect::<Vec<_>>());
        let table = DataFrame::new(cells.len(), vec![a, b, n]).unwrap();

        // dedupe: the first of each key stays, and so do rows without a key.
        let mut seen = HashSet::new();
        let first = |at: &i64| read[*at as usize].as_ref().is_none_or(|key| seen.insert(key.clone()));
        let expected: Vec<i64> = (0..cells.len() as i64).filter(first).collect();
        prop_assert_eq!(numbers(&cleaned(&table, "- dedupe: {keys: [a, b]}"), "n"), expected.clone());
        let mut last: BTreeMap<_, i64> = BTreeMap::new();
        last.extend(read.iter().zip(0i64..).filter_map(|(key, at)| Some((key.clone()?, at))));
        let stays = |at: &i64| read[*at as usize].as_ref().is_none_or(|key| last[key] == *at);
        let kept: Vec<i64> = (0..cells.len() as i64).filter(stays).collect();
        prop_assert_eq!(numbers(&cleaned(&table, "- dedupe: {keys: [a, b], keep: last, by: n}"), "n"), kept);

        // unique agrees with dedupe.
        let repeated = cells.len() - expected.len();
        let found = judged("unique: {columns: [a, b]}", &table);
        prop_assert_eq!(matches!(found, Finding::Passed(_)), repeated == 0, "{:?}", found);
        if let Finding::Failed(found) = found {
            prop_assert!(found.starts_with(&format!("{repeated} of {} rows", cells.len())), "{}", found);
        }

        // references: a key with an empty cell passes; another must be there.
        let (c, d): (Vec<u8>, Vec<u8>) = others.iter().copied().unzip();
        let ((c, c_read), (d, d_read)) = (column("a", kinds.0, &c), column("b", kinds.1, &d));
        let there: HashSet<_> = keys(&c_read, &d_read).into_iter().flatten().collect();
        let other = DataFrame::new(others.len(), vec![c, d]).unwrap();
        let lookup = |name: &str| match name {
            "other" => Ok(other.clone().lazy()),
            _ => Err(Error::cannot_run("no such table")),
        };
        let split = split_with("references: {columns: [a, b], table: other, max_share: 1}", &table, &lookup);
        let passes = |at: &i64| read[*at as usize].as_ref().is_none_or(|key| there.contains(key));
        prop_assert_eq!(numbers(&split.rows, "n"), (0..cells.len() as i64).filter(passes).collect::<Vec<_>>());

        // outliers: rows without a group have no limits. Those of a group are what it holds.
        let step = "- outliers: {columns: [n], method: {zscore: {factor: 0.5}}, group_by: [a, b], action: flag}";
        let flagged = cleaned(&table, step);
        let flags = flagged.column("n_outlier").unwrap().bool().unwrap();
        for (at, key) in read.iter().enumerate() {
            let values: Vec<f64> = (0..cells.len()).filter(|i| key.is_some() && read[*i] == *key).map(|i| i as f64).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
            let deviation = (squares / values.len() as f64).sqrt();
            let away = (at as f64 - mean).abs() - 0.5 * deviation;
            // Too near to the limit to decide.
            if key.is_none() || values.len() < 2 || away.abs() > 1e-9 {
                let is_outlier = key.is_some() && values.len() > 1 && away > 0.0;
                prop_assert_eq!(flags.get(at), Some(is_outlier), "row {} of {}", at, table);
            }
        }
    }
}
