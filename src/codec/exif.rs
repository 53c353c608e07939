//! Reads and writes the few EXIF fields that bytefit uses: orientation, density, author and rights.
//!
//! Only the first directory (IFD0) is read, where TIFF 6.0 and EXIF 2.32 put these fields. Offsets and counts in the
//! file may be wrong.

mod density;
mod thumbnail;

use std::borrow::Cow;
use std::ops::Range;

use super::rights::{Right, Rights, text};
use crate::picture::Orientation;
use density::RATIONAL;
pub use density::{density, only_density, with_density, with_density_corrected};
pub use thumbnail::without_thumbnail;

/// Tags of TIFF 6.0, section 8.
const ORIENTATION: u16 = 0x0112;
const ARTIST: u16 = 0x013B;
const COPYRIGHT: u16 = 0x8298;
/// The author field of Windows, in UTF-16 (Microsoft, "Photo Metadata Policies").
const WINDOWS_AUTHOR: u16 = 0x9C9D;

/// Value types of TIFF 6.0, section 2, and the one added by EXIF 3.0.
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const UTF8: u16 = 129;

/// Returns the orientation in `exif`, which starts at its TIFF header. Returns upright when there is none.
pub fn orientation(exif: &[u8]) -> Orientation {
    let Some(block) = Block::open(exif) else { return Orientation::Upright };
    let value = block.fields().find(|field| field.tag == ORIENTATION).and_then(|field| block.number(&field));
    value.map_or(Orientation::Upright, Orientation::from_exif)
}

/// Returns `exif` with its orientation and that of its thumbnail set to 1 (upright). Everything else stays the same.
pub fn upright(exif: &[u8]) -> Vec<u8> {
    let mut turned = exif.to_vec();
    let Some(block) = Block::open(exif) else { return turned };
    for field in block.fields().chain(block.thumbnail_fields()).filter(|field| field.tag == ORIENTATION) {
        if let Some(value) = block.number_range(&field) {
            let one = block.order.one(value.len());
            turned[value].copy_from_slice(one);
        }
    }
    turned
}

/// Returns an EXIF block with only the Artist and Copyright of `exif`, or `None` when it has neither.
pub fn copyright(exif: &[u8]) -> Option<Vec<u8>> {
    owned(Some(exif), &Rights::default(), Orientation::Upright)
}

/// Returns an EXIF block with only this orientation.
pub fn only_orientation(orientation: Orientation) -> Vec<u8> {
    written(&[orientation_field(orientation)]).expect("there is one field to write")
}

/// Returns a block with this orientation unless it is upright, and with the Artist and Copyright of `exif`, or of
/// `rights` when `exif` has none. Returns `None` when the block would be empty.
pub fn owned(exif: Option<&[u8]>, rights: &Rights, orientation: Orientation) -> Option<Vec<u8>> {
    let block = exif.and_then(Block::open);
    let mut fields = Vec::new();
    if orientation != Orientation::Upright {
        fields.push(orientation_field(orientation));
    }
    for (tag, right) in [(ARTIST, Right::Creator), (COPYRIGHT, Right::Notice)] {
        let stored = block.as_ref().and_then(|block| text_field(block, tag));
        fields.extend(stored.or_else(|| joined_field(tag, rights.values(right))));
    }
    written(&fields)
}

/// Returns the rights in `exif`: Artist (or Windows' author) and Copyright.
pub fn rights(exif: &[u8]) -> Rights {
    let mut rights = Rights::default();
    let Some(block) = Block::open(exif) else { return rights };
    let value = |tag| block.fields().find(|field| field.tag == tag).and_then(|field| block.text(&field));
    rights.add(Right::Creator, value(ARTIST).map(text));
    rights.add(Right::Creator, block.windows_author());
    // The photographer's and the editor's notice, separated by a NUL (EXIF 2.32 s4.6.5).
    let notices = value(COPYRIGHT).map(|value| text(value).trim_matches('\0').replace('\0', "; "));
    rights.add(Right::Notice, notices);
    rights
}

