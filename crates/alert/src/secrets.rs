//! Blots out secrets: those of the environment, and those that `alerts.yaml` named under whatever name.

use spec::{Environment, Redactor};

use crate::Event;

/// Knows what must not be read by anyone.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    environment: Redactor,
    own: Vec<String>,
}

impl Secrets {
    pub fn new(env: &Environment) -> Secrets {
        Secrets { environment: env.redactor(), own: Vec::new() }
    }

    /// Another secret. One or two characters are not secret: blotting them out would make text unreadable.
    pub fn add(&mut self, secret: &str) {
        if secret.chars().count() >= 3 {
            self.own.push(secret.to_owned());
            self.own.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    pub fn redact(&self, text: &str) -> String {
        let text = self.own.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        self.environment.redact(&text)
    }

    /// The event as it may be sent.
    pub fn redact_event(&self, event: &Event) -> Event {
        Event {
            message: self.redact(&event.message),
            hint: event.hint.as_deref().map(|hint| self.redact(hint)),
            ..event.clone()
        }
    }
}
