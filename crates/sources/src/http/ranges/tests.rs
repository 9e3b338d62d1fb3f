use std::path::Path;

use spec::Environment;

use super::*;

fn spec(keys: &str) -> Result<HttpSpec> {
    let text = format!("url: https://api.example.org/trades\n{keys}");
    spec::parse(&text, Path::new("ingest.yaml"), &Environment::default()).map(|loaded| loaded.spec)
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 3, 17).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// What is requested, and the bookmark.
fn asked(keys: &str, reach: &Reach) -> Result<(Vec<String>, Option<Value>)> {
    let (all, bookmark) = combinations(&spec(keys)?, reach, today())?;
    Ok((all.iter().map(Combination::to_string).collect(), bookmark))
}

const MONTHS: &str = "for: {M: {months: {from: 2023-12, format: '%Y%m'}}}\nincremental: M\n";

#[test]
fn every_combination_the_last_parameter_fastest() {
    let (all, bookmark) =
        asked("for: {A: [x, 7], M: {months: {from: 2024-01, to: 2024-02}}, D: [d]}", &Reach::All).unwrap();
    assert_eq!(all, ["?A=x&M=2024-01&D=d", "?A=x&M=2024-02&D=d", "?A=7&M=2024-01&D=d", "?A=7&M=2024-02&D=d"]);
    assert_eq!(bookmark, None);
    assert_eq!(asked("", &Reach::All).unwrap().0, [""], "without parameters there is one request");
    let (days, _) =
        asked("for: {D: {days: {from: 2024-02-28, to: 2024-03-01, format: '%d.%m.%y'}}}", &Reach::All).unwrap();
    assert_eq!(days, ["?D=28.02.24", "?D=29.02.24", "?D=01.03.24"]);
}

