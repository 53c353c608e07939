//! libwebp's quality as a quantiser step, and back.

use std::ops::RangeInclusive;

/// AC quantiser step of each index (RFC 6386 s14.1, ac_qlookup).
const AC_STEP: [u16; 128] = [
    4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
    34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 60, 62, 64, 66,
    68, 70, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90, 92, 94, 96, 98, 100, 102, 104, 106, 108, 110, 112, 114, 116, 119,
    122, 125, 128, 131, 134, 137, 140, 143, 146, 149, 152, 155, 158, 161, 164, 167, 170, 173, 177, 181, 185, 189, 193,
    197, 201, 205, 209, 213, 217, 221, 225, 229, 234, 239, 245, 249, 254, 259, 264, 269, 274, 279, 284,
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
