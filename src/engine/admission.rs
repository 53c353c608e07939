//! Decides which requests may send their body and which jobs may run. While the queue is full, requests are refused
//! before they send their body. With its body complete, a job takes a queue slot or is refused, and then waits for a
//! permit.
//!
//! An upload holds memory but no queue slot: otherwise a few slow uploads would fill the queue of an idle machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::EngineError;
use super::body_memory::{BodyMemory, BorrowedMemory, MemoryLease, NoMemory};
use super::oversized::{OversizedJobs, OversizedNeed};
use super::precedence::{CountedJob, Precedence};
use super::upload_claims::{UploadClaim, UploadClaims};
use crate::metrics::{GaugeGuard, Metrics, Shed};

const MIB: u64 = 1 << 20;
/// Queue slots are scarce when at most one in this many is free.
const SCARCE: usize = 4;
/// Weight of the last job in the mean job time: the mean follows a change of load within about ten jobs.
const LAST_JOB: f64 = 0.2;
/// The assumed job time before one was measured.
const INITIAL_JOB_TIME: Duration = Duration::from_millis(500);
/// The longest Retry-After: nobody can predict the load further ahead.
const MAX_RETRY_SECONDS: u64 = 60;

/// Limits on the requests that wait and the jobs that run.
pub(super) struct Admission {
    /// One permit for each job that runs or waits.
    slots: Arc<Semaphore>,
    /// One permit for each header that may be read at once.
    headers: Arc<Semaphore>,
    /// One permit for each thread.
    workers: Arc<Semaphore>,
    /// One permit for each MiB of job memory.
    memory: Arc<Semaphore>,
    threads: usize,
    queue_slots: usize,
    memory_mib: u32,
    body_memory: BodyMemory,
    /// Jobs that need more than `memory` and wait for memory of bodies.
    oversized: OversizedJobs,
    /// Recent uploads, each of which may need a queue slot soon.
    claims: UploadClaims,
    /// Lets background jobs run beside those that a client waits for.
    precedence: Precedence,
    memory_limit_bytes: u64,
    draining: AtomicBool,
    /// Mean time that a job runs; `None` before the first.
    mean_job_time: Mutex<Option<Duration>>,
    metrics: Arc<Metrics>,
}

/// What an admitted request holds while its body arrives.
#[derive(Debug)]
pub struct AdmittedUpload {
    /// Memory for the body.
    pub lease: MemoryLease,
    /// Claim on a queue slot; drop it when the body is complete.
    pub claim: UploadClaim,
}

/// A job's slot in the queue, held until the job is done. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct QueueSlot {
    _permit: OwnedSemaphorePermit,
}

/// The right to read a header. Move it into the closure that reads.
#[derive(Debug)]
pub(super) struct HeaderTurn {
    _permit: OwnedSemaphorePermit,
}

/// The right to run a job, with the memory for it. Move it into the closure that runs the job: a client that
/// disconnects must not free a thread that is still busy.
#[derive(Debug)]
pub(super) struct Permit {
    _counted: CountedJob,
    _in_flight: GaugeGuard,
    _reserved: GaugeGuard,
    _worker: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
    /// Memory of bodies, if that of jobs is not enough.
    _borrowed: Option<BorrowedMemory>,
}

/// The memory that a job needs, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// At its peak, besides its body.
    pub work: u64,
    /// Held by its body.
    pub body: u64,
}

impl Admission {
    /// Lets `threads` jobs run and `queue_slots` wait, with `job_bytes` of memory for jobs (rounded up to
    /// whole MiB) and `body_bytes` for bodies.
    pub(super) fn new(
        threads: usize,
        queue_slots: usize,
        job_bytes: u64,
        body_bytes: u64,
        metrics: Arc<Metrics>,
    ) -> Admission {
        let slots = threads.saturating_add(queue_slots).min(Semaphore::MAX_PERMITS);
        let memory_mib = u32::try_from(job_bytes.div_ceil(MIB).max(1)).unwrap_or(u32::MAX);
        let body_memory = BodyMemory::new(body_bytes, Arc::clone(&metrics));
        let memory_limit_bytes = (u64::from(memory_mib) * MIB).saturating_add(body_memory.bytes());
        metrics.set_memory_limit(memory_limit_bytes);
        Admission {
            oversized: OversizedJobs::new(body_memory.bytes()),
            body_memory,
            claims: UploadClaims::default(),
            precedence: Precedence::new(threads),
            memory_limit_bytes,
            slots: Arc::new(Semaphore::new(slots)),
            headers: Arc::new(Semaphore::new(threads)),
            workers: Arc::new(Semaphore::new(threads)),
            memory: Arc::new(Semaphore::new(memory_mib as usize)),
            threads,
            queue_slots,
            memory_mib,
            draining: AtomicBool::new(false),
            mean_job_time: Mutex::new(None),
            metrics,
        }
    }

