//! Why there is no answer.

use std::sync::Arc;
use std::time::Duration;

use super::work::{Death, WorkError};
use crate::job::JobError;
use crate::panics::Panicked;

/// Why the engine has no answer. It can be cloned, because every request that waits for a computation gets it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The job has no answer, most often for a reason that the client can change.
    #[error(transparent)]
    Job(Arc<JobError>),
    /// The queue is full, or no thread or memory became free in time; try again after this long.
    #[error("overloaded, try again in {} s", .retry_after.as_secs())]
    Overloaded {
        /// When the load is expected to be lower.
        retry_after: Duration,
    },
    /// The service is shutting down.
    #[error("shutting down")]
    ShuttingDown,
    /// The codec panicked, which is a bug.
    #[error("the codec panicked: {message}")]
    Panicked {
        /// What it said. For the log, not for the client.
        message: String,
    },
    /// The process that worked on the job died, which is a bug of its codec or of its limits.
    #[error(transparent)]
    Died(#[from] Death),
    /// No process could be started for the job.
    #[error("no worker process: {reason}")]
    NoWorker {
        /// For the log, not for the client.
        reason: String,
    },
}

impl From<JobError> for EngineError {
    fn from(error: JobError) -> EngineError {
        EngineError::Job(Arc::new(error))
    }
}

impl From<WorkError> for EngineError {
    fn from(error: WorkError) -> EngineError {
        match error {
            WorkError::Job(error) => error.into(),
            WorkError::Panicked(message) => EngineError::Panicked { message },
            WorkError::Died(death) => EngineError::Died(death),
            WorkError::NoWorker(reason) => EngineError::NoWorker { reason },
        }
    }
}

impl From<Panicked> for EngineError {
    fn from(Panicked(message): Panicked) -> EngineError {
        EngineError::Panicked { message }
    }
}

impl EngineError {
    /// The error of those that wait for a task that ended without a result.
    pub(super) fn task_died() -> EngineError {
        EngineError::Panicked { message: "the computation's task died".to_owned() }
    }
}
