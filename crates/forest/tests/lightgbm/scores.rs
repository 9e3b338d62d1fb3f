//! Scores are LightGBM's to the last bit.

use forest::{Bits, Column, Forest, Importance, Score, Values};

use crate::library::{Booster, Kind, train};
use crate::models::{KINDS, model, rows};
use crate::random::Random;
use crate::{columns, rounds};

#[track_caller]
pub fn same_bits(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
        assert!(same, "{what}, number {at}: {ours:e}, not {theirs:e}");
    }
}

#[test]
fn random_models_score_random_rows_as_lightgbm_does() {
    let mut random = Random::new(14);
    let (mut linear, mut averages, mut several, mut large) = (0, 0, 0, 0);
    for round in 0..rounds(3 * KINDS.len()) {
        let kind = KINDS[round % KINDS.len()];
        let (text, table) = model(kind, &mut random);
        let forest = Forest::read(&text).unwrap_or_else(|error| panic!("{kind}: {}\n{text}", error.message()));
        let booster = Booster::read(&text).unwrap();
        assert_eq!((forest.features(), forest.outputs()), (booster.features, booster.outputs), "{kind}");
        let count = 1 + random.below(700);
        let (flat, by_column) = rows(&text, &table, &mut random, count);
        let table = columns(&by_column);
        for (score, kind_of_score) in [(Score::Raw, Kind::Raw), (Score::Predicted, Kind::Normal)] {
            let theirs = booster.predict(&flat, kind_of_score, 1);
            let threads = 1 + random.below(3);
            same_bits(
                &forest.scores(&table, score, threads).unwrap(),
                &theirs,
                &format!("{kind}, {score:?}, {threads}"),
            );
            let mut scorer = forest.row_scorer();
            let mut single = booster.single_rows(kind_of_score);
            let (mut one_by_one, mut their_score) = (vec![0.0; theirs.len()], vec![0.0; booster.outputs]);
            for (row, scores) in flat.chunks(booster.features).zip(one_by_one.chunks_mut(booster.outputs)) {
                scorer.score(row, score, scores).unwrap();
                single.predict(row, &mut their_score);
                same_bits(scores, &their_score, &format!("{kind}, {score:?}, a single row"));
            }
            same_bits(&one_by_one, &theirs, &format!("{kind}, {score:?}, one by one"));
        }
        for (counted, gain) in [(Importance::Gain, true), (Importance::Split, false)] {
            same_bits(&forest.importance(counted), &booster.importance(gain), &format!("{kind}, {counted:?}"));
        }
        linear += usize::from(forest.is_linear());
        averages += usize::from(forest.averages());
        several += usize::from(forest.outputs() > 1);
        large += usize::from(text.contains("num_leaves=90\n") || text.contains("num_leaves=150\n"));
    }
    assert!(linear > 5 && averages > 5 && several > 8 && large > 3, "{linear}, {averages}, {several}, {large}");
}

/// More thresholds and categories of one feature than tables are made for, and categories far apart.
#[test]
fn features_of_many_thresholds_and_categories_score_as_lightgbm_does() {
    let mut random = Random::new(31);
    let count = 6_000;
    let categories: Vec<f64> = (0..count).map(|_| random.below(1_600) as f64).collect();
    let far = |at: usize| if at == 0 { 70_000.0 } else { (at * 11) as f64 };
    let far: Vec<f64> = (0..count).map(|_| far(random.below(300))).collect();
    let number: Vec<f64> = (0..count).map(|_| random.share()).collect();
    let table = vec![categories, far, number];
    let label: Vec<f32> = (0..count)
        .map(|row| {
            let wave = (table[0][row] * 0.37).sin() + (table[1][row] * 0.11).cos() + (table[2][row] * 900.0).sin();
            (wave + random.share()) as f32
        })
        .collect();
    for leaves in [31, 60, 1_000, 1_500] {
        let parameters = format!(
            "objective=regression num_leaves={leaves} categorical_feature=0,1 max_bin=2000 min_data_in_leaf=1 min_data_in_bin=1 \
             min_data_per_group=1 max_cat_threshold=500 cat_smooth=0 cat_l2=0.1 learning_rate=0.5 verbosity=-1 num_threads=1"
        );
        let text = train(&table, &label, None, &parameters, if leaves > 100 { 2 } else { 6 });
        let forest = Forest::read(&text).unwrap();
        let rows: Vec<usize> = (0..1_000).map(|_| random.below(count)).collect();
        let mut some: Vec<Vec<f64>> =
            table.iter().map(|column| rows.iter().map(|row| column[*row]).collect()).collect();
        for _ in 0..rows.len() / 4 {
            some[random.below(3)][random.below(rows.len())] = random.below(80_000) as f64 - 5.0;
        }
        let flat: Vec<f64> = (0..rows.len()).flat_map(|row| some.iter().map(move |column| column[row])).collect();
        let booster = Booster::read(&text).unwrap();
        let theirs = booster.predict(&flat, Kind::Raw, 1);
        let ours = forest.scores(&columns(&some), Score::Raw, 1).unwrap();
        same_bits(&ours, &theirs, &format!("{leaves} leaves"));
        let mut scorer = forest.row_scorer();
        for (row, theirs) in flat.chunks(3).zip(&theirs) {
            let mut score = [0.0];
            scorer.score(row, Score::Raw, &mut score).unwrap();
            same_bits(&score, &[*theirs], &format!("{leaves} leaves, one by one"));
        }
        let first: Vec<Vec<f64>> = some.iter().map(|column| column[..20].to_vec()).collect();
        let ours = forest.explainer().unwrap().contributions(&columns(&first), 1).unwrap();
        let theirs = booster.predict(&flat[..60], Kind::Contributions, 1);
        assert!(ours.iter().zip(&theirs).all(|(ours, theirs)| (ours - theirs).abs() < 1e-9), "{leaves} leaves");
    }
}

