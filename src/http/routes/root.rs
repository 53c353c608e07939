//! `GET /`: what this service is and where its documentation is.

use axum::Json;
use axum::routing::get;
use serde_json::{Value, json};

use crate::http::contract;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const ROOT: Route = Route {
    path: "/",
    method: "get",
    handler: || get(root),
    label: RouteLabel { name: "root", computes: false },
    operation: || contract::plain("root", "What this is", json!({ "type": "object" })),
    is_text: true,
    is_probe: false,
};

/// Name, version, an example and links.
pub(super) async fn root() -> Json<Value> {
    Json(json!({
        "name": "bytefit",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "fits an image into a byte target",
        "example": "curl --data-binary @photo.jpg 'http://localhost:8080/compress?target=80KB' -o small.webp",
        "openapi": "/openapi.json",
        "status": "/status",
    }))
}
