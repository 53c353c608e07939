//! The meta box: items, the location of their bytes, their references and their properties.

use std::borrow::Cow;
use std::cell::Cell;

use super::Coding;
use super::items::{ItemInfo, Locations, entries_start, primary_item};
use crate::codec::boxes::{Cursor, find, payloads};
use crate::codec::bytes::u32_be;

/// Maximum number of items in a file. A grid of the largest allowed pictures has a few hundred tiles.
const MAX_ITEMS: usize = 4096;
/// Maximum number of extents of an item. Real files have one.
const MAX_EXTENTS: usize = 64;
/// Maximum number of properties, and of their associations.
const MAX_PROPERTIES: usize = 4096;

/// Properties that are followed, and those that do not change what is shown: of the coded data, of the display that was
/// used, of the camera, and texts.
const KNOWN: [&[u8; 4]; 35] = [
    b"ispe", b"colr", b"irot", b"imir", b"clap", b"auxC", b"av1C", b"hvcC", b"a1op", b"lsel", // followed
    b"pixi", b"pasp", b"a1lx", b"oinf", b"tols", // the coded data
    b"clli", b"mdcv", b"cclv", b"amve", b"reve", b"ndwt", // the display
    b"cmin", b"cmex", b"rloc", b"wbbr", b"fobr", b"afbr", b"dobr", b"aebr", // the camera
    b"udes", b"altt", b"crtt", b"mdft", b"itai", b"taic", // texts
];

/// What the meta box says.
#[derive(Debug)]
pub(super) struct Meta<'a> {
    file: &'a [u8],
    pub(super) coding: Coding,
    /// Bytes of items that lie inside the meta box.
    idat: &'a [u8],
    pub(super) primary: u32,
    items: Vec<Item<'a>>,
    references: Vec<Reference>,
    /// Kind and payload of each property.
    properties: Vec<([u8; 4], &'a [u8])>,
    /// In order.
    associations: Vec<Association>,
    /// Bytes that may still be copied to join the extents of items. All items together have at most the bytes of the
    /// file, because thousands of them can name the same bytes.
    left_to_join: Cell<usize>,
}

#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) id: u32,
    pub(super) kind: [u8; 4],
    pub(super) content_type: &'a [u8],
    in_idat: bool,
    /// Offset and length of each extent. A length of 0 means up to the end.
    extents: Vec<(u64, u64)>,
}

/// That an item has a property.
#[derive(Debug)]
struct Association {
    item: u32,
    /// Index of the property, counted from 1.
    index: usize,
    /// Whether a reader that does not know the property must not show the item.
    is_essential: bool,
}

#[derive(Debug)]
struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

impl<'a> Meta<'a> {
    pub(super) fn read(file: &'a [u8], body: &'a [u8], coding: Coding) -> Result<Meta<'a>, &'static str> {
        let damaged = "its description is damaged";
        let pitm = find(body, b"pitm").ok_or("it names no primary picture")?;
        let primary = primary_item(pitm).ok_or(damaged)?;
        let mut items = find(body, b"iinf").and_then(read_items).ok_or(damaged)?;
        find(body, b"iloc").and_then(|iloc| read_locations(iloc, &mut items)).ok_or(damaged)?;
        let references = find(body, b"iref").map_or(Some(Vec::new()), read_references).ok_or(damaged)?;
        let iprp = find(body, b"iprp").ok_or("its pictures have no properties")?;
        let properties = payloads(find(iprp, b"ipco").ok_or(damaged)?).take(MAX_PROPERTIES).collect();
        let mut associations = Vec::new();
        for (_, ipma) in payloads(iprp).filter(|(kind, _)| kind == b"ipma") {
            read_associations(ipma, &mut associations).ok_or(damaged)?;
        }
        let idat = find(body, b"idat").unwrap_or_default();
        let left_to_join = Cell::new(file.len());
        Ok(Meta { file, coding, idat, primary, items, references, properties, associations, left_to_join })
    }

    pub(super) fn item(&self, id: u32) -> Option<&Item<'a>> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Returns the items that `from` refers to by this kind of reference.
    pub(super) fn referred<'b>(&'b self, kind: &'b [u8; 4], from: u32) -> impl Iterator<Item = u32> + 'b {
        let matching =
            self.references.iter().filter(move |reference| reference.kind == *kind && reference.from == from);
        matching.flat_map(|reference| reference.to.iter().copied())
    }

    /// Returns the items that refer to `to` by this kind of reference.
    pub(super) fn referring<'b>(&'b self, kind: &'b [u8; 4], to: u32) -> impl Iterator<Item = &'b Item<'a>> + 'b {
        let matching =
            self.references.iter().filter(move |reference| reference.kind == *kind && reference.to.contains(&to));
        matching.filter_map(|reference| self.item(reference.from))
    }

