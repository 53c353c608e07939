//! The items of a batch by their state, and the order in which they ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::manifest::Record;
use crate::metrics::BatchState;
use crate::named::named;

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

/// The states of all items.
#[derive(Debug)]
pub(super) struct Progress {
    pub items: Vec<ItemState>,
    /// The items that ended, with the numbers of their records, which grow.
    pub ended: Vec<(u64, usize)>,
    /// No item before this one is pending.
    next: usize,
    pub counts: Counts,
    input_bytes: u64,
    output_bytes: u64,
    pub is_removed: bool,
    /// Bytes that the batch takes in the store.
    pub stored_bytes: u64,
    /// When this process began to work on it, and how many items had ended by then.
    begun: Option<(Instant, usize)>,
    /// When an item ended last, or this process learned of the batch.
    pub moved: Instant,
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
    pub(in crate::batch) fn add(&mut self, others: &Counts) {
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

impl Progress {
    /// Items that all wait.
    pub(super) fn new(total: usize) -> Progress {
        Progress {
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
        }
    }

    /// The next item that waits, which runs from now on.
    pub(super) fn begin_next(&mut self) -> Option<usize> {
        if self.is_removed {
            return None;
        }
        let waits = self.items[self.next..].iter().position(|state| *state == ItemState::Pending)?;
        let index = self.next + waits;
        self.next = index + 1;
        self.set_running(index);
        Some(index)
    }

    /// Notes that an item which waits runs. Returns whether it waited.
    pub(super) fn begin(&mut self, index: usize) -> bool {
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

    /// Notes that an item which runs waits again.
    pub(super) fn put_back(&mut self, index: usize) {
        if self.items.get(index) == Some(&ItemState::Running) {
            self.set(index, ItemState::Pending);
            self.next = self.next.min(index);
        }
    }

    /// Ends an item. Returns the others that are cancelled by that.
    pub(super) fn end(&mut self, index: usize, record: Record, stop_on_error: bool) -> Vec<usize> {
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

    /// The number of the last record.
    pub(super) fn sequence(&self) -> u64 {
        self.ended.last().map_or(0, |(sequence, _)| *sequence)
    }

    /// The batch now.
    pub(super) fn snapshot(&self, stop_on_error: bool) -> Snapshot {
        Snapshot {
            state: self.state(stop_on_error),
            counts: self.counts,
            input_bytes: self.input_bytes,
            output_bytes: self.output_bytes,
            eta: self.eta(),
            sequence: self.sequence(),
        }
    }

    /// The batch as it was when the item with the number `sequence` had ended, as far as that is known.
    pub(super) fn snapshot_at(&self, sequence: u64, stop_on_error: bool) -> Snapshot {
        let mut snapshot = self.snapshot(stop_on_error);
        for (number, index) in self.ended.iter().rev().take_while(|(number, _)| *number > sequence) {
            let ItemState::Ended(record) = &self.items[*index] else { continue };
            *snapshot.counts.of(self.items[*index].status()) -= 1;
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
