//! Batches as objects of S3, Google Cloud Storage or Azure, under the names that a directory has (`store::directory`,
//! `store::shared`). An object appears whole or not at all, and one that is to be written once is written under the condition
//! that there is none.
//!
//! A batch that is removed loses its manifest first: without it there is no batch, whatever else is there.

mod connect;

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::de::DeserializeOwned;
use tokio::sync::RwLock;

use super::directory::{INPUTS, MANIFEST, ORDER, OUTPUTS, output_name};
use super::shared::{ABANDONED, IDENTITY, KEYS, PLAN, random_number};
use super::url::StoreUrl;
use super::{Ended, Look, Stored, manifest_in};
use crate::batch::manifest::{BatchId, ItemError, Manifest, Record};
use crate::batch::total::Fixed;
use crate::engine::{Engine, MemoryLease};

/// Bytes of a piece of a large file. S3 takes pieces of 5 MiB and more, at most 10,000 of them.
const PIECE_BYTES: usize = 8 << 20;

/// Bytes that the buffer of a file grows by.
const STEP_BYTES: usize = 256 << 10;

/// Objects that are asked for at once while the batches are listed.
const AT_ONCE: usize = 32;

/// Writes of one object at the same time by which a store is tried.
const TRIES: usize = 8;

/// An object store with batches.
#[derive(Clone)]
pub(in crate::batch) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    engine: Engine,
    /// Tells what this process writes from what others do; 0 where none does.
    writer: u64,
    /// Held for reading by each write until it has ended.
    writes: Arc<RwLock<()>>,
}

