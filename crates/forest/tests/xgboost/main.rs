//! Models and predictions of Python's xgboost, made by `fixtures.py`: scores equal bit by bit, contributions as near as its
//! single precision.

use std::collections::BTreeSet;
use std::path::PathBuf;

use forest::{Column, Forest, RowScorer, Score, Values};
use spec::random::Random;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/xgboost")
}

/// Names of the models with their bytes.
fn models() -> Vec<(String, Vec<u8>)> {
    let files: BTreeSet<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_model = |file: &&PathBuf| file.extension().is_some_and(|end| end == "json" || end == "ubj");
    let name = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().filter(is_model).map(|file| (name(file), std::fs::read(file).unwrap())).collect()
}

/// What Python said of one row.
struct Expected {
    values: Vec<f64>,
    raw: Vec<f32>,
    predicted: Vec<f32>,
    contributions: Vec<f64>,
}

fn expected(name: &str) -> Vec<Expected> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
    let row = |line: &str| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let numbers = |part: &str| part.split(' ').map(|number| number.parse().unwrap()).collect();
        let bits = |part: &str| {
            part.split(' ').map(|hex| f32::from_bits(u32::from_str_radix(hex, 16).unwrap())).collect::<Vec<f32>>()
        };
        Expected {
            values: numbers(parts[0]),
            raw: bits(parts[1]),
            predicted: bits(parts[2]),
            contributions: numbers(parts[3]),
        }
    };
    text.lines().map(row).collect()
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

