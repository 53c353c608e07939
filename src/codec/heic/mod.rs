//! HEIC: the pictures of HEIF (ISO/IEC 23008-12) that are coded by HEVC (ITU-T H.265), as phones write them. Only read.
//!
//! Their container is AVIF's, and is read by the same code.

#[cfg(feature = "heic")]
mod decode;
#[cfg(feature = "heic")]
mod hevc;
#[cfg(feature = "heic")]
mod overlay;

#[cfg(not(feature = "heic"))]
use left_out as decode;

use super::model::FormatModel;
use super::sniff::brands;

/// The brands of files with HEVC pictures, and of HEIF files that don't say how they are coded.
const BRANDS: [&[u8]; 6] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"];

pub(super) static MODEL: FormatModel = FormatModel {
    media_type: "image/heic",
    extension: "heic",
    keeps_alpha: true,
    is_usually_lossy: true,
    // An AVIF has these brands too, and AVIF is asked first.
    recognises: |bytes| cfg!(feature = "heic") && brands(bytes).any(|brand| BRANDS.contains(&brand)),
    probe: decode::probe,
    decode: decode::decode,
    decoder_copies: 1,
    output: None,
};

/// What is there of the decoder in a build without it.
#[cfg(not(feature = "heic"))]
mod left_out {
    use crate::codec::{DecodeError, Decoded, Limits, Probe, unsupported};

    pub(super) fn probe(_: &[u8], _: &Limits) -> Result<Probe, DecodeError> {
        Err(unsupported("HEIC"))
    }

    pub(super) fn decode(_: &[u8], _: &Limits) -> Result<Decoded, DecodeError> {
        Err(unsupported("HEIC"))
    }
}
