//! Whether the directory works. One that fails is left alone for a while, with one warning.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::{CacheTier, Metrics};

/// A directory that fails again and again is in the log once in this time.
const QUIET: Duration = Duration::from_secs(600);

/// How the directory stands.
pub(super) struct Health {
    no_writes: AtomicBool,
    no_reads: AtomicBool,
    is_indexed: AtomicBool,
    warned: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl Health {
    pub(super) fn new(metrics: Arc<Metrics>) -> Health {
        Health {
            no_writes: AtomicBool::new(false),
            no_reads: AtomicBool::new(false),
            is_indexed: AtomicBool::new(false),
            warned: Mutex::new(None),
            metrics,
        }
    }

    pub(super) fn can_read(&self) -> bool {
        !self.no_reads.load(Ordering::Relaxed)
    }

    pub(super) fn can_write(&self) -> bool {
        !self.no_writes.load(Ordering::Relaxed)
    }

    pub(super) fn is_off(&self) -> bool {
        !self.can_read() || !self.can_write()
    }

    /// Whether the directory was looked through, so that what is not in the index is not there.
    pub(super) fn is_indexed(&self) -> bool {
        self.is_indexed.load(Ordering::Relaxed)
    }

    pub(super) fn set_indexed(&self) {
        self.is_indexed.store(true, Ordering::Relaxed);
    }

    /// Nothing is written until [`Health::works`]. What is there is still read: a full disk can be.
    pub(super) fn write_failed(&self, path: &Path, error: &io::Error) {
        if !self.no_writes.swap(true, Ordering::Relaxed) {
            self.warn(path, &format!("can't be written: {error}"));
        }
    }

    /// Nothing is read or written until [`Health::works`].
    pub(super) fn read_hung(&self, path: &Path) {
        self.no_writes.store(true, Ordering::Relaxed);
        if !self.no_reads.swap(true, Ordering::Relaxed) {
            self.warn(path, "does not answer");
        }
    }

    fn warn(&self, path: &Path, reason: &str) {
        self.metrics.set_breaker_open(CacheTier::Disk, true);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = warned.is_none_or(|at| at.elapsed() > QUIET);
        let path = path.display();
        match is_news {
            true => tracing::warn!(%path, reason, "disk cache off: tried again every few seconds"),
            false => tracing::debug!(%path, reason, "disk cache off again"),
        }
        if is_news {
            *warned = Some(Instant::now());
        }
    }

    /// The directory can be written again.
    pub(super) fn works(&self) {
        if self.is_off() {
            self.no_writes.store(false, Ordering::Relaxed);
            self.no_reads.store(false, Ordering::Relaxed);
            self.metrics.set_breaker_open(CacheTier::Disk, false);
            tracing::info!("disk cache on again");
        }
    }
}
