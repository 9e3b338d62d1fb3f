//! Serves the protocol of OpenAI on loopback: `llm_server [MILLISECONDS]` prints its address, answers each request after
//! so many milliseconds, and ends when its standard input does. Then it prints how many requests came.

use std::io::Read;
use std::time::Duration;

use testkit::llm_server::LlmServer;

fn main() {
    let latency = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let server = LlmServer::start();
    server.latency(Duration::from_millis(latency));
    println!("{}", server.base_url());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    println!("{}", server.stats().requests);
}
