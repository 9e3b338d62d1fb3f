use super::*;

const SHOP: &str = "source: {generate: {shop: {rows: 20000, seed: 7, from: 2023-01-01, to: 2024-12-31, dirt: 0.02}}}";

#[test]
fn a_shop_has_its_rows_exactly_in_the_order_of_time() {
    let read = Project::new().read(SHOP).unwrap();
    assert_eq!(read.rows_in, 20_000);
    assert_eq!(
        read.types(),
        [
            "order_id int64",
            "customer_id int64",
            "ordered_at datetime",
            "product string",
            "category string",
            "channel string",
            "quantity int64",
            "unit_price float64",
            "amount float64",
            "_file string",
            "_row uint32"
        ]
    );
    let times = read.rows.column("ordered_at").unwrap().as_materialized_series().to_physical_repr().into_owned();
    let times: Vec<i64> = times.i64().unwrap().into_no_null_iter().collect();
    assert!(times.is_sorted());
    let day = 86_400_000_000;
    assert!(times[0] >= 19_358 * day && times[times.len() - 1] < 20_089 * day, "2023-01-01 to 2024-12-31");
}

#[test]
fn its_dirt_is_of_every_kind_and_as_much_as_was_requested() {
    let read = Project::new().read(SHOP).unwrap();
    let reasons: String = lines(&read.refused.select([REASON]).unwrap()).join("\n");
    for kind in ["unit_price: '", "quantity: 'one' is not an int64", "amount: 'n/a'", "ordered_at: '0000-00-00"] {
        assert!(reasons.contains(kind), "{kind}");
    }
    let ids = read.rows.column("order_id").unwrap();
    let doubles = ids.len() - ids.n_unique().unwrap();
    // 20,000 rows · 0.02 · a quarter = 100, deviation 10.
    assert!((60..140).contains(&doubles), "{doubles} doubles");
    let missing: usize = read.rows.columns().iter().map(Column::null_count).sum();
    // 20,000 · 0.02 · three quarters · 5 of 16 kinds = 94.
    assert!((60..130).contains(&missing), "{missing} missing");
    let categories = read.rows.column("category").unwrap().n_unique().unwrap();
    assert!(categories > 16, "{categories} spellings");
}

#[test]
fn a_seed_makes_a_log_and_another_seed_another() {
    let project = Project::new();
    let first = project.read(SHOP).unwrap();
    assert!(first.rows.equals_missing(&project.read(SHOP).unwrap().rows));
    assert!(!first.rows.equals_missing(&project.read(&SHOP.replace("seed: 7", "seed: 8")).unwrap().rows));
    let inputs = |yaml: &str| table(yaml).unwrap().inputs(&project.root(), &Cloud::default()).unwrap();
    assert_eq!(inputs(SHOP), inputs(SHOP));
    assert_ne!(inputs(SHOP), inputs(&SHOP.replace("0.02", "0.03")));
}

#[test]
fn customers_differ_and_leave() {
    let read = Project::new().read(&SHOP.replace("dirt: 0.02", "dirt: 0")).unwrap();
    assert_eq!(read.refused.height(), 0);
    let orders = read.rows.clone().lazy().group_by([col("customer_id")]).agg([len().alias("n")]).collect().unwrap();
    let orders = orders.column("n").unwrap().cast(&DataType::Float64).unwrap();
    let orders = orders.f64().unwrap();
    let once = orders.equal(1.0).sum().unwrap();
    assert!(f64::from(once) > 0.1 * orders.len() as f64, "many buy once");
    assert!(orders.max().unwrap() > 8.0 * orders.mean().unwrap(), "some buy often");
    let returns = read.rows.column("quantity").unwrap().i64().unwrap().lt(0).sum().unwrap();
    assert!((400..2_000).contains(&returns), "{returns} returns");
}

#[test]
fn columns_can_be_chosen_and_renamed() {
    let yaml = format!("{SHOP}\ncolumns: {{who: {{type: string, from: customer_id}}, amount: string}}");
    let read = Project::new().read(&yaml).unwrap();
    assert_eq!(read.types(), ["who string", "amount string", "_file string", "_row uint32"]);
    assert_eq!(read.refused.height(), 0);
    assert_eq!(
        Project::new().failure(&format!("{SHOP}\ncolumns: {{amont: string}}")),
        "table 't': the shop's log has no column 'amont'; did you mean 'amount'?"
    );
}

#[test]
fn the_smallest_shops_work() {
    for (rows, to) in [(1, "2023-01-01"), (3, "2023-01-02"), (50, "2024-12-31")] {
        let yaml = format!("source: {{generate: {{shop: {{rows: {rows}, from: 2023-01-01, to: {to}, dirt: 0}}}}}}");
        assert_eq!(Project::new().read(&yaml).unwrap().rows.height(), rows);
    }
    let failure = |shop: &str| table(&format!("source: {{generate: {{shop: {shop}}}}}")).unwrap_err().to_string();
    for (shop, error) in [
        ("{rows: 0, from: 2023-01-01, to: 2023-01-02}", "'rows' is 0; a log has from 1 to 4294967295 rows"),
        (
            "{rows: 5, from: 2023-02-01, to: 2023-01-02}",
            "from 2023-02-01 to 2023-01-02 are -29 days; a log lasts from 1 to 36600 days",
        ),
        ("{rows: 5, from: 2023-01-01, to: 2023-01-02, dirt: 2}", "'dirt' is 2; it ranges from 0 to 0.5"),
    ] {
        assert!(failure(shop).ends_with(error), "{}", failure(shop));
    }
}
