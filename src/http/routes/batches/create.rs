//! `POST /batches`: takes many pictures, and answers before they are worked on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::http::AppState;
use crate::http::contract;
use crate::http::request::batch::{self, ReceivedBatch};
use crate::http::request::client::Client;
use crate::http::response::batch::{location, submitted};
use crate::http::response::problem::{Kind, Problem};
use crate::http::response::reply::BatchLogFacts;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(in crate::http::routes) const CREATE: Route = Route {
    path: "/batches",
    method: "post",
    handler: || post(create),
    label: RouteLabel { name: "batches", computes: false },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

async fn create(State(state): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let ReceivedBatch { incoming, submission, memory: _memory } = batch::receive(&parts, body, &state).await?;
    let items = submission.items.len();
    let batch = match state.batches.submitted_before(&submission).await? {
        // Nothing is computed for it.
        Some(batch) => batch,
        None => {
            state.rates.charge(&Client::of(&parts.extensions), async { items }).await?;
            state.batches.submit(incoming, submission).await?
        }
    };
    let headers = [
        (LOCATION, HeaderValue::try_from(location(&batch)).expect("an id is visible ASCII")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let answer = axum::Json(submitted(&batch, state.batches.are_durable()));
    let mut response = (StatusCode::ACCEPTED, headers, answer).into_response();
    response.extensions_mut().insert(BatchLogFacts { items });
    Ok(response)
}

fn operation() -> Value {
    let mut responses = json!({
        "202": {
            "description": "The batch is stored and will be worked on",
            "headers": {
                "Location": { "required": true, "schema": { "type": "string", "format": "uri-reference" } },
                "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" },
            },
            "content": { "application/json": { "schema": contract::schema("BatchSubmitted") } },
        },
    });
    contract::add_problems(&mut responses, |kind| {
        matches!(
            kind,
            Kind::InvalidParameter
                | Kind::MissingKey
                | Kind::SourceNotAllowed
                | Kind::MethodNotAllowed
                | Kind::UploadTooSlow
                | Kind::BodyTooLarge
                | Kind::UnsupportedFormat
                | Kind::KeyReused
                | Kind::RateLimited
                | Kind::Internal
                | Kind::Overloaded
                | Kind::BatchFull
        )
    });
    let key = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Sent again with the same batch, it gives the same answer; with another batch, 422",
        "schema": { "type": "string", "maxLength": 255 },
    });
    let form = json!({
        "type": "object",
        "description": "spec first, then the files, each in a part of its own",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": contract::schema("Batch"),
            },
        },
        "additionalProperties": { "type": "string", "contentMediaType": "application/octet-stream" },
    });
    json!({
        "operationId": "batches",
        "summary": "Many pictures, worked on in the background",
        "description": "A form has the description `spec` and then the files; JSON names the pictures by URL. Without items, each \
            file of the form is one.",
        "parameters": [key, contract::request_id()],
        "requestBody": {
            "required": true,
            "content": {
                "multipart/form-data": { "schema": form },
                "application/json": { "schema": contract::schema("Batch") },
            },
        },
        "responses": responses,
    })
}
