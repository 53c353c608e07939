//! Asks for a key where the configuration has keys, and tells the routes whom a request counts for.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::http::AppState;
use crate::http::request::client::{self, Client, KeyId};
use crate::http::request::link;
use crate::http::response::problem::{Kind, Problem};
use crate::http::routes;
use crate::metrics::AuthRefusal;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The user name of a key that is sent as a password (RFC 7617).
const USER: &str = "api";

/// How a key may be sent (RFC 9110 s11.6.1).
const CHALLENGES: [&str; 2] = ["Bearer realm=\"bytefit\"", "Basic realm=\"bytefit\", charset=\"UTF-8\""];

/// A layer inside of the one that logs.
pub(crate) async fn identify(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let key = match key(&request, &state) {
        Ok(key) => key,
        Err(reason) => {
            state.metrics.auth_refused(reason);
            return refuse(reason, request.headers());
        }
    };
    let address = client::address(request.headers(), request.extensions(), state.config.trusted_proxies);
    let client = Client::new(key, address);
    request.extensions_mut().insert(client.clone());
    let mut response = next.run(request).await;
    if let Some(at) = key {
        response.extensions_mut().insert(KeyId(state.auth.keys[at].id.clone()));
    }
    if let Some(allowance) = client.allowance.get() {
        allowance.add_headers(response.headers_mut());
    }
    response
}

/// The place of the request's key. Returns `None` where it has none and needs none.
fn key(request: &Request, state: &AppState) -> Result<Option<usize>, AuthRefusal> {
    if state.auth.keys.is_empty() {
        return Ok(None);
    }
    let given = given(request.headers());
    let found = given.as_deref().and_then(|given| state.auth.find(given));
    match (found, given) {
        (Some(at), _) => Ok(Some(at)),
        (None, _) if is_open(request, state) => Ok(None),
        (None, Some(_)) => Err(AuthRefusal::Invalid),
        (None, None) => Err(AuthRefusal::Missing),
    }
}

/// Whether a request needs no key. A path that is not there is told apart from no other.
fn is_open(request: &Request, state: &AppState) -> bool {
    let route = request.extensions().get::<MatchedPath>().and_then(|path| routes::find(path.as_str()));
    let Some(route) = route.filter(|_| request.method() != Method::OPTIONS) else { return true };
    !route.needs_key && !link::is_let_through_unsigned(request.uri().path(), &state.url_source)
}

/// The key that the request brings.
fn given(headers: &HeaderMap) -> Option<String> {
    if let Some(key) = headers.get(X_API_KEY).filter(|key| !key.is_empty()) {
        return Some(key.to_str().unwrap_or_default().to_owned());
    }
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    Some(basic(credentials).filter(|_| scheme.eq_ignore_ascii_case("basic")).unwrap_or_default())
}

/// The password of `api:KEY`.
fn basic(credentials: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    (user == USER).then(|| password.to_owned())
}

/// A script that says which key it has, even if it has none, asks its user itself: a browser that is offered Basic
/// would open its own dialog before the script learns of the refusal.
fn refuse(reason: AuthRefusal, headers: &HeaderMap) -> Response {
    let problem = match reason {
        AuthRefusal::Missing => Problem::new(
            Kind::MissingKey,
            "send a key as Authorization: Bearer KEY, as X-Api-Key: KEY, or as the password of the user api",
        ),
        AuthRefusal::Invalid => Problem::new(Kind::InvalidKey, "the key is none of this service"),
    };
    let mut response = problem.into_response();
    let offered = if headers.contains_key(X_API_KEY) { &CHALLENGES[..1] } else { &CHALLENGES };
    for challenge in offered {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_in_three_ways() {
        let given = |name: &'static str, value: &str| {
            given(&HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())]))
        };
        for (name, value, expected) in [
            ("authorization", "Bearer k1", "k1"),
            ("authorization", "bearer   k1 ", "k1"),
            ("authorization", "Basic YXBpOmsx", "k1"),
            ("x-api-key", "k1", "k1"),
            ("authorization", "Basic eW91Omsx", ""),
            ("authorization", "Basic !", ""),
            ("authorization", "Digest k1", ""),
            ("authorization", "", ""),
        ] {
            assert_eq!(given(name, value).as_deref(), Some(expected), "{name}: {value}");
        }
        assert_eq!(super::given(&HeaderMap::new()), None);
        assert_eq!(super::given(&HeaderMap::from_iter([(X_API_KEY, HeaderValue::from_static(""))])), None);
    }

    #[test]
    fn what_computes_or_tells_of_requests_needs_a_key() {
        for route in routes::ALL {
            let open = ["root", "assets", "docs", "dashboard", "openapi", "health", "readyz", "livez", "link"];
            assert_eq!(route.needs_key, !open.contains(&route.label.name), "{} {}", route.label.name, route.path);
        }
    }
}