    /// Returns the properties of an item in the order of its associations.
    pub(super) fn ordered_properties<'b>(&'b self, id: u32) -> impl Iterator<Item = ([u8; 4], &'a [u8])> + 'b {
        self.associations_of(id).filter_map(|association| self.property(association))
    }

    fn associations_of(&self, id: u32) -> impl Iterator<Item = &Association> {
        self.associations.iter().filter(move |association| association.item == id)
    }

    fn property(&self, association: &Association) -> Option<([u8; 4], &'a [u8])> {
        self.properties.get(association.index.checked_sub(1)?).copied()
    }

    /// Refuses an item with a property that is essential and not known.
    pub(super) fn check_essential(&self, id: u32) -> Result<(), &'static str> {
        let mut essential = self.associations_of(id).filter(|association| association.is_essential);
        let is_known = |association| self.property(association).is_none_or(|(kind, _)| KNOWN.contains(&&kind));
        match essential.all(is_known) {
            true => Ok(()),
            false => Err("a picture of it has an essential property of a kind that is not supported"),
        }
    }

    pub(super) fn properties_of<'b>(&'b self, id: u32, kind: &'b [u8; 4]) -> impl Iterator<Item = &'a [u8]> + 'b {
        self.ordered_properties(id).filter(move |(found, _)| found == kind).map(|(_, body)| body)
    }

    /// Returns the bytes of the first item of this kind that describes `id` (reference cdsc).
    pub(super) fn described_by(&self, id: u32, is_kind: impl Fn(&Item<'a>) -> bool) -> Option<Cow<'a, [u8]>> {
        self.referring(b"cdsc", id).find(|item| is_kind(item)).and_then(|item| self.bytes_of(item))
    }

    /// Returns the bytes of an item, borrowed when they lie in one extent. Returns `None` where they lie outside the
    /// file, and where the copies of all items together would be longer than the file.
    pub(super) fn bytes_of(&self, item: &Item<'a>) -> Option<Cow<'a, [u8]>> {
        let source = if item.in_idat { self.idat } else { self.file };
        let piece = |&(offset, length): &(u64, u64)| {
            let rest = source.get(usize::try_from(offset).ok()?..)?;
            if length == 0 { Some(rest) } else { rest.get(..usize::try_from(length).ok()?) }
        };
        if let [extent] = &item.extents[..] {
            return piece(extent).map(Cow::Borrowed);
        }
        let mut bytes = Vec::new();
        for extent in &item.extents {
            let piece = piece(extent)?;
            self.left_to_join.set(self.left_to_join.get().checked_sub(piece.len())?);
            bytes.extend_from_slice(piece);
        }
        (!bytes.is_empty()).then_some(Cow::Owned(bytes))
    }
}

/// Returns the number of samples of the longest track, from its size table (ISO/IEC 14496-12 s8.7.3).
pub(super) fn frames(moov: &[u8]) -> u32 {
    let tracks = payloads(moov).filter(|(kind, _)| kind == b"trak");
    let samples = tracks.filter_map(|(_, track)| {
        let table = find(find(find(find(track, b"mdia")?, b"minf")?, b"stbl")?, b"stsz")?;
        u32_be(table, 8)
    });
    samples.max().unwrap_or(0)
}

fn read_items(iinf: &[u8]) -> Option<Vec<Item<'_>>> {
    let entries = payloads(iinf.get(entries_start(iinf)?..)?).filter(|(kind, _)| kind == b"infe").take(MAX_ITEMS);
    Some(entries.filter_map(|(_, infe)| read_item(infe)).collect())
}

fn read_item(infe: &[u8]) -> Option<Item<'_>> {
    let ItemInfo { id, kind, content_type } = ItemInfo::read(infe)?;
    Some(Item { id, kind, content_type, in_idat: false, extents: Vec::new() })
}

fn read_locations(iloc: &[u8], items: &mut [Item<'_>]) -> Option<()> {
    let mut locations = Locations::open(iloc)?;
    if !locations.widths.iter().all(|width| matches!(width, 0 | 4 | 8)) {
        return None;
    }
    for _ in 0..locations.count.min(MAX_ITEMS as u64) {
        let location = locations.next(MAX_EXTENTS)?;
        // Construction method 2 (bytes of another item) does not occur in AVIF.
        if let Some(item) = items.iter_mut().find(|item| item.id == location.id)
            && location.construction < 2
        {
            (item.in_idat, item.extents) = (location.construction == 1, location.extents);
        }
    }
    Some(())
}

fn read_references(iref: &[u8]) -> Option<Vec<Reference>> {
    let id_size = if *iref.first()? == 0 { 2 } else { 4 };
    let read = |(kind, body)| {
        let mut fields = Cursor { bytes: body, at: 0 };
        let from = fields.number(id_size)? as u32;
        let count = fields.number(2)?;
        let to = (0..count).map(|_| fields.number(id_size).map(|id| id as u32)).collect::<Option<Vec<u32>>>()?;
        Some(Reference { kind, from, to })
    };
    payloads(iref.get(4..)?).take(MAX_ITEMS).map(read).collect()
}

fn read_associations(ipma: &[u8], associations: &mut Vec<Association>) -> Option<()> {
    let (version, wide) = (*ipma.first()?, *ipma.get(3)? & 1 == 1);
    let mut fields = Cursor { bytes: ipma, at: 4 };
    for _ in 0..fields.number(4)? {
        let id = fields.number(if version == 0 { 2 } else { 4 })? as u32;
        for _ in 0..fields.number(1)? {
            // The highest bit says whether the property is essential.
            let bits = if wide { 15 } else { 7 };
            let field = fields.number(if wide { 2 } else { 1 })?;
            let (index, is_essential) = ((field & ((1 << bits) - 1)) as usize, field >> bits == 1);
            associations.push(Association { item: id, index, is_essential });
            if associations.len() > MAX_PROPERTIES {
                return None;
            }
        }
    }
    Some(())
}
