//! Makes a struct of a table of metrics.

use prometheus::core::Describer;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::requests::RequestCounter;

/// One line of a table.
pub(super) struct Spec<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub help: &'a str,
    pub labels: &'a [&'a str],
    pub buckets: &'a [f64],
}

impl Spec<'_> {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help.trim()).namespace(self.namespace)
    }

    /// Options of a metric that is described before it has any series.
    fn labelled_opts(&self) -> Opts {
        self.opts().variable_labels(self.labels.iter().map(|label| (*label).to_owned()).collect())
    }

    fn histogram_opts(&self) -> HistogramOpts {
        HistogramOpts::new(self.name, self.help.trim()).namespace(self.namespace).buckets(self.buckets.to_vec())
    }
}

/// A kind of metric.
pub(super) trait Build: Sized {
    /// Builds the metric of this line.
    fn build(spec: &Spec<'_>) -> prometheus::Result<Self>;
}

macro_rules! build {
    ($($kind:ty: |$spec:ident| $build:expr;)*) => {
        $(impl Build for $kind {
            fn build($spec: &Spec<'_>) -> prometheus::Result<Self> {
                $build
            }
        })*
    };
}

build! {
    IntCounter: |spec| IntCounter::with_opts(spec.opts());
    IntCounterVec: |spec| IntCounterVec::new(spec.opts(), spec.labels);
    RequestCounter: |spec| Ok(RequestCounter::new(spec.labelled_opts().describe()?));
    IntGauge: |spec| IntGauge::with_opts(spec.opts());
    IntGaugeVec: |spec| IntGaugeVec::new(spec.opts(), spec.labels);
    Histogram: |spec| Histogram::with_opts(spec.histogram_opts());
    HistogramVec: |spec| HistogramVec::new(spec.histogram_opts(), spec.labels);
}

/// Declares a struct of metrics. Each field is a metric: its doc comment is the help text, its labels are in brackets,
/// and its buckets follow `in`. `registered(registry)` makes the metrics and registers them.
macro_rules! metrics {
    (
        $(#[$attr:meta])*
        pub(super) struct $name:ident {
            $($(#[doc = $help:literal])+ $field:ident: $kind:ident[$($label:literal),*] $(in $buckets:expr)?;)+
        }
    ) => {
        $(#[$attr])*
        #[derive(Debug)]
        pub(super) struct $name {
            $($(#[doc = $help])+ $field: $kind,)+
        }

        impl $name {
            pub(super) fn registered(registry: &prometheus::Registry) -> $name {
                $(
                    let spec = $crate::metrics::table::Spec {
                        namespace: $crate::metrics::NAMESPACE,
                        name: stringify!($field),
                        help: concat!($($help),+),
                        labels: &[$($label),*],
                        buckets: [$($buckets,)? &[]][0],
                    };
                    let $field = <$kind as $crate::metrics::table::Build>::build(&spec)
                        .expect("names, labels and buckets of the tables are valid");
                    registry.register(Box::new($field.clone())).expect("the tables name every metric once");
                )+
                $name { $($field),+ }
            }
        }
    };
}

pub(super) use metrics;
