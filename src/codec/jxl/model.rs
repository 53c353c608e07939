//! What is known of JPEG XL.

use super::encode::{JxlEncoder, MAX_SIDE};
use super::{container, decode, encode, header, quality_scale};
use crate::codec::Format;
use crate::codec::container::all_bytes;
use crate::codec::jpeg::model as jpeg;
use crate::codec::lossy_coding::{CodingModel, LossyCoding, SearchWindow};
use crate::codec::model::{ContainerModel, FormatModel, LeadModel, OutputModel, ScaleGainModel};
use crate::picture::Chroma;

pub(crate) static MODEL: FormatModel = FormatModel {
    media_type: "image/jxl",
    extension: "jxl",
    keeps_alpha: false,
    is_usually_lossy: true,
    recognises: |bytes| bytes.starts_with(header::SIGNATURE) || bytes.starts_with(container::CONTAINER_SIGNATURE),
    probe: decode::probe,
    decode: decode::decode,
    decoder_copies: 2,
    output: Some(OutputModel {
        codings: &[LossyCoding::JxlHalved, LossyCoding::JxlFull],
        lossless: None,
        from_jpeg: Some(encode::of_jpeg),
        place_in_browser: 0,
        max_side: MAX_SIDE,
        encoder_bytes,
        container: ContainerModel {
            is_sound: container::is_sound,
            strip: container::strip,
            embed: container::embed,
            embedded_bytes: all_bytes,
            set_density: container::set_density,
            pad: container::pad,
            has_even_sizes: false,
        },
        // The same step looks 5 points better than in JPEG (quality scale).
        scale_gain: ScaleGainModel { decent_quality: 57.0, ..jpeg::SCALE_GAIN },
        lead: LeadModel::OverJpeg([5.6, -0.04]),
    }),
};

/// The JPEG encoder, and what jixel holds: 20 bytes a pixel at 3 bits a pixel, all of it.
fn encoder_bytes(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).saturating_mul(24)
}

/// Nanoseconds that an encode takes for each pixel.
const NANOSECONDS_PER_PIXEL: [u64; 3] = [110, 110, 290];

/// Sizes are 1 % off a smooth line, so that a second encode often leaves more than it was meant to.
const SEARCH_WINDOW: Option<fn(u64) -> SearchWindow> = Some(|_| SearchWindow { good_enough: 0.975, position: 0.6 });

pub(crate) static HALVED: CodingModel = CodingModel {
    format: Format::Jxl,
    search_window: SEARCH_WINDOW,
    scale: || quality_scale::HALVED,
    // Up to here 4:2:0 looks better at equal bytes.
    best_quality: 92.3,
    nanoseconds_per_pixel: NANOSECONDS_PER_PIXEL,
    encoder: |picture, effort| Ok(Box::new(JxlEncoder::new(picture, Chroma::Halved, effort)?)),
    ..jpeg::HALVED
};

pub(crate) static FULL: CodingModel = CodingModel {
    format: Format::Jxl,
    search_window: SEARCH_WINDOW,
    scale: || quality_scale::FULL,
    nanoseconds_per_pixel: NANOSECONDS_PER_PIXEL,
    encoder: |picture, effort| Ok(Box::new(JxlEncoder::new(picture, Chroma::Full, effort)?)),
    ..jpeg::FULL
};
