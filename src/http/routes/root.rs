//! `GET /`: what this is and where to read on, for whoever comes by with a browser or curl.

use axum::Json;
use serde_json::{Value, json};

/// A signpost.
pub async fn root() -> Json<Value> {
    Json(json!({
        "name": "bytefit",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "fits an image into a byte target",
        "example": "curl --data-binary @photo.jpg 'http://localhost:8080/compress?target=80KB' -o small.webp",
        "openapi": "/openapi.json",
        "status": "/status",
    }))
}
