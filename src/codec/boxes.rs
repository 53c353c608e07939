//! Reads and writes the boxes of an ISO-BMFF file (ISO/IEC 14496-12, s4.2): AVIF, HEIC, JPEG XL. Sizes in the file may
//! be wrong.

use std::ops::Range;

use crate::codec::bytes::{slice, u32_be};

/// Maximum number of boxes read on one level of a damaged file. Real files have a few dozen.
const MAX_BOXES: usize = 10_000;

/// Size of a box header in bytes, when the box size has 32 bits.
pub(super) const BOX_HEAD: usize = 8;

/// The position of a box in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub kind: [u8; 4],
    pub start: usize,
    /// Bytes before the payload: 8, or 16 when the size has 64 bits.
    pub head: usize,
    pub end: usize,
}

impl Bounds {
    /// Returns the bytes of the whole box.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Returns the bytes after the header of the box.
    pub(super) fn payload(&self) -> Range<usize> {
        self.start + self.head..self.end
    }

    /// Adds `extra` to the size that the box declares in `file`. Returns `None` when the sum does not fit its field.
    pub(super) fn grow(&self, file: &mut [u8], extra: usize) -> Option<()> {
        let field = if self.head == 16 { self.start + 8..self.start + 16 } else { self.start..self.start + 4 };
        let field = file.get_mut(field)?;
        let size = number(field, 0, field.len())?;
        // A size of 0 means up to the end of the file, so it stays correct.
        if size > 0 {
            let grown =
                size.checked_add(extra as u64).filter(|grown| field.len() == 8 || *grown <= u64::from(u32::MAX))?;
            let width = field.len();
            field.copy_from_slice(&grown.to_be_bytes()[8 - width..]);
        }
        Some(())
    }
}

/// Returns the boxes that fill `range` of `file`, or `None` when they do not fill it.
pub(super) fn boxes(file: &[u8], range: Range<usize>) -> Option<Vec<Bounds>> {
    let mut boxes = Boxes { bytes: file.get(..range.end)?, at: range.start };
    let mut found = Vec::new();
    while boxes.at < range.end {
        found.push(boxes.next()?);
    }
    Some(found)
}

/// Returns the kind and payload of each box of `bytes`, up to the first damaged one.
pub(super) fn payloads(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let boxes = Boxes { bytes, at: 0 }.take(MAX_BOXES);
    boxes.map(|bounds| (bounds.kind, &bytes[bounds.payload()]))
}

/// Returns the payload of the first box of this kind.
pub(super) fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    payloads(bytes).find(|(found, _)| found == kind).map(|(_, payload)| payload)
}

/// Returns a box of this kind around the parts of its payload. Returns `None` when its size does not fit 32 bits.
pub(super) fn boxed(kind: &[u8; 4], payload: &[&[u8]]) -> Option<Vec<u8>> {
    let payload = payload.concat();
    let size = u32::try_from(BOX_HEAD + payload.len()).ok()?;
    Some([&size.to_be_bytes()[..], kind, &payload].concat())
}

/// Returns the EXIF block of an Exif item or box. It starts with the offset of the TIFF header, counted from the end of
/// that offset, and the block follows (ISO/IEC 23008-12, A.2.1; 18181-2).
pub(super) fn exif_of(item: &[u8]) -> Option<&[u8]> {
    item.get(4_usize.checked_add(u32_be(item, 0)? as usize)?..)
}

/// The boxes of `bytes` in order, up to the first damaged one. A box of size 0 reaches to the end of `bytes`.
struct Boxes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Boxes<'_> {
    type Item = Bounds;

    fn next(&mut self) -> Option<Bounds> {
        let start = self.at;
        let kind = slice(self.bytes, start + 4, 4)?.try_into().ok()?;
        let (head, size) = match u32_be(self.bytes, start)? {
            0 => (8, self.bytes.len() - start),
            1 => (16, usize::try_from(number(self.bytes, start + 8, 8)?).ok()?),
            size => (8, size as usize),
        };
        let end = start.checked_add(size).filter(|end| size >= head && *end <= self.bytes.len())?;
        self.at = end;
        Some(Bounds { kind, start, head, end })
    }
}

/// Reads `size` bytes at `at` as a big-endian number, at most 8. A number of 0 bytes is 0.
pub(super) fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    if size > 8 {
        return None;
    }
    Some(slice(bytes, at, size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Reads big-endian numbers one after another.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl Cursor<'_> {
    /// Reads the next number of `size` bytes.
    pub(super) fn number(&mut self, size: usize) -> Option<u64> {
        let number = number(self.bytes, self.at, size)?;
        self.at += size;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_found_up_to_the_first_damaged_one() {
        let cut = b"\0\0\0\x09abcd1\0\0\0\x01efgh\0\0\0\0\0\0\0\x1223\0\0\0\x09ijkl";
        let found: Vec<_> = payloads(cut).collect();
        assert_eq!(found, [(*b"abcd", &b"1"[..]), (*b"efgh", b"23")]);
        assert_eq!(boxes(cut, 0..cut.len()), None);
        assert_eq!(boxes(cut, 0..27).map(|found| found.len()), Some(2));
    }

    #[test]
    fn a_box_without_a_size_reaches_to_the_end() {
        assert_eq!(find(b"\0\0\0\0mdatrest", b"mdat"), Some(&b"rest"[..]));
    }
}
