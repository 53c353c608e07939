//! Who may come in, and who may work: a request is asked to wait outside while the queue is full; when its body is
//! there it takes a place, or is refused; then a permit, which is awaited. Must not know what a job does.
//!
//! A body on its way holds no place, only room: few slow uploads would fill the queue of an idle machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::EngineError;
use super::body_memory::{BodyMemory, Lent, MemoryLease, NoMemory};
use super::oversized::{Share, Waiting};
use super::upload_claims::{UploadClaim, UploadClaims};
use crate::metrics::{GaugeGuard, Metrics, Shed};

const MIB: u64 = 1 << 20;
/// Places are scarce when fewer than one in so many is free.
const SCARCE: usize = 4;
/// Weight of the last job in the mean service time: the mean follows a change of load within about ten jobs.
const LAST_JOB: f64 = 0.2;
/// What a job is taken to cost before one was measured.
const FIRST_GUESS: Duration = Duration::from_millis(500);
/// A client is told to come back after this long at most: by then the load is anyone's guess.
const MAX_RETRY_SECONDS: u64 = 60;

/// The gates of the engine.
pub struct Admission {
    /// A place for each job that works or waits.
    slots: Arc<Semaphore>,
    /// A turn for each header that is read.
    headers: Arc<Semaphore>,
    /// A permit for each thread.
    workers: Arc<Semaphore>,
    /// A permit for each MiB.
    memory: Arc<Semaphore>,
    threads: usize,
    queue_slots: usize,
    memory_mib: u32,
    /// For bodies.
    body_memory: BodyMemory,
    /// Jobs that need more than all jobs may have, and wait for a share of the bodies' memory.
    oversized: Waiting,
    /// Of bodies on places.
    claims: UploadClaims,
    memory_limit_bytes: u64,
    draining: AtomicBool,
    /// Mean time that a job works; none before the first.
    service: Mutex<Option<Duration>>,
    metrics: Arc<Metrics>,
}

/// What a request that was let in holds while its body is on its way.
#[derive(Debug)]
pub struct AdmittedUpload {
    /// For the body.
    pub lease: MemoryLease,
    /// On one of the last places; to be dropped when the body is there.
    pub claim: UploadClaim,
}

/// A job's place in the queue, until it is done; dropping it gives the place back.
#[derive(Debug)]
pub struct QueueSlot {
    _permit: OwnedSemaphorePermit,
}

/// A turn to read a header; it belongs into the closure that reads.
#[derive(Debug)]
pub struct HeaderTurn {
    _permit: OwnedSemaphorePermit,
}

/// The right to work, with a share of the memory. It belongs into the closure that works: a client that
/// leaves must not free a thread that works on.
#[derive(Debug)]
pub struct Permit {
    _in_flight: GaugeGuard,
    _reserved: GaugeGuard,
    _worker: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
    /// Of the bodies' memory, where that of jobs is not enough.
    _lent: Option<Lent>,
}

/// What a job needs of the memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// At its peak, beside its body.
    pub work: u64,
    /// What its body holds of the memory for bodies.
    pub body: u64,
}

impl Admission {
    /// Gates for `threads` jobs at work and `queue_slots` waiting ones, in `memory_mib` MiB of memory, and for bodies
    /// in `body_bytes` beside it.
    pub fn new(
        threads: usize,
        queue_slots: usize,
        memory_mib: u64,
        body_bytes: u64,
        metrics: Arc<Metrics>,
    ) -> Admission {
        let slots = threads.saturating_add(queue_slots).min(Semaphore::MAX_PERMITS);
        let memory_mib = u32::try_from(memory_mib.max(1)).unwrap_or(u32::MAX);
        let body_memory = BodyMemory::new(body_bytes, Arc::clone(&metrics));
        let memory_limit_bytes = (u64::from(memory_mib) * MIB).saturating_add(body_memory.bytes());
        metrics.set_memory_limit(memory_limit_bytes);
        Admission {
            oversized: Waiting::new(body_memory.bytes()),
            body_memory,
            claims: UploadClaims::default(),
            memory_limit_bytes,
            slots: Arc::new(Semaphore::new(slots)),
            headers: Arc::new(Semaphore::new(threads)),
            workers: Arc::new(Semaphore::new(threads)),
            memory: Arc::new(Semaphore::new(memory_mib as usize)),
            threads,
            queue_slots,
            memory_mib,
            draining: AtomicBool::new(false),
            service: Mutex::new(None),
            metrics,
        }
    }

