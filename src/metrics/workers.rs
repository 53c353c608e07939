//! Worker processes.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::gauge::GaugeGuard;
use super::labels::WorkerDeath;
use super::{Metrics, table};

table::metrics! {
    /// How worker processes fare.
    pub(super) struct Workers {
        /// Worker processes that run now.
        workers: IntGauge[];
        /// Worker processes that were ended to start afresh: after many jobs, or a large one.
        workers_recycled_total: IntCounter[];
        /// Worker processes that were killed because their job was over its deadline or nobody waited for it.
        workers_stopped_total: IntCounter[];
        /// Worker processes that died in the middle of a job.
        worker_deaths_total: IntCounterVec["cause"];
    }
}

impl Workers {
    pub(super) fn start_at_zero(&self) {
        for cause in WorkerDeath::ALL {
            self.worker_deaths_total.with_label_values(&[cause.name()]);
        }
    }
}

impl Metrics {
    /// Counts a worker process as running until the guard is dropped.
    pub(crate) fn worker_started(&self) -> GaugeGuard {
        GaugeGuard::add(&self.workers.workers, 1)
    }

    /// Counts a worker process that was ended to start afresh.
    pub(crate) fn worker_recycled(&self) {
        self.workers.workers_recycled_total.inc();
    }

    /// Counts a worker process that was killed because its answer was too late or not wanted any more.
    pub(crate) fn worker_stopped(&self) {
        self.workers.workers_stopped_total.inc();
    }

    /// Counts a worker process that died in the middle of a job.
    pub(crate) fn worker_died(&self, cause: WorkerDeath) {
        self.workers.worker_deaths_total.with_label_values(&[cause.name()]).inc();
        self.history.count(|now| now.deaths += 1);
    }

    /// Worker processes that run now.
    pub(crate) fn workers(&self) -> u64 {
        self.workers.workers.get().try_into().unwrap_or(0)
    }

    /// Worker processes that were ended to start afresh.
    pub fn workers_recycled(&self) -> u64 {
        self.workers.workers_recycled_total.get()
    }

    /// Worker processes that died in the middle of a job, whatever the cause.
    pub fn worker_deaths(&self) -> u64 {
        WorkerDeath::ALL
            .iter()
            .map(|cause| self.workers.worker_deaths_total.with_label_values(&[cause.name()]).get())
            .sum()
    }
}
