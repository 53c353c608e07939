//! A histogram of durations that is small enough to keep for every interval of an hour.

use std::time::Duration;

/// The upper bound of the first class, in seconds. Shorter requests come from the cache.
const FIRST: f64 = 0.001;
/// A class is this much wider than the one below, which a quantile is then wrong by at most.
const RATIO: f64 = 1.25;
/// The last class begins at 52 s; the longest deadline by default is 60 s.
const CLASSES: usize = 50;

/// How many durations were in each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Durations([u32; CLASSES]);

impl Default for Durations {
    fn default() -> Durations {
        Durations([0; CLASSES])
    }
}

impl Durations {
    pub(super) fn add(&mut self, elapsed: Duration) {
        let class = (elapsed.as_secs_f64() / FIRST).log(RATIO).ceil().max(0.0) as usize;
        let count = &mut self.0[class.min(CLASSES - 1)];
        *count = count.saturating_add(1);
    }

    pub(super) fn add_all(&mut self, other: &Durations) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// The upper bound of the class that has the duration which `percent` do not exceed. Zero without any.
    pub(super) fn quantile(&self, percent: u64) -> Duration {
        let total: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * percent).div_ceil(100);
        if rank == 0 {
            return Duration::ZERO;
        }
        let mut below = 0;
        let class = self.0.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        });
        Duration::from_secs_f64(FIRST * RATIO.powi(class.unwrap_or(CLASSES - 1) as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_at_most_a_class_too_long() {
        let mut durations = Durations::default();
        (1..=100).for_each(|ms| durations.add(Duration::from_millis(ms)));
        for percent in [50, 95, 99] {
            let found = durations.quantile(percent).as_secs_f64() * 1e3;
            let exact = percent as f64;
            assert!((exact..=exact * RATIO).contains(&found), "p{percent}: {found} ms");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_are_counted() {
        let mut durations = Durations::default();
        durations.add(Duration::ZERO);
        assert_eq!(durations.quantile(100), Duration::from_millis(1));
        durations.add(Duration::from_secs(7200));
        assert!(durations.quantile(100) > Duration::from_secs(50));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Durations::default().quantile(95), Duration::ZERO);
    }
}
