//! The settings of libaom: the best tuning of the linked version, and the options that look best with it.

use std::ffi::{CStr, CString};

use crate::codec::Effort;

/// libaom's options and their values, by the names that aomenc gives them, in the order in which they are set.
pub(super) type Options = Vec<(&'static CStr, CString)>;

/// What libaom's decisions are tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tuning {
    /// Structural similarity: the best that there is before libaom 3.12.
    Ssim,
    /// The look of still pictures, led by SSIMULACRA2.
    Iq,
}

/// libaom 3.12.0, as [`Tuning::of`] takes versions.
const FIRST_WITH_IQ: u32 = 0x03_0c_00;

impl Tuning {
    /// The best tuning that libaom has at `version`: major, minor and patch, a byte each.
    pub(super) fn of(version: u32) -> Tuning {
        if version < FIRST_WITH_IQ { Tuning::Ssim } else { Tuning::Iq }
    }
}

/// The settings for `effort`, with quantiser matrices of `level`: docs/model.md, AVIF.
pub(super) fn options(tuning: Tuning, effort: Effort, level: u8) -> Options {
    let level = level.to_string();
    let mut options = Vec::new();
    let mut set = |name, value: &str| options.push((name, CString::new(value).expect("text without a zero")));
    match tuning {
        Tuning::Ssim => {
            set(c"tune", "ssim");
            // Keeps the loop filter from blurring; 4 and 7 come out the same, 0 takes 1 to 2 % more.
            set(c"sharpness", "7");
            set(c"enable-qm", "1");
        }
        Tuning::Iq => {
            // Includes the settings above. Its own choice of matrices takes 2 to 7 % more bytes.
            set(c"tune", "iq");
            // Without it, smooth blocks are quantised more finely from speed 8 down. That takes 2 % fewer bytes, but
            // changes sizes by 6 to 60 % and scores by 10 points, which cannot be predicted.
            set(c"deltaq-mode", "0");
        }
    }
    set(c"qm-min", &level);
    set(c"qm-max", &level);
    match effort {
        Effort::Fast | Effort::Balanced => set(c"cpu-used", "9"),
        Effort::Best => {
            set(c"cpu-used", "6");
            set(c"dist-metric", "qm-psnr");
            // Without blocks of 4x4 and 128x128, files take 1 % fewer bytes and a tenth less time.
            set(c"min-partition-size", "8");
            set(c"sb-size", "64");
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tuning: Tuning, effort: Effort) -> String {
        let options = options(tuning, effort, 4);
        let pairs = options.iter().map(|(name, value)| [name.to_str().unwrap(), value.to_str().unwrap()].join("="));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_settings_of_each_tuning_and_effort() {
        let ssim = "tune=ssim sharpness=7 enable-qm=1 qm-min=4 qm-max=4";
        let iq = "tune=iq deltaq-mode=0 qm-min=4 qm-max=4";
        for (tuning, common) in [(Tuning::Ssim, ssim), (Tuning::Iq, iq)] {
            assert_eq!(text(tuning, Effort::Fast), format!("{common} cpu-used=9"));
            assert_eq!(text(tuning, Effort::Balanced), format!("{common} cpu-used=9"));
            let best = "cpu-used=6 dist-metric=qm-psnr min-partition-size=8 sb-size=64";
            assert_eq!(text(tuning, Effort::Best), format!("{common} {best}"));
        }
    }

    #[test]
    fn iq_is_used_from_the_first_version_that_has_it() {
        assert_eq!(Tuning::of(0x03_0b_00), Tuning::Ssim);
        assert_eq!(Tuning::of(0x03_0b_ff), Tuning::Ssim);
        assert_eq!(Tuning::of(0x03_0c_00), Tuning::Iq);
        assert_eq!(Tuning::of(0x03_0c_01), Tuning::Iq);
        assert_eq!(Tuning::of(0x04_00_00), Tuning::Iq);
    }
}
