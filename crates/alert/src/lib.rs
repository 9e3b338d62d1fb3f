//! Tells people when a run failed or was refused: by Slack, by mail, by any command.
//!
//! `resources/alerts.yaml` names the channels and which event is how urgent. [`Alerts::load`] reads and checks it,
//! [`Alerts::send`] notifies all channels that take the event at once, each bounded in time. The outcome is returned
//! as [`Delivery`] values and never as an error: an alert that cannot be sent does not change what a run answers.
//! The same cause is reported once in a while only (`every`, one hour by default), see the module `flood`.
//!
//! Nothing but reading a small file is done before there is something to send: no client, no thread, no runtime.
//!
//! This crate must not know about tables, terminals or stages.

mod address;
mod alerts;
mod cause;
mod channel;
mod check;
mod command;
mod delivery;
mod event;
mod flood;
mod history;
mod mail;
mod priority;
mod secrets;
mod slack;
mod text;
mod written;

pub use alerts::{Alerts, FILE};
pub use delivery::{Delivery, Outcome};
pub use event::{Event, EventClass};
pub use history::{Delivered, End, Notified, STATE, notified};
pub use priority::Priority;
pub use written::AlertsSpec;

/// The JSON Schema of `resources/alerts.yaml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(AlertsSpec).to_value()
}