/// Returns the bytes of one unit of a value type, or `None` for types that this module never reads.
fn unit_bytes(kind: u16) -> Option<usize> {
    match kind {
        BYTE | ASCII | UTF8 => Some(1),
        SHORT => Some(2),
        LONG => Some(4),
        RATIONAL => Some(8),
        _ => None,
    }
}

/// The byte order declared by the TIFF header.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn number(self, bytes: &[u8]) -> u32 {
        let append = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        match self {
            Order::Little => bytes.iter().rev().fold(0, append),
            Order::Big => bytes.iter().fold(0, append),
        }
    }

    /// Returns the number 1 in `size` bytes, at most 4.
    fn one(self, size: usize) -> &'static [u8] {
        match self {
            Order::Little => &[1, 0, 0, 0][..size],
            Order::Big => &[0, 0, 0, 1][4 - size..],
        }
    }
}

/// An EXIF block with a valid header.
struct Block<'a> {
    bytes: &'a [u8],
    order: Order,
}

/// An entry of IFD0.
struct Field {
    tag: u16,
    kind: u16,
    /// Number of units, not of bytes.
    count: u32,
    /// The position of the four bytes that hold the value or its offset.
    slot: usize,
}

/// Bytes of an entry (TIFF 6.0, section 2).
const ENTRY_BYTES: usize = 12;

impl<'a> Block<'a> {
    fn open(bytes: &'a [u8]) -> Option<Block<'a>> {
        let order = match bytes.get(..4)? {
            b"II*\0" => Order::Little,
            b"MM\0*" => Order::Big,
            _ => return None,
        };
        Some(Block { bytes, order })
    }

    /// Returns the entries of IFD0 that lie inside the block: at most 65,535, because their count has 16 bits.
    fn fields(&self) -> impl Iterator<Item = Field> {
        self.fields_at(self.read(4, 4))
    }

    /// Returns the entries of IFD1, which describes the thumbnail.
    fn thumbnail_fields(&self) -> impl Iterator<Item = Field> {
        self.fields_at(self.thumbnail_link().and_then(|link| self.read(link, 4)))
    }

    /// Returns the position of the offset of IFD1. Returns `None` when there is no IFD1.
    fn thumbnail_link(&self) -> Option<usize> {
        let first = self.read(4, 4)? as usize;
        let entries = self.read(first, 2)? as usize;
        let link = first.checked_add(2 + entries * ENTRY_BYTES)?;
        self.read(link, 4).filter(|offset| *offset > 0).map(|_| link)
    }

    fn fields_at(&self, offset: Option<u32>) -> impl Iterator<Item = Field> {
        let directory = offset.map_or(usize::MAX, |offset| offset as usize);
        let count = self.read(directory, 2).unwrap_or(0) as usize;
        (0..count).map_while(move |index| {
            let entry = directory.checked_add(2 + index * ENTRY_BYTES)?;
            Some(Field {
                tag: self.read(entry, 2)? as u16,
                kind: self.read(entry + 2, 2)? as u16,
                count: self.read(entry + 4, 4)?,
                slot: entry.checked_add(8).filter(|slot| slot + 4 <= self.bytes.len())?,
            })
        })
    }

    /// Reads the number of `size` bytes (at most 4) at `at`.
    fn read(&self, at: usize, size: usize) -> Option<u32> {
        Some(self.order.number(self.bytes.get(at..at.checked_add(size)?)?))
    }

    /// Returns the range of the value of `field`: in its slot when it fits there, otherwise where the slot points.
    fn value_range(&self, field: &Field) -> Option<Range<usize>> {
        let size = unit_bytes(field.kind)?.checked_mul(usize::try_from(field.count).ok()?)?;
        let start = if size <= 4 { field.slot } else { self.read(field.slot, 4)? as usize };
        let range = start..start.checked_add(size)?;
        self.bytes.get(range.clone()).map(|_| range)
    }

    /// Returns the range of the first number of `field`, when it has one.
    fn number_range(&self, field: &Field) -> Option<Range<usize>> {
        if !matches!(field.kind, BYTE | SHORT | LONG) || field.count == 0 {
            return None;
        }
        let start = self.value_range(field)?.start;
        Some(start..start + unit_bytes(field.kind)?)
    }

    fn number(&self, field: &Field) -> Option<u32> {
        self.number_range(field).map(|range| self.order.number(&self.bytes[range]))
    }

    /// Returns the bytes of a text including its closing NUL. Returns `None` when it is blank, as cameras write it by
    /// default.
    fn text(&self, field: &Field) -> Option<&'a [u8]> {
        if !matches!(field.kind, ASCII | UTF8) {
            return None;
        }
        let text = &self.bytes[self.value_range(field)?];
        text.iter().any(|byte| !matches!(byte, 0 | b' ')).then_some(text)
    }

