//! Features of places: the nearest one, and how many lie near.

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, Series};
use spec::{Error, Result};

use super::compute::Tables;
use super::near::{Places, nearest_of_all, within_of_all};
use super::plan::{Near, NearWhat, RowsPlan};
use crate::cutoffs::store::{integers, take};
use crate::eval::holds;
use crate::interner::NULL;
use values::form::{floats, numbers};

/// A feature of places, ready to be asked.
pub struct Ready {
    of: Near,
    table: String,
    places: Places,
    /// The column that is taken.
    values: Option<Series>,
}

impl Ready {
    pub fn new(plan: &RowsPlan, tables: &Tables, of: &Near, place: &str) -> Result<Ready> {
        let table = tables.other(&of.table)?;
        let mut places = coordinates(table, &of.theirs, &of.table, place)?;
        if let NearWhat::Within(_, Some(filter)) = &of.what {
            for (at, keeps) in places.iter_mut().zip(holds(table, filter, place)?) {
                *at = at.filter(|_| keeps);
            }
        }
        let values = match &of.what {
            NearWhat::Column(name) => Some(table.column(name).during(place)?.as_materialized_series().clone()),
            _ => None,
        };
        Ok(Ready { of: of.clone(), table: plan.table.clone(), places: Places::new(&places), values })
    }

    pub fn ask(&self, rows: &DataFrame, place: &str) -> Result<Series> {
        let points = coordinates(rows, &self.of.at, &self.table, place)?;
        let nearest = || nearest_of_all(&self.places, &points).into_iter();
        Ok(match (&self.of.what, &self.values) {
            (NearWhat::Within(radius, _), _) => {
                let counts = within_of_all(&self.places, &points, radius.0);
                integers("", counts.into_iter().map(|count| count.unwrap_or(i64::MIN)).collect())
            }
            (NearWhat::Column(_), Some(values)) => {
                let rows: Vec<u32> = nearest().map(|found| found.map_or(NULL, |(row, _)| row)).collect();
                take(values, &rows)?
            }
            _ => floats(nearest().map(|found| found.map_or(f64::NAN, |(_, metres)| metres)).collect()),
        })
    }
}

/// Latitudes and longitudes in degrees. What lies off the globe is refused, since nothing near it can be right.
pub fn coordinates(frame: &DataFrame, at: &[String; 2], table: &str, place: &str) -> Result<Vec<Option<[f64; 2]>>> {
    let column = |name: &str| numbers(frame.column(name).during(place)?.as_materialized_series(), place);
    let (lats, lons) = (column(&at[0])?, column(&at[1])?);
    let off = |(lat, lon): (&f64, &f64)| !lat.is_nan() && !lon.is_nan() && (lat.abs() > 90.0 || lon.abs() > 180.0);
    let count = lats.iter().zip(&lons).filter(|point| off(*point)).count();
    if let Some(row) = lats.iter().zip(&lons).position(off) {
        let (lat, lon) = (lats[row], lons[row]);
        let swapped = lat.abs() > 90.0 && lat.abs() <= 180.0 && lon.abs() <= 90.0;
        let what = if swapped { ": latitude and longitude are evidently swapped" } else { "" };
        let hint = match swapped {
            true => format!("write [{}, {}], or swap such rows back in clean.yaml", at[1], at[0]),
            false => format!(
                "let clean.yaml take such rows out, with `in_range: {{column: {}, min: -90, max: 90}}` and -180 to 180 \
                 for {}",
                at[0], at[1]
            ),
        };
        return Err(Error::refused(format!(
            "{place}: {count} of {} rows of table '{table}' lie off the globe, first {} {lat}, {} {lon}{what}",
            frame.height(),
            at[0],
            at[1]
        ))
        .hint(hint));
    }
    let known = |(lat, lon): (f64, f64)| (!lat.is_nan() && !lon.is_nan()).then_some([lat, lon]);
    Ok(lats.into_iter().zip(lons).map(known).collect())
}
