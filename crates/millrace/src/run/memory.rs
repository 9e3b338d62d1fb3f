//! How much memory stages are expected to need, from earlier runs, and how much all of them may need at once.

use std::path::PathBuf;

use spec::{Error, Name, Result, Tool};
use tool::Project;

/// The variable that sets the budget.
const VARIABLE: &str = "MILLRACE_MEMORY";

/// Units of memory, and their bytes.
const UNITS: [(&str, u64); 6] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("TB", 1_000_000_000_000),
];

/// What stages needed, in bytes: a file per stage, with the most that it ever needed.
pub struct Memory {
    folder: PathBuf,
    /// What the stages that are at work at the same time may need together.
    pub budget: Option<u64>,
}

impl Memory {
    pub fn new(project: &Project) -> Result<Memory> {
        let budget = project.env.get(VARIABLE).map(bytes).transpose()?;
        Ok(Memory { folder: project.root.join("data/runs/memory"), budget })
    }

    fn path(&self, pipeline: &Name, tool: Tool) -> PathBuf {
        self.folder.join(format!("{pipeline}.{tool}"))
    }

    /// The most that a stage ever needed; nothing if that is not known.
    pub fn known(&self, pipeline: &Name, tool: Tool) -> Option<u64> {
        std::fs::read_to_string(self.path(pipeline, tool)).ok()?.trim().parse().ok()
    }

    /// What is set aside for a stage: a quarter more than it ever needed, since data grows; for one that never ran all, so that
    /// it runs alone. Never more than the budget, so that every stage can run.
    pub fn share(&self, known: Option<u64>) -> u64 {
        let Some(budget) = self.budget else { return 0 };
        known.map_or(budget, |known| known.saturating_add(known / 4).min(budget))
    }

    /// Keeps what a stage needed, if it is the most so far: runs that find nothing new need next to nothing.
    pub fn keep(&self, pipeline: &Name, tool: Tool, needed: u64) -> Result<()> {
        if self.known(pipeline, tool).is_some_and(|known| known >= needed) {
            return Ok(());
        }
        let path = self.path(pipeline, tool);
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| {
            let part = path.with_extension(format!("{tool}.{}", std::process::id()));
            std::fs::write(&part, format!("{needed}\n"))?;
            std::fs::rename(&part, &path)
        });
        written.map_err(|error| Error::io("write", &path, &error))
    }
}

fn bytes(text: &str) -> Result<u64> {
    let wrong =
        || Error::cannot_run(format!("{VARIABLE}: '{text}' is not an amount of memory")).hint("write 2GiB or 800MiB");
    let (number, unit) = UNITS
        .into_iter()
        .find_map(|(name, bytes)| text.trim().strip_suffix(name).map(|number| (number.trim(), bytes)))
        .ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    match (number * unit as f64) as u64 {
        bytes if number.is_finite() && bytes >= 1 << 20 => Ok(bytes),
        _ => Err(wrong()),
    }
}

/// An amount as people read it.
pub fn shown(bytes: u64) -> String {
    match bytes {
        0..0x4000_0000 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        for (text, right) in [
            ("2GiB", 2 << 30),
            ("512 MiB", 512 << 20),
            ("1.5GB", 1_500_000_000),
            ("800MB", 800_000_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(bytes(text).unwrap(), right, "{text}");
        }
        for text in ["", "2", "GiB", "2 gigabytes", "-1GiB", "0GiB", "1e400GiB", "NaNGiB"] {
            let wrong = format!("MILLRACE_MEMORY: '{text}' is not an amount of memory; write 2GiB or 800MiB");
            assert_eq!(bytes(text).unwrap_err().to_string(), wrong);
        }
        assert_eq!((shown(1), shown(800 << 20), shown(3 << 29)), ("1 MiB".into(), "800 MiB".into(), "1.5 GiB".into()));
    }

    #[test]
    fn what_was_needed_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { folder: folder.path().join("memory"), budget: Some(1000) };
        let (name, tool) = (Name::new("p").unwrap(), Tool::Clean);
        let share = || memory.share(memory.known(&name, tool));
        assert_eq!(share(), 1000, "nobody knows what it needs");
        for (needed, right) in [(400, 500), (20, 500), (600, 750), (5000, 1000)] {
            memory.keep(&name, tool, needed).unwrap();
            assert_eq!(share(), right);
        }
        assert_eq!(Memory { budget: None, ..memory }.share(Some(5)), 0);
    }
}
