//! AVIF: sizes, boxes that hold each other or claim to.

use crate::bytes::{grid_of_pieces, iso_box};
use crate::{Bomb, End, fixture};

pub(crate) fn bombs() -> Vec<Bomb> {
    let resized = |width: u32, height: u32| {
        let mut file = plain();
        let at = position(&file, b"ispe") + 8;
        file[at..at + 8].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
        file
    };
    let huge_box = |kind: &[u8; 4]| {
        let mut file = plain();
        let at = position(&file, kind) - 4;
        file[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        file
    };
    vec![
        Bomb { name: "avif of 65535x65535", file: resized(65_535, 65_535), end: End::Refused },
        Bomb { name: "avif of 2^32-1 pixels a side", file: resized(u32::MAX, u32::MAX), end: End::Refused },
        Bomb { name: "avif without a width", file: resized(0, 5), end: End::Refused },
        Bomb { name: "avif that says 9000x9000 and is 24x18", file: resized(9000, 9000), end: End::Bounded },
        Bomb { name: "avif whose boxes nest 100,000 deep", file: nested(), end: End::Bounded },
        Bomb { name: "avif whose meta box has 2^32-1 bytes", file: huge_box(b"meta"), end: End::Bounded },
        Bomb { name: "avif whose pixels have 2^32-1 bytes", file: huge_box(b"mdat"), end: End::Bounded },
        Bomb { name: "avif of 268 million extents of no size", file: extents(), end: End::Refused },
        Bomb {
            name: "avif of 1,024 tiles that all are the file, in pieces",
            file: grid_of_pieces(b"avif", b"av01"),
            end: End::Refused,
        },
        Bomb {
            name: "avif of 100,000 empty boxes",
            file: padded(&iso_box(b"free", &[]).repeat(100_000)),
            end: End::Bounded,
        },
    ]
}

fn plain() -> Vec<u8> {
    fixture("avif")
}

fn position(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).position(|window| window == kind).expect("it is there")
}

/// The file type, then meta boxes in meta boxes.
fn nested() -> Vec<u8> {
    let depth = 100_000usize;
    let file = plain();
    let mut bomb = file[..position(&file, b"meta") - 4].to_vec();
    for level in (1..=depth).rev() {
        bomb.extend((level as u32 * 12).to_be_bytes());
        bomb.extend(b"meta\0\0\0\0");
    }
    bomb
}

/// Locations of 4,096 items, each of 65,535 extents whose fields have no size.
fn extents() -> Vec<u8> {
    let item = [&[0, 1, 0, 0][..], &u16::MAX.to_be_bytes()].concat();
    let locations = iso_box(b"iloc", &[vec![0, 0, 0, 0, 0, 0, 0x10, 0], item.repeat(4096)].concat());
    let mut file = plain();
    let (meta, old) = (position(&file, b"meta") - 4, position(&file, b"iloc") - 4);
    let length = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let (meta_length, old_length) = (length(meta), length(old));
    file[meta..meta + 4].copy_from_slice(&(meta_length - old_length + locations.len() as u32).to_be_bytes());
    file.splice(old..old + old_length as usize, locations);
    file
}

/// The file type, `boxes`, and the rest.
fn padded(boxes: &[u8]) -> Vec<u8> {
    let file = plain();
    let at = position(&file, b"meta") - 4;
    [&file[..at], boxes, &file[at..]].concat()
}
