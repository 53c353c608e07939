//! How far a batch is: the state of each item, and the order in which they ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use super::manifest::{BatchId, ItemError, Manifest, Record};
use super::total::Total;
use crate::metrics::BatchState;
use crate::named::named;

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
    /// Held while an item ends, so that items end in the order of their records. Where several processes share the store: how many
    /// places of its order were read.
    pub(super) ending: tokio::sync::Mutex<u64>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// What items may have of the total, once it is planned.
    pub(super) total: OnceCell<Result<Total, ItemError>>,
}

#[derive(Debug)]
struct Progress {
    items: Vec<ItemState>,
    /// The items that ended, with the numbers of their records, which grow.
    ended: Vec<(u64, usize)>,
    /// No item before this one is pending.
    next: usize,
    counts: Counts,
    input_bytes: u64,
    output_bytes: u64,
    is_removed: bool,
    /// Bytes that the batch takes in the store.
    stored_bytes: u64,
    /// When this process began to work on it, and how many items had ended by then.
    begun: Option<(Instant, usize)>,
    /// When an item ended last, or this process learned of the batch.
    moved: Instant,
}

/// The state of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemState {
    /// It waits.
    Pending,
    /// It is worked on.
    Running,
    /// It has an answer, or none.
    Ended(Arc<Record>),
    /// It will not be worked on, because another failed.
    Cancelled,
}

named! {
    /// The state of an item in one word.
    pub enum ItemStatus {
        /// It waits.
        Pending = "pending",
        /// It is worked on.
        Running = "running",
        /// It has an answer.
        Done = "done",
        /// It has none.
        Failed = "failed",
        /// It will not be worked on.
        Cancelled = "cancelled",
    }
}

/// Items by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All items.
    pub total: usize,
    /// Those that wait.
    pub pending: usize,
    /// Those that are worked on.
    pub running: usize,
    /// Those with an answer.
    pub done: usize,
    /// Those without.
    pub failed: usize,
    /// Those that will not be worked on.
    pub cancelled: usize,
}

/// A batch at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Its state.
    pub state: BatchState,
    /// Its items.
    pub counts: Counts,
    /// Bytes of the pictures of the items that are done.
    pub input_bytes: u64,
    /// Bytes of their answers.
    pub output_bytes: u64,
    /// When it is expected to end; `None` before the first item ended, and after the last.
    pub eta: Option<Duration>,
    /// The number of the last record.
    pub sequence: u64,
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

impl ItemState {
    /// The state in one word.
    pub fn status(&self) -> ItemStatus {
        match self {
            ItemState::Pending => ItemStatus::Pending,
            ItemState::Running => ItemStatus::Running,
            ItemState::Ended(record) if record.result.is_ok() => ItemStatus::Done,
            ItemState::Ended(_) => ItemStatus::Failed,
            ItemState::Cancelled => ItemStatus::Cancelled,
        }
    }
}

impl Counts {
    /// Those that have not ended and will.
    pub fn unfinished(&self) -> usize {
        self.pending + self.running
    }

    /// Adds the items of another batch.
    pub(super) fn add(&mut self, others: &Counts) {
        self.total += others.total;
        self.pending += others.pending;
        self.running += others.running;
        self.done += others.done;
        self.failed += others.failed;
        self.cancelled += others.cancelled;
    }

    fn of(&mut self, status: ItemStatus) -> &mut usize {
        match status {
            ItemStatus::Pending => &mut self.pending,
            ItemStatus::Running => &mut self.running,
            ItemStatus::Done => &mut self.done,
            ItemStatus::Failed => &mut self.failed,
            ItemStatus::Cancelled => &mut self.cancelled,
        }
    }
}

impl Batch {
    /// A batch whose items with `records` have ended.
    pub(super) fn new(id: BatchId, manifest: Manifest, records: Vec<(usize, Record)>) -> Batch {
        Batch::with_places(id, manifest, records, 0)
    }

