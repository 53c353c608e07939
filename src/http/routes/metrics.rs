//! `GET /metrics`: for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::http::Edge;

/// The whole table in text format 0.0.4.
pub async fn metrics(State(edge): State<Arc<Edge>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], edge.metrics.render()).into_response()
}
