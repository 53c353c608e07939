//! HEIF, the container of AVIF and HEIC: ISO base media boxes (ISO/IEC 14496-12), still picture items (ISO/IEC
//! 23008-12) and AVIF's rules for them; and how decoded tiles become a picture.
//!
//! Every count is bounded and every offset is checked, and so are the bytes that are copied. What is not
//! supported is refused.

pub(super) mod assemble;
pub(super) mod items;
mod meta;
#[cfg(feature = "heic")]
mod overlay;
mod still;
mod transforms;
pub(super) mod yuv;

use std::borrow::Cow;

#[cfg(feature = "heic")]
pub(super) use overlay::{Overlay, parse_overlay};

use super::boxes::find;
use crate::picture::Orientation;
use crate::picture::transform::Area;
use meta::{Meta, frames};

/// How the pictures of a file are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
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
pub(super) struct Still<'a> {
    pub colour: Picture<'a>,
    pub alpha: Option<Picture<'a>>,
    /// Whether the colours are already multiplied by alpha.
    pub premultiplied: bool,
    pub icc: Option<&'a [u8]>,
    pub nclx: Option<Nclx>,
    pub orientation: Orientation,
    /// The part that is shown, before the orientation.
    pub crop: Option<Area>,
    pub exif: Option<Cow<'a, [u8]>>,
    pub xmp: Option<Cow<'a, [u8]>>,
    /// Frames of the longest track; 0 when the file is not a sequence.
    pub frames: u32,
}

impl Still<'_> {
    /// Width and height of the part that is shown, before the orientation.
    pub(super) fn shown_size(&self) -> (u32, u32) {
        self.crop.map_or((self.colour.width, self.colour.height), |crop| (crop.width, crop.height))
    }

    /// Bytes of the decoded picture, twice when it is cropped, with one byte a pixel for alpha.
    pub(super) fn picture_bytes(&self) -> u64 {
        let pixels = u64::from(self.colour.width) * u64::from(self.colour.height);
        let copies = if self.crop.is_some() { 2 } else { 1 };
        pixels * copies * if self.alpha.is_some() { 5 } else { 3 }
    }

    /// Returns the largest number of bytes that a tile of colours or of alpha has.
    pub(super) fn longest_tile(&self) -> u64 {
        let tiles = [Some(&self.colour), self.alpha.as_ref()].into_iter().flatten().flat_map(|picture| &picture.tiles);
        tiles.map(|tile| tile.bytes.len() as u64).max().unwrap_or(0)
    }
}

/// The tiles of a picture: one tile, or those of a grid in row order.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub tiles: Vec<Tile<'a>>,
}

impl Picture<'_> {
    /// The position of the visible part of a tile in the picture: left, top, width, height.
    pub(super) fn place(&self, index: usize) -> (usize, usize, usize, usize) {
        let (tile, columns) = (&self.tiles[index], self.columns as usize);
        let (left, top) = (index % columns * tile.width as usize, index / columns * tile.height as usize);
        let width = (tile.width as usize).min((self.width as usize).saturating_sub(left));
        let height = (tile.height as usize).min((self.height as usize).saturating_sub(top));
        (left, top, width, height)
    }
}

/// A coded picture: its declared size, its bytes, and the configuration of its decoder (HEVC's).
#[derive(Debug)]
pub(super) struct Tile<'a> {
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
pub(super) struct Nclx {
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub full_range: bool,
}

/// Reads the container of `bytes`.
///
/// Returns the reason as a text.
pub(super) fn parse(bytes: &[u8], coding: Coding) -> Result<Still<'_>, &'static str> {
    let meta = find(bytes, b"meta").ok_or("it has no description of a still picture")?;
    let meta = Meta::read(bytes, meta.get(4..).ok_or("its description is cut short")?, coding)?;
    let frames = find(bytes, b"moov").map_or(0, frames);
    meta.still(frames)
}

