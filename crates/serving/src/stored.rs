//! The features of the newest snapshot, as one version sees them, found by key.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use artifact::{Artifact, PolarsResultExt, column_type};
use polars::prelude::{Column, DataFrame, DataType, PlHashMap};
use score::{Encoder, Feature};
use serde_json::Value;
use spec::{Error, Result};

use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::signature::is_text;

/// Rows of one table, as numbers, row after row.
pub struct Stored {
    width: usize,
    values: Vec<f64>,
    rows: Places,
    /// The text of cells in which the model sees a missing value although there is one: a category that it does not know, or a
    /// number that is infinite.
    unseen: HashMap<(u32, u32), Box<str>>,
    entity: String,
}

/// The rows by their keys: whole numbers as such, all others by their text.
enum Places {
    Texts(PlHashMap<Box<str>, u32>),
    /// `beyond` has the keys that are larger than those of `most` can be.
    Numbers {
        most: PlHashMap<i64, u32>,
        beyond: PlHashMap<u64, u32>,
    },
}

impl Places {
    /// Those of the keys of a column. Of several rows with one key the last by `time_of` counts.
    fn of(keys: &Column, entity: &str, time_of: impl Fn(u32) -> Option<i64>) -> Result<Places> {
        let missing = |row: u32| Error::refused(format!("row {} has no '{entity}'", row + 1));
        if is_text(column_type(keys.dtype())) {
            let texts = keys.cast(&DataType::String).during(entity)?;
            let mut rows = PlHashMap::default();
            for (row, key) in (0u32..).zip(texts.str().during(entity)?.iter()) {
                let key: Box<str> = key.ok_or_else(|| missing(row))?.into();
                add(&mut rows, key, row, entity, &time_of)?;
            }
            return Ok(Places::Texts(rows));
        }
        let (mut most, mut beyond) = (PlHashMap::default(), PlHashMap::default());
        // Every whole number fits one of the two.
        let signed = keys.cast(&DataType::Int64).during(entity)?;
        let unsigned = keys.cast(&DataType::UInt64).during(entity)?;
        let both = signed.i64().during(entity)?.iter().zip(unsigned.u64().during(entity)?.iter());
        for (row, key) in (0u32..).zip(both) {
            match key {
                (Some(key), _) => add(&mut most, key, row, entity, &time_of)?,
                (None, Some(key)) => add(&mut beyond, key, row, entity, &time_of)?,
                (None, None) => return Err(missing(row)),
            }
        }
        Ok(Places::Numbers { most, beyond })
    }

    fn len(&self) -> usize {
        match self {
            Places::Texts(rows) => rows.len(),
            Places::Numbers { most, beyond } => most.len() + beyond.len(),
        }
    }
}

/// Notes the row of a key, unless one that is known is later.
fn add<K: Hash + Eq + Display>(
    rows: &mut PlHashMap<K, u32>,
    key: K,
    row: u32,
    entity: &str,
    time_of: &impl Fn(u32) -> Option<i64>,
) -> Result<()> {
    match rows.get_mut(&key) {
        None => drop(rows.insert(key, row)),
        Some(known) if time_of(*known) < time_of(row) => *known = row,
        Some(known) if time_of(*known) > time_of(row) => {}
        Some(_) => {
            return Err(Error::refused(format!("two rows have the key '{key}' in column '{entity}'"))
                .hint("a key must stand for one row; give the features stage another entity"));
        }
    }
    Ok(())
}

