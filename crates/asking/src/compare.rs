//! `clean --compare A B`: two tasks on the same golden rows.

use llm::judge::{Candidate, Resampling, compare};
use llm::{Settings, TaskFile};
use spec::{Error, Result};
use transform::Step;

use super::golden::{Golden, Judged};
use super::{Models, task_file};

impl Models<'_> {
    /// The comparison of two tasks, by file or name, as Markdown. `golden`: the file; else that of the only `eval`
    /// among `steps`.
    ///
    /// # Errors
    /// Cannot run: no such task; no golden file, or several. Try again: the provider is not configured, or is down.
    pub fn compare<'s>(
        &self,
        tasks: &[String],
        golden: Option<&str>,
        steps: impl Iterator<Item = &'s Step>,
    ) -> Result<String> {
        let golden = Golden::read(self.root, &golden_file(golden, steps)?)?;
        let tasks =
            tasks.iter().map(|named| TaskFile::load(self.root, &task_file(self.root, self.pipeline, named)?, self.env));
        let tasks = tasks.collect::<Result<Vec<TaskFile>>>()?;
        let [first, second] = tasks.as_slice() else {
            return Err(Error::cannot_run(format!("{} tasks to compare", tasks.len())).hint("name two"));
        };
        let (one, other) = (self.judged(first, &golden)?, self.judged(second, &golden)?);
        let (first_name, second_name) = names(first, second);
        let one = Candidate { task: &first_name, rows: &one.rows, cost: one.cost };
        let other = Candidate { task: &second_name, rows: &other.rows, cost: other.cost };
        Ok(compare(&golden.columns, one, other, Resampling::default())?.to_string())
    }

    fn judged(&self, task: &TaskFile, golden: &Golden) -> Result<Judged> {
        self.answer_golden(task, golden)?.ok_or_else(|| {
            Error::try_again(format!("task '{}' cannot run: its provider has no key", task.name()))
                .hint(format!("set it as {} or in .env", variable(&self.settings, task)))
        })
    }
}

/// Two versions of a task may have one name: then the models distinguish them, or the prompts.
fn names(first: &TaskFile, second: &TaskFile) -> (String, String) {
    if first.name() != second.name() {
        return (first.name().to_owned(), second.name().to_owned());
    }
    let by_model = first.models()[0] != second.models()[0];
    let name = |task: &TaskFile| match by_model {
        true => format!("{} ({})", task.name(), task.models()[0]),
        false => format!("{} ({})", task.name(), &task.prompt_hash()[..8]),
    };
    (name(first), name(second))
}

fn variable(settings: &Settings, task: &TaskFile) -> String {
    settings.model(&task.models()[0]).provider.variable.unwrap_or_else(|| "the key's variable".to_owned())
}

fn golden_file<'s>(given: Option<&str>, steps: impl Iterator<Item = &'s Step>) -> Result<String> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let mut files: Vec<&str> = steps.filter_map(|step| step.llm()?.eval()).map(|eval| eval.golden.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    match files.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(Error::cannot_run("no golden file to compare on")
            .hint("name one with --golden FILE, or as `eval: {golden: FILE}` in the step 'llm'")),
        several => Err(Error::cannot_run(format!("several golden files: {}", several.join(", ")))
            .hint("choose one with --golden FILE")),
    }
}
