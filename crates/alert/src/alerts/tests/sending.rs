use super::*;

/// A project that notifies a webhook.
fn slack_project(server: &HttpServer) -> Project {
    project(&format!("channels:\n  - slack: {{webhook: \"{}\"}}\n", server.url("/services/T0/B0/x")))
}

fn mail_project(server: &SmtpServer, more: &str) -> Project {
    project(&format!(
        "channels:\n  - mail:\n      server: 127.0.0.1\n      port: {}\n      from: Millrace \
         <millrace@shop.example>\n      to: \
         [ops@shop.example, Chef <chef@shop.example>]\n{more}",
        server.port()
    ))
}

fn told_once(project: &Project) -> String {
    told(&alerts(project, &[]), project, &event(), 0).join("\n")
}

#[test]
fn slack_gets_text_and_blocks() {
    let server = HttpServer::answering([HttpAnswer::ok("ok")]);
    let project = slack_project(&server);
    assert_eq!(told_once(&project), "slack 127.0.0.1: sent");
    let [request] = server.requests().try_into().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/services/T0/B0/x"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert!(body["text"].as_str().unwrap().starts_with("[millrace P2] churn clean refused: "));
    assert_eq!(body["blocks"][0]["type"], "header");
}

#[test]
fn a_passing_fault_is_tried_again() {
    let busy = || HttpAnswer::status(429, "rate_limited").with_header("retry-after", "0");
    for faults in [vec![busy()], vec![HttpAnswer::status(500, ""), busy()], vec![HttpAnswer::Cut]] {
        let tries = faults.len() + 1;
        let server = HttpServer::answering(faults.into_iter().chain([HttpAnswer::ok("ok")]));
        assert_eq!(told_once(&slack_project(&server)), format!("slack 127.0.0.1: sent after {tries} tries"));
        assert_eq!(server.requests().len(), tries);
    }
}

#[test]
fn a_fault_that_stays_is_given_up_and_named() {
    let cases = [
        (HttpAnswer::status(503, ""), "not sent after 3 tries: the server answered 503 Service Unavailable", 3),
        (
            HttpAnswer::status(429, "").with_header("retry-after", "3600"),
            "not sent: the server answered 429 Too Many Requests",
            1,
        ),
        (HttpAnswer::status(404, "no_team\n"), "not sent: the server answered 404 Not Found: no_team", 1),
        (
            HttpAnswer::status(302, "").with_header("location", "/elsewhere"),
            "not sent: the server answered 302 Found",
            1,
        ),
    ];
    for (answer, expected, tries) in cases {
        let server = HttpServer::answering([answer]);
        assert_eq!(told_once(&slack_project(&server)), format!("slack 127.0.0.1: {expected}"));
        assert_eq!(server.requests().len(), tries);
    }
}

#[test]
fn a_server_that_hangs_costs_one_time_out() {
    let server = HttpServer::answering([HttpAnswer::Hang]);
    let project = slack_project(&server);
    let mut alerts = alerts(&project, &[]);
    alerts.patience.timeout = Duration::from_secs(1);
    assert_eq!(told(&alerts, &project, &event(), 0), ["slack 127.0.0.1: not sent: no answer within 1 s"]);
    assert_eq!(server.requests().len(), 1, "who hangs may have taken it");
}

#[test]
fn nobody_at_the_address_is_named() {
    let project = project("channels:\n  - slack: {webhook: \"http://127.0.0.1:1/x\"}\n");
    assert_eq!(told_once(&project), "slack 127.0.0.1: not sent after 3 tries: cannot connect: connection refused");
}

