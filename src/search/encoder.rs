//! An encoder as the search sees it, and the steps from one of its states to the next. Knows no codec.

use std::ops::RangeInclusive;

use crate::stop::StopReason;

/// What the search needs to know of an encoder. `x` is always ln(quantiser step): larger is coarser.
pub trait SearchedEncoder {
    type Error;

    /// The finest and the coarsest `x` that may be tried.
    fn range(&self) -> RangeInclusive<f64>;

    /// The encoder's real state nearest to `x`.
    fn snap(&self, x: f64) -> f64;

    /// Where to begin looking for `ln_bytes`.
    fn guess(&self, ln_bytes: f64) -> f64;

    /// The model's ln(bytes) at `x`; must not rise with `x`.
    fn predict(&mut self, x: f64) -> f64;

    /// A second opinion on ln(bytes) at `x`, dearer and better than the model's, cheaper than an encode: asked for
    /// once, before the first encode.
    fn probe(&mut self, x: f64) -> Result<Option<f64>, Self::Error>;

    /// The file at `x`, a state that [`SearchedEncoder::snap`] gave.
    fn encode(&mut self, x: f64) -> Result<Vec<u8>, Self::Error>;

    /// Asked before every encode but the first: a reason to stop with what there is. `has_answer` tells whether that
    /// would be an answer: then there is none to begin what the deadline would cut off.
    fn stop(&self, has_answer: bool) -> Option<StopReason>;
}

/// The first state at `x` or coarser.
pub fn at_or_above(x: f64, snap: impl Fn(f64) -> f64) -> f64 {
    states_from(x, snap).find(|state| *state >= x).unwrap_or(x)
}

/// The states from `x` on, coarser and coarser.
pub(super) fn states_from(x: f64, snap: impl Fn(f64) -> f64) -> impl Iterator<Item = f64> {
    [x].into_iter().chain(NUDGES.map(|nudge| x + nudge)).map(snap)
}

/// ln(step) from a state that was tried to the next that may differ: from a hundredth of the bytes to the coarsest grain of
/// any encoder, 0.22 between WebP's two finest steps.
pub(super) const NUDGES: [f64; 8] = [0.012, 0.024, 0.036, 0.048, 0.072, 0.096, 0.16, 0.24];
