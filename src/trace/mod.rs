//! Traces: what a request took, for an OpenTelemetry collector that speaks OTLP over HTTP.
//!
//! Spans are made of the times of a request when it has ended, and wait in a bounded queue; a task sends them
//! ([`Exporter`]). When the collector is slow or gone, spans are lost, and no request notices.

mod config;
mod context;
mod exporter;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::sync::mpsc;

pub use config::{Config, Endpoint};
pub use context::TraceContext;
pub use exporter::{Exporter, TraceError};
pub(crate) use opentelemetry::KeyValue;
pub(crate) use opentelemetry::trace::TraceId;

use crate::metrics::{Metrics, SpanResult};
use context::Sampling;

/// Requests whose spans may wait: at some 4 KB each, 4 MB.
const QUEUE: usize = 1024;

/// Makes traces. Clones share the queue.
#[derive(Clone, Default)]
pub struct Tracer {
    /// `None` when no request is traced.
    recorder: Option<Arc<Recorder>>,
}

struct Recorder {
    sampling: Sampling,
    queue: mpsc::Sender<Vec<SpanData>>,
    scope: InstrumentationScope,
    metrics: Arc<Metrics>,
}

/// A request, or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub name: Cow<'static, str>,
    pub start: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<KeyValue>,
}

/// A request that was traced.
#[derive(Debug)]
pub(crate) struct RequestTrace {
    pub request: Span,
    /// The code of the error, when the service failed.
    pub error: Option<&'static str>,
    /// What it consists of.
    pub parts: Vec<Span>,
}

impl Tracer {
    /// A tracer and what sends its spans, as `config` says. Without an endpoint no request is traced, and there is no
    /// exporter.
    ///
    /// # Errors
    /// [`TraceError`], when the client for the collector can't be built.
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> Result<(Tracer, Option<Exporter>), TraceError> {
        let Some(endpoint) = &config.endpoint else { return Ok((Tracer::default(), None)) };
        let (queue, spans) = mpsc::channel(QUEUE);
        let exporter = Exporter::new(endpoint, config.timeout, spans, metrics.clone())?;
        let sampling = Sampling::of(config.sample);
        let recorder = Recorder { sampling, queue, scope: scope(), metrics };
        Ok((Tracer { recorder: Some(Arc::new(recorder)) }, Some(exporter)))
    }

    /// The trace that a request with these headers belongs to: the one that it names, or a new one. Returns `None` when
    /// it names none and no request is traced.
    pub(crate) fn context(&self, headers: &HeaderMap) -> Option<TraceContext> {
        let named = TraceContext::of(headers);
        let Some(recorder) = &self.recorder else { return named.map(TraceContext::unrecorded) };
        Some(named.unwrap_or_else(|| TraceContext::new(recorder.sampling)))
    }

    /// Puts the spans of a request into the queue, or drops them when it is full.
    pub(crate) fn record(&self, context: &TraceContext, trace: RequestTrace) {
        let Some(recorder) = self.recorder.as_ref().filter(|_| context.is_recorded()) else { return };
        let spans = recorder.spans(context, trace);
        let count = spans.len();
        if recorder.queue.try_send(spans).is_err() {
            recorder.metrics.spans(SpanResult::Dropped, count);
        }
    }
}

impl Recorder {
    fn spans(&self, context: &TraceContext, trace: RequestTrace) -> Vec<SpanData> {
        let RequestTrace { request, error, parts } = trace;
        let own = context.new_span();
        let status = error.map_or(Status::Unset, Status::error);
        let parent = context.parent();
        let mut spans = vec![SpanData {
            span_kind: SpanKind::Server,
            parent_span_is_remote: parent.is_some(),
            status,
            ..self.span(context, own, parent.unwrap_or(SpanId::INVALID), request)
        }];
        spans.extend(parts.into_iter().map(|part| self.span(context, context.new_span(), own, part)));
        spans
    }

    fn span(&self, context: &TraceContext, id: SpanId, parent_span_id: SpanId, span: Span) -> SpanData {
        let (trace_id, state) = (context.trace_id(), context.state().clone());
        let Span { name, start, end, attributes } = span;
        SpanData {
            span_context: SpanContext::new(trace_id, id, TraceFlags::SAMPLED, false, state),
            parent_span_id,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: start,
            end_time: end,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(metrics: &Arc<Metrics>) -> (Tracer, Exporter) {
        let endpoint = Some("http://127.0.0.1:9".parse().unwrap());
        let (tracer, exporter) = Tracer::new(&Config { endpoint, ..Config::default() }, metrics.clone()).unwrap();
        (tracer, exporter.unwrap())
    }

    fn trace() -> RequestTrace {
        let now = SystemTime::now();
        let span = |name: &'static str| Span { name: name.into(), start: now, end: now, attributes: Vec::new() };
        RequestTrace { request: span("POST /compress"), error: None, parts: vec![span("decode"), span("search")] }
    }

    #[test]
    fn spans_that_find_the_queue_full_are_dropped_and_counted() {
        let metrics = Arc::new(Metrics::new());
        let (tracer, _exporter) = tracer(&metrics);
        let context = tracer.context(&HeaderMap::new()).unwrap();
        for _ in 0..QUEUE + 2 {
            tracer.record(&context, trace());
        }
        assert!(metrics.render().contains("bytefit_trace_spans_total{result=\"dropped\"} 6\n"));
    }

    #[test]
    fn without_a_collector_a_trace_is_known_by_its_header_alone() {
        let tracer = Tracer::default();
        assert_eq!(tracer.context(&HeaderMap::new()), None);
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), traceparent)]);
        let context = tracer.context(&headers).unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(!context.is_recorded());
    }
}
