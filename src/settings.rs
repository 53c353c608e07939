//! Defaults < file < environment < flags, to each room's own configuration.
//! Must not know how a room uses its settings, and reads no environment itself: it is handed in.

mod layers;
mod values;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Format};
use crate::params::duration::show_duration;
use crate::{engine, params};
pub use layers::{Origin, SettingsError};

/// Every setting with its default, commented.
pub const DEFAULT_TOML: &str = include_str!("../config/default.toml");

/// Threads that a pool may have: more than any machine has cores; each has a stack of its own.
const MAX_THREADS: usize = 1024;

/// Connections, or requests in the queue, that may wait at once: more than a process may have files open.
const MAX_WAITING: usize = 1 << 20;

/// Memory for jobs, in bytes, below which hardly any picture could be worked on: one of 640x480 takes 14 MB in the
/// default formats (44 bytes a pixel, job/memory.rs).
const LEAST_JOB_MEMORY: u64 = 16 << 20;

/// Every setting of the service. `config/default.toml` says what each is and what it buys.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub engine: Engine,
    pub limits: Limits,
    pub fit: Fit,
    pub cache: Cache,
    pub log: Log,
}

/// `[server]`: bounds on clients.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    #[serde(with = "values::address")]
    pub listen: SocketAddr,
    /// 1 to 2^20.
    pub max_connections: usize,
    #[serde(with = "values::duration")]
    pub header_timeout: Duration,
    #[serde(with = "values::duration")]
    pub upload_timeout: Duration,
    #[serde(with = "values::duration")]
    pub keep_alive_timeout: Duration,
    /// Bytes a second; 0 is none.
    #[serde(with = "values::size")]
    pub min_answer_rate: u64,
    #[serde(with = "values::duration")]
    pub drain_timeout: Duration,
    /// Bytes, at least 1.
    #[serde(with = "values::size")]
    pub max_body: u64,
    pub sandbox: bool,
}

/// `[engine]`: bounds on the work done at once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// 0 is one a core; at most 1024.
    pub threads: usize,
    /// At most 2^20.
    pub queue_slots: usize,
    /// Bytes; 0 is half of what the machine has, else enough for one body and one small picture.
    #[serde(with = "values::size")]
    pub memory: u64,
}

/// `[limits]`: bounds on a picture and its target.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// At least 1.
    pub max_pixels: u64,
    /// At least 1.
    pub max_side: u32,
    /// At least 1.
    pub max_frames: u32,
    /// Bytes.
    #[serde(with = "values::size")]
    pub max_metadata: u64,
    /// Bytes, at least 1.
    #[serde(with = "values::size")]
    pub max_target: u64,
}

/// `[fit]`: what stands where a request is silent.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// At most `max_deadline`.
    #[serde(with = "values::duration")]
    pub deadline: Duration,
    #[serde(with = "values::duration")]
    pub max_deadline: Duration,
    /// Output formats, at least one.
    #[serde(with = "values::formats")]
    pub formats: Vec<Format>,
}

/// `[cache]`: answers kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Bytes; 0 keeps nothing.
    #[serde(with = "values::size")]
    pub capacity: u64,
    #[serde(with = "values::duration")]
    pub ttl: Duration,
}

/// `[log]`: what is logged and how.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level, or directives as RUST_LOG takes them.
    #[serde(deserialize_with = "values::log_level")]
    pub level: String,
    pub format: LogFormat,
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    Pretty,
    Json,
}

/// Settings given on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`.
    pub listen: Option<String>,
}

impl Default for Settings {
    /// `config/default.toml`.
    fn default() -> Settings {
        toml::from_str(DEFAULT_TOML).expect("the embedded defaults are valid")
    }
}

