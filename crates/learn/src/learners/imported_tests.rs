//! Models of elsewhere are taken as they are, or refused with what does not fit.

use artifact::{Evidence, Stamp, TableWriter};
use polars::prelude::*;
use score::{Feature, Matrix, Model, Registry, Task};
use spec::{Result, Root, Tool};

use super::imported::{BEST, Imported, MARK, check_trees};
use crate::{Data, Learner};

/// A tree of one question, with what surrounds it in XGBoost's files: rows whose first feature is below a half get -1, others 1.
pub(crate) const STUMP: &str = r#"{"learner": {"attributes": {}, "feature_names": ["good", "fair", "noise", "city"],
    "feature_types": ["float", "float", "float", "c"],
    "gradient_booster": {"name": "gbtree", "model": {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "iteration_indptr": [0, 1], "tree_info": [0],
        "trees": [{"base_weights": [0, -1, 1], "categories": [], "categories_nodes": [], "categories_segments": [],
            "categories_sizes": [], "default_left": [0, 0, 0], "id": 0, "left_children": [1, -1, -1], "loss_changes": [9, 0, 0],
            "parents": [2147483647, 0, 0], "right_children": [2, -1, -1], "split_conditions": [0.5, -1, 1],
            "split_indices": [0, 0, 0], "split_type": [0, 0, 0], "sum_hessian": [9, 5, 4],
            "tree_param": {"num_deleted": "0", "num_feature": "4", "num_nodes": "3", "size_leaf_vector": "1"}}]}},
    "learner_model_param": {"base_score": "[5E-1]", "boost_from_average": "1", "num_class": "0", "num_feature": "4",
        "num_target": "1"},
    "objective": {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}}, "version": [3, 2, 0]}"#;

/// The features of [`STUMP`], as the text has them.
pub(crate) const FEATURES: &str = r#"[{"name": "good", "type": "float64", "kind": "numeric"},
    {"name": "fair", "type": "float64", "kind": "numeric"}, {"name": "noise", "type": "float64", "kind": "numeric"},
    {"name": "city", "type": "string", "kind": "categorical", "categories": ["Bonn", "Köln", "Ulm"]}]"#;

