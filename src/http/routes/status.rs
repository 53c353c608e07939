//! `GET /status`: the state of the service, for people and dashboards.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::engine::{CacheStats, Snapshot, WorkersMode};
use crate::http::AppState;
use crate::http::contract;
use crate::http::response::report::rounded;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const STATUS: Route = Route {
    path: "/status",
    method: "get",
    handler: || get(status),
    label: RouteLabel { name: "status", computes: false },
    operation: || contract::plain("status", "The state of the service, for people", contract::schema("Status")),
    is_text: true,
    is_probe: false,
};

/// The state now.
pub(super) async fn status(State(state): State<Arc<AppState>>) -> Json<Value> {
    let snapshot = state.engine.snapshot();
    let latency = state.metrics.latency();
    Json(json!({
        "status": if state.engine.is_draining() { "draining" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": state.started.elapsed().as_secs(),
        "rss_bytes": state.metrics.resident_bytes(),
        "pool": pool(&snapshot),
        "workers": workers(&snapshot, &state),
        "queue": { "queued": snapshot.queued, "slots": snapshot.queue_slots },
        "cache": { "memory": cache(&snapshot.cache) },
        "latency_ms": {
            "requests": latency.requests,
            "p50": millis(latency.p50),
            "p95": millis(latency.p95),
            "p99": millis(latency.p99),
        },
        "outcomes": outcomes(&state),
    }))
}

fn pool(snapshot: &Snapshot) -> Value {
    json!({
        "threads": snapshot.threads,
        "in_flight": snapshot.in_flight,
        "memory_reserved_bytes": snapshot.memory_reserved_bytes,
        "memory_limit_bytes": snapshot.memory_limit_bytes,
    })
}

fn workers(snapshot: &Snapshot, state: &AppState) -> Value {
    json!({
        "mode": if snapshot.in_processes { WorkersMode::Processes } else { WorkersMode::Threads },
        "running": state.metrics.workers(),
        "deaths": state.metrics.worker_deaths(),
        "recycled": state.metrics.workers_recycled(),
    })
}

fn cache(stats: &CacheStats) -> Value {
    let lookups = stats.hits + stats.misses;
    let hit_ratio = if lookups == 0 { 0.0 } else { stats.hits as f64 / lookups as f64 };
    json!({
        "entries": stats.entries,
        "bytes": stats.bytes,
        "capacity_bytes": stats.capacity_bytes,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_ratio": (hit_ratio * 1e4).round() / 1e4,
    })
}

fn outcomes(state: &AppState) -> Map<String, Value> {
    state.metrics.outcomes().map(|(outcome, count)| (outcome.name().to_owned(), count.into())).collect()
}

fn millis(elapsed: Duration) -> f64 {
    rounded(elapsed.as_secs_f64() * 1e3)
}
