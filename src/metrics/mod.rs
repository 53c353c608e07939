//! Every metric of the service, a module for each kind. A metric is one line of its table, whose doc comment is the
//! help text, with its zeros and the method that counts beside it. The registry is a value, not a static.
//!
//! Every label set exists at zero from the start, and every label value is one of a fixed set in `labels`, so that no
//! client can create a series.

mod answers;
mod batches;
mod durations;
mod gauge;
mod grades;
mod history;
mod http;
mod jobs;
mod labels;
mod latency;
mod process;
mod requests;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod tiers;
mod traces;
mod workers;

#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{Registry, TextEncoder};

pub(crate) use gauge::GaugeGuard;
pub(crate) use grades::{Grade, Mark, marks, overall};
pub use history::INTERVAL;
pub(crate) use history::Interval;
use history::{GaugeReadings, History};
#[cfg(test)]
pub(crate) use labels::Status;
pub(crate) use labels::{
    AuthRefusal, CacheResult, FetchResult, ItemResult, Method, Shed, SpanResult, Stage, TierResult,
};
pub use labels::{BatchState, CacheTier, RouteLabel, WorkerDeath};
pub(crate) use latency::Latency;
use latency::Recent;

/// Every metric is named `bytefit_` followed by its field.
const NAMESPACE: &str = "bytefit";

/// From a cache hit (a millisecond) to a job with the longest deadline.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Every metric of the service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    recent: Recent,
    history: History,
    answers: answers::Answers,
    batches: batches::Batches,
    http: http::Http,
    jobs: jobs::Jobs,
    process: process::Process,
    sources: sources::Sources,
    tiers: tiers::Tiers,
    traces: traces::Traces,
    workers: workers::Workers,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Builds the metrics on a registry of their own, with every label set at zero and [`RouteLabel::OTHER`] as only
    /// route.
    pub fn new() -> Metrics {
        Metrics::with_routes([])
    }

    /// Builds the metrics with these routes too.
    pub fn with_routes(routes: impl IntoIterator<Item = RouteLabel>) -> Metrics {
        let metrics = Metrics::registered_with(Registry::new());
        #[cfg(target_os = "linux")]
        metrics
            .registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect("no metric of the tables is named process_*");
        metrics.start_at_zero(routes);
        metrics
    }

    fn registered_with(registry: Registry) -> Metrics {
        Metrics {
            recent: Recent::default(),
            history: History::default(),
            answers: answers::Answers::registered(&registry),
            batches: batches::Batches::registered(&registry),
            http: http::Http::registered(&registry),
            jobs: jobs::Jobs::registered(&registry),
            process: process::Process::registered(&registry),
            sources: sources::Sources::registered(&registry),
            tiers: tiers::Tiers::registered(&registry),
            traces: traces::Traces::registered(&registry),
            workers: workers::Workers::registered(&registry),
            registry,
        }
    }

    fn start_at_zero(&self, routes: impl IntoIterator<Item = RouteLabel>) {
        self.answers.start_at_zero();
        self.batches.start_at_zero();
        self.http.start_at_zero(routes);
        self.jobs.start_at_zero();
        self.process.start_at_zero();
        self.sources.start_at_zero();
        self.tiers.start_at_zero();
        self.traces.start_at_zero();
        self.workers.start_at_zero();
    }

    /// Quantiles over the last requests on routes that compute answers. All are zero before the first.
    pub(crate) fn latency(&self) -> Latency {
        self.recent.latency()
    }

    /// Ends an interval of the history. To be called every [`INTERVAL`].
    pub fn end_interval(&self) {
        let gauges = GaugeReadings {
            queued: self.queue_depth(),
            in_flight: self.jobs_in_flight(),
            workers: self.workers(),
            memory_reserved_bytes: self.memory_reserved_now(),
            rss_bytes: self.resident_bytes().unwrap_or(0),
            batch_items: self.batch_items_now(),
        };
        self.history.end_interval(INTERVAL, gauges);
    }

    /// Calls `see` with each interval of the last hour that has ended, the oldest first, and returns the results.
    pub(crate) fn history<T>(&self, see: impl FnMut(&Interval) -> T) -> Vec<T> {
        self.history.map(see)
    }

    /// The last hour as one interval.
    pub(crate) fn hour(&self) -> Interval {
        self.history.hour()
    }

    /// Every metric in Prometheus' text format 0.0.4.
    pub(crate) fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("names and labels of the table are valid, and a String takes every write")
    }
}
