//! Works on the items of a batch: a few at once, each behind the requests that clients wait for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::manifest::{Input, Item, ItemError, Output, Record};
use super::pace::ItemPermit;
use super::progress::Batch;
use super::total::Total;
use super::{Shared, is_full};
use crate::engine::{EngineError, Served, Upload, run_blocking};
use crate::job::{Answer, Share, SizeCurve};
use crate::metrics::ItemResult;
use crate::panics::Panicked;
use crate::source::SourceError;

/// How often an item is tried that fails for a reason that may pass.
const ATTEMPTS: u32 = 3;

/// Pause before an item is tried again, and how long a host may ask for at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Works on `batch` until each item has ended, or until the service drains.
///
/// # Cancel
/// Dropping the future stops the items that are worked on.
pub(super) async fn run(shared: Arc<Shared>, batch: Arc<Batch>) {
    let at_once = batch.manifest.max_concurrent.min(shared.config.max_concurrent);
    let slots = Arc::new(Semaphore::new(at_once));
    let mut items = JoinSet::new();
    loop {
        let open = "the semaphores are never closed";
        let slot = Arc::clone(&slots).acquire_owned().await.expect(open);
        let mut permit = shared.item_permits.one().await;
        while items.try_join_next().is_some() {}
        if *shared.draining.borrow() {
            break;
        }
        let Some(index) = batch.begin_next() else { break };
        let (shared, batch) = (Arc::clone(&shared), Arc::clone(&batch));
        items.spawn(async move {
            let _slot = slot;
            let result = shared.answer(&batch, index, &mut permit).await;
            shared.end(&batch, index, result).await;
        });
    }
    while items.join_next().await.is_some() {}
    // An item whose task panicked, which is a bug, would run for ever.
    for index in batch.running() {
        shared.end(&batch, index, Err(ItemError::Internal("the task of the item died".to_owned()))).await;
    }
}

/// Why an attempt has no answer.
enum Failure {
    /// Another attempt would end in the same way.
    Final(ItemError),
    /// It may pass after this time.
    Passing(ItemError, Duration),
    /// The store is reached over the network, or shared, and can't be reached: nothing ends until it can.
    Away,
}

/// Counts attempts.
#[derive(Default)]
struct Attempts {
    failed: u32,
}

impl Attempts {
    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The error of the last attempt, or one that will not pass.
    async fn wait_after(&mut self, failure: Failure) -> Result<(), ItemError> {
        self.failed += u32::from(!matches!(failure, Failure::Away));
        match failure {
            Failure::Away => {
                sleep(PAUSE).await;
                Ok(())
            }
            Failure::Passing(_, pause) if self.failed < ATTEMPTS => {
                sleep(pause.clamp(PAUSE, LONGEST_PAUSE) * self.failed).await;
                Ok(())
            }
            Failure::Final(error) | Failure::Passing(error, _) => Err(error),
        }
    }
}

impl Shared {
    /// The answer to an item, stored. Its `permit` is free for others while it waits for a host, or for the plan of a
    /// total.
    pub(super) async fn answer(
        &self,
        batch: &Batch,
        index: usize,
        permit: &mut ItemPermit,
    ) -> Result<Output, ItemError> {
        let item = &batch.manifest.items[index];
        let (served, share) = match self.total_of(batch, permit).await? {
            Some(total) => {
                let (served, share) = self.compute_within(total, batch, index, permit).await?;
                (served, Some((total, share)))
            }
            None => (self.compute_patiently(batch, item, None, permit).await?, None),
        };
        let length = served.answer.bytes.len() as u64;
        let stored = self.store_answer(batch, index, &served).await;
        if let Some((total, share)) = share {
            total.give_back(share, if stored.is_ok() { length } else { 0 });
        }
        stored
    }

    /// The answer to an item within its share, and the share, which is to be given back.
    async fn compute_within(
        &self,
        total: &Total,
        batch: &Batch,
        index: usize,
        permit: &mut ItemPermit,
    ) -> Result<(Served, Share), ItemError> {
        let item = &batch.manifest.items[index];
        let mut share = total.take(index)?;
        let mut computed = self.compute_patiently(batch, item, Some(share), permit).await;
        if let Err(error) = &computed
            && total.stretch(&mut share, error, &item.job)
        {
            computed = self.compute_patiently(batch, item, Some(share), permit).await;
        }
        match computed {
            Ok(served) => Ok((served, share)),
            Err(error) => {
                total.give_back(share, 0);
                Err(error)
            }
        }
    }

