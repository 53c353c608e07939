//! Batches: many pictures that are worked on behind the requests that clients wait for.
//!
//! A batch is received into a store (`incoming`, `store`), which is the truth about it: an item has ended if its record
//! is there. What has not ended is worked on by a task for each batch (`dispatcher`), also after a restart. Several
//! instances that have one store share the items by a queue in Redis (`instances`, `queue`).

mod config;
mod dispatcher;
mod incoming;
mod instances;
mod manifest;
mod pace;
mod progress;
mod queue;
mod room;
mod store;
mod total;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::engine::Engine;
use crate::metrics::{BatchState, Metrics};
use crate::source::Source;
pub use config::Config;
pub use incoming::{Incoming, IncomingFile};
use instances::Instances;
pub use manifest::{BatchId, Idempotency, Input, Item, ItemError, Manifest, Output, Record};
use pace::ItemPermits;
pub use pace::{HeldBackBy, Pace};
pub use progress::{Batch, Counts, EndedItem, ItemState, ItemStatus, Snapshot};
use room::Room;
use store::{Bucket, CHUNK_BYTES, Directory, Store, Stored};
pub use store::{NoStoreUrl, StoreKind, StoreUrl};

/// Kilobytes of memory that the items of all batches may take together, for each item that one batch may have: most
/// take one.
const KEPT_BATCHES: usize = 100;

/// The part of the memory of bodies that they may take at most.
const ITEMS_SHARE: u64 = 4;

/// Pictures of batches that are fetched at once, by all batches.
const FETCHES: usize = 8;

/// How often batches are looked for that are kept for too long.
const LOOK_FOR_EXPIRED: Duration = Duration::from_secs(10);

/// How often the load is looked at, which the number of items at once follows.
const LOOK_AT_LOAD: Duration = Duration::from_millis(200);

/// The part of the memory of bodies that batches may take which are kept in memory.
const MEMORY_SHARE: u64 = 2;

/// All batches. Clones share them.
#[derive(Clone)]
pub struct Batches {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    store: Store,
    /// The others that share the store; `None` where nobody does.
    instances: Option<Arc<Instances>>,
    engine: Engine,
    source: Source,
    metrics: Arc<Metrics>,
    room: Arc<Room>,
    table: Mutex<Table>,
    /// Held while a batch is made complete, so that a key that is sent twice makes one batch.
    completing: tokio::sync::Mutex<()>,
    /// The permits of items that are worked on.
    item_permits: ItemPermits,
    /// The turns to fetch a picture.
    fetches: Semaphore,
    draining: watch::Sender<bool>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<BatchId, Arc<Batch>>,
    by_key: HashMap<String, BatchId>,
    /// Memory that the items take.
    kilobytes: usize,
}

/// All batches in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Batches by their state.
    states: [usize; BatchState::ALL.len()],
    /// Items of all batches.
    pub items: Counts,
    /// Age of the oldest batch that has not ended; `None` when there is none.
    pub oldest: Option<Duration>,
    /// How long no item of the batches that have not ended has ended.
    pub idle: Option<Duration>,
}

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
    fn of_store(error: io::Error) -> SubmitError {
        match error.kind() {
            _ if is_full(&error) => SubmitError::Full,
            io::ErrorKind::NotConnected => SubmitError::Away(error),
            _ => SubmitError::Store(error),
        }
    }
}

