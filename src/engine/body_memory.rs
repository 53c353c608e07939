//! Memory for request bodies: reserved as they stream in, released when the last clone of their lease is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::allocator::release_free_memory;
use crate::metrics::{GaugeGuard, Metrics, Shed};

/// Memory is reserved in steps of this many bytes: about what one read from a socket returns.
const UNIT: u64 = 64 << 10;

/// Bytes of a body from which on its memory counts as kept when it is freed: jemalloc keeps it for ten seconds, and
/// bodies that grow by doubling seldom find room in it.
const LARGE: u64 = 4 << 20;

/// The share of the memory of all bodies that may be kept, until it is returned to the system. Returning the memory of
/// every large body halved the requests a second of cached answers.
const KEPT_SHARE: u64 = 8;

/// The memory that all bodies share.
pub(super) struct BodyMemory {
    units: Arc<Semaphore>,
    bytes: u64,
    kept: Arc<KeptMemory>,
    metrics: Arc<Metrics>,
}

/// Memory of bodies that was freed and that the allocators may keep.
#[derive(Debug)]
struct KeptMemory {
    bytes: AtomicU64,
    most: u64,
}

/// The memory of one body. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryLease(Arc<Mutex<Reserved>>);

#[derive(Debug)]
struct Reserved {
    units: Arc<Semaphore>,
    kept: Arc<KeptMemory>,
    metrics: Arc<Metrics>,
    retry_after: Duration,
    /// Bytes requested, before rounding up to whole units.
    bytes: u64,
    held: Vec<(OwnedSemaphorePermit, GaugeGuard)>,
}

/// Memory of bodies that a job borrows; dropping it gives the memory back.
#[derive(Debug)]
pub(super) struct BorrowedMemory {
    _units: OwnedSemaphorePermit,
    _reserved: GaugeGuard,
}

/// There is no memory left.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMemory {
    /// When to try again.
    pub retry_after: Duration,
}

impl BodyMemory {
    /// `bytes` of memory, rounded up to whole units.
    pub(super) fn new(bytes: u64, metrics: Arc<Metrics>) -> BodyMemory {
        let units = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let bytes = units as u64 * UNIT;
        let kept = Arc::new(KeptMemory { bytes: AtomicU64::new(0), most: bytes / KEPT_SHARE });
        BodyMemory { units: Arc::new(Semaphore::new(units)), bytes, kept, metrics }
    }

    /// All the memory that there is, in use or not.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The memory that nobody holds now.
    pub(super) fn free_bytes(&self) -> u64 {
        self.units.available_permits() as u64 * UNIT
    }

    /// Waits in turn for `bytes` that a job needs. Bodies that arrive meanwhile get what is left.
    pub(super) async fn borrow(&self, bytes: u64) -> BorrowedMemory {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await;
        BorrowedMemory {
            _units: permit.expect("the semaphore is never closed"),
            _reserved: self.metrics.memory_reserved(u64::from(units) * UNIT),
        }
    }

    /// An empty lease. When there is no memory, [`NoMemory`] says to try again after `retry_after`.
    pub(super) fn lease(&self, retry_after: Duration) -> MemoryLease {
        MemoryLease(Arc::new(Mutex::new(Reserved {
            units: Arc::clone(&self.units),
            kept: Arc::clone(&self.kept),
            metrics: Arc::clone(&self.metrics),
            retry_after,
            bytes: 0,
            held: Vec::new(),
        })))
    }
}

impl MemoryLease {
    /// Bytes that it holds, rounded up to whole units.
    pub(crate) fn bytes(&self) -> u64 {
        let reserved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.bytes.div_ceil(UNIT).saturating_mul(UNIT)
    }

