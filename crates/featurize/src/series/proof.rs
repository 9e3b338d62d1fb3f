//! `features --prove` for series: recomputes a sample of published rows from what was known before their cutoff.
//!
//! At some cutoffs, the newest among them,
//! 1. the published rows must be those that are due: no series and no period more or less;
//! 2. the features of sampled rows are computed again by the tool's own kernel: another value says that the tables changed;
//! 3. the table is cut at the cutoff, and every feature is computed from that by [`reference`](super::reference) and
//!    compared; so is the label, from the row of its period;
//! 4. everything from the cutoff on is falsified but what is known in advance, the features are computed again by the
//!    tool's own kernel, and must not move.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{DataFrame, IdxCa, LazyFrame, NewChunkedArray, Series, col};
use spec::{Error, Result};

use super::examples::{Others, SeriesData, others, read};
use super::panel::{Panel, PanelOptions, bounds};
use super::plan::{HORIZON, How, Level, SeriesPlan};
use super::reference::{Facts, Key, Past, looked_up, text_of};
use super::spec::{Gaps, Missing, SeriesSpec};
use super::table::Ready;
use crate::cutoffs::proof::{Answers, Fault, Proof, mixed, same_columns, with_slack};
use crate::cutoffs::spec::CUTOFF;
use crate::eval::evaluated;
use crate::falsify::falsified_where;
use crate::reference::{Answer, Value, cells, equal};
use crate::rows::Open;
use crate::shape::Today;
use values::form::plain;

/// At how many training cutoffs rows are sampled: each costs some runs over all rows.
const CUTOFFS: usize = 12;
/// The same of tables with so few rows at each that these do not make a sample.
const MOST_CUTOFFS: usize = 60;

/// A published row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Example {
    key: Key,
    ahead: i128,
}

/// Recomputes up to `sample` rows of each published table, chosen by `seed`.
pub fn prove(
    spec: &SeriesSpec,
    open: Open,
    published_training: LazyFrame,
    published_scoring: LazyFrame,
    (sample, seed): (usize, u64),
    today: Today,
) -> Result<Proof> {
    let ready = Ready::new(spec, open, today)?;
    let plan = &ready.plan;
    let (table, others) = (read(plan, open)?, others(plan, open)?);
    let facts = Facts::new(plan, &table, today)?;
    let newest = ready.data.panel.first as i128 + ready.data.panel.newest as i128;
    if facts.newest != newest_of(&facts, &ready.data.panel)? {
        return Err(Error::refused("the newest cutoff is not that of the last known label").hint(
            "the clean tables did not change since, so features computed it wrongly: please report this with features.yaml",
        ));
    }
    let mut proof = Proof::default();
    for (with_label, published) in [(true, published_training), (false, published_scoring)] {
        let mut names = plan.carried();
        names.extend(
            plan.features.iter().map(|(name, _)| name.clone()).filter(|name| !names.contains(name)).collect::<Vec<_>>(),
        );
        if with_label {
            names.extend([plan.label.clone(), plan.label_known_at.clone()]);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        same_columns(&published, &names)?;
        let all: Vec<usize> = if with_label { ready.training.clone() } else { vec![ready.data.panel.newest] };
        let due: usize = all.iter().map(|cutoff| ready.data.count(plan, *cutoff, with_label)).sum();
        let published = artifact::collect(
            published.select(names.iter().map(|name| col(*name)).collect::<Vec<_>>()),
            "reading published features",
        )?;
        if published.height() != due {
            return Err(Error::refused(format!(
                "{} rows were published, but table '{}' gives {due}",
                published.height(),
                plan.table
            ))
            .hint("the clean table changed since; run features again"));
        }
        let mut order: Vec<(u64, usize)> = all.iter().map(|at| (mixed(seed, *at as u64), *at)).collect();
        order.sort_unstable();
        let mut drawn: Vec<usize> = Vec::new();
        let mut rows = 0;
        for (_, at) in order {
            if drawn.len() >= MOST_CUTOFFS || drawn.len() >= CUTOFFS && rows >= sample {
                break;
            }
            rows += ready.data.count(plan, at, with_label);
            drawn.push(at);
        }
        let each = sample.div_ceil(drawn.len().max(1));
        let times = cells(&published, CUTOFF)?;
        for cutoff in drawn {
            let at = Cutoff { plan, facts: &facts, data: &ready.data, others: &others, with_label, cutoff };
            let number = ready.data.panel.first + cutoff as i64;
            let number = i128::from(number) - newest + facts.newest;
            let rows: Vec<u32> =
                (0u32..).zip(&times).filter(|(_, time)| facts.number(time) == number).map(|(row, _)| row).collect();
            let here = published.take(&IdxCa::from_slice("".into(), &rows)).during("proof")?;
            at.prove(&here, number, (each, seed), &mut proof)?;
        }
    }
    if proof.pairs == 0 {
        return Err(Error::refused("there are no published rows to prove").hint("run features first"));
    }
    Ok(proof)
}

/// The reference's number of the newest cutoff, by the date that the panel has for it.
fn newest_of(facts: &Facts, panel: &Panel) -> Result<i128> {
    let day = panel.periods.day(panel.first + panel.newest as i64);
    match panel.periods.clock().has_days() {
        true => Ok(day.map_or(0, |day| facts.number(&Value::Day(i128::from(day.to_epoch_days()))))),
        false => {
            let nanoseconds = 86_400_000_000_000 / i128::from(panel.periods.clock().per_day());
            Ok(facts.number(&Value::Moment(i128::from(panel.time(panel.newest)) * nanoseconds)))
        }
    }
}

/// One cutoff of one published table.
struct Cutoff<'a> {
    plan: &'a SeriesPlan,
    facts: &'a Facts<'a>,
    data: &'a SeriesData,
    others: &'a Others,
    with_label: bool,
    /// By its place in the panel.
    cutoff: usize,
}

