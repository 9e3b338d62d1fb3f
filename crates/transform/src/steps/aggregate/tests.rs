use polars::prelude::*;
use proptest::prelude::*;

use crate::steps::tests::{failure, reasons, rows, run};

fn table() -> DataFrame {
    df!(
        "g" => [Some("b"), Some("a"), None, Some("b"), None],
        "n" => [Some(1i64), Some(2), Some(3), None, Some(5)],
        "x" => [0.5, f64::NAN, 1.5, 2.5, -1.0],
        "_row" => [1u32, 2, 3, 4, 5],
    )
    .unwrap()
}

#[test]
fn groups_come_in_the_order_of_their_first_rows() {
    let step = "- aggregate: {by: g, measures: {rows: COUNT(*), n: SUM(n), mean: AVG(x), share: SUM(n) / COUNT(*), high: 'MAX(n) > 2'}}";
    let expected = df!(
        "g" => [Some("b"), Some("a"), None],
        "rows" => [2i64, 1, 2],
        "n" => [1i64, 2, 8],
        "mean" => [Some(1.5), None, Some(0.25)],
        "share" => [0.5, 2.0, 4.0],
        "high" => [false, false, true],
    );
    assert!(rows(&table(), step).equals_missing(&expected.unwrap()), "{}", rows(&table(), step));
    assert_eq!(run(&table(), step).removed, [("step 1 'aggregate' by g".to_owned(), 2)]);
}

