//! Quantiles over the last requests, for people. Prometheus has histograms.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Requests kept: enough that ten lie above the 99th percentile, and few enough to sort on every call.
const KEPT: usize = 1000;

/// How long the last requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    /// The number of requests counted, at most 1000.
    pub requests: usize,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
}

/// The last durations, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Duration>>);

impl Recent {
    /// Adds a duration, and drops the oldest of 1000.
    pub(super) fn add(&self, elapsed: Duration) {
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(elapsed);
    }

    /// The quantiles now. All are zero when there are no durations.
    pub(super) fn latency(&self) -> Latency {
        let mut sorted: Vec<Duration> = self.lock().iter().copied().collect();
        sorted.sort_unstable();
        Latency {
            requests: sorted.len(),
            p50: quantile(&sorted, 50),
            p95: quantile(&sorted, 95),
            p99: quantile(&sorted, 99),
        }
    }

    /// The durations are whole even if the lock is poisoned.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The smallest duration that `percent` of `sorted` do not exceed (nearest rank).
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let recent = Recent::default();
        (1..=100).rev().for_each(|ms| recent.add(Duration::from_millis(ms)));
        let latency = recent.latency();
        assert_eq!(latency.requests, 100);
        assert_eq!([latency.p50, latency.p95, latency.p99], [50, 95, 99].map(Duration::from_millis));
    }

    #[test]
    fn one_request_is_every_quantile() {
        let recent = Recent::default();
        recent.add(Duration::from_millis(7));
        assert_eq!(recent.latency().p50, Duration::from_millis(7));
        assert_eq!(recent.latency().p99, Duration::from_millis(7));
    }

    #[test]
    fn quantiles_of_nothing_are_zero() {
        assert_eq!(Recent::default().latency(), Latency::default());
    }

    #[test]
    fn only_the_last_thousand_count() {
        let recent = Recent::default();
        recent.add(Duration::from_secs(3600));
        (0..KEPT).for_each(|_| recent.add(Duration::from_millis(1)));
        assert_eq!(recent.latency().requests, KEPT);
        assert_eq!(recent.latency().p99, Duration::from_millis(1));
        assert!(!recent.lock().contains(&Duration::from_secs(3600)));
    }
}
