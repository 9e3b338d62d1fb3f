//! The model card: what was learned from which rows, how good it is, who decided what and why, and its limits.

mod choice;
mod groups;
mod page;
mod tables;

use std::fmt::Write;

use artifact::{Fingerprint, Input};

use crate::experiment::Trial;
use crate::metrics::Metric;
use crate::plots::Plot;
use crate::{
    Action, Decision, IntervalMethod, LabelTransform, Manifest, Measured, Part, Refit, SplitBy, SplitSummary, Task,
    Transformed,
};
pub use page::page;
use score::number_text;
use spec::text::percent;
use tables::{Table, code};

/// Rows of the table of features.
const FEATURES: usize = 20;

/// The card as Markdown; plots are linked as `plots/<name>.svg`.
pub fn card(manifest: &Manifest, trial: &Trial, decision: &Decision, plots: &[Plot]) -> String {
    let sections = [
        head(manifest, decision),
        learned(manifest, &trial.split),
        choice::experiments(manifest),
        choice::searches(manifest, trial.spec.choose_by()),
        judged(manifest, trial, plots),
        groups::groups(trial),
        gate(manifest),
        threshold(manifest),
        classes(manifest),
        intervals(manifest),
        features(trial, plots),
        again(manifest),
        limits(manifest, trial),
    ];
    sections.concat()
}

fn head(manifest: &Manifest, decision: &Decision) -> String {
    let verdict = match decision.action {
        Action::Promote => "promoted to production",
        Action::Keep => "not promoted: the champion stays",
        Action::Refuse => "refused by its gate",
        Action::Rollback => "rolled back to",
        Action::Archive => "archived",
        Action::Takeover => "taking over",
        Action::Propose | Action::Wait | Action::Stop => "in comparison with production",
    };
    let kind = match manifest.task {
        Task::Classification => "the probability that",
        Task::Multiclass => "the class of",
        Task::Regression => "the value of",
    };
    let ends = match manifest.task {
        Task::Classification => " is true",
        Task::Regression | Task::Multiclass => "",
    };
    let horizon = manifest.horizon_days.filter(|days| *days > 0);
    let horizon = horizon.map_or(String::new(), |days| format!(", known {days} days later"));
    let scale = match manifest.label_transform {
        Some(Transformed::Log { smearing }) => format!(
            " It learned the logarithm of the label; predictions are exp(score) times {} (smearing factor, Duan 1983).",
            number_text(smearing)
        ),
        None => String::new(),
    };
    let clip = manifest.clip.map(|clip| format!(" Predictions are kept at {clip}.")).unwrap_or_default();
    let champion = decision.champion.map_or(String::new(), |champion| format!(" Champion before: {champion}."));
    format!(
        "# Model {} {}\n\nPredicts {kind} {}{ends} for each {}{horizon}. Learned by **{}** (experiment '{}') on {}.{scale}{clip}\n\n\
         ## Decision\n\n**{}: {verdict}.** {}{champion}\n\n",
        manifest.origin.pipeline,
        manifest.origin.version,
        code(&manifest.label),
        code(&manifest.entity),
        manifest.learner,
        manifest.experiment,
        manifest.origin.created,
        manifest.origin.version,
        sentence(&decision.why),
    )
}

