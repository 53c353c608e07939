//! The Host header, which a request has once (RFC 9112 s3.2): what two servers read differently is not answered.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Version};

use crate::http::response::problem::{Kind, Problem};

/// The refusal of a request of HTTP/1.1 without a Host header, or of any version with several; the connection closes
/// after it.
pub fn refusal(request: &Request) -> Option<Response> {
    let hosts = request.headers().get_all(HOST).iter().count();
    let least = usize::from(request.version() == Version::HTTP_11);
    if (least..=1).contains(&hosts) {
        return None;
    }
    let detail = format!("the request has {hosts} Host headers, it takes one");
    let mut refusal = Problem::new(Kind::MalformedRequest, detail).into_response();
    refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(refusal)
}
