//! Reads a WebP from chunk to chunk (RFC 9649, section 2).

use crate::codec::bytes::{slice, u16_le, u32_le};

/// Bytes before the first chunk: "RIFF", the size of the rest of the file, "WEBP".
pub(super) const FILE_HEAD: usize = 12;
/// Bytes of a chunk before its payload: name and size.
pub(super) const CHUNK_HEAD: usize = 8;

/// Flags of VP8X (RFC 9649 s2.7.1).
pub(super) const ALPHA_FLAG: u8 = 0x10;
pub(super) const EXIF_FLAG: u8 = 0x08;
pub(super) const XMP_FLAG: u8 = 0x04;
pub(super) const ANIMATION_FLAG: u8 = 0x02;

/// Returns the flags of VP8X with that for alpha as it should be.
pub(super) fn with_alpha_flag(flags: u8, alpha: bool) -> u8 {
    if alpha { flags | ALPHA_FLAG } else { flags & !ALPHA_FLAG }
}

/// A chunk without its header and padding byte.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub name: [u8; 4],
    /// The part of its payload that exists.
    pub payload: &'a [u8],
    /// Whether the whole payload exists.
    pub is_complete: bool,
}

/// The size that a coded image declares, and whether it has alpha.
pub(super) struct Bitstream {
    pub width: u32,
    pub height: u32,
    pub alpha: bool,
}

impl Chunk<'_> {
    /// Whether it holds a coded image, lossy or lossless.
    pub(super) fn is_image(&self) -> bool {
        matches!(&self.name, b"VP8 " | b"VP8L")
    }

    /// Reads what a coded image declares (RFC 6386 s9.1, RFC 9649 s3.4).
    pub(super) fn bitstream(&self) -> Option<Bitstream> {
        if self.name == *b"VP8L" {
            let bits = u32_le(self.payload, 1).filter(|_| self.payload[0] == 0x2F)?;
            let (width, height) = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
            return Some(Bitstream { width, height, alpha: bits >> 28 & 1 == 1 });
        }
        let (width, height) = (u16_le(self.payload, 6)?, u16_le(self.payload, 8)?);
        let (width, height) = (u32::from(width & 0x3FFF), u32::from(height & 0x3FFF));
        Some(Bitstream { width, height, alpha: false })
    }
}

/// The chunks of a file or of a frame in order, up to the end of the bytes.
pub(super) struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Chunks<'a> {
    /// Reads the chunks of `bytes` from `at` on. Looks at no size but theirs.
    pub(super) fn starting_at(bytes: &'a [u8], at: usize) -> Chunks<'a> {
        Chunks { bytes, at }
    }

    /// Returns the chunks inside the size that RIFF declares, or `None` when their sizes do not add up to it.
    pub(super) fn of_riff(file: &'a [u8]) -> Option<Vec<Chunk<'a>>> {
        if !file.starts_with(b"RIFF") || slice(file, 8, 4)? != b"WEBP" {
            return None;
        }
        let riff = slice(file, 0, CHUNK_HEAD.checked_add(u32_le(file, 4)? as usize)?)?;
        let (mut chunks, mut found) = (Chunks::starting_at(riff, FILE_HEAD), Vec::new());
        while chunks.at < riff.len() {
            found.push(chunks.next().filter(|chunk| chunk.is_complete)?);
        }
        Some(found)
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let name = slice(self.bytes, self.at, 4)?.try_into().ok()?;
        let size = u32_le(self.bytes, self.at + 4)? as usize;
        let rest = self.bytes.get(self.at + CHUNK_HEAD..)?;
        // An odd payload is followed by a padding byte.
        self.at = self.at.checked_add(CHUNK_HEAD)?.checked_add(size)?.checked_add(size & 1)?;
        Some(Chunk { name, payload: &rest[..size.min(rest.len())], is_complete: size <= rest.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_payload_is_read_but_makes_no_whole_file() {
        let whole = b"RIFF\x16\0\0\0WEBPodd \x01\0\0\0a\0even\0\0\0\0";
        let names = |file| Chunks::starting_at(file, FILE_HEAD).map(|chunk| chunk.name).collect::<Vec<_>>();
        assert_eq!(names(whole), [*b"odd ", *b"even"]);
        assert_eq!(Chunks::of_riff(whole).map(|chunks| chunks.len()), Some(2));
        let mut longer = whole.to_vec();
        longer[26] = 9;
        assert_eq!(names(&longer), [*b"odd ", *b"even"]);
        assert!(Chunks::of_riff(&longer).is_none());
        assert!(Chunks::of_riff(&whole[..whole.len() - 1]).is_none());
    }
}
