//! When a search must end early. Must not know who waits or why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Asked between encodes: is anyone still waiting, is there time left?
#[derive(Clone, Debug)]
pub struct Stop {
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
}

/// Why work stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The deadline has passed: answer with the best so far.
    Deadline,
    /// Nobody waits for the answer any more.
    Cancelled,
}

impl Stop {
    /// Stops at `deadline`, or when [`Stop::cancel`] is called on any clone.
    pub fn at(deadline: Instant) -> Stop {
        Stop { deadline, cancelled: Arc::default() }
    }

    /// Tells the work that nobody waits for it any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether what takes `expected` would be done by the deadline.
    pub fn has_time_for(&self, expected: Duration) -> bool {
        expected <= self.deadline.saturating_duration_since(Instant::now())
    }

    /// The reason to stop now, if there is one.
    pub fn reason(&self) -> Option<StopReason> {
        if self.cancelled.load(Ordering::Relaxed) {
            Some(StopReason::Cancelled)
        } else if Instant::now() >= self.deadline {
            Some(StopReason::Deadline)
        } else {
            None
        }
    }
}
