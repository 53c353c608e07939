//! The table of metrics: one line per metric, whose doc comment is the help text. The registry is a value, not a static.
//!
//! Every label set exists at zero from the start, and every label value is one of a fixed set in `labels`, so that no
//! client can create a series.

mod durations;
mod grades;
mod history;
mod labels;
mod latency;
mod requests;
mod table;

use std::time::Duration;

use prometheus::core::Collector;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::codec::Format;
use crate::job::{Outcome, Report};
pub(crate) use grades::{Grade, Mark, marks, overall};
pub use history::INTERVAL;
pub(crate) use history::Interval;
use history::{History, Standing};
use labels::UnfinishedItem;
pub(crate) use labels::{
    AuthRefusal, CacheResult, FetchResult, ItemResult, Method, Shed, SpanResult, Stage, Status, TierResult,
};
pub use labels::{BatchState, CacheTier, RouteLabel, WorkerDeath};
pub(crate) use latency::Latency;
use latency::Recent;
use requests::RequestCounter;

/// Every metric is named `bytefit_` followed by its field.
const NAMESPACE: &str = "bytefit";

/// The label of the Redis by which instances share batches.
const BATCH_REDIS: &str = "batch_redis";

/// From a cache hit (a millisecond) to a job with the longest deadline.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// From a thumbnail to the largest upload, a factor of four apart.
const BYTES: &[f64] = &[1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 64e6];
/// The search usually needs two encodes, and bisects from the fifth.
const ENCODES: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0];
/// Finest around 0.97 to 1, where the search aims. Answers above 1 are those of mode `close` and missed ones.
const RATIO: &[f64] = &[0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.97, 0.98, 0.99, 1.0, 1.1, 2.0];

