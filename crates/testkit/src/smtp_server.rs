//! A small SMTP server (RFC 5321, without TLS) on 127.0.0.1 that answers as instructed, faults included, and keeps the mail.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::loopback::{Ending, Loopback, lock};

/// A mail that the server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The argument of MAIL FROM, without brackets.
    pub from: String,
    /// The arguments of RCPT TO, without brackets.
    pub to: Vec<String>,
    /// Headers and body, lines ended by `\n`.
    pub data: String,
    /// What came with AUTH, as sent: `PLAIN AHVzZXIAcGFzcw==`.
    pub auth: Option<String>,
}

/// What the server does instead of its usual answer.
#[derive(Clone, Debug)]
pub enum SmtpFault {
    /// This line: `450 4.2.1 mailbox busy`.
    Reply(&'static str),
    /// Nothing until the server ends.
    Hang,
}

/// A fault in answer to a command, the first `times` times that it comes.
#[derive(Clone, Debug)]
struct Planned {
    command: &'static str,
    fault: SmtpFault,
    times: usize,
}

#[derive(Default)]
struct State {
    planned: Vec<Planned>,
    received: Vec<Received>,
    sessions: usize,
    commands: Vec<String>,
}

struct Shared {
    auth: bool,
    state: Mutex<State>,
    ending: Arc<Ending>,
}

/// A running server. Dropping it ends it, with all connections that hang.
pub struct SmtpServer {
    listener: Loopback,
    shared: Arc<Shared>,
}

impl SmtpServer {
    /// Takes all mail.
    pub fn start() -> SmtpServer {
        SmtpServer::listen(false)
    }

    /// Offers AUTH PLAIN and takes any login.
    pub fn with_login() -> SmtpServer {
        SmtpServer::listen(true)
    }

    fn listen(auth: bool) -> SmtpServer {
        let ending = Arc::default();
        let shared = Arc::new(Shared { auth, state: Mutex::default(), ending: Arc::clone(&ending) });
        let serving = Arc::clone(&shared);
        let listener = Loopback::start(&ending, move |stream| {
            // A client that goes away is not an error.
            let _ = serve(stream, &serving);
        });
        SmtpServer { listener, shared }
    }

    /// Plans a fault in answer to `command` (`CONNECT`, `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`, or `.` for the end of
    /// the mail) the next `times` times.
    pub fn plan(&self, command: &'static str, fault: SmtpFault, times: usize) -> &SmtpServer {
        lock(&self.shared.state).planned.push(Planned { command, fault, times });
        self
    }

    pub fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// The mail taken so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.state).received.clone()
    }

    /// How many connections were opened so far.
    pub fn sessions(&self) -> usize {
        lock(&self.shared.state).sessions
    }

    /// All command lines so far, in order, those of parallel connections mixed.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.state).commands.clone()
    }
}

/// One connection.
struct Session<'s> {
    writer: TcpStream,
    shared: &'s Shared,
}

/// Whether a command was answered as usual, by a fault, or never.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    Usually,
    Otherwise,
    Never,
}

impl Session<'_> {
    /// The fault that is planned for `command`, which is used up by that.
    fn fault(&self, command: &str) -> Option<SmtpFault> {
        let mut state = lock(&self.shared.state);
        let planned = state.planned.iter_mut().find(|planned| planned.command == command && planned.times > 0)?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }

    fn answer(&mut self, fault: Option<SmtpFault>, usual: &str) -> std::io::Result<Answered> {
        let (line, answered) = match fault {
            None => (usual, Answered::Usually),
            Some(SmtpFault::Reply(line)) => (line, Answered::Otherwise),
            Some(SmtpFault::Hang) => {
                self.shared.ending.wait();
                return Ok(Answered::Never);
            }
        };
        self.writer.write_all(format!("{line}\r\n").as_bytes()).map(|()| answered)
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    lock(&shared.state).sessions += 1;
    let mut session = Session { writer: stream.try_clone()?, shared };
    let mut lines = BufReader::new(stream).lines();
    let mut mail = Received { from: String::new(), to: Vec::new(), data: String::new(), auth: None };
    let fault = session.fault("CONNECT");
    if session.answer(fault, "220 testkit ESMTP")? != Answered::Usually {
        return Ok(());
    }
    while let Some(line) = lines.next().transpose()? {
        lock(&shared.state).commands.push(line.clone());
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let usual = match word.as_str() {
            "EHLO" if shared.auth => "250-testkit\r\n250-8BITMIME\r\n250 AUTH PLAIN",
            "EHLO" => "250-testkit\r\n250 8BITMIME",
            "AUTH" => "235 2.7.0 welcome",
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 2.1.0 fine",
            "DATA" => "354 go on, end with a dot",
            "QUIT" => "221 bye",
            _ => "502 5.5.1 what?",
        };
        let fault = session.fault(&word);
        let answered = session.answer(fault, usual)?;
        let usually = answered == Answered::Usually;
        match word.as_str() {
            _ if answered == Answered::Never => return Ok(()),
            "QUIT" => return Ok(()),
            "AUTH" if usually => mail.auth = Some(line[4..].trim().to_owned()),
            "MAIL" if usually => mail.from = bracketed(&line),
            "RCPT" if usually => mail.to.push(bracketed(&line)),
            "DATA" if usually => {
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    // A line that begins with a dot was sent with one more.
                    mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.data.push('\n');
                }
                let fault = session.fault(".");
                if fault.is_none() {
                    // Kept before the client gets its answer, so that a test that waits for the answer finds it.
                    lock(&shared.state).received.push(mail.clone());
                }
                if session.answer(fault, "250 2.0.0 taken")? == Answered::Never {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn bracketed(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(inside, _)| inside.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says all lines at once and returns all answers.
    fn talk(server: &SmtpServer, lines: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.write_all(lines.replace('\n', "\r\n").as_bytes()).unwrap();
        let mut answers = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answers).unwrap();
        answers.replace("\r\n", "\n")
    }

    const MAIL: &str = "EHLO me\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\nSubject: s\n\n..dot\n.\nQUIT\n";

    #[test]
    fn takes_a_mail() {
        let server = SmtpServer::start();
        assert_eq!(
            talk(&server, MAIL),
            "220 testkit ESMTP\n250-testkit\n250 8BITMIME\n250 2.1.0 fine\n250 2.1.0 fine\n354 go on, end with a dot\n\
             250 2.0.0 taken\n221 bye\n"
        );
        let expected = Received {
            from: "a@x".to_owned(),
            to: vec!["b@y".to_owned()],
            data: "Subject: s\n\n.dot\n".to_owned(),
            auth: None,
        };
        assert_eq!(server.received(), [expected]);
    }

    #[test]
    fn a_planned_fault_comes_as_often_as_planned() {
        let server = SmtpServer::start();
        server.plan(".", SmtpFault::Reply("451 4.3.0 later"), 1);
        assert!(talk(&server, MAIL).contains("\n451 4.3.0 later\n"));
        assert_eq!(server.received(), []);
        assert!(talk(&server, MAIL).contains("\n250 2.0.0 taken\n"));
        assert_eq!((server.received().len(), server.sessions()), (1, 2));
    }
}
