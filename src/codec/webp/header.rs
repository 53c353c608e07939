//! Reads what a WebP's chunks say (RFC 9649), without decoding.

use std::borrow::Cow;

use crate::codec::bytes::{slice, u16_le, u24_le, u32_le};

const ALPHA_FLAG: u8 = 0x10;
const ANIMATION_FLAG: u8 = 0x02;
const EXIF_FLAG: u8 = 0x08;
const XMP_FLAG: u8 = 0x04;
/// Offset of the flags of VP8X: after RIFF, size, WEBP, VP8X, size.
const FLAGS_AT: usize = 20;

/// A WebP's size and everything besides its pixels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub width: u32,
    pub height: u32,
    pub alpha: bool,
    pub animated: bool,
    pub frames: u32,
    pub lossless: bool,
    pub icc: Option<&'a [u8]>,
    pub exif: Option<&'a [u8]>,
    pub xmp: Option<&'a [u8]>,
    extended: bool,
}

/// The size that a picture's own bitstream declares, and whether it has alpha.
struct Bitstream {
    width: u32,
    height: u32,
    alpha: bool,
}

impl<'a> Header<'a> {
    /// Reads the chunks of `bytes`.
    ///
    /// # Errors
    /// Returns the reason as a text: there is no picture, or its size differs from that of its frame or canvas.
    pub fn read(bytes: &'a [u8]) -> Result<Header<'a>, &'static str> {
        let mut header = Header::default();
        let mut pictures = 0;
        for (kind, body) in chunks(bytes, 12) {
            match kind {
                b"VP8X" => header.read_extended(body)?,
                b"VP8 " | b"VP8L" if pictures == 0 && !header.animated => {
                    header.read_picture(kind, body)?;
                    pictures += 1;
                }
                b"ALPH" => header.alpha |= header.extended,
                b"ANMF" if header.animated => {
                    header.read_frame(body)?;
                    pictures += 1;
                }
                b"ICCP" => header.icc = header.icc.or(Some(body)),
                b"EXIF" => header.exif = header.exif.or(Some(body)),
                b"XMP " => header.xmp = header.xmp.or(Some(body)),
                _ => {}
            }
            if pictures > 0 && !header.extended {
                break;
            }
        }
        if pictures == 0 { Err("it holds no picture") } else { Ok(header) }
    }

    fn read_extended(&mut self, body: &[u8]) -> Result<(), &'static str> {
        let (Some(&flags), Some(width), Some(height)) = (body.first(), u24_le(body, 4), u24_le(body, 7)) else {
            return Err("its extended header is cut short");
        };
        self.extended = true;
        self.width = width + 1;
        self.height = height + 1;
        self.alpha = flags & ALPHA_FLAG != 0;
        self.animated = flags & ANIMATION_FLAG != 0;
        Ok(())
    }

    fn read_picture(&mut self, kind: &[u8], body: &[u8]) -> Result<(), &'static str> {
        let picture = bitstream(kind, body).ok_or("its picture is damaged")?;
        if self.extended && (picture.width, picture.height) != (self.width, self.height) {
            return Err("its picture is not the size of its canvas");
        }
        (self.width, self.height) = (picture.width, picture.height);
        self.lossless = kind == b"VP8L";
        self.alpha |= picture.alpha;
        Ok(())
    }

    /// Counts the frame. Only the first is decoded and read.
    fn read_frame(&mut self, body: &[u8]) -> Result<(), &'static str> {
        self.frames += 1;
        if self.frames > 1 {
            return Ok(());
        }
        let field = |at| u24_le(body, at).ok_or("its first frame is cut short");
        let (x, y, width, height) = (field(0)? * 2, field(3)? * 2, field(6)? + 1, field(9)? + 1);
        if x + width > self.width || y + height > self.height {
            return Err("its first frame lies outside its canvas");
        }
        let picture = chunks(body, 16).find(|(kind, _)| matches!(*kind, b"VP8 " | b"VP8L"));
        let (kind, picture) = picture.ok_or("its first frame holds no picture")?;
        let declared = bitstream(kind, picture).ok_or("its first frame is damaged")?;
        if (declared.width, declared.height) != (width, height) {
            return Err("its first frame is not the size that it declares");
        }
        self.lossless = kind == b"VP8L";
        self.alpha |= (width, height) != (self.width, self.height);
        Ok(())
    }

    /// Returns `bytes` with flags that match the chunks. Clears the flags for EXIF or XMP that does not exist, because
    /// the decoder would refuse the file. Corrects the alpha flag, because the decoder would lose the transparency of
    /// the canvas.
    pub fn with_honest_flags(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(&flags) = bytes.get(FLAGS_AT).filter(|_| self.extended) else {
            return Cow::Borrowed(bytes);
        };
        let mut honest = flags;
        if self.exif.is_none() {
            honest &= !EXIF_FLAG;
        }
        if self.xmp.is_none() {
            honest &= !XMP_FLAG;
        }
        if self.animated && self.alpha {
            honest |= ALPHA_FLAG;
        }
        if honest == flags {
            return Cow::Borrowed(bytes);
        }
        let mut copy = bytes.to_vec();
        copy[FLAGS_AT] = honest;
        Cow::Owned(copy)
    }
}

/// Returns the chunks from `at` on, each with the part of its body that exists.
fn chunks(bytes: &[u8], mut at: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let kind = slice(bytes, at, 4)?;
        let size = u32_le(bytes, at + 4)? as usize;
        let rest = bytes.get(at + 8..)?;
        at = at.checked_add(8)?.checked_add(size)?.checked_add(size & 1)?;
        Some((kind, &rest[..size.min(rest.len())]))
    })
}

fn bitstream(kind: &[u8], body: &[u8]) -> Option<Bitstream> {
    if kind == b"VP8L" {
        let bits = u32_le(body, 1).filter(|_| body[0] == 0x2F)?;
        let (width, height) = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
        Some(Bitstream { width, height, alpha: bits >> 28 & 1 == 1 })
    } else {
        let (width, height) = (u16_le(body, 6)?, u16_le(body, 8)?);
        let (width, height) = (u32::from(width & 0x3FFF), u32::from(height & 0x3FFF));
        Some(Bitstream { width, height, alpha: false })
    }
}
