//! The configuration of the HTTP service.

mod access;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config_value::{InvalidConfig, at_least_one, at_most, duration, size};
pub use access::{ApiKey, AuthConfig, CorsConfig, Origin, RateConfig, Secret};

/// Connections that may be open: more than a process may have files open.
const MAX_CONNECTIONS: usize = 1 << 20;

/// Limits on clients: keys of the section `[server]`. config/default.toml says what each is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Connections open at once. Any more are answered with 503 and closed. 1 to 2^20.
    pub max_connections: usize,
    /// Time for a request's head, from its first possible moment to its last line.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// Time for a body, from its first byte to its last.
    #[serde(with = "duration")]
    pub upload_timeout: Duration,
    /// How long a connection may be idle between requests, and how far a client may fall behind `min_answer_rate`.
    #[serde(with = "duration")]
    pub keep_alive_timeout: Duration,
    /// Bytes a second that a client has to read of an answer once the system buffers no more of it. 0 means any rate.
    #[serde(with = "size")]
    pub min_answer_rate: u64,
    /// Time from the start of draining until open connections are dropped.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
    /// Bytes that a request's body may have, multipart framing included.
    #[serde(rename = "max_body", with = "size")]
    pub max_body_bytes: u64,
    /// Proxies before the service whose X-Forwarded-For is believed. 0 means that clients connect themselves.
    pub trusted_proxies: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            max_connections: 1024,
            header_timeout: Duration::from_secs(10),
            upload_timeout: Duration::from_secs(60),
            keep_alive_timeout: Duration::from_secs(75),
            min_answer_rate: 32_000,
            drain_timeout: Duration::from_secs(25),
            max_body_bytes: 64_000_000,
            trusted_proxies: 0,
        }
    }
}

impl Config {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when no connection or body is allowed, or too many connections are.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        at_least_one("max_connections", self.max_connections as u64)?;
        at_most("max_connections", self.max_connections, MAX_CONNECTIONS)?;
        at_least_one("max_body", self.max_body_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_a_service_that_accepts_nothing_is_not() {
        let defaults = Config::default();
        assert_eq!(defaults.validate(), Ok(()));
        let no_connections = Config { max_connections: 0, ..defaults.clone() };
        assert_eq!(no_connections.validate().unwrap_err().keys, ["max_connections"]);
        let no_body = Config { max_body_bytes: 0, ..defaults };
        assert_eq!(no_body.validate().unwrap_err().keys, ["max_body"]);
    }
}
