//! When a job must end early: its deadline, and whether it was cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A deadline and a flag to cancel. Jobs check it between encodes.
#[derive(Clone, Debug)]
pub struct Stop {
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
}

/// Why a job must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The deadline has passed. The job answers with the best result so far.
    Deadline,
    /// Nobody waits for the answer any more.
    Cancelled,
}

impl Stop {
    /// Stops the job at `deadline`, or when [`Stop::cancel`] is called on any clone.
    pub fn at(deadline: Instant) -> Stop {
        Stop { deadline, cancelled: Arc::default() }
    }

    /// Stops the job because nobody waits for its answer any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The same stop with a deadline at most `time` from now.
    #[must_use]
    pub fn within(&self, time: Duration) -> Stop {
        let deadline = Instant::now().checked_add(time).map_or(self.deadline, |end| end.min(self.deadline));
        Stop { deadline, cancelled: Arc::clone(&self.cancelled) }
    }

    /// When the job must end.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether [`Stop::cancel`] was called, on this or on any clone.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether work that takes `expected` would end before the deadline.
    pub fn has_time_for(&self, expected: Duration) -> bool {
        expected <= self.deadline.saturating_duration_since(Instant::now())
    }

    /// Why the job must stop now. Returns `None` when it may continue.
    pub fn reason(&self) -> Option<StopReason> {
        if self.is_cancelled() {
            Some(StopReason::Cancelled)
        } else if Instant::now() >= self.deadline {
            Some(StopReason::Deadline)
        } else {
            None
        }
    }
}
