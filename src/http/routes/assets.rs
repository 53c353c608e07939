//! `GET /assets/{file}`: what the pages load.

use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::http::contract;
use crate::http::pages::Asset;
use crate::http::response::problem::{Kind, Problem};
use crate::http::routes::Route;
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const ASSETS: Route = Route {
    path: "/assets/{file}",
    method: "get",
    handler: || get(asset),
    label: RouteLabel { name: "assets", computes: false },
    operation,
    is_text: true,
    is_probe: false,
    needs_key: false,
};

/// The file of this name, or 404.
pub(super) async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    file_named(&file, &headers)
}

/// Answers with the file of this name.
///
/// # Errors
/// `not_found` for a name that no file has.
pub(super) fn file_named(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let unknown = || Problem::new(Kind::NotFound, "no page has such a file");
    Asset::find(name).map(|asset| asset.answer(headers)).ok_or_else(unknown)
}

fn operation() -> Value {
    let types = ["text/html", "text/css", "text/javascript", "image/svg+xml"];
    let mut operation = contract::page("assets", "A file that the pages load", &types);
    let file = json!({ "name": "file", "in": "path", "required": true, "schema": { "type": "string" } });
    operation["parameters"] = json!([file, contract::if_none_match(), contract::request_id()]);
    contract::add_problems(&mut operation["responses"], |kind| kind == Kind::NotFound);
    operation
}
