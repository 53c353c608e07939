//! Reads the first directory of a TIFF (TIFF 6.0 s2; BigTIFF): its entries, and their values when they are asked for.

use crate::codec::bytes::{slice, u16_be, u16_le, u32_be, u32_le};

/// Kinds of values (TIFF 6.0 s2; BigTIFF): BYTE, SHORT, LONG, IFD, LONG8 and IFD8.
const UNSIGNED: [u16; 6] = [1, 3, 4, 13, 16, 18];
const RATIONAL: u16 = 5;
/// Maximum number of entries that are read. Real directories have about 40.
const MAX_ENTRIES: u64 = 4096;

/// How the file stores numbers.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    is_little_endian: bool,
    /// Whether the file is a BigTIFF, with offsets and counts of 64 bits.
    is_big: bool,
}

/// The entries of the first directory.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    numbers: Numbers,
    entries: Vec<Entry>,
}

/// A tag and the position of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub tag: u16,
    kind: u16,
    /// Number of values that the entry declares.
    pub count: u64,
    /// Position of the field that holds the values, or their offset when they do not fit.
    field: usize,
}

impl<'a> Directory<'a> {
    /// Reads the entries. Returns `None` when there is no complete directory.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Directory<'a>> {
        let is_little_endian = bytes.starts_with(b"II");
        let magic = Numbers { is_little_endian, is_big: false }.short(bytes, 2)?;
        let numbers = Numbers { is_little_endian, is_big: magic == 43 };
        let start = usize::try_from(numbers.offset(bytes, if numbers.is_big { 8 } else { 4 })?).ok()?;
        let (count, head, size) = match numbers.is_big {
            true => (numbers.offset(bytes, start)?, 8, 20),
            false => (numbers.short(bytes, start)?.into(), 2, 12),
        };
        let first = start.checked_add(head)?;
        let entries = (0..count.min(MAX_ENTRIES) as usize).map(|index| {
            let at = first.checked_add(index * size)?;
            numbers.entry(slice(bytes, at, size)?, at)
        });
        Some(Directory { bytes, numbers, entries: entries.collect::<Option<_>>()? })
    }

    /// Bytes of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether numbers are stored with their lowest byte first.
    pub(super) fn is_little_endian(&self) -> bool {
        self.numbers.is_little_endian
    }

    /// Whether the first page has `tag`.
    pub(super) fn has(&self, tag: u16) -> bool {
        self.entry(tag).is_some()
    }

    /// Returns the first value of `tag`, when it is an unsigned whole number.
    pub(super) fn number(&self, tag: u16) -> Option<u64> {
        self.unsigned(tag)?.next()
    }

    /// Returns all values of `tag`, when they are unsigned whole numbers and all there.
    pub(super) fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        Some(self.unsigned(tag)?.collect())
    }

    /// Returns all values of `tag`, when they are unsigned fractions and all there.
    pub(super) fn fractions(&self, tag: u16) -> Option<Vec<f64>> {
        let entry = self.entry(tag).filter(|entry| entry.kind == RATIONAL)?;
        let fraction = |pair: &[u8]| {
            let (over, under) = (self.numbers.long(pair, 0)?, self.numbers.long(pair, 4)?);
            (under > 0).then(|| f64::from(over) / f64::from(under))
        };
        self.values_of(&entry)?.chunks_exact(8).map(fraction).collect()
    }

    fn unsigned(&self, tag: u16) -> Option<impl Iterator<Item = u64>> {
        let entry = self.entry(tag).filter(|entry| UNSIGNED.contains(&entry.kind))?;
        let size = value_bytes(entry.kind) as usize;
        Some(self.values_of(&entry)?.chunks_exact(size).map(|value| self.whole(value)))
    }

    /// Returns the unsigned number of 1, 2, 4 or 8 bytes in `value`.
    fn whole(&self, value: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.numbers.is_little_endian { value.iter().rev().fold(0, add) } else { value.iter().fold(0, add) }
    }

    /// Returns the values of a tag whose values are bytes.
    pub(super) fn bytes_of(&self, tag: u16) -> Option<&'a [u8]> {
        self.values_of(&self.entry(tag).filter(|entry| value_bytes(entry.kind) == 1)?)
    }

    /// Returns all values of `entry` as stored in the file, or `None` when they are not all there.
    pub(super) fn values_of(&self, entry: &Entry) -> Option<&'a [u8]> {
        let length = usize::try_from(entry.count.checked_mul(value_bytes(entry.kind))?).ok()?;
        let stands_here = length <= if self.numbers.is_big { 8 } else { 4 };
        let at =
            if stands_here { entry.field } else { self.numbers.offset(self.bytes, entry.field)?.try_into().ok()? };
        slice(self.bytes, at, length)
    }

    fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }
}

