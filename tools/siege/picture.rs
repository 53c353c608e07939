//! Pictures drawn from a seed: a smooth gradient with noise, so that quality depends on bytes. They are never freed.

use crate::random::Random;

/// RGB pixels; each seed gives another picture.
pub fn pixels(side: u16, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let end = usize::from(side);
    let tilt = random.below(200);
    let positions = (0..end * end).map(|index| (index % end, index / end));
    let mut pixel = |(x, y)| {
        let noise = random.below(24);
        [x * 220 / end, y * 220 / end, tilt].map(|ground: usize| (ground + noise) as u8)
    };
    positions.flat_map(&mut pixel).collect()
}

pub fn jpeg(side: u16, seed: u64) -> &'static [u8] {
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.encode(&pixels(side, seed), side, side, jpeg_encoder::ColorType::Rgb).expect("a JPEG");
    file.leak()
}

pub fn png(side: u16, seed: u64) -> &'static [u8] {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side.into(), side.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().expect("a header").write_image_data(&pixels(side, seed)).expect("a PNG");
    file.leak()
}

/// The same JPEG or PNG with a numbered comment: other bytes, so that it is not in the cache.
pub fn marked(file: &[u8], number: usize) -> Vec<u8> {
    let text = [b"tEXt", &number.to_be_bytes()[..]].concat();
    let (at, comment) = if file.starts_with(b"\xff\xd8") {
        (2, [&[0xff, 0xfe, 0, 14], &text[..]].concat())
    } else {
        (33, [&[0, 0, 0, 8], &text[..], &crc32fast::hash(&text).to_be_bytes()].concat())
    };
    [&file[..at], &comment, &file[at..]].concat()
}
