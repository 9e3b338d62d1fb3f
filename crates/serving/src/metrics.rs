//! The metrics at `/metrics`, for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, AtomicU64>;

/// Upper bounds of the latency buckets, in seconds.
const BOUNDS: [f64; 16] =
    [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 5.0];

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    predictions: Family<Labels, Counter>,
    latency: Family<Labels, Histogram, fn() -> Histogram>,
    journal: Family<Labels, Number>,
    written: Family<Labels, Histogram, fn() -> Histogram>,
    age: Family<Labels, Number>,
    version: Family<Labels, Number>,
    ready: Family<Labels, Number>,
    problem: Family<Labels, Number>,
    certificate: Family<Labels, Number>,
    pub in_flight: Gauge,
    pub turned_away: Counter,
    pub swaps: Family<Labels, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

/// What is counted for one arm; kept here, so that no map is searched per request.
#[derive(Clone)]
pub struct ArmMetrics {
    pub latency: Histogram,
    pub predictions: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("millrace_serve");
        let requests: Family<Labels, Counter> = Family::default();
        registry.register("requests", "Requests by pipeline, route and status", requests.clone());
        let predictions: Family<Labels, Counter> = Family::default();
        registry.register(
            "predictions",
            "Predictions by pipeline, arm and version; shadows included",
            predictions.clone(),
        );
        let latency: Family<Labels, Histogram, fn() -> Histogram> = Family::new_with_constructor(histogram);
        registry.register(
            "request_seconds",
            "Time from a request for predictions to its answer, by pipeline, arm and version",
            latency.clone(),
        );
        let journal: Family<Labels, Number> = Family::default();
        registry.register("journal_entries", "Entries by pipeline, journal and fate: kept or lost", journal.clone());
        let written: Family<Labels, Histogram, fn() -> Histogram> = Family::new_with_constructor(histogram);
        registry.register(
            "journal_seconds",
            "Time from a line of the log to the disk, which each answer waits for; by pipeline and journal",
            written.clone(),
        );
        let age: Family<Labels, Number> = Family::default();
        registry.register("age_seconds", "Age by pipeline and kind: model, features, results", age.clone());
        let version: Family<Labels, Number> = Family::default();
        registry.register("version", "1 for each version that answers, by pipeline, arm and version", version.clone());
        let ready: Family<Labels, Number> = Family::default();
        registry.register("ready", "1 for each pipeline that can be answered, 0 for one that cannot", ready.clone());
        let problem: Family<Labels, Number> = Family::default();
        registry.register(
            "problem",
            "1 for each part of a pipeline whose newest state cannot be used, so that an older one answers: model, results, \
             rows, log, rollback; 1 for masks of columns that there are not",
            problem.clone(),
        );
        let certificate: Family<Labels, Number> = Family::default();
        registry.register(
            "certificate_seconds",
            "For how long the certificate of the server is still valid; only with TLS",
            certificate.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("in_flight", "Requests in progress", in_flight.clone());
        let turned_away = Counter::default();
        registry.register(
            "turned_away",
            "Requests answered with 503 because too many were in progress",
            turned_away.clone(),
        );
        let swaps: Family<Labels, Counter> = Family::default();
        registry.register("swaps", "Changes of what answers, by pipeline and outcome", swaps.clone());
        Metrics {
            registry,
            requests,
            predictions,
            latency,
            journal,
            written,
            age,
            version,
            ready,
            problem,
            certificate,
            in_flight,
            turned_away,
            swaps,
        }
    }
}

fn of_arm(pipeline: &str, arm: &str, version: &str) -> Labels {
    vec![("pipeline", pipeline.to_owned()), ("arm", arm.to_owned()), ("version", version.to_owned())]
}

impl Metrics {
    /// What is counted for one arm.
    pub fn arm(&self, pipeline: &str, arm: &str, version: &str) -> ArmMetrics {
        let labels = of_arm(pipeline, arm, version);
        ArmMetrics {
            latency: self.latency.get_or_create_owned(&labels),
            predictions: self.predictions.get_or_create_owned(&labels),
        }
    }

