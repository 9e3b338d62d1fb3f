//! What `resources/alerts.yaml` says, as written.

use serde::{Deserialize, Serialize};
use spec::{Map, Span};

use crate::Priority;
use crate::address::Address;
use crate::priority::{Levels, PipelineLevels};

/// Who is notified about which event. Example:
///
/// ```yaml
/// every: 1h
/// priorities: {warning: P3}
/// pipelines:
///   churn:
///     priorities: {refused: P1}
///     stages:
///       export: {cannot_run: P0}
/// channels:
///   - slack: {webhook: "${SLACK_WEBHOOK:-}"}
///   - mail:
///       server: smtp.shop.example
///       user: millrace
///       password: ${SMTP_PASSWORD}
///       from: Millrace <millrace@shop.example>
///       to: [ops@shop.example]
///       priorities: [P0, P1]
///   - command: {run: [scripts/page, --loud], priorities: [P0]}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertsSpec {
    /// The channels. They are independent: if one fails, the others still send.
    pub channels: Vec<ChannelSpec>,
    /// How urgent each class of event is.
    #[serde(default)]
    pub priorities: Levels,
    /// Settings for single pipelines.
    #[serde(default)]
    pub pipelines: Map<PipelineLevels>,
    /// The same cause is reported at most once in this time, on each channel: `1h` by default; hours, days or weeks.
    #[serde(default = "one_hour")]
    pub every: Span,
    /// How long one attempt to reach one channel may take, in seconds: 10 by default, 1 to 300.
    #[serde(default = "ten")]
    pub timeout_seconds: u32,
}

fn one_hour() -> Span {
    Span { count: 1, unit: spec::Unit::Hour }
}

fn ten() -> u32 {
    10
}

/// The kinds of channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename = "Channel")]
pub enum ChannelSpec {
    Slack(SlackSpec),
    Mail(MailSpec),
    Command(CommandSpec),
}

/// An incoming webhook of Slack, or of a server that takes the same JSON (Mattermost; Discord with `/slack` at the
/// end of the address).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackSpec {
    /// The webhook's address, which is a secret: `${SLACK_WEBHOOK}`. Empty: the channel is off.
    pub webhook: String,
    /// Which priorities it takes: all by default.
    #[serde(default = "all")]
    pub priorities: Vec<Priority>,
    /// Which pipelines it takes: all by default.
    #[serde(default)]
    pub pipelines: Option<Vec<String>>,
}

/// Mail by SMTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailSpec {
    /// The mail server's name. Empty: the channel is off.
    pub server: String,
    /// 587 for `starttls`, 465 for `tls`, 25 for `none` by default.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted: `starttls` by default.
    #[serde(default)]
    pub tls: Tls,
    /// The user to log in as; none by default.
    #[serde(default)]
    pub user: Option<String>,
    /// The password, which is a secret: `${SMTP_PASSWORD}`.
    #[serde(default)]
    pub password: Option<String>,
    /// The sender.
    pub from: Address,
    /// The recipients, at least one.
    pub to: Vec<Address>,
    /// Which priorities it takes: all by default.
    #[serde(default = "all")]
    pub priorities: Vec<Priority>,
    /// Which pipelines it takes: all by default.
    #[serde(default)]
    pub pipelines: Option<Vec<String>>,
}

/// How a connection to a mail server is encrypted. Certificates are checked against those of the system; a private
/// authority is made known by the variable `SSL_CERT_FILE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the words that mail programs use")]
pub enum Tls {
    /// Begins in the clear and is encrypted before anything is sent; refused if the server cannot.
    #[default]
    Starttls,
    /// Encrypted from the first byte.
    Tls,
    /// Not encrypted: for a server on this machine or in a network that you trust. No password is sent that way but
    /// to this machine.
    None,
}

impl Tls {
    /// The port that servers listen on by custom.
    pub fn port(self) -> u16 {
        match self {
            Tls::Starttls => 587,
            Tls::Tls => 465,
            Tls::None => 25,
        }
    }
}

/// Any program. It gets the alert as JSON on stdin and its parts as variables `MILLRACE_ALERT_…`, runs in the
/// project's root, and answers by its exit code: 0 took it, 75 is tried again, all else failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// The program and its arguments; no shell is between. Empty: refused.
    pub run: Vec<String>,
    /// Which priorities it takes: all by default.
    #[serde(default = "all")]
    pub priorities: Vec<Priority>,
    /// Which pipelines it takes: all by default.
    #[serde(default)]
    pub pipelines: Option<Vec<String>>,
}

fn all() -> Vec<Priority> {
    Priority::ALL.to_vec()
}
