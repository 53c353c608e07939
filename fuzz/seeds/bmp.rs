//! BMP: every depth, header and compression, rows from the bottom and from the top.

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};

/// biCompression of the Windows headers.
const PLAIN: u32 = 0;
const RUNS_OF_8_BITS: u32 = 1;
const RUNS_OF_4_BITS: u32 = 2;
const MASKS: u32 = 3;

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (bits, channels) in [(1, 1), (4, 1), (8, 1), (24, 3), (32, 4)] {
        files.push((format!("{bits}.bmp"), file(40, HEIGHT as i32, bits, PLAIN, &[], &rows(bits, channels))));
    }
    let masks = |masks: &[u32]| masks.iter().flat_map(|mask| mask.to_le_bytes()).collect::<Vec<u8>>();
    let of_16 = drawn::samples(WIDTH + 1, HEIGHT, 2);
    let mut add = |name: &str, file: Vec<u8>| files.push((format!("{name}.bmp"), file));
    add("16", file(40, HEIGHT as i32, 16, PLAIN, &[], &of_16));
    add("16-masks", file(40, HEIGHT as i32, 16, MASKS, &masks(&[0xF800, 0x07E0, 0x001F]), &of_16));
    let eights = masks(&[0xFF_0000, 0xFF00, 0xFF, 0xFF00_0000]);
    add("32-masks", file(56, HEIGHT as i32, 32, MASKS, &eights, &rows(32, 4)));
    add("v4", file(108, HEIGHT as i32, 32, MASKS, &eights, &rows(32, 4)));
    add("v5-from-the-top", file(124, -(HEIGHT as i32), 24, PLAIN, &[], &rows(24, 3)));
    // A run, single pixels, a jump, another run and the end of a line; at last the end.
    let runs = |line: &[u8]| [&line.repeat(HEIGHT as usize)[..], &[0, 1]].concat();
    let of_8_bits = runs(&[5, 7, 0, 3, 1, 2, 3, 0, 0, 2, 4, 0, 7, 9, 0, 0]);
    let of_4_bits = runs(&[5, 7, 0, 3, 0x12, 0x30, 0, 2, 4, 0, 7, 9, 0, 0]);
    add("runs-8", file(40, HEIGHT as i32, 8, RUNS_OF_8_BITS, &[], &of_8_bits));
    add("runs-4", file(40, HEIGHT as i32, 4, RUNS_OF_4_BITS, &[], &of_4_bits));
    add("core", core());
    files
}

/// Rows filled up to four bytes.
pub fn rows(bits: u16, channels: usize) -> Vec<u8> {
    let row_bytes = (WIDTH as usize * usize::from(bits)).div_ceil(8);
    let packed = drawn::packed(WIDTH, HEIGHT, channels, u32::from(bits) / channels as u32);
    let fill = vec![0; row_bytes.next_multiple_of(4) - row_bytes];
    packed.chunks(row_bytes).flat_map(|row| [row, &fill].concat()).collect()
}

/// A file with an info header of `header` bytes; what of `masks` it has no room for stands behind it.
fn file(header: u32, height: i32, bits: u16, compression: u32, masks: &[u8], rows: &[u8]) -> Vec<u8> {
    let mut info = header.to_le_bytes().to_vec();
    info.extend(WIDTH.to_le_bytes());
    info.extend(height.to_le_bytes());
    info.extend([1, 0]);
    info.extend(bits.to_le_bytes());
    info.extend(compression.to_le_bytes());
    info.resize(40, 0);
    info.extend(masks);
    info.resize(info.len().max(header as usize), 0);
    whole(&info, &palette(bits, 4), rows)
}

/// The 12-byte header of OS/2.
fn core() -> Vec<u8> {
    let info = [12, 0, 0, 0, WIDTH as u8, 0, HEIGHT as u8, 0, 1, 0, 8, 0];
    whole(&info, &palette(8, 3), &rows(8, 1))
}

pub fn palette(bits: u16, entry: usize) -> Vec<u8> {
    let colours = if bits > 8 { 0 } else { 1usize << bits };
    drawn::palette().chunks(3).take(colours).flat_map(|colour| [colour, &[0][..entry - 3]].concat()).collect()
}

fn whole(info: &[u8], palette: &[u8], rows: &[u8]) -> Vec<u8> {
    let start = 14 + info.len() + palette.len();
    let size = (start + rows.len()) as u32;
    let head = [b"BM", &size.to_le_bytes()[..], &[0; 4], &(start as u32).to_le_bytes()].concat();
    [&head, info, palette, rows].concat()
}
