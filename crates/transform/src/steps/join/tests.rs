use polars::prelude::*;
use proptest::prelude::*;

use crate::steps::tests::{Done, failure_given, run_given, try_run};
use crate::{Beside, Given, OtherTable};

pub fn given_with(name: &str, table: &DataFrame) -> Given {
    let beside = Beside { frame: table.clone().lazy(), schema: table.schema().as_ref().clone(), definitions: None };
    Given { tables: [(OtherTable::Clean(name.to_owned()), beside)].into(), ..Given::default() }
}

fn orders() -> DataFrame {
    df!(
        "id" => [1i64, 2, 3, 4],
        "customer" => [Some("a"), Some("b"), None, Some("x")],
        "_file" => ["f"; 4],
        "_row" => [2u32, 3, 4, 5],
    )
    .unwrap()
}

fn customers() -> DataFrame {
    df!("id" => ["a", "b", "c"], "city" => [Some("Bonn"), None, Some("Kiel")], "_file" => ["g"; 3], "_row" => [2u32, 3, 4])
        .unwrap()
}

fn joined(steps: &str) -> Done {
    run_given(&orders(), steps, &given_with("customers", &customers()))
}

fn ids(done: &Done) -> Vec<i64> {
    done.rows.column("id").unwrap().i64().unwrap().iter().flatten().collect()
}

#[test]
fn columns_come_with_the_row_that_matches() {
    let done = joined("- join: {with: customers, on: {customer: id}}");
    let expected = df!(
        "id" => [1i64, 2, 3, 4],
        "customer" => [Some("a"), Some("b"), None, Some("x")],
        "_file" => ["f"; 4],
        "_row" => [2u32, 3, 4, 5],
        "city" => [Some("Bonn"), None, None, None],
    );
    assert!(done.rows.equals_missing(&expected.unwrap()), "{}", done.rows);
    assert!(done.removed.is_empty());
    let named =
        joined("- join: {with: customers, on: {customer: id}, columns: {city: town}}\n- derive: {t: UPPER(town)}");
    assert_eq!(named.rows.column("t").unwrap().str().unwrap().get(0), Some("BONN"));
    let prefixed = joined("- join: {with: customers, on: {customer: id}, prefix: customer_}");
    assert!(prefixed.rows.column("customer_city").is_ok());
}

#[test]
fn rows_without_a_match_stay_go_or_are_all_that_stays() {
    let on = "with: customers, on: {customer: id}";
    for (how, left, dropped) in [("inner", vec![1, 2], 2), ("semi", vec![1, 2], 2), ("anti", vec![3, 4], 2)] {
        let done = joined(&format!("- join: {{{on}, how: {how}}}"));
        assert_eq!(ids(&done), left, "{how}");
        assert_eq!(done.removed, [("step 1 'join' with customers".to_owned(), dropped)]);
        assert_eq!(done.rows.column("city").is_ok(), how == "inner");
    }
    let full = joined(&format!("- join: {{{on}, how: full}}"));
    assert_eq!(full.rows.height(), 5);
    let last = full.rows.tail(Some(1));
    let expected = df!(
        "id" => [None::<i64>], "customer" => ["c"], "_file" => [None::<&str>], "_row" => [None::<u32>], "city" => ["Kiel"]
    );
    assert!(last.equals_missing(&expected.unwrap()), "{last}");
    assert_eq!(full.removed, [("step 1 'join' with customers, which had no match".to_owned(), 1)]);
}

#[test]
fn a_join_that_multiplies_rows_is_refused_with_the_keys() {
    let items =
        df!("order" => [1i64, 1, 2, 3, 3, 3, 9, 9], "item" => ["a", "b", "c", "d", "e", "f", "g", "h"]).unwrap();
    let given = given_with("items", &items);
    let on = "with: items, on: {id: order}";
    assert_eq!(
        failure_given(&orders(), &format!("- join: {{{on}}}"), &given),
        "step 1 'join': 2 keys of the rows match several rows of 'items', which would multiply the rows: id = 1; id = 3; write \
         `expect: many` if that is meant; otherwise make the keys of 'items' unique, by a step 'dedupe' or 'aggregate'"
    );
    // A row that an earlier step took out multiplies nothing.
    let done = run_given(&orders(), &format!("- filter: id = 2\n- join: {{{on}}}"), &given);
    assert_eq!(done.rows.height(), 1);
    let many = run_given(&orders(), &format!("- join: {{{on}, expect: many, how: inner}}"), &given);
    assert_eq!(ids(&many), [1, 1, 2, 3, 3, 3]);
    // One row was dropped, and three were added.
    assert_eq!(many.removed, [("step 1 'join' with items".to_owned(), 4)]);
    // Where nothing is brought nothing is multiplied.
    assert_eq!(ids(&run_given(&orders(), &format!("- join: {{{on}, how: semi}}"), &given)), [1, 2, 3]);
    let full = failure_given(&orders(), &format!("- join: {{{on}, how: full}}"), &given);
    assert!(full.contains("2 keys of the rows match several rows"), "{full}");
}

