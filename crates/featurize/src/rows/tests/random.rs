//! For any tables, the kernel computes what the plain definitions say: a proof of all rows compares every value.

use std::collections::HashMap;

use ::spec::random::Random;
use proptest::prelude::*;

use super::*;
use crate::Prepared;

/// Day, hour, district, price, area, place, days until it arrived, days until the area was corrected.
type Trade = (i32, i64, Option<u8>, Option<i8>, i8, Option<(i8, i8)>, Option<i32>, Option<i32>);
/// Day, zone, deposit, days until it arrived.
type Lease = (Option<i32>, Option<u8>, i8, Option<i32>);

/// How time is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Days,
    Moments(TimeUnit),
}

/// Days after 1 December 2023: mostly the ends of months, the leap day among them.
fn day() -> impl Strategy<Value = i32> {
    let ends = [28, 29, 30, 31, 59, 60, 61, 62, 88, 89, 90, 91, 92, 118, 119, 120, 121, 122];
    prop_oneof![3 => prop::sample::select(ends.to_vec()), 1 => 0i32..130]
}

fn hour() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![0i64, 0, 1, 2, 3, 9, 10, 12, 15, 21, 22, 23])
}

/// Days (and hours) since a day as a column.
fn times(name: &str, first: i64, on: Vec<Option<(i32, i64)>>, time: Time) -> Column {
    match time {
        Time::Days => {
            let days: Vec<Option<i32>> = on.iter().map(|on| on.map(|on| first as i32 + on.0)).collect();
            Series::new(name.into(), days).cast(&DataType::Date).unwrap().into()
        }
        Time::Moments(unit) => {
            let per_hour = match unit {
                TimeUnit::Milliseconds => 3_600_000,
                TimeUnit::Microseconds => 3_600_000_000,
                TimeUnit::Nanoseconds => 3_600_000_000_000,
            };
            let ticks = on.iter().map(|on| on.map(|on| ((first + i64::from(on.0)) * 24 + on.1) * per_hour));
            let ticks = Series::new(name.into(), ticks.collect::<Vec<Option<i64>>>());
            ticks.cast(&DataType::Datetime(unit, None)).unwrap().into()
        }
    }
}

