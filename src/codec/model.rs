//! What a format says of itself: every format's module has a [`FormatModel`] named `MODEL`.

use super::density::Density;
use super::lossy_coding::LossyCoding;
use super::{DecodeError, Decoded, Effort, EncodeError, Limits, Metadata, MetadataPolicy, Probe};
use crate::picture::Picture;

/// Everything that the other modules need to know of a format.
pub(crate) struct FormatModel {
    /// The media type (IANA).
    pub media_type: &'static str,
    /// The usual file name extension, without the dot.
    pub extension: &'static str,
    /// Whether an alpha channel is kept.
    pub keeps_alpha: bool,
    /// Whether nearly every file has been through lossy coding.
    pub is_usually_lossy: bool,
    /// Whether a file with these first bytes is in the format.
    pub recognises: fn(&[u8]) -> bool,
    /// Reads the header and checks it against the limits.
    pub probe: fn(&[u8], &Limits) -> Result<Probe, DecodeError>,
    /// Decodes the first frame to sRGB.
    pub decode: fn(&[u8], &Limits) -> Result<Decoded, DecodeError>,
    /// Copies of the file that the decoder may hold: whole chunks, buffers that grow, files that are repaired first.
    pub decoder_copies: u64,
    /// How the format is written; `None` for a format that is only read.
    pub output: Option<OutputModel>,
}

/// How a format is written, and what is expected of that.
pub(crate) struct OutputModel {
    /// The lossy ways of writing it, coarsest first.
    pub codings: &'static [LossyCoding],
    /// The lossless way of writing it, where it has one.
    pub lossless: Option<LosslessModel>,
    /// Writes a sound JPEG anew without loss, with the metadata that the policy keeps, where the format can hold its
    /// coefficients. Returns `None` for a kind of JPEG that it can't hold.
    pub from_jpeg: Option<WriteJpeg>,
    /// Its place when a browser chooses among formats: 0 for the one that looks best at equal bytes, and the highest
    /// for the one that every browser shows.
    pub place_in_browser: u8,
    /// Pixels that a side may have.
    pub max_side: u32,
    /// Bytes that the lossy encoder holds at its peak for a width and height, beside the picture: an estimate from what
    /// it allocates, on the high side.
    pub encoder_bytes: fn(u32, u32) -> u64,
    pub container: ContainerModel,
    pub scale_gain: ScaleGainModel,
    pub lead: LeadModel,
}

/// Writes a JPEG anew, with the metadata that the policy keeps.
pub(crate) type WriteJpeg = fn(&[u8], MetadataPolicy) -> Option<Vec<u8>>;

/// A lossless way of writing a format.
pub(crate) struct LosslessModel {
    pub encode: fn(&Picture, Effort) -> Result<Vec<u8>, EncodeError>,
    /// Whether a readable file of the format was written in this way.
    pub is_used_in: fn(&[u8]) -> bool,
    /// Nanoseconds that a pixel takes at fast, balanced and best effort, where it is no copy of another.
    pub nanoseconds_per_pixel: [u64; 3],
    /// Bytes that a pixel takes in the encoder at its peak.
    pub bytes_per_pixel: u64,
}

/// What can be done to a finished file; `codec::container` says what each function promises.
pub(crate) struct ContainerModel {
    /// Whether a file is whole and undamaged.
    pub is_sound: fn(&[u8]) -> bool,
    pub strip: fn(&[u8], MetadataPolicy) -> Option<Vec<u8>>,
    pub embed: fn(Vec<u8>, &Metadata) -> Vec<u8>,
    pub embedded_bytes: fn(&Metadata) -> u64,
    pub set_density: fn(&[u8], Density) -> Option<Vec<u8>>,
    /// Grows a file by this many bytes.
    pub pad: fn(Vec<u8>, usize) -> Option<Vec<u8>>,
    /// Whether well-formed files have an even number of bytes.
    pub has_even_sizes: bool,
}

/// Steps between scales whose gain was measured.
pub const MEASURED_STEPS: usize = 6;

/// What a smaller picture gains: docs/model.md, Scale gain.
pub(crate) struct ScaleGainModel {
    /// Coefficients of `job::scale_gain::features` for each measured step.
    pub coefficients: [[f64; 4]; MEASURED_STEPS],
    /// Whether bits per pixel are among the features. They are not where the quality is itself predicted from them
    /// alone.
    pub uses_bits: bool,
    /// Points that each step gains beyond what the coefficients say, as answers show: docs/model.md, Scale gain.
    pub beyond_fit: f64,
    /// Points of SSIMULACRA2 that a smaller picture has to gain to be chosen.
    pub margin: f64,
    /// Quality from which on no smaller picture is considered.
    pub decent_quality: f64,
    /// Bits per pixel from which on a picture has so much detail that [`Self::decent_quality_of_detail`] counts.
    pub detailed_bits_per_pixel: f64,
    pub decent_quality_of_detail: f64,
    /// Quality of a smaller picture from which on no smaller one is chosen, whatever it gains: pixels are worth
    /// something in themselves. `None` where that was not measured. docs/model.md, Scale gain.
    pub last_quality: Option<f64>,
    /// Quality from which on a smooth picture is not made smaller. docs/model.md, Smooth pictures.
    pub decent_quality_of_smooth: f64,
    /// How photographs with alpha are made smaller. `None` as those without.
    pub with_alpha: Option<AlphaScales>,
    /// When the next smaller picture is tried, whatever the model expects of it: for opaque pictures and for those with
    /// alpha. `None` where the model is to be trusted.
    pub smaller: Option<[SmallerModel; 2]>,
}

/// How photographs with alpha are made smaller: the largest of decent quality is taken. docs/model.md, Scale gain.
#[derive(Clone, Copy)]
pub(crate) struct AlphaScales {
    /// Quality from which on the whole, or a smaller picture, is taken.
    pub decent_quality: f64,
    /// Index of the first smaller scale.
    pub first: usize,
}

/// When a smaller picture is tried, and when it is better.
#[derive(Clone, Copy)]
pub(crate) struct SmallerModel {
    /// Quality of an answer below which it is tried.
    pub below: f64,
    /// Points of quality that it must have more.
    pub worth: f64,
}

/// How a format is compared with AVIF before anything is encoded: docs/model.md, Format rank.
pub(crate) enum LeadModel {
    /// This is AVIF.
    Reference,
    Fitted {
        /// Coefficients of `job::format_rank::features`.
        coefficients: [f64; 7],
        /// The same for pictures without colour.
        of_grey: [f64; 7],
        /// Points at rates that are lower than those of the fit.
        below_fit: f64,
    },
    /// Looks better than JPEG by so many points at a quality of 0 of AVIF, and by so many more for each point of that.
    OverJpeg([f64; 2]),
    /// Comes after all that are compared.
    NotCompared,
}
