//! Time zones, and the one of this machine.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Error, Result, did_you_mean};

/// A time zone by its name, such as `Europe/Berlin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(pub Tz);

impl Default for TimeZone {
    fn default() -> TimeZone {
        TimeZone(Tz::UTC)
    }
}

/// Names of UTC in the list of zones.
const UTC: [&str; 6] = ["UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Universal"];

impl TimeZone {
    /// Whether the clocks of both always agree, by their names.
    pub fn agrees_with(self, other: TimeZone) -> bool {
        let is_utc = |zone: TimeZone| UTC.contains(&zone.0.name());
        self == other || (is_utc(self) && is_utc(other))
    }
}

impl FromStr for TimeZone {
    type Err = Error;
    fn from_str(text: &str) -> Result<TimeZone> {
        text.parse::<Tz>().map(TimeZone).map_err(|_| {
            let names = TZ_VARIANTS.iter().map(|zone| zone.name());
            Error::cannot_run(format!("'{text}' is not a time zone")).hint(match spec::nearest(text, names.clone()) {
                Some(_) => did_you_mean(text, names),
                None => "write a name such as UTC or Europe/Berlin".to_owned(),
            })
        })
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
        spec::read_text(deserializer, "a time zone such as Europe/Berlin", str::parse)
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for TimeZone {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeZone".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A time zone by its name: UTC, Europe/Berlin." })
    }
}

/// The zone of this machine's clock, which cron uses; `None` if it has no name.
pub fn of_this_machine() -> Option<TimeZone> {
    let linked = std::fs::canonicalize("/etc/localtime").ok();
    let of_link = linked.as_deref().and_then(named_by);
    let of_file = || std::fs::read_to_string("/etc/timezone").ok()?.trim().parse().ok();
    // Without either, the C library takes UTC.
    let of_none = || (!Path::new("/etc/localtime").exists()).then(TimeZone::default);
    of_link.or_else(of_file).or_else(of_none)
}

/// `/usr/share/zoneinfo/Europe/Berlin`
fn named_by(file: &Path) -> Option<TimeZone> {
    file.to_str()?.split_once("/zoneinfo/")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_list() {
        assert_eq!("Europe/Berlin".parse::<TimeZone>().unwrap().to_string(), "Europe/Berlin");
        let error = |text: &str| text.parse::<TimeZone>().unwrap_err().to_string();
        assert_eq!(error("Europe/Berln"), "'Europe/Berln' is not a time zone; did you mean 'Europe/Berlin'?");
        assert!(error("nowhere at all").starts_with("'nowhere at all' is not a time zone; "));
        assert!("UTC".parse::<TimeZone>().unwrap().agrees_with("Etc/UTC".parse().unwrap()));
        assert!(!"UTC".parse::<TimeZone>().unwrap().agrees_with("Europe/London".parse().unwrap()));
        assert_eq!(named_by(Path::new("/usr/share/zoneinfo/Asia/Tokyo")), "Asia/Tokyo".parse().ok());
    }
}
