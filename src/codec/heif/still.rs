//! A still picture: its tiles, its transparency, and what is said of its colours.

use std::borrow::Cow;

use super::meta::{Item, Meta};
use super::{Coding, Nclx, Picture, Still, Tile};
use crate::codec::boxes::{exif_of, number};
use crate::codec::bytes::{u16_be, u32_be};

/// The last operating point that AV1 data can have (AV1 s5.5.1).
const MAX_OPERATING_POINT: u8 = 31;
/// Maximum number of tiles in a grid (HEIF s6.6.2.3 would allow 65,536).
const MAX_TILES: usize = 1024;

impl<'a> Meta<'a> {
    pub(super) fn still(&self, frames: u32) -> Result<Still<'a>, &'static str> {
        self.still_of(self.item(self.primary).ok_or("its primary picture is missing")?, frames)
    }

    pub(super) fn still_of(&self, primary: &Item<'a>, frames: u32) -> Result<Still<'a>, &'static str> {
        self.check_order(primary.id)?;
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

    /// Returns the auxiliary picture that holds the transparency of `primary`.
    pub(super) fn alpha_of(&self, primary: &Item<'a>) -> Option<&Item<'a>> {
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
        self.check_essential(item.id)?;
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
        self.check_essential(item.id)?;
        if self.coding == Coding::Av1 && self.properties_of(item.id, b"av1C").next().is_none() {
            return Err("a picture of it has no configuration of AV1");
        }
        let (width, height) = self.size(item.id)?;
        let bytes = self.bytes_of(item).ok_or("a picture of it lies outside the file, or uses bytes of another")?;
        let configuration = self.properties_of(item.id, b"hvcC").next().unwrap_or_default();
        Ok(Tile { width, height, bytes, operating_point: self.operating_point(item.id)?, configuration })
    }

    /// Returns which of the operating points of its AV1 data an item shows (AV1-ISOBMFF s2.3.2.1, property a1op): a
    /// choice of layers. One layer out of several (HEIF s6.5.11, property lsel) is not read, unless it may be the last.
    pub(super) fn operating_point(&self, id: u32) -> Result<u8, &'static str> {
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

    pub(super) fn exif(&self, id: u32) -> Option<Cow<'a, [u8]>> {
        self.described_by(id, |item| item.kind == *b"Exif").and_then(exif_block)
    }

    pub(super) fn xmp(&self, id: u32) -> Option<Cow<'a, [u8]>> {
        self.described_by(id, |item| item.kind == *b"mime" && item.content_type == b"application/rdf+xml")
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
