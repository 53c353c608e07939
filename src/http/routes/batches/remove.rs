//! `DELETE /batches/{id}`: stops a batch and removes it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::delete;
use http::StatusCode;
use serde_json::{Value, json};

use super::{id_parameter, is_of_reading};
use crate::http::AppState;
use crate::http::contract;
use crate::http::response::problem::{Kind, Problem};
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(in crate::http::routes) const REMOVE: Route = Route {
    path: "/batches/{id}",
    method: "delete",
    handler: || delete(remove),
    label: RouteLabel { name: "batch", computes: false },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

async fn remove(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    match state.batches.remove(&id).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Problem::new(Kind::NotFound, "no such batch, or it was removed")),
        Err(error) => Err(error.into()),
    }
}

fn operation() -> Value {
    let mut responses = json!({
        "204": { "description": "Nothing of the batch is left", "headers": contract::header_refs(&["X-Request-Id"]) },
    });
    contract::add_problems(&mut responses, is_of_reading);
    json!({
        "operationId": "removeBatch",
        "summary": "Stops a batch and removes its pictures and answers",
        "parameters": [id_parameter(), contract::request_id()],
        "responses": responses,
    })
}
