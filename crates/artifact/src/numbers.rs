//! Count, range, mean and spread of numbers, summed up in lanes that the compiler turns into vector instructions.

#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub min: f64,
    pub max: f64,
    pub count: u64,
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
}

impl Numbers {
    /// Both together (Chan, Golub and LeVeque 1983).
    pub fn merge(self, other: &Numbers) -> Numbers {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        Numbers {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            count,
            mean: self.mean + delta * share,
            squares: self.squares + other.squares + delta * delta * self.count as f64 * share,
        }
    }
}

impl Numbers {
    /// Those of truths, as 0 and 1, of which there is at least one: what [`Lanes`] find, whose sums of whole numbers are exact.
    pub fn of_truths(first: bool, trues: u64, count: u64) -> Numbers {
        let falses = count - trues;
        // Sums of the distances from the first value.
        let (shift, sum, squares) = match first {
            true => (1.0, -(falses as f64), falses as f64),
            false => (0.0, trues as f64, trues as f64),
        };
        let mean = sum / count as f64;
        Numbers {
            min: if falses > 0 { 0.0 } else { 1.0 },
            max: if trues > 0 { 1.0 } else { 0.0 },
            count,
            mean: shift + mean,
            squares: (squares - sum * mean).max(0.0),
        }
    }
}

pub(crate) fn first_of(mut values: impl Iterator<Item = f64>, counts: impl Fn(f64) -> bool) -> Option<f64> {
    values.find(|value| counts(*value))
}

const LANES: usize = 8;
/// Integers that become floats at a time.
const BLOCK: usize = 32 * LANES;

/// The same code, compiled for wider registers: the same operations, and so the same results.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_floats_avx2(lanes: &mut Lanes, values: &[f64]) {
    add_floats_in(lanes, values);
}

