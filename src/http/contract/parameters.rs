//! The parameters of a request in OpenAPI.

use serde_json::{Map, Value, json};

use crate::byte_size::SIZE_GRAMMAR;
use crate::codec::Format;
use crate::params::{PARAMETERS, Parameter, SIDE_GRAMMAR, SWITCH_GRAMMAR};

/// The name of a preset or of an output.
pub(crate) fn name() -> Value {
    json!({ "type": "string", "pattern": "^[a-z0-9._-]{1,40}$" })
}

/// The parameters as part of the query.
pub(crate) fn query_parameters() -> impl Iterator<Item = Value> {
    PARAMETERS.iter().map(query_parameter)
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

/// The parameters as parts of a form, together with the file or its URL.
pub(crate) fn form() -> Value {
    let mut properties = properties();
    properties.insert("file".to_owned(), json!({ "type": "string", "contentMediaType": "application/octet-stream" }));
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The parameters as members of JSON, together with the URL of the image.
pub(crate) fn url_and_parameters() -> Value {
    json!({ "type": "object", "required": ["url"], "properties": properties(), "additionalProperties": false })
}

/// Every parameter and the URL of the image.
fn properties() -> Map<String, Value> {
    let mut properties: Map<String, Value> = PARAMETERS
        .iter()
        .map(|parameter| {
            let mut schema = value_schema(parameter);
            schema["description"] = describe(parameter).into();
            (parameter.name.to_owned(), schema)
        })
        .collect();
    let url = json!({ "type": "string", "format": "uri", "description": "Where the image is, in its place" });
    properties.insert("url".to_owned(), url);
    properties
}

fn describe(parameter: &Parameter) -> String {
    format!("{}. Allowed: {}. Default: {}.", parameter.meaning, parameter.allowed, parameter.default)
}

/// What JSON Schema can express about a value. The description has the rest.
fn value_schema(parameter: &Parameter) -> Value {
    if !parameter.values.is_empty() {
        return json!({ "type": "string", "enum": parameter.values });
    }
    match parameter.allowed {
        SWITCH_GRAMMAR => json!({ "type": "boolean" }),
        SIDE_GRAMMAR => json!({ "type": "integer", "minimum": 1, "maximum": 65535 }),
        _ => schema_by_name(parameter.name),
    }
}

/// A size in bytes. Zero is not a target.
const SIZE: &str = r"^([1-9][0-9]*|[0-9]+(\.[0-9]+)? ?[KkMmGg][Ii]?[Bb])$";

/// The duration of a request. The longest one is configured.
pub(super) const DURATION: &str = r"^[0-9]*[1-9][0-9]*(\.[0-9]+)? ?(ms|s|m)$";

fn schema_by_name(name: &str) -> Value {
    match name {
        "target" | "max_bytes" | "min_bytes" => json!({ "type": "string", "pattern": SIZE, "examples": ["80KB"] }),
        "tolerance" => json!({ "type": "string", "pattern": tolerance_pattern(), "examples": ["5KB", "5%"] }),
        "format" => json!({ "type": "string", "pattern": format_pattern(), "examples": ["auto", "webp,jpeg"] }),
        "quality" => json!({ "type": "number", "minimum": 1, "maximum": 100 }),
        "min_score" => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        "crop" => json!({
            "type": "string",
            "pattern": r"^[0-9.]+%?(, ?[0-9.]+%?){3}$",
            "examples": ["10,20,300,200", "25%,25%,50%,50%"],
        }),
        "gravity" => json!({
            "type": "string",
            "pattern": r"^(centre|(north|south)(-?(east|west))?|east|west|smart|(0(\.[0-9]+)?|1),(0(\.[0-9]+)?|1))$",
            "examples": ["north-east", "0.3,0.7", "smart"],
        }),
        "blur" => json!({ "type": "number", "minimum": 0.3, "maximum": 100 }),
        "sharpen" => json!({ "type": "number", "minimum": 0, "maximum": 10 }),
        "deadline" => json!({ "type": "string", "pattern": DURATION, "examples": ["800ms", "5s"] }),
        "filename" => json!({ "type": "string", "pattern": r"^[^\u0000-\u001f\u007f-\u009f]{1,255}$" }),
        "preset" => self::name(),
        "background" => json!({ "type": "string", "pattern": "^([0-9a-fA-F]{3}){1,2}$" }),
        _ => json!({ "type": "string" }),
    }
}

/// The parameters as JSON may write them: as a query does, or as numbers, booleans, or lists of these.
pub(super) fn written_parameters() -> Map<String, Value> {
    PARAMETERS.iter().map(|parameter| (parameter.name.to_owned(), written_schema(parameter))).collect()
}

fn written_schema(parameter: &Parameter) -> Value {
    let value = value_schema(parameter);
    let other = match parameter.name {
        "crop" => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 1 }, "minItems": 4, "maxItems": 4 })
        }
        "gravity" => json!({
            "type": "array",
            "items": { "type": "number", "minimum": 0, "maximum": 1 },
            "minItems": 2,
            "maxItems": 2,
        }),
        "format" => json!({ "type": "array", "items": { "enum": Format::OUTPUT.map(Format::name) }, "minItems": 1 }),
        _ if value["pattern"] == SIZE => json!({ "type": "integer", "minimum": 1 }),
        _ if value["type"] == "boolean" => json!({ "enum": ["true", "false"] }),
        _ if value["type"] != "string" => json!({ "type": "string", "pattern": "^[0-9.]+$" }),
        _ => return value,
    };
    json!({ "anyOf": [value, other] })
}

/// The bytes that several outputs may have together.
pub(super) fn total() -> Value {
    json!({ "anyOf": [{ "type": "string", "pattern": SIZE }, { "type": "integer", "minimum": 1 }], "description": SIZE_GRAMMAR })
}

fn tolerance_pattern() -> String {
    format!(r"({SIZE})|(^([0-9]{{1,2}}(\.[0-9]+)?|100)%$)")
}

fn format_pattern() -> String {
    let names = Format::OUTPUT.map(Format::name).join("|");
    format!("^(auto|keep|({names})(,({names}))*)$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_and_sides_have_their_types() {
        let kind = |name: &str| {
            let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name).expect("a row");
            value_schema(parameter)["type"].clone()
        };
        assert_eq!(["enlarge", "grayscale", "progressive"].map(kind), ["boolean"; 3]);
        assert_eq!(["width", "height", "min_width", "min_height", "dpi"].map(kind), ["integer"; 5]);
    }

    #[test]
    fn a_preset_has_a_name_that_is_not_empty() {
        let preset = PARAMETERS.iter().find(|parameter| parameter.name == "preset").expect("a row");
        assert_eq!(value_schema(preset)["pattern"], "^[a-z0-9._-]{1,40}$");
    }
}