/// A file while it is received.
pub(in crate::batch) struct Writing {
    bucket: Bucket,
    path: Path,
    buffer: BytesMut,
    lease: io::Result<MemoryLease>,
    /// Bytes of the lease.
    leased: usize,
    /// Once there is more than one piece.
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Bucket {
    /// Opens the store at `url` for this process alone.
    ///
    /// # Errors
    /// It can't be reached or read, or instances share it.
    pub(in crate::batch) async fn open(url: &StoreUrl, engine: Engine) -> io::Result<Bucket> {
        let bucket = Bucket {
            store: connect::open(url)?,
            prefix: url.prefix.clone(),
            engine,
            writer: 0,
            writes: Arc::default(),
        };
        if bucket.has_object(&bucket.path(IDENTITY)).await? {
            let shared = format!(
                "instances share {url}: set batch.redis_url, or remove {IDENTITY} from it when no other instance runs"
            );
            return Err(io::Error::other(shared));
        }
        // A bucket that is missing has no objects either.
        bucket.store.list_with_delimiter(Some(&bucket.path(""))).await.map_err(failed)?;
        Ok(bucket)
    }

    /// Opens a store that other processes use too.
    ///
    /// # Errors
    /// It can't be reached or written, or ignores conditions.
    pub(in crate::batch) async fn open_shared(url: &StoreUrl, engine: Engine) -> io::Result<Bucket> {
        let writer = random_number()?;
        let bucket =
            Bucket { store: connect::open(url)?, prefix: url.prefix.clone(), engine, writer, writes: Arc::default() };
        let identity = Bytes::from(format!("{:016x}", random_number()?));
        let path = bucket.path(IDENTITY);
        bucket.write_once(&path, identity.clone()).await?;
        if bucket.write_once(&path, Bytes::from_static(b"again")).await? {
            bucket.put(&path, identity).await?;
            return Err(io::Error::other(format!("sharing {url} takes a store that writes under a condition")));
        }
        if bucket.winners().await > 1 {
            let racing =
                format!("sharing {url} takes a store where only one of several writes at the same time is the first");
            return Err(io::Error::other(racing));
        }
        Ok(bucket)
    }

    /// How many of several writes at the same time succeed that are to be the first. Some stores look for an object and then write it,
    /// so that all of them do.
    async fn winners(&self) -> usize {
        let path = &self.path(&format!("{IDENTITY}.{:016x}", self.writer));
        let tries = (0..TRIES).map(|number| self.write_once(path, number.to_string().into()));
        let tries: Vec<io::Result<bool>> = stream::iter(tries).buffer_unordered(TRIES).collect().await;
        // A few bytes that nobody looks for, where it stays.
        let _ = self.delete(path).await;
        tries.into_iter().filter(|won| matches!(won, Ok(true))).count()
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    fn of(&self, id: &BatchId, name: &str) -> Path {
        Path::from(format!("{}/{id}/{name}", self.prefix))
    }

    fn input_path(&self, id: &BatchId, file: usize) -> Path {
        self.of(id, &format!("{INPUTS}/{file}"))
    }

    fn output_path(&self, id: &BatchId, index: usize, writer: u64) -> Path {
        self.of(id, &format!("{OUTPUTS}/{}", output_name(index, writer)))
    }

    fn record_path(&self, id: &BatchId, index: usize) -> Path {
        self.of(id, &format!("{OUTPUTS}/{index}.json"))
    }

    async fn get(&self, path: &Path) -> io::Result<Bytes> {
        self.store.get(path).await.map_err(failed)?.bytes().await.map_err(failed)
    }

    /// An object, or `None` where there is none.
    async fn find(&self, path: &Path) -> io::Result<Option<Bytes>> {
        match self.get(path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    async fn put(&self, path: &Path, bytes: Bytes) -> io::Result<()> {
        self.send(path, bytes, PutMode::Overwrite).await.map_err(failed)
    }

    /// Writes an object. The write goes on when nobody waits for it any more: it may have reached the store, and whoever removes the
    /// batch has to know when it has ended.
    async fn send(&self, path: &Path, bytes: Bytes, mode: PutMode) -> Result<(), Error> {
        let writing = Arc::clone(&self.writes).read_owned().await;
        let (store, path) = (Arc::clone(&self.store), path.clone());
        let write = tokio::spawn(async move {
            let _writing = writing;
            let options = PutOptions { mode, ..PutOptions::default() };
            store.put_opts(&path, bytes.into(), options).await.map(drop)
        });
        write.await.unwrap_or_else(|source| Err(Error::JoinError { source }))
    }

    /// Writes an object unless there is one. Returns whether it is this one.
    async fn write_once(&self, path: &Path, bytes: Bytes) -> io::Result<bool> {
        match self.send(path, bytes.clone(), PutMode::Create).await {
            Ok(()) => Ok(true),
            // An earlier try of this call may have written it, whose answer was lost.
            Err(Error::AlreadyExists { .. }) => Ok(self.get(path).await? == bytes),
            Err(error) => Err(failed(error)),
        }
    }

    async fn has_object(&self, path: &Path) -> io::Result<bool> {
        match self.store.head(path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes an object, which may be gone already.
    async fn delete(&self, path: &Path) -> io::Result<()> {
        match self.store.delete(path).await {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted.map_err(failed),
        }
    }

    async fn objects(&self, prefix: &Path) -> io::Result<Vec<ObjectMeta>> {
        self.store.list(Some(prefix)).try_collect().await.map_err(failed)
    }

    /// Removes all objects of a batch.
    async fn delete_all(&self, id: &BatchId) -> io::Result<()> {
        let paths = self.objects(&self.of(id, "")).await?.into_iter().map(|object| Ok(object.location));
        let deleted = self.store.delete_stream(stream::iter(paths.collect::<Vec<_>>()).boxed());
        let ignore_missing = |deleted| async move {
            match deleted {
                Err(Error::NotFound { .. }) => Ok(()),
                deleted => deleted.map(drop),
            }
        };
        deleted.then(ignore_missing).try_collect::<Vec<()>>().await.map(drop).map_err(failed)
    }

    /// The batches that are there, complete or not.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn ids(&self) -> io::Result<HashSet<BatchId>> {
        let listed = self.store.list_with_delimiter(Some(&self.path(""))).await.map_err(failed)?;
        Ok(listed.common_prefixes.iter().filter_map(|path| BatchId::parse(path.filename()?)).collect())
    }

    /// The batches that are complete. Others are removed where nobody shares the store.
    pub(in crate::batch) async fn list(&self) -> io::Result<Vec<Stored>> {
        let mut batches = Vec::new();
        for id in self.ids().await? {
            match self.read(&id).await? {
                Some(stored) => batches.push(stored),
                None if self.is_shared() || self.has_object(&self.of(&id, MANIFEST)).await? => {}
                None => self.delete_all(&id).await?,
            }
        }
        Ok(batches)
    }

    fn is_shared(&self) -> bool {
        self.writer != 0
    }

    pub(in crate::batch) fn receive(&self, id: &BatchId, file: usize) -> Writing {
        let lease = self.engine.lease_for_answer(0).map_err(|_| full());
        let path = self.input_path(id, file);
        Writing { bucket: self.clone(), path, buffer: BytesMut::new(), lease, leased: 0, upload: None }
    }

    pub(in crate::batch) async fn commit(&self, id: &BatchId, manifest: &Manifest) -> io::Result<()> {
        let text = serde_json::to_vec(manifest).map_err(io::Error::other)?;
        self.put(&self.of(id, MANIFEST), text.into()).await
    }

    pub(in crate::batch) async fn input(&self, id: &BatchId, file: usize) -> io::Result<Bytes> {
        self.get(&self.input_path(id, file)).await
    }

    pub(in crate::batch) async fn remove_input(&self, id: &BatchId, file: usize) {
        // What stays is removed with the batch.
        let _ = self.delete(&self.input_path(id, file)).await;
    }

    pub(in crate::batch) async fn put_output(&self, id: &BatchId, index: usize, bytes: Bytes) -> io::Result<()> {
        self.put(&self.output_path(id, index, self.writer), bytes).await
    }

    pub(in crate::batch) async fn put_record(&self, id: &BatchId, index: usize, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        self.put(&self.record_path(id, index), text.into()).await
    }

    pub(in crate::batch) async fn output(
        &self,
        id: &BatchId,
        index: usize,
        writer: u64,
        range: Range<u64>,
    ) -> io::Result<Bytes> {
        self.store.get_range(&self.output_path(id, index, writer), range).await.map_err(failed)
    }

    pub(in crate::batch) async fn withdraw(&self, id: &BatchId) -> io::Result<()> {
        self.delete(&self.of(id, MANIFEST)).await
    }

    pub(in crate::batch) async fn remove(&self, id: &BatchId) -> io::Result<()> {
        self.withdraw(id).await?;
        self.remove_rest(id).await;
        Ok(())
    }

    /// Removes what is left of a batch without a manifest, once what this process is writing is there.
    pub(in crate::batch) async fn remove_rest(&self, id: &BatchId) {
        drop(self.writes.write().await);
        if let Err(error) = self.delete_all(id).await {
            tracing::warn!(batch = %id, %error, "what is left of a removed batch stays until the next start, or for an hour");
        }
    }

    /// Tells this store from others.
    ///
    /// # Errors
    /// It can't be read.
    pub(in crate::batch) async fn identity(&self) -> io::Result<String> {
        let text = self.get(&self.path(IDENTITY)).await?;
        String::from_utf8(text.into()).map_err(io::Error::other)
    }

    /// The number of this process.
    pub(in crate::batch) fn writer(&self) -> u64 {
        self.writer
    }

    /// The items of a batch that ended after the first `places`.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn look(&self, id: &BatchId, places: u64) -> io::Result<Look> {
        if !self.has(id).await? {
            return Ok(Look::Removed);
        }
        Ok(Look::There(self.ended_after(id, places).await?))
    }

    /// Whether a batch is there.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn has(&self, id: &BatchId) -> io::Result<bool> {
        if self.has_object(&self.of(id, MANIFEST)).await? {
            return Ok(true);
        }
        // A bucket that is away has nothing either.
        if self.is_shared() {
            self.get(&self.path(IDENTITY)).await?;
        }
        self.has_object(&self.of(id, MANIFEST)).await
    }

    /// The items that took a place after the first `places`.
    async fn ended_after(&self, id: &BatchId, places: u64) -> io::Result<Vec<Ended>> {
        let mut ended = Vec::new();
        let place = |place: u64| async move { (place, self.place(id, place).await) };
        let mut found = stream::iter(places + 1..).map(place).buffered(if places == 0 { AT_ONCE } else { 1 });
        while let Some((place, item)) = found.next().await {
            let Some(item) = item? else { break };
            ended.push(Ended { place, item });
        }
        Ok(ended)
    }

    /// The item that has this place, with its record; `None` where nothing has it.
    async fn place(&self, id: &BatchId, place: u64) -> io::Result<Option<Option<(usize, Record)>>> {
        let Some(text) = self.find(&self.of(id, &format!("{ORDER}/{place}"))).await? else { return Ok(None) };
        let Some(index) = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) else {
            return Ok(Some(None));
        };
        let record = self.record(id, index).await?;
        Ok(Some(record.map(|record| (index, record))))
    }

    /// The record of an item. A record that can't be understood counts as missing, so that the item is done again.
    async fn record(&self, id: &BatchId, index: usize) -> io::Result<Option<Record>> {
        let text = self.find(&self.record_path(id, index)).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// A batch; `None` when it is not there, or can't be understood.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn read(&self, id: &BatchId) -> io::Result<Option<Stored>> {
        let Some(text) = self.find(&self.of(id, MANIFEST)).await? else {
            self.has(id).await?;
            return Ok(None);
        };
        let Some(manifest) = manifest_in(&text, id) else { return Ok(None) };
        let stored = match self.is_shared() {
            true => self.read_ordered(id, manifest).await?,
            false => self.read_records(id, manifest).await?,
        };
        self.remove_unneeded(&stored).await?;
        Ok(Some(stored))
    }

    /// The items that have a place have ended.
    async fn read_ordered(&self, id: &BatchId, manifest: Manifest) -> io::Result<Stored> {
        Ok(Stored::in_order(id, manifest, self.ended_after(id, 0).await?))
    }

    /// The items that have a record have ended. A place says more, where several processes shared the store before.
    async fn read_records(&self, id: &BatchId, manifest: Manifest) -> io::Result<Stored> {
        let objects = self.objects(&self.of(id, OUTPUTS)).await?;
        let index = |object: &ObjectMeta| object.location.filename()?.strip_suffix(".json")?.parse::<usize>().ok();
        let indexes: Vec<usize> =
            objects.iter().filter_map(index).filter(|index| *index < manifest.items.len()).collect();
        let record = |index: usize| async move { self.record(id, index).await.map(|record| Some((index, record?))) };
        let records = stream::iter(indexes).map(record).buffer_unordered(AT_ONCE);
        let records: Vec<Option<(usize, Record)>> = records.try_collect().await?;
        let mut stored =
            Stored { id: id.clone(), manifest, records: records.into_iter().flatten().collect(), places: 0 };
        stored.number_as_placed(self.ended_after(id, 0).await?);
        Ok(stored)
    }

    /// Removes the files that only ended items needed: the process may have ended between a record and the removal.
    async fn remove_unneeded(&self, stored: &Stored) -> io::Result<()> {
        if stored.records.is_empty() {
            return Ok(());
        }
        let needed = stored.manifest.files_beside(&stored.records);
        for object in self.objects(&self.of(&stored.id, INPUTS)).await? {
            let file = object.location.filename().and_then(|name| name.parse().ok());
            if file.is_none_or(|file: usize| !needed.contains_key(&file)) {
                self.delete(&object.location).await?;
            }
        }
        Ok(())
    }

    /// Whether an item has a record, with or without a place.
    pub(in crate::batch) async fn has_record(&self, id: &BatchId, index: usize) -> bool {
        self.record(id, index).await.is_ok_and(|record| record.is_some())
    }

    /// Writes the record of an item, unless it has one. Returns whether it is this one.
    pub(in crate::batch) async fn put_record_once(
        &self,
        id: &BatchId,
        index: usize,
        record: &Record,
    ) -> io::Result<bool> {
        let path = self.record_path(id, index);
        let text = Bytes::from(serde_json::to_vec(record).map_err(io::Error::other)?);
        if self.write_once(&path, text.clone()).await? {
            return Ok(true);
        }
        if self.record(id, index).await?.is_some() {
            return Ok(false);
        }
        // A record that can't be read counts as missing.
        self.put(&path, text).await.map(|()| true)
    }

    /// Gives an item this place in the order, unless another has it.
    pub(in crate::batch) async fn take_place(&self, id: &BatchId, place: u64, index: usize) -> io::Result<()> {
        let path = self.of(id, &format!("{ORDER}/{place}"));
        self.write_once(&path, index.to_string().into()).await.map(drop)
    }

    /// What the items of a batch may have of its total.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn plan(&self, id: &BatchId) -> io::Result<Option<Result<Fixed, ItemError>>> {
        self.find_json(&self.of(id, PLAN)).await
    }

    async fn find_json<T: DeserializeOwned>(&self, path: &Path) -> io::Result<Option<T>> {
        let text = self.find(path).await?;
        Ok(text.map(|text| serde_json::from_slice(&text)).transpose()?)
    }

    /// Keeps a plan, unless there is one.
    pub(in crate::batch) async fn keep_plan(&self, id: &BatchId, plan: &Result<Fixed, ItemError>) -> io::Result<()> {
        let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
        self.write_once(&self.of(id, PLAN), text.into()).await.map(drop)
    }

    /// Removes the answer of this process to an item whose record names another.
    pub(in crate::batch) async fn remove_output(&self, id: &BatchId, index: usize) {
        // What stays is removed with the batch.
        let _ = self.delete(&self.output_path(id, index, self.writer)).await;
    }

    /// Has a client's key name a batch. Returns the batch that it names already.
    pub(in crate::batch) async fn take_key(&self, key: &str, id: &BatchId) -> io::Result<Option<BatchId>> {
        if self.write_once(&self.of_key(key), id.to_string().into()).await? {
            return Ok(None);
        }
        self.named_by(key).await
    }

    /// The batch that a client's key names.
    pub(in crate::batch) async fn named_by(&self, key: &str) -> io::Result<Option<BatchId>> {
        let text = self.find(&self.of_key(key)).await?;
        Ok(text.and_then(|text| BatchId::parse(std::str::from_utf8(&text).ok()?)))
    }

    /// Forgets a client's key.
    pub(in crate::batch) async fn remove_key(&self, key: &str) {
        // A key that stays names a batch that is not there, which counts as none.
        let _ = self.delete(&self.of_key(key)).await;
    }

    fn of_key(&self, key: &str) -> Path {
        self.path(&format!("{KEYS}/{key}"))
    }

    /// Removes what no process will complete, and what a process was removing when it ended.
    pub(in crate::batch) async fn remove_abandoned(&self) -> io::Result<()> {
        for id in self.ids().await? {
            if self.has_object(&self.of(&id, MANIFEST)).await? {
                continue;
            }
            let newest = self.objects(&self.of(&id, "")).await?.iter().map(|object| object.last_modified).max();
            let age = newest.and_then(|newest| SystemTime::now().duration_since(newest.into()).ok());
            if age.is_some_and(|age: Duration| age > ABANDONED) {
                self.delete_all(&id).await?;
            }
        }
        Ok(())
    }
}

impl Writing {
    pub(in crate::batch) async fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        let needed = self.buffer.len() + chunk.len();
        if needed > self.buffer.capacity() {
            let capacity = needed.max(2 * self.buffer.capacity()).max(STEP_BYTES);
            self.lease_up_to(capacity)?;
            self.buffer.reserve(capacity - self.buffer.len());
        }
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() >= PIECE_BYTES { self.send_piece().await } else { Ok(()) }
    }

