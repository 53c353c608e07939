//! TIFF: sizes, tiles, directories that go in circles, deflate.

use crate::bytes::deflated_zeros;
use crate::{Bomb, End};

/// A field: tag, type, count, value or offset.
type Field = (u16, u16, u32, u32);

const SHORT: u16 = 3;
const LONG: u16 = 4;

pub(crate) fn bombs() -> Vec<Bomb> {
    let zeros = deflated_zeros(100 << 20);
    let deflated = |width, height| {
        let strip = [(273, LONG, 1, DATA), (278, LONG, 1, height), (279, LONG, 1, zeros.len() as u32)];
        file(&[grey(width, height, 8), strip.to_vec()].concat(), 0, &zeros)
    };
    vec![
        Bomb {
            name: "tiff of 2^32-1 pixels a side",
            file: file(&grey(u32::MAX, u32::MAX, 1), 0, &[]),
            end: End::Refused,
        },
        Bomb { name: "tiff of 65535x65535", file: file(&grey(65_535, 65_535, 1), 0, &[]), end: End::Refused },
        Bomb { name: "tiff whose directory follows itself", file: file(&small(), 8, &[0; 64]), end: End::Bounded },
        Bomb {
            name: "tiff of tiles of 2^31 pixels",
            file: file(&[grey(64, 64, 1), tiles(1 << 31)].concat(), 0, &[0; 64]),
            end: End::Bounded,
        },
        Bomb {
            name: "tiff of 1x65535 in 4,096 tiles of 65535x16 that lie at the same place",
            file: wide_tiles(),
            end: End::Refused,
        },
        Bomb {
            name: "tiff of 2^32-1 strips",
            file: file(
                &[grey(64, 64, 1), vec![(273, LONG, u32::MAX, DATA), (279, LONG, u32::MAX, DATA)]].concat(),
                0,
                &[],
            ),
            end: End::Bounded,
        },
        Bomb {
            name: "tiff whose photometric interpretation has 200,000 values that are not there",
            file: file(&[(262, 1, 200_000, DATA), (256, LONG, 1, 8), (257, LONG, 1, 8)], 0, &[]),
            end: End::Refused,
        },
        Bomb {
            name: "tiff whose photometric interpretation has 8 million values",
            file: file(&[(262, 1, 0x007F_FFF8, DATA), (256, LONG, 1, 8), (257, LONG, 1, 8)], 0, &vec![0; 0x007F_FFF8]),
            end: End::Refused,
        },
        Bomb { name: "tiff of 81 megapixels in 100 kB", file: deflated(9000, 9000), end: End::Bounded },
        Bomb { name: "tiff with 100 MB for 64x64", file: deflated(64, 64), end: End::Bounded },
    ]
}

/// Where what follows the directory begins.
const DATA: u32 = 512;

fn grey(width: u32, height: u32, compression: u32) -> Vec<Field> {
    vec![
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, compression),
        (262, SHORT, 1, 1),
        (277, SHORT, 1, 1),
    ]
}

fn small() -> Vec<Field> {
    [grey(8, 8, 1), vec![(273, LONG, 1, DATA), (278, LONG, 1, 8), (279, LONG, 1, 64)]].concat()
}

fn tiles(side: u32) -> Vec<Field> {
    vec![(322, LONG, 1, side), (323, LONG, 1, side), (324, LONG, 1, DATA), (325, LONG, 1, 64)]
}

/// Tiles of a million pixels, of which one column is shown.
fn wide_tiles() -> Vec<u8> {
    const TILES: u32 = 4096;
    let stored = deflated_zeros(65_535 * 16);
    let lists = [[DATA + 8 * TILES; TILES as usize], [stored.len() as u32; TILES as usize]];
    let lists = lists.as_flattened().iter().flat_map(|value| value.to_le_bytes());
    let data: Vec<u8> = lists.chain(stored.iter().copied()).collect();
    let tiles =
        [(322, LONG, 1, 65_535), (323, LONG, 1, 16), (324, LONG, TILES, DATA), (325, LONG, TILES, DATA + 4 * TILES)];
    file(&[grey(1, 65_535, 8), tiles.to_vec()].concat(), 0, &data)
}

/// A little-endian file of one directory, with the offset of the next, and `data` at [`DATA`].
fn file(fields: &[Field], next: u32, data: &[u8]) -> Vec<u8> {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in fields {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend(next.to_le_bytes());
    file.resize(DATA as usize, 0);
    file.extend(data);
    file
}
