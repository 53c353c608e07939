//! The file as the decoder has to see it: only the chunks that pixels depend on, whole, in order, and with an end.
//!
//! The decoder refuses files for ancillary chunks that no pixel depends on, and for an end that is missing.

use std::collections::HashSet;

use super::chunks::{Chunk, Chunks, SIGNATURE};
use super::header::Header;
use crate::codec::{DecodeError, Format, undecodable, unsupported};

/// The header of a zlib stream without a dictionary (RFC 1950), which Apple's variant leaves out.
const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];

/// Bytes that are inflated at a time in a file that is cut.
const INFLATED_AT_ONCE: usize = 4 << 10;

/// A PNG of plain chunks.
pub(super) struct Plain {
    pub file: Vec<u8>,
    /// In a file that ends before its end chunk: the number of rows that are there, of all passes together.
    pub rows_of_cut: Option<usize>,
    /// Whether samples are in the order blue, green, red and multiplied by alpha, as Apple's tools write them for
    /// their own phones (CgBI).
    pub is_apples: bool,
    /// Whether other readers may see other pixels in the file, or none.
    pub is_repaired: bool,
}

impl Plain {
    /// Copies the chunks that pixels depend on. In a file that is cut, zeros take the place of the pixels that are
    /// missing.
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] for a critical chunk that is unknown: without it the pixels are others.
    /// [`DecodeError::Undecodable`] for a palette without entries, with a part of one, or with too many.
    pub(super) fn new(bytes: &[u8], header: &Header<'_>) -> Result<Plain, DecodeError> {
        let mut plain = Plain { file: SIGNATURE.to_vec(), rows_of_cut: None, is_apples: false, is_repaired: false };
        let mut pixels: Vec<Chunk<'_>> = Vec::new();
        let mut seen: HashSet<[u8; 4]> = HashSet::new();
        for chunk in Chunks::cut(bytes) {
            let is_wanted = seen.insert(chunk.name) && pixels.is_empty() && chunk.is_complete();
            match &chunk.name {
                b"IDAT" => pixels.push(chunk),
                b"CgBI" => plain.is_apples = true,
                b"PLTE" if is_wanted && header.colour_type == 3 && !is_palette(chunk.payload()) => {
                    return Err(undecodable(Format::Png, "its palette does not have 1 to 256 whole entries"));
                }
                // One for a picture of other colours is a suggestion.
                b"PLTE" if !is_palette(chunk.payload()) => {}
                b"IHDR" | b"PLTE" if is_wanted => plain.add(chunk.name, chunk.payload(), chunk.checksum()),
                b"tRNS" if is_wanted && chunk.is_sound() => plain.add_transparency(header, chunk.payload()),
                b"IHDR" => plain.is_repaired = true,
                b"PLTE" | b"IEND" => {}
                // The first frame has the size of the picture, where it is the picture (s11.3.6.2). Readers differ on
                // others.
                b"fcTL" if pixels.is_empty() => plain.is_repaired |= !header.is_covered_by(chunk.payload()),
                [b'A'..=b'Z', ..] if chunk.is_complete() => {
                    return Err(unsupported("PNG with a critical chunk of an unknown kind"));
                }
                _ => {}
            }
        }
        plain.add_pixels(&pixels, header);
        plain.add(*b"IEND", &[], None);
        plain.is_repaired |= header.is_cut || plain.is_apples;
        Ok(plain)
    }

    fn add_pixels(&mut self, pixels: &[Chunk<'_>], header: &Header<'_>) {
        if header.is_cut {
            let zlib_header = if self.is_apples { &ZLIB_HEADER[..] } else { &[] };
            let stored = [zlib_header].into_iter().chain(pixels.iter().map(Chunk::payload));
            let (samples, there) = inflate_cut(stored, header.filtered_bytes());
            let rows = header.whole_rows(there);
            self.rows_of_cut = Some(rows);
            if header.is_half(rows) {
                self.add(*b"IDAT", &fdeflate::compress_to_vec(&samples), None);
            }
            return;
        }
        for (index, chunk) in pixels.iter().enumerate() {
            match index == 0 && self.is_apples {
                true => self.add(chunk.name, &[&ZLIB_HEADER[..], chunk.payload()].concat(), None),
                false => self.add(chunk.name, chunk.payload(), chunk.checksum()),
            }
        }
    }

    /// Adds a chunk with the checksum of the file, or with the right one.
    fn add(&mut self, name: [u8; 4], payload: &[u8], checksum: Option<&[u8]>) {
        let start = self.file.len();
        self.file.extend((payload.len() as u32).to_be_bytes());
        self.file.extend(name);
        self.file.extend(payload);
        let right = crc32fast::hash(&self.file[start + 4..]).to_be_bytes();
        self.file.extend(checksum.unwrap_or(&right));
    }

    /// Adds the transparent colour with only the bits that samples have: "only the least significant bits are used"
    /// (W3C PNG s11.3.1.1). A chunk that does not fit the pixels is left out.
    fn add_transparency(&mut self, header: &Header<'_>, body: &[u8]) {
        let samples = match header.colour_type {
            0 => 1,
            2 => 3,
            3 => return self.add(*b"tRNS", body, None),
            _ => return,
        };
        let Some(body) = body.get(..samples * 2) else { return };
        let mask = u16::MAX >> (16 - u32::from(header.bit_depth.clamp(1, 16)));
        let masked = |pair: &[u8]| (u16::from_be_bytes([pair[0], pair[1]]) & mask).to_be_bytes();
        let colour: Vec<u8> = body.chunks_exact(2).flat_map(masked).collect();
        self.is_repaired |= colour != body;
        self.add(*b"tRNS", &colour, None);
    }
}

/// Whether a chunk holds 1 to 256 whole entries (W3C PNG s11.2.2).
fn is_palette(payload: &[u8]) -> bool {
    payload.len().is_multiple_of(3) && (3..=768).contains(&payload.len())
}

/// Inflates as much of `parts` as there is to a buffer of `length` zeros. Returns it, and how many bytes are there.
fn inflate_cut<'a>(parts: impl Iterator<Item = &'a [u8]>, length: usize) -> (Vec<u8>, usize) {
    let mut bytes = vec![0; length];
    let mut decompressor = fdeflate::Decompressor::new();
    decompressor.ignore_adler32();
    let mut there = 0;
    for mut part in parts.flat_map(|part| part.chunks(INFLATED_AT_ONCE)) {
        while !part.is_empty() {
            let Ok((read, written)) = decompressor.read(part, &mut bytes, there, false) else {
                bytes[there..].fill(0);
                return (bytes, there);
            };
            there += written;
            part = &part[read..];
            if read + written == 0 {
                break;
            }
        }
    }
    (bytes, there)
}
