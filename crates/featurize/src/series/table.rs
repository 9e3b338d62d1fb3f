//! The training and the scoring table, with their books.

use std::sync::Arc;

use artifact::{Batch, Books, Fate};
use spec::{Error, Result, ResultExt};

use super::examples::{SeriesData, others, read};
use super::panel::{Panel, PanelOptions, cutoff_number};
use super::plan::SeriesPlan;
use super::spec::SeriesSpec;
use crate::cutoffs::spec::Cutoffs;
use crate::cutoffs::table::FeatureSet;
use crate::rows::Open;
use crate::shape::Today;

/// Rows per batch, about.
const BATCH: usize = 1 << 16;

/// A plan with its series, and the training cutoffs, oldest first.
pub struct Ready {
    pub plan: SeriesPlan,
    pub data: SeriesData,
    pub training: Vec<usize>,
    rows: u64,
    warnings: Vec<String>,
}

impl Ready {
    pub fn new(spec: &SeriesSpec, open: Open, today: Today) -> Result<Ready> {
        let plan = SeriesPlan::new(spec, open)?;
        let frame = read(&plan, open)?;
        let panel = Panel::new(&plan, &frame, PanelOptions { today, newest: None, filled_until: None })?;
        let mut warnings = panel.warnings.clone();
        let data = SeriesData::new(&plan, panel, &others(&plan, open)?)?;
        let training = training(&plan, &data.panel, &mut warnings)?;
        Ok(Ready { plan, data, training, rows: frame.height() as u64, warnings })
    }
}

/// The training cutoffs: the whole horizon of each is over by the newest.
fn training(plan: &SeriesPlan, panel: &Panel, warnings: &mut Vec<String>) -> Result<Vec<usize>> {
    let latest = panel.newest.checked_sub(plan.horizon).filter(|latest| *latest > 0).ok_or_else(|| {
        Error::refused(format!(
            "table '{}': {} periods before {} are too few for a horizon of {}: no training cutoff is left",
            plan.table,
            panel.newest,
            panel.shown(panel.newest),
            plan.horizon
        ))
        .hint("bring more periods, or shorten the horizon")
    })?;
    let (asked, dates) = match &plan.cutoffs {
        None => return Ok((1..=latest).collect()),
        Some(Cutoffs::Every(every)) => {
            let step = panel.periods.count(every.every, "cutoffs.every")?;
            let back = (0..every.count as usize).map_while(|number| latest.checked_sub(number * step));
            return Ok(back.filter(|cutoff| *cutoff > 0).collect::<Vec<_>>().into_iter().rev().collect());
        }
        Some(Cutoffs::Dates(dates)) => (dates, "cutoffs"),
        Some(Cutoffs::At(at)) => (&at.at, "cutoffs.at"),
    };
    let (mut training, mut left_out) = (Vec::new(), Vec::new());
    for day in asked {
        let at = cutoff_number(plan, &panel.periods, *day)? - panel.first;
        match usize::try_from(at) {
            Ok(at) if at > 0 && at <= latest => training.push(at),
            _ => left_out.push(day.to_string()),
        }
    }
    if !left_out.is_empty() {
        warnings.push(format!(
            "{dates}: left out {}: training cutoffs lie from {} to {}, so that a row lies before and the horizon is over",
            left_out.join(", "),
            panel.shown(1),
            panel.shown(latest)
        ));
    }
    training.sort_unstable();
    training.dedup();
    Ok(training)
}

/// Computes both tables.
pub fn build(spec: &SeriesSpec, open: Open, today: Today) -> Result<FeatureSet> {
    let Ready { plan, data, training, rows, warnings } = Ready::new(spec, open, today)?;
    let newest = data.panel.newest;
    let counts: Vec<usize> = training.iter().map(|cutoff| data.count(&plan, *cutoff, true)).collect();
    let training_rows = counts.iter().sum::<usize>() as u64;
    let scoring_rows = data.count(&plan, newest, false) as u64;
    if training_rows == 0 {
        return Err(Error::refused(format!(
            "table '{}': no series has an example at one of {} training cutoffs",
            plan.table,
            training.len()
        ))
        .hint("see 'history' and 'active_within' under 'series', and 'label'"));
    }
    let all: Vec<usize> = training.iter().copied().chain([newest]).collect();
    let has_example: Vec<bool> = (0..data.panel.series()).map(|series| data.has_example(series, &all)).collect();
    let mut books = Books { rows_in: rows, ..Books::default() };
    let used = data.panel.rows_of(|series| has_example[series]);
    let rule = format!("became {training_rows} training and {scoring_rows} scoring rows");
    books.add(&rule, Fate::Used, used);
    books.add("no series or time", Fate::Dropped, data.panel.incomplete);
    books.add("series without an example", Fate::Dropped, data.panel.rows_of(|series| !has_example[series]));
    books.balance(&plan.table)?;
    // Errors of what is to be predicted end the run before anything is written.
    let scoring = data.examples(&plan, &[newest], false)?;
    let scoring_schema = scoring.schema().clone();
    let training_schema = data.examples(&plan, &[], true)?.schema().clone();
    let span = |cutoffs: &[usize]| match (cutoffs.first(), cutoffs.last()) {
        (Some(first), Some(last)) => (data.panel.shown(*first), data.panel.shown(*last)),
        _ => (String::new(), String::new()),
    };
    let learned: Vec<usize> =
        training.iter().zip(&counts).filter(|(_, count)| **count > 0).map(|(at, _)| *at).collect();
    let dictionary = super::dictionary::write(
        spec,
        &plan,
        &training_schema,
        (training_rows, scoring_rows),
        (learned.len(), span(&learned), data.panel.shown(newest)),
    );
    let mut chunks: Vec<Vec<usize>> = Vec::new();
    let mut filled = BATCH;
    for (cutoff, count) in training.into_iter().zip(counts) {
        if filled + count > BATCH {
            chunks.push(Vec::new());
            filled = 0;
        }
        filled += count;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(cutoff);
        }
    }
    let label_known_at = Some(plan.label_known_at.clone());
    let (changes_on, changes_at) = (data.panel.unfinished.on, data.panel.unfinished.at);
    let (plan, data) = (Arc::new(plan), Arc::new(data));
    let batches = chunks.into_iter().map(move |cutoffs| {
        let rows = data.examples(&plan, &cutoffs, true);
        rows.map(Batch::from).context(format!("cutoff {}", data.panel.shown(cutoffs[0])))
    });
    Ok(FeatureSet {
        training: Box::new(batches),
        scoring: Box::new(std::iter::once(Ok(Batch::from(scoring)))),
        training_schema,
        scoring_schema,
        training_rows,
        scoring_rows,
        books,
        dictionary,
        label_known_at,
        changes_on,
        changes_at,
        warnings,
    })
}
