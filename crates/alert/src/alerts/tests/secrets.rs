use super::*;

/// Servers that repeat what they are sent, and a run whose error contains secrets: nowhere does a secret come out.
#[test]
fn no_secret_is_reported_returned_or_kept() {
    let http = HttpServer::start(|_, request| HttpAnswer::status(400, &format!("cannot post to {}", request.path)));
    let smtp = SmtpServer::with_login();
    smtp.plan("AUTH", SmtpFault::Reply("535 5.7.8 wrong password canary-password"), 1);
    let hook = http.url("/services/canary-hook?token=canary-query");
    let port = smtp.port().to_string();
    let yaml = "
channels:
  - slack: {webhook: \"${HOOK}\"}
  - mail:
      {server: 127.0.0.1, port: \"${PORT}\", tls: none, user: u, password: \"${MAIL_PW}\", from: a@b.c, to: [a@b.c]}
  - command: {run: [sh, -c, \"cat > got; env | grep ^MILLRACE >> got; cat got >&2; exit 1\", \"${PAGER_TOKEN}\"]}
";
    let variables = [
        ("HOOK", hook.as_str()),
        ("PORT", &port),
        ("MAIL_PW", "canary-password"),
        ("PAGER_TOKEN", "canary-token"),
        ("DB_PASSWORD", "canary-database"),
    ];
    let project = project(yaml);
    let alerts = alerts(&project, &variables);
    let event = Event {
        message: "cannot reach postgres with canary-database, token canary-token".to_owned(),
        hint: Some("check canary-database and canary-password".to_owned()),
        ..event()
    };
    let deliveries = alerts.send_at(&event, &project.at("data/runs/alerts"), at(0));
    let outputs = [
        deliveries.iter().map(Delivery::to_string).collect::<Vec<_>>().join("\n"),
        format!("{deliveries:?}"),
        project.read("got"),
        project.read("data/runs/alerts/sent.json"),
        http.requests()[0].body.clone(),
    ];
    for output in &outputs {
        assert!(!output.contains("canary"), "{output}");
    }
    assert!(outputs[2].contains("cannot reach postgres with ***, token ***"));
    assert_eq!(
        outputs[0].lines().next(),
        Some("slack 127.0.0.1: not sent: the server answered 400 Bad Request: cannot post to /***?***")
    );
    assert!(outputs[0].contains("mail to a@b.c: not sent: the server answered 535: 5.7.8 wrong password ***"));
}

/// A secret that ends where a text is cut must not leave its beginning behind.
#[test]
fn secrets_are_redacted_before_texts_are_cut() {
    let http = HttpServer::answering([HttpAnswer::ok("ok")]);
    let project = project(&format!("channels:\n  - slack: {{webhook: \"{}\"}}\n", http.url("/x")));
    let alerts = alerts(&project, &[("API_KEY", "canary-0123456789")]);
    let event = Event { message: format!("{}canary-0123456789", "x ".repeat(52)), ..event() };
    alerts.send_at(&event, &project.at("data/runs/alerts"), at(0));
    assert!(!http.requests()[0].body.contains("cana"));
}

/// Servers repeat what they were sent in their own way, and not as a whole.
#[test]
fn a_key_is_redacted_however_a_server_repeats_it() {
    let project = project("channels:\n  - slack: {webhook: \"${HOOK}\"}\n");
    let hook =
        "https://bot:canary-login@hooks.example/services/T01/B012canary/xyz/1canary-end?wait=true&id=canary%2Fquery";
    let alerts = alerts(&project, &[("HOOK", hook)]);
    for said in [
        "no such hook: B012canary",
        "{\"path\": \"\\/services\\/T01\\/B012canary\\/xyz\\/1canary-end\"}",
        "Basic Ym90OmNhbmFyeS1sb2dpbg==",
        "id canary/query, id canary%2fquery",
        "user bot, password canary-login",
    ] {
        let text = alerts.reason(said);
        assert!(text.contains("***") && !text.contains("canary") && !text.contains("Y2FuYXJ5"), "{said}: {text}");
    }
    assert_eq!(alerts.reason("true services of T01"), "true services of T01");
}
