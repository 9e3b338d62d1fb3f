//! What people and programs read: the subject, the body, the JSON and the variables of an alert.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use spec::Span;

use crate::{Event, EventClass, Priority};
use spec::text::cut;

/// Characters of a message that are sent; the run log has all of it.
const LONGEST_MESSAGE: usize = 2500;

/// Characters of a subject: what Slack takes for a header.
const LONGEST_SUBJECT: usize = 150;

/// An event on its way to one channel, free of secrets.
#[derive(Clone, Debug)]
pub struct Alert {
    pub event: Event,
    pub priority: Priority,
    /// When it is sent.
    pub now: DateTime<Utc>,
    /// Earlier alerts of the same cause that were not sent to this channel.
    pub held_back: u64,
    /// The time in which a cause is reported at most once.
    pub every: Span,
}

/// A part of the body: its title and its lines.
pub struct Part {
    pub title: &'static str,
    pub text: String,
}

impl Alert {
    /// `[millrace P2] churn clean refused: orders: 3 of 100 rows have no 'customer_id'`
    pub fn subject(&self) -> String {
        let Event { pipeline, stage, class, message, .. } = &self.event;
        let message = spec::text::one_line(message);
        cut(&format!("[millrace {}] {pipeline} {stage} {}: {message}", self.priority, class.verb()), LONGEST_SUBJECT)
    }

    /// What happened, what the output is now, what to do, which run, how to look further.
    pub fn parts(&self) -> Vec<Part> {
        let event = &self.event;
        let mut parts = vec![
            Part { title: "What happened", text: cut(event.message.trim(), LONGEST_MESSAGE) },
            Part { title: "Current output", text: self.current_output() },
            Part { title: "What to do", text: self.way_out() },
            Part { title: "The run", text: self.run() },
            Part { title: "More", text: format!("grep {} {}", event.run_id, event.log.display()) },
        ];
        if let Some(text) = self.suppressed() {
            parts.push(Part { title: "Not reported before", text });
        }
        parts
    }

    /// All parts as plain text.
    pub fn body(&self) -> String {
        let indented = |part: Part| format!("{}\n  {}\n", part.title, part.text.replace('\n', "\n  "));
        self.parts().into_iter().map(indented).collect::<Vec<_>>().join("\n")
    }

    fn current_output(&self) -> String {
        let before = match &self.event.snapshot {
            Some(path) => format!("the previous snapshot is unchanged: {}", path.display()),
            None => "there is no snapshot yet".to_owned(),
        };
        match self.event.class {
            EventClass::Warning => "The run continued and published its result; only a soft check failed.".to_owned(),
            EventClass::TryAgain => {
                format!("Nothing was published, {before}. Completed work is kept for the next run.")
            }
            EventClass::Refused | EventClass::CannotRun => format!("Nothing was published, {before}."),
        }
    }

    fn way_out(&self) -> String {
        if let Some(hint) = &self.event.hint {
            return hint.clone();
        }
        let (stage, pipeline) = (self.event.stage, &self.event.pipeline);
        match self.event.class {
            EventClass::CannotRun => {
                format!(
                    "Correct what the message names (the command, the YAML file or the machine), then: \
                     bin/{stage} {pipeline}"
                )
            }
            EventClass::Refused => format!(
                "Look at the data that the message names. Running again changes nothing until the data or the limit in \
                 resources/{pipeline}/{stage}.yaml has changed."
            ),
            EventClass::TryAgain => format!("Run the same command again later: bin/{stage} {pipeline}"),
            EventClass::Warning => {
                format!(
                    "Look at the data that the message names, or change the check in resources/{pipeline}/{stage}.yaml."
                )
            }
        }
    }

    fn run(&self) -> String {
        let event = &self.event;
        format!(
            "id       {}\nhost     {}\nstarted  {}\nsent     {}",
            event.run_id,
            event.host,
            in_words(event.started),
            in_words(self.now)
        )
    }

    fn suppressed(&self) -> Option<String> {
        let (alerts, were) = match self.held_back {
            0 => return None,
            1 => ("alert", "was"),
            _ => ("alerts", "were"),
        };
        Some(format!(
            "{} earlier {alerts} of the same cause {were} not sent: a cause is reported once in {} \
             (resources/alerts.yaml).",
            self.held_back, self.every
        ))
    }

    /// For programs. The keys are a contract.
    pub fn json(&self) -> Value {
        let event = &self.event;
        json!({
            "subject": self.subject(),
            "priority": self.priority,
            "class": event.class.name(),
            "pipeline": event.pipeline.as_str(),
            "stage": event.stage.name(),
            "run_id": event.run_id,
            "message": cut(event.message.trim(), LONGEST_MESSAGE),
            "hint": event.hint,
            "snapshot": event.snapshot,
            "host": event.host,
            "log": event.log,
            "started": machine(event.started),
            "time": machine(self.now),
            "held_back": self.held_back,
            "text": self.body(),
        })
    }