fn random(trades: &[Trade], leases: &[Lease], (time, known): (Time, Time), first: i64) -> Tables {
    let times = |name: &str, on, unit| times(name, first, on, unit);
    let name = |district: &Option<u8>| district.map(|district| format!("d{district}"));
    let degree = |i: usize, step: i8| f64::from(step) / 4.0 + [37.0, 127.0][i];
    let later = |trade: &Trade, by: Option<i32>| by.map(|by| (trade.0 + by, trade.1));
    let code = |trade: &Trade| trade.2.map(|district| u64::MAX - u64::from(district));
    // Two zeros, no number, and a few others.
    let ratio = |of: i8| [Some(0.0), Some(-0.0), Some(f64::NAN), None, Some(1.5)][of.rem_euclid(5) as usize];
    let wide = trades.iter().map(|trade| trade.3.map(|p| 10i128.pow(30) + i128::from(p.rem_euclid(4))));
    let exact = Int128Chunked::from_iter_options("".into(), wide).into_decimal(38, 3).unwrap().into_series();
    let trades_table = DataFrame::new(
        trades.len(),
        vec![
            times("day", trades.iter().map(|trade| Some((trade.0, trade.1))).collect(), time),
            times("loaded", trades.iter().map(|trade| later(trade, trade.6)).collect(), known),
            times("measured", trades.iter().map(|trade| later(trade, trade.7)).collect(), known),
            Column::new("trade_id".into(), (0..trades.len() as i64).collect::<Vec<_>>()),
            Column::new("district".into(), trades.iter().map(|trade| name(&trade.2)).collect::<Vec<_>>()),
            Column::new("code".into(), trades.iter().map(code).collect::<Vec<_>>()),
            Column::new("ratio".into(), trades.iter().map(|trade| ratio(trade.4)).collect::<Vec<_>>()),
            Column::new("flag".into(), trades.iter().map(|trade| trade.3.map(|p| p > 0)).collect::<Vec<_>>()),
            Column::new("kind".into(), trades.iter().map(|trade| name(&trade.2)).collect::<Vec<_>>())
                .cast(&artifact::dtype(spec::ColumnType::Category))
                .unwrap(),
            Column::new("status".into(), trades.iter().map(|t| t.2.map(|d| format!("s{d}"))).collect::<Vec<_>>()),
            exact.with_name("exact".into()).into(),
            Column::new("price".into(), trades.iter().map(|t| t.3.map(|p| f64::from(p) / 3.0)).collect::<Vec<_>>()),
            Column::new("area".into(), trades.iter().map(|trade| f64::from(trade.4)).collect::<Vec<_>>()),
            Column::new("size".into(), trades.iter().map(|trade| i64::from(trade.4)).collect::<Vec<_>>()),
            Column::new("lat".into(), trades.iter().map(|t| t.5.map(|at| degree(0, at.0))).collect::<Vec<_>>()),
            Column::new("lon".into(), trades.iter().map(|t| t.5.map(|at| degree(1, at.1))).collect::<Vec<_>>()),
        ],
    )
    .unwrap();
    let leases_table = DataFrame::new(
        leases.len(),
        vec![
            times("signed", leases.iter().map(|lease| lease.0.map(|on| (on, 12))).collect(), time),
            times("filed", leases.iter().map(|l| l.0.zip(l.3).map(|(on, by)| (on + by, 0))).collect(), known),
            Column::new("zone".into(), leases.iter().map(|lease| name(&lease.1)).collect::<Vec<_>>()),
            Column::new("lease".into(), (0..leases.len() as i32).collect::<Vec<_>>()),
            Column::new("state".into(), leases.iter().map(|l| l.1.map(|_| "s1")).collect::<Vec<_>>()),
            Column::new("deposit".into(), leases.iter().map(|lease| f64::from(lease.2) / 7.0).collect::<Vec<_>>()),
        ],
    )
    .unwrap();
    let mut all = tables();
    all[0].1 = trades_table;
    all[1].1 = leases_table;
    let codes = df!("code" => [u64::MAX, u64::MAX - 1, 1 << 63], "name" => ["first", "second", "other"]).unwrap();
    all.push(("codes", codes));
    // What became of each, none to three times; the first trades and leases have the same keys.
    let changes = |rows: Vec<(i32, i64, i32)>| {
        let rows: Vec<(usize, i32, i64, i32)> = rows
            .into_iter()
            .enumerate()
            .flat_map(|(i, (day, hour, seed))| {
                (0..seed.rem_euclid(4))
                    .map(move |k| (i, day + 8 * k + seed.rem_euclid(3), hour, (seed + k).rem_euclid(3)))
            })
            .collect();
        let columns = vec![
            Column::new("id".into(), rows.iter().map(|(i, ..)| *i as i64).collect::<Vec<_>>()),
            times("at", rows.iter().map(|(_, day, hour, _)| Some((*day, *hour))).collect(), known),
            Column::new("status".into(), rows.iter().map(|(.., of)| format!("s{of}")).collect::<Vec<_>>()),
        ];
        DataFrame::new(rows.len(), columns).unwrap()
    };
    all.push(("trade_changes", changes(trades.iter().map(|t| (t.0, t.1, i32::from(t.4))).collect())));
    all.push(("lease_changes", changes(leases.iter().map(|l| (l.0.unwrap_or(50), 12, i32::from(l.2))).collect())));
    all
}

