//! Links to pictures: `/fit/{signature}/{options}/{URL}`, where the URL is in base64url or, after `plain`,
//! percent-encoded.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD_INDIFFERENT;
use percent_encoding::percent_decode_str;

use crate::excerpt::excerpt;
use crate::http::response::problem::{Kind, Problem};
use crate::params::{self, Defaults, output_format};
use crate::source::{Config, Location, UrlSource};

/// What the path of every link begins with.
pub(crate) const PREFIX: &str = "/fit/";

/// The option that ends a link's validity, in seconds since 1970.
const EXPIRES: &str = "expires";

/// Says that the URL follows percent-encoded.
const PLAIN: &str = "plain";

/// A link that may be answered and has not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Whether it has a signature of ours.
    pub is_signed: bool,
    /// The parameters.
    pub pairs: Vec<(String, String)>,
    /// The URL of the picture.
    pub url: String,
    /// How long the link is still valid; `None` for ever.
    pub remaining: Option<Duration>,
}

impl Link {
    /// Reads the link at `path`, as it was sent, at the time `now`.
    ///
    /// # Errors
    /// `bad_signature`, `link_expired`, and `malformed_request` for a path that is no link.
    pub(crate) fn read(path: &str, url_source: &UrlSource, now: SystemTime) -> Result<Link, Problem> {
        let (signature, signed) = signature_and_signed(path.strip_prefix(PREFIX).unwrap_or_default());
        let is_signed = url_source.signer().verifies(signature, signed);
        if !url_source.config().unsigned && !is_signed {
            return Err(Problem::new(Kind::BadSignature, bad_signature(url_source.config())));
        }
        Link::of(signed, is_signed, now)
    }

    /// The link whose path behind the signature is `signed`, at the time `now`.
    fn of(signed: &str, is_signed: bool, now: SystemTime) -> Result<Link, Problem> {
        let (mut pairs, url) = parse(signed.trim_start_matches('/'))?;
        let times: Vec<String> = pairs.extract_if(.., |(name, _)| name == EXPIRES).map(|(_, value)| value).collect();
        if let [_, second, ..] = &times[..] {
            return Err(invalid_time("given twice", second, "one time at most"));
        }
        let remaining = times.first().map(|text| remaining(text, now)).transpose()?.flatten();
        Ok(Link { is_signed, pairs, url, remaining })
    }
}

/// Whether `path` is that of a link without a signature of ours, which `source.unsigned` lets through.
pub(crate) fn is_let_through_unsigned(path: &str, url_source: &UrlSource) -> bool {
    let Some(link) = path.strip_prefix(PREFIX).filter(|_| url_source.config().unsigned) else { return false };
    let (signature, signed) = signature_and_signed(link);
    !url_source.signer().verifies(signature, signed)
}

/// The signature, and what it is of: all that follows it, with the slash.
fn signature_and_signed(link: &str) -> (&str, &str) {
    link.split_at(link.find('/').unwrap_or(link.len()))
}

/// Checks the path of a link behind its signature, as a request for it would be.
///
/// # Errors
/// A message for the user.
pub(crate) fn check(path: &str, defaults: &Defaults, config: &Config) -> Result<(), String> {
    let link = Link::of(path, false, SystemTime::now()).map_err(|problem| problem.detail().to_owned())?;
    params::parse(&link.pairs, defaults).map_err(|error| error.to_string())?;
    Location::parse(&link.url, config).map_err(|error| error.to_string())?;
    Ok(())
}

/// The path behind the signature: options, then the URL.
///
/// # Errors
/// `malformed_request`.
pub(crate) fn parse(path: &str) -> Result<(Vec<(String, String)>, String), Problem> {
    let mut rest = path;
    let mut pairs = Vec::new();
    while let Some((option, after)) = rest.split_once('/') {
        let Some((name, value)) = option.split_once(':') else { break };
        pairs.push((decoded(name)?, decoded(value)?));
        rest = after;
    }
    let (url, format) = match rest.strip_prefix(PLAIN).and_then(|rest| rest.strip_prefix('/')) {
        Some(plain) => plain_url(plain)?,
        None => encoded_url(rest)?,
    };
    if let Some(format) = format.filter(|_| !pairs.iter().any(|(name, _)| name == "format")) {
        pairs.push(("format".to_owned(), format));
    }
    Ok((pairs, url))
}

/// A percent-encoded URL, after which the format may stand: `@webp`.
fn plain_url(text: &str) -> Result<(String, Option<String>), Problem> {
    match text.rsplit_once('@') {
        Some((url, extension)) if output_format(extension).is_ok() => Ok((decoded(url)?, Some(extension.to_owned()))),
        _ => Ok((decoded(text)?, None)),
    }
}