    fn lease_up_to(&mut self, bytes: usize) -> io::Result<()> {
        let lease = self.lease.as_ref().map_err(|_| full())?;
        if let Some(more) = bytes.checked_sub(self.leased).filter(|more| *more > 0) {
            lease.grow(more as u64).map_err(|_| full())?;
            self.leased = bytes;
        }
        Ok(())
    }

    /// Sends what is buffered. Nothing else is received meanwhile.
    async fn send_piece(&mut self) -> io::Result<()> {
        if self.upload.is_none() {
            self.upload = Some(self.bucket.store.put_multipart(&self.path).await.map_err(failed)?);
        }
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let piece = std::mem::take(&mut self.buffer).freeze();
        upload.put_part(PutPayload::from(piece)).await.map_err(failed)
    }

    pub(in crate::batch) async fn finish(mut self) -> io::Result<()> {
        if self.upload.is_none() {
            let bytes = std::mem::take(&mut self.buffer).freeze();
            return self.bucket.put(&self.path, bytes).await;
        }
        if !self.buffer.is_empty() {
            self.send_piece().await?;
        }
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        upload.complete().await.map(drop).map_err(failed)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        tokio::spawn(async move {
            // Stores forget the pieces of such uploads by a rule of their own, where this fails.
            let _ = upload.abort().await;
        });
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// All but an object that is missing may pass: the store is away.
fn failed(error: Error) -> io::Error {
    match error {
        Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error),
        error => io::Error::new(io::ErrorKind::NotConnected, error),
    }
}