/// Returns the kind of the primary item. Returns `None` when the container is damaged.
#[cfg(feature = "heic")]
pub(super) fn primary_kind(bytes: &[u8]) -> Option<[u8; 4]> {
    let meta = Meta::read(bytes, find(bytes, b"meta")?.get(4..)?, Coding::Hevc).ok()?;
    meta.item(meta.primary).map(|item| item.kind)
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
        grid_of(columns, width, &a_box(b"colr", b"nclx\0\x09\0\x10\0\x09\x80"))
    }

    /// The same, where the grid has this property for its nclx.
    fn grid_of(columns: u8, width: u8, third: &[u8]) -> Vec<u8> {
        let idat = [0, 0, 0, columns - 1, 0, width, 0, 4, b'a', b'b'];
        let location = |id: u8, offset: u8, length: u8| [0, id, 0, 1, 0, 0, 0, 1, 0, 0, 0, offset, 0, 0, 0, length];
        let iloc = [&[0x44, 0, 0, 3][..], &location(1, 0, 8), &location(2, 8, 1), &location(3, 9, 1)].concat();
        let iinf = [&[0, 3][..], &infe(1, b"grid"), &infe(2, b"av01"), &infe(3, b"av01")].concat();
        let turned = [a_box(b"irot", &[1]), a_box(b"imir", &[0])].concat();
        let ipco = [ispe(7, 4), ispe(4, 4), third.to_vec(), turned, a_box(b"av1C", &[0x81])].concat();
        let ipma = [0, 0, 0, 3, 0, 1, 4, 1, 3, 4, 5, 0, 2, 2, 2, 6, 0, 3, 2, 2, 6];
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

    #[test]
    fn only_the_part_that_is_shown_counts() {
        let fractions = [5, 1, 2, 1, 0, 1, 0, 1].map(u32::to_be_bytes).concat();
        let file = grid_of(2, 7, &a_box(b"clap", &fractions));
        let still = parse(&file, Coding::Av1).unwrap();
        assert_eq!(still.crop, Some(Area { left: 1, top: 1, width: 5, height: 2 }));
        assert_eq!((still.shown_size(), still.picture_bytes()), ((5, 2), 7 * 4 * 3 * 2));
        assert_eq!(parse(&grid(2, 7), Coding::Av1).unwrap().shown_size(), (7, 4));
    }

    /// The grid whose tiles have this property in place of their nclx.
    fn grid_with(property: Vec<u8>) -> Vec<u8> {
        let file = grid(2, 7);
        let nclx = a_box(b"colr", b"nclx\0\x09\0\x10\0\x09\x80");
        let at = file.windows(nclx.len()).position(|found| found == nclx).unwrap();
        let free = a_box(b"free", &vec![0; nclx.len() - property.len() - 8]);
        let mut changed = file;
        changed.splice(at..at + nclx.len(), [property, free].concat());
        // The tiles have it in place of their size.
        let tiles = associations(&changed) + 7;
        changed[tiles + 3] = 3;
        changed[tiles + 8] = 3;
        changed
    }

    /// Where the associations of the grid are, of item 1 first.
    fn associations(file: &[u8]) -> usize {
        file.windows(7).position(|found| found == [0, 1, 4, 1, 3, 4, 5]).unwrap()
    }

    #[test]
    fn an_essential_property_that_is_not_known_is_refused() {
        let mut file = grid(2, 7);
        let nclx = file.windows(4).position(|found| found == b"colr").unwrap();
        file[nclx..nclx + 4].copy_from_slice(b"abcd");
        assert!(parse(&file, Coding::Av1).is_ok());
        let at = associations(&file) + 4;
        file[at] |= 0x80;
        assert!(parse(&file, Coding::Av1).unwrap_err().contains("essential"));
        file[nclx..nclx + 4].copy_from_slice(b"colr");
        assert!(parse(&file, Coding::Av1).is_ok());
    }

    #[test]
    fn a_tile_without_configuration_is_refused() {
        let mut file = grid(2, 7);
        let at = file.windows(4).position(|found| found == b"av1C").unwrap();
        file[at..at + 4].copy_from_slice(b"free");
        assert!(parse(&file, Coding::Av1).unwrap_err().contains("configuration"));
    }

    #[test]
    fn transforms_of_a_heic_in_another_order_are_refused() {
        let mut file = grid(2, 7);
        let kinds: Vec<usize> = (4..file.len()).filter(|at| file[at - 4..*at] == *b"av01").collect();
        kinds.iter().for_each(|at| file[at - 4..*at].copy_from_slice(b"hvc1"));
        assert!(parse(&file, Coding::Hevc).is_ok());
        let at = associations(&file) + 5;
        for transforms in [[5, 4], [4, 4]] {
            file[at..at + 2].copy_from_slice(&transforms);
            assert!(parse(&file, Coding::Hevc).unwrap_err().contains("order"), "{transforms:?}");
        }
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
            ipma.extend([0, 4, 3, 2, 6, 7, 0, 5, 3, 2, 6, 7]);
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
