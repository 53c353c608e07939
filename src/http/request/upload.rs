//! Reads a request's body to an upload, under a byte limit and a deadline, and hashes it as it streams in.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use hyper::body::Body as _;
use tokio::time::timeout;

use super::json::{self, JsonShape};
use super::{form, query};
use crate::engine::{AdmittedUpload, EngineError, HashedBody, MemoryLease, NoMemory, Upload};
use crate::excerpt::excerpt;
use crate::http::response::problem::{Kind, Problem};
use crate::http::{AppState, Config};
use crate::job::JobError;
use crate::params::{ParamError, Set};

/// A body that was received.
#[derive(Debug)]
pub(super) struct Received {
    /// The picture; `None` for a body that names its URL.
    pub upload: Option<Upload>,
    /// The text parts of a form or the members of JSON; empty for a raw body.
    pub pairs: Vec<(String, String)>,
}

/// A picture and what is wanted of it.
#[derive(Debug)]
pub(crate) struct Order<T> {
    pub upload: Upload,
    pub wanted: T,
    /// When the last byte of the request was there.
    pub received: Instant,
    /// Time that it took to fetch the picture, where the request names its URL.
    pub fetch: Option<Duration>,
}

/// What a request wants, as far as a fetch has to know it.
pub(crate) trait Wanted {
    /// The time from the last byte of the request to the answer.
    fn deadline(&self) -> Duration;
}

impl Wanted for Set {
    fn deadline(&self) -> Duration {
        self.deadline
    }
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
    /// JSON without the URL of a picture.
    #[error("the JSON names no picture: give its url, or send the image's bytes instead of JSON")]
    NoUrl,
    /// Compressed on its way.
    #[error("a body with Content-Encoding {0} is not supported: send the image's bytes as they are")]
    Encoded(String),
    /// A parameter in the body that can't be used.
    #[error(transparent)]
    Parameter(#[from] ParamError),
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
            UploadError::Empty | UploadError::NoUrl => Problem::new(Kind::EmptyBody, detail),
            UploadError::Encoded(_) => Problem::new(Kind::UnsupportedFormat, detail),
            UploadError::Parameter(error) => Problem::from(error),
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

/// Receives a request: what `read` makes of its parameters, and its picture in the memory that it was admitted with.
/// The parameters of a raw body are read before it, so that a bad one costs no upload; those of a form or of JSON,
/// which has this `shape`, come with it. A picture by URL is fetched when all else is in order.
///
/// # Errors
/// Those of `read`, a query that is not UTF-8, every variant of [`UploadError`] and of `SourceError`, and
/// `deadline_exceeded`.
pub(crate) async fn receive_with<T: Wanted>(
    parts: &Parts,
    body: Body,
    state: &AppState,
    AdmittedUpload { lease, claim }: AdmittedUpload,
    shape: JsonShape,
    read: impl Fn(&[(String, String)]) -> Result<T, Problem>,
) -> Result<Order<T>, Problem> {
    let in_query = query::pairs(parts.uri.query().unwrap_or_default())?;
    let carries_parameters = is_form(parts) || json::is_declared(parts);
    let early = match carries_parameters {
        true => None,
        false => Some(read(&in_query).map_err(|problem| or_of_form(problem, parts))?),
    };
    let Received { upload, mut pairs } = receive(parts, body, &state.config, lease.clone(), shape).await?;
    let received = Instant::now();
    let url = take_url(&mut pairs)?;
    let wanted = match early {
        Some(wanted) => wanted,
        None => read(&[in_query, pairs].concat())?,
    };
    let (upload, fetch) = match (upload, url) {
        (Some(upload), None) => (upload, None),
        (None, Some(url)) => {
            let deadline = wanted.deadline();
            (within(deadline, fetch(&url, parts, state, lease)).await?, Some(received.elapsed()))
        }
        (Some(_), Some(_)) => {
            return Err(UploadError::Malformed("the request has an image and a url".to_owned()).into());
        }
        (None, None) if json::is_declared(parts) => return Err(UploadError::NoUrl.into()),
        (None, None) => return Err(UploadError::Empty.into()),
    };
    drop(claim);
    Ok(Order { upload, wanted, received, fetch })
}

/// `problem`, or what is wrong instead where all parameters seem to be in the body. curl sends pictures under this type,
/// too.
fn or_of_form(problem: Problem, parts: &Parts) -> Problem {
    let is_form = is_of_type(parts, "application/x-www-form-urlencoded");
    match is_form && parts.uri.query().is_none_or(str::is_empty) {
        true => UploadError::Malformed(
            "parameters are read from the query, from multipart/form-data and from JSON, and not from \
             application/x-www-form-urlencoded"
                .to_owned(),
        )
        .into(),
        false => problem,
    }
}

/// What `fetching` comes to within the `deadline` of the job that it is for.
///
/// # Errors
/// Those of `fetching`, and `deadline_exceeded`.
pub(crate) async fn within<T, E: Into<Problem>>(
    deadline: Duration,
    fetching: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    let late = |_| EngineError::from(JobError::DeadlineExceeded { deadline });
    timeout(deadline, fetching).await.map_err(late)?.map_err(E::into)
}

/// The picture at `url`.
async fn fetch(url: &str, parts: &Parts, state: &AppState, lease: MemoryLease) -> Result<Upload, Problem> {
    let location = state.url_source.locate(url, &parts.headers)?;
    Ok(state.url_source.fetch(&location, lease).await?.upload)
}

/// Takes the URL of the picture out of `pairs`.
fn take_url(pairs: &mut Vec<(String, String)>) -> Result<Option<String>, UploadError> {
    let mut urls = pairs.extract_if(.., |(name, _)| name == json::URL).map(|(_, url)| url);
    let url = urls.next();
    if urls.next().is_some() { Err(UploadError::Malformed("the url is given twice".to_owned())) } else { Ok(url) }
}

/// Reads the whole body, into the memory of `lease`.
///
/// # Errors
/// Every variant of [`UploadError`].
async fn receive(
    parts: &Parts,
    body: Body,
    config: &Config,
    lease: MemoryLease,
    shape: JsonShape,
) -> Result<Received, UploadError> {
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
            match json::pairs(parts, &upload.bytes, shape) {
                Some(pairs) => Ok(Received { upload: None, pairs: pairs? }),
                None => Ok(Received { upload: Some(upload), pairs: Vec::new() }),
            }
        }
    };
    let limit = config.upload_timeout;
    timeout(limit, reading).await.unwrap_or(Err(UploadError::TooSlow { limit }))
}

async fn collect(mut stream: LimitedBody, mut file: HashedBody) -> Result<Upload, UploadError> {
    while let Some(chunk) = stream.next().await {
        file.push(&chunk?)?;
    }
    file.finish().ok_or(UploadError::Empty)
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
