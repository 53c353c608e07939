//! What processes that share a store do to it: they keep out of each other's way by objects that only the first of them
//! writes.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::path::Path;

use super::objects::Objects;
use super::{Bucket, connect};
use crate::batch::manifest::{BatchId, ItemError, Record};
use crate::batch::store::directory::{MANIFEST, ORDER};
use crate::batch::store::shared::{ABANDONED, IDENTITY, KEYS, PLAN, random_number};
use crate::batch::store::url::StoreUrl;
use crate::batch::total::Fixed;
use crate::engine::Engine;

/// Writes of one object at the same time by which a store is tried.
const TRIES: usize = 8;

impl Bucket {
    /// Opens a store that other processes use too.
    ///
    /// # Errors
    /// It can't be reached or written, or ignores conditions.
    pub(in crate::batch) async fn open_shared(url: &StoreUrl, engine: Engine) -> io::Result<Bucket> {
        let writer = random_number()?;
        let objects = Objects::new(connect::open(url)?);
        let bucket = Bucket { objects, prefix: url.prefix.clone(), engine, writer };
        let identity = Bytes::from(format!("{:016x}", random_number()?));
        let path = bucket.path(IDENTITY);
        bucket.objects.write_once(&path, identity.clone()).await?;
        if bucket.objects.write_once(&path, Bytes::from_static(b"again")).await? {
            bucket.objects.put(&path, identity).await?;
            return Err(io::Error::other(format!("sharing {url} takes a store that writes under a condition")));
        }
        if bucket.winners().await > 1 {
            let racing =
                format!("sharing {url} takes a store where only one of several writes at the same time is the first");
            return Err(io::Error::other(racing));
        }
        Ok(bucket)
    }

    /// How many of several writes at the same time succeed that are to be the first. Some stores look for an object and
    /// then write it, so that all of them do.
    async fn winners(&self) -> usize {
        let path = &self.path(&format!("{IDENTITY}.{:016x}", self.writer));
        let tries = (0..TRIES).map(|number| self.objects.write_once(path, number.to_string().into()));
        let tries: Vec<io::Result<bool>> = stream::iter(tries).buffer_unordered(TRIES).collect().await;
        // A few bytes that nobody looks for, where it stays.
        let _ = self.objects.delete(path).await;
        tries.into_iter().filter(|won| matches!(won, Ok(true))).count()
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
        if self.objects.write_once(&path, text.clone()).await? {
            return Ok(true);
        }
        // It may be ours: what is sent again after an answer was lost finds itself.
        if let Some(kept) = self.record(id, index).await? {
            return Ok(kept.writer == record.writer);
        }
        // A record that can't be read counts as missing.
        self.objects.put(&path, text).await.map(|()| true)
    }

    /// Gives an item this place in the order, unless another has it.
    pub(in crate::batch) async fn take_place(&self, id: &BatchId, place: u64, index: usize) -> io::Result<()> {
        let path = self.of(id, &format!("{ORDER}/{place}"));
        self.objects.write_once(&path, index.to_string().into()).await.map(drop)
    }

    /// What the items of a batch may have of its total.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(in crate::batch) async fn plan(&self, id: &BatchId) -> io::Result<Option<Result<Fixed, ItemError>>> {
        self.objects.find_json(&self.of(id, PLAN)).await
    }

    /// Keeps a plan, unless there is one.
    pub(in crate::batch) async fn keep_plan(&self, id: &BatchId, plan: &Result<Fixed, ItemError>) -> io::Result<()> {
        let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
        self.objects.write_once(&self.of(id, PLAN), text.into()).await.map(drop)
    }

    /// Removes the answer of this process to an item whose record names another.
    pub(in crate::batch) async fn remove_output(&self, id: &BatchId, index: usize) {
        // What stays is removed with the batch.
        let _ = self.objects.delete(&self.output_path(id, index, self.writer)).await;
    }

    /// Has a client's key name a batch. Returns the batch that it names already.
    pub(in crate::batch) async fn take_key(&self, key: &str, id: &BatchId) -> io::Result<Option<BatchId>> {
        if self.objects.write_once(&self.of_key(key), id.to_string().into()).await? {
            return Ok(None);
        }
        self.named_by(key).await
    }

    /// The batch that a client's key names.
    pub(in crate::batch) async fn named_by(&self, key: &str) -> io::Result<Option<BatchId>> {
        let text = self.objects.find(&self.of_key(key)).await?;
        Ok(text.and_then(|text| BatchId::parse(std::str::from_utf8(&text).ok()?)))
    }

    /// Forgets a client's key.
    pub(in crate::batch) async fn remove_key(&self, key: &str) {
        // A key that stays names a batch that is not there, which counts as none.
        let _ = self.objects.delete(&self.of_key(key)).await;
    }

    fn of_key(&self, key: &str) -> Path {
        self.path(&format!("{KEYS}/{key}"))
    }

    /// Removes what no process will complete, and what a process was removing when it ended.
    pub(in crate::batch) async fn remove_abandoned(&self) -> io::Result<()> {
        for id in self.ids().await? {
            if self.objects.has(&self.of(&id, MANIFEST)).await? {
                continue;
            }
            let newest = self.objects.list(&self.of(&id, "")).await?.iter().map(|object| object.last_modified).max();
            let age = newest.and_then(|newest| SystemTime::now().duration_since(newest.into()).ok());
            if age.is_some_and(|age: Duration| age > ABANDONED) {
                self.remove_objects(&id).await?;
            }
        }
        Ok(())
    }
}
