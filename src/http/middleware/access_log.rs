//! Gives every request an id, a line in the log and a count in the metrics, and answers with a problem when it failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use hyper::body::Body as _;

use super::{host, spans};
use crate::http::AppState;
use crate::http::request::client::KeyId;
use crate::http::response::problem::{self, Problem};
use crate::http::response::reply::{BatchLogFacts, LogFacts, OutputWork, SetLogFacts};
use crate::http::response::report::rounded;
use crate::http::response::request_id::{RequestId, X_REQUEST_ID};
use crate::http::routes::{self, Route};
use crate::metrics::{Metrics, RouteLabel};
use crate::panics;
use crate::trace::{TraceContext, TraceId, Tracer};

/// The status in the log when the client disconnected before the answer (nginx uses the same number).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The outermost layer.
pub(crate) async fn observe(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let mut record = RequestRecord::open(&state, &request);
    request.extensions_mut().insert(record.id.clone());
    if let Some(trace) = record.trace.clone() {
        request.extensions_mut().insert(trace);
    }
    let mut response = match host::refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let problem = problem::of(&response);
    if let Some(problem) = &problem {
        response = problem::finish(response, problem, &record.id, record.trace_id());
    }
    response.headers_mut().insert(X_REQUEST_ID, record.id.header());
    record.close(&response, problem.as_deref());
    response
}

/// A request until it ends. Dropping it counts and logs the request, so a client that disconnects is logged too.
pub(super) struct RequestRecord {
    metrics: Arc<Metrics>,
    tracer: Tracer,
    pub(super) started: Instant,
    pub(super) id: RequestId,
    trace: Option<TraceContext>,
    pub(super) method: http::Method,
    /// `None` for an unknown path.
    route: Option<&'static Route>,
    /// Declared length of the body; `None` for a chunked one.
    pub(super) declared_bytes: Option<u64>,
    pub(super) end: End,
}

/// How a request ended.
pub(super) struct End {
    pub(super) status: u16,
    pub(super) out_bytes: u64,
    pub(super) facts: Option<LogFacts>,
    set: Option<SetLogFacts>,
    /// The outputs of a set that were answered.
    pub(super) outputs: Arc<[OutputWork]>,
    batch: Option<BatchLogFacts>,
    pub(super) code: Option<&'static str>,
    cause: Option<String>,
    /// The id of the request's key.
    key: Option<String>,
}

impl RequestRecord {
    fn open(state: &AppState, request: &Request) -> RequestRecord {
        let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let declared = request.headers().get(CONTENT_LENGTH);
        RequestRecord {
            metrics: state.metrics.clone(),
            tracer: state.tracer.clone(),
            started: Instant::now(),
            id: RequestId::of(request.headers()),
            trace: state.tracer.context(request.headers()),
            method: request.method().clone(),
            route: template.and_then(routes::find),
            declared_bytes: declared.and_then(|value| value.to_str().ok()?.parse().ok()),
            end: End {
                status: CLIENT_CLOSED_REQUEST,
                out_bytes: 0,
                facts: None,
                set: None,
                outputs: Arc::default(),
                batch: None,
                code: Some("client_gone"),
                cause: None,
                key: None,
            },
        }
    }

    /// The path as the table of routes has it. The request's own path could be anything.
    pub(super) fn template(&self) -> &'static str {
        self.route.map_or("unmatched", |route| route.path)
    }

    fn trace_id(&self) -> Option<TraceId> {
        self.trace.as_ref().map(TraceContext::trace_id)
    }

    /// How the request ended, in one word.
    pub(super) fn outcome(&self) -> &'static str {
        let End { code, facts, set, .. } = &self.end;
        let of_one = facts.map(|facts| facts.outcome.name());
        let of_set = set.map(|set| set.outcome());
        code.or(of_one).or(of_set).unwrap_or("ok")
    }

    /// Records the spans of a request for work. Those of pages and probes would hide them.
    fn record_spans(&self, elapsed: Duration) {
        let is_for_work = |route: &Route| !route.is_probe && (route.needs_key || route.label.computes);
        let Some(trace) = self.trace.as_ref().filter(|trace| trace.is_recorded()) else { return };
        if self.route.is_some_and(is_for_work) {
            self.tracer.record(trace, spans::of(self, elapsed));
        }
    }

    fn close(&mut self, response: &Response, problem: Option<&Problem>) {
        self.end = End {
            status: response.status().as_u16(),
            out_bytes: response.body().size_hint().lower(),
            facts: response.extensions().get::<LogFacts>().copied(),
            set: response.extensions().get::<SetLogFacts>().copied(),
            outputs: response.extensions().get::<Arc<[OutputWork]>>().cloned().unwrap_or_default(),
            batch: response.extensions().get::<BatchLogFacts>().copied(),
            code: problem.map(|problem| problem.kind().code()),
            cause: problem.and_then(Problem::cause).map(str::to_owned),
            key: response.extensions().get::<KeyId>().map(|key| key.0.clone()),
        };
    }
}

/// Writes the line of a request. A macro, because tracing needs to know the level at compile time.
macro_rules! line {
    ($level:ident, $record:expr, $duration_ms:expr) => {{
        let (template, outcome) = ($record.template(), $record.outcome());
        let trace_id = $record.trace_id().map(tracing::field::display);
        let RequestRecord { id, method, declared_bytes, end, .. } = $record;
        tracing::$level!(
            %method,
            route = %template,
            status = end.status,
            duration_ms = $duration_ms,
            in_bytes = declared_bytes,
            out_bytes = end.out_bytes,
            format = end.facts.map(|facts| facts.output.format.name()),
            items = end.batch.map(|batch| batch.items),
            outputs = end.set.map(|set| set.outputs),
            failed = end.set.and_then(|set| set.failed),
            image_bytes = end.set.and_then(|set| set.image_bytes),
            outcome,
            key = end.key.as_deref(),
            request_id = %id,
            trace_id,
            "{method} {template}: {} {outcome}",
            end.status,
        );
    }};
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let label = self.route.map_or(RouteLabel::OTHER, |route| route.label);
        self.metrics.http_request(label, self.method.as_str(), self.end.status, elapsed);
        if let Some(cause) = &self.end.cause {
            let trace_id = self.trace_id().map(tracing::field::display);
            tracing::error!(request_id = %self.id, trace_id, route = self.template(), cause, "internal error: {cause}");
        }
        self.record_spans(elapsed);
        let duration_ms = rounded(elapsed.as_secs_f64() * 1e3);
        // Probes are so frequent that other requests would be hard to find.
        if self.route.is_some_and(|route| route.is_probe) {
            line!(debug, self, duration_ms);
        } else {
            line!(info, self, duration_ms);
        }
    }
}

/// The answer to a panic in a handler, which is a bug.
pub(crate) fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal(format!("handler panicked: {}", panics::message(&*payload))).into_response()
}
