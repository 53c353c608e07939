//! Predicts the size of a JPEG XL file from that of the JPEG that it is made of: docs/model.md, JPEG XL.

use crate::codec::rate::dot;

/// Coefficients of [`features`] for the JPEG's predicted size.
const PREDICTED: [f64; 5] = [-0.12, 0.0, 0.0, 0.0, 0.0];

/// The same for the size that a probe finds, a JPEG of one pass.
const PROBED: [f64; 5] = [-0.14, 0.0, 0.0, 0.0, 0.0];

/// What the share of a JPEG's bytes that is left depends on: the scale of its tables, and ln(bits per pixel).
pub fn features(ln_jpeg_bytes: f64, pixels: f64, ln_step: f64) -> [f64; 5] {
    let ln_bits = ln_jpeg_bytes + (8.0 / pixels).ln();
    [1.0, ln_step, ln_step * ln_step, ln_bits, ln_bits * ln_bits]
}

/// ln(bytes) of a file whose JPEG is predicted to have this size.
pub(super) fn of_predicted(ln_jpeg_bytes: f64, pixels: f64, ln_step: f64) -> f64 {
    ln_jpeg_bytes + dot(&PREDICTED, &features(ln_jpeg_bytes, pixels, ln_step))
}

/// ln(bytes) of a file whose JPEG is probed to have this size.
pub(super) fn of_probed(ln_jpeg_bytes: f64, pixels: f64, ln_step: f64) -> f64 {
    ln_jpeg_bytes + dot(&PROBED, &features(ln_jpeg_bytes, pixels, ln_step))
}
