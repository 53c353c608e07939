//! JPEG XL: sizes, boxes that claim to be large, parts.

use crate::bytes::iso_box;
use crate::{Bomb, End, fixture};

pub(crate) fn bombs() -> Vec<Bomb> {
    let bare = codestream();
    let huge_box = |kind: &[u8; 4]| {
        let mut file = fixture("jxl");
        let at = file.windows(4).position(|window| window == kind).expect("it is there") - 4;
        file[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        file
    };
    let head = &fixture("jxl")[..32];
    let parts = iso_box(b"jxlp", &[0, 0, 0, 0]).repeat(100_000);
    vec![
        Bomb { name: "jxl of 2^18x8192", file: resized(&bare, 1 << 18, 8192), end: End::Refused },
        Bomb { name: "jxl of 60000x8000", file: resized(&bare, 60_000, 8000), end: End::Refused },
        Bomb { name: "jxl that says 9000x8000 and is 24x18", file: resized(&bare, 9000, 8000), end: End::Bounded },
        Bomb { name: "jxl whose codestream has 2^32-1 bytes", file: huge_box(b"jxlc"), end: End::Bounded },
        Bomb { name: "jxl whose padding has 2^32-1 bytes", file: huge_box(b"free"), end: End::Bounded },
        Bomb { name: "jxl of 100,000 empty parts", file: [head, &parts[..]].concat(), end: End::Bounded },
    ]
}

/// The codestream of a picture of 24x18 pixels.
fn codestream() -> Vec<u8> {
    let file = fixture("jxl");
    let at = file.windows(4).position(|kind| kind == b"jxlc").expect("it has one");
    file[at + 4..].to_vec()
}

/// `codestream` with another size (ISO/IEC 18181-1, D.2). The size of 24x18 pixels takes 15 bits, a height of up to 18
/// bits and a width of up to 13 take 39: all that follows moves by three bytes.
fn resized(codestream: &[u8], height: u32, width: u32) -> Vec<u8> {
    let size = [(0, 1), (2, 2), (height - 1, 18), (0, 3), (1, 2), (width - 1, 13)];
    let size = size.iter().flat_map(|(value, count)| (0..*count).map(move |at| value >> at & 1 == 1));
    let rest = codestream[2..].iter().flat_map(|byte| (0..8).map(move |at| byte >> at & 1 == 1)).skip(15);
    let bits: Vec<bool> = size.chain(rest).collect();
    let bytes = bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| u8::from(*bit) << at).sum());
    [0xFF, 0x0A].into_iter().chain(bytes).collect()
}
