//! Computes one answer: queue slot, header, permit, pool, cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admission::{Admission, Need, Permit};
use super::cache::{Cache, CachedAnswer};
use super::deaths::Deaths;
use super::header::Header;
use super::key::{Key, Version};
use super::pool::Pool;
use super::work::{Bounds, Work, WorkError};
use super::{EngineError, Served, ServedFrom, Upload, release_free_memory};
use crate::codec::Limits;
use crate::job::{self, Effort, Job, JobError, Stop};
use crate::metrics::{CacheResult, CacheTier, Metrics};

/// The state that requests and computations share.
pub(super) struct Shared {
    pub(super) admission: Admission,
    pub(super) cache: Cache,
    pub(super) pool: Pool,
    /// Reads headers, which must not wait behind whole jobs.
    pub(super) header_pool: Pool,
    pub(super) work: Arc<dyn Work>,
    pub(super) deaths: Deaths,
    pub(super) limits: Limits,
    pub(super) version: Version,
    pub(super) metrics: Arc<Metrics>,
}

/// The result of a computation, as every request that waits for it gets it.
#[derive(Clone, Debug)]
pub(super) struct Computed {
    pub(super) cached: CachedAnswer,
    pub(super) served_from: ServedFrom,
    pub(super) queued: Duration,
}

impl Computed {
    /// What a tier of the cache had.
    pub(super) fn hit(cached: CachedAnswer, tier: CacheTier) -> Computed {
        Computed { cached, served_from: ServedFrom::Hit { tier }, queued: Duration::ZERO }
    }

    /// The same result for a request that waited for the one it was computed for.
    pub(super) fn collapsed(mut self) -> Computed {
        if let ServedFrom::Miss { stored } = self.served_from {
            self.served_from = ServedFrom::Collapsed { stored };
        }
        self
    }
}

/// One computation.
pub(super) struct Task {
    pub(super) key: Key,
    pub(super) input: Upload,
    pub(super) job: Job,
    /// When the body of the request that started it was complete.
    pub(super) received: Instant,
    pub(super) stop_at: Instant,
    pub(super) stop: Stop,
}

/// Work that ended with an answer.
pub(super) struct FinishedWork {
    pub(super) cached: CachedAnswer,
    /// How long it waited for its permit.
    pub(super) queued: Duration,
    /// Whether it was done with less effort than was asked for, for lack of memory.
    pub(super) is_lowered: bool,
}

impl Shared {
    /// The key of `job` on the input with this content hash.
    pub(super) fn key(&self, input: &blake3::Hash, job: &Job) -> Key {
        Key::new(&self.version, input, job)
    }

    pub(super) async fn compute(self: Arc<Shared>, task: Task) -> Result<Computed, EngineError> {
        // An identical request may have finished since this one looked into the cache.
        if let Some(hit) = self.hit(&task.key).await {
            return Ok(hit);
        }
        self.metrics.cache_request(CacheResult::Miss);
        let key = task.key;
        let received = task.received;
        let content = task.input.hash;
        self.deaths.check(&content, &task.input.bytes)?;
        let work = self.work_on(task).await.inspect_err(|error| self.note_bug(error, content))?;
        Ok(self.keep(key, work, received).await)
    }

    /// The result under `key`, if the cache has it; counted as a hit.
    pub(super) async fn hit(&self, key: &Key) -> Option<Computed> {
        let (cached, tier) = self.cache.get(key).await?;
        Some(self.count_hit(cached, tier))
    }

    pub(super) fn count_hit(&self, cached: CachedAnswer, tier: CacheTier) -> Computed {
        match tier {
            CacheTier::Memory => self.metrics.cache_request(CacheResult::Hit),
            CacheTier::Disk | CacheTier::Redis => self.metrics.hit_below_memory(),
        }
        Computed::hit(cached, tier)
    }

    /// Waits for a permit. Returns how long that took too.
    pub(super) async fn wait_for_permit(
        &self,
        need: Need,
        stop_at: Instant,
    ) -> Result<(Permit, Duration), EngineError> {
        let queued_at = Instant::now();
        let permit = self.admission.permit(need, stop_at).await;
        let queued = queued_at.elapsed();
        self.metrics.job_waited(queued);
        Ok((permit?, queued))
    }

