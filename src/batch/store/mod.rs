//! Where batches are kept. The store is the truth: an item has ended if and only if its record is there.

mod directory;
mod memory;
mod shared;

use std::io;

use bytes::Bytes;

use super::manifest::{BatchId, Manifest, Record};
use crate::engine::Engine;
pub(super) use directory::Directory;
use memory::Memory;
pub(super) use shared::{Ended, Look};

/// Bytes that are read at once of an answer on its way to a client.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

/// A batch as the store has it.
#[derive(Debug)]
pub(super) struct Stored {
    pub id: BatchId,
    pub manifest: Manifest,
    /// The records that are there, each with the index of its item.
    pub records: Vec<(usize, Record)>,
    /// How many places of its order are taken, where several processes share the store.
    pub places: u64,
}

/// A place for batches.
pub(super) enum Store {
    /// Files, which survive the process.
    Directory(Directory),
    /// The memory of bodies.
    Memory(Memory),
}

/// A file of a batch while it is received.
pub(super) enum Receiving {
    Directory(directory::Writing),
    Memory(memory::Writing),
}

impl Store {
    /// The memory of `engine` as a store.
    pub(super) fn in_memory(engine: Engine) -> Store {
        Store::Memory(Memory::new(engine))
    }

    /// The batches that are there. What was never complete is removed.
    ///
    /// # Errors
    /// The directory can't be read.
    pub(super) fn list(&self) -> io::Result<Vec<Stored>> {
        match self {
            Store::Directory(directory) => directory.list(),
            Store::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Begins a batch, whose files follow.
    pub(super) async fn begin(&self, id: &BatchId) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.begin(id).await,
            Store::Memory(memory) => {
                memory.begin(id);
                Ok(())
            }
        }
    }

    /// Begins a file of a batch.
    pub(super) async fn receive(&self, id: &BatchId, file: usize) -> io::Result<Receiving> {
        Ok(match self {
            Store::Directory(directory) => Receiving::Directory(directory.receive(id, file).await?),
            Store::Memory(memory) => Receiving::Memory(memory.receive(id, file)),
        })
    }

    /// Writes the manifest, which makes the batch complete.
    pub(super) async fn commit(&self, id: &BatchId, manifest: &Manifest) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.commit(id, manifest).await,
            Store::Memory(_) => Ok(()),
        }
    }

    /// A whole file of a batch.
    pub(super) async fn input(&self, id: &BatchId, file: usize) -> io::Result<Bytes> {
        match self {
            Store::Directory(directory) => directory.input(id, file).await,
            Store::Memory(memory) => memory.input(id, file),
        }
    }

    /// Removes a file that no item needs any more.
    pub(super) async fn remove_input(&self, id: &BatchId, file: usize) {
        match self {
            Store::Directory(directory) => directory.remove_input(id, file).await,
            Store::Memory(memory) => memory.remove_input(id, file),
        }
    }

    /// Keeps the answer to an item. It counts when its record follows.
    pub(super) async fn put_output(&self, id: &BatchId, index: usize, bytes: Bytes) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.put_output(id, index, bytes).await,
            Store::Memory(memory) => memory.put_output(id, index, bytes),
        }
    }

    /// Keeps the record of an item, which has ended by that.
    pub(super) async fn put_record(&self, id: &BatchId, index: usize, record: &Record) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.put_record(id, index, record).await,
            Store::Memory(_) => Ok(()),
        }
    }

    /// At most [`CHUNK_BYTES`] of an answer that `writer` wrote, from `offset`.
    pub(super) async fn output(&self, id: &BatchId, index: usize, writer: u64, offset: u64) -> io::Result<Bytes> {
        match self {
            Store::Directory(directory) => directory.output(id, index, writer, offset).await,
            Store::Memory(memory) => memory.output(id, index, offset),
        }
    }

    /// Removes a batch with all that belongs to it.
    pub(super) async fn remove(&self, id: &BatchId) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.remove(id).await,
            Store::Memory(memory) => {
                memory.remove(id);
                Ok(())
            }
        }
    }

    /// Whether batches survive the process.
    pub(super) fn is_durable(&self) -> bool {
        matches!(self, Store::Directory(_))
    }
}

impl Receiving {
    /// Appends `chunk`.
    pub(super) async fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Receiving::Directory(writing) => writing.push(chunk).await,
            Receiving::Memory(writing) => writing.push(chunk),
        }
    }

    /// Ends the file.
    pub(super) async fn finish(self) -> io::Result<()> {
        match self {
            Receiving::Directory(writing) => writing.finish().await,
            Receiving::Memory(writing) => {
                writing.finish();
                Ok(())
            }
        }
    }
}
