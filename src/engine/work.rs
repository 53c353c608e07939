//! The work that the engine runs, behind a trait, so that the engine can be tested without codecs.

use crate::codec::{self, Limits};
use crate::job::{self, Answer, Job, JobError, Stop};

/// The work that the engine schedules.
pub trait Work: Send + Sync + 'static {
    /// Bytes of memory that `job` on `input` needs at its peak, by the header alone. Called before the job waits for a
    /// permit, on a thread outside the pool.
    ///
    /// # Errors
    /// [`JobError::TooMuchMemory`] or [`JobError::TooMuchPadding`] when that is more than `available`; any other when the
    /// header already shows that the job can't be done.
    fn memory_needed(&self, job: &Job, input: &[u8], limits: &Limits, available: u64) -> Result<u64, JobError>;

    /// Does `job` on `input` and checks `stop` between steps. Called on the pool.
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
