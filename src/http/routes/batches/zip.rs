//! `GET /batches/{id}/zip`: every image of a batch.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::{find, id_parameter, is_of_reading};
use crate::http::AppState;
use crate::http::contract;
use crate::http::request::query;
use crate::http::response::batch::archive;
use crate::http::response::problem::{Kind, Problem};
use crate::http::routes::Route;
use crate::metrics::RouteLabel;
use crate::params::ParamError;

/// The row of this endpoint.
pub(in crate::http::routes) const ZIP: Route = Route {
    path: "/batches/{id}/zip",
    method: "get",
    handler: || get(zip),
    label: RouteLabel { name: "batch_zip", computes: false },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

async fn zip(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let batch = find(&state, &id).await?;
    archive(&state.batches, &batch, is_partial(query.as_deref().unwrap_or_default())?)
}

/// Whether a batch that has not ended is answered with what is done.
fn is_partial(query: &str) -> Result<bool, ParamError> {
    let mut is_partial = false;
    for (name, value) in query::pairs(query)? {
        let refuse = |reason: &str, allowed: &str| ParamError::new(&name, Some(&value), reason, allowed);
        is_partial = match (name.as_str(), value.as_str()) {
            ("partial", "true" | "1") => true,
            ("partial", "false" | "0") => false,
            ("partial", _) => return Err(refuse("is neither true nor false", "true or false")),
            _ => return Err(refuse("unknown parameter", "partial")),
        };
    }
    Ok(is_partial)
}

fn operation() -> Value {
    let mut responses = json!({
        "200": {
            "description": "The images, stored, and report.json as the last file",
            "headers": contract::header_refs(&["X-Request-Id"]),
            "content": { "application/zip": { "schema": { "type": "string", "contentMediaType": "application/zip" } } },
        },
    });
    contract::add_problems(&mut responses, |kind| is_of_reading(kind) || kind == Kind::BatchUnfinished);
    let partial = json!({
        "name": "partial",
        "in": "query",
        "required": false,
        "description": "Whether a batch that has not ended is answered with what is done",
        "schema": { "type": "boolean", "default": false },
    });
    json!({
        "operationId": "batchZip",
        "summary": "Every image of a batch as an archive",
        "parameters": [id_parameter(), partial, contract::request_id()],
        "responses": responses,
    })
}