/// [`STUMP`] with texts beside it: what it says of itself, and others.
pub(crate) fn stump(label: &str, features: &str, more: &str) -> String {
    let mark = format!(r#"{{"version": "v1", "parts": "abc", "label": "{label}", "features": {features}{more}}}"#);
    with_texts(&[(MARK, &mark)])
}

fn with_texts(texts: &[(&str, &str)]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', ""));
    let texts: Vec<String> = texts.iter().map(|(name, text)| format!("{}: {}", quoted(name), quoted(text))).collect();
    STUMP.replacen("\"attributes\": {}", &format!("\"attributes\": {{{}}}", texts.join(", ")), 1)
}

fn rows() -> (Matrix, Vec<f64>) {
    let features = vec![
        Feature::numeric("good"),
        Feature::numeric("fair"),
        Feature::numeric("noise"),
        Feature::categorical("city", ["Ulm", "Bonn", "Köln"]),
    ];
    let columns = vec![vec![0.1, 0.9, f64::NAN], vec![0.0; 3], vec![1.0; 3], vec![0.0, 1.0, 2.0]];
    (Matrix::from_columns(features, columns).unwrap(), vec![0.0, 1.0, 1.0])
}

fn fit(text: &str, task: Task, label: &[f64]) -> Result<Box<dyn Model>> {
    let (matrix, _) = rows();
    let data = Data { features: &matrix, label };
    Imported::of("m.ubj", text.as_bytes().to_vec())?.fit(task, data, data, 1)
}

fn refusal(text: &str) -> String {
    fit(text, Task::Classification, &rows().1).err().unwrap_or_else(|| panic!("{text} is taken")).to_string()
}

#[test]
fn a_model_that_fits_is_taken_as_it_is() {
    let text = stump("churned", FEATURES, "");
    let model = fit(&text, Task::Classification, &rows().1).unwrap();
    let (matrix, _) = rows();
    let scores = model.predict(&matrix).unwrap();
    // The logistic function of -1 and 1.
    assert!((scores[0] - 0.268_941_42).abs() < 1e-6 && (scores[1] - 0.731_058_58).abs() < 1e-6, "{scores:?}");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(std::fs::read(folder.path().join(model.save(folder.path()).unwrap())).unwrap(), text.as_bytes());
    assert_eq!((model.learner(), model.notes()["trained_by_parts_of"].as_str()), ("xgboost", Some("v1")));
    let imported = Imported::of("m.ubj", text.into_bytes()).unwrap();
    assert_eq!(imported.settings(), serde_json::json!({"model": "m.ubj"}));
    assert!(!imported.learns() && imported.learns_mean());
}

#[test]
fn a_model_that_does_not_say_what_it_was_trained_on_is_refused() {
    for (text, error) in [
        (
            STUMP.to_owned(),
            "the model has no text 'millrace' that says what it was trained on; train it with scripts/spark/",
        ),
        (with_texts(&[(MARK, "{}")]), "its text 'millrace' does not say what it was trained on: missing field"),
        (stump("churned", FEATURES, ", \"weights\": 1"), "unknown field `weights`"),
        (stump("churned", "[]", ""), "a model of 4 features, but the signature has 0"),
        (
            stump("churned", FEATURES, "")[..200].to_owned(),
            "the text is cut off; the file is damaged or not a model of XGBoost",
        ),
    ] {
        let found = Imported::of("m.ubj", text.into_bytes()).unwrap_err().to_string();
        assert!(found.contains(error), "{found}");
    }
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let missing = Imported::read(&root, "m.ubj").unwrap_err().to_string();
    assert_eq!(missing, "m.ubj: no such file; correct 'model'; it counts from the project root");
    assert_eq!(Imported::content(&root, "m.ubj").unwrap_err().to_string(), missing);
    std::fs::write(folder.path().join("m.ubj"), stump("churned", FEATURES, "")).unwrap();
    assert_eq!(
        Imported::read(&root, "m.ubj").unwrap_err().to_string(),
        "m.ubj: not a model in XGBoost's binary format; save it under a name that ends in .ubj: \
         booster.save_model('model.ubj')"
    );
}

#[test]
fn trees_beyond_the_best_round_are_refused() {
    let mark = format!(r#"{{"version": "v1", "parts": "abc", "label": "y", "features": {FEATURES}}}"#);
    let of = |best: &str, rounds: usize| {
        let text = with_texts(&[(MARK, &mark), (BEST, best)]);
        assert!(
            Imported::of("m.ubj", text.into_bytes()).is_ok() || best != "0",
            "one round, and the best is the first"
        );
        check_trees(Some(best.to_owned()), rounds).err().map(|error| error.to_string())
    };
    assert_eq!((of("0", 1), of("7", 8)), (None, None));
    assert_eq!(
        of("6", 8).unwrap(),
        "the model has 8 rounds of trees, of which early stopping chose the first 7; save only these: \
         booster[:7].save_model('model.ubj')"
    );
    assert!(of("many", 8).unwrap().starts_with("its text 'best_iteration' is 'many', not a number"));
}

#[test]
fn other_columns_categories_and_tasks_are_refused() {
    let features = |from: &str, to: &str| {
        assert!(FEATURES.contains(from), "{from}");
        stump("churned", &FEATURES.replacen(from, to, 1), "")
    };
    let (good, fair) = ("{\"name\": \"good\", \"type\": \"float64\", \"kind\": \"numeric\"}", "\"fair\"");
    for (text, error) in [
        (
            features(fair, "\"fare\""),
            "the model does not fit the table: the table has no 'fare'; it does not know 'fair'",
        ),
        (features("\"float64\"", "\"int64\""), "the model does not fit the table: 'good' is float64, was int64"),
        (features("\"Köln\", ", ""), "'city' has other categories in the train part: 'Köln' is new"),
        (
            features("\"Bonn\"", "\"Bonn\", \"Jena\""),
            "'city' has other categories in the train part: 'Jena' is not there any more",
        ),
        (
            features("\"Bonn\", \"Köln\"", "\"Köln\", \"Bonn\""),
            "'city' has other categories in the train part: their order",
        ),
    ] {
        let found = refusal(&text);
        assert!(found.starts_with("m.ubj: ") && found.contains(error), "{found}");
        assert!(found.ends_with("train it again: scripts/spark/train_xgboost.py, docs/xgboost.md"), "{found}");
    }
    let turned = FEATURES.replacen(good, "@", 1).replacen("\"fair\"", "\"good\"", 1).replacen(
        '@',
        &good.replace("good", "fair"),
        1,
    );
    let found = refusal(&stump("churned", &turned, ""));
    assert!(found.contains("the order of its features is 'fair', 'good', 'noise', 'city'"), "{found}");
    let named = stump("churned", FEATURES, "").replacen("[\"good\", \"fair\"", "[\"fair\", \"good\"", 1);
    let found = refusal(&named);
    assert!(
        found.contains("its trees are about 'fair', 'good', 'noise', 'city', but its text 'millrace' names other"),
        "{found}"
    );
    let nameless = stump("churned", FEATURES, "").replacen("[\"good\", \"fair\", \"noise\", \"city\"]", "[]", 1);
    fit(&nameless, Task::Classification, &rows().1).unwrap();

    let text = stump("churned", FEATURES, "");
    let of = |task: Task, label: &[f64]| fit(&text, task, label).err().unwrap().to_string();
    assert_eq!(
        of(Task::Regression, &[0.1, 0.2, 0.3]),
        "m.ubj: the model's objective is 'binary:logistic', which does not fit 'task: regression'; train it with the objective \
         one for numbers, such as reg:squarederror"
    );
    assert!(of(Task::Multiclass, &[0.0, 1.0, 2.0]).contains("does not fit 'task: multiclass'"));
    // Whether the file agrees with its text about categories.
    let read = |text: String| Imported::of("m.ubj", text.into_bytes()).map(|_| ()).map_err(|error| error.to_string());
    let cats = |offsets: &str, bytes: &str| {
        let none = "{\"offsets\": [], \"values\": []}";
        let cats = format!(
            "\"cats\": {{\"enc\": [{none}, {none}, {none}, {{\"offsets\": {offsets}, \"values\": {bytes}}}], \
             \"feature_segments\": [], \"sorted_idx\": []}}, \"gbtree_model_param\""
        );
        read(text.replacen("\"gbtree_model_param\"", &cats, 1))
    };
    // Bonn, Köln, Ulm
    cats("[0, 4, 9, 12]", "[66, 111, 110, 110, 75, -61, -74, 108, 110, 85, 108, 109]").unwrap();
    let error = cats("[0, 3, 7, 12]", "[85, 108, 109, 66, 111, 110, 110, 75, -61, -74, 108, 110]").unwrap_err();
    assert_eq!(
        error,
        "the categories of 'city' are 'Ulm', 'Bonn', 'Köln' in its trees, but 'Bonn', 'Köln', 'Ulm' in its text 'millrace'; \
         train it again: scripts/spark/train_xgboost.py, docs/xgboost.md"
    );
    assert!(cats("[0, 99]", "[85]").unwrap_err().contains("the names of categories are damaged"));
    let error = read(text.replacen("\"float\", \"float\", \"float\"", "\"float\", \"c\", \"float\"", 1)).unwrap_err();
    assert!(
        error.starts_with("its trees take 'fair' for categories, and its text 'millrace' for a number; train it again"),
        "{error}"
    );
    let begin = text.find("{\"base_weights\"").unwrap();
    let end = begin + text[begin..].find("}}").unwrap() + 2;
    let tree = &text[begin..end];
    let two = text
        .replacen(tree, &format!("{tree}, {tree}"), 1)
        .replacen("\"num_trees\": \"1\"", "\"num_trees\": \"2\"", 1)
        .replacen("[0, 1], \"tree_info\": [0]", "[0, 2], \"tree_info\": [0, 1]", 1)
        .replacen("\"num_class\": \"0\"", "\"num_class\": \"2\"", 1)
        .replacen("binary:logistic", "multi:softprob", 1);
    // Two trees of one round, which early stopping found to be the best.
    let grown = |best: &str| {
        let several = two
            .replacen("\"num_parallel_tree\": \"1\"", "\"num_parallel_tree\": \"2\"", 1)
            .replacen("\"num_class\": \"2\"", "\"num_class\": \"0\"", 1)
            .replacen("\"tree_info\": [0, 1]", "\"tree_info\": [0, 0]", 1)
            .replacen("multi:softprob", "binary:logistic", 1)
            .replacen("\"attributes\": {", &format!("\"attributes\": {{\"best_iteration\": \"{best}\", "), 1);
        read(several)
    };
    grown("0").unwrap();
    assert!(grown("x").unwrap_err().starts_with("its text 'best_iteration' is 'x', not a number"));
    let found = fit(&two, Task::Multiclass, &[0.0, 1.0, 2.0]).err().unwrap().to_string();
    assert!(found.starts_with("m.ubj: the model knows 2 classes, and the label has 3; train it again: "), "{found}");
    let numbers = text.replacen("binary:logistic", "reg:absoluteerror", 1);
    assert!(!Imported::of("m.ubj", numbers.clone().into_bytes()).unwrap().learns_mean());
    fit(&numbers, Task::Regression, &[0.1, 0.2, 0.3]).unwrap();
    assert!(refusal(&numbers).contains("does not fit 'task: classification'"));
}

#[test]
fn a_model_by_the_parts_of_a_version_that_is_gone_or_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::at(folder.path());
    let seeing = |name: &str| {
        let imported = Imported::of("m.ubj", stump("churned", FEATURES, "").into_bytes()).unwrap();
        let path = folder.path().join("v1/parts.parquet");
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let rows = df!("customer_id" => [1i64], "part" => ["train"]).unwrap();
        let mut writer = TableWriter::create(&path, rows.schema()).unwrap();
        writer.write(rows).unwrap();
        let written = writer.finish().unwrap();
        let content = written.content.clone();
        let evidence = Evidence { content, ..Evidence::of(Tool::Train, "churn", name, Stamp::now().time()) };
        written.publish(&path, &evidence).unwrap();
        imported.seeing(&registry).unwrap_err().to_string()
    };
    let gone = Imported::of("m.ubj", stump("churned", FEATURES, "").into_bytes()).unwrap().seeing(&registry);
    let gone = gone.unwrap_err().to_string();
    assert!(
        gone.starts_with(
            "m.ubj: it was trained by the parts of v1, which is not here, so it is unknown which rows it has seen; train it \
             again: "
        ),
        "{gone}"
    );
    // The text of the model has the content 'abc'.
    for name in ["parts", "training"] {
        let found = seeing(name);
        assert!(found.starts_with("m.ubj: it was trained by the parts of another v1; train it again: "), "{found}");
    }
}