impl Stored {
    /// The rows of `table`, found by the column `entity`; of several rows with one key the last by `time`.
    ///
    /// Errors: keys that are missing; two rows of one key that nothing tells apart.
    pub fn new(table: &DataFrame, features: &[Feature], entity: &str, time: Option<&str>) -> Result<Stored> {
        let matrix = Encoder::new(features).encode(table)?;
        let values = matrix.row_major(0..table.height());
        let times = time.map(|time| table.column(time).and_then(|time| time.cast(&DataType::Int64))).transpose();
        let times = times.during("the time of the rows")?;
        let times = times.as_ref().map(|times| times.i64()).transpose().during("the time of the rows")?;
        let time_of = |row: u32| times.and_then(|times| times.get(row as usize));
        let rows = Places::of(table.column(entity).during(entity)?, entity, time_of)?;
        let mut unseen = HashMap::new();
        for (at, feature) in features.iter().enumerate() {
            let column = table.column(&feature.name).during(&feature.name)?;
            if feature.categories().is_none() && !column.dtype().is_float() {
                continue;
            }
            let texts = column.cast(&DataType::String).during(&feature.name)?;
            let texts = texts.str().during(&feature.name)?;
            for (row, text) in texts.iter().enumerate() {
                if let Some(text) = text
                    && values[row * features.len() + at].is_nan()
                {
                    unseen.insert((row as u32, at as u32), text.into());
                }
            }
        }
        Ok(Stored { width: features.len(), values, rows, unseen, entity: entity.to_owned() })
    }

    /// Reads the rows from the artifacts of the features stage.
    pub fn read(
        artifacts: &[Artifact],
        table: &str,
        features: &[Feature],
        entity: &str,
        time: Option<&str>,
    ) -> Result<Stored> {
        let rows = artifact::collect(artifact::scan(artifacts, table)?, &format!("table '{table}'"))?;
        Stored::new(&rows, features, entity, time).map_err(|error| error.context(format!("table '{table}'")))
    }

    /// Rows that can be requested.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// A key as clients send it, of a text that people typed in: a number where keys are numbers.
    pub fn key_of(&self, text: &str) -> Value {
        let number = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
        // `007` is not a number here.
        let is_as_shown = |number: &Value| {
            let shown = number.to_string();
            shown == text
        };
        let are_texts = matches!(self.rows, Places::Texts(_));
        number.ok().filter(|number| !are_texts && is_as_shown(number)).unwrap_or_else(|| text.into())
    }

