//! Decodes BMP with the `image` crate.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::bytes::{slice, u16_le, u32_le};
use super::colour::{Channels, Converter, Space};
use super::density::Density;
use super::model::FormatModel;
use super::rights::Rights;
use super::{DecodeError, Decoded, Format, Limits, Metadata, Probe, undecodable, unsupported};
use crate::picture::{Layout, Orientation, Picture};

pub(super) static MODEL: FormatModel = FormatModel {
    media_type: "image/bmp",
    extension: "bmp",
    keeps_alpha: false,
    is_usually_lossy: false,
    recognises: is_bmp,
    probe,
    decode,
    // A file with a header of OS/2.
    decoder_copies: 2,
    output: None,
};

/// Where the position of the pixels is.
const PIXELS: usize = 10;
/// Bytes of the first header.
pub(super) const FILE_HEADER: usize = 14;
/// Bytes that the second header may have: of OS/2 1.x, OS/2 2.x, and Windows.
pub(super) const HEADER_SIZES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];
/// Bytes of the header that every reader knows (BITMAPINFOHEADER).
const KNOWN_BYTES: u32 = 40;

/// Many texts begin with "BM", so the size of the second header must be one that bitmaps have, too.
fn is_bmp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BM") && u32_le(bytes, FILE_HEADER).is_some_and(|size| HEADER_SIZES.contains(&size))
}

/// Reads the header of a BMP.
///
/// # Errors
/// [`DecodeError::Undecodable`] for a damaged header, [`DecodeError::TooManyPixels`] when a limit is exceeded.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    let header = bytes.get(FILE_HEADER..).and_then(size);
    let (width, height, bits) = header.ok_or_else(|| undecodable(Format::Bmp, "its header is damaged"))?;
    limits.check_size(Format::Bmp, width, height)?;
    let alpha = matches!(bits, 16 | 32);
    Ok(Probe {
        format: Format::Bmp,
        width,
        height,
        animated: false,
        alpha,
        orientation: Orientation::Upright,
        decode_bytes: decode_bytes(width, height, alpha),
    })
}

/// Decodes a BMP.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let decoded = decode_as_stored(bytes, limits)?;
    Ok(Decoded { picture: with_absent_alpha(decoded.picture), ..decoded })
}

/// Decodes a BMP, whose alpha may be transparent everywhere.
///
/// # Errors
/// The same as [`decode`].
pub(super) fn decode_as_stored(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let probe = probe(bytes, limits)?;
    let bytes = with_known_header(bytes);
    let decoder = BmpDecoder::new(Cursor::new(&bytes[..])).map_err(failed)?;
    let layout = match decoder.color_type() {
        ColorType::Rgb8 => Layout::Rgb,
        ColorType::Rgba8 => Layout::Rgba,
        _ => return Err(unsupported("BMP with such colours")),
    };
    if decoder.dimensions() != (probe.width, probe.height) {
        return Err(undecodable(Format::Bmp, "its headers contradict each other"));
    }
    let mut pixels = vec![0; probe.width as usize * probe.height as usize * layout.bytes_per_pixel()];
    decoder.read_image(&mut pixels).map_err(failed)?;
    let channels = if layout == Layout::Rgb { Channels::Rgb } else { Channels::Rgba };
    let converter = Converter::new(&profile(&bytes, limits).map_or(Space::Srgb, Space::Icc), channels);
    converter.convert_in_place(&mut pixels);
    Ok(Decoded {
        picture: Picture::new(probe.width, probe.height, layout, pixels),
        orientation: Orientation::Upright,
        metadata: Metadata { density: density(&bytes), ..Metadata::default() },
        rights: Rights::default(),
        as_stored: converter.keeps_colours(),
        damaged: false,
    })
}

