//! How many items are worked on at once. Their pictures are in memory, so there are fewer of them while memory is short
//! or many requests wait; at least one always goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::Engine;
use crate::named::named;

/// The part of the memory that is reserved, or of the queue that is full, from which on half as many items are worked
/// on.
const HALF: f64 = 0.5;

/// The same for a single item.
const ONE: f64 = 0.75;

named! {
    /// Why fewer items are worked on than could be.
    pub enum HeldBackBy {
        /// Memory is short.
        Memory = "memory",
        /// Requests wait.
        Queue = "queue",
    }
}

/// How many items are worked on at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Items that may be worked on at once now.
    pub at_once: usize,
    /// The same without load.
    pub most: usize,
    /// Why it is fewer than the most.
    pub held_back_by: Option<HeldBackBy>,
}

/// The permit of an item that is worked on. The default is none, for work on a batch as a whole.
#[derive(Debug, Default)]
pub(super) struct ItemPermit(Option<OwnedSemaphorePermit>);

/// Gives out permits to work on an item, with its picture in memory.
#[derive(Debug)]
pub(super) struct ItemPermits {
    free: Arc<Semaphore>,
    most: usize,
    held_back: Mutex<HeldBack>,
}

#[derive(Debug, Default)]
struct HeldBack {
    permits: Vec<OwnedSemaphorePermit>,
    wanted: usize,
    by: Option<HeldBackBy>,
}

impl HeldBack {
    /// `permit`, unless it is to be held back.
    fn or_use(&mut self, permit: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        if self.permits.len() < self.wanted {
            self.permits.push(permit);
            return None;
        }
        Some(permit)
    }
}

impl ItemPermits {
    /// As many as threads, and one that waits.
    pub(super) fn new(threads: usize) -> ItemPermits {
        let most = threads + 1;
        ItemPermits { free: Arc::new(Semaphore::new(most)), most, held_back: Mutex::default() }
    }

    /// The next one that is free.
    pub(super) async fn one(&self) -> ItemPermit {
        loop {
            let permit = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
            if let Some(permit) = self.held_back().or_use(permit) {
                return ItemPermit(Some(permit));
            }
        }
    }

    /// One, if it is free.
    pub(super) fn another(&self) -> Option<ItemPermit> {
        loop {
            let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
            if let Some(permit) = self.held_back().or_use(permit) {
                return Some(ItemPermit(Some(permit)));
            }
        }
    }

    /// Awaits `waiting` without `permit`, which other items may have meanwhile: a host may take long to answer.
    pub(super) async fn without<T>(&self, permit: &mut ItemPermit, waiting: impl Future<Output = T>) -> T {
        let had_one = permit.0.take().is_some();
        let output = waiting.await;
        if had_one {
            *permit = self.one().await;
        }
        output
    }

    fn held_back(&self) -> MutexGuard<'_, HeldBack> {
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn pace(&self) -> Pace {
        let held_back = self.held_back();
        Pace { at_once: self.most - held_back.wanted, most: self.most, held_back_by: held_back.by }
    }

    /// Follows the load. What is worked on goes on; permits that become free are held back then.
    fn follow(&self, memory: f64, queue: f64) {
        let pressure = memory.max(queue);
        let at_once = at_once(self.most, pressure);
        let mut held_back = self.held_back();
        held_back.wanted = self.most - at_once;
        let by = if memory >= queue { HeldBackBy::Memory } else { HeldBackBy::Queue };
        held_back.by = (at_once < self.most).then_some(by);
        let wanted = held_back.wanted;
        held_back.permits.truncate(wanted);
        while held_back.permits.len() < wanted
            && let Ok(permit) = Arc::clone(&self.free).try_acquire_owned()
        {
            held_back.permits.push(permit);
        }
    }

    /// Follows the load that `engine` has now.
    pub(super) fn follow_load(&self, engine: &Engine) {
        let load = engine.snapshot();
        let part = |of: f64, all: f64| if all > 0.0 { of / all } else { 0.0 };
        let memory = part(load.memory_reserved_bytes as f64, load.memory_limit_bytes as f64);
        self.follow(memory, part(load.queued as f64, load.queue_slots as f64));
    }
}

/// Items at once, where this part of the memory or of the queue is taken.
fn at_once(most: usize, pressure: f64) -> usize {
    match pressure {
        pressure if pressure >= ONE => 1,
        pressure if pressure >= HALF => most.div_ceil(2),
        _ => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_permit_is_free_while_its_item_waits() {
        let permits = ItemPermits::new(1);
        let mut one = permits.one().await;
        let _other = permits.one().await;
        assert!(permits.another().is_none());
        permits.without(&mut one, async { assert!(permits.another().is_some()) }).await;
        assert!(permits.another().is_none());
        permits.without(&mut ItemPermit::default(), async {}).await;
        drop(one);
        assert!(permits.another().is_some(), "who had none gets none");
    }

    #[tokio::test]
    async fn fewer_items_are_worked_on_while_memory_is_short_or_requests_wait() {
        let permits = ItemPermits::new(4);
        let first = permits.one().await;
        let pace = |at_once, held_back_by| Pace { at_once, most: 5, held_back_by };
        permits.follow(0.2, 0.4);
        assert_eq!(permits.pace(), pace(5, None));
        permits.follow(0.6, 0.4);
        assert_eq!(permits.pace(), pace(3, Some(HeldBackBy::Memory)));
        let others = [permits.another(), permits.another()];
        assert!(others.iter().all(Option::is_some) && permits.another().is_none());
        permits.follow(0.6, 0.9);
        assert_eq!(permits.pace(), pace(1, Some(HeldBackBy::Queue)));
        drop(others);
        assert!(permits.another().is_none(), "what becomes free is held back");
        drop(first);
        assert!(permits.another().is_some(), "one goes on");
        permits.follow(0.0, 0.0);
        assert_eq!(permits.pace(), pace(5, None));
        assert!((0..5).map(|_| permits.another()).collect::<Vec<_>>().iter().all(Option::is_some));
    }
}
