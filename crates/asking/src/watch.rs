//! Shows on the terminal how far the asking is.

use std::cell::Cell;

use llm::{Progress as Asking, Totals, Watch};

use crate::Progress;

/// Inputs after which the log says how far the asking is.
const CHUNK: u64 = 10_000;

/// Writes each progress of a round as one line: inputs, rate, cost so far, time left.
pub struct Shown<'a> {
    screen: &'a dyn Progress,
    place: &'a str,
    before: Totals,
    last: Cell<u64>,
    chunks: Cell<u64>,
}

impl<'a> Shown<'a> {
    /// `before`: what earlier rounds came to.
    pub fn new(screen: &'a dyn Progress, place: &'a str, before: Totals) -> Shown<'a> {
        Shown { screen, place, before, last: Cell::new(u64::MAX), chunks: Cell::new(before.distinct / CHUNK) }
    }
}

impl Watch for Shown<'_> {
    fn progress(&self, progress: &Asking) {
        if self.last.replace(progress.done) == progress.done {
            return;
        }
        let (words, done) = (in_words(self.place, progress, self.before), self.before.distinct + progress.done);
        if self.chunks.replace(done / CHUNK) < done / CHUNK && progress.done < progress.total {
            tracing::info!("{words}");
        }
        self.screen.at(&words, done);
    }
}

fn in_words(place: &str, progress: &Asking, before: Totals) -> String {
    let Asking { done, total, cost, per_second } = *progress;
    let mut words = format!("{place}: {done} of {total}, cost {:.4}", before.cost + cost);
    if per_second > 0.0 {
        words += &format!(", {per_second:.0}/s, {:.0} s left", (total - done) as f64 / per_second);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_and_time_left_are_reported() {
        let progress = Asking { done: 40, total: 100, cost: 0.5, per_second: 20.0 };
        let before = Totals { cost: 1.0, ..Totals::default() };
        assert_eq!(in_words("t", &progress, before), "t: 40 of 100, cost 1.5000, 20/s, 3 s left");
        let begun = Asking { per_second: 0.0, done: 0, ..progress };
        assert_eq!(in_words("t", &begun, before), "t: 0 of 100, cost 1.5000");
    }
}
