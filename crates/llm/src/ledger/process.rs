//! Who holds a claim, and whether that process still lives.

use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A name for one run in this process: machine, process space, process, its start, and a running number.
///
/// Where `/proc` is missing the machine is unknown, and only the claim's expiry frees what a dead process held.
pub fn owner() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let pid = std::process::id();
    let start = start_of(pid).unwrap_or_default();
    format!("{}/{pid}/{start}/{}", space(), RUNS.fetch_add(1, Ordering::Relaxed))
}

/// Whether the process of `owner` is known to be gone. Of other machines and process spaces nothing is known.
pub fn is_gone(owner: &str) -> bool {
    let mut parts = owner.rsplitn(4, '/');
    let (Some(_), Some(start), Some(pid), Some(place)) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    place == space() && !start.is_empty() && start_of(pid).as_deref() != Some(start)
}

/// The boot and the process space that process numbers count in.
fn space() -> &'static str {
    static SPACE: OnceLock<String> = OnceLock::new();
    SPACE.get_or_init(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        format!("{}/{}", boot.trim(), space.display())
    })
}

/// When the process started, in clock ticks since boot (proc(5), field 22 of stat). None if it does not run.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in brackets, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // A zombie is gone, though its parent has not noticed.
    (*fields.first()? != "Z").then(|| fields.get(19).map(|start| (*start).to_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_start_of_it_does_not() {
        let owner = owner();
        assert!(!is_gone(&owner));
        let parts: Vec<&str> = owner.split('/').collect();
        let [boot, space, pid, _, run] = parts[..] else { panic!("{owner}") };
        assert!(is_gone(&format!("{boot}/{space}/{pid}/1/{run}")));
        assert!(!is_gone(&format!("elsewhere/{space}/{pid}/1/{run}")), "nothing is known of other machines");
    }
}
