//! Where batches are kept. The store is the truth: an item has ended if and only if its record is there.

mod bucket;
mod directory;
mod memory;
mod shared;
mod url;

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::manifest::{BatchId, ItemError, Manifest, Record};
use super::total::Fixed;
use crate::engine::Engine;
pub(super) use bucket::Bucket;
pub(super) use directory::Directory;
use memory::Memory;
pub(super) use shared::{Ended, Look};
pub use url::{NoStoreUrl, StoreKind, StoreUrl};

/// Bytes that are read at once of an answer on its way to a client.
pub(super) const CHUNK_BYTES: u64 = 256 << 10;

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

impl Stored {
    /// A batch of which the items that `ended` have a place. An item that has two keeps the first.
    fn in_order(id: &BatchId, manifest: Manifest, ended: Vec<Ended>) -> Stored {
        let places = ended.last().map_or(0, |ended| ended.place);
        let (mut records, mut known) = (Vec::new(), HashSet::new());
        for Ended { place, item } in ended {
            let Some((index, record)) = item else { continue };
            if known.insert(index) {
                records.push((index, Record { sequence: place, ..record }));
            }
        }
        Stored { id: id.clone(), manifest, records, places }
    }
}

/// The manifest in `text`; `None` when it can't be understood, so that its batch is left alone.
fn manifest_in(text: &[u8], id: &BatchId) -> Option<Manifest> {
    let read = serde_json::from_slice(text);
    if let Err(error) = &read {
        tracing::warn!(batch = %id, %error, "the manifest of a batch can't be read: the batch is left alone");
    }
    read.ok()
}

/// A place for batches.
pub(super) enum Store {
    /// Files, which survive the process.
    Directory(Directory),
    /// Objects of a store that is reached over the network, which survive the machine.
    Bucket(Bucket),
    /// The memory of bodies.
    Memory(Memory),
}

/// A file of a batch while it is received.
pub(super) enum Receiving {
    Directory(directory::Writing),
    Bucket(Box<bucket::Writing>),
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
    /// The store can't be read.
    pub(super) async fn list(&self) -> io::Result<Vec<Stored>> {
        match self {
            Store::Directory(directory) => directory.list(),
            Store::Bucket(bucket) => bucket.list().await,
            Store::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Begins a batch, whose files follow.
    pub(super) async fn begin(&self, id: &BatchId) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.begin(id).await,
            Store::Bucket(_) => Ok(()),
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
            Store::Bucket(bucket) => Receiving::Bucket(Box::new(bucket.receive(id, file))),
            Store::Memory(memory) => Receiving::Memory(memory.receive(id, file)),
        })
    }

    /// Writes the manifest, which makes the batch complete.
    pub(super) async fn commit(&self, id: &BatchId, manifest: &Manifest) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.commit(id, manifest).await,
            Store::Bucket(bucket) => bucket.commit(id, manifest).await,
            Store::Memory(_) => Ok(()),
        }
    }

    /// A whole file of a batch.
    pub(super) async fn input(&self, id: &BatchId, file: usize) -> io::Result<Bytes> {
        match self {
            Store::Directory(directory) => directory.input(id, file).await,
            Store::Bucket(bucket) => bucket.input(id, file).await,
            Store::Memory(memory) => memory.input(id, file),
        }
    }

    /// Removes a file that no item needs any more.
    pub(super) async fn remove_input(&self, id: &BatchId, file: usize) {
        match self {
            Store::Directory(directory) => directory.remove_input(id, file).await,
            Store::Bucket(bucket) => bucket.remove_input(id, file).await,
            Store::Memory(memory) => memory.remove_input(id, file),
        }
    }

    /// Keeps the answer to an item. It counts when its record follows.
    pub(super) async fn put_output(&self, id: &BatchId, index: usize, bytes: Bytes) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.put_output(id, index, bytes).await,
            Store::Bucket(bucket) => bucket.put_output(id, index, bytes).await,
            Store::Memory(memory) => memory.put_output(id, index, bytes),
        }
    }

    /// Keeps the record of an item, which has ended by that.
    pub(super) async fn put_record(&self, id: &BatchId, index: usize, record: &Record) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.put_record(id, index, record).await,
            Store::Bucket(bucket) => bucket.put_record(id, index, record).await,
            Store::Memory(_) => Ok(()),
        }
    }

    /// A piece of an answer that `writer` wrote.
    pub(super) async fn output(&self, id: &BatchId, index: usize, writer: u64, range: Range<u64>) -> io::Result<Bytes> {
        match self {
            Store::Directory(directory) => directory.output(id, index, writer, range).await,
            Store::Bucket(bucket) => bucket.output(id, index, writer, range).await,
            Store::Memory(memory) => memory.output(id, index, range),
        }
    }

    /// Makes a batch incomplete, before anything of it is removed: where the store is away nothing has happened.
    pub(super) async fn withdraw(&self, id: &BatchId) -> io::Result<()> {
        match self {
            Store::Bucket(bucket) => bucket.withdraw(id).await,
            Store::Directory(_) | Store::Memory(_) => Ok(()),
        }
    }

    /// Removes a batch with all that belongs to it.
    pub(super) async fn remove(&self, id: &BatchId) -> io::Result<()> {
        match self {
            Store::Directory(directory) => directory.remove(id).await,
            Store::Bucket(bucket) => bucket.remove(id).await,
            Store::Memory(memory) => {
                memory.remove(id);
                Ok(())
            }
        }
    }

    /// Whether batches survive the process.
    pub(super) fn is_durable(&self) -> bool {
        !matches!(self, Store::Memory(_))
    }

    /// Whether it is reached over the network, so that it may come back by itself when it fails.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Store::Bucket(_))
    }
}

