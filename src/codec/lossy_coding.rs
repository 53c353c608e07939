//! The lossy ways of writing a picture. What is known of one stands in the `model.rs` of its format: a new coding is a
//! `CodingModel` there, and here a value and an arm of `LossyCoding::model`.

use std::time::Duration;

use super::avif::model as avif;
use super::jpeg::model as jpeg;
use super::jxl::model as jxl;
use super::png::model as png;
use super::quality::QualityScale;
use super::webp::model as webp;
use super::{Effort, EncodeError, Encoder, Format};
use crate::picture::Picture;

/// A lossy way of writing a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossyCoding {
    /// JPEG at 4:2:0.
    JpegHalved,
    /// JPEG at 4:4:4, for qualities that 4:2:0 does not reach.
    JpegFull,
    /// Lossy WebP (VP8), which is always 4:2:0.
    Webp,
    /// AVIF at 4:2:0.
    AvifHalved,
    /// AVIF at 4:4:4, for qualities at which it looks better at equal bytes.
    AvifFull,
    /// PNG with a palette.
    PngPalette,
    /// JPEG XL made of a JPEG at 4:2:0.
    JxlHalved,
    /// JPEG XL made of a JPEG at 4:4:4, for qualities that 4:2:0 does not reach.
    JxlFull,
}

impl LossyCoding {
    /// Every coding, for tables and tests.
    pub const ALL: [LossyCoding; 8] = [
        LossyCoding::JpegHalved,
        LossyCoding::JpegFull,
        LossyCoding::Webp,
        LossyCoding::AvifHalved,
        LossyCoding::AvifFull,
        LossyCoding::PngPalette,
        LossyCoding::JxlHalved,
        LossyCoding::JxlFull,
    ];

    /// The codings of `format`, coarsest first; none for a format that is not written.
    pub fn of(format: Format) -> &'static [LossyCoding] {
        format.output().map_or(&[], |output| output.codings)
    }

    /// What is known of the coding. The only `match` on codings.
    const fn model(self) -> &'static CodingModel {
        match self {
            LossyCoding::JpegHalved => &jpeg::HALVED,
            LossyCoding::JpegFull => &jpeg::FULL,
            LossyCoding::Webp => &webp::LOSSY,
            LossyCoding::AvifHalved => &avif::HALVED,
            LossyCoding::AvifFull => &avif::FULL,
            LossyCoding::PngPalette => &png::PALETTE,
            LossyCoding::JxlHalved => &jxl::HALVED,
            LossyCoding::JxlFull => &jxl::FULL,
        }
    }

    /// The format that this is a way of writing.
    pub fn format(self) -> Format {
        self.model().format
    }

    /// The coding on the quality scale.
    pub fn scale(self) -> QualityScale {
        (self.model().scale)()
    }

    /// About the time of an encode for each pixel; deadlines are planned by it.
    pub fn cost(self, effort: Effort) -> Duration {
        Duration::from_nanos(effort.pick(self.model().nanoseconds_per_pixel))
    }

    /// The best quality that this coding is used for.
    pub fn best_quality(self) -> f64 {
        self.model().best_quality
    }

    /// Whether a part of a file tells the size of the whole.
    pub fn has_probe(self) -> bool {
        self.model().least_probed_quality.is_some()
    }

    /// The least quality at which a probe says something of the size. `None` where there is no probe.
    pub fn least_probed_quality(self) -> Option<f64> {
        self.model().least_probed_quality
    }

    /// Overrides the default search window for a picture of `pixels`; `None` keeps it.
    pub fn search_window(self, pixels: u64) -> Option<SearchWindow> {
        self.model().search_window.map(|window| window(pixels))
    }

    /// The encoder, holding `picture`, which has no alpha channel if the format keeps none.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn encoder<'a>(self, picture: &'a Picture, effort: Effort) -> Result<Box<dyn Encoder + 'a>, EncodeError> {
        (self.model().encoder)(picture, effort)
    }
}

/// Everything that the other modules need to know of a coding.
pub(super) struct CodingModel {
    pub format: Format,
    /// The coding on the quality scale. A function, since libaom's depends on the version that is linked.
    pub scale: fn() -> QualityScale,
    /// Nanoseconds that an encode takes for each pixel at fast, balanced and best effort, rounded up (benches/codec.rs
    /// at quality 70).
    pub nanoseconds_per_pixel: [u64; 3],
    /// The best quality that the coding is used for.
    pub best_quality: f64,
    /// The least quality at which a probe says something of the size; `None` where there is none. Strips of text at the
    /// coarsest step of WebP were 2 % over a cap that quality 25 is within.
    pub least_probed_quality: Option<f64>,
    /// Overrides the default search window for a number of pixels; `None` keeps it.
    pub search_window: Option<fn(u64) -> SearchWindow>,
    /// Prepares a picture.
    pub encoder: MakeEncoder,
}

/// Makes an encoder that holds a picture.
pub type MakeEncoder = for<'a> fn(&'a Picture, Effort) -> Result<Box<dyn Encoder + 'a>, EncodeError>;

/// The sizes that a search within a cap is content with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchWindow {
    /// Share of the cap that is good enough.
    pub good_enough: f64,
    /// The share to aim at: 0 is `good_enough`, 1 the cap.
    pub position: f64,
}

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
