//! What is known of JPEG.

use super::encode::{JpegEncoder, MAX_SIDE};
use super::{container, decode, entropy, quality_scale};
use crate::codec::Format;
use crate::codec::lossy_coding::{CodingModel, LossyCoding};
use crate::codec::model::{ContainerModel, FormatModel, LeadModel, OutputModel, ScaleGainModel};
use crate::picture::Chroma;

pub(crate) static MODEL: FormatModel = FormatModel {
    media_type: "image/jpeg",
    extension: "jpg",
    keeps_alpha: false,
    is_usually_lossy: true,
    recognises: |bytes| bytes.starts_with(b"\xFF\xD8\xFF"),
    probe: decode::probe,
    decode: decode::decode,
    decoder_copies: 2,
    output: Some(OutputModel {
        codings: &[LossyCoding::JpegHalved, LossyCoding::JpegFull],
        lossless: None,
        from_jpeg: None,
        place_in_browser: 4,
        max_side: MAX_SIDE,
        // Progressive JPEG keeps every coefficient twice while trellis runs.
        encoder_bytes: |width, height| (u64::from(width) * u64::from(height)).saturating_mul(12),
        container: ContainerModel {
            is_sound: entropy::is_sound,
            strip: container::strip,
            embed: container::embed,
            embedded_bytes: container::embedded_bytes,
            set_density: container::set_density,
            pad: container::pad,
            has_even_sizes: false,
        },
        scale_gain: SCALE_GAIN,
        lead: LeadModel::Fitted {
            coefficients: [-11.510, 0.124, -0.346, 0.286, -1.388, 0.127, 0.304],
            of_grey: [-2.889, 0.030, -0.009, 0.255, -0.709, 0.118, 0.075],
            below_fit: -10.0,
        },
    }),
};

/// What a smaller picture gains; of JPEG XL too, which is made of JPEGs.
pub(in crate::codec) const SCALE_GAIN: ScaleGainModel = ScaleGainModel {
    coefficients: [
        [7.357, -0.071, 0.349, -3.526],
        [0.633, -0.010, -0.471, 0.187],
        [3.456, -0.040, -1.768, 0.259],
        [11.195, -0.100, 0.438, -1.827],
        [12.249, -0.135, 0.445, -0.595],
        [16.798, -0.192, -1.133, -0.731],
    ],
    uses_bits: true,
    beyond_fit: 0.7,
    margin: 2.5,
    decent_quality: 52.0,
    detailed_bits_per_pixel: 0.25,
    decent_quality_of_detail: 35.0,
    last_quality: Some(60.0),
    decent_quality_of_smooth: 87.0,
    with_alpha: None,
    smaller: None,
};

/// Nanoseconds that an encode takes for each pixel.
const NANOSECONDS_PER_PIXEL: [u64; 3] = [15, 100, 110];

pub(crate) static HALVED: CodingModel = CodingModel {
    format: Format::Jpeg,
    scale: || quality_scale::HALVED,
    nanoseconds_per_pixel: NANOSECONDS_PER_PIXEL,
    // Up to here 4:2:0 looks better at equal bytes: docs/model.md, Chroma.
    best_quality: 91.2,
    least_probed_quality: Some(10.0),
    search_window: None,
    encoder: |picture, effort| Ok(Box::new(JpegEncoder::new(picture, Chroma::Halved, effort)?)),
};

pub(crate) static FULL: CodingModel = CodingModel {
    format: Format::Jpeg,
    scale: || quality_scale::FULL,
    nanoseconds_per_pixel: NANOSECONDS_PER_PIXEL,
    best_quality: 100.0,
    least_probed_quality: Some(10.0),
    search_window: None,
    encoder: |picture, effort| Ok(Box::new(JpegEncoder::new(picture, Chroma::Full, effort)?)),
};
