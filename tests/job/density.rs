//! The density, which says how large a picture is printed: kept with the metadata, or set.

use std::io::Cursor;

use ::exif::{In, Reader, Tag};
use bytefit::codec::density::Density;
use bytefit::codec::{Format, Metadata, MetadataPolicy, container, exif};
use bytefit::job::{Effort, Job, Mode, Outcome};
use bytefit::picture::Orientation;
use bytefit::picture::transform::Rotation;
use testkit::drawing::{Content, file};

use super::{decode, job, run};

/// Pixels per inch across and down that a file states, by readers of others: in its own field, and in EXIF.
fn stated(format: Format, file: &[u8]) -> (Option<[f64; 2]>, Option<[f64; 2]>) {
    let own = match format {
        Format::Jpeg => jfif(file),
        Format::Png => {
            let reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
            let dimensions = reader.info().pixel_dims.filter(|dimensions| dimensions.unit == png::Unit::Meter);
            dimensions.map(|dimensions| [dimensions.xppu, dimensions.yppu].map(|side| f64::from(side) * 0.0254))
        }
        _ => None,
    };
    (own, exif_density(file))
}

fn exif_density(file: &[u8]) -> Option<[f64; 2]> {
    let found = match jxl_exif(file) {
        Some(block) => Reader::new().read_raw(block.to_vec()),
        None => Reader::new().read_from_container(&mut Cursor::new(file)),
    };
    let found = found.ok()?;
    let side = |tag| match &found.get_field(tag, In::PRIMARY)?.value {
        ::exif::Value::Rational(values) => Some(values[0].to_f64()),
        _ => None,
    };
    let unit = found.get_field(Tag::ResolutionUnit, In::PRIMARY)?.value.get_uint(0)?;
    assert_eq!(unit, 2, "inches");
    Some([side(Tag::XResolution)?, side(Tag::YResolution)?])
}

/// The EXIF of a JPEG XL file, which the reader does not know: the box begins with an offset of four bytes, which is 0
/// here.
fn jxl_exif(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.strip_prefix(b"\0\0\0\x0CJXL \r\n\x87\n")?;
    loop {
        let (head, _) = rest.split_first_chunk::<8>()?;
        let size = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        if head.ends_with(b"Exif") {
            return rest.get(12..size);
        }
        rest = rest.get(size..)?;
    }
}

/// The density of the segment after the start, which JFIF has to be.
fn jfif(file: &[u8]) -> Option<[f64; 2]> {
    let segment = file.get(6..20).filter(|payload| file[2..4] == [0xFF, 0xE0] && payload.starts_with(b"JFIF\0"))?;
    let side = |at: usize| f64::from(u16::from_be_bytes([segment[at], segment[at + 1]]));
    match segment[7] {
        1 => Some([side(8), side(10)]),
        2 => Some([side(8) * 2.54, side(10) * 2.54]),
        _ => None,
    }
}

/// What a file states at all: its own field where it has one.
fn of(format: Format, file: &[u8]) -> Option<[f64; 2]> {
    let (own, exif) = stated(format, file);
    own.or(exif)
}

fn is_near(one: Option<[f64; 2]>, other: [f64; 2]) -> bool {
    one.is_some_and(|one| one.iter().zip(other).all(|(one, other)| (one - other).abs() < 0.5))
}

/// A picture of 120x80 as each format states 300 pixels per inch across and 150 down.
fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let png = file(Content::Photo, 120, 80);
    let jpeg = run(&job(Format::Jpeg, 20_000), &png).unwrap().bytes;
    let mut in_jfif = jpeg.clone();
    in_jfif[13..18].copy_from_slice(&[1, 1, 44, 0, 150]);
    let with_exif = |format: Format| {
        let plain = run(&job(format, 20_000), &png).unwrap().bytes;
        let mut exif = exif::only_density(Density::of_dpi(300));
        // The second of the two fractions of eight bytes, which end the block.
        let down = exif.len() - 8;
        exif[down..down + 4].copy_from_slice(&150_u32.to_le_bytes());
        container::embed(plain, format, &Metadata { exif: Some(exif), ..Metadata::default() })
    };
    let mut in_phys = png.clone();
    let chunk = [&b"pHYs"[..], &11_811_u32.to_be_bytes(), &5_906_u32.to_be_bytes(), &[1]].concat();
    let framed = [&9_u32.to_be_bytes()[..], &chunk, &crc32fast::hash(&chunk).to_be_bytes()].concat();
    in_phys.splice(33..33, framed);
    vec![
        ("jfif", in_jfif),
        ("jpeg with exif", with_exif(Format::Jpeg)),
        ("webp", with_exif(Format::Webp)),
        ("avif", with_exif(Format::Avif)),
        ("png", in_phys),
        ("tiff", tiff(&decode(&png).into_pixels(), 2, [300, 150])),
        ("tiff in centimetres", tiff(&decode(&png).into_pixels(), 3, [118, 59])),
        ("bmp", bmp(&decode(&png).into_pixels())),
    ]
}

