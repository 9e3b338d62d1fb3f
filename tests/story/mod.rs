//! The whole story of a model in one run, in compressed time, on generated data: it is served, a better version wins a
//! comparison, the world moves and the model learns again, a broken version is put back automatically.
//!
//! Nothing here is known to any tool. The pipeline is `housing` with other settings; visitors ask over HTTP, as anybody would.

mod visitors;

use std::sync::Arc;
use std::time::{Duration, Instant};

use demo::apartments::{City, Homes};
use serde_json::Value;
use testkit::http_server::{HttpAnswer, HttpServer};
use testkit::{Outcome, Project, Serve};

pub use visitors::{Answered, Visitors};

use crate::shipped;

const PIPELINE: &str = "housing";
/// From this month on homes cost more than anything that was learned before says.
const SHIFT: &str = "(price*1.6@2024-03)";

/// What is served and how it is judged: `resources/housing/` in other settings, so that minutes stand for weeks.
const SERVE: &str = "\
table: scoring
arms:
  production: {}
  staging: {share: 0.1}
rollout: {smoke_share: 0.2, smoke_for: 3s, max_errors: 0.01, max_p95: 10s, min_answers: 20, watch_for: 1h}
journal: {seal_every: 1s}
";
const RELEASE: &str = "\
units: visitors
primary: {outcome: contract}
secondary: [{outcome: inquiry}]
guardrails: {errors: 0.2, p95_ms: 10000}
least_improvement: 0.05
least_keys: 60
promote: {when: better}
";
const MONITOR: &str = "\
drift: {looks: 2, max_psi: 1, resamples: 100, priority: P2}
performance: {max_worse: 0.2, priority: P2}
service: {p95_ms: {goal: 5000, alert: 10000}}
comparison: {}
";
/// Before the experiments, and after.
const TRAIN: [&str; 2] = [
    "table: training\nlabel: price\ntask: regression\nentity: trade_id\ntime: contracted_on\nsplit: {by: time, shares: [0.8, \
     0.1, 0.1]}\nlabel_transform: log\nresamples: 100\nexperiments:\n",
    "choose_by: mae\ngate: [{metric: mae, at_most: 60000}]\npromote: {when: by_hand}\nretrain: {when: {drift: true, error_up: \
     0.2}}\n",
];
const SIMPLE: &str = "  simple: {tree: {depth: 3}}\n";
const BOOSTED: &str = "  boosted: {lightgbm: {trees: 100, learning_rate: 0.1}}\n";
/// On the logarithm of the price it has no bounds: for a home of a million square metres it says infinity.
const LINEAR: &str = "  linear: elastic_net\n";

/// What happened, for anyone who checks it.
pub struct Told {
    /// Every request that was answered, in any way.
    pub answered: Vec<Answered>,
    /// The bodies of the alerts that people got.
    pub alerts: Vec<String>,
    /// How long the broken version was in production.
    pub put_back_after: Duration,
    pub project: Project,
}

/// A story in the making.
struct Story<'a> {
    say: &'a mut dyn FnMut(&str),
    project: Project,
    server: Serve,
    visitors: Visitors,
    alerts: HttpServer,
    alerts_told: usize,
}

/// Tells the story to its end; `say` gets every line of it. `stay` is called at the end, while the server still answers, with
/// its address.
///
/// # Panics
/// If the story takes another turn than it should.
pub fn tell(say: &mut dyn FnMut(&str), stay: &mut dyn FnMut(&str)) -> Told {
    let mut story = Story::begin(say);
    story.served();
    story.a_better_version(BOOSTED, "a colleague tries boosted trees instead of a single small one");
    story.the_world_moves();
    let put_back_after = story.a_broken_version();
    story.end(put_back_after, stay)
}

