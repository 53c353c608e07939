//! The configuration of the engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::Limits;
use crate::config_value::{InvalidConfig, at_most, directory, duration, optional_text, size};
use crate::named::named;
use crate::outbound::redis::RedisUrl;

use super::machine;

/// Threads that the pool may have: more than any machine has cores. Each has its own stack.
const MAX_THREADS: usize = 1024;

/// Requests that may wait: more than a process may have files open.
const MAX_QUEUE_SLOTS: usize = 1 << 20;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The smallest directory that is any use: an answer may fill an eighth of it.
const MIN_DISK_CAPACITY: u64 = 1 << 20;

/// Sizes of the engine. Serde reads the keys of `[engine]`; the fields that it skips have sections of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Threads of the pool, and so the number of jobs that run at once. 0 means one per core. At most 1024.
    pub threads: usize,
    /// Where jobs run.
    pub workers: WorkersMode,
    /// Jobs that may wait for a permit. When as many wait, requests are refused. At most 2^20.
    pub queue_slots: usize,
    /// Memory of jobs and bodies together, in bytes. A quarter of it is for bodies. 0 means half of what the machine
    /// (or its cgroup) has.
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

named! {
    /// Where jobs run.
    pub enum WorkersMode {
        /// In processes where the system lets us seal them, else on threads.
        Auto = "auto",
        /// In sealed processes.
        Processes = "processes",
        /// On threads of the serving process.
        Threads = "threads",
    }
}

/// The configuration of the result cache, the section `[cache]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Memory of the cache, in bytes. 0 keeps nothing.
    #[serde(rename = "capacity", with = "size")]
    pub capacity_bytes: u64,
    /// How long an answer is kept in memory.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// The directory for answers. Empty means none.
    pub disk_dir: PathBuf,
    /// What its files may take together, in bytes.
    #[serde(rename = "disk_capacity", with = "size")]
    pub disk_capacity_bytes: u64,
    /// How long an answer is kept in the directory.
    #[serde(with = "duration")]
    pub disk_ttl: Duration,
    /// The Redis that instances share.
    #[serde(with = "optional_text")]
    pub redis_url: Option<RedisUrl>,
    /// How long an answer is kept in Redis.
    #[serde(with = "duration")]
    pub redis_ttl: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            threads: 0,
            workers: WorkersMode::Auto,
            queue_slots: 64,
            memory_bytes: 0,
            max_body_bytes: 64_000_000,
            cache: CacheConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when there are too many threads or queue slots.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        at_most("threads", self.threads, MAX_THREADS)?;
        at_most("queue_slots", self.queue_slots, MAX_QUEUE_SLOTS)
    }

    /// The number of jobs that run at once: `threads`, or one for each core.
    pub(crate) fn jobs(&self) -> usize {
        if self.threads == 0 { machine::cores() } else { self.threads }
    }

    /// Memory of jobs and bodies together, in bytes: `memory_bytes`, or half of what the machine has.
    pub(crate) fn memory_limit(&self) -> u64 {
        if self.memory_bytes == 0 { machine::memory_bytes() / 2 } else { self.memory_bytes }
    }
}

impl CacheConfig {
    /// The directory for answers. Returns `None` when none is configured.
    pub fn folder(&self) -> Option<&Path> {
        (!self.disk_dir.as_os_str().is_empty()).then_some(&*self.disk_dir)
    }

    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when the directory has no path, or is too small for any answer.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let refuse = |key: &str, reason| Err(InvalidConfig { keys: vec![key.to_owned()], reason });
        directory("disk_dir", &self.disk_dir)?;
        if self.disk_capacity_bytes < MIN_DISK_CAPACITY {
            let given = size::show(self.disk_capacity_bytes);
            return refuse("disk_capacity", format!("{given} is too little: at least 1MiB"));
        }
        Ok(())
    }
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig {
            capacity_bytes: 256 << 20,
            ttl: DAY,
            disk_dir: PathBuf::new(),
            disk_capacity_bytes: 5_000_000_000,
            disk_ttl: 7 * DAY,
            redis_url: None,
            redis_ttl: DAY,
        }
    }
}