/// The text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn learned(manifest: &Manifest, split: &SplitSummary) -> String {
    let how = match split.by {
        SplitBy::Time => "by time",
        SplitBy::Group => "by group",
        SplitBy::Random => "at random",
    };
    let column = split.column.as_deref().map_or(String::new(), |column| format!(" ({})", code(column)));
    let mean = match manifest.task {
        Task::Classification => "share of class 1",
        Task::Regression => "mean label",
        Task::Multiclass => "",
    };
    let mut table = Table::new(&["part", "rows", "share of rows", "from", "to", mean]);
    for part in &split.parts {
        let (from, to) = part.times.clone().unwrap_or_default();
        let label = part.label_mean.map_or(String::new(), |mean| match manifest.task {
            Task::Classification => percent(mean),
            Task::Regression | Task::Multiclass => number_text(mean),
        });
        let share = percent(part.rows as f64 / manifest.rows.max(1) as f64);
        table.row([part.part.name().to_owned(), part.rows.to_string(), share, from, to, label]);
    }
    let mut text = format!(
        "## What it learned\n\n{} rows of table {}, {} features. Split {how}{column}:\n\n{table}\n",
        manifest.rows,
        code(&manifest.table),
        manifest.features.len()
    );
    if let Some(folds) = &split.folds {
        let rows = |of: fn(&(u64, u64)) -> u64| {
            let (least, most) = (folds.rows.iter().map(of).min(), folds.rows.iter().map(of).max());
            match (least.unwrap_or(0), most.unwrap_or(0)) {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            }
        };
        let _ = writeln!(
            text,
            "Experiments were compared by cross-validation on the train part: {} folds, {}; {} rows for training and {} for judging.\n",
            folds.rows.len(),
            folds.how,
            rows(|rows| rows.0),
            rows(|rows| rows.1)
        );
    }
    for note in &split.notes {
        let _ = writeln!(text, "{}\n", sentence(note));
    }
    if let Some(weight) = &manifest.weight {
        let _ = match manifest.weighted_metrics {
            true => writeln!(text, "Rows count by {}, in learning and in metrics.\n", code(weight)),
            false => writeln!(text, "Rows count in learning by {}; in metrics every row counts once.\n", code(weight)),
        };
    }
    text += "`parts.parquet` beside this card records what each row was used for.\n\n";
    text
}

fn judged(manifest: &Manifest, trial: &Trial, plots: &[Plot]) -> String {
    let mut table = Table::new(&["metric", "value", "95 % interval", "baseline", "better is"]);
    for (metric, measured) in &trial.test {
        let value = match (&measured.value, &measured.why) {
            (Some(value), _) => number_text(*value),
            (None, why) => why.clone().unwrap_or_default(),
        };
        let interval = measured
            .interval
            .map_or(String::new(), |found| format!("{} to {}", number_text(found.low), number_text(found.high)));
        let better = match (metric, &manifest.intervals) {
            (Metric::Coverage, Some(asked)) => format!("near {}", asked.coverage),
            (Metric::Bias, _) => "near 0".to_owned(),
            _ if metric.higher_is_better() => "higher".to_owned(),
            _ => "lower".to_owned(),
        };
        let baseline = measured.baseline.map_or(String::new(), number_text);
        table.row([metric.name().to_owned(), value, interval, baseline, better]);
    }
    let units = trial.resamples.units();
    let drawn = match (trial.block, &manifest.time, trial.resamples.by_entity()) {
        (Some(_), Some(time), _) => {
            format!("{units} values of {} in blocks of {}", code(time), trial.resamples.block())
        }
        (_, _, true) => format!("{units} values of {}", code(&manifest.entity)),
        (_, _, false) => format!("{units} rows"),
    };
    let images =
        images(plots, &["roc", "precision_recall", "calibration", "errors", "predicted_against_actual", "residuals"]);
    let refit = manifest.refit.as_ref().map_or_else(not_again, |refit| again_on_more(manifest, trial, refit));
    format!(
        "## The chosen one on the test part\n\n{refit}\n\nMeasured once, on rows used neither for training nor for selection. Intervals \
         from {} bootstrap resamples of {drawn}.\n\n{table}\n{images}",
        trial.resamples.times()
    )
}

fn not_again() -> String {
    "The model is the one that learned from the train part alone.".to_owned()
}

