//! A loopback server that speaks the chat-completions protocol (and files and batches), answers as a test says,
//! counts what it is asked, and fails on demand.
//!
//! ```no_run
//! use testkit::llm_server::{Fault, LlmServer};
//!
//! let server = LlmServer::start();
//! server.fault_at(2, Fault::Status(500));
//! println!("{} {:?}", server.base_url(), server.stats());
//! ```

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::loopback::{Ending, Loopback, lock};
use crate::{Random, http};

mod batches;
mod fit;

pub use batches::BatchPlan;
pub use fit::fitted;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// 429 with `Retry-After: <seconds>`.
    Busy(u64),
    /// 429 with `Retry-After` as a date so many seconds from now.
    BusyUntil(u64),
    /// 429 without `Retry-After`.
    BusySilent,
    /// 429 whose body is not JSON.
    BusyHtml,
    /// 429 with the code `insufficient_quota`.
    NoQuota,
    /// This status with a JSON error.
    Status(u16),
    /// No answer, and the connection stays open.
    Hang,
    /// The answer, one byte every so many milliseconds.
    Drip(u64),
    /// The connection is cut in the middle of the answer's body.
    Cut,
    /// 200 with a body that is not JSON.
    Garbled,
    /// 200 with this content instead of the answer.
    Says(String),
    /// 200 with this finish reason.
    Finishes(&'static str),
    /// 200 with a refusal.
    Refuses(String),
}

/// A request as the answering closure sees it.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The whole body.
    pub body: Value,
    /// The last user message.
    pub prompt: String,
    /// Number of the request, from 1.
    pub number: usize,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Chat requests that came.
    pub requests: usize,
    /// Chat requests that were answered with 200 and the real answer, by prompt.
    pub answered: HashMap<String, usize>,
    /// Most chat requests at once.
    pub at_once: usize,
    /// When chat requests came.
    pub arrivals: Vec<Instant>,
    /// Requests without the right key.
    pub unauthorized: usize,
    /// Batches that were created.
    pub batches: usize,
}

impl Stats {
    /// Most requests that came within any `window`.
    pub fn most_within(&self, window: Duration) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (at, arrival) in self.arrivals.iter().enumerate() {
            while arrival.duration_since(self.arrivals[first]) >= window {
                first += 1;
            }
            most = most.max(at - first + 1);
        }
        most
    }

    /// Most times that one prompt was answered.
    pub fn most_per_prompt(&self) -> usize {
        self.answered.values().copied().max().unwrap_or(0)
    }
}

type Answering = dyn Fn(&ChatRequest) -> String + Send + Sync;

struct Shared {
    stats: Mutex<Stats>,
    in_flight: Mutex<usize>,
    faults: Mutex<Faults>,
    answering: Mutex<Arc<Answering>>,
    latency: Mutex<Duration>,
    key: Mutex<Option<String>>,
    store: Mutex<batches::Store>,
    ending: Arc<Ending>,
}

#[derive(Default)]
struct Faults {
    at: HashMap<usize, Fault>,
    /// For prompts that hold this text: so many times.
    on: Vec<(String, Fault, usize)>,
    often: Option<(f64, Random, Vec<Fault>)>,
}

/// A running server. It stops when dropped.
pub struct LlmServer {
    listener: Loopback,
    shared: Arc<Shared>,
}

impl LlmServer {
    /// Starts on a free port. Answers are the last user message in upper case, fitted to the schema.
    pub fn start() -> LlmServer {
        let shared = Arc::new(Shared {
            stats: Mutex::default(),
            in_flight: Mutex::default(),
            faults: Mutex::default(),
            answering: Mutex::new(Arc::new(fitted)),
            latency: Mutex::default(),
            key: Mutex::default(),
            store: Mutex::default(),
            ending: Arc::default(),
        });
        let serving = Arc::clone(&shared);
        let listener = Loopback::start(&shared.ending, move |stream| serve(&serving, &stream));
        LlmServer { listener, shared }
    }

    /// The address up to and including the version.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.listener.address())
    }

    /// Answers with what `answering` returns as the message's content.
    pub fn answer(&self, answering: impl Fn(&ChatRequest) -> String + Send + Sync + 'static) {
        *lock(&self.shared.answering) = Arc::new(answering);
    }

    /// Each answer takes this long.
    pub fn latency(&self, latency: Duration) {
        *lock(&self.shared.latency) = latency;
    }

    /// Refuses requests without this key (401, and repeats the key that came).
    pub fn expect_key(&self, key: &str) {
        *lock(&self.shared.key) = Some(key.to_owned());
    }

    /// The request of this number (from 1) fails.
    pub fn fault_at(&self, number: usize, fault: Fault) {
        lock(&self.shared.faults).at.insert(number, fault);
    }

    /// Requests whose body holds `text` fail so many times.
    pub fn fault_on(&self, text: &str, fault: Fault, times: usize) {
        lock(&self.shared.faults).on.push((text.to_owned(), fault, times));
    }

    /// Each request fails with this probability, with one of `faults`; the seed makes it the same each time.
    pub fn fault_often(&self, probability: f64, seed: u64, faults: Vec<Fault>) {
        lock(&self.shared.faults).often = Some((probability, Random::seeded(seed), faults));
    }

    /// No more faults.
    pub fn heal(&self) {
        *lock(&self.shared.faults) = Faults::default();
    }

    /// What happens to the batches that are created from now on, in order.
    pub fn plan_batches(&self, plans: Vec<BatchPlan>) {
        lock(&self.shared.store).plan(plans);
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }
}

