//! Reads what the meta box says of its items: their kinds and the locations of their bytes (ISO/IEC 14496-12, s8.11).
//! Only the layout of the fields is checked here. Whether the bytes exist is for the caller to check.

use crate::codec::boxes::{Cursor, number};
use crate::codec::bytes::slice;

/// An entry of iinf.
pub(in crate::codec) struct ItemInfo<'a> {
    pub id: u32,
    pub kind: [u8; 4],
    pub content_type: &'a [u8],
}

impl<'a> ItemInfo<'a> {
    /// Reads an entry of version 2 or 3 (s8.11.6). Older versions name no kind.
    pub(in crate::codec) fn read(infe: &'a [u8]) -> Option<ItemInfo<'a>> {
        let id_bytes = match infe.first()? {
            2 => 2,
            3 => 4,
            _ => return None,
        };
        let id = number(infe, 4, id_bytes)? as u32;
        let kind = slice(infe, 6 + id_bytes, 4)?.try_into().ok()?;
        let mut strings = infe.get(10 + id_bytes..)?.split(|byte| *byte == 0);
        let content_type = strings.nth(1).unwrap_or_default();
        Some(ItemInfo { id, kind, content_type })
    }
}

/// Returns where the entries of iinf begin.
pub(in crate::codec) fn entries_start(iinf: &[u8]) -> Option<usize> {
    Some(if *iinf.first()? == 0 { 6 } else { 8 })
}

/// Reads the id of the primary item (s8.11.4).
pub(in crate::codec) fn primary_item(pitm: &[u8]) -> Option<u32> {
    let id_bytes = if *pitm.first()? == 0 { 2 } else { 4 };
    number(pitm, 4, id_bytes).map(|id| id as u32)
}

/// An entry of iloc.
pub(in crate::codec) struct Location {
    pub id: u32,
    /// What the offsets count from: 0 is the file, 1 the idat box, 2 another item.
    pub construction: u64,
    /// The entry of the data reference box that says which file the bytes are in; 0 is this file.
    pub data_reference: u64,
    /// Offset and length of each extent.
    pub extents: Vec<(u64, u64)>,
}

/// Reads the entries of iloc, of version 0 to 2 (s8.11.3).
pub(in crate::codec) struct Locations<'a> {
    fields: Cursor<'a>,
    version: u64,
    /// Bytes of an offset, a length, a base offset and an index.
    pub widths: [usize; 4],
    /// The number of entries that iloc declares.
    pub count: u64,
}

impl<'a> Locations<'a> {
    pub(in crate::codec) fn open(iloc: &'a [u8]) -> Option<Locations<'a>> {
        let mut fields = Cursor { bytes: iloc, at: 0 };
        let version = fields.number(4)? >> 24;
        let widths = fields.number(2)? as usize;
        let index_bytes = if version == 0 { 0 } else { widths & 15 };
        let widths = [widths >> 12, widths >> 8 & 15, widths >> 4 & 15, index_bytes];
        let count = fields.number(id_bytes(version))?;
        Some(Locations { fields, version, widths, count })
    }

    /// Reads the next entry. Returns `None` when it is cut short or has more than `max_extents`. Extents whose fields
    /// have no size take no bytes, so the bytes cannot confirm their number.
    pub(in crate::codec) fn next(&mut self, max_extents: usize) -> Option<Location> {
        let [offset_bytes, length_bytes, base_bytes, index_bytes] = self.widths;
        let fields = &mut self.fields;
        let id = fields.number(id_bytes(self.version))? as u32;
        let construction = if self.version == 0 { 0 } else { fields.number(2)? & 15 };
        let data_reference = fields.number(2)?;
        let base = fields.number(base_bytes)?;
        let count = fields.number(2).filter(|count| *count <= max_extents as u64)?;
        let mut extents = Vec::new();
        for _ in 0..count {
            fields.number(index_bytes)?;
            let offset = base.checked_add(fields.number(offset_bytes)?)?;
            extents.push((offset, fields.number(length_bytes)?));
        }
        Some(Location { id, construction, data_reference, extents })
    }
}

/// Bytes of an item's id, and of their number, in iloc.
fn id_bytes(version: u64) -> usize {
    if version < 2 { 2 } else { 4 }
}
