//! Python's LightGBM and XGBoost read the model file of a version and score rows as `predict` does, to the last bit; Python's
//! XGBoost trains the same model from the same rows.

use std::path::Path;
use std::process::Command;

use testkit::{Project, XGBOOST, python_with, xgboost_library};

/// Reads rows (numbers and `nan`, separated by commas) and a model file; prints the bits of every score, a line per row.
const LIGHTGBM_SCORES: &str = "\
import struct, sys
import lightgbm, numpy
rows = numpy.array([[float(cell) for cell in line.split(',')] for line in open(sys.argv[2])])
scores = lightgbm.Booster(model_file=sys.argv[1]).predict(rows)
for row in scores.reshape(len(rows), -1):
    print(','.join(str(struct.unpack('<Q', struct.pack('<d', score))[0]) for score in row))
";

/// The same with XGBoost. With two more arguments, training as JSON and a file of labels and parts, it first trains a model of
/// its own, and prints the bits of that one's scores.
const XGBOOST_SCORES: &str = "\
import json, struct, sys
import numpy, xgboost
rows = numpy.array([[float(cell) for cell in line.split(',')] for line in open(sys.argv[2])])
booster = xgboost.Booster(model_file=sys.argv[1])
assert booster.feature_names == ['size', 'age', 'debt', 'flag', 'city'] and booster.feature_types == ['float'] * 4 + ['c']
columns = {'feature_names': booster.feature_names, 'feature_types': booster.feature_types, 'enable_categorical': True}
if len(sys.argv) > 3:
    training = json.loads(sys.argv[3])
    labels, parts = zip(*(line.strip().split(',') for line in open(sys.argv[4])))
    labels, parts = numpy.array(labels, dtype=float), numpy.array(parts)
    train, valid = (xgboost.DMatrix(rows[parts == part], labels[parts == part], **columns) for part in ('train', 'valid'))
    parameters = {'nthread': 1, 'seed': 42, **training['parameters']}
    early = training['early_stopping']
    booster = xgboost.train(parameters, train, training['trees'], evals=[(valid, 'valid')], verbose_eval=False,
                            early_stopping_rounds=early or None)
    if early:
        booster = booster[: booster.best_iteration + 1]
scores = booster.predict(xgboost.DMatrix(rows, **columns)).astype(float)
for row in scores.reshape(len(rows), -1):
    print(','.join(str(struct.unpack('<Q', struct.pack('<d', score))[0]) for score in row))
";

const ROWS: u32 = 500;
const CITIES: [&str; 4] = ["Bonn", "Essen", "Jena", "Ulm"];

/// One row of the table, as CSV has it: numbers with gaps, zeros of both signs, a flag and a category.
fn cells(id: u32) -> [String; 8] {
    let [a, b, c] = [(id * 37) % 101, (id * 53) % 97, (id * 29) % 17];
    let size = f64::from(a) * 1.37 - 40.0;
    let age = if b % 6 == 0 { String::new() } else { format!("{:?}", f64::from(b) / 7.0) };
    let debt = match c {
        0 => "0.0".to_owned(),
        1 => "-0.0".to_owned(),
        2 => "1e-36".to_owned(),
        c => format!("{:?}", f64::from(c) * 1e6),
    };
    let (flag, city) = (b.is_multiple_of(3), CITIES[(id * 7 % 11 % 4) as usize]);
    let score = size / 30.0 + f64::from(b % 6) / 4.0 + f64::from(u8::from(flag)) + f64::from(c) / 9.0;
    let city_gap = if id.is_multiple_of(13) { "" } else { city };
    [
        id.to_string(),
        format!("{size:?}"),
        age,
        debt,
        flag.to_string(),
        city_gap.to_owned(),
        (score > 1.8).to_string(),
        format!("{:?}", (score * 10.0).round() / 10.0 + 4.0),
    ]
}

/// The features of a row as the model has them: categories as their places in `model.json`.
fn features(id: u32, categories: &[String]) -> String {
    let cells = cells(id);
    let [_, size, age, debt, flag, city, _, _] = &cells;
    let number = |text: &str| if text.is_empty() { "nan".to_owned() } else { text.to_owned() };
    let code = categories.iter().position(|known| known == city).map_or("nan".to_owned(), |at| at.to_string());
    let flag = u8::from(flag == "true").to_string();
    [number(size), number(age), number(debt), flag, code].join(",")
}

