//! Services that are asked for what changed, that hold lists in items, and that say how much they allow.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use testkit::http_server::{HttpAnswer, HttpServer};

use super::*;
use crate::Reach;

const COLUMNS: &str = "columns: {id: int64, updated_at: datetime, note: {type: string, optional: true}}\n";

fn order(id: u64, updated_at: &str, note: &str) -> Value {
    json!({"id": id, "updated_at": updated_at, "note": note})
}

/// A service that knows these orders, and answers with those changed at or after `updated_at_min`.
fn shop(orders: Vec<Value>) -> (HttpServer, Arc<Mutex<Vec<Value>>>) {
    let orders = Arc::new(Mutex::new(orders));
    let known = Arc::clone(&orders);
    let server = HttpServer::start(move |_, request| {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        let least = query.split('&').find_map(|pair| pair.strip_prefix("updated_at_min="));
        let least = least.map(|least| least.replace("%3A", ":").replace("%2B", "+")).unwrap_or_default();
        let orders = known.lock().unwrap();
        let items: Vec<&Value> =
            orders.iter().filter(|order| order["updated_at"].as_str() >= Some(least.as_str())).collect();
        HttpAnswer::ok(&json!({"orders": items}).to_string())
    });
    (server, orders)
}

fn since(server: &HttpServer, keys: &str) -> String {
    format!(
        "source: {{http: {{url: '{}', items: orders, since: {{query: updated_at_min, at: updated_at{keys}}}}}}}\n{COLUMNS}",
        server.url("/orders")
    )
}

fn ids(read: &Read) -> Vec<i64> {
    read.rows.column("id").unwrap().i64().unwrap().iter().flatten().collect()
}

#[test]
fn a_run_reads_what_changed_since_the_last() {
    let (server, orders) = shop(vec![
        order(1, "2024-01-05T10:00:00Z", "a"),
        order(2, "2024-01-07T09:00:00Z", "b"),
        order(3, "2024-01-06T00:00:00Z", "c"),
    ]);
    let yaml = since(&server, "");
    let first = Project::new().read(&yaml).unwrap();
    assert_eq!(ids(&first), [1, 2, 3]);
    assert_eq!(first.reached(), Some("2024-01-07T09:00:00Z".into()), "the greatest, wherever it comes");
    let bookmark = first.bookmark.unwrap();
    let again = Project::new().read_part(&yaml, &Reach::After(bookmark.clone())).unwrap();
    assert_eq!((ids(&again), again.bookmark.as_ref()), (vec![], Some(&bookmark)), "nothing is new");
    // One has changed, one is new and has the bookmark's own value, and one is older than it.
    orders.lock().unwrap().extend([
        order(1, "2024-01-08T00:00:00Z", "paid"),
        order(4, "2024-01-07T09:00:00Z", "d"),
        order(5, "2024-01-01T00:00:00Z", "late"),
    ]);
    let more = Project::new().read_part(&yaml, &Reach::After(bookmark)).unwrap();
    assert_eq!((ids(&more), more.reached()), (vec![1, 4], Some("2024-01-08T00:00:00Z".into())));
    let asked: Vec<String> = server.requests().iter().map(|request| request.path.clone()).collect();
    let after = "/orders?updated_at_min=2024-01-07T09%3A00%3A00Z";
    assert_eq!(asked, ["/orders", after, after]);
    let from = since(&server, ", from: 2024-01-06T00:00:00Z");
    assert_eq!(ids(&Project::new().read(&from).unwrap()), [2, 3, 1, 4]);
}

#[test]
fn what_changes_while_pages_are_read_comes_again() {
    // A row of this instant may stand before others of the same instant that are still to come.
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (server, orders) = shop(vec![order(1, "2024-01-05T10:00:00Z", "a"), order(2, &now, "b")]);
    let yaml = since(&server, "");
    let first = Project::new().read(&yaml).unwrap();
    assert_eq!((ids(&first), first.reached()), (vec![1, 2], Some("2024-01-05T10:00:00Z".into())));
    orders.lock().unwrap().push(order(3, &now, "c"));
    let more = Project::new().read_part(&yaml, &Reach::After(first.bookmark.unwrap())).unwrap();
    assert_eq!(ids(&more), [3], "the one that was read is known");
}

