//! What a JPEG will take, before it is encoded: every n-th row of its blocks is counted, and once encoded.
//! The coefficients are printed by `cargo run --release -p bytefit-tools --bin rate_model`.

use super::{quantiser, scans};
use crate::codec::rate::{Count, Spectrum, Steps, dot, rows_for, strips};
use crate::picture::{Chroma, Picture};

/// Bytes of a file of `pixels` besides its coefficients: headers, and a Huffman table for each kind of symbol of each
/// scan. The strips predict best with these (tools/calibrate/rate_model.rs).
pub fn overhead(pixels: u64) -> f64 {
    if scans::is_progressive(pixels) { 430.0 } else { 320.0 }
}

/// Rows of blocks that a sample has: enough of them say what the whole takes, however large it is.
const SAMPLE_ROWS: u32 = 12;

/// Of how many rows of blocks one is sampled. Of 12 photographs of 2,048 pixels at 0.2 to 1.2 bits a pixel a sample of
/// every fourth, sixth and eighth says what they take to 0.4 % in the median, and to 1.6, 1.7 and 2.3 % in 95 of 100 cases;
/// of a picture of 768x512 every fourth to 0.4 and 1.4 %.
const SAMPLED_ROW: std::ops::RangeInclusive<u32> = 4..=12;

/// Pixels below which a sample is not worth its trouble: the picture itself is encoded as fast.
const LEAST_PIXELS: u64 = 100_000;

/// Coefficients of [`features`] at 4:2:0, from 0.03 bits a pixel on: error 2.5 % in the median, 10 % in 95 of 100 cases.
const HALVED: [f64; 5] = [-0.18273, -0.04143, -0.00683, 0.01629, 0.04425];

/// The same at 4:4:4: 0.7 % and 2.6 %.
const FULL: [f64; 5] = [-0.14630, -0.03639, -0.00906, 0.01561, 0.01391];

/// What decides how many bytes mozjpeg takes for each bit that is counted: the scale of the tables and how busy the
/// picture is there, in ln(bits per pixel).
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
    pixels: f64,
    overhead: f64,
    /// Of how many rows of blocks one is taken.
    every: u32,
    spectrum: Spectrum,
}

impl Sample {
    pub fn of(picture: &Picture, chroma: Chroma) -> Sample {
        let pixels = picture.pixel_count();
        let rows = picture.height().div_ceil(chroma.block_pixels());
        let every = (rows / SAMPLE_ROWS).clamp(*SAMPLED_ROW.start(), *SAMPLED_ROW.end());
        let every = if pixels < LEAST_PIXELS || rows < 2 * every { 1 } else { every };
        let (overhead, spectrum) = (overhead(pixels), Spectrum::of(picture, chroma, every));
        Sample { chroma, pixels: pixels as f64, overhead, every, spectrum }
    }

    /// ln(bytes) at `ln_step`.
    pub fn ln_bytes(&self, ln_step: f64) -> f64 {
        let count = count(&self.spectrum, ln_step);
        let coefficients = if self.chroma == Chroma::Halved { &HALVED } else { &FULL };
        let ln_bits = count.bits.max(1.0).ln() + dot(coefficients, &features(&count, self.pixels, ln_step));
        (self.overhead + ln_bits.exp() / 8.0).ln()
    }

    /// The rows of `picture` that are sampled, one below the other; none when the picture is too small to gain by it.
    pub fn strips(&self, picture: &Picture) -> Option<Picture> {
        strips(picture, self.chroma, self.every)
    }

    /// What a picture takes at `ln_step`, in ln(bytes), when its strips take `strip_bytes`: as many times more as
    /// counting finds bits in `control`.
    pub fn scaled_up(&self, control: &Spectrum, ln_step: f64, strip_bytes: u64) -> f64 {
        let times = count(control, ln_step).bits / count(&self.spectrum, ln_step).bits.max(1.0);
        let body = (strip_bytes as f64 - self.overhead).max(1.0) * self.spectrum.weight * times;
        (self.overhead + body).ln()
    }
}

/// Pixels of the picture that strips are held against at the most: more say no more.
const CONTROL_PIXELS: u64 = 1_500_000;

/// The whole of a picture, or enough rows of its blocks to stand for it.
pub fn control(picture: &Picture, chroma: Chroma) -> Spectrum {
    Spectrum::of(picture, chroma, rows_for(picture, CONTROL_PIXELS))
}