#[test]
fn a_library_that_is_not_there_is_named_before_anything_is_fitted() {
    let project = prepared("absent", "left", "classification", "xgboost", Some(Path::new("/nowhere/libxgboost.so")));
    project.run("train", ["absent"]).exits(2).never_says("fitted in").says(
        "experiment 'one': MILLRACE_XGBOOST: there is no file /nowhere/libxgboost.so; set it to the path of libxgboost.so, or \
         unset it to use the one in .cache",
    );
    assert!(!project.exists("data/models/absent/latest"));
    // A file in the project's own folder that is not a library.
    let project = prepared("absent", "left", "classification", "xgboost", None);
    project.write(".cache/xgboost/xgboost/lib/libxgboost.so", "torn");
    project
        .run("train", ["absent"])
        .exits(2)
        .says("libxgboost.so: cannot be opened as a library of this system; it may be");
}

/// A project with a trained version, on the train part only if a library is needed for that.
fn project(pipeline: &str, label: &str, task: &str, learner: &str, library: Option<&Path>) -> Project {
    let project = prepared(pipeline, label, task, learner, library);
    project.run("train", [pipeline]).exits(0);
    project
}

/// The same before it is trained.
fn prepared(pipeline: &str, label: &str, task: &str, learner: &str, library: Option<&Path>) -> Project {
    let other = if label == "left" { "spend" } else { "left" };
    let rows: String = (0..ROWS).map(|id| cells(id).join(",") + "\n").collect();
    let mut project = Project::new();
    let mut refit = true;
    if let Some(library) = library {
        project = project.with_variable(XGBOOST, library.display().to_string());
        refit = false;
    }
    let file = |name: &str| format!("resources/{pipeline}/{name}.yaml");
    let label_type = match (label, task) {
        ("spend", "multiclass") => {
            "\n      - derive: {spend: \"CASE WHEN spend > 6.2 THEN 'high' WHEN spend > 4.6 THEN 'mid' ELSE 'low' END\"}"
        }
        _ => " []",
    };
    project
        .write("rows.csv", format!("id,size,age,debt,flag,city,left,spend\n{rows}"))
        .write(
            &file("ingest"),
            "tables:\n  people:\n    source: {file: {path: rows.csv}}\n    columns: {id: int64, size: float64, age: float64, \
             debt: float64, flag: bool, city: string, left: bool, spend: float64}\n",
        )
        .write(&file("clean"), format!("tables:\n  people:\n    steps:{label_type}\n"))
        .write(
            &file("train"),
            format!(
                "table: people\nlabel: {label}\ntask: {task}\nentity: id\nsplit: {{by: random}}\nexclude: [{other}]\nrefit: \
                 {refit}\nresamples: 100\nexperiments: {{one: {learner}}}\n"
            ),
        )
        .write(&file("predict"), "table: people\nreasons: 0\n");
    for tool in ["ingest", "clean"] {
        project.run(tool, [pipeline]).exits(0);
    }
    project
}

#[test]
fn model_files_of_versions_score_in_python_as_here() {
    let Some(python) = python_with("lightgbm") else { return };
    for (pipeline, label, task, learner) in [
        ("plain", "left", "classification", "lightgbm"),
        ("dart", "left", "classification", "{lightgbm: {trees: 40, parameters: {boosting: dart}}}"),
        ("goss", "left", "classification", "{lightgbm: {trees: 40, parameters: {data_sample_strategy: goss}}}"),
        (
            "rf",
            "left",
            "classification",
            "{lightgbm: {trees: 20, row_share: 0.6, min_leaf_rows: 5, parameters: {boosting: rf}}}",
        ),
        (
            "constrained",
            "left",
            "classification",
            "{lightgbm: {trees: 40, increasing: [size], interactions: [[size, age]]}}",
        ),
        ("bins", "left", "classification", "{lightgbm: {trees: 40, parameters: {max_bin: 15, zero_as_missing: true}}}"),
        ("classes", "spend", "multiclass", "{lightgbm: {trees: 20}}"),
        ("numbers", "spend", "regression", "lightgbm"),
        ("counts", "spend", "regression", "{lightgbm: {objective: poisson}}"),
        ("amounts", "spend", "regression", "{lightgbm: {objective: tweedie}}"),
        ("median", "spend", "regression", "{lightgbm: {objective: {quantile: 0.4}}}"),
    ] {
        let project = project(pipeline, label, task, learner, None);
        let ours = scored(&project, pipeline, task);
        assert_equal(&ours, &by_python(&project, pipeline, &python, LIGHTGBM_SCORES, &[]), pipeline);
    }
}