    /// Lets a request send its body.
    ///
    /// # Errors
    /// [`EngineError::ShuttingDown`] after [`Admission::drain`], else [`EngineError::Overloaded`] while the
    /// queue is full.
    pub fn admit(&self) -> Result<AdmittedUpload, EngineError> {
        if self.is_draining() {
            self.metrics.shed(Shed::Draining);
            return Err(EngineError::ShuttingDown);
        }
        let free = self.slots.available_permits();
        let now = Instant::now();
        // Of the last places each is promised once; before, bodies may turn out to need none.
        let is_scarce = free <= (self.threads + self.queue_slots) / SCARCE;
        if free == 0 || is_scarce && self.claims.recent(now) >= free {
            return Err(self.full());
        }
        Ok(AdmittedUpload { lease: self.body_memory.lease(self.retry_after()), claim: self.claims.add(now) })
    }

    /// Room for `bytes` of an answer, beside the bodies.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] while there is none.
    pub fn lease_for_answer(&self, bytes: u64) -> Result<MemoryLease, EngineError> {
        let lease = self.body_memory.lease(self.retry_after());
        lease.take(bytes).map_err(|NoMemory { retry_after }| EngineError::Overloaded { retry_after })?;
        Ok(lease)
    }

    /// Takes a place in the queue.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the queue is full.
    pub fn take_queue_slot(&self) -> Result<QueueSlot, EngineError> {
        Arc::clone(&self.slots).try_acquire_owned().map(|permit| QueueSlot { _permit: permit }).map_err(|_| self.full())
    }

    fn full(&self) -> EngineError {
        self.metrics.shed(Shed::QueueFull);
        EngineError::Overloaded { retry_after: self.retry_after() }
    }

    /// Waits for a thread and for the memory that is needed, until `deadline`.
    ///
    /// A job that needs more than all jobs may have together runs alone, and takes the rest of the bodies' memory.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the deadline comes first, or where jobs that need so much could wait for each
    /// other.
    pub async fn permit(&self, need: Need, deadline: Instant) -> Result<Permit, EngineError> {
        self.queued(self.permit_in_turn(need), deadline).await?
    }

    /// Waits for a turn to read a header, until `deadline`. As many are read at once as there are threads: more would only
    /// slow each other down.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when the deadline comes first.
    pub async fn header_turn(&self, deadline: Instant) -> Result<HeaderTurn, EngineError> {
        let turn = self.queued(Arc::clone(&self.headers).acquire_owned(), deadline).await?;
        Ok(HeaderTurn { _permit: turn.expect("the semaphore is never closed") })
    }

    /// What is waited for in `turn`, until `deadline`.
    async fn queued<T>(&self, turn: impl Future<Output = T>, deadline: Instant) -> Result<T, EngineError> {
        let _queued = self.metrics.job_queued();
        timeout_at(deadline.into(), turn).await.map_err(|_| {
            self.metrics.shed(Shed::QueueTimeout);
            EngineError::Overloaded { retry_after: self.retry_after() }
        })
    }

