//! Bodies on their way to the last free places: as long as they are young, nobody else is let in for those.
//! Must not know what a place is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time for which a body on its way counts: most are there by then, and who trickles keeps nobody out for longer.
const YOUNG: Duration = Duration::from_millis(250);

/// The young bodies, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Claims(Arc<Mutex<VecDeque<Instant>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    claims: Claims,
    since: Instant,
}

impl Claims {
    /// One more, from `now` on.
    pub fn stake(&self, now: Instant) -> Claim {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(now);
        Claim { claims: self.clone(), since: now }
    }

    /// How many are young at `now`.
    pub fn young(&self, now: Instant) -> usize {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while claims.front().is_some_and(|since| now.duration_since(*since) > YOUNG) {
            claims.pop_front();
        }
        claims.len()
    }
}

impl Drop for Claim {
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
        let (claims, start) = (Claims::default(), Instant::now());
        let dropped = claims.stake(start);
        let _trickles = claims.stake(start);
        assert_eq!(claims.young(start), 2);
        drop(dropped);
        assert_eq!(claims.young(start + YOUNG), 1);
        assert_eq!(claims.young(start + YOUNG * 2), 0);
    }
}
