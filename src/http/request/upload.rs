//! Reads a request's body to an upload, under a byte limit and a deadline, and hashes it as it streams in.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use hyper::body::Body as _;
use tokio::time::timeout;

use super::{form, query};
use crate::engine::{AdmittedUpload, MemoryLease, NoMemory, Upload};
use crate::excerpt::excerpt;
use crate::http::Config;
use crate::http::response::problem::{Kind, Problem};

/// The first capacity of a body: a client may declare much and send nothing.
const INITIAL_CAPACITY: usize = 64 << 10;

/// A body that was received.
#[derive(Debug)]
pub(super) struct Received {
    pub upload: Upload,
    /// The text parts of a form; empty for a raw body.
    pub pairs: Vec<(String, String)>,
}

/// Why a body could not be received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// More bytes than the limit, declared or sent.
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: u64 },
    /// The upload deadline passed.
    #[error("the body did not arrive within {} s", .limit.as_secs_f64())]
    TooSlow { limit: Duration },
    /// Other bodies have taken all the memory of bodies.
    #[error("no memory for another body now")]
    NoMemory { retry_after: Duration },
    /// No bytes, or a form with an empty file.
    #[error("the body is empty: send the image's bytes")]
    Empty,
    /// Compressed on its way.
    #[error("a body with Content-Encoding {0} is not supported: send the image's bytes as they are")]
    Encoded(String),
    /// Not framed as its headers say.
    #[error("{0}")]
    Malformed(String),
}

impl From<NoMemory> for UploadError {
    fn from(NoMemory { retry_after }: NoMemory) -> UploadError {
        UploadError::NoMemory { retry_after }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Problem {
        let detail = error.to_string();
        match error {
            UploadError::TooLarge { limit } => Problem::body_too_large(limit),
            UploadError::TooSlow { limit } => Problem::new(Kind::UploadTooSlow, detail)
                .with("limit_ms", u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            UploadError::NoMemory { retry_after } => Problem::new(Kind::Overloaded, detail).retry_after(retry_after),
            UploadError::Empty => Problem::new(Kind::EmptyBody, detail),
            UploadError::Encoded(_) => Problem::new(Kind::UnsupportedFormat, detail),
            UploadError::Malformed(_) => Problem::new(Kind::MalformedRequest, detail),
        }
    }
}

/// Whether the body is a form, whose text parts are parameters.
fn is_form(parts: &Parts) -> bool {
    is_of_type(parts, "multipart/form-data")
}

/// Whether Content-Type names this media type, with whatever parameters.
pub(crate) fn is_of_type(parts: &Parts, media_type: &str) -> bool {
    let essence = parts.headers.get(CONTENT_TYPE).map(|value| value.as_bytes().split(|byte| *byte == b';').next());
    essence.flatten().is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes()))
}

/// Refuses a body that declares more bytes than the limit before any of it is read.
///
/// # Errors
/// [`UploadError::TooLarge`].
pub(crate) fn check_declared(body: &Body, config: &Config) -> Result<(), UploadError> {
    let limit = config.max_body_bytes;
    if body.size_hint().lower() > limit { Err(UploadError::TooLarge { limit }) } else { Ok(()) }
}

/// Refuses a compressed body. Images are compressed already.
fn check_encoding(parts: &Parts) -> Result<(), UploadError> {
    let encoding = parts.headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("of another kind").trim());
    match encoding {
        None | Some("") => Ok(()),
        Some(identity) if identity.eq_ignore_ascii_case("identity") => Ok(()),
        Some(other) => Err(UploadError::Encoded(excerpt(other).into_owned())),
    }
}

