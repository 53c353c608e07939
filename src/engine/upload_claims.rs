//! Bodies on their way to the last free places: as long as they are young, nobody else is let in for those.
//! Must not know what a place is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time for which a body on its way counts: most are there by then, and who trickles keeps nobody out for longer.
const RECENT: Duration = Duration::from_millis(250);

/// The young bodies, oldest first.
#[derive(Clone, Debug, Default)]
pub struct UploadClaims(Arc<Mutex<VecDeque<Instant>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct UploadClaim {
    claims: UploadClaims,
    since: Instant,
}

impl UploadClaims {
    /// One more, from `now` on.
    pub fn add(&self, now: Instant) -> UploadClaim {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(now);
        UploadClaim { claims: self.clone(), since: now }
    }

    /// How many are young at `now`.
    pub fn recent(&self, now: Instant) -> usize {
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
        if let Some(place) = claims.iter().position(|since| *since == self.since) {
            claims.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lasts_until_it_is_dropped_or_old() {
        let (claims, start) = (UploadClaims::default(), Instant::now());
        let dropped = claims.add(start);
        let _trickles = claims.add(start);
        assert_eq!(claims.recent(start), 2);
        drop(dropped);
        assert_eq!(claims.recent(start + RECENT), 1);
        assert_eq!(claims.recent(start + RECENT * 2), 0);
    }
}