#[test]
fn offsets_are_times_and_not_texts() {
    let (server, _) =
        shop(vec![order(1, "2024-01-05T23:30:00-05:00", "a"), order(2, "2024-01-06T03:00:00+00:00", "b")]);
    let read = Project::new().read(&since(&server, "")).unwrap();
    assert_eq!(read.reached(), Some("2024-01-05T23:30:00-05:00".into()), "that is 04:30 in UTC");
}

#[test]
fn ids_that_grow_are_followed_too() {
    let server = HttpServer::start(|_, request| {
        let least: u64 = request.path.split_once("since_id=").map_or(0, |(_, id)| id.parse().unwrap());
        let items: Vec<Value> = [7, 9, 10].into_iter().filter(|id| *id > least).map(|id| json!({"id": id})).collect();
        HttpAnswer::ok(&json!(items).to_string())
    });
    let yaml = format!(
        "source: {{http: {{url: '{}', since: {{query: since_id, at: id, type: int64}}}}}}\ncolumns: {{id: int64}}",
        server.url("/orders")
    );
    let read = Project::new().read(&yaml).unwrap();
    assert_eq!((ids(&read), read.reached()), (vec![7, 9, 10], Some(10.into())));
    assert_eq!(ids(&Project::new().read_part(&yaml, &Reach::After(9.into())).unwrap()), [10]);
}

#[test]
fn few_new_items_may_lack_what_earlier_ones_had() {
    let bare = |id: usize| json!({"id": id, "updated_at": "2024-01-09T00:00:00Z"});
    let reach = Reach::After(json!({"of": "updated_at", "from": "2024-01-08T00:00:00Z", "known": []}));
    let yaml = |server: &HttpServer| since(server, "").replace(", optional: true", "");
    let (server, _) = shop((0..3).map(bare).collect());
    let read = Project::new().read_more(&yaml(&server), &reach).unwrap();
    assert_eq!(read.table()[0], "0|2024-01-09 00:00:00|-|1");
    let place = server.url("/orders");
    assert_eq!(
        read.doubts,
        [format!(
            "{place}: no record of this run has 'note', so it is null in all of them; if the source has renamed it, correct 'from' and \
             read all again with --full"
        )]
    );
    let way_out =
        "no record has 'note'; choose one of: id, updated_at. If it may be absent, add 'optional: true' to the column";
    let error = Project::new().read_part(&yaml(&server), &reach).map(|read| read.rows_in).unwrap_err().to_string();
    assert_eq!(error, format!("{place}: {way_out}"), "nothing is known of earlier runs");
    let (many, _) = shop((0..100).map(bare).collect());
    let error = Project::new().read_more(&yaml(&many), &reach).map(|read| read.rows_in).unwrap_err().to_string();
    assert_eq!(error, format!("{}: {way_out}", many.url("/orders")), "so many do not lack it by chance");
}

#[test]
fn a_refused_row_does_not_move_the_bookmark() {
    let (server, orders) = shop(vec![order(1, "2024-01-05T10:00:00Z", "a")]);
    orders.lock().unwrap().push(json!({"id": "x", "updated_at": "2024-01-09T00:00:00Z"}));
    let yaml = since(&server, "");
    let first = Project::new().read(&yaml).unwrap();
    assert_eq!((first.refused.height(), first.reached()), (1, Some("2024-01-05T10:00:00Z".into())));
    let again = Project::new().read_part(&yaml, &Reach::After(first.bookmark.unwrap())).unwrap();
    assert_eq!((again.rows_in, again.refused.height()), (0, 0), "it is refused once");
}

