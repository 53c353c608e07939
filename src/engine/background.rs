//! Jobs that no client waits for: the items of batches. They take no queue slot, and run when clients leave threads free.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout_at};

use super::admission::Need;
use super::{
    Computed, Engine, EngineError, GRACE, Key, LONGEST_DEADLINE, MemoryLease, Served, ServedFrom, Shared, Upload,
};
use crate::job::{Job, JobError, Stop};
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

    /// Answers `job` on `upload` behind the jobs that clients wait for. The deadline counts from the moment that its work
    /// begins. An answer that is computed is not kept in the cache, where it would replace what clients ask for.
    ///
    /// # Errors
    /// Every variant of [`EngineError`] but `ShuttingDown`.
    ///
    /// # Cancel
    /// Dropping the future stops the work before its next step.
    pub async fn run_background(&self, upload: Upload, job: Job) -> Result<Served, EngineError> {
        let key = Key::new(&upload.hash, &job);
        if let Some(hit) = self.hit(&key).await {
            return Ok(hit);
        }
        self.shared.metrics.cache_request(CacheResult::Miss);
        let content = upload.hash;
        let computed = self.shared.compute_background(upload, job).await;
        let computed = computed.inspect_err(|error| self.shared.note_bug(error, content))?;
        Ok(self.shared.serve(key, computed))
    }
}

/// Stops the work when nobody waits for it any more.
struct CancelOnDrop(Stop);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Shared {
    async fn compute_background(self: &Arc<Shared>, input: Upload, job: Job) -> Result<Computed, EngineError> {
        self.deaths.check(&input.hash, &input.bytes)?;
        let (job, work) = self.read_header(job, &input, Instant::now() + HEADER_DEADLINE).await?;
        let queued_at = Instant::now();
        let permit = self.admission.background_permit(Need { work, body: input.lease.bytes() }).await?;
        let (begun, queued) = (Instant::now(), queued_at.elapsed());
        let deadline = job.deadline;
        let stop = Stop::at(begun + deadline.min(LONGEST_DEADLINE));
        let cancel = CancelOnDrop(stop.clone());
        let work = self.work_on_pool(permit, input, job, stop, work);
        let late = |_| JobError::DeadlineExceeded { deadline };
        let cached = timeout_at((cancel.0.deadline() + GRACE).into(), work).await.map_err(late)??;
        self.metrics.job_done(&cached.answer.report, begun.elapsed());
        Ok(Computed { cached, served_from: ServedFrom::Miss { stored: false }, queued })
    }
}
