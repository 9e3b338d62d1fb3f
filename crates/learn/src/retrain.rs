//! Whether new data are reason enough to train again.

use artifact::MonitorFindings;
use chrono::{DateTime, Days, Months, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::percent;
use spec::{Span, Unit};

/// When a changed feature table is reason to train again.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct RetrainRule {
    /// Reasons, any of which is enough. Without a change of the feature table none counts: the same model would result.
    pub when: RetrainWhen,
}

/// Reasons to train again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RetrainWhen {
    /// This many rows are new, as a share of those that the last version was made from, such as 0.1.
    pub new_rows: Option<f64>,
    /// The newest run of `monitor` found that columns drifted which matter to the model.
    pub drift: bool,
    /// The newest run of `monitor` found an error above that of the model's card by more than this share, such as 0.2.
    pub error_up: Option<f64>,
    /// The last version is older than this, such as `7d`.
    pub older_than: Option<Span>,
}

/// What has happened since the last version was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// Rows that the last version was made from, and rows that are new since.
    pub rows: u64,
    pub new_rows: u64,
    pub trained: DateTime<Utc>,
    pub now: DateTime<Utc>,
    /// What the newest run of `monitor` found; `None` if it never ran.
    pub watch: Option<MonitorFindings>,
}

impl RetrainRule {
    pub(crate) fn check(&self) -> Result<(), String> {
        let RetrainWhen { new_rows, drift, error_up, older_than } = &self.when;
        if new_rows.is_none() && !drift && error_up.is_none() && older_than.is_none() {
            return Err("retrain: when: it names no reason; write at least one, such as 'new_rows: 0.1'".to_owned());
        }
        for (name, share) in [("new_rows", new_rows), ("error_up", error_up)] {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && share.is_finite())) {
                return Err(format!("retrain: when: {name}: {share} is not above 0"));
            }
        }
        Ok(())
    }

    /// The reason to train again, or as an error why the changes are not enough.
    pub fn cause(&self, since: &Since) -> Result<String, String> {
        let when = &self.when;
        let (mut causes, mut none) = (Vec::new(), Vec::new());
        let mut look = |is_cause: bool, text: String| if is_cause { causes.push(text) } else { none.push(text) };
        if let Some(needed) = when.new_rows {
            let share = since.new_rows as f64 / since.rows.max(1) as f64;
            look(share >= needed, format!("{} new rows of the {} needed", percent(share), percent(needed)));
        }
        if when.drift {
            match &since.watch {
                Some(watch) if watch.drifted.is_empty() => look(false, "no drift".to_owned()),
                Some(watch) => look(true, format!("drift of {}", watch.drifted.join(", "))),
                None => {}
            }
        }
        if let Some(limit) = when.error_up {
            match since.watch.as_ref().map(|watch| watch.error_up) {
                Some(Some(up)) => {
                    let change =
                        if up < 0.0 { format!("down {}", percent(-up)) } else { format!("up {}", percent(up)) };
                    look(up > limit, format!("error {change}, of the {} allowed", percent(limit)));
                }
                Some(None) => look(false, "no labels to measure the error by yet".to_owned()),
                None => {}
            }
        }
        if since.watch.is_none() && (when.drift || when.error_up.is_some()) {
            look(false, "monitor has not run since".to_owned());
        }
        let age = age(since.now - since.trained);
        match when.older_than {
            Some(limit) => {
                let is_old = after(since.trained, limit).is_some_and(|end| since.now > end);
                look(is_old, format!("model {age} old, of the {limit} allowed"));
            }
            None => look(false, format!("model {age} old")),
        }
        if causes.is_empty() { Err(none.join(", ")) } else { Ok(causes.join(", ")) }
    }
}

/// `2 days`, rounded down; the unit is the largest of which there is one.
fn age(age: TimeDelta) -> String {
    let (days, hours) = (age.num_days(), age.num_hours());
    match (days, hours) {
        (..=0, ..=0) => "less than an hour".to_owned(),
        (..=0, hours) => spec::text::count(hours.unsigned_abs(), "hour"),
        (days, _) => spec::text::count(days.unsigned_abs(), "day"),
    }
}

