//! JPEG XL by jixel, made of a JPEG without loss.

use std::ops::RangeInclusive;

use jixel::{JpegTranscodeConfig, Speed, encode_jpeg_lossless_with_config};

use super::{container, size_model};
use crate::codec::jpeg::encode::JpegEncoder;
use crate::codec::jpeg::trellis::Trellis;
use crate::codec::{Effort, EncodeError, Encoder, Format, MetadataPolicy, jpeg};
use crate::picture::{Chroma, Picture};

/// Largest side: that of the JPEG.
pub(super) const MAX_SIDE: u32 = jpeg::encode::MAX_SIDE;

/// A picture ready to be written as JPEG XL at any quantiser step of a JPEG.
pub(super) struct JxlEncoder<'a> {
    jpeg: JpegEncoder<'a>,
    chroma: Chroma,
    pixels: f64,
    effort: Effort,
}

impl<'a> JxlEncoder<'a> {
    /// Prepares `picture`, which has no alpha channel.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub(super) fn new(picture: &'a Picture, chroma: Chroma, effort: Effort) -> Result<JxlEncoder<'a>, EncodeError> {
        Format::Jxl.check_size(picture)?;
        // Of all that a JPEG XL takes trellis is the slowest, and gains something at coarse steps only: docs/model.md,
        // JPEG XL.
        let mut jpeg = JpegEncoder::new(picture, chroma, effort)?;
        if effort == Effort::Balanced {
            jpeg = jpeg.with_trellis(Trellis::AtCoarseSteps);
        }
        // The order of the coefficients in the JPEG makes no difference, and one pass takes the least time.
        jpeg.use_one_pass();
        Ok(JxlEncoder { jpeg, chroma, pixels: picture.pixel_count() as f64, effort })
    }

    /// ln(bytes) of the file whose JPEG has this size at this step.
    fn ln_bytes(&self, ln_jpeg_bytes: f64, ln_step: f64) -> f64 {
        size_model::ln_bytes(self.chroma, ln_jpeg_bytes, self.pixels, ln_step)
    }
}

impl Encoder for JxlEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        self.jpeg.ln_step_range()
    }

    fn snap(&self, ln_step: f64) -> f64 {
        self.jpeg.snap(ln_step)
    }

    fn predict(&self, ln_step: f64) -> f64 {
        self.ln_bytes(self.jpeg.predict(ln_step), ln_step)
    }

    fn probe(&self, ln_step: f64) -> Result<Option<f64>, EncodeError> {
        let probed = self.jpeg.probe(ln_step)?;
        Ok(probed.map(|ln_bytes| self.ln_bytes(ln_bytes, ln_step)))
    }

    fn max_probe_error(&self) -> Option<f64> {
        // The share of the JPEG that is left errs by 1 to 4 %. A line from there to an encode says nothing of the sizes
        // between.
        Some(0.01)
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let jpeg = self.jpeg.encode(ln_step)?;
        // Slower speeds make files as large: docs/model.md, JPEG XL.
        let speed = if self.effort == Effort::Best { Speed::Fastest } else { Speed::UltraFast };
        let codestream = transcoded(&jpeg, speed, false).map_err(failed)?;
        container::wrapped(&codestream).ok_or_else(|| failed("it takes more than 4 GB".to_owned()))
    }
}

fn failed(reason: String) -> EncodeError {
    EncodeError::Failed { format: Format::Jxl, reason }
}

/// A sound JPEG written anew. With all of its metadata goes what restores it to the byte. The codestream keeps the
/// orientation.
pub(super) fn of_jpeg(jpeg: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    if policy == MetadataPolicy::Keep {
        return container::with_room(transcoded(jpeg, Speed::Fastest, true).ok()?);
    }
    let stripped = jpeg::container::strip(jpeg, policy)?;
    container::with_room(container::strip(&transcoded(&stripped, Speed::Fastest, false).ok()?, policy)?)
}

/// A JPEG as a bare codestream, or in boxes when it has metadata or is to be restored.
fn transcoded(jpeg: &[u8], speed: Speed, jpeg_reconstruction: bool) -> Result<Vec<u8>, String> {
    let config = JpegTranscodeConfig { jpeg_reconstruction, num_threads: 1, brotli_compression: None, speed };
    encode_jpeg_lossless_with_config(jpeg, &config).map_err(|error| error.to_string())
}
