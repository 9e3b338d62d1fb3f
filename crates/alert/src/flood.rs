//! No flood: a cause is reported once in a while on each channel, whatever the number of runs and processes.
//!
//! One small JSON file records what was sent when; it is read and replaced under a lock. The lock is not held while an alert is
//! sent: a process first claims a cause, then sends, then records the result. A claim that is never settled (the process
//! was killed) expires, so that the cause is not silent for longer than a delivery may take. An alert that could not be
//! sent does not count as sent; it counts among those that the next one reports.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

const STATE: &str = "sent.json";
/// Its earlier name; its keys had other names, too.
const EARLIER_STATE: &str = "told.json";
const LOCK: &str = ".lock";

/// The lock is held for reading and writing a small file. A longer wait means that a process hangs.
const LONGEST_LOCK: Duration = Duration::from_secs(2);

/// A cause not heard of for so long is forgotten, with the count of what was not sent.
const REMEMBERED: TimeDelta = TimeDelta::days(30);

/// The rule, with the folder of its state.
#[derive(Clone, Copy, Debug)]
pub struct Flood<'a> {
    pub folder: &'a Path,
    /// A cause is reported at most once in this time.
    pub every: TimeDelta,
    /// After this time a claim that was not settled no longer counts.
    pub claim: TimeDelta,
}

/// What to do with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it: the cause is claimed. It represents so many others that were not sent.
    Send { suppressed: u64 },
    /// Another was sent (or is being sent by another process) at that time.
    Suppress { sent_at: DateTime<Utc> },
}

/// What is known of one cause on one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    /// When an alert was last sent.
    #[serde(alias = "told")]
    sent_at: Option<DateTime<Utc>>,
    /// When a process began to send one.
    #[serde(alias = "claimed")]
    claimed_at: Option<DateTime<Utc>>,
    /// Alerts not sent since.
    #[serde(alias = "held_back")]
    suppressed: u64,
    /// When the cause last came up.
    #[serde(alias = "seen")]
    last_seen: Option<DateTime<Utc>>,
}

type State = BTreeMap<String, Entry>;

/// The identity of a cause on a channel: a hash, since the channel's identity may hold a secret.
pub fn key(channel: &str, cause: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(channel.as_bytes()).update(&[0]).update(cause.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

impl Flood<'_> {
    /// Claims each key that may be sent at `now`, and counts the others.
    pub fn claim(&self, keys: &[String], now: DateTime<Utc>) -> Result<Vec<Verdict>> {
        self.change(now, |state| {
            keys.iter()
                .map(|key| {
                    let entry = state.entry(key.clone()).or_default();
                    entry.last_seen = Some(now);
                    let sent = entry.sent_at.filter(|sent| near(*sent, now, self.every));
                    let claimed = entry.claimed_at.filter(|claimed| near(*claimed, now, self.claim));
                    match sent.or(claimed) {
                        Some(sent_at) => {
                            entry.suppressed += 1;
                            Verdict::Suppress { sent_at }
                        }
                        None => {
                            entry.claimed_at = Some(now);
                            Verdict::Send { suppressed: entry.suppressed }
                        }
                    }
                })
                .collect()
        })
    }

    /// Records the results of keys claimed at `now`: the count that each alert reported, and whether it was sent.
    pub fn settle(&self, results: &[(String, u64, bool)], now: DateTime<Utc>) -> Result<()> {
        self.change(now, |state| {
            for (key, reported, sent) in results {
                let entry = state.entry(key.clone()).or_default();
                entry.last_seen = Some(now);
                entry.claimed_at = None;
                match sent {
                    true => {
                        entry.sent_at = Some(now);
                        entry.suppressed = entry.suppressed.saturating_sub(*reported);
                    }
                    false => entry.suppressed += 1,
                }
            }
        })
    }

    /// Reads the state, changes it and replaces its file, alone among all processes.
    fn change<T>(&self, now: DateTime<Utc>, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        std::fs::create_dir_all(self.folder).map_err(|error| Error::io("create", self.folder, &error))?;
        let _lock = self.lock()?;
        let file = self.folder.join(STATE);
        let earlier = self.folder.join(EARLIER_STATE);
        // A state that cannot be read is as good as none: an alert too many is better than one too few.
        let bytes = std::fs::read(&file).or_else(|_| std::fs::read(&earlier));
        let mut state: State = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let result = change(&mut state);
        state.retain(|_, entry| entry.last_seen.is_some_and(|seen| near(seen, now, REMEMBERED)));
        replace(&file, &state).map_err(|error| Error::io("write", &file, &error))?;
        // Its content is in the new file.
        let _ = std::fs::remove_file(&earlier);
        Ok(result)
    }

    /// The kernel lets go of the lock when the file is closed, however the process ends.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join(LOCK);
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o640).open(&path);
        let file = open.map_err(|error| Error::io("write", &path, &error))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if began.elapsed() < LONGEST_LOCK => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::try_again(format!("{}: held by another process", path.display())));
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
            }
        }
    }
}

