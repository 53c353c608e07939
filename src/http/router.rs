//! Builds the router from the table of routes, with the layers that all routes share.

use std::sync::Arc;

use axum::Router;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::response::problem::{Kind, Problem};
use super::routes::{self, Route};
use super::{AppState, middleware, redirect};

/// A router of every route in [`routes::ALL`].
pub(super) fn router(state: Arc<AppState>) -> Router {
    let router = routes::ALL.iter().fold(Router::new(), |router, route| router.route(route.path, handler(route)));
    let router = routes::paths().fold(router, |router, path| router.route(path, options(path)));
    let cors = option_layer(middleware::cors::layer(&state.cors));
    router
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed, "see the Allow header"))
        .fallback(async |uri: Uri| redirect::without_slash(&uri).ok_or_else(not_found))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(state.clone(), middleware::identify))
        .layer(cors)
        .layer(from_fn_with_state(state.clone(), middleware::observe))
        .with_state(state)
}

fn not_found() -> Problem {
    Problem::new(Kind::NotFound, "no such path; /openapi.json lists those there are")
}

fn handler(route: &Route) -> axum::routing::MethodRouter<Arc<AppState>> {
    let handler = (route.handler)();
    if route.is_text { handler.layer(CompressionLayer::new()) } else { handler }
}

/// Says which methods are answered at `path`.
fn options(path: &str) -> axum::routing::MethodRouter<Arc<AppState>> {
    let allow = HeaderValue::try_from(routes::allowed_methods(path)).expect("names of methods are visible ASCII");
    axum::routing::options(async move || (StatusCode::NO_CONTENT, [(ALLOW, allow)]))
}
