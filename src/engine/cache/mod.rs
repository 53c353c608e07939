//! The cache of results, in tiers: memory, then a directory of this machine, then a Redis that machines share. Each
//! tier that has an answer gives it to those above. No tier can fail a request: what a tier can't do is a miss.

mod disk;
mod memory;
mod redis;
mod stored;
mod waiting;

use std::sync::Arc;

use super::config::CacheConfig;
use super::key::Key;
use crate::job::Answer;
use crate::metrics::{CacheTier, Metrics, TierResult};
use disk::Disk;
use memory::Memory;
use redis::Redis;

/// An answer may fill one part in this many of a tier. One that filled all of it would push out all others.
const PARTS: u64 = 8;

/// An answer and its validator.
#[derive(Clone, Debug)]
pub(super) struct CachedAnswer {
    pub answer: Arc<Answer>,
    /// Strong validator of the answer's bytes, quotes included.
    pub etag: Arc<str>,
}

impl CachedAnswer {
    /// Wraps `answer` and hashes its bytes.
    pub(super) fn new(answer: Answer) -> CachedAnswer {
        let hash = blake3::hash(&answer.bytes);
        CachedAnswer::with_hash(answer, &hash)
    }

    /// Wraps `answer`, whose bytes have this hash. Padding leaves up to twice the capacity needed, which is released
    /// here.
    fn with_hash(mut answer: Answer, hash: &blake3::Hash) -> CachedAnswer {
        answer.bytes.shrink_to_fit();
        let etag = format!("\"{}\"", &hash.to_hex()[..32]).into();
        CachedAnswer { answer: Arc::new(answer), etag }
    }
}

/// What a tier below memory has under a key.
enum TierAnswer {
    Answer(CachedAnswer),
    Nothing,
    /// The tier failed, or what it has is damaged.
    Failed,
    /// The tier was not asked, because it failed before.
    Off,
}

impl TierAnswer {
    fn result(&self) -> TierResult {
        match self {
            TierAnswer::Answer(_) => TierResult::Hit,
            TierAnswer::Nothing => TierResult::Miss,
            TierAnswer::Failed => TierResult::Error,
            TierAnswer::Off => TierResult::Off,
        }
    }
}

/// How a tier stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TierStats {
    pub entries: u64,
    pub bytes: u64,
    pub capacity_bytes: u64,
    pub hits: u64,
    pub misses: u64,
    /// Whether the tier is left alone for a while, because it failed.
    pub off: bool,
}

/// The tiers.
pub(super) struct Cache {
    memory: Memory,
    disk: Option<Disk>,
    redis: Option<Redis>,
    metrics: Arc<Metrics>,
}