#[test]
fn columns_of_every_type_score_as_their_numbers() {
    let mut random = Random::new(5);
    let (text, _) = model("objective=binary", &mut random);
    let forest = Forest::read(&text).unwrap();
    let count = 300;
    let mut column = |limit: usize| -> Vec<u8> { (0..count).map(|_| random.below(limit) as u8).collect() };
    let (a, b, c, d, e, f, g) = (column(2), column(120), column(14), column(60), column(50), column(2), column(2));
    let bytes: Vec<u8> =
        a.chunks(8).map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << at)).collect();
    let (floats, shorts): (Vec<f32>, Vec<i16>) =
        (b.iter().map(|b| f32::from(*b) / 3.0).collect(), c.iter().map(|c| i16::from(*c) - 1).collect());
    let (longs, ints): (Vec<i64>, Vec<u32>) =
        (d.iter().map(|d| i64::from(*d)).collect(), e.iter().map(|e| u32::from(*e)).collect());
    let bits = Bits::new(&bytes, 0, count).unwrap();
    let typed = [
        Column::new(Values::F32(&floats)),
        Column::new(Values::Bool(bits)),
        Column::new(Values::I16(&shorts)),
        Column::new(Values::I64(&longs)),
        Column::new(Values::U32(&ints)).with_validity(bits).unwrap(),
        Column::new(Values::U8(&f)),
        Column::new(Values::U8(&g)),
    ];
    let plain: Vec<Vec<f64>> = vec![
        floats.iter().map(|value| f64::from(*value)).collect(),
        a.iter().map(|value| f64::from(*value)).collect(),
        shorts.iter().map(|value| f64::from(*value)).collect(),
        d.iter().map(|value| f64::from(*value)).collect(),
        e.iter().zip(&a).map(|(value, valid)| if *valid == 1 { f64::from(*value) } else { f64::NAN }).collect(),
        f.iter().map(|value| f64::from(*value)).collect(),
        g.iter().map(|value| f64::from(*value)).collect(),
    ];
    let score = |columns: &[Column<'_>]| forest.scores(columns, Score::Raw, 1).unwrap();
    let scores = score(&typed);
    same_bits(&scores, &score(&columns(&plain)), "typed columns");
    assert!(scores.iter().any(|score| *score != scores[0]), "the columns count for something");
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (text, table) = model("objective=binary", &mut Random::new(6));
    let forest = Forest::read(&text).unwrap();
    let table = columns(&table.columns);
    let error = forest.scores(&table[..6], Score::Raw, 1).unwrap_err();
    assert_eq!(error.message(), "rows of 6 features for a model of 7");
    let error = forest.row_scorer().score(&[0.0; 6], Score::Raw, &mut [0.0]).unwrap_err();
    assert_eq!(error.message(), "a row of 6 features and 1 scores for a model of 7 and 1");
    let nothing: Vec<Vec<f64>> = vec![Vec::new(); 7];
    assert_eq!(forest.scores(&columns(&nothing), Score::Raw, 0).unwrap(), [0.0; 0]);
}
