//! For any log, the kernel computes what the plain definitions say.

use proptest::prelude::*;

use super::*;

type Event = (Option<u8>, i32, Option<i8>, Option<u8>);

fn table(events: &[Event], texts: bool) -> DataFrame {
    let who: Vec<Option<String>> = events.iter().map(|event| event.0.map(|who| format!("e{who}"))).collect();
    let numbers: Vec<Option<i64>> = events.iter().map(|event| event.0.map(i64::from)).collect();
    let who = if texts { Series::new("who".into(), who) } else { Series::new("who".into(), numbers) };
    let day: Vec<i32> = events.iter().map(|event| 19_000 + event.1).collect();
    let day = Series::new("day".into(), day).cast(&DataType::Date).unwrap();
    let x: Vec<Option<f64>> = events.iter().map(|event| event.2.map(|x| f64::from(x) / 4.0)).collect();
    let kind: Vec<Option<String>> = events.iter().map(|event| event.3.map(|kind| format!("k{kind}"))).collect();
    let columns = vec![who.into(), day.into(), Column::new("x".into(), x), Column::new("kind".into(), kind)];
    DataFrame::new(events.len(), columns).unwrap()
}

fn every_kind() -> CutoffSpec {
    let mut features = Vec::new();
    for (suffix, rows) in [("", ""), ("_w", "window: 20d"), ("_m", "window: 1mo, where: x > 0")] {
        let join = if rows.is_empty() { "" } else { ", " };
        for kind in ["count", "recency", "tenure", "mean_gap"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{{rows}}}}}"));
        }
        for kind in ["sum", "mean", "min", "max", "std", "first", "last"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{of: x{join}{rows}}}}}"));
        }
        for kind in ["distinct", "first", "last", "most_frequent"] {
            features.push(format!("{kind}_kind{suffix}: {{{kind}: {{of: kind{join}{rows}}}}}"));
        }
    }
    features.push("share: {share: {where: x < 0, window: 20d}}".to_owned());
    features.push("ratio: {sql: sum_w / sum}".to_owned());
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    spec_of("{every: 15d, count: 3}", "{name: later, horizon: 25d, is: {sum: {of: x}}}", &features)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kernel_and_definitions_agree(
        events in prop::collection::vec(
            (prop::option::weighted(0.95, 0u8..6), 0i32..120, prop::option::weighted(0.9, any::<i8>()),
             prop::option::weighted(0.9, 0u8..5)),
            1..120,
        ),
        texts in any::<bool>(),
    ) {
        let (spec, table) = (every_kind(), table(&events, texts));
        match build(&spec, table.clone().lazy()) {
            // Logs too short for a cutoff are refused; that is another test's matter.
            Err(error) => prop_assert_eq!(error.class(), spec::Class::Refused),
            Ok(set) => {
                let drawn = drawn(set);
                let pairs = drawn.training.height() + drawn.scoring.height();
                let proof = prove(&spec, table.lazy(), drawn.training.lazy(), drawn.scoring.lazy(), 2 * pairs, 1);
                prop_assert_eq!(proof.map(|proof| proof.pairs).map_err(|error| error.to_string()), Ok(pairs));
            }
        }
    }
}
