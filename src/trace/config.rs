//! The configuration of traces.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config_value::{REDACTED, duration, optional_text};

/// Where traces go below the address of a collector (OTLP/HTTP, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";

/// Keys of the section `[trace]`. config/default.toml says what each is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The collector; `None` for no traces.
    #[serde(with = "optional_text")]
    pub endpoint: Option<Endpoint>,
    /// The share of requests that are traced, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub sample: f64,
    /// Time for the collector to take a batch of spans.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Config {
        // OpenTelemetry, "OTLP Exporter Configuration": 10 s.
        Config { endpoint: None, sample: 1.0, timeout: Duration::from_secs(10) }
    }
}

/// The URL that takes traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is no endpoint. It does not repeat the text, which may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// Not a URL with http or https.
    #[error("no address of a collector: write http://HOST:4318")]
    NotHttp,
    /// A URL with a user or password.
    #[error("a URL with a user or password would be printed: set OTEL_EXPORTER_OTLP_HEADERS instead")]
    HasCredentials,
}

impl Endpoint {
    /// The port of the collector.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    /// Reads a URL. Without a path it gets the usual one.
    fn from_str(text: &str) -> Result<Endpoint, NoEndpoint> {
        let mut url = Url::parse(text).map_err(|_| NoEndpoint::NotHttp)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NoEndpoint::HasCredentials);
        }
        if !matches!(url.scheme(), "http" | "https") || url.port() == Some(0) || url.fragment().is_some() {
            return Err(NoEndpoint::NotHttp);
        }
        if url.path() == "/" {
            url.set_path(TRACES_PATH);
        }
        Ok(Endpoint(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = self.0.clone();
        // Some collectors take their key in it.
        if printed.query().is_some() {
            printed.set_query(Some(REDACTED));
        }
        f.write_str(printed.as_str())
    }
}

/// Reads a share: a number, or its text, as variables of the environment have it.
fn share<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number from 0 to 1")]
    enum Written {
        Number(f64),
        Text(String),
    }
    let number = match Written::deserialize(deserializer)? {
        Written::Number(number) => Some(number),
        Written::Text(text) => text.trim().parse().ok(),
    };
    let in_range = number.filter(|number| (0.0..=1.0).contains(number));
    in_range.ok_or_else(|| serde::de::Error::custom("expected a number from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_gets_the_usual_path_unless_it_has_one() {
        for (written, endpoint, port) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces", 4318),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces", 4318),
            ("https://otlp.example.com/api/otlp", "https://otlp.example.com/api/otlp", 443),
            ("http://[::1]/?a=b", "http://[::1]/v1/traces?a=b", 80),
        ] {
            let read: Endpoint = written.parse().unwrap();
            assert_eq!((read.as_str(), read.port()), (endpoint, port), "{written}");
        }
        let with_key: Endpoint = "http://collector/?key=hunter2".parse().unwrap();
        assert_eq!(with_key.to_string(), "http://collector/v1/traces?[redacted]");
    }

    #[test]
    fn what_is_no_collector_is_refused() {
        for text in ["localhost:4318", "grpc://localhost:4317", "http://", "http://a:0/", "http://a/#b", "/v1/traces"] {
            assert_eq!(text.parse::<Endpoint>(), Err(NoEndpoint::NotHttp), "{text}");
        }
        let refused = "http://user:hunter2@localhost:4318".parse::<Endpoint>();
        assert_eq!(refused, Err(NoEndpoint::HasCredentials));
    }
}