/// How the chosen experiment learned again, and what it kept from before.
fn again_on_more(manifest: &Manifest, trial: &Trial, refit: &Refit) -> String {
    let metric = trial.spec.choose_by();
    let folds = manifest.split.folds.is_some();
    let bridging = match refit.bridging {
        0 => String::new(),
        rows => format!(", {rows} of them purged only between the two"),
    };
    let rows = match folds {
        true => "all rows of the folds",
        false => "train and validation together",
    };
    let trees =
        refit.trees.map_or(String::new(), |trees| format!(", with the {trees} trees that early stopping found"));
    let mut text = format!(
        "After the choice, experiment '{}' was fitted again on {rows}: {} rows{bridging}{trees}. So was the baseline.",
        manifest.experiment, refit.rows
    );
    let kept = [
        manifest.threshold.as_ref().map(|_| "The threshold"),
        manifest.label_transform.map(|_| "the smearing factor"),
        manifest.intervals.as_ref().map(|_| "the width of the intervals"),
    ];
    let kept: Vec<&str> = kept.into_iter().flatten().collect();
    if !kept.is_empty() {
        let from = if folds { "held-out rows of the folds" } else { "validation part" };
        let (stay, they, were) = if kept.len() == 1 { ("stays", "it", "was") } else { ("stay", "they", "were") };
        let _ = write!(
            text,
            " {} {stay} as {they} {were}: {they} {were} found on the {from}, from which the model had not learned.",
            sentence(&kept.join(" and ")).trim_end_matches('.'),
        );
    }
    let after = trial.metric(metric);
    if let (Some(before), Some(after)) = (refit.before.get(&metric), after) {
        let _ = write!(
            text,
            " On the test part {metric} is {}; fitted on the train part alone it was {} (for information only). The curves of the \
             other experiments are of models fitted on the train part alone.",
            number_text(after),
            number_text(*before)
        );
    }
    text
}

fn images(plots: &[Plot], names: &[&str]) -> String {
    let shown = names.iter().filter_map(|name| plots.iter().find(|plot| plot.name == *name));
    shown.map(|plot| format!("![{}](plots/{}.svg)\n\n", plot.title, plot.name)).collect()
}

fn gate(manifest: &Manifest) -> String {
    let mut table = Table::new(&["rule", "", "found"]);
    for result in &manifest.gate {
        let verdict = if result.passed { "passed" } else { "**refused**" };
        table.row([result.rule.clone(), verdict.to_owned(), result.found.clone()]);
    }
    format!("## Gate\n\n{table}\n")
}

fn threshold(manifest: &Manifest) -> String {
    let (Some(threshold), Some(counts)) = (&manifest.threshold, &manifest.confusion) else { return String::new() };
    let mut table = Table::new(&["", "flagged", "not flagged"]);
    let row = |name: &str, flagged: u64, not: u64| [name.to_owned(), flagged.to_string(), not.to_string()];
    table.row(row("class 1", counts.true_positive, counts.false_negative));
    table.row(row("class 0", counts.false_positive, counts.true_negative));
    let share = percent(counts.flagged() as f64 / counts.rows().max(1) as f64);
    let once = match manifest.weighted_metrics {
        true => " Here each row counts once; precision and recall above are by weight.",
        false => "",
    };
    let caught =
        counts.recall().map_or(String::new(), |recall| format!(", and {} of class 1 are caught", percent(recall)));
    format!(
        "## Threshold\n\nRows that score at least **{}** are flagged ({}). On the test part this flags {share} of rows; \
         {} of the flagged are of class 1{caught}.{once}\n\n{table}\n",
        number_text(threshold.value),
        threshold.rule,
        percent(counts.precision()),
    )
}

/// What was predicted for each class.
fn classes(manifest: &Manifest) -> String {
    let Some(found) = &manifest.classes else { return String::new() };
    let heads: Vec<String> = found.names.iter().map(|name| format!("as {}", code(name))).collect();
    let mut columns = vec!["class"];
    columns.extend(heads.iter().map(String::as_str));
    columns.extend(["caught", "right when predicted"]);
    let mut table = Table::new(&columns);
    for (class, name) in found.names.iter().enumerate() {
        let (all, predicted, right) = found.of(class);
        let share = |of: u64| if of == 0 { String::new() } else { percent(right as f64 / of as f64) };
        let counts = found.rows[class].iter().map(u64::to_string);
        table.row([code(name)].into_iter().chain(counts).chain([share(all), share(predicted)]));
    }
    let once = match manifest.weighted_metrics {
        true => " Here each row counts once; the metrics above are by weight.",
        false => "",
    };
    format!(
        "## Classes\n\nRows of the test part by class, and what was predicted for them: the class with the largest \
         probability.{once}\n\n{table}\n"
    )
}

