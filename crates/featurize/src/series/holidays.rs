//! Days that matter: those of a list, and the public holidays of a country, by rule. A table of rules, and how they are read.
//!
//! Sources: United States, 5 U.S.C. 6103 (the days themselves, not those observed instead); Germany, the days that all
//! states have (Einigungsvertrag Art. 2, laws of the states); France, Code du travail L3133-1.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Deserializer, Serialize};

/// A country whose holidays are known, by its ISO 3166 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Country {
    /// The United States: federal holidays.
    #[serde(rename = "US")]
    UnitedStates,
    /// Germany: holidays of all states.
    #[serde(rename = "DE")]
    Germany,
    /// France, without those of single regions.
    #[serde(rename = "FR")]
    France,
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Country::UnitedStates => "US",
            Country::Germany => "DE",
            Country::France => "FR",
        })
    }
}

/// A day, of one year or of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    Once(NaiveDate),
    /// Month and day.
    Yearly(u32, u32),
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holiday::Once(day) => write!(f, "{day}"),
            Holiday::Yearly(month, day) => write!(f, "{month:02}-{day:02}"),
        }
    }
}

impl Holiday {
    /// How often it falls between two days, both included.
    pub fn times(&self, first: NaiveDate, last: NaiveDate) -> i64 {
        match self {
            Holiday::Once(day) => i64::from((first..=last).contains(day)),
            Holiday::Yearly(month, day) => (first.year()..=last.year())
                .filter_map(|year| NaiveDate::from_ymd_opt(year, *month, *day))
                .filter(|day| (first..=last).contains(day))
                .count() as i64,
        }
    }

    /// The last of a list of single days; none if it has one of every year, and so does not end.
    pub fn last(list: &[Holiday]) -> Option<NaiveDate> {
        let days = list.iter().map(|day| match day {
            Holiday::Once(day) => Some(*day),
            Holiday::Yearly(..) => None,
        });
        days.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

impl Serialize for Holiday {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Holiday {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Holiday, D::Error> {
        spec::read_text(deserializer, "a day such as 2024-12-25 or 12-25", |text| {
            let wrong = || format!("'{text}' is not a day; write it as 2024-12-25, or as 12-25 for every year");
            if let Ok(day) = text.parse() {
                return Ok::<Holiday, String>(Holiday::Once(day));
            }
            let is_short = text.len() == 5 && text.as_bytes()[2] == b'-';
            // Of a leap year, so that 29 February is one.
            let day = is_short.then(|| format!("2024-{text}").parse::<NaiveDate>().ok()).flatten();
            let day = day.ok_or_else(wrong)?;
            Ok(Holiday::Yearly(day.month(), day.day()))
        })
    }
}

impl schemars::JsonSchema for Holiday {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Holiday".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A day such as `2024-12-25`, or `12-25` for every year."
        })
    }
}

