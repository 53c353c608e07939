//! Reads the container of an AVIF or a HEIC: ISO base media boxes (ISO/IEC 14496-12), still picture items (ISO/IEC
//! 23008-12, HEIF) and AVIF's rules for them.
//!
//! Every count is bounded and every offset is checked. Three things are not supported: `clap` of an AVIF (the crop is
//! not applied; hardly any file has one), sequences without a primary item, and overlays in an AVIF.

#[cfg(feature = "heic")]
mod overlay;

use std::borrow::Cow;

#[cfg(feature = "heic")]
pub(in crate::codec) use overlay::{Overlay, parse_overlay};

use super::items::{ItemInfo, Locations, entries_start, primary_item};
use crate::codec::boxes::{Cursor, exif_of, find, number, payloads};
use crate::codec::bytes::{u16_be, u32_be};
use crate::picture::Orientation;
use crate::picture::transform::Area;

/// The last operating point that AV1 data can have (AV1 s5.5.1).
const MAX_OPERATING_POINT: u8 = 31;
/// Maximum number of items in a file. A grid of the largest allowed pictures has a few hundred tiles.
const MAX_ITEMS: usize = 4096;
/// Maximum number of extents of an item. Real files have one.
const MAX_EXTENTS: usize = 64;
/// Maximum number of properties, and of their associations.
const MAX_PROPERTIES: usize = 4096;
/// Maximum number of tiles in a grid (HEIF s6.6.2.3 would allow 65,536).
const MAX_TILES: usize = 1024;

/// How the pictures of a file are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Coding {
    /// AVIF.
    Av1,
    /// HEIC.
    Hevc,
}

impl Coding {
    /// Whether items of this kind hold pictures of this coding.
    fn has_kind(self, kind: &[u8; 4]) -> bool {
        match self {
            Coding::Av1 => kind == b"av01",
            Coding::Hevc => matches!(kind, b"hvc1" | b"hev1"),
        }
    }
}

/// A still picture as the container describes it.
#[derive(Debug)]
pub(in crate::codec) struct Still<'a> {
    pub colour: Picture<'a>,
    pub alpha: Option<Picture<'a>>,
    /// Whether the colours are already multiplied by alpha.
    pub premultiplied: bool,
    pub icc: Option<&'a [u8]>,
    pub nclx: Option<Nclx>,
    pub orientation: Orientation,
    /// The part that is shown, before the orientation. That of an AVIF is not read.
    pub crop: Option<Area>,
    pub exif: Option<Cow<'a, [u8]>>,
    pub xmp: Option<Cow<'a, [u8]>>,
    /// Frames of the longest track; 0 when the file is not a sequence.
    pub frames: u32,
}

/// The tiles of a picture: one tile, or those of a grid in row order.
#[derive(Debug)]
pub(in crate::codec) struct Picture<'a> {
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub tiles: Vec<Tile<'a>>,
}

impl Picture<'_> {
    /// The position of the visible part of a tile in the picture: left, top, width, height.
    pub(in crate::codec) fn place(&self, index: usize) -> (usize, usize, usize, usize) {
        let (tile, columns) = (&self.tiles[index], self.columns as usize);
        let (left, top) = (index % columns * tile.width as usize, index / columns * tile.height as usize);
        let width = (tile.width as usize).min((self.width as usize).saturating_sub(left));
        let height = (tile.height as usize).min((self.height as usize).saturating_sub(top));
        (left, top, width, height)
    }
}

/// Reads `clap` (ISO/IEC 14496-12 s12.1.4): fractions of a size and of the distance between the centres. Returns `None` where
/// the part is empty or not inside a picture of `width` x `height`.
fn cropped_area(clap: &[u8], width: u32, height: u32) -> Option<Area> {
    let fraction = |at: usize| {
        let (above, below) = (u32_be(clap, at)? as i32, u32_be(clap, at + 4)?);
        (below > 0).then(|| f64::from(above) / f64::from(below))
    };
    let (across, down) = (fraction(0)?, fraction(8)?);
    let start = |side: u32, part: f64, offset: f64| (f64::from(side) - part) / 2.0 + offset;
    let (left, top) = (start(width, across, fraction(16)?), start(height, down, fraction(24)?));
    let crop = Area {
        left: left.round().max(0.0) as u32,
        top: top.round().max(0.0) as u32,
        width: across.round().max(0.0) as u32,
        height: down.round().max(0.0) as u32,
    };
    let is_inside =
        |start: u32, part: u32, side: u32| part > 0 && start.checked_add(part).is_some_and(|end| end <= side);
    (is_inside(crop.left, crop.width, width) && is_inside(crop.top, crop.height, height)).then_some(crop)
}

