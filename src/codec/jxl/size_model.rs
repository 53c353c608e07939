//! Predicts the size of a JPEG XL file from that of the JPEG that it is made of: docs/model.md, JPEG XL.

use crate::codec::rate::dot;
use crate::picture::Chroma;

/// Coefficients of [`features`] at 4:2:0: error 1.5 % in the median, 6.6 % in 95 of 100 cases.
const HALVED: [f64; 7] = [0.15903, 0.01390, -0.06873, -0.01988, 0.01187, -0.00727, -0.04434];

/// The same at 4:4:4: 1.7 % and 5.9 %.
const FULL: [f64; 7] = [-0.04337, 0.07350, -0.02202, -0.00773, 0.03402, 0.00049, -0.00666];

/// ln(bits per pixel) of the JPEGs that the coefficients are fitted to.
const FITTED_BITS: std::ops::RangeInclusive<f64> = -2.3..=1.5;

/// ln(bits per pixel) of a JPEG of this size.
fn ln_bits(ln_jpeg_bytes: f64, pixels: f64) -> f64 {
    ln_jpeg_bytes + (8.0 / pixels).ln()
}

/// Whether the coefficients are fitted to JPEGs of this size.
pub fn is_fitted(ln_jpeg_bytes: f64, pixels: f64) -> bool {
    FITTED_BITS.contains(&ln_bits(ln_jpeg_bytes, pixels))
}

/// What ln of the share of a JPEG's bytes that is left depends on: ln(bits per pixel) of the JPEG in one pass, the pixels,
/// and the scale of its tables.
pub fn features(ln_jpeg_bytes: f64, pixels: f64, ln_step: f64) -> [f64; 7] {
    let ln_bits = ln_bits(ln_jpeg_bytes, pixels).clamp(*FITTED_BITS.start(), *FITTED_BITS.end());
    [1.0, ln_bits, ln_bits * ln_bits, pixels.ln(), ln_step, ln_step * ln_step, ln_step * ln_bits]
}

/// ln(bytes) of a file whose JPEG has this size.
pub(super) fn ln_bytes(chroma: Chroma, ln_jpeg_bytes: f64, pixels: f64, ln_step: f64) -> f64 {
    let coefficients = if chroma == Chroma::Halved { &HALVED } else { &FULL };
    ln_jpeg_bytes + dot(coefficients, &features(ln_jpeg_bytes, pixels, ln_step))
}
