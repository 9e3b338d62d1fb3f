//! One of the five fields of a cron expression.

use std::collections::BTreeSet;

use spec::{Error, Result};

/// What a field counts.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub first: u32,
    pub last: u32,
    /// Names of its values, beginning with that of `first`.
    pub names: &'static [&'static str],
}

pub const MINUTE: Kind = Kind { name: "minute", first: 0, last: 59, names: &[] };
pub const HOUR: Kind = Kind { name: "hour", first: 0, last: 23, names: &[] };
pub const DAY: Kind = Kind { name: "day of the month", first: 1, last: 31, names: &[] };
pub const MONTH: Kind = Kind {
    name: "month",
    first: 1,
    last: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 7 is Sunday, too, as in cron.
pub const WEEKDAY: Kind =
    Kind { name: "day of the week", first: 0, last: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The values of a field at which it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub values: BTreeSet<u32>,
    /// Whether every value matches.
    pub is_any: bool,
}

impl Field {
    /// Reads `*`, `5`, `1-5`, `*/15`, `10-50/20` and lists of these; months and weekdays also by name.
    pub fn read(text: &str, kind: Kind) -> Result<Field> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            values.extend(part_of(part, kind)?);
        }
        if kind.last == 7 && values.remove(&7) {
            values.insert(0);
        }
        let whole = if kind.last == 7 { 7 } else { (kind.last - kind.first + 1) as usize };
        Ok(Field { is_any: values.len() == whole, values })
    }

    /// As a cron expression has it, in numbers and without steps that programs read differently: `*`, `*/15`, `1-5,7`.
    pub fn canonical(&self, kind: Kind) -> String {
        if self.is_any {
            return "*".to_owned();
        }
        // Only where a step divides the whole hour or day: elsewhere some programs read `*/7` as a list, and others as
        // an interval.
        let count = kind.last - kind.first + 1;
        let step = count / self.values.len() as u32;
        if kind.first == 0
            && kind.names.is_empty()
            && self.values.len() > 2
            && self.values.len() as u32 * step == count
            && self.values.iter().enumerate().all(|(index, value)| *value == index as u32 * step)
        {
            return format!("*/{step}");
        }
        let parts = self.runs().map(|(from, to)| match to - from {
            0 => from.to_string(),
            1 => format!("{from},{to}"),
            _ => format!("{from}-{to}"),
        });
        parts.collect::<Vec<_>>().join(",")
    }

    /// First and last of each run of neighbours.
    fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for value in &self.values {
            match runs.last_mut() {
                Some((_, to)) if *to + 1 == *value => *to = *value,
                _ => runs.push((*value, *value)),
            }
        }
        runs.into_iter()
    }
}

fn part_of(part: &str, kind: Kind) -> Result<Vec<u32>> {
    let wrong = |what: String| Error::cannot_run(format!("{}: {what}", kind.name));
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => {
            let step: usize = step.parse().ok().filter(|step| *step > 0 && *step <= 59).ok_or_else(|| {
                wrong(format!("'{part}': '{step}' is not a step")).hint("write a number above 0, such as */15")
            })?;
            (range, Some(step))
        }
        None => (part, None),
    };
    let (from, to) = match range.split_once('-') {
        _ if range == "*" => (kind.first, if kind.last == 7 { 6 } else { kind.last }),
        Some((from, to)) => (value_of(from, kind)?, value_of(to, kind)?),
        None if step.is_some() => {
            // Some programs read `5/10` as `5-59/10`, others as `5`.
            return Err(wrong(format!("'{part}': a step needs a range")).hint(format!(
                "write {range}-{}/{}, or a list",
                kind.last,
                step.unwrap_or(1)
            )));
        }
        None => {
            let value = value_of(range, kind)?;
            (value, value)
        }
    };
    if from > to {
        let last = if kind.last == 7 { 6 } else { kind.last };
        return Err(wrong(format!("'{part}' ends before it begins"))
            .hint(format!("write two ranges: {from}-{last},{}-{to}", kind.first)));
    }
    Ok((from..=to).step_by(step.unwrap_or(1)).collect())
}

fn value_of(text: &str, kind: Kind) -> Result<u32> {
    let wrong = || {
        let names = match kind.names {
            [first, .., last] => format!(", or a name, {first} to {last}"),
            _ => String::new(),
        };
        Error::cannot_run(format!("{}: '{text}' is not one", kind.name))
            .hint(format!("write a number from {} to {}{names}", kind.first, kind.last))
    };
    if let Some(index) = kind.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(kind.first + index as u32);
    }
    let is_number = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = is_number.then(|| text.parse().ok()).flatten().ok_or_else(wrong)?;
    (kind.first..=kind.last).contains(&value).then_some(value).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, kind: Kind) -> Vec<u32> {
        Field::read(text, kind).unwrap().values.into_iter().collect()
    }

    #[test]
    fn reads_lists_ranges_steps_and_names() {
        assert_eq!(values("*/15", MINUTE), [0, 15, 30, 45]);
        assert_eq!(values("10-50/20,5", MINUTE), [5, 10, 30, 50]);
        assert_eq!(values("Mon-Fri", WEEKDAY), [1, 2, 3, 4, 5]);
        assert_eq!(values("5-7", WEEKDAY), [0, 5, 6]);
        assert_eq!(values("0,7", WEEKDAY), [0]);
        assert_eq!(values("jan,DEC", MONTH), [1, 12]);
        assert!(Field::read("*", WEEKDAY).unwrap().is_any);
        assert!(Field::read("1-31", DAY).unwrap().is_any);
        assert!(!Field::read("0-5", WEEKDAY).unwrap().is_any);
    }

    #[test]
    fn writes_what_every_program_reads_alike() {
        for (text, kind, canonical) in [
            ("*/15", MINUTE, "*/15"),
            ("*/7", MINUTE, "0,7,14,21,28,35,42,49,56"),
            ("0-59/30", MINUTE, "0,30"),
            ("*/2", DAY, "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31"),
            ("mon-fri", WEEKDAY, "1-5"),
            ("fri-7", WEEKDAY, "0,5,6"),
            ("1-12", MONTH, "*"),
            ("08", HOUR, "8"),
        ] {
            let canonical_of = |text: &str| Field::read(text, kind).unwrap().canonical(kind);
            assert_eq!(canonical_of(text), canonical, "{text}");
            assert_eq!(values(&canonical_of(text), kind), values(text, kind), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_and_what_to_write() {
        for (text, kind, error) in [
            ("60", MINUTE, "minute: '60' is not one; write a number from 0 to 59"),
            ("", HOUR, "hour: '' is not one; write a number from 0 to 23"),
            ("-1", HOUR, "hour: '' is not one; write a number from 0 to 23"),
            (
                "monday",
                WEEKDAY,
                "day of the week: 'monday' is not one; write a number from 0 to 7, or a name, sun to sat",
            ),
            ("5/10", MINUTE, "minute: '5/10': a step needs a range; write 5-59/10, or a list"),
            ("*/0", MINUTE, "minute: '*/0': '0' is not a step; write a number above 0, such as */15"),
            ("fri-mon", WEEKDAY, "day of the week: 'fri-mon' ends before it begins; write two ranges: 5-6,0-1"),
            ("L", DAY, "day of the month: 'L' is not one; write a number from 1 to 31"),
        ] {
            assert_eq!(Field::read(text, kind).unwrap_err().to_string(), error);
        }
    }
}
