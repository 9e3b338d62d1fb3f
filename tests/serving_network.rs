//! What `serve` must withstand from the network: headers and addresses that are none, requests hidden in others, and TLS.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::{Project, Serve};
use tests::served::{PREDICTIONS, people};

/// Sends bytes and reads all answers that come until the server closes the connection.
fn answers(server: &Serve, bytes: &[u8]) -> Vec<u16> {
    let mut client = server.client();
    client.send_raw(bytes).expect("sent");
    let mut statuses = Vec::new();
    while let Ok(answer) = client.read(false) {
        statuses.push(answer.status);
    }
    statuses
}

#[test]
fn headers_and_addresses_that_are_none_are_refused() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let body = "{\"key\": 420}";
    let post = |headers: &str| {
        let length = format!("content-length: {}\r\n", body.len());
        let length = if headers.to_lowercase().contains("content-length") { "" } else { &length };
        let head =
            format!("POST {PREDICTIONS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{length}{headers}\r\n");
        answers(&server, format!("{head}{body}").as_bytes())
    };
    let json = "content-type: application/json\r\n";
    assert_eq!(post(json), [200]);
    // One header twice: a proxy may have looked at the other one.
    for twice in ["content-type: text/plain\r\n", "content-length: 12\r\ncontent-length: 13\r\n", "host: y\r\n"] {
        assert_eq!(post(&format!("{json}{twice}")), [400], "{twice}");
    }
    let twice = "authorization: Bearer a\r\nauthorization: Bearer b\r\n";
    assert_eq!(post(&format!("{json}{twice}")), [400], "{twice}");
    // Control characters, folded lines, blanks before the colon.
    for wrong in
        ["x-a: b\rc: d\r\n", "x-a: b\0c\r\n", "x-a: b\r\n folded\r\n", "x-a : b\r\n", ": b\r\n", "x\x01a: b\r\n"]
    {
        assert_eq!(post(&format!("{json}{wrong}")), [400], "{wrong:?}");
    }
    let long = format!("x-a: {}\r\n", "a".repeat(100_000));
    assert_eq!(post(&format!("{json}{long}")), [431]);
    let many: String = (0..500).map(|at| format!("x-{at}: a\r\n")).collect();
    assert_eq!(post(&format!("{json}{many}")), [431]);
    // What a client writes never becomes a header of the answer.
    let mut client = server.client();
    for path in [
        "/api/v1/pipelines/p%0d%0aset-cookie:%20a=b/predictions",
        "/api/v1/results/420%0d%0ax:%20y?pipeline=p",
        "/api/v1/results?pipeline=p%0d%0aset-cookie:%20a=b",
    ] {
        let answer = client.get(path);
        assert!([404, 405].contains(&answer.status), "{path}: {}", answer.status);
        assert!(answer.header("set-cookie").is_none() && answer.header("x").is_none(), "{path}");
    }
    // Paths that climb lead nowhere.
    for path in [
        "/api/v1/pipelines/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/pipelines/../../../../etc/passwd",
        "/api/v1/pipelines/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/results/..%2f..%2f.env?pipeline=p",
        "/api/v1/results/..%2f..%2fscores/history?pipeline=p",
        "/api/v1/results?pipeline=../p",
        "/api/v1/results?pipeline=..%2f..%2fdata",
        "/..%5c..%5cetc",
        "//etc/passwd",
        "/%00",
        "/%ff%fe",
    ] {
        let answer = client.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("root:"), "{path}");
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn no_request_hides_in_another() {
    let project = people();
    let server = Serve::start(&project, &["--idle", "2"]);
    let hidden = "GET /api/v1/pipelines HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let head = format!("POST {PREDICTIONS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    // Two lengths of one body: as chunks it ends before the hidden request, by its length after it.
    let both =
        format!("{head}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}", 5 + hidden.len());
    let seen = answers(&server, both.as_bytes());
    assert!(seen.len() == 1 && seen[0] == 400, "{seen:?}");
    for coding in ["chunked, identity", "identity", "xchunked", "chunked\r\ntransfer-encoding: identity", "\x0bchunked"]
    {
        let request = format!("{head}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n{hidden}");
        let seen = answers(&server, request.as_bytes());
        assert!(seen.len() <= 1 && seen.first().is_none_or(|status| *status >= 400), "{coding:?}: {seen:?}");
    }
    for length in ["+12", "-1", "12, 13", "0x0c", "1 2", "99999999999999999999999"] {
        let request = format!("{head}content-length: {length}\r\n\r\n{{\"key\": 420}}{hidden}");
        let seen = answers(&server, request.as_bytes());
        assert!(seen.len() <= 1 && seen.first().is_none_or(|status| *status >= 400), "{length}: {seen:?}");
    }
    // A chunk that is longer than it says.
    let request = format!("{head}transfer-encoding: chunked\r\n\r\n3\r\n{{\"key\": 420}}\r\n0\r\n\r\n{hidden}");
    let seen = answers(&server, request.as_bytes());
    assert!(seen.len() <= 1 && seen.first().is_none_or(|status| *status >= 400), "{seen:?}");
    // Two honest requests on one connection are two.
    let body = "{\"key\": 420}";
    let honest = format!("{head}content-length: {}\r\n\r\n{body}{hidden}", body.len());
    assert_eq!(answers(&server, honest.as_bytes()), [200, 200]);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    let project = people();
    let server = Serve::start(&project, &["--connections-per-address", "2"]);
    let ask = |client: &mut testkit::HttpClient| {
        client.send_raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").and_then(|()| client.read(false))
    };
    let mut held: Vec<_> = (0..2).map(|_| server.client()).collect();
    held.iter_mut().for_each(|client| assert_eq!(ask(client).expect("an answer").status, 200));
    assert!(ask(&mut server.client()).is_err(), "one more is closed");
    held.iter_mut().for_each(|client| assert_eq!(ask(client).expect("an answer").status, 200));
    // One that is closed makes room, as soon as the server notices.
    held.pop();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while ask(&mut server.client()).is_err() {
        assert!(std::time::Instant::now() < deadline, "no room");
    }
    assert_eq!(server.stop().0, Some(0));
}

/// Makes certificates with `openssl`; `None`, with a word on stderr, where there is none.
struct Authority<'a>(&'a Project);

