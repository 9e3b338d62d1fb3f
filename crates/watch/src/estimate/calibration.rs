//! What a score means: the probability, or the size of the error, that rows with such a score had in the test part.

/// A function that never falls, fitted to rows whose label is known: isotonic regression by pooling neighbours that are in the
/// wrong order (Ayer et al. 1955; for probabilities Zadrozny and Elkan 2002). Between the scores of two pools it goes in a
/// straight line; beyond the first and the last it stays what it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Isotonic {
    /// Scores, ascending, and the value at each.
    points: Vec<(f64, f64)>,
}

/// Rows that share a value: from the first score to the last.
struct Pool {
    first: f64,
    last: f64,
    sum: f64,
    rows: f64,
}

impl Isotonic {
    /// Fits `labels` to `scores`, one of each per row. There is at least one row.
    pub fn fit(scores: &[f64], labels: &[f64]) -> Isotonic {
        let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut pools: Vec<Pool> = Vec::new();
        for (score, label) in rows {
            match pools.last_mut() {
                // Rows of one score have one value, whatever their order.
                Some(pool) if pool.first == score => {
                    pool.sum += label;
                    pool.rows += 1.0;
                }
                _ => pools.push(Pool { first: score, last: score, sum: label, rows: 1.0 }),
            }
        }
        let mut merged: Vec<Pool> = Vec::with_capacity(pools.len());
        for mut pool in pools {
            while let Some(before) = merged.pop_if(|before| before.sum * pool.rows >= pool.sum * before.rows) {
                pool = Pool {
                    first: before.first,
                    last: pool.last,
                    sum: before.sum + pool.sum,
                    rows: before.rows + pool.rows,
                };
            }
            merged.push(pool);
        }
        let ends = |pool: &Pool| [(pool.first, pool.sum / pool.rows), (pool.last, pool.sum / pool.rows)];
        let mut points: Vec<(f64, f64)> = merged.iter().flat_map(ends).collect();
        points.dedup();
        Isotonic { points }
    }

    /// The value for `score`.
    pub fn at(&self, score: f64) -> f64 {
        let after = self.points.partition_point(|(known, _)| *known <= score);
        match (after.checked_sub(1).map(|at| self.points[at]), self.points.get(after).copied()) {
            (None, Some((_, value))) | (Some((_, value)), None) => value,
            (Some((low, from)), Some((high, to))) => from + (to - from) * (score - low) / (high - low),
            (None, None) => f64::NAN,
        }
    }
}

/// How large errors were by the size of the prediction: the mean loss of ten groups of test rows of equal number.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// The largest prediction of each group but the last, ascending.
    edges: Vec<f64>,
    means: Vec<f64>,
}

/// Groups, and rows that each has at least.
const GROUPS: usize = 10;
const LEAST: usize = 30;

impl Losses {
    /// The mean of `loss` by groups of `scores`. There is at least one row.
    pub fn fit(scores: &[f64], losses: &[f64]) -> Losses {
        let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(losses.iter().copied()).collect();
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        let groups = (rows.len() / LEAST).clamp(1, GROUPS);
        let mut all = Losses { edges: Vec::new(), means: Vec::new() };
        let mut from = 0;
        for group in 1..=groups {
            let mut to = rows.len() * group / groups;
            // Equal predictions belong to one group.
            while to < rows.len() && to > 0 && rows[to].0 == rows[to - 1].0 {
                to += 1;
            }
            if to <= from {
                continue;
            }
            let part = &rows[from..to];
            all.means.push(part.iter().map(|row| row.1).sum::<f64>() / part.len() as f64);
            if to < rows.len() {
                all.edges.push(rows[to - 1].0);
            }
            from = to;
        }
        all
    }

    /// The mean loss of the group that `score` belongs to.
    pub fn at(&self, score: f64) -> f64 {
        let group = self.edges.partition_point(|edge| *edge < score);
        self.means[group.min(self.means.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;

    /// The value at each row by the formula of isotonic regression: the largest, over all beginnings up to the row, of the
    /// smallest mean over all ends from the row on (Robertson, Wright and Dykstra 1988).
    fn by_formula(rows: &[(f64, f64)], at: f64) -> f64 {
        let mean = |from: f64, to: f64| {
            let part: Vec<f64> = rows.iter().filter(|row| (from..=to).contains(&row.0)).map(|row| row.1).collect();
            part.iter().sum::<f64>() / part.len() as f64
        };
        let begins = rows.iter().filter(|row| row.0 <= at);
        let least = |from: f64| {
            let ends = rows.iter().filter(|row| row.0 >= at);
            ends.map(|row| mean(from, row.0)).fold(f64::INFINITY, f64::min)
        };
        begins.map(|row| least(row.0)).fold(f64::NEG_INFINITY, f64::max)
    }

    #[test]
    fn it_is_isotonic_regression() {
        for round in 0..60 {
            let mut random = Random::new(3, round);
            let count = 1 + random.below(40);
            let rows: Vec<(f64, f64)> = (0..count)
                .map(|_| {
                    let score = random.below(25) as f64 / 8.0;
                    (score, f64::from(u8::from(random.below(25) as f64 / 8.0 < score)))
                })
                .collect();
            let (scores, labels): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
            let fitted = Isotonic::fit(&scores, &labels);
            for (score, _) in &rows {
                let (found, expected) = (fitted.at(*score), by_formula(&rows, *score));
                assert!((found - expected).abs() < 1e-12, "round {round}, {score}: {found}, not {expected}");
            }
        }
        // Between two pools in a straight line, beyond them constant.
        let fitted = Isotonic::fit(&[1.0, 2.0, 4.0], &[0.0, 0.0, 1.0]);
        assert_eq!([0.0, 1.5, 3.0, 9.0].map(|score| fitted.at(score)), [0.0, 0.0, 0.5, 1.0]);
    }

    #[test]
    fn losses_are_means_of_groups_of_equal_number() {
        let scores: Vec<f64> = (0..300).map(f64::from).collect();
        let losses: Vec<f64> = scores.iter().map(|score| (score / 30.0).floor()).collect();
        let fitted = Losses::fit(&scores, &losses);
        assert_eq!([-5.0, 0.0, 29.0, 30.0, 299.0, 1e9].map(|score| fitted.at(score)), [0.0, 0.0, 0.0, 1.0, 9.0, 9.0]);
        // Too few rows for more than one group; all predictions equal.
        assert_eq!(Losses::fit(&[1.0, 2.0], &[2.0, 4.0]).at(7.0), 3.0);
        let constant = Losses::fit(&[5.0; 100], &losses[..100]);
        assert!((constant.at(5.0) - losses[..100].iter().sum::<f64>() / 100.0).abs() < 1e-12);
    }
}