    fn windows_author(&self) -> Option<String> {
        let field = self.fields().find(|field| field.tag == WINDOWS_AUTHOR && field.kind == BYTE)?;
        let bytes = &self.bytes[self.value_range(&field)?];
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        Some(String::from_utf16_lossy(&units))
    }
}

/// A field to write. Texts keep their bytes; numbers are little-endian.
struct Written<'a> {
    tag: u16,
    kind: u16,
    count: u32,
    value: Cow<'a, [u8]>,
}

fn orientation_field(orientation: Orientation) -> Written<'static> {
    let value = orientation.to_exif().to_le_bytes().to_vec();
    Written { tag: ORIENTATION, kind: SHORT, count: 1, value: Cow::Owned(value) }
}

/// Returns the first text of this tag, byte for byte.
fn text_field<'a>(block: &Block<'a>, tag: u16) -> Option<Written<'a>> {
    let field = block.fields().find(|field| field.tag == tag)?;
    let value = Cow::Borrowed(block.text(&field)?);
    Some(Written { tag, kind: field.kind, count: field.count, value })
}

/// Returns a text that joins several values. Letters beyond ASCII are written as UTF-8, which readers expect.
fn joined_field(tag: u16, values: &[String]) -> Option<Written<'static>> {
    if values.is_empty() {
        return None;
    }
    let value = [values.join("; ").as_bytes(), &[0]].concat();
    Some(Written { tag, kind: ASCII, count: u32::try_from(value.len()).ok()?, value: Cow::Owned(value) })
}

/// Returns a little-endian block of one directory with `fields`, which are ordered by tag. Returns `None` when there
/// are no fields, because TIFF 6.0 requires at least one.
fn written(fields: &[Written]) -> Option<Vec<u8>> {
    const DIRECTORY: usize = 8;
    if fields.is_empty() {
        return None;
    }
    let mut values_at = DIRECTORY + 2 + fields.len() * ENTRY_BYTES + 4;
    let mut values = Vec::new();
    let mut block = [&b"II*\0"[..], &(DIRECTORY as u32).to_le_bytes()].concat();
    block.extend((fields.len() as u16).to_le_bytes());
    for field in fields {
        block.extend(field.tag.to_le_bytes());
        block.extend(field.kind.to_le_bytes());
        block.extend(field.count.to_le_bytes());
        if field.value.len() <= 4 {
            block.extend(&*field.value);
            block.resize(block.len() + 4 - field.value.len(), 0);
            continue;
        }
        block.extend(u32::try_from(values_at).ok()?.to_le_bytes());
        values.extend(&*field.value);
        // Values start at even offsets.
        values.resize(values.len().next_multiple_of(2), 0);
        values_at += field.value.len().next_multiple_of(2);
    }
    block.extend([0; 4]);
    block.append(&mut values);
    Some(block)
}

#[cfg(test)]
pub(super) mod tests {
    use ::exif::experimental::Writer;
    use ::exif::{Field as ReadField, In, Reader, Tag, Value};
    use proptest::prelude::*;

    use super::*;

    fn ascii(tag: Tag, text: &str) -> ReadField {
        ReadField { tag, ifd_num: In::PRIMARY, value: Value::Ascii(vec![text.as_bytes().to_vec()]) }
    }

