//! `GET /`: the page to try the service for browsers, and for others what this service is and where its documentation
//! is.

use axum::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::VARY;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::http::contract;
use crate::http::pages::Asset;
use crate::http::request::accept::Accept;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const ROOT: Route = Route {
    path: "/",
    method: "get",
    handler: || get(root),
    label: RouteLabel { name: "root", computes: false },
    operation,
    is_text: true,
    is_probe: false,
    needs_key: false,
};

/// The page when Accept names text/html; otherwise name, version, an example and links.
pub(super) async fn root(headers: HeaderMap) -> Response {
    let page = Asset::find("page.html").filter(|_| Accept::of(&headers).wants_page());
    let mut response = page.map_or_else(|| Json(links()).into_response(), |page| page.answer(&headers));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn links() -> Value {
    json!({
        "name": "bytefit",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "fits an image into a byte target",
        "example": "curl --data-binary @photo.jpg 'http://localhost:8080/compress?target=80KB' -o small.webp",
        "openapi": "/openapi.json",
        "docs": "/docs",
        "status": "/status",
        "dashboard": "/dashboard",
    })
}

fn operation() -> Value {
    let mut operation = contract::page("root", "The page to try the service, or links as JSON", &["text/html"]);
    operation["responses"]["200"]["content"]["application/json"] = json!({ "schema": { "type": "object" } });
    operation
}
