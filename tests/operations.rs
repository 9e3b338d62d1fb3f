//! What docs/operations holds for Prometheus and Grafana, tried with the real programs: the rules are valid, a running server is
//! scraped, and every panel of the dashboard and every rule finds the metrics that it asks for. The dashboard is read by Grafana's
//! own SDK. The context of the images holds nothing that a machine has made for itself, and the probes of the containers fail when
//! a service does not work.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{HttpClient, Project, Serve};
use tests::repository;
use tests::served::{AT_ONCE, PREDICTIONS, people};

/// Whether Prometheus and its `promtool` are installed; a word on stderr if not.
fn is_installed() -> bool {
    let runs = |name: &str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let both = runs("prometheus") && runs("promtool");
    if !both {
        testkit::skipped("prometheus", "no prometheus or promtool; the package prometheus runs this test");
    }
    both
}

fn promtool(project: &Project, arguments: &[&str]) -> Output {
    Command::new("promtool").args(arguments).current_dir(project.root()).output().expect("promtool runs")
}

/// The example files in a project of their own.
fn with_examples(project: &Project, scrape_from: &str) {
    let read = |name: &str| std::fs::read_to_string(repository().join("docs/operations").join(name)).expect(name);
    let example = read("prometheus.yml");
    for part in ["scrape_interval: 15s", "127.0.0.1:8080", "/etc/prometheus/millrace-token"] {
        assert!(example.contains(part), "{part}: {example}");
    }
    let config = example
        .replace("scrape_interval: 15s", "scrape_interval: 200ms\n  evaluation_interval: 200ms")
        .replace("127.0.0.1:8080", scrape_from)
        .replace("/etc/prometheus/millrace-token", "token");
    project
        .write("prometheus.yml", config)
        .write("alerts.yml", read("alerts.yml"))
        .write("token", "viewer-viewer-viewer");
}

/// A running Prometheus; it stops with the test.
struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(project: &Project) -> Prometheus {
        // Another program may take the port before it does.
        (0..5).find_map(|_| Prometheus::on_a_free_port(project)).expect("Prometheus starts")
    }

    fn on_a_free_port(project: &Project) -> Option<Prometheus> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
        command.arg(format!("--web.listen-address={address}")).current_dir(project.root());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it can be started");
        let mut said = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let ready = said.by_ref().map_while(Result::ok).any(|line| line.contains("Server is ready"));
        // It keeps writing, and must not wait for a reader.
        std::thread::spawn(move || said.for_each(drop));
        let server = Prometheus { child, url: format!("http://{address}") };
        ready.then_some(server)
    }

    /// What an expression gives now. Panics if it cannot be evaluated.
    #[track_caller]
    fn query(&self, expression: &str) -> Vec<Value> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = HttpClient::connect(&self.url).get(&format!("/api/v1/query?query={encoded}"));
        let answer = answer.has_status(200).json();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}")).clone()
    }

    /// Waits until an expression gives something, for at most a minute.
    #[track_caller]
    fn wait_for(&self, expression: &str) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let found = self.query(expression);
            if !found.is_empty() {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{expression}: nothing within a minute");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn get(&self, path: &str) -> Value {
        HttpClient::connect(&self.url).get(path).has_status(200).json()
    }
}

/// Title and expressions of every panel, as the dashboard asks when everything is chosen.
fn panels() -> Vec<(String, String)> {
    let file = repository().join("docs/operations/grafana.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file).expect("a dashboard")).expect("JSON");
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title").to_owned();
        assert_eq!(panel["datasource"]["uid"], "${source}", "{title}");
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            // Over a minute in place of five: so long has the test no data.
            found.push((title.clone(), expression.replace("$pipeline", ".*").replace("[5m]", "[1m]")));
        }
    }
    found
}

