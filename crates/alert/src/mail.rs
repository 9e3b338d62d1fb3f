//! Mail by SMTP.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{self, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};

use crate::address::Address;
use spec::text::root_cause;

use crate::channel::{Channel, Failure};
use crate::text::Alert;
use crate::written::Tls;

pub struct Mail {
    pub server: String,
    pub port: u16,
    pub tls: Tls,
    pub login: Option<Credentials>,
    pub from: Address,
    pub to: Vec<Address>,
}

impl Mail {
    fn message(&self, alert: &Alert) -> Result<Message, lettre::error::Error> {
        let builder = Message::builder().from(self.from.0.clone());
        let builder = self.to.iter().fold(builder, |builder, to| builder.to(to.0.clone()));
        builder.subject(alert.subject()).header(AutoSubmitted).header(ContentType::TEXT_PLAIN).body(alert.body())
    }

    fn transport(&self, alert: &Alert, timeout: Duration) -> Result<SmtpTransport, lettre::transport::smtp::Error> {
        let parameters = || TlsParameters::new(self.server.clone());
        let tls = match self.tls {
            Tls::Starttls => client::Tls::Required(parameters()?),
            Tls::Tls => client::Tls::Wrapper(parameters()?),
            Tls::None => client::Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(self.server.as_str())
            .port(self.port)
            .tls(tls)
            .timeout(Some(timeout))
            .hello_name(hello_name(&alert.event.host));
        if let Some(login) = &self.login {
            builder = builder.credentials(login.clone());
        }
        Ok(builder.build())
    }

    fn recipients(&self) -> String {
        self.to.iter().map(|to| to.0.email.to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Channel for Mail {
    fn name(&self) -> String {
        format!("mail to {}", self.recipients())
    }

    fn identity(&self) -> String {
        format!("mail {}:{} {}", self.server, self.port, self.recipients())
    }

    fn send(&self, alert: &Alert, timeout: Duration) -> Result<(), Failure> {
        let message = self.message(alert).map_err(|error| Failure::lasting(error.to_string()))?;
        let transport = self.transport(alert, timeout).map_err(|error| failure(&error, timeout))?;
        transport.send(&message).map(drop).map_err(|error| failure(&error, timeout))
    }
}

/// Tells vacation responders to be silent (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// How we greet the server. A machine's name that is not a host name would be a syntax error to it.
fn hello_name(host: &str) -> ClientId {
    let fits = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    match fits {
        true => ClientId::Domain(host.to_owned()),
        false => ClientId::default(),
    }
}

fn failure(error: &lettre::transport::smtp::Error, timeout: Duration) -> Failure {
    let cause = root_cause(error);
    match (error.status(), io_kind(error)) {
        (Some(code), _) if error.is_transient() => Failure::passing(format!("the server answered {code}: {cause}")),
        (Some(code), _) => Failure::lasting(format!("the server answered {code}: {cause}")),
        // A read that ran out of time says `WouldBlock` on Linux, a connection `TimedOut`.
        (None, Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)) => Failure::too_slow(timeout),
        (None, Some(io::ErrorKind::InvalidData)) => Failure::lasting(format!(
            "no encrypted connection: {cause}; if the server's authority is a private one, name its certificate by \
             SSL_CERT_FILE"
        )),
        (None, _) if error.is_tls() || error.is_client() => Failure::lasting(cause),
        (None, _) if error.is_response() => Failure::passing(format!("not the answer of a mail server: {cause}")),
        (None, _) => Failure::passing(format!("cannot talk to the server: {cause}")),
    }
}

/// The kind of the I/O error inside, if there is one. What rustls refuses comes as `InvalidData`.
fn io_kind(error: &lettre::transport::smtp::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_name_is_used_as_a_greeting() {
        assert_eq!(hello_name("prod-1.shop.example"), ClientId::Domain("prod-1.shop.example".to_owned()));
        for odd in ["", "my machine", "host\r\nRCPT TO:<x>", "주방"] {
            assert_eq!(hello_name(odd), ClientId::default());
        }
    }
}
