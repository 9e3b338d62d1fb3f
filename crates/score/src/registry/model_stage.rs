//! The stage of a version, as its decisions have it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::log::promoted;
use super::{Action, Entry, Version};

/// The stage of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelStage {
    /// It scores.
    Production,
    /// The newest that passed its gate since production last changed: it waits for a decision by hand, or for a better
    /// one.
    Staging,
    /// It was in production or staging before.
    Archived,
    /// It did not pass its gate.
    Refused,
}

impl ModelStage {
    pub fn name(self) -> &'static str {
        match self {
            ModelStage::Production => "production",
            ModelStage::Staging => "staging",
            ModelStage::Archived => "archived",
            ModelStage::Refused => "refused",
        }
    }

    /// The stage of `version` after these decisions, oldest first; `None` if none was ever made about it.
    pub fn of(version: Version, entries: &[Entry]) -> Option<ModelStage> {
        if promoted(entries).last() == Some(&version) {
            return Some(ModelStage::Production);
        }
        let changed = |entry: &Entry| matches!(entry.action, Action::Promote | Action::Rollback);
        let since = entries.iter().rposition(changed).map_or(0, |at| at + 1);
        let mut waiting = None;
        for entry in &entries[since..] {
            match entry.action {
                Action::Keep => waiting = Some(entry.version),
                Action::Archive if waiting == Some(entry.version) => waiting = None,
                _ => {}
            }
        }
        if waiting == Some(version) {
            return Some(ModelStage::Staging);
        }
        let last = ModelStage::decided(version, entries)?;
        Some(if last.action == Action::Refuse { ModelStage::Refused } else { ModelStage::Archived })
    }

    /// The last decision about `version` among these, oldest first, remarks aside; `None` if none was ever made.
    pub fn decided(version: Version, entries: &[Entry]) -> Option<&Entry> {
        entries.iter().rfind(|entry| entry.version == version && !entry.action.is_remark())
    }
}

impl fmt::Display for ModelStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(decisions: &[(Action, u32)]) -> Vec<Entry> {
        let entry = |(action, number): &(Action, u32)| Entry {
            time: String::new(),
            who: String::new(),
            action: *action,
            version: format!("v{number}").parse().unwrap(),
            champion: None,
            why: String::new(),
            metrics: Default::default(),
            evidence: String::new(),
            judged_on: None,
            previous: String::new(),
        };
        decisions.iter().map(entry).collect()
    }

    fn stages(decisions: &[(Action, u32)]) -> Vec<Option<&'static str>> {
        let stage =
            |number: u32| ModelStage::of(format!("v{number}").parse().unwrap(), &log(decisions)).map(ModelStage::name);
        (1..=4).map(stage).collect()
    }

    #[test]
    fn stages_follow_from_the_log() {
        use Action::{Keep, Promote, Refuse, Rollback};
        assert_eq!(stages(&[]), [None; 4]);
        assert_eq!(
            stages(&[(Keep, 1), (Refuse, 2), (Keep, 3)]),
            [Some("archived"), Some("refused"), Some("staging"), None]
        );
        let mut log = vec![(Promote, 1), (Keep, 2), (Promote, 2)];
        assert_eq!(stages(&log), [Some("archived"), Some("production"), None, None]);
        log.push((Keep, 3));
        assert_eq!(stages(&log)[2], Some("staging"));
        log.push((Rollback, 1));
        assert_eq!(stages(&log), [Some("production"), Some("archived"), Some("archived"), None]);
    }

    #[test]
    fn what_is_archived_waits_no_longer_and_remarks_change_nothing() {
        use Action::{Archive, Keep, Promote, Propose, Refuse, Stop, Wait};
        let mut log = vec![(Promote, 1), (Keep, 2), (Wait, 2), (Stop, 2), (Propose, 2)];
        assert_eq!(stages(&log), [Some("production"), Some("staging"), None, None]);
        log.push((Archive, 2));
        assert_eq!(stages(&log), [Some("production"), Some("archived"), None, None]);
        // One that was archived does not come back because a newer one is.
        log.extend([(Keep, 3), (Archive, 2)]);
        assert_eq!(stages(&log), [Some("production"), Some("archived"), Some("staging"), None]);
        log.extend([(Archive, 3), (Refuse, 4), (Propose, 4)]);
        assert_eq!(stages(&log), [Some("production"), Some("archived"), Some("archived"), Some("refused")]);
    }
}
