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
mod submission;
mod table;
mod total;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::engine::Engine;
use crate::metrics::{BatchState, Metrics};
use crate::source::UrlSource;
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
use submission::is_full;
pub use submission::{Submission, SubmitError};
use table::Table;

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
    url_source: UrlSource,
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

impl Batches {
    /// Opens the store and goes on with the batches in it. Called within a runtime.
    ///
    /// # Errors
    /// The store can't be made or read, or is to be shared and can't be.
    pub async fn open(
        config: Config,
        engine: Engine,
        url_source: UrlSource,
        metrics: Arc<Metrics>,
    ) -> io::Result<Batches> {
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
            url_source,
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
        shared.start_timers();
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

    /// Follows the load, and removes what has expired, until the last that uses this is gone.
    fn start_timers(self: &Arc<Shared>) {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                shared.item_permits.follow_load(&shared.engine);
                drop(shared);
                sleep(LOOK_AT_LOAD).await;
            }
        });
        let (weak, period) = (Arc::downgrade(self), LOOK_FOR_EXPIRED.min(self.config.ttl / 2));
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                shared.remove_expired().await;
                drop(shared);
                sleep(period).await;
            }
        });
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