    async fn permit_in_turn(&self, need: Need) -> Result<Permit, EngineError> {
        // All semaphores serve in turn. MemoryLease among the bodies comes first: those go when their jobs are done, and these
        // may need the thread or the memory that would be held meanwhile. Then the thread, so that memory counts as
        // reserved only by jobs that are about to use it; whoever holds memory already works, so nobody waits for ever.
        let open = "the semaphores are never closed";
        let lent = self.room_for_work(need).await?;
        let weight = u32::try_from(need.work.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, self.memory_mib);
        let worker = Arc::clone(&self.workers).acquire_owned().await.expect(open);
        let memory = Arc::clone(&self.memory).acquire_many_owned(weight).await.expect(open);
        Ok(Permit {
            _in_flight: self.metrics.job_started(),
            _reserved: self.metrics.memory_reserved(u64::from(weight) * MIB),
            _worker: worker,
            _memory: memory,
            _lent: lent,
        })
    }

    /// What a job takes of the bodies' memory: what it needs beyond all that jobs may have.
    async fn room_for_work(&self, need: Need) -> Result<Option<Lent>, EngineError> {
        let beyond = need.work.saturating_sub(self.job_memory_bytes());
        let work = beyond.min(self.body_memory.bytes().saturating_sub(need.body));
        if work == 0 {
            return Ok(None);
        }
        let Some(_wait) = self.oversized.enter(Share { body: need.body, work }) else {
            self.metrics.shed(Shed::Memory);
            return Err(EngineError::Overloaded { retry_after: self.retry_after() });
        };
        Ok(Some(self.body_memory.lend(work).await))
    }

    /// Learns how long a job worked.
    pub fn job_took(&self, elapsed: Duration) {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        *service = Some(match *service {
            Some(mean) => mean.mul_f64(1.0 - LAST_JOB) + elapsed.mul_f64(LAST_JOB),
            None => elapsed,
        });
    }

    /// When a client that is refused now may expect to get in: the time in which the threads, at their mean
    /// pace, are done with everyone who holds a place. In whole seconds, 1 to 60.
    fn retry_after(&self) -> Duration {
        let mean = self.service.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(FIRST_GUESS);
        let held = (self.threads + self.queue_slots).saturating_sub(self.slots.available_permits());
        let rounds = held.div_ceil(self.threads.max(1));
        let seconds = (mean.as_secs_f64() * rounds as f64).ceil() as u64;
        Duration::from_secs(seconds.clamp(1, MAX_RETRY_SECONDS))
    }

    /// From now on admits nobody.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Admission::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Requests that may wait.
    pub fn queue_slots(&self) -> usize {
        self.queue_slots
    }

    /// Whether a job's memory, kept by each thread after it is done, would be more than a tenth of what jobs may need.
    pub fn is_large(&self, bytes: u64) -> bool {
        bytes.saturating_mul(10 * self.threads as u64) > self.job_memory_bytes()
    }

    /// Memory that jobs at work may need together, in bytes.
    pub fn job_memory_bytes(&self) -> u64 {
        u64::from(self.memory_mib) * MIB
    }

    /// Memory that bodies, and answers on their way, may take together, in bytes.
    pub fn body_memory_bytes(&self) -> u64 {
        self.body_memory.bytes()
    }

    /// Memory that a job may need whose body holds `body_bytes`: all that there is.
    pub fn memory_beside(&self, body_bytes: u64) -> u64 {
        self.memory_limit_bytes.saturating_sub(body_bytes)
    }

