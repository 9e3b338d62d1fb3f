//! What a version's columns are: how the values of a request become the numbers that its model sees.

use std::collections::HashMap;

use score::{Feature, FeatureKind};
use spec::ColumnType;

use crate::cell::Cell;
use crate::json;
use crate::refusal::Refusal;
use crate::request::{Columns, Values};
use crate::spec::UnknownCategories;

/// Whole numbers up to this size are floats without a loss.
const EXACT: u64 = 1 << 53;

/// The columns of one version, in the order of its model.
pub struct Signature {
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    /// Columns that a row may have besides the features: its key and its time.
    other_columns: Vec<OtherColumn>,
    unknown: UnknownCategories,
}

struct Column {
    name: String,
    kind: Kind,
    /// Its name as the log of requests has it, with quotes and colon.
    json_key: Box<[u8]>,
}

/// A column that no model sees: it only has to be of the column's type.
pub struct OtherColumn {
    column: Column,
    /// Whether its type is one that values are compared with. Without a table of the features the type is not known.
    is_known: bool,
}

impl OtherColumn {
    /// `column_type`: as a manifest names types; `None` if it is not known.
    pub fn new(name: &str, column_type: Option<&str>) -> OtherColumn {
        let kind = column_type.map_or(Kind::Float64, Kind::of);
        // Keys of any other type are written as texts, or not at all.
        let is_known = matches!(kind, Kind::Text | Kind::Whole(..) | Kind::Date | Kind::Datetime);
        OtherColumn { column: Column::new(name.to_owned(), kind), is_known }
    }

    /// Errors (422): a value of another type.
    fn check(&self, cell: &Cell<'_>) -> Result<(), Refusal> {
        let is_time =
            |text: &str| values::iso_date(text.as_bytes()).is_some() || values::iso_datetime(text.as_bytes()).is_some();
        match (&self.column.kind, cell) {
            _ if !self.is_known => Ok(()),
            (_, Cell::Null) => Ok(()),
            // A key is a whole number in every digit, as it is where it is looked up.
            (Kind::Whole(..), Cell::Float(_)) => Err(self.column.wrong(
                "wrong_type",
                cell,
                format!("expected {}, not {}", self.column.kind.expected(), cell.kind()),
            )),
            (Kind::Whole(name, low, high), Cell::Int(_) | Cell::Unsigned(_)) => match whole(cell) {
                Some(whole) if (*low..=*high).contains(&whole) => Ok(()),
                _ => {
                    let message = format!("{name} holds whole numbers from {low} to {high}");
                    Err(self.column.wrong("out_of_range", cell, message))
                }
            },
            (Kind::Date | Kind::Datetime, Cell::Text(text)) if is_time(text) => Ok(()),
            _ => self.column.number(cell, UnknownCategories::Missing).map(drop),
        }
    }
}

enum Kind {
    /// Only for columns that are not features.
    Text,
    Category {
        codes: HashMap<String, u32>,
        names: Vec<String>,
    },
    Bool,
    /// Whole numbers from the first to the second.
    Whole(&'static str, i128, i128),
    Float32,
    Float64,
    Date,
    Datetime,
    /// Digits behind the point.
    Decimal(u32),
}

impl Signature {
    pub fn new(features: &[Feature], other_columns: Vec<OtherColumn>, unknown: UnknownCategories) -> Signature {
        let columns: Vec<Column> = features.iter().map(Column::of).collect();
        let places = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
        Signature { columns, places, other_columns, unknown }
    }

