//! Follows what other instances do: batches that they receive and remove, items that they begin and end. The directory
//! says what is so; Redis says when to look.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Instances;
use crate::batch::manifest::{BatchId, Record};
use crate::batch::progress::Batch;
use crate::batch::queue::News;
use crate::batch::store::{Ended, Look};
use crate::batch::{Shared, Stored};

/// Pause before Redis is asked again that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Hears the news, for ever.
pub(super) async fn follow(shared: Arc<Shared>, instances: Arc<Instances>) {
    let mut last = None;
    loop {
        instances.queue.works().await;
        let Ok(news) = instances.queue.news(&mut last).await else {
            sleep(PAUSE).await;
            continue;
        };
        let changed: HashSet<&BatchId> = news.iter().map(|news| &news.batch).collect();
        for id in changed {
            // What can't be read now is looked at again later.
            let _ = shared.find_together(&instances, id).await;
        }
        for News { batch, begun } in &news {
            let known = shared.table().by_id.get(batch).cloned();
            if let (Some(known), Some(index)) = (known, begun) {
                known.begin(*index);
            }
        }
    }
}

impl Shared {
    /// A batch as the directory has it now; `None` when it is not there.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn find_together(
        self: &Shared,
        instances: &Instances,
        id: &BatchId,
    ) -> io::Result<Option<Arc<Batch>>> {
        let known = self.table().by_id.get(id).cloned();
        let Some(batch) = known else {
            return Ok(instances.store.read(id).await?.map(|stored| self.adopt(stored)));
        };
        let mut places = batch.ending.lock().await;
        self.read_places(instances, &batch, &mut places).await?;
        drop(places);
        Ok((!batch.is_removed()).then_some(batch))
    }

    /// Adds a batch that another instance received, unless it was added meanwhile.
    pub(in crate::batch) fn adopt(&self, Stored { id, manifest, records, places }: Stored) -> Arc<Batch> {
        let outputs: u64 = records.iter().map(|(_, record)| record.output_bytes()).sum();
        let inputs: u64 = manifest.files_beside(&records).values().sum();
        let batch = Arc::new(Batch::with_places(id, manifest, records, places));
        let mut table = self.table();
        if let Some(known) = table.by_id.get(&batch.id) {
            return Arc::clone(known);
        }
        table.add(&batch);
        drop(table);
        self.take_room(&batch, inputs + outputs);
        batch
    }

    /// Notes the items that took a place since the first `places`, or that the batch was removed.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn read_places(
        &self,
        instances: &Instances,
        batch: &Batch,
        places: &mut u64,
    ) -> io::Result<()> {
        let ended = match instances.store.look(&batch.id, *places).await? {
            Look::There(ended) => ended,
            Look::Removed => {
                self.forget(batch);
                return Ok(());
            }
        };
        for Ended { place, item } in ended {
            *places = place;
            if let Some((index, record)) = item {
                let is_ours = record.writer == instances.store.writer();
                self.note_ended(batch, index, Record { sequence: place, ..record }, is_ours);
            }
        }
        Ok(())
    }

    fn note_ended(&self, batch: &Batch, index: usize, record: Record, is_ours: bool) {
        if batch.has_ended(index) || index >= batch.manifest.items.len() {
            return;
        }
        self.take_room(batch, record.output_bytes());
        let cancelled = batch.end(index, record);
        if is_ours {
            self.metrics.batch_items_cancelled(cancelled.len());
        }
        for bytes in batch.files_freed_by(&[index]).into_values() {
            self.room.give_back(batch.take_stored_bytes(bytes));
        }
    }

    /// Drops a batch that is not in the store any more.
    pub(in crate::batch) fn forget(&self, batch: &Batch) {
        if self.table().remove(batch) {
            batch.remove();
            self.room.give_back(batch.take_stored_bytes(u64::MAX));
        }
    }
}