#[test]
fn steps_before_and_behind_a_join_that_multiplies_are_in_the_books() {
    let items = df!("id" => [1i64, 1, 2, 2], "price" => ["1", "x", "3", "4"]).unwrap();
    let steps = "- filter: id < 4\n- join: {with: items, on: id, expect: many}\n- cast: {columns: {price: int64}}\n\
                 - dedupe: {keys: [id], keep: last}\n- filter: id <> 3";
    let done = run_given(&orders(), steps, &given_with("items", &items));
    let removed: Vec<(&str, u64)> = done.removed.iter().map(|(rule, rows)| (rule.as_str(), *rows)).collect();
    assert_eq!(
        removed,
        [
            ("step 1 'filter' id < 4", 1),
            ("step 2 'join' with items", 2),
            ("step 4 'dedupe' on id", 1),
            ("step 5 'filter' id <> 3", 1)
        ]
    );
    assert_eq!(crate::steps::tests::reasons(&done), ["step 3 'cast': price: 'x' is not an int64"]);
    assert_eq!(ids(&done), [1, 2]);
}

#[test]
fn mistakes_are_named() {
    let fails = |step: &str| failure_given(&orders(), step, &given_with("customers", &customers()));
    for (step, error) in [
        ("with: customers, on: custmer", "no column 'custmer'; did you mean 'customer'?"),
        ("with: customers, on: {customer: ident}", "table 'customers' has no column 'ident'; did you mean 'id'?"),
        ("with: customers, on: id", "column 'id' holds int64, but 'id' in 'customers' string; cast one of them first"),
        (
            "with: customers",
            "nothing says which rows belong together; name the key columns, such as `on: customer_id` or `on: {customer: id}`",
        ),
        (
            "with: customers, on: {customer: id}, columns: {city: id}",
            "column 'id' exists already; give the one of 'customers' another name, `columns: {city: customers_city}` or `prefix: \
             customers_`, or name only the columns that are needed",
        ),
        (
            "with: customers, on: {customer: id}, how: semi, expect: many",
            "'expect' has no effect with `how: semi`, which brings no columns; leave it out",
        ),
        (
            "with: products, on: id",
            "the table 'products' is not available here; only the tool 'clean' reads other tables",
        ),
        (
            "with: customers, on: {customer: id}, as_of: {column: customer, there: city}",
            "column 'customer' is string, not a date, time or number; cast it to a number, or read it with 'parse_dates' first",
        ),
    ] {
        assert_eq!(fails(&format!("- join: {{{step}}}")), format!("step 1 'join': {error}"));
    }
}

#[test]
fn the_nearest_row_is_found_by_time() {
    let days = |days: &[i32]| Column::new("day".into(), days).cast(&DataType::Date).unwrap();
    let mut left = df!("k" => ["a", "a", "a", "b"], "n" => [1i64, 2, 3, 4]).unwrap();
    left.with_column(days(&[10, 20, 31, 10])).unwrap();
    let mut rates = df!("k" => ["a", "a", "a"], "rate" => [1i64, 2, 3]).unwrap();
    rates.with_column(days(&[30, 10, 20])).unwrap();
    let found = |as_of: &str| -> Vec<Option<i64>> {
        let step = format!("- join: {{with: rates, on: k, columns: [rate], as_of: {{column: day{as_of}}}}}");
        let done = run_given(&left, &step, &given_with("rates", &rates));
        done.rows.column("rate").unwrap().i64().unwrap().iter().collect()
    };
    assert_eq!(found(""), [Some(2), Some(3), Some(1), None]);
    assert_eq!(found(", exact: false"), [None, Some(2), Some(1), None]);
    assert_eq!(found(", direction: forward"), [Some(2), Some(3), None, None]);
    assert_eq!(found(", direction: nearest, exact: false"), [Some(3), Some(2), Some(1), None]);
    assert_eq!(found(", exact: false, within: 5d"), [None, None, Some(1), None]);
    let step = "- join: {with: rates, on: k, as_of: {column: day, within: 36h}}";
    assert_eq!(
        failure_given(&left, step, &given_with("rates", &rates)),
        "step 1 'join': within: 36h is not a whole number of days; dates are a day apart: write days, such as 7d"
    );
}

/// What cells mean, before they are written in some type.
type Cells = Vec<Option<i64>>;

