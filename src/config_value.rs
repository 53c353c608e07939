//! How sizes and durations are written in a configuration, for `#[serde(with = "...")]`, and checks of values.

use std::fmt::Display;

/// What stands for a secret where settings are printed.
#[cfg(feature = "server")]
pub(crate) const REDACTED: &str = "[redacted]";

/// Why the values of a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// The keys of the values, without or with their section.
    pub keys: Vec<String>,
    /// What is wrong with the values.
    pub reason: String,
}

impl InvalidConfig {
    fn of(key: &str, reason: String) -> InvalidConfig {
        InvalidConfig { keys: vec![key.to_owned()], reason }
    }

    /// The same error with `section` before each key.
    #[must_use]
    pub fn in_section(mut self, section: &str) -> InvalidConfig {
        self.keys.iter_mut().for_each(|key| key.insert_str(0, &format!("{section}.")));
        self
    }
}

/// Checks that the value of `key` is not 0.
///
/// # Errors
/// [`InvalidConfig`] when it is.
pub(crate) fn at_least_one(key: &str, value: u64) -> Result<(), InvalidConfig> {
    if value >= 1 { Ok(()) } else { Err(InvalidConfig::of(key, "must be at least 1".to_owned())) }
}

/// Longest path of a directory, with room for the names in it (PATH_MAX of Linux is 4096).
#[cfg(feature = "server")]
const MAX_PATH: usize = 3500;

/// Checks that `value` under `key` may be the path of a directory.
///
/// # Errors
/// [`InvalidConfig`] when it is longer than paths can be.
#[cfg(feature = "server")]
pub(crate) fn directory(key: &str, value: &std::path::Path) -> Result<(), InvalidConfig> {
    if value.as_os_str().len() <= MAX_PATH {
        return Ok(());
    }
    Err(InvalidConfig::of(key, format!("longer than a path can be: at most {MAX_PATH} bytes")))
}

/// Checks that the value of `key` is not larger than `max`.
///
/// # Errors
/// [`InvalidConfig`] when it is.
pub(crate) fn at_most<T: PartialOrd + Display>(key: &str, value: T, max: T) -> Result<(), InvalidConfig> {
    if value <= max { Ok(()) } else { Err(InvalidConfig::of(key, format!("{value} is more than {max}"))) }
}

/// Sizes: a number of bytes, or a text that [`parse_size`](crate::byte_size::parse_size) reads.
pub(crate) mod size {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::byte_size::{SIZE_GRAMMAR, SizeError, parse_size};
    use crate::excerpt::quoted;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a size: bytes as 80000, or \"80KB\", \"64MiB\"")]
    enum Written {
        Bytes(u64),
        Text(String),
    }

    /// Reads a size into a `u64` or `usize`. In formats that are not for people a size is a number.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
        let written = match deserializer.is_human_readable() {
            true => Written::deserialize(deserializer)?,
            false => Written::Bytes(u64::deserialize(deserializer)?),
        };
        let bytes = match written {
            Written::Bytes(bytes) => bytes,
            Written::Text(text) => parse_size(&text)
                .map_err(|error| D::Error::custom(format!("{} is {error}: write {SIZE_GRAMMAR}", quoted(&text))))?,
        };
        T::try_from(bytes).map_err(|_| D::Error::custom(SizeError::TooLarge))
    }

    /// Writes a size as [`show`] does, or as a number in formats that are not for people.
    pub(crate) fn serialize<S: Serializer, T: Copy + TryInto<u64>>(
        bytes: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes = (*bytes).try_into().unwrap_or(u64::MAX);
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&show(bytes)),
            false => serializer.serialize_u64(bytes),
        }
    }

    /// `bytes` in the largest unit that is exact.
    pub(crate) fn show(bytes: u64) -> String {
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

/// Values that are written as a text; an empty one means none.
#[cfg(feature = "server")]
pub(crate) mod optional_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        match String::deserialize(deserializer)?.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(D::Error::custom),
        }
    }

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }
}

/// Lists: a list, or one text with commas between the values, as variables of the environment have it.
#[cfg(feature = "server")]
pub(crate) mod list {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list, or a text with commas between the values")]
    enum Written {
        List(Vec<Item>),
        Single(Item),
    }

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected texts or whole numbers")]
    enum Item {
        Number(u64),
        Text(String),
    }

    /// Reads a list of values, each by its text.
    pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: Display>,
    {
        let texts: Vec<String> = match Written::deserialize(deserializer)? {
            Written::List(items) => items.into_iter().map(Item::into_text).collect(),
            Written::Single(item) => split(&item.into_text()),
        };
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }

    /// Writes a list.
    pub(crate) fn serialize<S: Serializer, T: Serialize>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values)
    }

    /// The values between commas or line ends, without those that are empty.
    fn split(text: &str) -> Vec<String> {
        let values = text.split([',', '\n']).map(str::trim).filter(|value| !value.is_empty());
        values.map(str::to_owned).collect()
    }

    impl Item {
        fn into_text(self) -> String {
            match self {
                Item::Number(number) => number.to_string(),
                Item::Text(text) => text,
            }
        }
    }
}

/// Durations: a text that [`parse_duration`](crate::duration::parse_duration) reads. Longer than zero, at most a year.
pub(crate) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::duration::{parse_duration, show_duration};
    use crate::excerpt::quoted;

    /// Longer than any timeout that makes sense, and short enough to be added to any clock. `1y` is 365.25 days.
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

    /// Reads a duration.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
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

    /// Writes a duration as [`show_duration`] does.
    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(*duration))
    }
}
