//! Log lines on stderr, for people or machines, with secrets replaced.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;

use spec::Redactor;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::args::LogFormat;

static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// Starts logging. Called once, before the first message.
pub fn begin(format: LogFormat, quiet: bool) {
    let level = if quiet { Level::ERROR } else { Level::INFO };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(Stderr).with_ansi(false);
    // A second call (in tests) keeps the first subscriber.
    let _ = match format {
        LogFormat::Text => builder.event_format(Plain).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
}

/// From here on these secrets are replaced in every line.
pub fn redact_with(redactor: Redactor) {
    let _ = REDACTOR.set(redactor);
}

/// Replaces secrets in text that leaves by another way than the log.
pub fn redact(text: &str) -> String {
    match REDACTOR.get() {
        Some(redactor) => redactor.redact(text),
        None => text.to_owned(),
    }
}

#[derive(Clone, Copy)]
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Buffered;
    fn make_writer(&'a self) -> Buffered {
        Buffered(Vec::new())
    }
}

/// Gathers one line, so that a secret split over two writes is still seen.
struct Buffered(Vec<u8>);

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let text = printable(redact(&String::from_utf8_lossy(&self.0)));
        crate::progress::suspended(|| {
            // stderr is closed: there is nowhere to report to.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }
}

/// Without characters that mean something to a terminal: messages repeat what files hold.
fn printable(text: String) -> String {
    let commands = |c: char| c.is_control() && !"\n\t".contains(c);
    match text.contains(commands) {
        true => text.chars().map(|c| if commands(c) { c.escape_debug().to_string() } else { c.to_string() }).collect(),
        false => text,
    }
}

/// `clean churn: message`, with `warning: ` or `error: ` in front where it applies.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut message = Message::default();
        event.record(&mut message);
        match *event.metadata().level() {
            Level::ERROR => writer.write_str("error: ")?,
            Level::WARN => writer.write_str("warning: ")?,
            _ => {}
        }
        writeln!(writer, "{}", message.0)
    }
}

/// The event's message; its other fields are for machines.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
