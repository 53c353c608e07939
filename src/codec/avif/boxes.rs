//! Finds the boxes and items of an AVIF, so that the container can be edited without touching the pixels. Sizes, counts
//! and offsets in the file may be wrong. The functions return `None` when they are inconsistent.

use std::ops::Range;

/// Maximum number of items, and of extents of all items together. A picture has one extent and a grid has one for each
/// tile. We would not edit a file with more, and the time to compare all extents grows with the square of this.
const MAX_EXTENTS: usize = 4096;

/// The position of a box in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub kind: [u8; 4],
    pub start: usize,
    /// Bytes before the payload: 8, or 16 when the size has 64 bits.
    pub head: usize,
    pub end: usize,
}

impl Bounds {
    /// Returns the bytes of the whole box.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Returns the bytes after the header of the box.
    pub fn payload(&self) -> Range<usize> {
        self.start + self.head..self.end
    }

    /// Adds `extra` to the size that the box declares in `file`. Returns `None` when the sum does not fit its field.
    pub fn grow(&self, file: &mut [u8], extra: usize) -> Option<()> {
        let field = if self.head == 16 { self.start + 8..self.start + 16 } else { self.start..self.start + 4 };
        let field = file.get_mut(field)?;
        let size = Cursor { bytes: field, at: 0 }.number(field.len())?;
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

/// Returns the boxes that fill `range` of `file` (14496-12, s4.2), or `None` when they do not fill it.
pub fn boxes(file: &[u8], range: Range<usize>) -> Option<Vec<Bounds>> {
    let area = file.get(..range.end)?;
    let mut found = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let mut cursor = Cursor { bytes: area, at: start };
        let size = cursor.number(4)?;
        let kind = cursor.take(4)?.try_into().ok()?;
        let size = match size {
            0 if range.end == file.len() => range.end - start,
            1 => usize::try_from(cursor.number(8)?).ok()?,
            size => usize::try_from(size).ok()?,
        };
        let head = cursor.at - start;
        let end = start.checked_add(size).filter(|end| size >= head && *end <= range.end)?;
        found.push(Bounds { kind, start, head, end });
        start = end;
    }
    Some(found)
}

/// An item: a piece of data that the meta box names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub id: u32,
    pub kind: [u8; 4],
    /// Whether the extents lie in the idat box instead of anywhere in the file.
    pub in_idat: bool,
    /// Ranges of its bytes in the file, in order.
    pub extents: Vec<Range<usize>>,
}

impl Item {
    /// Returns the number of bytes of the item; `usize::MAX` when the sum overflows.
    pub fn size(&self) -> usize {
        self.extents.iter().fold(0, |size, extent| size.saturating_add(extent.len()))
    }

    /// Returns the bytes of the item.
    pub fn read(&self, file: &[u8]) -> Option<Vec<u8>> {
        let parts = self.extents.iter().map(|extent| file.get(extent.clone())).collect::<Option<Vec<_>>>()?;
        Some(parts.concat())
    }

    /// Overwrites the item with `bytes`, which must be as long as the item.
    pub fn write(&self, file: &mut [u8], mut bytes: &[u8]) {
        for extent in &self.extents {
            let (part, rest) = bytes.split_at(extent.len());
            file[extent.clone()].copy_from_slice(part);
            bytes = rest;
        }
    }
}

/// The layout of a file with one meta box.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The boxes of the file.
    pub top: Vec<Bounds>,
    pub meta: Bounds,
    /// The boxes in meta.
    pub children: Vec<Bounds>,
    /// The items that have bytes.
    pub items: Vec<Item>,
    /// Id of the item that is the picture.
    pub primary: u16,
}

impl Layout {
    /// Reads the layout of `file`. Returns `None` when it is not an image file or has an unknown structure.
    pub fn open(file: &[u8]) -> Option<Layout> {
        let top = boxes(file, 0..file.len())?;
        if top.first()?.kind != *b"ftyp" {
            return None;
        }
        let meta = only(&top, b"meta")?;
        // Meta is a full box: version and flags come before its boxes.
        let payload = meta.payload();
        let children = boxes(file.get(..meta.end)?, payload.start.checked_add(4)?..payload.end)?;
        let kinds = item_kinds(file.get(only(&children, b"iinf")?.payload())?)?;
        let idat = only(&children, b"idat").map(|idat| idat.payload());
        let located = locations(file.get(only(&children, b"iloc")?.payload())?, idat, file.len())?;
        let mut items = Vec::new();
        for (id, in_idat, extents) in located {
            let kind = kinds.iter().find(|(other, _)| *other == id)?.1;
            items.push(Item { id, kind, in_idat, extents });
        }
        let primary = primary_item(file.get(only(&children, b"pitm")?.payload())?)?;
        Some(Layout { top, meta, children, items, primary })
    }

