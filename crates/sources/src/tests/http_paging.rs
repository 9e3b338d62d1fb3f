//! From page to page: the ways in which services lead on, end, and lead astray.

use serde_json::{Value, json};
use spec::{Class, Error};
use testkit::Random;
use testkit::http_server::{HttpAnswer, HttpRequest, HttpServer};

use super::*;

/// A service that answers page `n`, from 0, by `pages(n)`; the parameter `page` or `cursor` names it.
fn service(pages: impl Fn(u64) -> Value + Send + Sync + 'static) -> HttpServer {
    HttpServer::start(move |_, request| {
        let asked = ["page", "cursor"].iter().find_map(|name| parameter(request, name)).and_then(|n| n.parse().ok());
        HttpAnswer::ok(&pages(asked.unwrap_or(0)).to_string()).with_header("content-type", "application/json")
    })
}

fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let (_, query) = request.path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

fn spec(server: &HttpServer, keys: &str) -> String {
    format!("source: {{http: {{url: '{}', {keys}}}}}", server.url("/orders"))
}

fn ids(read: &Read) -> Vec<i64> {
    read.rows.column("id").unwrap().i64().unwrap().iter().flatten().collect()
}

fn fails(server: &HttpServer, keys: &str) -> (Error, String) {
    let error = Project::new().read(&spec(server, keys)).map(|read| read.rows_in).unwrap_err();
    let text = error.to_string().replace(&server.url(""), "http://h");
    (error, text)
}

const CURSOR: &str = "items: data, pages: {cursor: {query: cursor, at: next}}";

#[test]
fn a_path_that_leads_nowhere_is_reported() {
    let pages = |n: u64| json!({"data": [{"id": n}], "next": (n < 2).then(|| (n + 1).to_string())});
    let server = service(pages);
    let (error, text) = fails(&server, "items: data, pages: {cursor: {query: cursor, at: nxt}}");
    assert_eq!(error.class(), Class::CannotRun);
    assert_eq!(
        text,
        "http://h/orders: no answer has a 'nxt', which leads to the next page; check 'pages': did you mean 'next'?"
    );
    let (_, text) = fails(&server, "items: data, pages: {next: {at: links.next}}");
    assert!(text.contains("no answer has a 'links.next', which leads to the next page; "), "{text}");
    let (_, text) = fails(&server, "items: data, pages: {last: {query: page, id: id, more: has_more}}");
    assert!(text.contains("no answer has a 'has_more', which leads to the next page; "), "{text}");
    // Said to be optional, it is taken at its word.
    let keys = "items: data, pages: {cursor: {query: cursor, at: nxt, optional: true}}";
    assert_eq!(ids(&Project::new().read(&spec(&server, keys)).unwrap()), [0]);
    // One combination of two has all its items on one page: the other proves the path.
    let server = HttpServer::start(move |_, request| {
        let one = request.path.contains("day=1");
        let page = parameter(request, "cursor").and_then(|n| n.parse().ok()).unwrap_or(0);
        HttpAnswer::ok(&if one { json!({"data": [{"id": 9}]}) } else { pages(page) }.to_string())
    });
    let read = Project::new().read(&spec(&server, &format!("{CURSOR}, for: {{day: [1, 2]}}"))).unwrap();
    assert_eq!(ids(&read), [9, 0, 1, 2]);
    // Nothing is missing from a first page without items.
    let server = service(|_| json!({"data": []}));
    let empty = format!("{}\ncolumns: {{id: int64}}", spec(&server, CURSOR));
    assert_eq!(Project::new().read(&empty).unwrap().rows_in, 0);
}

