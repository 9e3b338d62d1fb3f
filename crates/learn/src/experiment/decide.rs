//! Promote, keep or refuse: the challenger against its gate, then against the champion on the same rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use polars::prelude::DataFrame;
use spec::{Error, Result, ResultExt};

use super::units::too_few;
use super::{PromoteWhen, Trial};
use crate::metrics::{Classes, Metric, Scored};
use crate::{Action, Decision, Feature, LoadedVersion, Matrix};
use score::{gain_text, number_text};

/// The text for a version that could be in production.
const WAITS: &str = "and waits in staging for a decision by hand";

/// Makes the challenger's test rows again with the features of the champion, by its own definitions. An error says why
/// that cannot be done.
pub type Rebuild<'a> = &'a dyn Fn(&LoadedVersion) -> Result<DataFrame>;

/// What the champion scores.
struct Compared<'a> {
    rows: Cow<'a, DataFrame>,
    /// What people should know about the comparison; empty if nothing.
    remark: String,
}

impl Trial {
    /// [`Trial::decide_with`] where a champion's features cannot be made again.
    pub fn decide(&self, champion: Option<&LoadedVersion>) -> Result<Decision> {
        self.decide_with(champion, &|_| Err(Error::cannot_run("they cannot be recomputed here")))
    }

    /// Decides about this trial's model. A challenger that passed its gate is promoted if there is no champion, or if
    /// the 95 % interval of the gain over the champion, on the challenger's test rows, lies above the margin.
    ///
    /// The champion scores features that mean what it learned. Where the table's do not, `rebuild` makes them; if it
    /// cannot, or if the label has another meaning, the two cannot be compared: then nothing is promoted automatically.
    pub fn decide_with(&self, champion: Option<&LoadedVersion>, rebuild: Rebuild<'_>) -> Result<Decision> {
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
        let compared = match self.for_champion(champion, rebuild) {
            Ok(compared) => compared,
            Err(why) => {
                let way_out = "so the two cannot be compared; promote by hand if the challenger is to replace it";
                return Ok(decision(Action::Keep, format!("{why}, {way_out}"), metrics));
            }
        };
        let (action, why) = self.against(champion, &compared.rows, &mut metrics)?;
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
        let at = |threshold: &Option<crate::Threshold>| threshold.as_ref().map(|threshold| threshold.value);
        let (our_cut, their_cut) = (at(&self.threshold), at(&champion.manifest.threshold));
        let (Some(our_value), Some(their_value)) = (ours.value(metric, our_cut), theirs.value(metric, their_cut))
        else {
            let why = format!("{metric} {} on the test part, so the champion stays", ours.why_undefined(metric));
            return Ok((Action::Keep, why));
        };
        metrics.insert(format!("champion_{metric}"), their_value);
        let Some(gain) = self.resamples.gain(metric, (ours, our_cut), (&theirs, their_cut)) else {
            let why = format!("{}, so the champion stays", too_few(&self.spec, &self.resamples, ours.rows()));
            return Ok((Action::Keep, why));
        };
        for (name, value) in [("gain", gain.value), ("gain_low", gain.low), ("gain_high", gain.high)] {
            metrics.insert(name.to_owned(), value);
        }
        let drawn = match (self.block, &self.spec.time) {
            (Some(_), Some(time)) => {
                format!(", {} values of '{time}' in blocks of {}", self.resamples.units(), self.resamples.block())
            }
            _ => String::new(),
        };
        let values = format!(
            "{metric} {} against {} of the champion {} on the same {} test rows{drawn}: {}",
            number_text(our_value),
            number_text(their_value),
            champion.version,
            ours.rows(),
            gain_text(gain)
        );
        let margin = number_text(margin);
        let (action, verdict) = match gain.low > self.spec.promote.margin {
            true => (Action::Promote, format!("the interval lies above the margin of {margin}")),
            false => {
                (Action::Keep, format!("the interval does not lie above the margin of {margin}, so the champion stays"))
            }
        };
        Ok((action, format!("{values}; {verdict}{}", self.seen_before(champion, metric))))
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

fn names(classes: Option<&Classes>) -> String {
    classes.map_or("none".to_owned(), |classes| classes.names.join(", "))
}

fn days(horizon: Option<i64>) -> String {
    horizon.map_or("none".to_owned(), |days| format!("{days} days"))
}
