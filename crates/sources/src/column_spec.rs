//! Columns as `columns:` declares them: `name: type`, or `name: {type, format, from}`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use spec::{ColumnType, did_you_mean};

use values::{Dst, LocalTime, MomentFormat, Reading, TypeOrigin, Zone};

use crate::numerals::Numerals;

/// The type of a column, how its dates or times are written, and what the source calls it.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    pub column_type: ColumnType,
    /// How a date, datetime or time is written; ISO 8601 by default.
    pub format: Option<MomentFormat>,
    /// The time zone of local times; by default they are kept as they are.
    pub zone: Option<LocalTime>,
    /// The column's name in the source; by default its name in the table.
    pub from: Option<String>,
    /// The source may lack it: then it is null in every row.
    pub optional: bool,
    /// How the source writes numbers.
    pub(crate) numerals: Numerals,
    /// What decided its type.
    pub(crate) origin: TypeOrigin,
}

impl ColumnSpec {
    pub(crate) fn reading(&self) -> Reading<'_> {
        let ColumnSpec { column_type, format, zone, origin, .. } = self;
        Reading { column_type: *column_type, format: format.as_ref(), zone: zone.as_ref(), origin: *origin }
    }
}

impl From<ColumnType> for ColumnSpec {
    fn from(column_type: ColumnType) -> ColumnSpec {
        ColumnSpec {
            column_type,
            format: None,
            zone: None,
            from: None,
            optional: false,
            numerals: Numerals::default(),
            origin: TypeOrigin::Declared,
        }
    }
}

const KEYS: [&str; 6] = ["type", "format", "zone", "dst", "from", "optional"];

/// A key of the long form. An unknown one is refused here, while the parser still knows its position.
struct Key(&'static str);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        struct Known;
        impl Visitor<'_> for Known {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                let unknown = || E::custom(format!("unknown key '{key}'; {}", did_you_mean(key, KEYS)));
                KEYS.iter().find(|known| **known == key).map(|known| Key(known)).ok_or_else(unknown)
            }
        }
        deserializer.deserialize_str(Known)
    }
}

/// `int64`, with the nearest type in the error.
struct TypeWord(ColumnType);

pub(crate) const TYPES: [ColumnType; 16] = [
    ColumnType::String,
    ColumnType::Category,
    ColumnType::Bool,
    ColumnType::Int8,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Uint8,
    ColumnType::Uint16,
    ColumnType::Uint32,
    ColumnType::Uint64,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Date,
    ColumnType::Datetime,
    ColumnType::Time,
];

fn type_word<E: de::Error>(word: &str) -> Result<ColumnType, E> {
    TYPES.into_iter().find(|known| known.name() == word).ok_or_else(|| {
        E::custom(format!("unknown type '{word}'; {}", did_you_mean(word, TYPES.iter().map(|known| known.name()))))
    })
}

impl<'de> Deserialize<'de> for TypeWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TypeWord, D::Error> {
        let word = String::deserialize(deserializer)?;
        type_word(&word).map(TypeWord)
    }
}

impl<'de> Deserialize<'de> for ColumnSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ColumnSpec, D::Error> {
        struct ShortOrLong;
        impl<'de> Visitor<'de> for ShortOrLong {
            type Value = ColumnSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type such as int64, or {type: date, format: \"%Y%m%d\"}")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<ColumnSpec, E> {
                type_word(word).map(ColumnSpec::from)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ColumnSpec, A::Error> {
                let (mut column_type, mut format, mut from, mut optional) = (None, None, None, false);
                let (mut zone, mut dst) = (None, None);
                let mut seen: Vec<&str> = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if seen.contains(&key) {
                        return Err(de::Error::custom(format!("'{key}' is given twice")));
                    }
                    seen.push(key);
                    match key {
                        "type" => column_type = Some(map.next_value::<TypeWord>()?.0),
                        "format" => format = Some(map.next_value::<MomentFormat>()?),
                        "zone" => zone = Some(map.next_value::<Zone>()?),
                        "dst" => dst = Some(map.next_value::<Dst>()?),
                        "optional" => optional = map.next_value::<bool>()?,
                        _ => from = Some(map.next_value::<String>()?),
                    }
                }
                let column_type = column_type.ok_or_else(|| de::Error::missing_field("type"))?;
                if let (Some(format), false) = (&format, is_moment(column_type)) {
                    return Err(de::Error::custom(format!(
                        "format \"{}\" is for the types date, datetime and time, not for {}",
                        format.text(),
                        column_type.name()
                    )));
                }
                if let Some(format) = &format {
                    format.check(column_type).map_err(de::Error::custom)?;
                }
                let zone = match (zone, dst) {
                    (Some(_), _) if column_type != ColumnType::Datetime => {
                        let word = column_type.name();
                        return Err(de::Error::custom(format!("'zone' is for the type datetime, not for {word}")));
                    }
                    (Some(_), _) if format.as_ref().is_some_and(MomentFormat::has_offset) => {
                        return Err(de::Error::custom(
                            "'zone' has no effect when the format includes the offset; leave it out",
                        ));
                    }
                    (Some(zone), dst) => Some(LocalTime { zone, dst: dst.unwrap_or_default() }),
                    (None, Some(_)) => return Err(de::Error::custom("'dst' needs a 'zone', such as Europe/Berlin")),
                    (None, None) => None,
                };
                Ok(ColumnSpec { zone, format, from, optional, ..ColumnSpec::from(column_type) })
            }
        }
        deserializer.deserialize_any(ShortOrLong)
    }
}

fn is_moment(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Date | ColumnType::Datetime | ColumnType::Time)
}

impl JsonSchema for ColumnSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Column".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let types = generator.subschema_for::<ColumnType>();
        json_schema!({
            "description": "A type, or {type, format, zone, dst, from, optional}.",
            "anyOf": [
                types,
                {
                    "type": "object",
                    "properties": {
                        "type": types,
                        "format": {
                            "type": "string",
                            "description": "How a date, datetime or time is written, in strftime's letters such as \
                                            \"%d.%m.%Y\"; ISO 8601 by default, also with an offset such as +09:00. %Y has \
                                            four digits, %y two (69 to 99 are 1969 to 1999). %s counts seconds since 1970, \
                                            %s%3f milliseconds; with a format whole numbers of Parquet and databases are read, \
                                            too."
                        },
                        "zone": {
                            "type": "string",
                            "description": "The time zone in which a datetime without offset was written down, such as \
                                            Europe/Berlin: it becomes UTC. By default it is not converted."
                        },
                        "dst": generator.subschema_for::<Dst>(),
                        "from": {
                            "type": "string",
                            "description": "The column's name in the source; by default its name in the table. In JSON and \
                                            from services also a dotted path such as address.city."
                        },
                        "optional": {
                            "type": "boolean",
                            "description": "The source may lack the column, which is null then. By default a column that no \
                                            file or no record has is an error."
                        }
                    },
                    "required": ["type"],
                    "additionalProperties": false
                }
            ]
        })
    }
}
