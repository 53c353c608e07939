//! An answer of the engine as an HTTP response: the image, its report, or 304.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::disposition::content_disposition;
use super::{report, validator};
use crate::engine::{Engine, MemoryLease, Served, ServedFrom};
use crate::http::SEND_BUFFER;
use crate::http::response::problem::Problem;
use crate::job::{Answer, Facts, Outcome, Report, Timings};
use crate::metrics::CacheTier;

/// Which cache answered (RFC 9211).
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Facts of an answer, kept in the response's extensions for the access log and traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogFacts {
    pub input: Facts,
    pub output: Facts,
    pub target: u64,
    pub outcome: Outcome,
    pub quality: Option<f64>,
    pub encodes: u32,
    /// How this request came by it; `None` where it had been made for a batch.
    pub work: Option<WorkFacts>,
}

/// How a request came by its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkFacts {
    pub served_from: ServedFrom,
    /// When the last byte of the request was there.
    pub received: Instant,
    pub answered: Instant,
    pub fetch: Option<Duration>,
    pub queued: Duration,
    pub stages: Timings,
}

impl LogFacts {
    /// The facts of an answer with this report.
    pub(crate) fn of(report: &Report) -> LogFacts {
        let Report { input, output, target, outcome, quality, encodes, .. } = *report;
        LogFacts { input, output, target, outcome, quality, encodes, work: None }
    }

    /// The facts of an answer that a request got between `received` and `answered`.
    pub(super) fn of_served(served: &Served, fetch: Option<Duration>, [received, answered]: [Instant; 2]) -> LogFacts {
        let Served { served_from, queued, .. } = *served;
        let report = &served.answer.report;
        let work = WorkFacts { served_from, received, answered, fetch, queued, stages: report.timings };
        LogFacts { work: Some(work), ..LogFacts::of(report) }
    }
}

/// Facts of an answer with several outputs, for the access log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetLogFacts {
    pub outputs: u64,
    /// How many failed; `None` while parts are being sent.
    pub failed: Option<u64>,
    /// Bytes of all images.
    pub image_bytes: Option<u64>,
}

/// The outputs of a set that were answered, for traces.
#[derive(Clone, Debug)]
pub(crate) struct OutputWork {
    pub name: String,
    pub facts: LogFacts,
}

/// Facts of a batch that was taken, for the access log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLogFacts {
    pub items: usize,
}

impl SetLogFacts {
    /// How the set ended, in one word.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.failed {
            None => "streaming",
            Some(0) => "ok",
            Some(failed) if failed == self.outputs => "all_outputs_failed",
            Some(_) => "some_outputs_failed",
        }
    }
}

/// An answer and how the request wants it.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub served: &'a Served,
    /// Whether the format depended on Accept.
    pub negotiated: bool,
    pub filename: Option<&'a str>,
    /// Time that it took to fetch the picture, where it was given by URL.
    pub fetch: Option<Duration>,
    /// When the last byte of the request was there.
    pub received: Instant,
    /// Time from then to the answer.
    pub total: Duration,
}