impl Cache {
    /// The tiers of `config`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn new(config: CacheConfig, metrics: Arc<Metrics>) -> std::io::Result<Cache> {
        let memory = Memory::new(config.capacity_bytes, config.ttl);
        let disk = Disk::open(&config, &metrics)?;
        let redis = config.redis_url.map(|url| Redis::new(url, config.redis_ttl, metrics.clone()));
        Ok(Cache { memory, disk, redis, metrics })
    }

    /// The answer under `key`, if it is in memory.
    pub(super) async fn get_from_memory(&self, key: &Key) -> Option<CachedAnswer> {
        self.memory.get(key).await
    }

    /// The answer under `key`, and the tier that had it.
    pub(super) async fn get(&self, key: &Key) -> Option<(CachedAnswer, CacheTier)> {
        if let Some(cached) = self.memory.get(key).await {
            return Some((cached, CacheTier::Memory));
        }
        let found = match self.get_from_disk(key).await {
            Some(cached) => (cached, CacheTier::Disk),
            None => (self.get_from_redis(key).await?, CacheTier::Redis),
        };
        self.insert_into_memory(*key, found.0.clone()).await;
        Some(found)
    }

    async fn get_from_disk(&self, key: &Key) -> Option<CachedAnswer> {
        let found = self.disk.as_ref()?.get(key).await;
        self.note(CacheTier::Disk, found)
    }

    /// What Redis has is also kept on disk.
    async fn get_from_redis(&self, key: &Key) -> Option<CachedAnswer> {
        let found = self.redis.as_ref()?.get(key).await;
        let cached = self.note(CacheTier::Redis, found)?;
        if let Some(disk) = &self.disk {
            disk.offer(*key, &cached);
        }
        Some(cached)
    }

    /// Counts a lookup in a tier below memory.
    fn note(&self, tier: CacheTier, found: TierAnswer) -> Option<CachedAnswer> {
        self.metrics.tier_lookup(tier, found.result());
        match found {
            TierAnswer::Answer(cached) => Some(cached),
            TierAnswer::Nothing | TierAnswer::Failed | TierAnswer::Off => None,
        }
    }

    /// Whether there is an answer under `key`.
    pub(super) async fn has(&self, key: &Key) -> bool {
        if self.has_here(key) {
            return true;
        }
        match &self.redis {
            Some(redis) => redis.has(key).await,
            None => false,
        }
    }

    /// Whether memory or disk have an answer under `key`.
    fn has_here(&self, key: &Key) -> bool {
        self.memory.has(key) || self.disk.as_ref().is_some_and(|disk| disk.has(key))
    }

    /// Keeps `cached` under `key`. Returns false when no tier does. The tiers below memory write it later.
    pub(super) async fn insert(&self, key: Key, cached: CachedAnswer) -> bool {
        let on_disk = self.disk.as_ref().is_some_and(|disk| disk.offer(key, &cached));
        let in_redis = self.redis.as_ref().is_some_and(|redis| redis.offer(key, &cached));
        let in_memory = self.insert_into_memory(key, cached).await;
        in_memory || on_disk || in_redis
    }

    /// Waits until `cached` can be had under `key` by those who are told of it.
    pub(super) async fn publish(&self, key: Key, cached: &CachedAnswer) {
        if let Some(disk) = &self.disk
            && !self.has_here(&key)
        {
            disk.write(key, cached).await;
        }
        if let Some(redis) = &self.redis {
            redis.publish(&key, cached).await;
        }
    }

    async fn insert_into_memory(&self, key: Key, cached: CachedAnswer) -> bool {
        let is_kept = self.memory.insert(key, cached).await;
        self.metrics.set_cache_bytes(CacheTier::Memory, self.memory.bytes());
        is_kept
    }

    /// How the tiers stand that are in use, memory first.
    pub(super) fn stats(&self) -> Vec<(CacheTier, TierStats)> {
        let memory = TierStats {
            entries: self.memory.entries(),
            bytes: self.memory.bytes(),
            capacity_bytes: self.memory.capacity_bytes(),
            ..TierStats::default()
        };
        let tiers = [
            (CacheTier::Memory, Some(memory)),
            (CacheTier::Disk, self.disk.as_ref().map(Disk::stats)),
            (CacheTier::Redis, self.redis.as_ref().map(Redis::stats)),
        ];
        let counted = |(tier, stats): (CacheTier, Option<TierStats>)| {
            let hits = self.metrics.tier_lookups(tier, TierResult::Hit);
            let misses = self.metrics.tier_lookups(tier, TierResult::Miss);
            Some((tier, TierStats { hits, misses, ..stats? }))
        };
        tiers.into_iter().filter_map(counted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, Limits};
    use crate::engine::key::Version;
    use crate::job::{Facts, Formats, Job, Outcome, Report, Timings};

    /// The key of this number.
    pub(super) fn key(number: u64) -> Key {
        Key::new(&Version::new(&Limits::default()), &blake3::hash(&number.to_le_bytes()), &Job::new(1, Formats::Keep))
    }

    /// An answer of these bytes.
    pub(super) fn cached(bytes: &[u8]) -> CachedAnswer {
        let facts = Facts { bytes: bytes.len() as u64, format: Format::Webp, width: 3, height: 2 };
        let report = Report {
            input: facts,
            output: facts,
            target: 1000,
            outcome: Outcome::Quality,
            cut_short: false,
            damaged: false,
            padded: false,
            quality: Some(70.5),
            score: None,
            encodes: 2,
            encodes_by_format: vec![(Format::Webp, 2)],
            steps: Vec::new(),
            timings: Timings::default(),
        };
        CachedAnswer::new(Answer { bytes: bytes.to_vec(), report })
    }
}
