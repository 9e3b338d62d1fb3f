//! How long fuzzers try, and with which random numbers: the same for all of them.
//!
//! | variable | |
//! |---|---|
//! | none | a bounded number of rounds from a constant seed: what CI runs |
//! | `MILLRACE_FUZZ_SECONDS=600` | as many rounds as fit into that time, from a seed of its own, which is printed |
//! | `MILLRACE_FUZZ_SEED=17` | begins with this seed: a round that failed has its own, printed with the failure |

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Random;

/// The rounds of a fuzzer. Each has random numbers of its own.
#[derive(Debug)]
pub struct Rounds {
    next: u64,
    left: u64,
    until: Option<Instant>,
}

/// A round with its seed.
#[derive(Debug)]
pub struct Round {
    /// `MILLRACE_FUZZ_SEED` with this number begins with this round.
    pub seed: u64,
    pub random: Random,
}

impl Rounds {
    /// So many rounds, unless a variable asks for a time.
    pub fn of(most: u64) -> Rounds {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let until = number("MILLRACE_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_micros() as u64);
        let usual = if until.is_some() { clock() } else { 7 };
        let first = number("MILLRACE_FUZZ_SEED").unwrap_or(usual);
        if until.is_some() {
            eprintln!("fuzzing from seed {first}");
        }
        Rounds { next: first, left: most, until }
    }
}

impl Iterator for Rounds {
    type Item = Round;
    fn next(&mut self) -> Option<Round> {
        match self.until {
            Some(until) if Instant::now() >= until => return None,
            Some(_) => {}
            None => self.left = self.left.checked_sub(1)?,
        }
        let seed = self.next;
        self.next += 1;
        // Neighbouring seeds must not give neighbouring numbers.
        let mut random = Random::seeded(seed);
        random = Random::seeded(random.next_u64());
        Some(Round { seed, random })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_bounded_and_can_be_run_again() {
        if std::env::var_os("MILLRACE_FUZZ_SECONDS").is_some() || std::env::var_os("MILLRACE_FUZZ_SEED").is_some() {
            return;
        }
        let drawn = || Rounds::of(50).map(|mut round| (round.seed, round.random.next_u64())).collect::<Vec<_>>();
        assert_eq!(drawn().len(), 50);
        assert_eq!(drawn(), drawn());
    }
}