#[test]
fn scores_are_those_of_python() {
    let models = models();
    assert!(models.len() >= 15, "{} models", models.len());
    for (name, bytes) in models {
        let forest = Forest::read_xgboost(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(forest.feature_names(), ["a", "b", "c", "d"]);
        let expected = expected(&name);
        let table: Vec<Vec<f64>> = (0..4).map(|at| expected.iter().map(|row| row.values[at]).collect()).collect();
        let columns: Vec<Column<'_>> = table.iter().map(|column| Column::new(Values::F64(column))).collect();
        let outputs = forest.outputs();
        let raw = forest.scores(&columns, Score::Raw, 2).unwrap();
        let predicted = forest.scores(&columns, Score::Predicted, 1).unwrap();
        let contributions = forest.explainer().unwrap().contributions(&columns, 1).unwrap();
        let mut rows = RowScorer::new(&forest);
        for (at, row) in expected.iter().enumerate() {
            let (ours, probable) = (&raw[at * outputs..][..outputs], &predicted[at * outputs..][..outputs]);
            assert_eq!(single(ours), row.raw, "{name}, row {at}");
            match forest.objective() {
                // Python gives the number of the class.
                Some("multi:softmax") => {
                    let class = (0..outputs).fold(0, |best, at| if probable[at] > probable[best] { at } else { best });
                    assert_eq!([class as f32], row.predicted[..], "{name}, row {at}");
                }
                _ => assert_eq!(single(probable), row.predicted, "{name}, row {at}"),
            }
            let mut alone = vec![0.0; outputs];
            rows.score(&row.values, Score::Raw, &mut alone).unwrap();
            assert_eq!(alone, ours, "{name}, row {at} alone");
            let why = &contributions[at * outputs * 5..][..5];
            assert!((why.iter().sum::<f64>() - ours[0]).abs() < 1e-5, "{name}, row {at}: they add up");
            for (ours, theirs) in why.iter().zip(&row.contributions) {
                assert!((ours - theirs).abs() < 2e-5, "{name}, row {at}: {ours}, Python {theirs}");
            }
        }
    }
}

#[test]
fn both_formats_are_one_model() {
    let models = models();
    let of = |name: &str| Forest::read_xgboost(&models.iter().find(|model| model.0 == name).unwrap().1).unwrap();
    let (json, binary) = (of("binary"), of("binary_ubj"));
    assert_eq!((json.trees(), json.leaves()), (binary.trees(), binary.leaves()));
    assert_eq!(json.importance(forest::Importance::Gain), binary.importance(forest::Importance::Gain));
}

#[test]
fn texts_beside_the_trees_are_read_by_name() {
    let models = models();
    let bytes = |name: &str| models.iter().find(|model| model.0 == name).unwrap().1.clone();
    let text = String::from_utf8(bytes("binary")).unwrap();
    let with = |texts: &str| {
        let text = text.replacen("\"attributes\":{}", &format!("\"attributes\":{texts}"), 1);
        Forest::xgboost_attributes(text.as_bytes())
    };
    assert_eq!(with("{}").unwrap(), []);
    let texts = with("{\"best_iteration\":\"3\",\"note\":\"{\\\"a\\\": 1}\"}").unwrap();
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(texts, [pair("best_iteration", "3"), pair("note", "{\"a\": 1}")]);
    assert_eq!(with("[]").unwrap_err().message(), "learner.attributes: not an object");
    assert_eq!(with("{\"n\":3}").unwrap_err().message(), "learner.attributes.n: not a text");
    assert_eq!(Forest::xgboost_attributes(&bytes("binary_ubj")).unwrap(), []);
}

#[test]
fn what_is_not_known_is_refused_by_its_place() {
    let models = models();
    let text = |name: &str| String::from_utf8(models.iter().find(|model| model.0 == name).unwrap().1.clone()).unwrap();
    let (binary, classes, dart) = (text("binary"), text("classes"), text("dart"));
    let refused = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "no {from}");
        let found = Forest::read_xgboost(text.replacen(from, to, 1).as_bytes());
        let error = found.err().unwrap_or_else(|| panic!("{to} is read"));
        let hint = "the file is damaged or not a model of XGBoost 2 or 3; restore it, or train again";
        assert_eq!(error.way_out(), Some(hint));
        error.message().to_owned()
    };
    for (from, to, cause) in [
        ("\"binary:logistic\"", "\"reg:quantum\"", "learner.objective: objective 'reg:quantum' is not known"),
        (
            "\"binary:logistic\"",
            "\"multi:softprob\"",
            "learner.objective: objective 'multi:softprob' does not fit 1 classes",
        ),
        (
            "\"name\":\"gbtree\"",
            "\"name\":\"gblinear\"",
            "learner.gradient_booster.name: booster 'gblinear' is not a forest",
        ),
        ("\"version\":[3", "\"version\":[9", "version: version 9.2.0 is not known"),
        (
            "\"num_feature\":\"4\",\"num_target\"",
            "\"num_feature\":\"3\",\"num_target\"",
            "learner: 'feature_names' has 4 entries, not 3",
        ),
        (
            "\"num_feature\":\"4\"",
            "\"num_feature\":\"3\"",
            "learner.gradient_booster.model.trees[0].tree_param: 'num_feature' is 3, but the model has 4",
        ),
        (
            "\"num_feature\":\"4\",\"num_target\"",
            "\"num_feature\":\"99999999999\",\"num_target\"",
            "learner.learner_model_param.num_feature: 99999999999 is not 1 to 1048576",
        ),
        (
            "\"num_target\":\"1\"",
            "\"num_target\":\"2\"",
            "learner.learner_model_param: models of 2 labels are not known here",
        ),
        (
            "\"size_leaf_vector\":\"1\"",
            "\"size_leaf_vector\":\"3\"",
            "learner.gradient_booster.model.trees[0].tree_param: leaves of 3 values are not known here",
        ),
        ("\"split_type\":[", "\"split_kind\":[", "learner.gradient_booster.model.trees[0]: 'split_kind' is not known"),
        ("\"left_children\":[", "\"left_children\":[1,", "learner.gradient_booster.model.trees[0].left_children: has "),
        (
            "\"split_indices\":[",
            "\"split_indices\":[1.5,",
            "learner.gradient_booster.model.trees[0].split_indices[0]: not a",
        ),
        ("\"base_score\":\"[", "\"base_score\":\"[x", "learner.learner_model_param.base_score: "),
        ("\"num_trees\":\"5\"", "\"num_trees\":\"6\"", "learner.gradient_booster.model: 5 trees, but 'num_trees' is 6"),
        (
            "\"tree_info\":[0",
            "\"tree_info\":[1",
            "learner.gradient_booster.model.tree_info: holds 1, but there are 1 outputs",
        ),
        ("{\"learner\":", "{\"learner\" ", "line 1: no ':' where it is expected"),
    ] {
        let found = refused(&binary, from, to);
        assert!(found.starts_with(cause), "{found}");
    }
    let found = refused(&classes, "\"tree_info\":[0,0,1", "\"tree_info\":[0,1,1");
    assert_eq!(found, "learner.gradient_booster.model.tree_info: not every output has as many trees");
    let found = refused(&dart, "\"weight_drop\":[", "\"weight_drop\":[1,");
    assert_eq!(found, "learner.gradient_booster.gbtree.model: 8 trees, but 'weight_drop' has 9 entries");
    assert!(Forest::read_xgboost(b"").is_err() && Forest::read_xgboost(b"tree\nversion=v4\n").is_err());
}

