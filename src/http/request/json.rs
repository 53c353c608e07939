//! Reads a JSON body, which names the URL of a picture and what is wanted of it.

use http::request::Parts;

use super::form::SPEC;
use super::upload::{UploadError, is_of_type};
use crate::params::{ParamError, Table, Written};

/// The member with the URL, and the part of a form.
pub(super) const URL: &str = "url";

/// Longest JSON body, in bytes: four times what all text parts of a form may have, which a set of 32 outputs does not
/// take.
const MAX_JSON_BYTES: usize = 64 << 10;

/// What the members beside the URL are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonShape {
    /// Parameters of one answer.
    Parameters,
    /// The description of a set, or a preset.
    Set,
}

/// Whether the body may be JSON.
pub(super) fn is_declared(parts: &Parts) -> bool {
    is_of_type(parts, "application/json")
}

/// The members of a JSON body as pairs. Returns `None` for a body that is not declared as JSON, or is a picture all the
/// same: some programs send every body under this type.
pub(super) fn pairs(
    parts: &Parts,
    body: &[u8],
    shape: JsonShape,
) -> Option<Result<Vec<(String, String)>, UploadError>> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    (is_declared(parts) && is_object).then(|| read(body, shape))
}

fn read(body: &[u8], shape: JsonShape) -> Result<Vec<(String, String)>, UploadError> {
    if body.len() > MAX_JSON_BYTES {
        return Err(malformed(format!("has more than {MAX_JSON_BYTES} bytes")));
    }
    let table: Table = serde_json::from_slice(body).map_err(|error| malformed(format!("can't be read: {error}")))?;
    match shape {
        JsonShape::Parameters => texts(table.entries()),
        JsonShape::Set => set(&table),
    }
}

/// The URL and a preset by themselves, and all other members as the description of a set.
fn set(table: &Table) -> Result<Vec<(String, String)>, UploadError> {
    let stands_alone = |name: &str| [URL, "preset"].contains(&name);
    let mut pairs = texts(table.entries().filter(|(name, _)| stands_alone(name)))?;
    let rest = table.entries().filter(|(name, _)| !stands_alone(name));
    let rest: Vec<(String, Written)> = rest.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    if !rest.is_empty() {
        let spec = serde_json::to_string(&Table::from_iter(rest)).expect("a table of JSON is JSON");
        pairs.push((SPEC.to_owned(), spec));
    }
    Ok(pairs)
}

fn texts<'a>(entries: impl Iterator<Item = (&'a str, &'a Written)>) -> Result<Vec<(String, String)>, UploadError> {
    let text = |(name, value): (&str, &Written)| match value.text() {
        Some(text) => Ok((name.to_owned(), text)),
        None => {
            Err(ParamError::new(name, None, "is a table", "a text, a number, true, false or a list of these").into())
        }
    };
    entries.map(text).collect()
}

fn malformed(what: String) -> UploadError {
    UploadError::Malformed(format!("the JSON body {what}"))
}
