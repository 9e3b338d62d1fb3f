//! Wires the sinks to the shell.

use std::path::PathBuf;

use artifact::{Input, Snapshot, fingerprint};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use score::Log;
use sinks::{Destination, ExportFile, ExportSpec, Format};
use spec::{Error, Exit, Result, Tool, Url, did_you_mean};
use stage::{Job, Output, Stage};
use tool::About;

use crate::deliveries::{Deliveries, delivered, is_of, kept, key};
use crate::outputs::{output, writer};
use crate::to_path::write_to;

#[derive(Args, Debug)]
pub struct Flags {
    /// Write to this file, or with `-` to stdout, instead of the stage's folder
    #[arg(long, short, value_name = "PATH")]
    output: Option<String>,
    /// Write this format instead of that of export.yaml
    #[arg(long, value_parser = format_parser(), value_name = "FORMAT")]
    format: Option<Format>,
    /// Deliver only this one of several deliveries
    #[arg(long, value_name = "DELIVERY")]
    only: Option<String>,
    #[arg(skip)]
    pub deliveries: Deliveries,
}

/// Reads the name of a format; help and errors list those that there are.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::files())
        .try_map(|name| Format::named(&name).ok_or_else(|| format!("no format '{name}'")))
}

pub struct Export;

impl Stage for Export {
    const TOOL: Tool = Tool::Export;
    const ABOUT: About = About {
        short: "Deliver tables as files, as a page, or into a database",
        long: "Reads the output of predict (or of the nearest earlier stage that the pipeline has) and writes data/output/<PIPELINE>/export/, or the data itself to stdout with \
         `-o -`. Of several deliveries, each is made separately: one that fails does not hold up the others, and the next run makes only what is missing. \
               In a shell, call it as bin/export: `export` alone is the shell's own command.",
        examples: &[
            ("bin/export churn", "deliver what export.yaml describes"),
            ("bin/export churn -o - | head", "print the data instead"),
            ("bin/export churn --format json_lines -o scores.jsonl", "write it in another format to another file"),
            ("bin/export churn --only warehouse --force", "make one delivery again"),
        ],
    };
    type Spec = ExportFile;
    type Flags = Flags;

    /// The deliveries, as they are called.
    fn tables(file: &ExportFile) -> Vec<String> {
        file.checked().into_iter().flatten().map(|spec| spec.stem().to_owned()).collect()
    }

    fn fault(file: &ExportFile) -> Option<Error> {
        file.checked().err()
    }

    fn variant(flags: &Flags) -> String {
        flags.format.map(|format| format!(" {format}")).unwrap_or_default()
    }

    fn reads_upstream(file: &ExportFile) -> bool {
        let tables: Vec<_> = file.checked().into_iter().flatten().flat_map(|spec| spec.tables()).collect();
        tables.is_empty() || tables.iter().any(|(from, _)| from.is_none())
    }

    fn also_reads(file: &ExportFile) -> Vec<Tool> {
        let mut tools: Vec<Tool> = Vec::new();
        for (from, _) in file.checked().into_iter().flatten().flat_map(|spec| spec.tables()) {
            tools.extend(from.map(|from| from.tool()).filter(|tool| !tools.contains(tool)));
        }
        tools
    }

