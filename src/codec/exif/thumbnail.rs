//! Removes the pictures inside an EXIF block: the thumbnail, and the maker note, which may hold a preview.

use std::ops::Range;

use super::{Block, ENTRY_BYTES, Field};

/// Tags of EXIF 2.32: the link to the Exif directory (s4.6.3), the maker note (s4.6.5), the thumbnail as a JPEG
/// (s4.6.4).
const EXIF_DIRECTORY: u16 = 0x8769;
const MAKER_NOTE: u16 = 0x927C;
const JPEG_OFFSET: u16 = 0x0201;
const JPEG_LENGTH: u16 = 0x0202;
/// The thumbnail as strips (TIFF 6.0, section 8).
const STRIP_OFFSETS: u16 = 0x0111;
const STRIP_LENGTHS: u16 = 0x0117;

/// Returns `exif` without IFD1, the thumbnail that it describes, and the maker note. Their bytes are zero, or gone
/// where nothing follows them; everything else stays where it is, because fields point to it.
pub fn without_thumbnail(exif: &[u8]) -> Vec<u8> {
    let mut kept = exif.to_vec();
    let Some(block) = Block::open(exif) else { return kept };
    let mut erased = block.thumbnail_ranges();
    if let Some(link) = block.thumbnail_link() {
        kept[link..link + 4].fill(0);
    }
    if let Some((entry, note)) = block.maker_note() {
        erased.push(note);
        // An entry without values.
        kept[entry + 2..entry + ENTRY_BYTES].copy_from_slice(&block.no_bytes());
    }
    // What a file says of its thumbnail may be wrong. The first directory is what readers need.
    let needed = block.first_directory();
    erased.retain(|range| range.start >= 8 && (range.end <= needed.start || range.start >= needed.end));
    erase(&mut kept, &mut erased);
    let end = end_without(&mut erased, kept.len());
    kept.truncate(end);
    kept
}

/// Fills the ranges of `erased` with zeros, each byte once, however often they name it.
fn erase(kept: &mut [u8], erased: &mut [Range<usize>]) {
    erased.sort_by_key(|range| range.start);
    let mut done = 0;
    for range in erased {
        if range.end > done {
            kept[range.start.max(done)..range.end].fill(0);
            done = range.end;
        }
    }
}

/// Where a block of `len` bytes ends when those of `erased` at its end are cut off.
fn end_without(erased: &mut [Range<usize>], len: usize) -> usize {
    erased.sort_by_key(|range| range.end);
    erased.iter().rev().fold(len, |end, range| if range.end >= end { end.min(range.start) } else { end })
}

