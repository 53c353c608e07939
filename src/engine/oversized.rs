//! Jobs that need more memory than all jobs may have together: they take the rest from the memory of bodies, in turn.
//!
//! Such a job waits while bodies hold that memory, and its own is among them. Other bodies go when their jobs are done.
//! But two such jobs could wait for each other's bodies for ever: one is refused unless each can be served while the
//! bodies of all who wait stay where they are.

use std::sync::{Arc, Mutex, PoisonError};

/// What one of them needs of the memory of bodies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What its own body holds there.
    pub body: u64,
    /// What it works in, beside all that jobs may have.
    pub work: u64,
}

/// Those who wait for their share.
#[derive(Debug)]
pub struct Waiting {
    /// The memory of bodies, in bytes.
    total: u64,
    shares: Arc<Mutex<Vec<Share>>>,
}

/// A wait, until it is dropped.
#[derive(Debug)]
pub struct Wait {
    share: Share,
    shares: Arc<Mutex<Vec<Share>>>,
}

impl Waiting {
    /// Nobody, for shares of `total` bytes.
    pub fn new(total: u64) -> Waiting {
        Waiting { total, shares: Arc::default() }
    }

    /// One more; none where it and the others could wait for each other's bodies.
    pub fn enter(&self, share: Share) -> Option<Wait> {
        // A poisoned lock still guards a whole list: nothing that can panic runs between two changes.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || shares.iter().chain([&share]);
        let bodies: u64 = all().map(|share| share.body).fold(0, u64::saturating_add);
        let largest = all().map(|share| share.work).max().unwrap_or(0);
        if bodies.saturating_add(largest) > self.total {
            return None;
        }
        shares.push(share);
        Some(Wait { share, shares: Arc::clone(&self.shares) })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        // Equal shares are interchangeable.
        if let Some(at) = shares.iter().position(|share| *share == self.share) {
            shares.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_wait_together_who_leave_each_other_room() {
        let waiting = Waiting::new(100);
        let first = waiting.enter(Share { body: 10, work: 70 }).unwrap();
        let second = waiting.enter(Share { body: 20, work: 5 }).unwrap();
        assert!(waiting.enter(Share { body: 1, work: 1 }).is_none(), "the first would not find its share");
        assert!(waiting.enter(Share { body: 0, work: 70 }).is_some());
        drop(first);
        assert!(waiting.enter(Share { body: 1, work: 80 }).is_none(), "nor would this one");
        drop(second);
        assert!(waiting.enter(Share { body: 20, work: 80 }).is_some());
        assert!(waiting.enter(Share { body: 20, work: 81 }).is_none());
    }
}