    /// Counts a request on a route.
    pub fn request(&self, pipeline: &str, route: &'static str, status: u16) {
        let labels =
            vec![("pipeline", pipeline.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
    }

    /// The counter of requests, to be kept by the caller.
    pub fn requests(&self, pipeline: &str, route: &'static str, status: u16) -> Counter {
        let labels =
            vec![("pipeline", pipeline.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create_owned(&labels)
    }

    pub fn journal(&self, pipeline: &str, journal: &str, counts: &journal::Counts) {
        for (fate, count) in [("kept", counts.kept), ("lost", counts.lost)] {
            let labels =
                vec![("pipeline", pipeline.to_owned()), ("journal", journal.to_owned()), ("fate", fate.to_owned())];
            self.journal.get_or_create(&labels).set(count as f64);
        }
    }

    /// The time until lines of a journal are on disk; to be kept by the caller.
    pub fn written(&self, pipeline: &str, journal: &str) -> Histogram {
        let labels = vec![("pipeline", pipeline.to_owned()), ("journal", journal.to_owned())];
        self.written.get_or_create_owned(&labels)
    }

    pub fn age(&self, pipeline: &str, kind: &str, age: Duration) {
        let labels = vec![("pipeline", pipeline.to_owned()), ("kind", kind.to_owned())];
        self.age.get_or_create(&labels).set(age.as_secs_f64());
    }

    /// Begins the counters that alerts look at, at 0: Prometheus sees no increase in a counter that appears with its first count.
    pub fn begin(&self, pipeline: &str) {
        for outcome in ["done", "refused"] {
            let labels = vec![("pipeline", pipeline.to_owned()), ("outcome", outcome.to_owned())];
            drop(self.swaps.get_or_create(&labels));
        }
        for status in [200, 500, 503] {
            drop(self.requests(pipeline, "predictions", status));
        }
    }

    pub fn swap(&self, pipeline: &str, outcome: &'static str) {
        let labels = vec![("pipeline", pipeline.to_owned()), ("outcome", outcome.to_owned())];
        self.swaps.get_or_create(&labels).inc();
    }

    pub fn ready(&self, pipeline: &str, is_ready: bool) {
        let labels = vec![("pipeline", pipeline.to_owned())];
        self.ready.get_or_create(&labels).set(f64::from(u8::from(is_ready)));
    }

    pub fn certificate(&self, file: &std::path::Path, valid_for: Duration) {
        let labels = vec![("file", file.display().to_string())];
        self.certificate.get_or_create(&labels).set(valid_for.as_secs_f64());
    }

    /// Whether something is wrong with a part of a pipeline.
    pub fn problem(&self, pipeline: &str, part: &'static str, is_wrong: bool) {
        let labels = vec![("pipeline", pipeline.to_owned()), ("part", part.to_owned())];
        self.problem.get_or_create(&labels).set(f64::from(u8::from(is_wrong)));
    }

    /// The versions that answer now, in place of those before.
    pub fn versions<'a>(&self, now: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) {
        self.version.clear();
        for (pipeline, arm, version) in now {
            self.version.get_or_create(&of_arm(pipeline, arm, version)).set(1.0);
        }
    }

    /// As Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Names of metrics in a text.
    fn names(text: &str) -> BTreeSet<&str> {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts = text.match_indices("millrace_serve_").map(|(at, _)| &text[at..]);
        starts.map(|rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]).collect()
    }

    #[test]
    fn the_dashboard_and_the_alerts_name_metrics_that_exist() {
        let metrics = Metrics::default();
        let arm = metrics.arm("p", "production", "v1");
        arm.latency.observe(0.01);
        arm.predictions.inc();
        metrics.request("p", "predictions", 200);
        metrics.journal(
            "p",
            "requests",
            &journal::Counts { kept: 1, lost: 0, failing: false, why: None, in_segment: 1, segment_bytes: 0 },
        );
        metrics.written("p", "requests").observe(0.001);
        metrics.age("p", "model", Duration::from_secs(1));
        metrics.swap("p", "done");
        metrics.ready("p", true);
        metrics.problem("p", "model", true);
        metrics.certificate(std::path::Path::new("a.pem"), Duration::from_secs(1));
        metrics.versions([("p", "production", "v1")]);
        let text = metrics.text();
        let exported: BTreeSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        for (file, text) in [
            ("grafana.json", include_str!("../../../docs/operations/grafana.json")),
            ("alerts.yml", include_str!("../../../docs/operations/alerts.yml")),
        ] {
            let named = names(text);
            assert!(named.len() >= 8, "{file}: {named:?}");
            let unknown: Vec<&&str> = named.difference(&exported).collect();
            assert!(unknown.is_empty(), "{file} names {unknown:?}; there are {exported:?}");
        }
        // What is exported is on the dashboard, too.
        let shown = names(include_str!("../../../docs/operations/grafana.json"));
        let is_part = |name: &&str| name.ends_with("_sum") || name.ends_with("_count");
        let hidden: Vec<&&str> = exported.difference(&shown).filter(|name| !is_part(name)).collect();
        assert!(hidden.is_empty(), "not on the dashboard: {hidden:?}");
        let _: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/operations/grafana.json")).expect("JSON");
    }
}
