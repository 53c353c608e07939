//! The lossy ways of writing a picture: each an encoder and its place on the quality scale.
//! A new lossy format is one coding here.

use std::time::Duration;

use super::avif::encode::{self as avif, AvifEncoder};
use super::jpeg::encode::JpegEncoder;
use super::png::encode::PaletteEncoder;
use super::quality::{self, QualityScale};
use super::webp::encode::WebpEncoder;
use super::{Effort, EncodeError, Encoder, Format};
use crate::picture::{Chroma, Picture};

/// A lossy way of writing a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossyCoding {
    /// JPEG at 4:2:0.
    JpegHalved,
    /// JPEG at 4:4:4: where 4:2:0 has nothing more to give.
    JpegFull,
    Webp,
    /// AVIF at 4:2:0.
    AvifHalved,
    /// AVIF at 4:4:4: from where on it looks better at equal bytes.
    AvifFull,
    /// PNG with a palette.
    PngPalette,
}

impl LossyCoding {
    /// Every coding, for tables and tests.
    pub const ALL: [LossyCoding; 6] = [
        LossyCoding::JpegHalved,
        LossyCoding::JpegFull,
        LossyCoding::Webp,
        LossyCoding::AvifHalved,
        LossyCoding::AvifFull,
        LossyCoding::PngPalette,
    ];

    /// The codings of `format`, coarsest first; none for a format that is not written.
    pub fn of(format: Format) -> &'static [LossyCoding] {
        match format {
            Format::Jpeg => &[LossyCoding::JpegHalved, LossyCoding::JpegFull],
            Format::Webp => &[LossyCoding::Webp],
            Format::Avif => avif::CODINGS,
            Format::Png => &[LossyCoding::PngPalette],
            Format::Gif | Format::Bmp | Format::Tiff => &[],
        }
    }

    /// The format that this is a way of writing.
    pub fn format(self) -> Format {
        match self {
            LossyCoding::JpegHalved | LossyCoding::JpegFull => Format::Jpeg,
            LossyCoding::Webp => Format::Webp,
            LossyCoding::AvifHalved | LossyCoding::AvifFull => Format::Avif,
            LossyCoding::PngPalette => Format::Png,
        }
    }

    /// Where the coding stands on the quality scale.
    pub fn scale(self) -> QualityScale {
        match self {
            LossyCoding::JpegHalved => quality::JPEG_HALVED,
            LossyCoding::JpegFull => quality::JPEG_FULL,
            LossyCoding::Webp => quality::WEBP,
            LossyCoding::AvifHalved => avif::scale(Chroma::Halved),
            LossyCoding::AvifFull => avif::scale(Chroma::Full),
            LossyCoding::PngPalette => quality::PNG,
        }
    }

    /// Time of an encode for each pixel, about: what a deadline is planned by (benches/codec.rs at quality 70, with room to spare).
    pub fn cost(self, effort: Effort) -> Duration {
        let [fast, balanced, best] = match self {
            LossyCoding::JpegHalved | LossyCoding::JpegFull => [15, 100, 110],
            LossyCoding::Webp => [50, 130, 300],
            LossyCoding::AvifHalved | LossyCoding::AvifFull => avif::COST,
            LossyCoding::PngPalette => [200, 200, 300],
        };
        Duration::from_nanos(match effort {
            Effort::Fast => fast,
            Effort::Balanced => balanced,
            Effort::Best => best,
        })
    }

    /// The best quality that this coding is used for.
    pub fn best_quality(self) -> f64 {
        match self {
            // Up to here 4:2:0 looks better at equal bytes (tools/calibrate/quality_scale.rs: 87.7 against 87.3 at 2.6 bits
            // per pixel, 88.9 for both at 3.1).
            LossyCoding::JpegHalved => 89.0,
            // As above: 84.3 against 84.0 at 1.6 bits per pixel, 87.6 against 88.0 at 2.2.
            LossyCoding::AvifHalved => 85.0,
            _ => 100.0,
        }
    }

    /// Where searches within a cap are steered, other than they all are, with a picture of as many pixels.
    pub fn search_window(self, pixels: u64) -> Option<SearchWindow> {
        match self {
            // First encodes are off by about a percent, a little more of them above what was foretold than below. Of large
            // pictures, as cameras make them, sizes are foretold half as well, and a second encode takes a second.
            LossyCoding::Webp => {
                Some(SearchWindow { good_enough: if pixels > LARGE { 0.955 } else { 0.97 }, position: 0.5 })
            }
            _ => None,
        }
    }

    /// The encoder, holding `picture`, which has no alpha channel where the format keeps none.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn encoder<'a>(self, picture: &'a Picture, effort: Effort) -> Result<Box<dyn Encoder + 'a>, EncodeError> {
        Ok(match self {
            LossyCoding::JpegHalved => Box::new(JpegEncoder::new(picture, Chroma::Halved, effort)?),
            LossyCoding::JpegFull => Box::new(JpegEncoder::new(picture, Chroma::Full, effort)?),
            LossyCoding::Webp => Box::new(WebpEncoder::new(picture, effort)?),
            LossyCoding::AvifHalved => Box::new(AvifEncoder::new(picture, Chroma::Halved, effort)?),
            LossyCoding::AvifFull => Box::new(AvifEncoder::new(picture, Chroma::Full, effort)?),
            LossyCoding::PngPalette => Box::new(PaletteEncoder::new(picture, effort)?),
        })
    }
}

