//! `GET /metrics`: for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::http::AppState;
use crate::http::contract;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const METRICS: Route = Route {
    path: "/metrics",
    method: "get",
    handler: || get(metrics),
    label: RouteLabel { name: "metrics", computes: false },
    operation,
    is_text: true,
    is_probe: true,
    needs_key: true,
};

/// Every metric, in Prometheus' text format 0.0.4.
pub(super) async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    state.batches.measure();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render()).into_response()
}

fn operation() -> Value {
    let mut operation = contract::plain("metrics", "Metrics in Prometheus' text format", json!({}));
    operation["responses"]["200"]["content"] = json!({ "text/plain": { "schema": { "type": "string" } } });
    operation
}