impl Authority<'_> {
    fn new(project: &Project) -> Option<Authority<'_>> {
        match Command::new("openssl").arg("version").output() {
            Ok(output) if output.status.success() => Some(Authority(project)),
            _ => {
                testkit::skipped("openssl", "no openssl");
                None
            }
        }
    }

    /// Writes `NAME.pem` and `NAME.key`: a certificate of 127.0.0.1 that is valid between these days from now.
    fn certificate(&self, name: &str, subject: &str, days: (i64, i64)) {
        let at = |days: i64| {
            let now =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs() as i64;
            let output = Command::new("date")
                .args(["-u", "-d", &format!("@{}", now + days * 86_400), "+%Y%m%d%H%M%SZ"])
                .output();
            String::from_utf8(output.expect("date works").stdout).expect("a text").trim().to_owned()
        };
        let (from, until) = (at(days.0), at(days.1));
        let run = |arguments: &[&str]| {
            let output =
                Command::new("openssl").args(arguments).current_dir(self.0.root()).output().expect("openssl runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let (key, request, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        run(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            subject,
        ]);
        // Only the small authority of openssl takes dates in the past.
        self.0.write("index.txt", "").write("serial", "01\n").write("san.cnf", "subjectAltName=IP:127.0.0.1\n");
        self.0.write(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n\
             unique_subject=no\n[p]\ncommonName=supplied\n",
        );
        run(&[
            "ca",
            "-batch",
            "-selfsign",
            "-config",
            "ca.cnf",
            "-in",
            &request,
            "-keyfile",
            &key,
            "-out",
            &pem,
            "-startdate",
            &from,
            "-enddate",
            &until,
            "-extfile",
            "san.cnf",
            "-notext",
        ]);
    }

    /// Asks over TLS, trusting `certificate` alone. What the server answered, and what openssl said.
    fn get(&self, url: &str, certificate: &str, request: &str) -> (String, String) {
        let address = url.trim_start_matches("https://");
        let mut command = Command::new("openssl");
        command.args([
            "s_client",
            "-connect",
            address,
            "-CAfile",
            certificate,
            "-verify_return_error",
            "-verify_ip",
            "127.0.0.1",
        ]);
        command.args(["-quiet", "-ign_eof"]).current_dir(self.0.root());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        child.stdin.take().expect("stdin").write_all(request.as_bytes()).expect("sent");
        let output = child.wait_with_output().expect("it ends");
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn tls_by_certificate_files_that_are_renewed_while_it_runs() {
    let project = people();
    let Some(authority) = Authority::new(&project) else { return };
    authority.certificate("one", "/CN=one", (-1, 30));
    authority.certificate("two", "/CN=two", (-1, 60));
    authority.certificate("old", "/CN=old", (-30, -1));
    authority.certificate("future", "/CN=future", (2, 30));
    project.write("empty.pem", "").write("text.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (chain, key, error) in [
        (
            "one.pem",
            "two.key",
            "two.key: not the key of the certificate in one.pem; give PEM files with --certificate and --key",
        ),
        ("old.pem", "old.key", "old.pem: the certificate expired on "),
        ("future.pem", "future.key", "future.pem: the certificate is valid only from "),
        ("empty.pem", "one.key", "empty.pem: it holds no certificate; "),
        ("text.pem", "one.key", "text.pem: not a certificate that can be read; "),
        ("one.pem", "one.pem", "one.pem: it holds no private key; "),
        ("none.pem", "one.key", "none.pem: cannot read: no such file or directory"),
    ] {
        let arguments = ["--listen", "127.0.0.1:0", "--certificate", chain, "--key", key];
        project.run("serve", arguments).exits(2).says(error);
    }
    project.run("serve", ["--certificate", "one.pem"]).exits(2);
    let copy = |name: &str| {
        for end in ["pem", "key"] {
            project.write(&format!("now.{end}"), project.read(format!("{name}.{end}")));
        }
    };
    copy("one");
    let server = Serve::start(&project, &["--certificate", "now.pem", "--key", "now.key", "--access-log", "all"]);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let body = json!({"key": 420}).to_string();
    let request = format!(
        "POST {PREDICTIONS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (answer, said) = authority.get(server.url(), "one.pem", &request);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer} {said}");
    let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!(json["predictions"][0]["key"], 420);
    let (nothing, said) = authority.get(server.url(), "two.pem", &request);
    assert!(nothing.is_empty() && said.contains("verif"), "{said}");
    // Half of the files, then both: only the two together are taken.
    project.write("now.pem", project.read("two.pem"));
    server.wait("the mismatch", || server.said().contains("now.key: not the key of the certificate in now.pem"));
    assert!(authority.get(server.url(), "one.pem", &request).0.starts_with("HTTP/1.1 200"), "the one before is shown");
    copy("two");
    server.wait("the new one", || server.said().contains("uses the new certificate in now.pem"));
    assert!(authority.get(server.url(), "two.pem", &request).0.starts_with("HTTP/1.1 200"));
    let metrics = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (metrics, _) = authority.get(server.url(), "two.pem", metrics);
    let left =
        metrics.lines().find_map(|line| line.strip_prefix("millrace_serve_certificate_seconds{file=\"now.pem\"} "));
    let left = left.unwrap_or_else(|| panic!("no such metric: {metrics}"));
    let left: f64 = left.parse().expect("a number");
    assert!((59.0..60.1).contains(&(left / 86_400.0)), "{left}");
    // Who does not speak TLS is not answered, and does no harm.
    let mut plain = testkit::HttpClient::connect(&server.url().replace("https", "http"));
    plain.send_raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    assert!(plain.read(false).is_err());
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains(&format!("POST {PREDICTIONS} 200 ")), "the access log: {said}");
}