/// A category with a high number takes much room in a set: many of them would take all memory.
#[test]
fn a_short_file_cannot_ask_for_much_memory() {
    let text = String::from_utf8(models().into_iter().find(|model| model.0 == "onehot").unwrap().1).unwrap();
    let from = text.find("{\"base_weights\"").unwrap();
    let to = from + text[from..].find("\"tree_param\"").unwrap();
    let to = to + text[to..].find("}}").unwrap() + 2;
    // A tree of many splits by one high category each, in a chain.
    let splits = 300i64;
    let list = |of: &dyn Fn(i64) -> i64, count: i64| {
        let items: Vec<String> = (0..count).map(|at| of(at).to_string()).collect();
        format!("[{}]", items.join(","))
    };
    let nodes = 2 * splits + 1;
    let is_split = |at: i64| at % 2 == 0 && at < 2 * splits;
    let child = |by: i64| move |at: i64| if at % 2 == 0 && at < 2 * splits { at + by } else { -1 };
    let zeros = list(&|_| 0, nodes);
    let tree = format!(
        "{{\"base_weights\":{zeros},\"categories\":{},\"categories_nodes\":{},\"categories_segments\":{},\"categories_sizes\":{},\
         \"default_left\":{zeros},\"id\":0,\"left_children\":{},\"loss_changes\":{zeros},\"parents\":{zeros},\
         \"right_children\":{},\"split_conditions\":{zeros},\"split_indices\":{},\"split_type\":{},\"sum_hessian\":{},\
         \"tree_param\":{{\"num_deleted\":\"0\",\"num_feature\":\"4\",\"num_nodes\":\"{nodes}\",\"size_leaf_vector\":\"1\"}}}}",
        list(&|_| (1 << 24) - 1, splits),
        list(&|at| 2 * at, splits),
        list(&|at| at, splits),
        list(&|_| 1, splits),
        list(&child(1), nodes),
        list(&child(2), nodes),
        list(&|_| 3, nodes),
        list(&|at| i64::from(is_split(at)), nodes),
        list(&|_| 1, nodes),
    );
    let text = format!("{}{tree}{}", &text[..from], &text[to..]);
    let error = Forest::read_xgboost(text.as_bytes()).expect_err("too large").message().to_owned();
    assert_eq!(error, "learner.gradient_booster.model.trees[0]: the sets of categories are too large together");
}

/// A damaged file never ends the process: a forest that is read can score.
#[test]
fn damaged_files_are_errors_or_forests() {
    let (models, mut random) = (models(), Random::new(9, 9));
    let (mut read, mut refused) = (0, 0);
    for round in 0..3_000 {
        let mut bytes = models[round % models.len()].1.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes.truncate(at.max(1)),
                2 => {
                    // Another digit, so that the syntax stays.
                    let digit = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()).unwrap_or(at);
                    bytes[digit] = b'0' + random.below(10) as u8;
                }
                _ => {
                    let end = (at + random.below(20)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        match Forest::read_xgboost(&bytes) {
            Err(_) => refused += 1,
            Ok(forest) => {
                read += 1;
                let column = [0.5, f64::NAN, -3.0];
                let columns = vec![Column::new(Values::F64(&column)); forest.features()];
                forest.scores(&columns, Score::Predicted, 1).unwrap();
                if let Ok(explainer) = forest.explainer() {
                    explainer.contributions(&columns, 1).unwrap();
                }
            }
        }
    }
    assert!(read > 100 && refused > 1_000, "{read} read, {refused} refused");
}
