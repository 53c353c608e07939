//! The tier in memory, bounded in bytes.

use std::time::Duration;

use moka::policy::EvictionPolicy;

use super::{CachedAnswer, PARTS};
use crate::engine::key::Key;
use crate::job::Step;

/// What an entry takes besides the answer's bytes and the steps of its search: key, report, reference counts and the
/// cache's own nodes, about 700 bytes, rounded up.
const ENTRY_BYTES: usize = 1024;

/// moka refuses lifetimes over 1000 years.
const LONGEST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Answers in memory. The one that was requested least recently is evicted first.
pub(super) struct Memory {
    cached: moka::future::Cache<Key, CachedAnswer>,
    capacity_bytes: u64,
}

impl Memory {
    /// At most `capacity_bytes` of answers, each kept for `ttl`. A capacity of 0 keeps nothing.
    pub(super) fn new(capacity_bytes: u64, ttl: Duration) -> Memory {
        let cached = moka::future::Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|_, cached: &CachedAnswer| weight(cached))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(ttl.min(LONGEST_TTL))
            .build();
        Memory { cached, capacity_bytes }
    }

    /// The answer under `key`.
    pub(super) async fn get(&self, key: &Key) -> Option<CachedAnswer> {
        self.cached.get(key).await
    }

    /// Whether there is an answer under `key`.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.cached.contains_key(key)
    }

    /// Keeps `cached` under `key`. Returns false when it is larger than an eighth of the cache, and is not kept.
    pub(super) async fn insert(&self, key: Key, cached: CachedAnswer) -> bool {
        let fits = u64::from(weight(&cached)) <= self.capacity_bytes / PARTS;
        if fits {
            self.cached.insert(key, cached).await;
            // Evicts at once, so that the capacity holds and the counts below are right.
            self.cached.run_pending_tasks().await;
        }
        fits
    }

    /// Number of answers kept.
    pub(super) fn entries(&self) -> u64 {
        self.cached.entry_count()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.cached.weighted_size()
    }

    /// Bytes that they may take.
    pub(super) fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }
}

fn weight(cached: &CachedAnswer) -> u32 {
    let steps = cached.answer.report.steps.capacity() * size_of::<Step>();
    u32::try_from(cached.answer.bytes.capacity() + steps + ENTRY_BYTES).unwrap_or(u32::MAX)
}
