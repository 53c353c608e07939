//! Receives a file into reserved memory, and hashes it as it comes.

use super::{MemoryLease, NoMemory, Upload};

/// The first capacity of a body: a client may declare much and send nothing.
const INITIAL_CAPACITY: usize = 64 << 10;

/// A file while it is received, with the hash of the bytes so far.
pub(crate) struct HashedBody {
    bytes: Vec<u8>,
    /// The most bytes that the body around it may have.
    max_bytes: u64,
    hasher: blake3::Hasher,
    lease: MemoryLease,
}

impl HashedBody {
    /// An empty file that grows to at most `max_bytes`, in the memory of `lease`.
    pub(crate) fn new(max_bytes: u64, lease: MemoryLease) -> HashedBody {
        HashedBody { bytes: Vec::new(), max_bytes, hasher: blake3::Hasher::new(), lease }
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), NoMemory> {
        let length = self.bytes.len() + chunk.len();
        let capacity = self.bytes.capacity();
        if length > capacity {
            // Twice the capacity, but not more than the body can fill.
            let max_bytes = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
            let new_capacity = (2 * capacity).max(INITIAL_CAPACITY).min(max_bytes).max(length);
            self.lease.grow((new_capacity - capacity) as u64)?;
            self.bytes.reserve_exact(new_capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        self.hasher.update(chunk);
        Ok(())
    }

    /// Whether nothing was pushed so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The whole file. Returns `None` when nothing was pushed.
    pub(crate) fn finish(self) -> Option<Upload> {
        if self.bytes.is_empty() {
            return None;
        }
        Some(Upload { bytes: self.bytes.into(), hash: self.hasher.finalize(), lease: self.lease })
    }
}