#[test]
fn what_since_cannot_follow_is_an_error() {
    let failure = |items: Value, keys: &str, columns: &str| {
        let server = HttpServer::answering([HttpAnswer::ok(&json!({"orders": items}).to_string())]);
        let yaml = since(&server, keys).replace(COLUMNS, columns);
        Project::new().failure(&yaml).replace(&server.url(""), "http://h")
    };
    assert_eq!(
        failure(json!([{"id": 1, "updated_at": "2024-01-01T00:00:00Z"}, {"id": 2}]), "", COLUMNS),
        "table 't': http://h/orders: since: item 2 has no 'updated_at'; check 'at' and 'type' under 'since': every item needs a value to \
         know whether it is new"
    );
    let wrong = failure(json!([{"id": 1, "updated_at": "yesterday"}]), "", COLUMNS);
    assert!(wrong.contains("since: updated_at: 'yesterday' is not a datetime"), "{wrong}");
    let types = failure(json!([order(1, "2024-01-01T00:00:00Z", "")]), "", "");
    assert!(types.contains("'since' needs 'columns'"), "{types}");
    let (server, _) = shop(vec![]);
    let days = Reach::Days("2024-01-01".parse().unwrap(), "2024-01-02".parse().unwrap());
    let error = Project::new().read_part(&since(&server, ""), &days).map(|read| read.rows_in).unwrap_err().to_string();
    assert!(error.contains("'since' has no end, so days cannot be read again"), "{error}");
    for (keys, error) in [
        (
            "query: {updated_at_min: 2024}, since: {query: updated_at_min, at: u}",
            "the parameter 'updated_at_min' is set by 'since'",
        ),
        ("since: {query: a, at: ''}", "'at' under 'since' names no value of an item"),
        (
            "for: {d: {days: {from: 2024-01-01}}}, incremental: d, since: {query: a, at: u}",
            "'incremental' and 'since' exclude each other; keep one",
        ),
        ("budget: {used: x}", "'budget' has 'used' and 'refill', or 'remaining' and 'reset'"),
        ("budget: {used: 'a b', refill: 2/s}", "'a b' is not a valid header name"),
    ] {
        let yaml = format!("source: {{http: {{url: 'http://h/x', {keys}}}}}\n{COLUMNS}");
        let text = table(&yaml).unwrap_err().to_string();
        assert!(text.contains(error), "{text}");
    }
}

fn exploded(items: Value, keys: &str, columns: &str) -> spec::Result<Read> {
    let server = HttpServer::answering([HttpAnswer::ok(&items.to_string())]);
    Project::new().read(&format!("source: {{http: {{url: '{}', {keys}}}}}\n{columns}", server.url("/orders")))
}