fn intervals(manifest: &Manifest) -> String {
    let Some(found) = &manifest.intervals else { return String::new() };
    let margin = number_text(found.margin);
    let how = match (found.by, found.label_transform) {
        (IntervalMethod::Conformal, None) => {
            format!("{margin} below and above the prediction, as far as the errors of the validation part reach")
        }
        (IntervalMethod::Conformal, Some(LabelTransform::Log)) => format!(
            "the prediction divided and multiplied by {}, as far as the errors of the validation part reach",
            number_text(found.margin.exp())
        ),
        (IntervalMethod::Quantiles, scale) => {
            let unit = if scale.is_some() { " of the logarithm" } else { "" };
            format!("two models of the quantiles, moved outwards by {margin}{unit} to cover the validation part")
        }
    };
    let measured = manifest.metrics.get(&Metric::Coverage).map(Measured::in_words).unwrap_or_default();
    format!(
        "## Prediction intervals\n\nBounds `low` and `high` that should hold {} of labels: {how} ({}). On the test part they \
         hold a share of {measured}.\n\n",
        percent(found.coverage),
        found.by.name(),
    )
}

fn features(trial: &Trial, plots: &[Plot]) -> String {
    if trial.importance.weights.is_empty() {
        return "## What moves it\n\nThe learner does not report it.\n\n".to_owned();
    }
    let sizes = trial.explained.as_ref().map(|explained| {
        let names = explained.rows.features().iter().map(|feature| feature.name.as_str());
        names.zip(explained.mean_sizes()).collect::<Vec<(&str, f64)>>()
    });
    let all: f64 = trial.importance.weights.iter().map(|(_, weight)| weight).sum();
    let mut table = Table::new(&["feature", "share of weight", "mean size of SHAP value"]);
    for (name, weight) in trial.importance.weights.iter().take(FEATURES) {
        let size = sizes.iter().flatten().find(|(feature, _)| feature == name);
        let share = if all > 0.0 { percent(weight / all) } else { String::new() };
        table.row([code(name), share, size.map_or(String::new(), |(_, size)| number_text(*size))]);
    }
    let images = images(plots, &["contributions", "importance"]);
    format!(
        "## What moves it\n\nWeight: {}. SHAP values say how far a feature moves the raw score (log-odds for \
         classification, of a tree or forest the probability) of a row of the test part.\n\n{table}\n{images}",
        trial.importance.of
    )
}

fn again(manifest: &Manifest) -> String {
    let mut table = Table::new(&["input", "rows", "hash"]);
    for Input { path, fingerprint, rows } in &manifest.origin.inputs {
        let hash = match fingerprint {
            Fingerprint::Content(hash) => hash.clone(),
            Fingerprint::Stat { size, modified } => format!("{size} bytes, modified {modified}"),
            Fingerprint::Object { size, version } => format!("{size} bytes, version {version}"),
            Fingerprint::Given(text) => text.clone(),
        };
        table.row([code(path), rows.map_or(String::new(), |rows| rows.to_string()), code(&hash)]);
    }
    let same: Vec<String> = manifest
        .searches
        .iter()
        .filter(|search| search.out_of_time)
        .map(|search| {
            format!(
                " The search of '{}' ended by time: write `trials: {}` to repeat it.",
                search.experiment,
                search.trials.len()
            )
        })
        .collect();
    format!(
        "## How to make it again\n\n    {}\n\nWith the inputs below, spec {} and seed {}, version {} of the tool makes the \
         same model.{}\n\n{table}\n",
        manifest.origin.command,
        code(&manifest.origin.spec),
        manifest.seed,
        manifest.origin.tool_version,
        same.concat()
    )
}

fn limits(manifest: &Manifest, trial: &Trial) -> String {
    let mut limits = vec![
        "The metrics hold for rows like those of the test part; where the business, the season or the data changes, they \
         do not."
            .to_owned(),
        "The intervals show the chance in which test rows were drawn, not that of training, nor change over time.".to_owned(),
        "Weights and SHAP values say what the model uses, not what causes what.".to_owned(),
    ];
    if manifest.split.by != SplitBy::Time {
        limits.push("The split is not by time: how the model ages was not tested.".to_owned());
    }
    let test = manifest.split.rows(Part::Test);
    if test < 1000 {
        limits.push(format!("The test part has only {test} rows: look at the intervals, not at the values."));
    }
    if trial.explained.is_none() {
        limits.push("The learner gives no contributions: its predictions come without reasons.".to_owned());
    }
    let lines: String = limits.into_iter().map(|limit| format!("- {limit}\n")).collect();
    format!("## Limits\n\n{lines}")
}