    /// Checks the categories of a computed row against those that the model knows, as for a row that a client sends.
    ///
    /// Errors (422): a category that it does not know.
    pub fn check_categories(&self, computed: &polars::prelude::DataFrame, row: usize) -> Result<(), Refusal> {
        for column in self.columns.iter().filter(|column| matches!(column.kind, Kind::Category { .. })) {
            let texts = computed.column(&column.name).ok().and_then(|values| values.str().ok());
            if let Some(text) = texts.and_then(|texts| texts.get(row)) {
                column.number(&Cell::Text(text.into()), self.unknown)?;
            }
        }
        Ok(())
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Appends the numbers of `row` to `values`, one per feature, NaN where missing.
    ///
    /// Errors (422): a column that the model does not have, or one that the row lacks; a value of another type, or of one
    /// that the model would not see as it is; a category that it does not know.
    pub fn encode(&self, row: &[(std::borrow::Cow<'_, str>, Cell<'_>)], values: &mut Vec<f64>) -> Result<(), Refusal> {
        let start = values.len();
        values.resize(start + self.columns.len(), f64::NAN);
        // Most clients write columns in one order, so the next one is tried first.
        let mut given = PresentColumns::new(self.columns.len());
        let mut next = 0;
        for (name, cell) in row {
            let at = match self.columns.get(next) {
                Some(column) if column.name == *name => next,
                _ => match self.places.get(name.as_ref()) {
                    Some(at) => *at,
                    None => match self.other_column(name) {
                        Some(other) => {
                            other.check(cell)?;
                            continue;
                        }
                        None => return Err(self.unknown_column(name)),
                    },
                },
            };
            if !given.insert(at) {
                return Err(Refusal::wrong("twice", name.as_ref(), format!("column '{name}' is given twice")));
            }
            next = at + 1;
            values[start + at] = self.columns[at].number(cell, self.unknown)?;
        }
        match (0..self.columns.len()).find(|at| !given.has(*at)) {
            None => Ok(()),
            Some(at) => {
                let name = &self.columns[at].name;
                Err(Refusal::wrong("missing_column", name, format!("column '{name}' is missing"))
                    .way_out("give it, with null if its value is not known"))
            }
        }
    }

    /// The numbers of all rows of a table, row by row; `None` if [`Signature::encode`] refuses one of them, or would.
    pub fn encode_table(&self, table: &Columns<'_>) -> Option<Vec<f64>> {
        let width = self.columns.len();
        let mut values = vec![f64::NAN; table.rows * width];
        let mut given = PresentColumns::new(width);
        for (name, of_table) in &table.columns {
            let Some(at) = self.places.get(*name) else {
                let other = self.other_column(name)?;
                if (0..table.rows).any(|row| other.check(&of_table.cell(row)).is_err()) {
                    return None;
                }
                continue;
            };
            if !given.insert(*at) {
                return None;
            }
            let column = &self.columns[*at];
            match (&column.kind, of_table) {
                (Kind::Float64, Values::Floats(floats)) => {
                    floats.iter().enumerate().for_each(|(row, float)| values[row * width + at] = *float);
                }
                (_, Values::Floats(_)) => {
                    for row in 0..table.rows {
                        values[row * width + at] = column.number(&of_table.cell(row), self.unknown).ok()?;
                    }
                }
                (_, Values::Cells(cells)) => {
                    for (row, cell) in cells.iter().enumerate() {
                        values[row * width + at] = column.number(cell, self.unknown).ok()?;
                    }
                }
            }
        }
        (0..width).all(|at| given.has(at)).then_some(values)
    }

    fn other_column(&self, name: &str) -> Option<&OtherColumn> {
        self.other_columns.iter().find(|other| other.column.name == name)
    }

    fn unknown_column(&self, name: &str) -> Refusal {
        Refusal::wrong("unknown_column", name, format!("the model has no column '{name}'"))
            .among(name, self.columns.iter().map(|column| column.name.as_str()))
    }

    /// Names of the features, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Names of the features with the same names as keys of JSON ([`json::prepared_key`]), in order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.columns.iter().map(|column| (column.name.as_str(), &*column.json_key))
    }

    /// Whether the numbers of a feature are codes of categories.
    pub fn is_category(&self, feature: usize) -> bool {
        matches!(self.columns[feature].kind, Kind::Category { .. })
    }

