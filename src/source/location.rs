//! The URL of a picture, checked as far as its text tells.

use std::net::IpAddr;

use url::{Host, ParseError, Url};

use super::address::{Reach, reach};
use super::{Config, Refusal, SourceError};
use crate::params::MAX_URL_BYTES;

/// A URL that may be fetched: its scheme, host and port are allowed, and so is its address if it names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(Url);

impl Location {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] and [`SourceError::NotAllowed`].
    pub fn parse(text: &str, config: &Config) -> Result<Location, SourceError> {
        if text.len() > MAX_URL_BYTES {
            return Err(SourceError::Invalid(format!("it has more than {MAX_URL_BYTES} bytes")));
        }
        let url = Url::parse(text).map_err(|error| SourceError::Invalid(reason(error, text)))?;
        Location::check(url, config)
    }

    /// Where a redirect to `target` leads.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub(super) fn join(&self, target: &str, config: &Config) -> Result<Location, SourceError> {
        let unreadable = |_| SourceError::Failed { status: None, reason: "a redirect leads to no URL".to_owned() };
        Location::check(self.0.join(target).map_err(unreadable)?, config).map_err(SourceError::of_redirect)
    }

    fn check(mut url: Url, config: &Config) -> Result<Location, SourceError> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Refusal::Scheme.into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials.into());
        }
        let host = url.host().ok_or_else(|| SourceError::Invalid("it names no host".to_owned()))?;
        if !config.allows_host(&host) {
            return Err(Refusal::Host.into());
        }
        match host {
            Host::Ipv4(address) => check_address(address.into(), config.allow_private)?,
            Host::Ipv6(address) => check_address(address.into(), config.allow_private)?,
            Host::Domain(_) => {}
        }
        let port = url.port_or_known_default();
        if !port.is_some_and(|port| config.ports.contains(&port)) {
            return Err(Refusal::Port.into());
        }
        url.set_fragment(None);
        Ok(Location(url))
    }

    /// The URL.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The host, as the URL has it.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Identifies the URL.
    pub(super) fn hash(&self) -> blake3::Hash {
        blake3::hash(self.0.as_str().as_bytes())
    }
}

/// Why `text` is no URL, and what to write instead.
fn reason(error: ParseError, text: &str) -> String {
    let scheme = text.trim_start().get(..8).unwrap_or(text).to_ascii_lowercase();
    if scheme.contains("%3a") || scheme.contains("%2f") || scheme.contains("%25") {
        return "it is percent-encoded once too often: it has to begin with http:// or https://".to_owned();
    }
    match error {
        ParseError::RelativeUrlWithoutBase | ParseError::RelativeUrlWithCannotBeABaseBase => {
            "it has to begin with http:// or https://".to_owned()
        }
        ParseError::EmptyHost => "it names no host behind http://".to_owned(),
        ParseError::InvalidPort => "its port is no number up to 65535".to_owned(),
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => {
            "its host has characters that no name has: encode spaces and signs in the path alone".to_owned()
        }
        ParseError::InvalidIpv6Address => "its host is no address of IPv6: write http://[2001:db8::1]/".to_owned(),
        error => error.to_string(),
    }
}

/// Checks an address that a URL or a name server gives.
///
/// # Errors
/// [`Refusal::Address`].
pub(super) fn check_address(address: IpAddr, allow_private: bool) -> Result<(), Refusal> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Private if allow_private => Ok(()),
        Reach::Private | Reach::Special => Err(Refusal::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, SourceError> {
        Location::parse(text, &Config::default())
    }

    #[test]
    fn odd_spellings_of_an_address_are_the_address() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "\u{ff11}27.0.0.1",
            "127\u{3002}0.0.1",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "0",
            "0.0.0.0",
        ] {
            assert_eq!(parse(&format!("http://{host}/a.png")), Err(Refusal::Address.into()), "{host}");
            let redirect = parse("http://example.com/").unwrap().join(&format!("//{host}/a.png"), &Config::default());
            assert_eq!(redirect, Err(SourceError::RedirectNotAllowed(Refusal::Address)), "a redirect to {host}");
        }
    }

    #[test]
    fn only_http_to_an_allowed_port_without_credentials() {
        for (url, refusal) in [
            ("ftp://example.com/a.png", Refusal::Scheme),
            ("file:///etc/passwd", Refusal::Scheme),
            ("data:image/png;base64,AAAA", Refusal::Scheme),
            ("gopher://example.com/", Refusal::Scheme),
            ("http://user@example.com/", Refusal::Credentials),
            ("http://user:word@example.com/", Refusal::Credentials),
            ("http://example.com@127.0.0.1/", Refusal::Credentials),
            ("http://example.com:22/", Refusal::Port),
            ("https://example.com:8443/", Refusal::Port),
        ] {
            assert_eq!(parse(url), Err(refusal.into()), "{url}");
        }
        for url in
            ["", "a.png", "//example.com/a.png", "http://", "http://[::1", "http://[fe80::1%25eth0]/", "http://a b/"]
        {
            assert!(matches!(parse(url), Err(SourceError::Invalid(_))), "{url}");
        }
        for url in
            ["http://example.com/a.png", "https://example.com:443/a.png", "HTTP://EXAMPLE.com:80", "http://1.1.1.1/"]
        {
            assert!(parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_url_that_can_not_be_read_says_what_to_write() {
        for (text, advice) in [
            ("a.png", "begin with http:// or https://"),
            ("", "begin with http:// or https://"),
            ("//example.com/a.png", "begin with http:// or https://"),
            ("http%3A%2F%2Fexample.com%2Fa.png", "encoded once too often"),
            ("http:%2F%2Fexample.com%2Fa.png", "encoded once too often"),
            ("HTTP%253A%252F%252Fexample.com", "encoded once too often"),
            ("http://", "names no host"),
            ("http://example.com:99999/", "up to 65535"),
            ("http://exa mple.com/", "in the path alone"),
            ("http://[::1/", "address of IPv6"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }

    #[test]
    fn equal_urls_are_identified_equally() {
        let hash = |text: &str| parse(text).unwrap().hash();
        assert_eq!(hash("http://example.com/a#b"), hash("HTTP://Example.com:80/a"));
        assert_ne!(hash("http://example.com/a"), hash("http://example.com/b"));
    }
}
