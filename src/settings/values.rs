//! How sizes, durations and formats are written in settings.

/// Sizes: a number of bytes, or a text that [`parse_size`](crate::byte_size::parse_size) reads.
pub mod size {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::byte_size::{SIZE_GRAMMAR, parse_size};

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
                .map_err(|error| D::Error::custom(format!("{text:?} is {error}: write {SIZE_GRAMMAR}"))),
        }
    }

    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show(*bytes))
    }

    /// In the largest unit that says it exactly.
    fn show(bytes: u64) -> String {
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

    let text = String::deserialize(deserializer)?;
    let is_level = |directive: &str| directive.contains('=') || directive.trim().parse::<LevelFilter>().is_ok();
    if text.split(',').all(is_level) && EnvFilter::builder().parse(&text).is_ok() {
        return Ok(text);
    }
    Err(D::Error::custom(format!(
        "{text:?} is no level: expected error, warn, info, debug, trace or off, or directives as \"info,bytefit=debug\""
    )))
}

/// Durations: a text with units, as `10s`, `250ms`, `1h 30m`; longer than nothing.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a duration with its unit: \"250ms\", \"10s\", \"24h\"")]
        enum Written {
            Text(String),
        }
        let Written::Text(text) = Written::deserialize(deserializer)?;
        match humantime::parse_duration(&text) {
            Ok(Duration::ZERO) => Err(D::Error::custom(format!("{text:?} is no time at all"))),
            Ok(duration) => Ok(duration),
            Err(_) => Err(D::Error::custom(format!("{text:?} is not a duration: write 250ms, 10s, 24h"))),
        }
    }

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }
}

/// Output formats: a list of names, or one text with commas between them; at least one.
pub mod formats {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::codec::Format;

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
        let formats = names.iter().map(|name| format(name).map_err(D::Error::custom)).collect::<Result<Vec<_>, _>>()?;
        if formats.is_empty() { Err(D::Error::custom("at least one format is needed")) } else { Ok(formats) }
    }

    fn format(name: &str) -> Result<Format, String> {
        let known = Format::OUTPUT.iter().find(|format| format.name() == name);
        known.copied().ok_or_else(|| format!("{name:?} is not a format that is written: jpeg, webp, avif, png"))
    }

    pub fn serialize<S: Serializer>(formats: &[Format], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(formats.iter().map(|format| format.name()))
    }
}
