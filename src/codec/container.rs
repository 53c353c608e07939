//! What can be done to a finished file without touching its pixels: strip metadata, embed metadata, pad.
//! The dispatch over formats; the bytes are handled in each format's own `container.rs`.

use super::{Format, Metadata, MetadataPolicy, avif, jpeg, png, webp};

/// Bytes that a padded file may have: RIFF and most boxes count in 32 bits, and nobody asks for more.
const MAX_PADDED_BYTES: u64 = u32::MAX as u64;

/// Whether `file` is whole and undamaged, as far as its structure, its checksums and a JPEG's coded data tell. Decoders
/// accept more: where they have to guess, another decoder may guess differently.
pub fn is_sound(file: &[u8], format: Format) -> bool {
    match format {
        Format::Jpeg => jpeg::entropy::is_sound(file),
        Format::Webp => webp::container::is_sound(file),
        Format::Avif => avif::container::is_sound(file),
        Format::Png => png::container::is_sound(file),
        Format::Gif | Format::Bmp | Format::Tiff => false,
    }
}

/// `file` without the metadata that `policy` drops (EXIF, GPS, XMP, comments, thumbnails), pixel for pixel the same:
/// the colour profile and the orientation stay. What is no part of the picture goes under every policy: videos, gain
/// maps and other pictures, and whatever lies behind the end. None when the structure of the file is not understood
/// well enough to rewrite it, or the format is not one that bytefit writes.
pub fn strip(file: &[u8], format: Format, policy: MetadataPolicy) -> Option<Vec<u8>> {
    match format {
        Format::Jpeg => jpeg::container::strip(file, policy),
        Format::Webp => webp::container::strip(file, policy),
        Format::Avif => avif::container::strip(file, policy),
        Format::Png => png::container::strip(file, policy),
        Format::Gif | Format::Bmp | Format::Tiff => None,
    }
}

/// `file`, freshly encoded by us, with `metadata` written into it. What the format has no room for (a JPEG
/// segment holds 65,533 bytes) is left out.
pub fn embed(file: Vec<u8>, format: Format, metadata: &Metadata) -> Vec<u8> {
    if metadata.is_empty() {
        return file;
    }
    match format {
        Format::Jpeg => jpeg::container::embed(file, metadata),
        Format::Webp => webp::container::embed(file, metadata),
        Format::Avif => avif::container::embed(file, metadata),
        Format::Png => png::container::embed(file, metadata),
        Format::Gif | Format::Bmp | Format::Tiff => file,
    }
}

/// Bytes of `metadata` that [`embed`] writes into a file of `format`, without any framing.
pub fn embedded_bytes(format: Format, metadata: &Metadata) -> u64 {
    match format {
        Format::Jpeg => jpeg::container::embedded_bytes(metadata),
        Format::Webp | Format::Avif | Format::Png => {
            [&metadata.exif, &metadata.xmp].into_iter().flatten().map(|block| block.len() as u64).sum()
        }
        Format::Gif | Format::Bmp | Format::Tiff => 0,
    }
}

/// `file` grown to exactly `size` bytes by means its format allows. Every `size >= file.len()` is reached
/// for a file that one of our encoders wrote; none when `size` is smaller or the file is not understood.
pub fn pad(file: Vec<u8>, format: Format, size: u64) -> Option<Vec<u8>> {
    if size > MAX_PADDED_BYTES {
        return None;
    }
    let extra = usize::try_from(size).ok()?.checked_sub(file.len())?;
    if extra == 0 {
        return Some(file);
    }
    let padded = match format {
        Format::Jpeg => jpeg::container::pad(file, extra),
        Format::Webp => webp::container::pad(file, extra),
        Format::Avif => avif::container::pad(file, extra),
        Format::Png => png::container::pad(file, extra),
        Format::Gif | Format::Bmp | Format::Tiff => None,
    }?;
    debug_assert_eq!(padded.len() as u64, size);
    Some(padded)
}

/// Whether `size` is a size that files of `format` have: chunks of RIFF are even (RFC 9649, 2.3), so that a WebP file padded
/// to an odd size ends with a byte behind them.
pub fn is_proper_size(format: Format, size: u64) -> bool {
    format != Format::Webp || size.is_multiple_of(2)
}

#[cfg(test)]
mod tests;
