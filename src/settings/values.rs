//! How values are written in settings.

pub use crate::config_value::{duration, size};

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
