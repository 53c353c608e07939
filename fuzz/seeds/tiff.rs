//! TIFF: both byte orders, every kind of sample, strips, tiles and planes, all compressions, BigTIFF.

use std::io::Cursor;

use tiff::encoder::colortype::{CMYK8, Gray8, Gray16, RGB8, RGB16, RGBA8};
use tiff::encoder::compression::DeflateLevel;
use tiff::encoder::{Compression, TiffEncoder};
use tiff::tags::Predictor;

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};
use super::metadata;

/// Tags of TIFF 6.0.
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const STRIP_BYTES: u16 = 279;
const PLANAR: u16 = 284;
const PALETTE: u16 = 320;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const EXTRA_SAMPLES: u16 = 338;
const XMP: u16 = 700;
const PROFILE: u16 = 34_675;

/// Group 4 (ITU-T T.6): a row of 5 white and 14 black pixels, then rows that are as the one above, then the end.
const FAX: [u8; 8] = [0x38, 0x0F, 0xFF, 0xFF, 0xFE, 0x00, 0x20, 0x02];

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    let mut add = |name: &str, file: Vec<u8>| files.push((format!("{name}.tif"), file));
    for (name, compression) in [
        ("plain", Compression::Uncompressed),
        ("lzw", Compression::Lzw),
        ("deflate", Compression::Deflate(DeflateLevel::Balanced)),
        ("packbits", Compression::Packbits),
    ] {
        add(name, encoded(compression, Predictor::None));
    }
    add("predicted", encoded(Compression::Lzw, Predictor::Horizontal));
    add("big", big());
    for (name, file) in sixteen_bits() {
        add(name, file);
    }
    for little in [true, false] {
        let order = if little { "little" } else { "big-endian" };
        let file =
            |bits: u16, channels: u16, extra: &[Field], data: &[u8]| one_page(little, bits, channels, extra, data);
        let grey = |bits: u16| drawn::packed(WIDTH, HEIGHT, 1, bits.into());
        for bits in [1, 4, 8] {
            add(&format!("grey-{bits}-{order}"), file(bits, 1, &[], &grey(bits)));
            add(&format!("palette-{bits}-{order}"), file(bits, 1, &palette(bits), &grey(bits)));
        }
        add(&format!("fax-{order}"), file(1, 1, &[short(PHOTOMETRIC, &[0]), short(COMPRESSION, &[4])], &FAX));
        let (grey_alpha, rgba) = (drawn::samples(WIDTH, HEIGHT, 2), drawn::samples(WIDTH, HEIGHT, 4));
        add(&format!("grey-alpha-{order}"), file(8, 2, &[short(EXTRA_SAMPLES, &[2])], &grey_alpha));
        let premultiplied = [short(PHOTOMETRIC, &[2]), short(EXTRA_SAMPLES, &[1])];
        add(&format!("premultiplied-{order}"), file(8, 4, &premultiplied, &rgba));
        add(&format!("planes-{order}"), planes(little));
        add(&format!("tiles-{order}"), tiles(little));
        let described = [
            short(PHOTOMETRIC, &[2]),
            short(ORIENTATION, &[6]),
            (XMP, 1, metadata::XMP.to_vec()),
            (PROFILE, 7, metadata::display_p3()),
        ];
        add(&format!("described-{order}"), file(8, 3, &described, &drawn::samples(WIDTH, HEIGHT, 3)));
    }
    files
}

fn encoded(compression: Compression, predictor: Predictor) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let encoder = TiffEncoder::new(&mut file).expect("encodes");
    let mut encoder = encoder.with_compression(compression).with_predictor(predictor);
    encoder.write_image::<RGB8>(WIDTH, HEIGHT, &drawn::samples(WIDTH, HEIGHT, 3)).expect("encodes");
    encoder.write_image::<Gray8>(WIDTH, HEIGHT, &drawn::samples(WIDTH, HEIGHT, 1)).expect("encodes");
    file.into_inner()
}

fn big() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new_big(&mut file).expect("encodes");
    encoder.write_image::<RGBA8>(WIDTH, HEIGHT, &drawn::samples(WIDTH, HEIGHT, 4)).expect("encodes");
    file.into_inner()
}