/// Whether there is no room in the store.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Batches {
    /// Opens the store and goes on with the batches in it. Called within a runtime.
    ///
    /// # Errors
    /// The store can't be made or read, or is to be shared and can't be.
    pub async fn open(config: Config, engine: Engine, source: Source, metrics: Arc<Metrics>) -> io::Result<Batches> {
        let sharing = config.redis_url.clone();
        let instances = match sharing {
            Some(url) => Some(Arc::new(Instances::open(&config, url, engine.clone(), metrics.clone()).await?)),
            None => None,
        };
        let (store, limit) = if let Some(instances) = &instances {
            (instances.store.as_store(), config.max_bytes)
        } else if let Some(url) = &config.store_url {
            (Store::Bucket(Bucket::open(url, engine.clone()).await?), config.max_bytes)
        } else if config.has_directory() {
            (Store::Directory(Directory::open(&config.dir)?), config.max_bytes)
        } else {
            let limit = config.max_bytes.min(engine.body_memory_bytes() / MEMORY_SHARE);
            (Store::in_memory(engine.clone()), limit)
        };
        let stored = store.list().await?;
        let item_permits = ItemPermits::new(engine.threads());
        let shared = Arc::new(Shared {
            config,
            store,
            instances,
            engine,
            source,
            metrics,
            room: Arc::new(Room::new(limit)),
            table: Mutex::default(),
            completing: tokio::sync::Mutex::new(()),
            item_permits,
            fetches: Semaphore::new(FETCHES),
            draining: watch::Sender::new(false),
        });
        stored.into_iter().for_each(|stored| shared.restore(stored));
        instances::start(&shared);
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                shared.item_permits.follow_load(&shared.engine);
                drop(shared);
                sleep(LOOK_AT_LOAD).await;
            }
        });
        let (weak, period) = (Arc::downgrade(&shared), LOOK_FOR_EXPIRED.min(shared.config.ttl / 2));
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                shared.remove_expired().await;
                drop(shared);
                sleep(period).await;
            }
        });
        Ok(Batches { shared })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// How many items are worked on at once.
    pub fn pace(&self) -> Pace {
        self.shared.item_permits.pace()
    }

    /// Whether batches survive the process.
    pub fn are_durable(&self) -> bool {
        self.shared.store.is_durable()
    }

    /// Bytes that the pictures of a batch may have.
    pub fn max_bytes(&self) -> u64 {
        self.shared.room.limit()
    }

    /// Begins to receive a batch.
    ///
    /// # Errors
    /// [`SubmitError::Draining`], [`SubmitError::Full`] and [`SubmitError::Store`].
    pub fn receive(&self) -> Result<Incoming, SubmitError> {
        if *self.shared.draining.borrow() {
            return Err(SubmitError::Draining);
        }
        self.shared.check_memory(1)?;
        Incoming::new(Arc::clone(&self.shared)).map_err(SubmitError::of_store)
    }

    /// The batch that was submitted before with the key of `submission`.
    ///
    /// # Errors
    /// [`SubmitError::KeyReused`], [`SubmitError::Away`] and [`SubmitError::Store`].
    pub async fn submitted_before(&self, submission: &Submission) -> Result<Option<Arc<Batch>>, SubmitError> {
        self.shared.submitted_before(submission.idempotency().as_ref()).await
    }

    /// Makes a batch complete, and begins to work on it. A key that was sent before gives the batch of that time.
    ///
    /// # Errors
    /// Every variant of [`SubmitError`] but `TooLarge`.
    pub async fn submit(&self, incoming: Incoming, submission: Submission) -> Result<Arc<Batch>, SubmitError> {
        self.shared.submit(incoming, submission).await
    }

    /// The batch with this id, as the store has it now.
    pub async fn get(&self, id: &str) -> Option<Arc<Batch>> {
        let id = BatchId::parse(id)?;
        if let Some(instances) = &self.shared.instances
            && let Ok(found) = self.shared.find_together(instances, &id).await
        {
            return found;
        }
        self.shared.table().by_id.get(&id).cloned()
    }

    /// A piece of the answer to an item, from `offset`; empty at its end.
    ///
    /// # Errors
    /// The store can't read it, or the batch was removed.
    pub async fn output(&self, batch: &Batch, index: usize, offset: u64) -> io::Result<Bytes> {
        let Some(ItemState::Ended(record)) = batch.item(index) else { return Err(io::ErrorKind::NotFound.into()) };
        let range = offset..record.output_bytes().min(offset + CHUNK_BYTES);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.shared.store.output(&batch.id, index, record.writer, range).await
    }

    /// Stops the work on a batch and removes it. Returns false when there is none with this id.
    ///
    /// # Errors
    /// [`SubmitError::Away`] and [`SubmitError::Store`]: the store can't remove it.
    pub async fn remove(&self, id: &str) -> Result<bool, SubmitError> {
        let Some(batch) = self.get(id).await else { return Ok(false) };
        self.shared.remove(&batch).await.map(|()| true).map_err(SubmitError::of_store)
    }

    /// Begins no other item. What has not ended goes on after a restart, where batches survive.
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
    }

    /// Stops the work on all batches, and returns when nothing of it runs any more.
    pub async fn stop(&self) {
        self.drain();
        let batches: Vec<Arc<Batch>> = self.shared.table().by_id.values().cloned().collect();
        for batch in batches {
            batch.stop().await;
        }
        if let Some(instances) = &self.shared.instances {
            instances.stop().await;
        }
    }

    /// Tells when [`Batches::drain`] is called.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.shared.draining.subscribe()
    }

    /// Counts the batches that are kept, for people and for the metrics.
    pub fn measure(&self) -> Figures {
        let mut figures = Figures::default();
        self.shared.table().by_id.values().for_each(|batch| figures.add(batch));
        let Figures { oldest, idle, items, .. } = figures;
        let states = BatchState::ALL.iter().map(|state| (*state, figures.in_state(*state)));
        self.shared.metrics.set_batches(states, oldest.unwrap_or_default(), idle.unwrap_or_default());
        self.shared.metrics.set_batch_items(items.pending, items.running);
        figures
    }
}

