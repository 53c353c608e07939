//! Sends spans to the collector, a batch at a time.

use std::env;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

use super::config::Endpoint;
use crate::metrics::{Metrics, SpanResult};
use crate::outbound::{self, TrustedNames};

/// Spans of a batch (OpenTelemetry, "Batch Span Processor": 512).
const BATCH: usize = 512;

/// How long spans wait for others.
const DELAY: Duration = Duration::from_secs(1);

/// How long the log is silent about a collector that goes on failing.
const SILENCE: Duration = Duration::from_secs(600);

/// Why traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The HTTP client can't be built.
    #[error("no client for HTTP: {0}")]
    Client(#[from] io::Error),
    /// A variable of OpenTelemetry can't be used.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Takes spans from the queue and sends them.
pub struct Exporter {
    queue: mpsc::Receiver<Vec<SpanData>>,
    collector: OtlpExporter,
    endpoint: Endpoint,
    timeout: Duration,
    pending: Vec<SpanData>,
    warned: Option<Instant>,
    metrics: Arc<Metrics>,
}

impl Exporter {
    /// Reads headers and compression of requests, and the names of this service, from the variables of OpenTelemetry.
    pub(super) fn new(
        endpoint: &Endpoint,
        timeout: Duration,
        queue: mpsc::Receiver<Vec<SpanData>>,
        metrics: Arc<Metrics>,
    ) -> Result<Exporter, TraceError> {
        let client = outbound::http_client(TrustedNames, &[])?.timeout(timeout).build().map_err(io::Error::other)?;
        let mut collector = OtlpExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.as_str())
            .with_timeout(timeout)
            .build()?;
        collector.set_resource(&resource());
        let endpoint = endpoint.clone();
        Ok(Exporter { queue, collector, endpoint, timeout, pending: Vec::new(), warned: None, metrics })
    }

    /// Sends spans until `stop` completes, and then once more what is there.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let goes_on = tokio::select! {
                goes_on = self.fill() => goes_on,
                () = &mut stop => false,
            };
            if !goes_on {
                self.take_all();
            }
            self.send().await;
            if !goes_on {
                return;
            }
        }
    }

    /// Waits for a batch. Returns `false` when no more spans can come.
    ///
    /// # Cancel
    /// Spans stay in `pending`.
    async fn fill(&mut self) -> bool {
        let Some(spans) = self.queue.recv().await else { return false };
        self.pending.extend(spans);
        let end = tokio::time::Instant::now() + DELAY;
        while self.pending.len() < BATCH {
            match timeout_at(end, self.queue.recv()).await {
                Ok(Some(spans)) => self.pending.extend(spans),
                Ok(None) => return false,
                Err(_) => break,
            }
        }
        true
    }

    fn take_all(&mut self) {
        while let Ok(spans) = self.queue.try_recv() {
            self.pending.extend(spans);
        }
    }

    async fn send(&mut self) {
        let spans = std::mem::take(&mut self.pending);
        let count = spans.len();
        if count == 0 {
            return;
        }
        let sent = timeout(self.timeout, self.collector.export(spans)).await;
        match sent.unwrap_or(Err(OTelSdkError::Timeout(self.timeout))) {
            Ok(()) => self.metrics.spans(SpanResult::Sent, count),
            Err(error) => {
                self.metrics.spans(SpanResult::Failed, count);
                self.warn(&error);
            }
        }
    }

    /// Says that the collector fails, but not at every batch.
    fn warn(&mut self, error: &OTelSdkError) {
        if self.warned.is_some_and(|warned| warned.elapsed() < SILENCE) {
            return;
        }
        self.warned = Some(Instant::now());
        tracing::warn!(endpoint = %self.endpoint, %error, "traces are lost: the collector does not take them");
    }
}

/// What all spans have in common. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` go over the name of the program.
fn resource() -> Resource {
    let own = [("service.name", env!("CARGO_PKG_NAME")), ("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = Resource::builder_empty()
        .with_attributes(own.map(|(key, value)| KeyValue::new(key, value)))
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name).build(),
        _ => resource.build(),
    }
}