impl Reply<'_> {
    /// The image, or 304 when `If-None-Match` names it or, without that header, when it was not modified since
    /// `If-Modified-Since`. For GET and HEAD only (RFC 9110 s13.1).
    ///
    /// # Errors
    /// `Overloaded`, while there is no memory to send a large answer.
    pub(crate) fn image_unless_known(
        &self,
        request: &HeaderMap,
        last_modified: Option<SystemTime>,
        engine: &Engine,
    ) -> Result<Response, Problem> {
        if validator::is_known(request, &self.served.etag)
            || last_modified.is_some_and(|time| validator::is_unmodified(request, time))
        {
            let mut headers = self.image_headers();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.report().output.bytes));
            return Ok(self.with_log_facts((StatusCode::NOT_MODIFIED, headers).into_response()));
        }
        self.image(engine)
    }

    /// The image.
    ///
    /// # Errors
    /// `Overloaded`, while there is no memory to send a large answer.
    pub(crate) fn image(&self, engine: &Engine) -> Result<Response, Problem> {
        let mut headers = self.image_headers();
        let output = self.report().output;
        let bytes = in_transit(self.served, engine)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(output.format.media_type()));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(output.bytes));
        if let Some(filename) = self.filename {
            headers.insert(CONTENT_DISPOSITION, content_disposition(filename, output.format));
        }
        Ok(self.with_log_facts((headers, Body::from(bytes)).into_response()))
    }

    /// The report instead of the image, which can then be had by its URL.
    pub(crate) async fn json(&self, engine: &Engine) -> Response {
        engine.publish(self.served).await;
        let report = report::json(self.served, self.fetch, self.total);
        self.with_log_facts((self.headers(), axum::Json(report)).into_response())
    }

    fn report(&self) -> &Report {
        &self.served.answer.report
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = facts(self.report());
        headers.insert(CACHE_STATUS, HeaderValue::from_static(cache_status(self.served.served_from)));
        headers.insert(SERVER_TIMING, header(&report::server_timing(self.served, self.fetch, self.total)));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.negotiated {
            headers.insert(VARY, HeaderValue::from_static("Accept"));
        }
        headers
    }

    /// The headers of the image besides those of its length and type.
    pub(super) fn image_headers(&self) -> HeaderMap {
        let mut headers = self.headers();
        headers.insert(ETAG, header(&self.served.etag));
        headers
    }

    fn with_log_facts(&self, mut response: Response) -> Response {
        response.extensions_mut().insert(self.log_facts());
        response
    }

    fn log_facts(&self) -> LogFacts {
        LogFacts::of_served(self.served, self.fetch, [self.received, self.received + self.total])
    }
}

/// The bytes of an answer on their way to a client.
///
/// # Errors
/// `Overloaded`, while there is no memory to send a large answer.
pub(crate) fn in_transit(served: &Served, engine: &Engine) -> Result<Bytes, Problem> {
    let bytes = served.answer.report.output.bytes;
    let lease = if bytes > SEND_BUFFER as u64 { Some(engine.lease_for_answer(bytes)?) } else { None };
    Ok(Bytes::from_owner(AnswerInTransit { answer: served.answer.clone(), _lease: lease }))
}

/// The bytes of an answer, which the cache may share, and the memory reserved for them until they are sent.
struct AnswerInTransit {
    answer: Arc<Answer>,
    _lease: Option<MemoryLease>,
}

impl AsRef<[u8]> for AnswerInTransit {
    fn as_ref(&self) -> &[u8] {
        &self.answer.bytes
    }
}

/// The headers that a report becomes.
pub(super) fn facts(report: &Report) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut insert = |name, value: &str| headers.insert(HeaderName::from_static(name), header(value));
    insert("bytefit-outcome", &outcome(report));
    insert("bytefit-target", &report.target.to_string());
    insert("bytefit-input-bytes", &report.input.bytes.to_string());
    insert("bytefit-encodes", &report.encodes.to_string());
    insert("bytefit-width", &report.output.width.to_string());
    insert("bytefit-height", &report.output.height.to_string());
    if let Some(quality) = report.quality {
        insert("bytefit-quality", &report::rounded(quality).to_string());
    }
    if let Some(score) = report.score {
        insert("bytefit-score", &report::rounded(score).to_string());
    }
    headers
}

fn outcome(report: &Report) -> String {
    let padded = if report.padded { ", padded" } else { "" };
    format!("{}{padded}", report.outcome.name())
}

/// The value of Cache-Status (RFC 9211).
fn cache_status(served_from: ServedFrom) -> &'static str {
    match served_from {
        ServedFrom::Hit { tier: CacheTier::Memory } => "bytefit; hit; detail=memory",
        ServedFrom::Hit { tier: CacheTier::Disk } => "bytefit; hit; detail=disk",
        ServedFrom::Hit { tier: CacheTier::Redis } => "bytefit; hit; detail=redis",
        ServedFrom::Miss { stored: true } => "bytefit; fwd=miss; stored",
        ServedFrom::Miss { stored: false } => "bytefit; fwd=miss",
        ServedFrom::Collapsed { .. } => "bytefit; fwd=miss; collapsed",
    }
}

/// `value` as the value of a header.
pub(super) fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("numbers, names of ours and hex digits are visible ASCII")
}