/// A coded picture: its declared size, its bytes, and the configuration of its decoder (HEVC's).
#[derive(Debug)]
pub(in crate::codec) struct Tile<'a> {
    pub width: u32,
    pub height: u32,
    pub bytes: Cow<'a, [u8]>,
    /// Which operating point of the AV1 data is shown.
    pub operating_point: u8,
    #[cfg_attr(not(feature = "heic"), expect(dead_code, reason = "AV1 needs none"))]
    pub configuration: &'a [u8],
}

/// Code points of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) struct Nclx {
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub full_range: bool,
}

/// Reads the container of `bytes`.
///
/// Returns the reason as a text.
pub(in crate::codec) fn parse(bytes: &[u8], coding: Coding) -> Result<Still<'_>, &'static str> {
    let meta = find(bytes, b"meta").ok_or("it has no description of a still picture")?;
    let meta = Meta::read(bytes, meta.get(4..).ok_or("its description is cut short")?, coding)?;
    let frames = find(bytes, b"moov").map_or(0, frames);
    meta.still(frames)
}

/// Returns the kind of the primary item. Returns `None` when the container is damaged.
#[cfg(feature = "heic")]
pub(in crate::codec) fn primary_kind(bytes: &[u8]) -> Option<[u8; 4]> {
    let meta = Meta::read(bytes, find(bytes, b"meta")?.get(4..)?, Coding::Hevc).ok()?;
    meta.item(meta.primary).map(|item| item.kind)
}

/// Returns the number of samples of the longest track, from its size table (ISO/IEC 14496-12 s8.7.3).
fn frames(moov: &[u8]) -> u32 {
    let tracks = payloads(moov).filter(|(kind, _)| kind == b"trak");
    let samples = tracks.filter_map(|(_, track)| {
        let table = find(find(find(find(track, b"mdia")?, b"minf")?, b"stbl")?, b"stsz")?;
        u32_be(table, 8)
    });
    samples.max().unwrap_or(0)
}

/// The meta box: items, the location of their bytes, their references and their properties.
#[derive(Debug)]
struct Meta<'a> {
    file: &'a [u8],
    coding: Coding,
    /// Bytes of items that lie inside the meta box.
    idat: &'a [u8],
    primary: u32,
    items: Vec<Item<'a>>,
    references: Vec<Reference>,
    /// Kind and payload of each property.
    properties: Vec<([u8; 4], &'a [u8])>,
    /// Item, and the index of one of its properties, counted from 1, in order.
    associations: Vec<(u32, usize)>,
}

#[derive(Debug)]
struct Item<'a> {
    id: u32,
    kind: [u8; 4],
    content_type: &'a [u8],
    in_idat: bool,
    /// Offset and length of each extent. A length of 0 means up to the end.
    extents: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

impl<'a> Meta<'a> {
    fn read(file: &'a [u8], body: &'a [u8], coding: Coding) -> Result<Meta<'a>, &'static str> {
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
        Ok(Meta { file, coding, idat, primary, items, references, properties, associations })
    }

    fn still(&self, frames: u32) -> Result<Still<'a>, &'static str> {
        self.still_of(self.item(self.primary).ok_or("its primary picture is missing")?, frames)
    }

    fn still_of(&self, primary: &Item<'a>, frames: u32) -> Result<Still<'a>, &'static str> {
        let colour = self.picture(primary)?;
        let alpha = self.alpha_of(primary);
        let premultiplied = alpha.is_some_and(|alpha| self.referred(b"prem", primary.id).any(|id| id == alpha.id));
        let alpha = match alpha {
            Some(item) => Some(self.picture(item)?),
            None if primary.kind == *b"grid" => self.alpha_of_tiles(primary, &colour)?,
            None => None,
        };
        if alpha.as_ref().is_some_and(|alpha| (alpha.width, alpha.height) != (colour.width, colour.height)) {
            return Err("its alpha is not the size of its colours");
        }
        let first_tile = self.referred(b"dimg", primary.id).next().filter(|_| primary.kind == *b"grid");
        let colr = |kinds: &[&[u8; 4]]| {
            let of = |id| self.properties_of(id, b"colr").find(|body| kinds.iter().any(|kind| body.starts_with(*kind)));
            of(primary.id).or_else(|| of(first_tile?)).and_then(|body| body.get(4..))
        };
        Ok(Still {
            icc: colr(&[b"prof", b"rICC"]),
            nclx: colr(&[b"nclx"]).and_then(read_nclx),
            orientation: self.orientation(primary.id),
            crop: self.crop(primary.id, colour.width, colour.height),
            exif: self.exif(primary.id),
            xmp: self.xmp(primary.id),
            colour,
            alpha,
            premultiplied,
            frames,
        })
    }

