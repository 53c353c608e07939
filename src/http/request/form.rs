//! Reads a multipart/form-data body (RFC 7578): one file, and parameters as text parts.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use multer::{Field, Multipart};

use super::pieces::{Allowance, Pieces};
use super::upload::{HashedBody, LimitedBody, Received, UploadError};
use crate::engine::Upload;

/// Parts that a form may have: more than every parameter and the file.
const MAX_PARTS: usize = 64;

/// Bytes of a text part, including its name: four times the longest value of any parameter.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Bytes of all text parts together. They are not counted as reserved memory: a thousand forms hold at most 16 MiB.
const MAX_FORM_TEXT_BYTES: usize = 16 << 10;

/// Reads the form to its end, and its file into `empty`.
///
/// # Errors
/// Every variant of [`UploadError`] except `TooSlow`.
pub(super) async fn read(parts: &Parts, stream: LimitedBody, empty: HashedBody) -> Result<Received, UploadError> {
    let allowance = Allowance::new();
    let mut form = Multipart::new(Pieces::new(stream, allowance.clone()), boundary(parts)?);
    let mut empty = Some(empty);
    let mut file = None;
    let mut pairs = Vec::new();
    let mut text_left = MAX_FORM_TEXT_BYTES;
    for _ in 0..MAX_PARTS {
        allowance.framing_follows();
        let Some(part) = form.next_field().await.map_err(malformed)? else {
            let upload = file.ok_or_else(|| UploadError::Malformed("the form has no file part".to_owned()))?;
            return Ok(Received { upload, pairs });
        };
        allowance.data_follows();
        if !is_file(&part) {
            let (name, value) = text(part, text_left.min(MAX_TEXT_BYTES)).await?;
            text_left -= name.len() + value.len();
            pairs.push((name, value));
        } else if let Some(empty) = empty.take() {
            file = Some(read_file(part, empty).await?);
        } else {
            return Err(UploadError::Malformed("the form has more than one file part".to_owned()));
        }
    }
    Err(UploadError::Malformed(format!("the form has more than {MAX_PARTS} parts")))
}

fn boundary(parts: &Parts) -> Result<String, UploadError> {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    multer::parse_boundary(content_type).map_err(malformed)
}

/// A part is the file when it has a file name (RFC 7578 s4.2) or is named `file`.
fn is_file(part: &Field<'_>) -> bool {
    part.file_name().is_some() || part.name() == Some("file")
}

async fn read_file(mut part: Field<'_>, mut file: HashedBody) -> Result<Upload, UploadError> {
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        file.push(&chunk)?;
    }
    file.finish()
}

async fn text(mut part: Field<'_>, limit: usize) -> Result<(String, String), UploadError> {
    let name = part.name().unwrap_or_default().to_owned();
    let mut left = limit.checked_sub(name.len()).ok_or_else(too_much_text)?;
    let mut value = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        left = left.checked_sub(chunk.len()).ok_or_else(too_much_text)?;
        value.extend_from_slice(&chunk);
    }
    match String::from_utf8(value) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(UploadError::Malformed("a text part is not UTF-8; a file part needs a file name".to_owned())),
    }
}

fn too_much_text() -> UploadError {
    UploadError::Malformed(format!(
        "a text part has more than {MAX_TEXT_BYTES} bytes, or all of them have more than {MAX_FORM_TEXT_BYTES}"
    ))
}

/// Turns an error of multer's into ours. An error of the body itself comes through multer unchanged.
fn malformed(error: multer::Error) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<UploadError>() {
            Ok(ours) => *ours,
            Err(other) => UploadError::Malformed(format!("the body breaks off: {other}")),
        },
        other => UploadError::Malformed(format!("the form can't be read: {other}")),
    }
}