/// Receives a request: what `read` makes of its parameters, and its body in the memory that it was admitted with. The
/// parameters of a raw body are read before it, so that a bad one costs no upload; those of a form come with it.
///
/// # Errors
/// Those of `read`, a query that is not UTF-8, every variant of [`UploadError`].
pub(crate) async fn receive_with<T>(
    parts: &Parts,
    body: Body,
    config: &Config,
    AdmittedUpload { lease, claim }: AdmittedUpload,
    read: impl Fn(&[(String, String)]) -> Result<T, Problem>,
) -> Result<(Upload, T), Problem> {
    let in_query = query::pairs(parts.uri.query().unwrap_or_default())?;
    let early = if is_form(parts) { None } else { Some(read(&in_query)?) };
    let Received { upload, pairs } = receive(parts, body, config, lease).await?;
    drop(claim);
    let wanted = match early {
        Some(wanted) => wanted,
        None => read(&[in_query, pairs].concat())?,
    };
    Ok((upload, wanted))
}

/// Reads the whole body, into the memory of `lease`.
///
/// # Errors
/// Every variant of [`UploadError`].
async fn receive(parts: &Parts, body: Body, config: &Config, lease: MemoryLease) -> Result<Received, UploadError> {
    check_declared(&body, config)?;
    check_encoding(parts)?;
    // Without a declared length, a body may have as many bytes as the limit.
    let max_bytes = body.size_hint().exact().unwrap_or(config.max_body_bytes);
    let file = HashedBody::new(max_bytes, lease);
    let stream = LimitedBody { stream: body.into_data_stream(), taken: 0, limit: config.max_body_bytes };
    let reading = async {
        if is_form(parts) {
            form::read(parts, stream, file).await
        } else {
            let upload = collect(stream, file).await?;
            Ok(Received { upload, pairs: Vec::new() })
        }
    };
    let limit = config.upload_timeout;
    timeout(limit, reading).await.unwrap_or(Err(UploadError::TooSlow { limit }))
}

async fn collect(mut stream: LimitedBody, mut file: HashedBody) -> Result<Upload, UploadError> {
    while let Some(chunk) = stream.next().await {
        file.push(&chunk?)?;
    }
    file.finish()
}

/// A file while it is received, with the hash of the bytes so far.
pub(crate) struct HashedBody {
    bytes: Vec<u8>,
    /// The most bytes that the body around it may have.
    max_bytes: u64,
    hasher: blake3::Hasher,
    lease: MemoryLease,
}

impl HashedBody {
    /// An empty file that grows to at most `max_bytes`, in the memory of `lease`.
    pub(crate) fn new(max_bytes: u64, lease: MemoryLease) -> HashedBody {
        HashedBody { bytes: Vec::new(), max_bytes, hasher: blake3::Hasher::new(), lease }
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`UploadError::NoMemory`].
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), UploadError> {
        let length = self.bytes.len() + chunk.len();
        let capacity = self.bytes.capacity();
        if length > capacity {
            // Twice the capacity, but not more than the body can fill.
            let max_bytes = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
            let new_capacity = (2 * capacity).max(INITIAL_CAPACITY).min(max_bytes).max(length);
            self.lease.grow((new_capacity - capacity) as u64)?;
            self.bytes.reserve_exact(new_capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        self.hasher.update(chunk);
        Ok(())
    }

    /// Whether nothing was pushed so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`UploadError::Empty`] when nothing was pushed.
    pub(crate) fn finish(self) -> Result<Upload, UploadError> {
        if self.bytes.is_empty() {
            return Err(UploadError::Empty);
        }
        Ok(Upload { bytes: self.bytes.into(), hash: self.hasher.finalize(), lease: self.lease })
    }
}

/// A body that fails at the first byte over its limit.
pub(crate) struct LimitedBody {
    stream: BodyDataStream,
    taken: u64,
    limit: u64,
}

impl Stream for LimitedBody {
    type Item = Result<Bytes, UploadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(cx).map(|item| match item? {
            Ok(chunk) => {
                self.taken = self.taken.saturating_add(chunk.len() as u64);
                let limit = self.limit;
                Some(if self.taken > limit { Err(UploadError::TooLarge { limit }) } else { Ok(chunk) })
            }
            Err(_) => Some(Err(UploadError::Malformed("the body breaks off".to_owned()))),
        })
    }
}
