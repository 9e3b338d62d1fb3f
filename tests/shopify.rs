//! The pipeline `shopify`, as shipped, against a service in Shopify's shape: pages by `Link`, a bucket of requests, a token
//! that expires, and orders that change while they are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use testkit::http_server::{HttpAnswer, HttpRequest, HttpServer};
use testkit::{Project, Random, Table};
use tests::{assert_balanced, copy_pipeline, folder};

const TOKEN: &str = "shpat_0123456789abcdef";
/// Items of a page, whatever is asked for: Shopify's largest page has 250.
const PAGE: usize = 50;
const BUCKET: f64 = 40.0;
/// Requests a second that leak out of the bucket: faster than Shopify's, to keep the test short.
const LEAK: f64 = 1000.0;

struct Shop {
    orders: BTreeMap<u64, Value>,
    customers: BTreeMap<u64, Value>,
    token: String,
    used: f64,
    at: Instant,
    refused: usize,
    /// When this page of orders was sent, the order changes to this value.
    change: Option<(usize, u64, Value)>,
    pages: usize,
}

type Shared = Arc<Mutex<Shop>>;

/// A purchase at `day` (days since 2023-01-01) of a customer.
fn order(id: u64, customer: u64, day: i64, random: &mut Random) -> Value {
    let at = chrono::DateTime::from_timestamp(1_672_531_200 + day * 86_400 + (id % 80_000) as i64, 0).expect("a day");
    let at = at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let lines: Vec<Value> = (0..1 + random.below(2))
        .map(|line| {
            let (number, vendors) = (random.below(9) as usize, ["Tea", "Coffee"]);
            json!({
                "id": id * 10 + line, "title": format!("Product {number}"), "vendor": vendors[number % 2],
                "quantity": 1 + random.below(3), "price": format!("{}.50", 5 + number), "product_id": number,
            })
        })
        .collect();
    let gross: f64 = lines
        .iter()
        .map(|line| {
            line["quantity"].as_f64().unwrap_or_default()
                * line["price"].as_str().and_then(|p| p.parse::<f64>().ok()).unwrap_or_default()
        })
        .sum();
    json!({
        "id": id, "created_at": at, "updated_at": at, "cancelled_at": null, "test": false, "source_name": "web",
        "total_line_items_price": format!("{gross:.2}"), "subtotal_price": format!("{gross:.2}"),
        "customer": {"id": customer, "email": format!("c{customer}@example.org")},
        "line_items": lines, "refunds": [],
    })
}

/// Customers who buy every so many days; a third of them stops at some time.
fn shop() -> Shop {
    let mut random = Random::seeded(7);
    let (mut orders, mut customers) = (BTreeMap::new(), BTreeMap::new());
    let mut id = 1000;
    for customer in 1..=220_u64 {
        let gap = 10 + random.below(30) as i64;
        let (begin, end) =
            (random.below(200) as i64, if random.below(3) == 0 { 300 + random.below(500) as i64 } else { 1000 });
        let mut day = begin;
        while day < end {
            orders.insert(id, order(id, customer, day, &mut random));
            id += 1;
            day += gap / 2 + random.below(gap as u64) as i64;
        }
        customers.insert(
            customer,
            json!({"id": customer, "created_at": "2023-01-01T00:00:00Z", "updated_at": "2023-01-01T00:00:00Z", "state": "enabled",
                   "orders_count": 3, "default_address": {"country_code": "DE", "city": "Ulm"}, "email": format!("c{customer}@example.org")}),
        );
    }
    let (token, at) = (TOKEN.to_owned(), Instant::now());
    Shop { orders, customers, token, used: 0.0, at, refused: 0, change: None, pages: 0 }
}

fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let query = request.path.split_once('?')?.1;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(value.replace("%3A", ":").replace("%2B", "+").replace('+', " ").replace("%20", " "))
}

fn serve(shop: Shop) -> (HttpServer, Shared) {
    let shared = Arc::new(Mutex::new(shop));
    let shop = Arc::clone(&shared);
    let server = HttpServer::start(move |_, request| answer(&mut shop.lock().expect("nobody panicked"), request));
    (server, shared)
}

