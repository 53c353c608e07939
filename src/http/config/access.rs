//! The configuration of who may use the service, and how much: keys, rate limits, browsers of other sites.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use http::HeaderValue;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config_value::{InvalidConfig, REDACTED, list};
use crate::excerpt::quoted;

/// Longest id of a key, in characters.
const MAX_ID_CHARS: usize = 64;

/// The section `[auth]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The keys that requests have to bring. Without any, everyone may ask.
    #[serde(deserialize_with = "keys")]
    pub keys: Vec<ApiKey>,
}

/// A key of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its name, for logs.
    pub id: String,
    /// What requests have to bring.
    pub secret: Secret,
    /// Outputs a minute, in place of `limits.rate`; 0 means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

/// A secret, as its hash: comparing hashes takes the same time wherever the secrets differ.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(blake3::Hash);

/// How many outputs may be computed: the keys under `limits.rate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Outputs a minute for each key, or for each address where no key is given. 0 means any number.
    pub per_minute: u32,
    /// Outputs that may be computed at once. 0 means as many as a minute has.
    pub burst: u32,
}

/// The section `[cors]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Sites whose pages may ask from a browser: `https://example.com`, or `*` for all.
    #[serde(with = "list")]
    pub origins: Vec<Origin>,
}

/// A site, as browsers name it in the header Origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Every site.
    Any,
    /// This one.
    Site(HeaderValue),
}

impl AuthConfig {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// [`InvalidConfig`] for an id that is not valid or not unique, and for one secret under two ids.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        for (at, key) in self.keys.iter().enumerate() {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let reason = if !(1..=MAX_ID_CHARS).contains(&key.id.len()) || !key.id.bytes().all(is_plain) {
                format!(
                    "{} is no id: 1 to {MAX_ID_CHARS} letters, digits, dots, underscores and hyphens",
                    quoted(&key.id)
                )
            } else if self.keys[..at].iter().any(|other| other.id == key.id) {
                format!("two keys have the id {}", quoted(&key.id))
            } else if self.keys[..at].iter().any(|other| other.secret == key.secret) {
                format!("the key {} has the secret of another", quoted(&key.id))
            } else {
                continue;
            };
            return Err(InvalidConfig { keys: vec!["keys".to_owned()], reason });
        }
        Ok(())
    }

    /// The place of the key whose secret is `given`. Compares with all of them.
    pub(crate) fn find(&self, given: &str) -> Option<usize> {
        let given = Secret::new(given);
        let equal = self.keys.iter().enumerate().filter(|(_, key)| key.secret == given).map(|(at, _)| at);
        equal.fold(None, |found, at| found.or(Some(at)))
    }
}

impl RateConfig {
    /// Outputs a minute and at once for a client whose key has this rate of its own. Returns `None` for any number.
    pub(crate) fn of(self, own: Option<u32>) -> Option<(NonZeroU32, NonZeroU32)> {
        let per_minute = NonZeroU32::new(own.unwrap_or(self.per_minute))?;
        // A rate of its own has a burst of its own: the minute's.
        let burst = if own.is_some() { None } else { NonZeroU32::new(self.burst) };
        Some((per_minute, burst.unwrap_or(per_minute)))
    }
}

impl Secret {
    fn new(text: &str) -> Secret {
        Secret(blake3::hash(text.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        match String::deserialize(deserializer)? {
            text if text.is_empty() => Err(D::Error::custom("a secret is empty")),
            text => Ok(Secret::new(&text)),
        }
    }
}

/// Keys as tables, or as one text of `id:secret` with commas or line ends between them, as the environment has it.
/// Errors do not repeat the text.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ApiKey>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected tables with id, secret and rate, or a text of id:secret with commas between them"
    )]
    enum Written {
        Tables(Vec<ApiKey>),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Tables(keys) => return Ok(keys),
        Written::Text(text) => text,
    };
    let pairs = text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
    let key = |pair: &str| match pair.split_once(':') {
        Some((id, secret)) if !secret.is_empty() => {
            Ok(ApiKey { id: id.to_owned(), secret: Secret::new(secret), rate: None })
        }
        _ => Err(D::Error::custom("a key is not of the form id:secret")),
    };
    pairs.map(key).collect()
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Origin, String> {
        if text == "*" {
            return Ok(Origin::Any);
        }
        let refuse = || format!("{} is no origin: write https://example.com, without a path, or *", quoted(text));
        let url = url::Url::parse(text).map_err(|_| refuse())?;
        let origin = url.origin().ascii_serialization();
        let is_origin = url.path() == "/" && url.query().is_none() && origin != "null" && !text.ends_with('/');
        HeaderValue::try_from(origin).ok().filter(|_| is_origin).map(Origin::Site).ok_or_else(refuse)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Origin::Any => serializer.serialize_str("*"),
            Origin::Site(site) => serializer.serialize_str(site.to_str().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(toml: &str) -> Result<AuthConfig, String> {
        let config: AuthConfig = toml::from_str(toml).map_err(|error| error.message().to_owned())?;
        config.validate().map_err(|invalid| invalid.reason).map(|()| config)
    }

    #[test]
    fn keys_are_tables_or_one_text() {
        let tables =
            auth("[[keys]]\nid = \"a\"\nsecret = \"one\"\nrate = 5\n[[keys]]\nid = \"b\"\nsecret = \"two:2\"").unwrap();
        let text = auth("keys = \" a:one,\\nb:two:2,\"").unwrap();
        for config in [&tables, &text] {
            assert_eq!(
                [config.find("one"), config.find("two:2"), config.find("on"), config.find("")],
                [Some(0), Some(1), None, None]
            );
        }
        assert_eq!([tables.keys[0].rate, tables.keys[1].rate], [Some(5), None]);
    }

    #[test]
    fn keys_that_can_not_be_used_are_refused_without_their_secret() {
        for toml in [
            "keys = \"hidden\"",
            "keys = \"a:\"",
            "keys = \"a:hidden,a:other\"",
            "keys = \"a:hidden,b:hidden\"",
            "keys = \"a b:hidden\"",
            "keys = \":hidden\"",
            "[[keys]]\nid = \"a\"\nsecret = \"\"",
            "[[keys]]\nid = \"a\"\nsecret = \"hidden\"\ncolour = 1",
        ] {
            let refused = auth(toml).unwrap_err();
            assert!(!refused.contains("hidden"), "{toml}: {refused}");
        }
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        let config = auth("keys = \"a:hidden\"").unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        let shown = toml::to_string(&config).unwrap();
        assert!(shown.contains(REDACTED) && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn an_origin_is_a_site_without_a_path() {
        let site = |text: &'static str| Ok(Origin::Site(HeaderValue::from_static(text)));
        assert_eq!("https://example.com".parse(), site("https://example.com"));
        assert_eq!("http://localhost:3000".parse(), site("http://localhost:3000"));
        assert_eq!("*".parse(), Ok(Origin::Any));
        for text in [
            "",
            "example.com",
            "https://example.com/",
            "https://example.com/a",
            "null",
            "file:///a",
            "https://*.example.com/",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_of_a_key_takes_the_place_of_all() {
        let rates = RateConfig { per_minute: 60, burst: 5 };
        let of = |own| rates.of(own).map(|(rate, burst)| (rate.get(), burst.get()));
        assert_eq!([of(None), of(Some(10)), of(Some(0))], [Some((60, 5)), Some((10, 10)), None]);
        assert_eq!(RateConfig::default().of(None), None);
    }
}
