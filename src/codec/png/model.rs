//! What is known of PNG.

use super::chunks::SIGNATURE;
use super::encode::{MAX_SIDE, PaletteEncoder, encode_lossless};
use super::{container, decode, quality_scale};
use crate::codec::Format;
use crate::codec::container::all_bytes;
use crate::codec::lossy_coding::{CodingModel, LossyCoding};
use crate::codec::model::{
    ContainerModel, FormatModel, LeadModel, LosslessModel, OutputModel, ScaleGainModel, SmallerModel,
};

pub(crate) static MODEL: FormatModel = FormatModel {
    media_type: "image/png",
    extension: "png",
    keeps_alpha: true,
    is_usually_lossy: false,
    recognises: |bytes| bytes.starts_with(SIGNATURE),
    probe: decode::probe,
    decode: decode::decode,
    decoder_copies: 3,
    output: Some(OutputModel {
        codings: &[LossyCoding::PngPalette],
        lossless: Some(LosslessModel {
            encode: encode_lossless,
            is_used_in: |_| true,
            // A photograph of 12 megapixels.
            nanoseconds_per_pixel: [40, 270, 860],
            bytes_per_pixel: BYTES_PER_PIXEL,
        }),
        from_jpeg: None,
        place_in_browser: 3,
        max_side: MAX_SIDE,
        encoder_bytes: |width, height| (u64::from(width) * u64::from(height)).saturating_mul(BYTES_PER_PIXEL),
        container: ContainerModel {
            is_sound: container::is_sound,
            strip: container::strip,
            embed: container::embed,
            embedded_bytes: all_bytes,
            set_density: container::set_density,
            pad: container::pad,
            has_even_sizes: false,
        },
        scale_gain: ScaleGainModel {
            coefficients: [
                [29.848, -0.423, 0.000, 3.139],
                [13.078, -0.195, 0.000, 0.720],
                [14.665, -0.394, 0.000, 5.331],
                [15.632, -0.278, 0.000, 1.210],
                [23.273, -0.362, 0.000, -0.018],
                [17.763, -0.253, 0.000, -1.236],
            ],
            uses_bits: false,
            beyond_fit: 0.0,
            margin: 1.0,
            decent_quality: 60.0,
            detailed_bits_per_pixel: f64::INFINITY,
            decent_quality_of_detail: 60.0,
            last_quality: None,
            decent_quality_of_smooth: 87.0,
            with_alpha: None,
            // Seven Kodak pictures, and drawn photographs that fade out: docs/model.md, Scale gain.
            smaller: Some([SmallerModel { below: 67.0, worth: 13.0 }, SmallerModel { below: 80.0, worth: 2.0 }]),
        },
        lead: LeadModel::NotCompared,
    }),
};

/// Bytes that the encoder takes for each pixel.
const BYTES_PER_PIXEL: u64 = 12;

pub(crate) static PALETTE: CodingModel = CodingModel {
    format: Format::Png,
    scale: || quality_scale::SCALE,
    nanoseconds_per_pixel: [200, 200, 300],
    best_quality: 100.0,
    least_probed_quality: Some(f64::NEG_INFINITY),
    search_window: None,
    encoder: |picture, effort| Ok(Box::new(PaletteEncoder::new(picture, effort)?)),
};