    /// Whether an item refers to another by this kind of reference.
    pub fn refers(&self, file: &[u8], kind: &[u8; 4]) -> bool {
        let iref = only(&self.children, b"iref").map(|iref| iref.start + iref.head + 4..iref.end);
        let references = iref.and_then(|range| boxes(file.get(..range.end)?, range));
        references.is_some_and(|references| references.iter().any(|reference| reference.kind == *kind))
    }

    /// Whether `item` lies in boxes for data and shares no byte with any of `others`.
    pub fn is_apart(&self, item: &Item, others: &[&Item]) -> bool {
        let mdats = self.top.iter().filter(|bounds| bounds.kind == *b"mdat").map(Bounds::payload);
        let homes: Vec<_> = mdats.chain(only(&self.children, b"idat").map(|idat| idat.payload())).collect();
        item.extents.iter().all(|extent| {
            let housed = homes.iter().any(|home| home.start <= extent.start && extent.end <= home.end);
            let mut taken = others.iter().flat_map(|other| &other.extents);
            housed && !taken.any(|other| extent.start < other.end && other.start < extent.end)
        })
    }
}

/// Returns the box of this kind when there is exactly one.
fn only(found: &[Bounds], kind: &[u8; 4]) -> Option<Bounds> {
    let mut of_kind = found.iter().filter(|bounds| bounds.kind == *kind);
    let first = of_kind.next()?;
    of_kind.next().is_none().then_some(*first)
}

/// Reads the id and type of each item (14496-12, s8.11.6).
fn item_kinds(iinf: &[u8]) -> Option<Vec<(u32, [u8; 4])>> {
    let entries = if *iinf.first()? == 0 { 6 } else { 8 };
    let mut kinds = Vec::new();
    for entry in boxes(iinf, entries..iinf.len())? {
        let mut cursor = Cursor { bytes: iinf.get(entry.payload())?, at: 0 };
        let id_bytes = match cursor.number(4)? >> 24 {
            2 => 2,
            3 => 4,
            _ => return None,
        };
        let id = cursor.number(id_bytes)? as u32;
        cursor.take(2)?;
        kinds.push((id, cursor.take(4)?.try_into().ok()?));
    }
    (kinds.len() <= MAX_EXTENTS).then_some(kinds)
}

/// Reads the id of the primary item (14496-12, s8.11.4).
fn primary_item(pitm: &[u8]) -> Option<u16> {
    let mut cursor = Cursor { bytes: pitm, at: 0 };
    let id_bytes = if cursor.number(4)? >> 24 == 0 { 2 } else { 4 };
    u16::try_from(cursor.number(id_bytes)?).ok()
}

/// Id, whether the item lies in idat, and its extents.
type Location = (u32, bool, Vec<Range<usize>>);

/// Reads the locations of the items (14496-12, s8.11.3), which must all be inside the `size` bytes of the file.
fn locations(iloc: &[u8], idat: Option<Range<usize>>, size: usize) -> Option<Vec<Location>> {
    let mut cursor = Cursor { bytes: iloc, at: 0 };
    let version = cursor.number(4)? >> 24;
    let widths = cursor.number(2)? as usize;
    let (offset_bytes, length_bytes, base_bytes) = (widths >> 12, widths >> 8 & 15, widths >> 4 & 15);
    let index_bytes = if version == 0 { 0 } else { widths & 15 };
    let count = cursor.number(if version < 2 { 2 } else { 4 })?;
    if count > MAX_EXTENTS as u64 {
        return None;
    }
    let mut left = MAX_EXTENTS;
    let mut located = Vec::new();
    for _ in 0..count {
        let id = cursor.number(if version < 2 { 2 } else { 4 })? as u32;
        let method = if version == 0 { 0 } else { cursor.number(2)? & 15 };
        let elsewhere = cursor.number(2)?;
        let base = cursor.number(base_bytes)?;
        let home = match (method, elsewhere) {
            (0, 0) => 0..size,
            (1, 0) => idat.clone()?,
            _ => return None,
        };
        let mut extents = Vec::new();
        for _ in 0..cursor.number(2)? {
            left = left.checked_sub(1)?;
            cursor.number(index_bytes)?;
            let offset = usize::try_from(base.checked_add(cursor.number(offset_bytes)?)?).ok()?;
            let length = usize::try_from(cursor.number(length_bytes)?).ok()?;
            let start = home.start.checked_add(offset)?;
            // A length of 0 means the whole file, which leaves nothing to edit.
            let end = start.checked_add(length).filter(|end| length > 0 && *end <= home.end)?;
            extents.push(start..end);
        }
        located.push((id, method == 1, extents));
    }
    Some(located)
}

/// Reads big-endian numbers one after another.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(size)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// Reads the next number of `size` bytes, at most 8. A number of 0 bytes is 0.
    fn number(&mut self, size: usize) -> Option<u64> {
        if size > 8 {
            return None;
        }
        Some(self.take(size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}
