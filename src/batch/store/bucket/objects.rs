//! The objects of a store: read, written and removed.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::de::DeserializeOwned;
use tokio::sync::RwLock;

/// The objects of a store.
#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Held for reading by each write until it has ended.
    writes: Arc<RwLock<()>>,
}

impl Objects {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Objects {
        Objects { store, writes: Arc::default() }
    }

    pub(super) async fn get(&self, path: &Path) -> io::Result<Bytes> {
        self.store.get(path).await.map_err(failed)?.bytes().await.map_err(failed)
    }

    /// An object, or `None` where there is none.
    pub(super) async fn find(&self, path: &Path) -> io::Result<Option<Bytes>> {
        match self.get(path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    pub(super) async fn find_json<T: DeserializeOwned>(&self, path: &Path) -> io::Result<Option<T>> {
        let text = self.find(path).await?;
        Ok(text.map(|text| serde_json::from_slice(&text)).transpose()?)
    }

    pub(super) async fn put(&self, path: &Path, bytes: Bytes) -> io::Result<()> {
        self.send(path, bytes, PutMode::Overwrite).await.map_err(failed)
    }

    /// Writes an object. The write goes on when nobody waits for it any more: it may have reached the store, and
    /// whoever removes the batch has to know when it has ended.
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
    pub(super) async fn write_once(&self, path: &Path, bytes: Bytes) -> io::Result<bool> {
        match self.send(path, bytes.clone(), PutMode::Create).await {
            Ok(()) => Ok(true),
            // An earlier try of this call may have written it, whose answer was lost.
            Err(Error::AlreadyExists { .. }) => Ok(self.get(path).await? == bytes),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) async fn has(&self, path: &Path) -> io::Result<bool> {
        match self.store.head(path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes an object, which may be gone already.
    pub(super) async fn delete(&self, path: &Path) -> io::Result<()> {
        match self.store.delete(path).await {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted.map_err(failed),
        }
    }

    pub(super) async fn list(&self, prefix: &Path) -> io::Result<Vec<ObjectMeta>> {
        self.store.list(Some(prefix)).try_collect().await.map_err(failed)
    }

    pub(super) async fn get_range(&self, path: &Path, range: Range<u64>) -> io::Result<Bytes> {
        self.store.get_range(path, range).await.map_err(failed)
    }

    /// Begins an object that is written in pieces.
    pub(super) async fn begin_multipart(&self, path: &Path) -> io::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart(path).await.map_err(failed)
    }

    /// What is like a directory below `prefix`.
    pub(super) async fn directories(&self, prefix: &Path) -> io::Result<Vec<Path>> {
        Ok(self.store.list_with_delimiter(Some(prefix)).await.map_err(failed)?.common_prefixes)
    }

    /// Removes all objects below `prefix`.
    pub(super) async fn delete_all(&self, prefix: &Path) -> io::Result<()> {
        let paths = self.list(prefix).await?.into_iter().map(|object| Ok(object.location));
        let deleted = self.store.delete_stream(stream::iter(paths.collect::<Vec<_>>()).boxed());
        let ignore_missing = |deleted| async move {
            match deleted {
                Err(Error::NotFound { .. }) => Ok(()),
                deleted => deleted.map(drop),
            }
        };
        deleted.then(ignore_missing).try_collect::<Vec<()>>().await.map(drop).map_err(failed)
    }

    /// Waits for the writes that are under way.
    pub(super) async fn wait_for_writes(&self) {
        drop(self.writes.write().await);
    }
}

/// The `error` of a store. All but an object that is missing may pass: the store is away.
pub(super) fn failed(error: Error) -> io::Error {
    match error {
        Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, error),
        error => io::Error::new(io::ErrorKind::NotConnected, error),
    }
}
