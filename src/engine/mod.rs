//! Schedules jobs: admission, result cache, single flight, permits and a pool of threads.
//!
//! A request first asks `Engine::admit` and gets a `MemoryLease` for its body. With the body it calls `Engine::run`,
//! which looks into the cache, then waits for an identical request that is being computed, or else computes the answer in
//! a task of its own: queue slot, header, permit, pool.

mod admission;
mod allocator;
mod background;
mod body_memory;
mod cache;
mod config;
mod deaths;
mod hashed_body;
mod header;
mod idle;
mod key;
mod machine;
#[cfg(target_os = "linux")]
mod mapped_files;
mod oversized;
mod pool;
mod precedence;
mod set;
pub(crate) mod single_flight;
mod upload_claims;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout_at;

use crate::codec::Limits;
use crate::job::{self, Answer, Effort, Job, JobError, Stop};
use crate::metrics::{CacheResult, CacheTier, Metrics};
pub use crate::outbound::redis::RedisUrl;
use crate::panics::Panicked;
pub use admission::AdmittedUpload;
use admission::{Admission, Need, Permit};
pub(crate) use allocator::{keep_free_memory, release_free_memory};
pub use body_memory::{MemoryLease, NoMemory};
pub(crate) use cache::TierStats;
use cache::{Cache, CachedAnswer};
pub use config::{CacheConfig, Config, WorkersMode};
use deaths::Deaths;
pub(crate) use hashed_body::HashedBody;
pub use header::Header;
pub(crate) use idle::{IDLE, release_idle_memory};
use key::Key;
pub(crate) use key::identity;
use pool::Pool;
pub(crate) use pool::run_blocking;
pub use set::{JobSet, SetResults};
use single_flight::{Flights, Waiter};
pub(crate) use work::guarded;
pub use work::{Bounds, Codecs, Death, SetJob, Work, WorkError};

/// Longer deadlines are cut to this, so that adding one to the time of day can't overflow.
const LONGEST_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long after its deadline a request still waits for its answer: the job needs a moment to notice the deadline and to
/// finish the best answer so far.
const GRACE: Duration = Duration::from_millis(150);

/// A request that waited for an identical one tries again only with at least this much time left: encoding a megapixel
/// takes about as long (`LossyCoding::cost`: 15 ms as JPEG, 50 ms as WebP at the lowest effort).
const MIN_TIME_TO_RETRY: Duration = Duration::from_millis(50);

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

/// An answer as the engine serves it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The file and its report, shared with the cache.
    pub answer: Arc<Answer>,
    /// Whether it was computed for this request.
    pub served_from: ServedFrom,
    /// The answer's id for [`Engine::result`]: 64 hex digits.
    pub id: String,
    /// Strong validator of the answer's bytes, quotes included.
    pub etag: String,
    /// How long the job waited for its permit.
    pub queued: Duration,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedFrom {
    /// The cache.
    Hit {
        /// The tier that had it.
        tier: CacheTier,
    },
    /// Computed for this request.
    Miss {
        /// Whether the cache keeps it.
        stored: bool,
    },
    /// Computed for an identical request that came first.
    Collapsed {
        /// Whether the cache keeps it.
        stored: bool,
    },
}

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

/// Runs jobs on a pool of threads, behind a cache and permits. Clones share all state.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    flights: Arc<Flights<Key, Upload, Result<Computed, EngineError>>>,
}

/// A request that waits for a computation.
type FlightWaiter = Waiter<Key, Upload, Result<Computed, EngineError>>;

/// The state that requests and computations share.
struct Shared {
    admission: Admission,
    cache: Cache,
    pool: Pool,
    /// Reads headers, which must not wait behind whole jobs.
    header_pool: Pool,
    work: Arc<dyn Work>,
    deaths: Deaths,
    limits: Limits,
    metrics: Arc<Metrics>,
}

/// The result of a computation, as every request that waits for it gets it.
#[derive(Clone, Debug)]
struct Computed {
    cached: CachedAnswer,
    served_from: ServedFrom,
    queued: Duration,
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

impl Served {
    /// Whether the cache keeps the answer, so that it can be had by its id.
    pub fn is_kept(&self) -> bool {
        match self.served_from {
            ServedFrom::Hit { .. } => true,
            ServedFrom::Miss { stored } | ServedFrom::Collapsed { stored } => stored,
        }
    }
}

impl Computed {
    /// What a tier of the cache had.
    fn hit(cached: CachedAnswer, tier: CacheTier) -> Computed {
        Computed { cached, served_from: ServedFrom::Hit { tier }, queued: Duration::ZERO }
    }

