//! Pictures drawn from fixed seeds: one for each kind of content, and files of a noisy gradient.

use bytefit::codec::Effort;
use bytefit::codec::png::encode::encode_lossless;
use bytefit::picture::{Layout, Picture};

use crate::random::Random;

/// The seed of every picture that [`picture`] draws.
const SEED: u64 = 0x4232_db54_aa7f_b6e9;

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    /// Soft shapes under fine noise, as from a camera.
    Photo,
    /// Dark strokes on white.
    Text,
    /// A few areas of one colour.
    Flat,
    /// A photograph fading out to transparency.
    Alpha,
    /// A photograph without colour.
    Grey,
}

impl Content {
    pub const ALL: [Content; 5] = [Content::Photo, Content::Text, Content::Flat, Content::Alpha, Content::Grey];
}

/// A picture of `content`.
pub fn picture(content: Content, width: u32, height: u32) -> Picture {
    draw(content, width, height, SEED)
}

/// A photograph; each seed gives other noise.
pub fn photo(width: u32, height: u32, seed: u64) -> Picture {
    draw(Content::Photo, width, height, seed)
}

fn draw(content: Content, width: u32, height: u32, seed: u64) -> Picture {
    let mut random = Random::new(seed);
    let mut pixels = Vec::new();
    let layout = if content == Content::Alpha { Layout::Rgba } else { Layout::Rgb };
    for y in 0..height {
        for x in 0..width {
            let photo = photo_pixel(x, y, &mut random);
            match content {
                Content::Photo => pixels.extend(photo),
                Content::Text => pixels.extend(if is_stroke(x, y) { [20, 20, 30] } else { [255; 3] }),
                Content::Flat => pixels.extend(area(x * 4 / width, y * 3 / height)),
                Content::Alpha => pixels.extend([photo[0], photo[1], photo[2], (x * 255 / width) as u8]),
                Content::Grey => pixels.extend([photo[1]; 3]),
            }
        }
    }
    Picture::new(width, height, layout, pixels)
}

/// A page of text: dark words with soft edges on white, of 26 glyphs.
pub fn page(width: u32, height: u32) -> Picture {
    let mut random = Random::new(1);
    let glyphs: Vec<[u8; GLYPH_PIXELS]> = (0..26)
        .map(|_| std::array::from_fn(|_| [20, 20, 90, 180, 255, 255, 255][(random.unit() * 7.0) as usize]))
        .collect();
    let (columns, lines) = (width / GLYPH_WIDTH, height / LINE_HEIGHT);
    let letters: Vec<Option<usize>> =
        (0..columns * lines).map(|_| Some((random.unit() * 31.0) as usize).filter(|letter| *letter < 26)).collect();
    let level = |x: u32, y: u32| {
        let (column, line, row) = (x / GLYPH_WIDTH, y / LINE_HEIGHT, y % LINE_HEIGHT);
        let is_text = column < columns && line < lines && row < GLYPH_HEIGHT;
        let letter = is_text.then(|| letters[(line * columns + column) as usize]).flatten();
        letter.map_or(255, |letter| glyphs[letter][(row * GLYPH_WIDTH + x % GLYPH_WIDTH) as usize])
    };
    let pixels = (0..width * height).flat_map(|index| [level(index % width, index / width); 3]).collect();
    Picture::new(width, height, Layout::Rgb, pixels)
}

const GLYPH_WIDTH: u32 = 8;
const GLYPH_HEIGHT: u32 = 11;
const GLYPH_PIXELS: usize = (GLYPH_WIDTH * GLYPH_HEIGHT) as usize;
const LINE_HEIGHT: u32 = 18;

/// [`picture`] as a PNG file.
pub fn file(content: Content, width: u32, height: u32) -> Vec<u8> {
    encode_lossless(&picture(content, width, height), Effort::Fast).expect("a picture of modest size")
}

fn photo_pixel(x: u32, y: u32, random: &mut Random) -> [u8; 3] {
    let (x, y) = (f64::from(x), f64::from(y));
    let soft = (x / 23.0).sin() * (y / 31.0).cos() * 60.0 + ((x + y) / 57.0).sin() * 40.0;
    let edge = if (x - 90.0).hypot(y - 70.0) < 50.0 { 50.0 } else { 0.0 };
    let grain = random.unit() * 24.0 - 12.0;
    [128.0 + soft + grain, 120.0 + soft * 0.6 + edge + grain, 110.0 - soft * 0.4 + edge * 0.5 + grain].map(|v| v as u8)
}

fn is_stroke(x: u32, y: u32) -> bool {
    let (column, row) = (x / 9, y / 14);
    let glyph = (column * 7919 + row * 104_729) % 511;
    y % 14 < 10 && x % 9 < 7 && (glyph >> ((x % 9) / 3 * 3 + (y % 14) / 4)) & 1 == 1
}

fn area(column: u32, row: u32) -> [u8; 3] {
    [(40 + column * 60) as u8, (200 - row * 70) as u8, (90 + (column ^ row) * 30) as u8]
}

/// RGB pixels of a gradient with strong noise, so that quality depends on bytes.
pub fn noisy_gradient(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let gradient = [x * 220 / width, y * 220 / height, (x + y) * 220 / (width + height)];
            pixels.extend(gradient.map(|level| level as u8 + random.below(32) as u8));
        }
    }
    pixels
}

/// [`noisy_gradient`] as a PNG file.
pub fn noisy_png(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&noisy_gradient(width, height, seed)).expect("as many pixels as the header says");
    drop(writer);
    file
}

/// [`noisy_gradient`] as a JPEG file.
pub fn noisy_jpeg(width: u16, height: u16, seed: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let pixels = noisy_gradient(width.into(), height.into(), seed);
    let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("the pixels of a picture of this size");
    file
}