#[test]
fn means_of_whole_numbers_and_decimals_lose_no_digit() {
    // As floats the two of a group would be 0 together.
    let mut table = df!("g" => [1i64, 1, 2, 2], "n" => [(1i64 << 53) + 1, -(1 << 53), i64::MAX, i64::MAX]).unwrap();
    let decimals = Series::new("d".into(), ["123456789012345678.25", "-123456789012345678.00", "0.10", "0.20"]);
    table.with_column(decimals.cast(&DataType::Decimal(20, 2)).unwrap().into()).unwrap();
    let found = rows(&table, "- aggregate: {by: g, measures: {n: AVG(n), d: AVG(d)}}");
    let expected = df!("g" => [1i64, 2], "n" => [0.5, i64::MAX as f64], "d" => [0.125, 0.15]).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn without_keys_there_is_one_row_even_of_none() {
    let step = "- aggregate: {measures: {rows: COUNT(*), n: SUM(n)}}";
    assert_eq!(rows(&table(), step), df!("rows" => [5i64], "n" => [11i64]).unwrap());
    let done = run(&table(), &format!("- filter: n > 100\n{step}"));
    assert_eq!(done.rows, df!("rows" => [0i64], "n" => [None::<i64>]).unwrap());
    assert_eq!(done.removed[1], ("step 2 'aggregate'".to_owned(), 1));
    assert_eq!(rows(&table(), "- aggregate: {by: [g]}"), df!("g" => [Some("b"), Some("a"), None]).unwrap());
    assert_eq!(rows(&table(), "- filter: n > 9\n- aggregate: {by: g, measures: {r: COUNT(*)}}").height(), 0);
}

#[test]
fn rows_with_an_empty_key_are_a_group_or_are_taken_out() {
    let step = |nulls: &str| format!("- aggregate: {{by: [g], measures: {{rows: COUNT(*)}}, nulls: {nulls}}}");
    let dropped = run(&table(), &step("drop"));
    assert_eq!(dropped.rows.height(), 2);
    assert_eq!(
        dropped.removed,
        [("step 1 'aggregate' by g".to_owned(), 1), ("step 1 'aggregate' by g, with an empty key".to_owned(), 2)]
    );
    let refused = run(&table(), &step("refuse"));
    assert_eq!(refused.rows.height(), 2);
    assert_eq!(reasons(&refused), ["step 1 'aggregate': a key is empty: one of g"; 2]);
}

#[test]
fn mistakes_are_named() {
    for (step, error) in [
        (
            "by: g, measures: {n: n}",
            "'n': column 'n' is neither a key of the groups nor within an aggregate; write MIN(n) or another aggregate, or add it to \
             the keys",
        ),
        (
            "by: g, measures: {n: g}",
            "'g': there is no aggregate in it; write one, such as SUM(x), COUNT(*) or MAX(x); docs/sql.md lists them",
        ),
        ("by: g, measures: {g: COUNT(*)}", "measure 'g' has the name of a key; choose another name"),
        ("by: gg, measures: {n: COUNT(*)}", "no column 'gg'; did you mean 'g'?"),
        ("by: g, measures: {n: SUM(m)}", "'SUM(m)': no column 'm'; choose one of: g, n, x, _row"),
        (
            "by: g, measures: {n: 'SUM(n) OVER (PARTITION BY g)'}",
            "'SUM(n) OVER (PARTITION BY g)': a window cannot be used beside aggregates; use the step 'window' before or after",
        ),
        ("measures: {}", "neither keys nor measures are named; write `by: [...]`, `measures: {...}`, or both"),
    ] {
        assert_eq!(failure(&table(), &format!("- aggregate: {{{step}}}")), format!("step 1 'aggregate': {error}"));
    }
    let large = df!("n" => [i64::MAX, 1]).unwrap();
    assert_eq!(
        failure(&large, "- aggregate: {measures: {n: SUM(n)}}"),
        "step 1 'aggregate': 'SUM(n)': the sum 9223372036854775808 is beyond int64; sum CAST(… AS DOUBLE) or a DECIMAL"
    );
}

/// The rows of a group, in order.
fn reference(rows: &[(usize, Option<f64>)], what: &str) -> Option<f64> {
    let values: Vec<Option<f64>> = rows.iter().map(|(_, value)| *value).collect();
    let filled: Vec<f64> = values.iter().flatten().copied().collect();
    let (count, mut sorted) = (filled.len() as f64, filled.clone());
    sorted.sort_by(f64::total_cmp);
    let mean = filled.iter().sum::<f64>() / count;
    let squares: f64 = filled.iter().map(|value| (value - mean) * (value - mean)).sum();
    let middle = |share: f64| {
        let at = share * (count - 1.0);
        let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        low + (high - low) * (at - at.floor())
    };
    match what {
        "COUNT(*)" => Some(values.len() as f64),
        "COUNT(v)" => Some(count),
        "COUNT(DISTINCT v)" => {
            sorted.dedup();
            Some(sorted.len() as f64)
        }
        _ if filled.is_empty() => None,
        "SUM(v)" => Some(filled.iter().sum()),
        "AVG(v)" => Some(mean),
        "MIN(v)" => Some(sorted[0]),
        "MAX(v)" => Some(sorted[sorted.len() - 1]),
        "MEDIAN(v)" => Some(middle(0.5)),
        "QUANTILE_CONT(v, 0.9)" => Some(middle(0.9)),
        "VAR_POP(v)" => Some(squares / count),
        "STDDEV(v)" if filled.len() > 1 => Some((squares / (count - 1.0)).sqrt()),
        "MODE(v)" => {
            let often = |value: f64| filled.iter().filter(|other| **other == value).count();
            sorted.iter().copied().reduce(|best, value| if often(value) > often(best) { value } else { best })
        }
        "ARG_MAX(v, i % 3)" => {
            let by = |at: usize| rows[at].0 % 3;
            let all = (0..rows.len()).filter(|at| rows[*at].1.is_some());
            all.reduce(|best, at| if by(at) > by(best) { at } else { best }).and_then(|at| rows[at].1)
        }
        "SUM(v) FILTER (WHERE v > 2)" => {
            let high: Vec<f64> = filled.into_iter().filter(|value| *value > 2.0).collect();
            if high.is_empty() { None } else { Some(high.iter().sum()) }
        }
        _ => None,
    }
}

const MEASURES: [&str; 14] = [
    "COUNT(*)",
    "COUNT(v)",
    "COUNT(DISTINCT v)",
    "SUM(v)",
    "AVG(v)",
    "MIN(v)",
    "MAX(v)",
    "MEDIAN(v)",
    "QUANTILE_CONT(v, 0.9)",
    "VAR_POP(v)",
    "MODE(v)",
    "ARG_MAX(v, i % 3)",
    "STDDEV(v)",
    "SUM(v) FILTER (WHERE v > 2)",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn measures_are_those_of_plain_loops(
        cells in proptest::collection::vec((proptest::option::weighted(0.8, 0i64..4), proptest::option::weighted(0.8, -3i64..6)), 0..30),
        kind in 0usize..5,
    ) {
        let (keys, values): (Vec<Option<i64>>, Vec<Option<i64>>) = cells.iter().copied().unzip();
        let whole = Column::new("v".into(), &values);
        let value = match kind {
            0 => whole.clone(),
            1 => whole.cast(&DataType::Int8).unwrap(),
            2 => whole.cast(&DataType::Decimal(12, 2)).unwrap(),
            // A cell without a value may be NaN, which counts as empty.
            _ => {
                let floats = values.iter().enumerate().map(|(at, value)| value.map(|value| value as f64).or((at % 2 == 0).then_some(f64::NAN)));
                Column::new("v".into(), floats.collect::<Vec<_>>())
            }
        };
        let key = match kind {
            4 => {
                let floats = keys.iter().enumerate().map(|(at, key)| match key {
                    Some(0) if at % 2 == 0 => Some(-0.0),
                    key => key.map(|key| key as f64).or((at % 2 == 0).then_some(f64::NAN)),
                });
                Column::new("k".into(), floats.collect::<Vec<_>>())
            }
            _ => Column::new("k".into(), &keys),
        };
        let index = Column::new("i".into(), (0..cells.len() as i64).collect::<Vec<_>>());
        let table = DataFrame::new(cells.len(), vec![key, value, index]).unwrap();
        // The key of a group, and the number and value of each of its rows.
        type Group = (Option<i64>, Vec<(usize, Option<f64>)>);
        let mut groups: Vec<Group> = Vec::new();
        for (at, (key, value)) in cells.iter().enumerate() {
            let value = (at, value.map(|value| value as f64));
            match groups.iter_mut().find(|(known, _)| known == key) {
                Some((_, values)) => values.push(value),
                None => groups.push((*key, vec![value])),
            }
        }
        let measures: Vec<String> = MEASURES.iter().enumerate().map(|(at, sql)| format!("m{at}: '{sql}'")).collect();
        let done = run(&table, &format!("- aggregate: {{by: k, measures: {{{}}}}}", measures.join(", ")));
        let found = done.rows.column("k").unwrap().cast(&DataType::Float64).unwrap();
        let found: Vec<Option<f64>> = found.f64().unwrap().iter().collect();
        prop_assert_eq!(found, groups.iter().map(|(key, _)| key.map(|key| key as f64)).collect::<Vec<_>>());
        for (at, what) in MEASURES.iter().enumerate() {
            let column = done.rows.column(&format!("m{at}")).unwrap().cast(&DataType::Float64).unwrap();
            for ((_, values), found) in groups.iter().zip(column.f64().unwrap().iter()) {
                let expected = reference(values, what);
                let is_near = match (expected, found) {
                    (None, None) => true,
                    (Some(expected), Some(found)) => (expected - found).abs() <= 1e-9 * expected.abs().max(1.0),
                    _ => false,
                };
                prop_assert!(is_near, "{}: {:?} instead of {:?} of {:?}", what, found, expected, values);
            }
        }
        let merged: u64 = done.removed.iter().map(|(_, rows)| rows).sum();
        prop_assert_eq!(merged as usize + groups.len(), cells.len());
    }
}
