//! The place of a row in its table, as a number that any process can tell: rows that went through several processes come together by it.

use std::collections::HashMap;

use artifact::{FILE, PolarsResultExt, ROW, stream};
use polars::prelude::*;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

/// The column with the number of a row, where the driver has numbered them.
pub const PLACE: &str = "_place";

/// How the place of a row follows from its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By the source files in this order, then by `_row`.
    Files(Vec<Option<String>>),
    /// By [`PLACE`].
    Place,
}

impl Order {
    /// The order of a table in which the rows of each source file follow each other by their number; nothing for other tables.
    /// And the places of the first rows of the batches that one machine makes of the table.
    pub fn of(mut table: LazyFrame, what: &str) -> Result<Option<(Order, Vec<i64>)>> {
        let columns = table.collect_schema().during(what)?;
        let is_there = |name: &str| columns.get(name).is_some_and(|dtype| name == FILE || dtype.is_integer());
        if !(is_there(FILE) && is_there(ROW)) {
            return Ok(None);
        }
        let (mut files, mut known, mut last) = (Vec::new(), HashMap::new(), None);
        let mut begins = Vec::new();
        for batch in stream(table.select([col(FILE).cast(DataType::String), col(ROW).cast(DataType::Int64)]), what)? {
            let batch = batch?;
            let mut is_first = true;
            let names = batch.column(FILE).and_then(|column| column.str().cloned()).during(what)?;
            let rows = batch.column(ROW).and_then(|column| column.i64().cloned()).during(what)?;
            for (name, row) in names.iter().zip(rows.iter()) {
                let Some(row) = row.and_then(|row| u32::try_from(row).ok()) else { return Ok(None) };
                match (&last, files.last()) {
                    (Some(last), Some(file)) if Option::as_deref(file) == name => {
                        if *last >= row {
                            return Ok(None);
                        }
                    }
                    _ => {
                        let name = name.map(str::to_owned);
                        if known.insert(name.clone(), ()).is_some() {
                            return Ok(None);
                        }
                        files.push(name);
                    }
                }
                last = Some(row);
                if std::mem::take(&mut is_first) {
                    begins.push((files.len() as i64 - 1) << 32 | i64::from(row));
                }
            }
        }
        Ok(Some((Order::Files(files), begins)))
    }

    /// The places of rows.
    ///
    /// Errors (cannot run): a row is not of the table.
    pub fn places(&self, rows: &DataFrame) -> Result<Vec<i64>> {
        let foreign = || {
            Error::cannot_run("a row is not of the table whose rows were sent out")
                .hint("did a file change during the run? Run again")
        };
        match self {
            Order::Place => {
                let places = rows.column(PLACE).and_then(|column| column.strict_cast(&DataType::Int64));
                let places = places.during("rows")?;
                places.i64().during("rows")?.iter().map(|place| place.ok_or_else(foreign)).collect()
            }
            Order::Files(files) => {
                let ranks: HashMap<Option<&str>, i64> = files.iter().map(Option::as_deref).zip(0..).collect();
                let names = rows.column(FILE).and_then(|column| column.cast(&DataType::String)).during("rows")?;
                let numbers = rows.column(ROW).and_then(|column| column.strict_cast(&DataType::UInt32)).during("rows")?;
                let (names, numbers) = (names.str().during("rows")?, numbers.u32().during("rows")?);
                let (mut known, mut rank) = (None, 0);
                let mut places = Vec::with_capacity(rows.height());
                for (name, number) in names.iter().zip(numbers.iter()) {
                    if known != Some(name) {
                        rank = *ranks.get(&name).ok_or_else(foreign)?;
                        known = Some(name);
                    }
                    places.push(rank << 32 | i64::from(number.ok_or_else(foreign)?));
                }
                Ok(places)
            }
        }
    }

    /// The rows in order; as they are if they are already.
    ///
    /// Errors (cannot run): a row came twice.
    pub fn sorted(&self, rows: DataFrame) -> Result<DataFrame> {
        let places = self.places(&rows)?;
        if places.is_sorted_by(|one, other| one < other) {
            return Ok(rows);
        }
        let mut at: Vec<IdxSize> = (0..places.len() as IdxSize).collect();
        at.sort_by_key(|at| places[*at as usize]);
        if at.windows(2).any(|two| places[two[0] as usize] == places[two[1] as usize]) {
            return Err(Error::cannot_run("a row of the table came in twice").hint("send each row to one process"));
        }
        rows.take(&IdxCa::from_vec(PlSmallStr::EMPTY, at)).during("rows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(files: &[Option<&str>], rows: &[u32]) -> DataFrame {
        df!(FILE => files, ROW => rows).unwrap()
    }

    fn order(files: &[Option<&str>], rows: &[u32]) -> Option<Order> {
        Order::of(table(files, rows).lazy(), "t").unwrap().map(|(order, _)| order)
    }

    #[test]
    fn files_come_in_the_order_of_the_table_and_rows_ascend() {
        let (b, a) = (Some("b.csv"), Some("a.csv"));
        let found = order(&[b, b, a, None], &[1, 7, 1, 2]);
        assert_eq!(found, Some(Order::Files(vec![Some("b.csv".into()), Some("a.csv".into()), None])));
        assert_eq!(order(&[b, a, b], &[1, 1, 2]), None, "a file comes back");
        assert_eq!(order(&[b, b], &[2, 2]), None, "a number comes twice");
        assert_eq!(order(&[b, b], &[2, 1]), None, "numbers descend");
        assert_eq!(Order::of(df!("a" => [1i64]).unwrap().lazy(), "t").unwrap(), None);
        let order = found.unwrap();
        let mixed = table(&[None, a, b, b], &[2, 1, 7, 1]);
        assert_eq!(order.sorted(mixed).unwrap(), table(&[b, b, a, None], &[1, 7, 1, 2]));
        let twice = order.sorted(table(&[b, a, b], &[1, 1, 1])).unwrap_err().to_string();
        assert_eq!(twice, "a row of the table came in twice; send each row to one process");
        assert!(order.places(&table(&[Some("c.csv")], &[1])).is_err());
    }
}
