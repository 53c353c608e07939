//! The work that the engine runs, behind a trait: on this process's threads, in other processes, or scripted by tests.

use super::allocator::release_free_memory;
use super::header::Header;
use crate::codec::Limits;
use crate::job::{self, Answer, Job, JobError, Share, SharedTotal, SizeCurve, Source, Stop};
use crate::metrics::WorkerDeath;
use crate::panics::{self, Panicked};

/// The work that the engine schedules.
pub trait Work: Send + Sync + 'static {
    /// Bytes of memory that `job` needs at its peak, by the header of its input alone. Called before the job waits for
    /// a permit, on a thread outside the pool.
    ///
    /// # Errors
    /// [`JobError::TooMuchMemory`] or [`JobError::TooMuchPadding`] when that is more than `available`; any other when the
    /// header already shows that the job can't be done.
    fn memory_needed(&self, job: &Job, header: &Header<'_>, available: u64) -> Result<u64, JobError>;

    /// Does `job` on `input` within `bounds`. Called on the pool.
    ///
    /// # Errors
    /// Every variant of [`WorkError`].
    fn run(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError>;

    /// Does the `jobs` of a set on `input`, one after the other, and hands each result to `done`: one for each job, in
    /// their order. A panic is the result of its job alone. Called on the pool. This one knows no total.
    fn run_set(
        &self,
        jobs: &[SetJob<'_>],
        input: &[u8],
        bounds: &Bounds<'_>,
        done: &mut dyn FnMut(Result<Answer, WorkError>),
    ) {
        for job in jobs {
            let stop = job.begin();
            done(guarded(|| {
                job.job.check(&stop)?;
                self.run(job.job, input, &Bounds { stop: &stop, ..*bounds })
            }));
        }
    }

    /// Does `job` on `input` as [`Work::run`] does, within its `share` of a total. This one knows no common quality.
    ///
    /// # Errors
    /// Every variant of [`WorkError`].
    fn run_share(&self, job: &Job, share: Share, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        self.run(&Job { target: share.bytes.clamp(1, job.target), ..job.clone() }, input, bounds)
    }

    /// The sizes that an answer to `job` on `input` is predicted to have at each quality. Called on the pool. This one
    /// decodes on the thread that calls.
    ///
    /// # Errors
    /// Every variant of [`WorkError`].
    fn size_curve(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<SizeCurve, WorkError> {
        Ok(job::size_curve(job, input, bounds.limits, bounds.stop)?)
    }

    /// Whether jobs run in other processes.
    fn in_processes(&self) -> bool {
        false
    }
}

/// A job of a set.
#[derive(Clone, Copy, Debug)]
pub struct SetJob<'a> {
    /// What its answer must be like. Its deadline counts from the moment that its work begins.
    pub job: &'a Job,
    /// Stops this job alone; its deadline is that of the set.
    pub stop: &'a Stop,
}

impl SetJob<'_> {
    /// The stop of the job when its work begins now.
    pub fn begin(&self) -> Stop {
        self.stop.within(self.job.deadline)
    }
}

/// What a job must keep to while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// Limits on the input, checked from its header.
    pub limits: &'a Limits,
    /// Asked between the steps of the job.
    pub stop: &'a Stop,
    /// Memory that the job needs at its peak, as [`Work::memory_needed`] said.
    pub memory_bytes: u64,
    /// Bytes that the answers of a set may have together. Shares of it are the targets of the jobs, whose own are
    /// ceilings.
    pub total: Option<u64>,
}

/// Why work has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorkError {
    /// The job has no answer, most often for a reason that the client can change.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The codec panicked, which is a bug.
    #[error("the codec panicked: {0}")]
    Panicked(String),
    /// The process that did the work died.
    #[error(transparent)]
    Died(#[from] Death),
    /// No process could be started to do the work.
    #[error("no worker process: {0}")]
    NoWorker(String),
}

/// How a worker process ended in the middle of a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker process died: {}: {detail}", .cause.name())]
pub struct Death {
    /// The cause by which it is counted.
    pub cause: WorkerDeath,
    /// Signal or exit code, and the last that the process said. For the log only.
    pub detail: String,
}

/// Memory of a job from which on what each output of a set freed is returned before the next: it would add to the
/// memory of the largest output, by up to a fifth for camera files.
const LARGE_BYTES: u64 = 64 << 20;

/// The real work: pictures through codecs, on the thread that calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codecs;

impl Work for Codecs {
    fn memory_needed(&self, job: &Job, header: &Header<'_>, available: u64) -> Result<u64, JobError> {
        job::memory_needed(header.probe()?, job, header.limits(), available)
    }

    fn run(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        Ok(job::run(job, input, bounds.limits, bounds.stop)?)
    }

    fn run_share(&self, job: &Job, share: Share, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        Ok(job::run_share(job, share, input, bounds.limits, bounds.stop)?)
    }

    /// Decodes the input once. A total is planned in the time of the first job.
    fn run_set(
        &self,
        jobs: &[SetJob<'_>],
        input: &[u8],
        bounds: &Bounds<'_>,
        done: &mut dyn FnMut(Result<Answer, WorkError>),
    ) {
        let Some(first) = jobs.first() else { return };
        let mut stop = first.begin();
        if jobs.len() == 1 && bounds.total.is_none() {
            return done(guarded(|| self.run(first.job, input, &Bounds { stop: &stop, ..*bounds })));
        }
        let opened = guarded(|| {
            let mut source = Source::open(input, bounds.limits, bounds.stop)?;
            let total = bounds.total.map(|total| share(&mut source, jobs, total, &stop)).transpose()?;
            Ok((source, total))
        });
        let (mut source, mut total) = match opened {
            Ok(opened) => opened,
            Err(error) => return jobs.iter().for_each(|_| done(Err(error.clone()))),
        };
        for (at, SetJob { job, .. }) in jobs.iter().enumerate() {
            if jobs[at..].iter().all(|later| later.job.transforms() == job.transforms()) {
                source.fits_only(job);
            }
            done(guarded(|| {
                Ok(match &mut total {
                    Some(total) => total.fit(at, &mut source, job, &stop)?,
                    None => source.fit_next(job, &stop)?,
                })
            }));
            if bounds.memory_bytes >= LARGE_BYTES {
                release_free_memory();
            }
            stop = jobs.get(at + 1).map_or(stop, SetJob::begin);
        }
    }
}

/// Plans the shares of `jobs` in `total`.
fn share(source: &mut Source, jobs: &[SetJob<'_>], total: u64, stop: &Stop) -> Result<SharedTotal, JobError> {
    let jobs: Vec<&Job> = jobs.iter().map(|job| job.job).collect();
    SharedTotal::plan(source, &jobs, total, stop)
}

/// What `work` returns, or its panic as an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, WorkError>) -> Result<T, WorkError> {
    panics::caught(work).unwrap_or_else(|Panicked(message)| Err(WorkError::Panicked(message)))
}
