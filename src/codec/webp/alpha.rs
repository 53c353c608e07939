//! Decides how finely the alpha plane of a lossy WebP is coded: lossless while it is small compared with the colour,
//! and else with levels about as coarse as the colour's quantiser.

use std::os::raw::c_int;

use super::quantiser::LN_STEP_RANGE;

/// Settings on libwebp's scale at which a plane that takes too much is measured: 6, 14, 56 and 176 levels.
pub(super) const COARSER: [c_int; 4] = [LEAST_QUALITY, 60, 75, 90];

/// An alpha plane that takes more than its share.
#[derive(Clone, Debug)]
pub(super) struct Alpha {
    /// Bytes of the plane at each of [`COARSER`], and without loss.
    bytes: [f64; COARSER.len() + 1],
}

/// Share of a file that the plane may take without losing levels.
const FAIR_SHARE: f64 = 1.0 / 3.0;

/// libwebp's alpha_quality that keeps every level.
pub(super) const LOSSLESS: c_int = 100;

/// The lowest quality: 6 levels.
const LEAST_QUALITY: c_int = 20;

/// How many times finer a level of alpha is than the colour's quantiser step is above the finest: docs/model.md, Alpha.
/// A step leaves smooth places smooth, levels make bands of them.
const FINER_THAN_COLOUR: f64 = 2.5;

/// Whether a plane of `lossless_bytes` takes at most its share beside `colour_bytes`.
pub(super) fn is_fair(lossless_bytes: f64, colour_bytes: f64) -> bool {
    share(lossless_bytes, colour_bytes) <= FAIR_SHARE
}

fn share(lossless_bytes: f64, colour_bytes: f64) -> f64 {
    lossless_bytes / (lossless_bytes + colour_bytes).max(1.0)
}

impl Alpha {
    /// A plane of which the sizes at [`COARSER`] and without loss are known.
    pub(super) fn new(coarser: [f64; COARSER.len()], lossless_bytes: f64) -> Alpha {
        let [a, b, c, d] = coarser;
        Alpha { bytes: [a, b, c, d, lossless_bytes] }
    }

    /// The quality of the plane beside `colour_bytes` of colour at a quantiser step, and its predicted bytes.
    pub(super) fn beside(&self, colour_bytes: f64, ln_step: f64) -> (c_int, f64) {
        let quality = self.quality_beside(colour_bytes, ln_step);
        (quality, self.bytes_at(quality))
    }

    /// libwebp's alpha_quality for a plane with `colour_bytes` of colour at a quantiser step. It is 100 (lossless) up
    /// to the fair share. Beyond that it falls with the share, but no lower than the step asks for. A coarser file
    /// never has a larger plane.
    fn quality_beside(&self, colour_bytes: f64, ln_step: f64) -> c_int {
        let lossless = self.bytes[COARSER.len()];
        let excess = ((share(lossless, colour_bytes) - FAIR_SHARE) / (1.0 - FAIR_SHARE)).clamp(0.0, 1.0);
        let by_share = f64::from(LOSSLESS) - f64::from(LOSSLESS - LEAST_QUALITY) * excess;
        let above_finest = (ln_step.exp() - LN_STEP_RANGE.start().exp()).max(1.0);
        let least = (by_share.round() as c_int).max(quality_of(256.0 * FINER_THAN_COLOUR / above_finest));
        // Fewer levels may take more bytes than all of them: gradients are no longer predicted well.
        if self.bytes_at(least) < lossless { least } else { LOSSLESS }
    }

    /// Bytes at a quality, read between the measured ones in proportion to the bits of a level.
    fn bytes_at(&self, quality: c_int) -> f64 {
        let quality_at = |index: usize| COARSER.get(index).copied().unwrap_or(LOSSLESS);
        let above = COARSER.iter().position(|measured| *measured >= quality).unwrap_or(COARSER.len()).max(1);
        let [low, high] = [above - 1, above].map(|index| (levels(quality_at(index)).log2(), self.bytes[index]));
        low.1 + (high.1 - low.1) * (levels(quality).log2() - low.0) / (high.0 - low.0)
    }
}

/// The number of levels that libwebp keeps at a quality (src/enc/alpha_enc.c).
fn levels(quality: c_int) -> f64 {
    f64::from(if quality <= 70 { 2 + quality / 5 } else { (16 + (quality - 70) * 8).min(256) })
}

/// The lowest quality that keeps so many levels.
fn quality_of(wanted: f64) -> c_int {
    (LEAST_QUALITY..LOSSLESS).find(|quality| levels(*quality) >= wanted).unwrap_or(LOSSLESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plane whose bytes are in proportion to the bits of a level.
    fn grainy(lossless_bytes: f64) -> Alpha {
        Alpha::new(COARSER.map(|quality| lossless_bytes * levels(quality).log2() / 8.0), lossless_bytes)
    }

    /// ln of quantiser steps from the coarsest to the finest.
    fn steps() -> impl Iterator<Item = f64> {
        (0..30).map(|step| 5.6 - 0.14 * f64::from(step))
    }

    #[test]
    fn a_plane_keeps_its_levels_within_its_share_and_loses_them_beyond() {
        let alpha = grainy(10_000.0);
        let coarsest = 284f64.ln();
        assert_eq!(alpha.quality_beside(100_000.0, coarsest), 100);
        assert_eq!(alpha.quality_beside(20_000.0, coarsest), 100);
        assert_eq!(alpha.quality_beside(0.0, coarsest), 20);
        assert_eq!(alpha.quality_beside(0.0, 1.4), 100, "a fine step has fine levels");
        assert_eq!(grainy(0.0).quality_beside(0.0, coarsest), 100);
        for colour in [0.0, 3_000.0] {
            let qualities: Vec<c_int> = steps().map(|ln_step| alpha.quality_beside(colour, ln_step)).collect();
            assert!(qualities.is_sorted(), "{qualities:?}");
            let bytes: Vec<f64> = steps().map(|ln_step| alpha.beside(colour, ln_step).1).collect();
            assert!(bytes.is_sorted() && bytes[29] == 10_000.0, "{bytes:?}");
        }
    }

    #[test]
    fn levels_that_take_more_bytes_than_all_of_them_are_not_used() {
        // A soft shadow.
        let alpha = Alpha::new([2_600.0, 4_300.0, 11_500.0, 23_000.0], 14_000.0);
        let used: Vec<c_int> = steps().map(|ln_step| alpha.quality_beside(100.0, ln_step)).collect();
        assert!(used.iter().all(|quality| alpha.bytes_at(*quality) < 14_000.0 || *quality == 100), "{used:?}");
        assert!(used.iter().any(|quality| (71..=76).contains(quality)), "{used:?}");
    }
}
