//! `to_local` and `to_utc` beside chrono-tz: random instants, most of them near a change of the clocks.

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use expr::SqlExpr;
use polars::prelude::*;
use proptest::prelude::*;

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Casablanca",
    "UTC",
];

/// What clocks show at a moment, both in microseconds since 1970.
fn local(zone: Tz, utc: i64) -> i64 {
    let at = DateTime::from_timestamp_micros(utc).unwrap().naive_utc();
    utc + i64::from(zone.offset_from_utc_datetime(&at).fix().local_minus_utc()) * 1_000_000
}

/// All instants at which clocks show a time: no offset is finer than a quarter of an hour since 1980.
fn moments(zone: Tz, shown: i64) -> Vec<i64> {
    const QUARTER: i64 = 900_000_000;
    let all = (-4 * 26..=4 * 26).map(|quarters| shown - quarters * QUARTER);
    let mut found: Vec<i64> = all.filter(|utc| local(zone, *utc) == shown).collect();
    found.sort_unstable();
    found
}

/// An instant within a day of a change of the clocks, where there is one.
fn near_a_change(zone: Tz, month: i64, by: i64) -> i64 {
    const HOUR: i64 = 3_600_000_000;
    let start = (10 * 12 + month) * 30 * 24 * HOUR;
    let ahead = |utc: i64| local(zone, utc) - utc;
    let change = (0..24 * 200).map(|hours| start + hours * HOUR).find(|utc| ahead(*utc) != ahead(*utc - HOUR));
    change.unwrap_or(start) + by
}

fn given(sql: &str, micros: i64, unit: TimeUnit) -> Result<Option<i64>, String> {
    let factor = if unit == TimeUnit::Milliseconds { 1000 } else { 1 };
    let column = Int64Chunked::from_slice("t".into(), &[micros / factor]).into_datetime(unit, None).into_series();
    let table = column.into_frame();
    let value = SqlExpr::new(sql).unwrap().compile(table.schema(), "here").map_err(|error| error.to_string())?;
    let out = table.clone().lazy().select([value.expr.alias("value")]).collect().map_err(|error| error.to_string())?;
    let out = out.column("value").unwrap().as_materialized_series().clone();
    assert_eq!(out.dtype(), &DataType::Datetime(unit, None));
    Ok(out.to_physical_repr().i64().unwrap().get(0).map(|ticks| ticks * factor))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_clocks_are_those_of_chrono_tz(
        name in prop::sample::select(ZONES.to_vec()),
        month in 0i64..500,
        minutes in -1500i64..1500,
        unit in prop::sample::select(vec![TimeUnit::Milliseconds, TimeUnit::Microseconds]),
    ) {
        let zone: Tz = name.parse().unwrap();
        let utc = near_a_change(zone, month, minutes * 60_000_000 + 123_000);
        let shown = local(zone, utc);
        prop_assert_eq!(given(&format!("to_local(t, '{name}')"), utc, unit), Ok(Some(shown)));
        // As UTC the same number is another time, which the clocks may skip or show twice.
        let all = moments(zone, utc);
        let refused = given(&format!("to_utc(t, '{name}')"), utc, unit);
        let earlier = given(&format!("to_utc(t, '{name}', 'earlier')"), utc, unit);
        let later = given(&format!("to_utc(t, '{name}', 'later')"), utc, unit);
        match all[..] {
            [one] => {
                prop_assert_eq!(refused, Ok(Some(one)));
                prop_assert_eq!((earlier, later), (Ok(Some(one)), Ok(Some(one))));
            }
            [one, other] => {
                prop_assert!(refused.is_err());
                prop_assert_eq!((earlier, later), (Ok(Some(one)), Ok(Some(other))));
            }
            _ => {
                prop_assert!(refused.unwrap_err().contains("skip"));
                // Both lie around the change: the clocks show a later time after it, an earlier one before.
                let (earlier, later) = (earlier.unwrap().unwrap(), later.unwrap().unwrap());
                prop_assert!(earlier < later && local(zone, earlier) < utc && utc < local(zone, later));
            }
        }
    }
}

fn moment(text: &str) -> i64 {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_micros()
}

#[test]
fn days_weeks_and_hours_of_a_zone() {
    let at = moment("2024-03-30 23:30");
    let of = |sql: &str| {
        let column = Int64Chunked::from_slice("t".into(), &[at]).into_datetime(TimeUnit::Microseconds, None);
        let table = column.into_series().into_frame();
        let value = SqlExpr::new(sql).unwrap().compile(table.schema(), "here").unwrap();
        let out = table.clone().lazy().select([value.expr.alias("value")]).collect().unwrap();
        out.column("value").unwrap().get(0).unwrap().to_string()
    };
    // In Berlin it is Sunday, half past midnight; the clocks are put forward at two.
    assert_eq!(of("hour(to_local(t, 'Europe/Berlin'))"), "0");
    assert_eq!(of("isodow(to_local(t, 'Europe/Berlin'))"), "7");
    assert_eq!(of("CAST(to_local(t, 'Europe/Berlin') AS DATE)"), "2024-03-31");
    assert_eq!(of("to_utc(date_trunc('day', to_local(t, 'Europe/Berlin')), 'Europe/Berlin')"), "2024-03-30 23:00:00");
    assert_eq!(of("to_utc(date_trunc('week', to_local(t, 'Europe/Berlin')), 'Europe/Berlin')"), "2024-03-24 23:00:00");
}

#[test]
fn mistakes_are_named() {
    let error = |sql: &str| {
        let table = df!("d" => [1i32]).unwrap().lazy().select([col("d").cast(DataType::Date)]).collect().unwrap();
        SqlExpr::new(sql).and_then(|sql| sql.compile(table.schema(), "here")).map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        error("to_local(d, 'Europe/Berlin')"),
        "here: 'to_local(d, 'Europe/Berlin')': to_local takes a timestamp, but this is date; a date has no time of the \
         day; if it begins at midnight, write CAST(… AS TIMESTAMP)"
    );
    assert_eq!(
        error("to_local(CAST(d AS TIMESTAMP), 'Europe/Berln')"),
        "here: 'to_local(CAST(d AS TIMESTAMP), 'Europe/Berln')': unknown time zone 'Europe/Berln'; did you mean \
         'Europe/Berlin'?"
    );
}
