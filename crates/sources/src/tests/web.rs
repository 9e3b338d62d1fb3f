//! Pages of a web site.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testkit::http_server::{HttpAnswer, HttpServer};

use super::*;

/// A site that answers by path, and 404 for what it does not have.
fn site(pages: &[(&'static str, &str)]) -> HttpServer {
    let pages: Vec<(&str, String)> = pages.iter().map(|(path, html)| (*path, (*html).to_owned())).collect();
    HttpServer::start(move |_, request| match pages.iter().find(|(path, _)| *path == request.path) {
        Some((_, html)) if html.starts_with("->") => {
            HttpAnswer::status(302, "").with_header("location", html[2..].to_owned())
        }
        Some((path, html)) if *path == "/robots.txt" => HttpAnswer::ok(html),
        Some((_, html)) => HttpAnswer::ok(html).with_header("content-type", "text/html; charset=utf-8"),
        None => HttpAnswer::status(404, "not here"),
    })
}

/// The source that begins at `path`.
fn web(server: &HttpServer, path: &str, keys: &str) -> String {
    format!("source: {{web: {{start: '{}', delay_seconds: 0, {keys}}}}}\n", server.url(path))
}

fn paths(server: &HttpServer) -> Vec<String> {
    server.requests().into_iter().map(|request| request.path).collect()
}

/// The error that reading ends with, whether on the first page or on a later one.
fn fails(yaml: &str) -> String {
    Project::new().failure(yaml).trim_start_matches("table 't': ").to_owned()
}

const ROWS: &str = "rows: .home, fields: {name: h2, price: .price}";

fn home(name: &str, price: &str) -> String {
    format!("<div class=home><h2>{name}</h2><b class=price>{price}</b></div>")
}

#[test]
fn pages_and_details_are_followed() {
    let server = site(&[
        (
            "/list",
            "<h1>Seoul</h1><div class=home><h2><a href=/h/1>One</a></h2> <b class=price>1,200</b></div>
             <div class=home><h2><a href='h/2?x=1#top'>Two &amp; a\n half</a></h2></div><a class=next href='?p=2'>next</a>",
        ),
        (
            "/list?p=2",
            "<base href=/deep/><h1>Busan</h1><div class=home><h2><a href=3>Three</a></h2><b class=price> 7 </b>
             <img src=p.jpg></div><a class=next href=#>next</a>",
        ),
        ("/h/1", "<table><tr><th>Area<td>84 m²<tr><th>Floor<td>3</table>"),
        ("/h/2?x=1", "<table><tr><th>Area<td><td></table>"),
        ("/deep/3", "<table><tr><th>Area<td>59<br>m²</table>"),
    ]);
    let keys = "rows: .home, next: a.next, details: h2 a, fields: {name: h2, price: .price, \
                link: {select: a, attribute: href}, city: {select: h1, of: page}, \
                image: {select: img, attribute: src}, \
                area: {select: 'th:contains(\"Area\") + td', of: details}}";
    let read = Project::new().read(&web(&server, "/list", keys)).unwrap();
    let at = |path: &str| server.url(path);
    let right = [
        format!("One|1,200|{}|Seoul|-|84 m²|1", at("/h/1")),
        format!("Two & a half|-|{}|Seoul|-|-|2", at("/h/2?x=1#top")),
        format!("Three|7|{}|Busan|{}|59 m²|1", at("/deep/3"), at("/deep/p.jpg")),
    ];
    assert_eq!((read.table(), read.rows_in), (right.to_vec(), 3));
    assert_eq!(lines(&read.rows.select(["_file"]).unwrap()), [at("/list"), at("/list"), at("/list?p=2")]);
    assert_eq!(paths(&server), ["/robots.txt", "/list", "/h/1", "/h/2?x=1", "/list?p=2", "/deep/3"]);
    assert!(read.doubts.is_empty(), "{:?}", read.doubts);
}

#[test]
fn types_are_declared_or_inferred() {
    let server = site(&[("/a", &format!("{}{}", home("1", "5"), home("2", "x")))]);
    let declared =
        format!("{}columns: {{price: int64, title: {{type: string, from: name}}}}", web(&server, "/a", ROWS));
    let read = Project::new().read(&declared).unwrap();
    assert_eq!((read.table(), read.refused.height()), (vec!["5|1|1".to_owned()], 1));
    assert!(read.refusals()[0].contains("x"), "{:?}", read.refusals());
    let read = Project::new().read(&web(&server, "/a", ROWS)).unwrap();
    assert_eq!(read.types(), ["name int64", "price string", "_file string", "_row uint32"].map(str::to_owned));
    let unknown = format!("{}columns: {{prise: int64}}", web(&server, "/a", ROWS));
    assert_eq!(fails(&unknown), "the column 'prise' is not under 'fields' of the source; did you mean 'price'?");
}

#[test]
fn a_selector_that_matches_nothing_is_an_error() {
    let page = format!("{}<a class=nxt href=/b>next</a><i class=js></i>", home("a", "1"));
    let server = site(&[("/a", &page), ("/b", &home("b", "2"))]);
    let start = server.url("/a");
    let hint = "look at the source of the page: elements that scripts add in a browser are not in it";
    for (keys, right) in [
        (
            "rows: .homes, fields: {name: h2}",
            format!("no page has an element that matches '.homes' under 'rows'; {hint}"),
        ),
        (
            "rows: .home, fields: {name: h2, price: .prise}",
            format!(
                "no row has an element that matches '.prise', the field 'price'; {hint}; if it may be missing, add 'optional: true'"
            ),
        ),
        (
            "rows: .home, fields: {name: {select: h2, attribute: title}}",
            format!(
                "no row has an element that matches 'h2' with the attribute 'title', the field 'name'; {hint}; if it may be missing, add 'optional: true'"
            ),
        ),
        (
            "rows: .home, next: a.next, fields: {name: h2}",
            format!(
                "no page has a link that matches 'a.next' under 'next'; {hint}; if all rows may be on one page, write 'next: {{select: …, optional: true}}'"
            ),
        ),
        (
            "rows: .home, next: .js, fields: {name: h2}",
            format!(
                "no page has a link that matches '.js' under 'next'; {hint}; if all rows may be on one page, write 'next: {{select: …, optional: true}}'"
            ),
        ),
        (
            "rows: .home, details: h2 a, fields: {name: {select: h1, of: details}}",
            "no row leads to its details; the first: no link matches 'h2 a' under 'details'; correct 'details'"
                .to_owned(),
        ),
    ] {
        assert_eq!(fails(&web(&server, "/a", keys)), format!("{start}: {right}"), "{keys}");
    }
    for keys in [
        "rows: .home, fields: {name: h2, price: {select: .prise, optional: true}}",
        "rows: .home, next: {select: a.next, optional: true}, fields: {name: h2}",
        "rows: .home, next: a.next, pages: 1, fields: {name: h2}",
    ] {
        assert_eq!(Project::new().read(&web(&server, "/a", keys)).unwrap().rows.height(), 1, "{keys}");
    }
    // A field that is not read need not be there, and its page is not requested.
    let keys =
        "rows: .home, details: h2, fields: {name: h2, price: .prise, two: 'h2, i', more: {select: b, of: details}}";
    let one = format!("{}columns: {{name: string}}", web(&server, "/a", keys));
    assert_eq!(Project::new().read(&one).unwrap().rows.height(), 1);
}

#[test]
fn several_elements_refuse_the_row_unless_it_says_which() {
    let page = "<li><b>1</b><b>2</b><li><b>3</b><b>3</b><li><b>4";
    let server = site(&[("/a", page)]);
    let of =
        |which: &str| Project::new().read(&web(&server, "/a", &format!("rows: li, fields: {{b: {which}}}"))).unwrap();
    let read = of("b");
    assert_eq!(read.table(), ["3|2", "4|3"]);
    assert_eq!(
        read.refusals(),
        ["-|1|12|'b': 2 elements match 'b', with '1' and '2'; choose with 'which', or narrow the selector"]
    );
    assert_eq!(of("{select: b, which: first}").table(), ["1|1", "3|2", "4|3"]);
    assert_eq!(of("{select: b, which: last}").table(), ["2|1", "3|2", "4|3"]);
    assert_eq!(of("{select: b, which: all}").table(), [r#"["1","2"]|1"#, r#"["3","3"]|2"#, r#"["4"]|3"#]);
}

#[test]
fn rows_within_rows_are_an_error() {
    let server = site(&[("/a", "<ul><li>a<ul><li>b</ul></ul>")]);
    assert_eq!(
        fails(&web(&server, "/a", "rows: li, fields: {t: li}")),
        format!(
            "{}: elements that match 'li' lie within one another ('b'); narrow 'rows', such as by '>' between two \
             selectors; each row must be an element of its own",
            server.url("/a")
        )
    );
}

#[test]
fn loops_end_the_run() {
    let next = |path: &str| format!("<a class=next href='{path}'>next</a>");
    let keys = format!("{ROWS}, next: a.next");
    let server = site(&[
        ("/a", &(home("a", "1") + &next("/b"))),
        ("/b", &(home("b", "2") + &next("/a"))),
        ("/same", &(home("a", "1") + &next("/again"))),
        ("/again", &(home("a", "1") + &next("/more"))),
        ("/two", &(home("a", "1") + &next("/a") + &next("/b"))),
        ("/gone", &(home("a", "1") + &next("/nowhere"))),
        ("/last", &(home("a", "1") + &next("/b2"))),
        ("/b2", &(home("b", "2") + &next("/b2"))),
        ("/empty", &(home("a", "1") + &next("/none"))),
        ("/none", "<p>no more homes"),
    ]);
    let at = |path: &str| server.url(path);
    for (path, right) in [
        (
            "/a",
            format!(
                "{}: page 2 leads back to {}, which was read already; nothing was published; check that 'next' is the link to \
                 the next page, and not to an earlier one",
                at("/b"),
                at("/a")
            ),
        ),
        (
            "/same",
            format!(
                "{}: page 2 has the same rows as page 1; nothing was published; check 'next', or stop before with 'pages'",
                at("/again")
            ),
        ),
        ("/two", format!("{}: 2 links match 'a.next', to {} and {}; correct 'next'", at("/two"), at("/a"), at("/b"))),
        (
            "/gone",
            format!(
                "{}: the server answers 404; nothing was published; correct 'next', or read fewer pages with 'pages'",
                at("/nowhere")
            ),
        ),
    ] {
        assert_eq!(fails(&web(&server, path, &keys)), right);
    }
    // The last page leads to itself.
    assert_eq!(Project::new().read(&web(&server, "/last", &keys)).unwrap().table(), ["a|1|1", "b|2|1"]);
    let read = Project::new().read(&web(&server, "/empty", &keys)).unwrap();
    assert_eq!(
        (read.table(), read.doubts),
        (vec!["a|1|1".to_owned()], vec![format!("{}: the page has no element that matches '.home'", at("/none"))])
    );
    // Only so many were requested.
    let first = web(&server, "/a", &format!("{keys}, pages: 2"));
    assert!(fails(&first).contains("leads back"), "a loop is a loop");
    let first = web(&server, "/same", &format!("{keys}, pages: 1"));
    assert_eq!(Project::new().read(&first).unwrap().table(), ["a|1|1"]);
    let limited = web(&server, "/last", &format!("{keys}, most_requests: 2"));
    assert_eq!(
        fails(&limited),
        format!(
            "{}: this would be more than the 2 requests that 'most_requests' allows; nothing was published; raise \
             'most_requests', or read fewer pages with 'pages'",
            at("/b2")
        )
    );
}

#[test]
fn details_that_cannot_be_read_refuse_their_row() {
    let row = |link: &str| format!("<li>{link}");
    let other = site(&[("/x", "<h1>other</h1>")]);
    let rows: String = [
        "<a href=/ok>a</a>".to_owned(),
        "<a href=/gone>b</a>".to_owned(),
        "c".to_owned(),
        "<a href=/ok>d</a><a href=/x>e</a>".to_owned(),
        "<a href=mailto:a@b>f</a>".to_owned(),
        format!("<a href='{}'>g</a>", other.url("/x")),
        "<a href=/away>h</a>".to_owned(),
        "<a href=/private/1>i</a>".to_owned(),
        "<a href=/pdf>j</a>".to_owned(),
        "<a href='http://[x'>k</a>".to_owned(),
        "<a href=/twice>l</a>".to_owned(),
        "<a href=/round>m</a>".to_owned(),
        "<a href=/ok#x>n</a>".to_owned(),
    ]
    .iter()
    .map(|link| row(link))
    .collect();
    let away = format!("->{}", other.url("/x"));
    let pages: Vec<(&'static str, String)> = vec![
        ("/robots.txt", "User-agent: *\nDisallow: /private/\n".to_owned()),
        ("/list", rows),
        ("/ok", "<h1>fine</h1>".to_owned()),
        ("/twice", "<h1>one</h1><h1>two</h1>".to_owned()),
        ("/away", away),
        ("/round", "->/round".to_owned()),
    ];
    let server = HttpServer::start(move |_, request| match request.path.as_str() {
        "/pdf" => HttpAnswer::ok("%PDF").with_header("content-type", "application/pdf"),
        path => match pages.iter().find(|(known, _)| *known == path) {
            Some((_, html)) if html.starts_with("->") => {
                HttpAnswer::status(302, "").with_header("location", html[2..].to_owned())
            }
            Some((_, html)) => HttpAnswer::ok(html),
            None => HttpAnswer::status(404, ""),
        },
    });
    let keys = "rows: li, details: a, fields: {t: li, h: {select: h1, of: details}}";
    let read = Project::new().read(&web(&server, "/list", keys)).unwrap();
    assert_eq!(read.table(), ["a|fine|1", "n|fine|13"]);
    let at = |path: &str| server.url(path);
    let host = other.url("").replace("http://", "");
    let right = [
        format!("details: {}: the server answers 404", at("/gone")),
        "no link matches 'a' under 'details'".to_owned(),
        format!("2 links match 'a' under 'details', to {} and {}", at("/ok"), at("/x")),
        "details: mailto:a@b: 'mailto:' is not an address of a page".to_owned(),
        format!("details: {}: it is on another host, {host}; if it is meant, name it under 'hosts'", other.url("/x")),
        format!("details: {}: it is on another host, {host}; if it is meant, name it under 'hosts'", at("/away")),
        format!(
            "details: {}: {}/robots.txt does not allow 'millrace' to read it ('Disallow: /private/')",
            at("/private/1"),
            at("")
        ),
        format!("details: {}: it is 'application/pdf' instead of HTML", at("/pdf")),
        "'http://[x' is not a valid address".to_owned(),
        format!(
            "details: {}: 'h': 2 elements match 'h1', with 'one' and 'two'; choose with 'which', or narrow the selector",
            at("/twice")
        ),
        format!("details: {}: the server redirects more than 5 times", at("/round")),
    ];
    let reasons = lines(&read.refused.select(["_reason"]).unwrap());
    assert_eq!(reasons, right);
    assert!(other.requests().is_empty(), "another host is not asked");
    let asked = paths(&server);
    assert_eq!(asked.iter().filter(|path| *path == "/ok").count(), 1, "rows share a page");
    assert!(!asked.contains(&"/private/1".to_owned()), "{asked:?}");
    // A host that is named may be asked.
    let keys = format!("{keys}, hosts: ['{host}']");
    let read = Project::new().read(&web(&server, "/list", &keys)).unwrap();
    assert_eq!(read.table(), ["a|fine|1", "g|other|6", "h|other|7", "n|fine|13"]);
    assert_eq!(paths(&other), ["/robots.txt", "/x", "/x"], "it has a robots.txt of its own");
}

#[test]
fn robots_are_obeyed() {
    let start = |robots: HttpAnswer| {
        let server = HttpServer::start(move |_, request| match request.path.as_str() {
            "/robots.txt" => robots.clone(),
            _ => HttpAnswer::ok(&home("a", "1")),
        });
        let result = Project::new().read(&web(&server, "/list?a=1", ROWS)).map(|read| read.rows.height());
        (result.map_err(|error| error.to_string()), server)
    };
    for (robots, right) in [
        (HttpAnswer::ok("User-agent: *\nAllow: /list\nDisallow: /"), Ok(1)),
        (HttpAnswer::ok("User-agent: other\nDisallow: /\n"), Ok(1)),
        (HttpAnswer::status(404, ""), Ok(1)),
        (HttpAnswer::status(403, ""), Ok(1)),
        (HttpAnswer::status(302, "").with_header("location", "/robots.txt"), Ok(1)),
        (
            HttpAnswer::ok("User-agent: *\nAllow: /\nUser-agent: MILLRACE\nDisallow: /*?a="),
            Err(
                "URL/list?a=1: URL/robots.txt does not allow 'millrace' to read it ('Disallow: /*?a='); correct 'start', or ask the site's owner",
            ),
        ),
        (
            HttpAnswer::status(503, "busy"),
            Err(
                "nothing may be read without robots.txt: URL/robots.txt: the server answers 503 Service Unavailable (tried 4 times); run again later, or name another source under 'fallback'",
            ),
        ),
        (
            HttpAnswer::Cut,
            Err(
                "nothing may be read without robots.txt: URL/robots.txt: the answer was cut short (tried 4 times); run again later, or name another source under 'fallback'",
            ),
        ),
        (
            HttpAnswer::ok("User-agent: *\nCrawl-delay: 86400\n"),
            Err(
                "URL/robots.txt: it requests 86400 s between two requests; 300 s is the most that is waited; ask the site's owner for another way to get the data",
            ),
        ),
    ] {
        let (result, server) = start(robots);
        let right = right.map_err(|text: &str| format!("table 't': {}", text.replace("URL", &server.url(""))));
        assert_eq!(result, right);
        let asked = paths(&server);
        assert_eq!(asked.contains(&"/list?a=1".to_owned()), result.is_ok(), "{asked:?}");
    }
    // Once for all pages, and by the name of the user agent.
    let server = site(&[
        ("/robots.txt", "User-agent: shop-bot\nDisallow: /x\n"),
        ("/a", &(home("a", "1") + "<a class=next href=/x/b>")),
        ("/x/b", &home("b", "2")),
    ]);
    let keys = format!("{ROWS}, next: a.next");
    assert_eq!(Project::new().read(&web(&server, "/a", &keys)).unwrap().rows.height(), 2);
    assert_eq!(paths(&server), ["/robots.txt", "/a", "/x/b"]);
    let keys = format!("{keys}, user_agent: 'Shop-Bot/2 (+https://shop.example/bot)'");
    assert_eq!(
        fails(&web(&server, "/a", &keys)),
        format!(
            "{0}/x/b: {0}/robots.txt does not allow 'Shop-Bot' to read it ('Disallow: /x'); nothing was published; \
             correct 'next', or read fewer pages with 'pages'",
            server.url("")
        )
    );
    assert_eq!(server.requests().last().unwrap().header("user-agent"), Some("Shop-Bot/2 (+https://shop.example/bot)"));
}

/// The pauses are those between the requests as the server saw them. It answers at once, so only too short ones tell.
#[test]
fn requests_are_spread() {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&times);
    let server = HttpServer::start(move |number, request| {
        noted.lock().unwrap().push(Instant::now());
        let page = |name: &str, next: &str| HttpAnswer::ok(&format!("{}<a class=next href={next}>", home(name, "1")));
        match request.path.as_str() {
            "/robots.txt" => HttpAnswer::ok("User-agent: *\nCrawl-delay: 0.3\n"),
            "/a" => page("a", "/b"),
            "/b" if number == 2 => HttpAnswer::status(429, "slow down").with_header("retry-after", "1"),
            "/b" => page("b", "/c"),
            _ => page("c", "/c"),
        }
    });
    let keys = format!("{ROWS}, next: a.next");
    let read = |delay: &str| {
        times.lock().unwrap().clear();
        let yaml = web(&server, "/a", &keys).replace("delay_seconds: 0", &format!("delay_seconds: {delay}"));
        let rows = Project::new().read(&yaml).unwrap().rows.height();
        let times = times.lock().unwrap();
        (rows, times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<Duration>>())
    };
    let (rows, gaps) = read("0.1");
    assert_eq!((rows, gaps.len()), (3, 4));
    let least = [300, 300, 1000, 300].map(Duration::from_millis);
    assert!(gaps.iter().zip(least).all(|(gap, least)| *gap >= least), "{gaps:?}");
    let (_, gaps) = read("0.5");
    assert!(gaps[1..].iter().all(|gap| *gap >= Duration::from_millis(500)), "{gaps:?}");
}

#[test]
fn passing_faults_are_retried_and_then_end_the_run() {
    let server = HttpServer::start(|number, request| match (request.path.as_str(), number) {
        ("/robots.txt", _) => HttpAnswer::status(404, ""),
        (_, 1) => HttpAnswer::Cut,
        (_, 2) => HttpAnswer::status(503, ""),
        (_, 3) => HttpAnswer::ok(" \n"),
        _ => HttpAnswer::ok(&home("a", "1")),
    });
    assert_eq!(Project::new().read(&web(&server, "/a", ROWS)).unwrap().rows.height(), 1);
    let server = HttpServer::start(|_, request| match request.path.as_str() {
        "/robots.txt" => HttpAnswer::status(404, ""),
        _ => HttpAnswer::status(503, "").with_header("retry-after", "4000"),
    });
    let error = Project::new().read(&web(&server, "/a", ROWS)).err().unwrap();
    assert_eq!(
        (error.to_string(), error.class()),
        (
            format!(
                "table 't': {}: the server answers 503 Service Unavailable and asks to wait 4000 s (tried once); run again \
                 later, or name another source under 'fallback'",
                server.url("/a")
            ),
            spec::Class::TryAgain
        )
    );
}

#[test]
fn large_and_broken_pages_do_no_harm() {
    let large = format!("<div class=home><h2>a</h2></div>{}", "<p>x</p>".repeat(50 << 17));
    assert!(large.len() > 50 << 20);
    let many = "<div class=home><h2>a<b class=price>1</b></h2></div>".repeat(20_000);
    let open = "<table><div class=home><h2>a<b class=price>1</h2><tr><td></b>x</div><div class=home";
    let server = site(&[("/large", &large), ("/many", &many), ("/open", open)]);
    assert_eq!(
        fails(&web(&server, "/large", ROWS)),
        format!("{}: it is larger than 32 MiB; correct 'start', or ask the site's owner", server.url("/large"))
    );
    assert_eq!(Project::new().read(&web(&server, "/many", ROWS)).unwrap().rows.height(), 20_000);
    let read = Project::new().read(&web(&server, "/open", ROWS)).unwrap();
    assert_eq!(read.table(), ["a1|1|1"]);
}

#[test]
fn what_is_written_wrongly_is_refused() {
    let failure =
        |keys: &str| table(&format!("source: {{web: {{start: 'http://h/', {keys}}}}}\n")).unwrap_err().to_string();
    let fields = "fields: {a: b}";
    for (keys, right) in [
        (format!("rows: 'a:hovr', {fields}"), "'a:hovr' is not a CSS selector: ':hovr' is not known; choose one of"),
        ("rows: a".to_owned(), "source.web: missing key 'fields'"),
        ("rows: a, fields: {}".to_owned(), "'fields' names nothing that a row holds"),
        ("rows: a, fields: {_file: b}".to_owned(), "the name '_file' under 'fields' is taken by the row's origin"),
        (
            "rows: a, fields: {b: {select: c, of: details}}".to_owned(),
            "the field 'b' is of the details, but 'details' names no link to them",
        ),
        (
            format!("rows: a, {fields}, details: a"),
            "'details' leads to pages of which no field is read; add 'of: details' to a field",
        ),
        ("rows: a, fields: {b: {selct: c}}".to_owned(), "unknown key 'selct'; did you mean 'select'?"),
        ("rows: a, fields: {b: {select: c, which: frist}}".to_owned(), "unknown which 'frist'; did you mean 'first'?"),
        (
            format!("rows: a, {fields}, next: {{select: a, optinal: true}}"),
            "unknown key 'optinal'; did you mean 'optional'?",
        ),
        (format!("rows: a, {fields}, delay_seconds: 301"), "'delay_seconds' is 301; it goes from 0 to 300"),
        (format!("rows: a, {fields}, delay_seconds: -1"), "'delay_seconds' is -1; it goes from 0 to 300"),
        (format!("rows: a, {fields}, pages: 0"), "'pages' is 0; leave it out to read all"),
        (format!("rows: a, {fields}, hosts: ['*.h']"), "'*.h' under 'hosts' is not a host such as www.homes.example"),
        (format!("rows: a, {fields}, user_agent: '9'"), "'user_agent' does not begin with a name"),
    ] {
        let failure = failure(&keys);
        assert!(failure.contains(right), "{failure}");
    }
    for (start, right) in [
        ("ftp://h/", "an address under 'start' does not begin with http:// or https://"),
        ("h/list", "an address under 'start' is not valid"),
        ("http://u:p@h/", "an address under 'start' holds a login, which files would show"),
        ("http://h/?api_key=x", "an address under 'start' has the parameter 'api_key', which files would show"),
    ] {
        let failure =
            table(&format!("source: {{web: {{start: '{start}', rows: a, {fields}}}}}\n")).unwrap_err().to_string();
        assert!(failure.contains(right) && !failure.contains("u:p"), "{failure}");
    }
}
