//! Rows to learn from and rows to score, for the tests of learners that boost trees.

use score::{Feature, Matrix};

use crate::random::Random;

const ROWS: usize = 600;

/// Numbers, one with gaps and one with many zeros, and a column of 12 categories; a label of two classes that depends on
/// all of them with noise.
pub(super) struct Rows {
    pub matrix: Matrix,
    pub classes: Vec<f64>,
    pub amounts: Vec<f64>,
}

pub(super) fn rows(seed: u64) -> Rows {
    let mut random = Random::new(seed, 0);
    let mut uniform = || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let mut columns: [Vec<f64>; 4] = Default::default();
    let (mut classes, mut amounts) = (Vec::new(), Vec::new());
    for _ in 0..ROWS {
        let x = uniform() * 10.0;
        let gap = uniform() < 0.2;
        let y = uniform() * 5.0 - 1.0;
        let z = if uniform() < 0.6 { 0.0 } else { (uniform() * 4.0 - 2.0).round() };
        let category = (uniform() * uniform() * 12.0).floor();
        let score = (x - 5.0) / 3.0 + if gap { 1.0 } else { y / 3.0 } + z + (category % 3.0) - 1.0;
        columns[0].push(x);
        columns[1].push(if gap { f64::NAN } else { y });
        columns[2].push(z);
        columns[3].push(category);
        classes.push(f64::from(u8::from(uniform() < 1.0 / (1.0 + (1.0 - score).exp()))));
        amounts.push((score * 0.5 + uniform()).exp());
    }
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let features = vec![
        Feature::numeric("x"),
        Feature::numeric("y"),
        Feature::numeric("z"),
        Feature::categorical("category", names),
    ];
    Rows { matrix: Matrix::from_columns(features, columns.to_vec()).unwrap(), classes, amounts }
}

/// Values that are hard to get right, and others near those of the training rows.
pub(super) fn asked(features: &[Feature], random: &mut Random) -> Matrix {
    const ODD: [f64; 12] =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-36, -1e-36, 1e-34, f64::MIN, f64::MAX, 5e-324, -1.0];
    let rows = 300 + random.below(300);
    let column = |feature: &Feature| -> Vec<f64> {
        let mut value = || match (random.below(4), feature.categories()) {
            (0, None) => ODD[random.below(ODD.len())],
            (0, Some(_)) => [f64::NAN, -1.0, 40.0, 1e9, 3e9, 12.0][random.below(6)],
            (_, Some(categories)) => random.below(categories.len()) as f64,
            _ => random.below(100_000) as f64 / 8000.0 - 2.0,
        };
        (0..rows).map(|_| value()).collect()
    };
    Matrix::from_columns(features.to_vec(), features.iter().map(column).collect()).unwrap()
}
