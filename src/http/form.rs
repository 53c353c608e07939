//! A multipart/form-data body (RFC 7578): exactly one file, and parameters as text parts.
//! Must not know which parameters there are.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use multer::{Field, Multipart};

use super::upload::{Hashed, Limited, Received, UploadError};
use crate::engine::Upload;

/// Parts that a form may have: every parameter and the file, with room to spare.
const MAX_PARTS: usize = 64;

/// Bytes of a text part: four times the longest value that any parameter takes.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Reads the form to its end, its file into `empty`.
///
/// # Errors
/// Every variant of [`UploadError`] but the deadline.
pub async fn read(parts: &Parts, stream: Limited, empty: Hashed) -> Result<Received, UploadError> {
    let mut form = Multipart::new(stream, boundary(parts)?);
    let (mut empty, mut file, mut pairs) = (Some(empty), None, Vec::new());
    for _ in 0..MAX_PARTS {
        let Some(part) = form.next_field().await.map_err(malformed)? else {
            let upload = file.ok_or_else(|| UploadError::Malformed("the form has no file part".to_owned()))?;
            return Ok(Received { upload, pairs });
        };
        if !is_file(&part) {
            pairs.push(text(part).await?);
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

/// A part is the file when it has a file name, as RFC 7578 s4.2 wants it, or the conventional name.
fn is_file(part: &Field<'_>) -> bool {
    part.file_name().is_some() || part.name() == Some("file")
}

async fn read_file(mut part: Field<'_>, mut file: Hashed) -> Result<Upload, UploadError> {
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        file.push(&chunk)?;
    }
    file.finish()
}

async fn text(mut part: Field<'_>) -> Result<(String, String), UploadError> {
    let name = part.name().unwrap_or_default().to_owned();
    let mut value = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        if value.len() + chunk.len() > MAX_TEXT_BYTES {
            return Err(UploadError::Malformed(format!("a text part has more than {MAX_TEXT_BYTES} bytes")));
        }
        value.extend_from_slice(&chunk);
    }
    match String::from_utf8(value) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(UploadError::Malformed("a text part is not UTF-8; a file part needs a file name".to_owned())),
    }
}

/// What multer says; what the body's own limits said passes through it unchanged.
fn malformed(error: multer::Error) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<UploadError>() {
            Ok(ours) => *ours,
            Err(other) => UploadError::Malformed(format!("the body breaks off: {other}")),
        },
        other => UploadError::Malformed(format!("the form can't be read: {other}")),
    }
}
