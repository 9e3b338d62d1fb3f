//! Real models pass; of damaged ones, whatever passes is safe in the hands of C++.

use super::*;
use crate::lightgbm::{Booster, Dataset, Parameters, train};
use crate::random::Random;
use crate::{Feature, Matrix};

fn matrix() -> Matrix {
    let features =
        vec![Feature::numeric("x=1"), Feature::numeric("y"), Feature::categorical("c", ["a", "b", "c", "d", "e"])];
    let x = (0..240).map(|row| ((row * 37) % 101) as f64 / 8.0).collect();
    let y = (0..240).map(|row| if row % 11 == 0 { f64::NAN } else { ((row * 53) % 97) as f64 }).collect();
    let c = (0..240).map(|row| f64::from(row % 5)).collect();
    Matrix::from_columns(features, vec![x, y, c]).unwrap()
}

/// Models of every kind, a few trees each.
fn models() -> Vec<String> {
    let label: Vec<f64> = (0..240).map(|row| f64::from(u8::from((row * 37) % 101 + (row % 5) * 20 > 80))).collect();
    let sets: [&[(&str, &str)]; 6] = [
        &[("objective", "binary")],
        &[("objective", "regression"), ("reg_sqrt", "true")],
        &[("objective", "binary"), ("boosting", "rf"), ("bagging_fraction", "0.7"), ("bagging_freq", "1")],
        &[("objective", "tweedie"), ("boosting", "dart"), ("drop_rate", "0.5")],
        &[("objective", "regression"), ("min_data_in_leaf", "200")],
        &[("objective", "quantile"), ("zero_as_missing", "true")],
    ];
    let model = |set: &&[(&str, &str)]| {
        let mut parameters = Parameters::default();
        for (name, value) in
            [("num_leaves", "6"), ("min_data_in_leaf", "5"), ("min_data_per_group", "5"), ("seed", "7")]
        {
            parameters.set(name, value);
        }
        parameters.set("categorical_feature", 2);
        parameters.set("verbosity", 0);
        set.iter().for_each(|(name, value)| parameters.set(name, value));
        let data = Dataset::new(&matrix(), &label, None, &parameters, None).unwrap();
        train(&data, None, &parameters, 3).unwrap().booster.text().to_owned()
    };
    sets.iter().map(model).collect()
}

fn cause(text: &str) -> String {
    check(text).unwrap_err().message().to_owned()
}

#[test]
fn real_models_are_outlined() {
    let outlines: Vec<Outline> =
        models().iter().map(|text| check(text).unwrap_or_else(|e| panic!("{e}\n{text}"))).collect();
    assert!(outlines.iter().all(|outline| outline.features == 3 && outline.classes == 1));
    assert_eq!(
        outlines.iter().map(|outline| outline.averages).collect::<Vec<_>>(),
        [false, false, true, false, false, false]
    );
    assert_eq!(outlines[0].trees, 3);
    assert_eq!((outlines[4].trees, outlines[4].stumps), (1, 1), "no split leaves 200 rows on both sides");
    // As Python adds.
    let python = format!("{}\npandas_categorical:[[\"a\"]]\n", models()[0]);
    assert_eq!(check(&python).unwrap(), outlines[0]);
}

