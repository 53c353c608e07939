//! How many bytes all batches may have in the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that are taken.
#[derive(Debug)]
pub(super) struct Room {
    taken: AtomicU64,
    limit: u64,
}

/// Bytes taken for a batch that is being received. They are given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    room: Arc<Room>,
    bytes: u64,
}

/// Why bytes can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The batch alone has more than all batches may have.
    TooLarge { limit: u64 },
    /// Other batches have taken the room.
    Full,
}

impl Room {
    /// Room for `limit` bytes.
    pub(super) fn new(limit: u64) -> Room {
        Room { taken: AtomicU64::new(0), limit }
    }

    /// The bytes that all batches may have.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `bytes` that are in the store already, even beyond the limit.
    pub(super) fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives `bytes` back.
    pub(super) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Begins a batch that has taken nothing yet.
    pub(super) fn reserve(self: &Arc<Room>) -> Reserved {
        Reserved { room: Arc::clone(self), bytes: 0 }
    }
}

impl Reserved {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// [`NoRoom`], with nothing taken.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let limit = self.room.limit;
        if self.bytes + bytes > limit {
            return Err(NoRoom::TooLarge { limit });
        }
        let fits = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= limit);
        let grown = self.room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        grown.map_err(|_| NoRoom::Full)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Hands the bytes over to a batch, which gives them back.
    pub(super) fn keep(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_given_back() {
        let room = Arc::new(Room::new(10));
        let mut one = room.reserve();
        one.grow(6).unwrap();
        let mut two = room.reserve();
        assert_eq!(two.grow(5), Err(NoRoom::Full));
        assert_eq!(two.grow(11), Err(NoRoom::TooLarge { limit: 10 }));
        drop(one);
        two.grow(10).unwrap();
        let kept = two.keep();
        assert_eq!(room.reserve().grow(1), Err(NoRoom::Full));
        room.give_back(kept);
        room.reserve().grow(10).unwrap();
    }
}