/// An uncompressed TIFF of one strip, whose values lie behind its only directory.
fn tiff(pixels: &[u8], unit: u32, [across, down]: [u32; 2]) -> Vec<u8> {
    const ENTRIES: [u16; 12] = [256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 296];
    let values = 8 + 2 + ENTRIES.len() as u32 * 12 + 4;
    let mut file = [&b"II*\0\x08\0\0\0"[..], &(ENTRIES.len() as u16).to_le_bytes()].concat();
    for tag in ENTRIES {
        let (kind, count, value): (u16, u32, u32) = match tag {
            256 => (4, 1, 120),
            257 | 278 => (4, 1, 80),
            258 => (3, 3, values),
            262 => (3, 1, 2),
            273 => (4, 1, values + 22),
            277 => (3, 1, 3),
            279 => (4, 1, pixels.len() as u32),
            282 => (5, 1, values + 6),
            283 => (5, 1, values + 14),
            296 => (3, 1, unit),
            _ => (3, 1, 1),
        };
        file.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    file.extend([0, 0, 0, 0, 8, 0, 8, 0, 8, 0]);
    [across, 1, down, 1].iter().for_each(|number| file.extend(number.to_le_bytes()));
    file.extend(pixels);
    file
}

fn bmp(pixels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut file).encode(pixels, 120, 80, image::ExtendedColorType::Rgb8).unwrap();
    file[38..42].copy_from_slice(&11_811_u32.to_le_bytes());
    file[42..46].copy_from_slice(&5_906_u32.to_le_bytes());
    file
}

#[test]
fn the_density_of_every_input_reaches_every_answer_that_keeps_metadata() {
    for (name, input) in inputs() {
        for format in Format::OUTPUT {
            // Turned, so that no input is its own answer.
            let half = Job { rotate: Rotation::Half, metadata: MetadataPolicy::Keep, ..job(format, 20_000) };
            let answer = run(&half, &input).unwrap().bytes;
            assert!(is_near(of(format, &answer), [300.0, 150.0]), "{name} to {format:?}: {:?}", of(format, &answer));
            let quarter = Job { rotate: Rotation::Quarter, ..half.clone() };
            let answer = run(&quarter, &input).unwrap().bytes;
            assert!(is_near(of(format, &answer), [150.0, 300.0]), "{name} to {format:?}, a quarter turn");
            let stripped = Job { metadata: MetadataPolicy::Strip, ..half };
            assert_eq!(of(format, &run(&stripped, &input).unwrap().bytes), None, "{name} to {format:?}");
        }
    }
}

#[test]
fn both_sides_of_a_density_turn_with_a_picture_that_is_turned_upright() {
    let (_, png) = inputs().into_iter().find(|(name, _)| *name == "png").unwrap();
    let exif = exif::only_orientation(Orientation::Rotate90);
    let turned = container::embed(png, Format::Png, &Metadata { exif: Some(exif), ..Metadata::default() });
    let job = Job { metadata: MetadataPolicy::Keep, ..job(Format::Jpeg, 20_000) };
    assert!(is_near(jfif(&run(&job, &turned).unwrap().bytes), [150.0, 300.0]));
}

#[test]
fn dpi_is_what_every_answer_states_whatever_metadata_says() {
    for (name, input) in inputs() {
        for format in Format::OUTPUT {
            for metadata in MetadataPolicy::ALL {
                for dpi in [1, 300, 65_535] {
                    let job = Job {
                        rotate: Rotation::Half,
                        metadata: *metadata,
                        dpi: Some(dpi),
                        effort: Effort::Fast,
                        ..job(format, 20_000)
                    };
                    let answer = run(&job, &input).unwrap();
                    let sides = [f64::from(dpi); 2];
                    let (own, exif) = stated(format, &answer.bytes);
                    let name = format!("{name} to {format:?}, {metadata:?}, {dpi}: {own:?}, {exif:?}");
                    assert!(answer.bytes.len() <= 20_000, "{name}");
                    assert!(is_near(own.or(exif), sides), "{name}");
                    assert!(exif.is_none_or(|exif| exif == sides), "EXIF states another: {name}");
                    assert_eq!(decode(&answer.bytes).width(), answer.report.output.width, "{name}");
                }
            }
        }
    }
}

