//! What `train.yaml` says.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use spec::{Map, Name};

use super::ExperimentSpec;
use super::units::{ResampleBy, ResampleRule};
use crate::metrics::Metric;
use crate::retrain::RetrainRule;
use crate::search::Space;
use score::Clip;

use crate::{IntervalSpec, LabelTransform, Purge, SplitBy, SplitSpec, Task, ThresholdRule};

/// The name under which the constant baseline is reported.
pub const BASELINE: &str = "baseline";

/// How to learn a model from a feature table, and how to judge it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct TrainSpec {
    /// The table of the features stage to learn from.
    pub table: String,
    /// The column to predict. Classification: `true`/`false` or 1/0; multiclass: texts or whole numbers.
    pub label: String,
    /// `classification` (two classes), `multiclass` (three or more) or `regression`.
    pub task: Task,
    /// Regression: the scale that is learned on, such as `log` for prices. Default: the label's own. Predictions, metrics
    /// and intervals are in the label's own unit in any case.
    #[serde(default)]
    pub label_transform: Option<LabelTransform>,
    /// Regression: the range of predictions and of the bounds of `intervals`, such as `{at_least: 0}` for counts: what lies outside
    /// becomes its nearest end, wherever the model predicts. Labels outside are refused. Default: predictions are as they are.
    #[serde(default)]
    pub clip: Option<Clip>,
    /// The column that says whom or what a row is about.
    pub entity: String,
    /// The column with the time that a row describes, such as the cutoff.
    #[serde(default)]
    pub time: Option<String>,
    /// Columns that are not learned from, in addition to those that are always left out: label, entity, time, the column
    /// that the split goes by, what the features stage carries along (`key`), columns that count the rows, texts that most
    /// rows have alone, and those that say where a row came from (names that begin with `_`).
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Columns that are learned from although they are left out by default, such as `[cutoff]`. Never the label.
    #[serde(default)]
    pub include: Vec<String>,
    /// The column that says how much a row counts: finite numbers from 0, of which only the ratios matter. A row of weight 2
    /// is as good as the row twice. It is never learned from. Default: all rows count the same.
    #[serde(default)]
    pub weight: Option<String>,
    /// Whether rows count by their weight also in metrics, and so in the choice, the threshold, the gate, the comparison
    /// with the champion and the width of intervals. With `false` each row counts once there: for weights that only say
    /// what to learn from, such as those that balance classes. Default: `true`.
    #[serde(default = "yes")]
    pub weighted_metrics: bool,
    /// The column that says when each row's label became known, such as the day on which goods were returned. A split by
    /// time lets no row teach before then. It is never learned from. Default: what features.yaml says, the same for all
    /// rows.
    #[serde(default)]
    pub label_known_at: Option<String>,
    /// About how many rows are learned from and judged by at most, at least 1000: of a larger table whole entities are drawn by
    /// chance, the same ones for equal seeds. For tables that do not fit into memory. Default: all rows.
    #[serde(default)]
    #[schemars(range(min = 1000))]
    pub max_rows: Option<u64>,
    /// How rows are divided into train, validation and test.
    pub split: SplitSpec,
    /// Cross-validation: the rows of train and validation are divided into so many folds, 2 to 50; each experiment is
    /// learned once per fold, from the others, and judged on it. Folds are made as `split` says: at random (each class
    /// divided equally), of whole groups, or by time, each judged by the rows that come next. For small tables, where
    /// one validation part is too small to judge. Default: none, one validation part judges.
    #[serde(default, deserialize_with = "spec::range::optional_whole::<2, 50, _>")]
    #[schemars(range(min = 2, max = 50))]
    pub folds: Option<u32>,
    /// Whether the chosen experiment learns again from train and validation together, with what validation has taught
    /// (the number of trees, the threshold), before it is judged on the test part. Default: `true`, but `false` with
    /// `intervals` unless there are `folds`: their promise is for the model whose errors were measured.
    #[serde(default)]
    pub refit: Option<bool>,
    /// Learners by a name of your choice. They run side by side on the same rows; a constant baseline
    /// always runs too. With `search` beside a learner its best settings are looked for.
    pub experiments: Map<ExperimentSpec>,
    /// The metric that chooses among the experiments on the validation part; default: `auc`, for several classes
    /// `log_loss`, for regression `rmse`.
    #[serde(default)]
    pub choose_by: Option<Metric>,
    /// How scores become decisions; default: `fixed: 0.5`. Not for regression.
    #[serde(default)]
    pub threshold: Option<ThresholdRule>,
    /// Bounds beside each prediction that hold the label with a chosen probability. Only for regression; default: none.
    #[serde(default)]
    pub intervals: Option<IntervalSpec>,
    /// What the chosen model must reach on the test part, besides being better than the baseline.
    #[serde(default)]
    pub gate: Vec<Gate>,
    /// Regression: the experiment with a plain forecast, such as a `naive` one, by whose errors in the train part the metrics
    /// `mase` and `rmsse` are scaled, separately for each value of `entity`. Default: these two are not measured.
    #[serde(default)]
    pub scaled_by: Option<String>,
    /// Regression: columns of the table by whose values the card says how each experiment did on the test part, such as
    /// `[horizon, store]`. Default: none.
    #[serde(default)]
    pub judge_by: Vec<String>,
    /// Regression: levels whose totals are judged on the test part as well, each by its columns: with `[[store], []]` the sum
    /// of each store, and that of all rows, at each value of `time` and of the column of the split. Default: none.
    #[serde(default)]
    pub judge_totals: Vec<Vec<String>>,
    /// When a model that passed its gate replaces the one in production.
    #[serde(default)]
    pub promote: PromoteRule,
    /// When new data are reason to train again. Default: always, as soon as the feature table changes.
    #[serde(default)]
    pub retrain: Option<RetrainRule>,
    /// Seed of all that is random; default 42.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Bootstrap resamples behind each interval, 100 to 10000; default 500.
    #[serde(default = "default_resamples")]
    pub resamples: u32,
    /// What those resamples draw. Default: whole entities; of a table of series blocks of times, as long as the horizon.
    #[serde(default)]
    pub resample: Option<ResampleRule>,
}