#[test]
fn elements_of_lists_become_rows() {
    let orders = json!([
        {"id": 1, "lines": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}]},
        {"id": 2, "lines": []},
        {"id": 3},
        {"id": 4, "lines": null},
        {"id": 5, "lines": [{"sku": "c", "n": 9}]},
    ]);
    let columns = "columns: {id: int64, sku: {type: string, from: lines.sku}, n: {type: int64, from: lines.n}}";
    let read = exploded(orders.clone(), "explode: lines", columns).unwrap();
    assert_eq!(read.table(), ["1|a|2|1", "1|b|1|2", "2|-|-|3", "3|-|-|4", "4|-|-|5", "5|c|9|6"]);
    let found = exploded(orders, "explode: lines", "").unwrap();
    assert_eq!(found.table()[1], "1|{\"sku\":\"b\",\"n\":1}|2");
    let nested = json!([
        {"id": 1, "refunds": [{"at": "x", "lines": [{"n": 1}, {"n": 2}]}, {"at": "y", "lines": []}]},
        {"id": 2, "refunds": []},
    ]);
    let columns = "columns: {id: int64, at: {type: string, from: refunds.at}, n: {type: int64, from: refunds.lines.n}}";
    let read = exploded(nested, "explode: [refunds, refunds.lines]", columns).unwrap();
    assert_eq!(read.table(), ["1|x|1|1", "1|x|2|2", "1|y|-|3", "2|-|-|4"]);
    let misspelt = exploded(json!([{"id": 1, "lines": [1]}]), "explode: line", "columns: {id: int64}").unwrap();
    let doubt = "no record has the list 'line' that 'explode' names, so each is one row; did you mean 'lines'?";
    assert!(misspelt.doubts.len() == 1 && misspelt.doubts[0].ends_with(doubt), "{:?}", misspelt.doubts);
    let error = exploded(json!([{"id": 1, "lines": "a, b"}]), "explode: lines", "columns: {id: int64}");
    let error = error.map(|read| read.rows_in).unwrap_err().to_string();
    assert!(error.ends_with("'lines' is text instead of a list; check 'explode'"), "{error}");
    let error = exploded(
        json!([{"id": 1, "lines": [{"n": 1}]}]),
        "explode: lines",
        "columns: {m: {type: int64, from: lines.m}}",
    );
    let error = error.map(|read| read.rows_in).unwrap_err().to_string();
    assert!(error.contains("no record has 'lines.m'; did you mean 'lines.n'?"), "{error}");
}

/// A bucket of requests as Shopify has it: it leaks, and refuses what does not fit.
struct Bucket {
    used: f64,
    at: Instant,
}

#[test]
fn a_bucket_of_requests_does_not_overflow() {
    const SIZE: f64 = 4.0;
    const LEAK: f64 = 200.0;
    let bucket = Mutex::new(Bucket { used: 0.0, at: Instant::now() });
    let server = HttpServer::start(move |_, _| {
        let mut bucket = bucket.lock().unwrap();
        bucket.used = (bucket.used - bucket.at.elapsed().as_secs_f64() * LEAK).max(0.0);
        bucket.at = Instant::now();
        if bucket.used + 1.0 > SIZE {
            return HttpAnswer::status(429, "too many").with_header("retry-after", "2.0");
        }
        bucket.used += 1.0;
        HttpAnswer::ok("[{\"id\": 1}]").with_header("x-calls", format!("{}/{SIZE}", bucket.used.ceil()))
    });
    let days = "for: {day: {days: {from: 2024-01-01, to: 2024-02-29}}}, parallel: 1";
    let yaml = |budget: &str| format!("source: {{http: {{url: '{}', {days}{budget}}}}}\n", server.url("/x"));
    let read = Project::new().read(&yaml(", budget: {used: X-Calls, refill: 200/s}")).unwrap();
    assert_eq!((read.rows_in, read.doubts.len()), (60, 0));
    assert_eq!(server.requests().len(), 60, "no request was refused");
    let other = HttpServer::answering([HttpAnswer::ok("[{\"id\": 1}]")]);
    let yaml = format!("source: {{http: {{url: '{}', budget: {{remaining: a, reset: b}}}}}}\n", other.url("/x"));
    let doubts = Project::new().read(&yaml).unwrap().doubts;
    assert_eq!(doubts.len(), 1);
    assert!(doubts[0].ends_with("no answer has the headers 'a' and 'b' that 'budget' names"), "{doubts:?}");
}

