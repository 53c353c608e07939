//! `GET /status`: the state of the service, for people and dashboards.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::batch::{Batches, Counts, HeldBackBy, Pace};
use crate::engine::{Snapshot, TierStats, WorkersMode};
use crate::http::AppState;
use crate::http::contract;
use crate::http::response::report::rounded;
use crate::http::routes::Route;
use crate::metrics::{self, BatchState, Interval, Mark, Metrics, RouteLabel};

/// The row of this endpoint.
pub(super) const STATUS: Route = Route {
    path: "/status",
    method: "get",
    handler: || get(status),
    label: RouteLabel { name: "status", computes: false },
    operation: || contract::plain("status", "The state of the service, for people", contract::schema("Status")),
    is_text: true,
    // The dashboard asks every few seconds.
    is_probe: true,
    needs_key: true,
};

/// The state now.
pub(super) async fn status(State(state): State<Arc<AppState>>) -> Json<Value> {
    let snapshot = state.engine.snapshot();
    let latency = state.metrics.latency();
    let hour = state.metrics.hour();
    let marks = metrics::marks(&hour);
    Json(json!({
        "status": if state.engine.is_draining() { "draining" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": state.started.elapsed().as_secs(),
        "rss_bytes": state.metrics.resident_bytes(),
        "pool": pool(&snapshot),
        "workers": workers(&snapshot, &state),
        "queue": { "queued": snapshot.queued, "slots": snapshot.queue_slots },
        "cache": cache(&snapshot),
        "batches": batches(&state.batches),
        "latency_ms": {
            "requests": latency.requests,
            "p50": millis(latency.p50),
            "p95": millis(latency.p95),
            "p99": millis(latency.p99),
        },
        "outcomes": outcomes(&state),
        "fills": fills(&state.metrics),
        "grades": grades(&marks),
        "grading": marks.iter().map(grading).collect::<Value>(),
        "hour": hour_so_far(&hour),
        "history": state.metrics.history(point),
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

/// The tiers of the cache that are in use, by name.
fn cache(snapshot: &Snapshot) -> Map<String, Value> {
    snapshot.cache.iter().map(|(tier, stats)| (tier.name().to_owned(), cache_tier(stats))).collect()
}

fn cache_tier(stats: &TierStats) -> Value {
    let lookups = stats.hits + stats.misses;
    let hit_ratio = if lookups == 0 { 0.0 } else { stats.hits as f64 / lookups as f64 };
    json!({
        "entries": stats.entries,
        "bytes": stats.bytes,
        "capacity_bytes": stats.capacity_bytes,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_ratio": figure(hit_ratio),
        "off": stats.off,
    })
}

/// Batches by state, and the items of all of them.
fn batches(batches: &Batches) -> Value {
    let figures = batches.measure();
    let Counts { pending, running, done, failed, cancelled, .. } = figures.items;
    let states = BatchState::ALL.iter().map(|state| (state.name().to_owned(), figures.in_state(*state).into()));
    json!({
        "durable": batches.are_durable(),
        "states": states.collect::<Map<String, Value>>(),
        "items": { "pending": pending, "running": running, "done": done, "failed": failed, "cancelled": cancelled },
        "oldest_s": figures.oldest.map(|age| age.as_secs()),
        "idle_s": figures.idle.map(|idle| idle.as_secs()),
        "pace": pace(&batches.pace()),
    })
}

/// How many items of batches are worked on at once, which follows the load.
fn pace(Pace { at_once, most, held_back_by }: &Pace) -> Value {
    json!({ "at_once": at_once, "most": most, "held_back_by": held_back_by.map(HeldBackBy::name) })
}

fn outcomes(state: &AppState) -> Map<String, Value> {
    state.metrics.outcomes().map(|(outcome, count)| (outcome.name().to_owned(), count.into())).collect()
}

/// Answers by how full their target is, the upper bound of each class first.
fn fills(metrics: &Metrics) -> Value {
    metrics.fills().into_iter().map(|(up_to, count)| json!({ "up_to": up_to, "count": count })).collect()
}

fn grades(marks: &[Mark]) -> Value {
    let mut grades = json!({ "overall": metrics::overall(marks).name() });
    for mark in marks {
        grades[mark.subject.name] = mark.grade.name().into();
    }
    grades
}

/// What a grade was given for: the figure, and the bounds of A+, A, B and C.
fn grading(mark: &Mark) -> Value {
    json!({
        "name": mark.subject.name,
        "meaning": mark.subject.meaning,
        "value": mark.value.map(figure),
        "bounds": mark.subject.bounds,
    })
}

/// Sums over the last hour.
fn hour_so_far(hour: &Interval) -> Value {
    let statuses: Map<String, Value> =
        hour.statuses().map(|(status, count)| (status.name().to_owned(), count.into())).collect();
    json!({
        "requests": hour.requests,
        "statuses": statuses,
        "errors": hour.server_errors,
        "shed": hour.shed,
        "worker_deaths": hour.deaths,
        "jobs": hour.jobs,
        "encodes": hour.encodes,
        "input_bytes": hour.input_bytes,
        "saved_bytes": hour.saved_bytes,
        "hit_ratio": hour.hit_ratio().map(figure),
        "p50_ms": millis(hour.latency(50)),
        "p95_ms": millis(hour.latency(95)),
        "p99_ms": millis(hour.latency(99)),
    })
}

/// An interval of the history.
fn point(interval: &Interval) -> Value {
    let gauges = &interval.gauges;
    json!({
        "at": interval.ended,
        "requests_per_s": figure(interval.rate()),
        "p50_ms": millis(interval.latency(50)),
        "p95_ms": millis(interval.latency(95)),
        "queued": gauges.queued,
        "in_flight": gauges.in_flight,
        "workers": gauges.workers,
        "worker_deaths": interval.deaths,
        "hit_ratio": interval.hit_ratio().map(figure),
        "jobs": interval.jobs,
        "encodes": interval.encodes,
        "errors": interval.server_errors,
        "client_errors": interval.client_errors,
        "shed": interval.shed,
        "saved_bytes": interval.saved_bytes,
        "memory_bytes": gauges.memory_reserved_bytes,
        "rss_bytes": gauges.rss_bytes,
        "batch_items": gauges.batch_items,
    })
}

/// Rounds to four decimals.
fn figure(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

fn millis(elapsed: Duration) -> f64 {
    rounded(elapsed.as_secs_f64() * 1e3)
}
