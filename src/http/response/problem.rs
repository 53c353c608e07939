//! Errors as RFC 9457 problems. This is the only place that maps failures to HTTP statuses.

mod kind;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::request_id::{RequestId, X_REQUEST_ID};
use crate::batch::{ItemError, SubmitError};
use crate::codec::{DecodeError, EncodeError, Format};
use crate::engine::EngineError;
use crate::job::{JobError, Smallest};
use crate::params::{BatchError, ParamError};
use crate::source::SourceError;
use crate::trace::TraceId;
pub(crate) use kind::Kind;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// When a request may try again that found no process to work on it: the system may have some again soon.
const RETRY_STARTING: Duration = Duration::from_secs(1);

/// When a batch may be sent again that there was no room for: others end meanwhile, or are removed.
const RETRY_BATCH: Duration = Duration::from_secs(30);

/// A refused or failed request, with its facts.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<Duration>,
    /// For the log only: details that the client can't use or must not see.
    cause: Option<String>,
}

impl Problem {
    /// A problem of this kind. `detail` is one sentence about this request.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), members: Map::new(), retry_after: None, cause: None }
    }

    /// The same problem with another sentence about the request.
    #[must_use]
    pub(crate) fn in_words(mut self, detail: String) -> Problem {
        self.detail = detail;
        self
    }

    /// Adds a member with a fact.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again: in whole seconds, rounded up, at least one.
    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    /// Says why, in the log only.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Problem {
        self.cause = Some(cause.into());
        self
    }

    /// An error of the service. `cause` goes to the log only.
    pub(crate) fn internal(cause: impl Into<String>) -> Problem {
        let detail = "an error on our side, logged under this request id";
        Problem::new(Kind::Internal, detail).because(cause)
    }

    /// A body over the limit.
    pub(crate) fn body_too_large(limit_bytes: u64) -> Problem {
        Problem::new(Kind::BodyTooLarge, format!("the body has more than {limit_bytes} bytes"))
            .with("limit_bytes", limit_bytes)
    }

    /// Whether no parameter of an output could change it: the image can't be decoded, the total of all outputs is too
    /// low, there is too much load, or a mistake of ours.
    pub(crate) fn concerns_whole_request(&self) -> bool {
        match self.kind {
            Kind::Undecodable | Kind::UnsupportedFormat | Kind::TotalUnreachable => true,
            // An output may have a deadline of its own.
            Kind::DeadlineExceeded => false,
            kind => kind.status().is_server_error(),
        }
    }

    /// One sentence about the request.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What kind of problem this is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The cause for the log.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The members of the body, without the id of a request.
    pub(crate) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("type".to_owned(), self.kind.type_uri().into());
        members.insert("title".to_owned(), self.kind.title().into());
        members.insert("status".to_owned(), self.kind.status().as_u16().into());
        members.insert("detail".to_owned(), self.detail.clone().into());
        members.insert("code".to_owned(), self.kind.code().into());
        members.extend(self.members.clone());
        members
    }

    /// The whole answer.
    pub(crate) fn render(&self, id: &RequestId, trace_id: Option<TraceId>) -> http::Response<Bytes> {
        let mut body = self.members();
        body.insert("request_id".to_owned(), id.as_str().into());
        if let Some(trace_id) = trace_id {
            body.insert("trace_id".to_owned(), trace_id.to_string().into());
        }
        let mut response = http::Response::new(Bytes::from(Value::Object(body).to_string()));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_REQUEST_ID, id.header());
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        response
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Carries the problem in the response's extensions to [`finish`], which knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Marks a response with an error status whose body must stay as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deliberate;

/// The problem that `response` carries, or one by its status for an error of the framework. Returns `None` for a
/// response that is not an error.
pub(crate) fn of(response: &Response) -> Option<Arc<Problem>> {
    if let Some(problem) = response.extensions().get::<Arc<Problem>>() {
        return Some(problem.clone());
    }
    let deliberate = response.extensions().get::<Deliberate>().is_some();
    let status = response.status();
    (!deliberate && (status.is_client_error() || status.is_server_error())).then(|| Arc::new(by_status(status)))
}

