//! One total for the answers of a batch: what each item may have, so that all look alike.
//!
//! The sizes of all answers are predicted first, when the first item is worked on. A process that works on the batch
//! alone then gives what items leave over to those after them. Instances can't: an item that two of them work on would
//! be counted twice. There each item has a share of its own, which the store keeps.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use super::Shared;
use super::instances::Instances;
use super::manifest::{Item, ItemError};
use super::pace::ItemPermit;
use super::progress::Batch;
use crate::job::{Job, JobError, Share, Shares, SizeCurve};

/// Pause before the store is asked again for a plan that it can't give now.
const PAUSE: Duration = Duration::from_secs(1);

/// The part of what is planned for an item that no other takes: items are worked on in the order of the batch, and a
/// small one at the end would have nothing when all predictions are a few percent too low.
const KEPT_FOR_EACH: f64 = 0.9;

/// Answers that are tried before the total is planned. Predictions are off by a few percent either way on most
/// pictures, and by 20 % in the same way on some kinds, such as strong grain: a few answers show that.
const TRIALS: usize = 8;

/// What the items of a batch may have, and the items that have a part in it.
#[derive(Debug)]
pub(super) enum Total {
    /// What is left of it goes to the items that have not begun.
    Common(Mutex<CommonTotal>),
    /// Each item has its own share.
    Fixed(Fixed),
}

#[derive(Debug)]
pub(super) struct CommonTotal {
    shares: Shares,
    /// Why an item has no share.
    refused: HashMap<usize, ItemError>,
}

/// The share of each item, or why it has none.
pub(super) type Fixed = HashMap<usize, Result<Share, ItemError>>;

impl Total {
    /// Takes the share of an item.
    ///
    /// # Errors
    /// Why the item has none.
    pub(super) fn take(&self, index: usize) -> Result<Share, ItemError> {
        match self {
            Total::Common(common) => {
                let mut common = lock(common);
                match common.refused.get(&index) {
                    Some(error) => Err(error.clone()),
                    None => Ok(common.shares.take(index)),
                }
            }
            Total::Fixed(shares) => {
                let unplanned = || ItemError::Internal("the item is not in the plan of the total".to_owned());
                shares.get(&index).cloned().ok_or_else(unplanned)?
            }
        }
    }

    /// Adds to `share` what is missing for the smallest answer, where that is left over. Returns whether it did.
    pub(super) fn stretch(&self, share: &mut Share, failed: &ItemError, job: &Job) -> bool {
        match (self, failed) {
            (Total::Common(common), ItemError::Job(failed)) => lock(common).shares.stretch(share, failed, job.target),
            _ => false,
        }
    }

    /// Gives back what an item did not use.
    pub(super) fn give_back(&self, share: Share, used: u64) {
        if let Total::Common(common) = self {
            lock(common).shares.give_back(share, used);
        }
    }
}