/// Orders that change at any time, also between pages: the newest of each is what the service has.
#[test]
fn nothing_that_changes_is_lost() {
    for seed in 0..25 {
        let random = Arc::new(Mutex::new(testkit::Random::seeded(seed)));
        // By id: when it changed, in seconds, and how often.
        let orders: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
        let clock = Arc::new(Mutex::new(0u64));
        let change = {
            let (random, orders, clock) = (Arc::clone(&random), Arc::clone(&orders), Arc::clone(&clock));
            move |most: u64| {
                let (mut random, mut orders, mut clock) =
                    (random.lock().unwrap(), orders.lock().unwrap(), clock.lock().unwrap());
                for _ in 0..random.below(most) {
                    // Several may change within a second.
                    *clock += random.below(2);
                    match random.below(3) {
                        0 if !orders.is_empty() => {
                            let at = random.below(orders.len() as u64) as usize;
                            orders[at] = (*clock, orders[at].1 + 1);
                        }
                        _ => orders.push((*clock, 0)),
                    }
                }
            }
        };
        let time = |second: u64| {
            let at = chrono::DateTime::from_timestamp(1_704_067_200 + second as i64, 0).unwrap();
            at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let quiet = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (known, is_quiet) = (Arc::clone(&orders), Arc::clone(&quiet));
        let between_pages = change.clone();
        let server = HttpServer::start(move |_, request| {
            let parameter = |name: &str| {
                let (_, rest) = request.path.split_once(&format!("{name}="))?;
                Some(rest.split('&').next().unwrap_or_default().replace("%3A", ":"))
            };
            let mut items: Vec<(String, usize, u64)> = {
                let orders = known.lock().unwrap();
                orders.iter().enumerate().map(|(id, (at, version))| (time(*at), id, *version)).collect()
            };
            items.sort();
            match parameter("after") {
                Some(cursor) => {
                    let (at, id) = cursor.split_once('~').unwrap();
                    let after = (at.to_owned(), id.parse::<usize>().unwrap());
                    items.retain(|(at, id, _)| (at, id) > (&after.0, &after.1));
                }
                None => {
                    let least = parameter("updated_at_min").unwrap_or_default();
                    items.retain(|(at, ..)| *at >= least);
                }
            }
            let more = items.len() > 3;
            items.truncate(3);
            let rows: Vec<Value> = items
                .iter()
                .map(|(at, id, version)| json!({"id": id, "updated_at": at, "note": version.to_string()}))
                .collect();
            if !is_quiet.load(std::sync::atomic::Ordering::Relaxed) {
                between_pages(3);
            }
            let answer = HttpAnswer::ok(&json!(rows).to_string());
            match items.last().filter(|_| more) {
                Some((at, id, _)) => answer.with_header("link", format!("</orders?after={at}~{id}>; rel=\"next\"")),
                None => answer.with_header("link", "</orders>; rel=\"first\""),
            }
        });
        let yaml = format!(
            "source: {{http: {{url: '{}', pages: link, since: {{query: updated_at_min, at: updated_at}}}}}}\n{COLUMNS}",
            server.url("/orders")
        );
        change(20);
        orders.lock().unwrap().push((0, 0));
        let (mut reach, mut read_by_id, mut rows) = (Reach::All, std::collections::BTreeMap::new(), 0);
        for run in 0..6 {
            let read = Project::new()
                .read_part(&yaml, &reach)
                .unwrap_or_else(|error| panic!("seed {seed}, run {run}: {error}"));
            rows += read.rows.height();
            for row in read.table() {
                let parts: Vec<&str> = row.split('|').collect();
                let (id, version): (usize, u64) = (parts[0].parse().unwrap(), parts[2].parse().unwrap());
                let newest = read_by_id.entry(id).or_insert(version);
                *newest = (*newest).max(version);
            }
            reach = read.bookmark.map_or(Reach::All, Reach::After);
            change(8);
        }
        // Nothing changes any more: one run later all is known.
        quiet.store(true, std::sync::atomic::Ordering::Relaxed);
        let read = Project::new().read_part(&yaml, &reach).unwrap();
        for row in read.table() {
            let parts: Vec<&str> = row.split('|').collect();
            read_by_id.insert(parts[0].parse().unwrap(), parts[2].parse().unwrap());
        }
        let expected: std::collections::BTreeMap<usize, u64> =
            orders.lock().unwrap().iter().map(|(_, version)| *version).enumerate().collect();
        assert_eq!(read_by_id, expected, "seed {seed}");
        assert!(rows > 3, "seed {seed}: {rows}");
    }
}
