//! How often chance alone raises an alarm: the comparison, made again and again where both sides are drawn from the
//! reference, so that whatever it finds is false.

use rayon::prelude::*;
use spec::random::Random;

use super::{Counts, DriftSpec, look};

/// The share of rounds in which a column counted as drifted although nothing moved: in each round the reference is resampled
/// by its own shares, as is each look. Columns are drawn independently of each other.
pub fn false_alarms(spec: &DriftSpec, columns: &[Counts], importance: &[Option<f64>], seed: u64) -> f64 {
    if spec.resamples == 0 {
        return 0.0;
    }
    let counts_for_model: Vec<bool> =
        importance.iter().map(|share| share.is_none_or(|share| share >= spec.min_importance)).collect();
    let alarms = (0..spec.resamples).into_par_iter().filter(|round| {
        let mut random = Random::new(seed, u64::from(*round));
        let reference: Vec<Counts> = columns.iter().map(|column| drawn_reference(column, &mut random)).collect();
        let mut standing = counts_for_model.clone();
        for _ in 0..spec.looks {
            let drawn: Vec<Counts> =
                columns.iter().zip(&reference).map(|(column, was)| drawn_look(column, was, &mut random)).collect();
            // Without an effect there is no alarm, whatever the tests find: they take most of the time.
            if !drawn
                .iter()
                .zip(&standing)
                .any(|(column, has_moved)| *has_moved && column.effects(spec).contains(&true))
            {
                return false;
            }
            for (has_moved, judged) in standing.iter_mut().zip(look(spec, &drawn)) {
                *has_moved &= judged.iter().any(|(_, moved)| *moved);
            }
        }
        standing.contains(&true)
    });
    alarms.count() as f64 / f64::from(spec.resamples)
}

/// The reference as another sample of the same distribution would have it.
fn drawn_reference(column: &Counts, random: &mut Random) -> Counts {
    let (nulls, rows) = column.nulls_were;
    Counts {
        was: multinomial(&column.was, column.was.iter().sum(), random),
        nulls_were: (binomial(rows, nulls / rows.max(1.0), random), rows),
        ..column.clone()
    }
}

/// A look of as many rows as this one at rows of the reference's own distribution.
fn drawn_look(column: &Counts, reference: &Counts, random: &mut Random) -> Counts {
    let (nulls, rows) = column.nulls_were;
    let now = column.nulls_are.1;
    Counts {
        was: reference.was.clone(),
        is: multinomial(&column.was, column.is.iter().sum(), random),
        nulls_were: reference.nulls_were,
        nulls_are: (binomial(now, nulls / rows.max(1.0), random), now),
        unseen: column.unseen.map(|(_, values)| (0.0, values)),
    }
}

/// `count` draws by the shares of `weights`, counted: one binomial after the other, each of what is left.
fn multinomial(weights: &[f64], count: f64, random: &mut Random) -> Vec<f64> {
    let mut left = (count.round(), weights.iter().sum::<f64>());
    let draw = |weight: &f64| {
        let drawn = if left.1 > 0.0 { binomial(left.0, (weight / left.1).min(1.0), random) } else { 0.0 };
        left = (left.0 - drawn, left.1 - weight);
        drawn
    };
    weights.iter().map(draw).collect()
}

/// Successes of `count` trials: by the gaps between successes where they are rare, else by the normal distribution that it
/// is close to (variance of 30 and more).
fn binomial(count: f64, chance: f64, random: &mut Random) -> f64 {
    if chance > 0.5 {
        return count - binomial(count, 1.0 - chance, random);
    }
    if count < 1.0 || chance <= 0.0 {
        return 0.0;
    }
    let variance = count * chance * (1.0 - chance);
    if variance >= 30.0 {
        let value = count * chance + variance.sqrt() * normal(random);
        return value.round().clamp(0.0, count);
    }
    // The number of failures before a success is geometric.
    let scale = (-chance).ln_1p();
    let (mut successes, mut at) = (0.0, 0.0);
    loop {
        at += (uniform(random).ln() / scale).floor() + 1.0;
        if at > count {
            return successes;
        }
        successes += 1.0;
    }
}

/// From above 0 up to 1.
fn uniform(random: &mut Random) -> f64 {
    ((random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Box and Muller (1958).
fn normal(random: &mut Random) -> f64 {
    let (one, other) = (uniform(random), uniform(random));
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomials_have_their_mean_and_variance() {
        for (count, chance) in [(20.0, 0.1), (1000.0, 0.004), (400.0, 0.5), (100_000.0, 0.9), (50.0, 0.97)] {
            let mut random = Random::new(7, 1);
            let draws: Vec<f64> = (0..20_000).map(|_| binomial(count, chance, &mut random)).collect();
            assert!(draws.iter().all(|draw| (0.0..=count).contains(draw) && draw.fract() == 0.0));
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = count * chance * (1.0 - chance);
            // Five standard errors of the mean; the variance of 20,000 draws is within 5 %.
            assert!((mean - count * chance).abs() < 5.0 * (expected / 20_000.0).sqrt(), "{count} {chance}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.06, "{count} {chance}: {variance} of {expected}");
        }
        let mut random = Random::new(7, 2);
        assert_eq!([0.0, 1.0].map(|chance| binomial(9.0, chance, &mut random)), [0.0, 9.0]);
    }

    #[test]
    fn multinomials_add_up_and_keep_their_shares() {
        let mut random = Random::new(7, 3);
        let mut sums = [0.0; 4];
        for _ in 0..2000 {
            let drawn = multinomial(&[5.0, 0.0, 3.0, 2.0], 1000.0, &mut random);
            assert_eq!(drawn.iter().sum::<f64>(), 1000.0);
            sums.iter_mut().zip(drawn).for_each(|(sum, drawn)| *sum += drawn);
        }
        let shares: Vec<f64> = sums.iter().map(|sum| (sum / 2e4).round() / 100.0).collect();
        assert_eq!(shares, [0.5, 0.0, 0.3, 0.2]);
    }
}
