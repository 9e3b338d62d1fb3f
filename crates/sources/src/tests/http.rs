use std::time::Duration;

use serde_json::Value;
use spec::{Class, Error};

use super::*;
use crate::Opened;
use demo::apartments::{City, Fault, Server};
use testkit::http_server::{HttpAnswer, HttpServer};

/// About 90 sales a district and month, so that pages of 40 rows make three or four of them.
fn serving(faults: Vec<Fault>) -> Server {
    Server::with_faults(City::default(), faults).unwrap()
}

/// A table of sales; `keys` are added to its source, after those that every one has.
fn trades(server: &Server, keys: &str) -> String {
    format!(
        "source:\n  http:\n    url: {}\n    items: response.body.items.item\n    total: response.body.totalCount\n    \
         error: {{at: response.header.resultCode, ok: ['000'], message: response.header.resultMsg, try_again: ['05']}}\n    \
         pages: {{number: {{query: pageNo}}}}\n    {}\n",
        server.url("/trades"),
        keys.replace('\n', "\n    "),
    )
}

const QUERY: &str =
    "query: {serviceKey: demo, numOfRows: 40}\nfor: {LAWD_CD: ['99110', '99140'], DEAL_YMD: ['202301']}";

fn places(server: &Server, path: &str, keys: &str) -> String {
    format!("source: {{http: {{url: '{}', items: items, total: total, {keys}}}}}", server.url(path))
}

fn open(yaml: &str, reach: &Reach) -> spec::Result<Opened> {
    let project = Project::new();
    table(yaml)?.open("t", &project.root(), &Cloud::default(), project.0.path(), reach)
}

/// The error that reading ends with, and its text without the server's address.
fn fails(server: &Server, yaml: &str) -> (Error, String) {
    let error = Project::new().read(yaml).map(|read| read.rows_in).unwrap_err();
    let text = error.to_string().replace(&server.url(""), "http://h");
    assert!(!text.contains("demo"), "the key is shown: {text}");
    (error, text)
}

#[test]
fn pages_of_json_become_a_table() {
    let server = serving(Vec::new());
    let read = Project::new()
        .read(&places(&server, "/stations", "query: {limit: 25}, pages: {offset: {query: offset}}"))
        .unwrap();
    let mut types = read.types();
    types.sort();
    assert_eq!(
        types,
        ["_file string", "_row uint32", "id string", "lat float64", "line int64", "lon float64", "name string"]
    );
    assert_eq!(read.rows_in, 60);
    let first = |column: &str| read.rows.column(column).unwrap().str().unwrap().get(0).map(str::to_owned);
    assert_eq!((first("id").as_deref(), first("name").as_deref()), (Some("S001"), Some("하늘1역")));
    assert!(read.table()[59].ends_with("|60"), "rows are counted over the pages");
    assert_eq!(
        server.requests(),
        ["/stations?limit=25&offset=0", "/stations?limit=25&offset=25", "/stations?limit=25&offset=50"]
    );
    let file = read.rows.column("_file").unwrap().get(0).unwrap().to_string();
    assert_eq!(file.trim_matches('"'), server.url("/stations"), "the query is not shown");
}

#[test]
fn every_way_of_paging_reads_the_same() {
    let server = serving(Vec::new());
    let read = |keys: &str| Project::new().read(&places(&server, "/schools", keys)).unwrap().table();
    let whole = read("query: {limit: 1000}");
    assert_eq!(whole.len(), 96);
    assert_eq!(read("pages: {offset: {query: offset}}, query: {limit: 7}"), whole);
    assert_eq!(read("pages: link, query: {limit: 7}"), whole);
    assert_eq!(read("pages: {cursor: {query: cursor, at: next}}, query: {limit: 7}"), whole);
    let untold = format!(
        "source: {{http: {{url: '{}', items: items, pages: {{offset: {{query: offset}}}}}}}}",
        server.url("/schools")
    );
    assert_eq!(Project::new().read(&untold).unwrap().table(), whole, "without a total an empty page ends it");
}

