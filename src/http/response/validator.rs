//! If-None-Match and If-Modified-Since (RFC 9110 s13.1).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};

/// Whether If-None-Match names `etag`, by weak comparison (RFC 9110 s13.1.2).
pub(crate) fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether If-Modified-Since is not before `last_modified`. If-None-Match takes its place (RFC 9110 s13.1.3).
pub(crate) fn is_unmodified(request: &HeaderMap, last_modified: SystemTime) -> bool {
    let since = request.get(IF_MODIFIED_SINCE).filter(|_| !request.contains_key(IF_NONE_MATCH));
    let since = since.and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    // Dates have whole seconds.
    since.is_some_and(|since| last_modified < since + Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(value: &str) -> bool {
        is_known(&HeaderMap::from_iter([(IF_NONE_MATCH, value.parse().unwrap())]), "\"abc\"")
    }

    #[test]
    fn validators_compare_weakly() {
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert!(known(value), "{value}");
        }
        for value in ["\"ab\"", "abc", "", "\"x\""] {
            assert!(!known(value), "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"abc\""));
    }
}