fn answer(shop: &mut Shop, request: &HttpRequest) -> HttpAnswer {
    if request.header("x-shopify-access-token") != Some(shop.token.as_str()) {
        let words = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return HttpAnswer::status(401, &json!({"errors": words}).to_string());
    }
    shop.used = (shop.used - shop.at.elapsed().as_secs_f64() * LEAK).max(0.0);
    shop.at = Instant::now();
    if shop.used + 1.0 > BUCKET {
        shop.refused += 1;
        return HttpAnswer::status(429, &json!({"errors": "Exceeded 2 calls per second for api client."}).to_string())
            .with_header("retry-after", "2.0");
    }
    shop.used += 1.0;
    let kind = if request.path.contains("/orders.json") { "orders" } else { "customers" };
    let all = if kind == "orders" { &shop.orders } else { &shop.customers };
    // A cursor is where the last page ended, and what was asked for; other parameters are not allowed beside it.
    let cursor = parameter(request, "page_info");
    if cursor.is_some() && parameter(request, "updated_at_min").is_some() {
        return HttpAnswer::status(400, "{\"errors\": \"updated_at_min cannot be passed when page_info is present\"}");
    }
    let text = |item: &Value| item["updated_at"].as_str().unwrap_or_default().to_owned();
    let (least, after) = match &cursor {
        None => (parameter(request, "updated_at_min").unwrap_or_default().replace(' ', "+"), None),
        Some(cursor) => {
            let parts: Vec<&str> = cursor.split('~').collect();
            let after = (parts[1].replace(' ', "+"), parts[2].parse::<u64>().expect("an id"));
            (parts[0].replace(' ', "+"), Some(after))
        }
    };
    let mut items: Vec<(String, u64, &Value)> = all
        .iter()
        .map(|(id, item)| (text(item), *id, item))
        .filter(|(at, id, _)| *at >= least && after.as_ref().is_none_or(|(last, of)| (at, id) > (last, of)))
        .collect();
    items.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let more = items.len() > PAGE;
    items.truncate(PAGE);
    let last = items.last().map(|(at, id, _)| (at.clone(), *id));
    let body = json!({ kind: items.iter().map(|(_, _, item)| *item).collect::<Vec<_>>() }).to_string();
    if kind == "orders" {
        shop.pages += 1;
        if let Some((_, id, value)) = shop.change.take_if(|(page, ..)| *page == shop.pages) {
            shop.orders.insert(id, value);
        }
    }
    let used = shop.used.ceil();
    let mut answer = HttpAnswer::ok(&body)
        .with_header("content-type", "application/json; charset=utf-8")
        .with_header("x-shopify-shop-api-call-limit", format!("{used}/{BUCKET}"));
    if let (true, Some((at, id))) = (more, last) {
        let path = request.path.split('?').next().unwrap_or_default();
        let cursor = format!("{least}~{at}~{id}").replace('+', "%2B");
        let next = format!("<{path}?limit=250&page_info={cursor}>; rel=\"next\"");
        answer = answer.with_header("link", next);
    }
    answer
}

fn project(server: &HttpServer) -> Project {
    let project =
        Project::new().with_variable("SHOPIFY_SHOP", "my-shop.myshopify.com").with_variable("SHOPIFY_TOKEN", TOKEN);
    copy_pipeline(&project, "shopify");
    let path = "resources/shopify/ingest.yaml";
    let text = project.read(path);
    let here = text.replace("https://${SHOPIFY_SHOP}", &server.url("")).replace("refill: 2/s", "refill: 1000/s");
    assert_ne!(text, here);
    project.write(path, here);
    project
}

fn csv(project: &Project, table: &str) -> Table {
    let path =
        project.latest("data/processed/shopify/clean").into_iter().find(|path| path.contains(&format!("/{table}_")));
    project.table(&path.unwrap_or_else(|| panic!("no clean table '{table}'")))
}

