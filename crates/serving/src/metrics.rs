//! What Prometheus reads at `/metrics`.

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
    age: Family<Labels, Number>,
    version: Family<Labels, Number>,
    pub in_flight: Gauge,
    pub turned_away: Counter,
    pub swaps: Family<Labels, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

/// What is counted for one arm; kept at hand, so that no map is searched per request.
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
        let age: Family<Labels, Number> = Family::default();
        registry.register("age_seconds", "Age by pipeline and kind: model, features, results", age.clone());
        let version: Family<Labels, Number> = Family::default();
        registry.register("version", "1 for each version that answers, by pipeline, arm and version", version.clone());
        let in_flight = Gauge::default();
        registry.register("in_flight", "Requests that are worked on", in_flight.clone());
        let turned_away = Counter::default();
        registry.register(
            "turned_away",
            "Requests answered with 503 because too many were worked on",
            turned_away.clone(),
        );
        let swaps: Family<Labels, Counter> = Family::default();
        registry.register("swaps", "Changes of what answers, by pipeline and outcome", swaps.clone());
        Metrics { registry, requests, predictions, latency, journal, age, version, in_flight, turned_away, swaps }
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

    /// The counter of requests, to be kept at hand.
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

    pub fn age(&self, pipeline: &str, kind: &str, age: Duration) {
        let labels = vec![("pipeline", pipeline.to_owned()), ("kind", kind.to_owned())];
        self.age.get_or_create(&labels).set(age.as_secs_f64());
    }

    pub fn swap(&self, pipeline: &str, outcome: &'static str) {
        let labels = vec![("pipeline", pipeline.to_owned()), ("outcome", outcome.to_owned())];
        self.swaps.get_or_create(&labels).inc();
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
