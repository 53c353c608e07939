//! Predicts the size of a lossy WebP, by counting and by a cheaper encode. docs/model.md, Sizes.

use crate::codec::rate::{FineStepBend, SizeModel, dot};

/// How sizes follow from counts.
pub const COUNTED: SizeModel = SizeModel {
    finer: -1.5,
    steepness: 1.0,
    dead_zone: 0.75,
    coefficients: [4.63250, -1.13542, 0.09334, 0.70730, 0.03862, 0.07148, 4.94264, 1.51259, 1.85579, -0.20253],
    bend: FineStepBend { below: 2.1, coefficients: [-0.09363, -0.48868] },
};

/// Bytes of a file's headers and probabilities. The model was fitted on pictures where they do not matter:
/// docs/model.md, Sizes.
pub const BEGINNING: f64 = 130.0;

/// Coefficients of [`probe_features`].
const PROBED: [f64; 17] = [
    0.21503, -0.10901, 0.01154, 0.15254, 0.01057, -0.05026, 0.05193, 0.32036, -0.22118, -0.04309, -0.00106, 0.01477,
    -0.14206, -0.00594, 0.06796, -0.06082, -0.13977,
];

/// libwebp's statistics of an encode.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Bytes of the file but for its alpha plane.
    pub bytes: f64,
    /// Bytes of the alpha plane, as the encode's method codes it.
    pub alpha_bytes: f64,
    /// Bytes of the prediction modes.
    pub mode_bytes: f64,
    /// Bytes of the lowest frequencies of blocks predicted whole.
    pub dc_bytes: f64,
    /// Share of macroblocks that are predicted 4x4 by 4x4.
    pub share_4: f64,
}

/// What the ratio of the sizes at methods 4 and 2 depends on.
pub fn probe_features(stats: &Stats, pixels: f64, ln_step: f64) -> [f64; 17] {
    let busy = (stats.bytes * 8.0 / pixels).ln();
    let (modes, dc, split) = (stats.mode_bytes / stats.bytes, stats.dc_bytes / stats.bytes, stats.share_4);
    let square = |value: f64| value * value;
    [
        1.0,
        ln_step,
        square(ln_step),
        busy,
        square(busy),
        busy * ln_step,
        modes,
        square(modes),
        modes * ln_step,
        modes * busy,
        dc,
        dc * ln_step,
        split,
        square(split),
        split * ln_step,
        split * busy,
        (KNEE - ln_step).max(0.0),
    ]
}

/// ln(step) below which growth bends: method 4 then saves 1 to 2 % where the curve through coarser steps has it grow by
/// 2 to 3.
const KNEE: f64 = 2.2;

/// ln(bytes) at method 4 of a picture that takes what `stats` say at method 2.
pub fn at_method_4(stats: &Stats, pixels: f64, ln_step: f64) -> f64 {
    let growth = dot(&PROBED, &probe_features(stats, pixels, ln_step)).exp();
    (stats.bytes * growth + stats.alpha_bytes).ln()
}
