//! The public holidays of a country, by rule. A table of rules, and how they are read.
//!
//! Sources: United States, 5 U.S.C. 6103 (the days themselves, not those observed instead); Germany, the days that all
//! states have (Einigungsvertrag Art. 2, laws of the states); France, Code du travail L3133-1.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

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
        let of_year = |year: i32| {
            let holds = move |(_, from, to): &&Rule| (*from..=*to).contains(&year);
            self.rules().iter().filter(holds).filter_map(move |(day, ..)| day.of(year))
        };
        let mut days: Vec<NaiveDate> =
            (first.year()..=last.year()).flat_map(of_year).filter(|day| (first..=last).contains(day)).collect();
        days.sort_unstable();
        days.dedup();
        days.len() as i64
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
