use super::*;

const EXAMPLE: &str = "
every: 1h
priorities: {warning: P3}
pipelines:
  churn:
    priorities: {refused: P1}
    stages:
      export: {cannot_run: P0}
channels:
  - slack: {webhook: \"${SLACK_WEBHOOK:-}\"}
  - mail:
      server: smtp.shop.example
      user: millrace
      password: ${SMTP_PASSWORD}
      from: Millrace <millrace@shop.example>
      to: [ops@shop.example]
      priorities: [P0, P1]
  - command: {run: [scripts/page, --loud], priorities: [P0]}
";

fn refusal(yaml: &str) -> String {
    let variables = [("HOOK", "https://hooks.example/T0/abc"), ("PW", "hunter22")];
    match load(&project(yaml), &variables) {
        Ok(_) => panic!("this should be refused: {yaml}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_project_without_the_file_has_no_alerts() {
    assert!(load(&Project::new(), &[]).unwrap().is_none());
}

#[test]
fn the_example_of_the_documentation_is_right() {
    let alerts = alerts(&project(EXAMPLE), &[("SMTP_PASSWORD", "hunter22")]);
    let names: Vec<String> = alerts.subscribers.iter().map(|subscriber| subscriber.channel.name()).collect();
    assert_eq!(names, ["mail to ops@shop.example", "command page"], "a webhook that is empty is switched off");
    assert_eq!(alerts.subscribers[1].priorities, [Priority::P0]);
    assert_eq!(alerts.every_delta, TimeDelta::hours(1));
    assert_eq!(alerts.patience.timeout, Duration::from_secs(10));
}

#[test]
fn what_is_wrong_is_placed_and_the_way_out_named() {
    let cases = [
        ("chanels: []\n", "resources/alerts.yaml:1:1: unknown key 'chanels'; did you mean 'channels'?"),
        (
            "channels:\n  - slak: {webhook: x}\n",
            "resources/alerts.yaml:2:5: channels[0]: unknown channel 'slak'; did you mean 'slack'?",
        ),
        (
            "channels:\n  - slack: {webhook: \"${HOOK}\", priorities: [P1, P7]}\n",
            "resources/alerts.yaml:2:50: channels[0].slack.priorities[1]: unknown priority 'P7'; \
             choose one of: P0, P1, P2, P3",
        ),
        (
            "channels: []\npriorities: {refused: off}\n",
            "resources/alerts.yaml:2:23: priorities.refused: unknown priority 'off'; \
             choose one of: P0, P1, P2, P3, none",
        ),
        (
            "channels:\n  - mail: {server: s, from: nobody, to: [a@b.c]}\n",
            "resources/alerts.yaml:2:29: channels[0].mail.from: 'nobody' is not a mail address; \
             write 'name@host' or 'Your Name <name@host>'",
        ),
        (
            "channels:\n  - slack: {webhook: \"${NOPE}\"}\n",
            "resources/alerts.yaml:2:22: channels[0].slack.webhook: the environment variable NOPE is not set; \
             set it, put it in .env, or write ${NOPE:-default}",
        ),
        (
            "channels: []\npipelines: {chrun: {}}\n",
            "resources/alerts.yaml:2:13: pipelines.chrun: no pipeline 'chrun'; did you mean 'churn'?",
        ),
        (
            "channels: []\npipelines: {churn: {stages: {claen: {}}}}\n",
            "resources/alerts.yaml:2:30: pipelines.churn.stages.claen: no stage 'claen'; did you mean 'clean'?",
        ),
        (
            "channels:\n  - command: {run: [a], pipelines: [text]}\n",
            "resources/alerts.yaml:2:37: channels[0].command.pipelines[0]: no pipeline 'text'; did you mean 'texts'?",
        ),
        (
            "channels:\n  - command: {run: [a], priorities: []}\n",
            "resources/alerts.yaml:2:25: channels[0].command.priorities: the list is empty; \
             leave the key out to take all priorities, or remove the channel",
        ),
        (
            "channels:\n  - command: {run: []}\n",
            "resources/alerts.yaml:2:15: channels[0].command.run: no program is named; write run: [program, argument, ...]",
        ),
        (
            "channels:\n  - mail: {server: s, from: a@b.c, to: []}\n",
            "resources/alerts.yaml:2:36: channels[0].mail.to: the list is empty; name at least one recipient",
        ),
        (
            "channels:\n  - mail: {server: s, from: a@b.c, to: [a@b.c], user: u}\n",
            "resources/alerts.yaml:2:49: channels[0].mail.user: there is no password; add one by ${VAR}",
        ),
        (
            "channels:\n  - mail: {server: s, tls: none, from: a@b.c, to: [a@b.c], user: u, password: \"${PW}\"}\n",
            "resources/alerts.yaml:2:23: channels[0].mail.tls: 'none' would send the password in the clear; \
             use 'starttls' or 'tls', or leave user and password out",
        ),
        (
            "channels: []\nevery: 3mo\n",
            "resources/alerts.yaml:2:1: every: '3mo' is too long; write hours, days or weeks, such as 1h",
        ),
        ("channels: []\nevery: 31d\n", "resources/alerts.yaml:2:1: every: '31d' is too long; 30d is the longest"),
        (
            "channels: []\ntimeout_seconds: 0\n",
            "resources/alerts.yaml:2:1: timeout_seconds: 0 is not between 1 and 300",
        ),
    ];
    assert_eq!(cases.map(|(yaml, _)| refusal(yaml)), cases.map(|(_, expected)| expected.to_owned()));
}

#[test]
fn a_webhook_that_is_not_an_address_is_not_repeated() {
    let yaml = "channels:\n  - slack: {webhook: \"${HOOK}\"}\n";
    for wrong in ["hooks.example/T0/abc", "ftp://hooks.example/abc", "https://"] {
        let error = load(&project(yaml), &[("HOOK", wrong)]).err().unwrap().to_string();
        assert_eq!(
            error,
            "resources/alerts.yaml:2:13: channels[0].slack.webhook: not an address that begins with https:// or http://"
        );
    }
}

#[test]
fn the_schema_knows_the_keys() {
    let schema = serde_json::to_value(schemars::schema_for!(AlertsSpec)).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["channels"]));
    let mut keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["channels", "every", "pipelines", "priorities", "timeout_seconds"]);
}

#[test]
fn mangled_files_are_read_or_refused_with_their_place() {
    let project = project(EXAMPLE);
    let variables = [("SLACK_WEBHOOK", "https://hooks.example/T0/abc"), ("SMTP_PASSWORD", "hunter22")];
    let examples = vec![EXAMPLE.to_owned(), "channels:\n  - slack: {webhook: \"${SLACK_WEBHOOK}\"}\n".to_owned()];
    testkit::mangle_texts("alerts.yaml", examples, move |text| {
        let read = Alerts::parse(text, Path::new("alerts.yaml"), &Root::at(project.root()), &environment(&variables));
        read.map(drop).map_err(|error| error.to_string())
    });
}
