//! Decides how finely the alpha plane of a lossy WebP is coded: lossless while it is small compared with the colour,
//! and with fewer levels when it would take most of the file.

use std::os::raw::c_int;

/// An alpha plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alpha {
    /// Bytes of the plane when it is coded lossless.
    pub lossless_bytes: f64,
}

/// Share of a file that the plane may take without losing levels.
const FAIR_SHARE: f64 = 1.0 / 3.0;

/// The quality on libwebp's scale at which the plane would be the whole file: 6 levels.
const LEAST_QUALITY: f64 = 20.0;

impl Alpha {
    /// Returns libwebp's alpha_quality for a plane with `colour_bytes` of colour. It is 100 (lossless) up to the fair
    /// share and then falls linearly, so that a coarser file never has a larger plane.
    pub(super) fn quality_beside(&self, colour_bytes: f64) -> c_int {
        let share = self.lossless_bytes / (self.lossless_bytes + colour_bytes).max(1.0);
        let excess = ((share - FAIR_SHARE) / (1.0 - FAIR_SHARE)).clamp(0.0, 1.0);
        (100.0 - (100.0 - LEAST_QUALITY) * excess).round() as c_int
    }

    /// Returns the predicted bytes of the plane at that quality, in proportion to the bits of its levels. This is too
    /// low for a mask, which has few levels anyway. The search corrects that.
    pub(super) fn bytes_beside(&self, colour_bytes: f64) -> f64 {
        self.lossless_bytes * levels(self.quality_beside(colour_bytes)).log2() / 8.0
    }
}

/// Returns the number of levels that libwebp keeps at a quality (src/enc/alpha_enc.c).
fn levels(quality: c_int) -> f64 {
    f64::from(if quality <= 70 { 2 + quality / 5 } else { (16 + (quality - 70) * 8).min(256) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_keeps_its_levels_within_its_share_and_loses_them_beyond() {
        let alpha = Alpha { lossless_bytes: 10_000.0 };
        assert_eq!(alpha.quality_beside(100_000.0), 100);
        assert_eq!(alpha.quality_beside(20_000.0), 100);
        assert_eq!(alpha.quality_beside(0.0), 20);
        assert_eq!(Alpha { lossless_bytes: 0.0 }.quality_beside(0.0), 100);
        let steps: Vec<c_int> = (0..30).map(|kb| alpha.quality_beside(f64::from(kb) * 1_000.0)).collect();
        assert!(steps.is_sorted(), "{steps:?}");
        let bytes: Vec<f64> = (0..30).map(|kb| alpha.bytes_beside(f64::from(kb) * 1_000.0)).collect();
        assert!(bytes.is_sorted() && bytes[29] == 10_000.0, "{bytes:?}");
    }
}