    /// The same, where so many places of the order were read.
    pub(super) fn with_places(id: BatchId, manifest: Manifest, records: Vec<(usize, Record)>, places: u64) -> Batch {
        let total = manifest.items.len();
        let progress = Progress {
            items: vec![ItemState::Pending; total],
            ended: Vec::with_capacity(total),
            next: 0,
            counts: Counts { total, pending: total, ..Counts::default() },
            input_bytes: 0,
            output_bytes: 0,
            is_removed: false,
            stored_bytes: 0,
            begun: None,
            moved: Instant::now(),
        };
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
        let progress = self.progress();
        let mut snapshot = progress.snapshot(self.manifest.stop_on_error);
        for (number, index) in progress.ended.iter().rev().take_while(|(number, _)| *number > sequence) {
            let ItemState::Ended(record) = &progress.items[*index] else { continue };
            *snapshot.counts.of(progress.items[*index].status()) -= 1;
            snapshot.counts.pending += 1;
            snapshot.sequence = snapshot.sequence.min(number - 1);
            if let Ok(output) = &record.result {
                snapshot.input_bytes -= output.report.input.bytes;
                snapshot.output_bytes -= output.report.output.bytes;
            }
            snapshot.state = BatchState::Running;
        }
        snapshot.sequence = snapshot.sequence.max(sequence);
        snapshot
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

impl Progress {
    fn begin_next(&mut self) -> Option<usize> {
        if self.is_removed {
            return None;
        }
        let waits = self.items[self.next..].iter().position(|state| *state == ItemState::Pending)?;
        let index = self.next + waits;
        self.next = index + 1;
        self.set_running(index);
        Some(index)
    }

    fn begin(&mut self, index: usize) -> bool {
        let waits = self.items.get(index) == Some(&ItemState::Pending);
        if waits {
            self.set_running(index);
        }
        waits
    }

    fn set_running(&mut self, index: usize) {
        self.set(index, ItemState::Running);
        let ended = self.ended.len();
        self.begun.get_or_insert_with(|| (Instant::now(), ended));
    }

    fn put_back(&mut self, index: usize) {
        if self.items.get(index) == Some(&ItemState::Running) {
            self.set(index, ItemState::Pending);
            self.next = self.next.min(index);
        }
    }

    fn end(&mut self, index: usize, record: Record, stop_on_error: bool) -> Vec<usize> {
        if self.items.get(index).is_none_or(|state| matches!(state, ItemState::Ended(_))) {
            return Vec::new();
        }
        self.moved = Instant::now();
        let failed = record.result.is_err();
        if let Ok(output) = &record.result {
            self.input_bytes += output.report.input.bytes;
            self.output_bytes += output.report.output.bytes;
        }
        self.ended.push((record.sequence, index));
        self.set(index, ItemState::Ended(Arc::new(record)));
        if failed && stop_on_error { self.cancel_pending() } else { Vec::new() }
    }

    fn cancel_pending(&mut self) -> Vec<usize> {
        let pending: Vec<usize> =
            (0..self.items.len()).filter(|index| self.items[*index] == ItemState::Pending).collect();
        pending.iter().for_each(|index| self.set(*index, ItemState::Cancelled));
        pending
    }

    fn set(&mut self, index: usize, state: ItemState) {
        *self.counts.of(self.items[index].status()) -= 1;
        *self.counts.of(state.status()) += 1;
        self.items[index] = state;
    }

    fn sequence(&self) -> u64 {
        self.ended.last().map_or(0, |(sequence, _)| *sequence)
    }

    fn snapshot(&self, stop_on_error: bool) -> Snapshot {
        Snapshot {
            state: self.state(stop_on_error),
            counts: self.counts,
            input_bytes: self.input_bytes,
            output_bytes: self.output_bytes,
            eta: self.eta(),
            sequence: self.sequence(),
        }
    }

    fn state(&self, stop_on_error: bool) -> BatchState {
        let Counts { done, failed, running, .. } = self.counts;
        if self.is_removed {
            BatchState::Cancelled
        } else if self.counts.unfinished() > 0 {
            if running == 0 && self.ended.is_empty() { BatchState::Queued } else { BatchState::Running }
        } else if failed > 0 && (done == 0 || stop_on_error) {
            BatchState::Failed
        } else {
            BatchState::Done
        }
    }

    /// At the mean time that items took since this process began to work on it.
    fn eta(&self) -> Option<Duration> {
        let (begun, ended_before) = self.begun?;
        let (ended, left) = (self.ended.len() - ended_before, self.counts.unfinished());
        if ended == 0 || left == 0 {
            return None;
        }
        Some(begun.elapsed().mul_f64(left as f64 / ended as f64))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::batch::manifest::{Input, Item, ItemError};
    use crate::job::{Formats, Job};

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