#[test]
fn xgboost_models_score_in_python_as_here_and_are_trained_as_there() {
    let Some(library) = xgboost_library() else { return };
    let Some(python) = python_with("xgboost") else { return };
    for (pipeline, label, task, learner, training) in [
        (
            "two",
            "left",
            "classification",
            "{xgboost: {trees: 60, learning_rate: 0.3, depth: 4, early_stopping: 8}}",
            r#"{"trees": 60, "early_stopping": 8, "parameters": {"objective": "binary:logistic", "eta": 0.3, "max_depth": 4}}"#,
        ),
        (
            "drawn",
            "left",
            "classification",
            "{xgboost: {trees: 30, row_share: 0.7, feature_share: 0.6, early_stopping: 0, l2: 2, min_leaf_weight: 3}}",
            r#"{"trees": 30, "early_stopping": 0, "parameters": {"objective": "binary:logistic", "eta": 0.1, "subsample": 0.7,
                "colsample_bytree": 0.6, "lambda": 2, "min_child_weight": 3}}"#,
        ),
        (
            "dropped",
            "left",
            "classification",
            "{xgboost: {trees: 25, early_stopping: 0, parameters: {booster: dart, rate_drop: 0.3}}}",
            r#"{"trees": 25, "early_stopping": 0, "parameters": {"objective": "binary:logistic", "eta": 0.1, "booster": "dart",
                "rate_drop": 0.3}}"#,
        ),
        (
            "directed",
            "left",
            "classification",
            "{xgboost: {trees: 25, increasing: [size], interactions: [[size, age]], parameters: {max_cat_to_onehot: 2}}}",
            r#"{"trees": 25, "early_stopping": 30, "parameters": {"objective": "binary:logistic", "eta": 0.1,
                "monotone_constraints": "(1,0,0,0,0)", "interaction_constraints": "[[0,1],[2],[3],[4]]", "max_cat_to_onehot": 2}}"#,
        ),
        (
            "classes",
            "spend",
            "multiclass",
            "{xgboost: {trees: 20}}",
            r#"{"trees": 20, "early_stopping": 30, "parameters": {"objective": "multi:softprob", "num_class": 3, "eta": 0.1}}"#,
        ),
        (
            "numbers",
            "spend",
            "regression",
            "xgboost",
            r#"{"trees": 200, "early_stopping": 30, "parameters": {"objective": "reg:squarederror", "eta": 0.1}}"#,
        ),
        (
            "counts",
            "spend",
            "regression",
            "{xgboost: {objective: poisson}}",
            r#"{"trees": 200, "early_stopping": 30, "parameters": {"objective": "count:poisson", "eta": 0.1}}"#,
        ),
        (
            "bounds",
            "spend",
            "regression",
            "{xgboost: {objective: {quantile: 0.9}, parameters: {max_bin: 32}}}",
            r#"{"trees": 200, "early_stopping": 30, "parameters": {"objective": "reg:quantileerror", "quantile_alpha": 0.9,
                "eta": 0.1, "max_bin": 32}}"#,
        ),
    ] {
        let project = project(pipeline, label, task, learner, Some(&library));
        let ours = scored(&project, pipeline, task);
        assert_equal(&ours, &by_python(&project, pipeline, &python, XGBOOST_SCORES, &[]), pipeline);
        project.write("labels.txt", labels_and_parts(&project, pipeline, label, task));
        let labels = project.at("labels.txt").display().to_string();
        let trained = by_python(&project, pipeline, &python, XGBOOST_SCORES, &[training, &labels]);
        assert_equal(&ours, &trained, &format!("{pipeline}, trained in Python"));
    }
}

