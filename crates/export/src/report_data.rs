//! What a page is made from: the pipeline's tables, its registry of models, and its runs.

use std::path::Path;

use polars::prelude::LazyFrame;
use score::Registry;
use sinks::Upstream;
use sinks::report::{ReportData, RunEnd, RunLine};
use spec::{Error, Name, Result, Tool};
use stage::Job;

use crate::tables::{has_run, scan};
use crate::wiring::Export;

pub struct Pipeline<'a> {
    job: &'a Job<Export>,
}

impl Pipeline<'_> {
    pub fn of(job: &Job<Export>) -> Pipeline<'_> {
        Pipeline { job }
    }
}

impl ReportData for Pipeline<'_> {
    fn table(&self, from: Option<Upstream>, name: &Name) -> Result<LazyFrame> {
        scan(self.job, from, name)
    }

    fn has_run(&self, stage: Upstream) -> bool {
        has_run(self.job, stage)
    }

    fn registry(&self) -> Registry {
        Registry::at(self.job.root.join(Tool::Train.folder(&self.job.pipeline)))
    }

    fn runs(&self, most: usize) -> Result<Vec<RunLine>> {
        let path = Path::new("data/runs").join(format!("{}.jsonl", self.job.pipeline));
        let log = match std::fs::read(self.job.root.join(&path)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        let by_stage = watch::runs_of(&log, self.job.pipeline.as_str());
        let mut runs: Vec<_> =
            by_stage.into_iter().flat_map(|(tool, runs)| runs.into_iter().map(move |run| (tool, run))).collect();
        runs.sort_by_key(|(_, run)| std::cmp::Reverse(run.began));
        let line = |(tool, run): (Tool, watch::Run)| RunLine {
            began: run.began.format("%Y-%m-%d %H:%M:%S").to_string(),
            stage: tool.to_string(),
            end: match run.end {
                watch::End::Success { seconds, rows } => RunEnd::Success { seconds, rows },
                watch::End::Failure(why) => RunEnd::Failure(why),
                watch::End::Interrupted => RunEnd::Interrupted,
                watch::End::Unknown => RunEnd::Unknown,
            },
        };
        Ok(runs.into_iter().take(most).map(line).collect())
    }
}
