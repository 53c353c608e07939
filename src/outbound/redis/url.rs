//! Where Redis is: `redis://user:password@host:6379/0`, or `rediss://` for an encrypted connection.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::config_value::REDACTED;

/// Where Redis listens unless the URL says otherwise.
const DEFAULT_PORT: u16 = 6379;

/// A URL of Redis, taken apart. Printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port of the host.
    pub port: u16,
    /// The user, where Redis has users.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database.
    pub database: i64,
}

/// Why a text is no URL of Redis. It does not repeat the text, which may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no URL of Redis: write redis://host:6379, redis://user:password@host:6379/0, or rediss:// to encrypt")]
pub struct NoRedisUrl;

impl FromStr for RedisUrl {
    type Err = NoRedisUrl;

    fn from_str(text: &str) -> Result<RedisUrl, NoRedisUrl> {
        let url = Url::parse(text).map_err(|_| NoRedisUrl)?;
        let is_encrypted = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(NoRedisUrl),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NoRedisUrl)?;
        let database = match url.path() {
            "" | "/" => 0,
            path => path[1..].parse::<u16>().map_err(|_| NoRedisUrl)?.into(),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(NoRedisUrl);
        }
        Ok(RedisUrl {
            is_encrypted,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(DEFAULT_PORT),
            username: decoded(url.username())?,
            password: decoded(url.password().unwrap_or_default())?,
            database,
        })
    }
}

fn decoded(text: &str) -> Result<Option<String>, NoRedisUrl> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| NoRedisUrl)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "rediss" } else { "redis" };
        let username = self.username.as_deref().unwrap_or_default();
        write!(f, "{scheme}://{username}")?;
        if self.password.is_some() {
            write!(f, ":{REDACTED}")?;
        }
        if self.username.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port)?,
            false => write!(f, "{}:{}", self.host, self.port)?,
        }
        write!(f, "/{}", self.database)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_printed_without_its_password() {
        let url: RedisUrl = "rediss://shop:p%40ss@cache.example.com:7000/3".parse().unwrap();
        assert_eq!((url.is_encrypted, &*url.host, url.port, url.database), (true, "cache.example.com", 7000, 3));
        assert_eq!((url.username.as_deref(), url.password.as_deref()), (Some("shop"), Some("p@ss")));
        for (written, printed) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://:secret@127.0.0.1:1/", "redis://:[redacted]@127.0.0.1:1/0"),
            ("redis://user:secret@[::1]/2", "redis://user:[redacted]@[::1]:6379/2"),
        ] {
            let url: RedisUrl = written.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (printed.to_owned(), printed.to_owned()));
        }
    }

    #[test]
    fn what_is_no_url_of_redis_is_refused_and_not_repeated() {
        for text in [
            "localhost:6379",
            "http://localhost",
            "redis:///",
            "redis://host/x",
            "redis://host/1/2",
            "redis://h/0?a=b",
            "redis://h:99999",
        ] {
            let refused = text.parse::<RedisUrl>().unwrap_err().to_string();
            assert!(!refused.contains(text), "{text}");
        }
    }
}