#[test]
fn mail_is_a_mail_that_people_can_read() {
    let server = SmtpServer::start();
    let project = mail_project(&server, "      tls: none\n");
    let mut event = event();
    event.message = "texts: 3 of 100 rows have no '후기'".to_owned();
    let alerts = alerts(&project, &[]);
    assert_eq!(told(&alerts, &project, &event, 0), ["mail to ops@shop.example, chef@shop.example: sent"]);
    let [mail] = server.received().try_into().unwrap();
    assert_eq!(mail.from, "millrace@shop.example");
    assert_eq!(mail.to, ["ops@shop.example", "chef@shop.example"]);
    assert_eq!(mail.auth, None);
    let (headers, body) = mail.data.split_once("\n\n").unwrap();
    for header in [
        "From: Millrace <millrace@shop.example>",
        "To: ops@shop.example, Chef <chef@shop.example>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "Subject: [millrace P2] churn clean refused: texts: 3 of 100 rows have no",
    ] {
        assert!(headers.contains(header), "{header} is missing in:\n{headers}");
    }
    assert!(headers.contains("=?utf-8?b?"), "a subject in Korean is encoded:\n{headers}");
    assert!(mail.data.is_ascii() && !body.is_empty());
    assert_eq!(server.commands()[0], "EHLO prod-1");
}

#[test]
fn a_login_is_used() {
    let server = SmtpServer::with_login();
    let project = mail_project(&server, "      tls: none\n      user: user\n      password: pass\n");
    assert_eq!(told_once(&project), "mail to ops@shop.example, chef@shop.example: sent");
    // The base64 of "\0user\0pass", by Python's base64.b64encode.
    assert_eq!(server.received()[0].auth.as_deref(), Some("PLAIN AHVzZXIAcGFzcw=="));
}

#[test]
fn faults_of_mail_servers_are_distinguished() {
    let cases = [
        ("RCPT", SmtpFault::Reply("450 4.2.1 mailbox busy"), 2, "sent after 3 tries", 1),
        (
            ".",
            SmtpFault::Reply("451 4.3.0 later"),
            3,
            "not sent after 3 tries: the server answered 451: 4.3.0 later",
            0,
        ),
        (
            "RCPT",
            SmtpFault::Reply("550 5.1.1 no such user"),
            1,
            "not sent: the server answered 550: 5.1.1 no such user",
            0,
        ),
        ("CONNECT", SmtpFault::Reply("554 5.7.1 go away"), 1, "not sent: the server answered 554: 5.7.1 go away", 0),
        ("MAIL", SmtpFault::Hang, 1, "not sent: no answer within 1 s", 0),
    ];
    for (command, fault, times, expected, received) in cases {
        let server = SmtpServer::start();
        let project = mail_project(&server, "      tls: none\n");
        let mut alerts = alerts(&project, &[]);
        if matches!(fault, SmtpFault::Hang) {
            alerts.patience.timeout = Duration::from_secs(1);
        }
        server.plan(command, fault, times);
        assert_eq!(
            told(&alerts, &project, &event(), 0),
            [format!("mail to ops@shop.example, chef@shop.example: {expected}")]
        );
        assert_eq!(server.received().len(), received);
    }
}

#[test]
fn a_server_without_starttls_gets_neither_password_nor_mail() {
    let server = SmtpServer::with_login();
    let project = mail_project(&server, "      user: user\n      password: canary\n");
    assert_eq!(
        told_once(&project),
        "mail to ops@shop.example, chef@shop.example: not sent: STARTTLS is not supported on this server"
    );
    assert_eq!(server.commands(), ["EHLO prod-1"]);
}

/// A server that answers in plain text where TLS must begin has no certificate to trust.
#[test]
fn a_server_without_tls_is_given_up_at_once() {
    let server = SmtpServer::start();
    let project = mail_project(&server, "      tls: tls\n");
    let told = told_once(&project);
    let expected = "mail to ops@shop.example, chef@shop.example: not sent: no encrypted connection: ";
    assert!(told.starts_with(expected) && told.ends_with("name its certificate by SSL_CERT_FILE"), "{told}");
    assert_eq!((server.sessions(), server.received().len()), (1, 0));
}

#[test]
fn a_command_gets_json_variables_and_the_project_root() {
    let script = "cat > alert.json; printf '%s' \"$MILLRACE_ALERT_PRIORITY $MILLRACE_ALERT_STAGE $1\" > variables";
    let project = project(&format!(
        "channels:\n  - command: {{run: [sh, -c, {}, page, loud]}}\n",
        serde_json::to_string(&script.replace("${", "$${")).unwrap()
    ));
    assert_eq!(told_once(&project), "command sh: sent");
    let json: serde_json::Value = serde_json::from_str(&project.read("alert.json")).unwrap();
    assert_eq!(json["subject"], crate::text::example().subject());
    assert_eq!(json["snapshot"], "data/processed/churn/clean/latest");
    assert_eq!(json["held_back"], 0);
    assert_eq!(project.read("variables"), "P2 clean loud");
}

