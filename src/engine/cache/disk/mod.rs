//! The tier in a directory of this machine. It survives restarts: at the start a thread looks through the directory,
//! while requests are already served.
//!
//! Files are read on tokio's blocking threads, and written by one thread of its own, from a bounded queue. When the
//! directory can't be written, or does not answer, the tier is left alone and tried again every few seconds.

mod folder;
mod health;
mod index;
mod writer;

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::waiting::{QUEUE_ENTRIES, QueuedAnswer, QueuedBytes};
use super::{CachedAnswer, PARTS, TierAnswer, TierStats, stored};
use crate::engine::config::CacheConfig;
use crate::engine::key::Key;
use crate::engine::pool::run_blocking;
use crate::metrics::{CacheTier, Metrics};
use folder::{Folder, now};
use health::Health;
use index::{Index, on_disk};

/// The largest file. Larger answers are rare, and reading them takes memory that nobody has reserved.
const MAX_FILE: u64 = 16 << 20;

/// What a report and its checksum add to an image at most: a hundred steps take less than 4 KiB.
const MAX_REPORT: u64 = 64 << 10;

/// Files that are read at once: more would only wait for the same disk. The largest take 135 MB together.
const READERS: usize = 8;

/// How many times as long as a read may take the turn for it is waited for.
const MAX_WAITS: u32 = 8;

/// A read takes far less than a millisecond, from a slow network disk some 10. One that takes longer than this comes
/// from a disk that hangs.
const READ_TIMEOUT: Duration = Duration::from_millis(250);

/// How long an answer may be waited for until it is written.
const WRITE_TIMEOUT: Duration = Duration::from_millis(250);

/// The tier. Dropping it ends its thread.
pub(super) struct Disk {
    shared: Arc<Shared>,
    writes: SyncSender<Write>,
    waiting: QueuedBytes,
}

/// An answer to be written.
struct Write {
    key: Key,
    cached: CachedAnswer,
    waits: QueuedAnswer,
    /// Dropped when it is written, or is not going to be.
    _done: Option<oneshot::Sender<()>>,
}

/// What requests and the thread share.
struct Shared {
    folder: Folder,
    index: Mutex<Index>,
    capacity_bytes: u64,
    ttl: Duration,
    readers: Arc<Semaphore>,
    health: Health,
    metrics: Arc<Metrics>,
}

