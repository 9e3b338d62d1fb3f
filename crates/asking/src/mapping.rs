//! `clean --compile-mapping`: the answers so far as mapping files, to be reviewed by people and used by `map_values`.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use artifact::{PolarsResultExt, Temporary};
use llm::Outcome;
use polars::prelude::*;
use spec::text::count;
use spec::{Error, Result};
use transform::{Given, Mapped, Mapping, Step};

use super::{Asking, Mode, Models, ROUND, Round, frames};

impl Models<'_> {
    /// Writes `resources/<pipeline>/mappings/<task>.csv` for each step `llm` of a table that has answers, and gives the
    /// paths. Lines that are in a file already stay as they are: people may have corrected them.
    ///
    /// # Errors
    /// Cannot run: a task that reads several columns; a mapping file that cannot be read or written.
    pub fn compile(&self, table: &str, raw: &LazyFrame, steps: &[Step], mut given: Given) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for asking in self.askings(table, steps)? {
            let [input] = asking.task.inputs() else {
                return Err(Error::cannot_run(format!(
                    "{}: task '{}' reads {} columns, but a mapping maps the values of one",
                    asking.place,
                    asking.task.name(),
                    asking.task.inputs().len()
                ))
                .hint("join them into one column by a step 'derive', and let the task read that"));
            };
            let inputs = self.inputs(&asking, raw, steps, &mut given)?;
            let new = self.mapped(&asking, input, &inputs.distinct)?;
            let path = Path::new("resources").join(self.pipeline.as_str()).join("mappings");
            let path = path.join(format!("{}.csv", asking.task.name()));
            let file = self.root.join(&path);
            let mut mapping = match file.is_file() {
                true => Mapping::read(&spec::text_of(self.root, &path)?, &path)?,
                false => Mapping::default(),
            };
            let known: HashSet<(String, String)> =
                mapping.entries.iter().map(|entry| (entry.column.clone(), entry.before.clone())).collect();
            let before = mapping.entries.len();
            mapping.entries.extend(new.into_iter().filter(|e| !known.contains(&(e.column.clone(), e.before.clone()))));
            if mapping.entries.is_empty() {
                tracing::warn!("{}: no answer is known yet", asking.spoken);
                continue;
            }
            replace(&file, &mapping)?;
            tracing::info!(
                "{}: {} in {}; review them, then write `- map_values: {{file: {}}}` instead of the step",
                asking.spoken,
                count((mapping.entries.len() - before) as u64, "new line"),
                path.display(),
                path.display()
            );
            paths.push(path);
            self.answer_step(&asking, inputs, &mut given, Mode::KnownOnly)?;
        }
        Ok(paths)
    }

    /// Each known answer that changes something, by output column.
    fn mapped(&self, asking: &Asking, input: &str, inputs: &DataFrame) -> Result<Vec<Mapped>> {
        let mut entries = Vec::new();
        for from in (0..inputs.height()).step_by(ROUND) {
            let part = frames::to_json(&inputs.slice(from as i64, ROUND)).during(&asking.place)?;
            let outcomes = self.ask(asking, &part, Mode::KnownOnly, &mut Round::default())?;
            for (values, answer) in part.iter().zip(outcomes.iter().map(Outcome::answer)) {
                let (Some(answer), Some(before)) = (answer, values.get(input).and_then(frames::text)) else { continue };
                for column in asking.task.outputs() {
                    let after = answer.values.get(column).and_then(frames::text);
                    if column == input && after.as_ref() == Some(&before) {
                        continue;
                    }
                    let accepted_by = format!("model {}, prompt {}", answer.model, &answer.prompt_hash[..8]);
                    entries.push(Mapped { column: column.clone(), before: before.clone(), after, accepted_by });
                }
            }
        }
        Ok(entries)
    }
}

fn replace(file: &Path, mapping: &Mapping) -> Result<()> {
    let mut temporary = Temporary::beside(file)?;
    temporary.file().write_all(mapping.to_csv().as_bytes()).map_err(|error| Error::io("write", file, &error))?;
    temporary.replace(file)
}
