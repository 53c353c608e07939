//! Reads a PNG from chunk to chunk (W3C, third edition, section 5).

use crate::codec::bytes::{slice, u32_be};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Bytes of a chunk besides its payload: length, name and checksum.
pub(super) const FRAME: usize = 12;

/// Bytes of a chunk's checksum, which is its end.
const CHECKSUM: usize = 4;

/// A chunk.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub name: [u8; 4],
    /// Bytes of the payload.
    size: u32,
    /// Length, name, payload and checksum. The end of the file may cut off as much as the reader allows.
    pub bytes: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub(super) fn payload(&self) -> &'a [u8] {
        &self.bytes[8..self.bytes.len().min(8 + self.size as usize)]
    }

    /// Returns the checksum, or `None` where the file ends before it does.
    pub(super) fn checksum(&self) -> Option<&'a [u8]> {
        slice(self.bytes, 8 + self.size as usize, CHECKSUM)
    }

    /// Whether the payload and the checksum are complete.
    pub(super) fn is_complete(&self) -> bool {
        self.bytes.len() == FRAME + self.size as usize
    }

    /// Whether the checksum is there and right.
    pub(super) fn is_sound(&self) -> bool {
        let checked = || &self.bytes[4..self.bytes.len() - CHECKSUM];
        self.checksum().is_some_and(|checksum| crc32fast::hash(checked()).to_be_bytes() == checksum)
    }
}

/// The chunks of a file in order, up to IEND or the first damaged one.
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
    /// Bytes at its end that a chunk may lack.
    max_missing: usize,
}

impl<'a> Chunks<'a> {
    /// Reads all that is there. The checksum of the last chunk may be cut off.
    pub(super) fn lenient(file: &'a [u8]) -> Chunks<'a> {
        Chunks { rest: file.get(SIGNATURE.len()..).unwrap_or_default(), max_missing: CHECKSUM }
    }

    /// Reads all that is there. The last chunk may be cut off anywhere after its name.
    pub(super) fn cut(file: &'a [u8]) -> Chunks<'a> {
        Chunks { max_missing: usize::MAX, ..Chunks::lenient(file) }
    }

    /// Stops at a chunk that is not complete. Returns `None` when the file does not start with the signature and IHDR.
    pub(super) fn strict(file: &'a [u8]) -> Option<Chunks<'a>> {
        let rest = file.strip_prefix(SIGNATURE)?;
        (slice(rest, 4, 4)? == b"IHDR").then_some(Chunks { rest, max_missing: 0 })
    }

    /// Returns the chunks of a file that is complete up to IEND.
    pub(super) fn of_whole(file: &'a [u8]) -> Option<Vec<Chunk<'a>>> {
        let chunks: Vec<_> = Chunks::strict(file)?.collect();
        (chunks.last()?.name == *b"IEND").then_some(chunks)
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let size = u32_be(self.rest, 0)?;
        let name = slice(self.rest, 4, 4)?.try_into().ok()?;
        let length = FRAME.saturating_add(size as usize);
        let (bytes, rest) = self.rest.split_at(self.rest.len().min(length));
        let chunk = Chunk { name, size, bytes };
        self.rest = if chunk.name == *b"IEND" { &[] } else { rest };
        (length - bytes.len() <= self.max_missing).then_some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\x01IHDRx....\0\0\0\0IEND....\0\0\0\0tEXt....";

    #[test]
    fn nothing_after_the_end_is_read() {
        let names: Vec<_> = Chunks::lenient(FILE).map(|chunk| chunk.name).collect();
        assert_eq!(names, [*b"IHDR", *b"IEND"]);
        assert_eq!(Chunks::of_whole(FILE).map(|chunks| chunks.len()), Some(2));
    }

    #[test]
    fn a_payload_may_be_cut_where_the_reader_allows_it() {
        let file = b"\x89PNG\r\n\x1A\n\0\0\0\x03IDATab";
        let chunk = Chunks::cut(file).next().unwrap();
        assert_eq!((chunk.payload(), chunk.checksum(), chunk.is_complete()), (&b"ab"[..], None, false));
        assert_eq!(Chunks::lenient(file).count(), 0);
    }

    #[test]
    fn only_the_lenient_reader_takes_a_chunk_without_its_checksum() {
        for cut in 1..=4 {
            let file = &FILE[..FILE.len() - 12 - cut];
            assert_eq!(Chunks::lenient(file).count(), 2, "{cut}");
            assert_eq!(Chunks::strict(file).map(Iterator::count), Some(1), "{cut}");
            assert!(Chunks::of_whole(file).is_none(), "{cut}");
        }
    }
}
