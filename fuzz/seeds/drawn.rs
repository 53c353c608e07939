//! Tiny pictures, drawn from their coordinates.

use bytefit::picture::{Layout, Picture};

/// What is drawn: all have odd sides, which leave blocks and bytes half full.
pub const WIDTH: u32 = 19;
pub const HEIGHT: u32 = 13;

/// `channels` samples of 8 bits a pixel, row after row.
pub fn samples(width: u32, height: u32, channels: usize) -> Vec<u8> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [x * 9, y * 17, (x * y * 7) % 251, 255 - x * 5]));
    pixels.flat_map(|pixel| pixel.map(|sample| sample as u8).into_iter().take(channels)).collect()
}

/// Rows of samples of `bits` bits (at most 8), each filled up to whole bytes.
pub fn packed(width: u32, height: u32, channels: usize, bits: u32) -> Vec<u8> {
    let all = samples(width, height, channels);
    let mut packed = Vec::new();
    for row in all.chunks(width as usize * channels) {
        let mut byte = 0u32;
        let mut filled = 0;
        for sample in row {
            byte = byte << bits | u32::from(*sample) >> (8 - bits);
            filled += bits;
            if filled == 8 {
                packed.push(byte as u8);
                (byte, filled) = (0, 0);
            }
        }
        if filled > 0 {
            packed.push((byte << (8 - filled)) as u8);
        }
    }
    packed
}

/// Grey, colour, colour with transparency, and few colours.
pub fn pictures() -> [(&'static str, Picture); 4] {
    let grey = samples(WIDTH, HEIGHT, 1).into_iter().flat_map(|sample| [sample; 3]).collect();
    let few = samples(WIDTH, HEIGHT, 3).into_iter().map(|sample| sample & 0x80).collect();
    [
        ("grey", Picture::new(WIDTH, HEIGHT, Layout::Rgb, grey)),
        ("rgb", Picture::new(WIDTH, HEIGHT, Layout::Rgb, samples(WIDTH, HEIGHT, 3))),
        ("rgba", Picture::new(WIDTH, HEIGHT, Layout::Rgba, samples(WIDTH, HEIGHT, 4))),
        ("few", Picture::new(WIDTH, HEIGHT, Layout::Rgb, few)),
    ]
}

/// The 8-bit palette of 256 colours as red, green, blue.
pub fn palette() -> Vec<u8> {
    (0..=255u8).flat_map(|level| [level, 255 - level, level ^ 0x55]).collect()
}
