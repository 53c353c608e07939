//! The tiers of the result cache, and what is left alone because it failed.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};

use super::gauge::clamp;
use super::labels::{CacheResult, CacheTier, TierResult};
use super::{Metrics, table};

/// The label of the Redis by which instances share batches.
const BATCH_REDIS: &str = "batch_redis";

table::metrics! {
    /// What the cache finds.
    pub(super) struct Tiers {
        /// Lookups in each tier of the result cache; collapsed ones waited for an identical request.
        cache_requests_total: IntCounterVec["tier", "result"];
        /// Bytes that each tier of the result cache holds; of Redis, all that it uses.
        cache_bytes: IntGaugeVec["tier"];
        /// Whether a tier of the result cache, or the Redis of batches, is left alone for a while, because it failed.
        breaker_open: IntGaugeVec["target"];
        /// Requests that waited for an identical request instead of computing.
        coalesced_total: IntCounter[];
    }
}

impl Tiers {
    pub(super) fn start_at_zero(&self) {
        for result in CacheResult::ALL {
            self.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), result.name()]);
        }
        for tier in CacheTier::FALLIBLE.map(CacheTier::name) {
            self.breaker_open.with_label_values(&[tier]);
            for result in TierResult::ALL {
                self.cache_requests_total.with_label_values(&[tier, result.name()]);
            }
        }
        self.breaker_open.with_label_values(&[BATCH_REDIS]);
        for tier in CacheTier::ALL {
            self.cache_bytes.with_label_values(&[tier.name()]);
        }
    }
}

impl Metrics {
    /// Counts a lookup in the result cache: a hit in memory, a miss of all tiers, or one that waited.
    pub(crate) fn cache_request(&self, result: CacheResult) {
        self.tiers.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), result.name()]).inc();
        if result == CacheResult::Collapsed {
            self.tiers.coalesced_total.inc();
        }
        self.history.count(|now| now.lookup(result));
    }

    /// Counts an answer that was missing in memory and found in a tier below.
    pub(crate) fn hit_below_memory(&self) {
        self.tiers.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), CacheResult::Miss.name()]).inc();
        self.history.count(|now| now.lookup(CacheResult::Hit));
    }

    /// Counts a lookup in a tier below memory.
    pub(crate) fn tier_lookup(&self, tier: CacheTier, result: TierResult) {
        self.tiers.cache_requests_total.with_label_values(&[tier.name(), result.name()]).inc();
    }

    /// Lookups in a tier with this result.
    pub(crate) fn tier_lookups(&self, tier: CacheTier, result: TierResult) -> u64 {
        self.tiers.cache_requests_total.with_label_values(&[tier.name(), result.name()]).get()
    }

    /// Sets the size of a tier.
    pub(crate) fn set_cache_bytes(&self, tier: CacheTier, bytes: u64) {
        self.tiers.cache_bytes.with_label_values(&[tier.name()]).set(clamp(bytes));
    }

    /// Sets whether a tier is left alone.
    pub(crate) fn set_breaker_open(&self, tier: CacheTier, is_open: bool) {
        self.tiers.breaker_open.with_label_values(&[tier.name()]).set(i64::from(is_open));
    }

    /// Sets whether the Redis of batches does not answer.
    pub(crate) fn set_batch_redis_open(&self, is_open: bool) {
        self.tiers.breaker_open.with_label_values(&[BATCH_REDIS]).set(i64::from(is_open));
    }

    /// Lookups in memory with this result.
    #[cfg(test)]
    pub(crate) fn cache_requests(&self, result: CacheResult) -> u64 {
        self.tiers.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), result.name()]).get()
    }
}
