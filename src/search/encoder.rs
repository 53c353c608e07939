//! An encoder as the search sees it, and the steps from one of its states to the next.

use std::ops::RangeInclusive;

use crate::stop::StopReason;

/// An encoder as the search sees it. `x` is always ln(quantiser step): larger is coarser.
pub trait SearchedEncoder {
    /// Why an encode failed.
    type Error;

    /// The finest and the coarsest `x` that may be tried.
    fn range(&self) -> RangeInclusive<f64>;

    /// The encoder's real state nearest to `x`.
    fn snap(&self, x: f64) -> f64;

    /// The `x` at which to start looking for `ln_bytes`.
    fn guess(&self, ln_bytes: f64) -> f64;

    /// Whether the finest state is encoded first: where it fits there is nothing better, and its size says more than
    /// the model.
    fn begins_at_finest(&self) -> bool {
        false
    }

    /// The model's ln(bytes) at `x`; must not rise with `x`.
    fn predict(&mut self, x: f64) -> f64;

    /// A second prediction of ln(bytes) at `x`. It is better and slower than the model's, and faster than an encode.
    /// Called a few times, before the first encode. Returns `None` when the encoder has no probe.
    fn probe(&mut self, x: f64) -> Result<Option<f64>, Self::Error>;

    /// The largest error of a probe, in ln(bytes). Probes that the first encode contradicts by more are corrected by
    /// it.
    fn max_probe_error(&self) -> f64 {
        MAX_PROBE_ERROR
    }

    /// The file at `x`, a state that [`SearchedEncoder::snap`] gave.
    fn encode(&mut self, x: f64) -> Result<Vec<u8>, Self::Error>;

    /// A reason to stop with what there is; called before every encode and probe but the first. With `has_answer` an
    /// encode that would end after the deadline is a reason too.
    fn stop(&self, has_answer: bool) -> Option<StopReason>;
}

/// The largest error of most encoders' probes, in ln(bytes) (docs/model.md).
pub const MAX_PROBE_ERROR: f64 = 0.15;

/// The first state at `x` or coarser.
pub fn at_or_above(x: f64, snap: impl Fn(f64) -> f64) -> f64 {
    states_from(x, snap).find(|state| *state >= x).unwrap_or(x)
}

/// The states from `x` on, ever coarser.
pub(super) fn states_from(x: f64, snap: impl Fn(f64) -> f64) -> impl Iterator<Item = f64> {
    [x].into_iter().chain(NUDGES.map(|nudge| x + nudge)).map(snap)
}

/// ln(step) from a state to the next that may differ: from a hundredth of the bytes to the coarsest grain of any
/// encoder, 0.22 between WebP's two finest steps.
pub(super) const NUDGES: [f64; 8] = [0.012, 0.024, 0.036, 0.048, 0.072, 0.096, 0.16, 0.24];
