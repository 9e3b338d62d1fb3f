//! Time zones by name: from the clock on the wall to UTC.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::calendar::has_four_digits;
use crate::moment::DAY;

/// The zone in which local times were written down, and what becomes of those that are not one point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LocalTime {
    pub zone: Zone,
    pub dst: Dst,
}

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

/// What becomes of local times that are not one point in time: those that the clocks show twice when they are put back in
/// autumn, and those that they leap over in spring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dst {
    /// The row is refused.
    #[default]
    Refuse,
    /// The earlier of the two instants that may be meant.
    Earlier,
    /// The later of the two instants that may be meant.
    Later,
}

/// The zone that may be meant. Most people know the city, but not the region in front of it.
fn near(name: &str) -> Option<&'static str> {
    let written = name.trim().replace(' ', "_");
    let zones = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |zone: &'static str| zone.rsplit('/').next().unwrap_or(zone);
    // Cities of regions come before names of former times, such as Singapore beside Asia/Singapore.
    let mut of_city = zones().filter(|zone| city(zone).eq_ignore_ascii_case(&written));
    let regional = of_city.clone().find(|zone| zone.contains('/'));
    regional.or_else(|| of_city.next()).or_else(|| {
        let whole = spec::nearest(&written, zones());
        let cities = spec::nearest(&written, zones().map(city));
        match written.contains('/') {
            true => whole,
            false => cities.and_then(|near| zones().find(|zone| city(zone) == near)).or(whole),
        }
    })
}

impl Zone {
    /// Fails with the nearest name.
    pub fn named(name: &str) -> Result<Zone, String> {
        name.parse().map(Zone).map_err(|_| {
            let way_out = match near(name) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "write one such as Europe/Berlin, Asia/Seoul or UTC".to_owned(),
            };
            format!("unknown time zone '{name}'; {way_out}")
        })
    }

    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Seconds that the zone is ahead of UTC at a moment in microseconds since 1970.
    pub fn ahead(&self, utc: i64) -> Option<i32> {
        let utc = DateTime::from_timestamp_micros(utc)?.naive_utc();
        Some(self.0.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    }

    /// What the clocks of the zone show at a moment, both in microseconds since 1970.
    pub fn local(&self, utc: i64) -> Option<i64> {
        utc.checked_add(i64::from(self.ahead(utc)?) * 1_000_000)
    }

    /// The first instant from which on the clocks of the zone show `local` or a later time. It is unique: of a time that
    /// they show twice it is the first of both instants, of one that they skip the instant of the change.
    pub fn first(&self, local: i64) -> Option<i64> {
        let both = [Dst::Earlier, Dst::Later].map(|dst| LocalTime { zone: *self, dst }.utc(local));
        let [Some(earlier), Some(later)] = both else { return None };
        if self.local(earlier)? >= local {
            return Some(earlier);
        }
        // The clocks change between the two.
        let (mut before, mut after) = (earlier, later);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            match self.local(middle)? >= local {
                true => after = middle,
                false => before = middle,
            }
        }
        Some(after)
    }
}

impl LocalTime {
    /// The instant in UTC at which the clocks of the zone showed `local` (both in microseconds since 1970); nothing if
    /// they never did, or twice, and that is to be refused, or if it lies beyond the years 0 to 9999.
    pub fn utc(&self, local: i64) -> Option<i64> {
        self.instant(local).filter(|utc| has_four_digits(utc.div_euclid(DAY)))
    }

    fn instant(&self, local: i64) -> Option<i64> {
        let naive: NaiveDateTime = DateTime::from_timestamp_micros(local)?.naive_utc();
        let before = |ahead: i32| local - i64::from(ahead) * 1_000_000;
        match self.zone.0.offset_from_local_datetime(&naive) {
            chrono::LocalResult::Single(offset) => Some(before(offset.fix().local_minus_utc())),
            chrono::LocalResult::Ambiguous(one, other) => {
                let moments = [one, other].map(|offset| before(offset.fix().local_minus_utc()));
                self.choose(moments)
            }
            chrono::LocalResult::None => {
                // The clocks leap over this time. It may be meant by the clock of before, or by that of after.
                let day = TimeDelta::days(1);
                let around = [naive.checked_sub_signed(day)?, naive.checked_add_signed(day)?];
                let around = around.map(|utc| self.zone.0.offset_from_utc_datetime(&utc).fix().local_minus_utc());
                self.choose(around.map(before))
            }
        }
    }

