//! Finds the boxes and items of an AVIF, so that the container can be edited without touching the pixels. Sizes, counts
//! and offsets in the file may be wrong. The functions return `None` when they are inconsistent.

use std::ops::Range;

use crate::codec::boxes::{Bounds, boxes};
use crate::codec::heif::items::{ItemInfo, Location, Locations, entries_start, primary_item};

/// Maximum number of items, and of extents of all items together. A picture has one extent and a grid has one for each
/// tile. We would not edit a file with more, and the time to compare all extents grows with the square of this.
const MAX_EXTENTS: usize = 4096;

/// Maximum number of boxes in the file itself, each of which is compared with all extents. A picture has three or four.
const MAX_TOP_BOXES: usize = 64;

/// An item: a piece of data that the meta box names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub id: u32,
    pub kind: [u8; 4],
    /// Whether the extents lie in the idat box instead of anywhere in the file.
    pub in_idat: bool,
    /// Ranges of its bytes in the file, in order.
    pub extents: Vec<Range<usize>>,
}

impl Item {
    /// Returns the number of bytes of the item; `usize::MAX` when the sum overflows.
    pub(super) fn size(&self) -> usize {
        self.extents.iter().fold(0, |size, extent| size.saturating_add(extent.len()))
    }

    /// Returns the bytes of the item.
    pub(super) fn read(&self, file: &[u8]) -> Option<Vec<u8>> {
        let parts = self.extents.iter().map(|extent| file.get(extent.clone())).collect::<Option<Vec<_>>>()?;
        Some(parts.concat())
    }

    /// Overwrites the item with `bytes`, which must be as long as the item.
    pub(super) fn write(&self, file: &mut [u8], mut bytes: &[u8]) {
        for extent in &self.extents {
            let (part, rest) = bytes.split_at(extent.len());
            file[extent.clone()].copy_from_slice(part);
            bytes = rest;
        }
    }
}

/// The layout of a file with one meta box.
#[derive(Clone, Debug)]
pub(super) struct Layout {
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
    pub(super) fn open(file: &[u8]) -> Option<Layout> {
        let top = boxes(file, 0..file.len())?;
        if top.len() > MAX_TOP_BOXES || top.first()?.kind != *b"ftyp" {
            return None;
        }
        let meta = only(&top, b"meta")?;
        // Meta is a full box: version and flags come before its boxes.
        let children = boxes(file, meta.payload().start.checked_add(4)?..meta.end)?;
        let payload = |kind| file.get(only(&children, kind)?.payload());
        let kinds = item_kinds(payload(b"iinf")?)?;
        let idat = only(&children, b"idat").map(|idat| idat.payload());
        let items = items(payload(b"iloc")?, &kinds, idat, file.len())?;
        let primary = u16::try_from(primary_item(payload(b"pitm")?)?).ok()?;
        Some(Layout { top, meta, children, items, primary })
    }

    /// Whether an item refers to another by this kind of reference.
    pub(super) fn refers(&self, file: &[u8], kind: &[u8; 4]) -> bool {
        let iref = only(&self.children, b"iref").map(|iref| iref.start + iref.head + 4..iref.end);
        let references = iref.and_then(|range| boxes(file, range));
        references.is_some_and(|references| references.iter().any(|reference| reference.kind == *kind))
    }

    /// Whether `item` lies in boxes for data and shares no byte with any of `others`.
    pub(super) fn is_apart(&self, item: &Item, others: &[&Item]) -> bool {
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

/// Reads the id and kind of each item.
fn item_kinds(iinf: &[u8]) -> Option<Vec<(u32, [u8; 4])>> {
    let entries = boxes(iinf, entries_start(iinf)?..iinf.len())?;
    let kinds = entries.iter().map(|entry| ItemInfo::read(&iinf[entry.payload()]).map(|item| (item.id, item.kind)));
    kinds.collect::<Option<Vec<_>>>().filter(|kinds| kinds.len() <= MAX_EXTENTS)
}

/// Reads the locations of the items, which must all have a kind and be inside the `size` bytes of the file.
fn items(iloc: &[u8], kinds: &[(u32, [u8; 4])], idat: Option<Range<usize>>, size: usize) -> Option<Vec<Item>> {
    let mut locations = Locations::open(iloc)?;
    if locations.count > MAX_EXTENTS as u64 {
        return None;
    }
    let mut left = MAX_EXTENTS;
    let mut items = Vec::new();
    for _ in 0..locations.count {
        let location = locations.next(left)?;
        left -= location.extents.len();
        let (home, in_idat) = match (location.construction, location.data_reference) {
            (0, 0) => (0..size, false),
            (1, 0) => (idat.clone()?, true),
            _ => return None,
        };
        let (id, kind) = *kinds.iter().find(|(id, _)| *id == location.id)?;
        items.push(Item { id, kind, in_idat, extents: extents(&location, &home)? });
    }
    Some(items)
}

/// Returns the ranges of an item in the file, which must all be inside `home`.
fn extents(location: &Location, home: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let ranges = location.extents.iter().map(|(offset, length)| {
        let start = home.start.checked_add(usize::try_from(*offset).ok()?)?;
        // A length of 0 means the whole file, which leaves nothing to edit.
        let end = start.checked_add(usize::try_from(*length).ok()?).filter(|end| *length > 0 && *end <= home.end)?;
        Some(start..end)
    });
    ranges.collect()
}