    async fn store_answer(&self, batch: &Batch, index: usize, served: &Served) -> Result<Output, ItemError> {
        let bytes = Bytes::from_owner(AnswerBytes(Arc::clone(&served.answer)));
        let crc32 = crc32fast::hash(&bytes);
        let length = bytes.len() as u64;
        self.store_patiently(batch, index, bytes).await?;
        if self.instances.is_none() {
            self.take_room(batch, length);
        }
        let mut report = served.answer.report.clone();
        report.steps.clear();
        Ok(Output { report, etag: served.etag.clone(), crc32 })
    }

    /// Counts bytes that a batch takes in the store from now on.
    pub(super) fn take_room(&self, batch: &Batch, bytes: u64) {
        batch.add_stored_bytes(bytes);
        self.room.take(bytes);
    }

    /// The answer to an item, within its share where there is a total.
    pub(super) async fn compute_patiently(
        &self,
        batch: &Batch,
        item: &Item,
        share: Option<Share>,
        permit: &mut ItemPermit,
    ) -> Result<Served, ItemError> {
        let mut attempts = Attempts::default();
        loop {
            match self.compute(batch, item, share, permit).await {
                Ok(served) => return Ok(served),
                Err(failure) => self.item_permits.without(permit, attempts.wait_after(failure)).await?,
            }
        }
    }

    /// The sizes that the answer to an item is predicted to have.
    pub(super) async fn predict_patiently(&self, batch: &Batch, item: &Item) -> Result<SizeCurve, ItemError> {
        let mut attempts = Attempts::default();
        loop {
            let predicted = match self.upload(batch, item, &mut ItemPermit::default()).await {
                Ok(upload) => self.engine.predict_background(upload, item.job.clone()).await.map_err(of_engine),
                Err(failure) => Err(failure),
            };
            match predicted {
                Ok(curve) => return Ok(curve),
                Err(failure) => attempts.wait_after(failure).await?,
            }
        }
    }

    async fn store_patiently(&self, batch: &Batch, index: usize, bytes: Bytes) -> Result<(), ItemError> {
        let mut attempts = Attempts::default();
        while let Err(error) = self.store.put_output(&batch.id, index, bytes.clone()).await {
            attempts.wait_after(self.of_store(&error)).await?;
        }
        Ok(())
    }

    async fn compute(
        &self,
        batch: &Batch,
        item: &Item,
        share: Option<Share>,
        permit: &mut ItemPermit,
    ) -> Result<Served, Failure> {
        let upload = self.upload(batch, item, permit).await?;
        let job = item.job.clone();
        let computed = match share {
            Some(share) => self.engine.run_background_share(upload, job, share).await,
            None => self.engine.run_background(upload, job).await,
        };
        computed.map_err(of_engine)
    }

    /// The picture of an item.
    async fn upload(&self, batch: &Batch, item: &Item, permit: &mut ItemPermit) -> Result<Upload, Failure> {
        match &item.input {
            Input::Url(url) => self.fetch(url, permit).await,
            Input::Stored { file, bytes, hash } => self.read(batch, *file, *bytes, hash).await,
        }
    }

    async fn fetch(&self, url: &str, permit: &mut ItemPermit) -> Result<Upload, Failure> {
        let location = self.url_source.locate(url, &HeaderMap::new()).map_err(of_source)?;
        let fetching = async {
            let turn = self.fetches.acquire().await.expect("the semaphore is never closed");
            let lease = self.engine.background_lease(0).await;
            (self.url_source.fetch(&location, lease).await, turn)
        };
        // The turn ends when the item has its permit again: until then its picture is one more in memory.
        let (fetched, _turn) = self.item_permits.without(permit, fetching).await;
        Ok(fetched.map_err(of_source)?.upload)
    }

