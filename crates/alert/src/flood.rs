//! No flood: a cause is reported once in a while on each channel, whatever the number of runs and processes.
//!
//! What was told when stands in one small JSON file, read and replaced under a lock. The lock is not held while
//! telling: a process first claims a cause, then tells it, then records what came out. A claim that is never settled
//! (the process was killed) runs out, so that the cause is not silent for longer than a delivery may take. An alert
//! that could not be told does not count as told; it counts among those of which the next one speaks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

const STATE: &str = "told.json";
const LOCK: &str = ".lock";

/// The lock is held for reading and writing a small file. Whoever waits longer waits for a process that hangs.
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
    /// Tell it: the cause is claimed. Speaks for so many others that were not told.
    Tell { held_back: u64 },
    /// Told (or being told by another process) at that time.
    Hold { told: DateTime<Utc> },
}

/// What is known of one cause on one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    told: Option<DateTime<Utc>>,
    /// Claimed by a process that is telling it.
    claimed: Option<DateTime<Utc>>,
    /// Alerts not told since.
    held_back: u64,
    /// When the cause last came up.
    seen: Option<DateTime<Utc>>,
}

type State = BTreeMap<String, Entry>;

/// What stands for a cause on a channel: a hash, since the channel's identity may hold a secret.
pub fn key(channel: &str, cause: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(channel.as_bytes()).update(&[0]).update(cause.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

impl Flood<'_> {
    /// Claims each key that may be told at `now`, and counts the others.
    pub fn claim(&self, keys: &[String], now: DateTime<Utc>) -> Result<Vec<Verdict>> {
        self.change(now, |state| {
            keys.iter()
                .map(|key| {
                    let entry = state.entry(key.clone()).or_default();
                    entry.seen = Some(now);
                    let told = entry.told.filter(|told| near(*told, now, self.every));
                    let claimed = entry.claimed.filter(|claimed| near(*claimed, now, self.claim));
                    match told.or(claimed) {
                        Some(told) => {
                            entry.held_back += 1;
                            Verdict::Hold { told }
                        }
                        None => {
                            entry.claimed = Some(now);
                            Verdict::Tell { held_back: entry.held_back }
                        }
                    }
                })
                .collect()
        })
    }

    /// Records what came of keys claimed at `now`: the count that each alert spoke of, and whether it was told.
    pub fn settle(&self, results: &[(String, u64, bool)], now: DateTime<Utc>) -> Result<()> {
        self.change(now, |state| {
            for (key, spoken_of, told) in results {
                let entry = state.entry(key.clone()).or_default();
                entry.seen = Some(now);
                entry.claimed = None;
                match told {
                    true => {
                        entry.told = Some(now);
                        entry.held_back = entry.held_back.saturating_sub(*spoken_of);
                    }
                    false => entry.held_back += 1,
                }
            }
        })
    }

    /// Reads the state, changes it and replaces its file, alone among all processes.
    fn change<T>(&self, now: DateTime<Utc>, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        std::fs::create_dir_all(self.folder).map_err(|error| Error::io("create", self.folder, &error))?;
        let _lock = self.lock()?;
        let file = self.folder.join(STATE);
        // A state that cannot be read is as good as none: an alert too many is better than one too few.
        let mut state: State =
            std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let result = change(&mut state);
        state.retain(|_, entry| entry.seen.is_some_and(|seen| near(seen, now, REMEMBERED)));
        replace(&file, &state).map_err(|error| Error::io("write", &file, &error))?;
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

/// Whether two moments are less than `span` apart, in whichever order: clocks are read before the lock is taken, and a
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

    fn settle(rule: &Flood, spoken_of: u64, told: bool, minutes: i64) {
        rule.settle(&[("k".to_owned(), spoken_of, told)], at(minutes)).unwrap();
    }

    #[test]
    fn a_cause_is_told_once_an_hour_and_the_next_one_says_how_many_were_not() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 0), Verdict::Tell { held_back: 0 });
        settle(&rule, 0, true, 0);
        assert_eq!(one(&rule, 1), Verdict::Hold { told: at(0) });
        assert_eq!(one(&rule, 59), Verdict::Hold { told: at(0) });
        assert_eq!(one(&rule, 60), Verdict::Tell { held_back: 2 });
        settle(&rule, 2, true, 60);
        assert_eq!(one(&rule, 119), Verdict::Hold { told: at(60) });
        assert_eq!(one(&rule, 120), Verdict::Tell { held_back: 1 });
    }

    #[test]
    fn what_could_not_be_told_is_tried_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 0), Verdict::Tell { held_back: 0 });
        settle(&rule, 0, false, 0);
        assert_eq!(one(&rule, 1), Verdict::Tell { held_back: 1 });
    }

    #[test]
    fn a_claim_of_a_killed_process_runs_out() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        assert_eq!(one(&rule, 0), Verdict::Tell { held_back: 0 });
        assert_eq!(one(&rule, 1), Verdict::Hold { told: at(0) });
        assert_eq!(one(&rule, 2), Verdict::Tell { held_back: 1 });
    }

    #[test]
    fn a_clock_set_back_does_not_silence_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        one(&rule, 10_000);
        settle(&rule, 0, true, 10_000);
        assert_eq!(one(&rule, 9_999), Verdict::Hold { told: at(10_000) });
        assert_eq!(one(&rule, 0), Verdict::Tell { held_back: 1 });
    }

    #[test]
    fn a_broken_state_is_as_good_as_none_and_old_causes_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        std::fs::write(folder.path().join(STATE), "{\"k\": tor").unwrap();
        assert_eq!(one(&rule, 0), Verdict::Tell { held_back: 0 });
        settle(&rule, 0, false, 0);
        rule.claim(&["other".to_owned()], at(31 * 24 * 60)).unwrap();
        let text = std::fs::read_to_string(folder.path().join(STATE)).unwrap();
        let state: State = serde_json::from_str(&text).unwrap();
        assert_eq!(state.keys().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn of_many_at_once_one_tells_and_all_others_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let rule = rule(folder.path());
        let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| one(&rule, 0))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Tell { .. })).count(), 1);
        settle(&rule, 0, true, 0);
        assert_eq!(one(&rule, 60), Verdict::Tell { held_back: 15 });
    }

    #[test]
    fn the_key_is_a_hash() {
        assert_ne!(key("https://hooks/secret", "cause"), key("https://hooks/other", "cause"));
        assert!(!key("https://hooks/secret", "cause").contains("secret"));
    }
}
