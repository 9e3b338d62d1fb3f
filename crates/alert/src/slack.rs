//! Slack's incoming webhooks, and servers that take the same JSON.
//!
//! `text` holds everything, because Mattermost and Discord (`/slack`) show only that; Slack shows `blocks` instead and
//! uses `text` for notifications. See <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};
use spec::text::{cut, root_cause};

use crate::channel::{Again, Channel, Failure};
use crate::text::Alert;

/// Characters of `text`: Discord takes 2,000.
const LONGEST_TEXT: usize = 1900;

/// Characters of a section: Slack takes 3,000, counted after escaping.
const LONGEST_SECTION: usize = 2900;

pub struct Slack {
    webhook: Url,
}

impl Slack {
    pub fn new(webhook: Url) -> Slack {
        Slack { webhook }
    }

    async fn post(&self, alert: &Alert, timeout: Duration) -> Result<(), Failure> {
        let client = net::client(timeout, |builder| builder).map_err(|error| Failure::lasting(error.to_string()))?;
        let sent = client.post(self.webhook.clone()).json(&message(alert)).send().await;
        let response = sent.map_err(|error| failure(&error, timeout))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| net::retry_after(text, chrono::Utc::now()));
        let answer = response.text().await.unwrap_or_default();
        let reason = match answer.trim() {
            "" => format!("the server answered {status}"),
            answer => format!("the server answered {status}: {answer}"),
        };
        let again = match (status, wait) {
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(asked)) => Again::After(asked),
            (StatusCode::TOO_MANY_REQUESTS, None) => Again::Yes,
            _ if status.is_server_error() => Again::Yes,
            _ => Again::No,
        };
        Err(Failure { reason, again })
    }
}

impl Channel for Slack {
    fn name(&self) -> String {
        format!("slack {}", self.webhook.host_str().unwrap_or_default())
    }

    fn identity(&self) -> String {
        self.webhook.to_string()
    }

    fn send(&self, alert: &Alert, timeout: Duration) -> Result<(), Failure> {
        let told = net::block_on(async { Ok(self.post(alert, timeout).await) });
        told.unwrap_or_else(|error| Err(Failure::passing(error.to_string())))
    }
}

/// The error never names the address, which is the secret.
fn failure(error: &reqwest::Error, timeout: Duration) -> Failure {
    match error {
        error if error.is_timeout() => Failure::too_slow(timeout),
        error if error.is_builder() => Failure::lasting(root_cause(error)),
        error if error.is_connect() => Failure::passing(format!("cannot connect: {}", root_cause(error))),
        error => Failure::passing(root_cause(error)),
    }
}

fn message(alert: &Alert) -> Value {
    let subject = alert.subject();
    let header = json!({ "type": "header", "text": { "type": "plain_text", "text": subject } });
    let sections = alert.parts().into_iter().map(|part| {
        let text = cut(&format!("*{}*\n{}", part.title, escaped(&part.text)), LONGEST_SECTION);
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
    });
    json!({
        "text": cut(&escaped(&format!("{subject}\n\n{}", alert.body())), LONGEST_TEXT),
        "blocks": std::iter::once(header).chain(sections).collect::<Vec<_>>(),
    })
}

/// The three characters that Slack gives a meaning: <https://docs.slack.dev/messaging/formatting-message-text>.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::example;

    #[test]
    fn text_alone_says_everything_and_blocks_say_it_again() {
        let mut alert = example();
        alert.event.message = "mean < 5 & falling".to_owned();
        let message = message(&alert);
        let text = message["text"].as_str().unwrap();
        assert!(text.starts_with("[millrace P2] churn clean refused: mean &lt; 5 &amp; falling\n\nWhat happened\n"));
        assert!(text.contains("grep 0193a2b4-77e1 data/runs/churn.jsonl"));
        let blocks = message["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 6);
        assert_eq!(blocks[0]["text"]["text"], "[millrace P2] churn clean refused: mean < 5 & falling");
        assert_eq!(blocks[1]["text"]["text"], "*What happened*\nmean &lt; 5 &amp; falling");
    }

    #[test]
    fn nothing_is_longer_than_the_servers_take() {
        let mut alert = example();
        alert.event.message = "<".repeat(9000);
        let message = message(&alert);
        let longest = |value: &Value| value.as_str().unwrap().chars().count();
        assert_eq!(longest(&message["text"]), LONGEST_TEXT);
        assert_eq!(longest(&message["blocks"][0]["text"]["text"]), 150);
        assert_eq!(longest(&message["blocks"][1]["text"]["text"]), LONGEST_SECTION);
    }
}
