use super::city::{City, DISTRICTS, metres};
use super::market::{Contract, Market};
use super::{Homes, KEY, Server};

fn all_sales(market: &Market) -> Vec<Contract> {
    let months = 0..market.city.months;
    months.flat_map(|month| (0..DISTRICTS.len()).flat_map(move |district| market.sales(district, month))).collect()
}

#[test]
fn the_city_is_of_the_promised_size_and_the_same_each_time() {
    let market = Market::new(City::default());
    let sales = all_sales(&market);
    assert!((38_000..43_000).contains(&sales.len()), "{} sales", sales.len());
    assert!(sales.iter().all(|sale| (1_000..=500_000).contains(&sale.amount)));
    let digest = |city: City| {
        let market = Market::new(city);
        market.sales(3, 7).iter().map(|sale| sale.amount).sum::<u64>()
    };
    assert_eq!(digest(City::default()), digest(City::default()));
    assert_ne!(digest(City::default()), digest(City { seed: 2, ..City::default() }));
}

#[test]
fn dirt_comes_at_its_rate() {
    let market = Market::new(City::default());
    let sales = all_sales(&market);
    let share = |count: usize| count as f64 / sales.len() as f64;
    let areas = share(sales.iter().filter(|sale| sale.area == 0.0).count());
    let cancelled = share(sales.iter().filter(|sale| sale.cancelled.is_some()).count());
    assert!((0.007..0.013).contains(&areas) && (0.007..0.013).contains(&cancelled), "{areas} {cancelled}");
    let told: Vec<_> = market
        .complexes
        .iter()
        .enumerate()
        .map(|(i, complex)| market.city.told_coordinates(complex, i as u64))
        .collect();
    assert!(told.iter().any(Option::is_none), "some coordinates are missing");
    assert!(told.iter().flatten().any(|(lat, _)| *lat > 100.0), "some are swapped");
    let clean = Market::new(City { dirt: 0.0, ..City::default() });
    assert!(all_sales(&clean).iter().all(|sale| sale.area > 0.0 && sale.cancelled.is_none()));
}

#[test]
fn prices_follow_districts_and_stations() {
    let market = Market::new(City { dirt: 0.0, ..City::default() });
    let sales = all_sales(&market);
    let mean = |wanted: &dyn Fn(&Contract) -> bool| {
        let per_metre = |sale: &&Contract| sale.amount as f64 / sale.area;
        let prices: Vec<f64> = sales.iter().filter(|sale| wanted(sale)).map(|sale| per_metre(&sale)).collect();
        prices.iter().sum::<f64>() / prices.len() as f64
    };
    let district = |code: &'static str| {
        let market = &market;
        mean(&move |sale| DISTRICTS[market.complexes[sale.complex].district].code == code)
    };
    assert!(district("99410") > 2.0 * district("99350"));
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for sale in &sales {
        let complex = &market.complexes[sale.complex];
        let distances = market.stations.iter().map(|at| metres((complex.lat, complex.lon), (at.lat, at.lon)));
        let nearest = distances.fold(f64::INFINITY, f64::min);
        // Districts differ by more than stations do.
        let relative = sale.amount as f64 / sale.area / DISTRICTS[complex.district].level;
        match nearest {
            0.0..400.0 => near.push(relative),
            1_200.0.. => far.push(relative),
            _ => {}
        }
    }
    let mean = |prices: &[f64]| prices.iter().sum::<f64>() / prices.len() as f64;
    assert!(near.len() > 1_000 && far.len() > 1_000, "{} near, {} far", near.len(), far.len());
    assert!(mean(&near) > mean(&far) * 1.02, "{} near, {} far", mean(&near), mean(&far));
}

#[test]
fn a_server_ends_with_its_handle() {
    use std::io::Read;
    let server = Server::start(City::default()).unwrap();
    let address = server.url("").replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    drop(server);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the connection is closed");
    assert!(std::net::TcpStream::connect(&address).is_err(), "nobody listens");
    assert_eq!(KEY, "demo");
}

#[test]
fn a_shift_multiplies_prices_from_its_month_on_and_changes_nothing_before() {
    let plain = Market::new(City { dirt: 0.0, ..City::default() });
    let city = City { dirt: 0.0, ..City::with_shifts("(price*1.5@2024-07)").unwrap() };
    let shifted = Market::new(city.clone());
    // July 2024 is the 31st month.
    for (month, factor) in [(29, 1.0), (30, 1.5), (35, 1.5)] {
        let (before, after) = (plain.sales(4, month), shifted.sales(4, month));
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((before.area, before.floor, before.day), (after.area, after.floor, after.day));
            let expected = before.amount as f64 * factor;
            // Amounts are rounded to 100, and the larger ones cut at the top.
            assert!((after.amount as f64 - expected).abs() <= 100.0 * factor || after.amount == 500_000, "{after:?}");
        }
    }
    let areas = Market::new(City { dirt: 0.0, ..City::with_shifts("(area*1.1@2024-07)").unwrap() });
    let mean = |market: &Market, month| {
        let sales = market.sales(4, month);
        sales.iter().map(|sale| sale.area).sum::<f64>() / sales.len() as f64
    };
    assert_eq!(mean(&areas, 29), mean(&plain, 29));
    assert!((mean(&areas, 30) / mean(&plain, 30) - 1.1).abs() < 0.001);
    for (list, error) in [
        ("(price*1.5)", "'price*1.5' is not a shift; write one such as price*1.4@2024-07"),
        ("(prise*1.5@2024-07)", "'prise' cannot be shifted; choose one of: price, area"),
        ("(price*0@2024-07)", "'price*0@2024-07': the factor is 0; it must be above 0 and at most 100"),
        ("(price*2@2024-13)", "'price*2@2024-13' is not a shift; write one such as price*1.4@2024-07"),
        ("price*2@2024-07", "'price*2@2024-07' is not a list of shifts; write (price*1.4@2024-07)"),
    ] {
        assert_eq!(City::with_shifts(list).unwrap_err(), error);
    }
}

#[test]
fn homes_are_offered_at_what_the_market_pays() {
    let first = chrono::NaiveDate::from_ymd_opt(2024, 8, 1).unwrap();
    let homes = Homes::of(City::default());
    let dearer = Homes::of(City::with_shifts("(price*1.5@2024-07)").unwrap());
    let mean = |homes: &Homes| (0..2000).map(|number| homes.offered(number, first).worth).sum::<f64>() / 2000.0;
    let sold: Vec<Contract> = (0..DISTRICTS.len())
        .flat_map(|district| Market::new(City { dirt: 0.0, ..City::default() }).sales(district, 31))
        .collect();
    let paid = sold.iter().map(|sale| sale.amount as f64).sum::<f64>() / sold.len() as f64;
    assert!((mean(&homes) / paid - 1.0).abs() < 0.1, "{} offered, {paid} sold", mean(&homes));
    assert!((mean(&dearer) / mean(&homes) - 1.5).abs() < 1e-9);
    assert_eq!(homes.offered(7, first), Homes::of(City::default()).offered(7, first));
}