    /// The same result for a request that waited for the one it was computed for.
    fn collapsed(mut self) -> Computed {
        if let ServedFrom::Miss { stored } = self.served_from {
            self.served_from = ServedFrom::Collapsed { stored };
        }
        self
    }
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

impl Engine {
    /// Builds the pool and the cache. With Redis it must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The system refuses the threads.
    pub fn new(config: Config, metrics: Arc<Metrics>) -> std::io::Result<Engine> {
        Engine::with_work(config, metrics, Arc::new(Codecs))
    }

    /// Builds an engine that does `work` in place of coding pictures. With Redis it must be called inside a tokio runtime.
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
        let shared = Shared { admission, cache, pool, header_pool, work, deaths, limits, metrics };
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
    /// An identical request that came first has less time left. If it is refused for lack of time or memory, or its answer
    /// is cut short, the requests that waited for it try once more.
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
        let key = Key::new(&upload.hash, &job);
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
        self.hit(&Key::new(input, job)).await
    }

    /// Whether the cache has the answer to `job` on the input with this content hash. Counts as neither hit nor miss.
    pub async fn has_cached(&self, input: &blake3::Hash, job: &Job) -> bool {
        self.shared.cache.has(&Key::new(input, job)).await
    }

    /// Makes sure that `served` can be had by its id, here and on machines that share a tier, as far as that takes moments.
    /// To be called before a client is told the id.
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
        let Some(input) = waiter.input_of_another() else { return (result(request, waiter).await, None) };
        self.shared.metrics.cache_request(CacheResult::Collapsed);
        (result(request, waiter).await.map(Computed::collapsed), Some(input))
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
        Some(served(key, Computed::hit(cached, tier)))
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

/// A request that waits for its answer.
struct PendingRequest {
    key: Key,
    job: Job,
    /// When its body was complete.
    received: Instant,
    /// The end of its own time, or of that of the set which it belongs to.
    stop_at: Instant,
    /// Whether its answer is a share of a total, which can't be computed without the others.
    shares_total: bool,
}

impl PendingRequest {
    /// Whether trying again may give a better result than this one of an identical request with less time.
    fn may_do_better(&self, result: &Result<Computed, EngineError>) -> bool {
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
}

/// The result that `waiter` waits for, by the deadline of `request`.
async fn result(request: &PendingRequest, waiter: FlightWaiter) -> Result<Computed, EngineError> {
    // The client must not wait for a step that can't be interrupted.
    let result = timeout_at((request.stop_at + GRACE).into(), waiter.result()).await;
    match result {
        Err(_) => Err(request.late()),
        Ok(None) => Err(task_died()),
        // The computation that it joined may have had another deadline.
        Ok(Some(Err(EngineError::Job(error)))) if matches!(*error, JobError::DeadlineExceeded { .. }) => {
            Err(request.late())
        }
        Ok(Some(result)) => result,
    }
}

/// The error of those that wait for a task that ended without a result.
fn task_died() -> EngineError {
    EngineError::Panicked { message: "the computation's task died".to_owned() }
}

/// One computation.
struct Task {
    key: Key,
    input: Upload,
    job: Job,
    /// When the body of the request that started it was complete.
    received: Instant,
    stop_at: Instant,
    stop: Stop,
}

impl Shared {
    async fn compute(self: Arc<Shared>, task: Task) -> Result<Computed, EngineError> {
        // An identical request may have finished since this one looked into the cache.
        if let Some(hit) = self.hit(&task.key).await {
            return Ok(hit);
        }
        self.metrics.cache_request(CacheResult::Miss);
        let key = task.key;
        let received = task.received;
        let content = task.input.hash;
        self.deaths.check(&content, &task.input.bytes)?;
        let (cached, queued) = self.work_on(task).await.inspect_err(|error| self.note_bug(error, content))?;
        Ok(self.keep(key, cached, received, queued).await)
    }

