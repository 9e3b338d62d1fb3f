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
    /// Whole numbers from -127 to 127; the smallest byte stands for null.
    Bytes(Vec<i8>),
    /// So many hundredths, as prices have them; the smallest integer stands for null.
    Hundredths(Vec<i32>),
    Narrow(Vec<f32>),
    Wide(Vec<f64>),
}

/// A way to hold a number in fewer than 64 bits.
trait Held: Copy {
    /// The nearest number that is held, which may be another one.
    fn near(value: f64) -> Self;
    fn number(self) -> f64;

    /// Whether the number comes back to the last bit.
    #[inline]
    fn holds(value: f64) -> bool {
        value.is_nan() || Self::near(value).number().to_bits() == value.to_bits()
    }
}

impl Held for i8 {
    #[inline]
    fn near(value: f64) -> i8 {
        if value.is_nan() { i8::MIN } else { value as i8 }
    }
    #[inline]
    fn number(self) -> f64 {
        if self == i8::MIN { f64::NAN } else { f64::from(self) }
    }
}

/// Hundredths.
impl Held for i32 {
    #[inline]
    fn near(value: f64) -> i32 {
        if value.is_nan() { i32::MIN } else { (value * 100.0 + 0.5f64.copysign(value)) as i32 }
    }
    /// The quotient is rounded once, so it is the number that a text with two decimals is read as.
    #[inline]
    fn number(self) -> f64 {
        if self == i32::MIN { f64::NAN } else { f64::from(self) / 100.0 }
    }
}

