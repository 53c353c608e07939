//! AVIF by ravif (rav1e).

use std::cell::OnceCell;
use std::ops::RangeInclusive;

use ravif::{BitDepth, Encoder as Ravif, Img};
use rgb::FromSlice;

use super::{estimate, quantiser};
use crate::codec::rate::Sample;
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::{Layout, Picture};

/// Largest side (AV1: 16 bits).
pub const MAX_SIDE: u32 = 65_535;

/// Quality of the alpha plane on ravif's scale: masks show their edges before anything else does.
const ALPHA_QUALITY: f32 = 90.0;

/// A picture ready to be written as AVIF at any quantiser step.
pub struct AvifEncoder<'a> {
    picture: &'a Picture,
    effort: Effort,
    sample: OnceCell<Sample>,
}

impl<'a> AvifEncoder<'a> {
    /// Prepares `picture`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] over [`MAX_SIDE`].
    pub fn new(picture: &'a Picture, effort: Effort) -> Result<AvifEncoder<'a>, EncodeError> {
        Format::Avif.check_size(picture, MAX_SIDE)?;
        Ok(AvifEncoder { picture, effort, sample: OnceCell::new() })
    }
}

impl Encoder for AvifEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        quantiser::LN_STEP_RANGE
    }

    fn snap(&self, ln_step: f64) -> f64 {
        quantiser::ln_step(quantiser::index(ln_step))
    }

    fn estimate(&self, ln_step: f64) -> f64 {
        self.sample.get_or_init(|| Sample::of(self.picture, &estimate::COUNTED)).ln_bytes(ln_step)
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let ravif = Ravif::new()
            .with_quality(ravif_quality(quantiser::index(ln_step)))
            .with_alpha_quality(ALPHA_QUALITY)
            .with_bit_depth(BitDepth::Eight)
            .with_speed(speed(self.effort))
            // Our pool is the parallelism.
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
