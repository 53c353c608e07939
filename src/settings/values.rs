//! How addresses, sizes, durations and formats are written in settings.

/// Addresses to listen on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for every address of the machine.
pub mod address {
    use std::net::{Ipv4Addr, SocketAddr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::params::excerpt::quoted;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            let written = quoted(&text);
            D::Error::custom(format!(
                "{written} is no socket address: write 127.0.0.1:8080, [::1]:8080, localhost:8080 or :8080"
            ))
        })
    }

    fn parse(text: &str) -> Option<SocketAddr> {
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        // No other name is looked up: it might mean something else at every start.
        let (ip, port) = match text.split_once(':')? {
            ("", port) => (Ipv4Addr::UNSPECIFIED, port),
            (name, port) if name.eq_ignore_ascii_case("localhost") => (Ipv4Addr::LOCALHOST, port),
            _ => return None,
        };
        Some(SocketAddr::from((ip, port.parse().ok()?)))
    }

    pub fn serialize<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }
}

/// Sizes: a number of bytes, or a text that [`parse_size`](crate::byte_size::parse_size) reads.
pub mod size {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::byte_size::{SIZE_GRAMMAR, parse_size};
    use crate::params::excerpt::quoted;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a size: bytes as 80000, or \"80KB\", \"64MiB\"")]
    enum Written {
        Bytes(u64),
        Text(String),
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => Ok(bytes),
            Written::Text(text) => parse_size(&text)
                .map_err(|error| D::Error::custom(format!("{} is {error}: write {SIZE_GRAMMAR}", quoted(&text)))),
        }
    }

    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show(*bytes))
    }

    /// In the largest unit that says it exactly.
    pub fn show(bytes: u64) -> String {
        let units = [
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("KB", 1000),
        ];
        match units.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)) {
            Some((unit, factor)) => format!("{}{unit}", bytes / factor),
            None => bytes.to_string(),
        }
    }
}

/// What log lines are written: a level, or directives as `RUST_LOG` takes them, each with its level.
///
/// # Errors
/// A word that is no level would be taken for the name of a target, and nothing be logged.
pub fn log_level<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    use serde::{Deserialize, de::Error};
    use tracing_subscriber::filter::{EnvFilter, LevelFilter};

    use crate::params::excerpt::quoted;

    let text = String::deserialize(deserializer)?;
    let is_level = |directive: &str| directive.contains('=') || directive.trim().parse::<LevelFilter>().is_ok();
    if text.split(',').all(is_level) && EnvFilter::builder().parse(&text).is_ok() {
        return Ok(text);
    }
    Err(D::Error::custom(format!(
        "{} is no level: expected error, warn, info, debug, trace or off, or directives as \"info,bytefit=debug\"",
        quoted(&text)
    )))
}

/// Durations: a text that [`parse_duration`](crate::params::duration::parse_duration) reads; longer than nothing, a year
/// at the most.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::params::duration::{parse_duration, show_duration};
    use crate::params::excerpt::quoted;

    /// Longer than any timeout makes sense, and short enough to be added to every clock. `1y` is 365.25 days.
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a duration with its unit: \"250ms\", \"10s\", \"24h\"")]
        enum Written {
            Text(String),
        }
        let Written::Text(text) = Written::deserialize(deserializer)?;
        match parse_duration(&text).map_err(D::Error::custom)? {
            Duration::ZERO => Err(D::Error::custom(format!("{} is no time at all", quoted(&text)))),
            duration if duration > LONGEST => Err(D::Error::custom(format!("{} is more than a year", quoted(&text)))),
            duration => Ok(duration),
        }
    }

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(*duration))
    }
}

/// Output formats: a list of names, or one text with commas between them; at least one.
pub mod formats {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::codec::Format;
    use crate::params::output_format;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of formats: [\"webp\", \"jpeg\"]")]
    enum Written {
        List(Vec<String>),
        Text(String),
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Format>, D::Error> {
        let names = match Written::deserialize(deserializer)? {
            Written::List(names) => names,
            Written::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        let formats =
            names.iter().map(|name| output_format(name)).collect::<Result<Vec<_>, _>>().map_err(D::Error::custom)?;
        if formats.is_empty() { Err(D::Error::custom("at least one format is needed")) } else { Ok(formats) }
    }

    pub fn serialize<S: Serializer>(formats: &[Format], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(formats.iter().map(|format| format.name()))
    }
}
