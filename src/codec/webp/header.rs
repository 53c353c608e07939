//! Reads what a WebP's chunks say (RFC 9649), without decoding.

use std::borrow::Cow;

use super::chunks::{ALPHA_FLAG, ANIMATION_FLAG, Chunk, Chunks, EXIF_FLAG, FILE_HEAD, XMP_FLAG, with_alpha_flag};
use crate::codec::bytes::u24_le;

/// Offset of the flags of VP8X: after RIFF, size, WEBP, VP8X, size.
const FLAGS_AT: usize = 20;
/// Bytes of a frame before its chunks (RFC 9649 s2.7.1.1).
const FRAME_HEAD: usize = 16;

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
    /// Whether there is an alpha plane for a lossy picture.
    has_alpha_chunk: bool,
}

impl<'a> Header<'a> {
    /// Reads the chunks of `bytes`.
    ///
    /// # Errors
    /// Returns the reason as a text: there is no picture, its size differs from that of its frame or canvas, or its
    /// alpha plane comes too late: "readers SHOULD fail when chunks necessary for reconstruction and color correction
    /// are out of order" (s2.7).
    pub(super) fn read(bytes: &'a [u8]) -> Result<Header<'a>, &'static str> {
        let mut header = Header::default();
        let mut pictures = 0;
        for chunk in Chunks::starting_at(bytes, FILE_HEAD) {
            match &chunk.name {
                b"VP8X" => header.read_extended(chunk.payload)?,
                b"VP8 " | b"VP8L" if pictures == 0 && !header.animated => {
                    header.read_picture(&chunk)?;
                    pictures += 1;
                }
                b"ALPH" if !header.animated && pictures > 0 => return Err("its transparency follows its picture"),
                b"ALPH" => header.has_alpha_chunk |= header.extended,
                b"ANMF" if header.animated => {
                    header.read_frame(chunk.payload)?;
                    pictures += 1;
                }
                b"ICCP" => header.icc = header.icc.or(Some(chunk.payload)),
                b"EXIF" => header.exif = header.exif.or(Some(chunk.payload)),
                b"XMP " => header.xmp = header.xmp.or(Some(chunk.payload)),
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

    fn read_picture(&mut self, image: &Chunk) -> Result<(), &'static str> {
        let picture = image.bitstream().ok_or("its picture is damaged")?;
        if self.extended && (picture.width, picture.height) != (self.width, self.height) {
            return Err("its picture is not the size of its canvas");
        }
        (self.width, self.height) = (picture.width, picture.height);
        self.lossless = image.name == *b"VP8L";
        // Some writers set the flag of VP8X for pictures without alpha, or leave it out for those with it.
        self.alpha = picture.alpha || if self.lossless { self.alpha } else { self.has_alpha_chunk };
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
        let image =
            Chunks::starting_at(body, FRAME_HEAD).find(Chunk::is_image).ok_or("its first frame holds no picture")?;
        let declared = image.bitstream().ok_or("its first frame is damaged")?;
        if (declared.width, declared.height) != (width, height) {
            return Err("its first frame is not the size that it declares");
        }
        self.lossless = image.name == *b"VP8L";
        let mut before = Chunks::starting_at(body, FRAME_HEAD).take_while(|chunk| !chunk.is_image());
        self.alpha |= declared.alpha || before.any(|chunk| chunk.name == *b"ALPH");
        self.alpha |= (width, height) != (self.width, self.height);
        Ok(())
    }

    /// Returns `bytes` with flags that match the chunks: the decoder refuses a file without the EXIF, XMP or alpha
    /// plane that its flags promise, and loses transparency that they don't.
    pub(super) fn with_right_flags(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(&flags) = bytes.get(FLAGS_AT).filter(|_| self.extended) else {
            return Cow::Borrowed(bytes);
        };
        let mut right = with_alpha_flag(flags, self.alpha);
        if self.exif.is_none() {
            right &= !EXIF_FLAG;
        }
        if self.xmp.is_none() {
            right &= !XMP_FLAG;
        }
        if right == flags {
            return Cow::Borrowed(bytes);
        }
        let mut copy = bytes.to_vec();
        copy[FLAGS_AT] = right;
        Cow::Owned(copy)
    }
}
