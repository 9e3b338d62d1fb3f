//! A column that changed more than once, as computed by hand.

use super::*;
use crate::cutoffs::tests::late::{built_and_proved, open};

type Tables = Vec<(&'static str, DataFrame)>;

/// Two orders of one customer, whose status changed twice, and once.
fn orders() -> Tables {
    let log = log(
        Series::new("".into(), ["a", "a", "a"]),
        &["2024-01-10", "2024-01-20", "2024-03-20"],
        vec![
            Column::new("order".into(), [1i64, 2, 3]),
            Column::new("amount".into(), [10.0, 20.0, 40.0]),
            Column::new("status".into(), ["returned", "paid", "paid"]),
        ],
    );
    let changes = DataFrame::new(
        4,
        vec![
            Column::new("order".into(), [1i64, 1, 2, 3]),
            Column::new("status".into(), ["paid", "returned", "paid", "paid"]),
            days("at", &[Some("2024-01-12"), Some("2024-02-20"), Some("2024-02-01"), Some("2024-04-30")]),
        ],
    );
    vec![("log", log), ("changes", changes.unwrap())]
}

const HEAD: &str = "table: log\nentity: who\ntime: day\n\
                    known_late: {status: {of: changes, on: order, time: at}}\n\
                    cutoffs: {at: [2024-02-01, 2024-02-20, 2024-03-01], newest: 2024-04-15}\n\
                    label: {name: n, horizon: 20d, is: count, where: status = 'paid'}\n";

fn spec() -> CutoffSpec {
    read(
        &format!(
            "{HEAD}features:\n  n: count\n  paid: {{count: {{where: status = 'paid'}}}}\n  \
         back: {{sum: {{of: amount, where: status = 'returned'}}}}\n  open: {{count: {{where: status IS NULL}}}}\n  \
         last: {{last: {{of: status}}}}\n  kinds: {{distinct: {{of: status}}}}\n"
        )
        .replace("  n: count\n", "  all: count\n"),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_column_that_changed_is_what_it_was() {
    let drawn = built_and_proved(&spec(), &orders());
    assert_eq!(
        lines(&drawn.training),
        [
            // The second order was paid on the very day, which is not before it. The third lies beyond the horizon.
            "a 2024-02-01 2 1 0 1 paid 1 0 2024-02-21",
            // The first came back on the very day.
            "a 2024-02-20 2 2 0 0 paid 1 0 2024-03-11",
            "a 2024-03-01 2 1 10 0 paid 2 1 2024-05-01",
        ]
    );
    // The third is not paid yet; the newest that has a status is the second.
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-15 3 1 10 1 paid 2"]);
}

#[test]
fn the_status_of_today_is_found_in_a_feature() {
    let (spec, tables) = (spec(), orders());
    let drawn = built_and_proved(&spec, &tables);
    // As if the status of today had been used.
    let mut training = drawn.training.clone();
    training.with_column(Column::new("back".into(), [10.0, 10.0, 10.0])).unwrap();
    let (training, scoring) = (training.lazy(), drawn.scoring.lazy());
    let error = crate::cutoffs::proof::prove(&spec, &open(&tables), training, scoring, (9, 1), today()).unwrap_err();
    assert!(error.to_string().starts_with("who \"a\", cutoff 2024-02-01, 'back': published is 10, but"), "{error}");
}

#[test]
fn changes_that_say_nothing_are_refused() {
    let error = |from: &str, to: &str, tables: Tables| {
        let text = format!("{HEAD}features: {{paid: {{count: {{where: status = 'paid'}}}}}}\n").replace(from, to);
        let built = read(&text).and_then(|spec| crate::cutoffs::table::build(&spec, &open(&tables), today()));
        built.err().unwrap().to_string()
    };
    assert_eq!(
        error("time: at", "time: att", orders()),
        "table 'log': 'known_late': 'status': table 'changes': 'time': unknown column 'att'; did you mean 'at'?"
    );
    assert_eq!(
        error("time: at", "time: at, take: order", orders()),
        "table 'log': 'known_late': 'status' is string, but 'order' of table 'changes' is int64; cast one of them in clean.yaml"
    );
    assert_eq!(
        error("on: order", "on: who, theirs: order", orders()),
        "table 'log': 'known_late': 'status': 'who' is string, but 'order' of table 'changes' is int64; cast one of them in \
         clean.yaml"
    );
    let mut twice = orders();
    let other = twice[1].1.slice(0, 1);
    twice[1].1.vstack_mut(&other).unwrap();
    assert_eq!(
        error("on: order", "on: order", twice),
        "'known_late': 'status': table 'changes' holds order 1, at 2024-01-12 twice (rows 1 and 5), so 'status' is ambiguous; \
         dedupe 'changes' in clean.yaml, or name the columns that make it one row"
    );
    assert!(error("of: changes", "off: changes", orders()).contains("unknown field `off`"));
    // What clean made of it has no history of its own.
    let made = artifact::Definition {
        reads: vec!["status".to_owned()],
        ..artifact::Definition::new("amount", "derive", "derive", [])
    };
    let made = artifact::Definitions { columns: vec![made], ..Default::default() };
    let spec = read(&format!("{HEAD}features: {{s: {{sum: {{of: amount}}}}}}\n")).unwrap();
    let FeaturesSpec::Cutoffs(spec) = FeaturesSpec::Cutoffs(Box::new(spec)).inheriting(&made) else { panic!() };
    assert_eq!(
        crate::cutoffs::table::build(&spec, &open(&orders()), today()).err().unwrap().to_string(),
        "feature 's' reads 'amount', which clean computes from 'status': the changes of 'status' are known, but not those of 'amount'; read 'status' and \
         compute the rest in SQL here"
    );
}