    /// The name of a category by its code; `None` for a number.
    pub fn category(&self, feature: usize, code: f64) -> Option<&str> {
        match &self.columns[feature].kind {
            Kind::Category { names, .. } if !code.is_nan() => names.get(code as usize).map(String::as_str),
            _ => None,
        }
    }
}

/// Which of the columns a row had.
struct PresentColumns(Vec<u64>);

impl PresentColumns {
    fn new(columns: usize) -> PresentColumns {
        PresentColumns(vec![0; columns.div_ceil(64)])
    }
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }
    /// Whether it is new.
    fn insert(&mut self, at: usize) -> bool {
        let is_new = !self.has(at);
        self.0[at / 64] |= 1 << (at % 64);
        is_new
    }
}

impl Column {
    fn of(feature: &Feature) -> Column {
        let kind = match &feature.kind {
            FeatureKind::Categorical { categories } => {
                Kind::Category { codes: categories.iter().cloned().zip(0..).collect(), names: categories.clone() }
            }
            _ => Kind::of(&feature.column_type),
        };
        Column::new(feature.name.clone(), kind)
    }

    fn new(name: String, kind: Kind) -> Column {
        let json_key = json::prepared_key(&name);
        Column { name, kind, json_key }
    }

    /// The value as the model sees it: as it would see the same value in a table.
    fn number(&self, cell: &Cell<'_>, unknown: UnknownCategories) -> Result<f64, Refusal> {
        match (&self.kind, cell) {
            (_, Cell::Null) | (Kind::Text, Cell::Text(_)) => Ok(f64::NAN),
            (Kind::Category { codes, names }, Cell::Text(text)) => match codes.get(text.as_ref()) {
                Some(code) => Ok(f64::from(*code)),
                None if unknown == UnknownCategories::Missing => Ok(f64::NAN),
                None => Err(self
                    .wrong("unknown_category", cell, format!("the model never saw the category '{}'", short(text)))
                    .among(text, names.iter().map(String::as_str))),
            },
            (Kind::Bool, Cell::Bool(value)) => Ok(f64::from(u8::from(*value))),
            (Kind::Whole(name, low, high), Cell::Int(_) | Cell::Unsigned(_) | Cell::Float(_)) => {
                let whole = whole(cell)
                    .ok_or_else(|| self.wrong("wrong_type", cell, format!("{name} expects a whole number")))?;
                if !(*low..=*high).contains(&whole) {
                    let message = format!("{name} holds whole numbers from {low} to {high}");
                    return Err(self.wrong("out_of_range", cell, message));
                }
                exact(whole).ok_or_else(|| {
                    let message = "a model would lose the last digits (beyond 2^53 it computes with rounded numbers)";
                    self.wrong("out_of_range", cell, message.to_owned())
                })
            }
            (Kind::Float64, Cell::Float(value)) => Ok(*value),
            (Kind::Float64, Cell::Int(_) | Cell::Unsigned(_)) => match whole(cell).and_then(exact) {
                Some(value) => Ok(value),
                None => {
                    let message = "a float cannot hold all digits of this number".to_owned();
                    Err(self
                        .wrong("out_of_range", cell, message)
                        .way_out("write it with a decimal point if digits may go"))
                }
            },
            (Kind::Float32, Cell::Int(_) | Cell::Unsigned(_) | Cell::Float(_)) => match narrow(as_float(cell)) {
                Some(value) => Ok(f64::from(value)),
                None => Err(self.wrong("out_of_range", cell, "float32 cannot hold this number".to_owned())),
            },
            (Kind::Decimal(scale), Cell::Int(_) | Cell::Unsigned(_) | Cell::Float(_)) => {
                let (value, unit) = (as_float(cell), 10f64.powi(*scale as i32));
                let held = (value * unit).round() / unit;
                match held == value {
                    true => Ok(held),
                    false => {
                        Err(self.wrong("out_of_range", cell, format!("more than {scale} digits behind the point")))
                    }
                }
            }
            (Kind::Date, Cell::Text(text)) => match values::iso_date(text.as_bytes()) {
                Some(day) => Ok(f64::from(day)),
                None => Err(self.wrong("wrong_type", cell, "not a date".to_owned()).way_out("write YYYY-MM-DD")),
            },
            (Kind::Datetime, Cell::Text(text)) => match values::iso_datetime(text.as_bytes()) {
                Some(moment) => Ok(moment.micros() as f64 / 1e6),
                None => Err(self
                    .wrong("wrong_type", cell, "not a datetime".to_owned())
                    .way_out("write YYYY-MM-DDTHH:MM:SS, in UTC")),
            },
            (kind, cell) => {
                Err(self.wrong("wrong_type", cell, format!("expected {}, not {}", kind.expected(), cell.kind())))
            }
        }
    }