/// Returns the file with a header of 40 bytes in place of one of OS/2 2.0, which the decoder does not know: its first
/// 16 bytes are the same, those up to 40 are, too, or are 0 where they are left out, and no pixel depends on the rest.
fn with_known_header(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(size @ (16 | 64)) = u32_le(bytes, FILE_HEADER) else { return Cow::Borrowed(bytes) };
    let (file_header, rest) = bytes.split_at(FILE_HEADER);
    let header = &rest[..rest.len().min(size as usize)];
    let mut known = file_header.to_vec();
    known.extend(&header[..header.len().min(KNOWN_BYTES as usize)]);
    known.resize(FILE_HEADER + KNOWN_BYTES as usize, 0);
    known[FILE_HEADER..FILE_HEADER + 4].copy_from_slice(&KNOWN_BYTES.to_le_bytes());
    let pixels = u32_le(bytes, PIXELS).unwrap_or(0).wrapping_add(KNOWN_BYTES).wrapping_sub(size);
    known[PIXELS..PIXELS + 4].copy_from_slice(&pixels.to_le_bytes());
    known.extend(&rest[header.len()..]);
    Cow::Owned(known)
}

/// Returns the ICC profile in the file (BITMAPV5HEADER).
fn profile<'b>(bytes: &'b [u8], limits: &Limits) -> Option<&'b [u8]> {
    u32_le(bytes, FILE_HEADER).filter(|size| *size == 124)?;
    u32_le(bytes, FILE_HEADER + 56).filter(|space| *space == EMBEDDED_PROFILE)?;
    let [at, length] =
        [112, 116].map(|field| u32_le(bytes, FILE_HEADER + field).and_then(|value| usize::try_from(value).ok()));
    slice(bytes, at?.checked_add(FILE_HEADER)?, length?).filter(|profile| profile.len() <= limits.max_metadata_bytes)
}

/// bV5CSType of a file that holds its profile.
const EMBEDDED_PROFILE: u32 = u32::from_be_bytes(*b"MBED");

/// Returns the density in a header of at least 40 bytes, where it is given.
fn density(bytes: &[u8]) -> Option<Density> {
    u32_le(bytes, FILE_HEADER).filter(|size| *size >= KNOWN_BYTES)?;
    let side = |at| u32_le(bytes, at).map(f64::from);
    Density::per_metre(side(FILE_HEADER + 24)?, side(FILE_HEADER + 28)?)
}

/// Says in our words what the decoder found.
fn failed(error: ImageError) -> DecodeError {
    match error {
        ImageError::Unsupported(_) => unsupported("BMP of this kind"),
        ImageError::IoError(_) => undecodable(Format::Bmp, "it is cut short"),
        _ => undecodable(Format::Bmp, "its data is damaged"),
    }
}

/// Returns width, height and bits of a pixel, from a core header (12 bytes, OS/2) or any later one.
pub(super) fn size(header: &[u8]) -> Option<(u32, u32, u16)> {
    if u32_le(header, 0)? == 12 {
        return Some((u16_le(header, 4)?.into(), u16_le(header, 6)?.into(), u16_le(header, 10)?));
    }
    let side = |at| Some(i32::from_le_bytes(slice(header, at, 4)?.try_into().ok()?));
    let width = u32::try_from(side(4)?).ok()?;
    // A negative height means that rows start at the top.
    Some((width, side(8)?.unsigned_abs(), u16_le(header, 14)?))
}

/// Returns the bytes that a decode needs: the picture and a few rows.
pub(super) fn decode_bytes(width: u32, height: u32, alpha: bool) -> u64 {
    let picture = u64::from(width) * u64::from(height) * if alpha { 4 } else { 3 };
    picture + u64::from(width) * 16 + (1 << 16)
}

/// Many writers of 32-bit bitmaps leave the alpha bytes 0 and mean opaque. Browsers read them that way.
fn with_absent_alpha(picture: Picture) -> Picture {
    if !picture.has_alpha() || has_alpha_of_its_own(&picture) {
        return picture;
    }
    let (width, height) = (picture.width(), picture.height());
    let mut pixels = picture.into_pixels();
    pixels.chunks_exact_mut(4).for_each(|pixel| pixel[3] = u8::MAX);
    Picture::new(width, height, Layout::Rgba, pixels)
}

