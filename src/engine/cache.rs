//! The cache of results, bounded in bytes.

use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;

use super::key::Key;
use crate::job::{Answer, Step};

/// What an entry takes besides the answer's bytes and trace: key, report, reference counts and the cache's own nodes,
/// about 700 bytes, rounded up.
const ENTRY_BYTES: usize = 1024;

/// An answer may fill one part in this many of the cache. One that filled all of it would push out all others.
const PARTS: u64 = 8;

/// moka refuses lifetimes over 1000 years.
const LONGEST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// An answer and its validator.
#[derive(Clone, Debug)]
pub(super) struct CachedAnswer {
    pub answer: Arc<Answer>,
    /// Strong validator of the answer's bytes, quotes included.
    pub etag: Arc<str>,
}

impl CachedAnswer {
    /// Wraps `answer` and hashes its bytes. Padding leaves up to twice the capacity needed, which is released here.
    pub(super) fn new(mut answer: Answer) -> CachedAnswer {
        answer.bytes.shrink_to_fit();
        let hash = blake3::hash(&answer.bytes).to_hex();
        let etag = format!("\"{}\"", &hash[..32]).into();
        CachedAnswer { answer: Arc::new(answer), etag }
    }

    fn weight(&self) -> u32 {
        let trace = self.answer.report.trace.capacity() * size_of::<Step>();
        u32::try_from(self.answer.bytes.capacity() + trace + ENTRY_BYTES).unwrap_or(u32::MAX)
    }
}

/// The result cache. The answer that was requested least recently is evicted first.
pub(super) struct Cache {
    cached: moka::future::Cache<Key, CachedAnswer>,
    capacity_bytes: u64,
}

impl Cache {
    /// A cache of at most `capacity_bytes` that keeps each answer for `ttl`. A capacity of 0 keeps nothing.
    pub(super) fn new(capacity_bytes: u64, ttl: Duration) -> Cache {
        let cached = moka::future::Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|_, cached: &CachedAnswer| cached.weight())
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(ttl.min(LONGEST_TTL))
            .build();
        Cache { cached, capacity_bytes }
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
        let fits = u64::from(cached.weight()) <= self.capacity_bytes / PARTS;
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