#[test]
fn two_variables_lead_to_scores() {
    let mut shop = shop();
    // A discount, a refund, a cancelled order, a test order, and an order without a customer.
    let special = |shop: &mut Shop, nth: usize, change: &dyn Fn(&mut Value)| {
        let id = *shop.orders.keys().nth(nth).expect("an order");
        change(shop.orders.get_mut(&id).expect("it is there"));
        id
    };
    let discounted = special(&mut shop, 3, &|order| order["subtotal_price"] = "10.00".into());
    let refunded = special(&mut shop, 4, &|order| {
        order["refunds"] = json!([{"id": 1, "created_at": "2024-02-01T00:00:00+00:00", "refund_line_items": [
            {"id": 77, "quantity": 1, "subtotal": 4.5, "line_item": {"title": "Product 1", "vendor": "Tea"}}]}]);
    });
    let cancelled = special(&mut shop, 5, &|order| order["cancelled_at"] = "2024-01-01T00:00:00+00:00".into());
    let test = special(&mut shop, 6, &|order| order["test"] = true.into());
    let nobody = special(&mut shop, 7, &|order| order["customer"] = Value::Null);
    let lines: usize = shop.orders.values().map(|order| order["line_items"].as_array().map_or(0, Vec::len)).sum();
    let (server, shared) = serve(shop);
    let project = project(&server);

    project.run("ingest", ["shopify"]).exits(0).never_says(TOKEN);
    {
        let shop = shared.lock().unwrap();
        assert_eq!(shop.refused, 0, "no request was refused for want of budget");
        assert!(shop.pages > 100, "{} pages", shop.pages);
    }
    for path in project.latest("data/raw/shopify") {
        assert_balanced(&project, &path);
        let evidence = project.evidence(&path).to_string();
        assert!(!evidence.contains(TOKEN) && !evidence.contains("example.org"), "{path}");
        if path.contains("/lines_") {
            assert_eq!(project.evidence(&path)["books"]["rows_in"], lines);
        }
    }
    project.run("clean", ["shopify"]).exits(0);
    let purchases = csv(&project, "purchases").select(&["order_id", "customer_id", "amount", "is_return"]);
    let of = |id: u64| -> Vec<(f64, String)> {
        let rows =
            purchases.column("order_id").into_iter().zip(purchases.column("amount")).zip(purchases.column("is_return"));
        let of_order = rows.filter(|((order, _), _)| *order == id.to_string());
        of_order.map(|((_, amount), is_return)| (amount.parse().unwrap(), is_return.to_owned())).collect()
    };
    let sum = |id: u64| of(id).iter().map(|(amount, _)| amount).sum::<f64>();
    assert!((sum(discounted) - 10.0).abs() < 1e-9, "the lines add up to what was paid");
    assert!(of(refunded).contains(&(-4.5, "true".to_owned())), "{:?}", of(refunded));
    for left_out in [cancelled, test, nobody] {
        assert_eq!(of(left_out), []);
    }

    for tool in ["features", "train", "predict", "export"] {
        project.run(tool, ["shopify"]).exits(0);
    }
    let scores = project.latest(&folder("export", "shopify"));
    let delivered = project.read(&scores[0]);
    assert!(delivered.lines().count() > 50, "{delivered}");
}

#[test]
fn an_order_that_changes_between_pages_is_read_as_it_is_then() {
    let mut shop = shop();
    let first = *shop.orders.keys().next().expect("an order");
    let at = |item: &Value| item["updated_at"].as_str().unwrap_or_default().to_owned();
    // Of the page that comes first, and changed when the second was sent: it moves behind all others.
    let moved = shop.orders.values().min_by_key(|order| at(order)).cloned().expect("an order");
    let mut changed = moved.clone();
    changed["updated_at"] = "2026-01-01T00:00:00+00:00".into();
    changed["source_name"] = "pos".into();
    let id = moved["id"].as_u64().expect("an id");
    shop.change = Some((2, id, changed));
    let (server, shared) = serve(shop);
    let project = project(&server);
    project.run("ingest", ["shopify"]).exits(0);
    project.run("clean", ["shopify"]).exits(0);
    let channels = |id: u64| -> Vec<String> {
        let table = csv(&project, "purchases");
        let rows = table.column("order_id").into_iter().zip(table.column("channel"));
        rows.filter(|(order, _)| *order == id.to_string()).map(|(_, channel)| channel.to_owned()).collect()
    };
    let lines = |order: &Value| order["line_items"].as_array().map_or(0, Vec::len);
    assert_eq!(channels(id), vec!["pos"; lines(&moved)], "once, as it is now");

    // The next run asks for what changed since, and reads the changed order alone.
    {
        let mut shop = shared.lock().unwrap();
        shop.pages = 0;
        let mut order = shop.orders[&(first + 9)].clone();
        order["updated_at"] = "2026-01-02T00:00:00+00:00".into();
        order["source_name"] = "pos".into();
        order["line_items"].as_array_mut().expect("lines").truncate(1);
        shop.orders.insert(first + 9, order);
    }
    project.run("ingest", ["shopify"]).exits(0);
    assert_eq!(shared.lock().unwrap().pages, 2, "one page for each table of orders");
    project.run("clean", ["shopify"]).exits(0);
    assert_eq!(channels(first + 9), ["pos"], "a line that is gone is gone");

    // A token that has expired publishes nothing, and says what to do.
    shared.lock().unwrap().token = "another".to_owned();
    let before = project.latest("data/raw/shopify");
    let outcome = project.run("ingest", ["shopify"]);
    outcome.exits(2).never_says(TOKEN);
    outcome.says("the server refuses the key (401 Unauthorized); check the key under 'query' or 'headers', and whether it has expired");
    assert_eq!(project.latest("data/raw/shopify"), before);
}
