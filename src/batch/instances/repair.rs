//! Looks after items: says that those of this instance are worked on, and adds those that Redis has lost.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::{Instances, RENEW_EVERY};
use crate::batch::manifest::BatchId;
use crate::batch::progress::Batch;
use crate::batch::queue::Failure;
use crate::batch::{LOOK_FOR_EXPIRED, Shared};

/// How often it is looked whether Redis has lost something.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// A batch that is younger is on its way to Redis.
const ON_ITS_WAY: Duration = Duration::from_secs(3);

/// A list in Redis outlives its batch by this time, should nobody remove it.
const KEPT_LONGER: Duration = Duration::from_secs(3600);

/// Says again and again that the items of this instance are worked on, and stops those that others have taken over, or
/// whose batch was removed.
pub(super) async fn renew(shared: Arc<Shared>, instances: Arc<Instances>) {
    loop {
        let (entries, batches): (Vec<String>, HashSet<BatchId>) =
            instances.at_work().values().map(|at_work| (at_work.entry.id.clone(), at_work.entry.batch.clone())).unzip();
        if let Ok(taken) = instances.queue.renew(&entries).await {
            for entry in taken {
                tracing::info!(entry, "another instance has taken an item over");
                instances.at_work().remove(&entry);
            }
        }
        for id in batches {
            // While the directory is away nothing is stopped.
            let _ = shared.find_together(&instances, &id).await;
        }
        sleep(RENEW_EVERY).await;
    }
}

/// Looks for batches that came or went unheard, and for items that Redis has lost.
pub(super) async fn look_after(shared: Arc<Shared>, instances: Arc<Instances>) {
    let mut scanned = None::<Instant>;
    loop {
        sleep(LOOK_EVERY).await;
        if scanned.is_none_or(|at| at.elapsed() > LOOK_FOR_EXPIRED) {
            scanned = Some(Instant::now());
            if let Err(error) = shared.scan(&instances).await {
                tracing::warn!(%error, "the directory of batches can't be read: what has not ended waits for it");
            }
        }
        if instances.queue.is_in_charge(LOOK_EVERY).await.unwrap_or(false) {
            // The queue has noted a failure, and another instance may do it next time.
            let _ = shared.add_lost(&instances).await;
            let _ = instances.queue.forget_the_gone().await;
        }
    }
}

impl Shared {
    /// Takes note of batches that are in the directory, and of those that are not any more.
    async fn scan(&self, instances: &Instances) -> io::Result<()> {
        let there = instances.store.ids().await?;
        let known: HashSet<BatchId> = self.table().by_id.keys().cloned().collect();
        for id in there.symmetric_difference(&known) {
            self.find_together(instances, id).await?;
        }
        instances.store.remove_abandoned().await
    }

    /// Adds the items that have not ended and that Redis has not.
    async fn add_lost(&self, instances: &Instances) -> Result<(), Failure> {
        let unfinished: Vec<Arc<Batch>> = {
            let table = self.table();
            let is_old = |batch: &Batch| is_older(batch.manifest.created, ON_ITS_WAY);
            table.by_id.values().filter(|batch| is_old(batch) && !batch.unfinished().is_empty()).cloned().collect()
        };
        // An item moves from the waiting ones to the queued ones and then has a record: looked at in this order, it is
        // seen.
        let mut waiting = HashMap::new();
        for batch in &unfinished {
            waiting.insert(batch.id.clone(), instances.queue.waiting(&batch.id).await?);
        }
        let queued = instances.queue.queued().await?;
        for batch in unfinished {
            if !matches!(self.find_together(instances, &batch.id).await, Ok(Some(_))) {
                continue;
            }
            let none = HashSet::new();
            let (waiting, queued) = (&waiting[&batch.id], queued.get(&batch.id).unwrap_or(&none));
            let ours = instances.at_work_of(&batch.id);
            let is_known = |index: &usize| waiting.contains(index) || queued.contains(index) || ours.contains(index);
            let lost: Vec<usize> = batch.unfinished().into_iter().filter(|index| !is_known(index)).collect();
            let at_once = self.at_once(&batch).saturating_sub(queued.len());
            if lost.is_empty() && (at_once == 0 || waiting.is_empty()) {
                continue;
            }
            tracing::debug!(batch = %batch.id, items = lost.len(), "items are added that Redis does not have");
            lost.iter().for_each(|index| batch.put_back(*index));
            self.enqueue(instances, &batch, &lost, at_once).await?;
        }
        Ok(())
    }

    /// Items of a batch that all instances may work on at once.
    pub(in crate::batch) fn at_once(&self, batch: &Batch) -> usize {
        batch.manifest.max_concurrent.min(self.config.max_concurrent)
    }

    /// Adds `items` to the queue of the instances. `at_once` of them may be taken now.
    pub(in crate::batch) async fn enqueue(
        &self,
        instances: &Instances,
        batch: &Batch,
        items: &[usize],
        at_once: usize,
    ) -> Result<(), Failure> {
        let left = batch.manifest.expires.duration_since(SystemTime::now()).unwrap_or_default();
        instances.queue.add(&batch.id, items, at_once, left + KEPT_LONGER).await
    }
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    // A clock that was set back makes everything old.
    time.elapsed().map_or(true, |elapsed| elapsed > age)
}