/// `scripts/setup` writes the paths of its machine into `.cargo`; in the image they would replace those that it wrote there.
#[test]
fn units_cannot_change_the_system() {
    let folder = repository().join("docs/operations/systemd");
    for unit in std::fs::read_dir(folder).expect("there are units").flatten().map(|entry| entry.path()) {
        let text = std::fs::read_to_string(&unit).expect("a unit");
        let is_service = unit.extension().is_some_and(|extension| extension == "service");
        assert_eq!(text.contains("\nProtectSystem="), is_service, "{}", unit.display());
    }
}

#[test]
fn images_are_built_from_what_git_has() {
    let read = |name: &str| std::fs::read_to_string(repository().join(name)).expect(name);
    let ignored = read(".gitignore");
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let context = read("docs/operations/docker/Dockerfile.dockerignore");
    let sent: Vec<&str> = context.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(context.starts_with("*\n") && sent.contains(&"crates"), "{context}");
    for entry in sent {
        assert!(repository().join(entry).exists(), "{entry}: not in the repository");
        assert!(!ignored.contains(&entry), "{entry}: git ignores it");
    }
}

fn compose() -> String {
    std::fs::read_to_string(repository().join("docs/operations/docker/compose.yaml")).expect("compose.yaml")
}

/// The lines of one service.
fn service(name: &str) -> String {
    let compose = compose();
    let (_, services) = compose.split_once("\nservices:\n").expect("services");
    let is_a_name = |line: &str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
    let mut lines = services.lines().skip_while(|line| *line != format!("  {name}:"));
    let first = lines.next().unwrap_or_else(|| panic!("no service {name}"));
    let rest = lines.take_while(|line| !is_a_name(line) && (line.is_empty() || line.starts_with(' ')));
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n")
}

/// A variable that env.example leaves out is found out one `up` after the other.
#[test]
fn the_variables_that_compose_asks_for_are_in_the_example() {
    let example =
        std::fs::read_to_string(repository().join("docs/operations/docker/env.example")).expect("env.example");
    let offered: BTreeSet<&str> =
        example.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split('=').next()).collect();
    let compose = compose();
    let variables = compose.split("${").skip(1).map(|rest| rest.split('}').next().expect("a part"));
    let required: BTreeSet<&str> =
        variables.clone().filter_map(|variable| Some(variable.split_once(":?")?.0)).collect();
    assert_eq!(required, offered);
    for (name, _) in variables.filter_map(|variable| variable.split_once(":-")) {
        assert!(!["PASSWORD", "TOKEN", "KEY", "SECRET"].iter().any(|word| name.contains(word)), "{name} has a default");
    }
}

/// While the image of PostgreSQL makes its databases, a server answers on the socket alone, and is stopped again.
#[test]
fn postgres_is_healthy_when_it_takes_connections_from_other_containers() {
    let service = service("postgres");
    assert!(service.contains("pg_isready -h 127.0.0.1 "), "{service}");
}

