//! Answers served, from the cache or computed.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{Metrics, table};
use crate::codec::Format;
use crate::job::{Outcome, Report};

/// From a thumbnail to the largest upload, a factor of four apart.
const BYTES: &[f64] = &[1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 64e6];
/// Finest around 0.97 to 1, where the search aims. Answers above 1 are those of mode `close` and missed ones.
const RATIO: &[f64] = &[0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.97, 0.98, 0.99, 1.0, 1.1, 2.0];

table::metrics! {
    /// What answers are like.
    pub(super) struct Answers {
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
    }
}

impl Answers {
    pub(super) fn start_at_zero(&self) {
        for format in Format::OUTPUT.map(Format::name) {
            self.target_fill_ratio.with_label_values(&[format]);
            for outcome in Outcome::ALL {
                self.results_total.with_label_values(&[format, outcome.name()]);
            }
        }
    }
}

impl Metrics {
    /// Counts an answer that was served, computed or from the cache.
    pub(crate) fn answer_served(&self, report: &Report) {
        let format = report.output.format.name();
        self.answers.results_total.with_label_values(&[format, report.outcome.name()]).inc();
        self.answers
            .target_fill_ratio
            .with_label_values(&[format])
            .observe(report.output.bytes as f64 / report.target.max(1) as f64);
        self.answers.input_bytes.observe(report.input.bytes as f64);
        self.answers.output_bytes.observe(report.output.bytes as f64);
        self.answers.bytes_saved_total.inc_by(report.input.bytes.saturating_sub(report.output.bytes));
        self.history.count(|now| now.answer(report));
    }

    /// Answers served, by outcome, in all formats.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.iter().map(|outcome| {
            let of_format =
                |format: Format| self.answers.results_total.with_label_values(&[format.name(), outcome.name()]).get();
            (*outcome, Format::OUTPUT.into_iter().map(of_format).sum())
        })
    }

    /// Answers by the ratio of their bytes to the target, in all formats: the upper bound of each class and its count.
    /// Those above the last bound are left out.
    pub(crate) fn fills(&self) -> Vec<(f64, u64)> {
        let mut up_to = vec![0; RATIO.len()];
        for format in Format::OUTPUT {
            let family = self.answers.target_fill_ratio.with_label_values(&[format.name()]).collect();
            let buckets = family
                .iter()
                .flat_map(|family| family.get_metric())
                .flat_map(|metric| metric.get_histogram().get_bucket());
            up_to.iter_mut().zip(buckets).for_each(|(count, bucket)| *count += bucket.cumulative_count());
        }
        let below = std::iter::once(0).chain(up_to.iter().copied());
        RATIO.iter().zip(up_to.iter().zip(below)).map(|(bound, (count, below))| (*bound, count - below)).collect()
    }
}