#[test]
fn a_command_answers_by_its_exit_code() {
    let cases = [
        ("exit 3", "not sent: it answered with exit code 3"),
        ("echo no modem >&2; exit 1", "not sent: it answered with exit code 1: no modem"),
        ("test -e once || { touch once; exit 75; }", "sent after 2 tries"),
        ("kill -9 $$", "not sent: it was killed by a signal"),
        ("exec sleep 60", "not sent: no answer within 2 s"),
    ];
    for (script, expected) in cases {
        let project =
            project(&format!("timeout_seconds: 2\nchannels:\n  - command: {{run: [sh, -c, \"{script}\"]}}\n"));
        assert_eq!(told_once(&project), format!("command sh: {expected}"));
    }
    let project = project("channels:\n  - command: {run: [/no/such/program, secret]}\n");
    assert_eq!(told_once(&project), "command program: not sent: cannot run 'program': no such file or directory");
}

#[test]
fn one_channel_that_fails_does_not_keep_the_others_from_telling() {
    let good = HttpServer::answering([HttpAnswer::ok("ok")]);
    let bad = HttpServer::answering([HttpAnswer::status(403, "invalid_token")]);
    let yaml = format!(
        "channels:\n  - slack: {{webhook: \"{}\"}}\n  - slack: {{webhook: \"{}\"}}\n",
        bad.url("/a"),
        good.url("/b")
    );
    let project = project(&yaml);
    assert_eq!(
        told_once(&project),
        "slack 127.0.0.1: not sent: the server answered 403 Forbidden: invalid_token\nslack 127.0.0.1: sent"
    );
    // The next run sends to the one that failed again, and not to the other.
    assert_eq!(
        told(&alerts(&project, &[]), &project, &event(), 1).join("\n"),
        "slack 127.0.0.1: not sent: the server answered 403 Forbidden: invalid_token\n\
         slack 127.0.0.1: not sent: an alert for the same cause was sent at 2026-11-21 01:42:13 UTC"
    );
}

#[test]
fn a_channel_takes_its_priorities_and_pipelines() {
    let server = HttpServer::answering([HttpAnswer::ok("ok")]);
    let url = server.url("/x");
    let yaml = format!(
        "channels:\n  - slack: {{webhook: \"{url}\", priorities: [P0, P1]}}\n  \
         - slack: {{webhook: \"{url}?texts\", pipelines: [texts]}}\npriorities: {{refused: P1}}\n\
         pipelines:\n  churn:\n    priorities: {{try_again: none}}\n    stages: {{clean: {{cannot_run: P0}}}}\n"
    );
    let project = project(&yaml);
    let alerts = alerts(&project, &[]);
    let subject = |class, pipeline: &str| {
        let event = Event { class, pipeline: spec::Name::new(pipeline).unwrap(), ..event() };
        let before = server.requests().len();
        let told = told(&alerts, &project, &event, 0).len();
        let requests = server.requests().split_off(before);
        assert_eq!(requests.len(), told);
        let priority = requests.first().map(|request| request.body.split("[millrace ").nth(1).unwrap()[..2].to_owned());
        (priority, requests.into_iter().map(|request| request.path).collect::<Vec<_>>())
    };
    let p = |priority: &str| Some(priority.to_owned());
    assert_eq!(subject(EventClass::Refused, "churn"), (p("P1"), vec!["/x".to_owned()]));
    assert_eq!(subject(EventClass::CannotRun, "churn"), (p("P0"), vec!["/x".to_owned()]));
    assert_eq!(subject(EventClass::TryAgain, "churn"), (None, vec![]));
    assert_eq!(subject(EventClass::TryAgain, "texts"), (p("P3"), vec!["/x?texts".to_owned()]));
    assert_eq!(subject(EventClass::Warning, "texts"), (None, vec![]));
}

#[test]
fn nothing_is_touched_when_nobody_takes_the_event() {
    let project = project("channels: []\n");
    assert_eq!(told_once(&project), "");
    assert!(!project.exists("data"));
}