table::metrics! {
    /// Every metric of the service.
    pub struct Metrics {
        /// HTTP requests answered.
        http_requests_total: RequestCounter["route", "method", "status"];
        /// Time from a request's head to the end of its answer's head, in seconds.
        http_request_duration_seconds: Histogram[] in SECONDS;
        /// Jobs that run on the pool now.
        jobs_in_flight: IntGauge[];
        /// Jobs that wait for a permit now.
        queue_depth: IntGauge[];
        /// Time that a job waited for its permit, in seconds.
        queue_wait_seconds: Histogram[] in SECONDS;
        /// Time that each stage of a computed job took, in seconds.
        stage_duration_seconds: HistogramVec["stage"] in SECONDS;
        /// Full-size encodes done.
        encodes_total: IntCounterVec["format"];
        /// Full-size encodes that a computed job did in a format it tried.
        encodes_per_job: HistogramVec["format"] in ENCODES;
        /// Bytes of the answer divided by the target.
        target_fill_ratio: HistogramVec["format"] in RATIO;
        /// Answers served, from the cache or computed.
        results_total: IntCounterVec["format", "outcome"];
        /// Size of the inputs that were answered, in bytes.
        input_bytes: Histogram[] in BYTES;
        /// Size of the answers served, in bytes.
        output_bytes: Histogram[] in BYTES;
        /// Bytes that answers were smaller than their inputs.
        bytes_saved_total: IntCounter[];
        /// Lookups in each tier of the result cache; collapsed ones waited for an identical request.
        cache_requests_total: IntCounterVec["tier", "result"];
        /// Bytes that each tier of the result cache holds; of Redis, all that it uses.
        cache_bytes: IntGaugeVec["tier"];
        /// Whether a tier of the result cache, or the Redis of batches, is left alone for a while, because it failed.
        breaker_open: IntGaugeVec["target"];
        /// Requests that waited for an identical request instead of computing.
        coalesced_total: IntCounter[];
        /// Requests and connections refused.
        shed_total: IntCounterVec["reason"];
        /// Memory that bodies and running jobs have reserved, in bytes.
        memory_reserved_bytes: IntGauge[];
        /// Memory that bodies and running jobs may reserve together, in bytes.
        memory_limit_bytes: IntGauge[];
        /// Jobs that ended in a panic.
        panics_total: IntCounter[];
        /// Worker processes that run now.
        workers: IntGauge[];
        /// Worker processes that were ended to start afresh: after many jobs, or a large one.
        workers_recycled_total: IntCounter[];
        /// Worker processes that were killed because their job was over its deadline or nobody waited for it.
        workers_stopped_total: IntCounter[];
        /// Worker processes that died in the middle of a job.
        worker_deaths_total: IntCounterVec["cause"];
        /// Pictures asked for by URL, by how that ended.
        source_fetch_total: IntCounterVec["result"];
        /// Time of a fetch from its host, in seconds.
        source_fetch_seconds: Histogram[] in SECONDS;
        /// Requests to hosts of pictures that were sent again, because the first one failed in a way that may pass.
        source_retries_total: IntCounter[];
        /// Answers served from the cache though the host of the picture could not be asked for changes.
        source_stale_total: IntCounter[];
        /// Requests refused because their client had too many outputs computed.
        rate_limited_total: IntCounter[];
        /// Requests refused for their key.
        auth_refused_total: IntCounterVec["reason"];
        /// Batches that are kept.
        batches: IntGaugeVec["state"];
        /// Items of batches that have ended.
        batch_items_total: IntCounterVec["result"];
        /// Items of batches that have not ended.
        batch_items_unfinished: IntGaugeVec["state"];
        /// Age of the oldest batch that has not ended, in seconds.
        batch_oldest_seconds: IntGauge[];
        /// Time for which no item has ended of the batches that have not, in seconds; 0 without such a batch.
        batch_idle_seconds: IntGauge[];
        /// Spans of traced requests.
        trace_spans_total: IntCounterVec["result"];
        /// Always 1; the version is in the label.
        build_info: IntGaugeVec["version"];
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Builds the metrics on a registry of their own, with every label set at zero and [`RouteLabel::OTHER`] as only route.
    pub fn new() -> Metrics {
        Metrics::with_routes([])
    }

    /// Builds the metrics with these routes too.
    pub fn with_routes(routes: impl IntoIterator<Item = RouteLabel>) -> Metrics {
        let metrics = Metrics::build(NAMESPACE);
        #[cfg(target_os = "linux")]
        metrics
            .registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect("no metric of the table is named process_*");
        metrics.start_at_zero(routes);
        metrics
    }

    fn start_at_zero(&self, routes: impl IntoIterator<Item = RouteLabel>) {
        self.http_requests_total.start_at_zero(routes);
        for stage in Stage::ALL {
            self.stage_duration_seconds.with_label_values(&[stage.name()]);
        }
        for format in Format::OUTPUT.map(Format::name) {
            self.encodes_total.with_label_values(&[format]);
            self.encodes_per_job.with_label_values(&[format]);
            self.target_fill_ratio.with_label_values(&[format]);
            for outcome in Outcome::ALL {
                self.results_total.with_label_values(&[format, outcome.name()]);
            }
        }
        for result in CacheResult::ALL {
            self.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), result.name()]);
        }
        for tier in CacheTier::FALLIBLE.map(CacheTier::name) {
            self.breaker_open.with_label_values(&[tier]);
            for result in TierResult::ALL {
                self.cache_requests_total.with_label_values(&[tier, result.name()]);
            }
        }
        self.breaker_open.with_label_values(&[BATCH_REDIS]);
        for tier in CacheTier::ALL {
            self.cache_bytes.with_label_values(&[tier.name()]);
        }
        for reason in Shed::ALL {
            self.shed_total.with_label_values(&[reason.name()]);
        }
        for reason in AuthRefusal::ALL {
            self.auth_refused_total.with_label_values(&[reason.name()]);
        }
        for result in FetchResult::ALL {
            self.source_fetch_total.with_label_values(&[result.name()]);
        }
        for cause in WorkerDeath::ALL {
            self.worker_deaths_total.with_label_values(&[cause.name()]);
        }
        for state in BatchState::ALL {
            self.batches.with_label_values(&[state.name()]);
        }
        for state in UnfinishedItem::ALL {
            self.batch_items_unfinished.with_label_values(&[state.name()]);
        }
        for result in ItemResult::ALL {
            self.batch_items_total.with_label_values(&[result.name()]);
        }
        for result in SpanResult::ALL {
            self.trace_spans_total.with_label_values(&[result.name()]);
        }
        self.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }

    /// Counts an answered HTTP request. A method or status that is not in [`labels`] counts as `other`. Routes that compute
    /// answers count for [`Metrics::latency`].
    pub(crate) fn http_request(&self, route: RouteLabel, method: &str, code: u16, elapsed: Duration) {
        let method = Method::from_name(method).unwrap_or(Method::Other);
        let status = Status::from_code(route, code);
        self.http_requests_total.add(route, method, status);
        self.http_request_duration_seconds.observe(elapsed.as_secs_f64());
        if route.computes {
            self.recent.add(elapsed);
            self.history.count(|now| now.request(code, status, elapsed));
        }
    }

    /// Counts a request or connection that was refused.
    pub(crate) fn shed(&self, reason: Shed) {
        self.shed_total.with_label_values(&[reason.name()]).inc();
        self.history.count(|now| now.shed += 1);
    }

    /// Counts a job as waiting for its permit until the guard is dropped.
    pub(crate) fn job_queued(&self) -> GaugeGuard {
        GaugeGuard::add(&self.queue_depth, 1)
    }

    /// Counts a job as running until the guard is dropped.
    pub(crate) fn job_started(&self) -> GaugeGuard {
        GaugeGuard::add(&self.jobs_in_flight, 1)
    }

    /// Counts memory as reserved until the guard is dropped.
    pub(crate) fn memory_reserved(&self, bytes: u64) -> GaugeGuard {
        GaugeGuard::add(&self.memory_reserved_bytes, clamp(bytes))
    }

    /// Sets the memory that bodies, jobs and answers being sent may reserve together.
    pub(crate) fn set_memory_limit(&self, bytes: u64) {
        self.memory_limit_bytes.set(clamp(bytes));
    }

    /// Counts a lookup in the result cache: a hit in memory, a miss of all tiers, or one that waited.
    pub(crate) fn cache_request(&self, result: CacheResult) {
        self.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), result.name()]).inc();
        if result == CacheResult::Collapsed {
            self.coalesced_total.inc();
        }
        self.history.count(|now| now.lookup(result));
    }

    /// Counts an answer that was missing in memory and found in a tier below.
    pub(crate) fn hit_below_memory(&self) {
        self.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), CacheResult::Miss.name()]).inc();
        self.history.count(|now| now.lookup(CacheResult::Hit));
    }

    /// Counts a lookup in a tier below memory.
    pub(crate) fn tier_lookup(&self, tier: CacheTier, result: TierResult) {
        self.cache_requests_total.with_label_values(&[tier.name(), result.name()]).inc();
    }

    /// Lookups in a tier with this result.
    pub(crate) fn tier_lookups(&self, tier: CacheTier, result: TierResult) -> u64 {
        self.cache_requests_total.with_label_values(&[tier.name(), result.name()]).get()
    }

    /// Sets the size of a tier.
    pub(crate) fn set_cache_bytes(&self, tier: CacheTier, bytes: u64) {
        self.cache_bytes.with_label_values(&[tier.name()]).set(clamp(bytes));
    }

    /// Sets whether a tier is left alone.
    pub(crate) fn set_breaker_open(&self, tier: CacheTier, is_open: bool) {
        self.breaker_open.with_label_values(&[tier.name()]).set(i64::from(is_open));
    }

    /// Sets whether the Redis of batches does not answer.
    pub(crate) fn set_batch_redis_open(&self, is_open: bool) {
        self.breaker_open.with_label_values(&[BATCH_REDIS]).set(i64::from(is_open));
    }

    /// Lookups in memory with this result.
    #[cfg(test)]
    pub(crate) fn cache_requests(&self, result: CacheResult) -> u64 {
        self.cache_requests_total.with_label_values(&[CacheTier::Memory.name(), result.name()]).get()
    }

    /// Counts a job that panicked.
    pub(crate) fn panicked(&self) {
        self.panics_total.inc();
    }

    /// Counts a worker process as running until the guard is dropped.
    pub(crate) fn worker_started(&self) -> GaugeGuard {
        GaugeGuard::add(&self.workers, 1)
    }

    /// Counts a worker process that was ended to start afresh.
    pub(crate) fn worker_recycled(&self) {
        self.workers_recycled_total.inc();
    }

    /// Counts a worker process that was killed because its answer was too late or not wanted any more.
    pub(crate) fn worker_stopped(&self) {
        self.workers_stopped_total.inc();
    }

    /// Counts a worker process that died in the middle of a job.
    pub(crate) fn worker_died(&self, cause: WorkerDeath) {
        self.worker_deaths_total.with_label_values(&[cause.name()]).inc();
        self.history.count(|now| now.deaths += 1);
    }

    /// Counts a picture that was asked for by URL.
    pub(crate) fn source_fetched(&self, result: FetchResult) {
        self.source_fetch_total.with_label_values(&[result.name()]).inc();
    }

    /// Adds the time that a fetch took.
    pub(crate) fn source_took(&self, elapsed: Duration) {
        self.source_fetch_seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts a request to a host of pictures that is sent again.
    pub(crate) fn source_retried(&self) {
        self.source_retries_total.inc();
    }

    /// Counts an answer that was served though the host of its picture could not be asked for changes.
    pub(crate) fn source_served_stale(&self) {
        self.source_stale_total.inc();
    }

    /// Counts a request that was refused because its client had too many outputs computed.
    pub(crate) fn rate_limited(&self) {
        self.rate_limited_total.inc();
    }

    /// Counts a request that was refused for its key.
    pub(crate) fn auth_refused(&self, reason: AuthRefusal) {
        self.auth_refused_total.with_label_values(&[reason.name()]).inc();
    }

    /// Sets how many batches are kept in each state, the age of the oldest that has not ended, and how long no item ended.
    pub(crate) fn set_batches(
        &self,
        counts: impl Iterator<Item = (BatchState, usize)>,
        oldest: Duration,
        idle: Duration,
    ) {
        for (state, count) in counts {
            self.batches.with_label_values(&[state.name()]).set(clamp(count as u64));
        }
        self.batch_oldest_seconds.set(clamp(oldest.as_secs()));
        self.batch_idle_seconds.set(clamp(idle.as_secs()));
    }

    /// Sets how many items of batches wait, and how many are worked on.
    pub(crate) fn set_batch_items(&self, pending: usize, running: usize) {
        for (state, count) in [(UnfinishedItem::Pending, pending), (UnfinishedItem::Running, running)] {
            self.batch_items_unfinished.with_label_values(&[state.name()]).set(clamp(count as u64));
        }
    }

    /// Items of batches that wait or are worked on, as they were counted last.
    fn batch_items_now(&self) -> u64 {
        let count = |state: &UnfinishedItem| self.batch_items_unfinished.with_label_values(&[state.name()]).get();
        UnfinishedItem::ALL.iter().map(count).sum::<i64>().try_into().unwrap_or(0)
    }

    /// Counts an item of a batch that has ended.
    pub(crate) fn batch_item(&self, result: ItemResult) {
        self.batch_items_total.with_label_values(&[result.name()]).inc();
    }

    /// Counts items of a batch that will not be worked on.
    pub(crate) fn batch_items_cancelled(&self, count: usize) {
        self.batch_items_total.with_label_values(&[ItemResult::Cancelled.name()]).inc_by(count as u64);
    }

    /// Counts spans that were sent to the collector, or lost.
    pub(crate) fn spans(&self, result: SpanResult, count: usize) {
        self.trace_spans_total.with_label_values(&[result.name()]).inc_by(count as u64);
    }

    /// Adds the time that a job waited for its permit.
    pub(crate) fn job_waited(&self, queued: Duration) {
        self.queue_wait_seconds.observe(queued.as_secs_f64());
        self.stage(Stage::Queue, queued);
    }

    /// Counts the encodes and times of a computed job. `total` is the time since its body was complete.
    pub(crate) fn job_done(&self, report: &Report, total: Duration) {
        for (format, encodes) in &report.encodes_by_format {
            self.encodes_total.with_label_values(&[format.name()]).inc_by(u64::from(*encodes));
            self.encodes_per_job.with_label_values(&[format.name()]).observe(f64::from(*encodes));
        }
        self.history.count(|now| now.job(report));
        // The answers of a set after its first were decoded with that one.
        if !report.timings.decode.is_zero() {
            self.stage(Stage::Decode, report.timings.decode);
        }
        self.stage(Stage::Transform, report.timings.transform);
        self.stage(Stage::Search, report.timings.search);
        self.stage(Stage::Total, total);
    }

    /// Counts an answer that was served, computed or from the cache.
    pub(crate) fn answer_served(&self, report: &Report) {
        let format = report.output.format.name();
        self.results_total.with_label_values(&[format, report.outcome.name()]).inc();
        self.target_fill_ratio
            .with_label_values(&[format])
            .observe(report.output.bytes as f64 / report.target.max(1) as f64);
        self.input_bytes.observe(report.input.bytes as f64);
        self.output_bytes.observe(report.output.bytes as f64);
        self.bytes_saved_total.inc_by(report.input.bytes.saturating_sub(report.output.bytes));
        self.history.count(|now| now.answer(report));
    }

    fn stage(&self, stage: Stage, elapsed: Duration) {
        self.stage_duration_seconds.with_label_values(&[stage.name()]).observe(elapsed.as_secs_f64());
    }

    /// HTTP requests answered.
    pub(crate) fn requests(&self) -> u64 {
        self.http_request_duration_seconds.get_sample_count()
    }

    /// Jobs that run now.
    pub fn jobs_in_flight(&self) -> u64 {
        self.jobs_in_flight.get().try_into().unwrap_or(0)
    }

    /// Jobs that wait for a permit now.
    pub(crate) fn queue_depth(&self) -> u64 {
        self.queue_depth.get().try_into().unwrap_or(0)
    }

    /// Worker processes that run now.
    pub(crate) fn workers(&self) -> u64 {
        self.workers.get().try_into().unwrap_or(0)
    }

    /// Worker processes that were ended to start afresh.
    pub fn workers_recycled(&self) -> u64 {
        self.workers_recycled_total.get()
    }

    /// Worker processes that died in the middle of a job, whatever the cause.
    pub fn worker_deaths(&self) -> u64 {
        WorkerDeath::ALL.iter().map(|cause| self.worker_deaths_total.with_label_values(&[cause.name()]).get()).sum()
    }

    /// Memory that bodies, running jobs and answers being sent have reserved, in bytes.
    pub(crate) fn memory_reserved_now(&self) -> u64 {
        self.memory_reserved_bytes.get().try_into().unwrap_or(0)
    }

    /// Quantiles over the last requests on routes that compute answers. All are zero before the first.
    pub(crate) fn latency(&self) -> Latency {
        self.recent.latency()
    }

    /// Answers served, by outcome, in all formats.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.iter().map(|outcome| {
            let of_format =
                |format: Format| self.results_total.with_label_values(&[format.name(), outcome.name()]).get();
            (*outcome, Format::OUTPUT.into_iter().map(of_format).sum())
        })
    }

    /// Ends an interval of the history. To be called every [`INTERVAL`].
    pub fn end_interval(&self) {
        let standing = Standing {
            queued: self.queue_depth(),
            in_flight: self.jobs_in_flight(),
            workers: self.workers(),
            memory_reserved_bytes: self.memory_reserved_now(),
            rss_bytes: self.resident_bytes().unwrap_or(0),
            batch_items: self.batch_items_now(),
        };
        self.history.end_interval(INTERVAL, standing);
    }

    /// Calls `see` with each interval of the last hour that has ended, the oldest first, and returns the results.
    pub(crate) fn history<T>(&self, see: impl FnMut(&Interval) -> T) -> Vec<T> {
        self.history.map(see)
    }

    /// The last hour as one interval.
    pub(crate) fn hour(&self) -> Interval {
        self.history.hour()
    }

    /// Answers by the ratio of their bytes to the target, in all formats: the upper bound of each class and its count. Those
    /// above the last bound are left out.
    pub(crate) fn fills(&self) -> Vec<(f64, u64)> {
        let mut up_to = vec![0; RATIO.len()];
        for format in Format::OUTPUT {
            let family = self.target_fill_ratio.with_label_values(&[format.name()]).collect();
            let buckets = family
                .iter()
                .flat_map(|family| family.get_metric())
                .flat_map(|metric| metric.get_histogram().get_bucket());
            up_to.iter_mut().zip(buckets).for_each(|(count, bucket)| *count += bucket.cumulative_count());
        }
        let below = std::iter::once(0).chain(up_to.iter().copied());
        RATIO.iter().zip(up_to.iter().zip(below)).map(|(bound, (count, below))| (*bound, count - below)).collect()
    }

    /// Resident memory of this process in bytes. Returns `None` when the system does not say.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let families = ProcessCollector::for_self().collect();
        let rss = families.iter().find(|family| family.name() == "process_resident_memory_bytes")?;
        let bytes = rss.get_metric().first()?.get_gauge().get_value();
        (bytes > 0.0).then_some(bytes as u64)
    }

    /// Resident memory of this process in bytes. Returns `None` when the system does not say.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        None
    }

    /// Every metric in Prometheus' text format 0.0.4.
    pub(crate) fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("names and labels of the table are valid, and a String takes every write")
    }
}