    /// Memory that bodies and jobs at work may need together, in bytes.
    pub fn memory_limit_bytes(&self) -> u64 {
        self.memory_limit_bytes
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const FAR: Duration = Duration::from_secs(3600);

    fn admission(threads: usize, queue_slots: usize, memory_mib: u64) -> Admission {
        Admission::new(threads, queue_slots, memory_mib, MIB, Arc::new(Metrics::new()))
    }

    fn work(bytes: u64) -> Need {
        Need { work: bytes, body: 0 }
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_a_place_given_back_makes_room() {
        let admission = admission(1, 2, 1);
        let late = admission.admit().unwrap();
        let mut slots: Vec<_> = (0..3).map(|_| admission.take_queue_slot().unwrap()).collect();
        assert!(matches!(admission.admit(), Err(EngineError::Overloaded { .. })));
        assert!(matches!(admission.take_queue_slot(), Err(EngineError::Overloaded { .. })));
        assert!(admission.metrics.render().contains(r#"bytefit_shed_total{reason="queue_full"} 2"#));
        slots.pop();
        assert!(admission.admit().is_ok() && admission.take_queue_slot().is_ok());
        assert_eq!(late.lease.take(1), Ok(()), "who was let in goes on sending");
    }

    #[test]
    fn bodies_on_their_way_hold_no_place() {
        let admission = admission(1, 1, 1);
        let _rooms: Vec<_> = (0..100).map(|_| admission.admit().unwrap()).collect();
        assert!(admission.take_queue_slot().is_ok());
    }

    #[test]
    fn a_draining_engine_admits_nobody_and_has_places_for_who_was_admitted() {
        let admission = admission(1, 8, 1);
        admission.drain();
        assert!(matches!(admission.admit(), Err(EngineError::ShuttingDown)));
        assert!(admission.metrics.render().contains(r#"bytefit_shed_total{reason="draining"} 1"#));
        assert!(admission.take_queue_slot().is_ok());
    }

    #[tokio::test]
    async fn jobs_at_work_are_bounded_by_threads() {
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
    async fn jobs_at_work_are_bounded_by_memory() {
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
    async fn a_job_larger_than_the_memory_of_jobs_takes_the_rest_from_bodies() {
        let admission = Admission::new(8, 8, 10, 4 * MIB, Arc::new(Metrics::new()));
        let (own, other) = (admission.admit().unwrap().lease, admission.admit().unwrap().lease);
        own.take(MIB).unwrap();
        other.take(2 * MIB).unwrap();
        let giant = Need { work: 12 * MIB, body: own.bytes() };
        let mut giant = Box::pin(admission.permit(giant, Instant::now() + FAR));
        assert!(poll!(&mut giant).is_pending(), "the other body is in its way, its own is not");
        assert!(admission.permit(work(MIB), Instant::now() + FAR).await.is_ok(), "the job of that can be done");
        drop(other);
        let giant = giant.await.unwrap();
        let body = admission.admit().unwrap().lease;
        assert_eq!(admission.metrics.memory_reserved_now(), 13 * MIB);
        body.take(MIB).unwrap();
        assert_eq!(admission.metrics.memory_reserved_now(), admission.memory_limit_bytes());
        assert!(body.take(1).is_err());
        drop(giant);
        assert!(body.take(2 * MIB).is_ok());
    }

    #[tokio::test]
    async fn jobs_larger_than_the_memory_of_jobs_never_wait_for_each_others_bodies() {
        let admission = Admission::new(8, 8, 10, 4 * MIB, Arc::new(Metrics::new()));
        let rooms: Vec<MemoryLease> = (0..2).map(|_| admission.admit().unwrap().lease).collect();
        rooms.iter().for_each(|lease| lease.take(3 * MIB / 2).unwrap());
        let need = |work| Need { work, body: 3 * MIB / 2 };
        let mut first = Box::pin(admission.permit(need(12 * MIB), Instant::now() + FAR));
        assert!(poll!(&mut first).is_pending());
        let second = admission.permit(need(11 * MIB), Instant::now() + FAR).await;
        assert!(
            matches!(second, Err(EngineError::Overloaded { .. })),
            "it would wait for the first, that for its body"
        );
        drop(rooms);
        let first = first.await.unwrap();
        let mut third = Box::pin(admission.permit(need(12 * MIB), Instant::now() + FAR));
        assert!(poll!(&mut third).is_pending(), "the first is at work, and ends");
        drop(first);
        assert!(third.await.is_ok());
    }

    #[test]
    fn jobs_are_large_whose_leavings_would_be_missed() {
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
        assert_eq!(admission.retry_after().as_secs(), 5, "ten rounds of the first guess");
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
