//! `GET /docs`: the page that shows /openapi.json.

use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;

use crate::http::contract;
use crate::http::response::problem::Problem;
use crate::http::routes::{Route, assets};
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const DOCS: Route = Route {
    path: "/docs",
    method: "get",
    handler: || get(docs),
    label: RouteLabel { name: "docs", computes: false },
    operation: || contract::page("docs", "This document, for people", &["text/html"]),
    is_text: true,
    is_probe: false,
    needs_key: false,
};

/// The page.
pub(super) async fn docs(headers: HeaderMap) -> Result<Response, Problem> {
    assets::file_named("docs.html", &headers)
}
