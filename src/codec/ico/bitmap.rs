//! A bitmap in an icon: a header whose height counts the picture and a mask of as many rows, a palette, the picture,
//! and the mask, in which a set bit is transparent. There is no header of a file.

use crate::codec::bytes::{slice, u32_le};
use crate::codec::{DecodeError, Decoded, Format, Limits, Probe, bmp, undecodable, unsupported};
use crate::picture::{Layout, Orientation, Picture};

/// Bytes of the headers of OS/2 1.x, OS/2 2.x where it is short, Windows 3 (BITMAPINFOHEADER), and Windows with masks
/// of four colours (BITMAPV3INFOHEADER).
const CORE: u32 = 12;
const SHORT: u32 = 16;
const INFO: u32 = 40;
const WITH_MASKS: u32 = 56;

/// biCompression: none, and where a pixel's colours are (BI_BITFIELDS).
const PLAIN: u32 = 0;
const MASKS: u32 = 3;

/// Red, green, blue and alpha of a plain pixel of 32 bits.
const BGRA: [u32; 4] = [0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0xFF00_0000];

#[derive(Clone, Copy)]
pub(super) struct Bitmap<'a> {
    /// From the header to the end of the icon's file.
    bytes: &'a [u8],
    /// Bytes that the icon's directory gives to it.
    length: u32,
    header: &'a [u8],
    pub width: u32,
    /// Without the mask.
    pub height: u32,
    pub bits: u16,
    from_top: bool,
    compression: u32,
    /// Colours of the palette; 0 is as many as the bits can tell apart.
    colours: u32,
}

impl<'a> Bitmap<'a> {
    /// Reads the header. Returns `None` for what bitmaps don't begin with.
    pub(super) fn read(bytes: &'a [u8], length: u32) -> Option<Bitmap<'a>> {
        let size = u32_le(bytes, 0).filter(|size| bmp::HEADER_SIZES.contains(size))?;
        let header = slice(bytes, 0, size as usize)?;
        let (width, height, bits) = bmp::size(header)?;
        let later = |at| if size > SHORT { u32_le(header, at) } else { Some(0) };
        Some(Bitmap {
            bytes,
            length,
            header,
            width,
            height: height / 2,
            bits,
            from_top: size != CORE && u32_le(header, 8)? > i32::MAX as u32,
            compression: later(16)?,
            colours: later(32)?,
        })
    }

    pub(super) fn probe(&self, limits: &Limits) -> Result<Probe, DecodeError> {
        limits.check_size(Format::Ico, self.width, self.height)?;
        if !matches!(self.compression, PLAIN | MASKS) {
            return Err(unsupported("ICO with a compressed bitmap"));
        }
        let with_alpha = u64::from(self.width) * u64::from(self.height) * 4;
        Ok(Probe {
            format: Format::Ico,
            width: self.width,
            height: self.height,
            animated: false,
            alpha: true,
            orientation: Orientation::Upright,
            decode_bytes: bmp::decode_bytes(self.width, self.height, true) + with_alpha,
        })
    }

    /// Decodes the picture. Its own alpha counts where it has any, as in browsers; otherwise the mask does.
    pub(super) fn decode(&self, limits: &Limits) -> Result<Decoded, DecodeError> {
        self.probe(limits)?;
        let file = self.as_file().ok_or_else(|| undecodable(Format::Ico, "it is cut short"))?;
        let decoded = bmp::decode_as_stored(&file, limits)?;
        if bmp::has_alpha_of_its_own(&decoded.picture) {
            return Ok(decoded);
        }
        let (mask, is_cut) = self.mask();
        let mut pixels = opaque(&decoded.picture);
        self.hide(mask, &mut pixels);
        let picture = Picture::new(self.width, self.height, Layout::Rgba, pixels);
        Ok(Decoded { picture, damaged: is_cut, ..decoded })
    }

    /// Returns the picture without its mask as a file. Returns `None` when it is cut short.
    fn as_file(&self) -> Option<Vec<u8>> {
        let header = self.header_of_file();
        let rest = self.bytes.get(self.header.len()..self.pixels_end()?)?;
        let start = bmp::FILE_HEADER + header.len() + self.pixels_start()? - self.header.len();
        let start = u32::try_from(start).ok()?.to_le_bytes();
        Some([b"BM\0\0\0\0\0\0\0\0", &start[..], &header, rest].concat())
    }

    /// Returns the header with the height of the picture alone. In files, plain pixels of 32 bits have no alpha, so the
    /// header names the bits of that.
    fn header_of_file(&self) -> Vec<u8> {
        let mut header = self.header.to_vec();
        if header.len() == CORE as usize {
            header[6..8].copy_from_slice(&(self.height as u16).to_le_bytes());
            return header;
        }
        let has_alpha = self.bits == 32 && self.compression == PLAIN;
        if has_alpha {
            header.resize(INFO as usize, 0);
            header[..4].copy_from_slice(&WITH_MASKS.to_le_bytes());
            header[16..20].copy_from_slice(&MASKS.to_le_bytes());
            header.extend(BGRA.iter().flat_map(|mask| mask.to_le_bytes()));
        }
        let height = if self.from_top { self.height.wrapping_neg() } else { self.height };
        header[8..12].copy_from_slice(&height.to_le_bytes());
        // Some writers leave the number of planes 0.
        header[12..14].copy_from_slice(&[1, 0]);
        header
    }

    /// Where the pixels begin: after the header, masks that don't fit into it, and the palette.
    fn pixels_start(&self) -> Option<usize> {
        let size = self.header.len() as u32;
        let masks = if size == INFO && self.compression == MASKS { 12 } else { 0 };
        let colours = match self.bits {
            ..=8 if self.colours == 0 => 1 << self.bits,
            ..=8 => self.colours,
            _ => 0,
        };
        let palette = u64::from(colours) * if size == CORE { 3 } else { 4 };
        usize::try_from(u64::from(size) + masks + palette).ok()
    }

    fn pixels_end(&self) -> Option<usize> {
        self.pixels_start()?.checked_add(self.rows_bytes(self.bits)?)
    }

    /// Returns the bytes of all rows, each filled up to four bytes.
    fn rows_bytes(&self, bits: u16) -> Option<usize> {
        let row = (u64::from(self.width) * u64::from(bits)).div_ceil(32) * 4;
        usize::try_from(row.checked_mul(self.height.into())?).ok()
    }

    /// Returns what there is of the mask, and whether it is cut off. There may be none at all.
    fn mask(&self) -> (&'a [u8], bool) {
        let (Some(start), Some(whole)) = (self.pixels_end(), self.rows_bytes(1)) else { return (&[], false) };
        if self.length as usize == start {
            return (&[], false);
        }
        let rest = self.bytes.get(start..).unwrap_or_default();
        let mask = &rest[..rest.len().min(whole)];
        (mask, !mask.is_empty() && mask.len() < whole)
    }

    /// Makes the pixels transparent whose bit is set.
    fn hide(&self, mask: &[u8], pixels: &mut [u8]) {
        let (width, height) = (self.width as usize, self.height as usize);
        for (index, bits) in mask.chunks(width.div_ceil(32) * 4).enumerate() {
            let y = if self.from_top { index } else { height - 1 - index };
            let row = pixels.chunks_exact_mut(width * 4).nth(y).unwrap_or_default();
            for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
                if bits.get(x / 8).is_some_and(|byte| byte << (x % 8) & 0x80 != 0) {
                    pixel[3] = 0;
                }
            }
        }
    }
}

