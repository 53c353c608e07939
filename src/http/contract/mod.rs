//! Parts of the OpenAPI document, made from the tables that the service itself uses.

mod parameters;
mod schemas;

pub(super) use parameters::{form, name, query_parameters, url_and_parameters};

use serde_json::{Map, Value, json};

use crate::codec::Format;
use crate::http::response::problem::{Kind, PROBLEM_JSON};

/// Everything that entries refer to: schemas, headers and problems.
pub(super) fn components() -> Value {
    json!({ "schemas": schemas::schemas(), "headers": headers(), "responses": problems() })
}

/// The entry of an endpoint without parameters that answers with JSON of this schema.
pub(super) fn plain(operation: &str, summary: &str, schema: Value) -> Value {
    let mut responses = json!({
        "200": {
            "description": summary,
            "headers": header_refs(&["X-Request-Id"]),
            "content": { "application/json": { "schema": schema } },
        },
    });
    let shared = |kind| {
        matches!(
            kind,
            Kind::MalformedRequest | Kind::MissingKey | Kind::MethodNotAllowed | Kind::Internal | Kind::Overloaded
        )
    };
    add_problems(&mut responses, shared);
    json!({
        "operationId": operation,
        "summary": summary,
        "parameters": [request_id()],
        "responses": responses,
    })
}

/// The entry of an endpoint that answers with a file of the pages in these media types.
pub(super) fn page(operation: &str, summary: &str, types: &[&str]) -> Value {
    let mut entry = plain(operation, summary, json!({}));
    let text = json!({ "schema": { "type": "string" } });
    let content: Map<String, Value> = types.iter().map(|media_type| ((*media_type).to_owned(), text.clone())).collect();
    entry["responses"]["200"]["content"] = content.into();
    entry["responses"]["304"] = not_modified();
    entry["parameters"] = json!([if_none_match(), request_id()]);
    entry
}

/// The response to a client that has the answer already.
pub(super) fn not_modified() -> Value {
    json!({ "description": "If-None-Match names this answer", "headers": header_refs(&["ETag", "X-Request-Id"]) })
}

/// The responses of an endpoint that answers with an image.
pub(super) fn image_responses() -> Value {
    let image = json!({ "schema": {} });
    let content: Map<String, Value> =
        Format::OUTPUT.iter().map(|format| (format.media_type().to_owned(), image.clone())).collect();
    let names: Vec<&str> = HEADERS.iter().map(|(name, ..)| *name).collect();
    json!({
        "200": { "description": "The image", "headers": header_refs(&names), "content": content },
    })
}

/// Adds the problems that an endpoint answers with. Kinds with the same status share a response.
pub(super) fn add_problems(responses: &mut Value, wanted: impl Fn(Kind) -> bool) {
    for kind in Kind::ALL.iter().copied().filter(|kind| wanted(*kind)) {
        let status = kind.status().as_u16();
        responses[status.to_string()] = json!({ "$ref": format!("#/components/responses/{status}") });
    }
}

fn problems() -> Map<String, Value> {
    let mut responses = Map::new();
    for kind in Kind::ALL {
        let status = kind.status();
        let of_status = Kind::ALL.iter().filter(|other| other.status() == status);
        let codes: Vec<String> = of_status.map(|kind| format!("`{}`: {}", kind.code(), kind.title())).collect();
        let mut headers = header_refs(&["X-Request-Id"]);
        match *kind {
            Kind::RateLimited | Kind::Overloaded => {
                headers["Retry-After"] = json!({ "schema": { "type": "integer", "minimum": 1 } });
            }
            Kind::MissingKey => headers["WWW-Authenticate"] = json!({ "schema": { "type": "string" } }),
            Kind::MethodNotAllowed => headers["Allow"] = json!({ "schema": { "type": "string" } }),
            _ => {}
        }
        let response = json!({
            "description": codes.join("; "),
            "headers": headers,
            "content": { PROBLEM_JSON: { "schema": schema("Problem") } },
        });
        responses.entry(status.as_u16().to_string()).or_insert(response);
    }
    responses
}

/// The members of `oneOf` for an object that has exactly one of these keys.
pub(super) fn one_of_keys(keys: &[&str]) -> Value {
    keys.iter().map(|key| json!({ "required": [key] })).collect()
}

/// The header If-None-Match as a parameter.
pub(super) fn if_none_match() -> Value {
    json!({ "name": "If-None-Match", "in": "header", "required": false, "schema": { "type": "string" } })
}

/// The header X-Request-Id as a parameter.
pub(super) fn request_id() -> Value {
    json!({
        "name": "X-Request-Id",
        "in": "header",
        "required": false,
        "description": "Taken over when it is 1 to 128 visible ASCII characters",
        "schema": { "type": "string" },
    })
}

/// Headers of an image answer: name, meaning, and whether every such answer has it.
const HEADERS: &[(&str, &str, bool)] = &[
    ("ETag", "Strong validator of the bytes", true),
    ("Vary", "Accept, when the format was negotiated", false),
    ("Cache-Status", "RFC 9211: hit with detail=memory, disk or redis; or fwd=miss, stored, collapsed", true),
    ("Server-Timing", "Milliseconds of queue, fetch (by URL), decode, transform, search, total", true),
    ("X-Request-Id", "Names the request in logs and problems", true),
    ("Content-Disposition", "When filename was given", false),
    ("Bytefit-Outcome", "passthrough, lossless, quality, downscaled, missed, deadline; padded may follow", true),
    ("Bytefit-Target", "The target in bytes", true),
    ("Bytefit-Input-Bytes", "Bytes of the input", true),
    ("Bytefit-Quality", "Quality of the encode, 1 to 100", false),
    ("Bytefit-Encodes", "Full-size encodes done", true),
    ("Bytefit-Width", "Width of the answer", true),
    ("Bytefit-Height", "Height of the answer", true),
    ("Bytefit-Score", "SSIMULACRA2 of the answer, when it was measured", false),
];

fn headers() -> Map<String, Value> {
    let header = |(name, meaning, required): &(&str, &str, bool)| {
        let header = json!({ "description": meaning, "required": required, "schema": { "type": "string" } });
        ((*name).to_owned(), header)
    };
    HEADERS.iter().map(header).collect()
}

/// References to the headers with these names.
pub(super) fn header_refs(names: &[&str]) -> Value {
    let reference = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.iter().map(reference).collect())
}

/// A reference to the schema with this name.
pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
