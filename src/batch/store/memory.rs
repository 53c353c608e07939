//! Batches in the memory of bodies: for services without a directory. They end with the process.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::batch::manifest::BatchId;
use crate::engine::{Engine, MemoryLease};

/// Bytes that the buffer of a file grows by at least.
const STEP_BYTES: usize = 256 << 10;

/// The batches, by their id.
pub(in crate::batch) struct Memory {
    engine: Engine,
    batches: Arc<Mutex<HashMap<BatchId, Files>>>,
}

/// The files of a batch, by their number.
#[derive(Default)]
struct Files {
    inputs: HashMap<usize, File>,
    outputs: HashMap<usize, File>,
}

struct File {
    bytes: Bytes,
    _lease: MemoryLease,
}

/// A file while it is received.
pub(in crate::batch) struct Writing {
    batches: Arc<Mutex<HashMap<BatchId, Files>>>,
    id: BatchId,
    file: usize,
    bytes: BytesMut,
    lease: io::Result<MemoryLease>,
}

impl Memory {
    /// An empty store that takes its memory from `engine`.
    pub(super) fn new(engine: Engine) -> Memory {
        Memory { engine, batches: Arc::default() }
    }

    fn batches(&self) -> MutexGuard<'_, HashMap<BatchId, Files>> {
        lock(&self.batches)
    }

    pub(super) fn begin(&self, id: &BatchId) {
        self.batches().insert(id.clone(), Files::default());
    }

    pub(super) fn receive(&self, id: &BatchId, file: usize) -> Writing {
        let lease = self.engine.lease_for_answer(0).map_err(|_| full());
        Writing { batches: Arc::clone(&self.batches), id: id.clone(), file, bytes: BytesMut::new(), lease }
    }

    pub(super) fn input(&self, id: &BatchId, file: usize) -> io::Result<Bytes> {
        let batches = self.batches();
        let found = batches.get(id).and_then(|files| files.inputs.get(&file));
        found.map(|file| file.bytes.clone()).ok_or_else(gone)
    }

    pub(super) fn remove_input(&self, id: &BatchId, file: usize) {
        if let Some(files) = self.batches().get_mut(id) {
            files.inputs.remove(&file);
        }
    }

    pub(super) fn put_output(&self, id: &BatchId, index: usize, bytes: Bytes) -> io::Result<()> {
        let lease = self.engine.lease_for_answer(bytes.len() as u64).map_err(|_| full())?;
        let mut batches = self.batches();
        let files = batches.get_mut(id).ok_or_else(gone)?;
        files.outputs.insert(index, File { bytes, _lease: lease });
        Ok(())
    }

    pub(super) fn output(&self, id: &BatchId, index: usize, range: Range<u64>) -> io::Result<Bytes> {
        let batches = self.batches();
        let file = batches.get(id).and_then(|files| files.outputs.get(&index)).ok_or_else(gone)?;
        let [start, end] =
            [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX).min(file.bytes.len()));
        Ok(file.bytes.slice(start..end.max(start)))
    }

    pub(super) fn remove(&self, id: &BatchId) {
        self.batches().remove(id);
    }
}

impl Writing {
    pub(super) fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        let lease = self.lease.as_ref().map_err(|_| full())?;
        let capacity = self.bytes.capacity();
        if self.bytes.len() + chunk.len() > capacity {
            let more = chunk.len().max(capacity).max(STEP_BYTES);
            lease.grow(more as u64).map_err(|_| full())?;
            self.bytes.reserve(more);
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    pub(super) fn finish(self) {
        let Ok(lease) = self.lease else { return };
        if let Some(files) = lock(&self.batches).get_mut(&self.id) {
            files.inputs.insert(self.file, File { bytes: self.bytes.freeze(), _lease: lease });
        }
    }
}

fn lock(batches: &Mutex<HashMap<BatchId, Files>>) -> MutexGuard<'_, HashMap<BatchId, Files>> {
    batches.lock().unwrap_or_else(PoisonError::into_inner)
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}
