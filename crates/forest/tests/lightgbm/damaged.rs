//! Damaged texts are errors, never panics; whatever passes scores as LightGBM does.

use forest::{Forest, Score};

use crate::library::{Booster, Kind};
use crate::models::{model, rows};
use crate::random::Random;
use crate::scores::same_bits;
use crate::{columns, rounds};

fn cause(text: &str) -> String {
    Forest::read(text).unwrap_err().message().to_owned()
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
                text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(at, _)| at).collect();
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..1 + random.below(3) {
                bytes[*random.of(&digits)] = b'0' + random.below(10) as u8;
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
            const EDGES: [&str; 14] = [
                "-1",
                "0",
                "1",
                "2",
                "5",
                "255",
                "-2147483648",
                "2147483647",
                "4294967295",
                "4294967296",
                "1e308",
                "inf",
                "nan",
                "",
            ];
            let mut words: Vec<String> = lines[at].split(' ').map(str::to_owned).collect();
            let which = random.below(words.len());
            let edge = random.of(&EDGES);
            words[which] = match words[which].split_once('=') {
                Some((name, _)) => format!("{name}={edge}"),
                None => (*edge).to_owned(),
            };
            lines[at] = words.join(" ");
        }
        _ => {
            let other = random.of(&lines).clone();
            if let (Some((name, _)), Some((_, value))) = (lines[at].split_once('='), other.split_once('=')) {
                lines[at] = format!("{name}={value}");
            }
        }
    }
    lines.join("\n") + "\n"
}

/// A tree's size is in the header: set right, so that damage reaches the checks behind it.
fn with_true_sizes(text: &str) -> String {
    let Some((head, rest)) = text.split_once("\nTree=") else { return text.to_owned() };
    let rest = format!("Tree={rest}");
    let end = rest.find("end of trees").unwrap_or(rest.len());
    let mut starts: Vec<usize> = rest[..end].match_indices("Tree=").map(|(at, _)| at).collect();
    starts.push(end);
    let sizes: Vec<String> = starts.windows(2).map(|pair| (pair[1] - pair[0]).to_string()).collect();
    let sizes = format!("tree_sizes={}", sizes.join(" "));
    let head: Vec<&str> =
        head.lines().map(|line| if line.starts_with("tree_sizes=") { &sizes } else { line }).collect();
    format!("{}\n\n{rest}", head.join("\n").trim_end_matches('\n'))
}

const KINDS: [&str; 7] = [
    "objective=binary num_leaves=6",
    "objective=regression reg_sqrt=true num_leaves=12",
    "objective=binary boosting=rf bagging_fraction=0.7 bagging_freq=1 num_leaves=6",
    "objective=multiclass num_class=4 num_leaves=4",
    "objective=regression linear_tree=true num_leaves=5",
    "objective=regression min_data_in_leaf=390",
    "objective=quantile zero_as_missing=true num_leaves=70 min_data_in_leaf=1",
];

/// `MILLRACE_FUZZ` is the number of mutations, if more than usual are wanted.
#[test]
fn what_passes_scores_as_lightgbm_does() {
    let mut random = Random::new(20_261_126);
    let models: Vec<_> = KINDS.iter().map(|kind| model(kind, &mut random)).collect();
    let rounds = rounds(3_000);
    let (mut passed, mut refused) = (0, 0);
    for round in 0..rounds {
        let (text, table) = &models[round % models.len()];
        let (flat, by_column) = rows(text, table, &mut random, 40);
        let mut text = text.clone();
        for _ in 0..1 + random.below(2) {
            text = mutated(&text, &mut random);
        }
        if random.below(2) == 0 {
            text = with_true_sizes(&text);
        }
        let forest = match Forest::read(&text) {
            Ok(forest) => forest,
            Err(error) => {
                refused += 1;
                assert!(error.message().starts_with("line "), "{}", error.message());
                continue;
            }
        };
        let Some(booster) = Booster::read(&text) else { continue };
        if forest.features() != by_column.len() {
            continue;
        }
        passed += 1;
        let table = columns(&by_column);
        let scores = forest.scores(&table, Score::Predicted, 1).unwrap();
        same_bits(&scores, &booster.predict(&flat, Kind::Normal, 1), "damaged");
        same_bits(&forest.scores(&table, Score::Raw, 1).unwrap(), &booster.predict(&flat, Kind::Raw, 1), "damaged");
        if let Ok(explainer) = forest.explainer() {
            assert_eq!(explainer.contributions(&table, 1).unwrap().len(), scores.len() * (by_column.len() + 1));
        }
    }
    assert!(passed > rounds / 100 && refused > rounds / 2, "{passed} passed, {refused} refused");
}