    /// A block like a camera's, including GPS. Values that must not leak start with "SECRET".
    pub(in crate::codec) fn camera_block(value: u16, little_endian: bool) -> Vec<u8> {
        let fields = [
            ascii(Tag::Make, "SECRET camera"),
            ReadField { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: Value::Short(vec![value]) },
            ascii(Tag::Artist, "Ada"),
            ascii(Tag::Copyright, "Ada, all rights reserved"),
            ascii(Tag::GPSLatitudeRef, "N"),
            ascii(Tag::DateTimeOriginal, "SECRET date"),
        ];
        let mut writer = Writer::new();
        fields.iter().for_each(|field| writer.push_field(field));
        let mut block = std::io::Cursor::new(Vec::new());
        writer.write(&mut block, little_endian).unwrap();
        block.into_inner()
    }

    fn read(block: &[u8]) -> Vec<(Tag, String)> {
        let read = Reader::new().read_raw(block.to_vec()).unwrap();
        read.fields().map(|field| (field.tag, field.display_value().to_string())).collect()
    }

    #[test]
    fn every_orientation_is_read_in_both_byte_orders() {
        for value in 1..=8 {
            for little_endian in [true, false] {
                assert_eq!(orientation(&camera_block(value, little_endian)).to_exif(), value);
            }
        }
    }

    #[test]
    fn an_orientation_of_another_type_or_value_is_read_as_viewers_do() {
        let entry = |kind: u16, count: u32, value: [u8; 4]| {
            let head = [&b"II*\0"[..], &8_u32.to_le_bytes(), &1_u16.to_le_bytes(), &ORIENTATION.to_le_bytes()].concat();
            [head, kind.to_le_bytes().to_vec(), count.to_le_bytes().to_vec(), value.to_vec(), vec![0; 4]].concat()
        };
        assert_eq!(orientation(&entry(LONG, 1, [6, 0, 0, 0])), Orientation::Rotate90);
        assert_eq!(orientation(&entry(BYTE, 1, [6, 0, 0, 0])), Orientation::Rotate90);
        assert_eq!(orientation(&entry(SHORT, 2, [6, 0, 8, 0])), Orientation::Rotate90);
        assert_eq!(orientation(&entry(SHORT, 1, [9, 0, 0, 0])), Orientation::Upright);
        assert_eq!(orientation(&entry(SHORT, 0, [6, 0, 0, 0])), Orientation::Upright);
        assert_eq!(orientation(&entry(ASCII, 1, [6, 0, 0, 0])), Orientation::Upright);
        assert_eq!(orientation(&entry(SHORT, u32::MAX, [6, 0, 0, 0])), Orientation::Upright);
    }

    #[test]
    fn upright_changes_the_orientation_and_no_other_byte() {
        for little_endian in [true, false] {
            let turned = camera_block(6, little_endian);
            assert_eq!(upright(&turned), camera_block(1, little_endian));
        }
    }

    #[test]
    fn upright_turns_the_thumbnail_too() {
        for little_endian in [true, false] {
            let turned = |value: u16| {
                let orientation =
                    |ifd_num| ReadField { tag: Tag::Orientation, ifd_num, value: Value::Short(vec![value]) };
                let fields = [orientation(In::PRIMARY), ascii(Tag::Artist, "Ada"), orientation(In::THUMBNAIL)];
                let mut writer = Writer::new();
                fields.iter().for_each(|field| writer.push_field(field));
                writer.set_jpeg(b"\xFF\xD8\xFF\xD9", In::THUMBNAIL);
                let mut block = std::io::Cursor::new(Vec::new());
                writer.write(&mut block, little_endian).unwrap();
                block.into_inner()
            };
            assert_eq!(upright(&turned(6)), turned(1));
        }
    }

    #[test]
    fn rights_are_read_and_written_where_exif_says_nothing() {
        let mut elsewhere = Rights::default();
        elsewhere.add(Right::Creator, ["Grace", "Zoë"]);
        elsewhere.add(Right::Notice, ["their notice"]);
        let found = rights(&camera_block(6, true));
        assert_eq!(found.values(Right::Creator), ["Ada"]);
        assert_eq!(found.values(Right::Notice), ["Ada, all rights reserved"]);
        let own = owned(Some(&camera_block(6, true)), &elsewhere, Orientation::Upright).unwrap();
        assert_eq!(rights(&own), found);
        let theirs = rights(&owned(None, &elsewhere, Orientation::Rotate90).unwrap());
        assert_eq!(theirs.values(Right::Creator), ["Grace; Zoë"]);
        assert_eq!(theirs.values(Right::Notice), ["their notice"]);
    }