    /// The artifacts; and the log of decisions, if a page shows models.
    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let mut inputs = job.artifacts.iter().map(artifact::Artifact::as_input).collect::<Result<Vec<Input>>>()?;
        let log = Tool::Train.folder(&job.pipeline).join(Log::FILE);
        let shows_models =
            specs(job)?.iter().any(|spec| spec.format.destination() == Destination::Page && spec.html.shows_models());
        if shows_models && job.root.join(&log).exists() {
            let fingerprint = fingerprint(&job.root.join(&log))?;
            inputs.push(Input { path: log.display().to_string(), fingerprint, rows: None });
        }
        Ok(inputs)
    }

    /// Of several deliveries, one that was not made yet: the newest evidence may be that of another.
    fn cause(job: &Job<Self>) -> Option<String> {
        let all = specs(job).ok()?;
        if all.len() == 1 && !has_several(job) {
            return None;
        }
        let published = job.published().ok()??;
        let missing = wanted(job).ok()?.into_iter().find(|spec| {
            key(job, spec).is_ok_and(|key| !matches!(delivered(job, &published, spec, &key), Ok(Some(_))))
        })?;
        Some(format!("'{}' has not been delivered as it is now", missing.stem()))
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let published = job.published()?;
        let next = next(job)?;
        let mut outputs = Vec::new();
        for spec in specs(job)? {
            match &next {
                Some((spec_of_run, key)) if spec_of_run.stem() == spec.stem() => {
                    outputs.push(output(job, spec_of_run, key.clone())?);
                }
                _ => outputs.extend(kept(job, published.as_ref(), &spec)?),
            }
        }
        Ok(outputs)
    }

    fn failed(job: &Job<Self>, error: Error) -> Result<()> {
        if !has_several(job) || error.is_closed_pipe() {
            return Err(error);
        }
        let name = job.flags.deliveries.last().unwrap_or_default();
        tool::warn(format!("export {}: '{name}' failed: {error}", job.pipeline));
        job.flags.deliveries.note(error);
        Ok(())
    }

    /// Whether there is a delivery left. Once there is none, those that failed are the answer.
    fn more(job: &Job<Self>) -> Result<bool> {
        if next_of(job)?.is_some() {
            return Ok(true);
        }
        match job.flags.deliveries.error(wanted(job)?.len()) {
            Some(error) => Err(error),
            None => Ok(false),
        }
    }

    fn deliveries(job: &Job<Self>, snapshot: &Snapshot) -> Result<Vec<(Url, PathBuf)>> {
        let mut sent = Vec::new();
        let mut newest = String::new();
        for path in &snapshot.paths {
            let Some(evidence) = artifact::evidence_of(&job.root.join(path))? else { continue };
            // What earlier runs wrote was sent by them.
            if evidence.run > newest {
                newest.clone_from(&evidence.run);
                sent.clear();
            }
            let spec = specs(job)?.into_iter().find(|spec| is_of(&evidence, spec));
            let to = spec.and_then(|spec| spec.to).filter(|_| evidence.run == newest);
            sent.extend(to.map(|to| (to, path.clone())));
        }
        Ok(sent)
    }

    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        if let Some(only) = &job.flags.only
            && wanted(job)?.is_empty()
        {
            let specs = specs(job)?;
            return Err(Error::cannot_run(format!("--only: no delivery '{only}'"))
                .hint(did_you_mean(only, specs.iter().map(ExportSpec::stem))));
        }
        let Some(output) = &job.flags.output else { return Ok(None) };
        if Url::is_meant(output) {
            return Err(Error::cannot_run(format!("{output}: -o writes to a file or, with '-', to stdout"))
                .hint("set `to` in export.yaml to copy the file to an object store"));
        }
        let [spec] = &wanted(job)?[..] else {
            return Err(
                Error::cannot_run("-o writes one delivery, and export.yaml has several").hint("choose one by --only")
            );
        };
        if spec.format.destination() == Destination::Database {
            return Err(Error::cannot_run(format!("-o writes a file, and the format is {}", spec.format))
                .hint("add --format csv, or another format of files"));
        }
        if !spec.partition_by.is_empty() {
            return Err(Error::cannot_run("-o writes a file, and with 'partition_by' the delivery is a folder")
                .hint("add --format csv, or take 'partition_by' out"));
        }
        if output != "-" {
            spec.check_file_name(output)?;
        }
        let write = writer(job, spec)?;
        if write_to(output, |to, place| write(to, place).map(drop))? {
            tool::print(&format!("{output}\n"))?;
        }
        Ok(Some(Exit::Done))
    }
}

/// All deliveries, with this run's flags applied.
pub fn specs(job: &Job<Export>) -> Result<Vec<ExportSpec>> {
    let mut specs = job.spec.checked()?;
    if let Some(format) = job.flags.format {
        match &mut specs[..] {
            [spec] => {
                spec.format = format;
                spec.partition_by.clear();
            }
            _ => {
                let only = job.flags.only.as_deref();
                if job.flags.output.is_none() || only.is_none() {
                    return Err(Error::cannot_run("--format goes with one delivery, and export.yaml has several")
                        .hint("choose one by --only, and a file by -o"));
                }
                specs.iter_mut().filter(|spec| Some(spec.stem()) == only).for_each(|spec| {
                    spec.format = format;
                    spec.partition_by.clear();
                });
            }
        }
    }
    Ok(specs)
}

/// The deliveries that this run is for.
fn wanted(job: &Job<Export>) -> Result<Vec<ExportSpec>> {
    let only = job.flags.only.as_deref();
    Ok(specs(job)?.into_iter().filter(|spec| only.is_none_or(|only| only == spec.stem())).collect())
}

/// Whether the file has the form of several deliveries, even if it names one.
fn has_several(job: &Job<Export>) -> bool {
    job.spec.deliveries.is_some()
}

/// The delivery that is made next, with its key, noted as begun.
fn next(job: &Job<Export>) -> Result<Option<(ExportSpec, String)>> {
    let next = next_of(job)?;
    if let Some((spec, _)) = &next {
        job.flags.deliveries.begin(spec.stem());
    }
    Ok(next)
}

/// The first delivery that this run has not begun, and whose present content is not delivered yet.
fn next_of(job: &Job<Export>) -> Result<Option<(ExportSpec, String)>> {
    let published = job.published()?;
    for spec in wanted(job)? {
        if job.flags.deliveries.has_begun(spec.stem()) {
            continue;
        }
        let key = key(job, &spec)?;
        let is_there = match &published {
            Some(published) if has_several(job) && !job.common.force => {
                delivered(job, published, &spec, &key)?.is_some()
            }
            // The shell has decided that the only delivery is to be made.
            _ => false,
        };
        if !is_there {
            return Ok(Some((spec, key)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Export;

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("export", |text| {
            let read = stage::read_spec::<Export>(text, Path::new("export.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
