//! Removes secrets: those of the environment, and those that `alerts.yaml` named under whatever name.

use reqwest::Url;
use spec::text::decoded;
use spec::{Environment, Redactor};

use crate::Event;

/// From this length on a part of a webhook's address may be a key; a folder is one if it has a digit, unlike `services`.
const KEY: usize = 8;

/// Knows what must not be read by anyone.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Redactor);

impl Secrets {
    pub fn new(env: &Environment) -> Secrets {
        Secrets(env.redactor())
    }

    /// Another secret.
    pub fn add(&mut self, secret: &str) {
        self.0.add(secret);
    }

    /// A webhook's address, which is a secret as a whole and in parts: a response may repeat the key alone.
    pub fn add_webhook(&mut self, text: &str, url: &Url) {
        let login = [url.username(), url.password().unwrap_or_default()].map(decoded);
        let query = url.query_pairs().map(|(_, value)| value.into_owned());
        let is_key = |part: &&str| part.bytes().any(|byte| byte.is_ascii_digit());
        let folders = url.path().split('/').filter(is_key).map(decoded);
        let parts = [url.path().trim_matches('/').to_owned(), url.query().unwrap_or_default().to_owned()];
        let parts = parts.into_iter().chain(login).chain(query).chain(folders).filter(|part| part.len() >= KEY);
        [text.to_owned(), url.to_string()].into_iter().chain(parts).for_each(|part| self.add(&part));
    }

    pub fn redact(&self, text: &str) -> String {
        self.0.redact(text)
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
