//! PNG: sizes, deflate bombs in pixels and in text, frames.

use crate::bytes::{deflated_zeros, png_chunk};
use crate::{Bomb, End};

const RGB: u8 = 2;

pub(crate) fn bombs() -> Vec<Bomb> {
    let plain = |width, height| file(width, height, 0, &[], &deflated_zeros(1000));
    let with = |chunk: Vec<u8>| file(64, 64, 0, &[chunk], &deflated_zeros(64 * (1 + 64 * 3)));
    let bomb = deflated_zeros(200 << 20);
    let name_and_method = b"bomb\0\0".to_vec();
    let text = [name_and_method.clone(), bomb.clone()].concat();
    let international = [b"XML:com.adobe.xmp\0\x01\0\0\0".to_vec(), bomb].concat();
    vec![
        Bomb { name: "png of 2^31 pixels a side", file: plain(0x7FFF_FFFF, 0x7FFF_FFFF), end: End::Refused },
        Bomb { name: "png of 65535x65535", file: plain(65_535, 65_535), end: End::Refused },
        Bomb { name: "png of 1x100000", file: plain(1, 100_000), end: End::Refused },
        Bomb { name: "png without a width", file: plain(0, 10), end: End::Refused },
        Bomb {
            name: "png of 2^32-1 frames",
            file: with(png_chunk(b"acTL", &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0])),
            end: End::Refused,
        },
        Bomb { name: "png whose pixels are missing", file: plain(9000, 9000), end: End::Bounded },
        Bomb {
            name: "png of 81 megapixels in 250 kB",
            file: file(9000, 9000, 0, &[], &deflated_zeros(9000 * (1 + 9000 * 3))),
            end: End::Bounded,
        },
        Bomb {
            name: "png of 1x65535, interlaced",
            file: file(1, 65_535, 1, &[], &deflated_zeros(65_535 * 5)),
            end: End::Bounded,
        },
        Bomb { name: "png with a profile of 200 MB", file: with(png_chunk(b"iCCP", &text)), end: End::Bounded },
        Bomb { name: "png with a text of 200 MB", file: with(png_chunk(b"zTXt", &text)), end: End::Bounded },
        Bomb {
            name: "png with an XMP packet of 200 MB",
            file: with(png_chunk(b"iTXt", &international)),
            end: End::Bounded,
        },
        Bomb {
            name: "png with pixels for 200 MB more than it has",
            file: file(64, 64, 0, &[], &deflated_zeros(200 << 20)),
            end: End::Bounded,
        },
        Bomb { name: "png with 12 MB of EXIF", file: with(png_chunk(b"eXIf", &vec![7; 12 << 20])), end: End::Bounded },
        Bomb {
            name: "png of 100,000 empty chunks",
            file: with(png_chunk(b"teXt", &[]).repeat(100_000)),
            end: End::Bounded,
        },
        Bomb {
            name: "png of 100,000 chunks, each of another kind",
            file: file(64, 64, 0, &unlike_chunks(), &deflated_zeros(64 * (1 + 64 * 3))),
            end: End::BoundedAndQuick,
        },
    ]
}

/// Empty chunks whose names all differ.
fn unlike_chunks() -> Vec<Vec<u8>> {
    let letters = || b'a'..=b'z';
    let names = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [b'a', a, b, c])));
    let names = names.flat_map(|name| [0, 1, 2, 3, 4, 5].map(|first| [name[0] + first, name[1], name[2], name[3]]));
    names.take(100_000).map(|name| png_chunk(&name, &[])).collect()
}

fn file(width: u32, height: u32, interlaced: u8, chunks: &[Vec<u8>], pixels: &[u8]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = png_chunk(b"IHDR", &[&size[..], &[8, RGB, 0, 0, interlaced]].concat());
    let signature = b"\x89PNG\r\n\x1a\n".to_vec();
    [signature, header, chunks.concat(), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", &[])].concat()
}