#[test]
fn pages_of_xml_become_a_table_in_the_order_of_combinations() {
    let server = serving(Vec::new());
    let yaml = |keys: &str| {
        let keys = format!(
            "query: {{serviceKey: demo, numOfRows: 40}}\nfor: {{LAWD_CD: ['99110', '99140', '99170'], DEAL_YMD: {{months: {{from: 2023-01, to: 2023-04, format: '%Y%m'}}}}}}\n{keys}"
        );
        format!(
            "{}columns: {{aptSeq: string, dealAmount: string, excluUseAr: float64, dealMonth: int8, cdealDay: {{type: date, format: '%y.%m.%d'}}}}",
            trades(&server, &keys)
        )
    };
    let read = Project::new().read(&yaml("parallel: 1")).unwrap();
    let files = read.rows.column("_file").unwrap().unique_stable().unwrap();
    let files: Vec<String> = lines(&DataFrame::new(files.len(), vec![files]).unwrap());
    assert_eq!(files.len(), 12);
    assert_eq!(files[1], format!("{}?LAWD_CD=99110&DEAL_YMD=202302", server.url("/trades")));
    assert!(read.refusals().is_empty());
    let amounts = read.rows.column("dealAmount").unwrap().str().unwrap().clone();
    assert!(amounts.iter().flatten().all(|amount| amount.contains(',') && !amount.contains(' ')), "blanks are cut off");
    let many = Project::new().read(&yaml("parallel: 16")).unwrap();
    assert!(many.rows.equals_missing(&read.rows), "however many are in flight");
}

#[test]
fn passing_faults_are_outlived() {
    let once = |fault: Fault| {
        let server = serving(vec![fault]);
        let read = Project::new().read(&trades(&server, QUERY)).unwrap();
        (read.rows.drop("_file").unwrap(), server.requests().len())
    };
    let (rows, requests) = once(Fault::Status { status: 503, times: 0 });
    for fault in [
        Fault::Status { status: 503, times: 3 },
        Fault::Status { status: 408, times: 1 },
        Fault::RetryAfter { seconds: 0, times: 2 },
        Fault::CutBody { times: 2 },
        Fault::CutText { times: 2 },
        Fault::ServiceError { code: "05", message: "SERVICETIMEOUT_ERROR", times: 1 },
    ] {
        let (Fault::Status { times, .. }
        | Fault::RetryAfter { times, .. }
        | Fault::CutBody { times }
        | Fault::CutText { times }
        | Fault::ServiceError { times, .. }) = fault
        else {
            unreachable!()
        };
        let (again, tries) = once(fault.clone());
        assert!(again.equals_missing(&rows), "{fault:?}");
        assert_eq!(tries, requests + times as usize, "{fault:?}");
    }
    let (again, _) = once(Fault::Delay(Duration::from_millis(5)));
    assert!(again.equals_missing(&rows));
}

