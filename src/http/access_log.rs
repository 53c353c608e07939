//! Around every request: its id, its line in the log, its count in the metrics, and the problem's answer
//! when it failed. Must not know what any route does.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use hyper::body::Body as _;

use super::problem::{self, Problem};
use super::report::rounded;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::router::label;
use super::{AppState, host};
use crate::codec::Format;
use crate::job::Outcome;
use crate::metrics::{Metrics, Route};
use crate::panics;

/// What the log calls the end of a request whose client left before the answer (nginx's number for it).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Facts that a handler leaves on its response for the log.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    pub format: Format,
    pub outcome: Outcome,
}

/// The outermost layer.
pub async fn observe(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let mut record = Record::open(&state.metrics, &request);
    let mut response = match host::refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let problem = problem::of(&response);
    if let Some(problem) = &problem {
        response = problem::finish(response, problem, &record.id);
    }
    response.headers_mut().insert(X_REQUEST_ID, record.id.header());
    record.close(&response, problem.as_deref());
    response
}

/// One request on its way through; counts and logs it when dropped, however that comes about.
struct Record {
    metrics: Arc<Metrics>,
    started: Instant,
    id: RequestId,
    method: http::Method,
    /// The route's template; never the path, which clients make up.
    template: String,
    route: Route,
    /// What the body is declared to have; none for one in chunks.
    in_bytes: Option<u64>,
    end: End,
}

/// How a request ended.
struct End {
    status: u16,
    out_bytes: u64,
    note: Option<Note>,
    code: Option<&'static str>,
    cause: Option<String>,
}

impl Record {
    fn open(metrics: &Arc<Metrics>, request: &Request) -> Record {
        let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let declared = request.headers().get(CONTENT_LENGTH);
        Record {
            metrics: metrics.clone(),
            started: Instant::now(),
            id: RequestId::of(request.headers()),
            method: request.method().clone(),
            template: template.unwrap_or("unmatched").to_owned(),
            route: label(template),
            in_bytes: declared.and_then(|value| value.to_str().ok()?.parse().ok()),
            end: End {
                status: CLIENT_CLOSED_REQUEST,
                out_bytes: 0,
                note: None,
                code: Some("client_gone"),
                cause: None,
            },
        }
    }

    fn close(&mut self, response: &Response, problem: Option<&Problem>) {
        self.end = End {
            status: response.status().as_u16(),
            out_bytes: response.body().size_hint().lower(),
            note: response.extensions().get::<Note>().copied(),
            code: problem.map(|problem| problem.kind().code()),
            cause: problem.and_then(Problem::cause).map(str::to_owned),
        };
    }
}

/// The one line of a request, at a level that the macros want to know when they are compiled.
macro_rules! line {
    ($level:ident, $record:expr, $duration_ms:expr) => {{
        let Record { id, method, template, in_bytes, end, .. } = $record;
        let outcome = end.code.or(end.note.map(|note| note.outcome.name())).unwrap_or("ok");
        tracing::$level!(
            %method,
            route = %template,
            status = end.status,
            duration_ms = $duration_ms,
            in_bytes,
            out_bytes = end.out_bytes,
            format = end.note.map(|note| note.format.name()),
            outcome,
            request_id = %id,
            "{method} {template}: {} {outcome}",
            end.status,
        );
    }};
}

impl Drop for Record {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        self.metrics.http_request(self.route, self.method.as_str(), self.end.status, elapsed);
        if let Some(cause) = &self.end.cause {
            tracing::error!(request_id = %self.id, route = self.template, cause, "internal error: {cause}");
        }
        let duration_ms = rounded(elapsed.as_secs_f64() * 1e3);
        // Probes would drown the rest.
        if is_probe(self.route) {
            line!(debug, self, duration_ms);
        } else {
            line!(info, self, duration_ms);
        }
    }
}

fn is_probe(route: Route) -> bool {
    matches!(route, Route::Health | Route::Livez | Route::Readyz | Route::Metrics)
}

/// The answer to a panic in a handler: a bug of ours.
pub fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal(format!("handler panicked: {}", panics::message(&*payload))).into_response()
}
