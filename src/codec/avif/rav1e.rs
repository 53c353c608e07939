//! AVIF by ravif (rav1e), at 4:4:4: for builds without cmake.

use std::cell::OnceCell;
use std::ops::RangeInclusive;

use ravif::{BitDepth, Encoder as Ravif, Img};
use rgb::FromSlice;

use super::quantiser;
use crate::codec::lossy_coding::LossyCoding;
use crate::codec::quality::{QualityScale, point};
use crate::codec::rate::{FineStepBend, SizeModel, SizePredictor};
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::{Chroma, Layout, Picture};

/// The codings that are used.
pub const CODINGS: &[LossyCoding] = &[LossyCoding::AvifFull];

/// Nanoseconds that an encode takes for each pixel, at each effort.
pub const NANOSECONDS_PER_PIXEL: [u64; 3] = [260, 260, 1500];

/// The encoder on the quality scale.
pub fn scale(_: Chroma) -> QualityScale {
    SCALE
}

const SCALE: QualityScale = QualityScale::new(&[
    point(-30.3, 5.374, -2.677),
    point(-15.6, 4.988, -2.413),
    point(7.1, 4.606, -1.969),
    point(27.9, 4.230, -1.541),
    point(45.9, 3.842, -1.085),
    point(59.3, 3.462, -0.672),
    point(70.2, 3.074, -0.252),
    point(78.2, 2.691, 0.111),
    point(83.3, 2.303, 0.439),
    point(87.0, 1.928, 0.744),
    point(90.0, 1.531, 1.054),
    point(91.8, 1.139, 1.324),
    point(93.0, 0.754, 1.587),
    point(93.5, 0.405, 1.809),
    point(93.7, 0.000, 1.963),
]);

/// How sizes follow from counts: docs/model.md, Sizes.
const COUNTED: SizeModel = SizeModel {
    finer: -0.5,
    steepness: 0.0,
    dead_zone: 0.5,
    coefficients: [0.94139, -0.64712, 0.00691, 1.42705, -0.04360, 0.00902, -7.95699, 2.14693, 0.95357, -0.27379],
    bend: FineStepBend::NONE,
};

/// Bytes that a file has beside what [`COUNTED`] predicts: it was fitted to whole files.
pub const BEGINNING: f64 = 0.0;

/// The coarsest quantiser index used: ravif's quality scale ends there.
const MAX_INDEX: u8 = 252;

/// Quality of the alpha plane on ravif's scale. Errors at the edges of masks are seen first.
const ALPHA_QUALITY: f32 = 90.0;

/// A picture ready to be written as AVIF at any quantiser step.
pub struct AvifEncoder<'a> {
    picture: &'a Picture,
    effort: Effort,
    sample: OnceCell<SizePredictor>,
}

impl<'a> AvifEncoder<'a> {
    /// Prepares `picture`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn new(picture: &'a Picture, _: Chroma, effort: Effort) -> Result<AvifEncoder<'a>, EncodeError> {
        Format::Avif.check_size(picture)?;
        Ok(AvifEncoder { picture, effort, sample: OnceCell::new() })
    }
}

impl Encoder for AvifEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        quantiser::ln_step(1)..=quantiser::ln_step(MAX_INDEX)
    }

    fn snap(&self, ln_step: f64) -> f64 {
        quantiser::ln_step(index(ln_step))
    }

    fn predict(&self, ln_step: f64) -> f64 {
        self.sample.get_or_init(|| SizePredictor::of(self.picture, &COUNTED)).ln_bytes(ln_step)
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let ravif = Ravif::new()
            .with_quality(ravif_quality(index(ln_step)))
            .with_alpha_quality(ALPHA_QUALITY)
            .with_bit_depth(BitDepth::Eight)
            .with_speed(speed(self.effort))
            // Jobs run in parallel, not their encoders.
            .with_num_threads(Some(1));
        let (width, height) = (self.picture.width() as usize, self.picture.height() as usize);
        let pixels = self.picture.pixels();
        let encoded = match self.picture.layout() {
            Layout::Rgb => ravif.encode_rgb(Img::new(pixels.as_rgb(), width, height)),
            Layout::Rgba => ravif.encode_rgba(Img::new(pixels.as_rgba(), width, height)),
        };
        encoded
            .map(|image| image.avif_file)
            .map_err(|error| EncodeError::Failed { format: Format::Avif, reason: error.to_string() })
    }
}

fn index(ln_step: f64) -> u8 {
    quantiser::index(ln_step).min(MAX_INDEX)
}

/// ravif's speed by effort: 10 costs about 260 ms a megapixel, 8 from 500 to 2,100 ms for 11 % fewer bytes.
fn speed(effort: Effort) -> u8 {
    match effort {
        Effort::Fast | Effort::Balanced => 10,
        Effort::Best => 8,
    }
}

/// The quality (1 to 100) that ravif turns into rav1e's quantiser `index`: the inverse of its
/// `quality_to_quantizer`, a line in three pieces.
fn ravif_quality(index: u8) -> f32 {
    let x = f32::from(index) / 255.0;
    let quality = if x < 0.47 {
        1.0 - x / 2.6
    } else if x < 0.75 {
        (0.875 - x) * 2.0
    } else {
        1.0 - x
    };
    (quality * 100.0).clamp(1.0, 100.0)
}
