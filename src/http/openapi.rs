//! The contract as an OpenAPI 3.1 document, from the same tables that the service runs on.
//! Must not know requests.

mod schemas;

use serde_json::{Map, Value, json};

use super::problem::{Kind, PROBLEM_JSON};
use crate::codec::Format;
use crate::params::{PARAMETERS, Parameter};

/// The whole document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "bytefit",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Fits an image into a byte target",
            "description": "The best-looking picture of at most so many bytes, or a refusal that names the smallest size it could reach.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "paths": {
            "/compress": { "post": compress() },
            "/results/{id}": { "get": result() },
            "/health": { "get": health("health", "Whether new work is taken", true) },
            "/readyz": { "get": health("readyz", "Alias of /health", true) },
            "/livez": { "get": health("livez", "Whether the process answers at all", false) },
            "/metrics": { "get": metrics() },
            "/status": { "get": plain("status", "The state of the service, for people", schema("Status")) },
            "/openapi.json": { "get": plain("openapi", "This document", json!({ "type": "object" })) },
            "/": { "get": plain("root", "What this is", json!({ "type": "object" })) },
        },
        "components": { "schemas": schemas::schemas(), "headers": headers(), "responses": problems() },
    })
}

fn compress() -> Value {
    let mut responses = image_responses();
    responses["200"]["content"]["application/json"] = json!({ "schema": schema("Report") });
    add_problems(&mut responses, |_| true);
    json!({
        "operationId": "compress",
        "summary": "Fit an image into a byte target",
        "description": "Parameters stand in the query or in the form, under the same names; `target` is required in one of the two.",
        "parameters": PARAMETERS.iter().map(query_parameter).chain([request_id()]).collect::<Vec<Value>>(),
        "requestBody": {
            "required": true,
            "content": {
                "image/*": { "schema": {} },
                "application/octet-stream": { "schema": {} },
                "multipart/form-data": { "schema": form() },
            },
        },
        "responses": responses,
    })
}

fn result() -> Value {
    let mut responses = image_responses();
    responses["304"] =
        json!({ "description": "If-None-Match names this answer", "headers": header_refs(&["ETag", "X-Request-Id"]) });
    add_problems(&mut responses, |kind| {
        matches!(
            kind,
            Kind::MalformedRequest | Kind::NotFound | Kind::MethodNotAllowed | Kind::Internal | Kind::Overloaded
        )
    });
    let id = json!({
        "name": "id",
        "in": "path",
        "required": true,
        "description": "The end of `output.url` in a report",
        "schema": { "type": "string" },
    });
    json!({
        "operationId": "result",
        "summary": "An answer that was given before, while the cache holds it",
        "parameters": [id, if_none_match(), request_id()],
        "responses": responses,
    })
}

fn health(operation: &str, summary: &str, drains: bool) -> Value {
    let mut operation = plain(operation, summary, schema("Health"));
    if drains {
        let draining = json!({
            "type": "object",
            "required": ["status"],
            "properties": { "status": { "const": "draining" } },
        });
        operation["responses"]["503"] = json!({
            "description": "Draining, or too many connections are open",
            "content": {
                "application/json": { "schema": draining },
                PROBLEM_JSON: { "schema": schema("Problem") },
            },
        });
    }
    operation
}

fn metrics() -> Value {
    let mut operation = plain("metrics", "Metrics in Prometheus' text format", json!({}));
    operation["responses"]["200"]["content"] = json!({ "text/plain": { "schema": { "type": "string" } } });
    operation
}

fn plain(operation: &str, summary: &str, schema: Value) -> Value {
    let mut responses = json!({
        "200": {
            "description": summary,
            "headers": header_refs(&["X-Request-Id"]),
            "content": { "application/json": { "schema": schema } },
        },
    });
    let shared =
        |kind| matches!(kind, Kind::MalformedRequest | Kind::MethodNotAllowed | Kind::Internal | Kind::Overloaded);
    add_problems(&mut responses, shared);
    json!({
        "operationId": operation,
        "summary": summary,
        "parameters": [request_id()],
        "responses": responses,
    })
}