/// A URL in base64url, which slashes may divide, and after which the format may stand: `.webp`.
fn encoded_url(text: &str) -> Result<(String, Option<String>), Problem> {
    let (encoded, extension) = match text.rsplit_once('.') {
        Some((encoded, extension)) => (encoded, Some(extension.to_owned())),
        None => (text, None),
    };
    if encoded.is_empty() {
        return Err(malformed("it names no URL"));
    }
    // With or without padding: libraries differ.
    let bytes = URL_SAFE_NO_PAD_INDIFFERENT.decode(encoded.replace('/', "")).ok();
    let url = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok((
        url.ok_or_else(|| malformed("its last part is no URL in base64url, and plain/ does not stand before it"))?,
        extension,
    ))
}

fn decoded(text: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| malformed("a part of it is not UTF-8"))
}

/// The time from `now` until the seconds since 1970 that `text` has; `None` when that is further than times go.
fn remaining(text: &str, now: SystemTime) -> Result<Option<Duration>, Problem> {
    let seconds = text.parse().map_err(|_| invalid_time("not a time", text, "whole seconds since 1970"))?;
    let Some(expires) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) else { return Ok(None) };
    match expires.duration_since(now).ok().filter(|left| !left.is_zero()) {
        Some(left) => Ok(Some(left)),
        None => {
            Err(Problem::new(Kind::LinkExpired, "the link was valid until a time that has passed: ask for a new one"))
        }
    }
}

fn invalid_time(reason: &str, given: &str, allowed: &str) -> Problem {
    Problem::new(Kind::InvalidParameter, format!("{EXPIRES}: {reason}, allowed: {allowed}"))
        .with("parameter", EXPIRES)
        .with("given", excerpt(given))
        .with("allowed", allowed)
}

fn bad_signature(config: &Config) -> &'static str {
    if config.keys.is_empty() {
        return "links can't be signed here: source.keys is empty";
    }
    "the link is not signed with a key of this service: sign all that follows the signature, slash included, as it is sent"
}

fn malformed(reason: &str) -> Problem {
    Problem::new(Kind::MalformedRequest, format!("the link can't be read: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> (Vec<(String, String)>, String) {
        parse(path).unwrap()
    }

    fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
        texts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn options_come_before_the_url_in_base64_or_plain() {
        let options = pairs(&[("target", "80KB"), ("crop", "1,2,3,4")]);
        let url = "http://example.com/a b.png?x=1";
        for path in [
            "target:80KB/crop:1%2C2,3,4/aHR0cDovL2V4YW1wbGUuY29tL2EgYi5wbmc_eD0x",
            "target:80KB/crop:1,2,3,4/aHR0cDovL2V4YW1w/bGUuY29tL2EgYi5w/bmc_eD0x",
            "target:80KB/crop:1,2,3,4/plain/http%3A%2F%2Fexample.com%2Fa%20b.png%3Fx=1",
            "target:80KB/crop:1,2,3,4/plain/http://example.com/a%20b.png%3Fx=1",
        ] {
            assert_eq!(read(path), (options.clone(), url.to_owned()), "{path}");
        }
        assert_eq!(read("aHR0cDovL2E").1, "http://a");
        assert_eq!(read("aHR0cDovL2E=").1, "http://a");
        assert_eq!(read("plain/http://a/b:c/d"), (Vec::new(), "http://a/b:c/d".to_owned()));
    }

    #[test]
    fn a_format_may_stand_behind_the_url() {
        let webp = pairs(&[("format", "webp")]);
        assert_eq!(read("aHR0cDovL2E.webp"), (webp.clone(), "http://a".to_owned()));
        assert_eq!(read("plain/http://a/b.png@webp"), (webp, "http://a/b.png".to_owned()));
        assert_eq!(read("plain/http://a/b@2x.png"), (Vec::new(), "http://a/b@2x.png".to_owned()));
        assert_eq!(read("format:png/plain/http://a/b@webp").0, pairs(&[("format", "png")]));
    }

    #[test]
    fn what_is_no_link_is_malformed() {
        for path in ["", "target:80KB", "target:80KB/", "plain", "not base64", "%ff:1/aHR0cDovL2E", "plain/%ff", "_w"] {
            assert_eq!(parse(path).unwrap_err().kind(), Kind::MalformedRequest, "{path}");
        }
    }

    #[test]
    fn a_link_is_valid_until_its_second() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(remaining("1001", now).unwrap(), Some(Duration::from_secs(1)));
        assert_eq!(remaining("18446744073709551615", now).unwrap(), None, "for ever");
        let twice = Link::of("/target:1/expires:2000/expires:3000/aHR0cDovL2E", true, now).unwrap_err();
        assert_eq!(twice.kind(), Kind::InvalidParameter);
        assert!(twice.detail().contains("given twice"), "{}", twice.detail());
        for (text, kind) in [
            ("1000", Kind::LinkExpired),
            ("0", Kind::LinkExpired),
            ("soon", Kind::InvalidParameter),
            ("-1", Kind::InvalidParameter),
            ("", Kind::InvalidParameter),
        ] {
            assert_eq!(remaining(text, now).unwrap_err().kind(), kind, "{text}");
        }
    }
}