fn serve(shared: &Shared, stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let mut reader = http::Reader::new(stream);
    while let Some(request) = reader.next(&shared.ending) {
        if !answer(shared, stream, &request) {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

/// Answers one request; returns whether the connection stays open.
fn answer(shared: &Shared, stream: &TcpStream, request: &http::Request) -> bool {
    if let Some(key) = lock(&shared.key).clone() {
        let came = request.header("authorization").unwrap_or_default();
        if came != format!("Bearer {key}") {
            lock(&shared.stats).unauthorized += 1;
            let body = error(&format!("Incorrect API key provided: {came}"), "invalid_api_key");
            return http::write(stream, 401, &[], &body);
        }
    }
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/v1/chat/completions") {
        let (status, body) = batches::answer(shared, request);
        return http::write(stream, status, &[], &body);
    }
    *lock(&shared.in_flight) += 1;
    let goes_on = chat(shared, stream, request);
    *lock(&shared.in_flight) -= 1;
    goes_on
}

fn chat(shared: &Shared, stream: &TcpStream, request: &http::Request) -> bool {
    let number = {
        let mut stats = lock(&shared.stats);
        stats.requests += 1;
        stats.arrivals.push(Instant::now());
        stats.at_once = stats.at_once.max(*lock(&shared.in_flight));
        stats.requests
    };
    let fault = lock(&shared.faults).next(number, &request.body);
    let Ok(body) = serde_json::from_str::<Value>(&request.body) else {
        return http::write(stream, 400, &[], &error("not JSON", "invalid_json"));
    };
    let asked = ChatRequest { prompt: prompt(&body), body, number };
    match fault {
        None => {
            let (content, latency) = {
                let answering = Arc::clone(&lock(&shared.answering));
                (answering(&asked), *lock(&shared.latency))
            };
            std::thread::sleep(latency);
            *lock(&shared.stats).answered.entry(asked.prompt.clone()).or_default() += 1;
            http::write(stream, 200, &[("x-request-id", &format!("req-{number}"))], &completion(&asked, &content))
        }
        Some(fault) => fail(shared, stream, &asked, &fault),
    }
}

fn fail(shared: &Shared, stream: &TcpStream, asked: &ChatRequest, fault: &Fault) -> bool {
    let busy = error("Rate limit reached", "rate_limit_exceeded");
    match fault {
        Fault::Busy(seconds) => http::write(stream, 429, &[("retry-after", &seconds.to_string())], &busy),
        Fault::BusyUntil(seconds) => {
            let date = http::date(std::time::SystemTime::now() + Duration::from_secs(*seconds));
            http::write(stream, 429, &[("retry-after", &date)], &busy)
        }
        Fault::BusySilent => http::write(stream, 429, &[], &busy),
        Fault::BusyHtml => http::write(stream, 429, &[], "<html>Too many requests</html>"),
        Fault::NoQuota => http::write(stream, 429, &[], &error("You exceeded your quota", "insufficient_quota")),
        Fault::Status(status) => http::write(stream, *status, &[], &error("the server says no", "error")),
        Fault::Hang => {
            shared.ending.wait();
            false
        }
        Fault::Drip(milliseconds) => {
            http::drip(stream, &completion(asked, &fitted(asked)), Duration::from_millis(*milliseconds), &shared.ending)
        }
        Fault::Cut => http::cut(stream, &completion(asked, &fitted(asked))),
        Fault::Garbled => http::write(stream, 200, &[], "{\"choices\": [{\"mess"),
        Fault::Says(content) => http::write(stream, 200, &[], &completion(asked, content)),
        Fault::Finishes(reason) => {
            let mut body: Value = serde_json::from_str(&completion(asked, "{\"cut")).unwrap_or_default();
            body["choices"][0]["finish_reason"] = json!(reason);
            http::write(stream, 200, &[], &body.to_string())
        }
        Fault::Refuses(words) => {
            let mut body: Value = serde_json::from_str(&completion(asked, "")).unwrap_or_default();
            body["choices"][0]["message"] = json!({"role": "assistant", "content": null, "refusal": words});
            http::write(stream, 200, &[], &body.to_string())
        }
    }
}

impl Faults {
    fn next(&mut self, number: usize, body: &str) -> Option<Fault> {
        if let Some(fault) = self.at.remove(&number) {
            return Some(fault);
        }
        if let Some((_, fault, times)) =
            self.on.iter_mut().find(|(text, _, times)| *times > 0 && body.contains(&**text))
        {
            *times -= 1;
            return Some(fault.clone());
        }
        let (probability, random, faults) = self.often.as_mut()?;
        let draw = random.below(1_000_000) as f64 / 1e6;
        (draw < *probability).then(|| faults[random.below(faults.len() as u64) as usize].clone())
    }
}

/// The last user message.
fn prompt(body: &Value) -> String {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    last.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned()
}

/// A chat completion as OpenAI writes it. A token is four characters.
fn completion(asked: &ChatRequest, content: &str) -> String {
    let (tokens_in, tokens_out) = (asked.body["messages"].to_string().len() / 4, content.len() / 4 + 1);
    json!({
        "id": format!("chatcmpl-{}", asked.number), "object": "chat.completion", "created": 1_700_000_000,
        "model": asked.body["model"], "system_fingerprint": "fp_test", "a_key_of_tomorrow": {"x": 1},
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
                     "message": {"role": "assistant", "content": content, "refusal": null}}],
        "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    })
    .to_string()
}

fn error(message: &str, code: &str) -> String {
    json!({"error": {"message": message, "type": code, "param": null, "code": code}}).to_string()
}
