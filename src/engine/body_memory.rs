//! Memory for request bodies: taken as they stream in, given back when the last who holds the body lets go of it.
//! Must not know what a body is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{GaugeGuard, Metrics, Shed};

/// Bytes that room is taken in: what a socket gives at once.
const UNIT: u64 = 64 << 10;

/// The room that all bodies share.
pub struct BodyMemory {
    units: Arc<Semaphore>,
    bytes: u64,
    metrics: Arc<Metrics>,
}

/// The room of one body; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryLease(Arc<Mutex<Taken>>);

#[derive(Debug)]
struct Taken {
    body_memory: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    retry_after: Duration,
    /// Bytes that were asked for.
    bytes: u64,
    held: Vec<(OwnedSemaphorePermit, GaugeGuard)>,
}

/// MemoryLease that work takes, until it is dropped.
#[derive(Debug)]
pub struct Lent {
    _units: OwnedSemaphorePermit,
    _reserved: GaugeGuard,
}

/// There is no room left.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMemory {
    /// When to try again.
    pub retry_after: Duration,
}

impl BodyMemory {
    /// Room for `bytes`, in whole units.
    pub fn new(bytes: u64, metrics: Arc<Metrics>) -> BodyMemory {
        let units = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        BodyMemory { units: Arc::new(Semaphore::new(units)), bytes: units as u64 * UNIT, metrics }
    }

    /// All the room that there is, taken or not.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `bytes` for work, which is awaited in turn: whoever comes with a body meanwhile gets what is left.
    pub async fn lend(&self, bytes: u64) -> Lent {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let units_taken = Arc::clone(&self.units).acquire_many_owned(units).await;
        Lent {
            _units: units_taken.expect("the semaphore is never closed"),
            _reserved: self.metrics.memory_reserved(u64::from(units) * UNIT),
        }
    }

    /// A room of no size yet; whoever finds none may come back after `retry_after`.
    pub fn lease(&self, retry_after: Duration) -> MemoryLease {
        let (body_memory, metrics) = (Arc::clone(&self.units), Arc::clone(&self.metrics));
        MemoryLease(Arc::new(Mutex::new(Taken { body_memory, metrics, retry_after, bytes: 0, held: Vec::new() })))
    }
}

impl MemoryLease {
    /// Bytes that it takes, in whole units.
    pub fn bytes(&self) -> u64 {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes.div_ceil(UNIT).saturating_mul(UNIT)
    }

    /// Makes room for so many bytes more.
    ///
    /// # Errors
    /// [`NoMemory`], and the room is as it was.
    pub fn take(&self, bytes: u64) -> Result<(), NoMemory> {
        // A poisoned lock still guards a whole count: nothing that can panic runs between two changes.
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = taken.bytes.saturating_add(bytes);
        let more = wanted.div_ceil(UNIT) - taken.bytes.div_ceil(UNIT);
        if more > 0 {
            let units = u32::try_from(more).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&taken.body_memory).try_acquire_many_owned(units) else {
                taken.metrics.shed(Shed::Memory);
                return Err(NoMemory { retry_after: taken.retry_after });
            };
            let reserved = taken.metrics.memory_reserved(more * UNIT);
            taken.held.push((permit, reserved));
        }
        taken.bytes = wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const LATER: Duration = Duration::from_secs(7);
    const NO_MEMORY: NoMemory = NoMemory { retry_after: LATER };

    fn body_memory(bytes: u64) -> (BodyMemory, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        (BodyMemory::new(bytes, Arc::clone(&metrics)), metrics)
    }

    #[test]
    fn bodies_share_the_room_and_give_it_back() {
        let (body_memory, metrics) = body_memory(4 * UNIT);
        let (one, two) = (body_memory.lease(LATER), body_memory.lease(LATER));
        assert_eq!(one.take(3 * UNIT), Ok(()));
        assert_eq!(two.take(UNIT), Ok(()));
        assert_eq!(two.take(1), Err(NO_MEMORY));
        assert_eq!(metrics.memory_reserved_now(), 4 * UNIT);
        assert!(metrics.render().contains(r#"bytefit_shed_total{reason="memory"} 1"#));
        let upload = one.clone();
        drop(one);
        assert_eq!(two.take(1), Err(NO_MEMORY), "whoever holds the body holds its lease");
        drop(upload);
        assert_eq!(two.take(UNIT), Ok(()));
    }

    #[test]
    fn small_pieces_fill_a_unit_before_they_take_another() {
        let (body_memory, metrics) = body_memory(2 * UNIT);
        let lease = body_memory.lease(LATER);
        for _ in 0..1000 {
            lease.take(100).unwrap();
        }
        assert_eq!(metrics.memory_reserved_now(), 2 * UNIT);
        assert_eq!(lease.take(2 * UNIT), Err(NO_MEMORY));
        assert_eq!(lease.take(UNIT / 4), Ok(()), "a refusal takes nothing");
    }

    #[tokio::test]
    async fn work_waits_for_room_in_turn_and_bodies_get_what_is_left() {
        let (body_memory, metrics) = body_memory(4 * UNIT);
        let (one, two) = (body_memory.lease(LATER), body_memory.lease(LATER));
        assert_eq!((one.take(2 * UNIT), one.bytes()), (Ok(()), 2 * UNIT));
        let mut waits = Box::pin(body_memory.lend(3 * UNIT));
        assert!(poll!(&mut waits).is_pending());
        assert_eq!(two.take(1), Err(NO_MEMORY), "what is free is cached for it");
        drop(one);
        let lent = waits.await;
        assert_eq!(metrics.memory_reserved_now(), 3 * UNIT);
        assert_eq!(two.take(UNIT), Ok(()));
        assert_eq!(two.take(1), Err(NO_MEMORY));
        drop(lent);
        assert_eq!(two.take(3 * UNIT), Ok(()));
    }
}
