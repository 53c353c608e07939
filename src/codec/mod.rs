//! Bytes to pictures and back. Each format is a module with a `MODEL`, which says everything that the rest needs to
//! know of it.
//!
//! Decoders are memory-safe Rust; C libraries only ever see pixels that we made.

pub mod avif;
mod bmp;
mod boxes;
mod bytes;
mod cicp;
pub mod colour;
pub mod container;
pub mod density;
pub mod encoder;
pub mod exif;
mod format;
mod gif;
mod hdr;
mod heic;
mod heif;
mod ico;
pub mod jpeg;
pub mod jxl;
pub mod limits;
pub mod lossy_coding;
pub(crate) mod model;
pub mod png;
mod probes;
mod quality;
pub mod rate;
pub mod rights;
mod sniff;
mod tiff;
pub mod webp;
pub mod xmp;

pub use encoder::{Effort, Encoder};
pub use format::Format;
pub(crate) use format::output_names;
pub use limits::Limits;
pub use sniff::sniff;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::named::named;
use crate::picture::{Orientation, Picture};
use density::Density;
use rights::Rights;

/// What the header of a file promises, read without decoding or allocating pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The format that the first bytes show, whatever the file is called.
    pub format: Format,
    /// Width as stored, in pixels, before orientation.
    pub width: u32,
    /// Height as stored, in pixels, before orientation.
    pub height: u32,
    /// Whether the file holds more than one frame; only the first is decoded.
    pub animated: bool,
    /// Whether the file may have transparency.
    pub alpha: bool,
    /// How the stored pixels are turned to stand upright.
    pub orientation: Orientation,
    /// Bytes of memory that decoding needs at its peak, the decoded sRGB picture included: an estimate
    /// that errs high.
    pub decode_bytes: u64,
}

/// EXIF, XMP and density of a file, as found; no format's framing around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The EXIF block from its TIFF header (`II*\0` or `MM\0*`) on.
    pub exif: Option<Vec<u8>>,
    /// The XMP packet, UTF-8 XML.
    pub xmp: Option<Vec<u8>>,
    /// How large the picture is printed, as the format itself says, or EXIF where it says nothing.
    pub density: Option<Density>,
}

named! {
    /// What happens to EXIF and XMP.
    #[derive(Default)]
    pub enum MetadataPolicy {
        /// Nothing stays.
        #[default]
        Strip = "strip",
        /// Author and rights stay.
        Copyright = "copyright",
        /// EXIF, XMP and density stay, and rights from elsewhere are added to XMP. The orientation goes: the pixels are
        /// upright.
        Keep = "keep",
    }
}

impl Metadata {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.exif.is_none() && self.xmp.is_none() && self.density.is_none()
    }

    /// Returns a copy without the pictures in it: thumbnails, and maker notes, which may hold previews.
    pub fn without_thumbnails(&self) -> Metadata {
        Metadata {
            exif: self.exif.as_deref().map(exif::without_thumbnail),
            xmp: self.xmp.as_deref().map(xmp::without_thumbnails),
            density: self.density,
        }
    }

    /// Returns it with the density that EXIF states, where the format states none.
    fn with_density_of_exif(self) -> Metadata {
        let density = self.density.or_else(|| self.exif.as_deref().and_then(exif::density));
        Metadata { density, ..self }
    }
}

/// A decoded file: its first frame in sRGB, not yet turned upright.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The pixels as stored; an alpha channel that is opaque everywhere is already dropped.
    pub picture: Picture,
    /// How `picture` is turned to stand upright.
    pub orientation: Orientation,
    /// Blocks over [`Limits::max_metadata_bytes`] are missing.
    pub metadata: Metadata,
    /// What the file says about rights outside of EXIF and XMP.
    pub rights: Rights,
    /// Whether these are the colours that the file stores: none was converted to sRGB, none made up for one that is
    /// missing. Only then does the file itself show the picture as our answers do.
    pub as_stored: bool,
    /// Whether the file ends before its end. What is there of the picture is shown.
    pub damaged: bool,
}

