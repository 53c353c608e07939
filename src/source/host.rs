//! What is known of each host: how many fetches from it run, and whether it is left alone because it keeps failing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::retries::Budget;

/// Hosts that are remembered.
const MAX_HOSTS: u64 = 1024;

/// How long a host is remembered after its last fetch.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Failures in a row after which a host is left alone.
const MAX_FAILURES: u32 = 5;

/// How long a host is left alone before it is tried again.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// The hosts that pictures were fetched from lately.
pub(super) struct Hosts {
    by_name: Cache<String, Arc<HostState>>,
    per_host: usize,
}

/// What is known of one host.
pub(super) struct HostState {
    /// One permit for each fetch that may run.
    pub slots: Arc<Semaphore>,
    breaker: Mutex<Breaker>,
    retries: Budget,
}

/// Failures in a row, and until when the host is left alone.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    left_alone_until: Option<Instant>,
}

impl Hosts {
    /// Knows no host yet; each may have `per_host` fetches at once.
    pub(super) fn new(per_host: usize) -> Hosts {
        let by_name = Cache::builder().max_capacity(MAX_HOSTS).time_to_idle(REMEMBERED).build();
        Hosts { by_name, per_host }
    }

    /// The state of the host called `name`.
    pub(super) fn of(&self, name: &str) -> Arc<HostState> {
        self.by_name.get_with_by_ref(name, || Arc::new(HostState::new(self.per_host)))
    }
}

impl HostState {
    fn new(per_host: usize) -> HostState {
        let slots = Arc::new(Semaphore::new(per_host));
        HostState { slots, breaker: Mutex::default(), retries: Budget::default() }
    }

    /// Whether the host may be asked `now`. After [`LEFT_ALONE`] one fetch may try, while the others are still refused.
    ///
    /// # Errors
    /// How long the host is still left alone.
    pub(super) fn check(&self, now: Instant) -> Result<(), Duration> {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        match breaker.left_alone_until {
            Some(until) if until > now => Err(until - now),
            Some(_) => {
                breaker.left_alone_until = Some(now + LEFT_ALONE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Counts a fetch that begins: each tenth one allows a retry.
    pub(super) fn begin(&self) {
        self.retries.earn();
    }

    /// Whether the host may be asked once more, which counts as done. One that keeps failing is asked once.
    pub(super) fn may_retry(&self) -> bool {
        let breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker.left_alone_until.is_none() && self.retries.take()
    }

    /// Counts a fetch that ended `now`.
    pub(super) fn note(&self, has_failed: bool, now: Instant) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if !has_failed {
            *breaker = Breaker::default();
            return;
        }
        breaker.failures += 1;
        if breaker.failures >= MAX_FAILURES {
            breaker.left_alone_until = Some(now + LEFT_ALONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_keeps_failing_is_left_alone_and_then_tried_once() {
        let hosts = Hosts::new(1);
        let now = Instant::now();
        for _ in 1..MAX_FAILURES {
            hosts.of("a").note(true, now);
            assert_eq!(hosts.of("a").check(now), Ok(()));
        }
        hosts.of("a").note(true, now);
        assert_eq!(hosts.of("a").check(now), Err(LEFT_ALONE));
        assert_eq!(hosts.of("b").check(now), Ok(()), "another host");
        let later = now + LEFT_ALONE;
        assert_eq!(hosts.of("a").check(later), Ok(()));
        assert!(hosts.of("a").check(later).is_err(), "one try at a time");
        assert!(!hosts.of("a").may_retry() && hosts.of("b").may_retry());
        hosts.of("a").note(false, later);
        assert_eq!(hosts.of("a").check(later), Ok(()));
    }
}