/// All aggregates over windows and lags of all units, with and without things known late.
fn features(window: &str, lag: &str, hours: bool) -> Vec<String> {
    let mut features: Vec<String> = [
        "area_1: {sql: area + 1}",
        "big: {sql: area > 20}",
        "far: {nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude]}}",
        "station: {nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude], take: name}}",
        "near: {count_within: {of: stations, at: [lat, lon], theirs: [latitude, longitude], radius: 9km}}",
        "built: {lookup: {of: districts, on: district, take: built}}",
        "named: {lookup: {of: codes, on: code, take: name}}",
    ]
    .map(str::to_owned)
    .to_vec();
    let short = if hours { "12h" } else { "1d" };
    let kinds = [
        ("", "by: district".to_owned(), "price"),
        ("_w", format!("window: {window}"), "price"),
        ("_l", format!("by: [district, big], window: {window}, lag: {lag}"), "price"),
        ("_s", format!("by: code, window: {short}"), "size"),
        ("_late", format!("by: district, window: {window}"), "size"),
        ("_lease", format!("from: leases, time: signed, by: district, theirs: zone, window: {window}"), "deposit"),
        ("_filed", "from: leases, time: signed, known_at: filed, by: district, theirs: zone".to_owned(), "deposit"),
    ];
    for (suffix, rows, of) in kinds {
        for kind in ["count", "recency", "tenure", "mean_gap"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{{rows}, where: {of} > -90}}}}"));
        }
        for kind in ["sum", "mean", "min", "max", "std", "first", "last", "distinct", "median"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{of: {of}, {rows}, where: {of} > 3}}}}"));
        }
        features.push(format!("quantile{suffix}: {{quantile: {{of: {of}, q: 0.8, {rows}}}}}"));
        features.push(format!("share{suffix}: {{share: {{where: {of} > 5, {rows}}}}}"));
    }
    features.push("last_station: {last: {of: station, by: district}}".to_owned());
    features.push("codes: {distinct: {of: code}}".to_owned());
    for key in ["ratio", "flag", "kind", "exact", "[kind, ratio]"] {
        let name = key.replace(['[', ']', ',', ' '], "");
        features.push(format!("of_{name}: {{count: {{by: {key}, window: {window}}}}}"));
        features.push(format!("sum_of_{name}: {{sum: {{of: size, by: {key}}}}}"));
    }
    for of in ["ratio", "flag", "kind", "exact", "measured", "loaded"] {
        features.push(format!("distinct_{of}: {{distinct: {{of: {of}, by: district}}}}"));
        features.push(format!("last_{of}: {{last: {{of: {of}, window: {window}}}}}"));
    }
    features.push("n_measured: {count: {where: measured IS NOT NULL}}".to_owned());
    features.push(
        "filed: {count: {from: leases, time: signed, known_late: {deposit: filed}, where: filed IS NOT NULL}}"
            .to_owned(),
    );
    let of_leases = "from: leases, time: signed, known_late: {state: {of: lease_changes, on: lease, theirs: id, take: status, time: \
                     at}, deposit: filed}";
    for feature in [
        format!("status_1: {{count: {{where: status = 's1', by: district, window: {window}}}}}"),
        "status_2: {sum: {of: \"CASE WHEN status = 's2' THEN size ELSE 1 END\"}}".to_owned(),
        "statuses: {distinct: {of: status, by: district}}".to_owned(),
        format!("status_last: {{last: {{of: status, lag: {lag}}}}}"),
        "status_share: {share: {where: \"status = 's0' OR size > 0\"}}".to_owned(),
        "status_mean: {mean: {of: price, where: status IS NULL}}".to_owned(),
        "status_gap: {mean_gap: {where: status IS NOT NULL}}".to_owned(),
        format!("states: {{count: {{{of_leases}, by: district, theirs: zone, where: state = 's1'}}}}"),
        format!("state_sum: {{sum: {{{of_leases}, of: deposit, where: state <> 's1'}}}}"),
    ] {
        features.push(feature);
    }
    features.push("change: {sql: mean / mean_l - 1}".to_owned());
    features
}

