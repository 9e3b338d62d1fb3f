//! A sample of a column's rows in one pass: one row of every block of so many, the blocks doubling as the table grows.
//!
//! Which row of a block is taken is drawn from the number of the block, so equal tables have equal samples however they come
//! in batches, and a pattern in the order of the rows (a day of 24 hours) is not met in step.

/// At most so many values, each standing for a block of rows.
#[derive(Clone, Debug)]
pub(crate) struct Sample<T> {
    most: usize,
    /// Rows of a block.
    stride: u64,
    /// Rows so far.
    seen: u64,
    values: Vec<T>,
}

impl<T> Sample<T> {
    pub fn of_at_most(most: usize) -> Sample<T> {
        Sample { most, stride: 1, seen: 0, values: Vec::new() }
    }

    /// Takes in the next `rows` rows, of which `value` gives those that are picked.
    pub fn take(&mut self, rows: usize, value: impl Fn(usize) -> T) {
        let end = self.seen + rows as u64;
        loop {
            let next = self.next();
            if next >= end {
                break;
            }
            self.values.push(value((next - self.seen) as usize));
            if self.values.len() > self.most {
                self.halve();
            }
        }
        self.seen = end;
    }

    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The row of the table that is picked next: one of the block after those that have theirs.
    fn next(&self) -> u64 {
        let block = self.values.len() as u64;
        block * self.stride + drawn(block, self.stride) % self.stride
    }

    /// Keeps one of each two neighbours.
    fn halve(&mut self) {
        let (mut at, stride) = (0u64, self.stride);
        let last = self.values.len() as u64 - 1;
        self.values.retain(|_| {
            let (pair, is_second) = (at / 2, at % 2 == 1);
            // The last one may have no neighbour yet.
            let is_kept = is_second == (drawn(pair, stride + 1) & 1 == 1) || (at == last && !is_second);
            at += 1;
            is_kept
        });
        self.stride *= 2;
    }
}

/// A number that looks random, of two others (the finalizer of SplitMix64, Steele et al. 2014).
fn drawn(block: u64, stride: u64) -> u64 {
    crate::distinct::mix(block.wrapping_mul(spec::random::STEP) ^ stride.rotate_left(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: u64, batch: u64) -> Vec<u64> {
        let mut sample = Sample::of_at_most(256);
        let mut start = 0;
        while start < rows {
            let size = batch.min(rows - start);
            sample.take(size as usize, |row| start + row as u64);
            start += size;
        }
        sample.values().to_vec()
    }

    #[test]
    fn it_is_whole_while_the_table_is_small_and_never_depends_on_batches() {
        assert_eq!(of(256, 100), (0..256).collect::<Vec<_>>());
        for rows in [257, 1_000, 10_007, 300_000] {
            let sample = of(rows, 1 << 20);
            assert!((128..=256).contains(&sample.len()), "{rows}: {}", sample.len());
            assert!(sample.is_sorted() && sample.windows(2).all(|pair| pair[0] < pair[1]), "{rows}");
            assert_eq!(sample, of(rows, 997), "{rows}");
            assert_eq!(sample, of(rows, 1), "{rows}");
        }
    }

    #[test]
    fn patterns_are_not_met_in_step() {
        // Every 64th row is another one; rows at multiples of a power of two would be all of these, or none.
        let sample = of(1 << 20, 4_096);
        let met = sample.iter().filter(|row| **row % 64 == 0).count();
        assert!(met < 16, "{met} of {}", sample.len());
    }
}