fn after(time: DateTime<Utc>, span: Span) -> Option<DateTime<Utc>> {
    let count = u64::from(span.count);
    match span.unit {
        Unit::Minute => time.checked_add_signed(TimeDelta::minutes(span.count.into())),
        Unit::Hour => time.checked_add_signed(TimeDelta::hours(span.count.into())),
        Unit::Day => time.checked_add_days(Days::new(count)),
        Unit::Week => time.checked_add_days(Days::new(7 * count)),
        Unit::Month => time.checked_add_months(Months::new(span.count)),
        Unit::Year => time.checked_add_months(Months::new(span.count.saturating_mul(12))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: &str) -> RetrainRule {
        let text = format!("when: {when}");
        spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default()).unwrap().spec
    }

    fn since(new_rows: u64, hours: i64, watch: Option<MonitorFindings>) -> Since {
        let now = DateTime::parse_from_rfc3339("2026-03-10T00:00:00Z").unwrap().to_utc();
        Since { rows: 1000, new_rows, trained: now - TimeDelta::hours(hours), now, watch }
    }

    const ALL: &str = "{new_rows: 0.1, drift: true, error_up: 0.2, older_than: 7d}";

    #[test]
    fn without_cause_it_says_what_there_is() {
        let quiet = Some(MonitorFindings { drifted: Vec::new(), error_up: Some(0.05) });
        assert_eq!(
            rule(ALL).cause(&since(30, 48, quiet)).unwrap_err(),
            "3 % new rows of the 10 % needed, no drift, error up 5 %, of the 20 % allowed, model 2 days old, of the 7d allowed"
        );
        assert_eq!(
            rule(ALL).cause(&since(0, 5, None)).unwrap_err(),
            "0 % new rows of the 10 % needed, monitor has not run since, model 5 hours old, of the 7d allowed"
        );
        assert_eq!(
            rule("{new_rows: 0.1, drift: true}").cause(&since(30, 48, Some(MonitorFindings::default()))).unwrap_err(),
            "3 % new rows of the 10 % needed, no drift, model 2 days old"
        );
        let unknown = rule("{error_up: 0.2}").cause(&since(30, 0, Some(MonitorFindings::default()))).unwrap_err();
        assert_eq!(unknown, "no labels to measure the error by yet, model less than an hour old");
        let better = rule("{error_up: 0.2}").cause(&since(
            0,
            0,
            Some(MonitorFindings { drifted: vec![], error_up: Some(-0.1) }),
        ));
        assert!(better.unwrap_err().starts_with("error down 10 %, of the 20 % allowed"));
    }

    #[test]
    fn each_cause_is_enough() {
        let all = rule(ALL);
        assert_eq!(all.cause(&since(100, 1, None)).unwrap(), "10 % new rows of the 10 % needed");
        assert_eq!(all.cause(&since(0, 169, None)).unwrap(), "model 7 days old, of the 7d allowed");
        all.cause(&since(0, 168, None)).unwrap_err();
        let drifted = MonitorFindings { drifted: vec!["price".to_owned(), "area".to_owned()], error_up: None };
        assert_eq!(all.cause(&since(0, 1, Some(drifted.clone()))).unwrap(), "drift of price, area");
        // The rule does not have it.
        rule("{new_rows: 0.1}").cause(&since(0, 1, Some(drifted))).unwrap_err();
        let worse = MonitorFindings { drifted: Vec::new(), error_up: Some(0.21) };
        assert_eq!(
            all.cause(&since(500, 1, Some(worse))).unwrap(),
            "50 % new rows of the 10 % needed, error up 21 %, of the 20 % allowed"
        );
        // The month before 10 March has 28 days.
        assert!(rule("{older_than: 1mo}").cause(&since(0, 24 * 28 + 1, None)).is_ok());
        assert!(rule("{older_than: 1mo}").cause(&since(0, 24 * 28, None)).is_err());
    }
}
