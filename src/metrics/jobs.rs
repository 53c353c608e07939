//! Jobs, from the queue to their end, and the memory that they and bodies take.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::gauge::{GaugeGuard, clamp};
use super::labels::Stage;
use super::{Metrics, SECONDS, table};
use crate::codec::Format;
use crate::job::Report;

/// The search usually needs two encodes, and bisects from the fifth.
const ENCODES: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0];

table::metrics! {
    /// What jobs do.
    pub(super) struct Jobs {
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
        /// Memory that bodies, running jobs and answers being sent have reserved, in bytes.
        memory_reserved_bytes: IntGauge[];
        /// Memory that bodies, running jobs and answers being sent may reserve together, in bytes.
        memory_limit_bytes: IntGauge[];
        /// Jobs that ended in a panic.
        panics_total: IntCounter[];
    }
}

impl Jobs {
    pub(super) fn start_at_zero(&self) {
        for stage in Stage::ALL {
            self.stage_duration_seconds.with_label_values(&[stage.name()]);
        }
        for format in Format::OUTPUT.map(Format::name) {
            self.encodes_total.with_label_values(&[format]);
            self.encodes_per_job.with_label_values(&[format]);
        }
    }
}

impl Metrics {
    /// Counts a job as waiting for its permit until the guard is dropped.
    pub(crate) fn job_queued(&self) -> GaugeGuard {
        GaugeGuard::add(&self.jobs.queue_depth, 1)
    }

    /// Counts a job as running until the guard is dropped.
    pub(crate) fn job_started(&self) -> GaugeGuard {
        GaugeGuard::add(&self.jobs.jobs_in_flight, 1)
    }

    /// Counts memory as reserved until the guard is dropped.
    pub(crate) fn memory_reserved(&self, bytes: u64) -> GaugeGuard {
        GaugeGuard::add(&self.jobs.memory_reserved_bytes, clamp(bytes))
    }

    /// Sets the memory that bodies, jobs and answers being sent may reserve together.
    pub(crate) fn set_memory_limit(&self, bytes: u64) {
        self.jobs.memory_limit_bytes.set(clamp(bytes));
    }

    /// Counts a job that panicked.
    pub(crate) fn panicked(&self) {
        self.jobs.panics_total.inc();
    }

    /// Adds the time that a job waited for its permit.
    pub(crate) fn job_waited(&self, queued: Duration) {
        self.jobs.queue_wait_seconds.observe(queued.as_secs_f64());
        self.stage(Stage::Queue, queued);
    }

    /// Counts the encodes and times of a computed job. `total` is the time since its body was complete.
    pub(crate) fn job_done(&self, report: &Report, total: Duration) {
        for (format, encodes) in &report.encodes_by_format {
            self.jobs.encodes_total.with_label_values(&[format.name()]).inc_by(u64::from(*encodes));
            self.jobs.encodes_per_job.with_label_values(&[format.name()]).observe(f64::from(*encodes));
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

    fn stage(&self, stage: Stage, elapsed: Duration) {
        self.jobs.stage_duration_seconds.with_label_values(&[stage.name()]).observe(elapsed.as_secs_f64());
    }

    /// Jobs that run now.
    pub fn jobs_in_flight(&self) -> u64 {
        self.jobs.jobs_in_flight.get().try_into().unwrap_or(0)
    }

    /// Jobs that wait for a permit now.
    pub(crate) fn queue_depth(&self) -> u64 {
        self.jobs.queue_depth.get().try_into().unwrap_or(0)
    }

    /// Memory that bodies, running jobs and answers being sent have reserved, in bytes.
    pub(crate) fn memory_reserved_now(&self) -> u64 {
        self.jobs.memory_reserved_bytes.get().try_into().unwrap_or(0)
    }
}
