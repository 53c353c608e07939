//! What can be done to a finished file without touching its pixels: strip metadata, embed metadata, pad. Each format's
//! own
//! `container.rs` knows the bytes.

use super::{Format, Metadata, MetadataPolicy};

/// Bytes that a padded file may have: RIFF and most boxes count in 32 bits.
const MAX_PADDED_BYTES: u64 = u32::MAX as u64;

/// Whether `file` is whole and undamaged, as far as its structure, its checksums and a JPEG's coded data tell. Decoders
/// accept more: where they have to guess, another decoder may guess differently.
pub fn is_sound(file: &[u8], format: Format) -> bool {
    format.output().is_some_and(|output| (output.container.is_sound)(file))
}

/// `file` without the metadata that `policy` drops (EXIF, GPS, XMP, comments, thumbnails). Pixels, colour profile and
/// orientation stay as they are. What is no part of the picture is dropped under every policy: videos, gain maps and other
/// pictures, and whatever follows the end. Returns `None` when the structure of the file is not understood well enough to
/// rewrite it, and for a format that bytefit does not write.
pub fn strip(file: &[u8], format: Format, policy: MetadataPolicy) -> Option<Vec<u8>> {
    (format.output()?.container.strip)(file, policy)
}

/// `file`, freshly encoded by us, with `metadata` written into it. What the format cannot hold (a JPEG segment holds 65,533
/// bytes) is left out.
pub fn embed(file: Vec<u8>, format: Format, metadata: &Metadata) -> Vec<u8> {
    match format.output() {
        Some(output) if !metadata.is_empty() => (output.container.embed)(file, metadata),
        Some(_) | None => file,
    }
}

/// Bytes of `metadata` that [`embed`] writes into a file of `format`, without the container's own bytes around them.
pub fn embedded_bytes(format: Format, metadata: &Metadata) -> u64 {
    format.output().map_or(0, |output| (output.container.embedded_bytes)(metadata))
}

/// The same for a format that holds every block whole.
pub(super) fn all_bytes(metadata: &Metadata) -> u64 {
    [&metadata.exif, &metadata.xmp].into_iter().flatten().map(|block| block.len() as u64).sum()
}

/// `file` grown to exactly `size` bytes by means that its format allows. A file that one of our encoders wrote reaches every
/// `size >= file.len()`. Returns `None` when `size` is smaller or the file is not understood.
pub fn pad(file: Vec<u8>, format: Format, size: u64) -> Option<Vec<u8>> {
    if size > MAX_PADDED_BYTES {
        return None;
    }
    let extra = usize::try_from(size).ok()?.checked_sub(file.len())?;
    if extra == 0 {
        return Some(file);
    }
    let padded = (format.output()?.container.pad)(file, extra)?;
    debug_assert_eq!(padded.len() as u64, size);
    Some(padded)
}

/// Whether a well-formed file of `format` can have this size. A WebP file that is padded to an odd size ends with a
/// byte behind its chunks.
pub fn can_have_size(format: Format, size: u64) -> bool {
    let has_even_sizes = format.output().is_some_and(|output| output.container.has_even_sizes);
    !has_even_sizes || size.is_multiple_of(2)
}

#[cfg(test)]
mod tests;