    fn choose(&self, [one, other]: [i64; 2]) -> Option<i64> {
        match self.dst {
            Dst::Refuse => None,
            Dst::Earlier => Some(one.min(other)),
            Dst::Later => Some(one.max(other)),
        }
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
        spec::read_text(deserializer, "the name of a time zone such as Europe/Berlin", Zone::named)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl schemars::JsonSchema for Zone {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Zone".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["Europe/Berlin", "Asia/Seoul", "America/New_York", "UTC"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::iso_datetime;

    fn micros(text: &str) -> i64 {
        iso_datetime(text.as_bytes()).unwrap().micros()
    }

    fn utc(zone: &str, dst: Dst, local: &str) -> Option<i64> {
        LocalTime { zone: Zone::named(zone).unwrap(), dst }.utc(micros(local))
    }

    // Reference: Python's zoneinfo, datetime(…, tzinfo=ZoneInfo(…), fold=…).astimezone(UTC).
    #[test]
    fn local_times_become_utc() {
        for (zone, local, expected) in [
            ("Europe/Berlin", "2024-01-15 12:00:00", "2024-01-15 11:00:00"),
            ("Europe/Berlin", "2024-07-15 12:00:00", "2024-07-15 10:00:00"),
            ("Asia/Seoul", "2024-07-15 00:30:00", "2024-07-14 15:30:00"),
            ("Asia/Kolkata", "2024-07-15 00:00:00", "2024-07-14 18:30:00"),
            ("America/New_York", "2024-07-04 20:00:00.123456", "2024-07-05 00:00:00.123456"),
            ("UTC", "2024-07-15 12:00:00", "2024-07-15 12:00:00"),
        ] {
            assert_eq!(utc(zone, Dst::Refuse, local), Some(micros(expected)), "{zone} {local}");
        }
    }

    #[test]
    fn gaps_and_overlaps_are_refused_or_decided() {
        // Clocks of Berlin: 2024-03-31 02:00 becomes 03:00, 2024-10-27 03:00 becomes 02:00.
        for (local, earlier, later) in [
            ("2024-03-31 02:30:00", "2024-03-31 00:30:00", "2024-03-31 01:30:00"),
            ("2024-10-27 02:30:00", "2024-10-27 00:30:00", "2024-10-27 01:30:00"),
        ] {
            assert_eq!(utc("Europe/Berlin", Dst::Refuse, local), None, "{local}");
            assert_eq!(utc("Europe/Berlin", Dst::Earlier, local), Some(micros(earlier)), "{local}");
            assert_eq!(utc("Europe/Berlin", Dst::Later, local), Some(micros(later)), "{local}");
        }
        assert_eq!(utc("Europe/Berlin", Dst::Refuse, "2024-03-31 03:00:00"), Some(micros("2024-03-31 01:00:00")));
    }

    #[test]
    fn instants_beyond_the_calendar_are_none() {
        assert_eq!(utc("America/New_York", Dst::Refuse, "9999-12-31 23:59:59"), None);
        assert_eq!(utc("Asia/Seoul", Dst::Earlier, "0000-01-01 00:00:00"), None);
        assert!(utc("Asia/Seoul", Dst::Refuse, "9999-12-31 23:59:59").is_some());
    }

    #[test]
    fn the_first_moment_of_a_time() {
        let first = |zone: &str, local: &str| Zone::named(zone).unwrap().first(micros(local)).unwrap();
        for (zone, local, utc) in [
            ("Europe/Berlin", "2024-07-15 00:00:00", "2024-07-14 22:00:00"),
            ("Europe/Berlin", "2024-03-31 02:30:00", "2024-03-31 01:00:00"),
            ("Europe/Berlin", "2024-10-27 02:30:00", "2024-10-27 00:30:00"),
            // Midnight is skipped; so is a whole day when the date line moved.
            ("America/Sao_Paulo", "2018-11-04 00:00:00", "2018-11-04 03:00:00"),
            ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30 10:00:00"),
        ] {
            assert_eq!(first(zone, local), micros(utc), "{zone} {local}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_first_moment_is_that_of_a_search(
            zone in proptest::sample::select(vec!["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]),
            hours in 0i64..24 * 366 * 40, quarter in 0i64..4,
        ) {
            const QUARTER: i64 = 900_000_000;
            let zone = Zone::named(zone).unwrap();
            let local = (hours * 4 + quarter) * QUARTER;
            // Quarter by quarter, in the zone database itself.
            let shown = |utc: i64| {
                let at = DateTime::from_timestamp_micros(utc).unwrap().naive_utc();
                utc + i64::from(zone.0.offset_from_utc_datetime(&at).fix().local_minus_utc()) * 1_000_000
            };
            let found = (-60..=60).map(|quarters| local + quarters * QUARTER).find(|utc| shown(*utc) >= local);
            proptest::prop_assert_eq!(zone.first(local), found);
        }
    }

    #[test]
    fn unknown_zones_name_the_nearest() {
        assert_eq!(
            Zone::named("Europe/Berln").unwrap_err(),
            "unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"
        );
        for (name, meant) in [
            ("Berlin", "Europe/Berlin"),
            ("seoul", "Asia/Seoul"),
            ("New York", "America/New_York"),
            ("Singapor", "Asia/Singapore"),
            ("Europa/Berlin", "Europe/Berlin"),
        ] {
            let error = Zone::named(name).unwrap_err();
            assert_eq!(error, format!("unknown time zone '{name}'; did you mean '{meant}'?"));
        }
        assert_eq!(Zone::named("PST").unwrap_err(), "unknown time zone 'PST'; did you mean 'PST8PDT'?");
    }
}