impl Settings {
    /// Loads the settings: the defaults, then `file`, then the variables of `environment`, then `flags`.
    ///
    /// Of the environment count `BYTEFIT_SECTION__KEY`, the same with `_FILE` behind it (the value stands in
    /// the file of that name), and `PORT`. `BYTEFIT_PORT` and the like, which Kubernetes sets, do not.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and line, the variable or the flag of an unknown key, of a value
    /// that can't be used and of values that can't stand together.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Settings, SettingsError> {
        let mut overrides = match file {
            Some(path) => layers::file(path)?,
            None => Vec::new(),
        };
        overrides.extend(layers::environment(environment)?);
        overrides.extend(layers::flags(flags));
        layers::apply(overrides)
    }

    /// The settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are tables of plain values")
    }

    /// The engine's configuration.
    pub fn engine_config(&self) -> engine::Config {
        engine::Config {
            threads: self.engine.threads,
            queue_slots: self.engine.queue_slots,
            memory_bytes: self.engine.memory,
            max_body_bytes: self.server.max_body,
            cache: engine::CacheConfig { capacity_bytes: self.cache.capacity, ttl: self.cache.ttl },
            limits: self.codec_limits(),
        }
    }

    /// What stands where a request is silent.
    pub fn defaults(&self) -> params::Defaults {
        params::Defaults {
            max_target: self.limits.max_target,
            deadline: self.fit.deadline,
            max_deadline: self.fit.max_deadline,
            formats: self.fit.formats.clone(),
        }
    }

    fn codec_limits(&self) -> codec::Limits {
        codec::Limits {
            max_pixels: self.limits.max_pixels,
            max_side: self.limits.max_side,
            max_frames: self.limits.max_frames,
            max_metadata_bytes: usize::try_from(self.limits.max_metadata).unwrap_or(usize::MAX),
        }
    }

    /// The first keys whose values can't stand, and why.
    fn conflict(&self) -> Option<(Vec<&'static str>, String)> {
        self.zero()
            .or_else(|| self.too_many())
            .or_else(|| self.too_little_memory())
            .or_else(|| self.too_long_deadline())
    }

    fn zero(&self) -> Option<(Vec<&'static str>, String)> {
        let at_least_one = [
            ("server.max_connections", self.server.max_connections == 0),
            ("server.max_body", self.server.max_body == 0),
            ("limits.max_pixels", self.limits.max_pixels == 0),
            ("limits.max_side", self.limits.max_side == 0),
            ("limits.max_frames", self.limits.max_frames == 0),
            ("limits.max_target", self.limits.max_target == 0),
        ];
        let (key, _) = at_least_one.into_iter().find(|(_, zero)| *zero)?;
        Some((vec![key], "must be at least 1".to_owned()))
    }

    fn too_many(&self) -> Option<(Vec<&'static str>, String)> {
        let at_most = [
            ("engine.threads", self.engine.threads, MAX_THREADS),
            ("engine.queue_slots", self.engine.queue_slots, MAX_WAITING),
            ("server.max_connections", self.server.max_connections, MAX_WAITING),
        ];
        let (key, value, most) = at_most.into_iter().find(|(_, value, most)| value > most)?;
        Some((vec![key], format!("{value} is more than {most}")))
    }

    fn too_little_memory(&self) -> Option<(Vec<&'static str>, String)> {
        let (memory, body) = (self.engine.memory, self.server.max_body);
        // A quarter is for bodies, or as much as the largest one takes.
        let least = (LEAST_JOB_MEMORY / 3 * 4).max(LEAST_JOB_MEMORY.saturating_add(body));
        let reason = || {
            let [memory, least, body] = [memory, least.next_multiple_of(1 << 20), body].map(values::size::show);
            format!(
                "{memory} is less than one body and one small picture take: at least {least} with server.max_body {body}"
            )
        };
        (memory > 0 && memory < least).then(|| (vec!["engine.memory", "server.max_body"], reason()))
    }

    fn too_long_deadline(&self) -> Option<(Vec<&'static str>, String)> {
        let (deadline, max) = (self.fit.deadline, self.fit.max_deadline);
        (deadline > max).then(|| {
            let [deadline, max] = [deadline, max].map(show_duration);
            (vec!["fit.deadline", "fit.max_deadline"], format!("deadline {deadline} is longer than max_deadline {max}"))
        })
    }
}

#[cfg(test)]
mod tests;