    /// Lets a request send its body.
    ///
    /// # Errors
    /// [`EngineError::ShuttingDown`] after [`Admission::drain`], else [`EngineError::Overloaded`] while the
    /// queue is full.
    pub(super) fn admit(&self) -> Result<AdmittedUpload, EngineError> {
        if self.is_draining() {
            self.metrics.shed(Shed::Draining);
            return Err(EngineError::ShuttingDown);
        }
        let free = self.slots.available_permits();
        let now = Instant::now();
        // Each of the last slots is promised only once. As long as slots abound, uploads need no promise: many fail
        // early.
        let is_scarce = free <= (self.threads + self.queue_slots) / SCARCE;
        if free == 0 || is_scarce && self.claims.recent(now) >= free {
            return Err(self.full());
        }
        Ok(AdmittedUpload { lease: self.body_memory.lease(self.retry_after()), claim: self.claims.add(now) })
    }

    /// Reserves memory for an answer of `bytes`, from the memory of bodies.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] while there is not enough.
    pub(super) fn lease_for_answer(&self, bytes: u64) -> Result<MemoryLease, EngineError> {
        let lease = self.body_memory.lease(self.retry_after());
        lease.grow(bytes).map_err(|NoMemory { retry_after }| EngineError::Overloaded { retry_after })?;
        Ok(lease)
    }

    /// Takes a queue slot.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the queue is full.
    pub(super) fn take_queue_slot(&self) -> Result<QueueSlot, EngineError> {
        Arc::clone(&self.slots).try_acquire_owned().map(|permit| QueueSlot { _permit: permit }).map_err(|_| self.full())
    }

    fn full(&self) -> EngineError {
        self.metrics.shed(Shed::QueueFull);
        EngineError::Overloaded { retry_after: self.retry_after() }
    }

    /// Waits for a thread and for the memory that is needed, until `deadline`.
    ///
    /// A job that needs more than all jobs may use together runs alone and borrows the rest from the memory of bodies.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the deadline comes first, or when oversized jobs could wait for each other for ever.
    pub(super) async fn permit(&self, need: Need, deadline: Instant) -> Result<Permit, EngineError> {
        let counted = self.precedence.interactive();
        let permit = async {
            let borrowed = self.borrow_body_memory(need).await?;
            Ok(self.permit_in_turn(need, counted, borrowed).await)
        };
        self.queued(permit, deadline).await?
    }

    /// Waits until a background job may run, and for what it needs. Of all background jobs only one waits for a thread
    /// before jobs that come later. An oversized job borrows memory before it takes its turn: the bodies that it waits
    /// for may be those of other background jobs, which need the turn to end.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when oversized jobs could wait for each other for ever.
    pub(super) async fn background_permit(&self, need: Need) -> Result<Permit, EngineError> {
        let borrowed = self.borrow_body_memory(need).await?;
        let turn = self.precedence.turn().await;
        let counted = self.precedence.background(&turn).await;
        Ok(self.permit_in_turn(need, counted, borrowed).await)
    }

    /// Waits for the right to read a header, until `deadline`. As many headers are read at once as there are threads:
    /// more would only slow each other down.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the deadline comes first.
    pub(super) async fn header_turn(&self, deadline: Instant) -> Result<HeaderTurn, EngineError> {
        let turn = self.queued(Arc::clone(&self.headers).acquire_owned(), deadline).await?;
        Ok(HeaderTurn { _permit: turn.expect("the semaphore is never closed") })
    }

    /// Awaits `turn` until `deadline`, and counts the job as queued meanwhile.
    async fn queued<T>(&self, turn: impl Future<Output = T>, deadline: Instant) -> Result<T, EngineError> {
        let _queued = self.metrics.job_queued();
        timeout_at(deadline.into(), turn).await.map_err(|_| {
            self.metrics.shed(Shed::QueueTimeout);
            EngineError::Overloaded { retry_after: self.retry_after() }
        })
    }

