//! Batches: many pictures in one request, worked on behind the others.

mod create;
mod events;
mod image;
mod remove;
mod status;
mod zip;

use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use create::CREATE;
pub(super) use events::EVENTS;
pub(super) use image::IMAGE;
pub(super) use remove::REMOVE;
pub(super) use status::STATUS;
pub(super) use zip::ZIP;

use crate::batch::Batch;
use crate::http::AppState;
use crate::http::response::problem::{Kind, Problem};

/// The batch with this id.
async fn find(state: &AppState, id: &str) -> Result<Arc<Batch>, Problem> {
    let gone = || Problem::new(Kind::NotFound, "no such batch, or it was removed");
    state.batches.get(id).await.ok_or_else(gone)
}

/// The id in the path, for the OpenAPI document.
fn id_parameter() -> Value {
    json!({
        "name": "id",
        "in": "path",
        "required": true,
        "description": "The id of the batch. Whoever knows it may read and remove the batch",
        "schema": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
    })
}

/// Whether requests about a batch are answered with this problem.
fn is_of_reading(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::InvalidParameter
            | Kind::MalformedRequest
            | Kind::MissingKey
            | Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::Internal
            | Kind::Overloaded
    )
}
