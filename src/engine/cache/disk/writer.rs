//! The thread that writes files, keeps their number within bounds, and tries a directory that failed again.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::{FoundFile, now};
use super::index::on_disk;
use super::{PARTS, Shared, Write, stored};
use crate::engine::key::Key;
use crate::metrics::CacheTier;

/// How often a directory that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// How often files over their time are removed.
const REMOVE_OLD: Duration = Duration::from_secs(60);

/// How often the directory is looked through for what others changed in it.
const LOOK_THROUGH: Duration = Duration::from_secs(3600);

/// Files that are added to the index at a time, so that requests don't wait for all of them.
const BATCH: usize = 512;

/// Starts the thread. It ends when the other end of `queue` is dropped.
///
/// # Errors
/// The system refuses the thread.
pub(super) fn start(shared: Arc<Shared>, queue: Receiver<Write>) -> io::Result<()> {
    let writer = Writer { shared, looked_through: None, removed_old: Instant::now() };
    thread::Builder::new().name("bytefit-disk".to_owned()).spawn(move || writer.run(&queue))?;
    Ok(())
}

struct Writer {
    shared: Arc<Shared>,
    /// When the directory was looked through last.
    looked_through: Option<Instant>,
    /// When files over their time were removed last.
    removed_old: Instant,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Write>) {
        self.try_again();
        let mut tidied = Instant::now();
        loop {
            match queue.recv_timeout(RETRY.saturating_sub(tidied.elapsed())) {
                Ok(write) => self.shared.store(write),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if tidied.elapsed() >= RETRY {
                self.tidy();
                tidied = Instant::now();
            }
        }
    }

    fn tidy(&mut self) {
        if self.removed_old.elapsed() > REMOVE_OLD {
            self.removed_old = Instant::now();
            let old = self.shared.index().written_before(self.shared.oldest());
            old.iter().for_each(|key| self.shared.remove(key));
        }
        if self.shared.health.is_off() {
            self.try_again();
        } else if self.looked_through.is_none_or(|at| at.elapsed() > LOOK_THROUGH) {
            self.look_through();
        }
    }

    fn try_again(&mut self) {
        match self.check() {
            Ok(()) => {
                self.shared.health.works();
                self.look_through();
            }
            Err(error) => self.shared.health.write_failed(self.shared.folder.path(), &error),
        }
    }

    /// Checks that files can be written. On a full disk what is there already makes room first: files over their time,
    /// those beyond the capacity, which may be less than before, and an eighth of the others.
    fn check(&self) -> io::Result<()> {
        let shared = &self.shared;
        match shared.folder.check() {
            Err(error) if is_full(&error) && !shared.health.is_indexed() => {
                shared.look_through();
                shared.folder.check().or_else(|_| {
                    shared.evict_an_eighth();
                    shared.folder.check()
                })
            }
            checked => checked,
        }
    }

    /// Looks through the directory on a thread of its own, so that answers are written meanwhile.
    fn look_through(&mut self) {
        self.looked_through = Some(Instant::now());
        let shared = self.shared.clone();
        let started = thread::Builder::new().name("bytefit-index".to_owned()).spawn(move || shared.look_through());
        if let Err(error) = started {
            tracing::warn!(%error, "the disk cache is not looked through: no thread");
        }
    }
}

impl Shared {
    /// Writes the file of an answer, and makes room for it first.
    fn store(&self, write: Write) {
        let Write { key, cached, waits, _done } = write;
        drop(waits);
        if !self.health.can_write() {
            return;
        }
        let Some(stored) = stored::encode(&key, &cached) else { return };
        let bytes = stored.len() as u64;
        self.evict_to(self.capacity_bytes.saturating_sub(on_disk(bytes)));
        match self.write(&key, &stored) {
            Ok(()) => {
                let now = now();
                self.index().insert(key, bytes, now, now);
            }
            Err(error) => self.health.write_failed(self.folder.path(), &error),
        }
        self.metrics.set_cache_bytes(CacheTier::Disk, self.index().bytes());
    }

    /// Writes a file. When the disk is full before the cache is, an eighth of the cache makes room.
    fn write(&self, key: &Key, stored: &[u8]) -> io::Result<()> {
        match self.folder.write(key, stored) {
            Err(error) if is_full(&error) => {
                self.evict_an_eighth();
                self.folder.write(key, stored)
            }
            written => written,
        }
    }

    fn evict_an_eighth(&self) {
        let bytes = self.index().bytes();
        self.evict_to(bytes - bytes / PARTS);
    }

    /// Removes the least recently used files until they take at most `capacity`.
    fn evict_to(&self, capacity: u64) {
        loop {
            let Some(key) = self.index().pop_beyond(capacity) else { return };
            if let Err(error) = self.folder.remove(&key) {
                return self.health.write_failed(self.folder.path(), &error);
            }
        }
    }

    /// Brings the index in line with the directory.
    fn look_through(&self) {
        let began = (Instant::now(), now());
        let files = match self.folder.files() {
            Ok(files) => files,
            Err(error) => return tracing::warn!(%error, "the disk cache can't be looked through"),
        };
        self.drop_missing(&files, began.1);
        let oldest = self.oldest();
        let (young, old): (Vec<FoundFile>, Vec<FoundFile>) = files.into_iter().partition(|file| file.written >= oldest);
        for batch in young.chunks(BATCH) {
            let mut index = self.index();
            for file in batch {
                if !index.has(&file.key) {
                    index.insert(file.key, file.bytes, file.written, file.used);
                }
            }
        }
        self.health.set_indexed();
        let indexed_ms = began.0.elapsed().as_millis() as u64;
        old.iter().for_each(|file| self.remove(&file.key));
        self.evict_to(self.capacity_bytes);
        let index = self.index();
        let (entries, bytes) = (index.entries(), index.bytes());
        drop(index);
        self.metrics.set_cache_bytes(CacheTier::Disk, bytes);
        tracing::info!(files = young.len(), entries, bytes, indexed_ms, "disk cache looked through");
    }

    /// Takes those out of the index that are not among `files` and were written before it was looked for them.
    fn drop_missing(&self, files: &[FoundFile], began: u64) {
        let known = self.index().written_before(began);
        if known.is_empty() {
            return;
        }
        let there: HashSet<Key> = files.iter().map(|file| file.key).collect();
        known.iter().filter(|key| !there.contains(key)).for_each(|key| self.forget(key));
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
