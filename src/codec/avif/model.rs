//! What is known of AVIF.

use super::encode::{self, AvifEncoder};
use super::{MAX_SIDE, container, decode};
use crate::codec::Format;
use crate::codec::container::all_bytes;
use crate::codec::lossy_coding::{CodingModel, SearchWindow};
use crate::codec::model::{ContainerModel, FormatModel, LeadModel, OutputModel, ScaleGainModel};
use crate::codec::sniff::brands;
use crate::picture::Chroma;

pub(crate) static MODEL: FormatModel = FormatModel {
    media_type: "image/avif",
    extension: "avif",
    keeps_alpha: true,
    is_usually_lossy: true,
    recognises: |bytes| brands(bytes).any(|brand| matches!(brand, b"avif" | b"avis")),
    probe: decode::probe,
    decode: decode::decode,
    decoder_copies: 1,
    output: Some(OutputModel {
        codings: encode::CODINGS,
        lossless: None,
        from_jpeg: None,
        place_in_browser: 1,
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
        scale_gain: ScaleGainModel {
            coefficients: [
                [-0.804, -0.027, -1.617, -0.069],
                [1.730, -0.028, -0.048, 0.081],
                [3.358, -0.063, -0.518, -0.077],
                [6.377, -0.082, -0.402, -1.123],
                [7.337, -0.101, 0.154, -0.653],
                [6.012, -0.105, -0.219, -0.395],
            ],
            uses_bits: true,
            beyond_fit: 0.0,
            margin: 1.0,
            decent_quality: 55.0,
            detailed_bits_per_pixel: 0.35,
            decent_quality_of_detail: 20.0,
            last_quality: None,
            decent_quality_of_smooth: 70.0,
            with_alpha: None,
            smaller: None,
        },
        lead: LeadModel::Reference,
    }),
};

/// Whole blocks of 64x64 pixels, however thin the picture. libaom took 27 bytes a pixel for 12 megapixels.
fn encoder_bytes(width: u32, height: u32) -> u64 {
    let blocks = |side: u32| u64::from(side).next_multiple_of(64);
    blocks(width).saturating_mul(blocks(height)).saturating_mul(40)
}

/// More than half of the first files are not within 3 % of the cap, so that a second is written anyway: docs/model.md,
/// The search for a size.
const SEARCH_WINDOW: Option<fn(u64) -> SearchWindow> = Some(|_| SearchWindow { good_enough: 0.98, position: 0.6 });

pub(crate) static HALVED: CodingModel = CodingModel {
    format: Format::Avif,
    scale: || encode::scale(Chroma::Halved),
    nanoseconds_per_pixel: encode::NANOSECONDS_PER_PIXEL,
    // Up to here 4:2:0 looks better at equal bytes: docs/model.md, Chroma.
    best_quality: 89.0,
    least_probed_quality: None,
    search_window: SEARCH_WINDOW,
    encoder: |picture, effort| Ok(Box::new(AvifEncoder::new(picture, Chroma::Halved, effort)?)),
};

pub(crate) static FULL: CodingModel = CodingModel {
    format: Format::Avif,
    scale: || encode::scale(Chroma::Full),
    nanoseconds_per_pixel: encode::NANOSECONDS_PER_PIXEL,
    best_quality: 100.0,
    least_probed_quality: None,
    search_window: SEARCH_WINDOW,
    encoder: |picture, effort| Ok(Box::new(AvifEncoder::new(picture, Chroma::Full, effort)?)),
};
