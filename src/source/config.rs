//! The configuration of pictures by URL.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Host;

use super::signature::{HexSecret, Signer};
use crate::config_value::{InvalidConfig, at_least_one, at_most, duration, list, size};
use crate::excerpt::quoted;

/// Fetches that may run at once: more than a process may have files open.
const MAX_CONCURRENT: usize = 1 << 16;

/// Redirects that may be followed: as many as browsers follow (Fetch, "HTTP-redirect fetch").
const MAX_REDIRECTS: usize = 20;

/// Longest name of a host, in bytes (RFC 1035 s2.3.4), with `*.` before it.
const MAX_HOST_BYTES: usize = 255;

/// Keys of the section `[source]`. config/default.toml says what each is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether pictures are fetched by URL at all.
    pub enabled: bool,
    /// Hosts that pictures may come from. Empty means every public host.
    #[serde(with = "list")]
    pub allowed_hosts: Vec<AllowedHost>,
    /// Ports that pictures may come from.
    #[serde(with = "list")]
    pub ports: Vec<u16>,
    /// Whether addresses of private networks and of this machine may be asked.
    pub allow_private: bool,
    /// Time for a whole fetch: waiting for its turn, every redirect, and the last byte.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Time for a name, a connection and its encryption.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// Redirects that a fetch follows.
    pub redirects: usize,
    /// Bytes that a picture may have after decompression. 0 means as many as a request's body.
    #[serde(with = "size")]
    pub max_bytes: u64,
    /// Fetches that run at once.
    pub max_concurrent: usize,
    /// Fetches that run at once from one host.
    pub per_host: usize,
    /// How long an answer to a GET stays fresh, in caches and here.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// Keys of signatures, each with the salt at its place.
    #[serde(with = "list")]
    pub keys: Vec<HexSecret>,
    /// Salts of signatures.
    #[serde(with = "list")]
    pub salts: Vec<HexSecret>,
    /// Whether GET is answered without a signature.
    pub unsigned: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            enabled: false,
            allowed_hosts: Vec::new(),
            ports: vec![80, 443],
            allow_private: false,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            redirects: 3,
            max_bytes: 0,
            max_concurrent: 64,
            per_host: 8,
            ttl: Duration::from_secs(3600),
            keys: Vec::new(),
            salts: Vec::new(),
            unsigned: false,
        }
    }
}

impl Config {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when no fetch could run, when keys and salts are not pairs, and when GET without a signature is not
    /// bound to hosts.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        at_least_one("max_concurrent", self.max_concurrent as u64)?;
        at_most("max_concurrent", self.max_concurrent, MAX_CONCURRENT)?;
        at_least_one("per_host", self.per_host as u64)?;
        at_least_one("ports", self.ports.len() as u64)?;
        at_most("redirects", self.redirects, MAX_REDIRECTS)?;
        if self.keys.len() != self.salts.len() {
            let reason =
                format!("there are {} keys and {} salts: each key has one salt", self.keys.len(), self.salts.len());
            return Err(InvalidConfig { keys: vec!["keys".to_owned(), "salts".to_owned()], reason });
        }
        if self.unsigned && self.allowed_hosts.is_empty() {
            let reason = "anyone could have any picture fetched: name the hosts in source.allowed_hosts".to_owned();
            return Err(InvalidConfig { keys: vec!["unsigned".to_owned()], reason });
        }
        Ok(())
    }

    /// Signs and verifies links.
    pub fn signer(&self) -> Signer {
        Signer::new(&self.keys, &self.salts)
    }

    /// The ports to which connections are opened: none while pictures are not fetched.
    pub fn outgoing_ports(&self) -> &[u16] {
        if self.enabled { &self.ports } else { &[] }
    }

    /// Whether pictures may come from `host`.
    pub(super) fn allows_host(&self, host: &Host<&str>) -> bool {
        self.allowed_hosts.is_empty() || self.allowed_hosts.iter().any(|allowed| allowed.matches(host))
    }
}

/// A host that pictures may come from: `images.example.com`, an address, or `*.example.com` for every host below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// This host alone.
    Exact(Host),
    /// Every host whose name ends in this, with the dot at its front.
    Below(String),
}

impl AllowedHost {
    fn matches(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (AllowedHost::Exact(Host::Domain(own)), Host::Domain(name)) => own == without_dot(name),
            (AllowedHost::Exact(own), host) => *own == host.to_owned(),
            (AllowedHost::Below(suffix), Host::Domain(name)) => {
                let name = without_dot(name);
                name.len() > suffix.len() && name.ends_with(suffix.as_str())
            }
            (AllowedHost::Below(_), _) => false,
        }
    }
}

/// A name without the dot that marks it as complete.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<AllowedHost, String> {
        let refuse = || format!("{} is no host: write example.com, *.example.com or an address", quoted(text));
        if text.len() > MAX_HOST_BYTES {
            return Err(refuse());
        }
        if let Some(parent) = text.strip_prefix("*.") {
            return match Host::parse(parent).map_err(|_| refuse())? {
                Host::Domain(name) => Ok(AllowedHost::Below(format!(".{}", without_dot(&name)))),
                _ => Err(refuse()),
            };
        }
        match Host::parse(text).map_err(|_| refuse())? {
            Host::Domain(name) if name.contains('*') => Err(refuse()),
            Host::Domain(name) => Ok(AllowedHost::Exact(Host::Domain(without_dot(&name).to_owned()))),
            address => Ok(AllowedHost::Exact(address)),
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowedHost::Exact(host) => host.fmt(f),
            AllowedHost::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl Serialize for AllowedHost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, host: &str) -> bool {
        let config = Config { allowed_hosts: vec![allowed.parse().unwrap()], ..Config::default() };
        let url = url::Url::parse(&format!("http://{host}/")).unwrap();
        config.allows_host(&url.host().unwrap())
    }

    #[test]
    fn a_host_is_allowed_exactly_or_below_a_suffix() {
        for (allowed, host) in [
            ("example.com", "EXAMPLE.com"),
            ("example.com", "example.com."),
            ("*.example.com", "img.example.com"),
            ("*.example.com", "a.b.example.com."),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:db8::1]", "[2001:DB8::1]"),
        ] {
            assert!(allows(allowed, host), "{allowed} {host}");
        }
        for (allowed, host) in [
            ("example.com", "img.example.com"),
            ("*.example.com", "example.com"),
            ("*.example.com", "badexample.com"),
            ("*.example.com", "example.com.evil.test"),
            ("example.com", "example.com.evil.test"),
            ("192.0.2.7", "192.0.2.8"),
        ] {
            assert!(!allows(allowed, host), "{allowed} {host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in
            ["", "*", "*.", "http://example.com", "example.com/a", "a.*.com", "*.192.0.2.7", "a b", "example.com:80"]
        {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn keys_and_salts_are_pairs_and_unsigned_links_are_bound_to_hosts() {
        assert_eq!(Config::default().validate(), Ok(()));
        let keys = vec!["00ff".parse().unwrap()];
        assert_eq!(Config { keys, ..Config::default() }.validate().unwrap_err().keys, ["keys", "salts"]);
        let unsigned = Config { unsigned: true, ..Config::default() };
        assert_eq!(unsigned.validate().unwrap_err().keys, ["unsigned"]);
        let allowed_hosts = vec!["example.com".parse().unwrap()];
        assert_eq!(Config { allowed_hosts, ..unsigned }.validate(), Ok(()));
    }
}
