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

pub(crate) fn first_of(mut values: impl Iterator<Item = f64>, counts: impl Fn(f64) -> bool) -> Option<f64> {
    values.find(|value| counts(*value))
}

const LANES: usize = 8;

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
