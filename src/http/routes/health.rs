//! `GET /health`, `/readyz` and `/livez`: for those who decide where requests go. Never behind the queue.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::http::Edge;
use crate::http::problem::Deliberate;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 while new work is taken; 503 from the moment the service goes down.
pub async fn ready(State(edge): State<Arc<Edge>>) -> Response {
    if edge.engine.is_draining() {
        let body = json!({ "status": "draining" });
        let answer = (Extension(Deliberate), [(CACHE_CONTROL, NO_STORE)], Json(body));
        return (StatusCode::SERVICE_UNAVAILABLE, answer).into_response();
    }
    ([(CACHE_CONTROL, NO_STORE)], Json(state(&edge, "ok"))).into_response()
}

/// 200 as long as the process answers at all, draining included: nobody should kill it for that.
pub async fn live(State(edge): State<Arc<Edge>>) -> Response {
    let status = if edge.engine.is_draining() { "draining" } else { "ok" };
    ([(CACHE_CONTROL, NO_STORE)], Json(state(&edge, status))).into_response()
}

fn state(edge: &Edge, status: &str) -> Value {
    let snapshot = edge.engine.snapshot();
    json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": edge.started.elapsed().as_secs(),
        "in_flight": snapshot.in_flight,
        "queued": snapshot.queued,
    })
}
