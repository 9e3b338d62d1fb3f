//! The audit journal: who changed what, when, and what came of it. Tokens and values of forms are never in it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use journal::{Journal, Kept};
use serde_json::{Value, json};
use spec::{Class, Result, Root};

use crate::refusal::Refusal;
use crate::tokens::Role;

/// The folder of the journal, relative to the root.
pub const FOLDER: &str = "data/journals";
/// Servers that may run on one project, each for other pipelines and with a journal of its own.
const SERVERS: usize = 20;

fn name(number: usize) -> String {
    if number == 1 { "audit".to_owned() } else { format!("audit_{number}") }
}

/// The journal of this server.
pub struct Audit {
    journal: Journal,
    name: String,
    refused: Mutex<Throttle>,
}

/// How many refused attempts are written: anybody can make them, and the disk is not theirs to fill.
struct Throttle {
    left: f64,
    at: Instant,
    skipped: u64,
}

impl Throttle {
    /// Lines at once.
    const BURST: f64 = 60.0;
    /// Lines per second in the long run.
    const RATE: f64 = 0.5;

    fn new(now: Instant) -> Throttle {
        Throttle { left: Throttle::BURST, at: now, skipped: 0 }
    }

    /// Whether another line may be written, and how many were not since the last one.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let earned = now.duration_since(self.at).as_secs_f64() * Throttle::RATE;
        self.left = (self.left + earned).min(Throttle::BURST);
        self.at = now;
        if self.left < 1.0 {
            self.skipped += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.skipped))
    }
}

/// A user who is about to change something.
#[derive(Clone, Debug)]
pub struct Act {
    pub who: String,
    pub role: Option<Role>,
    /// `page` or `api`.
    pub way: &'static str,
    /// A verb, such as `promote`.
    pub action: &'static str,
    pub pipeline: Option<String>,
    /// What else there is to say: a version, a stage, the reason.
    pub about: Value,
}

impl Act {
    fn line(&self, id: &str, state: &str, result: Option<&str>) -> Vec<u8> {
        let line = json!({
            "time": artifact::Stamp::now().rfc3339(),
            "id": id,
            "who": self.who,
            "role": self.role.map(Role::name),
            "way": self.way,
            "action": self.action,
            "pipeline": self.pipeline,
            "about": self.about,
            "state": state,
            "result": result,
        });
        line.to_string().into_bytes()
    }
}

impl Audit {
    /// Opens the journal `audit`, or the next one that no other server of the project writes.
    pub fn open(root: &Root) -> Result<Audit> {
        let folder = root.join(FOLDER);
        let mut number = 1;
        loop {
            match Journal::open(&folder, &name(number)) {
                Ok((journal, _)) => {
                    let refused = Mutex::new(Throttle::new(Instant::now()));
                    return Ok(Audit { journal, name: name(number), refused });
                }
                Err(error) if error.class() == Class::TryAgain && number < SERVERS => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what was tried and refused before it began; of a flood only some, and how many there were.
    pub async fn refused(&self, act: &Act, refusal: &Refusal) {
        let admitted = self.refused.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        let result = match admitted {
            None => return,
            Some(0) => refusal.message.clone(),
            Some(more) => format!("{}; {} before it", refusal.message, spec::text::count(more, "more refusal")),
        };
        let id = uuid::Uuid::now_v7().to_string();
        self.append(act.line(&id, "refused", Some(&result))).await;
    }

    /// Writes what has happened already.
    pub async fn happened(&self, act: &Act, result: &str) {
        let id = uuid::Uuid::now_v7().to_string();
        self.append(act.line(&id, "done", Some(result))).await;
    }

    /// As [`Audit::happened`], for threads that are none of the network's.
    pub fn happened_here(&self, act: &Act, result: &str) -> Kept {
        let id = uuid::Uuid::now_v7().to_string();
        self.journal.append_and_wait(act.line(&id, "done", Some(result)))
    }

    /// Writes that `act` begins, does it, and writes what came of it. What cannot be written is not done.
    pub async fn of<T>(
        &self,
        act: &Act,
        result: impl FnOnce(&T) -> String,
        work: impl Future<Output = std::result::Result<T, Refusal>>,
    ) -> std::result::Result<T, Refusal> {
        let id = uuid::Uuid::now_v7().to_string();
        if self.append(act.line(&id, "begun", None)).await == Kept::No {
            return Err(Refusal::unavailable(
                "not_kept",
                "the audit journal cannot be written, so nothing was changed",
            )
            .way_out("see /readyz for what is wrong with the disk"));
        }
        let done = work.await;
        let line = match &done {
            Ok(done) => act.line(&id, "done", Some(&result(done))),
            Err(refusal) => act.line(&id, "refused", Some(&refusal.message)),
        };
        self.append(line).await;
        done
    }

    async fn append(&self, line: Vec<u8>) -> Kept {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.journal.append(line, move |kept| {
            // The client may have gone.
            let _ = sender.send(kept);
        });
        receiver.await.unwrap_or(Kept::No)
    }

    /// Why the journal cannot be written, if so.
    pub fn problem(&self) -> Option<String> {
        let counts = self.journal.counts();
        counts.why.map(|why| format!("journal '{}': {why}; {} entries could not be kept", self.name, counts.lost))
    }
}

/// The newest entries of all audit journals of the project, newest first, and what is wrong with the journals.
pub fn newest(root: &Root, most: usize) -> Result<(Vec<Value>, Vec<String>)> {
    let folder = root.join(FOLDER);
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for number in 1..=SERVERS {
        let mut of_this: Vec<Value> = Vec::new();
        for (_, segment) in journal::segments(&folder, &name(number))?.into_iter().rev() {
            let mut lines: Vec<Value> = Vec::new();
            for line in journal::entries(&segment)? {
                match line {
                    Ok(line) => lines.extend(serde_json::from_slice::<Value>(&line)),
                    // A line that is being written.
                    Err(error) if error.message().ends_with("is cut off") => break,
                    Err(error) => {
                        problems.push(error.to_string());
                        break;
                    }
                }
            }
            of_this.extend(lines.into_iter().rev());
            if of_this.len() >= most {
                break;
            }
        }
        found.extend(of_this.into_iter().take(most));
    }
    found.sort_by(|a, b| b["time"].as_str().cmp(&a["time"].as_str()));
    found.truncate(most);
    Ok((found, problems))
}