    /// The row of a key.
    ///
    /// Errors: a key of another type (422), one that the snapshot does not have (404).
    pub fn find(&self, key: &Cell<'_>) -> std::result::Result<u32, Refusal> {
        let column = || self.entity.clone();
        let found = match (&self.rows, key) {
            (Places::Texts(rows), Cell::Text(text)) => rows.get(text.as_ref()),
            (Places::Numbers { most, .. }, Cell::Int(number)) => most.get(number),
            (Places::Numbers { beyond, .. }, Cell::Unsigned(number)) => beyond.get(number),
            (rows, other) => {
                let expected = if matches!(rows, Places::Texts(_)) { "a text" } else { "a whole number" };
                let message = format!("a key of '{}' is {expected}, not {}", self.entity, other.kind());
                return Err(Refusal::wrong("wrong_type", column(), message).value(other.json()));
            }
        };
        found.copied().ok_or_else(|| {
            let text = match key.json() {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let message = format!("no '{}' is '{}' in the newest features", self.entity, spec::text::cut(&text, 100));
            let refusal = Refusal { column: Some(column()), ..Refusal::not_found(message) };
            refusal.value(key.json()).way_out("give its features instead, or run the features stage")
        })
    }

    /// The numbers of a row.
    pub fn values(&self, row: u32) -> &[f64] {
        &self.values[row as usize * self.width..(row as usize + 1) * self.width]
    }

    /// The text of a cell in which the model sees a missing value although there is one.
    pub fn unseen(&self, row: u32, feature: usize) -> Option<&str> {
        self.unseen.get(&(row, feature as u32)).map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use polars::df;

    use super::*;

    fn key(text: &str) -> Cell<'_> {
        Cell::Text(text.into())
    }

    #[test]
    fn the_newest_row_of_a_key_counts() {
        let table = df!("id" => ["a", "b", "a"], "at" => [2i64, 1, 3], "x" => [1.0, 2.0, f64::INFINITY], "c" => ["u", "v", "w"]);
        let table = table.unwrap();
        let features = [Feature::numeric("x"), Feature::categorical("c", ["u", "v"])];
        let stored = Stored::new(&table, &features, "id", Some("at")).unwrap();
        assert_eq!(stored.len(), 2);
        let row = stored.find(&key("a")).unwrap();
        assert!(stored.values(row).iter().all(|value| value.is_nan()));
        assert_eq!((stored.unseen(row, 0), stored.unseen(row, 1)), (Some("inf"), Some("w")));
        let row = stored.find(&key("b")).unwrap();
        assert_eq!(stored.values(row), [2.0, 1.0]);
        assert_eq!(stored.unseen(row, 0), None);
        let refusal = stored.find(&key("c")).unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.message.as_str()), (404, "no 'id' is 'c' in the newest features"));
        let refusal = stored.find(&Cell::Int(1)).unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.message.as_str()), (422, "a key of 'id' is a text, not a number"));
        let twins = Stored::new(&table, &features, "id", None).err().unwrap().to_string();
        assert!(twins.starts_with("two rows have the key 'a' in column 'id'"), "{twins}");
    }

    #[test]
    fn whole_numbers_are_keys_too() {
        let table = df!("id" => [7i64, 8], "x" => [1.0, 2.0]).unwrap();
        let stored = Stored::new(&table, &[Feature::numeric("x")], "id", None).unwrap();
        assert_eq!(stored.values(stored.find(&Cell::Int(8)).unwrap()), [2.0]);
        assert_eq!(stored.find(&key("8")).unwrap_err().message, "a key of 'id' is a whole number, not a text");
        let typed = ["8", "-8", "18446744073709551615", "007", "a", ""].map(|text| stored.key_of(text));
        let expected: [Value; 6] = [8.into(), (-8).into(), u64::MAX.into(), "007".into(), "a".into(), "".into()];
        assert_eq!(typed, expected);
        let twins = df!("id" => [7i64, 7], "x" => [1.0, 2.0]).unwrap();
        let twins = Stored::new(&twins, &[Feature::numeric("x")], "id", None).err().unwrap().to_string();
        assert!(twins.starts_with("two rows have the key '7' in column 'id'"), "{twins}");
        let missing = df!("id" => [Some(7i64), None], "x" => [1.0, 2.0]).unwrap();
        let missing = Stored::new(&missing, &[Feature::numeric("x")], "id", None).err().unwrap().to_string();
        assert_eq!(missing, "row 2 has no 'id'");
        // The largest one has the bits of -1.
        let table = df!("id" => [u64::MAX, 3, i64::MAX as u64], "x" => [1.0, 2.0, 3.0]).unwrap();
        let large = Stored::new(&table, &[Feature::numeric("x")], "id", None).unwrap();
        let of = |key: Cell<'_>| large.find(&key).map(|row| large.values(row)[0]).ok();
        assert_eq!(
            [of(Cell::Unsigned(u64::MAX)), of(Cell::Int(3)), of(Cell::Int(i64::MAX))],
            [1.0, 2.0, 3.0].map(Some)
        );
        assert_eq!((large.len(), of(Cell::Int(-1)), of(Cell::Unsigned(u64::MAX - 1))), (3, None, None));
        assert_eq!(
            large.find(&Cell::Unsigned(u64::MAX - 1)).unwrap_err().message,
            "no 'id' is '18446744073709551614' in the newest features"
        );
        let small = df!("id" => [-3i8, 4], "x" => [1.0, 2.0]).unwrap();
        let small = Stored::new(&small, &[Feature::numeric("x")], "id", None).unwrap();
        assert_eq!(small.values(small.find(&Cell::Int(-3)).unwrap()), [1.0]);
        let table = df!("id" => ["7", "8"], "x" => [1.0, 2.0]).unwrap();
        let texts = Stored::new(&table, &[Feature::numeric("x")], "id", None).unwrap();
        assert_eq!(texts.key_of("8"), "8");
        assert_eq!(texts.values(texts.find(&key("8")).unwrap()), [2.0]);
    }
}
