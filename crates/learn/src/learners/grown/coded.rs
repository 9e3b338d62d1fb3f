//! The training rows as splits see them: codes instead of values, and labels of two classes.

use crate::Matrix;

/// Most places at which a feature can be split, spread evenly over its values.
pub(super) const MAX_CUTS: usize = 1024;

/// The training rows, coded. Of several classes there is a view per class: this class against all others.
pub(in crate::learners) struct Coded<'a> {
    label: &'a [f64],
    /// How many classes `label` numbers; 1 where it is 0 and 1, and for numbers.
    pub(super) classes: usize,
    /// How much each row counts; none: all the same.
    pub(super) weights: Option<Vec<f64>>,
    /// Per feature how each view can split it: one way for all of them for numbers, of which the order is given.
    pub(super) cuts: Vec<Vec<Cuts>>,
    /// The same with one code per row.
    codes: Vec<Vec<Vec<f32>>>,
}

/// Where a feature can be split.
pub(super) enum Cuts {
    /// Between numbers: `value <= edge` goes left.
    Edges(Vec<f64>),
    /// Between categories, in order of their mean label (optimal for two classes and for least squares: Breiman et al. 1984,
    /// 4.2.2, 8.8). Per code its rank.
    Ranks(Vec<u32>),
}

impl<'a> Coded<'a> {
    /// Codes for all rows of `matrix`. `classes`: how many there are, of which `label` holds the numbers; 1 where it is 0 and 1,
    /// and for numbers.
    pub fn new(matrix: &Matrix, label: &'a [f64], classes: usize) -> Coded<'a> {
        let weights = matrix.weights().map(<[f64]>::to_vec);
        let mut coded = Coded { label, classes, weights, cuts: Vec::new(), codes: Vec::new() };
        for (at, feature) in matrix.features().iter().enumerate() {
            let values = matrix.column(at);
            let cuts = match feature.categories() {
                Some(categories) => (0..classes)
                    .map(|view| {
                        let label: Vec<f64> = (0..label.len()).map(|row| coded.label(view, row)).collect();
                        Cuts::Ranks(ranks(&values, &label, matrix.weights(), categories.len()))
                    })
                    .collect(),
                None => vec![Cuts::Edges(edges(&values))],
            };
            let codes = |cuts: &Cuts| values.iter().map(|value| cuts.code(*value)).collect();
            coded.codes.push(cuts.iter().map(codes).collect());
            coded.cuts.push(cuts);
        }
        coded
    }

    /// The label of a row as a view sees it: of several classes 1 if the row is of the view's class.
    pub(super) fn label(&self, view: usize, row: usize) -> f64 {
        match self.classes {
            1 => self.label[row],
            _ => f64::from(u8::from(self.label[row] == view as f64)),
        }
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The codes of a feature as a view sees it.
    pub(super) fn codes(&self, feature: usize, view: usize) -> &[f32] {
        let codes = &self.codes[feature];
        &codes[view.min(codes.len() - 1)]
    }

    pub(super) fn cuts(&self, feature: usize, view: usize) -> &Cuts {
        let cuts = &self.cuts[feature];
        &cuts[view.min(cuts.len() - 1)]
    }
}

impl Cuts {
    /// −1 for missing, else a whole number from 0 that `f32` holds exactly.
    fn code(&self, value: f64) -> f32 {
        if value.is_nan() {
            return -1.0;
        }
        match self {
            Cuts::Edges(edges) => edges.partition_point(|edge| *edge < value) as f32,
            Cuts::Ranks(ranks) => ranks.get(value as usize).map_or(-1.0, |rank| *rank as f32),
        }
    }

    /// The value or rank up to which rows go left if their codes do up to `code`.
    pub(super) fn threshold(&self, code: f32) -> f64 {
        if code < 0.0 {
            // Only missing values go left. JSON has no infinity.
            return f64::MIN;
        }
        match self {
            Cuts::Edges(edges) => edges.get(code as usize).copied().unwrap_or(f64::MAX),
            Cuts::Ranks(_) => f64::from(code.floor()),
        }
    }
}

/// The middles between neighbouring distinct values; of very many, evenly spread ones.
pub(super) fn edges(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let rows = sorted.len();
    let middles = |distinct: &[f64]| -> Vec<f64> {
        let middle = |pair: &[f64]| {
            let middle = pair[0] + (pair[1] - pair[0]) / 2.0;
            // Between two neighbouring floats there is no middle: the lower one separates them as well.
            if middle.is_finite() && middle < pair[1] { middle } else { pair[0] }
        };
        distinct.windows(2).map(middle).collect()
    };
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= MAX_CUTS + 1 {
        return middles(&distinct);
    }
    let mut quantiles: Vec<f64> = (0..=MAX_CUTS).map(|at| sorted[at * (rows - 1) / MAX_CUTS]).collect();
    quantiles.dedup();
    middles(&quantiles)
}

/// Per category its rank by mean label (then by code); categories without rows come last.
fn ranks(values: &[f64], label: &[f64], weights: Option<&[f64]>, categories: usize) -> Vec<u32> {
    let mut sums = vec![(0.0, 0.0); categories];
    for (row, (value, label)) in values.iter().zip(label).enumerate() {
        if let Some((sum, all)) = (!value.is_nan()).then(|| sums.get_mut(*value as usize)).flatten() {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            *sum += weight * label;
            *all += weight;
        }
    }
    let mut order: Vec<usize> = (0..categories).collect();
    let mean = |code: usize| match sums[code] {
        (_, 0.0) => f64::INFINITY,
        (sum, all) => sum / all,
    };
    order.sort_by(|one, other| mean(*one).total_cmp(&mean(*other)));
    let mut ranks = vec![0; categories];
    for (rank, code) in (0..).zip(order) {
        ranks[code] = rank;
    }
    ranks
}
