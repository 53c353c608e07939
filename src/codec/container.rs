//! Changes a finished file without touching its pixels: strips metadata, embeds it, sets the density and pads. Each
//! format has its own `container.rs`, which handles the bytes.

use super::density::Density;
use super::{Format, Metadata, MetadataPolicy, exif};

/// Maximum size of a padded file in bytes. RIFF and most boxes count in 32 bits.
const MAX_PADDED_BYTES: u64 = u32::MAX as u64;

/// Whether `file` is complete and undamaged, according to its structure, its checksums and the coded data of a JPEG.
/// Decoders accept more, but they have to guess, and another decoder may guess differently.
pub fn is_sound(file: &[u8], format: Format) -> bool {
    format.output().is_some_and(|output| (output.container.is_sound)(file))
}

/// Removes the metadata that `policy` drops (EXIF, GPS, XMP, comments, thumbnails) from `file`. Pixels, colour profile
/// and orientation stay as they are. Every policy drops what is not part of the picture: videos, gain maps, other
/// pictures, and all bytes after the end. Returns `None` when the structure of the file is not understood well enough
/// to rewrite it, and for a format that bytefit does not write.
pub fn strip(file: &[u8], format: Format, policy: MetadataPolicy) -> Option<Vec<u8>> {
    (format.output()?.container.strip)(file, policy)
}

/// Writes `metadata` into `file`, which one of our encoders just wrote. Leaves out what the format cannot hold (a JPEG
/// segment holds 65,533 bytes).
pub fn embed(file: Vec<u8>, format: Format, metadata: &Metadata) -> Vec<u8> {
    let file = match format.output() {
        Some(output) if metadata.exif.is_some() || metadata.xmp.is_some() => (output.container.embed)(file, metadata),
        Some(_) | None => file,
    };
    match metadata.density {
        Some(density) => set_density(&file, format, density).unwrap_or(file),
        None => file,
    }
}

/// Returns `file` with this density: in the format's own field (JFIF, pHYs), or in EXIF where it has none. EXIF that
/// states another density is corrected. Returns `None` when the structure of the file is not understood well enough.
pub fn set_density(file: &[u8], format: Format, density: Density) -> Option<Vec<u8>> {
    (format.output()?.container.set_density)(file, density)
}

/// Returns `exif` with this density, or an EXIF block with nothing else.
pub(super) fn exif_with_density(exif: Option<&[u8]>, density: Density) -> Option<Vec<u8>> {
    exif.map_or_else(|| Some(exif::only_density(density)), |block| exif::with_density(block, density))
}

/// Returns the bytes of `metadata` that [`embed`] writes into a file of `format`, without the container's own bytes
/// around them.
pub fn embedded_bytes(format: Format, metadata: &Metadata) -> u64 {
    format.output().map_or(0, |output| (output.container.embedded_bytes)(metadata))
}

/// The same for a format that can hold every block.
pub(super) fn all_bytes(metadata: &Metadata) -> u64 {
    [&metadata.exif, &metadata.xmp].into_iter().flatten().map(|block| block.len() as u64).sum()
}

/// Grows `file` to exactly `size` bytes by means that its format allows. A file that one of our encoders wrote can grow
/// to every `size >= file.len()`. Returns `None` when `size` is smaller or the file is not understood.
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
/// byte after its chunks.
pub fn can_have_size(format: Format, size: u64) -> bool {
    let has_even_sizes = format.output().is_some_and(|output| output.container.has_even_sizes);
    !has_even_sizes || size.is_multiple_of(2)
}

#[cfg(test)]
mod tests;
