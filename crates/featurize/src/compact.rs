//! Columns of times and numbers, as narrow as they can be without losing a digit: a table of a hundred million rows is held in
//! memory as a whole.

use super::target::Target;

/// Times, as wide as they need to be.
pub enum Times {
    Days(Vec<i32>),
    Ticks(Vec<i64>),
    Steps(Steps),
}

/// Times that are so many steps of a unit after a first one, such as whole seconds.
pub struct Steps {
    base: i64,
    unit: i64,
    pub steps: Vec<u32>,
}

impl Steps {
    fn at(&self, row: usize) -> i64 {
        self.base + self.unit * i64::from(self.steps[row])
    }
}

impl Times {
    /// Ticks; as steps, if they are whole seconds, milliseconds or microseconds and not too far apart.
    pub fn of_ticks(ticks: &[i64]) -> Times {
        let range = ticks.iter().min().copied().zip(ticks.iter().max().copied());
        let unit = [1_000_000_000, 1_000_000, 1_000].into_iter().find(|unit| ticks.iter().all(|tick| tick % unit == 0));
        match (range, unit) {
            (Some((first, last)), Some(unit)) if fits(first, last, unit) => {
                let steps = ticks.iter().map(|tick| ((tick - first) / unit) as u32).collect();
                Times::Steps(Steps { base: first, unit, steps })
            }
            _ => Times::Ticks(ticks.to_vec()),
        }
    }

    #[inline]
    pub fn at(&self, row: usize) -> i64 {
        match self {
            Times::Days(days) => i64::from(days[row]),
            Times::Ticks(ticks) => ticks[row],
            Times::Steps(steps) => steps.at(row),
        }
    }

    /// The first row of `from..to` that is not before `bound`.
    pub fn first_from(&self, from: usize, to: usize, bound: i64) -> usize {
        from + match self {
            Times::Days(days) => days[from..to].partition_point(|day| i64::from(*day) < bound),
            Times::Ticks(ticks) => ticks[from..to].partition_point(|tick| *tick < bound),
            Times::Steps(Steps { base, unit, steps }) => {
                steps[from..to].partition_point(|step| base + unit * i64::from(*step) < bound)
            }
        }
    }

    /// All chunks at their places.
    pub fn placed(chunks: Vec<Times>, target: &Target) -> Times {
        if chunks.iter().any(|chunk| matches!(chunk, Times::Days(_))) {
            return Times::Days(target.scatter_by(chunks, |chunk, row| match chunk {
                Times::Days(days) => days[row],
                // A column has one type.
                other => other.at(row) as i32,
            }));
        }
        let Some((base, unit)) = common(&chunks) else {
            return Times::Ticks(target.scatter_by(chunks, |chunk, row| chunk.at(row)));
        };
        let chunks = chunks.into_iter().filter_map(|chunk| match chunk {
            Times::Steps(of) => Some((((of.base - base) / unit) as u32, (of.unit / unit) as u32, of.steps)),
            _ => None,
        });
        let steps = target.scatter_by(chunks.collect(), |(ahead, factor, steps), row| ahead + factor * steps[row]);
        Times::Steps(Steps { base, unit, steps })
    }
}

/// The base and the unit by which all chunks are steps.
fn common(chunks: &[Times]) -> Option<(i64, i64)> {
    let steps = chunks.iter().map(|chunk| match chunk {
        Times::Steps(steps) => Some(steps),
        _ => None,
    });
    let steps: Vec<&Steps> = steps.collect::<Option<_>>()?;
    let last = |of: &&Steps| of.base + of.unit * i64::from(of.steps.iter().max().copied().unwrap_or(0));
    let (first, last) = (steps.iter().map(|of| of.base).min()?, steps.iter().map(last).max()?);
    // Each unit is a multiple of the smaller ones.
    let unit = steps.iter().map(|of| of.unit).min()?;
    fits(first, last, unit).then_some((first, unit))
}

/// Whether 32 bits number the units from one time to another.
fn fits(first: i64, last: i64, unit: i64) -> bool {
    last.checked_sub(first).is_some_and(|range| range / unit <= i64::from(u32::MAX))
}

/// Numbers, of which NaN means null.
pub enum Reals {
    Narrow(Vec<f32>),
    Wide(Vec<f64>),
}