    /// What `read` finds in a header, once it is its turn. It runs off the async threads: a header may be spread over
    /// the whole file, as a JPEG's scans are.
    pub(super) async fn in_header_turn<T: Send + 'static>(
        &self,
        stop_at: Instant,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let turn = self.admission.header_turn(stop_at).await?;
        let read = self.header_pool.run(move || {
            // The turn is released when the header is read, even if nobody waits for it any more.
            let _turn = turn;
            read()
        });
        Ok(read.await?)
    }

    /// Counts an answer that was computed, and keeps it in the cache.
    pub(super) async fn keep(&self, key: Key, work: FinishedWork, received: Instant) -> Computed {
        let FinishedWork { cached, queued, is_lowered } = work;
        self.metrics.job_done(&cached.answer.report, received.elapsed());
        // The next request may have more time, or find the machine idle, or one with more memory.
        let is_final = !cached.answer.report.cut_short && !is_lowered;
        let stored = is_final && self.cache.insert(key, cached.clone()).await;
        Computed { cached, served_from: ServedFrom::Miss { stored }, queued }
    }

    /// Counts an error that is a bug of ours.
    pub(super) fn note_bug(&self, error: &EngineError, content: blake3::Hash) {
        match error {
            EngineError::Panicked { .. } => self.metrics.panicked(),
            EngineError::Died(death) => {
                self.metrics.worker_died(death.cause);
                self.deaths.note(content);
            }
            EngineError::Job(_)
            | EngineError::Overloaded { .. }
            | EngineError::ShuttingDown
            | EngineError::NoWorker { .. } => {}
        }
    }

    /// Takes a queue slot, reads the header, waits for a permit and works.
    async fn work_on(self: &Arc<Shared>, task: Task) -> Result<FinishedWork, EngineError> {
        let Task { input, job, stop_at, stop, .. } = task;
        let _slot = self.admission.take_queue_slot()?;
        let wanted = job.effort;
        let (job, work) = self.read_header(job, &input, stop_at).await?;
        let is_lowered = job.effort != wanted;
        let (permit, queued) = self.wait_for_permit(Need { work, body: input.lease.bytes() }, stop_at).await?;
        let answered = self.work_on_pool(permit, input, job, stop, work, |work, job, input, bounds| {
            work.run(job, input, bounds).map(CachedAnswer::new)
        });
        Ok(FinishedWork { cached: answered.await?, queued, is_lowered })
    }

    /// What `work` makes of `job`, on a thread of the pool, unless it was stopped meanwhile. It takes so many bytes of
    /// memory.
    pub(super) async fn work_on_pool<T: Send + 'static>(
        self: &Arc<Shared>,
        permit: Permit,
        input: Upload,
        job: Job,
        stop: Stop,
        memory_bytes: u64,
        work: impl FnOnce(&dyn Work, &Job, &[u8], &Bounds<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let shared = Arc::clone(self);
        let made = self.pool.run(move || {
            // Permit and input are released when the work is over, even if nobody waits for it any more.
            let _permit = permit;
            let input = input;
            job.check(&stop)?;
            let started = Instant::now();
            let bounds = Bounds { limits: &shared.limits, stop: &stop, memory_bytes, total: None };
            let made = work(&*shared.work, &job, &input.bytes, &bounds);
            shared.note_work(started.elapsed(), memory_bytes);
            made
        });
        Ok(made.await??)
    }

    /// Notes that work is over which took so long and so many bytes of memory.
    pub(super) fn note_work(&self, took: Duration, memory_bytes: u64) {
        self.admission.job_took(took);
        if self.admission.is_large(memory_bytes) {
            release_free_memory();
        }
    }

    /// Reads the input's header. Returns the job, with less effort if it would not fit into memory otherwise, and the
    /// bytes of memory that it needs.
    pub(super) async fn read_header(
        self: &Arc<Shared>,
        mut job: Job,
        input: &Upload,
        stop_at: Instant,
    ) -> Result<(Job, u64), EngineError> {
        let (shared, input) = (Arc::clone(self), input.clone());
        let read = self.in_header_turn(stop_at, move || {
            let header = Header::new(&input.bytes, &shared.limits);
            let work = shared.fit_into_memory(&mut job, &header, input.lease.bytes())?;
            Ok::<_, JobError>((job, work))
        });
        Ok(read.await??)
    }

    /// Bytes of memory that `job` needs besides the `body_bytes` of its body. Lowers its effort if it would need more
    /// than all jobs may use together.
    pub(super) fn fit_into_memory(&self, job: &mut Job, header: &Header<'_>, body_bytes: u64) -> Result<u64, JobError> {
        if job.effort == Effort::Best {
            match self.memory_needed(job, header, self.admission.job_memory_bytes()) {
                Err(JobError::TooMuchMemory { .. } | JobError::TooMuchPadding { .. }) => job.effort = Effort::Balanced,
                needed => return needed,
            }
        }
        // A job that needs more than all jobs may use together runs alone, and borrows from the memory of bodies.
        self.memory_needed(job, header, self.admission.memory_beside(body_bytes))
    }

    /// Bytes of memory that `job` needs, at most `available`. Its answer must fit into the memory of bodies while it is
    /// sent.
    fn memory_needed(&self, job: &Job, header: &Header<'_>, available: u64) -> Result<u64, JobError> {
        let largest_answer = self.admission.body_memory_bytes();
        let needed = self.work.memory_needed(job, header, available);
        match (needed, job::padded_size(job)) {
            (Err(JobError::TooMuchPadding { parameter, bytes, limit }), _) => {
                Err(JobError::TooMuchPadding { parameter, bytes, limit: limit.min(largest_answer) })
            }
            (Ok(_), Some((parameter, bytes))) if bytes > largest_answer => {
                Err(JobError::TooMuchPadding { parameter, bytes, limit: largest_answer })
            }
            (needed, _) => needed,
        }
    }

    pub(super) fn serve(&self, key: Key, computed: Computed) -> Served {
        self.metrics.answer_served(&computed.cached.answer.report);
        Served::new(key, computed)
    }
}