    /// A file of the store, in the memory of bodies.
    async fn read(&self, batch: &Batch, file: usize, bytes: u64, hash: &str) -> Result<Upload, Failure> {
        // What is kept in memory has its memory already.
        let lease = self.engine.background_lease(if self.store.is_durable() { bytes } else { 0 }).await;
        let read = self.store.input(&batch.id, file).await;
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => return Err(self.of_missing(batch, &error).await),
        };
        let hashing = bytes.clone();
        // A large picture takes tens of milliseconds, for which the other requests of this thread would wait.
        let hashed = run_blocking(move || blake3::hash(&hashing)).await;
        let hashed = hashed.map_err(|Panicked(message)| Failure::Final(ItemError::Internal(message)))?;
        let upload = Upload { hash: hashed, bytes, lease };
        if upload.hash.to_hex().as_str() != hash {
            return Err(Failure::Final(ItemError::Store("the picture is not the one that was stored".to_owned())));
        }
        Ok(upload)
    }

    /// Ends an item: its record is written, and then everyone may know.
    async fn end(&self, batch: &Batch, index: usize, result: Result<Output, ItemError>) {
        let counted = log(batch, index, &result);
        let ending = batch.ending.lock().await;
        let record = Record { sequence: batch.next_sequence(), writer: 0, result };
        let is_kept = self.record_patiently(batch, index, &record).await;
        let cancelled = batch.end(index, record);
        // Asked before another item ends, so that a file that several items share is freed once.
        let freed = batch.files_freed_by(&[&[index], &cancelled[..]].concat());
        drop(ending);
        self.metrics.batch_item(counted);
        self.metrics.batch_items_cancelled(cancelled.len());
        if is_kept {
            for (file, bytes) in freed {
                self.store.remove_input(&batch.id, file).await;
                self.room.give_back(batch.take_stored_bytes(bytes));
            }
        }
    }

    /// Writes the record of an item. Returns false when it can't be written: the item counts as ended until the process
    /// ends, and is done again after a restart, which takes its picture.
    async fn record_patiently(&self, batch: &Batch, index: usize, record: &Record) -> bool {
        let mut attempts = Attempts::default();
        while let Err(error) = self.store.put_record(&batch.id, index, record).await {
            if let Err(last) = attempts.wait_after(self.of_store(&error)).await {
                tracing::warn!(batch = %batch.id, index, error = %last, "the record of an item can't be written: {last}");
                return false;
            }
        }
        true
    }

    /// A full disk may have room again: others delete, and pictures of items that are done are removed. A directory
    /// that several machines share may come back.
    fn of_store(&self, error: &io::Error) -> Failure {
        if is_full(error) {
            Failure::Passing(ItemError::NoRoom, PAUSE)
        } else if self.instances.is_some() || self.store.is_remote() {
            Failure::Away
        } else {
            Failure::Final(ItemError::Store(error.to_string()))
        }
    }

    /// A picture that can't be read. It is missing when the rest of the batch is there.
    async fn of_missing(&self, batch: &Batch, error: &io::Error) -> Failure {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        match &self.instances {
            Some(instances) if !is_missing || !instances.has(batch).await => Failure::Away,
            None if !is_missing && self.store.is_remote() => Failure::Away,
            _ => Failure::Final(ItemError::Store(error.to_string())),
        }
    }
}

/// Logs a failure that someone must look after. Returns what the item counts as.
pub(super) fn log(batch: &Batch, index: usize, result: &Result<Output, ItemError>) -> ItemResult {
    if let Err(error @ (ItemError::Internal(_) | ItemError::Store(_) | ItemError::Abandoned { .. })) = result {
        tracing::error!(batch = %batch.id, index, %error, "an item of a batch failed: {error}");
    }
    if result.is_ok() { ItemResult::Done } else { ItemResult::Failed }
}

fn of_engine(error: EngineError) -> Failure {
    match error {
        EngineError::Job(error) => Failure::Final(ItemError::Job((*error).clone())),
        EngineError::Overloaded { retry_after } => Failure::Passing(ItemError::Overloaded, retry_after),
        EngineError::NoWorker { .. } | EngineError::ShuttingDown => Failure::Passing(ItemError::Overloaded, PAUSE),
        error @ (EngineError::Panicked { .. } | EngineError::Died(_)) => {
            Failure::Final(ItemError::Internal(error.to_string()))
        }
    }
}

fn of_source(error: SourceError) -> Failure {
    let pause = match &error {
        SourceError::Unavailable { retry_after } | SourceError::NoMemory { retry_after } => *retry_after,
        SourceError::Timeout { .. } => PAUSE,
        SourceError::Failed { status, .. } if status.is_none_or(|status| status >= 500) => PAUSE,
        _ => return Failure::Final(ItemError::Source(error)),
    };
    Failure::Passing(ItemError::Source(error), pause)
}

/// The bytes of an answer, which the engine may share.
struct AnswerBytes(Arc<Answer>);

impl AsRef<[u8]> for AnswerBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}