/// An amount added to a gauge and subtracted again on drop, so that a cancelled request can't leak a count.
#[derive(Debug)]
#[must_use = "the gauge falls back at once"]
pub(crate) struct GaugeGuard {
    gauge: IntGauge,
    amount: i64,
}

impl GaugeGuard {
    fn add(gauge: &IntGauge, amount: i64) -> GaugeGuard {
        gauge.add(amount);
        GaugeGuard { gauge: gauge.clone(), amount }
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.gauge.sub(self.amount);
    }
}

fn clamp(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Facts, Timings};

    fn report() -> Report {
        let facts = |bytes, format| Facts { bytes, format, width: 8, height: 8 };
        Report {
            input: facts(5000, Format::Png),
            output: facts(900, Format::Webp),
            target: 1000,
            outcome: Outcome::Quality,
            cut_short: false,
            damaged: false,
            padded: false,
            quality: Some(70.0),
            score: None,
            encodes: 3,
            encodes_by_format: vec![(Format::Webp, 2), (Format::Jpeg, 1)],
            trace: Vec::new(),
            timings: Timings::default(),
        }
    }

    #[track_caller]
    fn assert_line(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }

    const ROUTES: [RouteLabel; 2] =
        [RouteLabel { name: "compress", computes: true }, RouteLabel { name: "health", computes: false }];

    #[test]
    fn every_label_set_exists_at_zero_from_the_start() {
        let metrics = Metrics::with_routes(ROUTES);
        for line in [
            r#"bytefit_http_requests_total{method="POST",route="compress",status="422"} 0"#,
            r#"bytefit_http_requests_total{method="GET",route="health",status="200"} 0"#,
            "bytefit_http_request_duration_seconds_count 0",
            "bytefit_jobs_in_flight 0",
            "bytefit_queue_depth 0",
            "bytefit_queue_wait_seconds_count 0",
            r#"bytefit_stage_duration_seconds_count{stage="search"} 0"#,
            r#"bytefit_encodes_total{format="avif"} 0"#,
            r#"bytefit_encodes_per_job_count{format="png"} 0"#,
            r#"bytefit_target_fill_ratio_count{format="jpeg"} 0"#,
            r#"bytefit_results_total{format="webp",outcome="passthrough"} 0"#,
            "bytefit_input_bytes_count 0",
            "bytefit_output_bytes_count 0",
            "bytefit_bytes_saved_total 0",
            r#"bytefit_cache_requests_total{result="collapsed",tier="memory"} 0"#,
            r#"bytefit_cache_requests_total{result="off",tier="redis"} 0"#,
            r#"bytefit_cache_requests_total{result="error",tier="disk"} 0"#,
            r#"bytefit_cache_bytes{tier="memory"} 0"#,
            r#"bytefit_cache_bytes{tier="disk"} 0"#,
            r#"bytefit_breaker_open{target="redis"} 0"#,
            r#"bytefit_breaker_open{target="batch_redis"} 0"#,
            "bytefit_coalesced_total 0",
            r#"bytefit_shed_total{reason="queue_full"} 0"#,
            "bytefit_memory_reserved_bytes 0",
            "bytefit_memory_limit_bytes 0",
            "bytefit_panics_total 0",
            "bytefit_workers 0",
            "bytefit_workers_recycled_total 0",
            "bytefit_workers_stopped_total 0",
            r#"bytefit_worker_deaths_total{cause="stack_overflow"} 0"#,
            r#"bytefit_batches{state="running"} 0"#,
            r#"bytefit_batch_items_total{result="failed"} 0"#,
            "bytefit_batch_oldest_seconds 0",
            concat!(r#"bytefit_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        ] {
            assert_line(&metrics, line);
        }
    }

    #[test]
    fn help_text_is_the_doc_comment() {
        assert_line(&Metrics::new(), "# HELP bytefit_jobs_in_flight Jobs that run on the pool now.");
    }

    #[test]
    fn the_process_is_measured() {
        let metrics = Metrics::new();
        assert!(metrics.render().contains("process_resident_memory_bytes"));
        assert!(metrics.resident_bytes() > Some(100_000));
    }

    #[test]
    fn clients_cannot_name_a_series() {
        let metrics = Metrics::with_routes(ROUTES);
        let series = |text: &str| text.lines().filter(|line| line.starts_with("bytefit_")).count();
        let before = series(&metrics.render());
        for route in ROUTES {
            for status in 100..600 {
                metrics.http_request(route, "BREW", status, Duration::ZERO);
                metrics.http_request(route, "GET", status, Duration::ZERO);
            }
        }
        assert_eq!(series(&metrics.render()), before);
        assert!(!metrics.render().contains("BREW"));
        assert_line(&metrics, r#"bytefit_http_requests_total{method="GET",route="health",status="other"} 491"#);
    }

    #[test]
    fn a_computed_job_counts_its_encodes_and_stages() {
        let metrics = Metrics::new();
        metrics.job_waited(Duration::from_millis(3));
        metrics.job_done(&report(), Duration::from_secs(2));
        assert_line(&metrics, r#"bytefit_encodes_total{format="webp"} 2"#);
        assert_line(&metrics, r#"bytefit_encodes_per_job_sum{format="jpeg"} 1"#);
        assert_line(&metrics, r#"bytefit_encodes_per_job_count{format="avif"} 0"#);
        assert_line(&metrics, r#"bytefit_stage_duration_seconds_sum{stage="total"} 2"#);
        assert_line(&metrics, r#"bytefit_stage_duration_seconds_count{stage="queue"} 1"#);
        assert_line(&metrics, "bytefit_queue_wait_seconds_count 1");
    }

    #[test]
    fn a_served_answer_counts_its_bytes_and_outcome() {
        let metrics = Metrics::new();
        metrics.answer_served(&report());
        assert_line(&metrics, r#"bytefit_results_total{format="webp",outcome="quality"} 1"#);
        assert_line(&metrics, r#"bytefit_target_fill_ratio_sum{format="webp"} 0.9"#);
        assert_line(&metrics, "bytefit_bytes_saved_total 4100");
        assert_eq!(metrics.outcomes().nth(2), Some((Outcome::Quality, 1)));
        assert_eq!(metrics.outcomes().map(|(_, count)| count).sum::<u64>(), 1);
    }

    #[test]
    fn gauges_fall_back_when_their_guards_are_dropped() {
        let metrics = Metrics::new();
        let guards = (metrics.job_queued(), metrics.job_started(), metrics.memory_reserved(1 << 20));
        assert_eq!((metrics.queue_depth(), metrics.jobs_in_flight(), metrics.memory_reserved_now()), (1, 1, 1 << 20));
        drop(guards);
        assert_eq!((metrics.queue_depth(), metrics.jobs_in_flight(), metrics.memory_reserved_now()), (0, 0, 0));
    }

    #[test]
    fn fills_are_counts_of_each_class() {
        let metrics = Metrics::new();
        metrics.answer_served(&report());
        metrics.answer_served(&report());
        let fills = metrics.fills();
        assert_eq!(fills.iter().find(|(bound, _)| *bound == 0.9), Some(&(0.9, 2)));
        assert_eq!(fills.iter().map(|(_, count)| count).sum::<u64>(), 2);
    }

    #[test]
    fn an_interval_of_the_history_has_what_was_counted() {
        let metrics = Metrics::with_routes(ROUTES);
        metrics.http_request(ROUTES[0], "POST", 422, Duration::from_millis(3));
        metrics.http_request(ROUTES[1], "GET", 200, Duration::from_secs(9));
        metrics.shed(Shed::QueueFull);
        metrics.cache_request(CacheResult::Hit);
        metrics.cache_request(CacheResult::Miss);
        metrics.cache_request(CacheResult::Collapsed);
        metrics.job_done(&report(), Duration::ZERO);
        metrics.answer_served(&report());
        let _job = metrics.job_started();
        metrics.end_interval();
        let interval = metrics.history(Interval::clone).remove(0);
        assert_eq!((interval.requests, interval.client_errors, interval.shed), (1, 1, 1));
        assert_eq!((interval.hit_ratio(), interval.jobs, interval.encodes), (Some(0.5), 1, 3));
        assert_eq!((interval.input_bytes, interval.saved_bytes, interval.standing.in_flight), (5000, 4100, 1));
        assert_eq!(interval.statuses().collect::<Vec<_>>(), [(Status::S422, 1)]);
    }

    #[test]
    fn only_compress_makes_up_the_latency() {
        let metrics = Metrics::with_routes(ROUTES);
        metrics.http_request(ROUTES[1], "GET", 200, Duration::from_secs(9));
        metrics.http_request(ROUTES[0], "POST", 200, Duration::from_secs(1));
        assert_eq!((metrics.latency().requests, metrics.latency().p99), (1, Duration::from_secs(1)));
    }

    #[test]
    fn a_collapsed_lookup_is_coalesced() {
        let metrics = Metrics::new();
        metrics.cache_request(CacheResult::Collapsed);
        metrics.cache_request(CacheResult::Hit);
        assert_line(&metrics, "bytefit_coalesced_total 1");
        assert_eq!(metrics.cache_requests(CacheResult::Hit), 1);
    }
}