    /// Reserves `bytes` more.
    ///
    /// # Errors
    /// [`NoMemory`]; the lease stays as it was.
    pub fn grow(&self, bytes: u64) -> Result<(), NoMemory> {
        // The count is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
        let mut reserved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total = reserved.bytes.saturating_add(bytes);
        let more = total.div_ceil(UNIT) - reserved.bytes.div_ceil(UNIT);
        if more > 0 {
            let units = u32::try_from(more).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&reserved.units).try_acquire_many_owned(units) else {
                reserved.metrics.shed(Shed::Memory);
                return Err(NoMemory { retry_after: reserved.retry_after });
            };
            let gauge = reserved.metrics.memory_reserved(more * UNIT);
            reserved.held.push((permit, gauge));
        }
        reserved.bytes = total;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.bytes >= LARGE {
            self.kept.add(self.bytes);
        }
    }
}

impl KeptMemory {
    /// Counts `bytes` that were freed, and returns all free memory to the system when too much may be kept.
    fn add(&self, bytes: u64) {
        let kept = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if kept > self.most {
            self.bytes.store(0, Ordering::Relaxed);
            release_free_memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const LATER: Duration = Duration::from_secs(7);
    const NO_MEMORY: NoMemory = NoMemory { retry_after: LATER };

    #[test]
    fn what_was_freed_is_counted_until_it_is_returned() {
        let kept = KeptMemory { bytes: AtomicU64::new(0), most: 10 };
        let counted = [4, 6, 1, 3].map(|bytes| {
            kept.add(bytes);
            kept.bytes.load(Ordering::Relaxed)
        });
        assert_eq!(counted, [4, 10, 0, 3]);
    }

    fn body_memory(bytes: u64) -> (BodyMemory, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        (BodyMemory::new(bytes, Arc::clone(&metrics)), metrics)
    }

    #[test]
    fn bodies_share_the_memory_and_give_it_back() {
        let (body_memory, metrics) = body_memory(4 * UNIT);
        let one = body_memory.lease(LATER);
        let two = body_memory.lease(LATER);
        assert_eq!(one.grow(3 * UNIT), Ok(()));
        assert_eq!(two.grow(UNIT), Ok(()));
        assert_eq!(two.grow(1), Err(NO_MEMORY));
        assert_eq!(metrics.memory_reserved_now(), 4 * UNIT);
        assert!(metrics.render().contains(r#"bytefit_shed_total{reason="memory"} 1"#));
        let upload = one.clone();
        drop(one);
        assert_eq!(two.grow(1), Err(NO_MEMORY), "a clone keeps the memory");
        drop(upload);
        assert_eq!(two.grow(UNIT), Ok(()));
    }

    #[test]
    fn small_pieces_fill_a_unit_before_they_take_another() {
        let (body_memory, metrics) = body_memory(2 * UNIT);
        let lease = body_memory.lease(LATER);
        for _ in 0..1000 {
            lease.grow(100).unwrap();
        }
        assert_eq!(metrics.memory_reserved_now(), 2 * UNIT);
        assert_eq!(lease.grow(2 * UNIT), Err(NO_MEMORY));
        assert_eq!(lease.grow(UNIT / 4), Ok(()), "a refusal takes nothing");
    }

    #[tokio::test]
    async fn a_job_waits_in_turn_and_bodies_get_what_is_left() {
        let (body_memory, metrics) = body_memory(4 * UNIT);
        let one = body_memory.lease(LATER);
        let two = body_memory.lease(LATER);
        assert_eq!((one.grow(2 * UNIT), one.bytes()), (Ok(()), 2 * UNIT));
        let mut waiting = Box::pin(body_memory.borrow(3 * UNIT));
        assert!(poll!(&mut waiting).is_pending());
        assert_eq!(two.grow(1), Err(NO_MEMORY), "what is free is kept for the job");
        drop(one);
        let borrowed = waiting.await;
        assert_eq!(metrics.memory_reserved_now(), 3 * UNIT);
        assert_eq!(two.grow(UNIT), Ok(()));
        assert_eq!(two.grow(1), Err(NO_MEMORY));
        drop(borrowed);
        assert_eq!(two.grow(3 * UNIT), Ok(()));
    }
}
