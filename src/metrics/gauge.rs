//! Gauges that fall back by themselves.

use prometheus::IntGauge;

/// An amount added to a gauge and subtracted again on drop, so that a cancelled request can't leak a count.
#[derive(Debug)]
#[must_use = "the gauge falls back at once"]
pub(crate) struct GaugeGuard {
    gauge: IntGauge,
    amount: i64,
}

impl GaugeGuard {
    pub(super) fn add(gauge: &IntGauge, amount: i64) -> GaugeGuard {
        gauge.add(amount);
        GaugeGuard { gauge: gauge.clone(), amount }
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.gauge.sub(self.amount);
    }
}

/// The value of a gauge.
pub(super) fn clamp(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
