//! Days of a zone, as computed by hand.

use super::*;

fn moments(name: &str, on: &[&str]) -> Column {
    let at = |text: &&str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    DatetimeChunked::from_naive_datetime(name.into(), on.iter().map(at), TimeUnit::Microseconds).into_column()
}

/// Berlin's clocks go forward on 31 March 2024 at 01:00 UTC: the day has 23 hours.
fn visits() -> DataFrame {
    let on = [
        "2024-03-29 23:00", // 30 March, 00:00
        "2024-03-30 22:59", // 30 March, 23:59
        "2024-03-30 23:00", // 31 March, 00:00
        "2024-03-31 21:59", // 31 March, 23:59
        "2024-03-31 22:00", // 1 April, 00:00
        "2024-04-01 21:59", // 1 April, 23:59
        "2024-04-01 22:00", // 2 April, 00:00
    ];
    DataFrame::new(7, vec![Column::new("who".into(), ["a"; 7]), moments("day", &on)]).unwrap()
}

fn training(zone: &str) -> Vec<String> {
    let spec = read(&format!(
        "table: log\nentity: who\ntime: day\n{zone}cutoffs: {{at: [2024-04-01], newest: 2024-04-03}}\n\
         label: {{name: n, horizon: 1d, is: count}}\nfeatures:\n  all: count\n  day: {{count: {{window: 1d}}}}\n  \
         hours: {{count: {{window: 24h}}}}\n  recency: recency\n  tenure: tenure\n  gap: mean_gap\n"
    ))
    .unwrap();
    let drawn = built(&spec, &visits());
    let (training, scoring) = (drawn.training.clone().lazy(), drawn.scoring.lazy());
    prove(&spec, visits().lazy(), training, scoring, 9, 1).unwrap_or_else(|error| panic!("{error}"));
    lines(&drawn.training)
}

#[test]
fn cutoffs_windows_and_horizons_are_days_of_the_zone() {
    // Midnight of 1 April in UTC: five visits before it, two on the day before, two on the day after.
    assert_eq!(training(""), ["a 2024-04-01 5 2 2 0 2 0.489583 2"]);
    // In Berlin it is two hours earlier: four before it, two on the short day, of which 24 hours reach back into the day before.
    // From 30 March 00:00 to 31 March 23:59 there are 47:59 hours on the clocks.
    assert_eq!(training("zone: Europe/Berlin\n"), ["a 2024-04-01 4 2 3 0 2 0.666435 2"]);
}

#[test]
fn a_mistyped_zone_has_a_neighbour() {
    let error = read("table: log\nentity: who\ntime: day\nzone: Europe/Berln\n").unwrap_err().to_string();
    assert_eq!(error, "features.yaml:4:7: zone: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?");
}