#[test]
fn a_name_that_an_answer_has_twice_on_the_way_is_refused() {
    let pages = "items: data.list, total: meta.total, pages: {cursor: {query: cursor, at: meta.next, more: meta.more}}";
    for (name, answer) in [
        (
            "data",
            r#"{"data": {"list": [{"id": 1}]}, "data": {"list": [{"id": 2}]}, "meta": {"total": 1, "next": null, "more": false}}"#,
        ),
        (
            "list",
            r#"{"data": {"list": [{"id": 1}], "list": [{"id": 2}]}, "meta": {"total": 1, "next": null, "more": false}}"#,
        ),
        ("total", r#"{"data": {"list": [{"id": 1}]}, "meta": {"total": 1, "total": 2, "next": null, "more": false}}"#),
        ("next", r#"{"data": {"list": [{"id": 1}]}, "meta": {"total": 1, "next": null, "next": "2", "more": false}}"#),
        ("more", r#"{"data": {"list": [{"id": 1}]}, "meta": {"total": 1, "next": null, "more": false, "more": true}}"#),
    ] {
        let server =
            HttpServer::start(move |_, _| HttpAnswer::ok(answer).with_header("content-type", "application/json"));
        let (error, text) = fails(&server, pages);
        assert_eq!(error.class(), Class::CannotRun, "{text}");
        let wanted = format!(
            "table 't': http://h/orders: the answer: the key '{name}' is given twice; which of the two counts is not known; ask the service's owner"
        );
        assert_eq!(text, wanted);
    }
    // What is not asked for may be there twice.
    let server = HttpServer::start(|_, _| {
        let answer =
            r#"{"x": 1, "data": {"list": [{"id": 1}]}, "x": 2, "meta": {"total": 1, "next": null, "more": false}}"#;
        HttpAnswer::ok(answer).with_header("content-type", "application/json")
    });
    assert_eq!(ids(&Project::new().read(&spec(&server, pages)).unwrap()), [1]);
}

/// PHP and Lua have one kind of table, and write an empty one as `{}`.
#[test]
fn an_object_without_members_is_an_empty_list() {
    let columns = "columns: {id: int64}";
    for (keys, answers) in [
        ("items: data, pages: {number: {query: page}}", [r#"{"data": [{"id": 1}]}"#, r#"{"data": {}}"#]),
        (CURSOR, [r#"{"data": [{"id": 1}], "next": "2"}"#, r#"{"data": {}, "next": null}"#]),
    ] {
        let server = HttpServer::start(move |at, _| {
            HttpAnswer::ok(answers[usize::from(at > 0)]).with_header("content-type", "application/json")
        });
        let read = Project::new().read(&format!("{}\n{columns}", spec(&server, keys)));
        assert_eq!(ids(&read.unwrap_or_else(|error| panic!("{keys}: {error}"))), [1], "{keys}");
    }
}

#[test]
fn a_service_that_always_leads_on_is_left() {
    // A new cursor with every page.
    let server = service(|n| json!({"data": if n < 3 { vec![json!({"id": n})] } else { Vec::new() }, "next": n + 1}));
    assert_eq!(ids(&Project::new().read(&spec(&server, CURSOR)).unwrap()), [0, 1, 2]);
    assert!(server.requests().len() <= 3 + 10, "{} requests", server.requests().len());
    // The last cursor again, on an empty page.
    let server =
        service(|n| json!({"data": if n < 3 { vec![json!({"id": n})] } else { Vec::new() }, "next": (n + 1).min(3)}));
    assert_eq!(ids(&Project::new().read(&spec(&server, CURSOR)).unwrap()), [0, 1, 2]);
    assert_eq!(server.requests().len(), 4);
    // An empty page in between is none of these.
    let server = service(|n| {
        let next = (n < 5).then_some(n + 1);
        json!({"data": if n % 2 == 0 { vec![json!({"id": n})] } else { Vec::new() }, "next": next})
    });
    assert_eq!(ids(&Project::new().read(&spec(&server, CURSOR)).unwrap()), [0, 2, 4]);
}

#[test]
fn addresses_in_the_answer_are_followed() {
    for next in ["/orders?page=", "?page=", "http://HOST/orders?page="] {
        let server = HttpServer::start(move |_, request| {
            let page: u64 = parameter(request, "page").and_then(|n| n.parse().ok()).unwrap_or(0);
            let host = request.header("host").unwrap_or_default().to_owned();
            let next = (page < 2).then(|| format!("{}{}", next.replace("HOST", &host), page + 1));
            HttpAnswer::ok(
                &json!({"value": [{"id": page}], "@odata.nextLink": next, "links": {"next": next}}).to_string(),
            )
        });
        for at in ["links.next", "'@odata.nextLink'"] {
            let read =
                Project::new().read(&spec(&server, &format!("items: value, pages: {{next: {{at: {at}}}}}"))).unwrap();
            assert_eq!(ids(&read), [0, 1, 2], "{next} {at}");
        }
    }
    let server = service(|_| json!({"data": [{"id": 1}], "next": "http://elsewhere.example/orders?page=2"}));
    let (error, text) = fails(&server, "items: data, pages: {next: {at: next}}");
    assert_eq!(error.class(), Class::CannotRun);
    assert!(text.contains("'next' leads to another server; the key is not sent there"), "{text}");
    let server = service(|_| json!({"data": [{"id": 1}], "next": {"href": "/orders?page=2"}}));
    let (_, text) = fails(&server, "items: data, pages: {next: {at: next}}");
    assert!(text.contains("'next' is an object instead of a text; check 'pages': 'at' is a dotted path"), "{text}");
}

#[test]
fn the_last_id_asks_for_more() {
    let server = HttpServer::start(|_, request| {
        let after: u64 = parameter(request, "starting_after").map_or(0, |id| id.parse().unwrap());
        let ids: Vec<u64> = (after + 1..=7).take(3).collect();
        let more = ids.last() != Some(&7);
        HttpAnswer::ok(
            &json!({"data": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(), "has_more": more}).to_string(),
        )
    });
    let read = |keys: &str| Project::new().read(&spec(&server, keys)).map(|read| ids(&read));
    let last = "items: data, pages: {last: {query: starting_after, id: id, more: has_more}}";
    assert_eq!(read(last).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(server.requests().len(), 3);
    assert_eq!(read("items: data, pages: {last: {query: starting_after, id: id}}").unwrap(), [1, 2, 3, 4, 5, 6, 7]);
    let (error, text) = fails(&server, &last.replace("id: id", "id: idd"));
    assert_eq!(error.class(), Class::CannotRun);
    assert!(text.ends_with("the last item has no 'idd'; check 'id' under 'pages': did you mean 'id'?"), "{text}");

    let server =
        service(|n| json!({"data": if n < 1 { vec![json!({"id": n})] } else { Vec::new() }, "has_more": true}));
    let (error, text) = fails(&server, "items: data, pages: {last: {query: page, id: id, more: has_more}}");
    assert_eq!(error.class(), Class::Refused);
    // The first item's id is 0, so that the same page comes again.
    assert!(text.contains("the page holds the same items as page 1; "), "{text}");
    let server = service(|n| json!({"data": [{"id": n + 1}], "has_more": "perhaps"}));
    let (_, text) = fails(&server, "items: data, pages: {number: {query: page, first: 0, more: has_more}}");
    assert!(text.contains("'has_more' is \"perhaps\", which is neither true nor false; check 'more'"), "{text}");
}

#[test]
fn lists_under_keys_are_one_list() {
    let server = service(|n| {
        let more = (n < 1).then(|| "1".to_owned());
        json!({"bars": {"AAPL": [{"id": 10 * n}, {"id": 10 * n + 1}], "MSFT": [{"id": 10 * n + 2}], "NONE": null}, "next": more})
    });
    let keys = "items: 'bars.*', pages: {cursor: {query: cursor, at: next}}";
    let read = Project::new()
        .read(&format!("{}\ncolumns: {{id: int64, symbol: {{type: string, from: '@key'}}}}", spec(&server, keys)))
        .unwrap();
    assert_eq!(read.table(), ["0|AAPL|1", "1|AAPL|2", "2|MSFT|3", "10|AAPL|4", "11|AAPL|5", "12|MSFT|6"]);
    let server = service(|_| json!({"query": {"pages": {"17": {"title": "a"}, "18": {"title": "b"}}}}));
    let read = Project::new().read(&spec(&server, "items: 'query.pages.*'")).unwrap();
    assert_eq!(read.table(), ["17|a|1", "18|b|2"]);
    let server = service(|_| json!({"by": {"x": {"rows": [{"id": 1}]}, "y": {"rowz": [{"id": 2}]}}}));
    let (error, text) = fails(&server, "items: 'by.*.rows'");
    assert_eq!(error.class(), Class::CannotRun);
    assert!(text.ends_with("the answer has no 'rows'; check 'items': did you mean 'rowz'?"), "{text}");
}

#[test]
fn an_object_around_the_list_is_not_the_item() {
    let server = service(|_| json!({"count": 2, "result": {"rows": [{"id": 1}, {"id": 2}]}}));
    let (error, text) = fails(&server, "pages: none");
    assert_eq!(error.class(), Class::CannotRun);
    assert_eq!(
        text,
        "table 't': http://h/orders: the answer is an object instead of a list; if it holds the list 'result.rows', name \
         it under 'items'; if the object is the item, declare 'columns'"
    );
    let (_, text) = fails(&server, "pages: {number: {query: page}}");
    assert!(
        text.ends_with("the answer is an object instead of a list; check 'items': it holds the list 'result.rows'"),
        "{text}"
    );
    // One that is the item.
    let read = Project::new().read(&format!("{}\ncolumns: {{count: int64}}", spec(&server, "pages: none"))).unwrap();
    assert_eq!(read.table(), ["2|1"]);
}

#[test]
fn a_name_that_no_item_has_is_refused() {
    let server = service(|_| json!([{"id": 1, "amount": null, "address": {"city": "x"}}]));
    let failure = |columns: &str| {
        let error = Project::new().read(&format!("{}\ncolumns: {{{columns}}}", spec(&server, "pages: none")));
        error.map(|read| read.rows_in).unwrap_err().to_string().replace(&server.url(""), "http://h")
    };
    let rest = "If it may be absent, add 'optional: true' to the column";
    assert_eq!(
        failure("id: int64, amuont: float64"),
        format!("http://h/orders: no record has 'amuont'; did you mean 'amount'? {rest}")
    );
    assert_eq!(
        failure("town: {type: string, from: address.ctiy}"),
        format!("http://h/orders: no record has 'address.ctiy'; did you mean 'address.city'? {rest}")
    );
    let yaml = format!(
        "{}\ncolumns: {{amount: float64, none: {{type: int64, optional: true}}}}",
        spec(&server, "pages: none")
    );
    assert_eq!(Project::new().read(&yaml).unwrap().table(), ["-|-|1"]);
    // Nothing is known of an object that is null in all items.
    let server = service(|_| json!([{"id": 1, "address": null}]));
    let yaml =
        format!("{}\ncolumns: {{id: int64, town: {{type: string, from: address.city}}}}", spec(&server, "pages: none"));
    assert_eq!(Project::new().read(&yaml).unwrap().table(), ["1|-|1"]);
}

#[test]
fn half_a_character_refuses_its_item_alone() {
    let server = HttpServer::start(|_, _| {
        let answer = r#"[{"id": 1, "t": "a"}, {"id": 2, "t": "x\ud83d"}, {"id": 3, "t": "b", "u": "\ud83d"}]"#;
        HttpAnswer::ok(answer).with_header("content-type", "application/json")
    });
    let read =
        Project::new().read(&format!("{}\ncolumns: {{id: int64, t: string}}", spec(&server, "pages: none"))).unwrap();
    assert_eq!(read.table(), ["1|a|1", "3|b|3"]);
    assert_eq!(read.refusals(), [r#"-|-|2|{"id":2,"t":"x\ud83d"}|the text "x\ud83d" is not valid"#]);
    let columns = "columns: {id: int64, t: {type: string, from: l}}";
    let project = Project::with("a.jsonl", "{\"id\": 1, \"l\": [\"a\", \"\\ud83d\"]}\n");
    let read = project.read(&format!("source: {{file: {{path: a.jsonl, explode: l}}}}\n{columns}")).unwrap();
    assert_eq!((read.table(), read.refused.height()), (vec!["1|a|1".to_owned()], 1));
}

/// How a service that was made up for one round leads on.
#[derive(Clone, Debug)]
struct Made {
    items: u64,
    size: u64,
    style: &'static str,
    /// What the last page with items has in place of a pointer.
    end: &'static str,
    /// Empty pages before each page but the first.
    gaps: u64,
    total: bool,
    more: bool,
    /// Under which key of `data` items stand: their list as such, or cut in two.
    keyed: bool,
}

impl Made {
    fn at_random(random: &mut Random) -> Made {
        let style = ["cursor", "next", "last", "number", "offset", "link"][random.below(6) as usize];
        let is_led = ["cursor", "next", "link"].contains(&style);
        let ends: &[&str] =
            if style == "link" { &["absent"] } else { &["null", "absent", "empty", "for ever", "again"] };
        Made {
            items: random.below(25),
            size: 1 + random.below(6),
            style,
            end: ends[random.below(ends.len() as u64) as usize],
            gaps: if is_led { random.below(3) } else { 0 },
            total: random.below(2) == 0,
            more: random.below(2) == 0 && !["next", "link"].contains(&style),
            keyed: random.below(3) == 0,
        }
    }

    fn keys(&self) -> String {
        let more = if self.more { ", more: has_more" } else { "" };
        let pages = match self.style {
            "cursor" => format!("{{cursor: {{query: cursor, at: ahead.next{more}}}}}"),
            "next" => "{next: {at: ahead.next}}".to_owned(),
            "last" => format!("{{last: {{query: after, id: id{more}}}}}"),
            "number" => format!("{{number: {{query: page{more}}}}}"),
            "offset" => format!("{{offset: {{query: offset{more}}}}}"),
            _ => "link".to_owned(),
        };
        let total = if self.total { ", total: total" } else { "" };
        format!("items: {}, pages: {pages}{total}", if self.keyed { "'data.*'" } else { "data" })
    }

    /// Pages that lead on: those with items, and the gaps between them.
    fn steps(&self) -> u64 {
        let pages = self.items.div_ceil(self.size).max(1);
        pages + (pages - 1) * self.gaps
    }

    fn answer(&self, request: &HttpRequest) -> HttpAnswer {
        let number = |name: &str| parameter(request, name).map(|n| n.parse::<u64>().unwrap());
        let (step, from) = match self.style {
            "last" => (0, number("after").map_or(0, |id| id + 1)),
            "number" => (0, (number("page").unwrap() - 1) * self.size),
            "offset" => (0, number("offset").unwrap()),
            _ => {
                let step = number("cursor").unwrap_or(0);
                let is_gap = step % (self.gaps + 1) != 0;
                (step, if is_gap || step >= self.steps() { self.items } else { step / (self.gaps + 1) * self.size })
            }
        };
        let ids: Vec<u64> = (from..self.items.min(from + self.size)).collect();
        let item = |id: &u64| json!({"id": id, "name": format!("n{id}")});
        let items: Vec<Value> = ids.iter().map(item).collect();
        let data = match self.keyed {
            false => json!(items),
            true => {
                let (first, second) = items.split_at(items.len() / 2);
                json!({"a": first, "b": second})
            }
        };
        let is_led = ["cursor", "next", "link"].contains(&self.style);
        let goes_on = if is_led { step + 1 < self.steps() } else { from + self.size < self.items };
        let mut answer = json!({"data": data, "total": self.items, "ahead": {}, "has_more": goes_on});
        let next = match (goes_on, self.end) {
            (true, _) | (false, "for ever") => json!((step + 1).to_string()),
            (false, "again") => json!((step + u64::from(!ids.is_empty())).to_string()),
            (false, "empty") => json!(""),
            (false, _) => json!(null),
        };
        let pointer = match next.as_str().filter(|next| !next.is_empty()) {
            Some(next) if self.style == "next" => json!(format!("/orders?cursor={next}")),
            _ => next.clone(),
        };
        if goes_on || self.end != "absent" {
            answer["ahead"]["next"] = pointer;
        }
        let answer = HttpAnswer::ok(&answer.to_string());
        match self.style == "link" && goes_on {
            true => answer.with_header("link", format!("</orders?cursor={}>; rel=\"next\"", step + 1)),
            false => answer,
        }
    }
}

/// Every item exactly once, in order, whatever the service's manner; or a refusal where it cannot be known whether
/// anything is missing.
#[test]
fn services_made_at_random_are_read_whole_or_refused() {
    let mut random = Random::seeded(18);
    let (mut whole, mut refused) = (0, 0);
    for round in 0..300 {
        let made = Made::at_random(&mut random);
        let (keys, served) = (made.keys(), made.clone());
        let server = HttpServer::start(move |_, request| served.answer(request));
        let yaml = format!("{}\ncolumns: {{id: int64, name: string}}", spec(&server, &keys));
        let read = Project::new().read(&yaml);
        let requests = server.requests().len() as u64;
        assert!(requests <= made.steps() + 11, "round {round}: {requests} requests; {made:?}");
        match read {
            Ok(read) => {
                let expected: Vec<i64> = (0..made.items as i64).collect();
                assert_eq!(ids(&read), expected, "round {round}: {made:?}");
                whole += 1;
            }
            Err(error) => {
                let text = error.to_string();
                // A first page that is the last, too, and lacks what would lead on.
                let untold = made.steps() == 1 && made.end == "absent" && made.items > 0 && !made.total;
                assert!(untold && text.contains("no answer has a 'ahead.next'"), "round {round}: {text}; {made:?}");
                assert_eq!(error.class(), Class::CannotRun);
                refused += 1;
            }
        }
        // The same service, asked with a path that leads nowhere: never a part of the items with no word about it.
        if keys.contains("ahead.next") && made.steps() > 1 {
            let astray = spec(&server, &keys.replace("ahead.next", "ahead.nxt"));
            let error = Project::new().read(&format!("{astray}\ncolumns: {{id: int64}}")).map(|read| read.rows_in);
            let error = error.unwrap_err();
            assert!(matches!(error.class(), Class::CannotRun | Class::Refused), "round {round}: {error}");
        }
    }
    assert!(whole > 250 && refused > 0, "{whole} whole, {refused} refused");
}

#[test]
fn a_service_without_link_headers_is_not_taken_for_one_page() {
    let items = |count: usize| move |_: u64| json!((0..count).map(|id| json!({"id": id})).collect::<Vec<_>>());
    let way_out = "write how the service leads on under 'pages' (number, offset, cursor, next or last), or 'pages: none' if that is all";
    let server = service(items(7));
    let (error, text) = fails(&server, "pages: link, query: {per_page: 7}");
    assert_eq!(error.class(), Class::CannotRun);
    assert_eq!(
        text,
        format!(
            "http://h/orders: no answer has a 'Link' header, and its first page is full, with the 7 items that 'per_page' asks \
             for; {way_out}"
        )
    );
    let (_, text) = fails(&service(items(30)), "pages: link");
    assert!(text.contains("and its first page holds 30 items, which looks like a full page"), "{text}");
    // A part of the page that was asked for is all, unless its size is one that services choose themselves.
    let read = Project::new().read(&spec(&server, "pages: link, query: {per_page: 50}")).unwrap();
    assert_eq!((ids(&read).len(), read.doubts), (7, vec![]));
    let read = Project::new().read(&spec(&service(items(30)), "pages: link, query: {per_page: 50}")).unwrap();
    assert_eq!((ids(&read).len(), read.doubts.len()), (30, 1));
    assert!(
        read.doubts[0].contains("of 30 items, though 'per_page' asks for 50: the service may have a limit of its own"),
        "{:?}",
        read.doubts
    );
    let read = Project::new().read(&spec(&server, "pages: link")).unwrap();
    assert!(
        read.doubts[0].contains("no answer has a 'Link' header, so one page was read, of 7 items"),
        "{:?}",
        read.doubts
    );
    // A total proves it, as does a header that names other pages.
    let server = service(|_| json!({"data": [{"id": 1}], "total": 1}));
    let read =
        Project::new().read(&spec(&server, "items: data, total: total, pages: link, query: {per_page: 1}")).unwrap();
    assert_eq!((ids(&read), read.doubts), (vec![1], vec![]));
    let server =
        HttpServer::start(|_, _| HttpAnswer::ok("[{\"id\": 1}]").with_header("link", "</orders?page=1>; rel=\"last\""));
    let read = Project::new().read(&spec(&server, "pages: link, query: {per_page: 1}")).unwrap();
    assert_eq!((ids(&read), read.doubts), (vec![1], vec![]));
    // One combination of two leads on, which proves that the service knows the header.
    let server = HttpServer::start(|_, request| {
        let (day, page) = (parameter(request, "day").unwrap(), parameter(request, "page"));
        let answer = HttpAnswer::ok(&json!([{"id": day, "page": page}]).to_string());
        match day == "2" && page.is_none() {
            true => answer.with_header("link", "</orders?day=2&page=2>; rel=\"next\""),
            false => answer,
        }
    });
    let keys = "pages: link, query: {per_page: 1}, for: {day: [1, 2]}";
    let read = Project::new().read(&format!("{}\ncolumns: {{id: int64}}", spec(&server, keys))).unwrap();
    assert_eq!((ids(&read), read.doubts), (vec![1, 2, 2], vec![]));
}

#[test]
fn doubts_about_the_end_are_reported() {
    let server = service(|n| json!({"data": if n < 2 { vec![json!({"id": n})] } else { Vec::new() }, "next": n + 1}));
    let read = Project::new().read(&spec(&server, CURSOR)).unwrap();
    assert_eq!(ids(&read), [0, 1]);
    assert!(read.doubts[0].contains("10 empty pages in a row, each of which leads to another, were taken for the end"));
    let server =
        HttpServer::start(|_, _| HttpAnswer::ok("[{\"id\": 1}]").with_header("link", "</orders?page=2>; rel=\"next\""));
    let read = Project::new().read(&spec(&server, "pages: none")).unwrap();
    assert!(read.doubts[0].contains("the answer names a next page in its 'Link' header, but 'pages' is none"));
    for (answer, place) in [
        (json!({"data": [{"id": 1}], "next": "/orders?page=2"}), Some("next")),
        (json!({"data": [{"id": 1}], "meta": {"next_cursor": 17}}), Some("meta.next_cursor")),
        (json!({"data": [{"id": 1}], "@odata.nextLink": "https://h/orders?page=2"}), Some("@odata.nextLink")),
        (json!({"data": [{"id": 1}], "_links": {"next": {"href": "/orders?page=2"}}}), Some("_links.next")),
        (json!({"data": [{"id": 1}], "hasMore": true}), Some("hasMore")),
        (json!({"data": [{"id": 1}], "next": null, "has_more": false, "next_page": ""}), None),
        (json!({"data": [{"id": 1, "next": "2"}], "paging": {"next": false}}), None),
    ] {
        let server = service(move |_| answer.clone());
        let read = Project::new().read(&spec(&server, "items: data")).unwrap();
        let told = place.map(|place| {
            format!("the answer names a next page in '{place}', but 'pages' is none, so one page was read")
        });
        assert_eq!(read.doubts.len(), usize::from(told.is_some()), "{:?}", read.doubts);
        assert!(read.doubts.iter().zip(&told).all(|(doubt, told)| doubt.ends_with(told.as_str())), "{:?}", read.doubts);
    }
    let server = service(|_| json!({"data": [{"id": 1}], "next": "/orders?page=2"}));
    let read = Project::new().read(&spec(&server, "items: data, for: {day: [1, 2, 3, 4, 5]}")).unwrap();
    assert_eq!((read.doubts.len(), read.doubts[3].as_str()), (4, "there are 2 more doubts of this kind"));
    // A total proves that there is no more.
    let server = service(|_| json!({"data": [{"id": 1}], "next": "/orders?page=2", "total": 1}));
    assert_eq!(Project::new().read(&spec(&server, "items: data, total: total")).unwrap().doubts, [""; 0]);
}

#[test]
fn an_end_that_contradicts_itself_is_refused() {
    let cursor = "items: data, pages: {cursor: {query: cursor, at: next, more: has_more}}";
    for next in [json!(null), json!(""), json!(false)] {
        let server = service(move |_| json!({"data": [{"id": 1}], "next": next, "has_more": true}));
        let (error, text) = fails(&server, cursor);
        assert_eq!(error.class(), Class::Refused);
        assert!(
            text.ends_with(
                "the answer says that more items follow, but 'next' does not lead to them; check 'at' and 'more' \
                 under 'pages'; or run again"
            ),
            "{text}"
        );
    }
    // The total shrinks while pages are read.
    let server = service(|n| json!({"data": [{"id": n}], "total": 5 - n}));
    let (error, text) = fails(&server, "items: data, total: total, pages: {number: {query: page, first: 0}}");
    assert_eq!(error.class(), Class::TryAgain);
    assert!(text.contains("the announced total changed from 5 to 4 between two pages"), "{text}");
    // A service that grants smaller pages than requested is read by what came.
    let server = HttpServer::start(|_, request| {
        let from: u64 = parameter(request, "offset").unwrap().parse().unwrap();
        let ids: Vec<Value> = (from..7).take(3).map(|id| json!({"id": id})).collect();
        HttpAnswer::ok(&json!(ids).to_string())
    });
    let read = Project::new().read(&spec(&server, "pages: {offset: {query: offset}}, query: {limit: 1000}")).unwrap();
    assert_eq!(ids(&read), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn relative_addresses_count_from_the_page_that_names_them() {
    let server = HttpServer::start(|_, request| {
        let (id, next) = match request.path.as_str() {
            "/orders" => (1, Some("/v2/list/second")),
            "/v2/list/second" => (2, Some("third")),
            "/v2/list/third" => (3, None),
            other => panic!("{other}"),
        };
        HttpAnswer::ok(&json!({"data": [{"id": id}], "next": next}).to_string())
    });
    assert_eq!(ids(&Project::new().read(&spec(&server, "items: data, pages: {next: {at: next}}")).unwrap()), [1, 2, 3]);
    for next in ["//elsewhere.example/orders", "http://127.0.0.1:9/orders"] {
        let server = service(move |_| json!({"data": [{"id": 1}], "next": next}));
        let (_, text) = fails(&server, "items: data, headers: {Authorization: secret}, pages: {next: {at: next}}");
        assert!(text.contains("'next' leads to another server; the key is not sent there"), "{text}");
    }
}
