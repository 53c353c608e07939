//! The id of a request in headers, problems and logs.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the id, in requests and answers.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is accepted from a client, in bytes.
const MAX_LENGTH: usize = 128;

/// The client's own id if it is valid, or 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id in `headers` if it is 1 to 128 visible ASCII characters, or a new one.
    pub(crate) fn of(headers: &HeaderMap) -> RequestId {
        match headers.get(X_REQUEST_ID) {
            Some(value) if is_valid(value.as_bytes()) => RequestId(value.clone()),
            _ => RequestId::generate(),
        }
    }

    /// A new, unique id. It is not a secret: each half is a hash under a random key of the standard library.
    pub(crate) fn generate() -> RequestId {
        let half = || RandomState::new().build_hasher().finish();
        let text = format!("{:016x}{:016x}", half(), half());
        RequestId(HeaderValue::try_from(text).expect("hex digits are a header value"))
    }

    /// The id as a header value.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("an id is visible ASCII")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_valid(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> RequestId {
        let value = HeaderValue::from_bytes(value).unwrap();
        RequestId::of(&HeaderMap::from_iter([(X_REQUEST_ID, value)]))
    }

    #[test]
    fn a_valid_id_is_kept() {
        assert_eq!(of(b"trace-42/a").as_str(), "trace-42/a");
        assert_eq!(of(&[b'x'; 128]).as_str().len(), 128);
    }

    #[test]
    fn an_id_that_is_unfit_for_the_log_is_replaced() {
        for id in [&b""[..], b"two words", b"tab\there", "h\u{e9}".as_bytes(), &[b'x'; 129]] {
            assert_eq!(of(id).as_str().len(), 32, "{id:?}");
        }
    }

    #[test]
    fn generated_ids_differ() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| RequestId::generate().to_string()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