#[test]
fn a_session_over_tls_is_in_a_secure_cookie_of_this_host_alone() {
    const TOKEN: &str = "viewer-viewer-viewer";
    let project = people().with_variable("SERVE_TOKEN_VIEWER", TOKEN);
    let Some(authority) = Authority::new(&project) else { return };
    authority.certificate("one", "/CN=one", (-1, 30));
    let server = Serve::start(&project, &["--certificate", "one.pem", "--key", "one.key"]);
    let (url, host) = (server.url(), server.url().trim_start_matches("https://"));
    let get = |path: &str, cookie: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
        authority.get(url, "one.pem", &request).0
    };
    let log_in = |token: &str, origin: &str| {
        let form = format!("token={token}&next=%2F");
        let head = format!(
            "POST /login HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
            form.len()
        );
        authority.get(url, "one.pem", &(head + &form)).0
    };
    let cookie_of = |answer: &str| -> Option<String> {
        let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie: "))?;
        Some(line["set-cookie: ".len()..].trim().to_owned())
    };
    assert!(get("/", "").starts_with("HTTP/1.1 303"), "nobody is logged in");
    let refused = log_in("not-a-token-of-anybody", url);
    assert!(refused.starts_with("HTTP/1.1 401") && cookie_of(&refused).is_none(), "{refused}");
    // The form of a page that came without TLS is one of another site.
    let foreign = log_in(TOKEN, &url.replace("https", "http"));
    assert!(foreign.starts_with("HTTP/1.1 403") && cookie_of(&foreign).is_none(), "{foreign}");

    let answer = log_in(TOKEN, url);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let cookie = cookie_of(&answer).unwrap_or_else(|| panic!("no cookie: {answer}"));
    // A browser takes this prefix only over TLS, for the whole host, and from no other host of the domain.
    assert!(cookie.starts_with("__Host-millrace="), "{cookie}");
    for part in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.split("; ").any(|other| other == part), "{part}: {cookie}");
    }
    assert!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair");
    let page = get("/", cookie);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Logged in as viewer"), "{page}");
    // The same value without the prefix may have come from anywhere.
    assert!(get("/", &cookie.replace("__Host-", "")).starts_with("HTTP/1.1 303"));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn the_access_log_is_structured_and_off_by_default() {
    let project = people();
    let server = Serve::start(&project, &[]);
    server.client().get("/healthz").has_status(200);
    assert!(!server.stop().1.contains("/healthz"));
    let server = Serve::start(&project, &["--log-format", "json", "--access-log", "all"]);
    let mut client = server.client();
    let id = client.post(PREDICTIONS, &json!({"key": 420})).header("x-request-id").expect("an id").to_owned();
    client.get("/nowhere?secret=hunter2").has_status(404);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = |path: &str| lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("{path}: {said}"));
    let asked = line(PREDICTIONS);
    assert_eq!((asked["method"].as_str(), asked["status"].as_u64()), (Some("POST"), Some(200)));
    assert_eq!(asked["request_id"], id.as_str());
    assert!(asked["client"].as_str().expect("an address").starts_with("127.0.0.1:"));
    assert!(asked["micros"].as_u64().is_some_and(|micros| micros > 0));
    assert_eq!(
        (line("/nowhere")["status"].as_u64(), line("/nowhere")["error"].as_str()),
        (Some(404), Some("not_found"))
    );
    assert!(!said.contains("hunter2"));
    project.run("serve", ["--access-log", "some"]).exits(2).says("write off, errors, all, or a share such as 0.01");
}
