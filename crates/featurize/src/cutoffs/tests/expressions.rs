//! Aggregates and labels of expressions over a row: what they are, and what is refused.

use super::*;

/// Two entities; `twice` and `big` are what the expressions of the tests give.
fn table() -> DataFrame {
    let amount = [Some(1.5), None, Some(3.0), Some(-2.0), Some(7.0), Some(0.5)];
    let kind = [Some("a"), Some("b"), None, Some("a"), Some("b"), Some("b")];
    let big: Vec<Option<&str>> =
        amount.iter().zip(kind).map(|(amount, kind)| kind.filter(|_| amount.is_some_and(|a| a > 1.0))).collect();
    log(
        Series::new("".into(), [1i64, 1, 1, 2, 2, 2]),
        &["2024-01-01", "2024-01-05", "2024-02-01", "2024-01-02", "2024-01-20", "2024-02-20"],
        vec![
            Column::new("amount".into(), amount),
            Column::new("kind".into(), kind),
            Column::new("twice".into(), amount.map(|amount| amount.map(|amount| amount * 2.0 + 1.0))),
            Column::new("big".into(), big),
        ],
    )
}

const CUTOFFS: &str = "{every: 10d, count: 4}";

#[test]
fn an_expression_is_the_column_that_clean_would_have_made() {
    let kinds = ["sum", "mean", "min", "max", "std", "median", "first", "last", "distinct", "most_frequent"];
    let numbers = |of: &str| kinds.map(|kind| format!("{kind}: {{{kind}: {{of: {of}, window: 40d}}}}"));
    let words = |of: &str| {
        ["first", "last", "distinct", "most_frequent"].map(|kind| format!("w_{kind}: {{{kind}: {{of: {of}}}}}"))
    };
    let drawn = |number: &str, word: &str| {
        let features: Vec<String> = numbers(number).into_iter().chain(words(word)).collect();
        let features: Vec<&str> = features.iter().map(String::as_str).collect();
        let label = format!("{{name: y, horizon: 20d, is: {{sum: {{of: {number}}}}}}}");
        let spec = spec_of(CUTOFFS, &label, &features);
        let drawn = drawn(build(&spec, table().lazy()).unwrap());
        let proof = prove(&spec, table().lazy(), drawn.training.clone().lazy(), drawn.scoring.clone().lazy(), 100, 1);
        assert!(proof.unwrap().pairs >= 4);
        drawn
    };
    let by_column = drawn("twice", "big");
    let by_expression = drawn("amount * 2 + 1", "CASE WHEN amount > 1 THEN kind END");
    assert!(by_column.training.height() >= 4);
    assert!(by_expression.training.equals_missing(&by_column.training), "{}", by_expression.training);
    assert!(by_expression.scoring.equals_missing(&by_column.scoring), "{}", by_expression.scoring);
}

#[test]
fn what_an_expression_cannot_be_is_named() {
    let refused = |of: &str, known: &str| {
        let text = format!(
            "table: log\nentity: who\ntime: day\n{known}cutoffs: {CUTOFFS}\nlabel: {{name: y, horizon: 20d, is: no_rows}}\nfeatures:\n  \
             f: {{sum: {{of: \"{of}\"}}}}\n"
        );
        build(&read(&text).unwrap(), table().lazy()).err().expect("an error").to_string()
    };
    let error = refused("amunt", "");
    assert!(error.contains("feature 'f': unknown column 'amunt'; did you mean 'amount'?"), "{error}");
    let error = refused("amunt * 2", "");
    assert!(error.contains("feature 'f': unknown column 'amunt'; did you mean 'amount'?"), "{error}");
    let error = refused("amount +", "");
    assert!(error.starts_with("feature 'f': 'amount +'"), "{error}");
    let error = refused("kind", "");
    assert!(error.contains("column 'kind' is string, which cannot be computed with"), "{error}");
    let error = refused("amount * 2", "known_late: {amount: 3d}\n");
    assert!(
        error.contains("feature 'f': 'amount * 2' reads 'amount', which is known late; compute with it in clean.yaml"),
        "{error}"
    );
}
