//! `GET /batches/{id}/items/{n}`: the image of an item.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{find, id_parameter, is_of_reading};
use crate::http::AppState;
use crate::http::contract;
use crate::http::response::batch;
use crate::http::response::problem::{Kind, Problem};
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(in crate::http::routes) const IMAGE: Route = Route {
    path: "/batches/{id}/items/{index}",
    method: "get",
    handler: || get(image),
    label: RouteLabel { name: "batch_item", computes: false },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

async fn image(
    State(state): State<Arc<AppState>>,
    Path((id, index)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = find(&state, &id).await?;
    let index = index.parse().map_err(|_| Problem::new(Kind::NotFound, "no such item"))?;
    batch::image(&state.batches, &found, index, &headers)
}

fn operation() -> Value {
    let mut responses = contract::image_responses();
    responses["304"] = contract::not_modified();
    // An item that failed is answered with its problem.
    contract::add_problems(&mut responses, |kind| {
        is_of_reading(kind)
            || matches!(
                kind,
                Kind::BatchUnfinished
                    | Kind::UnsupportedFormat
                    | Kind::Undecodable
                    | Kind::SourceNotAllowed
                    | Kind::SourceTooLarge
                    | Kind::SourceFailed
                    | Kind::SourceTimeout
            )
    });
    let index = json!({
        "name": "index",
        "in": "path",
        "required": true,
        "description": "The place of the item, from 0",
        "schema": { "type": "integer", "minimum": 0 },
    });
    json!({
        "operationId": "batchItem",
        "summary": "The image of an item, or the problem of one that failed",
        "parameters": [id_parameter(), index, contract::if_none_match(), contract::request_id()],
        "responses": responses,
    })
}