/// Why bytes could not become a picture: always the file's fault or a limit's, never ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are in no format that bytefit reads; `found` names the format where it was recognised.
    #[error("{}", unsupported_message(.found.as_deref()))]
    Unsupported {
        /// The name for people, as in "HEIC"; `None` for bytes that look like nothing known.
        found: Option<Cow<'static, str>>,
    },
    /// The bytes claim a known format but do not hold a picture in it.
    #[error("the {} data can't be decoded: {reason}", .format.name())]
    Undecodable {
        /// The format that the bytes begin like.
        format: Format,
        /// What is wrong, in the words of the decoder.
        reason: String,
    },
    /// The header promises more than [`Limits`] allow.
    #[error("{}, limit is {limit}", over_limit_message(*.width, *.height, *.limit))]
    TooManyPixels {
        /// Width as stored, in pixels.
        width: u32,
        /// Height as stored, in pixels.
        height: u32,
        /// The limit that the picture is over.
        limit: limits::SizeLimit,
    },
}

fn unsupported_message(found: Option<&str>) -> String {
    match found {
        Some(name @ (sniff::DATA_URL | sniff::BASE64_TEXT | sniff::GZIP)) => {
            format!("{name} is not supported: send the bytes of the image itself")
        }
        Some(name @ sniff::DAMAGED_JPEG) => format!("{name} is not supported: save the picture anew"),
        Some(name) => format!("{name} is not supported: save the picture as JPEG or PNG"),
        None => "the bytes are not an image in a known format: save the picture as JPEG or PNG".to_owned(),
    }
}

fn over_limit_message(width: u32, height: u32, limit: limits::SizeLimit) -> String {
    match limit {
        limits::SizeLimit::Frames(_) => "image has too many frames".to_owned(),
        limits::SizeLimit::Pixels(_) | limits::SizeLimit::Side(_) => format!("image is {width}x{height}"),
    }
}

/// Why pixels could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum EncodeError {
    /// The format cannot hold a picture of this size.
    #[error("{} holds at most {limit} pixels a side, the picture is {width}x{height}", .format.name())]
    TooLarge {
        /// The format that was asked for.
        format: Format,
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// The most pixels that a side may have.
        limit: u32,
    },
    /// The encoder gave up on pixels that it should take: a bug or out of memory.
    #[error("the {} encoder stopped: {reason}", .format.name())]
    Failed {
        /// The format that was asked for.
        format: Format,
        /// What the library reported.
        reason: String,
    },
}

/// Reads the header of `bytes` and checks it against `limits`, before any pixel is allocated.
///
/// # Errors
/// Every variant of [`DecodeError`].
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    let model = sniff(bytes)?.model();
    let probe = (model.probe)(bytes, limits)?;
    let copies = model.decoder_copies.saturating_mul(bytes.len() as u64);
    Ok(Probe { decode_bytes: probe.decode_bytes.saturating_add(copies), ..probe })
}

/// Decodes the first frame of `bytes` to sRGB.
///
/// Every format probes before it decodes, and refuses a file whose decoder finds other dimensions than the
/// probe did: a lying header cannot allocate.
///
/// # Errors
/// Every variant of [`DecodeError`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let decoded = (sniff(bytes)?.model().decode)(bytes, limits)?;
    let metadata = decoded.metadata.with_density_of_exif();
    Ok(Decoded { picture: decoded.picture.without_opaque_alpha(), metadata, ..decoded })
}

/// The error of a file in `format` that holds no picture.
fn undecodable(format: Format, reason: impl Into<String>) -> DecodeError {
    DecodeError::Undecodable { format, reason: reason.into() }
}

/// The error of a file in a kind of a known format that is not read, like "lossless JPEG".
fn unsupported(kind: impl Into<Cow<'static, str>>) -> DecodeError {
    DecodeError::Unsupported { found: Some(kind.into()) }
}

/// A copy of `metadata` when it is at most `limits.max_metadata_bytes` long; larger ones are dropped.
fn keep_metadata(metadata: Option<&[u8]>, limits: &Limits) -> Option<Vec<u8>> {
    metadata.filter(|bytes| !bytes.is_empty() && bytes.len() <= limits.max_metadata_bytes).map(<[u8]>::to_vec)
}

/// The EXIF block of `payload` from its TIFF header on: some writers keep JPEG's `Exif\0\0` in front.
fn exif_block(payload: &[u8]) -> &[u8] {
    payload.strip_prefix(b"Exif\0\0").unwrap_or(payload)
}

/// The orientation that an EXIF block within the limits declares.
fn exif_orientation(exif: Option<&[u8]>, limits: &Limits) -> Orientation {
    exif.filter(|block| block.len() <= limits.max_metadata_bytes).map_or(Orientation::Upright, exif::orientation)
}
