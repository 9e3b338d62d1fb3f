//! What must hold of every learner that boosts trees with a library. Their own tests call this with their own cases.

use std::path::Path;

use score::{Matrix, load_model};
use serde::de::DeserializeOwned;
use spec::Result;

use super::boosting::Boosting;
use super::made_rows::{Rows, rows};
use crate::metrics::{Metric, Scored};
use crate::{Data, Feature, Learner, Model, Task};

/// A setting in which a parameter must change something: the parameter, the task, settings of the learner, parameters that
/// are set beside it, and the parameter with another value than its default.
pub(super) type Case = (&'static str, Task, &'static str, &'static str, &'static str);

pub(super) fn spec<B: DeserializeOwned>(yaml: &str) -> B {
    spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap_or_else(|error| panic!("{error}")).spec
}

/// The learner's settings in YAML. Unless `base` sets them there are 12 trees without early stopping.
pub(super) fn yaml(base: &str, parameters: &str) -> String {
    let base =
        if base.contains("early_stopping") { base.to_owned() } else { format!("trees: 12, early_stopping: 0, {base}") };
    format!("{{{}, parameters: {{{parameters}}}}}", base.trim_end_matches(", "))
}

fn both(with: &str, value: &str) -> String {
    format!("{with}{}{value}", if with.is_empty() { "" } else { ", " })
}

pub(super) fn label(rows: &Rows, task: Task) -> Vec<f64> {
    match task {
        Task::Classification => rows.classes.clone(),
        Task::Regression => rows.amounts.clone(),
        Task::Multiclass => rows.amounts.iter().map(|amount| amount.floor().min(3.0)).collect(),
    }
}

pub(super) fn fit<B: Boosting + DeserializeOwned>(yaml: &str, task: Task) -> Result<Box<dyn Model>> {
    let (train, valid) = (rows(1), rows(2));
    let (train_label, valid_label) = (label(&train, task), label(&valid, task));
    let train = Data { features: &train.matrix, label: &train_label };
    spec::<B>(yaml).fit(task, train, Data { features: &valid.matrix, label: &valid_label }, 7)
}

/// All that can be seen of a model: what it predicts, why, and how training went. Not its file, which may repeat the
/// parameters.
pub(super) fn seen(model: &dyn Model) -> (Vec<f64>, Vec<f64>, serde_json::Value) {
    let rows = rows(3).matrix.slice(0..100);
    let contributions = model.contributions(&rows).unwrap().unwrap();
    (model.predict(&rows).unwrap(), contributions.values, model.notes())
}

/// The bytes of the model's file.
pub(super) fn saved(model: &dyn Model) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = model.save(folder.path()).unwrap();
    std::fs::read(folder.path().join(file)).unwrap()
}

