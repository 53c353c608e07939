//! JSON Schemas of the answers that are not images.

use serde_json::{Map, Value, json};

use super::one_of_keys;
use super::parameters::{DURATION, name, total, written_parameters};
use crate::batch::{HeldBackBy, ItemStatus};
use crate::codec::Format;
use crate::engine::WorkersMode;
use crate::http::response::problem::Kind;
use crate::job::{Outcome, StepKind};
use crate::metrics::{BatchState, CacheResult, Grade};
use crate::params::{DEFAULT_CONCURRENT, MAX_CONCURRENT, MAX_OUTPUTS, OnError};

/// Every named schema.
pub(super) fn schemas() -> Value {
    json!({
        "Batch": batch_schema(),
        "BatchSubmitted": batch_submitted_schema(),
        "BatchStatus": batch_status_schema(),
        "PartProblem": part_problem_schema(),
        "Problem": problem_schema(),
        "Report": report_schema(),
        "Set": set_schema(),
        "SetReport": set_report_schema(),
        "Health": object(json!({
            "status": { "enum": ["ok", "draining"] },
            "version": { "type": "string" },
            "uptime_s": count(),
            "in_flight": count(),
            "queued": count(),
        })),
        "Status": status_schema(),
    })
}

fn problem_schema() -> Value {
    let mut schema = part_problem_schema();
    schema["properties"]["request_id"] = json!({ "type": "string" });
    // For requests that belong to a trace alone.
    schema["properties"]["trace_id"] = json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" });
    schema["required"].as_array_mut().expect("a list of names").push("request_id".into());
    schema["description"] = "RFC 9457; the facts of a kind stand beside these members".into();
    schema
}

fn part_problem_schema() -> Value {
    let codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    let mut schema = object(json!({
        "type": { "type": "string", "format": "uri-reference" },
        "title": { "type": "string" },
        "status": { "type": "integer" },
        "detail": { "type": "string" },
        "code": { "enum": codes },
    }));
    schema["description"] = "A Problem of one output or item, which has no id of a request".into();
    schema
}

fn report_schema() -> Value {
    let facts = |more: Value| {
        let mut properties = json!({
            "bytes": count(),
            "type": { "type": "string" },
            "width": count(),
            "height": count(),
        });
        for (name, schema) in more.as_object().into_iter().flatten() {
            properties[name] = schema.clone();
        }
        object(properties)
    };
    let step = object(json!({
        "quality": nullable("number"),
        "bytes": count(),
        "kind": { "enum": StepKind::NAMES },
        "format": { "type": "string" },
        "width": count(),
        "height": count(),
    }));
    let milliseconds = json!({ "type": "number", "minimum": 0 });
    let mut timings = object(json!({
        "queue": milliseconds,
        "decode": milliseconds,
        "transform": milliseconds,
        "search": milliseconds,
        "total": milliseconds,
    }));
    // For images by URL alone.
    timings["properties"]["fetch"] = milliseconds;
    object(json!({
        "input": facts(json!({})),
        "output": facts(json!({ "quality": nullable("number"), "score": nullable("number"), "url": nullable("string") })),
        "target": count(),
        "outcome": { "enum": Outcome::NAMES },
        "padded": { "type": "boolean" },
        "damaged": { "type": "boolean" },
        "encodes": count(),
        "cache": { "enum": CacheResult::NAMES },
        "trace": { "type": "array", "items": step },
        "timings_ms": timings,
    }))
}