#[test]
fn a_period_may_be_requested_by_its_first_and_its_last_day() {
    let ends = |keys: &str, reach: &Reach| asked(keys, reach).unwrap().0;
    let months = "for: {A: [x], from: {months: {from: 2023-12, to: 2024-02, last_day: until}}}\nincremental: from\n";
    let february = "?A=x&from=2024-02-01&until=2024-02-29";
    assert_eq!(
        ends(months, &Reach::All),
        ["?A=x&from=2023-12-01&until=2023-12-31", "?A=x&from=2024-01-01&until=2024-01-31", february]
    );
    assert_eq!(ends(months, &Reach::After(Value::from("2024-02"))), [february]);
    let days = "for: {d: {days: {from: 2024-02-29, to: 2024-02-29, format: '%d/%m/%Y', last_day: e}}}";
    assert_eq!(ends(days, &Reach::All), ["?d=29/02/2024&e=29/02/2024"]);
    for (keys, told) in [
        ("query: {e: 1}\nfor: {d: {days: {from: 2024-01-01, last_day: e}}}", "'e' is set under both 'query' and 'for'"),
        ("for: {d: {days: {from: 2024-01-01, last_day: d}}}", "'d' is set twice under 'for'"),
        ("for: {e: [1], d: {days: {from: 2024-01-01, last_day: e}}}", "'e' is set twice under 'for'"),
        ("pages: {number: {query: e}}\nfor: {d: {days: {from: 2024-01-01, last_day: e}}}", "'e' is set by 'pages'"),
    ] {
        let error = asked(keys, &Reach::All).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_range_begins_at_the_bookmark_less_the_overlap() {
    let after = |bookmark: &str| Reach::After(Value::from(bookmark));
    let (all, bookmark) = asked(MONTHS, &Reach::All).unwrap();
    assert_eq!(all, ["?M=202312", "?M=202401", "?M=202402", "?M=202403"]);
    assert_eq!(bookmark, Some(json!({"of": "M", "period": "2024-03", "for": {}})));
    assert_eq!(asked(MONTHS, &Reach::After(bookmark.unwrap())).unwrap().0, ["?M=202403"]);
    assert_eq!(asked(MONTHS, &after("2024-02")).unwrap().0, ["?M=202402", "?M=202403"]);
    let overlap = format!("{MONTHS}overlap: 2mo\n");
    assert_eq!(asked(&overlap, &after("2024-03")).unwrap().0, ["?M=202401", "?M=202402", "?M=202403"]);
    assert_eq!(asked(&overlap, &after("2023-12")).unwrap().0.len(), 4, "never before the range begins");
    assert_eq!(asked(MONTHS, &after("2025-01")).unwrap().0, ["?M=202403"], "nor after it ends");
    assert_eq!(
        asked(MONTHS, &after("17")).unwrap_err().to_string(),
        "the bookmark of the last run is \"17\", which is not a period of 'M'; 'for' or 'incremental' changed since; read \
         everything once more with 'ingest --full'"
    );
}

#[test]
fn a_value_that_no_run_asked_for_is_read_from_the_beginning() {
    let keys = |list: &str| format!("for: {{A: {list}, M: {{months: {{from: 2024-01}}}}, B: [b]}}\nincremental: M\n");
    let (all, bookmark) = asked(&keys("[x]"), &Reach::All).unwrap();
    assert_eq!(all.len(), 3);
    let bookmark = bookmark.unwrap();
    assert_eq!(bookmark, json!({"of": "M", "period": "2024-03", "for": {"A": ["x"], "B": ["b"]}}));
    let after = |list: &str, bookmark: &Value| asked(&keys(list), &Reach::After(bookmark.clone())).unwrap();
    assert_eq!(after("[x]", &bookmark).0, ["?A=x&M=2024-03&B=b"]);
    let (all, later) = after("[x, y]", &bookmark);
    assert_eq!(all, ["?A=x&M=2024-03&B=b", "?A=y&M=2024-01&B=b", "?A=y&M=2024-02&B=b", "?A=y&M=2024-03&B=b"]);
    assert_eq!(after("[x, y]", &later.unwrap()).0, ["?A=x&M=2024-03&B=b", "?A=y&M=2024-03&B=b"]);
    // Earlier versions did not say for which values they had asked.
    assert_eq!(after("[x, y]", &json!("2024-03")).0, ["?A=x&M=2024-03&B=b", "?A=y&M=2024-03&B=b"]);
    let renamed = keys("[x]").replace("M", "N");
    let error = asked(&renamed, &Reach::After(bookmark)).unwrap_err().to_string();
    assert!(error.contains("which is not a period of 'N'; 'for' or 'incremental' changed since"), "{error}");
}

#[test]
fn a_backfill_reads_the_periods_that_touch_its_days_and_sets_no_bookmark() {
    let days = |from: &str, to: &str| Reach::Days(day(from), day(to));
    let (all, bookmark) = asked(MONTHS, &days("2023-11-05", "2024-01-02")).unwrap();
    assert_eq!((all, bookmark), (vec!["?M=202312".to_owned(), "?M=202401".to_owned()], None));
    assert_eq!(
        asked(MONTHS, &days("2020-01-01", "2020-02-01")).unwrap_err().to_string(),
        "'M' goes from 2023-12 to 2024-03, and 2020-01-01 to 2020-02-01 lies outside; name days within the range, or \
         widen it in ingest.yaml"
    );
}

#[test]
fn what_cannot_be_meant_is_refused_in_its_place() {
    let failure = |keys: &str| spec(keys).map(drop).unwrap_err().to_string();
    assert_eq!(
        failure("for: {M: {month: {from: 2024-01}}}"),
        "ingest.yaml:2:10: for.M: unknown key 'month'; did you mean 'months'?"
    );
    for (keys, words) in [
        ("for: {M: {months: {from: 2024-01-01}}}", "'2024-01-01' is not written like 2024-01"),
        (
            "for: {M: {months: {from: 2024-02, to: 2024-01}}}",
            "the range ends at 2024-01-01 before it begins at 2024-02-01",
        ),
        ("for: {M: {months: {from: 2024-02, format: '%H'}}}", "\"%H\" does not write a day"),
        ("for: {M: []}", "the list is empty"),
        ("for: {M: [a]}\nincremental: M", "'incremental' names 'M', which is a list"),
        ("for: {Mon: {months: {from: 2024-01}}}\nincremental: Mom", "did you mean 'Mon'?"),
        ("for: {M: {months: {from: 2024-01}}}\nincremental: M\noverlap: 5d", "write 2mo or 1y"),
        ("overlap: 5d", "'overlap' is for a source with 'incremental'"),
        ("for: {M: [a]}\nquery: {M: 1}", "the parameter 'M' is set under both 'query' and 'for'"),
        ("query: {p: 1}\npages: {number: {query: p}}", "the parameter 'p' is set by 'pages'"),
        ("retries: 4", "'retries' is 4; it ranges from 0 to 3"),
        ("rate: fast", "'fast' is not a rate; write 10/s, 100/min or 1000/h"),
        ("pages: {offst: {query: p}}", "did you mean 'offset'?"),
        ("headers: {'a b': x}", "'a b' is not a valid header name"),
        ("item: a", "did you mean 'items'?"),
    ] {
        let failure = failure(keys);
        assert!(failure.starts_with("ingest.yaml:") && failure.contains(words), "{keys}: {failure}");
    }
    let many = "for: {A: {days: {from: 1990-01-01}}, B: {days: {from: 1990-01-01}}}";
    assert_eq!(
        asked(many, &Reach::All).unwrap_err().to_string(),
        "'for' makes more than 100000 combinations; shorten a list or a range, or split the table"
    );
}

#[test]
fn an_address_with_a_secret_is_refused_and_not_repeated() {
    let failure = |url: &str| {
        let text = format!("url: {url}");
        let read = spec::parse::<HttpSpec>(&text, Path::new("ingest.yaml"), &Environment::default());
        read.map(drop).unwrap_err().to_string()
    };
    for url in ["https://u:hunter2@h/x", "https://h/x?key=hunter2", "ftp://h/hunter2"] {
        let failure = failure(url);
        assert!(!failure.contains("hunter2"), "{failure}");
    }
    assert!(failure("demo:apartments/trade").contains("did you mean '/trades'?"));
}
