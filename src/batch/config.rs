//! The configuration of batches.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config_value::{InvalidConfig, at_least_one, at_most, directory, duration, optional_text, size};
use crate::outbound::redis::RedisUrl;
use crate::params::MAX_CONCURRENT;

use super::store::StoreUrl;

/// Items that a batch may have: an archive has at most 65,535 files (APPNOTE 4.4.22), one of which is the report.
const MAX_ITEMS: usize = 65_534;

/// Redis says what is to be done, and has no pictures.
const NO_SHARED_STORE: &str = "instances share batches by a directory or an object store too: set batch.dir to one that all of them have, such as a volume of several writers, or batch.store_url";

/// Keys of the section `[batch]`. config/default.toml says what each is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where batches are kept; empty keeps them in memory.
    pub dir: PathBuf,
    /// The object store where batches are kept, in place of a directory.
    #[serde(with = "optional_text")]
    pub store_url: Option<StoreUrl>,
    /// The Redis by which instances that have the same store share the work.
    #[serde(with = "optional_text")]
    pub redis_url: Option<RedisUrl>,
    /// Items of a batch.
    pub max_items: usize,
    /// Bytes that the pictures of all batches may have together.
    #[serde(with = "size")]
    pub max_bytes: u64,
    /// How long a batch is kept.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// Items of one batch that may be worked on at once.
    pub max_concurrent: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            dir: PathBuf::new(),
            store_url: None,
            redis_url: None,
            max_items: 1000,
            max_bytes: 1_000_000_000,
            ttl: Duration::from_secs(24 * 3600),
            max_concurrent: MAX_CONCURRENT,
        }
    }
}

impl Config {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when no batch could be taken, or one could be larger than what can be answered.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        directory("dir", &self.dir)?;
        if self.store_url.is_some() && self.has_directory() {
            let keys = vec!["store_url".to_owned(), "dir".to_owned()];
            return Err(InvalidConfig { keys, reason: "batches are kept in one place: set one of them".to_owned() });
        }
        if self.redis_url.is_some() && self.store_url.is_none() && !self.has_directory() {
            let keys = vec!["redis_url".to_owned(), "dir".to_owned(), "store_url".to_owned()];
            return Err(InvalidConfig { keys, reason: NO_SHARED_STORE.to_owned() });
        }
        at_least_one("max_items", self.max_items as u64)?;
        at_most("max_items", self.max_items, MAX_ITEMS)?;
        at_least_one("max_bytes", self.max_bytes)?;
        at_least_one("max_concurrent", self.max_concurrent as u64)?;
        at_most("max_concurrent", self.max_concurrent, MAX_CONCURRENT)
    }

    /// Whether batches are kept in a directory.
    pub fn has_directory(&self) -> bool {
        !self.dir.as_os_str().is_empty()
    }
}