    fn item(&self, id: u32) -> Option<&Item<'a>> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Returns the items that `from` refers to by this kind of reference.
    fn referred<'b>(&'b self, kind: &'b [u8; 4], from: u32) -> impl Iterator<Item = u32> + 'b {
        let matching =
            self.references.iter().filter(move |reference| reference.kind == *kind && reference.from == from);
        matching.flat_map(|reference| reference.to.iter().copied())
    }

    /// Returns the items that refer to `to` by this kind of reference.
    fn referring<'b>(&'b self, kind: &'b [u8; 4], to: u32) -> impl Iterator<Item = &'b Item<'a>> + 'b {
        let matching =
            self.references.iter().filter(move |reference| reference.kind == *kind && reference.to.contains(&to));
        matching.filter_map(|reference| self.item(reference.from))
    }

    /// Returns the properties of an item in the order of its associations.
    fn ordered_properties<'b>(&'b self, id: u32) -> impl Iterator<Item = ([u8; 4], &'a [u8])> + 'b {
        let own = self.associations.iter().filter(move |(item, _)| *item == id);
        own.filter_map(|&(_, index)| self.properties.get(index.checked_sub(1)?).copied())
    }

    fn properties_of<'b>(&'b self, id: u32, kind: &'b [u8; 4]) -> impl Iterator<Item = &'a [u8]> + 'b {
        self.ordered_properties(id).filter(move |(found, _)| found == kind).map(|(_, body)| body)
    }

    /// Returns the auxiliary picture that holds the transparency of `primary`.
    fn alpha_of(&self, primary: &Item<'a>) -> Option<&Item<'a>> {
        const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];
        self.referring(b"auxl", primary.id).find(|item| {
            self.properties_of(item.id, b"auxC").any(|body| {
                let urn = body.get(4..).unwrap_or_default().split(|&byte| byte == 0).next();
                urn.is_some_and(|urn| ALPHA.contains(&urn))
            })
        })
    }

    /// Returns the transparency of a grid whose tiles each have their own, as a grid of the same shape. A grid with
    /// tiles that have none is opaque.
    fn alpha_of_tiles(&self, grid: &Item<'a>, colour: &Picture<'a>) -> Result<Option<Picture<'a>>, &'static str> {
        let tiles = self.referred(b"dimg", grid.id).map(|id| self.item(id).and_then(|tile| self.alpha_of(tile)));
        let Some(items) = tiles.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let tiles = items.into_iter().map(|item| self.tile(item)).collect::<Result<Vec<_>, _>>()?;
        let is_same_shape =
            |(alpha, colour): (&Tile<'_>, &Tile<'_>)| (alpha.width, alpha.height) == (colour.width, colour.height);
        if !tiles.iter().zip(&colour.tiles).all(is_same_shape) {
            return Err("the transparency of a tile is not the size of its colours");
        }
        Ok(Some(Picture { width: colour.width, height: colour.height, columns: colour.columns, tiles }))
    }

    fn size(&self, id: u32) -> Result<(u32, u32), &'static str> {
        let body = self.properties_of(id, b"ispe").next().ok_or("a picture of it declares no size")?;
        u32_be(body, 4).zip(u32_be(body, 8)).ok_or("a picture of it declares no size")
    }

    fn picture(&self, item: &Item<'a>) -> Result<Picture<'a>, &'static str> {
        match &item.kind {
            kind if self.coding.has_kind(kind) => {
                let tile = self.tile(item)?;
                Ok(Picture { width: tile.width, height: tile.height, columns: 1, tiles: vec![tile] })
            }
            b"grid" => self.grid(item),
            _ => Err("its primary picture is of a kind that is not read"),
        }
    }

    fn tile(&self, item: &Item<'a>) -> Result<Tile<'a>, &'static str> {
        let (width, height) = self.size(item.id)?;
        let bytes = self.bytes_of(item).ok_or("a picture of it lies outside the file")?;
        let configuration = self.properties_of(item.id, b"hvcC").next().unwrap_or_default();
        Ok(Tile { width, height, bytes, operating_point: self.operating_point(item.id)?, configuration })
    }

    /// Returns which of the operating points of its AV1 data an item shows (AV1-ISOBMFF s2.3.2.1, property a1op): a choice of
    /// layers. One layer out of several (HEIF s6.5.11, property lsel) is not read, unless it may be the last.
    fn operating_point(&self, id: u32) -> Result<u8, &'static str> {
        const ANY_LAYER: u16 = 0xFFFF;
        if self.properties_of(id, b"lsel").any(|body| u16_be(body, 0) != Some(ANY_LAYER)) {
            return Err("it shows one layer out of several, which is not supported");
        }
        match self.properties_of(id, b"a1op").next().map(|body| body.first().copied()) {
            None => Ok(0),
            Some(Some(point @ 0..=MAX_OPERATING_POINT)) => Ok(point),
            Some(_) => Err("it names an operating point that does not exist"),
        }
    }

    /// Reads a grid (HEIF s6.6.2.3): tiles of one size, in rows, which cover the picture.
    fn grid(&self, item: &Item<'a>) -> Result<Picture<'a>, &'static str> {
        let body = self.bytes_of(item).ok_or("its grid lies outside the file")?;
        let grid = Grid::read(&body).ok_or("its grid is damaged")?;
        let ids: Vec<u32> = self.referred(b"dimg", item.id).take(MAX_TILES + 1).collect();
        if ids.len() > MAX_TILES || ids.len() as u64 != u64::from(grid.rows) * u64::from(grid.columns) {
            return Err("its grid has the wrong number of tiles");
        }
        let tiles = ids.iter().map(|&id| self.item(id).filter(|tile| self.coding.has_kind(&tile.kind)));
        let tiles = tiles.map(|tile| self.tile(tile.ok_or("a tile of its grid is missing")?));
        let tiles = tiles.collect::<Result<Vec<Tile<'a>>, _>>()?;
        let (across, down) = (tiles[0].width, tiles[0].height);
        if tiles.iter().any(|tile| (tile.width, tile.height) != (across, down)) || !grid.is_covered_by(across, down) {
            return Err("the tiles of its grid do not cover the picture");
        }
        Ok(Picture { width: grid.width, height: grid.height, columns: grid.columns, tiles })
    }

    /// Returns the bytes of an item, borrowed when they lie in one extent. All extents together may not be longer than
    /// the file, because a small file could otherwise expand without limit.
    fn bytes_of(&self, item: &Item<'a>) -> Option<Cow<'a, [u8]>> {
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
            bytes.extend_from_slice(piece(extent)?);
            if bytes.len() > source.len() {
                return None;
            }
        }
        (!bytes.is_empty()).then_some(Cow::Owned(bytes))
    }

    /// Returns the bytes of the first item of this kind that describes `id` (reference cdsc).
    fn described_by(&self, id: u32, is_kind: impl Fn(&Item<'a>) -> bool) -> Option<Cow<'a, [u8]>> {
        self.referring(b"cdsc", id).find(|item| is_kind(item)).and_then(|item| self.bytes_of(item))
    }

    fn exif(&self, id: u32) -> Option<Cow<'a, [u8]>> {
        self.described_by(id, |item| item.kind == *b"Exif").and_then(exif_block)
    }

    fn xmp(&self, id: u32) -> Option<Cow<'a, [u8]>> {
        self.described_by(id, |item| item.kind == *b"mime" && item.content_type == b"application/rdf+xml")
    }

    /// Returns the part that is shown of an item of this size. That of an AVIF is not read.
    fn crop(&self, id: u32, width: u32, height: u32) -> Option<Area> {
        let clap = self.properties_of(id, b"clap").next().filter(|_| self.coding == Coding::Hevc)?;
        cropped_area(clap, width, height)
    }

    /// Returns the rotation and then the mirroring of an item (MIAF s7.3.6.7: always in this order). AVIF ignores the
    /// orientation in EXIF.
    fn orientation(&self, id: u32) -> Orientation {
        let turns = self.properties_of(id, b"irot").next().and_then(|body| body.first()).map_or(0, |turns| turns & 3);
        let mirror = self.properties_of(id, b"imir").next().and_then(|body| body.first()).map(|axis| axis & 1);
        orientation(turns, mirror)
    }
}