impl Stored {
    /// Numbers records by the places of their items, where several processes shared the store before. Those without a
    /// place come last.
    fn number_as_placed(&mut self, ended: Vec<Ended>) {
        let Some(last) = ended.last().map(|ended| ended.place) else { return };
        let mut places = HashMap::new();
        for Ended { place, item } in ended {
            item.map(|(index, _)| places.entry(index).or_insert(place));
        }
        for (index, record) in &mut self.records {
            record.sequence = places.get(index).copied().unwrap_or(last + 1);
        }
    }
}

impl Receiving {
    /// Appends `chunk`.
    pub(super) async fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Receiving::Directory(writing) => writing.push(chunk).await,
            Receiving::Bucket(writing) => writing.push(chunk).await,
            Receiving::Memory(writing) => writing.push(chunk),
        }
    }

    /// Ends the file.
    pub(super) async fn finish(self) -> io::Result<()> {
        match self {
            Receiving::Directory(writing) => writing.finish().await,
            Receiving::Bucket(writing) => writing.finish().await,
            Receiving::Memory(writing) => {
                writing.finish();
                Ok(())
            }
        }
    }
}

/// A store that several processes work in.
#[derive(Clone)]
pub(super) enum SharedStore {
    Directory(Directory),
    Bucket(Bucket),
}

/// Asks the store that it is.
macro_rules! ask {
    ($store:expr, $asked:ident($($given:expr),*)) => {
        match $store {
            SharedStore::Directory(directory) => directory.$asked($($given),*).await,
            SharedStore::Bucket(bucket) => bucket.$asked($($given),*).await,
        }
    };
}

impl SharedStore {
    /// The same as a place for batches.
    pub(super) fn as_store(&self) -> Store {
        match self.clone() {
            SharedStore::Directory(directory) => Store::Directory(directory),
            SharedStore::Bucket(bucket) => Store::Bucket(bucket),
        }
    }

    /// Tells this store from others.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) async fn identity(&self) -> io::Result<String> {
        match self {
            SharedStore::Directory(directory) => directory.identity(),
            SharedStore::Bucket(bucket) => bucket.identity().await,
        }
    }

    /// The number of this process.
    pub(super) fn writer(&self) -> u64 {
        match self {
            SharedStore::Directory(directory) => directory.writer(),
            SharedStore::Bucket(bucket) => bucket.writer(),
        }
    }

    /// The items of a batch that ended after the first `places`.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(super) async fn look(&self, id: &BatchId, places: u64) -> io::Result<Look> {
        ask!(self, look(id, places))
    }

    /// Whether a batch is there.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(super) async fn has(&self, id: &BatchId) -> io::Result<bool> {
        ask!(self, has(id))
    }

    /// A batch that another process has received; `None` when it is not there.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(super) async fn read(&self, id: &BatchId) -> io::Result<Option<Stored>> {
        ask!(self, read(id))
    }

    /// The batches that are there, complete or not.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(super) async fn ids(&self) -> io::Result<HashSet<BatchId>> {
        ask!(self, ids())
    }

    /// Whether an item has a record, with or without a place.
    pub(super) async fn has_record(&self, id: &BatchId, index: usize) -> bool {
        ask!(self, has_record(id, index))
    }

    /// Writes the record of an item, unless it has one. Returns whether it is this one.
    pub(super) async fn put_record_once(&self, id: &BatchId, index: usize, record: &Record) -> io::Result<bool> {
        ask!(self, put_record_once(id, index, record))
    }

    /// Gives an item this place in the order, unless another has it.
    pub(super) async fn take_place(&self, id: &BatchId, place: u64, index: usize) -> io::Result<()> {
        ask!(self, take_place(id, place, index))
    }

    /// What the items of a batch may have of its total.
    ///
    /// # Errors
    /// The store can't be read now.
    pub(super) async fn plan(&self, id: &BatchId) -> io::Result<Option<Result<Fixed, ItemError>>> {
        ask!(self, plan(id))
    }

    /// Keeps a plan, unless there is one.
    pub(super) async fn keep_plan(&self, id: &BatchId, plan: &Result<Fixed, ItemError>) -> io::Result<()> {
        ask!(self, keep_plan(id, plan))
    }

    /// Removes the answer of this process to an item whose record names another.
    pub(super) async fn remove_output(&self, id: &BatchId, index: usize) {
        ask!(self, remove_output(id, index))
    }

    /// Removes what this process wrote of a batch while another removed it.
    pub(super) async fn remove_rest(&self, id: &BatchId) {
        match self {
            // Its folder had another name by then.
            SharedStore::Directory(_) => {}
            SharedStore::Bucket(bucket) => bucket.remove_rest(id).await,
        }
    }

    /// Has a client's key name a batch. Returns the batch that it names already.
    pub(super) async fn take_key(&self, key: &str, id: &BatchId) -> io::Result<Option<BatchId>> {
        ask!(self, take_key(key, id))
    }

    /// The batch that a client's key names.
    pub(super) async fn named_by(&self, key: &str) -> io::Result<Option<BatchId>> {
        ask!(self, named_by(key))
    }

    /// Forgets a client's key.
    pub(super) async fn remove_key(&self, key: &str) {
        ask!(self, remove_key(key))
    }

    /// Removes what no process will complete, and what a process was removing when it ended.
    pub(super) async fn remove_abandoned(&self) -> io::Result<()> {
        ask!(self, remove_abandoned())
    }
}