/// Trains a model on the parts of the version in folder `v1`, or takes that version's own, writes into it what it was trained on, and
/// prints the bits of its scores.
const IMPORTED: &str = "\
import json, struct, sys
import numpy, xgboost
project, pipeline, source, parts, training = sys.argv[1:]
folder = f'{project}/data/models/{pipeline}/v1'
manifest = json.load(open(f'{folder}/model.json'))
rows = numpy.array([[float(cell) for cell in line.split(',')] for line in open(f'{project}/rows.txt')])
columns = {'feature_types': ['float'] * 4 + ['c'], 'enable_categorical': True}
if source == 'own':
    booster = xgboost.Booster(model_file=f'{folder}/xgboost.ubj')
    columns['feature_names'] = booster.feature_names
else:
    labels, wanted = zip(*(line.strip().split(',') for line in open(f'{project}/labels.txt')))
    labels, wanted = numpy.array(labels, dtype=float), numpy.array(wanted)
    train, valid = (xgboost.DMatrix(rows[wanted == part], labels[wanted == part], **columns) for part in ('train', 'valid'))
    parameters = {'nthread': 1, 'seed': 42, 'eta': 0.2, **json.loads(training)}
    booster = xgboost.train(parameters, train, 60, evals=[(valid, 'valid')], verbose_eval=False, early_stopping_rounds=8)
    booster = booster[: booster.best_iteration + 1]
    booster.set_attr(best_iteration=None, best_score=None)
mark = {'version': 'v1', 'parts': parts, 'label': manifest['label'], 'features': manifest['features'],
        'classes': manifest.get('classes', {}).get('names', [])}
booster.set_attr(millrace=json.dumps(mark))
booster.save_model(f'{project}/outside.ubj')
scores = booster.predict(xgboost.DMatrix(rows, **columns)).astype(float)
for row in scores.reshape(len(rows), -1):
    print(','.join(str(struct.unpack('<Q', struct.pack('<d', score))[0]) for score in row))
";

