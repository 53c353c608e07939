//! The configuration of requests: defaults and upper bounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Presets;
use crate::codec::Format;
use crate::config_value::{InvalidConfig, duration};
use crate::duration::show_duration;

/// Defaults for what a request does not say, and upper bounds for what it says. Serde reads the section `[fit]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Largest target accepted, in bytes.
    #[serde(skip)]
    pub max_target: u64,
    /// Deadline of a request without one.
    #[serde(with = "duration")]
    pub deadline: Duration,
    /// Longest deadline accepted.
    #[serde(with = "duration")]
    pub max_deadline: Duration,
    /// Formats of `format=auto` when the client's Accept names no image types. At least one.
    #[serde(with = "formats")]
    pub formats: Vec<Format>,
    /// Parameters under a name.
    #[serde(skip)]
    pub presets: Presets,
    /// Whether a request may ask for presets only.
    #[serde(skip)]
    pub presets_only: bool,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            max_target: 1_000_000_000,
            deadline: Duration::from_secs(15),
            max_deadline: Duration::from_secs(60),
            formats: vec![Format::Webp, Format::Jpeg, Format::Png],
            presets: Presets::new(),
            presets_only: false,
        }
    }
}

impl Defaults {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] when the deadline is longer than the longest one.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        if self.deadline <= self.max_deadline {
            return Ok(());
        }
        let deadline = show_duration(self.deadline);
        let longest = show_duration(self.max_deadline);
        Err(InvalidConfig {
            keys: vec!["deadline".to_owned(), "max_deadline".to_owned()],
            reason: format!("deadline {deadline} is longer than max_deadline {longest}"),
        })
    }
}

/// Output formats: a list of names, or one text with commas between them. At least one.
mod formats {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::codec::Format;
    use crate::params::output_format;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of formats: [\"webp\", \"jpeg\"]")]
    enum Written {
        List(Vec<String>),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Format>, D::Error> {
        let names = match Written::deserialize(deserializer)? {
            Written::List(names) => names,
            Written::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        let formats =
            names.iter().map(|name| output_format(name)).collect::<Result<Vec<_>, _>>().map_err(D::Error::custom)?;
        if formats.is_empty() { Err(D::Error::custom("at least one format is needed")) } else { Ok(formats) }
    }

    pub(super) fn serialize<S: Serializer>(formats: &[Format], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(formats.iter().map(|format| format.name()))
    }
}