    fn wrong(&self, code: &'static str, cell: &Cell<'_>, message: String) -> Refusal {
        Refusal::wrong(code, &self.name, format!("column '{}': {message}", self.name)).value(cell.json())
    }
}

impl Kind {
    /// What a column of this type holds, as a manifest names types.
    fn of(column_type: &str) -> Kind {
        match column_type {
            "string" | "category" => Kind::Text,
            "bool" => Kind::Bool,
            "int8" => Kind::Whole("int8", i8::MIN.into(), i8::MAX.into()),
            "int16" => Kind::Whole("int16", i16::MIN.into(), i16::MAX.into()),
            "int32" => Kind::Whole("int32", i32::MIN.into(), i32::MAX.into()),
            "int64" => Kind::Whole("int64", i64::MIN.into(), i64::MAX.into()),
            "uint8" => Kind::Whole("uint8", 0, u8::MAX.into()),
            "uint16" => Kind::Whole("uint16", 0, u16::MAX.into()),
            "uint32" => Kind::Whole("uint32", 0, u32::MAX.into()),
            "uint64" => Kind::Whole("uint64", 0, u64::MAX.into()),
            "float32" => Kind::Float32,
            "date" => Kind::Date,
            "datetime" => Kind::Datetime,
            other => scale(other).map_or(Kind::Float64, Kind::Decimal),
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Kind::Text | Kind::Category { .. } => "a text",
            Kind::Bool => "true or false",
            Kind::Whole(..) => "a whole number",
            Kind::Float32 | Kind::Float64 | Kind::Decimal(_) => "a number",
            Kind::Date => "a date as text",
            Kind::Datetime => "a datetime as text",
        }
    }
}

fn short(text: &str) -> String {
    spec::text::cut(text, 100)
}

/// A whole number, however JSON writes it: `3` and `3.0` are the same number.
fn whole(cell: &Cell<'_>) -> Option<i128> {
    match cell {
        Cell::Int(value) => Some((*value).into()),
        Cell::Unsigned(value) => Some((*value).into()),
        // Beyond this a float represents many whole numbers.
        Cell::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT as f64 => Some(*value as i128),
        _ => None,
    }
}

/// The same number as a float, if one holds it.
fn exact(whole: i128) -> Option<f64> {
    let value = whole as f64;
    (value as i128 == whole).then_some(value)
}

/// The nearest number that 32 bits hold, if it is one.
fn narrow(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (narrow.is_finite() && (narrow != 0.0 || value == 0.0)).then_some(narrow)
}

fn as_float(cell: &Cell<'_>) -> f64 {
    match cell {
        Cell::Int(value) => *value as f64,
        Cell::Unsigned(value) => *value as f64,
        Cell::Float(value) => *value,
        _ => f64::NAN,
    }
}

/// `decimal[10,2]` has 2.
fn scale(column_type: &str) -> Option<u32> {
    let inner = column_type.strip_prefix("decimal[")?.strip_suffix(']')?;
    inner.split_once(',')?.1.trim().parse().ok()
}

/// The YAML word of a key column's type decides how a key is written.
pub fn is_text(column_type: Option<ColumnType>) -> bool {
    !matches!(
        column_type,
        Some(
            ColumnType::Int8
                | ColumnType::Int16
                | ColumnType::Int32
                | ColumnType::Int64
                | ColumnType::Uint8
                | ColumnType::Uint16
                | ColumnType::Uint32
                | ColumnType::Uint64
        )
    )
}

#[cfg(test)]
mod tests;
