//! What is asked of a batch, and how it is taken: once for each key of a client, within the memory for items.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use super::instances::Instances;
use super::store::Stored;
use super::{Batch, BatchId, Idempotency, Incoming, Item, Manifest, Shared};

/// Kilobytes of memory that the items of all batches may take together, for each item that one batch may have: most
/// take one.
const KEPT_BATCHES: usize = 100;

/// The part of the memory of bodies that they may take at most.
const ITEMS_SHARE: u64 = 4;

/// What is asked of a batch beside its files.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The items.
    pub items: Vec<Item>,
    /// Items that may be worked on at once.
    pub max_concurrent: usize,
    /// Whether the first failure cancels the items that have not begun.
    pub stop_on_error: bool,
    /// Bytes that all answers may have together.
    pub total: Option<u64>,
    /// Identifies the client and the key that it chose for this batch.
    pub idempotency_key: Option<String>,
}

/// Why a batch is not taken, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is no room for it now.
    #[error("there is no room for another batch now")]
    Full,
    /// It has more bytes than all batches may have.
    #[error("the batch has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// It has more items than a batch may have.
    #[error("the batch has more than {limit} items")]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// The key was sent with another content before.
    #[error("the Idempotency-Key was sent with another batch before")]
    KeyReused,
    /// The service is shutting down.
    #[error("no new work is taken")]
    Draining,
    /// The store can't be reached now.
    #[error("the store of batches can't be reached now")]
    Away(io::Error),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(io::Error),
}

impl SubmitError {
    /// A full disk is no mistake of ours, nor is a store that can't be reached.
    pub(super) fn of_store(error: io::Error) -> SubmitError {
        match error.kind() {
            _ if is_full(&error) => SubmitError::Full,
            io::ErrorKind::NotConnected => SubmitError::Away(error),
            _ => SubmitError::Store(error),
        }
    }
}

/// Whether there is no room in the store.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Shared {
    /// Checks that there is memory for items that take so many `kilobytes` of it, beside those of all batches.
    pub(super) fn check_memory(&self, kilobytes: usize) -> Result<(), SubmitError> {
        let most = usize::try_from(self.engine.body_memory_bytes() / ITEMS_SHARE / 1024).unwrap_or(usize::MAX);
        let most = most.min(KEPT_BATCHES * self.config.max_items);
        if self.table().kilobytes + kilobytes > most { Err(SubmitError::Full) } else { Ok(()) }
    }

    pub(super) async fn submit(
        self: &Arc<Shared>,
        mut incoming: Incoming,
        asked: Submission,
    ) -> Result<Arc<Batch>, SubmitError> {
        let limit = self.config.max_items;
        if asked.items.len() > limit {
            return Err(SubmitError::TooManyItems { limit });
        }
        let _completing = self.completing.lock().await;
        if *self.draining.borrow() {
            return Err(SubmitError::Draining);
        }
        let idempotency = asked.idempotency();
        if let Some(batch) = self.submitted_before(idempotency.as_ref()).await? {
            return Ok(batch);
        }
        self.check_memory(asked.items.iter().map(Item::kilobytes).sum())?;
        incoming.begin().await?;
        let created = SystemTime::now();
        let manifest = Manifest {
            created,
            expires: created + self.config.ttl,
            max_concurrent: asked.max_concurrent,
            stop_on_error: asked.stop_on_error,
            total: asked.total,
            idempotency,
            items: asked.items,
        };
        self.store.commit(&incoming.id, &manifest).await.map_err(SubmitError::of_store)?;
        if let Some(batch) = self.submitted_elsewhere(&incoming.id, manifest.idempotency.as_ref()).await? {
            return Ok(batch);
        }
        let id = incoming.id.clone();
        let bytes = incoming.complete();
        if let Some(instances) = &self.instances {
            // It may have been found in the directory meanwhile, so that there is one already.
            self.room.give_back(bytes);
            let batch = self.adopt(Stored { id, manifest, records: Vec::new(), places: 0 });
            self.hand_out(instances, &batch);
            return Ok(batch);
        }
        let batch = Arc::new(Batch::new(id, manifest, Vec::new()));
        batch.add_stored_bytes(bytes);
        self.begin(&batch);
        Ok(batch)
    }

    /// Hands the items of a new batch to the instances, for which no request waits: what is lost on the way is added
    /// later.
    fn hand_out(self: &Arc<Shared>, instances: &Arc<Instances>, batch: &Arc<Batch>) {
        let (shared, instances, batch) = (Arc::clone(self), Arc::clone(instances), Arc::clone(batch));
        tokio::spawn(async move {
            let items: Vec<usize> = (0..batch.manifest.items.len()).collect();
            let _ = shared.enqueue(&instances, &batch, &items, shared.at_once(&batch)).await;
        });
    }

    /// The batch that was submitted with this key.
    pub(super) async fn submitted_before(
        &self,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Arc<Batch>>, SubmitError> {
        let Some(sent) = idempotency else { return Ok(None) };
        let known = {
            let table = self.table();
            table.by_key.get(&sent.key).and_then(|id| table.by_id.get(id)).cloned()
        };
        let before = match (known, &self.instances) {
            (None, Some(instances)) => match instances.store.named_by(&sent.key).await {
                Ok(Some(id)) => self.find_together(instances, &id).await.map_err(SubmitError::of_store)?,
                named => named.map(|_| None).map_err(SubmitError::of_store)?,
            },
            (known, _) => known,
        };
        before.map(|batch| sent.answered_by(batch)).transpose()
    }

    /// The batch that another instance took with this key at the same time as this one took `id`.
    async fn submitted_elsewhere(
        &self,
        id: &BatchId,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Arc<Batch>>, SubmitError> {
        let (Some(instances), Some(sent)) = (&self.instances, idempotency) else { return Ok(None) };
        let taken = instances.store.take_key(&sent.key, id).await.map_err(SubmitError::of_store)?;
        let Some(other) = taken else { return Ok(None) };
        if let Some(batch) = self.find_together(instances, &other).await.map_err(SubmitError::of_store)? {
            return sent.answered_by(batch).map(Some);
        }
        // That batch was removed.
        instances.store.remove_key(&sent.key).await;
        instances.store.take_key(&sent.key, id).await.map_err(SubmitError::of_store)?;
        Ok(None)
    }
}

impl Idempotency {
    /// `batch`, which was taken with this key, where it is what is sent now.
    fn answered_by(&self, batch: Arc<Batch>) -> Result<Arc<Batch>, SubmitError> {
        match &batch.manifest.idempotency {
            Some(before) if before.content == self.content => Ok(batch),
            _ => Err(SubmitError::KeyReused),
        }
    }
}

impl Submission {
    /// The key of this batch and a hash of all that it asks for.
    pub(super) fn idempotency(&self) -> Option<Idempotency> {
        let key = self.idempotency_key.clone()?;
        let content = serde_json::to_vec(&(&self.items, self.max_concurrent, self.stop_on_error));
        let content = content.expect("every field of an item can be written as JSON");
        let mut hasher = blake3::Hasher::new();
        hasher.update(&content);
        if let Some(total) = self.total {
            hasher.update(&total.to_le_bytes());
        }
        Some(Idempotency { key, content: hasher.finalize().to_hex().to_string() })
    }
}
