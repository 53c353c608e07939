//! HEIC: one picture, transparency, ten bits.

use bytefit::picture::Layout;
use heifer::{EncodeOptions, Image};

use super::Seed;
use super::drawn;

pub fn files() -> Vec<Seed> {
    let options = EncodeOptions { quality: 60, max_threads: 1 };
    let mut files = Vec::new();
    for (name, picture) in drawn::pictures() {
        let (width, height) = (picture.width(), picture.height());
        let file = match picture.layout() {
            Layout::Rgb => heifer::encode_rgb8(width, height, picture.pixels(), &options),
            Layout::Rgba => heifer::encode_rgba8(width, height, picture.pixels(), &options),
        };
        files.push((format!("{name}.heic"), file.expect("encodes")));
    }
    let deep = Image::filled(24, 18, 10, [700, 300, 100, 1023]);
    files.push(("ten-bits.heic".to_owned(), heifer::encode(&deep, &options).expect("encodes")));
    files
}
