//! This process: its version, and what the system says of it (`process_*`).

use prometheus::IntGaugeVec;
#[cfg(target_os = "linux")]
use prometheus::core::Collector;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;

use super::{Metrics, table};

table::metrics! {
    /// What runs.
    pub(super) struct Process {
        /// Always 1; the version is in the label.
        build_info: IntGaugeVec["version"];
    }
}

impl Process {
    pub(super) fn start_at_zero(&self) {
        self.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }
}

impl Metrics {
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
}
