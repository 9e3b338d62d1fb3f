//! Measures asking: `flood [DISTINCT] [CONCURRENCY] [MILLISECONDS]` starts a loopback server that answers after so many
//! milliseconds, asks it, and asks again with all known. Prints the share of the ideal time (distinct / concurrency x
//! latency) and how long the known answers took.

use std::time::{Duration, Instant};

use llm::{Input, Ledger, Settings, Task, ask};
use serde_json::json;
use spec::Environment;
use testkit::llm_server::LlmServer;

fn main() -> spec::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap_or_default());
    let (distinct, concurrency) = (numbers.next().unwrap_or(20_000), numbers.next().unwrap_or(64));
    let latency = Duration::from_millis(numbers.next().unwrap_or(50));
    let server = LlmServer::start();
    server.latency(latency);
    let folder = tempfile::tempdir().map_err(|error| spec::Error::cannot_run(error.to_string()))?;
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite"))?;
    let settings = Settings::parse(
        &format!(
            "providers: {{test: {{base_url: {}}}}}\nlimits: {{requests_per_second: 100000, concurrency: {concurrency}}}\n",
            server.base_url()
        ),
        &Environment::default(),
    )?;
    let written = json!({"task_name": "flood", "prompt": "Correct this review: {{ text }}", "model": "m",
                         "inputs": ["text"], "outputs": {"cleaned": "string", "mood": ["good", "bad"]}});
    let spec = serde_json::from_value(written).map_err(|error| spec::Error::cannot_run(error.to_string()))?;
    let task = Task::check(spec)?;
    let inputs: Vec<Input> = (0..distinct)
        .map(|row| Input::from_iter([("text".to_owned(), json!(format!("review number {row} was quite good")))]))
        .collect();
    let ideal = latency.as_secs_f64() * distinct as f64 / concurrency as f64;
    for round in ["asked", "known"] {
        let begun = Instant::now();
        let asked = ask(&task, &inputs, &settings, &ledger, &())?;
        let took = begun.elapsed().as_secs_f64();
        println!(
            "{round}: {took:.3} s, {} requests, {} cached, {} failed; {:.1} % of the ideal {ideal:.3} s",
            asked.totals.requests,
            asked.totals.cached,
            asked.totals.failed,
            100.0 * ideal / took
        );
    }
    let fault = |error: rusqlite::Error| spec::Error::cannot_run(error.to_string());
    let connection = rusqlite::Connection::open(ledger.path()).map_err(fault)?;
    let mean: f64 = connection.query_row("SELECT avg(latency_ms) FROM calls", [], |row| row.get(0)).map_err(fault)?;
    println!("at once at the server: {}; mean time of a request: {mean:.1} ms", server.stats().at_once);
    Ok(())
}
