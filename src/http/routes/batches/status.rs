//! `GET /batches/{id}`: how far a batch is.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use super::{find, id_parameter, is_of_reading};
use crate::http::AppState;
use crate::http::contract;
use crate::http::request::query;
use crate::http::response::batch::status as answer;
use crate::http::response::problem::Problem;
use crate::http::routes::Route;
use crate::metrics::RouteLabel;
use crate::params::ParamError;

/// The row of this endpoint.
pub(in crate::http::routes) const STATUS: Route = Route {
    path: "/batches/{id}",
    method: "get",
    handler: || get(status),
    label: RouteLabel { name: "batch", computes: false },
    operation,
    is_text: true,
    is_probe: false,
    needs_key: true,
};

/// Items of an answer, where the request does not say.
const DEFAULT_LIMIT: usize = 100;

/// The most items of an answer.
const MAX_LIMIT: usize = 1000;

async fn status(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let batch = find(&state, &id).await?;
    let (offset, limit) = page(query.as_deref().unwrap_or_default())?;
    let headers = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, axum::Json(answer(&batch, offset, limit))).into_response())
}

/// Where the items of the answer begin, and how many there are at most.
fn page(query: &str) -> Result<(usize, usize), ParamError> {
    let (mut offset, mut limit) = (None, None);
    for (name, value) in query::pairs(query)? {
        let given_before = match name.as_str() {
            "offset" => offset.replace(number(&name, &value, usize::MAX)?),
            "limit" => limit.replace(number(&name, &value, MAX_LIMIT)?),
            _ => return Err(ParamError::new(&name, Some(&value), "unknown parameter", "offset, limit")),
        };
        if given_before.is_some() {
            return Err(ParamError::new(&name, Some(&value), "given twice", "one value"));
        }
    }
    Ok((offset.unwrap_or(0), limit.unwrap_or(DEFAULT_LIMIT)))
}

fn number(name: &str, value: &str, most: usize) -> Result<usize, ParamError> {
    let number = value.parse().ok().filter(|number| *number <= most);
    let allowed = if most == usize::MAX { "a whole number".to_owned() } else { format!("0 to {most}") };
    number.ok_or_else(|| ParamError::new(name, Some(value), "not in its range", &allowed))
}

fn operation() -> Value {
    let mut entry = contract::plain("batch", "How far a batch is", contract::schema("BatchStatus"));
    contract::add_problems(&mut entry["responses"], is_of_reading);
    let parameter =
        |name: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "schema": schema });
    entry["parameters"] = json!([
        id_parameter(),
        parameter("offset", json!({ "type": "integer", "minimum": 0, "default": 0 })),
        parameter("limit", json!({ "type": "integer", "minimum": 0, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT })),
        contract::request_id(),
    ]);
    entry
}
