//! What became of an alert on a channel.

use std::fmt;

use chrono::{DateTime, Utc};

/// What one channel did with an event. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The channel in words: `slack hooks.slack.com`, `mail to ops@shop.example`, `command page`.
    pub channel: String,
    pub outcome: Outcome,
}

/// The three ends of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The channel took it.
    Sent {
        /// How many tries it took, from 1.
        tries: u32,
        /// How many earlier alerts of the same cause it represents, beside itself.
        held_back: u64,
    },
    /// The same cause was reported not long ago.
    Suppressed {
        /// When that alert was sent.
        sent_at: DateTime<Utc>,
    },
    /// The channel did not take it.
    Failed {
        /// Why, with secrets redacted.
        reason: String,
        /// How many tries were made; 0 if it never came to one.
        tries: u32,
    },
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.channel)?;
        match &self.outcome {
            Outcome::Sent { tries: 1, .. } => write!(f, "sent"),
            Outcome::Sent { tries, .. } => write!(f, "sent after {tries} tries"),
            Outcome::Suppressed { sent_at } => {
                let sent_at = sent_at.format("%Y-%m-%d %H:%M:%S UTC");
                write!(f, "not sent: an alert for the same cause was sent at {sent_at}")
            }
            Outcome::Failed { reason, tries: 0 | 1 } => write!(f, "not sent: {reason}"),
            Outcome::Failed { reason, tries } => write!(f, "not sent after {tries} tries: {reason}"),
        }
    }
}
