//! JPEG: baseline and progressive, every sampling, grey, colour and inks, with all kinds of segments.

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{Effort, Format, container};
use jpeg_encoder::{ColorType, SamplingFactor};

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};
use super::metadata;

pub fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (name, picture) in drawn::pictures().into_iter().filter(|(_, picture)| !picture.has_alpha()) {
        for (coding, kind) in [(LossyCoding::JpegHalved, "halved"), (LossyCoding::JpegFull, "full")] {
            let encoder = coding.encoder(&picture, Effort::Balanced).expect("fits");
            files.push((format!("{name}-{kind}.jpg"), encoder.encode(0.0).expect("encodes")));
        }
    }
    let rgb = ColorType::Rgb;
    let samplings = [
        ("410", SamplingFactor::F_4_2),
        ("411", SamplingFactor::F_4_1),
        ("420", SamplingFactor::F_2_2),
        ("422", SamplingFactor::F_2_1),
        ("440", SamplingFactor::F_1_2),
    ];
    for (name, sampling) in samplings {
        files.push((format!("{name}.jpg"), file(rgb, |encoder| encoder.set_sampling_factor(sampling))));
    }
    let progressive = |colour| {
        file(colour, |encoder| {
            encoder.set_progressive(true);
            encoder.set_sampling_factor(SamplingFactor::F_2_2);
        })
    };
    let whole = progressive(rgb);
    let profiled = |colour, profile: &[u8]| file(colour, |encoder| encoder.add_icc_profile(profile).expect("fits"));
    let inverted =
        |encoder: &mut Writer<'_>| encoder.add_app_segment(14, b"Adobe\0\x64\0\0\0\0\x02".to_vec()).expect("fits");
    let mut add = |name: &str, file: Vec<u8>| files.push((format!("{name}.jpg"), file));
    add("restart", file(rgb, |encoder| encoder.set_restart_interval(1)));
    add("optimized", file(rgb, |encoder| encoder.set_optimized_huffman_tables(true)));
    add("progressive-grey", progressive(ColorType::Luma));
    add("progressive-inks", progressive(ColorType::Cmyk));
    add("truncated-scan", whole[..whole.len() - 40].to_vec());
    add("truncated-end", whole[..whole.len() - 2].to_vec());
    add("progressive", whole);
    add("inks", file(ColorType::Cmyk, |_| ()));
    add("inks-as-ycck", file(ColorType::CmykAsYcck, |_| ()));
    add("inks-adobe", file(ColorType::Cmyk, inverted));
    add("profile-rgb", profiled(rgb, &metadata::display_p3()));
    add("profile-grey", profiled(ColorType::Luma, &metadata::grey_gamma()));
    add("profile-inks", profiled(ColorType::Cmyk, &metadata::inks()));
    add(
        "segments",
        file(rgb, |encoder| {
            encoder.add_app_segment(2, b"MPF\0II*\0\x08\0\0\0\0\0".to_vec()).expect("fits");
            encoder.add_app_segment(13, b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\0".to_vec()).expect("fits");
        }),
    );
    let plain = file(rgb, |_| ());
    add("metadata", container::embed(plain.clone(), Format::Jpeg, &metadata::full(6)));
    add("padded", container::pad(plain.clone(), Format::Jpeg, plain.len() as u64 + 9).expect("pads"));
    add("comment", [&plain[..2], b"\xFF\xFE\0\x07hello", &plain[2..], b"behind the end"].concat());
    let jfif_end = 20;
    let thumbnail = b"\xFF\xE0\0\x0DJFXX\0\x13\x01\x01\x09\x08\x07";
    add("thumbnail", [&plain[..jfif_end], thumbnail, &plain[jfif_end..]].concat());
    files
}

type Writer<'a> = jpeg_encoder::Encoder<&'a mut Vec<u8>>;

fn file(colour: ColorType, change: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let channels = match colour {
        ColorType::Luma => 1,
        ColorType::Cmyk | ColorType::CmykAsYcck => 4,
        _ => 3,
    };
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 60);
    change(&mut encoder);
    encoder.encode(&drawn::samples(WIDTH, HEIGHT, channels), WIDTH as u16, HEIGHT as u16, colour).expect("encodes");
    file
}
