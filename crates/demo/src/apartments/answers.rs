//! What the services answer: trades and leases as XML, places as JSON.

use std::fmt::Write as _;

use chrono::Datelike;
use serde_json::{Value, json};

use super::city::{DISTRICTS, Spot};
use super::fault::Fault;
use super::market::{Contract, Market};
use super::server::KEY;

/// The parameters of a request.
pub(crate) struct Query(pub Vec<(String, String)>);

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// An answer before it is sent.
pub(crate) struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    /// The query of the next page, for a `Link` header.
    pub next: Option<String>,
    pub body: String,
}

impl Answer {
    fn xml(body: String) -> Answer {
        Answer { status: 200, content_type: "application/xml;charset=utf-8", next: None, body }
    }

    pub(crate) fn status(status: u16) -> Answer {
        Answer { status, content_type: "text/plain", next: None, body: String::new() }
    }
}

/// Where a page lies among all items.
struct Slice {
    from: usize,
    to: usize,
    total: i64,
}

/// The page of this number, `rows` long, of `all` items, spoilt by `faults`.
fn slice(number: u64, from: u64, rows: u64, all: usize, faults: &[Fault]) -> Slice {
    let mut slice = Slice { from: from.min(all as u64) as usize, to: 0, total: all as i64 };
    let mut missing = false;
    for fault in faults {
        match fault {
            Fault::RepeatPage { page, of } if *page == number => slice.from = ((of - 1) * rows) as usize,
            Fault::MissingPage(page) if *page == number => missing = true,
            Fault::TotalOffBy(by) => slice.total += by,
            Fault::TotalChangesAt(page) if number >= *page => slice.total += 1,
            _ => {}
        }
    }
    slice.to = if missing { slice.from } else { (slice.from + rows as usize).min(all) };
    slice
}

/// Answers for the service at `path`.
pub(crate) fn answer(market: &Market, path: &str, query: &Query, faults: &[Fault]) -> Answer {
    match path {
        "/trades" | "/leases" => contracts(market, path == "/leases", query, faults),
        "/complexes" => {
            let complexes = market.complexes.iter().enumerate().map(|(i, of)| {
                let at = market.city.told_coordinates(of, i as u64);
                json!({
                    "aptSeq": of.seq, "aptNm": of.name, "sggCd": DISTRICTS[of.district].code,
                    "sggNm": DISTRICTS[of.district].name, "umdNm": of.umd, "jibun": of.jibun,
                    "location": {"lat": at.map(|at| at.0), "lon": at.map(|at| at.1)},
                    "buildYear": of.built, "floors": of.floors, "households": of.households,
                })
            });
            listed(complexes.collect(), query, faults)
        }
        "/stations" => listed(spots(&market.stations, "line"), query, faults),
        "/schools" => listed(spots(&market.schools, "score"), query, faults),
        _ => Answer::status(404),
    }
}

fn spots(spots: &[Spot], value: &str) -> Vec<Value> {
    spots
        .iter()
        .map(|spot| json!({"id": spot.id, "name": spot.name, value: spot.value, "lat": spot.lat, "lon": spot.lon}))
        .collect()
}

/// `{"total": n, "items": [...], "next": cursor}`, requested by `offset` (or `cursor`) and `limit`.
fn listed(all: Vec<Value>, query: &Query, faults: &[Fault]) -> Answer {
    let limit = query.number("limit").unwrap_or(100).clamp(1, 1000);
    let offset = query.number("cursor").or(query.number("offset")).unwrap_or(0);
    let number = offset / limit + 1;
    let page = slice(number, offset, limit, all.len(), faults);
    let back = faults.iter().find_map(|fault| match fault {
        Fault::LeadBack { page, to } if *page == number => Some((to - 1) * limit),
        _ => None,
    });
    let next = back.or(Some(offset + limit).filter(|next| *next < all.len() as u64));
    let body = json!({
        "total": page.total,
        "items": all[page.from..page.to],
        "next": next.map(|next| next.to_string()),
    });
    Answer {
        status: 200,
        content_type: "application/json",
        next: next.map(|next| format!("offset={next}&limit={limit}")),
        body: body.to_string(),
    }
}

fn contracts(market: &Market, leases: bool, query: &Query, faults: &[Fault]) -> Answer {
    if query.get("serviceKey") != Some(KEY) {
        return Answer::xml(gateway("SERVICE_KEY_IS_NOT_REGISTERED_ERROR", 30));
    }
    let (Some(code), Some(month)) = (query.get("LAWD_CD"), query.get("DEAL_YMD")) else {
        return Answer::xml(gateway("NO_MANDATORY_REQUEST_PARAMETERS_ERROR", 11));
    };
    let district = DISTRICTS.iter().position(|district| district.code == code);
    let all = match (district, market.city.month(month)) {
        (Some(district), Some(month)) if leases => market.leases(district, month),
        (Some(district), Some(month)) => market.sales(district, month),
        _ => Vec::new(),
    };
    let number = query.number("pageNo").unwrap_or(1).max(1);
    let rows = query.number("numOfRows").unwrap_or(10).clamp(1, 1000);
    let page = slice(number, (number - 1) * rows, rows, all.len(), faults);
    let mut items = String::new();
    all[page.from..page.to].iter().for_each(|contract| item(&mut items, market, contract, leases));
    Answer::xml(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><response><header><resultCode>000</resultCode>\
         <resultMsg>OK</resultMsg></header><body><items>{items}</items><numOfRows>{rows}</numOfRows>\
         <pageNo>{number}</pageNo><totalCount>{}</totalCount></body></response>",
        page.total
    ))
}

/// What the gateway in front of the services says.
fn gateway(message: &str, code: u32) -> String {
    format!(
        "<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg><returnAuthMsg>{message}</returnAuthMsg>\
         <returnReasonCode>{code}</returnReasonCode></cmmMsgHeader></OpenAPI_ServiceResponse>"
    )
}

/// An error of the service itself.
pub(crate) fn service_error(code: &str, message: &str) -> Answer {
    Answer::xml(format!(
        "<response><header><resultCode>{code}</resultCode><resultMsg>{message}</resultMsg></header></response>"
    ))
}

fn item(out: &mut String, market: &Market, contract: &Contract, lease: bool) {
    let complex = &market.complexes[contract.complex];
    let money = if lease {
        format!("<deposit>{}</deposit><monthlyRent>{}</monthlyRent>", commas(contract.amount), contract.monthly)
    } else {
        let (kind, day) = match contract.cancelled {
            Some(day) => ("O", day.format("%y.%m.%d").to_string()),
            None => (" ", " ".to_owned()),
        };
        format!(
            "<dealAmount>{:>10}</dealAmount><cdealType>{kind}</cdealType><cdealDay>{day}</cdealDay>",
            commas(contract.amount)
        )
    };
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<item><sggCd>{}</sggCd><umdNm>{}</umdNm><aptNm>{}</aptNm><aptSeq>{}</aptSeq><jibun>{}</jibun>\
         <excluUseAr>{}</excluUseAr><dealYear>{}</dealYear><dealMonth>{}</dealMonth><dealDay>{}</dealDay>{money}\
         <floor>{}</floor><buildYear>{}</buildYear></item>",
        DISTRICTS[complex.district].code,
        complex.umd,
        complex.name,
        complex.seq,
        complex.jibun,
        contract.area,
        contract.day.year(),
        contract.day.month(),
        contract.day.day(),
        contract.floor,
        complex.built,
    );
}

/// `82,500`.
fn commas(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", commas(number / 1000), number % 1000),
    }
}
