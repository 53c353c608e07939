//! Schedules jobs: admission, result cache, single flight, permits and a pool of threads.
//!
//! A request first asks `Engine::admit` and gets a `MemoryLease` for its body. With the body it calls `Engine::run`,
//! which looks into the cache, then waits for an identical request that is being computed, or else computes the answer
//! in a task of its own: queue slot, header, permit, pool.

mod admission;
mod allocator;
mod background;
mod body_memory;
mod cache;
mod computation;
mod config;
mod deaths;
mod error;
mod hashed_body;
mod header;
mod idle;
mod key;
mod machine;
#[cfg(target_os = "linux")]
mod mapped_files;
mod oversized;
mod pending;
mod pool;
mod precedence;
mod served;
mod set;
pub(crate) mod single_flight;
mod upload_claims;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::job::{Job, Stop};
use crate::metrics::{CacheResult, CacheTier, Metrics};
pub use crate::outbound::redis::RedisUrl;
use admission::Admission;
pub use admission::AdmittedUpload;
pub(crate) use allocator::{keep_free_memory, release_free_memory};
pub use body_memory::{MemoryLease, NoMemory};
pub(crate) use cache::TierStats;
use cache::{Cache, CachedAnswer};
use computation::{Computed, Shared, Task};
pub use config::{CacheConfig, Config, WorkersMode};
use deaths::Deaths;
pub use error::EngineError;
pub(crate) use hashed_body::HashedBody;
pub use header::Header;
pub(crate) use idle::{IDLE, release_idle_memory};
pub(crate) use key::identity;
use key::{Key, Version};
use pending::{FlightWaiter, PendingRequest};
use pool::Pool;
pub(crate) use pool::run_blocking;
pub use served::{Served, ServedFrom};
pub use set::{JobSet, SetResults};
use single_flight::Flights;
pub(crate) use work::guarded;
pub use work::{Bounds, Codecs, Death, SetJob, Work, WorkError};

/// Longer deadlines are cut to this, so that adding one to the time of day can't overflow.
const LONGEST_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// An uploaded file and its content hash, computed while it streamed in.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The whole file.
    pub bytes: Bytes,
    /// BLAKE3 of the bytes.
    pub hash: blake3::Hash,
    /// The memory that the bytes take.
    pub lease: MemoryLease,
}

/// Runs jobs on a pool of threads, behind a cache and permits. Clones share all state.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    flights: Arc<Flights<Key, Upload, Result<Computed, EngineError>>>,
}

/// The engine's state at one moment, for /health and /status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub in_flight: usize,
    pub queued: usize,
    pub queue_slots: usize,
    pub threads: usize,
    /// Whether jobs run in worker processes, and not on the threads.
    pub in_processes: bool,
    pub memory_reserved_bytes: u64,
    pub memory_limit_bytes: u64,
    /// The tiers of the cache that are in use, memory first.
    pub cache: Vec<(CacheTier, TierStats)>,
}

impl Engine {
    /// Builds the pool and the cache. With Redis it must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The system refuses the threads.
    pub fn new(config: Config, metrics: Arc<Metrics>) -> std::io::Result<Engine> {
        Engine::with_work(config, metrics, Arc::new(Codecs))
    }

    /// Builds an engine that does `work` in place of coding pictures. With Redis it must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// The system refuses the threads.
    pub fn with_work(config: Config, metrics: Arc<Metrics>, work: Arc<dyn Work>) -> std::io::Result<Engine> {
        let threads = config.jobs();
        let pool = Pool::new("pool", threads, Arc::clone(&metrics))?;
        let header_pool = Pool::new("header", threads, Arc::clone(&metrics))?;
        let memory_bytes = config.memory_limit();
        let body_bytes = (memory_bytes / 4).max(config.max_body_bytes);
        let job_bytes = memory_bytes.saturating_sub(body_bytes);
        let admission = Admission::new(pool.threads(), config.queue_slots, job_bytes, body_bytes, Arc::clone(&metrics));
        let cache = Cache::new(config.cache, metrics.clone())?;
        let (deaths, limits) = (Deaths::new(), config.limits);
        let version = Version::new(&limits);
        let shared = Shared { admission, cache, pool, header_pool, work, deaths, limits, version, metrics };
        Ok(Engine { shared: Arc::new(shared), flights: Arc::new(Flights::new()) })
    }

    /// Lets a request send its body.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] while the queue is full, [`EngineError::ShuttingDown`] after [`Engine::drain`].
    pub fn admit(&self) -> Result<AdmittedUpload, EngineError> {
        self.shared.admission.admit()
    }

    /// Answers `job` on `upload`: from the cache, by waiting for an identical request, or by computing it. The job's
    /// deadline counts from now.
    ///
    /// An identical request that came first has less time left. If it is refused for lack of time or memory, or its
    /// answer is cut short, the requests that waited for it try once more.
    ///
    /// # Errors
    /// Every variant of [`EngineError`].
    ///
    /// # Cancel
    /// Dropping the future leaves the computation to the others that wait for it. When the last of them leaves, or the
    /// deadline passes, the computation stops before its next step.
    pub async fn run(&self, upload: Upload, job: Job) -> Result<Served, EngineError> {
        self.run_since(Instant::now(), upload, job).await
    }

