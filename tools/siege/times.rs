//! Times of answers, and the number of requests without one.

use std::fmt;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    taken: Vec<Duration>,
    pub failed: usize,
}

impl Times {
    /// Adds the time of an answer, or a failure.
    pub(crate) fn add(&mut self, taken: Option<Duration>) {
        match taken {
            Some(taken) => self.taken.push(taken),
            None => self.failed += 1,
        }
    }

    /// Adds the times of others.
    pub(crate) fn extend(&mut self, others: Times) {
        self.taken.extend(others.taken);
        self.failed += others.failed;
    }

    pub(crate) fn count(&self) -> usize {
        self.taken.len()
    }

    /// The quantile `share` in milliseconds (nearest rank); 0 without answers.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }

    /// Whether every request was answered within `millis`.
    pub(crate) fn all_within(&self, millis: f64) -> bool {
        self.failed == 0 && self.at(1.0) <= millis
    }
}

impl FromIterator<Option<Duration>> for Times {
    fn from_iter<I: IntoIterator<Item = Option<Duration>>>(all: I) -> Times {
        let mut times = Times::default();
        all.into_iter().for_each(|taken| times.add(taken));
        times
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95, p99, longest] = [0.5, 0.95, 0.99, 1.0].map(|share| self.at(share));
        write!(f, "p50 {p50:.1} ms, p95 {p95:.1}, p99 {p99:.1}, max {longest:.1}; {} failed", self.failed)
    }
}
