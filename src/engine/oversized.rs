//! Oversized jobs: those that need more memory than all jobs may use together. They borrow the rest from the memory of
//! bodies, one after the other.
//!
//! Such a job waits until enough of that memory is free. Other bodies are dropped when their jobs are done, but two
//! oversized jobs could wait for each other's bodies for ever. So a job is refused unless every waiting job could be
//! served while the bodies of all waiting jobs stay in memory.

use std::sync::{Arc, Mutex, PoisonError};

/// What an oversized job needs of the memory of bodies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OversizedNeed {
    /// Taken by its own body.
    pub body: u64,
    /// Borrowed for its work, on top of all the memory of jobs.
    pub work: u64,
}

/// The oversized jobs that wait for memory.
#[derive(Debug)]
pub(super) struct OversizedJobs {
    /// The memory of bodies, in bytes.
    total: u64,
    needs: Arc<Mutex<Vec<OversizedNeed>>>,
}

/// One waiting job; dropping it ends the wait.
#[derive(Debug)]
pub(super) struct Wait {
    need: OversizedNeed,
    needs: Arc<Mutex<Vec<OversizedNeed>>>,
}

impl OversizedJobs {
    /// No waiting jobs, with `total` bytes for all.
    pub(super) fn new(total: u64) -> OversizedJobs {
        OversizedJobs { total, needs: Arc::default() }
    }

    /// Adds a waiting job. Returns `None` when it and the others could wait for each other's bodies for ever.
    pub(super) fn enter(&self, need: OversizedNeed) -> Option<Wait> {
        // The list is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || needs.iter().chain([&need]);
        let bodies: u64 = all().map(|need| need.body).fold(0, u64::saturating_add);
        let largest = all().map(|need| need.work).max().unwrap_or(0);
        if bodies.saturating_add(largest) > self.total {
            return None;
        }
        needs.push(need);
        Some(Wait { need, needs: Arc::clone(&self.needs) })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        // Equal needs are interchangeable.
        if let Some(index) = needs.iter().position(|need| *need == self.need) {
            needs.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_wait_together_only_if_each_could_be_served() {
        let waiting = OversizedJobs::new(100);
        let first = waiting.enter(OversizedNeed { body: 10, work: 70 }).unwrap();
        let second = waiting.enter(OversizedNeed { body: 20, work: 5 }).unwrap();
        assert!(waiting.enter(OversizedNeed { body: 1, work: 1 }).is_none(), "the first could not be served");
        assert!(waiting.enter(OversizedNeed { body: 0, work: 70 }).is_some());
        drop(first);
        assert!(waiting.enter(OversizedNeed { body: 1, work: 80 }).is_none(), "nor could this one");
        drop(second);
        assert!(waiting.enter(OversizedNeed { body: 20, work: 80 }).is_some());
        assert!(waiting.enter(OversizedNeed { body: 20, work: 81 }).is_none());
    }
}
