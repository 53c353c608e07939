//! Pictures by URL.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::labels::FetchResult;
use super::{Metrics, SECONDS, table};

table::metrics! {
    /// What became of pictures by URL.
    pub(super) struct Sources {
        /// Pictures asked for by URL, by how that ended.
        source_fetch_total: IntCounterVec["result"];
        /// Time of a fetch from its host, in seconds.
        source_fetch_seconds: Histogram[] in SECONDS;
        /// Requests to hosts of pictures that were sent again, because the first one failed in a way that may pass.
        source_retries_total: IntCounter[];
        /// Answers served from the cache though the host of the picture could not be asked for changes.
        source_stale_total: IntCounter[];
    }
}

impl Sources {
    pub(super) fn start_at_zero(&self) {
        for result in FetchResult::ALL {
            self.source_fetch_total.with_label_values(&[result.name()]);
        }
    }
}

impl Metrics {
    /// Counts a picture that was asked for by URL.
    pub(crate) fn source_fetched(&self, result: FetchResult) {
        self.sources.source_fetch_total.with_label_values(&[result.name()]).inc();
    }

    /// Adds the time that a fetch took.
    pub(crate) fn source_took(&self, elapsed: Duration) {
        self.sources.source_fetch_seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts a request to a host of pictures that is sent again.
    pub(crate) fn source_retried(&self) {
        self.sources.source_retries_total.inc();
    }

    /// Counts an answer that was served though the host of its picture could not be asked for changes.
    pub(crate) fn source_served_stale(&self) {
        self.sources.source_stale_total.inc();
    }
}