/// The shares are whole even if the lock is poisoned: nothing under it can panic halfway through a change.
fn lock(common: &Mutex<CommonTotal>) -> MutexGuard<'_, CommonTotal> {
    common.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The plan of the total of a batch, which is made once; `None` for a batch without. Other items may have `permit`
    /// meanwhile: the plan looks at all pictures.
    ///
    /// # Errors
    /// [`JobError::TotalUnreachable`], for every item.
    pub(super) async fn total_of<'a>(
        &self,
        batch: &'a Batch,
        permit: &mut ItemPermit,
    ) -> Result<Option<&'a Total>, ItemError> {
        let Some(total) = batch.manifest.total else { return Ok(None) };
        let planned = match batch.total.get() {
            Some(planned) => planned,
            None => {
                let planning = batch.total.get_or_init(|| self.plan(batch, total));
                self.item_permits.without(permit, planning).await
            }
        };
        planned.as_ref().map(Some).map_err(ItemError::clone)
    }

    async fn plan(&self, batch: &Batch, total: u64) -> Result<Total, ItemError> {
        match &self.instances {
            Some(instances) => self.plan_together(instances, batch, total).await.map(Total::Fixed),
            None => Ok(Total::Common(Mutex::new(self.predict(batch, total).await?))),
        }
    }

    /// The plan that the store keeps; the first instance that needs one makes it.
    async fn plan_together(&self, instances: &Instances, batch: &Batch, total: u64) -> Result<Fixed, ItemError> {
        let mut made = None;
        loop {
            match instances.store.plan(&batch.id).await {
                Ok(Some(plan)) => return plan,
                Ok(None) => {}
                Err(_) => {
                    sleep(PAUSE).await;
                    continue;
                }
            }
            if made.is_none() {
                made = Some(self.predict(batch, total).await.map(CommonTotal::fixed));
            }
            // Another may have kept one meanwhile, which then holds.
            if let Some(plan) = &made
                && instances.store.keep_plan(&batch.id, plan).await.is_err()
            {
                sleep(PAUSE).await;
            }
        }
    }

    /// Predicts the sizes of all answers that are not there, and shares what the others left of the total.
    async fn predict(&self, batch: &Batch, total: u64) -> Result<CommonTotal, ItemError> {
        let used = batch.snapshot().output_bytes;
        let predict =
            |index: usize| async move { (index, self.predict_patiently(batch, &batch.manifest.items[index]).await) };
        let predicted = stream::iter(batch.unfinished()).map(predict).buffered(self.engine.threads());
        let predicted: Vec<(usize, Result<SizeCurve, ItemError>)> = predicted.collect().await;
        let mut curves = vec![None; batch.manifest.items.len()];
        let mut refused = HashMap::new();
        for (index, predicted) in predicted {
            match predicted {
                Ok(curve) => curves[index] = Some(curve),
                Err(error) => drop(refused.insert(index, error)),
            }
        }
        let mut common = CommonTotal { shares: Shares::new(total.saturating_sub(used), curves), refused };
        let trials = self.try_some(batch, &common.shares).await;
        common.shares = common.shares.corrected(&trials);
        common.shares.keep_for_each(KEPT_FOR_EACH);
        if common.shares.is_tight() {
            self.keep_the_smallest(batch, &mut common, total, used).await?;
        }
        Ok(common)
    }

    /// Bytes that some answers have at the common quality, each with the index of its item.
    async fn try_some(&self, batch: &Batch, shares: &Shares) -> Vec<(usize, u64)> {
        let mut planned = shares.waiting();
        planned.sort_by_key(|index| shares.trial(*index).map(|share| Reverse(share.bytes)));
        // The largest, and others down to the smallest.
        let step = planned.len().div_ceil(TRIALS).max(1);
        let attempt = |index: usize| async move {
            let share = shares.trial(index)?;
            let answer = self
                .compute_patiently(batch, &batch.manifest.items[index], Some(share), &mut ItemPermit::default())
                .await
                .ok()?;
            Some((index, answer.answer.report.output.bytes))
        };
        let trials = stream::iter(planned.into_iter().step_by(step)).map(attempt).buffered(self.engine.threads());
        trials.filter_map(|trial| async move { trial }).collect().await
    }

    /// Keeps as many bytes for each item as its smallest answer has.
    async fn keep_the_smallest(
        &self,
        batch: &Batch,
        common: &mut CommonTotal,
        total: u64,
        used: u64,
    ) -> Result<(), ItemError> {
        let smallest =
            |index: usize| async move { (index, self.smallest_bytes(batch, &batch.manifest.items[index]).await) };
        let mut sizes = stream::iter(common.shares.waiting()).map(smallest).buffer_unordered(self.engine.threads());
        let mut smallest_total = used;
        while let Some((index, bytes)) = sizes.next().await {
            match bytes {
                Ok(bytes) => {
                    smallest_total = smallest_total.saturating_add(bytes);
                    common.shares.reserve(index, bytes);
                }
                Err(error) => {
                    common.shares.drop_plan(index);
                    common.refused.insert(index, error);
                }
            }
        }
        let is_reached = smallest_total <= total;
        if is_reached { Ok(()) } else { Err(ItemError::Job(JobError::TotalUnreachable { total, smallest_total })) }
    }

    /// Bytes of the smallest answer to an item.
    async fn smallest_bytes(&self, batch: &Batch, item: &Item) -> Result<u64, ItemError> {
        let smallest = Item { job: Job { target: 1, ..item.job.clone() }, ..item.clone() };
        match self.compute_patiently(batch, &smallest, None, &mut ItemPermit::default()).await {
            Ok(served) => Ok(served.answer.report.output.bytes),
            Err(ItemError::Job(JobError::TargetUnreachable { smallest, .. })) => Ok(smallest.bytes),
            Err(error) => Err(error),
        }
    }
}

impl CommonTotal {
    fn fixed(self) -> Fixed {
        let waiting = self.shares.waiting();
        let shares = self.shares.fixed();
        let refused = self.refused.into_iter().map(|(index, error)| (index, Err(error)));
        waiting.into_iter().map(|index| (index, Ok(shares[index]))).chain(refused).collect()
    }
}