/// The fields of a grid (HEIF s6.6.2.3).
struct Grid {
    rows: u32,
    columns: u32,
    width: u32,
    height: u32,
}

impl Grid {
    fn read(body: &[u8]) -> Option<Grid> {
        let side_bytes = if body.get(1)? & 1 == 1 { 4 } else { 2 };
        let side = |at| number(body, at, side_bytes).map(|side| side as u32);
        let (rows, columns) = (u32::from(*body.get(2)?) + 1, u32::from(*body.get(3)?) + 1);
        Some(Grid { rows, columns, width: side(4)?, height: side(4 + side_bytes)? })
    }

    /// Whether tiles of this size cover the picture, and no row or column of them lies outside it.
    fn is_covered_by(&self, across: u32, down: u32) -> bool {
        let covers = |side: u32, tile: u32, count: u32| {
            let (side, tile, count) = (u64::from(side), u64::from(tile), u64::from(count));
            tile * count >= side && tile * (count - 1) < side
        };
        covers(self.width, across, self.columns) && covers(self.height, down, self.rows)
    }
}

/// Combines `turns` quarter turns anti-clockwise with a mirroring after them: axis 0 swaps top and bottom, 1 left and
/// right.
fn orientation(turns: u8, mirror: Option<u8>) -> Orientation {
    match (turns, mirror) {
        (0, None) => Orientation::Upright,
        (1, None) => Orientation::Rotate270,
        (2, None) => Orientation::Rotate180,
        (_, None) => Orientation::Rotate90,
        (0, Some(0)) | (2, Some(1)) => Orientation::FlipVertical,
        (0, Some(_)) | (2, Some(_)) => Orientation::FlipHorizontal,
        (1, Some(0)) | (3, Some(1)) => Orientation::Transpose,
        (_, Some(_)) => Orientation::Transverse,
    }
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

fn read_associations(ipma: &[u8], associations: &mut Vec<(u32, usize)>) -> Option<()> {
    let (version, wide) = (*ipma.first()?, *ipma.get(3)? & 1 == 1);
    let mut fields = Cursor { bytes: ipma, at: 4 };
    for _ in 0..fields.number(4)? {
        let id = fields.number(if version == 0 { 2 } else { 4 })? as u32;
        for _ in 0..fields.number(1)? {
            // The highest bit says whether the property is essential.
            let index = if wide { fields.number(2)? & 0x7FFF } else { fields.number(1)? & 0x7F };
            associations.push((id, index as usize));
            if associations.len() > MAX_PROPERTIES {
                return None;
            }
        }
    }
    Some(())
}

fn read_nclx(body: &[u8]) -> Option<Nclx> {
    let point = |at| u16_be(body, at).and_then(|value| u8::try_from(value).ok());
    Some(Nclx { primaries: point(0)?, transfer: point(2)?, matrix: point(4)?, full_range: body.get(6)? & 0x80 != 0 })
}

/// Returns the EXIF block of an Exif item.
fn exif_block(item: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    match item {
        Cow::Borrowed(bytes) => exif_of(bytes).map(Cow::Borrowed),
        Cow::Owned(bytes) => exif_of(&bytes).map(|block| Cow::Owned(block.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn full(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
        a_box(kind, &[&[version, 0, 0, 0], body].concat())
    }

    fn infe(id: u8, kind: &[u8; 4]) -> Vec<u8> {
        full(b"infe", 2, &[&[0, id, 0, 0], &kind[..], &[0]].concat())
    }

    fn ispe(width: u32, height: u32) -> Vec<u8> {
        full(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat())
    }

    /// A grid (item 1, its body in idat) of two 4x4 tiles (items 2 and 3, one byte each), 7x4 pixels, rotated and
    /// mirrored.
    fn grid(columns: u8, width: u8) -> Vec<u8> {
        let idat = [0, 0, 0, columns - 1, 0, width, 0, 4, b'a', b'b'];
        let location = |id: u8, offset: u8, length: u8| [0, id, 0, 1, 0, 0, 0, 1, 0, 0, 0, offset, 0, 0, 0, length];
        let iloc = [&[0x44, 0, 0, 3][..], &location(1, 0, 8), &location(2, 8, 1), &location(3, 9, 1)].concat();
        let iinf = [&[0, 3][..], &infe(1, b"grid"), &infe(2, b"av01"), &infe(3, b"av01")].concat();
        let nclx = a_box(b"colr", b"nclx\0\x09\0\x10\0\x09\x80");
        let ipco = [ispe(7, 4), ispe(4, 4), nclx, a_box(b"irot", &[1]), a_box(b"imir", &[0])].concat();
        let ipma = [0, 0, 0, 3, 0, 1, 4, 1, 3, 4, 5, 0, 2, 1, 2, 0, 3, 1, 2];
        let iprp = [a_box(b"ipco", &ipco), full(b"ipma", 0, &ipma)].concat();
        let meta = [
            full(b"pitm", 0, &[0, 1]),
            full(b"iinf", 0, &iinf),
            full(b"iloc", 1, &iloc),
            full(b"iref", 0, &a_box(b"dimg", &[0, 1, 0, 2, 0, 2, 0, 3])),
            a_box(b"iprp", &iprp),
            a_box(b"idat", &idat),
        ];
        [a_box(b"ftyp", b"avif\0\0\0\0mif1"), full(b"meta", 0, &meta.concat())].concat()
    }

    #[test]
    fn a_grid_is_taken_apart() {
        let file = grid(2, 7);
        let still = parse(&file, Coding::Av1).unwrap();
        assert_eq!((still.colour.width, still.colour.height, still.colour.columns), (7, 4, 2));
        let tiles: Vec<_> = still.colour.tiles.iter().map(|tile| (tile.width, tile.height, &tile.bytes[..])).collect();
        assert_eq!(tiles, [(4, 4, &b"a"[..]), (4, 4, b"b")]);
        assert_eq!(still.nclx, Some(Nclx { primaries: 9, transfer: 16, matrix: 9, full_range: true }));
        assert_eq!(still.orientation, Orientation::Transpose);
    }

    /// The grid whose tiles have this property in place of their nclx.
    fn grid_with(property: Vec<u8>) -> Vec<u8> {
        let file = grid(2, 7);
        let nclx = a_box(b"colr", b"nclx\0\x09\0\x10\0\x09\x80");
        let at = file.windows(nclx.len()).position(|found| found == nclx).unwrap();
        let free = a_box(b"free", &vec![0; nclx.len() - property.len() - 8]);
        let mut changed = file;
        changed.splice(at..at + nclx.len(), [property, free].concat());
        // Properties of the tiles: their size, and the third.
        let tiles = changed.windows(8).position(|found| found == [0, 2, 1, 2, 0, 3, 1, 2]).unwrap();
        changed[tiles + 3] = 3;
        changed[tiles + 7] = 3;
        changed
    }

    #[test]
    fn the_operating_point_is_read_and_a_single_layer_refused() {
        let point = |property| {
            let file = grid_with(property);
            let meta = find(&file, b"meta").unwrap();
            Meta::read(&file, &meta[4..], Coding::Av1).unwrap().operating_point(2)
        };
        assert_eq!(point(a_box(b"a1op", &[2])), Ok(2));
        assert_eq!(point(a_box(b"lsel", &[0xFF, 0xFF])), Ok(0));
        assert!(point(a_box(b"a1op", &[32])).is_err());
        assert!(point(a_box(b"lsel", &[0, 1])).is_err());
    }

    #[test]
    fn tiles_may_have_their_own_transparency() {
        let with_alpha = |file: Vec<u8>, references: &[&[u8]]| {
            // Items 4 and 5 are the alpha of tiles 2 and 3; their bytes are those of the tiles.
            let location = |id: u8, offset: u8| [0, id, 0, 1, 0, 0, 0, 1, 0, 0, 0, offset, 0, 0, 0, 1];
            let at = |name: &[u8]| file.windows(4).position(|found| found == name).unwrap() - 4;
            let body = |name: &[u8]| {
                let at = at(name);
                let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
                file[at + 8..at + length].to_vec()
            };
            let mut iinf = body(b"iinf");
            iinf[5] = 5;
            iinf.extend([infe(4, b"av01"), infe(5, b"av01")].concat());
            let mut iloc = body(b"iloc");
            iloc[7] = 5;
            iloc.extend([location(4, 8), location(5, 9)].concat());
            let auxc = full(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
            let ipco = a_box(b"ipco", &[body(b"ipco"), auxc].concat());
            let mut ipma = body(b"ipma");
            ipma[7] = 5;
            ipma.extend([0, 4, 2, 2, 6, 0, 5, 2, 2, 6]);
            let auxl: Vec<u8> = references.iter().flat_map(|reference| a_box(b"auxl", reference)).collect();
            let meta = [
                full(b"pitm", 0, &[0, 1]),
                a_box(b"iinf", &iinf),
                a_box(b"iloc", &iloc),
                a_box(b"iref", &[body(b"iref"), auxl].concat()),
                a_box(b"iprp", &[ipco, a_box(b"ipma", &ipma)].concat()),
                a_box(b"idat", &body(b"idat")),
            ];
            [a_box(b"ftyp", b"avif\0\0\0\0mif1"), full(b"meta", 0, &meta.concat())].concat()
        };
        let both = with_alpha(grid(2, 7), &[&[0, 4, 0, 1, 0, 2], &[0, 5, 0, 1, 0, 3]]);
        let alpha = parse(&both, Coding::Av1).unwrap().alpha.unwrap();
        assert_eq!((alpha.width, alpha.height, alpha.columns), (7, 4, 2));
        assert_eq!(alpha.tiles.iter().map(|tile| &tile.bytes[..]).collect::<Vec<_>>(), [b"a", b"b"]);
        let one = with_alpha(grid(2, 7), &[&[0, 4, 0, 1, 0, 2]]);
        assert_eq!(parse(&one, Coding::Av1).unwrap().alpha.map(|alpha| alpha.tiles.len()), None);
    }

    #[test]
    fn tiles_that_do_not_cover_the_grid_are_refused() {
        assert!(parse(&grid(2, 9), Coding::Av1).is_err());
        assert!(parse(&grid(2, 4), Coding::Av1).is_err());
        assert!(parse(&grid(3, 7), Coding::Av1).is_err());
    }

    #[test]
    fn a_turn_comes_before_the_mirroring() {
        // Where the corners of a picture end up: top left, top right, bottom left, bottom right.
        let turned = |[a, b, c, d]: [u8; 4]| [b, d, a, c];
        let mirrored = |[a, b, c, d]: [u8; 4], axis| if axis == 0 { [c, d, a, b] } else { [b, a, d, c] };
        let upright = |orientation| match orientation {
            Orientation::Upright => [1, 2, 3, 4],
            Orientation::FlipHorizontal => [2, 1, 4, 3],
            Orientation::Rotate180 => [4, 3, 2, 1],
            Orientation::FlipVertical => [3, 4, 1, 2],
            Orientation::Transpose => [1, 3, 2, 4],
            Orientation::Rotate90 => [3, 1, 4, 2],
            Orientation::Transverse => [4, 2, 3, 1],
            Orientation::Rotate270 => [2, 4, 1, 3],
        };
        for turns in 0..4u8 {
            let corners = (0..turns).fold([1, 2, 3, 4], |corners, _| turned(corners));
            assert_eq!(upright(orientation(turns, None)), corners, "{turns}");
            for axis in [0, 1] {
                assert_eq!(upright(orientation(turns, Some(axis))), mirrored(corners, axis), "{turns} {axis}");
            }
        }
    }

    #[test]
    fn a_crop_lies_around_the_centre_and_inside_the_picture() {
        let clap = |values: [i32; 8]| values.map(i32::to_be_bytes).concat();
        let crop = |left, top, width, height| Some(Area { left, top, width, height });
        assert_eq!(cropped_area(&clap([4, 1, 6, 2, 0, 1, 0, 1]), 8, 5), crop(2, 1, 4, 3));
        assert_eq!(cropped_area(&clap([4, 1, 3, 1, -4, 2, 1, 1]), 8, 5), crop(0, 2, 4, 3));
        for outside in
            [[9, 1, 3, 1, 0, 1, 0, 1], [4, 1, 3, 1, 3, 1, 0, 1], [0, 1, 3, 1, 0, 1, 0, 1], [4, 0, 3, 1, 0, 1, 0, 1]]
        {
            assert_eq!(cropped_area(&clap(outside), 8, 5), None, "{outside:?}");
        }
        assert_eq!(cropped_area(&[0; 31], 8, 5), None);
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let file = grid(2, 7);
        for at in 0..file.len() {
            let _ = parse(&file[..at], Coding::Av1);
            for value in [0, 1, 0x7F, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = parse(&damaged, Coding::Av1);
            }
        }
    }
}
