//! Wires the feature plan to the shell.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use artifact::{Artifact, Books, Definitions, LATEST, Notes};
use clap::Args;
use featurize::{FeatureSet, FeaturesSpec, build, lineage, prove};
use spec::{Error, Exit, Result, Span, Tool, Unit};
use stage::{BooksOf, Empty, FileOutput, Job, Output, Stage, TableOutput};
use tool::About;

use crate::parts;

/// The table with labels: at past cutoffs, or of rows whose label is known.
const TRAINING: &str = "training";
/// The table without labels: at the newest cutoff, or of rows to be predicted.
const SCORING: &str = "scoring";

#[derive(Args, Debug)]
pub struct Flags {
    /// Recompute a sample of the published rows from only what was known at their time, and fail on any difference
    #[arg(long)]
    prove: bool,
    /// How many rows of each table to prove
    #[arg(long, default_value_t = 200, requires = "prove", value_name = "ROWS", value_parser = tool::whole_number::<usize>)]
    sample: usize,
    /// Chooses the rows to prove
    #[arg(long, default_value_t = 42, requires = "prove", value_parser = tool::whole_number::<u64>)]
    seed: u64,
}

pub struct Features;

impl Stage for Features {
    const TOOL: Tool = Tool::Features;
    const ABOUT: About = About {
        short: "Compute features that never look into the future",
        long: "Reads the clean tables and writes data/processed/<PIPELINE>/features/: a training table with one row per \
               entity and cutoff, per row of a table as of its own time, or per period of a series; a scoring table of \
               what is to be predicted; and a data dictionary.",
        examples: &[
            ("features churn", "compute the features"),
            ("features churn --prove", "recompute a sample from only what was known at the time"),
        ],
    };
    type Spec = FeaturesSpec;
    type Flags = Flags;

    fn tables(_: &FeaturesSpec) -> Vec<String> {
        [TRAINING, SCORING].map(str::to_owned).into()
    }

    /// Rows that were dated later than the day of the last run may count by now.
    fn cause(job: &Job<Self>) -> Option<String> {
        let now = job.stamp.time();
        let from = job.published().ok()??.paths.iter().find_map(|path| {
            let notes = artifact::evidence_of(&job.root.join(path)).ok().flatten()?.notes;
            let on = notes.changes_on.map(|day| (day <= job.spec.today(now), day.to_string()));
            on.or(notes.changes_at.map(|time| (time <= now, time.format("%Y-%m-%d %H:%M:%S UTC").to_string())))
        });
        from.filter(|(has_come, _)| *has_come)
            .map(|(_, from)| format!("rows count from {from} on that were left out before"))
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let spec = &job.spec;
        let FeatureSet {
            training,
            scoring,
            training_schema,
            scoring_schema,
            training_rows,
            books,
            dictionary,
            label_known_at,
            changes_on,
            changes_at,
            warnings,
            ..
        } = match job.carrier()? {
            Some(carrier) => parts::build(job, carrier, &inheriting(job)?)?,
            None => build(&inheriting(job)?, &|table| job.scan(table), spec.begun(job.stamp.time()))?,
        };
        let definitions = definitions(job)?;
        let lineage = lineage(&inheriting(job)?, &|table| job.scan(table))?;
        warnings.iter().for_each(|warning| tool::warn(format!("features {}: {warning}", job.pipeline)));
        // How long after an example's time its label is known: a split by time leaves that much out.
        let horizon_days: i64 = spec.label_known_after().into_iter().map(days).sum();
        // Days of a zone may be longer than those of UTC, in which rows are split.
        let horizon_days = horizon_days + i64::from(spec.is_of_rows() && spec.zone().is_some() && horizon_days > 0);
        let notes = Notes {
            label: Some(spec.label().to_owned()),
            horizon_days: Some(horizon_days),
            label_known_after: by_the_calendar(spec),
            horizon_periods: spec.horizon_periods(),
            carried: spec.carried(),
            changes_on,
            changes_at,
            ..Notes::default()
        };
        let training = TableOutput {
            notes: Notes { label_known_at, ..notes.clone() },
            definitions: Some(definitions.clone()),
            lineage: Some(lineage.clone()),
            ..TableOutput::new(TRAINING, training_schema.as_ref().clone(), training, training_rows)
        };
        // At a newest cutoff there is always someone to score; rows whose labels are all known need no prediction.
        let scoring = TableOutput {
            notes,
            definitions: Some(definitions),
            lineage: Some(lineage.without(spec.label())),
            empty: if spec.is_of_rows() { Empty::Published } else { Empty::Refused },
            books: BooksOf::Given(books),
            ..TableOutput::new(SCORING, scoring_schema.as_ref().clone(), scoring, 0)
        };
        let dictionary = FileOutput {
            stem: "dictionary".to_owned(),
            extension: "md".to_owned(),
            write: Box::new(move |file, path| {
                file.write_all(dictionary.as_bytes()).map_err(|error| Error::io("write", path, &error))
            }),
            books: Books::default(),
            notes: Notes::default(),
        };
        Ok(vec![Output::Table(training), Output::Table(scoring), Output::File(dictionary)])
    }

    const IN_PARTS: bool = true;