/// Each parameter that may be set has a case, changes what the model shows in it, and gives the same model twice without a
/// warning of a parameter that the library does not read.
pub(super) fn each_changes_something<B>(names: impl Iterator<Item = &'static str>, cases: &[Case])
where
    B: Boosting + DeserializeOwned,
{
    for name in names {
        let cases: Vec<_> = cases.iter().filter(|(case, ..)| *case == name).collect();
        assert!(!cases.is_empty(), "no case shows that '{name}' has an effect");
        for (name, task, base, with, value) in cases {
            let shown = |parameters: &str| {
                let model = fit::<B>(&yaml(base, parameters), *task).unwrap_or_else(|error| panic!("{name}: {error}"));
                seen(model.as_ref())
            };
            let (without, other) = (shown(with), shown(&both(with, value)));
            assert!(without != other, "'{value}' changes nothing");
            assert!(shown(&both(with, value)) == other, "'{value}' gives another model each time");
        }
    }
}

/// Settings that together make every kind of model, each with its task.
pub(super) fn kinds(cases: &[Case]) -> Vec<(String, Task)> {
    let parameters = cases.iter().map(|(_, task, base, with, value)| (yaml(base, &both(with, value)), *task));
    let objectives = ["squared", "absolute", "huber", "{quantile: 0.9}", "poisson", "gamma", "tweedie"];
    let objectives = objectives.iter().map(|name| (format!("{{trees: 25, objective: {name}}}"), Task::Regression));
    parameters.chain(objectives).chain([("{trees: 8}".to_owned(), Task::Multiclass)]).collect()
}

/// The loss of the saved model on the validation rows is the one that the training stopped by. `cases` are settings and
/// parameters.
pub(super) fn saved_is_judged<B: Boosting + DeserializeOwned>(cases: &[(&str, &str)], within: f64) {
    for (base, others) in cases {
        let model = fit::<B>(&yaml(base, others), Task::Classification);
        let model = model.unwrap_or_else(|error| panic!("{others}: {error}"));
        let notes = model.notes();
        let (kept, tried) = (notes["trees"].as_u64().unwrap(), notes["trees_tried"].as_u64().unwrap());
        assert!(kept <= tried && kept > 0, "{notes}");
        assert_eq!(model.tuned().trees, Some(kept as u32));
        let valid = rows(2);
        let metric = if notes["stopped_by"]["metric"] == "auc" { Metric::Auc } else { Metric::LogLoss };
        let folder = tempfile::tempdir().unwrap();
        let file = model.save(folder.path()).unwrap();
        let saved = load_model(B::NAME, folder.path(), &file, model.features().to_vec()).unwrap();
        for model in [model, saved] {
            let scores = model.predict(&valid.matrix).unwrap();
            let scored = Scored::new(Task::Classification, valid.classes.clone(), scores, "valid").unwrap();
            let (found, judged) = (scored.value(metric, None).unwrap(), notes["stopped_by"]["value"].as_f64().unwrap());
            assert!((found - judged).abs() < within, "{others}: saved {found}, judged {judged}");
        }
    }
}

/// The error of a fit on 60 rows of one number, with two labels that are `odd` among ones; none if it passes.
pub(super) fn with_odd_labels<B: Boosting + DeserializeOwned>(yaml: &str, odd: f64) -> Option<String> {
    let numbers = Matrix::from_columns(vec![Feature::numeric("x")], vec![(0..60).map(f64::from).collect()]).unwrap();
    let mut label = vec![1.0; 60];
    (label[3], label[7]) = (odd, odd);
    let data = Data { features: &numbers, label: &label };
    let none = Data { features: &numbers.slice(0..0), label: &[] };
    spec::<B>(yaml).fit(Task::Regression, data, none, 1).err().map(|error| {
        assert_eq!(error.class(), spec::Class::Refused);
        error.to_string()
    })
}

/// The error of a fit on 50 rows without a column of text.
pub(super) fn without_text<B: Boosting + DeserializeOwned>(yaml: &str) -> String {
    let numbers = Matrix::from_columns(vec![Feature::numeric("x")], vec![(0..50).map(f64::from).collect()]).unwrap();
    let label: Vec<f64> = (0..50).map(|row| f64::from(row % 2)).collect();
    let data = Data { features: &numbers, label: &label };
    spec::<B>(yaml).fit(Task::Classification, data, data, 1).err().unwrap().to_string()
}

/// Calls `check` with a function that puts other bytes in place of the model's file and returns the error of reading it,
/// without the path.
pub(super) fn replacing<B: Boosting>(
    model: &dyn Model,
    check: impl FnOnce(&[u8], &dyn Fn(&[u8], &[Feature]) -> String),
) {
    let folder = tempfile::tempdir().unwrap();
    let file = model.save(folder.path()).unwrap();
    let path = folder.path().join(&file);
    check(&std::fs::read(&path).unwrap(), &|bytes, features| {
        std::fs::write(&path, bytes).unwrap();
        let error = load_model(B::NAME, folder.path(), &file, features.to_vec()).err().unwrap().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).unwrap_or_else(|| panic!("{error}")).to_owned()
    });
}
