//! The batches that this process knows, by id and by the key of their client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Batch, BatchId};

/// The table of batches.
#[derive(Default)]
pub(super) struct Table {
    pub(super) by_id: HashMap<BatchId, Arc<Batch>>,
    pub(super) by_key: HashMap<String, BatchId>,
    /// Memory that the items take.
    pub(super) kilobytes: usize,
}

impl Table {
    pub(super) fn add(&mut self, batch: &Arc<Batch>) {
        self.kilobytes += batch.manifest.kilobytes();
        if let Some(idempotency) = &batch.manifest.idempotency {
            self.by_key.insert(idempotency.key.clone(), batch.id.clone());
        }
        self.by_id.insert(batch.id.clone(), Arc::clone(batch));
    }

    pub(super) fn expired(&self, now: SystemTime) -> Vec<Arc<Batch>> {
        self.by_id.values().filter(|batch| batch.manifest.expires <= now).cloned().collect()
    }

    /// Returns false when the batch is not there any more.
    pub(super) fn remove(&mut self, batch: &Batch) -> bool {
        if self.by_id.remove(&batch.id).is_none() {
            return false;
        }
        self.kilobytes -= batch.manifest.kilobytes();
        self.by_key.retain(|_, id| *id != batch.id);
        true
    }
}
