//! Builds the router from the table of routes, with the layers that all routes share.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
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
        .layer(from_fn(plain_options))
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
fn options(path: &'static str) -> axum::routing::MethodRouter<Arc<AppState>> {
    axum::routing::options(async move || allow(path))
}

/// Answers OPTIONS that no page of another site sends: the layer of CORS takes each for a preflight request.
async fn plain_options(request: Request, next: Next) -> Response {
    if request.method() != Method::OPTIONS || request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return next.run(request).await;
    }
    match request.extensions().get::<MatchedPath>() {
        Some(path) => allow(path.as_str()),
        None => not_found().into_response(),
    }
}

fn allow(path: &str) -> Response {
    let methods = HeaderValue::try_from(routes::allowed_methods(path)).expect("names of methods are visible ASCII");
    (StatusCode::NO_CONTENT, [(ALLOW, methods)]).into_response()
}