/// A limit that a metric must keep on the test part.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Gate {
    pub metric: Metric,
    /// The least value that passes.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// The greatest value that passes.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// The experiment that the chosen model must surely be better than on the test part, such as a `naive` one.
    #[serde(default)]
    pub better_than: Option<String>,
}

/// A challenger is promoted if it is better than the champion on the same test rows: if the 95 % interval
/// of its gain lies above the margin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PromoteRule {
    /// Default: the metric that chooses.
    pub metric: Option<Metric>,
    /// Who puts it into production; default: `better`.
    pub when: PromoteWhen,
    /// How much better it must surely be, in the metric's unit; default 0. Negative: it may be worse by as
    /// much, so that a model of equal quality but newer data is promoted.
    pub margin: f64,
}

/// When a version that passed its gate goes into production.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromoteWhen {
    /// At once, if it is the first or better than the champion.
    #[default]
    Better,
    /// Never automatically: it waits in staging for `release --promote`.
    ByHand,
}

fn yes() -> bool {
    true
}

fn default_seed() -> u64 {
    42
}

fn default_resamples() -> u32 {
    500
}

impl TrainSpec {
    pub fn choose_by(&self) -> Metric {
        self.choose_by.unwrap_or(self.task.chosen_by())
    }

    /// Whether the chosen experiment learns again from all rows before the test part.
    pub fn refits(&self) -> bool {
        self.refit.unwrap_or(self.intervals.is_none() || self.folds.is_some())
    }

    /// Whether chance divides each class separately.
    pub(crate) fn stratifies(&self) -> bool {
        let classes = self.split.by == SplitBy::Random && self.task.has_classes();
        classes && self.split.stratify.unwrap_or(true)
    }

    /// Whether settings of an experiment are searched.
    pub fn searches(&self) -> bool {
        self.experiments.iter().any(|(_, experiment)| experiment.search.is_some())
    }

