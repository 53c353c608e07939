//! The table of routes: a line a route.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::problem::{Kind, Problem};
use super::{AppState, access_log, routes};
use crate::metrics::Route;

/// Every route, inside the layers that all of them share.
pub fn router(state: Arc<AppState>) -> Router {
    // Only what is text gains from compression; images would pay for nothing.
    let text = Router::new()
        .route("/", get(routes::root::root))
        .route("/metrics", get(routes::metrics::metrics))
        .route("/status", get(routes::status::status))
        .route("/openapi.json", get(routes::openapi::openapi))
        .layer(CompressionLayer::new());
    Router::new()
        .route("/compress", post(routes::compress::compress))
        .route("/results/{id}", get(routes::result::result))
        .route("/health", get(routes::health::ready))
        .route("/readyz", get(routes::health::ready))
        .route("/livez", get(routes::health::live))
        .merge(text)
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed, "see the Allow header"))
        .fallback(async || Problem::new(Kind::NotFound, "no such path; /openapi.json lists those there are"))
        .layer(CatchPanicLayer::custom(access_log::panicked))
        .layer(from_fn_with_state(state.clone(), access_log::observe))
        .with_state(state)
}

/// What the metrics call a route, by its template.
pub fn label(template: Option<&str>) -> Route {
    match template {
        Some("/compress") => Route::Compress,
        Some("/results/{id}") => Route::Result,
        Some("/health") => Route::Health,
        Some("/livez") => Route::Livez,
        Some("/readyz") => Route::Readyz,
        Some("/metrics") => Route::Metrics,
        Some("/status") => Route::Status,
        Some("/openapi.json") => Route::Openapi,
        Some("/") => Route::Root,
        _ => Route::Other,
    }
}
