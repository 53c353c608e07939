//! HEIC: sizes, in the container and against its HEVC data.

use crate::bytes::grid_of_pieces;
use crate::{Bomb, End, fixture};

pub(crate) fn bombs() -> Vec<Bomb> {
    let resized = |width: u32, height: u32| {
        let mut file = fixture("heic");
        let at = file.windows(4).position(|kind| kind == b"ispe").expect("it has a size") + 8;
        file[at..at + 8].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
        file
    };
    vec![
        Bomb { name: "heic of 65535x65535", file: resized(65_535, 65_535), end: End::Refused },
        Bomb { name: "heic of 2^32-1 pixels a side", file: resized(u32::MAX, u32::MAX), end: End::Refused },
        Bomb { name: "heic without a height", file: resized(24, 0), end: End::Refused },
        Bomb {
            name: "heic of 1,024 tiles that all are the file, in pieces",
            file: grid_of_pieces(b"heic", b"hvc1"),
            end: End::Refused,
        },
        Bomb { name: "heic that says 9000x9000 and is 24x18", file: resized(9000, 9000), end: End::Refused },
    ]
}
