//! The lossy ways of writing a picture: each an encoder and its place on the quality scale.
//! A new lossy format is one variant here.

use super::avif::encode::AvifEncoder;
use super::jpeg::encode::{Chroma, JpegEncoder};
use super::png::encode::PaletteEncoder;
use super::quality::{self, Scale};
use super::webp::encode::WebpEncoder;
use super::{Effort, EncodeError, Encoder, Format};
use crate::picture::Picture;

/// A lossy way of writing a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// JPEG at 4:2:0.
    JpegHalved,
    /// JPEG at 4:4:4: where 4:2:0 has nothing more to give.
    JpegFull,
    Webp,
    Avif,
    /// PNG with a palette.
    PngPalette,
}

impl Variant {
    /// Every variant, for tables and tests.
    pub const ALL: [Variant; 5] =
        [Variant::JpegHalved, Variant::JpegFull, Variant::Webp, Variant::Avif, Variant::PngPalette];

    /// The variants of `format`, coarsest first; none for a format that is not written.
    pub fn of(format: Format) -> &'static [Variant] {
        match format {
            Format::Jpeg => &[Variant::JpegHalved, Variant::JpegFull],
            Format::Webp => &[Variant::Webp],
            Format::Avif => &[Variant::Avif],
            Format::Png => &[Variant::PngPalette],
            Format::Gif | Format::Bmp | Format::Tiff => &[],
        }
    }

    /// The format that this is a way of writing.
    pub fn format(self) -> Format {
        match self {
            Variant::JpegHalved | Variant::JpegFull => Format::Jpeg,
            Variant::Webp => Format::Webp,
            Variant::Avif => Format::Avif,
            Variant::PngPalette => Format::Png,
        }
    }

    /// Where the variant stands on the quality scale.
    pub fn scale(self) -> Scale {
        match self {
            Variant::JpegHalved => quality::JPEG_HALVED,
            Variant::JpegFull => quality::JPEG_FULL,
            Variant::Webp => quality::WEBP,
            Variant::Avif => quality::AVIF,
            Variant::PngPalette => quality::PNG,
        }
    }

    /// The best quality that this variant is used for.
    pub fn best_quality(self) -> f64 {
        match self {
            // Up to here 4:2:0 looks better at equal bytes (examples/quality_scale.rs: 88.7 against 88.5 at 3.1
            // bits per pixel, 90.0 for both at 3.8).
            Variant::JpegHalved => 90.0,
            _ => 100.0,
        }
    }

    /// The encoder, holding `picture`, which has no alpha channel where the format keeps none.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`], or [`EncodeError::Failed`] when memory runs out.
    pub fn encoder<'a>(self, picture: &'a Picture, effort: Effort) -> Result<Box<dyn Encoder + 'a>, EncodeError> {
        Ok(match self {
            Variant::JpegHalved => Box::new(JpegEncoder::new(picture, Chroma::Halved, effort)?),
            Variant::JpegFull => Box::new(JpegEncoder::new(picture, Chroma::Full, effort)?),
            Variant::Webp => Box::new(WebpEncoder::new(picture, effort)?),
            Variant::Avif => Box::new(AvifEncoder::new(picture, effort)?),
            Variant::PngPalette => Box::new(PaletteEncoder::new(picture, effort)?),
        })
    }
}