impl Cutoff<'_> {
    /// `number` is the reference's number of the cutoff.
    fn prove(
        &self,
        published: &DataFrame,
        number: i128,
        (sample, seed): (usize, u64),
        proof: &mut Proof,
    ) -> Result<()> {
        let examples = self.examples(published)?;
        self.all_due(&examples, number)?;
        let mut order: Vec<(u64, u32)> =
            (0..examples.len() as u32).map(|row| (mixed(seed ^ self.cutoff as u64, u64::from(row)), row)).collect();
        order.sort_unstable();
        let mut rows: Vec<u32> = order.into_iter().take(sample).map(|(_, row)| row).collect();
        rows.sort_unstable();
        let published = published.take(&IdxCa::from_slice("".into(), &rows)).during("proof")?;
        let examples: Vec<Example> = rows.iter().map(|row| examples[*row as usize].clone()).collect();
        proof.pairs += examples.len();
        let again = self.again(self.data, self.plan, (self.cutoff, self.with_label), &examples)?;
        let past = self.facts.before(number)?;
        let mut known = self.on_the_past(&past, &published, &examples)?;
        self.compare(&published, &with_slack(&again, &known)?, &examples, Fault::Changed)?;
        proof.values += self.compare(&published, &known, &examples, Fault::Wrong)?;
        known.remove(&self.plan.label);
        known.remove(&self.plan.label_known_at);
        let moved = self.with_false_future(number, &examples)?;
        proof.perturbed += self.compare(&published, &with_slack(&moved, &known)?, &examples, Fault::LooksAhead)?;
        Ok(())
    }

    fn examples(&self, rows: &DataFrame) -> Result<Vec<Example>> {
        let columns = self.plan.by.iter().map(|name| cells(rows, name)).collect::<Result<Vec<_>>>()?;
        let horizons = match rows.column(HORIZON) {
            Ok(_) => cells(rows, HORIZON)?,
            Err(_) => Vec::new(),
        };
        let of = |row: usize| {
            let key = columns.iter().map(|column| text_of(&column[row]).unwrap_or_default()).collect();
            let ahead = match horizons.get(row) {
                Some(Value::Whole(ahead)) => *ahead,
                _ => 0,
            };
            Example { key, ahead }
        };
        Ok((0..rows.height()).map(of).collect())
    }

    /// The rows of the examples by the tool's own kernel, in their order.
    fn again(
        &self,
        data: &SeriesData,
        plan: &SeriesPlan,
        (cutoff, with_label): (usize, bool),
        examples: &[Example],
    ) -> Result<DataFrame> {
        let wanted: BTreeSet<&Key> = examples.iter().map(|example| &example.key).collect();
        let keys = self.examples(&data.panel.keys)?;
        let is_wanted: Vec<bool> = keys.iter().map(|example| wanted.contains(&example.key)).collect();
        self.chosen(&data.examples_of(plan, &[cutoff], with_label, |series| is_wanted[series])?, examples)
    }

    /// The rows of the examples, in their order.
    fn chosen(&self, rows: &DataFrame, examples: &[Example]) -> Result<DataFrame> {
        let places: HashMap<(Key, i128), u32> = self
            .examples(rows)?
            .into_iter()
            .zip(0..)
            .map(|(example, row)| ((example.key, example.ahead), row))
            .collect();
        let mut found = Vec::new();
        for example in examples {
            let place = places.get(&(example.key.clone(), example.ahead)).ok_or_else(|| {
                Error::refused(format!("{}: it was published, but is not due", self.named(example)))
                    .hint("the clean tables or features.yaml changed since: run features again")
            })?;
            found.push(*place);
        }
        rows.take(&IdxCa::from_slice("".into(), &found)).during("proof")
    }

    fn named(&self, example: &Example) -> String {
        format!(
            "series {}, cutoff {}, horizon {}",
            example.key.join("/"),
            self.data.panel.shown(self.cutoff),
            example.ahead
        )
    }

    /// Who has an example must not depend on what came after, either.
    fn all_due(&self, examples: &[Example], number: i128) -> Result<()> {
        let bounds = bounds(self.plan, &self.data.panel.periods)?;
        let mut due = BTreeSet::new();
        for key in self.facts.keys() {
            for ahead in self.facts.examples(key, number, self.with_label, bounds)? {
                due.insert(Example { key: key.clone(), ahead });
            }
        }
        let published: BTreeSet<Example> = examples.iter().cloned().collect();
        let differs = due.symmetric_difference(&published).next();
        match differs {
            None if published.len() == examples.len() => Ok(()),
            Some(example) => {
                let what = if due.contains(example) { "is missing from the published table" } else { "is not due" };
                Err(Error::refused(format!("{}: it {what}", self.named(example))).hint(
                    "the clean tables or features.yaml changed since, or another program wrote the table: run features again",
                ))
            }
            None => {
                Err(Error::refused(format!("cutoff {}: a row was published twice", self.data.panel.shown(self.cutoff)))
                    .hint("another program wrote the table: run features again"))
            }
        }
    }

    /// The features of the examples from what was known before the cutoff.
    fn on_the_past(&self, past: &Past, published: &DataFrame, examples: &[Example]) -> Result<Answers> {
        let doing = "proof";
        let mut rows = published.clone();
        // What is known in advance, from the rows of the periods that are predicted.
        for name in &self.plan.rules().known_ahead.0 {
            let targets: Vec<(&Key, i128)> =
                examples.iter().map(|example| (&example.key, past.cutoff + example.ahead - 1)).collect();
            rows.with_column(self.facts.known_ahead(name, &targets, self.with_label)?.into()).during(doing)?;
        }
        let mut answers = Answers::new();
        for (name, how) in &self.plan.features {
            let place = format!("feature '{name}'");
            let values = match how {
                How::Sql(sql) => {
                    let again = plain(evaluated(&rows, sql, name, &place)?, &place)?;
                    let again = DataFrame::new(again.len(), vec![again.into()]).during(&place)?;
                    cells(&again, name)?.into_iter().map(Answer::from).collect()
                }
                How::Forecast { source, by } => {
                    let asked: Vec<(&Key, i128)> =
                        examples.iter().map(|example| (&example.key, example.ahead)).collect();
                    past.forecasts(*source, *by, &asked)?
                }
                How::Lookup(of) => match self.others.get(&of.table) {
                    Some(table) => looked_up(table, &rows, of)?,
                    None => continue,
                },
                _ => {
                    let mut values = Vec::new();
                    for example in examples {
                        let answer = past.answer(how, &example.key, example.ahead)?;
                        values.push(answer.unwrap_or_else(|| Value::Null.into()));
                    }
                    values
                }
            };
            answers.insert(name.clone(), values);
        }
        if self.with_label {
            let (mut labels, mut known) = (Vec::new(), Vec::new());
            for example in examples {
                known.push(self.facts.label_known_at(&example.key, past.cutoff + example.ahead - 1)?.into());
                let label = self.facts.label(&example.key, past.cutoff + example.ahead - 1)?;
                labels.push(Answer::from(label.map_or(Value::Null, Value::Number)));
            }
            answers.insert(self.plan.label.clone(), labels);
            answers.insert(self.plan.label_known_at.clone(), known);
        }
        Ok(answers)
    }

    /// The features of the examples by the tool's own kernel, where all is other from the cutoff on that is not known in
    /// advance, and other series end there.
    fn with_false_future(&self, number: i128, examples: &[Example]) -> Result<DataFrame> {
        let plan = self.plan;
        let doing = "falsifying the future";
        let asked: BTreeSet<&Key> = examples.iter().map(|example| &example.key).collect();
        let is_later: Vec<bool> = self.facts.numbers.iter().map(|other| *other >= number).collect();
        let stays = |row: &usize| !is_later[*row] || asked.contains(&self.facts.series[*row]);
        let kept: Vec<u32> = (0..is_later.len()).filter(stays).map(|row| row as u32).collect();
        let here: Vec<bool> = kept.iter().map(|row| is_later[*row as usize]).collect();
        let levels: BTreeSet<&String> = plan
            .sources
            .iter()
            .flat_map(|source| match &source.level {
                Level::By(by) => by.iter().collect::<Vec<_>>(),
                Level::Series => Vec::new(),
            })
            .collect();
        let stays = |name: &str| {
            plan.by.iter().any(|key| key == name)
                || name == plan.time
                || plan.rules().known_ahead.0.iter().any(|ahead| ahead == name)
                || levels.iter().any(|level| *level == name)
        };
        let rows = self.facts.frame.take(&IdxCa::from_slice("".into(), &kept)).during(doing)?;
        let mut rows = falsified_where(&rows, &here, |name| !stays(name))?;
        // The reference has renamed series already, as texts.
        let renamed = |name: &String| plan.rules().renamed.iter().any(|renamed| renamed.column == *name);
        for (place, name) in plan.by.iter().enumerate().filter(|(_, name)| renamed(name)) {
            let dtype = rows.column(name).during(doing)?.dtype().clone();
            let names: Vec<&str> = kept.iter().map(|row| self.facts.series[*row as usize][place].as_str()).collect();
            let names = <Series as polars::prelude::NamedFrom<_, [&str]>>::new(name.as_str().into(), &names);
            rows.with_column(names.strict_cast(&dtype).during(doing)?.into()).during(doing)?;
        }
        let mut other = plan.clone();
        other.series.0.renamed.clear();
        other.series.0.known_ahead_missing = Missing::Keep;
        other.negative = super::spec::Negative::Keep;
        for (_, how) in &mut other.features {
            if let How::Lookup(of) = how {
                (of.missing, of.ends) = (Missing::Keep, Missing::Keep);
            }
        }
        if other.series.0.gaps == Gaps::Refuse {
            other.series.0.gaps = Gaps::Keep;
        }
        let newest = self.data.panel.first + self.cutoff as i64;
        // What fills a gap says nothing but what is known in advance.
        let until = self.data.panel.first + self.data.panel.newest as i64;
        let asked = PanelOptions { today: NaiveDate::MAX.into(), newest: Some(newest), filled_until: Some(until) };
        let panel = Panel::new(&other, &rows, asked)?;
        let cutoff = panel.newest;
        // A model that was fitted to equal values before need not be fitted again.
        let data = SeriesData::new(&other, panel, self.others)?.with_fitted(self.data);
        self.again(&data, &other, (cutoff, false), examples)
    }

    /// Compares answers with what was published. Returns the number of values.
    fn compare(&self, published: &DataFrame, answers: &Answers, examples: &[Example], fault: Fault) -> Result<usize> {
        let mut values = 0;
        let by_name: BTreeMap<&String, &Vec<Answer>> = answers.iter().collect();
        for (name, answers) in by_name {
            for (row, (was, is)) in cells(published, name)?.iter().zip(answers).enumerate() {
                if !equal(was, is) {
                    return Err(fault.error(&format!("{}, '{name}'", self.named(&examples[row])), was, &is.value));
                }
                values += 1;
            }
        }
        Ok(values)
    }
}