    /// The parts of [`Alert::json`] as variables: `MILLRACE_ALERT_PRIORITY` and so on; what is null is left out.
    pub fn variables(&self) -> Vec<(String, String)> {
        let json = self.json();
        let entries = json.as_object().into_iter().flatten();
        let value = |value: &Value| match value {
            Value::Null => None,
            // A variable cannot hold the character 0.
            Value::String(text) => Some(text.replace('\0', " ")),
            other => Some(other.to_string()),
        };
        entries
            .filter_map(|(key, part)| Some((format!("MILLRACE_ALERT_{}", key.to_uppercase()), value(part)?)))
            .collect()
    }
}

fn in_words(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn machine(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// An alert for tests.
#[cfg(test)]
pub fn example() -> Alert {
    let at = |text: &str| text.parse().expect("a time");
    Alert {
        event: Event {
            pipeline: spec::Name::new("churn").expect("a name"),
            stage: spec::Tool::Clean,
            run_id: "0193a2b4-77e1".to_owned(),
            class: EventClass::Refused,
            priority: None,
            message: "resources/churn/clean.yaml: orders: 3 of 100 rows have no 'customer_id'".to_owned(),
            hint: Some("look at data/processed/churn/clean/orders_refused.parquet".to_owned()),
            snapshot: Some("data/processed/churn/clean/latest".into()),
            started: at("2026-11-21T01:42:00Z"),
            host: "prod-1".to_owned(),
            log: "data/runs/churn.jsonl".into(),
        },
        priority: Priority::P2,
        now: at("2026-11-21T01:42:13Z"),
        held_back: 0,
        every: Span { count: 1, unit: spec::Unit::Hour },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_all_that_somebody_woken_at_night_needs() {
        let alert = Alert { held_back: 4, ..example() };
        assert_eq!(
            alert.subject(),
            "[millrace P2] churn clean refused: resources/churn/clean.yaml: orders: 3 of 100 rows have no 'customer_id'"
        );
        assert_eq!(
            alert.body(),
            "\
What happened
  resources/churn/clean.yaml: orders: 3 of 100 rows have no 'customer_id'

Current output
  Nothing was published, the previous snapshot is unchanged: data/processed/churn/clean/latest.

What to do
  look at data/processed/churn/clean/orders_refused.parquet

The run
  id       0193a2b4-77e1
  host     prod-1
  started  2026-11-21 01:42:00 UTC
  sent     2026-11-21 01:42:13 UTC

More
  grep 0193a2b4-77e1 data/runs/churn.jsonl

Not reported before
  4 earlier alerts of the same cause were not sent: a cause is reported once in 1h (resources/alerts.yaml).
"
        );
    }

    #[test]
    fn each_class_has_its_own_words_and_way_out() {
        let told = |class| {
            let mut alert = example();
            alert.event = Event { class, hint: None, snapshot: None, message: "m".to_owned(), ..alert.event };
            format!("{}\n{}\n{}", alert.subject(), alert.current_output(), alert.way_out())
        };
        assert_eq!(
            told(EventClass::CannotRun),
            "[millrace P2] churn clean could not run: m\nNothing was published, there is no snapshot yet.\n\
             Correct what the message names (the command, the YAML file or the machine), then: bin/clean churn"
        );
        assert_eq!(
            told(EventClass::Refused),
            "[millrace P2] churn clean refused: m\nNothing was published, there is no snapshot yet.\n\
             Look at the data that the message names. Running again changes nothing until the data or the limit in \
             resources/churn/clean.yaml has changed."
        );
        assert_eq!(
            told(EventClass::TryAgain),
            "[millrace P2] churn clean stopped early: m\nNothing was published, there is no snapshot yet. \
             Completed work is kept for the next run.\nRun the same command again later: bin/clean churn"
        );
        assert_eq!(
            told(EventClass::Warning),
            "[millrace P2] churn clean warned: m\nThe run continued and published its result; only a soft check failed.\n\
             Look at the data that the message names, or change the check in resources/churn/clean.yaml."
        );
    }

    #[test]
    fn a_long_message_is_cut_and_a_subject_is_one_line() {
        let mut alert = example();
        alert.event.message = "first line\nsecond ".to_owned() + &"x".repeat(5000);
        assert!(alert.subject().starts_with("[millrace P2] churn clean refused: first line second xxx"));
        assert_eq!(alert.subject().chars().count(), LONGEST_SUBJECT);
        assert!(alert.body().len() < 3500);
    }

    #[test]
    fn variables_are_the_parts_of_the_json() {
        let variables = example().variables();
        let get = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(get("MILLRACE_ALERT_PRIORITY"), Some("P2"));
        assert_eq!(get("MILLRACE_ALERT_CLASS"), Some("refused"));
        assert_eq!(get("MILLRACE_ALERT_TIME"), Some("2026-11-21T01:42:13Z"));
        assert_eq!(get("MILLRACE_ALERT_HELD_BACK"), Some("0"));
        assert_eq!(variables.len(), 15);
    }
}
