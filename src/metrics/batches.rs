//! Batches and their items.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};

use super::gauge::clamp;
use super::labels::{BatchState, ItemResult, UnfinishedItem};
use super::{Metrics, table};

table::metrics! {
    /// How batches fare.
    pub(super) struct Batches {
        /// Batches that are kept.
        batches: IntGaugeVec["state"];
        /// Items of batches that have ended.
        batch_items_total: IntCounterVec["result"];
        /// Items of batches that have not ended.
        batch_items_unfinished: IntGaugeVec["state"];
        /// Age of the oldest batch that has not ended, in seconds.
        batch_oldest_seconds: IntGauge[];
        /// Time for which no item has ended of the batches that have not, in seconds; 0 without such a batch.
        batch_idle_seconds: IntGauge[];
    }
}

impl Batches {
    pub(super) fn start_at_zero(&self) {
        for state in BatchState::ALL {
            self.batches.with_label_values(&[state.name()]);
        }
        for state in UnfinishedItem::ALL {
            self.batch_items_unfinished.with_label_values(&[state.name()]);
        }
        for result in ItemResult::ALL {
            self.batch_items_total.with_label_values(&[result.name()]);
        }
    }
}

impl Metrics {
    /// Sets how many batches are kept in each state, the age of the oldest that has not ended, and how long no item
    /// ended.
    pub(crate) fn set_batches(
        &self,
        counts: impl Iterator<Item = (BatchState, usize)>,
        oldest: Duration,
        idle: Duration,
    ) {
        for (state, count) in counts {
            self.batches.batches.with_label_values(&[state.name()]).set(clamp(count as u64));
        }
        self.batches.batch_oldest_seconds.set(clamp(oldest.as_secs()));
        self.batches.batch_idle_seconds.set(clamp(idle.as_secs()));
    }

    /// Sets how many items of batches wait, and how many are worked on.
    pub(crate) fn set_batch_items(&self, pending: usize, running: usize) {
        for (state, count) in [(UnfinishedItem::Pending, pending), (UnfinishedItem::Running, running)] {
            self.batches.batch_items_unfinished.with_label_values(&[state.name()]).set(clamp(count as u64));
        }
    }

    /// Items of batches that wait or are worked on, as they were counted last.
    pub(super) fn batch_items_now(&self) -> u64 {
        let count =
            |state: &UnfinishedItem| self.batches.batch_items_unfinished.with_label_values(&[state.name()]).get();
        UnfinishedItem::ALL.iter().map(count).sum::<i64>().try_into().unwrap_or(0)
    }

    /// Counts an item of a batch that has ended.
    pub(crate) fn batch_item(&self, result: ItemResult) {
        self.batches.batch_items_total.with_label_values(&[result.name()]).inc();
    }

    /// Counts items of a batch that will not be worked on.
    pub(crate) fn batch_items_cancelled(&self, count: usize) {
        self.batches.batch_items_total.with_label_values(&[ItemResult::Cancelled.name()]).inc_by(count as u64);
    }
}
