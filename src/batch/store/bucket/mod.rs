//! Batches as objects of S3, Google Cloud Storage or Azure, under the names that a directory has (`store::directory`,
//! `store::shared`). An object appears whole or not at all, and one that is to be written once is written under the
//! condition that there is none.
//!
//! A batch that is removed loses its manifest first: without it there is no batch, whatever else is there.

mod connect;
mod objects;
mod shared;
mod writing;

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use object_store::path::Path;

use self::objects::Objects;
pub(in crate::batch) use self::writing::Writing;
use super::directory::{INPUTS, MANIFEST, ORDER, OUTPUTS, output_name};
use super::shared::IDENTITY;
use super::url::StoreUrl;
use super::{Ended, Look, Stored, manifest_in};
use crate::batch::manifest::{BatchId, Manifest, Record};
use crate::engine::Engine;

/// Objects that are asked for at once while the batches are listed.
const AT_ONCE: usize = 32;

/// An object store with batches.
#[derive(Clone)]
pub(in crate::batch) struct Bucket {
    objects: Objects,
    prefix: String,
    engine: Engine,
    /// Tells what this process writes from what others do; 0 where none does.
    writer: u64,
}

impl Bucket {
    /// Opens the store at `url` for this process alone.
    ///
    /// # Errors
    /// It can't be reached or read, or instances share it.
    pub(in crate::batch) async fn open(url: &StoreUrl, engine: Engine) -> io::Result<Bucket> {
        let bucket =
            Bucket { objects: Objects::new(connect::open(url)?), prefix: url.prefix.clone(), engine, writer: 0 };
        if bucket.objects.has(&bucket.path(IDENTITY)).await? {
            let shared = format!(
                "instances share {url}: set batch.redis_url, or remove {IDENTITY} from it when no other instance runs"
            );
            return Err(io::Error::other(shared));
        }
        // A bucket that is missing has no objects either.
        bucket.objects.directories(&bucket.path("")).await?;
        Ok(bucket)
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

    /// The batches that are there, complete or not.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn ids(&self) -> io::Result<HashSet<BatchId>> {
        let directories = self.objects.directories(&self.path("")).await?;
        Ok(directories.iter().filter_map(|path| BatchId::parse(path.filename()?)).collect())
    }

    /// The batches that are complete. Others are removed where nobody shares the store.
    pub(in crate::batch) async fn list(&self) -> io::Result<Vec<Stored>> {
        let mut batches = Vec::new();
        for id in self.ids().await? {
            match self.read(&id).await? {
                Some(stored) => batches.push(stored),
                None if self.is_shared() || self.objects.has(&self.of(&id, MANIFEST)).await? => {}
                None => self.remove_objects(&id).await?,
            }
        }
        Ok(batches)
    }

    fn is_shared(&self) -> bool {
        self.writer != 0
    }

    pub(in crate::batch) fn receive(&self, id: &BatchId, file: usize) -> Writing {
        Writing::new(self.objects.clone(), self.input_path(id, file), &self.engine)
    }

    pub(in crate::batch) async fn commit(&self, id: &BatchId, manifest: &Manifest) -> io::Result<()> {
        let text = serde_json::to_vec(manifest).map_err(io::Error::other)?;
        self.objects.put(&self.of(id, MANIFEST), text.into()).await
    }

    pub(in crate::batch) async fn input(&self, id: &BatchId, file: usize) -> io::Result<Bytes> {
        self.objects.get(&self.input_path(id, file)).await
    }

    pub(in crate::batch) async fn remove_input(&self, id: &BatchId, file: usize) {
        // What stays is removed with the batch.
        let _ = self.objects.delete(&self.input_path(id, file)).await;
    }

    pub(in crate::batch) async fn put_output(&self, id: &BatchId, index: usize, bytes: Bytes) -> io::Result<()> {
        self.objects.put(&self.output_path(id, index, self.writer), bytes).await
    }

    pub(in crate::batch) async fn put_record(&self, id: &BatchId, index: usize, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        self.objects.put(&self.record_path(id, index), text.into()).await
    }

    pub(in crate::batch) async fn output(
        &self,
        id: &BatchId,
        index: usize,
        writer: u64,
        range: Range<u64>,
    ) -> io::Result<Bytes> {
        self.objects.get_range(&self.output_path(id, index, writer), range).await
    }

    pub(in crate::batch) async fn withdraw(&self, id: &BatchId) -> io::Result<()> {
        self.objects.delete(&self.of(id, MANIFEST)).await
    }

    pub(in crate::batch) async fn remove(&self, id: &BatchId) -> io::Result<()> {
        self.withdraw(id).await?;
        self.remove_rest(id).await;
        Ok(())
    }

    /// Removes what is left of a batch without a manifest, once what this process is writing is there.
    pub(in crate::batch) async fn remove_rest(&self, id: &BatchId) {
        self.objects.wait_for_writes().await;
        if let Err(error) = self.remove_objects(id).await {
            tracing::warn!(batch = %id, %error, "what is left of a removed batch stays until the next start, or for an hour");
        }
    }

    /// Removes all objects of a batch.
    async fn remove_objects(&self, id: &BatchId) -> io::Result<()> {
        self.objects.delete_all(&self.of(id, "")).await
    }

    /// Tells this store from others.
    ///
    /// # Errors
    /// It can't be read.
    pub(in crate::batch) async fn identity(&self) -> io::Result<String> {
        let text = self.objects.get(&self.path(IDENTITY)).await?;
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
        if self.objects.has(&self.of(id, MANIFEST)).await? {
            return Ok(true);
        }
        // A bucket that is away has nothing either.
        if self.is_shared() {
            self.objects.get(&self.path(IDENTITY)).await?;
        }
        self.objects.has(&self.of(id, MANIFEST)).await
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
        let Some(text) = self.objects.find(&self.of(id, &format!("{ORDER}/{place}"))).await? else { return Ok(None) };
        let Some(index) = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) else {
            return Ok(Some(None));
        };
        let record = self.record(id, index).await?;
        Ok(Some(record.map(|record| (index, record))))
    }

    /// The record of an item. A record that can't be understood counts as missing, so that the item is done again.
    async fn record(&self, id: &BatchId, index: usize) -> io::Result<Option<Record>> {
        let text = self.objects.find(&self.record_path(id, index)).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// A batch; `None` when it is not there, or can't be understood.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn read(&self, id: &BatchId) -> io::Result<Option<Stored>> {
        let Some(text) = self.objects.find(&self.of(id, MANIFEST)).await? else {
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
        let objects = self.objects.list(&self.of(id, OUTPUTS)).await?;
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
        for object in self.objects.list(&self.of(&stored.id, INPUTS)).await? {
            let file = object.location.filename().and_then(|name| name.parse().ok());
            if file.is_none_or(|file: usize| !needed.contains_key(&file)) {
                self.objects.delete(&object.location).await?;
            }
        }
        Ok(())
    }
}
