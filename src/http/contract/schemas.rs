//! JSON Schemas of the answers that are not images.

use serde_json::{Map, Value, json};

use crate::engine::WorkersMode;
use crate::http::response::problem::Kind;
use crate::job::{Outcome, StepKind};
use crate::metrics::CacheResult;

/// Every named schema.
pub(super) fn schemas() -> Value {
    json!({
        "Problem": problem_schema(),
        "Report": report_schema(),
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
    let codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    let mut schema = object(json!({
        "type": { "type": "string", "format": "uri-reference" },
        "title": { "type": "string" },
        "status": { "type": "integer" },
        "detail": { "type": "string" },
        "code": { "enum": codes },
        "request_id": { "type": "string" },
    }));
    schema["description"] = "RFC 9457; the facts of a kind stand beside these members".into();
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
        "timings_ms": object(json!({
            "queue": milliseconds,
            "decode": milliseconds,
            "transform": milliseconds,
            "search": milliseconds,
            "total": milliseconds,
        })),
    }))
}

fn status_schema() -> Value {
    let any = json!({ "type": "object" });
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
        "latency_ms": any,
        "outcomes": any,
    }))
}

/// An object that requires all of `properties`.
fn object(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "required": names, "properties": properties })
}

fn nullable(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}
