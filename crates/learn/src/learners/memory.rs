//! How much memory a program may still take: what the machine has free, within the limits of its control groups, as a container,
//! a unit of systemd or a batch system sets them.

use std::path::{Path, PathBuf};

/// Memory that programs can take without swapping, in bytes; `None` where the system does not say.
pub(super) fn free_memory() -> Option<u64> {
    free_in(Path::new("/"))
}

/// See [`free_memory`], with the files of the system below `root`.
fn free_in(root: &Path) -> Option<u64> {
    let of_groups = groups(root).into_iter().filter_map(|group| group.free());
    free_of_machine(root).into_iter().chain(of_groups).min()
}

fn free_of_machine(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"))?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// A control group that memory is counted in.
struct Group {
    folder: PathBuf,
    version: Version,
}

enum Version {
    One,
    Two,
}

/// The groups of this process, each with those that it lies in. Within a container the path may be that of the host, of which only
/// the last ones are there: the folder of them all is the container's.
fn groups(root: &Path) -> Vec<Group> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in text.lines() {
        // `0::/path` of version 2, `4:memory:/path` of version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (top, is_two) = match controllers {
            "" => ("sys/fs/cgroup", true),
            controllers if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", false),
            _ => continue,
        };
        for path in Path::new(path.trim_start_matches('/')).ancestors() {
            let version = if is_two { Version::Two } else { Version::One };
            groups.push(Group { folder: root.join(top).join(path), version });
        }
    }
    groups
}

impl Group {
    /// What its limit leaves, in bytes; `None` without one. Pages of files that the system can drop are free.
    fn free(&self) -> Option<u64> {
        let (limit, used, droppable) = match self.version {
            Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
            Version::Two => ("memory.max", "memory.current", "inactive_file "),
        };
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        // `max`, which is no number, and of version 1 the greatest number, are none.
        let limit = number(limit)?;
        let statistics = read("memory.stat").unwrap_or_default();
        let droppable = statistics.lines().find_map(|line| line.strip_prefix(droppable)?.trim().parse::<u64>().ok());
        Some(limit.saturating_sub(number(used)?.saturating_sub(droppable.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What is free with these files.
    fn free(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        free_in(root.path())
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:    8388608 kB\n");

    #[test]
    fn a_group_leaves_what_is_below_its_limit() {
        assert_eq!(free(&[]), None);
        assert_eq!(free(&[MACHINE]), Some(8192 * MIB));
        // A unit without a limit in a slice of 2 GiB, of which 1.5 are taken, half a GiB of that by files.
        let of_two = [
            MACHINE,
            ("proc/self/cgroup", "0::/batch.slice/train.service\n"),
            ("sys/fs/cgroup/batch.slice/train.service/memory.max", "max\n"),
            ("sys/fs/cgroup/batch.slice/train.service/memory.current", "1\n"),
            ("sys/fs/cgroup/batch.slice/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/batch.slice/memory.current", "1610612736\n"),
            ("sys/fs/cgroup/batch.slice/memory.stat", "anon 1073741824\ninactive_file 536870912\nfile 536870912\n"),
        ];
        assert_eq!(free(&of_two), Some(1024 * MIB));
        // A container of version 1 sees its own group as the folder of all, and the path of the host.
        let of_one = [
            MACHINE,
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/1a2b\n4:memory:/docker/1a2b\n0::/docker/1a2b\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "268435456\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 134217728\n"),
        ];
        assert_eq!(free(&of_one), Some(384 * MIB));
        let without_limit = [
            MACHINE,
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "268435456\n"),
        ];
        assert_eq!(free(&without_limit), Some(8192 * MIB));
        assert!(free_memory().is_none_or(|free| free > MIB));
    }
}