impl Figures {
    /// Batches in this state.
    pub fn in_state(&self, state: BatchState) -> usize {
        self.states[state as usize]
    }

    fn add(&mut self, batch: &Batch) {
        let snapshot = batch.snapshot();
        self.states[snapshot.state as usize] += 1;
        self.items.add(&snapshot.counts);
        if snapshot.counts.unfinished() > 0 {
            let age = batch.manifest.created.elapsed().unwrap_or_default();
            let idle = batch.idle();
            self.oldest = Some(self.oldest.map_or(age, |oldest| oldest.max(age)));
            self.idle = Some(self.idle.map_or(idle, |least| least.min(idle)));
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that there is memory for items that take so many `kilobytes` of it, beside those of all batches.
    fn check_memory(&self, kilobytes: usize) -> Result<(), SubmitError> {
        let most = usize::try_from(self.engine.body_memory_bytes() / ITEMS_SHARE / 1024).unwrap_or(usize::MAX);
        let most = most.min(KEPT_BATCHES * self.config.max_items);
        if self.table().kilobytes + kilobytes > most { Err(SubmitError::Full) } else { Ok(()) }
    }

    async fn submit(self: &Arc<Shared>, mut incoming: Incoming, asked: Submission) -> Result<Arc<Batch>, SubmitError> {
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
    async fn submitted_before(&self, idempotency: Option<&Idempotency>) -> Result<Option<Arc<Batch>>, SubmitError> {
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

    /// Goes on with a batch that the store has.
    fn restore(self: &Arc<Shared>, stored: Stored) {
        if self.instances.is_some() {
            self.adopt(stored);
            return;
        }
        let Stored { id, manifest, records, .. } = stored;
        let outputs: u64 = records.iter().map(|(_, record)| record.output_bytes()).sum();
        let batch = Arc::new(Batch::new(id, manifest, records));
        let inputs = batch.needed_bytes();
        batch.add_stored_bytes(inputs + outputs);
        self.room.take(inputs + outputs);
        self.begin(&batch);
    }

    /// Adds a batch to the table and works on it.
    fn begin(self: &Arc<Shared>, batch: &Arc<Batch>) {
        self.table().add(batch);
        if batch.snapshot().counts.unfinished() > 0 {
            let task = tokio::spawn(dispatcher::run(Arc::clone(self), Arc::clone(batch)));
            batch.is_worked_on_by(task);
        }
    }

    async fn remove(&self, batch: &Batch) -> io::Result<()> {
        self.store.withdraw(&batch.id).await?;
        if !self.table().remove(batch) {
            return Ok(());
        }
        let unfinished = batch.snapshot().counts.unfinished();
        batch.remove();
        self.metrics.batch_items_cancelled(unfinished);
        self.room.give_back(batch.take_stored_bytes(u64::MAX));
        self.store.remove(&batch.id).await?;
        if let Some(instances) = self.instances.clone() {
            instances.removed(batch).await;
        }
        Ok(())
    }

    async fn remove_expired(&self) {
        let expired = self.table().expired(SystemTime::now());
        for batch in expired {
            if let Err(error) = self.remove(&batch).await {
                tracing::warn!(batch = %batch.id, %error, "a batch that has expired can't be removed now");
            }
        }
    }
}

impl Table {
    fn add(&mut self, batch: &Arc<Batch>) {
        self.kilobytes += batch.manifest.kilobytes();
        if let Some(idempotency) = &batch.manifest.idempotency {
            self.by_key.insert(idempotency.key.clone(), batch.id.clone());
        }
        self.by_id.insert(batch.id.clone(), Arc::clone(batch));
    }

    fn expired(&self, now: SystemTime) -> Vec<Arc<Batch>> {
        self.by_id.values().filter(|batch| batch.manifest.expires <= now).cloned().collect()
    }

    /// Returns false when the batch is not there any more.
    fn remove(&mut self, batch: &Batch) -> bool {
        if self.by_id.remove(&batch.id).is_none() {
            return false;
        }
        self.kilobytes -= batch.manifest.kilobytes();
        self.by_key.retain(|_, id| *id != batch.id);
        true
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
    fn idempotency(&self) -> Option<Idempotency> {
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