impl Disk {
    /// The tier in the directory of `config`. Returns `None` when none is configured.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn open(config: &CacheConfig, metrics: &Arc<Metrics>) -> io::Result<Option<Disk>> {
        let Some(path) = config.folder() else { return Ok(None) };
        let shared = Arc::new(Shared {
            folder: Folder::new(path),
            index: Mutex::default(),
            capacity_bytes: config.disk_capacity_bytes,
            ttl: config.disk_ttl,
            readers: Arc::new(Semaphore::new(READERS)),
            health: Health::new(metrics.clone()),
            metrics: metrics.clone(),
        });
        let (writes, queue) = sync_channel(QUEUE_ENTRIES);
        writer::start(shared.clone(), queue)?;
        Ok(Some(Disk { shared, writes, waiting: QueuedBytes::default() }))
    }

    /// What the tier has under `key`.
    pub(super) async fn get(&self, key: &Key) -> TierAnswer {
        let shared = &self.shared;
        if !shared.health.can_read() {
            return TierAnswer::Off;
        }
        if !shared.may_have(key) {
            return TierAnswer::Nothing;
        }
        let Some(turn) = self.turn().await else { return TierAnswer::Failed };
        let (reading, key) = (shared.clone(), *key);
        // A read that hangs keeps its turn, so that not all threads come to hang.
        let read = run_blocking(move || (reading.folder.read(&key, MAX_FILE + MAX_REPORT), turn));
        let Ok(read) = timeout(READ_TIMEOUT, read).await else {
            shared.health.read_hung(shared.folder.path());
            return TierAnswer::Failed;
        };
        let Ok((stored, turn)) = read else { return TierAnswer::Failed };
        let taking = shared.clone();
        let taken = run_blocking(move || {
            let _turn = turn;
            taking.take(&key, stored)
        });
        taken.await.unwrap_or(TierAnswer::Failed)
    }

    /// The turn to read. Returns `None` when the directory stops to answer meanwhile, and when others read for too
    /// long.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let mut turn = pin!(self.shared.readers.clone().acquire_owned());
        for _ in 0..MAX_WAITS {
            if let Ok(turn) = timeout(READ_TIMEOUT, &mut turn).await {
                return Some(turn.expect("the semaphore is never closed"));
            }
            if !self.shared.health.can_read() {
                break;
            }
        }
        None
    }

    /// Whether the directory has the file of `key`, as far as it was looked through, and the file is not over its time.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.shared.health.can_read() && self.shared.is_young(key) == Some(true)
    }

    /// Has `cached` written later. Returns false when it is too large, too much waits already, or the directory can't
    /// be written.
    pub(super) fn offer(&self, key: Key, cached: &CachedAnswer) -> bool {
        self.queue(key, cached, None)
    }

    /// Has `cached` written, and waits for that, though not for long.
    pub(super) async fn write(&self, key: Key, cached: &CachedAnswer) {
        let (done, written) = oneshot::channel();
        if self.queue(key, cached, Some(done)) {
            // Whether it was written or given up, it is over.
            let _ = timeout(WRITE_TIMEOUT, written).await;
        }
    }

    fn queue(&self, key: Key, cached: &CachedAnswer, done: Option<oneshot::Sender<()>>) -> bool {
        let shared = &self.shared;
        let bytes = cached.answer.bytes.len() as u64;
        if !shared.health.can_write() || on_disk(bytes) > (shared.capacity_bytes / PARTS).min(MAX_FILE) {
            return false;
        }
        let Some(waits) = self.waiting.add(bytes) else { return false };
        self.writes.try_send(Write { key, cached: cached.clone(), waits, _done: done }).is_ok()
    }

    pub(super) fn stats(&self) -> TierStats {
        let index = self.shared.index();
        TierStats {
            entries: index.entries(),
            bytes: index.bytes(),
            capacity_bytes: self.shared.capacity_bytes,
            off: self.shared.health.is_off(),
            ..TierStats::default()
        }
    }
}

impl Shared {
    /// The index is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file of `key` is worth opening: until the directory was looked through, any may be there.
    fn may_have(&self, key: &Key) -> bool {
        self.is_young(key).unwrap_or_else(|| !self.health.is_indexed())
    }

    /// Whether the file of `key` is not over its time. Returns `None` for a key that is not in the index.
    fn is_young(&self, key: &Key) -> Option<bool> {
        let written = self.index().written(key)?;
        Some(written >= self.oldest())
    }

    /// Files written before this second are over their time.
    fn oldest(&self) -> u64 {
        now().saturating_sub(self.ttl.as_secs())
    }

    /// The answer in the file of `key`, as far as that could be read. One that is damaged is removed.
    fn take(&self, key: &Key, stored: io::Result<Vec<u8>>) -> TierAnswer {
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.forget(key);
                return TierAnswer::Nothing;
            }
            Err(error) => {
                tracing::debug!(%error, "a file of the disk cache can't be read");
                self.forget(key);
                return TierAnswer::Failed;
            }
        };
        match stored::decode(key, stored) {
            Some(cached) => {
                self.index().touch(key, now());
                TierAnswer::Answer(cached)
            }
            None => {
                tracing::warn!(file = key.to_hex(), "a file of the disk cache is damaged: removed");
                self.remove(key);
                TierAnswer::Failed
            }
        }
    }

    fn forget(&self, key: &Key) {
        let mut index = self.index();
        index.remove(key);
        self.metrics.set_cache_bytes(CacheTier::Disk, index.bytes());
    }

    fn remove(&self, key: &Key) {
        self.forget(key);
        if let Err(error) = self.folder.remove(key) {
            tracing::debug!(%error, "a file of the disk cache can't be removed");
        }
    }
}

#[cfg(test)]
mod tests;
