//! Sends requests to a server over some connections and says how they were answered, as one line of JSON.
//!
//!     load URL PATH BODIES CONNECTIONS [--seconds S] [--requests N] [--rate R] [--type TYPE] [--ids FILE]
//!
//! BODIES holds a body per line, or is one body if TYPE is another than JSON. With a rate, each request has its time, and its
//! latency counts from then: a server that falls behind cannot hide it. `--ids` keeps the ids of the answers.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testkit::HttpClient;

struct Options {
    seconds: f64,
    requests: u64,
    rate: f64,
    kind: String,
    ids: Option<String>,
}

#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    failed: u64,
    ids: Vec<String>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().unwrap_or_else(|| panic!("{what} is missing"));
    let (url, path, bodies, connections) = (next("URL"), next("PATH"), next("BODIES"), next("CONNECTIONS"));
    let mut asked =
        Options { seconds: 1e9, requests: u64::MAX, rate: 0.0, kind: "application/json".to_owned(), ids: None };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{flag} needs a value"));
        let number = || value.parse::<f64>().unwrap_or_else(|error| panic!("{flag} {value}: {error}"));
        match flag.as_str() {
            "--seconds" => asked.seconds = number(),
            "--requests" => asked.requests = number() as u64,
            "--rate" => asked.rate = number(),
            "--type" => asked.kind = value,
            "--ids" => asked.ids = Some(value),
            other => panic!("no flag {other}"),
        }
    }
    let whole = std::fs::read(&bodies).unwrap_or_else(|error| panic!("{bodies}: {error}"));
    let bodies: Vec<&[u8]> = match asked.kind.as_str() {
        "application/json" => whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect(),
        _ => vec![&whole],
    };
    let connections: u64 = connections.parse().expect("a number of connections");
    let (begun, sent) = (Instant::now(), AtomicU64::new(0));
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let work = || ask(&url, &path, &bodies, &asked, begun, &sent);
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let seen = thread.join().expect("no panic");
            all.micros.extend(seen.micros);
            all.failed += seen.failed;
            all.ids.extend(seen.ids);
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(file) = &asked.ids {
        let mut file = std::fs::File::create(file).expect("a file can be made");
        all.ids.iter().try_for_each(|id| writeln!(file, "{id}")).expect("it can be written");
    }
    all.micros.sort_unstable();
    let at = |share: f64| match all.micros.len() {
        0 => 0.0,
        count => f64::from(all.micros[((count as f64 * share).ceil() as usize).clamp(1, count) - 1]) / 1e3,
    };
    let answered = all.micros.len();
    println!(
        "{{\"answered\":{answered},\"failed\":{},\"seconds\":{seconds:.3},\"per_second\":{:.1},\"p50_ms\":{},\"p95_ms\":{},\"p99_ms\":{}}}",
        all.failed,
        answered as f64 / seconds,
        at(0.5),
        at(0.95),
        at(0.99)
    );
}

fn ask(url: &str, path: &str, bodies: &[&[u8]], asked: &Options, begun: Instant, sent: &AtomicU64) -> Seen {
    let mut client = HttpClient::connect(url);
    let headers = [("content-type", asked.kind.as_str())];
    let mut seen = Seen::default();
    loop {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        let due = if asked.rate > 0.0 { Duration::from_secs_f64(number as f64 / asked.rate) } else { begun.elapsed() };
        if number >= asked.requests || due.as_secs_f64() >= asked.seconds {
            return seen;
        }
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let method = if bodies.is_empty() { "GET" } else { "POST" };
        let body = if bodies.is_empty() { &[][..] } else { bodies[number as usize % bodies.len()] };
        match client.send(method, path, &headers, body) {
            Ok(answer) if answer.status == 200 => {
                seen.micros.push((begun.elapsed() - due).as_micros() as u32);
                if asked.ids.is_some() {
                    seen.ids.extend(answer.header("x-request-id").map(str::to_owned));
                }
            }
            Ok(_) => seen.failed += 1,
            Err(_) => {
                seen.failed += 1;
                client = HttpClient::connect(url);
            }
        }
    }
}
