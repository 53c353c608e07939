//! Lets pages of other sites ask (the Fetch standard, "HTTP extensions"), where the configuration names them.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderName, Method};
use tower_http::cors::{AllowOrigin, CorsLayer, ExposeHeaders};

use crate::http::config::{CorsConfig, Origin};

/// How long a browser remembers what it may send: a day, which browsers cut to what they like.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Methods that a page may use.
const ALLOWED: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];

/// Headers that a page may send.
const SENT: [HeaderName; 8] = [
    ACCEPT,
    AUTHORIZATION,
    CONTENT_TYPE,
    IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-request-id"),
];

/// The layer that answers preflight requests and marks answers. Returns `None` when no site may ask.
pub(crate) fn layer(config: &CorsConfig) -> Option<CorsLayer> {
    if config.origins.is_empty() {
        return None;
    }
    let sites = config.origins.iter().map(|origin| match origin {
        Origin::Any => None,
        Origin::Site(site) => Some(site.clone()),
    });
    let origins = match sites.collect::<Option<Vec<_>>>() {
        Some(sites) => AllowOrigin::list(sites),
        None => AllowOrigin::any(),
    };
    let layer = CorsLayer::new().allow_origin(origins).allow_methods(ALLOWED);
    Some(layer.allow_headers(SENT).expose_headers(ExposeHeaders::any()).max_age(REMEMBERED))
}