/// Returns the bytes of a value of this kind (TIFF 6.0 s2; BigTIFF).
fn value_bytes(kind: u16) -> u64 {
    match kind {
        // SHORT, SSHORT
        3 | 8 => 2,
        // LONG, SLONG, FLOAT, IFD
        4 | 9 | 11 | 13 => 4,
        // RATIONAL, SRATIONAL, DOUBLE, LONG8, SLONG8, IFD8
        5 | 10 | 12 | 16..=18 => 8,
        // BYTE, ASCII, SBYTE, UNDEFINED, and unknown kinds
        _ => 1,
    }
}

impl Numbers {
    /// Reads an entry from `bytes`, which lie at `at` in the file.
    fn entry(self, bytes: &[u8], at: usize) -> Option<Entry> {
        let (tag, kind, count) = (self.short(bytes, 0)?, self.short(bytes, 2)?, self.offset(bytes, 4)?);
        Some(Entry { tag, kind, count, field: at + if self.is_big { 12 } else { 8 } })
    }

    fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        if self.is_little_endian { u16_le(bytes, at) } else { u16_be(bytes, at) }
    }

    fn long(self, bytes: &[u8], at: usize) -> Option<u32> {
        if self.is_little_endian { u32_le(bytes, at) } else { u32_be(bytes, at) }
    }

    /// Reads an offset or a large count: 32 bits, or 64 in a BigTIFF.
    fn offset(self, bytes: &[u8], at: usize) -> Option<u64> {
        if !self.is_big {
            return self.long(bytes, at).map(u64::from);
        }
        let (first, second) = (u64::from(self.long(bytes, at)?), u64::from(self.long(bytes, at.checked_add(4)?)?));
        Some(if self.is_little_endian { second << 32 | first } else { first << 32 | second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of one entry, with big-endian numbers, and the values after it.
    fn file(is_big: bool, kind: u16, values: &[u8]) -> Vec<u8> {
        let count = values.len() as u64;
        let short = |value: u16| value.to_be_bytes().to_vec();
        let wide =
            |value: u64| if is_big { value.to_be_bytes().to_vec() } else { (value as u32).to_be_bytes().to_vec() };
        let (head, entries) = if is_big {
            ([short(43), short(8), short(0), wide(16)].concat(), wide(1))
        } else {
            ([short(42), wide(8)].concat(), short(1))
        };
        let end = if is_big { 16 + 8 + 20 } else { 8 + 2 + 12 };
        [b"MM".to_vec(), head, entries, short(700), short(kind), wide(count), wide(end), values.to_vec()].concat()
    }

    #[test]
    fn bytes_are_found_where_their_entry_says() {
        for is_big in [false, true] {
            let file = file(is_big, 7, b"a packet of XMP");
            let directory = Directory::read(&file).unwrap();
            assert_eq!(directory.bytes_of(700), Some(&b"a packet of XMP"[..]));
            assert_eq!(directory.bytes_of(701), None);
            assert!(
                (0..file.len())
                    .all(|length| Directory::read(&file[..length]).is_none_or(|cut| cut.bytes_of(700).is_none()))
            );
        }
    }

    #[test]
    fn numbers_are_no_bytes() {
        let file = file(false, 3, &[1; 9]);
        assert_eq!(Directory::read(&file).unwrap().bytes_of(700), None);
    }
}
