//! Promote, keep or refuse: the challenger against its gate, then against the champion on the same rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use polars::prelude::DataFrame;
use spec::{Error, Result, ResultExt};

use super::units::{Units, too_few};
use super::unseen::known_to;
use super::{PromoteWhen, Trial};
use crate::metrics::{Classes, Metric, Scored};
use crate::{Action, Decision, Feature, LoadedVersion, Matrix, Task};
use score::{LEAST_ROWS, gain_text, number_text};

/// The text for a version that could be in production.
const WAITS: &str = "and waits in staging for a decision by hand";

/// Makes the challenger's test rows again with the features of the champion, by its own definitions. An error says why
/// that cannot be done.
pub type Rebuild<'a> = &'a dyn Fn(&LoadedVersion) -> Result<DataFrame>;

/// What is known of a champion beside its version.
pub struct OfChampion<'a> {
    pub rebuild: Rebuild<'a>,
    /// Its table of parts, which says what it has learned from, if it kept one.
    pub parts: Option<&'a DataFrame>,
}

/// What the champion scores.
struct Compared<'a> {
    rows: Cow<'a, DataFrame>,
    /// What people should know about the comparison; empty if nothing.
    remark: String,
}

impl Trial {
    /// [`Trial::decide_with`] where a champion's features cannot be made again, and nothing says what it has learned from.
    pub fn decide(&self, champion: Option<&LoadedVersion>) -> Result<Decision> {
        let rebuild = |_: &LoadedVersion| Err(Error::cannot_run("they cannot be recomputed here"));
        self.decide_with(champion, OfChampion { rebuild: &rebuild, parts: None })
    }

    /// Decides about this trial's model. A challenger that passed its gate is promoted if there is no champion, or if
    /// the 95 % interval of the gain over the champion, on the challenger's test rows, lies above the margin.
    ///
    /// The champion scores features that mean what it learned. Where the table's do not, `rebuild` makes them; if it
    /// cannot, or if the label has another meaning, the two cannot be compared: then nothing is promoted automatically.
    /// Test rows that it has learned from flatter it, and are left out.
    pub fn decide_with(&self, champion: Option<&LoadedVersion>, of_champion: OfChampion<'_>) -> Result<Decision> {
        let decision = |action, why: String, metrics| Decision {
            action,
            champion: champion.map(|champion| champion.version),
            why,
            metrics,
            judged_on: None,
        };
        let mut metrics = BTreeMap::new();
        for (metric, measured) in &self.test {
            metrics.extend(measured.value.map(|value| (metric.name().to_owned(), value)));
        }
        if !self.passed() {
            let failed: Vec<String> = self
                .gate
                .iter()
                .filter(|result| !result.passed)
                .map(|result| format!("{} ({})", result.rule, result.found))
                .collect();
            return Ok(decision(Action::Refuse, format!("the gate refused: {}", failed.join("; ")), metrics));
        }
        let by_hand = self.spec.promote.when == PromoteWhen::ByHand;
        let Some(champion) = champion else {
            if by_hand {
                return Ok(decision(Action::Keep, format!("it passed its gate, {WAITS}"), metrics));
            }
            return Ok(decision(Action::Promote, "the first model that passed its gate".to_owned(), metrics));
        };
        if let Some(why) = self.other_question(champion) {
            return Ok(decision(Action::Keep, why, metrics));
        }
        let compared = match self.for_champion(champion, of_champion.rebuild) {
            Ok(compared) => compared,
            Err(why) => {
                let way_out = "so the two cannot be compared; promote by hand if the challenger is to replace it";
                return Ok(decision(Action::Keep, format!("{why}, {way_out}"), metrics));
            }
        };
        let seen = of_champion.parts.map(|parts| known_to(parts, &self.test_rows, &self.spec)).transpose()?.flatten();
        let (action, why) = self.against(champion, &compared.rows, seen.as_deref(), &mut metrics)?;
        let why = format!("{why}{}", compared.remark);
        Ok(match action {
            Action::Promote if by_hand => decision(Action::Keep, format!("{why}, {WAITS}"), metrics),
            _ => decision(action, why, metrics),
        })
    }