/// Where a search within a cap is steered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchWindow {
    /// Share of the cap that it is content with.
    pub good_enough: f64,
    /// How far up from there to the cap it steers, 0 to 1.
    pub position: f64,
}

/// Pixels from which on a picture is large.
const LARGE: u64 = 6_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    /// Soft shapes under a little noise.
    fn photo(width: u32, height: u32) -> Picture {
        let mut seed = 1u32;
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let soft =
                    (x as f32 / 17.0).sin() * (y as f32 / 23.0).cos() * 70.0 + ((x + y) as f32 / 41.0).sin() * 30.0;
                let level = 128.0 + soft + (seed >> 28) as f32;
                pixels.extend([level as u8, (level * 0.8) as u8, (220.0 - level * 0.7) as u8]);
            }
        }
        Picture::new(width, height, Layout::Rgb, pixels)
    }

    fn points(encoder: &dyn Encoder, count: usize) -> Vec<f64> {
        let range = encoder.ln_step_range();
        let width = range.end() - range.start();
        (0..count)
            .map(|point| encoder.snap(range.start() + width * (0.2 + 0.6 * point as f64 / count as f64)))
            .collect()
    }

    #[test]
    fn estimates_fall_with_the_step_and_are_of_the_right_order() {
        let picture = photo(320, 240);
        for coding in LossyCoding::ALL {
            let encoder = coding.encoder(&picture, Effort::Balanced).unwrap();
            let mut last = f64::INFINITY;
            for ln_step in points(&*encoder, 8) {
                let estimate = encoder.predict(ln_step);
                assert!(estimate <= last, "{coding:?} rises to {estimate} at {ln_step}");
                last = estimate;
                let bytes = encoder.encode(ln_step).unwrap().len() as f64;
                let factor = if coding == LossyCoding::PngPalette { 16.0 } else { 2.5 };
                assert!((estimate - bytes.ln()).abs() < f64::ln(factor), "{coding:?} at {ln_step}: {bytes}");
            }
        }
    }

    #[test]
    fn probes_come_near_to_the_file() {
        let picture = photo(640, 480);
        for coding in [LossyCoding::JpegHalved, LossyCoding::JpegFull, LossyCoding::Webp] {
            let encoder = coding.encoder(&picture, Effort::Balanced).unwrap();
            for ln_step in points(&*encoder, 4) {
                let probed = encoder.probe(ln_step).unwrap().expect("a cheaper position");
                let bytes = encoder.encode(ln_step).unwrap().len() as f64;
                assert!((probed - bytes.ln()).abs() < 0.15, "{coding:?} at {ln_step}: {} for {bytes}", probed.exp());
            }
        }
    }
}