    /// The result under `key`, if the cache has it; counted as a hit.
    async fn hit(&self, key: &Key) -> Option<Computed> {
        let (cached, tier) = self.cache.get(key).await?;
        Some(self.count_hit(cached, tier))
    }

    fn count_hit(&self, cached: CachedAnswer, tier: CacheTier) -> Computed {
        match tier {
            CacheTier::Memory => self.metrics.cache_request(CacheResult::Hit),
            CacheTier::Disk | CacheTier::Redis => self.metrics.hit_below_memory(),
        }
        Computed::hit(cached, tier)
    }

    /// Waits for a permit. Returns how long that took too.
    async fn wait_for_permit(&self, need: Need, stop_at: Instant) -> Result<(Permit, Duration), EngineError> {
        let queued_at = Instant::now();
        let permit = self.admission.permit(need, stop_at).await;
        let queued = queued_at.elapsed();
        self.metrics.job_waited(queued);
        Ok((permit?, queued))
    }

    /// What `read` finds in a header, once it is its turn. It runs off the async threads: a header may be spread over the
    /// whole file, as a JPEG's scans are.
    async fn in_header_turn<T: Send + 'static>(
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
    async fn keep(&self, key: Key, cached: CachedAnswer, received: Instant, queued: Duration) -> Computed {
        self.metrics.job_done(&cached.answer.report, received.elapsed());
        // The next request may have more time, or find the machine idle.
        let stored = !cached.answer.report.cut_short && self.cache.insert(key, cached.clone()).await;
        Computed { cached, served_from: ServedFrom::Miss { stored }, queued }
    }

    /// Counts an error that is a bug of ours.
    fn note_bug(&self, error: &EngineError, content: blake3::Hash) {
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

    /// Takes a queue slot, reads the header, waits for a permit and works. Returns the answer and the time waited.
    async fn work_on(self: &Arc<Shared>, task: Task) -> Result<(CachedAnswer, Duration), EngineError> {
        let Task { input, job, stop_at, stop, .. } = task;
        let _slot = self.admission.take_queue_slot()?;
        let (job, work) = self.read_header(job, &input, stop_at).await?;
        let (permit, queued) = self.wait_for_permit(Need { work, body: input.lease.bytes() }, stop_at).await?;
        let answered = self.work_on_pool(permit, input, job, stop, work, |work, job, input, bounds| {
            work.run(job, input, bounds).map(CachedAnswer::new)
        });
        Ok((answered.await?, queued))
    }

    /// What `work` makes of `job`, on a thread of the pool, unless it was stopped meanwhile. It takes so many bytes of memory.
    async fn work_on_pool<T: Send + 'static>(
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
            shared.admission.job_took(started.elapsed());
            if shared.admission.is_large(memory_bytes) {
                release_free_memory();
            }
            made
        });
        Ok(made.await??)
    }

    /// Reads the input's header. Returns the job, with less effort if it would not fit into memory otherwise, and the bytes
    /// of memory that it needs.
    async fn read_header(
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

    /// Bytes of memory that `job` needs besides the `body_bytes` of its body. Lowers its effort if it would need more than
    /// all jobs may use together.
    fn fit_into_memory(&self, job: &mut Job, header: &Header<'_>, body_bytes: u64) -> Result<u64, JobError> {
        if job.effort == Effort::Best {
            match self.memory_needed(job, header, self.admission.job_memory_bytes()) {
                Err(JobError::TooMuchMemory { .. } | JobError::TooMuchPadding { .. }) => job.effort = Effort::Balanced,
                needed => return needed,
            }
        }
        // A job that needs more than all jobs may use together runs alone, and borrows from the memory of bodies.
        self.memory_needed(job, header, self.admission.memory_beside(body_bytes))
    }

    /// Bytes of memory that `job` needs, at most `available`. Its answer must fit into the memory of bodies while it is sent.
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

    fn serve(&self, key: Key, computed: Computed) -> Served {
        self.metrics.answer_served(&computed.cached.answer.report);
        served(key, computed)
    }
}

fn served(key: Key, Computed { cached, served_from, queued }: Computed) -> Served {
    Served { answer: cached.answer, served_from, id: key.to_hex(), etag: cached.etag.to_string(), queued }
}

#[cfg(test)]
mod tests;
