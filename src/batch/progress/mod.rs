//! A batch that is complete, and how far it is.

mod items;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use super::manifest::{BatchId, ItemError, Manifest, Record};
use super::total::Total;
use items::Progress;

pub use items::{Counts, ItemState, ItemStatus, Snapshot};

/// A batch that is complete.
#[derive(Debug)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// What was asked.
    pub manifest: Manifest,
    progress: Mutex<Progress>,
    /// Counts what changes.
    changes: watch::Sender<u64>,
    /// Held while an item ends, so that items end in the order of their records. Where several processes share the
    /// store: how many places of its order were read.
    pub(super) ending: tokio::sync::Mutex<u64>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// What items may have of the total, once it is planned.
    pub(super) total: OnceCell<Result<Total, ItemError>>,
}

/// An item that has ended.
#[derive(Clone, Debug)]
pub struct EndedItem {
    /// The number of its record.
    pub sequence: u64,
    /// Its place in the batch.
    pub index: usize,
    /// How it ended.
    pub record: Arc<Record>,
}

impl Batch {
    /// A batch whose items with `records` have ended.
    pub(super) fn new(id: BatchId, manifest: Manifest, records: Vec<(usize, Record)>) -> Batch {
        Batch::with_places(id, manifest, records, 0)
    }

    /// The same, where so many places of the order were read.
    pub(super) fn with_places(id: BatchId, manifest: Manifest, records: Vec<(usize, Record)>, places: u64) -> Batch {
        let progress = Progress::new(manifest.items.len());
        let batch = Batch {
            id,
            manifest,
            progress: Mutex::new(progress),
            changes: watch::Sender::new(0),
            ending: tokio::sync::Mutex::new(places),
            task: Mutex::default(),
            total: OnceCell::new(),
        };
        let mut records = records;
        records.sort_by_key(|(index, record)| (record.sequence, *index));
        for (index, record) in records {
            batch.end(index, record);
        }
        batch
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task that works on it.
    pub(super) fn is_worked_on_by(&self, task: JoinHandle<()>) {
        *self.task() = Some(task);
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the work on it, which another process may take up.
    pub(super) async fn stop(&self) {
        let task = self.task().take();
        if let Some(task) = task {
            task.abort();
            // It was aborted, or has ended.
            let _ = task.await;
        }
    }

    /// The next item that waits, which is worked on from now on.
    pub(super) fn begin_next(&self) -> Option<usize> {
        let mut progress = self.progress();
        let index = progress.begin_next()?;
        drop(progress);
        self.note_change();
        Some(index)
    }

    /// Notes that an item which waits is worked on, here or elsewhere.
    pub(super) fn begin(&self, index: usize) {
        if self.progress().begin(index) {
            self.note_change();
        }
    }

    /// Notes that an item waits again.
    pub(super) fn put_back(&self, index: usize) {
        self.progress().put_back(index);
        self.note_change();
    }

    /// The items that have not ended and will.
    pub(super) fn unfinished(&self) -> Vec<usize> {
        let progress = self.progress();
        let items = progress.items.iter().enumerate();
        let waits = |state: &ItemState| matches!(state, ItemState::Pending | ItemState::Running);
        items.filter(|(_, state)| waits(state)).map(|(index, _)| index).collect()
    }

    /// Whether an item will not be worked on again.
    pub(super) fn is_over(&self, index: usize) -> bool {
        let progress = self.progress();
        progress.items.get(index).is_none_or(|state| matches!(state, ItemState::Ended(_) | ItemState::Cancelled))
    }

    /// Whether an item has a record.
    pub(super) fn has_ended(&self, index: usize) -> bool {
        matches!(self.progress().items.get(index), Some(ItemState::Ended(_)))
    }

    /// Whether no other item is to begin, because one failed.
    pub(super) fn is_stopped(&self) -> bool {
        self.manifest.stop_on_error && self.progress().counts.failed > 0
    }

    /// Whether it was removed.
    pub(super) fn is_removed(&self) -> bool {
        self.progress().is_removed
    }

    /// Completes when it is removed.
    pub(super) async fn removed(&self) {
        let mut changes = self.changes();
        while !self.is_removed() {
            // The sender lives as long as the batch.
            let _ = changes.changed().await;
        }
    }

    /// The number of the next record.
    pub(super) fn next_sequence(&self) -> u64 {
        self.progress().sequence() + 1
    }

    /// Ends an item. Returns the others that are cancelled by that.
    pub(super) fn end(&self, index: usize, record: Record) -> Vec<usize> {
        let cancelled = self.progress().end(index, record, self.manifest.stop_on_error);
        self.note_change();
        cancelled
    }

    /// Items that are worked on.
    pub(super) fn running(&self) -> Vec<usize> {
        let progress = self.progress();
        let is_running = |(index, state): (usize, &ItemState)| (*state == ItemState::Running).then_some(index);
        progress.items.iter().enumerate().filter_map(is_running).collect()
    }

    /// Bytes of the files that items need which are not over.
    pub(super) fn needed_bytes(&self) -> u64 {
        let progress = self.progress();
        let files: HashMap<usize, u64> = self.files_needed(&progress).collect();
        files.into_values().sum()
    }

    /// The files, with their bytes, that these items needed and none does any more.
    pub(super) fn files_freed_by(&self, items: &[usize]) -> HashMap<usize, u64> {
        let progress = self.progress();
        let mut files: HashMap<usize, u64> =
            items.iter().filter_map(|index| self.manifest.items[*index].stored()).collect();
        for (file, _) in self.files_needed(&progress) {
            files.remove(&file);
        }
        files
    }

    /// The files, with their bytes, of items that wait or run.
    fn files_needed<'a>(&'a self, progress: &'a Progress) -> impl Iterator<Item = (usize, u64)> + 'a {
        let items = self.manifest.items.iter().zip(&progress.items);
        let waiting = items.filter(|(_, state)| matches!(state, ItemState::Pending | ItemState::Running));
        waiting.filter_map(|(item, _)| item.stored())
    }

    /// Stops all work on it for good.
    pub(super) fn remove(&self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
        self.progress().is_removed = true;
        self.note_change();
    }

    /// Adds to the bytes that it takes in the store.
    pub(super) fn add_stored_bytes(&self, bytes: u64) {
        self.progress().stored_bytes += bytes;
    }

    /// Takes up to `bytes` from those that it takes in the store, and returns how many.
    pub(super) fn take_stored_bytes(&self, bytes: u64) -> u64 {
        let mut progress = self.progress();
        let taken = bytes.min(progress.stored_bytes);
        progress.stored_bytes -= taken;
        taken
    }

    /// Tells those who wait for a change.
    fn note_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How long no item has ended.
    pub(super) fn idle(&self) -> Duration {
        self.progress().moved.elapsed()
    }

    /// The batch now.
    pub fn snapshot(&self) -> Snapshot {
        self.progress().snapshot(self.manifest.stop_on_error)
    }

    /// The batch as it was when the item with the number `sequence` had ended, as far as that is known.
    pub fn snapshot_at(&self, sequence: u64) -> Snapshot {
        self.progress().snapshot_at(sequence, self.manifest.stop_on_error)
    }

    /// The state of an item. Returns `None` when there is no such item.
    pub fn item(&self, index: usize) -> Option<ItemState> {
        self.progress().items.get(index).cloned()
    }

    /// The states of up to `limit` items from `offset`.
    pub fn items(&self, offset: usize, limit: usize) -> Vec<ItemState> {
        self.progress().items.iter().skip(offset).take(limit).cloned().collect()
    }

    /// The items that ended after the one with the number `sequence`, in order.
    pub fn ended_after(&self, sequence: u64) -> Vec<EndedItem> {
        let progress = self.progress();
        let from = progress.ended.partition_point(|(number, _)| *number <= sequence);
        let ended = progress.ended[from..].iter().filter_map(|(sequence, index)| match &progress.items[*index] {
            ItemState::Ended(record) => {
                Some(EndedItem { sequence: *sequence, index: *index, record: Arc::clone(record) })
            }
            _ => None,
        });
        ended.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::batch::manifest::{Input, Item, ItemError};
    use crate::job::{Formats, Job};
    use crate::metrics::BatchState;

    fn batch(items: usize, stop_on_error: bool, records: Vec<(usize, Record)>) -> Batch {
        let item = Item { name: "a".to_owned(), input: Input::Url("b".to_owned()), job: Job::new(1, Formats::Keep) };
        let manifest = Manifest {
            created: SystemTime::UNIX_EPOCH,
            expires: SystemTime::UNIX_EPOCH,
            max_concurrent: 1,
            stop_on_error,
            total: None,
            idempotency: None,
            items: vec![item; items],
        };
        Batch::new(BatchId::generate().unwrap(), manifest, records)
    }

    fn failed(sequence: u64) -> Record {
        Record { sequence, writer: 0, result: Err(ItemError::Overloaded) }
    }

    #[test]
    fn a_batch_goes_from_queued_to_its_end() {
        let batch = batch(2, false, Vec::new());
        assert_eq!(batch.snapshot().state, BatchState::Queued);
        assert_eq!((batch.begin_next(), batch.running()), (Some(0), vec![0]));
        assert_eq!(batch.snapshot().state, BatchState::Running);
        assert!(batch.end(0, failed(batch.next_sequence())).is_empty());
        assert_eq!((batch.begin_next(), batch.begin_next()), (Some(1), None));
        batch.end(1, failed(batch.next_sequence()));
        let Snapshot { state, counts, sequence, .. } = batch.snapshot();
        assert_eq!((state, counts.failed, sequence), (BatchState::Failed, 2, 2));
        batch.end(1, failed(9));
        assert_eq!(batch.snapshot().counts.failed, 2, "an item ends once");
    }

    #[test]
    fn what_has_ended_before_is_not_begun_again() {
        let batch = batch(4, false, vec![(3, failed(1)), (0, failed(5))]);
        assert_eq!((batch.begin_next(), batch.begin_next(), batch.begin_next()), (Some(1), Some(2), None));
        assert_eq!(batch.next_sequence(), 6);
        let indexes = |after| batch.ended_after(after).iter().map(|ended| ended.index).collect::<Vec<_>>();
        assert_eq!((indexes(0), indexes(1), indexes(5)), (vec![3, 0], vec![0], vec![]));
    }

    #[test]
    fn a_failure_cancels_what_waits_where_it_is_asked_to() {
        let batch = batch(4, true, Vec::new());
        batch.begin_next();
        batch.begin_next();
        assert_eq!(batch.end(0, failed(1)), [2, 3]);
        assert_eq!((batch.begin_next(), batch.snapshot().counts.running), (None, 1));
        batch.end(1, failed(2));
        let Counts { failed, cancelled, .. } = batch.snapshot().counts;
        assert_eq!((failed, cancelled, batch.snapshot().state), (2, 2, BatchState::Failed));
    }

    #[test]
    fn an_earlier_moment_counts_what_had_ended_by_then() {
        let batch = batch(3, false, vec![(0, failed(1)), (1, failed(2)), (2, failed(4))]);
        for (sequence, failed) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3)] {
            assert_eq!(batch.snapshot_at(sequence).counts.failed, failed, "{sequence}");
        }
        assert_eq!(batch.snapshot_at(2).state, BatchState::Running);
    }
}
