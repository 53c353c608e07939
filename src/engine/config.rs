//! The configuration of the engine.

use std::time::Duration;

use serde::Deserialize;

use crate::codec::Limits;
use crate::config_value::{duration, size};

/// Sizes of the engine. Serde reads the keys of `[engine]`; the fields that it skips have sections of their own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Threads of the pool, and so the number of jobs that run at once. 0 means one per core.
    pub threads: usize,
    /// Jobs that may wait for a permit. When as many wait, requests are refused.
    pub queue_slots: usize,
    /// Memory of jobs and bodies together, in bytes. A quarter of it is for bodies. 0 means half of what the machine (or
    /// its cgroup) has.
    #[serde(rename = "memory", with = "size")]
    pub memory_bytes: u64,
    /// The largest body, in bytes. The memory of bodies is at least this, however little there is.
    #[serde(skip)]
    pub max_body_bytes: u64,
    /// The result cache.
    #[serde(skip)]
    pub cache: CacheConfig,
    /// Limits on pictures.
    #[serde(skip)]
    pub limits: Limits,
}

/// The configuration of the result cache, the section `[cache]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Memory of the cache, in bytes. 0 keeps nothing.
    #[serde(rename = "capacity", with = "size")]
    pub capacity_bytes: u64,
    /// How long an answer is kept.
    #[serde(with = "duration")]
    pub ttl: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            threads: 0,
            queue_slots: 64,
            memory_bytes: 0,
            max_body_bytes: 64_000_000,
            cache: CacheConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig { capacity_bytes: 256 << 20, ttl: Duration::from_secs(24 * 3600) }
    }
}
