//! `GET /results/{id}`: an answer that was given before, while the cache holds it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};

use crate::http::AppState;
use crate::http::problem::{Kind, Problem};
use crate::http::reply::Reply;

/// The id names content, job and encoder, so the bytes behind it never change; a day spares most fetches.
/// Private: what is in a picture is the business of those who were given its id.
const KEEP: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");

/// The image, or 404 once the cache has let go of it.
pub async fn result(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Instant::now();
    let served = state.engine.result(&id).await;
    let gone = || Problem::new(Kind::NotFound, "no such result, or the cache no longer holds it");
    let served = served.ok_or_else(gone)?;
    let reply = Reply { served: &served, negotiated: false, filename: None, total: asked.elapsed() };
    let mut response = reply.image_unless_known(&headers, &state.engine)?;
    response.headers_mut().insert(CACHE_CONTROL, KEEP);
    Ok(response)
}
