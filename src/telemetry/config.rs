//! The configuration of log lines.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::excerpt::quoted;

/// What is logged and how: the section `[log]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A level, or directives in the syntax of `RUST_LOG`.
    #[serde(deserialize_with = "level")]
    pub level: String,
    /// The shape of log lines.
    pub format: LogFormat,
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

impl Default for Config {
    fn default() -> Config {
        Config { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// Reads a level or directives. A word that is not a level is refused: tracing would take it for the name of a target
/// and log nothing.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
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
