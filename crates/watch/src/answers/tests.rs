use polars::df;

use super::*;

fn keys(time: Option<&str>) -> Keys {
    Keys {
        entity: "id".to_owned(),
        time: time.map(str::to_owned),
        label: "y".to_owned(),
        weight: None,
        carried: Vec::new(),
    }
}

/// Rows of the log: a row that was given, with its time and without; a key; a refusal; one that is too old.
fn log() -> DataFrame {
    let mut rows = df!(
        "status" => [200i64, 200, 200, 422, 200],
        "entity" => [Some("7"), Some("8"), Some("x"), None, Some("9")],
        "version" => [Some("v2"), Some("v1"), Some("v2"), Some("v2"), Some("v2")],
        "score" => [Some(0.25), Some(0.5), Some(0.75), None, Some(1.0)],
        "probabilities" => [Some(r#"{"probability_a": 0.1}"#), None, None, None, None],
        "inputs" => [Some(r#"{"id": 7, "day": "2024-02-29"}"#), Some(r#"{"id": 8, "day": null}"#), None, None, None],
    )
    .unwrap();
    let time = Series::new("time".into(), [1_000_000i64, 2_000_000, 3_000_000, 4_000_000, 10]);
    rows.with_column(time.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().into_column()).unwrap();
    rows
}

fn lines(table: &DataFrame) -> Vec<String> {
    let line = |row: usize| {
        table.columns().iter().map(|column| column.get(row).unwrap().to_string()).collect::<Vec<_>>().join(" ")
    };
    (0..table.height()).map(line).collect()
}

#[test]
fn an_answer_has_the_time_of_its_row_only_if_the_row_was_given() {
    let scores = ["score".to_owned(), "probability_a".to_owned()];
    let read = of_rows(&log(), "the log", &keys(Some("day")), &scores, 100).unwrap();
    assert_eq!(
        lines(&read),
        [
            "\"7\" 2024-02-29 00:00:00 \"v2\" 1970-01-01 00:00:01 0.25 0.1 true",
            "\"8\" 1970-01-01 00:00:02 \"v1\" 1970-01-01 00:00:02 0.5 null false",
            "\"x\" 1970-01-01 00:00:03 \"v2\" 1970-01-01 00:00:03 0.75 null false",
        ]
    );
    assert_eq!(unknown_rows(&read), 2);
    // Without a time a row is known by its key.
    let read = of_rows(&log(), "the log", &keys(None), &scores[..1], 100).unwrap();
    assert_eq!(lines(&read)[2], "\"x\" \"v2\" 1970-01-01 00:00:03 0.75 true");
    assert_eq!(unknown_rows(&read), 0);
}

#[test]
fn keys_get_the_types_of_the_table_that_they_are_joined_with() {
    let answers = || of_rows(&log(), "the log", &keys(Some("day")), &["score".to_owned()], 100).unwrap();
    let mut labels = df!("id" => [7i32], "y" => [1i64]).unwrap();
    let day = Series::new("day".into(), [19_782i32]).cast(&DataType::Date).unwrap();
    labels.with_column(day.into_column()).unwrap();
    let joined = below(None, answers(), Some(&labels), &keys(Some("day"))).unwrap();
    // 'x' is no number, so it is the key of no row.
    assert_eq!(lines(&joined)[0], "7 2024-02-29 \"v2\" 1970-01-01 00:00:01 0.25 true");
    assert_eq!(joined.height(), 2);
    let predicted = joined.drop(ROW_IS_KNOWN).unwrap();
    let both = below(Some(predicted), answers(), Some(&labels), &keys(Some("day"))).unwrap();
    assert_eq!((both.height(), unknown_rows(&both)), (4, 1));
}

#[test]
fn times_are_read_as_clients_write_them() {
    let read = |day: &str| {
        let mut log = log();
        let inputs = format!("{{\"day\": \"{day}\"}}");
        log.with_column(Column::new("inputs".into(), vec![Some(inputs.as_str()); log.height()])).unwrap();
        let read = of_rows(&log, "the log", &keys(Some("day")), &["score".to_owned()], 100).unwrap();
        (read.column("day").unwrap().get(0).unwrap().to_string(), unknown_rows(&read))
    };
    for text in [
        "2024-02-29T12:30:00",
        "2024-02-29 12:30:00",
        "2024-02-29T12:30:00.000000Z",
        "2024-02-29T21:30+09:00",
        "2024-02-29T12:30",
    ] {
        assert_eq!(read(text), ("2024-02-29 12:30:00".to_owned(), 0), "{text}");
    }
    assert_eq!(read("1970-01-02"), ("1970-01-02 00:00:00".to_owned(), 0));
    assert_eq!(read("yesterday").1, 3);
}

#[test]
fn origins_are_named_once_and_the_log_only_if_it_is_read() {
    use Origin::{Predict, Requests};
    let fault = |from: &[Origin], named| Origin::fault(from, named).map(|error| error.to_string());
    assert_eq!(fault(&[Requests, Predict], true), None);
    assert_eq!(fault(&[Predict], false), None);
    assert!(fault(&[], false).unwrap().contains("names nothing"));
    assert!(fault(&[Predict, Predict], false).unwrap().contains("names one of them twice"));
    assert!(fault(&[Predict], true).unwrap().contains("names requests that are not read"));
}
