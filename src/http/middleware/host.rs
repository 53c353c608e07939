//! Checks that a request has one Host header (RFC 9112 s3.2). A proxy and this server could read several differently.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Version};

use crate::http::response::problem::{Kind, Problem};

/// The refusal of a request without a Host header (HTTP/1.1 needs one) or with several, which closes the connection.
/// Returns `None` when the request is fine.
pub(super) fn refusal(request: &Request) -> Option<Response> {
    let hosts = request.headers().get_all(HOST).iter().count();
    let min_hosts = usize::from(request.version() == Version::HTTP_11);
    if (min_hosts..=1).contains(&hosts) {
        return None;
    }
    let detail = format!("the request has {hosts} Host headers, it takes one");
    let mut refusal = Problem::new(Kind::MalformedRequest, detail).into_response();
    refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(refusal)
}
