//! Uploads that are likely to need one of the last free queue slots. While an upload is recent, no other request is
//! admitted for the slot that it claims.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an upload keeps its claim: most are complete by then, and a slow one must not keep others out for longer.
const RECENT: Duration = Duration::from_millis(250);

/// When the uploads that hold a claim began, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct UploadClaims(Arc<Mutex<VecDeque<Instant>>>);

/// The claim of one upload; dropping it ends the claim.
#[derive(Debug)]
pub struct UploadClaim {
    claims: UploadClaims,
    since: Instant,
}

impl UploadClaims {
    /// Adds a claim that begins `now`.
    pub(super) fn add(&self, now: Instant) -> UploadClaim {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(now);
        UploadClaim { claims: self.clone(), since: now }
    }

    /// The number of recent claims at `now`.
    pub(super) fn recent(&self, now: Instant) -> usize {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while claims.front().is_some_and(|since| now.duration_since(*since) > RECENT) {
            claims.pop_front();
        }
        claims.len()
    }
}

impl Drop for UploadClaim {
    fn drop(&mut self) {
        let mut claims = self.claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Equal instants are interchangeable.
        if let Some(index) = claims.iter().position(|since| *since == self.since) {
            claims.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lasts_until_it_is_dropped_or_old() {
        let claims = UploadClaims::default();
        let start = Instant::now();
        let dropped = claims.add(start);
        let _slow = claims.add(start);
        assert_eq!(claims.recent(start), 2);
        drop(dropped);
        assert_eq!(claims.recent(start + RECENT), 1);
        assert_eq!(claims.recent(start + RECENT * 2), 0);
    }
}
