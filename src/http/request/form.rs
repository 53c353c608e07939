//! Reads a multipart/form-data body (RFC 7578): one file, and parameters as text parts.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use multer::{Field, Multipart};

use super::json::URL;
use super::pieces::{Allowance, Pieces};
use super::upload::{LimitedBody, Received, UploadError};
use crate::codec::{self, DecodeError};
use crate::engine::HashedBody;
use crate::params::{PARAMETERS, ParamError};

/// Parts that a form may have: more than every parameter and the file.
const MAX_PARTS: usize = 64;

/// Bytes of a text part, including its name: four times the longest value of any parameter.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// The text part that describes a set. It may be as long as all text parts together.
pub(super) const SPEC: &str = "spec";

/// Bytes of all text parts together. They are not counted as reserved memory: a thousand forms hold at most 16 MiB.
const MAX_FORM_TEXT_BYTES: usize = 16 << 10;

/// First bytes of a part by which a picture is recognised. The longest signature has 18.
const SNIFFED_BYTES: usize = 32;

/// Names that forms give to their buttons and hidden fields, which are not parameters.
const BUTTONS: [&str; 6] = ["submit", "button", "upload", "send", "MAX_FILE_SIZE", "_charset_"];

/// Reads the form to its end, and its file into `empty`. Fields that were left empty and buttons are not
/// parameters.
///
/// # Errors
/// Every variant of [`UploadError`] except `TooSlow`.
pub(super) async fn read(parts: &Parts, stream: LimitedBody, empty: HashedBody) -> Result<Received, UploadError> {
    let allowance = Allowance::new();
    let mut form = Multipart::new(Pieces::new(stream, allowance.clone()), boundary(parts)?);
    let mut file = empty;
    let mut has_file_part = false;
    let mut pairs = Vec::new();
    let mut text_left = MAX_FORM_TEXT_BYTES;
    for _ in 0..MAX_PARTS {
        allowance.framing_follows();
        let Some(part) = form.next_field().await.map_err(malformed)? else {
            let has_url = pairs.iter().any(|(name, _)| name == URL);
            if !has_file_part && !has_url {
                return Err(UploadError::Malformed("the form has no file part and no url".to_owned()));
            }
            return Ok(Received { upload: file.finish(), pairs });
        };
        allowance.data_follows();
        match Content::read_begin(part).await? {
            Content::File { begin, part } => {
                has_file_part = true;
                read_file(begin, part, &mut file).await?;
            }
            Content::Text { begin, part } => {
                let limit = if part.name() == Some(SPEC) { MAX_FORM_TEXT_BYTES } else { MAX_TEXT_BYTES };
                let (name, value) = text(begin, part, text_left.min(limit)).await?;
                text_left -= name.len() + value.len();
                if !is_left_empty(&name, &value) {
                    pairs.push((name, value));
                }
            }
        }
    }
    Err(UploadError::Malformed(format!("the form has more than {MAX_PARTS} parts")))
}

/// What separates the parts of the form.
pub(super) fn boundary(parts: &Parts) -> Result<String, UploadError> {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    multer::parse_boundary(content_type).map_err(malformed)
}

/// What a part holds, with its first bytes.
enum Content<'a> {
    File { begin: Vec<u8>, part: Field<'a> },
    Text { begin: Vec<u8>, part: Field<'a> },
}

impl<'a> Content<'a> {
    /// Reads as much of a part as tells what it holds. It is a file when it has a file name (RFC 7578 s4.2), is named
    /// `file`, or is named like no parameter and begins like a picture: many programs leave the file name out. Programs
    /// that attach JSON give the description of a set a file name too.
    async fn read_begin(mut part: Field<'a>) -> Result<Content<'a>, UploadError> {
        let is_spec = part.name() == Some(SPEC);
        if !is_spec && (part.file_name().is_some() || part.name() == Some("file")) {
            return Ok(Content::File { begin: Vec::new(), part });
        }
        let mut begin = Vec::new();
        if is_spec || is_parameter(part.name().unwrap_or_default()) {
            return Ok(Content::Text { begin, part });
        }
        while begin.len() < SNIFFED_BYTES {
            let Some(chunk) = part.chunk().await.map_err(malformed)? else { break };
            begin.extend_from_slice(&chunk);
        }
        let is_picture = !matches!(codec::sniff(&begin), Err(DecodeError::Unsupported { found: None }));
        Ok(if is_picture { Content::File { begin, part } } else { Content::Text { begin, part } })
    }
}

fn is_parameter(name: &str) -> bool {
    PARAMETERS.iter().any(|parameter| parameter.name == name)
}

/// Whether the part says nothing: an optional field that was left empty, or a button, which browsers send along.
fn is_left_empty(name: &str, value: &str) -> bool {
    value.is_empty() || name.is_empty() || BUTTONS.iter().any(|button| name.eq_ignore_ascii_case(button))
}

/// Adds a part to `file`. An input that no file was chosen for comes as a part without bytes.
async fn read_file(begin: Vec<u8>, mut part: Field<'_>, file: &mut HashedBody) -> Result<(), UploadError> {
    let had_bytes = !file.is_empty();
    let mut chunk = Some(Bytes::from(begin));
    while let Some(bytes) = chunk {
        if had_bytes && !bytes.is_empty() {
            return Err(UploadError::Malformed("the form has more than one file part".to_owned()));
        }
        file.push(&bytes)?;
        chunk = part.chunk().await.map_err(malformed)?;
    }
    Ok(())
}

async fn text(begin: Vec<u8>, mut part: Field<'_>, limit: usize) -> Result<(String, String), UploadError> {
    let name = part.name().unwrap_or_default().to_owned();
    let used = name.len() + begin.len();
    let mut left = limit.checked_sub(used).ok_or_else(too_much_text)?;
    let mut value = begin;
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        left = left.checked_sub(chunk.len()).ok_or_else(too_much_text)?;
        value.extend_from_slice(&chunk);
    }
    match String::from_utf8(value) {
        Ok(value) => Ok((name, value)),
        Err(error) => {
            let given = String::from_utf8_lossy(error.as_bytes());
            Err(ParamError::new(&name, Some(&given), "is not UTF-8", "UTF-8; a file part needs a file name").into())
        }
    }
}

fn too_much_text() -> UploadError {
    UploadError::Malformed(format!(
        "a text part has more than {MAX_TEXT_BYTES} bytes, or all of them have more than {MAX_FORM_TEXT_BYTES}"
    ))
}

/// Turns an error of multer's into ours. An error of the body itself comes through multer unchanged.
pub(super) fn malformed(error: multer::Error) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<UploadError>() {
            Ok(ours) => *ours,
            Err(other) => UploadError::Malformed(format!("the body breaks off: {other}")),
        },
        multer::Error::NoMultipart | multer::Error::NoBoundary => {
            UploadError::Malformed("the Content-Type of the form names no boundary".to_owned())
        }
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => {
            UploadError::Malformed("the form breaks off before its last boundary".to_owned())
        }
        _ => UploadError::Malformed("the form can't be read: a part of it has no valid head".to_owned()),
    }
}