    /// The test rows with the features that the champion knows, or why there are none.
    fn for_champion(&self, champion: &LoadedVersion, rebuild: Rebuild<'_>) -> Result<Compared<'_>, String> {
        let LoadedVersion { version, manifest, model, .. } = champion;
        let names = model.features().iter().map(|feature| feature.name.as_str());
        let (changed, remark) = match (&manifest.definitions, &self.definitions) {
            (Some(was), Some(is)) => (was.changed(is, names), String::new()),
            (None, Some(_)) => (
                Vec::new(),
                format!(
                    " (note that {version} does not say how its features and label are made: compared by their names)"
                ),
            ),
            (_, None) => (Vec::new(), String::new()),
        };
        let fits = Feature::check_signature(model.features(), self.test_rows.schema());
        let what = match (fits, changed.is_empty()) {
            (Ok(()), true) => return Ok(Compared { rows: Cow::Borrowed(&self.test_rows), remark }),
            (Err(mismatch), true) => mismatch.message().to_owned(),
            (_, false) => changed.join("; "),
        };
        let rows = rebuild(champion).and_then(|rows| {
            Feature::check_signature(model.features(), rows.schema())?;
            Ok(rows)
        });
        match rows {
            Ok(rows) => Ok(Compared {
                rows: Cow::Owned(rows),
                remark: format!(" (the features of {version} were recomputed by its own definitions: {what})"),
            }),
            Err(error) => Err(format!(
                "the champion {version} learned other features than table '{}' has ({what}), which could not be recomputed \
                 ({})",
                self.spec.table,
                error.message()
            )),
        }
    }

    /// Why the champion answers another question, if it does: then no metric can compare the two.
    fn other_question(&self, champion: &LoadedVersion) -> Option<String> {
        let theirs = &champion.manifest;
        let kinds = [
            ("label", theirs.label.clone(), self.spec.label.clone()),
            ("task", theirs.task.name().to_owned(), self.spec.task.name().to_owned()),
            ("set of classes", names(theirs.classes.as_ref()), names(self.classes.as_ref())),
            ("horizon", days(theirs.horizon_days), days(self.horizon_days)),
        ];
        let defined = || {
            let (was, is) = (theirs.definitions.as_ref()?, self.definitions.as_ref()?);
            let changed = was.changed_label(is, &self.spec.label)?;
            Some(format!(
                "the champion {} answers another question than the challenger: its label {changed}, so the two cannot be \
                 compared; promote by hand if the challenger is to replace it",
                champion.version
            ))
        };
        let Some((what, theirs, ours)) = kinds.into_iter().find(|(_, theirs, ours)| theirs != ours) else {
            return defined();
        };
        Some(format!(
            "the champion {} has another {what} ({theirs}) than the challenger ({ours}), so the two cannot be \
             compared; promote by hand if the challenger is to replace it",
            champion.version
        ))
    }

    fn against(
        &self,
        champion: &LoadedVersion,
        rows: &DataFrame,
        seen: Option<&[bool]>,
        metrics: &mut BTreeMap<String, f64>,
    ) -> Result<(Action, String)> {
        let metric = self.spec.promote_by();
        let margin = self.spec.promote.margin;
        let place = format!("champion {} on the challenger's test part", champion.version);
        let rows = Matrix::from_frame(rows, champion.model.features()).context(&place)?;
        let scores = champion.model.predict(&rows).context(&place)?;
        let ours = self.chosen_scored();
        let theirs = Scored::new(self.spec.task, ours.label().to_vec(), scores, &place)?;
        let theirs = theirs.with_weights(ours.weights());
        let all = ours.rows();
        let new: Vec<usize> = (0..all).filter(|row| !seen.is_some_and(|seen| seen[*row])).collect();
        if new.len() < all && new.len() < LEAST_ROWS {
            let why = format!(
                "{} of the {all} test rows taught or chose the champion {}, which leaves {} new to both, and {LEAST_ROWS} are needed \
                 to compare the two, so the champion stays; a split by time or group keeps rows in their parts as the table grows",
                all - new.len(),
                champion.version,
                new.len()
            );
            return Ok((Action::Keep, why));
        }
        let (of_new, units);
        let (ours, theirs, resamples, same) = match new.len() == all {
            true => (ours, &theirs, &self.resamples, format!("the same {all} test rows")),
            false => {
                of_new = [only(ours, self.spec.task, &new, &place)?, only(&theirs, self.spec.task, &new, &place)?];
                units = Units::of(&self.test_rows, &self.spec, self.block)?.among(&new).resamples(&self.spec);
                let same = format!("those {} of {all} test rows that are new to it", new.len());
                (&of_new[0], &of_new[1], &units, same)
            }
        };
        let at = |threshold: &Option<crate::Threshold>| threshold.as_ref().map(|threshold| threshold.value);
        let (our_cut, their_cut) = (at(&self.threshold), at(&champion.manifest.threshold));
        let (Some(our_value), Some(their_value)) = (ours.value(metric, our_cut), theirs.value(metric, their_cut))
        else {
            let why = format!("{metric} {} on the test part, so the champion stays", ours.why_undefined(metric));
            return Ok((Action::Keep, why));
        };
        metrics.insert(format!("champion_{metric}"), their_value);
        let Some(gain) = resamples.gain(metric, (ours, our_cut), (theirs, their_cut)) else {
            let why = format!("{}, so the champion stays", too_few(&self.spec, resamples, ours.rows()));
            return Ok((Action::Keep, why));
        };
        for (name, value) in [("gain", gain.value), ("gain_low", gain.low), ("gain_high", gain.high)] {
            metrics.insert(name.to_owned(), value);
        }
        let drawn = match (self.block, &self.spec.time) {
            (Some(_), Some(time)) => {
                format!(", {} values of '{time}' in blocks of {}", resamples.units(), resamples.block())
            }
            _ => String::new(),
        };
        let values = format!(
            "{metric} {} against {} of the champion {} on {same}{drawn}: {}",
            number_text(our_value),
            number_text(their_value),
            champion.version,
            gain_text(gain)
        );
        let margin = number_text(margin);
        let (action, verdict) = match gain.low > self.spec.promote.margin {
            true => (Action::Promote, format!("the interval lies above the margin of {margin}")),
            false => {
                (Action::Keep, format!("the interval does not lie above the margin of {margin}, so the champion stays"))
            }
        };
        let flattered = if seen.is_none() { self.seen_before(champion, metric) } else { String::new() };
        Ok((action, format!("{values}; {verdict}{flattered}")))
    }

    /// A remark if the champion may have learned from rows of this test part.
    fn seen_before(&self, champion: &LoadedVersion, metric: Metric) -> String {
        let newest = |summary: &crate::SplitSummary| {
            let parts = [crate::Part::Train, crate::Part::Valid];
            parts.iter().filter_map(|part| Some(summary.of(*part)?.times.clone()?.1)).max()
        };
        let oldest = self.split.of(crate::Part::Test).and_then(|part| Some(part.times.clone()?.0));
        match (newest(&champion.manifest.split), oldest) {
            (Some(newest), Some(oldest)) if newest >= oldest && champion.manifest.split.by != crate::SplitBy::Group => {
                format!(
                    " (note that the champion was fitted on rows up to {newest}, the test part begins {oldest}: its \
                     {metric} may be flattered)"
                )
            }
            _ => String::new(),
        }
    }
}

/// Some of the rows, each with its label, score and weight.
fn only(scored: &Scored, task: Task, rows: &[usize], place: &str) -> Result<Scored> {
    let each = scored.score().len() / scored.rows();
    let score = rows.iter().flat_map(|row| &scored.score()[row * each..(row + 1) * each]).copied().collect();
    let label = rows.iter().map(|row| scored.label()[*row]).collect();
    let weights = scored.weights().map(|weights| rows.iter().map(|row| weights[*row]).collect::<Vec<f64>>());
    Ok(Scored::new(task, label, score, place)?.with_weights(weights.as_deref()))
}

fn names(classes: Option<&Classes>) -> String {
    classes.map_or("none".to_owned(), |classes| classes.names.join(", "))
}

fn days(horizon: Option<i64>) -> String {
    horizon.map_or("none".to_owned(), |days| format!("{days} days"))
}
