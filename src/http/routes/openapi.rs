//! `GET /openapi.json`: the OpenAPI document.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::http::contract;
use crate::http::routes::{self, Route};
use crate::metrics::RouteLabel;

/// The row of this endpoint.
pub(super) const OPENAPI: Route = Route {
    path: "/openapi.json",
    method: "get",
    handler: || get(openapi),
    label: RouteLabel { name: "openapi", computes: false },
    operation: || contract::plain("openapi", "This document", json!({ "type": "object" })),
    is_text: true,
    is_probe: false,
    needs_key: false,
};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// The document as bytes.
pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

/// The document, with an entry for every endpoint.
fn document() -> Value {
    // A variable that takes several segments has an asterisk in the router only.
    let mut paths = Map::new();
    for Route { path, method, operation, .. } in routes::ALL {
        paths.entry(path.replace("{*", "{")).or_insert_with(|| json!({}))[*method] = operation();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "bytefit",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Fits an image into a byte target",
            "description": "The best-looking picture of at most so many bytes, or a refusal that names the smallest size it could reach.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "paths": paths,
        "components": contract::components(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::PARAMETERS;

    #[test]
    fn every_parameter_is_documented_in_query_and_form() {
        let document = document();
        let compress = &document["paths"]["/compress"]["post"];
        let query = compress["parameters"].as_array().unwrap();
        let form = &compress["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"];
        for parameter in PARAMETERS {
            assert!(query.iter().any(|found| found["name"] == parameter.name), "{}", parameter.name);
            assert!(form.get(parameter.name).is_some(), "{}", parameter.name);
        }
    }

    #[test]
    fn every_reference_has_a_target() {
        let document = document();
        let mut open = vec![&document];
        let mut references = 0;
        while let Some(value) = open.pop() {
            match value {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        references += 1;
                        let target = document.pointer(reference.strip_prefix('#').unwrap());
                        assert!(target.is_some(), "{reference}");
                    }
                    open.extend(members.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        assert!(references > 50);
    }
}
