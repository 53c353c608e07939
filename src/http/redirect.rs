//! Paths that end in a slash too many: the client is told where to go.

use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode, Uri};

use super::routes;

/// 308 to the same path without the slashes at its end, and with the query, where there is something at that path; the
/// method and the body stay as they are (RFC 9110 s15.4.9).
pub(super) fn without_slash(uri: &Uri) -> Option<Response> {
    let path = uri.path().strip_suffix('/')?.trim_end_matches('/');
    if !routes::ALL.iter().any(|route| route.matches(path)) {
        return None;
    }
    let location = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let location = HeaderValue::try_from(location).ok()?;
    Some((StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(uri: &str) -> Option<String> {
        let response = without_slash(&uri.parse().unwrap())?;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        Some(response.headers()[LOCATION].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_slash_too_many_leads_to_the_path_without() {
        for (uri, expected) in [
            ("/compress/?target=80KB&a=%2F/", "/compress?target=80KB&a=%2F/"),
            ("/compress//", "/compress"),
            ("/health/", "/health"),
            ("/results/0a1b/", "/results/0a1b"),
        ] {
            assert_eq!(location(uri).as_deref(), Some(expected), "{uri}");
        }
    }

    #[test]
    fn nobody_is_sent_to_another_host_or_to_nothing() {
        for uri in ["/", "//", "//example.org/", "/nothing/", "/results/", "/results//", "/results/a/b/", "/compress"] {
            assert_eq!(location(uri), None, "{uri}");
        }
    }
}