impl Held for f32 {
    #[inline]
    fn near(value: f64) -> f32 {
        value as f32
    }
    #[inline]
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Reals {
    /// Numbers, in the narrowest way from which each of them comes back.
    pub fn of(values: Vec<f64>) -> Reals {
        match () {
            () if values.iter().all(|value| i8::holds(*value)) => Reals::Bytes(narrow(&values)),
            () if values.iter().all(|value| i32::holds(*value)) => Reals::Hundredths(narrow(&values)),
            () if values.iter().all(|value| f32::holds(*value)) => Reals::Narrow(narrow(&values)),
            () => Reals::Wide(values),
        }
    }

    #[inline]
    pub fn at(&self, row: usize) -> f64 {
        match self {
            Reals::Bytes(values) => values[row].number(),
            Reals::Hundredths(values) => values[row].number(),
            Reals::Narrow(values) => values[row].number(),
            Reals::Wide(values) => values[row],
        }
    }

    fn len(&self) -> usize {
        match self {
            Reals::Bytes(values) => values.len(),
            Reals::Hundredths(values) => values.len(),
            Reals::Narrow(values) => values.len(),
            Reals::Wide(values) => values.len(),
        }
    }

    /// Whether all values can be held in this way.
    fn fit<T: Held>(&self) -> bool {
        (0..self.len()).all(|row| T::holds(self.at(row)))
    }

    /// All chunks at their places: as hundredths, for example, if some are bytes and others hundredths.
    pub fn placed(chunks: Vec<Reals>, target: &Target) -> Reals {
        let mut ways = chunks.iter().filter(|chunk| !matches!(chunk, Reals::Bytes(_)));
        let is_of = |is: fn(&Reals) -> bool, fits: fn(&Reals) -> bool| chunks.iter().all(|of| is(of) || fits(of));
        match ways.next() {
            None => Reals::Bytes(target.scatter_by(chunks, |chunk, row| i8::near(chunk.at(row)))),
            Some(_) if is_of(|of| matches!(of, Reals::Hundredths(_)), Reals::fit::<i32>) => {
                Reals::Hundredths(target.scatter_by(chunks, |chunk, row| i32::near(chunk.at(row))))
            }
            Some(_) if is_of(|of| matches!(of, Reals::Narrow(_)), Reals::fit::<f32>) => {
                Reals::Narrow(target.scatter_by(chunks, |chunk, row| f32::near(chunk.at(row))))
            }
            Some(_) => Reals::Wide(target.scatter_by(chunks, |chunk, row| chunk.at(row))),
        }
    }

    /// The rows in another order.
    pub fn each(self, reorder: impl Reorder) -> Reals {
        match self {
            Reals::Bytes(values) => Reals::Bytes(reorder.of(values)),
            Reals::Hundredths(values) => Reals::Hundredths(reorder.of(values)),
            Reals::Narrow(values) => Reals::Narrow(reorder.of(values)),
            Reals::Wide(values) => Reals::Wide(reorder.of(values)),
        }
    }
}

/// Puts the rows of a column of any width into another order.
pub trait Reorder {
    fn of<T: Copy>(&self, values: Vec<T>) -> Vec<T>;
}

fn narrow<T: Held>(values: &[f64]) -> Vec<T> {
    values.iter().map(|value| T::near(*value)).collect()
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
        let name = |reals: &Reals| match reals {
            Reals::Bytes(_) => "bytes",
            Reals::Hundredths(_) => "hundredths",
            Reals::Narrow(_) => "narrow",
            Reals::Wide(_) => "wide",
        };
        let nan = f64::NAN;
        let cases: [(&[f64], &str); 12] = [
            (&[], "bytes"),
            (&[nan, 0.0, 127.0, -127.0], "bytes"),
            (&[128.0], "hundredths"),
            (&[-128.0, nan], "hundredths"),
            (&[19.99, 0.07, -1234.5, nan, 21_474_836.47, -21_474_836.47], "hundredths"),
            (&[21_474_836.48], "wide"),
            (&[-21_474_836.48], "wide"),
            (&[0.0, -0.0, 1.5, 16_777_216.0, nan, -3.0, f64::INFINITY], "narrow"),
            (&[0.125, 1e9], "narrow"),
            (&[0.1, 0.125], "wide"),
            (&[1e300], "wide"),
            (&[1e-40], "wide"),
        ];
        let together = |one: &str, other: &str| match (one, other) {
            (one, other) if one == other => Some(one.to_owned()),
            ("bytes", "hundredths") | ("hundredths", "bytes") => Some("hundredths".to_owned()),
            ("wide", _) | (_, "wide") => Some("wide".to_owned()),
            // Some hundredths are narrow, others are not.
            _ => None,
        };
        for (one, way) in cases {
            assert_eq!(name(&Reals::of(one.to_vec())), way, "{one:?}");
            for (other, other_way) in cases {
                let chunks = vec![Reals::of(one.to_vec()), Reals::of(Vec::new()), Reals::of(other.to_vec())];
                let placed = Reals::placed(chunks, &whole(&[one.len(), 0, other.len()]));
                let expected = together(way, other_way);
                assert!(expected.is_none_or(|way| way == name(&placed)), "{one:?} and {other:?}: {}", name(&placed));
                for (row, value) in one.iter().chain(other).enumerate() {
                    let found = placed.at(row);
                    assert!(
                        found.to_bits() == value.to_bits() || (value.is_nan() && found.is_nan()),
                        "{value}: {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_price_and_its_neighbours_come_back() {
        let mut random = Random::new(5, 1);
        let mut hundredths = 0;
        for _ in 0..300_000 {
            let cents = random.below(1 << 33) as i64 - (1 << 32);
            let price: f64 = format!("{}.{:02}", cents / 100, cents.unsigned_abs() % 100).parse().unwrap();
            for value in [price, price.next_up(), price.next_down(), cents as f64, price / 3.0] {
                let reals = Reals::of(vec![value, f64::NAN]);
                hundredths += u32::from(matches!(reals, Reals::Hundredths(_)));
                assert_eq!(reals.at(0).to_bits(), value.to_bits(), "{value}");
                assert!(reals.at(1).is_nan());
            }
        }
        assert!(hundredths > 100_000, "{hundredths}");
    }
}
