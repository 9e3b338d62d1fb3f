//! What changes in the market from a month on, so that what was learned before no longer holds.

use std::str::FromStr;

use chrono::NaiveDate;

use super::City;

/// A column whose values are multiplied from a day on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    pub of: Shifted,
    /// Above 0 and up to 100.
    pub factor: f64,
    /// The first day on which it holds.
    pub from: NaiveDate,
}

/// What can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shifted {
    /// Prices of sales, and with them deposits and rents.
    Price,
    /// Square metres of what is sold and let, and with them prices.
    Area,
}

impl Shifted {
    const ALL: [(&'static str, Shifted); 2] = [("price", Shifted::Price), ("area", Shifted::Area)];
}

impl FromStr for Shift {
    type Err = String;

    /// `price*1.4@2024-07`: from July 2024 on prices are 1.4 times what they would have been.
    fn from_str(text: &str) -> Result<Shift, String> {
        let wrong = || format!("'{text}' is not a shift; write one such as price*1.4@2024-07");
        let (name, rest) = text.split_once('*').ok_or_else(wrong)?;
        let (factor, month) = rest.split_once('@').ok_or_else(wrong)?;
        let (name, month) = (name.trim(), month.trim());
        let Some((_, of)) = Shifted::ALL.iter().find(|(known, _)| *known == name) else {
            return Err(format!("'{name}' cannot be shifted; choose one of: price, area"));
        };
        let factor: f64 = factor.trim().parse().map_err(|_| wrong())?;
        if !(factor > 0.0 && factor <= 100.0) {
            return Err(format!("'{text}': the factor is {factor}; it must be above 0 and at most 100"));
        }
        let from = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").map_err(|_| wrong())?;
        Ok(Shift { of: *of, factor, from })
    }
}

impl City {
    /// The default city with these shifts: nothing, or a list in parentheses such as `(price*1.4@2024-07, area*1.1@2024-09)`.
    ///
    /// # Errors
    /// No such list, or a shift that cannot be read.
    pub fn with_shifts(list: &str) -> Result<City, String> {
        if list.is_empty() {
            return Ok(City::default());
        }
        let inner = list.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let inner = inner.ok_or_else(|| format!("'{list}' is not a list of shifts; write (price*1.4@2024-07)"))?;
        let shifts = inner.split(',').map(|text| text.trim().parse()).collect::<Result<_, _>>()?;
        Ok(City { shifts, ..City::default() })
    }

    /// What values of `of` are multiplied by on `day`.
    pub(crate) fn factor(&self, of: Shifted, day: NaiveDate) -> f64 {
        let holds = |shift: &&Shift| shift.of == of && shift.from <= day;
        self.shifts.iter().filter(holds).map(|shift| shift.factor).product()
    }
}