    /// Waits for a thread and for memory of jobs. What was borrowed of the memory of bodies must be there before: it
    /// becomes free when other jobs are done, and those may need the thread or the memory that this job would hold
    /// meanwhile.
    async fn permit_in_turn(&self, need: Need, counted: CountedJob, borrowed: Option<BorrowedMemory>) -> Permit {
        // Both semaphores serve in turn. The thread comes before the memory of jobs, so that only jobs that are about
        // to run hold memory. A job that holds memory is running, so nobody waits for ever.
        let open = "the semaphores are never closed";
        let weight = u32::try_from(need.work.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, self.memory_mib);
        let worker = Arc::clone(&self.workers).acquire_owned().await.expect(open);
        let memory = Arc::clone(&self.memory).acquire_many_owned(weight).await.expect(open);
        Permit {
            _counted: counted,
            _in_flight: self.metrics.job_started(),
            _reserved: self.metrics.memory_reserved(u64::from(weight) * MIB),
            _worker: worker,
            _memory: memory,
            _borrowed: borrowed,
        }
    }

    /// Waits for the memory of bodies that an oversized job needs. Returns `None` for all other jobs.
    async fn borrow_body_memory(&self, need: Need) -> Result<Option<BorrowedMemory>, EngineError> {
        let beyond = need.work.saturating_sub(self.job_memory_bytes());
        let work = beyond.min(self.body_memory.bytes().saturating_sub(need.body));
        if work == 0 {
            return Ok(None);
        }
        let Some(_wait) = self.oversized.enter(OversizedNeed { body: need.body, work }) else {
            self.metrics.shed(Shed::Memory);
            return Err(EngineError::Overloaded { retry_after: self.retry_after() });
        };
        Ok(Some(self.body_memory.borrow(work).await))
    }

    /// Adds the time that a job ran to the mean.
    pub(super) fn job_took(&self, elapsed: Duration) {
        let mut mean_job_time = self.mean_job_time.lock().unwrap_or_else(PoisonError::into_inner);
        *mean_job_time = Some(match *mean_job_time {
            Some(mean) => mean.mul_f64(1.0 - LAST_JOB) + elapsed.mul_f64(LAST_JOB),
            None => elapsed,
        });
    }

    /// When a refused client should try again: after the time that the threads need, at the mean job time, for all jobs
    /// that hold a slot. In whole seconds, 1 to 60.
    fn retry_after(&self) -> Duration {
        let mean = self.mean_job_time.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(INITIAL_JOB_TIME);
        let held = (self.threads + self.queue_slots).saturating_sub(self.slots.available_permits());
        let rounds = held.div_ceil(self.threads.max(1));
        let seconds = (mean.as_secs_f64() * rounds as f64).ceil() as u64;
        Duration::from_secs(seconds.clamp(1, MAX_RETRY_SECONDS))
    }

    /// Stops admitting requests.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Admission::drain`] was called.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Jobs that may wait.
    pub(super) fn queue_slots(&self) -> usize {
        self.queue_slots
    }

    /// Whether the freed memory of such jobs, which the allocator keeps for each thread, could be more than a tenth of
    /// the memory of jobs.
    pub(super) fn is_large(&self, bytes: u64) -> bool {
        bytes.saturating_mul(10 * self.threads as u64) > self.job_memory_bytes()
    }

    /// Memory that running jobs may use together, in bytes.
    pub(super) fn job_memory_bytes(&self) -> u64 {
        u64::from(self.memory_mib) * MIB
    }

    /// Whether there is memory for a body of `bytes` now.
    pub(super) fn has_body_memory(&self, bytes: u64) -> bool {
        self.body_memory.free_bytes() >= bytes
    }

    /// Memory that bodies, and answers being sent, may use together, in bytes.
    pub(super) fn body_memory_bytes(&self) -> u64 {
        self.body_memory.bytes()
    }

    /// The most memory that a job may need whose body holds `body_bytes`: all the rest.
    pub(super) fn memory_beside(&self, body_bytes: u64) -> u64 {
        self.memory_limit_bytes.saturating_sub(body_bytes)
    }