impl Block<'_> {
    pub(super) fn first_directory(&self) -> Range<usize> {
        let start = self.read(4, 4).unwrap_or(0) as usize;
        let entries = self.read(start, 2).unwrap_or(0) as usize;
        start..start.saturating_add(2 + entries * ENTRY_BYTES + 4)
    }

    /// Returns everything that belongs to IFD1 and lies inside the block.
    fn thumbnail_ranges(&self) -> Vec<Range<usize>> {
        let Some(start) = self.thumbnail_link().and_then(|link| self.read(link, 4)) else { return Vec::new() };
        let fields: Vec<Field> = self.thumbnail_fields().collect();
        let start = start as usize;
        let directory = self.part(start, 2 + fields.len() * ENTRY_BYTES + 4);
        let values = fields.iter().filter_map(|field| self.value_range(field).filter(|range| range.len() > 4));
        let pictures = [(JPEG_OFFSET, JPEG_LENGTH), (STRIP_OFFSETS, STRIP_LENGTHS)].into_iter().flat_map(|tags| {
            let numbers = |tag| fields.iter().find(|field| field.tag == tag).map_or(Vec::new(), |it| self.numbers(it));
            numbers(tags.0).into_iter().zip(numbers(tags.1))
        });
        let pictures = pictures.map(|(at, len)| self.part(at as usize, len as usize));
        std::iter::once(directory).chain(values).chain(pictures).collect()
    }

    /// Returns the part of the block that begins at `start` and has `len` bytes, or those that there are.
    fn part(&self, start: usize, len: usize) -> Range<usize> {
        let end = self.bytes.len();
        start.min(end)..start.saturating_add(len).min(end)
    }

    fn numbers(&self, field: &Field) -> Vec<u32> {
        let unit = super::unit_bytes(field.kind).filter(|bytes| *bytes <= 4);
        let (Some(range), Some(unit)) = (self.value_range(field), unit) else {
            return Vec::new();
        };
        self.bytes[range].chunks_exact(unit).map(|bytes| self.order.number(bytes)).collect()
    }

    /// Returns where the entry of the maker note begins, and the bytes that it points to.
    fn maker_note(&self) -> Option<(usize, Range<usize>)> {
        let directory = self.fields().find(|field| field.tag == EXIF_DIRECTORY).and_then(|field| self.number(&field));
        let field = self.fields_at(directory).find(|field| field.tag == MAKER_NOTE)?;
        let start = self.read(field.slot, 4)? as usize;
        let note = if field.count > 4 { self.part(start, field.count as usize) } else { field.slot..field.slot };
        Some((field.slot + 4 - ENTRY_BYTES, note))
    }

    /// Returns type, count and slot of an entry of no UNDEFINED bytes (type 7 of TIFF 6.0).
    fn no_bytes(&self) -> [u8; ENTRY_BYTES - 2] {
        let kind = match self.order {
            super::Order::Little => [7, 0],
            super::Order::Big => [0, 7],
        };
        let mut entry = [0; ENTRY_BYTES - 2];
        entry[..2].copy_from_slice(&kind);
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use ::exif::experimental::Writer;
    use ::exif::{Context, Field as ReadField, In, Reader, Tag, Value};

    use super::*;

    const SECRET: &[u8] = b"\xFF\xD8 SECRET thumbnail \xFF\xD9";
    const NOTE: &[u8] = b"SECRET preview in a maker note";

    #[test]
    fn what_ranges_name_together_is_erased() {
        let mut kept = [1; 10];
        erase(&mut kept, &mut [3..5, 1..2, 2..4, 3..3, 7..9, 7..8]);
        assert_eq!(kept, [1, 0, 0, 0, 0, 1, 1, 0, 0, 1]);
    }

    /// A block with a text, a maker note and a thumbnail.
    fn block(little_endian: bool, as_strips: bool) -> Vec<u8> {
        let field = |tag, ifd_num, value| ReadField { tag, ifd_num, value };
        let fields = [
            field(Tag::Artist, In::PRIMARY, Value::Ascii(vec![b"Ada Lovelace".to_vec()])),
            field(Tag(Context::Exif, MAKER_NOTE), In::PRIMARY, Value::Undefined(NOTE.to_vec(), 0)),
            field(Tag::LensModel, In::PRIMARY, Value::Ascii(vec![b"a lens".to_vec()])),
            field(Tag::Make, In::THUMBNAIL, Value::Ascii(vec![b"SECRET maker".to_vec()])),
        ];
        let mut writer = Writer::new();
        fields.iter().for_each(|field| writer.push_field(field));
        let strips = [SECRET, SECRET];
        match as_strips {
            true => writer.set_strips(&strips, In::THUMBNAIL),
            false => writer.set_jpeg(SECRET, In::THUMBNAIL),
        }
        let mut block = Cursor::new(Vec::new());
        writer.write(&mut block, little_endian).unwrap();
        block.into_inner()
    }

    fn has_secret(block: &[u8]) -> bool {
        block.windows(6).any(|part| part == b"SECRET")
    }

    #[test]
    fn pictures_go_and_all_else_stays() {
        for (little_endian, as_strips) in [(true, true), (true, false), (false, true), (false, false)] {
            let block = block(little_endian, as_strips);
            assert!(has_secret(&block));
            let kept = without_thumbnail(&block);
            assert!(!has_secret(&kept) && kept.len() < block.len());
            let read = Reader::new().read_raw(kept).unwrap();
            let text = |tag| read.get_field(tag, In::PRIMARY).map(|field| field.display_value().to_string());
            assert_eq!(text(Tag::Artist).as_deref(), Some("\"Ada Lovelace\""));
            assert_eq!(text(Tag::LensModel).as_deref(), Some("\"a lens\""));
            assert!(read.fields().all(|field| field.ifd_num == In::PRIMARY));
        }
    }

    #[test]
    fn a_block_without_pictures_stays_as_it_is() {
        let plain = super::super::only_orientation(crate::picture::Orientation::Rotate90);
        assert_eq!(without_thumbnail(&plain), plain);
        assert_eq!(without_thumbnail(b"no block"), b"no block");
    }

    #[test]
    fn a_block_cut_or_changed_anywhere_is_no_panic() {
        let block = block(true, false);
        for at in 0..block.len() {
            without_thumbnail(&block[..at]);
            for value in [0, 1, 8, 127, 255] {
                let mut changed = block.clone();
                changed[at] = value;
                without_thumbnail(&changed);
            }
        }
    }
}
