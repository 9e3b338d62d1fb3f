//! What a run published, and how people and the run log are informed of it.

use std::path::PathBuf;
use std::time::Duration;

use artifact::{Books, Evidence, Fate, Quality, Snapshot, Verdict};
use serde_json::json;
use spec::text::count;
use spec::{Result, Root};
use tool::{Dataset, facet};

/// Everything that a run published.
pub struct Publication {
    /// What is new.
    pub items: Vec<Item>,
    /// The whole output: what is new and what stays. Relative to the root.
    pub paths: Vec<PathBuf>,
}

/// One published artifact.
pub struct Item {
    pub table: String,
    /// Relative to the root.
    pub path: PathBuf,
    pub books: Books,
    pub bytes: u64,
    pub refused: Option<PathBuf>,
    pub changes: Option<ChangeLog>,
    pub quality: Option<Quality>,
    /// How many checks had something to judge, and how many of them passed.
    pub judged: (usize, usize),
    /// The soft checks that failed, with what was found.
    pub warnings: Vec<String>,
    /// How many files without rows were skipped.
    pub empty_files: usize,
    /// The processor time that its summaries, hash and seal took; zero for what is not a table.
    pub evidence: Duration,
}

/// The published change log of a table.
pub struct ChangeLog {
    /// Relative to the root.
    pub path: PathBuf,
    pub rows: u64,
}

impl Publication {
    /// The soft checks that failed.
    pub fn warnings(&self) -> Vec<String> {
        self.items.iter().flat_map(|item| item.warnings.iter().cloned()).collect()
    }

    /// What is new, as the run log describes it.
    pub(crate) fn datasets(&self) -> Vec<Dataset> {
        const STATISTICS: (&str, &str) = ("1-0-2", "OutputStatisticsOutputDatasetFacet");
        let dataset = |item: &Item| {
            let statistics = json!({ "rowCount": item.books.rows_out, "size": item.bytes });
            let facets = [
                ("outputStatistics", facet(Some(STATISTICS), statistics)),
                ("millrace_quality", facet(None, json!({ "quality": item.quality }))),
                ("millrace_books", facet(None, json!({ "books": item.books }))),
            ];
            let facets = facets.into_iter().map(|(name, facet)| (name.to_owned(), facet)).collect();
            Dataset { name: item.path.display().to_string(), facets }
        };
        self.items.iter().map(dataset).collect()
    }

    /// What an earlier run wrote, from its evidence.
    pub fn of(root: &Root, snapshot: &Snapshot) -> Result<Publication> {
        let mut items = Vec::new();
        for path in &snapshot.paths {
            let file = root.join(path);
            let bytes = file.metadata().map(|meta| meta.len()).unwrap_or_default();
            if let Some(evidence) = artifact::evidence_of(&file)? {
                let refused = evidence.refused.clone().map(PathBuf::from);
                items.push(Item { refused, ..Item::new(path.clone(), evidence, bytes) });
            }
        }
        Ok(Publication { items, paths: snapshot.paths.clone() })
    }
}

impl Item {
    pub(crate) fn new(path: PathBuf, evidence: Evidence, bytes: u64) -> Item {
        let Evidence { table, books, quality, checks, notes, .. } = evidence;
        let judged = checks.iter().filter(|result| result.verdict != Verdict::Skipped).count();
        let passed = checks.iter().filter(|result| result.verdict == Verdict::Passed).count();
        let judged = (judged, passed);
        let warned = checks.into_iter().filter(|result| result.verdict == Verdict::Warned);
        let warned = warned.map(|result| format!("{table}: {}: {}", result.check, result.found));
        let empty_files = notes.empty_files.len();
        let passed = (empty_files > 0).then(|| format!("{table}: {}", files_passed(empty_files)));
        let warnings = warned.chain(notes.fallback.map(|why| format!("{table}: {why}"))).chain(passed).collect();
        let evidence = Duration::ZERO;
        Item {
            table,
            path,
            books,
            bytes,
            refused: None,
            changes: None,
            quality,
            judged,
            warnings,
            empty_files,
            evidence,
        }
    }

    /// `purchases: 100 rows in, 97 out; 2 duplicate by step 3 'dedupe'; 1 refused by check 'not_null'`
    pub fn in_words(&self) -> String {
        let books = &self.books;
        if books == &Books::default() {
            return format!("{} written", self.path.display());
        }
        let mut words = format!("{}: {} in", self.table, count(books.rows_in, "row"));
        // Rows that went into a model do not come out, which is not a loss.
        if books.rows_out > 0 || books.total(Fate::Used) == 0 {
            words += &format!(", {} out", books.rows_out);
        }
        for entry in &books.entries {
            words += &format!("; {}", entry.in_words());
        }
        if self.empty_files > 0 {
            words += &format!("; {}", files_passed(self.empty_files));
        }
        if let Some(quality) = &self.quality {
            words += &format!("; quality {:.1}", quality.score);
        }
        match self.judged {
            (0, _) => {}
            (1, 1) => words += "; its check passed",
            (all, passed) if all == passed => words += &format!("; all {all} checks passed"),
            (all, passed) => words += &format!("; {passed} of {all} checks passed"),
        }
        words
    }
}

pub(crate) fn files_passed(empty: usize) -> String {
    format!("{} without rows skipped", count(empty as u64, "file"))
}
