//! Oversized jobs: those that need more memory than all jobs may use together. They borrow the rest from the memory of
//! bodies, one after the other.
//!
//! Such a job waits until enough of that memory is free. Other bodies are dropped when their jobs are done, but two
//! oversized jobs could wait for each other's bodies for ever. So a job is refused unless every waiting job could be
//! served while the bodies of all waiting jobs stay in memory.

use std::sync::{Arc, Mutex, PoisonError};

/// What an oversized job needs of the memory of bodies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Taken by its own body.
    pub body: u64,
    /// Borrowed for its work, on top of all the memory of jobs.
    pub work: u64,
}

/// The oversized jobs that wait for memory.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The memory of bodies, in bytes.
    total: u64,
    shares: Arc<Mutex<Vec<Share>>>,
}

/// One waiting job; dropping it ends the wait.
#[derive(Debug)]
pub(super) struct Wait {
    share: Share,
    shares: Arc<Mutex<Vec<Share>>>,
}

impl Waiting {
    /// No waiting jobs, with `total` bytes to share.
    pub(super) fn new(total: u64) -> Waiting {
        Waiting { total, shares: Arc::default() }
    }

    /// Adds a waiting job. Returns `None` when it and the others could wait for each other's bodies for ever.
    pub(super) fn enter(&self, share: Share) -> Option<Wait> {
        // The list is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
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
        if let Some(index) = shares.iter().position(|share| *share == self.share) {
            shares.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_wait_together_only_if_each_could_be_served() {
        let waiting = Waiting::new(100);
        let first = waiting.enter(Share { body: 10, work: 70 }).unwrap();
        let second = waiting.enter(Share { body: 20, work: 5 }).unwrap();
        assert!(waiting.enter(Share { body: 1, work: 1 }).is_none(), "the first could not be served");
        assert!(waiting.enter(Share { body: 0, work: 70 }).is_some());
        drop(first);
        assert!(waiting.enter(Share { body: 1, work: 80 }).is_none(), "nor could this one");
        drop(second);
        assert!(waiting.enter(Share { body: 20, work: 80 }).is_some());
        assert!(waiting.enter(Share { body: 20, work: 81 }).is_none());
    }
}