/// The same small whole numbers in many types, of which each pair can be compared.
fn column(name: &str, cells: &[Option<i64>], kind: usize) -> Column {
    let whole = Column::new(name.into(), cells);
    let to = |dtype: DataType| whole.cast(&dtype).unwrap();
    match kind {
        0 => to(DataType::Int8),
        1 => whole,
        2 => to(DataType::UInt64),
        3 => to(DataType::UInt16),
        _ => unreachable!(),
    }
}

fn other_kinds(name: &str, cells: &[Option<i64>], family: usize, kind: usize) -> Column {
    let whole = Column::new(name.into(), cells);
    let second = 1_000_000i64;
    match (family, kind % 2) {
        (0, _) => column(name, cells, kind % 4),
        (1, _) => {
            let texts: Vec<Option<String>> = cells.iter().map(|cell| cell.map(|cell| format!("t{cell}"))).collect();
            Column::new(name.into(), texts)
        }
        // A third of the cells without a value are NaN.
        (2, width) => {
            let floats = cells.iter().enumerate().map(|(at, cell)| match cell {
                Some(0) if at % 2 == 0 => Some(-0.0),
                Some(cell) => Some(*cell as f64),
                None => (at % 3 == 0).then_some(f64::NAN),
            });
            let floats = Column::new(name.into(), floats.collect::<Vec<_>>());
            if width == 0 { floats } else { floats.cast(&DataType::Float32).unwrap() }
        }
        (3, unit) => {
            let (unit, factor) =
                if unit == 0 { (TimeUnit::Milliseconds, 1000) } else { (TimeUnit::Microseconds, second) };
            let ticks: Cells = cells.iter().map(|cell| cell.map(|cell| cell * factor)).collect();
            Column::new(name.into(), ticks).cast(&DataType::Datetime(unit, None)).unwrap()
        }
        (4, scale) => whole.cast(&DataType::Decimal(20, 2 + scale)).unwrap(),
        _ => whole.cast(&DataType::Int32).unwrap().cast(&DataType::Date).unwrap(),
    }
}

fn cells(low: i64) -> impl Strategy<Value = Cells> {
    proptest::collection::vec(proptest::option::weighted(0.85, low..5), 0..14)
}

/// A row of the left table and one of the other.
type Pair = (Option<usize>, Option<usize>);

/// Pairs of rows as a join by loops makes them; rows of the other table alone last.
fn by_loops(left: usize, right: usize, how: &str, belongs: &dyn Fn(usize) -> Vec<usize>) -> (Vec<Pair>, bool) {
    let mut used = vec![false; right];
    let (mut pairs, mut several) = (Vec::new(), false);
    for row in 0..left {
        let found = belongs(row);
        several |= found.len() > 1;
        found.iter().for_each(|other| used[*other] = true);
        match (how, found.is_empty()) {
            ("semi", false) | ("anti", true) => pairs.push((Some(row), None)),
            ("semi" | "inner", true) | ("anti", false) => {}
            (_, true) => pairs.push((Some(row), None)),
            (_, false) => pairs.extend(found.into_iter().map(|other| (Some(row), Some(other)))),
        }
    }
    if how == "full" {
        pairs.extend((0..right).filter(|row| !used[*row]).map(|row| (None, Some(row))));
    }
    (pairs, several)
}

fn numbered(column: Column, name: &str) -> DataFrame {
    let rows: Vec<i64> = (0..column.len() as i64).collect();
    DataFrame::new(rows.len(), vec![column, Column::new(name.into(), rows)]).unwrap()
}