impl<'a> Story<'a> {
    fn begin(say: &'a mut dyn FnMut(&str)) -> Story<'a> {
        let project = shipped(PIPELINE);
        let alerts = HttpServer::start(|_, _| HttpAnswer::ok("ok"));
        for (file, text) in [("serve", SERVE), ("release", RELEASE), ("monitor", MONITOR)] {
            project.write(&format!("resources/{PIPELINE}/{file}.yaml"), text);
        }
        project.write(
            "resources/alerts.yaml",
            format!("channels:\n  - slack: {{webhook: \"{}\", priorities: [P0, P1, P2, P3]}}\n", alerts.url("/alerts")),
        );
        say("1. housing is trained and served");
        say(&format!("   in {}", project.root().display()));
        experiments(&project, SIMPLE);
        let mut until = Until { project: &project, say };
        until.month("2024-02");
        until.run("train", &[]);
        until.run("release", &["--promote", "v1", "--why", "it is the first, and there is nothing to compare it with"]);
        until.run("predict", &["--quiet"]);
        until.run("monitor", &[]);
        let server = Serve::start(&project, &[PIPELINE]);
        let homes = Homes::of(City::with_shifts(SHIFT).expect("the shift can be read"));
        let visitors = Visitors::new(PIPELINE, Arc::new(homes), server.url());
        Story { say, project, server, visitors, alerts, alerts_told: 0 }
    }

    fn served(&mut self) {
        self.line(&format!("   look at {} while this goes on", self.server.url()));
        let mut client = self.server.client();
        let ready = || {
            let described = client.get(&format!("/api/v1/pipelines/{PIPELINE}")).json();
            !described["row"].is_null()
        };
        self.server.wait("the clean tables", ready);
        self.ask(200);
    }

    /// Trains a version that waits in staging, and lets visitors and `release` decide about it.
    fn a_better_version(&mut self, experiments_now: &str, why: &str) {
        self.line(&format!("\n2. a better version appears: {why}"));
        experiments(&self.project, experiments_now);
        self.run("train", &[]);
        self.compared();
    }

    /// The version in staging gets its share until `release` has decided; then it takes over.
    fn compared(&mut self) {
        let challenger = self.newest();
        self.until_it_answers(&challenger, "staging");
        for round in 0..30 {
            self.ask(300);
            if round == 1 {
                self.monitor();
            }
            let judged = self.project.run("release", [PIPELINE, "--quiet"]);
            // Nothing of the new comparison may be sealed yet.
            if judged.code == Some(75) {
                continue;
            }
            judged.exits(0);
            self.said("release", &judged);
            if self.in_production() == challenger {
                self.monitor();
                return self.takes_over(&challenger);
            }
        }
        panic!("{challenger} has not won after 9000 visitors: {}", self.history().join("\n"));
    }

    /// A smoke share first, then everybody.
    fn takes_over(&mut self, version: &str) {
        let shares = self.shares_until(|share| share == 1.0, version);
        let first = shares.iter().find(|share| **share > 0.0).copied().unwrap_or_default();
        self.line(&format!("   rollout: {version} answers {:.0} % of visitors, then all of them", first * 100.0));
    }

    /// Asks again and again which share of visitors `version` answers, until it is as wanted.
    fn shares_until(&mut self, is_wanted: impl Fn(f64) -> bool, version: &str) -> Vec<f64> {
        let (mut shares, began) = (Vec::new(), Instant::now());
        loop {
            let answers = self.visitors.ask(50);
            let by = answers.iter().filter(|answer| answer.version.as_deref() == Some(version)).count();
            shares.push(by as f64 / answers.len() as f64);
            if shares.last().is_some_and(|share| is_wanted(*share)) {
                return shares;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{version}: shares of {shares:?}; the server said: {}",
                self.server.said()
            );
        }
    }

    fn until_it_answers(&mut self, version: &str, arm: &str) {
        let mut client = self.server.client();
        let shown = || {
            let described = client.get(&format!("/api/v1/pipelines/{PIPELINE}")).json();
            let arms = described["arms"].as_array().cloned().unwrap_or_default();
            arms.iter().any(|of| of["name"] == arm && of["version"] == version)
        };
        self.server.wait(&format!("{version} in arm {arm}"), shown);
        self.line(&format!("   {version} gets one visitor in ten"));
    }

    /// Prices rise month by month; the watch sees it, alerts, and the model learns again.
    fn the_world_moves(&mut self) {
        self.line("\n3. from March on, homes cost 1.6 times as much");
        for month in ["2024-03", "2024-04", "2024-05", "2024-06"] {
            let mut until = Until { project: &self.project, say: self.say };
            until.month(month);
            until.run("predict", &["--quiet"]);
            self.visitors.move_to(month);
            self.ask(100);
            self.monitor();
            let looked = self.run("train", &["--dry-run"]);
            if looked.stderr.contains("would run because drift of ") {
                break;
            }
        }
        let trained = self.run("train", &[]);
        trained.says("runs because drift of ");
        self.compared();
    }

    /// A version that fails on some visitors' requests is put back automatically. Returns how long it was in production.
    fn a_broken_version(&mut self) -> Duration {
        self.line("\n4. a broken version is released: a linear model that has no bounds");
        let good = self.in_production();
        experiments(&self.project, LINEAR);
        self.project.run("train", [PIPELINE, "--force"]).exits(0);
        let broken = self.newest();
        let why = "it looked good on the test part";
        let began = Instant::now();
        self.run("release", &["--promote", &broken, "--why", why]);
        while self.in_production() == broken {
            self.visitors.ask(20);
            assert!(began.elapsed() < PATIENCE, "{broken} is not put back; the server said: {}", self.server.said());
        }
        let after = began.elapsed();
        self.line(&format!("   {broken} was put back to {good} after {:.1} s, automatically", after.as_secs_f64()));
        assert_eq!(self.in_production(), good);
        self.shares_until(|share| share >= 0.8, &good);
        self.alerted("was put back");
        after
    }

    fn end(mut self, put_back_after: Duration, stay: &mut dyn FnMut(&str)) -> Told {
        self.line("\n5. the log of decisions");
        for line in self.history() {
            self.line(&format!("   {}", shortened(&line)));
        }
        stay(self.server.url());
        let (code, said) = self.server.stop();
        assert_eq!(code, Some(0), "{said}");
        let alerts = self.alerts.requests().iter().map(|request| request.body.clone()).collect();
        Told { answered: self.visitors.answered(), alerts, put_back_after, project: self.project }
    }

    fn line(&mut self, text: &str) {
        (self.say)(text);
    }

    fn run(&mut self, tool: &str, arguments: &[&str]) -> Outcome {
        Until { project: &self.project, say: self.say }.run(tool, arguments)
    }

    fn said(&mut self, tool: &str, outcome: &Outcome) {
        Until { project: &self.project, say: self.say }.said(tool, outcome);
    }

    fn monitor(&mut self) {
        self.run("monitor", &[]);
        self.alerted("");
    }

    /// Tells the alerts that came since, and waits for one that has these words.
    fn alerted(&mut self, words: &str) {
        let began = Instant::now();
        loop {
            let all = self.alerts.requests();
            let new: Vec<String> = all[self.alerts_told..].iter().map(|request| title(&request.body)).collect();
            self.alerts_told = all.len();
            new.iter().for_each(|text| self.line(&format!("   alert: {text}")));
            if all.iter().any(|request| request.body.contains(words)) || words.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no alert has '{words}': {}", self.server.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// So many visitors ask, and some sign.
    fn ask(&mut self, visitors: u64) {
        let answers = self.visitors.ask(visitors);
        let signed = answers.iter().filter(|answer| answer.signed).count();
        let failed = answers.iter().filter(|answer| answer.status >= 500).count();
        let failed = if failed > 0 { format!(", {failed} got an error") } else { String::new() };
        self.line(&format!("   {visitors} visitors ask for a price, {signed} sign{failed}"));
    }

    /// The version that was trained last.
    fn newest(&self) -> String {
        let folders = self.project.list(&format!("data/models/{PIPELINE}"));
        let numbers = folders.iter().filter_map(|name| name.strip_prefix('v')?.parse::<u32>().ok());
        format!("v{}", numbers.max().expect("a version was trained"))
    }

    fn in_production(&self) -> String {
        let log = self.project.read(format!("data/models/{PIPELINE}/decisions.jsonl"));
        let mut decisions = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a decision"));
        let changes = |entry: &Value| ["promote", "rollback"].map(Some).contains(&entry["action"].as_str());
        let last = decisions.rfind(changes).expect("a version is in production");
        last["version"].as_str().expect("a version").to_owned()
    }

    fn history(&self) -> Vec<String> {
        self.project.run("release", [PIPELINE, "--history"]).stdout()
    }
}

/// Longer than anything takes, however slow the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// What tools say about the files that they write and read.
const BOOKKEEPING: [&str; 6] =
    [" in, ", " written", "would read", "would write", "it measures the present state", "skipped"];
/// Characters that a line of the story has at most.
const WIDTH: usize = 280;

fn shortened(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

/// Writes `train.yaml` with these experiments.
fn experiments(project: &Project, experiments: &str) {
    let [before, after] = TRAIN;
    project.write(&format!("resources/{PIPELINE}/train.yaml"), format!("{before}{experiments}{after}"));
}

/// The first line that people read of an alert.
fn title(body: &str) -> String {
    let text = serde_json::from_str::<Value>(body).ok().and_then(|body| body["text"].as_str().map(str::to_owned));
    let text = text.unwrap_or_else(|| body.to_owned());
    text.lines().take(2).collect::<Vec<_>>().join(" ")
}

/// Runs tools and tells what they say.
struct Until<'a> {
    project: &'a Project,
    say: &'a mut dyn FnMut(&str),
}

impl Until<'_> {
    /// Time advances to the end of `month`, whose sales are scored.
    fn month(&mut self, month: &str) {
        (self.say)(&format!("   it is the end of {month}"));
        let variables = format!(
            "HOUSING_FROM=2023-07\nHOUSING_TO={month}\nHOUSING_SCORE_FROM={month}-01\nHOUSING_API=demo:apartments{SHIFT}\n"
        );
        self.project.write(".env", variables);
        for tool in ["ingest", "clean", "features"] {
            self.project.run(tool, [PIPELINE, "--quiet"]).exits(0);
        }
    }

    fn run(&mut self, tool: &str, arguments: &[&str]) -> Outcome {
        let outcome = self.project.run(tool, [&[PIPELINE], arguments].concat());
        outcome.exits(0);
        self.said(tool, &outcome);
        outcome
    }

    fn said(&mut self, tool: &str, outcome: &Outcome) {
        let about = format!("{tool} {PIPELINE}: ");
        let is_told = |line: &&str| line.contains(&about) && !BOOKKEEPING.iter().any(|words| line.contains(words));
        for line in outcome.stderr.lines().filter(is_told) {
            (self.say)(&format!("   {}", shortened(line)));
        }
    }
}
