//! Requests that wait for an answer which is being computed.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::computation::Computed;
use super::single_flight::Waiter;
use super::{EngineError, Key, Upload};
use crate::job::{Job, JobError};

/// How long after its deadline a request still waits for its answer: the job needs a moment to notice the deadline and
/// to finish the best answer so far.
pub(super) const GRACE: Duration = Duration::from_millis(150);

/// A request that waited for an identical one tries again only with at least this much time left: encoding a megapixel
/// takes about as long (`LossyCoding::cost`: 15 ms as JPEG, 50 ms as WebP at the lowest effort).
const MIN_TIME_TO_RETRY: Duration = Duration::from_millis(50);

/// A request that waits for a computation.
pub(super) type FlightWaiter = Waiter<Key, Upload, Result<Computed, EngineError>>;

/// A request that waits for its answer.
pub(super) struct PendingRequest {
    pub(super) key: Key,
    pub(super) job: Job,
    /// When its body was complete.
    pub(super) received: Instant,
    /// The end of its own time, or of that of the set which it belongs to.
    pub(super) stop_at: Instant,
    /// Whether its answer is a share of a total, which can't be computed without the others.
    pub(super) shares_total: bool,
}

impl PendingRequest {
    /// Whether trying again may give a better result than this one of an identical request with less time.
    pub(super) fn may_do_better(&self, result: &Result<Computed, EngineError>) -> bool {
        let lacked_time_or_memory = match result {
            Ok(computed) => computed.cached.answer.report.cut_short,
            Err(EngineError::Overloaded { .. } | EngineError::NoWorker { .. }) => true,
            Err(EngineError::Job(error)) => matches!(**error, JobError::DeadlineExceeded { .. }),
            Err(EngineError::ShuttingDown | EngineError::Panicked { .. } | EngineError::Died(_)) => false,
        };
        lacked_time_or_memory
            && !self.shares_total
            && self.stop_at.saturating_duration_since(Instant::now()) >= MIN_TIME_TO_RETRY
    }

    /// The error that says which of its deadlines has passed.
    fn late(&self) -> EngineError {
        let is_over = Instant::now() >= self.stop_at;
        let deadline = if is_over { self.stop_at - self.received } else { self.job.deadline };
        JobError::DeadlineExceeded { deadline }.into()
    }

    /// The result that `waiter` waits for, by the deadline of this request.
    pub(super) async fn result(&self, waiter: FlightWaiter) -> Result<Computed, EngineError> {
        // The client must not wait for a step that can't be interrupted.
        let result = timeout_at((self.stop_at + GRACE).into(), waiter.result()).await;
        match result {
            Err(_) => Err(self.late()),
            Ok(None) => Err(EngineError::task_died()),
            // The computation that it joined may have had another deadline.
            Ok(Some(Err(EngineError::Job(error)))) if matches!(*error, JobError::DeadlineExceeded { .. }) => {
                Err(self.late())
            }
            Ok(Some(result)) => result,
        }
    }
}
