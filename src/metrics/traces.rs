//! Spans for a collector.

use prometheus::IntCounterVec;

use super::labels::SpanResult;
use super::{Metrics, table};

table::metrics! {
    /// What became of spans.
    pub(super) struct Traces {
        /// Spans of traced requests.
        trace_spans_total: IntCounterVec["result"];
    }
}

impl Traces {
    pub(super) fn start_at_zero(&self) {
        for result in SpanResult::ALL {
            self.trace_spans_total.with_label_values(&[result.name()]);
        }
    }
}

impl Metrics {
    /// Counts spans that were sent to the collector, or lost.
    pub(crate) fn spans(&self, result: SpanResult, count: usize) {
        self.traces.trace_spans_total.with_label_values(&[result.name()]).inc_by(count as u64);
    }
}