/// The description of a set of outputs.
fn set_schema() -> Value {
    let mut parameters = written_parameters();
    let defaults = json!({ "type": "object", "properties": parameters, "additionalProperties": false });
    parameters.insert("name".to_owned(), name());
    let output = json!({
        "type": "object",
        "required": ["name"],
        "properties": parameters,
        "additionalProperties": false,
    });
    let outputs = json!({ "type": "array", "maxItems": MAX_OUTPUTS, "items": output });
    json!({
        "type": "object",
        "description": "Outputs, and each size and width in each format; values are written as in a query, or as numbers and booleans",
        "properties": {
            "outputs": outputs,
            "sizes": outputs,
            "formats": { "type": "array", "items": { "enum": Format::OUTPUT.map(Format::name) } },
            "widths": { "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 65535 } },
            "defaults": defaults,
            "total": total(),
            "deadline": { "type": "string", "pattern": DURATION },
            "on_error": { "enum": OnError::NAMES },
        },
        "additionalProperties": false,
    })
}

fn set_report_schema() -> Value {
    let facts = object(json!({ "bytes": count(), "type": { "type": "string" }, "width": count(), "height": count() }));
    let output = json!({
        "type": "object",
        "required": ["name", "status"],
        "properties": {
            "name": { "type": "string" },
            "status": { "enum": ["ok", "error"] },
            "output": { "type": "object" },
            "target": count(),
            "outcome": { "enum": Outcome::NAMES },
            "padded": { "type": "boolean" },
            "encodes": count(),
            "cache": { "enum": CacheResult::NAMES },
            "problem": { "$ref": "#/components/schemas/PartProblem" },
        },
    });
    object(json!({
        "input": facts,
        "outputs": { "type": "array", "items": output },
        "total": object(json!({ "bytes": count(), "budget": nullable("integer") })),
        "srcset": { "type": "object", "additionalProperties": { "type": "string" } },
        "html": { "type": "string" },
        "timings_ms": { "type": "object" },
    }))
}

/// The description of a batch.
fn batch_schema() -> Value {
    let mut parameters = written_parameters();
    let defaults = json!({ "type": "object", "properties": parameters, "additionalProperties": false });
    for (name, meaning) in [
        ("url", "where the picture is"),
        ("upload", "the name of a file of the form, or of its part"),
        ("name", "for people and archives"),
    ] {
        parameters.insert(name.to_owned(), json!({ "type": "string", "description": meaning }));
    }
    let item = json!({
        "type": "object",
        "properties": parameters,
        "additionalProperties": false,
        "oneOf": one_of_keys(&["url", "upload"]),
    });
    json!({
        "type": "object",
        "description": "Items, each with a url or an upload, and parameters for all of them; maxConcurrent and stopOnError are understood too",
        "properties": {
            "items": { "type": "array", "items": item },
            "defaults": defaults,
            "total": total(),
            "max_concurrent": { "type": "integer", "minimum": 1, "maximum": MAX_CONCURRENT, "default": DEFAULT_CONCURRENT },
            "stop_on_error": { "type": "boolean", "default": false },
        },
    })
}

fn batch_submitted_schema() -> Value {
    let path = json!({ "type": "string", "format": "uri-reference" });
    object(json!({
        "id": { "type": "string" },
        "state": { "enum": BatchState::NAMES },
        "durable": { "type": "boolean" },
        "url": path,
        "events": path,
        "zip": path,
        "expires_at": { "type": "string", "format": "date-time" },
    }))
}

fn batch_status_schema() -> Value {
    let item = json!({
        "type": "object",
        "required": ["index", "name", "status"],
        "properties": {
            "index": count(),
            "name": { "type": "string" },
            "status": { "enum": ItemStatus::NAMES },
            "report": { "type": "object" },
            "problem": { "$ref": "#/components/schemas/PartProblem" },
            "url": { "type": "string", "format": "uri-reference" },
        },
    });
    let time = json!({ "type": "string", "format": "date-time" });
    let mut schema = object(json!({
        "id": { "type": "string" },
        "state": { "enum": BatchState::NAMES },
        "counts": object(json!({
            "total": count(), "pending": count(), "running": count(),
            "done": count(), "failed": count(), "cancelled": count(),
        })),
        "bytes": object(json!({ "in": count(), "out": count(), "saved": count() })),
        "eta_s": nullable("number"),
        "created_at": time,
        "expires_at": time,
        "items": list(item),
    }));
    // For a batch that has one.
    schema["properties"]["total"] = object(json!({ "bytes": count(), "budget": count() }));
    schema
}

fn status_schema() -> Value {
    let any = json!({ "type": "object" });
    let grade = json!({ "enum": Grade::NAMES });
    object(json!({
        "status": { "enum": ["ok", "draining"] },
        "version": { "type": "string" },
        "uptime_s": count(),
        "rss_bytes": nullable("integer"),
        "pool": any,
        "workers": object(json!({
            "mode": { "enum": [WorkersMode::Processes.name(), WorkersMode::Threads.name()] },
            "running": count(),
            "deaths": count(),
            "recycled": count(),
        })),
        "queue": any,
        "cache": any,
        "batches": object(json!({
            "durable": { "type": "boolean" },
            "states": object(BatchState::NAMES.iter().map(|name| ((*name).to_owned(), count())).collect()),
            "items": object(json!({
                "pending": count(), "running": count(), "done": count(), "failed": count(), "cancelled": count(),
            })),
            "oldest_s": nullable("integer"),
            "idle_s": nullable("integer"),
            "pace": object(json!({
                "at_once": count(),
                "most": count(),
                "held_back_by": { "enum": HeldBackBy::NAMES.iter().map(|name| json!(name)).chain([Value::Null]).collect::<Vec<_>>() },
            })),
        })),
        "latency_ms": any,
        "outcomes": any,
        "fills": list(object(json!({ "up_to": number(), "count": count() }))),
        "grades": object(json!({
            "overall": grade,
            "errors": grade,
            "latency": grade,
            "cache": grade,
            "shedding": grade,
        })),
        "grading": list(object(json!({
            "name": { "type": "string" },
            "meaning": { "type": "string" },
            "value": nullable("number"),
            "bounds": list(number()),
        }))),
        "hour": any,
        "history": history_schema(),
    }))
}

/// Five seconds each, an hour at most, the oldest first.
fn history_schema() -> Value {
    list(object(json!({
        "at": count(),
        "requests_per_s": number(),
        "p50_ms": number(),
        "p95_ms": number(),
        "queued": count(),
        "in_flight": count(),
        "workers": count(),
        "worker_deaths": count(),
        "hit_ratio": nullable("number"),
        "jobs": count(),
        "encodes": count(),
        "errors": count(),
        "client_errors": count(),
        "shed": count(),
        "saved_bytes": count(),
        "memory_bytes": count(),
        "rss_bytes": count(),
        "batch_items": count(),
    })))
}

/// An object that requires all of `properties`.
fn object(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "required": names, "properties": properties })
}

fn nullable(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_in_json_is_never_null() {
        for schema in [set_schema(), batch_schema()] {
            let crop = schema["properties"]["defaults"]["properties"]["crop"].to_string();
            assert!(crop.contains("string") && !crop.contains("null"), "{crop}");
        }
    }
}
