//! A batch while it is received: its files go to the store as they come.

use std::io;
use std::sync::Arc;

use super::manifest::{BatchId, Input};
use super::room::{NoRoom, Reserved};
use super::store::Receiving;
use super::{Shared, SubmitError};

/// A batch that is not complete. Dropping it removes what was stored.
pub struct Incoming {
    pub(super) id: BatchId,
    shared: Arc<Shared>,
    /// `None` once the batch is complete.
    reserved: Option<Reserved>,
    /// Whether the store has something of it.
    is_begun: bool,
    files: usize,
}

/// A file of an incoming batch.
pub struct IncomingFile {
    receiving: Receiving,
    number: usize,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl Incoming {
    pub(super) fn new(shared: Arc<Shared>) -> io::Result<Incoming> {
        let reserved = Some(shared.room.reserve());
        Ok(Incoming { id: BatchId::generate()?, shared, reserved, is_begun: false, files: 0 })
    }

    /// Begins a file.
    ///
    /// # Errors
    /// [`SubmitError::Full`] and [`SubmitError::Store`].
    pub async fn file(&mut self) -> Result<IncomingFile, SubmitError> {
        self.begin().await?;
        let number = self.files;
        self.files += 1;
        let receiving = self.shared.store.receive(&self.id, number).await.map_err(SubmitError::of_store)?;
        Ok(IncomingFile { receiving, number, bytes: 0, hasher: blake3::Hasher::new() })
    }

    /// Appends `chunk` to `file`.
    ///
    /// # Errors
    /// [`SubmitError::Full`], [`SubmitError::TooLarge`] and [`SubmitError::Store`].
    pub async fn push(&mut self, file: &mut IncomingFile, chunk: &[u8]) -> Result<(), SubmitError> {
        let reserved = self.reserved.as_mut().expect("it is taken when the batch is complete, which consumes it");
        reserved.grow(chunk.len() as u64)?;
        file.bytes += chunk.len() as u64;
        file.hasher.update(chunk);
        file.receiving.push(chunk).await.map_err(SubmitError::of_store)
    }

    /// Makes its place in the store, where there is none yet.
    pub(super) async fn begin(&mut self) -> Result<(), SubmitError> {
        if !self.is_begun {
            self.is_begun = true;
            self.shared.store.begin(&self.id).await.map_err(SubmitError::of_store)?;
        }
        Ok(())
    }

    /// Hands the batch over: what is stored stays. Returns the bytes that it takes.
    pub(super) fn complete(mut self) -> u64 {
        self.is_begun = false;
        self.reserved.take().map_or(0, Reserved::keep)
    }
}

impl IncomingFile {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`SubmitError::Full`] and [`SubmitError::Store`].
    pub async fn finish(self) -> Result<Input, SubmitError> {
        let hash = self.hasher.finalize().to_hex().to_string();
        self.receiving.finish().await.map_err(SubmitError::of_store)?;
        Ok(Input::Stored { file: self.number, bytes: self.bytes, hash })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_begun {
            return;
        }
        let (shared, id) = (Arc::clone(&self.shared), self.id.clone());
        tokio::spawn(async move {
            if let Err(error) = shared.store.remove(&id).await {
                tracing::warn!(batch = %id, %error, "what was received of a batch can't be removed now");
            }
        });
    }
}

impl From<NoRoom> for SubmitError {
    fn from(error: NoRoom) -> SubmitError {
        match error {
            NoRoom::TooLarge { limit } => SubmitError::TooLarge { limit },
            NoRoom::Full => SubmitError::Full,
        }
    }
}