#[test]
fn models_that_were_trained_elsewhere_are_imported_and_score_as_there() {
    let Some(python) = python_with("xgboost") else { return };
    let own = xgboost_library();
    for (pipeline, label, task, source, training) in [
        ("own", "left", "classification", "own", "{}"),
        ("two", "left", "classification", "python", r#"{"objective": "binary:logistic"}"#),
        ("classes", "spend", "multiclass", "python", r#"{"objective": "multi:softprob", "num_class": 3}"#),
        ("numbers", "spend", "regression", "python", r#"{"objective": "reg:squarederror"}"#),
        ("counts", "spend", "regression", "python", r#"{"objective": "count:poisson"}"#),
    ] {
        if source == "own" && own.is_none() {
            continue;
        }
        let (learner, library) = match source {
            "own" => ("{xgboost: {trees: 40}}", own.as_deref()),
            _ => ("{lightgbm: {trees: 5}}", None),
        };
        let project = project(pipeline, label, task, learner, library);
        project.write("rows.txt", rows(&project, pipeline));
        project.write("labels.txt", labels_and_parts(&project, pipeline, label, task));
        project.write("import.py", IMPORTED);
        let parts = project.evidence(&format!("data/models/{pipeline}/v1/parts.parquet"))["content"].clone();
        let parts = parts.as_str().expect("a hash");
        let root = project.root().display().to_string();
        let theirs = printed(&python, &project, "import.py", &[&root, pipeline, source, parts, training]);

        let file = format!("resources/{pipeline}/train.yaml");
        let train = project.read(&file);
        let (before, _) = train.split_once("experiments:").expect("experiments come last");
        let wanted = "experiments: {outside: {xgboost: {model: outside.ubj}}}\npromote: {margin: -1000}\n";
        project.write(&file, format!("{before}{wanted}"));
        project
            .run("train", [pipeline])
            .exits(0)
            .says("experiment 'outside' is outside.ubj, trained elsewhere by the parts of v1");
        let saved = std::fs::read(project.at(format!("data/models/{pipeline}/v2/xgboost.ubj"))).unwrap();
        assert!(saved == std::fs::read(project.at("outside.ubj")).unwrap(), "the model as it is");
        assert_equal(&scored(&project, pipeline, task), &theirs, pipeline);
        // Another file is cause to train again, and one that is not XGBoost's is refused.
        project.run("train", [pipeline]).exits(0).says("up to date");
        project.write("outside.ubj", "{}");
        project.run("train", [pipeline]).exits(2).says("outside.ubj: not a model in XGBoost's binary format");
    }
}

/// The features of all rows, as text for Python.
fn rows(project: &Project, pipeline: &str) -> String {
    let manifest: serde_json::Value =
        serde_json::from_str(&project.read(format!("data/models/{pipeline}/v1/model.json"))).unwrap();
    let city = &manifest["features"].as_array().unwrap()[4];
    assert_eq!(city["name"], "city", "{city}");
    let categories: Vec<String> = serde_json::from_value(city["categories"].clone()).unwrap();
    (0..ROWS).map(|id| features(id, &categories) + "\n").collect()
}

/// The bits that a script in the project prints, row by row.
fn printed(python: &Path, project: &Project, script: &str, arguments: &[&str]) -> Vec<Vec<u64>> {
    let done = Command::new(python).arg(project.at(script)).args(arguments).output().expect("Python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let printed = String::from_utf8(done.stdout).expect("UTF-8");
    printed.lines().map(|line| line.split(',').map(|bits| bits.parse().unwrap()).collect()).collect()
}

/// The bits of our scores, row by row.
fn scored(project: &Project, pipeline: &str, task: &str) -> Vec<Vec<u64>> {
    let scores = project.table(&project.run("predict", [pipeline]).path());
    let columns: Vec<&str> = match task {
        "multiclass" => vec!["probability_high", "probability_low", "probability_mid"],
        _ => vec!["score"],
    };
    let ours: Vec<Vec<&str>> = columns.iter().map(|name| scores.column(name)).collect();
    let ids = scores.column("id");
    let row = |row: usize| {
        assert_eq!(ids[row], row.to_string());
        ours.iter().map(|column| column[row].parse::<f64>().unwrap().to_bits()).collect()
    };
    (0..ids.len()).map(row).collect()
}

/// The bits of the scores that a script prints for the same rows and the version's model.
fn by_python(project: &Project, pipeline: &str, python: &Path, script: &str, more: &[&str]) -> Vec<Vec<u64>> {
    let folder = format!("data/models/{pipeline}/v1");
    let manifest: serde_json::Value = serde_json::from_str(&project.read(format!("{folder}/model.json"))).unwrap();
    project.write("rows.txt", rows(project, pipeline)).write("scores.py", script);
    let at = |path: &str| project.at(path).display().to_string();
    let (model, rows) = (at(&format!("{folder}/{}", manifest["file"].as_str().unwrap())), at("rows.txt"));
    let arguments: Vec<&str> = [model.as_str(), rows.as_str()].into_iter().chain(more.iter().copied()).collect();
    printed(python, project, "scores.py", &arguments)
}

fn assert_equal(ours: &[Vec<u64>], theirs: &[Vec<u64>], what: &str) {
    assert_eq!((ours.len(), theirs.len()), (ROWS as usize, ROWS as usize), "{what}");
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "{what}, row {row}: {:?}", cells(row as u32));
    }
}

/// The label and the part of each row, as the version was trained.
fn labels_and_parts(project: &Project, pipeline: &str, label: &str, task: &str) -> String {
    let parts = project.table(&format!("data/models/{pipeline}/v1/parts.parquet"));
    let mut parts: Vec<(u32, &str)> =
        parts.column("id").iter().map(|id| id.parse().unwrap()).zip(parts.column("part")).collect();
    parts.sort_unstable();
    let line = |(id, part): (u32, &str)| {
        let [.., left, spend] = cells(id);
        let spend_number: f64 = spend.parse().unwrap();
        let label = match (label, task) {
            ("left", _) => u8::from(left == "true").to_string(),
            // In the order of their names: high, low, mid.
            (_, "multiclass") if spend_number > 6.2 => "0".to_owned(),
            (_, "multiclass") if spend_number > 4.6 => "2".to_owned(),
            (_, "multiclass") => "1".to_owned(),
            _ => spend,
        };
        format!("{label},{part}\n")
    };
    parts.into_iter().map(line).collect()
}