/// Whether a pixel is not wholly transparent.
pub(super) fn has_alpha_of_its_own(picture: &Picture) -> bool {
    picture.has_alpha() && picture.pixels().chunks_exact(4).any(|pixel| pixel[3] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bitmap of `rows` of BGRA or BGR pixels, from the bottom up.
    fn file(width: i32, height: i32, bits: u16, rows: &[u8]) -> Vec<u8> {
        let mut file = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        file.extend(width.to_le_bytes());
        file.extend(height.to_le_bytes());
        file.extend([1, 0]);
        file.extend(bits.to_le_bytes());
        file.resize(54, 0);
        file.extend(rows);
        file
    }

    #[test]
    fn rows_come_from_the_bottom_unless_the_height_is_negative() {
        let rows = [1, 2, 3, 0, 4, 5, 6, 0];
        let up = decode(&file(1, 2, 24, &rows), &Limits::default()).unwrap().picture;
        assert_eq!(up.pixels(), [6, 5, 4, 3, 2, 1]);
        let down = decode(&file(1, -2, 24, &rows), &Limits::default()).unwrap().picture;
        assert_eq!((down.height(), down.pixels()), (2, &[3, 2, 1, 6, 5, 4][..]));
    }

    #[test]
    fn an_embedded_profile_is_followed() {
        let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
        let mut file = file(1, 1, 24, &[]);
        file.resize(FILE_HEADER + 124, 0);
        file[FILE_HEADER..][..4].copy_from_slice(&124_u32.to_le_bytes());
        file[PIXELS..][..4].copy_from_slice(&(FILE_HEADER as u32 + 124).to_le_bytes());
        file[FILE_HEADER + 112..][..4].copy_from_slice(&(124 + 4_u32).to_le_bytes());
        file[FILE_HEADER + 116..][..4].copy_from_slice(&(profile.len() as u32).to_le_bytes());
        file.extend([40, 200, 60, 0]);
        file.extend(profile);
        let pixel =
            |file: &[u8]| decode(file, &Limits::default()).map(|decoded| decoded.picture.into_pixels()).unwrap();
        assert_eq!(pixel(&file), [60, 200, 40], "a calibrated space is taken for sRGB");
        file[FILE_HEADER + 56..][..4].copy_from_slice(b"DEBM");
        let converted = pixel(&file);
        assert!(converted[0] < 30 && converted[1] >= 200, "{converted:?}");
    }

    #[test]
    fn alpha_that_is_zero_everywhere_was_never_meant() {
        let alphas = |lower: u8, upper: u8| {
            let pixels = vec![1, 2, 3, lower, 4, 5, 6, upper];
            let picture = with_absent_alpha(Picture::new(2, 1, Layout::Rgba, pixels));
            (picture.pixels()[3], picture.pixels()[7])
        };
        assert_eq!(alphas(0, 0), (255, 255));
        assert_eq!(alphas(0, 1), (0, 1));
    }

    #[test]
    fn headers_of_os2_are_read() {
        let rows = [1, 2, 3, 0, 4, 5, 6, 0];
        let windows = file(1, 2, 24, &rows);
        let right = decode(&windows, &Limits::default()).unwrap().picture;
        for size in [16u8, 64] {
            let mut os2 = windows[..14].to_vec();
            os2[10] = 14 + size;
            let mut header = windows[14..30].to_vec();
            header[0] = size;
            header.resize(size.into(), 0);
            os2.extend([&header[..], &rows].concat());
            assert_eq!(decode(&os2, &Limits::default()).unwrap().picture, right, "{size}");
            for end in 0..os2.len() {
                let _ = decode(&os2[..end], &Limits::default());
            }
        }
    }

    #[test]
    fn a_bomb_of_pixels_is_refused_by_its_header() {
        let refused = decode(&file(60_000, 60_000, 24, &[]), &Limits::default());
        assert!(matches!(refused, Err(DecodeError::TooManyPixels { width: 60_000, .. })), "{refused:?}");
        assert!(matches!(decode(&file(-5, 5, 24, &[]), &Limits::default()), Err(DecodeError::Undecodable { .. })));
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let file = file(2, 2, 24, &[7; 16]);
        for at in 0..file.len() {
            let _ = decode(&file[..at], &Limits::default());
            for value in [0, 0x7F, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &Limits { max_pixels: 1_000_000, ..Limits::default() });
            }
        }
    }
}
