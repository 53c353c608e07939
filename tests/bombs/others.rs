//! GIF, BMP and ICO: canvases, frames, runs, directories.

use crate::bytes::{deflated_zeros, png_chunk};
use crate::{Bomb, End};

pub(crate) fn bombs() -> Vec<Bomb> {
    vec![
        Bomb { name: "gif on a canvas of 65535x65535", file: gif(65_535, 65_535, 1), end: End::Refused },
        Bomb { name: "gif of 50,000 frames", file: gif(16, 16, 50_000), end: End::Refused },
        Bomb { name: "gif of one pixel on 9000x9000", file: gif(9000, 9000, 1), end: End::Bounded },
        Bomb { name: "bmp of 2^31-1 pixels a side", file: bmp(i32::MAX, i32::MAX, 0), end: End::Refused },
        Bomb { name: "bmp that is upside down by 2^31", file: bmp(10, i32::MIN, 0), end: End::Refused },
        Bomb { name: "bmp of 9000x9000, no data", file: bmp(9000, 9000, 0), end: End::Bounded },
        Bomb { name: "bmp of 9000x9000 in runs", file: bmp(9000, 9000, 1), end: End::Bounded },
        Bomb { name: "ico of a png of 65535x65535", file: ico(1, &png(65_535, 65_535)), end: End::Refused },
        Bomb { name: "ico of a bitmap of 2^31-1 by 2^30", file: ico(1, &dib(i32::MAX, i32::MIN)), end: End::Refused },
        Bomb { name: "ico of 9000x9000, no data", file: ico(1, &dib(9000, 18_000)), end: End::Refused },
        Bomb { name: "ico of 81 megapixels in 250 kB", file: ico(1, &png(9000, 9000)), end: End::Bounded },
        Bomb { name: "ico of 65,535 times the same", file: ico(u16::MAX, &png(64, 64)), end: End::Bounded },
        Bomb { name: "ico of 4000x4000 at 1 bit", file: ico(1, &whole_dib(4000)), end: End::Bounded },
    ]
}

/// Frames of one pixel each.
fn gif(width: u16, height: u16, frames: usize) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    file.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    // Image at 0,0 of 1x1, codes of 2 bits: clear, colour 0, end.
    let frame = [0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0];
    file.extend(frame.repeat(frames));
    file.push(0x3B);
    file
}

/// 24 bits a pixel, or with `compression` 1 runs of 8 bits a pixel, without the pixels.
fn bmp(width: i32, height: i32, compression: u32) -> Vec<u8> {
    let bits: u16 = if compression == 0 { 24 } else { 8 };
    let colours = if compression == 0 { 0 } else { 256 * 4 };
    let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
    file.extend((54 + colours as u32).to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    file.extend([1u16.to_le_bytes(), bits.to_le_bytes()].concat());
    file.extend(compression.to_le_bytes());
    file.extend([0; 20]);
    file.resize(file.len() + colours, 0);
    // One run of 255, then the end of the picture.
    file.extend([255, 1, 0, 1]);
    file
}

/// An icon whose entries are all this picture.
fn ico(entries: u16, picture: &[u8]) -> Vec<u8> {
    let offset = 6 + 16 * u32::from(entries);
    let entry = [&[0, 0, 0, 0, 1, 0, 32, 0][..], &(picture.len() as u32).to_le_bytes(), &offset.to_le_bytes()].concat();
    [&[0, 0, 1, 0][..], &entries.to_le_bytes(), &entry.repeat(entries.into()), picture].concat()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = png_chunk(b"IHDR", &[&size[..], &[8, 0, 0, 0, 0]].concat());
    let pixels = png_chunk(b"IDAT", &deflated_zeros(9000 * (1 + 9000)));
    [b"\x89PNG\r\n\x1a\n".to_vec(), header, pixels, png_chunk(b"IEND", &[])].concat()
}

/// The header and the palette of a bitmap of 1 bit; the height counts the mask.
fn dib(width: i32, height: i32) -> Vec<u8> {
    let mut file = [40, width, height].map(i32::to_le_bytes).concat();
    file.extend([1, 0, 1, 0]);
    file.resize(40, 0);
    file.extend([0, 0, 0, 0, 255, 255, 255, 0]);
    file
}

/// A square bitmap of 1 bit, and its mask.
fn whole_dib(side: u32) -> Vec<u8> {
    let mut file = dib(side as i32, 2 * side as i32);
    file.resize(file.len() + 2 * (side.div_ceil(32) * 4 * side) as usize, 0x55);
    file
}
