//! How many answers may wait to be written by a tier, and how many bytes they may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers that may wait to be written, and their bytes: enough for a burst, little beside the memory of jobs.
pub(super) const QUEUE_ENTRIES: usize = 1024;
const QUEUE_BYTES: u64 = 16 << 20;

/// The bytes of the answers that wait.
#[derive(Clone, Default)]
pub(super) struct QueuedBytes(Arc<AtomicU64>);

/// The bytes of one answer, counted until this is dropped.
pub(super) struct QueuedAnswer {
    waiting: QueuedBytes,
    bytes: u64,
}

impl QueuedBytes {
    /// Counts an answer of `bytes`. Returns `None` when too much waits already.
    pub(super) fn add(&self, bytes: u64) -> Option<QueuedAnswer> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let waits = QueuedAnswer { waiting: self.clone(), bytes };
        (before <= QUEUE_BYTES).then_some(waits)
    }
}

impl Drop for QueuedAnswer {
    fn drop(&mut self) {
        self.waiting.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
