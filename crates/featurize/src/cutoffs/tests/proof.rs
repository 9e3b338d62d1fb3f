//! A proof must find what was planted.

use super::*;

fn table() -> DataFrame {
    let n = 200i64;
    let on: Vec<String> = (0..n)
        .map(|i| {
            let day = chrono::NaiveDate::from_ymd_opt(2023, 1, 1).unwrap() + chrono::Days::new((i * 37 % 360) as u64);
            day.to_string()
        })
        .collect();
    let on: Vec<&str> = on.iter().map(String::as_str).collect();
    log(
        Series::new("".into(), (0..n).map(|i| i % 9).collect::<Vec<_>>()),
        &on,
        vec![
            Column::new("amount".into(), (0..n).map(|i| (i * 7 % 31) as f64 / 3.0).collect::<Vec<_>>()),
            Column::new("kind".into(), (0..n).map(|i| format!("k{}", i * i % 7)).collect::<Vec<_>>()),
        ],
    )
}

fn spec() -> CutoffSpec {
    spec_of(
        "{every: 1mo, count: 4}",
        "{name: later, horizon: 60d, is: {sum: {of: amount}}}",
        &[
            "recency: recency",
            "spend: {sum: {of: amount, window: 3mo}}",
            "kind: {last: {of: kind, where: amount > 1}}",
            "spread: {std: {of: amount}}",
            "ratio: {sql: spend / recency}",
        ],
    )
}

fn proved(training: DataFrame, scoring: DataFrame) -> spec::Result<Proof> {
    prove(&spec(), table().lazy(), training.lazy(), scoring.lazy(), 1_000, 7)
}

#[test]
fn a_difference_is_told_as_what_it_is() {
    use crate::cutoffs::proof::Fault;
    use crate::reference::Value;
    let says = |fault: Fault| fault.error("who 4, 'spend'", &Value::Number(1.5), &Value::Null).to_string();
    assert_eq!(
        says(Fault::Changed),
        "who 4, 'spend': published is 1.5, but computed again it is null; the clean tables or features.yaml changed \
         since: run features again"
    );
    assert_eq!(
        says(Fault::Wrong),
        "who 4, 'spend': published is 1.5, but by its definition, what was known before gives null; the clean tables did \
         not change since, so features computed it wrongly: please report this with features.yaml"
    );
    assert_eq!(
        says(Fault::LooksAhead),
        "who 4, 'spend': published is 1.5, but with another future it becomes null; the feature looks at what was not \
         known yet: please report this with features.yaml"
    );
}

#[test]
fn honest_tables_are_proved() {
    let Drawn { training, scoring } = built(&spec(), &table());
    let (t, s) = (training.height(), scoring.height());
    let proof = proved(training, scoring).unwrap();
    assert_eq!(proof, Proof { pairs: t + s, values: t * 6 + s * 5, perturbed: (t + s) * 5 });
    assert_eq!((t, s), (36, 9));
}

#[test]
fn a_value_that_knows_the_future_is_found_in_every_column() {
    let Drawn { training, scoring } = built(&spec(), &table());
    for column in ["recency", "spend", "kind", "spread", "ratio", "later"] {
        let value = if column == "kind" { lit("k-later") } else { col(column) + lit(1) };
        let planted = when(col("who").eq(lit(4)).and(col("cutoff").eq(col("cutoff").max()))).then(value);
        let leaky = training.clone().lazy().with_columns([planted.otherwise(col(column)).alias(column)]);
        let error = proved(leaky.collect().unwrap(), scoring.clone()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("who 4, cutoff 2023-10-"), "{text}");
        assert!(
            text.contains(&format!("'{column}': published is ")) && text.contains("but computed again it is"),
            "{text}"
        );
        assert_eq!(error.class(), spec::Class::Refused);
    }
}

#[test]
fn a_label_or_feature_computed_from_all_rows_is_found() {
    let Drawn { training, scoring } = built(&spec(), &table());
    // The whole log's spend of each entity, as a group_by without a cutoff would give it.
    let all = table().lazy().group_by([col("who")]).agg([col("amount").sum().alias("spend")]);
    let on = [col("who")];
    let leaky = training.lazy().drop(cols(["spend"])).join(all, on.clone(), on, JoinArgs::new(JoinType::Left));
    let error = proved(leaky.collect().unwrap(), scoring).unwrap_err().to_string();
    assert!(error.contains("'spend': published is "), "{error}");
}

#[test]
fn an_entity_that_is_missing_or_there_twice_is_found() {
    let Drawn { training, scoring } = built(&spec(), &table());
    let way_out =
        "; the clean tables or features.yaml changed since, or another program wrote the table: run features again";
    let without = training.slice(1, training.height() - 1);
    let (who, day) =
        (training.column("who").unwrap().get(0).unwrap(), training.column("cutoff").unwrap().get(0).unwrap());
    assert_eq!(
        proved(without, scoring.clone()).unwrap_err().to_string(),
        format!("who {who}, cutoff {day}: it is missing from the published table{way_out}")
    );
    let twice = training.vstack(&training.slice(0, 1)).unwrap();
    assert_eq!(
        proved(twice, scoring).unwrap_err().to_string(),
        format!("who {who}, cutoff {day}: it was published more than once{way_out}")
    );
}

#[test]
fn equal_seeds_choose_equal_rows_and_others_others() {
    let Drawn { training, scoring } = built(&spec(), &table());
    let leaky = training.clone().lazy().with_columns([col("spend") + lit(1)]).collect().unwrap();
    let first = |seed| {
        let (training, scoring) = (leaky.clone().lazy(), scoring.clone().lazy());
        prove(&spec(), table().lazy(), training, scoring, 2, seed).unwrap_err().to_string()
    };
    assert_eq!(first(1), first(1));
    assert!((2..12).any(|seed| first(seed) != first(1)));
}

#[test]
fn tables_of_another_spec_cannot_be_proved() {
    let Drawn { training, scoring } = built(&spec(), &table());
    let error = proved(training.drop("spread").unwrap(), scoring).unwrap_err().to_string();
    assert!(error.contains("does not have the columns of the spec"), "{error}");
}