    /// The files of models that were trained elsewhere, from the root, each once.
    pub fn imported(&self) -> BTreeSet<&str> {
        self.experiments.iter().filter_map(|(_, experiment)| experiment.learner.imported()).collect()
    }

    pub fn promote_by(&self) -> Metric {
        self.promote.metric.unwrap_or_else(|| self.choose_by())
    }

    /// Whether predictions have a column of this name beside the keys of the rows.
    pub(super) fn predicts(&self, name: &str) -> bool {
        score::is_of_predictions(name, self.task, self.intervals.is_some())
    }

    fn check(&self) -> Result<(), String> {
        if self.entity == self.label {
            return Err(format!(
                "entity: '{}' is the label; name the column that says what a row is about",
                self.label
            ));
        }
        for (key, name) in [("entity", Some(&self.entity)), ("time", self.time.as_ref())] {
            if let Some(name) = name.filter(|name| self.predicts(name)) {
                return Err(format!(
                    "{key}: predictions have a column '{name}' of their own; give it another name in features.yaml or clean.yaml"
                ));
            }
        }
        if self.split.by != SplitBy::Random && self.split.column.as_ref() == Some(&self.label) {
            return Err(format!("split: column: '{}' is the label; name a column of times or groups", self.label));
        }
        if !self.weighted_metrics && self.weight.is_none() {
            return Err("weighted_metrics: there is no 'weight'; name its column, or remove it".to_owned());
        }
        if let Some(weight) = &self.weight {
            let others = [("label", Some(&self.label)), ("entity", Some(&self.entity)), ("time", self.time.as_ref())];
            if let Some((other, _)) = others.into_iter().find(|(_, other)| *other == Some(weight)) {
                return Err(format!(
                    "weight: '{weight}' is the {other}; name the column that says how much a row counts"
                ));
            }
        }
        if self.experiments.is_empty() {
            return Err("experiments: none given; write at least one, such as 'lightgbm: lightgbm'".to_owned());
        }
        for name in self.experiments.names() {
            Name::new(name).map_err(|error| format!("experiments: {error}"))?;
            if name == BASELINE {
                return Err(format!("experiments: '{BASELINE}' always runs anyway; choose another name"));
            }
        }
        for (name, experiment) in self.experiments.iter() {
            let place = |error| format!("experiments.{name}: {error}");
            experiment.learner.check(self.task).map_err(place)?;
            if let Some(model) = experiment.learner.imported() {
                if experiment.search.is_some() {
                    return Err(format!(
                        "experiments.{name}: '{model}' is trained already, so that nothing can be searched; remove 'search'"
                    ));
                }
                if self.folds.is_some() {
                    return Err(format!(
                        "folds: experiment '{name}' is a model that has learned from rows of all of them; remove 'folds' or the \
                         experiment"
                    ));
                }
            }
            if let Some(search) = &experiment.search {
                let space = Space::new(&experiment.learner, search.space.as_ref(), self.task);
                space.map_err(|error| format!("experiments.{name}.search: {error}"))?;
            }
        }
        let uses = [("choose_by", self.choose_by), ("promote", self.promote.metric)];
        let gates = self.gate.iter().map(|gate| ("gate", Some(gate.metric)));
        for (key, metric) in uses.into_iter().chain(gates) {
            if let Some(metric) = metric.filter(|metric| !metric.judges(self.task)) {
                let known: Vec<&str> = Metric::of(self.task).map(Metric::name).collect();
                let known = known.join(", ");
                return Err(format!(
                    "{key}: '{metric}' is not a metric for {}; choose one of: {known}",
                    self.task.name()
                ));
            }
        }
        if let Some((key, _)) = uses.into_iter().find(|(_, metric)| *metric == Some(Metric::Bias)) {
            return Err(format!(
                "{key}: 'bias' says in which direction a model errs, not how much; choose another metric"
            ));
        }
        if let Some((key, metric)) =
            uses.into_iter().find_map(|(key, metric)| Some((key, metric.filter(|metric| metric.judges_intervals())?)))
        {
            return Err(format!("{key}: '{metric}' judges intervals, not predictions; choose another metric"));
        }
        if let Some(gate) = self.gate.iter().find(|gate| gate.metric.judges_intervals() && self.intervals.is_none()) {
            return Err(format!(
                "gate: '{}' judges intervals, but there are none; write 'intervals: {{coverage: 0.9}}'",
                gate.metric
            ));
        }
        for gate in &self.gate {
            gate.check(self)?;
        }
        super::scaled::check(self)?;
        if !self.judge_by.is_empty() && self.task != Task::Regression {
            return Err("judge_by: only predictions of numbers are judged by groups; remove it".to_owned());
        }
        if !self.judge_totals.is_empty() && self.task != Task::Regression {
            return Err("judge_totals: only predictions of numbers add up; remove it".to_owned());
        }
        if self.task != Task::Classification && self.threshold.is_some() {
            return Err("threshold: only classification has one; remove it".to_owned());
        }
        if self.task.has_classes() && self.intervals.is_some() {
            return Err("intervals: only predictions of numbers have them; remove it".to_owned());
        }
        if self.task.has_classes() && self.label_transform.is_some() {
            return Err("label_transform: only the numbers of regression have one; remove it".to_owned());
        }
        if let Some(clip) = &self.clip {
            if self.task.has_classes() {
                return Err("clip: only the numbers of regression are clipped; remove it".to_owned());
            }
            if let Some(fault) = clip.fault() {
                return Err(format!("clip: {fault}"));
            }
        }
        if let Some(both) = self.include.iter().find(|name| self.exclude.contains(name)) {
            return Err(format!("include: '{both}' is also under 'exclude'; leave it out of one of them"));
        }
        if let Some(weight) = self.weight.as_ref().filter(|weight| self.include.contains(weight)) {
            return Err(format!("include: '{weight}' is the weight, which is never learned from"));
        }
        if let Some(known) = self.label_known_at.as_ref().filter(|known| self.include.contains(known)) {
            return Err(format!("include: '{known}' says when the label is known, which is not known of new rows"));
        }
        if self.include.contains(&self.label) {
            return Err(format!("include: '{}' is the label; what is to be predicted is not known", self.label));
        }
        if let Some(known) = &self.label_known_at {
            let keys = [("label", Some(&self.label)), ("entity", Some(&self.entity)), ("time", self.time.as_ref())];
            if let Some((key, _)) = keys.into_iter().find(|(_, name)| *name == Some(known)) {
                return Err(format!(
                    "label_known_at: '{known}' is the {key}; name the column that says when the label is known"
                ));
            }
            if self.split.by != SplitBy::Time || self.split.purge == Purge::None {
                return Err("label_known_at: only a split by time looks at it, and not with 'purge: none'; remove it"
                    .to_owned());
            }
        }
        if self.split.by == SplitBy::Time && self.split.column.is_none() && self.time.is_none() {
            return Err("split by time: no column of times; write 'time: cutoff'".to_owned());
        }
        if self.split.stratify == Some(true) && !self.stratifies() {
            return Err(match (self.split.by, self.task) {
                (SplitBy::Random, _) => "split: stratify: only classes can be shared out equally; remove it".to_owned(),
                (SplitBy::Time, _) => "split: stratify: whole times fall into one part; remove it".to_owned(),
                (SplitBy::Group, _) => "split: stratify: whole groups fall into one part; remove it".to_owned(),
            });
        }
        if self.folds.is_some() && self.refit == Some(false) {
            return Err("refit: with folds no model has learned from all rows, so the chosen experiment must learn \
                        again; remove 'refit: false'"
                .to_owned());
        }
        if let Some(rule) = &self.retrain {
            rule.check()?;
        }
        if !self.promote.margin.is_finite() {
            return Err("promote: margin must be a finite number".to_owned());
        }
        match self.resample {
            Some(ResampleRule { by: ResampleBy::Time, .. }) if self.time.is_none() => {
                return Err("resample: by: there is no 'time'; name its column, or remove it".to_owned());
            }
            Some(ResampleRule { by: ResampleBy::Entity, block: Some(_) }) => {
                return Err("resample: only times are drawn in blocks; remove 'block', or write 'by: time'".to_owned());
            }
            _ => {}
        }
        if let Some(rows) = self.max_rows.filter(|rows| *rows < 1000) {
            return Err(format!("max_rows: {rows} is too few to learn from and judge by; write 1000 or more"));
        }
        if !(100..=10_000).contains(&self.resamples) {
            return Err(format!("resamples: {} is not between 100 and 10000", self.resamples));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for TrainSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TrainSpec, D::Error> {
        let spec = TrainSpec::deserialize(deserializer)?;
        spec.check().map_err(D::Error::custom)?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "
table: training
label: churned
task: classification
entity: customer_id
time: cutoff
split: {by: time}
experiments: {plain: logistic}
";

    fn parse(more: &str) -> spec::Result<TrainSpec> {
        let text = format!("{BODY}{more}\n");
        spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default()).map(|loaded| loaded.spec)
    }

    #[test]
    fn defaults_are_those_of_the_docs() {
        let spec = parse("").unwrap();
        assert_eq!(
            (spec.choose_by(), spec.promote_by(), spec.seed, spec.resamples),
            (Metric::Auc, Metric::Auc, 42, 500)
        );
    }

    #[test]
    fn a_refit_is_the_default_where_it_is_sound() {
        let plain = |more: &str| parse(more).unwrap().refits();
        assert!(plain("") && plain("folds: 3") && !plain("refit: false"));
        let regression = |more: &str| {
            let text = format!("{}{more}\n", BODY.replace("classification", "regression"));
            let path = std::path::Path::new("train.yaml");
            spec::parse::<TrainSpec>(&text, path, &Default::default()).unwrap().spec.refits()
        };
        assert!(regression("") && !regression("intervals: {}"));
        assert!(regression("intervals: {}\nfolds: 5") && regression("intervals: {}\nrefit: true"));
    }

    #[test]
    fn only_classes_that_chance_divides_are_stratified() {
        let failure = |from: &str, to: &str| {
            let text = BODY.replace("{by: time}", "{by: random, stratify: true}").replace(from, to);
            spec::parse::<TrainSpec>(&text, std::path::Path::new("t.yaml"), &Default::default())
        };
        assert!(failure("", "").unwrap().spec.stratifies());
        for (from, to, text) in [
            ("classification", "regression", "split: stratify: only classes can be shared out equally; remove it"),
            ("random", "time", "split: stratify: whole times fall into one part; remove it"),
            ("random", "group", "split: stratify: whole groups fall into one part; remove it"),
        ] {
            let error = failure(from, to).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (more, text) in [
            (
                "choose_by: rmse",
                "choose_by: 'rmse' is not a metric for classification; choose one of: auc, average_precision",
            ),
            ("gate: [{metric: auc}]", "gate: 'auc' has no limit; write at_least, at_most or better_than"),
            ("gate: [{metric: auc, at_lest: 1}]", "unknown key 'at_lest'; did you mean 'at_least'?"),
            ("resamples: 5", "resamples: 5 is not between 100 and 10000"),
            ("resample: {by: entity, block: 4}", "resample: only times are drawn in blocks; remove 'block'"),
            ("resample: {by: time, block: 0}", "0 is not from 1 to 1000"),
            ("exclude: [a]\ninclude: [a]", "include: 'a' is also under 'exclude'; leave it out of one of them"),
            ("gate: [{metric: auc, at_least: 0.9, at_most: 0.8}]", "gate: 'auc' is never at least 0.9 and at most 0.8"),
            (
                "gate: [{metric: auc, at_least: 70}]",
                "gate: 'auc' is at most 1, so never at least 70; write 0.7 for 70 %",
            ),
            ("gate: [{metric: recall, at_most: -0.1}]", "gate: 'recall' is at least 0, so never at most -0.1"),
            ("include: [churned]", "include: 'churned' is the label; what is to be predicted is not known"),
            ("weight: w\ninclude: [w]", "include: 'w' is the weight, which is never learned from"),
            ("weight: churned", "weight: 'churned' is the label; name the column that says how much a row counts"),
            ("weighted_metrics: false", "weighted_metrics: there is no 'weight'; name its column, or remove it"),
            (
                "label_known_at: cutoff",
                "label_known_at: 'cutoff' is the time; name the column that says when the label",
            ),
            (
                "label_known_at: k\ninclude: [k]",
                "include: 'k' says when the label is known, which is not known of new rows",
            ),
            ("retrain: {when: {}}", "retrain: when: it names no reason; write at least one, such as 'new_rows: 0.1'"),
            ("retrain: {when: {new_rows: 0}}", "retrain: when: new_rows: 0 is not above 0"),
            ("retrain: {when: {error_up: -1}}", "retrain: when: error_up: -1 is not above 0"),
            ("retrain: {when: {drift: false}}", "retrain: when: it names no reason"),
            ("retrain: {when: {older: 7d}}", "unknown key 'older'; did you mean 'older_than'?"),
            ("folds: 1", "1 is not from 2 to 50"),
            ("folds: 5\nrefit: false", "refit: with folds no model has learned from all rows"),
            ("choose_by: brierr", "unknown metric 'brierr'; did you mean 'brier'?"),
        ] {
            let error = parse(more).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn the_baseline_needs_no_mention_and_regression_no_threshold() {
        let failure = |from: &str, to: &str| {
            let text = BODY.replace(from, to);
            spec::parse::<TrainSpec>(&text, std::path::Path::new("t.yaml"), &Default::default())
                .unwrap_err()
                .to_string()
        };
        assert!(failure("{plain: logistic}", "{baseline: logistic}").contains("'baseline' always runs anyway"));
        let intervals = failure("time: cutoff\n", "time: cutoff\nintervals: {coverage: 0.8}\n");
        assert!(intervals.contains("intervals: only predictions of numbers have them"), "{intervals}");
        let gated = failure("classification", "regression\ngate: [{metric: coverage, at_least: 0.8}]");
        assert!(gated.contains("gate: 'coverage' judges intervals, but there are none"), "{gated}");
        let chosen = failure("classification", "regression\nintervals: {}\nchoose_by: coverage");
        assert!(chosen.contains("choose_by: 'coverage' judges intervals, not predictions"), "{chosen}");
        let certain = failure("classification", "regression\nintervals: {coverage: 1}");
        assert!(certain.contains("intervals.coverage: 1 is not above 0 and below 1"), "{certain}");
        let classes = failure("time: cutoff\n", "time: cutoff\nlabel_transform: log\n");
        assert!(classes.contains("label_transform: only the numbers of regression have one"), "{classes}");
        let clipped = failure("time: cutoff\n", "time: cutoff\nclip: {at_least: 0}\n");
        assert!(clipped.contains("clip: only the numbers of regression are clipped; remove it"), "{clipped}");
        let range = failure("classification", "regression\nclip: {at_least: 2, at_most: 1}");
        assert!(range.contains("clip: at_least 2 is not below at_most 1"), "{range}");
        assert!(failure("{plain: logistic}", "{}").contains("experiments: none given"));
        assert!(failure("time: cutoff\n", "").contains("split by time: no column of times; write 'time: cutoff'"));
        let entity = failure("entity: customer_id", "entity: churned");
        assert!(
            entity.contains("entity: 'churned' is the label; name the column that says what a row is about"),
            "{entity}"
        );
        for (given, key, name) in [
            ("entity: customer_id", "entity", "score"),
            ("entity: customer_id", "entity", "decision"),
            ("time: cutoff", "time", "scored_at"),
        ] {
            let taken = failure(given, &format!("{key}: {name}"));
            let error = format!(
                "{key}: predictions have a column '{name}' of their own; give it another name in features.yaml"
            );
            assert!(taken.contains(&error), "{taken}");
        }
        let split = failure("{by: time}", "{by: group, column: churned}");
        assert!(split.contains("split: column: 'churned' is the label; name a column of times or groups"), "{split}");
        let threshold = failure("classification", "regression\nthreshold: {fixed: 0.5}");
        assert!(threshold.contains("threshold: only classification has one"), "{threshold}");
    }
}
