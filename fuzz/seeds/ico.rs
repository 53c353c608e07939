//! ICO and CUR: PNG, and bitmaps of every depth with their masks.

use super::Seed;
use super::drawn::{HEIGHT, WIDTH};

/// The type in the header of the directory.
const ICON: u8 = 1;
const CURSOR: u8 = 2;

pub fn files() -> Vec<Seed> {
    let height = 2 * HEIGHT as i32;
    let mut files = Vec::new();
    let mut add = |name: &str, kind, pictures: &[&[u8]]| {
        files.push((name.to_owned(), file(kind, pictures)));
    };
    for (bits, channels) in [(1, 1), (4, 1), (8, 1), (24, 3), (32, 4)] {
        add(&format!("{bits}.ico"), ICON, &[&bitmap(height, bits, channels)]);
    }
    add("cursor.cur", CURSOR, &[&bitmap(height, 4, 1)]);
    add("from-the-top.ico", ICON, &[&bitmap(-height, 24, 3)]);
    let (_, png) = super::png::files().into_iter().next().expect("there are some");
    add("png.ico", ICON, &[&png]);
    add("three.ico", ICON, &[&bitmap(height, 8, 1), &png, &bitmap(height, 32, 4)]);
    let bitmap = bitmap(height, 24, 3);
    let without_mask = &bitmap[..bitmap.len() - 4 * HEIGHT as usize];
    add("no-mask.ico", ICON, &[without_mask]);
    files
}

/// A directory and its pictures.
fn file(kind: u8, pictures: &[&[u8]]) -> Vec<u8> {
    let mut file = vec![0, 0, kind, 0, pictures.len() as u8, 0];
    let mut offset = 6 + 16 * pictures.len();
    for picture in pictures {
        file.extend([WIDTH as u8, HEIGHT as u8, 0, 0, 1, 0, 0, 0]);
        file.extend([picture.len() as u32, offset as u32].map(u32::to_le_bytes).concat());
        offset += picture.len();
    }
    pictures.iter().for_each(|picture| file.extend(*picture));
    file
}

/// A header of 40 bytes, a palette, the picture, and a mask that hides each second pixel.
fn bitmap(height: i32, bits: u16, channels: usize) -> Vec<u8> {
    let mut file = [40, WIDTH as i32, height].map(i32::to_le_bytes).concat();
    file.extend([1, bits].map(u16::to_le_bytes).concat());
    file.resize(40, 0);
    file.extend(super::bmp::palette(bits, 4));
    file.extend(super::bmp::rows(bits, channels));
    let mask_bytes = WIDTH.div_ceil(32) as usize * 4 * HEIGHT as usize;
    file.resize(file.len() + mask_bytes, 0x55);
    file
}
