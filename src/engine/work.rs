//! What the engine runs: the job, behind a trait, so that the engine's promises are tested without codecs.

use crate::codec::{self, Limits};
use crate::job::{self, Answer, Job, JobError, Stop};

/// The work that the engine schedules.
pub trait Work: Send + Sync + 'static {
    /// Bytes of memory that `job` on `input` needs at its peak, from the header alone: it is asked before the
    /// job queues, on a thread beside the pool.
    ///
    /// # Errors
    /// [`JobError::TooMuchMemory`] or [`JobError::TooMuchPadding`] where that is over `available`, and others when the
    /// header already shows that the job can't be done.
    fn memory_needed(&self, job: &Job, input: &[u8], limits: &Limits, available: u64) -> Result<u64, JobError>;

    /// Does `job` on `input`, asking `stop` now and then; on the pool.
    ///
    /// # Errors
    /// Every variant of [`JobError`].
    fn run(&self, job: &Job, input: &[u8], limits: &Limits, stop: &Stop) -> Result<Answer, JobError>;
}

/// The real work: pictures through codecs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codecs;

impl Work for Codecs {
    fn memory_needed(&self, job: &Job, input: &[u8], limits: &Limits, available: u64) -> Result<u64, JobError> {
        let probe = codec::probe(input, limits)?;
        job::memory_needed(&probe, job, limits, available)
    }

    fn run(&self, job: &Job, input: &[u8], limits: &Limits, stop: &Stop) -> Result<Answer, JobError> {
        job::run(job, input, limits, stop)
    }
}
