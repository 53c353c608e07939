//! What is known of WebP.

use super::encode::{MAX_SIDE, WebpEncoder, encode_lossless};
use super::header::Header;
use super::{container, decode, quality_scale};
use crate::codec::Format;
use crate::codec::bytes::slice;
use crate::codec::container::all_bytes;
use crate::codec::lossy_coding::{CodingModel, LossyCoding, SearchWindow};
use crate::codec::model::{
    AlphaScales, ContainerModel, FormatModel, LeadModel, LosslessModel, OutputModel, ScaleGainModel,
};

pub(crate) static MODEL: FormatModel = FormatModel {
    media_type: "image/webp",
    extension: "webp",
    keeps_alpha: true,
    is_usually_lossy: false,
    recognises: |bytes| bytes.starts_with(b"RIFF") && slice(bytes, 8, 4) == Some(b"WEBP"),
    probe: decode::probe,
    decode: decode::decode,
    decoder_copies: 4,
    output: Some(OutputModel {
        codings: &[LossyCoding::Webp],
        lossless: Some(LosslessModel {
            encode: encode_lossless,
            is_used_in: |file| Header::read(file).is_ok_and(|header| header.lossless),
            // A photograph of 12 megapixels.
            nanoseconds_per_pixel: [600; 3],
            // 30 on noise, 22 on a photograph.
            bytes_per_pixel: 36,
        }),
        from_jpeg: None,
        place_in_browser: 2,
        max_side: MAX_SIDE,
        encoder_bytes: |width, height| (u64::from(width) * u64::from(height)).saturating_mul(12),
        container: ContainerModel {
            is_sound: container::is_sound,
            strip: container::strip,
            embed: container::embed,
            embedded_bytes: all_bytes,
            set_density: container::set_density,
            pad: container::pad,
            // RIFF pads every chunk to an even size (RFC 9649 s2.3).
            has_even_sizes: true,
        },
        scale_gain: ScaleGainModel {
            coefficients: [
                [5.354, -0.067, -1.005, -0.500],
                [5.421, -0.066, 0.012, -0.604],
                [12.362, -0.181, -0.338, 0.114],
                [26.793, -0.268, 0.560, -2.647],
                [31.251, -0.352, 1.150, -1.836],
                [56.716, -0.640, 0.755, -2.622],
            ],
            uses_bits: true,
            beyond_fit: 0.7,
            margin: 1.5,
            decent_quality: 65.0,
            detailed_bits_per_pixel: 0.7,
            decent_quality_of_detail: 35.0,
            last_quality: Some(65.0),
            decent_quality_of_smooth: 87.0,
            with_alpha: Some(AlphaScales { decent_quality: 56.0, first: 3 }),
            smaller: None,
        },
        lead: LeadModel::Fitted {
            coefficients: [-5.864, 0.044, 0.025, -0.002, -0.743, 0.258, 0.007],
            of_grey: [-4.788, 0.026, -0.031, -0.005, -0.373, 0.148, 0.042],
            below_fit: 1.0,
        },
    }),
};

pub(crate) static LOSSY: CodingModel = CodingModel {
    format: Format::Webp,
    scale: || quality_scale::SCALE,
    nanoseconds_per_pixel: [50, 130, 300],
    best_quality: 100.0,
    least_probed_quality: Some(10.0),
    // Sizes of large pictures are predicted half as well as others, and a second encode of one takes a second.
    // docs/model.md, The search for a size.
    search_window: Some(|pixels| SearchWindow {
        good_enough: if pixels > LARGE { 0.955 } else { 0.97 },
        position: 0.6,
    }),
    encoder: |picture, effort| Ok(Box::new(WebpEncoder::new(picture, effort)?)),
};

/// Pixels above which a picture is large.
const LARGE: u64 = 6_000_000;
