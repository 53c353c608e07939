//! Asking a host once more after a failure that is likely to pass.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use reqwest::Response;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::fetch::causes;
use super::host::HostState;
use super::names::UnknownName;
use crate::metrics::Metrics;

/// Retries that one fetch may take.
const MAX_RETRIES: u32 = 2;

/// The longest pause before the first retry. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Fetches from a host for which it may be asked once more: a host that is down gets a tenth more requests, not twice
/// as many.
const FETCHES_FOR_A_RETRY: u32 = 10;

/// Retries that a host may have saved up. It begins with them.
const MAX_SAVED: u32 = 3;

/// The retries that are left to a host.
#[derive(Debug)]
pub(super) struct Budget {
    /// Retries times [`FETCHES_FOR_A_RETRY`].
    saved: AtomicU32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { saved: AtomicU32::new(MAX_SAVED * FETCHES_FOR_A_RETRY) }
    }
}

impl Budget {
    /// Counts a fetch.
    pub(super) fn earn(&self) {
        let more = |saved: u32| Some((saved + 1).min(MAX_SAVED * FETCHES_FOR_A_RETRY));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Takes a retry, if one is left.
    pub(super) fn take(&self) -> bool {
        let less = |saved: u32| saved.checked_sub(FETCHES_FOR_A_RETRY);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// The retries of one fetch.
pub(super) struct Retries<'a> {
    host: &'a HostState,
    end: Instant,
    taken: u32,
    metrics: &'a Metrics,
}

impl Retries<'_> {
    /// The retries of a fetch from `host` that ends by `end`.
    pub(super) fn new<'a>(host: &'a HostState, end: Instant, metrics: &'a Metrics) -> Retries<'a> {
        Retries { host, end, taken: 0, metrics }
    }

    /// How long to pause before asking once more. Returns `None` when the failure is the answer: the fetch has had its
    /// retries or would be over its time, or the host has had its share.
    pub(super) fn next(&mut self) -> Option<Duration> {
        if self.taken == MAX_RETRIES {
            return None;
        }
        let pause = FIRST_PAUSE * (1 << self.taken);
        let pause = pause.mul_f64(fraction());
        if Instant::now() + pause >= self.end || !self.host.may_retry() {
            return None;
        }
        self.taken += 1;
        self.metrics.source_retried();
        Some(pause)
    }
}

/// Any number from 0 to 1. The pauses of many fetches are spread over all of their length, so that they don't come at
/// once (Brooker, "Exponential Backoff And Jitter": full jitter).
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers the pause is the longest.
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

/// Whether an answer is likely to be another the next time. A host that says when to come back is not asked before.
pub(super) fn may_pass(response: &Response) -> bool {
    is_passing(response.status(), response.headers())
}

fn is_passing(status: StatusCode, headers: &HeaderMap) -> bool {
    let passes =
        [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status);
    passes && !headers.contains_key(RETRY_AFTER)
}

/// Whether there was no answer for a reason that is likely to pass: no connection, or one that ended before the answer
/// began. A name that is not known and a certificate that is not trusted stay so; what takes too long has had its time.
pub(super) fn is_passing_error(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        UnexpectedEof,
    };
    const PASSING: [std::io::ErrorKind; 7] = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkUnreachable,
        UnexpectedEof,
    ];
    if causes(error).any(|cause| cause.is::<UnknownName>()) {
        return false;
    }
    causes(error).any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| PASSING.contains(&error.kind()))
            || cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::host::Hosts;

    #[test]
    fn a_host_gets_a_tenth_more_requests() {
        let budget = Budget::default();
        assert_eq!((0..100).filter(|_| budget.take()).count(), 3, "to begin with");
        let taken = (0..1000).filter(|_| {
            budget.earn();
            budget.take()
        });
        assert_eq!(taken.count(), 100);
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.take()).count(), 3, "what is saved is bounded");
    }

    #[tokio::test]
    async fn a_fetch_pauses_for_a_while_of_its_own_and_never_beyond_its_end() {
        let (hosts, metrics) = (Hosts::new(1), Metrics::new());
        let mut pauses = Vec::new();
        for name in 0..100 {
            let host = hosts.of(&name.to_string());
            let mut retries = Retries::new(&host, Instant::now() + Duration::from_secs(9), &metrics);
            let taken = [retries.next().unwrap(), retries.next().unwrap()];
            assert!(taken[0] <= FIRST_PAUSE && taken[1] <= 2 * FIRST_PAUSE, "{taken:?}");
            assert_eq!(retries.next(), None);
            pauses.push(taken[0]);
        }
        assert!(pauses.iter().max().unwrap().saturating_sub(*pauses.iter().min().unwrap()) > FIRST_PAUSE / 2);
        assert!(metrics.render().contains("bytefit_source_retries_total 200"));
        let host = hosts.of("late");
        assert_eq!(Retries::new(&host, Instant::now(), &metrics).next(), None);
    }

    #[test]
    fn a_host_that_says_when_to_come_back_is_not_asked_before() {
        let later = HeaderMap::from_iter([(RETRY_AFTER, "1".parse().unwrap())]);
        for status in [502, 503, 504].map(|status| StatusCode::from_u16(status).unwrap()) {
            assert!(is_passing(status, &HeaderMap::new()));
            assert!(!is_passing(status, &later));
        }
        for status in [200, 404, 429, 500, 501].map(|status| StatusCode::from_u16(status).unwrap()) {
            assert!(!is_passing(status, &HeaderMap::new()), "{status}");
        }
    }
}