    fn kernel(task: stage::engine::Task) -> Result<stage::engine::PartsMade> {
        parts::kernel(task)
    }

    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        if !job.flags.prove {
            return Ok(None);
        }
        let published = published(job)?;
        let (training, scoring) = (artifact::scan(&published, TRAINING)?, artifact::scan(&published, SCORING)?);
        let drawn = (job.flags.sample, job.flags.seed);
        let proof = prove(
            &inheriting(job)?,
            &|table| job.scan(table),
            training,
            scoring,
            drawn,
            job.spec.begun(job.stamp.time()),
        )?;
        let from = match job.spec.says_when_known() {
            true => "what was known at their time",
            false => "rows dated before their time",
        };
        tool::say(format!(
            "features {}: proved: {} rows recomputed from only {from}, {} values equal; with a falsified future {} \
             values stayed the same",
            job.pipeline, proof.pairs, proof.values, proof.perturbed
        ));
        Ok(Some(Exit::Done))
    }
}

/// The spec, where columns that clean made of the label or of late columns are known no sooner than these.
fn inheriting(job: &Job<Features>) -> Result<FeaturesSpec> {
    let made = artifact::definitions_of(&job.artifacts, job.spec.table())?;
    Ok(job.spec.inheriting(&made.unwrap_or_default()))
}

/// What the features and the label mean, by the spec and by what clean made of the columns that they read.
fn definitions(job: &Job<Features>) -> Result<Definitions> {
    let mut sources: BTreeMap<&str, Definitions> = BTreeMap::new();
    for table in job.artifacts.iter().map(|artifact| artifact.table.as_str()) {
        if !sources.contains_key(table) {
            sources.extend(artifact::definitions_of(&job.artifacts, table)?.map(|found| (table, found)));
        }
    }
    Ok(featurize::definitions(&job.spec, &|table| sources.get(table).cloned()))
}

/// What this stage published last.
fn published(job: &Job<Features>) -> Result<Vec<Artifact>> {
    let shown = Tool::Features.folder(&job.pipeline).join(LATEST);
    let snapshot = job.published()?.ok_or_else(|| {
        Error::cannot_run(format!("{}: no such file", shown.display()))
            .hint(format!("there is nothing to prove yet; run `bin/features {}` first", job.pipeline))
    })?;
    snapshot.paths.iter().map(|path: &std::path::PathBuf| artifact::open(&job.root, Path::new(path))).collect()
}

/// How long after an example's time its label is known, where that is not a whole number of days; else nothing.
fn by_the_calendar(spec: &FeaturesSpec) -> Vec<Span> {
    let after = spec.label_known_after();
    let differs = after.iter().any(|span| matches!(span.unit, Unit::Month | Unit::Year) || span.is_of_clock());
    // Rows have times of UTC, and the days of a zone begin elsewhere; after days of a zone, hours may be more or fewer.
    let is_exact = match spec.zone() {
        None => true,
        Some(_) => !spec.is_of_rows() && !after.iter().any(|span| span.is_of_clock()),
    };
    if differs && is_exact { after } else { Vec::new() }
}

/// The length of a span in days, rounded up: months count 31 and years 366, so that nothing is known too early.
fn days(span: Span) -> i64 {
    let count = i64::from(span.count);
    match span.unit {
        Unit::Minute => (count + 24 * 60 - 1) / (24 * 60),
        Unit::Hour => (count + 23) / 24,
        Unit::Day => count,
        Unit::Week => count * 7,
        Unit::Month => count * 31,
        Unit::Year => count * 366,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::{Features, by_the_calendar, days};

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("features", |text| {
            let read = stage::read_spec::<Features>(text, Path::new("features.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }

    #[test]
    fn months_follow_the_calendar_where_days_of_a_zone_allow_it() {
        let noted = |text: &str| {
            let read = stage::read_spec::<Features>(text, Path::new("features.yaml"), &Environment::default());
            let spec = read.unwrap_or_else(|error| panic!("{error}")).body;
            let days: i64 = spec.label_known_after().into_iter().map(days).sum();
            (by_the_calendar(&spec).iter().map(ToString::to_string).collect::<Vec<_>>(), days)
        };
        let entities = "table: t\nentity: e\ntime: d\ncutoffs: {every: 1mo, count: 3}\nfeatures: {n: count}\n";
        let labelled = |label: &str| noted(&format!("{entities}label: {{name: y, is: any_rows, {label}}}\n"));
        assert_eq!(labelled("horizon: 1mo"), (vec!["1mo".to_owned()], 31));
        assert_eq!(labelled("horizon: 1y, delay: 36h"), (vec!["1y".to_owned(), "36h".to_owned()], 368));
        assert_eq!(labelled("horizon: 30d"), (vec![], 30));
        let zoned =
            |label: &str| noted(&format!("{entities}zone: Europe/Berlin\nlabel: {{name: y, is: any_rows, {label}}}\n"));
        assert_eq!(zoned("horizon: 1mo").0, ["1mo"]);
        assert!(zoned("horizon: 1mo, delay: 36h").0.is_empty());
        let rows = "table: t\ntime: d\nrows: {}\nfeatures: {n: count}\nlabel: {name: y, is: {sql: y}, delay: 2mo}\n";
        assert_eq!(noted(rows), (vec!["2mo".to_owned()], 62));
        assert!(noted(&format!("{rows}zone: Europe/Berlin\n")).0.is_empty());
        // Hours are not rounded to days, where rows have times of UTC.
        let hours = rows.replace("2mo", "36h");
        assert_eq!(noted(&hours), (vec!["36h".to_owned()], 2));
        assert!(noted(&format!("{hours}zone: Europe/Berlin\n")).0.is_empty());
        assert_eq!(labelled("horizon: 30d, delay: 90min").0, ["30d", "90min"]);
    }
}