#[test]
fn retry_after_is_waited_for() {
    let server = serving(vec![Fault::RetryAfter { seconds: 1, times: 1 }]);
    let begun = std::time::Instant::now();
    Project::new().read(&places(&server, "/stations", "query: {limit: 100}")).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_stays_down_is_worth_another_try_later() {
    let failure = |fault: Fault, keys: &str| {
        let server = serving(vec![fault]);
        let (error, text) = fails(&server, &trades(&server, &format!("{QUERY}\n{keys}")));
        assert_eq!(error.class(), Class::TryAgain, "{text}");
        text
    };
    let place = "table 't': http://h/trades?LAWD_CD=99110&DEAL_YMD=202301";
    let way_out = "run again later, or name another source under 'fallback'";
    assert_eq!(
        failure(Fault::Status { status: 503, times: 99 }, ""),
        format!("{place}: the server answers 503 Service Unavailable (tried 4 times); {way_out}")
    );
    assert_eq!(
        failure(Fault::RetryAfter { seconds: 3600, times: 99 }, ""),
        format!("{place}: the server answers 429 Too Many Requests and asks to wait 3600 s (tried once); {way_out}")
    );
    assert_eq!(
        failure(Fault::CutBody { times: 99 }, "retries: 1"),
        format!("{place}: the answer was cut short (tried 2 times); {way_out}")
    );
    assert_eq!(
        failure(Fault::CutText { times: 99 }, ""),
        format!("{place}: the answer was cut short: the XML is truncated (tried 4 times); {way_out}")
    );
    assert_eq!(
        failure(Fault::NeverAnswer { times: 99 }, "timeout_seconds: 1\nretries: 0"),
        format!("{place}: no answer within 1 s (tried once); {way_out}")
    );
    assert_eq!(
        failure(Fault::ServiceError { code: "05", message: "SERVICETIMEOUT_ERROR", times: 99 }, ""),
        format!("{place}: the service reports error 05 (SERVICETIMEOUT_ERROR) (tried 4 times); {way_out}")
    );
}

#[test]
fn an_answer_without_measure_is_not_read() {
    let server = serving(vec![Fault::Announce(1 << 30)]);
    let (error, text) = fails(&server, &trades(&server, QUERY));
    assert_eq!(error.class(), Class::CannotRun);
    assert_eq!(
        text,
        "table 't': http://h/trades?LAWD_CD=99110&DEAL_YMD=202301: the answer is larger than 256 MiB; ask for smaller \
         pages, or for shorter periods under 'for'"
    );
}

#[test]
fn an_answer_in_an_unknown_compression_says_so() {
    let server = HttpServer::start(|_, _| HttpAnswer::ok("\u{2}[]").with_header("content-encoding", "compress"));
    let error =
        Project::new().read(&format!("source: {{http: {{url: '{}'}}}}", server.url("/a"))).map(|_| ()).unwrap_err();
    assert_eq!(error.class(), Class::CannotRun);
    let text = error.to_string().replace(&server.url(""), "http://h");
    assert_eq!(
        text,
        "table 't': http://h/a: the answer is compressed by 'compress', which is not read; add 'Accept-Encoding: identity' to 'headers'"
    );
    assert_eq!(server.requests().len(), 1, "another try would be answered alike");
}

#[test]
fn a_server_that_is_not_there() {
    let server = serving(Vec::new());
    let (yaml, address) = (trades(&server, QUERY), server.url(""));
    drop(server);
    let error = open(&yaml, &Reach::All).map(drop).unwrap_err();
    let text = error.to_string().replace(&address, "http://h");
    assert_eq!(error.class(), Class::TryAgain);
    assert!(text.starts_with("table 't': http://h/trades?LAWD_CD=99110&DEAL_YMD=202301: no connection: "), "{text}");
}

#[test]
fn a_refused_key_is_not_shown() {
    let way_out = "check the key under 'query' or 'headers', and whether it has expired";
    for (status, words) in [(401, "401 Unauthorized"), (403, "403 Forbidden")] {
        let server = serving(vec![Fault::Status { status, times: 99 }]);
        let (error, text) = fails(&server, &trades(&server, QUERY));
        assert_eq!(error.class(), Class::CannotRun);
        assert_eq!(
            text,
            format!(
                "table 't': http://h/trades?LAWD_CD=99110&DEAL_YMD=202301: the server refuses the key ({words}); {way_out}"
            )
        );
        assert!(server.requests().iter().all(|request| request.contains("LAWD_CD=99110") || request.contains("99140")));
    }
    let server = serving(Vec::new());
    let wrong = trades(&server, &QUERY.replace("demo", "hunter2-secret"));
    let (error, text) = fails(&server, &wrong);
    assert_eq!(error.class(), Class::CannotRun);
    assert!(text.contains("the service answers without 'response.header.resultCode'"), "{text}");
    assert!(text.contains("SERVICE_KEY_IS_NOT_REGISTERED_ERROR") && !text.contains("hunter2"), "{text}");
    assert!(!format!("{:?}", table(&wrong).unwrap()).contains("hunter2"), "nor when the spec is printed");
    let input = &table(&wrong).unwrap().inputs(&Project::new().root(), &Cloud::default()).unwrap()[0];
    assert_eq!(input.path, server.url("/trades"));
    assert!(!format!("{input:?}").contains("hunter2"));
}

#[test]
fn a_secret_in_the_path_is_not_shown() {
    let server = serving(Vec::new());
    let mut secrets = spec::Redactor::default();
    secrets.add("s3cret/token");
    let yaml = format!("source: {{http: {{url: '{}', items: items}}}}", server.url("/bots3cret/token/updates"));
    let shown = table(&yaml).unwrap().without_secrets(&secrets);
    let project = Project::new();
    let input = &shown.inputs(&project.root(), &Cloud::default()).unwrap()[0];
    assert_eq!(input.path, server.url("/bot***/updates"));
    let error =
        shown.open("t", &project.root(), &Cloud::default(), project.0.path(), &Reach::All).map(drop).unwrap_err();
    let address = format!("table 't': {}: the server answers 404", server.url("/bot***/updates"));
    assert!(error.to_string().starts_with(&address), "{error}");
    // The server is asked for what is written.
    assert!(server.requests().iter().any(|request| request.contains("/bots3cret/token/updates")));
}

#[test]
fn errors_of_the_service_and_of_the_spec() {
    let server = serving(vec![Fault::ServiceError { code: "22", message: "LIMITED demo REQUESTS", times: 99 }]);
    let (error, text) = fails(&server, &trades(&server, QUERY));
    assert_eq!(error.class(), Class::CannotRun);
    assert!(text.contains(": the service reports error 22 (LIMITED *** REQUESTS); "), "{text}");

    let server = serving(Vec::new());
    let failure = |path: &str, keys: &str| {
        let yaml = format!("source: {{http: {{url: '{}', {keys}}}}}", server.url(path));
        fails(&server, &yaml).1
    };
    assert_eq!(
        failure("/nowhere", "items: items"),
        "table 't': http://h/nowhere: the server answers 404 Not Found; check 'url'"
    );
    assert_eq!(
        failure("/stations", "items: item"),
        "table 't': http://h/stations: the answer has no 'item'; check 'items': did you mean 'items'?"
    );
    assert_eq!(
        failure("/stations", "items: total"),
        "table 't': http://h/stations: 'total' is a number or boolean instead of a list; check 'items': it is a dotted path"
    );
    assert_eq!(
        failure("/stations", "items: items, total: totl"),
        "table 't': http://h/stations: the answer has no 'totl'; check 'total': did you mean 'total'?"
    );
    assert_eq!(
        failure("/stations", "items: items, total: items"),
        "table 't': http://h/stations: 'items' is not a number of items; check 'total'"
    );
}

#[test]
fn gaps_fail_the_run() {
    let failure = |fault: Fault| {
        let server = serving(vec![fault]);
        let (error, text) =
            fails(&server, &places(&server, "/stations", "pages: {offset: {query: offset}}, query: {limit: 25}"));
        (error.class(), text)
    };
    assert_eq!(
        failure(Fault::MissingPage(2)),
        (
            Class::Refused,
            "http://h/stations, page 2: the page is empty, though only 25 of 60 announced items came; run again; if it \
             happens again, ask the service's owner which page is missing"
                .to_owned()
        )
    );
    assert_eq!(
        failure(Fault::RepeatPage { page: 3, of: 1 }),
        (
            Class::Refused,
            "http://h/stations, page 3: the page holds the same items as page 1; check 'pages': the service may \
             not know the parameter; or run again"
                .to_owned()
        )
    );
    assert_eq!(
        failure(Fault::TotalOffBy(-2)),
        (
            Class::Refused,
            "http://h/stations, page 3: 58 items were announced, but 60 came; nothing was published; run again, and check \
             'pages' and 'items' if it happens again"
                .to_owned()
        )
    );
    assert_eq!(
        failure(Fault::TotalChangesAt(2)),
        (
            Class::TryAgain,
            "http://h/stations, page 2: the announced total changed from 60 to 61 between two pages; the data changed \
             while it was read; run again"
                .to_owned()
        )
    );
    let server = serving(vec![Fault::TotalOffBy(1)]);
    let (error, text) = fails(&server, &places(&server, "/stations", "query: {limit: 1000}"));
    assert_eq!(error.class(), Class::Refused);
    assert!(text.starts_with("table 't': http://h/stations: 61 items were announced, but 60 came; "), "{text}");
    let (_, text) = fails(&server, &trades(&server, QUERY));
    assert!(text.starts_with("http://h/trades?LAWD_CD=99110&DEAL_YMD=202301, page "), "{text}");
}

#[test]
fn services_that_lead_in_a_circle_are_left() {
    let failure = |fault: Fault, pages: &str| {
        let server = serving(vec![fault]);
        let yaml = format!("source: {{http: {{url: '{}', items: items, {pages}}}}}", server.url("/stations"));
        let (error, text) = fails(&server, &yaml);
        assert_eq!(error.class(), Class::Refused);
        let (text, way_out) = text.split_once("; ").unwrap();
        assert_eq!(way_out, "check 'pages': the service may not know the parameter; or run again");
        text.to_owned()
    };
    let link = "pages: link, query: {limit: 25}";
    let cursor = "pages: {cursor: {query: cursor, at: next}}, query: {limit: 25}";
    for page in [2, 3] {
        let back = Fault::LeadBack { page, to: 2 };
        let place = format!("http://h/stations, page {page}");
        let expected = format!("{place}: the 'Link' to the next page leads back to an earlier page");
        assert_eq!(failure(back.clone(), link), expected);
        assert_eq!(failure(back, cursor), format!("{place}: 'next' leads back to an earlier page"));
    }
    // The first page under another address.
    let back = Fault::LeadBack { page: 3, to: 1 };
    assert_eq!(failure(back, link), "http://h/stations, page 4: the page holds the same items as page 1");
}

#[test]
fn cells_by_name_and_by_path() {
    let server = serving(Vec::new());
    let columns = "columns: {aptSeq: string, lat: {type: float64, from: location.lat}, location: string, nothing: {type: int8, optional: true}}";
    let yaml = format!("{}\n{columns}", places(&server, "/complexes", "query: {limit: 1000}"));
    let read = Project::new().read(&yaml).unwrap();
    let first = &read.table()[0];
    assert!(first.starts_with("99110-1|37.") && first.contains("|{\"lat\":37.") && first.ends_with("|-|1"), "{first}");
}

#[test]
fn a_cell_that_cannot_be_read_refuses_its_row() {
    let server = serving(Vec::new());
    let yaml = format!("{}columns: {{aptSeq: string, dealAmount: int64}}", trades(&server, QUERY));
    let read = Project::new().read(&yaml).unwrap();
    assert_eq!(read.rows.height(), 0);
    let refused = &read.refusals()[0];
    assert!(
        refused.contains("|1|") && refused.contains("dealAmount: '") && refused.contains("' is not an int64"),
        "{refused}"
    );
}

#[test]
fn an_incremental_source_moves_its_bookmark_when_all_was_read() {
    let server = serving(Vec::new());
    let keys = "query: {serviceKey: demo, numOfRows: 1000}\nfor: {LAWD_CD: ['99110'], DEAL_YMD: {months: {from: 2023-01, to: 2023-06, format: '%Y%m'}}}\nincremental: DEAL_YMD\noverlap: 1mo";
    let yaml = trades(&server, keys);
    assert!(table(&yaml).unwrap().is_incremental());
    let read = |reach: &Reach| {
        let asked = server.requests().len();
        let mut opened = open(&yaml, reach).unwrap();
        opened.batches.by_ref().for_each(|batch| drop(batch.unwrap()));
        (server.requests().len() - asked, opened.ending.finish().bookmark)
    };
    let bookmark = serde_json::json!({"of": "DEAL_YMD", "period": "2023-06", "for": {"LAWD_CD": ["99110"]}});
    assert_eq!(read(&Reach::All), (6, Some(bookmark.clone())));
    assert_eq!(read(&Reach::After(Value::from("2023-05"))), (3, Some(bookmark.clone())));
    assert_eq!(read(&Reach::After(bookmark.clone())), (2, Some(bookmark)));
    let day = |text: &str| text.parse().unwrap();
    assert_eq!(read(&Reach::Days(day("2023-02-10"), day("2023-03-01"))), (2, None));

    let broken = serving(vec![Fault::TotalOffBy(1)]);
    let mut opened = open(&trades(&broken, keys), &Reach::All).unwrap();
    let error = opened.batches.find_map(|batch| batch.err()).unwrap();
    assert_eq!((error.class(), opened.ending.finish().bookmark), (Class::Refused, None));
    let way_out = "add 'incremental:' to a source that offers it, or read all of it";
    let whole = "table 't': the source is not incremental, so it can only be read as a whole";
    for yaml in
        [trades(&server, QUERY), "source: {generate: {shop: {rows: 9, from: 2023-01-01, to: 2023-02-01}}}".to_owned()]
    {
        let error = open(&yaml, &Reach::After(Value::from("2023-05"))).map(drop).unwrap_err();
        assert_eq!(error.to_string(), format!("{whole}; {way_out}"));
    }
}

#[test]
fn months_without_items_give_no_rows() {
    let server = serving(Vec::new());
    let keys = QUERY.replace("202301", "203001");
    let yaml = format!("{}columns: {{aptSeq: string}}", trades(&server, &keys));
    assert_eq!(Project::new().read(&yaml).unwrap().rows_in, 0);
    let (error, text) = fails(&server, &trades(&server, &keys));
    assert_eq!(error.class(), Class::Refused);
    assert_eq!(
        text,
        "table 't': http://h/trades: the service returned no items, so columns cannot be inferred; check 'for' and 'items', or declare 'columns'"
    );
}

#[test]
fn the_pipeline_of_the_project_reads_the_invented_city() {
    #[derive(serde::Deserialize)]
    struct Spec {
        tables: spec::Map<TableSpec>,
    }
    let text = include_str!("../../../../resources/housing/ingest.yaml").split("\nchecks:").next().unwrap_or_default();
    let loaded = spec::parse::<Spec>(text, Path::new("ingest.yaml"), &Environment::default()).unwrap();
    let project = Project::new();
    for (name, least, most) in [
        ("trades", 38_000, 43_000),
        ("leases", 46_000, 52_000),
        ("complexes", 480, 480),
        ("stations", 60, 60),
        ("schools", 96, 96),
    ] {
        let table = loaded.spec.tables.get(name).unwrap();
        let opened = table.open(name, &project.root(), &Cloud::default(), project.0.path(), &Reach::All).unwrap();
        let mut rows = 0;
        for batch in opened.batches {
            let batch = batch.unwrap();
            assert!(batch.refused.is_none(), "{name}: {:?}", batch.refused);
            rows += batch.rows.height();
        }
        assert!((least..=most).contains(&rows), "{name}: {rows} rows");
    }
}

/// As someone writes it who sets `SHOP=https://my-shop.example` for `https://${SHOP}/orders`.
#[test]
fn an_address_with_two_schemes_is_refused() {
    let error = table("source: {http: {url: 'https://https://my-shop.example/orders'}}").unwrap_err().to_string();
    let right = "'url' has '://' twice; a variable in it may be a name alone, such as my-shop.example.com";
    assert!(error.contains(right), "{error}");
    table("source: {http: {url: 'https://http/orders'}}").unwrap();
}