/// Whether two times are less than `span` apart, in either order: clocks are read before the lock is taken, and a
/// clock that was set back must not silence a cause for longer than `span`.
fn near(one: DateTime<Utc>, other: DateTime<Utc>, span: TimeDelta) -> bool {
    (one - other).abs() < span
}

/// Under the lock there is one writer, so the temporary name can be fixed.
fn replace(file: &Path, state: &State) -> std::io::Result<()> {
    let temporary = file.with_extension("tmp");
    let mut out = OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(&temporary)?;
    out.write_all(&serde_json::to_vec_pretty(state)?)?;
    out.sync_all()?;
    std::fs::rename(&temporary, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-21T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn rule(folder: &Path) -> Flood<'_> {
        Flood { folder, every: TimeDelta::hours(1), claim: TimeDelta::minutes(2) }
    }

    fn one(rule: &Flood, minutes: i64) -> Verdict {
        rule.claim(&["k".to_owned()], at(minutes)).unwrap()[0]
    }

    fn settle(rule: &Flood, reported: u64, sent: bool, minutes: i64) {
        rule.settle(&[("k".to_owned(), reported, sent)], at(minutes)).unwrap();
    }

    #[test]
    fn a_cause_is_reported_once_an_hour_with_the_number_of_alerts_between() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 0), Verdict::Send { suppressed: 0 });
        settle(&rule, 0, true, 0);
        assert_eq!(one(&rule, 1), Verdict::Suppress { sent_at: at(0) });
        assert_eq!(one(&rule, 59), Verdict::Suppress { sent_at: at(0) });
        assert_eq!(one(&rule, 60), Verdict::Send { suppressed: 2 });
        settle(&rule, 2, true, 60);
        assert_eq!(one(&rule, 119), Verdict::Suppress { sent_at: at(60) });
        assert_eq!(one(&rule, 120), Verdict::Send { suppressed: 1 });
    }

    #[test]
    fn what_could_not_be_sent_is_tried_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 0), Verdict::Send { suppressed: 0 });
        settle(&rule, 0, false, 0);
        assert_eq!(one(&rule, 1), Verdict::Send { suppressed: 1 });
    }

    #[test]
    fn a_claim_of_a_killed_process_runs_out() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 0), Verdict::Send { suppressed: 0 });
        assert_eq!(one(&rule, 1), Verdict::Suppress { sent_at: at(0) });
        assert_eq!(one(&rule, 2), Verdict::Send { suppressed: 1 });
    }

    #[test]
    fn a_clock_set_back_does_not_silence_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        one(&rule, 10_000);
        settle(&rule, 0, true, 10_000);
        assert_eq!(one(&rule, 9_999), Verdict::Suppress { sent_at: at(10_000) });
        assert_eq!(one(&rule, 0), Verdict::Send { suppressed: 1 });
    }

    #[test]
    fn a_broken_state_is_as_good_as_none_and_old_causes_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        std::fs::write(folder.path().join(STATE), "{\"k\": tor").unwrap();
        assert_eq!(one(&rule, 0), Verdict::Send { suppressed: 0 });
        settle(&rule, 0, false, 0);
        rule.claim(&["other".to_owned()], at(31 * 24 * 60)).unwrap();
        let text = std::fs::read_to_string(folder.path().join(STATE)).unwrap();
        let state: State = serde_json::from_str(&text).unwrap();
        assert_eq!(state.keys().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn of_many_at_once_one_sends_and_all_others_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| one(&rule, 0))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Send { .. })).count(), 1);
        settle(&rule, 0, true, 0);
        assert_eq!(one(&rule, 60), Verdict::Send { suppressed: 15 });
    }

    #[test]
    fn the_file_of_earlier_versions_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = folder.path().join(EARLIER_STATE);
        let text = r#"{"k": {"told": "2026-11-21T00:00:00Z", "claimed": null, "held_back": 3, "seen": "2026-11-21T00:05:00Z"}}"#;
        std::fs::write(&earlier, text).unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 10), Verdict::Suppress { sent_at: at(0) });
        assert!(!earlier.exists());
        let now: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join(STATE)).unwrap()).unwrap();
        let expected = serde_json::json!({ "k": {
            "sent_at": "2026-11-21T00:00:00Z", "claimed_at": null, "suppressed": 4, "last_seen": "2026-11-21T00:10:00Z"
        }});
        assert_eq!(now, expected);
        assert_eq!(one(&rule, 60), Verdict::Send { suppressed: 4 });
    }

    #[test]
    fn the_key_is_a_hash() {
        assert_ne!(key("https://hooks/secret", "cause"), key("https://hooks/other", "cause"));
        assert!(!key("https://hooks/secret", "cause").contains("secret"));
    }
}
