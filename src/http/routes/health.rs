//! `GET /health`, `/readyz` and `/livez`: for load balancers and orchestrators. They never wait in the queue.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::http::AppState;
use crate::http::contract;
use crate::http::response::problem::{Deliberate, PROBLEM_JSON};
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// `/health`: whether new work is accepted.
pub(super) const HEALTH: Route = Route {
    path: "/health",
    method: "get",
    handler: || get(ready),
    label: RouteLabel { name: "health", computes: false },
    operation: || ready_operation("health", "Whether new work is taken"),
    is_text: false,
    is_probe: true,
    needs_key: false,
};

/// `/readyz`: the same under Kubernetes' name.
pub(super) const READYZ: Route = Route {
    path: "/readyz",
    method: "get",
    handler: || get(ready),
    label: RouteLabel { name: "readyz", computes: false },
    operation: || ready_operation("readyz", "Alias of /health"),
    is_text: false,
    is_probe: true,
    needs_key: false,
};

/// `/livez`: whether the process answers.
pub(super) const LIVEZ: Route = Route {
    path: "/livez",
    method: "get",
    handler: || get(live),
    label: RouteLabel { name: "livez", computes: false },
    operation: || contract::plain("livez", "Whether the process answers at all", contract::schema("Health")),
    is_text: false,
    is_probe: true,
    needs_key: false,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 while new work is accepted, 503 as soon as the service drains.
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    if state.engine.is_draining() {
        let body = json!({ "status": "draining" });
        let answer = (Extension(Deliberate), [(CACHE_CONTROL, NO_STORE)], Json(body));
        return (StatusCode::SERVICE_UNAVAILABLE, answer).into_response();
    }
    ([(CACHE_CONTROL, NO_STORE)], Json(health(&state, "ok"))).into_response()
}

/// 200 as long as the process answers at all. While it drains too, or an orchestrator would kill it.
pub(super) async fn live(State(state): State<Arc<AppState>>) -> Response {
    let status = if state.engine.is_draining() { "draining" } else { "ok" };
    ([(CACHE_CONTROL, NO_STORE)], Json(health(&state, status))).into_response()
}

fn health(state: &AppState, status: &str) -> Value {
    let snapshot = state.engine.snapshot();
    json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": state.started.elapsed().as_secs(),
        "in_flight": snapshot.in_flight,
        "queued": snapshot.queued,
    })
}

fn ready_operation(name: &str, summary: &str) -> Value {
    let mut operation = contract::plain(name, summary, contract::schema("Health"));
    let draining = json!({
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "const": "draining" } },
    });
    operation["responses"]["503"] = json!({
        "description": "Draining, or too many connections are open",
        "content": {
            "application/json": { "schema": draining },
            PROBLEM_JSON: { "schema": contract::schema("Problem") },
        },
    });
    operation
}
