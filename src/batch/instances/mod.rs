//! Several instances that work on the same batches: they have one store, which is the truth, and a Redis that says who
//! does what (`queue`). Each takes items, follows what others do, and looks after what was left.

mod follow;
mod repair;
mod work;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Shared;
use super::config::Config;
use super::manifest::BatchId;
use super::progress::Batch;
use super::queue::{Entry, Queue};
use super::store::{Bucket, Directory, SharedStore};
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::outbound::redis::RedisUrl;

/// How often an instance says that it works on its items.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(3);

/// The most that giving items back takes when the service ends. What is not given back others take over.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(2);

/// This instance among those that share batches.
pub(super) struct Instances {
    pub store: SharedStore,
    pub queue: Queue,
    at_work: Mutex<HashMap<String, AtWork>>,
    tasks: Mutex<JoinSet<()>>,
}

/// An item that this instance works on. Dropping it stops the work.
struct AtWork {
    entry: Entry,
    _stop: oneshot::Sender<()>,
}

impl Instances {
    /// Opens the store of `config`.
    ///
    /// # Errors
    /// It can't be made or read, or can't be shared: a directory without hard links, an object store without
    /// conditions.
    pub(super) async fn open(
        config: &Config,
        url: RedisUrl,
        engine: Engine,
        metrics: Arc<Metrics>,
    ) -> io::Result<Instances> {
        let store = match &config.store_url {
            Some(store_url) => SharedStore::Bucket(Bucket::open_shared(store_url, engine).await?),
            None => SharedStore::Directory(Directory::open_shared(&config.dir)?),
        };
        let identity = store.identity().await?;
        let queue = Queue::new(url, &identity, store.writer(), metrics);
        Ok(Instances { store, queue, at_work: Mutex::default(), tasks: Mutex::default() })
    }

    /// Whether the store can be reached and has this batch.
    pub(super) async fn has(&self, batch: &Batch) -> bool {
        self.store.has(&batch.id).await.unwrap_or(false)
    }

    /// Tells the others that a batch was removed, for which nobody waits.
    pub(super) async fn removed(self: Arc<Instances>, batch: &Batch) {
        if let Some(idempotency) = &batch.manifest.idempotency
            && self.store.named_by(&idempotency.key).await.is_ok_and(|id| id.as_ref() == Some(&batch.id))
        {
            self.store.remove_key(&idempotency.key).await;
        }
        let id = batch.id.clone();
        tokio::spawn(async move {
            // The others see it in the store too.
            let _ = self.queue.forget(&id).await;
        });
    }

    fn at_work(&self) -> MutexGuard<'_, HashMap<String, AtWork>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The items of a batch that this instance works on.
    fn at_work_of(&self, batch: &BatchId) -> HashSet<usize> {
        let at_work = self.at_work();
        at_work.values().filter(|at_work| at_work.entry.batch == *batch).map(|at_work| at_work.entry.index).collect()
    }

    /// Notes that an entry is worked on. What is returned completes when the work is to stop; `None` where the item is
    /// worked on already.
    fn begin(&self, entry: &Entry) -> Option<oneshot::Receiver<()>> {
        let mut at_work = self.at_work();
        let is_same = |other: &AtWork| other.entry.batch == entry.batch && other.entry.index == entry.index;
        if at_work.values().any(is_same) {
            return None;
        }
        let (stop, stopped) = oneshot::channel();
        at_work.insert(entry.id.clone(), AtWork { entry: entry.clone(), _stop: stop });
        Some(stopped)
    }

    /// Notes that an entry is not worked on any more.
    fn end(&self, entry: &Entry) {
        self.at_work().remove(&entry.id);
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all work, and gives back what was not ended.
    pub(super) async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
        let left: Vec<AtWork> = self.at_work().drain().map(|(_, at_work)| at_work).collect();
        let give_back = async {
            for AtWork { entry, .. } in left {
                if self.queue.give_back(&entry).await.is_err() {
                    return;
                }
            }
        };
        // Late is as if this instance had died: the others wait for a sign first.
        let _ = tokio::time::timeout(GIVE_BACK_WITHIN, give_back).await;
    }
}

/// Begins to work with the others.
pub(super) fn start(shared: &Arc<Shared>) {
    let Some(instances) = &shared.instances else { return };
    let mut tasks = instances.tasks();
    let of = || (Arc::clone(shared), Arc::clone(instances));
    let keeping = Arc::clone(instances);
    tasks.spawn(async move { keeping.queue.keep().await });
    let (shared, instances) = of();
    tasks.spawn(work::take_items(shared, instances));
    let (shared, instances) = of();
    tasks.spawn(follow::follow(shared, instances));
    let (shared, instances) = of();
    tasks.spawn(repair::renew(shared, instances));
    let (shared, instances) = of();
    tasks.spawn(repair::look_after(shared, instances));
}
