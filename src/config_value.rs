//! How sizes and durations are written in a configuration, for `#[serde(with = "...")]`.

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