fn pairs_of(done: &Done) -> Vec<(Option<usize>, Option<usize>)> {
    let of = |name: &str| -> Vec<Option<usize>> {
        match done.rows.column(name) {
            Ok(column) => column.i64().unwrap().iter().map(|row| row.map(|row| row as usize)).collect(),
            Err(_) => vec![None; done.rows.height()],
        }
    };
    of("l").into_iter().zip(of("r")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn equal_keys_are_found_as_by_loops(
        left in cells(0), right in cells(0), family in 0usize..6, kinds in (0usize..4, 0usize..4),
        how in proptest::sample::select(vec!["left", "inner", "full", "semi", "anti"]),
        many in any::<bool>(),
    ) {
        let one = numbered(other_kinds("k", &left, family, kinds.0), "l");
        let other = numbered(other_kinds("k", &right, family, kinds.1), "r");
        let (expected, several) = by_loops(left.len(), right.len(), how, &|row| {
            (0..right.len()).filter(|other| left[row].is_some() && left[row] == right[*other]).collect()
        });
        let brings = !matches!(how, "semi" | "anti");
        let expect = if many && brings { ", expect: many" } else { "" };
        let step = format!("- join: {{with: other, on: k, how: {how}{expect}}}");
        let done = try_run(&one, &step, &given_with("other", &other));
        if several && brings && !many {
            prop_assert!(done.unwrap_err().to_string().contains("would multiply the rows"));
        } else {
            prop_assert_eq!(pairs_of(&done.unwrap()), expected, "{}", step);
        }
    }

    #[test]
    fn the_nearest_row_is_found_as_by_loops(
        left in cells(-5), right in cells(-5), family in 2usize..6, kinds in (0usize..4, 0usize..4),
        direction in proptest::sample::select(vec!["backward", "forward", "nearest"]),
        exact in any::<bool>(), within in proptest::option::of(0i64..4),
    ) {
        let family = if family == 2 && (direction == "nearest" || within.is_some()) { 4 } else { family };
        let one = numbered(other_kinds("k", &left, family, kinds.0), "l");
        let other = numbered(other_kinds("k", &right, family, kinds.1), "r");
        let (expected, _) = by_loops(left.len(), right.len(), "left", &|row| {
            let Some(here) = left[row] else { return Vec::new() };
            let fits = |there: i64| {
                (exact || there != here)
                    && within.is_none_or(|within| (there - here).abs() <= within)
                    && match direction { "backward" => there <= here, "forward" => there >= here, _ => true }
            };
            let all = right.iter().flatten().copied().filter(|there| fits(*there));
            // Of two as near as each other the earlier.
            let best = all.min_by_key(|there| ((there - here).abs(), *there));
            (0..right.len()).filter(|other| best.is_some() && right[*other] == best).collect()
        });
        let within = within.filter(|_| true).map(|within| match family {
            3 if within == 0 => ", within: 1ms".to_owned(),
            3 => format!(", within: {within}s"),
            5 if within == 0 => String::new(),
            5 => format!(", within: {within}d"),
            _ => format!(", within: {within}"),
        });
        prop_assume!(!(family == 5 && within.as_deref() == Some("")));
        let within = within.unwrap_or_default();
        let step = format!(
            "- join: {{with: other, expect: many, columns: [r], as_of: {{column: k, direction: {direction}, exact: {exact}{within}}}}}"
        );
        let done = try_run(&one, &step, &given_with("other", &other)).unwrap();
        prop_assert_eq!(pairs_of(&done), expected, "{}\n{:?}\n{:?}", step, left, right);
    }

    #[test]
    fn intervals_are_found_as_by_loops(
        left in cells(-5), intervals in proptest::collection::vec((proptest::option::weighted(0.85, -5i64..5), proptest::option::weighted(0.85, -5i64..6)), 0..12),
        family in proptest::sample::select(vec![0usize, 2, 3, 4, 5]), kinds in (0usize..2, 0usize..2), to_included in any::<bool>(),
    ) {
        // Bytes without a sign hold no negative numbers.
        let one = numbered(other_kinds("k", &left, family, kinds.0), "l");
        let (from, to): (Cells, Cells) = intervals.iter().copied().unzip();
        let mut other = numbered(other_kinds("from", &from, family, kinds.1), "r");
        other.with_column(other_kinds("to", &to, family, kinds.1)).unwrap();
        let (expected, _) = by_loops(left.len(), intervals.len(), "left", &|row| {
            let Some(here) = left[row] else { return Vec::new() };
            let holds = |(from, to): &(Option<i64>, Option<i64>)| {
                from.is_none_or(|from| from <= here) && to.is_none_or(|to| here < to || (to_included && here == to))
            };
            (0..intervals.len()).filter(|other| holds(&intervals[*other])).collect()
        });
        let step = format!(
            "- join: {{with: other, expect: many, columns: [r], between: {{column: k, from: from, to: to, to_included: {to_included}}}}}"
        );
        let done = try_run(&one, &step, &given_with("other", &other)).unwrap();
        prop_assert_eq!(pairs_of(&done), expected, "{}", step);
    }
}

#[test]
fn a_full_join_refuses_keys_that_its_column_cannot_hold() {
    let decimal = |texts: &[&str], scale| Column::new("key".into(), texts).cast(&DataType::Decimal(12, scale)).unwrap();
    let here = DataFrame::new(2, vec![decimal(&["1.00", "2.00"], 2)]).unwrap();
    let there = |texts: &[&str]| given_with("prices", &DataFrame::new(texts.len(), vec![decimal(texts, 4)]).unwrap());
    let step = "- join: {with: prices, on: [key], how: full}";
    let error = failure_given(&here, step, &there(&["2.0000", "2.5678"]));
    assert!(error.contains("key 2.5678 of 'prices' does not fit into column 'key', which is decimal[12,2]"), "{error}");
    let done = run_given(&here, step, &there(&["2.0000", "2.5600"]));
    let expected = DataFrame::new(3, vec![decimal(&["1.00", "2.00", "2.56"], 2)]).unwrap();
    assert!(done.rows.select(["key"]).unwrap().equals(&expected), "{}", done.rows);
}
