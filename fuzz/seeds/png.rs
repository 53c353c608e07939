//! PNG: every kind of sample, filters, interlace, palettes, colour spaces, metadata, animation.

use bytefit::codec::{Effort, Format, container, png::encode};
use png::{BitDepth, ColorType, Filter};

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};
use super::metadata;

/// Left, top and the steps of Adam7's passes (PNG third edition, 8.1).
const ADAM7: [[u32; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (name, picture) in drawn::pictures() {
        files.push((format!("{name}-own.png"), encode::encode_lossless(&picture, Effort::Balanced).expect("encodes")));
    }
    let depths = [
        (ColorType::Grayscale, BitDepth::One, 1),
        (ColorType::Grayscale, BitDepth::Two, 2),
        (ColorType::Grayscale, BitDepth::Four, 4),
        (ColorType::Indexed, BitDepth::One, 1),
        (ColorType::Indexed, BitDepth::Four, 4),
        (ColorType::Indexed, BitDepth::Eight, 8),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, 8),
        (ColorType::Rgba, BitDepth::Eight, 8),
        (ColorType::Grayscale, BitDepth::Sixteen, 16),
        (ColorType::GrayscaleAlpha, BitDepth::Sixteen, 16),
        (ColorType::Rgb, BitDepth::Sixteen, 16),
        (ColorType::Rgba, BitDepth::Sixteen, 16),
    ];
    for (colour, depth, bits) in depths {
        files.push((format!("{colour:?}-{bits}.png"), file(colour, depth, bits, |_| ())));
    }
    let plain = file(ColorType::Rgb, BitDepth::Eight, 8, |_| ());
    let mut add = |name: &str, file: Vec<u8>| files.push((format!("{name}.png"), file));
    for filter in [Filter::Sub, Filter::Up, Filter::Avg, Filter::Paeth] {
        add(&format!("{filter:?}"), file(ColorType::Rgb, BitDepth::Eight, 8, |encoder| encoder.set_filter(filter)));
    }
    add("interlaced", interlaced(2, 8));
    add("interlaced-grey-16", interlaced(0, 16));
    add("trns-grey", file(ColorType::Grayscale, BitDepth::Eight, 8, |encoder| encoder.set_trns(&[0, 9][..])));
    add("trns-rgb", file(ColorType::Rgb, BitDepth::Eight, 8, |encoder| encoder.set_trns(&[0, 0, 0, 0, 0, 0][..])));
    add("trns-palette", file(ColorType::Indexed, BitDepth::Eight, 8, |encoder| encoder.set_trns(&[0, 128, 200][..])));
    add("animated", animated());
    add("gamma", with_chunk(&plain, b"gAMA", &50_000u32.to_be_bytes()));
    let primaries = [31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000u32];
    let primaries = primaries.map(u32::to_be_bytes).concat();
    add("primaries", with_chunk(&with_chunk(&plain, b"cHRM", &primaries), b"gAMA", &45_455u32.to_be_bytes()));
    add("code-points-p3", with_chunk(&plain, b"cICP", &[12, 13, 0, 1]));
    add("code-points-pq", with_chunk(&plain, b"cICP", &[9, 16, 0, 1]));
    add("code-points-hlg", with_chunk(&plain, b"cICP", &[9, 18, 0, 1]));
    add("profile", with_chunk(&plain, b"iCCP", &profile_chunk(&metadata::display_p3())));
    add("text", with_chunk(&plain, b"tEXt", b"Title\0a seed"));
    add("metadata", container::embed(plain.clone(), Format::Png, &metadata::full(3)));
    add("padded", container::pad(plain.clone(), Format::Png, plain.len() as u64 + 20).expect("pads"));
    files
}

fn file(
    colour: ColorType,
    depth: BitDepth,
    bits: u32,
    change: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == ColorType::Indexed {
        encoder.set_palette(drawn::palette()[..3 << bits].to_vec());
    }
    change(&mut encoder);
    let data = match bits {
        16 => drawn::samples(WIDTH, HEIGHT, colour.samples()).into_iter().flat_map(|sample| [sample, 7]).collect(),
        _ => drawn::packed(WIDTH, HEIGHT, colour.samples(), bits),
    };
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&data)).expect("encodes");
    file
}

/// RGB (colour type 2) or grey (0), pass by pass, unfiltered.
fn interlaced(colour_type: u8, bits: u8) -> Vec<u8> {
    let channels = if colour_type == 2 { 3 } else { 1 };
    let samples = drawn::samples(WIDTH, HEIGHT, channels);
    let mut data = Vec::new();
    for [left, top, across, down] in ADAM7 {
        for y in (top..HEIGHT).step_by(down as usize) {
            data.push(0);
            for x in (left..WIDTH).step_by(across as usize) {
                let at = (y * WIDTH + x) as usize * channels;
                data.extend(samples[at..at + channels].iter().flat_map(|sample| vec![*sample; usize::from(bits) / 8]));
            }
        }
    }
    let head = [&WIDTH.to_be_bytes()[..], &HEIGHT.to_be_bytes(), &[bits, colour_type, 0, 0, 1]].concat();
    let chunks = [chunk(b"IHDR", &head), chunk(b"IDAT", &fdeflate::compress_to_vec(&data)), chunk(b"IEND", &[])];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat()
}

fn animated() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(ColorType::Rgb);
    encoder.set_animated(2, 0).expect("has frames");
    let mut writer = encoder.write_header().expect("encodes");
    for _ in 0..2 {
        writer.write_image_data(&drawn::samples(WIDTH, HEIGHT, 3)).expect("encodes");
    }
    writer.finish().expect("encodes");
    file
}

/// `file` with a chunk behind its header chunk.
fn with_chunk(file: &[u8], name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let header_end = 33;
    [&file[..header_end], &chunk(name, body), &file[header_end..]].concat()
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [name, body].concat();
    let checksum = crc32fast::hash(&checked);
    [&(body.len() as u32).to_be_bytes()[..], &checked, &checksum.to_be_bytes()].concat()
}

/// A name, the method of compression, the profile.
pub fn profile_chunk(profile: &[u8]) -> Vec<u8> {
    [b"profile\0\0", &fdeflate::compress_to_vec(profile)[..]].concat()
}
