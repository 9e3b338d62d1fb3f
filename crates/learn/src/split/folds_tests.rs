use super::*;
use score::calendar::DAY;

/// Every row judges at most once, and no row judges what it taught.
fn sound(folds: &[Fold], rows: usize) {
    let mut judged = vec![0; rows];
    for fold in folds {
        assert!(!fold.train.is_empty() && !fold.valid.is_empty());
        assert!(fold.train.is_sorted() && fold.valid.is_sorted());
        fold.valid.iter().for_each(|row| judged[*row] += 1);
        assert!(fold.valid.iter().all(|row| fold.train.binary_search(row).is_err()));
    }
    assert!(judged.iter().all(|times| *times <= 1));
}

#[test]
fn chance_divides_every_class_equally() {
    let mut random = Random::new(5, 0);
    for round in 0..50 {
        let (rows, count) = (20 + random.below(200), 2 + random.below(6));
        let classes: Vec<f64> = (0..rows).map(|_| random.below(3).min(1) as f64).collect();
        let folds = by_chance(rows, Some(&classes), count as u32, round).unwrap();
        sound(&folds, rows);
        let spread = |of: &dyn Fn(&Fold) -> usize| {
            let counts = || folds.iter().map(of);
            counts().max().unwrap() - counts().min().unwrap()
        };
        assert!(spread(&|fold| fold.valid.len()) <= 1, "sizes");
        for class in [0.0, 1.0] {
            assert!(spread(&|fold| fold.valid.iter().filter(|row| classes[**row] == class).count()) <= 1, "{class}");
        }
        assert!(folds.iter().all(|fold| fold.train.len() + fold.valid.len() == rows));
    }
    let plain = by_chance(10, None, 3, 1).unwrap();
    assert_eq!(plain.iter().map(|fold| fold.valid.len()).collect::<Vec<_>>(), [4, 3, 3]);
    assert_eq!(plain, by_chance(10, None, 3, 1).unwrap());
    assert_ne!(plain, by_chance(10, None, 3, 2).unwrap());
    let error = by_chance(4, None, 5, 1).unwrap_err().to_string();
    assert_eq!(error, "folds: 4 rows cannot be divided into 5 folds; write fewer folds, or use more rows");
}

/// Rows of class 0 and of class 1 of ten groups.
const GROUPS: [(usize, usize); 10] =
    [(7, 1), (2, 9), (5, 5), (12, 0), (1, 3), (6, 2), (0, 8), (10, 5), (4, 1), (14, 3)];

#[test]
fn whole_groups_are_spread_as_scikit_learn_spreads_them() {
    let rows = || {
        (0u32..).zip(GROUPS).flat_map(|(group, (zeros, ones))| {
            std::iter::repeat_n((group, 0.0), zeros).chain(std::iter::repeat_n((group, 1.0), ones))
        })
    };
    let groups: Vec<u32> = rows().map(|(group, _)| group).collect();
    let classes: Vec<f64> = rows().map(|(_, class)| class).collect();
    // scikit-learn 1.9.1: StratifiedGroupKFold(3); no two groups are equally unequal, so that their order is certain.
    let theirs = [2, 0, 2, 0, 1, 2, 2, 1, 0, 1];
    for seed in 0..5 {
        let folds = by_group(&groups, Some(&classes), 3, seed).unwrap();
        sound(&folds, groups.len());
        for (number, fold) in folds.iter().enumerate() {
            assert!(fold.valid.iter().all(|row| theirs[groups[*row] as usize] == number), "fold {number}");
            assert_eq!(fold.valid.len() + fold.train.len(), groups.len());
        }
    }
}

#[test]
fn without_classes_groups_are_spread_by_their_rows() {
    let groups: Vec<u32> = (0..60).map(|row| (row * row / 400) % 9).collect();
    let groups = {
        let all: std::collections::BTreeSet<u32> = groups.iter().copied().collect();
        let numbers: std::collections::BTreeMap<u32, u32> = all.into_iter().zip(0..).collect();
        groups.iter().map(|group| numbers[group]).collect::<Vec<u32>>()
    };
    let folds = by_group(&groups, None, 3, 1).unwrap();
    sound(&folds, 60);
    for fold in &folds {
        assert!(fold.valid.iter().all(|row| fold.train.iter().all(|other| groups[*row] != groups[*other])));
        assert!((15..=25).contains(&fold.valid.len()), "{}", fold.valid.len());
    }
    let error = by_group(&[0, 0, 1], None, 3, 1).unwrap_err().to_string();
    assert_eq!(error, "folds: 2 groups cannot be divided into 3 folds; write fewer folds, or use more groups");
}

#[test]
fn folds_by_time_never_look_ahead() {
    let mut random = Random::new(9, 0);
    let mut refused = 0;
    for _ in 0..300 {
        let (rows, days) = (30 + random.below(200), 3 + random.below(40));
        let times: Vec<i64> = (0..rows).map(|_| random.below(days) as i64).collect();
        let (horizon, count) = (random.below(6) as i64, 2 + random.below(5) as u32);
        let known: Vec<i64> = times.iter().map(|time| time + horizon).collect();
        let Ok(folds) = by_time(&times, &known, count, "known later", "cutoff") else {
            refused += 1;
            continue;
        };
        assert_eq!(folds.len(), count as usize);
        sound(&folds, rows);
        let last = *times.iter().max().unwrap();
        let mut begins = Vec::new();
        for fold in &folds {
            let first = fold.valid.iter().map(|row| times[*row]).min().unwrap();
            begins.push(first);
            // The plain reference: all rows, and only those, whose labels are known when the fold begins.
            let known: Vec<usize> =
                (0..rows).filter(|row| times[*row] < first && times[*row] + horizon <= first).collect();
            assert_eq!(fold.train, known);
        }
        begins.push(last + 1);
        for (fold, pair) in folds.iter().zip(begins.windows(2)) {
            let all: Vec<usize> = (0..rows).filter(|row| (pair[0]..pair[1]).contains(&times[*row])).collect();
            assert_eq!(fold.valid, all, "whole times, and every time after the first fold began");
        }
    }
    assert!(refused < 150, "{refused}");
}

#[test]
fn monthly_cutoffs_make_folds_of_equal_size() {
    // Thirteen cutoffs of ten rows, 30 days apart, labels known 90 days later: three months of labels are the least.
    let times: Vec<i64> = (0..130).map(|row| row / 10 * 30 * DAY).collect();
    let known: Vec<i64> = times.iter().map(|time| time + 90 * DAY).collect();
    let words = "known 90 days after 'cutoff'";
    let folds = by_time(&times, &known, 3, words, "cutoff").unwrap();
    let rows: Vec<(usize, usize)> = folds.iter().map(|fold| (fold.train.len(), fold.valid.len())).collect();
    assert_eq!(rows, [(40, 30), (70, 20), (90, 20)]);
    let error = by_time(&times[..40], &known[..40], 3, words, "cutoff").unwrap_err().to_string();
    assert_eq!(
        error,
        "folds: the 4 values of 'cutoff' before the test part leave no room for 3 folds whose labels (known 90 days \
         after 'cutoff') are known before the next begins; write fewer folds, add earlier cutoffs in features.yaml, or shorten \
         the horizon"
    );
}