fn image_responses() -> Value {
    let image = json!({ "schema": {} });
    let content: Map<String, Value> =
        Format::OUTPUT.iter().map(|format| (format.media_type().to_owned(), image.clone())).collect();
    let names: Vec<&str> = HEADERS.iter().map(|(name, ..)| *name).collect();
    json!({
        "200": { "description": "The image", "headers": header_refs(&names), "content": content },
    })
}

/// Adds a response for every status that the kinds have; kinds of one status share it.
fn add_problems(responses: &mut Value, wanted: impl Fn(Kind) -> bool) {
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
            Kind::Overloaded => headers["Retry-After"] = json!({ "schema": { "type": "integer", "minimum": 1 } }),
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

fn query_parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "required": false,
        "description": describe(parameter),
        "schema": value_schema(parameter),
    })
}

fn form() -> Value {
    let mut properties: Map<String, Value> = PARAMETERS
        .iter()
        .map(|parameter| {
            let mut schema = value_schema(parameter);
            schema["description"] = describe(parameter).into();
            (parameter.name.to_owned(), schema)
        })
        .collect();
    properties.insert("file".to_owned(), json!({ "type": "string", "contentMediaType": "application/octet-stream" }));
    json!({ "type": "object", "required": ["file"], "properties": properties, "additionalProperties": false })
}

fn describe(parameter: &Parameter) -> String {
    format!("{}. Allowed: {}. Default: {}.", parameter.meaning, parameter.allowed, parameter.default)
}

/// What JSON Schema can say about a value; the table's words say the rest.
fn value_schema(parameter: &Parameter) -> Value {
    const SIZE: &str = r"^[0-9]+(\.[0-9]+)? ?([KkMmGg]([Ii])?[Bb]|[Bb])?$";
    match parameter.name {
        "target" | "max_bytes" | "min_bytes" => json!({ "type": "string", "pattern": SIZE, "examples": ["80KB"] }),
        "mode" => json!({ "type": "string", "enum": ["fit", "exact", "close"] }),
        "resize" => json!({ "type": "string", "enum": ["inside", "cover", "fill"] }),
        "enlarge" => json!({ "type": "boolean" }),
        "downscale" => json!({ "type": "string", "enum": ["auto", "never"] }),
        "effort" => json!({ "type": "string", "enum": ["fast", "balanced", "best"] }),
        "metadata" => json!({ "type": "string", "enum": ["strip", "copyright", "keep"] }),
        "on_miss" => json!({ "type": "string", "enum": ["error", "smallest"] }),
        "quality" => json!({ "type": "number", "minimum": 1, "maximum": 100 }),
        "min_score" => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        "width" | "height" => json!({ "type": "integer", "minimum": 1, "maximum": 65535 }),
        "background" => json!({ "type": "string", "pattern": "^([0-9a-fA-F]{3}){1,2}$" }),
        _ => json!({ "type": "string" }),
    }
}

fn if_none_match() -> Value {
    json!({ "name": "If-None-Match", "in": "header", "required": false, "schema": { "type": "string" } })
}

fn request_id() -> Value {
    json!({
        "name": "X-Request-Id",
        "in": "header",
        "required": false,
        "description": "Taken over when it is 1 to 128 visible ASCII characters",
        "schema": { "type": "string" },
    })
}

/// Headers of an image: name, meaning, whether each has it.
const HEADERS: &[(&str, &str, bool)] = &[
    ("ETag", "Strong validator of the bytes", true),
    ("Vary", "Accept, when the format was negotiated", false),
    ("Cache-Status", "RFC 9211: hit, fwd=miss, stored, collapsed", true),
    ("Server-Timing", "Milliseconds of queue, decode, transform, search, total", true),
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

fn header_refs(names: &[&str]) -> Value {
    let reference = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.iter().map(reference).collect())
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_reference_leads_somewhere() {
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
