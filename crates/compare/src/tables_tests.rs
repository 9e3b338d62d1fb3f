use polars::prelude::*;

use super::*;

fn moments(unit: TimeUnit, ticks: &[i64]) -> Column {
    Column::new("time".into(), ticks).cast(&DataType::Datetime(unit, None)).unwrap()
}

fn requests() -> DataFrame {
    df!(
        "request_id" => [Some("r1"), None, Some("")],
        "key" => ["a", "b", ""],
        "arm" => [Some("old"), Some("new"), None],
        "version" => [Some("v1"), None, Some("v1")],
        "status" => [200u16, 503, 200],
        "latency_us" => [Some(1200u64), None, Some(7)],
        "prediction" => [1.0, 2.0, 3.0],
    )
    .unwrap()
    .with_column(moments(TimeUnit::Milliseconds, &[1, 2, 3]))
    .unwrap()
    .clone()
}

fn outcomes() -> DataFrame {
    df!(
        "request_id" => [None::<&str>, Some("r1")],
        "key" => [7i64, 8],
        "name" => ["sign", "amount"],
        "value" => [None, Some(3i32)],
        "text" => [None, Some("3")],
    )
    .unwrap()
    .with_column(moments(TimeUnit::Microseconds, &[10, 20]))
    .unwrap()
    .clone()
}

fn read(rows: DataFrame) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    read_requests(rows.lazy(), &mut |row| {
        let RequestRow { time, request_id, key, arm, version, status, latency_us } = row;
        lines.push(format!("{time} {request_id:?} {key:?} {arm:?} {version:?} {status} {latency_us:?}"));
    })?;
    Ok(lines)
}

#[test]
fn rows_are_what_the_server_wrote() {
    assert_eq!(
        read(requests()).unwrap(),
        [
            "1000 Some(\"r1\") Some(\"a\") Some(\"old\") Some(\"v1\") 200 Some(1200)",
            "2000 None Some(\"b\") Some(\"new\") None 503 None",
            "3000 None None None Some(\"v1\") 200 Some(7)",
        ]
    );
    let mut lines = Vec::new();
    read_outcomes(outcomes().lazy(), &mut |row| {
        let OutcomeRow { time, request_id, key, name, value, text } = row;
        lines.push(format!("{time} {request_id:?} {key:?} {name} {value} {text:?}"));
    })
    .unwrap();
    assert_eq!(lines, ["10 None Some(\"7\") sign 1 None", "20 Some(\"r1\") Some(\"8\") amount 3 None"]);
    let mut texts = Vec::new();
    let reported = outcomes().with_column(Column::new("text".into(), [Some("no"), Some("3")])).unwrap().clone();
    read_outcomes(reported.lazy(), &mut |row| texts.push(row.text.map(str::to_owned))).unwrap();
    assert_eq!(texts, [Some("no".to_owned()), None]);
    read_outcomes(outcomes().drop("text").unwrap().lazy(), &mut |row| assert_eq!(row.text, None)).unwrap();
}

#[test]
fn a_column_of_nothing_but_nulls_is_one_of_no_values() {
    let mut rows = requests();
    rows.with_column(Column::new_scalar("request_id".into(), Scalar::null(DataType::Null), 3)).unwrap();
    assert!(read(rows).unwrap()[0].starts_with("1000 None"));
}

#[test]
fn tables_of_other_shapes_are_refused() {
    let failure = |rows: DataFrame| read(rows).unwrap_err().to_string();
    assert_eq!(
        failure(requests().drop("latency_us").unwrap()),
        "table 'requests': no column 'latency_us'; choose one of: request_id, key, arm, version, status, prediction, time"
    );
    let with = |column: Column| requests().with_column(column).unwrap().clone();
    assert_eq!(
        failure(with(Column::new("time".into(), ["a", "b", "c"]))),
        "table 'requests': column 'time' is string, not datetime; name tables that `serve` has sealed"
    );
    assert_eq!(
        failure(with(Column::new("status".into(), [200.5, 1.0, 2.0]))),
        "table 'requests': column 'status' is float64, not a whole number; name tables that `serve` has sealed"
    );
    let empty = Column::new_scalar("status".into(), Scalar::null(DataType::Null), 3);
    assert_eq!(
        failure(with(empty)),
        "table 'requests': a request has no time or status; the server writes both; was the table changed?"
    );
}
