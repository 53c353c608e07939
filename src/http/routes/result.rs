//! `GET /results/{id}`: an earlier answer, as long as the cache holds it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::http::AppState;
use crate::http::contract;
use crate::http::response::problem::{Kind, Problem};
use crate::http::response::reply::Reply;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const RESULT: Route = Route {
    path: "/results/{id}",
    method: "get",
    handler: || get(result),
    label: RouteLabel { name: "result", computes: false },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

/// The id is a hash of content, job and encoder, so its bytes never change; a day avoids most repeated requests.
/// Private, because only those who know the id may see the picture.
const CACHE_FOR_A_DAY: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");

/// The image, or 404 when the cache no longer holds it.
pub(super) async fn result(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let received = Instant::now();
    let served = state.engine.result(&id).await;
    let gone = || Problem::new(Kind::NotFound, "no such result, or the cache no longer holds it");
    let served = served.ok_or_else(gone)?;
    let reply =
        Reply { served: &served, negotiated: false, filename: None, fetch: None, received, total: received.elapsed() };
    let mut response = reply.image_unless_known(&headers, None, &state.engine)?;
    response.headers_mut().insert(CACHE_CONTROL, CACHE_FOR_A_DAY);
    Ok(response)
}

fn operation() -> Value {
    let mut responses = contract::image_responses();
    responses["304"] = contract::not_modified();
    contract::add_problems(&mut responses, |kind| {
        matches!(
            kind,
            Kind::MalformedRequest
                | Kind::MissingKey
                | Kind::NotFound
                | Kind::MethodNotAllowed
                | Kind::Internal
                | Kind::Overloaded
        )
    });
    let id = json!({
        "name": "id",
        "in": "path",
        "required": true,
        "description": "The end of `output.url` in a report",
        "schema": { "type": "string" },
    });
    json!({
        "operationId": "result",
        "summary": "An answer that was given before, while the cache holds it",
        "parameters": [id, contract::if_none_match(), contract::request_id()],
        "responses": responses,
    })
}