    /// Memory that bodies and running jobs may use together, in bytes.
    pub(super) fn memory_limit_bytes(&self) -> u64 {
        self.memory_limit_bytes
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const FAR: Duration = Duration::from_secs(3600);

    fn admission(threads: usize, queue_slots: usize, memory_mib: u64) -> Admission {
        Admission::new(threads, queue_slots, memory_mib * MIB, MIB, Arc::new(Metrics::new()))
    }

    fn work(bytes: u64) -> Need {
        Need { work: bytes, body: 0 }
    }

    /// The memory of a body of so many bytes that has arrived.
    fn body(admission: &Admission, bytes: u64) -> MemoryLease {
        let lease = admission.admit().unwrap().lease;
        lease.grow(bytes).unwrap();
        lease
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_admits_again_when_a_slot_is_free() {
        let admission = admission(1, 2, 1);
        let admitted = admission.admit().unwrap();
        let mut slots: Vec<_> = (0..3).map(|_| admission.take_queue_slot().unwrap()).collect();
        assert!(matches!(admission.admit(), Err(EngineError::Overloaded { .. })));
        assert!(matches!(admission.take_queue_slot(), Err(EngineError::Overloaded { .. })));
        assert!(admission.metrics.render().contains(r#"bytefit_shed_total{reason="queue_full"} 2"#));
        slots.pop();
        assert!(admission.admit().is_ok() && admission.take_queue_slot().is_ok());
        assert_eq!(admitted.lease.grow(1), Ok(()), "an admitted request goes on sending");
    }

    #[test]
    fn uploads_hold_no_queue_slot() {
        let admission = admission(1, 1, 1);
        let _uploads: Vec<_> = (0..100).map(|_| admission.admit().unwrap()).collect();
        assert!(admission.take_queue_slot().is_ok());
    }

    #[test]
    fn a_draining_engine_admits_nobody_and_has_slots_for_admitted_requests() {
        let admission = admission(1, 8, 1);
        admission.drain();
        assert!(matches!(admission.admit(), Err(EngineError::ShuttingDown)));
        assert!(admission.metrics.render().contains(r#"bytefit_shed_total{reason="draining"} 1"#));
        assert!(admission.take_queue_slot().is_ok());
    }

    #[tokio::test]
    async fn running_jobs_are_bounded_by_threads() {
        let admission = admission(2, 8, 100);
        let deadline = Instant::now() + FAR;
        let first = admission.permit(work(MIB), deadline).await.unwrap();
        let _second = admission.permit(work(MIB), deadline).await.unwrap();
        let mut third = Box::pin(admission.permit(work(MIB), deadline));
        assert!(poll!(&mut third).is_pending());
        assert_eq!((admission.metrics.jobs_in_flight(), admission.metrics.queue_depth()), (2, 1));
        drop(first);
        assert!(third.await.is_ok());
        assert_eq!(admission.metrics.queue_depth(), 0);
    }

    #[tokio::test]
    async fn running_jobs_are_bounded_by_memory() {
        let admission = admission(8, 8, 10);
        let deadline = Instant::now() + FAR;
        let first = admission.permit(work(6 * MIB - 1), deadline).await.unwrap();
        assert_eq!(admission.metrics.memory_reserved_now(), 6 * MIB);
        let mut second = Box::pin(admission.permit(work(5 * MIB), deadline));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(admission.metrics.memory_reserved_now(), 5 * MIB);
        drop(second);
        assert_eq!(admission.metrics.memory_reserved_now(), 0);
    }

    #[tokio::test]
    async fn a_job_larger_than_the_memory_runs_alone() {
        let admission = admission(8, 8, 10);
        let deadline = Instant::now() + FAR;
        let giant = admission.permit(work(u64::MAX), deadline).await.unwrap();
        let mut small = Box::pin(admission.permit(work(1), deadline));
        assert!(poll!(&mut small).is_pending());
        drop(giant);
        assert!(small.await.is_ok());
    }

    #[tokio::test]
    async fn an_oversized_job_borrows_the_rest_from_bodies() {
        let admission = Admission::new(8, 8, 10 * MIB, 4 * MIB, Arc::new(Metrics::new()));
        let (own, other) = (body(&admission, MIB), body(&admission, 2 * MIB));
        let giant = Need { work: 12 * MIB, body: own.bytes() };
        let mut giant = Box::pin(admission.permit(giant, Instant::now() + FAR));
        assert!(poll!(&mut giant).is_pending(), "it waits for the other body, not for its own");
        assert!(admission.permit(work(MIB), Instant::now() + FAR).await.is_ok(), "the job of the other body can run");
        drop(other);
        let giant = giant.await.unwrap();
        let body = admission.admit().unwrap().lease;
        assert_eq!(admission.metrics.memory_reserved_now(), 13 * MIB);
        body.grow(MIB).unwrap();
        assert_eq!(admission.metrics.memory_reserved_now(), admission.memory_limit_bytes());
        assert!(body.grow(1).is_err());
        drop(giant);
        assert!(body.grow(2 * MIB).is_ok());
    }

    #[tokio::test]
    async fn oversized_jobs_never_wait_for_each_others_bodies() {
        let admission = Admission::new(8, 8, 10 * MIB, 4 * MIB, Arc::new(Metrics::new()));
        let leases = [0, 1].map(|_| body(&admission, 3 * MIB / 2));
        let need = |work| Need { work, body: 3 * MIB / 2 };
        let mut first = Box::pin(admission.permit(need(12 * MIB), Instant::now() + FAR));
        assert!(poll!(&mut first).is_pending());
        let second = admission.permit(need(11 * MIB), Instant::now() + FAR).await;
        assert!(
            matches!(second, Err(EngineError::Overloaded { .. })),
            "it would wait for the first, and the first for its body"
        );
        drop(leases);
        let first = first.await.unwrap();
        let mut third = Box::pin(admission.permit(need(12 * MIB), Instant::now() + FAR));
        assert!(poll!(&mut third).is_pending(), "the first is running, and will end");
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn an_oversized_background_job_lets_those_go_first_whose_bodies_it_waits_for() {
        let admission = Admission::new(8, 8, 10 * MIB, 4 * MIB, Arc::new(Metrics::new()));
        let (own, other) = (body(&admission, MIB), body(&admission, 2 * MIB));
        let mut giant = Box::pin(admission.background_permit(Need { work: 12 * MIB, body: own.bytes() }));
        assert!(poll!(&mut giant).is_pending(), "it waits for the other body");
        let second = admission.background_permit(Need { work: MIB, body: other.bytes() });
        let second = tokio::time::timeout(FAR / 360, second).await.expect("the other job can run").unwrap();
        drop((second, other));
        assert!(tokio::time::timeout(FAR / 360, giant).await.expect("then the first").is_ok());
    }

    #[test]
    fn a_job_is_large_when_its_freed_memory_would_be_missed() {
        let admission = admission(4, 8, 400);
        assert!(!admission.is_large(10 * MIB) && admission.is_large(10 * MIB + 1) && admission.is_large(u64::MAX));
    }

    #[tokio::test]
    async fn a_deadline_ends_the_wait() {
        let admission = admission(1, 8, 10);
        let _held = admission.permit(work(1), Instant::now() + FAR).await.unwrap();
        let refused = admission.permit(work(1), Instant::now()).await;
        assert!(matches!(refused, Err(EngineError::Overloaded { .. })));
        assert!(admission.metrics.render().contains(r#"bytefit_shed_total{reason="queue_timeout"} 1"#));
        assert_eq!(admission.metrics.queue_depth(), 0);
    }

    #[test]
    fn retry_after_follows_the_mean_service_time() {
        let admission = admission(2, 18, 1);
        let mut slots: Vec<_> = (0..20).map(|_| admission.take_queue_slot().unwrap()).collect();
        assert_eq!(admission.retry_after().as_secs(), 5, "ten rounds of the initial job time");
        slots.truncate(4);
        assert_eq!(admission.retry_after().as_secs(), 1, "two rounds");
        slots.extend((4..20).map(|_| admission.take_queue_slot().unwrap()));
        admission.job_took(Duration::from_secs(3));
        assert_eq!(admission.retry_after().as_secs(), 30);
        (0..50).for_each(|_| admission.job_took(Duration::from_millis(1)));
        assert_eq!(admission.retry_after().as_secs(), 1);
        admission.job_took(Duration::from_secs(600));
        assert_eq!(admission.retry_after().as_secs(), 60);
    }
}
