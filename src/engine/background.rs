//! Jobs that no client waits for: the items of batches. They take no queue slot, and run when clients leave threads
//! free.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout_at};

use super::admission::Need;
use super::cache::CachedAnswer;
use super::pending::GRACE;
use super::work::{Work, WorkError};
use super::{
    Bounds, Computed, Engine, EngineError, Key, LONGEST_DEADLINE, MemoryLease, Served, ServedFrom, Shared, Upload,
};
use crate::job::{Job, JobError, Share, SizeCurve, Stop};
use crate::metrics::CacheResult;

/// How often a background job looks for memory. It waits behind all bodies that come meanwhile.
const LOOK_FOR_MEMORY: Duration = Duration::from_millis(50);

/// How long a header may wait for its turn: they take milliseconds each.
const HEADER_DEADLINE: Duration = Duration::from_secs(60);

impl Engine {
    /// Memory for a picture of `bytes`, as soon as the bodies of requests leave enough.
    pub async fn background_lease(&self, bytes: u64) -> MemoryLease {
        loop {
            if self.shared.admission.has_body_memory(bytes)
                && let Ok(lease) = self.lease_for_answer(bytes)
            {
                return lease;
            }
            sleep(LOOK_FOR_MEMORY).await;
        }
    }

    /// Jobs that run at once.
    pub fn threads(&self) -> usize {
        self.shared.pool.threads()
    }

    /// Bytes that the bodies of requests may have together.
    pub fn body_memory_bytes(&self) -> u64 {
        self.shared.admission.body_memory_bytes()
    }

    /// Answers `job` on `upload` behind the jobs that clients wait for. The deadline counts from the moment that its
    /// work begins. An answer that is computed is not kept in the cache, where it would replace what clients ask for.
    ///
    /// # Errors
    /// Every variant of [`EngineError`] but `ShuttingDown`.
    ///
    /// # Cancel
    /// Dropping the future stops the work before its next step.
    pub async fn run_background(&self, upload: Upload, job: Job) -> Result<Served, EngineError> {
        let key = self.shared.key(&upload.hash, &job);
        if let Some(hit) = self.hit(&key).await {
            return Ok(hit);
        }
        self.shared.metrics.cache_request(CacheResult::Miss);
        self.answer_background(key, upload, job, None).await
    }

    /// Answers `job` within its `share` of a total, as [`Engine::run_background`] does. The cache does not know shares.
    ///
    /// # Errors
    /// As [`Engine::run_background`].
    ///
    /// # Cancel
    /// As [`Engine::run_background`].
    pub async fn run_background_share(&self, upload: Upload, job: Job, share: Share) -> Result<Served, EngineError> {
        let key = self.shared.key(&upload.hash, &job);
        self.answer_background(key, upload, job, Some(share)).await
    }

    /// The sizes that an answer to `job` on `upload` is predicted to have, as a background job.
    ///
    /// # Errors
    /// As [`Engine::run_background`].
    ///
    /// # Cancel
    /// As [`Engine::run_background`].
    pub async fn predict_background(&self, upload: Upload, job: Job) -> Result<SizeCurve, EngineError> {
        let content = upload.hash;
        let predicted =
            self.shared.in_background(upload, job, |work, job, input, bounds| work.size_curve(job, input, bounds));
        let Done { result, .. } = predicted.await.inspect_err(|error| self.shared.note_bug(error, content))?;
        Ok(result)
    }

    async fn answer_background(
        &self,
        key: Key,
        upload: Upload,
        job: Job,
        share: Option<Share>,
    ) -> Result<Served, EngineError> {
        let content = upload.hash;
        let answered = self.shared.in_background(upload, job, move |work, job, input, bounds| match share {
            Some(share) => work.run_share(job, share, input, bounds).map(CachedAnswer::new),
            None => work.run(job, input, bounds).map(CachedAnswer::new),
        });
        let Done { result: cached, queued, took } =
            answered.await.inspect_err(|error| self.shared.note_bug(error, content))?;
        self.shared.metrics.job_done(&cached.answer.report, took);
        Ok(self.shared.serve(key, Computed { cached, served_from: ServedFrom::Miss { stored: false }, queued }))
    }
}

/// What a background job made.
struct Done<T> {
    result: T,
    /// How long it waited for its permit.
    queued: Duration,
    took: Duration,
}

/// Stops the work when nobody waits for it any more.
struct CancelOnDrop(Stop);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Shared {
    /// Runs `work` on `input` when clients leave a thread free.
    async fn in_background<T: Send + 'static>(
        self: &Arc<Shared>,
        input: Upload,
        job: Job,
        work: impl FnOnce(&dyn Work, &Job, &[u8], &Bounds<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<Done<T>, EngineError> {
        self.deaths.check(&input.hash, &input.bytes)?;
        let (job, memory_bytes) = self.read_header(job, &input, Instant::now() + HEADER_DEADLINE).await?;
        let queued_at = Instant::now();
        let permit = self.admission.background_permit(Need { work: memory_bytes, body: input.lease.bytes() }).await?;
        let (begun, queued) = (Instant::now(), queued_at.elapsed());
        let deadline = job.deadline;
        let stop = Stop::at(begun + deadline.min(LONGEST_DEADLINE));
        let cancel = CancelOnDrop(stop.clone());
        let working = self.work_on_pool(permit, input, job, stop, memory_bytes, work);
        let late = |_| JobError::DeadlineExceeded { deadline };
        let result = timeout_at((cancel.0.deadline() + GRACE).into(), working).await.map_err(late)??;
        Ok(Done { result, queued, took: begun.elapsed() })
    }
}
