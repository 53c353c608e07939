//! `GET /dashboard`: the page that draws /status.

use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;

use crate::http::contract;
use crate::http::response::problem::Problem;
use crate::http::routes::{Route, assets};
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const DASHBOARD: Route = Route {
    path: "/dashboard",
    method: "get",
    handler: || get(dashboard),
    label: RouteLabel { name: "dashboard", computes: false },
    operation: || contract::page("dashboard", "The live state, drawn", &["text/html"]),
    is_text: true,
    is_probe: false,
    needs_key: false,
};

/// The page.
pub(super) async fn dashboard(headers: HeaderMap) -> Result<Response, Problem> {
    assets::file_named("dashboard.html", &headers)
}