#[inline(always)]
fn add_floats_in(lanes: &mut Lanes, values: &[f64]) {
    lanes.add_all(values, |value| value, f64::is_finite);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_whole_avx2<N: Copy + Into<i64>>(lanes: &mut Lanes, values: &[N]) {
    add_whole_in(lanes, values);
}

#[inline(always)]
fn add_whole_in<N: Copy + Into<i64>>(lanes: &mut Lanes, values: &[N]) {
    let (mut whole, mut floats) = ([0; BLOCK], [0.0; BLOCK]);
    for block in values.chunks(BLOCK) {
        let (whole, floats) = (&mut whole[..block.len()], &mut floats[..block.len()]);
        whole.iter_mut().zip(block).for_each(|(whole, value)| *whole = (*value).into());
        as_floats(whole, floats);
        lanes.add_all(floats, |value| value, |_| true);
    }
}

/// The nearest floats. Most processors turn integers of 64 bits into floats one by one; those of 52 bits can be put into the
/// digits of a float of which the other digits are known, and taken off again.
#[inline(always)]
fn as_floats(values: &[i64], floats: &mut [f64]) {
    const HALF: i64 = 1 << 51;
    /// 2^52, whose last digit is worth 1.
    const BITS: u64 = 0x4330_0000_0000_0000;
    let beyond = values.iter().fold(0, |beyond, value| beyond | (value.wrapping_add(HALF) as u64 >> 52));
    let offset = f64::from_bits(BITS) + HALF as f64;
    for (float, value) in floats.iter_mut().zip(values) {
        *float = match beyond == 0 {
            true => f64::from_bits(value.wrapping_add(HALF) as u64 | BITS) - offset,
            false => *value as f64,
        };
    }
}

/// Running sums that do not wait for each other.
pub(crate) struct Lanes {
    shift: f64,
    count: [u64; LANES],
    min: [f64; LANES],
    max: [f64; LANES],
    sum: [f64; LANES],
    squares: [f64; LANES],
}

impl Lanes {
    pub fn new(shift: f64) -> Lanes {
        let zero = [0.0; LANES];
        let (min, max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        Lanes { shift, count: [0; LANES], min, max, sum: zero, squares: zero }
    }

    /// Adds those that are finite.
    pub fn add_floats(&mut self, values: &[f64]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { add_floats_avx2(self, values) };
        }
        add_floats_in(self, values);
    }

    /// Adds integers as the nearest floats.
    pub fn add_whole<N: Copy + Into<i64>>(&mut self, values: &[N]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { add_whole_avx2(self, values) };
        }
        add_whole_in(self, values);
    }

    #[inline(always)]
    pub fn add_all<N: Copy>(&mut self, values: &[N], number: impl Fn(N) -> f64, counts: impl Fn(f64) -> bool) {
        let (groups, rest) = values.as_chunks::<LANES>();
        for group in groups {
            for (lane, value) in group.iter().enumerate() {
                self.add(lane, number(*value), &counts);
            }
        }
        rest.iter().for_each(|value| self.add(0, number(*value), &counts));
    }

    #[inline(always)]
    pub fn add(&mut self, lane: usize, value: f64, counts: impl Fn(f64) -> bool) {
        let is_counted = counts(value);
        let distance = if is_counted { value - self.shift } else { 0.0 };
        self.count[lane] += u64::from(is_counted);
        self.sum[lane] += distance;
        self.squares[lane] += distance * distance;
        self.min[lane] = if is_counted && value < self.min[lane] { value } else { self.min[lane] };
        self.max[lane] = if is_counted && value > self.max[lane] { value } else { self.max[lane] };
    }

    /// At least one value was counted.
    pub fn finish(&self) -> Numbers {
        let count: u64 = self.count.iter().sum();
        let sum: f64 = self.sum.iter().sum();
        let mean = sum / count as f64;
        Numbers {
            min: self.min.iter().copied().fold(f64::INFINITY, f64::min),
            max: self.max.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count,
            mean: self.shift + mean,
            squares: (self.squares.iter().sum::<f64>() - sum * mean).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_the_nearest_floats() {
        let edges = [0, 1, -1, 1 << 51, -(1 << 51), (1 << 51) - 1, (1 << 53) + 1, i64::MAX, i64::MIN];
        let near = edges.iter().flat_map(|edge: &i64| (-2..=2).map(move |by| edge.wrapping_add(by)));
        let near: Vec<i64> = near.collect();
        for values in near.chunks(1).chain([&near[..]]) {
            let mut floats = vec![f64::NAN; values.len()];
            as_floats(values, &mut floats);
            let plain: Vec<u64> = values.iter().map(|value| (*value as f64).to_bits()).collect();
            assert_eq!(floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>(), plain, "{values:?}");
        }
    }

    #[test]
    fn truths_are_what_lanes_find() {
        for (trues, count) in [(0, 1), (1, 1), (3, 7), (999, 1_000), (0, 50), (50, 50), (1 << 20, (1 << 21) + 3)] {
            for first in [true, false] {
                if (first && trues == 0) || (!first && trues == count) {
                    continue;
                }
                let rest = trues - u64::from(first);
                let values: Vec<i64> =
                    (0..count).map(|at| if at == 0 { i64::from(first) } else { i64::from(at <= rest) }).collect();
                let mut lanes = Lanes::new(values[0] as f64);
                lanes.add_whole(&values);
                let (found, plain) = (Numbers::of_truths(first, trues, count), lanes.finish());
                let bits = |of: &Numbers| [of.min, of.max, of.mean, of.squares].map(f64::to_bits);
                assert_eq!((bits(&found), found.count), (bits(&plain), plain.count), "{trues} of {count}, {first}");
            }
        }
    }

    #[test]
    fn wider_registers_change_no_digit() {
        let floats: Vec<f64> =
            (0..1_003).map(|at| if at % 17 == 0 { f64::NAN } else { 1.0 / f64::from(at) - 0.3 }).collect();
        let whole: Vec<i64> = (0..1_003).map(|at: i64| at * at * 7_919 - (at << 44)).collect();
        let narrow: Vec<u32> = (0..1_003u32).map(|at| u32::MAX - at * 7_919).collect();
        let (mut one, mut other) = (Lanes::new(0.1), Lanes::new(0.1));
        one.add_floats(&floats);
        one.add_whole(&whole);
        one.add_whole(&narrow);
        other.add_all(&floats, |value| value, f64::is_finite);
        other.add_all(&whole, |value| value as f64, |_| true);
        other.add_all(&narrow, f64::from, |_| true);
        let [one, other] = [one, other].map(|lanes| lanes.finish());
        let bits = |of: &Numbers| [of.min, of.max, of.mean, of.squares].map(f64::to_bits);
        assert_eq!((bits(&one), one.count), (bits(&other), other.count));
    }
}