    #[test]
    fn the_author_that_windows_notes_is_read() {
        let name: Vec<u8> = "Zoë\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let field = ReadField {
            tag: Tag(::exif::Context::Tiff, WINDOWS_AUTHOR),
            ifd_num: In::PRIMARY,
            value: Value::Byte(name),
        };
        let mut writer = Writer::new();
        writer.push_field(&field);
        let mut block = std::io::Cursor::new(Vec::new());
        writer.write(&mut block, true).unwrap();
        assert_eq!(rights(&block.into_inner()).values(Right::Creator), ["Zoë"]);
    }

    #[test]
    fn malformed_blocks_come_back_as_they_were() {
        for malformed in [&b""[..], b"II", b"II*\0", b"Exif\0\0II*\0", b"MM\0*\xff\xff\xff\xff\0\x01"] {
            assert_eq!(upright(malformed), malformed);
            assert_eq!(orientation(malformed), Orientation::Upright);
            assert_eq!(copyright(malformed), None);
        }
    }

    #[test]
    fn copyright_keeps_author_and_rights_alone() {
        for little_endian in [true, false] {
            let block = copyright(&camera_block(6, little_endian)).unwrap();
            let expected = [(Tag::Artist, "\"Ada\""), (Tag::Copyright, "\"Ada, all rights reserved\"")];
            assert_eq!(read(&block), expected.map(|(tag, text)| (tag, text.to_owned())));
        }
    }

    #[test]
    fn blank_rights_are_no_rights() {
        let blank = [ascii(Tag::Artist, ""), ascii(Tag::Copyright, "          ")];
        let mut writer = Writer::new();
        blank.iter().for_each(|field| writer.push_field(field));
        let mut block = std::io::Cursor::new(Vec::new());
        writer.write(&mut block, true).unwrap();
        assert_eq!(copyright(&block.into_inner()), None);
    }

    #[test]
    fn only_orientation_holds_only_that() {
        for value in 1..=8 {
            let block = only_orientation(Orientation::from_exif(value));
            assert_eq!(orientation(&block).to_exif(), value as u16);
            assert_eq!(read(&block).len(), 1);
            assert_eq!(block.len(), 26);
        }
    }

    #[test]
    fn an_own_block_has_the_orientation_and_the_rights_of_a_block() {
        let tags = |value, has_rights: bool| {
            let block = camera_block(value, false);
            let owned = owned(has_rights.then_some(&block), &Rights::default(), orientation(&block));
            owned.map(|block| read(&block).into_iter().map(|(tag, _)| tag).collect::<Vec<_>>())
        };
        assert_eq!(tags(1, false), None);
        assert_eq!(tags(6, false), Some(vec![Tag::Orientation]));
        assert_eq!(tags(1, true), Some(vec![Tag::Artist, Tag::Copyright]));
        assert_eq!(tags(6, true), Some(vec![Tag::Orientation, Tag::Artist, Tag::Copyright]));
    }

    fn survives(block: &[u8]) {
        orientation(block);
        assert_eq!(upright(block).len(), block.len());
        copyright(block);
        rights(block);
        owned(Some(block), &Rights::default(), orientation(block));
    }

    #[test]
    fn a_truncated_block_is_no_danger() {
        let block = camera_block(6, true);
        (0..block.len()).for_each(|length| survives(&block[..length]));
    }

    proptest! {
        #[test]
        fn a_hostile_block_is_no_danger(
            mut hostile in proptest::collection::vec(any::<u8>(), 0..200),
            patches in proptest::collection::vec((0..200_usize, any::<u8>()), 0..20),
            drawn in any::<bool>(),
        ) {
            if drawn {
                hostile = camera_block(6, hostile.len() % 2 == 0);
                for (at, value) in patches {
                    let at = at % hostile.len();
                    hostile[at] = value;
                }
            }
            survives(&hostile);
        }
    }
}