impl Reals {
    /// Numbers; narrow if each of them comes back.
    pub fn of(values: Vec<f64>) -> Reals {
        let comes_back = |value: &f64| value.is_nan() || f64::from(*value as f32).to_bits() == value.to_bits();
        match values.iter().all(comes_back) {
            true => Reals::Narrow(values.iter().map(|value| *value as f32).collect()),
            false => Reals::Wide(values),
        }
    }

    #[inline]
    pub fn at(&self, row: usize) -> f64 {
        match self {
            Reals::Narrow(values) => f64::from(values[row]),
            Reals::Wide(values) => values[row],
        }
    }

    /// All chunks at their places.
    pub fn placed(chunks: Vec<Reals>, target: &Target) -> Reals {
        match chunks.iter().all(|chunk| matches!(chunk, Reals::Narrow(_))) {
            true => Reals::Narrow(target.scatter_by(chunks, |chunk, row| chunk.at(row) as f32)),
            false => Reals::Wide(target.scatter_by(chunks, |chunk, row| chunk.at(row))),
        }
    }
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;

    /// One entity, whose rows keep their order.
    fn whole(chunks: &[usize]) -> Target {
        let rows: usize = chunks.iter().sum();
        Target::new(&[0, rows], chunks.iter().map(|rows| vec![0; *rows]).collect()).unwrap()
    }

    #[test]
    fn times_come_back_however_they_are_held() {
        let mut random = Random::new(4, 1);
        let far = i64::MAX / 2;
        let (mut steps, mut ticks) = (0, 0);
        for round in 0..400 {
            let units = [1, 1_000, 1_000_000, 1_000_000_000];
            let mut chunk = || -> Vec<i64> {
                let unit = units[random.below(units.len())];
                let spread = [1, 100, 1 << 20, 1 << 32, far as usize / 2_000_000_000][random.below(5)];
                let rows = random.below(20);
                (0..rows).map(|_| (random.below(spread) as i64 - spread as i64 / 2) * unit).collect()
            };
            let mut chunks: Vec<Vec<i64>> = (0..4).map(|_| chunk()).collect();
            if round % 20 == 0 {
                chunks[1].extend([i64::MIN, i64::MAX]);
            }
            let all = chunks.concat();
            let target = whole(&chunks.iter().map(Vec::len).collect::<Vec<_>>());
            let times = Times::placed(chunks.iter().map(|chunk| Times::of_ticks(chunk)).collect(), &target);
            match times {
                Times::Steps(_) => steps += 1,
                _ => ticks += 1,
            }
            assert!((0..all.len()).map(|row| times.at(row)).eq(all.iter().copied()), "round {round}");
            let (mut sorted, mut times) = (all, times);
            sorted.sort_unstable();
            match &mut times {
                Times::Days(days) => days.sort_unstable(),
                Times::Ticks(ticks) => ticks.sort_unstable(),
                Times::Steps(of) => of.steps.sort_unstable(),
            }
            for bound in sorted.iter().flat_map(|time| [time.saturating_sub(1), *time, time.saturating_add(1)]) {
                let first = sorted.partition_point(|time| *time < bound);
                assert_eq!(times.first_from(0, sorted.len(), bound), first, "round {round}: {bound}");
            }
        }
        assert!(steps > 40 && ticks > 40, "{steps} and {ticks}");
    }

    #[test]
    fn numbers_come_back_bit_for_bit() {
        let narrow = [0.0, -0.0, 1.5, 16_777_216.0, f64::NAN, -3.0, f64::INFINITY];
        for (values, is_narrow) in [(narrow.to_vec(), true), ([&narrow[..], &[0.1]].concat(), false)] {
            let chunks = vec![Reals::of(values.clone()), Reals::of(Vec::new()), Reals::of(narrow.to_vec())];
            let placed = Reals::placed(chunks, &whole(&[values.len(), 0, narrow.len()]));
            assert_eq!(matches!(placed, Reals::Narrow(_)), is_narrow);
            for (row, value) in values.iter().chain(&narrow).enumerate() {
                assert!(placed.at(row).to_bits() == value.to_bits() || value.is_nan(), "{value}");
            }
        }
        assert!(matches!(Reals::of(vec![1e300]), Reals::Wide(_)) && matches!(Reals::of(vec![1e-40]), Reals::Wide(_)));
    }
}
