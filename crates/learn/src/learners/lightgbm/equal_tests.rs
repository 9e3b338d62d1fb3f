//! Scores of the models that are learned here equal, bit by bit, what LightGBM makes of their text; contributions equal
//! its own to rounding errors.

use score::{Feature, Matrix, Model, Task};

use super::super::boosting_tests::{kinds, label, replacing, saved};
use super::super::made_rows::{asked, rows};
use super::Lightgbm;
use super::tests::{CASES, spec};
use crate::lightgbm::{Booster, Importance};
use crate::random::Random;
use crate::{Data, Learner};

fn check(model: &dyn Model, what: &str, random: &mut Random) {
    let theirs = Booster::from_text(&String::from_utf8(saved(model)).unwrap()).unwrap();
    let rows = asked(model.features(), random);
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
    let expected = bits(theirs.predict(&rows).unwrap());
    assert_eq!(bits(model.predict(&rows).unwrap()), expected, "{what}");
    let classes = theirs.classes();
    // One row, or a few, go another way than many.
    let few = rows.slice(3..6);
    assert_eq!(bits(model.predict(&few).unwrap()), expected[3 * classes..6 * classes], "{what}");
    assert_eq!(bits(model.importance()), bits(theirs.importance(Importance::Gain).unwrap()), "{what}");

    let some = rows.slice(7..107);
    let features = model.features().len();
    let (found, all) = (model.contributions(&some).unwrap().unwrap(), theirs.contributions(&some).unwrap());
    let strongest = model.strongest(&some, 2).unwrap().unwrap();
    let scores = model.predict(&some).unwrap();
    for (row, scores) in scores.chunks(classes).enumerate() {
        let class = crate::metrics::largest(scores);
        let theirs = &all[(row * classes + class) * (features + 1)..][..features + 1];
        let scale = theirs.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
        for (ours, theirs) in found.row(row).iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-9 * scale, "{what}, row {row}: {ours}, LightGBM {theirs}");
        }
        assert!(classes > 1 || (found.base - theirs[features]).abs() < 1e-9 * scale, "{what}: base");
        let ours: Vec<f64> = strongest[row].iter().map(|reason| reason.contribution).collect();
        let mut sizes: Vec<f64> = found.row(row).iter().map(|value| value.abs()).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        assert!(
            ours.iter().zip(sizes).all(|(ours, size)| (ours.abs() - size).abs() < 1e-12 * scale),
            "{what}: {ours:?}"
        );
    }
}

#[test]
fn every_kind_of_model_scores_as_lightgbm_does() {
    let mut random = Random::new(11, 0);
    let (train, valid) = (rows(1), rows(2));
    let mut fit = |yaml: &str, task: Task| {
        let (of_train, of_valid) = (label(&train, task), label(&valid, task));
        let fitted = |train: &Matrix, valid: &Matrix| {
            let data = Data { features: train, label: &of_train };
            let model = spec(yaml).fit(task, data, Data { features: valid, label: &of_valid }, 7);
            model.unwrap_or_else(|error| panic!("{yaml}: {error}"))
        };
        let model = fitted(&train.matrix, &valid.matrix);
        check(&*model, yaml, &mut random);
        let narrow = fitted(&train.matrix.clone().narrowed(), &valid.matrix.clone().narrowed());
        assert_eq!(saved(&*narrow), saved(&*model), "{yaml}: narrow columns");
    };
    kinds(CASES).iter().for_each(|(yaml, task)| fit(yaml, *task));
    fit("{trees: 8, row_share: 0.6, parameters: {boosting: rf}}", Task::Multiclass);
    fit(
        "{trees: 40, leaves: 120, min_leaf_rows: 1, increasing: [x], interactions: [[x, y], [z, category]]}",
        Task::Classification,
    );
    // A tree of one leaf.
    fit("{trees: 3, min_leaf_rows: 400}", Task::Classification);
}

#[test]
fn models_that_train_does_not_make_are_refused() {
    let rows = rows(1);
    let data = Data { features: &rows.matrix, label: &rows.classes };
    let model = spec("{trees: 2}").fit(Task::Classification, data, data, 7).unwrap();
    replacing::<Lightgbm>(model.as_ref(), |bytes, refused: &dyn Fn(&[u8], &[Feature]) -> String| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let ranking = text.replacen("objective=binary sigmoid:1", "objective=lambdarank", 1);
        assert_eq!(
            refused(ranking.as_bytes(), model.features()),
            "a model of the objective 'lambdarank', which train does not have; train again with another objective"
        );
        assert_eq!(refused(bytes, &model.features()[..2]), "a model of 4 features, but the signature has 2");
    });
}
