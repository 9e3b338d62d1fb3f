//! Random numbers with a constant seed, so that a failure can be run again.

/// The sequence of [`spec::random`], with the numbers that tests choose by.
#[derive(Clone, Debug)]
pub struct Random(spec::random::Random);

impl Random {
    pub fn seeded(seed: u64) -> Random {
        Random(spec::random::Random::from_state(seed))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64() % end.max(1)
    }

    /// One of `all`, which must not be empty.
    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }
}
