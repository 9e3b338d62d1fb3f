//! Contributions are LightGBM's but for rounding, and add up to the raw score.

use forest::{Forest, Score};

use crate::library::{Booster, Kind};
use crate::models::{KINDS, model, rows};
use crate::random::Random;
use crate::{columns, library, rounds};

#[track_caller]
fn close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= 1e-9 * scale, "{what}, number {at}: {ours:e}, not {theirs:e}");
    }
}

/// Rows of contributions against the scores that they explain.
#[track_caller]
fn adds_up(contributions: &[f64], width: usize, scores: &[f64], what: &str) {
    let sums: Vec<f64> = contributions.chunks(width).map(|row| row.iter().sum()).collect();
    close(&sums, scores, what);
}

#[test]
fn random_models_are_explained_as_lightgbm_does() {
    let mut random = Random::new(21);
    for round in 0..rounds(2 * KINDS.len()) {
        let kind = KINDS[round % KINDS.len()];
        let (text, table) = model(kind, &mut random);
        let forest = Forest::read(&text).unwrap();
        if kind.contains("linear_tree") {
            if forest.is_linear() {
                let error = forest.explainer().unwrap_err();
                assert_eq!(error.message(), "contributions of features are not defined for linear trees");
            }
            continue;
        }
        let booster = Booster::read(&text).unwrap();
        let count = 1 + random.below(300);
        let (flat, by_column) = rows(&text, &table, &mut random, count);
        let table = columns(&by_column);
        let theirs = booster.predict(&flat, Kind::Contributions, 1);
        let explainer = forest.explainer().unwrap();
        let ours = explainer.contributions(&table, 1 + random.below(3)).unwrap();
        close(&ours, &theirs, kind);
        let raw = forest.scores(&table, Score::Raw, 1).unwrap();
        adds_up(&ours, forest.features() + 1, &raw, kind);
    }
}

/// Many features and deep trees: long paths, many repeats.
#[test]
fn wide_and_deep_trees_are_explained() {
    let mut random = Random::new(22);
    for (features, leaves, few) in [(26, 31, false), (26, 120, false), (9, 200, true), (40, 255, true), (2, 90, true)] {
        let count = 1500;
        let table: Vec<Vec<f64>> = (0..features)
            .map(|_| (0..count).map(|_| if few { random.below(7) as f64 } else { random.share() }).collect())
            .collect();
        let label: Vec<f32> = (0..count)
            .map(|row| {
                let weighted = table.iter().enumerate().map(|(at, column)| column[row] * (1.0 + (at % 5) as f64));
                (weighted.sum::<f64>() + table[0][row] * table[1][row] * 3.0 + random.share()) as f32
            })
            .collect();
        let parameters = format!(
            "objective=regression num_leaves={leaves} min_data_in_leaf=2 num_threads=1 verbosity=-1 learning_rate=0.3 \
             extra_trees=true seed={leaves}"
        );
        let text = library::train(&table, &label, None, &parameters, 12);
        let forest = Forest::read(&text).unwrap();
        let booster = Booster::read(&text).unwrap();
        let flat: Vec<f64> = (0..200).flat_map(|row| table.iter().map(move |column| column[row])).collect();
        let first: Vec<Vec<f64>> = table.iter().map(|column| column[..200].to_vec()).collect();
        let ours = forest.explainer().unwrap().contributions(&columns(&first), 2).unwrap();
        let what = format!("{features} features, {leaves} leaves");
        let raw = forest.scores(&columns(&first), Score::Raw, 2).unwrap();
        adds_up(&ours, features + 1, &raw, &what);
        close(&ours, &booster.predict(&flat, Kind::Contributions, 1), &what);
    }
}

#[test]
fn the_strongest_are_those_of_the_whole_matrix() {
    let mut random = Random::new(23);
    for kind in ["objective=binary", "objective=multiclass num_class=4"] {
        let (text, table) = model(kind, &mut random);
        let forest = Forest::read(&text).unwrap();
        let (_, by_column) = rows(&text, &table, &mut random, 300);
        let table = columns(&by_column);
        let explainer = forest.explainer().unwrap();
        let matrix = explainer.contributions(&table, 1).unwrap();
        for count in [0, 1, 3, 100] {
            let strongest = explainer.strongest(&table, count, 2).unwrap();
            for (at, contributions) in matrix.chunks(8).enumerate() {
                let mut expected: Vec<usize> = (0..7).filter(|feature| contributions[*feature] != 0.0).collect();
                expected.sort_by(|a, b| contributions[*b].abs().total_cmp(&contributions[*a].abs()));
                expected.truncate(count);
                let found = strongest.of(at / forest.outputs(), at % forest.outputs());
                let features: Vec<usize> = found.iter().map(|reason| reason.feature as usize).collect();
                assert_eq!(features, expected, "{kind}, row {at}");
                assert!(found.iter().all(|reason| reason.contribution == contributions[reason.feature as usize]));
            }
        }
    }
}