#[test]
fn each_damage_is_named() {
    let text = &models()[0];
    let line =
        |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}")).to_owned();
    let with = |name: &str, to: &dyn Fn(&str) -> String| {
        let old = line(name);
        let new = to(&old);
        let changed = text.replacen(&old, &new, 1);
        // Sizes are checked last: the same length leaves the other checks to find it.
        cause(&changed)
    };
    let digit = |line: &str, from: &str, to: &str| {
        assert!(line.contains(from), "no {from} in {line}");
        line.replacen(from, to, 1)
    };
    assert!(
        with("split_feature", &|old| digit(old, "=0", "=7").replacen("=1", "=7", 1).replacen("=2", "=7", 1))
            .contains("'split_feature' holds 7, but there are 3 features")
    );
    assert!(with("left_child", &|old| digit(old, "=", "=9")).contains("but there are 5 splits"));
    assert!(with("right_child", &|old| format!("{old} 1")).contains("'right_child' has 6 entries, not 5"));
    assert!(with("num_leaves", &|_| "num_leaves=-5".to_owned()).contains("'num_leaves' holds '-5'"));
    assert!(with("num_leaves", &|_| "num_leaves=999999999".to_owned()).contains("'num_leaves' is 999999999"));
    assert!(
        with("max_feature_idx", &|_| "max_feature_idx=3".to_owned()).contains("'feature_names' has 3 entries, not 4")
    );
    assert!(with("leaf_value", &|old| digit(old, "=", "=nan ")).contains("'leaf_value' has 7 entries"));
    assert!(with("threshold", &|old| digit(old, ".", "x")).contains("'threshold' holds '"));
    assert!(with("objective", &|_| "objective=lambdarank".to_owned()).contains("objective 'lambdarank' is not known"));
    assert!(with("is_linear", &|_| "is_linear=1".to_owned()).contains("linear trees are not known here"));
    assert!(with("tree_sizes", &|old| digit(old, " ", " 9")).contains("but 'tree_sizes' says"));
    assert!(with("cat_boundaries", &|old| format!("{old} 9")).contains("'cat_boundaries' has"));
    assert!(with("version", &|_| "version=v9".to_owned()).contains("version 'v9' is not known"));
    assert!(with("num_class", &|_| "num_class=2".to_owned()).contains("'num_tree_per_iteration' is 1 with 2 classes"));
    assert!(with("decision_type", &|old| digit(old, "=", "=1")).contains("'decision_type' holds 1"));
    assert!(cause(&text.replacen("num_cat", "num_cats", 1)).contains("no 'num_cat'"));
    assert!(
        cause(&text.replacen("\ntree_sizes", "\nlabel_index=0\ntree_sizes", 1))
            .contains("'label_index' is given twice")
    );
    assert!(cause(text.trim_end()).contains("the text is cut off in "));
    assert!(cause("").contains("the text ends where the word 'tree' should stand"));
    assert!(cause(&text.replacen("tree\n", "tree\0\n", 1)).contains("holds a control character"));
    assert!(cause(&text.replacen("[linear_tree: 0]", "[linear_tree: 1]", 1)).contains("linear trees"));
}

#[test]
fn a_ring_of_nodes_is_no_tree() {
    // Root with two leaves; two more nodes are the children of each other.
    assert!(check_shape(&[-1, 2, 1], &[-2, -3, -4]).unwrap_err().contains("2 of 3 splits cannot be reached"));
    assert!(check_shape(&[1, -1], &[1, -2]).unwrap_err().contains("1 is the child of two splits"));
    assert!(check_shape(&[0], &[-1]).unwrap_err().contains("0 is the child of two splits"));
    assert!(check_shape(&[-1], &[-1]).unwrap_err().contains("-1 is the child of two splits"));
    assert!(check_shape(&[i32::MIN], &[-1]).unwrap_err().contains("there are 1 splits"));
    assert_eq!(check_shape(&[-1], &[-2]), Ok(()));
    assert_eq!(check_shape(&[], &[]), Ok(()));
    let deep = DEEPEST + 5;
    let left: Vec<i32> = (0..deep).map(|node| if node + 1 < deep { node as i32 + 1 } else { !(deep as i32) }).collect();
    let right: Vec<i32> = (0..deep).map(|node| !(node as i32)).collect();
    assert!(check_shape(&left, &right).unwrap_err().contains("deeper than"));
}