#[test]
fn each_damage_is_named() {
    let (text, _) = model("objective=binary num_leaves=6", &mut Random::new(1));
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    let with = |name: &str, new: String| cause(&text.replacen(line(name), &new, 1));
    assert_eq!(with("split_feature", format!("split_feature=7{}", &line("split_feature=")[15..])), {
        let at = text.lines().position(|line| line.is_empty()).unwrap();
        let size = text[at..].lines().count();
        assert!(size > 0);
        let end = text.lines().enumerate().skip(at + 1).find(|(_, line)| line.is_empty()).unwrap().0;
        format!("line {}: tree 0: 'split_feature' holds 7, but there are 7 features", end + 2)
    });
    for (name, new, expected) in [
        ("num_leaves", "num_leaves=-5", "'num_leaves' holds '-5'"),
        ("num_leaves", "num_leaves=999999999", "'num_leaves' is 999999999, not 1 to 131072"),
        ("max_feature_idx", "max_feature_idx=7", "'feature_names' has 7 entries, not 8"),
        ("objective", "objective=no_such", "objective 'no_such' is not known"),
        ("is_linear", "is_linear=2", "tree 0: 'is_linear' is '2'"),
        ("version", "version=v9", "version 'v9' is not known"),
        ("num_class", "num_class=2", "'num_tree_per_iteration' is 1 with 2 classes"),
        ("Tree=0", "Tree=1", "'Tree=1' where 'Tree=0' is expected"),
        ("is_linear", "is_linear=0\nis_linear=0", "'is_linear' is given twice"),
        ("shrinkage", "shrinking=1", "tree 0: 'shrinkage' is missing"),
        ("feature_importances:", "importances:", "'importances:' where 'feature_importances:' is expected"),
        ("parameters:", "parameter:", "'parameter:' where 'parameters:' is expected"),
        ("[num_leaves", "num_leaves", "'num_leaves' is not a parameter"),
    ] {
        let found = with(name, new.to_owned());
        assert!(found.starts_with("line ") && found.ends_with(expected), "{name}: {found}");
    }
    assert!(with("right_child", format!("{} 1", line("right_child"))).contains("'right_child' has 6 entries, not 5"));
    let (_, values) = line("leaf_value").split_once(' ').unwrap();
    for number in ["inf", "-inf", "nan", "1e999"] {
        let found = with("leaf_value", format!("leaf_value={number} {values}"));
        assert!(found.contains("'leaf_value' holds a number that is not finite"), "{number}: {found}");
    }
    assert!(with("threshold", line("threshold").replacen('.', "x", 1)).contains("'threshold' holds '"));
    assert!(with("tree_sizes", line("tree_sizes").replacen('=', "=9", 1)).contains("but 'tree_sizes' says"));
    assert!(with("decision_type", line("decision_type").replacen('=', "=1", 1)).contains("'decision_type' holds 1"));
    assert!(cause(text.trim_end()).contains("the text is cut off in "));
    assert_eq!(cause(""), "line 1: the text ends where the word 'tree' is expected");
    assert!(cause(&text.replacen("tree\n", "tree\0\n", 1)).contains("holds a control character"));
    assert!(cause(&format!("{text}more\n")).contains("'more' after the end of the parameters"));
    let error = Forest::read("").unwrap_err();
    assert_eq!(error.way_out(), Some("the file is damaged or not a model of LightGBM 4; restore it, or train again"));
    // As Python adds.
    Forest::read(&format!("{text}\npandas_categorical:[[\"a\"]]\n")).unwrap();
}
