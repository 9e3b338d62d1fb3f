//! Visitors of a server for prices: each asks what a home is worth, and signs the sooner the nearer the answer is to what the
//! market pays. Who they are and what they do follows from their number and from the answers they get.

use std::sync::Arc;

use chrono::NaiveDate;
use demo::apartments::Homes;
use serde_json::{Value, json};
use testkit::{HttpClient, Random};

/// Threads that ask.
const ASKERS: u64 = 2;
/// Of visitors that believe the price.
const SIGN: f64 = 0.4;
/// By how much the price may be off, as a share, before about a third of them is left.
const DOUBT: f64 = 0.15;
/// One of so many gives the size of the home in square centimetres.
const ODD: u64 = 20;

/// A visitor's request and its outcome.
#[derive(Clone, Debug)]
pub struct Answered {
    /// None where the answer was an error.
    pub request_id: Option<String>,
    pub status: u16,
    pub version: Option<String>,
    pub signed: bool,
}

/// All visitors so far.
pub struct Visitors {
    predictions: String,
    outcomes: String,
    homes: Arc<Homes>,
    url: String,
    month: NaiveDate,
    next: u64,
    answered: Vec<Answered>,
}

impl Visitors {
    pub fn new(pipeline: &str, homes: Arc<Homes>, url: &str) -> Visitors {
        Visitors {
            predictions: format!("/api/v1/pipelines/{pipeline}/predictions"),
            outcomes: format!("/api/v1/pipelines/{pipeline}/outcomes"),
            homes,
            url: url.to_owned(),
            month: NaiveDate::from_ymd_opt(2024, 2, 1).expect("a day"),
            next: 0,
            answered: Vec::new(),
        }
    }

    /// From here on homes are offered in `month`, such as `2024-03`.
    pub fn move_to(&mut self, month: &str) {
        self.month = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").expect("a month");
    }

    /// So many more visitors ask, one request each.
    pub fn ask(&mut self, count: u64) -> Vec<Answered> {
        let numbers = self.next..self.next + count;
        self.next += count;
        let of_asker = |asker: u64| {
            let mut client = HttpClient::connect(&self.url);
            let mine = numbers.clone().filter(|number| number % ASKERS == asker);
            mine.map(|number| self.visit(&mut client, number)).collect::<Vec<_>>()
        };
        let all: Vec<Answered> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..ASKERS).map(|asker| scope.spawn(move || of_asker(asker))).collect();
            askers.into_iter().flat_map(|asker| asker.join().expect("a visitor does not panic")).collect()
        });
        self.answered.extend(all.iter().cloned());
        all
    }

    fn visit(&self, client: &mut HttpClient, number: u64) -> Answered {
        let mut random = Random::seeded(number);
        let home = self.homes.offered(number, self.month);
        let unit = format!("visitor-{number}");
        let is_odd = number % ODD == ODD - 1;
        let area = if is_odd { home.area * 1e4 } else { home.area };
        let row = json!({
            "district": home.district, "complex": home.complex, "area": area, "floor": home.floor, "built": home.built,
            "contracted_on": home.day.to_string(),
        });
        let answer = client.post(&self.predictions, &json!({"row": row, "unit": unit}));
        if answer.status != 200 {
            assert_eq!(answer.status, 500, "{}", answer.text());
            return Answered { request_id: None, status: answer.status, version: None, signed: false };
        }
        let answer_json = answer.json();
        let prediction = &answer_json["predictions"][0];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let request_id = text(&answer_json["request_id"]);
        let price = prediction["score"].as_f64().expect("a price");
        let off = (price / home.worth).ln().abs();
        let chance = SIGN * (-off / DOUBT).exp();
        let mut happens = |chance: f64| (random.below(1_000_000) as f64) < chance * 1e6;
        let signed = happens(chance);
        let inquired = signed || happens(0.3);
        for (name, _) in [("inquiry", inquired), ("contract", signed)].into_iter().filter(|(_, happened)| *happened) {
            let outcome = json!({"request_id": request_id, "name": name, "value": true});
            client.post(&self.outcomes, &outcome).has_status(201);
        }
        Answered { request_id, status: 200, version: text(&prediction["version"]), signed }
    }

    /// All that were answered.
    pub fn answered(self) -> Vec<Answered> {
        self.answered
    }
}