/// One mutation, as damage and people make them.
fn mutated(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() || !text.is_ascii() || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let at = random.below(lines.len());
    match random.below(10) {
        0 => {
            let mut bytes = text.as_bytes().to_vec();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(7);
            return String::from_utf8(bytes).unwrap_or_default();
        }
        1 => return text[..random.below(text.len())].to_owned(),
        2 | 3 => {
            // One digit becomes another: the length stays.
            let digits: Vec<usize> =
                text.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..1 + random.below(3) {
                bytes[digits[random.below(digits.len())]] = b'0' + random.below(10) as u8;
            }
            return String::from_utf8(bytes).unwrap_or_default();
        }
        4 => drop(lines.remove(at)),
        5 => {
            let line = lines[at].clone();
            lines.insert(at, line);
        }
        6 => {
            let other = random.below(lines.len());
            lines.swap(at, other);
        }
        7 | 8 => {
            // A number becomes one from the edge.
            const EDGES: [&str; 12] =
                ["-1", "0", "1", "2", "5", "255", "-2147483648", "2147483647", "4294967296", "1e308", "nan", ""];
            let words: Vec<String> = lines[at].split(' ').map(str::to_owned).collect();
            let which = random.below(words.len());
            let edge = EDGES[random.below(EDGES.len())];
            let new = match words[which].split_once('=') {
                Some((name, _)) => format!("{name}={edge}"),
                None => edge.to_owned(),
            };
            let mut words = words;
            words[which] = new;
            lines[at] = words.join(" ");
        }
        _ => {
            let other = lines[random.below(lines.len())].clone();
            if let (Some((name, _)), Some((_, value))) = (lines[at].split_once('='), other.split_once('=')) {
                lines[at] = format!("{name}={value}");
            }
        }
    }
    lines.join("\n") + "\n"
}

/// A tree's size is told in the header: set right, so that damage reaches the checks behind it.
fn with_true_sizes(text: &str) -> String {
    let Some((head, rest)) = text.split_once("\nTree=") else { return text.to_owned() };
    let rest = format!("Tree={rest}");
    let end = rest.find("end of trees").unwrap_or(rest.len());
    let mut starts: Vec<usize> = rest[..end].match_indices("Tree=").map(|(at, _)| at).collect();
    starts.push(end);
    let sizes: Vec<String> = starts.windows(2).map(|pair| (pair[1] - pair[0]).to_string()).collect();
    let head: Vec<String> =
        head.lines()
            .map(|line| {
                if line.starts_with("tree_sizes=") {
                    format!("tree_sizes={}", sizes.join(" "))
                } else {
                    line.to_owned()
                }
            })
            .collect();
    format!("{}\n\n{rest}", head.join("\n").trim_end_matches('\n'))
}

/// How long it tries says `testkit::fuzz`.
#[test]
fn what_passes_is_safe_to_score_with() {
    let (models, matrix) = (models(), matrix().slice(0..24));
    let (mut passed, mut refused, mut rounds) = (0, 0, 0);
    for round in testkit::fuzz::Rounds::of(2_000) {
        let mut random = Random::new(round.seed, 0);
        let mut text = models[rounds % models.len()].clone();
        rounds += 1;
        for _ in 0..1 + random.below(2) {
            text = mutated(&text, &mut random);
        }
        if random.below(2) == 0 {
            text = with_true_sizes(&text);
        }
        match check(&text) {
            Err(error) => {
                refused += 1;
                assert!(error.message().starts_with("line "), "{error}");
            }
            Ok(outline) => {
                let Ok(booster) = Booster::from_text(text) else { continue };
                passed += 1;
                assert_eq!(booster.features(), outline.features);
                if outline.features == 3 {
                    assert_eq!(booster.predict(&matrix).unwrap().len(), 24);
                    assert_eq!(booster.contributions(&matrix).unwrap().len(), 24 * 4);
                    booster.importance(crate::lightgbm::Importance::Gain).unwrap();
                }
            }
        }
    }
    assert!(passed > rounds / 100 && refused > rounds / 2, "{passed} passed, {refused} refused");
}