fn sixteen_bits() -> [(&'static str, Vec<u8>); 3] {
    let wide = |channels| drawn::samples(WIDTH, HEIGHT, channels).into_iter().map(|sample| u16::from(sample) * 257);
    let (grey, rgb): (Vec<u16>, Vec<u16>) = (wide(1).collect(), wide(3).collect());
    let mut files = [(); 3].map(|()| Cursor::new(Vec::new()));
    let [grey_file, rgb_file, inks_file] = &mut files;
    let open = |file| TiffEncoder::new(file).expect("encodes").with_compression(Compression::Lzw);
    open(grey_file).write_image::<Gray16>(WIDTH, HEIGHT, &grey).expect("encodes");
    open(rgb_file).write_image::<RGB16>(WIDTH, HEIGHT, &rgb).expect("encodes");
    open(inks_file).write_image::<CMYK8>(WIDTH, HEIGHT, &drawn::samples(WIDTH, HEIGHT, 4)).expect("encodes");
    let [grey, rgb, inks] = files.map(Cursor::into_inner);
    [("grey-16", grey), ("rgb-16", rgb), ("inks", inks)]
}

/// Tag, type (3 is 16 bits, 4 is 32), and the value in little-endian order.
type Field = (u16, u16, Vec<u8>);

fn short(tag: u16, values: &[u16]) -> Field {
    (tag, 3, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn long(tag: u16, values: &[u32]) -> Field {
    (tag, 4, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// Red, green and blue of each colour in 16 bits, one channel after the other.
fn palette(bits: u16) -> [Field; 2] {
    let colours = drawn::palette();
    let channel = |at: usize| colours.iter().skip(at).step_by(3).take(1 << bits).map(|level| u16::from(*level) * 257);
    [short(PHOTOMETRIC, &[3]), short(PALETTE, &channel(0).chain(channel(1)).chain(channel(2)).collect::<Vec<u16>>())]
}

fn planes(little: bool) -> Vec<u8> {
    let samples = drawn::samples(WIDTH, HEIGHT, 3);
    let plane = |at: usize| samples.iter().skip(at).step_by(3).copied();
    let data: Vec<u8> = plane(0).chain(plane(1)).chain(plane(2)).collect();
    let size = WIDTH * HEIGHT;
    let fields = [
        short(PHOTOMETRIC, &[2]),
        short(PLANAR, &[2]),
        long(STRIP_OFFSETS, &[8, 8 + size, 8 + 2 * size]),
        long(STRIP_BYTES, &[size; 3]),
    ];
    one_page(little, 8, 3, &fields, &data)
}

/// Two tiles of 16x16 side by side.
fn tiles(little: bool) -> Vec<u8> {
    let size = 16 * 16 * 3;
    let fields = [
        short(PHOTOMETRIC, &[2]),
        short(322, &[16]),
        short(323, &[16]),
        long(TILE_OFFSETS, &[8, 8 + size]),
        long(TILE_BYTES, &[size; 2]),
    ];
    one_page(little, 8, 3, &fields, &drawn::samples(32, 16, 3))
}

/// A file of one page: `data` from byte 8 on, then the directory. `fields` go before those that every file has.
fn one_page(little: bool, bits: u16, channels: u16, fields: &[Field], data: &[u8]) -> Vec<u8> {
    let is_tiled = fields.iter().any(|(tag, ..)| *tag == TILE_OFFSETS);
    let mut all = vec![
        short(256, &[WIDTH as u16]),
        short(257, &[HEIGHT as u16]),
        short(BITS, &vec![bits; usize::from(channels)]),
        short(COMPRESSION, &[1]),
        short(PHOTOMETRIC, &[1]),
        short(SAMPLES, &[channels]),
        short(278, &[HEIGHT as u16]),
    ];
    if !is_tiled {
        all.extend([long(STRIP_OFFSETS, &[8]), long(STRIP_BYTES, &[data.len() as u32])]);
    }
    all.retain(|(tag, ..)| !fields.iter().any(|(given, ..)| given == tag));
    all.extend(fields.iter().cloned());
    all.sort_by_key(|(tag, ..)| *tag);
    let ordered = |bytes: &[u8], unit: usize| -> Vec<u8> {
        bytes
            .chunks(unit)
            .flat_map(|unit| if little { unit.to_vec() } else { unit.iter().rev().copied().collect() })
            .collect()
    };
    let (two, four) = (|value: u16| ordered(&value.to_le_bytes(), 2), |value: u32| ordered(&value.to_le_bytes(), 4));
    let directory = (8 + data.len()).next_multiple_of(2);
    let mut values_at = directory + 2 + all.len() * 12 + 4;
    let mut values = Vec::new();
    let mut file = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
    file.extend(four(directory as u32));
    file.extend(data);
    file.resize(directory, 0);
    file.extend(two(all.len() as u16));
    for (tag, kind, value) in &all {
        let unit = [1, 1, 1, 2, 4, 1, 1, 1][usize::from(*kind)];
        file.extend([two(*tag), two(*kind), four((value.len() / unit) as u32)].concat());
        let mut value = ordered(value, unit);
        if value.len() <= 4 {
            value.resize(4, 0);
            file.extend(value);
            continue;
        }
        value.resize(value.len().next_multiple_of(2), 0);
        file.extend(four(values_at as u32));
        values_at += value.len();
        values.extend(value);
    }
    file.extend([0; 4]);
    file.extend(values);
    file
}