/// Airflow answers 200 and says which of its parts are not healthy. The probe runs with a `curl` that answers in its place.
#[test]
fn airflow_is_not_healthy_without_its_scheduler() {
    let service = service("airflow");
    let probe = service.lines().find_map(|line| line.trim().strip_prefix("test: ")).expect("a probe");
    let probe =
        probe.strip_prefix("[CMD-SHELL, ").and_then(|probe| probe.strip_suffix(']')).expect("a command of the shell");
    let probe: String = serde_json::from_str(probe).expect("a text");
    let probe = probe.replace("$$", "$");
    let project = Project::new();
    let is_healthy = |answer: &str, code: u8| {
        project.write("bin/curl", format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {code}\n"));
        let curl = project.at("bin/curl");
        std::fs::set_permissions(&curl, std::fs::Permissions::from_mode(0o755)).expect("an executable");
        let path = format!("{}:{}", curl.parent().expect("a folder").display(), std::env::var("PATH").expect("PATH"));
        Command::new("sh").args(["-c", &probe]).env("PATH", path).status().expect("a shell").success()
    };
    let answer = |scheduler: &str| {
        json!({"metadatabase": {"status": "healthy"}, "scheduler": {"status": scheduler}}).to_string()
    };
    assert!(is_healthy(&answer("healthy"), 0));
    assert!(!is_healthy(&answer("unhealthy"), 0), "the scheduler has ended");
    assert!(!is_healthy("", 7), "nothing answers");
}

/// Airflow otherwise makes a password for each new container and prints it.
#[test]
fn the_password_of_airflow_is_that_of_the_variable() {
    let (service, compose) = (service("airflow"), compose());
    let file = "/opt/airflow/passwords.json";
    assert!(service.contains(&format!("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE: {file}")), "{service}");
    // Airflow opens it for writing too.
    assert!(
        service.contains(&format!("- source: airflow_passwords\n        target: {file}\n        mode: 0666")),
        "{service}"
    );
    assert!(
        compose.contains("  airflow_passwords:\n    content: |\n      {\"admin\": \"${AIRFLOW_PASSWORD:?"),
        "{compose}"
    );
}

/// The pages show the runs of Airflow only if both work in one folder, and both can only if both have one user.
#[test]
fn the_server_and_airflow_share_a_project() {
    for name in ["serve", "airflow"] {
        let service = service(name);
        for line in ["- project:/project/data", "user: \"${AIRFLOW_UID:-50000}:0\""] {
            assert!(service.lines().any(|found| found.trim() == line), "{line}: {service}");
        }
    }
    let dockerfile =
        std::fs::read_to_string(repository().join("docs/operations/docker/Dockerfile")).expect("Dockerfile");
    for owner in ["airflow", "millrace"] {
        let folder = format!("mkdir -p /project/data && chown -R {owner}:root /project && chmod -R g=u /project");
        assert!(dockerfile.contains(&folder), "{folder}: {dockerfile}");
    }
}

/// A ConfigMap or Secret among the manifests would empty that of the cluster when they are applied again.
#[test]
fn applying_the_manifests_again_keeps_pipelines_and_secrets() {
    let page = std::fs::read_to_string(repository().join("docs/production.md")).expect("the page can be read");
    let at = |command: &str| page.find(command).unwrap_or_else(|| panic!("docs/production.md has no `{command}`"));
    let folder = repository().join("docs/operations/kubernetes");
    let apply_all = at("kubectl apply -k docs/operations/kubernetes");
    for entry in std::fs::read_dir(folder).expect("the folder can be read").flatten() {
        let name = entry.file_name().display().to_string();
        let text = std::fs::read_to_string(entry.path()).expect("a manifest");
        for kind in ["ConfigMap", "Secret"] {
            assert!(!text.lines().any(|line| line == format!("kind: {kind}")), "{name}: {kind}");
        }
        // What pods read is there before them, and the namespace before that.
        let secrets = text.match_indices("secretRef").map(|_| "kubectl -n millrace create secret generic millrace");
        let maps = text.match_indices("configMap:").map(|_| "kubectl -n millrace create configmap churn");
        for command in secrets.chain(maps) {
            assert!(at("kubernetes/namespace.yaml") < at(command) && at(command) < apply_all, "{name}: {command}");
        }
    }
}

#[test]
fn the_dashboard_is_one_of_the_schema_that_grafana_publishes() {
    let Some(python) = testkit::python_with("grafana_foundation_sdk") else { return };
    let (script, file) = ("tests/operations/grafana.py", "docs/operations/grafana.json");
    let validate = |file: &std::path::Path| {
        let output = Command::new(&python).arg(repository().join(script)).arg(file).output().expect("Python runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (is_valid, said) = validate(&repository().join(file));
    assert!(is_valid, "{said}");
    assert!(said.trim().parse::<usize>().expect("a number") > 200, "{said}");
    // What is not in the schema does not pass.
    let text = std::fs::read_to_string(repository().join(file)).expect("a dashboard");
    let project = Project::new();
    project.write("wrong.json", text.replacen("\"gridPos\"", "\"gridpos\"", 1));
    let (is_valid, said) = validate(&project.at("wrong.json"));
    assert!(!is_valid && said.contains("dashboard.panels[0].gridpos: the schema does not have it"), "{said}");
}

#[test]
fn the_rules_and_the_configuration_are_valid() {
    if !is_installed() {
        return;
    }
    let project = Project::new();
    with_examples(&project, "127.0.0.1:8080");
    for arguments in [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]] {
        let output = promtool(&project, &arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("SUCCESS"), "{arguments:?}: {said}");
    }
}

#[test]
fn prometheus_scrapes_a_server_and_every_panel_and_rule_finds_its_metrics() {
    if !is_installed() {
        return;
    }
    let project = people().with_variable("SERVE_TOKEN_VIEWER", "viewer-viewer-viewer");
    let project = project.with_variable("SERVE_TOKEN_OPERATOR", "operator-operator-op");
    project.write("resources/p/serve.yaml", AT_ONCE);
    let server = Serve::start(&project, &[]);
    with_examples(&project, server.url().trim_start_matches("http://"));
    let prometheus = Prometheus::start(&project);
    prometheus.wait_for("up{job=\"millrace\"} == 1");
    // The first scrapes have seen the counters at 0; now something happens.
    prometheus.wait_for("count_over_time(millrace_serve_ready[1m]) >= 2");
    let mut client = server.client().with_header("authorization", "Bearer operator-operator-op");
    for key in 400..420 {
        client.post(PREDICTIONS, &json!({"key": key})).has_status(200);
    }
    client.post(PREDICTIONS, &json!({"key": 999_999})).has_status(404);
    client.get("/api/v1/results?pipeline=p").has_status(200);
    for (title, expression) in panels() {
        // The certificate is one of servers that speak TLS, and this one does not.
        if title == "Certificate" {
            prometheus.query(&expression);
            continue;
        }
        let found = prometheus.wait_for(&expression);
        let values: Vec<&str> = found.iter().filter_map(|one| one["value"][1].as_str()).collect();
        assert!(!values.is_empty(), "{title}: {expression}: {found:?}");
    }
    // What the panels say is what happened, as soon as it is scraped.
    prometheus.wait_for("sum(millrace_serve_predictions_total{pipeline=\"p\"}) == 20");
    prometheus.wait_for("sum(millrace_serve_requests_total{pipeline=\"p\", status=\"404\"}) == 1");
    prometheus.wait_for("min(millrace_serve_ready) == 1");

    // Every rule was evaluated, and none fires but for what is so.
    let rules = prometheus.get("/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().expect("rules").clone();
    assert!(rules.len() >= 14, "{rules:?}");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(rule["type"] != "alerting" || rule["state"] == "inactive", "{rule}");
    }
    // Each names metrics that the server has, so that it can fire.
    let names = prometheus.get("/api/v1/label/__name__/values");
    let names: Vec<&str> = names["data"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    let text =
        project.read("alerts.yml") + &panels().into_iter().map(|(_, expression)| expression + "\n").collect::<String>();
    let asked = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for name in asked.filter(|word| word.starts_with("millrace_serve_")) {
        // Only servers with a certificate have its metric: the test of TLS holds it.
        assert!(names.contains(&name) || name == "millrace_serve_certificate_seconds", "{name}: {names:?}");
    }
    // A swap that is refused is an increase: the counter was there before, at 0.
    prometheus.wait_for("sum(millrace_serve_swaps_total{pipeline=\"p\", outcome=\"refused\"}) == 0");
    prometheus.wait_for("sum(millrace_serve_journal_entries{pipeline=\"p\", fate=\"lost\"}) == 0");
    assert_eq!(server.stop().0, Some(0));
    prometheus.wait_for("up{job=\"millrace\"} == 0");
}