/// Returns the pixels with an alpha that is opaque.
fn opaque(picture: &Picture) -> Vec<u8> {
    let mut pixels = vec![u8::MAX; picture.pixel_count() as usize * 4];
    let stored = picture.pixels().chunks_exact(picture.layout().bytes_per_pixel());
    pixels.chunks_exact_mut(4).zip(stored).for_each(|(pixel, stored)| pixel[..3].copy_from_slice(&stored[..3]));
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bitmap of 3 by 2 pixels with a header of 40 bytes.
    fn bytes(height: i32, bits: u16, rest: &[u8]) -> Vec<u8> {
        let mut header = [INFO as i32, 3, height].map(i32::to_le_bytes).concat();
        header.extend([1, 0]);
        header.extend(bits.to_le_bytes());
        header.resize(INFO as usize, 0);
        [&header, rest].concat()
    }

    fn pixels(bytes: &[u8]) -> Vec<[u8; 4]> {
        let bitmap = Bitmap::read(bytes, bytes.len() as u32).unwrap();
        let picture = bitmap.decode(&Limits::default()).unwrap().picture;
        assert_eq!((picture.width(), picture.height(), picture.layout()), (3, 2, Layout::Rgba));
        picture.pixels().chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[3]]).collect()
    }

    /// The lower row hides its first pixel, the upper one its last two.
    const MASK: [u8; 8] = [0b1000_0000, 0, 0, 0, 0b0110_0000, 0, 0, 0];
    const SHOWN: [bool; 6] = [true, false, false, false, true, true];

    /// Bytes of a palette of grey levels.
    fn palette(colours: u8) -> Vec<u8> {
        (0..colours).flat_map(|level| [level, level, level, 0]).collect()
    }

    #[test]
    fn the_mask_decides_where_pixels_have_no_alpha() {
        let expected = |levels: [u8; 6]| {
            let pixel = |(level, shown): (u8, bool)| [level, level, level, if shown { 255 } else { 0 }];
            levels.into_iter().zip(SHOWN).map(pixel).collect::<Vec<_>>()
        };
        let of_24 = [[4, 4, 4, 5, 5, 5, 6, 6, 6, 0, 0, 0], [1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0]].concat();
        let of_32: Vec<u8> = [4, 5, 6, 1, 2, 3].iter().flat_map(|&level| [level, level, level, 0]).collect();
        let of_8 = [&palette(255)[..], &[0; 4], &[4, 5, 6, 0, 1, 2, 3, 0]].concat();
        let of_4 = [&palette(16)[..], &[0x45, 0x60, 0, 0, 0x12, 0x30, 0, 0]].concat();
        for (bits, rows) in [(24, of_24), (32, of_32), (8, of_8), (4, of_4)] {
            let found = pixels(&bytes(4, bits, &[&rows[..], &MASK].concat()));
            assert_eq!(found, expected([1, 2, 3, 4, 5, 6]), "{bits} bits");
        }
        let of_1 = [&palette(2)[..], &[0b0110_0000, 0, 0, 0, 0b1000_0000, 0, 0, 0]].concat();
        assert_eq!(pixels(&bytes(4, 1, &[&of_1[..], &MASK].concat())), expected([1, 0, 0, 0, 1, 1]));
    }

    #[test]
    fn alpha_decides_where_any_pixel_has_some() {
        let rows: Vec<u8> = (1..=6).flat_map(|level| [level, level, level, level - 1]).collect();
        let found = pixels(&bytes(4, 32, &[&rows[..], &[0xFF; 8]].concat()));
        assert_eq!(found, [4, 5, 6, 1, 2, 3].map(|level| [level, level, level, level - 1]));
    }

    #[test]
    fn rows_of_picture_and_mask_may_start_at_the_top() {
        let rows: Vec<u8> = [1, 2, 3, 4, 5, 6].iter().flat_map(|&level| [level, level, level, 0]).collect();
        let mask = [&MASK[4..], &MASK[..4]].concat();
        let found = pixels(&bytes(-4, 32, &[&rows[..], &mask].concat()));
        assert_eq!(found.iter().map(|pixel| pixel[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(found.iter().map(|pixel| pixel[3] > 0).collect::<Vec<_>>(), SHOWN);
    }

    #[test]
    fn a_mask_may_be_missing_and_part_of_one_is_damage() {
        let rows = [7; 24];
        let whole = bytes(4, 24, &[&rows[..], &[0xFF; 8]].concat());
        let decode = |bytes: &[u8], length: usize| {
            let decoded = Bitmap::read(bytes, length as u32).unwrap().decode(&Limits::default()).unwrap();
            (decoded.picture.pixels().iter().skip(3).step_by(4).filter(|alpha| **alpha == 0).count(), decoded.damaged)
        };
        let without = whole.len() - 8;
        assert_eq!(decode(&whole, whole.len()), (6, false));
        assert_eq!(decode(&whole, without), (0, false), "what follows is another picture");
        assert_eq!(decode(&whole[..without], whole.len()), (0, false));
        assert_eq!(decode(&whole[..without + 4], whole.len()), (3, true));
        assert!(Bitmap::read(&whole[..without - 1], 0).unwrap().decode(&Limits::default()).is_err());
    }

    #[test]
    fn headers_of_every_kind_are_read() {
        let rows = [4, 4, 4, 5, 5, 5, 6, 6, 6, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0];
        let right = pixels(&bytes(4, 24, &[&rows[..], &MASK].concat()));
        let core = [&[12, 0, 0, 0, 3, 0, 4, 0, 1, 0, 24, 0][..], &rows, &MASK].concat();
        assert_eq!(pixels(&core), right);
        for size in [16u8, 40, 52, 56, 64, 108, 124] {
            let mut header = bytes(4, 24, &[]);
            header[0] = size;
            // Planes may be 0.
            header[12] = 0;
            header.resize(size.into(), 0);
            assert_eq!(pixels(&[&header[..], &rows, &MASK].concat()), right, "{size}");
        }
    }

    #[test]
    fn masks_of_colours_are_read() {
        let masks: Vec<u8> = [0xFFu32, 0xFF00, 0xFF_0000].iter().flat_map(|mask| mask.to_le_bytes()).collect();
        let rows: Vec<u8> = (1..=6).flat_map(|level| [level, 20, 30, 9]).collect();
        let mut file = bytes(4, 32, &[&masks[..], &rows, &MASK].concat());
        file[16] = MASKS as u8;
        let found = pixels(&file);
        assert_eq!(found[0], [4, 20, 30, 255]);
        assert_eq!(found.iter().map(|pixel| pixel[3] > 0).collect::<Vec<_>>(), SHOWN);
    }
}