fn spec(features: &[String], late: bool, delay: Option<&str>, zone: Option<&str>) -> FeaturesSpec {
    let mut head = HEAD.to_owned();
    if let Some(zone) = zone {
        head = head.replace("rows: {}", &format!("zone: {zone}\nrows: {{}}"));
    }
    if late {
        head = head.replace("rows: {}", "known_at: loaded\nknown_late: {size: measured, status: {of: trade_changes, on: trade_id, theirs: id, time: at}}\nrows: {}");
    }
    if let Some(delay) = delay {
        head = head.replace("is: {sql: price}", &format!("is: {{sql: price}}, delay: {delay}"));
    }
    let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
    read(&format!("{head}features:\n{features}")).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kernel_and_definitions_agree(
        trades in prop::collection::vec(
            (day(), hour(), prop::option::weighted(0.9, 0u8..3), prop::option::weighted(0.9, any::<i8>()), any::<i8>(),
             prop::option::weighted(0.9, (-4i8..5, -4i8..5)),
             prop::option::weighted(0.9, prop::sample::select(vec![0, 0, 0, 1, 5, 40])),
             prop::option::weighted(0.7, prop::sample::select(vec![0, 1, 5, 40]))),
            1..60,
        ),
        leases in prop::collection::vec(
            (prop::option::weighted(0.9, day()), prop::option::weighted(0.9, 0u8..3), any::<i8>(),
             prop::option::weighted(0.9, 0i32..30)),
            0..40,
        ),
        time in prop::sample::select(vec![
            Time::Days, Time::Moments(TimeUnit::Milliseconds), Time::Moments(TimeUnit::Microseconds),
            Time::Moments(TimeUnit::Nanoseconds),
        ]),
        known in prop::sample::select(vec![
            Time::Days, Time::Moments(TimeUnit::Milliseconds), Time::Moments(TimeUnit::Nanoseconds),
        ]),
        window in prop::sample::select(vec!["1d", "1w", "20d", "1mo", "2mo", "3mo", "1y"]),
        lag in prop::sample::select(vec!["1d", "1w", "1mo", "2mo", "1y"]),
        late in any::<bool>(),
        seed in any::<u64>(),
        delay in prop::option::of(prop::sample::select(vec!["1d", "10d", "1mo"])),
        zone in prop::option::weighted(0.7, prop::sample::select(vec![
            ("Europe/Berlin", 18_988), ("Europe/Berlin", 19_205), ("America/Sao_Paulo", 17_749), ("America/Sao_Paulo", 17_490),
            ("Africa/Cairo", 19_749), ("Asia/Beirut", 19_723), ("America/Havana", 18_974), ("Australia/Lord_Howe", 18_995),
            ("Pacific/Apia", 15_248),
        ])),
    ) {
        // The first day of the log, so that the clocks of its zone change on day 90 or so.
        let (zone, first) = zone.unzip();
        let spec = spec(&features(window, lag, time != Time::Days), late, delay, zone);
        let tables = random(&trades, &leases, (time, known), first.unwrap_or(19_692));
        match set(&spec, &tables) {
            // Without any price there is nothing to learn from.
            Err(error) => prop_assert_eq!(error.class(), spec::Class::Refused),
            Ok(set) => {
                let drawn = drawn(set);
                ask_alone(&spec, &tables, &drawn, &mut Random::new(seed, 0))?;
                let (training, scoring) = (drawn.training.height(), drawn.scoring.height());
                let proof = proved(&spec, &tables, &drawn);
                prop_assert!(proof.is_ok(), "{}", proof.unwrap_err());
                prop_assert_eq!(proof.unwrap().pairs, training + scoring);
            }
        }
    }
}

/// Every row of the table, asked alone, has the values that it has in the whole table, to the last bit: in any order, in
/// batches of any size.
fn ask_alone(spec: &FeaturesSpec, tables: &Tables, drawn: &Drawn, random: &mut Random) -> Result<(), TestCaseError> {
    let prepared = Prepared::open(spec, &open(tables), today()).unwrap();
    let columns: Vec<&str> = prepared.outputs().iter_names().map(|name| name.as_str()).collect();
    let mut whole = drawn.training.select(columns.iter().copied()).unwrap();
    whole.vstack_mut(&drawn.scoring.select(columns.iter().copied()).unwrap()).unwrap();
    prop_assert_eq!(whole.schema(), prepared.outputs());
    let own = &tables[0].1;
    let place = |frame: &DataFrame| -> HashMap<i64, u32> {
        (0u32..)
            .zip(frame.column("trade_id").unwrap().i64().unwrap().iter())
            .map(|(at, id)| (id.unwrap(), at))
            .collect()
    };
    let (in_own, in_whole) = (place(own), place(&whole));
    let mut ids: Vec<i64> = in_whole.keys().copied().collect();
    ids.sort_unstable();
    random.shuffle(&mut ids);
    let taken = |frame: &DataFrame, at: &HashMap<i64, u32>, ids: &[i64]| {
        let at: Vec<u32> = ids.iter().map(|id| at[id]).collect();
        frame.take(&IdxCa::from_vec("".into(), at)).unwrap()
    };
    let mut rest = &ids[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + random.below(rest.len().min(7)));
        rest = later;
        let mut asked = taken(own, &in_own, now);
        // What is known only later need not be given, nor be true.
        for hidden in ["price", "size", "loaded", "measured", "status"] {
            asked = asked.drop(hidden).unwrap_or(asked);
        }
        let answer = prepared.for_rows(&asked, chrono::DateTime::UNIX_EPOCH).unwrap();
        let expected = taken(&whole, &in_whole, now);
        for (one, other) in answer.columns().iter().zip(expected.columns()) {
            let bits = |column: &Column| match column.f64() {
                Ok(floats) => floats.iter().map(|float| float.map(f64::to_bits)).collect::<Vec<_>>(),
                Err(_) => Vec::new(),
            };
            prop_assert!(
                bits(one) == bits(other) && one.as_materialized_series().equals_missing(other.as_materialized_series()),
                "{one:?} {other:?} {asked:?}"
            );
        }
    }
    Ok(())
}
