//! `GET /batches/{id}/events`: how a batch goes on, as it does.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{find, id_parameter, is_of_reading};
use crate::http::AppState;
use crate::http::contract;
use crate::http::response::batch::{self, LastEventId};
use crate::http::response::problem::Problem;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(in crate::http::routes) const EVENTS: Route = Route {
    path: "/batches/{id}/events",
    method: "get",
    handler: || get(events),
    label: RouteLabel { name: "batch_events", computes: false },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

async fn events(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let batch = find(&state, &id).await?;
    Ok(batch::events(batch, state.batches.draining(), LastEventId::of(&headers)))
}

fn operation() -> Value {
    let mut responses = json!({
        "200": {
            "description": "Server-sent events: snapshot first, then item for each that ends, progress at most four times a \
                second, end when the batch has ended, bye when the service drains",
            "headers": contract::header_refs(&["X-Request-Id"]),
            "content": { "text/event-stream": { "schema": { "type": "string" } } },
        },
    });
    contract::add_problems(&mut responses, is_of_reading);
    let last = json!({
        "name": "Last-Event-ID",
        "in": "header",
        "required": false,
        "description": "The id of the last event that is known: the items that ended since follow",
        "schema": { "type": "integer", "minimum": 0 },
    });
    json!({
        "operationId": "batchEvents",
        "summary": "How a batch goes on, as server-sent events",
        "parameters": [id_parameter(), last, contract::request_id()],
        "responses": responses,
    })
}
