//! Predicts the size of a JPEG: every n-th row of its blocks is counted, and encoded once. docs/model.md, Sizes.

use super::trellis::Trellis;
use super::{quantiser, scans};
use crate::codec::rate::{self, Count, Spectrum, Steps, dot, rows_for};
use crate::picture::chroma::HalvedPlanes;
use crate::picture::{Chroma, Picture};

/// Bytes of a file of `pixels` besides its coefficients: headers, and a Huffman table for each kind of symbol of each
/// scan. The strips predict best with these (tools/calibrate/rate_model.rs).
pub fn overhead(pixels: u64) -> f64 {
    if scans::is_progressive(pixels) { 430.0 } else { ONE_PASS_OVERHEAD }
}

/// The same of a file in one pass.
pub(super) const ONE_PASS_OVERHEAD: f64 = 320.0;

/// Rows of blocks in a sample. A larger picture does not need more.
const SAMPLE_ROWS: u32 = 12;

/// One in so many rows of blocks is sampled: docs/model.md, Sizes.
const SAMPLED_ROW: std::ops::RangeInclusive<u32> = 4..=12;

/// Pixels below which the picture itself is encoded as fast as a sample.
const LEAST_PIXELS: u64 = 100_000;

/// Coefficients of [`features`] at 4:2:0, from 0.03 bits a pixel on: error 2.5 % in the median, 9.8 % in 95 of 100
/// cases.
const HALVED: [f64; 5] = [-0.18435, -0.03995, -0.00710, 0.01561, 0.04402];

/// The same at 4:4:4: 0.8 % and 3.7 %.
const FULL: [f64; 5] = [-0.17548, -0.05964, -0.01397, 0.00871, 0.01683];

/// The same at 4:2:0 without trellis: 1.8 % and 6.3 %.
const ROUNDED_HALVED: [f64; 5] = [-0.03333, 0.00523, 0.00319, 0.02155, 0.02115];

/// The same at 4:4:4 without trellis: 0.6 % and 2.8 %.
const ROUNDED_FULL: [f64; 5] = [0.02692, 0.03445, 0.01145, 0.01068, -0.00399];

/// What the bytes for each counted bit depend on: the scale of the tables, and ln(bits per pixel) at that scale.
pub fn features(count: &Count, pixels: f64, ln_step: f64) -> [f64; 5] {
    let busy = (count.bits.max(1.0) / pixels).ln();
    [1.0, ln_step, ln_step * ln_step, busy, busy * busy]
}

/// Share of a step below which a coefficient is lost: plain rounding.
const ROUNDING: f64 = 0.5;

/// The counts at the tables of `ln_step`.
pub fn count(spectrum: &Spectrum, ln_step: f64) -> Count {
    let [luma, chroma] = quantiser::TABLES.at(ln_step).map(|table| Steps::new(&table.map(f64::from), ROUNDING));
    spectrum.count(&luma, &chroma)
}

/// The sample of a picture.
pub struct Sample {
    chroma: Chroma,
    trellis: Trellis,
    pixels: f64,
    overhead: f64,
    /// One in so many rows of blocks is taken.
    every: u32,
    spectrum: Spectrum,
}

impl Sample {
    /// Samples `picture`: every row of blocks of a small one, one row in several of a large one.
    pub fn of(picture: &Picture, chroma: Chroma, trellis: Trellis) -> Sample {
        let pixels = picture.pixel_count();
        let rows = picture.height().div_ceil(chroma.block_pixels());
        let every = (rows / SAMPLE_ROWS).clamp(*SAMPLED_ROW.start(), *SAMPLED_ROW.end());
        let every = if pixels < LEAST_PIXELS || rows < 2 * every { 1 } else { every };
        let (overhead, spectrum) = (overhead(pixels), Spectrum::of(picture, chroma, every));
        Sample { chroma, trellis, pixels: pixels as f64, overhead, every, spectrum }
    }

    /// ln(bytes) at `ln_step`.
    pub fn ln_bytes(&self, ln_step: f64) -> f64 {
        let count = count(&self.spectrum, ln_step);
        let [with_trellis, rounded] = match self.chroma {
            Chroma::Halved => [&HALVED, &ROUNDED_HALVED],
            Chroma::Full => [&FULL, &ROUNDED_FULL],
        };
        let features = features(&count, self.pixels, ln_step);
        let strength = self.trellis.strength(ln_step);
        let correction = strength * dot(with_trellis, &features) + (1.0 - strength) * dot(rounded, &features);
        let ln_bits = count.bits.max(1.0).ln() + correction;
        (self.overhead + ln_bits.exp() / 8.0).ln()
    }

    /// The sampled rows of `picture`, one below the other. Returns `None` when all of the picture is sampled.
    pub fn strips(&self, picture: &Picture) -> Option<Picture> {
        rate::strips(picture, self.chroma, self.every)
    }

    /// The same rows at 4:2:0, from the planes of the picture.
    pub fn halved_strips(&self, planes: &HalvedPlanes) -> HalvedPlanes {
        rate::halved_strips(planes, self.every)
    }

    /// What the strips of `picture` are compared with. `halved` has its planes at 4:2:0, where those are what is
    /// encoded.
    pub fn control(&self, picture: &Picture, halved: Option<&HalvedPlanes>) -> Control {
        let every = rows_for(picture, CONTROL_PIXELS);
        match halved {
            Some(planes) => Control {
                whole: Spectrum::of_planes(planes, every),
                strips: Some(Spectrum::of_planes(planes, self.every)),
            },
            None => Control { whole: Spectrum::of(picture, self.chroma, every), strips: None },
        }
    }

    /// ln(bytes) of a picture at `ln_step` whose strips take `strip_bytes`, `overhead` of which are not its
    /// coefficients, in the ratio of the bits that `control` counts in the whole of it and in the strips.
    pub fn scaled_up(&self, control: &Control, ln_step: f64, strip_bytes: u64, overhead: f64) -> f64 {
        let strips = control.strips.as_ref().unwrap_or(&self.spectrum);
        let times = count(&control.whole, ln_step).bits / count(strips, ln_step).bits.max(1.0);
        let body = (strip_bytes as f64 - overhead).max(1.0) * self.spectrum.weight * times;
        (overhead + body).ln()
    }
}

/// The coefficients of a picture beside those of its strips.
pub struct Control {
    /// The whole of the picture, or enough rows of its blocks to stand for it.
    whole: Spectrum,
    /// Those of the strips, where they are of the encoder's samples: rounding to 8 bits takes bits too, at fine steps.
    strips: Option<Spectrum>,
}

/// At most about so many pixels of the picture are compared with the strips.
const CONTROL_PIXELS: u64 = 1_500_000;