    /// As [`Engine::run`], where the time of the job began when the request was `received`.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn run_since(&self, received: Instant, upload: Upload, job: Job) -> Result<Served, EngineError> {
        let stop_at = received + job.deadline.min(LONGEST_DEADLINE);
        let key = self.shared.key(&upload.hash, &job);
        let request = PendingRequest { key, job, received, stop_at, shares_total: false };
        if let Some(hit) = self.hit_in_memory(&request.key).await {
            return Ok(hit);
        }
        let waiter = self.join(&request, upload);
        let computed = self.result_with_retry(&request, waiter).await?;
        Ok(self.shared.serve(request.key, computed))
    }

    /// The answer to `job` on the input with this content hash, if the cache has it.
    pub async fn cached(&self, input: &blake3::Hash, job: &Job) -> Option<Served> {
        self.hit(&self.shared.key(input, job)).await
    }

    /// Whether the cache has the answer to `job` on the input with this content hash. Counts as neither hit nor miss.
    pub async fn has_cached(&self, input: &blake3::Hash, job: &Job) -> bool {
        self.shared.cache.has(&self.shared.key(input, job)).await
    }

    /// Makes sure that `served` can be had by its id, here and on machines that share a tier, as far as that takes
    /// moments. To be called before a client is told the id.
    pub async fn publish(&self, served: &Served) {
        let Some(key) = Key::from_hex(&served.id).filter(|_| served.is_kept()) else { return };
        let cached = CachedAnswer { answer: served.answer.clone(), etag: served.etag.as_str().into() };
        self.shared.cache.publish(key, &cached).await;
    }

    /// The answer under `key`, if the cache has it.
    async fn hit(&self, key: &Key) -> Option<Served> {
        let hit = self.shared.hit(key).await?;
        Some(self.shared.serve(*key, hit))
    }

    /// The answer under `key`, if it is in memory. The other tiers are asked once for all identical requests.
    async fn hit_in_memory(&self, key: &Key) -> Option<Served> {
        let cached = self.shared.cache.get_from_memory(key).await?;
        Some(self.shared.serve(*key, self.shared.count_hit(cached, CacheTier::Memory)))
    }

    /// The result of `request`. Tries a second time if the first result suffered from the deadline of another request.
    async fn result_with_retry(&self, request: &PendingRequest, waiter: FlightWaiter) -> Result<Computed, EngineError> {
        let (first, input) = self.attempt(request, waiter).await;
        let Some(input) = input.filter(|_| request.may_do_better(&first)) else { return first };
        let (second, _) = self.attempt(request, self.join(request, input)).await;
        if second.is_err() && first.is_ok() { first } else { second }
    }

    /// The result of `request` by its deadline. If it waited for an identical request, its input comes back too.
    async fn attempt(
        &self,
        request: &PendingRequest,
        mut waiter: FlightWaiter,
    ) -> (Result<Computed, EngineError>, Option<Upload>) {
        let Some(input) = waiter.input_of_another() else { return (request.result(waiter).await, None) };
        self.shared.metrics.cache_request(CacheResult::Collapsed);
        (request.result(waiter).await.map(Computed::collapsed), Some(input))
    }

    /// Joins the computation of an identical request, or starts one.
    fn join(&self, request: &PendingRequest, upload: Upload) -> FlightWaiter {
        let PendingRequest { key, received, stop_at, .. } = *request;
        let stop = Stop::at(stop_at);
        let work_stop = stop.clone();
        self.flights.join(key, stop, upload, |input| {
            let task = Task { key, input, job: request.job.clone(), received, stop_at, stop: work_stop };
            Arc::clone(&self.shared).compute(task)
        })
    }

    /// The answer with this id, as long as the cache holds it. Counts as neither hit nor miss.
    pub async fn result(&self, id: &str) -> Option<Served> {
        let key = Key::from_hex(id)?;
        let (cached, tier) = self.shared.cache.get(&key).await?;
        Some(Served::new(key, Computed::hit(cached, tier)))
    }

    /// Reserves memory for an answer of `bytes`, which a slow client may take long to read.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] while there is not enough memory.
    pub(crate) fn lease_for_answer(&self, bytes: u64) -> Result<MemoryLease, EngineError> {
        self.shared.admission.lease_for_answer(bytes)
    }

    /// Stops admitting requests. Those already admitted are served.
    pub fn drain(&self) {
        self.shared.admission.drain();
    }

    /// Whether [`Engine::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.shared.admission.is_draining()
    }

    /// The state now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let Shared { admission, cache, pool, work, metrics, .. } = &*self.shared;
        Snapshot {
            in_flight: metrics.jobs_in_flight() as usize,
            queued: metrics.queue_depth() as usize,
            queue_slots: admission.queue_slots(),
            threads: pool.threads(),
            in_processes: work.in_processes(),
            memory_reserved_bytes: metrics.memory_reserved_now(),
            memory_limit_bytes: admission.memory_limit_bytes(),
            cache: cache.stats(),
        }
    }
}

#[cfg(test)]
mod tests;