/// Days without a period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Closed {
    /// Days of the week, such as `[sat, sun]`.
    pub weekdays: Vec<DayOfWeek>,
    /// The public holidays of a country: `US`, `DE` or `FR`.
    pub country: Option<Country>,
    /// Days such as `2024-12-24`, or `12-24` for every year. Without one of every year or a country, the list must reach to the
    /// end of the horizon.
    pub on: Vec<Holiday>,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weekdays = self.weekdays.iter().map(|day| format!("{day:?}").to_lowercase());
        let country = self.country.map(|country| format!("public holidays of {country}"));
        let days = weekdays.chain(country).chain(self.on.iter().map(ToString::to_string));
        f.write_str(&days.collect::<Vec<_>>().join(", "))
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayOfWeek {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// On which day of a year a holiday is.
#[derive(Clone, Copy, Debug)]
pub enum Day {
    /// Month and day.
    On(u32, u32),
    /// The weekday of a month: the first, second and so on, or with 5 the last.
    Nth(u8, Weekday, u32),
    /// Days after Easter Sunday.
    Easter(i64),
}

/// A holiday, and the first year and the last that have it.
pub type Rule = (Day, i32, i32);

const EVER: i32 = i32::MAX;
const ALWAYS: i32 = i32::MIN;

const UNITED_STATES: [Rule; 11] = [
    (Day::On(1, 1), ALWAYS, EVER),
    (Day::Nth(3, Weekday::Mon, 1), 1986, EVER),
    (Day::Nth(3, Weekday::Mon, 2), 1971, EVER),
    (Day::Nth(5, Weekday::Mon, 5), 1971, EVER),
    (Day::On(6, 19), 2021, EVER),
    (Day::On(7, 4), ALWAYS, EVER),
    (Day::Nth(1, Weekday::Mon, 9), ALWAYS, EVER),
    (Day::Nth(2, Weekday::Mon, 10), 1971, EVER),
    (Day::On(11, 11), 1978, EVER),
    (Day::Nth(4, Weekday::Thu, 11), 1942, EVER),
    (Day::On(12, 25), ALWAYS, EVER),
];

const GERMANY: [Rule; 10] = [
    (Day::On(1, 1), ALWAYS, EVER),
    (Day::Easter(-2), ALWAYS, EVER),
    (Day::Easter(1), ALWAYS, EVER),
    (Day::On(5, 1), ALWAYS, EVER),
    (Day::Easter(39), ALWAYS, EVER),
    (Day::Easter(50), ALWAYS, EVER),
    (Day::On(10, 3), 1990, EVER),
    // Five hundred years of the Reformation.
    (Day::On(10, 31), 2017, 2017),
    (Day::On(12, 25), ALWAYS, EVER),
    (Day::On(12, 26), ALWAYS, EVER),
];

const FRANCE: [Rule; 11] = [
    (Day::On(1, 1), ALWAYS, EVER),
    (Day::Easter(1), ALWAYS, EVER),
    (Day::On(5, 1), ALWAYS, EVER),
    (Day::On(5, 8), 1982, EVER),
    (Day::Easter(39), ALWAYS, EVER),
    (Day::Easter(50), ALWAYS, EVER),
    (Day::On(7, 14), ALWAYS, EVER),
    (Day::On(8, 15), ALWAYS, EVER),
    (Day::On(11, 1), ALWAYS, EVER),
    (Day::On(11, 11), ALWAYS, EVER),
    (Day::On(12, 25), ALWAYS, EVER),
];

impl Country {
    /// Its holidays.
    pub fn rules(self) -> &'static [Rule] {
        match self {
            Country::UnitedStates => &UNITED_STATES,
            Country::Germany => &GERMANY,
            Country::France => &FRANCE,
        }
    }

    /// How many holidays lie between two days, both included. Two on one day are one.
    pub fn count(self, first: NaiveDate, last: NaiveDate) -> i64 {
        self.between(first, last).len() as i64
    }

    /// The holidays between two days, both included.
    pub fn between(self, first: NaiveDate, last: NaiveDate) -> BTreeSet<NaiveDate> {
        let of_year = |year: i32| {
            let holds = move |(_, from, to): &&Rule| (*from..=*to).contains(&year);
            self.rules().iter().filter(holds).filter_map(move |(day, ..)| day.of(year))
        };
        (first.year()..=last.year()).flat_map(of_year).filter(|day| (first..=last).contains(day)).collect()
    }
}

impl Day {
    fn of(self, year: i32) -> Option<NaiveDate> {
        match self {
            Day::On(month, day) => NaiveDate::from_ymd_opt(year, month, day),
            Day::Nth(5, weekday, month) => {
                (1..=5).rev().find_map(|nth| NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth))
            }
            Day::Nth(nth, weekday, month) => NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth),
            Day::Easter(after) => {
                let easter = easter(year)?;
                match u64::try_from(after) {
                    Ok(after) => easter.checked_add_days(Days::new(after)),
                    Err(_) => easter.checked_sub_days(Days::new(after.unsigned_abs())),
                }
            }
        }
    }
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm; Nature, 20 April 1876).
fn easter(year: i32) -> Option<NaiveDate> {
    let (a, b, c) = (year.rem_euclid(19), year.div_euclid(100), year.rem_euclid(100));
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let days = h + l - 7 * m + 114;
    NaiveDate::from_ymd_opt(year, u32::try_from(days / 31).ok()?, u32::try_from(days % 31 + 1).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_are_those_of_the_python_package() {
        // holidays 0.109, the years to 2035, observed=False: how many there are, and the sum of their ordinals. Of France from
        // 2008 on: before, the package leaves out Whit Mondays that were holidays by law, but worked on.
        let known = [
            (Country::UnitedStates, 2000, 375, 276_321_513),
            (Country::Germany, 2000, 324, 238_690_807),
            (Country::France, 2008, 307, 226_619_361),
        ];
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        for (country, from, count, ordinals) in known {
            assert_eq!(country.count(day(from, 1, 1), day(2035, 12, 31)), count, "{country}");
            let all = day(from, 1, 1).iter_days().take_while(|at| *at <= day(2035, 12, 31));
            let sum: i64 = all.map(|at| country.count(at, at) * i64::from(at.num_days_from_ce())).sum();
            assert_eq!(sum, ordinals, "{country}");
        }
    }
}