fn by_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Kind::NotFound, "no such path"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Kind::MethodNotAllowed, "see the Allow header"),
        // The only part of a request that axum itself reads.
        StatusCode::BAD_REQUEST => Problem::new(Kind::MalformedRequest, "a part of the path is not UTF-8"),
        status if status.is_client_error() => {
            let detail = status.canonical_reason().unwrap_or("malformed request").to_lowercase();
            Problem::new(Kind::MalformedRequest, detail)
        }
        status => Problem::internal(format!("unexplained status {status}")),
    }
}

/// Replaces `response` by the problem's answer. Headers that are already set (Allow, Vary) stay.
pub(crate) fn finish(response: Response, problem: &Problem, id: &RequestId, trace_id: Option<TraceId>) -> Response {
    let (mut parts, body) = problem.render(id, trace_id).into_parts();
    let mut kept = response.into_parts().0;
    kept.headers.remove(http::header::CONTENT_LENGTH);
    for name in parts.headers.keys() {
        kept.headers.remove(name);
    }
    parts.headers.extend(kept.headers);
    parts.extensions = kept.extensions;
    Response::from_parts(parts, Body::from(body))
}

impl From<ParamError> for Problem {
    fn from(error: ParamError) -> Problem {
        Problem::new(Kind::InvalidParameter, error.to_string())
            .with("parameter", error.name)
            .with("given", error.given)
            .with("allowed", error.allowed)
    }
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Problem {
        let detail = error.to_string();
        match error {
            BatchError::Spec(error) => Problem::from(error),
            BatchError::Item { index, error } => Problem::from(error).with("item", index).in_words(detail),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Problem {
        let detail = error.to_string();
        match error {
            SubmitError::Full => Problem::new(Kind::BatchFull, detail).retry_after(RETRY_BATCH),
            SubmitError::TooLarge { limit } => Problem::new(Kind::BodyTooLarge, detail).with("limit_bytes", limit),
            SubmitError::TooManyItems { limit } => Problem::new(Kind::InvalidParameter, detail)
                .with("parameter", "items")
                .with("allowed", format!("up to {limit} items")),
            SubmitError::KeyReused => Problem::new(Kind::KeyReused, detail),
            SubmitError::Draining => Problem::new(Kind::ShuttingDown, detail),
            SubmitError::Away(error) => {
                Problem::new(Kind::Overloaded, detail).retry_after(RETRY_BATCH).because(error.to_string())
            }
            SubmitError::Store(error) => Problem::internal(format!("the store of batches failed: {error}")),
        }
    }
}

impl From<&ItemError> for Problem {
    fn from(error: &ItemError) -> Problem {
        match error {
            ItemError::Job(error) => Problem::from(error),
            ItemError::Source(error) => Problem::from(error.clone()),
            ItemError::NoRoom => Problem::new(Kind::BatchFull, error.to_string()),
            ItemError::Overloaded => Problem::new(Kind::Overloaded, error.to_string()),
            ItemError::Abandoned { .. } => Problem::new(Kind::Internal, error.to_string()),
            ItemError::Store(cause) | ItemError::Internal(cause) => {
                Problem::new(Kind::Internal, "an error on our side, which is logged").because(cause.clone())
            }
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        match error {
            EngineError::Job(error) => Problem::from(&*error),
            EngineError::Overloaded { retry_after } => {
                Problem::new(Kind::Overloaded, "too busy for another request now").retry_after(retry_after)
            }
            EngineError::ShuttingDown => Problem::new(Kind::ShuttingDown, "no new work is taken"),
            EngineError::Panicked { message } => Problem::internal(format!("codec panicked: {message}")),
            EngineError::Died(death) => Problem::internal(death.to_string()),
            error @ EngineError::NoWorker { .. } => {
                let problem = Problem::new(Kind::Overloaded, "no process could be started for this request");
                problem.retry_after(RETRY_STARTING).because(error.to_string())
            }
        }
    }
}

impl From<&JobError> for Problem {
    fn from(error: &JobError) -> Problem {
        let detail = error.to_string();
        match error {
            JobError::Decode(error) => Problem::from(error),
            JobError::Encode(error) => Problem::from(error),
            JobError::KeepUnwritable(_) => Problem::new(Kind::InvalidParameter, detail)
                .with("parameter", "format")
                .with("given", "keep")
                .with("allowed", names(&Format::OUTPUT)),
            JobError::Crop(outside) => Problem::new(Kind::InvalidParameter, detail)
                .with("parameter", "crop")
                .with("given", outside.crop.to_string())
                .with("allowed", format!("a part of the picture of {}x{} pixels", outside.width, outside.height)),
            JobError::TooMuchMemory { width, height, needed, available } => {
                let pixels = u64::from(*width) * u64::from(*height);
                let limit = (pixels as f64 * *available as f64 / *needed as f64) as u64;
                Problem::new(Kind::TooManyPixels, detail)
                    .with("width", *width)
                    .with("height", *height)
                    .with("limit", limit)
                    .with("needed_bytes", *needed)
                    .with("available_bytes", *available)
            }
            JobError::TooMuchPadding { parameter, bytes, limit } => Problem::new(Kind::InvalidParameter, detail)
                .with("parameter", parameter.name())
                .with("given", bytes.to_string())
                .with("allowed", format!("up to {limit} bytes"))
                .with("limit_bytes", *limit),
            JobError::TargetUnreachable { target, smallest, nearest } => {
                let mut problem = Problem::new(Kind::TargetUnreachable, detail).with("target", *target);
                // A search for the nearest size has not looked for the smallest, unless that is the nearest and too
                // large.
                if nearest.is_none_or(|nearest| (*target + 1..=smallest.bytes).contains(&nearest.bytes)) {
                    problem =
                        problem.with("smallest_bytes", smallest.bytes).with("smallest_settings", settings(smallest));
                }
                if smallest.metadata_bytes > 0 {
                    problem = problem.with("metadata_bytes", smallest.metadata_bytes);
                }
                match nearest {
                    Some(nearest) => problem.with("nearest_bytes", nearest.bytes),
                    None => problem,
                }
            }
            JobError::TotalUnreachable { total, smallest_total } => Problem::new(Kind::TotalUnreachable, detail)
                .with("total", *total)
                .with("smallest_total_bytes", *smallest_total),
            JobError::ScoreUnreachable { target, min_score, score, .. } => Problem::new(Kind::ScoreUnreachable, detail)
                .with("target", *target)
                .with("min_score", *min_score)
                .with("score", *score),
            JobError::DeadlineExceeded { deadline } => Problem::new(Kind::DeadlineExceeded, detail)
                .with("deadline_ms", u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)),
            JobError::OverTarget { .. } => Problem::internal(detail),
            // A job is cancelled only when nobody waits for it or the service stops.
            JobError::Cancelled => Problem::new(Kind::ShuttingDown, "the work was stopped"),
        }
    }
}

impl From<&DecodeError> for Problem {
    fn from(error: &DecodeError) -> Problem {
        let detail = error.to_string();
        match error {
            DecodeError::Unsupported { found } => {
                // A format that the limits switch off is none to send.
                let is_off =
                    |format: &Format| found.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(format.name()));
                let formats: Vec<Format> = Format::read().filter(|format| !is_off(format)).collect();
                Problem::new(Kind::UnsupportedFormat, detail).with("formats", names(&formats))
            }
            DecodeError::Undecodable { format, .. } => {
                Problem::new(Kind::Undecodable, detail).with("format", format.name())
            }
            DecodeError::TooManyPixels { width, height, limit } => Problem::new(Kind::TooManyPixels, detail)
                .with("width", *width)
                .with("height", *height)
                .with("limit", limit.value()),
        }
    }
}

impl From<&EncodeError> for Problem {
    fn from(error: &EncodeError) -> Problem {
        let detail = error.to_string();
        match error {
            EncodeError::TooLarge { format, width, height, limit } => Problem::new(Kind::TooManyPixels, detail)
                .with("format", format.name())
                .with("width", *width)
                .with("height", *height)
                .with("limit", *limit),
            EncodeError::Failed { .. } => Problem::internal(detail),
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Problem {
        let detail = error.to_string();
        match error {
            SourceError::Disabled | SourceError::NotAllowed(_) | SourceError::RedirectNotAllowed(_) => {
                Problem::new(Kind::SourceNotAllowed, detail)
            }
            SourceError::Invalid(_) => Problem::new(Kind::InvalidParameter, detail)
                .with("parameter", "url")
                .with("allowed", "an absolute URL with http or https"),
            SourceError::NotFound { status } => {
                Problem::new(Kind::SourceNotFound, detail).with("source_status", status)
            }
            SourceError::TooLarge { limit } => Problem::new(Kind::SourceTooLarge, detail).with("limit_bytes", limit),
            SourceError::Failed { status: Some(status), .. } => {
                Problem::new(Kind::SourceFailed, detail).with("source_status", status)
            }
            SourceError::Failed { status: None, .. } => Problem::new(Kind::SourceFailed, detail),
            SourceError::Unavailable { retry_after } => {
                Problem::new(Kind::SourceUnavailable, detail).retry_after(retry_after)
            }
            SourceError::Timeout { limit } => Problem::new(Kind::SourceTimeout, detail)
                .with("limit_ms", u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            SourceError::NoMemory { retry_after } => Problem::new(Kind::Overloaded, detail).retry_after(retry_after),
        }
    }
}

fn names(formats: &[Format]) -> Vec<&'static str> {
    formats.iter().map(|format| format.name()).collect()
}

fn settings(smallest: &Smallest) -> Value {
    json!({
        "format": smallest.format.name(),
        "width": smallest.width,
        "height": smallest.height,
        "quality": smallest.quality,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Nearest;

    #[test]
    fn facts_are_members_beside_the_standard_ones() {
        let (format, quality, metadata_bytes) = (Format::Webp, Some(1.0), 3050);
        let smallest = Smallest { bytes: 3120, format, width: 64, height: 48, quality, metadata_bytes, held_by: None };
        let problem = Problem::from(&JobError::TargetUnreachable { target: 100, smallest, nearest: None });
        let response = problem.render(&RequestId::generate(), None);
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["type"], "/problems/target-unreachable");
        assert_eq!(body["code"], "target_unreachable");
        assert_eq!(body["status"], 422);
        assert_eq!(body["smallest_bytes"], 3120);
        assert_eq!(body["smallest_settings"]["width"], 64);
        assert_eq!(body["metadata_bytes"], 3050);
        assert!(body["request_id"].is_string());
    }

    #[test]
    fn the_smallest_file_of_a_search_for_the_nearest_is_not_the_smallest_possible() {
        let smallest = |bytes| {
            let (format, quality, metadata_bytes) = (Format::Webp, Some(1.0), 0);
            Smallest { bytes, format, width: 64, height: 48, quality, metadata_bytes, held_by: None }
        };
        let named = |smallest, nearest: u64| {
            let nearest = Some(Nearest { bytes: nearest, tolerance: 1 });
            Problem::from(&JobError::TargetUnreachable { target: 100, smallest, nearest }).members()
        };
        let members = named(smallest(90), 98);
        assert_eq!((members.get("smallest_bytes"), &members["nearest_bytes"]), (None, &98.into()));
        assert_eq!(named(smallest(90), 90).get("smallest_bytes"), None, "all that was tried is too small");
        assert_eq!(named(smallest(120), 120)["smallest_bytes"], 120);
    }

    #[test]
    fn a_format_that_is_switched_off_is_not_among_those_to_send() {
        let formats = |found: Option<&str>| {
            let error = DecodeError::Unsupported { found: found.map(|found| found.to_owned().into()) };
            Problem::from(&error).members["formats"].as_array().unwrap().clone()
        };
        assert_eq!(formats(None).contains(&json!("heic")), cfg!(feature = "heic"));
        let [off, svg] = [Some("HEIC"), Some("SVG")].map(formats);
        assert!(!off.contains(&json!("heic")) && off.contains(&json!("jpeg")));
        assert_eq!(svg.len(), Format::read().count());
    }

    #[test]
    fn the_message_of_a_panic_is_not_sent_to_the_client() {
        let problem = Problem::from(EngineError::Panicked { message: "index 9 out of 3".to_owned() });
        let response = problem.render(&RequestId::generate(), None);
        assert!(!String::from_utf8_lossy(response.body()).contains("index 9"));
        assert!(problem.cause().unwrap().contains("index 9"));
    }

    #[test]
    fn retry_after_is_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1200)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
    }
}
