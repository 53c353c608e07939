//! Takes items and ends them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Instances, RENEW_EVERY};
use crate::batch::Shared;
use crate::batch::dispatcher::log;
use crate::batch::manifest::{ItemError, Output, Record};
use crate::batch::pace::ItemPermit;
use crate::batch::progress::Batch;
use crate::batch::queue::{Entry, Follow};

/// How often an item is begun. One that was begun so often, and ended its instance each time, fails.
const DELIVERIES: u64 = 3;

/// Pause before something is tried again that Redis or the directory could not do.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes as many items as there are free permits, for ever. Those of instances that ended come first.
pub(super) async fn take_items(shared: Arc<Shared>, instances: Arc<Instances>) {
    let mut items = JoinSet::new();
    let mut looked = Instant::now();
    loop {
        instances.queue.works().await;
        let mut permits = free_permits(&shared).await;
        while items.try_join_next().is_some() {}
        if *shared.draining.borrow() {
            break;
        }
        let mut taken = Ok(Vec::new());
        if looked.elapsed() > RENEW_EVERY {
            looked = Instant::now();
            taken = instances.queue.take_over(permits.len()).await;
        }
        if taken.as_ref().is_ok_and(Vec::is_empty) {
            taken = instances.queue.take(permits.len()).await;
        }
        let Ok(entries) = taken else {
            // After a while without Redis the others say first what they work on.
            looked = Instant::now();
            drop(permits);
            sleep(PAUSE / 10).await;
            continue;
        };
        for entry in entries {
            let Some(permit) = permits.pop() else { break };
            items.spawn(work_on(Arc::clone(&shared), Arc::clone(&instances), entry, permit));
        }
    }
    while items.join_next().await.is_some() {}
}

/// The permits that are free, once there is one.
async fn free_permits(shared: &Shared) -> Vec<ItemPermit> {
    let first = shared.item_permits.one().await;
    let others = std::iter::from_fn(|| shared.item_permits.another());
    std::iter::once(first).chain(others).collect()
}

async fn work_on(shared: Arc<Shared>, instances: Arc<Instances>, entry: Entry, mut permit: ItemPermit) {
    let Some(stopped) = instances.begin(&entry) else {
        // The other entry of this item will end it.
        let _ = instances.queue.finish(&entry, Follow::Next).await;
        return;
    };
    tokio::select! {
        // Another instance has taken it over.
        _ = stopped => {}
        follow = shared.end_entry(&instances, &entry, &mut permit) => {
            // Where Redis does not hear it, whoever takes the entry over finds that the item has ended.
            let _ = instances.queue.finish(&entry, follow).await;
        }
    }
    instances.end(&entry);
}

impl Shared {
    /// Ends the item of an entry, and returns what follows it.
    async fn end_entry(&self, instances: &Instances, entry: &Entry, permit: &mut ItemPermit) -> Follow {
        let Some(batch) = self.batch_of(instances, entry).await else { return Follow::Nothing };
        tokio::select! {
            () = batch.removed() => {
                instances.store.remove_rest(&batch.id).await;
                Follow::Nothing
            }
            () = self.end_together(instances, &batch, entry, permit) => {
                if batch.is_stopped() { Follow::Nothing } else { Follow::Next }
            }
        }
    }

    /// The batch of an entry, once the directory can be reached; `None` when it was removed.
    async fn batch_of(&self, instances: &Instances, entry: &Entry) -> Option<Arc<Batch>> {
        loop {
            match self.find_together(instances, &entry.batch).await {
                Ok(batch) => return batch,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn end_together(&self, instances: &Instances, batch: &Batch, entry: &Entry, permit: &mut ItemPermit) {
        let index = entry.index;
        if batch.has_ended(index) {
            // Whoever ended it may have died before the picture was removed.
            return self.remove_input(batch, index).await;
        }
        if batch.is_over(index) {
            return;
        }
        if !instances.store.has_record(&batch.id, index).await {
            batch.begin(index);
            let _ = instances.queue.tell(&batch.id, Some(index)).await;
            let result = match entry.deliveries {
                deliveries if deliveries > DELIVERIES => Err(ItemError::Abandoned { deliveries: DELIVERIES }),
                _ => self.answer(batch, index, permit).await,
            };
            self.keep_record(instances, batch, index, result).await;
        }
        self.place(instances, batch, index).await;
        self.remove_input(batch, index).await;
    }

    /// Removes the file of an item that has ended, unless another item needs it. Files of items that are cancelled stay
    /// until the batch is removed: another instance may have begun them.
    async fn remove_input(&self, batch: &Batch, index: usize) {
        for file in batch.files_freed_by(&[index]).into_keys() {
            self.store.remove_input(&batch.id, file).await;
        }
    }

    /// Writes the record of an item, unless another instance did.
    async fn keep_record(&self, instances: &Instances, batch: &Batch, index: usize, result: Result<Output, ItemError>) {
        let counted = log(batch, index, &result);
        let record = Record { sequence: batch.next_sequence(), writer: instances.store.writer(), result };
        loop {
            match instances.store.put_record_once(&batch.id, index, &record).await {
                Ok(true) => return self.metrics.batch_item(counted),
                Ok(false) => return instances.store.remove_output(&batch.id, index).await,
                Err(error) => {
                    tracing::debug!(batch = %batch.id, index, %error, "the record of an item can't be written now");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Gives an item that has a record its place in the order, unless it has one.
    async fn place(&self, instances: &Instances, batch: &Batch, index: usize) {
        loop {
            let mut places = batch.ending.lock().await;
            let read = self.read_places(instances, batch, &mut places).await;
            if batch.has_ended(index) {
                return;
            }
            let taken = match read {
                Ok(()) => instances.store.take_place(&batch.id, *places + 1, index).await,
                failed => failed,
            };
            drop(places);
            if taken.is_err() {
                sleep(PAUSE).await;
            }
        }
    }
}