#[test]
fn an_input_that_fits_gets_its_density_without_a_new_encode() {
    let png = file(Content::Photo, 120, 80);
    for format in Format::OUTPUT {
        let plain = run(&job(format, 20_000), &png).unwrap().bytes;
        let tagged = |metadata: Metadata| container::embed(plain.clone(), format, &metadata);
        let orientation = exif::only_orientation(Orientation::Rotate90);
        let density = exif::only_density(Density::of_dpi(72));
        let inputs = [
            plain.clone(),
            tagged(Metadata { exif: Some(orientation), ..Metadata::default() }),
            tagged(Metadata { exif: Some(density), ..Metadata::default() }),
            tagged(Metadata { xmp: Some(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>".to_vec()), ..Metadata::default() }),
            tagged(Metadata { density: Some(Density::of_dpi(72)), ..Metadata::default() }),
        ];
        for (index, input) in inputs.iter().enumerate() {
            for metadata in MetadataPolicy::ALL {
                let name = format!("{format:?} {index} {metadata:?}");
                let job = Job { metadata: *metadata, dpi: Some(300), ..job(format, 40_000) };
                let answer = run(&job, input).unwrap();
                assert_eq!((answer.report.outcome, answer.report.encodes), (Outcome::Passthrough, 0), "{name}");
                let (own, exif) = stated(format, &answer.bytes);
                assert!(is_near(own.or(exif), [300.0; 2]), "{name}: {own:?} {exif:?}");
                assert!(exif.is_none_or(|exif| exif == [300.0; 2]), "{name}: {exif:?}");
                assert_eq!(decode(&answer.bytes), decode(input), "{name}");
                let again = run(&job, &answer.bytes).unwrap();
                assert!(again.bytes == answer.bytes, "{name}");
            }
        }
    }
}

#[test]
fn a_jpeg_without_jfif_keeps_its_colours_when_it_gets_a_density() {
    let mut rgb = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut rgb, 90);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1);
    let pixels = decode(&file(Content::Photo, 120, 80)).into_pixels();
    encoder.encode(&pixels, 120, 80, jpeg_encoder::ColorType::Rgb).unwrap();
    // Without JFIF's segment, and then with Adobe's that says the components are RGB, too.
    let ycc = [&rgb[..2], &rgb[20..]].concat();
    let adobe = [&ycc[..2], b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\0", &ycc[2..]].concat();
    for (input, has_jfif) in [(ycc, true), (adobe, false)] {
        let answer = run(&Job { dpi: Some(300), ..job(Format::Jpeg, 30_000) }, &input).unwrap();
        assert_eq!(answer.report.outcome, Outcome::Passthrough);
        assert!(is_near(of(Format::Jpeg, &answer.bytes), [300.0; 2]));
        assert_eq!(jfif(&answer.bytes).is_some(), has_jfif);
        assert_eq!(decode(&answer.bytes), decode(&input));
    }
}

#[test]
fn the_bytes_of_a_density_count() {
    let input = file(Content::Photo, 120, 80);
    for format in Format::OUTPUT {
        for target in [3_000, 4_500] {
            let exact = Job { mode: Mode::Exact, dpi: Some(300), ..job(format, target) };
            let answer = run(&exact, &input).unwrap();
            assert_eq!(answer.bytes.len() as u64, target, "{format:?}");
            assert!(is_near(of(format, &answer.bytes), [300.0; 2]), "{format:?}");
        }
    }
    // A PNG that fits to the byte has no bytes left for pHYs.
    let whole = input.len() as u64;
    let fits = run(&Job { dpi: Some(300), ..job(Format::Png, whole + 21) }, &input).unwrap();
    assert_eq!((fits.report.outcome, fits.bytes.len() as u64), (Outcome::Passthrough, whole + 21));
    let over = run(&Job { dpi: Some(300), ..job(Format::Png, whole + 20) }, &input).unwrap();
    assert!(over.bytes.len() as u64 <= whole + 20 && over.report.outcome != Outcome::Passthrough);
    assert!(is_near(of(Format::Png, &over.bytes), [300.0; 2]));
}
