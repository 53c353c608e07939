//! libwebp's quality as a quantiser step, and back.

use std::ops::RangeInclusive;

/// Number of quantiser indices.
pub const INDICES: usize = 128;

/// AC quantiser step of each index (RFC 6386 s14.1, ac_qlookup).
const AC_STEP: [u16; INDICES] = [
    4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
    34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 60, 62, 64, 66,
    68, 70, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90, 92, 94, 96, 98, 100, 102, 104, 106, 108, 110, 112, 114, 116, 119,
    122, 125, 128, 131, 134, 137, 140, 143, 146, 149, 152, 155, 158, 161, 164, 167, 170, 173, 177, 181, 185, 189, 193,
    197, 201, 205, 209, 213, 217, 221, 225, 229, 234, 239, 245, 249, 254, 259, 264, 269, 274, 279, 284,
];

/// ln of the step that each index stands for in bytes. libwebp's thresholds and weights are whole numbers, so that one
/// index may save three times as much as the next: docs/model.md, WebP's states.
const LN_STEP_IN_BYTES: [f64; INDICES] = [
    1.896, 1.930, 2.009, 2.040, 2.112, 2.226, 2.345, 2.448, 2.505, 2.597, 2.651, 2.734, 2.819, 2.843, 2.921, 2.948,
    3.018, 3.039, 3.104, 3.137, 3.157, 3.208, 3.227, 3.276, 3.292, 3.339, 3.390, 3.401, 3.447, 3.464, 3.506, 3.511,
    3.556, 3.594, 3.605, 3.641, 3.654, 3.693, 3.702, 3.740, 3.775, 3.781, 3.807, 3.814, 3.849, 3.856, 3.888, 3.918,
    3.926, 3.957, 3.967, 3.990, 3.998, 4.027, 4.053, 4.085, 4.113, 4.147, 4.177, 4.203, 4.214, 4.259, 4.285, 4.311,
    4.336, 4.362, 4.387, 4.411, 4.447, 4.470, 4.490, 4.508, 4.529, 4.550, 4.570, 4.601, 4.621, 4.637, 4.653, 4.672,
    4.687, 4.706, 4.727, 4.745, 4.759, 4.786, 4.814, 4.831, 4.859, 4.883, 4.899, 4.918, 4.939, 4.964, 4.990, 5.003,
    5.025, 5.050, 5.063, 5.085, 5.106, 5.123, 5.139, 5.167, 5.188, 5.206, 5.229, 5.257, 5.275, 5.301, 5.313, 5.339,
    5.365, 5.385, 5.412, 5.428, 5.448, 5.472, 5.493, 5.519, 5.535, 5.549, 5.568, 5.576, 5.595, 5.613, 5.631, 5.649,
];

/// ln of the AC step at quality 100 and at quality 0.
pub const LN_STEP_RANGE: RangeInclusive<f64> = 1.386_294_361_119_890_6..=5.648_974_238_161_206;

/// ln of the AC step that libwebp's `quality` (0 to 100) stands for (libwebp quant_enc.c,
/// VP8SetSegmentParams), read between the table's entries.
pub fn ln_step(quality: f64) -> f64 {
    ln_step_of((127.0 * (1.0 - compression(quality))).clamp(0.0, 127.0))
}

/// ln of the AC step at `index` (0 to 127), read between the table's entries.
pub fn ln_step_of(index: f64) -> f64 {
    let below = index as usize;
    let (low, high) = (f64::from(AC_STEP[below]), f64::from(AC_STEP[(below + 1).min(127)]));
    (low + (high - low) * (index - below as f64)).ln()
}

/// ln of the step that `index` (0 to 127) stands for in bytes.
pub fn ln_step_in_bytes(index: i32) -> f64 {
    LN_STEP_IN_BYTES[index as usize]
}

/// libwebp's "compression" (0 to 1) of a quality (QualityToCompression): 1 less the share of the largest index.
pub fn compression(quality: f64) -> f64 {
    let linear = quality / 100.0;
    let bent = if linear < 0.75 { linear * (2.0 / 3.0) } else { 2.0 * linear - 1.0 };
    bent.max(0.0).cbrt()
}

/// The quality (0 to 100) whose step is nearest to `exp(ln_step)`.
pub fn quality(target: f64) -> f64 {
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if ln_step(middle) > target { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_and_step_are_inverse() {
        for tenth in 0..=1000 {
            let expected = f64::from(tenth) / 10.0;
            assert!((quality(ln_step(expected)) - expected).abs() < 1e-6, "{expected}");
        }
        assert!((ln_step(100.0) - LN_STEP_RANGE.start()).abs() < 1e-9);
        assert!((ln_step(0.0) - LN_STEP_RANGE.end()).abs() < 1e-9);
    }
}
